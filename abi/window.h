/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/window.h - what lies at offset 0 of a window
 *
 * Registered in abi/mullion.md, "Window header".  The command partition
 * writes header and area table once, before anyone is attached.  After that
 * only `info` changes, written by the server for the guest's information; no
 * one but the guest reads it.
 */
#ifndef MULLION_ABI_WINDOW_H
#define MULLION_ABI_WINDOW_H

#include "types.h"

#define MULLION_WINDOW_MAGIC		0x574e4f494c4c554dULL	/* "MULLIONW" */
#define MULLION_WINDOW_LAYOUT_VERSION	1
#define MULLION_WINDOW_HEADER_BYTES	4096
#define MULLION_WINDOW_SIZE_MIN		(1ULL << 20)
#define MULLION_WINDOW_SIZE_MAX		(1ULL << 40)
#define MULLION_WINDOW_ID_MIN		1U
#define MULLION_WINDOW_ID_MAX		((1U << 24) - 1)
#define MULLION_WINDOW_AREA_ALIGN	4096

/* An address in a window that lies in PCI: (window id << 40) + offset. */
#define MULLION_WINDOW_ADDR_SHIFT	40
#define MULLION_WINDOW_ADDR(id, offset) \
	(((__u64)(id) << MULLION_WINDOW_ADDR_SHIFT) + (__u64)(offset))
#define MULLION_WINDOW_ADDR_ID(addr) \
	((__u32)((__u64)(addr) >> MULLION_WINDOW_ADDR_SHIFT))
#define MULLION_WINDOW_ADDR_OFFSET(addr) \
	((__u64)(addr) & ((1ULL << MULLION_WINDOW_ADDR_SHIFT) - 1))

/* mullion_window_header.kind */
#define MULLION_WINDOW_COMMAND	1	/* peer 0 is the command partition */
#define MULLION_WINDOW_BUS	2	/* peer 0 is a service partition */

/* mullion_window_header.flags: none defined, unknown ones are refused */
#define MULLION_WINDOW_FLAGS_KNOWN 0ULL

/* mullion_window_area.type */
#define MULLION_AREA_CONTROL	1	/* control channel and its payload area */
#define MULLION_AREA_DIAG	2	/* diagnostic channel */
#define MULLION_AREA_CHANNELS	3	/* bus channel, then device channels */
#define MULLION_AREA_POOL	4	/* data */

struct mullion_window_area {
	__u32 type;
	__u32 flags;		/* 0 */
	__u64 offset;		/* from the window's start, bytes, page-aligned */
	__u64 bytes;
	__u64 reserved;
} MULLION_PACKED;

#define MULLION_WINDOW_AREAS_MAX 120

/* mullion_window_info.server_state */
#define MULLION_SERVER_ABSENT	0
#define MULLION_SERVER_STARTING	1
#define MULLION_SERVER_READY	2
#define MULLION_SERVER_STOPPED	3	/* stopped by the administrator */

struct mullion_window_info {
	__u64 generation;
	__u32 server_state;
	__u32 reserved;
	__u64 heartbeat;
	__u8 pad[40];
} MULLION_PACKED;

struct mullion_window_header {
	__u64 magic;
	__u32 layout_version;
	__u32 header_bytes;
	__u32 window_id;
	__u32 kind;
	__u64 size;		/* bytes of the window, a power of two */
	__u64 flags;
	__u32 vectors;		/* doorbells of each peer; vector 0: window events */
	__u32 area_count;
	guid_t partition_guid;	/* the guest */
	guid_t service_guid;
	__u32 area_bytes;	/* of one entry of areas[] */
	__u8 reserved[44];
	struct mullion_window_info info;
	__u8 reserved2[64];
	struct mullion_window_area areas[MULLION_WINDOW_AREAS_MAX];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_window_area, 32);
MULLION_ABI_SIZE(struct mullion_window_info, 64);
MULLION_ABI_SIZE(struct mullion_window_header, MULLION_WINDOW_HEADER_BYTES);
MULLION_ABI_OFFSET(struct mullion_window_header, window_id, 16);
MULLION_ABI_OFFSET(struct mullion_window_header, size, 24);
MULLION_ABI_OFFSET(struct mullion_window_header, vectors, 40);
MULLION_ABI_OFFSET(struct mullion_window_header, partition_guid, 48);
MULLION_ABI_OFFSET(struct mullion_window_header, area_bytes, 80);
MULLION_ABI_OFFSET(struct mullion_window_header, info, 128);
MULLION_ABI_OFFSET(struct mullion_window_header, areas, 256);

#endif /* MULLION_ABI_WINDOW_H */
