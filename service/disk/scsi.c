// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi.c - the SCSI target: the way of a command
 *
 * Theory of operation
 *
 * A command arrives as a request, copied out of shared memory and with its
 * data ranges checked.  Reads and writes of a unit on which nothing special is
 * going on are handled at once (scsi_block.c).  Everything else takes the
 * long way: find the logical unit, find the command in the table, refuse
 * bits of the CDB that mean nothing, report a unit attention, refuse what a
 * reservation or a stopped or protected medium forbids, run the handler.
 *
 * The table is the only list of what is supported: REPORT SUPPORTED OPERATION
 * CODES is answered from it too (scsi_report.c).
 *
 * Parameter data is copied out once before it is looked at.
 *
 * A request that a predecessor may have taken (reissue) is executed again:
 * that is right for all commands whose effect is the same the second time.
 * For the others the disk's record says whether the effect happened:
 * state changes carry the identity of their request (SC_STATE), COMPARE AND
 * WRITE has its journal (persist.c, scsi_atomic.c).
 *
 * Limits: linked commands and ACA are not supported (NACA is refused); task
 * attributes do not travel in the channel: all are simple.
 *
 * Failure behaviour: every command is ended once, by scsi_end(); out of
 * memory is TASK SET FULL, and the initiator tries again.
 */
#include <stdlib.h>
#include <string.h>

#include "scsi.h"

/* End a command whose request holds the answer.  It must not be used again. */
void scsi_end(struct cmd *cmd)
{
	struct lun *lun = cmd->lun;
	bool placed = cmd->place != CMD_FREE;
	int journal = cmd->journal - 1;

	if (cmd->buffer)
		free(cmd->buffer);
	if (placed)
		order_leave(cmd);
	mullion_request_complete(cmd_request(cmd));
	if (!placed)
		return;
	/*
	 * Only now: a successor must find the result recorded, or the write in
	 * the journal.
	 */
	if (journal >= 0)
		persist_intent_phase(lun->disk->object, journal, INTENT_FREE);
	order_settle(lun->disk);
	disk_command_ended(lun);
}

/* GOOD, with @moved of the client's bytes moved. */
void scsi_good(struct cmd *cmd, uint32_t moved)
{
	struct mullion_request *request = cmd_request(cmd);

	request->residual = request->bufflen - moved;
	scsi_end(cmd);
}

void scsi_status(struct cmd *cmd, uint8_t status)
{
	struct mullion_request *request = cmd_request(cmd);

	request->scsistat = status;
	request->linuxstat = UIS_LINUXSTAT(UIS_HOST_OK, status);
	if (status != SAM_GOOD)
		request->residual = request->bufflen;
	if (status != SAM_CHECK_CONDITION)
		memset(request->sense, 0, sizeof(request->sense));
	scsi_end(cmd);
}

/* A result of the transport: the command was not executed. */
void scsi_host(struct cmd *cmd, uint8_t host, uint8_t addlstat)
{
	struct mullion_request *request = cmd_request(cmd);

	request->linuxstat = UIS_LINUXSTAT(host, 0);
	request->addlstat = addlstat;
	request->residual = request->bufflen;
	memset(request->sense, 0, sizeof(request->sense));
	scsi_end(cmd);
}

/* Copy between @data and the client's vectors, from byte @offset of these. */
static uint32_t scsi_copy(struct cmd *cmd, uint32_t offset, uint8_t *data,
			  uint32_t bytes, bool to_client)
{
	struct mullion_request *request = cmd_request(cmd);
	uint32_t done = 0;
	uint16_t i;

	for (i = 0; i < request->iovcnt && done < bytes; i++) {
		const struct iovec *vec = &request->iov[i];
		size_t n = vec->iov_len;

		if (offset >= n) {
			offset -= (uint32_t)n;
			continue;
		}
		n -= offset;
		if (n > bytes - done)
			n = bytes - done;
		if (to_client)
			memcpy((uint8_t *)vec->iov_base + offset, data + done, n);
		else
			memcpy(data + done, (uint8_t *)vec->iov_base + offset, n);
		done += (uint32_t)n;
		offset = 0;
	}
	return done;
}

static uint32_t scsi_min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

/*
 * Send data-in of @bytes, cut to the CDB's allocation length and to what the
 * client gave, and end with GOOD.
 */
void scsi_data_in(struct cmd *cmd, const void *data, uint32_t bytes,
		  uint32_t allocation)
{
	struct mullion_request *request = cmd_request(cmd);
	uint32_t n = scsi_min(scsi_min(bytes, allocation), request->bufflen);

	/* the cast only drops const: nothing is written there */
	scsi_good(cmd, scsi_copy(cmd, 0, (uint8_t *)(uintptr_t)data, n, true));
}

uint32_t scsi_data_out(struct cmd *cmd, void *data, uint32_t bytes)
{
	struct mullion_request *request = cmd_request(cmd);

	return scsi_copy(cmd, 0, data, scsi_min(bytes, request->bufflen), false);
}

void scsi_copy_from(struct cmd *cmd, uint32_t offset, void *data,
		    uint32_t bytes)
{
	scsi_copy(cmd, offset, data, bytes, false);
}

/* Get memory for the time of the command; false: ended with TASK SET FULL. */
bool scsi_buffer(struct cmd *cmd, uint32_t bytes)
{
	cmd->buffer = malloc(bytes);
	if (!cmd->buffer)
		scsi_status(cmd, SAM_TASK_SET_FULL);
	return cmd->buffer;
}

static uint64_t scsi_incarnation(struct cmd *cmd)
{
	return mullion_device_channel_state(cmd_request(cmd)->device)
		->client_incarnation;
}

void scsi_state_effect(struct cmd *cmd)
{
	struct persist_nexus *nexus = lun_nexus(cmd->lun);
	struct mullion_request *request = cmd_request(cmd);

	mullion_request_effect(request);
	nexus->effect_id = request->request_id;
	nexus->effect_incarnation = scsi_incarnation(cmd);
}

/* Did a predecessor already do what this request asks for? */
static bool scsi_is_done(struct cmd *cmd, const struct scsi_command *command)
{
	struct mullion_request *request = cmd_request(cmd);
	struct persist_nexus *nexus = lun_nexus(cmd->lun);
	int slot;

	if (command->flags & SC_STATE)
		return nexus->effect_id == request->request_id &&
		       nexus->effect_incarnation == scsi_incarnation(cmd);
	slot = persist_intent_find(cmd->lun->disk->object, &nexus->uuid,
				   request->request_id, scsi_incarnation(cmd));
	if (slot < 0)
		return false;
	persist_intent_phase(cmd->lun->disk->object, slot, INTENT_FREE);
	return true;
}

static const struct scsi_command *scsi_find(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	bool known = false;
	unsigned int i;

	for (i = 0; i < scsi_command_count; i++) {
		const struct scsi_command *command = &scsi_commands[i];

		if (command->opcode != cdb[0])
			continue;
		if (command->flags & SC_UNMAP && cmd->lun &&
		    !cmd->lun->disk->store->unmap)
			continue;
		known = true;
		if (command->action == SC_NO_ACTION ||
		    command->action == (cdb[1] & 0x1f))
			return command;
	}
	if (known)
		scsi_bad_cdb(cmd, 1, 4);
	else
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_OPCODE);
	return NULL;
}

/* Are all bits of the CDB ones that mean something? */
static bool scsi_cdb_ok(struct cmd *cmd, const struct scsi_command *command)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	unsigned int i;

	for (i = 1; i < command->length; i++) {
		uint8_t bad = cdb[i] & (uint8_t)~command->usage[i];

		if (i == 1 && command->action != SC_NO_ACTION)
			bad &= 0xe0;
		if (bad) {
			scsi_bad_cdb(cmd, i, 31 - __builtin_clz(bad));
			return false;
		}
	}
	return true;
}

static bool scsi_permitted(struct cmd *cmd, const struct scsi_command *command)
{
	struct lun *lun = cmd->lun;
	struct disk *disk = lun->disk;

	/* The disk remembers one such effect of a nexus that is not answered. */
	if (command->flags & SC_STATE && lun->aborting) {
		scsi_status(cmd, SAM_BUSY);
		return false;
	}
	if (disk->gate & GATE_RESERVED && scsi_reserved(cmd, command)) {
		scsi_status(cmd, SAM_RESERVATION_CONFLICT);
		return false;
	}
	if (command->flags & SC_MEDIUM && disk->gate & GATE_STOPPED) {
		scsi_check(cmd, KEY_NOT_READY, ASC_INITIALIZING_REQUIRED);
		return false;
	}
	/* Who may only read does not stop or reserve the disk for the others. */
	if (command->flags & (SC_WRITE | SC_STATE) && lun->gate & GATE_PROTECTED) {
		scsi_check(cmd, KEY_DATA_PROTECT, ASC_WRITE_PROTECTED);
		return false;
	}
	if (command->flags & SC_WRITE && disk->gate & GATE_PROTECTED) {
		scsi_check(cmd, KEY_DATA_PROTECT, ASC_SOFTWARE_WRITE_PROTECTED);
		return false;
	}
	return true;
}

/* A command for a target or logical unit that is not there. */
static void scsi_absent(struct disk_device *device, struct cmd *cmd)
{
	struct mullion_request *request = cmd_request(cmd);
	const uint8_t *cdb = request->cdb;
	const struct scsi_command *command;
	bool target = false;
	unsigned int i;

	for (i = 0; request->id < DISK_ID_MAX && i < DISK_LUN_MAX; i++)
		target |= device->map[request->id][i];
	if (!target) {
		scsi_host(cmd, UIS_HOST_NO_CONNECT, ADDL_SEL_TIMEOUT);
		return;
	}
	command = scsi_find(cmd);
	if (!command)
		return;
	if (!(command->flags & SC_NO_LUN)) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_LUN_NOT_SUPPORTED);
		return;
	}
	if (!scsi_cdb_ok(cmd, command))
		return;
	if (cdb[0] == 0xa0)
		scsi_report_luns_of(cmd, device);
	else
		command->run(cmd);
}

/**
 * scsi_request() - a SCSI command has arrived
 */
void scsi_request(struct disk_device *device, struct mullion_request *request)
{
	const struct scsi_command *command;
	struct cmd *cmd = cmd_of(request);
	struct lun *lun;
	uint16_t attention;

	lun = disk_lun_find(device, request->id, request->lun);
	if (lun && scsi_block_fast(lun, request))
		return;

	memset(cmd, 0, sizeof(*cmd));
	cmd->lun = lun;
	if (!lun) {
		scsi_absent(device, cmd);
		return;
	}
	command = scsi_find(cmd);
	if (!command || !scsi_cdb_ok(cmd, command))
		return;
	if (request->reissue && scsi_is_done(cmd, command)) {
		scsi_good(cmd, request->bufflen);
		return;
	}
	if (lun->gate & GATE_ATTENTION && !(command->flags & SC_NO_ATTENTION)) {
		attention = scsi_attention_take(lun, false);
		if (attention) {
			scsi_check(cmd, KEY_UNIT_ATTENTION, attention);
			/* Only now: told twice is better than never. */
			scsi_attention_take(lun, true);
			return;
		}
	}
	if (!scsi_permitted(cmd, command))
		return;
	command->run(cmd);
}
