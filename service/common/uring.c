// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/uring.c - the service's one io_uring
 *
 * DOC: Theory of Operation
 *
 * io_uring goes past seccomp, so the ring itself is cut down: made disabled,
 * given a list of allowed opcodes, the duty to use registered files, and no
 * register call but the update of those files; then enabled.  After that
 * nothing in this process can widen it, and seccomp denies another one.
 *
 * Completions are seen in memory while the loop is awake.  When it sleeps, the
 * ring's descriptor in epoll wakes it.
 */
#include "uring.h"

#include <errno.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "log.h"
#include "loop.h"

#define URING_RESTRICTIONS_MAX	32

static struct {
	struct io_uring ring;
	bool available;
	bool used[MULLION_URING_FILES_MAX];
	unsigned int queued;
	unsigned int in_flight;
	struct mullion_loop_source source;
} uring;

static unsigned int uring_poll(void *arg, bool slow)
{
	struct io_uring_cqe *cqe;
	unsigned int n = 0;

	(void)arg;
	(void)slow;
	if (!uring.in_flight)
		return 0;
	/* One at a time: done() may queue more and so touch the ring. */
	while (!io_uring_peek_cqe(&uring.ring, &cqe)) {
		struct mullion_uring_op *op = io_uring_cqe_get_data(cqe);
		int res = cqe->res;

		io_uring_cqe_seen(&uring.ring, cqe);
		uring.in_flight--;
		n++;
		op->done(op, res);
	}
	return n;
}

static int uring_arm(void *arg)
{
	(void)arg;
	return uring.queued || (uring.in_flight && io_uring_cq_ready(&uring.ring));
}

void mullion_uring_submit(void)
{
	int ret;

	if (!uring.queued)
		return;
	ret = io_uring_submit(&uring.ring);
	if (ret > 0)
		uring.queued -= (unsigned int)ret;
	/* -EAGAIN, -EBUSY, -EINTR: what is left goes out in a later turn. */
}

/* What the page cache had is done when the submission returns. */
static void uring_turn_end(void *arg)
{
	if (!uring.queued)
		return;
	mullion_uring_submit();
	uring_poll(arg, false);
}

/* Some builds of liburing do not export the functions for these. */
static int uring_register(unsigned int opcode, void *arg, unsigned int n)
{
	return syscall(SYS_io_uring_register, uring.ring.ring_fd, opcode, arg, n) < 0 ?
		-errno : 0;
}

static int uring_restrict(const int *opcodes)
{
	struct io_uring_restriction list[URING_RESTRICTIONS_MAX];
	unsigned int n = 0;

	memset(list, 0, sizeof(list));
	for (; *opcodes >= 0; opcodes++) {
		if (n == URING_RESTRICTIONS_MAX - 3)
			return -E2BIG;
		list[n].opcode = IORING_RESTRICTION_SQE_OP;
		list[n++].sqe_op = (uint8_t)*opcodes;
	}
	list[n].opcode = IORING_RESTRICTION_SQE_FLAGS_REQUIRED;
	list[n++].sqe_flags = IOSQE_FIXED_FILE;
	list[n].opcode = IORING_RESTRICTION_SQE_FLAGS_ALLOWED;
	list[n++].sqe_flags = IOSQE_FIXED_FILE | IOSQE_IO_LINK | IOSQE_ASYNC;
	list[n].opcode = IORING_RESTRICTION_REGISTER_OP;
	list[n++].register_op = IORING_REGISTER_FILES_UPDATE;
	return uring_register(IORING_REGISTER_RESTRICTIONS, list, n);
}

int mullion_uring_init(unsigned int entries, const int *opcodes)
{
	struct io_uring_params params = {
		.flags = IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE |
			 IORING_SETUP_CLAMP,
		.cq_entries = entries * 4,
	};
	int files[MULLION_URING_FILES_MAX];
	int ret;

	ret = io_uring_queue_init_params(entries, &uring.ring, &params);
	if (ret < 0)
		return ret;
	for (unsigned int i = 0; i < MULLION_URING_FILES_MAX; i++)
		files[i] = -1;
	ret = io_uring_register_files(&uring.ring, files, MULLION_URING_FILES_MAX);
	if (ret < 0)
		goto exit;
	ret = uring_restrict(opcodes);
	if (ret < 0)
		goto exit;
	ret = uring_register(IORING_REGISTER_ENABLE_RINGS, NULL, 0);
	if (ret < 0)
		goto exit;
	ret = mullion_loop_add(uring.ring.ring_fd, EPOLLIN, NULL, NULL);
	if (ret < 0)
		goto exit;
	uring.source.poll = uring_poll;
	uring.source.arm = uring_arm;
	uring.source.turn_end = uring_turn_end;
	mullion_loop_source_add(&uring.source);
	uring.available = true;
	return 0;

exit:
	io_uring_queue_exit(&uring.ring);
	return ret;
}

bool mullion_uring_is_available(void)
{
	return uring.available;
}

int mullion_uring_fd(void)
{
	return uring.available ? uring.ring.ring_fd : -1;
}

struct io_uring *mullion_uring_ring(void)
{
	return &uring.ring;
}

struct io_uring_sqe *mullion_uring_sqe(void)
{
	struct io_uring_sqe *sqe;

	if (!uring.available)
		return NULL;
	sqe = io_uring_get_sqe(&uring.ring);
	if (sqe)
		return sqe;
	mullion_uring_submit();
	return io_uring_get_sqe(&uring.ring);
}

void mullion_uring_queue(struct io_uring_sqe *sqe, struct mullion_uring_op *op)
{
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data(sqe, op);
	uring.queued++;
	uring.in_flight++;
}

int mullion_uring_file_add(int fd)
{
	int ret;

	if (!uring.available)
		return -ENOSYS;
	for (int i = 0; i < MULLION_URING_FILES_MAX; i++) {
		if (uring.used[i])
			continue;
		ret = io_uring_register_files_update(&uring.ring, (unsigned int)i,
						     &fd, 1);
		if (ret < 0)
			return ret;
		uring.used[i] = true;
		return i;
	}
	return -ENFILE;
}

void mullion_uring_file_del(int slot)
{
	int none = -1;

	if (slot < 0 || slot >= MULLION_URING_FILES_MAX || !uring.used[slot])
		return;
	if (io_uring_register_files_update(&uring.ring, (unsigned int)slot,
					   &none, 1) < 0)
		mullion_log(LOG_ERR, NULL, "io_uring keeps file %d open: "
			    "its store stays locked until the service ends", slot);
	uring.used[slot] = false;
}

unsigned int mullion_uring_queued(void)
{
	return uring.queued;
}

unsigned int mullion_uring_in_flight(void)
{
	return uring.in_flight;
}
