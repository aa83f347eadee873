/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/class.h - the members of the disk class (struct mullion_class)
 */
#ifndef MULLION_DISK_CLASS_H
#define MULLION_DISK_CLASS_H

#include "disk.h"

int disk_start(struct mullion_device *mdev, const void *data, size_t bytes,
	       int *fds, int *fence_fds, size_t fd_count, bool adopt);
void disk_describe_channel(struct mullion_device *mdev,
			   struct visor_io_channel *fixed);
int disk_reconfigure(struct mullion_device *mdev, const void *data,
		     size_t bytes, int *fds, int *fence_fds, size_t fd_count);
void disk_request(struct mullion_request *request);
void disk_epoch_begin(struct mullion_device *mdev, bool fresh);
void disk_quiesce(struct mullion_device *mdev);
void disk_resume(struct mullion_device *mdev);
void disk_stop(struct mullion_device *mdev);

#endif /* MULLION_DISK_CLASS_H */
