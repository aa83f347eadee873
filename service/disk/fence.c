// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/fence.c - waiting until a predecessor's I/O has ended
 *
 * There is no notice when a lock becomes free, so the lock is tried again and
 * again, soon at first.  Both kinds of wait are polled by the same timer: a
 * connection's end needs no better.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <syslog.h>
#include <unistd.h>

#include "../common/log.h"
#include "fence.h"

#define FENCE_BYTE		(1LL << 62)
#define FENCE_POLL_MS		5
#define FENCE_REPORT_MS		10000
#define FENCE_STRANGER_MS	5000

static int fence_try_lock(struct fence *fence)
{
	struct flock lock = {
		.l_type = fence->read_only ? F_RDLCK : F_WRLCK,
		.l_whence = SEEK_SET,
		.l_start = FENCE_BYTE,
		.l_len = 1,
	};

	if (!fcntl(fence->fd, F_OFD_SETLK, &lock))
		return 0;
	return errno == EACCES ? -EAGAIN : -errno;
}

static int fence_try_drain(struct fence *fence)
{
	char rest[4096];
	ssize_t n;

	do {
		n = recv(fence->fd, rest, sizeof(rest), MSG_DONTWAIT);
	} while (n > 0 || (n < 0 && errno == EINTR));
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return -EAGAIN;
	/*
	 * A reset is the server's word that the connection is no more.  Other
	 * errors, a timeout above all, tell only that it cannot be reached.
	 */
	return !n || errno == ECONNRESET ? 0 : -errno;
}

static void fence_poll(struct fence *fence, int (*attempt)(struct fence *fence))
{
	int error = attempt(fence);

	fence->waited += FENCE_POLL_MS;
	if (error == -EAGAIN && !fence->wait_forever &&
	    fence->waited >= FENCE_STRANGER_MS) {
		mullion_log(LOG_ERR, fence->name,
			    "is locked by another program; stop it, or use another image");
		error = -EBUSY;
	}
	if (error && error != -EAGAIN && error != -EBUSY)
		mullion_log(LOG_ERR, fence->name,
			    "cannot tell whether the predecessor's I/O has ended: %s",
			    strerror(-error));
	if (error == -EAGAIN) {
		if (!(fence->waited % FENCE_REPORT_MS))
			mullion_log(LOG_WARNING, fence->name,
				    "still waits for the predecessor's I/O to end, %u s now",
				    fence->waited / 1000);
		return;
	}
	mullion_loop_timer_stop(&fence->timer);
	fence->done(fence, error);
}

static void fence_poll_lock(void *arg)
{
	fence_poll(arg, fence_try_lock);
}

static void fence_poll_drain(void *arg)
{
	fence_poll(arg, fence_try_drain);
}

int fence_lock(struct fence *fence, int fd, bool read_only, bool adopt,
	       const char *name, void (*done)(struct fence *fence, int error))
{
	int error;

	*fence = (struct fence){
		.fd = fd,
		.read_only = read_only,
		.wait_forever = adopt,
		.name = name,
		.done = done,
	};
	error = fence_try_lock(fence);
	if (error != -EAGAIN)
		return error;
	mullion_loop_timer_start(&fence->timer, FENCE_POLL_MS, true,
				 fence_poll_lock, fence);
	return -EINPROGRESS;
}

int fence_drain(struct fence *fence, int fd, const char *name,
		void (*done)(struct fence *fence, int error))
{
	int error;

	*fence = (struct fence){
		.fd = fd,
		.wait_forever = true,
		.name = name,
		.done = done,
	};
	error = fence_try_drain(fence);
	if (error != -EAGAIN)
		return error;
	mullion_loop_timer_start(&fence->timer, FENCE_POLL_MS, true,
				 fence_poll_drain, fence);
	return -EINPROGRESS;
}

void fence_cancel(struct fence *fence)
{
	mullion_loop_timer_stop(&fence->timer);
}
