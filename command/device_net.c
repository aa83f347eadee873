// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/device_net.c - a network interface, and what the switch is told of it
 *
 * A change is a DEVICE_RECONFIGURE with the whole port, one at a time; what is
 * changed meanwhile goes with the next one.  What the switch refuses is undone
 * here, too; what its death has cut off its successor gets with everything else.
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
	struct mullion_net_device *own = device->own;
	struct mullion_net_port *port = malloc(sizeof(*port));

	if (!port)
		return NULL;
	own->sent = own->nic->spec;
	mullion_net_spec_fill(&own->nic->spec, own->nic->network->def->mtu, port);
	*ret_bytes = sizeof(*port);
	return port;
}

static void net_refused(struct mullion_cp_device *device, const char *why)
{
	struct mullion_net_device *own = device->own;
	struct mullion_cp_bus *bus = device->bus;
	char mac[MULLION_MAC_TEXT];

	own->nic->spec = own->accepted;
	own->again = false;
	mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label, "port-failed",
			   "cannot change interface %s of guest %s: %s",
			   mullion_mac_text(own->nic->spec.mac, mac), bus->guest_name, why);
}

static int net_change(struct mullion_cp_device *device, struct mullion_error *err)
{
	struct mullion_net_device *own = device->own;

	own->again = false;
	return mullion_cp_device_reconfigure(device, NULL, err);
}

/* What came while the switch had something else to answer. */
static void net_change_again(struct mullion_cp_device *device)
{
	struct mullion_net_device *own = device->own;
	struct mullion_error err = { 0 };

	if (own->again && net_change(device, &err) < 0)
		net_refused(device, err.why);
}

void mullion_net_device_served(struct mullion_cp_device *device)
{
	struct mullion_net_device *own = device->own;

	own->accepted = own->sent;
	net_change_again(device);
}

void mullion_net_device_reconfigured(struct mullion_cp_device *device, int error,
				     const char *why)
{
	struct mullion_net_device *own = device->own;
	struct mullion_cp_bus *bus = device->bus;
	char mac[MULLION_MAC_TEXT];

	if (error == -ECONNRESET || !bus->partition) {
		/* the successor gets it as it is now */
		own->again = false;
		return;
	}
	if (error) {
		net_refused(device, why);
		return;
	}
	own->accepted = own->sent;
	mullion_event_emit(bus->core->events, LOG_INFO, bus->service->label, "port-changed",
			   "interface %s of guest %s is changed",
			   mullion_mac_text(own->nic->spec.mac, mac), bus->guest_name);
	net_change_again(device);
}

int mullion_net_device_set(struct mullion_cp_device *device, const char *changes,
			   struct mullion_error *err)
{
	struct mullion_net_device *own = device->own;
	struct mullion_net_spec *spec;
	int r;

	spec = malloc(sizeof(*spec));
	if (!spec)
		return mullion_error_set(err, -ENOMEM, "cannot change network interface",
					 changes, NULL, "out of memory");
	*spec = own->nic->spec;
	r = mullion_net_spec_change(spec, changes, err);
	if (!r)
		r = mullion_nic_may_have(own->nic, spec, err);
	if (!r) {
		own->nic->spec = *spec;
		/* a process that is not told of the device yet gets it so from the beginning */
		own->again = device->server == MULLION_END_PRESENT ||
			     device->server == MULLION_END_TOLD;
	}
	if (!r && device->server == MULLION_END_PRESENT && !device->reconfiguring) {
		r = net_change(device, err);
		if (r < 0)
			own->nic->spec = own->accepted;
	}
	free(spec);
	return r;
}

void mullion_net_counters_describe(const struct mullion_state_channel *record, json_t *out)
{
	static const char *const names[] = {
		"rx_frames", "rx_bytes", "tx_frames", "tx_bytes", "tx_no_buffer", "tx_down",
		"tx_rate", "rx_malformed", "rx_spoofed", "rx_rate", "rx_flood", "rx_vlan",
		"rx_unreachable", "posts_refused", "mac_moves", "control", "tx_mtu",
	};
	__u64 values[sizeof(struct mullion_net_counters) / sizeof(__u64)];

	_Static_assert(sizeof(names) / sizeof(names[0]) == sizeof(values) / sizeof(values[0]),
		       "every counter has a name");
	memcpy(values, record->class_state, sizeof(values));
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		json_object_set_new(out, names[i], json_integer((json_int_t)values[i]));
}

void mullion_net_mac_describe(const struct mullion_state_channel *record,
			      const struct mullion_net_spec *spec, json_t *out)
{
	static const uint8_t none[6];
	char text[MULLION_MAC_TEXT];
	uint8_t mac[6];

	if (!record)
		return;
	memcpy(mac, record->class_state + offsetof(struct mullion_net_port_state, mac),
	       sizeof(mac));
	if (memcmp(mac, none, sizeof(mac)) && memcmp(mac, spec->mac, sizeof(mac)))
		json_object_set_new(out, "mac_in_use",
				    json_string(mullion_mac_text(mac, text)));
}

void mullion_net_device_describe(const struct mullion_cp_device *device,
				 const struct mullion_state_channel *record, json_t *out)
{
	const struct mullion_net_device *own = device->own;
	const struct mullion_nic *nic = own->nic;
	json_t *port = mullion_net_spec_describe(&nic->spec, nic->network->def->mtu);
	char mac[MULLION_MAC_TEXT];

	json_object_set_new(out, "summary",
			    json_sprintf("%s %s%s", nic->spec.network,
					 mullion_mac_text(nic->spec.mac, mac),
					 nic->spec.link_up ? "" : " link down"));
	mullion_net_mac_describe(record, &nic->spec, port);
	json_object_set_new(out, "port", port);
	if (record)
		mullion_net_counters_describe(record, json_object_get(out, "counters"));
}
