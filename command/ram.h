/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/ram.h - RAM of one guest that trusts its services, as an object
 *
 *	mullion_cp_ram_new() or _adopt()	descriptors and regions
 *	mullion_cp_ram_reserve()		ranges where channels may lie
 *	mullion_cp_ram_map(), _fd()		what a service is given
 *	mullion_cp_ram_place(), _pointer()	channels
 *	mullion_cp_ram_boot()			the guest begins anew
 */
#ifndef MULLION_COMMAND_RAM_H
#define MULLION_COMMAND_RAM_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/service.h"
#include "../channel/guard.h"
#include "error.h"

#define MULLION_CP_RAM_NODES_MAX	8
#define MULLION_CP_RAM_PAGE		4096U
/* Beyond it QEMU's machine types lay RAM out in ways of their own. */
#define MULLION_CP_RAM_BYTES_MAX	(512ULL << 30)
#define MULLION_CP_RAM_PIECES_MAX	(MULLION_RAM_REGIONS_MAX + MULLION_RAM_RESERVED_MAX)

struct mullion_cp_ram_place;

/**
 * struct mullion_cp_ram_piece - part of a reserved range that lies in one region
 * @gpa, @bytes: of it
 * @base: where it is mapped
 * @guard: the mapping, of whole pages of its file
 */
struct mullion_cp_ram_piece {
	uint64_t gpa;
	uint64_t bytes;
	uint8_t *base;
	struct mullion_guard guard;
};

/**
 * struct mullion_cp_ram - the object
 * @refs: partition and buses
 * @bytes: of RAM
 * @page_bytes: of huge pages; 0: ordinary ones
 * @file_count: of @fds
 * @fds: read-write, by fd_index
 * @path: where others find the first file
 * @map: regions and reserved ranges
 * @pieces, @piece_count: what is mapped here of the reserved ranges
 * @places, @place_count: of this boot, by address
 */
struct mullion_cp_ram {
	unsigned int refs;
	uint64_t bytes;
	uint64_t page_bytes;
	unsigned int file_count;
	int fds[MULLION_CP_RAM_NODES_MAX];
	char path[PATH_MAX];
	struct mullion_ram_map map;
	struct mullion_cp_ram_piece pieces[MULLION_CP_RAM_PIECES_MAX];
	unsigned int piece_count;
	struct mullion_cp_ram_place *places;
	unsigned int place_count;
};

/**
 * struct mullion_cp_ram_wish - RAM to be made
 * @name: of the guest
 * @bytes: of RAM, a multiple of 1 MiB and of @page_bytes per node
 * @page_bytes: of huge pages, 2 MiB or 1 GiB; 0: ordinary ones
 * @nodes: of NUMA: a file each, of equal size; 1: no NUMA
 * @q35: machine type q35, else pc
 */
struct mullion_cp_ram_wish {
	const char *name;
	uint64_t bytes;
	uint64_t page_bytes;
	unsigned int nodes;
	bool q35;
};

/**
 * mullion_cp_ram_new() - make it, sealed; without reserved ranges
 *
 * Huge pages are set aside at once, ordinary ones are there when they are
 * touched.  Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_ram_new(struct mullion_cp_ram **ret, const struct mullion_cp_ram_wish *wish,
		       struct mullion_error *err);

/**
 * mullion_cp_ram_layout() - regions of RAM as QEMU's machine types have it
 * @bytes: of RAM, from the file's beginning
 * @regions: room for two
 *
 * Return: how many.
 */
unsigned int mullion_cp_ram_layout(uint64_t bytes, bool q35,
				   struct mullion_ram_region *regions);

/**
 * mullion_cp_ram_adopt() - take RAM that somebody else has made
 * @name: of the guest, for messages
 * @path: absolute, of the file
 * @regions, @count: gpa, bytes and offset of each; 0: as machine type pc has it
 *
 * The file need not be sealed: see mullion_cp_ram_lost().  Return: 0 or
 * negative errno with @err filled in.
 */
int mullion_cp_ram_adopt(struct mullion_cp_ram **ret, const char *name, const char *path,
			 const struct mullion_ram_region *regions, unsigned int count,
			 struct mullion_error *err);

struct mullion_cp_ram *mullion_cp_ram_ref(struct mullion_cp_ram *ram);

/* NULL is fine; returns NULL. */
struct mullion_cp_ram *mullion_cp_ram_unref(struct mullion_cp_ram *ram);

/**
 * mullion_cp_ram_reserve() - the guest's memory map reserves a range
 *
 * It becomes mapped here, and channels may be placed in it.  To be called
 * before any service is given the map.  Return: 0; -EINVAL: not of whole pages;
 * -ERANGE: not all of it is RAM; -EEXIST: it overlaps another; -ENOSPC: too
 * many; or errno of mmap().
 */
int mullion_cp_ram_reserve(struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes);

/**
 * mullion_cp_ram_describe_map() - what a service is told of it
 * @read_only: by descriptors that were opened so
 */
void mullion_cp_ram_describe_map(const struct mullion_cp_ram *ram, bool read_only,
				 struct mullion_ram_map *ret);

/**
 * mullion_cp_ram_send() - give a service the descriptors
 * @sock: of the service
 * @handle: of the BUS_CREATE that will name them
 *
 * Return: 0 or negative errno.
 */
int mullion_cp_ram_send(const struct mullion_cp_ram *ram, bool read_only, int sock,
			uint64_t handle);

/**
 * mullion_cp_ram_place() - find room for a channel
 * @bytes: of it; whole pages are taken
 *
 * A place is given once in a boot of the guest, even if it was given back:
 * drivers of s-Par never let go of an address.  Return: 0, -ENOSPC or -ENOMEM.
 */
int mullion_cp_ram_place(struct mullion_cp_ram *ram, uint64_t bytes, uint64_t *ret_gpa);

/**
 * mullion_cp_ram_take() - the same, at an address
 *
 * Return: 0; -EINVAL: not page-aligned; -ERANGE: not in a reserved range;
 * -EEXIST: not free; -ENOMEM.
 */
int mullion_cp_ram_take(struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes);

/**
 * mullion_cp_ram_release() - nobody uses the place at @gpa any more
 */
void mullion_cp_ram_release(struct mullion_cp_ram *ram, uint64_t gpa);

/**
 * mullion_cp_ram_boot() - the guest begins anew: places that were given back are
 *	free
 */
void mullion_cp_ram_boot(struct mullion_cp_ram *ram);

/**
 * mullion_cp_ram_pointer() - a part of a reserved range, mapped read-write
 *
 * Return: NULL if it does not lie in one, within one region.
 */
void *mullion_cp_ram_pointer(const struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes);

/**
 * mullion_cp_ram_lost() - has its file become shorter?
 *
 * What was read of it may be zeros of our own, and is not the guest's.
 */
bool mullion_cp_ram_lost(const struct mullion_cp_ram *ram);

/**
 * mullion_cp_ram_is() - is this file part of it?
 * @device, @inode: as stat() has them
 */
bool mullion_cp_ram_is(const struct mullion_cp_ram *ram, uint64_t device, uint64_t inode);

/**
 * mullion_cp_ram_same() - do both have a file in common?
 */
bool mullion_cp_ram_same(const struct mullion_cp_ram *a, const struct mullion_cp_ram *b);

/**
 * mullion_cp_ram_describe() - schema Ram; new reference
 */
json_t *mullion_cp_ram_describe(const struct mullion_cp_ram *ram);

#endif /* MULLION_COMMAND_RAM_H */
