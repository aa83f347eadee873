// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/uplink.c - a network's way out: opened here, used by the switch
 *
 * The switch may open nothing: the daemon opens the uplink, keeps a duplicate,
 * and hands one to each process of the switch, so that a successor goes on with
 * the same TAP device or the same connections.
 *
 * Failure behaviour: an uplink that cannot be opened at first is an error to
 * whoever starts the network.  One that goes away later is an event, and is
 * opened again every second until it is there; guests only see that nothing
 * answers.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "text.h"
#include "uplink.h"

#define UPLINK_TICK_USEC 1000000

static const struct mullion_uplink_kind *const uplink_kinds[] = {
	[MULLION_NETWORK_UPLINK_NONE] = NULL,
	[MULLION_NETWORK_UPLINK_NAT] = &mullion_uplink_nat,
	[MULLION_NETWORK_UPLINK_TAP] = &mullion_uplink_tap,
	[MULLION_NETWORK_UPLINK_PASST] = &mullion_uplink_passt,
};

static int uplink_on_settle(sd_event_source *source, void *arg)
{
	struct mullion_cp_uplink *u = arg;

	(void)source;
	/* may free the uplink */
	u->changed(u->arg);
	return 0;
}

void mullion_cp_uplink_settle(struct mullion_cp_uplink *u, enum mullion_uplink_state state,
			      const char *why)
{
	u->state = state;
	snprintf(u->why, sizeof(u->why), "%s", why);
	sd_event_source_set_enabled(u->settle, SD_EVENT_ONESHOT);
}

static void uplink_close(struct mullion_cp_uplink *u)
{
	u->kind->close(u);
	u->watch = sd_event_source_disable_unref(u->watch);
	if (u->fd >= 0)
		close(u->fd);
	u->fd = -1;
}

static int uplink_open(struct mullion_cp_uplink *u, struct mullion_error *err)
{
	int r;

	u->state = MULLION_CP_UPLINK_UP;
	u->why[0] = '\0';
	r = u->kind->open(u, err);
	if (r < 0) {
		uplink_close(u);
		return r;
	}
	u->serial++;
	return 0;
}

void mullion_cp_uplink_lost(struct mullion_cp_uplink *u, const char *why)
{
	if (u->state != MULLION_CP_UPLINK_GONE)
		mullion_event_emit(u->core->events, LOG_WARNING, u->label, "uplink-gone", "%s",
				   why);
	uplink_close(u);
	mullion_cp_uplink_settle(u, MULLION_CP_UPLINK_GONE, why);
}

static int uplink_on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_uplink *u = arg;
	struct mullion_error err = { 0 };

	sd_event_source_set_time(source, usec + UPLINK_TICK_USEC);
	if (u->state == MULLION_CP_UPLINK_UP && u->kind->check && !u->kind->check(u)) {
		mullion_cp_uplink_lost(u, "its interface was removed");
		return 0;
	}
	if (u->state != MULLION_CP_UPLINK_GONE)
		return 0;
	if (uplink_open(u, &err) < 0) {
		u->state = MULLION_CP_UPLINK_GONE;
		snprintf(u->why, sizeof(u->why), "%.399s", err.why);
		return 0;
	}
	mullion_event_emit(u->core->events, LOG_NOTICE, u->label, "uplink-back",
			   "its uplink is there again");
	mullion_cp_uplink_settle(u, u->state, "");
	return 0;
}

int mullion_cp_uplink_new(struct mullion_core *core, struct mullion_network_definition *def,
			  const char *label, void (*changed)(void *arg), void *arg,
			  struct mullion_cp_uplink **ret, struct mullion_error *err)
{
	struct mullion_cp_uplink *u;
	int r;

	if (!uplink_kinds[def->uplink]) {
		*ret = NULL;
		return 0;
	}
	u = calloc(1, sizeof(*u));
	if (!u)
		return mullion_error_set(err, -ENOMEM, "cannot start network", def->name, NULL,
					 "out of memory");
	u->kind = uplink_kinds[def->uplink];
	u->core = core;
	u->def = mullion_network_definition_ref(def);
	snprintf(u->label, sizeof(u->label), "%s", label);
	u->fd = -1;
	u->peer = -1;
	u->changed = changed;
	u->arg = arg;
	r = sd_event_add_defer(core->event, &u->settle, uplink_on_settle, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = sd_event_add_time_relative(core->event, &u->timer, CLOCK_MONOTONIC,
					       UPLINK_TICK_USEC, 100000, uplink_on_tick, u);
	if (r >= 0)
		r = sd_event_source_set_enabled(u->timer, SD_EVENT_ON);
	if (r < 0)
		mullion_error_set(err, r, "cannot start network", def->name, NULL, "%s",
				  strerror(-r));
	else
		r = uplink_open(u, err);
	if (r < 0) {
		mullion_cp_uplink_free(u);
		return r;
	}
	*ret = u;
	return 0;
}

struct mullion_cp_uplink *mullion_cp_uplink_free(struct mullion_cp_uplink *u)
{
	if (!u)
		return NULL;
	uplink_close(u);
	sd_event_source_disable_unref(u->settle);
	sd_event_source_disable_unref(u->timer);
	mullion_network_definition_unref(u->def);
	free(u);
	return NULL;
}

void mullion_cp_uplink_successor(struct mullion_cp_uplink *u)
{
	if (u->state == MULLION_CP_UPLINK_UP && u->kind->successor)
		u->kind->successor(u);
}

static const char *const uplink_states[] = { "starting", "up", "gone", "failed" };

json_t *mullion_cp_uplink_describe_service(const struct mullion_cp_uplink *u)
{
	if (u->kind != &mullion_uplink_nat)
		return NULL;
	return json_pack("{s:o, s:s, s:s, s:[], s:b, s:s, s:o, s:I, s:o, s:n, s:i}",
			 "name", json_sprintf("nat-%s", u->def->name), "class", "nat",
			 "guest", "", "guests", "shared", 1,
			 "state", u->state == MULLION_CP_UPLINK_UP ? "serving" :
			 uplink_states[u->state],
			 "why", mullion_json_text(u->why, strlen(u->why)),
			 "generation", (json_int_t)u->restarts + 1,
			 "pid", u->process ? json_integer(u->process->pid) : json_null(),
			 "standby_pid", "restarts", (int)u->restarts);
}

json_t *mullion_cp_uplink_describe(const struct mullion_cp_uplink *u)
{
	json_t *out = json_pack("{s:s, s:s, s:o}", "type", u->kind->name,
				"state", uplink_states[u->state],
				"why", mullion_json_text(u->why, strlen(u->why)));

	if (u->interface[0])
		json_object_set_new(out, "interface", json_string(u->interface));
	if (u->def->bridge)
		json_object_set_new(out, "bridge", json_string(u->def->bridge));
	if (u->def->socket)
		json_object_set_new(out, "socket", mullion_json_text(u->def->socket,
								     strlen(u->def->socket)));
	if (u->kind == &mullion_uplink_nat) {
		json_object_set_new(out, "pid", u->process ? json_integer(u->process->pid) :
				    json_null());
		json_object_set_new(out, "restarts", json_integer(u->restarts));
	}
	return out;
}
