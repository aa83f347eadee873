// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/blk_uring.c - the peers without a back-end: io_uring and pread/pwrite
 * straight on the file, through the page cache
 */
#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <stdlib.h>
#include <unistd.h>

#include "blkbench.h"

static struct bench_job job;
static struct io_uring ring;
static unsigned char *memory;
static int fd = -1;
static uint32_t done_tag;

static int uring_open_file(const struct bench_job *j)
{
	job = *j;
	fd = open(job.target, (job.write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memory = aligned_alloc(4096, (size_t)job.bs * job.qd);
	return memory ? 0 : -ENOMEM;
}

static void *uring_buffer(uint32_t tag)
{
	return memory + (size_t)tag * job.bs;
}

static int uring_open(const struct bench_job *j)
{
	int r = uring_open_file(j);

	if (r < 0)
		return r;
	r = io_uring_queue_init(512, &ring, IORING_SETUP_SINGLE_ISSUER);
	if (r < 0)
		return r;
	return io_uring_register_files(&ring, &fd, 1);
}

static int uring_submit(uint32_t tag, uint64_t offset)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&ring);

	if (!sqe)
		return -EBUSY;
	if (job.write)
		io_uring_prep_write(sqe, 0, uring_buffer(tag), job.bs, offset);
	else
		io_uring_prep_read(sqe, 0, uring_buffer(tag), job.bs, offset);
	sqe->flags |= IOSQE_FIXED_FILE;
	io_uring_sqe_set_data64(sqe, tag);
	return 0;
}

static int uring_commit(void)
{
	int r = io_uring_submit(&ring);

	return r < 0 ? r : 0;
}

static int uring_reap(uint32_t *tags, uint32_t max)
{
	struct io_uring_cqe *cqe;
	unsigned int head, n = 0;
	int r;

	if (job.wake == BENCH_POLL) {
		while (io_uring_peek_cqe(&ring, &cqe) == -EAGAIN)
			;
	} else {
		r = io_uring_wait_cqe(&ring, &cqe);
		if (r < 0)
			return r;
	}
	io_uring_for_each_cqe(&ring, head, cqe) {
		if (n == max)
			break;
		if (cqe->res != (int)job.bs)
			return cqe->res < 0 ? cqe->res : -EIO;
		tags[n++] = (uint32_t)cqe->user_data;
	}
	io_uring_cq_advance(&ring, n);
	return (int)n;
}

static void uring_close(void)
{
	io_uring_queue_exit(&ring);
	close(fd);
}

const struct bench_driver bench_uring = {
	.name = "io_uring", .open = uring_open, .buffer = uring_buffer,
	.submit = uring_submit, .commit = uring_commit, .reap = uring_reap,
	.close = uring_close,
};

/* Depth 1 by nature: the request is done when submit returns. */
static int psync_submit(uint32_t tag, uint64_t offset)
{
	ssize_t r = job.write ? pwrite(fd, uring_buffer(tag), job.bs, (off_t)offset) :
				pread(fd, uring_buffer(tag), job.bs, (off_t)offset);

	done_tag = tag;
	return r == (ssize_t)job.bs ? 0 : r < 0 ? -errno : -EIO;
}

static int psync_commit(void)
{
	return 0;
}

static int psync_reap(uint32_t *tags, uint32_t max)
{
	(void)max;
	tags[0] = done_tag;
	return 1;
}

static int psync_open(const struct bench_job *j)
{
	return j->qd == 1 ? uring_open_file(j) : -EINVAL;
}

static void psync_close(void)
{
	close(fd);
}

const struct bench_driver bench_psync = {
	.name = "psync", .open = psync_open, .buffer = uring_buffer,
	.submit = psync_submit, .commit = psync_commit, .reap = psync_reap,
	.close = psync_close,
};
