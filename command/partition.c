// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition.c - a guest partition: windows, control channel, buses
 *
 * DOC: Theory of Operation
 *
 * A partition has a command window from the beginning.  Each service that
 * serves it is a bus, with a window and, for now, one device: the ordinary disks
 * as logical units of one; a disk that is shared, and each network interface.
 * Devices come and go while the guest runs (partition_device.c).
 *
 * Services first, guest second: ops->ready() comes when every device has been
 * formatted.  What the guest's driver then does is in partition_guest.c.
 *
 * Callbacks run from the loop, never from within a call: every change sets
 * what is due, and one deferred event source works it off.  A callback may
 * free the partition.
 *
 * Failure behaviour: a service that cannot serve a device before the guest has
 * started is the start's failure; later it is an event.  A guest that is asked for
 * its buses and does not answer has them taken from it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bus.h"
#include "control.h"
#include "intree.h"
#include "ivshmem.h"
#include "partition.h"
#include "ram.h"
#include "service.h"

#define PARTITION_CONTROL_GENERATION	1
#define PARTITION_PAYLOAD_BYTES		4096
/* Of a guest that is to give back its buses; one that is idle looks once a second. */
#define PARTITION_SILENT_USEC		2500000
#define PARTITION_GIVE_UP_USEC		15000000

void mullion_partition_changed(struct mullion_partition *p)
{
	if (p->settle)
		sd_event_source_set_enabled(p->settle, SD_EVENT_ONESHOT);
}

/* ---- callbacks to the owner -------------------------------------------- */

/* 1: every device can be used; 0: not yet; -1: one cannot be, @err says why. */
static int partition_services_ready(struct mullion_partition *p,
				    struct mullion_error *err)
{
	int ready = 1;

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		struct mullion_service *s = bus->service;

		if (s->state == MULLION_SV_FAILED) {
			mullion_error_set(err, -EIO, "cannot start guest", p->name,
					  "see the daemon's log", "%s: %s", s->label, s->why);
			return -1;
		}
		if (s->ops && s->ops->ready) {
			int r = s->ops->ready(s->ops_arg, err);

			if (r < 0)
				return -1;
			ready = r ? ready : 0;
		}
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			if (d->formatted)
				continue;
			if (d->server == MULLION_END_FAILED) {
				mullion_error_set(err, -EIO, "cannot start guest", p->name,
						  "see the daemon's log",
						  "%s: %s", s->label, d->why);
				return -1;
			}
			ready = 0;
		}
	}
	return ready;
}

static void partition_settle_ready(struct mullion_partition *p)
{
	struct mullion_error err = { 0 };
	int ready;

	if (!p->started || p->stopping || p->told.ready)
		return;
	ready = partition_services_ready(p, &err);
	if (!ready)
		return;
	p->told.ready = true;
	/* From now on a guest that waits for it may find it. */
	if (p->placed && ready > 0)
		mullion_cp_control_open(p->control);
	if (p->ops->ready)
		p->ops->ready(p->arg, ready < 0 ? &err : NULL);
}

static void partition_end_transport(struct mullion_partition *p)
{
	if (p->placed)
		return;
	mullion_ivshmem_done(p->window);
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		mullion_ivshmem_done(bus->window);
}

static void partition_settle_guest(struct mullion_partition *p)
{
	if (p->tell.attached) {
		bool again = p->tell.again;

		p->tell.attached = false;
		if (p->ops->attached)
			p->ops->attached(p->arg, again);
		if (p->freed)
			return;
	}
	if (p->tell.online) {
		p->tell.online = false;
		partition_end_transport(p);
		if (p->ops->online)
			p->ops->online(p->arg);
		if (p->freed)
			return;
	}
	if (p->tell.detached) {
		p->tell.detached = false;
		if (p->ops->detached)
			p->ops->detached(p->arg);
		if (p->freed)
			return;
	}
	if (p->tell.lost) {
		p->tell.lost = false;
		p->told.lost = true;
		if (p->ops->lost)
			p->ops->lost(p->arg);
	}
}

/* A bus that came later: its window has to be plugged first. */
static void partition_settle_windows(struct mullion_partition *p)
{
	if (p->stopping)
		return;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		bool formatted = true;

		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			formatted = formatted && d->formatted;
		if (p->placed && bus->plugged && !bus->leaving && formatted && p->windowed &&
		    !mullion_cp_control_plain(p->control)) {
			/* Formatted anew later than the guest came back. */
			mullion_cp_bus_announce(bus);
			continue;
		}
		if (bus->plugged || bus->offered || bus->leaving || !formatted ||
		    !p->told.ready)
			continue;
		/* Its memory is there: it can be announced as soon as the guest is. */
		if (p->placed) {
			bus->plugged = true;
			if (p->windowed && !mullion_cp_control_plain(p->control))
				mullion_cp_bus_announce(bus);
			continue;
		}
		bus->offered = true;
		if (p->ops->window_added)
			p->ops->window_added(p->arg, bus->slot);
		return;		/* the list may have changed */
	}
}

static void partition_drop_buses(struct mullion_partition *p)
{
	while (p->buses) {
		struct mullion_service *s = p->buses->service;

		if (s->shared)
			mullion_cp_bus_withdraw(p->buses);
		else
			mullion_service_free(s);
	}
}

static void partition_settle_stopped(struct mullion_partition *p)
{
	if (!p->stopping || p->told.stopped)
		return;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		if (!bus->service->shared && bus->service->state != MULLION_SV_ENDED)
			return;
	partition_drop_buses(p);
	p->told.stopped = true;
	if (p->ops->stopped)
		p->ops->stopped(p->arg);
}

static void partition_settle_given_back(struct mullion_partition *p)
{
	if (!p->giving_back || p->buses)
		return;
	p->giving_back = false;
	p->giver = sd_event_source_disable_unref(p->giver);
	if (p->ops->given_back)
		p->ops->given_back(p->arg);
}

static void partition_release(struct mullion_partition *p)
{
	mullion_cp_window_free(p->window);
	mullion_cp_ram_unref(p->ram);
	free(p);
}

static int partition_on_settle(sd_event_source *source, void *arg)
{
	struct mullion_partition *p = arg;

	(void)source;
	p->settling = true;
	partition_settle_ready(p);
	if (!p->freed)
		partition_settle_guest(p);
	if (!p->freed)
		partition_settle_windows(p);
	if (!p->freed && p->placed)
		mullion_intree_settle(p);
	if (!p->freed)
		partition_settle_given_back(p);
	if (!p->freed)
		partition_settle_stopped(p);
	p->settling = false;
	if (p->freed)
		partition_release(p);
	return 0;
}

/* ---- life -------------------------------------------------------------- */

/* The control channel in RAM, and where its payloads go. */
static int partition_place_control(struct mullion_partition *p,
				   struct mullion_cp_control_place *place)
{
	int r = 0;

	if (!p->control_bytes) {
		p->control_bytes = MULLION_CONTROL_AREA_BYTES;
		r = mullion_cp_ram_place(p->ram, p->control_bytes, &p->control_gpa);
	} else {
		r = mullion_cp_ram_take(p->ram, p->control_gpa, p->control_bytes);
	}
	if (!r && p->control_bytes < MULLION_CP_CONTROL_ROOM)
		r = mullion_cp_ram_place(p->ram, PARTITION_PAYLOAD_BYTES, &p->payload_gpa);
	if (r < 0)
		return r;
	place->channel = mullion_cp_ram_pointer(p->ram, p->control_gpa, p->control_bytes);
	place->channel_bytes = p->control_bytes;
	if (p->payload_gpa) {
		place->payload = mullion_cp_ram_pointer(p->ram, p->payload_gpa,
							PARTITION_PAYLOAD_BYTES);
		/* modulo 2^64, as the guest adds it */
		place->payload_offset = p->payload_gpa - p->control_gpa;
		place->payload_bytes = PARTITION_PAYLOAD_BYTES;
	}
	return place->channel && (place->payload || !p->payload_gpa) ? 0 : -ERANGE;
}

static int partition_make_control(struct mullion_partition *p)
{
	struct mullion_cp_control_place place = { 0 };
	const guid_t nobody = { { 0 } };
	int r;

	if (!p->placed) {
		r = mullion_cp_window_new_command(p->core, &p->uuid, &nobody, &p->window);
		if (r < 0)
			return r;
		return mullion_cp_control_new(&p->control, p->core->event, p->window,
					      PARTITION_CONTROL_GENERATION,
					      &mullion_partition_control_ops, p);
	}
	r = partition_place_control(p, &place);
	if (!r)
		r = mullion_intree_new(p);
	if (r < 0)
		return r;
	return mullion_cp_control_new_placed(&p->control, p->core->event, &place,
					     PARTITION_CONTROL_GENERATION,
					     &mullion_partition_control_ops, p);
}

int mullion_partition_new(struct mullion_core *core, const char *name,
			  const guid_t *uuid,
			  const struct mullion_partition_ops *ops, void *arg,
			  struct mullion_partition **ret)
{
	static const struct mullion_partition_ram none;

	return mullion_partition_new_ram(core, name, uuid, &none, ops, arg, ret);
}

int mullion_partition_new_ram(struct mullion_core *core, const char *name,
			      const guid_t *uuid, const struct mullion_partition_ram *ram,
			      const struct mullion_partition_ops *ops, void *arg,
			      struct mullion_partition **ret)
{
	struct mullion_partition *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->core = core;
	p->uuid = *uuid;
	p->slots = 1;
	p->ops = ops;
	p->arg = arg;
	p->ram = ram->ram ? mullion_cp_ram_ref(ram->ram) : NULL;
	p->placed = ram->placed;
	p->write_through = ram->write_through;
	p->control_gpa = ram->control_gpa;
	p->control_bytes = ram->control_bytes;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->label, sizeof(p->label), "guest %s", name);
	r = sd_event_add_defer(core->event, &p->settle, partition_on_settle, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = partition_make_control(p);
	if (r < 0) {
		mullion_intree_free(p);
		sd_event_source_disable_unref(p->settle);
		partition_release(p);
		return r;
	}
	p->next = core->partitions;
	core->partitions = p;
	*ret = p;
	return 0;
}

void mullion_partition_set_ram(struct mullion_partition *p, struct mullion_cp_ram *ram)
{
	mullion_cp_ram_unref(p->ram);
	p->ram = mullion_cp_ram_ref(ram);
}

uint64_t mullion_partition_control_gpa(const struct mullion_partition *p)
{
	return p->control_gpa;
}

/* ---- giving back ------------------------------------------------------- */

/* A guest that shows no sign of life is gone, or as good as that. */
static int partition_on_give_up(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_partition *p = arg;
	uint64_t busy = 0;

	/* One whose disks are not idle yet was told nothing that it could answer. */
	for (struct mullion_cp_bus *bus = p->buses; p->giving_back && bus; bus = bus->next)
		busy = bus->idle_until > busy ? bus->idle_until : busy;
	if (busy) {
		sd_event_source_set_time(source, busy + PARTITION_SILENT_USEC);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	if (p->giving_back && p->buses &&
	    mullion_cp_control_acknowledged(p->control) != p->acknowledged &&
	    usec < p->give_up) {
		sd_event_source_set_time(source, p->give_up);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	while (p->giving_back && p->buses)
		mullion_cp_bus_remove(p->buses, true);
	mullion_partition_changed(p);
	return 0;
}

void mullion_partition_told(struct mullion_partition *p)
{
	uint64_t now = 0;

	if (!p->giver)
		return;
	sd_event_now(p->core->event, CLOCK_MONOTONIC, &now);
	sd_event_source_set_time(p->giver, now + PARTITION_SILENT_USEC);
}

void mullion_partition_give_back(struct mullion_partition *p)
{
	struct mullion_cp_bus *next;
	uint64_t now = 0;

	if (p->giving_back || p->stopping)
		return;
	p->giving_back = true;
	p->acknowledged = mullion_cp_control_acknowledged(p->control);
	sd_event_now(p->core->event, CLOCK_MONOTONIC, &now);
	p->give_up = now + PARTITION_GIVE_UP_USEC;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = next) {
		next = bus->next;
		mullion_cp_bus_remove(bus, false);
	}
	if (p->buses && sd_event_add_time_relative(p->core->event, &p->giver, CLOCK_MONOTONIC,
						   PARTITION_SILENT_USEC, 0,
						   partition_on_give_up, p) < 0)
		while (p->buses)
			mullion_cp_bus_remove(p->buses, true);
	mullion_partition_changed(p);
}

void mullion_partition_free(struct mullion_partition *p)
{
	struct mullion_partition **link;

	if (!p)
		return;
	link = &p->core->partitions;
	mullion_cp_control_free(p->control);
	p->control = NULL;
	partition_drop_buses(p);
	mullion_partition_discard_all(p);
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	p->settle = sd_event_source_disable_unref(p->settle);
	p->giver = sd_event_source_disable_unref(p->giver);
	mullion_intree_free(p);
	p->freed = true;
	if (!p->settling)
		partition_release(p);
}

/* ---- start and stop ---------------------------------------------------- */

int mullion_partition_start(struct mullion_partition *p, struct mullion_error *err)
{
	int r;

	if (p->started)
		return mullion_error_set(err, -EALREADY, "cannot start guest", p->name,
					 NULL, "it is started already");
	r = mullion_partition_place_all(p, err);
	p->started = true;
	for (struct mullion_cp_bus *bus = p->buses; !r && bus; bus = bus->next) {
		bus->plugged = true;
		r = mullion_partition_serve_bus(bus, err);
	}
	if (r < 0)
		p->told.ready = true;	/* the caller has the answer already */
	mullion_partition_changed(p);
	return r;
}

void mullion_partition_stop(struct mullion_partition *p)
{
	struct mullion_cp_bus *bus = p->buses;

	if (p->stopping)
		return;
	p->stopping = true;
	/* Their clocks would look at the control channel. */
	p->giving_back = false;
	p->giver = sd_event_source_disable_unref(p->giver);
	mullion_intree_free(p);
	mullion_cp_control_free(p->control);
	p->control = NULL;
	memset(&p->tell, 0, sizeof(p->tell));
	p->online = false;
	partition_end_transport(p);
	while (bus) {
		struct mullion_cp_bus *next = bus->next;

		if (bus->service->shared)
			mullion_cp_bus_withdraw(bus);
		else
			mullion_service_end(bus->service);
		bus = next;
	}
	mullion_partition_changed(p);
}

/* ---- transport --------------------------------------------------------- */

static struct mullion_cp_bus *partition_slot(struct mullion_partition *p, unsigned int slot)
{
	struct mullion_cp_bus *bus = p->buses;

	while (bus && bus->slot != slot)
		bus = bus->next;
	return bus;
}

struct mullion_cp_window *
mullion_partition_window(struct mullion_partition *p, unsigned int slot)
{
	struct mullion_cp_bus *bus = partition_slot(p, slot);

	if (!slot)
		return p->window;
	return bus ? bus->window : NULL;
}

int mullion_partition_ivshmem(struct mullion_partition *p, unsigned int slot, int *ret_fd)
{
	struct mullion_cp_window *w = mullion_partition_window(p, slot);

	return w ? mullion_ivshmem_greet(w, ret_fd) : -ENOENT;
}

void mullion_partition_window_plugged(struct mullion_partition *p, unsigned int slot)
{
	struct mullion_cp_bus *bus = partition_slot(p, slot);

	if (!bus)
		return;
	bus->plugged = true;
	if (p->windowed)
		mullion_cp_bus_announce(bus);
}

void mullion_partition_window_unplugged(struct mullion_partition *p, unsigned int slot)
{
	p->slots &= ~(1ULL << slot);
}

int mullion_partition_send_window(struct mullion_partition *p, unsigned int slot, int sock)
{
	const struct mullion_cp_window *w = mullion_partition_window(p, slot);

	return w ? mullion_cp_window_send(w, 1, w->id, sock) : -ENOENT;
}

int mullion_partition_send_fds(struct mullion_partition *p, int sock)
{
	int r = mullion_cp_window_send_command(p->window, sock);

	for (struct mullion_cp_bus *bus = p->buses; !r && bus; bus = bus->next)
		r = mullion_partition_send_window(p, bus->slot, sock);
	return r;
}
