/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/input.h - a fuzzer's input, taken in pieces
 */
#ifndef MULLION_TESTS_FUZZ_INPUT_H
#define MULLION_TESTS_FUZZ_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../lib/require.h"

struct input {
	const uint8_t *data;
	size_t size;
};

/* A number of so many bytes; 0 when there are no more. */
static inline uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- && in->size) {
		value = value << 8 | *in->data++;
		in->size--;
	}
	return value;
}

/* As many bytes as there are, at most @bytes. */
static inline size_t take_bytes(struct input *in, void *to, size_t bytes)
{
	if (bytes > in->size)
		bytes = in->size;
	memcpy(to, in->data, bytes);
	in->data += bytes;
	in->size -= bytes;
	return bytes;
}

/* Overwrite some bytes anywhere in an area. */
static inline void take_patch(struct input *in, uint8_t *base, uint64_t limit)
{
	uint64_t offset = take(in, 3) % limit;
	uint64_t bytes = take(in, 1);

	take_bytes(in, base + offset, bytes < limit - offset ? bytes : limit - offset);
}

#endif /* MULLION_TESTS_FUZZ_INPUT_H */
