// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * image/guest-run.c - in a guest: run the command of `mullion run -- CMD`
 *
 * guest-run COMMAND-FILE
 *
 * COMMAND-FILE holds NUL-terminated arguments.  The command gets /dev/ttyS1 as
 * its terminal, raw, so that its bytes reach the user unchanged; what became of
 * it goes to the host over /dev/ttyS2, a line each:
 *
 *	ready		the command is about to start
 *	exit N		its exit status, or 128 + the signal that ended it
 *	error TEXT	it could not be run, and why
 *
 * Linked statically: the same file works in any guest.  The caller powers the
 * guest off.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define COMMAND_TTY	"/dev/ttyS1"
#define STATUS_TTY	"/dev/ttyS2"

static int guest_run_open(const char *path)
{
	struct termios raw;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);

	if (fd >= 0 && !tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		raw.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

__attribute__((format(printf, 2, 3)))
static void guest_run_say(int fd, const char *format, ...)
{
	char line[512];
	va_list args;
	int bytes;

	va_start(args, format);
	bytes = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (bytes < 0)
		return;
	if ((size_t)bytes > sizeof(line) - 2)
		bytes = sizeof(line) - 2;
	line[bytes++] = '\n';
	if (write(fd, line, (size_t)bytes) == bytes)
		tcdrain(fd);
}

/* Whole file in memory plus a NUL; argv points into it. */
static char **guest_run_arguments(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL, *at;
	char **argv = NULL;
	size_t count = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st))
		goto out;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
		goto out;
	for (at = text; at < text + st.st_size; at += strlen(at) + 1)
		count++;
	if (!count) {
		errno = EINVAL;
		goto out;
	}
	argv = calloc(count + 1, sizeof(*argv));
	if (!argv)
		goto out;
	count = 0;
	for (at = text; at < text + st.st_size; at += strlen(at) + 1)
		argv[count++] = at;
out:
	close(fd);
	if (!argv)
		free(text);
	return argv;
}

/* In the child: own session, the command's terminal as standard streams. */
static void guest_run_child(char **argv, int tty)
{
	setsid();
	ioctl(tty, TIOCSCTTY, 0);
	dup2(tty, STDIN_FILENO);
	dup2(tty, STDOUT_FILENO);
	dup2(tty, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

int main(int argc, char **argv)
{
	char **command;
	int tty, status_fd, status = 0;
	pid_t child;

	status_fd = guest_run_open(STATUS_TTY);
	if (status_fd < 0) {
		perror("guest-run: " STATUS_TTY);
		return 1;
	}
	if (argc != 2) {
		guest_run_say(status_fd, "error usage: guest-run COMMAND-FILE");
		return 1;
	}
	command = guest_run_arguments(argv[1]);
	if (!command) {
		guest_run_say(status_fd, "error %s: %s", argv[1], strerror(errno));
		return 1;
	}
	tty = guest_run_open(COMMAND_TTY);
	if (tty < 0) {
		guest_run_say(status_fd, "error " COMMAND_TTY ": %s", strerror(errno));
		return 1;
	}
	guest_run_say(status_fd, "ready");
	child = fork();
	if (child < 0) {
		guest_run_say(status_fd, "error fork: %s", strerror(errno));
		return 1;
	}
	if (!child)
		guest_run_child(command, tty);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* All that it printed has left before the host hears that it ended. */
	tcdrain(tty);
	guest_run_say(status_fd, "exit %d",
		      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	return 0;
}
