// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_verify.c - VERIFY, and WRITE AND VERIFY
 *
 * Both read the medium piece by piece into memory of the command's own.
 * BYTCHK 00b is satisfied when everything can be read, 01b compares with the
 * client's data, 11b compares every block with the one block that the client
 * gave.  Without data a command may cover SCSI_VERIFY_BLOCKS_MAX, as a store
 * that answers at once gives nobody else a turn meanwhile.  WRITE AND VERIFY makes the data stable first and holds its range, so
 * that it compares what it wrote itself.
 */
#include <string.h>

#include "scsi_limits.h"
#include "scsi.h"

#define VERIFY_CHUNK	(128U << 10)

#define BYTCHK_NONE	0
#define BYTCHK_ALL	1
#define BYTCHK_ONE	3

static void verify_step(struct cmd *cmd, int error);

/* Offset of the first byte that is not what the client gave, or -1. */
static int64_t verify_compare(struct cmd *cmd, uint32_t at, uint32_t bytes)
{
	uint8_t expected[DISK_BLOCK_BYTES];
	uint32_t done, i;

	for (done = 0; done < bytes; done += DISK_BLOCK_BYTES) {
		const uint8_t *found = cmd->buffer + done;

		scsi_copy_from(cmd, cmd->mode == BYTCHK_ONE ? 0 : at + done,
			       expected, sizeof(expected));
		if (!memcmp(found, expected, sizeof(expected)))
			continue;
		for (i = 0; found[i] == expected[i];)
			i++;
		return (int64_t)at + done + i;
	}
	return -1;
}

/* A piece was read: false if that was the command's end. */
static bool verify_check(struct cmd *cmd, int error)
{
	uint32_t bytes = (uint32_t)cmd->io.bytes;
	int64_t differs = -1;

	if (error) {
		scsi_store_failed(cmd, error);
		return false;
	}
	if (cmd->mode != BYTCHK_NONE)
		differs = verify_compare(cmd, cmd->progress << DISK_BLOCK_SHIFT,
					 bytes);
	if (differs >= 0) {
		scsi_check_info(cmd, KEY_MISCOMPARE, ASC_MISCOMPARE,
				(uint64_t)differs);
		return false;
	}
	cmd->progress += bytes >> DISK_BLOCK_SHIFT;
	return true;
}

static void verify_run(struct cmd *cmd)
{
	uint32_t blocks;
	int error;

	while (cmd->progress < cmd->blocks) {
		blocks = cmd->blocks - cmd->progress;
		if (blocks > cmd->chunk)
			blocks = cmd->chunk;
		scsi_own_data(cmd, cmd->buffer, blocks << DISK_BLOCK_SHIFT);
		error = scsi_store_begin(cmd, STORE_READ,
				(cmd->lba + cmd->progress) << DISK_BLOCK_SHIFT,
				blocks << DISK_BLOCK_SHIFT, verify_step);
		if (error == STORE_PENDING || !verify_check(cmd, error))
			return;
	}
	scsi_good(cmd, cmd_request(cmd)->bufflen);
}

static void verify_step(struct cmd *cmd, int error)
{
	if (verify_check(cmd, error))
		verify_run(cmd);
}

/*
 * Check range and data of both commands and get memory; false: ended, or
 * nothing to do.
 */
static bool verify_prepare(struct cmd *cmd, uint64_t *lba, uint32_t *blocks,
			   bool writes)
{
	struct mullion_request *request = cmd_request(cmd);
	unsigned int length_byte;
	uint64_t needed;

	length_byte = scsi_block_range(request->cdb, lba, blocks);
	cmd->mode = request->cdb[1] >> 1 & 3;
	if (cmd->mode == 2 || (writes && cmd->mode == BYTCHK_ONE)) {
		scsi_bad_cdb(cmd, 1, 2);
		return false;
	}
	if (!scsi_range_ok(cmd, *lba, *blocks))
		return false;
	if (!*blocks) {
		scsi_good(cmd, 0);
		return false;
	}
	needed = (uint64_t)*blocks << DISK_BLOCK_SHIFT;
	if (cmd->mode == BYTCHK_ONE)
		needed = DISK_BLOCK_BYTES;
	if (cmd->mode == BYTCHK_NONE && !writes)
		needed = 0;
	if (needed > DISK_MAX_IO_BYTES || needed > request->bufflen ||
	    *blocks > SCSI_VERIFY_BLOCKS_MAX) {
		scsi_bad_cdb(cmd, length_byte, -1);
		return false;
	}
	cmd->chunk = VERIFY_CHUNK >> DISK_BLOCK_SHIFT;
	if (cmd->chunk > *blocks)
		cmd->chunk = *blocks;
	return scsi_buffer(cmd, (cmd->chunk << DISK_BLOCK_SHIFT) +
			   (uint32_t)sizeof(request->iov));
}

void scsi_verify(struct cmd *cmd)
{
	uint32_t blocks;
	uint64_t lba;

	if (verify_prepare(cmd, &lba, &blocks, false))
		scsi_enter(cmd, lba, blocks, false, verify_run);
}

static void verify_written(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		verify_run(cmd);
}

/*
 * The store may change the vectors that it moves, and they are needed again
 * for the comparison: the write goes through a copy of them.
 */
static void verify_write(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	struct iovec *vectors = (struct iovec *)(void *)
		(cmd->buffer + ((size_t)cmd->chunk << DISK_BLOCK_SHIFT));
	uint32_t bytes = cmd->blocks << DISK_BLOCK_SHIFT;

	scsi_client_data(cmd, bytes);
	memcpy(vectors, request->iov, request->iovcnt * sizeof(*vectors));
	cmd->io.iov = vectors;
	scsi_store(cmd, STORE_WRITE, cmd->lba << DISK_BLOCK_SHIFT, bytes,
		   verify_written);
}

void scsi_write_verify(struct cmd *cmd)
{
	uint32_t blocks;
	uint64_t lba;

	if (!verify_prepare(cmd, &lba, &blocks, true))
		return;
	cmd->fua = true;
	scsi_enter(cmd, lba, blocks, true, verify_write);
}
