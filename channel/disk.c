// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/disk.c - a process guest's disk driver
 *
 * DOC: Theory of Operation
 *
 * The client half of a vHBA channel: limits are copied from the channel once;
 * the epoch is raised at open, at resume and at every change of the server's
 * generation (abi/mullion.md, "Attach"); in between, disk_io.c moves commands.
 *
 * mullion_disk_poll() makes no system call but one in DISK_TURN_POLLS, which
 * does the guest's control work.  mullion_disk_wait() spins as long as that was
 * worth it lately, asks for a doorbell and sleeps in the guest's epoll.
 *
 * Failure behaviour: a service that dies is waited for, as long as it takes;
 * a service that breaks the rules of the ring ends the disk (-EPROTO).  If a
 * service does not confirm a detach in time its pool areas stay taken: it may
 * still write to them.
 */
#include "disk.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "disk_internal.h"
#include "doorbell.h"

#define DISK_FEATURES (MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT | \
		       MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE)
#define DISK_OUTSTANDING_MAX	4096
#define DISK_TURN_POLLS		1024
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define DISK_DETACH_MS		0
#else
#define DISK_DETACH_MS		5000
#endif
/* Empty looks between two glances at the clock. */
#define DISK_SPIN_STRIDE	16

static void disk_raise(struct mullion_disk *disk)
{
	disk->attached = false;
	mullion_attach_raise(&disk->attach, DISK_FEATURES, MULLION_CLIENT_ATTACHING);
	mullion_doorbell_ring(disk->send_fd);
}

/* The server has confirmed and emptied the rings. */
static int disk_begin(struct mullion_disk *disk)
{
	int event_index = !!(disk->attach.features & MULLION_EXTF_EVENT_INDEX);
	struct channel_header header;
	int ret;

	/* Without pool offsets there is no way for us to name data. */
	if (!(disk->attach.features & MULLION_EXTF_WINDOW_ADDR))
		return -EPROTO;
	memcpy(&header, disk->info.channel, sizeof(header));
	__asm__ volatile("" ::: "memory");
	if (header.ch_space_offset > disk->info.channel_bytes)
		return -EPROTO;
	ret = mullion_sq_attach(&disk->cmd, disk->info.channel,
				disk->info.channel_bytes, header.ch_space_offset,
				VISOR_IO_SLOT_BYTES, event_index);
	if (ret < 0)
		return ret;
	ret = mullion_sq_attach(&disk->rsp, disk->info.channel,
				disk->info.channel_bytes,
				header.ch_space_offset +
				sizeof(struct signal_queue_header),
				VISOR_IO_SLOT_BYTES, event_index);
	if (ret < 0)
		return ret;
	mullion_sq_reset(&disk->cmd, event_index);
	mullion_sq_reset(&disk->rsp, event_index);
	mullion_sq_producer_disarm(&disk->cmd);
	mullion_sq_consumer_disarm(&disk->rsp);
	disk->slot_ext = disk->attach.features & MULLION_EXTF_SLOT_EXT;
	disk->attached = true;
	disk_io_restart(disk);
	disk_io_push(disk);
	return 0;
}

static void disk_fault(struct mullion_disk *disk)
{
	disk->faulted = true;
	disk->attached = false;
	disk_io_fail(disk, -EPROTO);
}

/* Go on with the attach handshake, or begin it if the service changed. */
static void disk_follow(struct mullion_disk *disk)
{
	int ret;

	if (disk->faulted || disk->paused || !disk->guest)
		return;
	if (disk->attached) {
		if (!mullion_attach_is_stale(&disk->attach))
			return;
		disk->counters.generations++;
		/* What the predecessor answered is not asked again. */
		if (disk_io_reap(disk) < 0) {
			disk_fault(disk);
			return;
		}
		disk_raise(disk);
	}
	ret = mullion_attach_poll(&disk->attach);
	if (ret == -EAGAIN)
		return;
	if (ret == -ESTALE) {
		disk_raise(disk);
		return;
	}
	if (ret < 0 || disk_begin(disk) < 0)
		disk_fault(disk);
}

static void disk_pause(void *arg)
{
	struct mullion_disk *disk = arg;

	disk->paused = true;
}

static void disk_resume(void *arg)
{
	struct mullion_disk *disk = arg;

	disk->paused = false;
	if (disk->faulted)
		return;
	if (disk->attached && disk_io_reap(disk) < 0) {
		disk_fault(disk);
		return;
	}
	disk_raise(disk);
}

/*
 * Leave: true if the server confirmed, so that nothing of ours is in use any
 * more.  Not through the guest's loop, which may be what called us.
 */
static bool disk_detach(struct mullion_disk *disk)
{
	uint64_t end = mullion_spin_now() + DISK_DETACH_MS * 1000000ULL;
	int ret = -EAGAIN;

	if (disk->attached && !disk->faulted)
		disk_io_reap(disk);
	disk->attached = false;
	if (disk->faulted)
		mullion_attach_fresh(&disk->attach);
	while (ret == -EAGAIN || ret == -ESTALE) {
		if (mullion_spin_now() >= end)
			return false;
		if (ret == -ESTALE || !disk->attach.detaching) {
			mullion_attach_raise(&disk->attach, 0,
					     MULLION_CLIENT_DETACHED);
			mullion_doorbell_ring(disk->send_fd);
		}
		ret = mullion_attach_poll(&disk->attach);
		if (ret == -EAGAIN)
			poll(NULL, 0, 1);
	}
	return !ret;
}

static void disk_remove(void *arg)
{
	struct mullion_disk *disk = arg;

	if (disk_detach(disk))
		mullion_pool_share_free(disk->share);
	disk->share = NULL;
	disk->guest = NULL;
	disk->device = NULL;
	disk_io_fail(disk, -ENODEV);
}

static void disk_event(void *arg, bool slow)
{
	struct mullion_disk *disk = arg;

	disk_follow(disk);
	if (slow && disk->asleep && disk->attached &&
	    mullion_sq_pending(&disk->rsp) > 0)
		disk->counters.rescues++;
	if (disk->attached && !disk->faulted &&
	    mullion_attach_is_faulted(&disk->attach))
		disk_fault(disk);
}

static const struct mullion_guest_driver disk_driver = {
	.devtype = "sparvhba",
	.drvname = "libmullion-disk",
	.pause = disk_pause,
	.resume = disk_resume,
	.remove = disk_remove,
	.event = disk_event,
};

static int disk_read_channel(struct mullion_disk *disk)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct visor_io_channel copy;
	int ret;

	if (disk->info.channel_bytes < MULLION_IO_CH_SPACE_OFFSET)
		return -EPROTO;
	memcpy(&copy, disk->info.channel, sizeof(copy));
	__asm__ volatile("" ::: "memory");
	if (copy.channel_header.signature != VISOR_CHANNEL_SIGNATURE ||
	    memcmp(&copy.channel_header.chtype, &type, sizeof(type)) ||
	    copy.channel_header.version_id != VISOR_VHBA_CHANNEL_VERSION ||
	    !(copy.channel_header.features & MULLION_CHF_EXT))
		return -EPROTO;
	ret = mullion_attach_init(&disk->attach, disk->info.channel +
				  MULLION_CHANNEL_EXT_OFFSET_IO);
	if (ret < 0)
		return ret;
	disk->limits = (struct mullion_disk_limits){
		.max_id = copy.vhba.max.max_id,
		.max_lun = copy.vhba.max.max_lun,
		.max_io_bytes = copy.vhba.max.max_io_size,
		.max_outstanding = disk->attach.constant.max_outstanding,
		.io_align = disk->attach.constant.io_align,
		.pool_share = disk->attach.constant.pool_share,
	};
	disk->max_outstanding = disk->limits.max_outstanding;
	if (!disk->max_outstanding)
		disk->max_outstanding = 1;
	if (disk->max_outstanding > DISK_OUTSTANDING_MAX)
		disk->max_outstanding = DISK_OUTSTANDING_MAX;
	return 0;
}

static void disk_free(struct mullion_disk *disk)
{
	free(disk->table);
	free(disk->free_slots);
	free(disk);
}

int mullion_disk_open(struct mullion_disk **ret,
		      struct mullion_guest_device *device, int milliseconds)
{
	uint64_t end = mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	struct mullion_disk *disk;
	int error;

	disk = calloc(1, sizeof(*disk));
	if (!disk)
		return -ENOMEM;
	mullion_spin_init(&disk->spin);
	disk->device = device;
	disk->guest = mullion_guest_device_guest(device);
	mullion_guest_device_info(device, &disk->info);
	disk->send_fd = disk->info.send_fd;
	disk->paused = disk->info.paused;
	error = disk_read_channel(disk);
	if (error < 0)
		goto free;
	error = -ENOMEM;
	disk->table = calloc(disk->max_outstanding, sizeof(*disk->table));
	disk->free_slots = calloc(disk->max_outstanding, sizeof(*disk->free_slots));
	if (!disk->table || !disk->free_slots)
		goto free;
	/* Lowest slots are used first and again: they stay in the cache. */
	for (unsigned int i = disk->max_outstanding; i > 0; i--)
		disk->free_slots[disk->free_count++] = (uint16_t)(i - 1);
	error = mullion_pool_share_new(mullion_guest_device_pool(device),
				       disk->limits.pool_share, &disk->share);
	if (error < 0)
		goto free;
	error = mullion_guest_device_claim(device, &disk_driver, disk);
	if (error < 0)
		goto share;
	disk_raise(disk);
	while (!disk->attached) {
		uint64_t now = mullion_spin_now();

		disk_follow(disk);
		if (disk->attached)
			break;
		error = disk->guest ? disk->faulted ? -EPROTO : 0 : -ENODEV;
		if (!error && milliseconds >= 0 && now >= end)
			error = -ETIMEDOUT;
		if (error < 0)
			goto close;
		mullion_guest_wait(disk->guest, milliseconds < 0 ? -1 :
				   (int)((end - now) / 1000000) + 1);
	}
	*ret = disk;
	return 0;

close:
	mullion_disk_close(disk);
	return error;
share:
	mullion_pool_share_free(disk->share);
free:
	disk_free(disk);
	return error;
}

void mullion_disk_close(struct mullion_disk *disk)
{
	if (!disk)
		return;
	if (disk->device) {
		if (disk_detach(disk))
			mullion_pool_share_free(disk->share);
		mullion_guest_device_release(disk->device);
	}
	disk_io_fail(disk, -ECANCELED);
	disk_free(disk);
}

void mullion_disk_limits(const struct mullion_disk *disk,
			 struct mullion_disk_limits *ret)
{
	*ret = disk->limits;
}

void mullion_disk_counters(const struct mullion_disk *disk,
			   struct mullion_disk_counters *ret)
{
	*ret = disk->counters;
}

void mullion_disk_set_wake(struct mullion_disk *disk, enum mullion_wake mode)
{
	static const enum mullion_spin_mode modes[] = {
		[MULLION_WAKE_ADAPTIVE] = MULLION_SPIN_ADAPTIVE,
		[MULLION_WAKE_POLL] = MULLION_SPIN_POLL,
		[MULLION_WAKE_SLEEP] = MULLION_SPIN_SLEEP,
	};

	disk->spin.mode = modes[mode];
}

int mullion_disk_alloc(struct mullion_disk *disk, size_t bytes,
		       uint64_t *offset, void **ret)
{
	uint64_t at;
	int error;

	if (!disk->share)
		return -ENODEV;
	error = mullion_pool_alloc(disk->share, bytes, &at);
	if (error < 0)
		return error;
	*offset = at;
	*ret = disk->info.pool + at;
	return 0;
}

void mullion_disk_free(struct mullion_disk *disk, uint64_t offset)
{
	if (disk->share)
		mullion_pool_release(disk->share, offset);
}

void mullion_disk_kick(struct mullion_disk *disk)
{
	disk_io_push(disk);
}

int mullion_disk_poll(struct mullion_disk *disk)
{
	/* Following a new service completes commands as well. */
	uint64_t before = disk->counters.completed;
	int ret = 0;

	if (disk->guest && !(++disk->polls % DISK_TURN_POLLS))
		mullion_guest_turn(disk->guest);
	if (!disk->guest)
		return -ENODEV;
	if (!disk->attached || mullion_attach_is_stale(&disk->attach))
		disk_follow(disk);
	if (disk->attached)
		ret = disk_io_reap(disk);
	if (ret < 0 || (disk->faulted && disk->attached)) {
		disk_fault(disk);
		return -EPROTO;
	}
	if (disk->faulted)
		return -EPROTO;
	if (disk->unissued)
		disk_io_push(disk);
	return (int)(disk->counters.completed - before);
}

static int disk_spin(struct mullion_disk *disk, uint64_t budget)
{
	uint64_t start = mullion_spin_now();
	unsigned int n = 0;

	for (;;) {
		int ret = mullion_disk_poll(disk);

		if (ret)
			return ret;
		mullion_spin_relax();
		if (++n % DISK_SPIN_STRIDE == 0 &&
		    mullion_spin_now() - start >= budget)
			return 0;
	}
}

/* Sleep until a doorbell or @milliseconds; no answer is missed. */
static void disk_sleep(struct mullion_disk *disk, int milliseconds)
{
	if (disk->attached) {
		if (disk->unissued &&
		    mullion_sq_producer_arm(&disk->cmd))
			return;
		if (mullion_sq_consumer_arm(&disk->rsp))
			return;
	}
	disk->counters.sleeps++;
	disk->asleep = true;
	mullion_guest_wait(disk->guest, milliseconds);
	disk->asleep = false;
	if (!disk->attached)
		return;
	mullion_sq_producer_disarm(&disk->cmd);
	mullion_sq_consumer_disarm(&disk->rsp);
}

int mullion_disk_wait(struct mullion_disk *disk, int milliseconds)
{
	uint64_t end = mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	uint64_t before = disk->counters.completed;
	int ret;

	mullion_disk_kick(disk);
	for (;;) {
		uint64_t budget, now;

		ret = mullion_disk_poll(disk);
		if (ret < 0)
			return ret;
		/* Those that ended during the sleep, in the guest's turn, too. */
		if (disk->counters.completed != before)
			return (int)(disk->counters.completed - before);
		now = mullion_spin_now();
		if (milliseconds >= 0 && now >= end)
			return 0;
		budget = mullion_spin_budget(&disk->spin);
		if (milliseconds >= 0 && budget > end - now)
			budget = end - now;
		if (budget) {
			ret = disk_spin(disk, budget);
			if (disk->spin.mode == MULLION_SPIN_ADAPTIVE)
				mullion_spin_learn(&disk->spin, ret != 0);
			if (ret)
				return ret;
			now = mullion_spin_now();
			if (milliseconds >= 0 && now >= end)
				return 0;
		}
		disk_sleep(disk, milliseconds < 0 ? -1 :
			   (int)((end - now) / 1000000) + 1);
	}
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
