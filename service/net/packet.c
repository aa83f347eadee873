// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/packet.c - the headers of a frame, read once from a private copy
 *
 * DOC: Theory of Operation
 *
 * Layer by layer, each of which leaves the packet as it found it when its
 * header is cut off or makes no sense: a frame of a protocol that is not known
 * here is switched like any other.  All lengths are compared before they are
 * used to step on, so an offset in the result lies inside the head whatever the
 * frame says, and what an IP header claims lies inside the frame.
 *
 * Limits: two tags; extension headers of IPv6 as far as the head goes.  IPv6
 * jumbograms are IPv6 of which no more is known than the first header.
 */
#include "packet.h"

#include <errno.h>
#include <string.h>

#define PACKET_TAG_BYTES	4
#define PACKET_TAGS_MAX		2
#define PACKET_VLAN_ID		0x0fff
#define PACKET_PRIORITY		0xf000

#define IPV4_BYTES		20
#define IPV4_FRAGMENT		0x3fff	/* more fragments, offset */
#define IPV4_FRAGMENT_OFFSET	0x1fff
#define IPV6_BYTES		40
#define IPV6_FRAGMENT_OFFSET	0xfff8
#define TCP_BYTES		20
#define UDP_BYTES		8

/* Next headers of IPv6 behind which there is another. */
#define IPV6_HOP_BY_HOP		0
#define IPV6_ROUTING		43
#define IPV6_FRAGMENT		44
#define IPV6_AUTHENTICATION	51
#define IPV6_DESTINATION	60

static size_t packet_tags(struct mullion_packet *packet)
{
	const uint8_t *head = packet->head;
	size_t at = MULLION_ETHER_BYTES;

	packet->ether = mullion_be16_get(head + 12);
	for (int i = 0; i < PACKET_TAGS_MAX; i++) {
		if ((packet->ether != MULLION_ETHER_VLAN &&
		     packet->ether != MULLION_ETHER_SVLAN) ||
		    packet->head_bytes - at < PACKET_TAG_BYTES)
			break;
		if (!i && packet->ether == MULLION_ETHER_VLAN) {
			packet->tagged = true;
			packet->vlan = mullion_be16_get(head + at) & PACKET_VLAN_ID;
		}
		packet->ether = mullion_be16_get(head + at + 2);
		at += PACKET_TAG_BYTES;
	}
	return at;
}

static void packet_ipv4(struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	uint32_t room = packet->head_bytes - packet->l3;
	uint32_t header, total, fragment;

	if (room < IPV4_BYTES || ip[0] >> 4 != 4)
		return;
	header = (ip[0] & 0xfU) * 4;
	total = mullion_be16_get(ip + 2);
	if (header < IPV4_BYTES || header > room || total < header ||
	    total > packet->bytes - packet->l3)
		return;
	fragment = mullion_be16_get(ip + 6);
	packet->ip_version = 4;
	packet->ip_end = packet->l3 + total;
	packet->protocol = ip[9];
	packet->fragment = fragment & IPV4_FRAGMENT;
	packet->later = fragment & IPV4_FRAGMENT_OFFSET;
	if (!packet->later)
		packet->l4 = (uint16_t)(packet->l3 + header);
}

/* Where the extension headers end, or 0. */
static uint32_t packet_ipv6_extensions(struct mullion_packet *packet, uint32_t at,
				       uint32_t end)
{
	for (;;) {
		const uint8_t *next = packet->head + at;
		uint32_t bytes;

		switch (packet->protocol) {
		case IPV6_HOP_BY_HOP:
		case IPV6_ROUTING:
		case IPV6_DESTINATION:
		case IPV6_AUTHENTICATION:
		case IPV6_FRAGMENT:
			break;
		default:
			return at;
		}
		if (end - at < 8)
			return 0;
		if (packet->protocol == IPV6_FRAGMENT) {
			packet->fragment = true;
			packet->protocol = next[0];
			packet->later = mullion_be16_get(next + 2) & IPV6_FRAGMENT_OFFSET;
			if (packet->later)
				return 0;
			at += 8;
			continue;
		}
		bytes = packet->protocol == IPV6_AUTHENTICATION ?
			(next[1] + 2U) * 4 : (next[1] + 1U) * 8;
		if (bytes > end - at)
			return 0;
		packet->protocol = next[0];
		at += bytes;
	}
}

static void packet_ipv6(struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	uint32_t payload, end;

	if (packet->head_bytes - packet->l3 < IPV6_BYTES || ip[0] >> 4 != 6)
		return;
	payload = mullion_be16_get(ip + 4);
	if (payload > packet->bytes - packet->l3 - IPV6_BYTES)
		return;
	packet->ip_version = 6;
	packet->ip_end = packet->l3 + IPV6_BYTES + payload;
	packet->protocol = ip[6];
	end = packet->ip_end < packet->head_bytes ? packet->ip_end : packet->head_bytes;
	packet->l4 = (uint16_t)packet_ipv6_extensions(packet, packet->l3 + IPV6_BYTES, end);
}

static void packet_transport(struct mullion_packet *packet)
{
	const uint8_t *l4 = packet->head + packet->l4;
	uint32_t room, bytes;

	if (!packet->l4 || packet->fragment)
		return;
	room = packet->ip_end - packet->l4;
	if (room > packet->head_bytes - packet->l4)
		room = packet->head_bytes - packet->l4;
	if (packet->protocol == MULLION_IP_TCP && room >= TCP_BYTES) {
		bytes = (l4[12] >> 4) * 4U;
		if (bytes >= TCP_BYTES && bytes <= room)
			packet->payload = (uint16_t)(packet->l4 + bytes);
	} else if (packet->protocol == MULLION_IP_UDP && room >= UDP_BYTES) {
		bytes = mullion_be16_get(l4 + 4);
		if (bytes >= UDP_BYTES && bytes <= packet->ip_end - packet->l4)
			packet->payload = packet->l4 + UDP_BYTES;
	}
}

static uint64_t packet_mix(uint64_t hash, const uint8_t *p, size_t bytes)
{
	for (; bytes; p += 4, bytes -= 4) {
		hash ^= mullion_be32_get(p);
		hash *= 0x9e3779b97f4a7c15ULL;
		hash ^= hash >> 29;
	}
	return hash;
}

static uint32_t packet_hash(const struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	uint64_t hash = 0;

	switch (packet->ip_version) {
	case 4:
		hash = packet_mix(hash, ip + 12, 8);
		break;
	case 6:
		hash = packet_mix(hash, ip + 8, 32);
		break;
	default:
		hash = packet_mix(hash, packet->head, 12);
		break;
	}
	/* all fragments of a packet must come out the same, so without ports */
	if (packet->payload) {
		hash += packet->protocol;
		hash = packet_mix(hash, packet->head + packet->l4, 4);
	}
	return (uint32_t)(hash ^ hash >> 32);
}

int mullion_packet_parse(struct mullion_packet *packet, const void *head,
			 size_t head_bytes, size_t bytes)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	if (head_bytes < MULLION_ETHER_BYTES || head_bytes > bytes || bytes > UINT32_MAX)
		return -EINVAL;
	if (head_bytes > MULLION_PACKET_HEAD_MAX)
		head_bytes = MULLION_PACKET_HEAD_MAX;
	*packet = (struct mullion_packet){
		.head = head,
		.head_bytes = (uint32_t)head_bytes,
		.bytes = (uint32_t)bytes,
	};
	packet->multicast = packet->head[0] & 1;
	packet->broadcast = !memcmp(packet->head, everybody, sizeof(everybody));
	packet->l3 = (uint16_t)packet_tags(packet);
	if (packet->ether == MULLION_ETHER_IPV4)
		packet_ipv4(packet);
	else if (packet->ether == MULLION_ETHER_IPV6)
		packet_ipv6(packet);
	if (packet->ip_version)
		packet_transport(packet);
	packet->hash = packet_hash(packet);
	return 0;
}

void mullion_packet_retag(struct mullion_packet *out, const struct mullion_packet *in,
			  uint16_t vlan, uint8_t *head)
{
	uint32_t old = in->tagged ? PACKET_TAG_BYTES : 0;
	uint32_t new = vlan ? PACKET_TAG_BYTES : 0;
	uint32_t rest = in->head_bytes - 12 - old;

	*out = *in;
	memcpy(head, in->head, 12);
	memcpy(head + 12 + new, in->head + 12 + old, rest);
	if (new) {
		uint32_t priority = old ? mullion_be16_get(in->head + 14) & PACKET_PRIORITY : 0;

		mullion_be16_put(head + 12, MULLION_ETHER_VLAN);
		mullion_be16_put(head + 14, priority | vlan);
	}
	out->head = head;
	out->head_bytes = 12 + new + rest;
	out->bytes = in->bytes - old + new;
	out->vlan = vlan;
	out->tagged = new;
	out->l3 = (uint16_t)(in->l3 - old + new);
	if (in->ip_version)
		out->ip_end = in->ip_end - old + new;
	if (in->l4)
		out->l4 = (uint16_t)(in->l4 - old + new);
	if (in->payload)
		out->payload = (uint16_t)(in->payload - old + new);
}
