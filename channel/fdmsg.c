// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/fdmsg.c - descriptors on their way through a socket
 *
 * A message is always 24 bytes.  The kernel never merges what was sent with
 * different descriptors, but a stream may deliver the bytes of one message in
 * pieces: the descriptors come with the first piece.
 */
#include "fdmsg.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* To wait for the rest of a message that has begun, milliseconds. */
#define FDMSG_REST_MS 1000

union fdmsg_control {
	char bytes[CMSG_SPACE(MULLION_FD_BATCH * sizeof(int))];
	struct cmsghdr align;
};

static int fdmsg_send_one(int socket, const struct mullion_fd_message *message,
			  const int *fds)
{
	struct mullion_fd_message copy = *message;
	struct iovec iov = { &copy, sizeof(copy) };
	union fdmsg_control control = { 0 };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;
	ssize_t n;

	if (message->count) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(message->count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(message->count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), fds, message->count * sizeof(int));
	}
	do {
		n = sendmsg(socket, &msg, MSG_NOSIGNAL);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	return n == (ssize_t)sizeof(copy) ? 0 : -EIO;
}

int mullion_fd_send(int socket, unsigned int role, __u64 handle, __u32 index,
		    const int *fds, unsigned int count)
{
	struct mullion_fd_message message = {
		.magic = MULLION_FD_MAGIC,
		.role = (__u16)role,
		.handle = handle,
	};
	unsigned int sent = 0;

	if (role < MULLION_FD_COMMAND_WINDOW || role > MULLION_FD_ROLE_LAST ||
	    !count)
		return -EINVAL;
	while (sent < count) {
		unsigned int batch = count - sent;
		int ret;

		if (batch > MULLION_FD_BATCH)
			batch = MULLION_FD_BATCH;
		message.count = (__u16)batch;
		message.index = index + sent;
		ret = fdmsg_send_one(socket, &message, fds + sent);
		if (ret < 0)
			return ret;
		sent += batch;
	}
	return 0;
}

static void fdmsg_close(const int *fds, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		close(fds[i]);
}

/* Take every descriptor out of @msg; those beyond the batch are closed. */
static unsigned int fdmsg_collect(struct msghdr *msg, int *fds)
{
	unsigned int count = 0;
	struct cmsghdr *cmsg;

	for (cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		size_t n;
		int fd;

		if (cmsg->cmsg_level != SOL_SOCKET ||
		    cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		n = (cmsg->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < n; i++) {
			memcpy(&fd, CMSG_DATA(cmsg) + i * sizeof(int), sizeof(fd));
			if (count < MULLION_FD_BATCH)
				fds[count++] = fd;
			else
				close(fd);
		}
	}
	return count;
}

/* The rest of a message whose first @have bytes came without the others. */
static int fdmsg_rest(int socket, struct mullion_fd_message *message, size_t have)
{
	struct pollfd pfd = { .fd = socket, .events = POLLIN };

	while (have < sizeof(*message)) {
		ssize_t n = recv(socket, (char *)message + have,
				 sizeof(*message) - have, MSG_DONTWAIT);

		if (n > 0)
			have += (size_t)n;
		else if (!n)
			return -EPROTO;
		else if (errno == EAGAIN && poll(&pfd, 1, FDMSG_REST_MS) != 1)
			return -EPROTO;
		else if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
	return 0;
}

int mullion_fd_recv(int socket, struct mullion_fd_message *message,
		    int fds[MULLION_FD_BATCH])
{
	struct mullion_fd_message got;
	struct iovec iov = { &got, sizeof(got) };
	union fdmsg_control control;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.bytes,
		.msg_controllen = sizeof(control.bytes),
	};
	int taken[MULLION_FD_BATCH];
	unsigned int count;
	ssize_t n;
	int ret;

	do {
		n = recvmsg(socket, &msg, MSG_CMSG_CLOEXEC);
	} while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	count = fdmsg_collect(&msg, taken);
	if (!n) {
		fdmsg_close(taken, count);
		return 0;
	}
	ret = -EPROTO;
	if (msg.msg_flags & (MSG_CTRUNC | MSG_TRUNC))
		goto refuse;
	if ((size_t)n < sizeof(got)) {
		int rest = fdmsg_rest(socket, &got, (size_t)n);

		if (rest < 0) {
			ret = rest;
			goto refuse;
		}
	}
	if (got.magic != MULLION_FD_MAGIC || got.flags || got.count != count ||
	    got.role < MULLION_FD_COMMAND_WINDOW ||
	    got.role > MULLION_FD_ROLE_LAST)
		goto refuse;
	*message = got;
	memcpy(fds, taken, count * sizeof(int));
	return 1;

refuse:
	fdmsg_close(taken, count);
	return ret;
}
