// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/control.c - the command partition's end of a control channel
 *
 * DOC: Theory of Operation
 *
 * Commands travel on EVENT; each is acknowledged on ACK and answered on
 * REQUEST, matched by its message handle (s-Par channel ABI, section 5).
 * RESPONSE stays empty.  A command is in one list from the moment it is
 * queued until its answer: waiting, then sent, then acknowledged.
 *
 * A client attaches by raising its epoch (abi/mullion.md, "Attach").  Before
 * it is confirmed the rings are emptied and every command of the former epoch
 * ends with -ECONNRESET; then ops->attached() sends everything anew.  So a
 * guest may be reset, and a service be replaced, at any moment.
 *
 * Payloads lie behind the channel, one after the other; the area starts again
 * when every payload in it was acknowledged, because an acknowledgement means
 * that the client has copied it.
 *
 * What the client writes is hostile input.  Geometry is kept from the time
 * when the channel was formatted; indices are checked by the queue's own code;
 * messages are copied once and count only if they match a command that was
 * sent.  Everything else is dropped and counted.  An index out of range, a
 * feature that was not offered or an epoch that went backwards stops the
 * channel until a new incarnation attaches; nothing else suffers.  One turn
 * handles at most a ring full of messages, and doorbells and attaches are
 * rate-limited, so that a guest that rings or resets without end costs little.
 *
 * In guest RAM there are no doorbells, and the client may be one that knows
 * nothing of epochs: Linux's own drivers of old.  Commands are put into the ring
 * for it from the beginning; it finds them when it comes.  One with the
 * extension raises its epoch, which empties the rings, and is told anew.  The
 * channel is looked at every millisecond while something happens, and less and
 * less often, down to ten times a second, when nothing does.  A channel whose
 * signature has gone was wiped: the machine was started again.  It is formatted
 * as for the first time.
 *
 * Limits: 256 commands queued, 32 of them sent and unanswered.
 *
 * Failure behaviour: a command that gets no answer stays; ops->silent() says
 * so once.  Whether to kill the client is the caller's affair.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../channel/doorbell.h"
#include "../channel/signal_queue.h"
#include "control.h"
#include "control_channel.h"
#include "window.h"

#define CONTROL_QUEUED_MAX	256
#define CONTROL_UNANSWERED_MAX	32
#define CONTROL_POLL_USEC	1000000
#define CONTROL_ATTACHES_MAX	16	/* within a second */
#define CONTROL_PAYLOAD_ALIGN	64
/* In guest RAM: between two looks, an eighth of the time since something happened. */
#define CONTROL_LOOK_USEC	1000
#define CONTROL_LOOK_WAITING_USEC 10000	/* at most, while an answer is awaited */
#define CONTROL_LOOK_IDLE_USEC	100000

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

static uint64_t control_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

/* ---- fields of the channel ---------------------------------------------- */

/* Aligned 64-bit fields of the extension; it lies at a multiple of 64. */
static uint64_t *control_ext_u64(struct mullion_cp_control *c, size_t offset)
{
	return (uint64_t *)(void *)((uint8_t *)c->ext + offset);
}

static uint32_t *control_ext_u32(struct mullion_cp_control *c, size_t offset)
{
	return (uint32_t *)(void *)((uint8_t *)c->ext + offset);
}

#define CONTROL_EXT(field) offsetof(struct mullion_channel_ext, field)

static void control_ring(struct mullion_cp_control *c)
{
	if (c->window)
		mullion_cp_window_ring(c->window, 1, 0);
}

/* ---- commands ---------------------------------------------------------- */

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
static void control_end_all(struct mullion_cp_control *c)
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

static void control_fault(struct mullion_cp_control *c, uint32_t reason)
{
	c->attached = false;
	c->fault = reason;
	c->faults++;
	if (c->ext) {
		mullion_store_relaxed(control_ext_u32(c, CONTROL_EXT(fault_reason)), reason);
		mullion_store_release(control_ext_u32(c, CONTROL_EXT(server_state)),
				      MULLION_CHANNEL_FAULTED);
	}
	control_end_all(c);
	if (!c->freed && c->ops->faulted)
		c->ops->faulted(c->arg, reason);
}

/* ---- attach ------------------------------------------------------------ */

static void control_confirm(struct mullion_cp_control *c, uint64_t epoch,
			    uint64_t features)
{
	for (unsigned int q = 0; q < CONTROLVM_QUEUES; q++) {
		mullion_sq_reset_shared(&c->queues[q]);
		mullion_sq_reset(&c->queues[q],
				 !!(features & MULLION_EXTF_EVENT_INDEX));
	}
	c->fault = 0;
	c->payloads = 0;
	c->payload_next = 0;
	mullion_store_relaxed(control_ext_u32(c, CONTROL_EXT(fault_reason)), 0);
	mullion_store_relaxed(control_ext_u32(c, CONTROL_EXT(server_state)),
			      MULLION_CHANNEL_SERVING);
	c->epoch = epoch;
	/* pairs with the client's acquire of server_epoch */
	mullion_store_release(control_ext_u64(c, CONTROL_EXT(server_epoch)), epoch);
	control_ring(c);
}

/*
 * Each attach makes events and log lines.  One that comes too soon waits for
 * the poll: a client that resets without end must not fill the log.
 */
static bool control_too_often(struct mullion_cp_control *c)
{
	uint64_t now = control_now();

	if (now - c->attach_usec >= CONTROL_POLL_USEC) {
		c->attach_usec = now;
		c->attaches = 0;
	}
	return ++c->attaches > CONTROL_ATTACHES_MAX;
}

/* A client without the extension is there as soon as the channel can be found. */
static void control_greet(struct mullion_cp_control *c)
{
	c->plain = true;
	c->greeted = true;
	c->attached = true;
	c->ops->attached(c->arg, true);
}

/* The signature has gone, and so has everything: begin as for the first time. */
static void control_begin_again(struct mullion_cp_control *c)
{
	if (control_too_often(c))
		return;
	c->attached = false;
	control_end_all(c);
	if (c->freed)
		return;
	mullion_cp_control_channel_make(c->area, &c->layout, c->generation,
					CONTROL_UNANSWERED_MAX, c->queues);
	c->epoch = 0;
	c->incarnation = 0;
	c->ever_attached = false;
	c->fault = 0;
	c->payloads = 0;
	c->plain = false;
	c->greeted = false;
	mullion_cp_control_channel_show(c->area);
}

/* Has a client raised its epoch? */
static void control_look_for_client(struct mullion_cp_control *c)
{
	uint64_t epoch, incarnation, features;
	uint32_t state;
	bool fresh;

	if (!c->ext)
		return;
	/* pairs with the client's release of client_epoch */
	epoch = mullion_load_acquire(control_ext_u64(c, CONTROL_EXT(client_epoch)));
	if (epoch == c->epoch)
		return;
	if (mullion_load_relaxed(control_ext_u64(c, CONTROL_EXT(client_generation))) !=
	    c->generation)
		return;
	incarnation = mullion_load_relaxed(control_ext_u64(c,
						CONTROL_EXT(client_incarnation)));
	features = mullion_load_relaxed(control_ext_u64(c,
						CONTROL_EXT(features_accepted)));
	state = mullion_load_relaxed(control_ext_u32(c, CONTROL_EXT(client_state)));
	fresh = !c->ever_attached || incarnation != c->incarnation;
	if (c->fault && !fresh)
		return;
	if (control_too_often(c))
		return;
	c->incarnation = incarnation;
	c->ever_attached = true;
	if (!fresh && epoch < c->epoch) {
		control_fault(c, MULLION_FAULT_EPOCH);
		return;
	}
	if (features & ~(uint64_t)MULLION_EXTF_EVENT_INDEX) {
		control_fault(c, MULLION_FAULT_FEATURES);
		return;
	}
	c->attached = false;
	c->plain = false;
	control_end_all(c);
	if (c->freed)
		return;
	control_confirm(c, epoch, features);
	if (state == MULLION_CLIENT_DETACHED) {
		if (c->ops->detached)
			c->ops->detached(c->arg);
		return;
	}
	c->attached = true;
	c->ops->attached(c->arg, fresh);
}

/* ---- messages ---------------------------------------------------------- */

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
			control_fault(c, MULLION_FAULT_INDEX);
			return true;
		}
		memcpy(&message, slot, sizeof(message));
		if (mullion_sq_release(q))
			control_ring(c);
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

static bool control_send_waiting(struct mullion_cp_control *c)
{
	struct mullion_sq *q = &c->queues[CONTROLVM_QUEUE_EVENT];
	bool sent = false;

	for (struct control_command *cmd = c->commands; cmd; cmd = cmd->next) {
		void *slot;
		int r;

		if (cmd->phase != CONTROL_WAITING)
			continue;
		if (c->unanswered >= CONTROL_UNANSWERED_MAX)
			break;
		if (!control_place_payload(c, cmd))
			break;
		r = mullion_sq_produce(q, &slot);
		if (r < 0) {
			if (cmd->payload)
				c->payloads--;
			if (r != -EAGAIN) {
				control_fault(c, MULLION_FAULT_INDEX);
				return true;
			}
			break;
		}
		memcpy(slot, &cmd->message, sizeof(cmd->message));
		cmd->phase = CONTROL_SENT;
		cmd->sent_usec = control_now();
		c->unanswered++;
		c->sent++;
		sent = true;
	}
	if (sent && mullion_sq_publish(q))
		control_ring(c);
	return sent;
}

static void control_check_silence(struct mullion_cp_control *c)
{
	uint64_t now = control_now();

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
static bool control_arm(struct mullion_cp_control *c)
{
	static const unsigned int queues[] = {
		CONTROLVM_QUEUE_ACK, CONTROLVM_QUEUE_REQUEST,
	};
	bool more = false;

	for (unsigned int i = 0; i < 2; i++) {
		int r = mullion_sq_consumer_arm(&c->queues[queues[i]]);

		if (r < 0) {
			control_fault(c, MULLION_FAULT_INDEX);
			return false;
		}
		more = more || r > 0;
	}
	return more;
}

static void control_release(struct mullion_cp_control *c)
{
	while (c->commands) {
		struct control_command *cmd = c->commands;

		c->commands = cmd->next;
		control_command_free(cmd);
	}
	free(c);
}

void mullion_cp_control_turn(struct mullion_cp_control *c)
{
	bool work = false, more;

	if (c->turning || (!c->window && !c->shown))
		return;
	if (!c->window && c->ops->lost && c->ops->lost(c->arg))
		return;
	c->turning = true;
	if (!c->window && !mullion_cp_control_channel_shown(c->area))
		control_begin_again(c);
	if (!c->freed && c->shown && !c->greeted && !c->plain)
		control_greet(c);
	if (!c->freed)
		control_look_for_client(c);
	if (!c->freed && c->attached)
		work = control_drain(c, CONTROLVM_QUEUE_ACK, control_take_ack);
	if (!c->freed && c->attached)
		work |= control_drain(c, CONTROLVM_QUEUE_REQUEST, control_take_answer);
	if (work && !c->rung && c->window)
		c->rescues++;
	if (!c->freed && c->attached)
		work |= control_send_waiting(c);
	more = !c->freed && c->window && c->attached && control_arm(c);
	c->turning = false;
	if (c->freed) {
		control_release(c);
		return;
	}
	if (work)
		c->active_usec = control_now();
	if (more && c->kick)
		sd_event_source_set_enabled(c->kick, SD_EVENT_ONESHOT);
}

/* ---- the loop ---------------------------------------------------------- */

static int control_on_doorbell(sd_event_source *source, int fd, uint32_t revents,
			       void *arg)
{
	struct mullion_cp_control *c = arg;

	(void)source;
	(void)revents;
	mullion_doorbell_drain(fd);
	c->rung = true;
	mullion_cp_control_turn(c);
	return 0;
}

/* When the channel is looked at next, in microseconds from now. */
static uint64_t control_pause(const struct mullion_cp_control *c)
{
	uint64_t usec, most = c->queued ? CONTROL_LOOK_WAITING_USEC : CONTROL_LOOK_IDLE_USEC;

	if (c->window)
		return CONTROL_POLL_USEC;
	usec = (control_now() - c->active_usec) / 8;
	return usec < CONTROL_LOOK_USEC ? CONTROL_LOOK_USEC : usec < most ? usec : most;
}

static int control_on_kick(sd_event_source *source, void *arg)
{
	struct mullion_cp_control *c = arg;

	(void)source;
	c->rung = true;
	/* Before the turn, which may be the last. */
	if (c->poll && !c->window)
		sd_event_source_set_time_relative(c->poll, CONTROL_LOOK_USEC);
	mullion_cp_control_turn(c);
	return 0;
}

static int control_on_poll(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_control *c = arg;

	(void)usec;
	sd_event_source_set_time_relative(source, control_pause(c));
	c->rung = false;
	c->turning = true;
	control_check_silence(c);
	c->turning = false;
	if (c->freed) {
		control_release(c);
		return 0;
	}
	mullion_cp_control_turn(c);
	return 0;
}

static int control_watch(struct mullion_cp_control *c, sd_event *event)
{
	int r = 0;

	if (!event)
		return 0;
	if (c->window) {
		r = sd_event_add_io(event, &c->doorbell, c->window->doorbells[0][0],
				    EPOLLIN, control_on_doorbell, c);
		if (r >= 0)
			r = sd_event_source_set_ratelimit(c->doorbell, 100000, 500);
	}
	if (r >= 0)
		r = sd_event_add_time_relative(event, &c->poll, CLOCK_MONOTONIC,
					       CONTROL_POLL_USEC, c->window ? 100000 : 500,
					       control_on_poll, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->poll, SD_EVENT_ON);
	if (r >= 0)
		r = sd_event_add_defer(event, &c->kick, control_on_kick, c);
	if (r >= 0)
		r = sd_event_source_set_enabled(c->kick, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

/* @c has its place; takes it over, also on failure. */
static int control_begin(struct mullion_cp_control *c, sd_event *event, uint64_t generation,
			 const struct mullion_cp_control_ops *ops, void *arg,
			 struct mullion_cp_control **ret)
{
	int r;

	c->ops = ops;
	c->arg = arg;
	c->generation = generation;
	if (mullion_cp_control_channel_extended(&c->layout))
		c->ext = (void *)(c->area + MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	c->commands_end = &c->commands;
	r = mullion_cp_control_channel_make(c->area, &c->layout, generation,
					    CONTROL_UNANSWERED_MAX, c->queues);
	if (!r)
		r = control_watch(c, event);
	if (r < 0) {
		mullion_cp_control_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

int mullion_cp_control_new(struct mullion_cp_control **ret, sd_event *event,
			   struct mullion_cp_window *window, uint64_t generation,
			   const struct mullion_cp_control_ops *ops, void *arg)
{
	const struct mullion_window_area *area =
		mullion_cp_window_area(window, MULLION_AREA_CONTROL);
	struct mullion_cp_control *c;
	int r;

	if (!area || area->bytes < MULLION_CONTROL_AREA_BYTES)
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->window = window;
	c->area = window->map + area->offset;
	c->payload_area = c->area + MULLION_CONTROL_PAYLOAD_OFFSET;
	c->layout.bytes = MULLION_CONTROL_CHANNEL_BYTES;
	c->layout.payload_offset = MULLION_CONTROL_PAYLOAD_OFFSET;
	c->layout.payload_bytes = MULLION_CONTROL_PAYLOAD_BYTES;
	r = control_begin(c, event, generation, ops, arg, ret);
	if (!r)
		mullion_cp_control_channel_show(c->area);
	return r;
}

int mullion_cp_control_new_placed(struct mullion_cp_control **ret, sd_event *event,
				  const struct mullion_cp_control_place *place,
				  uint64_t generation,
				  const struct mullion_cp_control_ops *ops, void *arg)
{
	struct mullion_cp_control *c;
	uint64_t room;

	if (place->channel_bytes < sizeof(struct visor_controlvm_channel) ||
	    (!place->payload && place->channel_bytes < MULLION_CP_CONTROL_ROOM))
		return -EINVAL;
	c = calloc(1, sizeof(*c));
	if (!c)
		return -ENOMEM;
	c->area = place->channel;
	c->layout.bytes = place->channel_bytes;
	if (place->payload) {
		c->payload_area = place->payload;
		c->layout.payload_offset = place->payload_offset;
		room = place->payload_bytes;
	} else {
		c->payload_area = c->area + MULLION_CONTROL_PAYLOAD_OFFSET;
		c->layout.payload_offset = MULLION_CONTROL_PAYLOAD_OFFSET;
		room = place->channel_bytes - MULLION_CONTROL_PAYLOAD_OFFSET;
	}
	c->layout.payload_bytes = room < MULLION_CONTROL_PAYLOAD_BYTES ? (uint32_t)room :
				  MULLION_CONTROL_PAYLOAD_BYTES;
	return control_begin(c, event, generation, ops, arg, ret);
}

void mullion_cp_control_open(struct mullion_cp_control *c)
{
	if (c->shown || c->window)
		return;
	c->shown = true;
	c->active_usec = control_now();
	mullion_cp_control_channel_show(c->area);
	if (c->kick)
		sd_event_source_set_enabled(c->kick, SD_EVENT_ONESHOT);
}

void mullion_cp_control_free(struct mullion_cp_control *c)
{
	if (!c)
		return;
	sd_event_source_disable_unref(c->doorbell);
	sd_event_source_disable_unref(c->poll);
	sd_event_source_disable_unref(c->kick);
	if (c->shown)
		mullion_cp_control_channel_hide(c->area);
	c->attached = false;
	c->freed = true;
	if (!c->turning)
		control_release(c);
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

bool mullion_cp_control_attached(const struct mullion_cp_control *c)
{
	return c && c->attached;
}

bool mullion_cp_control_plain(const struct mullion_cp_control *c)
{
	return c && c->plain;
}

uint64_t mullion_cp_control_acknowledged(const struct mullion_cp_control *c)
{
	return c->acknowledged;
}

uint64_t mullion_cp_control_epoch(const struct mullion_cp_control *c)
{
	return c->epoch;
}

/* ---- for people -------------------------------------------------------- */

json_t *mullion_cp_control_describe(const struct mullion_cp_control *c)
{
	return json_pack("{s:b, s:b, s:I, s:s, s:I, s:I, s:I, s:I, s:I, s:I}",
			 "attached", c->attached,
			 "plain", c->plain,
			 "epoch", (json_int_t)c->epoch,
			 "fault", mullion_cp_fault_text(c->fault),
			 "sent", (json_int_t)c->sent,
			 "answered", (json_int_t)c->answered,
			 "waiting", (json_int_t)c->queued,
			 "dropped", (json_int_t)c->dropped,
			 "faults", (json_int_t)c->faults,
			 "rescues", (json_int_t)c->rescues);
}
