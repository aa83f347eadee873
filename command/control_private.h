/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/control_private.h - the inside of a control channel's end, for control*.c
 *	only
 */
#ifndef MULLION_COMMAND_CONTROL_PRIVATE_H
#define MULLION_COMMAND_CONTROL_PRIVATE_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "../channel/signal_queue.h"
#include "control.h"
#include "control_channel.h"
#include "window.h"

#define MULLION_CP_CONTROL_UNANSWERED	32

enum control_phase {
	CONTROL_WAITING,
	CONTROL_SENT,
	CONTROL_ACKNOWLEDGED,
};

struct control_command {
	struct control_command *next;
	enum control_phase phase;
	struct controlvm_message message;
	void *payload;
	uint64_t sent_usec;
	uint64_t silent_usec;
	bool silent;
	bool quiet;
	mullion_cp_answer_fn answer;
	void *arg;
};

struct mullion_cp_control {
	struct mullion_cp_window *window;	/* NULL: in guest RAM */
	const struct mullion_cp_control_ops *ops;
	void *arg;
	uint8_t *area;
	uint8_t *payload_area;
	struct mullion_cp_control_layout layout;
	struct mullion_channel_ext *ext;	/* NULL: no room for it */
	struct mullion_sq queues[CONTROLVM_QUEUES];
	uint64_t generation;
	uint64_t epoch;			/* confirmed */
	uint64_t incarnation;
	uint64_t handle_last;
	uint32_t fault;
	bool attached;
	bool ever_attached;
	bool turning;
	bool freed;
	bool rung;			/* this turn came by a doorbell */
	bool shown;			/* in guest RAM: can be found */
	bool plain;			/* its client has nothing of the extension */
	bool greeted;			/* such a client's owner was told */

	struct control_command *commands;
	struct control_command **commands_end;
	unsigned int queued;
	unsigned int unanswered;
	unsigned int payloads;		/* sent and not acknowledged */
	uint32_t payload_next;

	uint64_t attach_usec;		/* when the counted second began */
	unsigned int attaches;

	uint64_t active_usec;		/* when something happened last */
	uint64_t sent, acknowledged, answered, dropped, faults, rescues;

	sd_event_source *doorbell;
	sd_event_source *poll;
	sd_event_source *kick;
};

static inline uint64_t mullion_cp_control_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static inline void mullion_cp_control_ring(struct mullion_cp_control *c)
{
	if (c->window)
		mullion_cp_window_ring(c->window, 1, 0);
}

/*
 * All of these may call the owner, who may free the channel: look at @freed.
 *
 * control_attach.c:
 *
 * mullion_cp_control_fault() - stop the channel; @reason is a MULLION_FAULT_*
 * mullion_cp_control_greet() - one without the extension is there
 * mullion_cp_control_begin_again() - the signature has gone
 * mullion_cp_control_look_for_client() - has one raised its epoch?
 */
void mullion_cp_control_fault(struct mullion_cp_control *c, uint32_t reason);
void mullion_cp_control_greet(struct mullion_cp_control *c);
void mullion_cp_control_begin_again(struct mullion_cp_control *c);
void mullion_cp_control_look_for_client(struct mullion_cp_control *c);

/*
 * control_command.c:
 *
 * mullion_cp_control_end_all() - end all commands that exist now with -ECONNRESET;
 *	their owners may queue new ones
 * mullion_cp_control_take() - acknowledgements and answers, at most a ring full of
 *	each; true if there were any
 * mullion_cp_control_send_waiting() - true if anything was sent
 * mullion_cp_control_check_silence() - tell of one that has had no answer in its time
 * mullion_cp_control_arm() - ask for doorbells; true if something came meanwhile
 * mullion_cp_control_drop_commands() - forget all, nobody is told
 */
void mullion_cp_control_end_all(struct mullion_cp_control *c);
bool mullion_cp_control_take(struct mullion_cp_control *c);
bool mullion_cp_control_send_waiting(struct mullion_cp_control *c);
void mullion_cp_control_check_silence(struct mullion_cp_control *c);
bool mullion_cp_control_arm(struct mullion_cp_control *c);
void mullion_cp_control_drop_commands(struct mullion_cp_control *c);

#endif /* MULLION_COMMAND_CONTROL_PRIVATE_H */
