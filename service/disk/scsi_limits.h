/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/scsi_limits.h - what VPD page B0h promises and handlers enforce
 */
#ifndef MULLION_DISK_SCSI_LIMITS_H
#define MULLION_DISK_SCSI_LIMITS_H

#define SCSI_UNMAP_BLOCKS_MAX		(1U << 20)	/* 512 MiB */
#define SCSI_UNMAP_DESCRIPTORS_MAX	256
#define SCSI_WRITE_SAME_BLOCKS_MAX	65535
#define SCSI_VERIFY_BLOCKS_MAX		(1U << 20)
/* More would be right for some stores, and wrong for what guests assume of it. */
#define SCSI_PHYSICAL_EXPONENT		0
#define SCSI_OPTIMAL_GRANULARITY	8		/* blocks */

#endif /* MULLION_DISK_SCSI_LIMITS_H */
