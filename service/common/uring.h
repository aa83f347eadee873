/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/uring.h - the service's one io_uring
 *
 * Made disabled, restricted to the class's opcodes on registered files, and
 * enabled before the first window is mapped.  The loop submits once per turn
 * and looks for completions without system calls.
 *
 *	sqe = mullion_uring_sqe();
 *	io_uring_prep_readv(sqe, slot, iov, n, offset);
 *	mullion_uring_queue(sqe, op);
 */
#ifndef MULLION_SERVICE_URING_H
#define MULLION_SERVICE_URING_H

#include <liburing.h>
#include <stdbool.h>

#define MULLION_URING_FILES_MAX	256

/**
 * struct mullion_uring_op - one operation in flight; memory of the caller
 * @done: called from the loop with the result: bytes, or negative errno
 */
struct mullion_uring_op {
	void (*done)(struct mullion_uring_op *op, int res);
};

/**
 * mullion_uring_init() - make, restrict and enable the ring
 * @entries: submission entries; completions: four times as many
 * @opcodes: allowed ones, ended by -1
 *
 * Return: 0; -ENOSYS or -EPERM where io_uring is not available, and then the
 * other functions say so (a class falls back to doing its I/O inline).
 */
int mullion_uring_init(unsigned int entries, const int *opcodes);

/**
 * mullion_uring_is_available() - did mullion_uring_init() succeed?
 */
bool mullion_uring_is_available(void);

/**
 * mullion_uring_fd() - the ring's descriptor, for the sandbox to keep; or -1
 */
int mullion_uring_fd(void);

/**
 * mullion_uring_ring() - the ring itself, for the test of its restrictions
 */
struct io_uring *mullion_uring_ring(void);

/**
 * mullion_uring_sqe() - an entry to prepare
 *
 * Submits first if the ring is full.
 *
 * Return: the entry, or NULL if none is to be had: try again in a later turn.
 */
struct io_uring_sqe *mullion_uring_sqe(void);

/**
 * mullion_uring_queue() - the entry is prepared
 *
 * Adds IOSQE_FIXED_FILE; other flags stay as the caller set them.
 */
void mullion_uring_queue(struct io_uring_sqe *sqe, struct mullion_uring_op *op);

/**
 * mullion_uring_file_add() - register a file
 * @fd: stays the caller's
 *
 * Return: its slot, to be used in place of a descriptor; -ENFILE; errno.
 */
int mullion_uring_file_add(int fd);

/**
 * mullion_uring_file_del() - forget a slot; nothing may be in flight on it
 */
void mullion_uring_file_del(int slot);

/**
 * mullion_uring_submit() - submit what was queued; done at each turn's end, and
 *	what has ended by then is completed at once
 */
void mullion_uring_submit(void);

/**
 * mullion_uring_queued() - operations queued and not submitted
 */
unsigned int mullion_uring_queued(void);

/**
 * mullion_uring_in_flight() - operations queued and not completed
 */
unsigned int mullion_uring_in_flight(void);

#endif /* MULLION_SERVICE_URING_H */
