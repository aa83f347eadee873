// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition_device.c - a partition's devices, whatever their class
 *
 * What a user adds before the start is checked, claimed and remembered; at the
 * start it is placed on buses, and the services are told.  Later it goes to its
 * class, which adds it to a device that is there or makes a further bus.
 *
 * Failure behaviour: what is refused changes nothing.  What was accepted for a
 * running guest, but whose service then fails, is an event.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "bus.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "text.h"

int mullion_partition_make_bus(struct mullion_partition *p, struct mullion_service *s,
			       struct mullion_cp_bus **ret, struct mullion_error *err)
{
	struct mullion_cp_device *device;
	struct mullion_cp_bus *bus;
	int r;

	r = mullion_cp_bus_new(p, s, 1, &bus, err);
	if (r < 0)
		goto fail;
	r = mullion_cp_device_new(bus, &device);
	if (r < 0) {
		mullion_partition_window_unplugged(p, bus->slot);
		mullion_cp_bus_free(bus);
		if (r == -ENOSPC && p->placed)
			mullion_error_set(err, r, "cannot make a device for", p->name,
				"reserve more memory, or give it fewer devices",
				"its reserved memory has no room left for a channel of %llu bytes",
				(unsigned long long)s->class->channel_bytes);
		else
			mullion_error_set(err, r, "cannot make a device for", p->name, NULL,
					  "%s", strerror(-r));
		goto fail;
	}
	*ret = bus;
	return 0;
fail:
	mullion_service_release(s);
	return r;
}

int mullion_partition_serve_bus(struct mullion_cp_bus *bus, struct mullion_error *err)
{
	/* a process that has attached is told at once, another one when it attaches */
	mullion_service_serve(bus->service);
	return mullion_service_start(bus->service, err);
}

int mullion_partition_may_plug_window(struct mullion_partition *p, const char *spec,
				      struct mullion_error *err)
{
	if (p->ops->window_added || p->placed)
		return 0;
	return mullion_error_set(err, -EOPNOTSUPP, "cannot add device", spec,
		"stop the guest, and start it with the device",
		"it needs a further window, which this guest cannot get while it runs");
}

int mullion_partition_add(struct mullion_partition *p, const struct mullion_device_class *class,
			  const char *spec, const char *cwd, struct mullion_error *err)
{
	void *part;
	int r;

	if (p->stopping)
		return mullion_error_set(err, -EBUSY, "cannot add device", spec, NULL,
					 "the guest is being stopped");
	if (!p->started && p->waiting_count == MULLION_PARTITION_PARTS_MAX)
		return mullion_error_set(err, -ENOSPC, "cannot add device", spec, NULL,
					 "a guest has at most %d disks and network interfaces",
					 MULLION_PARTITION_PARTS_MAX);
	r = class->make(p, spec, cwd, &part, err);
	if (r < 0)
		return r;
	if (!p->started) {
		p->waiting[p->waiting_count].class = class;
		p->waiting[p->waiting_count++].part = part;
		return 0;
	}
	r = class->plug(p, part, err);
	if (r < 0)
		class->discard(part);
	return r;
}

int mullion_partition_place_all(struct mullion_partition *p, struct mullion_error *err)
{
	unsigned int placed = 0;
	int r = 0;

	while (placed < p->waiting_count) {
		r = p->waiting[placed].class->place(p, p->waiting[placed].part, err);
		if (r < 0)
			break;
		placed++;
	}
	p->waiting_count -= placed;
	memmove(&p->waiting[0], &p->waiting[placed], p->waiting_count * sizeof(p->waiting[0]));
	return r;
}

void mullion_partition_discard_all(struct mullion_partition *p)
{
	for (unsigned int i = 0; i < p->waiting_count; i++)
		p->waiting[i].class->discard(p->waiting[i].part);
	p->waiting_count = 0;
}

static int partition_no_device(const struct mullion_partition *p, const char *what,
			       const char *which, struct mullion_error *err)
{
	return mullion_error_set(err, -ENOENT, what, which, "see `mullion device list`",
				 "guest %s has no such device", p->name);
}

int mullion_partition_remove(struct mullion_partition *p, const char *which, bool force,
			     struct mullion_error *err)
{
	const struct mullion_device_class *class = NULL;

	while ((class = mullion_device_class_next(class))) {
		int r = class->unplug(p, which, force, err);

		if (r != -ENOENT)
			return r;
	}
	return partition_no_device(p, "cannot remove device", which, err);
}

/* By its name or UUID. */
static struct mullion_cp_device *partition_find(const struct mullion_partition *p,
						const char *which)
{
	char name[64], uuid[MULLION_GUID_TEXT];

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			snprintf(name, sizeof(name), "vbus%u:dev%u", bus->number, d->number);
			if (!strcmp(which, name) ||
			    !strcmp(which, mullion_guid_text(&d->uuid, uuid)))
				return d;
		}
	}
	return NULL;
}

int mullion_partition_set(struct mullion_partition *p, const char *which, const char *changes,
			  struct mullion_error *err)
{
	const struct mullion_device_class *class = NULL;
	bool pause = !strcmp(changes, "state=paused");

	/* what every class can do */
	if (pause || !strcmp(changes, "state=running")) {
		struct mullion_cp_device *device = partition_find(p, which);

		return device ? mullion_cp_device_pause(device, pause, err) :
		       partition_no_device(p, "cannot change device", which, err);
	}
	while ((class = mullion_device_class_next(class))) {
		int r = class->set ? class->set(p, which, changes, err) : -ENOENT;

		if (r != -ENOENT)
			return r;
	}
	return partition_no_device(p, "cannot change device", which, err);
}
