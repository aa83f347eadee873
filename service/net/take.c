// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/take.c - what clients send: receive buffers and frames
 *
 * DOC: Theory of Operation
 *
 * A message is copied, each byte once and only those in use, before anything
 * in it is looked at; addresses become memory in one place.  Of a frame the
 * first bytes are copied into private memory, too: what the switch decides, it
 * decides from there and delivers from there.  The rest goes straight from
 * pool to pool, so a transmit is answered in the turn that it is taken in.
 *
 * A message is taken only if there is room for its answer.  A client that does
 * not read answers is left alone (queue.blocked) until there is; nobody waits
 * for it.
 *
 * Each queue pair may cost so much in a turn: TAKE_BUDGET, about one for each
 * frame and each delivery of it, more for large ones.  A batch that costs more
 * is gone on with in the next turn.  So nobody waits for more than a frame beyond
 * that of each of the others, not for a storm of broadcasts either.
 *
 * Failure behaviour: a frame that cannot be what it claims to be, too short,
 * too long, outside the pool, with offloads that make no sense, is answered as
 * failed and counted; a buffer that cannot be one is counted and kept until
 * the next disable, as the client was told.  A message of another epoch is
 * dropped and counted, one of an unknown type counted.
 */
#include <errno.h>
#include <string.h>

#include "class.h"

#define TAKE_BUDGET	128
/* Slots for the answers to one message. */
#define TAKE_ANSWERS	2
/* Frames whose first line is fetched ahead. */
#define TAKE_AHEAD	8

/* What every message of the class begins with. */
struct take_head {
	uint8_t cmdtype;
	uint32_t type;
	uint64_t buf;
} MULLION_PACKED;

_Static_assert(sizeof(struct take_head) == offsetof(struct mullion_net_batch, count),
	       "both kinds of messages begin alike");

/* A frame as it was sent: pieces of the client's pool. */
struct take_frame {
	struct iovec pieces[MAX_PHYS_INFO];
	unsigned int count;
	uint64_t bytes;
};

/* ---- frames --------------------------------------------------------------------- */

static bool take_piece(const struct net_nic *nic, struct take_frame *frame,
		       uint64_t address, uint64_t bytes)
{
	void *base = mullion_memory_at(nic->memory, address, bytes);

	if (!base || frame->count == MAX_PHYS_INFO)
		return false;
	if (!bytes)
		return true;
	frame->pieces[frame->count].iov_base = base;
	frame->pieces[frame->count++].iov_len = bytes;
	frame->bytes += bytes;
	return true;
}

/* Copies the head; what remains of the pieces is the body. */
static void take_split(struct take_frame *taken, struct mullion_frame *frame, uint8_t *head)
{
	struct iovec *piece = taken->pieces;
	uint32_t want = frame->packet.head_bytes;

	while (want) {
		uint32_t n = piece->iov_len < want ? (uint32_t)piece->iov_len : want;

		memcpy(head, piece->iov_base, n);
		head += n;
		want -= n;
		if (n < piece->iov_len) {
			piece->iov_base = (uint8_t *)piece->iov_base + n;
			piece->iov_len -= n;
			break;
		}
		piece++;
	}
	frame->body = piece;
	frame->body_count = taken->count - (size_t)(piece - taken->pieces);
}

/* Return: false if it is malformed. */
static bool take_forward(struct net_nic *nic, struct take_frame *taken, uint32_t bytes,
			 const struct mullion_offload *offload)
{
	uint8_t head[MULLION_PACKET_HEAD_MAX];
	struct mullion_frame frame;

	if (bytes < MULLION_ETHER_BYTES || bytes > MULLION_NET_FRAME_MAX)
		return false;
	frame.packet.head = head;
	frame.packet.bytes = bytes;
	frame.packet.head_bytes = bytes < sizeof(head) ? bytes : sizeof(head);
	frame.offload = *offload;
	take_split(taken, &frame, head);
	/* Sent while the link went down: lost, as on a wire. */
	if (!nic->link_up)
		return true;
	return net_forward(&nic->port, &frame);
}

static inline void take_count(struct net_nic *nic, uint64_t bytes, bool good)
{
	if (good) {
		nic->counters->rx_frames++;
		nic->counters->rx_bytes += bytes;
	} else {
		nic->counters->rx_malformed++;
	}
}

/* ---- batches ------------------------------------------------------------------------ */

static inline void take_done(struct net_queue *q, uint64_t cookie, bool good)
{
	if (q->done == MULLION_NET_DONE_MAX)
		net_flush(q);
	cookie &= ~MULLION_NET_COOKIE_FAILED;
	q->cookies[q->done++] = good ? cookie : cookie | MULLION_NET_COOKIE_FAILED;
}

/* Entries of a message, and how many it says there are. */
static uint32_t take_entries(const struct mullion_net_batch *batch,
			     struct mullion_net_entry *entries, uint32_t *count)
{
	uint16_t said;

	memcpy(&said, &batch->count, sizeof(said));
	__asm__ volatile("" : "+m"(said));
	*count = said < MULLION_NET_BATCH_MAX ? said : MULLION_NET_BATCH_MAX;
	memcpy(entries, batch->entries, *count * sizeof(*entries));
	/* What is checked is what is used: no second look at shared memory. */
	__asm__ volatile("" : : "r"(entries) : "memory");
	return said;
}

static inline void take_prefetch(const struct net_nic *nic,
				 const struct mullion_net_entry *entry)
{
	const void *base = mullion_memory_at(nic->memory, entry->address, 1);

	if (base)
		__builtin_prefetch(base);
}

/* A frame of one piece that asks for nothing; false if it is not one of those. */
static inline bool take_plain_frame(struct net_nic *nic, struct net_queue *q,
				    const struct mullion_net_entry *entry)
{
	uint8_t head[MULLION_PACKET_HEAD_MAX];
	uint32_t bytes = entry->length;
	struct mullion_frame frame;
	struct iovec body;
	uint8_t *base;
	bool good;

	if ((entry->flags & (MULLION_NET_MORE | MULLION_NET_NEEDS_CSUM)) ||
	    entry->gso_type || bytes < MULLION_ETHER_BYTES ||
	    bytes > MULLION_NET_FRAME_MAX || !nic->link_up)
		return false;
	base = mullion_memory_at(nic->memory, entry->address, bytes);
	if (!base)
		return false;
	frame.packet.head = head;
	frame.packet.bytes = bytes;
	frame.packet.head_bytes = bytes < sizeof(head) ? bytes : sizeof(head);
	frame.offload = (struct mullion_offload){
		.flags = entry->flags & MULLION_NET_DATA_VALID,
	};
	body.iov_base = base + frame.packet.head_bytes;
	body.iov_len = bytes - frame.packet.head_bytes;
	frame.body = &body;
	frame.body_count = 1;
	net_copy_short(head, base, frame.packet.head_bytes);
	good = net_forward(&nic->port, &frame);
	take_count(nic, bytes, good);
	take_done(q, entry->cookie, good);
	return true;
}

/* The frame that begins with entries[0]; returns its entries. */
static uint32_t take_batch_frame(struct net_nic *nic, struct net_queue *q,
					const struct mullion_net_entry *entries,
					uint32_t count)
{
	struct take_frame frame;
	struct mullion_offload offload = {
		.flags = entries[0].flags &
			 (MULLION_NET_NEEDS_CSUM | MULLION_NET_DATA_VALID),
		.gso_type = entries[0].gso_type,
		.hdr_len = entries[0].hdr_len,
		.gso_size = entries[0].gso_size,
		.csum_start = entries[0].csum_start,
		.csum_offset = entries[0].csum_offset,
	};
	bool good = true;
	uint32_t n = 0;

	frame.count = 0;
	frame.bytes = 0;
	for (;;) {
		const struct mullion_net_entry *entry = &entries[n++];

		good &= take_piece(nic, &frame, entry->address, entry->length);
		if (!(entry->flags & MULLION_NET_MORE))
			break;
		if (n == count) {
			good = false;
			break;
		}
	}
	if ((offload.flags & MULLION_NET_NEEDS_CSUM) || offload.gso_type)
		good &= nic->offload;
	good = good && frame.bytes <= MULLION_NET_FRAME_MAX &&
	       take_forward(nic, &frame, (uint32_t)frame.bytes, &offload);
	take_count(nic, frame.bytes, good);
	take_done(q, entries[0].cookie, good);
	return n;
}

/* The batch that was begun, as far as the budget goes. */
static void take_frames(struct net_nic *nic, struct net_queue *q, uint64_t end)
{
	net_dirty(q);
	while (q->taken < q->frame_count && net.work < end) {
		const struct mullion_net_entry *entry = &q->frames[q->taken];

		net.work++;
		if (q->taken + TAKE_AHEAD < q->frame_count)
			take_prefetch(nic, entry + TAKE_AHEAD);
		if (__builtin_expect(take_plain_frame(nic, q, entry), 1))
			q->taken++;
		else
			q->taken += take_batch_frame(nic, q, entry,
						     q->frame_count - q->taken);
	}
}

static void take_batch(struct net_nic *nic, struct net_queue *q,
		       const struct mullion_net_batch *batch, uint64_t end)
{
	uint32_t count;

	q->taken = 0;
	if (take_entries(batch, q->frames, &count) == count) {
		q->frame_count = count;
		for (uint32_t i = 0; i < count && i < TAKE_AHEAD; i++)
			take_prefetch(nic, &q->frames[i]);
		take_frames(nic, q, end);
		return;
	}
	/* More than there can be: none of it is believed. */
	q->frame_count = 0;
	net_dirty(q);
	for (uint32_t i = 0; i < count; i++) {
		take_done(q, q->frames[i].cookie, false);
		nic->counters->rx_malformed++;
	}
}

static inline bool take_buffer(struct net_nic *nic, struct net_queue *q, uint64_t cookie,
			       void *base, uint32_t bytes)
{
	if (!base || nic->memory->read_only || q->posted == NET_POSTED_MAX) {
		nic->counters->posts_refused++;
		return false;
	}
	q->buffers[q->posted++] = (struct net_buffer){ base, cookie, bytes };
	return true;
}

static void take_used(struct net_nic *nic, struct net_queue *q)
{
	if (q->used)
		return;
	q->used = true;
	nic->used[nic->pairs_used++] = q;
}

static void take_posts(struct net_nic *nic, struct net_queue *q,
		       const struct mullion_net_batch *batch)
{
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX];
	uint32_t count;

	if (take_entries(batch, entries, &count) != count) {
		nic->counters->posts_refused += count;
		return;
	}
	/* From before a disable that was acknowledged: they are the client's again. */
	if (q->outdated)
		return;
	take_used(nic, q);
	for (uint32_t i = 0; i < count; i++) {
		const struct mullion_net_entry *entry = &entries[i];
		void *base = NULL;

		if (entry->length >= NET_BUFFER_MIN && entry->length <= NET_BUFFER_MAX)
			base = mullion_memory_at(nic->memory, entry->address,
						 entry->length);
		take_buffer(nic, q, entry->cookie & ~MULLION_NET_COOKIE_FAILED, base,
			    entry->length);
	}
}

/* ---- s-Par's messages ------------------------------------------------------------------ */

/* Address of a fragment; false if it is beyond all addresses. */
static bool take_fragment(const struct phys_info *fragment, uint64_t *address)
{
	if (fragment->pi_pfn > (UINT64_MAX >> 12) - 16)
		return false;
	*address = (fragment->pi_pfn << 12) + fragment->pi_off;
	return true;
}

static void take_spar_post(struct net_nic *nic, struct net_queue *q, uint64_t cookie,
			   const struct mullion_io_slot *slot)
{
	struct net_pkt_rcvpost post;
	void *base = NULL;
	uint64_t address;

	memcpy(&post, &slot->rsp.net.rcvpost, sizeof(post));
	__asm__ volatile("" : "+m"(post));
	if (nic->owed)
		nic->owed--;
	/* One that it had back before it knew of the end: it frees that itself. */
	if (nic->disabling || net_control_is_outdated(nic))
		return;
	take_used(nic, q);
	if (post.frag.pi_len >= RCVPOST_BUF_SIZE && take_fragment(&post.frag, &address))
		base = mullion_memory_at(nic->memory, address, RCVPOST_BUF_SIZE);
	if (take_buffer(nic, q, cookie, base, RCVPOST_BUF_SIZE))
		q->unique[q->posted - 1] = post.unique_num;
}

static bool take_spar_frame(struct net_nic *nic, const struct mullion_io_slot *slot,
			    uint32_t *bytes)
{
	static const struct mullion_offload none;
	struct phys_info fragments[MAX_PHYS_INFO];
	struct take_frame frame;
	uint32_t size[2];		/* len, num_frags */
	uint64_t address;

	memcpy(size, &slot->rsp.net.xmt, sizeof(size));
	__asm__ volatile("" : "+m"(size));
	*bytes = size[0];
	if (!size[1] || size[1] > MAX_PHYS_INFO || size[0] > MULLION_NET_FRAME_MAX)
		return false;
	memcpy(fragments, slot->rsp.net.xmt.frags, size[1] * sizeof(fragments[0]));
	__asm__ volatile("" : : "r"(fragments) : "memory");
	frame.count = 0;
	frame.bytes = 0;
	for (uint32_t i = 0; i < size[1]; i++) {
		if (!take_fragment(&fragments[i], &address) ||
		    !take_piece(nic, &frame, address, fragments[i].pi_len))
			return false;
	}
	return frame.bytes >= size[0] && take_forward(nic, &frame, size[0], &none);
}

static void take_spar_done(struct net_nic *nic, struct net_queue *q, uint64_t cookie,
			   bool good)
{
	struct mullion_io_slot *slot;
	void *memory = NULL;

	/* There is room, or the client broke its ring. */
	if (mullion_sq_produce(&q->ring->rsp, &memory) < 0) {
		net_nic_fault(nic);
		return;
	}
	slot = memory;
	slot->rsp.cmdtype = CMD_NET_TYPE;
	slot->rsp.net.type = NET_XMIT_DONE;
	slot->rsp.net.buf = cookie;
	slot->rsp.net.xmtdone.xmt_done_result = !good;
	if (nic->slot_ext) {
		memset(&slot->ext, 0, sizeof(slot->ext));
		slot->ext.epoch = nic->epoch;
	}
}

static void take_spar_xmit(struct net_nic *nic, struct net_queue *q, uint64_t cookie,
			   const struct mullion_io_slot *slot)
{
	uint32_t bytes = 0;
	bool good;

	/* Its client forgets it, and what comes after the answer to a disable harms it. */
	if (net_control_is_outdated(nic)) {
		nic->counters->rx_unreachable++;
		return;
	}
	good = !nic->batch && take_spar_frame(nic, slot, &bytes);
	take_count(nic, bytes, good);
	take_spar_done(nic, q, cookie, good);
}

/* ---- rings ----------------------------------------------------------------------------------- */

static bool take_is_stale(struct net_nic *nic, const struct mullion_io_slot *slot)
{
	uint32_t epoch;

	if (!nic->slot_ext)
		return false;
	memcpy(&epoch, &slot->ext.epoch, sizeof(epoch));
	__asm__ volatile("" : "+r"(epoch));
	if (epoch == nic->epoch)
		return false;
	mullion_device_channel_state(nic->device)->stale++;
	return true;
}

static void take_message(struct net_nic *nic, struct net_queue *q,
			 const struct mullion_io_slot *slot, uint64_t end)
{
	struct take_head head;

	memcpy(&head, slot, sizeof(head));
	__asm__ volatile("" : "+m"(head));
	if (take_is_stale(nic, slot))
		return;
	if (head.cmdtype != CMD_NET_TYPE)
		nic->counters->rx_malformed++;
	else if (nic->batch && head.type == MULLION_NET_XMIT)
		take_batch(nic, q, (const void *)slot, end);
	else if (nic->batch && head.type == MULLION_NET_POST)
		take_posts(nic, q, (const void *)slot);
	else if (!nic->batch && head.type == NET_RCV_POST)
		take_spar_post(nic, q, head.buf, slot);
	else if (head.type == NET_XMIT)
		take_spar_xmit(nic, q, head.buf, slot);
	else if (q == &nic->queues[0] && net_control_knows(head.type))
		net_control_message(nic, head.type, slot);
	else
		nic->counters->rx_malformed++;
}

/* Is there something to be taken?  Negative as mullion_sq_pending(). */
static inline int take_pending(struct net_queue *q)
{
	struct mullion_sq *cmd = &q->ring->cmd;

	if (q->taken < q->frame_count || cmd->tail != cmd->head)
		return 1;
	return mullion_sq_pending(cmd);
}

static unsigned int take_queue(struct net_nic *nic, struct net_queue *q)
{
	struct mullion_queue *ring = q->ring;
	uint64_t end = net.work + TAKE_BUDGET;
	unsigned int n = 0;

	ring->blocked = 0;
	while (net.work < end && nic->serving) {
		const void *slot = NULL;
		int ret = take_pending(q);

		if (ret < 0) {
			net_nic_fault(nic);
			return n;
		}
		if (!ret)
			break;
		if (!net_room(q, TAKE_ANSWERS)) {
			ring->blocked = TAKE_ANSWERS;
			break;
		}
		n++;
		if (q->taken < q->frame_count) {
			take_frames(nic, q, end);
			continue;
		}
		mullion_sq_consume(&ring->cmd, &slot);
		__builtin_prefetch(mullion_sq_slot(&ring->cmd,
				   mullion_sq_next(&ring->cmd, ring->cmd.tail)));
		take_message(nic, q, slot, end);
		q->outdated -= q->outdated != 0;
		net.work++;
	}
	return n;
}

unsigned int net_poll(struct mullion_device *device)
{
	struct net_nic *nic = mullion_device_private(device);
	unsigned int n = 0;

	if (nic->disabling || nic->tell_link || nic->tell_mac)
		n += net_control_poll(nic);
	for (unsigned int i = 0; i < NET_PAIRS && nic->serving; i++)
		n += take_queue(nic, &nic->queues[i]);
	if (n)
		mullion_device_channel_state(device)->requests += n;
	return n;
}
