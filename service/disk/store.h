/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/store.h - where the blocks of a disk are kept
 *
 * A store moves bytes between I/O vectors and a medium.  It knows nothing of
 * SCSI; the target knows nothing of media.  One thread; completions come from
 * the loop, or at once as the return value of a submission.
 *
 * Failure behaviour: an operation ends exactly once, with 0 or a negative
 * errno; with an error, @moved says how many bytes from the start are certain.
 */
#ifndef MULLION_DISK_STORE_H
#define MULLION_DISK_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../common/uring.h"

struct store;
struct mullion_disk_lun;

enum store_op {
	STORE_READ,
	STORE_WRITE,
	STORE_FLUSH,	/* everything that was written before is stable */
	STORE_UNMAP,	/* reads zeroes afterwards, space given back */
	STORE_ZERO,	/* reads zeroes afterwards, space kept */
};

/* store_io.flags */
#define STORE_FUA	(1U << 0)	/* a write: stable before it ends */
#define STORE_ASYNC	(1U << 1)	/* one of many: do not take the caller's time */

#define STORE_BATCH	(1U << 2)	/* others follow at once */

/* Returned by a submission that goes on in the background. */
#define STORE_PENDING	1

/**
 * struct store_io - one operation
 * @done: called when a pending operation has ended, with its result
 * @offset, @bytes: what part of the medium, in bytes
 * @iov, @iovcnt: exactly @bytes bytes of memory for a read or write; valid,
 *	and the store's to modify, until the end
 * @op, @flags: what to do
 * @moved: bytes that were moved, set by the store
 * @count, @result, @next, @ring: the store's
 * @owner, @scratch: the store, and its memory for this operation
 */
struct store_io {
	void (*done)(struct store_io *io, int error);
	uint64_t offset;
	uint64_t bytes;
	struct iovec *iov;
	uint16_t iovcnt;
	uint8_t op;
	uint8_t flags;
	uint32_t count;
	int result;
	uint64_t moved;
	struct store_io *next;
	struct mullion_uring_op ring;
	void *scratch;
	void *owner;
};

/**
 * struct store_ops - a kind of store
 * @submit: start an operation: 0 or negative errno if it has ended already,
 *	else STORE_PENDING
 * @size: bytes of the medium as it is now, or negative errno
 * @status: of @offset: how many bytes from there, at least 1, at most @bytes,
 *	are alike, and whether they are @mapped
 * @turn_end: give to the medium what was batched
 * @close: nothing is running: let go of everything
 */
struct store_ops {
	int (*submit)(struct store *store, struct store_io *io);
	int64_t (*size)(struct store *store);
	int (*status)(struct store *store, uint64_t offset, uint64_t bytes,
		      uint64_t *run, bool *mapped);
	void (*turn_end)(struct store *store);
	void (*close)(struct store *store);
};

/**
 * struct store - the part that all stores have
 * @ops: its kind
 * @opened: called once when an opening that was -EINPROGRESS has ended
 * @arg: for @opened
 * @unmap: STORE_UNMAP can give space back
 * @unmap_granularity: bytes
 */
struct store {
	const struct store_ops *ops;
	void (*opened)(struct store *store, void *arg, int error);
	void *arg;
	bool unmap;
	uint32_t unmap_granularity;
};

static inline int store_submit(struct store *store, struct store_io *io)
{
	return store->ops->submit(store, io);
}

/**
 * struct store_request - what to open
 * @config: the logical unit's entry; outlives the opening
 * @fd: its descriptor, or -1; the store's on success and on -EINPROGRESS
 * @fence_fd: predecessor's connection, or -1; likewise
 * @adopt: a predecessor had it, and its I/O may still be under way
 * @name: for log lines; outlives the store
 * @opened, @arg: see struct store
 */
struct store_request {
	const struct mullion_disk_lun *config;
	int fd;
	int fence_fd;
	bool adopt;
	const char *name;
	void (*opened)(struct store *store, void *arg, int error);
	void *arg;
};

/*
 * Each kind's open: 0 with *@out usable; -EINPROGRESS with *@out to be waited
 * for (or closed); another negative errno with everything as it was.
 */
int store_file_open(const struct store_request *request, struct store **out);
int store_nbd_open(const struct store_request *request, struct store **out);
int store_null_open(const struct store_request *request, struct store **out);

#endif /* MULLION_DISK_STORE_H */
