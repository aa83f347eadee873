/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/spawn.h - start a child that dies with the daemon
 */
#ifndef MULLION_COMMAND_SPAWN_H
#define MULLION_COMMAND_SPAWN_H

#include <stddef.h>
#include <sys/types.h>

/**
 * mullion_spawn() - start a program
 * @path: absolute path of the program
 * @argv: NULL-terminated
 * @fds: close-on-exec descriptors of ours that the child keeps, under the same numbers
 * @count: of @fds
 * @error_fd: becomes its standard error; -1: ours
 * @ret_pid: its process id
 *
 * Standard input and output are /dev/null; every other descriptor is closed.  The
 * child gets SIGKILL when the daemon dies, and a process group of its own, so that
 * a terminal's Ctrl-C reaches the daemon only.  Signal mask and handlers are reset.
 *
 * Return: a pidfd, owned by the caller, who reaps the child with waitid(P_PIDFD);
 * or negative errno, also that of a failed execve().
 */
int mullion_spawn(const char *path, char *const *argv, const int *fds, size_t count,
		  int error_fd, pid_t *ret_pid);

#endif /* MULLION_COMMAND_SPAWN_H */
