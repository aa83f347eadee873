/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/scsi.h - the SCSI target: what its command families share
 *
 * A handler is called once per command, with everything checked that the
 * table says, and must see to it that the command is ended exactly once with
 * one of the functions below, now or in a later turn.
 */
#ifndef MULLION_DISK_SCSI_H
#define MULLION_DISK_SCSI_H

#include "bytes.h"
#include "disk.h"

/* Status codes */
#define SAM_GOOD			0x00
#define SAM_CHECK_CONDITION		0x02
#define SAM_BUSY			0x08
#define SAM_RESERVATION_CONFLICT	0x18
#define SAM_TASK_SET_FULL		0x28

/* Sense keys */
#define KEY_NO_SENSE		0x0
#define KEY_NOT_READY		0x2
#define KEY_MEDIUM_ERROR	0x3
#define KEY_HARDWARE_ERROR	0x4
#define KEY_ILLEGAL_REQUEST	0x5
#define KEY_UNIT_ATTENTION	0x6
#define KEY_DATA_PROTECT	0x7
#define KEY_ABORTED_COMMAND	0xb
#define KEY_MISCOMPARE		0xe

/* Additional sense code << 8 | qualifier */
#define ASC_NONE			0x0000
#define ASC_INITIALIZING_REQUIRED	0x0402
#define ASC_COMMUNICATION_FAILURE	0x0800
#define ASC_WRITE_ERROR			0x0c00
#define ASC_UNRECOVERED_READ_ERROR	0x1100
#define ASC_PARAMETER_LENGTH		0x1a00
#define ASC_MISCOMPARE			0x1d00
#define ASC_INVALID_OPCODE		0x2000
#define ASC_LBA_OUT_OF_RANGE		0x2100
#define ASC_INVALID_FIELD_IN_CDB	0x2400
#define ASC_LUN_NOT_SUPPORTED		0x2500
#define ASC_INVALID_FIELD_IN_PARAMETERS	0x2600
#define ASC_INVALID_RELEASE		0x2604
#define ASC_WRITE_PROTECTED		0x2700
#define ASC_SOFTWARE_WRITE_PROTECTED	0x2702
#define ASC_SPACE_ALLOCATION_FAILED	0x2707
#define ASC_RESET			0x2903
#define ASC_NEXUS_LOSS			0x2907
#define ASC_MODE_CHANGED		0x2a01
#define ASC_RESERVATIONS_PREEMPTED	0x2a03
#define ASC_RESERVATIONS_RELEASED	0x2a04
#define ASC_REGISTRATIONS_PREEMPTED	0x2a05
#define ASC_CAPACITY_CHANGED		0x2a09
#define ASC_SAVING_NOT_SUPPORTED	0x3900
#define ASC_LUNS_CHANGED		0x3f0e
#define ASC_TARGET_FAILURE		0x4400
#define ASC_INSUFFICIENT_REGISTRATION_RESOURCES	0x5504

/* scsi_command.flags */
#define SC_MEDIUM	(1U << 0)	/* needs the unit started */
#define SC_WRITE	(1U << 1)	/* needs a medium that may be written */
#define SC_PR_READ	(1U << 2)	/* exclusive access keeps it out */
#define SC_PR_WRITE	(1U << 3)	/* any reservation of others does */
#define SC_RES6_OK	(1U << 4)	/* RESERVE(6) of others does not */
#define SC_NO_ATTENTION	(1U << 5)	/* works while a unit attention waits */
#define SC_NO_LUN	(1U << 6)	/* works without a logical unit */
#define SC_STATE	(1U << 7)	/* its effect is recorded with the disk */
#define SC_UNMAP	(1U << 8)	/* only where the store can unmap */

/**
 * struct scsi_command - a line of the command table
 * @action: service action, or SC_NO_ACTION
 * @length: bytes of the CDB
 * @usage: bits of the CDB that mean something; others must be 0
 * @timeout: seconds that it may take, 0 unknown
 */
struct scsi_command {
	uint8_t opcode;
	uint8_t action;
	uint8_t length;
	uint8_t timeout;
	uint16_t flags;
	void (*run)(struct cmd *cmd);
	uint8_t usage[16];
};

#define SC_NO_ACTION	0xff

extern const struct scsi_command scsi_commands[];
extern const unsigned int scsi_command_count;

/* scsi.c: ends of commands */
void scsi_end(struct cmd *cmd);
void scsi_good(struct cmd *cmd, uint32_t moved);
void scsi_status(struct cmd *cmd, uint8_t status);
void scsi_host(struct cmd *cmd, uint8_t host, uint8_t addlstat);
void scsi_data_in(struct cmd *cmd, const void *data, uint32_t bytes,
		  uint32_t allocation);

/**
 * scsi_data_out() - take parameter data out of shared memory, once
 *
 * Return: bytes taken: the least of @bytes and what the client gave.
 */
uint32_t scsi_data_out(struct cmd *cmd, void *data, uint32_t bytes);

/**
 * scsi_copy_from(), scsi_copy_to() - the client's data, from byte @offset
 *
 * The caller has checked that the range lies in the client's data.
 */
void scsi_copy_from(struct cmd *cmd, uint32_t offset, void *data,
		    uint32_t bytes);

/**
 * scsi_state_done() - the effect of this state change is committed with it
 *
 * To be called before disk_commit().
 */
void scsi_state_effect(struct cmd *cmd);

bool scsi_buffer(struct cmd *cmd, uint32_t bytes);

/* scsi_sense.c */
/**
 * scsi_sense_build() - write sense data
 * @sense: MAX_SENSE_SIZE bytes
 *
 * Return: bytes used.
 */
unsigned int scsi_sense_build(uint8_t *sense, bool descriptor, uint8_t key,
			      uint16_t asc);
void scsi_check(struct cmd *cmd, uint8_t key, uint16_t asc);
void scsi_check_info(struct cmd *cmd, uint8_t key, uint16_t asc,
		     uint64_t information);
void scsi_bad_cdb(struct cmd *cmd, unsigned int byte, int bit);
void scsi_bad_parameter(struct cmd *cmd, unsigned int byte, int bit);
void scsi_store_failed(struct cmd *cmd, int error);
uint16_t scsi_attention_take(struct lun *lun, bool clear);

/* scsi_block.c */
bool scsi_block_fast(struct lun *lun, struct mullion_request *request);
bool scsi_range_ok(struct cmd *cmd, uint64_t lba, uint64_t blocks);
unsigned int scsi_block_range(const uint8_t *cdb, uint64_t *lba,
			      uint32_t *blocks);
void scsi_enter(struct cmd *cmd, uint64_t lba, uint64_t span, bool exclusive,
		void (*start)(struct cmd *cmd));
void scsi_client_data(struct cmd *cmd, uint32_t bytes);
void scsi_own_data(struct cmd *cmd, void *data, uint32_t bytes);
int scsi_store_begin(struct cmd *cmd, uint8_t op, uint64_t offset,
		     uint64_t bytes, void (*step)(struct cmd *cmd, int error));
void scsi_store(struct cmd *cmd, uint8_t op, uint64_t offset, uint64_t bytes,
		void (*step)(struct cmd *cmd, int error));
void scsi_stable(struct cmd *cmd, void (*step)(struct cmd *cmd, int error));
void scsi_read_6(struct cmd *cmd);
void scsi_read(struct cmd *cmd);
void scsi_write_6(struct cmd *cmd);
void scsi_write(struct cmd *cmd);
void scsi_synchronize_cache(struct cmd *cmd);

/* scsi_verify.c */
void scsi_verify(struct cmd *cmd);
void scsi_write_verify(struct cmd *cmd);

/* scsi_atomic.c */
void scsi_compare_and_write(struct cmd *cmd);
void scsi_orwrite(struct cmd *cmd);

/* scsi_provision.c */
void scsi_unmap(struct cmd *cmd);
void scsi_write_same(struct cmd *cmd);
void scsi_get_lba_status(struct cmd *cmd);

/* scsi_inquiry.c */
void scsi_inquiry(struct cmd *cmd);
void scsi_inquiry_absent(struct cmd *cmd, bool lun0, bool others);

/* scsi_mode.c */
void scsi_mode_sense(struct cmd *cmd);
void scsi_mode_select(struct cmd *cmd);

/* scsi_report.c */
void scsi_test_unit_ready(struct cmd *cmd);
void scsi_request_sense(struct cmd *cmd);
void scsi_read_capacity_10(struct cmd *cmd);
void scsi_read_capacity_16(struct cmd *cmd);
void scsi_report_luns(struct cmd *cmd);
void scsi_report_luns_of(struct cmd *cmd, struct disk_device *device);
void scsi_report_opcodes(struct cmd *cmd);
void scsi_report_tasks(struct cmd *cmd);
void scsi_start_stop(struct cmd *cmd);
void scsi_prevent_allow(struct cmd *cmd);

/* scsi_reserve.c */
bool scsi_reserved(struct cmd *cmd, const struct scsi_command *command);
void scsi_reserve_6(struct cmd *cmd);
void scsi_release_6(struct cmd *cmd);
void scsi_pr_in(struct cmd *cmd);

/* scsi_pr_out.c */
void scsi_pr_out(struct cmd *cmd);

#endif /* MULLION_DISK_SCSI_H */
