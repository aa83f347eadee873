// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_inquiry.c - INQUIRY and the vital product data pages
 *
 * A disk names itself three ways in page 83h: by T10 vendor and serial number,
 * by a locally assigned NAA name made from its UUID, and by the UUID itself.
 * All are the same at every device that shares the disk, and across services.
 */
#include <stdio.h>
#include <string.h>

#include "scsi_limits.h"
#include "scsi.h"

#define INQUIRY_BYTES		96
#define INQUIRY_VENDOR		"MULLION "
#define INQUIRY_PRODUCT		"DISK            "
#define INQUIRY_REVISION	"0001"
#define VPD_MAX_BYTES		252

/* Qualifier and type of a place where no logical unit is. */
#define PERIPHERAL_POSSIBLE	0x20
#define PERIPHERAL_NEVER	0x7f

static void inquiry_standard(struct cmd *cmd, uint8_t peripheral)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	uint8_t data[INQUIRY_BYTES] = { 0 };

	data[0] = peripheral;
	data[2] = 0x06;		/* SPC-4 */
	data[3] = 0x12;		/* hierarchical LUNs, response format 2 */
	data[4] = INQUIRY_BYTES - 5;
	data[7] = 0x02;		/* command queuing */
	memcpy(data + 8, INQUIRY_VENDOR, 8);
	memcpy(data + 16, INQUIRY_PRODUCT, 16);
	memcpy(data + 32, INQUIRY_REVISION, 4);
	put_be16(data + 58, 0x00a0);	/* SAM-5 */
	put_be16(data + 60, 0x0460);	/* SPC-4 */
	put_be16(data + 62, 0x04c0);	/* SBC-3 */
	scsi_data_in(cmd, data, sizeof(data), get_be16(cdb + 3));
}

/*
 * Text form of a UUID as 16 bytes in network order; GUIDs on the wire are
 * mixed-endian.
 */
static void inquiry_uuid(const guid_t *guid, uint8_t *out)
{
	static const uint8_t order[16] = {
		3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15
	};
	unsigned int i;

	for (i = 0; i < 16; i++)
		out[i] = guid->b[order[i]];
}

static unsigned int vpd_supported(struct lun *lun, uint8_t *data)
{
	static const uint8_t pages[] = { 0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2 };

	(void)lun;
	memcpy(data, pages, sizeof(pages));
	return sizeof(pages);
}

static unsigned int vpd_serial(struct lun *lun, uint8_t *data)
{
	unsigned int n = (unsigned int)strlen(lun->disk->serial_number);

	memcpy(data, lun->disk->serial_number, n);
	return n;
}

static uint8_t *vpd_designator(uint8_t *at, uint8_t code_set, uint8_t type,
			       unsigned int bytes)
{
	at[0] = code_set;
	at[1] = type;
	at[2] = 0;
	at[3] = (uint8_t)bytes;
	return at + 4;
}

static unsigned int vpd_identification(struct lun *lun, uint8_t *data)
{
	const char *serial = lun->disk->serial_number;
	unsigned int n = (unsigned int)strlen(serial);
	uint8_t uuid[16], *at = data;

	inquiry_uuid(&lun->disk->uuid, uuid);

	at = vpd_designator(at, 1, 0x03, 8);	/* NAA, binary */
	memcpy(at, uuid + 8, 8);
	at[0] = 0x30 | (at[0] & 0x0f);		/* locally assigned */
	at[1] ^= uuid[0];
	at[2] ^= uuid[1];
	at[3] ^= uuid[2];
	at += 8;

	at = vpd_designator(at, 2, 0x01, 8 + n);	/* T10 vendor, ASCII */
	memcpy(at, INQUIRY_VENDOR, 8);
	memcpy(at + 8, serial, n);
	at += 8 + n;

	at = vpd_designator(at, 1, 0x0a, 18);	/* UUID, binary */
	at[0] = 0x10;
	at[1] = 0;
	memcpy(at + 2, uuid, 16);
	at += 18;

	at = vpd_designator(at, 1, 0x14, 4);	/* relative target port 1 */
	put_be32(at, 1);
	at += 4;
	return (unsigned int)(at - data);
}

static unsigned int vpd_limits(struct lun *lun, uint8_t *data)
{
	const struct store *store = lun->disk->store;
	uint8_t *page = data - 4;	/* offsets as the standard counts them */

	page[4] = 0x01;		/* WSNZ: WRITE SAME of 0 blocks is refused */
	page[5] = PERSIST_JOURNAL_BYTES / DISK_BLOCK_BYTES;
	put_be16(page + 6, SCSI_OPTIMAL_GRANULARITY);
	put_be32(page + 8, DISK_MAX_IO_BYTES / DISK_BLOCK_BYTES);
	put_be32(page + 12, DISK_MAX_IO_BYTES / DISK_BLOCK_BYTES);
	if (store->unmap) {
		put_be32(page + 20, SCSI_UNMAP_BLOCKS_MAX);
		put_be32(page + 24, SCSI_UNMAP_DESCRIPTORS_MAX);
		put_be32(page + 28, store->unmap_granularity / DISK_BLOCK_BYTES);
		put_be32(page + 32, 1U << 31);	/* alignment: 0, valid */
	}
	put_be64(page + 36, SCSI_WRITE_SAME_BLOCKS_MAX);
	return 0x3c;
}

static unsigned int vpd_characteristics(struct lun *lun, uint8_t *data)
{
	(void)lun;
	put_be16(data, 1);	/* not rotating */
	return 0x3c;
}

static unsigned int vpd_provisioning(struct lun *lun, uint8_t *data)
{
	if (lun->disk->store->unmap) {
		data[1] = 0xe4;	/* LBPU, LBPWS, LBPWS10; LBPRZ 001b */
		data[2] = 0x02;	/* thin */
	}
	return 4;
}

static const struct {
	uint8_t page;
	unsigned int (*fill)(struct lun *lun, uint8_t *data);
} vpd_pages[] = {
	{ 0x00, vpd_supported },
	{ 0x80, vpd_serial },
	{ 0x83, vpd_identification },
	{ 0xb0, vpd_limits },
	{ 0xb1, vpd_characteristics },
	{ 0xb2, vpd_provisioning },
};

void scsi_inquiry(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	const uint8_t *cdb = request->cdb;
	uint8_t data[4 + VPD_MAX_BYTES] = { 0 };
	unsigned int bytes, i;

	if (!(cdb[1] & 1)) {
		if (cdb[2])
			scsi_bad_cdb(cmd, 2, -1);
		else if (!cmd->lun)
			inquiry_standard(cmd, request->lun ? PERIPHERAL_NEVER :
					 PERIPHERAL_POSSIBLE);
		else
			inquiry_standard(cmd, 0);
		return;
	}
	if (!cmd->lun) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_LUN_NOT_SUPPORTED);
		return;
	}
	for (i = 0; i < sizeof(vpd_pages) / sizeof(vpd_pages[0]); i++) {
		if (vpd_pages[i].page != cdb[2])
			continue;
		bytes = vpd_pages[i].fill(cmd->lun, data + 4);
		data[1] = cdb[2];
		put_be16(data + 2, (uint16_t)bytes);
		scsi_data_in(cmd, data, 4 + bytes, get_be16(cdb + 3));
		return;
	}
	scsi_bad_cdb(cmd, 2, -1);
}
