/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/nat/dhcp.h - addresses for the guests of a network
 */
#ifndef MULLION_NAT_DHCP_H
#define MULLION_NAT_DHCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../net/packet.h"

#define MULLION_DHCP_LEASES_MAX	1024
#define MULLION_DHCP_LEASE_SECONDS	300
/* Bytes of an answer at most. */
#define MULLION_DHCP_FRAME_BYTES	590

/**
 * struct mullion_dhcp - the server
 * @server: its address, which is the router's, too; all addresses here are
 *	numbers of this machine's byte order
 * @mask: of the network
 * @dns: name server
 * @first: address that is given first
 * @count: addresses from there on, at most MULLION_DHCP_LEASES_MAX
 * @mtu: of the network
 * @mac: the server's
 * @leases: by address; all zero to begin
 */
struct mullion_dhcp {
	uint32_t server;
	uint32_t mask;
	uint32_t dns;
	uint32_t first;
	uint32_t count;
	uint16_t mtu;
	uint8_t mac[6];
	struct mullion_dhcp_lease {
		uint64_t ends;		/* seconds, monotonic; in the past: free */
		uint8_t mac[6];
		bool refused;		/* a client says that somebody else has it */
	} leases[MULLION_DHCP_LEASES_MAX];
};

/**
 * mullion_dhcp_is_request() - is the frame for a DHCP server?
 */
bool mullion_dhcp_is_request(const struct mullion_packet *packet);

/**
 * mullion_dhcp_answer() - answer a request
 * @packet: one that mullion_dhcp_is_request(); its body follows its head in
 *	memory, which is private
 * @now: seconds, monotonic
 * @answer: MULLION_DHCP_FRAME_BYTES
 *
 * Return: bytes of @answer; 0: none is due.
 */
size_t mullion_dhcp_answer(struct mullion_dhcp *dhcp, const struct mullion_packet *packet,
			   uint64_t now, uint8_t *answer);

#endif /* MULLION_NAT_DHCP_H */
