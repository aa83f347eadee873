/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/report.c - what is said to the user: errors, numbers with units, colours
 */
#include "report.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void mullion_report_clean(char *text)
{
	for (unsigned char *c = (unsigned char *)text; *c; c++) {
		/* C1 controls in UTF-8 are 0xc2 0x80..0x9f */
		if (*c < 0x20 || *c == 0x7f)
			*c = *c == '\n' || *c == '\t' ? ' ' : '?';
		else if (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0)
			c[0] = c[1] = '?';
	}
}

enum { FILTER_TEXT, FILTER_ESCAPE, FILTER_CSI, FILTER_STRING };

/* Inside an escape sequence: what the next byte makes of it. */
static int report_filter_sequence(const struct mullion_filter *filter, unsigned char c)
{
	/* A line does not become part of a sequence that never ends. */
	if (c == '\n')
		return FILTER_TEXT;
	switch (filter->state) {
	case FILTER_ESCAPE:
		if (c == '[')
			return FILTER_CSI;
		return strchr("]PX^_", c) && c ? FILTER_STRING :
		       c >= 0x20 && c < 0x30 ? FILTER_ESCAPE : FILTER_TEXT;
	case FILTER_CSI:
		return c >= 0x40 && c < 0x7f ? FILTER_TEXT : FILTER_CSI;
	default:
		return c == '\a' || (c == '\\' && filter->last == 0x1b) ? FILTER_TEXT :
		       FILTER_STRING;
	}
}

size_t mullion_report_filter(struct mullion_filter *filter, char *data, size_t len)
{
	size_t to = 0;

	for (size_t from = 0; from < len; from++) {
		unsigned char c = data[from], last = filter->last;

		if (filter->state != FILTER_TEXT) {
			filter->state = report_filter_sequence(filter, c);
			if (c == '\n')
				data[to++] = c;
		} else if (c == 0x1b) {
			filter->state = FILTER_ESCAPE;
		} else if (last == 0xc2 && c >= 0x80 && c < 0xa0) {
			/* A C1 control; 0xc2 alone is nothing to a terminal. */
			data[to++] = '?';
		} else if (c == '\n' || c == '\t' || (c >= 0x20 && c != 0x7f)) {
			data[to++] = c;
		}
		filter->last = c;
	}
	return to;
}

void mullion_report_error(const char *what, const char *object, const char *todo,
			  const char *why, ...)
{
	char *reason = NULL, *line = NULL;
	va_list args;

	va_start(args, why);
	if (vasprintf(&reason, why, args) < 0)
		reason = NULL;
	va_end(args);
	if (asprintf(&line, "mullion: %s%s%s: %s%s%s", what, object ? " " : "",
		     object ? object : "", reason ? reason : "no memory",
		     todo && *todo ? "; " : "", todo && *todo ? todo : "") < 0)
		line = NULL;
	fflush(stdout);
	if (line) {
		mullion_report_clean(line);
		fprintf(stderr, "%s\n", line);
	} else {
		fputs("mullion: no memory\n", stderr);
	}
	free(line);
	free(reason);
}

bool mullion_report_colours(void)
{
	const char *term = getenv("TERM");
	const char *no = getenv("NO_COLOR");

	return isatty(STDOUT_FILENO) && (!no || !*no) && term && strcmp(term, "dumb");
}

char *mullion_report_size(uint64_t bytes, char *text)
{
	static const char units[] = "BKMGTPE";
	unsigned int unit = 0;
	uint64_t whole = bytes, rest = 0;

	while (whole >= 1024 && unit < sizeof(units) - 2) {
		rest = whole % 1024;
		whole /= 1024;
		unit++;
	}
	if (rest)
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 ".%" PRIu64 "%c", whole,
			 rest * 10 / 1024, units[unit]);
	else
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 "%c", whole, units[unit]);
	return text;
}

char *mullion_report_duration(uint64_t seconds, char *text)
{
	uint64_t minutes = seconds / 60, hours = minutes / 60, days = hours / 24;

	if (days)
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 "d %02" PRIu64 "h", days, hours % 24);
	else if (hours)
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 "h %02" PRIu64 "m", hours,
			 minutes % 60);
	else if (minutes)
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 "m %02" PRIu64 "s", minutes,
			 seconds % 60);
	else
		snprintf(text, MULLION_SIZE_TEXT, "%" PRIu64 "s", seconds);
	return text;
}

int mullion_report_parse_number(const char *text, uint64_t min, uint64_t max, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (*end)
		return -EINVAL;
	if (errno || value < min || value > max)
		return -ERANGE;
	*ret = value;
	return 0;
}

int mullion_report_parse_size(const char *text, uint64_t *ret)
{
	static const char units[] = "KMGTP";
	unsigned long long value;
	unsigned int shift = 0;
	const char *unit;
	char *end;

	if (*text < '0' || *text > '9')
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	if (*end) {
		/* Never '\0', which strchr() would find. */
		unit = strchr(units, *end >= 'a' ? *end - 32 : *end);
		if (unit) {
			shift = 10 * (unit - units + 1);
			end++;
			if (*end == 'i')
				end++;
		}
		if (*end == 'B')
			end++;
		if (*end)
			return -EINVAL;
	}
	if (shift && value >> (64 - shift))
		return -ERANGE;
	*ret = value << shift;
	return 0;
}
