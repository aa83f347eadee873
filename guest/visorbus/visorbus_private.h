/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * visorbus_private.h - what the files of this module know of each other
 *
 * DOC: Theory of Operation
 *
 *   window.c    PCI functions: header check, mapping, vectors, doorbells
 *   ram.c       a window that is a reserved range of the guest's RAM
 *   memory.c    guest-physical addressing: mapping, and what outlives a driver
 *   channel.c   one channel in a window: header, copying, queues
 *   attach.c    the epoch handshake of a channel
 *   pool.c      who has which page of a window's pool
 *   bus.c       buses, matching, sysfs, client information
 *   device.c    devices: creation, probe, removal
 *   state.c     devices: pause, resume, generation change, faults
 *   interrupt.c devices: doorbells, polls, rescues
 *   control.c   the control channel: its thread and its queues
 *   message.c   what each control message does
 *   chipset.c   /sys/devices/visorchipset: readiness, uevents, installation
 *   hotplug.c   parahotplug requests
 *   copy.c      the copy between memory and pool
 *   crash.c     messages saved for a crash kernel, and their replay
 *
 * Locks, outermost first:
 *
 *   device_lock          the driver core's, around probe and remove
 *   visorbus_lock        mutex: lists of windows, buses and devices
 *   callback_lock        mutex of a device: its state, pause and resume
 *   pool lock            mutex of a window's pool
 *   held lock            spinlock of a device: memory that outlives its driver
 *   vector lock          spinlock, interrupts off: who listens on a vector;
 *                        held while an interrupt callback runs
 *   ops lock, control lock, devices lock, bus name lock
 *                        spinlocks, innermost
 *
 * visorbus_lock is never held across a driver's callback or a wait.
 */
#ifndef MULLION_VISORBUS_PRIVATE_H
#define MULLION_VISORBUS_PRIVATE_H

#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/hrtimer.h>
#include <linux/kthread.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/pci.h>
#include <linux/spinlock.h>
#include <linux/timer.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "visorbus.h"
#include "../../abi/bus.h"
#include "../../abi/window.h"
#include "../compat/compat.h"

#define VISOR_QUEUES_MAX	(2 * MULLION_QUEUE_PAIRS_MAX)
#define VISOR_SLOT_BYTES_MAX	4096U
#define VISOR_VECTORS_MAX	256U
#define VISOR_BUSES_MAX		256U
#define VISOR_DEVICES_MAX	1024U	/* per bus */

/* A queue is looked at this often even if nobody rings. */
#define VISOR_SLOW_POLL		(HZ / 2)
/* How long a server may take to confirm a detach before we go on without. */
#define VISOR_DETACH_TIMEOUT	(5 * HZ)
/* How long a driver may take for pause or resume. */
#define VISOR_STATE_TIMEOUT	(60 * HZ)

extern struct mutex visorbus_lock;
extern struct workqueue_struct *visorbus_wq;	/* brings disks back */
extern struct workqueue_struct *visorbus_config_wq;
extern struct bus_type visorbus_type;
extern wait_queue_head_t visorbus_idle;

/* ---- window.c ----------------------------------------------------------- */

/**
 * struct visor_vector - one doorbell of a window, and who listens
 * @window: the window
 * @lock: protects @pairs; held while callbacks run
 * @pairs: struct visor_pair that share it
 * @index: number of the vector
 * @irq: Linux interrupt, negative if there is none: polled
 */
struct visor_vector {
	struct visor_window *window;
	spinlock_t lock;
	struct list_head pairs;
	unsigned int index;
	int irq;
};

struct visor_area {
	u64 offset;
	u64 bytes;
};

/**
 * struct visor_window - one PCI function with a Mullion window in it, or RAM
 * @node: in the list of windows, under visorbus_lock
 * @dev: for messages, and for DMA: the function, or a platform device
 * @pdev: the function; NULL: channels lie in reserved RAM, there are no
 *	doorbells, and each channel has a mapping of its own
 * @regs: its registers
 * @base: the window's memory; in RAM: the control area
 * @gpa: in RAM: guest-physical address of the control area
 * @size: bytes
 * @id: number by which messages name it
 * @kind: MULLION_WINDOW_*
 * @vectors: number of doorbells of each side
 * @vector: ours
 * @control: control area, .bytes is 0 if there is none
 * @channels: channels area
 * @pool_area: pool area
 * @partition_guid: us
 * @service_guid: the server
 * @pool: who has which page, NULL without pool area
 * @devices_lock: protects @devices
 * @devices: devices whose channel is here, by struct visor_device_private.window_node
 * @users: buses and devices that use it; visorbus_idle is woken by the last
 * @removing: no new users
 * @gone: the memory is not ours any more
 * @limbo: detached pool areas that the server has not confirmed
 * @limbo_work: looks at them
 * @ctl: the control channel of a command window
 */
struct visor_window {
	struct list_head node;
	struct device *dev;
	struct pci_dev *pdev;
	void __iomem *regs;
	void *base;
	u64 gpa;
	u64 size;
	u32 id;
	u32 kind;
	unsigned int vectors;
	struct visor_vector *vector;
	struct visor_area control;
	struct visor_area channels;
	struct visor_area pool_area;
	guid_t partition_guid;
	guid_t service_guid;
	struct visor_pool *pool;
	spinlock_t devices_lock;
	struct list_head devices;
	atomic_t users;
	bool removing;
	bool gone;
	struct list_head limbo;
	struct delayed_work limbo_work;
	struct visor_control *ctl;
};

int visor_window_init(void);
void visor_window_exit(void);
struct visor_window *visor_window_find(u64 addr);
struct visor_window *visor_window_wait(u64 addr, unsigned long timeout,
				       bool (*stop)(void));
int visor_window_publish(struct visor_window *window);
void visor_window_withdraw(struct visor_window *window);
int visor_window_vectors_init(struct visor_window *window, u32 vectors);
void visor_window_vectors_exit(struct visor_window *window);
void visor_window_put(struct visor_window *window);
void visor_window_ring(struct visor_window *window, unsigned int vector);
const char *visor_window_check(const struct mullion_window_header *header,
			       u64 bytes);

/* ---- ram.c ---------------------------------------------------------------- */

int visor_ram_init(void);
void visor_ram_exit(void);
void *visor_ram_map(u64 gpa, u64 bytes, const char **why);
void visor_ram_unmap(void *base, u64 gpa, u64 bytes);

/* ---- channel.c, attach.c -------------------------------------------------- */

struct visorqueue {
	struct mullion_sq sq;
	spinlock_t lock;	/* of visorchannel_signalinsert() and -remove() */
	bool open;
};

/**
 * struct visorchannel - a channel in a window
 * @window: where it lies
 * @base: its first byte
 * @bytes: its size, checked
 * @mapped: it has a mapping of its own, in RAM
 * @addr: as announced
 * @header: private copy, taken once
 * @has_ext: it has Mullion's extension
 * @ext_offset: where
 * @info: private copy of the extension's constant part
 * @queues_max: queues that it may have
 * @recv_vector: our first vector
 * @send_vector: the server's first doorbell
 * @epoch: raised last
 * @generation: the server's, that @epoch was raised for
 * @incarnation: of this client
 * @wanted: features to accept if offered
 * @features: accepted
 * @fixed_vector: all queues use the first vectors (control channel)
 * @queues: private views, open after attach
 */
struct visorchannel {
	struct visor_window *window;
	u8 *base;
	u64 bytes;
	bool mapped;
	u64 addr;
	struct channel_header header;
	bool has_ext;
	u32 ext_offset;
	struct mullion_channel_ext info;
	unsigned int queues_max;
	u32 recv_vector;
	u32 send_vector;
	u64 epoch;
	u64 generation;
	u64 incarnation;
	u64 wanted;
	u64 features;
	bool fixed_vector;
	struct visorqueue queues[VISOR_QUEUES_MAX];
};

/* Where attach stands; see visorchannel_poll(). */
enum visor_attach {
	VISOR_ATTACH_WAITING,
	VISOR_ATTACH_CONFIRMED,
	VISOR_ATTACH_OUTDATED,
	VISOR_ATTACH_GONE,
};

struct visorchannel *visorchannel_open(struct visor_window *window,
				       const struct visor_area *area,
				       u64 offset, u64 addr, u32 ext_offset,
				       const char **why);
struct visorchannel *visorchannel_open_ram(struct visor_window *window,
					   u64 addr, u32 ext_offset,
					   const char **why);
void visorchannel_close(struct visorchannel *channel);
bool visorchannel_overlaps(const struct visorchannel *a,
			   const struct visorchannel *b);
unsigned int visorchannel_vector(const struct visorchannel *channel,
				 u32 first, unsigned int pair);
void visorchannel_ring(struct visorchannel *channel, unsigned int queue);
int visorchannel_open_queues(struct visorchannel *channel, bool reset);
bool visorchannel_pending(struct visorchannel *channel, unsigned int queue);
u32 visorchannel_taken(struct visorchannel *channel, unsigned int queue);

void visorchannel_raise(struct visorchannel *channel);
void visorchannel_raise_detached(struct visorchannel *channel);
enum visor_attach visorchannel_poll(struct visorchannel *channel);
int visorchannel_attached(struct visorchannel *channel);
bool visorchannel_ended(struct visorchannel *channel, u64 epoch);
u64 visorchannel_offered(const struct visorchannel *channel);
u64 visorchannel_server_generation(struct visorchannel *channel);
u32 visorchannel_server_fault(struct visorchannel *channel);

/* ---- pool.c ---------------------------------------------------------------- */

/**
 * struct visor_pool_user - what one device has of its window's pool
 * @areas: areas in use
 * @share_first: first page of its guaranteed share
 * @share_pages: pages of it
 * @share_map: which of them are in use
 * @held: memory of the guest that the server may still use (memory.c)
 */
struct visor_pool_user {
	struct list_head areas;
	struct list_head held;
	unsigned long share_first;
	unsigned long share_pages;
	unsigned long *share_map;
};

int visor_pool_create(struct visor_window *window);
void visor_pool_destroy(struct visor_window *window);
int visor_pool_reserve(struct visor_device *dev);
void visor_pool_free_areas(struct visor_window *window,
			   struct visor_pool_user *user);
void visor_pool_release(struct visor_window *window,
			struct visor_pool_user *user);
void visor_pool_limbo(struct visor_device *dev);

/* ---- memory.c -------------------------------------------------------------- */

int visor_memory_check(struct visor_device *dev);
void visor_memory_release(struct list_head *held);
void visor_memory_lose(struct visor_window *window, struct list_head *held);

/* ---- bus.c, device.c, state.c, interrupt.c ------------------------------------ */

/**
 * struct visor_bus - a bus
 * @device: in sysfs
 * @node: in visorbus_buses
 * @no: its number
 * @window: where its channels lie
 * @channel: the bus channel
 * @info: private copy of its header information
 * @type_guid: type in BUS_CREATE
 * @inst: instance GUID
 * @guest_handle: from BUS_CONFIGURE
 * @partition_guid: from BUS_CONFIGURE
 * @name: from BUS_CONFIGURE, NULL before
 * @devices: its devices
 * @device_count: how many
 * @debugfs: its folder
 */
struct visor_bus {
	struct device device;
	struct list_head node;
	u32 no;
	struct visor_window *window;
	struct visorchannel *channel;
	struct visor_vbus_headerinfo info;
	guid_t type_guid;
	guid_t inst;
	u64 guest_handle;
	guid_t partition_guid;
	char *name;
	struct list_head devices;
	unsigned int device_count;
	struct dentry *debugfs;
};

#define to_visor_bus(x) container_of(x, struct visor_bus, device)

struct visor_request;

/* Where a device stands; changes under callback_lock. */
enum visor_state {
	VISOR_STATE_DETACHED,	/* no driver, or not attached yet */
	VISOR_STATE_LIVE,	/* attached, driver works */
	VISOR_STATE_RAISED,	/* driver paused, confirmation awaited */
	VISOR_STATE_STANDBY,	/* driver paused by the administrator */
	VISOR_STATE_FAULTED,	/* driver paused, channel stopped */
};

enum visor_op_type {
	VISOR_OP_PAUSE,
	VISOR_OP_RESUME,
};

/* Unfinished state changes that a device may have; more are refused. */
#define VISOR_OPS_MAX 16

struct visor_op {
	struct list_head node;
	enum visor_op_type type;
	struct visor_request *request;
};

/* struct visor_device_private.flags */
enum {
	VISOR_DEV_MATCHABLE,	/* a driver may bind */
	VISOR_DEV_DYING,	/* is being destroyed: no new work, waits end */
	VISOR_DEV_ENABLED,	/* driver wants interrupts and state changes */
	VISOR_DEV_GATED,	/* quiesced: no interrupt callbacks */
	VISOR_DEV_FAULT,	/* the driver reported a fault */
	VISOR_DEV_RESET,	/* a reset was asked for */
	VISOR_DEV_REBIND,	/* the driver cannot pause: remove and probe */
	VISOR_DEV_STANDBY,	/* administratively paused */
	VISOR_DEV_PROBE,	/* config_work is to look for a driver */
	VISOR_DEV_DEAD,		/* has been destroyed */
	VISOR_DEV_QUARANTINE,	/* pool areas wait for a confirmed detach */
	VISOR_DEV_RETRY,	/* probe found no server: probe when there is one */
};

struct visor_pair {
	struct list_head node;
	struct visor_device *dev;
	unsigned int index;
	struct visor_vector *vector;
	u32 seen_tail;		/* what the first slow look saw */
	bool seen_pending;
	u32 poll_tail;		/* what the last poll saw */
};

/* The slow poll looks twice, see interrupt.c. */
enum visor_look {
	VISOR_LOOK_NONE,
	VISOR_LOOK_FIRST,
	VISOR_LOOK_SECOND,
};

/**
 * struct visor_device_private - the bus's part of a device
 * @dev: the device
 * @drv: its driver, from before probe until after remove
 * @bus: its bus
 * @bus_node: in the bus
 * @window_node: in the window
 * @flags: VISOR_DEV_*
 * @config_work: probe, rebind, destroy: what needs the device lock
 * @state_work: pause, resume, generation changes
 * @ops_lock: protects @ops
 * @ops: administrative state changes to do
 * @ops_count: how many
 * @destroy_request: DEVICE_DESTROY to answer, or NULL
 * @callback_lock: see above
 * @state: under @callback_lock
 * @resume_request: DEVICE_CHANGESTATE to answer when live again
 * @state_done: completion of the driver's pause or resume
 * @state_status: its result
 * @wait: woken by doorbells of the device and of the window
 * @timer: slow poll
 * @poll: poll in place of doorbells
 * @poll_active: when something moved last, in nanoseconds
 * @poll_slow: @poll is far away: who sends something brings it nearer
 * @polled: there is a pair without doorbells
 * @look: the slow look that was taken last
 * @look_time: when the next one is due, in jiffies
 * @pair: queue pairs
 * @pool: its pool areas, and what else the server may use
 * @held_lock: of @pool.held
 * @type: what the driver calls the type, while bound
 * @fault: reason, or empty
 * @reset_raised: the epoch raised last has a new incarnation
 * @resets: counts attaches with a new incarnation
 * @interrupts, @rescues, @stale, @reattaches: counters in sysfs
 */
struct visor_device_private {
	struct visor_device *dev;
	struct visor_driver *drv;
	struct visor_bus *bus;
	struct list_head bus_node;
	struct list_head window_node;
	unsigned long flags;
	struct work_struct config_work;
	struct work_struct state_work;
	spinlock_t ops_lock;
	struct list_head ops;
	unsigned int ops_count;
	struct visor_request *destroy_request;
	struct mutex callback_lock;
	enum visor_state state;
	struct visor_request *resume_request;
	struct completion state_done;
	int state_status;
	wait_queue_head_t wait;
	struct timer_list timer;
	struct hrtimer poll;
	u64 poll_active;
	bool poll_slow;
	bool polled;
	enum visor_look look;
	unsigned long look_time;
	struct visor_pair pair[MULLION_QUEUE_PAIRS_MAX];
	struct visor_pool_user pool;
	spinlock_t held_lock;
	char type[32];
	char fault[48];
	bool reset_raised;
	unsigned int resets;
	atomic64_t interrupts;
	atomic64_t rescues;
	atomic64_t stale;
	atomic64_t reattaches;
};

struct visor_bus *visor_bus_find(u32 no);
int visor_bus_create(struct visor_window *window, u32 no, u64 addr,
		     const guid_t *type, const guid_t *inst);
struct visorchannel *visor_bus_open_channel(struct visor_window *window,
					    u64 addr, const guid_t *type,
					    const char *what);
int visor_bus_destroy(struct visor_bus *bus);
void visor_bus_destroy_window(struct visor_window *window);
int visor_bus_read_info(struct visor_bus *bus);
void visor_bus_set_name(struct visor_bus *bus, char *name);
void visor_bus_write_info(struct visor_bus *bus);
void visor_bus_write_device_info(struct visor_device *dev);
void visor_bus_debugfs_init(void);
void visor_bus_debugfs_exit(void);
void visor_bus_debugfs_add(struct visor_bus *bus);
const struct visor_channeltype_descriptor *
visor_bus_match_type(const struct visor_device *dev,
		     const struct visor_driver *drv);

extern const struct device_type visor_device_type;
extern const struct attribute_group *visor_device_groups[];

struct visor_device *visor_device_find(struct visor_bus *bus, u32 no);
int visor_device_create(struct visor_bus *bus,
			const struct controlvm_packet_create_device *packet);
void visor_device_destroy(struct visor_device *dev,
			  struct visor_request *request);
bool visor_device_in_window(const struct visor_device *dev,
			    const struct visor_window *window);
void visor_device_look_for_driver(struct visor_device *dev);
void visor_device_detach(struct visor_device *dev, unsigned long timeout);

int visor_device_bus_probe(struct device *device);
void visor_device_bus_remove(struct device *device);
void visor_device_bus_shutdown(struct device *device);

void visor_state_init(struct visor_device *dev);
const char *visor_state_name(enum visor_state state);
void visor_state_queue(struct visor_device *dev, enum visor_op_type type,
		       struct visor_request *request);
void visor_state_kick(struct visor_device *dev);
bool visor_state_needs_look(struct visor_device *dev);
void visor_state_set(struct visor_device *dev, enum visor_state state);
void visor_state_flush(struct visor_device *dev);
int visor_state_quiesce(struct visor_device *dev);
void visor_state_answer(struct visor_device *dev,
			struct visor_request *request, int status);

void visor_interrupt_init(struct visor_device *dev);
void visor_interrupt_busy(struct visor_device *dev);
void visor_interrupt_exit(struct visor_device *dev);
void visor_interrupt_gate(struct visor_device *dev, bool gate);
void visor_interrupt_drain(struct visor_device *dev);
void visor_interrupt_vector(struct visor_vector *vector);
void visor_interrupt_window(struct visor_window *window);

/* ---- control.c, message.c, chipset.c, hotplug.c, crash.c ------------------------ */

/**
 * struct visor_request - a command that must be answered exactly once
 * @node: in the list of answers
 * @epoch: of the control channel when it was taken
 * @internal: replayed from the crash area: nobody waits for an answer
 * @msg: private copy of the message; becomes the answer
 * @payload: private copy, NULL if none
 * @payload_bytes: bytes of it
 */
struct visor_request {
	struct list_head node;
	u64 epoch;
	bool internal;
	struct controlvm_message msg;
	void *payload;
	u32 payload_bytes;
};

int visor_control_start(struct visor_window *window);
void visor_control_stop(struct visor_window *window);
void visor_control_free(struct visor_window *window);
void visor_control_shutdown(struct visor_window *window);
void visor_control_kick(struct visor_window *window);
void visor_control_respond(struct visor_request *request, int status,
			   const union controlvm_packet *packet);
int visor_control_read(u64 offset, void *dest, u64 bytes);
int visor_control_write(u64 offset, const void *src, u64 bytes);
bool visor_control_stopping(void);
u64 visor_control_rescues(void);

void visor_message_execute(struct visor_request *request);
void visor_message_new_session(void);
void visor_message_teardown_begin(void);
void visor_message_teardown_done(void);
void visor_message_forget(void);

int visor_chipset_init(void);
void visor_chipset_exit(void);
int visor_chipset_ready(void);
int visor_chipset_stop(void);
int visor_chipset_selftest(void);
int visor_chipset_uevent(char **envp);
void visor_chipset_hold(void);
void visor_chipset_release(void);

extern const struct attribute_group visor_hotplug_group;
void visor_hotplug_request(struct visor_request *request);
unsigned long visor_hotplug_expire(void);
void visor_hotplug_forget(void);

void visor_crash_save(unsigned int slot, const struct controlvm_message *msg);
bool visor_crash_replay(void);

#endif /* MULLION_VISORBUS_PRIVATE_H */
