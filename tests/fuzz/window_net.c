// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/window_net.c - a switch with two cards: a hostile client's and one
 * that must always be served
 */
#include "../../service/net/class.h"
#include "../lib/net_peer.h"
#include "window_class.h"

#define FRAME		100
#define BUFFERS		8
#define BUFFER		2048
#define RX		(1 << 20)

static struct inproc_bus other_bus;
static struct net_peer peers[2];

static const struct mullion_net_port hostile_config = {
	.version = MULLION_NET_CONFIG_VERSION,
	.flags = MULLION_NET_PORT_LINK_UP,
	.mac = { 2, 0, 0, 0, 0, 1 },
	.mtu = 1500,
};

static const void *window_net_config(size_t *bytes, int *fd)
{
	static const struct mullion_net_config network = {
		.version = MULLION_NET_CONFIG_VERSION,
		.ageing = 300,
		.addresses_max = 8,
		.mirror_port_bus = MULLION_SERVICE_WIDE,
	};
	struct mullion_net_port other = hostile_config;

	REQUIRE(!inproc_configure(&network, sizeof(network), -1, -1));
	other.mac[5] = 2;
	REQUIRE(!inproc_device(&other_bus, 2, window_class.window_bytes, &other,
			       sizeof(other), -1));
	*bytes = sizeof(hostile_config);
	*fd = -1;
	return &hostile_config;
}

static void request_entries(struct input *in, struct mullion_net_batch *batch)
{
	batch->count = (uint16_t)take(in, 1);
	for (unsigned int i = 0; i < batch->count && i < MULLION_NET_BATCH_MAX && in->size;
	     i++) {
		struct mullion_net_entry *entry = &batch->entries[i];

		entry->cookie = i;
		entry->address = take(in, 2);
		entry->length = (uint32_t)take(in, 2);
		entry->flags = (uint8_t)take(in, 1);
		if (entry->flags & MULLION_NET_NEEDS_CSUM)
			take_bytes(in, &entry->gso_type,
				   sizeof(*entry) - offsetof(struct mullion_net_entry,
							     gso_type));
	}
}

static void request_fragments(struct input *in, struct net_pkt_xmt *xmt)
{
	xmt->len = (uint32_t)take(in, 2);
	xmt->num_frags = (uint32_t)take(in, 1) % (MAX_PHYS_INFO + 2);
	for (unsigned int i = 0; i < xmt->num_frags && i < MAX_PHYS_INFO && in->size; i++) {
		xmt->frags[i].pi_pfn = take(in, 1);
		xmt->frags[i].pi_off = (uint16_t)take(in, 2);
		xmt->frags[i].pi_len = (uint16_t)take(in, 2);
	}
}

static void window_net_request(struct input *in, struct window_client *client)
{
	static const uint8_t types[] = {
		NET_RCV_POST, NET_XMIT, NET_RCV_ENBDIS, NET_RCV_PROMISC, NET_MACADDR,
		MULLION_NET_POST, MULLION_NET_XMIT, MULLION_NET_OFFLOADS,
	};
	uint8_t which = (uint8_t)take(in, 1);
	struct mullion_sq *cmd = &client->cmd[which >> 6];
	struct mullion_io_slot slot;
	void *memory = NULL;

	memset(&slot, 0, sizeof(slot));
	slot.rsp.cmdtype = CMD_NET_TYPE;
	slot.rsp.net.type = types[which & 7];
	slot.ext.epoch = (uint32_t)client->attach.epoch;
	switch (slot.rsp.net.type) {
	case MULLION_NET_POST:
	case MULLION_NET_XMIT:
		request_entries(in, (void *)&slot);
		break;
	case NET_XMIT:
		request_fragments(in, &slot.rsp.net.xmt);
		break;
	case NET_RCV_POST:
		slot.rsp.net.rcvpost.frag.pi_pfn = take(in, 1);
		slot.rsp.net.rcvpost.frag.pi_off = (uint16_t)take(in, 1);
		slot.rsp.net.rcvpost.frag.pi_len = (uint16_t)take(in, 2);
		break;
	default:
		slot.rsp.net.enbdis.context = take(in, 1);
		take_bytes(in, slot.rsp.net.macaddr.macaddr, 6);
		break;
	}
	if (mullion_sq_produce(cmd, &memory) < 0)
		return;
	memcpy(memory, &slot, sizeof(slot));
	mullion_sq_publish(cmd);
}

/* @attach: of a client that has just attached; NULL: attach now. */
static void peer_begin(struct net_peer *peer, struct inproc_bus *bus,
		       const struct mullion_attach *attach)
{
	net_peer_init(peer, bus->channel, service_attach_channel_bytes(&net_class),
		      bus->pool);
	if (attach) {
		peer->attach = *attach;
		peer->batch = true;
	} else {
		peer->attach.incarnation = bus->device->incarnation + 1;
		net_peer_raise(peer, NET_PEER_BATCH);
		inproc_turn();
		inproc_turn();
	}
	REQUIRE(net_peer_attached(peer));
	net_peer_post(peer, 0, 0, BUFFERS, RX, BUFFER);
	net_peer_enable(peer, true, 1);
	inproc_turn();
	net_peer_take(peer);
	REQUIRE(net_peer_count(peer, NET_RCV_ENBDIS_ACK) == 1);
}

static void peer_frame(struct net_peer *from, struct net_peer *to, uint8_t fill)
{
	const struct net_event *event;

	memset(from->pool, fill, FRAME);
	memset(from->pool, 0xff, 6);
	/* a group is nobody's address */
	from->pool[6] = 1;
	REQUIRE(net_peer_xmit(from, 0, fill, 0, FRAME));
	inproc_turn();
	net_peer_take(from);
	net_peer_take(to);
	event = net_peer_event(from, MULLION_NET_XMIT_DONE, 0);
	REQUIRE(event && event->cookie == fill && !event->result);
	event = net_peer_event(to, MULLION_NET_RCV, 0);
	REQUIRE(event && event->bytes == FRAME && event->buffers == 1);
	REQUIRE(!memcmp(to->pool + RX + event->cookie * BUFFER, from->pool, FRAME));
}

/* A frame each way. */
static void window_net_served(struct window_client *client)
{
	peer_begin(&peers[0], &client->bus, &client->attach);
	peer_begin(&peers[1], &other_bus, NULL);
	peer_frame(&peers[0], &peers[1], 3);
	peer_frame(&peers[1], &peers[0], 5);
}

const struct window_class window_class = {
	.class = &net_class,
	.window_bytes = 8 << 20,
	.config = window_net_config,
	.request = window_net_request,
	.served = window_net_served,
};
