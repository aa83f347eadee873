/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/window.h - a window as its maker has it
 *
 * A sealed memfd with header and area table written and all pages allocated,
 * and the doorbells of both peers, which stay the same as long as the window
 * exists: peer 0 is the server, peer 1 the client.
 */
#ifndef MULLION_COMMAND_WINDOW_H
#define MULLION_COMMAND_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/window.h"

#define MULLION_BUS_VECTORS	16
#define MULLION_COMMAND_VECTORS	2
#define MULLION_VECTORS_MAX	16

/* A bus channel has room for the client information of so many devices. */
#define MULLION_BUS_DEVICES_MAX		64
#define MULLION_BUS_CHANNEL_BYTES	(768 + 256 * MULLION_BUS_DEVICES_MAX)
#define MULLION_BUS_WINDOW_MAX		(4ULL << 30)

struct mullion_core;

/**
 * struct mullion_cp_window - one window
 * @id: 1 to 2^24-1
 * @kind: MULLION_WINDOW_COMMAND or _BUS
 * @size: bytes, a power of two
 * @memfd: the memory
 * @vectors: doorbells of each peer
 * @doorbells: of peer 0 and of peer 1: who is rung by them
 * @partition, @service: UUIDs of the guest and of the service
 * @areas, @area_count: private copy of the area table
 * @map: command windows: all of it; bus windows: @map_bytes of the channels
 *	area's beginning, the bus channel; never pools or device channels
 * @map_offset, @map_bytes: what @map is
 * @greeting_fd: own end of the ivshmem connection; -1 when told or none
 * @mute: a peer made a doorbell block; none of the window's is rung any more
 */
struct mullion_cp_window {
	uint32_t id;
	uint32_t kind;
	uint64_t size;
	int memfd;
	uint32_t vectors;
	int doorbells[2][MULLION_VECTORS_MAX];
	guid_t partition;
	guid_t service;
	struct mullion_window_area areas[2];
	uint32_t area_count;
	uint8_t *map;
	uint64_t map_offset;
	uint64_t map_bytes;
	int greeting_fd;
	bool mute;
};

/**
 * mullion_cp_window_new_command() - a command window, control area formatted
 *	as zeroes; mullion_cp_control_new() makes a channel of it
 * @partition, @service: UUIDs for the header
 *
 * Return: 0 or negative errno.
 */
int mullion_cp_window_new_command(struct mullion_core *core,
				  const guid_t *partition, const guid_t *service,
				  struct mullion_cp_window **ret);

/**
 * mullion_cp_window_new_bus() - a window for one bus
 * @channels_bytes: wanted for the channels area, bus channel included
 * @pool_bytes: wanted for the pool; what rounding leaves over goes to it
 *
 * Return: 0, -E2BIG, or negative errno.
 */
int mullion_cp_window_new_bus(struct mullion_core *core,
			      const guid_t *partition, const guid_t *service,
			      uint64_t channels_bytes, uint64_t pool_bytes,
			      struct mullion_cp_window **ret);

/**
 * mullion_cp_window_header() - what was written to the window's first page
 *
 * From private memory: the page itself may have been changed by a guest.
 */
void mullion_cp_window_header(const struct mullion_cp_window *window,
			      struct mullion_window_header *ret);

void mullion_cp_window_free(struct mullion_cp_window *window);

/**
 * mullion_cp_window_area() - the area of a type; NULL if there is none
 */
const struct mullion_window_area *
mullion_cp_window_area(const struct mullion_cp_window *window, uint32_t type);

/**
 * mullion_cp_window_ring() - ring a peer
 * @peer: 0 server, 1 client
 * @vector: taken modulo the vectors present
 */
void mullion_cp_window_ring(struct mullion_cp_window *window, unsigned int peer,
			    uint32_t vector);

/**
 * mullion_cp_window_send() - give one peer of a bus window its descriptors
 * @peer: 0 server, 1 client
 * @handle: of the message that will name them; for a client the window's id
 * @sock: connected stream socket; not taken over
 *
 * Return: 0 or negative errno (-EAGAIN: the socket's buffer is full).
 */
int mullion_cp_window_send(const struct mullion_cp_window *window, unsigned int peer,
			   uint64_t handle, int sock);

/**
 * mullion_cp_window_send_command() - give its client a command window
 * @sock: as above
 *
 * Return: as above.
 */
int mullion_cp_window_send_command(const struct mullion_cp_window *window, int sock);

#endif /* MULLION_COMMAND_WINDOW_H */
