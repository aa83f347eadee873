// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/blk_mullion.c - a process guest of Mullion; the target is its name
 *
 * The guest must run (`mullion start`) and have one disk, LUN 0, of 512-byte
 * blocks.  The buffers lie in the window's pool, as libblkio's lie in the
 * memory that it shares with its back-end.
 */
#include <errno.h>
#include <stdlib.h>

#include "../abi/guid.h"
#include "../channel/disk.h"
#include "../channel/guest.h"
#include "blkbench.h"

#define TAGS_MAX 256
#define BLOCK 512

static struct bench_job job;
static struct mullion_guest *guest;
static struct mullion_disk *disk;
static struct mullion_disk_io ios[TAGS_MAX];
static void *memory;
static uint64_t memory_offset;
static uint32_t done_tags[TAGS_MAX];
static uint32_t done_count;
static int failed;

static void mullionpeer_done(struct mullion_disk_io *io)
{
	if (io->error || io->status || io->host)
		failed = io->error ? io->error : -EIO;
	done_tags[done_count++] = (uint32_t)(io - ios);
}

static int mullionpeer_open(const struct bench_job *j)
{
	static const enum mullion_wake wake[] = {
		[BENCH_POLL] = MULLION_WAKE_POLL,
		[BENCH_ADAPTIVE] = MULLION_WAKE_ADAPTIVE,
		[BENCH_SLEEP] = MULLION_WAKE_SLEEP,
	};
	struct mullion_guest_device *device;
	guid_t type = VISOR_VHBA_CHANNEL_GUID;
	int r;

	job = *j;
	r = mullion_guest_connect(&guest, NULL, job.target);
	if (r < 0)
		return r;
	r = mullion_guest_wait_ready(guest, 10000);
	if (r < 0)
		return r;
	device = mullion_guest_device_find(guest, &type, 0);
	if (!device)
		return -ENODEV;
	r = mullion_disk_open(&disk, device, 10000);
	if (r < 0)
		return r;
	mullion_disk_set_wake(disk, wake[job.wake]);
	return mullion_disk_alloc(disk, (size_t)job.bs * job.qd, &memory_offset,
				  &memory);
}

static void *mullionpeer_buffer(uint32_t tag)
{
	return (char *)memory + (size_t)tag * job.bs;
}

static int mullionpeer_submit(uint32_t tag, uint64_t offset)
{
	struct mullion_disk_io *io = &ios[tag];
	uint64_t data = memory_offset + (uint64_t)tag * job.bs;

	if (job.write)
		mullion_disk_prep_write(io, offset / BLOCK, job.bs / BLOCK, BLOCK,
					data, false);
	else
		mullion_disk_prep_read(io, offset / BLOCK, job.bs / BLOCK, BLOCK,
				       data);
	io->done = mullionpeer_done;
	return mullion_disk_submit(disk, io);
}

static int mullionpeer_commit(void)
{
	mullion_disk_kick(disk);
	return 0;
}

static int mullionpeer_reap(uint32_t *tags, uint32_t max)
{
	uint32_t i, n;
	int r = 0;

	while (!done_count && r >= 0)
		r = job.wake == BENCH_POLL ? mullion_disk_poll(disk) :
					     mullion_disk_wait(disk, -1);
	if (r < 0)
		return r;
	if (failed)
		return failed;
	n = done_count < max ? done_count : max;
	for (i = 0; i < n; i++)
		tags[i] = done_tags[i];
	done_count = 0;
	return (int)n;
}

static void mullionpeer_close(void)
{
	mullion_disk_close(disk);
	mullion_guest_close(guest);
}

const struct bench_driver bench_mullion = {
	.name = "mullion", .open = mullionpeer_open,
	.buffer = mullionpeer_buffer, .submit = mullionpeer_submit,
	.commit = mullionpeer_commit, .reap = mullionpeer_reap,
	.close = mullionpeer_close,
};
