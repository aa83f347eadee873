// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/reach.c - which addresses of this host guests may talk to
 *
 * libslirp connects to the address that a packet is for, whatever it is, so
 * 127.0.0.1 would be this host's, and so would 0.0.0.0, which connect() takes for
 * it.  The address of the name server stands for the one in resolv.conf, often
 * this host's own, for every port.
 */
#include "reach.h"

#include <string.h>

#define IPV4_TARGET		16
#define IPV6_TARGET		24
#define IPV4_LOOPBACK_NET	127
#define DNS_PORT		53

static bool reach_is_question(const struct mullion_packet *packet)
{
	return (packet->protocol != MULLION_IP_TCP && packet->protocol != MULLION_IP_UDP) ||
	       (packet->payload &&
		mullion_be16_get(packet->head + packet->l4 + 2) == DNS_PORT);
}

static bool reach_ip4(const struct mullion_nat_reach *reach, const struct mullion_packet *packet)
{
	const uint8_t *to = packet->head + packet->l3 + IPV4_TARGET;

	if (!to[0] || to[0] == IPV4_LOOPBACK_NET)
		return false;
	return reach->host_loopback || mullion_be32_get(to) != reach->dns4 ||
	       reach_is_question(packet);
}

static bool reach_ip6(const struct mullion_nat_reach *reach, const struct mullion_packet *packet)
{
	struct in6_addr to;

	memcpy(&to, packet->head + packet->l3 + IPV6_TARGET, sizeof(to));
	if (IN6_IS_ADDR_UNSPECIFIED(&to) || IN6_IS_ADDR_LOOPBACK(&to) ||
	    IN6_IS_ADDR_V4MAPPED(&to) || IN6_IS_ADDR_V4COMPAT(&to))
		return false;
	return reach->host_loopback || !IN6_ARE_ADDR_EQUAL(&to, &reach->dns6) ||
	       reach_is_question(packet);
}

bool mullion_nat_may_reach(const struct mullion_nat_reach *reach,
			   const struct mullion_packet *packet)
{
	if (packet->ip_version == 4)
		return reach_ip4(reach, packet);
	return packet->ip_version != 6 || reach_ip6(reach, packet);
}
