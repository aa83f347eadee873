// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/ram.c - the guest's physical memory, in a file
 */
#include "ram.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "check.h"

#define RAM_RANGES	16
#define RAM_LOW		0x100000U	/* nothing is taken below */
#define RAM_POISON	0xa5
#define RAM_SEGMENT	65536U		/* Linux's limit of one piece */

/* Page states. */
#define RAM_FRESH	0	/* never used: no pattern yet */
#define RAM_FREE	1
#define RAM_USED	2

static struct ram_region {
	uint64_t gpa;
	uint64_t offset;
	uint64_t bytes;
	uint8_t *base;
	uint8_t *pages;		/* their states */
} ram_regions[RAM_RANGES];
static unsigned int ram_region_count;

static struct ram_range ram_reserved[RAM_RANGES];
static unsigned int ram_reserved_count;

static pthread_mutex_t ram_lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t ram_seed = 0x9e3779b97f4a7c15ULL;

static void ram_die(const char *what)
{
	fprintf(stderr, "intree-guest: %s\n", what);
	exit(2);
}

void ram_add_region(uint64_t gpa, uint64_t offset, uint64_t bytes)
{
	if (ram_region_count == RAM_RANGES || gpa % RAM_PAGE || offset % RAM_PAGE)
		ram_die("too many regions, or one that is not page-aligned");
	ram_regions[ram_region_count++] = (struct ram_region){
		.gpa = gpa, .offset = offset, .bytes = bytes,
	};
}

void ram_add_reserved(uint64_t start, uint64_t bytes)
{
	if (ram_reserved_count == RAM_RANGES)
		ram_die("too many reserved ranges");
	ram_reserved[ram_reserved_count++] = (struct ram_range){ start, bytes };
}

static bool ram_inside(uint64_t start, uint64_t bytes, uint64_t from, uint64_t size)
{
	return bytes <= size && start >= from && start - from <= size - bytes;
}

static bool ram_touches(uint64_t a, uint64_t a_bytes, uint64_t b, uint64_t b_bytes)
{
	return a < b + b_bytes && b < a + a_bytes;
}

/* Pages that are no memory of the guest's are in use for ever. */
static void ram_mark(struct ram_region *region)
{
	for (uint64_t i = 0; i < region->bytes / RAM_PAGE; i++) {
		uint64_t gpa = region->gpa + i * RAM_PAGE;

		if (gpa < RAM_LOW)
			region->pages[i] = RAM_USED;
		for (unsigned int j = 0; j < ram_reserved_count; j++) {
			if (ram_touches(gpa, RAM_PAGE, ram_reserved[j].start,
					ram_reserved[j].bytes))
				region->pages[i] = RAM_USED;
		}
	}
}

int ram_open(const char *path)
{
	struct stat st;
	int fd, ret = 0;

	fd = open(path, O_RDWR | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		ret = -errno;
	if (!ret && !ram_region_count)
		ram_add_region(0, 0, (uint64_t)st.st_size & ~(uint64_t)(RAM_PAGE - 1));
	for (unsigned int i = 0; !ret && i < ram_region_count; i++) {
		struct ram_region *region = &ram_regions[i];

		if (!ram_inside(region->offset, region->bytes, 0, (uint64_t)st.st_size)) {
			ret = -ERANGE;
			break;
		}
		region->base = mmap(NULL, region->bytes, PROT_READ | PROT_WRITE,
				    MAP_SHARED, fd, (off_t)region->offset);
		if (region->base == MAP_FAILED) {
			ret = -errno;
			break;
		}
		region->pages = calloc(region->bytes / RAM_PAGE + 1, 1);
		if (!region->pages)
			ram_die("no memory");
		ram_mark(region);
	}
	close(fd);
	return ret;
}

static struct ram_region *ram_region_of(uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < ram_region_count; i++) {
		if (ram_inside(gpa, bytes, ram_regions[i].gpa, ram_regions[i].bytes))
			return &ram_regions[i];
	}
	return NULL;
}

void *ram_at(uint64_t gpa, uint64_t bytes)
{
	struct ram_region *region = ram_region_of(gpa, bytes);

	return region ? region->base + (gpa - region->gpa) : NULL;
}

bool ram_is_reserved(uint64_t gpa, uint64_t bytes)
{
	for (unsigned int i = 0; i < ram_reserved_count; i++) {
		if (ram_inside(gpa, bytes, ram_reserved[i].start, ram_reserved[i].bytes))
			return ram_at(gpa, bytes) != NULL;
	}
	return false;
}

uint64_t ram_end(void)
{
	uint64_t end = 0;

	for (unsigned int i = 0; i < ram_region_count; i++) {
		if (ram_regions[i].gpa + ram_regions[i].bytes > end)
			end = ram_regions[i].gpa + ram_regions[i].bytes;
	}
	return end;
}

uint64_t ram_reserved_address(void)
{
	return ram_reserved[0].start;
}

uint32_t ram_random(uint32_t limit)
{
	uint64_t seed = __atomic_add_fetch(&ram_seed, 0x9e3779b97f4a7c15ULL, __ATOMIC_RELAXED);

	seed = (seed ^ (seed >> 30)) * 0xbf58476d1ce4e5b9ULL;
	seed = (seed ^ (seed >> 27)) * 0x94d049bb133111ebULL;
	seed ^= seed >> 31;
	return (uint32_t)(seed >> 32) % limit;
}

static bool ram_is_poison(const uint8_t *bytes, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (bytes[i] != RAM_POISON)
			return false;
	}
	return true;
}

/* The first run of @count free pages at or after @start; region->bytes if none. */
static uint64_t ram_find_run(const struct ram_region *region, uint64_t start,
			     unsigned int count)
{
	uint64_t pages = region->bytes / RAM_PAGE;
	unsigned int run = 0;

	for (uint64_t i = start; i < pages; i++) {
		run = region->pages[i] == RAM_USED ? 0 : run + 1;
		if (run == count)
			return i + 1 - count;
	}
	return pages;
}

static struct ram_region *ram_take(unsigned int count, uint64_t *ret_page)
{
	unsigned int first = ram_random(ram_region_count);

	for (unsigned int i = 0; i < ram_region_count * 2; i++) {
		struct ram_region *region = &ram_regions[(first + i) % ram_region_count];
		uint64_t pages = region->bytes / RAM_PAGE;
		uint64_t start = i < ram_region_count && pages ?
			ram_random((uint32_t)pages) : 0;
		uint64_t page = ram_find_run(region, start, count);

		if (page < pages) {
			*ret_page = page;
			return region;
		}
	}
	ram_die("the guest's memory is used up");
	return NULL;
}

struct ram_piece ram_alloc(uint32_t bytes, uint32_t offset)
{
	unsigned int count = (offset + bytes + RAM_PAGE - 1) / RAM_PAGE;
	struct ram_region *region;
	uint64_t page = 0;

	if (!count)
		count = 1;
	pthread_mutex_lock(&ram_lock);
	region = ram_take(count, &page);
	for (uint64_t i = page; i < page + count; i++) {
		uint8_t *memory = region->base + i * RAM_PAGE;

		if (region->pages[i] == RAM_FREE)
			check(CHECK_FREED, ram_is_poison(memory, RAM_PAGE),
			      "the free page at 0x%llx was written",
			      (unsigned long long)(region->gpa + i * RAM_PAGE));
		memset(memory, RAM_POISON, RAM_PAGE);
		region->pages[i] = RAM_USED;
	}
	pthread_mutex_unlock(&ram_lock);
	return (struct ram_piece){ region->gpa + page * RAM_PAGE + offset, bytes };
}

void ram_free(const struct ram_piece *piece)
{
	struct ram_region *region = ram_region_of(piece->gpa, piece->bytes);
	uint64_t first = (piece->gpa - region->gpa) / RAM_PAGE;
	uint64_t start = piece->gpa - region->gpa - first * RAM_PAGE;
	uint64_t count = (start + piece->bytes + RAM_PAGE - 1) / RAM_PAGE;
	uint8_t *memory = region->base + first * RAM_PAGE;

	if (!count)
		count = 1;
	check(CHECK_HBA_BOUNDS, ram_is_poison(memory, start) &&
	      ram_is_poison(memory + start + piece->bytes,
			    count * RAM_PAGE - start - piece->bytes),
	      "bytes beside the %u at 0x%llx were written", piece->bytes,
	      (unsigned long long)piece->gpa);
	memset(memory, RAM_POISON, count * RAM_PAGE);
	pthread_mutex_lock(&ram_lock);
	memset(&region->pages[first], RAM_FREE, count);
	pthread_mutex_unlock(&ram_lock);
}

void ram_list_alloc(struct ram_list *list, uint32_t bytes, unsigned int count)
{
	uint32_t left = bytes;

	if (count > bytes)
		count = bytes;
	list->count = 0;
	list->bytes = bytes;
	while (left) {
		unsigned int more = count - list->count - 1;
		uint32_t piece = left - more;

		/* What the rest can hold at most must not be exceeded by what is left. */
		if (more) {
			uint32_t mean = left / (more + 1);

			piece = 1 + ram_random(2 * mean < piece ? 2 * mean : piece);
			if (left - piece > more * RAM_SEGMENT)
				piece = left - more * RAM_SEGMENT;
		}
		list->pieces[list->count++] = ram_alloc(piece, ram_random(RAM_PAGE));
		left -= piece;
	}
}

void ram_list_free(struct ram_list *list)
{
	for (unsigned int i = 0; i < list->count; i++)
		ram_free(&list->pieces[i]);
	list->count = 0;
}

void ram_list_write(const struct ram_list *list, const void *data)
{
	const uint8_t *from = data;

	for (unsigned int i = 0; i < list->count; i++) {
		memcpy(ram_at(list->pieces[i].gpa, list->pieces[i].bytes), from,
		       list->pieces[i].bytes);
		from += list->pieces[i].bytes;
	}
}

void ram_list_read(const struct ram_list *list, void *data)
{
	uint8_t *to = data;

	for (unsigned int i = 0; i < list->count; i++) {
		memcpy(to, ram_at(list->pieces[i].gpa, list->pieces[i].bytes),
		       list->pieces[i].bytes);
		to += list->pieces[i].bytes;
	}
}
