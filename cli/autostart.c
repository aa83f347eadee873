/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/autostart.c - starting mulliond when nobody answers its socket
 *
 * The daemon gets a session, a working directory and standard descriptors of
 * its own, so that it neither dies with this terminal nor keeps anything of it
 * open.  Its standard error is a memory file, for the reason if it cannot start;
 * once it serves, it has a log file of its own.  It is ready when its socket
 * accepts.  Two commands may start two daemons at the same moment: the one that
 * comes second ends at once, and its command goes on waiting for the socket of
 * the first.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "report.h"

#define AUTOSTART_SECONDS 10
/* How long another daemon may take to listen after ours gave way to it. */
#define AUTOSTART_LOSER_SECONDS 1
#define AUTOSTART_POLL_MS 10

static double autostart_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* The last line that the daemon wrote to @log; "" if there is none. */
static void autostart_last_line(int log, char *line, size_t size)
{
	char text[4096];
	struct stat st;
	ssize_t len;
	off_t from;
	char *last;

	*line = '\0';
	if (fstat(log, &st))
		return;
	from = st.st_size - (off_t)sizeof(text) + 1;
	len = pread(log, text, sizeof(text) - 1, from > 0 ? from : 0);
	if (len <= 0)
		return;
	while (len && text[len - 1] == '\n')
		len--;
	text[len] = '\0';
	last = strrchr(text, '\n');
	last = last ? last + 1 : text;
	/* "<3>": the priority, for the journal. */
	if (last[0] == '<' && last[1] && last[2] == '>')
		last += 3;
	snprintf(line, size, "%.*s", (int)size - 1, last);
}

static void __attribute__((noreturn)) autostart_exec(const char *program, int log)
{
	struct sigaction action = { .sa_handler = SIG_DFL };
	int null = open("/dev/null", O_RDWR);
	sigset_t none;

	for (int sig = 1; sig < NSIG; sig++)
		sigaction(sig, &action, NULL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	setsid();
	if (null < 0 || dup2(null, STDIN_FILENO) < 0 || dup2(null, STDOUT_FILENO) < 0 ||
	    dup2(log, STDERR_FILENO) < 0 || chdir("/"))
		_exit(126);
	close_range(STDERR_FILENO + 1, ~0U, 0);
	execl(program, program, "--idle-exit", (char *)NULL);
	dprintf(STDERR_FILENO, "cannot execute %s: %s\n", program, strerror(errno));
	_exit(127);
}

/* Waits a moment, less if the daemon ends.  Return: it has ended. */
static bool autostart_wait(int pidfd)
{
	struct pollfd fd = { .fd = pidfd, .events = POLLIN };

	/* Without a pidfd (-1) poll() only sleeps. */
	return poll(&fd, 1, AUTOSTART_POLL_MS) > 0;
}

static int autostart_await(const struct mullion_paths *paths, pid_t child, bool *ret_ended)
{
	int pidfd = syscall(SYS_pidfd_open, child, 0);
	double deadline = autostart_now() + AUTOSTART_SECONDS;
	bool ended = false;
	int fd;

	for (;;) {
		fd = mullion_client_connect(paths);
		if (fd >= 0 || autostart_now() >= deadline)
			break;
		if (ended) {
			autostart_wait(-1);
		} else if (autostart_wait(pidfd)) {
			int status = 0;
			double loser = autostart_now() + AUTOSTART_LOSER_SECONDS;

			ended = true;
			waitpid(child, &status, 0);
			/* What ends well has left a daemon behind, in the background. */
			if (WIFEXITED(status) && WEXITSTATUS(status) >= 126)
				deadline = 0;
			else if (status && loser < deadline)
				deadline = loser;
		}
	}
	if (pidfd >= 0)
		close(pidfd);
	*ret_ended = ended;
	return fd;
}

int mullion_autostart(const struct mullion_paths *paths)
{
	char program[PATH_MAX], why[1024];
	const char *failed = "";
	int log = -1, ret;
	bool ended;
	pid_t child;

	ret = mullion_paths_program(paths, "mulliond", program);
	if (ret) {
		mullion_report_error("cannot start the daemon", program,
				     paths->from_build ? "build it (`make build')"
						       : "install it beside this command",
				     "%s", strerror(-ret));
		return ret;
	}
	ret = mullion_paths_make(paths, &failed);
	if (ret) {
		mullion_report_error("cannot use the folder", failed,
				     "set MULLION_RUNTIME_DIR and MULLION_STATE_DIR to folders of yours",
				     "%s", strerror(-ret));
		return ret;
	}
	log = memfd_create("mulliond-start", MFD_CLOEXEC);
	child = log < 0 ? -1 : fork();
	if (!child)
		autostart_exec(program, log);
	if (child < 0) {
		ret = -errno;
		mullion_report_error("cannot start the daemon", program, NULL, "%s",
				     strerror(-ret));
		goto out;
	}
	ret = autostart_await(paths, child, &ended);
	if (ret < 0) {
		autostart_last_line(log, why, sizeof(why));
		mullion_report_error("cannot start the daemon", program, NULL, "%s%s%s",
				     ended ? "it ended" : "it does not answer",
				     *why ? ": " : "", why);
	}
out:
	if (log >= 0)
		close(log);
	return ret;
}
