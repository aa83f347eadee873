/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/nat/neighbour.h - guests that have another hardware address than before
 */
#ifndef MULLION_NAT_NEIGHBOUR_H
#define MULLION_NAT_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../net/packet.h"

/* Addresses of guests that are watched; a power of two. */
#define MULLION_NEIGHBOURS_MAX		256
/* Bytes of a question. */
#define MULLION_NEIGHBOUR_FRAME_BYTES	86

/**
 * struct mullion_neighbours - the addresses that frames go to
 * @router4: IPv4 address of the router, a number of this machine's byte order
 * @table: by address; all zero to begin
 */
struct mullion_neighbours {
	uint32_t router4;
	struct mullion_neighbour {
		uint8_t address[16];	/* of IPv4 the first 4 bytes */
		uint8_t version;	/* 4 or 6; 0: free */
		uint8_t mac[6];		/* where its frames came from last */
		uint64_t since;		/* milliseconds: sent to without a sign; 0: no */
		uint64_t asked;
	} table[MULLION_NEIGHBOURS_MAX];
};

/**
 * mullion_neighbour_heard() - a guest has sent a frame
 */
void mullion_neighbour_heard(struct mullion_neighbours *neighbours,
			     const struct mullion_packet *packet);

/**
 * mullion_neighbour_ask() - a frame goes to a guest: does it still live there?
 * @packet: the frame
 * @now: milliseconds, monotonic, not 0
 * @question: MULLION_NEIGHBOUR_FRAME_BYTES
 *
 * Return: bytes of @question, a frame that is to be sent, too; 0: none.
 */
size_t mullion_neighbour_ask(struct mullion_neighbours *neighbours,
			     const struct mullion_packet *packet, uint64_t now,
			     uint8_t *question);

#endif /* MULLION_NAT_NEIGHBOUR_H */
