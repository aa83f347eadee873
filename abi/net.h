/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/net.h - what Mullion adds to the vNIC channel, and what the network
 * service is told of ports and of the network
 *
 * Registered in abi/mullion.md, "Network".  The s-Par messages are in io.h.
 */
#ifndef MULLION_ABI_NET_H
#define MULLION_ABI_NET_H

#include "ext.h"
#include "io.h"
#include "service.h"
#include "state.h"

/* ---- messages ------------------------------------------------------------ */

/*
 * uiscmdrsp_net.type, with MULLION_EXTF_NET_BATCH: the four data messages for
 * many buffers or frames at once.  They replace the s-Par ones for a channel
 * that agreed on the feature.
 */
#define MULLION_NET_POST	16	/* to the service: receive buffers */
#define MULLION_NET_RCV		17	/* to the guest: frames received */
#define MULLION_NET_XMIT	18	/* to the service: frames to send */
#define MULLION_NET_XMIT_DONE	19	/* to the guest: their cookies */
/* with MULLION_EXTF_NET_OFFLOAD, to the service, on queue pair 0 */
#define MULLION_NET_OFFLOADS	20	/* what the guest takes from now on */

/* Largest frame: the largest IP packet and an Ethernet header with two tags. */
#define MULLION_NET_FRAME_MAX	(65535 + 22)
/* Most entries that one frame may have, in either direction. */
#define MULLION_NET_CHAIN_MAX	36

/* mullion_net_entry.flags, in the first entry of a frame; MORE in each */
#define MULLION_NET_NEEDS_CSUM	(1U << 0)	/* as in virtio: csum_start, csum_offset */
#define MULLION_NET_DATA_VALID	(1U << 1)	/* checksums were verified */
#define MULLION_NET_MORE	(1U << 7)	/* the frame goes on in the next entry */

/* mullion_net_entry.gso_type: virtio's numbers */
#define MULLION_NET_GSO_NONE	0
#define MULLION_NET_GSO_TCPV4	1
#define MULLION_NET_GSO_TCPV6	4
#define MULLION_NET_GSO_UDP_L4	5
#define MULLION_NET_GSO_ECN	0x80

/*
 * A piece of a frame, or a receive buffer.  The cookie is the sender's of POST
 * or XMIT, opaque but for its top bit, which is 0; the service returns it.
 */
struct mullion_net_entry {
	__u64 cookie;
	__u64 address;		/* of the data; RCV: 0 */
	__u32 length;		/* POST: of the buffer; else bytes of the frame */
	__u8 flags;
	__u8 gso_type;
	__u16 hdr_len;		/* bytes of all headers, a hint */
	__u16 gso_size;		/* payload bytes of one segment */
	__u16 csum_start;	/* from the frame's first byte */
	__u16 csum_offset;	/* from csum_start */
	__u16 reserved;
} MULLION_PACKED;

#define MULLION_NET_BATCH_MAX	36	/* entries in one message */
#define MULLION_NET_DONE_MAX	143	/* cookies in one XMIT_DONE */
/* In XMIT_DONE: the frame was not sent, because it was malformed. */
#define MULLION_NET_COOKIE_FAILED	(1ULL << 63)

/* A POST, RCV, XMIT or XMIT_DONE, at the start of a slot. */
struct mullion_net_batch {
	__u8 cmdtype;		/* CMD_NET_TYPE */
	__u32 type;
	__u64 reserved;
	__u16 count;		/* of entries or cookies */
	__u8 pad0;
	__u32 dropped;		/* RCV: frames lost for want of buffers since the last */
	__u8 pad1[12];
	union {
		struct mullion_net_entry entries[MULLION_NET_BATCH_MAX];
		__u64 cookies[MULLION_NET_DONE_MAX];
	} MULLION_PACKED;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_net_entry, 32);
MULLION_ABI_OFFSET(struct mullion_net_batch, count, 13);
MULLION_ABI_OFFSET(struct mullion_net_batch, entries, 32);
MULLION_ABI_SIZE(struct mullion_net_batch, 1184);
_Static_assert(sizeof(struct mullion_net_batch) <= VISOR_IO_SIGNAL_BYTES,
	       "a batch ends before the slot extension");

/* MULLION_NET_OFFLOADS: uiscmdrsp_net.enbdis.context holds these bits */
#define MULLION_NET_RX_CSUM	(1U << 0)	/* frames with NEEDS_CSUM */
#define MULLION_NET_RX_TSO4	(1U << 1)
#define MULLION_NET_RX_TSO6	(1U << 2)
#define MULLION_NET_RX_USO	(1U << 3)
#define MULLION_NET_RX_KNOWN	((1U << 4) - 1)

/* ---- configuration of a port: class part of DEVICE_CREATE ------------------- */

#define MULLION_NET_CONFIG_VERSION	1
#define MULLION_NET_MTU_MIN	68
#define MULLION_NET_MTU_MAX	16384
#define MULLION_NET_ADDRESSES_MAX	8

/* mullion_net_port.flags */
#define MULLION_NET_PORT_LINK_UP	(1U << 0)
#define MULLION_NET_PORT_ISOLATED	(1U << 1)	/* reaches the uplink, no other isolated port */
#define MULLION_NET_PORT_LOCK_MAC	(1U << 2)	/* sends from its own address only */
#define MULLION_NET_PORT_LOCK_IP	(1U << 3)	/* and from these IP addresses only */
#define MULLION_NET_PORT_TRUNK		(1U << 4)	/* tagged frames of trunk_vlans */

struct mullion_net_port {
	__u32 version;
	__u32 flags;
	__u8 mac[6];
	__u16 vlan;		/* of untagged frames; 0: none */
	__u32 mtu;		/* MULLION_NET_MTU_MIN to MAX */
	__u32 ip4_count;
	__u32 ip6_count;
	__u32 reserved;
	__u64 rate;		/* bytes a second that the port may send; 0: unlimited */
	__u64 burst;		/* bytes */
	__u64 rate_to;		/* the same for what is sent to the port */
	__u64 burst_to;
	__u32 ip4[MULLION_NET_ADDRESSES_MAX];		/* big-endian */
	__u8 ip6[MULLION_NET_ADDRESSES_MAX][16];
	__u8 trunk_vlans[512];	/* bit v & 7 of byte v >> 3; 0: frames without a tag, if vlan is 0 */
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_net_port, 64 + 32 + 128 + 512);

/* ---- configuration of the network: DEVICE_RECONFIGURE of MULLION_SERVICE_WIDE -- */

/* mullion_net_config.uplink; the descriptor is STORE number 0 */
#define MULLION_UPLINK_NONE	0
#define MULLION_UPLINK_TAP	1	/* with virtio_net_hdr of 12 bytes, non-blocking */
#define MULLION_UPLINK_PACKET	2	/* SOCK_SEQPACKET: a frame per message */
#define MULLION_UPLINK_STREAM	3	/* stream socket: 4 bytes of length, big-endian, a frame */

/* mullion_net_config.flags */
#define MULLION_NET_MIRROR	(1U << 0)	/* STORE number 1: pcap goes there */
/*
 * The uplink takes frames larger than its MTU: one IP packet of up to 64 KiB
 * with complete checksums instead of segments.
 */
#define MULLION_NET_UPLINK_LARGE	(1U << 1)

struct mullion_net_config {
	__u32 version;
	__u32 flags;
	__u32 uplink;
	__u32 uplink_mtu;
	__u32 ageing;		/* seconds until a learned address is forgotten */
	__u32 addresses_max;	/* learned addresses per port */
	__u64 flood_rate;	/* broadcast and unknown frames a second and port; 0: unlimited */
	__u32 mirror_port_bus;	/* port that is captured, MULLION_SERVICE_WIDE: all */
	__u32 mirror_snap;	/* bytes of a frame that are captured */
	__u16 uplink_vlan;	/* of untagged frames of the uplink; 0: none */
	__u8 reserved[22];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_net_config, 64);

/* ---- class_state of the port's channel record in the state area --------------- */

struct mullion_net_counters {
	__u64 rx_frames;	/* from the guest, well formed */
	__u64 rx_bytes;
	__u64 tx_frames;	/* to the guest */
	__u64 tx_bytes;
	__u64 tx_no_buffer;	/* dropped: no receive buffer, or the ring full */
	__u64 tx_down;		/* dropped: link down or not enabled */
	__u64 tx_rate;		/* dropped: rate_to */
	__u64 rx_malformed;	/* descriptors out of range, frames too short, too long */
	__u64 rx_spoofed;	/* LOCK_MAC, LOCK_IP */
	__u64 rx_rate;		/* beyond rate */
	__u64 rx_flood;		/* beyond flood_rate */
	__u64 rx_vlan;		/* of a VLAN that the port is not in */
	__u64 rx_unreachable;	/* no port to send it to: isolation, no uplink */
	__u64 posts_refused;	/* more buffers than it may post, or unusable ones */
	__u64 mac_moves;	/* an address of this port was seen at another */
	__u64 control;		/* control messages */
	__u64 tx_mtu;		/* dropped: larger than the port's MTU allows */
} MULLION_PACKED;

/* With room for counters to come. */
struct mullion_net_port_state {
	struct mullion_net_counters counters;
	__u8 pad[512 - sizeof(struct mullion_net_counters)];
	__u8 mac[6];		/* in use: the administrator's or the guest's choice */
	__u8 reserved[2];
} MULLION_PACKED;

MULLION_ABI_OFFSET(struct mullion_net_port_state, mac, 512);
_Static_assert(sizeof(struct mullion_net_port_state) <= MULLION_STATE_CLASS_BYTES,
	       "it fits into a channel record");

/* The uplink's and the mirror's, in the state object of the name below. */
struct mullion_net_uplink_counters {
	__u64 in_frames;	/* from the uplink */
	__u64 in_bytes;
	__u64 out_frames;
	__u64 out_bytes;
	__u64 out_dropped;	/* it did not take them */
	__u64 in_malformed;
	__u64 state;		/* 0 none, 1 up, 2 gone */
	__u64 mirror_frames;
	__u64 mirror_dropped;
	__u64 in_flood;		/* dropped: beyond flood_rate */
} MULLION_PACKED;

#define MULLION_NET_UPLINK_OBJECT \
	GUID_INIT(0x6d756c6c, 0x696f, 0x6e00, \
		  0x75, 0x70, 0x6c, 0x69, 0x6e, 0x6b, 0x00, 0x01)

#endif /* MULLION_ABI_NET_H */
