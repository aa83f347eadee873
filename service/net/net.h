/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/net.h - the switch: ports, network cards, the uplink
 *
 * Private to service/net.  One network per process, one thread, so the switch
 * is a global; packet, fdb, filter, limit, offload, pcap and uplink know
 * nothing of it.
 */
#ifndef MULLION_NET_NET_H
#define MULLION_NET_NET_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "../../abi/net.h"
#include "../common/loop.h"
#include "../common/queue.h"
#include "fdb.h"
#include "filter.h"
#include "limit.h"
#include "offload.h"
#include "packet.h"
#include "pcap.h"
#include "uplink.h"

#define NET_PAIRS		4
#define NET_SLOTS		128
#define NET_POSTED_MAX		1024	/* receive buffers of a pair */
#define NET_POOL_SHARE		(6ULL << 20)
#define NET_SPAR_BUFFERS	64	/* that an s-Par guest posts */
#define NET_BUFFER_MIN		64
#define NET_BUFFER_MAX		65536
/* Addresses that a port remembers beside the table; a power of two. */
#define NET_KNOWN		16
/* Slots of a response ring that frames leave free for answers. */
#define NET_RESERVE		8

/* An address in a VLAN, and what is known of it: see forward.c. */
struct net_known {
	uint64_t key;
	struct net_port *port;
};

/* Anything that frames come from and go to: a card or the uplink. */
struct net_port {
	struct mullion_fdb_port fdb;	/* first: the table names ports by it */
	struct net_nic *nic;		/* NULL: the uplink */
	struct net_port *next;
	bool open;			/* frames can be delivered */
	bool plain;			/* no trunk, no lock, no rate: forward.c */
	uint64_t version;		/* of the two caches */
	struct net_known sources[NET_KNOWN];
	struct net_known targets[NET_KNOWN];
	struct mullion_limit flood;
	struct mullion_filter filter;
};

/* A receive buffer: memory of the client's pool. */
struct net_buffer {
	uint8_t *base;
	uint64_t cookie;
	uint32_t bytes;
};

/*
 * One queue pair.  What is to be said with batches is collected here and goes
 * into the ring when a batch is full and at the end of the turn.
 */
struct net_queue {
	struct mullion_queue *ring;
	struct net_nic *nic;
	struct net_queue *dirty_next;
	bool dirty;			/* in net.dirty */
	bool used;			/* was posted to in this epoch */
	uint32_t outdated;		/* messages to come, whose posts do not count: control.c */
	uint32_t posted;		/* of buffers[]; used from the end */
	uint32_t dropped;		/* frames, not told yet */
	uint32_t received;		/* of entries[] */
	uint32_t done;			/* of cookies[] */
	uint32_t taken;			/* of frames[], of a batch under way: take.c */
	uint32_t frame_count;
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX];
	uint64_t cookies[MULLION_NET_DONE_MAX];
	struct mullion_net_entry frames[MULLION_NET_BATCH_MAX];
	struct net_buffer buffers[NET_POSTED_MAX];
	uint64_t unique[NET_POSTED_MAX];	/* s-Par: what each was posted with */
};

/* A client's network card: the class's private part of a device. */
struct net_nic {
	struct net_port port;
	struct mullion_device *device;
	const struct mullion_memory *memory;
	struct mullion_net_port_state *state;	/* what the command partition sees */
	struct mullion_net_counters *counters;	/* of it */
	bool serving;
	bool enabled;			/* by the client */
	bool link_up;
	bool promiscuous;
	bool batch;			/* MULLION_EXTF_NET_BATCH */
	bool offload;			/* MULLION_EXTF_NET_OFFLOAD */
	bool slot_ext;
	bool disabling;			/* a disable is not acknowledged yet */
	bool tell_link;			/* messages that wait for room */
	bool tell_mac;
	uint32_t mtu;			/* of the port; what is larger does not go to it */
	uint32_t epoch;			/* low 32 bits */
	uint32_t takes;			/* MULLION_NET_RX_* */
	uint32_t owed;			/* s-Par: buffers returned, not posted again */
	bool unseen;			/* s-Par: the answer to the last disable, maybe */
	uint64_t context;		/* of the disable */
	uint64_t settled;		/* s-Par: it is not answered before, */
	uint64_t deadline;		/* but then, */
	uint64_t owed_until;		/* or, its ring being empty, then; 0: it was not yet */
	uint32_t read_tail;		/* s-Par: what the client had read of its ring, */
	uint64_t unread_until;		/* and till when it has to go on; 0: it is empty */
	struct mullion_loop_timer timer;
	unsigned int pairs_used;
	struct net_queue *used[NET_PAIRS];
	struct mullion_limit rate;	/* bytes from the client */
	struct mullion_limit rate_to;	/* bytes to it */
	struct mullion_net_port config;
	struct net_queue queues[NET_PAIRS];
};

struct net_switch {
	struct mullion_fdb *fdb;
	struct net_port *ports;
	struct net_queue *dirty;
	/*
	 * Raised when something changes that ports remember: ports that come,
	 * go or are configured, addresses that move; and every second.  Not by
	 * what a client can do as often as it likes.
	 */
	uint64_t version;
	uint64_t moved;			/* when it was raised for an address */
	uint64_t now;			/* nanoseconds, of this turn; 0: not asked yet */
	uint64_t work;			/* deliveries so far, large ones count more */
	struct mullion_net_config config;
	struct net_port uplink_port;
	struct mullion_uplink *uplink;
	struct mullion_pcap *mirror;
	struct mullion_net_uplink_counters *counters;
};

extern struct net_switch net;

/* Nanoseconds, monotonic, as of this turn. */
static inline uint64_t net_now(void)
{
	if (!net.now)
		net.now = mullion_loop_now();
	return net.now;
}

static inline uint32_t net_seconds(void)
{
	return (uint32_t)(net_now() / 1000000000ULL);
}

/* ---- network.c: the switch as a whole, uplink, mirror ---------------------- */

int net_init(void);
int net_configure(const void *config, size_t bytes, int *fds, size_t fd_count);
void net_turn_end(void);
void net_port_add(struct net_port *port);
void net_port_remove(struct net_port *port);
/* A frame that the mirror gets to see. */
void net_mirror_frame(const struct mullion_frame *frame);
bool net_mirror_wants(const struct net_port *port);

/* ---- nic.c: cards, as devices ------------------------------------------------ */

/* After a change of what that depends on: can frames be delivered? */
void net_nic_update(struct net_nic *nic);
/* Another address, if it may have that. */
void net_nic_set_mac(struct net_nic *nic, const uint8_t *mac);
/* The answer is not to be waited for: its index is out of range. */
void net_nic_fault(struct net_nic *nic);

/* ---- take.c: what clients send ----------------------------------------------- */

unsigned int net_poll(struct mullion_device *device);

/* ---- control.c: enable and disable, link, addresses ----------------------------- */

/* A message of queue pair 0 that is neither a frame nor a buffer. */
void net_control_message(struct net_nic *nic, uint32_t type,
			 const struct mullion_io_slot *slot);
/* Is the message one of those? */
bool net_control_knows(uint32_t type);
/*
 * Is what an s-Par client sends from before a disable that was answered?  To be
 * asked after the message was found.
 */
bool net_control_is_outdated(struct net_nic *nic);
/* Go on with a disable and with what found no room; returns work done. */
unsigned int net_control_poll(struct net_nic *nic);
/* Acknowledge a disable now, whatever it waits for. */
void net_control_finish_disable(struct net_nic *nic);

/* ---- deliver.c: into clients' buffers --------------------------------------------- */

/* The frame as it is; packet.hash is looked at where more than one pair is used. */
void net_deliver(struct net_nic *nic, const struct mullion_frame *frame);
/* The frame as @nic takes it: summed, cut. */
void net_deliver_offload(struct net_nic *nic, const struct mullion_frame *frame);
/* Put into the ring what was collected. */
void net_flush(struct net_queue *q);
/* All buffers are the client's again. */
void net_withdraw(struct net_nic *nic);

/*
 * Are there @want free slots for something new in the response ring?  What was
 * collected has its slots already.
 */
static inline bool net_room(struct net_queue *q, unsigned int want)
{
	int free;

	want += (q->received != 0) + (q->done != 0);
	if (__builtin_expect(mullion_queue_room(q->ring) >= want, 1))
		return true;
	free = mullion_sq_space(&q->ring->rsp);
	if (free < 0) {
		net_nic_fault(q->nic);
		return false;
	}
	return free >= (int)want;
}

/* A few bytes, without a call. */
static inline void net_copy_short(void *to, const void *from, uint32_t bytes)
{
	const uint8_t *f = from;
	uint8_t *t = to;
	uint32_t i = 0;

	if (bytes < 32) {
		memcpy(t, f, bytes);
		return;
	}
	for (; i + 32 < bytes; i += 32)
		memcpy(t + i, f + i, 32);
	/* The rest, and some of what went before. */
	memcpy(t + bytes - 32, f + bytes - 32, 32);
}

/* What a delivery of so many bytes costs; one of a small frame is 1. */
static inline uint32_t net_cost(uint64_t bytes)
{
	return 1 + (uint32_t)(bytes >> 11);
}

/* It has something to be flushed at the end of the turn. */
static inline void net_dirty(struct net_queue *q)
{
	if (q->dirty)
		return;
	q->dirty = true;
	q->dirty_next = net.dirty;
	net.dirty = q;
}

/* ---- forward.c: from port to port --------------------------------------------------- */

/*
 * A frame from a client: head, head_bytes and bytes of its packet and its body
 * are set, the rest is found out where it matters.
 *
 * Return: false if it is malformed.
 */
bool net_forward(struct net_port *from, struct mullion_frame *frame);
/* The same with everything set and checked. */
void net_forward_checked(struct net_port *from, const struct mullion_frame *frame);

#endif /* MULLION_NET_NET_H */
