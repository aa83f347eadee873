// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/http.c - HTTP on a Unix socket, in the daemon's loop
 *
 * libmicrohttpd runs without threads: its epoll descriptor is one source of
 * our loop, its time-out one timer.  A request is collected whole (at most
 * HTTP_BODY_BYTES), then handed to mullion_api_handle().  If that leaves it
 * open the connection is suspended; libmicrohttpd does not look at a suspended
 * connection, so its socket is watched here for the client hanging up.
 *
 * Who may: file mode and SO_PEERCRED both have to allow it: the daemon's own
 * user, root, and members of the one group that the administrator named.
 *
 * Life of a struct http_request: from the request's first header until
 * libmicrohttpd says it is completed; a connection carries several, one after
 * another.  After an upgrade the socket belongs to a struct http_stream.
 */

#include <errno.h>
#include <fcntl.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http.h"
#include "log.h"
#include "request.h"

#define HTTP_BODY_BYTES		(256U << 10)
#define HTTP_STREAM_BLOCK	16384
#define HTTP_IDLE_SECONDS	60U
#define HTTP_DRAIN_ROUNDS	100
#define HTTP_GROUPS_MAX		1024

struct http_stream {
	struct mullion_stream stream;
	struct mullion_http *http;
	struct MHD_UpgradeResponseHandle *handle;
	struct http_stream *next, **previous;
};

struct http_request {
	struct mullion_api_request request;
	struct mullion_http *http;
	struct MHD_Connection *connection;
	sd_event_source *watch;		/* of a suspended connection */
	char *body;
	bool dispatched;
	bool suspended;
	bool hung_up;
	struct http_request *next, **previous;
};

struct mullion_http {
	struct mullion_daemon *daemon;
	struct MHD_Daemon *mhd;
	sd_event_source *io;
	sd_event_source *timer;
	struct http_request *requests;
	struct http_stream *streams;
	bool kicked;		/* MHD_run() has to be called again */
	bool ending;
};

static int http_fd(struct MHD_Connection *connection)
{
	const union MHD_ConnectionInfo *info;

	info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
	return info ? info->connect_fd : -1;
}

static void http_schedule(struct mullion_http *http)
{
	MHD_UNSIGNED_LONG_LONG ms = 0;

	/* What is resumed from within MHD_run() is not in its time-out. */
	if (!http->kicked && MHD_get_timeout(http->mhd, &ms) != MHD_YES) {
		sd_event_source_set_enabled(http->timer, SD_EVENT_OFF);
		return;
	}
	sd_event_source_set_time_relative(http->timer, (uint64_t)ms * 1000);
	sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static void http_run(struct mullion_http *http)
{
	http->kicked = false;
	MHD_run(http->mhd);
	http_schedule(http);
	mullion_daemon_idle_check(http->daemon);
}

static int http_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	http_run(arg);
	return 0;
}

static int http_time(sd_event_source *source, uint64_t usec, void *arg)
{
	(void)source;
	(void)usec;
	http_run(arg);
	return 0;
}

/* A connection was resumed or closed: MHD_run() has to be called (again). */
static void http_kick(struct mullion_http *http)
{
	http->kicked = true;
	sd_event_source_set_time_relative(http->timer, 0);
	sd_event_source_set_enabled(http->timer, SD_EVENT_ONESHOT);
}

static bool http_in_group(int fd, const struct ucred *peer, int64_t group)
{
	gid_t groups[HTTP_GROUPS_MAX];
	socklen_t bytes = sizeof(groups);
	size_t i;

	if (group < 0)
		return false;
	if (peer->gid == (gid_t)group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &bytes) < 0)
		return false;
	for (i = 0; i < bytes / sizeof(groups[0]); i++)
		if (groups[i] == (gid_t)group)
			return true;
	return false;
}

static bool http_allowed(struct mullion_http *http, int fd, pid_t *ret_pid)
{
	struct ucred peer;
	socklen_t bytes = sizeof(peer);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &bytes) < 0)
		return false;
	*ret_pid = peer.pid;
	return peer.uid == 0 || peer.uid == geteuid() ||
	       http_in_group(fd, &peer, http->daemon->group);
}

static void http_resume(struct http_request *r)
{
	if (!r->suspended)
		return;
	r->suspended = false;
	r->watch = sd_event_source_disable_unref(r->watch);
	MHD_resume_connection(r->connection);
	http_kick(r->http);
}

static int http_watch(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct http_request *r = arg;

	(void)source;
	(void)fd;
	(void)revents;
	r->hung_up = true;
	http_resume(r);
	return 0;
}

static void http_suspend(struct http_request *r)
{
	r->suspended = true;
	MHD_suspend_connection(r->connection);
	/* Without the watch a client that hangs up is noticed at the answer. */
	if (sd_event_add_io(r->http->daemon->event, &r->watch, http_fd(r->connection), EPOLLHUP,
			    http_watch, r) < 0)
		r->watch = NULL;
}

static const char *http_query(struct mullion_api_request *req, const char *name)
{
	struct http_request *r = req->transport;

	return MHD_lookup_connection_value(r->connection, MHD_GET_ARGUMENT_KIND, name);
}

static void http_wake(struct mullion_api_request *req)
{
	http_resume(req->transport);
}

static const struct mullion_api_ops http_ops = {
	.query = http_query,
	.wake = http_wake,
};

static struct http_request *http_request_new(struct mullion_http *http,
					     struct MHD_Connection *connection,
					     const char *path, const char *method)
{
	struct http_request *r = calloc(1, sizeof(*r));
	pid_t pid;

	if (!r)
		return NULL;
	r->http = http;
	r->connection = connection;
	r->request.daemon = http->daemon;
	r->request.ops = &http_ops;
	r->request.transport = r;
	r->request.method = method;
	r->request.path = path;
	r->request.upgrade = MHD_lookup_connection_value(connection, MHD_HEADER_KIND,
							 MHD_HTTP_HEADER_UPGRADE);
	r->request.denied = !http_allowed(http, http_fd(connection), &pid);
	r->next = http->requests;
	if (r->next)
		r->next->previous = &r->next;
	r->previous = &http->requests;
	http->requests = r;
	return r;
}

static void http_completed(void *arg, struct MHD_Connection *connection, void **cls,
			   enum MHD_RequestTerminationCode code)
{
	struct http_request *r = *cls;

	(void)arg;
	(void)connection;
	(void)code;
	if (!r)
		return;
	*cls = NULL;
	*r->previous = r->next;
	if (r->next)
		r->next->previous = r->previous;
	sd_event_source_disable_unref(r->watch);
	mullion_api_forget(&r->request);
	free(r->body);
	free(r);
}

static void http_collect(struct http_request *r, const char *data, size_t bytes)
{
	char *body;

	if (r->request.denied || bytes > HTTP_BODY_BYTES - r->request.body_bytes) {
		r->request.too_large = true;
		return;
	}
	body = realloc(r->body, r->request.body_bytes + bytes);
	if (!body) {
		r->request.too_large = true;
		return;
	}
	memcpy(body + r->request.body_bytes, data, bytes);
	r->body = body;
	r->request.body = body;
	r->request.body_bytes += bytes;
}

static ssize_t http_fill(void *arg, uint64_t position, char *buffer, size_t bytes)
{
	struct http_request *r = arg;
	ssize_t n;

	(void)position;
	if (r->hung_up || r->http->ending)
		return MHD_CONTENT_READER_END_WITH_ERROR;
	n = r->request.fill(r->request.fill_arg, buffer, bytes);
	if (n < 0)
		return MHD_CONTENT_READER_END_OF_STREAM;
	if (n == 0)
		http_suspend(r);
	return n;
}

static void http_stream_close(struct mullion_stream *stream)
{
	struct http_stream *s = (struct http_stream *)stream;
	struct mullion_http *http = s->http;

	*s->previous = s->next;
	if (s->next)
		s->next->previous = s->previous;
	MHD_upgrade_action(s->handle, MHD_UPGRADE_ACTION_CLOSE);
	free(s->stream.early);
	free(s);
	http_kick(http);
}

static void http_upgraded(void *arg, struct MHD_Connection *connection, void *cls,
			  const char *extra, size_t extra_bytes, MHD_socket fd,
			  struct MHD_UpgradeResponseHandle *handle)
{
	struct http_request *r = arg;
	struct mullion_http *http = r->http;
	struct http_stream *s = calloc(1, sizeof(*s));
	int flags = fcntl(fd, F_GETFL);

	(void)connection;
	(void)cls;
	if (s && extra_bytes) {
		s->stream.early = malloc(extra_bytes);
		if (!s->stream.early) {
			free(s);
			s = NULL;
		}
	}
	if (!s || http->ending || flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
		MHD_upgrade_action(handle, MHD_UPGRADE_ACTION_CLOSE);
		if (s)
			free(s->stream.early);
		free(s);
		return;
	}
	if (extra_bytes)
		memcpy(s->stream.early, extra, extra_bytes);
	s->stream.early_bytes = extra_bytes;
	s->stream.fd = fd;
	s->stream.close = http_stream_close;
	s->handle = handle;
	s->http = http;
	http_allowed(http, fd, &s->stream.pid);
	s->next = http->streams;
	if (s->next)
		s->next->previous = &s->next;
	s->previous = &http->streams;
	http->streams = s;
	r->request.upgrade_dropped = NULL;
	r->request.upgraded(r->request.upgrade_arg, &s->stream);
}

static struct MHD_Response *http_response(struct http_request *r)
{
	struct mullion_api_request *req = &r->request;
	struct MHD_Response *response;

	switch (req->state) {
	case MULLION_API_STREAMING:
		response = MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, HTTP_STREAM_BLOCK,
							     http_fill, r, NULL);
		break;
	case MULLION_API_UPGRADING:
		response = MHD_create_response_for_upgrade(http_upgraded, r);
		if (response)
			MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, req->type);
		return response;
	default:
		response = MHD_create_response_from_buffer(req->text_bytes, req->text,
							   MHD_RESPMEM_MUST_COPY);
		break;
	}
	if (response && req->type)
		MHD_add_response_header(response, MHD_HTTP_HEADER_CONTENT_TYPE, req->type);
	if (response && req->allow[0])
		MHD_add_response_header(response, MHD_HTTP_HEADER_ALLOW, req->allow);
	return response;
}

static enum MHD_Result http_queue(struct http_request *r)
{
	struct MHD_Response *response = http_response(r);
	enum MHD_Result result;

	if (!response)
		return MHD_NO;
	result = MHD_queue_response(r->connection, r->request.status, response);
	MHD_destroy_response(response);
	return result;
}

static enum MHD_Result http_handler(void *arg, struct MHD_Connection *connection,
				    const char *path, const char *method, const char *version,
				    const char *data, size_t *bytes, void **cls)
{
	struct mullion_http *http = arg;
	struct http_request *r = *cls;

	(void)version;
	if (!r) {
		r = http_request_new(http, connection, path, method);
		*cls = r;
		return r ? MHD_YES : MHD_NO;
	}
	if (*bytes) {
		http_collect(r, data, *bytes);
		*bytes = 0;
		return MHD_YES;
	}
	if (r->hung_up || http->ending)
		return MHD_NO;
	if (!r->dispatched) {
		r->dispatched = true;
		mullion_api_handle(&r->request);
		if (r->request.state == MULLION_API_OPEN) {
			http_suspend(r);
			return MHD_YES;
		}
	}
	if (r->request.state == MULLION_API_OPEN)
		return MHD_NO;
	return http_queue(r);
}

unsigned int mullion_http_clients(const struct mullion_http *http)
{
	const struct http_request *r;
	const struct http_stream *s;
	unsigned int n = 0;

	for (r = http->requests; r; r = r->next)
		n++;
	for (s = http->streams; s; s = s->next)
		n++;
	return n;
}

static void http_log(void *arg, const char *format, va_list ap)
{
	char text[256];
	int n = vsnprintf(text, sizeof(text), format, ap);

	(void)arg;
	while (n > 0 && (size_t)n < sizeof(text) && text[n - 1] == '\n')
		text[--n] = '\0';
	mullion_log(LOG_DEBUG, "API", "%s", text);
}

int mullion_http_new(struct mullion_daemon *daemon, int listen_fd, struct mullion_http **ret)
{
	struct mullion_http *http = calloc(1, sizeof(*http));
	const union MHD_DaemonInfo *info;
	int r = -ENOMEM;

	if (!http)
		goto fail_fd;
	http->daemon = daemon;
	http->mhd = MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE |
				     MHD_USE_ITC | MHD_USE_ERROR_LOG, 0, NULL, NULL,
				     http_handler, http,
				     MHD_OPTION_EXTERNAL_LOGGER, http_log, NULL,
				     MHD_OPTION_LISTEN_SOCKET, listen_fd,
				     MHD_OPTION_CONNECTION_TIMEOUT, HTTP_IDLE_SECONDS,
				     MHD_OPTION_NOTIFY_COMPLETED, http_completed, http,
				     MHD_OPTION_END);
	if (!http->mhd)
		goto fail_fd;
	info = MHD_get_daemon_info(http->mhd, MHD_DAEMON_INFO_EPOLL_FD);
	r = info ? sd_event_add_io(daemon->event, &http->io, info->epoll_fd, EPOLLIN, http_io,
				   http) : -EIO;
	if (r >= 0)
		r = sd_event_add_time_relative(daemon->event, &http->timer, CLOCK_MONOTONIC, 0, 0,
					       http_time, http);
	if (r < 0) {
		mullion_http_free(http);
		return r;
	}
	*ret = http;
	return 0;
fail_fd:
	close(listen_fd);
	free(http);
	return r;
}

void mullion_http_free(struct mullion_http *http)
{
	struct http_request *r;
	int rounds;

	if (!http)
		return;
	/* Let answers that were given just now leave. */
	for (rounds = 0; rounds < HTTP_DRAIN_ROUNDS && http->requests; rounds++)
		MHD_run(http->mhd);
	http->ending = true;
	while (http->streams) {
		struct mullion_stream *stream = &http->streams->stream;

		if (stream->broken)
			stream->broken(stream, stream->arg);
		else
			stream->close(stream);
	}
	/* libmicrohttpd insists on ending with no connection suspended. */
	for (r = http->requests; r; r = r->next) {
		mullion_api_forget(&r->request);
		http_resume(r);
	}
	MHD_run(http->mhd);
	http->io = sd_event_source_disable_unref(http->io);
	http->timer = sd_event_source_disable_unref(http->timer);
	MHD_stop_daemon(http->mhd);
	free(http);
}
