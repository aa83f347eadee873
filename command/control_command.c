// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/control_command.c - commands on a control channel, and their answers
 *
 * DOC: Theory of Operation
 *
 * Commands travel on EVENT; each is acknowledged on ACK and answered on
 * REQUEST, matched by its message handle (s-Par channel ABI, section 5).
 * RESPONSE stays empty.  A command is in one list from the moment it is
 * queued until its answer: waiting, then sent, then acknowledged.
 *
 * Payloads lie behind the channel, one after the other; the area starts again
 * when every payload in it was acknowledged, because an acknowledgement means
 * that the client has copied it.
 *
 * What the client writes is hostile input: indices are checked by the queue's own
 * code; messages are copied once and count only if they match a command that was
 * sent.  Everything else is dropped and counted.
 *
 * Limits: 256 commands queued, 32 of them sent and unanswered.
 *
 * Failure behaviour: an index out of range is a fault of the channel; a command that
 * gets no answer stays, and ops->silent() says so once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../channel/range.h"
#include "control_private.h"

#define CONTROL_QUEUED_MAX	256
#define CONTROL_PAYLOAD_ALIGN	64

/* ---- their list ---------------------------------------------------------- */

static void control_command_free(struct control_command *cmd)
{
	free(cmd->payload);
	free(cmd);
}

/* Take @cmd out of the list and tell its owner. */
static void control_end(struct mullion_cp_control *c, struct control_command *cmd,
			int error, const struct controlvm_message *answer)
{
	struct control_command **link = &c->commands;

	while (*link != cmd)
		link = &(*link)->next;
	*link = cmd->next;
	if (!*link)
		c->commands_end = link;
	c->queued--;
	if (cmd->phase != CONTROL_WAITING)
		c->unanswered--;
	if (cmd->phase == CONTROL_SENT && cmd->payload)
		c->payloads--;
	if (cmd->answer)
		cmd->answer(cmd->arg, error,
			    answer ? answer->hdr.completion_status : 0, answer);
	control_command_free(cmd);
}

/* End all commands that exist now; their owners may queue new ones. */
void mullion_cp_control_end_all(struct mullion_cp_control *c)
{
	unsigned int n = c->queued;

	while (n-- && c->commands && !c->freed)
		control_end(c, c->commands, -ECONNRESET, NULL);
}

static struct control_command *control_find(struct mullion_cp_control *c,
					    const struct controlvm_message_header *hdr)
{
	for (struct control_command *cmd = c->commands; cmd; cmd = cmd->next)
		if (cmd->phase != CONTROL_WAITING &&
		    cmd->message.hdr.message_handle == hdr->message_handle)
			return cmd->message.hdr.id == hdr->id ? cmd : NULL;
	return NULL;
}

uint64_t mullion_cp_control_handle(struct mullion_cp_control *c)
{
	return ++c->handle_last;
}

int mullion_cp_control_send(struct mullion_cp_control *c,
			    const struct mullion_cp_command *command)
{
	struct control_command *cmd;

	if (!c->attached)
		return -ENOTCONN;
	if (command->payload_bytes > c->layout.payload_bytes)
		return -EMSGSIZE;
	if (c->queued >= CONTROL_QUEUED_MAX)
		return -EBUSY;
	cmd = calloc(1, sizeof(*cmd));
	if (!cmd)
		return -ENOMEM;
	if (command->payload_bytes) {
		cmd->payload = malloc(command->payload_bytes);
		if (!cmd->payload) {
			free(cmd);
			return -ENOMEM;
		}
		memcpy(cmd->payload, command->payload, command->payload_bytes);
	}
	cmd->message.hdr.id = command->id;
	cmd->message.hdr.message_size = sizeof(cmd->message);
	cmd->message.hdr.flags = command->flags;
	if (!command->quiet)
		cmd->message.hdr.flags |= CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED;
	cmd->message.hdr.message_handle = command->handle ? command->handle :
					  mullion_cp_control_handle(c);
	cmd->message.hdr.payload_bytes = (uint32_t)command->payload_bytes;
	cmd->message.hdr.payload_max_bytes = (uint32_t)command->payload_bytes;
	cmd->message.cmd = command->packet;
	cmd->silent_usec = command->silent_usec;
	cmd->quiet = command->quiet;
	cmd->answer = command->answer;
	cmd->arg = command->arg;
	*c->commands_end = cmd;
	c->commands_end = &cmd->next;
	c->queued++;
	if (c->kick)
		sd_event_source_set_enabled(c->kick, SD_EVENT_ONESHOT);
	return 0;
}

void mullion_cp_control_forget(struct mullion_cp_control *c, const void *arg)
{
	for (struct control_command *cmd = c ? c->commands : NULL; cmd; cmd = cmd->next)
		if (cmd->arg == arg)
			cmd->answer = NULL;
}

/* ---- messages ------------------------------------------------------------ */

static void control_take_ack(struct mullion_cp_control *c,
			     const struct controlvm_message *message)
{
	struct control_command *cmd = control_find(c, &message->hdr);

	if (!cmd || cmd->phase != CONTROL_SENT) {
		c->dropped++;
		return;
	}
	c->acknowledged++;
	cmd->phase = CONTROL_ACKNOWLEDGED;
	if (cmd->payload)
		c->payloads--;
	if (cmd->quiet)
		control_end(c, cmd, 0, NULL);
}

static void control_take_answer(struct mullion_cp_control *c,
				const struct controlvm_message *message)
{
	struct control_command *cmd = control_find(c, &message->hdr);
	bool failed = message->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED ||
		      message->hdr.completion_status;

	if (!cmd) {
		c->dropped++;
		if (c->plain && !failed && c->ops->stray)
			c->ops->stray(c->arg, message->hdr.id);
		return;
	}
	c->answered++;
	control_end(c, cmd, failed ? -EREMOTEIO : 0, message);
}

/* At most a ring full; true if something was there. */
static bool control_drain(struct mullion_cp_control *c, unsigned int queue,
			  void (*take)(struct mullion_cp_control *c,
				       const struct controlvm_message *message))
{
	struct mullion_sq *q = &c->queues[queue];
	struct controlvm_message message;
	uint64_t epoch = c->epoch;
	unsigned int n;

	for (n = 0; n < CONTROLVM_MESSAGE_SLOTS; n++) {
		const void *slot;
		int r = mullion_sq_consume(q, &slot);

		if (r == -EAGAIN)
			break;
		if (r < 0) {
			mullion_cp_control_fault(c, MULLION_FAULT_INDEX);
			return true;
		}
		memcpy(&message, slot, sizeof(message));
		if (mullion_sq_release(q))
			mullion_cp_control_ring(c);
		take(c, &message);
		if (c->freed || !c->attached || c->epoch != epoch)
			return true;
	}
	return n > 0;
}

/* Put a payload behind the channel; false if it has to wait. */
static bool control_place_payload(struct mullion_cp_control *c,
				  struct control_command *cmd)
{
	uint32_t bytes = cmd->message.hdr.payload_bytes;

	if (!bytes)
		return true;
	if (!c->payloads)
		c->payload_next = 0;
	if (!mullion_range_ok(c->payload_next, bytes, c->layout.payload_bytes))
		return false;
	memcpy(c->payload_area + c->payload_next, cmd->payload, bytes);
	cmd->message.hdr.payload_vm_offset = c->layout.payload_offset + c->payload_next;
	c->payload_next = (c->payload_next + bytes + CONTROL_PAYLOAD_ALIGN - 1) &
			  ~(uint32_t)(CONTROL_PAYLOAD_ALIGN - 1);
	c->payloads++;
	return true;
}

bool mullion_cp_control_send_waiting(struct mullion_cp_control *c)
{
	struct mullion_sq *q = &c->queues[CONTROLVM_QUEUE_EVENT];
	bool sent = false;

	for (struct control_command *cmd = c->commands; cmd; cmd = cmd->next) {
		void *slot;
		int r;

		if (cmd->phase != CONTROL_WAITING)
			continue;
		if (c->unanswered >= MULLION_CP_CONTROL_UNANSWERED)
			break;
		if (!control_place_payload(c, cmd))
			break;
		r = mullion_sq_produce(q, &slot);
		if (r < 0) {
			if (cmd->payload)
				c->payloads--;
			if (r != -EAGAIN) {
				mullion_cp_control_fault(c, MULLION_FAULT_INDEX);
				return true;
			}
			break;
		}
		memcpy(slot, &cmd->message, sizeof(cmd->message));
		cmd->phase = CONTROL_SENT;
		cmd->sent_usec = mullion_cp_control_now();
		c->unanswered++;
		c->sent++;
		sent = true;
	}
	if (sent && mullion_sq_publish(q))
		mullion_cp_control_ring(c);
	return sent;
}

void mullion_cp_control_check_silence(struct mullion_cp_control *c)
{
	uint64_t now = mullion_cp_control_now();

	for (struct control_command *cmd = c->commands; cmd; cmd = cmd->next) {
		if (cmd->phase == CONTROL_WAITING || cmd->silent ||
		    !cmd->silent_usec || now - cmd->sent_usec < cmd->silent_usec)
			continue;
		cmd->silent = true;
		if (c->ops->silent) {
			c->ops->silent(c->arg, cmd->message.hdr.id,
				       now - cmd->sent_usec);
			return;		/* the list may have changed */
		}
	}
}

/* Ask for doorbells; true if something came in the meantime. */
bool mullion_cp_control_arm(struct mullion_cp_control *c)
{
	static const unsigned int queues[] = {
		CONTROLVM_QUEUE_ACK, CONTROLVM_QUEUE_REQUEST,
	};
	bool more = false;

	for (unsigned int i = 0; i < 2; i++) {
		int r = mullion_sq_consumer_arm(&c->queues[queues[i]]);

		if (r < 0) {
			mullion_cp_control_fault(c, MULLION_FAULT_INDEX);
			return false;
		}
		more = more || r > 0;
	}
	return more;
}

bool mullion_cp_control_take(struct mullion_cp_control *c)
{
	bool work = control_drain(c, CONTROLVM_QUEUE_ACK, control_take_ack);

	if (!c->freed && c->attached)
		work |= control_drain(c, CONTROLVM_QUEUE_REQUEST, control_take_answer);
	return work;
}

void mullion_cp_control_drop_commands(struct mullion_cp_control *c)
{
	while (c->commands) {
		struct control_command *cmd = c->commands;

		c->commands = cmd->next;
		control_command_free(cmd);
	}
}
