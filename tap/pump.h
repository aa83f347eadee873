/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap/pump.h - frames between a NIC and a TAP interface
 */
#ifndef MULLION_TAP_PUMP_H
#define MULLION_TAP_PUMP_H

#include "../channel/net.h"
#include "interface.h"

/* A frame as it is read: its pieces, filled one after the other. */
#define PUMP_PIECES	MULLION_NET_CHAIN_MAX

/**
 * struct mullion_pump - both directions
 * @readable: the interface may have frames
 * @piece: buffers to read into; the first @whole are a frame that found no room
 * @pieces: of them
 * @out_refused: frames that the interface did not take
 */
struct mullion_pump {
	struct mullion_net *nic;
	const struct mullion_tap *tap;
	bool readable;
	unsigned int whole;
	unsigned int pieces;
	struct mullion_net_piece piece[PUMP_PIECES];
	uint64_t out_refused;
};

/**
 * mullion_pump_in() - from the interface to the network, a batch
 *
 * Reads nothing while there are no buffers or no room: then the kernel's queue
 * fills, and the namespace's senders wait.
 *
 * Return: frames moved; -ENODEV, -EPROTO as mullion_net_send(); -EBADFD if the
 * interface is gone.
 */
int mullion_pump_in(struct mullion_pump *pump);

/**
 * mullion_pump_out() - from the network to the interface, a batch
 *
 * Return: pieces moved; -ENODEV, -EPROTO as mullion_net_recv().
 */
int mullion_pump_out(struct mullion_pump *pump);

#endif /* MULLION_TAP_PUMP_H */
