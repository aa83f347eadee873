/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/attach.h - the client's half of the attach handshake (user space)
 *
 * abi/mullion.md, "Attach".  The same for control and device channels.
 */
#ifndef MULLION_CHANNEL_ATTACH_H
#define MULLION_CHANNEL_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/ext.h"
#include "field.h"

/**
 * struct mullion_attach - a client's view of a channel extension
 * @ext: in shared memory
 * @epoch: raised by us last
 * @generation: of the server when we raised
 * @incarnation: ours, random
 * @features: accepted by us, in force since the last confirmation
 * @constant: private copy of the constant part of the extension
 * @confirmed: the server has confirmed @epoch
 * @detaching: @epoch was raised to leave
 * @was_faulted: the channel was faulted already when we raised
 */
struct mullion_attach {
	struct mullion_channel_ext *ext;
	uint64_t epoch;
	uint64_t generation;
	uint64_t incarnation;
	uint64_t features;
	struct {
		uint32_t queue_pairs;
		uint64_t pool_share;
		uint32_t max_outstanding;
		uint32_t io_align;
	} constant;
	bool confirmed;
	bool detaching;
	bool was_faulted;
};

/**
 * mullion_attach_init() - check the extension, choose an incarnation
 * @ext: in shared memory, all 256 bytes mapped, 8-byte aligned
 *
 * Return: 0; -EPROTO if it is no extension of a version that we know.
 */
int mullion_attach_init(struct mullion_attach *attach, void *ext);

/**
 * mullion_attach_fresh() - choose a new incarnation, as after a fault
 */
void mullion_attach_fresh(struct mullion_attach *attach);

/**
 * mullion_attach_raise() - raise the epoch; the caller rings afterwards
 * @wanted: feature bits to accept where they are offered
 * @client_state: MULLION_CLIENT_ATTACHING, or _DETACHED to leave
 */
void mullion_attach_raise(struct mullion_attach *attach, uint64_t wanted,
			  uint32_t client_state);

/**
 * mullion_attach_poll() - has the server confirmed?
 *
 * Return: 0 if so (and the client state says attached, unless detaching);
 * -EAGAIN not yet; -ESTALE if the server's generation changed meanwhile: raise
 * again; -EPIPE if the server has faulted the channel: only a new incarnation
 * helps.
 */
int mullion_attach_poll(struct mullion_attach *attach);

/**
 * mullion_attach_is_stale() - did the server's generation change?
 *
 * Cheap: one load.
 */
static inline bool mullion_attach_is_stale(const struct mullion_attach *attach)
{
	return __atomic_load_n(mullion_ext_u64(attach->ext, server_generation),
			       __ATOMIC_RELAXED) != attach->generation;
}

/**
 * mullion_attach_is_faulted() - has the server stopped this channel for good?
 */
static inline bool mullion_attach_is_faulted(const struct mullion_attach *attach)
{
	return __atomic_load_n(mullion_ext_u32(attach->ext, server_state),
			       __ATOMIC_RELAXED) == MULLION_CHANNEL_FAULTED;
}

#endif /* MULLION_CHANNEL_ATTACH_H */
