// SPDX-License-Identifier: GPL-2.0-or-later
/* command/network_describe.c - networks as the API shows them */
#include <string.h>

#include "../abi/net.h"
#include "bus.h"
#include "capture.h"
#include "device_net.h"
#include "network.h"
#include "service.h"
#include "state_area.h"
#include "text.h"
#include "uplink.h"

static json_t *describe_uplink(const struct mullion_network *n)
{
	static const guid_t uuid = MULLION_NET_UPLINK_OBJECT;
	static const char *const names[] = {
		"in_frames", "in_bytes", "out_frames", "out_bytes", "out_dropped", "in_malformed",
		NULL /* its state, which the daemon knows better */,
		"mirror_frames", "mirror_dropped", "in_flood",
	};
	__u64 values[sizeof(struct mullion_net_uplink_counters) / sizeof(__u64)];
	const void *object;
	json_t *out, *counters;

	_Static_assert(sizeof(names) / sizeof(names[0]) == sizeof(values) / sizeof(values[0]),
		       "every counter has a name");
	out = n->uplink ? mullion_cp_uplink_describe(n->uplink) :
			  json_pack("{s:s, s:s, s:s}", "type", "none", "state", "none", "why", "");
	object = mullion_state_memory_object(n->service->memory, &uuid, sizeof(values));
	if (!object)
		return out;
	counters = json_object();
	memcpy(values, object, sizeof(values));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (names[i])
			json_object_set_new(counters, names[i],
					    json_integer((json_int_t)values[i]));
	json_object_set_new(out, "counters", counters);
	return out;
}

static json_t *describe_port(const struct mullion_network *n, const struct mullion_nic *nic)
{
	const struct mullion_cp_device *d = nic->device;
	const struct mullion_state_channel *record;
	json_t *out = json_pack("{s:s}", "guest", nic->guest);
	json_t *port = mullion_net_spec_describe(&nic->spec, n->def->mtu);
	json_t *counters = json_object();

	if (d)
		json_object_set_new(out, "device", json_sprintf("vbus%u:dev%u", d->bus->number,
								d->number));
	json_object_del(port, "network");
	json_object_update(out, port);
	json_decref(port);
	record = d ? mullion_state_memory_channel(n->service->memory, &d->uuid) : NULL;
	mullion_net_mac_describe(record, &nic->spec, out);
	if (record)
		mullion_net_counters_describe(record, counters);
	json_object_set_new(out, "counters", counters);
	return out;
}

/* What is dropped anywhere on its way to a port, or from there. */
static json_int_t describe_drops(const json_t *counters)
{
	static const char *const names[] = {
		"tx_no_buffer", "tx_down", "tx_rate", "tx_mtu", "rx_malformed", "rx_spoofed", "rx_rate",
		"rx_flood", "rx_vlan", "rx_unreachable",
	};
	uint64_t sum = 0;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		sum += (uint64_t)json_integer_value(json_object_get(counters, names[i]));
	return (json_int_t)sum;
}

static json_t *describe_ports(const struct mullion_network *n)
{
	json_t *list = json_array();

	for (const struct mullion_nic *nic = NULL; (nic = mullion_nic_next(n, nic));) {
		json_t *port = describe_port(n, nic);

		json_object_set_new(port, "drops",
				    json_integer(describe_drops(json_object_get(port,
										"counters"))));
		/* the last one is the oldest */
		json_array_insert_new(list, 0, port);
	}
	return list;
}

json_t *mullion_network_describe_definition(const struct mullion_network_definition *def)
{
	return json_pack("{s:s, s:b, s:b, s:s, s:s, s:o, s:{s:s, s:s, s:s}, s:o, s:o, s:o}",
			 "name", def->name, "running", 0, "pinned", 0, "state", "stopped",
			 "why", "", "service", json_null(),
			 "uplink", "type", mullion_network_uplink_name(def), "state", "none",
			 "why", "",
			 "definition", mullion_network_definition_describe(def),
			 "capture", json_null(), "ports", json_array());
}

json_t *mullion_network_describe(const struct mullion_network *n)
{
	json_t *out = mullion_network_describe_definition(n->def);

	if (!n->service)
		return out;
	json_object_set_new(out, "running", json_true());
	json_object_set_new(out, "pinned", json_boolean(n->pinned));
	json_object_set_new(out, "state",
			    json_string(n->closing ? "closing" :
					mullion_service_state_text(n->service)));
	json_object_set_new(out, "why", mullion_json_text(n->service->why,
							  strlen(n->service->why)));
	json_object_set_new(out, "service", json_string(n->service->name));
	json_object_set_new(out, "uplink", describe_uplink(n));
	if (n->capture)
		json_object_set_new(out, "capture", mullion_capture_describe(n->capture));
	json_object_set_new(out, "ports", describe_ports(n));
	return out;
}

struct mullion_cp_uplink *mullion_network_helper(struct mullion_core *core, const char *name)
{
	for (struct mullion_network *n = core->networks; n; n = n->next)
		if (n->uplink && n->uplink->kind == &mullion_uplink_nat &&
		    !strncmp(name, "nat-", 4) && !strcmp(name + 4, n->def->name))
			return n->uplink;
	return NULL;
}

void mullion_network_describe_helper(const struct mullion_service *service, json_t *list)
{
	for (const struct mullion_network *n = service->core->networks; n; n = n->next) {
		json_t *entry;

		if (n->service != service || !n->uplink)
			continue;
		entry = mullion_cp_uplink_describe_service(n->uplink);
		if (entry)
			json_array_append_new(list, entry);
	}
}
