// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/state.c - the mapped state area
 */
#include "state.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../channel/signal_queue.h"
#include "device.h"

static struct mullion_state_area *state_area;

static const guid_t state_no_guid;

int mullion_state_open(int fd)
{
	struct mullion_state_area *area;
	struct stat st;

	if (state_area)
		return -EEXIST;
	if (fstat(fd, &st) < 0)
		return -errno;
	if ((uint64_t)st.st_size < sizeof(*area))
		return -EPROTO;
	area = mmap(NULL, sizeof(*area), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (area == MAP_FAILED)
		return -errno;
	if (area->header.magic != MULLION_STATE_MAGIC ||
	    area->header.version != MULLION_STATE_VERSION ||
	    area->header.channels_max != MULLION_STATE_CHANNELS_MAX ||
	    area->header.channel_bytes != sizeof(struct mullion_state_channel)) {
		munmap(area, sizeof(*area));
		return -EPROTO;
	}
	state_area = area;
	return 0;
}

struct mullion_state_header *mullion_state_header(void)
{
	return state_area ? &state_area->header : NULL;
}

void mullion_state_set(uint32_t service_state)
{
	if (state_area)
		state_area->header.service_state = service_state;
}

static bool state_guid_is(const guid_t *a, const guid_t *b)
{
	return !memcmp(a, b, sizeof(*a));
}

struct mullion_state_channel *mullion_state_channel_get(const guid_t *device,
							bool *ret_found)
{
	struct mullion_state_channel *unused = NULL;

	if (!state_area || state_guid_is(device, &state_no_guid))
		return NULL;
	for (unsigned int i = 0; i < MULLION_STATE_CHANNELS_MAX; i++) {
		struct mullion_state_channel *channel = &state_area->channels[i];

		if (state_guid_is(&channel->device, device)) {
			*ret_found = true;
			return channel;
		}
		if (!unused && state_guid_is(&channel->device, &state_no_guid))
			unused = channel;
	}
	if (!unused)
		return NULL;
	memset(unused, 0, sizeof(*unused));
	unused->device = *device;
	*ret_found = false;
	return unused;
}

void mullion_state_channel_put(struct mullion_state_channel *channel)
{
	/* The name goes first: a record without it is free whatever it holds. */
	channel->device = state_no_guid;
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	memset(channel, 0, sizeof(*channel));
}

struct mullion_state_list *mullion_state_list(const struct mullion_state_channel *channel,
					      unsigned int index)
{
	return &state_area->lists[channel - state_area->channels][index];
}

struct mullion_state_object *mullion_state_object_get(const guid_t *uuid)
{
	struct mullion_state_object *unused = NULL;

	if (!state_area || state_guid_is(uuid, &state_no_guid))
		return NULL;
	for (unsigned int i = 0; i < MULLION_STATE_OBJECTS_MAX; i++) {
		struct mullion_state_object *object = &state_area->objects[i];

		if (state_guid_is(&object->uuid, uuid))
			return object;
		if (!unused && state_guid_is(&object->uuid, &state_no_guid))
			unused = object;
	}
	if (!unused)
		return NULL;
	memset(unused, 0, sizeof(*unused));
	unused->uuid = *uuid;
	return unused;
}
