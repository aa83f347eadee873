// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/control_attach.c - clients of a control channel come and go
 *
 * DOC: Theory of Operation
 *
 * A client attaches by raising its epoch (abi/mullion.md, "Attach").  Before
 * it is confirmed the rings are emptied and every command of the former epoch
 * ends with -ECONNRESET; then ops->attached() sends everything anew.  So a
 * guest may be reset, and a service be replaced, at any moment.
 *
 * In guest RAM the client may be one that knows nothing of epochs: Linux's own
 * drivers of old.  Commands are put into the ring for it from the beginning; it
 * finds them when it comes.  One with the extension raises its epoch, which empties
 * the rings, and is told anew.  A channel whose signature has gone was wiped: the
 * machine was started again.  It is formatted as for the first time.
 *
 * Failure behaviour: an index out of range, a feature that was not offered or an
 * epoch that went backwards stops the channel until a new incarnation attaches;
 * nothing else suffers.  A client that attaches more often than 16 times a second
 * waits for the next poll.
 */
#include <stddef.h>

#include "control_private.h"

#define CONTROL_SECOND_USEC	1000000
#define CONTROL_ATTACHES_MAX	16	/* within a second */

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

void mullion_cp_control_fault(struct mullion_cp_control *c, uint32_t reason)
{
	c->attached = false;
	c->fault = reason;
	c->faults++;
	if (c->ext) {
		mullion_store_relaxed(control_ext_u32(c, CONTROL_EXT(fault_reason)), reason);
		mullion_store_release(control_ext_u32(c, CONTROL_EXT(server_state)),
				      MULLION_CHANNEL_FAULTED);
	}
	mullion_cp_control_end_all(c);
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
	mullion_cp_control_ring(c);
}

/*
 * Each attach makes events and log lines.  One that comes too soon waits for
 * the poll: a client that resets without end must not fill the log.
 */
static bool control_too_often(struct mullion_cp_control *c)
{
	uint64_t now = mullion_cp_control_now();

	if (now - c->attach_usec >= CONTROL_SECOND_USEC) {
		c->attach_usec = now;
		c->attaches = 0;
	}
	return ++c->attaches > CONTROL_ATTACHES_MAX;
}

/* A client without the extension is there as soon as the channel can be found. */
void mullion_cp_control_greet(struct mullion_cp_control *c)
{
	c->plain = true;
	c->greeted = true;
	c->attached = true;
	c->ops->attached(c->arg, true);
}

/* The signature has gone, and so has everything: begin as for the first time. */
void mullion_cp_control_begin_again(struct mullion_cp_control *c)
{
	if (control_too_often(c))
		return;
	c->attached = false;
	mullion_cp_control_end_all(c);
	if (c->freed)
		return;
	mullion_cp_control_channel_make(c->area, &c->layout, c->generation,
					MULLION_CP_CONTROL_UNANSWERED, c->queues);
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
void mullion_cp_control_look_for_client(struct mullion_cp_control *c)
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
		mullion_cp_control_fault(c, MULLION_FAULT_EPOCH);
		return;
	}
	if (features & ~(uint64_t)MULLION_EXTF_EVENT_INDEX) {
		mullion_cp_control_fault(c, MULLION_FAULT_FEATURES);
		return;
	}
	c->attached = false;
	c->plain = false;
	mullion_cp_control_end_all(c);
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
