/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/address.h - where a client's data is
 *
 * The one place that knows how an address in a message becomes memory: an
 * offset in the window's pool area, or an address of guest RAM (ram.c).
 */
#ifndef MULLION_SERVICE_ADDRESS_H
#define MULLION_SERVICE_ADDRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../channel/range.h"

struct mullion_ram;

/**
 * struct mullion_memory - what the addresses of one client's messages may name
 * @base: of the window's pool area; of guest RAM, where address 0 would be
 * @bytes: of the pool; of guest RAM, those from address 0 on that are data
 * @ram: guest RAM, or NULL
 * @read_only: nothing may be written there
 */
struct mullion_memory {
	uint8_t *base;
	uint64_t bytes;
	const struct mullion_ram *ram;
	bool read_only;
};

/* An address beyond the first piece of guest RAM. */
void *mullion_ram_at(const struct mullion_ram *ram, uint64_t address, uint64_t bytes);

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
	if (__builtin_expect(mullion_range_ok(address, bytes, memory->bytes), 1))
		return memory->base + address;
	return memory->ram ? mullion_ram_at(memory->ram, address, bytes) : NULL;
}

#endif /* MULLION_SERVICE_ADDRESS_H */
