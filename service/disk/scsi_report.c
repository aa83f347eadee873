// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_report.c - commands that tell about the unit, and those
 * that start and stop it
 */
#include <stdlib.h>
#include <string.h>

#include "scsi_limits.h"
#include "scsi.h"

void scsi_test_unit_ready(struct cmd *cmd)
{
	scsi_good(cmd, 0);
}

/* The sense data that an error would have had, without the error. */
void scsi_request_sense(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	uint8_t sense[MAX_SENSE_SIZE];
	uint8_t key = KEY_NO_SENSE;
	struct lun *lun = cmd->lun;
	uint16_t asc = ASC_NONE;
	unsigned int bytes;

	if (!lun) {
		key = KEY_ILLEGAL_REQUEST;
		asc = ASC_LUN_NOT_SUPPORTED;
	} else {
		asc = scsi_attention_take(lun, false);
		if (asc) {
			key = KEY_UNIT_ATTENTION;
		} else if (lun->disk->gate & GATE_STOPPED) {
			key = KEY_NOT_READY;
			asc = ASC_INITIALIZING_REQUIRED;
		}
	}
	bytes = scsi_sense_build(sense, cdb[1] & 1, key, asc);
	scsi_data_in(cmd, sense, bytes, cdb[4]);
	/* Only now: told twice is better than never. */
	if (key == KEY_UNIT_ATTENTION)
		scsi_attention_take(lun, true);
}

void scsi_read_capacity_10(struct cmd *cmd)
{
	struct disk *disk = cmd->lun->disk;
	uint8_t data[8];
	uint64_t last;

	disk_check_size(disk);
	last = disk->blocks - 1;
	put_be32(data, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	put_be32(data + 4, DISK_BLOCK_BYTES);
	scsi_data_in(cmd, data, sizeof(data), sizeof(data));
}

void scsi_read_capacity_16(struct cmd *cmd)
{
	struct disk *disk = cmd->lun->disk;
	uint8_t data[32] = { 0 };

	disk_check_size(disk);
	put_be64(data, disk->blocks - 1);
	put_be32(data + 8, DISK_BLOCK_BYTES);
	data[13] = SCSI_PHYSICAL_EXPONENT;
	if (disk->store->unmap)
		data[14] = 0xc0;	/* LBPME, LBPRZ */
	scsi_data_in(cmd, data, sizeof(data),
		     get_be32(cmd_request(cmd)->cdb + 10));
}

/* The logical units of the command's target at @device. */
void scsi_report_luns_of(struct cmd *cmd, struct disk_device *device)
{
	struct mullion_request *request = cmd_request(cmd);
	const uint8_t *cdb = request->cdb;
	uint32_t allocation = get_be32(cdb + 6), bytes = 8;
	uint8_t data[8 + 8 * MULLION_DISK_LUNS_MAX] = { 0 };
	unsigned int i;

	if (cdb[2] > 2) {
		scsi_bad_cdb(cmd, 2, -1);
		return;
	}
	if (allocation < 16) {
		scsi_bad_cdb(cmd, 6, -1);
		return;
	}
	/* 1: well-known logical units only, of which there are none */
	for (i = 0; cdb[2] != 1 && i < DISK_LUN_MAX; i++) {
		if (!device->map[request->id][i])
			continue;
		data[bytes + 1] = (uint8_t)i;	/* peripheral addressing */
		bytes += 8;
	}
	put_be32(data, bytes - 8);
	scsi_data_in(cmd, data, bytes, allocation);
}

void scsi_report_luns(struct cmd *cmd)
{
	struct lun *lun = cmd->lun;
	struct persist_nexus *nexus = lun_nexus(lun);

	if (nexus->attention & ATTENTION_LUNS) {
		nexus->attention &= ~ATTENTION_LUNS;
		disk_commit(lun->disk);
	}
	scsi_report_luns_of(cmd, lun->device);
}

#define TIMEOUT_DESCRIPTOR_BYTES	12

static unsigned int opcodes_timeout(const struct scsi_command *command,
				    uint8_t *data)
{
	memset(data, 0, TIMEOUT_DESCRIPTOR_BYTES);
	put_be16(data, TIMEOUT_DESCRIPTOR_BYTES - 2);
	put_be32(data + 8, command->timeout);
	return TIMEOUT_DESCRIPTOR_BYTES;
}

#define PLAIN_CDB_MAX	12

/* A plain client's kernel refuses longer commands, and would use them if told so. */
static bool opcodes_supported(const struct cmd *cmd,
			      const struct scsi_command *command)
{
	if (command->length > PLAIN_CDB_MAX && mullion_device_plain(cmd->lun->device->device))
		return false;
	return !(command->flags & SC_UNMAP) || cmd->lun->disk->store->unmap;
}

static void opcodes_all(struct cmd *cmd, bool timeouts, uint32_t allocation)
{
	uint8_t *at;
	unsigned int i;

	if (!scsi_buffer(cmd, 4 + scsi_command_count *
			 (8 + TIMEOUT_DESCRIPTOR_BYTES)))
		return;
	at = cmd->buffer + 4;
	for (i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		if (!opcodes_supported(cmd, command))
			continue;
		memset(at, 0, 8);
		at[0] = command->opcode;
		if (command->action != SC_NO_ACTION) {
			put_be16(at + 2, command->action);
			at[5] = 0x01;	/* SERVACTV */
		}
		if (timeouts)
			at[5] |= 0x02;	/* CTDP */
		put_be16(at + 6, command->length);
		at += 8;
		if (timeouts)
			at += opcodes_timeout(command, at);
	}
	put_be32(cmd->buffer, (uint32_t)(at - cmd->buffer) - 4);
	scsi_data_in(cmd, cmd->buffer, (uint32_t)(at - cmd->buffer), allocation);
}

static void opcodes_one(struct cmd *cmd, bool timeouts, uint32_t allocation)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	const struct scsi_command *found = NULL;
	uint8_t data[4 + 16 + TIMEOUT_DESCRIPTOR_BYTES] = { 0 };
	uint16_t action = get_be16(cdb + 4);
	bool known = false, with_actions = false;
	unsigned int options = cdb[2] & 7, bytes = 4, i;

	for (i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		if (command->opcode != cdb[3] || !opcodes_supported(cmd, command))
			continue;
		known = true;
		with_actions |= command->action != SC_NO_ACTION;
		if (command->action == SC_NO_ACTION ? !action || options == 1 :
		    command->action == action)
			found = command;
	}
	if (known && ((options == 1 && with_actions) ||
		      (options == 2 && !with_actions))) {
		scsi_bad_cdb(cmd, 2, 2);
		return;
	}
	data[1] = 0x01;		/* not supported */
	if (found) {
		data[1] = 0x03;
		put_be16(data + 2, found->length);
		memcpy(data + 4, found->usage, found->length);
		if (found->action != SC_NO_ACTION)
			data[5] |= found->action;
		bytes += found->length;
		if (timeouts) {
			data[1] |= 0x80;
			bytes += opcodes_timeout(found, data + bytes);
		}
	}
	scsi_data_in(cmd, data, bytes, allocation);
}

void scsi_report_opcodes(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	uint32_t allocation = get_be32(cdb + 6);
	unsigned int options = cdb[2] & 7;
	bool timeouts = cdb[2] & 0x80;

	if (options > 3)
		scsi_bad_cdb(cmd, 2, 2);
	else if (!options)
		opcodes_all(cmd, timeouts, allocation);
	else
		opcodes_one(cmd, timeouts, allocation);
}

void scsi_report_tasks(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	bool extended = cdb[2] & 0x80;
	uint8_t data[16] = { 0 };

	if (get_be32(cdb + 6) < 4) {
		scsi_bad_cdb(cmd, 6, -1);
		return;
	}
	data[0] = 0xca;		/* ABORT TASK, - TASK SET, LUN and TARGET RESET */
	if (extended)
		data[3] = 12;
	scsi_data_in(cmd, data, extended ? 16 : 4, get_be32(cdb + 6));
}

#define START_STOP_START	0x01
#define START_STOP_NO_FLUSH	0x04

static void start_stop_set(struct cmd *cmd, bool stopped)
{
	struct disk *disk = cmd->lun->disk;

	if (disk->state.stopped != stopped) {
		disk->state.stopped = stopped;
		scsi_state_effect(cmd);
		disk_commit(disk);
	}
	scsi_good(cmd, 0);
}

static void stop_flushed(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		start_stop_set(cmd, true);
}

static void stop_flush(struct cmd *cmd)
{
	scsi_store(cmd, STORE_FLUSH, 0, 0, stop_flushed);
}

void scsi_start_stop(struct cmd *cmd)
{
	uint8_t how = cmd_request(cmd)->cdb[4];

	if (how & START_STOP_START)
		start_stop_set(cmd, false);
	else if (how & START_STOP_NO_FLUSH)
		start_stop_set(cmd, true);
	else
		scsi_enter(cmd, 0, 0, false, stop_flush);
}

/* There is nothing to remove: removal is always prevented. */
void scsi_prevent_allow(struct cmd *cmd)
{
	scsi_good(cmd, 0);
}
