/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/control.h - the control channel (controlvm) and its messages
 *
 * Source: s-Par channel ABI, sections 2 and 5.  Commands travel on EVENT, are
 * acknowledged on ACK and answered on REQUEST; RESPONSE is drained and
 * discarded.
 */
#ifndef MULLION_ABI_CONTROL_H
#define MULLION_ABI_CONTROL_H

#include "channel.h"

/* Queues of the control channel, as they are really used (section 5.2). */
#define CONTROLVM_QUEUE_REQUEST		0	/* partition to command: responses */
#define CONTROLVM_QUEUE_RESPONSE	1	/* drained and discarded */
#define CONTROLVM_QUEUE_EVENT		2	/* command to partition: commands */
#define CONTROLVM_QUEUE_ACK		3	/* partition to command */
#define CONTROLVM_QUEUES		4

/* controlvm_message_header.id (section 5.5) */
#define CONTROLVM_BUS_CREATE			0x101
#define CONTROLVM_BUS_DESTROY			0x102
#define CONTROLVM_BUS_CONFIGURE			0x104
#define CONTROLVM_BUS_CHANGESTATE		0x105
#define CONTROLVM_BUS_CHANGESTATE_EVENT		0x106
#define CONTROLVM_DEVICE_CREATE			0x201
#define CONTROLVM_DEVICE_DESTROY		0x202
#define CONTROLVM_DEVICE_CONFIGURE		0x203
#define CONTROLVM_DEVICE_CHANGESTATE		0x204
#define CONTROLVM_DEVICE_CHANGESTATE_EVENT	0x205
#define CONTROLVM_DEVICE_RECONFIGURE		0x206
#define CONTROLVM_CHIPSET_INIT			0x301
#define CONTROLVM_CHIPSET_STOP			0x302
#define CONTROLVM_CHIPSET_READY			0x304
#define CONTROLVM_CHIPSET_SELFTEST		0x305

/* controlvm_message_header.completion_status (section 5.10) */
#define CONTROLVM_RESP_SUCCESS				0
#define CONTROLVM_RESP_ALREADY_DONE			1
#define CONTROLVM_RESP_IOREMAP_FAILED			2
#define CONTROLVM_RESP_KMALLOC_FAILED			3
#define CONTROLVM_RESP_ID_UNKNOWN			4
#define CONTROLVM_RESP_ID_INVALID_FOR_CLIENT		5
#define CONTROLVM_RESP_CLIENT_SWITCHCOUNT_NONZERO	100
#define CONTROLVM_RESP_EXPECTED_CHIPSET_INIT		101
#define CONTROLVM_RESP_MAX_BUSES			201
#define CONTROLVM_RESP_MAX_DEVICES			202
#define CONTROLVM_RESP_PAYLOAD_INVALID			400
#define CONTROLVM_RESP_INITIATOR_PARAMETER_INVALID	401
#define CONTROLVM_RESP_TARGET_PARAMETER_INVALID		402
#define CONTROLVM_RESP_CLIENT_PARAMETER_INVALID		403
#define CONTROLVM_RESP_BUS_INVALID			500
#define CONTROLVM_RESP_DEVICE_INVALID			501
#define CONTROLVM_RESP_CHANNEL_INVALID			502
#define CONTROLVM_RESP_VIRTPCI_DRIVER_FAILURE		604
#define CONTROLVM_RESP_VIRTPCI_DRIVER_CALLBACK_ERROR	605
#define CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR	606
#define CONTROLVM_RESP_BUS_DEVICE_ATTACHED		700
#define CONTROLVM_RESP_CHANNEL_TYPE_UNKNOWN		800
#define CONTROLVM_RESP_CHANNEL_SIZE_TOO_SMALL		801
#define CONTROLVM_RESP_CHIPSET_SHUTDOWN_FAILED		1000
#define CONTROLVM_RESP_CHIPSET_SHUTDOWN_ALREADY_ACTIVE	1001
#define CONTROLVM_RESP_CHIPSET_STOP_FAILED_BUS		1100
#define CONTROLVM_RESP_CHIPSET_STOP_FAILED_SWITCH	1101
#define CONTROLVM_RESP_DEVICE_UDEV_TIMEOUT		1400

/* controlvm_message_header.flags */
#define CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED			(1U << 0)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED	(1U << 1)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER			(1U << 2)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_TEST_MESSAGE		(1U << 3)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_PARTIAL_COMPLETION	(1U << 4)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_PRESERVE			(1U << 5)
#define CONTROLVM_MESSAGE_HEADER_FLAGS_WRITER_IN_DIAG		(1U << 6)

struct controlvm_message_header {
	__u32 id;
	__u32 message_size;
	__u32 segment_index;
	__u32 completion_status;
	__u32 flags;
	__u32 reserved;
	__u64 message_handle;
	__u64 payload_vm_offset;
	__u32 payload_max_bytes;
	__u32 payload_bytes;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct controlvm_message_header, 48);

/* Segment state, a u16 (section 5.3). */
#define VISOR_SEGMENT_STATE_ENABLED	(1U << 0)
#define VISOR_SEGMENT_STATE_ACTIVE	(1U << 1)
#define VISOR_SEGMENT_STATE_ALIVE	(1U << 2)
#define VISOR_SEGMENT_STATE_REVOKED	(1U << 3)
#define VISOR_SEGMENT_STATE_ALLOCATED	(1U << 4)
#define VISOR_SEGMENT_STATE_KNOWN	(1U << 5)
#define VISOR_SEGMENT_STATE_READY	(1U << 6)
#define VISOR_SEGMENT_STATE_OPERATING	(1U << 7)
#define VISOR_SEGMENT_RUNNING		0x00f7
#define VISOR_SEGMENT_PAUSED		0x0077
#define VISOR_SEGMENT_STANDBY		0x0073
/* Mullion's, to a service: what was its client is no more (abi/mullion.md). */
#define MULLION_SEGMENT_RESET		0x007b

struct irq_info {
	__u64 reserved1;	/* Mullion: first doorbell number at the peer */
	__u64 recv_irq_handle;
	__u32 recv_irq_vector;	/* Mullion: first vector at the receiver */
	__u8 recv_irq_shared;
	__u8 reserved[3];
} MULLION_PACKED;

/* init_chipset.features */
#define VISOR_CHIPSET_FEATURE_REPLY		(1U << 0)
#define VISOR_CHIPSET_FEATURE_PARA_HOTPLUG	(1U << 1)
#define VISOR_CHIPSET_FEATURE_PCIVBUS		(1U << 2)

/* device_change_state.flags */
#define CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE	(1U << 0)

/* efi_visor_ind */
#define EFI_VISOR_INDICATION_BOOT_TO_FW_UI	(1ULL << 0)
#define EFI_VISOR_INDICATION_CLEAR_NVRAM	(1ULL << 1)
#define EFI_VISOR_INDICATION_CLEAR_CMOS		(1ULL << 2)
#define EFI_VISOR_INDICATION_BOOT_TO_TOOL	(1ULL << 3)

struct controlvm_packet_create_bus {
	__u32 bus_no;
	__u32 dev_count;
	__u64 channel_addr;
	__u64 channel_bytes;
	guid_t bus_data_type_guid;
	guid_t bus_inst_guid;
} MULLION_PACKED;

struct controlvm_packet_destroy_bus {
	__u32 bus_no;
	__u32 reserved;
} MULLION_PACKED;

struct controlvm_packet_configure_bus {
	__u32 bus_no;
	__u32 reserved1;
	__u64 guest_handle;
	__u64 recv_bus_irq_handle;
} MULLION_PACKED;

/* A dev_no that means "the bus itself" and so cannot name a device. */
#define CONTROLVM_DEV_NO_BUS 0xffffffffU

struct controlvm_packet_create_device {
	__u32 bus_no;
	__u32 dev_no;
	__u64 channel_addr;
	__u64 channel_bytes;
	guid_t data_type_guid;
	guid_t dev_inst_guid;
	struct irq_info intr;
} MULLION_PACKED;

struct controlvm_packet_destroy_device {
	__u32 bus_no;
	__u32 dev_no;
} MULLION_PACKED;

struct controlvm_packet_configure_device {
	__u32 bus_no;
	__u32 dev_no;
} MULLION_PACKED;

struct controlvm_packet_reconfigure_device {
	__u32 bus_no;
	__u32 dev_no;
} MULLION_PACKED;

struct controlvm_packet_bus_change_state {
	__u32 bus_no;
	__u16 state;
	__u8 reserved[2];
} MULLION_PACKED;

struct controlvm_packet_device_change_state {
	__u32 bus_no;
	__u32 dev_no;
	__u16 state;
	struct {
		__u32 word;	/* bit 0: phys_device */
		__u32 reserved1;
	} MULLION_PACKED flags;
	__u8 reserved[2];
} MULLION_PACKED;

struct controlvm_packet_device_change_state_event {
	__u32 bus_no;
	__u32 dev_no;
	__u16 state;
	__u8 reserved[6];
} MULLION_PACKED;

struct controlvm_packet_init_chipset {
	__u32 bus_count;
	__u32 switch_count;
	__u32 features;
	__u32 platform_number;
} MULLION_PACKED;

struct controlvm_packet_chipset_selftest {
	__u32 options;
	__u32 test;		/* bit 0: run */
} MULLION_PACKED;

union controlvm_packet {
	struct controlvm_packet_create_bus create_bus;
	struct controlvm_packet_destroy_bus destroy_bus;
	struct controlvm_packet_configure_bus configure_bus;
	struct controlvm_packet_create_device create_device;
	struct controlvm_packet_destroy_device destroy_device;
	struct controlvm_packet_configure_device configure_device;
	struct controlvm_packet_reconfigure_device reconfigure_device;
	struct controlvm_packet_bus_change_state bus_change_state;
	struct controlvm_packet_device_change_state device_change_state;
	struct controlvm_packet_device_change_state_event
		device_change_state_event;
	struct controlvm_packet_init_chipset init_chipset;
	struct controlvm_packet_chipset_selftest chipset_selftest;
	__u64 addr;
	__u64 handle;
	__u8 bytes[80];
} MULLION_PACKED;

struct controlvm_message {
	struct controlvm_message_header hdr;
	union controlvm_packet cmd;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct irq_info, 24);
MULLION_ABI_SIZE(struct controlvm_packet_create_bus, 56);
MULLION_ABI_SIZE(struct controlvm_packet_configure_bus, 24);
MULLION_ABI_SIZE(struct controlvm_packet_create_device, 80);
MULLION_ABI_SIZE(struct controlvm_packet_device_change_state, 20);
MULLION_ABI_OFFSET(struct controlvm_packet_device_change_state, flags, 10);
MULLION_ABI_SIZE(struct controlvm_packet_device_change_state_event, 16);
MULLION_ABI_SIZE(struct controlvm_packet_init_chipset, 16);
MULLION_ABI_SIZE(struct controlvm_packet_chipset_selftest, 8);
MULLION_ABI_SIZE(struct controlvm_message, 128);

#define CONTROLVM_MESSAGE_BYTES	128
#define CONTROLVM_MESSAGE_SLOTS	64
#define CONTROLVM_CRASHMSG_MAX	2
#define CONTROLVM_CRASHMSG_BUS	0
#define CONTROLVM_CRASHMSG_DEV	1
/* A larger payload stalls an in-tree guest for ever (section 5.4). */
#define CONTROLVM_PAYLOAD_MAX	131072

struct visor_controlvm_channel {
	struct channel_header header;
	__u64 gp_controlvm;
	__u64 gp_partition_tables;
	__u64 gp_diag_guest;
	__u64 gp_boot_romdisk;
	__u64 gp_boot_ramdisk;
	__u64 gp_acpi_table;
	__u64 gp_control_channel;
	__u64 gp_diag_romdisk;
	__u64 gp_nvram;
	__u64 request_payload_offset;
	__u64 event_payload_offset;
	__u32 request_payload_bytes;
	__u32 event_payload_bytes;
	__u32 control_channel_bytes;
	__u32 nvram_channel_bytes;
	__u32 message_bytes;
	__u32 message_count;
	__u64 gp_smbios_table;
	__u64 gp_physical_smbios_table;
	__u8 gp_reserved[2688];
	__u64 virtual_guest_firmware_image_base;
	__u64 virtual_guest_firmware_entry_point;
	__u64 virtual_guest_firmware_image_size;
	__u64 virtual_guest_firmware_boot_base;
	__u64 virtual_guest_image_base;
	__u64 virtual_guest_image_size;
	__u64 prototype_control_channel_offset;
	__u64 virtual_guest_partition_handle;
	__u16 restore_action;
	__u16 dump_action;
	__u16 nvram_fail_count;
	__u16 saved_crash_message_count;
	__u32 saved_crash_message_offset;
	__u32 installation_error;
	__u32 installation_text_id;
	__u16 installation_remaining_steps;
	__u8 tool_action;
	__u8 reserved;
	__u64 efi_visor_ind;
	__u32 sp_reserved;
	__u8 reserved2[28];
	struct signal_queue_header request_queue;
	struct signal_queue_header response_queue;
	struct signal_queue_header event_queue;
	struct signal_queue_header event_ack_queue;
	struct controlvm_message request_msg[CONTROLVM_MESSAGE_SLOTS];
	struct controlvm_message response_msg[CONTROLVM_MESSAGE_SLOTS];
	struct controlvm_message event_msg[CONTROLVM_MESSAGE_SLOTS];
	struct controlvm_message event_ack_msg[CONTROLVM_MESSAGE_SLOTS];
	struct controlvm_message saved_crash_msg[CONTROLVM_CRASHMSG_MAX];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct visor_controlvm_channel, 36608);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, gp_reserved, 256);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, saved_crash_message_count, 3014);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, efi_visor_ind, 3032);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, request_queue, 3072);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, request_msg, 3584);
MULLION_ABI_OFFSET(struct visor_controlvm_channel, saved_crash_msg, 36352);

/* At the start of a payload; strings are UTF-8, located by offset. */
struct visor_controlvm_parameters_header {
	__u32 total_length;
	__u32 header_length;
	__u32 connection_offset;
	__u32 connection_length;
	__u32 initiator_offset;
	__u32 initiator_length;
	__u32 target_offset;
	__u32 target_length;
	__u32 client_offset;
	__u32 client_length;
	__u32 name_offset;
	__u32 name_length;
	guid_t id;
	__u32 revision;
	__u32 reserved;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct visor_controlvm_parameters_header, 72);

/* The one VMCALL of the in-tree guest: where is my control channel? */
#define VMCALL_CONTROLVM_ADDR 0x0501

struct vmcall_io_controlvm_addr_params {
	__u64 address;
	__u32 channel_bytes;
	__u8 unused[4];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct vmcall_io_controlvm_addr_params, 16);

#endif /* MULLION_ABI_CONTROL_H */
