// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_tables.c - the switch's addresses and limits
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "../../service/net/fdb.h"
#include "../../service/net/limit.h"

#define SECOND	1000000000ULL

static const uint8_t *mac(uint32_t number)
{
	static uint8_t address[6];

	address[0] = 2;
	address[1] = 0;
	for (int i = 0; i < 4; i++)
		address[2 + i] = (uint8_t)(number >> (24 - 8 * i));
	return address;
}

static int learn(struct mullion_fdb *fdb, uint32_t number, uint16_t vlan,
		 struct mullion_fdb_port *port, uint32_t now)
{
	struct mullion_fdb_port *left = port;
	int ret = mullion_fdb_learn(fdb, mac(number), vlan, port, now, &left);

	assert_true(left == NULL);
	return ret;
}

static void test_learn(void **state)
{
	struct mullion_fdb *fdb = mullion_fdb_new();
	struct mullion_fdb_port a = { 0 }, b = { 0 };
	struct mullion_fdb_port *left = NULL;

	(void)state;
	assert_int_equal(learn(fdb, 1, 0, &a, 10), 0);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 0, 10), &a);
	assert_null(mullion_fdb_find(fdb, mac(1), 7, 10));
	assert_null(mullion_fdb_find(fdb, mac(2), 0, 10));
	/* the same address lives elsewhere in another VLAN */
	assert_int_equal(learn(fdb, 1, 7, &b, 10), 0);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 0, 10), &a);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 7, 10), &b);
	/* it moves */
	assert_int_equal(mullion_fdb_learn(fdb, mac(1), 0, &b, 11, &left), 0);
	assert_ptr_equal(left, &a);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 0, 11), &b);
	assert_int_equal(a.count, 0);
	assert_int_equal(b.count, 2);
	mullion_fdb_forget(fdb, &b);
	assert_int_equal(b.count, 0);
	assert_null(mullion_fdb_find(fdb, mac(1), 0, 11));
	assert_null(mullion_fdb_find(fdb, mac(1), 7, 11));
	mullion_fdb_free(fdb);
}

static void test_not_learned(void **state)
{
	static const uint8_t nobody[6], all[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff },
		group[6] = { 1, 0, 0x5e, 0, 0, 1 };
	struct mullion_fdb *fdb = mullion_fdb_new();
	struct mullion_fdb_port a = { 0 };
	struct mullion_fdb_port *left;

	(void)state;
	assert_int_equal(mullion_fdb_learn(fdb, nobody, 0, &a, 1, &left), 0);
	assert_int_equal(mullion_fdb_learn(fdb, all, 0, &a, 1, &left), 0);
	assert_int_equal(mullion_fdb_learn(fdb, group, 0, &a, 1, &left), 0);
	assert_int_equal(a.count, 0);
	assert_null(mullion_fdb_find(fdb, all, 0, 1));
	mullion_fdb_free(fdb);
}

static void test_ageing(void **state)
{
	struct mullion_fdb *fdb = mullion_fdb_new();
	struct mullion_fdb_port a = { 0 }, b = { 0 };

	(void)state;
	mullion_fdb_limit(fdb, 30, 100);
	/* also across the end of the count of seconds */
	for (uint32_t start = 100; start; start = start == 100 ? UINT32_MAX - 20 : 0) {
		assert_int_equal(learn(fdb, 1, 0, &a, start), 0);
		assert_int_equal(learn(fdb, 2, 0, &a, start + 20), 0);
		assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 0, start + 30), &a);
		assert_null(mullion_fdb_find(fdb, mac(1), 0, start + 31));
		mullion_fdb_age(fdb, &a, start + 31);
		assert_int_equal(a.count, 1);
		/* seen again: young again */
		assert_int_equal(learn(fdb, 2, 0, &a, start + 45), 0);
		mullion_fdb_age(fdb, &a, start + 70);
		assert_int_equal(a.count, 1);
		/* an old one that turns up elsewhere has not been stolen */
		assert_int_equal(learn(fdb, 2, 0, &b, start + 100), 0);
		mullion_fdb_forget(fdb, &b);
	}
	mullion_fdb_free(fdb);
}

/* A port that sends from ever new addresses loses its own only. */
static void test_limit_of_addresses(void **state)
{
	struct mullion_fdb *fdb = mullion_fdb_new();
	struct mullion_fdb_port a = { 0 }, b = { 0 };

	(void)state;
	mullion_fdb_limit(fdb, 300, 10);
	assert_int_equal(learn(fdb, 1, 0, &b, 1), 0);
	for (uint32_t i = 100; i < 200000; i++)
		assert_int_equal(learn(fdb, i, 0, &a, i / 1000), 0);
	assert_int_equal(a.count, 10);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 0, 200), &b);
	for (uint32_t i = 199990; i < 200000; i++)
		assert_ptr_equal(mullion_fdb_find(fdb, mac(i), 0, 200), &a);
	assert_null(mullion_fdb_find(fdb, mac(199989), 0, 200));
	/* fewer from now on */
	mullion_fdb_limit(fdb, 300, 3);
	assert_int_equal(learn(fdb, 5, 0, &a, 200), 0);
	assert_int_equal(a.count, 3);
	mullion_fdb_free(fdb);
}

static void test_pin(void **state)
{
	struct mullion_fdb *fdb = mullion_fdb_new();
	struct mullion_fdb_port a = { 0 }, b = { 0 };
	struct mullion_fdb_port *left;

	(void)state;
	/* learned elsewhere before: the pin counts */
	assert_int_equal(learn(fdb, 1, 5, &b, 1), 0);
	assert_int_equal(mullion_fdb_pin(fdb, mac(1), &a), 0);
	assert_int_equal(mullion_fdb_pin(fdb, mac(1), &a), 0);
	assert_int_equal(mullion_fdb_pin(fdb, mac(1), &b), -EEXIST);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 5, 1), &a);
	assert_int_equal(mullion_fdb_learn(fdb, mac(1), 5, &b, 2, &left), -EPERM);
	assert_int_equal(learn(fdb, 1, 9, &a, 2), 0);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(1), 9, 100000), &a);
	/* another address instead */
	assert_int_equal(mullion_fdb_pin(fdb, mac(2), &a), 0);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(2), 0, 2), &a);
	assert_int_equal(mullion_fdb_learn(fdb, mac(1), 0, &b, 3, &left), 0);
	mullion_fdb_forget(fdb, &a);
	assert_ptr_equal(mullion_fdb_find(fdb, mac(2), 0, 2), &a);
	mullion_fdb_unpin(fdb, &a);
	mullion_fdb_unpin(fdb, &a);
	assert_null(mullion_fdb_find(fdb, mac(2), 0, 2));
	mullion_fdb_free(fdb);
	mullion_fdb_free(NULL);
}

/* Nanoseconds until something may pass; 0: now. */
static uint64_t limit_delay(struct mullion_limit *limit, uint64_t now)
{
	/* costs nothing, but counts what has flowed in */
	if (mullion_limit_take(limit, 0, now))
		return 0;
	return (uint64_t)(((unsigned __int128)(uint64_t)(1 - limit->tokens) * SECOND -
			   limit->part + limit->rate - 1) / limit->rate);
}

/* Tokens that pass in @seconds when always wanted, @amount at a time. */
static uint64_t passed(struct mullion_limit *limit, uint64_t amount, uint64_t *now,
		       uint64_t seconds)
{
	uint64_t end = *now + seconds * SECOND, sum = 0;

	while (*now < end) {
		if (mullion_limit_take(limit, amount, *now)) {
			sum += amount;
			continue;
		}
		/* the delay is enough, and not a nanosecond more than it must be */
		uint64_t delay = limit_delay(limit, *now);

		assert_true(delay > 0);
		if (delay > 1)
			assert_false(mullion_limit_take(limit, amount, *now + delay - 1));
		*now += delay;
		assert_int_equal(limit_delay(limit, *now), 0);
	}
	return sum;
}

static void test_rate(void **state)
{
	static const struct {
		uint64_t rate, burst, amount;
	} cases[] = {
		{ 1000000, 10000, 1500 },
		{ 1000000, 10000, 65550 },	/* larger than the burst */
		{ 7, 3, 1 },
		{ 1, 1, 1 },
		{ 1234567891, 100000, 9000 },
		{ 125000000000, 1 << 20, 65550 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct mullion_limit limit = { 0 };
		uint64_t now = 5 * SECOND, seconds = cases[i].rate > SECOND ? 1 : 20;
		uint64_t sum, right;

		mullion_limit_set(&limit, cases[i].rate, cases[i].burst, now);
		sum = passed(&limit, cases[i].amount, &now, seconds);
		right = cases[i].burst + (uint64_t)((unsigned __int128)cases[i].rate *
						    (now - 5 * SECOND) / SECOND);
		assert_in_range(sum, right - cases[i].amount, right + cases[i].amount);
	}
}

static void test_unlimited(void **state)
{
	struct mullion_limit limit = { 0 };

	(void)state;
	assert_true(mullion_limit_take(&limit, UINT64_MAX, 0));
	assert_int_equal(limit_delay(&limit, 0), 0);
	mullion_limit_set(&limit, 100, 0, 0);
	assert_int_equal(limit.burst, 10);
	mullion_limit_set(&limit, 0, 0, 1);
	assert_true(mullion_limit_take(&limit, UINT64_MAX, 1));
}

static void test_change(void **state)
{
	struct mullion_limit limit = { 0 };

	(void)state;
	mullion_limit_set(&limit, 100, 1000, 0);
	assert_true(mullion_limit_take(&limit, 1500, 0));
	assert_false(mullion_limit_take(&limit, 1, 0));
	/* what is owed stays, what flows in from now on is more */
	mullion_limit_set(&limit, 1000, 10, 0);
	assert_false(mullion_limit_take(&limit, 1, SECOND / 2));
	assert_true(mullion_limit_take(&limit, 1, SECOND / 2 + SECOND / 1000));
	/* a long time later the burst is there, and no more */
	assert_true(mullion_limit_take(&limit, 10, 1000000 * SECOND));
	assert_false(mullion_limit_take(&limit, 1, 1000000 * SECOND));
	/* a clock that goes back is no gift */
	assert_false(mullion_limit_take(&limit, 1, 5));
}

/* Numbers that an administrator may write and no arithmetic may wrap. */
static void test_extremes(void **state)
{
	struct mullion_limit limit = { 0 };

	(void)state;
	mullion_limit_set(&limit, UINT64_MAX, UINT64_MAX, 0);
	for (int i = 0; i < 100; i++)
		mullion_limit_take(&limit, UINT64_MAX, UINT64_MAX / 2);
	assert_true(limit_delay(&limit, UINT64_MAX / 2) <= 100 * SECOND);
	assert_true(mullion_limit_take(&limit, 1, UINT64_MAX));
	memset(&limit, 0, sizeof(limit));
	mullion_limit_set(&limit, 1, 1, 0);
	assert_true(mullion_limit_take(&limit, UINT64_MAX, 0));
	assert_true(limit_delay(&limit, 0) > SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_learn),
		cmocka_unit_test(test_not_learned),
		cmocka_unit_test(test_ageing),
		cmocka_unit_test(test_limit_of_addresses),
		cmocka_unit_test(test_pin),
		cmocka_unit_test(test_rate),
		cmocka_unit_test(test_unlimited),
		cmocka_unit_test(test_change),
		cmocka_unit_test(test_extremes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
