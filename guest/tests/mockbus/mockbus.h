/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mockbus.h - what the two files of the mock share
 *
 * DOC: Theory of Operation
 *
 * mockbus is a test double: it exports the functions of visorbus.h, with one
 * device behind them whose service is a kernel thread with a RAM disk.  With it
 * in place of visorbus.ko, visorhba.ko runs in any guest, and meets what a real
 * service never does on purpose: answers that are late, wrong or invented, no
 * answers, generations that change under load, a window that goes away.
 *
 * bus.c is the bus, service.c the service.  Orders are written to the file
 * /sys/kernel/debug/mockbus/order:
 *
 *   generation   pause, drain, forget what was taken, resume (as after kill -9)
 *   absent MS    the same, with MS milliseconds in between
 *   lose N       take the next N SCSI commands and never answer them
 *   hostile M    before each answer, send the bad ones of mask M (MOCK_BAD_*)
 *   spoil M      make each answer itself bad in the ways of mask M (MOCK_SPOIL_*)
 *   tmf M        0: task management is answered; 1: refused; 2: ignored
 *   index        put an impossible index into the response queue
 *   gone         take the window away
 *   add, drop    LUN 1 comes or goes, with a notification
 */
#ifndef MULLION_MOCKBUS_H
#define MULLION_MOCKBUS_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../../visorbus/visorbus.h"

#define MOCK_SLOTS		256
#define MOCK_CHANNEL_BYTES	(2U << 20)
#define MOCK_POOL_BYTES		(32U << 20)
#define MOCK_DISK_BYTES		(64U << 20)
#define MOCK_IO_BYTES		(256U << 10)
#define MOCK_OUTSTANDING	64

/* hostile: a message more, before the true one */
#define MOCK_BAD_TAG		(1U << 0)	/* tag out of range */
#define MOCK_BAD_FREE		(1U << 1)	/* tag that is free */
#define MOCK_BAD_ID		(1U << 2)	/* right tag, wrong request */
#define MOCK_BAD_EPOCH		(1U << 3)	/* right, of an older epoch */
#define MOCK_BAD_TYPE		(1U << 4)	/* unknown message */
#define MOCK_BAD_TWICE		(1U << 5)	/* the true one again, after it */
#define MOCK_BAD_TMF		(1U << 6)	/* answer to no request */
#define MOCK_BAD_NOTIFY		(1U << 7)	/* disk out of range */

/* spoil: the answer itself */
#define MOCK_SPOIL_RESIDUAL	(1U << 0)	/* more than was asked for */
#define MOCK_SPOIL_STATUS	(1U << 1)	/* result word with unknown bits */
#define MOCK_SPOIL_HOST		(1U << 2)	/* host byte that is none */

struct mock {
	struct visor_device dev;
	struct visor_driver *driver;
	u8 *channel;
	u8 *pool;
	bool pool_used;
	bool attached;
	bool gone;
	bool faulted;
	u32 epoch;
	u64 stale;

	struct mullion_sq client[2];	/* the driver's view */
	struct mullion_sq server[2];	/* the service's */

	struct mutex config;		/* probe and remove */
	struct mutex state;		/* pause and resume, which remove may meet */
	bool enabled;			/* under it: there may be some */
	struct completion state_done;
	int state_status;
	struct work_struct reset_work;
	wait_queue_head_t reset_wait;
	u32 resets;

	spinlock_t interrupt_lock;	/* the callback, never twice */
	bool interrupts;

	struct mutex service;		/* the service's turn */
	struct task_struct *thread;
	wait_queue_head_t wake;
	bool work;

	u8 *disk;
	u8 *data;			/* of one request */
	bool lun1;
	u32 lose;
	u32 hostile;
	u32 spoil;
	u32 tmf;
};

void mock_interrupt(struct mock *m);

int mock_service_start(struct mock *m);
void mock_service_stop(struct mock *m);
void mock_service_turn(struct mock *m);
void mock_service_notify(struct mock *m, bool add, u32 id, u32 lun);

#endif /* MULLION_MOCKBUS_H */
