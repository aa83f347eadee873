// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/window_disk.c - the disk class, with a file in memory and a null disk */
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../service/disk/class.h"
#include "window_class.h"

#define IMAGE_BYTES	(256 << 10)
#define LUNS		2

static int window_disk_init(void)
{
	return 0;
}

static const int nothing[] = { -1 };

static const struct mullion_class window_disk = {
	.name = "disk",
	.type = VISOR_VHBA_CHANNEL_GUID,
	.channel_version = VISOR_VHBA_CHANNEL_VERSION,
	.queue_pairs = 1,
	.queue_slots = 64,
	.max_outstanding = 32,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE |
		    MULLION_EXTF_DISK_NOTIFY,
	.pool_share = 1 << 20,
	.device_bytes = sizeof(struct disk_device),
	.syscalls = nothing,
	.uring_opcodes = nothing,
	.init = window_disk_init,
	.start = disk_start,
	.describe_channel = disk_describe_channel,
	.reconfigure = disk_reconfigure,
	.request = disk_request,
	.epoch_begin = disk_epoch_begin,
	.quiesce = disk_quiesce,
	.resume = disk_resume,
	.stop = disk_stop,
	.turn_end = disk_turn_end,
};

static const void *window_disk_config(size_t *bytes, int *fd)
{
	static uint8_t memory[sizeof(struct mullion_disk_config) +
			      LUNS * sizeof(struct mullion_disk_lun)];
	struct mullion_disk_config *config = (void *)memory;

	config->version = MULLION_DISK_CONFIG_VERSION;
	config->lun_count = LUNS;
	config->lun_bytes = sizeof(config->luns[0]);
	for (unsigned int i = 0; i < LUNS; i++) {
		struct mullion_disk_lun *lun = &config->luns[i];

		lun->lun = i;
		lun->store = i ? MULLION_STORE_NULL : MULLION_STORE_FILE;
		lun->cache = MULLION_CACHE_WRITEBACK;
		lun->block_size = 512;
		lun->bytes = i ? 1ULL << 40 : 0;
		memset(&lun->uuid, (int)i + 1, sizeof(guid_t));
	}
	*bytes = sizeof(memory);
	*fd = memfd_create("image", MFD_CLOEXEC);
	if (*fd >= 0 && ftruncate(*fd, IMAGE_BYTES) < 0) {
		close(*fd);
		*fd = -1;
	}
	return config;
}

const struct window_class window_class = {
	.class = &window_disk,
	.window_bytes = 4 << 20,
	.config = window_disk_config,
	.request = window_scsi_request,
	.served = window_scsi_served,
};
