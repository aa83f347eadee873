// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition_disk.c - a partition's disks, and who serves them
 *
 * All ordinary disks of a guest are logical units of one device, served by one
 * service of the guest's own.  A disk with share=on gets a device on a bus of
 * its own, served by the service that all guests share who use the image.
 *
 * Failure behaviour: a disk that is refused changes nothing.  A disk that was
 * accepted for a running guest, but whose service then fails, is an event.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "control.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "store.h"

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
int mullion_partition_place_disk(struct mullion_partition *p, struct mullion_cp_disk *disk,
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
int mullion_partition_serve_bus(struct mullion_cp_bus *bus, struct mullion_error *err)
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
	if (!r && mullion_partition_serve_bus(bus, err) < 0)
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
		mullion_cp_disk_free(disk);
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
