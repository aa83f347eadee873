/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/disk.h - disks, logical units, and the commands they run
 *
 * A *disk* is a medium with its SCSI state, named by a UUID.  A *logical
 * unit* is a disk as one device (a guest's host adapter) sees it.  Usually
 * there is one for each; a shared disk has several, and then each device is
 * an I_T nexus of the disk, with registrations and unit attentions of its own.
 */
#ifndef MULLION_DISK_DISK_H
#define MULLION_DISK_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../../abi/disk.h"
#include "../common/device.h"
#include "persist.h"
#include "store.h"

#define DISK_BLOCK_BYTES	512U
#define DISK_BLOCK_SHIFT	9
#define DISK_ID_MAX		16	/* SCSI targets of a device */
#define DISK_LUN_MAX		256	/* logical unit numbers of a target */
#define DISK_MAX_IO_BYTES	(1U << 20)
#define DISK_QUEUE_DEPTH	64
/* Drivers that poll may have a table of 128 for all units and their tasks. */
#define DISK_QUEUE_DEPTH_POLLED	32

/*
 * Why a command has to take the long way.  A read or write looks at one word
 * of the disk and one of the logical unit; both are 0 nearly always.
 */
#define GATE_RESERVED	(1U << 0)	/* reservation of any kind */
#define GATE_ORDER	(1U << 1)	/* an exclusive range is held or wanted */
#define GATE_STOPPED	(1U << 2)	/* START STOP UNIT */
#define GATE_PROTECTED	(1U << 3)	/* writes refused */
#define GATE_ATTENTION	(1U << 4)	/* a unit attention waits */
#define GATE_STABLE	(1U << 5)	/* WCE = 0: stable before status */

struct cmd;
struct lun;

struct cmd_list {
	struct cmd *first;
	struct cmd *last;
};

/**
 * struct drain - someone waits until earlier commands have been answered
 * @serial: commands with a lower one are covered
 * @nexus_mask: whose commands
 * @done: called once, when the last of them has been answered
 */
struct drain {
	struct drain *next;
	uint64_t serial;
	uint64_t nexus_mask;
	void (*done)(struct drain *drain);
};

/**
 * struct disk - a medium and its SCSI state
 * @store: NULL until it is open
 * @state: as in its state object; persist_commit() after changes
 * @active, @waiting: commands that run in the background, and those that
 *	wait for a range or a journal slot, oldest first
 */
struct disk {
	guid_t uuid;
	struct disk *next;
	struct lun *luns;
	struct store *store;
	struct mullion_state_object *object;
	struct persist_body state;
	uint64_t blocks;
	uint32_t gate;
	uint32_t cache;
	bool read_only;
	bool shared;
	bool wce_changeable;
	bool opening;
	bool kicking;
	bool kick_again;
	bool hold;	/* no exclusive command starts: the journal is full */
	unsigned int exclusives;
	uint64_t serial;
	struct cmd_list active;
	struct cmd_list waiting;
	struct drain *drains;
	char name[40];		/* UUID, for log lines */
	char serial_number[33];
	struct mullion_disk_lun config;
	uint32_t errors_logged;	/* one bit per kind */
	int replay_slot;
	struct store_io replay_io;
	struct iovec replay_vec;
};

struct disk_device;

/**
 * struct lun - a disk as a device sees it
 * @nexus: index of the device in disk->state.nexus
 * @outstanding: its commands on the disk's lists
 * @ready: its disk is open and it can be addressed
 * @gone: removed; freed with its last command
 * @next_of_disk: the same disk at other devices
 */
struct lun {
	struct disk_device *device;
	struct disk *disk;
	struct lun *next_of_disk;
	uint32_t gate;
	uint32_t outstanding;
	bool read_only;
	bool ready;
	bool gone;
	bool aborting;	/* a PREEMPT AND ABORT of this nexus waits */
	uint8_t nexus;
	uint8_t id;
	uint8_t lun;
};

/**
 * struct disk_device - the class's part of a device: one host adapter
 * @map: index into @luns plus one; 0: nothing there
 * @outstanding: commands, and tasks, that are not answered
 */
struct disk_device {
	struct mullion_device *device;
	struct lun *last;
	uint32_t outstanding;
	uint32_t opening;
	int start_error;
	bool starting;
	bool adopt;	/* what a failed start leaves is for the next try */
	bool quiescing;
	guid_t uuid;
	struct lun *luns[MULLION_DISK_LUNS_MAX];
	uint8_t map[DISK_ID_MAX][DISK_LUN_MAX];
};

/* cmd.place */
#define CMD_FREE	0	/* on nobody's list */
#define CMD_ACTIVE	1
#define CMD_WAITING	2

/**
 * struct cmd - a SCSI command, in the class part of its request
 * @io: the operation at the store that it waits for
 * @step: continues with that operation's result
 * @start: runs it once it may
 * @lba, @span: the range that it touches, for ordering
 * @serial: order of arrival at the disk
 * @buffer: memory of its own, freed with it
 * @vec: for operations on @buffer
 * @blocks, @progress, @chunk, @mode: of the command's own family
 * @journal: slot in the journal plus one; 0: none
 * @exclusive: nobody else may touch the range while it runs
 */
struct cmd {
	struct store_io io;
	struct lun *lun;
	struct cmd *next;
	struct cmd *prev;
	union {
		void (*step)(struct cmd *cmd, int error);
		void (*start)(struct cmd *cmd);
	};
	uint64_t lba;
	uint64_t span;
	uint64_t serial;
	uint8_t *buffer;
	struct iovec vec;
	uint32_t blocks;
	uint32_t progress;
	uint32_t chunk;
	uint8_t place;
	bool exclusive;
	bool fua;
	int8_t journal;
	uint8_t mode;
};

_Static_assert(sizeof(struct cmd) <= MULLION_REQUEST_CLASS_BYTES,
	       "a command fits its request");

static inline struct cmd *cmd_of(struct mullion_request *request)
{
	return (struct cmd *)(void *)request->class;
}

static inline struct mullion_request *cmd_request(struct cmd *cmd)
{
	return (struct mullion_request *)(void *)
	       ((unsigned char *)cmd - offsetof(struct mullion_request, class));
}

static inline struct cmd *cmd_of_io(struct store_io *io)
{
	return (struct cmd *)(void *)
	       ((unsigned char *)io - offsetof(struct cmd, io));
}

static inline struct persist_nexus *lun_nexus(struct lun *lun)
{
	return &lun->disk->state.nexus[lun->nexus];
}

/* disk.c: logical units of a device */
struct lun *disk_lun_find(struct disk_device *device, uint32_t id,
			  uint32_t lun);

/**
 * disk_command_begun(), disk_command_ended() - count what is outstanding
 *
 * The logical unit or device may be gone after the latter.
 */
void disk_command_begun(struct lun *lun);
void disk_command_ended(struct lun *lun);
void disk_task_ended(struct disk_device *device);

/* object.c: disks */
/**
 * disk_get() - the disk of a configuration entry, opened if it is new
 * @config: the entry; copied
 * @fd, @fence_fd: its descriptors, -1 for none; no longer the caller's,
 *	whatever happens
 * @adopt: a predecessor had it
 * @out: the disk, with a user more
 *
 * Return: 0; 1 if disk_opened() will be called for each of its users;
 * negative errno, logged.  Only disk_attach() or disk_put() may follow.
 */
int disk_get(const struct mullion_disk_lun *config, int fd, int fence_fd,
	     bool adopt, struct disk **out);

/**
 * disk_attach() - a device begins to use a disk
 * @device: its UUID
 *
 * Return: 0, or -ENOSPC if the disk knows too many nexuses already.
 */
int disk_attach(struct disk *disk, struct lun *lun, const guid_t *device);

/**
 * disk_detach() - the opposite, and the disk's end with its last user
 * @forget: the nexus will not come back; false: a successor may need its state
 */
void disk_detach(struct lun *lun, bool forget);

/**
 * disk_put() - undo a disk_get() that was not followed by disk_attach()
 */
void disk_put(struct disk *disk, bool forget);

/* disk.c: called by object.c for each logical unit when its disk is open */
void disk_opened(struct lun *lun, int error);

void disk_nexus_fresh(struct lun *lun);
void disk_gate_update(struct disk *disk);
void disk_commit(struct disk *disk);
void disk_check_size(struct disk *disk);
void disk_turn_end(void);
void disk_log_once(struct disk *disk, unsigned int kind, const char *what,
		   int error);
bool disk_wce(const struct disk *disk);

/* kinds of disk_log_once() */
#define DISK_LOG_READ	0
#define DISK_LOG_WRITE	1
#define DISK_LOG_SPACE	2
#define DISK_LOG_FLUSH	3
#define DISK_LOG_SIZE	4
#define DISK_LOG_UNMAP	5

/**
 * disk_attention() - establish a unit attention
 * @except: a nexus that does not get it, or PERSIST_NEXUS_NONE
 * @registered_only: only registered nexuses get it
 *
 * The caller commits.
 */
void disk_attention(struct disk *disk, uint32_t attention, uint8_t except,
		    bool registered_only);

/* order.c */
/**
 * order_enter() - may the command touch its range now?
 *
 * Return: true if it may, and then it is among the active ones; false if it
 * has to wait, and then cmd->start will be called, or the command aborted.
 */
bool order_enter(struct cmd *cmd);

/**
 * order_running() - a command that was free to go has gone into the background
 */
void order_running(struct cmd *cmd);

/**
 * order_wait() - put an active exclusive command back until another has ended
 */
void order_wait(struct cmd *cmd, void (*start)(struct cmd *cmd));

/**
 * order_leave() - the command is done; order_settle() is to follow
 */
void order_leave(struct cmd *cmd);

/**
 * order_settle() - go on with what waited for commands to end
 */
void order_settle(struct disk *disk);

/**
 * order_abort() - answer the waiting commands of some nexuses with a reset
 */
void order_abort(struct disk *disk, uint64_t nexus_mask);

/**
 * order_drain() - call drain->done once earlier commands are answered
 * @drain: serial and mask are set here; the caller's memory
 *
 * Return: true if there is nothing to wait for; done is not called then.
 */
bool order_drain(struct disk *disk, struct drain *drain, uint64_t nexus_mask);

/**
 * order_drain_cancel() - stop waiting
 */
void order_drain_cancel(struct disk *disk, struct drain *drain);

/* scsi.c */
void scsi_request(struct disk_device *device, struct mullion_request *request);

/* task.c */
void task_request(struct disk_device *device, struct mullion_request *request);

/**
 * task_look() - give up on tasks that have waited for too long
 * @now: seconds, CLOCK_MONOTONIC
 */
void task_look(long now);

#endif /* MULLION_DISK_DISK_H */
