// SPDX-License-Identifier: GPL-2.0-only
/*
 * net.c - mockbus: a cable between two network interfaces
 *
 * A frame that one sends is copied once, then into buffers of the other.  If the
 * other does not take incomplete checksums they are completed here; segments are
 * not made.  What finds no buffers is dropped and told.
 */
#include <linux/etherdevice.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <net/checksum.h>

#include "../../../abi/guid.h"
#include "mocknet.h"

/* mute: what has no answer */
#define MOCK_MUTE_ENABLE	(1U << 0)
#define MOCK_MUTE_MAC		(1U << 1)
#define MOCK_MUTE_LATE		(1U << 2)

u64 mock_net_early;

static u8 *mock_frame;	/* one turn at a time */
static unsigned int mock_frame_users;

/* ---- messages to the driver ---------------------------------------------------- */

void mock_net_begin(struct mock *m, struct mullion_io_slot *s, u32 type)
{
	memset(s, 0, sizeof(*s));
	s->rsp.cmdtype = CMD_NET_TYPE;
	s->rsp.net.type = type;
	s->ext.epoch = m->epoch;
}

bool mock_net_pop(struct mock *m, unsigned int pair, struct mock_buffer *buffer)
{
	struct mock_net_queue *q = &m->net->q[pair];

	if (!q->posted)
		return false;
	*buffer = q->buffers[--q->posted];
	return true;
}

static void mock_net_send(struct mock *m, unsigned int pair,
			  const struct mullion_io_slot *s)
{
	if (mock_hostile)
		mock_net_bad(m, pair, s);
	mock_put(m, pair, s);
}

static void mock_net_flush(struct mock *m, unsigned int pair)
{
	static struct mullion_io_slot s;	/* one thread, and large */
	struct mock_net_queue *q = &m->net->q[pair];
	struct mullion_net_batch *batch = (void *)&s;

	if (q->rcv_count) {
		batch = (void *)&q->rcv;
		batch->count = q->rcv_count;
		batch->dropped = m->net->dropped;
		m->net->dropped = 0;
		q->rcv_count = 0;
		mock_net_send(m, pair, &q->rcv);
	}
	if (q->done_count) {
		batch = (void *)&s;
		mock_net_begin(m, &s, MULLION_NET_XMIT_DONE);
		batch->count = q->done_count;
		memcpy(batch->cookies, q->done, q->done_count * sizeof(u64));
		q->done_count = 0;
		mock_net_send(m, pair, &s);
	}
}

static void mock_net_done(struct mock *m, unsigned int pair, u64 cookie)
{
	static struct mullion_io_slot s;	/* one thread, and large */
	struct mock_net_queue *q = &m->net->q[pair];

	if (mock_lose) {
		mock_lose--;
		return;
	}
	if (mock_net_batch(m)) {
		q->done[q->done_count++] = cookie;
		if (q->done_count == MULLION_NET_DONE_MAX)
			mock_net_flush(m, pair);
		return;
	}
	mock_net_begin(m, &s, NET_XMIT_DONE);
	s.rsp.net.buf = cookie;
	mock_net_send(m, pair, &s);
}

/* ---- frames ----------------------------------------------------------------------- */

static void mock_net_complete(struct mullion_net_entry *first, u32 bytes)
{
	u32 start = first->csum_start, at = start + first->csum_offset;
	__sum16 sum;

	if (at + sizeof(sum) > bytes)
		return;
	sum = csum_fold(csum_partial(mock_frame + start, bytes - start, 0));
	if (!sum)
		sum = CSUM_MANGLED_0;
	memcpy(mock_frame + at, &sum, sizeof(sum));
	first->flags = 0;
}

/* Fills buffers.  Returns how many, 0 if there are too few. */
static u32 mock_net_scatter(struct mock *m, unsigned int pair, u32 bytes, u32 most,
			    struct mullion_net_entry *entries)
{
	struct mock_net_queue *q = &m->net->q[pair];
	u32 i, n, done = 0, count = 0;

	for (i = q->posted, n = 0; i && n < bytes; i--, count++)
		n += q->buffers[i - 1].length;
	if (n < bytes || count > most)
		return 0;
	for (i = 0; i < count; i++) {
		struct mock_buffer buffer;
		u8 *memory;

		mock_net_pop(m, pair, &buffer);
		n = min(bytes - done, buffer.length);
		memory = mock_memory(m, buffer.address, n);
		if (memory)
			memcpy(memory, mock_frame + done, n);
		else
			pr_err_ratelimited("mockbus: buffer outside the pool\n");
		memset(&entries[i], 0, sizeof(entries[i]));
		entries[i].cookie = buffer.cookie;
		entries[i].length = n;
		entries[i].flags = i + 1 < count ? MULLION_NET_MORE : 0;
		done += n;
	}
	return count;
}

static void mock_net_deliver_spar(struct mock *m, u32 bytes)
{
	static struct mullion_net_entry entries[MAX_NET_RCV_CHAIN];
	static struct mullion_io_slot s;	/* one thread, and large */
	u32 i, count;

	count = mock_net_scatter(m, 0, bytes, MAX_NET_RCV_CHAIN, entries);
	if (!count) {
		m->net->dropped++;
		return;
	}
	mock_net_begin(m, &s, NET_RCV);
	s.rsp.net.buf = entries[0].cookie;
	s.rsp.net.rcv.rcv_done_len = bytes;
	s.rsp.net.rcv.numrcvbufs = count;
	for (i = 0; i < count; i++)
		s.rsp.net.rcv.rcvbuf[i] = entries[i].cookie;
	s.rsp.net.rcv.rcvs_dropped_delta = m->net->dropped;
	m->net->dropped = 0;
	mock_net_send(m, 0, &s);
}

static void mock_net_deliver(struct mock *m, unsigned int pair,
			     struct mullion_net_entry *first, u32 bytes)
{
	static struct mullion_net_entry entries[MULLION_NET_CHAIN_MAX];
	struct mullion_net_batch *batch;
	struct mock_net_queue *q;
	u32 count;

	if (!m->attached || m->gone || !m->net->enabled)
		return;
	if (first->gso_type && !(m->net->takes & ~MULLION_NET_RX_CSUM)) {
		m->net->dropped++;
		return;
	}
	if (first->flags & MULLION_NET_NEEDS_CSUM &&
	    !(m->net->takes & MULLION_NET_RX_CSUM))
		mock_net_complete(first, bytes);
	if (!mock_net_batch(m)) {
		mock_net_deliver_spar(m, bytes);
		return;
	}
	if (!m->net->q[pair].used)
		pair = 0;
	q = &m->net->q[pair];
	count = mock_net_scatter(m, pair, bytes, MULLION_NET_CHAIN_MAX, entries);
	if (!count) {
		m->net->dropped++;
		return;
	}
	entries[0].flags |= first->flags & ~MULLION_NET_MORE;
	entries[0].gso_type = first->gso_type;
	entries[0].gso_size = first->gso_size;
	entries[0].hdr_len = first->hdr_len;
	entries[0].csum_start = first->csum_start;
	entries[0].csum_offset = first->csum_offset;
	if (q->rcv_count + count > MULLION_NET_BATCH_MAX)
		mock_net_flush(m, pair);
	if (!q->rcv_count)
		mock_net_begin(m, &q->rcv, MULLION_NET_RCV);
	batch = (void *)&q->rcv;
	memcpy(&batch->entries[q->rcv_count], entries, count * sizeof(entries[0]));
	q->rcv_count += count;
}

static bool mock_net_gather(struct mock *m, u32 *at, u64 address, u32 bytes)
{
	void *memory = mock_memory(m, address, bytes);

	if (!memory || bytes > MULLION_NET_FRAME_MAX - *at) {
		pr_err_ratelimited("mockbus: frame outside the pool\n");
		return false;
	}
	memcpy(mock_frame + *at, memory, bytes);
	*at += bytes;
	return true;
}

static void mock_net_xmit(struct mock *m, unsigned int pair,
			  const struct mullion_net_batch *batch)
{
	struct mock *peer = &mocks[!m->index];
	u32 i = 0;

	while (i < batch->count) {
		struct mullion_net_entry first = batch->entries[i];
		const struct mullion_net_entry *entry;
		u32 bytes = 0;
		bool ok = true;

		do {
			entry = &batch->entries[i++];
			ok &= mock_net_gather(m, &bytes, entry->address,
					      entry->length);
		} while (entry->flags & MULLION_NET_MORE && i < batch->count);
		if (ok)
			mock_net_deliver(peer, pair, &first, bytes);
		mock_net_done(m, pair, first.cookie);
	}
}

static void mock_net_xmit_spar(struct mock *m, const struct uiscmdrsp_net *net)
{
	struct mullion_net_entry first = { 0 };
	u32 i, bytes = 0;
	bool ok = net->xmt.num_frags <= MAX_PHYS_INFO;

	for (i = 0; ok && i < net->xmt.num_frags; i++)
		ok = mock_net_gather(m, &bytes, (net->xmt.frags[i].pi_pfn << 12) +
				     net->xmt.frags[i].pi_off,
				     net->xmt.frags[i].pi_len);
	if (!ok || bytes != net->xmt.len || bytes < ETH_ZLEN ||
	    memcmp(net->xmt.ethhdr, mock_frame, ETH_HLEN))
		pr_err_ratelimited("mockbus: bad frame of %u bytes\n", net->xmt.len);
	else
		mock_net_deliver(&mocks[!m->index], 0, &first, bytes);
	mock_net_done(m, 0, net->buf);
}

/* ---- messages of the driver --------------------------------------------------------- */

static void mock_net_buffer(struct mock *m, unsigned int pair, u64 cookie,
			    u64 address, u32 length)
{
	struct mock_net_queue *q = &m->net->q[pair];

	/* It is withdrawn with the others. */
	if (m->net->late) {
		/* What lies in the other ring may be from before. */
		mock_net_early += !pair;
		return;
	}
	if (q->posted == MOCK_NET_BUFFERS) {
		pr_err_ratelimited("mockbus: too many buffers\n");
		return;
	}
	q->buffers[q->posted++] = (struct mock_buffer){ cookie, address, length };
}

static void mock_net_post(struct mock *m, unsigned int pair,
			  const struct mullion_net_batch *batch)
{
	u32 i;

	m->net->q[pair].used = true;
	for (i = 0; i < batch->count; i++)
		mock_net_buffer(m, pair, batch->entries[i].cookie,
				batch->entries[i].address,
				batch->entries[i].length);
}

static void mock_net_withdraw(struct mock *m)
{
	unsigned int i;

	for (i = 0; i < MOCK_PAIRS; i++) {
		m->net->q[i].posted = 0;
		m->net->q[i].rcv_count = 0;
	}
}

static void mock_net_enable(struct mock *m, struct mullion_io_slot *s)
{
	unsigned int i;

	m->net->enabled = s->rsp.net.enbdis.enable;
	for (i = 0; i < m->dev.queue_pairs; i++)
		mock_net_flush(m, i);
	if (!m->net->enabled)
		mock_net_withdraw(m);
	if (m->net->mute & MOCK_MUTE_ENABLE)
		return;
	if (!m->net->enabled && m->net->mute & MOCK_MUTE_LATE) {
		m->net->late = true;
		m->net->late_context = s->rsp.net.enbdis.context;
		return;
	}
	s->rsp.net.type = NET_RCV_ENBDIS_ACK;
	mock_net_send(m, 0, s);
}

static void mock_net_answer_late(struct mock *m)
{
	static struct mullion_io_slot s;	/* one order at a time, and large */

	if (!m->net->late || !m->attached || m->gone)
		return;
	m->net->late = false;
	mock_net_begin(m, &s, NET_RCV_ENBDIS_ACK);
	s.rsp.net.enbdis.context = m->net->late_context;
	mock_net_send(m, 0, &s);
	mock_publish(m);
}

static void mock_net_address(struct mock *m, struct mullion_io_slot *s)
{
	if (!m->net->locked)
		memcpy(m->net->mac, s->rsp.net.macaddr.macaddr, ETH_ALEN);
	memcpy(s->rsp.net.macaddr.macaddr, m->net->mac, ETH_ALEN);
	if (m->net->mute & MOCK_MUTE_MAC)
		return;
	s->rsp.net.type = NET_MACADDR_ACK;
	mock_net_send(m, 0, s);
}

static void mock_net_message(struct mock *m, unsigned int pair,
			     struct mullion_io_slot *s)
{
	bool batch = mock_net_batch(m);

	if (m->features & MULLION_EXTF_SLOT_EXT && s->ext.epoch != m->epoch) {
		pr_err_ratelimited("mockbus: message of epoch %u\n", s->ext.epoch);
		return;
	}
	switch (s->rsp.net.type) {
	case NET_RCV_POST:
		if (batch)
			goto bad;
		mock_net_buffer(m, pair, s->rsp.net.buf,
				(s->rsp.net.rcvpost.frag.pi_pfn << 12) +
				s->rsp.net.rcvpost.frag.pi_off,
				s->rsp.net.rcvpost.frag.pi_len);
		return;
	case MULLION_NET_POST:
		if (!batch)
			goto bad;
		mock_net_post(m, pair, (void *)s);
		return;
	case NET_XMIT:
		if (batch)
			goto bad;
		mock_net_xmit_spar(m, &s->rsp.net);
		return;
	case MULLION_NET_XMIT:
		if (!batch)
			goto bad;
		mock_net_xmit(m, pair, (void *)s);
		return;
	case NET_RCV_ENBDIS:
		mock_net_enable(m, s);
		return;
	case NET_RCV_PROMISC:
		return;
	case NET_MACADDR:
		mock_net_address(m, s);
		return;
	case MULLION_NET_OFFLOADS:
		m->net->takes = s->rsp.net.enbdis.context;
		return;
	}
bad:
	pr_err_ratelimited("mockbus: message of type %u\n", s->rsp.net.type);
}

/* What was received is shown with what was sent, at either end of the cable. */
static void mock_net_turn_end(struct mock *m)
{
	unsigned int i, pair;

	for (i = 0; i < MOCK_DEVICES; i++) {
		if (!mocks[i].attached || mocks[i].gone)
			continue;
		for (pair = 0; pair < mocks[i].dev.queue_pairs; pair++)
			mock_net_flush(&mocks[i], pair);
		mock_publish(&mocks[i]);
	}
}

/* ---- the rest ---------------------------------------------------------------------------- */

static void mock_net_forget(struct mock *m)
{
	unsigned int i;

	mock_net_withdraw(m);
	m->net->enabled = false;
	m->net->late = false;
	m->net->takes = 0;
	for (i = 0; i < MOCK_PAIRS; i++) {
		m->net->q[i].used = false;
		m->net->q[i].done_count = 0;
	}
}

static int mock_net_order(const char *verb, unsigned int value)
{
	static struct mullion_io_slot s;	/* one order at a time, and large */
	struct mock *m = mocks;
	unsigned int i;

	if (!strcmp(verb, "mute") || !strcmp(verb, "lock")) {
		mutex_lock(&mock_service);
		for (i = 0; i < MOCK_DEVICES; i++) {
			if (verb[0] == 'l') {
				mocks[i].net->locked = value;
				continue;
			}
			mocks[i].net->mute = value;
			mock_net_answer_late(&mocks[i]);
		}
		mutex_unlock(&mock_service);
		return 0;
	}
	if (strcmp(verb, "link") && strcmp(verb, "mac"))
		return -EINVAL;
	mutex_lock(&mock_service);
	if (verb[0] == 'l') {
		mock_net_begin(m, &s, NET_CONNECT_STATUS);
		s.rsp.net.enbdis.enable = value;
	} else {
		mock_net_begin(m, &s, NET_MACADDR);
		m->net->mac[ETH_ALEN - 1] = value;
		memcpy(s.rsp.net.macaddr.macaddr, m->net->mac, ETH_ALEN);
	}
	if (m->attached && !m->gone) {
		mock_net_send(m, 0, &s);
		mock_publish(m);
	}
	mutex_unlock(&mock_service);
	return 0;
}

static int mock_net_start(struct mock *m)
{
	static const u8 mac[ETH_ALEN] = { 0x02, 0x6d, 0x6f, 0x63, 0x6b, 0 };

	if (!mock_frame_users++)
		mock_frame = vzalloc(MULLION_NET_FRAME_MAX);
	m->net = vzalloc(sizeof(*m->net));
	if (!m->net || !mock_frame)
		return -ENOMEM;
	memcpy(m->net->mac, mac, ETH_ALEN);
	m->net->mac[ETH_ALEN - 2] = m->index;
	return 0;
}

static void mock_net_stop(struct mock *m)
{
	vfree(m->net);
	if (!--mock_frame_users)
		vfree(mock_frame);
}

static void mock_net_format(struct mock *m, struct visor_io_channel *c)
{
	c->vnic.macaddr[0] = 0x02;
	memcpy(c->vnic.macaddr + 1, "mock", 3);
	c->vnic.macaddr[4] = m->index;
	c->vnic.num_rcv_bufs = MOCK_NET_SPAR_BUFFERS;
	c->vnic.mtu = 9000;
}

const struct mock_class mock_net_class = {
	.guid = VISOR_VNIC_CHANNEL_GUID,
	.devices = MOCK_DEVICES,
	.pairs = MOCK_PAIRS,
	.pool_bytes = 4U << 20,
	.outstanding = MOCK_NET_BUFFERS,
	.start = mock_net_start,
	.stop = mock_net_stop,
	.format = mock_net_format,
	.forget = mock_net_forget,
	.message = mock_net_message,
	.turn_end = mock_net_turn_end,
	.order = mock_net_order,
};
