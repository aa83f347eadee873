// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_atomic.c - COMPARE AND WRITE, ORWRITE
 *
 * Both read a range, look at it, and write it, while nobody else may touch it
 * (order.c).  All of the client's data is copied first, so that what was
 * compared is what is written.
 *
 * COMPARE AND WRITE must not be done twice: the second time the comparison
 * would fail on the command's own data.  Once the comparison has succeeded,
 * the write is entered in the journal (persist.c); from then on it happens,
 * by this service or by its successor.  ORWRITE has the same effect when it
 * is done again.
 *
 * Limits: COMPARE AND WRITE of PERSIST_JOURNAL_BYTES, told in VPD page B0h.
 */
#include <errno.h>
#include <string.h>

#include "scsi.h"

#define ATOMIC_FUA	0x08

static uint32_t atomic_bytes(const struct cmd *cmd)
{
	return cmd->blocks << DISK_BLOCK_SHIFT;
}

static void atomic_written(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		scsi_good(cmd, cmd_request(cmd)->bufflen);
}

static void atomic_write(struct cmd *cmd, uint8_t *data)
{
	scsi_own_data(cmd, data, atomic_bytes(cmd));
	scsi_store(cmd, STORE_WRITE, cmd->lba << DISK_BLOCK_SHIFT,
		   atomic_bytes(cmd), atomic_written);
}

static void atomic_read(struct cmd *cmd,
			void (*step)(struct cmd *cmd, int error))
{
	scsi_own_data(cmd, cmd->buffer, atomic_bytes(cmd));
	scsi_store(cmd, STORE_READ, cmd->lba << DISK_BLOCK_SHIFT,
		   atomic_bytes(cmd), step);
}

static void caw_start(struct cmd *cmd);

/* The buffer holds the medium's data, the expected data, and the new data. */
static void caw_compare(struct cmd *cmd, int error)
{
	struct mullion_request *request = cmd_request(cmd);
	const struct mullion_state_channel *channel;
	uint32_t bytes = atomic_bytes(cmd), i;
	const uint8_t *expected = cmd->buffer + bytes;
	uint8_t *data = cmd->buffer + 2 * (size_t)bytes;
	int slot;

	if (error) {
		scsi_store_failed(cmd, error);
		return;
	}
	for (i = 0; i < bytes && cmd->buffer[i] == expected[i];)
		i++;
	if (i < bytes) {
		scsi_check_info(cmd, KEY_MISCOMPARE, ASC_MISCOMPARE, i);
		return;
	}
	channel = mullion_device_channel_state(request->device);
	slot = persist_intent_begin(cmd->lun->disk->object,
				    &lun_nexus(cmd->lun)->uuid,
				    request->request_id,
				    channel->client_incarnation, cmd->lba,
				    cmd->blocks, data, bytes);
	if (slot < 0) {
		/* the journal is full: start over when another has ended */
		order_wait(cmd, caw_start);
		return;
	}
	cmd->journal = (int8_t)(slot + 1);
	mullion_request_effect(request);
	atomic_write(cmd, data);
}

static void caw_start(struct cmd *cmd)
{
	atomic_read(cmd, caw_compare);
}

void scsi_compare_and_write(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	const uint8_t *cdb = request->cdb;
	uint64_t lba = get_be64(cdb + 2);
	uint32_t blocks = cdb[13];
	uint32_t bytes = blocks << DISK_BLOCK_SHIFT;

	if (!scsi_range_ok(cmd, lba, blocks))
		return;
	if (!blocks && !request->bufflen) {
		scsi_good(cmd, 0);
		return;
	}
	/* data without blocks is a length that did not fit its byte */
	if (!blocks || bytes > PERSIST_JOURNAL_BYTES ||
	    2 * bytes > request->bufflen) {
		scsi_bad_cdb(cmd, 13, -1);
		return;
	}
	if (!scsi_buffer(cmd, 3 * bytes))
		return;
	scsi_data_out(cmd, cmd->buffer + bytes, 2 * bytes);
	cmd->fua = cdb[1] & ATOMIC_FUA;
	scsi_enter(cmd, lba, blocks, true, caw_start);
}

/* The buffer holds the medium's data and the client's. */
static void orwrite_or(struct cmd *cmd, int error)
{
	uint32_t bytes = atomic_bytes(cmd), i;

	if (error) {
		scsi_store_failed(cmd, error);
		return;
	}
	for (i = 0; i < bytes; i++)
		cmd->buffer[i] |= cmd->buffer[bytes + i];
	atomic_write(cmd, cmd->buffer);
}

static void orwrite_start(struct cmd *cmd)
{
	atomic_read(cmd, orwrite_or);
}

void scsi_orwrite(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	unsigned int length_byte;
	uint32_t blocks, bytes;
	uint64_t lba;

	length_byte = scsi_block_range(request->cdb, &lba, &blocks);
	if (!scsi_range_ok(cmd, lba, blocks))
		return;
	if (!blocks) {
		scsi_good(cmd, 0);
		return;
	}
	bytes = blocks << DISK_BLOCK_SHIFT;
	if (blocks > DISK_MAX_IO_BYTES >> DISK_BLOCK_SHIFT ||
	    bytes > request->bufflen) {
		scsi_bad_cdb(cmd, length_byte, -1);
		return;
	}
	if (!scsi_buffer(cmd, 2 * bytes))
		return;
	scsi_data_out(cmd, cmd->buffer + bytes, bytes);
	cmd->fua = request->cdb[1] & ATOMIC_FUA;
	scsi_enter(cmd, lba, blocks, true, orwrite_start);
}
