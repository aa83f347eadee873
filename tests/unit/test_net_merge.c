// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_merge.c - segments that become one frame, and again
 *	segments: the same ones
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../abi/net.h"
#include "../../service/net/merge.h"
#include "../lib/net_frame.h"

#define ROUNDS		2000
#define BATCH		64
#define SLOT		9200

#define FIN	0x01
#define SYN	0x02
#define PSH	0x08
#define ACK	0x10
#define URG	0x20

static uint8_t slots[BATCH][SLOT];
static uint32_t lengths[BATCH];
static struct mullion_packet packets[BATCH];

/* What came out so far, cut into segments. */
static unsigned int out;
static unsigned int merged;

static void take(struct mullion_merge *merge)
{
	static uint8_t buffer[NET_FRAME_BYTES];
	const struct mullion_frame *frame = mullion_merge_take(merge);
	struct mullion_offload checked;
	struct mullion_segments segments;

	if (!frame)
		return;
	assert_null(mullion_merge_take(merge));
	checked = frame->offload;
	assert_int_equal(mullion_offload_check(&checked, &frame->packet), 0);
	assert_memory_equal(&checked, &frame->offload, sizeof(checked));
	if (frame->offload.gso_type == MULLION_NET_GSO_NONE) {
		struct iovec iov = { buffer, lengths[out] };

		assert_int_equal(frame->packet.bytes, lengths[out]);
		assert_int_equal(mullion_frame_copy(frame, &iov, 1), lengths[out]);
		assert_memory_equal(buffer, slots[out], lengths[out]);
		out++;
		return;
	}
	for (mullion_segments_begin(&segments, frame); segments.bytes; out++, merged++) {
		struct iovec iov = { buffer, segments.bytes };

		assert_true(out < BATCH);
		assert_int_equal(segments.bytes, lengths[out]);
		mullion_segments_copy(&segments, &iov, 1);
		assert_memory_equal(buffer, slots[out], lengths[out]);
	}
}

static void put(struct mullion_merge *merge, unsigned int i, const struct net_spec *spec)
{
	struct net_layout layout;
	static uint8_t frame[NET_FRAME_BYTES];

	net_frame_build(spec, frame, &layout);
	assert_true(layout.bytes <= SLOT);
	memcpy(slots[i], frame, layout.bytes);
	lengths[i] = layout.bytes;
	assert_int_equal(mullion_packet_parse(&packets[i], slots[i], layout.bytes,
					      layout.bytes), 0);
	if (mullion_merge_add(merge, &packets[i]))
		return;
	take(merge);
	assert_true(mullion_merge_add(merge, &packets[i]));
}

/* A flow, with a segment now and then that does not go on where the last ended. */
static void test_batches(void **state)
{
	static struct mullion_merge merge;
	unsigned int total = 0;

	(void)state;
	merged = 0;
	for (int round = 0; round < ROUNDS; round++) {
		uint32_t size = 8 + net_random_below(round & 1 ? 1460 : 8900);
		struct net_spec flow;

		net_spec_random(&flow, 9000);
		flow.protocol = 6;
		flow.extensions = flow.ip_options = 0;
		flow.tcp_options = net_random_below(4);
		flow.tcp_flags = ACK;
		out = 0;
		for (unsigned int i = 0; i < BATCH; i++) {
			struct net_spec spec;

			flow.payload_bytes = net_random_below(10) ? size :
					     1 + net_random_below(size);
			spec = flow;
			switch (net_random_below(60)) {
			case 0:
				spec.tcp_flags |= FIN;
				break;
			case 1:
				spec.seq++;
				break;
			case 2:
				spec.ack++;
				break;
			case 3:
				spec.to_port++;
				break;
			case 4:
				spec.protocol = 17;
				break;
			case 5:
				spec.from[3]++;
				break;
			case 6:
				spec.tcp_options ^= 1;
				break;
			case 7:
				spec.mac_from[5]++;
				break;
			case 8:
				spec.tcp_flags |= PSH;
				break;
			case 9:
				spec.tcp_flags |= URG;
				break;
			case 10:
				spec.payload_bytes = size + 1;
				break;
			case 11:
				spec.id += 7;
				flow.id += 7;
				/* the one thing that is not kept, so not merged here */
				spec.ack += 1000 + i;
				break;
			}
			put(&merge, i, &spec);
			flow.seq += spec.payload_bytes;
			flow.id++;
		}
		take(&merge);
		assert_int_equal(out, BATCH);
		total += BATCH;
	}
	/* it would be right without doing anything */
	assert_true(merged > total / 2);
}

/* No frame larger than IP, and none of more segments than there is room for. */
static void test_limits(void **state)
{
	static const uint32_t sizes[] = { 8, 100, 1460, 1500, 8960, 9000 };
	static struct mullion_merge merge;

	(void)state;
	for (size_t k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
		struct net_spec spec;

		net_spec_random(&spec, 9000);
		spec.protocol = 6;
		spec.tags = spec.extensions = spec.ip_options = spec.tcp_options = 0;
		spec.tcp_flags = ACK;
		spec.payload_bytes = sizes[k];
		out = 0;
		for (unsigned int i = 0; i < BATCH; i++) {
			put(&merge, i, &spec);
			spec.seq += sizes[k];
			spec.id++;
		}
		take(&merge);
		assert_int_equal(out, BATCH);
	}
}

/* What is damaged on its way arrives damaged, and its neighbours as they were. */
static void test_damaged(void **state)
{
	static struct mullion_merge merge;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		unsigned int bad = net_random_below(8);
		struct net_spec spec;

		net_spec_random(&spec, 1400);
		spec.protocol = 6;
		spec.extensions = 0;
		spec.tcp_flags = ACK;
		spec.payload_bytes = 1000;
		merged = out = 0;
		for (unsigned int i = 0; i < 8; i++) {
			struct net_layout layout;
			uint32_t at;

			net_frame_build(&spec, slots[i], &layout);
			lengths[i] = layout.bytes;
			/* anything but what decides whether it could go on */
			at = layout.payload + net_random_below(spec.payload_bytes);
			if (spec.version == 4 && net_random_below(4) == 0)
				at = layout.l3 + 10;
			if (i == bad)
				slots[i][at] ^= (uint8_t)(1 + net_random_below(255));
			assert_int_equal(mullion_packet_parse(&packets[i], slots[i], layout.bytes,
							      layout.bytes), 0);
			if (!mullion_merge_add(&merge, &packets[i])) {
				take(&merge);
				assert_true(mullion_merge_add(&merge, &packets[i]));
			}
			spec.seq += spec.payload_bytes;
			spec.id++;
		}
		take(&merge);
		assert_int_equal(out, 8);
		/* those before it, and those behind it, but no single one */
		assert_int_equal(merged, (bad > 1 ? bad : 0) + (7 - bad > 1 ? 7 - bad : 0));
	}
}

static void test_first_alone(void **state)
{
	static const uint8_t flags[] = { 0, SYN, SYN | ACK, FIN | ACK, PSH | ACK, 0x04, 0x50, 0x90 };
	static struct mullion_merge merge;

	(void)state;
	assert_null(mullion_merge_take(&merge));
	for (size_t k = 0; k < sizeof(flags); k++) {
		struct net_spec spec;

		net_spec_random(&spec, 1000);
		spec.protocol = 6;
		spec.extensions = 0;
		spec.tcp_flags = flags[k];
		merged = out = 0;
		put(&merge, 0, &spec);
		spec.seq += spec.payload_bytes;
		spec.tcp_flags = ACK;
		put(&merge, 1, &spec);
		take(&merge);
		assert_int_equal(out, 2);
		assert_int_equal(merged, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_batches),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_first_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
