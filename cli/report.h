/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/report.h - what is said to the user: errors, numbers with units, colours
 */
#ifndef MULLION_CLI_REPORT_H
#define MULLION_CLI_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/**
 * mullion_report_error() - one line: `mullion: WHAT OBJECT: WHY; DO`
 * @what: what was tried ("cannot start")
 * @object: with which object, may be NULL
 * @todo: what the user can do about it, may be NULL
 * @why: the reason, a printf() format
 *
 * Control characters are replaced: parts of it may come from a guest.
 */
void mullion_report_error(const char *what, const char *object, const char *todo,
			  const char *why, ...) __attribute__((format(printf, 4, 5)));

/* Replaces what a terminal would act on by '?', in place; keeps UTF-8. */
void mullion_report_clean(char *text);

/**
 * struct mullion_filter - takes out of a stream what would steer a terminal
 * @state: where in an escape sequence the last piece ended; 0 at the beginning
 * @last: its last byte
 */
struct mullion_filter {
	int state;
	unsigned char last;
};

/**
 * mullion_report_filter() - the next piece of the stream
 * @data: @len bytes, changed in place
 *
 * Escape sequences, carriage returns and control characters are left out, also
 * those that begin in one piece and end in another; lines, tabs and UTF-8 stay.
 * Return: how many bytes are left.
 */
size_t mullion_report_filter(struct mullion_filter *filter, char *data, size_t len);

/* Are colours wanted on standard output? */
bool mullion_report_colours(void);

#define MULLION_SIZE_TEXT 24

/* "512M", "1.5G"; @text has MULLION_SIZE_TEXT bytes and is returned. */
char *mullion_report_size(uint64_t bytes, char *text);

/* "5s", "3m 20s", "2h 05m", "4d 03h" */
char *mullion_report_duration(uint64_t seconds, char *text);

/**
 * mullion_report_parse_size() - "512M", "2GiB", "1048576"
 *
 * Return: 0 and the number of bytes in @ret, -EINVAL, -ERANGE.
 */
int mullion_report_parse_size(const char *text, uint64_t *ret);

/**
 * mullion_report_parse_number() - a decimal number within [@min, @max]
 *
 * Return: 0, -EINVAL, -ERANGE.
 */
int mullion_report_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret);

#endif
