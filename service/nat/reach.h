/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/nat/reach.h - which addresses of this host guests may talk to
 */
#ifndef MULLION_NAT_REACH_H
#define MULLION_NAT_REACH_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "../net/packet.h"

/**
 * struct mullion_nat_reach - what concerns the host's loopback addresses
 * @host_loopback: the router's address leads there
 * @dns4: address of the name server, a number of this machine's byte order
 * @dns6: that of IPv6
 */
struct mullion_nat_reach {
	bool host_loopback;
	uint32_t dns4;
	struct in6_addr dns6;
};

/**
 * mullion_nat_may_reach() - may the packet have the connection that it asks for?
 * @packet: parsed; anything but IP may
 *
 * False for what would be a connection to a loopback address of this host by
 * another name than the router's: loopback addresses themselves, the address
 * that is none, and IPv4 addresses in IPv6; and, without @host_loopback, for all
 * but questions to the name server, which may be this host.
 */
bool mullion_nat_may_reach(const struct mullion_nat_reach *reach,
			   const struct mullion_packet *packet);

#endif /* MULLION_NAT_REACH_H */
