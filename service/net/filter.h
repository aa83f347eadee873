/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/filter.h - what a port may send, and what it gets to see
 */
#ifndef MULLION_NET_FILTER_H
#define MULLION_NET_FILTER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/net.h"
#include "packet.h"

#define MULLION_VLAN_MAX	4094

/**
 * struct mullion_filter - rules of a port
 * @flags: MULLION_NET_PORT_*; LOCK_IP implies LOCK_MAC
 * @vlan: of untagged frames; MULLION_VLAN_NONE: the frames of no VLAN, for a
 *	trunk only if bit 0 of @trunk is set
 * @mac: the port's address now
 */
struct mullion_filter {
	uint32_t flags;
	uint16_t vlan;
	uint8_t mac[6];
	uint8_t ip4_count;
	uint8_t ip6_count;
	uint32_t ip4[MULLION_NET_ADDRESSES_MAX];	/* big-endian */
	uint8_t ip6[MULLION_NET_ADDRESSES_MAX][16];
	uint8_t link_local[16];				/* that of @mac */
	uint8_t trunk[512];
};

/**
 * mullion_filter_set() - rules of a port, from its configuration
 * @filter: untouched if that is refused
 * @port: private copy; only what concerns filters is looked at
 *
 * Return: 0; -EINVAL for a VLAN beyond 4094, an address that is a group or
 * null, or more IP addresses than there are.
 */
int mullion_filter_set(struct mullion_filter *filter, const struct mullion_net_port *port);

/**
 * mullion_filter_set_mac() - the port has another address now
 *
 * Return: 0; -EINVAL if it is a group or null; -EPERM if the port is locked.
 */
int mullion_filter_set_mac(struct mullion_filter *filter, const uint8_t *mac);

/**
 * mullion_filter_set_uplink() - rules of the uplink: a trunk of all VLANs
 * @vlan: of its untagged frames
 */
void mullion_filter_set_uplink(struct mullion_filter *filter, uint16_t vlan);

enum mullion_verdict {
	MULLION_PASS,
	MULLION_DROP_VLAN,	/* rx_vlan */
	MULLION_DROP_SPOOFED,	/* rx_spoofed */
};

/**
 * mullion_filter_in() - may this frame come in?
 * @packet: parsed
 * @vlan: set to the VLAN it belongs to, if it passes
 *
 * With LOCK_MAC, the source address of the Ethernet header and those in ARP
 * and neighbour discovery must be the port's.  With LOCK_IP, only IPv4, IPv6
 * and ARP pass, from the addresses of the list, the link-local address that
 * belongs to the MAC, and no address where a node looks for one; and no
 * router advertisements and redirects.
 */
enum mullion_verdict mullion_filter_in(const struct mullion_filter *filter,
				       const struct mullion_packet *packet,
				       uint16_t *vlan);

enum mullion_out {
	MULLION_OUT_NO,		/* the port is not in that VLAN */
	MULLION_OUT_UNTAGGED,	/* a tag must come off, if there is one */
	MULLION_OUT_TAGGED,	/* with the VLAN's tag */
};

/**
 * mullion_filter_out() - does the port see frames of a VLAN, and in what form?
 */
enum mullion_out mullion_filter_out(const struct mullion_filter *filter, uint16_t vlan);

/**
 * mullion_filter_may_reach() - is there a way from one port to another, as
 * far as isolation goes?
 */
static inline bool mullion_filter_may_reach(const struct mullion_filter *from,
					    const struct mullion_filter *to)
{
	return !(from->flags & to->flags & MULLION_NET_PORT_ISOLATED);
}

#endif /* MULLION_NET_FILTER_H */
