/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/csum.h - the Internet's one's complement sum, piece by piece
 *
 * Numbers are in the byte order of the machine as they were loaded: the sum has
 * the right bytes when it is stored in the same way (RFC 1071).
 */
#ifndef MULLION_NET_CSUM_H
#define MULLION_NET_CSUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/**
 * struct mullion_csum - a sum under way; all zero to begin
 * @sum: of 16-bit words
 * @odd: the next byte is the second of a word
 */
struct mullion_csum {
	uint64_t sum;
	bool odd;
};

static inline uint16_t mullion_csum_fold(uint64_t sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffffffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Two words in one register; a compiler left to itself is four times slower. */
typedef uint64_t mullion_csum_vector __attribute__((vector_size(16)));

/**
 * mullion_csum_add() - go on with the next bytes
 */
static inline void mullion_csum_add(struct mullion_csum *csum, const void *data,
				    size_t bytes)
{
	const uint8_t *p = data;
	mullion_csum_vector a = { 0 }, b = { 0 };
	uint64_t sum;
	uint16_t folded;
	bool odd = bytes & 1;

	for (; bytes >= 32; p += 32, bytes -= 32) {
		mullion_csum_vector x, y;

		memcpy(&x, p, 16);
		memcpy(&y, p + 16, 16);
		a += (x & 0xffffffff) + (y & 0xffffffff);
		b += (x >> 32) + (y >> 32);
	}
	a += b;
	sum = (uint64_t)mullion_csum_fold(a[0]) + mullion_csum_fold(a[1]);
	for (; bytes >= 2; p += 2, bytes -= 2) {
		uint16_t word;

		memcpy(&word, p, 2);
		sum += word;
	}
	if (bytes) {
		uint8_t last[2] = { *p, 0 };
		uint16_t word;

		memcpy(&word, last, 2);
		sum += word;
	}
	folded = mullion_csum_fold(sum);
	if (csum->odd)
		folded = (uint16_t)(folded << 8 | folded >> 8);
	csum->sum += folded;
	csum->odd ^= odd;
}

/**
 * mullion_csum_add_be16() - a number that is nowhere in the bytes
 */
static inline void mullion_csum_add_be16(struct mullion_csum *csum, uint32_t value)
{
	uint8_t bytes[2] = { (uint8_t)(value >> 8), (uint8_t)value };
	uint16_t word;

	memcpy(&word, bytes, 2);
	csum->sum += word;
}

/**
 * mullion_csum_store() - the finished checksum into a header
 */
static inline void mullion_csum_store(const struct mullion_csum *csum, uint8_t *field)
{
	uint16_t value = (uint16_t)~mullion_csum_fold(csum->sum);

	memcpy(field, &value, 2);
}

/**
 * mullion_csum_store_nonzero() - the same for TCP and UDP
 *
 * In UDP, 0 means that there is no checksum; 0xffff is the same number.
 */
static inline void mullion_csum_store_nonzero(const struct mullion_csum *csum,
					      uint8_t *field)
{
	uint16_t value = (uint16_t)~mullion_csum_fold(csum->sum);

	if (!value)
		value = 0xffff;
	memcpy(field, &value, 2);
}

#endif /* MULLION_NET_CSUM_H */
