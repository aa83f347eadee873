// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_channel_parts.c - window headers, descriptor messages,
 * doorbells and the pool allocator, one by one
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../channel/doorbell.h"
#include "../../channel/fdmsg.h"
#include "../../channel/pool.h"
#include "../../channel/window.h"

#define SIZE (1ULL << 20)

/* ---- windows ------------------------------------------------------------ */

static struct mullion_window_header good_header(void)
{
	struct mullion_window_header header = {
		.magic = MULLION_WINDOW_MAGIC,
		.layout_version = MULLION_WINDOW_LAYOUT_VERSION,
		.header_bytes = MULLION_WINDOW_HEADER_BYTES,
		.window_id = 7,
		.kind = MULLION_WINDOW_BUS,
		.size = SIZE,
		.vectors = 4,
		.area_count = 2,
		.area_bytes = sizeof(struct mullion_window_area),
		.areas = {
			{ .type = MULLION_AREA_CHANNELS, .offset = 4096, .bytes = 65536 },
			{ .type = MULLION_AREA_POOL, .offset = 69632,
			  .bytes = SIZE - 69632 },
		},
	};

	return header;
}

static int check(const struct mullion_window_header *header)
{
	struct mullion_window window;

	return mullion_window_check(&window, header, SIZE, MULLION_WINDOW_BUS);
}

#define REFUSED(change, error) do {					\
		struct mullion_window_header h = good_header();		\
		change;							\
		assert_int_equal(check(&h), error);			\
	} while (0)

static void test_window_header(void **state)
{
	struct mullion_window_header header = good_header();

	(void)state;
	assert_int_equal(check(&header), 0);
	REFUSED(h.magic++, -EPROTO);
	REFUSED(h.layout_version++, -EPROTO);
	REFUSED(h.header_bytes = 8192, -EINVAL);
	REFUSED(h.area_bytes = 64, -EINVAL);
	REFUSED(h.window_id = 0, -EINVAL);
	REFUSED(h.window_id = 1U << 24, -EINVAL);
	REFUSED(h.kind = 3, -EINVAL);
	REFUSED(h.kind = MULLION_WINDOW_COMMAND, -EINVAL);
	REFUSED(h.size *= 2, -EINVAL);
	REFUSED(h.flags = 1, -EINVAL);
	REFUSED(h.vectors = 0, -EINVAL);
	REFUSED(h.area_count = MULLION_WINDOW_AREAS_MAX + 1, -EINVAL);
	REFUSED(h.area_count = 1, -EINVAL);
	REFUSED(h.areas[1].flags = 1, -EINVAL);
	REFUSED(h.areas[1].offset += 1, -EINVAL);
	REFUSED(h.areas[1].bytes += 4096, -EINVAL);
	REFUSED(h.areas[1].offset = UINT64_MAX - 4095, -EINVAL);
	REFUSED(h.areas[1].bytes = UINT64_MAX - 4095, -EINVAL);
	REFUSED(h.areas[0].offset = 0, -EINVAL);
	REFUSED(h.areas[0].bytes = 69632, -EINVAL);
	REFUSED(h.areas[0].bytes = 0, -EINVAL);
	REFUSED(h.areas[0].type = MULLION_AREA_POOL, -EINVAL);
}

static int make_window(int seals)
{
	struct mullion_window_header header = good_header();
	int fd = memfd_create("window", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, SIZE), 0);
	assert_int_equal(pwrite(fd, &header, sizeof(header), 0), sizeof(header));
	assert_int_equal(fcntl(fd, F_ADD_SEALS, seals), 0);
	return fd;
}

static void test_window_open(void **state)
{
	struct mullion_window window = { 0 };
	void *at;
	int fd;

	(void)state;
	fd = make_window(F_SEAL_SHRINK | F_SEAL_SEAL);
	assert_int_equal(mullion_window_open(&window, fd, 0), -EPERM);
	close(fd);
	fd = make_window(F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL);
	assert_int_equal(mullion_window_open(&window, fd, MULLION_WINDOW_COMMAND),
			 -EINVAL);
	assert_int_equal(mullion_window_open(&window, fd, 0), 0);
	close(fd);

	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(7, 8192), 4096, &at), 0);
	assert_ptr_equal(at, window.base + 8192);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(8, 8192), 4096, &at), -ENXIO);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CONTROL,
			 MULLION_WINDOW_ADDR(7, 8192), 4096, &at), -ENOENT);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(7, 4096), 65537, &at), -ERANGE);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(7, 0), 4096, &at), -ERANGE);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(7, 4100), 8, &at), -ERANGE);
	assert_int_equal(mullion_window_resolve(&window, MULLION_AREA_CHANNELS,
			 MULLION_WINDOW_ADDR(7, 8192), UINT64_MAX, &at), -ERANGE);
	mullion_window_close(&window);
	mullion_window_close(&window);
}

/* ---- descriptor messages ------------------------------------------------ */

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void send_and_receive(int type)
{
	int pair[2], fds[100], got[MULLION_FD_BATCH];
	struct mullion_fd_message message;
	int before = open_files();

	assert_int_equal(socketpair(AF_UNIX, type, 0, pair), 0);
	for (int i = 0; i < 100; i++)
		fds[i] = dup(0);
	/* Two messages are in the socket at once: neither swallows the other. */
	assert_int_equal(mullion_fd_send(pair[0], MULLION_FD_RECV_DOORBELLS, 42, 0,
					 fds, 100), 0);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), 1);
	assert_int_equal(message.count, MULLION_FD_BATCH);
	assert_int_equal(message.handle, 42);
	assert_int_equal(message.index, 0);
	assert_true(fcntl(got[0], F_GETFD) & FD_CLOEXEC);
	for (int i = 0; i < MULLION_FD_BATCH; i++)
		close(got[i]);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), 1);
	assert_int_equal(message.count, 100 - MULLION_FD_BATCH);
	assert_int_equal(message.index, MULLION_FD_BATCH);
	for (int i = 0; i < message.count; i++)
		close(got[i]);
	for (int i = 0; i < 100; i++)
		close(fds[i]);
	fcntl(pair[1], F_SETFL, O_NONBLOCK);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), -EAGAIN);
	close(pair[0]);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), 0);
	close(pair[1]);
	assert_int_equal(open_files(), before);
}

static void test_fdmsg(void **state)
{
	(void)state;
	send_and_receive(SOCK_SEQPACKET);
	send_and_receive(SOCK_STREAM);
}

static void send_raw(int fd, const struct mullion_fd_message *message, size_t bytes,
		     int count)
{
	char control[CMSG_SPACE(4 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)(uintptr_t)message, bytes };
	struct msghdr msg = { .msg_iov = &iov, .msg_iovlen = 1 };
	struct cmsghdr *cmsg;

	if (count) {
		msg.msg_control = control;
		msg.msg_controllen = CMSG_SPACE((size_t)count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN((size_t)count * sizeof(int));
		for (int i = 0; i < count; i++) {
			int zero = 0;

			memcpy(CMSG_DATA(cmsg) + (size_t)i * sizeof(int), &zero,
			       sizeof(zero));
		}
	}
	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)bytes);
}

/* Whatever is refused leaves no descriptor behind. */
static void test_fdmsg_refused(void **state)
{
	const struct mullion_fd_message good = {
		.magic = MULLION_FD_MAGIC,
		.role = MULLION_FD_WINDOW,
		.count = 1,
	};
	struct mullion_fd_message bad[5], message;
	int pair[2], got[MULLION_FD_BATCH];
	int before = open_files();

	(void)state;
	for (int i = 0; i < 5; i++)
		bad[i] = good;
	bad[0].magic = 0;
	bad[1].role = 99;
	bad[2].count = 2;
	bad[3].flags = 1;
	bad[4].role = 0;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
		send_raw(pair[0], &bad[i], sizeof(good), 1);
		assert_int_equal(mullion_fd_recv(pair[1], &message, got), -EPROTO);
		close(pair[0]);
		close(pair[1]);
	}
	/* A message in two pieces is one; half a message is none. */
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, pair), 0);
	send_raw(pair[0], &good, 10, 1);
	assert_int_equal(send(pair[0], (const char *)&good + 10, 14, 0), 14);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), 1);
	close(got[0]);
	send_raw(pair[0], &good, 10, 1);
	close(pair[0]);
	assert_int_equal(mullion_fd_recv(pair[1], &message, got), -EPROTO);
	close(pair[1]);
	assert_int_equal(open_files(), before);
}

/* ---- doorbells ---------------------------------------------------------- */

static void test_doorbells(void **state)
{
	struct mullion_doorbells set = { 0 };
	int fds[3];

	(void)state;
	assert_int_equal(mullion_doorbells_init(&set, 0), -EINVAL);
	assert_int_equal(mullion_doorbells_init(&set, MULLION_DOORBELLS_MAX + 1), -EINVAL);
	assert_int_equal(mullion_doorbells_init(&set, 3), 0);
	for (int i = 0; i < 3; i++)
		fds[i] = eventfd(0, EFD_NONBLOCK);
	assert_int_equal(mullion_doorbells_put(&set, 2, fds, 2), -ERANGE);
	assert_int_equal(mullion_doorbells_put(&set, UINT32_MAX, fds, 2), -ERANGE);
	assert_int_equal(mullion_doorbells_put(&set, 0, fds, 2), 0);
	assert_false(mullion_doorbells_complete(&set));
	assert_int_equal(mullion_doorbells_put(&set, 1, fds, 1), -EEXIST);
	assert_int_equal(mullion_doorbells_put(&set, 2, fds + 2, 1), 0);
	assert_true(mullion_doorbells_complete(&set));
	assert_false(mullion_doorbell_drain(fds[0]));
	assert_int_equal(mullion_doorbell_ring(fds[0]), 0);
	assert_int_equal(mullion_doorbell_ring(fds[0]), 0);
	assert_true(mullion_doorbell_drain(fds[0]));
	assert_false(mullion_doorbell_drain(fds[0]));
	assert_int_equal(mullion_doorbell_ring(-1), 0);
	mullion_doorbells_done(&set);
	mullion_doorbells_done(&set);
}

/* The peer shares the open file and can make it block. */
static void test_doorbell_hostile(void **state)
{
	uint64_t full = UINT64_MAX - 1;
	int fd = eventfd(0, EFD_NONBLOCK);

	(void)state;
	assert_int_equal(write(fd, &full, sizeof(full)), sizeof(full));
	assert_int_equal(mullion_doorbell_ring(fd), 0);
	fcntl(fd, F_SETFL, 0);
	assert_int_equal(mullion_doorbell_watchdog(20), 0);
	assert_int_equal(mullion_doorbell_ring(fd), -EINTR);
	assert_true(mullion_doorbell_drain(fd));
	assert_false(mullion_doorbell_drain(fd));
	assert_int_equal(mullion_doorbell_watchdog(0), 0);
	close(fd);
}

/* ---- pool --------------------------------------------------------------- */

static void test_pool(void **state)
{
	struct mullion_pool_share *a, *b, *c;
	uint64_t at[16], offset;
	struct mullion_pool *pool;

	(void)state;
	assert_int_equal(mullion_pool_new(&pool, 100), -EINVAL);
	assert_int_equal(mullion_pool_new(&pool, 16 * 4096), 0);
	assert_int_equal(mullion_pool_share_new(pool, 17 * 4096, &a), -ENOSPC);
	assert_int_equal(mullion_pool_share_new(pool, UINT64_MAX, &a), -ENOSPC);
	assert_int_equal(mullion_pool_share_new(pool, 4 * 4096, &a), 0);
	assert_int_equal(mullion_pool_share_new(pool, 4 * 4096, &b), 0);
	/* The rest is lent, but b's guarantee is kept. */
	for (int i = 0; i < 12; i++) {
		assert_int_equal(mullion_pool_alloc(a, 4000, &at[i]), 0);
		assert_int_equal(at[i], i * 4096);
	}
	assert_int_equal(mullion_pool_alloc(a, 1, &offset), -ENOSPC);
	assert_int_equal(mullion_pool_share_new(pool, 4096, &c), -ENOSPC);
	assert_int_equal(mullion_pool_alloc(b, 4 * 4096, &offset), 0);
	assert_int_equal(offset, 12 * 4096);
	assert_int_equal(mullion_pool_alloc(b, 1, &offset), -ENOSPC);
	/* First fit, and only the owner gives back. */
	assert_int_equal(mullion_pool_release(b, at[3]), -ENOENT);
	assert_int_equal(mullion_pool_release(a, at[3]), 0);
	assert_int_equal(mullion_pool_release(a, at[3]), -ENOENT);
	assert_int_equal(mullion_pool_release(a, at[5]), 0);
	assert_int_equal(mullion_pool_alloc(b, 2 * 4096, &offset), -ENOSPC);
	assert_int_equal(mullion_pool_alloc(b, 4096, &offset), 0);
	assert_int_equal(offset, at[3]);
	assert_int_equal(mullion_pool_alloc(a, 0, &offset), -EINVAL);
	assert_int_equal(mullion_pool_alloc(a, UINT64_MAX, &offset), -ENOSPC);
	mullion_pool_share_free(a);
	assert_int_equal(mullion_pool_share_new(pool, 8 * 4096, &c), 0);
	mullion_pool_free(pool);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_window_header),
		cmocka_unit_test(test_window_open),
		cmocka_unit_test(test_fdmsg),
		cmocka_unit_test(test_fdmsg_refused),
		cmocka_unit_test(test_doorbells),
		cmocka_unit_test(test_doorbell_hostile),
		cmocka_unit_test(test_pool),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
