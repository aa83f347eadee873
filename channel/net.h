/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/net.h - a process guest's NIC driver (user space)
 *
 * Frames lie in buffers of equal size in the window's pool.  A buffer belongs
 * to the driver (free, or posted for reception), to the caller (allocated by
 * him, or received), or to the service (being sent).  Nothing is copied: what
 * was received may be sent on as it is.
 *
 *	mullion_net_alloc(nic, pieces, n)	buffers to be filled
 *	mullion_net_send(nic, pair, pieces, n)	many frames; the buffers are gone
 *	mullion_net_kick(nic)			shows them to the service
 *	mullion_net_recv(nic, pieces, n)	many frames; the buffers are the caller's
 *	mullion_net_return(nic, pieces, n)	gives them back
 *	mullion_net_wait(nic, ms)		sleeps until something happened
 *
 * A frame is one piece, or several in a row, all but the last flagged MORE.
 * Data of a received frame lies in memory that the service and nobody else can
 * still write to: who parses it copies first.
 */
#ifndef MULLION_CHANNEL_NET_H
#define MULLION_CHANNEL_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/net.h"
#include "wake.h"

struct mullion_net;
struct mullion_guest_device;

/**
 * struct mullion_net_piece - a piece of a frame
 * @data: its first byte, in the buffer; for what is sent anywhere in it
 * @buffer: number of the buffer
 * @bytes: of the frame that are here; after mullion_net_alloc() what there is
 * @flags: MULLION_NET_MORE; in a frame's first piece also _NEEDS_CSUM, _DATA_VALID
 * @gso_type, @hdr_len, @gso_size, @csum_start, @csum_offset: of the frame, in
 *	its first piece, as in struct mullion_net_entry
 */
struct mullion_net_piece {
	uint8_t *data;
	uint32_t buffer;
	uint32_t bytes;
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t reserved;
};

/**
 * struct mullion_net_options - how a NIC is opened; 0 is a default everywhere
 * @pairs: queue pairs; 1 if not said
 * @buffer_bytes: of a buffer, 64 to 65536
 * @posted: buffers that wait for frames, for each pair; at most what the
 *	service takes
 * @offloads: MULLION_NET_RX_*: what is taken as it comes from other guests
 */
struct mullion_net_options {
	unsigned int pairs;
	uint32_t buffer_bytes;
	uint32_t posted;
	uint32_t offloads;
};

/**
 * struct mullion_net_info - what is known of a NIC
 * @mac: its address at the moment
 * @mtu: bytes
 * @link: up
 * @offloads: the service takes NEEDS_CSUM and large frames from us
 * @attached: to a service; false while it is replaced
 * @pairs: queue pairs in use
 * @buffer_bytes: of a buffer
 * @buffers: in all
 * @posted: buffers that wait for frames when all goes well
 */
struct mullion_net_info {
	uint8_t mac[6];
	uint32_t mtu;
	bool link;
	bool offloads;
	bool attached;
	unsigned int pairs;
	uint32_t buffer_bytes;
	uint32_t buffers;
	uint32_t posted;
};

/**
 * struct mullion_net_statistics - ever increasing
 */
struct mullion_net_statistics {
	uint64_t tx_frames;	/* given to the service */
	uint64_t tx_bytes;
	uint64_t tx_done;	/* of these, answered */
	uint64_t tx_failed;	/* of these, malformed as the service says */
	uint64_t tx_lost;	/* not answered by a service that died */
	uint64_t rx_frames;
	uint64_t rx_bytes;
	uint64_t rx_dropped;	/* by the service, for want of buffers */
	uint64_t rx_malformed;	/* dropped here: offloads that make no sense */
	uint64_t posts;		/* buffers */
	uint64_t stale;		/* messages of another epoch, dropped */
	uint64_t bogus;		/* messages that make no sense; each a fault */
	uint64_t rung;
	uint64_t sleeps;
	uint64_t rescues;	/* messages that only the slow poll found */
	uint64_t generations;	/* changes of the service that were survived */
};

/* mullion_net_changes() */
#define MULLION_NET_CHANGE_LINK		(1U << 0)
#define MULLION_NET_CHANGE_MAC		(1U << 1)
#define MULLION_NET_CHANGE_MTU		(1U << 2)
#define MULLION_NET_CHANGE_SERVICE	(1U << 3)	/* attached to another one */

/**
 * mullion_net_open() - take a vNIC device, attach to it, enable reception
 * @ret: on success the NIC; close it with mullion_net_close()
 * @device: without a driver
 * @options: NULL: all defaults
 * @milliseconds: to wait for the service's confirmation; -1: for ever
 *
 * Return: 0; -EPROTO if the channel is not one that we know; -EBUSY;
 * -ETIMEDOUT; -ENOSPC if the pool cannot give the device its share, or that
 * is too small for buffers of that size; -EINVAL; -ENOMEM.
 */
int mullion_net_open(struct mullion_net **ret, struct mullion_guest_device *device,
		     const struct mullion_net_options *options, int milliseconds);

/**
 * mullion_net_close() - detach; NULL is harmless
 *
 * All buffers are gone, the caller's too.  Waits at most some seconds for the
 * service's confirmation; without it the pool areas stay taken.
 */
void mullion_net_close(struct mullion_net *nic);

/**
 * mullion_net_info() - a copy of what is known
 */
void mullion_net_info(const struct mullion_net *nic, struct mullion_net_info *ret);

/**
 * mullion_net_statistics() - a copy of the counters
 */
void mullion_net_statistics(const struct mullion_net *nic,
			    struct mullion_net_statistics *ret);

/**
 * mullion_net_changes() - what has changed since the last call
 *
 * Return: MULLION_NET_CHANGE_*.
 */
unsigned int mullion_net_changes(struct mullion_net *nic);

/**
 * mullion_net_set_wake() - choose how mullion_net_wait() waits
 */
void mullion_net_set_wake(struct mullion_net *nic, enum mullion_wake mode);

/**
 * mullion_net_set_mac() - ask for another address
 *
 * The answer is a change of the address, which may be back to the old one.
 */
void mullion_net_set_mac(struct mullion_net *nic, const uint8_t *mac);

/**
 * mullion_net_set_offloads() - what is taken from now on
 * @offloads: MULLION_NET_RX_*; without effect if the service knows none
 */
void mullion_net_set_offloads(struct mullion_net *nic, uint32_t offloads);

/**
 * mullion_net_set_promiscuous() - take frames for anybody
 */
void mullion_net_set_promiscuous(struct mullion_net *nic, bool on);

/**
 * mullion_net_alloc() - buffers to be filled
 * @pieces: filled with empty buffers, no flags
 * @count: wanted
 *
 * Buffers are kept back for reception, so that sending never starves it.
 *
 * Return: number of pieces, which may be less than @count, or none.
 */
unsigned int mullion_net_alloc(struct mullion_net *nic,
			       struct mullion_net_piece *pieces, unsigned int count);

/**
 * mullion_net_send() - queue frames
 * @pair: queue pair, wrapped into those in use
 * @pieces: the caller's buffers
 * @count: of pieces; whole frames
 *
 * They come to the service with the next mullion_net_kick(), _poll(), _recv()
 * or _wait().  While its service is away a NIC takes nothing.
 *
 * Return: number of pieces taken, whole frames, the first ones: those buffers
 * are no longer the caller's.  -EINVAL if the first frame is malformed;
 * -ENODEV; -EPROTO.
 */
int mullion_net_send(struct mullion_net *nic, unsigned int pair,
		     const struct mullion_net_piece *pieces, unsigned int count);

/**
 * mullion_net_send_copy() - queue one frame that lies elsewhere
 * @frame: its bytes, from the Ethernet header on
 * @bytes: 14 to MULLION_NET_FRAME_MAX
 * @meta: @flags to @csum_offset are used; NULL: nothing special
 *
 * Return: 0; -EAGAIN if there are no buffers or no room at the moment; -EINVAL;
 * -ENODEV; -EPROTO.
 */
int mullion_net_send_copy(struct mullion_net *nic, unsigned int pair,
			  const void *frame, size_t bytes,
			  const struct mullion_net_piece *meta);

/**
 * mullion_net_kick() - show the service what was queued
 */
void mullion_net_kick(struct mullion_net *nic);

/**
 * mullion_net_recv() - take received frames; never blocks
 * @pieces: filled with whole frames
 * @count: room, at least MULLION_NET_CHAIN_MAX
 *
 * Also collects what was sent, follows generation changes and, now and then,
 * does the guest's control work.
 *
 * Return: number of pieces; -ENODEV if the device is gone; -EPROTO if it is
 * faulted; -EINVAL.
 */
int mullion_net_recv(struct mullion_net *nic, struct mullion_net_piece *pieces,
		     unsigned int count);

/**
 * mullion_net_return() - give buffers back, received or allocated
 *
 * Those that are not the caller's are ignored.
 */
void mullion_net_return(struct mullion_net *nic,
			const struct mullion_net_piece *pieces, unsigned int count);

/**
 * mullion_net_poll() - as mullion_net_recv(), keeping what comes for later
 *
 * Return: number of frames received or sent, and changes, since the last call;
 * -ENODEV; -EPROTO.
 */
int mullion_net_poll(struct mullion_net *nic);

/**
 * mullion_net_wait() - until frames were received, or sent, or something changed
 * @milliseconds: to wait at most; -1: for ever
 *
 * Return: as mullion_net_poll(); 0 only after the time.
 */
int mullion_net_wait(struct mullion_net *nic, int milliseconds);

/**
 * mullion_net_arm() - ask for a doorbell, for a caller with a loop of its own
 *
 * As mullion_guest_arm(), which he calls too.
 *
 * Return: nonzero if there is work already: do not sleep.
 */
int mullion_net_arm(struct mullion_net *nic);

/**
 * mullion_net_disarm() - after the sleep
 */
void mullion_net_disarm(struct mullion_net *nic);

/**
 * mullion_net_outstanding() - frames sent and not answered
 */
unsigned int mullion_net_outstanding(const struct mullion_net *nic);

#endif /* MULLION_CHANNEL_NET_H */
