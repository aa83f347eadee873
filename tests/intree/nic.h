/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/nic.h - visornic, and the network above it
 */
#ifndef INTREE_NIC_H
#define INTREE_NIC_H

#include "guest.h"

#define NIC_BUFFERS	4096
#define NIC_XMITS	64
#define NIC_FRAMES	256
#define NIC_FRAME_MOST	(MAX_NET_RCV_CHAIN * RCVPOST_BUF_SIZE)

struct nic_buffer {
	uint64_t cookie;		/* 0: not posted */
	struct ram_piece memory;
};

struct nic_xmit {
	uint64_t cookie;		/* 0: not under way */
	struct ram_list data;
};

struct nic_frame {
	uint32_t bytes;
	uint8_t data[NIC_FRAME_MOST];
};

struct nic {
	struct device *device;
	struct channel *channel;
	pthread_mutex_t lock;
	pthread_t thread;
	uint8_t mac[6];
	uint32_t buffer_count;
	uint32_t mtu;
	uint32_t xmit_most;
	uint64_t unique;
	uint64_t next_cookie;
	bool polling;			/* the timer runs */
	bool open;
	bool enabled;			/* the enable was acknowledged */
	bool down;			/* in standby */
	bool link;
	bool promiscuous;
	uint64_t context;		/* of the enable or disable under way, or 0 */
	uint16_t wanted;		/* its value */
	bool resuming;			/* the enable is that of a resume */
	bool quiet;			/* a disable was acknowledged: nothing may come */
	unsigned int pauses;		/* each ends what open or close waits for */
	struct nic_buffer buffers[NIC_BUFFERS];
	struct nic_xmit xmits[NIC_XMITS];
	unsigned int xmit_count;
	bool xmit_failed;		/* the one that was done last */
	struct nic_frame arriving;
	struct nic_frame *frames;	/* ring of what was received */
	unsigned int frame_first;
	unsigned int frame_count;
	unsigned long received;
	unsigned long sent;
};

/* The interface goes up and down; 0 or -ETIMEDOUT. */
int nic_open(struct nic *nic);
int nic_close(struct nic *nic);
void nic_promiscuous(struct nic *nic, bool on);
/* In @pieces fragments, page by page.  0; -EBUSY when it would be dropped. */
int nic_send(struct nic *nic, const void *frame, uint32_t bytes, unsigned int pieces);
/* Takes the oldest frame; its length, or 0. */
uint32_t nic_receive(struct nic *nic, void *frame);

/* nic_rx.c, for nic.c: messages of the service */
void nic_drain(struct nic *nic);
/* Posts a new buffer; with the lock. */
void nic_post(struct nic *nic);
void nic_buffers_drop(struct nic *nic);
void nic_xmits_drop(struct nic *nic);
int nic_put(struct nic *nic, struct uiscmdrsp *signal);

/* nic_traffic.c */

/* Frames of all sizes between two interfaces of one network, each way. */
int nic_traffic(struct nic *from, struct nic *to, unsigned int rounds);
/* Multicast, broadcast, foreign unicast, promiscuous. */
int nic_filter(struct nic *from, struct nic *to);
/* Down and up again, with traffic in between. */
int nic_cycle(struct nic *from, struct nic *to, unsigned int rounds);
/* An ARP request to @address, which somebody must answer. */
int nic_arp(struct nic *nic, uint32_t address);
/* nic_bad.c: messages that cannot be; the interface works afterwards. */
int nic_bad(struct nic *nic, struct nic *peer);
/* A frame from memory that the file has lost; nobody need answer. */
int nic_lost(struct nic *nic, uint64_t gpa);

/* Traffic, with interfaces that go down and up, until nic_stop(). */
int nic_start(struct nic *a, struct nic *b);
int nic_stop(void);

#endif /* INTREE_NIC_H */
