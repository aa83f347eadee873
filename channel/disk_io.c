// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/disk_io.c - a process guest's disk: commands into and out of rings
 *
 * DOC: Theory of Operation
 *
 * Unanswered commands form one list in the order of their submission.  Those
 * from `unissued` on are not in the ring (of this epoch) yet: it was full, or
 * the device is paused, or its service is away.  A new epoch sets `unissued`
 * to the oldest, so re-issue is nothing but pushing the list again.
 *
 * Of a slot only the bytes in use are touched: for a request with one piece of
 * data these are three cache lines of nineteen.  The wire handle is the
 * command's place in a table; an answer must name a place in use and, where
 * the slot extension was agreed, the request id and epoch of what is there.
 * Other answers are dropped and counted.
 */
#include <errno.h>
#include <string.h>

#include "disk_internal.h"
#include "doorbell.h"
#include "range.h"

/*
 * Read a field once: what is checked must be what is used, so the compiler may
 * not go back to the shared bytes.
 */
static inline uint32_t io_read_u32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return value;
}

static inline uint64_t io_read_u64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return value;
}

/* Cache lines of a slot that a command with few pieces uses. */
static inline void io_prefetch(const struct mullion_sq *q, uint32_t index, int write)
{
	const uint8_t *slot = mullion_sq_slot(q, index);

	if (write) {
		__builtin_prefetch(slot, 1);
		__builtin_prefetch(slot + 1055, 1);
		__builtin_prefetch(slot + 1185, 1);
	} else {
		__builtin_prefetch(slot);
		__builtin_prefetch(slot + 1071);
		__builtin_prefetch(slot + 1185);
	}
}

static inline void io_fill_ext(const struct mullion_disk *disk,
			       struct mullion_io_slot *slot,
			       const struct mullion_disk_io *io)
{
	if (!disk->slot_ext)
		return;
	slot->ext.epoch = (uint32_t)disk->attach.epoch;
	slot->ext.residual = 0;
	slot->ext.request_id = io->request_id;
	slot->ext.flags = io->reissue ? MULLION_SLOT_REISSUE : 0;
	slot->ext.reserved = 0;
}

static inline void io_fill_scsi(struct mullion_io_slot *slot,
				const struct mullion_disk_io *io)
{
	struct uiscmdrsp_scsi *scsi = &slot->rsp.scsi;

	slot->rsp.cmdtype = CMD_SCSI_TYPE;
	scsi->handle = io->slot;
	memcpy(scsi->cmnd, io->cdb, sizeof(scsi->cmnd));
	scsi->bufflen = io->bufflen;
	scsi->guest_phys_entries = io->segment_count;
	for (unsigned int i = 0; i < io->segment_count; i++) {
		scsi->gpi_list[i].address = io->segments[i].offset;
		scsi->gpi_list[i].length = io->segments[i].bytes;
	}
	scsi->data_dir = io->data_dir;
	scsi->vdest.channel = 0;
	scsi->vdest.id = io->id;
	scsi->vdest.lun = io->lun;
	scsi->linuxstat = 0;
	scsi->scsistat = 0;
	scsi->addlstat = 0;
}

static void io_fill_task(struct mullion_io_slot *slot,
			 const struct mullion_disk_io *io)
{
	struct uiscmdrsp_scsitaskmgmt *task = &slot->rsp.scsitaskmgmt;

	slot->rsp.cmdtype = CMD_SCSITASKMGMT_TYPE;
	task->tasktype = io->tasktype;
	task->vdest.channel = 0;
	task->vdest.id = io->id;
	task->vdest.lun = io->lun;
	task->handle = io->slot;
	task->notify_handle = io->slot;
	task->notifyresult_handle = io->slot;
	task->result = 0;
}

static int io_issue(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	void *slot;
	int ret;

	ret = mullion_sq_produce(&disk->cmd, &slot);
	if (ret < 0)
		return ret;
	io_prefetch(&disk->cmd, mullion_sq_next(&disk->cmd, disk->cmd.head), 1);
	if (io->tasktype)
		io_fill_task(slot, io);
	else
		io_fill_scsi(slot, io);
	io_fill_ext(disk, slot, io);
	if (io->reissue)
		disk->counters.reissued++;
	io->issued = true;
	return 0;
}

/* Issue from the list what the ring takes. */
static void io_issue_all(struct mullion_disk *disk)
{
	while (disk->unissued) {
		int ret = io_issue(disk, disk->unissued);

		if (ret == -EPROTO)
			disk->faulted = true;
		if (ret < 0)
			return;
		disk->unissued = disk->unissued->next;
	}
}

void disk_io_push(struct mullion_disk *disk)
{
	if (!disk->attached || disk->paused || disk->faulted)
		return;
	if (disk->unissued)
		io_issue_all(disk);
	if (mullion_sq_publish(&disk->cmd)) {
		mullion_doorbell_ring(disk->send_fd);
		disk->counters.rung++;
	}
}

void disk_io_restart(struct mullion_disk *disk)
{
	struct mullion_disk_io *io;

	for (io = disk->first; io; io = io->next) {
		io->reissue = io->reissue || io->issued;
		io->issued = false;
	}
	disk->unissued = disk->first;
}

/* Takes @io off the list and frees its slot; the caller calls done(). */
static inline void io_unlink(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	if (io->prev)
		io->prev->next = io->next;
	else
		disk->first = io->next;
	if (io->next)
		io->next->prev = io->prev;
	else
		disk->last = io->prev;
	if (disk->unissued == io)
		disk->unissued = io->next;
	disk->table[io->slot] = NULL;
	disk->free_slots[disk->free_count++] = io->slot;
}

void disk_io_fail(struct mullion_disk *disk, int error)
{
	while (disk->first) {
		struct mullion_disk_io *io = disk->first;

		io_unlink(disk, io);
		disk->counters.completed++;
		io->error = error;
		io->done(io);
	}
}

/* The answered command, or NULL if nothing was asked that this answers. */
static inline struct mullion_disk_io *
io_match(struct mullion_disk *disk, const struct mullion_io_slot *slot,
	 uint8_t cmdtype, uint64_t handle)
{
	struct mullion_disk_io *io;

	if (disk->slot_ext &&
	    io_read_u32(&slot->ext.epoch) != (uint32_t)disk->attach.epoch) {
		disk->counters.stale++;
		return NULL;
	}
	io = handle < disk->max_outstanding ? disk->table[handle] : NULL;
	if (!io || !io->issued ||
	    (io->tasktype ? CMD_SCSITASKMGMT_TYPE : CMD_SCSI_TYPE) != cmdtype ||
	    (disk->slot_ext &&
	     io_read_u64(&slot->ext.request_id) != io->request_id)) {
		disk->counters.bogus++;
		return NULL;
	}
	return io;
}

/* Copies the answer out of @slot; each byte is read once. */
static inline struct mullion_disk_io *
io_answer(struct mullion_disk *disk, const struct mullion_io_slot *slot)
{
	uint8_t cmdtype = *(const volatile uint8_t *)&slot->rsp.cmdtype;
	struct mullion_disk_io *io;
	uint32_t linuxstat;

	switch (cmdtype) {
	case CMD_SCSI_TYPE:
		io = io_match(disk, slot, cmdtype,
			      io_read_u64(&slot->rsp.scsi.handle));
		if (!io)
			return NULL;
		linuxstat = io_read_u32(&slot->rsp.scsi.linuxstat);
		io->status = (uint8_t)linuxstat;
		io->host = (uint8_t)(linuxstat >> 16);
		if (linuxstat)
			memcpy(io->sense, slot->rsp.scsi.sensebuf,
			       sizeof(io->sense));
		io->residual = disk->slot_ext ? io_read_u32(&slot->ext.residual) : 0;
		if (io->residual > io->bufflen)
			io->residual = io->bufflen;
		break;
	case CMD_SCSITASKMGMT_TYPE:
		io = io_match(disk, slot, cmdtype,
			      io_read_u64(&slot->rsp.scsitaskmgmt.handle));
		if (!io)
			return NULL;
		io->result = slot->rsp.scsitaskmgmt.result;
		break;
	default:
		/* A disk that came or went: nobody here to tell. */
		return NULL;
	}
	io->error = 0;
	return io;
}

int disk_io_reap(struct mullion_disk *disk)
{
	int completed = 0;
	const void *slot;
	int ret;

	/* done() may submit, close nothing, and must not loop us for ever. */
	for (uint32_t n = 0; n < disk->rsp.max_slots; n++) {
		struct mullion_disk_io *io;

		ret = mullion_sq_consume(&disk->rsp, &slot);
		if (ret == -EAGAIN)
			break;
		if (ret < 0) {
			disk->faulted = true;
			return ret;
		}
		io_prefetch(&disk->rsp, mullion_sq_next(&disk->rsp, disk->rsp.tail), 0);
		io = io_answer(disk, slot);
		if (!io)
			continue;
		io_unlink(disk, io);
		disk->counters.completed++;
		completed++;
		io->done(io);
		if (!disk->attached)
			break;
	}
	if (mullion_sq_release(&disk->rsp)) {
		mullion_doorbell_ring(disk->send_fd);
		disk->counters.rung++;
	}
	return completed;
}

/* Bytes that the segments name, or -EINVAL if one is not in the pool. */
static inline int64_t io_segment_bytes(const struct mullion_disk *disk,
				       const struct mullion_disk_io *io)
{
	uint64_t sum = 0;

	if (io->segment_count > MAX_PHYS_INFO)
		return -EINVAL;
	for (unsigned int i = 0; i < io->segment_count; i++) {
		if (!mullion_range_ok(io->segments[i].offset, io->segments[i].bytes,
				      disk->info.pool_bytes))
			return -EINVAL;
		sum += io->segments[i].bytes;
	}
	return (int64_t)sum;
}

static inline int io_submit(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	if (!disk->guest)
		return -ENODEV;
	if (disk->faulted)
		return -EPROTO;
	if (!disk->free_count)
		return -EAGAIN;
	io->slot = disk->free_slots[--disk->free_count];
	disk->table[io->slot] = io;
	io->request_id = ++disk->request_id;
	io->issued = false;
	io->reissue = false;
	io->next = NULL;
	io->prev = disk->last;
	if (disk->last)
		disk->last->next = io;
	else
		disk->first = io;
	disk->last = io;
	disk->counters.submitted++;
	if (!disk->unissued && disk->attached && !disk->paused &&
	    !io_issue(disk, io))
		return 0;
	if (!disk->unissued)
		disk->unissued = io;
	return 0;
}

int mullion_disk_submit(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	int64_t bytes = io_segment_bytes(disk, io);

	if (bytes < 0 || (int64_t)io->bufflen > bytes)
		return -EINVAL;
	io->tasktype = 0;
	return io_submit(disk, io);
}

int mullion_disk_submit_task(struct mullion_disk *disk,
			     struct mullion_disk_io *io, uint32_t tasktype)
{
	if (tasktype < TASK_MGMT_ABORT_TASK || tasktype > TASK_MGMT_TARGET_RESET)
		return -EINVAL;
	io->tasktype = tasktype;
	io->bufflen = 0;
	io->segment_count = 0;
	return io_submit(disk, io);
}
