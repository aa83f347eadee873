// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/net_spec.c - the one parser of what a user calls a network interface
 *
 * The first piece names the network, each further one is an option that may be
 * given once.  Whether there is such a network is not looked at here: it may be
 * defined later.  A change of an interface is read by the same functions, on a
 * copy, so that what is refused changes nothing.
 */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net_spec.h"
#include "spec_text.h"

#define NET_SPEC_WHAT		"cannot use network interface"
#define NET_SPEC_VLAN_MAX	4094
/* A bucket that holds less than two of the largest frames never lets one through. */
#define NET_SPEC_BURST_MIN	(2ULL * MULLION_NET_FRAME_MAX)

enum {
	OPTION_MAC, OPTION_MTU, OPTION_LINK, OPTION_RATE, OPTION_BURST, OPTION_RATE_TO,
	OPTION_BURST_TO, OPTION_ISOLATED, OPTION_LOCK, OPTION_IP, OPTION_VLAN, OPTION_TRUNK,
	OPTION_SHARE, OPTIONS,
};

static const char *const net_spec_names[OPTIONS] = {
	"mac", "mtu", "link", "rate", "burst", "rate-to", "burst-to", "isolated", "lock", "ip",
	"vlan", "trunk", "share",
};

const char *mullion_mac_text(const uint8_t mac[static 6], char out[static MULLION_MAC_TEXT])
{
	snprintf(out, MULLION_MAC_TEXT, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		 mac[3], mac[4], mac[5]);
	return out;
}

int mullion_mac_parse(const char *text, uint8_t mac[static 6])
{
	static const char digits[] = "0123456789abcdef";
	uint8_t out[6];

	for (unsigned int i = 0; i < 6; i++, text += 3) {
		const char *high, *low;

		if (!isxdigit((unsigned char)text[0]) || !isxdigit((unsigned char)text[1]) ||
		    text[2] != (i < 5 ? ':' : '\0'))
			return -EINVAL;
		high = strchr(digits, tolower((unsigned char)text[0]));
		low = strchr(digits, tolower((unsigned char)text[1]));
		out[i] = (uint8_t)((high - digits) << 4 | (low - digits));
	}
	/* a group's address is nobody's, and neither is 0 */
	if (out[0] & 1 || !(out[0] | out[1] | out[2] | out[3] | out[4] | out[5]))
		return -EINVAL;
	memcpy(mac, out, sizeof(out));
	return 0;
}

static bool net_spec_address(struct mullion_net_spec *spec, const char *text)
{
	if (spec->ip4_count < MULLION_NET_ADDRESSES_MAX &&
	    inet_pton(AF_INET, text, &spec->ip4[spec->ip4_count]) == 1) {
		spec->ip4_count++;
		return true;
	}
	if (spec->ip6_count < MULLION_NET_ADDRESSES_MAX &&
	    inet_pton(AF_INET6, text, spec->ip6[spec->ip6_count]) == 1) {
		spec->ip6_count++;
		return true;
	}
	return false;
}

/* Pieces between plus signs; @take returns whether it can be used. */
static bool net_spec_list(struct mullion_net_spec *spec, const char *value,
			  bool (*take)(struct mullion_net_spec *spec, const char *text))
{
	char piece[64];

	for (;;) {
		size_t len = strcspn(value, "+");

		if (!len || len >= sizeof(piece))
			return false;
		memcpy(piece, value, len);
		piece[len] = '\0';
		if (!take(spec, piece))
			return false;
		if (!value[len])
			return true;
		value += len + 1;
	}
}

static bool net_spec_addresses(struct mullion_net_spec *spec, const char *value)
{
	spec->ip4_count = 0;
	spec->ip6_count = 0;
	memset(spec->ip4, 0, sizeof(spec->ip4));
	memset(spec->ip6, 0, sizeof(spec->ip6));
	return !strcmp(value, "none") || net_spec_list(spec, value, net_spec_address);
}

/* "7" or "10-20"; 0: frames without a tag, of no VLAN */
static bool net_spec_vlans(struct mullion_net_spec *spec, const char *text)
{
	uint64_t first, last;
	char *dash = strchr(text, '-');
	char low[8];

	if (dash) {
		if (dash - text >= (ptrdiff_t)sizeof(low))
			return false;
		snprintf(low, sizeof(low), "%.*s", (int)(dash - text), text);
		if (mullion_spec_number(low, NET_SPEC_VLAN_MAX, &first) < 0 ||
		    mullion_spec_number(dash + 1, NET_SPEC_VLAN_MAX, &last) < 0)
			return false;
	} else {
		if (mullion_spec_number(text, NET_SPEC_VLAN_MAX, &first) < 0)
			return false;
		last = first;
	}
	if (last < first)
		return false;
	for (; first <= last; first++)
		spec->vlans[first >> 3] |= (uint8_t)(1U << (first & 7));
	return true;
}

static bool net_spec_trunk(struct mullion_net_spec *spec, const char *value)
{
	memset(spec->vlans, 0, sizeof(spec->vlans));
	spec->trunk = strcmp(value, "none") != 0;
	return !spec->trunk || net_spec_list(spec, value, net_spec_vlans);
}

static const char *net_spec_rate(const char *value, uint64_t *ret)
{
	return !value || mullion_spec_size(value, ret) < 0 ?
	       "use bytes a second such as 10M; 0 is unlimited" : NULL;
}

static const char *net_spec_burst(const char *value, uint64_t *ret)
{
	uint64_t bytes;

	if (!value || mullion_spec_size(value, &bytes) < 0 ||
	    (bytes && bytes < NET_SPEC_BURST_MIN))
		return "use bytes, at least 129K, or 0 for one that fits the rate";
	*ret = bytes;
	return NULL;
}

static const char *net_spec_lock(struct mullion_net_spec *spec, const char *value)
{
	if (!value || (strcmp(value, "none") && strcmp(value, "mac") && strcmp(value, "ip")))
		return "use none, mac or ip";
	spec->lock_ip = !strcmp(value, "ip");
	spec->lock_mac = strcmp(value, "none") != 0;
	return NULL;
}

static const char *net_spec_set(void *arg, unsigned int option, const char *value)
{
	struct mullion_net_spec *spec = arg;
	uint64_t number;

	switch (option) {
	case OPTION_MAC:
		if (!value || mullion_mac_parse(value, spec->mac) < 0)
			return "use six pairs of hexadecimal digits such as 02:12:34:56:78:9a, the first one even";
		spec->has_mac = true;
		return NULL;
	case OPTION_MTU:
		if (!value || mullion_spec_number(value, MULLION_NET_MTU_MAX, &number) < 0 ||
		    number < MULLION_NET_MTU_MIN)
			return "use 68 to 16384";
		spec->mtu = (uint32_t)number;
		return NULL;
	case OPTION_LINK:
		if (!value || (strcmp(value, "up") && strcmp(value, "down")))
			return "use up or down";
		spec->link_up = !strcmp(value, "up");
		return NULL;
	case OPTION_RATE:
		return net_spec_rate(value, &spec->rate);
	case OPTION_BURST:
		return net_spec_burst(value, &spec->burst);
	case OPTION_RATE_TO:
		return net_spec_rate(value, &spec->rate_to);
	case OPTION_BURST_TO:
		return net_spec_burst(value, &spec->burst_to);
	case OPTION_ISOLATED:
		return mullion_spec_switch(value, &spec->isolated) < 0 ? "use on or off" : NULL;
	case OPTION_LOCK:
		return net_spec_lock(spec, value);
	case OPTION_IP:
		if (!value || !net_spec_addresses(spec, value))
			return "use up to 8 IPv4 and 8 IPv6 addresses with + between them, or none";
		return NULL;
	case OPTION_VLAN:
		if (!value || mullion_spec_number(value, NET_SPEC_VLAN_MAX, &number) < 0)
			return "use 1 to 4094, or 0 for none";
		spec->vlan = (unsigned int)number;
		return NULL;
	case OPTION_TRUNK:
		if (!value || !net_spec_trunk(spec, value))
			return "use VLANs such as 1+10-20, with 0 for frames without a tag, or none";
		return NULL;
	default:
		return mullion_spec_switch(value, &spec->share) < 0 ? "use on or off" : NULL;
	}
}

static const struct mullion_spec_options net_spec_options = {
	.what = NET_SPEC_WHAT,
	.names = net_spec_names,
	.count = OPTIONS,
	.known = "use mac=, mtu=, link=, rate=, burst=, rate-to=, burst-to=, isolated=, lock=, ip=, vlan=, trunk= or share=",
	.set = net_spec_set,
};

/* What no single option can tell. */
static int net_spec_check(const struct mullion_net_spec *spec, const char *text,
			  struct mullion_error *err)
{
	bool addresses = spec->ip4_count || spec->ip6_count;

	if (spec->lock_ip && !addresses)
		return mullion_error_set(err, -EINVAL, NET_SPEC_WHAT, text,
			"give ip=, or use lock=mac",
			"lock=ip without an address lets nothing through");
	if (addresses && !spec->lock_ip)
		return mullion_error_set(err, -EINVAL, NET_SPEC_WHAT, text,
			"add lock=ip", "ip= alone does nothing");
	if (spec->trunk && spec->vlan && spec->vlans[0] & 1)
		return mullion_error_set(err, -EINVAL, NET_SPEC_WHAT, text,
			"leave 0 out of trunk=, or use vlan=0",
			"frames without a tag are those of vlan=%u already", spec->vlan);
	if ((spec->burst && !spec->rate) || (spec->burst_to && !spec->rate_to))
		return mullion_error_set(err, -EINVAL, NET_SPEC_WHAT, text,
			"give the rate, too", "a burst without a rate does nothing");
	return 0;
}

int mullion_net_spec_parse(struct mullion_net_spec *ret, const char *text,
			   struct mullion_error *err)
{
	struct mullion_net_spec *spec;
	const char *rest = text;
	unsigned int seen = 0;
	int r;

	if (strlen(text) >= sizeof(spec->text))
		return mullion_error_set(err, -ENAMETOOLONG, NET_SPEC_WHAT, NULL, NULL,
					 "the text is too long");
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return mullion_error_set(err, -ENOMEM, NET_SPEC_WHAT, text, NULL,
					 "out of memory");
	strcpy(spec->text, text);
	spec->link_up = true;
	r = mullion_spec_piece(&rest, spec->network, sizeof(spec->network));
	if (r < 0 || !mullion_name_valid(spec->network))
		r = mullion_error_set(err, -EINVAL, NET_SPEC_WHAT, text,
			"use NETWORK[,OPTION]...", "it does not begin with the name of a network");
	if (!r)
		r = mullion_spec_options(&net_spec_options, spec, rest, text, &seen, err);
	if (!r)
		r = net_spec_check(spec, text, err);
	if (!r)
		*ret = *spec;
	free(spec);
	return r;
}

int mullion_net_spec_change(struct mullion_net_spec *spec, const char *changes,
			    struct mullion_error *err)
{
	struct mullion_net_spec *copy;
	unsigned int seen = 0;
	int r;

	copy = malloc(sizeof(*copy));
	if (!copy)
		return mullion_error_set(err, -ENOMEM, NET_SPEC_WHAT, changes, NULL,
					 "out of memory");
	*copy = *spec;
	r = mullion_spec_options(&net_spec_options, copy, changes, changes, &seen, err);
	if (!r && seen & 1U << OPTION_MTU)
		r = mullion_error_set(err, -EINVAL, "cannot change network interface", changes,
			"remove the interface and add it anew",
			"its largest frame is agreed on when it is made");
	/* what only goes with a rate or a lock goes with it */
	if (!r && seen & 1U << OPTION_RATE && !(seen & 1U << OPTION_BURST))
		copy->burst = 0;
	if (!r && seen & 1U << OPTION_RATE_TO && !(seen & 1U << OPTION_BURST_TO))
		copy->burst_to = 0;
	if (!r && seen & 1U << OPTION_LOCK && !copy->lock_ip && !(seen & 1U << OPTION_IP))
		net_spec_addresses(copy, "none");
	if (!r)
		r = net_spec_check(copy, changes, err);
	if (!r)
		*spec = *copy;
	free(copy);
	return r;
}

/* A tenth of a second's worth. */
static uint64_t net_spec_bucket(uint64_t rate, uint64_t burst)
{
	if (!rate || burst)
		return burst;
	return rate / 10 > NET_SPEC_BURST_MIN ? rate / 10 : NET_SPEC_BURST_MIN;
}

void mullion_net_spec_fill(const struct mullion_net_spec *spec, uint32_t mtu,
			   struct mullion_net_port *port)
{
	memset(port, 0, sizeof(*port));
	port->version = MULLION_NET_CONFIG_VERSION;
	port->flags = (spec->link_up ? MULLION_NET_PORT_LINK_UP : 0) |
		      (spec->isolated ? MULLION_NET_PORT_ISOLATED : 0) |
		      (spec->lock_mac ? MULLION_NET_PORT_LOCK_MAC : 0) |
		      (spec->lock_ip ? MULLION_NET_PORT_LOCK_IP : 0) |
		      (spec->trunk ? MULLION_NET_PORT_TRUNK : 0);
	memcpy(port->mac, spec->mac, sizeof(port->mac));
	port->vlan = (uint16_t)spec->vlan;
	port->mtu = spec->mtu ? spec->mtu : mtu;
	port->ip4_count = spec->ip4_count;
	port->ip6_count = spec->ip6_count;
	port->rate = spec->rate;
	port->burst = net_spec_bucket(spec->rate, spec->burst);
	port->rate_to = spec->rate_to;
	port->burst_to = net_spec_bucket(spec->rate_to, spec->burst_to);
	memcpy(port->ip4, spec->ip4, sizeof(port->ip4));
	memcpy(port->ip6, spec->ip6, sizeof(port->ip6));
	memcpy(port->trunk_vlans, spec->vlans, sizeof(port->trunk_vlans));
}

/* "0+1+10-20" */
static json_t *net_spec_describe_trunk(const struct mullion_net_spec *spec)
{
	char text[1024] = "";
	size_t used = 0;

	for (unsigned int v = 0; spec->trunk && v <= NET_SPEC_VLAN_MAX; v++) {
		unsigned int last = v;

		if (!(spec->vlans[v >> 3] & 1U << (v & 7)))
			continue;
		while (last < NET_SPEC_VLAN_MAX &&
		       spec->vlans[(last + 1) >> 3] & 1U << ((last + 1) & 7))
			last++;
		if (used + 16 > sizeof(text)) {
			snprintf(text + used, sizeof(text) - used, "+...");
			break;
		}
		used += (size_t)snprintf(text + used, sizeof(text) - used,
					 last > v ? "%s%u-%u" : "%s%u", used ? "+" : "", v, last);
		v = last;
	}
	return json_string(text);
}

static json_t *net_spec_describe_addresses(const struct mullion_net_spec *spec)
{
	json_t *list = json_array();
	char text[INET6_ADDRSTRLEN];

	for (unsigned int i = 0; i < spec->ip4_count; i++)
		json_array_append_new(list, json_string(inet_ntop(AF_INET, &spec->ip4[i], text,
								  sizeof(text))));
	for (unsigned int i = 0; i < spec->ip6_count; i++)
		json_array_append_new(list, json_string(inet_ntop(AF_INET6, spec->ip6[i], text,
								  sizeof(text))));
	return list;
}

json_t *mullion_net_spec_describe(const struct mullion_net_spec *spec, uint32_t mtu)
{
	char mac[MULLION_MAC_TEXT];

	return json_pack("{s:s, s:s, s:I, s:s, s:I, s:I, s:I, s:I, s:b, s:s, s:o, s:i, s:o}",
			 "network", spec->network,
			 "mac", mullion_mac_text(spec->mac, mac),
			 "mtu", (json_int_t)(spec->mtu ? spec->mtu : mtu),
			 "link", spec->link_up ? "up" : "down",
			 "rate", (json_int_t)spec->rate,
			 "burst", (json_int_t)net_spec_bucket(spec->rate, spec->burst),
			 "rate_to", (json_int_t)spec->rate_to,
			 "burst_to", (json_int_t)net_spec_bucket(spec->rate_to, spec->burst_to),
			 "isolated", spec->isolated,
			 "lock", spec->lock_ip ? "ip" : spec->lock_mac ? "mac" : "none",
			 "ip", net_spec_describe_addresses(spec),
			 "vlan", (int)spec->vlan,
			 "trunk", net_spec_describe_trunk(spec));
}
