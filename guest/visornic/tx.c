// SPDX-License-Identifier: GPL-2.0-only
/*
 * tx.c - frames on their way to the service
 *
 * DOC: Theory of Operation
 *
 * A frame is copied to the end of the pair's area, gets the next number, and is
 * added to the message that is open.  The message is published, and the doorbell
 * rung if the service wants that, when it is full, when VISORNIC_BATCH_BYTES have
 * gathered (so that a polling service starts while the rest is being copied), or
 * when the stack says that nothing follows.
 *
 * Numbers and places count without end; what is masked is an index.  The sender
 * moves the heads under the lock of the netdev_queue, NAPI moves the tails, each
 * with a release that the other's acquire pairs with: that is all there is
 * between the two.
 *
 * The queue is stopped as long as the next frame, if it is the largest, might
 * not find room: in the area, among the numbers, or in the ring.  After stopping
 * it the sender looks again, and NAPI looks at the queue after each move of a
 * tail, with a full barrier between store and look on both sides.  For room in
 * the ring a doorbell is asked for, and the slow poll comes in any case: there
 * is no way to stop for good while the service works, and if it does not work it
 * is attached anew (recover.c).
 *
 * The byte queue limit is told of a frame before it can be answered.
 */
#include <linux/skbuff.h>

#include "visornic.h"

#define VISORNIC_BATCH_BYTES	(64U << 10)

/* Is there room for the largest frame? */
static bool tx_room(const struct visornic_queue *q)
{
	const struct visornic *nic = q->nic;
	/* pairs with the release in tx_advance() */
	u64 tail = smp_load_acquire(&q->tx_tail);
	/* so does this */
	u32 area_tail = smp_load_acquire(&q->area_tail);

	return q->tx_head - tail < READ_ONCE(nic->tx_count) &&
	       q->tx_bytes - (q->area_head - area_tail) >=
	       ALIGN(nic->frame_max, VISORNIC_FRAME_ALIGN);
}

/* Is there so much that it is worth while to wake the queue? */
static bool tx_much_room(const struct visornic_queue *q)
{
	const struct visornic *nic = q->nic;
	u32 used = READ_ONCE(q->area_head) - q->area_tail;
	u64 frames = READ_ONCE(q->tx_head) - q->tx_tail;

	return frames <= READ_ONCE(nic->tx_count) / 2 &&
	       q->tx_bytes - used >=
	       max(ALIGN(nic->frame_max, VISORNIC_FRAME_ALIGN), q->tx_bytes / 2);
}

static void tx_put(struct visornic_queue *q, u32 at, const void *data, u32 bytes)
{
	u32 offset = at & (q->tx_bytes - 1);
	u32 first = min(bytes, q->tx_bytes - offset);

	visorbus_copy(q->tx_area + offset, data, first);
	if (first < bytes)
		visorbus_copy(q->tx_area, data + first, bytes - first);
}

static bool tx_copy(struct visornic_queue *q, struct sk_buff *skb)
{
	u32 done = 0, at = q->area_head;
	struct skb_seq_state state;
	const u8 *data;
	u32 n;

	if (!skb_is_nonlinear(skb)) {
		tx_put(q, at, skb->data, skb->len);
		return true;
	}
	skb_prepare_seq_read(skb, 0, skb->len, &state);
	while ((n = skb_seq_read(done, &data, &state))) {
		tx_put(q, at + done, data, n);
		done += n;
	}
	return done == skb->len;
}

/* Shorter frames than Ethernet's shortest are s-Par services' not to see. */
static u32 tx_pad(struct visornic_queue *q, u32 bytes)
{
	static const u8 zeroes[ETH_ZLEN];

	if (q->nic->batch || bytes >= ETH_ZLEN)
		return bytes;
	tx_put(q, q->area_head + bytes, zeroes, ETH_ZLEN - bytes);
	return ETH_ZLEN;
}

/*
 * Stops the queue if there is no room for another frame.  Returns whether it
 * did.  The pair's lock is held.
 */
static bool tx_stop(struct visornic_queue *q, struct netdev_queue *txq)
{
	bool slots = visornic_slots(q, VISORNIC_SLOTS_SPARE) >=
		     VISORNIC_SLOTS_SPARE;

	if (likely(slots && tx_room(q)))
		return false;
	netif_tx_stop_queue(txq);
	q->tx_stats.stops++;
	/* pairs with the barrier in visornic_tx_wake() */
	smp_mb();
	if (!slots && visornic_slot_wait(q) > 0)
		slots = visornic_slots(q, INT_MAX) >= VISORNIC_SLOTS_SPARE;
	if (!slots || !tx_room(q))
		return true;
	netif_tx_start_queue(txq);
	return false;
}

/*
 * Sends a frame that was copied to the head of the area, and keeps its skb.
 * Returns 0, or why it was not sent; then nothing of it is left.
 */
static int tx_send(struct visornic_queue *q, struct netdev_queue *txq,
		   struct sk_buff *skb, struct mullion_net_entry *entry,
		   u32 bytes, bool more)
{
	struct visornic_frame *frame;
	u32 end = q->area_head + ALIGN(bytes, VISORNIC_FRAME_ALIGN);
	bool ring = false, flush;
	int rc = -ENETDOWN;

	entry->length = bytes;
	spin_lock(&q->lock);
	/* Under the lock: pause takes it to be the last to change the state. */
	if (likely(visornic_running(q->nic)))
		rc = visornic_slot_xmit(q, visornic_cookie(q, q->tx_head),
					q->area_head, entry);
	if (unlikely(rc)) {
		netif_tx_stop_queue(txq);
		q->tx_stats.stops++;
		if (rc == -EAGAIN) {
			ring = visornic_publish(q);
			visornic_slot_wait(q);
		}
		spin_unlock(&q->lock);
		/* There may be a slot again: NAPI is to have a look. */
		if (rc == -EAGAIN)
			napi_schedule(&q->napi);
		goto out;
	}
	frame = &q->frames[q->tx_head & (VISORNIC_FRAMES - 1)];
	frame->skb = skb;
	frame->end = end;
	frame->bytes = bytes;
	frame->done = false;
	/* Before it can be answered. */
	flush = __netdev_tx_sent_queue(txq, bytes, more);
	WRITE_ONCE(q->area_head, end);
	/* pairs with the acquire in visornic_tx_done() */
	smp_store_release(&q->tx_head, q->tx_head + 1);
	if (tx_stop(q, txq) || flush || q->batch_bytes >= VISORNIC_BATCH_BYTES ||
	    q->batch_count == MULLION_NET_BATCH_MAX)
		ring = visornic_publish(q);
	spin_unlock(&q->lock);
out:
	if (ring)
		visorbus_device_ring(q->nic->dev, 2 * q->index);
	return rc;
}

/**
 * visornic_tx_flush() - publish what is open
 * @q: the pair
 *
 * Context: bottom halves are off.
 */
void visornic_tx_flush(struct visornic_queue *q)
{
	bool ring = false;

	/*
	 * Not only to be quick: a fault is logged with the lock held, and the
	 * console may be this interface.
	 */
	if (!visornic_running(q->nic))
		return;
	spin_lock(&q->lock);
	if (visornic_running(q->nic))
		ring = visornic_publish(q);
	spin_unlock(&q->lock);
	if (ring)
		visorbus_device_ring(q->nic->dev, 2 * q->index);
}

static void tx_count_drop(struct visornic_queue *q)
{
	struct visornic_tx_stats *stats = &q->tx_stats;

	u64_stats_update_begin(&stats->drop_sync);
	u64_stats_inc(&stats->dropped);
	u64_stats_update_end(&stats->drop_sync);
}

/**
 * visornic_start_xmit() - ndo_start_xmit
 * @skb: the frame
 * @netdev: the interface
 */
netdev_tx_t visornic_start_xmit(struct sk_buff *skb, struct net_device *netdev)
{
	struct visornic *nic = netdev_priv(netdev);
	u16 index = skb_get_queue_mapping(skb);
	struct visornic_queue *q = &nic->queues[index];
	struct netdev_queue *txq = netdev_get_tx_queue(netdev, index);
	struct mullion_net_entry entry = { 0 };
	bool more = netdev_xmit_more();

	if (unlikely(!visornic_running(nic) || !tx_room(q))) {
		netif_tx_stop_queue(txq);
		q->tx_stats.stops++;
		/* pairs with the barrier in visornic_tx_wake() */
		smp_mb();
		if (!visornic_running(nic) || !tx_room(q)) {
			visornic_tx_flush(q);
			return NETDEV_TX_BUSY;
		}
		netif_tx_start_queue(txq);
	}
	if (unlikely(skb->len < ETH_HLEN || skb->len > nic->frame_max ||
		     !visornic_tx_offload(nic, skb, &entry) ||
		     !tx_copy(q, skb))) {
		tx_count_drop(q);
		if (!more)
			visornic_tx_flush(q);
		dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	skb_tx_timestamp(skb);
	if (unlikely(tx_send(q, txq, skb, &entry, tx_pad(q, skb->len), more)))
		return NETDEV_TX_BUSY;
	return NETDEV_TX_OK;
}

/**
 * visornic_tx_xdp() - send a frame on behalf of an XDP program
 * @q: the pair that NAPI is polling
 * @data: the frame
 * @bytes: of it
 *
 * Published by visornic_tx_flush().
 *
 * Return: whether it was sent.
 */
bool visornic_tx_xdp(struct visornic_queue *q, const void *data, u32 bytes)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	struct mullion_net_entry entry = { 0 };
	bool sent = false;

	if (bytes < ETH_HLEN || bytes > q->nic->frame_max)
		return false;
	__netif_tx_lock(txq, smp_processor_id());
	if (!netif_xmit_frozen_or_stopped(txq) && tx_room(q)) {
		txq_trans_cond_update(txq);
		tx_put(q, q->area_head, data, bytes);
		sent = !tx_send(q, txq, NULL, &entry, tx_pad(q, bytes), true);
	}
	if (sent)
		q->tx_stats.xdp++;
	else
		tx_count_drop(q);
	__netif_tx_unlock(txq);
	return sent;
}

/* ---- answers ------------------------------------------------------------------- */

/**
 * visornic_tx_wake() - wake the queue if it was stopped and there is room
 * @q: the pair that NAPI is polling
 */
void visornic_tx_wake(struct visornic_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	bool slots;

	/* pairs with those in tx_stop() and visornic_start_xmit() */
	smp_mb();
	if (likely(!netif_tx_queue_stopped(txq)) || q->index >= q->nic->pairs ||
	    !READ_ONCE(q->nic->enabled) || !visornic_running(q->nic) ||
	    !tx_much_room(q))
		return;
	spin_lock(&q->lock);
	slots = visornic_slots(q, 2 * VISORNIC_SLOTS_SPARE) >=
		min_t(int, 2 * VISORNIC_SLOTS_SPARE, q->cmd->max_slots - 1);
	if (!slots && visornic_slot_wait(q) > 0)
		slots = visornic_slots(q, INT_MAX) >= VISORNIC_SLOTS_SPARE;
	spin_unlock(&q->lock);
	if (!slots)
		return;
	q->tx_stats.wakes++;
	netif_tx_wake_queue(txq);
}

/* One answer.  Returns whether there was such a question. */
static bool tx_answer(struct visornic_queue *q, u64 cookie, u64 head, int budget)
{
	struct visornic_tx_stats *stats = &q->tx_stats;
	bool failed = cookie & MULLION_NET_COOKIE_FAILED;
	struct visornic_frame *frame;
	u64 ahead;

	cookie &= ~MULLION_NET_COOKIE_FAILED;
	ahead = visornic_cookie_value(visornic_cookie_value(cookie) - q->tx_tail);
	if (ahead >= head - q->tx_tail ||
	    cookie != visornic_cookie(q, q->tx_tail + ahead))
		return false;
	frame = &q->frames[cookie & (VISORNIC_FRAMES - 1)];
	if (frame->done)
		return false;
	frame->done = true;
	if (frame->skb)
		napi_consume_skb(frame->skb, budget);
	frame->skb = NULL;
	u64_stats_update_begin(&stats->sync);
	if (failed) {
		u64_stats_inc(&stats->errors);
	} else {
		u64_stats_inc(&stats->packets);
		u64_stats_add(&stats->bytes, frame->bytes);
	}
	u64_stats_update_end(&stats->sync);
	return true;
}

/* Gives back what was answered, up to the first frame that was not. */
static void tx_advance(struct visornic_queue *q, u64 head)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	unsigned int packets = 0, bytes = 0;
	u32 area_tail = q->area_tail;
	u64 tail = q->tx_tail;

	while (tail != head) {
		struct visornic_frame *frame =
			&q->frames[tail & (VISORNIC_FRAMES - 1)];

		if (!frame->done)
			break;
		area_tail = frame->end;
		packets++;
		bytes += frame->bytes;
		tail++;
	}
	if (!packets)
		return;
	/* pairs with the acquire in tx_room() */
	smp_store_release(&q->area_tail, area_tail);
	/* so does this */
	smp_store_release(&q->tx_tail, tail);
	netdev_tx_completed_queue(txq, packets, bytes);
}

/**
 * visornic_tx_done() - the service has sent frames
 * @q: the pair, the caller's
 * @cookies: a private copy of what it says
 * @count: how many
 * @budget: NAPI's, or 0
 */
void visornic_tx_done(struct visornic_queue *q, const u64 *cookies,
		      unsigned int count, int budget)
{
	/* pairs with the release in tx_send() */
	u64 head = smp_load_acquire(&q->tx_head);
	unsigned int i;

	for (i = 0; i < count; i++)
		if (!tx_answer(q, cookies[i], head, budget))
			q->rx_stats.bad_cookies++;
	tx_advance(q, head);
}

/**
 * visornic_tx_forget() - what has no answer will have none
 * @q: a pair that nobody sends through, without NAPI
 *
 * Numbers go on, so that late answers are of no frame.
 */
void visornic_tx_forget(struct visornic_queue *q)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	struct visornic_tx_stats *stats = &q->tx_stats;
	u64 i, lost = 0;

	for (i = q->tx_tail; i != q->tx_head; i++) {
		struct visornic_frame *frame =
			&q->frames[i & (VISORNIC_FRAMES - 1)];

		lost += !frame->done;
		if (frame->skb)
			dev_kfree_skb_any(frame->skb);
		frame->skb = NULL;
	}
	local_bh_disable();
	u64_stats_update_begin(&stats->sync);
	u64_stats_add(&stats->lost, lost);
	u64_stats_update_end(&stats->sync);
	local_bh_enable();
	q->tx_tail = q->tx_head;
	q->area_tail = q->area_head;
	q->batch = NULL;
	q->batch_bytes = 0;
	netdev_tx_reset_queue(txq);
}
