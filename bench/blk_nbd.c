// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/blk_nbd.c - the peer NBD, by libnbd
 */
#include <errno.h>
#include <stdlib.h>

#include <libnbd.h>

#include "blkbench.h"

static struct bench_job job;
static struct nbd_handle *nbd;
static unsigned char *memory;
static int64_t *cookies;

static int nbdpeer_open(const struct bench_job *j)
{
	job = *j;
	nbd = nbd_create();
	memory = aligned_alloc(4096, (size_t)job.bs * job.qd);
	cookies = calloc(job.qd, sizeof(*cookies));
	if (!nbd || !memory || !cookies)
		return -ENOMEM;
	return nbd_connect_uri(nbd, job.target) < 0 ? -nbd_get_errno() : 0;
}

static void *nbdpeer_buffer(uint32_t tag)
{
	return memory + (size_t)tag * job.bs;
}

static int nbdpeer_submit(uint32_t tag, uint64_t offset)
{
	cookies[tag] = job.write ?
		nbd_aio_pwrite(nbd, nbdpeer_buffer(tag), job.bs, offset,
			       NBD_NULL_COMPLETION, 0) :
		nbd_aio_pread(nbd, nbdpeer_buffer(tag), job.bs, offset,
			      NBD_NULL_COMPLETION, 0);
	return cookies[tag] < 0 ? -nbd_get_errno() : 0;
}

static int nbdpeer_commit(void)
{
	return 0;
}

static int nbdpeer_reap(uint32_t *tags, uint32_t max)
{
	uint32_t i, n = 0;

	while (!n) {
		if (nbd_poll(nbd, -1) < 0)
			return -nbd_get_errno();
		for (i = 0; i < job.qd && n < max; i++) {
			int r = cookies[i] > 0 ?
				nbd_aio_command_completed(nbd, (uint64_t)cookies[i]) : 0;

			if (r < 0)
				return -nbd_get_errno();
			if (r) {
				cookies[i] = 0;
				tags[n++] = i;
			}
		}
	}
	return (int)n;
}

static void nbdpeer_close(void)
{
	nbd_close(nbd);
}

const struct bench_driver bench_nbd = {
	.name = "nbd", .open = nbdpeer_open, .buffer = nbdpeer_buffer,
	.submit = nbdpeer_submit, .commit = nbdpeer_commit, .reap = nbdpeer_reap,
	.close = nbdpeer_close,
};
