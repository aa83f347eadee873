// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_mode.c - MODE SENSE and MODE SELECT
 *
 * Three pages: caching (WCE can be switched where the disk's configuration
 * leaves it to the guest), control (D_SENSE and SWP can be switched) and
 * informational exceptions (nothing can).  They belong to the disk: all
 * nexuses see the same, and the others are told of a change by a unit
 * attention.  They outlive a service but are not saved with the medium.
 *
 * Switching WCE off flushes before the command ends, while it holds the whole
 * disk, so that what has been written is stable from the moment that the
 * guest believes it.
 *
 * MODE SELECT checks everything before it changes anything: a bit that cannot
 * be switched must have the value that it has.
 */
#include <string.h>

#include "scsi.h"

#define MODE_MAX_BYTES		128
#define MODE_BLOCK_DESCRIPTOR	8
#define MODE_LONG_DESCRIPTOR	16

/* Page control */
#define MODE_CURRENT		0
#define MODE_CHANGEABLE		1
#define MODE_DEFAULT		2
#define MODE_SAVED		3

#define MODE_ALL_PAGES		0x3f

/* Device-specific parameter */
#define MODE_WP			0x80
#define MODE_DPOFUA		0x10

#define CACHING_WCE		0x04
#define CONTROL_D_SENSE		0x04
#define CONTROL_SWP		0x08

struct mode_values {
	bool wce;
	bool d_sense;
	bool swp;
};

static void mode_caching(const struct disk *disk, uint8_t *page, int control)
{
	bool wce = disk_wce(disk);

	page[0] = 0x08;
	page[1] = 0x12;
	if (control == MODE_CHANGEABLE)
		wce = disk->wce_changeable;
	else if (control == MODE_DEFAULT)
		wce = disk->cache != MULLION_CACHE_WRITETHROUGH;
	if (wce)
		page[2] = CACHING_WCE;
}

static void mode_control(const struct disk *disk, uint8_t *page, int control)
{
	bool d_sense = disk->state.d_sense, swp = disk->state.swp;

	page[0] = 0x0a;
	page[1] = 0x0a;
	if (control == MODE_CHANGEABLE)
		d_sense = swp = true;
	else
		page[3] = 0x10;	/* unrestricted reordering */
	if (control == MODE_DEFAULT)
		d_sense = swp = false;
	if (d_sense)
		page[2] = CONTROL_D_SENSE;
	if (swp)
		page[4] = CONTROL_SWP;
}

static void mode_exceptions(const struct disk *disk, uint8_t *page, int control)
{
	(void)disk;
	page[0] = 0x1c;
	page[1] = 0x0a;
	if (control != MODE_CHANGEABLE)
		page[2] = 0x08;	/* DEXCPT: none are reported */
}

static const struct {
	uint8_t code;
	uint8_t bytes;
	void (*fill)(const struct disk *disk, uint8_t *page, int control);
} mode_pages[] = {
	{ 0x08, 20, mode_caching },
	{ 0x0a, 12, mode_control },
	{ 0x1c, 12, mode_exceptions },
};

#define MODE_PAGES (sizeof(mode_pages) / sizeof(mode_pages[0]))

static uint8_t mode_device_specific(const struct lun *lun)
{
	uint8_t value = MODE_DPOFUA;

	if (lun->read_only || lun->disk->state.swp)
		value |= MODE_WP;
	return value;
}

/* Header and block descriptor; returns their bytes. */
static unsigned int mode_header(const struct lun *lun, uint8_t *data,
				bool ten, bool descriptor, bool longer)
{
	unsigned int bytes = ten ? 8 : 4;
	unsigned int of_descriptor = 0;
	uint64_t blocks = lun->disk->blocks;

	if (descriptor)
		of_descriptor = longer ? MODE_LONG_DESCRIPTOR :
				MODE_BLOCK_DESCRIPTOR;
	if (ten) {
		data[3] = mode_device_specific(lun);
		data[4] = descriptor && longer;
		put_be16(data + 6, (uint16_t)of_descriptor);
	} else {
		data[2] = mode_device_specific(lun);
		data[3] = (uint8_t)of_descriptor;
	}
	if (!descriptor)
		return bytes;
	if (longer) {
		put_be64(data + bytes, blocks);
		put_be32(data + bytes + 12, DISK_BLOCK_BYTES);
	} else {
		put_be32(data + bytes, blocks > UINT32_MAX ? UINT32_MAX :
			 (uint32_t)blocks);
		put_be32(data + bytes + 4, DISK_BLOCK_BYTES);
	}
	return bytes + of_descriptor;
}

void scsi_mode_sense(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	bool ten = cdb[0] == 0x5a, found = false;
	uint8_t data[MODE_MAX_BYTES] = { 0 };
	uint8_t wanted = cdb[2] & 0x3f;
	int control = cdb[2] >> 6;
	unsigned int bytes, i;

	if (control == MODE_SAVED) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_SAVING_NOT_SUPPORTED);
		return;
	}
	bytes = mode_header(cmd->lun, data, ten, !(cdb[1] & 0x08),
			    ten && cdb[1] & 0x10);
	for (i = 0; i < MODE_PAGES; i++) {
		if (wanted != MODE_ALL_PAGES && wanted != mode_pages[i].code)
			continue;
		if (cdb[3] && cdb[3] != 0xff)
			break;
		mode_pages[i].fill(cmd->lun->disk, data + bytes, control);
		bytes += mode_pages[i].bytes;
		found = true;
	}
	if (!found) {
		scsi_bad_cdb(cmd, cdb[3] && cdb[3] != 0xff ? 3 : 2, -1);
		return;
	}
	if (ten)
		put_be16(data, (uint16_t)(bytes - 2));
	else
		data[0] = (uint8_t)(bytes - 1);
	scsi_data_in(cmd, data, bytes, ten ? get_be16(cdb + 7) : cdb[4]);
}

static void mode_apply(struct cmd *cmd, const struct mode_values *values)
{
	struct disk *disk = cmd->lun->disk;
	struct persist_body *state = &disk->state;
	bool changed = values->wce != disk_wce(disk) ||
		       values->d_sense != state->d_sense ||
		       values->swp != state->swp;

	if (changed) {
		state->mode_valid = 1;
		state->wce = values->wce;
		state->d_sense = values->d_sense;
		state->swp = values->swp;
		disk_attention(disk, ATTENTION_MODE, cmd->lun->nexus, false);
		scsi_state_effect(cmd);
		disk_commit(disk);
	}
	scsi_good(cmd, cmd_request(cmd)->bufflen);
}

/* What was asked for is kept in the bits of cmd->mode. */
static struct mode_values mode_values_of(const struct cmd *cmd)
{
	return (struct mode_values){
		.wce = cmd->mode & 1,
		.d_sense = cmd->mode & 2,
		.swp = cmd->mode & 4,
	};
}

static void mode_flushed(struct cmd *cmd, int error)
{
	struct mode_values values = mode_values_of(cmd);

	if (error) {
		scsi_store_failed(cmd, error);
		return;
	}
	mode_apply(cmd, &values);
}

/* Holds the whole disk: no write slips in between the flush and the change. */
static void mode_flush(struct cmd *cmd)
{
	scsi_store(cmd, STORE_FLUSH, 0, 0, mode_flushed);
}

/* Check one page; false: the command was ended. */
static bool mode_page_check(struct cmd *cmd, const uint8_t *data,
			    unsigned int at, unsigned int end,
			    struct mode_values *values, unsigned int *bytes)
{
	uint8_t current[32] = { 0 }, changeable[32] = { 0 };
	const struct disk *disk = cmd->lun->disk;
	const uint8_t *page = data + at;
	unsigned int i, j;

	for (i = 0; i < MODE_PAGES; i++)
		if (mode_pages[i].code == (page[0] & 0x7f))
			break;
	if (i == MODE_PAGES) {
		scsi_bad_parameter(cmd, at, 5);
		return false;
	}
	if (end - at < 2 || page[1] != mode_pages[i].bytes - 2) {
		scsi_bad_parameter(cmd, at + 1, -1);
		return false;
	}
	*bytes = mode_pages[i].bytes;
	if (*bytes > end - at) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return false;
	}
	mode_pages[i].fill(disk, current, MODE_CURRENT);
	mode_pages[i].fill(disk, changeable, MODE_CHANGEABLE);
	for (j = 2; j < *bytes; j++) {
		uint8_t bad = (page[j] ^ current[j]) & (uint8_t)~changeable[j];

		if (bad) {
			scsi_bad_parameter(cmd, at + j, 31 - __builtin_clz(bad));
			return false;
		}
	}
	if (mode_pages[i].code == 0x08) {
		values->wce = page[2] & CACHING_WCE;
	} else if (mode_pages[i].code == 0x0a) {
		values->d_sense = page[2] & CONTROL_D_SENSE;
		values->swp = page[4] & CONTROL_SWP;
	}
	return true;
}

/* The block descriptor may say what is; nothing else. */
static bool mode_descriptor_check(struct cmd *cmd, const uint8_t *data,
				  unsigned int at, unsigned int bytes)
{
	uint64_t blocks = bytes == MODE_LONG_DESCRIPTOR ?
			  get_be64(data + at) : get_be32(data + at);
	uint32_t size = bytes == MODE_LONG_DESCRIPTOR ?
			get_be32(data + at + 12) : get_be24(data + at + 5);

	if (blocks && blocks != cmd->lun->disk->blocks && blocks != UINT32_MAX) {
		scsi_bad_parameter(cmd, at, -1);
		return false;
	}
	if (size != DISK_BLOCK_BYTES) {
		scsi_bad_parameter(cmd, at + bytes - 4, -1);
		return false;
	}
	return true;
}

void scsi_mode_select(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	bool ten = cdb[0] == 0x55;
	unsigned int length = ten ? get_be16(cdb + 7) : cdb[4];
	unsigned int header = ten ? 8 : 4, at, of_descriptor, of_page;
	struct disk *disk = cmd->lun->disk;
	struct mode_values values = {
		.wce = disk_wce(disk),
		.d_sense = disk->state.d_sense,
		.swp = disk->state.swp,
	};
	uint8_t data[MODE_MAX_BYTES];

	if (!(cdb[1] & 0x10)) {		/* PF */
		scsi_bad_cdb(cmd, 1, 4);
		return;
	}
	if (!length) {
		scsi_good(cmd, 0);
		return;
	}
	if (length < header || length > sizeof(data) ||
	    scsi_data_out(cmd, data, length) < length) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	of_descriptor = ten ? get_be16(data + 6) : data[3];
	if (of_descriptor && of_descriptor != (ten && data[4] & 1 ?
				MODE_LONG_DESCRIPTOR : MODE_BLOCK_DESCRIPTOR)) {
		scsi_bad_parameter(cmd, ten ? 6 : 3, -1);
		return;
	}
	if (of_descriptor > length - header) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	if (of_descriptor &&
	    !mode_descriptor_check(cmd, data, header, of_descriptor))
		return;
	for (at = header + of_descriptor; at < length; at += of_page)
		if (!mode_page_check(cmd, data, at, length, &values, &of_page))
			return;
	if (disk_wce(disk) && !values.wce) {
		cmd->mode = (uint8_t)(values.d_sense << 1 | values.swp << 2);
		scsi_enter(cmd, 0, disk->blocks, true, mode_flush);
		return;
	}
	mode_apply(cmd, &values);
}
