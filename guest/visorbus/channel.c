// SPDX-License-Identifier: GPL-2.0-only
/*
 * channel.c - one channel in a window: its header, its bytes, its queues
 *
 * DOC: Theory of Operation
 *
 * A channel is opened by copying its header once and checking the copy against
 * the area that it must lie in; nothing is read from the shared header later.
 * Its queues are opened by attach (attach.c), which also says when they may be
 * used.  A channel in RAM has a mapping of its own, of as many bytes as its
 * header says; the command partition has announced it only when that is final.
 *
 * Failure behaviour: a queue whose peer breaks the rules returns -EPROTO and
 * stays closed until the next attach.  A window that is gone returns -ENODEV.
 */
#include <linux/slab.h>
#include <linux/string.h>

#include "visorbus_private.h"

/* Larger channels are a mistake. */
#define CHANNEL_RAM_MAX	(1ULL << 30)

static void *channel_ext(const struct visorchannel *channel)
{
	return channel->base + channel->ext_offset;
}

/* Copy and check the extension, if the server offers one. */
static const char *channel_open_ext(struct visorchannel *channel)
{
	if (!(channel->header.features & MULLION_CHF_EXT))
		return NULL;
	if (!mullion_range_ok(channel->ext_offset, MULLION_CHANNEL_EXT_BYTES,
			      channel->bytes))
		return "extension outside the channel";
	memcpy(&channel->info, channel_ext(channel), sizeof(channel->info));
	/* What is checked below is what was copied. */
	barrier();
	if (channel->info.magic != MULLION_CHANNEL_EXT_MAGIC ||
	    channel->info.version != MULLION_CHANNEL_EXT_VERSION ||
	    channel->info.bytes != MULLION_CHANNEL_EXT_BYTES)
		return "unknown extension";
	channel->has_ext = true;
	return NULL;
}

/* Check the copy of the header against @room bytes; take what follows from it. */
static const char *channel_check(struct visorchannel *channel, u64 room)
{
	unsigned int i;

	if (channel->header.signature != VISOR_CHANNEL_SIGNATURE)
		return "bad signature";
	if (channel->header.size < sizeof(channel->header) ||
	    channel->header.size > room)
		return "size does not fit its area";
	channel->bytes = channel->header.size;
	for (i = 0; i < VISOR_QUEUES_MAX; i++)
		spin_lock_init(&channel->queues[i].lock);
	return NULL;
}

static void channel_copy_header(struct visorchannel *channel, const void *from)
{
	memcpy(&channel->header, from, sizeof(channel->header));
	/* What is checked is what was copied. */
	barrier();
}

/**
 * visorchannel_open() - take a private view of a channel
 * @window: where it lies; the caller stays a user of it
 * @area: what it must lie in
 * @offset: of its first byte in the window
 * @addr: its address as announced, for people
 * @ext_offset: where the extension of this kind of channel is
 * @why: set to what is wrong if the channel is refused
 *
 * Return: the channel, NULL if it is refused or memory is short.
 */
struct visorchannel *visorchannel_open(struct visor_window *window,
				       const struct visor_area *area,
				       u64 offset, u64 addr, u32 ext_offset,
				       const char **why)
{
	struct visorchannel *channel;

	*why = "out of memory";
	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return NULL;
	*why = "outside the channels area";
	if (offset < area->offset || offset % sizeof(u64) ||
	    !mullion_range_ok(offset - area->offset, sizeof(channel->header),
			      area->bytes))
		goto refuse;
	channel->window = window;
	channel->base = (u8 *)window->base + offset;
	channel->addr = addr;
	channel_copy_header(channel, channel->base);
	*why = channel_check(channel, area->bytes - (offset - area->offset));
	if (*why)
		goto refuse;
	channel->ext_offset = ext_offset;
	*why = channel_open_ext(channel);
	if (*why)
		goto refuse;
	return channel;

refuse:
	kfree(channel);
	return NULL;
}

/**
 * visorchannel_open_ram() - the same for a channel in reserved RAM
 * @window: the command window, in RAM; the caller stays a user of it
 * @addr: guest-physical address
 * @ext_offset: where the extension of this kind of channel is
 * @why: set to what is wrong if the channel is refused
 *
 * Return: as visorchannel_open().
 */
struct visorchannel *visorchannel_open_ram(struct visor_window *window,
					   u64 addr, u32 ext_offset,
					   const char **why)
{
	struct visorchannel *channel;
	void *header;

	*why = "out of memory";
	channel = kzalloc(sizeof(*channel), GFP_KERNEL);
	if (!channel)
		return NULL;
	*why = "not aligned";
	if (addr % sizeof(u64))
		goto refuse;
	channel->window = window;
	channel->addr = addr;
	channel->ext_offset = ext_offset;
	header = visor_ram_map(addr, sizeof(channel->header), why);
	if (!header)
		goto refuse;
	channel_copy_header(channel, header);
	visor_ram_unmap(header, addr, sizeof(channel->header));
	*why = channel_check(channel, CHANNEL_RAM_MAX);
	if (*why)
		goto refuse;
	channel->base = visor_ram_map(addr, channel->bytes, why);
	if (!channel->base)
		goto refuse;
	channel->mapped = true;
	*why = channel_open_ext(channel);
	if (!*why)
		return channel;

refuse:
	visorchannel_close(channel);
	return NULL;
}

void visorchannel_close(struct visorchannel *channel)
{
	if (channel && channel->mapped)
		visor_ram_unmap(channel->base, channel->addr, channel->bytes);
	kfree(channel);
}

/* Do two channels share a byte? */
bool visorchannel_overlaps(const struct visorchannel *a,
			   const struct visorchannel *b)
{
	return mullion_ranges_overlap(a->addr, a->bytes, b->addr, b->bytes);
}

/**
 * visorchannel_vector() - vector of a queue pair, at either side
 * @channel: the channel
 * @first: the device's first vector there
 * @pair: queue pair
 *
 * Wraps into 1 .. vectors-1: vector 0 is for window events.
 */
unsigned int visorchannel_vector(const struct visorchannel *channel,
				 u32 first, unsigned int pair)
{
	unsigned int vectors = channel->window->vectors;

	if (channel->fixed_vector || vectors < 2)
		return 0;
	return 1 + ((u64)first + vectors - 2 + pair) % (vectors - 1);
}

/**
 * visorchannel_ring() - ring the server's doorbell of a queue
 * @channel: the channel
 * @queue: number of the queue
 */
void visorchannel_ring(struct visorchannel *channel, unsigned int queue)
{
	visor_window_ring(channel->window,
			  visorchannel_vector(channel, channel->send_vector,
					      queue / 2));
}

static int channel_open_queue(struct visorchannel *channel, unsigned int i,
			      bool event_index, bool reset)
{
	struct visorqueue *queue = &channel->queues[i];
	u64 offset = channel->header.ch_space_offset +
		     (u64)i * sizeof(struct signal_queue_header);
	struct mullion_sq sq;
	u32 slot_bytes;
	unsigned long flags;
	int error;

	if (!mullion_range_ok(offset, sizeof(struct signal_queue_header),
			      channel->bytes))
		return -EPROTO;
	if (offset % sizeof(u64))
		return -EPROTO;
	slot_bytes = READ_ONCE(*(u32 *)(channel->base + offset +
		offsetof(struct signal_queue_header, signal_size)));
	if (!slot_bytes || slot_bytes > VISOR_SLOT_BYTES_MAX)
		return -EPROTO;
	error = mullion_sq_attach(&sq, channel->base, channel->bytes, offset,
				  slot_bytes, event_index);
	if (error)
		return -EPROTO;
	if (reset)
		mullion_sq_reset(&sq, event_index);
	spin_lock_irqsave(&queue->lock, flags);
	queue->sq = sq;
	queue->open = true;
	spin_unlock_irqrestore(&queue->lock, flags);
	return 0;
}

/**
 * visorchannel_open_queues() - take private views of all queues
 * @channel: the channel
 * @reset: the server has emptied the rings: start at slot 0
 *
 * Context: nobody uses the queues meanwhile.
 * Return: 0, -EPROTO if a queue is not valid.
 */
int visorchannel_open_queues(struct visorchannel *channel, bool reset)
{
	bool event_index = channel->features & MULLION_EXTF_EVENT_INDEX;
	unsigned int i;
	int error;

	if (channel->header.ch_space_offset < sizeof(channel->header) ||
	    channel->header.ch_space_offset > channel->bytes)
		return -EPROTO;
	for (i = 0; i < channel->queues_max; i++) {
		error = channel_open_queue(channel, i, event_index, reset);
		if (error)
			return error;
	}
	return 0;
}

static int channel_range(const struct visorchannel *channel, u64 offset,
			 u64 nbytes)
{
	if (!mullion_range_ok(offset, nbytes, channel->bytes))
		return -EINVAL;
	if (READ_ONCE(channel->window->gone))
		return -ENODEV;
	return 0;
}

/**
 * visorchannel_read() - copy bytes out of a channel
 * @channel: the channel
 * @offset: from its start
 * @dest: destination
 * @nbytes: bytes
 *
 * Return: 0, -EINVAL outside the channel, -ENODEV if the window is gone.
 */
int visorchannel_read(struct visorchannel *channel, u64 offset, void *dest,
		      u64 nbytes)
{
	int error = channel_range(channel, offset, nbytes);

	if (!error)
		memcpy(dest, channel->base + offset, nbytes);
	return error;
}
EXPORT_SYMBOL_GPL(visorchannel_read);

/**
 * visorchannel_write() - copy bytes into a channel
 * @channel: the channel
 * @offset: from its start
 * @src: source
 * @nbytes: bytes
 *
 * Return: as visorchannel_read().
 */
int visorchannel_write(struct visorchannel *channel, u64 offset,
		       const void *src, u64 nbytes)
{
	int error = channel_range(channel, offset, nbytes);

	if (!error)
		memcpy(channel->base + offset, src, nbytes);
	return error;
}
EXPORT_SYMBOL_GPL(visorchannel_write);

u64 visorchannel_get_nbytes(const struct visorchannel *channel)
{
	return channel->bytes;
}
EXPORT_SYMBOL_GPL(visorchannel_get_nbytes);

u64 visorchannel_get_physaddr(const struct visorchannel *channel)
{
	return channel->addr;
}
EXPORT_SYMBOL_GPL(visorchannel_get_physaddr);

u64 visorchannel_get_clientpartition(const struct visorchannel *channel)
{
	return channel->header.partition_handle;
}
EXPORT_SYMBOL_GPL(visorchannel_get_clientpartition);

const guid_t *visorchannel_get_guid(const struct visorchannel *channel)
{
	return &channel->header.chtype;
}
EXPORT_SYMBOL_GPL(visorchannel_get_guid);

static struct visorqueue *channel_queue(struct visorchannel *channel, u32 i)
{
	if (i >= channel->queues_max)
		return NULL;
	return &channel->queues[i];
}

/* A peer that broke a queue loses it. */
static int channel_queue_result(struct visorqueue *queue, int error)
{
	if (error == -EPROTO)
		queue->open = false;
	return error;
}

int visorchannel_signalinsert(struct visorchannel *channel, u32 i,
			      const void *msg)
{
	struct visorqueue *queue = channel_queue(channel, i);
	unsigned long flags;
	bool ring = false;
	void *slot;
	int error;

	if (!queue)
		return -EINVAL;
	if (READ_ONCE(channel->window->gone))
		return -ENODEV;
	spin_lock_irqsave(&queue->lock, flags);
	error = queue->open ? mullion_sq_produce(&queue->sq, &slot) : -EINVAL;
	if (!error) {
		memcpy(slot, msg, queue->sq.slot_bytes);
		ring = mullion_sq_publish(&queue->sq);
	}
	error = channel_queue_result(queue, error);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (ring)
		visorchannel_ring(channel, i);
	return error;
}
EXPORT_SYMBOL_GPL(visorchannel_signalinsert);

int visorchannel_signalremove(struct visorchannel *channel, u32 i, void *msg)
{
	struct visorqueue *queue = channel_queue(channel, i);
	const void *slot;
	unsigned long flags;
	bool ring = false;
	int error;

	if (!queue)
		return -EINVAL;
	if (READ_ONCE(channel->window->gone))
		return -ENODEV;
	spin_lock_irqsave(&queue->lock, flags);
	error = queue->open ? mullion_sq_consume(&queue->sq, &slot) : -EINVAL;
	if (!error) {
		memcpy(msg, slot, queue->sq.slot_bytes);
		ring = mullion_sq_release(&queue->sq);
	}
	error = channel_queue_result(queue, error);
	spin_unlock_irqrestore(&queue->lock, flags);
	if (ring)
		visorchannel_ring(channel, i);
	return error;
}
EXPORT_SYMBOL_GPL(visorchannel_signalremove);

bool visorchannel_signalempty(struct visorchannel *channel, u32 i)
{
	struct visorqueue *queue = channel_queue(channel, i);
	unsigned long flags;
	bool empty;

	if (!queue || READ_ONCE(channel->window->gone))
		return true;
	spin_lock_irqsave(&queue->lock, flags);
	empty = !queue->open || mullion_sq_pending(&queue->sq) <= 0;
	spin_unlock_irqrestore(&queue->lock, flags);
	return empty;
}
EXPORT_SYMBOL_GPL(visorchannel_signalempty);

u32 visorchannel_slot_bytes(const struct visorchannel *channel, u32 i)
{
	if (i >= channel->queues_max || !channel->queues[i].open)
		return 0;
	return channel->queues[i].sq.slot_bytes;
}
EXPORT_SYMBOL_GPL(visorchannel_slot_bytes);

/**
 * visorchannel_pending() - has the producer of a queue moved on?
 * @channel: the channel
 * @i: number of the queue, to us
 *
 * Looks without the lock of whoever consumes: a hint for the slow poll.
 */
bool visorchannel_pending(struct visorchannel *channel, unsigned int i)
{
	struct visorqueue *queue = channel_queue(channel, i);

	if (!queue || !READ_ONCE(queue->open) ||
	    READ_ONCE(channel->window->gone))
		return false;
	return mullion_load_acquire(mullion_sq_u32(&queue->sq,
						   MULLION_SQ_HEAD)) !=
	       READ_ONCE(queue->sq.released);
}

/**
 * visorchannel_taken() - how far has the consumer of a queue come?
 * @channel: the channel
 * @i: number of the queue, from us
 *
 * Return: its index, any value: a hint that is only ever compared.
 */
u32 visorchannel_taken(struct visorchannel *channel, unsigned int i)
{
	struct visorqueue *queue = channel_queue(channel, i);

	if (!queue || !READ_ONCE(queue->open) ||
	    READ_ONCE(channel->window->gone))
		return 0;
	return READ_ONCE(*mullion_sq_u32(&queue->sq, MULLION_SQ_TAIL));
}
