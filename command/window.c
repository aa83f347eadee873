// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/window.c - a window as its maker has it
 *
 * A window is written completely before any descriptor of it leaves the
 * daemon: header, area table and, on a bus, the bus channel.  Pages are
 * allocated at once, so that no peer can be killed later by a page that is
 * not there, and the size is sealed, so that none can be taken away.
 *
 *	command window: header | control area
 *	bus window:     header | channels area: bus channel, devices | pool
 *
 * QEMU aborts on a size that is not a power of two of at least 1 MiB, so the
 * sum is rounded up and what is left over goes to the pool.
 *
 * The daemon keeps command windows mapped, and of a bus window only the bus
 * channel, read-only: pools and device channels are none of its business.
 *
 * Doorbells are shared with the peer in every respect, O_NONBLOCK included.  A
 * peer that makes one block costs the loop a few milliseconds, once.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../abi/bus.h"
#include "../abi/ext.h"
#include "../abi/guid.h"
#include "../channel/doorbell.h"
#include "../channel/fdmsg.h"
#include "core.h"
#include "log.h"
#include "window.h"

#define WINDOW_RING_MSEC 10	/* a ring that does not block takes microseconds */

static uint64_t window_page_up(uint64_t bytes)
{
	return (bytes + MULLION_WINDOW_AREA_ALIGN - 1) &
	       ~(uint64_t)(MULLION_WINDOW_AREA_ALIGN - 1);
}

static int window_make_doorbells(struct mullion_cp_window *w)
{
	for (unsigned int peer = 0; peer < 2; peer++) {
		for (uint32_t v = 0; v < w->vectors; v++) {
			w->doorbells[peer][v] = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
			if (w->doorbells[peer][v] < 0)
				return -errno;
		}
	}
	return 0;
}

static int window_make_memory(struct mullion_cp_window *w)
{
	char name[32];
	int r;

	snprintf(name, sizeof(name), "mullion-window-%u", w->id);
	w->memfd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
	if (w->memfd < 0)
		return -errno;
	if (ftruncate(w->memfd, (off_t)w->size) < 0)
		return -errno;
	r = posix_fallocate(w->memfd, 0, (off_t)w->size);
	if (r)
		return -r;
	if (fcntl(w->memfd, F_ADD_SEALS,
		  F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return 0;
}

void mullion_cp_window_header(const struct mullion_cp_window *w,
			      struct mullion_window_header *h)
{
	memset(h, 0, sizeof(*h));
	h->layout_version = MULLION_WINDOW_LAYOUT_VERSION;
	h->header_bytes = MULLION_WINDOW_HEADER_BYTES;
	h->window_id = w->id;
	h->kind = w->kind;
	h->size = w->size;
	h->vectors = w->vectors;
	h->area_count = w->area_count;
	h->partition_guid = w->partition;
	h->service_guid = w->service;
	h->area_bytes = sizeof(struct mullion_window_area);
	memcpy(h->areas, w->areas, w->area_count * sizeof(w->areas[0]));
	h->magic = MULLION_WINDOW_MAGIC;
}

static int window_write(struct mullion_cp_window *w)
{
	uint64_t bytes = w->kind == MULLION_WINDOW_COMMAND ? w->size :
		MULLION_WINDOW_HEADER_BYTES;
	uint8_t *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			    w->memfd, 0);

	if (map == MAP_FAILED)
		return -errno;
	mullion_cp_window_header(w, (void *)map);
	if (w->kind == MULLION_WINDOW_COMMAND) {
		w->map = map;
		w->map_bytes = bytes;
		return 0;
	}
	munmap(map, bytes);
	w->map_offset = w->areas[0].offset;
	w->map_bytes = window_page_up(MULLION_BUS_CHANNEL_BYTES);
	map = mmap(NULL, w->map_bytes, PROT_READ, MAP_SHARED, w->memfd,
		   (off_t)w->map_offset);
	if (map == MAP_FAILED)
		return -errno;
	w->map = map;
	return 0;
}

static int window_new(struct mullion_core *core, uint32_t kind, uint32_t vectors,
		      uint64_t size, const struct mullion_window_area *areas,
		      uint32_t area_count, const guid_t *partition,
		      const guid_t *service, struct mullion_cp_window **ret)
{
	struct mullion_cp_window *w = calloc(1, sizeof(*w));
	int r;

	if (!w)
		return -ENOMEM;
	w->memfd = -1;
	w->greeting_fd = -1;
	memset(w->doorbells, 0xff, sizeof(w->doorbells));
	w->id = mullion_core_window_id(core);
	w->kind = kind;
	w->vectors = vectors;
	w->size = size;
	w->partition = *partition;
	w->service = *service;
	w->area_count = area_count;
	memcpy(w->areas, areas, area_count * sizeof(areas[0]));
	r = window_make_memory(w);
	if (!r)
		r = window_make_doorbells(w);
	if (!r)
		r = window_write(w);
	if (r < 0) {
		mullion_cp_window_free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int mullion_cp_window_new_command(struct mullion_core *core,
				  const guid_t *partition, const guid_t *service,
				  struct mullion_cp_window **ret)
{
	struct mullion_window_area area = {
		.type = MULLION_AREA_CONTROL,
		.offset = MULLION_WINDOW_HEADER_BYTES,
		.bytes = MULLION_CONTROL_AREA_BYTES,
	};

	_Static_assert(MULLION_WINDOW_HEADER_BYTES + MULLION_CONTROL_AREA_BYTES <=
		       MULLION_WINDOW_SIZE_MIN, "a command window is the smallest window");
	return window_new(core, MULLION_WINDOW_COMMAND, MULLION_COMMAND_VECTORS,
			  MULLION_WINDOW_SIZE_MIN, &area, 1, partition, service, ret);
}

int mullion_cp_window_new_bus(struct mullion_core *core,
			      const guid_t *partition, const guid_t *service,
			      uint64_t channels_bytes, uint64_t pool_bytes,
			      struct mullion_cp_window **ret)
{
	struct mullion_window_area areas[2];
	uint64_t size = MULLION_WINDOW_SIZE_MIN;
	uint64_t want;

	if (channels_bytes > MULLION_BUS_WINDOW_MAX || pool_bytes > MULLION_BUS_WINDOW_MAX)
		return -E2BIG;
	if (channels_bytes < MULLION_BUS_CHANNEL_BYTES)
		channels_bytes = MULLION_BUS_CHANNEL_BYTES;
	channels_bytes = window_page_up(channels_bytes);
	want = MULLION_WINDOW_HEADER_BYTES + channels_bytes + window_page_up(pool_bytes);
	while (size < want)
		size <<= 1;
	if (size > MULLION_BUS_WINDOW_MAX)
		return -E2BIG;
	memset(areas, 0, sizeof(areas));
	areas[0].type = MULLION_AREA_CHANNELS;
	areas[0].offset = MULLION_WINDOW_HEADER_BYTES;
	areas[0].bytes = channels_bytes;
	areas[1].type = MULLION_AREA_POOL;
	areas[1].offset = areas[0].offset + channels_bytes;
	areas[1].bytes = size - areas[1].offset;
	return window_new(core, MULLION_WINDOW_BUS, MULLION_BUS_VECTORS, size,
			  areas, 2, partition, service, ret);
}

void mullion_cp_window_free(struct mullion_cp_window *w)
{
	if (!w)
		return;
	if (w->map)
		munmap(w->map, w->map_bytes);
	if (w->memfd >= 0)
		close(w->memfd);
	if (w->greeting_fd >= 0)
		close(w->greeting_fd);
	for (unsigned int peer = 0; peer < 2; peer++)
		for (uint32_t v = 0; v < w->vectors; v++)
			if (w->doorbells[peer][v] >= 0)
				close(w->doorbells[peer][v]);
	free(w);
}

const struct mullion_window_area *
mullion_cp_window_area(const struct mullion_cp_window *w, uint32_t type)
{
	for (uint32_t i = 0; i < w->area_count; i++)
		if (w->areas[i].type == type)
			return &w->areas[i];
	return NULL;
}

void mullion_cp_window_ring(struct mullion_cp_window *w, unsigned int peer,
			    uint32_t vector)
{
	int r;

	if (w->mute)
		return;
	/* armed for this one write(): nothing else here expects to be interrupted */
	mullion_doorbell_watchdog(WINDOW_RING_MSEC);
	r = mullion_doorbell_ring(w->doorbells[peer][vector % w->vectors]);
	mullion_doorbell_watchdog(0);
	if (r != -EINTR)
		return;
	w->mute = true;
	mullion_log(LOG_WARNING, NULL,
		    "window %u: its peer made a doorbell block; it is rung no more and has to poll",
		    w->id);
}

int mullion_cp_window_send(const struct mullion_cp_window *w, unsigned int peer,
			   uint64_t handle, int sock)
{
	int r = mullion_fd_send(sock, MULLION_FD_WINDOW, handle, 0, &w->memfd, 1);

	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_RECV_DOORBELLS, handle, 0,
				    w->doorbells[peer], w->vectors);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_SEND_DOORBELLS, handle, 0,
				    w->doorbells[!peer], w->vectors);
	return r;
}

int mullion_cp_window_send_command(const struct mullion_cp_window *w, int sock)
{
	const int doorbells[2] = { w->doorbells[1][0], w->doorbells[0][0] };
	int r = mullion_fd_send(sock, MULLION_FD_COMMAND_WINDOW, 0, 0, &w->memfd, 1);

	return r ? r : mullion_fd_send(sock, MULLION_FD_COMMAND_DOORBELLS, 0, 0, doorbells, 2);
}
