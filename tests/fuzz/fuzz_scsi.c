// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_scsi.c - SCSI commands and tasks into the disk target
 *
 * An input is a list of requests: a byte that says which of two devices and
 * which unit, 16 bytes of CDB, two of data length, and that much data if the
 * input has it.  Every request must be answered, once; the stand-in for the
 * common layer asserts the latter.  Two devices share a file in memory; each
 * has a null disk of its own, one of them read-only.  Nothing goes through
 * io_uring, so an input always does the same.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../lib/fake_device.h"

#define HEAD_BYTES	19
#define DATA_MAX	65536
#define IMAGE_BYTES	(256 << 10)

/* Of the first byte of a request */
#define HEAD_DEVICE	0x01
#define HEAD_LUN	0x06	/* unit 0, 1, or two that are not there */
#define HEAD_TO_DEVICE	0x08
#define HEAD_AGAIN	0x10
#define HEAD_TASK	0x20
#define HEAD_PIECES	0xc0

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct mullion_device *fuzz_device(unsigned int number)
{
	struct mullion_device *device = fake_device_new(number);
	struct mullion_disk_lun luns[2];
	int fds[2] = { -1, -1 };

	luns[0] = fake_lun(1, MULLION_STORE_FILE, 0);
	luns[0].flags = MULLION_DISK_SHARED;
	luns[1] = fake_lun(2 + number, MULLION_STORE_NULL, 1ULL << 42);
	luns[1].lun = 1;
	if (number)
		luns[1].flags = MULLION_DISK_READ_ONLY;
	fds[0] = memfd_create("image", MFD_CLOEXEC);
	assert(fds[0] >= 0 && !ftruncate(fds[0], IMAGE_BYTES));
	if (fake_device_start(device, luns, 2, fds, false))
		abort();
	return device;
}

static void fuzz_request(struct mullion_device *device, uint8_t head,
			 const uint8_t *cdb, uint8_t *buffer, uint32_t bytes)
{
	static const uint32_t luns[] = { 0, 1, 2, 0x4001 };
	uint32_t lun = luns[(head & HEAD_LUN) >> 1];
	uint32_t direction = head & HEAD_TO_DEVICE ? UIS_DMA_TO_DEVICE :
			     UIS_DMA_FROM_DEVICE;

	if (head & HEAD_TASK)
		fake_wait(fake_send_task(device, cdb[0], lun));
	else if (head & HEAD_AGAIN)
		fake_wait(fake_send_again(device, lun, cdb, 16, direction,
					  buffer, bytes, cdb[15]));
	else
		fake_wait(fake_send(device, lun, cdb, 16, direction, buffer,
				    bytes, (head & HEAD_PIECES) >> 5));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t buffer[DATA_MAX];
	struct mullion_device *devices[2];

	setenv("MULLION_TEST_NO_URING", "1", 1);
	fake_init();
	devices[0] = fuzz_device(0);
	devices[1] = fuzz_device(1);
	fake_next_id = 1;
	while (size >= HEAD_BYTES) {
		uint8_t head = data[0];
		uint32_t bytes = (uint32_t)(data[17] << 8 | data[18]);
		size_t given = size - HEAD_BYTES;
		uint8_t cdb[16];

		memcpy(cdb, data + 1, 16);
		data += HEAD_BYTES;
		if (!(head & HEAD_TO_DEVICE))
			given = 0;
		if (given > bytes)
			given = bytes;
		memset(buffer + given, 0, bytes - given);
		memcpy(buffer, data, given);
		data += given;
		size -= HEAD_BYTES + given;
		fuzz_request(devices[head & HEAD_DEVICE], head, cdb, buffer,
			     bytes);
	}
	fake_device_stop(devices[0]);
	fake_device_stop(devices[1]);
	return 0;
}
