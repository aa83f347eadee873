// SPDX-License-Identifier: GPL-2.0-or-later
/* command/spawn.c - start a child that dies with the daemon */

#include <errno.h>
#include <fcntl.h>
#include <linux/close_range.h>
#include <linux/sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "spawn.h"

#define SPAWN_SOCKET	3

static void spawn_signals(void)
{
	sigset_t none;
	int sig;

	for (sig = 1; sig < _NSIG; sig++)
		signal(sig, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

static int spawn_fds(const struct mullion_spawn *spawn)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	size_t i;

	if (null < 0 || dup2(null, STDIN_FILENO) < 0 ||
	    dup2(spawn->output >= 0 ? spawn->output : null, STDOUT_FILENO) < 0 ||
	    dup2(spawn->errors >= 0 ? spawn->errors : null, STDERR_FILENO) < 0)
		return -errno;
	/* Whatever else is open, also without close-on-exec, is not the child's. */
	if (close_range(SPAWN_SOCKET, ~0U, CLOSE_RANGE_CLOEXEC) < 0)
		return -errno;
	for (i = 0; i < spawn->fd_count; i++)
		if (fcntl(spawn->fds[i], F_SETFD, 0) < 0)
			return -errno;
	if (spawn->socket == SPAWN_SOCKET)
		return fcntl(SPAWN_SOCKET, F_SETFD, 0) < 0 ? -errno : 0;
	return spawn->socket >= 0 && dup2(spawn->socket, SPAWN_SOCKET) < 0 ? -errno : 0;
}

/* Runs in the child; ends in another program or in an errno on @report. */
static void spawn_child(const struct mullion_spawn *spawn, pid_t parent, int report)
{
	const struct rlimit no_core = { 0, 0 };
	int err;

	spawn_signals();
	/* Its number may be needed. */
	report = fcntl(report, F_DUPFD_CLOEXEC, SPAWN_SOCKET + 1);
	if (report < 0)
		_exit(126);
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0)
		goto fail;
	/* The parent may have died before the line above. */
	if (getppid() != parent)
		_exit(125);
	if (setpgid(0, 0) < 0 || setrlimit(RLIMIT_CORE, &no_core) < 0)
		goto fail;
	err = spawn_fds(spawn);
	if (err) {
		errno = -err;
		goto fail;
	}
	execve(spawn->path, spawn->argv, spawn->env ? spawn->env : environ);
fail:
	err = errno;
	if (write(report, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(125);
}

int mullion_spawn(const struct mullion_spawn *spawn, pid_t *ret_pid)
{
	struct clone_args args = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	siginfo_t info;
	pid_t parent = getpid();
	int report[2];
	int pidfd = -1;
	int child_errno = 0;
	ssize_t n;
	long pid;

	if (pipe2(report, O_CLOEXEC) < 0)
		return -errno;
	args.pidfd = (uint64_t)(uintptr_t)&pidfd;
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (pid < 0) {
		int err = -errno;

		close(report[0]);
		close(report[1]);
		return err;
	}
	if (pid == 0)
		spawn_child(spawn, parent, report[1]);
	close(report[1]);
	/* Ends with the execve(), which closes the other side. */
	do {
		n = read(report[0], &child_errno, sizeof(child_errno));
	} while (n < 0 && errno == EINTR);
	close(report[0]);
	if (n == (ssize_t)sizeof(child_errno)) {
		waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED);
		close(pidfd);
		return -child_errno;
	}
	*ret_pid = (pid_t)pid;
	return pidfd;
}
