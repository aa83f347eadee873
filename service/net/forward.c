// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/forward.c - from port to port: a learning switch
 *
 * DOC: Theory of Operation
 *
 * A frame is let in by its port's filter, which says its VLAN; its source is
 * learned; it goes to the one port of its destination, or to all that may see
 * it when it is for a group or the destination is not known.  An address that
 * nobody has used yet but that a card has by configuration is known too.
 * Frames of unknown destination go to cards only if these are promiscuous.
 *
 * Most frames need none of that anew: each port remembers some addresses that
 * it sends from and some that it sends to, for as long as nothing changes
 * (net.version) and for a second at most, so that the table learns that the
 * address is in use.  A frame between two such addresses of plain ports, which
 * have no trunk, no lock and no rate limit, without a tag and without offloads,
 * is delivered without being parsed.
 *
 * A tag is never taken off if there is another beneath it: whoever gets the
 * frame would take it for one of that VLAN, in which its sender may not be.
 *
 * Floods are limited per port that they come from.
 *
 * A port's MTU is the receiver's: a larger packet is dropped on its way to it, of
 * a large frame to be cut its segments count.  Senders are held to what the format
 * allows only.
 *
 * Failure behaviour: every frame that goes nowhere is counted at the port that
 * is the cause: where it came from, or, for want of buffers, where it went.
 */
#include <string.h>

#include "net.h"

#define FORWARD_KEY_VALID	(1ULL << 63)
#define FORWARD_MOVE_NS		10000000ULL

static inline uint64_t forward_load(const uint8_t *p)
{
	uint64_t value;

	memcpy(&value, p, sizeof(value));
	return value;
}

/* The six bytes from @p on (two more are read), and a VLAN of 15 bits at most. */
static inline uint64_t forward_key(uint64_t bytes, uint16_t vlan)
{
	return (bytes & 0xffffffffffffULL) | (uint64_t)vlan << 48 | FORWARD_KEY_VALID;
}

static inline struct net_known *forward_known(struct net_known *known, uint64_t key)
{
	return &known[(key * 0x9e3779b97f4a7c15ULL >> 60) & (NET_KNOWN - 1)];
}

static void forward_forget(struct net_port *port)
{
	memset(port->sources, 0, sizeof(port->sources));
	memset(port->targets, 0, sizeof(port->targets));
	port->version = net.version;
}

/* ---- the short way ------------------------------------------------------------ */

static inline bool forward_short(struct net_port *from, struct mullion_frame *frame)
{
	const uint8_t *head = frame->packet.head;
	uint64_t target, source;
	struct net_known *known;
	struct net_nic *to;
	uint16_t type;

	if (from->version != net.version) {
		forward_forget(from);
		return false;
	}
	if (!from->plain || net.mirror)
		return false;
	type = mullion_be16_get(head + 12);
	if ((head[0] & 1) || type == MULLION_ETHER_VLAN)
		return false;
	target = forward_key(forward_load(head), from->filter.vlan);
	source = forward_key(forward_load(head + 6), from->filter.vlan);
	if (forward_known(from->sources, source)->key != source)
		return false;
	known = forward_known(from->targets, target);
	if (known->key != target)
		return false;
	to = known->port->nic;
	if (frame->packet.bytes > MULLION_ETHER_BYTES + to->mtu)
		return false;
	if (!known->port->open) {
		to->counters->tx_down++;
		return true;
	}
	if (to->pairs_used > 1)
		mullion_packet_parse(&frame->packet, head, frame->packet.head_bytes,
				     frame->packet.bytes);
	net_deliver(to, frame);
	return true;
}

static bool forward_mac_is(const struct net_port *port, const struct mullion_packet *packet)
{
	return !memcmp(port->filter.mac, mullion_packet_to(packet),
		       sizeof(port->filter.mac));
}

/* Remember for the short way what the long one found. */
static void forward_remember(struct net_port *from, struct net_port *to,
			     const struct mullion_packet *packet, uint16_t vlan)
{
	uint64_t key;

	if (!from->plain || packet->tagged)
		return;
	key = forward_key(forward_load(mullion_packet_from(packet)), vlan);
	forward_known(from->sources, key)->key = key;
	if (!to || !to->nic || !to->plain || to->filter.vlan != vlan)
		return;
	/* Others' frames only for as long as it is promiscuous: forward_one(). */
	if (!to->nic->batch && !forward_mac_is(to, packet))
		return;
	key = forward_key(forward_load(mullion_packet_to(packet)), vlan);
	*forward_known(from->targets, key) = (struct net_known){ key, to };
}

/* ---- the long way --------------------------------------------------------------- */

static void forward_output(struct net_port *to, const struct mullion_frame *frame)
{
	struct net_nic *nic = to->nic;

	if (!nic) {
		net.work += net_cost(frame->packet.bytes);
		net.work += mullion_uplink_send(net.uplink, frame);
		return;
	}
	if (!to->open) {
		nic->counters->tx_down++;
		return;
	}
	if (mullion_offload_wire_bytes(frame) > frame->packet.l3 + nic->mtu) {
		nic->counters->tx_mtu++;
		return;
	}
	if (nic->rate_to.rate &&
	    !mullion_limit_take(&nic->rate_to, frame->packet.bytes, net_now())) {
		nic->counters->tx_rate++;
		return;
	}
	if (net.mirror && net.config.mirror_port_bus != MULLION_SERVICE_WIDE &&
	    net_mirror_wants(to))
		net_mirror_frame(frame);
	if (frame->offload.flags || frame->offload.gso_type)
		net_deliver_offload(nic, frame);
	else
		net_deliver(nic, frame);
}

/* With the tag that @to wants to see, or none. */
static void forward_send(struct net_port *to, const struct mullion_frame *frame,
			 uint16_t vlan, enum mullion_out out)
{
	const struct mullion_packet *packet = &frame->packet;
	uint8_t head[MULLION_PACKET_HEAD_ROOM];
	struct mullion_frame retagged;

	if (out == MULLION_OUT_TAGGED ? packet->tagged && packet->vlan == vlan :
	    !packet->tagged) {
		forward_output(to, frame);
		return;
	}
	mullion_frame_retag(&retagged, frame,
			    out == MULLION_OUT_TAGGED ? vlan : MULLION_VLAN_NONE, head);
	forward_output(to, &retagged);
}

/* Without its tag, would it be in another VLAN for who gets it? */
static bool forward_hides_vlan(const struct mullion_packet *packet)
{
	return packet->tagged && mullion_be16_get(packet->head + MULLION_ETHER_BYTES + 2) ==
				 MULLION_ETHER_VLAN;
}

static bool forward_one(struct net_port *from, struct net_port *to,
			const struct mullion_frame *frame, uint16_t vlan)
{
	enum mullion_out out = mullion_filter_out(&to->filter, vlan);

	if (out == MULLION_OUT_NO || !mullion_filter_may_reach(&from->filter, &to->filter) ||
	    (!to->nic && !to->open) ||
	    (out == MULLION_OUT_UNTAGGED && forward_hides_vlan(&frame->packet)))
		return false;
	/* s-Par's guests complain of frames that are for others. */
	if (to->nic && !to->nic->batch && !to->nic->promiscuous &&
	    !frame->packet.multicast && !forward_mac_is(to, &frame->packet) &&
	    memcmp(to->nic->config.mac, mullion_packet_to(&frame->packet),
		   sizeof(to->nic->config.mac)))
		return false;
	forward_send(to, frame, vlan, out);
	return true;
}

static bool forward_flood(struct net_port *from, const struct mullion_frame *frame,
			  uint16_t vlan)
{
	bool reached = false;

	for (struct net_port *to = net.ports; to; to = to->next) {
		/* One that is down is no port of the switch for now. */
		if (to == from || !to->open)
			continue;
		if (to->nic && !frame->packet.multicast && !to->nic->promiscuous)
			continue;
		reached |= forward_one(from, to, frame, vlan);
	}
	return reached;
}

/* A card that has the address but did not use it yet. */
static struct net_port *forward_configured(const struct mullion_packet *packet, uint16_t vlan)
{
	for (struct net_port *port = net.ports; port; port = port->next) {
		if (port->nic && forward_mac_is(port, packet) &&
		    mullion_filter_out(&port->filter, vlan) != MULLION_OUT_NO)
			return port;
	}
	return NULL;
}

static struct net_port *forward_find(const struct mullion_packet *packet, uint16_t vlan)
{
	struct mullion_fdb_port *port;

	port = mullion_fdb_find(net.fdb, mullion_packet_to(packet), vlan, net_seconds());
	/* It is the first member. */
	return port ? (struct net_port *)(void *)port : forward_configured(packet, vlan);
}

static bool forward_admit(struct net_port *from, const struct mullion_packet *packet,
			  uint16_t *vlan)
{
	struct mullion_net_counters *counters = from->nic ? from->nic->counters : NULL;
	struct mullion_fdb_port *left;
	enum mullion_verdict verdict;

	verdict = mullion_filter_in(&from->filter, packet, vlan);
	if (verdict != MULLION_PASS) {
		if (counters && verdict == MULLION_DROP_VLAN)
			counters->rx_vlan++;
		else if (counters)
			counters->rx_spoofed++;
		return false;
	}
	if (from->nic && from->nic->rate.rate &&
	    !mullion_limit_take(&from->nic->rate, packet->bytes, net_now())) {
		counters->rx_rate++;
		return false;
	}
	if (mullion_fdb_learn(net.fdb, mullion_packet_from(packet), *vlan, &from->fdb,
			      net_seconds(), &left) == -EPERM) {
		if (counters)
			counters->rx_spoofed++;
		return false;
	}
	if (left) {
		struct net_port *other = (struct net_port *)(void *)left;

		if (other->nic)
			other->nic->counters->mac_moves++;
		/* It learns it again if it goes on to use it. */
		forward_forget(other);
		/* The others learn of most moves at once, but not of a storm. */
		if (net_now() - net.moved >= FORWARD_MOVE_NS) {
			net.moved = net_now();
			net.version++;
		}
	}
	return true;
}

void net_forward_checked(struct net_port *from, const struct mullion_frame *frame)
{
	const struct mullion_packet *packet = &frame->packet;
	struct net_port *to = NULL;
	bool reached;
	uint16_t vlan;

	if (net.mirror && net_mirror_wants(from))
		net_mirror_frame(frame);
	if (!forward_admit(from, packet, &vlan))
		return;
	if (!packet->multicast)
		to = forward_find(packet, vlan);
	if (to == from)
		return;
	if (to) {
		reached = forward_one(from, to, frame, vlan);
	} else if (from->flood.rate && !mullion_limit_take(&from->flood, 1, net_now())) {
		if (from->nic)
			from->nic->counters->rx_flood++;
		else
			net.counters->in_flood++;
		return;
	} else {
		reached = forward_flood(from, frame, vlan) || packet->multicast;
	}
	if (!reached && from->nic)
		from->nic->counters->rx_unreachable++;
	if (from->version == net.version)
		forward_remember(from, reached ? to : NULL, packet, vlan);
}

bool net_forward(struct net_port *from, struct mullion_frame *frame)
{
	struct mullion_packet *packet = &frame->packet;

	if (__builtin_expect(!frame->offload.flags && !frame->offload.gso_type, 1)) {
		if (__builtin_expect(forward_short(from, frame), 1))
			return true;
	}
	if (mullion_packet_parse(packet, packet->head, packet->head_bytes,
				 packet->bytes) < 0)
		return false;
	if ((frame->offload.flags || frame->offload.gso_type) &&
	    mullion_offload_check(&frame->offload, packet) < 0)
		return false;
	if (mullion_offload_wire_bytes(frame) > (uint32_t)packet->l3 + MULLION_NET_MTU_MAX)
		return false;
	net_forward_checked(from, frame);
	return true;
}
