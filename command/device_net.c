// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/device_net.c - a network interface, and what the switch is told of it
 *
 * A change is a DEVICE_RECONFIGURE with the whole port.  What the switch refuses
 * is undone here, too; what its death has cut off its successor gets with
 * everything else.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/state.h"
#include "bus.h"
#include "core.h"
#include "device_net.h"
#include "log.h"
#include "network.h"
#include "service.h"

void mullion_net_device_release(struct mullion_cp_device *device)
{
	struct mullion_net_device *own = device->own;

	mullion_nic_free(own->nic);
}

void *mullion_net_device_config(const struct mullion_cp_device *device, size_t *ret_bytes)
{
	const struct mullion_net_device *own = device->own;
	struct mullion_net_port *port = malloc(sizeof(*port));

	if (!port)
		return NULL;
	mullion_net_spec_fill(&own->nic->spec, own->nic->network->def->mtu, port);
	*ret_bytes = sizeof(*port);
	return port;
}

void mullion_net_device_reconfigured(struct mullion_cp_device *device, int error,
				     const char *why)
{
	struct mullion_net_device *own = device->own;
	struct mullion_cp_bus *bus = device->bus;
	char mac[MULLION_MAC_TEXT];

	if (error == -ECONNRESET || !bus->partition)
		return;
	if (!error) {
		mullion_event_emit(bus->core->events, LOG_INFO, bus->service->label,
				   "port-changed", "interface %s of guest %s is changed",
				   mullion_mac_text(own->nic->spec.mac, mac), bus->guest_name);
		return;
	}
	own->nic->spec = own->before;
	mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label, "port-failed",
			   "cannot change interface %s of guest %s: %s",
			   mullion_mac_text(own->nic->spec.mac, mac), bus->guest_name, why);
}

int mullion_net_device_set(struct mullion_cp_device *device, const char *changes,
			   struct mullion_error *err)
{
	struct mullion_net_device *own = device->own;
	struct mullion_nic *nic = own->nic;
	struct mullion_net_spec *spec = malloc(sizeof(*spec));
	int r;

	if (!spec)
		return mullion_error_set(err, -ENOMEM, "cannot change network interface",
					 changes, NULL, "out of memory");
	*spec = nic->spec;
	/* what is wrong at any time is not worth another try */
	r = mullion_net_spec_change(spec, changes, err);
	if (!r)
		r = mullion_cp_device_may_change(device, err);
	if (!r)
		r = mullion_nic_may_have(nic, spec, err);
	if (!r) {
		own->before = nic->spec;
		nic->spec = *spec;
		r = mullion_cp_device_reconfigure(device, NULL, err);
		if (r < 0)
			nic->spec = own->before;
	}
	free(spec);
	return r;
}

void mullion_net_counters_describe(const struct mullion_state_channel *record, json_t *out)
{
	static const char *const names[] = {
		"rx_frames", "rx_bytes", "tx_frames", "tx_bytes", "tx_no_buffer", "tx_down",
		"tx_rate", "rx_malformed", "rx_spoofed", "rx_rate", "rx_flood", "rx_vlan",
		"rx_unreachable", "posts_refused", "mac_moves", "control",
	};
	__u64 values[sizeof(struct mullion_net_counters) / sizeof(__u64)];

	_Static_assert(sizeof(names) / sizeof(names[0]) == sizeof(values) / sizeof(values[0]),
		       "every counter has a name");
	memcpy(values, record->class_state, sizeof(values));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(out, names[i], json_integer((json_int_t)values[i]));
}

void mullion_net_device_describe(const struct mullion_cp_device *device,
				 const struct mullion_state_channel *record, json_t *out)
{
	const struct mullion_net_device *own = device->own;
	const struct mullion_nic *nic = own->nic;
	char mac[MULLION_MAC_TEXT];

	json_object_set_new(out, "summary",
			    json_sprintf("%s %s%s", nic->spec.network,
					 mullion_mac_text(nic->spec.mac, mac),
					 nic->spec.link_up ? "" : " link down"));
	json_object_set_new(out, "port",
			    mullion_net_spec_describe(&nic->spec, nic->network->def->mtu));
	if (record)
		mullion_net_counters_describe(record, json_object_get(out, "counters"));
}
