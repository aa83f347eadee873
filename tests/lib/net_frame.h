/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/net_frame.h - frames made from a description, the slow and plain way
 *
 * The reference that the switch is held against: a segment is right if it is the
 * frame that is made from its own description.
 */
#ifndef TESTS_NET_FRAME_H
#define TESTS_NET_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_FRAME_BYTES	(65535 + 64)

/* How an IPv6 packet goes on behind its header. */
enum net_extension {
	NET_EXT_HOP_BY_HOP,
	NET_EXT_ROUTING,	/* to @to by way of @via */
	NET_EXT_DESTINATION,
	NET_EXT_AUTHENTICATION,
};

struct net_spec {
	uint8_t mac_to[6], mac_from[6];
	unsigned int tags;		/* 0 to 2 */
	uint16_t tag_ether[2];
	uint16_t tag[2];
	int version;			/* 4 or 6 */
	uint8_t from[16], to[16], via[16];
	uint16_t id;
	unsigned int ip_options;	/* IPv4: words, 0 to 10 */
	unsigned int extensions;
	uint8_t extension[3];
	unsigned int extension_words;	/* of 8 bytes beyond the first, in each */
	uint8_t protocol;		/* TCP or UDP */
	uint16_t from_port, to_port;
	uint32_t seq, ack;
	uint8_t tcp_flags;
	unsigned int tcp_options;	/* words, 0 to 10 */
	const uint8_t *payload;
	uint32_t payload_bytes;
	bool partial;			/* leave the checksum to others, as virtio does */
};

struct net_layout {
	uint32_t l3, l4, payload, bytes;
	uint32_t csum;		/* offset of the field */
};

/* The next number of a sequence that is the same in every run. */
uint32_t net_random(void);
uint32_t net_random_below(uint32_t limit);
void net_random_seed(uint64_t seed);

/* A description at random; the payload is at random too, in memory of its own. */
void net_spec_random(struct net_spec *spec, uint32_t payload_max);

/* The frame of a description; @out has NET_FRAME_BYTES. */
void net_frame_build(const struct net_spec *spec, uint8_t *out, struct net_layout *layout);

/* The sum of RFC 1071, word by word; big-endian numbers. */
uint32_t net_sum(uint32_t sum, const uint8_t *data, size_t bytes);

#endif /* TESTS_NET_FRAME_H */
