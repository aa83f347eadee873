// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/main.c - mullion-disk: the disk service
 *
 * One class for the common layer: SCSI host adapters (s-Par's vHBA type).
 */
#include <liburing.h>
#include <sys/syscall.h>

#include "class.h"

/* Slots per ring: more than a guest may have outstanding, so none waits. */
#define DISK_QUEUE_SLOTS	256
#define DISK_OUTSTANDING_MAX	192
#define DISK_POOL_SHARE		(8ULL << 20)

/* Files and block devices; then what libnbd does with its socket. */
static const int disk_syscalls[] = {
	SYS_preadv2, SYS_pwritev2, SYS_fdatasync, SYS_fallocate,
	SYS_fstatfs, SYS_statx,
	SYS_sendto, SYS_getsockopt, SYS_shutdown,
	-1,
};

static const int disk_opcodes[] = {
	IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
	IORING_OP_FALLOCATE,
	-1,
};

static int disk_init(void)
{
	return 0;
}

static const struct mullion_class disk_class = {
	.name = "disk",
	.type = VISOR_VHBA_CHANNEL_GUID,
	.channel_version = VISOR_VHBA_CHANNEL_VERSION,
	.queue_pairs = 1,
	.queue_slots = DISK_QUEUE_SLOTS,
	.max_outstanding = DISK_OUTSTANDING_MAX,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE |
		    MULLION_EXTF_DISK_NOTIFY,
	.pool_share = DISK_POOL_SHARE,
	.device_bytes = sizeof(struct disk_device),
	.syscalls = disk_syscalls,
	.uring_opcodes = disk_opcodes,
	.init = disk_init,
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

int main(int argc, char **argv)
{
	return mullion_service_main(argc, argv, &disk_class);
}
