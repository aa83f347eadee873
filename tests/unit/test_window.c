// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_window.c - windows as the daemon makes them, looked at with
 *	the eyes of a peer
 */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../abi/bus.h"
#include "../../abi/ext.h"
#include "../../abi/guid.h"
#include "../../channel/window.h"
#include "../../command/core.h"
#include "../../command/window.h"

static struct mullion_core core = { .window_id_next = 7 };
static const guid_t guest = { { 1, 2, 3 } };
static const guid_t service = { { 4, 5, 6 } };

static void test_command(void **state)
{
	struct mullion_cp_window *w;
	struct mullion_window peer;

	(void)state;
	assert_int_equal(mullion_cp_window_new_command(&core, &guest, &service, &w), 0);
	assert_int_equal(w->size, 1 << 20);
	assert_int_equal(w->vectors, 2);
	assert_int_equal(mullion_window_open(&peer, w->memfd, MULLION_WINDOW_COMMAND), 0);
	assert_int_equal(peer.id, w->id);
	assert_memory_equal(&peer.partition, &guest, sizeof(guest));
	assert_memory_equal(&peer.service, &service, sizeof(service));
	assert_int_equal(peer.area_count, 1);
	assert_int_equal(peer.areas[0].bytes, MULLION_CONTROL_AREA_BYTES);
	mullion_window_close(&peer);
	mullion_cp_window_free(w);
}

static void test_sealed_and_allocated(void **state)
{
	struct mullion_cp_window *w;
	struct stat st;

	(void)state;
	assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service, 0, 0, &w), 0);
	assert_int_equal(fstat(w->memfd, &st), 0);
	assert_int_equal(st.st_size, (off_t)w->size);
	assert_int_equal(st.st_blocks * 512, (off_t)w->size);
	assert_int_equal(ftruncate(w->memfd, 4096), -1);
	assert_int_equal(errno, EPERM);
	assert_int_equal(ftruncate(w->memfd, (off_t)w->size * 2), -1);
	assert_int_equal(fcntl(w->memfd, F_ADD_SEALS, F_SEAL_WRITE), -1);
	mullion_cp_window_free(w);
}

static void test_bus_sizes(void **state)
{
	static const struct {
		uint64_t channels, pool, size;
	} cases[] = {
		{ 0, 0, 1 << 20 },
		{ 20480, (1 << 20) - 24576, 1 << 20 },
		{ 20480, (1 << 20) - 24575, 1 << 21 },
		{ 500000, 8 << 20, 1 << 24 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mullion_cp_window *w;
		struct mullion_window peer;
		const struct mullion_window_area *channels, *pool;

		assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service,
				cases[i].channels, cases[i].pool, &w), 0);
		assert_int_equal(w->size, cases[i].size);
		assert_int_equal(mullion_window_open(&peer, w->memfd, MULLION_WINDOW_BUS), 0);
		channels = mullion_window_area(&peer, MULLION_AREA_CHANNELS);
		pool = mullion_window_area(&peer, MULLION_AREA_POOL);
		assert_non_null(channels);
		assert_non_null(pool);
		assert_true(channels->bytes >= cases[i].channels);
		assert_true(channels->bytes >= MULLION_BUS_CHANNEL_BYTES);
		assert_true(pool->bytes >= cases[i].pool);
		assert_int_equal(pool->offset + pool->bytes, w->size);
		mullion_window_close(&peer);
		mullion_cp_window_free(w);
	}
}

static void test_too_large(void **state)
{
	struct mullion_cp_window *w = NULL;

	(void)state;
	assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service,
			UINT64_MAX, 4096, &w), -E2BIG);
	assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service,
			4096, MULLION_BUS_WINDOW_MAX, &w), -E2BIG);
	assert_null(w);
}

static void test_bus_view(void **state)
{
	struct mullion_cp_window *w;

	(void)state;
	assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service, 0, 0, &w), 0);
	/* the daemon has nothing but the bus channel of it, and cannot write */
	assert_int_equal(w->map_offset, 4096);
	assert_int_equal(w->map_bytes, 20480);
	mullion_cp_window_free(w);
}

static void test_doorbells(void **state)
{
	struct mullion_cp_window *w;
	uint64_t count;

	(void)state;
	assert_int_equal(mullion_cp_window_new_bus(&core, &guest, &service, 0, 0, &w), 0);
	mullion_cp_window_ring(w, 1, 3);
	mullion_cp_window_ring(w, 1, 3 + MULLION_BUS_VECTORS);
	assert_int_equal(read(w->doorbells[1][3], &count, sizeof(count)), 8);
	assert_int_equal(count, 2);
	assert_int_equal(read(w->doorbells[0][3], &count, sizeof(count)), -1);
	mullion_cp_window_free(w);
}

/* A peer shares the file description: it can fill the counter and make it block. */
static void test_doorbell_that_blocks(void **state)
{
	struct mullion_cp_window *w;
	int fd;

	(void)state;
	assert_int_equal(mullion_cp_window_new_command(&core, &guest, &service, &w), 0);
	fd = w->doorbells[1][0];
	assert_int_equal(eventfd_write(fd, UINT64_MAX - 1), 0);
	assert_int_equal(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) & ~O_NONBLOCK), 0);
	mullion_cp_window_ring(w, 1, 0);
	assert_true(w->mute);
	mullion_cp_window_ring(w, 1, 0);
	mullion_cp_window_free(w);
}

static void test_ids(void **state)
{
	uint32_t last;

	(void)state;
	core.window_id_next = MULLION_WINDOW_ID_MAX;
	last = mullion_core_window_id(&core);
	assert_int_equal(last, MULLION_WINDOW_ID_MAX);
	assert_int_equal(mullion_core_window_id(&core), MULLION_WINDOW_ID_MIN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_command),
		cmocka_unit_test(test_sealed_and_allocated),
		cmocka_unit_test(test_bus_sizes),
		cmocka_unit_test(test_too_large),
		cmocka_unit_test(test_bus_view),
		cmocka_unit_test(test_doorbells),
		cmocka_unit_test(test_doorbell_that_blocks),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
