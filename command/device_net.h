/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/device_net.h - a network interface, and what the switch is told of it
 *
 * The class's device half; its parts are in partition_net.c.
 */
#ifndef MULLION_COMMAND_DEVICE_NET_H
#define MULLION_COMMAND_DEVICE_NET_H

#include "device.h"
#include "net_spec.h"

struct mullion_nic;

/**
 * struct mullion_net_device - mullion_cp_device.own of a network interface
 * @nic: as it shall be
 * @accepted: as the switch has it
 * @sent: as it was told last
 * @again: @nic was changed once more since
 */
struct mullion_net_device {
	struct mullion_nic *nic;
	struct mullion_net_spec accepted;
	struct mullion_net_spec sent;
	bool again;
};

/**
 * mullion_net_device_set() - change it
 * @changes: options of a SPEC
 *
 * Return: 0: under way, or as soon as the switch serves again; or negative errno
 * with @err filled in.
 */
int mullion_net_device_set(struct mullion_cp_device *device, const char *changes,
			   struct mullion_error *err);

/**
 * mullion_net_counters_describe() - add a port's counters to JSON
 * @record: hostile: only printed
 */
void mullion_net_counters_describe(const struct mullion_state_channel *record, json_t *out);

/**
 * mullion_net_mac_describe() - add the address that a guest has chosen for itself
 * @record: hostile: only printed; or NULL
 * @out: schema Port or NetworkPort; untouched while the port has @spec's
 */
void mullion_net_mac_describe(const struct mullion_state_channel *record,
			      const struct mullion_net_spec *spec, json_t *out);

/* The class's device operations, for its row. */
void mullion_net_device_release(struct mullion_cp_device *device);
void *mullion_net_device_config(const struct mullion_cp_device *device, size_t *ret_bytes);
void mullion_net_device_reconfigured(struct mullion_cp_device *device, int error,
				     const char *why);
void mullion_net_device_served(struct mullion_cp_device *device);
void mullion_net_device_describe(const struct mullion_cp_device *device,
				 const struct mullion_state_channel *record, json_t *out);

#endif /* MULLION_COMMAND_DEVICE_NET_H */
