/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/diag.h - the diagnostic channel: events from a guest, with severities
 *
 * Source: s-Par channel ABI, section 10 (historical: no in-tree guest uses it).
 */
#ifndef MULLION_ABI_DIAG_H
#define MULLION_ABI_DIAG_H

#include "channel.h"

#define MAX_MODULE_NAME_SIZE		128
#define MAX_ADDITIONAL_INFO_SIZE	256
#define MAX_SUBSYSTEMS			64
#define DIAG_CH_EVENTS			9361

/* Low byte of diag_channel_event.severity; the cause is in byte 2. */
#define DIAG_SEVERITY_VERBOSE	0
#define DIAG_SEVERITY_INFO	1
#define DIAG_SEVERITY_WARNING	2
#define DIAG_SEVERITY_ERR	3
#define DIAG_SEVERITY_PRINT	4
#define DIAG_SEVERITY_SHUTOFF	5	/* only as a filter */
#define DIAG_SEVERITY_FILETRANSFER 0x00090004

struct diag_efi_time {
	__u16 year;
	__u8 month;
	__u8 day;
	__u8 hour;
	__u8 minute;
	__u8 second;
	__u8 pad1;
	__u32 nanosecond;
	__s16 timezone;		/* minutes; 2047 = unspecified */
	__u8 daylight;
	__u8 pad2;
} MULLION_PACKED;

struct diag_channel_event {
	__u32 event_id;
	__u32 severity;
	__u8 module_name[MAX_MODULE_NAME_SIZE];
	__u32 line_number;
	struct diag_efi_time timestamp;
	__u32 partition_number;	/* this and the numbers below: by the receiver */
	__u16 vcpu_number;
	__u16 lcpu_number;
	__u8 component_type;
	__u8 subsystem;
	__u16 reserved0;
	__u32 block_no;
	__u32 block_no_high;
	__u32 event_no;
	__u32 event_no_high;
	__u8 reserved[8];
	__u8 additional_info[MAX_ADDITIONAL_INFO_SIZE];
} MULLION_PACKED;

struct diag_channel_protocol_header {
	__u32 diag_lock;
	__u8 channel_initialized;
	__u8 reserved[3];
	/* low nibble: least severity; high nibble: cause filter */
	__u8 subsystem_severity_filter[MAX_SUBSYSTEMS];
} MULLION_PACKED;

struct diag_channel {
	struct channel_header common_channel_header;
	struct signal_queue_header queue_header;
	struct diag_channel_protocol_header diag_channel_header;
	struct diag_channel_event events[DIAG_CH_EVENTS];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct diag_efi_time, 16);
MULLION_ABI_SIZE(struct diag_channel_event, 448);
MULLION_ABI_OFFSET(struct diag_channel_event, timestamp, 140);
MULLION_ABI_OFFSET(struct diag_channel_event, additional_info, 192);
MULLION_ABI_SIZE(struct diag_channel_protocol_header, 72);
MULLION_ABI_SIZE(struct diag_channel, 4194056);
MULLION_ABI_OFFSET(struct diag_channel, events, 328);

#endif /* MULLION_ABI_DIAG_H */
