/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/scsi_limits.h - what VPD page B0h promises and handlers enforce
 */
#ifndef MULLION_DISK_SCSI_LIMITS_H
#define MULLION_DISK_SCSI_LIMITS_H

#define SCSI_UNMAP_BLOCKS_MAX		(8U << 20)	/* 4 GiB */
#define SCSI_UNMAP_DESCRIPTORS_MAX	256
#define SCSI_WRITE_SAME_BLOCKS_MAX	(2U << 20)	/* 1 GiB */
/* Physical blocks are of 4 KiB: what page caches and file systems use. */
#define SCSI_PHYSICAL_EXPONENT		3
#define SCSI_OPTIMAL_GRANULARITY	8		/* blocks */

#endif /* MULLION_DISK_SCSI_LIMITS_H */
