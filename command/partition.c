// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition.c - a guest partition: windows, control channel, buses
 *
 * DOC: Theory of Operation
 *
 * A partition has a command window from the beginning.  Its disks are grouped
 * by who may serve them: all ordinary ones by one service of the guest's own,
 * each image with share=on by a service that all its users share, because its
 * reservations and its cache are one.  Each group is a bus, with a window and,
 * for now, one device whose logical units the disks are.
 *
 * Services first, guest second: ops->ready() comes when every device has been
 * formatted.  The guest's driver then attaches to the control channel, as
 * often as it likes (reset, kexec, resume), and each time is told everything:
 * CHIPSET_INIT, each bus with its devices, CHIPSET_READY.  The answer to the
 * last one means that the devices were probed: online.
 *
 * Callbacks run from the loop, never from within a call: every change sets
 * what is due, and one deferred event source works it off.  A callback may
 * free the partition.
 *
 * Failure behaviour: a guest that breaks its control channel loses only that,
 * until its driver attaches anew; a guest whose driver does not know windows
 * gets no bus, and an event says so.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "../channel/fdmsg.h"
#include "bus.h"
#include "control.h"
#include "ivshmem.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "store.h"
#include "text.h"

#define PARTITION_CONTROL_GENERATION	1
#define PARTITION_GUEST_SILENT_USEC	60000000

void mullion_partition_changed(struct mullion_partition *p)
{
	if (p->settle)
		sd_event_source_set_enabled(p->settle, SD_EVENT_ONESHOT);
}

/* ---- the guest's driver ------------------------------------------------ */

static void partition_on_ready_answer(void *arg, int error, uint32_t status,
				      const struct controlvm_message *answer)
{
	struct mullion_partition *p = arg;
	char buffer[64];

	(void)answer;
	if (error == -ECONNRESET)
		return;
	if (error)
		mullion_event_emit(p->core->events, LOG_WARNING, p->label, "ready-refused",
				   "the guest answered CHIPSET_READY with: %s",
				   mullion_cp_status_text(status, buffer));
	p->online = true;
	p->tell.online = true;
	mullion_partition_changed(p);
}

static void partition_announce(struct mullion_partition *p)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		mullion_cp_bus_announce(bus);
}

static void partition_on_init_answer(void *arg, int error, uint32_t status,
				     const struct controlvm_message *answer)
{
	struct mullion_partition *p = arg;
	struct mullion_cp_command ready = {
		.id = CONTROLVM_CHIPSET_READY,
		.silent_usec = PARTITION_GUEST_SILENT_USEC,
		.answer = partition_on_ready_answer,
		.arg = p,
	};

	if (error == -ECONNRESET)
		return;
	/* a driver that resumes has been initialised before */
	p->windowed = status == CONTROLVM_RESP_ALREADY_DONE ||
		      (!error && answer->cmd.init_chipset.features &
				 MULLION_CHIPSET_FEATURE_WINDOWS);
	if (p->windowed)
		partition_announce(p);
	else
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "no-windows",
				   "the guest's visorbus driver does not know windows: it gets no devices; load Mullion's driver");
	mullion_cp_control_send(p->control, &ready);
}

static void partition_on_attached(void *arg, bool fresh)
{
	struct mullion_partition *p = arg;
	struct mullion_cp_command init = {
		.id = CONTROLVM_CHIPSET_INIT,
		.silent_usec = PARTITION_GUEST_SILENT_USEC,
		.answer = partition_on_init_answer,
		.arg = p,
		.packet.init_chipset.features = VISOR_CHIPSET_FEATURE_PARA_HOTPLUG |
						MULLION_CHIPSET_FEATURE_WINDOWS,
	};

	(void)fresh;
	p->online = false;
	p->windowed = false;
	p->tell.attached = true;
	p->tell.again = p->was_attached;
	p->tell.online = false;
	p->tell.detached = false;
	p->was_attached = true;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		bus->guest = MULLION_END_NONE;
		init.packet.init_chipset.bus_count++;
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			d->guest = MULLION_END_NONE;
	}
	mullion_cp_control_send(p->control, &init);
	mullion_partition_changed(p);
}

static void partition_on_detached(void *arg)
{
	struct mullion_partition *p = arg;

	p->online = false;
	p->windowed = false;
	p->tell.detached = true;
	p->tell.attached = false;
	p->tell.online = false;
	mullion_partition_changed(p);
}

static void partition_on_faulted(void *arg, uint32_t reason)
{
	struct mullion_partition *p = arg;

	mullion_event_emit(p->core->events, LOG_ERR, p->label, "control-faulted",
			   "the guest broke its control channel (fault %u): it is stopped until the driver attaches anew",
			   reason);
	partition_on_detached(p);
}

static void partition_on_silent(void *arg, uint32_t id, uint64_t usec)
{
	struct mullion_partition *p = arg;

	mullion_event_emit(p->core->events, LOG_WARNING, p->label, "guest-silent",
			   "the guest has not answered message 0x%x for %u s", id,
			   (unsigned int)(usec / 1000000));
}

static const struct mullion_cp_control_ops partition_control_ops = {
	.attached = partition_on_attached,
	.detached = partition_on_detached,
	.faulted = partition_on_faulted,
	.silent = partition_on_silent,
};

/* ---- callbacks to the owner -------------------------------------------- */

/* 1: every device was formatted; 0: not yet; -1: one cannot be, @err says why. */
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
	if (p->ops->ready)
		p->ops->ready(p->arg, ready < 0 ? &err : NULL);
}

static void partition_end_transport(struct mullion_partition *p)
{
	struct mullion_cp_window *w;

	for (unsigned int i = 0; (w = mullion_partition_window(p, i)); i++)
		mullion_ivshmem_done(w);
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
	}
}

/* A bus that came later: its window has to be plugged first. */
static void partition_settle_windows(struct mullion_partition *p)
{
	unsigned int index = 1;

	if (p->stopping)
		return;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next, index++) {
		bool formatted = true;

		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			formatted = formatted && d->formatted;
		if (bus->plugged || bus->offered || !formatted || !p->told.ready)
			continue;
		bus->offered = true;
		if (p->ops->window_added)
			p->ops->window_added(p->arg, index);
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

static void partition_release(struct mullion_partition *p)
{
	mullion_cp_window_free(p->window);
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
	if (!p->freed)
		partition_settle_stopped(p);
	p->settling = false;
	if (p->freed)
		partition_release(p);
	return 0;
}

/* ---- life -------------------------------------------------------------- */

int mullion_partition_new(struct mullion_core *core, const char *name,
			  const guid_t *uuid,
			  const struct mullion_partition_ops *ops, void *arg,
			  struct mullion_partition **ret)
{
	const guid_t nobody = { { 0 } };
	struct mullion_partition *p = calloc(1, sizeof(*p));
	int r;

	if (!p)
		return -ENOMEM;
	p->core = core;
	p->uuid = *uuid;
	p->ops = ops;
	p->arg = arg;
	snprintf(p->name, sizeof(p->name), "%s", name);
	snprintf(p->label, sizeof(p->label), "guest %s", name);
	r = sd_event_add_defer(core->event, &p->settle, partition_on_settle, p);
	if (r >= 0)
		r = sd_event_source_set_enabled(p->settle, SD_EVENT_OFF);
	if (r >= 0)
		r = mullion_cp_window_new_command(core, uuid, &nobody, &p->window);
	if (r >= 0)
		r = mullion_cp_control_new(&p->control, core->event, p->window,
					   PARTITION_CONTROL_GENERATION,
					   &partition_control_ops, p);
	if (r < 0) {
		sd_event_source_disable_unref(p->settle);
		partition_release(p);
		return r;
	}
	p->next = core->partitions;
	core->partitions = p;
	*ret = p;
	return 0;
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
	for (unsigned int i = 0; i < p->waiting_count; i++)
		mullion_cp_disk_free(p->core, p->waiting[i]);
	p->waiting_count = 0;
	while (*link != p)
		link = &(*link)->next;
	*link = p->next;
	p->settle = sd_event_source_disable_unref(p->settle);
	p->freed = true;
	if (!p->settling)
		partition_release(p);
}

/* ---- disks and their services ------------------------------------------ */

/* The service for a disk: the guest's own, or the one of a shared image. */
static int partition_get_service(struct mullion_partition *p,
				 const struct mullion_cp_disk *disk,
				 struct mullion_service **ret,
				 struct mullion_error *err)
{
	struct mullion_service *s;
	char name[96];
	int r;

	if (!disk->spec.shared) {
		snprintf(name, sizeof(name), "disk-%s", p->name);
	} else {
		for (s = p->core->services; s; s = s->next) {
			if (s->shared && s->wanted &&
			    !memcmp(&s->image, &disk->uuid, sizeof(s->image))) {
				*ret = s;
				return 0;
			}
		}
		/* the dot keeps it apart from the service of a guest called "shared-1" */
		snprintf(name, sizeof(name), "disk.shared-%u",
			 ++p->core->shared_services);
	}
	r = mullion_service_new(p->core, "disk", name, &s, err);
	if (r < 0)
		return r;
	s->shared = disk->spec.shared;
	s->image = disk->uuid;
	s->wanted = true;
	*ret = s;
	return 0;
}

static struct mullion_cp_bus *partition_find_bus(struct mullion_partition *p,
						 const struct mullion_cp_disk *disk)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (disk->spec.shared != bus->service->shared)
			continue;
		if (!disk->spec.shared ||
		    !memcmp(&bus->service->image, &disk->uuid, sizeof(disk->uuid)))
			return bus;
	}
	return NULL;
}

/* A bus with one device for @disk; the disk is not on it yet. */
static int partition_make_bus(struct mullion_partition *p,
			      const struct mullion_cp_disk *disk,
			      struct mullion_cp_bus **ret, struct mullion_error *err)
{
	struct mullion_cp_device *device;
	struct mullion_service *s;
	struct mullion_cp_bus *bus;
	int r;

	r = partition_get_service(p, disk, &s, err);
	if (r < 0)
		return r;
	r = mullion_cp_bus_new(p, s, 1, &bus, err);
	if (r < 0)
		goto fail;
	r = mullion_cp_device_new(bus, &device);
	if (r < 0) {
		mullion_cp_bus_free(bus);
		mullion_error_set(err, r, "cannot make a device for", p->name, NULL,
				  "%s", strerror(-r));
		goto fail;
	}
	*ret = bus;
	return 0;
fail:
	if (!s->buses)
		mullion_service_free(s);
	return r;
}

/* Put a disk on a bus that nobody has been told of. */
static int partition_place_disk(struct mullion_partition *p, struct mullion_cp_disk *disk,
				struct mullion_error *err)
{
	struct mullion_cp_bus *bus = partition_find_bus(p, disk);
	int r = 0;

	if (!bus)
		r = partition_make_bus(p, disk, &bus, err);
	if (r < 0)
		return r;
	r = mullion_cp_device_add_disk(bus->devices, disk);
	if (r < 0)
		return mullion_error_set(err, r, "cannot use disk", disk->spec.text,
			"choose another lun", r == -EEXIST ?
			"another disk has its lun" : "the guest has too many disks");
	return 0;
}

/* Give the service a process, or tell the process of the new bus. */
static int partition_serve_bus(struct mullion_cp_bus *bus, struct mullion_error *err)
{
	struct mullion_service *s = bus->service;
	int r;

	if (mullion_cp_control_attached(s->control) && bus->server == MULLION_END_NONE &&
	    (s->state == MULLION_SV_SERVING || s->state == MULLION_SV_PREPARING)) {
		r = mullion_cp_bus_serve(bus);
		if (r < 0)
			mullion_service_kill(s, "it does not read its socket");
		return 0;
	}
	return mullion_service_start(s, err);
}

/* A disk for a running guest that needs a bus of its own. */
static int partition_plug_bus(struct mullion_partition *p, struct mullion_cp_disk *disk,
			      struct mullion_error *err)
{
	struct mullion_cp_bus *bus;
	int r;

	if (!p->ops->window_added)
		return mullion_error_set(err, -EOPNOTSUPP, "cannot add disk",
			disk->spec.text, "stop the guest, and start it with the disk",
			"it needs a further window, which this guest cannot get while it runs");
	r = partition_make_bus(p, disk, &bus, err);
	if (r < 0)
		return r;
	/* the first disk of a device always fits; from here on the bus has it */
	r = mullion_cp_device_add_disk(bus->devices, disk);
	if (!r && partition_serve_bus(bus, err) < 0)
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "disk-failed",
				   "%s: %s", disk->spec.text, err ? err->why : "");
	return r;
}

int mullion_partition_add_disk(struct mullion_partition *p, const char *spec,
			       const char *cwd, struct mullion_error *err)
{
	struct mullion_cp_bus *bus;
	struct mullion_cp_disk *disk;
	int r;

	if (p->stopping)
		return mullion_error_set(err, -EBUSY, "cannot add disk", spec, NULL,
					 "the guest is being stopped");
	if (!p->started && p->waiting_count == MULLION_PARTITION_DISKS_MAX)
		return mullion_error_set(err, -ENOSPC, "cannot add disk", spec, NULL,
					 "a guest has at most %d disks",
					 MULLION_PARTITION_DISKS_MAX);
	r = mullion_cp_disk_new(p->core, spec, cwd, p->name, &disk, err);
	if (r < 0)
		return r;
	if (!p->started) {
		p->waiting[p->waiting_count++] = disk;
		return 0;
	}
	bus = partition_find_bus(p, disk);
	r = bus ? mullion_cp_device_plug(bus->devices, disk, err) :
		  partition_plug_bus(p, disk, err);
	if (r < 0)
		mullion_cp_disk_free(p->core, disk);
	return r;
}

int mullion_partition_remove_disk(struct mullion_partition *p, const char *which,
				  struct mullion_error *err)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			for (unsigned int i = 0; i < d->disk_count; i++) {
				struct mullion_cp_disk *disk = d->disks[i];

				if (!strcmp(disk->spec.serial, which) ||
				    !strcmp(disk->spec.text, which))
					return mullion_cp_device_unplug(d, disk, err);
			}
		}
	}
	return mullion_error_set(err, -ENOENT, "cannot remove disk", which,
				 "name its serial number or its SPEC",
				 "guest %s has no such disk", p->name);
}

int mullion_partition_start(struct mullion_partition *p, struct mullion_error *err)
{
	int r = 0;

	if (p->started)
		return mullion_error_set(err, -EALREADY, "cannot start guest", p->name,
					 NULL, "it is started already");
	while (p->waiting_count && !r) {
		r = partition_place_disk(p, p->waiting[0], err);
		if (!r)
			memmove(&p->waiting[0], &p->waiting[1],
				--p->waiting_count * sizeof(p->waiting[0]));
	}
	p->started = true;
	for (struct mullion_cp_bus *bus = p->buses; !r && bus; bus = bus->next) {
		bus->plugged = true;
		r = partition_serve_bus(bus, err);
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

struct mullion_cp_window *
mullion_partition_window(struct mullion_partition *p, unsigned int index)
{
	struct mullion_cp_bus *bus = p->buses;

	if (!index)
		return p->window;
	while (bus && --index)
		bus = bus->next;
	return bus ? bus->window : NULL;
}

int mullion_partition_ivshmem(struct mullion_partition *p, unsigned int index,
			      int *ret_fd)
{
	struct mullion_cp_window *w = mullion_partition_window(p, index);

	return w ? mullion_ivshmem_greet(w, ret_fd) : -ENOENT;
}

void mullion_partition_window_plugged(struct mullion_partition *p, unsigned int index)
{
	struct mullion_cp_bus *bus = p->buses;

	while (bus && --index)
		bus = bus->next;
	if (!bus)
		return;
	bus->plugged = true;
	if (p->windowed)
		mullion_cp_bus_announce(bus);
}

static int partition_send_window(const struct mullion_cp_window *w, int sock)
{
	int r;

	r = mullion_fd_send(sock, MULLION_FD_WINDOW, w->id, 0, &w->memfd, 1);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_RECV_DOORBELLS, w->id, 0,
				    w->doorbells[1], w->vectors);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_SEND_DOORBELLS, w->id, 0,
				    w->doorbells[0], w->vectors);
	return r;
}

int mullion_partition_send_fds(struct mullion_partition *p, int sock)
{
	const int doorbells[2] = {
		p->window->doorbells[1][0], p->window->doorbells[0][0],
	};
	int r;

	r = mullion_fd_send(sock, MULLION_FD_COMMAND_WINDOW, 0, 0, &p->window->memfd, 1);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_COMMAND_DOORBELLS, 0, 0, doorbells, 2);
	for (struct mullion_cp_bus *bus = p->buses; !r && bus; bus = bus->next)
		r = partition_send_window(bus->window, sock);
	return r;
}

/* ---- for people -------------------------------------------------------- */

json_t *mullion_partition_describe_control(struct mullion_partition *p)
{
	json_t *control;

	if (!p->control)
		return json_null();
	control = mullion_cp_control_describe(p->control);
	if (control)
		json_object_set_new(control, "ready", json_boolean(p->online));
	return control;
}

json_t *mullion_partition_describe_windows(struct mullion_partition *p)
{
	json_t *all = json_array();
	struct mullion_cp_window *w;

	for (unsigned int i = 0; all && (w = mullion_partition_window(p, i)); i++)
		json_array_append_new(all, json_pack("{s:i, s:s, s:I, s:i}",
			"id", (int)w->id,
			"kind", w->kind == MULLION_WINDOW_COMMAND ? "command" : "bus",
			"bytes", (json_int_t)w->size,
			"vectors", (int)w->vectors));
	return all;
}

json_t *mullion_partition_describe_buses(struct mullion_partition *p)
{
	json_t *all = json_array();

	for (struct mullion_cp_bus *bus = p->buses; all && bus; bus = bus->next)
		json_array_append_new(all, mullion_cp_bus_describe(bus));
	return all;
}

static void partition_append_devices(struct mullion_partition *p, json_t *all)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			json_array_append_new(all, mullion_cp_device_describe(d));
}

json_t *mullion_partition_describe_devices(struct mullion_partition *p)
{
	json_t *all = json_array();

	if (all)
		partition_append_devices(p, all);
	return all;
}

json_t *mullion_partition_describe_services(struct mullion_partition *p)
{
	json_t *all = json_array();

	for (struct mullion_cp_bus *bus = p->buses; all && bus; bus = bus->next)
		json_array_append_new(all, mullion_service_describe(bus->service));
	return all;
}

json_t *mullion_devices_describe(struct mullion_core *core)
{
	json_t *all = json_array();

	for (struct mullion_partition *p = core->partitions; all && p; p = p->next)
		partition_append_devices(p, all);
	return all;
}
