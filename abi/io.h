/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/io.h - the I/O channel shared by disk and network devices, and its
 * messages
 *
 * Source: s-Par channel ABI, sections 7 and 8.  A slot is 1216 bytes: the
 * 1185 of struct uiscmdrsp, and 31 that Mullion gives a meaning to
 * (struct mullion_slot_ext in abi/ext.h) where both sides agreed on it.
 */
#ifndef MULLION_ABI_IO_H
#define MULLION_ABI_IO_H

#include "channel.h"

#define MAX_PHYS_INFO	64
#define MAX_MACADDR_LEN	6
#define MAX_SENSE_SIZE	64
#define VISOR_CLIENT_STRING_LEN 1024

/* Bytes of one slot of an I/O queue, and of the part that s-Par defines. */
#define VISOR_IO_SLOT_BYTES	1216
#define VISOR_IO_SIGNAL_BYTES	1185

/* A page fragment; pages are of 4096 bytes whatever the guest's are. */
struct phys_info {
	__u64 pi_pfn;
	__u16 pi_off;
	__u16 pi_len;
} MULLION_PACKED;

/*
 * A piece of data: guest-physical address, or offset in the window's pool
 * area in window addressing (abi/mullion.md, "Data addresses").
 */
struct guest_phys_info {
	__u64 address;
	__u64 length;
} MULLION_PACKED;

struct uisscsi_dest {
	__u32 channel;
	__u32 id;
	__u32 lun;
} MULLION_PACKED;

struct vhba_wwnn {
	__u32 wwnn1;
	__u32 wwnn2;
} MULLION_PACKED;

/* Counts, not highest indices. */
struct vhba_config_max {
	__u32 max_channel;
	__u32 max_id;
	__u32 max_lun;
	__u32 cmd_per_lun;
	__u32 max_io_size;	/* bytes */
} MULLION_PACKED;

struct iochannel_vhba {
	struct vhba_wwnn wwnn;
	struct vhba_config_max max;
} MULLION_PACKED;

struct iochannel_vnic {
	__u8 macaddr[MAX_MACADDR_LEN];
	__u32 num_rcv_bufs;
	__u32 mtu;
	guid_t zone_guid;
} MULLION_PACKED;

struct visor_io_channel {
	struct channel_header channel_header;
	struct signal_queue_header cmd_q;	/* guest to service */
	struct signal_queue_header rsp_q;	/* service to guest */
	union {
		struct iochannel_vhba vhba;
		struct iochannel_vnic vnic;
	} MULLION_PACKED;
	__u8 client_string[VISOR_CLIENT_STRING_LEN];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct phys_info, 12);
MULLION_ABI_SIZE(struct guest_phys_info, 16);
MULLION_ABI_SIZE(struct uisscsi_dest, 12);
MULLION_ABI_SIZE(struct iochannel_vhba, 28);
MULLION_ABI_SIZE(struct iochannel_vnic, 30);
MULLION_ABI_SIZE(struct visor_io_channel, 1438);
MULLION_ABI_OFFSET(struct visor_io_channel, vhba, 384);
MULLION_ABI_OFFSET(struct visor_io_channel, client_string, 414);

/* uiscmdrsp.cmdtype */
#define CMD_SCSI_TYPE		1
#define CMD_NET_TYPE		2
#define CMD_SCSITASKMGMT_TYPE	3
#define CMD_NOTIFYGUEST_TYPE	4
#define CMD_VDISKMGMT_TYPE	5

/* uiscmdrsp_scsi.data_dir */
#define UIS_DMA_BIDIRECTIONAL	0
#define UIS_DMA_TO_DEVICE	1
#define UIS_DMA_FROM_DEVICE	2
#define UIS_DMA_NONE		3

/* uiscmdrsp_scsi.addlstat */
#define ADDL_RESET		1
#define ADDL_TIMEOUT		2
#define ADDL_INTERNAL_ERROR	3
#define ADDL_SEL_TIMEOUT	4
#define ADDL_CMD_TIMEOUT	5
#define ADDL_BAD_TARGET		6
#define ADDL_RETRY		7

/*
 * uiscmdrsp_scsi.linuxstat: bits 0-7 the SCSI status, bits 16-23 a host byte
 * (section 7.4).
 */
#define UIS_LINUXSTAT(host, status)	(((__u32)(host) << 16) | (status))
#define UIS_HOST_OK			0x00
#define UIS_HOST_NO_CONNECT		0x01
#define UIS_HOST_BUS_BUSY		0x02
#define UIS_HOST_TIME_OUT		0x03
#define UIS_HOST_BAD_TARGET		0x04
#define UIS_HOST_ABORT			0x05
#define UIS_HOST_ERROR			0x07
#define UIS_HOST_RESET			0x08
#define UIS_HOST_IMM_RETRY		0x0c
#define UIS_HOST_REQUEUE		0x0d

struct uiscmdrsp_scsi {
	__u64 handle;
	__u8 cmnd[16];
	__u32 bufflen;
	__u16 guest_phys_entries;
	struct guest_phys_info gpi_list[MAX_PHYS_INFO];
	__u32 data_dir;
	struct uisscsi_dest vdest;
	__u32 linuxstat;
	__u8 scsistat;
	__u8 addlstat;
	__u8 sensebuf[MAX_SENSE_SIZE];
	__u64 vdisk;
	__u32 no_disk_result;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct uiscmdrsp_scsi, 1152);
MULLION_ABI_OFFSET(struct uiscmdrsp_scsi, gpi_list, 30);
MULLION_ABI_OFFSET(struct uiscmdrsp_scsi, data_dir, 1054);
MULLION_ABI_OFFSET(struct uiscmdrsp_scsi, linuxstat, 1070);
MULLION_ABI_OFFSET(struct uiscmdrsp_scsi, sensebuf, 1076);

/* Fixed-format sense data; the bits of the first and third byte: */
#define SENSE_DATA_ERRORCODE		0x7f
#define SENSE_DATA_VALID		0x80
#define SENSE_DATA_SENSE_KEY		0x0f
#define SENSE_DATA_RESERVED		0x10
#define SENSE_DATA_INCORRECT_LENGTH	0x20
#define SENSE_DATA_END_OF_MEDIA		0x40
#define SENSE_DATA_FILE_MARK		0x80

struct sense_data {
	__u8 errorcode;		/* and valid */
	__u8 segment_number;
	__u8 sense_key;		/* and four flags */
	__u8 information[4];
	__u8 additional_sense_length;
	__u8 command_specific_information[4];
	__u8 additional_sense_code;
	__u8 additional_sense_code_qualifier;
	__u8 fru_code;
	__u8 sense_key_specific[3];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct sense_data, 18);

/* uiscmdrsp_scsitaskmgmt.tasktype */
#define TASK_MGMT_ABORT_TASK	1
#define TASK_MGMT_BUS_RESET	2
#define TASK_MGMT_LUN_RESET	3
#define TASK_MGMT_TARGET_RESET	4

/* uiscmdrsp_scsitaskmgmt.result */
#define TASK_MGMT_FAILED	0
#define TASK_MGMT_SUCCESS	1

struct uiscmdrsp_scsitaskmgmt {
	__u32 tasktype;
	struct uisscsi_dest vdest;
	__u64 handle;
	__u64 notify_handle;
	__u64 notifyresult_handle;
	__u8 result;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct uiscmdrsp_scsitaskmgmt, 41);

struct uiscmdrsp_disknotify {
	__u8 add;		/* 1 add, 0 remove */
	__u64 v_hba;
	__u32 channel;
	__u32 id;
	__u32 lun;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct uiscmdrsp_disknotify, 21);

/* Historical: section 7.9 */
struct uiscmdrsp_vdiskmgmt {
	__u32 vdisktype;	/* 1 acquire, 2 release */
	struct uisscsi_dest vdest;
	__u64 handle;
	__u64 notify_handle;
	__u64 notifyresult_handle;
	__u8 result;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct uiscmdrsp_vdiskmgmt, 41);

/* uiscmdrsp_net.type */
#define NET_RCV_POST		0
#define NET_RCV			1
#define NET_XMIT		2
#define NET_XMIT_DONE		3
#define NET_RCV_ENBDIS		4
#define NET_RCV_ENBDIS_ACK	5
#define NET_RCV_PROMISC		6
#define NET_CONNECT_STATUS	7
#define NET_MACADDR		8
#define NET_MACADDR_ACK		9

#define ETH_HEADER_SIZE		14
#define RCVPOST_BUF_SIZE	4032
#define MAX_NET_RCV_CHAIN	5

/*
 * Checksum request of a transmitted frame, with the holes of the 5.10 guest
 * (section 8.2).
 */
struct net_pkt_lincsum {
	__u8 valid;
	__u8 hrawoffv;
	__u8 nhrawoffv;
	__u8 hole1;
	__u16 protocol;		/* big-endian ethertype */
	__u8 hole2[2];
	__u32 csum;
	__u32 hrawoff;
	__u32 nhrawoff;
} MULLION_PACKED;

struct net_pkt_xmt {
	__u32 len;
	__u32 num_frags;
	struct phys_info frags[MAX_PHYS_INFO];
	__u8 ethhdr[ETH_HEADER_SIZE];
	struct net_pkt_lincsum lincsum;
} MULLION_PACKED;

struct net_pkt_xmtdone {
	__u32 xmt_done_result;	/* 0 success, 1 failed */
} MULLION_PACKED;

struct net_pkt_rcvpost {
	struct phys_info frag;
	__u64 unique_num;
} MULLION_PACKED;

struct net_pkt_rcv {
	__u32 rcv_done_len;
	__u8 numrcvbufs;
	__u64 rcvbuf[MAX_NET_RCV_CHAIN];
	__u64 unique_num;
	__u32 rcvs_dropped_delta;
} MULLION_PACKED;

struct net_pkt_enbdis {
	__u64 context;
	__u16 enable;
} MULLION_PACKED;

struct net_pkt_macaddr {
	__u64 context;
	__u8 macaddr[MAX_MACADDR_LEN];
} MULLION_PACKED;

struct uiscmdrsp_net {
	__u32 type;
	__u64 buf;
	union {
		struct net_pkt_xmt xmt;
		struct net_pkt_xmtdone xmtdone;
		struct net_pkt_rcvpost rcvpost;
		struct net_pkt_rcv rcv;
		struct net_pkt_enbdis enbdis;
		struct net_pkt_macaddr macaddr;
	} MULLION_PACKED;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct net_pkt_lincsum, 20);
MULLION_ABI_SIZE(struct net_pkt_xmt, 810);
MULLION_ABI_SIZE(struct net_pkt_rcvpost, 20);
MULLION_ABI_SIZE(struct net_pkt_rcv, 57);
MULLION_ABI_SIZE(struct net_pkt_enbdis, 10);
MULLION_ABI_SIZE(struct net_pkt_macaddr, 14);
MULLION_ABI_SIZE(struct uiscmdrsp_net, 822);

/* One message of an I/O queue. */
struct uiscmdrsp {
	__u8 cmdtype;
	union {
		struct uiscmdrsp_scsi scsi;
		struct uiscmdrsp_net net;
		struct uiscmdrsp_scsitaskmgmt scsitaskmgmt;
		struct uiscmdrsp_disknotify disknotify;
		struct uiscmdrsp_vdiskmgmt vdiskmgmt;
	} MULLION_PACKED;
	__u64 private_data;
	__u64 next;
	__u64 activeQ_next;
	__u64 activeQ_prev;
} MULLION_PACKED;

MULLION_ABI_SIZE(struct uiscmdrsp, VISOR_IO_SIGNAL_BYTES);
MULLION_ABI_OFFSET(struct uiscmdrsp, scsi, 1);
MULLION_ABI_OFFSET(struct uiscmdrsp, scsi.gpi_list, 31);
MULLION_ABI_OFFSET(struct uiscmdrsp, scsi.data_dir, 1055);
MULLION_ABI_OFFSET(struct uiscmdrsp, private_data, 1153);

#endif /* MULLION_ABI_IO_H */
