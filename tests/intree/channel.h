/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/channel.h - a channel as the 5.10 drivers see it
 *
 * Claimed once and never given back; the header is a private copy; the queues
 * are found through it.  Written from the s-Par channel ABI, sections 2.1, 3
 * and 4, without a line of Mullion's own queue: this program is a witness.
 */
#ifndef INTREE_CHANNEL_H
#define INTREE_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/channel.h"

/* Queues of the in-tree channels: controlvm has the most. */
#define CHANNEL_QUEUES 4

struct channel {
	uint64_t gpa;
	uint8_t *memory;
	struct channel_header header;	/* as it was when announced */
	const char *name;
	struct {
		uint32_t index;		/* head or tail that we wrote */
		bool produced;		/* something has been in it */
	} queue[CHANNEL_QUEUES];
};

/**
 * channel_claim() - reserve and map a channel
 * @gpa: announced address
 * @name: for messages; not copied
 *
 * Return: 0, or -ENOMEM as the guest says whenever the range is unavailable.
 */
int channel_claim(struct channel *channel, uint64_t gpa, const char *name);

/**
 * channel_validate() - the guest's checks, in its order
 * @bytes: the smallest size
 * @version: 0: not checked
 *
 * Return: 0 or -EINVAL.
 */
int channel_validate(const struct channel *channel, guid_t type, uint64_t bytes,
		     uint32_t version);

/**
 * channel_check_queue() - is this queue one that the guest survives?
 * @queue: number
 * @least, @most: signal size
 */
bool channel_check_queue(struct channel *channel, unsigned int queue,
			 uint32_t least, uint32_t most);

/* The shared header against the private copy. */
void channel_check_header(const struct channel *channel);

/* -EAGAIN if it is full.  @bytes of @signal, the rest of the slot zeroed. */
int channel_insert(struct channel *channel, unsigned int queue, const void *signal,
		   uint32_t bytes);
/* -EAGAIN if it is empty.  @signal has room for the @bytes that are wanted. */
int channel_remove(struct channel *channel, unsigned int queue, void *signal,
		   uint32_t bytes);
bool channel_is_empty(const struct channel *channel, unsigned int queue);
uint32_t channel_slots(const struct channel *channel, unsigned int queue);
/*
 * Somebody else has written the queues: our indices are those found.  @produced:
 * bits of the queues that the guest produces into, of the first @count.
 */
void channel_restart(struct channel *channel, unsigned int count, unsigned int produced);
/* Of a device. */
#define CHANNEL_DEVICE_QUEUES	2
#define CHANNEL_DEVICE_PRODUCED	(1U << 0)

#endif /* INTREE_CHANNEL_H */
