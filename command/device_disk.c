// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/device_disk.c - a disk device: logical units, and what the service is
 *	told of them
 *
 * A unit that is added or removed is a DEVICE_RECONFIGURE with the whole list
 * and the descriptors of the new one.  A disk that was removed stays claimed
 * until the service has answered: it may still write.  A disk whose service
 * died meanwhile is the successor's from the beginning.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../abi/service.h"
#include "bus.h"
#include "core.h"
#include "device_disk.h"
#include "log.h"
#include "service.h"
#include "store.h"

static bool disk_lun_used(const struct mullion_disk_device *own, uint32_t lun)
{
	for (unsigned int i = 0; i < own->disk_count; i++)
		if (own->disks[i]->lun == lun)
			return true;
	return false;
}

int mullion_disk_device_add(struct mullion_cp_device *device, struct mullion_cp_disk *disk)
{
	struct mullion_disk_device *own = device->own;
	uint32_t lun = 0;

	if (own->disk_count == MULLION_DISK_LUNS_MAX)
		return -ENOSPC;
	if (disk->spec.lun != MULLION_SPEC_LUN_ANY) {
		lun = (uint32_t)disk->spec.lun;
		if (disk_lun_used(own, lun))
			return -EEXIST;
	} else {
		while (disk_lun_used(own, lun))
			lun++;
	}
	disk->lun = lun;
	own->disks[own->disk_count++] = disk;
	return 0;
}

/* Take a disk out of the list; it is still the caller's to free. */
static void disk_drop(struct mullion_disk_device *own, const struct mullion_cp_disk *disk)
{
	unsigned int i = 0;

	while (i < own->disk_count && own->disks[i] != disk)
		i++;
	if (i == own->disk_count)
		return;
	own->disk_count--;
	memmove(&own->disks[i], &own->disks[i + 1],
		(own->disk_count - i) * sizeof(own->disks[0]));
}

void mullion_disk_device_release(struct mullion_cp_device *device)
{
	struct mullion_disk_device *own = device->own;

	for (unsigned int i = 0; i < own->disk_count; i++)
		mullion_cp_disk_free(own->disks[i]);
	mullion_cp_disk_free(own->leaving);
}

void *mullion_disk_device_config(const struct mullion_cp_device *device, size_t *ret_bytes)
{
	const struct mullion_disk_device *own = device->own;
	size_t bytes = sizeof(struct mullion_disk_config) +
		       own->disk_count * sizeof(struct mullion_disk_lun);
	struct mullion_disk_config *config = calloc(1, bytes);

	if (!config)
		return NULL;
	config->version = MULLION_DISK_CONFIG_VERSION;
	config->lun_count = own->disk_count;
	config->lun_bytes = sizeof(struct mullion_disk_lun);
	for (unsigned int i = 0; i < own->disk_count; i++)
		mullion_cp_disk_fill(own->disks[i], &config->luns[i]);
	*ret_bytes = bytes;
	return config;
}

/* Open all of the device's stores (@change: just that disk's) and send them. */
int mullion_disk_device_send(struct mullion_cp_device *device, uint64_t handle,
			     const void *change, struct mullion_error *err)
{
	struct mullion_disk_device *own = device->own;
	int r = 0;

	for (unsigned int i = 0; !r && i < own->disk_count; i++) {
		int store = -1, fence = -1;

		if (change && own->disks[i] != change)
			continue;
		r = mullion_cp_disk_open(own->disks[i], device->bus->service->generation,
					 &store, &fence, err);
		if (r < 0)
			return r;
		r = mullion_cp_device_send(device, handle, MULLION_FD_STORE, i, store, err);
		if (!r)
			r = mullion_cp_device_send(device, handle, MULLION_FD_STORE_FENCE, i,
						   fence, err);
		if (store >= 0)
			close(store);
		if (fence >= 0)
			close(fence);
	}
	return r;
}

void mullion_disk_device_reconfigured(struct mullion_cp_device *device, int error,
				      const char *why)
{
	struct mullion_disk_device *own = device->own;
	struct mullion_cp_disk *adding = own->adding;
	struct mullion_cp_bus *bus = device->bus;

	own->adding = NULL;
	/* A service that refused still has it; it stays claimed, too. */
	if (error == -EREMOTEIO && own->leaving)
		own->disks[own->disk_count++] = own->leaving;
	else
		mullion_cp_disk_free(own->leaving);
	own->leaving = NULL;
	if (error == -ECONNRESET || !bus->partition)
		return;
	if (!error) {
		mullion_event_emit(bus->core->events, LOG_INFO, bus->service->label,
				   "disks-changed", "guest %s has %u disks on %s:%u",
				   bus->guest_name, own->disk_count, bus->name,
				   device->number);
		return;
	}
	mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label,
			   "disks-failed", "cannot change the disks of guest %s: %s",
			   bus->guest_name, why);
	if (adding) {
		disk_drop(own, adding);
		mullion_cp_disk_free(adding);
	}
}

int mullion_disk_device_plug(struct mullion_cp_device *device, struct mullion_cp_disk *disk,
			     struct mullion_error *err)
{
	struct mullion_disk_device *own = device->own;
	int r = mullion_cp_device_may_change(device, err);

	if (r < 0)
		return r;
	r = mullion_disk_device_add(device, disk);
	if (r < 0)
		return mullion_error_set(err, r, "cannot use disk", disk->spec.text,
			"choose another lun",
			r == -EEXIST ? "its lun is in use" : "the guest has too many disks");
	r = mullion_cp_device_reconfigure(device, disk, err);
	if (r < 0)
		disk_drop(own, disk);
	else
		own->adding = disk;
	return r;
}

int mullion_disk_device_unplug(struct mullion_cp_device *device, struct mullion_cp_disk *disk,
			       struct mullion_error *err)
{
	struct mullion_disk_device *own = device->own;
	int r = mullion_cp_device_may_change(device, err);

	if (r < 0)
		return r;
	disk_drop(own, disk);
	r = mullion_cp_device_reconfigure(device, NULL, err);
	if (r < 0)
		own->disks[own->disk_count++] = disk;
	else
		own->leaving = disk;
	return r;
}

void mullion_disk_device_describe(const struct mullion_cp_device *device,
				  const struct mullion_state_channel *record, json_t *out)
{
	const struct mullion_disk_device *own = device->own;
	json_t *luns = json_array();

	(void)record;
	for (unsigned int i = 0; luns && i < own->disk_count; i++)
		json_array_append_new(luns, mullion_cp_disk_describe(own->disks[i]));
	json_object_set_new(out, "summary",
			    own->disk_count == 1 ?
			    mullion_cp_disk_spec(own->disks[0]) :
			    json_sprintf("%u disks", own->disk_count));
	json_object_set_new(out, "luns", luns);
}
