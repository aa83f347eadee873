/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/bus.h - the channel of a bus, where a guest says which drivers it uses
 *
 * Source: s-Par channel ABI, section 6.2.  The three offsets in the header
 * information count from its own start, byte 128 of the channel.
 */
#ifndef MULLION_ABI_BUS_H
#define MULLION_ABI_BUS_H

#include "channel.h"

struct visor_vbus_headerinfo {
	__u32 struct_bytes;
	__u32 device_info_struct_bytes;
	__u32 dev_info_count;
	__u32 chp_info_offset;
	__u32 bus_info_offset;
	__u32 dev_info_offset;
	__u8 reserved[104];
} MULLION_PACKED;

/* Client information: written by the guest, hostile input for any reader. */
struct visor_vbus_deviceinfo {
	__u8 devtype[16];
	__u8 drvname[16];
	__u8 infostrs[96];
	__u8 reserved[128];
} MULLION_PACKED;

struct visor_vbus_channel {
	struct channel_header channel_header;
	struct visor_vbus_headerinfo hdr_info;
	struct visor_vbus_deviceinfo chp_info;
	struct visor_vbus_deviceinfo bus_info;
	struct visor_vbus_deviceinfo dev_info[];	/* indexed by dev_no */
} MULLION_PACKED;

MULLION_ABI_SIZE(struct visor_vbus_headerinfo, 128);
MULLION_ABI_SIZE(struct visor_vbus_deviceinfo, 256);
MULLION_ABI_SIZE(struct visor_vbus_channel, 768);
MULLION_ABI_OFFSET(struct visor_vbus_channel, chp_info, 256);
MULLION_ABI_OFFSET(struct visor_vbus_channel, bus_info, 512);
MULLION_ABI_OFFSET(struct visor_vbus_channel, dev_info, 768);

#endif /* MULLION_ABI_BUS_H */
