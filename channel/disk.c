// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/disk.c - a process guest's disk driver
 *
 * DOC: Theory of Operation
 *
 * The client half of a vHBA channel.  What it shares with other devices, which
 * is attaching and waiting, is in client.c; disk_io.c moves commands.  Limits
 * are copied from the channel once.
 */
#include "disk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "disk_internal.h"

#define DISK_OUTSTANDING_MAX	4096

static const struct mullion_client_class disk_class = {
	.devtype = "sparvhba",
	.drvname = "libmullion-disk",
	.type = VISOR_VHBA_CHANNEL_GUID,
	.version = VISOR_VHBA_CHANNEL_VERSION,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE,
	/* Without pool offsets there is no way for us to name data. */
	.required = MULLION_EXTF_WINDOW_ADDR,
	.begin = disk_io_begin,
	.reap = disk_io_reap,
	.push = disk_io_push,
	.fail = disk_io_fail,
};

static void disk_read_limits(struct mullion_disk *disk,
			     const struct visor_io_channel *fixed)
{
	const struct mullion_attach *attach = &disk->client.attach;

	disk->limits = (struct mullion_disk_limits){
		.max_id = fixed->vhba.max.max_id,
		.max_lun = fixed->vhba.max.max_lun,
		.max_io_bytes = fixed->vhba.max.max_io_size,
		.max_outstanding = attach->constant.max_outstanding,
		.io_align = attach->constant.io_align,
		.pool_share = attach->constant.pool_share,
	};
	disk->max_outstanding = disk->limits.max_outstanding;
	if (!disk->max_outstanding)
		disk->max_outstanding = 1;
	if (disk->max_outstanding > DISK_OUTSTANDING_MAX)
		disk->max_outstanding = DISK_OUTSTANDING_MAX;
}

int mullion_disk_open(struct mullion_disk **ret,
		      struct mullion_guest_device *device, int milliseconds)
{
	struct visor_io_channel fixed;
	struct mullion_disk *disk;
	int error;

	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	error = mullion_client_init(&disk->client, &disk_class, device, 1, &fixed);
	if (error < 0)
		goto close;
	disk_read_limits(disk, &fixed);
	error = -ENOMEM;
	disk->table = calloc(disk->max_outstanding, sizeof(*disk->table));
	disk->free_slots = calloc(disk->max_outstanding, sizeof(*disk->free_slots));
	if (!disk->table || !disk->free_slots)
		goto close;
	/* Lowest slots are used first and again: they stay in the cache. */
	for (unsigned int i = disk->max_outstanding; i > 0; i--)
		disk->free_slots[disk->free_count++] = (uint16_t)(i - 1);
	error = mullion_client_start(&disk->client, milliseconds);
	if (error < 0)
		goto close;
	*ret = disk;
	return 0;

close:
	mullion_disk_close(disk);
	return error;
}

void mullion_disk_close(struct mullion_disk *disk)
{
	if (!disk)
		return;
	mullion_client_close(&disk->client);
	free(disk->table);
	free(disk->free_slots);
	free(disk);
}

void mullion_disk_limits(const struct mullion_disk *disk,
			 struct mullion_disk_limits *ret)
{
	*ret = disk->limits;
}

void mullion_disk_counters(const struct mullion_disk *disk,
			   struct mullion_disk_counters *ret)
{
	const struct mullion_client_counters *counters = &disk->client.counters;

	*ret = (struct mullion_disk_counters){
		.submitted = disk->submitted,
		.completed = disk->client.progress,
		.reissued = disk->reissued,
		.stale = counters->stale,
		.bogus = counters->bogus,
		.rung = counters->rung,
		.sleeps = counters->sleeps,
		.rescues = counters->rescues,
		.generations = counters->generations,
	};
}

void mullion_disk_set_wake(struct mullion_disk *disk, enum mullion_wake mode)
{
	disk->client.spin.mode = mode;
}

int mullion_disk_alloc(struct mullion_disk *disk, size_t bytes,
		       uint64_t *offset, void **ret)
{
	return mullion_client_alloc(&disk->client, bytes, offset, ret);
}

void mullion_disk_free(struct mullion_disk *disk, uint64_t offset)
{
	if (disk->client.share)
		mullion_pool_release(disk->client.share, offset);
}

void mullion_disk_kick(struct mullion_disk *disk)
{
	mullion_client_push(&disk->client);
}

int mullion_disk_poll(struct mullion_disk *disk)
{
	return mullion_client_poll(&disk->client);
}

int mullion_disk_wait(struct mullion_disk *disk, int milliseconds)
{
	return mullion_client_wait(&disk->client, milliseconds);
}

struct disk_waiter {
	bool done;
};

static void disk_execute_done(struct mullion_disk_io *io)
{
	struct disk_waiter *waiter = io->arg;

	waiter->done = true;
}

int mullion_disk_execute(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	struct disk_waiter waiter = { false };
	void (*done)(struct mullion_disk_io *io) = io->done;
	void *arg = io->arg;
	int ret;

	io->done = disk_execute_done;
	io->arg = &waiter;
	ret = mullion_disk_submit(disk, io);
	if (ret < 0)
		goto out;
	/* Every way out of waiting ends with done(). */
	while (!waiter.done)
		mullion_disk_wait(disk, -1);
	ret = io->error;
out:
	io->done = done;
	io->arg = arg;
	return ret;
}

unsigned int mullion_disk_outstanding(const struct mullion_disk *disk)
{
	return disk->max_outstanding - disk->free_count;
}
