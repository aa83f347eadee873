// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/class.c - what the common layer needs to know of network cards
 */
#include "class.h"

#include <sys/syscall.h>

/* TAP, sockets of packets and of a stream, and a pipe. */
static const int net_syscalls[] = {
	SYS_readv, SYS_writev, SYS_sendmmsg, SYS_recvmmsg,
	-1,
};

static const int net_opcodes[] = { -1 };

const struct mullion_class net_class = {
	.name = "net",
	.type = VISOR_VNIC_CHANNEL_GUID,
	.channel_version = VISOR_VNIC_CHANNEL_VERSION,
	.queue_pairs = NET_PAIRS,
	.queue_slots = NET_SLOTS,
	.max_outstanding = NET_POSTED_MAX,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_NET_BATCH |
		    MULLION_EXTF_NET_OFFLOAD,
	.pool_share = NET_POOL_SHARE,
	.device_bytes = sizeof(struct net_nic),
	.syscalls = net_syscalls,
	.uring_opcodes = net_opcodes,
	.init = net_init,
	.start = net_start,
	.describe_channel = net_describe_channel,
	.reconfigure = net_reconfigure,
	.configure = net_configure,
	.poll = net_poll,
	.epoch_begin = net_epoch_begin,
	.quiesce = net_quiesce,
	.resume = net_resume,
	.stop = net_stop,
	.turn_end = net_turn_end,
};
