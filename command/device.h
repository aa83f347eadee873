/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/device.h - a device: one channel on a bus, between service and guest
 */
#ifndef MULLION_COMMAND_DEVICE_H
#define MULLION_COMMAND_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/disk.h"
#include "../abi/types.h"
#include "error.h"

struct mullion_cp_bus;
struct mullion_cp_disk;

/* What one end has of a bus or device. */
enum mullion_end {
	MULLION_END_NONE,	/* not told, or told before it began anew */
	MULLION_END_TOLD,	/* the command is under way */
	MULLION_END_PRESENT,	/* answered with success */
	MULLION_END_FAILED,	/* answered with a failure */
};

/**
 * struct mullion_cp_device - one device
 * @number: dev_no
 * @uuid: names the device
 * @offset, @bytes: of its channel in the window
 * @vector: first one, the same number at both ends
 * @formatted: a service has said that the channel is complete
 * @server, @guest: what the ends have
 * @retry_ticks: seconds until a service that failed is asked again
 * @failures: of the service, one after the other
 * @why: the last failure
 * @adding: a disk whose DEVICE_RECONFIGURE is under way
 * @leaving: a disk that was removed, kept until the service has answered
 * @reconfiguring: DEVICE_RECONFIGURE is under way
 * @disks, @disk_count: its logical units
 */
struct mullion_cp_device {
	struct mullion_cp_device *next;
	struct mullion_cp_bus *bus;
	uint32_t number;
	guid_t uuid;
	uint64_t offset;
	uint64_t bytes;
	uint32_t vector;
	bool formatted;
	enum mullion_end server;
	enum mullion_end guest;
	unsigned int retry_ticks;
	unsigned int failures;
	char why[400];
	bool reconfiguring;
	struct mullion_cp_disk *adding;
	struct mullion_cp_disk *leaving;
	struct mullion_cp_disk *disks[MULLION_DISK_LUNS_MAX];
	unsigned int disk_count;
};

/**
 * mullion_cp_device_new() - place a device's channel on a bus
 *
 * Return: 0; -ENOSPC when the channels area or the numbers are used up;
 * -ENOMEM.
 */
int mullion_cp_device_new(struct mullion_cp_bus *bus, struct mullion_cp_device **ret);
void mullion_cp_device_free(struct mullion_cp_device *device);

/**
 * mullion_cp_device_add_disk() - give the device a logical unit
 * @disk: taken over on success
 *
 * Return: 0, -EEXIST: the number is in use; -ENOSPC.
 */
int mullion_cp_device_add_disk(struct mullion_cp_device *device,
			       struct mullion_cp_disk *disk);

/**
 * mullion_cp_device_serve() - send DEVICE_CREATE(server), descriptors first
 *
 * No other process may be alive that serves the device.  What goes wrong is
 * in @why, and asked again later.
 */
void mullion_cp_device_serve(struct mullion_cp_device *device);

/**
 * mullion_cp_device_server_lost() - the process that served it is dead
 */
void mullion_cp_device_server_lost(struct mullion_cp_device *device);

/**
 * mullion_cp_device_plug() - add a disk to a device that is served
 * @disk: taken over on success
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_device_plug(struct mullion_cp_device *device,
			   struct mullion_cp_disk *disk, struct mullion_error *err);

/**
 * mullion_cp_device_unplug() - take a disk from a device that is served
 */
int mullion_cp_device_unplug(struct mullion_cp_device *device,
			     struct mullion_cp_disk *disk, struct mullion_error *err);

/**
 * mullion_cp_device_announce() - send DEVICE_CREATE to the guest
 */
void mullion_cp_device_announce(struct mullion_cp_device *device);

/**
 * mullion_cp_device_describe() - schema Device; new reference
 */
json_t *mullion_cp_device_describe(const struct mullion_cp_device *device);

#endif /* MULLION_COMMAND_DEVICE_H */
