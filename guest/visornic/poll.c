// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll.c - NAPI: what the service has to say, and what follows from it
 *
 * DOC: Theory of Operation
 *
 * A doorbell, or the bus's slow poll, schedules NAPI.  NAPI takes one message
 * after the other into private memory and acts on it; a message with more frames
 * than the budget has left is continued by the next poll.  When the ring is empty
 * it gives back slots, posts buffers, wakes the transmit queue, asks for the next
 * doorbell, and looks once more.  While it runs no doorbells are asked for, and
 * where there is no interrupt (visorbus_device_polled()) never.
 *
 * With rx-usecs (ethtool -C) a poll that found something does not ask for a
 * doorbell but sets a timer, and polls again then: under load the service rings
 * not at all.
 *
 * A service that writes faster than we read keeps NAPI busy, which the kernel
 * knows how to bound; it keeps nothing else.
 */
#include <linux/filter.h>

#include "visornic.h"

/* Slots are given back in bulk. */
#define VISORNIC_RELEASE_SLOTS	8

/**
 * visornic_queue_interrupt() - the service has something to say
 * @dev: the device
 * @pair: queue pair
 *
 * Context: interrupts off, never twice at the same time for one pair.
 */
void visornic_queue_interrupt(struct visor_device *dev, unsigned int pair)
{
	struct visornic *nic = dev_get_drvdata(&dev->device);
	struct visornic_queue *q;

	if (!nic || pair >= nic->queue_count)
		return;
	q = &nic->queues[pair];
	q->rx_stats.interrupts++;
	napi_schedule(&q->napi);
}

/**
 * visornic_poll_timer() - it is time to poll again
 * @timer: of a pair
 */
enum hrtimer_restart visornic_poll_timer(struct hrtimer *timer)
{
	struct visornic_queue *q = container_of(timer, struct visornic_queue,
						timer);

	napi_schedule(&q->napi);
	return HRTIMER_NORESTART;
}

/**
 * visornic_kick() - let all pairs have a look
 * @nic: the interface
 *
 * Context: process.
 */
void visornic_kick(struct visornic *nic)
{
	unsigned int i;

	local_bh_disable();
	for (i = 0; i < nic->queue_count; i++)
		napi_schedule(&nic->queues[i].napi);
	local_bh_enable();
}

static void poll_release(struct visornic_queue *q)
{
	if (mullion_sq_release(q->rsp))
		visorbus_device_ring(q->nic->dev, 2 * q->index + 1);
}

/*
 * Takes one message.  Frames are left in q->message, all else is done.  Returns
 * 0; -EAGAIN if there is none; -EPROTO if the service broke the queue.
 */
static int poll_message(struct visornic_queue *q, int budget)
{
	const struct mullion_io_slot *slot;
	struct visornic *nic = q->nic;
	u32 type, data, epoch;
	const void *p;
	u8 cmdtype;
	int rc;

	rc = mullion_sq_consume(q->rsp, &p);
	if (rc)
		return rc;
	slot = p;
	cmdtype = slot->rsp.cmdtype;
	type = slot->rsp.net.type;
	epoch = nic->slot_ext ? slot->ext.epoch : nic->epoch;
	/* What was read above is not to be read again below. */
	barrier();
	q->rx_stats.messages++;
	if (cmdtype != CMD_NET_TYPE) {
		q->rx_stats.invalid++;
		return 0;
	}
	if (epoch != nic->epoch) {
		q->rx_stats.stale++;
		visorbus_device_count_stale(nic->dev);
		return 0;
	}
	data = visornic_slot_take(q, slot, type);
	if (data == MULLION_NET_XMIT_DONE) {
		visornic_tx_done(q, q->message->cookies, q->message->count,
				 budget);
		q->message->count = 0;
	} else if (!data) {
		visornic_control(q, type, slot);
	}
	return 0;
}

/* Small numbers of buffers wait for more. */
static u32 poll_post_least(const struct visornic_queue *q)
{
	const struct visornic *nic = q->nic;

	return nic->batch ? min_t(u32, MULLION_NET_BATCH_MAX,
				  max(nic->rx_count / 8, 1U)) : 1;
}

/* All that a poll does beside taking messages. */
static void poll_settle(struct visornic_queue *q)
{
	poll_release(q);
	visornic_rx_post(q, poll_post_least(q));
	visornic_tx_wake(q);
	visornic_watch(q);
	if (!q->index)
		visornic_talk_flush(q->nic);
}

/* Returns frames taken, or budget if there is more to do. */
static int poll_some(struct visornic_queue *q, int budget, bool *found)
{
	unsigned int taken = 0, left = q->rsp->max_slots;
	int rc, done = 0;

	for (;;) {
		done += visornic_rx_frames(q, budget - done, false);
		if (q->next < q->message->count || (budget && done == budget) ||
		    !left) {
			poll_settle(q);
			return budget;
		}
		rc = poll_message(q, budget);
		if (!rc) {
			*found = true;
			left--;
			if (++taken % VISORNIC_RELEASE_SLOTS == 0)
				poll_release(q);
			continue;
		}
		if (rc == -EAGAIN) {
			poll_settle(q);
			if (!visornic_running(q->nic) ||
			    visorbus_device_polled(q->nic->dev, q->index) ||
			    (*found && q->nic->coalesce_usecs))
				return done;
			q->armed = true;
			rc = mullion_sq_consumer_arm(q->rsp);
			if (!rc)
				return done;
		}
		if (rc < 0) {
			visornic_fault(q->nic, "response queue index out of range");
			return done;
		}
		mullion_sq_consumer_disarm(q->rsp);
	}
}

/**
 * visornic_poll() - NAPI
 * @napi: of a pair
 * @budget: frames that may be taken; 0: answers only, for netpoll
 *
 * Return: frames that were taken.
 */
int visornic_poll(struct napi_struct *napi, int budget)
{
	struct visornic_queue *q = container_of(napi, struct visornic_queue, napi);
	struct visornic *nic = q->nic;
	bool found = false;
	u32 usecs;
	int done = 0;

	if (likely(visornic_running(nic))) {
		if (q->armed)
			mullion_sq_consumer_disarm(q->rsp);
		q->armed = false;
		done = poll_some(q, budget, &found);
		/* The program that has sent them may be gone already. */
		if (q->xdp_sent) {
			q->xdp_sent = false;
			visornic_tx_flush(q);
			xdp_do_flush();
		}
	}
	if (done == budget)
		return done;
	usecs = READ_ONCE(nic->coalesce_usecs);
	/* While NAPI is ours: who has disabled it cancels the timer, and means it. */
	if (found && usecs && !q->armed)
		hrtimer_start(&q->timer, ns_to_ktime(usecs * NSEC_PER_USEC),
			      HRTIMER_MODE_REL);
	napi_complete_done(napi, done);
	return done;
}

/**
 * visornic_drain() - take what the service has said before it was paused
 * @q: a pair without NAPI
 *
 * One ring's worth at most: the service may go on.
 *
 * Context: process, bottom halves are off.
 */
void visornic_drain(struct visornic_queue *q)
{
	unsigned int left = q->rsp->max_slots;

	do {
		visornic_rx_frames(q, INT_MAX, true);
	} while (left-- && !poll_message(q, 0));
	q->message->count = 0;
	poll_release(q);
}
