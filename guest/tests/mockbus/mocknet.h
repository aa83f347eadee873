/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mocknet.h - what the two files of the mock network service share
 */
#ifndef MULLION_MOCKNET_H
#define MULLION_MOCKNET_H

#include "mockbus.h"

#define MOCK_NET_BUFFERS	1024U
#define MOCK_NET_SPAR_BUFFERS	64U

struct mock_buffer {
	u64 cookie;
	u64 address;
	u32 length;
};

struct mock_net_queue {
	struct mock_buffer buffers[MOCK_NET_BUFFERS];
	u32 posted;
	bool used;
	struct mullion_io_slot rcv;	/* being filled */
	u32 rcv_count;
	u64 done[MULLION_NET_DONE_MAX];
	u32 done_count;
};

struct mock_net {
	struct mock_net_queue q[MOCK_PAIRS];
	bool enabled;
	bool late;		/* a disable waits for its answer */
	u64 late_context;
	u32 takes;
	u8 mac[ETH_ALEN];
	bool locked;
	u32 mute;
	u32 dropped;
};

bool mock_net_pop(struct mock *m, unsigned int pair, struct mock_buffer *buffer);
void mock_net_begin(struct mock *m, struct mullion_io_slot *s, u32 type);
void mock_net_bad(struct mock *m, unsigned int pair,
		  const struct mullion_io_slot *truth);

static inline bool mock_net_batch(const struct mock *m)
{
	return m->features & MULLION_EXTF_NET_BATCH;
}

#endif /* MULLION_MOCKNET_H */
