// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_ram.c - guest-physical addresses: what is data, what is not,
 * and memory that goes away
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../channel/guard.h"
#include "../../service/common/ram.h"

#define MIB (1ULL << 20)
#define FILE_BYTES (16 * MIB)

static int file;
static uint8_t *shared;		/* the guest's view */

/* 8 MiB from 0 in two regions, 8 MiB from 4 GiB; 1 MiB reserved across the two. */
static struct mullion_ram_map map_make(void)
{
	return (struct mullion_ram_map){
		.version = MULLION_RAM_MAP_VERSION,
		.region_count = 3,
		.reserved_count = 2,
		.regions = {
			{ .gpa = 0x100000000, .bytes = 8 * MIB, .offset = 8 * MIB },
			{ .gpa = 0, .bytes = 4 * MIB },
			{ .gpa = 4 * MIB, .bytes = 4 * MIB, .offset = 4 * MIB },
		},
		.reserved = {
			{ .gpa = 6 * MIB, .bytes = MIB },
			{ .gpa = 0xf0000000, .bytes = MIB },
		},
	};
}

static int setup(void **state)
{
	(void)state;
	file = memfd_create("ram", MFD_CLOEXEC);
	if (file < 0 || ftruncate(file, FILE_BYTES))
		return -1;
	shared = mmap(NULL, FILE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	return shared == MAP_FAILED;
}

static int teardown(void **state)
{
	(void)state;
	munmap(shared, FILE_BYTES);
	close(file);
	return 0;
}

static void addresses(void **state)
{
	static const struct {
		uint64_t address, bytes;
		bool data;
	} cases[] = {
		{ 0, 1, true },
		{ 0, 6 * MIB, true },			/* over a border of regions */
		{ 4 * MIB - 1, 2, true },
		{ 0, 6 * MIB + 1, false },		/* into the reserved range */
		{ 6 * MIB - 1, 2, false },
		{ 6 * MIB, 1, false },
		{ 7 * MIB - 1, 1, false },
		{ 7 * MIB - 1, 2, false },
		{ 7 * MIB, MIB, true },
		{ 7 * MIB, MIB + 1, false },		/* into the hole */
		{ 8 * MIB, 1, false },
		{ 8 * MIB, 0, false },
		{ 5 * MIB, 3 * MIB, false },		/* over the reserved range */
		{ 0xc0000000, 512, false },
		{ 0xf0000000, 512, false },
		{ 0xffffffff, 2, false },
		{ 0x100000000, 8 * MIB, true },
		{ 0x100000000 + 8 * MIB - 1, 1, true },
		{ 0x100000000 + 8 * MIB - 1, 2, false },
		{ 0x100000000 + 8 * MIB, 1, false },
		{ UINT64_MAX, 1, false },
		{ UINT64_MAX, UINT64_MAX, false },
		{ UINT64_MAX - 511, 1024, false },	/* wraps */
		{ 4096, UINT64_MAX - 4095, false },
		{ 4096, UINT64_MAX, false },
		{ 1ULL << 63, 1ULL << 63, false },
	};
	struct mullion_ram_map map = map_make();
	struct mullion_memory memory = { 0 };
	struct mullion_ram *ram;

	(void)state;
	assert_int_equal(mullion_ram_open(&ram, &map, &file, 1), 0);
	mullion_ram_memory(ram, &memory);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		void *at = mullion_memory_at(&memory, cases[i].address, cases[i].bytes);

		if (!!at != cases[i].data)
			fail_msg("case %zu", i);
	}
	/* The bytes are the guest's, also on the far side of a border. */
	memcpy(shared + 4 * MIB - 2, "abcd", 4);
	assert_memory_equal(mullion_memory_at(&memory, 4 * MIB - 2, 4), "abcd", 4);
	memcpy(shared + 8 * MIB, "high", 4);
	assert_memory_equal(mullion_memory_at(&memory, 0x100000000, 4), "high", 4);
	assert_false(mullion_ram_lost(ram));

	assert_non_null(mullion_ram_channel(ram, 6 * MIB, MIB));
	assert_null(mullion_ram_channel(ram, 6 * MIB + 4, 128));
	assert_null(mullion_ram_channel(ram, 6 * MIB, MIB + 1));
	assert_null(mullion_ram_channel(ram, 6 * MIB - 8, 128));
	assert_null(mullion_ram_channel(ram, 5 * MIB, 128));
	assert_null(mullion_ram_channel(ram, 0xf0000000, 128));
	mullion_ram_close(ram);
}

/* The reserved range at the very start, several in a row, one over a border. */
static void reserved(void **state)
{
	struct mullion_ram_map map = map_make();
	struct mullion_memory memory = { 0 };
	struct mullion_ram *ram;

	(void)state;
	map.reserved_count = 4;
	map.reserved[0] = (struct mullion_ram_range){ 0, MIB };
	map.reserved[1] = (struct mullion_ram_range){ MIB, MIB };
	map.reserved[2] = (struct mullion_ram_range){ 3 * MIB, 2 * MIB };
	map.reserved[3] = (struct mullion_ram_range){ 7 * MIB, 2 * MIB };
	assert_int_equal(mullion_ram_open(&ram, &map, &file, 1), 0);
	mullion_ram_memory(ram, &memory);
	assert_null(mullion_memory_at(&memory, 0, 1));
	assert_null(mullion_memory_at(&memory, 2 * MIB - 1, 2));
	assert_non_null(mullion_memory_at(&memory, 2 * MIB, MIB));
	assert_null(mullion_memory_at(&memory, 2 * MIB, MIB + 1));
	assert_null(mullion_memory_at(&memory, 4 * MIB, 1));
	assert_non_null(mullion_memory_at(&memory, 5 * MIB, 2 * MIB));
	assert_null(mullion_memory_at(&memory, 7 * MIB, 1));
	assert_non_null(mullion_ram_channel(ram, 3 * MIB, 2 * MIB));
	/* Partly no memory: no channels there. */
	assert_null(mullion_ram_channel(ram, 7 * MIB, 128));
	mullion_ram_close(ram);
}

static void bad_maps(void **state)
{
	struct mullion_ram *ram = NULL;
	struct mullion_ram_map map;

	(void)state;
#define REFUSED(change, error) do {						\
		map = map_make();						\
		change;								\
		assert_int_equal(mullion_ram_open(&ram, &map, &file, 1), -(error));	\
	} while (0)
	REFUSED(map.version = 2, EINVAL);
	REFUSED(map.region_count = 0, EINVAL);
	REFUSED(map.region_count = MULLION_RAM_REGIONS_MAX + 1, EINVAL);
	REFUSED(map.reserved_count = UINT32_MAX, EINVAL);
	REFUSED(map.regions[1].bytes = 5 * MIB, EINVAL);		/* overlap */
	REFUSED(map.regions[1].bytes = 0, EINVAL);
	REFUSED(map.regions[1].gpa = 12, EINVAL);
	REFUSED(map.regions[1].offset = 12, EINVAL);
	REFUSED(map.regions[1].flags = 2, EINVAL);
	REFUSED(map.regions[0].gpa = UINT64_MAX - 4095, EINVAL);
	REFUSED(map.regions[0].bytes = UINT64_MAX - 4095, EINVAL);
	REFUSED(map.reserved[0].gpa = 1, EINVAL);
	REFUSED(map.regions[0].offset = 12 * MIB, ERANGE);		/* shorter file */
	REFUSED(map.regions[0].offset = UINT64_MAX - 4095, ERANGE);
	REFUSED(map.regions[0].fd_index = 1, ENOENT);
#undef REFUSED
	assert_null(ram);
}

static void read_only(void **state)
{
	struct mullion_ram_map map = map_make();
	struct mullion_memory memory = { 0 };
	struct mullion_ram *ram;
	volatile uint8_t *at;

	(void)state;
	for (unsigned int i = 0; i < 3; i++)
		map.regions[i].flags = MULLION_RAM_READ_ONLY;
	assert_int_equal(mullion_ram_open(&ram, &map, &file, 1), 0);
	mullion_ram_memory(ram, &memory);
	assert_true(memory.read_only);
	assert_null(mullion_ram_channel(ram, 6 * MIB, 128));
	shared[4096] = 7;
	at = mullion_memory_at(&memory, 4096, 1);
	assert_int_equal(*at, 7);
	assert_false(mullion_ram_lost(ram));
	/* A write anyway costs that guest, and changes nothing of it. */
	assert_int_equal(mullion_guard_init(), 0);
	*at = 8;
	assert_true(mullion_ram_lost(ram));
	assert_int_equal(shared[4096], 7);
	mullion_ram_close(ram);
}

static void shrinks(void **state)
{
	struct mullion_ram_map map = map_make();
	struct mullion_memory memory = { 0 };
	struct mullion_ram *ram, *other;
	volatile uint8_t *at;
	int own = memfd_create("other", MFD_CLOEXEC);

	(void)state;
	assert_int_equal(ftruncate(own, FILE_BYTES), 0);
	assert_int_equal(mullion_ram_open(&other, &map, &file, 1), 0);
	assert_int_equal(mullion_ram_open(&ram, &map, &own, 1), 0);
	mullion_ram_memory(ram, &memory);
	at = mullion_memory_at(&memory, 0x100000000 + 4 * MIB, 4096);
	*at = 3;
	assert_int_equal(mullion_guard_init(), 0);	/* cmocka has its own, for each test */
	assert_int_equal(ftruncate(own, 9 * MIB), 0);
	assert_int_equal(*at, 0);
	assert_true(mullion_ram_lost(ram));
	assert_false(mullion_ram_lost(other));
	*at = 4;
	assert_int_equal(*at, 4);
	/* The rest of it is as before. */
	at = mullion_memory_at(&memory, 0x100000000, 1);
	*at = 5;
	assert_int_equal(*at, 5);
	mullion_ram_close(ram);
	mullion_ram_close(other);
	close(own);
}

/* The kernel maps whole pages, at addresses that are multiples of them. */
static void huge_pages(void **state)
{
	struct mullion_ram_map map = {
		.version = MULLION_RAM_MAP_VERSION,
		.region_count = 1,
		.regions = { { .gpa = 0, .bytes = 4096 } },
	};
	int huge = memfd_create("ram", MFD_CLOEXEC | MFD_HUGETLB);
	struct mullion_ram *ram;
	int ret;

	(void)state;
	if (huge < 0 || ftruncate(huge, FILE_BYTES)) {
		if (huge >= 0)
			close(huge);
		skip();
	}
	/* there need not be any */
	for (int i = 0; i < 8; i++) {
		ret = mullion_ram_open(&ram, &map, &huge, 1);
		assert_true(!ret || ret == -ENOMEM);
		if (!ret)
			mullion_ram_close(ram);
	}
	close(huge);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses),
		cmocka_unit_test(reserved),
		cmocka_unit_test(bad_maps),
		cmocka_unit_test(read_only),
		cmocka_unit_test(shrinks),
		cmocka_unit_test(huge_pages),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
