/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/control_client.h - the client end of a control channel (user space)
 *
 * Used by services and by process guests.  s-Par's rules hold: a command's
 * payload is copied, then the command is acknowledged, then executed, then
 * answered.  An answer may come later, and commands go on meanwhile.
 */
#ifndef MULLION_CHANNEL_CONTROL_CLIENT_H
#define MULLION_CHANNEL_CONTROL_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/ext.h"

struct mullion_control_client;

/**
 * typedef mullion_control_command_fn - execute a command
 * @arg: the caller's
 * @command: private copy; keep a copy of it to answer later
 * @payload: private copy, valid during the call; NULL if there is none
 * @bytes: of the payload
 *
 * Every command gets exactly one mullion_control_client_respond(), now or
 * later, whether or not the sender wants to hear of it.
 */
typedef void (*mullion_control_command_fn)(void *arg,
					   const struct controlvm_message *command,
					   const void *payload, size_t bytes);

/**
 * typedef mullion_control_reset_fn - the server began a new epoch
 *
 * All commands before it are void; nothing may be answered any more.
 */
typedef void (*mullion_control_reset_fn)(void *arg);

/**
 * mullion_control_client_new() - take a control area
 * @ret: on success the client; free it with mullion_control_client_free()
 * @area: start of the control area, mapped; must outlive the client
 * @bytes: of the area
 * @send_fd: doorbell that wakes the command partition; stays the caller's
 * @command: called for every command
 * @reset: called when a confirmed attach begins; may be NULL
 * @arg: for both
 *
 * Raises the epoch at once.
 *
 * Return: 0; -EPROTO if the channel is not a control channel that we know;
 * -EINVAL if it does not fit its area; -ENOMEM.
 */
int mullion_control_client_new(struct mullion_control_client **ret, void *area,
			       uint64_t bytes, int send_fd,
			       mullion_control_command_fn command,
			       mullion_control_reset_fn reset, void *arg);

/**
 * mullion_control_client_free() - detach and forget; NULL is harmless
 */
void mullion_control_client_free(struct mullion_control_client *client);

/**
 * mullion_control_client_poll() - do what there is to do; never blocks
 * @slow: this is the slow poll: what it finds was missed by a doorbell
 *
 * Return: number of commands executed, or -EPROTO once the command partition
 * broke the rules of the channel (which then stays silent).
 */
int mullion_control_client_poll(struct mullion_control_client *client, bool slow);

/**
 * mullion_control_client_arm() - ask for a doorbell before sleeping
 *
 * Return: nonzero if there is work already: poll again instead.
 */
int mullion_control_client_arm(struct mullion_control_client *client);

/**
 * mullion_control_client_respond() - answer a command
 * @command: its copy
 * @error: 0, or negative errno, sent as magnitude
 * @packet: packet of a successful answer; NULL for zeroes
 *
 * Does nothing if the command did not ask for a response, or if a new epoch
 * has begun.  A full ring is waited for in private memory.
 */
void mullion_control_client_respond(struct mullion_control_client *client,
				    const struct controlvm_message *command,
				    int error,
				    const union controlvm_packet *packet);

/**
 * mullion_control_client_is_attached() - has the command partition confirmed?
 */
bool mullion_control_client_is_attached(const struct mullion_control_client *client);

/**
 * mullion_control_client_rescues() - commands that only the slow poll found
 */
uint64_t mullion_control_client_rescues(const struct mullion_control_client *client);

#endif /* MULLION_CHANNEL_CONTROL_CLIENT_H */
