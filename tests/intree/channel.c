// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/channel.c - claim channels, insert and remove signals
 */
#include "channel.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "check.h"
#include "ram.h"

#define CHANNEL_CLAIMS	256
#define CHANNEL_MOST	(2ULL << 30)	/* the guest's slot arithmetic is signed */

/* Never shortened: the guest leaks the references. */
static struct ram_range channel_claims[CHANNEL_CLAIMS];
static unsigned int channel_claim_count;

static bool channel_available(uint64_t gpa, uint64_t bytes, const char *name)
{
	bool ok = check(CHECK_PLACE, gpa && gpa >= 0x100000 && ram_is_reserved(gpa, bytes),
			"%s at 0x%llx with %llu bytes", name, (unsigned long long)gpa,
			(unsigned long long)bytes);

	for (unsigned int i = 0; ok && i < channel_claim_count; i++) {
		const struct ram_range *claim = &channel_claims[i];

		ok = check(CHECK_ADDRESS_REUSE, gpa >= claim->start + claim->bytes ||
			   gpa + bytes <= claim->start,
			   "%s at 0x%llx lies over one announced earlier at 0x%llx", name,
			   (unsigned long long)gpa, (unsigned long long)claim->start);
	}
	return ok;
}

int channel_claim(struct channel *channel, uint64_t gpa, const char *name)
{
	memset(channel, 0, sizeof(*channel));
	channel->name = name;
	channel->gpa = gpa;
	if (!channel_available(gpa, sizeof(channel->header), name))
		return -ENOMEM;
	memcpy(&channel->header, ram_at(gpa, sizeof(channel->header)),
	       sizeof(channel->header));
	if (!check(CHECK_HEADER_SIZE, channel->header.size >= sizeof(channel->header) &&
		   channel->header.size < CHANNEL_MOST,
		   "%s: header.size is %llu", name,
		   (unsigned long long)channel->header.size))
		return -ENOMEM;
	if (!channel_available(gpa, channel->header.size, name) ||
	    channel_claim_count == CHANNEL_CLAIMS)
		return -ENOMEM;
	channel_claims[channel_claim_count++] =
		(struct ram_range){ gpa, channel->header.size };
	channel->memory = ram_at(gpa, channel->header.size);
	return 0;
}

int channel_validate(const struct channel *channel, guid_t type, uint64_t bytes,
		     uint32_t version)
{
	const struct channel_header *header = &channel->header;

	if (!check(CHECK_HEADER_TYPE, !memcmp(&header->chtype, &type, sizeof(type)),
		   "%s: another type GUID", channel->name))
		return -EINVAL;
	if (!check(CHECK_HEADER_SIZE, header->size >= bytes, "%s: %llu bytes instead of %llu",
		   channel->name, (unsigned long long)header->size,
		   (unsigned long long)bytes))
		return -EINVAL;
	if (!check(CHECK_HEADER_TYPE, !version || header->version_id == version,
		   "%s: version %u", channel->name, header->version_id))
		return -EINVAL;
	if (!check(CHECK_SIGNATURE, header->signature == VISOR_CHANNEL_SIGNATURE,
		   "%s: 0x%llx", channel->name, (unsigned long long)header->signature))
		return -EINVAL;
	return 0;
}

void channel_check_header(const struct channel *channel)
{
	struct channel_header now;

	memcpy(&now, channel->memory, sizeof(now));
	check(CHECK_HEADER_FINAL,
	      now.size == channel->header.size &&
	      now.ch_space_offset == channel->header.ch_space_offset &&
	      now.version_id == channel->header.version_id &&
	      now.partition_handle == channel->header.partition_handle &&
	      !memcmp(&now.chtype, &channel->header.chtype, sizeof(now.chtype)) &&
	      !memcmp(&now.zone_guid, &channel->header.zone_guid, sizeof(now.zone_guid)),
	      "%s: the header is not what it was", channel->name);
}

static uint64_t channel_queue_offset(const struct channel *channel, unsigned int queue)
{
	return channel->header.ch_space_offset +
		(uint64_t)queue * sizeof(struct signal_queue_header);
}

/* The guest copies all of it, by no means atomically. */
static int channel_read_queue(const struct channel *channel, unsigned int queue,
			      struct signal_queue_header *header)
{
	uint64_t offset = channel_queue_offset(channel, queue);

	if (channel->header.ch_space_offset < sizeof(struct channel_header) ||
	    offset > channel->header.size - sizeof(*header))
		return -EINVAL;
	memcpy(header, channel->memory + offset, sizeof(*header));
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	return 0;
}

static uint8_t *channel_slot(const struct channel *channel, unsigned int queue,
			     const struct signal_queue_header *header, uint32_t slot)
{
	uint64_t offset = channel_queue_offset(channel, queue) + header->sig_base_offset +
			  (uint64_t)slot * header->signal_size;

	if (offset > channel->header.size ||
	    channel->header.size - offset < header->signal_size)
		return NULL;
	return channel->memory + offset;
}

bool channel_check_queue(struct channel *channel, unsigned int queue, uint32_t least,
			 uint32_t most)
{
	struct signal_queue_header header, clean;
	uint64_t start, space;
	bool ok;

	if (!check(CHECK_HEADER_SIZE, !channel_read_queue(channel, queue, &header),
		   "%s: queue %u lies outside", channel->name, queue))
		return false;
	ok = check(CHECK_SIGNAL_SIZE, header.signal_size >= least &&
		   header.signal_size <= most && header.max_slots >= 2,
		   "%s: queue %u has %u slots of %u bytes", channel->name, queue,
		   header.max_slots, header.signal_size);
	if (!ok)
		return false;
	start = channel_queue_offset(channel, queue) + header.sig_base_offset;
	space = (uint64_t)header.max_slots * header.signal_size;
	ok = check(CHECK_SLOTS_PLACE, header.size >= space && start < channel->header.size &&
		   channel->header.size - start >= space &&
		   start >= channel_queue_offset(channel, queue) + sizeof(header),
		   "%s: slots of queue %u at %llu", channel->name, queue,
		   (unsigned long long)start);
	memset(&clean, 0, sizeof(clean));
	clean.size = header.size;
	clean.sig_base_offset = header.sig_base_offset;
	clean.signal_size = header.signal_size;
	clean.max_slots = header.max_slots;
	clean.max_signals = header.max_slots - 1;
	/* Whose event words they are is a matter of the server's extension. */
	clean.features = header.features;
	clean.reserved1 = header.reserved1;
	check(CHECK_QUEUE_CLEAN, !memcmp(&clean, &header, sizeof(clean)),
	      "%s: queue %u is not fresh: head %u, tail %u", channel->name, queue,
	      header.head, header.tail);
	return ok;
}

static void channel_store(const struct channel *channel, unsigned int queue,
			  size_t field, uint32_t value)
{
	uint32_t *word = (uint32_t *)(void *)(channel->memory +
			channel_queue_offset(channel, queue) + field);

	__atomic_store_n(word, value, __ATOMIC_RELEASE);
}

static void channel_count(const struct channel *channel, unsigned int queue, size_t field)
{
	uint64_t *word = (uint64_t *)(void *)(channel->memory +
			channel_queue_offset(channel, queue) + field);

	__atomic_store_n(word, __atomic_load_n(word, __ATOMIC_RELAXED) + 1, __ATOMIC_RELAXED);
}

static bool channel_indices_ok(struct channel *channel, unsigned int queue,
			       const struct signal_queue_header *header, uint32_t ours)
{
	return check(CHECK_INDEX_RANGE, header->max_slots && header->head < header->max_slots &&
		     header->tail < header->max_slots && ours == channel->queue[queue].index,
		     "%s: queue %u has head %u, tail %u of %u; ours was %u", channel->name,
		     queue, header->head, header->tail, header->max_slots,
		     channel->queue[queue].index);
}

int channel_insert(struct channel *channel, unsigned int queue, const void *signal,
		   uint32_t bytes)
{
	struct signal_queue_header header;
	uint32_t next;
	uint8_t *slot;

	if (channel_read_queue(channel, queue, &header) < 0 ||
	    !channel_indices_ok(channel, queue, &header, header.head))
		return -EIO;
	next = (header.head + 1) % header.max_slots;
	if (next == header.tail) {
		channel_count(channel, queue,
			      offsetof(struct signal_queue_header, num_overflows));
		return -EAGAIN;
	}
	slot = channel_slot(channel, queue, &header, next);
	if (!slot)
		return -EIO;
	memset(slot, 0, header.signal_size);
	memcpy(slot, signal, bytes < header.signal_size ? bytes : header.signal_size);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	channel->queue[queue].index = next;
	channel_store(channel, queue, offsetof(struct signal_queue_header, head), next);
	channel_count(channel, queue, offsetof(struct signal_queue_header, num_sent));
	return 0;
}

int channel_remove(struct channel *channel, unsigned int queue, void *signal, uint32_t bytes)
{
	struct signal_queue_header header;
	uint32_t next;
	uint8_t *slot;

	if (channel_read_queue(channel, queue, &header) < 0 ||
	    !channel_indices_ok(channel, queue, &header, header.tail))
		return -EIO;
	if (header.head == header.tail)
		return -EAGAIN;
	next = (header.tail + 1) % header.max_slots;
	if (!channel->queue[queue].produced) {
		channel->queue[queue].produced = true;
		check(CHECK_FIRST_SLOT, next == 1, "%s: queue %u begins in slot %u",
		      channel->name, queue, next);
	}
	slot = channel_slot(channel, queue, &header, next);
	if (!slot)
		return -EIO;
	if (bytes > header.signal_size)
		bytes = header.signal_size;
	memcpy(signal, slot, bytes);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	check(CHECK_SLOT_BEFORE_HEAD, !memcmp(signal, slot, bytes),
	      "%s: slot %u of queue %u changed while it was read", channel->name, next, queue);
	channel->queue[queue].index = next;
	channel_store(channel, queue, offsetof(struct signal_queue_header, tail), next);
	channel_count(channel, queue, offsetof(struct signal_queue_header, num_received));
	return 0;
}

bool channel_is_empty(const struct channel *channel, unsigned int queue)
{
	struct signal_queue_header header;

	return channel_read_queue(channel, queue, &header) < 0 || header.head == header.tail;
}

uint32_t channel_slots(const struct channel *channel, unsigned int queue)
{
	struct signal_queue_header header;

	return channel_read_queue(channel, queue, &header) < 0 ? 0 : header.max_slots;
}

void channel_restart(struct channel *channel, unsigned int count, unsigned int produced)
{
	struct signal_queue_header header;

	for (unsigned int queue = 0; queue < count; queue++) {
		if (channel_read_queue(channel, queue, &header) < 0)
			continue;
		channel->queue[queue].index = produced >> queue & 1 ? header.head : header.tail;
		channel->queue[queue].produced = header.head || header.tail;
	}
}
