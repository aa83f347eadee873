// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/offload.c - frames whose checksum or segmentation was left to us
 *
 * DOC: Theory of Operation
 *
 * What a sender asks for is checked once, against the parsed head: the field
 * for the checksum lies in the head, and a frame to be cut is an unfragmented
 * TCP or UDP packet that fills it, with its headers in the head.  So writing
 * needs no checks, and no byte of the body decides anything.
 *
 * Copying and summing is one pass over the body in pieces that stay in the
 * first-level cache: copied, then summed where they were copied to.  The head is
 * written last, from a copy on the stack that holds the result.
 *
 * The pseudo-header's sum that the sender left in the field is used for
 * segments, too, with the length replaced: it knows the final destination when
 * there is a routing header.
 *
 * Segments: of IPv4 the identification counts on and the header's checksum is
 * made anew; FIN and PSH belong to the last segment only, CWR to the first; the
 * checksum of each is complete.  UDP: a datagram each.
 *
 * Limits: SCTP's and Fibre Channel's CRC, UDP fragmentation of IP and tunnels are
 * not cut; senders are not told that they were.
 */
#include "offload.h"

#include <errno.h>
#include <string.h>

#include "../../abi/net.h"
#include "csum.h"

#define OFFLOAD_PIECE		4096
#define OFFLOAD_TCP_CSUM	16
#define OFFLOAD_UDP_CSUM	6

#define IPV6_BYTES		40
#define TCP_FLAGS		13
#define TCP_FIN			0x01
#define TCP_PSH			0x08
#define TCP_CWR			0x80

/* A place in a list of areas. */
struct offload_cursor {
	const struct iovec *iov;
	size_t count;
	size_t index;
	size_t offset;
};

static size_t offload_area(struct offload_cursor *at, uint8_t **area)
{
	while (at->index < at->count && at->offset >= at->iov[at->index].iov_len) {
		at->offset -= at->iov[at->index].iov_len;
		at->index++;
	}
	if (at->index == at->count)
		return 0;
	*area = (uint8_t *)at->iov[at->index].iov_base + at->offset;
	return at->iov[at->index].iov_len - at->offset;
}

/* Copies contiguous bytes, sums them if wanted; less if @to ends. */
static size_t offload_put(struct offload_cursor *to, const uint8_t *from, size_t bytes,
			  struct mullion_csum *csum)
{
	size_t done = 0;

	while (done < bytes) {
		uint8_t *area;
		size_t n = offload_area(to, &area);

		if (!n)
			break;
		if (n > bytes - done)
			n = bytes - done;
		if (csum && n > OFFLOAD_PIECE)
			n = OFFLOAD_PIECE;
		memcpy(area, from + done, n);
		if (csum)
			mullion_csum_add(csum, area, n);
		to->offset += n;
		done += n;
	}
	/* what found no room still counts */
	if (csum)
		mullion_csum_add(csum, from + done, bytes - done);
	return done;
}

static size_t offload_copy(struct offload_cursor *to, struct offload_cursor *from,
			   size_t bytes, struct mullion_csum *csum)
{
	size_t written = 0;

	while (bytes) {
		uint8_t *area;
		size_t n = offload_area(from, &area);
		size_t put;

		if (!n)
			break;
		if (n > bytes)
			n = bytes;
		put = offload_put(to, area, n, csum);
		written += put;
		from->offset += n;
		bytes -= n;
		if (put < n && !csum)
			break;
	}
	return written;
}

static bool offload_csum_fits(const struct mullion_offload *offload,
			      const struct mullion_packet *packet)
{
	return offload->csum_start >= packet->l3 &&
	       (uint32_t)offload->csum_start + offload->csum_offset + 2 <= packet->head_bytes;
}

static bool offload_gso_fits(const struct mullion_offload *offload,
			     const struct mullion_packet *packet, uint8_t type)
{
	uint8_t protocol = MULLION_IP_TCP;
	uint16_t csum = OFFLOAD_TCP_CSUM;

	switch (type) {
	case MULLION_NET_GSO_TCPV4:
		if (packet->ip_version != 4)
			return false;
		break;
	case MULLION_NET_GSO_TCPV6:
		if (packet->ip_version != 6)
			return false;
		break;
	case MULLION_NET_GSO_UDP_L4:
		protocol = MULLION_IP_UDP;
		csum = OFFLOAD_UDP_CSUM;
		break;
	default:
		return false;
	}
	return packet->payload && packet->protocol == protocol &&
	       packet->ip_end == packet->bytes &&
	       (protocol != MULLION_IP_UDP ||
		(mullion_be16_get(packet->head + packet->l4 + 4) ==
			 packet->bytes - packet->l4 &&
		 packet->bytes - packet->payload <=
			 MULLION_OFFLOAD_DATAGRAMS_MAX * (uint32_t)offload->gso_size)) &&
	       (offload->flags & MULLION_NET_NEEDS_CSUM) &&
	       offload->csum_start == packet->l4 && offload->csum_offset == csum &&
	       offload->gso_size >= MULLION_OFFLOAD_GSO_SIZE_MIN;
}

int mullion_offload_check(struct mullion_offload *offload,
			  const struct mullion_packet *packet)
{
	uint8_t type = offload->gso_type & (uint8_t)~MULLION_NET_GSO_ECN;
	uint8_t flags = offload->flags & (MULLION_NET_NEEDS_CSUM | MULLION_NET_DATA_VALID);

	if ((flags & MULLION_NET_NEEDS_CSUM) && !offload_csum_fits(offload, packet))
		return -EINVAL;
	if (type != MULLION_NET_GSO_NONE) {
		if (!offload_gso_fits(offload, packet, type))
			return -EINVAL;
		if (packet->bytes - packet->payload <= offload->gso_size)
			type = MULLION_NET_GSO_NONE;
	}
	if (flags & MULLION_NET_NEEDS_CSUM)
		flags = MULLION_NET_NEEDS_CSUM;
	else
		offload->csum_start = offload->csum_offset = 0;
	offload->flags = flags;
	offload->gso_type = type;
	if (type == MULLION_NET_GSO_NONE)
		offload->gso_size = offload->hdr_len = 0;
	else
		offload->hdr_len = packet->payload;
	return 0;
}

enum mullion_offload_work mullion_offload_work(const struct mullion_offload *offload,
					       uint32_t takes)
{
	uint32_t wants = 0;

	switch (offload->gso_type) {
	case MULLION_NET_GSO_TCPV4:
		wants = MULLION_NET_RX_TSO4;
		break;
	case MULLION_NET_GSO_TCPV6:
		wants = MULLION_NET_RX_TSO6;
		break;
	case MULLION_NET_GSO_UDP_L4:
		wants = MULLION_NET_RX_USO;
		break;
	}
	if (wants & ~takes)
		return MULLION_OFFLOAD_SEGMENT;
	if ((offload->flags & MULLION_NET_NEEDS_CSUM) && !(takes & MULLION_NET_RX_CSUM))
		return MULLION_OFFLOAD_CSUM;
	return MULLION_OFFLOAD_NONE;
}

uint32_t mullion_offload_segments(const struct mullion_frame *frame)
{
	uint32_t size = frame->offload.gso_size;

	if (frame->offload.gso_type == MULLION_NET_GSO_NONE)
		return 1;
	return (frame->packet.bytes - frame->packet.payload + size - 1) / size;
}

uint32_t mullion_offload_wire_bytes(const struct mullion_frame *frame)
{
	if (frame->offload.gso_type == MULLION_NET_GSO_NONE)
		return frame->packet.bytes;
	return frame->packet.payload + frame->offload.gso_size;
}

uint8_t mullion_offload_gso_type(const struct mullion_frame *frame)
{
	const uint8_t *l4 = frame->packet.head + frame->packet.l4;
	uint8_t type = frame->offload.gso_type;

	if ((type == MULLION_NET_GSO_TCPV4 || type == MULLION_NET_GSO_TCPV6) &&
	    (l4[TCP_FLAGS] & TCP_CWR))
		type |= MULLION_NET_GSO_ECN;
	return type;
}

void mullion_frame_retag(struct mullion_frame *out, const struct mullion_frame *in,
			 uint16_t vlan, uint8_t *head)
{
	struct mullion_offload *offload = &out->offload;
	int moved;

	*out = *in;
	mullion_packet_retag(&out->packet, &in->packet, vlan, head);
	moved = out->packet.l3 - in->packet.l3;
	if (offload->flags & MULLION_NET_NEEDS_CSUM)
		offload->csum_start = (uint16_t)(offload->csum_start + moved);
	if (offload->gso_type != MULLION_NET_GSO_NONE)
		offload->hdr_len = (uint16_t)(offload->hdr_len + moved);
}

size_t mullion_frame_copy(const struct mullion_frame *frame, const struct iovec *iov,
			  size_t count)
{
	const struct mullion_packet *packet = &frame->packet;
	struct offload_cursor to = { .iov = iov, .count = count };
	struct offload_cursor body = { .iov = frame->body, .count = frame->body_count };

	return offload_put(&to, packet->head, packet->head_bytes, NULL) +
	       offload_copy(&to, &body, packet->bytes - packet->head_bytes, NULL);
}

size_t mullion_frame_copy_csum(const struct mullion_frame *frame,
			       const struct iovec *iov, size_t count)
{
	const struct mullion_packet *packet = &frame->packet;
	const struct mullion_offload *offload = &frame->offload;
	struct offload_cursor to = { .iov = iov, .count = count };
	struct offload_cursor body = { .iov = frame->body, .count = frame->body_count };
	uint8_t head[MULLION_PACKET_HEAD_ROOM];
	struct mullion_csum csum = { 0 };
	size_t written;

	if (!(offload->flags & MULLION_NET_NEEDS_CSUM))
		return mullion_frame_copy(frame, iov, count);
	memcpy(head, packet->head, packet->head_bytes);
	mullion_csum_add(&csum, head + offload->csum_start,
			 packet->head_bytes - offload->csum_start);
	to.offset = packet->head_bytes;
	written = offload_copy(&to, &body, packet->bytes - packet->head_bytes, &csum);
	mullion_csum_store_nonzero(&csum, head + offload->csum_start + offload->csum_offset);
	to = (struct offload_cursor){ .iov = iov, .count = count };
	return offload_put(&to, head, packet->head_bytes, NULL) + written;
}

static uint32_t segments_payload(const struct mullion_segments *segments)
{
	uint32_t left = segments->total - segments->done;
	uint32_t size = segments->frame->offload.gso_size;

	return left < size ? left : size;
}

static void segments_measure(struct mullion_segments *segments)
{
	uint32_t payload = segments_payload(segments);

	segments->bytes = payload ? segments->frame->packet.payload + payload : 0;
}

void mullion_segments_begin(struct mullion_segments *segments,
			    const struct mullion_frame *frame)
{
	*segments = (struct mullion_segments){
		.frame = frame,
		.total = frame->packet.bytes - frame->packet.payload,
	};
	segments_measure(segments);
}

/* Where the body goes on, and how much of the payload lies in the head. */
static const uint8_t *segments_source(const struct mullion_segments *segments,
				      struct offload_cursor *body, uint32_t *in_head)
{
	const struct mullion_packet *packet = &segments->frame->packet;
	uint32_t begin = packet->payload + segments->done;
	uint32_t payload = segments_payload(segments);

	*body = (struct offload_cursor){
		.iov = segments->frame->body, .count = segments->frame->body_count,
		.index = segments->body_index, .offset = segments->body_offset,
	};
	*in_head = begin < packet->head_bytes ? packet->head_bytes - begin : 0;
	if (*in_head > payload)
		*in_head = payload;
	return packet->head + begin;
}

static void segments_advance(struct mullion_segments *segments,
			     const struct offload_cursor *body)
{
	segments->body_index = body->index;
	segments->body_offset = body->offset;
	segments->done += segments_payload(segments);
	segments->number++;
	segments_measure(segments);
}

static void segments_ip(const struct mullion_segments *segments, uint8_t *ip)
{
	const struct mullion_packet *packet = &segments->frame->packet;
	uint32_t bytes = segments->bytes - packet->l3;
	struct mullion_csum csum = { 0 };

	if (packet->ip_version == 6) {
		mullion_be16_put(ip + 4, bytes - IPV6_BYTES);
		return;
	}
	mullion_be16_put(ip + 2, bytes);
	mullion_be16_put(ip + 4, mullion_be16_get(ip + 4) + segments->number);
	memset(ip + 10, 0, 2);
	mullion_csum_add(&csum, ip, packet->l4 - packet->l3);
	mullion_csum_store(&csum, ip + 10);
}

static void segments_transport(const struct mullion_segments *segments, uint8_t *l4)
{
	const struct mullion_packet *packet = &segments->frame->packet;

	if (packet->protocol == MULLION_IP_UDP) {
		mullion_be16_put(l4 + 4, segments->bytes - packet->l4);
		return;
	}
	mullion_be32_put(l4 + 4, mullion_be32_get(l4 + 4) + segments->done);
	if (segments->number)
		l4[TCP_FLAGS] &= (uint8_t)~TCP_CWR;
	if (segments->done + segments_payload(segments) < segments->total)
		l4[TCP_FLAGS] &= (uint8_t)~(TCP_FIN | TCP_PSH);
}

size_t mullion_segments_copy(struct mullion_segments *segments,
			     const struct iovec *iov, size_t count)
{
	const struct mullion_packet *packet = &segments->frame->packet;
	struct offload_cursor to = { .iov = iov, .count = count, .offset = packet->payload };
	uint8_t head[MULLION_PACKET_HEAD_ROOM];
	struct mullion_csum csum = { 0 }, data = { 0 };
	struct offload_cursor body;
	const uint8_t *source;
	uint32_t in_head;
	size_t written;

	memcpy(head, packet->head, packet->payload);
	segments_ip(segments, head + packet->l3);
	segments_transport(segments, head + packet->l4);

	source = segments_source(segments, &body, &in_head);
	written = offload_put(&to, source, in_head, &data);
	written += offload_copy(&to, &body, segments_payload(segments) - in_head, &data);

	/*
	 * The field, which counts as part of the header, holds the sum of the
	 * pseudo-header with the length of the whole.
	 */
	mullion_csum_add(&csum, head + packet->l4, packet->payload - packet->l4);
	mullion_csum_add_be16(&csum, ~(packet->bytes - packet->l4) & 0xffff);
	mullion_csum_add_be16(&csum, segments->bytes - packet->l4);
	csum.sum += mullion_csum_fold(data.sum);
	mullion_csum_store_nonzero(&csum, head + packet->l4 + segments->frame->offload.csum_offset);

	to = (struct offload_cursor){ .iov = iov, .count = count };
	written += offload_put(&to, head, packet->payload, NULL);
	segments_advance(segments, &body);
	return written;
}

void mullion_segments_skip(struct mullion_segments *segments)
{
	struct offload_cursor body;
	uint32_t in_head;

	segments_source(segments, &body, &in_head);
	body.offset += segments_payload(segments) - in_head;
	segments_advance(segments, &body);
}
