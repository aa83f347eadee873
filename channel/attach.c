// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/attach.c - the client's half of the attach handshake
 */
#include "attach.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/random.h>

#include "signal_queue.h"

void mullion_attach_fresh(struct mullion_attach *attach)
{
	uint64_t incarnation = 0;

	/* Without entropy the clock-like epoch still makes it differ. */
	if (getrandom(&incarnation, sizeof(incarnation), 0) !=
	    (ssize_t)sizeof(incarnation))
		incarnation = attach->incarnation + attach->epoch + 1;
	attach->incarnation = incarnation ? incarnation : 1;
}

int mullion_attach_init(struct mullion_attach *attach, void *ext)
{
	struct mullion_attach made = { .ext = ext };
	struct mullion_channel_ext copy;

	memcpy(&copy, ext, offsetof(struct mullion_channel_ext,
				    server_generation));
	__asm__ volatile("" ::: "memory");
	if (copy.magic != MULLION_CHANNEL_EXT_MAGIC ||
	    copy.version != MULLION_CHANNEL_EXT_VERSION ||
	    copy.bytes != MULLION_CHANNEL_EXT_BYTES)
		return -EPROTO;
	made.constant.queue_pairs = copy.queue_pairs;
	made.constant.pool_share = copy.pool_share;
	made.constant.max_outstanding = copy.max_outstanding;
	made.constant.io_align = copy.io_align;
	mullion_attach_fresh(&made);
	*attach = made;
	return 0;
}

void mullion_attach_raise(struct mullion_attach *attach, uint64_t wanted,
			  uint32_t client_state)
{
	struct mullion_channel_ext *ext = attach->ext;

	attach->detaching = client_state == MULLION_CLIENT_DETACHED;
	attach->was_faulted = mullion_attach_is_faulted(attach);
	attach->generation = mullion_load_acquire(mullion_ext_u64(ext, server_generation));
	attach->features = wanted &
		mullion_load_relaxed(mullion_ext_u64(ext, features_offered));
	attach->epoch = mullion_load_relaxed(mullion_ext_u64(ext, client_epoch)) + 1;
	/* Someone put it back: raised twice, or it would look confirmed. */
	if (attach->epoch == mullion_load_relaxed(mullion_ext_u64(ext, server_epoch)))
		attach->epoch++;
	attach->confirmed = false;

	mullion_store_relaxed(mullion_ext_u64(ext, client_incarnation),
			      attach->incarnation);
	mullion_store_relaxed(mullion_ext_u64(ext, features_accepted),
			      attach->features);
	mullion_store_relaxed(mullion_ext_u64(ext, client_generation),
			      attach->generation);
	mullion_store_relaxed(mullion_ext_u32(ext, client_state), client_state);
	/* pairs with the server's acquire load of client_epoch */
	mullion_store_release(mullion_ext_u64(ext, client_epoch), attach->epoch);
}

int mullion_attach_poll(struct mullion_attach *attach)
{
	struct mullion_channel_ext *ext = attach->ext;

	if (attach->confirmed)
		return 0;
	/* pairs with the server's release store after it emptied the rings */
	if (mullion_load_acquire(mullion_ext_u64(ext, server_epoch)) == attach->epoch) {
		if (mullion_attach_is_faulted(attach))
			return -EPIPE;
		attach->confirmed = true;
		if (!attach->detaching)
			mullion_store_relaxed(mullion_ext_u32(ext, client_state),
					      MULLION_CLIENT_ATTACHED);
		return 0;
	}
	if (mullion_attach_is_stale(attach))
		return -ESTALE;
	if (mullion_attach_is_faulted(attach) && !attach->was_faulted)
		return -EPIPE;
	return -EAGAIN;
}
