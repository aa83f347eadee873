// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/qmp.c - asynchronous client of QEMU's monitor
 *
 * QEMU greets, we answer qmp_capabilities, then commands flow: each is queued
 * as one line of text with an id, written as far as the socket takes it, and
 * waits in a list for the answer with its id.  A descriptor goes with the first
 * byte of its line.  Lines of more than QMP_LINE_BYTES, and lines that are not
 * JSON, end the connection: QEMU is as little trusted as any guest, because a
 * guest may have taken it over.
 *
 * While device_add waits for an ivshmem greeting QEMU answers nothing; nobody
 * here notices but the command itself.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "qmp.h"

#define QMP_LINE_BYTES	(1U << 20)
#define QMP_READ_BYTES	16384

struct qmp_command {
	struct qmp_command *next;
	uint64_t id;
	char *line;		/* NULL once it is written */
	size_t bytes, written;
	int fd;
	mullion_qmp_done *done;
	void *arg;
};

struct mullion_qmp {
	sd_event_source *source;
	const struct mullion_qmp_handler *handler;
	void *arg;
	int fd;
	bool greeted, ready, closed;
	char version[32];	/* of QEMU */
	bool *freed;		/* set when a callback frees the client */
	uint64_t last_id;
	struct qmp_command *first, **last;
	char *in;
	size_t in_used, in_size;
};

static void qmp_command_free(struct qmp_command *cmd)
{
	if (cmd->fd >= 0)
		close(cmd->fd);
	free(cmd->line);
	free(cmd);
}

const char *mullion_qmp_error_text(json_t *error)
{
	const char *text = json_string_value(json_object_get(error, "desc"));

	return text ? text : "QEMU gave no reason";
}

static void qmp_finish(struct qmp_command *cmd, int error, json_t *result)
{
	if (cmd->done)
		cmd->done(cmd->arg, error, result);
	qmp_command_free(cmd);
}

static void qmp_close(struct mullion_qmp *q, int error)
{
	bool freed = false;

	if (q->closed)
		return;
	q->closed = true;
	q->source = sd_event_source_disable_unref(q->source);
	q->freed = &freed;
	while (q->first) {
		struct qmp_command *cmd = q->first;

		q->first = cmd->next;
		if (!q->first)
			q->last = &q->first;
		qmp_finish(cmd, -ECONNRESET, NULL);
		if (freed)
			return;
	}
	q->freed = NULL;
	if (q->handler->closed)
		q->handler->closed(q->arg, error);
}

/* Return: 1 when all is written, 0 when the socket is full, or negative errno. */
static int qmp_write_one(struct mullion_qmp *q, struct qmp_command *cmd)
{
	while (cmd->written < cmd->bytes) {
		char control[CMSG_SPACE(sizeof(int))] = { 0 };
		struct iovec iov = {
			.iov_base = cmd->line + cmd->written,
			.iov_len = cmd->bytes - cmd->written,
		};
		struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
		ssize_t n;

		if (cmd->fd >= 0) {
			struct cmsghdr *c = (struct cmsghdr *)control;

			msg.msg_control = control;
			msg.msg_controllen = sizeof(control);
			c->cmsg_level = SOL_SOCKET;
			c->cmsg_type = SCM_RIGHTS;
			c->cmsg_len = CMSG_LEN(sizeof(int));
			memcpy(CMSG_DATA(c), &cmd->fd, sizeof(int));
		}
		n = sendmsg(q->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return errno == EAGAIN ? 0 : -errno;
		if (cmd->fd >= 0) {
			close(cmd->fd);
			cmd->fd = -1;
		}
		cmd->written += (size_t)n;
	}
	free(cmd->line);
	cmd->line = NULL;
	return 1;
}

static int qmp_write(struct mullion_qmp *q)
{
	uint32_t events = EPOLLIN;
	struct qmp_command *cmd;
	int r;

	if (!q->greeted)
		return 0;
	for (cmd = q->first; cmd; cmd = cmd->next) {
		if (!cmd->line)
			continue;
		/* The first command is qmp_capabilities; the rest waits for its answer. */
		if (!q->ready && cmd->id != 1)
			break;
		r = qmp_write_one(q, cmd);
		if (r < 0)
			return r;
		if (r == 0) {
			events |= EPOLLOUT;
			break;
		}
	}
	return sd_event_source_set_io_events(q->source, events);
}

int mullion_qmp_execute(struct mullion_qmp *q, const char *command, json_t *arguments,
			int fd, mullion_qmp_done *done, void *arg)
{
	struct qmp_command *cmd;
	json_t *message;
	char *text;
	int r = -ENOMEM;

	if (q->closed) {
		json_decref(arguments);
		return -ECONNRESET;
	}
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd) {
		json_decref(arguments);
		return -ENOMEM;
	}
	cmd->fd = -1;
	cmd->id = q->last_id + 1;
	cmd->done = done;
	cmd->arg = arg;
	message = json_pack("{s:s, s:I, s:o*}", "execute", command, "id",
			    (json_int_t)cmd->id, "arguments", arguments);
	if (!message)
		goto fail;
	text = json_dumps(message, JSON_COMPACT);
	json_decref(message);
	if (!text)
		goto fail;
	r = asprintf(&cmd->line, "%s\n", text);
	free(text);
	if (r < 0) {
		cmd->line = NULL;
		r = -ENOMEM;
		goto fail;
	}
	cmd->bytes = (size_t)r;
	if (fd >= 0) {
		cmd->fd = fcntl(fd, F_DUPFD_CLOEXEC, 3);
		if (cmd->fd < 0) {
			r = -errno;
			goto fail;
		}
	}
	q->last_id = cmd->id;
	*q->last = cmd;
	q->last = &cmd->next;
	/*
	 * Nothing is written here: an error would tell the caller's caller that the
	 * monitor is gone, in the middle of whatever it is doing.
	 */
	if (q->greeted)
		sd_event_source_set_io_events(q->source, EPOLLIN | EPOLLOUT);
	return 0;
fail:
	qmp_command_free(cmd);
	return r;
}

static void qmp_capable(void *arg, int error, json_t *result)
{
	struct mullion_qmp *q = arg;

	(void)result;
	if (error)
		return;
	q->ready = true;
	/* The greeting comes early; an answer comes when QEMU has started completely. */
	if (q->handler->ready)
		q->handler->ready(q->arg, q->version);
}

static int qmp_greeting(struct mullion_qmp *q, json_t *message)
{
	json_t *version = json_object_get(json_object_get(json_object_get(message, "QMP"),
							  "version"), "qemu");

	if (!version)
		return -EPROTO;
	snprintf(q->version, sizeof(q->version), "%d.%d.%d",
		 (int)json_integer_value(json_object_get(version, "major")),
		 (int)json_integer_value(json_object_get(version, "minor")),
		 (int)json_integer_value(json_object_get(version, "micro")));
	q->greeted = true;
	return 0;
}

static void qmp_answer(struct mullion_qmp *q, json_t *message, json_t *result, int error)
{
	json_int_t id = json_integer_value(json_object_get(message, "id"));
	struct qmp_command **p, *cmd;

	for (p = &q->first; (cmd = *p); p = &cmd->next)
		if (cmd->id == (uint64_t)id && !cmd->line)
			break;
	if (!cmd)
		return;
	*p = cmd->next;
	if (!cmd->next)
		q->last = p;
	qmp_finish(cmd, error, result);
}

static uint64_t qmp_time(const json_t *timestamp)
{
	return (uint64_t)json_integer_value(json_object_get(timestamp, "seconds")) * 1000000 +
	       (uint64_t)json_integer_value(json_object_get(timestamp, "microseconds"));
}

static int qmp_message(struct mullion_qmp *q, const char *line, size_t bytes)
{
	bool freed = false;
	json_t *message, *value;
	int r = 0;

	message = json_loadb(line, bytes, 0, NULL);
	if (!json_is_object(message)) {
		json_decref(message);
		return -EPROTO;
	}
	q->freed = &freed;
	if (!q->greeted)
		r = qmp_greeting(q, message);
	else if ((value = json_object_get(message, "event")))
		q->handler->event(q->arg, json_string_value(value) ? json_string_value(value) : "",
				  json_object_get(message, "data"),
				  qmp_time(json_object_get(message, "timestamp")));
	else if ((value = json_object_get(message, "return")))
		qmp_answer(q, message, value, 0);
	else if ((value = json_object_get(message, "error")))
		qmp_answer(q, message, value, -EREMOTEIO);
	json_decref(message);
	if (freed)
		return -ECANCELED;
	q->freed = NULL;
	return r;
}

/* Return: 0, -ECANCELED when the client was freed, or negative errno. */
static int qmp_lines(struct mullion_qmp *q)
{
	size_t start = 0;
	char *end;
	int r;

	while ((end = memchr(q->in + start, '\n', q->in_used - start))) {
		size_t bytes = (size_t)(end - (q->in + start));

		r = bytes > 1 ? qmp_message(q, q->in + start, bytes) : 0;
		if (r)
			return r;
		start += bytes + 1;
	}
	memmove(q->in, q->in + start, q->in_used - start);
	q->in_used -= start;
	return q->in_used >= QMP_LINE_BYTES ? -EMSGSIZE : 0;
}

static int qmp_read(struct mullion_qmp *q)
{
	ssize_t n;

	if (q->in_size - q->in_used < QMP_READ_BYTES) {
		size_t size = q->in_used + 2 * QMP_READ_BYTES;
		char *in = realloc(q->in, size);

		if (!in)
			return -ENOMEM;
		q->in = in;
		q->in_size = size;
	}
	n = read(q->fd, q->in + q->in_used, q->in_size - q->in_used);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	if (n == 0)
		return -EPIPE;
	q->in_used += (size_t)n;
	return qmp_lines(q);
}

static int qmp_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_qmp *q = arg;
	int r = 0;

	(void)source;
	(void)fd;
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		r = qmp_read(q);
	if (!r)
		r = qmp_write(q);
	if (r < 0 && r != -ECANCELED)
		qmp_close(q, r == -EPIPE ? 0 : r);
	return 0;
}

int mullion_qmp_new(sd_event *event, int fd, const struct mullion_qmp_handler *handler,
		    void *arg, struct mullion_qmp **ret)
{
	struct mullion_qmp *q = calloc(1, sizeof(*q));
	int r;

	if (!q) {
		close(fd);
		return -ENOMEM;
	}
	q->fd = fd;
	q->handler = handler;
	q->arg = arg;
	q->last = &q->first;
	r = sd_event_add_io(event, &q->source, fd, EPOLLIN, qmp_io, q);
	if (r >= 0)
		r = mullion_qmp_execute(q, "qmp_capabilities", NULL, -1, qmp_capable, q);
	if (r < 0) {
		mullion_qmp_free(q);
		return r;
	}
	*ret = q;
	return 0;
}

void mullion_qmp_free(struct mullion_qmp *q)
{
	if (!q)
		return;
	if (q->freed)
		*q->freed = true;
	q->closed = true;
	sd_event_source_disable_unref(q->source);
	while (q->first) {
		struct qmp_command *cmd = q->first;

		q->first = cmd->next;
		qmp_finish(cmd, -ECONNRESET, NULL);
	}
	close(q->fd);
	free(q->in);
	free(q);
}
