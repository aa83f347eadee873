// SPDX-License-Identifier: GPL-2.0-only
/*
 * attach.c - the epoch handshake of one channel, the client's side
 *
 * DOC: Theory of Operation
 *
 * abi/mullion.md, "Attach".  Nothing here waits: a caller raises, then polls
 * whenever a doorbell or a timer makes it likely that something changed.
 *
 * The extension lies in shared memory.  Fields that the server writes are
 * loaded once each and only ever compared; the private epoch, generation and
 * incarnation in struct visorchannel are what counts.
 */
#include <linux/random.h>

#include "visorbus_private.h"
#include "visorbus_trace.h"

static u64 *attach_u64(const struct visorchannel *channel, size_t field)
{
	return (u64 *)(channel->base + channel->ext_offset + field);
}

static u32 *attach_u32(const struct visorchannel *channel, size_t field)
{
	return (u32 *)(channel->base + channel->ext_offset + field);
}

#define EXT(name) offsetof(struct mullion_channel_ext, name)

/* A window that was taken away reads as all ones, or as anything else. */
static bool attach_is_there(const struct visorchannel *channel)
{
	return !READ_ONCE(channel->window->gone) &&
	       READ_ONCE(*attach_u32(channel, EXT(magic))) ==
	       MULLION_CHANNEL_EXT_MAGIC;
}

static void attach_raise(struct visorchannel *channel, u32 state)
{
	u64 epoch = READ_ONCE(*attach_u64(channel, EXT(client_epoch))) + 1;

	/* Somebody put it back: raised twice, or it would look confirmed. */
	if (epoch == READ_ONCE(*attach_u64(channel, EXT(server_epoch))))
		epoch++;
	channel->epoch = epoch;
	WRITE_ONCE(*attach_u64(channel, EXT(client_incarnation)),
		   channel->incarnation);
	WRITE_ONCE(*attach_u64(channel, EXT(features_accepted)),
		   channel->features);
	WRITE_ONCE(*attach_u64(channel, EXT(client_generation)),
		   channel->generation);
	WRITE_ONCE(*attach_u32(channel, EXT(client_state)), state);
	/* pairs with the server's acquire of client_epoch */
	smp_store_release(attach_u64(channel, EXT(client_epoch)), epoch);
	trace_visorbus_raise(channel->addr, epoch, channel->generation,
			     channel->features, state);
	visorchannel_ring(channel, 0);
}

static u64 attach_generation(const struct visorchannel *channel)
{
	u64 *generation = attach_u64(channel, EXT(server_generation));

	/* pairs with the server's release of it: its features go with it */
	return smp_load_acquire(generation);
}

/**
 * visorchannel_offered() - what the server offers now
 * @channel: the channel, with an extension
 */
u64 visorchannel_offered(const struct visorchannel *channel)
{
	return READ_ONCE(*attach_u64(channel, EXT(features_offered)));
}

/* With whom, as whom, and what of it all both sides understand. */
static void attach_agree(struct visorchannel *channel)
{
	while (!channel->incarnation)
		channel->incarnation = get_random_u64();
	channel->generation = attach_generation(channel);
	channel->features = visorchannel_offered(channel) & channel->wanted &
			    MULLION_EXTF_KNOWN;
}

/**
 * visorchannel_raise() - ask the server for a new epoch
 * @channel: with @wanted set; @incarnation 0 is replaced by a new one
 *
 * Context: the driver is quiesced and uses no pool area.
 */
void visorchannel_raise(struct visorchannel *channel)
{
	if (!channel->has_ext)
		return;
	attach_agree(channel);
	attach_raise(channel, MULLION_CLIENT_ATTACHING);
}

/**
 * visorchannel_raise_detached() - tell the server that we are leaving
 * @channel: the channel
 *
 * The confirmation says that no I/O of ours is left.
 */
void visorchannel_raise_detached(struct visorchannel *channel)
{
	if (!channel->has_ext || !attach_is_there(channel))
		return;
	/* A channel that the server has stopped takes nobody it knows. */
	if (visorchannel_server_fault(channel))
		channel->incarnation = 0;
	attach_agree(channel);
	attach_raise(channel, MULLION_CLIENT_DETACHED);
}

/**
 * visorchannel_poll() - has the server confirmed?
 * @channel: after visorchannel_raise() or visorchannel_raise_detached()
 *
 * Return: VISOR_ATTACH_OUTDATED if the generation has changed since: the
 * server that was asked is no more, ask again.
 */
enum visor_attach visorchannel_poll(struct visorchannel *channel)
{
	if (!channel->has_ext)
		return READ_ONCE(channel->window->gone) ?
		       VISOR_ATTACH_GONE : VISOR_ATTACH_CONFIRMED;
	if (!attach_is_there(channel))
		return VISOR_ATTACH_GONE;
	/* pairs with the server's release after it has emptied the rings */
	if (smp_load_acquire(attach_u64(channel, EXT(server_epoch))) ==
	    channel->epoch)
		return VISOR_ATTACH_CONFIRMED;
	if (visorchannel_server_generation(channel) != channel->generation)
		return VISOR_ATTACH_OUTDATED;
	return VISOR_ATTACH_WAITING;
}

/**
 * visorchannel_attached() - take up the channel after the confirmation
 * @channel: the channel, confirmed
 *
 * Return: 0, -EPROTO if its queues are not valid.
 */
int visorchannel_attached(struct visorchannel *channel)
{
	int error;

	error = visorchannel_open_queues(channel, channel->has_ext);
	if (error)
		return error;
	if (channel->has_ext)
		WRITE_ONCE(*attach_u32(channel, EXT(client_state)),
			   MULLION_CLIENT_ATTACHED);
	trace_visorbus_attached(channel->addr, channel->epoch,
				channel->generation, channel->features);
	return 0;
}

/**
 * visorchannel_ended() - has all I/O up to an epoch ended?
 * @channel: the channel
 * @epoch: one that was raised earlier
 */
bool visorchannel_ended(struct visorchannel *channel, u64 epoch)
{
	u64 confirmed;

	if (!channel->has_ext || !attach_is_there(channel))
		return true;
	/* pairs with the server's release after the last I/O */
	confirmed = smp_load_acquire(attach_u64(channel, EXT(server_epoch)));
	return (s64)(confirmed - epoch) >= 0;
}

u64 visorchannel_server_generation(struct visorchannel *channel)
{
	return READ_ONCE(*attach_u64(channel, EXT(server_generation)));
}

/**
 * visorchannel_server_fault() - has the server stopped this channel?
 * @channel: the channel
 *
 * Return: 0, or MULLION_FAULT_*, made nonzero.
 */
u32 visorchannel_server_fault(struct visorchannel *channel)
{
	if (!channel->has_ext ||
	    READ_ONCE(*attach_u32(channel, EXT(server_state))) !=
	    MULLION_CHANNEL_FAULTED)
		return MULLION_FAULT_NONE;
	return max(READ_ONCE(*attach_u32(channel, EXT(fault_reason))), 1U);
}
