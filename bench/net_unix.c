// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/net_unix.c - a pair of AF_UNIX datagram sockets, many frames per call
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "netbench.h"

#define SLOTS (2 * NETBENCH_BURST)

struct netbench_end {
	int fd;
	bool poll, together;
	uint32_t bytes;
	uint8_t *memory;
};

static int pair[2];
static struct netbench_end ends[2];

static int unix_prepare(const struct netbench_job *job)
{
	(void)job;
	return socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, pair) < 0 ? -errno : 0;
}

static int unix_open(struct netbench_end **ret, const struct netbench_job *job, int side)
{
	struct netbench_end *end = &ends[side];
	int size = 4 << 20;

	end->fd = pair[side];
	if (!job->together)
		close(pair[!side]);
	/* More than the system allows is a privilege; without it less is used. */
	if (setsockopt(end->fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof(size)) < 0)
		setsockopt(end->fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	end->poll = job->wake == NETBENCH_POLL;
	end->together = job->together;
	end->bytes = job->bytes;
	end->memory = malloc((size_t)SLOTS * job->bytes);
	if (!end->memory)
		return -ENOMEM;
	memset(end->memory, 0x5a, (size_t)SLOTS * job->bytes);
	*ret = end;
	return 0;
}

static int unix_alloc(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	for (i = 0; i < count; i++)
		frames[i].data = end->memory + (size_t)i * end->bytes;
	return count;
}

static void unix_messages(struct mmsghdr *messages, struct iovec *iov, int count)
{
	int i;

	memset(messages, 0, (size_t)count * sizeof(*messages));
	for (i = 0; i < count; i++) {
		messages[i].msg_hdr.msg_iov = &iov[i];
		messages[i].msg_hdr.msg_iovlen = 1;
	}
}

static int unix_send(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct mmsghdr messages[NETBENCH_BURST];
	struct iovec iov[NETBENCH_BURST];
	int i, r;

	unix_messages(messages, iov, count);
	for (i = 0; i < count; i++)
		iov[i] = (struct iovec){ frames[i].data, frames[i].bytes };
	r = sendmmsg(end->fd, messages, (unsigned int)count, end->poll || end->together ? MSG_DONTWAIT : 0);
	if (r < 0 && (errno == EAGAIN || errno == ENOBUFS || errno == EINTR))
		return 0;
	return r < 0 ? -errno : r;
}

static int unix_flush(struct netbench_end *end)
{
	(void)end;
	return 0;
}

static int unix_recv(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct mmsghdr messages[NETBENCH_BURST];
	struct iovec iov[NETBENCH_BURST];
	int i, r;

	unix_messages(messages, iov, count);
	for (i = 0; i < count; i++)
		iov[i] = (struct iovec){ end->memory + (size_t)(NETBENCH_BURST + i) * end->bytes,
					 end->bytes };
	r = recvmmsg(end->fd, messages, (unsigned int)count, MSG_DONTWAIT, NULL);
	if (r < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	for (i = 0; i < r; i++) {
		frames[i].data = iov[i].iov_base;
		frames[i].bytes = messages[i].msg_len;
	}
	return r;
}

static void unix_give_back(struct netbench_end *end, struct netbench_frame *frames,
			   int count)
{
	(void)end;
	(void)frames;
	(void)count;
}

static int unix_wait(struct netbench_end *end, int milliseconds)
{
	struct pollfd p = { .fd = end->fd, .events = POLLIN };

	if (end->poll)
		return 0;
	return poll(&p, 1, milliseconds) < 0 && errno != EINTR ? -errno : 0;
}

static void unix_close(struct netbench_end *end)
{
	close(end->fd);
	free(end->memory);
}

const struct netbench_driver netbench_unix = {
	.name = "unix", .prepare = unix_prepare, .open = unix_open, .alloc = unix_alloc,
	.send = unix_send, .flush = unix_flush, .recv = unix_recv,
	.give_back = unix_give_back, .wait = unix_wait, .close = unix_close,
};
