// SPDX-License-Identifier: GPL-2.0-only
/*
 * rx.c - receive buffers, and frames from the service
 *
 * DOC: Theory of Operation
 *
 * A buffer is on the stack of free ones or posted.  Its cookie holds the number
 * of times that it was posted, so that only one cookie of a buffer is ever valid,
 * and only once.  A frame gives back all its buffers, whatever else is wrong with
 * it; what comes with an invalid cookie, twice, or with a length that no buffer
 * has, is counted and is no frame.
 *
 * Buffers are posted by NAPI, in full messages if it can be: what is left over
 * waits for more, as long as it is a small part of all.  If the ring is full NAPI
 * is scheduled again when it is not.
 *
 * With guest-physical addresses a buffer has a page of its own.  It stays with the
 * buffer until a frame takes it along: then it is part of the skb, and the buffer
 * gets another one when it is posted.
 *
 * A short frame is copied into the head of an skb.  Of others the whole is copied
 * to pages, of which many frames share one, and then the headers into the head,
 * which so holds headers only; or, if the pages are the guest's, the headers alone
 * are copied.  What is believed of a frame is what was copied: a service that
 * still writes to a buffer that it gave back changes no more than what is carried.
 *
 * Failure behaviour: without memory a frame is dropped and counted, its buffers
 * are posted again.
 */
#include <linux/etherdevice.h>
#include <linux/skbuff.h>
#include <net/sock.h>

#include "visornic.h"

/* Frames up to this go into the head. */
#define VISORNIC_HEAD_BYTES	256

/* ---- buffers ------------------------------------------------------------------- */

/**
 * visornic_rx_reset() - all buffers are ours
 * @q: a pair in use, without NAPI; the service has none of its buffers
 */
void visornic_rx_reset(struct visornic_queue *q)
{
	u32 i, count = q->nic->rx_count;

	for (i = 0; i < q->nic->rx_limit; i++)
		q->buffers[i].posted = false;
	/* The first one is on top. */
	for (i = 0; i < count; i++)
		q->free[i] = count - 1 - i;
	q->free_count = count;
}

/* How many of the next buffers have memory? */
static u32 rx_fill(struct visornic_queue *q, u32 count)
{
	struct visornic *nic = q->nic;
	u32 i;

	if (!nic->physical)
		return count;
	for (i = 0; i < count; i++) {
		struct visornic_buffer *buffer =
			&q->buffers[q->free[q->free_count - 1 - i]];
		struct page *page;

		if (buffer->page)
			continue;
		page = dev_alloc_page();
		if (!page)
			break;
		if (visorbus_map_page(nic->dev, page, 0, VISORNIC_BUFFER_BYTES,
				      DMA_FROM_DEVICE, &buffer->address)) {
			put_page(page);
			break;
		}
		buffer->page = page;
	}
	return i;
}

/* The buffer's page, which is the caller's now. */
static struct page *rx_take_page(struct visornic_queue *q, u64 cookie)
{
	struct visornic_buffer *buffer = &q->buffers[cookie & U16_MAX];
	struct page *page = buffer->page;

	buffer->page = NULL;
	visorbus_unmap_page(q->nic->dev, buffer->address, VISORNIC_BUFFER_BYTES,
			    DMA_FROM_DEVICE);
	return page;
}

/**
 * visornic_rx_post() - give the service buffers
 * @q: the pair, the caller's
 * @at_least: with fewer to give nothing is done
 *
 * Context: bottom halves are off.
 */
void visornic_rx_post(struct visornic_queue *q, u32 at_least)
{
	struct visornic *nic = q->nic;
	bool ring = false;
	int rc = 0;
	unsigned long flags;

	if (q->index >= nic->pairs || q->free_count < max(at_least, 1U))
		return;
	spin_lock_irqsave(&q->lock, flags);
	/* Under the lock: after a disable nothing is posted. */
	if (READ_ONCE(nic->receiving) && visornic_running(nic)) {
		/* One slot is left to control messages. */
		while (q->free_count && (rc = visornic_slots(q, 2)) > 1) {
			u32 count = rx_fill(q, min_t(u32, q->free_count,
						     MULLION_NET_BATCH_MAX));

			/* The next poll tries again: there is always one. */
			if (!count)
				break;
			rc = visornic_slot_post(q, count);
			if (rc < 0)
				break;
			q->rx_stats.posts += rc;
		}
		if (q->free_count && rc >= 0)
			visornic_slot_wait(q);
		if (visornic_running(nic))
			ring = visornic_publish(q);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	if (ring)
		visorbus_device_ring(nic->dev, 2 * q->index);
}

/**
 * visornic_rx_return() - a buffer comes back
 * @q: the pair, the caller's
 * @cookie: what the service says that it is
 *
 * Return: whether there is such a buffer, and it was the service's.
 */
bool visornic_rx_return(struct visornic_queue *q, u64 cookie)
{
	u32 i = cookie & U16_MAX;
	struct visornic_buffer *buffer;

	if (i >= q->nic->rx_limit)
		return false;
	buffer = &q->buffers[i];
	if (!buffer->posted ||
	    cookie != visornic_cookie(q, (u64)buffer->posts << 16 | i))
		return false;
	buffer->posted = false;
	q->free[q->free_count++] = i;
	return true;
}

/* ---- frames --------------------------------------------------------------------- */

static const u8 *rx_memory(const struct visornic_queue *q, u32 i)
{
	return q->nic->physical ? page_address(q->buffers[i].page) :
	       q->rx_area + i * (size_t)VISORNIC_BUFFER_BYTES;
}

/**
 * visornic_rx_copy() - copy a part of a frame out of its buffers
 * @q: the pair, the caller's
 * @entries: of the frame, private and checked
 * @from: first byte
 * @dst: where to
 * @bytes: how many; the frame has them
 */
void visornic_rx_copy(const struct visornic_queue *q,
		      const struct mullion_net_entry *entries, u32 from,
		      void *dst, u32 bytes)
{
	for (; bytes; entries++) {
		const u8 *buffer = rx_memory(q, entries->cookie & U16_MAX);
		u32 n;

		if (from >= entries->length) {
			from -= entries->length;
			continue;
		}
		n = min(bytes, entries->length - from);
		visorbus_copy(dst, buffer + from, n);
		dst += n;
		bytes -= n;
		from = 0;
	}
}

/* A long frame: pages, and headers in the head. */
static bool rx_copy_to_pages(struct visornic_queue *q, struct sk_buff *skb,
			     const struct mullion_net_entry *entries, u32 bytes)
{
	struct page_frag *frag = &q->frag;
	u32 done = 0;
	int i;

	for (i = 0; done < bytes; i++) {
		u32 n, room, headers = 0;
		u8 *data;

		/* One piece of at least a page each: there are never too many. */
		if (i == MAX_SKB_FRAGS ||
		    !skb_page_frag_refill(min_t(u32, bytes - done, PAGE_SIZE), frag,
					  GFP_ATOMIC | __GFP_NOWARN))
			return false;
		n = min(bytes - done, frag->size - frag->offset);
		data = page_address(frag->page) + frag->offset;
		visornic_rx_copy(q, entries, done, data, n);
		if (!i) {
			headers = eth_get_headlen(q->nic->netdev, data,
						  min_t(u32, n, VISORNIC_HEAD_BYTES));
			memcpy(__skb_put(skb, headers), data, headers);
		}
		room = min(ALIGN(n, SMP_CACHE_BYTES), frag->size - frag->offset);
		get_page(frag->page);
		skb_add_rx_frag(skb, i, frag->page, frag->offset + headers,
				n - headers, room);
		frag->offset += room;
		done += n;
	}
	return true;
}

/* A long frame in pages of the guest: they go along, only headers are copied. */
static void rx_take_pages(struct visornic_queue *q, struct sk_buff *skb,
			  const struct mullion_net_entry *entries, unsigned int n)
{
	u32 headers = 0;
	unsigned int i;

	for (i = 0; i < n; i++) {
		struct page *page = rx_take_page(q, entries[i].cookie);

		if (!i) {
			headers = eth_get_headlen(q->nic->netdev, page_address(page),
						  VISORNIC_HEAD_BYTES);
			memcpy(__skb_put(skb, headers), page_address(page), headers);
		}
		skb_add_rx_frag(skb, i, page, i ? 0 : headers,
				entries[i].length - (i ? 0 : headers), PAGE_SIZE);
	}
}

static struct sk_buff *rx_build(struct visornic_queue *q,
				const struct mullion_net_entry *entries,
				unsigned int n, u32 bytes)
{
	struct sk_buff *skb;

	skb = napi_alloc_skb(&q->napi, VISORNIC_HEAD_BYTES);
	if (!skb)
		return NULL;
	if (bytes <= VISORNIC_HEAD_BYTES) {
		visornic_rx_copy(q, entries, 0, __skb_put(skb, bytes), bytes);
	} else if (q->nic->physical && n <= MAX_SKB_FRAGS &&
		   entries->length > VISORNIC_HEAD_BYTES) {
		rx_take_pages(q, skb, entries, n);
	} else if (!rx_copy_to_pages(q, skb, entries, bytes)) {
		kfree_skb(skb);
		return NULL;
	}
	return skb;
}

enum rx_count {
	RX_PACKETS,
	RX_ERRORS,
	RX_DROPPED,
};

static void rx_count(struct visornic_queue *q, enum rx_count what, u32 bytes,
		     bool multicast)
{
	struct visornic_rx_stats *stats = &q->rx_stats;

	u64_stats_update_begin(&stats->sync);
	switch (what) {
	case RX_PACKETS:
		u64_stats_inc(&stats->packets);
		u64_stats_add(&stats->bytes, bytes);
		if (multicast)
			u64_stats_inc(&stats->multicast);
		break;
	case RX_ERRORS:
		u64_stats_inc(&stats->errors);
		break;
	case RX_DROPPED:
		u64_stats_inc(&stats->dropped);
		break;
	}
	u64_stats_update_end(&stats->sync);
}

/* Takes the buffers of a frame back.  Returns its bytes, 0 if it is none. */
static u32 rx_take_back(struct visornic_queue *q,
			const struct mullion_net_entry *entries, unsigned int n)
{
	u32 bytes = 0;
	bool ok = true;

	for (; n--; entries++) {
		if (!visornic_rx_return(q, entries->cookie)) {
			q->rx_stats.bad_cookies++;
			ok = false;
		} else if (!entries->length ||
			   entries->length > q->nic->buffer_bytes) {
			q->rx_stats.bad_lengths++;
			ok = false;
		} else {
			bytes += entries->length;
		}
	}
	/* Its end was to be in the same message. */
	if (ok && (entries[-1].flags & MULLION_NET_MORE || bytes < ETH_HLEN ||
		   bytes > MULLION_NET_FRAME_MAX)) {
		q->rx_stats.bad_lengths++;
		ok = false;
	}
	return ok ? bytes : 0;
}

static void rx_frame(struct visornic_queue *q,
		     const struct mullion_net_entry *entries, unsigned int n,
		     bool last)
{
	enum visornic_xdp_verdict verdict;
	struct visornic *nic = q->nic;
	struct sk_buff *skb = NULL;
	struct bpf_prog *prog;
	u32 bytes;

	bytes = rx_take_back(q, entries, n);
	if (!bytes) {
		rx_count(q, RX_ERRORS, 0, false);
		return;
	}
	if (!READ_ONCE(nic->receiving)) {
		rx_count(q, RX_DROPPED, 0, false);
		return;
	}
	prog = rcu_dereference_bh(nic->xdp_prog);
	if (prog && last) {
		/* Programs run in NAPI only; nothing passes them by. */
		rx_count(q, RX_DROPPED, 0, false);
		return;
	}
	if (prog) {
		verdict = visornic_xdp_run(q, prog, entries, bytes, &skb);
		if (verdict == VISORNIC_XDP_TAKEN)
			return;
		if (verdict == VISORNIC_XDP_ERROR) {
			rx_count(q, RX_DROPPED, 0, false);
			return;
		}
	} else {
		skb = rx_build(q, entries, n, bytes);
		if (!skb) {
			rx_count(q, RX_DROPPED, 0, false);
			return;
		}
		if (!visornic_rx_offload(q, skb, entries)) {
			q->rx_stats.bad_offloads++;
			rx_count(q, RX_ERRORS, 0, false);
			kfree_skb(skb);
			return;
		}
	}
	bytes = skb->len;
	skb->protocol = eth_type_trans(skb, nic->netdev);
	skb_record_rx_queue(skb, q->index);
	rx_count(q, RX_PACKETS, bytes, skb->pkt_type == PACKET_MULTICAST);
	if (last)
		netif_rx(skb);
	else
		napi_gro_receive(&q->napi, skb);
}

/**
 * visornic_rx_frames() - take frames of the message that was copied
 * @q: the pair, the caller's
 * @budget: how many at most
 * @last: not from NAPI, but while it is disabled
 *
 * Context: bottom halves are off.
 * Return: how many there were.
 */
int visornic_rx_frames(struct visornic_queue *q, int budget, bool last)
{
	const struct mullion_net_batch *m = q->message;
	struct visornic_rx_stats *stats = &q->rx_stats;
	int done = 0;

	if (m->dropped) {
		u64_stats_update_begin(&stats->sync);
		u64_stats_add(&stats->missed, m->dropped);
		u64_stats_update_end(&stats->sync);
		q->message->dropped = 0;
	}
	while (q->next < m->count && done < budget) {
		const struct mullion_net_entry *entries = &m->entries[q->next];
		unsigned int n = 1, left = m->count - q->next;

		while (n < left && entries[n - 1].flags & MULLION_NET_MORE)
			n++;
		rx_frame(q, entries, n, last);
		q->next += n;
		done++;
	}
	return done;
}
