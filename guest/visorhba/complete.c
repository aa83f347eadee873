// SPDX-License-Identifier: GPL-2.0-only
/*
 * complete.c - responses of the service
 *
 * DOC: Theory of Operation
 *
 * A response is hostile input.  Of its slot each byte is read once, and only
 * what is needed: the fixed fields into a private copy, sense data straight
 * into the command's buffer.  Its handle names a tag and a request id; unless
 * that very request is unanswered the response is counted and dropped.  Result
 * words, residual and sense are bounded; what does not make sense ends the
 * command with DID_ERROR.  What the service can still do is to answer with
 * wrong data, or never.
 *
 * An interrupt drains the queue until it is empty, asks for the next doorbell
 * (which the service may save until then) and looks once more.  To copy a
 * megabyte with interrupts off would cost everybody else: beyond
 * VISORHBA_IRQ_BYTES or VISORHBA_IRQ_RESPONSES, whatever they are, the rest
 * goes to a worker, together with the ownership of the queue.
 *
 * Interrupts and workers read a queue only while the host is running.  Pause
 * drains it once more, and from then on until resume it is the bus's, which
 * empties it: what was answered meanwhile is answered again when the request
 * is sent again.
 *
 * Slots are given back in bulk; the ring has room for the answers of all tags,
 * so nobody waits for them.
 *
 * Failure behaviour: an index out of range faults the channel (recover.c).
 */
#include <linux/blk-mq.h>
#include <linux/bottom_half.h>
#include <linux/scatterlist.h>

#include "visorhba.h"

#define VISORHBA_IRQ_BYTES	(128U << 10)
#define VISORHBA_IRQ_RESPONSES	64
#define VISORHBA_RELEASE_SLOTS	32

/* What is known of a SCSI response after its slot was read. */
struct visorhba_result {
	u64 handle;
	u64 request_id;
	u32 epoch;
	u32 residual;
	u32 linuxstat;
	u32 no_disk_result;
};

/*
 * The answer that a service leaves to the guest when a LUN does not exist: LUN
 * 0 of a target is "could be there, is not", so that the other LUNs of the
 * target are asked for, any other LUN is "cannot be there".
 */
static void visorhba_no_disk(struct scsi_cmnd *cmd)
{
	static const u8 name[] = "MULLION NO DEVICE       0000";
	u8 inquiry[36] = { 0 };
	bool lun0 = !cmd->device->lun;
	u32 bytes = min_t(u32, scsi_bufflen(cmd), sizeof(inquiry));

	inquiry[0] = lun0 ? 0x20 : 0x7f;
	inquiry[2] = 4;
	inquiry[4] = sizeof(inquiry) - 5;
	memcpy(inquiry + 8, name, sizeof(name) - 1);
	sg_copy_from_buffer(scsi_sglist(cmd), scsi_sg_count(cmd), inquiry, bytes);
	scsi_set_resid(cmd, scsi_bufflen(cmd) - bytes);
}

static bool visorhba_host_byte_ok(u8 host_byte)
{
	switch (host_byte) {
	case UIS_HOST_OK:
	case UIS_HOST_NO_CONNECT:
	case UIS_HOST_BUS_BUSY:
	case UIS_HOST_TIME_OUT:
	case UIS_HOST_BAD_TARGET:
	case UIS_HOST_ABORT:
	case UIS_HOST_ERROR:
	case UIS_HOST_RESET:
	case UIS_HOST_IMM_RETRY:
	case UIS_HOST_REQUEUE:
		return true;
	default:
		return false;
	}
}

/* Ends the command of @entry with what the service said. */
static void visorhba_end(struct visorhba_queue *q, struct visorhba_entry *entry,
			 const struct visorhba_result *r,
			 const struct mullion_io_slot *slot)
{
	struct visorhba *hba = q->hba;
	struct scsi_cmnd *cmd = entry->cmd;
	u32 bytes = scsi_bufflen(cmd);
	u8 status = r->linuxstat & 0xff;
	u8 host_byte = r->linuxstat >> 16 & 0xff;
	u32 residual = r->residual;

	if (r->linuxstat & 0xff00ff00 || !visorhba_host_byte_ok(host_byte) ||
	    residual > bytes) {
		q->invalid++;
		host_byte = UIS_HOST_ERROR;
		status = 0;
		residual = bytes;
	} else if (r->linuxstat && !hba->slot_ext) {
		/* Nothing says how much was moved. */
		residual = bytes;
	}

	cmd->result = host_byte << 16 | status;
	if (status == SAM_STAT_CHECK_CONDITION)
		memcpy(cmd->sense_buffer, slot->rsp.scsi.sensebuf,
		       min_t(size_t, SCSI_SENSE_BUFFERSIZE, MAX_SENSE_SIZE));
	scsi_set_resid(cmd, residual);
	if (cmd->sc_data_direction == DMA_FROM_DEVICE && bytes > residual) {
		visorhba_data_fetch(hba, entry, cmd, bytes - residual);
		q->bytes_in += bytes - residual;
	}
	visorhba_data_give(hba, entry, cmd);
	if (r->no_disk_result && !r->linuxstat && cmd->cmnd[0] == INQUIRY &&
	    !(cmd->cmnd[1] & 1))
		visorhba_no_disk(cmd);

	WRITE_ONCE(entry->id, 0);
	scsi_done(cmd);
}

/*
 * Finds the request of a SCSI response.  Returns its entry with @r filled, or
 * NULL if there is none: the response was counted.
 */
static struct visorhba_entry *
visorhba_response_scsi(struct visorhba_queue *q,
		       const struct mullion_io_slot *slot,
		       struct visorhba_result *r)
{
	struct visorhba *hba = q->hba;
	struct visorhba_entry *entry;
	unsigned int tag;
	u64 id;

	r->handle = slot->rsp.scsi.handle;
	r->linuxstat = slot->rsp.scsi.linuxstat;
	r->no_disk_result = slot->rsp.scsi.no_disk_result;
	if (hba->slot_ext) {
		r->epoch = slot->ext.epoch;
		r->residual = slot->ext.residual;
		r->request_id = slot->ext.request_id;
	} else {
		r->epoch = hba->epoch;
		r->residual = 0;
		r->request_id = r->handle >> VISORHBA_TAG_BITS;
	}
	/* What was read above is not to be read again below. */
	barrier();

	if (r->epoch != hba->epoch) {
		q->stale++;
		visorbus_device_count_stale(hba->dev);
		return NULL;
	}
	tag = r->handle & VISORHBA_TAG_MASK;
	id = r->handle >> VISORHBA_TAG_BITS;
	if (tag >= hba->tags || id != r->request_id || !id)
		goto invalid;
	entry = &hba->table[tag];
	/* pairs with the release in visorhba_queuecommand() */
	if (smp_load_acquire(&entry->id) != id || entry->queue != q->index)
		goto invalid;
	return entry;
invalid:
	q->invalid++;
	return NULL;
}

static void visorhba_response_tmf(struct visorhba_queue *q,
				  const struct mullion_io_slot *slot)
{
	struct visorhba *hba = q->hba;
	u64 handle = slot->rsp.scsitaskmgmt.handle;
	u8 result = slot->rsp.scsitaskmgmt.result;
	u32 epoch = hba->slot_ext ? slot->ext.epoch : hba->epoch;
	u64 id;

	/* What was read above is not to be read again below. */
	barrier();
	if (epoch != hba->epoch) {
		q->stale++;
		visorbus_device_count_stale(hba->dev);
		return;
	}
	id = handle >> VISORHBA_TAG_BITS;
	if ((handle & VISORHBA_TAG_MASK) != VISORHBA_TAG_TMF || !id || q->index)
		goto invalid;
	/* pairs with the release in visorhba_send_tmf() */
	if (smp_load_acquire(&hba->tmf.id) != id)
		goto invalid;
	hba->tmf.result = result;
	WRITE_ONCE(hba->tmf.id, 0);
	complete(&hba->tmf.done);
	return;
invalid:
	q->invalid++;
}

static void visorhba_response_notify(struct visorhba_queue *q,
				     const struct mullion_io_slot *slot)
{
	struct uiscmdrsp_disknotify n;

	memcpy(&n, &slot->rsp.disknotify, sizeof(n));
	/* What was read above is not to be read again below. */
	barrier();
	q->notifies++;
	visorhba_notify(q->hba, n.add, n.channel, n.id, n.lun);
}

/*
 * Completes what the queue holds; in an interrupt it stops before what would
 * take too long, and anywhere after one ring's worth, since a service may
 * answer without end.  Returns 0 when the queue is empty and a doorbell was
 * asked for, 1 if there is more, -EPROTO if the server broke the queue.
 */
static int visorhba_drain_some(struct visorhba_queue *q, bool brief)
{
	struct visorhba *hba = q->hba;
	u32 budget_bytes = VISORHBA_IRQ_BYTES;
	unsigned int budget = brief ? VISORHBA_IRQ_RESPONSES : q->rsp->max_slots;
	unsigned int unreleased = 0;
	int rc = 0;

	while (budget--) {
		const struct mullion_io_slot *slot = q->held;
		struct visorhba_entry *entry;
		struct visorhba_result r;
		const void *p;
		u8 cmdtype;

		if (slot) {
			q->held = NULL;
		} else {
			rc = mullion_sq_consume(q->rsp, &p);
			if (rc == -EAGAIN) {
				if (mullion_sq_release(q->rsp))
					visorbus_device_ring(hba->dev,
							     2 * q->index + 1);
				unreleased = 0;
				rc = mullion_sq_consumer_arm(q->rsp);
				if (rc <= 0)
					return rc;
				continue;
			}
			if (rc)
				return rc;
			slot = p;
		}

		cmdtype = READ_ONCE(slot->rsp.cmdtype);
		if (likely(cmdtype == CMD_SCSI_TYPE)) {
			entry = visorhba_response_scsi(q, slot, &r);
			if (entry && brief) {
				u32 bytes = visorhba_data_cost(hba, entry->cmd);

				if (bytes > budget_bytes) {
					q->held = slot;
					return 1;
				}
				budget_bytes -= bytes;
			}
			/* The block layer's part runs in softirq: right here. */
			if (entry) {
				if (!brief)
					local_bh_disable();
				visorhba_end(q, entry, &r, slot);
				if (!brief)
					local_bh_enable();
			}
		} else if (cmdtype == CMD_SCSITASKMGMT_TYPE) {
			visorhba_response_tmf(q, slot);
		} else if (cmdtype == CMD_NOTIFYGUEST_TYPE) {
			visorhba_response_notify(q, slot);
		} else {
			q->invalid++;
		}
		q->responses++;

		if (++unreleased == VISORHBA_RELEASE_SLOTS) {
			if (mullion_sq_release(q->rsp))
				visorbus_device_ring(hba->dev, 2 * q->index + 1);
			unreleased = 0;
			if (!brief)
				cond_resched();
		}
	}
	return 1;
}

static void visorhba_queue_release(struct visorhba_queue *q)
{
	struct visorhba *hba = q->hba;

	clear_bit_unlock(VISORHBA_QUEUE_OWNED, &q->flags);
	/* pairs with the barrier in visorhba_queue_interrupt() */
	smp_mb__after_atomic();
	/* and with that of prepare_to_wait() in visorhba_queue_own() */
	if (waitqueue_active(&hba->wait))
		wake_up_all(&hba->wait);
}

/* Gives ownership up; true if it was taken again because there may be more. */
static bool visorhba_queue_next(struct visorhba_queue *q)
{
	visorhba_queue_release(q);
	return test_bit(VISORHBA_QUEUE_AGAIN, &q->flags) &&
	       !test_and_set_bit_lock(VISORHBA_QUEUE_OWNED, &q->flags);
}

/* Drains a queue that the caller owns, until it is empty or handed over. */
static void visorhba_drain(struct visorhba_queue *q, bool brief)
{
	int rc;

	do {
		clear_bit(VISORHBA_QUEUE_AGAIN, &q->flags);
		/* The flag is down before the queue is looked at. */
		smp_mb__after_atomic();
		rc = visorhba_drain_some(q, brief);
		if (rc > 0) {
			q->handed_over++;
			queue_work(visorhba_wq, &q->work);
			return;
		}
		if (rc < 0)
			visorhba_fault(q->hba, "response queue index out of range");
	} while (visorhba_queue_next(q));
}

/**
 * visorhba_queue_interrupt() - the service has something to say
 * @dev: the device
 * @pair: queue pair
 *
 * Context: interrupts off, never twice at the same time for one pair.
 */
void visorhba_queue_interrupt(struct visor_device *dev, unsigned int pair)
{
	struct visorhba *hba = dev_get_drvdata(&dev->device);
	struct visorhba_queue *q;

	if (!hba || pair >= hba->queue_count)
		return;
	q = &hba->queues[pair];
	q->interrupts++;
	if (READ_ONCE(hba->state) != VISORHBA_RUNNING)
		return;
	if (test_and_set_bit_lock(VISORHBA_QUEUE_OWNED, &q->flags)) {
		set_bit(VISORHBA_QUEUE_AGAIN, &q->flags);
		/* pairs with the barrier in visorhba_queue_next() */
		smp_mb__after_atomic();
		if (test_and_set_bit_lock(VISORHBA_QUEUE_OWNED, &q->flags))
			return;
	}
	visorhba_drain(q, true);
}

/**
 * visorhba_drain_work() - continue where an interrupt left off
 * @work: of a queue, whose ownership comes with it
 */
void visorhba_drain_work(struct work_struct *work)
{
	struct visorhba_queue *q = container_of(work, struct visorhba_queue,
						work);

	if (READ_ONCE(q->hba->state) == VISORHBA_RUNNING)
		visorhba_drain(q, false);
	else
		visorhba_queue_release(q);
}

/**
 * visorhba_queue_own() - be the only one who completes commands of a queue
 * @q: the queue
 *
 * Context: process, sleeps.
 */
void visorhba_queue_own(struct visorhba_queue *q)
{
	wait_event(q->hba->wait,
		   !test_and_set_bit_lock(VISORHBA_QUEUE_OWNED, &q->flags));
}

/**
 * visorhba_queue_disown() - the end of visorhba_queue_own()
 * @q: the queue
 */
void visorhba_queue_disown(struct visorhba_queue *q)
{
	/* What came meanwhile needs somebody: hand it over. */
	if (visorhba_queue_next(q))
		queue_work(visorhba_wq, &q->work);
}

/**
 * visorhba_queue_flush() - wait for a worker, complete what was answered
 * @q: the queue of a host that has just been paused
 *
 * Nobody reads the queue afterwards, until the host runs again.
 *
 * Context: process, sleeps.
 */
void visorhba_queue_flush(struct visorhba_queue *q)
{
	visorhba_queue_own(q);
	if (visorhba_drain_some(q, false) < 0)
		visorhba_fault(q->hba, "response queue index out of range");
	visorhba_queue_disown(q);
}

/**
 * visorhba_end_all() - end every unanswered command
 * @hba: the host, not running: nothing new is sent
 * @host_byte: DID_*, for all of them
 * @confirmed: the service has nothing of them: it has confirmed a new epoch, or it
 *	is one of s-Par and was resumed
 *
 * Context: process, sleeps.
 */
void visorhba_end_all(struct visorhba *hba, u8 host_byte, bool confirmed)
{
	unsigned int i, tag;

	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		visorhba_queue_own(q);
		for (tag = 0; tag < hba->tags; tag++) {
			struct visorhba_entry *entry = &hba->table[tag];

			if (!entry->id || entry->queue != i)
				continue;
			entry->cmd->result = host_byte << 16;
			scsi_set_resid(entry->cmd, scsi_bufflen(entry->cmd));
			if (!confirmed)
				visorhba_data_leave(hba, entry->cmd);
			visorhba_data_give(hba, entry, entry->cmd);
			WRITE_ONCE(entry->id, 0);
			local_bh_disable();
			scsi_done(entry->cmd);
			local_bh_enable();
		}
		visorhba_queue_disown(q);
	}
}
