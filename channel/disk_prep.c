// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/disk_prep.c - the SCSI commands that every user of a disk needs
 */
#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "disk.h"

#define SCSI_SYNCHRONIZE_CACHE_10	0x35
#define SCSI_READ_10			0x28
#define SCSI_WRITE_10			0x2a
#define SCSI_UNMAP			0x42
#define SCSI_READ_16			0x88
#define SCSI_WRITE_16			0x8a
#define SCSI_SERVICE_ACTION_IN_16	0x9e
#define SCSI_SAI_READ_CAPACITY_16	0x10
#define SCSI_FUA			(1U << 3)
#define SCSI_READ_CAPACITY_BYTES	32
#define SCSI_UNMAP_BYTES		24

static void prep_put16(uint8_t *to, uint16_t value)
{
	to[0] = (uint8_t)(value >> 8);
	to[1] = (uint8_t)value;
}

static void prep_put32(uint8_t *to, uint32_t value)
{
	prep_put16(to, (uint16_t)(value >> 16));
	prep_put16(to + 2, (uint16_t)value);
}

static void prep_put64(uint8_t *to, uint64_t value)
{
	prep_put32(to, (uint32_t)(value >> 32));
	prep_put32(to + 4, (uint32_t)value);
}

static uint32_t prep_get32(const uint8_t *from)
{
	return (uint32_t)from[0] << 24 | (uint32_t)from[1] << 16 |
	       (uint32_t)from[2] << 8 | from[3];
}

static void prep_data(struct mullion_disk_io *io, uint32_t data_dir,
		      uint64_t offset, uint32_t bytes)
{
	io->data_dir = data_dir;
	io->bufflen = bytes;
	io->inline_segment.offset = offset;
	io->inline_segment.bytes = bytes;
	io->segments = &io->inline_segment;
	io->segment_count = bytes ? 1 : 0;
}

static void prep_rw(struct mullion_disk_io *io, uint8_t op10, uint8_t op16,
		    uint64_t lba, uint32_t blocks, uint8_t flags)
{
	memset(io->cdb, 0, sizeof(io->cdb));
	io->cdb[1] = flags;
	if (lba <= UINT32_MAX && blocks <= UINT16_MAX) {
		io->cdb[0] = op10;
		prep_put32(io->cdb + 2, (uint32_t)lba);
		prep_put16(io->cdb + 7, (uint16_t)blocks);
	} else {
		io->cdb[0] = op16;
		prep_put64(io->cdb + 2, lba);
		prep_put32(io->cdb + 10, blocks);
	}
}

void mullion_disk_prep_read(struct mullion_disk_io *io, uint64_t lba,
			    uint32_t blocks, uint32_t block_bytes,
			    uint64_t offset)
{
	prep_rw(io, SCSI_READ_10, SCSI_READ_16, lba, blocks, 0);
	prep_data(io, blocks ? UIS_DMA_FROM_DEVICE : UIS_DMA_NONE, offset,
		  blocks * block_bytes);
}

void mullion_disk_prep_write(struct mullion_disk_io *io, uint64_t lba,
			     uint32_t blocks, uint32_t block_bytes,
			     uint64_t offset, bool fua)
{
	prep_rw(io, SCSI_WRITE_10, SCSI_WRITE_16, lba, blocks,
		fua ? SCSI_FUA : 0);
	prep_data(io, blocks ? UIS_DMA_TO_DEVICE : UIS_DMA_NONE, offset,
		  blocks * block_bytes);
}

void mullion_disk_prep_flush(struct mullion_disk_io *io)
{
	memset(io->cdb, 0, sizeof(io->cdb));
	io->cdb[0] = SCSI_SYNCHRONIZE_CACHE_10;
	prep_data(io, UIS_DMA_NONE, 0, 0);
}

void mullion_disk_prep_unmap(struct mullion_disk_io *io, uint64_t lba,
			     uint32_t blocks, uint64_t offset, void *list)
{
	uint8_t *p = list;

	memset(p, 0, SCSI_UNMAP_BYTES);
	prep_put16(p, SCSI_UNMAP_BYTES - 2);
	prep_put16(p + 2, SCSI_UNMAP_BYTES - 8);
	prep_put64(p + 8, lba);
	prep_put32(p + 16, blocks);
	memset(io->cdb, 0, sizeof(io->cdb));
	io->cdb[0] = SCSI_UNMAP;
	prep_put16(io->cdb + 7, SCSI_UNMAP_BYTES);
	prep_data(io, UIS_DMA_TO_DEVICE, offset, SCSI_UNMAP_BYTES);
}

int mullion_disk_capacity(struct mullion_disk *disk, uint32_t id, uint32_t lun,
			  uint64_t *blocks, uint32_t *block_bytes)
{
	struct mullion_disk_io io = { .id = id, .lun = lun };
	uint8_t answer[SCSI_READ_CAPACITY_BYTES];
	uint64_t offset, last;
	void *data;
	int ret;

	ret = mullion_disk_alloc(disk, SCSI_READ_CAPACITY_BYTES, &offset, &data);
	if (ret < 0)
		return ret;
	/* The first command after a reset may be told of it instead. */
	for (int tries = 0; tries < 2; tries++) {
		memset(io.cdb, 0, sizeof(io.cdb));
		io.cdb[0] = SCSI_SERVICE_ACTION_IN_16;
		io.cdb[1] = SCSI_SAI_READ_CAPACITY_16;
		prep_put32(io.cdb + 10, SCSI_READ_CAPACITY_BYTES);
		prep_data(&io, UIS_DMA_FROM_DEVICE, offset,
			  SCSI_READ_CAPACITY_BYTES);
		ret = mullion_disk_execute(disk, &io);
		if (ret < 0 || (!io.status && !io.host))
			break;
		ret = -EIO;
	}
	if (ret < 0)
		goto free;
	memcpy(answer, data, sizeof(answer));
	__asm__ volatile("" ::: "memory");
	last = (uint64_t)prep_get32(answer) << 32 | prep_get32(answer + 4);
	if (last == UINT64_MAX) {
		ret = -EIO;
		goto free;
	}
	*blocks = last + 1;
	*block_bytes = prep_get32(answer + 8);
free:
	mullion_disk_free(disk, offset);
	return ret;
}
