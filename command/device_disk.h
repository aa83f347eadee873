/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/device_disk.h - a disk device: logical units, and what the service is
 *	told of them
 *
 * The class's device half; its parts are in partition_disk.c.
 */
#ifndef MULLION_COMMAND_DEVICE_DISK_H
#define MULLION_COMMAND_DEVICE_DISK_H

#include "../abi/disk.h"
#include "device.h"

struct mullion_cp_disk;

/**
 * struct mullion_disk_device - mullion_cp_device.own of a disk device
 * @adding: a disk whose DEVICE_RECONFIGURE is under way
 * @leaving: a disk that was removed, kept until the service has answered
 * @disks, @disk_count: its logical units
 */
struct mullion_disk_device {
	struct mullion_cp_disk *adding;
	struct mullion_cp_disk *leaving;
	struct mullion_cp_disk *disks[MULLION_DISK_LUNS_MAX];
	unsigned int disk_count;
};

/**
 * mullion_disk_device_add() - give the device a logical unit
 * @disk: taken over on success
 *
 * Return: 0, -EEXIST: the number is in use; -ENOSPC.
 */
int mullion_disk_device_add(struct mullion_cp_device *device, struct mullion_cp_disk *disk);

/**
 * mullion_disk_device_plug() - add a disk to a device that is served
 * @disk: taken over on success
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_disk_device_plug(struct mullion_cp_device *device, struct mullion_cp_disk *disk,
			     struct mullion_error *err);

/**
 * mullion_disk_device_unplug() - take a disk from a device that is served
 */
int mullion_disk_device_unplug(struct mullion_cp_device *device, struct mullion_cp_disk *disk,
			       struct mullion_error *err);

/* The class's device operations, for its row. */
void mullion_disk_device_release(struct mullion_cp_device *device);
void *mullion_disk_device_config(const struct mullion_cp_device *device, size_t *ret_bytes);
int mullion_disk_device_send(struct mullion_cp_device *device, uint64_t handle,
			     const void *change, struct mullion_error *err);
void mullion_disk_device_reconfigured(struct mullion_cp_device *device, int error,
				      const char *why);
void mullion_disk_device_describe(const struct mullion_cp_device *device,
				  const struct mullion_state_channel *record, json_t *out);

#endif /* MULLION_COMMAND_DEVICE_DISK_H */
