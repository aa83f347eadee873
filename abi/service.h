/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/service.h - descriptors on their way to a service or a process guest
 *
 * Registered in abi/mullion.md, "Descriptors".  Sent by the command partition
 * only; the receiver never answers on this socket, it answers in its control
 * channel.  A descriptor comes before the control message that needs it.
 */
#ifndef MULLION_ABI_SERVICE_H
#define MULLION_ABI_SERVICE_H

#include "types.h"

#define MULLION_FD_MAGIC	0x4446554dU	/* "MUFD" */
#define MULLION_FD_BATCH	64		/* most descriptors in one message */

/* mullion_fd_message.role */
#define MULLION_FD_COMMAND_WINDOW	1
#define MULLION_FD_COMMAND_DOORBELLS	2	/* index 0: to receive on, 1: to ring */
#define MULLION_FD_STATE_AREA		3	/* services only */
#define MULLION_FD_WINDOW		4	/* window of a bus */
#define MULLION_FD_RECV_DOORBELLS	5	/* index: first vector */
#define MULLION_FD_SEND_DOORBELLS	6	/* index: first vector at the peer */
#define MULLION_FD_STORE		7	/* index: entry of the device's config */
#define MULLION_FD_STORE_FENCE		8	/* as STORE: predecessor's connection */
#define MULLION_FD_RAM			9	/* guest RAM; index: the region's fd_index */
#define MULLION_FD_ROLE_LAST		MULLION_FD_RAM

struct mullion_fd_message {
	__u32 magic;
	__u16 role;
	__u16 count;		/* of descriptors with this message */
	/*
	 * Which object: the message_handle of the control message that will
	 * use it; for WINDOW and its doorbells to a process guest the window id.
	 */
	__u64 handle;
	__u32 index;		/* of the first descriptor within its role */
	__u32 flags;		/* 0 */
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_fd_message, 24);

/*
 * Payload of a BUS_CREATE and DEVICE_CREATE to a server, after the s-Par
 * parameters header.  `flags` is what makes a successor.
 */
#define MULLION_SERVER_ADOPT	(1U << 0)	/* take over; do not format */
#define MULLION_SERVER_RAM	(1U << 1)	/* BUS_CREATE: guest-physical addresses */
/*
 * DEVICE_CREATE with ADOPT, of a message class: a client without the extension was
 * resumed, and has been shown no answer since.
 */
#define MULLION_SERVER_REWIND	(1U << 2)

struct mullion_server_config {
	__u32 version;		/* 1 */
	__u32 flags;
	__u64 generation;	/* of the service */
	__u32 class_offset;	/* of the class's part, from the payload's start */
	__u32 class_bytes;
} MULLION_PACKED;

#define MULLION_SERVER_CONFIG_VERSION 1

/*
 * bus_no and dev_no of a DEVICE_RECONFIGURE that concerns the service as a
 * whole.  Sent before the first bus and whenever something changes.
 */
#define MULLION_SERVICE_WIDE	0xffffffffU

MULLION_ABI_SIZE(struct mullion_server_config, 24);

/*
 * Guest RAM, at the end of the class part of a BUS_CREATE with
 * MULLION_SERVER_RAM.  Data lie in a region and outside every reserved range;
 * channels of a bus without a window lie inside a reserved range that lies in
 * regions.
 */
#define MULLION_RAM_REGIONS_MAX		16
#define MULLION_RAM_RESERVED_MAX	16
/* Guest-physical addresses end here. */
#define MULLION_RAM_ADDRESS_MAX		(1ULL << 46)

/* mullion_ram_region.flags */
#define MULLION_RAM_READ_ONLY	(1U << 0)	/* its descriptor was opened so */

struct mullion_ram_region {
	__u64 gpa;		/* page-aligned, as are all of these */
	__u64 bytes;
	__u64 offset;		/* in the file */
	__u32 fd_index;		/* of the RAM descriptor; several regions may share one */
	__u32 flags;
} MULLION_PACKED;

struct mullion_ram_range {
	__u64 gpa;
	__u64 bytes;
} MULLION_PACKED;

struct mullion_ram_map {
	__u32 version;		/* 1 */
	__u32 region_count;
	__u32 reserved_count;
	__u32 pad;
	struct mullion_ram_region regions[MULLION_RAM_REGIONS_MAX];
	struct mullion_ram_range reserved[MULLION_RAM_RESERVED_MAX];
} MULLION_PACKED;

#define MULLION_RAM_MAP_VERSION 1

MULLION_ABI_SIZE(struct mullion_ram_region, 32);
MULLION_ABI_SIZE(struct mullion_ram_map, 16 + 16 * 32 + 16 * 16);

#endif /* MULLION_ABI_SERVICE_H */
