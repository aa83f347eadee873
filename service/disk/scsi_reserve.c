// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_reserve.c - which commands a reservation keeps out, and
 * PERSISTENT RESERVE IN, RESERVE(6), RELEASE(6)
 *
 * The rules are those of SPC-4's and SBC-3's tables, reduced to three kinds of
 * commands: those that any reservation of another nexus keeps out
 * (SC_PR_WRITE), those that only exclusive access keeps out (SC_PR_READ), and
 * the rest.  RESERVE(6) is there for old initiators, with the compatible
 * handling (CRH): it changes nothing where persistent registrations exist.
 *
 * Reservations live as long as the disk has users or its service's state area
 * exists.  That is not "through power loss", so PTPL_C is 0 and APTPL refused.
 */
#include <string.h>

#include "scsi_reserve.h"

static bool reserve_is_like_write(const struct scsi_command *command,
				  const uint8_t *cdb)
{
	switch (command->opcode) {
	case 0x1b:	/* START STOP UNIT: starting harms nobody */
	case 0x1e:	/* PREVENT ALLOW: as far as it prevents */
		return command->opcode == 0x1b ? !(cdb[4] & 1) : cdb[4] & 1;
	default:
		return command->flags & SC_PR_WRITE;
	}
}

/**
 * scsi_reserved() - does a reservation forbid this command to its nexus?
 */
bool scsi_reserved(struct cmd *cmd, const struct scsi_command *command)
{
	const struct persist_body *state = &cmd->lun->disk->state;
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	uint8_t nexus = cmd->lun->nexus;

	if (state->reserve6_holder != PERSIST_NEXUS_NONE) {
		if (command->opcode == 0x5e || command->opcode == 0x5f)
			return true;
		if (state->reserve6_holder != nexus &&
		    !(command->flags & SC_RES6_OK))
			return true;
	}
	if (!state->pr_type || pr_is_holder(state, nexus))
		return false;
	if (pr_is_for_registrants(state->pr_type) &&
	    state->nexus[nexus].registered)
		return false;
	if (reserve_is_like_write(command, cdb))
		return true;
	return pr_is_exclusive_access(state->pr_type) &&
	       command->flags & SC_PR_READ;
}

static bool reserve_any_registered(const struct persist_body *state)
{
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++)
		if (state->nexus[i].registered)
			return true;
	return false;
}

/* With registrations: nothing for those that may, a conflict for others. */
static bool reserve_6_is_persistent(struct cmd *cmd)
{
	const struct persist_body *state = &cmd->lun->disk->state;
	uint8_t nexus = cmd->lun->nexus;

	if (!reserve_any_registered(state))
		return false;
	if (state->nexus[nexus].registered &&
	    (pr_is_holder(state, nexus) ||
	     pr_is_for_registrants(state->pr_type)))
		scsi_good(cmd, 0);
	else
		scsi_status(cmd, SAM_RESERVATION_CONFLICT);
	return true;
}

static void reserve_6_set(struct cmd *cmd, uint8_t holder)
{
	struct disk *disk = cmd->lun->disk;

	disk->state.reserve6_holder = holder;
	scsi_state_effect(cmd);
	disk_commit(disk);
	scsi_good(cmd, 0);
}

void scsi_reserve_6(struct cmd *cmd)
{
	if (!reserve_6_is_persistent(cmd))
		reserve_6_set(cmd, cmd->lun->nexus);
}

void scsi_release_6(struct cmd *cmd)
{
	if (reserve_6_is_persistent(cmd))
		return;
	if (cmd->lun->disk->state.reserve6_holder == cmd->lun->nexus)
		reserve_6_set(cmd, PERSIST_NEXUS_NONE);
	else
		scsi_good(cmd, 0);
}

void pr_transport_id(const struct persist_nexus *nexus, uint8_t *out)
{
	memset(out, 0, PR_TRANSPORT_ID_BYTES);
	out[0] = 0x04;
	memcpy(out + 8, nexus->uuid.b, 16);
}

static unsigned int pr_read_keys(const struct persist_body *state,
				 uint8_t *data)
{
	unsigned int i, bytes = 0;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		if (!state->nexus[i].registered)
			continue;
		put_be64(data + bytes, state->nexus[i].key);
		bytes += 8;
	}
	return bytes;
}

static unsigned int pr_read_reservation(const struct persist_body *state,
					uint8_t *data)
{
	if (!state->pr_type)
		return 0;
	memset(data, 0, 16);
	if (!pr_is_all_registrants(state->pr_type))
		put_be64(data, state->nexus[state->pr_holder].key);
	data[13] = state->pr_type;
	return 16;
}

static unsigned int pr_read_full_status(const struct persist_body *state,
					uint8_t *data)
{
	unsigned int bytes = 0;
	uint8_t i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		const struct persist_nexus *nexus = &state->nexus[i];
		uint8_t *at = data + bytes;

		if (!nexus->registered)
			continue;
		memset(at, 0, 24);
		put_be64(at, nexus->key);
		if (pr_is_holder(state, i)) {
			at[12] = 0x01;
			at[13] = state->pr_type;
		}
		put_be16(at + 18, 1);
		put_be32(at + 20, PR_TRANSPORT_ID_BYTES);
		pr_transport_id(nexus, at + 24);
		bytes += 24 + PR_TRANSPORT_ID_BYTES;
	}
	return bytes;
}

void scsi_pr_in(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	const struct persist_body *state = &cmd->lun->disk->state;
	uint8_t data[8 + PERSIST_NEXUS_MAX * (24 + PR_TRANSPORT_ID_BYTES)];
	unsigned int bytes;

	memset(data, 0, 8);
	switch (cdb[1] & 0x1f) {
	case 0x02:	/* REPORT CAPABILITIES */
		put_be16(data, 8);
		data[2] = 0x10;		/* CRH */
		data[3] = 0x80;		/* TMV */
		data[4] = 0xea;
		data[5] = 0x01;
		scsi_data_in(cmd, data, 8, get_be16(cdb + 7));
		return;
	case 0x00:
		bytes = pr_read_keys(state, data + 8);
		break;
	case 0x01:
		bytes = pr_read_reservation(state, data + 8);
		break;
	default:
		bytes = pr_read_full_status(state, data + 8);
		break;
	}
	put_be32(data, state->pr_generation);
	put_be32(data + 4, bytes);
	scsi_data_in(cmd, data, 8 + bytes, get_be16(cdb + 7));
}
