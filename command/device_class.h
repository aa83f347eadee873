/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/device_class.h - what the daemon has to know of a kind of device
 *
 * One row per class.  Buses, devices, services and partitions are the same for
 * all; a row says what a user's words for a device mean, what a service is told
 * of it, and how it is shown.  What a user adds is a part: a disk becomes a
 * logical unit of a device that may have others, a network interface is a
 * device of its own.
 */
#ifndef MULLION_COMMAND_DEVICE_CLASS_H
#define MULLION_COMMAND_DEVICE_CLASS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/types.h"
#include "error.h"

struct mullion_cp_device;
struct mullion_partition;
struct mullion_state_channel;

/**
 * struct mullion_device_class - one row
 * @name: as in the API; the service program is mullion-NAME
 * @type: channel type
 * @change_what: first words of a message: "cannot change the disks of"
 * @own_bytes: of mullion_cp_device.own, zeroed
 *
 * Parts, which a user adds to a partition:
 * @make: read the user's @spec (paths in it count from @cwd), check, claim
 * @discard: the reverse; NULL is fine
 * @place: put it on a bus that nobody was told of; it is the bus's on success
 * @plug: the same while the partition runs
 * @unplug: take it from a partition that runs; -ENOENT, without @err, when it
 *	has none that is called @which; @force: the guest is not waited for
 * @set: change it as @changes says; -ENOENT as above; NULL: nothing can be
 *
 * Devices:
 * @release: free what is in @own
 * @config: the class part of a DEVICE_CREATE or _RECONFIGURE, to be freed
 * @send: send the descriptors that belong to message @handle; @change: NULL for
 *	all, or what mullion_cp_device_reconfigure() was given
 * @reconfigured: the answer to that: 0, -EREMOTEIO: refused, @why says more;
 *	-ECONNRESET: the process died, its successor gets the configuration as it
 *	is; or the bus has left its partition
 * @served: the service has taken the device over, or for the first time
 * @describe: add members to the device's JSON; @record is hostile, or NULL
 * @standby: a successor does not go on in the rings of a client without the
 *	extension, which has to be in standby while it takes over
 *
 * @send, @reconfigured, @served, @release: NULL if there is nothing to do.
 */
struct mullion_device_class {
	const char *name;
	guid_t type;
	const char *change_what;
	size_t own_bytes;

	int (*make)(struct mullion_partition *partition, const char *spec,
		    const char *cwd, void **ret, struct mullion_error *err);
	void (*discard)(void *part);
	int (*place)(struct mullion_partition *partition, void *part,
		     struct mullion_error *err);
	int (*plug)(struct mullion_partition *partition, void *part,
		    struct mullion_error *err);
	int (*unplug)(struct mullion_partition *partition, const char *which, bool force,
		      struct mullion_error *err);
	int (*set)(struct mullion_partition *partition, const char *which,
		   const char *changes, struct mullion_error *err);

	void (*release)(struct mullion_cp_device *device);
	void *(*config)(const struct mullion_cp_device *device, size_t *ret_bytes);
	int (*send)(struct mullion_cp_device *device, uint64_t handle,
		    const void *change, struct mullion_error *err);
	void (*reconfigured)(struct mullion_cp_device *device, int error, const char *why);
	void (*served)(struct mullion_cp_device *device);
	void (*describe)(const struct mullion_cp_device *device,
			 const struct mullion_state_channel *record, json_t *out);
	bool standby;
};

extern const struct mullion_device_class mullion_disk_class;
extern const struct mullion_device_class mullion_net_class;

/**
 * mullion_device_class_find() - a class by name; NULL if there is none
 */
const struct mullion_device_class *mullion_device_class_find(const char *name);

/**
 * mullion_device_class_next() - all of them; NULL begins, NULL is the end
 */
const struct mullion_device_class *
mullion_device_class_next(const struct mullion_device_class *class);

#endif /* MULLION_COMMAND_DEVICE_CLASS_H */
