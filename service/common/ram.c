// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/ram.c - the RAM of a guest that trusts this service
 *
 * DOC: Theory of Operation
 *
 * Guest-physical addresses are mapped as they are: a span of address space from
 * address 0 to the end of the last region is taken once, without access, and
 * each region is mapped over it at its own address.  So a piece of data that
 * crosses the border of two adjacent regions is one piece here too, holes stay
 * inaccessible, and an address becomes a pointer by one addition, after it was
 * found to lie, whole, in an interval of memory that is data: the regions,
 * joined where they touch, less the reserved ranges.  Channels lie in reserved
 * ranges, so no message can name them.
 *
 * Files that we were given need not be sealed: somebody else's machine monitor
 * made them.  If one becomes shorter, our next access finds memory of our own
 * there (channel/guard.c; the kernel's own accesses fail with EFAULT, and that
 * request is answered with an error).  This RAM is lost then: the layer above
 * answers nothing of what it found and stops the channels of that guest.  So
 * does a write to RAM that was given read-only.
 *
 * Limits: MULLION_RAM_REGIONS_MAX and _RESERVED_MAX; addresses below 2^46.
 */
#include "ram.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "../../channel/guard.h"

#define RAM_PAGE	4096U
#define RAM_INTERVALS	(MULLION_RAM_REGIONS_MAX + MULLION_RAM_RESERVED_MAX)

struct ram_interval {
	uint64_t start;
	uint64_t end;
};

struct mullion_ram {
	uint8_t *base;			/* of address 0 */
	uint64_t span;
	void *reserved;			/* what was mapped for it, and bytes of that */
	uint64_t reserved_bytes;
	unsigned int data_count;
	struct ram_interval data[RAM_INTERVALS];
	unsigned int channel_count;
	struct ram_interval channels[MULLION_RAM_RESERVED_MAX];
	bool read_only;
	struct mullion_guard guard;	/* of @span from @base */
};

bool mullion_ram_lost(const struct mullion_ram *ram)
{
	return ram->guard.lost;
}

/* ---- intervals ------------------------------------------------------------------ */

static bool ram_range_ok(uint64_t gpa, uint64_t bytes)
{
	return bytes && !(gpa % RAM_PAGE) && !(bytes % RAM_PAGE) &&
	       mullion_range_ok(gpa, bytes, MULLION_RAM_ADDRESS_MAX);
}

static int ram_compare(const void *a, const void *b)
{
	const struct ram_interval *x = a, *y = b;

	return x->start < y->start ? -1 : x->start > y->start;
}

/* The regions, in order, joined.  Return: how many; -EINVAL if they overlap. */
static int ram_join(const struct mullion_ram_map *map, struct ram_interval *joined)
{
	int n = 0;

	for (uint32_t i = 0; i < map->region_count; i++)
		joined[i] = (struct ram_interval){
			map->regions[i].gpa, map->regions[i].gpa + map->regions[i].bytes,
		};
	qsort(joined, map->region_count, sizeof(*joined), ram_compare);
	for (uint32_t i = 0; i < map->region_count; i++) {
		if (n && joined[i].start < joined[n - 1].end)
			return -EINVAL;
		if (n && joined[i].start == joined[n - 1].end)
			joined[n - 1].end = joined[i].end;
		else
			joined[n++] = joined[i];
	}
	return n;
}

static bool ram_in(const struct ram_interval *intervals, unsigned int count, uint64_t address,
		   uint64_t bytes)
{
	for (unsigned int i = 0; i < count; i++) {
		if (address >= intervals[i].start && address < intervals[i].end &&
		    bytes <= intervals[i].end - address)
			return true;
	}
	return false;
}

/* What is data: @joined less the reserved ranges. */
static void ram_cut(struct mullion_ram *ram, const struct ram_interval *joined,
		    unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		uint64_t start = joined[i].start;

		while (start < joined[i].end) {
			uint64_t end = joined[i].end, resume = end;

			/* The nearest reserved range cuts; one that covers start moves it. */
			for (unsigned int j = 0; j < ram->channel_count; j++) {
				const struct ram_interval *cut = &ram->channels[j];

				if (cut->end <= start || cut->start >= end)
					continue;
				end = cut->start > start ? cut->start : start;
				resume = cut->end;
			}
			if (end > start && ram->data_count < RAM_INTERVALS)
				ram->data[ram->data_count++] =
					(struct ram_interval){ start, end };
			start = resume;
		}
	}
}

static int ram_check(struct mullion_ram *ram, const struct mullion_ram_map *map)
{
	struct ram_interval joined[MULLION_RAM_REGIONS_MAX];
	int count;

	if (map->version != MULLION_RAM_MAP_VERSION || !map->region_count ||
	    map->region_count > MULLION_RAM_REGIONS_MAX ||
	    map->reserved_count > MULLION_RAM_RESERVED_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < map->region_count; i++) {
		const struct mullion_ram_region *region = &map->regions[i];

		if (!ram_range_ok(region->gpa, region->bytes) || region->offset % RAM_PAGE ||
		    (region->flags & ~MULLION_RAM_READ_ONLY))
			return -EINVAL;
		if (region->gpa + region->bytes > ram->span)
			ram->span = region->gpa + region->bytes;
		ram->read_only |= region->flags & MULLION_RAM_READ_ONLY;
	}
	count = ram_join(map, joined);
	if (count < 0)
		return count;
	for (uint32_t i = 0; i < map->reserved_count; i++) {
		if (!ram_range_ok(map->reserved[i].gpa, map->reserved[i].bytes))
			return -EINVAL;
		ram->channels[ram->channel_count++] = (struct ram_interval){
			map->reserved[i].gpa, map->reserved[i].gpa + map->reserved[i].bytes,
		};
	}
	ram_cut(ram, joined, (unsigned int)count);
	/* A reserved range that is no memory holds no channels. */
	for (unsigned int i = 0; i < ram->channel_count; ) {
		const struct ram_interval *range = &ram->channels[i];

		if (ram_in(joined, (unsigned int)count, range->start,
			   range->end - range->start))
			i++;
		else
			ram->channels[i] = ram->channels[--ram->channel_count];
	}
	return 0;
}

/* ---- mapping ---------------------------------------------------------------------- */

static int ram_map_region(struct mullion_ram *ram, const struct mullion_ram_region *region,
			  int fd)
{
	int access = region->flags & MULLION_RAM_READ_ONLY ? PROT_READ : PROT_READ | PROT_WRITE;
	struct stat st;

	if (fstat(fd, &st) < 0)
		return -errno;
	if (!mullion_range_ok(region->offset, region->bytes, (uint64_t)st.st_size))
		return -ERANGE;
	if (mmap(ram->base + region->gpa, region->bytes, access, MAP_SHARED | MAP_FIXED, fd,
		 (off_t)region->offset) == MAP_FAILED)
		return -errno;
	return 0;
}

/* Of huge pages, a whole one at a time is mapped and replaced. */
static int ram_find_unit(struct mullion_ram *ram, const struct mullion_ram_map *map,
			 const int *fds, unsigned int fd_count)
{
	for (uint32_t i = 0; i < map->region_count; i++) {
		uint32_t index = map->regions[i].fd_index;
		uint64_t unit;

		if (index >= fd_count || fds[index] < 0)
			return -ENOENT;
		unit = mullion_guard_unit(fds[index]);
		if (unit > ram->guard.unit)
			ram->guard.unit = unit;
	}
	return 0;
}

/* Room for whole units: no mapping may go beyond it. */
static int ram_reserve(struct mullion_ram *ram)
{
	uint64_t unit = ram->guard.unit, skip;

	ram->span = (ram->span + unit - 1) / unit * unit;
	ram->reserved_bytes = ram->span + unit;
	ram->reserved = mmap(NULL, ram->reserved_bytes, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (ram->reserved == MAP_FAILED)
		return -errno;
	skip = -(uint64_t)(uintptr_t)ram->reserved % unit;
	ram->base = (uint8_t *)ram->reserved + skip;
	ram->guard.base = ram->base;
	ram->guard.bytes = ram->span;
	return 0;
}

int mullion_ram_open(struct mullion_ram **ret, const struct mullion_ram_map *map,
		     const int *fds, unsigned int fd_count)
{
	struct mullion_ram *ram = calloc(1, sizeof(*ram));
	int r;

	if (!ram)
		return -ENOMEM;
	ram->guard.unit = RAM_PAGE;
	r = ram_check(ram, map);
	if (!r)
		r = ram_find_unit(ram, map, fds, fd_count);
	if (!r)
		r = ram_reserve(ram);
	if (r < 0)
		goto free;
	for (uint32_t i = 0; !r && i < map->region_count; i++)
		r = ram_map_region(ram, &map->regions[i], fds[map->regions[i].fd_index]);
	if (r < 0)
		goto unmap;
	mullion_guard_add(&ram->guard);
	*ret = ram;
	return 0;

unmap:
	munmap(ram->reserved, ram->reserved_bytes);
free:
	free(ram);
	return r;
}

void mullion_ram_close(struct mullion_ram *ram)
{
	if (!ram)
		return;
	mullion_guard_remove(&ram->guard);
	munmap(ram->reserved, ram->reserved_bytes);
	free(ram);
}

/* ---- looking up -------------------------------------------------------------------- */

void mullion_ram_memory(const struct mullion_ram *ram, struct mullion_memory *memory)
{
	memory->base = ram->base;
	memory->bytes = ram->data_count && !ram->data[0].start ? ram->data[0].end : 0;
	memory->ram = ram;
	memory->read_only = ram->read_only;
}

void *mullion_ram_at(const struct mullion_ram *ram, uint64_t address, uint64_t bytes)
{
	return ram_in(ram->data, ram->data_count, address, bytes) ? ram->base + address : NULL;
}

void *mullion_ram_channel(const struct mullion_ram *ram, uint64_t gpa, uint64_t bytes)
{
	if (gpa % 8 || ram->read_only || !ram_in(ram->channels, ram->channel_count, gpa, bytes))
		return NULL;
	return ram->base + gpa;
}
