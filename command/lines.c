// SPDX-License-Identifier: GPL-2.0-or-later
/* command/lines.c - text from a descriptor, line by line */

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lines.h"

#define LINES_PER_SECOND 200	/* reads */
#define LINES_DRAIN_MAX	256	/* reads; a writer that goes on is not waited for */

struct mullion_lines {
	sd_event_source *source;
	mullion_line_fn *fn;
	void *arg;
	int fd;
	size_t used;
	char line[MULLION_LINE_BYTES];
};

static void lines_end(struct mullion_lines *lines)
{
	while (lines->used && lines->line[lines->used - 1] == ' ')
		lines->used--;
	if (!lines->used)
		return;
	lines->line[lines->used] = '\0';
	lines->used = 0;
	lines->fn(lines->arg, lines->line);
}

static void lines_take(struct mullion_lines *lines, const char *data, size_t bytes)
{
	size_t i;

	for (i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			lines_end(lines);
		else if (lines->used < sizeof(lines->line) - 1)
			lines->line[lines->used++] = c < ' ' || c == 0x7f ? ' ' : (char)c;
	}
}

/* Return: true as long as there may be more. */
static bool lines_read(struct mullion_lines *lines)
{
	char data[4096];
	ssize_t n = read(lines->fd, data, sizeof(data));

	if (n > 0)
		lines_take(lines, data, (size_t)n);
	else if (n < 0 && errno == EINTR)
		return true;
	else if (n == 0 || errno != EAGAIN)
		lines->source = sd_event_source_disable_unref(lines->source);
	return n > 0;
}

static int lines_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	lines_read(arg);
	return 0;
}

void mullion_lines_limit(struct mullion_lines *lines)
{
	sd_event_source_set_ratelimit(lines->source, 1000000, LINES_PER_SECOND);
}

int mullion_lines_say(struct mullion_lines *lines, const char *text)
{
	size_t bytes = strlen(text);
	ssize_t n = send(lines->fd, text, bytes, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0)
		return -errno;
	return (size_t)n == bytes ? 0 : -EAGAIN;
}

void mullion_lines_drain(struct mullion_lines *lines)
{
	int i;

	if (!lines)
		return;
	for (i = 0; i < LINES_DRAIN_MAX && lines_read(lines); i++)
		;
	lines_end(lines);
}

int mullion_lines_new(sd_event *event, int fd, mullion_line_fn *fn, void *arg,
		      struct mullion_lines **ret)
{
	struct mullion_lines *lines = calloc(1, sizeof(*lines));
	int r;

	if (!lines) {
		close(fd);
		return -ENOMEM;
	}
	lines->fd = fd;
	lines->fn = fn;
	lines->arg = arg;
	r = sd_event_add_io(event, &lines->source, fd, EPOLLIN, lines_io, lines);
	if (r < 0) {
		mullion_lines_free(lines);
		return r;
	}
	*ret = lines;
	return 0;
}

struct mullion_lines *mullion_lines_free(struct mullion_lines *lines)
{
	if (!lines)
		return NULL;
	sd_event_source_disable_unref(lines->source);
	close(lines->fd);
	free(lines);
	return NULL;
}
