// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_scsi_reserve.c - reservations, with three devices on one disk
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "../lib/scsi_cdb.h"

#define CONFLICT	0x18

enum { REGISTER, RESERVE, RELEASE, CLEAR, PREEMPT, ABORT, IGNORE, MOVE };

static struct mullion_device *a, *b, *c;

static struct mullion_device *start_one(unsigned int number)
{
	struct mullion_device *device = fake_device_new(number);
	struct mullion_disk_lun lun = fake_lun(1, MULLION_STORE_NULL, 1 << 20);

	lun.flags = MULLION_DISK_SHARED;
	assert_int_equal(fake_device_start(device, &lun, 1, NULL, false), 0);
	return device;
}

static int start(void **state)
{
	(void)state;
	fake_init();
	a = start_one(0);
	b = start_one(1);
	c = start_one(2);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_device_stop(a);
	fake_device_stop(b);
	fake_device_stop(c);
	return 0;
}

static uint8_t out(struct mullion_device *device, uint8_t action, uint8_t type,
		   uint64_t key, uint64_t action_key)
{
	return do_pr_out(device, action, type, key, action_key).status;
}

static uint8_t read_status(struct mullion_device *device)
{
	uint8_t data[512];

	return do_read(device, 0, 0, 1, data).status;
}

static uint8_t write_status(struct mullion_device *device)
{
	uint8_t data[512] = { 0 };

	return do_write(device, 0, 0, 1, data).status;
}

/* The unit attention that waits, 0 for none. */
static uint16_t attention(struct mullion_device *device)
{
	struct fake_answer answer = do_tur(device, 0);

	if (!answer.status)
		return 0;
	assert_int_equal(answer.status, 2);
	assert_int_equal(answer.key, 6);
	return answer.asc;
}

static unsigned int pr_in(struct mullion_device *device, uint8_t action,
			  uint8_t *data, unsigned int bytes)
{
	uint8_t cdb[16] = { 0x5e, action };

	put_be16(cdb + 7, (uint16_t)bytes);
	assert_int_equal(fake_scsi(device, 0, cdb, 10, UIS_DMA_FROM_DEVICE, data,
				   bytes).status, 0);
	return get_be32(data + 4);
}

/* Everybody unregistered, no attention left. */
static int clean(void **state)
{
	(void)state;
	out(a, IGNORE, 0, 0, 1);
	out(a, CLEAR, 0, 1, 0);
	while (attention(a) || attention(b) || attention(c))
		;
	return 0;
}

static void keys_and_registration(void **state)
{
	uint8_t data[64];

	(void)state;
	assert_int_equal(out(a, REGISTER, 0, 7, 0xa), CONFLICT);
	assert_int_equal(out(a, REGISTER, 0, 0, 0xa), 0);
	assert_int_equal(out(a, REGISTER, 0, 0, 0xb), CONFLICT);
	assert_int_equal(out(a, REGISTER, 0, 0xa, 0xaa), 0);
	assert_int_equal(out(b, IGNORE, 0, 99, 0xb), 0);
	assert_int_equal(out(c, REGISTER, 0, 0, 0), 0);	/* nothing happens */
	assert_int_equal(pr_in(c, 0, data, sizeof(data)), 16);
	assert_int_equal(get_be64(data + 8), 0xaa);
	assert_int_equal(get_be64(data + 16), 0xb);
	assert_int_equal(out(a, REGISTER, 0, 0xaa, 0), 0);
	assert_int_equal(pr_in(c, 0, data, sizeof(data)), 8);
}

struct rule {
	uint8_t type;
	bool registered_reads, registered_writes, other_reads, other_writes;
};

static void who_may_what(void **state)
{
	static const struct rule rules[] = {
		{ 1, true, false, true, false },
		{ 3, false, false, false, false },
		{ 5, true, true, true, false },
		{ 6, true, true, false, false },
		{ 7, true, true, true, false },
		{ 8, true, true, false, false },
	};
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(rules) / sizeof(rules[0]); i++) {
		const struct rule *rule = &rules[i];

		assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
		assert_int_equal(out(b, IGNORE, 0, 0, 0xb), 0);
		assert_int_equal(out(c, RESERVE, rule->type, 0, 0), CONFLICT);
		assert_int_equal(out(a, RESERVE, rule->type, 0xa, 0), 0);
		assert_int_equal(out(a, RESERVE, rule->type, 0xa, 0), 0);
		assert_int_equal(out(b, RESERVE, rule->type, 0xb, 0),
				 rule->type >= 7 ? 0 : CONFLICT);
		assert_int_equal(read_status(a), 0);
		assert_int_equal(write_status(a), 0);
		assert_int_equal(read_status(b),
				 rule->registered_reads ? 0 : CONFLICT);
		assert_int_equal(write_status(b),
				 rule->registered_writes ? 0 : CONFLICT);
		assert_int_equal(read_status(c), rule->other_reads ? 0 : CONFLICT);
		assert_int_equal(write_status(c), rule->other_writes ? 0 : CONFLICT);
		assert_int_equal(do_tur(c, 0).status, 0);
		assert_int_equal(do_sync(c, 0).status, CONFLICT);
		assert_int_equal(out(a, RELEASE, rule->type, 0xa, 0), 0);
		assert_int_equal(write_status(c), 0);
		assert_int_equal(attention(b), rule->type >= 5 ? 0x2a04 : 0);
		assert_int_equal(attention(a), 0);
		assert_int_equal(attention(c), 0);
	}
}

static void release_must_name_the_type(void **state)
{
	struct fake_answer answer;

	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(a, RELEASE, 1, 0xa, 0), 0);
	assert_int_equal(out(a, RESERVE, 1, 0xa, 0), 0);
	answer = do_pr_out(a, RELEASE, 3, 0xa, 0);
	assert_int_equal(answer.asc, 0x2604);
	assert_int_equal(do_pr_out(a, RESERVE, 2, 0xa, 0).asc, 0x2400);
	assert_int_equal(do_pr_out(a, RESERVE, 0x11, 0xa, 0).asc, 0x2400);
}

static void holder_goes(void **state)
{
	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(b, IGNORE, 0, 0, 0xb), 0);
	assert_int_equal(out(a, RESERVE, 5, 0xa, 0), 0);
	assert_int_equal(out(a, REGISTER, 0, 0xa, 0), 0);
	assert_int_equal(attention(b), 0x2a04);
	assert_int_equal(write_status(c), 0);
	/* all registrants: it goes with the last */
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(a, RESERVE, 7, 0xa, 0), 0);
	assert_int_equal(out(a, REGISTER, 0, 0xa, 0), 0);
	assert_int_equal(write_status(c), CONFLICT);
	assert_int_equal(out(b, REGISTER, 0, 0xb, 0), 0);
	assert_int_equal(write_status(c), 0);
}

static void preempting(void **state)
{
	uint8_t data[64];

	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(b, IGNORE, 0, 0, 0xb), 0);
	assert_int_equal(out(c, IGNORE, 0, 0, 0xc), 0);
	/* no reservation: just the registration */
	assert_int_equal(out(a, PREEMPT, 1, 0xa, 0xc), 0);
	assert_int_equal(attention(c), 0x2a05);
	assert_int_equal(out(a, PREEMPT, 1, 0xa, 0xc), CONFLICT);
	assert_int_equal(do_pr_out(a, PREEMPT, 1, 0xa, 0).asc, 0x2600);
	/* the holder: its reservation too */
	assert_int_equal(out(c, IGNORE, 0, 0, 0xc), 0);
	assert_int_equal(out(b, RESERVE, 1, 0xb, 0), 0);
	assert_int_equal(out(a, ABORT, 3, 0xa, 0xb), 0);
	assert_int_equal(attention(b), 0x2a05);
	assert_int_equal(attention(c), 0x2a04);
	assert_int_equal(read_status(b), CONFLICT);
	assert_int_equal(read_status(a), 0);
	assert_int_equal(pr_in(a, 1, data, sizeof(data)), 16);
	assert_int_equal(get_be64(data + 8), 0xa);
	assert_int_equal(data[21], 3);
	/* all registrants, key 0: everybody else */
	assert_int_equal(out(a, RELEASE, 3, 0xa, 0), 0);
	assert_int_equal(out(a, RESERVE, 8, 0xa, 0), 0);
	assert_int_equal(out(a, PREEMPT, 8, 0xa, 0), 0);
	assert_int_equal(attention(c), 0x2a05);
	assert_int_equal(pr_in(a, 0, data, sizeof(data)), 8);
	assert_int_equal(read_status(c), CONFLICT);
	assert_int_equal(out(a, CLEAR, 0, 0xa, 0), 0);
	assert_int_equal(read_status(c), 0);
}

static void clearing_tells_all(void **state)
{
	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(b, IGNORE, 0, 0, 0xb), 0);
	assert_int_equal(out(b, CLEAR, 0, 0xb, 0), 0);
	assert_int_equal(attention(a), 0x2a03);
	assert_int_equal(attention(b), 0);
	assert_int_equal(attention(c), 0);
}

static void full_status_and_capabilities(void **state)
{
	uint8_t data[256];

	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(b, IGNORE, 0, 0, 0xb), 0);
	assert_int_equal(out(b, RESERVE, 5, 0xb, 0), 0);
	assert_int_equal(pr_in(c, 3, data, sizeof(data)), 96);
	assert_int_equal(get_be64(data + 8), 0xa);
	assert_int_equal(data[20], 0);
	assert_int_equal(get_be64(data + 56), 0xb);
	assert_int_equal(data[68], 1);
	assert_int_equal(data[69], 5);
	assert_int_equal(data[32], 4);
	assert_int_equal(data[55], 1);		/* UUID of device 0 ends so */
	pr_in(c, 2, data, sizeof(data));
	assert_int_equal(get_be16(data), 8);
	assert_int_equal(data[2] & 1, 0);	/* not through power loss */
	assert_int_equal(data[4], 0xea);
	assert_int_equal(data[5], 0x01);
}

static void what_is_refused(void **state)
{
	uint8_t list[24] = { 0 }, cdb[16] = { 0x5f, 0, 0, 0, 0, 0, 0, 0, 24 };

	(void)state;
	list[20] = 1;		/* APTPL */
	put_be64(list + 8, 0xa);
	assert_int_equal(fake_scsi(a, 0, cdb, 10, UIS_DMA_TO_DEVICE, list,
				   24).asc, 0x2600);
	cdb[8] = 23;
	assert_int_equal(fake_scsi(a, 0, cdb, 10, UIS_DMA_TO_DEVICE, list,
				   23).asc, 0x1a00);
	cdb[8] = 24;
	assert_int_equal(fake_scsi(a, 0, cdb, 10, UIS_DMA_TO_DEVICE, list,
				   8).asc, 0x1a00);
}

static void moving(void **state)
{
	uint8_t list[48] = { 0 }, cdb[16] = { 0x5f, MOVE, 0, 0, 0, 0, 0, 0, 48 };

	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(a, RESERVE, 1, 0xa, 0), 0);
	put_be64(list, 0xa);
	put_be64(list + 8, 0xbb);
	list[17] = 2;			/* UNREG */
	put_be32(list + 20, 24);
	list[24] = 4;
	/* the name of nobody: what is free must not hold a reservation */
	assert_int_equal(fake_scsi(a, 0, cdb, 10, UIS_DMA_TO_DEVICE, list,
				   48).asc, 0x2600);
	assert_int_equal(write_status(a), 0);
	list[32] = 0xd0;
	list[47] = 2;			/* device 1 */
	assert_int_equal(fake_scsi(a, 0, cdb, 10, UIS_DMA_TO_DEVICE, list,
				   48).status, 0);
	assert_int_equal(write_status(b), 0);
	assert_int_equal(write_status(a), CONFLICT);
	assert_int_equal(out(b, CLEAR, 0, 0xbb, 0), 0);
}

static uint8_t mode_sense_status(struct mullion_device *device)
{
	uint8_t data[64];

	return fake_scsi(device, 0, CDB(0x1a, 0, 0x3f, 0, 64), 6,
			 UIS_DMA_FROM_DEVICE, data, sizeof(data)).status;
}

static void exclusive_access_hides_mode_pages(void **state)
{
	(void)state;
	assert_int_equal(out(a, IGNORE, 0, 0, 0xa), 0);
	assert_int_equal(out(a, RESERVE, 1, 0xa, 0), 0);
	assert_int_equal(mode_sense_status(b), 0);
	assert_int_equal(out(a, RELEASE, 1, 0xa, 0), 0);
	assert_int_equal(out(a, RESERVE, 3, 0xa, 0), 0);
	assert_int_equal(mode_sense_status(b), CONFLICT);
	assert_int_equal(mode_sense_status(a), 0);
}

static void reserve_6(void **state)
{
	uint8_t data[96];

	(void)state;
	assert_int_equal(fake_scsi(a, 0, CDB(0x16), 6, UIS_DMA_NONE, NULL,
				   0).status, 0);
	assert_int_equal(read_status(b), CONFLICT);
	assert_int_equal(do_tur(b, 0).status, CONFLICT);
	assert_int_equal(read_status(a), 0);
	assert_int_equal(fake_scsi(b, 0, CDB(0x12, 0, 0, 0, 96), 6,
				   UIS_DMA_FROM_DEVICE, data, 96).status, 0);
	assert_int_equal(out(b, REGISTER, 0, 0, 5), CONFLICT);
	assert_int_equal(fake_scsi(b, 0, CDB(0x17), 6, UIS_DMA_NONE, NULL,
				   0).status, 0);
	assert_int_equal(read_status(b), CONFLICT);
	assert_int_equal(fake_scsi(a, 0, CDB(0x17), 6, UIS_DMA_NONE, NULL,
				   0).status, 0);
	assert_int_equal(read_status(b), 0);
}

static void mode_change_is_told_to_others(void **state)
{
	uint8_t list[16] = { 0, 0, 0, 0, 0x0a, 0x0a, 4, 0x10 };

	(void)state;
	assert_int_equal(fake_scsi(a, 0, CDB(0x15, 0x10, 0, 0, 16), 6,
				   UIS_DMA_TO_DEVICE, list, 16).status, 0);
	assert_int_equal(attention(b), 0x2a01);
	assert_int_equal(attention(c), 0x2a01);
	assert_int_equal(attention(a), 0);
	list[6] = 0;
	assert_int_equal(fake_scsi(a, 0, CDB(0x15, 0x10, 0, 0, 16), 6,
				   UIS_DMA_TO_DEVICE, list, 16).status, 0);
}

static void a_second_user_must_share(void **state)
{
	struct mullion_device *d = fake_device_new(3);
	struct mullion_disk_lun lun = fake_lun(1, MULLION_STORE_NULL, 1 << 20);

	(void)state;
	assert_int_equal(fake_device_start(d, &lun, 1, NULL, false), -16);
	free(d);
}

static struct fake_request *start_pr_out(struct mullion_device *device, uint8_t action,
					 uint8_t type, uint64_t key, uint8_t *list,
					 uint64_t action_key)
{
	put_be64(list, key);
	put_be64(list + 8, action_key);
	return fake_send(device, 0, CDB(0x5f, action, type, 0, 0, 0, 0, 0, 24), 10,
			 UIS_DMA_TO_DEVICE, list, 24, 1);
}

/* While it waits for what it aborts, its nexus changes nothing else. */
static void preempt_and_abort_waits(void **state)
{
	struct mullion_disk_lun lun = fake_lun(7, MULLION_STORE_FILE, 0);
	struct mullion_device *d = fake_device_new(7), *e = fake_device_new(8);
	struct fake_request *write, *abort;
	uint8_t list[24] = { 0 }, data[512] = { 0 };
	int fds[2] = { memfd_create("image", 0), -1 };

	(void)state;
	assert_int_equal(ftruncate(fds[0], 1 << 20), 0);
	fds[1] = fcntl(fds[0], F_DUPFD_CLOEXEC, 3);
	lun.flags = MULLION_DISK_SHARED;
	assert_int_equal(fake_device_start(d, &lun, 1, &fds[0], false), 0);
	assert_int_equal(fake_device_start(e, &lun, 1, &fds[1], false), 0);
	assert_int_equal(out(d, REGISTER, 0, 0, 0xd), 0);
	assert_int_equal(out(e, REGISTER, 0, 0, 0xe), 0);
	/* FUA, so that it ends later */
	write = fake_send(e, 0, CDB(0x2a, 0x08, 0, 0, 0, 0, 0, 0, 1), 10, UIS_DMA_TO_DEVICE,
			  data, 512, 1);
	abort = start_pr_out(d, ABORT, 1, 0xd, list, 0xe);
	if (!abort->answered) {
		assert_int_equal(out(d, RESERVE, 1, 0xd, 0), 0x08);
		assert_int_equal(do_read(d, 0, 0, 1, data).status, 0);
	}
	assert_int_equal(fake_wait(abort).status, 0);
	assert_true(write->answered);
	assert_int_equal(fake_wait(write).status, 0);
	assert_int_equal(out(d, RESERVE, 1, 0xd, 0), 0);
	assert_int_equal(out(d, CLEAR, 0, 0xd, 0), 0);
	fake_device_stop(d);
	fake_device_stop(e);
}

#define TEST(f) cmocka_unit_test_setup(f, clean)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(keys_and_registration),
		TEST(who_may_what),
		TEST(release_must_name_the_type),
		TEST(holder_goes),
		TEST(preempting),
		TEST(clearing_tells_all),
		TEST(full_status_and_capabilities),
		TEST(what_is_refused),
		TEST(moving),
		TEST(exclusive_access_hides_mode_pages),
		TEST(reserve_6),
		TEST(mode_change_is_told_to_others),
		TEST(a_second_user_must_share),
		TEST(preempt_and_abort_waits),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
