// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/api_streams.c - console, command, attach; logs and events that go on
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api.h"
#include "core.h"
#include "event.h"

#define EVENTS_BACKLOG	(1U << 20)	/* of a client that does not read */

/* A guest may go between the request and the upgrade: kept by name. */
struct api_stream {
	struct mullion_daemon *daemon;
	char name[MULLION_API_NAME_BYTES];
	bool command;
	bool history;
	bool owner;
};

static struct api_stream *stream_new(struct mullion_api_request *req, const char *name)
{
	struct api_stream *s = calloc(1, sizeof(*s));

	if (!s) {
		mullion_api_refuse(req, 500, "cannot answer", req->path, NULL, "out of memory");
		return NULL;
	}
	s->daemon = req->daemon;
	snprintf(s->name, sizeof(s->name), "%s", name);
	return s;
}

static void stream_upgraded(void *arg, struct mullion_stream *stream)
{
	struct api_stream *s = arg;
	struct mullion_cp_guest *guest;

	if (mullion_cp_guest_find(s->daemon, s->name, &guest, NULL))
		stream->close(stream);
	else
		mullion_cp_guest_stream(guest, stream, s->command, s->history, s->owner);
	free(s);
}

static void stream_console(struct mullion_api_request *req, const char *name, bool command)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	struct mullion_error err;
	struct api_stream *s;
	int r;

	if (!guest)
		return;
	r = mullion_cp_guest_stream_refused(guest, command, &err);
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	s = stream_new(req, name);
	if (!s)
		return;
	s->command = command;
	s->history = api_query_flag(req, "history", true);
	s->owner = api_query_flag(req, "owner", false);
	api_upgrade(req, "mullion-stream", stream_upgraded, s);
}

void api_guest_console(struct mullion_api_request *req, const char *name)
{
	stream_console(req, name, false);
}

void api_guest_command(struct mullion_api_request *req, const char *name)
{
	stream_console(req, name, true);
}

static void attach_upgraded(void *arg, struct mullion_stream *stream)
{
	struct api_stream *s = arg;
	struct mullion_cp_guest *guest;

	if (mullion_cp_guest_find(s->daemon, s->name, &guest, NULL))
		stream->close(stream);
	else
		mullion_cp_guest_attach(guest, stream);
	free(s);
}

void api_guest_attach(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	struct mullion_error err;
	struct api_stream *s;
	int r;

	if (!guest)
		return;
	r = mullion_cp_guest_attach_refused(guest, &err);
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	s = stream_new(req, name);
	if (s)
		api_upgrade(req, "mullion-attach", attach_upgraded, s);
}

/* A log that is being read; the file outlives the guest. */
struct api_log {
	struct mullion_api_request *req;
	struct mullion_guest_follower follower;
	struct mullion_daemon *daemon;
	char name[MULLION_API_NAME_BYTES];
	int fd;
	off_t at;
	bool follow;
};

static ssize_t log_read(struct api_log *log, char *buffer, size_t bytes)
{
	ssize_t n = pread(log->fd, buffer, bytes, log->at);

	if (n > 0)
		log->at += n;
	return n;
}

/* A log that has become too large goes on in a new file.  Return: whether it did. */
static bool log_next_file(struct api_log *log, const struct mullion_cp_guest *guest)
{
	struct stat ours, there;
	char path[PATH_MAX];
	int fd;

	if (mullion_cp_guest_log(guest, path) || fstat(log->fd, &ours) < 0 ||
	    stat(path, &there) < 0 ||
	    (ours.st_ino == there.st_ino && ours.st_dev == there.st_dev))
		return false;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	close(log->fd);
	log->fd = fd;
	log->at = 0;
	return true;
}

static ssize_t log_fill(void *arg, char *buffer, size_t bytes)
{
	struct api_log *log = arg;
	struct mullion_cp_guest *guest;
	ssize_t n;

	n = log_read(log, buffer, bytes);
	if (n > 0)
		return n;
	if (n < 0 || !log->follow || mullion_cp_guest_find(log->daemon, log->name, &guest, NULL))
		return -1;
	if (log_next_file(log, guest)) {
		n = log_read(log, buffer, bytes);
		if (n)
			return n;
	}
	return mullion_cp_guest_running(guest) ? 0 : -1;
}

static void log_end(void *arg)
{
	struct api_log *log = arg;

	mullion_cp_guest_unfollow(&log->follower);
	close(log->fd);
	free(log);
}

static void log_grown(void *arg)
{
	struct api_log *log = arg;

	log->req->ops->wake(log->req);
}

/* Where the last @lines lines begin. */
static off_t log_seek(int fd, unsigned long long lines)
{
	off_t end = lseek(fd, 0, SEEK_END);
	off_t at = end;
	char block[4096];

	while (at > 0) {
		size_t bytes = at > (off_t)sizeof(block) ? sizeof(block) : (size_t)at;
		ssize_t n = pread(fd, block, bytes, at - (off_t)bytes);
		size_t i;

		if (n != (ssize_t)bytes)
			return 0;
		for (i = bytes; i > 0; i--) {
			/* The newline of the last line begins no line. */
			if (block[i - 1] != '\n' || at - (off_t)(bytes - i) == end)
				continue;
			if (lines-- <= 1)
				return at - (off_t)(bytes - i);
		}
		at -= (off_t)bytes;
	}
	return 0;
}

void api_guest_logs(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	unsigned long long lines = 0;
	char path[PATH_MAX];
	struct api_log *log;
	int fd;

	if (!guest || !mullion_api_query_number(req, "lines", &lines))
		return;
	fd = mullion_cp_guest_log(guest, path) ? -1 : open(path, O_RDONLY | O_CLOEXEC);
	log = calloc(1, sizeof(*log));
	if (fd < 0 || !log) {
		if (fd >= 0)
			close(fd);
		free(log);
		mullion_api_refuse(req, 404, "no log of guest", name, NULL,
				   "it has not run yet");
		return;
	}
	log->req = req;
	log->daemon = req->daemon;
	snprintf(log->name, sizeof(log->name), "%s", name);
	log->fd = fd;
	log->at = lines ? log_seek(fd, lines) : 0;
	log->follow = api_query_flag(req, "follow", false);
	log->follower.fn = log_grown;
	log->follower.arg = log;
	if (log->follow)
		mullion_cp_guest_follow(guest, &log->follower);
	req->status = 200;
	req->type = "text/plain; charset=utf-8";
	req->fill = log_fill;
	req->fill_end = log_end;
	req->fill_arg = log;
	req->state = MULLION_API_STREAMING;
}

/* Events that wait to be sent, as text. */
struct api_events {
	struct mullion_api_request *req;
	struct mullion_event_listener *listener;
	char *text;
	size_t bytes;
	bool follow;
	bool live;
	bool lost;
};

static void events_add(const struct mullion_event *event, void *arg)
{
	struct api_events *e = arg;
	json_t *json = mullion_event_describe(event);
	char *line = json ? json_dumps(json, JSON_COMPACT) : NULL;
	size_t n = line ? strlen(line) : 0;
	char *text;

	json_decref(json);
	text = line && e->bytes + n + 1 <= EVENTS_BACKLOG ? realloc(e->text, e->bytes + n + 1) :
	       NULL;
	if (text) {
		memcpy(text + e->bytes, line, n);
		text[e->bytes + n] = '\n';
		e->text = text;
		e->bytes += n + 1;
	} else {
		e->lost = true;
	}
	free(line);
	if (e->live)
		e->req->ops->wake(e->req);
}

static ssize_t events_fill(void *arg, char *buffer, size_t bytes)
{
	struct api_events *e = arg;

	if (!e->bytes)
		return e->follow && !e->lost ? 0 : -1;
	if (bytes > e->bytes)
		bytes = e->bytes;
	memcpy(buffer, e->text, bytes);
	e->bytes -= bytes;
	memmove(e->text, e->text + bytes, e->bytes);
	return (ssize_t)bytes;
}

static void events_end(void *arg)
{
	struct api_events *e = arg;

	mullion_event_unlisten(e->listener);
	free(e->text);
	free(e);
}

void api_events(struct mullion_api_request *req, const char *name)
{
	unsigned long long since = 0;
	struct api_events *e;

	(void)name;
	if (!mullion_api_query_number(req, "since", &since))
		return;
	e = calloc(1, sizeof(*e));
	if (e)
		e->req = req;
	if (!e || mullion_event_listen(req->daemon->core->events, since, events_add, e,
				       &e->listener)) {
		free(e);
		mullion_api_refuse(req, 500, "cannot answer", req->path, NULL, "out of memory");
		return;
	}
	e->live = true;
	e->follow = api_query_flag(req, "follow", false);
	req->status = 200;
	req->type = "application/x-ndjson";
	req->fill = events_fill;
	req->fill_end = events_end;
	req->fill_arg = e;
	req->state = MULLION_API_STREAMING;
}
