/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/address.h - where a client's data is
 *
 * The one place that knows how an address in a message becomes memory.
 */
#ifndef MULLION_SERVICE_ADDRESS_H
#define MULLION_SERVICE_ADDRESS_H

#include <stddef.h>
#include <stdint.h>

#include "../../channel/range.h"

/**
 * struct mullion_memory - what the addresses of one client's messages may name
 * @base: of the window's pool area
 * @bytes: of it
 */
struct mullion_memory {
	uint8_t *base;
	uint64_t bytes;
};

/**
 * mullion_memory_at() - find a piece of data
 * @memory: the client's
 * @address: as its message says, any value
 * @bytes: as its message says, any value
 *
 * Return: mapped memory of @bytes that the client can change at any moment, or
 * NULL if there is no such piece.
 */
static inline void *mullion_memory_at(const struct mullion_memory *memory,
				      uint64_t address, uint64_t bytes)
{
	if (!mullion_range_ok(address, bytes, memory->bytes))
		return NULL;
	return memory->base + address;
}

#endif /* MULLION_SERVICE_ADDRESS_H */
