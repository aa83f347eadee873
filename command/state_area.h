/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/state_area.h - the memory that outlives a service's processes
 */
#ifndef MULLION_COMMAND_STATE_AREA_H
#define MULLION_COMMAND_STATE_AREA_H

#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/state.h"

/**
 * struct mullion_state_memory - a service's state area (abi/state.h)
 * @memfd: sealed; the service gets it as STATE_AREA
 * @area: mapped; records are written by the service alone
 */
struct mullion_state_memory {
	int memfd;
	struct mullion_state_area *area;
};

/**
 * mullion_state_memory_new() - an area without records
 * @name: of the service, for /proc/PID/maps
 *
 * Pages are allocated when they are first touched: most records stay unused.
 * Return: 0 or negative errno.
 */
int mullion_state_memory_new(struct mullion_state_memory **ret, const char *name);
void mullion_state_memory_free(struct mullion_state_memory *memory);

/**
 * mullion_state_memory_begin() - a new generation of the service is about to
 *	get the area; none is alive
 */
void mullion_state_memory_begin(struct mullion_state_memory *memory,
				uint64_t generation);

uint64_t mullion_state_memory_heartbeat(const struct mullion_state_memory *memory);
uint32_t mullion_state_memory_state(const struct mullion_state_memory *memory);

/**
 * mullion_state_memory_channel() - the record of a device; NULL if none
 */
const struct mullion_state_channel *
mullion_state_memory_channel(const struct mullion_state_memory *memory,
			     const guid_t *device);

/**
 * mullion_state_memory_forget() - clear a device's record; no process may be
 *	alive that uses it
 */
void mullion_state_memory_forget(struct mullion_state_memory *memory,
				 const guid_t *device);

/**
 * mullion_state_memory_object() - the data of an object; NULL if there is none
 * @bytes: that must be there
 *
 * The service may change them at any moment.
 */
const void *mullion_state_memory_object(const struct mullion_state_memory *memory,
					const guid_t *uuid, size_t bytes);

/**
 * mullion_state_memory_counters() - a device's counters; new reference
 */
json_t *mullion_state_memory_counters(const struct mullion_state_channel *channel);

#endif /* MULLION_COMMAND_STATE_AREA_H */
