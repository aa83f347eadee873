/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/channel.h - the header at offset 0 of every channel, and signal queues
 *
 * Source: s-Par channel ABI, sections 3 and 4.  What Mullion adds is in
 * abi/ext.h; its use of spare queue-header bytes is named here because the
 * bytes lie in these structures.
 */
#ifndef MULLION_ABI_CHANNEL_H
#define MULLION_ABI_CHANNEL_H

#include "types.h"

#define VISOR_CHANNEL_SIGNATURE 0x4c4e4345ULL	/* "ECNL", as 64 bits */

struct channel_header {
	__u64 signature;
	__u32 legacy_state;
	__u32 header_size;
	__u64 size;		/* bytes of the whole channel */
	__u64 features;
	guid_t chtype;
	__u64 partition_handle;
	__u64 handle;
	__u64 ch_space_offset;	/* of signal queue header 0 */
	__u32 version_id;
	__u32 partition_index;
	guid_t zone_guid;
	__u32 cli_str_offset;
	__u32 cli_state_boot;
	__u32 cmd_state_cli;
	__u32 cli_state_os;
	__u32 ch_characteristic;
	__u32 cmd_state_srv;
	__u32 srv_state;
	__u8 cli_error_boot;
	__u8 cli_error_os;
	__u8 filler[1];
	__u8 recover_channel;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct channel_header, 128);
MULLION_ABI_OFFSET(struct channel_header, size, 16);
MULLION_ABI_OFFSET(struct channel_header, features, 24);
MULLION_ABI_OFFSET(struct channel_header, chtype, 32);
MULLION_ABI_OFFSET(struct channel_header, ch_space_offset, 64);
MULLION_ABI_OFFSET(struct channel_header, version_id, 72);
MULLION_ABI_OFFSET(struct channel_header, zone_guid, 80);
MULLION_ABI_OFFSET(struct channel_header, srv_state, 120);
MULLION_ABI_OFFSET(struct channel_header, recover_channel, 127);

/* channel_header.features, s-Par's bits (section 3.1) */
#define VISOR_DRIVER_ENABLES_INTS		(1ULL << 1)
#define VISOR_CHANNEL_IS_POLLING		(1ULL << 3)
#define VISOR_IOVM_OK_DRIVER_DISABLING_INTS	(1ULL << 4)
#define VISOR_DRIVER_DISABLES_INTS		(1ULL << 5)
#define VISOR_DRIVER_ENHANCED_RCVBUF_CHECKING	(1ULL << 6)

/* channel_header.srv_state */
#define VISOR_CHANNELSRV_UNINITIALIZED	0
#define VISOR_CHANNELSRV_READY		1

/* channel_header.cli_state_boot and cli_state_os (historical) */
#define VISOR_CHANNELCLI_DETACHED	0
#define VISOR_CHANNELCLI_DISABLED	1
#define VISOR_CHANNELCLI_ATTACHING	2
#define VISOR_CHANNELCLI_ATTACHED	3
#define VISOR_CHANNELCLI_BUSY		4
#define VISOR_CHANNELCLI_OWNED		5

/*
 * A ring of fixed-size slots.  The first half is written by the producer
 * (and, before the channel is announced, by the server), the second half by
 * the consumer.
 */
struct signal_queue_header {
	__u32 version;
	__u32 chtype;
	__u64 size;		/* bytes of the slot area */
	__u64 sig_base_offset;	/* of slot 0, from this header */
	__u64 features;		/* high half: producer event, see below */
	__u64 num_sent;
	__u64 num_overflows;
	__u32 signal_size;
	__u32 max_slots;
	__u32 max_signals;	/* max_slots - 1 */
	__u32 head;		/* slot written last */
	__u64 num_received;
	__u32 tail;		/* slot read last */
	__u32 reserved1;	/* consumer event, see below */
	__u64 reserved2;
	__u64 client_queue;
	__u64 num_irq_received;
	__u64 num_empty;
	__u32 errorflags;
	__u8 filler[12];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct signal_queue_header, 128);
MULLION_ABI_OFFSET(struct signal_queue_header, size, 8);
MULLION_ABI_OFFSET(struct signal_queue_header, sig_base_offset, 16);
MULLION_ABI_OFFSET(struct signal_queue_header, features, 24);
MULLION_ABI_OFFSET(struct signal_queue_header, num_sent, 32);
MULLION_ABI_OFFSET(struct signal_queue_header, num_overflows, 40);
MULLION_ABI_OFFSET(struct signal_queue_header, signal_size, 48);
MULLION_ABI_OFFSET(struct signal_queue_header, max_slots, 52);
MULLION_ABI_OFFSET(struct signal_queue_header, head, 60);
MULLION_ABI_OFFSET(struct signal_queue_header, num_received, 64);
MULLION_ABI_OFFSET(struct signal_queue_header, tail, 72);
MULLION_ABI_OFFSET(struct signal_queue_header, reserved1, 76);
MULLION_ABI_OFFSET(struct signal_queue_header, num_empty, 104);
MULLION_ABI_OFFSET(struct signal_queue_header, errorflags, 112);

/*
 * Doorbell suppression (abi/mullion.md, "Event indices").  Each side asks for
 * its next doorbell in the half of the header that it writes.
 */
#define MULLION_SQ_PRODUCER_EVENT_OFFSET 28	/* u32, producer sleeps for space */
#define MULLION_SQ_CONSUMER_EVENT_OFFSET 76	/* u32, consumer sleeps for work */
#define MULLION_SQ_EVENT_NONE 0xffffffffU	/* "do not ring" */

#endif /* MULLION_ABI_CHANNEL_H */
