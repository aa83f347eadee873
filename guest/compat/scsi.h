/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat/scsi.h - SCSI layer interfaces that changed between kernel versions
 */
#ifndef MULLION_COMPAT_SCSI_H
#define MULLION_COMPAT_SCSI_H

#include <linux/version.h>
#include <scsi/scsi_host.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* eh_timed_out returned the block layer's answers until 6.1. */
#define scsi_timeout_action	blk_eh_timer_return
#define SCSI_EH_RESET_TIMER	BLK_EH_RESET_TIMER
#define SCSI_EH_NOT_HANDLED	BLK_EH_DONE
#endif

#endif /* MULLION_COMPAT_SCSI_H */
