// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_guest_ram.c - guest RAM as the daemon has it: layouts, seals,
 * files of others, reserved ranges, places
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../channel/fdmsg.h"
#include "../../command/ram.h"
#include "../../service/common/ram.h"

#define MIB	(1ULL << 20)
#define GIB	(1ULL << 30)
#define HIGH	(4 * GIB)

static struct mullion_error err;

static struct mullion_cp_ram *make(uint64_t bytes, unsigned int nodes, bool q35)
{
	const struct mullion_cp_ram_wish wish = {
		.name = "web", .bytes = bytes, .nodes = nodes, .q35 = q35,
	};
	struct mullion_cp_ram *ram = NULL;

	assert_int_equal(mullion_cp_ram_new(&ram, &wish, &err), 0);
	return ram;
}

static void assert_region(const struct mullion_cp_ram *ram, unsigned int i, uint64_t gpa,
			  uint64_t bytes, uint32_t file, uint64_t offset)
{
	const struct mullion_ram_region *region = &ram->map.regions[i];

	assert_true(i < ram->map.region_count);
	assert_int_equal(region->gpa, gpa);
	assert_int_equal(region->bytes, bytes);
	assert_int_equal(region->fd_index, file);
	assert_int_equal(region->offset, offset);
}

/* As QEMU's documentation of max-ram-below-4g and its machine types have it. */
static void test_layouts(void **state)
{
	struct mullion_cp_ram *ram;

	(void)state;
	ram = make(512 * MIB, 1, false);
	assert_int_equal(ram->map.region_count, 1);
	assert_region(ram, 0, 0, 512 * MIB, 0, 0);
	mullion_cp_ram_unref(ram);

	ram = make(0xe0000000 - MIB, 1, false);
	assert_int_equal(ram->map.region_count, 1);
	mullion_cp_ram_unref(ram);

	ram = make(0xe0000000, 1, false);
	assert_int_equal(ram->map.region_count, 2);
	assert_region(ram, 0, 0, 0xc0000000, 0, 0);
	assert_region(ram, 1, HIGH, 0x20000000, 0, 0xc0000000);
	mullion_cp_ram_unref(ram);

	ram = make(0xb0000000 - MIB, 1, true);
	assert_int_equal(ram->map.region_count, 1);
	mullion_cp_ram_unref(ram);

	ram = make(0xb0000000, 1, true);
	assert_region(ram, 0, 0, 0x80000000, 0, 0);
	assert_region(ram, 1, HIGH, 0x30000000, 0, 0x80000000);
	mullion_cp_ram_unref(ram);
}

static void test_nodes(void **state)
{
	struct mullion_cp_ram *ram = make(8 * GIB, 4, false);

	(void)state;
	assert_int_equal(ram->file_count, 4);
	assert_int_equal(ram->map.region_count, 5);
	assert_region(ram, 0, 0, 2 * GIB, 0, 0);
	assert_region(ram, 1, 2 * GIB, GIB, 1, 0);
	assert_region(ram, 2, HIGH, GIB, 1, GIB);
	assert_region(ram, 3, HIGH + GIB, 2 * GIB, 2, 0);
	assert_region(ram, 4, HIGH + 3 * GIB, 2 * GIB, 3, 0);
	mullion_cp_ram_unref(ram);
}

static void test_sealed(void **state)
{
	struct mullion_cp_ram *ram = make(64 * MIB, 1, false);
	struct stat st;

	(void)state;
	assert_int_equal(fstat(ram->fds[0], &st), 0);
	assert_int_equal(st.st_size, 64 * MIB);
	assert_int_equal(st.st_blocks, 0);
	assert_int_equal(ftruncate(ram->fds[0], 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(ram->fds[0], 65 * MIB), -1);
	assert_int_equal(fcntl(ram->fds[0], F_GET_SEALS),
			 F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW);
	assert_true(mullion_cp_ram_is(ram, st.st_dev, st.st_ino));
	assert_false(mullion_cp_ram_is(ram, st.st_dev, st.st_ino + 1));
	assert_int_equal(stat(ram->path, &st), 0);
	assert_true(mullion_cp_ram_is(ram, st.st_dev, st.st_ino));
	mullion_cp_ram_unref(ram);
}

static void test_refused(void **state)
{
	struct mullion_cp_ram_wish wish = { .name = "web", .bytes = 512 * MIB, .nodes = 3 };
	struct mullion_cp_ram *ram = NULL;

	(void)state;
	assert_int_equal(mullion_cp_ram_new(&ram, &wish, &err), -EINVAL);
	wish.nodes = 1;
	wish.bytes = MULLION_CP_RAM_BYTES_MAX + MIB;
	assert_int_equal(mullion_cp_ram_new(&ram, &wish, &err), -ERANGE);
	/* No host has these many huge pages free, nor would it be noticed later. */
	wish.bytes = MULLION_CP_RAM_BYTES_MAX;
	wish.page_bytes = 2 * MIB;
	assert_true(mullion_cp_ram_new(&ram, &wish, &err) < 0);
	assert_non_null(strstr(err.why, "huge pages"));
	assert_null(ram);
}

/* ---- files of others ----------------------------------------------------------- */

static int file_make(uint64_t bytes, char path[static 64])
{
	int fd = memfd_create("others", MFD_CLOEXEC);

	assert_true(fd >= 0 && !ftruncate(fd, (off_t)bytes));
	snprintf(path, 64, "/proc/%d/fd/%d", getpid(), fd);
	return fd;
}

static void test_adopt(void **state)
{
	static const struct mullion_ram_region split[] = {
		{ .gpa = 0, .bytes = 16 * MIB },
		{ .gpa = HIGH, .bytes = 16 * MIB, .offset = 16 * MIB },
	};
	struct mullion_ram_region bad[2];
	struct mullion_cp_ram *ram = NULL;
	char path[64];
	int fd = file_make(32 * MIB, path);

	(void)state;
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, NULL, 0, &err), 0);
	assert_region(ram, 0, 0, 32 * MIB, 0, 0);
	assert_string_equal(ram->path, path);
	mullion_cp_ram_unref(ram);

	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, split, 2, &err), 0);
	assert_region(ram, 1, HIGH, 16 * MIB, 0, 16 * MIB);
	mullion_cp_ram_unref(ram);

	memcpy(bad, split, sizeof(bad));
	bad[1].bytes += 4096;			/* shorter than declared */
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, bad, 2, &err), -ERANGE);
	bad[1].bytes = 16 * MIB;
	bad[1].gpa = 12 * MIB;			/* one over the other */
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, bad, 2, &err), -EINVAL);
	bad[1].gpa = HIGH + 512;
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, bad, 2, &err), -EINVAL);
	bad[1].gpa = -4096ULL;			/* wraps */
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, bad, 2, &err), -EINVAL);
	bad[1] = split[1];
	bad[1].bytes = 0;
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, bad, 2, &err), -EINVAL);
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", "/dev/null", NULL, 0, &err), -EINVAL);
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", "/nowhere", NULL, 0, &err), -ENOENT);
	close(fd);
	fd = file_make(0, path);
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, NULL, 0, &err), -EINVAL);
	close(fd);
}

static void test_shortened(void **state)
{
	struct mullion_cp_ram *ram = NULL;
	char path[64];
	int fd = file_make(32 * MIB, path);
	volatile uint8_t *p;

	(void)state;
	assert_int_equal(mullion_guard_init(), 0);
	assert_int_equal(mullion_cp_ram_adopt(&ram, "a", path, NULL, 0, &err), 0);
	assert_int_equal(mullion_cp_ram_reserve(ram, 16 * MIB, MIB), 0);
	p = mullion_cp_ram_pointer(ram, 16 * MIB, MIB);
	*p = 7;
	assert_false(mullion_cp_ram_lost(ram));
	assert_int_equal(ftruncate(fd, MIB), 0);
	assert_int_equal(*p, 0);
	*p = 8;
	assert_true(mullion_cp_ram_lost(ram));
	mullion_cp_ram_unref(ram);
	close(fd);
}

/* ---- reserved ranges and places ------------------------------------------------- */

static void test_reserve(void **state)
{
	struct mullion_cp_ram *ram = make(8 * GIB, 2, false);
	uint8_t *p;

	(void)state;
	assert_null(mullion_cp_ram_pointer(ram, 16 * MIB, 1));
	assert_int_equal(mullion_cp_ram_reserve(ram, 16 * MIB, 4 * MIB), 0);
	assert_int_equal(mullion_cp_ram_reserve(ram, 16 * MIB + 512, MIB), -EINVAL);
	assert_int_equal(mullion_cp_ram_reserve(ram, 64 * MIB, 0), -EINVAL);
	assert_int_equal(mullion_cp_ram_reserve(ram, -4096ULL, 8192), -EINVAL);
	assert_int_equal(mullion_cp_ram_reserve(ram, 20 * MIB - 4096, 8192), -EEXIST);
	/* into the hole for PCI, within it, beyond the end */
	assert_int_equal(mullion_cp_ram_reserve(ram, 3 * GIB - 4096, 8192), -ERANGE);
	assert_int_equal(mullion_cp_ram_reserve(ram, 0xf0000000, MIB), -ERANGE);
	assert_int_equal(mullion_cp_ram_reserve(ram, 9 * GIB - 4096, 8192), -ERANGE);
	assert_int_equal(ram->map.reserved_count, 1);
	/* the high part begins at byte 3 GiB of RAM */
	assert_int_equal(mullion_cp_ram_reserve(ram, HIGH + MIB, MIB), 0);
	p = mullion_cp_ram_pointer(ram, HIGH + MIB, MIB);
	assert_non_null(p);
	p[5] = 42;
	assert_null(mullion_cp_ram_pointer(ram, HIGH + MIB, MIB + 1));
	assert_null(mullion_cp_ram_pointer(ram, HIGH + MIB - 1, 2));
	assert_null(mullion_cp_ram_pointer(ram, HIGH + MIB, 0));
	assert_null(mullion_cp_ram_pointer(ram, HIGH + MIB + 4096, -4096ULL));
	assert_int_equal(pread(ram->fds[0], &err, 1, (off_t)(3 * GIB + MIB + 5)), 1);
	assert_int_equal(*(uint8_t *)&err, 42);
	/* over the border of two files: reserved, but no place lies across */
	assert_int_equal(mullion_cp_ram_reserve(ram, HIGH + GIB - 8192, 16384), 0);
	assert_non_null(mullion_cp_ram_pointer(ram, HIGH + GIB - 8192, 8192));
	assert_non_null(mullion_cp_ram_pointer(ram, HIGH + GIB, 8192));
	assert_null(mullion_cp_ram_pointer(ram, HIGH + GIB - 4096, 8192));
	mullion_cp_ram_unref(ram);
}

static void test_places(void **state)
{
	struct mullion_cp_ram *ram = make(64 * MIB, 1, false);
	uint64_t a, b, c, d;

	(void)state;
	assert_int_equal(mullion_cp_ram_place(ram, 1, &a), -ENOSPC);
	assert_int_equal(mullion_cp_ram_reserve(ram, 8 * MIB, 32768), 0);
	assert_int_equal(mullion_cp_ram_reserve(ram, 16 * MIB, 8192), 0);
	assert_int_equal(mullion_cp_ram_take(ram, 8 * MIB + 4096, 5000), 0);
	assert_int_equal(mullion_cp_ram_take(ram, 8 * MIB + 8192, 4096), -EEXIST);
	assert_int_equal(mullion_cp_ram_take(ram, 8 * MIB + 100, 4096), -EINVAL);
	assert_int_equal(mullion_cp_ram_take(ram, 9 * MIB, 4096), -ERANGE);
	assert_int_equal(mullion_cp_ram_take(ram, 16 * MIB + 4096, 8192), -ERANGE);
	/* before what was taken, behind it, in the other range */
	assert_int_equal(mullion_cp_ram_place(ram, 4096, &a), 0);
	assert_int_equal(a, 8 * MIB);
	assert_int_equal(mullion_cp_ram_place(ram, 20000, &b), 0);
	assert_int_equal(b, 8 * MIB + 12288);
	assert_int_equal(mullion_cp_ram_place(ram, 4097, &c), 0);
	assert_int_equal(c, 16 * MIB);
	assert_int_equal(mullion_cp_ram_place(ram, 1, &d), -ENOSPC);
	/* given back, but not again in this boot */
	mullion_cp_ram_release(ram, b);
	assert_int_equal(mullion_cp_ram_place(ram, 1, &d), -ENOSPC);
	assert_int_equal(mullion_cp_ram_take(ram, b, 4096), -EEXIST);
	mullion_cp_ram_boot(ram);
	assert_int_equal(mullion_cp_ram_place(ram, 1, &d), 0);
	assert_int_equal(d, b);
	assert_int_equal(mullion_cp_ram_take(ram, a, 4096), -EEXIST);
	mullion_cp_ram_unref(ram);
}

/* ---- what a service gets ---------------------------------------------------------- */

static void receive(int sock, unsigned int count, int *fds)
{
	for (unsigned int i = 0; i < count; i++) {
		struct mullion_fd_message message;
		int got[MULLION_FD_BATCH];

		assert_int_equal(mullion_fd_recv(sock, &message, got), 1);
		assert_int_equal(message.role, MULLION_FD_RAM);
		assert_int_equal(message.handle, 77);
		assert_int_equal(message.count, 1);
		fds[message.index] = got[0];
	}
}

static void test_service(void **state)
{
	struct mullion_cp_ram *ram = make(8 * GIB, 2, false);
	struct mullion_ram_map map;
	struct mullion_memory memory;
	struct mullion_ram *seen;
	int fds[2], sock[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sock), 0);
	assert_int_equal(mullion_cp_ram_reserve(ram, 16 * MIB, MIB), 0);
	for (int read_only = 0; read_only < 2; read_only++) {
		mullion_cp_ram_describe_map(ram, read_only, &map);
		assert_int_equal(mullion_cp_ram_send(ram, read_only, sock[0], 77), 0);
		receive(sock[1], 2, fds);
		assert_int_equal(fcntl(fds[1], F_GETFL) & O_ACCMODE,
				 read_only ? O_RDONLY : O_RDWR);
		assert_int_equal(mullion_ram_open(&seen, &map, fds, 2), 0);
		memset(&memory, 0, sizeof(memory));
		mullion_ram_memory(seen, &memory);
		assert_int_equal(memory.read_only, read_only);
		assert_int_equal(pwrite(ram->fds[1], "x", 1, 3), 1);
		assert_int_equal(*(char *)mullion_memory_at(&memory, HIGH + GIB + 3, 1), 'x');
		assert_null(mullion_memory_at(&memory, 16 * MIB, 1));
		assert_int_equal(!mullion_ram_channel(seen, 16 * MIB, 4096), read_only);
		mullion_ram_close(seen);
		close(fds[0]);
		close(fds[1]);
	}
	close(sock[0]);
	close(sock[1]);
	mullion_cp_ram_unref(ram);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_layouts),
		cmocka_unit_test(test_nodes),
		cmocka_unit_test(test_sealed),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_adopt),
		cmocka_unit_test(test_shortened),
		cmocka_unit_test(test_reserve),
		cmocka_unit_test(test_places),
		cmocka_unit_test(test_service),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
