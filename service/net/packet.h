/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/packet.h - the headers of a frame, read once from a private copy
 *
 * Nothing here looks at memory that a peer can change: the caller copies the
 * first bytes of a frame, at most MULLION_PACKET_HEAD_MAX, and everything that
 * is decided of the frame is decided from that copy and delivered from it.
 */
#ifndef MULLION_NET_PACKET_H
#define MULLION_NET_PACKET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Bytes copied of a frame: Ethernet, two tags, IPv6, a full TCP header, and 70
 * bytes of extension headers.
 */
#define MULLION_PACKET_HEAD_MAX	192
/* With a tag that mullion_packet_retag() added. */
#define MULLION_PACKET_HEAD_ROOM	(MULLION_PACKET_HEAD_MAX + 4)

#define MULLION_ETHER_BYTES	14
#define MULLION_ETHER_IPV4	0x0800
#define MULLION_ETHER_ARP	0x0806
#define MULLION_ETHER_VLAN	0x8100
#define MULLION_ETHER_IPV6	0x86dd
#define MULLION_ETHER_SVLAN	0x88a8

#define MULLION_IP_ICMP		1
#define MULLION_IP_TCP		6
#define MULLION_IP_UDP		17
#define MULLION_IP_ICMPV6	58

/* No VLAN id in the frame. */
#define MULLION_VLAN_NONE	0

/**
 * struct mullion_packet - what the head of a frame says
 * @head: the private copy; not owned
 * @head_bytes: of it
 * @bytes: of the whole frame
 * @vlan: id in the outer 802.1Q tag; MULLION_VLAN_NONE also for a tag that
 *	only says a priority
 * @tagged: there is an outer 802.1Q tag
 * @multicast: to a group; broadcast too
 * @broadcast: to everybody
 * @ether: type that follows the tags that were understood (two at most)
 * @l3: offset of what follows @ether
 * @ip_version: 4 or 6 if @ether says so and the IP header lies in the head and
 *	is well formed; else 0
 * @ip_end: offset of the IP packet's end as its header says, at most @bytes
 * @protocol: what follows the IP header and all extension headers
 * @l4: offset of that; 0 if the extension headers do not end in the head, or
 *	in a fragment that is not the first
 * @fragment: of a larger IP packet, the first one too
 * @later: a fragment that is not the first
 * @payload: TCP and UDP whose header lies in the head and is well formed, and
 *	no fragment: offset of the data; else 0
 * @hash: of the flow: addresses, and ports unless it is a fragment
 */
struct mullion_packet {
	const uint8_t *head;
	uint32_t head_bytes;
	uint32_t bytes;
	uint32_t hash;
	uint32_t ip_end;
	uint16_t vlan;
	uint16_t ether;
	uint16_t l3;
	uint16_t l4;
	uint16_t payload;
	uint8_t ip_version;
	uint8_t protocol;
	bool tagged;
	bool multicast;
	bool broadcast;
	bool fragment;
	bool later;
};

/**
 * mullion_packet_parse() - read the head of a frame
 * @packet: filled in; keeps @head
 * @head: private memory that stays as it is while @packet is used
 * @head_bytes: of it; what is beyond MULLION_PACKET_HEAD_MAX belongs to the body
 * @bytes: of the frame
 *
 * A frame whose inner headers are cut or wrong is a frame all the same, one of
 * which less is known.
 *
 * Return: 0; -EINVAL if the head is shorter than an Ethernet header or longer
 * than the frame, and then @packet is untouched.
 */
int mullion_packet_parse(struct mullion_packet *packet, const void *head,
			 size_t head_bytes, size_t bytes);

/**
 * mullion_packet_retag() - the same frame with another 802.1Q tag, or none
 * @out: the frame with the new head; may not be @in
 * @in: a parsed frame
 * @vlan: id of the tag, which keeps the priority of an old one;
 *	MULLION_VLAN_NONE: without tag
 * @head: MULLION_PACKET_HEAD_ROOM bytes, which @out keeps
 *
 * The body of the frame (what follows @in->head_bytes) also follows the new
 * head.  Offsets in @out have moved with it; those of an offload move by
 * @out->l3 - @in->l3.
 */
void mullion_packet_retag(struct mullion_packet *out, const struct mullion_packet *in,
			  uint16_t vlan, uint8_t *head);

/* Addresses of the Ethernet header, 6 bytes each. */
static inline const uint8_t *mullion_packet_to(const struct mullion_packet *packet)
{
	return packet->head;
}

static inline const uint8_t *mullion_packet_from(const struct mullion_packet *packet)
{
	return packet->head + 6;
}

/* Big-endian numbers wherever they lie. */
static inline uint16_t mullion_be16_get(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline void mullion_be16_put(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline uint32_t mullion_be32_get(const uint8_t *p)
{
	return (uint32_t)mullion_be16_get(p) << 16 | mullion_be16_get(p + 2);
}

static inline void mullion_be32_put(uint8_t *p, uint32_t value)
{
	mullion_be16_put(p, value >> 16);
	mullion_be16_put(p + 2, value);
}

#endif /* MULLION_NET_PACKET_H */
