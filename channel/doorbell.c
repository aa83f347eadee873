// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/doorbell.c - the eventfds of a window
 */
#include "doorbell.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <unistd.h>

int mullion_doorbells_init(struct mullion_doorbells *set, uint32_t count)
{
	int *fds;

	if (!count || count > MULLION_DOORBELLS_MAX)
		return -EINVAL;
	fds = malloc(count * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	for (uint32_t i = 0; i < count; i++)
		fds[i] = -1;
	set->fds = fds;
	set->count = count;
	return 0;
}

int mullion_doorbells_put(struct mullion_doorbells *set, uint32_t first,
			  const int *fds, uint32_t n)
{
	if (n > set->count || first > set->count - n)
		return -ERANGE;
	for (uint32_t i = 0; i < n; i++) {
		if (set->fds[first + i] >= 0)
			return -EEXIST;
	}
	memcpy(set->fds + first, fds, n * sizeof(*fds));
	return 0;
}

bool mullion_doorbells_complete(const struct mullion_doorbells *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->fds[i] < 0)
			return false;
	}
	return set->count > 0;
}

void mullion_doorbells_done(struct mullion_doorbells *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		if (set->fds[i] >= 0)
			close(set->fds[i]);
	}
	free(set->fds);
	set->fds = NULL;
	set->count = 0;
}

int mullion_doorbell_ring(int fd)
{
	const uint64_t one = 1;

	if (fd < 0)
		return 0;
	if (write(fd, &one, sizeof(one)) == (ssize_t)sizeof(one) ||
	    errno == EAGAIN)
		return 0;
	return -errno;
}

bool mullion_doorbell_drain(int fd)
{
	uint64_t count;
	struct iovec iov = { &count, sizeof(count) };
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (fd < 0)
		return false;
	if (preadv2(fd, &iov, 1, -1, RWF_NOWAIT) == (ssize_t)sizeof(count))
		return true;
	if (errno != EOPNOTSUPP && errno != ENOSYS)
		return false;
	/* Kernels before 5.8: the peer could still win this race. */
	return poll(&pfd, 1, 0) == 1 && (pfd.revents & POLLIN) &&
	       read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count);
}

static void doorbell_alarm(int signal)
{
	(void)signal;
}

int mullion_doorbell_watchdog(unsigned int milliseconds)
{
	/* No SA_RESTART: the point is that a blocked write() ends. */
	struct sigaction action = { .sa_handler = doorbell_alarm };
	struct itimerval timer = {
		.it_interval = {
			.tv_sec = milliseconds / 1000,
			.tv_usec = (suseconds_t)(milliseconds % 1000) * 1000,
		},
	};

	timer.it_value = timer.it_interval;
	if (sigaction(SIGALRM, &action, NULL) < 0 ||
	    setitimer(ITIMER_REAL, &timer, NULL) < 0)
		return -errno;
	return 0;
}
