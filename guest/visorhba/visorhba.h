/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * visorhba.h - what the files of the SCSI host driver share
 *
 * DOC: Theory of Operation
 *
 * One visorbus device is one SCSI host.  It keeps a stretch of the window's
 * pool from probe to remove (area.c): a command is a copy into it (writes), one
 * message that names the place, and a copy out of it (reads).  Nothing is
 * mapped per request, and the service sees a few large pieces, whatever the
 * command's scatter list looks like.
 *
 * Where the service has the guest's RAM (visorbus_device_physical()) nothing is
 * copied: a command's pages are mapped and named as they are (data.c decides
 * between the two).  They are the service's until it has answered or has
 * confirmed the next epoch, so a command that was sent is then not ended by
 * anything else, however long it takes; only a driver that is removed ends it,
 * and leaves its pages to the bus.
 *
 * Submission (submit.c) is serialised by a queue's lock and happens in process
 * context only: that is where blk-mq dispatches.  A batch is published, and
 * rung for, once.
 *
 * Completion (complete.c) is serialised by *ownership* of a queue, one bit:
 * whoever owns a queue may read its responses and end its commands, in hard
 * interrupt context if little is to be copied, else in a worker to which
 * ownership is handed over.  Error handling and resume take ownership too, so
 * that nobody else is in the middle of a command when they look at the table.
 *
 * A command is in the table (struct visorhba_entry) from the moment that its
 * message is in the ring until it is answered, and it leaves the table exactly
 * once.  Its request id, never used twice, is in the message's handle, so a
 * late or invented response cannot end another command.
 *
 * The states (enum visorhba_state):
 *
 *   PAUSED   no server: between the bus's pause and resume.  New commands stay
 *	      with blk-mq, unanswered ones in the table; timers do not count.
 *   RUNNING  resume re-issues what is in the table, oldest first
 *   FAILED   paused for longer than the module parameter absent_timeout:
 *	      everything is ended with an error until the server is back
 *   FAULTED  the server broke the protocol, or says that the driver did: the
 *	      same, until a new attach
 *   GONE     the window was taken away, or the driver is being removed without
 *	      a server
 *
 * Outside RUNNING no new request is sent, which is why an area may be left
 * while a server might still write into it: the next attach waits until all
 * I/O of the previous epoch has ended.
 *
 * Limits: one SCSI channel; task management goes through queue pair 0; with
 * guest-physical addresses, MAX_PHYS_INFO pieces of memory in a request.
 */
#ifndef MULLION_VISORHBA_H
#define MULLION_VISORHBA_H

#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <scsi/scsi_cmnd.h>
#include <scsi/scsi_device.h>
#include <scsi/scsi_host.h>

#include "../compat/scsi.h"
#include "../visorbus/copy.h"
#include "../visorbus/visorbus.h"

/* A handle is a request id and, in its low bits, the tag. */
#define VISORHBA_TAG_BITS	16
#define VISORHBA_TAG_MASK	((1U << VISORHBA_TAG_BITS) - 1)
#define VISORHBA_TAG_TMF	VISORHBA_TAG_MASK
#define VISORHBA_TAGS_MAX	1024

#define VISORHBA_NOTIFY_MAX	64

/* How long remove waits for a server that is away. */
#define VISORHBA_REMOVE_SECONDS	5

/* A tag's own area, and the pieces of larger commands (area.c). */
#define VISORHBA_OWN_BYTES	(16U << 10)
#define VISORHBA_PIECE_BYTES	(64U << 10)

enum visorhba_state {
	VISORHBA_PAUSED,
	VISORHBA_RUNNING,
	VISORHBA_FAILED,
	VISORHBA_FAULTED,
	VISORHBA_GONE,
};

/**
 * struct visorhba_entry - a tag
 * @id: request id of the unanswered request; 0: none
 * @cmd: its command
 * @queue: queue pair that it was sent through
 * @piece_count: pieces of its data; 0: in the tag's own area
 * @piece: their numbers
 */
struct visorhba_entry {
	u64 id;
	struct scsi_cmnd *cmd;
	u16 queue;
	u16 piece_count;
	u16 piece[MAX_PHYS_INFO];
};

/* visorhba_queue.flags */
#define VISORHBA_QUEUE_OWNED	0	/* somebody completes */
#define VISORHBA_QUEUE_AGAIN	1	/* an interrupt came while owned */

/**
 * struct visorhba_queue - a queue pair
 * @hba: its host
 * @index: its number
 * @lock: serialises submission: @cmd to @ring_full
 * @cmd: queue to the service
 * @next_id: of the next request; ids of the pairs do not meet
 * @batch_bytes: data of the commands produced and not yet published
 * @flags: ownership, VISORHBA_QUEUE_*
 * @rsp: queue to the guest; from here on the owner's
 * @held: response that was consumed and left to @work, or NULL
 * @work: continues what is too long for an interrupt
 *
 * The rest are counters.
 */
struct visorhba_queue {
	struct visorhba *hba;
	unsigned int index;

	spinlock_t lock ____cacheline_aligned_in_smp;
	struct mullion_sq *cmd;
	u64 next_id;
	u32 batch_bytes;
	u64 commands;
	u64 bytes_out;
	u64 rings;
	u64 ring_full;

	unsigned long flags ____cacheline_aligned_in_smp;
	struct mullion_sq *rsp;
	const struct mullion_io_slot *held;
	struct work_struct work;
	u64 interrupts;
	u64 handed_over;
	u64 responses;
	u64 bytes_in;
	u64 stale;
	u64 invalid;
	u64 notifies;
};

/**
 * struct visorhba_tmf - the task management request that is under way
 * @id: request id; 0: none
 * @type: TASK_MGMT_*
 * @target: target
 * @lun: LUN
 * @result: TASK_MGMT_SUCCESS or TASK_MGMT_FAILED
 * @done: answered, or given up
 */
struct visorhba_tmf {
	u64 id;
	u32 type;
	u32 target;
	u32 lun;
	u8 result;
	struct completion done;
};

struct visorhba_notify {
	u32 id;
	u32 lun;
	bool add;
};

/**
 * struct visorhba - a host
 * @dev: its device on the bus
 * @shost: its SCSI host
 * @state: enum visorhba_state; changed with @control and every queue's lock
 * @blocked: blk-mq was told to hold requests back
 * @forget: a reset is under way: resume ends what is unanswered
 * @removing: remove has begun
 * @faulted: the driver has called the channel faulted
 * @physical: data are named by guest-physical addresses
 * @slot_ext: messages carry struct mullion_slot_ext
 * @epoch: of messages; changes between pause and resume
 * @tags: number of tags
 * @max_io: bytes of the largest request
 * @area: what the host has of the pool
 * @area_offset: data address of @area
 * @own_bytes: bytes of the tags' own areas, at its start
 * @piece_lock: of the following
 * @piece_count: pieces behind them
 * @pieces_free: pieces that are free
 * @pieces: stack of their numbers
 * @piece_shortages: commands sent back for lack of pieces
 * @max_id: targets
 * @queue_count: queue pairs in use
 * @queues: the queue pairs
 * @table: the tags
 * @order: room to sort them in
 * @control: serialises changes of @state
 * @wait: woken when @state changes or a queue loses its owner
 * @fail_work: ends everything after a fault
 * @absent_work: ends everything when the server was absent for too long
 * @resumed: when resume was last called, in jiffies
 * @handlers: held for reading by the handlers of resets
 * @ended: under @handlers: remove has ended, nothing may be touched any more
 * @tmf_mutex: one task management request at a time
 * @tmf: it
 * @wq: scans, and disks that come and go, in order
 * @scan_work: the first scan
 * @notify_work: empties @notify
 * @notify_lock: of @notify, @notify_head and @notify_count
 * @notify: disks that have come or gone, a ring
 * @notify_head: the oldest
 * @notify_count: how many
 * @notify_lost: there were more
 * @debugfs: folder of the counters
 * @leaving: node of the list of hosts that are removed and still referenced
 *
 * The rest are counters.
 */
struct visorhba {
	struct visor_device *dev;
	struct Scsi_Host *shost;
	enum visorhba_state state;
	bool blocked;
	bool forget;
	bool removing;
	bool faulted;
	bool physical;
	bool slot_ext;
	u32 epoch;
	unsigned int tags;
	u32 max_io;
	u8 *area;
	u64 area_offset;
	u32 own_bytes;
	spinlock_t piece_lock;
	u32 piece_count;
	u32 pieces_free;
	u16 *pieces;
	u64 piece_shortages;
	u32 max_id;
	unsigned int queue_count;
	struct visorhba_queue *queues;
	struct visorhba_entry *table;
	struct visorhba_entry **order;

	struct mutex control;
	wait_queue_head_t wait;
	struct work_struct fail_work;
	struct delayed_work absent_work;

	unsigned long resumed;

	struct rw_semaphore handlers;
	bool ended;
	struct mutex tmf_mutex;
	struct visorhba_tmf tmf;

	struct workqueue_struct *wq;
	struct work_struct scan_work;
	struct work_struct notify_work;
	spinlock_t notify_lock;
	struct visorhba_notify notify[VISORHBA_NOTIFY_MAX];
	unsigned int notify_head;
	unsigned int notify_count;
	bool notify_lost;

	struct dentry *debugfs;
	struct list_head leaving;
	u64 reissued;
	u64 resumes;
	u64 aborts;
	u64 resets;
	u64 host_resets;
	u64 tmf_timeouts;
};

static inline struct visorhba *visorhba_of(struct Scsi_Host *shost)
{
	return shost_priv(shost);
}

/* LUNs from 256 on are flat addresses (SAM-5, 4.7.7.3) to the SCSI layer. */
static inline u32 visorhba_lun_to_wire(u64 lun)
{
	return (lun & 0xc000) == 0x4000 ? lun & 0x3fff : lun;
}

static inline u64 visorhba_lun_from_wire(u32 lun)
{
	return lun < 256 ? lun : lun | 0x4000;
}

/* area.c */
int visorhba_areas_init(struct visorhba *hba, u32 tags, u32 max_io);
bool visorhba_area_take(struct visorhba *hba, struct visorhba_entry *entry,
			u32 bytes);
void visorhba_area_give(struct visorhba *hba, struct visorhba_entry *entry);
u16 visorhba_area_list(const struct visorhba *hba,
		       const struct visorhba_entry *entry, u32 bytes,
		       struct guest_phys_info *list);
void visorhba_area_copy(const struct visorhba *hba,
			const struct visorhba_entry *entry,
			struct scsi_cmnd *cmd, u32 bytes, bool to_pool);

/* data.c */
int visorhba_data_take(struct visorhba *hba, struct visorhba_entry *entry,
		       struct scsi_cmnd *cmd);
void visorhba_data_give(struct visorhba *hba, struct visorhba_entry *entry,
			struct scsi_cmnd *cmd);
u32 visorhba_data_cost(const struct visorhba *hba, struct scsi_cmnd *cmd);
u16 visorhba_data_list(const struct visorhba *hba,
		       const struct visorhba_entry *entry,
		       struct scsi_cmnd *cmd, struct guest_phys_info *list);
void visorhba_data_fetch(struct visorhba *hba, struct visorhba_entry *entry,
			 struct scsi_cmnd *cmd, u32 bytes);
void visorhba_data_leave(struct visorhba *hba, struct scsi_cmnd *cmd);

/* submit.c */
int visorhba_queuecommand(struct Scsi_Host *shost, struct scsi_cmnd *cmd);
void visorhba_commit_rqs(struct Scsi_Host *shost, u16 queue);
int visorhba_reissue(struct visorhba *hba);
int visorhba_send_tmf(struct visorhba *hba);

/* main.c */
extern struct workqueue_struct *visorhba_wq;	/* of complete.c's workers */

/* complete.c */
void visorhba_queue_interrupt(struct visor_device *dev, unsigned int pair);
void visorhba_drain_work(struct work_struct *work);
void visorhba_queue_own(struct visorhba_queue *q);
void visorhba_queue_disown(struct visorhba_queue *q);
void visorhba_queue_flush(struct visorhba_queue *q);
void visorhba_end_all(struct visorhba *hba, u8 host_byte, bool confirmed);

/* recover.c */
void visorhba_fault(struct visorhba *hba, const char *why);
void visorhba_fail_work(struct work_struct *work);
void visorhba_absent_work(struct work_struct *work);
void visorhba_set_state(struct visorhba *hba, enum visorhba_state state);
void visorhba_fail(struct visorhba *hba, enum visorhba_state state,
		   u8 host_byte);
void visorhba_unblock(struct visorhba *hba);
unsigned long visorhba_absent_jiffies(void);
bool visorhba_wait_server(struct visorhba *hba);
enum scsi_timeout_action visorhba_timed_out(struct scsi_cmnd *cmd);
int visorhba_abort(struct scsi_cmnd *cmd);
int visorhba_device_reset(struct scsi_cmnd *cmd);
int visorhba_target_reset(struct scsi_cmnd *cmd);
int visorhba_bus_reset(struct scsi_cmnd *cmd);
int visorhba_host_reset(struct scsi_cmnd *cmd);

/* scan.c */
void visorhba_scan_work(struct work_struct *work);
int visorhba_slave_alloc(struct scsi_device *sdev);
void visorhba_notify_work(struct work_struct *work);
void visorhba_notify(struct visorhba *hba, bool add, u32 channel, u32 id,
		     u32 lun);

/* stats.c */
void visorhba_stats_init(void);
void visorhba_stats_done(void);
void visorhba_stats_add(struct visorhba *hba);
void visorhba_stats_remove(struct visorhba *hba);

#endif /* MULLION_VISORHBA_H */
