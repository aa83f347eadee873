// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/net_frame.c - frames made from a description, the slow and plain way
 */
#include "net_frame.h"

#include <assert.h>
#include <string.h>

#define TCP	6
#define UDP	17

static uint64_t net_state = 0x6d756c6c696f6eULL;

void net_random_seed(uint64_t seed)
{
	net_state = seed ? seed : 1;
}

uint32_t net_random(void)
{
	net_state ^= net_state << 13;
	net_state ^= net_state >> 7;
	net_state ^= net_state << 17;
	return (uint32_t)(net_state >> 16);
}

uint32_t net_random_below(uint32_t limit)
{
	return net_random() % limit;
}

static void net_random_bytes(uint8_t *p, size_t bytes)
{
	while (bytes--)
		*p++ = (uint8_t)net_random();
}

void net_spec_random(struct net_spec *spec, uint32_t payload_max)
{
	static uint8_t payload[NET_FRAME_BYTES];
	static const uint16_t tags[] = { 0x8100, 0x88a8 };

	net_random_bytes(payload, payload_max);
	/* sums that wrap, and some that come out as zero */
	if (!net_random_below(8))
		memset(payload, net_random_below(2) ? 0xff : 0, payload_max);
	*spec = (struct net_spec){
		.tags = net_random_below(3),
		.tag_ether = { tags[net_random_below(2)], tags[net_random_below(2)] },
		.tag = { (uint16_t)net_random(), (uint16_t)net_random() },
		.version = net_random_below(2) ? 4 : 6,
		.id = (uint16_t)(net_random_below(2) ? net_random() : 0xfff8),
		.ip_options = net_random_below(2) ? 0 : net_random_below(11),
		.extensions = net_random_below(2) ? 0 : net_random_below(4),
		.extension_words = net_random_below(2),
		.protocol = net_random_below(2) ? TCP : UDP,
		.from_port = (uint16_t)net_random(),
		.to_port = (uint16_t)net_random(),
		.seq = net_random_below(2) ? net_random() : 0xfffffff0,
		.ack = net_random(),
		.tcp_flags = (uint8_t)net_random(),
		.tcp_options = net_random_below(11),
		.payload = payload,
		.payload_bytes = 1 + net_random_below(payload_max),
	};
	net_random_bytes(spec->mac_to, 6);
	net_random_bytes(spec->mac_from, 6);
	net_random_bytes(spec->from, 16);
	net_random_bytes(spec->to, 16);
	net_random_bytes(spec->via, 16);
	for (unsigned int i = 0; i < 3; i++)
		spec->extension[i] = (uint8_t)net_random_below(4);
}

uint32_t net_sum(uint32_t sum, const uint8_t *data, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++) {
		sum += i & 1 ? data[i] : (uint32_t)data[i] << 8;
		if (sum > 0xffff)
			sum -= 0xffff;
	}
	return sum;
}

static void net_put16(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static void net_put32(uint8_t *p, uint32_t value)
{
	net_put16(p, value >> 16);
	net_put16(p + 2, value);
}

static uint32_t net_ethernet(const struct net_spec *spec, uint8_t *out)
{
	uint32_t at = 12;

	memcpy(out, spec->mac_to, 6);
	memcpy(out + 6, spec->mac_from, 6);
	for (unsigned int i = 0; i < spec->tags; i++) {
		net_put16(out + at, spec->tag_ether[i]);
		net_put16(out + at + 2, spec->tag[i]);
		at += 4;
	}
	net_put16(out + at, spec->version == 4 ? 0x0800 : 0x86dd);
	return at + 2;
}

static void net_ipv4(const struct net_spec *spec, uint8_t *ip, uint32_t bytes)
{
	uint32_t header = 20 + spec->ip_options * 4;

	memset(ip, 1, header);		/* no-operation options */
	ip[0] = (uint8_t)(0x40 | header / 4);
	ip[1] = 0x12;
	net_put16(ip + 2, bytes);
	net_put16(ip + 4, spec->id);
	net_put16(ip + 6, 0x4000);
	ip[8] = 64;
	ip[9] = spec->protocol;
	net_put16(ip + 10, 0);
	memcpy(ip + 12, spec->from, 4);
	memcpy(ip + 16, spec->to, 4);
	net_put16(ip + 10, ~net_sum(0, ip, header));
}

static uint32_t net_extension_bytes(const struct net_spec *spec, unsigned int i)
{
	if (spec->extension[i] == NET_EXT_ROUTING)
		return 24;
	if (spec->extension[i] == NET_EXT_AUTHENTICATION)
		return 24;
	return 8 + 8 * spec->extension_words;
}

static const uint8_t net_extension_numbers[] = { 0, 43, 60, 51 };

static void net_ipv6(const struct net_spec *spec, uint8_t *ip, uint32_t bytes)
{
	uint8_t *next = ip + 6, *at = ip + 40;

	ip[0] = 0x61;
	ip[1] = 0x23;
	ip[2] = 0x45;
	ip[3] = 0x67;
	net_put16(ip + 4, bytes - 40);
	ip[7] = 64;
	memcpy(ip + 8, spec->from, 16);
	memcpy(ip + 24, spec->to, 16);
	for (unsigned int i = 0; i < spec->extensions; i++) {
		uint32_t length = net_extension_bytes(spec, i);

		*next = net_extension_numbers[spec->extension[i]];
		next = at;
		memset(at, 0, length);
		switch (spec->extension[i]) {
		case NET_EXT_ROUTING:
			/* the header's address is the stop, ours the end */
			memcpy(ip + 24, spec->via, 16);
			at[1] = 2;
			at[2] = 2;
			at[3] = 1;
			memcpy(at + 8, spec->to, 16);
			break;
		case NET_EXT_AUTHENTICATION:
			at[1] = (uint8_t)(length / 4 - 2);
			break;
		default:
			at[1] = (uint8_t)(length / 8 - 1);
			at[2] = 1;	/* PadN over all of it */
			at[3] = (uint8_t)(length - 4);
			break;
		}
		at += length;
	}
	*next = spec->protocol;
}

static void net_transport(const struct net_spec *spec, uint8_t *l4, uint32_t bytes)
{
	if (spec->protocol == UDP) {
		net_put16(l4, spec->from_port);
		net_put16(l4 + 2, spec->to_port);
		net_put16(l4 + 4, bytes);
		return;
	}
	memset(l4, 1, 20 + spec->tcp_options * 4);
	net_put16(l4, spec->from_port);
	net_put16(l4 + 2, spec->to_port);
	net_put32(l4 + 4, spec->seq);
	net_put32(l4 + 8, spec->ack);
	l4[12] = (uint8_t)((5 + spec->tcp_options) << 4);
	l4[13] = spec->tcp_flags;
	net_put16(l4 + 14, 0x4321);
	net_put16(l4 + 18, 0);
}

void net_frame_build(const struct net_spec *spec, uint8_t *out, struct net_layout *layout)
{
	uint32_t header = 20 + spec->ip_options * 4;
	uint32_t address = spec->version == 4 ? 4 : 16;
	uint8_t length[2], protocol[2] = { 0, spec->protocol };
	uint32_t sum;

	if (spec->version == 6) {
		header = 40;
		for (unsigned int i = 0; i < spec->extensions; i++)
			header += net_extension_bytes(spec, i);
	}
	layout->l3 = net_ethernet(spec, out);
	layout->l4 = layout->l3 + header;
	layout->payload = layout->l4 + (spec->protocol == UDP ? 8 : 20 + spec->tcp_options * 4);
	layout->bytes = layout->payload + spec->payload_bytes;
	layout->csum = layout->l4 + (spec->protocol == UDP ? 6 : 16);
	assert(layout->bytes - layout->l3 <= 65535);

	if (spec->version == 4)
		net_ipv4(spec, out + layout->l3, layout->bytes - layout->l3);
	else
		net_ipv6(spec, out + layout->l3, layout->bytes - layout->l3);
	net_transport(spec, out + layout->l4, layout->bytes - layout->l4);
	memcpy(out + layout->payload, spec->payload, spec->payload_bytes);

	net_put16(length, layout->bytes - layout->l4);
	sum = net_sum(0, spec->from, address);
	sum = net_sum(sum, spec->to, address);
	sum = net_sum(sum, protocol, 2);
	sum = net_sum(sum, length, 2);
	if (!spec->partial) {
		net_put16(out + layout->csum, 0);
		sum = ~net_sum(sum, out + layout->l4, layout->bytes - layout->l4) & 0xffff;
		if (!sum)
			sum = 0xffff;
	}
	net_put16(out + layout->csum, sum);
}
