// SPDX-License-Identifier: GPL-2.0-only
/*
 * tx.c - frames on their way to the service
 *
 * DOC: Theory of Operation
 *
 * A frame is copied to the end of the pair's area, or is mapped where it lies if
 * the service has the guest's RAM; it gets the next number, and is added to the
 * message that is open.  The message is published, and the doorbell
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
#include <net/dst.h>

#include "visornic.h"

#define VISORNIC_BATCH_BYTES	(64U << 10)

/**
 * struct visornic_tx - a frame that is about to be sent
 * @skb: it, or NULL
 * @page: with guest-physical addresses, the page of one without an skb
 * @bytes: of it
 * @end: place in the area behind it
 * @header: its first bytes
 * @count: pieces that it consists of
 * @pieces: they
 * @entry: its offloads
 */
struct visornic_tx {
	struct sk_buff *skb;
	struct page *page;
	u32 bytes;
	u32 end;
	const void *header;
	unsigned int count;
	struct visornic_piece pieces[VISORNIC_PIECES];
	struct mullion_net_entry entry;
};

/* Is there room for the largest frame? */
static bool tx_room(const struct visornic_queue *q)
{
	const struct visornic *nic = q->nic;
	/* pairs with the release in tx_advance() */
	u64 tail = smp_load_acquire(&q->tx_tail);
	/* so does this */
	u32 area_tail = smp_load_acquire(&q->area_tail);

	return q->tx_head - tail < READ_ONCE(nic->tx_count) &&
	       (nic->physical || q->tx_bytes - (q->area_head - area_tail) >=
	       ALIGN(nic->frame_max, VISORNIC_FRAME_ALIGN));
}

/* Is there so much that it is worth while to wake the queue? */
static bool tx_much_room(const struct visornic_queue *q)
{
	const struct visornic *nic = q->nic;
	u32 used = READ_ONCE(q->area_head) - q->area_tail;
	u64 frames = READ_ONCE(q->tx_head) - q->tx_tail;

	return frames <= READ_ONCE(nic->tx_count) / 2 &&
	       (nic->physical || q->tx_bytes - used >=
	       max(ALIGN(nic->frame_max, VISORNIC_FRAME_ALIGN), q->tx_bytes / 2));
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

/* A frame at the head of the area, which may go round its end. */
static void tx_pieces(const struct visornic_queue *q, struct visornic_tx *tx)
{
	u32 offset = q->area_head & (q->tx_bytes - 1);
	u32 first = min(tx->bytes, q->tx_bytes - offset);

	tx->header = q->tx_area + offset;
	tx->pieces[0].address = q->tx_address + offset;
	tx->pieces[0].length = first;
	tx->pieces[1].address = q->tx_address;
	tx->pieces[1].length = tx->bytes - first;
	tx->count = first < tx->bytes ? 2 : 1;
	tx->end = q->area_head + ALIGN(tx->bytes, VISORNIC_FRAME_ALIGN);
}

/* Copies a frame to the head of the area.  Returns whether it could be. */
static bool tx_place(struct visornic_queue *q, struct sk_buff *skb,
		     struct visornic_tx *tx)
{
	static const u8 zeroes[ETH_ZLEN];

	if (!tx_copy(q, skb))
		return false;
	if (tx->bytes > skb->len)
		tx_put(q, q->area_head + skb->len, zeroes, tx->bytes - skb->len);
	tx_pieces(q, tx);
	return true;
}

static void tx_unmap(struct visornic *nic, struct sk_buff *skb, unsigned int count)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	unsigned int i;

	if (count)
		visorbus_unmap_page(nic->dev, virt_to_phys(skb->data),
				    skb_headlen(skb), DMA_TO_DEVICE);
	for (i = 0; i + 1 < count; i++)
		visorbus_unmap_page(nic->dev, page_to_phys(skb_frag_page(&info->frags[i])) +
				    skb_frag_off(&info->frags[i]),
				    skb_frag_size(&info->frags[i]), DMA_TO_DEVICE);
}

/* Maps a frame where it lies.  Returns whether it could be. */
static bool tx_map(struct visornic_queue *q, struct sk_buff *skb,
		   struct visornic_tx *tx)
{
	const struct skb_shared_info *info = skb_shinfo(skb);
	struct visor_device *dev = q->nic->dev;
	struct visornic_piece *piece = tx->pieces;
	unsigned int i;

	/* Not offered to the stack, but cheap to be sure of. */
	if (unlikely(skb_has_frag_list(skb) && skb_linearize(skb)))
		return false;
	tx->end = q->area_head;
	tx->count = 0;
	if (visorbus_map_page(dev, virt_to_page(skb->data),
			      offset_in_page(skb->data), skb_headlen(skb),
			      DMA_TO_DEVICE, &piece->address))
		return false;
	piece->length = skb_headlen(skb);
	tx->count++;
	for (i = 0; i < info->nr_frags; i++) {
		const skb_frag_t *frag = &info->frags[i];

		piece++;
		piece->length = skb_frag_size(frag);
		if (visorbus_map_page(dev, skb_frag_page(frag), skb_frag_off(frag),
				      piece->length, DMA_TO_DEVICE,
				      &piece->address)) {
			tx_unmap(q->nic, skb, tx->count);
			return false;
		}
		tx->count++;
	}
	tx->header = skb->data;
	return true;
}

/*
 * Brings a frame where the service finds it.  Shorter ones than Ethernet's
 * shortest are s-Par services' not to see.  Returns 0; -ENOMEM, the skb is gone;
 * -EINVAL.
 */
static int tx_prepare(struct visornic_queue *q, struct sk_buff *skb,
		      struct visornic_tx *tx)
{
	struct visornic *nic = q->nic;
	bool ok;

	tx->skb = skb;
	tx->page = NULL;
	tx->bytes = nic->batch ? skb->len : max_t(u32, skb->len, ETH_ZLEN);
	if (!nic->physical)
		return tx_place(q, skb, tx) ? 0 : -EINVAL;
	if (tx->bytes > skb->len && skb_put_padto(skb, ETH_ZLEN))
		return -ENOMEM;
	ok = skb_headlen(skb) >= ETH_HLEN || pskb_may_pull(skb, ETH_HLEN);
	return ok && tx_map(q, skb, tx) ? 0 : -EINVAL;
}

/* What was prepared is not sent. */
static void tx_undo(struct visornic *nic, const struct visornic_tx *tx)
{
	if (!nic->physical)
		return;
	if (tx->skb)
		tx_unmap(nic, tx->skb, tx->count);
	else
		visorbus_unmap_page(nic->dev, tx->pieces[0].address, tx->bytes,
				    DMA_TO_DEVICE);
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
 * Sends a frame that was prepared, and keeps its skb or page.  Returns 0, or why
 * it was not sent; then nothing of it is left here.
 */
static int tx_send(struct visornic_queue *q, struct netdev_queue *txq,
		   const struct visornic_tx *tx, bool more)
{
	struct visornic_frame *frame;
	bool ring = false, flush;
	int rc = -ENETDOWN;
	unsigned long flags;

	spin_lock_irqsave(&q->lock, flags);
	/* Under the lock: pause takes it to be the last to change the state. */
	if (likely(visornic_running(q->nic)))
		rc = visornic_slot_xmit(q, visornic_cookie(q, q->tx_head),
					tx->pieces, tx->count, &tx->entry,
					tx->header);
	if (unlikely(rc)) {
		netif_tx_stop_queue(txq);
		q->tx_stats.stops++;
		if (rc == -EAGAIN) {
			ring = visornic_publish(q);
			visornic_slot_wait(q);
		}
		spin_unlock_irqrestore(&q->lock, flags);
		tx_undo(q->nic, tx);
		/* There may be a slot again: NAPI is to have a look. */
		if (rc == -EAGAIN)
			napi_schedule(&q->napi);
		goto out;
	}
	frame = &q->frames[q->tx_head & (VISORNIC_FRAMES - 1)];
	frame->skb = tx->skb;
	frame->page = tx->page;
	frame->address = tx->pieces[0].address;
	frame->end = tx->end;
	frame->bytes = tx->bytes;
	frame->done = false;
	/* Before it can be answered. */
	flush = __netdev_tx_sent_queue(txq, tx->bytes, more);
	WRITE_ONCE(q->area_head, tx->end);
	/* pairs with the acquire in visornic_tx_done() */
	smp_store_release(&q->tx_head, q->tx_head + 1);
	if (tx_stop(q, txq) || flush || q->batch_bytes >= VISORNIC_BATCH_BYTES ||
	    q->batch_count == MULLION_NET_BATCH_MAX)
		ring = visornic_publish(q);
	spin_unlock_irqrestore(&q->lock, flags);
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
	unsigned long flags;

	/*
	 * Not only to be quick: a fault is logged with the lock held, and the
	 * console may be this interface.
	 */
	if (!visornic_running(q->nic))
		return;
	spin_lock_irqsave(&q->lock, flags);
	if (visornic_running(q->nic))
		ring = visornic_publish(q);
	spin_unlock_irqrestore(&q->lock, flags);
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
	bool more = netdev_xmit_more();
	struct visornic_tx tx;
	int rc = -EINVAL;

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
	memset(&tx.entry, 0, sizeof(tx.entry));
	if (likely(skb->len >= ETH_HLEN && skb->len <= nic->frame_max &&
		   visornic_tx_offload(nic, skb, &tx.entry)))
		rc = tx_prepare(q, skb, &tx);
	if (unlikely(rc)) {
		tx_count_drop(q);
		if (!more)
			visornic_tx_flush(q);
		if (rc != -ENOMEM)
			dev_kfree_skb_any(skb);
		return NETDEV_TX_OK;
	}
	skb_tx_timestamp(skb);
	/* It may be kept for long, and what others own is not to be kept with it. */
	if (nic->physical) {
		skb_dst_drop(skb);
		nf_reset_ct(skb);
	}
	if (unlikely(tx_send(q, txq, &tx, more)))
		return NETDEV_TX_BUSY;
	return NETDEV_TX_OK;
}

/* As tx_prepare(), of one piece of a page with room behind it. */
static bool tx_prepare_xdp(struct visornic_queue *q, struct page *page, void *data,
			   u32 bytes, struct visornic_tx *tx)
{
	struct visornic *nic = q->nic;

	memset(tx, 0, sizeof(*tx));
	tx->bytes = nic->batch ? bytes : max_t(u32, bytes, ETH_ZLEN);
	memset(data + bytes, 0, tx->bytes - bytes);
	tx->count = 1;
	tx->pieces[0].length = tx->bytes;
	if (nic->physical) {
		tx->page = page;
		tx->end = q->area_head;
		tx->header = data;
		return !visorbus_map_page(nic->dev, page, offset_in_page(data),
					  tx->bytes, DMA_TO_DEVICE,
					  &tx->pieces[0].address);
	}
	tx_put(q, q->area_head, data, tx->bytes);
	tx_pieces(q, tx);
	return true;
}

/**
 * visornic_tx_xdp() - send a frame on behalf of an XDP program
 * @q: the pair that NAPI is polling
 * @page: where it lies; the reference stays the caller's
 * @data: the frame, with room behind it
 * @bytes: of it
 *
 * Published by visornic_tx_flush().
 *
 * Return: whether it was sent.
 */
bool visornic_tx_xdp(struct visornic_queue *q, struct page *page, void *data,
		     u32 bytes)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	struct visornic_tx tx;
	bool sent = false;

	if (bytes < ETH_HLEN || bytes > q->nic->frame_max)
		return false;
	__netif_tx_lock(txq, smp_processor_id());
	if (!netif_xmit_frozen_or_stopped(txq) && tx_room(q) &&
	    tx_prepare_xdp(q, page, data, bytes, &tx)) {
		txq_trans_cond_update(txq);
		if (tx.page)
			get_page(page);
		sent = !tx_send(q, txq, &tx, true);
		if (!sent && tx.page)
			put_page(page);
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
	unsigned long flags;

	/* pairs with those in tx_stop() and visornic_start_xmit() */
	smp_mb();
	if (likely(!netif_tx_queue_stopped(txq)) || q->index >= q->nic->pairs ||
	    !READ_ONCE(q->nic->enabled) || !visornic_running(q->nic) ||
	    !tx_much_room(q))
		return;
	spin_lock_irqsave(&q->lock, flags);
	slots = visornic_slots(q, 2 * VISORNIC_SLOTS_SPARE) >=
		min_t(int, 2 * VISORNIC_SLOTS_SPARE, q->cmd->max_slots - 1);
	if (!slots && visornic_slot_wait(q) > 0)
		slots = visornic_slots(q, INT_MAX) >= VISORNIC_SLOTS_SPARE;
	spin_unlock_irqrestore(&q->lock, flags);
	if (!slots)
		return;
	q->tx_stats.wakes++;
	netif_tx_wake_queue(txq);
}

static void tx_unmap_frame(struct visornic *nic, const struct visornic_frame *frame)
{
	if (!nic->physical)
		return;
	if (frame->skb)
		tx_unmap(nic, frame->skb, 1 + skb_shinfo(frame->skb)->nr_frags);
	else
		visorbus_unmap_page(nic->dev, frame->address, frame->bytes,
				    DMA_TO_DEVICE);
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
	if (frame->skb) {
		tx_unmap_frame(q->nic, frame);
		napi_consume_skb(frame->skb, budget);
	} else if (frame->page) {
		tx_unmap_frame(q->nic, frame);
		put_page(frame->page);
	}
	frame->skb = NULL;
	frame->page = NULL;
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

static void tx_free_frame(const struct visornic_frame *frame)
{
	if (frame->skb)
		dev_kfree_skb_any(frame->skb);
	else if (frame->page)
		put_page(frame->page);
}

static void tx_leave_frame(struct visornic *nic, const struct visornic_frame *frame)
{
	if (frame->skb)
		visorbus_hold_skb(nic->dev, frame->skb);
	else if (frame->page)
		visorbus_hold_page(nic->dev, frame->page);
}

/**
 * visornic_tx_forget() - what has no answer will have none
 * @q: a pair that nobody sends through, without NAPI
 * @confirmed: nor does the service use their memory any more
 *
 * Numbers go on, so that late answers are of no frame.
 */
void visornic_tx_forget(struct visornic_queue *q, bool confirmed)
{
	struct netdev_queue *txq = netdev_get_tx_queue(q->nic->netdev, q->index);
	struct visornic_tx_stats *stats = &q->tx_stats;
	u64 i, lost = 0;

	for (i = q->tx_tail; i != q->tx_head; i++) {
		struct visornic_frame *frame =
			&q->frames[i & (VISORNIC_FRAMES - 1)];

		lost += !frame->done;
		if (frame->skb || frame->page)
			tx_unmap_frame(q->nic, frame);
		if (confirmed || !q->nic->physical)
			tx_free_frame(frame);
		else
			tx_leave_frame(q->nic, frame);
		frame->skb = NULL;
		frame->page = NULL;
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
