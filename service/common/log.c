// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/log.c - one event, one line on standard error
 */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOG_LINE_BYTES		1024
#define LOG_LIMIT_SECONDS	10
#define LOG_LIMIT_LINES		10

static const char *log_service = "service";
static bool log_debug;

void mullion_log_init(const char *service)
{
	const char *debug = getenv("MULLION_DEBUG");

	log_service = service;
	log_debug = debug && !strcmp(debug, "1");
}

void mullion_log(int priority, const char *object, const char *format, ...)
{
	char line[LOG_LINE_BYTES];
	va_list args;
	size_t n;
	int len;

	if (priority == LOG_DEBUG && !log_debug)
		return;
	len = snprintf(line, sizeof(line), "<%d>service=%s %s%s%s", priority,
		       log_service, object ? "object=" : "", object ? object : "",
		       object ? " " : "");
	if (len < 0 || (size_t)len >= sizeof(line))
		return;
	n = (size_t)len;
	va_start(args, format);
	len = vsnprintf(line + n, sizeof(line) - n, format, args);
	va_end(args);
	if (len < 0)
		return;
	n += (size_t)len;
	if (n > sizeof(line) - 1)
		n = sizeof(line) - 1;
	/* A guest's strings must not make lines of their own. */
	for (size_t i = 0; i < n; i++) {
		if ((unsigned char)line[i] < ' ' || line[i] == 0x7f)
			line[i] = '?';
	}
	line[n++] = '\n';
	/* One write, so that lines of several processes do not mix. */
	if (write(STDERR_FILENO, line, n) < 0)
		return;
}

bool mullion_log_allowed(struct mullion_log_limit *limit)
{
	struct timespec now;
	unsigned long window;

	clock_gettime(CLOCK_MONOTONIC, &now);
	window = (unsigned long)now.tv_sec / LOG_LIMIT_SECONDS + 1;
	if (limit->window != window) {
		limit->window = window;
		limit->lines = 0;
	}
	if (limit->lines >= LOG_LIMIT_LINES) {
		limit->dropped++;
		return false;
	}
	limit->lines++;
	return true;
}
