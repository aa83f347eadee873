// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/disk.c - a device: one guest's host adapter and its disks
 *
 * Theory of operation
 *
 * A device has a list of logical units from its configuration, which may be
 * replaced while it runs: units are added and removed, the rest stays.  A unit
 * can be addressed once its disk is open (object.c); at start the device waits
 * for all of them, later each joins when it is ready and the guest is told.
 *
 * A removed unit cannot be addressed any more; its last command takes it away.
 *
 * Quiescing needs no bookkeeping of its own: the device counts the commands
 * that are not answered, and has quiesced when there are none.
 *
 * Failure behaviour: a start fails as a whole, with a line in the log for the
 * unit that was at fault.  In a reconfiguration a unit that cannot be opened
 * at once makes it fail and leaves the others as they are; one that fails
 * later is logged and absent.
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>

#include "../common/log.h"
#include "disk.h"
#include "class.h"

/* ---- configuration ----------------------------------------------------- */

static bool config_serial_ok(const struct mullion_disk_lun *entry)
{
	size_t i, n = strnlen((const char *)entry->serial, sizeof(entry->serial));

	for (i = 0; i < n; i++)
		if (entry->serial[i] < 0x20 || entry->serial[i] > 0x7e)
			return false;
	return true;
}

static const char *config_fault(const struct mullion_disk_lun *entry)
{
	if (entry->id >= DISK_ID_MAX || entry->lun >= DISK_LUN_MAX)
		return "target or logical unit number out of range";
	if (entry->store < MULLION_STORE_FILE ||
	    entry->store > MULLION_STORE_NULL)
		return "unknown kind of store";
	if (entry->cache < MULLION_CACHE_WRITEBACK ||
	    entry->cache > MULLION_CACHE_NONE)
		return "unknown cache mode";
	if (entry->flags & ~(MULLION_DISK_READ_ONLY | MULLION_DISK_SHARED))
		return "unknown flag";
	if (entry->block_size != DISK_BLOCK_BYTES)
		return "block size is not 512";
	if (!config_serial_ok(entry))
		return "serial number is not printable ASCII";
	if (!memchr(entry->export, 0, sizeof(entry->export)))
		return "export name is too long";
	if (entry->store == MULLION_STORE_NULL &&
	    (!entry->bytes || entry->bytes > INT64_MAX))
		return "null store without a size";
	return NULL;
}

static bool config_same(const struct mullion_disk_lun *a,
			const struct mullion_disk_lun *b)
{
	return (a->id == b->id && a->lun == b->lun) ||
	       !memcmp(&a->uuid, &b->uuid, sizeof(a->uuid));
}

/* Check a configuration; the number of entries or a negative errno. */
static int config_check(struct mullion_device *device, const void *data,
			size_t bytes, size_t fd_count)
{
	const struct mullion_disk_config *config = data;
	const char *fault = NULL;
	uint32_t i, j;

	if (bytes < sizeof(*config) ||
	    config->version != MULLION_DISK_CONFIG_VERSION ||
	    config->lun_bytes != sizeof(struct mullion_disk_lun) ||
	    config->reserved ||
	    config->lun_count > MULLION_DISK_LUNS_MAX ||
	    config->lun_count * sizeof(struct mullion_disk_lun) !=
	    bytes - sizeof(*config) || config->lun_count > fd_count)
		fault = "malformed configuration";
	for (i = 0; !fault && i < config->lun_count; i++) {
		fault = config_fault(&config->luns[i]);
		for (j = 0; !fault && j < i; j++)
			if (config_same(&config->luns[i], &config->luns[j]))
				fault = "two entries for one disk or one address";
	}
	if (!fault)
		return (int)config->lun_count;
	mullion_log(LOG_ERR, mullion_device_name(device),
		    "configuration refused: %s", fault);
	return -EINVAL;
}

/* ---- logical units ----------------------------------------------------- */

struct lun *disk_lun_find(struct disk_device *device, uint32_t id,
			  uint32_t lun)
{
	struct lun *last = device->last;
	uint8_t index;

	if (last && last->id == id && last->lun == lun)
		return last;
	if (id >= DISK_ID_MAX || lun >= DISK_LUN_MAX)
		return NULL;
	index = device->map[id][lun];
	if (!index)
		return NULL;
	device->last = device->luns[index - 1];
	return device->last;
}

static void lun_show(struct lun *lun)
{
	struct disk_device *device = lun->device;
	uint8_t i;

	for (i = 0; device->luns[i] != lun;)
		i++;
	device->map[lun->id][lun->lun] = (uint8_t)(i + 1);
	lun->ready = true;
}

static void lun_free(struct lun *lun, bool forget)
{
	disk_detach(lun, forget);
	free(lun);
}

/* It can no longer be addressed; it goes with its last command. */
static void lun_remove(struct lun *lun, bool forget)
{
	struct disk_device *device = lun->device;
	unsigned int i;

	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++)
		if (device->luns[i] == lun)
			device->luns[i] = NULL;
	if (lun->ready)
		device->map[lun->id][lun->lun] = 0;
	if (device->last == lun)
		device->last = NULL;
	lun->gone = true;
	if (!lun->outstanding)
		lun_free(lun, forget);
}

/* Make a logical unit; 0, or 1 if its disk is still being opened. */
static int lun_add(struct disk_device *device,
		   const struct mullion_disk_lun *entry, int fd, int fence_fd,
		   bool adopt)
{
	struct disk *disk;
	struct lun *lun;
	unsigned int i;
	int opening, error;

	opening = disk_get(entry, fd, fence_fd, adopt, &disk);
	if (opening < 0)
		return opening;
	for (i = 0; device->luns[i];)
		i++;
	error = -ENOMEM;
	lun = calloc(1, sizeof(*lun));
	if (!lun)
		goto put;
	lun->device = device;
	lun->id = (uint8_t)entry->id;
	lun->lun = (uint8_t)entry->lun;
	lun->read_only = entry->flags & MULLION_DISK_READ_ONLY;
	error = disk_attach(disk, lun, &device->uuid);
	if (error)
		goto free_lun;
	device->luns[i] = lun;
	if (!opening)
		lun_show(lun);
	return opening;

free_lun:
	free(lun);
put:
	disk_put(disk, !adopt);
	return error;
}

static void device_clear(struct disk_device *device, bool forget)
{
	unsigned int i;

	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++)
		if (device->luns[i])
			lun_remove(device->luns[i], forget);
}

void disk_opened(struct lun *lun, int error)
{
	struct disk_device *device = lun->device;

	if (!error) {
		lun_show(lun);
	} else {
		mullion_log(LOG_ERR, mullion_device_name(device->device),
			    "logical unit %u:%u has no disk: %s", lun->id,
			    lun->lun, strerror(-error));
	}
	if (!device->starting) {
		if (error)
			lun_remove(lun, true);
		else
			mullion_device_notify_disk(device->device, true,
						   lun->id, lun->lun);
		return;
	}
	if (error) {
		device->start_error = error;
		lun_remove(lun, !device->adopt);
	}
	if (--device->opening)
		return;
	device->starting = false;
	if (device->start_error)
		device_clear(device, !device->adopt);
	mullion_device_started(device->device, device->start_error);
}

/* ---- what is outstanding ----------------------------------------------- */

void disk_command_begun(struct lun *lun)
{
	lun->outstanding++;
	lun->device->outstanding++;
}

void disk_task_ended(struct disk_device *device)
{
	if (--device->outstanding || !device->quiescing)
		return;
	device->quiescing = false;
	mullion_device_quiesced(device->device);
}

void disk_command_ended(struct lun *lun)
{
	struct disk_device *device = lun->device;

	if (!--lun->outstanding && lun->gone)
		lun_free(lun, true);
	disk_task_ended(device);
}

/* ---- the class --------------------------------------------------------- */

static int take(int *fds, size_t i)
{
	int fd = fds ? fds[i] : -1;

	if (fds)
		fds[i] = -1;
	return fd;
}

int disk_start(struct mullion_device *mdev, const void *data, size_t bytes,
	       int *fds, int *fence_fds, size_t fd_count, bool adopt)
{
	struct disk_device *device = mullion_device_private(mdev);
	const struct mullion_disk_config *config = data;
	int count, i, error;

	count = config_check(mdev, data, bytes, fd_count);
	if (count < 0)
		return count;
	device->device = mdev;
	device->adopt = adopt;
	device->uuid = mullion_device_channel_state(mdev)->device;
	for (i = 0; i < count; i++) {
		/* the class part may be unaligned for its packed type's sake */
		struct mullion_disk_lun entry = config->luns[i];

		error = lun_add(device, &entry, take(fds, (size_t)i),
				take(fence_fds, (size_t)i), adopt);
		if (error < 0) {
			device_clear(device, !adopt);
			return error;
		}
		device->opening += (uint32_t)error;
	}
	if (!device->opening)
		return 0;
	device->starting = true;
	return -EINPROGRESS;
}

void disk_describe_channel(struct mullion_device *mdev,
			   struct visor_io_channel *fixed)
{
	fixed->vhba.max = (struct vhba_config_max){
		.max_channel = 1,
		.max_id = DISK_ID_MAX,
		.max_lun = DISK_LUN_MAX,
		.cmd_per_lun = mullion_device_polled(mdev) ? DISK_QUEUE_DEPTH_POLLED :
			       DISK_QUEUE_DEPTH,
		.max_io_size = DISK_MAX_IO_BYTES,
	};
}

static const struct mullion_disk_lun *
config_find(const struct mullion_disk_config *config, const struct lun *lun)
{
	uint32_t i;

	for (i = 0; i < config->lun_count; i++)
		if (config->luns[i].id == lun->id &&
		    config->luns[i].lun == lun->lun &&
		    !memcmp(&config->luns[i].uuid, &lun->disk->uuid,
			    sizeof(lun->disk->uuid)))
			return &config->luns[i];
	return NULL;
}

static bool device_has(struct disk_device *device,
		       const struct mullion_disk_lun *entry)
{
	unsigned int i;

	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++) {
		const struct lun *lun = device->luns[i];

		if (lun && lun->id == entry->id && lun->lun == entry->lun)
			return true;
	}
	return false;
}

/* The remaining units tell the guest to look again. */
static void device_luns_changed(struct disk_device *device)
{
	unsigned int i;

	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++) {
		struct lun *lun = device->luns[i];

		if (!lun || !lun->ready)
			continue;
		lun_nexus(lun)->attention |= ATTENTION_LUNS;
		disk_commit(lun->disk);
	}
}

int disk_reconfigure(struct mullion_device *mdev, const void *data,
		     size_t bytes, int *fds, int *fence_fds, size_t fd_count)
{
	struct disk_device *device = mullion_device_private(mdev);
	const struct mullion_disk_config *config = data;
	int count, i, error = 0;

	count = config_check(mdev, data, bytes, fd_count);
	if (count < 0)
		return count;
	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++) {
		struct lun *lun = device->luns[i];

		if (!lun || config_find(config, lun))
			continue;
		if (lun->ready)
			mullion_device_notify_disk(mdev, false, lun->id,
						   lun->lun);
		lun_remove(lun, true);
	}
	for (i = 0; i < count; i++) {
		struct mullion_disk_lun entry = config->luns[i];

		if (device_has(device, &entry))
			continue;
		error = lun_add(device, &entry, take(fds, (size_t)i),
				take(fence_fds, (size_t)i), false);
		if (error < 0)
			break;
		if (!error)
			mullion_device_notify_disk(mdev, true, entry.id,
						   entry.lun);
	}
	device_luns_changed(device);
	return error < 0 ? error : 0;
}

void disk_request(struct mullion_request *request)
{
	struct disk_device *device = mullion_device_private(request->device);

	switch (request->cmdtype) {
	case CMD_SCSI_TYPE:
		scsi_request(device, request);
		break;
	case CMD_SCSITASKMGMT_TYPE:
		task_request(device, request);
		break;
	default:
		/* nothing else is a request; the layer says so to the guest */
		request->linuxstat = UIS_LINUXSTAT(UIS_HOST_ERROR, 0);
		request->addlstat = ADDL_INTERNAL_ERROR;
		mullion_request_complete(request);
	}
}

void disk_epoch_begin(struct mullion_device *mdev, bool fresh)
{
	struct disk_device *device = mullion_device_private(mdev);
	unsigned int i;

	for (i = 0; fresh && i < MULLION_DISK_LUNS_MAX; i++)
		if (device->luns[i] && device->luns[i]->ready)
			disk_nexus_fresh(device->luns[i]);
}

void disk_quiesce(struct mullion_device *mdev)
{
	struct disk_device *device = mullion_device_private(mdev);

	if (device->outstanding)
		device->quiescing = true;
	else
		mullion_device_quiesced(mdev);
}

void disk_resume(struct mullion_device *mdev)
{
	struct disk_device *device = mullion_device_private(mdev);

	device->quiescing = false;
}

void disk_stop(struct mullion_device *mdev)
{
	device_clear(mullion_device_private(mdev), true);
}
