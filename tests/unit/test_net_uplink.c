// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_uplink.c - uplinks and the mirror, from the other end of
 *	their descriptors
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../service/net/pcap.h"
#include "../../service/net/uplink.h"
#include "../lib/net_frame.h"

static struct mullion_net_uplink_counters counters;
static struct mullion_uplink *uplink;
static int peer;

static void begin_with(uint32_t type, uint32_t mtu, bool large)
{
	int fds[2];

	assert_int_equal(socketpair(AF_UNIX, (type == MULLION_UPLINK_STREAM ? SOCK_STREAM :
				    SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, fds), 0);
	memset(&counters, 0, sizeof(counters));
	assert_int_equal(mullion_uplink_new(type, fds[0], mtu, large, &counters, &uplink), 0);
	assert_int_equal(counters.state, MULLION_UPLINK_STATE_UP);
	assert_int_equal(mullion_uplink_fd(uplink), fds[0]);
	peer = fds[1];
}

static void end(void)
{
	mullion_uplink_free(uplink);
	assert_int_equal(counters.state, MULLION_UPLINK_STATE_NONE);
	close(peer);
}

static uint8_t sent[NET_FRAME_BYTES];
static struct iovec body;
static struct net_layout layout;

/* A TCP packet of that much data; @gso_size: to be cut. */
static struct mullion_frame frame_of(uint32_t payload, uint16_t gso_size)
{
	struct mullion_frame frame = { .body = &body, .body_count = 1 };
	struct net_spec spec;
	uint32_t head;

	net_spec_random(&spec, payload);
	spec.tags = spec.ip_options = spec.tcp_options = spec.extensions = 0;
	spec.version = 4;
	spec.protocol = 6;
	spec.payload_bytes = payload;
	spec.partial = true;
	net_frame_build(&spec, sent, &layout);
	head = layout.bytes < MULLION_PACKET_HEAD_MAX ? layout.bytes : MULLION_PACKET_HEAD_MAX;
	body = (struct iovec){ sent + head, layout.bytes - head };
	assert_int_equal(mullion_packet_parse(&frame.packet, sent, head, layout.bytes), 0);
	frame.offload = (struct mullion_offload){
		.flags = MULLION_NET_NEEDS_CSUM,
		.gso_type = gso_size ? MULLION_NET_GSO_TCPV4 : MULLION_NET_GSO_NONE,
		.gso_size = gso_size,
		.csum_start = (uint16_t)layout.l4,
		.csum_offset = 16,
	};
	assert_int_equal(mullion_offload_check(&frame.offload, &frame.packet), 0);
	return frame;
}

/* A packet with an IPv4 header and a TCP header that add up. */
static void check_sums(const uint8_t *frame, uint32_t bytes)
{
	uint8_t pseudo[12];

	assert_int_equal(net_sum(0, frame + 14, 20), 0xffff);
	memcpy(pseudo, frame + 26, 8);
	pseudo[8] = 0;
	pseudo[9] = 6;
	mullion_be16_put(pseudo + 10, bytes - 34);
	assert_int_equal(net_sum(net_sum(0, pseudo, 12), frame + 34, bytes - 34), 0xffff);
}

static void test_packet_out(void **state)
{
	static uint8_t got[NET_FRAME_BYTES];
	struct mullion_frame frame;

	(void)state;
	begin_with(MULLION_UPLINK_PACKET, 1500, false);
	frame = frame_of(1000, 0);
	mullion_uplink_send(uplink, &frame);
	frame = frame_of(5000, 1460);
	mullion_uplink_send(uplink, &frame);
	assert_false(mullion_uplink_flush(uplink));
	assert_int_equal(counters.out_frames, 5);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 1054);
	check_sums(got, 1054);
	for (int i = 0; i < 4; i++) {
		uint32_t bytes = i < 3 ? 1514 : 54 + 5000 - 3 * 1460;

		assert_int_equal(recv(peer, got, sizeof(got), 0), bytes);
		check_sums(got, bytes);
	}
	assert_int_equal(recv(peer, got, sizeof(got), 0), -1);
	/* too large for it */
	frame = frame_of(1461, 0);
	mullion_uplink_send(uplink, &frame);
	frame = frame_of(5000, 1461);
	mullion_uplink_send(uplink, &frame);
	assert_int_equal(counters.out_dropped, 2);
	end();
}

static void test_large_out(void **state)
{
	static uint8_t got[NET_FRAME_BYTES];
	struct mullion_frame frame;

	(void)state;
	begin_with(MULLION_UPLINK_PACKET, 1500, true);
	frame = frame_of(65495, 1460);
	mullion_uplink_send(uplink, &frame);
	mullion_uplink_flush(uplink);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 65549);
	check_sums(got, 65549);
	end();
}

/* Nobody reads: what fits waits, the rest is dropped, and nothing blocks. */
static void test_slow(void **state)
{
	static uint8_t got[NET_FRAME_BYTES];
	struct mullion_frame frame;
	uint64_t taken, received = 0;

	(void)state;
	begin_with(MULLION_UPLINK_PACKET, 65535, false);
	frame = frame_of(60000, 0);
	for (int i = 0; i < 100; i++)
		mullion_uplink_send(uplink, &frame);
	assert_true(mullion_uplink_flush(uplink));
	taken = counters.out_frames;
	assert_true(taken >= 30 && counters.out_dropped == 100 - taken);
	while (received < taken) {
		assert_int_equal(recv(peer, got, sizeof(got), 0), 60054);
		check_sums(got, 60054);
		received++;
		mullion_uplink_flush(uplink);
	}
	assert_int_equal(recv(peer, got, sizeof(got), 0), -1);
	assert_false(mullion_uplink_flush(uplink));
	end();
}

struct received {
	unsigned int frames;
	uint64_t bytes;
	uint32_t last;
};

static void receive(void *arg, const struct mullion_frame *frame)
{
	struct received *received = arg;

	received->frames++;
	received->bytes += frame->packet.bytes;
	received->last = frame->packet.bytes;
	assert_int_equal(frame->packet.head_bytes + frame->body[0].iov_len,
			 frame->packet.bytes);
}

static void test_packet_in(void **state)
{
	struct received received = { 0 };

	(void)state;
	begin_with(MULLION_UPLINK_PACKET, 1500, false);
	memset(sent, 0, sizeof(sent));
	for (size_t bytes = 1; bytes <= 20; bytes++)
		assert_int_equal(send(peer, sent, bytes, 0), bytes);
	assert_false(mullion_uplink_receive(uplink, 100, receive, &received));
	assert_int_equal(counters.in_malformed, 13);
	assert_int_equal(counters.in_frames, 7);
	assert_int_equal(received.frames, 7);
	assert_int_equal(received.last, 20);
	/* the budget */
	for (int i = 0; i < 40; i++)
		assert_int_equal(send(peer, sent, 60, 0), 60);
	assert_true(mullion_uplink_receive(uplink, 16, receive, &received));
	assert_int_equal(received.frames, 7 + 16);
	assert_false(mullion_uplink_receive(uplink, 1000, receive, &received));
	assert_int_equal(received.frames, 7 + 40);
	/* more than a frame can have */
	assert_int_equal(send(peer, sent, MULLION_NET_FRAME_MAX, 0), MULLION_NET_FRAME_MAX);
	assert_int_equal(send(peer, sent, sizeof(sent), 0), sizeof(sent));
	mullion_uplink_receive(uplink, 1000, receive, &received);
	assert_int_equal(received.last, MULLION_NET_FRAME_MAX);
	assert_int_equal(counters.in_malformed, 14);
	end();
}

static void test_packet_gone(void **state)
{
	struct mullion_frame frame = frame_of(100, 0);
	struct received received = { 0 };

	(void)state;
	for (int sending = 0; sending < 2; sending++) {
		begin_with(MULLION_UPLINK_PACKET, 1500, false);
		assert_int_equal(send(peer, sent, 60, 0), 60);
		close(peer);
		if (sending) {
			mullion_uplink_send(uplink, &frame);
			assert_false(mullion_uplink_flush(uplink));
		} else {
			assert_false(mullion_uplink_receive(uplink, 100, receive, &received));
			assert_int_equal(received.frames, 1);
		}
		assert_false(mullion_uplink_is_up(uplink));
		assert_int_equal(counters.state, MULLION_UPLINK_STATE_GONE);
		counters.out_dropped = 0;
		mullion_uplink_send(uplink, &frame);
		assert_int_equal(counters.out_dropped, 1);
		assert_false(mullion_uplink_flush(uplink));
		assert_false(mullion_uplink_receive(uplink, 100, receive, &received));
		peer = -1;
		end();
	}
}

static void test_stream_out(void **state)
{
	static uint8_t got[3 * NET_FRAME_BYTES];
	struct mullion_frame frame;
	size_t bytes = 0, at = 0;
	uint64_t total = 0;

	(void)state;
	begin_with(MULLION_UPLINK_STREAM, 1500, false);
	/* more than the socket takes at once */
	for (int i = 0; i < 20; i++) {
		frame = frame_of(60000, 1460);
		mullion_uplink_send(uplink, &frame);
	}
	assert_int_equal(counters.out_dropped, 0);
	while (total < counters.out_frames) {
		ssize_t n;

		mullion_uplink_flush(uplink);
		n = recv(peer, got + bytes, sizeof(got) - bytes, 0);
		assert_true(n > 0);
		bytes += (size_t)n;
		for (at = 0; bytes - at >= 4; total++) {
			uint32_t length = mullion_be32_get(got + at);

			assert_true(length > 54 && length <= 1514);
			if (bytes - at - 4 < length)
				break;
			check_sums(got + at + 4, length);
			at += 4 + length;
		}
		bytes -= at;
		memmove(got, got + at, bytes);
	}
	assert_int_equal(bytes, 0);
	assert_false(mullion_uplink_flush(uplink));
	end();
}

/* Borders anywhere: also in the length. */
static void test_stream_in(void **state)
{
	static uint8_t stream[200000];
	struct received received = { 0 };
	size_t bytes = 0, at = 0;
	uint64_t total = 0;
	unsigned int frames = 0;

	(void)state;
	begin_with(MULLION_UPLINK_STREAM, 1500, false);
	while (bytes < 100000) {
		uint32_t length = 14 + net_random_below(frames % 8 ? 1500 : 40000);

		mullion_be32_put(stream + bytes, length);
		bytes += 4 + length;
		total += length;
		frames++;
	}
	while (at < bytes) {
		size_t n = 1 + net_random_below(net_random_below(2) ? 3 : 5000);

		if (n > bytes - at)
			n = bytes - at;
		assert_int_equal(send(peer, stream + at, n, 0), n);
		at += n;
		mullion_uplink_receive(uplink, 1000, receive, &received);
	}
	assert_int_equal(received.frames, frames);
	assert_int_equal(received.bytes, total);
	assert_int_equal(counters.in_malformed, 0);
	/* a frame that is too short costs itself, one too long the uplink */
	mullion_be32_put(stream, 3);
	mullion_be32_put(stream + 7, 60);
	assert_int_equal(send(peer, stream, 7 + 64, 0), 7 + 64);
	mullion_uplink_receive(uplink, 1000, receive, &received);
	assert_int_equal(received.frames, frames + 1);
	assert_int_equal(counters.in_malformed, 1);
	mullion_be32_put(stream, MULLION_NET_FRAME_MAX + 1);
	assert_int_equal(send(peer, stream, 4, 0), 4);
	assert_false(mullion_uplink_receive(uplink, 1000, receive, &received));
	assert_false(mullion_uplink_is_up(uplink));
	assert_int_equal(counters.in_malformed, 2);
	end();
}

/* A socket of messages serves as the TAP: a header, then the frame. */
static void test_tap(void **state)
{
	static uint8_t got[NET_FRAME_BYTES];
	struct received received = { 0 };
	struct mullion_frame frame;
	static const uint8_t gso[] = { 1, 1, 54, 0, 0xb4, 5, 34, 0, 16, 0 };

	(void)state;
	begin_with(MULLION_UPLINK_TAP, 1500, false);
	frame = frame_of(50000, 1460);
	mullion_uplink_send(uplink, &frame);
	assert_int_equal(recv(peer, got, sizeof(got), 0), 12 + layout.bytes);
	assert_memory_equal(got + 1, gso + 1, 9);
	assert_int_equal(got[0], MULLION_NET_NEEDS_CSUM);
	assert_memory_equal(got + 12, sent, layout.bytes);
	assert_int_equal(counters.out_frames, 1);
	/* what came out goes in */
	assert_int_equal(send(peer, got, 12 + layout.bytes, 0), 12 + layout.bytes);
	mullion_uplink_receive(uplink, 10, receive, &received);
	assert_int_equal(received.last, layout.bytes);
	/* but not with nonsense before it, and not without a header */
	got[6] = 33;
	assert_int_equal(send(peer, got, 12 + layout.bytes, 0), 12 + layout.bytes);
	assert_int_equal(send(peer, got, 5, 0), 5);
	mullion_uplink_receive(uplink, 10, receive, &received);
	assert_int_equal(received.frames, 1);
	assert_int_equal(counters.in_malformed, 2);
	end();
}

static void test_refused(void **state)
{
	struct mullion_uplink *none = NULL;
	int fds[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds), 0);
	assert_int_equal(mullion_uplink_new(MULLION_UPLINK_PACKET, fds[0], 1500, false,
					    &counters, &none), -EINVAL);
	assert_int_equal(fcntl(fds[0], F_GETFD), -1);
	assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	assert_int_equal(mullion_uplink_new(MULLION_UPLINK_PACKET, dup(fds[1]), 67, false,
					    &counters, &none), -EINVAL);
	assert_int_equal(mullion_uplink_new(MULLION_UPLINK_PACKET, dup(fds[1]), 65536, false,
					    &counters, &none), -EINVAL);
	assert_int_equal(mullion_uplink_new(17, dup(fds[1]), 1500, false, &counters, &none),
			 -EINVAL);
	assert_int_equal(mullion_uplink_new(MULLION_UPLINK_PACKET, -1, 1500, false, &counters,
					    &none), -EBADF);
	assert_null(none);
	close(fds[1]);
}

static uint32_t word(const uint8_t *p)
{
	uint32_t value;

	memcpy(&value, p, 4);
	return value;
}

static void test_pcap(void **state)
{
	static uint8_t got[4 << 20];
	struct mullion_pcap *pcap;
	struct mullion_frame frame;
	size_t bytes = 0, at = 24;
	uint64_t frames, dropped;
	int fds[2];

	(void)state;
	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(mullion_pcap_new(fds[1], 2000, &pcap), 0);
	assert_int_equal(mullion_pcap_flush(pcap), 0);
	/* more than ring and pipe hold */
	for (int i = 0; i < 2000; i++) {
		frame = frame_of(i & 1 ? 1400 : 30000, i & 1 ? 0 : 1000);
		mullion_pcap_frame(pcap, &frame, 5000000007ULL);
		if (i % 100 == 0)
			mullion_pcap_flush(pcap);
	}
	mullion_pcap_counts(pcap, &frames, &dropped);
	assert_int_equal(frames + dropped, 2000);
	assert_true(frames > 900 && dropped > 100);
	for (int left = -EAGAIN; left == -EAGAIN;) {
		left = mullion_pcap_flush(pcap);
		bytes += (size_t)read(fds[0], got + bytes, sizeof(got) - bytes);
	}
	assert_int_equal(word(got), 0xa1b23c4d);
	assert_int_equal(word(got + 16), 2000);
	assert_int_equal(word(got + 20), 1);
	for (uint64_t i = 0; i < frames; i++) {
		uint32_t captured = word(got + at + 8), length = word(got + at + 12);

		assert_int_equal(word(got + at), 5);
		assert_int_equal(word(got + at + 4), 7);
		assert_true(length == 30054 ? captured == 2000 : captured == 1454);
		if (captured == length)
			check_sums(got + at + 16, length);
		at += 16 + captured;
	}
	assert_int_equal(at, bytes);
	/* the reader goes */
	close(fds[0]);
	mullion_pcap_frame(pcap, &frame, 0);
	assert_int_equal(mullion_pcap_flush(pcap), -EPIPE);
	mullion_pcap_free(pcap);
	mullion_pcap_free(NULL);
}

static void test_pcap_refused(void **state)
{
	struct mullion_pcap *pcap = NULL;
	FILE *file = tmpfile();
	int fds[2];

	(void)state;
	assert_int_equal(mullion_pcap_new(dup(fileno(file)), 0, &pcap), -EINVAL);
	fclose(file);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(mullion_pcap_new(fds[1], 0, &pcap), -EINVAL);
	assert_int_equal(fcntl(fds[1], F_GETFD), -1);
	assert_null(pcap);
	close(fds[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_packet_out),
		cmocka_unit_test(test_large_out),
		cmocka_unit_test(test_slow),
		cmocka_unit_test(test_packet_in),
		cmocka_unit_test(test_packet_gone),
		cmocka_unit_test(test_stream_out),
		cmocka_unit_test(test_stream_in),
		cmocka_unit_test(test_tap),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_pcap),
		cmocka_unit_test(test_pcap_refused),
	};

	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
