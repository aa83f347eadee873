// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_packet.c - what is read from the head of a frame
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../service/net/packet.h"
#include "../lib/net_frame.h"

#define ROUNDS	5000

static uint8_t frame[NET_FRAME_BYTES];

static struct mullion_packet parse(size_t bytes)
{
	struct mullion_packet packet;
	size_t head = bytes < MULLION_PACKET_HEAD_MAX ? bytes : MULLION_PACKET_HEAD_MAX;

	assert_int_equal(mullion_packet_parse(&packet, frame, head, bytes), 0);
	return packet;
}

static void test_built(void **state)
{
	struct net_layout layout;
	struct net_spec spec;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct mullion_packet packet;

		net_spec_random(&spec, 1400);
		net_frame_build(&spec, frame, &layout);
		packet = parse(layout.bytes);
		assert_int_equal(packet.bytes, layout.bytes);
		assert_int_equal(packet.l3, layout.l3);
		assert_int_equal(packet.ip_version, spec.version);
		assert_int_equal(packet.ip_end, layout.bytes);
		assert_false(packet.fragment);
		assert_int_equal(packet.multicast, spec.mac_to[0] & 1);
		if (spec.tags && spec.tag_ether[0] == MULLION_ETHER_VLAN) {
			assert_true(packet.tagged);
			assert_int_equal(packet.vlan, spec.tag[0] & 0xfff);
		} else {
			assert_false(packet.tagged);
			assert_int_equal(packet.vlan, 0);
		}
		if (layout.payload > MULLION_PACKET_HEAD_MAX)
			continue;
		assert_int_equal(packet.protocol, spec.protocol);
		assert_int_equal(packet.l4, layout.l4);
		assert_int_equal(packet.payload, layout.payload);
	}
}

/* Every frame, cut off at every length: offsets stay inside. */
static void test_cut(void **state)
{
	struct net_layout layout;
	struct net_spec spec;

	(void)state;
	for (int round = 0; round < 100; round++) {
		net_spec_random(&spec, 64);
		net_frame_build(&spec, frame, &layout);
		for (size_t bytes = MULLION_ETHER_BYTES; bytes < layout.bytes; bytes++) {
			/* memory that ends where the frame does, for the sanitizer */
			uint8_t *copy = malloc(bytes);
			struct mullion_packet packet;

			memcpy(copy, frame, bytes);
			assert_int_equal(mullion_packet_parse(&packet, copy, bytes, bytes), 0);
			/* the IP header promised more */
			assert_int_equal(packet.ip_version, 0);
			assert_int_equal(packet.payload, 0);
			assert_true(packet.l3 <= bytes);
			free(copy);
		}
	}
}

static void test_noise(void **state)
{
	(void)state;
	for (int round = 0; round < ROUNDS * 10; round++) {
		size_t bytes = MULLION_ETHER_BYTES + net_random_below(250);
		struct mullion_packet packet;
		struct net_layout layout;
		struct net_spec spec;

		net_spec_random(&spec, 64);
		net_frame_build(&spec, frame, &layout);
		for (unsigned int i = net_random_below(5); i; i--)
			frame[12 + net_random_below(100)] = (uint8_t)net_random();
		packet = parse(bytes);
		assert_true(packet.l3 <= packet.head_bytes);
		assert_true(packet.l4 <= packet.head_bytes);
		assert_true(packet.payload <= packet.head_bytes);
		assert_true(packet.ip_end <= packet.bytes);
		assert_true(!packet.l4 || packet.l4 <= packet.ip_end);
		assert_true(!packet.payload || packet.payload <= packet.ip_end);
	}
}

static void test_refused(void **state)
{
	struct mullion_packet packet;

	(void)state;
	assert_int_equal(mullion_packet_parse(&packet, frame, 13, 13), -EINVAL);
	assert_int_equal(mullion_packet_parse(&packet, frame, 13, 60), -EINVAL);
	assert_int_equal(mullion_packet_parse(&packet, frame, 60, 59), -EINVAL);
}

static void test_groups(void **state)
{
	struct mullion_packet packet;

	(void)state;
	memset(frame, 0xff, 6);
	memset(frame + 6, 0, 54);
	packet = parse(60);
	assert_true(packet.broadcast);
	assert_true(packet.multicast);
	frame[5] = 0xfe;
	packet = parse(60);
	assert_false(packet.broadcast);
	assert_true(packet.multicast);
	frame[0] = 0xfe;
	assert_false(parse(60).multicast);
}

static void test_priority_tag(void **state)
{
	static const uint8_t head[] = {
		2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x81, 0, 0xe0, 0, 0x08, 0x06,
	};
	struct mullion_packet packet, untagged;
	uint8_t out[MULLION_PACKET_HEAD_ROOM];

	(void)state;
	memcpy(frame, head, sizeof(head));
	packet = parse(60);
	assert_true(packet.tagged);
	assert_int_equal(packet.vlan, MULLION_VLAN_NONE);
	assert_int_equal(packet.ether, MULLION_ETHER_ARP);
	mullion_packet_retag(&untagged, &packet, MULLION_VLAN_NONE, out);
	assert_int_equal(untagged.bytes, 56);
	assert_int_equal(untagged.l3, 14);
	assert_memory_equal(out, head, 12);
	assert_memory_equal(out + 12, head + 16, 2);
	mullion_packet_retag(&untagged, &packet, 7, out);
	assert_int_equal(mullion_be16_get(out + 14), 0xe007);
}

static void test_fragments(void **state)
{
	struct mullion_packet first, later;
	struct net_layout layout;
	struct net_spec spec;
	uint8_t *ip = frame + 14;

	(void)state;
	net_spec_random(&spec, 1000);
	spec.tags = 0;
	spec.version = 4;
	spec.ip_options = 0;
	net_frame_build(&spec, frame, &layout);
	ip[6] = 0x20;
	first = parse(layout.bytes);
	assert_true(first.fragment);
	assert_false(first.later);
	assert_int_equal(first.l4, 34);
	assert_int_equal(first.payload, 0);
	ip[7] = 0x10;
	ip[20] ^= 0xff;		/* what were ports in the first */
	later = parse(layout.bytes);
	assert_true(later.fragment);
	assert_true(later.later);
	assert_int_equal(later.l4, 0);
	assert_int_equal(first.hash, later.hash);

	spec.version = 6;
	spec.extensions = 0;
	net_frame_build(&spec, frame, &layout);
	memmove(ip + 48, ip + 40, layout.bytes - layout.l4);
	mullion_be16_put(ip + 4, layout.bytes - 14 - 40 + 8);
	ip[6] = 44;
	memset(ip + 40, 0, 8);
	ip[40] = spec.protocol;
	ip[43] = 1;
	first = parse(layout.bytes + 8);
	assert_true(first.fragment);
	assert_false(first.later);
	assert_int_equal(first.protocol, spec.protocol);
	assert_int_equal(first.l4, 14 + 48);
	mullion_be16_put(ip + 42, 1232);
	later = parse(layout.bytes + 8);
	assert_true(later.later);
	assert_int_equal(later.l4, 0);
	assert_int_equal(first.hash, later.hash);
}

/* Flows spread over four queue pairs, and a flow stays where it is. */
static void test_hash(void **state)
{
	unsigned int pairs[4] = { 0 };
	struct net_layout layout;
	struct net_spec spec;

	(void)state;
	net_spec_random(&spec, 100);
	spec.tags = 0;
	spec.ip_options = 0;
	spec.extensions = 0;
	for (uint32_t port = 0; port < 1000; port++) {
		uint32_t hash;

		spec.from_port = (uint16_t)(32768 + port);
		spec.seq = net_random();
		net_frame_build(&spec, frame, &layout);
		hash = parse(layout.bytes).hash;
		spec.seq = net_random();
		spec.payload_bytes = 50;
		net_frame_build(&spec, frame, &layout);
		assert_int_equal(parse(layout.bytes).hash, hash);
		pairs[hash % 4]++;
	}
	for (int i = 0; i < 4; i++)
		assert_in_range(pairs[i], 150, 350);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_built),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_noise),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_groups),
		cmocka_unit_test(test_priority_tag),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_hash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
