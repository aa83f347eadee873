// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_offload.c - checksums and segments against the reference
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../abi/net.h"
#include "../../service/net/csum.h"
#include "../../service/net/offload.h"
#include "../lib/net_frame.h"

#define ROUNDS	3000
#define AREAS	12

#define FIN	0x01
#define PSH	0x08
#define CWR	0x80

/* A frame, cut into a head and a body as a sender's entries may cut it. */
struct sent {
	struct net_spec spec;
	struct net_layout layout;
	uint8_t bytes[NET_FRAME_BYTES];
	uint8_t head[MULLION_PACKET_HEAD_MAX];
	struct iovec body[AREAS];
	struct mullion_frame frame;
};

/* @bytes at @p in up to AREAS pieces at random borders, empty ones too. */
static size_t cut(struct iovec *iov, uint8_t *p, size_t bytes)
{
	size_t count = 1 + net_random_below(AREAS);

	for (size_t i = 0; i < count; i++) {
		size_t n = bytes;

		if (i + 1 < count)
			n = net_random_below(4) ? net_random_below((uint32_t)bytes + 1) :
			    net_random_below(4);
		if (n > bytes)
			n = bytes;
		iov[i] = (struct iovec){ p, n };
		p += n;
		bytes -= n;
	}
	return count;
}

static void send_frame(struct sent *sent, const struct mullion_offload *offload)
{
	size_t head;

	net_frame_build(&sent->spec, sent->bytes, &sent->layout);
	/* the least that a head must have, or more */
	head = sent->layout.payload;
	if (head < MULLION_PACKET_HEAD_MAX)
		head += net_random_below(MULLION_PACKET_HEAD_MAX - (uint32_t)head + 1);
	if (head > sent->layout.bytes)
		head = sent->layout.bytes;
	memcpy(sent->head, sent->bytes, head);
	sent->frame = (struct mullion_frame){ .offload = *offload, .body = sent->body };
	sent->frame.body_count = cut(sent->body, sent->bytes + head, sent->layout.bytes - head);
	assert_int_equal(mullion_packet_parse(&sent->frame.packet, sent->head, head,
					      sent->layout.bytes), 0);
}

static struct mullion_offload wanted(const struct sent *sent, uint16_t gso_size)
{
	struct mullion_offload offload = {
		.flags = MULLION_NET_NEEDS_CSUM,
		.gso_size = gso_size,
		.csum_start = (uint16_t)sent->layout.l4,
		.csum_offset = (uint16_t)(sent->layout.csum - sent->layout.l4),
	};

	if (gso_size)
		offload.gso_type = sent->spec.protocol == 17 ? MULLION_NET_GSO_UDP_L4 :
				   sent->spec.version == 4 ? MULLION_NET_GSO_TCPV4 :
				   MULLION_NET_GSO_TCPV6;
	return offload;
}

/* A frame at random that asks for @gso_size, or only for its checksum. */
static void send_random(struct sent *sent, uint32_t payload_max, uint16_t gso_size)
{
	struct mullion_offload offload = { 0 };

	do {
		net_spec_random(&sent->spec, payload_max);
		sent->spec.partial = true;
		net_frame_build(&sent->spec, sent->bytes, &sent->layout);
	} while (sent->layout.payload > MULLION_PACKET_HEAD_MAX ||
		 (gso_size && sent->spec.protocol == 17 && sent->spec.payload_bytes >
		  MULLION_OFFLOAD_DATAGRAMS_MAX * gso_size));
	offload = wanted(sent, gso_size);
	send_frame(sent, &offload);
	assert_int_equal(mullion_offload_check(&sent->frame.offload, &sent->frame.packet), 0);
}

static void test_sum(void **state)
{
	static uint8_t data[9000];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t offset = net_random_below(16);
		uint32_t bytes = net_random_below(sizeof(data) - offset);
		struct mullion_csum csum = { 0 };
		struct iovec iov[AREAS];
		size_t count;
		uint8_t field[2];

		for (uint32_t i = 0; i < bytes; i++)
			data[offset + i] = (uint8_t)(round & 1 ? 0xff : net_random());
		count = cut(iov, data + offset, bytes);
		for (size_t i = 0; i < count; i++)
			mullion_csum_add(&csum, iov[i].iov_base, iov[i].iov_len);
		mullion_csum_store(&csum, field);
		/* 0 and 0xffff are the same number */
		assert_int_equal((field[0] << 8 | field[1]) % 0xffff,
				 (~net_sum(0, data + offset, bytes) & 0xffff) % 0xffff);
	}
}

static void test_csum(void **state)
{
	static struct sent sent;
	static uint8_t out[NET_FRAME_BYTES], right[NET_FRAME_BYTES];
	struct net_layout layout;
	struct iovec iov[AREAS];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		send_random(&sent, round % 10 ? 3000 : 60000, 0);
		memset(out, 0xa5, sizeof(out));
		assert_int_equal(mullion_frame_copy_csum(&sent.frame, iov,
				cut(iov, out, sent.layout.bytes)), sent.layout.bytes);
		sent.spec.partial = false;
		net_frame_build(&sent.spec, right, &layout);
		assert_memory_equal(out, right, layout.bytes);
		assert_int_equal(out[layout.bytes], 0xa5);

		/* as it is, and the sender's copy untouched by both */
		assert_int_equal(mullion_frame_copy(&sent.frame, iov,
				cut(iov, out, sent.layout.bytes)), sent.layout.bytes);
		assert_memory_equal(out, sent.bytes, sent.layout.bytes);
	}
}

/* A capture keeps the beginning, with the checksum of all. */
static void test_csum_short(void **state)
{
	static struct sent sent;
	static uint8_t out[NET_FRAME_BYTES], right[NET_FRAME_BYTES];
	struct net_layout layout;
	struct iovec iov[AREAS];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t snap;

		send_random(&sent, 3000, 0);
		snap = net_random_below(sent.layout.bytes);
		memset(out, 0xa5, sizeof(out));
		assert_int_equal(mullion_frame_copy_csum(&sent.frame, iov, cut(iov, out, snap)),
				 snap);
		sent.spec.partial = false;
		net_frame_build(&sent.spec, right, &layout);
		assert_memory_equal(out, right, snap);
		assert_int_equal(out[snap], 0xa5);
	}
}

/* The segment that the reference makes. */
static void reference(const struct sent *sent, uint32_t number, uint32_t gso_size,
		      uint8_t *out, struct net_layout *layout)
{
	struct net_spec spec = sent->spec;
	uint32_t done = number * gso_size;
	uint32_t left = spec.payload_bytes - done;

	spec.partial = false;
	spec.payload += done;
	spec.payload_bytes = left < gso_size ? left : gso_size;
	spec.id = (uint16_t)(spec.id + number);
	spec.seq += done;
	if (left > gso_size)
		spec.tcp_flags &= (uint8_t)~(FIN | PSH);
	if (number)
		spec.tcp_flags &= (uint8_t)~CWR;
	net_frame_build(&spec, out, layout);
}

static void check_segments(struct sent *sent, uint16_t gso_size, bool skipping)
{
	static uint8_t out[NET_FRAME_BYTES], right[NET_FRAME_BYTES];
	struct mullion_segments segments;
	struct net_layout layout;
	struct iovec iov[AREAS];
	uint32_t count = mullion_offload_segments(&sent->frame);
	uint32_t number = 0;

	assert_int_equal(count, (sent->spec.payload_bytes + gso_size - 1) / gso_size);
	assert_int_equal(mullion_offload_wire_bytes(&sent->frame),
			 sent->layout.payload + gso_size);
	for (mullion_segments_begin(&segments, &sent->frame); segments.bytes; number++) {
		uint32_t bytes = segments.bytes;

		if (skipping && net_random_below(2)) {
			mullion_segments_skip(&segments);
			continue;
		}
		reference(sent, number, gso_size, right, &layout);
		assert_int_equal(bytes, layout.bytes);
		memset(out, 0xa5, bytes + 1);
		assert_int_equal(mullion_segments_copy(&segments, iov, cut(iov, out, bytes)),
				 bytes);
		assert_memory_equal(out, right, bytes);
		assert_int_equal(out[bytes], 0xa5);
	}
	assert_int_equal(number, count);
}

static void test_segments(void **state)
{
	static struct sent sent;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t gso_size = (uint16_t)(8 + net_random_below(round % 4 ? 1500 : 9000));

		do
			send_random(&sent, round % 10 ? 10000 : 60000, gso_size);
		while (sent.frame.offload.gso_type == MULLION_NET_GSO_NONE);
		check_segments(&sent, gso_size, round & 1);
	}
}

/* Every flag: the first, the last and those between. */
static void test_segments_flags(void **state)
{
	static struct sent sent;
	struct mullion_offload offload;

	(void)state;
	for (unsigned int flags = 0; flags < 256; flags++) {
		net_spec_random(&sent.spec, 3000);
		sent.spec.protocol = 6;
		sent.spec.extensions = 0;
		sent.spec.tcp_flags = (uint8_t)flags;
		sent.spec.payload_bytes = 2001;
		sent.spec.partial = true;
		net_frame_build(&sent.spec, sent.bytes, &sent.layout);
		offload = wanted(&sent, 1000);
		offload.gso_type |= flags & 1 ? MULLION_NET_GSO_ECN : 0;
		send_frame(&sent, &offload);
		assert_int_equal(mullion_offload_check(&sent.frame.offload,
						       &sent.frame.packet), 0);
		assert_int_equal(!!(mullion_offload_gso_type(&sent.frame) &
				    MULLION_NET_GSO_ECN), !!(flags & CWR));
		check_segments(&sent, 1000, false);
	}
}

/* The length that makes a last segment of one byte, and one that is whole. */
static void test_segments_borders(void **state)
{
	static struct sent sent;
	struct mullion_offload offload;

	(void)state;
	for (uint32_t bytes = 1; bytes < 700; bytes++) {
		net_spec_random(&sent.spec, 700);
		sent.spec.extensions = 0;
		sent.spec.payload_bytes = bytes;
		sent.spec.partial = true;
		net_frame_build(&sent.spec, sent.bytes, &sent.layout);
		offload = wanted(&sent, 100);
		send_frame(&sent, &offload);
		assert_int_equal(mullion_offload_check(&sent.frame.offload,
						       &sent.frame.packet), 0);
		if (bytes <= 100) {
			assert_int_equal(sent.frame.offload.gso_type, MULLION_NET_GSO_NONE);
			assert_int_equal(mullion_offload_segments(&sent.frame), 1);
			assert_int_equal(mullion_offload_wire_bytes(&sent.frame),
					 sent.layout.bytes);
		} else {
			check_segments(&sent, 100, false);
		}
	}
}

/* A frame that is retagged and then cut is one that was made with that tag. */
static void test_retag(void **state)
{
	static struct sent sent, moved;
	static uint8_t head[MULLION_PACKET_HEAD_ROOM];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		uint16_t vlan = (uint16_t)(net_random_below(2) ? 0 : 1 + net_random_below(4094));
		bool tagged;

		do
			send_random(&sent, 4000, 500);
		while (sent.frame.offload.gso_type == MULLION_NET_GSO_NONE);
		moved = sent;
		mullion_frame_retag(&moved.frame, &sent.frame, vlan, head);

		tagged = sent.spec.tags && sent.spec.tag_ether[0] == 0x8100;
		if (tagged) {
			moved.spec.tags--;
			moved.spec.tag_ether[0] = moved.spec.tag_ether[1];
			moved.spec.tag[0] = moved.spec.tag[1];
		}
		if (vlan) {
			moved.spec.tag_ether[1] = moved.spec.tag_ether[0];
			moved.spec.tag[1] = moved.spec.tag[0];
			moved.spec.tag_ether[0] = 0x8100;
			moved.spec.tag[0] = (uint16_t)((tagged ? sent.spec.tag[0] & 0xf000 : 0) |
						       vlan);
			moved.spec.tags++;
		}
		/* the reference has room for two */
		if (moved.spec.tags > 2)
			continue;
		net_frame_build(&moved.spec, moved.bytes, &moved.layout);
		assert_int_equal(moved.frame.packet.bytes, moved.layout.bytes);
		assert_int_equal(moved.frame.packet.l3, moved.layout.l3);
		assert_int_equal(moved.frame.packet.l4, moved.layout.l4);
		assert_int_equal(moved.frame.packet.payload, moved.layout.payload);
		assert_int_equal(moved.frame.packet.ip_end, moved.layout.bytes);
		assert_int_equal(moved.frame.offload.csum_start, moved.layout.l4);
		assert_memory_equal(head, moved.bytes, moved.frame.packet.head_bytes);
		check_segments(&moved, 500, false);
	}
}

static void refuse(struct sent *sent, struct mullion_offload offload)
{
	assert_int_equal(mullion_offload_check(&offload, &sent->frame.packet), -EINVAL);
}

static void test_refused(void **state)
{
	static struct sent sent;
	struct mullion_offload good, bad;

	(void)state;
	net_spec_random(&sent.spec, 4000);
	sent.spec.version = 4;
	sent.spec.protocol = 6;
	sent.spec.tags = 0;
	sent.spec.ip_options = sent.spec.tcp_options = 0;
	sent.spec.payload_bytes = 3000;
	sent.spec.partial = true;
	net_frame_build(&sent.spec, sent.bytes, &sent.layout);
	good = wanted(&sent, 1000);
	send_frame(&sent, &good);
	bad = good;
	assert_int_equal(mullion_offload_check(&bad, &sent.frame.packet), 0);

	bad = good;
	bad.gso_size = MULLION_OFFLOAD_GSO_SIZE_MIN - 1;
	refuse(&sent, bad);
	bad.gso_size = 0;
	refuse(&sent, bad);
	for (unsigned int type = 0; type < 128; type++) {
		if (type == MULLION_NET_GSO_NONE || type == MULLION_NET_GSO_TCPV4)
			continue;
		bad = good;
		bad.gso_type = (uint8_t)type;
		refuse(&sent, bad);
	}
	bad = good;
	bad.flags = 0;
	refuse(&sent, bad);
	bad = good;
	bad.csum_start++;
	refuse(&sent, bad);
	bad = good;
	bad.csum_offset = 6;
	refuse(&sent, bad);

	/* without GSO the field may be anywhere behind the Ethernet header */
	good.gso_type = MULLION_NET_GSO_NONE;
	bad = good;
	bad.csum_start = 13;
	refuse(&sent, bad);
	bad.csum_start = 14;
	assert_int_equal(mullion_offload_check(&bad, &sent.frame.packet), 0);
	bad.csum_start = (uint16_t)(sent.frame.packet.head_bytes - 2);
	bad.csum_offset = 0;
	assert_int_equal(mullion_offload_check(&bad, &sent.frame.packet), 0);
	bad.csum_offset = 1;
	refuse(&sent, bad);
	bad.csum_offset = 0xffff;
	refuse(&sent, bad);
	bad.csum_start = 0xffff;
	refuse(&sent, bad);
}

static void edit(struct sent *sent, uint32_t at, uint8_t value)
{
	struct mullion_offload offload = wanted(sent, 1000);
	struct mullion_packet packet;
	uint8_t old = sent->head[at];

	sent->head[at] = value;
	assert_int_equal(mullion_packet_parse(&packet, sent->head, sent->frame.packet.head_bytes,
					      sent->layout.bytes), 0);
	assert_int_equal(mullion_offload_check(&offload, &packet), -EINVAL);
	sent->head[at] = old;
}

/* Headers that do not say what the offload says. */
static void test_refused_headers(void **state)
{
	static struct sent sent;
	struct mullion_offload offload;
	uint32_t l3, l4;

	(void)state;
	net_spec_random(&sent.spec, 4000);
	sent.spec.version = 4;
	sent.spec.protocol = 6;
	sent.spec.payload_bytes = 3000;
	sent.spec.partial = true;
	net_frame_build(&sent.spec, sent.bytes, &sent.layout);
	offload = wanted(&sent, 1000);
	send_frame(&sent, &offload);
	l3 = sent.layout.l3;
	l4 = sent.layout.l4;
	edit(&sent, l3, 0x65);				/* another version */
	edit(&sent, l3, 0x44);				/* header too short */
	edit(&sent, l3 + 3, (uint8_t)(sent.head[l3 + 3] + 1));	/* longer than it is */
	edit(&sent, l3 + 3, (uint8_t)(sent.head[l3 + 3] - 1));	/* bytes behind it */
	edit(&sent, l3 + 6, 0x20);			/* more fragments */
	edit(&sent, l3 + 7, 0x01);			/* a later fragment */
	edit(&sent, l3 + 9, 17);			/* another protocol */
	edit(&sent, l4 + 12, 0x40);			/* TCP header too short */
	edit(&sent, l3 - 1, 0xdd);			/* another ethertype */

	sent.spec.protocol = 17;
	net_frame_build(&sent.spec, sent.bytes, &sent.layout);
	offload = wanted(&sent, 1000);
	send_frame(&sent, &offload);
	edit(&sent, sent.layout.l4 + 5, (uint8_t)(sent.head[sent.layout.l4 + 5] - 1));
	edit(&sent, sent.layout.l4 + 4, 0);
}

static void test_work(void **state)
{
	static const struct {
		uint8_t flags, type;
		uint32_t takes;
		enum mullion_offload_work work;
	} cases[] = {
		{ 0, 0, 0, MULLION_OFFLOAD_NONE },
		{ MULLION_NET_NEEDS_CSUM, 0, 0, MULLION_OFFLOAD_CSUM },
		{ MULLION_NET_NEEDS_CSUM, 0, MULLION_NET_RX_CSUM, MULLION_OFFLOAD_NONE },
		{ MULLION_NET_NEEDS_CSUM, 1, MULLION_NET_RX_CSUM, MULLION_OFFLOAD_SEGMENT },
		{ MULLION_NET_NEEDS_CSUM, 1, MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4,
			MULLION_OFFLOAD_NONE },
		{ MULLION_NET_NEEDS_CSUM, 1, MULLION_NET_RX_TSO4, MULLION_OFFLOAD_CSUM },
		{ MULLION_NET_NEEDS_CSUM, 4, MULLION_NET_RX_TSO4, MULLION_OFFLOAD_SEGMENT },
		{ MULLION_NET_NEEDS_CSUM, 4, MULLION_NET_RX_TSO6, MULLION_OFFLOAD_CSUM },
		{ MULLION_NET_NEEDS_CSUM, 5, MULLION_NET_RX_TSO6, MULLION_OFFLOAD_SEGMENT },
		{ MULLION_NET_NEEDS_CSUM, 5, MULLION_NET_RX_KNOWN, MULLION_OFFLOAD_NONE },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mullion_offload offload = {
			.flags = cases[i].flags, .gso_type = cases[i].type,
		};

		assert_int_equal(mullion_offload_work(&offload, cases[i].takes), cases[i].work);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sum),
		cmocka_unit_test(test_csum),
		cmocka_unit_test(test_csum_short),
		cmocka_unit_test(test_segments),
		cmocka_unit_test(test_segments_flags),
		cmocka_unit_test(test_segments_borders),
		cmocka_unit_test(test_retag),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_refused_headers),
		cmocka_unit_test(test_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
