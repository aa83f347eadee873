// SPDX-License-Identifier: GPL-2.0-only
/*
 * submit.c - commands on their way to the service
 *
 * What a command costs here is at most one copy of its data, about a hundred bytes of
 * message, and a share of one index update and at most one doorbell per batch:
 * in an emulated guest the doorbell alone is dearer than all the rest.
 */
#include <linux/blk-mq.h>
#include <linux/dma-direction.h>
#include <linux/slab.h>
#include <linux/sort.h>

#include "visorhba.h"

/*
 * A batch that has copied this much is shown to the service before it ends, so
 * that a polling service starts while the rest is being copied.
 */
#define VISORHBA_BATCH_BYTES	(64U << 10)

static u64 visorhba_handle(u64 id, unsigned int tag)
{
	return id << VISORHBA_TAG_BITS | tag;
}

/* What every message has; a service without slot extension wants zeroes. */
static void visorhba_fill(const struct visorhba *hba,
			  struct mullion_io_slot *slot, u8 cmdtype, u64 id,
			  u32 flags)
{
	if (!hba->slot_ext) {
		memset(&slot->rsp, 0, sizeof(slot->rsp));
	} else {
		slot->ext.epoch = hba->epoch;
		slot->ext.residual = 0;
		slot->ext.request_id = id;
		slot->ext.flags = flags;
		slot->ext.reserved = 0;
	}
	slot->rsp.cmdtype = cmdtype;
}

static void visorhba_fill_scsi(const struct visorhba *hba,
			       struct mullion_io_slot *slot,
			       const struct visorhba_entry *entry, u64 id,
			       struct scsi_cmnd *cmd, u32 flags)
{
	struct uiscmdrsp_scsi *scsi = &slot->rsp.scsi;

	BUILD_BUG_ON(DMA_BIDIRECTIONAL != UIS_DMA_BIDIRECTIONAL);
	BUILD_BUG_ON(DMA_TO_DEVICE != UIS_DMA_TO_DEVICE);
	BUILD_BUG_ON(DMA_FROM_DEVICE != UIS_DMA_FROM_DEVICE);
	BUILD_BUG_ON(DMA_NONE != UIS_DMA_NONE);

	visorhba_fill(hba, slot, CMD_SCSI_TYPE, id, flags);
	scsi->handle = visorhba_handle(id, entry - hba->table);
	memcpy(scsi->cmnd, cmd->cmnd, sizeof(scsi->cmnd));
	scsi->bufflen = scsi_bufflen(cmd);
	scsi->guest_phys_entries = visorhba_data_list(hba, entry, cmd,
						      scsi->gpi_list);
	scsi->data_dir = cmd->sc_data_direction;
	scsi->vdest.channel = 0;
	scsi->vdest.id = cmd->device->id;
	scsi->vdest.lun = visorhba_lun_to_wire(cmd->device->lun);
	scsi->linuxstat = 0;
	scsi->scsistat = 0;
	scsi->addlstat = 0;
}

static struct visorhba_queue *visorhba_queue_of(struct visorhba *hba,
						struct request *rq)
{
	u32 hwq;

	if (hba->queue_count == 1)
		return hba->queues;
	hwq = blk_mq_unique_tag_to_hwq(blk_mq_unique_tag(rq));
	return &hba->queues[hwq < hba->queue_count ? hwq : 0];
}

/* What becomes of a command while the host is not running. */
static int visorhba_refuse(struct visorhba *hba, struct scsi_cmnd *cmd)
{
	switch (READ_ONCE(hba->state)) {
	case VISORHBA_FAILED:
		set_host_byte(cmd, DID_TRANSPORT_FAILFAST);
		break;
	case VISORHBA_FAULTED:
		set_host_byte(cmd, DID_ERROR);
		break;
	case VISORHBA_GONE:
		set_host_byte(cmd, DID_NO_CONNECT);
		break;
	default:
		return SCSI_MLQUEUE_HOST_BUSY;
	}
	scsi_done(cmd);
	return 0;
}

static bool visorhba_publish(struct visorhba_queue *q)
{
	q->batch_bytes = 0;
	if (!mullion_sq_publish(q->cmd))
		return false;
	q->rings++;
	return true;
}

/**
 * visorhba_queuecommand() - send a command
 * @shost: the host
 * @cmd: the command; its tag, and so the tag's entry, is free
 *
 * Context: process.
 * Return: 0, or SCSI_MLQUEUE_HOST_BUSY to be asked again.
 */
int visorhba_queuecommand(struct Scsi_Host *shost, struct scsi_cmnd *cmd)
{
	struct visorhba *hba = visorhba_of(shost);
	struct request *rq = scsi_cmd_to_rq(cmd);
	struct visorhba_queue *q = visorhba_queue_of(hba, rq);
	unsigned int tag = rq->tag;
	u32 bytes = scsi_bufflen(cmd);
	struct visorhba_entry *entry;
	bool ring = false;
	void *slot;
	u32 epoch;
	u64 id;
	int rc;

	if (unlikely(READ_ONCE(hba->state) != VISORHBA_RUNNING))
		return visorhba_refuse(hba, cmd);
	epoch = READ_ONCE(hba->epoch);
	rc = -EIO;
	if (!WARN_ON_ONCE(tag >= hba->tags) && bytes <= hba->max_io)
		rc = visorhba_data_take(hba, &hba->table[tag], cmd);
	if (unlikely(rc == -EIO)) {
		set_host_byte(cmd, DID_ERROR);
		scsi_done(cmd);
		return 0;
	}
	if (rc)
		return SCSI_MLQUEUE_HOST_BUSY;
	entry = &hba->table[tag];

	spin_lock(&q->lock);
	/*
	 * Under the lock: pause takes it to be the last to change the state.
	 * In another epoch than before the copy, I/O that had been given up may
	 * have ended in the same place after the copy.
	 */
	if (unlikely(hba->state != VISORHBA_RUNNING || hba->epoch != epoch)) {
		spin_unlock(&q->lock);
		visorhba_data_give(hba, entry, cmd);
		return visorhba_refuse(hba, cmd);
	}
	rc = mullion_sq_produce(q->cmd, &slot);
	if (unlikely(rc)) {
		if (rc == -EAGAIN) {
			q->ring_full++;
			ring = visorhba_publish(q);
		}
		spin_unlock(&q->lock);
		visorhba_data_give(hba, entry, cmd);
		if (ring)
			visorbus_device_ring(hba->dev, 2 * q->index);
		if (rc != -EAGAIN)
			visorhba_fault(hba, "command queue index out of range");
		return SCSI_MLQUEUE_HOST_BUSY;
	}
	id = q->next_id;
	q->next_id += hba->queue_count;
	visorhba_fill_scsi(hba, slot, entry, id, cmd, 0);
	entry->cmd = cmd;
	entry->queue = q->index;
	/* pairs with the acquire in visorhba_response_scsi() */
	smp_store_release(&entry->id, id);
	q->commands++;
	if (cmd->sc_data_direction == DMA_TO_DEVICE)
		q->bytes_out += bytes;
	q->batch_bytes += bytes;
	if ((cmd->flags & SCMD_LAST) || q->batch_bytes >= VISORHBA_BATCH_BYTES)
		ring = visorhba_publish(q);
	spin_unlock(&q->lock);
	if (ring)
		visorbus_device_ring(hba->dev, 2 * q->index);
	return 0;
}

/**
 * visorhba_commit_rqs() - a batch ended without a last command
 * @shost: the host
 * @queue: hardware queue
 *
 * Context: process.
 */
void visorhba_commit_rqs(struct Scsi_Host *shost, u16 queue)
{
	struct visorhba *hba = visorhba_of(shost);
	struct visorhba_queue *q;
	bool ring = false;

	q = &hba->queues[queue < hba->queue_count ? queue : 0];
	spin_lock(&q->lock);
	if (hba->state == VISORHBA_RUNNING)
		ring = visorhba_publish(q);
	spin_unlock(&q->lock);
	if (ring)
		visorbus_device_ring(hba->dev, 2 * q->index);
}

static int visorhba_entry_compare(const void *a, const void *b)
{
	const struct visorhba_entry *x = *(const struct visorhba_entry **)a;
	const struct visorhba_entry *y = *(const struct visorhba_entry **)b;

	return x->id < y->id ? -1 : x->id > y->id;
}

/**
 * visorhba_reissue() - send everything again that is unanswered
 * @hba: the host, paused, its queues owned and empty
 *
 * Oldest first, with the request ids that they had: so the successor of a
 * service finds in its records what its predecessor made of them.  The data of
 * writes is where it was.  All queues are published before the host runs:
 * the first new request tells the service that nothing comes again any more.
 *
 * Context: process; must not wait for memory, which may be waiting for us.
 * Return: 0 or negative errno; then nothing was published.
 */
int visorhba_reissue(struct visorhba *hba)
{
	struct visorhba_entry **order = hba->order;
	unsigned int i, count = 0;
	int rc = 0;

	for (i = 0; i < hba->tags; i++)
		if (hba->table[i].id)
			order[count++] = &hba->table[i];
	sort(order, count, sizeof(*order), visorhba_entry_compare, NULL);

	for (i = 0; i < count && !rc; i++) {
		struct visorhba_entry *entry = order[i];
		struct visorhba_queue *q = &hba->queues[entry->queue];
		void *slot;

		spin_lock(&q->lock);
		rc = mullion_sq_produce(q->cmd, &slot);
		if (!rc)
			visorhba_fill_scsi(hba, slot, entry, entry->id,
					   entry->cmd, MULLION_SLOT_REISSUE);
		spin_unlock(&q->lock);
	}
	if (rc)
		return rc;
	hba->reissued += count;
	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];
		bool ring;

		spin_lock(&q->lock);
		ring = visorhba_publish(q);
		spin_unlock(&q->lock);
		if (ring)
			visorbus_device_ring(hba->dev, 2 * i);
	}
	return 0;
}

/**
 * visorhba_send_tmf() - send the host's task management request
 * @hba: the host; @hba->tmf says what
 *
 * Context: process.
 * Return: 0, -EAGAIN if the queue is full, -EPROTO, -EBUSY if the host is not
 * running.
 */
int visorhba_send_tmf(struct visorhba *hba)
{
	struct visorhba_queue *q = hba->queues;
	struct uiscmdrsp_scsitaskmgmt *m;
	struct mullion_io_slot *slot;
	bool ring = false;
	void *p;
	int rc;

	spin_lock(&q->lock);
	if (hba->state != VISORHBA_RUNNING) {
		rc = -EBUSY;
		goto out;
	}
	rc = mullion_sq_produce(q->cmd, &p);
	if (rc)
		goto out;
	slot = p;
	if (!hba->tmf.id) {
		q->next_id += hba->queue_count;
		/* pairs with the acquire in visorhba_response_tmf() */
		smp_store_release(&hba->tmf.id, q->next_id - hba->queue_count);
	}
	visorhba_fill(hba, slot, CMD_SCSITASKMGMT_TYPE, hba->tmf.id, 0);
	m = &slot->rsp.scsitaskmgmt;
	m->tasktype = hba->tmf.type;
	m->vdest.channel = 0;
	m->vdest.id = hba->tmf.target;
	m->vdest.lun = hba->tmf.lun;
	m->handle = visorhba_handle(hba->tmf.id, VISORHBA_TAG_TMF);
	m->notify_handle = (u32)hba->tmf.id;
	m->notifyresult_handle = (u32)hba->tmf.id;
	m->result = TASK_MGMT_FAILED;
	ring = visorhba_publish(q);
out:
	spin_unlock(&q->lock);
	if (ring)
		visorbus_device_ring(hba->dev, 2 * q->index);
	return rc;
}
