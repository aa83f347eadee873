/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/nat/nat.h - a network of guests behind this machine's addresses
 */
#ifndef MULLION_NAT_H
#define MULLION_NAT_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#include "forward.h"

/* What libslirp takes. */
#define MULLION_NAT_MTU_MIN	68
#define MULLION_NAT_MTU_MAX	65521
/* The server is number 2 of the network, the guests begin at 15. */
#define MULLION_NAT_PREFIX_MIN	8
#define MULLION_NAT_PREFIX_MAX	27

/**
 * struct mullion_nat_config - the network
 * @name: for messages
 * @ip4: has IPv4: @network and its prefix length
 * @ip6: has IPv6: @prefix, of 64 bits
 * @host_loopback: the router's address leads to this host's loopback address
 */
struct mullion_nat_config {
	const char *name;
	bool ip4;
	bool ip6;
	bool host_loopback;
	struct in_addr network;
	unsigned int network_bits;
	struct in6_addr prefix;
	unsigned int mtu;
};

struct mullion_nat;

/**
 * mullion_nat_new() - begin
 * @config: copied where needed; the name must stay
 * @socket: SOCK_SEQPACKET, a frame per message; owned from now on, also on failure
 * @ret: the NAT
 *
 * Return: 0 or negative errno.
 */
int mullion_nat_new(const struct mullion_nat_config *config, int socket,
		    struct mullion_nat **ret);

void mullion_nat_free(struct mullion_nat *nat);

/**
 * mullion_nat_forward() - listen at a port of the host
 *
 * Return: 0 or negative errno: that of bind().
 */
int mullion_nat_forward(struct mullion_nat *nat, const struct mullion_forward *forward);

/**
 * mullion_nat_run() - until the socket ends
 *
 * Return: 0 or negative errno.
 */
int mullion_nat_run(struct mullion_nat *nat);

#endif /* MULLION_NAT_H */
