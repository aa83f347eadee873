// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/dhcp.c - addresses for the guests of a network
 *
 * DOC: Theory of Operation
 *
 * In place of libslirp's server, which knows 16 clients and never forgets one: a
 * network here has more guests, and guests come and go.
 *
 * A client is a MAC address.  It gets the address that it had; else the one it
 * asks for, if that is free; else the lowest that is free, so that the only guest
 * of a network has the first one, to which forwards lead.  Leases are short and
 * are renewed all the time by those who live; what has ended is free.  Nothing is
 * kept when the process ends: a client that renews an address that is free here
 * is given it again.
 *
 * A request must come from the MAC address that it names, so a guest whose port is
 * locked cannot take the addresses of the others; one whose port is not can, as
 * in any network.
 *
 * Failure behaviour: what cannot be read to its end is not answered.  When there
 * is no free address, discovery is not answered and requests are denied.
 */
#include "dhcp.h"

#include <string.h>

#include "../net/csum.h"

#define DHCP_SERVER_PORT	67
#define DHCP_CLIENT_PORT	68
#define DHCP_OFFER_SECONDS	30
#define DHCP_REFUSED_SECONDS	600

/* Of the BOOTP message */
#define BOOTP_XID		4
#define BOOTP_FLAGS		10
#define BOOTP_CIADDR		12
#define BOOTP_YIADDR		16
#define BOOTP_SIADDR		20
#define BOOTP_CHADDR		28
#define BOOTP_MAGIC		236
#define BOOTP_OPTIONS		240
#define BOOTP_BYTES_MIN		300
#define BOOTP_REQUEST		1
#define BOOTP_REPLY		2
#define BOOTP_BROADCAST		0x8000
#define DHCP_MAGIC		0x63825363

#define OPTION_PAD		0
#define OPTION_MASK		1
#define OPTION_ROUTER		3
#define OPTION_DNS		6
#define OPTION_MTU		26
#define OPTION_ADDRESS		50
#define OPTION_LEASE		51
#define OPTION_TYPE		53
#define OPTION_SERVER		54
#define OPTION_LIST		55
#define OPTION_RENEW		58
#define OPTION_REBIND		59
#define OPTION_END		255

#define DHCP_DISCOVER		1
#define DHCP_OFFER		2
#define DHCP_REQUEST		3
#define DHCP_DECLINE		4
#define DHCP_ACK		5
#define DHCP_NAK		6
#define DHCP_RELEASE		7
#define DHCP_INFORM		8

#define FRAME_UDP		34
#define FRAME_BOOTP		42

struct dhcp_request {
	const uint8_t *bootp;
	const uint8_t *mac;
	uint32_t ciaddr;
	uint32_t address;	/* asked for */
	uint32_t server;
	uint8_t type;
	bool wants_mtu;
};

bool mullion_dhcp_is_request(const struct mullion_packet *packet)
{
	return packet->ip_version == 4 && packet->protocol == MULLION_IP_UDP &&
	       packet->payload &&
	       mullion_be16_get(packet->head + packet->l4 + 2) == DHCP_SERVER_PORT;
}

static bool dhcp_options(struct dhcp_request *request, const uint8_t *p, size_t bytes)
{
	while (bytes && *p != OPTION_END) {
		size_t length;

		if (*p == OPTION_PAD) {
			p++;
			bytes--;
			continue;
		}
		if (bytes < 2 || bytes - 2 < p[1])
			return false;
		length = p[1];
		if (*p == OPTION_TYPE && length == 1)
			request->type = p[2];
		else if (*p == OPTION_ADDRESS && length == 4)
			request->address = mullion_be32_get(p + 2);
		else if (*p == OPTION_SERVER && length == 4)
			request->server = mullion_be32_get(p + 2);
		else if (*p == OPTION_LIST)
			request->wants_mtu = memchr(p + 2, OPTION_MTU, length);
		p += 2 + length;
		bytes -= 2 + length;
	}
	return true;
}

static bool dhcp_read(const struct mullion_packet *packet, struct dhcp_request *request)
{
	const uint8_t *bootp = packet->head + packet->payload;
	size_t bytes = packet->ip_end - packet->payload;

	if (bytes < BOOTP_OPTIONS || bootp[0] != BOOTP_REQUEST || bootp[1] != 1 ||
	    bootp[2] != 6 || mullion_be32_get(bootp + BOOTP_MAGIC) != DHCP_MAGIC)
		return false;
	*request = (struct dhcp_request){
		.bootp = bootp,
		.mac = bootp + BOOTP_CHADDR,
		.ciaddr = mullion_be32_get(bootp + BOOTP_CIADDR),
	};
	return !memcmp(request->mac, mullion_packet_from(packet), 6) &&
	       dhcp_options(request, bootp + BOOTP_OPTIONS, bytes - BOOTP_OPTIONS);
}

static struct mullion_dhcp_lease *dhcp_lease(struct mullion_dhcp *dhcp, uint32_t address)
{
	return address - dhcp->first < dhcp->count ? &dhcp->leases[address - dhcp->first] :
	       NULL;
}

static bool dhcp_is_own(const struct mullion_dhcp_lease *lease, const uint8_t *mac)
{
	return !lease->refused && !memcmp(lease->mac, mac, sizeof(lease->mac));
}

static bool dhcp_is_free(const struct mullion_dhcp_lease *lease, const uint8_t *mac,
			 uint64_t now)
{
	return lease->ends <= now || dhcp_is_own(lease, mac);
}

/* Return: an address, 0 if there is none. */
static uint32_t dhcp_choose(struct mullion_dhcp *dhcp, const struct dhcp_request *request,
			    uint64_t now)
{
	struct mullion_dhcp_lease *lease;
	uint32_t first_free = 0;

	for (uint32_t i = 0; i < dhcp->count; i++) {
		lease = &dhcp->leases[i];
		if (dhcp_is_own(lease, request->mac))
			return dhcp->first + i;
		if (!first_free && lease->ends <= now)
			first_free = dhcp->first + i;
	}
	lease = dhcp_lease(dhcp, request->address);
	return lease && lease->ends <= now ? request->address : first_free;
}

static void dhcp_hold(struct mullion_dhcp *dhcp, uint32_t address, const uint8_t *mac,
		      uint64_t ends)
{
	struct mullion_dhcp_lease *lease = dhcp_lease(dhcp, address);

	for (uint32_t i = 0; i < dhcp->count; i++) {
		if (&dhcp->leases[i] != lease && dhcp_is_own(&dhcp->leases[i], mac))
			dhcp->leases[i] = (struct mullion_dhcp_lease){ 0 };
	}
	lease->refused = false;
	lease->ends = ends;
	memcpy(lease->mac, mac, sizeof(lease->mac));
}

/* Return: the type of the answer, 0 for none; *@address: what it gives. */
static uint8_t dhcp_decide(struct mullion_dhcp *dhcp, const struct dhcp_request *request,
			   uint64_t now, uint32_t *address)
{
	struct mullion_dhcp_lease *lease;

	*address = request->address ? request->address : request->ciaddr;
	lease = dhcp_lease(dhcp, *address);
	switch (request->type) {
	case DHCP_DISCOVER:
		*address = dhcp_choose(dhcp, request, now);
		if (!*address)
			return 0;
		/* one that lives keeps what it has while it looks around */
		lease = dhcp_lease(dhcp, *address);
		if (!dhcp_is_own(lease, request->mac) ||
		    lease->ends < now + DHCP_OFFER_SECONDS)
			dhcp_hold(dhcp, *address, request->mac, now + DHCP_OFFER_SECONDS);
		return DHCP_OFFER;
	case DHCP_REQUEST:
		/* it chose another server */
		if (request->server && request->server != dhcp->server)
			return 0;
		if (!lease || !dhcp_is_free(lease, request->mac, now))
			return DHCP_NAK;
		dhcp_hold(dhcp, *address, request->mac, now + MULLION_DHCP_LEASE_SECONDS);
		return DHCP_ACK;
	case DHCP_INFORM:
		*address = 0;
		return DHCP_ACK;
	case DHCP_DECLINE:
	case DHCP_RELEASE:
		if (lease && dhcp_is_own(lease, request->mac)) {
			*lease = (struct mullion_dhcp_lease){ 0 };
			if (request->type == DHCP_DECLINE) {
				lease->refused = true;
				lease->ends = now + DHCP_REFUSED_SECONDS;
			}
		}
		return 0;
	default:
		return 0;
	}
}

static uint8_t *dhcp_option(uint8_t *p, uint8_t option, uint8_t bytes, uint32_t value)
{
	*p++ = option;
	*p++ = bytes;
	while (bytes--)
		*p++ = (uint8_t)(value >> (8 * bytes));
	return p;
}

static uint8_t *dhcp_write_options(const struct mullion_dhcp *dhcp,
				   const struct dhcp_request *request, uint8_t type,
				   uint32_t address, uint8_t *p)
{
	p = dhcp_option(p, OPTION_TYPE, 1, type);
	p = dhcp_option(p, OPTION_SERVER, 4, dhcp->server);
	if (type != DHCP_NAK) {
		if (address) {
			p = dhcp_option(p, OPTION_LEASE, 4, MULLION_DHCP_LEASE_SECONDS);
			p = dhcp_option(p, OPTION_RENEW, 4, MULLION_DHCP_LEASE_SECONDS / 2);
			p = dhcp_option(p, OPTION_REBIND, 4,
					MULLION_DHCP_LEASE_SECONDS / 8 * 7);
		}
		p = dhcp_option(p, OPTION_MASK, 4, dhcp->mask);
		p = dhcp_option(p, OPTION_ROUTER, 4, dhcp->server);
		p = dhcp_option(p, OPTION_DNS, 4, dhcp->dns);
		if (request->wants_mtu)
			p = dhcp_option(p, OPTION_MTU, 2, dhcp->mtu);
	}
	*p++ = OPTION_END;
	return p;
}

/* Ethernet, IPv4 and UDP around @bytes that are there already. */
static size_t dhcp_wrap(const struct mullion_dhcp *dhcp, uint8_t *frame, const uint8_t *to_mac,
			uint32_t to, size_t bytes)
{
	struct mullion_csum csum = { 0 };
	uint8_t *ip = frame + MULLION_ETHER_BYTES, *udp = frame + FRAME_UDP;

	memcpy(frame, to_mac, 6);
	memcpy(frame + 6, dhcp->mac, 6);
	mullion_be16_put(frame + 12, MULLION_ETHER_IPV4);
	memset(ip, 0, FRAME_BOOTP - MULLION_ETHER_BYTES);
	ip[0] = 0x45;
	mullion_be16_put(ip + 2, (uint32_t)(FRAME_BOOTP - MULLION_ETHER_BYTES + bytes));
	ip[8] = 64;
	ip[9] = MULLION_IP_UDP;
	mullion_be32_put(ip + 12, dhcp->server);
	mullion_be32_put(ip + 16, to);
	mullion_csum_add(&csum, ip, 20);
	mullion_csum_store(&csum, ip + 10);

	mullion_be16_put(udp, DHCP_SERVER_PORT);
	mullion_be16_put(udp + 2, DHCP_CLIENT_PORT);
	mullion_be16_put(udp + 4, (uint32_t)(8 + bytes));
	csum = (struct mullion_csum){ 0 };
	mullion_csum_add(&csum, ip + 12, 8);
	mullion_csum_add_be16(&csum, MULLION_IP_UDP);
	mullion_csum_add_be16(&csum, (uint32_t)(8 + bytes));
	mullion_csum_add(&csum, udp, 8 + bytes);
	mullion_csum_store_nonzero(&csum, udp + 6);
	return FRAME_BOOTP + bytes;
}

size_t mullion_dhcp_answer(struct mullion_dhcp *dhcp, const struct mullion_packet *packet,
			   uint64_t now, uint8_t *answer)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	uint8_t *bootp = answer + FRAME_BOOTP, *end;
	const uint8_t *to_mac;
	struct dhcp_request request;
	uint32_t address, to;
	size_t bytes;
	uint8_t type;

	if (!dhcp_read(packet, &request))
		return 0;
	type = dhcp_decide(dhcp, &request, now, &address);
	if (!type)
		return 0;
	if (type == DHCP_NAK)
		address = 0;
	memset(answer, 0, MULLION_DHCP_FRAME_BYTES);
	bootp[0] = BOOTP_REPLY;
	bootp[1] = 1;
	bootp[2] = 6;
	memcpy(bootp + BOOTP_XID, request.bootp + BOOTP_XID, 4);
	memcpy(bootp + BOOTP_FLAGS, request.bootp + BOOTP_FLAGS, 2);
	if (type != DHCP_NAK)
		mullion_be32_put(bootp + BOOTP_CIADDR, request.ciaddr);
	mullion_be32_put(bootp + BOOTP_YIADDR, address);
	if (type != DHCP_NAK)
		mullion_be32_put(bootp + BOOTP_SIADDR, dhcp->server);
	memcpy(bootp + BOOTP_CHADDR, request.mac, 6);
	mullion_be32_put(bootp + BOOTP_MAGIC, DHCP_MAGIC);
	end = dhcp_write_options(dhcp, &request, type, address, bootp + BOOTP_OPTIONS);
	bytes = (size_t)(end - bootp);
	if (bytes < BOOTP_BYTES_MIN)
		bytes = BOOTP_BYTES_MIN;

	to = request.ciaddr ? request.ciaddr : address;
	to_mac = request.mac;
	if (type == DHCP_NAK || !to ||
	    (!request.ciaddr &&
	     (mullion_be16_get(request.bootp + BOOTP_FLAGS) & BOOTP_BROADCAST))) {
		to = 0xffffffff;
		to_mac = everybody;
	}
	return dhcp_wrap(dhcp, answer, to_mac, to, bytes);
}
