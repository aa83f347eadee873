// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_block.c - READ, WRITE, SYNCHRONIZE CACHE
 *
 * A read or write goes from the client's vectors to the store as it is.  If
 * the store can do it at once it is answered on the spot, and the command is
 * on no list; otherwise it joins the active commands of its disk.
 *
 * The write cache is the host's page cache, or the store's own: with WCE = 0
 * or FUA a write is passed on as one that is stable before it ends; a read with
 * FUA is preceded by a flush, so what it returns is stable; SYNCHRONIZE CACHE
 * always goes down to the store.  IMMED is not used to
 * answer early, and the range of SYNCHRONIZE CACHE is not used to do less.
 */
#include <string.h>

#include "scsi.h"

#define BLOCK_FUA	0x08
#define BLOCK_BATCH	3	/* with so many behind it, a request is one of many */
#define BLOCK_FLAGS	0x1a	/* DPO, FUA, FUA_NV (obsolete) */

static void block_io_done(struct store_io *io, int error)
{
	struct cmd *cmd = cmd_of_io(io);

	cmd->step(cmd, error);
}

/*
 * Start an operation of a command that is among the active ones, with
 * cmd->io.iov and iovcnt set for reads and writes.  Returns STORE_PENDING if
 * @step will be called with the result, else the result itself.
 */
int scsi_store_begin(struct cmd *cmd, uint8_t op, uint64_t offset,
		     uint64_t bytes, void (*step)(struct cmd *cmd, int error))
{
	cmd->io.done = block_io_done;
	cmd->io.op = op;
	cmd->io.offset = offset;
	cmd->io.bytes = bytes;
	cmd->io.flags = cmd->progress ? STORE_ASYNC : 0;
	cmd->io.moved = 0;
	if (op == STORE_WRITE &&
	    (cmd->fua || cmd->lun->disk->gate & GATE_STABLE))
		cmd->io.flags |= STORE_FUA;
	cmd->step = step;
	return store_submit(cmd->lun->disk->store, &cmd->io);
}

/* The same, but go on with @step in any case. */
void scsi_store(struct cmd *cmd, uint8_t op, uint64_t offset, uint64_t bytes,
		void (*step)(struct cmd *cmd, int error))
{
	int error = scsi_store_begin(cmd, op, offset, bytes, step);

	if (error != STORE_PENDING)
		step(cmd, error);
}

/* Go on with @step once what the command did is as stable as promised. */
void scsi_stable(struct cmd *cmd, void (*step)(struct cmd *cmd, int error))
{
	if (cmd->fua || cmd->lun->disk->gate & GATE_STABLE)
		scsi_store(cmd, STORE_FLUSH, 0, 0, step);
	else
		step(cmd, 0);
}

static void block_done(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		scsi_good(cmd, (uint32_t)cmd->io.bytes);
}

/* Cut the client's vectors, which are ours to change, to @bytes. */
static void block_trim(struct mullion_request *request, uint32_t bytes)
{
	uint16_t i;

	for (i = 0; i < request->iovcnt; i++) {
		if (request->iov[i].iov_len >= bytes) {
			request->iov[i].iov_len = bytes;
			request->iovcnt = (uint16_t)(i + 1);
			break;
		}
		bytes -= (uint32_t)request->iov[i].iov_len;
	}
}

/**
 * scsi_block_fast() - READ and WRITE of 10 and 16 bytes when all is plain
 *
 * Return: false if the command has to take the long way; nothing was done.
 */
bool scsi_block_fast(struct lun *lun, struct mullion_request *request)
{
	struct disk *disk = lun->disk;
	struct cmd *cmd = cmd_of(request);
	const uint8_t *cdb = request->cdb;
	uint32_t gate = (lun->gate | disk->gate) & ~GATE_STABLE;
	uint32_t blocks, bytes, flags = BLOCK_FLAGS;
	uint8_t odd;
	uint64_t lba;
	int error;

	switch (cdb[0]) {
	case 0x28:
		gate &= ~GATE_PROTECTED;
		flags &= ~BLOCK_FUA;
		/* fall through */
	case 0x2a:
		lba = get_be32(cdb + 2);
		blocks = get_be16(cdb + 7);
		odd = cdb[6] | cdb[9];
		break;
	case 0x88:
		gate &= ~GATE_PROTECTED;
		flags &= ~BLOCK_FUA;
		/* fall through */
	case 0x8a:
		lba = get_be64(cdb + 2);
		blocks = get_be32(cdb + 10);
		odd = cdb[14] | cdb[15];
		break;
	default:
		return false;
	}
	if (gate | odd | (cdb[1] & ~flags))
		return false;
	bytes = blocks << DISK_BLOCK_SHIFT;
	if (!blocks || blocks > DISK_MAX_IO_BYTES >> DISK_BLOCK_SHIFT ||
	    bytes > request->bufflen || lba > disk->blocks ||
	    blocks > disk->blocks - lba)
		return false;
	if (request->iov_bytes != bytes)
		block_trim(request, bytes);

	cmd->lun = lun;
	cmd->buffer = NULL;
	cmd->place = CMD_FREE;
	cmd->exclusive = false;
	cmd->journal = 0;
	cmd->lba = lba;
	cmd->span = blocks;
	cmd->step = block_done;
	cmd->io.done = block_io_done;
	cmd->io.offset = lba << DISK_BLOCK_SHIFT;
	cmd->io.bytes = bytes;
	cmd->io.iov = request->iov;
	cmd->io.iovcnt = request->iovcnt;
	cmd->io.op = cdb[0] & 0x02 ? STORE_WRITE : STORE_READ;
	cmd->io.flags = request->behind >= BLOCK_BATCH ? STORE_BATCH : 0;
	if (cdb[1] & BLOCK_FUA || disk->gate & GATE_STABLE)
		cmd->io.flags |= STORE_FUA;
	cmd->io.moved = 0;
	error = store_submit(disk->store, &cmd->io);
	if (error == STORE_PENDING)
		order_running(cmd);
	else
		block_done(cmd, error);
	return true;
}

/* Run @start as soon as the command may touch its range. */
void scsi_enter(struct cmd *cmd, uint64_t lba, uint64_t span, bool exclusive,
		void (*start)(struct cmd *cmd))
{
	cmd->lba = lba;
	cmd->span = span;
	cmd->blocks = (uint32_t)span;
	cmd->exclusive = exclusive;
	cmd->start = start;
	if (order_enter(cmd))
		start(cmd);
}

/* Is the range on the medium?  If not the command has been ended. */
bool scsi_range_ok(struct cmd *cmd, uint64_t lba, uint64_t blocks)
{
	uint64_t all = cmd->lun->disk->blocks;

	if (lba <= all && blocks <= all - lba)
		return true;
	scsi_check_info(cmd, KEY_ILLEGAL_REQUEST, ASC_LBA_OUT_OF_RANGE,
			lba < all ? all : lba);
	return false;
}

/* The next operation moves the first @bytes of the client's data. */
void scsi_client_data(struct cmd *cmd, uint32_t bytes)
{
	struct mullion_request *request = cmd_request(cmd);

	block_trim(request, bytes);
	cmd->io.iov = request->iov;
	cmd->io.iovcnt = request->iovcnt;
}

/* The next operation moves @bytes of the command's own memory. */
void scsi_own_data(struct cmd *cmd, void *data, uint32_t bytes)
{
	cmd->vec.iov_base = data;
	cmd->vec.iov_len = bytes;
	cmd->io.iov = &cmd->vec;
	cmd->io.iovcnt = 1;
}

static void block_move(struct cmd *cmd, int error)
{
	uint32_t bytes = cmd->blocks << DISK_BLOCK_SHIFT;

	if (error) {
		scsi_store_failed(cmd, error);
		return;
	}
	scsi_client_data(cmd, bytes);
	scsi_store(cmd, cmd->mode, cmd->lba << DISK_BLOCK_SHIFT, bytes,
		   block_done);
}

static void block_start(struct cmd *cmd)
{
	if (cmd->mode == STORE_READ && cmd->fua)
		scsi_store(cmd, STORE_FLUSH, 0, 0, block_move);
	else
		block_move(cmd, 0);
}

/*
 * The part that all reads and writes share.  @length_byte is where the
 * transfer length lies in the CDB, for the field pointer.
 */
static void block_command(struct cmd *cmd, uint8_t op, uint64_t lba,
			  uint32_t blocks, unsigned int length_byte)
{
	struct mullion_request *request = cmd_request(cmd);

	if (!scsi_range_ok(cmd, lba, blocks))
		return;
	if (!blocks) {
		scsi_good(cmd, 0);
		return;
	}
	if (blocks > DISK_MAX_IO_BYTES >> DISK_BLOCK_SHIFT ||
	    blocks << DISK_BLOCK_SHIFT > request->bufflen) {
		scsi_bad_cdb(cmd, length_byte, -1);
		return;
	}
	cmd->mode = op;
	scsi_enter(cmd, lba, blocks, false, block_start);
}

/* LBA and length of CDBs of 10, 12 and 16 bytes; where the length lies. */
unsigned int scsi_block_range(const uint8_t *cdb, uint64_t *lba,
			      uint32_t *blocks)
{
	switch (cdb[0] >> 5) {
	case 4:
		*lba = get_be64(cdb + 2);
		*blocks = get_be32(cdb + 10);
		return 10;
	case 5:
		*lba = get_be32(cdb + 2);
		*blocks = get_be32(cdb + 6);
		return 6;
	default:
		*lba = get_be32(cdb + 2);
		*blocks = get_be16(cdb + 7);
		return 7;
	}
}

static void block_6(struct cmd *cmd, uint8_t op)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;

	block_command(cmd, op, get_be24(cdb + 1) & 0x1fffff,
		      cdb[4] ? cdb[4] : 256, 4);
}

static void block_10_12_16(struct cmd *cmd, uint8_t op)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	unsigned int length_byte;
	uint32_t blocks;
	uint64_t lba;

	length_byte = scsi_block_range(cdb, &lba, &blocks);
	cmd->fua = cdb[1] & BLOCK_FUA;
	block_command(cmd, op, lba, blocks, length_byte);
}

void scsi_read_6(struct cmd *cmd)
{
	block_6(cmd, STORE_READ);
}

void scsi_write_6(struct cmd *cmd)
{
	block_6(cmd, STORE_WRITE);
}

void scsi_read(struct cmd *cmd)
{
	block_10_12_16(cmd, STORE_READ);
}

void scsi_write(struct cmd *cmd)
{
	block_10_12_16(cmd, STORE_WRITE);
}

static void block_flushed(struct cmd *cmd, int error)
{
	if (error)
		scsi_store_failed(cmd, error);
	else
		scsi_good(cmd, 0);
}

static void block_flush_start(struct cmd *cmd)
{
	scsi_store(cmd, STORE_FLUSH, 0, 0, block_flushed);
}

void scsi_synchronize_cache(struct cmd *cmd)
{
	uint32_t blocks;
	uint64_t lba;

	scsi_block_range(cmd_request(cmd)->cdb, &lba, &blocks);
	if (!scsi_range_ok(cmd, lba, blocks))
		return;
	/* touches no range: what was answered before it came is covered */
	scsi_enter(cmd, 0, 0, false, block_flush_start);
}
