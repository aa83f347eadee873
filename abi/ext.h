/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/ext.h - what Mullion adds to channels, slots and control messages
 *
 * Registered in abi/mullion.md.  A peer that knows nothing of it sees only
 * bits and bytes that s-Par leaves alone.
 */
#ifndef MULLION_ABI_EXT_H
#define MULLION_ABI_EXT_H

#include "channel.h"
#include "control.h"
#include "io.h"

/* channel_header.features: offered by the server */
#define MULLION_CHF_EXT		(1ULL << 32)	/* struct mullion_channel_ext present */

/* mullion_channel_ext.features_offered and features_accepted */
#define MULLION_EXTF_EVENT_INDEX	(1ULL << 0)	/* doorbell suppression */
#define MULLION_EXTF_SLOT_EXT		(1ULL << 1)	/* struct mullion_slot_ext */
#define MULLION_EXTF_WINDOW_ADDR	(1ULL << 2)	/* data addresses are pool offsets */
#define MULLION_EXTF_REISSUE		(1ULL << 3)	/* client re-issues after a generation change */
#define MULLION_EXTF_DISK_NOTIFY	(1ULL << 4)	/* client acts on disk add/remove */
#define MULLION_EXTF_NET_BATCH		(1ULL << 5)	/* data messages of net.h */
#define MULLION_EXTF_NET_OFFLOAD	(1ULL << 6)	/* checksums, large frames */
#define MULLION_EXTF_KNOWN		((1ULL << 7) - 1)

/* init_chipset.features */
#define MULLION_CHIPSET_FEATURE_WINDOWS	(1U << 16)	/* channel_addr names windows */

#define MULLION_CHANNEL_EXT_MAGIC	0x5458454dU	/* "MEXT" */
#define MULLION_CHANNEL_EXT_VERSION	1
#define MULLION_CHANNEL_EXT_BYTES	256
/* Where it lies: */
#define MULLION_CHANNEL_EXT_OFFSET_IO		1472
#define MULLION_CHANNEL_EXT_OFFSET_CONTROL	36608
/* Where Mullion's services place the queue headers and slots of I/O channels: */
#define MULLION_IO_CH_SPACE_OFFSET		1792
#define MULLION_IO_SLOTS_ALIGN			4096
#define MULLION_QUEUE_PAIRS_MAX			16

/* mullion_channel_ext.server_state */
#define MULLION_CHANNEL_STOPPED		0
#define MULLION_CHANNEL_SERVING		1
#define MULLION_CHANNEL_PAUSED		2	/* administrative */
#define MULLION_CHANNEL_FAULTED		3	/* fault_reason says why */

/* mullion_channel_ext.client_state */
#define MULLION_CLIENT_DETACHED		0
#define MULLION_CLIENT_ATTACHING	1	/* epoch raised, wants confirmation */
#define MULLION_CLIENT_ATTACHED		2	/* has seen the confirmation */

/* mullion_channel_ext.fault_reason, and in state areas and API */
#define MULLION_FAULT_NONE		0
#define MULLION_FAULT_INDEX		1	/* queue index out of range */
#define MULLION_FAULT_HEADER		2	/* queue or channel header changed */
#define MULLION_FAULT_FEATURES		3	/* accepted a feature not offered */
#define MULLION_FAULT_OVERRUN		4	/* more requests than max_outstanding */
#define MULLION_FAULT_WINDOW		5	/* window header or area table invalid */
#define MULLION_FAULT_EPOCH		6	/* epoch went backwards */
#define MULLION_FAULT_DOORBELL		7	/* made its doorbell block */
#define MULLION_FAULT_MEMORY		8	/* guest RAM became shorter, or read-only */

/*
 * Epoch and generation of a channel.  The first 64 bytes are constant once
 * the channel is announced; then one line written by the server only and one
 * by the client only.  Sequence in abi/mullion.md, "Attach".
 */
struct mullion_channel_ext {
	__u32 magic;
	__u32 version;
	__u32 bytes;
	__u32 queue_pairs;	/* N: queue 2i to the service, 2i+1 to the guest */
	__u64 pool_share;	/* bytes of pool that this device is guaranteed */
	__u32 max_outstanding;	/* requests that the server keeps at a time */
	__u32 io_align;		/* bytes; data areas aligned so move without a bounce */
	__u8 pad0[32];

	__u64 server_generation;	/* from here on: written by the server */
	__u64 server_epoch;		/* client epoch that the server confirms */
	__u64 features_offered;
	__u32 server_state;
	__u32 fault_reason;
	__u8 pad1[32];

	__u64 client_epoch;		/* from here on: written by the client */
	__u64 client_generation;	/* server generation it is quiesced for */
	__u64 client_incarnation;	/* random at probe; same across re-attach */
	__u64 features_accepted;
	__u32 client_state;
	__u8 pad2[28];

	__u8 reserved[64];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_channel_ext, MULLION_CHANNEL_EXT_BYTES);
MULLION_ABI_OFFSET(struct mullion_channel_ext, server_generation, 64);
MULLION_ABI_OFFSET(struct mullion_channel_ext, client_epoch, 128);
_Static_assert(MULLION_CHANNEL_EXT_OFFSET_IO + MULLION_CHANNEL_EXT_BYTES <=
	       MULLION_IO_CH_SPACE_OFFSET, "extension ends before the queues");
_Static_assert(MULLION_CHANNEL_EXT_OFFSET_CONTROL ==
	       sizeof(struct visor_controlvm_channel),
	       "extension follows the control channel");

/* Bytes 1185 to 1215 of an I/O slot, in requests and responses alike. */
struct mullion_slot_ext {
	__u8 pad[7];
	__u32 epoch;		/* low 32 bits of the client epoch */
	__u32 residual;		/* response: bytes of bufflen not moved */
	__u64 request_id;	/* unique in an incarnation, kept by a re-issue */
	__u32 flags;
	__u32 reserved;
} MULLION_PACKED;

/* mullion_slot_ext.flags */
#define MULLION_SLOT_REISSUE	(1U << 0)	/* a predecessor may have taken it */

struct mullion_io_slot {
	struct uiscmdrsp rsp;
	struct mullion_slot_ext ext;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_slot_ext, 31);
MULLION_ABI_SIZE(struct mullion_io_slot, VISOR_IO_SLOT_BYTES);
MULLION_ABI_OFFSET(struct mullion_io_slot, ext.epoch, 1192);
MULLION_ABI_OFFSET(struct mullion_io_slot, ext.request_id, 1200);

/* The control area of a command window: channel, extension, payload. */
#define MULLION_CONTROL_CHANNEL_BYTES	40960
#define MULLION_CONTROL_PAYLOAD_OFFSET	40960
#define MULLION_CONTROL_PAYLOAD_BYTES	CONTROLVM_PAYLOAD_MAX
#define MULLION_CONTROL_AREA_BYTES \
	(MULLION_CONTROL_PAYLOAD_OFFSET + MULLION_CONTROL_PAYLOAD_BYTES)

#endif /* MULLION_ABI_EXT_H */
