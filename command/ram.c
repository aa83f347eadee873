// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/ram.c - RAM of one guest that trusts its services, as an object
 *
 * DOC: Theory of Operation
 *
 * RAM is one file for each NUMA node, sealed memfds that the daemon makes and
 * QEMU maps shared; or a file of somebody else's machine monitor.  Regions say
 * which part of a file is memory at which guest-physical address; QEMU's
 * machine types split RAM in a low and a high part, with the hole for PCI
 * below 4 GiB, and NUMA nodes follow each other in it.
 *
 * The daemon maps nothing of RAM but reserved ranges, which the guest's kernel
 * leaves alone: channels are placed there, whole pages each.  Drivers of s-Par
 * keep a reservation of every address that they were ever told until they boot
 * again, so a place that was given back stays out of use till then.
 *
 * Limits: MULLION_RAM_REGIONS_MAX and _RESERVED_MAX; a place lies in one
 * region.  Of a file of huge pages whole ones are mapped, which may be more
 * than the reserved range.
 *
 * Failure behaviour: a file of others may become shorter at any moment; what
 * is touched then reads as zeros, and mullion_cp_ram_lost() says so.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/memfd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../channel/fdmsg.h"
#include "../channel/range.h"
#include "ram.h"

#define RAM_HIGH	(1ULL << 32)

struct mullion_cp_ram_place {
	uint64_t gpa;
	uint64_t bytes;
	bool held;
};

static bool ram_pages(uint64_t value)
{
	return !(value % MULLION_CP_RAM_PAGE);
}

static bool ram_overlap(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* ---- layout --------------------------------------------------------------- */

unsigned int mullion_cp_ram_layout(uint64_t bytes, bool q35,
				   struct mullion_ram_region *regions)
{
	/* A gigabyte boundary, but only where RAM has to be split at all. */
	uint64_t most = q35 ? 0xb0000000 : 0xe0000000;
	uint64_t split = q35 ? 0x80000000 : 0xc0000000;
	uint64_t low = bytes < most ? bytes : split;

	memset(regions, 0, 2 * sizeof(*regions));
	regions[0].bytes = low;
	if (low == bytes)
		return 1;
	regions[1].gpa = RAM_HIGH;
	regions[1].bytes = bytes - low;
	regions[1].offset = low;
	return 2;
}

/* Regions of the machine, in which files of equal size follow each other. */
static void ram_lay_out(struct mullion_cp_ram *ram, bool q35)
{
	uint64_t node = ram->bytes / ram->file_count;
	struct mullion_ram_region machine[2];
	unsigned int count = mullion_cp_ram_layout(ram->bytes, q35, machine);

	for (unsigned int i = 0; i < count; i++) {
		uint64_t at = machine[i].offset, end = at + machine[i].bytes;

		while (at < end) {
			struct mullion_ram_region *region =
				&ram->map.regions[ram->map.region_count++];
			uint64_t next = (at / node + 1) * node;

			region->gpa = machine[i].gpa + at - machine[i].offset;
			region->offset = at % node;
			region->fd_index = (uint32_t)(at / node);
			region->bytes = (next < end ? next : end) - at;
			at += region->bytes;
		}
	}
}

/* ---- making --------------------------------------------------------------- */

static struct mullion_cp_ram *ram_alloc(void)
{
	struct mullion_cp_ram *ram = calloc(1, sizeof(*ram));

	if (!ram)
		return NULL;
	ram->refs = 1;
	ram->map.version = MULLION_RAM_MAP_VERSION;
	for (unsigned int i = 0; i < MULLION_CP_RAM_NODES_MAX; i++)
		ram->fds[i] = -1;
	return ram;
}

/*
 * Mapping huge pages sets them aside for the file, whoever touches them first;
 * a guest that was started without them would die by SIGBUS.
 */
static int ram_set_aside(int fd, uint64_t bytes)
{
	void *map = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (map == MAP_FAILED)
		return -errno;
	munmap(map, bytes);
	return 0;
}

static int ram_make_file(struct mullion_cp_ram *ram, unsigned int index, const char *name,
			 uint64_t bytes)
{
	unsigned int flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	char full[128];
	int fd, r = 0;

	if (ram->page_bytes)
		flags |= MFD_HUGETLB |
			 (unsigned int)__builtin_ctzll(ram->page_bytes) << MFD_HUGE_SHIFT;
	snprintf(full, sizeof(full), "mullion-ram-%s", name);
	fd = memfd_create(full, flags);
	if (fd < 0)
		return -errno;
	ram->fds[index] = fd;
	if (ftruncate(fd, (off_t)bytes) < 0)
		return -errno;
	if (ram->page_bytes)
		r = ram_set_aside(fd, bytes);
	if (!r && fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		r = -errno;
	return r;
}

static unsigned long ram_free_pages(uint64_t page_bytes)
{
	unsigned long pages = 0;
	char path[96];
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/mm/hugepages/hugepages-%llukB/free_hugepages",
		 (unsigned long long)page_bytes >> 10);
	f = fopen(path, "re");
	if (!f)
		return 0;
	if (fscanf(f, "%lu", &pages) != 1)
		pages = 0;
	fclose(f);
	return pages;
}

static int ram_refuse(const struct mullion_cp_ram_wish *wish, int r, struct mullion_error *err)
{
	const char *size = wish->page_bytes == 1ULL << 30 ? "1G" : "2M";
	char action[160];

	if (!wish->page_bytes)
		return mullion_error_set(err, r, "cannot make RAM for", wish->name, NULL, "%s",
					 strerror(-r));
	if (r != -ENOMEM && r != -ENOSPC)
		return mullion_error_set(err, -ENXIO, "cannot make RAM for", wish->name,
					 "leave out hugepages",
					 "this kernel has no huge pages of %s: %s", size,
					 strerror(-r));
	snprintf(action, sizeof(action),
		 "raise /sys/kernel/mm/hugepages/hugepages-%llukB/nr_hugepages, or leave out hugepages",
		 (unsigned long long)wish->page_bytes >> 10);
	return mullion_error_set(err, r, "cannot make RAM for", wish->name, action,
				 "it needs %llu huge pages of %s, and the host has %lu free",
				 (unsigned long long)(wish->bytes / wish->page_bytes), size,
				 ram_free_pages(wish->page_bytes));
}

int mullion_cp_ram_new(struct mullion_cp_ram **ret, const struct mullion_cp_ram_wish *wish,
		       struct mullion_error *err)
{
	uint64_t unit = wish->page_bytes ? wish->page_bytes : MULLION_CP_RAM_PAGE;
	struct mullion_cp_ram *ram;
	int r = 0;

	if (!wish->bytes || wish->bytes > MULLION_CP_RAM_BYTES_MAX)
		return mullion_error_set(err, -ERANGE, "cannot make RAM for", wish->name, NULL,
					 "guest-physical addresses are for at most %llu GiB of memory",
					 MULLION_CP_RAM_BYTES_MAX >> 30);
	if (!wish->nodes || wish->nodes > MULLION_CP_RAM_NODES_MAX ||
	    wish->bytes % (unit * wish->nodes))
		return mullion_error_set(err, -EINVAL, "cannot make RAM for", wish->name, NULL,
					 "%llu bytes are no whole pages for each of %u nodes",
					 (unsigned long long)wish->bytes, wish->nodes);
	ram = ram_alloc();
	if (!ram)
		return ram_refuse(wish, -ENOMEM, err);
	ram->bytes = wish->bytes;
	ram->page_bytes = wish->page_bytes;
	ram->file_count = wish->nodes;
	for (unsigned int i = 0; !r && i < wish->nodes; i++)
		r = ram_make_file(ram, i, wish->name, wish->bytes / wish->nodes);
	if (r < 0) {
		mullion_cp_ram_unref(ram);
		return ram_refuse(wish, r, err);
	}
	snprintf(ram->path, sizeof(ram->path), "/proc/%d/fd/%d", getpid(), ram->fds[0]);
	ram_lay_out(ram, wish->q35);
	*ret = ram;
	return 0;
}

/* ---- adopting --------------------------------------------------------------- */

static int ram_adopt_regions(struct mullion_cp_ram *ram, const char *name, uint64_t file_bytes,
			     const struct mullion_ram_region *regions, unsigned int count,
			     struct mullion_error *err)
{
	for (unsigned int i = 0; i < count; i++) {
		struct mullion_ram_region *region = &ram->map.regions[i];

		*region = (struct mullion_ram_region){
			.gpa = regions[i].gpa,
			.bytes = regions[i].bytes,
			.offset = regions[i].offset,
		};
		if (!region->bytes || !ram_pages(region->gpa | region->bytes | region->offset) ||
		    !mullion_range_ok(region->gpa, region->bytes, MULLION_RAM_ADDRESS_MAX))
			return mullion_error_set(err, -EINVAL, "cannot attach to", name, NULL,
				"region %#llx:%#llx:%#llx is not of whole pages below 2^46",
				(unsigned long long)region->offset,
				(unsigned long long)region->gpa,
				(unsigned long long)region->bytes);
		if (!mullion_range_ok(region->offset, region->bytes, file_bytes))
			return mullion_error_set(err, -ERANGE, "cannot attach to", name, NULL,
				"%s has %llu bytes, and region %#llx:%#llx:%#llx goes beyond them",
				ram->path, (unsigned long long)file_bytes,
				(unsigned long long)region->offset,
				(unsigned long long)region->gpa,
				(unsigned long long)region->bytes);
		for (unsigned int j = 0; j < i; j++) {
			const struct mullion_ram_region *other = &ram->map.regions[j];

			if (ram_overlap(region->gpa, region->bytes, other->gpa, other->bytes))
				return mullion_error_set(err, -EINVAL, "cannot attach to", name,
					NULL, "two regions overlap at address %#llx",
					(unsigned long long)(region->gpa > other->gpa ?
							     region->gpa : other->gpa));
		}
		ram->bytes += region->bytes;
		ram->map.region_count++;
	}
	return 0;
}

int mullion_cp_ram_adopt(struct mullion_cp_ram **ret, const char *name, const char *path,
			 const struct mullion_ram_region *regions, unsigned int count,
			 struct mullion_error *err)
{
	struct mullion_ram_region machine[2];
	struct mullion_cp_ram *ram = ram_alloc();
	char self[32];
	struct stat st;
	int fd, r;

	if (!ram)
		return mullion_error_set(err, -ENOMEM, "cannot attach to", name, NULL,
					 "out of memory");
	if (strlen(path) >= sizeof(ram->path) || count > MULLION_RAM_REGIONS_MAX) {
		r = mullion_error_set(err, -E2BIG, "cannot attach to", name, NULL,
				      "more than %d regions, or too long a path",
				      MULLION_RAM_REGIONS_MAX);
		goto fail;
	}
	strcpy(ram->path, path);
	/* What is no file is not even opened: a device would notice. */
	ram->fds[0] = open(path, O_PATH | O_CLOEXEC);
	if (ram->fds[0] < 0 || fstat(ram->fds[0], &st) < 0)
		goto fail_errno;
	if (!S_ISREG(st.st_mode)) {
		r = mullion_error_set(err, -EINVAL, "cannot attach to", name,
				      "give the file of the guest's RAM", "%s is no file", path);
		goto fail;
	}
	if (!st.st_size) {
		r = mullion_error_set(err, -EINVAL, "cannot attach to", name,
				      "give the file of the guest's RAM", "%s is empty", path);
		goto fail;
	}
	snprintf(self, sizeof(self), "/proc/self/fd/%d", ram->fds[0]);
	fd = open(self, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		goto fail_errno;
	close(ram->fds[0]);
	ram->fds[0] = fd;
	ram->file_count = 1;
	if (!count) {
		count = mullion_cp_ram_layout((uint64_t)st.st_size, false, machine);
		regions = machine;
	}
	r = ram_adopt_regions(ram, name, (uint64_t)st.st_size, regions, count, err);
	if (r < 0)
		goto fail;
	*ret = ram;
	return 0;
fail_errno:
	r = mullion_error_set(err, -errno, "cannot attach to", name, NULL, "%s: %s", path,
			      strerror(errno));
fail:
	mullion_cp_ram_unref(ram);
	return r;
}

struct mullion_cp_ram *mullion_cp_ram_ref(struct mullion_cp_ram *ram)
{
	ram->refs++;
	return ram;
}

struct mullion_cp_ram *mullion_cp_ram_unref(struct mullion_cp_ram *ram)
{
	if (!ram || --ram->refs)
		return NULL;
	for (unsigned int i = 0; i < ram->piece_count; i++) {
		mullion_guard_remove(&ram->pieces[i].guard);
		munmap(ram->pieces[i].guard.base, ram->pieces[i].guard.bytes);
	}
	for (unsigned int i = 0; i < MULLION_CP_RAM_NODES_MAX; i++)
		if (ram->fds[i] >= 0)
			close(ram->fds[i]);
	free(ram->places);
	free(ram);
	return NULL;
}

/* ---- reserved ranges ---------------------------------------------------------- */

/* Bytes of @region from @gpa on, at most @bytes. */
static uint64_t ram_within(const struct mullion_ram_region *region, uint64_t gpa, uint64_t bytes)
{
	uint64_t left;

	if (gpa < region->gpa || gpa - region->gpa >= region->bytes)
		return 0;
	left = region->bytes - (gpa - region->gpa);
	return bytes < left ? bytes : left;
}

static int ram_map_piece(struct mullion_cp_ram *ram, const struct mullion_ram_region *region,
			 uint64_t gpa, uint64_t bytes)
{
	struct mullion_cp_ram_piece *piece = &ram->pieces[ram->piece_count];
	int fd = ram->fds[region->fd_index];
	uint64_t offset = region->offset + (gpa - region->gpa);
	uint64_t unit = mullion_guard_unit(fd), skip = offset % unit;
	void *map;

	if (ram->piece_count == MULLION_CP_RAM_PIECES_MAX)
		return -ENOSPC;
	piece->guard.bytes = (skip + bytes + unit - 1) / unit * unit;
	piece->guard.unit = unit;
	map = mmap(NULL, piece->guard.bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		   (off_t)(offset - skip));
	if (map == MAP_FAILED)
		return -errno;
	piece->guard.base = map;
	piece->base = piece->guard.base + skip;
	piece->gpa = gpa;
	piece->bytes = bytes;
	mullion_guard_add(&piece->guard);
	ram->piece_count++;
	return 0;
}

static void ram_unmap_pieces(struct mullion_cp_ram *ram, unsigned int from)
{
	while (ram->piece_count > from) {
		struct mullion_guard *guard = &ram->pieces[--ram->piece_count].guard;

		mullion_guard_remove(guard);
		munmap(guard->base, guard->bytes);
	}
}

int mullion_cp_ram_reserve(struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes)
{
	unsigned int before = ram->piece_count;
	uint64_t at = gpa, left = bytes;
	int r;

	if (!bytes || !ram_pages(gpa | bytes) ||
	    !mullion_range_ok(gpa, bytes, MULLION_RAM_ADDRESS_MAX))
		return -EINVAL;
	if (ram->map.reserved_count == MULLION_RAM_RESERVED_MAX)
		return -ENOSPC;
	for (uint32_t i = 0; i < ram->map.reserved_count; i++)
		if (ram_overlap(gpa, bytes, ram->map.reserved[i].gpa, ram->map.reserved[i].bytes))
			return -EEXIST;
	while (left) {
		uint64_t part = 0;

		r = -ERANGE;
		for (uint32_t i = 0; !part && i < ram->map.region_count; i++) {
			part = ram_within(&ram->map.regions[i], at, left);
			if (part)
				r = ram_map_piece(ram, &ram->map.regions[i], at, part);
		}
		if (r < 0) {
			ram_unmap_pieces(ram, before);
			return r;
		}
		at += part;
		left -= part;
	}
	ram->map.reserved[ram->map.reserved_count].gpa = gpa;
	ram->map.reserved[ram->map.reserved_count++].bytes = bytes;
	return 0;
}

static const struct mullion_cp_ram_piece *ram_piece(const struct mullion_cp_ram *ram,
						    uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < ram->piece_count; i++) {
		const struct mullion_cp_ram_piece *piece = &ram->pieces[i];

		if (gpa >= piece->gpa && mullion_range_ok(gpa - piece->gpa, bytes, piece->bytes))
			return piece;
	}
	return NULL;
}

void *mullion_cp_ram_pointer(const struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes)
{
	const struct mullion_cp_ram_piece *piece = bytes ? ram_piece(ram, gpa, bytes) : NULL;

	return piece ? piece->base + (gpa - piece->gpa) : NULL;
}

bool mullion_cp_ram_lost(const struct mullion_cp_ram *ram)
{
	for (unsigned int i = 0; i < ram->piece_count; i++)
		if (ram->pieces[i].guard.lost)
			return true;
	return false;
}

/* ---- places ------------------------------------------------------------------- */

static int ram_place_add(struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes)
{
	struct mullion_cp_ram_place *places =
		realloc(ram->places, (ram->place_count + 1) * sizeof(*places));
	unsigned int at = 0;

	if (!places)
		return -ENOMEM;
	ram->places = places;
	while (at < ram->place_count && places[at].gpa < gpa)
		at++;
	memmove(&places[at + 1], &places[at], (ram->place_count - at) * sizeof(*places));
	places[at] = (struct mullion_cp_ram_place){ gpa, bytes, true };
	ram->place_count++;
	return 0;
}

/* The end of a place that is in the way of [@gpa, @gpa + @bytes); 0: none is. */
static uint64_t ram_in_the_way(const struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < ram->place_count; i++)
		if (ram_overlap(gpa, bytes, ram->places[i].gpa, ram->places[i].bytes))
			return ram->places[i].gpa + ram->places[i].bytes;
	return 0;
}

static uint64_t ram_page_up(uint64_t bytes)
{
	return (bytes + MULLION_CP_RAM_PAGE - 1) & ~(uint64_t)(MULLION_CP_RAM_PAGE - 1);
}

int mullion_cp_ram_place(struct mullion_cp_ram *ram, uint64_t bytes, uint64_t *ret_gpa)
{
	if (!bytes || bytes > MULLION_RAM_ADDRESS_MAX)
		return -ENOSPC;
	bytes = ram_page_up(bytes);
	for (unsigned int i = 0; i < ram->piece_count; i++) {
		const struct mullion_cp_ram_piece *piece = &ram->pieces[i];
		uint64_t gpa = piece->gpa, next;

		while (mullion_range_ok(gpa - piece->gpa, bytes, piece->bytes)) {
			next = ram_in_the_way(ram, gpa, bytes);
			if (!next) {
				int r = ram_place_add(ram, gpa, bytes);

				if (!r)
					*ret_gpa = gpa;
				return r;
			}
			gpa = next;
		}
	}
	return -ENOSPC;
}

int mullion_cp_ram_take(struct mullion_cp_ram *ram, uint64_t gpa, uint64_t bytes)
{
	if (!ram_pages(gpa) || !bytes || bytes > MULLION_RAM_ADDRESS_MAX)
		return -EINVAL;
	bytes = ram_page_up(bytes);
	if (!ram_piece(ram, gpa, bytes))
		return -ERANGE;
	if (ram_in_the_way(ram, gpa, bytes))
		return -EEXIST;
	return ram_place_add(ram, gpa, bytes);
}

void mullion_cp_ram_release(struct mullion_cp_ram *ram, uint64_t gpa)
{
	for (unsigned int i = 0; i < ram->place_count; i++)
		if (ram->places[i].gpa == gpa)
			ram->places[i].held = false;
}

void mullion_cp_ram_boot(struct mullion_cp_ram *ram)
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < ram->place_count; i++)
		if (ram->places[i].held)
			ram->places[kept++] = ram->places[i];
	ram->place_count = kept;
}

/* ---- for services ---------------------------------------------------------------- */

void mullion_cp_ram_describe_map(const struct mullion_cp_ram *ram, bool read_only,
				 struct mullion_ram_map *ret)
{
	*ret = ram->map;
	for (uint32_t i = 0; read_only && i < ret->region_count; i++)
		ret->regions[i].flags |= MULLION_RAM_READ_ONLY;
}

int mullion_cp_ram_send(const struct mullion_cp_ram *ram, bool read_only, int sock,
			uint64_t handle)
{
	int r = 0;

	for (unsigned int i = 0; !r && i < ram->file_count; i++) {
		char path[32];
		int fd;

		if (!read_only) {
			r = mullion_fd_send(sock, MULLION_FD_RAM, handle, i, &ram->fds[i], 1);
			continue;
		}
		snprintf(path, sizeof(path), "/proc/self/fd/%d", ram->fds[i]);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			return -errno;
		r = mullion_fd_send(sock, MULLION_FD_RAM, handle, i, &fd, 1);
		close(fd);
	}
	return r;
}

/* ---- for people ------------------------------------------------------------------- */

bool mullion_cp_ram_is(const struct mullion_cp_ram *ram, uint64_t device, uint64_t inode)
{
	for (unsigned int i = 0; i < ram->file_count; i++) {
		struct stat st;

		if (!fstat(ram->fds[i], &st) && st.st_dev == device && st.st_ino == inode)
			return true;
	}
	return false;
}

bool mullion_cp_ram_same(const struct mullion_cp_ram *a, const struct mullion_cp_ram *b)
{
	for (unsigned int i = 0; i < b->file_count; i++) {
		struct stat st;

		if (!fstat(b->fds[i], &st) && mullion_cp_ram_is(a, st.st_dev, st.st_ino))
			return true;
	}
	return false;
}

json_t *mullion_cp_ram_describe(const struct mullion_cp_ram *ram)
{
	json_t *regions = json_array(), *reserved = json_array();

	for (uint32_t i = 0; i < ram->map.region_count; i++) {
		const struct mullion_ram_region *region = &ram->map.regions[i];

		json_array_append_new(regions, json_pack("{s:I, s:I, s:I, s:i}",
			"gpa", (json_int_t)region->gpa, "bytes", (json_int_t)region->bytes,
			"offset", (json_int_t)region->offset, "file", (int)region->fd_index));
	}
	for (uint32_t i = 0; i < ram->map.reserved_count; i++)
		json_array_append_new(reserved, json_pack("{s:I, s:I}",
			"gpa", (json_int_t)ram->map.reserved[i].gpa,
			"bytes", (json_int_t)ram->map.reserved[i].bytes));
	return json_pack("{s:s, s:I, s:I, s:b, s:o, s:o}", "path", ram->path,
			 "bytes", (json_int_t)ram->bytes,
			 "page_bytes", (json_int_t)(ram->page_bytes ? ram->page_bytes :
						    MULLION_CP_RAM_PAGE),
			 "lost", mullion_cp_ram_lost(ram), "regions", regions,
			 "reserved", reserved);
}
