/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/spawn.h - start a child that dies with the daemon
 */
#ifndef MULLION_COMMAND_SPAWN_H
#define MULLION_COMMAND_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/**
 * struct mullion_spawn - what to start
 * @path: absolute path of the program
 * @argv: NULL-terminated
 * @env: NULL-terminated; NULL: ours
 * @fds, @fd_count: close-on-exec descriptors of ours that the child keeps, under
 *	the same numbers
 * @socket: becomes its descriptor 3; -1: none
 * @output, @errors: become its standard output and error; -1: /dev/null
 */
struct mullion_spawn {
	const char *path;
	char *const *argv;
	char *const *env;
	const int *fds;
	size_t fd_count;
	int socket;
	int output;
	int errors;
};

/**
 * mullion_spawn() - start a program
 * @ret_pid: its process id
 *
 * Standard input is /dev/null; every descriptor that is not named is closed.  The
 * child gets SIGKILL when the daemon dies, and a process group of its own, so that
 * a terminal's Ctrl-C reaches the daemon only.  Signal mask and handlers are reset,
 * and it leaves no core file: that would hold guests' data.
 *
 * Return: a pidfd, owned by the caller, who reaps the child with waitid(P_PIDFD);
 * or negative errno, also that of a failed execve().
 */
int mullion_spawn(const struct mullion_spawn *spawn, pid_t *ret_pid);

#endif /* MULLION_COMMAND_SPAWN_H */
