// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_sense.c - sense data and unit attentions
 *
 * Fixed format, or descriptor format where a guest has set D_SENSE.  Sense
 * data has an information field or a field pointer, never both, so that it
 * fits the 24 bytes that the state area keeps of it.
 */
#include <errno.h>
#include <string.h>
#include <syslog.h>

#include "scsi.h"

#define SENSE_FIXED		0x70
#define SENSE_FIXED_BYTES	18
#define SENSE_DESCRIPTOR	0x72
#define SENSE_DESCRIPTOR_BYTES	8
#define SENSE_VALID		0x80
#define SENSE_SKSV		0x80
#define SENSE_IN_CDB		0x40
#define SENSE_BIT_VALID		0x08

unsigned int scsi_sense_build(uint8_t *sense, bool descriptor, uint8_t key,
			      uint16_t asc)
{
	memset(sense, 0, MAX_SENSE_SIZE);
	if (descriptor) {
		sense[0] = SENSE_DESCRIPTOR;
		sense[1] = key;
		put_be16(sense + 2, asc);
		return SENSE_DESCRIPTOR_BYTES;
	}
	sense[0] = SENSE_FIXED;
	sense[2] = key;
	sense[7] = SENSE_FIXED_BYTES - 8;
	put_be16(sense + 12, asc);
	return SENSE_FIXED_BYTES;
}

static bool sense_descriptor(const struct cmd *cmd)
{
	return cmd->lun && cmd->lun->disk->state.d_sense;
}

static void sense_end(struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);

	request->residual = request->bufflen;
	scsi_status(cmd, SAM_CHECK_CONDITION);
}

/* End a command with CHECK CONDITION and nothing more to say. */
void scsi_check(struct cmd *cmd, uint8_t key, uint16_t asc)
{
	scsi_sense_build(cmd_request(cmd)->sense, sense_descriptor(cmd), key,
			 asc);
	sense_end(cmd);
}

/* The same with an information field: an LBA, or an offset in the data. */
void scsi_check_info(struct cmd *cmd, uint8_t key, uint16_t asc,
		     uint64_t information)
{
	uint8_t *sense = cmd_request(cmd)->sense;

	if (sense_descriptor(cmd)) {
		unsigned int at = scsi_sense_build(sense, true, key, asc);

		sense[7] = 12;
		sense[at] = 0x00;	/* information */
		sense[at + 1] = 0x0a;
		sense[at + 2] = SENSE_VALID;
		put_be64(sense + at + 4, information);
	} else {
		scsi_sense_build(sense, false, key, asc);
		if (information <= UINT32_MAX) {
			sense[0] |= SENSE_VALID;
			put_be32(sense + 3, (uint32_t)information);
		}
	}
	sense_end(cmd);
}

static void sense_bad_field(struct cmd *cmd, uint16_t asc, unsigned int byte,
			    int bit, uint8_t where)
{
	uint8_t *sense = cmd_request(cmd)->sense;
	uint8_t *specific;

	if (sense_descriptor(cmd)) {
		unsigned int at = scsi_sense_build(sense, true,
						   KEY_ILLEGAL_REQUEST, asc);

		sense[7] = 8;
		sense[at] = 0x02;	/* sense key specific */
		sense[at + 1] = 0x06;
		specific = sense + at + 4;
	} else {
		scsi_sense_build(sense, false, KEY_ILLEGAL_REQUEST, asc);
		specific = sense + 15;
	}
	specific[0] = SENSE_SKSV | where;
	if (bit >= 0)
		specific[0] |= SENSE_BIT_VALID | (uint8_t)bit;
	put_be16(specific + 1, (uint16_t)byte);
	sense_end(cmd);
}

/* INVALID FIELD IN CDB, with a pointer to the byte and, unless -1, the bit. */
void scsi_bad_cdb(struct cmd *cmd, unsigned int byte, int bit)
{
	sense_bad_field(cmd, ASC_INVALID_FIELD_IN_CDB, byte, bit, SENSE_IN_CDB);
}

void scsi_bad_parameter(struct cmd *cmd, unsigned int byte, int bit)
{
	sense_bad_field(cmd, ASC_INVALID_FIELD_IN_PARAMETERS, byte, bit, 0);
}

/*
 * End a command whose operation at the store failed.  The first byte that is
 * not certain to have moved gives the LBA.
 */
void scsi_store_failed(struct cmd *cmd, int error)
{
	struct disk *disk = cmd->lun->disk;
	bool read = cmd->io.op == STORE_READ;
	bool flush = cmd->io.op == STORE_FLUSH;
	uint64_t lba = (cmd->io.offset + cmd->io.moved) >> DISK_BLOCK_SHIFT;

	switch (error) {
	case -ENOSPC:
	case -EDQUOT:
	case -EFBIG:
		disk_log_once(disk, DISK_LOG_SPACE, "write", error);
		scsi_check(cmd, KEY_DATA_PROTECT, ASC_SPACE_ALLOCATION_FAILED);
		return;
	case -EROFS:
	case -EPERM:
	case -EACCES:
		disk_log_once(disk, DISK_LOG_WRITE, "write", error);
		scsi_check(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		return;
	case -ENOTCONN:
	case -ECONNRESET:
	case -EPIPE:
	case -ESHUTDOWN:
	case -ETIMEDOUT:
		disk_log_once(disk, DISK_LOG_READ, "reach the store", error);
		scsi_check(cmd, KEY_ABORTED_COMMAND, ASC_COMMUNICATION_FAILURE);
		return;
	case -ENODATA:
		/* short read: the medium ends here */
		disk_check_size(disk);
		scsi_check_info(cmd, KEY_MEDIUM_ERROR,
				ASC_UNRECOVERED_READ_ERROR, lba);
		return;
	case -ENOMEM:
	case -EINVAL:
	case -EFAULT:
		disk_log_once(disk, read ? DISK_LOG_READ : DISK_LOG_WRITE,
			      read ? "read" : "write", error);
		scsi_check(cmd, KEY_HARDWARE_ERROR, ASC_TARGET_FAILURE);
		return;
	default:
		break;
	}
	if (read) {
		disk_log_once(disk, DISK_LOG_READ, "read", error);
		scsi_check_info(cmd, KEY_MEDIUM_ERROR,
				ASC_UNRECOVERED_READ_ERROR, lba);
	} else if (flush) {
		disk_log_once(disk, DISK_LOG_FLUSH, "flush", error);
		scsi_check(cmd, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR);
	} else {
		disk_log_once(disk, DISK_LOG_WRITE, "write", error);
		scsi_check_info(cmd, KEY_MEDIUM_ERROR, ASC_WRITE_ERROR, lba);
	}
}

/* In the order of the ATTENTION_ bits. */
static const uint16_t attention_asc[] = {
	ASC_RESET,
	ASC_NEXUS_LOSS,
	ASC_CAPACITY_CHANGED,
	ASC_MODE_CHANGED,
	ASC_RESERVATIONS_PREEMPTED,
	ASC_RESERVATIONS_RELEASED,
	ASC_REGISTRATIONS_PREEMPTED,
	ASC_LUNS_CHANGED,
};

/* The most important unit attention that waits, 0 for none. */
uint16_t scsi_attention_take(struct lun *lun, bool clear)
{
	struct persist_nexus *nexus = lun_nexus(lun);
	unsigned int i;

	for (i = 0; i < sizeof(attention_asc) / sizeof(attention_asc[0]); i++) {
		if (!(nexus->attention & 1U << i))
			continue;
		if (clear) {
			nexus->attention &= ~(1U << i);
			disk_commit(lun->disk);
		}
		return attention_asc[i];
	}
	return 0;
}
