/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/partition.h - a guest partition: windows, control channel, buses
 *
 * What the upper half of mulliond has of a guest, VM or process alike:
 *
 *	mullion_partition_new()
 *	mullion_partition_add()		once per disk (root first) and NIC
 *	mullion_partition_start()	services start; ops->ready() tells
 *	for each window: mullion_partition_ivshmem() and start QEMU, or
 *	mullion_partition_send_fds()	to a process
 *	ops->attached(), ops->online()	as the guest's driver gets there
 *	mullion_partition_stop()	QEMU has ended; ops->stopped() tells
 *	mullion_partition_free()
 *
 * No callback is called from within a function of this header, except those
 * of mullion_partition_free(), which calls none.
 */
#ifndef MULLION_COMMAND_PARTITION_H
#define MULLION_COMMAND_PARTITION_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/types.h"
#include "core.h"
#include "error.h"
#include "intree_device.h"
#include "window.h"

/**
 * struct mullion_partition_ops - what happens to the partition
 * @ready: all services serve, or one cannot (@err not NULL; stop then)
 * @attached: a driver has attached to the control channel: booting;
 *	@again: it had been attached before: the guest was reset
 * @online: the guest has answered CHIPSET_READY
 * @detached: the driver has said goodbye
 * @window_added: a device that was added to a running guest needs this further
 *	window; plug it, then call mullion_partition_window_plugged().
 *	NULL: such devices are refused
 * @window_removed: a window is not used any more; unplug it, then call
 *	mullion_partition_window_unplugged()
 * @stopped: all services of this partition alone have exited
 * @given_back: after mullion_partition_give_back()
 * @lost: the guest's RAM, where its channels lie, is no longer there
 */
struct mullion_partition_ops {
	void (*ready)(void *arg, const struct mullion_error *err);
	void (*attached)(void *arg, bool again);
	void (*online)(void *arg);
	void (*detached)(void *arg);
	void (*window_added)(void *arg, unsigned int slot);
	void (*window_removed)(void *arg, unsigned int slot);
	void (*stopped)(void *arg);
	void (*given_back)(void *arg);
	void (*lost)(void *arg);
};

#define MULLION_PARTITION_PARTS_MAX	128
#define MULLION_PARTITION_SLOTS_MAX	64	/* windows, the command window included */

struct mullion_cp_bus;
struct mullion_cp_control;
struct mullion_cp_control_ops;
struct mullion_cp_ram;
struct mullion_device_class;
struct mullion_service;

/**
 * struct mullion_partition - one guest partition; for the lower half alone
 * @window: its command window; NULL: @placed
 * @ram: the guest's RAM, for addresses in messages; NULL: those are of windows
 * @placed: there are no windows: control channel and channels lie in @ram
 * @write_through: its disks have no write cache
 * @control_gpa, @control_bytes: of a control channel there
 * @payload_gpa: of the area for payloads, where the channel has no room; 0: none
 * @intree: what intree.c keeps
 * @buses: linked by next, in the order of their numbers
 * @slots: bit mask of the windows' slots in use, 0 the command window's
 * @waiting, @waiting_count: what the user has added before the start
 * @started, @stopping: start and stop were called
 * @windowed: the guest's driver can be told of buses
 * @giving_back: the guest is asked for all its buses; @give_up: no longer than then
 * @online: CHIPSET_READY was answered
 * @was_attached: a driver has attached before; @attached_usec: when, by the clock
 * @absent: the process that was the guest is gone
 * @tell: callbacks that are due
 * @told: callbacks that come once
 * @settle: runs the callbacks from the loop
 */
struct mullion_partition {
	struct mullion_partition *next;
	struct mullion_core *core;
	char name[80];
	char label[96];
	guid_t uuid;
	const struct mullion_partition_ops *ops;
	void *arg;
	struct mullion_cp_window *window;
	struct mullion_cp_ram *ram;
	bool placed;
	bool write_through;
	uint64_t control_gpa;
	uint64_t control_bytes;
	uint64_t payload_gpa;
	struct mullion_intree intree;
	struct mullion_cp_control *control;
	struct mullion_cp_bus *buses;
	uint32_t bus_last;
	uint64_t slots;
	struct {
		const struct mullion_device_class *class;
		void *part;
	} waiting[MULLION_PARTITION_PARTS_MAX];
	unsigned int waiting_count;
	bool started;
	bool stopping;
	bool windowed;
	bool online;
	bool was_attached;
	uint64_t attached_usec;
	bool absent;
	bool giving_back;
	uint64_t give_up;
	uint64_t acknowledged;
	sd_event_source *giver;
	struct {
		bool attached;
		bool again;
		bool online;
		bool detached;
		bool lost;
	} tell;
	struct {
		bool ready;
		bool stopped;
		bool lost;
	} told;
	bool settling;
	bool freed;
	sd_event_source *settle;
};

/**
 * mullion_partition_changed() - something that its owner may wait for
 */
void mullion_partition_changed(struct mullion_partition *partition);

/*
 * For the device classes:
 *
 * mullion_partition_make_bus() - a bus of a service with one device, of which
 *	nobody was told; on failure a service that nobody uses is freed
 * mullion_partition_serve_bus() - give the service a process, or tell the
 *	process of the new bus
 * mullion_partition_may_plug_window() - can a further window be plugged now?
 */
int mullion_partition_make_bus(struct mullion_partition *partition,
			       struct mullion_service *service,
			       struct mullion_cp_bus **ret, struct mullion_error *err);
int mullion_partition_serve_bus(struct mullion_cp_bus *bus, struct mullion_error *err);
int mullion_partition_may_plug_window(struct mullion_partition *partition,
				      const char *spec, struct mullion_error *err);

/*
 * For bus.c and intree.c:
 *
 * mullion_partition_storage() - the bus that a crash kernel looks for; NULL: none
 * mullion_partition_guest_lost() - the guest's drivers have forgotten all
 * mullion_partition_send_ready() - CHIPSET_READY
 */
struct mullion_cp_bus *mullion_partition_storage(const struct mullion_partition *partition);
void mullion_partition_guest_lost(struct mullion_partition *partition);
void mullion_partition_send_ready(struct mullion_partition *partition);

/*
 * For partition.c: what happens on the control channel (partition_guest.c); put what
 * waits on buses; forget what still waits.
 */
extern const struct mullion_cp_control_ops mullion_partition_control_ops;
int mullion_partition_place_all(struct mullion_partition *partition,
				struct mullion_error *err);
void mullion_partition_discard_all(struct mullion_partition *partition);

/**
 * mullion_partition_new() - a partition with nothing but a command window
 * @name: of the guest; unique among partitions
 * @uuid: of the guest
 *
 * Return: 0 or negative errno.
 */
int mullion_partition_new(struct mullion_core *core, const char *name,
			  const guid_t *uuid,
			  const struct mullion_partition_ops *ops, void *arg,
			  struct mullion_partition **ret);

/**
 * mullion_partition_set_ram() - its services may see the guest's RAM: addresses
 *	of data are guest-physical
 * @ram: the partition takes a reference of its own
 *
 * Before the start.
 */
void mullion_partition_set_ram(struct mullion_partition *partition,
			       struct mullion_cp_ram *ram);

/**
 * struct mullion_partition_ram - where a guest's RAM comes in
 * @ram: all of it; the partition takes a reference of its own; NULL: none
 * @placed: there are no windows: the channels lie in its reserved ranges, and both
 *	sides poll
 * @control_gpa, @control_bytes: of the control channel then; 0, 0: chosen
 * @write_through: its driver may be one that cannot flush when a disk is removed
 */
struct mullion_partition_ram {
	struct mullion_cp_ram *ram;
	bool placed;
	uint64_t control_gpa;
	uint64_t control_bytes;
	bool write_through;
};

/**
 * mullion_partition_new_ram() - a partition whose services see the guest's RAM
 *
 * A control channel in RAM gets its signature when all services serve, just before
 * ops->ready().  Return: 0; -ENOSPC, -ERANGE or -EINVAL if the control channel has
 * no room or cannot lie there; or negative errno.
 */
int mullion_partition_new_ram(struct mullion_core *core, const char *name,
			      const guid_t *uuid, const struct mullion_partition_ram *ram,
			      const struct mullion_partition_ops *ops, void *arg,
			      struct mullion_partition **ret);

/**
 * mullion_partition_control_gpa() - where its control channel in RAM is
 */
uint64_t mullion_partition_control_gpa(const struct mullion_partition *partition);

/**
 * mullion_partition_give_back() - take all buses from a guest that goes on
 *
 * ops->given_back() follows, at the latest after 15 s, or after 2.5 s in which the
 * guest has shown no sign of life.
 */
void mullion_partition_give_back(struct mullion_partition *partition);

/**
 * mullion_partition_told() - the guest has been asked only now to give something
 *	back: the time in which it may be silent begins
 */
void mullion_partition_told(struct mullion_partition *partition);

/**
 * mullion_partition_free() - forget it; what still runs for it is killed
 */
void mullion_partition_free(struct mullion_partition *partition);

/**
 * mullion_partition_add() - a disk or network interface, before the start or
 *	while it runs
 * @class: of which kind
 * @spec: the user's words for it
 * @cwd: absolute path for relative paths
 * @err: one clear line, on failure
 *
 * Before the start it is checked and remembered.  Afterwards it is added at
 * once; what goes wrong later is an event.  Return: 0 or negative errno.
 */
int mullion_partition_add(struct mullion_partition *partition,
			  const struct mullion_device_class *class, const char *spec,
			  const char *cwd, struct mullion_error *err);

/**
 * mullion_partition_remove() - take a device from a running guest
 * @which: a disk's serial number or the text of its SPEC; the name or UUID of
 *	another device
 * @force: the guest is not waited for
 *
 * Return: 0, -ENOENT, or negative errno; @err filled in.
 */
int mullion_partition_remove(struct mullion_partition *partition, const char *which,
			     bool force, struct mullion_error *err);

/**
 * mullion_partition_set() - change a device of a running guest
 * @which: as above
 * @changes: options of its SPEC
 *
 * Return: as above.
 */
int mullion_partition_set(struct mullion_partition *partition, const char *which,
			  const char *changes, struct mullion_error *err);

/**
 * mullion_partition_start() - make the bus windows and start the services
 *
 * Return: 0: ops->ready() follows; or negative errno with @err filled in.
 */
int mullion_partition_start(struct mullion_partition *partition,
			    struct mullion_error *err);

/**
 * mullion_partition_stop() - the guest has ended: end its services
 *
 * ops->stopped() follows.  Services are asked to end and killed 10 s later.
 */
void mullion_partition_stop(struct mullion_partition *partition);

/**
 * mullion_partition_window() - the window in @slot, 0 the command window
 *
 * Before the first one is removed, windows have the slots from 0 up.  Return:
 * the window, NULL if the slot is empty.
 */
struct mullion_cp_window *
mullion_partition_window(struct mullion_partition *partition, unsigned int slot);

/**
 * mullion_partition_ivshmem() - QEMU's end of a greeted connection
 *	(mullion_ivshmem_greet()) for the window in @slot
 */
int mullion_partition_ivshmem(struct mullion_partition *partition,
			      unsigned int slot, int *ret_fd);

/**
 * mullion_partition_window_plugged() - the window can be seen by the guest
 */
void mullion_partition_window_plugged(struct mullion_partition *partition,
				      unsigned int slot);

/**
 * mullion_partition_window_unplugged() - the slot is empty and may be used again
 */
void mullion_partition_window_unplugged(struct mullion_partition *partition,
					unsigned int slot);

/**
 * mullion_partition_send_window() - give a process guest the window in @slot
 * @sock: connected stream socket; not taken over
 *
 * Return: 0 or negative errno (-EAGAIN: the socket's buffer is full).
 */
int mullion_partition_send_window(struct mullion_partition *partition,
				  unsigned int slot, int sock);

/**
 * mullion_partition_send_fds() - give a process guest all its descriptors
 * @sock: connected stream socket; not taken over
 *
 * Return: 0 or negative errno (-EAGAIN: the socket's buffer is full).
 */
int mullion_partition_send_fds(struct mullion_partition *partition, int sock);

/**
 * mullion_partition_guest_reset() - the machine was reset: where services see its
 *	RAM they must not use what the boot before it had given them
 * @usec: when, by the host's clock; the driver may have come back since
 */
void mullion_partition_guest_reset(struct mullion_partition *partition, uint64_t usec);

/**
 * mullion_partition_guest_gone() - the process that was the guest has ended; its
 *	devices stay for the next one
 */
void mullion_partition_guest_gone(struct mullion_partition *partition);

/* New references; schemas of docs/openapi.json. */
json_t *mullion_partition_describe_control(struct mullion_partition *partition);
json_t *mullion_partition_describe_windows(struct mullion_partition *partition);
json_t *mullion_partition_describe_buses(struct mullion_partition *partition);
json_t *mullion_partition_describe_devices(struct mullion_partition *partition);
json_t *mullion_partition_describe_services(struct mullion_partition *partition);

/**
 * mullion_devices_describe() - array of the devices of all partitions
 */
json_t *mullion_devices_describe(struct mullion_core *core);

#endif /* MULLION_COMMAND_PARTITION_H */
