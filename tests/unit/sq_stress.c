// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/sq_stress.c - two processes, one queue in a memfd, real doorbells
 *
 * Doorbell suppression is on and there is no slow poll: a lost wake-up is a
 * side that waits for ever.  A wait that is not ended by a doorbell within
 * WAIT_MS looks at the ring; if there was something to do, a wake-up was lost
 * and the test fails, otherwise the peer was just not scheduled.
 */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "sq_traffic.h"

#define WAIT_MS		30000
#define SLEEPING	100000
#define POLLING		1000000

static void stress_ring(struct traffic *end)
{
	uint64_t one = 1;

	if (write(end->peer_fd, &one, sizeof(one)) != sizeof(one))
		abort();
}

static int stress_wait(struct traffic *end, int (*ready)(struct mullion_sq *))
{
	struct pollfd p = { .fd = end->own_fd, .events = POLLIN };
	uint64_t count;

	while (poll(&p, 1, WAIT_MS) <= 0)
		if (ready(&end->queue))
			return -ETIME;
	return read(end->own_fd, &count, sizeof(count)) == sizeof(count) ? 0 : -EIO;
}

static int stress_wait_space(struct traffic *end)
{
	return stress_wait(end, mullion_sq_space);
}

static int stress_wait_work(struct traffic *end)
{
	return stress_wait(end, mullion_sq_pending);
}

static int stress_run(const char *name, int producer_sleeps, int consumer_sleeps)
{
	struct traffic producer = { .ring = stress_ring, .wait = stress_wait_space,
				    .sleeps = producer_sleeps, .random = 88172645463325252 };
	struct traffic consumer = { .ring = stress_ring, .wait = stress_wait_work,
				    .sleeps = consumer_sleeps, .random = 362436069362436069 };
	int memfd = memfd_create("sq_stress", MFD_CLOEXEC);
	int to_producer = eventfd(0, EFD_CLOEXEC);
	int to_consumer = eventfd(0, EFD_CLOEXEC);
	int status = 0, error;
	unsigned char *channel;
	pid_t child;

	if (memfd < 0 || to_producer < 0 || to_consumer < 0 ||
	    ftruncate(memfd, TRAFFIC_CHANNEL_BYTES)) {
		perror("sq_stress: set-up");
		return 1;
	}
	channel = mmap(NULL, TRAFFIC_CHANNEL_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (channel == MAP_FAILED) {
		perror("sq_stress: mmap");
		return 1;
	}
	mullion_sq_format((struct signal_queue_header *)(void *)(channel + TRAFFIC_HEADER),
			  TRAFFIC_SLOTS_OFFSET - TRAFFIC_HEADER, TRAFFIC_SLOT_BYTES, TRAFFIC_SLOTS);
	producer.messages = producer_sleeps || consumer_sleeps ? SLEEPING : POLLING;
	consumer.messages = producer.messages;
	producer.own_fd = to_producer;
	producer.peer_fd = to_consumer;
	consumer.own_fd = to_consumer;
	consumer.peer_fd = to_producer;
	if (traffic_attach(&producer, channel) || traffic_attach(&consumer, channel)) {
		fprintf(stderr, "sq_stress: attach\n");
		return 1;
	}
	mullion_sq_reset_shared(&consumer.queue);

	child = fork();
	if (child < 0) {
		perror("sq_stress: fork");
		return 1;
	}
	if (!child) {
		error = traffic_produce(&producer);
		if (error)
			fprintf(stderr, "sq_stress: %s: producer: %s\n", name, strerror(-error));
		printf("%s: %llu messages, producer slept %llu times and rang %llu times\n",
		       name, (unsigned long long)producer.messages,
		       (unsigned long long)producer.waits, (unsigned long long)producer.rings);
		fflush(stdout);
		_exit(error ? 1 : 0);
	}
	error = traffic_consume(&consumer);
	if (error) {
		fprintf(stderr, "sq_stress: %s: consumer: %s\n", name,
			error == -ETIME ? "a wake-up was lost" : strerror(-error));
		kill(child, SIGKILL);
	}
	waitpid(child, &status, 0);
	printf("%s: consumer slept %llu times and rang %llu times\n", name,
	       (unsigned long long)consumer.waits, (unsigned long long)consumer.rings);
	munmap(channel, TRAFFIC_CHANNEL_BYTES);
	close(memfd);
	close(to_producer);
	close(to_consumer);
	return error || status;
}

int main(void)
{
	int failed = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	failed |= stress_run("both sleep", 1, 1);
	failed |= stress_run("consumer sleeps", 0, 1);
	failed |= stress_run("producer sleeps", 1, 0);
	failed |= stress_run("both poll", 0, 0);
	return failed;
}
