/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/class.h - the members of the network class (struct mullion_class)
 */
#ifndef MULLION_NET_CLASS_H
#define MULLION_NET_CLASS_H

#include "net.h"

extern const struct mullion_class net_class;

int net_start(struct mullion_device *device, const void *config, size_t bytes,
	      int *fds, int *fence_fds, size_t fd_count, bool adopt);
void net_describe_channel(struct mullion_device *device, struct visor_io_channel *fixed);
int net_reconfigure(struct mullion_device *device, const void *config, size_t bytes,
		    int *fds, int *fence_fds, size_t fd_count);
void net_epoch_begin(struct mullion_device *device, bool fresh);
void net_quiesce(struct mullion_device *device);
void net_resume(struct mullion_device *device);
void net_stop(struct mullion_device *device);

#endif /* MULLION_NET_CLASS_H */
