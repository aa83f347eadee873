// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/bus.c - a bus: one service partition as one guest sees it
 *
 * A bus belongs to a partition and a service, and both may go first.  While
 * the service has commands without an answer for it, a withdrawn bus stays in
 * the service's list; it is freed with the last answer, or when the service's
 * process is dead.  What the ends are told is in bus_server.c and bus_guest.c.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/bus.h"
#include "bus.h"
#include "core.h"
#include "partition.h"
#include "process.h"
#include "ram.h"
#include "service.h"
#include "text.h"
#include "window.h"

#define BUS_POOL_MIN 4096

static uint64_t bus_page_up(uint64_t bytes)
{
	return (bytes + 4095) & ~4095ULL;
}

/* Data that lie in guest RAM need no pool. */
static int bus_make_window(struct mullion_cp_bus *bus, unsigned int devices,
			   struct mullion_error *err)
{
	const struct mullion_service_class *class = bus->service->class;
	struct mullion_partition *p = bus->partition;
	uint64_t pool = devices * class->pool_share;
	int r;

	if (class->pool_max && pool > class->pool_max)
		pool = class->pool_max;
	/* An area cannot be empty. */
	if (bus->ram)
		pool = BUS_POOL_MIN;
	r = mullion_cp_window_new_bus(p->core, &p->uuid, &bus->service->uuid,
		bus_page_up(MULLION_BUS_CHANNEL_BYTES) +
		devices * bus_page_up(class->channel_bytes), pool, &bus->window);
	if (r < 0)
		return mullion_error_set(err, r, "cannot make a window for", p->name,
			r == -ENOSPC || r == -ENOMEM ? "free memory on the host" : NULL, "%s",
			strerror(-r));
	bus->channels_next = bus->window->areas[0].offset +
			     bus_page_up(MULLION_BUS_CHANNEL_BYTES);
	bus->addr = MULLION_WINDOW_ADDR(bus->window->id, bus->window->areas[0].offset);
	return 0;
}

int mullion_cp_bus_place(struct mullion_cp_bus *bus, struct mullion_error *err)
{
	struct mullion_partition *p = bus->partition;
	int r;

	/* What has none must not give back what is another's by now. */
	bus->addr = 0;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		d->addr = 0;
	r = mullion_cp_ram_place(bus->ram, MULLION_BUS_CHANNEL_BYTES, &bus->addr);
	for (struct mullion_cp_device *d = bus->devices; !r && d; d = d->next)
		r = mullion_cp_ram_place(bus->ram, d->bytes, &d->addr);
	if (r < 0)
		return mullion_error_set(err, r, "cannot place channels for", p->name,
			"reserve more memory, or give it fewer devices",
			"its reserved memory has no room left for them");
	return 0;
}

int mullion_cp_bus_new(struct mullion_partition *partition,
		       struct mullion_service *service, unsigned int devices,
		       struct mullion_cp_bus **ret, struct mullion_error *err)
{
	const struct mullion_service_class *class = service->class;
	struct mullion_cp_bus **link = &partition->buses;
	struct mullion_cp_bus *bus = calloc(1, sizeof(*bus));
	unsigned int slot = 1;
	int r;

	if (!bus)
		return mullion_error_set(err, -ENOMEM, "cannot make a bus for",
					 partition->name, NULL, "out of memory");
	while (slot < MULLION_PARTITION_SLOTS_MAX && partition->slots & 1ULL << slot)
		slot++;
	if (slot == MULLION_PARTITION_SLOTS_MAX) {
		free(bus);
		return mullion_error_set(err, -ENOSPC, "cannot make a bus for",
					 partition->name, "give it fewer devices",
					 "it has %d windows already",
					 MULLION_PARTITION_SLOTS_MAX);
	}
	bus->core = partition->core;
	bus->partition = partition;
	bus->ram = partition->ram ? mullion_cp_ram_ref(partition->ram) : NULL;
	bus->service = service;
	bus->number = ++partition->bus_last;
	bus->service_number = ++partition->core->service_bus_next;
	bus->type = class->type;
	mullion_guid_random(&bus->uuid);
	snprintf(bus->name, sizeof(bus->name), "%s", service->name);
	snprintf(bus->guest_name, sizeof(bus->guest_name), "%s", partition->name);
	r = partition->placed ? mullion_cp_bus_place(bus, err) :
	    bus_make_window(bus, devices, err);
	if (r < 0) {
		mullion_cp_ram_unref(bus->ram);
		free(bus);
		return r;
	}
	while (*link)
		link = &(*link)->next;
	*link = bus;
	partition->slots |= 1ULL << slot;
	bus->slot = slot;
	bus->service_next = service->buses;
	service->buses = bus;
	*ret = bus;
	return 0;
}

void mullion_cp_bus_leave_partition(struct mullion_cp_bus *bus)
{
	struct mullion_cp_bus **link;

	if (!bus->partition)
		return;
	for (link = &bus->partition->buses; *link != bus; link = &(*link)->next)
		;
	*link = bus->next;
	bus->partition = NULL;
}

static void bus_leave_service(struct mullion_cp_bus *bus)
{
	struct mullion_cp_bus **link;

	if (!bus->service)
		return;
	for (link = &bus->service->buses; *link != bus; link = &(*link)->service_next)
		;
	*link = bus->service_next;
	bus->service = NULL;
}

void mullion_cp_bus_free(struct mullion_cp_bus *bus)
{
	mullion_cp_bus_leave_partition(bus);
	bus_leave_service(bus);
	while (bus->devices)
		mullion_cp_device_free(bus->devices);
	mullion_cp_window_free(bus->window);
	if (bus->addr && bus->ram && !bus->window)
		mullion_cp_ram_release(bus->ram, bus->addr);
	mullion_cp_ram_unref(bus->ram);
	free(bus);
}

bool mullion_cp_bus_is_formatted(const struct mullion_cp_bus *bus)
{
	for (const struct mullion_cp_device *d = bus->devices; d; d = d->next)
		if (d->formatted)
			return true;
	return false;
}

/* ---- for people -------------------------------------------------------- */

void mullion_cp_bus_client(const struct mullion_cp_bus *bus, unsigned int entry,
			   char type[static 17], char driver[static 17],
			   char info[static 97])
{
	const struct visor_vbus_channel *channel = bus->window ?
		(const void *)bus->window->map :
		mullion_cp_ram_pointer(bus->ram, bus->addr, MULLION_BUS_CHANNEL_BYTES);
	const struct visor_vbus_deviceinfo *from;

	type[0] = driver[0] = info[0] = '\0';
	if (!channel)
		return;
	from = entry == 0 ? &channel->chp_info :
		entry == 1 ? &channel->bus_info : &channel->dev_info[entry - 2];

	mullion_text_clean(from->devtype, sizeof(from->devtype), type, 17);
	mullion_text_clean(from->drvname, sizeof(from->drvname), driver, 17);
	mullion_text_clean(from->infostrs, sizeof(from->infostrs), info, 97);
}

json_t *mullion_cp_bus_describe(const struct mullion_cp_bus *bus)
{
	static const char *const ends[] = { "created", "announced", "online", "refused" };
	char uuid[MULLION_GUID_TEXT], type[17], driver[17], info[97];
	char chipset_type[17], chipset[17], chipset_info[97];
	json_t *client;

	mullion_cp_bus_client(bus, 0, chipset_type, chipset, chipset_info);
	mullion_cp_bus_client(bus, 1, type, driver, info);
	client = driver[0] || chipset[0] ?
		 json_pack("{s:s, s:s, s:s}", "chipset", chipset, "driver", driver,
			   "info", info[0] ? info : chipset_info) : json_null();
	return json_pack("{s:i, s:s, s:s, s:s, s:i, s:s, s:o}",
			 "bus_no", (int)bus->number,
			 "name", bus->name,
			 "uuid", mullion_guid_text(&bus->uuid, uuid),
			 "service", bus->service ? bus->service->name : "",
			 "window", bus->window ? (int)bus->window->id : 0,
			 "state", bus->leaving ? "leaving" : ends[bus->guest],
			 "client", client);
}
