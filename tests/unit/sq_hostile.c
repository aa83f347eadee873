// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/sq_hostile.c - an honest side whose peer scribbles over everything
 *
 * A child process writes random and almost-right values over every shared
 * field, header and slots, while the parent is consumer and then producer.
 * The channel lies between two pages that nobody may touch, so an access
 * outside of it ends the test.  The honest side must keep going: each call
 * succeeds or is refused, and after a refusal the queue is formatted anew, as
 * a server does that resets a faulted channel.  Waits are bounded by a slow
 * poll, as everywhere.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sq_traffic.h"

#define ROUNDS		400000
#define SLOW_POLL_MS	1
#define SLOW_POLLS_MAX	500
#define PAGE		4096U

static unsigned char *hostile_map(void)
{
	int memfd = memfd_create("sq_hostile", MFD_CLOEXEC);
	unsigned char *area, *channel;

	/* The channel's last byte is the last of its page. */
	if (memfd < 0 || ftruncate(memfd, PAGE))
		return NULL;
	area = mmap(NULL, 3 * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (area == MAP_FAILED)
		return NULL;
	channel = mmap(area + PAGE, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memfd, 0);
	close(memfd);
	return channel == MAP_FAILED ? NULL : channel + PAGE - TRAFFIC_CHANNEL_BYTES;
}

/* Never returns; killed by the parent, or with it. */
static void hostile_scribble(unsigned char *channel, int doorbell)
{
	struct traffic dice = { .random = 2463534242 };
	uint32_t *words = (uint32_t *)(void *)channel;
	uint32_t head = (TRAFFIC_HEADER + offsetof(struct signal_queue_header, head)) / 4;
	uint32_t tail = (TRAFFIC_HEADER + offsetof(struct signal_queue_header, tail)) / 4;
	uint64_t one = 1;

	for (;;) {
		uint64_t r = traffic_random(&dice);
		uint32_t value = (uint32_t)(r >> 32);

		switch (r % 8) {
		case 0:		/* plausible indices, in and just out of range */
		case 1:
		case 2:
			words[r & 8 ? head : tail] = value % (TRAFFIC_SLOTS + 1);
			break;
		case 3:
			words[r & 8 ? head : tail] = value;
			break;
		case 4:		/* any word of the queue header */
			words[TRAFFIC_HEADER / 4 + value % 32] =
				r & 16 ? value : value % (2 * TRAFFIC_SLOTS);
			break;
		default:	/* any word at all */
			words[value % (TRAFFIC_CHANNEL_BYTES / 4)] = value;
			break;
		}
		if (r % 64 == 0 && write(doorbell, &one, sizeof(one)) < 0)
			_exit(1);
	}
}

static void hostile_format(struct mullion_sq *q, unsigned char *channel)
{
	mullion_sq_format((struct signal_queue_header *)(void *)(channel + TRAFFIC_HEADER),
			  TRAFFIC_SLOTS_OFFSET - TRAFFIC_HEADER, TRAFFIC_SLOT_BYTES, TRAFFIC_SLOTS);
	/* The scribbler may spoil it at once; a refused attach leaves the old view. */
	if (mullion_sq_attach(q, channel, TRAFFIC_CHANNEL_BYTES, TRAFFIC_HEADER,
			      TRAFFIC_SLOT_BYTES, 1) && q->shared)
		mullion_sq_reset(q, 1);
}

static int hostile_consume(struct mullion_sq *q)
{
	unsigned char copy[TRAFFIC_SLOT_BYTES];
	const void *slot = NULL;
	int error = mullion_sq_consume(q, &slot);

	if (!error)
		memcpy(copy, slot, sizeof(copy));
	mullion_sq_release(q);
	return error == -EAGAIN ? mullion_sq_consumer_arm(q) - 1 : error;
}

static int hostile_produce(struct mullion_sq *q)
{
	void *slot = NULL;
	int error = mullion_sq_produce(q, &slot);

	if (!error)
		memset(slot, 0x5a, TRAFFIC_SLOT_BYTES);
	mullion_sq_publish(q);
	return error == -EAGAIN ? mullion_sq_producer_arm(q) - 1 : error;
}

static int hostile_run(const char *name, int (*step)(struct mullion_sq *))
{
	unsigned long moved = 0, refused = 0, waited = 0, rescued = 0;
	unsigned char *channel = hostile_map();
	int doorbell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	struct mullion_sq q = { 0 };
	unsigned long i;
	pid_t child;

	if (!channel || doorbell < 0) {
		perror("sq_hostile: set-up");
		return 1;
	}
	mullion_sq_format((struct signal_queue_header *)(void *)(channel + TRAFFIC_HEADER),
			  TRAFFIC_SLOTS_OFFSET - TRAFFIC_HEADER, TRAFFIC_SLOT_BYTES, TRAFFIC_SLOTS);
	hostile_format(&q, channel);
	child = fork();
	if (child < 0) {
		perror("sq_hostile: fork");
		return 1;
	}
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		hostile_scribble(channel, doorbell);
	}
	for (i = 0; i < ROUNDS; i++) {
		int result = step(&q);

		/* An attach may have met a smaller ring; never one outside. */
		if (q.head >= q.max_slots || q.tail >= q.max_slots || q.slots < channel ||
		    q.slots + (size_t)q.max_slots * q.slot_bytes >
		    channel + TRAFFIC_CHANNEL_BYTES) {
			fprintf(stderr, "sq_hostile: %s: the private view was spoilt\n", name);
			kill(child, SIGKILL);
			return 1;
		}
		if (!result) {
			moved++;
		} else if (result == -1) {	/* armed: sleep */
			struct pollfd p = { .fd = doorbell, .events = POLLIN };
			uint64_t count;

			/* Bounds the time of the test, not of a wait. */
			if (waited - rescued > ROUNDS || rescued > SLOW_POLLS_MAX)
				continue;
			waited++;
			if (poll(&p, 1, SLOW_POLL_MS) <= 0)
				rescued++;
			else if (read(doorbell, &count, sizeof(count)) < 0)
				continue;
		} else if (result == -EPROTO || result == -EPROTO - 1) {
			refused++;
			hostile_format(&q, channel);
		} else {
			fprintf(stderr, "sq_hostile: %s: unexpected result %d\n", name, result);
			kill(child, SIGKILL);
			return 1;
		}
	}
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	close(doorbell);
	printf("%s: %lu messages moved, %lu faults, %lu waits, %lu ended by the slow poll\n",
	       name, moved, refused, waited, rescued);
	if (!moved || !refused) {
		fprintf(stderr, "sq_hostile: %s: the test was too kind\n", name);
		return 1;
	}
	return 0;
}

int main(void)
{
	setvbuf(stdout, NULL, _IOLBF, 0);
	return hostile_run("honest consumer", hostile_consume) ||
	       hostile_run("honest producer", hostile_produce);
}
