// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/merge.c - segments of a TCP flow that came together, as one frame
 *
 * DOC: Theory of Operation
 *
 * What comes from the NAT in one batch is mostly one connection's data, packet
 * after packet.  As one frame it costs the switch, the ring and the guest's
 * network stack once what it would cost forty times.  Nothing waits for this: only
 * frames that are there already are merged.
 *
 * Segments are merged if nothing is lost by it: all headers the same but for what
 * counts on, flags ACK and PSH only, full segments but for the last; PSH ends the
 * frame.  The data is not touched: the merged frame's body are the segments' data
 * where they lie.
 *
 * The checksums of a merged frame are made anew, by who cuts it or not at all, so
 * those of its segments are looked at before: what was damaged on its way here must
 * not arrive with a right one.
 */
#include "merge.h"

#include <string.h>

#include "../../abi/net.h"
#include "csum.h"

/* A little less than IP allows, because libslirp takes no more. */
#define MERGE_IP_BYTES_MAX	65520
#define MERGE_TCP_CSUM		16
#define IPV6_BYTES		40
#define TCP_FLAGS		13
#define TCP_PSH			0x08
#define TCP_ACK			0x10

/* Is it one that others may follow? */
static bool merge_begins(const struct mullion_packet *packet)
{
	const uint8_t *l4 = packet->head + packet->l4;
	uint32_t data = packet->bytes - packet->payload;

	return packet->ip_version && packet->protocol == MULLION_IP_TCP && packet->payload &&
	       (packet->ip_version == 4 || packet->l4 == packet->l3 + IPV6_BYTES) &&
	       packet->ip_end == packet->bytes && l4[TCP_FLAGS] == TCP_ACK &&
	       data >= MULLION_OFFLOAD_GSO_SIZE_MIN && data <= UINT16_MAX;
}

static bool merge_ip_goes_on(const uint8_t *a, const uint8_t *b,
			     const struct mullion_packet *packet)
{
	if (packet->ip_version == 6)
		return !memcmp(a, b, 4) && !memcmp(a + 6, b + 6, IPV6_BYTES - 6);
	return !memcmp(a, b, 2) && !memcmp(a + 6, b + 6, 4) &&
	       !memcmp(a + 12, b + 12, packet->l4 - packet->l3 - 12U);
}

static bool merge_tcp_goes_on(const uint8_t *a, const uint8_t *b,
			      const struct mullion_packet *packet)
{
	return !memcmp(a, b, 4) && !memcmp(a + 8, b + 8, 5) &&
	       (b[TCP_FLAGS] & ~TCP_PSH) == TCP_ACK && !memcmp(a + 14, b + 14, 2) &&
	       !memcmp(a + 18, b + 18, packet->payload - packet->l4 - 18U);
}

static bool merge_sums_are_right(const struct mullion_packet *packet)
{
	const uint8_t *ip = packet->head + packet->l3;
	uint32_t addresses = packet->ip_version == 6 ? 8 : 12;
	struct mullion_csum csum = { 0 };

	if (packet->ip_version == 4) {
		mullion_csum_add(&csum, ip, packet->l4 - packet->l3);
		if (mullion_csum_fold(csum.sum) != 0xffff)
			return false;
		csum = (struct mullion_csum){ 0 };
	}
	mullion_csum_add(&csum, ip + addresses, packet->ip_version == 6 ? 32 : 8);
	mullion_csum_add_be16(&csum, MULLION_IP_TCP);
	mullion_csum_add_be16(&csum, packet->bytes - packet->l4);
	mullion_csum_add(&csum, packet->head + packet->l4, packet->bytes - packet->l4);
	return mullion_csum_fold(csum.sum) == 0xffff;
}

/* The first one's are looked at when there is a second. */
static bool merge_verify(struct mullion_merge *merge, const struct mullion_packet *packet)
{
	if (!merge->verified)
		merge->verified = merge_sums_are_right(&merge->packet);
	return merge->verified && merge_sums_are_right(packet);
}

static bool merge_goes_on(const struct mullion_merge *merge,
			  const struct mullion_packet *packet)
{
	const struct mullion_packet *first = &merge->packet;
	uint32_t data = packet->bytes - packet->payload;

	return !merge->closed && merge->count < MULLION_MERGE_MAX &&
	       packet->ip_version == first->ip_version && packet->l3 == first->l3 &&
	       packet->l4 == first->l4 && packet->payload == first->payload &&
	       packet->protocol == MULLION_IP_TCP && packet->ip_end == packet->bytes &&
	       data && data <= merge->size &&
	       first->payload - first->l3 + merge->payload + data <= MERGE_IP_BYTES_MAX &&
	       mullion_be32_get(packet->head + packet->l4 + 4) == merge->next &&
	       !memcmp(first->head, packet->head, first->l3) &&
	       merge_ip_goes_on(first->head + first->l3, packet->head + packet->l3, first) &&
	       merge_tcp_goes_on(first->head + first->l4, packet->head + packet->l4, first);
}

bool mullion_merge_add(struct mullion_merge *merge, const struct mullion_packet *packet)
{
	const uint8_t *l4 = packet->head + packet->l4;
	uint32_t data = packet->bytes - packet->payload;

	if (!merge->count) {
		merge->packet = *packet;
		merge->closed = !merge_begins(packet);
		merge->count = 1;
		merge->verified = false;
		if (merge->closed)
			return true;
		merge->payload = 0;
		merge->size = (uint16_t)data;
		merge->next = mullion_be32_get(l4 + 4);
		memcpy(merge->head, packet->head, packet->payload);
	} else {
		if (!merge_goes_on(merge, packet) || !merge_verify(merge, packet))
			return false;
		merge->count++;
		merge->closed = data < merge->size || (l4[TCP_FLAGS] & TCP_PSH);
		merge->head[packet->l4 + TCP_FLAGS] |= l4[TCP_FLAGS];
	}
	merge->body[merge->count - 1] = (struct iovec){
		(uint8_t *)packet->head + packet->payload, data,
	};
	merge->payload += data;
	merge->next += data;
	return true;
}

/* Lengths, and what is left for others to compute. */
static void merge_headers(struct mullion_merge *merge)
{
	const struct mullion_packet *packet = &merge->packet;
	uint8_t *ip = merge->head + packet->l3, *tcp = merge->head + packet->l4;
	uint32_t bytes = packet->payload - packet->l3 + merge->payload;
	uint32_t l4_bytes = packet->payload - packet->l4 + merge->payload;
	struct mullion_csum csum = { 0 };

	if (packet->ip_version == 6) {
		mullion_be16_put(ip + 4, bytes - IPV6_BYTES);
		mullion_csum_add(&csum, ip + 8, 32);
	} else {
		mullion_be16_put(ip + 2, bytes);
		memset(ip + 10, 0, 2);
		mullion_csum_add(&csum, ip, packet->l4 - packet->l3);
		mullion_csum_store(&csum, ip + 10);
		csum = (struct mullion_csum){ 0 };
		mullion_csum_add(&csum, ip + 12, 8);
	}
	mullion_csum_add_be16(&csum, MULLION_IP_TCP);
	mullion_csum_add_be16(&csum, l4_bytes);
	/* the sum itself, as it stands in the field until the rest is added */
	csum.sum = (uint16_t)~mullion_csum_fold(csum.sum);
	mullion_csum_store(&csum, tcp + MERGE_TCP_CSUM);
}

const struct mullion_frame *mullion_merge_take(struct mullion_merge *merge)
{
	struct mullion_frame *frame = &merge->frame;
	struct mullion_packet *packet = &frame->packet;

	if (!merge->count)
		return NULL;
	*frame = (struct mullion_frame){ .packet = merge->packet, .body = merge->body };
	if (merge->count == 1) {
		merge->body[0] = (struct iovec){
			(uint8_t *)packet->head + packet->head_bytes,
			packet->bytes - packet->head_bytes,
		};
		frame->body_count = 1;
	} else {
		merge_headers(merge);
		packet->head = merge->head;
		packet->head_bytes = packet->payload;
		packet->bytes = packet->ip_end = packet->payload + merge->payload;
		frame->body_count = merge->count;
		frame->offload = (struct mullion_offload){
			.flags = MULLION_NET_NEEDS_CSUM,
			.gso_type = packet->ip_version == 4 ? MULLION_NET_GSO_TCPV4 :
				    MULLION_NET_GSO_TCPV6,
			.hdr_len = packet->payload,
			.gso_size = merge->size,
			.csum_start = packet->l4,
			.csum_offset = MERGE_TCP_CSUM,
		};
	}
	merge->count = 0;
	return frame;
}
