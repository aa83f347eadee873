/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/unit/sq_traffic.h - numbered messages through a signal queue
 *
 * A producer and a consumer loop for the tests that let two threads or two
 * processes use one queue.  Bursts have random sizes and are sometimes held
 * back for a while, so that both ends meet a full and an empty ring often.
 * Every word of a slot is checked.  How a side waits is a function of the test;
 * one that polls gives its CPU away now and then, for machines that have one.
 */
#ifndef MULLION_TESTS_SQ_TRAFFIC_H
#define MULLION_TESTS_SQ_TRAFFIC_H

#include <sched.h>
#include <stdint.h>
#include <stdio.h>

#include "../../channel/signal_queue.h"

#define TRAFFIC_WORDS		8U
#define TRAFFIC_SLOT_BYTES	(TRAFFIC_WORDS * 8)
#define TRAFFIC_SLOTS		16U
#define TRAFFIC_HEADER		128U
#define TRAFFIC_SLOTS_OFFSET	256U
#define TRAFFIC_CHANNEL_BYTES \
	(TRAFFIC_SLOTS_OFFSET + TRAFFIC_SLOT_BYTES * TRAFFIC_SLOTS)

/**
 * struct traffic - one end of the queue
 * @queue: the end's view
 * @messages: how many to send or receive
 * @sleeps: arm and wait when there is nothing to do, or spin
 * @ring: wake the peer
 * @wait: sleep until rung; 0, or nonzero to give up
 * @random: state of the random numbers, not 0
 * @rings: doorbells rung
 * @waits: times slept
 * @polls: times that a polling end found nothing
 */
struct traffic {
	struct mullion_sq queue;
	uint64_t messages;
	int sleeps;
	void (*ring)(struct traffic *end);
	int (*wait)(struct traffic *end);
	int own_fd;
	int peer_fd;
	uint64_t random;
	uint64_t rings;
	uint64_t waits;
	uint64_t polls;
};

static inline uint64_t traffic_random(struct traffic *end)
{
	end->random ^= end->random << 13;
	end->random ^= end->random >> 7;
	end->random ^= end->random << 17;
	return end->random;
}

/* Shifts the two ends against each other by up to a few microseconds. */
static inline void traffic_dawdle(struct traffic *end)
{
	uint64_t n = traffic_random(end);

	if (n % 4)
		return;
	for (n = n / 4 % 2048; n; n--)
		__asm__ volatile("" ::: "memory");
}

static inline int traffic_attach(struct traffic *end, void *channel)
{
	return mullion_sq_attach(&end->queue, channel, TRAFFIC_CHANNEL_BYTES,
				 TRAFFIC_HEADER, TRAFFIC_SLOT_BYTES, 1);
}

static inline void traffic_poll(struct traffic *end)
{
	if (++end->polls % 64 == 0)
		sched_yield();
}

static inline int traffic_idle(struct traffic *end, int armed)
{
	if (armed < 0)
		return armed;
	if (armed)
		return 0;
	end->waits++;
	return end->wait(end);
}

static inline int traffic_produce(struct traffic *end)
{
	struct mullion_sq *q = &end->queue;
	uint64_t sent = 0, burst;
	uint64_t words[TRAFFIC_WORDS];
	void *slot = NULL;
	unsigned int i;
	int error;

	while (sent < end->messages) {
		mullion_sq_producer_disarm(q);
		error = 0;
		for (burst = traffic_random(end) % (TRAFFIC_SLOTS + 2) + 1;
		     burst && sent < end->messages; burst--) {
			error = mullion_sq_produce(q, &slot);
			if (error)
				break;
			for (i = 0; i < TRAFFIC_WORDS; i++)
				words[i] = sent * TRAFFIC_WORDS + i;
			memcpy(slot, words, sizeof(words));
			sent++;
		}
		traffic_dawdle(end);
		if (mullion_sq_publish(q)) {
			end->rings++;
			end->ring(end);
		}
		if (error && error != -EAGAIN)
			return error;
		if (error && end->sleeps) {
			error = traffic_idle(end, mullion_sq_producer_arm(q));
			if (error)
				return error;
		} else if (error) {
			traffic_poll(end);
		}
	}
	return 0;
}

static inline int traffic_consume(struct traffic *end)
{
	struct mullion_sq *q = &end->queue;
	uint64_t received = 0, burst;
	uint64_t words[TRAFFIC_WORDS];
	const void *slot = NULL;
	unsigned int i;
	int error;

	while (received < end->messages) {
		mullion_sq_consumer_disarm(q);
		error = 0;
		for (burst = traffic_random(end) % (TRAFFIC_SLOTS + 2) + 1;
		     burst && received < end->messages; burst--) {
			error = mullion_sq_consume(q, &slot);
			if (error)
				break;
			memcpy(words, slot, sizeof(words));
			for (i = 0; i < TRAFFIC_WORDS; i++)
				if (words[i] != received * TRAFFIC_WORDS + i)
					return -EBADMSG;
			received++;
		}
		traffic_dawdle(end);
		if (mullion_sq_release(q)) {
			end->rings++;
			end->ring(end);
		}
		if (error && error != -EAGAIN)
			return error;
		if (error && end->sleeps && received < end->messages) {
			error = traffic_idle(end, mullion_sq_consumer_arm(q));
			if (error)
				return error;
		} else if (error) {
			traffic_poll(end);
		}
	}
	return 0;
}

#endif /* MULLION_TESTS_SQ_TRAFFIC_H */
