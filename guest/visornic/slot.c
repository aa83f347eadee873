// SPDX-License-Identifier: GPL-2.0-only
/*
 * slot.c - messages as they lie in slots, in both dialects
 *
 * DOC: Theory of Operation
 *
 * Mullion's dialect (MULLION_EXTF_NET_BATCH) puts up to 36 buffers or frames
 * into a message.  An XMIT message stays open while frames are added to it, in
 * the slot itself, where the service cannot see it: its header is written when
 * it is closed, and whoever publishes the queue closes it.  So it does not
 * matter that somebody else posts buffers between two frames.
 *
 * s-Par's dialect has a message for each buffer and each frame.  Its addresses
 * are pages and offsets, in the window's pool or in the guest's memory.
 *
 * What arrives is brought into one form, that of Mullion's dialect, in private
 * memory; nothing else of the driver looks into a slot of a data message.
 */
#include "visornic.h"

/**
 * visornic_slots() - how many messages may be produced now?
 * @q: the pair; its lock is held
 * @wanted: the service's index is looked at if there seem to be fewer
 *
 * Return: free slots, or -EPROTO: then the channel was called faulted.
 */
int visornic_slots(struct visornic_queue *q, int wanted)
{
	struct mullion_sq *sq = q->cmd;
	int slots = sq->max_slots - 1 -
		    mullion_sq_distance(sq, sq->tail, sq->head);

	if (slots < wanted)
		slots = mullion_sq_space(sq);
	if (slots < 0)
		visornic_fault(q->nic, "command queue index out of range");
	return slots;
}

/**
 * visornic_slot() - the next slot to write
 * @q: the pair; its lock is held
 * @slot: set to it
 *
 * Return: 0; -EAGAIN if the ring is full; -EPROTO as visornic_slots().
 */
int visornic_slot(struct visornic_queue *q, struct mullion_io_slot **slot)
{
	void *p;
	int rc;

	rc = mullion_sq_produce(q->cmd, &p);
	if (!rc)
		*slot = p;
	else if (rc == -EAGAIN)
		q->tx_stats.ring_full++;
	else
		visornic_fault(q->nic, "command queue index out of range");
	return rc;
}

/**
 * visornic_slot_wait() - have NAPI scheduled when there is a slot
 * @q: the pair; its lock is held
 *
 * Return: 1 if there is one already; 0; -EPROTO as visornic_slots().  A service
 * that rings no doorbells for this is found out by the slow poll.
 */
int visornic_slot_wait(struct visornic_queue *q)
{
	u32 tail;
	int rc;

	if (!q->cmd->event_index)
		return visornic_slots(q, INT_MAX) > 0;
	/* If the tail has moved meanwhile, what was asked for is over. */
	do {
		tail = q->cmd->tail;
		rc = mullion_sq_producer_arm(q->cmd);
	} while (rc >= 0 && q->cmd->tail != tail);
	if (rc < 0)
		visornic_fault(q->nic, "command queue index out of range");
	return rc;
}

/**
 * visornic_fill() - what every message has
 * @nic: the interface
 * @slot: where it goes
 * @type: NET_* or MULLION_NET_*
 */
void visornic_fill(const struct visornic *nic, struct mullion_io_slot *slot,
		   u32 type)
{
	if (type < MULLION_NET_POST || type == MULLION_NET_OFFLOADS)
		memset(&slot->rsp, 0, sizeof(slot->rsp));
	slot->rsp.cmdtype = CMD_NET_TYPE;
	slot->rsp.net.type = type;
	slot->rsp.net.buf = 0;
	if (nic->slot_ext) {
		slot->ext.epoch = nic->epoch;
		slot->ext.residual = 0;
		slot->ext.request_id = 0;
		slot->ext.flags = 0;
		slot->ext.reserved = 0;
	}
}

static void slot_fill_batch(const struct visornic *nic,
			    struct mullion_io_slot *slot, u32 type, u16 count)
{
	struct mullion_net_batch *batch = (void *)slot;

	visornic_fill(nic, slot, type);
	batch->count = count;
	batch->pad0 = 0;
	batch->dropped = 0;
	memset(batch->pad1, 0, sizeof(batch->pad1));
}

static void slot_close_batch(struct visornic_queue *q)
{
	if (!q->batch)
		return;
	slot_fill_batch(q->nic, q->batch, MULLION_NET_XMIT, q->batch_count);
	q->batch = NULL;
	q->tx_stats.messages++;
}

/**
 * visornic_publish() - show the service all that was produced
 * @q: the pair; its lock is held
 *
 * Return: whether its doorbell is to be rung, after the lock was released.
 */
bool visornic_publish(struct visornic_queue *q)
{
	slot_close_batch(q);
	q->batch_bytes = 0;
	if (!mullion_sq_publish(q->cmd))
		return false;
	q->tx_stats.rings++;
	return true;
}

/* ---- frames to the service -------------------------------------------------- */

static int slot_xmit_batch(struct visornic_queue *q, u64 cookie,
			   const struct visornic_piece *pieces, unsigned int count,
			   const struct mullion_net_entry *first)
{
	struct mullion_net_batch *batch;
	unsigned int i;
	int rc;

	if (q->batch && q->batch_count + count > MULLION_NET_BATCH_MAX)
		slot_close_batch(q);
	if (!q->batch) {
		struct mullion_io_slot *slot;

		rc = visornic_slot(q, &slot);
		if (rc)
			return rc;
		q->batch = slot;
		q->batch_count = 0;
	}
	batch = (void *)q->batch;
	for (i = 0; i < count; i++) {
		struct mullion_net_entry entry = { 0 };

		if (!i)
			entry = *first;
		entry.cookie = cookie;
		entry.address = pieces[i].address;
		entry.length = pieces[i].length;
		if (i + 1 < count)
			entry.flags |= MULLION_NET_MORE;
		batch->entries[q->batch_count++] = entry;
		q->batch_bytes += entry.length;
	}
	return 0;
}

/* A frame's pieces end where pages end. */
static int slot_xmit_spar(struct visornic_queue *q, u64 cookie,
			  const struct visornic_piece *pieces, unsigned int count,
			  const void *header)
{
	struct mullion_io_slot *slot;
	struct net_pkt_xmt *xmt;
	u32 i, frags = 0, bytes = 0;
	int rc;

	rc = visornic_slot(q, &slot);
	if (rc)
		return rc;
	visornic_fill(q->nic, slot, NET_XMIT);
	slot->rsp.net.buf = cookie;
	xmt = &slot->rsp.net.xmt;
	memcpy(xmt->ethhdr, header, sizeof(xmt->ethhdr));
	for (i = 0; i < count; i++) {
		u64 address = pieces[i].address;
		u32 left = pieces[i].length;

		while (left && frags < MAX_PHYS_INFO) {
			u32 n = min_t(u32, left, SZ_4K - (address & (SZ_4K - 1)));

			xmt->frags[frags].pi_pfn = address >> 12;
			xmt->frags[frags].pi_off = address & (SZ_4K - 1);
			xmt->frags[frags].pi_len = n;
			frags++;
			bytes += n;
			address += n;
			left -= n;
		}
	}
	xmt->len = bytes;
	xmt->num_frags = frags;
	q->batch_bytes += bytes;
	q->tx_stats.messages++;
	return 0;
}

/**
 * visornic_slot_xmit() - add a frame to what will be published
 * @q: the pair; its lock is held
 * @cookie: of the frame
 * @pieces: where it lies
 * @count: how many they are, at most VISORNIC_PIECES
 * @entry: its offloads
 * @header: its first ETH_HLEN bytes
 *
 * Return: 0; -EAGAIN if the ring is full; -EPROTO as visornic_slots().
 */
int visornic_slot_xmit(struct visornic_queue *q, u64 cookie,
		       const struct visornic_piece *pieces, unsigned int count,
		       const struct mullion_net_entry *entry, const void *header)
{
	BUILD_BUG_ON(VISORNIC_PIECES > MULLION_NET_CHAIN_MAX);
	return q->nic->batch ? slot_xmit_batch(q, cookie, pieces, count, entry) :
			       slot_xmit_spar(q, cookie, pieces, count, header);
}

/* ---- buffers to the service --------------------------------------------------- */

static u64 slot_buffer(struct visornic_queue *q, u64 *cookie)
{
	u16 i = q->free[--q->free_count];
	struct visornic_buffer *buffer = &q->buffers[i];

	buffer->posts++;
	buffer->posted = true;
	*cookie = visornic_cookie(q, (u64)buffer->posts << 16 | i);
	return q->nic->physical ? buffer->address :
	       q->rx_address + (u64)i * VISORNIC_BUFFER_BYTES;
}

/**
 * visornic_slot_post() - post buffers, in one message
 * @q: the pair; its lock is held, @q->free is the caller's
 * @count: how many, at most @q->free_count and at least 1; they have memory
 *
 * Return: how many were; -EAGAIN if the ring is full; -EPROTO as
 * visornic_slots().
 */
int visornic_slot_post(struct visornic_queue *q, u32 count)
{
	struct visornic *nic = q->nic;
	struct mullion_net_batch *batch;
	struct mullion_io_slot *slot;
	u64 cookie, address;
	u32 i;
	int rc;

	rc = visornic_slot(q, &slot);
	if (rc)
		return rc;
	if (!nic->batch) {
		visornic_fill(nic, slot, NET_RCV_POST);
		address = slot_buffer(q, &cookie);
		slot->rsp.net.buf = cookie;
		slot->rsp.net.rcvpost.frag.pi_pfn = address >> 12;
		slot->rsp.net.rcvpost.frag.pi_off = address & (SZ_4K - 1);
		slot->rsp.net.rcvpost.frag.pi_len = nic->buffer_bytes;
		slot->rsp.net.rcvpost.unique_num = nic->epoch;
		return 1;
	}
	count = min_t(u32, count, MULLION_NET_BATCH_MAX);
	batch = (void *)slot;
	for (i = 0; i < count; i++) {
		struct mullion_net_entry entry = {
			.length = nic->buffer_bytes,
		};

		entry.address = slot_buffer(q, &cookie);
		entry.cookie = cookie;
		batch->entries[i] = entry;
	}
	slot_fill_batch(nic, slot, MULLION_NET_POST, count);
	return count;
}

/* ---- from the service ----------------------------------------------------------- */

static u32 slot_take_batch(struct visornic_queue *q,
			   const struct mullion_net_batch *shared, u32 type)
{
	struct mullion_net_batch *m = q->message;
	u32 dropped, limit = MULLION_NET_BATCH_MAX;
	size_t bytes = sizeof(m->entries[0]);
	u16 count;

	if (type == MULLION_NET_XMIT_DONE) {
		limit = MULLION_NET_DONE_MAX;
		bytes = sizeof(m->cookies[0]);
	} else if (type != MULLION_NET_RCV) {
		return 0;
	}
	count = shared->count;
	dropped = shared->dropped;
	/* What was read above is not to be read again below. */
	barrier();
	if (count > limit)
		return 0;
	visorbus_copy(m->entries, shared->entries, count * bytes);
	m->count = count;
	if (type == MULLION_NET_RCV)
		m->dropped = dropped;
	return type;
}

/*
 * A frame in s-Par's buffers, each but the last of them full.  If that is not so
 * an entry is empty, which nobody takes for a frame; the buffers return.
 */
static u32 slot_take_rcv(struct visornic_queue *q, const struct net_pkt_rcv *rcv)
{
	u32 room = q->nic->buffer_bytes, left = rcv->rcv_done_len;
	struct mullion_net_batch *m = q->message;
	u32 i, count = rcv->numrcvbufs;

	if (!count || count > MAX_NET_RCV_CHAIN)
		return 0;
	for (i = 0; i < count; i++) {
		struct mullion_net_entry entry = {
			.cookie = rcv->rcvbuf[i],
			.length = min(left, room),
			.flags = i + 1 < count ? MULLION_NET_MORE : 0,
		};

		left -= entry.length;
		m->entries[i] = entry;
	}
	if (left)
		m->entries[0].length = 0;
	m->count = count;
	m->dropped = rcv->rcvs_dropped_delta;
	return MULLION_NET_RCV;
}

static u32 slot_take_spar(struct visornic_queue *q,
			  const struct uiscmdrsp_net *shared, u32 type)
{
	struct net_pkt_rcv rcv;
	u32 result;
	u64 cookie;

	if (type == NET_RCV) {
		memcpy(&rcv, &shared->rcv, sizeof(rcv));
		/* What is checked below is what was copied. */
		barrier();
		return slot_take_rcv(q, &rcv);
	}
	if (type != NET_XMIT_DONE)
		return 0;
	cookie = shared->buf;
	result = shared->xmtdone.xmt_done_result;
	q->message->cookies[0] = cookie;
	if (result)
		q->message->cookies[0] |= MULLION_NET_COOKIE_FAILED;
	q->message->count = 1;
	return MULLION_NET_XMIT_DONE;
}

/**
 * visornic_slot_take() - copy a data message into @q->message
 * @q: the pair, the caller's
 * @slot: the message
 * @type: its type, as it was read
 *
 * Return: MULLION_NET_RCV or MULLION_NET_XMIT_DONE, whatever the dialect; 0 if it
 * is no data message, or one that cannot be; then @q->message holds nothing.
 */
u32 visornic_slot_take(struct visornic_queue *q,
		       const struct mullion_io_slot *slot, u32 type)
{
	q->next = 0;
	q->message->count = 0;
	q->message->dropped = 0;
	return q->nic->batch ? slot_take_batch(q, (const void *)slot, type) :
			       slot_take_spar(q, &slot->rsp.net, type);
}
