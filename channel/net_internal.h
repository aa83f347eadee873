/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/net_internal.h - a process guest's NIC: the object
 *
 * Shared by net.c (life cycle, settings), net_io.c (frames) and net_control.c
 * (control messages).
 */
#ifndef MULLION_CHANNEL_NET_INTERNAL_H
#define MULLION_CHANNEL_NET_INTERNAL_H

#include "client.h"
#include "net.h"

/* Whose a buffer is; one that is posted: NIC_POSTED + its queue pair. */
enum nic_state {
	NIC_FREE,
	NIC_CALLER,
	NIC_SENT,		/* the first piece of a frame on its way */
	NIC_SENT_MORE,		/* one of the others */
	NIC_POSTED,
};

/* Control messages that are to be sent, in this order. */
#define NIC_WANT_OFFLOADS	(1U << 0)
#define NIC_WANT_PROMISCUOUS	(1U << 1)
#define NIC_WANT_MAC		(1U << 2)
#define NIC_WANT_ENABLE		(1U << 3)

struct nic_pair {
	uint32_t posted;
	struct mullion_net_batch *open;	/* XMIT that has room, not yet shown */
	unsigned int open_count;
};

struct mullion_net {
	struct mullion_client client;	/* first: one is found by the other */

	uint8_t *area;			/* of all buffers */
	uint64_t offset;		/* of it, in the pool */
	uint32_t stride;
	uint32_t buffer_bytes;
	uint32_t buffers;
	uint32_t target;		/* posted per pair when all goes well */
	uint32_t posted;		/* of all pairs */
	uint8_t *state;			/* enum nic_state, by buffer */
	uint32_t *chain;		/* the frame's next buffer, of those sent */
	uint32_t *free;
	uint32_t free_count;
	struct nic_pair pair[MULLION_QUEUE_PAIRS_MAX];
	unsigned int first_pair;	/* reaped first, in turn */

	/* Where reap() puts frames: the caller's, or what is kept for later. */
	struct mullion_net_piece *out;
	unsigned int out_count;
	unsigned int out_room;
	struct mullion_net_piece *backlog;	/* a ring */
	uint32_t backlog_mask;
	uint32_t backlog_head;			/* runs freely, as tail does */
	uint32_t backlog_tail;

	uint32_t wanted;		/* NIC_WANT_* */
	uint32_t offloads;		/* that we take */
	uint32_t offloads_told;		/* and all that we took in this epoch */
	bool can_offload;
	bool promiscuous;
	bool enabled;			/* and acknowledged */
	bool link;
	bool own_mac;			/* asked for @mac_wanted, and got it */
	uint8_t mac[6];
	uint8_t mac_wanted[6];
	uint32_t mtu;
	unsigned int changes;
	uint64_t generations_seen;
	struct mullion_net_statistics statistics;
};

static inline struct mullion_net *nic_of(struct mullion_client *client)
{
	return (struct mullion_net *)client;
}

/* net.c: the class's callbacks (client.h) */
int nic_begin(struct mullion_client *client);
bool nic_push(struct mullion_client *client);

/* net_io.c */
int nic_io_reap(struct mullion_client *client);
/* All that was posted or sent in the last epoch is free again. */
void nic_io_forget(struct mullion_net *nic);
/* Post what may be posted; true if something waits for room. */
bool nic_io_post(struct mullion_net *nic);
/* The XMIT that is being filled takes no more: it will be shown. */
static inline void nic_io_close(struct mullion_net *nic, unsigned int pair)
{
	nic->pair[pair].open = NULL;
}

/* net_control.c */

/* Send what is wanted; true if something waits for room. */
bool nic_control_push(struct mullion_net *nic);
/* A message that is no frames; negative errno: a fault. */
int nic_control_message(struct mullion_net *nic, const struct mullion_io_slot *slot,
			uint32_t type);
/* A fresh look at the channel's fixed part. */
void nic_control_read_fixed(struct mullion_net *nic,
			    const struct iochannel_vnic *vnic);

#endif /* MULLION_CHANNEL_NET_INTERNAL_H */
