// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_filter.c - VLANs, locked addresses, isolation
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../service/net/filter.h"
#include "../lib/net_frame.h"

#define LOCKED	(MULLION_NET_PORT_LOCK_MAC | MULLION_NET_PORT_LOCK_IP)

static const uint8_t own[6] = { 0x52, 0x54, 0, 1, 2, 3 };
static const uint8_t other[6] = { 0x52, 0x54, 0, 1, 2, 4 };
static const uint8_t own_ip4[4] = { 10, 0, 2, 15 };
static const uint8_t own_ip6[16] = { 0xfd, 0, 1, [15] = 15 };
/* of 52:54:00:01:02:03 */
static const uint8_t own_link[16] = {
	0xfe, 0x80, [8] = 0x50, 0x54, 0, 0xff, 0xfe, 1, 2, 3,
};

static uint8_t frame[NET_FRAME_BYTES];
static struct net_layout layout;

static struct mullion_net_port config(uint32_t flags)
{
	struct mullion_net_port port = { .flags = flags, .ip4_count = 1, .ip6_count = 1 };

	memcpy(port.mac, own, 6);
	memcpy(&port.ip4[0], own_ip4, 4);
	memcpy(port.ip6[0], own_ip6, 16);
	return port;
}

static struct mullion_filter filter_of(struct mullion_net_port port)
{
	struct mullion_filter filter;

	assert_int_equal(mullion_filter_set(&filter, &port), 0);
	return filter;
}

static enum mullion_verdict verdict_of(const struct mullion_filter *filter, size_t bytes)
{
	size_t head = bytes < MULLION_PACKET_HEAD_MAX ? bytes : MULLION_PACKET_HEAD_MAX;
	struct mullion_packet packet;
	uint16_t vlan = 0xffff;

	assert_int_equal(mullion_packet_parse(&packet, frame, head, bytes), 0);
	return mullion_filter_in(filter, &packet, &vlan);
}

/* An IP packet of ours, without tags. */
static struct net_spec packet_of(int version)
{
	struct net_spec spec;

	net_spec_random(&spec, 100);
	spec.version = version;
	spec.tags = 0;
	spec.ip_options = spec.tcp_options = spec.extensions = 0;
	memcpy(spec.mac_from, own, 6);
	memcpy(spec.from, version == 4 ? own_ip4 : own_ip6, version == 4 ? 4 : 16);
	return spec;
}

static enum mullion_verdict verdict_of_spec(const struct mullion_filter *filter,
					    const struct net_spec *spec)
{
	net_frame_build(spec, frame, &layout);
	return verdict_of(filter, layout.bytes);
}

/* An untagged frame, or one with that tag. */
static int vlan_of(const struct mullion_filter *filter, int tag)
{
	struct net_spec spec = packet_of(4);
	struct mullion_packet packet;
	uint16_t vlan = 0xffff;

	if (tag >= 0) {
		spec.tags = 1;
		spec.tag_ether[0] = 0x8100;
		spec.tag[0] = (uint16_t)tag;
	}
	net_frame_build(&spec, frame, &layout);
	assert_int_equal(mullion_packet_parse(&packet, frame, layout.payload, layout.bytes), 0);
	return mullion_filter_in(filter, &packet, &vlan) == MULLION_PASS ? vlan : -1;
}

static void test_access(void **state)
{
	struct mullion_net_port port = config(0);
	struct mullion_filter filter = filter_of(port);

	(void)state;
	assert_int_equal(vlan_of(&filter, -1), 0);
	assert_int_equal(vlan_of(&filter, 0xe000), 0);	/* a priority only */
	assert_int_equal(vlan_of(&filter, 7), -1);
	assert_int_equal(vlan_of(&filter, 4095), -1);
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_UNTAGGED);
	assert_int_equal(mullion_filter_out(&filter, 7), MULLION_OUT_NO);
	port.vlan = 7;
	filter = filter_of(port);
	assert_int_equal(vlan_of(&filter, -1), 7);
	assert_int_equal(vlan_of(&filter, 0), 7);
	assert_int_equal(vlan_of(&filter, 0xe007), 7);
	assert_int_equal(vlan_of(&filter, 8), -1);
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_NO);
	assert_int_equal(mullion_filter_out(&filter, 7), MULLION_OUT_UNTAGGED);
}

static void test_trunk(void **state)
{
	struct mullion_net_port port = config(MULLION_NET_PORT_TRUNK);
	struct mullion_filter filter;

	(void)state;
	port.trunk_vlans[10 >> 3] |= 1 << (10 & 7);
	port.trunk_vlans[4094 >> 3] |= 1 << (4094 & 7);
	filter = filter_of(port);
	assert_int_equal(vlan_of(&filter, -1), -1);
	assert_int_equal(vlan_of(&filter, 0), -1);
	assert_int_equal(vlan_of(&filter, 10), 10);
	assert_int_equal(vlan_of(&filter, 4094), 4094);
	assert_int_equal(vlan_of(&filter, 11), -1);
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_NO);
	assert_int_equal(mullion_filter_out(&filter, 10), MULLION_OUT_TAGGED);
	/* with frames of no VLAN */
	port.trunk_vlans[0] |= 1;
	filter = filter_of(port);
	assert_int_equal(vlan_of(&filter, -1), 0);
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_UNTAGGED);
	/* or with a VLAN for them */
	port.vlan = 20;
	filter = filter_of(port);
	assert_int_equal(vlan_of(&filter, -1), 20);
	assert_int_equal(vlan_of(&filter, 20), 20);
	assert_int_equal(vlan_of(&filter, 10), 10);
	assert_int_equal(mullion_filter_out(&filter, 20), MULLION_OUT_UNTAGGED);
	assert_int_equal(mullion_filter_out(&filter, 10), MULLION_OUT_TAGGED);
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_NO);
}

static void test_uplink(void **state)
{
	struct mullion_filter filter;

	(void)state;
	mullion_filter_set_uplink(&filter, 0);
	assert_int_equal(vlan_of(&filter, -1), 0);
	assert_int_equal(vlan_of(&filter, 99), 99);
	assert_int_equal(vlan_of(&filter, 4095), -1);
	mullion_filter_set_uplink(&filter, 5);
	assert_int_equal(vlan_of(&filter, -1), 5);
	assert_int_equal(mullion_filter_out(&filter, 5), MULLION_OUT_UNTAGGED);
	assert_int_equal(mullion_filter_out(&filter, 99), MULLION_OUT_TAGGED);
	/* what has no VLAN has no place on it */
	assert_int_equal(mullion_filter_out(&filter, 0), MULLION_OUT_NO);
}

static void test_tag_cut_off(void **state)
{
	struct mullion_filter filter = filter_of(config(0));
	struct net_spec spec = packet_of(4);

	(void)state;
	net_frame_build(&spec, frame, &layout);
	mullion_be16_put(frame + 12, MULLION_ETHER_VLAN);
	assert_int_equal(verdict_of(&filter, 14), MULLION_DROP_VLAN);
	assert_int_equal(verdict_of(&filter, 17), MULLION_DROP_VLAN);
}

static void test_config_refused(void **state)
{
	struct mullion_filter filter;
	struct mullion_net_port port = config(0);

	(void)state;
	port.vlan = 4095;
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
	port = config(0);
	port.mac[0] |= 1;
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
	memset(port.mac, 0, 6);
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
	port = config(0);
	port.ip4_count = 9;
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
	port = config(0);
	port.ip6_count = UINT32_MAX;
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
	port = config(0);
	port.trunk_vlans[511] = 0x80;
	assert_int_equal(mullion_filter_set(&filter, &port), -EINVAL);
}

static void test_isolation(void **state)
{
	struct mullion_filter a = filter_of(config(MULLION_NET_PORT_ISOLATED));
	struct mullion_filter b = filter_of(config(0));
	struct mullion_filter uplink;

	(void)state;
	mullion_filter_set_uplink(&uplink, 0);
	assert_false(mullion_filter_may_reach(&a, &a));
	assert_true(mullion_filter_may_reach(&a, &b));
	assert_true(mullion_filter_may_reach(&b, &a));
	assert_true(mullion_filter_may_reach(&a, &uplink));
	assert_true(mullion_filter_may_reach(&uplink, &a));
}

static void test_change_of_mac(void **state)
{
	static const uint8_t group[6] = { 1 }, null[6];
	struct mullion_filter filter = filter_of(config(0));

	(void)state;
	assert_int_equal(mullion_filter_set_mac(&filter, other), 0);
	assert_memory_equal(filter.mac, other, 6);
	assert_int_equal(mullion_filter_set_mac(&filter, group), -EINVAL);
	assert_int_equal(mullion_filter_set_mac(&filter, null), -EINVAL);
	filter = filter_of(config(MULLION_NET_PORT_LOCK_MAC));
	assert_int_equal(mullion_filter_set_mac(&filter, other), -EPERM);
	assert_int_equal(mullion_filter_set_mac(&filter, own), 0);
	assert_memory_equal(filter.link_local, own_link, 16);
}

static void test_lock_mac(void **state)
{
	struct mullion_filter filter = filter_of(config(MULLION_NET_PORT_LOCK_MAC));
	struct net_spec spec = packet_of(4);

	(void)state;
	spec.from[0] = 99;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	memcpy(spec.mac_from, other, 6);
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	/* other protocols are none of the lock's business */
	memcpy(spec.mac_from, own, 6);
	net_frame_build(&spec, frame, &layout);
	mullion_be16_put(frame + 12, 0x88cc);
	assert_int_equal(verdict_of(&filter, layout.bytes), MULLION_PASS);
}

static void test_lock_ip4(void **state)
{
	struct mullion_filter filter = filter_of(config(MULLION_NET_PORT_LOCK_IP));
	struct net_spec spec = packet_of(4);

	(void)state;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	spec.tags = 1;
	spec.tag_ether[0] = MULLION_ETHER_SVLAN;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	spec.from[3]++;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	spec.tags = 0;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	memset(spec.from, 0, 4);
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	/* a DHCP client */
	spec.protocol = 17;
	spec.from_port = 68;
	spec.to_port = 67;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	spec.to_port = 53;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	/* what is no IP header, and other protocols */
	spec = packet_of(4);
	net_frame_build(&spec, frame, &layout);
	frame[14] = 0x43;
	assert_int_equal(verdict_of(&filter, layout.bytes), MULLION_DROP_SPOOFED);
	mullion_be16_put(frame + 12, 0x88cc);
	assert_int_equal(verdict_of(&filter, layout.bytes), MULLION_DROP_SPOOFED);
}

static void arp(const uint8_t *sender_mac, uint8_t sender_ip)
{
	static const uint8_t head[] = {
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x52, 0x54, 0, 1, 2, 3, 8, 6,
		0, 1, 8, 0, 6, 4, 0, 1,
	};

	memset(frame, 0, 60);
	memcpy(frame, head, sizeof(head));
	memcpy(frame + 22, sender_mac, 6);
	if (sender_ip) {
		memcpy(frame + 28, own_ip4, 4);
		frame[31] = sender_ip;
	}
}

static void test_lock_arp(void **state)
{
	struct mullion_filter mac = filter_of(config(MULLION_NET_PORT_LOCK_MAC));
	struct mullion_filter both = filter_of(config(LOCKED));

	(void)state;
	arp(own, own_ip4[3]);
	assert_int_equal(verdict_of(&mac, 42), MULLION_PASS);
	assert_int_equal(verdict_of(&both, 42), MULLION_PASS);
	assert_int_equal(verdict_of(&mac, 41), MULLION_DROP_SPOOFED);
	arp(own, 99);
	assert_int_equal(verdict_of(&mac, 60), MULLION_PASS);
	assert_int_equal(verdict_of(&both, 60), MULLION_DROP_SPOOFED);
	arp(own, 0);
	assert_int_equal(verdict_of(&both, 60), MULLION_PASS);
	arp(other, own_ip4[3]);
	assert_int_equal(verdict_of(&mac, 60), MULLION_DROP_SPOOFED);
	assert_int_equal(verdict_of(&both, 60), MULLION_DROP_SPOOFED);
	arp(own, own_ip4[3]);
	frame[18] = 8;		/* addresses of another length */
	assert_int_equal(verdict_of(&both, 60), MULLION_DROP_SPOOFED);
}

static void test_lock_ip6(void **state)
{
	struct mullion_filter filter = filter_of(config(LOCKED));
	struct net_spec spec = packet_of(6);

	(void)state;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	spec.extensions = 2;
	spec.extension[0] = NET_EXT_HOP_BY_HOP;
	spec.extension[1] = NET_EXT_DESTINATION;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	memcpy(spec.from, own_link, 16);
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_PASS);
	spec.from[15]++;
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	memset(spec.from, 0, 16);
	assert_int_equal(verdict_of_spec(&filter, &spec), MULLION_DROP_SPOOFED);
	/* headers without end */
	spec = packet_of(6);
	net_frame_build(&spec, frame, &layout);
	frame[14 + 6] = 60;
	memset(frame + 54, 0, 200);
	frame[54] = 60;
	frame[55] = 20;
	mullion_be16_put(frame + 14 + 4, 400);
	assert_int_equal(verdict_of(&filter, 54 + 400), MULLION_DROP_SPOOFED);
}

/* Neighbour discovery: @type, target, an option with a link-layer address. */
static void nd(uint8_t type, const uint8_t *from, const uint8_t *target,
	       uint8_t option, const uint8_t *mac)
{
	struct net_spec spec = packet_of(6);
	uint8_t *icmp;

	spec.protocol = 17;
	spec.payload_bytes = 24;
	memcpy(spec.from, from, 16);
	net_frame_build(&spec, frame, &layout);
	frame[14 + 6] = MULLION_IP_ICMPV6;
	icmp = frame + layout.l4;
	memset(icmp, 0, 32);
	icmp[0] = type;
	memcpy(icmp + 8, target, 16);
	icmp[24] = option;
	icmp[25] = 1;
	memcpy(icmp + 26, mac, 6);
}

static void test_lock_nd(void **state)
{
	static const uint8_t foreign[16] = { 0xfd, 0, 1, [15] = 16 }, none[16];
	struct mullion_filter mac = filter_of(config(MULLION_NET_PORT_LOCK_MAC));
	struct mullion_filter both = filter_of(config(LOCKED));
	struct {
		uint8_t type;
		const uint8_t *from, *target;
		uint8_t option;
		const uint8_t *mac;
		bool passes_mac, passes_both;
	} cases[] = {
		{ 135, own_ip6, foreign, 1, own, true, true },
		{ 135, own_ip6, foreign, 1, other, false, false },
		{ 135, none, own_ip6, 14, other, true, true },
		{ 135, none, foreign, 14, other, true, false },
		{ 136, own_ip6, own_ip6, 2, own, true, true },
		{ 136, own_ip6, own_link, 2, own, true, true },
		{ 136, own_ip6, foreign, 2, own, true, false },
		{ 136, own_ip6, own_ip6, 2, other, false, false },
		{ 134, own_link, foreign, 1, own, true, false },
		{ 137, own_link, foreign, 2, own, true, false },
		{ 128, own_ip6, foreign, 2, other, true, true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		nd(cases[i].type, cases[i].from, cases[i].target, cases[i].option, cases[i].mac);
		assert_int_equal(verdict_of(&mac, layout.bytes) == MULLION_PASS,
				 cases[i].passes_mac);
		assert_int_equal(verdict_of(&both, layout.bytes) == MULLION_PASS,
				 cases[i].passes_both);
	}
	/* a router solicitation, whose options come earlier */
	nd(133, own_link, foreign, 0, other);
	frame[layout.l4 + 8] = 1;
	frame[layout.l4 + 9] = 1;
	memcpy(frame + layout.l4 + 10, own, 6);
	frame[layout.l4 + 16] = 14;
	frame[layout.l4 + 17] = 2;
	assert_int_equal(verdict_of(&both, layout.bytes), MULLION_PASS);
	frame[layout.l4 + 15]++;
	assert_int_equal(verdict_of(&both, layout.bytes), MULLION_DROP_SPOOFED);
	/* options that do not end where the packet does */
	nd(136, own_ip6, own_ip6, 2, own);
	frame[layout.l4 + 25] = 0;
	assert_int_equal(verdict_of(&both, layout.bytes), MULLION_DROP_SPOOFED);
	frame[layout.l4 + 25] = 2;
	assert_int_equal(verdict_of(&both, layout.bytes), MULLION_DROP_SPOOFED);
}

/* In a fragment, and where the first fragment hides what it is. */
static void test_lock_fragments(void **state)
{
	struct mullion_filter both = filter_of(config(LOCKED));

	(void)state;
	nd(136, own_ip6, own_ip6, 2, own);
	memmove(frame + layout.l4 + 8, frame + layout.l4, 32);
	memset(frame + layout.l4, 0, 8);
	frame[14 + 6] = 44;
	frame[14 + 5] += 8;
	frame[layout.l4] = MULLION_IP_ICMPV6;
	assert_int_equal(verdict_of(&both, layout.bytes + 8), MULLION_DROP_SPOOFED);
	frame[layout.l4 + 8] = 128;		/* a ping may be in fragments */
	assert_int_equal(verdict_of(&both, layout.bytes + 8), MULLION_PASS);
	frame[layout.l4] = 60;			/* options that hide it */
	frame[layout.l4 + 9] = 200;
	assert_int_equal(verdict_of(&both, layout.bytes + 8), MULLION_DROP_SPOOFED);
	frame[layout.l4 + 3] = 8;		/* later ones show nothing */
	assert_int_equal(verdict_of(&both, layout.bytes + 8), MULLION_PASS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_access),
		cmocka_unit_test(test_trunk),
		cmocka_unit_test(test_uplink),
		cmocka_unit_test(test_tag_cut_off),
		cmocka_unit_test(test_config_refused),
		cmocka_unit_test(test_isolation),
		cmocka_unit_test(test_change_of_mac),
		cmocka_unit_test(test_lock_mac),
		cmocka_unit_test(test_lock_ip4),
		cmocka_unit_test(test_lock_arp),
		cmocka_unit_test(test_lock_ip6),
		cmocka_unit_test(test_lock_nd),
		cmocka_unit_test(test_lock_fragments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
