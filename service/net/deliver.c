// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/deliver.c - frames into clients' receive buffers
 *
 * DOC: Theory of Operation
 *
 * The buffers of a queue pair are a stack: the one posted last is used first,
 * because its lines are the most likely to be in a cache.  A frame takes as
 * many as it needs, filling each but the last, and is copied straight from the
 * sender's pool; what has gone by then is described by entries that are
 * collected and written into the response ring 36 at a time.
 *
 * s-Par's receive message names the buffers of one frame: at most five of 4032
 * bytes, one message per frame.  Its guests look at their ring at each tick of
 * their clock, and say nothing when they are reset: so one that has not read for a
 * second gets nothing more, because its buffers may be something else's
 * memory by now.
 *
 * Failure behaviour: without buffers enough, or with a response ring that its
 * client does not empty, a frame is dropped for this client alone and counted.
 * A posted buffer stays posted then.  Some slots of the ring are never used
 * for frames, so that a client that sends but does not listen gets answers.
 */
#include <errno.h>
#include <string.h>

#include "net.h"

/* Buffers of the stack that are fetched ahead of their use. */
#define DELIVER_AHEAD	6
/* For so long an s-Par client may leave a message unread. */
#define DELIVER_UNREAD_NS	1000000000ULL

static inline void deliver_prefetch(const struct net_queue *q)
{
	if (q->posted > DELIVER_AHEAD) {
		uint8_t *p = q->buffers[q->posted - 1 - DELIVER_AHEAD].base;

#if defined(__x86_64__)
		/* To be written: without a second request for the line. */
		__asm__ volatile("prefetchw %0" : : "m"(*p));
#else
		__builtin_prefetch(p, 1);
#endif
	}
}

/* ---- messages ------------------------------------------------------------- */

static void deliver_ext(const struct net_nic *nic, struct mullion_io_slot *slot)
{
	if (!nic->slot_ext)
		return;
	memset(&slot->ext, 0, sizeof(slot->ext));
	slot->ext.epoch = nic->epoch;
}

/* A slot for which there is room; NULL only if the client broke its ring. */
static struct mullion_io_slot *deliver_slot(struct net_queue *q)
{
	void *memory = NULL;

	if (mullion_sq_produce(&q->ring->rsp, &memory) < 0) {
		net_nic_fault(q->nic);
		return NULL;
	}
	return memory;
}

static struct mullion_net_batch *deliver_batch(struct net_queue *q, uint32_t type,
					       uint32_t count)
{
	struct mullion_io_slot *slot = deliver_slot(q);
	struct mullion_net_batch *batch = (void *)slot;

	if (!slot)
		return NULL;
	memset(batch, 0, offsetof(struct mullion_net_batch, entries));
	batch->cmdtype = CMD_NET_TYPE;
	batch->type = type;
	batch->count = (uint16_t)count;
	deliver_ext(q->nic, slot);
	return batch;
}

static void deliver_flush_received(struct net_queue *q)
{
	struct mullion_net_batch *batch;
	uint32_t count = q->received;

	q->received = 0;
	batch = deliver_batch(q, MULLION_NET_RCV, count);
	if (!batch)
		return;
	batch->dropped = q->dropped;
	q->dropped = 0;
	memcpy(batch->entries, q->entries, count * sizeof(q->entries[0]));
}

static void deliver_flush_done(struct net_queue *q)
{
	struct mullion_net_batch *batch;
	uint32_t count = q->done;

	q->done = 0;
	batch = deliver_batch(q, MULLION_NET_XMIT_DONE, count);
	if (batch)
		memcpy(batch->cookies, q->cookies, count * sizeof(q->cookies[0]));
}

void net_flush(struct net_queue *q)
{
	if (q->received)
		deliver_flush_received(q);
	if (q->done)
		deliver_flush_done(q);
}

void net_withdraw(struct net_nic *nic)
{
	for (unsigned int i = 0; i < NET_PAIRS; i++)
		nic->queues[i].posted = 0;
	nic->owed = 0;
}

/* ---- buffers ---------------------------------------------------------------- */

static inline struct net_queue *deliver_queue(const struct net_nic *nic, uint32_t hash)
{
	if (nic->pairs_used == 1)
		return nic->used[0];
	if (!nic->pairs_used)
		return NULL;
	return nic->used[(uint64_t)hash * nic->pairs_used >> 32];
}

static void deliver_drop(struct net_nic *nic, struct net_queue *q)
{
	nic->counters->tx_no_buffer++;
	if (q)
		q->dropped++;
}

static inline bool deliver_room(struct net_queue *q, unsigned int buffers)
{
	if (q->received + buffers > MULLION_NET_BATCH_MAX) {
		deliver_flush_received(q);
		mullion_queue_publish(q->ring);
	}
	return q->received || net_room(q, NET_RESERVE + 1);
}

/* Is there an s-Par client that reads what it gets? */
static bool deliver_is_read(struct net_nic *nic, struct net_queue *q)
{
	struct mullion_sq *rsp = &q->ring->rsp;

	if (!net_room(q, NET_RESERVE + 1))
		return false;
	if (mullion_sq_space(rsp) == (int)rsp->max_slots - 1) {
		nic->unread_until = 0;
		return true;
	}
	if (!nic->unread_until || rsp->tail != nic->read_tail) {
		nic->read_tail = rsp->tail;
		nic->unread_until = net_now() + DELIVER_UNREAD_NS;
	}
	return net_now() < nic->unread_until;
}

/*
 * The buffers that a frame of @bytes will take, from the top of the stack.
 * Return: how many, 0 if it cannot be delivered.
 */
static unsigned int deliver_reserve(struct net_nic *nic, struct net_queue *q, uint32_t bytes,
				    struct iovec *iov)
{
	unsigned int most = nic->batch ? MULLION_NET_CHAIN_MAX : MAX_NET_RCV_CHAIN;
	unsigned int n = 0;
	uint64_t sum = 0;

	while (sum < bytes) {
		const struct net_buffer *buffer;

		if (n == q->posted || n == most)
			return 0;
		buffer = &q->buffers[q->posted - 1 - n];
		iov[n].iov_base = buffer->base;
		iov[n++].iov_len = buffer->bytes;
		sum += buffer->bytes;
	}
	return (nic->batch ? deliver_room(q, n) : deliver_is_read(nic, q)) ? n : 0;
}

/* The frame is in the first @n buffers: they are the client's. */
static void deliver_entries(struct net_queue *q, unsigned int n, uint32_t bytes,
			    const struct mullion_offload *offload)
{
	struct mullion_net_entry *entry = &q->entries[q->received];

	for (unsigned int i = 0; i < n; i++, entry++) {
		const struct net_buffer *buffer = &q->buffers[--q->posted];
		uint32_t length = bytes < buffer->bytes ? bytes : buffer->bytes;

		*entry = (struct mullion_net_entry){
			.cookie = buffer->cookie,
			.length = length,
			.flags = i + 1 < n ? MULLION_NET_MORE : 0,
		};
		bytes -= length;
		deliver_prefetch(q);
	}
	entry -= n;
	if (offload) {
		entry->flags |= offload->flags;
		entry->gso_type = offload->gso_type;
		entry->hdr_len = offload->hdr_len;
		entry->gso_size = offload->gso_size;
		entry->csum_start = offload->csum_start;
		entry->csum_offset = offload->csum_offset;
	}
	q->received += n;
	net_dirty(q);
}

static void deliver_spar(struct net_queue *q, unsigned int n, uint32_t bytes)
{
	struct mullion_io_slot *slot = deliver_slot(q);
	struct net_nic *nic = q->nic;
	struct uiscmdrsp_net *message;

	if (!slot)
		return;
	message = &slot->rsp.net;
	memset(message, 0, offsetof(struct uiscmdrsp_net, rcv) + sizeof(message->rcv));
	slot->rsp.cmdtype = CMD_NET_TYPE;
	message->type = NET_RCV;
	message->rcv.rcv_done_len = bytes;
	message->rcv.numrcvbufs = (uint8_t)n;
	message->rcv.unique_num = q->unique[q->posted - 1];
	for (unsigned int i = 0; i < n; i++)
		message->rcv.rcvbuf[i] = q->buffers[--q->posted].cookie;
	message->buf = message->rcv.rcvbuf[0];
	message->rcv.rcvs_dropped_delta = q->dropped;
	q->dropped = 0;
	nic->owed += n;
	deliver_ext(nic, slot);
}

static inline void deliver_commit(struct net_nic *nic, struct net_queue *q, unsigned int n,
				  uint32_t bytes, const struct mullion_offload *offload)
{
	nic->counters->tx_frames++;
	nic->counters->tx_bytes += bytes;
	if (nic->batch)
		deliver_entries(q, n, bytes, offload);
	else
		deliver_spar(q, n, bytes);
}

/* ---- frames ------------------------------------------------------------------- */

/* Most frames: one buffer is enough. */
static inline bool deliver_one(struct net_nic *nic, struct net_queue *q,
			       const struct mullion_frame *frame)
{
	uint32_t bytes = frame->packet.bytes;
	uint32_t head_bytes = frame->packet.head_bytes;
	struct net_buffer buffer;

	if (!nic->batch || !q->posted)
		return false;
	buffer = q->buffers[q->posted - 1];
	if (buffer.bytes < bytes || !deliver_room(q, 1))
		return false;
	net_copy_short(buffer.base, frame->packet.head, head_bytes);
	if (bytes > head_bytes) {
		if (frame->body_count == 1)
			memcpy(buffer.base + head_bytes, frame->body->iov_base,
			       bytes - head_bytes);
		else
			mullion_frame_copy(frame, &(struct iovec){ buffer.base, bytes }, 1);
	}
	q->posted--;
	q->entries[q->received++] = (struct mullion_net_entry){
		.cookie = buffer.cookie,
		.length = bytes,
	};
	deliver_prefetch(q);
	net_dirty(q);
	nic->counters->tx_frames++;
	nic->counters->tx_bytes += bytes;
	return true;
}

void net_deliver(struct net_nic *nic, const struct mullion_frame *frame)
{
	struct net_queue *q = deliver_queue(nic, frame->packet.hash);
	struct iovec iov[MULLION_NET_CHAIN_MAX];
	uint32_t bytes = frame->packet.bytes;
	unsigned int n;

	net.work += net_cost(bytes);
	if (q && deliver_one(nic, q, frame))
		return;
	n = q ? deliver_reserve(nic, q, bytes, iov) : 0;
	if (!n) {
		deliver_drop(nic, q);
		return;
	}
	mullion_frame_copy(frame, iov, n);
	deliver_commit(nic, q, n, bytes, NULL);
}

static void deliver_segments(struct net_nic *nic, struct net_queue *q,
			     const struct mullion_frame *frame)
{
	struct iovec iov[MULLION_NET_CHAIN_MAX];
	struct mullion_segments segments;

	mullion_segments_begin(&segments, frame);
	while (segments.bytes) {
		uint32_t bytes = segments.bytes;
		unsigned int n = deliver_reserve(nic, q, bytes, iov);

		net.work += net_cost(bytes);
		if (n) {
			mullion_segments_copy(&segments, iov, n);
			deliver_commit(nic, q, n, bytes, NULL);
		} else {
			mullion_segments_skip(&segments);
			deliver_drop(nic, q);
		}
	}
}

void net_deliver_offload(struct net_nic *nic, const struct mullion_frame *frame)
{
	struct net_queue *q = deliver_queue(nic, frame->packet.hash);
	struct mullion_offload offload = frame->offload;
	uint32_t bytes = frame->packet.bytes;
	struct iovec iov[MULLION_NET_CHAIN_MAX];
	enum mullion_offload_work work;
	unsigned int n;

	work = mullion_offload_work(&offload, nic->takes);
	if (q && work == MULLION_OFFLOAD_SEGMENT) {
		deliver_segments(nic, q, frame);
		return;
	}
	net.work += net_cost(bytes);
	n = q ? deliver_reserve(nic, q, bytes, iov) : 0;
	if (!n) {
		deliver_drop(nic, q);
		return;
	}
	if (work == MULLION_OFFLOAD_CSUM) {
		mullion_frame_copy_csum(frame, iov, n);
		offload.flags &= ~MULLION_NET_NEEDS_CSUM;
	} else {
		mullion_frame_copy(frame, iov, n);
	}
	if (!(nic->takes & MULLION_NET_RX_CSUM))
		offload.flags = 0;
	/* who cuts it must know that CWR belongs to the first segment only */
	offload.gso_type = mullion_offload_gso_type(frame);
	deliver_commit(nic, q, n, bytes, &offload);
}
