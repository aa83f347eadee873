/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * compat/net.h - network interfaces that changed between kernel versions
 */
#ifndef MULLION_COMPAT_NET_H
#define MULLION_COMPAT_NET_H

#include <linux/netdevice.h>
#include <linux/version.h>
#include <net/xdp.h>

#include "compat.h"

/* A received UDP_L4 frame can be segmented again since 6.2. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 2, 0)
#define COMPAT_RX_USO	1
#else
#define COMPAT_RX_USO	0
#endif

/* A driver tells what it can do for XDP since 6.3. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 3, 0)
#define compat_xdp_features(netdev) \
	((netdev)->xdp_features = NETDEV_XDP_ACT_BASIC | NETDEV_XDP_ACT_REDIRECT)
#else
#define compat_xdp_features(netdev) do { } while (0)
#endif

#endif /* MULLION_COMPAT_NET_H */
