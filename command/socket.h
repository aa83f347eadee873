/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/socket.h - the API's socket and the lock that there is one daemon
 */
#ifndef MULLION_COMMAND_SOCKET_H
#define MULLION_COMMAND_SOCKET_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "paths.h"

/**
 * struct mullion_socket - what the daemon holds of the file system
 * @listen_fd: the API's socket; the HTTP server takes it
 * @lock_fd: locked as long as the daemon lives
 * @lock: its path
 * @alive_fd: its end tells the cleaning child that the daemon is gone
 * @inherited: the service manager made the socket and keeps it
 */
struct mullion_socket {
	int listen_fd;
	int lock_fd;
	int alive_fd;
	char lock[PATH_MAX + 16];
	bool inherited;
};

/**
 * mullion_socket_open() - become the one daemon of this runtime folder
 * @group: gid that may connect as well; -1: none
 *
 * Takes the socket from the service manager if that passed one, else makes it.
 * A socket that a killed daemon left is replaced.  Return: 0, -EALREADY when a
 * daemon runs, or negative errno; @err filled in.
 */
int mullion_socket_open(struct mullion_socket *sock, const struct mullion_paths *paths,
			int64_t group, struct mullion_error *err);

/**
 * mullion_socket_close() - leave nothing behind
 *
 * Removes socket, lock and, if nothing else is in it, the runtime folder.
 */
void mullion_socket_close(struct mullion_socket *sock, const struct mullion_paths *paths);

#endif /* MULLION_COMMAND_SOCKET_H */
