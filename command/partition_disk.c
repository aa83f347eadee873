// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition_disk.c - a partition's disks, and who serves them
 *
 * All ordinary disks of a guest are logical units of one device, served by one
 * service of the guest's own.  A disk with share=on gets a device on a bus of
 * its own, served by the service that all guests share who use the image.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "../abi/guid.h"
#include "bus.h"
#include "device_disk.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "store.h"

/* The service for a disk: the guest's own, or the one of a shared image. */
static int disk_get_service(struct mullion_partition *p, const struct mullion_cp_disk *disk,
			    struct mullion_service **ret, struct mullion_error *err)
{
	struct mullion_service *s;
	char name[96];
	int r;

	if (!disk->spec.shared) {
		snprintf(name, sizeof(name), "disk-%s", p->name);
	} else {
		for (s = p->core->services; s; s = s->next) {
			if (s->class->devices == &mullion_disk_class && s->shared &&
			    s->wanted && !memcmp(&s->key, &disk->uuid, sizeof(s->key))) {
				*ret = s;
				return 0;
			}
		}
		/* the dot keeps it apart from the service of a guest called "shared-1" */
		snprintf(name, sizeof(name), "disk.shared-%u",
			 ++p->core->shared_services);
	}
	r = mullion_service_new(p->core, &mullion_disk_class, name, &s, err);
	if (r < 0)
		return r;
	s->shared = disk->spec.shared;
	s->key = disk->uuid;
	s->wanted = true;
	*ret = s;
	return 0;
}

static struct mullion_cp_bus *disk_find_bus(struct mullion_partition *p,
					    const struct mullion_cp_disk *disk)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus->service->class->devices != &mullion_disk_class ||
		    disk->spec.shared != bus->service->shared)
			continue;
		if (!disk->spec.shared ||
		    !memcmp(&bus->service->key, &disk->uuid, sizeof(disk->uuid)))
			return bus;
	}
	return NULL;
}

/* A bus with one device for @disk; the disk is not on it yet. */
static int disk_make_bus(struct mullion_partition *p, const struct mullion_cp_disk *disk,
			 struct mullion_cp_bus **ret, struct mullion_error *err)
{
	struct mullion_service *s;
	int r;

	r = disk_get_service(p, disk, &s, err);
	return r < 0 ? r : mullion_partition_make_bus(p, s, ret, err);
}

static int disk_make(struct mullion_partition *p, const char *spec, const char *cwd,
		     void **ret, struct mullion_error *err)
{
	struct mullion_cp_disk *disk;
	int r;

	r = mullion_cp_disk_new(p->core, spec, cwd, p->name, &disk, err);
	if (r < 0)
		return r;
	if (p->write_through && disk->spec.cache == MULLION_CACHE_NONE) {
		mullion_error_set(err, -EINVAL, "cannot use disk", disk->spec.text,
				  "leave out cache",
				  "the disks of an attached guest are write-through");
		mullion_cp_disk_free(disk);
		return -EINVAL;
	}
	if (p->write_through)
		disk->spec.cache = MULLION_CACHE_WRITETHROUGH;
	*ret = disk;
	return 0;
}

static void disk_discard(void *part)
{
	mullion_cp_disk_free(part);
}

static int disk_place(struct mullion_partition *p, void *part, struct mullion_error *err)
{
	struct mullion_cp_disk *disk = part;
	struct mullion_cp_bus *bus = disk_find_bus(p, disk);
	int r = 0;

	if (!bus)
		r = disk_make_bus(p, disk, &bus, err);
	if (r < 0)
		return r;
	r = mullion_disk_device_add(bus->devices, disk);
	if (r < 0)
		return mullion_error_set(err, r, "cannot use disk", disk->spec.text,
			"choose another lun", r == -EEXIST ?
			"another disk has its lun" : "the guest has too many disks");
	return 0;
}

static int disk_plug(struct mullion_partition *p, void *part, struct mullion_error *err)
{
	struct mullion_cp_disk *disk = part;
	struct mullion_cp_bus *bus = disk_find_bus(p, disk);
	int r;

	if (bus)
		return mullion_disk_device_plug(bus->devices, disk, err);
	r = mullion_partition_may_plug_window(p, disk->spec.text, err);
	if (!r)
		r = disk_make_bus(p, disk, &bus, err);
	if (r < 0)
		return r;
	/* the first disk of a device always fits; from here on the bus has it */
	r = mullion_disk_device_add(bus->devices, disk);
	if (!r && mullion_partition_serve_bus(bus, err) < 0)
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "disk-failed",
				   "%s: %s", disk->spec.text, err ? err->why : "");
	return r;
}

static int disk_unplug(struct mullion_partition *p, const char *which, bool force,
		       struct mullion_error *err)
{
	(void)force;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus->service->class->devices != &mullion_disk_class)
			continue;
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			struct mullion_disk_device *own = d->own;

			for (unsigned int i = 0; i < own->disk_count; i++) {
				struct mullion_cp_disk *disk = own->disks[i];

				if (!strcmp(disk->spec.serial, which) ||
				    !strcmp(disk->spec.text, which))
					return mullion_disk_device_unplug(d, disk, err);
			}
		}
	}
	return -ENOENT;
}

const struct mullion_device_class mullion_disk_class = {
	.name = "disk",
	.type = VISOR_VHBA_CHANNEL_GUID,
	.change_what = "cannot change the disks of",
	.own_bytes = sizeof(struct mullion_disk_device),
	.make = disk_make,
	.discard = disk_discard,
	.place = disk_place,
	.plug = disk_plug,
	.unplug = disk_unplug,
	.release = mullion_disk_device_release,
	.config = mullion_disk_device_config,
	.send = mullion_disk_device_send,
	.reconfigured = mullion_disk_device_reconfigured,
	.describe = mullion_disk_device_describe,
};
