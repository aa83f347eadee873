// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/console.c - a serial line of a guest and the clients attached to it
 *
 * What the guest writes goes into one ring.  A client is a position in that
 * ring: it is sent what lies between its position and the end whenever its
 * socket takes more, so there is no buffer per client and a slow client costs
 * nothing.  Positions count bytes from the line's beginning and never wrap.
 *
 * On a line with loss, a client that falls behind by more than the ring is
 * moved to the oldest byte that is left.  On a lossless line the guest is not
 * read while the ring is full of bytes that the client has not got; the serial
 * port of QEMU then stops taking bytes, and the guest waits.
 *
 * What clients type goes to the guest through one small buffer; while it is
 * full, no client is read.  A paced line is for a guest that cannot stop its
 * serial port: it is sent only as much as it is known to have room for.  A
 * client that shuts down its sending side (end of its standard input) stays
 * attached for output.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "console.h"
#include "log.h"

#define CONSOLE_INPUT_BYTES	65536	/* no less than what comes with an upgrade */
#define CONSOLE_READ_BYTES	65536
#define CONSOLE_PACE_BYTES	16384
#define CONSOLE_DISCARD_MAX	256	/* reads */

struct console_client {
	struct console_client *next;
	struct mullion_console *console;
	struct mullion_stream *stream;
	sd_event_source *source;
	uint64_t position;
	bool owner;
	bool input_ended;
};

struct mullion_console {
	struct mullion_console_options options;
	sd_event *event;
	sd_event_source *source;
	int fd;			/* -1: there will be no more output */
	bool ended;		/* the guest has ended; @fd may hold some output still */
	bool hung_up;		/* nobody reads what clients type */
	bool released;
	char *ring;
	uint64_t end;		/* bytes that the guest wrote */
	uint64_t taken;		/* lossless: up to here a client had it */
	struct console_client *clients;
	char input[CONSOLE_INPUT_BYTES];
	size_t input_bytes;
	off_t log_bytes;
	uint64_t typed;		/* bytes that the guest was sent */
	uint64_t allowed;	/* so many it may be sent */
	bool input_told;	/* @input_end was called */
};

static void console_update(struct mullion_console *c);

static uint64_t console_oldest(const struct mullion_console *c)
{
	if (c->options.lossless)
		return c->clients ? c->clients->position : c->taken;
	return c->end > c->options.keep ? c->end - c->options.keep : 0;
}

static size_t console_room(const struct mullion_console *c)
{
	if (!c->options.lossless)
		return c->options.keep;
	return c->options.keep - (size_t)(c->end - console_oldest(c));
}

static void console_free(struct mullion_console *c)
{
	sd_event_source_disable_unref(c->source);
	if (c->fd >= 0)
		close(c->fd);
	if (c->options.log_fd >= 0)
		close(c->options.log_fd);
	free(c->ring);
	free(c);
}

/*
 * Input that is never read would turn the client's end of file into an error;
 * one that goes on sending is not waited for.
 */
static void console_discard(int fd)
{
	char data[4096];
	int i;

	for (i = 0; i < CONSOLE_DISCARD_MAX && read(fd, data, sizeof(data)) > 0; i++)
		;
}

static void console_drop(struct console_client *client)
{
	struct mullion_console *c = client->console;
	struct console_client **p;

	for (p = &c->clients; *p != client; p = &(*p)->next)
		;
	*p = client->next;
	c->taken = client->position;
	sd_event_source_disable_unref(client->source);
	console_discard(client->stream->fd);
	client->stream->close(client->stream);
	free(client);
}

/* Last thing of every entry: the console may be gone afterwards. */
static void console_done(struct mullion_console *c)
{
	if (c->released && !c->clients)
		console_free(c);
}

/* Return: 0 when the client has everything, 1 when its socket is full, or negative errno. */
static int console_send(struct console_client *client)
{
	struct mullion_console *c = client->console;

	if (client->position < console_oldest(c))
		client->position = console_oldest(c);
	while (client->position < c->end) {
		size_t at = (size_t)(client->position & (c->options.keep - 1));
		size_t bytes = c->options.keep - at;
		ssize_t n;

		if (bytes > c->end - client->position)
			bytes = (size_t)(c->end - client->position);
		n = send(client->stream->fd, c->ring + at, bytes, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN || errno == EINTR ? 1 : -errno;
		client->position += (uint64_t)n;
	}
	return 0;
}

static void console_log(struct mullion_console *c, const char *data, size_t bytes)
{
	if (c->options.log_fd >= 0 && c->log_bytes > MULLION_LOG_FILE_BYTES &&
	    c->options.log_full) {
		close(c->options.log_fd);
		c->options.log_fd = c->options.log_full(c->options.arg);
		c->log_bytes = 0;
	}
	while (c->options.log_fd >= 0 && bytes) {
		ssize_t n = write(c->options.log_fd, data, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		/* A full disk costs the log, not the guest. */
		if (n <= 0)
			return;
		c->log_bytes += n;
		data += n;
		bytes -= (size_t)n;
	}
}

/* Return: bytes read, 0 at the end, -EAGAIN when there is nothing or no room. */
static ssize_t console_read(struct mullion_console *c)
{
	size_t at = (size_t)(c->end & (c->options.keep - 1));
	size_t room = console_room(c);
	ssize_t n;

	if (room > c->options.keep - at)
		room = c->options.keep - at;
	if (room > CONSOLE_READ_BYTES)
		room = CONSOLE_READ_BYTES;
	if (!room)
		return -EAGAIN;
	n = read(c->fd, c->ring + at, room);
	if (n < 0)
		return errno == EINTR ? -EAGAIN : -errno;
	c->end += (uint64_t)n;
	if (n > 0) {
		console_log(c, c->ring + at, (size_t)n);
		if (c->options.output)
			c->options.output(c->options.arg, c->ring + at, (size_t)n);
	}
	return n;
}

/* How much of the input the guest may be sent now. */
static size_t console_sendable(const struct mullion_console *c)
{
	uint64_t room = c->allowed - c->typed;

	return room < c->input_bytes ? (size_t)room : c->input_bytes;
}

static void console_type(struct mullion_console *c)
{
	ssize_t n;

	if (c->fd < 0 || c->hung_up)
		c->input_bytes = 0;
	if (!console_sendable(c))
		return;
	n = send(c->fd, c->input, console_sendable(c), MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n <= 0)
		return;
	c->typed += (uint64_t)n;
	c->input_bytes -= (size_t)n;
	memmove(c->input, c->input + n, c->input_bytes);
}

static void console_input_end(struct mullion_console *c)
{
	const struct console_client *client = c->clients;

	if (!c->options.paced || !c->options.input_end || c->input_told || c->fd < 0 || !client ||
	    !client->input_ended || c->input_bytes || !c->allowed)
		return;
	c->input_told = true;
	c->options.input_end(c->options.arg, c->typed);
}

static void console_close(struct mullion_console *c)
{
	c->source = sd_event_source_disable_unref(c->source);
	close(c->fd);
	c->fd = -1;
	c->input_bytes = 0;
}

/* Reads once; at the end of the guest's output closes the line. */
static bool console_pull(struct mullion_console *c)
{
	bool room = console_room(c) > 0;
	ssize_t n;

	if (c->fd < 0)
		return false;
	n = console_read(c);
	if (n == 0 || (n < 0 && n != -EAGAIN) || (n == -EAGAIN && room && c->ended))
		console_close(c);
	return n > 0;
}

static int console_guest_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_console *c = arg;

	(void)source;
	(void)fd;
	if (revents & (EPOLLHUP | EPOLLERR))
		c->hung_up = true;
	console_pull(c);
	console_type(c);
	console_update(c);
	console_done(c);
	return 0;
}

static ssize_t console_receive(struct console_client *client)
{
	struct mullion_console *c = client->console;
	size_t room = sizeof(c->input) - c->input_bytes;
	ssize_t n;

	n = read(client->stream->fd, c->input + c->input_bytes, room);
	if (n > 0) {
		c->input_bytes += (size_t)n;
		console_type(c);
	}
	return n < 0 ? -errno : n;
}

static int console_client_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct console_client *client = arg;
	struct mullion_console *c = client->console;
	bool owner = client->owner;

	(void)source;
	(void)fd;
	if (revents & EPOLLIN && c->input_bytes < sizeof(c->input) && console_receive(client) == 0)
		client->input_ended = true;
	/* Both directions are shut: nobody is there any more. */
	if (revents & (EPOLLHUP | EPOLLERR)) {
		console_drop(client);
		if (owner && !c->ended && c->options.gone)
			c->options.gone(c->options.arg);
	}
	console_update(c);
	console_done(c);
	return 0;
}

static void console_update_client(struct console_client *client)
{
	struct mullion_console *c = client->console;
	uint32_t events = 0;
	int r;

	r = console_send(client);
	if (r == 0 && c->fd < 0) {
		console_drop(client);
		return;
	}
	/* Makes the client's own event hang up, which is where clients go. */
	if (r < 0)
		shutdown(client->stream->fd, SHUT_RDWR);
	if (r > 0)
		events |= EPOLLOUT;
	if (!client->input_ended && c->input_bytes < sizeof(c->input))
		events |= EPOLLIN;
	sd_event_source_set_io_events(client->source, events);
}

/* After anything has moved: send what can be sent, then wait for what can go on. */
static void console_update(struct mullion_console *c)
{
	struct console_client *client, *next;
	uint32_t events = 0;
	int fd;

	/* The end of the line is also news for those who have read everything. */
	do {
		fd = c->fd;
		for (client = c->clients; client; client = next) {
			next = client->next;
			console_update_client(client);
		}
	} while (c->ended && c->clients && (console_pull(c) || c->fd != fd));
	if (c->fd < 0)
		return;
	console_input_end(c);
	if (console_room(c))
		events |= EPOLLIN;
	if (console_sendable(c))
		events |= EPOLLOUT;
	/* A line that has hung up would wake us for ever. */
	sd_event_source_set_io_events(c->source, events);
	sd_event_source_set_enabled(c->source, events ? SD_EVENT_ON : SD_EVENT_OFF);
}

static void console_broken(struct mullion_stream *stream, void *arg)
{
	struct console_client *client = arg;
	struct mullion_console *c = client->console;

	(void)stream;
	console_drop(client);
	console_done(c);
}

bool mullion_console_busy(const struct mullion_console *c)
{
	return c->options.lossless && c->clients;
}

int mullion_console_attach(struct mullion_console *c, struct mullion_stream *stream,
			   bool history, bool owner)
{
	struct console_client *client;
	int r = -ENOMEM;

	if (mullion_console_busy(c)) {
		stream->close(stream);
		return -EBUSY;
	}
	client = calloc(1, sizeof(*client));
	if (client)
		r = sd_event_add_io(c->event, &client->source, stream->fd, EPOLLIN,
				    console_client_io, client);
	if (r < 0) {
		free(client);
		stream->close(stream);
		return r;
	}
	client->console = c;
	client->stream = stream;
	client->owner = owner;
	client->position = history || c->options.lossless ? console_oldest(c) : c->end;
	client->next = c->clients;
	c->clients = client;
	stream->broken = console_broken;
	stream->arg = client;
	if (!c->ended && stream->early_bytes &&
	    stream->early_bytes <= sizeof(c->input) - c->input_bytes) {
		memcpy(c->input + c->input_bytes, stream->early, stream->early_bytes);
		c->input_bytes += stream->early_bytes;
		console_type(c);
	}
	console_update(c);
	return 0;
}

void mullion_console_allow(struct mullion_console *c, uint64_t taken)
{
	uint64_t allowed = (taken < c->typed ? taken : c->typed) + CONSOLE_PACE_BYTES;

	if (!c->options.paced || allowed <= c->allowed)
		return;
	c->allowed = allowed;
	console_type(c);
	console_update(c);
}

void mullion_console_end(struct mullion_console *c)
{
	if (c->ended)
		return;
	c->ended = true;
	c->hung_up = true;
	c->input_bytes = 0;
	while (console_pull(c))
		;
	console_update(c);
}

void mullion_console_note(struct mullion_console *c, const char *line)
{
	console_log(c, "-- mullion: ", 12);
	console_log(c, line, strlen(line));
	console_log(c, "\r\n", 2);
}

uint64_t mullion_console_bytes(const struct mullion_console *c)
{
	return c->end;
}

unsigned int mullion_console_clients(const struct mullion_console *c)
{
	const struct console_client *client;
	unsigned int n = 0;

	for (client = c->clients; client; client = client->next)
		n++;
	return n;
}

int mullion_console_new(sd_event *event, int fd, const struct mullion_console_options *options,
			struct mullion_console **ret)
{
	struct mullion_console *c = calloc(1, sizeof(*c));
	struct stat st;
	int r = -ENOMEM;

	if (!c) {
		close(fd);
		if (options->log_fd >= 0)
			close(options->log_fd);
		return r;
	}
	c->options = *options;
	c->event = event;
	c->fd = fd;
	if (options->log_fd >= 0 && fstat(options->log_fd, &st) == 0)
		c->log_bytes = st.st_size;
	c->allowed = options->paced ? 0 : UINT64_MAX;
	c->ring = malloc(options->keep);
	if (c->ring)
		r = sd_event_add_io(event, &c->source, fd, EPOLLIN, console_guest_io, c);
	if (r < 0) {
		console_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

struct mullion_console *mullion_console_release(struct mullion_console *c)
{
	if (!c)
		return NULL;
	c->options.log_full = NULL;
	c->options.output = NULL;
	c->options.gone = NULL;
	c->options.input_end = NULL;
	mullion_console_end(c);
	c->released = true;
	console_done(c);
	return NULL;
}
