/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/net_peer.h - a client of a network card, message by message
 *
 * What a driver would never do can be done too.  Speaks s-Par's messages and
 * batches, as was agreed at attach.
 */
#ifndef MULLION_TESTS_NET_PEER_H
#define MULLION_TESTS_NET_PEER_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/net.h"
#include "../../channel/attach.h"
#include "../../channel/signal_queue.h"

#define NET_PEER_PAIRS	4
#define NET_PEER_EVENTS	1024

#define NET_PEER_SPAR	(MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT | \
			 MULLION_EXTF_WINDOW_ADDR)
#define NET_PEER_BATCH	(NET_PEER_SPAR | MULLION_EXTF_NET_BATCH | \
			 MULLION_EXTF_NET_OFFLOAD)

/* One frame, cookie or control message that came; in the order of each pair. */
struct net_event {
	uint32_t type;
	unsigned int pair;
	uint64_t cookie;		/* of the first buffer; context */
	uint32_t bytes;			/* of the frame */
	uint32_t result;		/* XMIT_DONE: failed; ENBDIS_ACK and STATUS: enable */
	uint32_t dropped;
	uint64_t unique;		/* s-Par: what the first buffer was posted with */
	unsigned int buffers;
	uint64_t cookies[MULLION_NET_CHAIN_MAX];
	uint32_t lengths[MULLION_NET_CHAIN_MAX];
	struct mullion_net_entry entry;	/* first one */
	uint8_t mac[6];
};

struct net_peer {
	uint8_t *channel;
	uint64_t channel_bytes;
	uint8_t *pool;
	struct mullion_attach attach;
	struct mullion_sq cmd[NET_PEER_PAIRS];
	struct mullion_sq rsp[NET_PEER_PAIRS];
	bool batch;
	bool plain;			/* without the extension */
	uint64_t unique;		/* s-Par: to post with */
	bool rang;			/* a message for which a doorbell was wanted */
	unsigned int events;
	struct net_event event[NET_PEER_EVENTS];
};

void net_peer_init(struct net_peer *peer, void *channel, uint64_t channel_bytes,
		   void *pool);
/* Ask for an attach; then, when the service had a turn, see that it came. */
/* Of a channel that is served already: no extension, no epochs, polled, pair 0. */
void net_peer_plain(struct net_peer *peer, void *channel, uint64_t channel_bytes,
		    void *pool);
void net_peer_raise(struct net_peer *peer, uint64_t features);
bool net_peer_attached(struct net_peer *peer);

/* The next slot of a command ring, zeroed but for the epoch; NULL if it is full. */
struct mullion_io_slot *net_peer_slot(struct net_peer *peer, unsigned int pair);
void net_peer_send(struct net_peer *peer, unsigned int pair);

/* @count buffers of @bytes from @offset of the pool on, cookies from @cookie on. */
void net_peer_post(struct net_peer *peer, unsigned int pair, uint64_t cookie,
		   unsigned int count, uint64_t offset, uint32_t bytes);
/* A frame of one piece; false if the ring is full. */
bool net_peer_xmit(struct net_peer *peer, unsigned int pair, uint64_t cookie,
		   uint64_t offset, uint32_t bytes);
/* A frame of entries as they are. */
void net_peer_xmit_entries(struct net_peer *peer, unsigned int pair,
			   const struct mullion_net_entry *entries, unsigned int count);
void net_peer_enable(struct net_peer *peer, bool enable, uint64_t context);
void net_peer_control(struct net_peer *peer, uint32_t type, uint64_t context,
		      uint16_t enable);
/* Take all responses: they are appended to the events. */
void net_peer_take(struct net_peer *peer);
void net_peer_forget(struct net_peer *peer);
/* How many events there are of a type. */
unsigned int net_peer_count(const struct net_peer *peer, uint32_t type);
/* The @number-th event of a type, or NULL. */
const struct net_event *net_peer_event(const struct net_peer *peer, uint32_t type,
				       unsigned int number);

#endif /* MULLION_TESTS_NET_PEER_H */
