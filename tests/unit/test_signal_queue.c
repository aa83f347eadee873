// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_signal_queue.c - geometry, order, limits and hostile indices
 * of the signal queue, one thread
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "../../channel/signal_queue.h"

#define HEADER		128
#define SLOT_BYTES	64U
#define SLOTS		8U
#define SLOTS_OFFSET	512
#define CHANNEL		(SLOTS_OFFSET + SLOT_BYTES * SLOTS)

/* A queue seen from both ends, in memory that ends where the channel ends. */
struct fixture {
	unsigned char *channel;
	struct signal_queue_header *shared;
	struct mullion_sq producer;
	struct mullion_sq consumer;
};

static void fixture_init(struct fixture *f, int event_index)
{
	f->channel = calloc(1, CHANNEL);
	assert_non_null(f->channel);
	f->shared = (struct signal_queue_header *)(void *)(f->channel + HEADER);
	mullion_sq_format(f->shared, SLOTS_OFFSET - HEADER, SLOT_BYTES, SLOTS);
	assert_int_equal(mullion_sq_attach(&f->producer, f->channel, CHANNEL, HEADER,
					   SLOT_BYTES, event_index), 0);
	assert_int_equal(mullion_sq_attach(&f->consumer, f->channel, CHANNEL, HEADER,
					   SLOT_BYTES, event_index), 0);
	mullion_sq_reset_shared(&f->consumer);
}

static void fixture_done(struct fixture *f)
{
	free(f->channel);
}

static int put(struct mullion_sq *q, uint64_t value)
{
	void *slot = NULL;
	int error = mullion_sq_produce(q, &slot);

	if (!error)
		memcpy(slot, &value, sizeof(value));
	return error;
}

static int get(struct mullion_sq *q, uint64_t *value)
{
	const void *slot = NULL;
	int error = mullion_sq_consume(q, &slot);

	if (!error)
		memcpy(value, slot, sizeof(*value));
	return error;
}

static void format_is_spar(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(f.shared->size, SLOT_BYTES * SLOTS);
	assert_int_equal(f.shared->sig_base_offset, SLOTS_OFFSET - HEADER);
	assert_int_equal(f.shared->signal_size, SLOT_BYTES);
	assert_int_equal(f.shared->max_slots, SLOTS);
	assert_int_equal(f.shared->max_signals, SLOTS - 1);
	assert_int_equal(f.shared->head, 0);
	assert_int_equal(f.shared->tail, 0);
	fixture_done(&f);
}

static void first_signal_is_in_slot_one(void **state)
{
	struct fixture f;
	void *slot;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(mullion_sq_produce(&f.producer, &slot), 0);
	assert_ptr_equal(slot, f.channel + SLOTS_OFFSET + SLOT_BYTES);
	assert_int_equal(f.shared->head, 0);
	assert_true(mullion_sq_publish(&f.producer));
	assert_int_equal(f.shared->head, 1);
	assert_int_equal(f.shared->num_sent, 1);
	fixture_done(&f);
}

static void order_over_many_wraps(void **state)
{
	struct fixture f;
	uint64_t in = 0, out = 0, value;
	unsigned int batch;

	(void)state;
	fixture_init(&f, 0);
	for (batch = 0; out < 1000 * SLOTS; batch++) {
		unsigned int n = 1 + batch % (SLOTS - 1);

		while (n-- && !put(&f.producer, in))
			in++;
		mullion_sq_publish(&f.producer);
		n = 1 + batch * 3 % SLOTS;
		while (n-- && !get(&f.consumer, &value))
			assert_int_equal(value, out++);
		mullion_sq_release(&f.consumer);
	}
	assert_true(in - out < SLOTS);
	fixture_done(&f);
}

static void one_slot_stays_empty(void **state)
{
	struct fixture f;
	uint64_t i, value;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(mullion_sq_space(&f.producer), SLOTS - 1);
	for (i = 0; i < SLOTS - 1; i++)
		assert_int_equal(put(&f.producer, i), 0);
	assert_int_equal(put(&f.producer, i), -EAGAIN);
	assert_int_equal(f.shared->num_overflows, 1);
	assert_int_equal(mullion_sq_space(&f.producer), 0);
	mullion_sq_publish(&f.producer);
	assert_int_equal(mullion_sq_pending(&f.consumer), SLOTS - 1);
	assert_int_equal(get(&f.consumer, &value), 0);
	/* read, but not given back yet */
	assert_int_equal(put(&f.producer, i), -EAGAIN);
	mullion_sq_release(&f.consumer);
	assert_int_equal(put(&f.producer, i), 0);
	fixture_done(&f);
}

static void nothing_is_seen_before_publish(void **state)
{
	struct fixture f;
	uint64_t value = 77;

	(void)state;
	fixture_init(&f, 0);
	assert_int_equal(put(&f.producer, 1), 0);
	assert_int_equal(mullion_sq_pending(&f.consumer), 0);
	assert_int_equal(get(&f.consumer, &value), -EAGAIN);
	assert_int_equal(value, 77);
	fixture_done(&f);
}

static void attach_joins_a_queue_in_use(void **state)
{
	struct fixture f;
	struct mullion_sq late;
	uint64_t value;

	(void)state;
	fixture_init(&f, 0);
	put(&f.producer, 5);
	put(&f.producer, 6);
	mullion_sq_publish(&f.producer);
	get(&f.consumer, &value);
	mullion_sq_release(&f.consumer);
	assert_int_equal(mullion_sq_attach(&late, f.channel, CHANNEL, HEADER,
					   SLOT_BYTES, 0), 0);
	assert_int_equal(get(&late, &value), 0);
	assert_int_equal(value, 6);
	assert_int_equal(get(&late, &value), -EAGAIN);
	fixture_done(&f);
}

/* Each bad geometry is refused, and the caller's view stays as it was. */
static void attach_refuses_bad_geometry(void **state)
{
	static const struct {
		const char *what;
		uint64_t header_offset;
		uint64_t base;
		uint32_t bytes;
		uint32_t slots;
		uint32_t head;
		uint32_t tail;
		int error;
	} bad[] = {
		{ "header past the end", CHANNEL - 64, 384, 64, 8, 0, 0, -EINVAL },
		{ "header offset wraps", ~7ULL, 384, 64, 8, 0, 0, -EINVAL },
		{ "header not aligned", HEADER + 4, 384, 64, 8, 0, 0, -EINVAL },
		{ "slots past the end", HEADER, 384 + 8, 64, 8, 0, 0, -EINVAL },
		{ "slot offset wraps", HEADER, ~0ULL - 63, 64, 8, 0, 0, -EINVAL },
		{ "slot offset just past", HEADER, CHANNEL, 64, 8, 0, 0, -EINVAL },
		{ "slot size", HEADER, 384, 63, 8, 0, 0, -EPROTO },
		{ "slot size 0", HEADER, 384, 0, 8, 0, 0, -EPROTO },
		{ "no slots", HEADER, 384, 64, 0, 0, 0, -EPROTO },
		{ "one slot", HEADER, 384, 64, 1, 0, 0, -EPROTO },
		{ "one slot too many", HEADER, 384, 64, 9, 0, 0, -EINVAL },
		{ "slots times size wraps", HEADER, 384, 64, 1U << 31, 0, 0, -EPROTO },
		{ "head", HEADER, 384, 64, 8, 8, 0, -EPROTO },
		{ "tail", HEADER, 384, 64, 8, 0, ~0U, -EPROTO },
	};
	struct mullion_sq view, before;
	struct fixture f;
	size_t i;

	(void)state;
	fixture_init(&f, 0);
	memset(&before, 0xa5, sizeof(before));
	for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		f.shared->sig_base_offset = bad[i].base;
		f.shared->signal_size = bad[i].bytes;
		f.shared->max_slots = bad[i].slots;
		f.shared->head = bad[i].head;
		f.shared->tail = bad[i].tail;
		memcpy(&view, &before, sizeof(view));
		if (mullion_sq_attach(&view, f.channel, CHANNEL, bad[i].header_offset,
				      SLOT_BYTES, 0) != bad[i].error)
			fail_msg("%s: not refused as it should be", bad[i].what);
		assert_memory_equal(&view, &before, sizeof(view));
	}
	fixture_done(&f);
}

static void consumer_refuses_hostile_heads(void **state)
{
	static const uint32_t heads[] = { SLOTS, SLOTS + 1, 1U << 31, ~0U };
	struct fixture f;
	uint64_t value = 9;
	size_t i;

	(void)state;
	fixture_init(&f, 1);
	for (i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
		f.shared->head = heads[i];
		assert_int_equal(mullion_sq_pending(&f.consumer), -EPROTO);
		assert_int_equal(get(&f.consumer, &value), -EPROTO);
		assert_int_equal(mullion_sq_consumer_arm(&f.consumer), -EPROTO);
		assert_int_equal(value, 9);
		assert_int_equal(f.consumer.tail, 0);
	}
	fixture_done(&f);
}

static void consumer_refuses_a_head_that_goes_back(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 0);
	put(&f.producer, 1);
	put(&f.producer, 2);
	put(&f.producer, 3);
	mullion_sq_publish(&f.producer);
	assert_int_equal(get(&f.consumer, &value), 0);
	f.shared->head = 2;
	assert_int_equal(mullion_sq_pending(&f.consumer), -EPROTO);
	fixture_done(&f);
}

static void producer_refuses_hostile_tails(void **state)
{
	static const uint32_t tails[] = { SLOTS, ~0U, 5, 7 };
	struct fixture f;
	uint64_t i;
	size_t t;

	(void)state;
	for (t = 0; t < sizeof(tails) / sizeof(tails[0]); t++) {
		fixture_init(&f, 1);
		for (i = 0; i < 3; i++)
			put(&f.producer, i);
		mullion_sq_publish(&f.producer);
		/* 5 and 7 would give back slots that were never filled */
		f.shared->tail = tails[t];
		assert_int_equal(mullion_sq_space(&f.producer), -EPROTO);
		assert_int_equal(mullion_sq_producer_arm(&f.producer), -EPROTO);
		fixture_done(&f);
	}
}

static void own_indices_are_never_read_back(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 0);
	put(&f.producer, 1);
	mullion_sq_publish(&f.producer);
	f.shared->head = 5;
	put(&f.producer, 2);
	mullion_sq_publish(&f.producer);
	assert_int_equal(f.shared->head, 2);
	assert_int_equal(get(&f.consumer, &value), 0);
	f.shared->tail = 6;
	mullion_sq_release(&f.consumer);
	assert_int_equal(f.shared->tail, 1);
	fixture_done(&f);
}

static void geometry_is_read_once(void **state)
{
	struct fixture f;
	uint64_t i, value;

	(void)state;
	fixture_init(&f, 0);
	f.shared->max_slots = 1U << 30;
	f.shared->signal_size = 1U << 30;
	f.shared->sig_base_offset = ~0ULL;
	for (i = 0; i < 3 * SLOTS; i++) {
		assert_int_equal(put(&f.producer, i), 0);
		mullion_sq_publish(&f.producer);
		assert_int_equal(get(&f.consumer, &value), 0);
		assert_int_equal(value, i);
		mullion_sq_release(&f.consumer);
	}
	fixture_done(&f);
}

static void doorbells_are_suppressed(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 1);
	/* A fresh ring asks for the first signal. */
	put(&f.producer, 1);
	assert_true(mullion_sq_publish(&f.producer));
	/* Not asked for again: no doorbell. */
	put(&f.producer, 2);
	assert_false(mullion_sq_publish(&f.producer));
	mullion_sq_consumer_disarm(&f.consumer);
	put(&f.producer, 3);
	assert_false(mullion_sq_publish(&f.producer));
	/* There is work: arming says so, and the next publish does not ring. */
	assert_int_equal(get(&f.consumer, &value), 0);
	mullion_sq_release(&f.consumer);
	assert_int_equal(mullion_sq_consumer_arm(&f.consumer), 1);
	while (!get(&f.consumer, &value))
		;
	mullion_sq_release(&f.consumer);
	assert_int_equal(mullion_sq_consumer_arm(&f.consumer), 0);
	/* One doorbell for a whole batch, also across the end of the ring. */
	put(&f.producer, 4);
	put(&f.producer, 5);
	put(&f.producer, 6);
	put(&f.producer, 7);
	put(&f.producer, 8);
	put(&f.producer, 9);
	assert_true(mullion_sq_publish(&f.producer));
	fixture_done(&f);
}

static void a_full_ring_asks_for_a_doorbell(void **state)
{
	struct fixture f;
	uint64_t i, value;

	(void)state;
	fixture_init(&f, 1);
	mullion_sq_consumer_disarm(&f.consumer);
	for (i = 0; i < SLOTS - 1; i++)
		put(&f.producer, i);
	mullion_sq_publish(&f.producer);
	assert_int_equal(mullion_sq_producer_arm(&f.producer), 0);
	assert_int_equal(get(&f.consumer, &value), 0);
	assert_true(mullion_sq_release(&f.consumer));
	assert_int_equal(get(&f.consumer, &value), 0);
	assert_false(mullion_sq_release(&f.consumer));
	assert_int_equal(mullion_sq_producer_arm(&f.producer), 1);
	/* No longer asked for: none, however often the ring goes round. */
	mullion_sq_producer_disarm(&f.producer);
	for (i = 0; i < 3 * SLOTS; i++) {
		put(&f.producer, i);
		mullion_sq_publish(&f.producer);
		get(&f.consumer, &value);
		assert_false(mullion_sq_release(&f.consumer));
	}
	fixture_done(&f);
}

static void hostile_event_index_rings_nobody(void **state)
{
	static const uint32_t events[] = { SLOTS, SLOTS + 1, ~0U - 1, 1U << 31 };
	struct fixture f;
	size_t i;

	(void)state;
	fixture_init(&f, 1);
	for (i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		memcpy((unsigned char *)f.shared + MULLION_SQ_CONSUMER_EVENT_OFFSET,
		       &events[i], sizeof(events[i]));
		put(&f.producer, i);
		assert_false(mullion_sq_publish(&f.producer));
	}
	fixture_done(&f);
}

static void a_plain_peer_is_always_rung(void **state)
{
	struct fixture f;

	(void)state;
	fixture_init(&f, 0);
	mullion_sq_consumer_disarm(&f.consumer);
	put(&f.producer, 1);
	assert_true(mullion_sq_publish(&f.producer));
	assert_false(mullion_sq_publish(&f.producer));
	fixture_done(&f);
}

static void reset_starts_again(void **state)
{
	struct fixture f;
	uint64_t value;

	(void)state;
	fixture_init(&f, 1);
	put(&f.producer, 1);
	put(&f.producer, 2);
	mullion_sq_publish(&f.producer);
	get(&f.consumer, &value);
	mullion_sq_release(&f.consumer);
	mullion_sq_reset_shared(&f.consumer);
	mullion_sq_reset(&f.consumer, 1);
	mullion_sq_reset(&f.producer, 1);
	assert_int_equal(get(&f.consumer, &value), -EAGAIN);
	assert_int_equal(put(&f.producer, 3), 0);
	assert_true(mullion_sq_publish(&f.producer));
	assert_int_equal(get(&f.consumer, &value), 0);
	assert_int_equal(value, 3);
	fixture_done(&f);
}

static void ranges_do_not_wrap(void **state)
{
	(void)state;
	assert_true(mullion_range_ok(0, 0, 0));
	assert_true(mullion_range_ok(10, 0, 10));
	assert_true(mullion_range_ok(0, ~0ULL, ~0ULL));
	assert_false(mullion_range_ok(11, 0, 10));
	assert_false(mullion_range_ok(~0ULL, 2, 10));
	assert_false(mullion_range_ok(2, ~0ULL, 10));
	assert_false(mullion_range_ok(~0ULL, ~0ULL, ~0ULL));

	assert_true(mullion_ranges_overlap(10, 5, 14, 1));
	assert_true(mullion_ranges_overlap(14, 1, 10, 5));
	assert_false(mullion_ranges_overlap(10, 5, 15, 1));
	assert_false(mullion_ranges_overlap(15, 1, 10, 5));
	assert_true(mullion_ranges_overlap(0, ~0ULL, 7, 1));
	assert_true(mullion_ranges_overlap(~0ULL - 1, ~0ULL, ~0ULL, 1));
	assert_false(mullion_ranges_overlap(~0ULL, 1, 0, 1));
	assert_false(mullion_ranges_overlap(10, 5, 12, 0));
	assert_false(mullion_ranges_overlap(12, 0, 10, 5));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(format_is_spar),
		cmocka_unit_test(first_signal_is_in_slot_one),
		cmocka_unit_test(order_over_many_wraps),
		cmocka_unit_test(one_slot_stays_empty),
		cmocka_unit_test(nothing_is_seen_before_publish),
		cmocka_unit_test(attach_joins_a_queue_in_use),
		cmocka_unit_test(attach_refuses_bad_geometry),
		cmocka_unit_test(consumer_refuses_hostile_heads),
		cmocka_unit_test(consumer_refuses_a_head_that_goes_back),
		cmocka_unit_test(producer_refuses_hostile_tails),
		cmocka_unit_test(own_indices_are_never_read_back),
		cmocka_unit_test(geometry_is_read_once),
		cmocka_unit_test(doorbells_are_suppressed),
		cmocka_unit_test(a_full_ring_asks_for_a_doorbell),
		cmocka_unit_test(hostile_event_index_rings_nobody),
		cmocka_unit_test(a_plain_peer_is_always_rung),
		cmocka_unit_test(reset_starts_again),
		cmocka_unit_test(ranges_do_not_wrap),
	};

	return cmocka_run_group_tests_name("signal_queue", tests, NULL, NULL);
}
