/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/doorbell.h - the eventfds of a window (user space)
 *
 * A doorbell's file description is shared with the peer, who can set or clear
 * O_NONBLOCK, raise the counter to its limit, or empty it, at any moment.  So
 * nothing here reads without RWF_NOWAIT, and a ring that the peer made block
 * ends with -EINTR at the caller's next signal: a program that serves several
 * peers keeps an interval timer running (mullion_doorbell_watchdog()).
 */
#ifndef MULLION_CHANNEL_DOORBELL_H
#define MULLION_CHANNEL_DOORBELL_H

#include <stdbool.h>
#include <stdint.h>

/* Most doorbells of one peer of one window. */
#define MULLION_DOORBELLS_MAX	2048

/**
 * struct mullion_doorbells - one peer's doorbells of one window
 * @fds: by vector; -1 until it arrived; owned
 * @count: vectors
 */
struct mullion_doorbells {
	int *fds;
	uint32_t count;
};

/**
 * mullion_doorbells_init() - an empty set
 * @count: vectors, 1 to MULLION_DOORBELLS_MAX
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int mullion_doorbells_init(struct mullion_doorbells *set, uint32_t count);

/**
 * mullion_doorbells_put() - descriptors @first to @first + @n - 1 arrived
 *
 * On success they belong to the set.
 *
 * Return: 0; -ERANGE beyond the set; -EEXIST if one is there already.
 */
int mullion_doorbells_put(struct mullion_doorbells *set, uint32_t first,
			  const int *fds, uint32_t n);

/**
 * mullion_doorbells_complete() - is every vector there?
 */
bool mullion_doorbells_complete(const struct mullion_doorbells *set);

/**
 * mullion_doorbells_done() - close them all; harmless on a zeroed set
 */
void mullion_doorbells_done(struct mullion_doorbells *set);

/**
 * mullion_doorbell_ring() - wake the peer
 * @fd: a doorbell; -1 is nobody
 *
 * A counter at its limit counts as rung: the peer has not looked yet.
 *
 * Return: 0; -EINTR if the peer made it block and a signal ended that, which
 * only a hostile peer does; another errno of write().
 */
int mullion_doorbell_ring(int fd);

/**
 * mullion_doorbell_drain() - forget rings up to now; never blocks
 *
 * Not needed where a doorbell is watched edge-triggered.
 *
 * Return: nonzero if it had been rung.
 */
bool mullion_doorbell_drain(int fd);

/**
 * mullion_doorbell_watchdog() - bound how long a ring can block
 * @milliseconds: period of a SIGALRM whose handler does nothing; 0 ends it
 *
 * Return: 0 or negative errno.
 */
int mullion_doorbell_watchdog(unsigned int milliseconds);

#endif /* MULLION_CHANNEL_DOORBELL_H */
