/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/lines.h - text from a descriptor, line by line
 *
 * For what a child or a guest says to the daemon: hostile, so a line is cut at
 * MULLION_LINE_BYTES and control characters become blanks.
 */
#ifndef MULLION_COMMAND_LINES_H
#define MULLION_COMMAND_LINES_H

#include <systemd/sd-event.h>

#define MULLION_LINE_BYTES 512

struct mullion_lines;

typedef void mullion_line_fn(void *arg, const char *line);

/**
 * mullion_lines_new() - read lines as they come
 * @fd: non-blocking; owned by the reader from now on, also on failure
 * @fn: called for each line that is not empty; must not free the reader
 *
 * Return: 0 or negative errno.
 */
int mullion_lines_new(sd_event *event, int fd, mullion_line_fn *fn, void *arg,
		      struct mullion_lines **ret);

/**
 * mullion_lines_limit() - read at most 200 times a second
 *
 * For what goes into a log: a writer that is faster waits, or loses lines.
 */
void mullion_lines_limit(struct mullion_lines *lines);

/**
 * mullion_lines_say() - write a line the other way; the descriptor is a socket
 * @text: with its newline
 *
 * Return: 0, or negative errno when there is no room for all of it at once.
 */
int mullion_lines_say(struct mullion_lines *lines, const char *text);

/**
 * mullion_lines_drain() - the writer is gone: read what is left
 * @lines: NULL is fine
 */
void mullion_lines_drain(struct mullion_lines *lines);

/**
 * mullion_lines_free() - NULL is fine; returns NULL
 */
struct mullion_lines *mullion_lines_free(struct mullion_lines *lines);

#endif /* MULLION_COMMAND_LINES_H */
