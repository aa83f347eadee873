/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/control.h - the command partition's end of a control channel
 */
#ifndef MULLION_COMMAND_CONTROL_H
#define MULLION_COMMAND_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>
#include <systemd/sd-event.h>

#include "../abi/ext.h"

struct mullion_cp_control;
struct mullion_cp_window;

/**
 * typedef mullion_cp_answer_fn - a command has ended
 * @error: 0: answered with success; -EREMOTEIO: answered with a failure, see
 *	@status; -ECONNRESET: the client was reset or is gone
 * @status: completion status of the answer
 * @answer: the answer, checked private copy; NULL with -ECONNRESET, or if none
 *	was asked for
 *
 * Called exactly once per command, except that a command which is replaced
 * by mullion_cp_control_free() gets no call.
 */
typedef void (*mullion_cp_answer_fn)(void *arg, int error, uint32_t status,
				     const struct controlvm_message *answer);

/**
 * struct mullion_cp_control_ops - what happens on the channel
 * @attached: a client has attached; nothing of an earlier one is left, send
 *	everything; @fresh: a new incarnation (not a resume)
 * @detached: the client has said goodbye
 * @faulted: the channel is stopped until a new incarnation attaches; @reason
 *	is one of MULLION_FAULT_*
 * @silent: a command has had no acknowledgement for its time; called once
 *	per command
 * @stray: an answer that belongs to no command; in guest RAM only
 * @lost: is the memory of the channel no longer the guest's?  Asked at each turn, in
 *	guest RAM only; may be NULL
 */
struct mullion_cp_control_ops {
	void (*attached)(void *arg, bool fresh);
	void (*detached)(void *arg);
	void (*faulted)(void *arg, uint32_t reason);
	void (*silent)(void *arg, uint32_t id, uint64_t usec);
	void (*stray)(void *arg, uint32_t id);
	bool (*lost)(void *arg);
};

/**
 * struct mullion_cp_command - what to send
 * @id: CONTROLVM_*
 * @flags: CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER or 0; a response is asked for,
 *	unless
 * @quiet: none is: the acknowledgement ends it, with success and no answer
 * @handle: from mullion_cp_control_handle(); 0: one is chosen
 * @packet: copied
 * @payload, @payload_bytes: copied; at most MULLION_CONTROL_PAYLOAD_BYTES
 * @silent_usec: time for the answer; 0: for ever
 * @answer, @arg: told when it ended
 */
struct mullion_cp_command {
	uint32_t id;
	uint32_t flags;
	bool quiet;
	uint64_t handle;
	union controlvm_packet packet;
	const void *payload;
	size_t payload_bytes;
	uint64_t silent_usec;
	mullion_cp_answer_fn answer;
	void *arg;
};

/**
 * mullion_cp_control_new() - format the channel and wait for a client
 * @window: a command window; not owned, must live longer
 * @generation: server generation to show
 *
 * Return: 0 or negative errno.
 */
int mullion_cp_control_new(struct mullion_cp_control **ret, sd_event *event,
			   struct mullion_cp_window *window, uint64_t generation,
			   const struct mullion_cp_control_ops *ops, void *arg);
void mullion_cp_control_free(struct mullion_cp_control *control);

/**
 * struct mullion_cp_control_place - a control channel in guest RAM
 * @channel: its first byte; all of it stays mapped and writable, whatever
 *	becomes of the file behind it
 * @channel_bytes: of it, at least those of struct visor_controlvm_channel
 * @payload: area for payloads; NULL: behind the channel, in @channel_bytes
 * @payload_offset: of @payload from the channel, in guest-physical addresses
 * @payload_bytes: of it
 */
struct mullion_cp_control_place {
	uint8_t *channel;
	uint64_t channel_bytes;
	uint8_t *payload;
	uint64_t payload_offset;
	uint32_t payload_bytes;
};

/* Channels of at least so many bytes have room for payloads themselves. */
#define MULLION_CP_CONTROL_ROOM	(MULLION_CONTROL_PAYLOAD_OFFSET + 4096)

/**
 * mullion_cp_control_new_placed() - format a channel in guest RAM
 *
 * Nobody can find it before mullion_cp_control_open(); then its client is one
 * without the extension until it raises an epoch, and ops->attached() follows.
 * Both sides poll.  Return: 0 or negative errno.
 */
int mullion_cp_control_new_placed(struct mullion_cp_control **ret, sd_event *event,
				  const struct mullion_cp_control_place *place,
				  uint64_t generation,
				  const struct mullion_cp_control_ops *ops, void *arg);
void mullion_cp_control_open(struct mullion_cp_control *control);

/**
 * mullion_cp_control_plain() - has its client nothing of the extension?
 */
bool mullion_cp_control_plain(const struct mullion_cp_control *control);

/**
 * mullion_cp_control_acknowledged() - how many commands were, ever
 */
uint64_t mullion_cp_control_acknowledged(const struct mullion_cp_control *control);

/**
 * mullion_cp_control_handle() - reserve a message handle, for descriptors
 *	that have to be sent before the message that names them
 */
uint64_t mullion_cp_control_handle(struct mullion_cp_control *control);

/**
 * mullion_cp_control_send() - queue a command
 *
 * Commands are sent in order.  Return: 0, -ENOTCONN without a client,
 * -EMSGSIZE, -EBUSY when 256 wait already, or -ENOMEM; on failure the answer
 * function is not called.
 */
int mullion_cp_control_send(struct mullion_cp_control *control,
			    const struct mullion_cp_command *command);

/**
 * mullion_cp_control_forget() - the answers for @arg have no reader any more
 * @control: NULL is fine
 */
void mullion_cp_control_forget(struct mullion_cp_control *control, const void *arg);

bool mullion_cp_control_attached(const struct mullion_cp_control *control);
uint64_t mullion_cp_control_epoch(const struct mullion_cp_control *control);

/**
 * mullion_cp_control_turn() - look at the channel now
 *
 * Done by the loop at each doorbell and at least once a second, in guest RAM up to
 * a thousand times a second; tests call it.
 */
void mullion_cp_control_turn(struct mullion_cp_control *control);

/**
 * mullion_cp_control_describe() - attached, epoch, counters; new reference
 */
json_t *mullion_cp_control_describe(const struct mullion_cp_control *control);

/**
 * mullion_cp_status_text() - a completion status in plain words
 * @buffer: used when the status has no text of its own
 */
const char *mullion_cp_status_text(uint32_t status, char buffer[static 64]);

/**
 * mullion_cp_fault_text() - a MULLION_FAULT_* of a guest; empty for none
 */
const char *mullion_cp_fault_text(uint32_t reason);

#endif /* MULLION_COMMAND_CONTROL_H */
