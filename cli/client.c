/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/client.c - talking to mulliond
 *
 * One request, one connection.  If nobody listens, a daemon is started.  A
 * daemon that ends because it was idle may reset a connection that it had not
 * accepted yet: a request that got not one byte of an answer is sent once more.
 * What the daemon answers is checked like any other input: a size limit for
 * bodies that are kept, and JSON that has the wrong shape is an error.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "report.h"

#define CLIENT_BODY_MAX (64u << 20)

/* A body that is kept; always followed by a NUL. */
struct client_body {
	char *data;
	size_t len;
	size_t size;
};

static int client_body_take(void *arg, const char *data, size_t len)
{
	struct client_body *body = arg;

	if (len > CLIENT_BODY_MAX - body->len)
		return -E2BIG;
	if (body->len + len + 1 > body->size) {
		size_t size = 2 * (body->len + len + 1);
		char *grown = realloc(body->data, size);

		if (!grown)
			return -ENOMEM;
		body->data = grown;
		body->size = size;
	}
	memcpy(body->data + body->len, data, len);
	body->len += len;
	body->data[body->len] = '\0';
	return 0;
}

const struct mullion_paths *mullion_client_paths(void)
{
	static struct mullion_paths paths;
	static bool ready;
	int ret;

	if (!ready) {
		ret = mullion_paths_init(&paths);
		if (ret) {
			mullion_report_error("cannot find", "the daemon's folders",
					     ret == -ENAMETOOLONG ?
					     "set MULLION_RUNTIME_DIR to a shorter path" : NULL,
					     "%s", strerror(-ret));
			return NULL;
		}
		ready = true;
	}
	return &paths;
}

char *mullion_client_path(const char *format, const char *name)
{
	char *escaped = mullion_request_escape(name);
	const char *slot = strstr(format, "%s");
	int before = slot ? slot - format : (int)strlen(format);
	char *path;

	if (!escaped || asprintf(&path, "%.*s%s%s", before, format, slot ? escaped : "",
				 slot ? slot + 2 : "") < 0) {
		mullion_report_error("cannot ask for", name, NULL, "no memory");
		exit(1);
	}
	free(escaped);
	return path;
}

/*
 * What a daemon is told can be a command line or a password typed at a console,
 * and in /tmp anybody may have put up a socket before us.  A folder that the
 * user has named is the user's choice.
 */
static bool client_trusts(int fd)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getenv("MULLION_RUNTIME_DIR"))
		return true;
	return !getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) &&
	       (peer.uid == 0 || peer.uid == geteuid());
}

int mullion_client_connect(const struct mullion_paths *paths)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, ret;

	if (strlen(paths->socket) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	strcpy(address.sun_path, paths->socket);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		ret = -errno;
		close(fd);
		return ret;
	}
	if (!client_trusts(fd)) {
		close(fd);
		return -EPERM;
	}
	return fd;
}

static int client_reach(unsigned int flags)
{
	const struct mullion_paths *paths = mullion_client_paths();
	int fd;

	if (!paths)
		return -EINVAL;
	fd = mullion_client_connect(paths);
	if (fd >= 0)
		return fd;
	if (fd == -ENOENT || fd == -ECONNREFUSED) {
		if (flags & MULLION_CLIENT_NO_START)
			return -ECONNREFUSED;
		return mullion_autostart(paths);
	}
	if (fd == -EPERM)
		mullion_report_error("will not talk to the daemon at", paths->socket,
				     "set MULLION_RUNTIME_DIR to a folder that you trust",
				     "it is another user's");
	else
		mullion_report_error("cannot reach the daemon at", paths->socket,
				     fd == -EACCES ? "ask an administrator for access" : NULL,
				     "%s", strerror(-fd));
	return fd;
}

static int client_send(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t sent = send(fd, data, len, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0)
			return -errno;
		data += sent;
		len -= sent;
	}
	return 0;
}

/* Bytes are in connection->buffer afterwards; 0 means that the peer closed. */
static ssize_t client_receive(struct mullion_connection *connection)
{
	struct pollfd fds[] = {
		{ .fd = connection->fd, .events = POLLIN },
		{ .fd = connection->cancel, .events = POLLIN },
	};
	ssize_t got;

	for (;;) {
		if (poll(fds, 2, -1) < 0) {
			if (errno == EINTR)
				continue;
			return -errno;
		}
		if (fds[1].revents)
			return -EINTR;
		got = recv(connection->fd, connection->buffer, sizeof(connection->buffer), 0);
		if (got >= 0 || errno != EINTR)
			return got < 0 ? -errno : got;
	}
}

/* Sends the request and reads on to the end of the answer's head. */
static int client_try(const struct mullion_request *request, struct mullion_connection *connection)
{
	struct mullion_response *response = &connection->response;
	char *head;
	int ret;

	mullion_response_init(response, request->take, request->arg);
	connection->from = connection->to = 0;
	connection->cancel = request->cancel;
	ret = client_reach(request->flags);
	if (ret < 0)
		return ret;
	connection->fd = ret;

	head = mullion_request_head(request->method, request->path, request->upgrade,
				    request->type, request->length);
	ret = head ? client_send(connection->fd, head, strlen(head)) : -ENOMEM;
	free(head);
	if (!ret)
		ret = client_send(connection->fd, request->body, request->length);
	/* EPIPE: the daemon may have refused before it read all; it says why. */
	return ret == -EPIPE ? 0 : ret;
}

static int client_read(struct mullion_connection *connection, bool *ret_first)
{
	struct mullion_response *response = &connection->response;
	ssize_t got = client_receive(connection);
	size_t used;
	int ret;

	if (got == -ECONNRESET && *ret_first)
		return got;
	if (got < 0)
		return got;
	if (!got) {
		ret = mullion_response_finish(response);
		return ret ? ret : 1;
	}
	*ret_first = false;
	ret = mullion_response_feed(response, connection->buffer, got, &used);
	connection->from = used;
	connection->to = got;
	return ret;
}

static void client_report_broken(const struct mullion_request *request, int error)
{
	const struct mullion_paths *paths = mullion_client_paths();

	/* The user's signal, or a taker that has had enough: nothing is broken. */
	if (error == -EINTR || error == -ECANCELED)
		return;
	if (error == -ECONNRESET)
		mullion_report_error("no answer from the daemon at", paths->socket,
				     "see its log, mulliond.log in its state folder, or the journal",
				     "it closed the connection during %s %s", request->method,
				     request->path);
	else
		mullion_report_error("cannot talk to the daemon at", paths->socket, NULL,
				     "%s %s: %s", request->method, request->path,
				     strerror(-error));
}

/*
 * The whole exchange.  Return: 0 with the answer complete or upgraded; errors
 * were reported, but the status of the answer is not looked at.
 */
static int client_exchange(const struct mullion_request *request,
			   struct mullion_connection *connection)
{
	bool first = true;
	int ret, tries = 0;

	connection->fd = -1;
	do {
		if (connection->fd >= 0)
			close(connection->fd);
		connection->fd = -1;
		ret = client_try(request, connection);
		if (ret < 0 && connection->fd < 0)
			return ret;	/* reported, or not to be */
		while (!ret)
			ret = client_read(connection, &first);
	} while (ret == -ECONNRESET && first && !tries++);
	if (ret < 0) {
		client_report_broken(request, ret);
		close(connection->fd);
		connection->fd = -1;
		return ret;
	}
	return 0;
}

static const char *client_error_text(json_t *error, const char *key)
{
	const char *text = json_string_value(json_object_get(error, key));

	return text && *text ? text : NULL;
}

/* An answer that is not 2xx: say what the daemon says. */
static int client_report_refusal(const struct mullion_request *request, int status,
				 const struct client_body *body)
{
	json_t *answer = body->data ? json_loadb(body->data, body->len, 0, NULL) : NULL;
	json_t *error = json_object_get(answer, "error");
	const char *what = client_error_text(error, "what");
	int ret = status == 404 ? -ENOENT : -EREMOTEIO;

	if (ret == -ENOENT && (request->flags & MULLION_CLIENT_MAY_MISS))
		;
	else if (what)
		mullion_report_error(what, client_error_text(error, "object"),
				     client_error_text(error, "do"), "%s",
				     client_error_text(error, "why") ?
				     client_error_text(error, "why") : "no reason given");
	else
		mullion_report_error("unexpected answer from the daemon to", request->path,
				     "see that mullion and mulliond are of one version",
				     "HTTP status %d", status);
	json_decref(answer);
	return ret;
}

/* While the status is not known to be good, bodies are kept, not handed on. */
struct client_filter {
	struct mullion_connection *connection;
	const struct mullion_request *request;
	struct client_body refusal;
};

static int client_filter_take(void *arg, const char *data, size_t len)
{
	struct client_filter *filter = arg;

	if (filter->connection->response.status / 100 != 2)
		return client_body_take(&filter->refusal, data, len);
	return filter->request->take ? filter->request->take(filter->request->arg, data, len) : 0;
}

static int client_perform(const struct mullion_request *request,
			  struct mullion_connection *connection)
{
	struct client_filter filter = { .connection = connection, .request = request };
	struct mullion_request filtered = *request;
	int ret, status;

	filtered.take = client_filter_take;
	filtered.arg = &filter;
	ret = client_exchange(&filtered, connection);
	if (!ret) {
		status = connection->response.status;
		if (request->upgrade ? status != 101 : status / 100 != 2) {
			ret = client_report_refusal(request, status, &filter.refusal);
			close(connection->fd);
			connection->fd = -1;
		}
	}
	free(filter.refusal.data);
	return ret;
}

int mullion_client_stream(const struct mullion_request *request)
{
	struct mullion_connection *connection = malloc(sizeof(*connection));
	int ret;

	if (!connection)
		return -ENOMEM;
	ret = client_perform(request, connection);
	if (!ret)
		close(connection->fd);
	free(connection);
	return ret;
}

int mullion_client_upgrade(const struct mullion_request *request,
			   struct mullion_connection **ret_connection)
{
	struct mullion_connection *connection = malloc(sizeof(*connection));
	int ret;

	if (!connection)
		return -ENOMEM;
	ret = client_perform(request, connection);
	if (ret)
		free(connection);
	else
		*ret_connection = connection;
	return ret;
}

void mullion_client_close(struct mullion_connection *connection)
{
	if (!connection)
		return;
	close(connection->fd);
	free(connection);
}

int mullion_client_call(const char *method, char *path, json_t *body, unsigned int flags,
			int cancel, json_t **ret_answer)
{
	struct client_body kept = { 0 };
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct mullion_request request = {
		.method = method, .path = path, .flags = flags, .cancel = cancel,
		.type = text ? "application/json" : NULL, .body = text,
		.length = text ? strlen(text) : 0,
		.take = client_body_take, .arg = &kept,
	};
	json_t *answer = NULL;
	int ret;

	json_decref(body);
	if (body && !text) {
		mullion_report_error("cannot ask for", path, NULL,
				     "an argument is not valid UTF-8");
		ret = -EILSEQ;
		goto out;
	}
	ret = mullion_client_stream(&request);
	if (ret)
		goto out;
	if (kept.len) {
		answer = json_loadb(kept.data, kept.len, 0, NULL);
		if (!answer) {
			mullion_report_error("unexpected answer from the daemon to", path,
					     "see that mullion and mulliond are of one version",
					     "not JSON");
			ret = -EPROTO;
			goto out;
		}
	}
	if (ret_answer)
		*ret_answer = answer;
	else
		json_decref(answer);
out:
	free(kept.data);
	free(text);
	free(path);
	return ret;
}

int mullion_client_get(const char *format, const char *name, json_t **ret_answer)
{
	return mullion_client_call("GET", mullion_client_path(format, name ? name : ""), NULL, 0,
				   -1, ret_answer);
}
