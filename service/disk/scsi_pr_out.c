// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_pr_out.c - PERSISTENT RESERVE OUT
 *
 * Theory of operation
 *
 * Each service action works on a copy of the disk's state.  When it has
 * succeeded the copy becomes the state and is committed together with the
 * identity of the request, so a service that dies at any moment leaves either
 * no effect, or all of it and the knowledge that this request had it.
 *
 * PREEMPT AND ABORT answers the preempted nexuses' waiting commands with a
 * reset and ends itself only when their running ones have ended: nothing that
 * they sent before changes the medium after that.  Meanwhile other commands of
 * its nexus that change the state are told to come again, because the record of
 * one would take the place of its own.
 *
 * Limits: one target port, so ALL_TG_PT and SPEC_I_PT are refused, and
 * REGISTER AND MOVE moves to nexuses that the disk knows.  APTPL is refused:
 * reservations survive the service, not the host.
 */
#include <string.h>

#include "scsi_reserve.h"

#define PR_REGISTER		0x00
#define PR_RESERVE		0x01
#define PR_RELEASE		0x02
#define PR_CLEAR		0x03
#define PR_PREEMPT		0x04
#define PR_PREEMPT_AND_ABORT	0x05
#define PR_REGISTER_AND_IGNORE	0x06
#define PR_REGISTER_AND_MOVE	0x07

#define PR_PARAMETER_BYTES	24
#define PR_MOVE_BYTES		(24 + PR_TRANSPORT_ID_BYTES)

/**
 * struct pr_change - a service action at work
 * @state: the copy
 * @self: nexus of the command
 * @key, @action_key: of the parameter list
 * @type: of the CDB
 * @preempted: nexuses whose registrations were taken away, a mask
 */
struct pr_change {
	struct cmd *cmd;
	struct persist_body state;
	uint8_t self;
	uint8_t type;
	uint64_t key;
	uint64_t action_key;
	uint64_t preempted;
	const uint8_t *parameters;
};

/* Results of a service action: done, or ended otherwise already. */
#define PR_CHANGED	true
#define PR_ENDED	false

static bool pr_conflict(struct pr_change *change)
{
	scsi_status(change->cmd, SAM_RESERVATION_CONFLICT);
	return PR_ENDED;
}

static bool pr_same_key(const struct pr_change *change)
{
	const struct persist_nexus *self = &change->state.nexus[change->self];

	return self->registered && self->key == change->key;
}

static void pr_attention(struct pr_change *change, uint64_t mask,
			 uint32_t attention)
{
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++)
		if (mask >> i & 1 && i != change->self)
			change->state.nexus[i].attention |= attention;
}

static uint64_t pr_registered(const struct persist_body *state)
{
	uint64_t mask = 0;
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++)
		if (state->nexus[i].registered)
			mask |= 1ULL << i;
	return mask;
}

/* The reservation goes; those that it let in are told. */
static void pr_drop(struct pr_change *change)
{
	uint8_t type = change->state.pr_type;

	change->state.pr_type = 0;
	change->state.pr_holder = 0;
	if (pr_is_for_registrants(type))
		pr_attention(change, pr_registered(&change->state),
			     ATTENTION_RESERVATIONS_RELEASED);
}

static void pr_unregister(struct pr_change *change, uint8_t nexus)
{
	struct persist_body *state = &change->state;
	bool held = pr_is_holder(state, nexus);

	state->nexus[nexus].registered = 0;
	state->nexus[nexus].key = 0;
	if (!held)
		return;
	if (!pr_is_all_registrants(state->pr_type) || !pr_registered(state))
		pr_drop(change);
}

static bool pr_register(struct pr_change *change, bool ignore)
{
	struct persist_nexus *self = &change->state.nexus[change->self];

	if (!ignore && (self->registered ? self->key : 0) != change->key)
		return pr_conflict(change);
	if (!change->action_key) {
		if (!self->registered) {
			scsi_good(change->cmd, PR_PARAMETER_BYTES);
			return PR_ENDED;
		}
		pr_unregister(change, change->self);
	} else {
		self->registered = 1;
		self->key = change->action_key;
	}
	change->state.pr_generation++;
	return PR_CHANGED;
}

static bool pr_type_ok(struct pr_change *change)
{
	uint8_t scope_type = cmd_request(change->cmd)->cdb[2];

	if (!(scope_type & 0xf0) && pr_is_valid_type(change->type))
		return true;
	scsi_bad_cdb(change->cmd, 2, scope_type & 0xf0 ? 7 : 3);
	return false;
}

static bool pr_reserve(struct pr_change *change)
{
	struct persist_body *state = &change->state;

	if (!pr_same_key(change))
		return pr_conflict(change);
	if (!pr_type_ok(change))
		return PR_ENDED;
	if (state->pr_type && (!pr_is_holder(state, change->self) ||
			       state->pr_type != change->type))
		return pr_conflict(change);
	state->pr_type = change->type;
	if (!pr_is_all_registrants(change->type))
		state->pr_holder = change->self;
	return PR_CHANGED;
}

static bool pr_release(struct pr_change *change)
{
	struct persist_body *state = &change->state;

	if (!pr_same_key(change))
		return pr_conflict(change);
	if (!pr_is_holder(state, change->self)) {
		scsi_good(change->cmd, PR_PARAMETER_BYTES);
		return PR_ENDED;
	}
	if (cmd_request(change->cmd)->cdb[2] != state->pr_type) {
		scsi_check(change->cmd, KEY_ILLEGAL_REQUEST, ASC_INVALID_RELEASE);
		return PR_ENDED;
	}
	pr_drop(change);
	return PR_CHANGED;
}

static bool pr_clear(struct pr_change *change)
{
	struct persist_body *state = &change->state;
	uint64_t mask = pr_registered(state);
	unsigned int i;

	if (!pr_same_key(change))
		return pr_conflict(change);
	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		state->nexus[i].registered = 0;
		state->nexus[i].key = 0;
	}
	state->pr_type = 0;
	state->pr_holder = 0;
	state->pr_generation++;
	pr_attention(change, mask, ATTENTION_RESERVATIONS_PREEMPTED);
	return PR_CHANGED;
}

/* Take away all registrations in @mask; their nexuses are told. */
static void pr_remove(struct pr_change *change, uint64_t mask)
{
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		if (!(mask >> i & 1))
			continue;
		change->state.nexus[i].registered = 0;
		change->state.nexus[i].key = 0;
	}
	pr_attention(change, mask, ATTENTION_REGISTRATIONS_PREEMPTED);
	change->preempted |= mask & ~(1ULL << change->self);
}

static uint64_t pr_with_key(const struct persist_body *state, uint64_t key)
{
	uint64_t mask = pr_registered(state);
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++)
		if (state->nexus[i].key != key)
			mask &= ~(1ULL << i);
	return mask;
}

/* Registrations with the key go, the reservation stays where it was. */
static bool pr_preempt_registrations(struct pr_change *change)
{
	uint64_t mask = pr_with_key(&change->state, change->action_key);

	if (!mask)
		return pr_conflict(change);
	pr_remove(change, mask);
	if (change->state.pr_type && !pr_registered(&change->state))
		pr_drop(change);
	change->state.pr_generation++;
	return PR_CHANGED;
}

static bool pr_preempt(struct pr_change *change)
{
	struct persist_body *state = &change->state;
	uint64_t self = 1ULL << change->self, mask;
	uint8_t old = state->pr_type;
	bool all = pr_is_all_registrants(old);

	if (!pr_same_key(change))
		return pr_conflict(change);
	if (!change->action_key && !(old && all)) {
		scsi_bad_parameter(change->cmd, 8, -1);
		return PR_ENDED;
	}
	if (!old || (all && change->action_key) ||
	    (!all && state->nexus[state->pr_holder].key != change->action_key))
		return pr_preempt_registrations(change);
	if (!pr_type_ok(change))
		return PR_ENDED;

	mask = all ? pr_registered(state) :
		     pr_with_key(state, change->action_key);
	pr_remove(change, mask & ~self);
	state->pr_type = change->type;
	state->pr_holder = change->self;
	if (old != change->type)
		pr_attention(change, pr_registered(state),
			     ATTENTION_RESERVATIONS_RELEASED);
	state->pr_generation++;
	return PR_CHANGED;
}

static bool pr_move(struct pr_change *change)
{
	static const guid_t nobody;
	const uint8_t *list = change->parameters;
	struct persist_body *state = &change->state;
	uint8_t to;

	if (!pr_same_key(change) || !pr_is_holder(state, change->self))
		return pr_conflict(change);
	if (pr_is_all_registrants(state->pr_type))
		return pr_conflict(change);
	if (!change->action_key) {
		scsi_bad_parameter(change->cmd, 8, -1);
		return PR_ENDED;
	}
	if (list[24] != 0x04) {
		scsi_bad_parameter(change->cmd, 24, -1);
		return PR_ENDED;
	}
	for (to = 0; to < PERSIST_NEXUS_MAX; to++)
		if (!memcmp(state->nexus[to].uuid.b, list + 32, 16))
			break;
	/* free entries have that name: the next device would inherit it */
	if (to == PERSIST_NEXUS_MAX || to == change->self ||
	    !memcmp(list + 32, nobody.b, sizeof(nobody.b))) {
		scsi_bad_parameter(change->cmd, 24, -1);
		return PR_ENDED;
	}
	state->nexus[to].registered = 1;
	state->nexus[to].key = change->action_key;
	state->pr_holder = to;
	if (list[17] & 0x02) {		/* UNREG */
		state->nexus[change->self].registered = 0;
		state->nexus[change->self].key = 0;
	}
	state->pr_generation++;
	return PR_CHANGED;
}

static bool pr_action(struct pr_change *change, uint8_t action)
{
	switch (action) {
	case PR_REGISTER:
		return pr_register(change, false);
	case PR_REGISTER_AND_IGNORE:
		return pr_register(change, true);
	case PR_RESERVE:
		return pr_reserve(change);
	case PR_RELEASE:
		return pr_release(change);
	case PR_CLEAR:
		return pr_clear(change);
	case PR_PREEMPT:
	case PR_PREEMPT_AND_ABORT:
		return pr_preempt(change);
	default:
		return pr_move(change);
	}
}

/* Length and flags of the parameter list; false: the command was ended. */
static bool pr_parameters_ok(struct cmd *cmd, uint8_t action,
			     const uint8_t *list, uint32_t bytes)
{
	if (action == PR_REGISTER_AND_MOVE) {
		if (bytes != PR_MOVE_BYTES ||
		    get_be32(list + 20) != PR_TRANSPORT_ID_BYTES) {
			scsi_check(cmd, KEY_ILLEGAL_REQUEST,
				   ASC_PARAMETER_LENGTH);
			return false;
		}
		if (list[17] & 0x01) {
			scsi_bad_parameter(cmd, 17, 0);
			return false;
		}
		return true;
	}
	if (bytes != PR_PARAMETER_BYTES) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return false;
	}
	if (action != PR_REGISTER && action != PR_REGISTER_AND_IGNORE)
		return true;
	if (list[20] & 0x0d) {
		scsi_bad_parameter(cmd, 20, list[20] & 0x08 ? 3 :
				   list[20] & 0x04 ? 2 : 0);
		return false;
	}
	return true;
}

/* In the buffer of a PREEMPT AND ABORT while it waits. */
struct pr_wait {
	struct drain drain;	/* first */
	struct cmd *cmd;
};

static void pr_drained(struct drain *drain)
{
	struct cmd *cmd = ((struct pr_wait *)drain)->cmd;

	cmd->lun->aborting = false;
	scsi_good(cmd, PR_PARAMETER_BYTES);
}

static void pr_abort(struct cmd *cmd, uint64_t nexuses)
{
	struct pr_wait *wait = (struct pr_wait *)(void *)cmd->buffer;
	struct disk *disk = cmd->lun->disk;

	/* among the active ones while it waits, so that nobody forgets it */
	order_running(cmd);
	wait->cmd = cmd;
	wait->drain.done = pr_drained;
	order_abort(disk, nexuses);
	cmd->lun->aborting = !order_drain(disk, &wait->drain, nexuses);
	if (!cmd->lun->aborting)
		scsi_good(cmd, PR_PARAMETER_BYTES);
}

void scsi_pr_out(struct cmd *cmd)
{
	const uint8_t *cdb = cmd_request(cmd)->cdb;
	struct disk *disk = cmd->lun->disk;
	uint8_t action = cdb[1] & 0x1f;
	uint8_t list[PR_MOVE_BYTES] = { 0 };
	uint32_t length = get_be32(cdb + 5);
	struct pr_change change = {
		.cmd = cmd,
		.state = disk->state,
		.self = cmd->lun->nexus,
		.type = cdb[2] & 0x0f,
		.parameters = list,
	};

	if (length > sizeof(list) ||
	    scsi_data_out(cmd, list, length) < length) {
		scsi_check(cmd, KEY_ILLEGAL_REQUEST, ASC_PARAMETER_LENGTH);
		return;
	}
	if (!pr_parameters_ok(cmd, action, list, length))
		return;
	change.key = get_be64(list);
	change.action_key = get_be64(list + 8);
	if (action == PR_PREEMPT_AND_ABORT &&
	    !scsi_buffer(cmd, sizeof(struct pr_wait)))
		return;
	if (!pr_action(&change, action))
		return;
	disk->state = change.state;
	scsi_state_effect(cmd);
	disk_commit(disk);
	if (action == PR_PREEMPT_AND_ABORT && change.preempted)
		pr_abort(cmd, change.preempted);
	else
		scsi_good(cmd, length);
}
