// SPDX-License-Identifier: GPL-2.0-or-later
/* command/log.c - the daemon's own log lines, and log files of guests */

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "log.h"

#define LOG_LINE_BYTES	1024

static int log_level = LOG_INFO;
static char log_path[PATH_MAX];	/* of the file that standard error is, if it is one of ours */
static off_t log_bytes;

void mullion_log_set_level(int level)
{
	log_level = level;
}

static int log_reopen(void)
{
	int fd = mullion_log_open(log_path);
	struct stat st;

	/* Without a new file the old one goes on; it is tried again much later. */
	log_bytes = 0;
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) == 0)
		log_bytes = st.st_size;
	dup2(fd, STDERR_FILENO);
	close(fd);
	return 0;
}

void mullion_log(int level, const char *object, const char *format, ...)
{
	char line[LOG_LINE_BYTES];
	size_t used = 0;
	va_list ap;
	int saved = errno;
	int n;

	if (level > log_level)
		return;
	/* The journal sets this and takes the level from the line's start. */
	if (getenv("JOURNAL_STREAM"))
		used = (size_t)snprintf(line, sizeof(line), "<%d>", level);
	n = snprintf(line + used, sizeof(line) - used, "mulliond: %s%s",
		     object ? object : "", object ? ": " : "");
	used += (size_t)n < sizeof(line) - used ? (size_t)n : 0;
	va_start(ap, format);
	n = vsnprintf(line + used, sizeof(line) - used - 1, format, ap);
	va_end(ap);
	if (n > 0) {
		size_t room = sizeof(line) - used - 2;
		size_t end = used + ((size_t)n < room ? (size_t)n : room);

		for (; used < end; used++)
			if ((unsigned char)line[used] < ' ' || line[used] == 0x7f)
				line[used] = ' ';
	}
	line[used++] = '\n';
	/* A log that cannot be written must not end the daemon. */
	if (write(STDERR_FILENO, line, used) > 0)
		log_bytes += (off_t)used;
	if (log_path[0] && log_bytes > MULLION_LOG_FILE_BYTES)
		log_reopen();
	errno = saved;
}

int mullion_log_to_file(const char *path)
{
	if ((size_t)snprintf(log_path, sizeof(log_path), "%s", path) >= sizeof(log_path)) {
		log_path[0] = '\0';
		return -ENAMETOOLONG;
	}
	return log_reopen();
}

int mullion_log_open(const char *path)
{
	char old[PATH_MAX];
	struct stat st;
	int fd;

	if (stat(path, &st) == 0 && st.st_size > MULLION_LOG_FILE_BYTES) {
		if ((size_t)snprintf(old, sizeof(old), "%s.1", path) >= sizeof(old))
			return -ENAMETOOLONG;
		if (rename(path, old) < 0)
			return -errno;
	}
	fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}
