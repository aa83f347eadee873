// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_scsi.c - the SCSI target's answers, on a null store and a file
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <fcntl.h>
#include <unistd.h>

#include "../lib/scsi_cdb.h"

#define BLOCKS	2048

static struct mullion_device *device;
static int image;

static int new_image(off_t bytes)
{
	char path[] = "/tmp/mullion-scsi-XXXXXX";
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	unlink(path);
	assert_int_equal(ftruncate(fd, bytes), 0);
	return fd;
}

static int start(void **state)
{
	struct mullion_disk_lun luns[3];
	int fds[3] = { -1, -1, -1 };

	(void)state;
	fake_init();
	image = new_image(BLOCKS * 512);
	luns[0] = fake_lun(1, MULLION_STORE_FILE, 0);
	luns[1] = fake_lun(2, MULLION_STORE_NULL, 1 << 20);
	luns[1].lun = 1;
	luns[2] = fake_lun(3, MULLION_STORE_FILE, 0);
	luns[2].lun = 5;
	luns[2].flags = MULLION_DISK_READ_ONLY;
	memcpy(luns[2].serial, "SERIAL-3", 8);
	fds[0] = fcntl(image, F_DUPFD_CLOEXEC, 3);
	fds[2] = new_image(1 << 20);
	device = fake_device_new(0);
	assert_int_equal(fake_device_start(device, luns, 3, fds, false), 0);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	fake_device_stop(device);
	close(image);
	return 0;
}

static void expect_sense(struct fake_answer answer, uint8_t key, uint16_t asc)
{
	assert_int_equal(answer.host, 0);
	assert_int_equal(answer.status, 2);
	assert_int_equal(answer.key, key);
	assert_int_equal(answer.asc, asc);
}

static void expect_good(struct fake_answer answer)
{
	assert_int_equal(answer.host, 0);
	assert_int_equal(answer.status, 0);
}

static void data_goes_there_and_back(void **state)
{
	static uint8_t out[64 * 512], in[64 * 512];
	unsigned int i;

	(void)state;
	for (i = 0; i < sizeof(out); i++)
		out[i] = (uint8_t)(i * 7 + i / 512);
	expect_good(do_write(device, 0, 100, 64, out));
	expect_good(do_read(device, 0, 100, 64, in));
	assert_memory_equal(out, in, sizeof(in));
	assert_int_equal(pread(image, in, sizeof(in), 51200), sizeof(in));
	assert_memory_equal(out, in, sizeof(in));
	expect_good(fake_scsi(device, 0, CDB(0x08, 0, 0, 101, 2), 6,
			      UIS_DMA_FROM_DEVICE, in, 1024));
	assert_memory_equal(out + 512, in, 1024);
	expect_good(fake_scsi(device, 0, CDB(0x28, 0x08, 0, 0, 0, 102, 0, 0, 1),
			      10, UIS_DMA_FROM_DEVICE, in, 512));
	assert_memory_equal(out + 1024, in, 512);
	expect_good(fake_scsi(device, 0, CDB(0xa8, 0, 0, 0, 0, 103, 0, 0, 0, 1),
			      12, UIS_DMA_FROM_DEVICE, in, 512));
	assert_memory_equal(out + 1536, in, 512);
	expect_good(do_sync(device, 0));
}

static void buffer_larger_than_transfer_has_residual(void **state)
{
	uint8_t in[2048];
	struct fake_answer answer;

	(void)state;
	memset(in, 0xee, sizeof(in));
	answer = fake_scsi(device, 1, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 2), 10,
			   UIS_DMA_FROM_DEVICE, in, sizeof(in));
	expect_good(answer);
	assert_int_equal(answer.moved, 1024);
	assert_int_equal(in[1023], 0);
	assert_int_equal(in[1024], 0xee);
}

static void bad_ranges_and_fields(void **state)
{
	uint8_t data[1024] = { 0 };
	struct fake_answer answer;
	uint8_t cdb[16];

	(void)state;
	expect_sense(do_read(device, 0, BLOCKS - 1, 2, data), 5, 0x2100);
	expect_sense(do_read(device, 0, UINT64_MAX, 1, data), 5, 0x2100);
	expect_sense(do_write(device, 0, BLOCKS, 1, data), 5, 0x2100);
	expect_good(do_read(device, 0, BLOCKS - 2, 2, data));
	/* more blocks than the client has room for */
	answer = fake_scsi(device, 0, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 3), 10,
			   UIS_DMA_FROM_DEVICE, data, sizeof(data));
	expect_sense(answer, 5, 0x2400);
	assert_int_equal(answer.sense[15] & 0xc0, 0xc0);
	assert_int_equal(get_be16(answer.sense + 16), 7);
	/* RDPROTECT */
	answer = fake_scsi(device, 0, CDB(0x28, 0x20, 0, 0, 0, 0, 0, 0, 1), 10,
			   UIS_DMA_FROM_DEVICE, data, sizeof(data));
	expect_sense(answer, 5, 0x2400);
	assert_int_equal(answer.sense[15], 0xcd);
	assert_int_equal(get_be16(answer.sense + 16), 1);
	/* NACA */
	expect_sense(fake_scsi(device, 0, CDB(0, 0, 0, 0, 0, 4), 6,
			       UIS_DMA_NONE, NULL, 0), 5, 0x2400);
	expect_sense(fake_scsi(device, 0, CDB(0xee), 16, UIS_DMA_NONE, NULL, 0),
		     5, 0x2000);
	expect_sense(fake_scsi(device, 0, CDB(0x9e, 0x1f), 16, UIS_DMA_NONE,
			       NULL, 0), 5, 0x2400);
	cdb_rw16(cdb, 0x88, 0, 1 << 20);
	expect_sense(fake_scsi(device, 0, cdb, 16, UIS_DMA_FROM_DEVICE, data,
			       sizeof(data)), 5, 0x2100);
}

static void places_without_a_unit(void **state)
{
	uint8_t data[96] = { 0 };
	struct fake_request *request;
	struct fake_answer answer;

	(void)state;
	expect_sense(do_tur(device, 7), 5, 0x2500);
	answer = fake_scsi(device, 7, CDB(0x12, 0, 0, 0, 96), 6,
			   UIS_DMA_FROM_DEVICE, data, 96);
	expect_good(answer);
	assert_int_equal(data[0], 0x7f);
	expect_good(fake_scsi(device, 7, CDB(0x03, 0, 0, 0, 18), 6,
			      UIS_DMA_FROM_DEVICE, data, 18));
	assert_int_equal(data[2], 5);
	assert_int_equal(data[12], 0x25);
	expect_good(fake_scsi(device, 7, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 64),
			      12, UIS_DMA_FROM_DEVICE, data, 64));
	assert_int_equal(get_be32(data), 24);
	assert_int_equal(data[9], 0);
	assert_int_equal(data[17], 1);
	assert_int_equal(data[25], 5);
	/* a target that is not there: the transport says so */
	request = fake_send(device, 70000, CDB(0), 6, UIS_DMA_NONE, NULL, 0, 0);
	expect_sense(fake_wait(request), 5, 0x2500);
}

static void read_only_is_protected(void **state)
{
	uint8_t data[512] = { 0 }, mode[4];

	(void)state;
	expect_good(do_read(device, 5, 0, 1, data));
	expect_sense(do_write(device, 5, 0, 1, data), 7, 0x2700);
	expect_sense(fake_scsi(device, 5, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24), 10,
			       UIS_DMA_TO_DEVICE, data, 24), 5, 0x2000);
	expect_good(fake_scsi(device, 5, CDB(0x1a, 8, 0x3f, 0, 4), 6,
			      UIS_DMA_FROM_DEVICE, mode, 4));
	assert_int_equal(mode[2] & 0x80, 0x80);
	/* nor is anything else about it changed: others may use it */
	expect_sense(fake_scsi(device, 5, CDB(0x1b), 6, UIS_DMA_NONE, NULL, 0), 7, 0x2700);
	expect_sense(fake_scsi(device, 5, CDB(0x16), 6, UIS_DMA_NONE, NULL, 0), 7, 0x2700);
	expect_good(do_read(device, 5, 0, 1, data));
	/* FUA: nothing to flush */
	expect_good(fake_scsi(device, 5, CDB(0x28, 0x08, 0, 0, 0, 0, 0, 0, 1), 10,
			      UIS_DMA_FROM_DEVICE, data, 512));
}

static void serial_and_identity(void **state)
{
	uint8_t data[128] = { 0 };

	(void)state;
	expect_good(fake_scsi(device, 5, CDB(0x12, 1, 0x80, 0, 128), 6,
			      UIS_DMA_FROM_DEVICE, data, 128));
	assert_int_equal(get_be16(data + 2), 8);
	assert_memory_equal(data + 4, "SERIAL-3", 8);
	expect_good(fake_scsi(device, 0, CDB(0x12, 1, 0x80, 0, 128), 6,
			      UIS_DMA_FROM_DEVICE, data, 128));
	assert_memory_equal(data + 4, "0000005a000000000000000000000001", 32);
}

/* MODE SELECT(6) of one page with one byte set. */
static struct fake_answer mode_select(uint8_t page, uint8_t length,
				      unsigned int byte, uint8_t value)
{
	uint8_t data[24] = { 0 };

	data[4] = page;
	data[5] = length;
	if (page == 0x0a)
		data[4 + 3] = 0x10;
	data[4 + byte] = value;
	return fake_scsi(device, 0,
			 CDB(0x15, 0x10, 0, 0, (uint8_t)(length + 6)), 6,
			 UIS_DMA_TO_DEVICE, data, length + 6U);
}

static void mode_pages(void **state)
{
	uint8_t data[64] = { 0 };
	struct fake_answer answer;

	(void)state;
	expect_sense(fake_scsi(device, 0, CDB(0x1a, 0, 0xff, 0, 64), 6,
			       UIS_DMA_FROM_DEVICE, data, 64), 5, 0x3900);
	expect_good(mode_select(0x08, 0x12, 2, 0));	/* WCE off */
	expect_good(fake_scsi(device, 0, CDB(0x1a, 8, 0x08, 0, 64), 6,
			      UIS_DMA_FROM_DEVICE, data, 64));
	assert_int_equal(data[6], 0);
	expect_good(do_write(device, 0, 0, 1, data));
	expect_good(mode_select(0x08, 0x12, 2, 4));
	expect_sense(mode_select(0x08, 0x12, 2, 5), 5, 0x2600);	/* RCD */
	expect_sense(mode_select(0x08, 0x11, 2, 4), 5, 0x2600);
	/* descriptor format */
	expect_good(mode_select(0x0a, 0x0a, 2, 4));
	answer = do_read(device, 0, BLOCKS, 1, data);
	expect_sense(answer, 5, 0x2100);
	assert_int_equal(answer.sense[0], 0x72);
	assert_int_equal(get_be64(answer.sense + 12), BLOCKS);
	/* software write protection */
	expect_good(mode_select(0x0a, 0x0a, 4, 8));
	expect_sense(do_write(device, 0, 0, 1, data), 7, 0x2702);
	expect_good(mode_select(0x0a, 0x0a, 4, 0));
	expect_good(do_write(device, 0, 0, 1, data));
}

static void stopped_unit_says_so(void **state)
{
	uint8_t data[512];

	(void)state;
	expect_good(fake_scsi(device, 0, CDB(0x1b, 0, 0, 0, 0), 6, UIS_DMA_NONE,
			      NULL, 0));
	expect_sense(do_read(device, 0, 0, 1, data), 2, 0x0402);
	expect_sense(do_tur(device, 0), 2, 0x0402);
	expect_good(fake_scsi(device, 0, CDB(0x1b, 0, 0, 0, 1), 6, UIS_DMA_NONE,
			      NULL, 0));
	expect_good(do_read(device, 0, 0, 1, data));
}

static void compare_and_write(void **state)
{
	uint8_t data[1024], in[512];
	struct fake_answer answer;

	(void)state;
	memset(data, 0x11, 512);
	memset(data + 512, 0x22, 512);
	expect_good(do_write(device, 0, 40, 1, data));
	expect_good(fake_wait(start_caw(device, 0, 40, 1, data)));
	expect_good(do_read(device, 0, 40, 1, in));
	assert_memory_equal(in, data + 512, 512);
	answer = fake_wait(start_caw(device, 0, 40, 1, data));
	expect_sense(answer, 0xe, 0x1d00);
	assert_int_equal(get_be32(answer.sense + 3), 0);
}

/* Many at once on one block: exactly one succeeds in each round. */
static void compare_and_write_is_atomic(void **state)
{
	enum { N = 24 };
	static uint8_t data[N][1024], first[512], in[512];
	struct fake_request *requests[N];
	unsigned int i, good = 0;

	(void)state;
	expect_good(do_write(device, 0, 50, 1, first));
	for (i = 0; i < N; i++) {
		memset(data[i] + 512, (int)i + 1, 512);
		requests[i] = start_caw(device, 0, 50, 1, data[i]);
	}
	for (i = 0; i < N; i++)
		good += fake_wait(requests[i]).status == 0;
	assert_int_equal(good, 1);
	expect_good(do_read(device, 0, 50, 1, in));
	assert_int_not_equal(in[0], 0);
}

/* More than the journal holds, on different blocks, with WCE off: all wait. */
static void journal_full_waits(void **state)
{
	enum { N = 40 };
	static uint8_t data[N][1024], in[512];
	struct fake_request *requests[N];
	unsigned int i;

	(void)state;
	expect_good(mode_select(0x08, 0x12, 2, 0));
	for (i = 0; i < N; i++) {
		expect_good(do_write(device, 0, 200 + i, 1, data[i]));
		memset(data[i] + 512, (int)i + 1, 512);
	}
	for (i = 0; i < N; i++)
		requests[i] = start_caw(device, 0, 200 + i, 1, data[i]);
	for (i = 0; i < N; i++)
		expect_good(fake_wait(requests[i]));
	for (i = 0; i < N; i++) {
		expect_good(do_read(device, 0, 200 + i, 1, in));
		assert_int_equal(in[17], i + 1);
	}
	expect_good(mode_select(0x08, 0x12, 2, 4));
}

static void verify_and_orwrite(void **state)
{
	static uint8_t data[8 * 512], other[8 * 512];
	struct fake_answer answer;
	uint8_t cdb[16];

	(void)state;
	memset(data, 0x0f, sizeof(data));
	expect_good(do_write(device, 0, 60, 8, data));
	cdb_rw16(cdb, 0x8f, 60, 8);
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_NONE, NULL, 0));
	cdb[1] = 0x02;
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data,
			      sizeof(data)));
	data[1000] ^= 1;
	answer = fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data,
			   sizeof(data));
	expect_sense(answer, 0xe, 0x1d00);
	assert_int_equal(get_be32(answer.sense + 3), 1000);
	cdb[1] = 0x06;		/* every block like the one given */
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data, 512));

	memset(data, 0xf0, sizeof(data));
	cdb_rw16(cdb, 0x8b, 60, 8);
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data,
			      sizeof(data)));
	memset(data, 0xff, sizeof(data));
	expect_good(do_read(device, 0, 60, 8, other));
	assert_memory_equal(data, other, sizeof(data));

	memset(data, 0x5c, sizeof(data));
	cdb_rw16(cdb, 0x8e, 60, 8);
	cdb[1] = 0x02;
	expect_good(fake_wait(fake_send(device, 0, cdb, 16, UIS_DMA_TO_DEVICE,
					data, sizeof(data), 5)));
	expect_good(do_read(device, 0, 60, 8, other));
	assert_memory_equal(data, other, sizeof(data));
}

static void unmap_and_write_same(void **state)
{
	static uint8_t data[256 * 512], zero[256 * 512];
	uint8_t list[8 + 32] = { 0 }, status[24], cdb[16];

	(void)state;
	memset(data, 0xaa, sizeof(data));
	expect_good(do_write(device, 0, 512, 256, data));
	put_be16(list, sizeof(list) - 2);
	put_be16(list + 2, 32);
	put_be64(list + 8, 512);
	put_be32(list + 16, 64);
	put_be64(list + 24, 640);
	put_be32(list + 32, 64);
	expect_good(fake_scsi(device, 0,
			      CDB(0x42, 0, 0, 0, 0, 0, 0, 0, sizeof(list)), 10,
			      UIS_DMA_TO_DEVICE, list, sizeof(list)));
	expect_good(do_read(device, 0, 512, 64, data));
	assert_memory_equal(data, zero, 64 * 512);
	expect_good(do_read(device, 0, 576, 1, data));
	assert_int_equal(data[0], 0xaa);
	expect_good(fake_scsi(device, 0,
			      CDB(0x9e, 0x12, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0,
				  24), 16, UIS_DMA_FROM_DEVICE, status, 24));
	assert_int_equal(get_be64(status + 8), 512);
	assert_int_equal(get_be32(status + 16), 64);
	assert_int_equal(status[20], 1);
	put_be64(list + 24, BLOCKS - 1);
	expect_sense(fake_scsi(device, 0,
			       CDB(0x42, 0, 0, 0, 0, 0, 0, 0, sizeof(list)), 10,
			       UIS_DMA_TO_DEVICE, list, sizeof(list)), 5, 0x2100);

	memset(data, 0x77, 512);
	cdb_rw16(cdb, 0x93, 512, 256);
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data, 512));
	expect_good(do_read(device, 0, 512, 256, data));
	assert_int_equal(data[0], 0x77);
	assert_int_equal(data[sizeof(data) - 1], 0x77);
	cdb[1] = 0x01;		/* NDOB */
	expect_good(fake_scsi(device, 0, cdb, 16, UIS_DMA_NONE, NULL, 0));
	expect_good(do_read(device, 0, 512, 256, data));
	assert_memory_equal(data, zero, sizeof(zero));
	cdb_rw16(cdb, 0x93, 512, 0);
	expect_sense(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data, 512),
		     5, 0x2400);
}

static void size_changes_are_told(void **state)
{
	uint8_t data[512], capacity[32];

	(void)state;
	assert_int_equal(ftruncate(image, 2 * BLOCKS * 512), 0);
	expect_good(fake_scsi(device, 0, CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0,
					     0, 0, 0, 32), 16,
			      UIS_DMA_FROM_DEVICE, capacity, 32));
	assert_int_equal(get_be64(capacity), 2 * BLOCKS - 1);
	expect_sense(do_tur(device, 0), 6, 0x2a09);
	expect_good(do_tur(device, 0));
	expect_good(do_read(device, 0, 2 * BLOCKS - 1, 1, data));
	/* shrunk: a read that finds the end out fails, then it is known */
	assert_int_equal(ftruncate(image, BLOCKS * 512), 0);
	expect_sense(do_read(device, 0, 2 * BLOCKS - 1, 1, data), 3, 0x1100);
	expect_sense(do_tur(device, 0), 6, 0x2a09);
	expect_sense(do_read(device, 0, 2 * BLOCKS - 1, 1, data), 5, 0x2100);
	expect_good(do_read(device, 0, BLOCKS - 1, 1, data));
}

static void tasks_come_after_commands(void **state)
{
	static uint8_t data[64 * 512], caw[1024];
	struct fake_request *write, *waits, *task;
	struct fake_answer answer;

	(void)state;
	expect_good(mode_select(0x08, 0x12, 2, 0));
	write = start_write(device, 0, 0, 64, data);
	waits = start_caw(device, 0, 10, 1, caw);
	task = fake_send_task(device, TASK_MGMT_LUN_RESET, 0);
	assert_false(task->answered && !write->answered);
	answer = fake_wait(task);
	assert_int_equal(answer.result, TASK_MGMT_SUCCESS);
	assert_true(write->answered);
	assert_true(waits->answered);
	expect_good(fake_wait(write));
	fake_wait(waits);
	expect_sense(do_tur(device, 0), 6, 0x2903);
	answer = fake_wait(fake_send_task(device, TASK_MGMT_ABORT_TASK, 9));
	assert_int_equal(answer.result, TASK_MGMT_FAILED);
	answer = fake_wait(fake_send_task(device, 17, 0));
	assert_int_equal(answer.result, TASK_MGMT_FAILED);
	expect_good(mode_select(0x08, 0x12, 2, 4));
}

static void units_come_and_go(void **state)
{
	struct mullion_disk_lun luns[2];
	unsigned int added = fake_notified_added;
	unsigned int removed = fake_notified_removed;

	(void)state;
	luns[0] = fake_lun(1, MULLION_STORE_FILE, 0);
	luns[1] = fake_lun(9, MULLION_STORE_NULL, 1 << 20);
	luns[1].lun = 9;
	assert_int_equal(fake_device_reconfigure(device, luns, 2, NULL), 0);
	assert_int_equal(fake_notified_added, added + 1);
	assert_int_equal(fake_notified_removed, removed + 2);
	expect_sense(do_tur(device, 0), 6, 0x3f0e);
	expect_sense(do_tur(device, 9), 6, 0x3f0e);
	expect_good(do_tur(device, 9));
	expect_sense(do_tur(device, 5), 5, 0x2500);
	luns[1].block_size = 4096;
	assert_int_equal(fake_device_reconfigure(device, luns, 2, NULL), -22);
	expect_good(do_tur(device, 9));
}

static void every_command_of_the_table_is_answered(void **state)
{
	static uint8_t data[65536];
	unsigned int opcode, action, fill;
	uint8_t cdb[16];

	(void)state;
	for (opcode = 0; opcode < 256; opcode++) {
		for (action = 0; action < 32; action++) {
			for (fill = 0; fill < 3; fill++) {
				memset(cdb, fill == 2 ? 0xff : (int)fill, 16);
				cdb[0] = (uint8_t)opcode;
				cdb[1] = (uint8_t)((cdb[1] & 0xe0) | action);
				fake_scsi(device, 1, cdb, 16, UIS_DMA_TO_DEVICE,
					  data, fill ? sizeof(data) : 0);
			}
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_there_and_back),
		cmocka_unit_test(buffer_larger_than_transfer_has_residual),
		cmocka_unit_test(bad_ranges_and_fields),
		cmocka_unit_test(places_without_a_unit),
		cmocka_unit_test(read_only_is_protected),
		cmocka_unit_test(serial_and_identity),
		cmocka_unit_test(mode_pages),
		cmocka_unit_test(stopped_unit_says_so),
		cmocka_unit_test(compare_and_write),
		cmocka_unit_test(compare_and_write_is_atomic),
		cmocka_unit_test(journal_full_waits),
		cmocka_unit_test(verify_and_orwrite),
		cmocka_unit_test(unmap_and_write_same),
		cmocka_unit_test(size_changes_are_told),
		cmocka_unit_test(tasks_come_after_commands),
		cmocka_unit_test(every_command_of_the_table_is_answered),
		cmocka_unit_test(units_come_and_go),
	};

	return cmocka_run_group_tests(tests, start, stop);
}
