// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/net_peer.c - a client of a network card, message by message
 */
#include "net_peer.h"
#include "require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PEER_UNIQUE	4711

void net_peer_init(struct net_peer *peer, void *channel, uint64_t channel_bytes, void *pool)
{
	memset(peer, 0, sizeof(*peer));
	peer->channel = channel;
	peer->channel_bytes = channel_bytes;
	peer->pool = pool;
	peer->unique = PEER_UNIQUE;
	REQUIRE(!mullion_attach_init(&peer->attach, peer->channel +
				     MULLION_CHANNEL_EXT_OFFSET_IO));
}

void net_peer_raise(struct net_peer *peer, uint64_t features)
{
	mullion_attach_raise(&peer->attach, features, MULLION_CLIENT_ATTACHING);
	peer->batch = features & MULLION_EXTF_NET_BATCH;
}

static void peer_queues(struct net_peer *peer, unsigned int pair, int event_index)
{
	uint64_t header = MULLION_IO_CH_SPACE_OFFSET +
			  2 * pair * sizeof(struct signal_queue_header);

	REQUIRE(!mullion_sq_attach(&peer->cmd[pair], peer->channel,
		   peer->channel_bytes, header, VISOR_IO_SLOT_BYTES, event_index));
	REQUIRE(!mullion_sq_attach(&peer->rsp[pair], peer->channel,
		   peer->channel_bytes,
		   header + sizeof(struct signal_queue_header),
		   VISOR_IO_SLOT_BYTES, event_index));
}

void net_peer_plain(struct net_peer *peer, void *channel, uint64_t channel_bytes, void *pool)
{
	memset(peer, 0, sizeof(*peer));
	peer->channel = channel;
	peer->channel_bytes = channel_bytes;
	peer->pool = pool;
	peer->plain = true;
	peer->unique = PEER_UNIQUE;
	peer_queues(peer, 0, 0);
}

bool net_peer_attached(struct net_peer *peer)
{
	if (mullion_attach_poll(&peer->attach))
		return false;
	for (unsigned int i = 0; i < NET_PEER_PAIRS; i++)
		peer_queues(peer, i, 1);
	return true;
}

struct mullion_io_slot *net_peer_slot(struct net_peer *peer, unsigned int pair)
{
	struct mullion_io_slot *slot;
	void *memory = NULL;

	if (mullion_sq_produce(&peer->cmd[pair], &memory) < 0)
		return NULL;
	slot = memory;
	memset(slot, 0, sizeof(*slot));
	slot->rsp.cmdtype = CMD_NET_TYPE;
	slot->ext.epoch = (uint32_t)peer->attach.epoch;
	/* Bytes that mean nothing to such a client. */
	if (peer->plain)
		memset(&slot->ext, 0x5a, sizeof(slot->ext));
	return slot;
}

void net_peer_send(struct net_peer *peer, unsigned int pair)
{
	if (mullion_sq_publish(&peer->cmd[pair]))
		peer->rang = true;
}

static void peer_batch(struct net_peer *peer, unsigned int pair, uint32_t type,
		       const struct mullion_net_entry *entries, unsigned int count)
{
	struct mullion_io_slot *slot = net_peer_slot(peer, pair);
	struct mullion_net_batch *batch = (void *)slot;

	REQUIRE(slot && count <= MULLION_NET_BATCH_MAX);
	batch->type = type;
	batch->count = (uint16_t)count;
	memcpy(batch->entries, entries, count * sizeof(*entries));
	net_peer_send(peer, pair);
}

static void peer_post_batch(struct net_peer *peer, unsigned int pair, uint64_t cookie,
			    unsigned int count, uint64_t offset, uint32_t bytes)
{
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX];

	while (count) {
		unsigned int n = count < MULLION_NET_BATCH_MAX ? count :
				 MULLION_NET_BATCH_MAX;

		memset(entries, 0, sizeof(entries));
		for (unsigned int i = 0; i < n; i++) {
			entries[i].cookie = cookie++;
			entries[i].address = offset;
			entries[i].length = bytes;
			offset += bytes;
		}
		peer_batch(peer, pair, MULLION_NET_POST, entries, n);
		count -= n;
	}
}

void net_peer_post(struct net_peer *peer, unsigned int pair, uint64_t cookie,
		   unsigned int count, uint64_t offset, uint32_t bytes)
{
	if (peer->batch) {
		peer_post_batch(peer, pair, cookie, count, offset, bytes);
		return;
	}
	while (count--) {
		struct mullion_io_slot *slot = net_peer_slot(peer, pair);

		REQUIRE(slot);
		slot->rsp.net.type = NET_RCV_POST;
		slot->rsp.net.buf = cookie++;
		/* An offset that is no multiple of pages is legal, too. */
		slot->rsp.net.rcvpost.frag.pi_pfn = offset >> 12;
		slot->rsp.net.rcvpost.frag.pi_off = (uint16_t)(offset & 4095);
		slot->rsp.net.rcvpost.frag.pi_len = (uint16_t)bytes;
		slot->rsp.net.rcvpost.unique_num = peer->unique;
		offset += 4096;
		net_peer_send(peer, pair);
	}
}

bool net_peer_xmit(struct net_peer *peer, unsigned int pair, uint64_t cookie,
		   uint64_t offset, uint32_t bytes)
{
	struct mullion_io_slot *slot = net_peer_slot(peer, pair);
	struct mullion_net_batch *batch = (void *)slot;
	struct net_pkt_xmt *xmt;
	uint32_t left = bytes;

	if (!slot)
		return false;
	if (peer->batch) {
		batch->type = MULLION_NET_XMIT;
		batch->count = 1;
		batch->entries[0].cookie = cookie;
		batch->entries[0].address = offset;
		batch->entries[0].length = bytes;
		net_peer_send(peer, pair);
		return true;
	}
	xmt = &slot->rsp.net.xmt;
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = cookie;
	xmt->len = bytes;
	while (left && xmt->num_frags < MAX_PHYS_INFO) {
		struct phys_info *frag = &xmt->frags[xmt->num_frags++];
		uint32_t n = 4096 - (uint32_t)(offset & 4095);

		n = n < left ? n : left;
		frag->pi_pfn = offset >> 12;
		frag->pi_off = (uint16_t)(offset & 4095);
		frag->pi_len = (uint16_t)n;
		offset += n;
		left -= n;
	}
	net_peer_send(peer, pair);
	return true;
}

void net_peer_xmit_entries(struct net_peer *peer, unsigned int pair,
			   const struct mullion_net_entry *entries, unsigned int count)
{
	peer_batch(peer, pair, MULLION_NET_XMIT, entries, count);
}

void net_peer_control(struct net_peer *peer, uint32_t type, uint64_t context,
		      uint16_t enable)
{
	struct mullion_io_slot *slot = net_peer_slot(peer, 0);

	REQUIRE(slot);
	slot->rsp.net.type = type;
	slot->rsp.net.enbdis.context = context;
	slot->rsp.net.enbdis.enable = enable;
	net_peer_send(peer, 0);
}

void net_peer_enable(struct net_peer *peer, bool enable, uint64_t context)
{
	net_peer_control(peer, NET_RCV_ENBDIS, context, enable);
}

/* ---- responses --------------------------------------------------------------- */

static struct net_event *peer_event(struct net_peer *peer, uint32_t type, unsigned int pair)
{
	struct net_event *event;

	REQUIRE(peer->events < NET_PEER_EVENTS);
	event = &peer->event[peer->events++];
	memset(event, 0, sizeof(*event));
	event->type = type;
	event->pair = pair;
	return event;
}

static void peer_take_received(struct net_peer *peer, unsigned int pair,
			       const struct mullion_net_batch *batch)
{
	struct net_event *event = NULL;

	REQUIRE(batch->count && batch->count <= MULLION_NET_BATCH_MAX);
	for (unsigned int i = 0; i < batch->count; i++) {
		const struct mullion_net_entry *entry = &batch->entries[i];

		if (!event) {
			event = peer_event(peer, MULLION_NET_RCV, pair);
			event->cookie = entry->cookie;
			event->entry = *entry;
			event->dropped = i ? 0 : batch->dropped;
		}
		event->cookies[event->buffers] = entry->cookie;
		event->lengths[event->buffers++] = entry->length;
		event->bytes += entry->length;
		if (!(entry->flags & MULLION_NET_MORE))
			event = NULL;
	}
	/* A frame does not go on in the next message. */
	REQUIRE(!event);
}

static void peer_take_done(struct net_peer *peer, unsigned int pair,
			   const struct mullion_net_batch *batch)
{
	REQUIRE(batch->count && batch->count <= MULLION_NET_DONE_MAX);
	for (unsigned int i = 0; i < batch->count; i++) {
		struct net_event *event = peer_event(peer, MULLION_NET_XMIT_DONE, pair);

		event->cookie = batch->cookies[i] & ~MULLION_NET_COOKIE_FAILED;
		event->result = batch->cookies[i] >> 63;
	}
}

static void peer_take_spar(struct net_peer *peer, unsigned int pair,
			   const struct uiscmdrsp_net *net)
{
	struct net_event *event = peer_event(peer, net->type, pair);

	switch (net->type) {
	case NET_RCV:
		REQUIRE(net->rcv.numrcvbufs && net->rcv.numrcvbufs <= MAX_NET_RCV_CHAIN);
		REQUIRE(net->rcv.rcvbuf[0] == net->buf);
		event->unique = net->rcv.unique_num;
		event->cookie = net->buf;
		event->bytes = net->rcv.rcv_done_len;
		event->buffers = net->rcv.numrcvbufs;
		event->dropped = net->rcv.rcvs_dropped_delta;
		memcpy(event->cookies, net->rcv.rcvbuf, sizeof(net->rcv.rcvbuf));
		break;
	case NET_XMIT_DONE:
		event->cookie = net->buf;
		event->result = net->xmtdone.xmt_done_result;
		break;
	case NET_MACADDR:
	case NET_MACADDR_ACK:
		event->cookie = net->macaddr.context;
		memcpy(event->mac, net->macaddr.macaddr, sizeof(event->mac));
		break;
	default:
		event->cookie = net->enbdis.context;
		event->result = net->enbdis.enable;
		break;
	}
}

void net_peer_take(struct net_peer *peer)
{
	unsigned int pairs = peer->plain ? 1 : NET_PEER_PAIRS;

	/* Without an attach the rings are nobody's. */
	if (!peer->plain && (!peer->attach.confirmed || peer->attach.detaching))
		return;
	for (unsigned int i = 0; i < pairs; i++) {
		const void *memory = NULL;

		while (!mullion_sq_consume(&peer->rsp[i], &memory)) {
			const struct mullion_io_slot *slot = memory;

			REQUIRE(slot->rsp.cmdtype == CMD_NET_TYPE);
			REQUIRE(peer->plain ||
				slot->ext.epoch == (uint32_t)peer->attach.epoch);
			if (slot->rsp.net.type == MULLION_NET_RCV)
				peer_take_received(peer, i, memory);
			else if (slot->rsp.net.type == MULLION_NET_XMIT_DONE)
				peer_take_done(peer, i, memory);
			else
				peer_take_spar(peer, i, &slot->rsp.net);
		}
		mullion_sq_release(&peer->rsp[i]);
	}
}

void net_peer_forget(struct net_peer *peer)
{
	peer->events = 0;
}

unsigned int net_peer_count(const struct net_peer *peer, uint32_t type)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < peer->events; i++)
		n += peer->event[i].type == type;
	return n;
}

const struct net_event *net_peer_event(const struct net_peer *peer, uint32_t type,
				       unsigned int number)
{
	for (unsigned int i = 0; i < peer->events; i++) {
		if (peer->event[i].type == type && !number--)
			return &peer->event[i];
	}
	return NULL;
}
