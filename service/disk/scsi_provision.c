// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_provision.c - UNMAP, WRITE SAME, GET LBA STATUS
 *
 * Space is given back by punching holes, and what was unmapped reads zeroes
 * (LBPRZ).  WRITE SAME of zeroes is an operation of the store (which keeps the
 * space, or gives it back if the UNMAP bit is set); of anything else, or where
 * the store cannot do that, it is a series of writes.
 *
 * A store that says at the time of use that it cannot unmap costs nothing but
 * the space: UNMAP is a wish.  WRITE SAME is not, and falls back to writing.
 */
#include <errno.h>
#include <string.h>

#include "scsi_limits.h"
#include "scsi.h"

#define WRITE_SAME_CHUNK	(128U << 10)

#define WRITE_SAME_UNMAP	0x08
#define WRITE_SAME_NDOB		0x01

#define UNMAP_HEADER_BYTES	8
#define UNMAP_DESCRIPTOR_BYTES	16

static void provision_end(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		scsi_good(cmd, cmd_request(cmd)->bufflen);
}

/* ---- UNMAP: the buffer holds the descriptors, chunk is their number ---- */

static void unmap_step(struct cmd *cmd, int error);

static bool unmap_check(struct cmd *cmd, int error)
{
	if (error == -EOPNOTSUPP) {
		disk_log_once(cmd->lun->disk, DISK_LOG_UNMAP, "unmap", error);
		error = 0;
	}
	if (error) {
		scsi_store_failed(cmd, error);
		return false;
	}
	cmd->progress++;
	return true;
}

static void unmap_run(struct cmd *cmd)
{
	int error;

	for (; cmd->progress < cmd->chunk;) {
		const uint8_t *descriptor = cmd->buffer +
			(size_t)cmd->progress * UNMAP_DESCRIPTOR_BYTES;
		uint64_t lba = get_be64(descriptor);
		uint64_t blocks = get_be32(descriptor + 8);

		if (!blocks) {
			cmd->progress++;
			continue;
		}
		error = scsi_store_begin(cmd, STORE_UNMAP,
					 lba << DISK_BLOCK_SHIFT,
					 blocks << DISK_BLOCK_SHIFT, unmap_step);
		if (error == STORE_PENDING || !unmap_check(cmd, error))
			return;
	}
	scsi_stable(cmd, provision_end);
}

static void unmap_step(struct cmd *cmd, int error)
{
	if (unmap_check(cmd, error))
		unmap_run(cmd);
}

/* Check all descriptors; the range from the first to the last block of any. */
static bool unmap_parse(struct cmd *cmd, uint64_t *first, uint64_t *end)
{
	uint64_t total = 0;
	uint32_t i;

	*first = UINT64_MAX;
	*end = 0;
	for (i = 0; i < cmd->chunk; i++) {
		const uint8_t *descriptor = cmd->buffer +
			(size_t)i * UNMAP_DESCRIPTOR_BYTES;
		uint64_t lba = get_be64(descriptor);
		uint32_t blocks = get_be32(descriptor + 8);

		if (!scsi_range_ok(cmd, lba, blocks))
			return false;
		total += blocks;
		if (total > SCSI_UNMAP_BLOCKS_MAX) {
			scsi_bad_parameter(cmd, UNMAP_HEADER_BYTES +
					   i * UNMAP_DESCRIPTOR_BYTES + 8, -1);
			return false;
		}
		if (!blocks)
			continue;
		if (lba < *first)
			*first = lba;
		if (lba + blocks > *end)
			*end = lba + blocks;
	}
	return true;
}

void scsi_unmap(struct cmd *cmd)
{
	uint32_t length = get_be16(cmd_request(cmd)->cdb + 7);
	uint32_t got, count;
	uint64_t first, end;

	if (!length) {
		scsi_good(cmd, 0);
		return;
	}
	if (length < UNMAP_HEADER_BYTES) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	if (!scsi_buffer(cmd, length))
		return;
	got = scsi_data_out(cmd, cmd->buffer, length);
	if (got < length) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	count = get_be16(cmd->buffer + 2);
	if (count > length - UNMAP_HEADER_BYTES) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	count /= UNMAP_DESCRIPTOR_BYTES;
	if (count > SCSI_UNMAP_DESCRIPTORS_MAX) {
		scsi_bad_parameter(cmd, 2, -1);
		return;
	}
	memmove(cmd->buffer, cmd->buffer + UNMAP_HEADER_BYTES,
		(size_t)count * UNMAP_DESCRIPTOR_BYTES);
	cmd->chunk = count;
	if (!unmap_parse(cmd, &first, &end))
		return;
	if (first >= end)
		scsi_good(cmd, cmd_request(cmd)->bufflen);
	else
		scsi_enter(cmd, first, end - first, false, unmap_run);
}

/* ---- WRITE SAME: the buffer holds a chunk of the pattern --------------- */

static void pattern_step(struct cmd *cmd, int error);

static bool pattern_check(struct cmd *cmd, int error)
{
	if (error) {
		scsi_store_failed(cmd, error);
		return false;
	}
	cmd->progress += (uint32_t)(cmd->io.bytes >> DISK_BLOCK_SHIFT);
	return true;
}

static void pattern_run(struct cmd *cmd)
{
	uint32_t blocks;
	int error;

	while (cmd->progress < cmd->blocks) {
		blocks = cmd->blocks - cmd->progress;
		if (blocks > WRITE_SAME_CHUNK >> DISK_BLOCK_SHIFT)
			blocks = WRITE_SAME_CHUNK >> DISK_BLOCK_SHIFT;
		scsi_own_data(cmd, cmd->buffer, blocks << DISK_BLOCK_SHIFT);
		error = scsi_store_begin(cmd, STORE_WRITE,
				(cmd->lba + cmd->progress) << DISK_BLOCK_SHIFT,
				blocks << DISK_BLOCK_SHIFT, pattern_step);
		if (error == STORE_PENDING || !pattern_check(cmd, error))
			return;
	}
	scsi_good(cmd, cmd_request(cmd)->bufflen);
}

static void pattern_step(struct cmd *cmd, int error)
{
	if (pattern_check(cmd, error))
		pattern_run(cmd);
}

static void zero_done(struct cmd *cmd, int error)
{
	if (error == -EOPNOTSUPP)
		pattern_run(cmd);
	else if (error)
		scsi_store_failed(cmd, error);
	else
		scsi_stable(cmd, provision_end);
}

static void zero_run(struct cmd *cmd)
{
	scsi_store(cmd, cmd->mode, cmd->lba << DISK_BLOCK_SHIFT,
		   (uint64_t)cmd->blocks << DISK_BLOCK_SHIFT, zero_done);
}

static bool pattern_is_zero(const uint8_t *block)
{
	return !block[0] && !memcmp(block, block + 1, DISK_BLOCK_BYTES - 1);
}

void scsi_write_same(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	const uint8_t *cdb = request->cdb;
	unsigned int length_byte;
	uint32_t blocks, i;
	bool zero;
	uint64_t lba;

	length_byte = scsi_block_range(cdb, &lba, &blocks);
	if (cdb[1] & WRITE_SAME_UNMAP && !cmd->lun->disk->store->unmap) {
		scsi_bad_cdb(cmd, 1, 3);
		return;
	}
	if (!scsi_range_ok(cmd, lba, blocks))
		return;
	if (!blocks || blocks > SCSI_WRITE_SAME_BLOCKS_MAX) {
		scsi_bad_cdb(cmd, length_byte, -1);
		return;
	}
	if (!(cdb[1] & WRITE_SAME_NDOB) && request->bufflen != DISK_BLOCK_BYTES) {
		scsi_bad_cdb(cmd, length_byte, -1);
		return;
	}
	if (!scsi_buffer(cmd, WRITE_SAME_CHUNK))
		return;
	memset(cmd->buffer, 0, DISK_BLOCK_BYTES);
	if (!(cdb[1] & WRITE_SAME_NDOB))
		scsi_data_out(cmd, cmd->buffer, DISK_BLOCK_BYTES);
	zero = pattern_is_zero(cmd->buffer);
	for (i = DISK_BLOCK_BYTES; i < WRITE_SAME_CHUNK; i += DISK_BLOCK_BYTES)
		memcpy(cmd->buffer + i, cmd->buffer, DISK_BLOCK_BYTES);
	cmd->mode = cdb[1] & WRITE_SAME_UNMAP ? STORE_UNMAP : STORE_ZERO;
	scsi_enter(cmd, lba, blocks, true, zero ? zero_run : pattern_run);
}

/* ---- GET LBA STATUS ---------------------------------------------------- */

#define LBA_STATUS_HEADER	8
#define LBA_STATUS_DESCRIPTOR	16
#define LBA_STATUS_MAX		32	/* descriptors in one answer */
#define LBA_MAPPED		0
#define LBA_DEALLOCATED		1

/*
 * Runs of mapped and unmapped blocks.  A block that the store's granularity
 * cuts in two counts as mapped.
 */
static uint32_t lba_status_fill(struct disk *disk, uint64_t lba, uint8_t *out,
				uint32_t descriptors, int *error)
{
	uint64_t end = disk->blocks;
	uint32_t n = 0;

	while (n < descriptors && lba < end) {
		uint64_t run, blocks;
		bool mapped;

		*error = disk->store->ops->status(disk->store,
				lba << DISK_BLOCK_SHIFT,
				(end - lba) << DISK_BLOCK_SHIFT, &run, &mapped);
		if (*error)
			break;
		blocks = run >> DISK_BLOCK_SHIFT;
		if (run % DISK_BLOCK_BYTES && (mapped || !blocks)) {
			blocks++;
			mapped = true;
		}
		if (blocks > end - lba)
			blocks = end - lba;
		if (blocks > UINT32_MAX)
			blocks = UINT32_MAX;
		memset(out, 0, LBA_STATUS_DESCRIPTOR);
		put_be64(out, lba);
		put_be32(out + 8, (uint32_t)blocks);
		out[12] = mapped ? LBA_MAPPED : LBA_DEALLOCATED;
		out += LBA_STATUS_DESCRIPTOR;
		lba += blocks;
		n++;
	}
	return n;
}

void scsi_get_lba_status(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	uint8_t data[LBA_STATUS_HEADER +
		     LBA_STATUS_MAX * LBA_STATUS_DESCRIPTOR];
	struct disk *disk = cmd->lun->disk;
	uint32_t allocation = get_be32(cdb + 10);
	uint64_t lba = get_be64(cdb + 2);
	uint32_t n = 1;
	int error = 0;

	if (lba >= disk->blocks) {
		scsi_check_info(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE,
				lba);
		return;
	}
	if (allocation > LBA_STATUS_HEADER + LBA_STATUS_DESCRIPTOR)
		n = (allocation - LBA_STATUS_HEADER) / LBA_STATUS_DESCRIPTOR;
	if (n > LBA_STATUS_MAX)
		n = LBA_STATUS_MAX;
	n = lba_status_fill(disk, lba, data + LBA_STATUS_HEADER, n, &error);
	if (error) {
		cmd->io.op = STORE_READ;
		cmd->io.offset = lba << DISK_BLOCK_SHIFT;
		scsi_store_failed(cmd, error);
		return;
	}
	memset(data, 0, LBA_STATUS_HEADER);
	put_be32(data, LBA_STATUS_HEADER - 4 + n * LBA_STATUS_DESCRIPTOR);
	scsi_data_in(cmd, data, LBA_STATUS_HEADER + n * LBA_STATUS_DESCRIPTOR,
		     allocation);
}
