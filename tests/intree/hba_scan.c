// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/hba_scan.c - the SCSI layer's scan and sd's questions
 */
#include <errno.h>
#include <string.h>

#include "hba.h"

#define SCAN_INQUIRY	36
#define SCAN_LUNS_BYTES	512
#define SCAN_CACHING	0x08

/* A command of @cdb_bytes that reads; the data go to @data. */
static int scan_read(struct hba *hba, uint32_t id, uint32_t lun, const uint8_t *cdb,
		     unsigned int cdb_bytes, void *data, uint32_t bytes,
		     uint32_t *ret_linuxstat)
{
	struct hba_command command = {
		.id = id, .lun = lun, .direction = bytes ? UIS_DMA_FROM_DEVICE : UIS_DMA_NONE,
		.bufflen = bytes,
	};
	struct ram_list list = { 0 };
	int ret;

	memcpy(command.cdb, cdb, cdb_bytes);
	if (bytes) {
		/* What the device does not fill must not be taken for an answer. */
		memset(data, 0, bytes);
		ram_list_alloc(&list, bytes, 1);
		ram_list_write(&list, data);
		command.data = &list;
	}
	ret = hba_execute(hba, &command);
	*ret_linuxstat = command.linuxstat;
	if (ret < 0)
		return ret;
	if (bytes)
		ram_list_read(&list, data);
	ram_list_free(&list);
	return 0;
}

/* 1: there is a unit; 0: there is none. */
static int scan_inquiry(struct hba *hba, uint32_t id, uint32_t lun)
{
	uint8_t cdb[6] = { 0x12, 0, 0, 0, SCAN_INQUIRY, 0 };
	uint8_t data[256];
	uint32_t linuxstat = 0;
	uint32_t bytes;
	int ret;

	ret = scan_read(hba, id, lun, cdb, sizeof(cdb), data, SCAN_INQUIRY, &linuxstat);
	if (ret < 0)
		return ret;
	if (linuxstat || (data[0] & 0xe0) || (data[0] & 0x1f) == 0x1f)
		return 0;
	bytes = data[4] + 5U;
	cdb[4] = (uint8_t)(bytes > 255 ? 255 : bytes);
	ret = scan_read(hba, id, lun, cdb, sizeof(cdb), data, cdb[4], &linuxstat);
	if (ret < 0)
		return ret;
	check(CHECK_HBA_RESULT, !linuxstat, "%s: INQUIRY of %u bytes: 0x%x",
	      hba->device->name, cdb[4], linuxstat);
	return 1;
}

static int scan_mode_page(struct hba *hba, struct hba_lun *lun)
{
	const uint8_t cdb[6] = { 0x1a, 0x08, SCAN_CACHING, 0, 192, 0 };
	uint8_t data[192];
	uint32_t linuxstat = 0;
	unsigned int at;
	int ret;

	ret = scan_read(hba, lun->id, lun->lun, cdb, sizeof(cdb), data, sizeof(data),
			&linuxstat);
	if (ret < 0)
		return ret;
	if (!check(CHECK_HBA_WRITE_THROUGH, !linuxstat, "%s: no caching mode page",
		   hba->device->name))
		return 0;
	lun->read_only = data[2] & 0x80;
	at = 4U + data[3];
	check(CHECK_HBA_WRITE_THROUGH, at + 2 < sizeof(data) &&
	      (data[at] & 0x3f) == SCAN_CACHING && !(data[at + 2] & 0x04),
	      "%s: unit %u:%u has a write cache", hba->device->name, lun->id, lun->lun);
	return 0;
}

static int scan_capacity(struct hba *hba, struct hba_lun *lun)
{
	const uint8_t ready[6] = { 0 };
	const uint8_t cdb[10] = { 0x25 };
	uint8_t data[8];
	uint32_t linuxstat = 0, last;
	int ret;

	ret = scan_read(hba, lun->id, lun->lun, ready, sizeof(ready), NULL, 0, &linuxstat);
	if (!ret)
		ret = scan_read(hba, lun->id, lun->lun, cdb, sizeof(cdb), data, sizeof(data),
				&linuxstat);
	if (ret < 0)
		return ret;
	last = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
	       data[3];
	lun->block_bytes = (uint32_t)data[4] << 24 | (uint32_t)data[5] << 16 |
			   (uint32_t)data[6] << 8 | data[7];
	/* All ones sends the guest to READ CAPACITY(16), which it cannot send. */
	if (!check(CHECK_HBA_LIMITS, !linuxstat && last != UINT32_MAX &&
		   (lun->block_bytes == 512 || lun->block_bytes == 4096),
		   "%s: READ CAPACITY(10) of %u:%u: 0x%x, %u blocks of %u", hba->device->name,
		   lun->id, lun->lun, linuxstat, last, lun->block_bytes))
		return 0;
	lun->blocks = last + 1;
	return scan_mode_page(hba, lun);
}

static int scan_add(struct hba *hba, uint32_t id, uint32_t lun)
{
	struct hba_lun *unit = &hba->luns[hba->lun_count];
	int ret;

	if (hba->lun_count == HBA_LUNS)
		return 0;
	*unit = (struct hba_lun){ .id = id, .lun = lun };
	ret = scan_capacity(hba, unit);
	if (!ret && unit->blocks)
		hba->lun_count++;
	return ret;
}

static int scan_target(struct hba *hba, uint32_t id)
{
	const uint8_t cdb[12] = { 0xa0, 0, 0, 0, 0, 0, 0, 0, SCAN_LUNS_BYTES >> 8,
				  SCAN_LUNS_BYTES & 0xff };
	uint8_t data[SCAN_LUNS_BYTES];
	uint32_t linuxstat = 0, bytes;
	int ret;

	ret = scan_inquiry(hba, id, 0);
	if (ret <= 0)
		return ret;
	ret = scan_read(hba, id, 0, cdb, sizeof(cdb), data, sizeof(data), &linuxstat);
	if (ret < 0)
		return ret;
	check(CHECK_HBA_RESULT, !linuxstat, "%s: REPORT LUNS: 0x%x", hba->device->name,
	      linuxstat);
	bytes = (uint32_t)data[0] << 24 | (uint32_t)data[1] << 16 | (uint32_t)data[2] << 8 |
		data[3];
	for (uint32_t at = 8; !ret && at + 8 <= sizeof(data) && at < bytes + 8; at += 8) {
		uint32_t lun = (uint32_t)(data[at] & 0x3f) << 8 | data[at + 1];

		if (lun >= hba->max.max_lun)
			continue;
		ret = lun ? scan_inquiry(hba, id, lun) : 1;
		if (ret > 0)
			ret = scan_add(hba, id, lun);
	}
	return ret;
}

int hba_scan(struct hba *hba)
{
	int ret = 0;

	for (uint32_t id = 0; !ret && id < hba->max.max_id; id++)
		ret = scan_target(hba, id);
	return ret;
}
