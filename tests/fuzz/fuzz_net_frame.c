// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_net_frame.c - frames of hostile senders through the switch's
 *	parser, filter and offloads, and a hostile uplink
 *
 * An input begins with what a port and a sender may choose (struct input) and
 * goes on with the frame, which is cut where the input says; or it is what
 * comes out of an uplink.  The body lies in memory that ends where it ends.
 *
 * Checked besides what the sanitizers see: offsets lie inside, a refused
 * offload changes nothing, segments are well-formed packets that carry the
 * payload in order, and a frame keeps its length in every copy.
 */
#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../service/net/filter.h"
#include "../../service/net/offload.h"
#include "../../service/net/uplink.h"

#define CUTS	4

struct input {
	uint8_t mode;		/* 0 to 3: a frame; else an uplink of type mode & 3 */
	uint8_t port_flags;
	uint8_t takes;
	uint8_t head;		/* bytes of the head */
	uint16_t port_vlan;
	uint16_t retag;
	struct mullion_offload offload;
	uint16_t cuts[CUTS];	/* lengths of the body's pieces; the last is the rest */
} __attribute__((packed));

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t out[MULLION_NET_FRAME_MAX + 4];

static void fuzz_packet(const struct mullion_packet *packet)
{
	assert(packet->l3 >= MULLION_ETHER_BYTES && packet->l3 <= packet->head_bytes);
	assert(packet->l4 <= packet->head_bytes && packet->payload <= packet->head_bytes);
	assert(packet->ip_end <= packet->bytes);
	assert(!packet->l4 || packet->l4 <= packet->ip_end);
	assert(!packet->payload || (packet->l4 < packet->payload &&
				    packet->payload <= packet->ip_end));
}

static void fuzz_filter(const struct input *input, const struct mullion_packet *packet)
{
	struct mullion_net_port port = {
		.flags = input->port_flags, .vlan = input->port_vlan,
		.mac = { 2, 0, 0, 0, 0, 1 }, .ip4_count = 1, .ip6_count = 1,
	};
	struct mullion_filter filter;
	uint16_t vlan = 0xffff;

	memset(port.trunk_vlans, 0x55, 64);
	if (mullion_filter_set(&filter, &port) < 0)
		return;
	if (mullion_filter_in(&filter, packet, &vlan) == MULLION_PASS) {
		assert(vlan <= MULLION_VLAN_MAX);
		assert(mullion_filter_out(&filter, vlan) != MULLION_OUT_NO);
		assert(!(filter.flags & MULLION_NET_PORT_LOCK_MAC) ||
		       !memcmp(mullion_packet_from(packet), port.mac, 6));
	}
}

static void fuzz_segments(const struct mullion_frame *frame)
{
	struct mullion_segments segments;
	uint32_t payload = 0, count = 0;

	for (mullion_segments_begin(&segments, frame); segments.bytes; count++) {
		uint32_t bytes = segments.bytes;
		struct iovec iov[2] = { { out, bytes / 3 }, { out + bytes / 3, bytes - bytes / 3 } };
		struct mullion_packet packet;

		if (count % 7 == 6) {
			payload += bytes - frame->packet.payload;
			mullion_segments_skip(&segments);
			continue;
		}
		assert(bytes <= mullion_offload_wire_bytes(frame));
		assert(mullion_segments_copy(&segments, iov, 2) == bytes);
		assert(!mullion_packet_parse(&packet, out, bytes, bytes));
		assert(packet.payload == frame->packet.payload && packet.ip_end == bytes);
		assert(packet.hash == frame->packet.hash);
		payload += bytes - packet.payload;
	}
	assert(count == mullion_offload_segments(frame));
	assert(payload == frame->packet.bytes - frame->packet.payload);
}

static void fuzz_copies(const struct input *input, struct mullion_frame *frame)
{
	struct mullion_offload before = frame->offload;
	struct iovec iov = { out, frame->packet.bytes };

	assert(mullion_frame_copy(frame, &iov, 1) == frame->packet.bytes);
	if (mullion_offload_check(&frame->offload, &frame->packet) < 0) {
		assert(!memcmp(&before, &frame->offload, sizeof(before)));
		return;
	}
	if (mullion_offload_work(&frame->offload, input->takes) == MULLION_OFFLOAD_SEGMENT)
		fuzz_segments(frame);
	assert(mullion_frame_copy_csum(frame, &iov, 1) == frame->packet.bytes);
	iov.iov_len = frame->packet.bytes / 2;
	assert(mullion_frame_copy_csum(frame, &iov, 1) == iov.iov_len);
}

static void fuzz_frame(const struct input *input, const uint8_t *data, size_t size)
{
	uint8_t head[MULLION_PACKET_HEAD_MAX], tagged[MULLION_PACKET_HEAD_ROOM];
	size_t head_bytes = input->head < size ? input->head : size;
	struct mullion_frame frame = { .offload = input->offload }, retagged;
	struct iovec body[CUTS];
	size_t left;
	uint8_t *at;

	if (head_bytes > sizeof(head))
		head_bytes = sizeof(head);
	memcpy(head, data, head_bytes);
	if (mullion_packet_parse(&frame.packet, head, head_bytes, size) < 0)
		return;
	fuzz_packet(&frame.packet);
	fuzz_filter(input, &frame.packet);

	left = size - head_bytes;
	at = malloc(left + 1);
	assert(at);
	memcpy(at + 1, data + head_bytes, left);
	body[0].iov_base = at;
	for (size_t i = 0, offset = 1; i < CUTS; i++) {
		size_t n = i + 1 < CUTS && input->cuts[i] < left ? input->cuts[i] : left;

		body[i] = (struct iovec){ at + offset, n };
		offset += n;
		left -= n;
	}
	frame.body = body;
	frame.body_count = CUTS;
	fuzz_copies(input, &frame);
	if (mullion_offload_check(&frame.offload, &frame.packet) == 0) {
		mullion_frame_retag(&retagged, &frame, input->retag & 0xfff, tagged);
		fuzz_packet(&retagged.packet);
		fuzz_copies(input, &retagged);
	}
	free(at);
}

static void fuzz_received(void *arg, const struct mullion_frame *frame)
{
	struct mullion_frame copy = *frame;

	fuzz_packet(&frame->packet);
	fuzz_copies(arg, &copy);
}

static void fuzz_uplink(struct input *input, const uint8_t *data, size_t size)
{
	struct mullion_net_uplink_counters counters = { 0 };
	struct mullion_uplink *uplink;
	uint32_t type = input->mode & 3;
	int fds[2];

	if (!size || socketpair(AF_UNIX, (type == MULLION_UPLINK_STREAM ? SOCK_STREAM :
			        SOCK_SEQPACKET) | SOCK_NONBLOCK, 0, fds) < 0)
		return;
	if (mullion_uplink_new(type, fds[0], 1500, false, &counters, &uplink) < 0) {
		close(fds[1]);
		return;
	}
	if (send(fds[1], data, size, MSG_NOSIGNAL) > 0)
		mullion_uplink_receive(uplink, 64, fuzz_received, input);
	mullion_uplink_free(uplink);
	close(fds[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input input;

	if (size < sizeof(input) || size > sizeof(input) + MULLION_NET_FRAME_MAX)
		return 0;
	memcpy(&input, data, sizeof(input));
	if (input.mode < 4)
		fuzz_frame(&input, data + sizeof(input), size - sizeof(input));
	else
		fuzz_uplink(&input, data + sizeof(input), size - sizeof(input));
	return 0;
}
