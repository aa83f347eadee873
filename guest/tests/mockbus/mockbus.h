/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * mockbus.h - what the files of the mock share
 *
 * DOC: Theory of Operation
 *
 * mockbus is a test double: it exports the functions of visorbus.h, with one or
 * two devices behind them whose service is a kernel thread: a RAM disk for
 * visorhba.ko, a cable between two network interfaces for visornic.ko.  With it
 * in place of visorbus.ko the drivers run in any guest, and meet what a real
 * service never does on purpose: answers that are late, wrong or invented, no
 * answers, generations that change under load, a window that goes away.
 *
 * bus.c is the bus; disk.c, net.c and net_bad.c are the services.  Orders are
 * written to the file /sys/kernel/debug/mockbus/order:
 *
 *   generation   pause, drain, forget what was taken, resume (as after kill -9)
 *   absent MS    the same, with MS milliseconds in between
 *   lose N       take the next N commands or frames and never answer them
 *   hostile M    before each answer, send the bad ones of mask M
 *   index        put an impossible index into the response queue
 *   gone         take the window away
 *
 *   spoil M      disk: make each answer itself bad in the ways of mask M
 *   tmf M        disk: task management is 0: answered, 1: refused, 2: ignored
 *   add, drop    disk: LUN 1 comes or goes, with a notification
 *
 *   mute M       net: 1: no answer to enable and disable; 2: none to addresses; 4:
 *                none to disable before the next order of this kind
 *   link M       net: say of device 0 that its link is up (1) or down
 *   mac N        net: say of device 0 that its address ends in N
 *   lock M       net: refuse (1) or allow changes of addresses
 *
 * Those that name no device are for all of them.  Module parameters say what the
 * service offers: features=MASK, without bit 2 for one that wants guest-physical
 * addresses; ext=0 for one of s-Par, which wants them too; polled=1 for one whose
 * doorbells do not arrive.
 */
#ifndef MULLION_MOCKBUS_H
#define MULLION_MOCKBUS_H

#include <linux/mutex.h>
#include <linux/spinlock.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../../../abi/net.h"
#include "../../visorbus/visorbus.h"

#define MOCK_DEVICES		2
#define MOCK_PAIRS		2
#define MOCK_QUEUES		(2 * MOCK_PAIRS)
#define MOCK_SLOTS		256
#define MOCK_CHANNEL_BYTES	(2U << 20)

struct mock;
struct mock_disk;
struct mock_net;

/**
 * struct mock_class - a service
 * @guid: type of the channels that it serves
 * @devices: how many there are
 * @pairs: queue pairs of each
 * @pool_bytes: pool of each
 * @outstanding: requests, or receive buffers
 * @start: begin to serve a device; 0 or negative errno
 * @stop: the end of it, also after an error of @start
 * @format: fill in the class's part of the channel
 * @forget: a new epoch has begun
 * @message: a message of the driver, a private copy; called in the service's turn
 * @turn_end: all were taken
 * @order: an order that the bus does not know; 0 or negative errno
 */
struct mock_class {
	guid_t guid;
	unsigned int devices;
	unsigned int pairs;
	u32 pool_bytes;
	u32 outstanding;
	int (*start)(struct mock *m);
	void (*stop)(struct mock *m);
	void (*format)(struct mock *m, struct visor_io_channel *c);
	void (*forget)(struct mock *m);
	void (*message)(struct mock *m, unsigned int pair,
			struct mullion_io_slot *slot);
	void (*turn_end)(struct mock *m);
	int (*order)(const char *verb, unsigned int value);
};

extern const struct mock_class mock_disk_class;
extern const struct mock_class mock_net_class;

struct mock {
	struct visor_device dev;
	struct visor_driver *driver;
	unsigned int index;
	u8 *channel;
	u8 *pool;
	bool pool_used;
	bool registered;
	bool attached;
	bool gone;
	bool faulted;
	u64 features;
	u32 epoch;
	u64 stale;

	struct mullion_sq client[MOCK_QUEUES];	/* the driver's view */
	struct mullion_sq server[MOCK_QUEUES];	/* the service's */

	struct mutex config;		/* probe and remove */
	struct mutex state;		/* pause and resume, which remove may meet */
	bool enabled;			/* under it: there may be some */
	spinlock_t held_lock;
	struct list_head held;		/* memory that the driver has left here */
	u64 held_count;
	struct completion state_done;
	int state_status;
	struct work_struct reset_work;
	wait_queue_head_t reset_wait;
	u32 resets;

	spinlock_t interrupt_lock;	/* the callback, never twice */
	bool interrupts;
	struct timer_list timer;	/* the slow poll, or the fast one */

	struct mock_disk *disk;
	struct mock_net *net;
};

extern struct mock mocks[MOCK_DEVICES];
extern const struct mock_class *mock_class;
extern struct mutex mock_service;	/* the service's turn */
extern bool mock_ext;
extern u32 mock_lose;
extern u32 mock_hostile;
extern u64 mock_net_early;	/* posts between a disable and its answer */

void mock_interrupt(struct mock *m, unsigned int pair);
void mock_publish(struct mock *m);
void mock_put(struct mock *m, unsigned int pair, const struct mullion_io_slot *s);
void *mock_memory(struct mock *m, u64 address, u64 bytes);
void mock_wake(void);

#endif /* MULLION_MOCKBUS_H */
