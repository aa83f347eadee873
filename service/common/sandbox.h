/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/sandbox.h - give everything away
 *
 * Entered once, before the first window is mapped.  Afterwards descriptors
 * come in through the socket and in no other way.
 */
#ifndef MULLION_SERVICE_SANDBOX_H
#define MULLION_SERVICE_SANDBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/**
 * struct mullion_sandbox - what is kept
 * @uid: user and group to become when root; 0: 65534
 * @keep: descriptors that stay open, besides 0, 1 and 2; negative ones are
 *	skipped
 * @keep_count: of them
 * @keep_all: all stay open: the program opened what it needs, and nothing else
 * @syscalls: what the class needs besides the common list; ended by -1
 * @ioctls: requests that it makes, ended by 0; NULL: none
 * @network: the network stays, IPv4 and IPv6 only
 * @readable: with @network: folders or files that may be read, ended by NULL;
 *	those that are not there are left out
 */
struct mullion_sandbox {
	uid_t uid;
	const int *keep;
	size_t keep_count;
	bool keep_all;
	const int *syscalls;
	const unsigned long *ioctls;
	bool network;
	const char *const *readable;
};

/**
 * mullion_sandbox_enter() - no way back
 *
 * Namespaces and Landlock that this kernel does not give are logged and gone
 * without; root of a user namespace in which there is nobody else stays itself;
 * capabilities, user, no_new_privs and seccomp must work.
 *
 * Return: 0 or negative errno, and then the service must not go on.
 */
int mullion_sandbox_enter(const struct mullion_sandbox *sandbox);

#endif /* MULLION_SERVICE_SANDBOX_H */
