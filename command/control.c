// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/control.c - the command partition's end of a control channel
 *
 * DOC: Theory of Operation
 *
 * A turn looks at all of the channel: is a client there (control_attach.c), what has
 * it said, and what is it to be told (control_command.c)?  The loop makes one at each
 * doorbell, and one a second for a doorbell that was lost.
 *
 * In guest RAM there are no doorbells.  The channel is looked at every millisecond
 * while something happens, and less and less often, down to ten times a second, when
 * nothing does.
 *
 * What the client writes is hostile input.  Geometry is kept from the time when the
 * channel was formatted.  One turn handles at most a ring full of messages, and
 * doorbells and attaches are rate-limited, so that a guest that rings or resets
 * without end costs little.
 *
 * Callbacks may free the channel: then what is left of the turn is skipped, and its
 * end frees the memory.
 *
 * Failure behaviour: a command that gets no answer stays; ops->silent() says
 * so once.  Whether to kill the client is the caller's affair.
 */
#include <errno.h>
#include <stdlib.h>

#include "../channel/doorbell.h"
#include "control_private.h"
#include "window.h"

#define CONTROL_POLL_USEC	1000000
/* In guest RAM: between two looks, an eighth of the time since something happened. */
#define CONTROL_LOOK_USEC	1000
#define CONTROL_LOOK_WAITING_USEC 10000	/* at most, while an answer is awaited */
#define CONTROL_LOOK_IDLE_USEC	100000

static void control_release(struct mullion_cp_control *c)
{
	mullion_cp_control_drop_commands(c);
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
		mullion_cp_control_begin_again(c);
	if (!c->freed && c->shown && !c->greeted && !c->plain)
		mullion_cp_control_greet(c);
	if (!c->freed)
		mullion_cp_control_look_for_client(c);
	if (!c->freed && c->attached)
		work = mullion_cp_control_take(c);
	if (work && !c->rung && c->window)
		c->rescues++;
	if (!c->freed && c->attached)
		work |= mullion_cp_control_send_waiting(c);
	more = !c->freed && c->window && c->attached && mullion_cp_control_arm(c);
	c->turning = false;
	if (c->freed) {
		control_release(c);
		return;
	}
	if (work)
		c->active_usec = mullion_cp_control_now();
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
	usec = (mullion_cp_control_now() - c->active_usec) / 8;
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
	mullion_cp_control_check_silence(c);
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
					    MULLION_CP_CONTROL_UNANSWERED, c->queues);
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
	c->active_usec = mullion_cp_control_now();
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
