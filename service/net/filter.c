// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/filter.c - what a port may send, and what it gets to see
 *
 * DOC: Theory of Operation
 *
 * VLANs: number 0 is the network of frames without one.  A port that is no
 * trunk is in one VLAN, its own, and sees it without tags; it may send frames
 * with that VLAN's tag, as bridges allow.  A trunk is in the VLANs of its
 * bitmap, and sees all but its own with tags.
 *
 * Locks stop a guest from speaking for others on its network: by its frames'
 * addresses, and by ARP and neighbour discovery, which teach the others where
 * frames go.  What cannot be read to its end is not let through when the
 * address is locked: extension headers that do not end in the head, ARP that is
 * cut off, neighbour discovery in fragments (which RFC 6980 forbids anyway), a
 * third tag.  Beyond the addresses of the list a locked port has the link-local
 * address that belongs to its MAC (EUI-64), without which IPv6 does not begin.
 */
#include "filter.h"

#include <errno.h>
#include <string.h>

#define IPV4_SOURCE		12
#define IPV4_TARGET		16
#define IPV6_SOURCE		8
#define IPV6_ADDRESS		16

#define UDP_BOOTP_CLIENT	68
#define UDP_BOOTP_SERVER	67

#define ARP_BYTES		28
#define ARP_SENDER_MAC		8
#define ARP_SENDER_IP		14

#define ND_ROUTER_SOLICIT	133
#define ND_ROUTER_ADVERT	134
#define ND_NEIGHBOUR_SOLICIT	135
#define ND_NEIGHBOUR_ADVERT	136
#define ND_REDIRECT		137
#define ND_OPTION_SOURCE	1
#define ND_OPTION_TARGET	2
#define ND_TARGET		8
#define ND_TARGET_END		24
#define ND_SOLICIT_OPTIONS	8	/* of a router solicitation */

static bool filter_bit(const uint8_t *bits, uint16_t vlan)
{
	return bits[vlan >> 3] >> (vlan & 7) & 1;
}

static bool filter_mac_is_valid(const uint8_t *mac)
{
	static const uint8_t null[6];

	return !(mac[0] & 1) && memcmp(mac, null, sizeof(null));
}

static void filter_link_local(struct mullion_filter *filter)
{
	uint8_t *ip = filter->link_local;

	memset(ip, 0, IPV6_ADDRESS);
	ip[0] = 0xfe;
	ip[1] = 0x80;
	memcpy(ip + 8, filter->mac, 3);
	ip[8] ^= 2;
	ip[11] = 0xff;
	ip[12] = 0xfe;
	memcpy(ip + 13, filter->mac + 3, 3);
}

int mullion_filter_set(struct mullion_filter *filter, const struct mullion_net_port *port)
{
	if (port->vlan > MULLION_VLAN_MAX || !filter_mac_is_valid(port->mac) ||
	    port->ip4_count > MULLION_NET_ADDRESSES_MAX ||
	    port->ip6_count > MULLION_NET_ADDRESSES_MAX ||
	    filter_bit(port->trunk_vlans, MULLION_VLAN_MAX + 1))
		return -EINVAL;
	*filter = (struct mullion_filter){
		.flags = port->flags,
		.vlan = port->vlan,
		.ip4_count = (uint8_t)port->ip4_count,
		.ip6_count = (uint8_t)port->ip6_count,
	};
	if (filter->flags & MULLION_NET_PORT_LOCK_IP)
		filter->flags |= MULLION_NET_PORT_LOCK_MAC;
	memcpy(filter->mac, port->mac, sizeof(filter->mac));
	memcpy(filter->ip4, port->ip4, sizeof(filter->ip4));
	memcpy(filter->ip6, port->ip6, sizeof(filter->ip6));
	memcpy(filter->trunk, port->trunk_vlans, sizeof(filter->trunk));
	filter_link_local(filter);
	return 0;
}

int mullion_filter_set_mac(struct mullion_filter *filter, const uint8_t *mac)
{
	if (!filter_mac_is_valid(mac))
		return -EINVAL;
	if (filter->flags & MULLION_NET_PORT_LOCK_MAC)
		return memcmp(filter->mac, mac, sizeof(filter->mac)) ? -EPERM : 0;
	memcpy(filter->mac, mac, sizeof(filter->mac));
	filter_link_local(filter);
	return 0;
}

void mullion_filter_set_uplink(struct mullion_filter *filter, uint16_t vlan)
{
	*filter = (struct mullion_filter){
		.flags = MULLION_NET_PORT_TRUNK,
		.vlan = vlan,
	};
	memset(filter->trunk, 0xff, sizeof(filter->trunk));
}

static bool filter_is_member(const struct mullion_filter *filter, uint16_t vlan)
{
	bool own = vlan == filter->vlan;

	if (!(filter->flags & MULLION_NET_PORT_TRUNK))
		return own;
	/* what has no VLAN must not meet what is untagged in a VLAN of the trunk */
	if (!vlan)
		return own && filter_bit(filter->trunk, 0);
	return own || filter_bit(filter->trunk, vlan);
}

static bool filter_classify(const struct mullion_filter *filter,
			    const struct mullion_packet *packet, uint16_t *vlan)
{
	uint16_t id = packet->vlan ? packet->vlan : filter->vlan;

	/* a tag that is cut off, or the number that does not exist */
	if ((packet->ether == MULLION_ETHER_VLAN && !packet->tagged) ||
	    id > MULLION_VLAN_MAX || !filter_is_member(filter, id))
		return false;
	*vlan = id;
	return true;
}

static bool filter_ip4_is_own(const struct mullion_filter *filter, const uint8_t *ip)
{
	for (unsigned int i = 0; i < filter->ip4_count; i++) {
		if (!memcmp(&filter->ip4[i], ip, 4))
			return true;
	}
	return false;
}

static bool filter_ip6_is_own(const struct mullion_filter *filter, const uint8_t *ip)
{
	for (unsigned int i = 0; i < filter->ip6_count; i++) {
		if (!memcmp(filter->ip6[i], ip, IPV6_ADDRESS))
			return true;
	}
	return !memcmp(filter->link_local, ip, IPV6_ADDRESS);
}

static bool filter_is_zero(const uint8_t *p, size_t bytes)
{
	uint8_t all = 0;

	for (size_t i = 0; i < bytes; i++)
		all |= p[i];
	return !all;
}

static bool filter_arp(const struct mullion_filter *filter,
		       const struct mullion_packet *packet)
{
	static const uint8_t ethernet_ipv4[] = { 0, 1, 8, 0, 6, 4 };
	const uint8_t *arp = packet->head + packet->l3;

	if (packet->head_bytes - packet->l3 < ARP_BYTES ||
	    memcmp(arp, ethernet_ipv4, sizeof(ethernet_ipv4)) ||
	    memcmp(arp + ARP_SENDER_MAC, filter->mac, sizeof(filter->mac)))
		return false;
	if (!(filter->flags & MULLION_NET_PORT_LOCK_IP))
		return true;
	/* without an address: a probe whether somebody else has it */
	return filter_is_zero(arp + ARP_SENDER_IP, 4) ||
	       filter_ip4_is_own(filter, arp + ARP_SENDER_IP);
}

static bool filter_ip4(const struct mullion_filter *filter,
		       const struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	const uint8_t *udp = packet->head + packet->l4;

	if (!(filter->flags & MULLION_NET_PORT_LOCK_IP))
		return true;
	if (packet->ip_version != 4)
		return false;
	if (filter_ip4_is_own(filter, ip + IPV4_SOURCE))
		return true;
	return filter_is_zero(ip + IPV4_SOURCE, 4) &&
	       packet->protocol == MULLION_IP_UDP && packet->payload &&
	       mullion_be16_get(udp) == UDP_BOOTP_CLIENT &&
	       mullion_be16_get(udp + 2) == UDP_BOOTP_SERVER;
}

/* Link-layer addresses in options must be ours. */
static bool filter_nd_options(const struct mullion_filter *filter, const uint8_t *option,
			      size_t bytes)
{
	while (bytes) {
		size_t length;

		if (bytes < 8)
			return false;
		length = option[1] * 8U;
		if (!length || length > bytes)
			return false;
		if ((option[0] == ND_OPTION_SOURCE || option[0] == ND_OPTION_TARGET) &&
		    (length != 8 || memcmp(option + 2, filter->mac, sizeof(filter->mac))))
			return false;
		option += length;
		bytes -= length;
	}
	return true;
}

static bool filter_nd(const struct mullion_filter *filter,
		      const struct mullion_packet *packet)
{
	const uint8_t *nd = packet->head + packet->l4;
	uint32_t bytes = packet->ip_end - packet->l4;
	uint32_t options = ND_TARGET_END;
	bool lock_ip = filter->flags & MULLION_NET_PORT_LOCK_IP;

	if (!bytes || packet->l4 >= packet->head_bytes)
		return false;
	if (nd[0] < ND_ROUTER_SOLICIT || nd[0] > ND_REDIRECT)
		return true;
	/* A node with given addresses is no router. */
	if (nd[0] == ND_ROUTER_ADVERT || nd[0] == ND_REDIRECT)
		return !lock_ip;
	if (packet->fragment || packet->ip_end > packet->head_bytes)
		return false;
	switch (nd[0]) {
	case ND_ROUTER_SOLICIT:
		options = ND_SOLICIT_OPTIONS;
		break;
	case ND_NEIGHBOUR_ADVERT:
		if (bytes < ND_TARGET_END ||
		    (lock_ip && !filter_ip6_is_own(filter, nd + ND_TARGET)))
			return false;
		break;
	case ND_NEIGHBOUR_SOLICIT:
		if (bytes < ND_TARGET_END)
			return false;
		/* Without an address: for an own one, not to deny it to others. */
		if (lock_ip &&
		    filter_is_zero(packet->head + packet->l3 + IPV6_SOURCE, IPV6_ADDRESS) &&
		    !filter_ip6_is_own(filter, nd + ND_TARGET))
			return false;
		break;
	}
	return bytes >= options && filter_nd_options(filter, nd + options, bytes - options);
}

static bool filter_ip6(const struct mullion_filter *filter,
		       const struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	bool lock_ip = filter->flags & MULLION_NET_PORT_LOCK_IP;

	if (packet->ip_version != 6)
		return !lock_ip;
	if (lock_ip && !filter_ip6_is_own(filter, ip + IPV6_SOURCE) &&
	    !(filter_is_zero(ip + IPV6_SOURCE, IPV6_ADDRESS) &&
	      packet->protocol == MULLION_IP_ICMPV6))
		return false;
	/* the first fragment, or a whole packet, must show what it is */
	if (!packet->l4)
		return packet->later;
	return packet->protocol != MULLION_IP_ICMPV6 || filter_nd(filter, packet);
}

enum mullion_verdict mullion_filter_in(const struct mullion_filter *filter,
				       const struct mullion_packet *packet,
				       uint16_t *vlan)
{
	bool pass = true;

	if (!filter_classify(filter, packet, vlan))
		return MULLION_DROP_VLAN;
	if (!(filter->flags & MULLION_NET_PORT_LOCK_MAC))
		return MULLION_PASS;
	if (memcmp(mullion_packet_from(packet), filter->mac, sizeof(filter->mac)))
		return MULLION_DROP_SPOOFED;
	switch (packet->ether) {
	case MULLION_ETHER_ARP:
		pass = filter_arp(filter, packet);
		break;
	case MULLION_ETHER_IPV4:
		pass = filter_ip4(filter, packet);
		break;
	case MULLION_ETHER_IPV6:
		pass = filter_ip6(filter, packet);
		break;
	default:
		pass = !(filter->flags & MULLION_NET_PORT_LOCK_IP);
		break;
	}
	return pass ? MULLION_PASS : MULLION_DROP_SPOOFED;
}

enum mullion_out mullion_filter_out(const struct mullion_filter *filter, uint16_t vlan)
{
	if (!filter_is_member(filter, vlan))
		return MULLION_OUT_NO;
	return vlan == filter->vlan ? MULLION_OUT_UNTAGGED : MULLION_OUT_TAGGED;
}
