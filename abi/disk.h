/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/disk.h - what the disk service is told of a device's logical units
 *
 * The class part of a DEVICE_CREATE(server) and DEVICE_RECONFIGURE(server)
 * payload for channel type vHBA; registered in abi/mullion.md, "Disk".
 */
#ifndef MULLION_ABI_DISK_H
#define MULLION_ABI_DISK_H

#include "types.h"

#define MULLION_DISK_CONFIG_VERSION	1
#define MULLION_DISK_LUNS_MAX		64

/* mullion_disk_lun.store */
#define MULLION_STORE_FILE	1	/* regular file or block device */
#define MULLION_STORE_NBD	2	/* connected socket, newstyle not yet spoken */
#define MULLION_STORE_NULL	3	/* reads zeroes, drops writes; no descriptor */

/* mullion_disk_lun.cache */
#define MULLION_CACHE_WRITEBACK		1	/* WCE = 1; flushed on request */
#define MULLION_CACHE_WRITETHROUGH	2	/* WCE = 0; stable before status */
#define MULLION_CACHE_NONE		3	/* WCE = 1; host page cache bypassed */

/* mullion_disk_lun.flags */
#define MULLION_DISK_READ_ONLY	(1U << 0)
#define MULLION_DISK_SHARED	(1U << 1)	/* several devices may name this disk */

struct mullion_disk_lun {
	__u32 id;		/* SCSI target */
	__u32 lun;
	__u32 store;
	__u32 cache;
	__u32 flags;
	__u32 block_size;	/* bytes; 512 */
	__u64 bytes;		/* of a null store; 0 = ask the store */
	guid_t uuid;		/* names the disk: same value, same disk */
	__u8 serial[32];	/* ASCII, zero-padded */
	__u8 export[256];	/* NBD export name, NUL-terminated */
} MULLION_PACKED;

struct mullion_disk_config {
	__u32 version;
	__u32 lun_count;
	__u32 lun_bytes;	/* of one entry */
	__u32 reserved;
	struct mullion_disk_lun luns[];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_disk_lun, 336);
MULLION_ABI_SIZE(struct mullion_disk_config, 16);

#endif /* MULLION_ABI_DISK_H */
