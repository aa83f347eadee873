/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/state.h - the state area: what a service leaves to its successor
 *
 * Registered in abi/mullion.md, "State area".  One sealed memfd per service,
 * shared by the service and the command partition only, which creates it
 * zeroed, writes the header, keeps the descriptor across services and reads
 * liveness and counters from it.  No guest ever sees it.
 */
#ifndef MULLION_ABI_STATE_H
#define MULLION_ABI_STATE_H

#include "io.h"
#include "types.h"

#define MULLION_STATE_MAGIC		0x454154534c4c554dULL	/* "MULLSTAE" */
#define MULLION_STATE_VERSION		2
#define MULLION_STATE_HEADER_BYTES	4096
#define MULLION_STATE_CHANNELS_MAX	64
#define MULLION_STATE_REQUESTS_MAX	512	/* per channel */
/* Of a client that re-issues nothing, which has a table of this size. */
#define MULLION_STATE_PLAIN_MAX		128
#define MULLION_STATE_CLASS_BYTES	4096	/* per channel, class's own */
#define MULLION_STATE_OBJECTS_MAX	64
#define MULLION_STATE_OBJECT_BYTES	65536	/* per object, header included */

/* mullion_state_header.service_state */
#define MULLION_SERVICE_STARTING	0
#define MULLION_SERVICE_STANDBY		1	/* sandboxed, owns nothing yet */
#define MULLION_SERVICE_FENCING		2	/* waits for a predecessor's I/O */
#define MULLION_SERVICE_SERVING		3
#define MULLION_SERVICE_STOPPING	4

struct mullion_state_header {
	__u64 magic;
	__u32 version;
	__u32 channels_max;
	__u64 bytes;
	__u64 channel_bytes;	/* stride of the channel records */
	__u64 generation;	/* written by the command partition */
	__u64 heartbeat;	/* raised by the service at least once a second */
	__u32 service_state;
	__u32 reserved;
	__u64 wakeups;		/* times that the service was woken from sleep */
	__u8 pad[4032];
} MULLION_PACKED;

/* mullion_state_request.phase */
#define MULLION_REQUEST_FREE		0
#define MULLION_REQUEST_TAKEN		1	/* popped, no effect yet */
#define MULLION_REQUEST_EXECUTING	2	/* may have had an effect */
#define MULLION_REQUEST_DONE		3	/* result recorded, may be unanswered */

struct mullion_state_request {
	__u64 request_id;
	__u64 handle;		/* the guest's cookie, echoed */
	__u32 epoch;
	__u16 phase;
	__u8 cmdtype;
	__u8 class_flags;
	__u8 cdb[16];
	__u32 id;
	__u32 lun;
	__u32 linuxstat;	/* result */
	__u32 residual;
	__u64 class_data;
	__u8 sense[24];		/* result: sense data, first bytes */
	/*
	 * Of a client that re-issues nothing: the rest of the request, whose
	 * slot is given back, and the number of its answer (0: none yet).
	 * request_id is the number of the request.
	 */
	__u64 answer;
	__u64 notify_handle;
	__u64 notifyresult_handle;
	__u32 bufflen;
	__u32 data_dir;
	__u32 tasktype;
	__u32 entries;
} MULLION_PACKED;

struct mullion_state_channel {
	guid_t device;		/* zero: record free */
	guid_t type;
	__u32 bus_no;
	__u32 dev_no;
	__u32 status;		/* as mullion_channel_ext.server_state */
	__u32 fault_reason;
	__u64 client_epoch;	/* last confirmed */
	__u64 client_incarnation;
	__u64 requests;		/* counters, ever increasing */
	__u64 bytes_in;
	__u64 bytes_out;
	__u64 errors;		/* answered with other than good status */
	__u64 stale;		/* dropped for an old epoch */
	__u64 replayed;		/* re-issued and executed again */
	__u64 recalled;		/* re-issued and answered from the record */
	__u64 rung;		/* doorbells rung */
	__u64 rescues;		/* work found by the slow poll */
	__u32 outstanding;
	__u32 reserved;
	/*
	 * Of a client that re-issues nothing: requests taken from the ring and
	 * answers shown in it; modulo the slots they are the ring's indices.
	 */
	__u64 taken;
	__u64 answered;
	__u8 pad[352];
	struct mullion_state_request requests_table[MULLION_STATE_REQUESTS_MAX];
	__u8 class_state[MULLION_STATE_CLASS_BYTES];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_state_header, 4096);
MULLION_ABI_SIZE(struct mullion_state_request, 128);
MULLION_ABI_OFFSET(struct mullion_state_channel, requests_table, 512);
MULLION_ABI_SIZE(struct mullion_state_channel,
		 512 + 128 * MULLION_STATE_REQUESTS_MAX +
		 MULLION_STATE_CLASS_BYTES);

/*
 * What outlives a service but belongs to no single channel: a disk that two
 * guests share has one set of reservations.
 */
struct mullion_state_object {
	guid_t uuid;		/* zero: record free */
	__u32 class_version;
	__u32 used;		/* bytes of data[] */
	__u8 pad[40];
	__u8 data[MULLION_STATE_OBJECT_BYTES - 64];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct mullion_state_object, MULLION_STATE_OBJECT_BYTES);

/* The data of a request of a client that re-issues nothing, by record. */
struct mullion_state_list {
	struct guest_phys_info pieces[MAX_PHYS_INFO];
} MULLION_PACKED;

struct mullion_state_area {
	struct mullion_state_header header;
	struct mullion_state_channel channels[MULLION_STATE_CHANNELS_MAX];
	struct mullion_state_object objects[MULLION_STATE_OBJECTS_MAX];
	struct mullion_state_list lists[MULLION_STATE_CHANNELS_MAX][MULLION_STATE_PLAIN_MAX];
} MULLION_PACKED;

#endif /* MULLION_ABI_STATE_H */
