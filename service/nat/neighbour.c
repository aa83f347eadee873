// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/neighbour.c - guests that have another hardware address than before
 *
 * DOC: Theory of Operation
 *
 * libslirp learns a guest's hardware address from its ARP and neighbour discovery
 * and keeps it for ever.  A guest that takes another one need not say so, and one
 * that only receives will not: what it acknowledges nothing of, because it went to
 * the old address, it has no reason to send anything for.  Such a connection would
 * stand still for good.
 *
 * So, as routers do, we ask: when frames have been sent to an address for a while
 * and nothing came back, or what came had another hardware address than they are
 * sent to.  The guest's answer is one to libslirp, which learns from it.
 *
 * Limits: one question in NEIGHBOUR_ASK_MS and address; of two addresses with the
 * same place in the table only the last one is watched.
 */
#include "neighbour.h"

#include <string.h>

#include "../net/csum.h"

#define NEIGHBOUR_SILENT_MS	400
#define NEIGHBOUR_ASK_MS	1000

#define ARP_BYTES		28
#define ARP_REQUEST		1
#define ARP_SENDER_MAC		8
#define ARP_SENDER_IP		14
#define ARP_TARGET_IP		24

#define IPV4_SOURCE		12
#define IPV4_TARGET		16
#define IPV6_SOURCE		8
#define IPV6_TARGET		24
#define IPV6_BYTES		40
#define ND_NEIGHBOUR_SOLICIT	135
#define ND_HOPS			255
#define ND_BYTES		32	/* with our hardware address */
#define ND_OPTION_SOURCE	1

/* libslirp's own link-local address, and the hardware address that belongs to it. */
static const uint8_t neighbour_router6[16] = { 0xfe, 0x80, [15] = 2 };
static const uint8_t neighbour_router6_mac[6] = { 0x52, 0x56, 0, 0, 0, 2 };

static size_t neighbour_bytes(uint8_t version)
{
	return version == 4 ? 4 : 16;
}

static struct mullion_neighbour *neighbour_place(struct mullion_neighbours *neighbours,
						 uint8_t version, const uint8_t *address)
{
	uint32_t last = mullion_be32_get(address + neighbour_bytes(version) - 4);

	return &neighbours->table[last % MULLION_NEIGHBOURS_MAX];
}

static bool neighbour_is(const struct mullion_neighbour *neighbour, uint8_t version,
			 const uint8_t *address)
{
	return neighbour->version == version &&
	       !memcmp(neighbour->address, address, neighbour_bytes(version));
}

void mullion_neighbour_heard(struct mullion_neighbours *neighbours,
			     const struct mullion_packet *packet)
{
	const uint8_t *l3 = packet->head + packet->l3, *address;
	uint8_t version = packet->ip_version;
	struct mullion_neighbour *neighbour;

	if (version)
		address = l3 + (version == 4 ? IPV4_SOURCE : IPV6_SOURCE);
	else if (packet->ether == MULLION_ETHER_ARP &&
		 packet->head_bytes - packet->l3 >= ARP_BYTES)
		address = l3 + ARP_SENDER_IP;
	else
		return;
	version = version ? version : 4;
	neighbour = neighbour_place(neighbours, version, address);
	if (!neighbour_is(neighbour, version, address))
		return;
	memcpy(neighbour->mac, mullion_packet_from(packet), sizeof(neighbour->mac));
	neighbour->since = 0;
}

static size_t neighbour_ask_ip4(const struct mullion_neighbours *neighbours,
				const uint8_t *address, uint8_t *frame)
{
	static const uint8_t head[] = { 0, 1, 8, 0, 6, 4, 0, ARP_REQUEST };
	uint8_t *arp = frame + MULLION_ETHER_BYTES;

	memset(frame, 0xff, 6);
	frame[6] = 0x52;
	frame[7] = 0x55;
	mullion_be32_put(frame + 8, neighbours->router4);
	mullion_be16_put(frame + 12, MULLION_ETHER_ARP);
	memset(arp, 0, ARP_BYTES);
	memcpy(arp, head, sizeof(head));
	memcpy(arp + ARP_SENDER_MAC, frame + 6, 6);
	mullion_be32_put(arp + ARP_SENDER_IP, neighbours->router4);
	memcpy(arp + ARP_TARGET_IP, address, 4);
	return MULLION_ETHER_BYTES + ARP_BYTES;
}

static size_t neighbour_ask_ip6(const uint8_t *address, uint8_t *frame)
{
	static const uint8_t group[13] = { 0xff, 2, [11] = 1, [12] = 0xff };
	uint8_t *ip = frame + MULLION_ETHER_BYTES, *nd = ip + IPV6_BYTES;
	struct mullion_csum csum = { 0 };

	memset(frame, 0, MULLION_NEIGHBOUR_FRAME_BYTES);
	frame[0] = frame[1] = 0x33;
	frame[2] = 0xff;
	memcpy(frame + 3, address + 13, 3);
	memcpy(frame + 6, neighbour_router6_mac, 6);
	mullion_be16_put(frame + 12, MULLION_ETHER_IPV6);
	ip[0] = 0x60;
	mullion_be16_put(ip + 4, ND_BYTES);
	ip[6] = MULLION_IP_ICMPV6;
	ip[7] = ND_HOPS;
	memcpy(ip + IPV6_SOURCE, neighbour_router6, 16);
	memcpy(ip + IPV6_TARGET, group, sizeof(group));
	memcpy(ip + IPV6_TARGET + 13, address + 13, 3);
	nd[0] = ND_NEIGHBOUR_SOLICIT;
	memcpy(nd + 8, address, 16);
	nd[24] = ND_OPTION_SOURCE;
	nd[25] = 1;
	memcpy(nd + 26, neighbour_router6_mac, 6);
	mullion_csum_add(&csum, ip + IPV6_SOURCE, 32);
	mullion_csum_add_be16(&csum, ND_BYTES);
	mullion_csum_add_be16(&csum, MULLION_IP_ICMPV6);
	mullion_csum_add(&csum, nd, ND_BYTES);
	mullion_csum_store(&csum, nd + 2);
	return MULLION_NEIGHBOUR_FRAME_BYTES;
}

/* Has it been silent for long, or does it speak from elsewhere? */
static bool neighbour_is_doubtful(struct mullion_neighbour *neighbour,
				  const struct mullion_packet *packet, uint64_t now)
{
	bool elsewhere = memcmp(neighbour->mac, mullion_packet_to(packet), 6);

	if (!neighbour->since)
		neighbour->since = now;
	return elsewhere || now - neighbour->since >= NEIGHBOUR_SILENT_MS;
}

size_t mullion_neighbour_ask(struct mullion_neighbours *neighbours,
			     const struct mullion_packet *packet, uint64_t now,
			     uint8_t *question)
{
	uint8_t version = packet->ip_version;
	struct mullion_neighbour *neighbour;
	const uint8_t *address;

	if (!version || packet->multicast)
		return 0;
	address = packet->head + packet->l3 + (version == 4 ? IPV4_TARGET : IPV6_TARGET);
	neighbour = neighbour_place(neighbours, version, address);
	if (!neighbour_is(neighbour, version, address)) {
		*neighbour = (struct mullion_neighbour){ .version = version, .since = now };
		memcpy(neighbour->address, address, neighbour_bytes(version));
		memcpy(neighbour->mac, mullion_packet_to(packet), sizeof(neighbour->mac));
		return 0;
	}
	if (!neighbour_is_doubtful(neighbour, packet, now) ||
	    (neighbour->asked && now - neighbour->asked < NEIGHBOUR_ASK_MS))
		return 0;
	neighbour->asked = now;
	return version == 4 ? neighbour_ask_ip4(neighbours, address, question) :
	       neighbour_ask_ip6(address, question);
}
