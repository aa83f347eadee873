/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/scsi_cdb.h - SCSI commands in one line each
 */
#ifndef MULLION_TESTS_SCSI_CDB_H
#define MULLION_TESTS_SCSI_CDB_H

#include <string.h>

#include "../../service/disk/bytes.h"
#include "fake_device.h"

#define CDB(...) ((const uint8_t[16]){ __VA_ARGS__ })

static inline void cdb_rw16(uint8_t *cdb, uint8_t opcode, uint64_t lba,
			    uint32_t blocks)
{
	memset(cdb, 0, 16);
	cdb[0] = opcode;
	put_be64(cdb + 2, lba);
	put_be32(cdb + 10, blocks);
}

static inline struct fake_request *
start_write(struct mullion_device *device, uint32_t lun, uint64_t lba,
	    uint32_t blocks, void *data)
{
	uint8_t cdb[16];

	cdb_rw16(cdb, 0x8a, lba, blocks);
	return fake_send(device, lun, cdb, 16, UIS_DMA_TO_DEVICE, data,
			 blocks * 512, 3);
}

static inline struct fake_request *
start_read(struct mullion_device *device, uint32_t lun, uint64_t lba,
	   uint32_t blocks, void *data)
{
	uint8_t cdb[16];

	cdb_rw16(cdb, 0x88, lba, blocks);
	return fake_send(device, lun, cdb, 16, UIS_DMA_FROM_DEVICE, data,
			 blocks * 512, 2);
}

static inline struct fake_answer do_write(struct mullion_device *device,
					  uint32_t lun, uint64_t lba,
					  uint32_t blocks, void *data)
{
	return fake_wait(start_write(device, lun, lba, blocks, data));
}

static inline struct fake_answer do_read(struct mullion_device *device,
					 uint32_t lun, uint64_t lba,
					 uint32_t blocks, void *data)
{
	return fake_wait(start_read(device, lun, lba, blocks, data));
}

/* @data: what is expected, then what is written */
static inline struct fake_request *
start_caw(struct mullion_device *device, uint32_t lun, uint64_t lba,
	  uint8_t blocks, void *data)
{
	uint8_t cdb[16] = { 0x89 };

	put_be64(cdb + 2, lba);
	cdb[13] = blocks;
	return fake_send(device, lun, cdb, 16, UIS_DMA_TO_DEVICE, data,
			 blocks * 1024, 1);
}

static inline struct fake_answer do_tur(struct mullion_device *device,
					uint32_t lun)
{
	return fake_scsi(device, lun, CDB(0), 6, UIS_DMA_NONE, NULL, 0);
}

static inline struct fake_answer do_sync(struct mullion_device *device,
					 uint32_t lun)
{
	return fake_scsi(device, lun, CDB(0x35), 10, UIS_DMA_NONE, NULL, 0);
}

static inline struct fake_answer do_pr_out(struct mullion_device *device,
					   uint8_t action, uint8_t type,
					   uint64_t key, uint64_t action_key)
{
	uint8_t cdb[16] = { 0x5f, action, type, 0, 0, 0, 0, 0, 24 };
	uint8_t list[24] = { 0 };

	put_be64(list, key);
	put_be64(list + 8, action_key);
	return fake_scsi(device, 0, cdb, 10, UIS_DMA_TO_DEVICE, list, 24);
}

#endif /* MULLION_TESTS_SCSI_CDB_H */
