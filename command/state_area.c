// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/state_area.c - the memory that outlives a service's processes
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "state_area.h"

static int state_area_make(struct mullion_state_memory *memory, const char *name)
{
	struct mullion_state_header *header;
	char full[128];
	void *map;

	snprintf(full, sizeof(full), "mullion-state-%s", name);
	memory->memfd = memfd_create(full, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (memory->memfd < 0)
		return -errno;
	if (ftruncate(memory->memfd, sizeof(*memory->area)) < 0)
		return -errno;
	if (fcntl(memory->memfd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	map = mmap(NULL, sizeof(*memory->area), PROT_READ | PROT_WRITE,
		   MAP_SHARED, memory->memfd, 0);
	if (map == MAP_FAILED)
		return -errno;
	memory->area = map;
	header = &memory->area->header;
	header->magic = MULLION_STATE_MAGIC;
	header->version = MULLION_STATE_VERSION;
	header->channels_max = MULLION_STATE_CHANNELS_MAX;
	header->bytes = sizeof(*memory->area);
	header->channel_bytes = sizeof(struct mullion_state_channel);
	return 0;
}

int mullion_state_memory_new(struct mullion_state_memory **ret, const char *name)
{
	struct mullion_state_memory *memory = calloc(1, sizeof(*memory));
	int r;

	if (!memory)
		return -ENOMEM;
	memory->memfd = -1;
	r = state_area_make(memory, name);
	if (r < 0) {
		mullion_state_memory_free(memory);
		return r;
	}
	*ret = memory;
	return 0;
}

void mullion_state_memory_free(struct mullion_state_memory *memory)
{
	if (!memory)
		return;
	if (memory->area)
		munmap(memory->area, sizeof(*memory->area));
	if (memory->memfd >= 0)
		close(memory->memfd);
	free(memory);
}

void mullion_state_memory_begin(struct mullion_state_memory *memory,
				uint64_t generation)
{
	memory->area->header.generation = generation;
	memory->area->header.service_state = MULLION_SERVICE_STARTING;
}

uint64_t mullion_state_memory_heartbeat(const struct mullion_state_memory *memory)
{
	return *(volatile __u64 *)&memory->area->header.heartbeat;
}

uint32_t mullion_state_memory_state(const struct mullion_state_memory *memory)
{
	return *(volatile __u32 *)&memory->area->header.service_state;
}

static struct mullion_state_channel *
state_area_find(const struct mullion_state_memory *memory, const guid_t *device)
{
	for (unsigned int i = 0; i < MULLION_STATE_CHANNELS_MAX; i++)
		if (!memcmp(&memory->area->channels[i].device, device, sizeof(*device)))
			return &memory->area->channels[i];
	return NULL;
}

const struct mullion_state_channel *
mullion_state_memory_channel(const struct mullion_state_memory *memory,
			     const guid_t *device)
{
	return state_area_find(memory, device);
}

void mullion_state_memory_forget(struct mullion_state_memory *memory,
				 const guid_t *device)
{
	struct mullion_state_channel *channel = state_area_find(memory, device);

	if (channel)
		memset(channel, 0, sizeof(*channel));
}

const void *mullion_state_memory_object(const struct mullion_state_memory *memory,
					const guid_t *uuid, size_t bytes)
{
	for (unsigned int i = 0; i < MULLION_STATE_OBJECTS_MAX; i++) {
		const struct mullion_state_object *object = &memory->area->objects[i];

		if (!memcmp(&object->uuid, uuid, sizeof(*uuid)))
			return bytes <= sizeof(object->data) ? object->data : NULL;
	}
	return NULL;
}

json_t *mullion_state_memory_counters(const struct mullion_state_channel *ch)
{
	return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "requests", (json_int_t)ch->requests,
			 "bytes_in", (json_int_t)ch->bytes_in,
			 "bytes_out", (json_int_t)ch->bytes_out,
			 "errors", (json_int_t)ch->errors,
			 "stale", (json_int_t)ch->stale,
			 "replayed", (json_int_t)ch->replayed,
			 "recalled", (json_int_t)ch->recalled,
			 "rung", (json_int_t)ch->rung,
			 "rescues", (json_int_t)ch->rescues,
			 "outstanding", (json_int_t)ch->outstanding);
}
