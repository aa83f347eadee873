// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/window.c - map a window and find things in it
 */
#include "window.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../abi/ext.h"
#include "doorbell.h"
#include "range.h"

#define WINDOW_SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW)

static bool window_size_ok(uint64_t size)
{
	return size >= MULLION_WINDOW_SIZE_MIN &&
	       size <= MULLION_WINDOW_SIZE_MAX && !(size & (size - 1));
}

static bool window_area_ok(const struct mullion_window_area *area, uint64_t size)
{
	return !area->flags && area->bytes &&
	       !(area->offset % MULLION_WINDOW_AREA_ALIGN) &&
	       !(area->bytes % MULLION_WINDOW_AREA_ALIGN) &&
	       area->offset >= MULLION_WINDOW_HEADER_BYTES &&
	       mullion_range_ok(area->offset, area->bytes, size);
}

static uint32_t window_count(const struct mullion_window_area *areas,
			     uint32_t count, uint32_t type)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < count; i++)
		n += areas[i].type == type;
	return n;
}

/* Exactly the areas that the registry's table gives this kind. */
static bool window_kind_ok(const struct mullion_window_header *header)
{
	const struct mullion_window_area *areas = header->areas;
	uint32_t count = header->area_count;

	switch (header->kind) {
	case MULLION_WINDOW_COMMAND:
		if (window_count(areas, count, MULLION_AREA_CONTROL) != 1)
			return false;
		for (uint32_t i = 0; i < count; i++) {
			if (areas[i].type == MULLION_AREA_CONTROL &&
			    areas[i].bytes < MULLION_CONTROL_AREA_BYTES)
				return false;
		}
		return true;
	case MULLION_WINDOW_BUS:
		return window_count(areas, count, MULLION_AREA_CHANNELS) == 1 &&
		       window_count(areas, count, MULLION_AREA_POOL) == 1;
	default:
		return false;
	}
}

int mullion_window_check(struct mullion_window *window,
			 const struct mullion_window_header *header,
			 uint64_t size, uint32_t kind)
{
	if (header->magic != MULLION_WINDOW_MAGIC ||
	    header->layout_version != MULLION_WINDOW_LAYOUT_VERSION)
		return -EPROTO;
	if (header->header_bytes != MULLION_WINDOW_HEADER_BYTES ||
	    header->area_bytes != sizeof(struct mullion_window_area) ||
	    header->window_id < MULLION_WINDOW_ID_MIN ||
	    header->window_id > MULLION_WINDOW_ID_MAX ||
	    (header->flags & ~MULLION_WINDOW_FLAGS_KNOWN) ||
	    header->size != size || !window_size_ok(size) ||
	    !header->vectors || header->vectors > MULLION_DOORBELLS_MAX ||
	    header->area_count > MULLION_WINDOW_AREAS_MAX)
		return -EINVAL;
	if (kind && header->kind != kind)
		return -EINVAL;
	for (uint32_t i = 0; i < header->area_count; i++) {
		if (!window_area_ok(&header->areas[i], size))
			return -EINVAL;
		for (uint32_t j = 0; j < i; j++) {
			const struct mullion_window_area *a = &header->areas[i];
			const struct mullion_window_area *b = &header->areas[j];

			if (mullion_ranges_overlap(a->offset, a->bytes,
						   b->offset, b->bytes))
				return -EINVAL;
		}
	}
	if (!window_kind_ok(header))
		return -EINVAL;

	window->size = size;
	window->id = header->window_id;
	window->kind = header->kind;
	window->vectors = header->vectors;
	window->partition = header->partition_guid;
	window->service = header->service_guid;
	window->area_count = header->area_count;
	memcpy(window->areas, header->areas,
	       header->area_count * sizeof(header->areas[0]));
	return 0;
}

int mullion_window_open_as(struct mullion_window *window, int fd,
			   const struct mullion_window_header *header,
			   uint32_t kind)
{
	struct mullion_window_header copy;
	struct mullion_window opened = { 0 };
	struct stat st;
	int seals;
	int ret;

	seals = fcntl(fd, F_GET_SEALS);
	if (seals < 0)
		return -errno;
	/* An unsealed file could shrink under us: SIGBUS at a peer's will. */
	if ((seals & WINDOW_SEALS) != WINDOW_SEALS)
		return -EPERM;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!window_size_ok((uint64_t)st.st_size))
		return -EINVAL;
	opened.base = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
			   MAP_SHARED, fd, 0);
	if (opened.base == MAP_FAILED)
		return -errno;
	if (!header) {
		/* Once; the compiler must not go back to the shared bytes. */
		memcpy(&copy, opened.base, sizeof(copy));
		__asm__ volatile("" ::: "memory");
		header = &copy;
	}
	ret = mullion_window_check(&opened, header, (uint64_t)st.st_size, kind);
	if (ret < 0) {
		munmap(opened.base, (size_t)st.st_size);
		return ret;
	}
	*window = opened;
	return 0;
}

int mullion_window_open(struct mullion_window *window, int fd, uint32_t kind)
{
	return mullion_window_open_as(window, fd, NULL, kind);
}

void mullion_window_close(struct mullion_window *window)
{
	if (window->base)
		munmap(window->base, window->size);
	window->base = NULL;
	window->size = 0;
}

const struct mullion_window_area *
mullion_window_area(const struct mullion_window *window, uint32_t type)
{
	for (uint32_t i = 0; i < window->area_count; i++) {
		if (window->areas[i].type == type)
			return &window->areas[i];
	}
	return NULL;
}

int mullion_window_resolve(const struct mullion_window *window, uint32_t type,
			   uint64_t addr, uint64_t bytes, void **ret)
{
	const struct mullion_window_area *area;
	uint64_t offset = MULLION_WINDOW_ADDR_OFFSET(addr);

	if (MULLION_WINDOW_ADDR_ID(addr) != window->id)
		return -ENXIO;
	area = mullion_window_area(window, type);
	if (!area)
		return -ENOENT;
	if (offset % 8 || offset < area->offset ||
	    !mullion_range_ok(offset - area->offset, bytes, area->bytes))
		return -ERANGE;
	*ret = window->base + offset;
	return 0;
}
