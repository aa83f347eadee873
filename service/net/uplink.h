/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/uplink.h - the network's way out: a descriptor
 *
 * System calls: close, fcntl(F_GETFL), read, readv, writev, sendmmsg, recvmmsg.
 */
#ifndef MULLION_NET_UPLINK_H
#define MULLION_NET_UPLINK_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/net.h"
#include "offload.h"

struct mullion_uplink;

/* mullion_net_uplink_counters.state */
#define MULLION_UPLINK_STATE_NONE	0
#define MULLION_UPLINK_STATE_UP		1
#define MULLION_UPLINK_STATE_GONE	2

/**
 * mullion_uplink_new() - begin with a descriptor
 * @type: MULLION_UPLINK_TAP, _PACKET or _STREAM
 * @fd: non-blocking; owned from now on, also on failure
 * @mtu: bytes of the largest IP packet that it takes
 * @large: MULLION_NET_UPLINK_LARGE
 * @counters: of the network; in_*, out_* and state are written here; must
 *	outlive the uplink
 * @ret: the uplink
 *
 * Return: 0; -EINVAL for another type, a descriptor that blocks, or an MTU out
 * of range; -ENOMEM.
 */
int mullion_uplink_new(uint32_t type, int fd, uint32_t mtu, bool large,
		       struct mullion_net_uplink_counters *counters,
		       struct mullion_uplink **ret);

/**
 * mullion_uplink_free() - end it; what it did not take yet is lost; NULL is fine
 *
 * To be called before there is a new one with the same counters.
 */
void mullion_uplink_free(struct mullion_uplink *uplink);

int mullion_uplink_fd(const struct mullion_uplink *uplink);

/**
 * mullion_uplink_is_up() - false: the other side is gone.  The descriptor must
 * leave the loop; frames are dropped and counted until there is a new one.
 */
bool mullion_uplink_is_up(const struct mullion_uplink *uplink);

/**
 * mullion_uplink_send() - send a frame, or drop and count it
 * @frame: done with on return; segmented and summed as the uplink needs it
 *
 * Return: how many frames had to be made of it, sent or not.
 */
uint32_t mullion_uplink_send(struct mullion_uplink *uplink, const struct mullion_frame *frame);

/**
 * mullion_uplink_flush() - hand over what was collected: at the end of a turn,
 * and when the descriptor is writable
 *
 * Return: true if something is left: wait for EPOLLOUT.
 */
bool mullion_uplink_flush(struct mullion_uplink *uplink);

/**
 * typedef mullion_uplink_fn - a frame came in
 * @frame: parsed and checked, wholly in private memory; the callee's until it
 *	returns.  Its body follows its head in one piece, except where segments
 *	that came one by one were merged: then it is one to be cut, as the
 *	offload says
 */
typedef void mullion_uplink_fn(void *arg, const struct mullion_frame *frame);

/**
 * mullion_uplink_receive() - take frames in, when the descriptor is readable
 * @budget: frames at most; of a stream, as many more as come in one read
 *
 * Return: true if there may be more.
 */
bool mullion_uplink_receive(struct mullion_uplink *uplink, uint32_t budget,
			    mullion_uplink_fn *fn, void *arg);

#endif /* MULLION_NET_UPLINK_H */
