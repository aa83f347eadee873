// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/blk_blkio.c - the peer vhost-user-blk, by libblkio
 */
#include <errno.h>
#include <poll.h>
#include <unistd.h>

#include <blkio.h>

#include "blkbench.h"

#define REAP_MAX 256

static struct bench_job job;
static struct blkio *blkio;
static struct blkioq *queue;
static struct blkio_mem_region region;
static struct blkio_completion done[REAP_MAX];

static int blkio_open(const struct bench_job *j)
{
	size_t align = 4096, bytes;
	int r;

	job = *j;
	r = blkio_create("virtio-blk-vhost-user", &blkio);
	if (!r)
		r = blkio_set_str(blkio, "path", job.target);
	if (!r)
		r = blkio_connect(blkio);
	if (!r)
		r = blkio_set_int(blkio, "num-queues", 1);
	if (!r)
		r = blkio_start(blkio);
	bytes = ((size_t)job.bs * job.qd + align - 1) / align * align;
	if (!r)
		r = blkio_alloc_mem_region(blkio, &region, bytes);
	if (!r)
		r = blkio_map_mem_region(blkio, &region);
	if (r)
		return r;
	queue = blkio_get_queue(blkio, 0);
	blkioq_set_completion_fd_enabled(queue, job.wake != BENCH_POLL);
	return 0;
}

static void *blkio_buffer(uint32_t tag)
{
	return (char *)region.addr + (size_t)tag * job.bs;
}

static int blkio_submit(uint32_t tag, uint64_t offset)
{
	if (job.write)
		blkioq_write(queue, offset, blkio_buffer(tag), job.bs,
			     (void *)(uintptr_t)tag, 0);
	else
		blkioq_read(queue, offset, blkio_buffer(tag), job.bs,
			    (void *)(uintptr_t)tag, 0);
	return 0;
}

static int blkio_commit(void)
{
	return blkioq_do_io(queue, NULL, 0, 0, NULL);
}

static int blkio_reap(uint32_t *tags, uint32_t max)
{
	int i, n;

	if (max > REAP_MAX)
		max = REAP_MAX;
	for (;;) {
		n = blkioq_do_io(queue, done, job.wake == BENCH_POLL ? 0 : 1,
				 (int)max, NULL);
		if (n)
			break;
	}
	for (i = 0; i < n; i++) {
		if (done[i].ret)
			return done[i].ret;
		tags[i] = (uint32_t)(uintptr_t)done[i].user_data;
	}
	return n;
}

static void blkio_close(void)
{
	blkio_destroy(&blkio);
}

const struct bench_driver bench_blkio = {
	.name = "vhost-user-blk", .open = blkio_open, .buffer = blkio_buffer,
	.submit = blkio_submit, .commit = blkio_commit, .reap = blkio_reap,
	.close = blkio_close,
};
