// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/ivshmem.c - hand a window to QEMU
 *
 * The server's part of QEMU's ivshmem protocol, version 0: little-endian i64
 * messages, some with a descriptor.  Version; the client's own id, 1; -1 with
 * the memory; then for each vector of peer 0, which is the server, and of
 * peer 1, which is QEMU itself, the peer's id with an eventfd that rings it.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ivshmem.h"
#include "window.h"

#define IVSHMEM_PROTOCOL_VERSION	0
#define IVSHMEM_SERVER_ID		0
#define IVSHMEM_CLIENT_ID		1
#define IVSHMEM_MEMORY			(-1)

static int ivshmem_send(int sock, int64_t value, int fd)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = &value, .iov_len = sizeof(value) };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	ssize_t n;

	if (fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control.bytes);
		control.header.cmsg_level = SOL_SOCKET;
		control.header.cmsg_type = SCM_RIGHTS;
		control.header.cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
	}
	n = sendmsg(sock, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return errno == EAGAIN ? -ENOBUFS : -errno;
	return n == (ssize_t)sizeof(value) ? 0 : -ENOBUFS;
}

static int ivshmem_send_greeting(const struct mullion_cp_window *w, int sock)
{
	static const int64_t peers[2] = { IVSHMEM_SERVER_ID, IVSHMEM_CLIENT_ID };
	int r;

	r = ivshmem_send(sock, IVSHMEM_PROTOCOL_VERSION, -1);
	if (!r)
		r = ivshmem_send(sock, IVSHMEM_CLIENT_ID, -1);
	if (!r)
		r = ivshmem_send(sock, IVSHMEM_MEMORY, w->memfd);
	for (unsigned int i = 0; !r && i < 2; i++)
		for (uint32_t v = 0; !r && v < w->vectors; v++)
			r = ivshmem_send(sock, peers[i], w->doorbells[i][v]);
	return r;
}

int mullion_ivshmem_greet(struct mullion_cp_window *window, int *ret_fd)
{
	int pair[2];
	int r;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	r = ivshmem_send_greeting(window, pair[0]);
	if (r < 0) {
		close(pair[0]);
		close(pair[1]);
		return r;
	}
	mullion_ivshmem_done(window);
	window->greeting_fd = pair[0];
	*ret_fd = pair[1];
	return 0;
}

void mullion_ivshmem_done(struct mullion_cp_window *window)
{
	if (window->greeting_fd < 0)
		return;
	close(window->greeting_fd);
	window->greeting_fd = -1;
}
