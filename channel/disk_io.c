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
#include "range.h"

static inline struct mullion_disk *io_disk(struct mullion_client *client)
{
	return (struct mullion_disk *)client;
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
	if (!disk->client.slot_ext)
		return;
	slot->ext.epoch = (uint32_t)disk->client.attach.epoch;
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
	struct mullion_sq *cmd = &disk->client.pair[0].cmd;
	void *slot;
	int ret;

	ret = mullion_sq_produce(cmd, &slot);
	if (ret < 0)
		return ret;
	io_prefetch(cmd, mullion_sq_next(cmd, cmd->head), 1);
	if (io->tasktype)
		io_fill_task(slot, io);
	else
		io_fill_scsi(slot, io);
	io_fill_ext(disk, slot, io);
	if (io->reissue)
		disk->reissued++;
	io->issued = true;
	return 0;
}

/* Issue from the list what the ring takes. */
static void io_issue_all(struct mullion_disk *disk)
{
	while (disk->unissued) {
		int ret = io_issue(disk, disk->unissued);

		if (ret == -EPROTO)
			disk->client.faulted = true;
		if (ret < 0)
			return;
		disk->unissued = disk->unissued->next;
	}
}

bool disk_io_push(struct mullion_client *client)
{
	struct mullion_disk *disk = io_disk(client);

	if (disk->unissued)
		io_issue_all(disk);
	mullion_client_publish(client, &client->pair[0]);
	return disk->unissued;
}

/* A new epoch: everything unanswered is to be issued again, oldest first. */
int disk_io_begin(struct mullion_client *client)
{
	struct mullion_disk *disk = io_disk(client);
	struct mullion_disk_io *io;

	for (io = disk->first; io; io = io->next) {
		io->reissue = io->reissue || io->issued;
		io->issued = false;
	}
	disk->unissued = disk->first;
	return 0;
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

void disk_io_fail(struct mullion_client *client, int error)
{
	struct mullion_disk *disk = io_disk(client);

	while (disk->first) {
		struct mullion_disk_io *io = disk->first;

		io_unlink(disk, io);
		disk->client.progress++;
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

	if (mullion_client_is_stale(&disk->client, slot)) {
		disk->client.counters.stale++;
		return NULL;
	}
	io = handle < disk->max_outstanding ? disk->table[handle] : NULL;
	if (!io || !io->issued ||
	    (io->tasktype ? CMD_SCSITASKMGMT_TYPE : CMD_SCSI_TYPE) != cmdtype ||
	    (disk->client.slot_ext &&
	     mullion_client_read_u64(&slot->ext.request_id) != io->request_id)) {
		disk->client.counters.bogus++;
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
			      mullion_client_read_u64(&slot->rsp.scsi.handle));
		if (!io)
			return NULL;
		linuxstat = mullion_client_read_u32(&slot->rsp.scsi.linuxstat);
		io->status = (uint8_t)linuxstat;
		io->host = (uint8_t)(linuxstat >> 16);
		if (linuxstat)
			memcpy(io->sense, slot->rsp.scsi.sensebuf,
			       sizeof(io->sense));
		io->residual = disk->client.slot_ext ? mullion_client_read_u32(&slot->ext.residual) : 0;
		if (io->residual > io->bufflen)
			io->residual = io->bufflen;
		break;
	case CMD_SCSITASKMGMT_TYPE:
		io = io_match(disk, slot, cmdtype,
			      mullion_client_read_u64(&slot->rsp.scsitaskmgmt.handle));
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

int disk_io_reap(struct mullion_client *client)
{
	struct mullion_disk *disk = io_disk(client);
	struct mullion_sq *rsp = &client->pair[0].rsp;
	const void *slot;
	int ret;

	/* done() may submit, close nothing, and must not loop us for ever. */
	for (uint32_t n = 0; n < rsp->max_slots; n++) {
		struct mullion_disk_io *io;

		ret = mullion_sq_consume(rsp, &slot);
		if (ret == -EAGAIN)
			break;
		if (ret < 0) {
			client->faulted = true;
			return ret;
		}
		io_prefetch(rsp, mullion_sq_next(rsp, rsp->tail), 0);
		io = io_answer(disk, slot);
		if (!io)
			continue;
		io_unlink(disk, io);
		client->progress++;
		io->done(io);
		if (!client->attached)
			break;
	}
	mullion_client_release(client, &client->pair[0]);
	return 0;
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
				      disk->client.info.pool_bytes))
			return -EINVAL;
		sum += io->segments[i].bytes;
	}
	return (int64_t)sum;
}

static inline int io_submit(struct mullion_disk *disk, struct mullion_disk_io *io)
{
	struct mullion_client *client = &disk->client;

	if (!client->guest)
		return -ENODEV;
	if (client->faulted)
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
	disk->submitted++;
	if (!disk->unissued && client->attached && !client->paused &&
	    !io_issue(disk, io))
		return 0;
	if (!disk->unissued)
		disk->unissued = io;
	client->waiting = true;
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
