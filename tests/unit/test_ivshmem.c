// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/unit/test_ivshmem.c - the greeting, received as QEMU does */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../command/core.h"
#include "../../command/ivshmem.h"
#include "../../command/window.h"

static struct mullion_core core = { .window_id_next = 1 };
static const guid_t nobody;

/* One message, byte by byte as a stream allows; the descriptor or -1. */
static int receive(int sock, int64_t *value)
{
	union {
		struct cmsghdr header;
		char bytes[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec iov = { .iov_base = value, .iov_len = sizeof(*value) };
	struct msghdr msg = {
		.msg_iov = &iov, .msg_iovlen = 1,
		.msg_control = &control, .msg_controllen = sizeof(control),
	};
	int fd = -1;

	assert_int_equal(recvmsg(sock, &msg, MSG_DONTWAIT), sizeof(*value));
	if (msg.msg_controllen) {
		assert_int_equal(control.header.cmsg_type, SCM_RIGHTS);
		memcpy(&fd, CMSG_DATA(&control.header), sizeof(fd));
	}
	return fd;
}

static ino_t inode(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_ino;
}

/* All eventfds share an inode: a ring is how to tell them apart. */
static void assert_same_eventfd(int a, int b)
{
	uint64_t one = 1, count = 0;

	assert_int_equal(write(a, &one, sizeof(one)), 8);
	assert_int_equal(read(b, &count, sizeof(count)), 8);
	assert_int_equal(count, 1);
}

static void greeting(struct mullion_cp_window *w)
{
	int64_t value;
	int sock, fd;

	assert_int_equal(mullion_ivshmem_greet(w, &sock), 0);
	assert_true(w->greeting_fd >= 0);
	assert_int_equal(receive(sock, &value), -1);
	assert_int_equal(value, 0);
	assert_int_equal(receive(sock, &value), -1);
	assert_int_equal(value, 1);
	fd = receive(sock, &value);
	assert_int_equal(value, -1);
	assert_int_equal(inode(fd), inode(w->memfd));
	close(fd);
	for (unsigned int peer = 0; peer < 2; peer++) {
		for (uint32_t v = 0; v < w->vectors; v++) {
			fd = receive(sock, &value);
			assert_int_equal(value, peer);
			assert_same_eventfd(fd, w->doorbells[peer][v]);
			close(fd);
		}
	}
	/* nothing more, and the connection stays open until it is done */
	assert_int_equal(recv(sock, &value, sizeof(value), MSG_DONTWAIT), -1);
	assert_int_equal(errno, EAGAIN);
	mullion_ivshmem_done(w);
	assert_int_equal(w->greeting_fd, -1);
	assert_int_equal(recv(sock, &value, sizeof(value), MSG_DONTWAIT), 0);
	close(sock);
}

static void test_bus(void **state)
{
	struct mullion_cp_window *w;

	(void)state;
	assert_int_equal(mullion_cp_window_new_bus(&core, &nobody, &nobody, 0, 0, &w), 0);
	greeting(w);
	/* QEMU started again: the same doorbells */
	greeting(w);
	mullion_cp_window_free(w);
}

static void test_command(void **state)
{
	struct mullion_cp_window *w;

	(void)state;
	assert_int_equal(mullion_cp_window_new_command(&core, &nobody, &nobody, &w), 0);
	greeting(w);
	mullion_cp_window_free(w);
}

static void test_many(void **state)
{
	struct mullion_cp_window *w[8];
	int socks[8];

	(void)state;
	for (unsigned int i = 0; i < 8; i++) {
		assert_int_equal(mullion_cp_window_new_bus(&core, &nobody, &nobody, 0, 0,
							   &w[i]), 0);
		assert_int_equal(mullion_ivshmem_greet(w[i], &socks[i]), 0);
	}
	for (unsigned int i = 0; i < 8; i++) {
		close(socks[i]);
		mullion_cp_window_free(w[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_bus),
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
