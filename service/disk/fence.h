/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/fence.h - waiting until a predecessor's I/O has ended
 *
 * Death of a process is not the end of its I/O.  For files and block devices
 * a lock on one reserved byte stands for it (abi/mullion.md, "Store fence"):
 * it belongs to the open file description, which the kernel keeps until the
 * last operation on it has ended.  For NBD it is the end of the predecessor's
 * connection.
 */
#ifndef MULLION_DISK_FENCE_H
#define MULLION_DISK_FENCE_H

#include <stdbool.h>

#include "../common/loop.h"

/**
 * struct fence - one wait; memory of the caller
 * @done: called once from the loop when a wait has ended, 0 or negative errno
 */
struct fence {
	int fd;
	bool read_only;
	bool wait_forever;
	unsigned int waited;	/* milliseconds */
	const char *name;
	struct mullion_loop_timer timer;
	void (*done)(struct fence *fence, int error);
};

/**
 * fence_lock() - take the lock of a file or block device
 * @fd: an open file description of our own
 * @read_only: shared with other readers
 * @adopt: a predecessor may hold it: wait as long as it takes.  Otherwise
 *	whoever holds it is somebody else, and gets a few seconds to go.
 * @name: for log lines
 *
 * Return: 0 locked; -EINPROGRESS, @done follows; another negative errno.
 */
int fence_lock(struct fence *fence, int fd, bool read_only, bool adopt,
	       const char *name, void (*done)(struct fence *fence, int error));

/**
 * fence_drain() - read a predecessor's connection to its end
 * @fd: the connection; stays the caller's
 *
 * Return: as fence_lock().
 */
int fence_drain(struct fence *fence, int fd, const char *name,
		void (*done)(struct fence *fence, int error));

/**
 * fence_cancel() - stop waiting, without a call of @done
 */
void fence_cancel(struct fence *fence);

#endif /* MULLION_DISK_FENCE_H */
