/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/net_spec.h - the one parser of what a user calls a network interface
 *
 *	NETWORK[,mac=XX:XX:XX:XX:XX:XX][,mtu=BYTES][,link=up|down]
 *		[,rate=SIZE][,burst=SIZE][,rate-to=SIZE][,burst-to=SIZE]
 *		[,isolated=on|off][,lock=none|mac|ip][,ip=ADDRESS[+ADDRESS]...]
 *		[,vlan=N][,trunk=none|N[-N][+N[-N]]...][,share=on|off]
 *
 * Rates are bytes a second.  SIZE takes K, M, G or T as powers of 1024.
 */
#ifndef MULLION_COMMAND_NET_SPEC_H
#define MULLION_COMMAND_NET_SPEC_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "../abi/net.h"
#include "definition.h"
#include "error.h"

#define MULLION_NET_SPEC_TEXT_MAX	1024
#define MULLION_MAC_TEXT		18

/**
 * struct mullion_net_spec - a parsed SPEC
 * @text: what the user wrote, at first
 * @network: its name; nothing is known about whether there is one
 * @has_mac: @mac was given
 * @mtu: 0: that of the network
 * @rate, @burst, @rate_to, @burst_to: 0: unlimited, and one chosen for the rate
 * @lock_mac, @lock_ip: the second implies the first
 * @vlan: 0: none
 * @trunk: VLANs of @vlans are carried with tags; bit 0: and what has none
 * @share: another interface may have the same address
 */
struct mullion_net_spec {
	char text[MULLION_NET_SPEC_TEXT_MAX];
	char network[MULLION_NAME_MAX + 1];
	bool has_mac;
	uint8_t mac[6];
	uint32_t mtu;
	bool link_up;
	uint64_t rate;
	uint64_t burst;
	uint64_t rate_to;
	uint64_t burst_to;
	bool isolated;
	bool lock_mac;
	bool lock_ip;
	unsigned int ip4_count;
	unsigned int ip6_count;
	uint32_t ip4[MULLION_NET_ADDRESSES_MAX];	/* big-endian */
	uint8_t ip6[MULLION_NET_ADDRESSES_MAX][16];
	unsigned int vlan;
	bool trunk;
	uint8_t vlans[512];
	bool share;
};

/**
 * mullion_net_spec_parse() - read a SPEC
 * @spec: filled on success
 *
 * Return: 0, -EINVAL or -ENAMETOOLONG with @err filled in.
 */
int mullion_net_spec_parse(struct mullion_net_spec *spec, const char *text,
			   struct mullion_error *err);

/**
 * mullion_net_spec_change() - change options of an interface that is in use
 * @spec: changed on success
 * @changes: options, as in a SPEC behind the network's name
 *
 * What is not named stays.  Return: 0, -EINVAL or -ENAMETOOLONG with @err filled in.
 */
int mullion_net_spec_change(struct mullion_net_spec *spec, const char *changes,
			    struct mullion_error *err);

/**
 * mullion_net_spec_fill() - the interface as the service is told of it
 * @mtu: of the network, used if the spec has none
 */
void mullion_net_spec_fill(const struct mullion_net_spec *spec, uint32_t mtu,
			   struct mullion_net_port *port);

/**
 * mullion_net_spec_describe() - schema Port; new reference
 */
json_t *mullion_net_spec_describe(const struct mullion_net_spec *spec, uint32_t mtu);

/**
 * mullion_mac_text() - 02:00:00:00:00:01
 * Return: @out.
 */
const char *mullion_mac_text(const uint8_t mac[static 6], char out[static MULLION_MAC_TEXT]);

/**
 * mullion_mac_parse() - the reverse; a unicast address that is not zero
 * Return: 0 or -EINVAL.
 */
int mullion_mac_parse(const char *text, uint8_t mac[static 6]);

#endif /* MULLION_COMMAND_NET_SPEC_H */
