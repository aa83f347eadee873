// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/sq_threads.c - two threads, one queue, for ThreadSanitizer
 *
 * Doorbells are a relaxed flag on purpose: anything stronger would order the
 * threads and hide a barrier that the queue itself is missing.
 */
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <time.h>

#include "sq_traffic.h"

#define MESSAGES	100000
#define WAIT_SECONDS	120

static int rung[2];

static void threads_ring(struct traffic *end)
{
	__atomic_store_n(&rung[end->peer_fd], 1, __ATOMIC_RELAXED);
}

static int threads_wait(struct traffic *end)
{
	struct timespec now, end_time;

	clock_gettime(CLOCK_MONOTONIC, &end_time);
	end_time.tv_sec += WAIT_SECONDS;
	while (!__atomic_exchange_n(&rung[end->own_fd], 0, __ATOMIC_RELAXED)) {
		sched_yield();
		clock_gettime(CLOCK_MONOTONIC, &now);
		if (now.tv_sec > end_time.tv_sec)
			return -ETIME;
	}
	return 0;
}

static void *threads_produce(void *arg)
{
	return (void *)(intptr_t)traffic_produce(arg);
}

int main(void)
{
	struct traffic producer = { .ring = threads_ring, .wait = threads_wait, .own_fd = 0,
				    .peer_fd = 1, .messages = MESSAGES, .sleeps = 1, .random = 7 };
	struct traffic consumer = { .ring = threads_ring, .wait = threads_wait, .own_fd = 1,
				    .peer_fd = 0, .messages = MESSAGES, .sleeps = 1, .random = 9 };
	unsigned char *channel = calloc(1, TRAFFIC_CHANNEL_BYTES);
	void *result = NULL;
	pthread_t thread;
	int error;

	if (!channel)
		return 1;
	mullion_sq_format((struct signal_queue_header *)(void *)(channel + TRAFFIC_HEADER),
			  TRAFFIC_SLOTS_OFFSET - TRAFFIC_HEADER, TRAFFIC_SLOT_BYTES, TRAFFIC_SLOTS);
	if (traffic_attach(&producer, channel) || traffic_attach(&consumer, channel))
		return 1;
	mullion_sq_reset_shared(&consumer.queue);
	if (pthread_create(&thread, NULL, threads_produce, &producer))
		return 1;
	error = traffic_consume(&consumer);
	pthread_join(thread, &result);
	printf("%d messages; slept: producer %llu, consumer %llu\n", MESSAGES,
	       (unsigned long long)producer.waits, (unsigned long long)consumer.waits);
	if (error || result)
		fprintf(stderr, "sq_threads: consumer %d, producer %ld\n", error,
			(long)(intptr_t)result);
	free(channel);
	return error || result;
}
