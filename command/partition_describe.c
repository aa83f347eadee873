// SPDX-License-Identifier: GPL-2.0-or-later
/* command/partition_describe.c - a partition as the API shows it */
#include "bus.h"
#include "control.h"
#include "network.h"
#include "partition.h"
#include "service.h"

json_t *mullion_partition_describe_control(struct mullion_partition *p)
{
	json_t *control;

	if (!p->control)
		return json_null();
	control = mullion_cp_control_describe(p->control);
	if (!control)
		return NULL;
	json_object_set_new(control, "ready", json_boolean(p->online));
	if (p->placed) {
		json_object_set_new(control, "gpa", json_integer((json_int_t)p->control_gpa));
		json_object_set_new(control, "bytes",
				    json_integer((json_int_t)p->control_bytes));
	}
	return control;
}

static json_t *partition_describe_window(const struct mullion_cp_window *w)
{
	return json_pack("{s:i, s:s, s:I, s:i}", "id", (int)w->id,
			 "kind", w->kind == MULLION_WINDOW_COMMAND ? "command" : "bus",
			 "bytes", (json_int_t)w->size, "vectors", (int)w->vectors);
}

json_t *mullion_partition_describe_windows(struct mullion_partition *p)
{
	json_t *all = json_array();

	if (p->window)
		json_array_append_new(all, partition_describe_window(p->window));
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		if (bus->window)
			json_array_append_new(all, partition_describe_window(bus->window));
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

	for (struct mullion_cp_bus *bus = p->buses; all && bus; bus = bus->next) {
		const struct mullion_cp_bus *first = p->buses;

		while (first->service != bus->service)
			first = first->next;
		if (first != bus)
			continue;
		json_array_append_new(all, mullion_service_describe(bus->service));
		mullion_network_describe_helper(bus->service, all);
	}
	return all;
}

json_t *mullion_devices_describe(struct mullion_core *core)
{
	json_t *all = json_array();

	for (struct mullion_partition *p = core->partitions; all && p; p = p->next)
		partition_append_devices(p, all);
	return all;
}
