/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/queue.h - queue pairs, as a message class uses them
 *
 * A message class reads and writes the rings itself: mullion_sq_consume() on
 * cmd, mullion_sq_produce() on rsp, each byte of a slot read once.  At the end
 * of a turn the layer gives back what was read, shows what was written, and
 * rings where the client wants it; a class that has much to say may do so
 * earlier with the two functions below.  Before the loop sleeps, the layer asks
 * to be woken for each pair: by its next message, or, where @blocked, by so much
 * room in rsp.
 */
#ifndef MULLION_SERVICE_QUEUE_H
#define MULLION_SERVICE_QUEUE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../channel/signal_queue.h"
#include "address.h"
#include "device.h"

/**
 * struct mullion_queue - a queue pair
 * @cmd: from the client; the service consumes
 * @rsp: to the client; the service produces
 * @rung: the client is to be rung at the end of the turn
 * @blocked: the class takes nothing from cmd until so many slots of rsp are free
 * @vector: the client's doorbell
 */
struct mullion_queue {
	struct mullion_sq cmd;
	struct mullion_sq rsp;
	bool rung;
	uint32_t blocked;
	uint32_t vector;
};

/**
 * mullion_device_queues() - the device's queue pairs, class->queue_pairs of them
 *
 * The rings are there from the first epoch on and formatted afresh by each.
 */
struct mullion_queue *mullion_device_queues(struct mullion_device *device);

/**
 * mullion_device_memory() - what the device's data addresses name
 */
const struct mullion_memory *mullion_device_memory(const struct mullion_device *device);

/**
 * mullion_device_epoch() - the client epoch that was confirmed last
 */
uint64_t mullion_device_epoch(const struct mullion_device *device);

/**
 * mullion_device_features() - MULLION_EXTF_*, agreed for this epoch
 */
uint64_t mullion_device_features(const struct mullion_device *device);

/**
 * mullion_device_fault() - stop the channel for what its client did
 * @reason: MULLION_FAULT_*
 * @what: a clause for the log, "its ... was ..."
 *
 * The class is asked for quiet before this returns.
 */
void mullion_device_fault(struct mullion_device *device, uint32_t reason,
			  const char *what);

/**
 * mullion_device_refresh() - what describe_channel() says has changed
 */
void mullion_device_refresh(struct mullion_device *device);

/* Free slots of rsp, as far as was looked: there may be more. */
static inline uint32_t mullion_queue_room(const struct mullion_queue *queue)
{
	const struct mullion_sq *rsp = &queue->rsp;

	return rsp->max_slots - 1 - mullion_sq_distance(rsp, rsp->tail, rsp->head);
}

/* Show the client what was written so far. */
static inline void mullion_queue_publish(struct mullion_queue *queue)
{
	if (mullion_sq_publish(&queue->rsp))
		queue->rung = true;
}

/* Give the client back what was read so far. */
static inline void mullion_queue_release(struct mullion_queue *queue)
{
	if (mullion_sq_release(&queue->cmd))
		queue->rung = true;
}

#endif /* MULLION_SERVICE_QUEUE_H */
