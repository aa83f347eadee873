// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/net_io.c - a process guest's NIC: frames into and out of rings
 *
 * DOC: Theory of Operation
 *
 * A message carries up to 36 entries.  Sending appends to a message that is not
 * shown yet, so frames that come one at a time share messages too; a frame is
 * never divided among messages.  Buffers are posted again in whole messages.
 *
 * The cookie on the wire is the buffer's number; an array says what it may come
 * back as.  Free buffers are a stack: those used last, which are still in the
 * cache, are used first.  What a service returns is believed as far as the array
 * goes: a buffer that it does not have, a length beyond the buffer's, a frame
 * without end, each is a fault.  A frame with an offload that was never asked for,
 * or that makes no sense, may be another guest's doing: it is dropped and counted.
 *
 * Received frames go straight to the caller's array; those that come while he
 * only waits are kept in a ring with room for every buffer that there is.
 */
#include <errno.h>
#include <string.h>

#include "net_internal.h"

/* Fewer are not worth a message, unless few is all there is. */
static inline uint32_t io_post_batch(const struct mullion_net *nic)
{
	return nic->target < 2 * MULLION_NET_BATCH_MAX ? (nic->target + 1) / 2 :
							 MULLION_NET_BATCH_MAX;
}

static inline uint8_t *io_data(const struct mullion_net *nic, uint32_t buffer)
{
	return nic->area + (uint64_t)buffer * nic->stride;
}

/* An empty message, or NULL if there is no room. */
static struct mullion_net_batch *io_batch(struct mullion_net *nic, unsigned int pair,
					  uint32_t type)
{
	struct mullion_net_batch *batch;
	struct mullion_io_slot *slot;
	void *memory;
	int ret;

	ret = mullion_sq_produce(&nic->client.pair[pair].cmd, &memory);
	if (ret < 0) {
		if (ret == -EPROTO)
			nic->client.faulted = true;
		return NULL;
	}
	slot = memory;
	slot->ext.epoch = (uint32_t)nic->client.attach.epoch;
	batch = memory;
	batch->cmdtype = CMD_NET_TYPE;
	batch->type = type;
	batch->reserved = 0;
	batch->count = 0;
	batch->dropped = 0;
	return batch;
}

/* ---- receive buffers ----------------------------------------------------- */

static void io_post_entries(struct mullion_net *nic, unsigned int pair,
			    struct mullion_net_batch *batch, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		struct mullion_net_entry *entry = &batch->entries[i];
		uint32_t buffer = nic->free[--nic->free_count];

		nic->state[buffer] = (uint8_t)(NIC_POSTED + pair);
		entry->cookie = buffer;
		entry->address = nic->offset + (uint64_t)buffer * nic->stride;
		entry->length = nic->buffer_bytes;
		memset(&entry->flags, 0, sizeof(*entry) -
		       offsetof(struct mullion_net_entry, flags));
	}
	batch->count = (uint16_t)count;
	nic->pair[pair].posted += count;
	nic->posted += count;
	nic->statistics.posts += count;
}

bool nic_io_post(struct mullion_net *nic)
{
	uint32_t least = io_post_batch(nic);

	for (unsigned int i = 0; i < nic->client.pairs; i++) {
		for (;;) {
			uint32_t count = nic->target - nic->pair[i].posted;
			struct mullion_net_batch *batch;

			if (count > MULLION_NET_BATCH_MAX)
				count = MULLION_NET_BATCH_MAX;
			if (count > nic->free_count)
				count = nic->free_count;
			if (count < least)
				break;
			batch = io_batch(nic, i, MULLION_NET_POST);
			if (!batch)
				return true;
			io_post_entries(nic, i, batch, count);
		}
	}
	return false;
}

void mullion_net_return(struct mullion_net *nic,
			const struct mullion_net_piece *pieces, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint32_t buffer = pieces[i].buffer;

		if (buffer >= nic->buffers || nic->state[buffer] != NIC_CALLER)
			continue;
		nic->state[buffer] = NIC_FREE;
		nic->free[nic->free_count++] = buffer;
	}
	if (nic->client.attached && !nic->client.paused && nic_io_post(nic))
		nic->client.waiting = true;
}

unsigned int mullion_net_alloc(struct mullion_net *nic,
			       struct mullion_net_piece *pieces, unsigned int count)
{
	uint32_t kept = nic->client.pairs * nic->target - nic->posted;

	if (nic->free_count <= kept)
		return 0;
	if (count > nic->free_count - kept)
		count = nic->free_count - kept;
	for (unsigned int i = 0; i < count; i++) {
		uint32_t buffer = nic->free[--nic->free_count];

		nic->state[buffer] = NIC_CALLER;
		pieces[i] = (struct mullion_net_piece){
			.data = io_data(nic, buffer),
			.buffer = buffer,
			.bytes = nic->buffer_bytes,
		};
	}
	return count;
}

void nic_io_forget(struct mullion_net *nic)
{
	/* Highest first, so that the lowest are on top. */
	nic->free_count = 0;
	for (uint32_t i = nic->buffers; i-- > 0;) {
		if (nic->state[i] == NIC_CALLER)
			continue;
		if (nic->state[i] == NIC_SENT)
			nic->statistics.tx_lost++;
		nic->state[i] = NIC_FREE;
		nic->free[nic->free_count++] = i;
	}
	for (unsigned int i = 0; i < nic->client.pairs; i++) {
		nic->pair[i].posted = 0;
		nic->pair[i].open = NULL;
	}
	nic->posted = 0;
}

/* ---- sending ------------------------------------------------------------- */

static inline bool io_piece_ok(const struct mullion_net *nic,
			       const struct mullion_net_piece *piece)
{
	uint64_t at;

	if (piece->buffer >= nic->buffers || nic->state[piece->buffer] != NIC_CALLER)
		return false;
	at = (uint64_t)((uintptr_t)piece->data - (uintptr_t)io_data(nic, piece->buffer));
	return piece->bytes && at <= nic->buffer_bytes &&
	       piece->bytes <= nic->buffer_bytes - at;
}

/* Bytes of a frame if it may be sent, else 0; its buffers are marked as sent. */
static uint32_t io_frame_take(struct mullion_net *nic,
			      const struct mullion_net_piece *pieces,
			      unsigned int count)
{
	uint32_t bytes = 0;
	unsigned int i;

	if ((pieces->gso_type || pieces->flags & MULLION_NET_NEEDS_CSUM) &&
	    !nic->can_offload)
		return 0;
	/* Marked at once: a buffer that is named twice would be a ring. */
	for (i = 0; i < count && io_piece_ok(nic, &pieces[i]); i++) {
		nic->state[pieces[i].buffer] = i ? NIC_SENT_MORE : NIC_SENT;
		nic->chain[pieces[i].buffer] =
			i + 1 < count ? pieces[i + 1].buffer : UINT32_MAX;
		bytes += pieces[i].bytes;
	}
	if (i == count && bytes >= ETH_HEADER_SIZE && bytes <= MULLION_NET_FRAME_MAX)
		return bytes;
	while (i-- > 0)
		nic->state[pieces[i].buffer] = NIC_CALLER;
	return 0;
}

static void io_frame_free(struct mullion_net *nic, uint32_t buffer)
{
	while (buffer != UINT32_MAX) {
		nic->state[buffer] = NIC_FREE;
		nic->free[nic->free_count++] = buffer;
		buffer = nic->chain[buffer];
	}
}

static inline void io_entry_fill(const struct mullion_net *nic,
				 struct mullion_net_entry *entry,
				 const struct mullion_net_piece *piece)
{
	const uint64_t *meta = (const void *)&piece->flags;

	_Static_assert(offsetof(struct mullion_net_piece, flags) == 16 &&
		       offsetof(struct mullion_net_piece, csum_offset) -
		       offsetof(struct mullion_net_piece, flags) ==
		       offsetof(struct mullion_net_entry, csum_offset) -
		       offsetof(struct mullion_net_entry, flags),
		       "flags to csum_start are alike and copied as one word");
	entry->cookie = piece->buffer;
	entry->address = nic->offset + (uint64_t)(piece->data - nic->area);
	entry->length = piece->bytes;
	memcpy(&entry->flags, meta, sizeof(*meta));
	entry->csum_offset = piece->csum_offset;
	entry->reserved = 0;
}

/* Pieces of the frame that begins there, or 0 if it has no end. */
static inline unsigned int io_frame_pieces(const struct mullion_net_piece *pieces,
					   unsigned int count)
{
	unsigned int n = 1;

	while (pieces[n - 1].flags & MULLION_NET_MORE) {
		if (n == count || n == MULLION_NET_CHAIN_MAX)
			return 0;
		n++;
	}
	return n;
}

static bool io_open(struct mullion_net *nic, unsigned int pair, unsigned int entries)
{
	struct nic_pair *p = &nic->pair[pair];

	if (p->open && p->open_count + entries <= MULLION_NET_BATCH_MAX)
		return true;
	p->open = io_batch(nic, pair, MULLION_NET_XMIT);
	p->open_count = 0;
	return p->open;
}

static int io_may_send(const struct mullion_net *nic)
{
	if (!nic->client.guest)
		return -ENODEV;
	if (nic->client.faulted)
		return -EPROTO;
	return nic->client.attached && !nic->client.paused;
}

int mullion_net_send(struct mullion_net *nic, unsigned int pair,
		     const struct mullion_net_piece *pieces, unsigned int count)
{
	unsigned int done = 0;
	struct nic_pair *p;
	int ret = io_may_send(nic);

	if (ret <= 0)
		return ret;
	pair %= nic->client.pairs;
	p = &nic->pair[pair];
	while (done < count) {
		unsigned int n = io_frame_pieces(pieces + done, count - done);
		uint32_t bytes;

		if (n && !io_open(nic, pair, n))
			break;
		bytes = n ? io_frame_take(nic, pieces + done, n) : 0;
		if (!bytes) {
			ret = -EINVAL;
			break;
		}
		for (unsigned int i = 0; i < n; i++)
			io_entry_fill(nic, &p->open->entries[p->open_count++],
				      &pieces[done + i]);
		p->open->count = (uint16_t)p->open_count;
		nic->statistics.tx_frames++;
		nic->statistics.tx_bytes += bytes;
		done += n;
	}
	if (nic->client.faulted)
		return -EPROTO;
	return !done && ret < 0 ? ret : (int)done;
}

int mullion_net_send_copy(struct mullion_net *nic, unsigned int pair,
			  const void *frame, size_t bytes,
			  const struct mullion_net_piece *meta)
{
	struct mullion_net_piece pieces[MULLION_NET_CHAIN_MAX];
	const uint8_t *from = frame;
	unsigned int count, got;
	int ret;

	count = (unsigned int)((bytes + nic->buffer_bytes - 1) / nic->buffer_bytes);
	if (bytes < ETH_HEADER_SIZE || bytes > MULLION_NET_FRAME_MAX ||
	    count > MULLION_NET_CHAIN_MAX)
		return -EINVAL;
	ret = io_may_send(nic);
	if (ret <= 0)
		return ret ? ret : -EAGAIN;
	got = mullion_net_alloc(nic, pieces, count);
	ret = -EAGAIN;
	if (got < count)
		goto give_back;
	for (unsigned int i = 0; i < count; i++) {
		if (bytes < pieces[i].bytes)
			pieces[i].bytes = (uint32_t)bytes;
		memcpy(pieces[i].data, from, pieces[i].bytes);
		from += pieces[i].bytes;
		bytes -= pieces[i].bytes;
		if (i + 1 < count)
			pieces[i].flags = MULLION_NET_MORE;
	}
	if (meta) {
		pieces[0].flags |= meta->flags &
			(MULLION_NET_NEEDS_CSUM | MULLION_NET_DATA_VALID);
		pieces[0].gso_type = meta->gso_type;
		pieces[0].hdr_len = meta->hdr_len;
		pieces[0].gso_size = meta->gso_size;
		pieces[0].csum_start = meta->csum_start;
		pieces[0].csum_offset = meta->csum_offset;
	}
	ret = mullion_net_send(nic, pair, pieces, count);
	if (ret > 0)
		return 0;
	if (!ret)
		ret = -EAGAIN;
give_back:
	mullion_net_return(nic, pieces, got);
	return ret;
}

static int io_done(struct mullion_net *nic, const struct mullion_net_batch *batch)
{
	unsigned int count = mullion_client_read_u16(&batch->count);

	if (!count || count > MULLION_NET_DONE_MAX)
		return -EPROTO;
	for (unsigned int i = 0; i < count; i++) {
		uint64_t cookie = mullion_client_read_u64(&batch->cookies[i]);
		uint64_t buffer = cookie & ~MULLION_NET_COOKIE_FAILED;

		if (buffer >= nic->buffers || nic->state[buffer] != NIC_SENT)
			return -EPROTO;
		if (cookie & MULLION_NET_COOKIE_FAILED)
			nic->statistics.tx_failed++;
		io_frame_free(nic, (uint32_t)buffer);
	}
	nic->statistics.tx_done += count;
	nic->client.progress += count;
	return 0;
}

/* ---- receiving ----------------------------------------------------------- */

/* What a received frame wants of us must have been offered. */
static bool io_offload_ok(const struct mullion_net *nic,
			  const struct mullion_net_piece *first, uint32_t bytes)
{
	uint32_t needs = 0;

	if (first->flags & MULLION_NET_NEEDS_CSUM) {
		needs |= MULLION_NET_RX_CSUM;
		if ((uint32_t)first->csum_start + first->csum_offset + 2 > bytes)
			return false;
	}
	switch (first->gso_type & ~MULLION_NET_GSO_ECN) {
	case MULLION_NET_GSO_NONE:
		return !(needs & ~nic->offloads_told) && !first->gso_type;
	case MULLION_NET_GSO_TCPV4:
		needs |= MULLION_NET_RX_TSO4;
		break;
	case MULLION_NET_GSO_TCPV6:
		needs |= MULLION_NET_RX_TSO6;
		break;
	case MULLION_NET_GSO_UDP_L4:
		needs |= MULLION_NET_RX_USO;
		break;
	default:
		return false;
	}
	return !(needs & ~nic->offloads_told) && first->gso_size;
}

/* An entry, each byte of it read once; false if it is no buffer of this pair. */
static inline bool io_entry_read(struct mullion_net *nic, unsigned int pair,
				 const struct mullion_net_entry *entry,
				 struct mullion_net_piece *piece)
{
	uint64_t buffer = mullion_client_read_u64(&entry->cookie);
	uint32_t bytes = mullion_client_read_u32(&entry->length);
	uint64_t meta = mullion_client_read_u64(&entry->flags);

	if (buffer >= nic->buffers ||
	    nic->state[buffer] != (uint8_t)(NIC_POSTED + pair) ||
	    bytes - 1 >= nic->buffer_bytes)
		return false;
	nic->state[buffer] = NIC_CALLER;
	piece->data = io_data(nic, (uint32_t)buffer);
	piece->buffer = (uint32_t)buffer;
	piece->bytes = bytes;
	memcpy(&piece->flags, &meta, sizeof(meta));
	piece->csum_offset = mullion_client_read_u16(&entry->csum_offset);
	piece->reserved = 0;
	__builtin_prefetch(piece->data);
	return true;
}

/* Give a frame's buffers back: nothing of it reaches the caller. */
static void io_drop(struct mullion_net *nic, const struct mullion_net_piece *pieces,
		    const struct mullion_net_piece *end)
{
	for (; pieces < end; pieces++) {
		nic->state[pieces->buffer] = NIC_FREE;
		nic->free[nic->free_count++] = pieces->buffer;
	}
	nic->statistics.rx_malformed++;
}

/*
 * Pieces of one message, checked; returns how many there are of whole frames,
 * or -EPROTO.
 */
static int io_read_frames(struct mullion_net *nic, unsigned int pair,
			  const struct mullion_net_batch *batch, unsigned int count,
			  struct mullion_net_piece *pieces)
{
	struct mullion_net_piece *first = pieces, *piece = pieces;
	uint64_t frames = 0, sum = 0;
	uint32_t bytes = 0;

	for (unsigned int i = 0; i < count; i++) {
		if (!io_entry_read(nic, pair, &batch->entries[i], piece))
			return -EPROTO;
		nic->pair[pair].posted--;
		nic->posted--;
		bytes += piece->bytes;
		/* All but the first of a frame say nothing but MORE. */
		if (piece != first) {
			uint64_t meta = piece->flags & MULLION_NET_MORE;

			memcpy(&piece->flags, &meta, sizeof(meta));
			piece->csum_offset = 0;
		}
		if (piece++->flags & MULLION_NET_MORE)
			continue;
		if (bytes < ETH_HEADER_SIZE || bytes > MULLION_NET_FRAME_MAX ||
		    first->flags & ~(MULLION_NET_NEEDS_CSUM |
				     MULLION_NET_DATA_VALID | MULLION_NET_MORE))
			return -EPROTO;
		if ((first->gso_type || first->flags & MULLION_NET_NEEDS_CSUM) &&
		    !io_offload_ok(nic, first, bytes)) {
			io_drop(nic, first, piece);
			piece = first;
		} else {
			frames++;
			sum += bytes;
		}
		bytes = 0;
		first = piece;
	}
	if (bytes)
		return -EPROTO;
	nic->statistics.rx_frames += frames;
	nic->statistics.rx_bytes += sum;
	nic->client.progress += frames;
	return (int)(piece - pieces);
}

static void io_keep(struct mullion_net *nic, const struct mullion_net_piece *pieces,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		nic->backlog[nic->backlog_head++ & nic->backlog_mask] = pieces[i];
}

static int io_received(struct mullion_net *nic, unsigned int pair,
		       const struct mullion_net_batch *batch)
{
	struct mullion_net_piece local[MULLION_NET_BATCH_MAX];
	unsigned int count = mullion_client_read_u16(&batch->count);
	bool direct = nic->out && count <= nic->out_room &&
		      nic->backlog_head == nic->backlog_tail;
	int taken;

	if (count > MULLION_NET_BATCH_MAX)
		return -EPROTO;
	nic->statistics.rx_dropped += mullion_client_read_u32(&batch->dropped);
	taken = io_read_frames(nic, pair, batch, count,
			       direct ? nic->out + nic->out_count : local);
	if (taken < 0)
		return taken;
	if (direct) {
		nic->out_count += (unsigned int)taken;
		nic->out_room -= (unsigned int)taken;
	} else {
		io_keep(nic, local, (unsigned int)taken);
	}
	return 0;
}

static int io_message(struct mullion_net *nic, unsigned int pair,
		      const struct mullion_io_slot *slot)
{
	const struct mullion_net_batch *batch = (const void *)slot;
	uint32_t type;

	if (mullion_client_is_stale(&nic->client, slot)) {
		nic->client.counters.stale++;
		return 0;
	}
	if (*(const volatile uint8_t *)&batch->cmdtype != CMD_NET_TYPE)
		return -EPROTO;
	type = mullion_client_read_u32(&batch->type);
	switch (type) {
	case MULLION_NET_RCV:
		return io_received(nic, pair, batch);
	case MULLION_NET_XMIT_DONE:
		return io_done(nic, batch);
	default:
		return pair ? -EPROTO : nic_control_message(nic, slot, type);
	}
}

/* Cache lines of the next message: its head and the first entries. */
static inline void io_prefetch(const struct mullion_sq *q)
{
	const uint8_t *slot = mullion_sq_slot(q, mullion_sq_next(q, q->tail));

	for (unsigned int i = 0; i < 6; i++)
		__builtin_prefetch(slot + i * 64);
	__builtin_prefetch(slot + offsetof(struct mullion_io_slot, ext.epoch));
}

static int io_reap_pair(struct mullion_net *nic, unsigned int pair)
{
	struct mullion_client_pair *p = &nic->client.pair[pair];
	int ret = 0;

	/* A service that is faster than we must not keep us for ever. */
	for (uint32_t n = 0; n < p->rsp.max_slots; n++) {
		const void *slot;

		/* What finds no room here stays where the service sees it. */
		if (nic->out && nic->out_room < MULLION_NET_BATCH_MAX)
			break;
		ret = mullion_sq_consume(&p->rsp, &slot);
		if (ret == -EAGAIN) {
			ret = 0;
			break;
		}
		if (ret < 0)
			break;
		io_prefetch(&p->rsp);
		ret = io_message(nic, pair, slot);
		if (ret < 0)
			break;
	}
	if (ret < 0) {
		nic->client.counters.bogus++;
		return ret;
	}
	mullion_client_release(&nic->client, p);
	return 0;
}

int nic_io_reap(struct mullion_client *client)
{
	struct mullion_net *nic = nic_of(client);
	unsigned int pair = nic->first_pair;
	int ret;

	for (unsigned int i = 0; i < client->pairs; i++) {
		ret = io_reap_pair(nic, pair);
		if (ret < 0)
			return ret;
		pair = pair + 1 < client->pairs ? pair + 1 : 0;
	}
	nic->first_pair = pair + 1 < client->pairs ? pair + 1 : 0;
	return 0;
}

/* Whole frames that were kept, as many as there is room for. */
static unsigned int io_take_kept(struct mullion_net *nic,
				 struct mullion_net_piece *pieces, unsigned int count)
{
	unsigned int taken = 0;

	while (nic->backlog_tail != nic->backlog_head) {
		unsigned int n = 1;

		while (nic->backlog[(nic->backlog_tail + n - 1) & nic->backlog_mask].flags &
		       MULLION_NET_MORE)
			n++;
		if (n > count - taken)
			break;
		while (n--)
			pieces[taken++] =
				nic->backlog[nic->backlog_tail++ & nic->backlog_mask];
	}
	return taken;
}

int mullion_net_recv(struct mullion_net *nic, struct mullion_net_piece *pieces,
		     unsigned int count)
{
	unsigned int taken;
	int ret;

	if (count < MULLION_NET_CHAIN_MAX)
		return -EINVAL;
	taken = io_take_kept(nic, pieces, count);
	nic->out = pieces + taken;
	nic->out_count = 0;
	nic->out_room = count - taken;
	ret = mullion_net_poll(nic);
	nic->out = NULL;
	if (ret < 0 && !(taken + nic->out_count))
		return ret;
	return (int)(taken + nic->out_count);
}
