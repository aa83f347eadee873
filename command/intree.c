// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/intree.c - guests with the drivers that Linux had in its own tree
 *
 * DOC: Theory of Operation
 *
 * Up to 5.16 Linux carried drivers for s-Par, which know nothing of epochs and
 * which a back-end can lock up, hang or crash in many ways; docs/in-tree-drivers.md
 * lists them.  What is done for them here:
 *
 * Pace.  CHIPSET_INIT lies in the ring from the beginning and is answered when
 * the guest comes.  Buses follow 0.75 s later, since the driver's own start may
 * otherwise be overtaken; the storage bus comes last, so that a crash kernel
 * finds its disk; CHIPSET_READY follows when all are announced.
 *
 * Boots.  A guest that is reset says nothing.  So one whose devices have had
 * nothing to do for 20 s is asked with another CHIPSET_INIT: the same boot answers
 * that it was done already, a new one with success.  Then nothing of the former boot counts: buses
 * are taken from their services and begin anew, and all places in guest RAM are
 * free again.
 *
 * Changes of state.  Only standby and running, only to a device that a driver has
 * bound, never twice, and none after one was refused.  A disk's driver takes one
 * standby and one running, which it never answers.  An interface's driver has
 * come back only when it has read the answer of its service to what it says then;
 * before that it must not be put into standby.
 *
 * Successors.  A disk's goes on in the rings, and the guest notices nothing.  An
 * interface is put into standby before its successor takes it, and resumed
 * afterwards: so it posts all its buffers anew.  One whose service dies while it is
 * being resumed cannot be: the successor takes again what it has said.
 *
 * Removal.  A disk must be idle when it is removed: its driver listens no more
 * from the first moment.  It is waited for, for 5 s at most.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "../abi/ext.h"
#include "../channel/signal_queue.h"
#include "bus.h"
#include "control.h"
#include "intree.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "ram.h"
#include "service.h"
#include "state_area.h"

#define INTREE_ANNOUNCE_USEC	750000
#define INTREE_PROBE_USEC	20000000
#define INTREE_COUNTS		16	/* counters, where a class has some */
#define INTREE_STANDBY_USEC	30000	/* an answer of its service has reached it by then */
#define INTREE_TRIES		100
#define INTREE_IDLE_USEC	5000000
#define INTREE_IDLE_TICK_USEC	50000
#define INTREE_IDLE_TICKS	4
#define INTREE_SILENT_USEC	60000000

static uint64_t intree_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

static bool intree_plain(const struct mullion_partition *p)
{
	return p && mullion_cp_control_plain(p->control);
}

/* ---- the clock ----------------------------------------------------------- */

static void intree_earlier(uint64_t *next, uint64_t at)
{
	if (at && (!*next || at < *next))
		*next = at;
}

static void intree_arm(struct mullion_partition *p)
{
	uint64_t next = 0;

	intree_earlier(&next, p->intree.announce_at);
	intree_earlier(&next, p->intree.probe_at);
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus->idle_until)
			intree_earlier(&next, intree_now() + INTREE_IDLE_TICK_USEC);
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			intree_earlier(&next, d->intree.standby_at);
	}
	if (!p->intree.timer)
		return;
	if (next)
		sd_event_source_set_time(p->intree.timer, next);
	sd_event_source_set_enabled(p->intree.timer, next ? SD_EVENT_ONESHOT : SD_EVENT_OFF);
}

/* ---- boots ---------------------------------------------------------------- */

/* A number that is another one when its devices have done something. */
static uint64_t intree_moved(const struct mullion_partition *p)
{
	uint64_t sum = 0;

	for (const struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		for (const struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			const struct mullion_state_channel *record =
				mullion_state_memory_channel(bus->service->memory, &d->uuid);
			uint64_t counts[INTREE_COUNTS];

			if (!record)
				continue;
			memcpy(counts, record->class_state, sizeof(counts));
			for (unsigned int i = 0; i < INTREE_COUNTS; i++)
				sum += counts[i];
			sum += record->requests;
		}
	}
	return sum;
}

static void intree_probe_later(struct mullion_partition *p)
{
	p->intree.moved = intree_moved(p);
	p->intree.probe_at = intree_now() + INTREE_PROBE_USEC;
}

/* What a former boot had of its services is of no use. */
static void intree_renew(struct mullion_partition *p)
{
	p->online = false;
	p->windowed = false;
	p->intree.ready_sent = false;
	p->intree.refused_told = false;
	p->intree.crash_told = false;
	p->intree.announce_at = 0;
	mullion_partition_guest_lost(p);
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		/* Drivers that begin would wait for it for ever, or crash. */
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			d->paused = false;
		mullion_cp_bus_renew(bus);
	}
}

static void intree_begin(struct mullion_partition *p)
{
	p->tell.again = p->intree.begun;
	p->tell.attached = true;
	p->tell.online = false;
	p->intree.begun = true;
	p->intree.announce_at = intree_now() + INTREE_ANNOUNCE_USEC;
	mullion_partition_changed(p);
}

static void intree_on_init(void *arg, int error, uint32_t status,
			   const struct controlvm_message *answer)
{
	struct mullion_partition *p = arg;

	(void)answer;
	if (error == -ECONNRESET)
		return;
	intree_probe_later(p);
	if (!error) {
		if (p->intree.begun) {
			mullion_event_emit(p->core->events, LOG_NOTICE, p->label, "guest-reset",
					   "it has begun anew");
			intree_renew(p);
		}
		intree_begin(p);
	} else if (!p->intree.begun && !p->intree.refused_told) {
		p->intree.refused_told = true;
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "guest-in-use",
				   "its drivers have been initialised by somebody else (status %u): it gets its devices when it has been booted again",
				   status);
	}
	intree_arm(p);
}

static void intree_init(struct mullion_partition *p)
{
	struct mullion_cp_command init = {
		.id = CONTROLVM_CHIPSET_INIT,
		.answer = intree_on_init,
		.arg = p,
		.packet.init_chipset.features = VISOR_CHIPSET_FEATURE_PARA_HOTPLUG,
	};

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		init.packet.init_chipset.bus_count++;
	mullion_cp_control_send(p->control, &init);
	p->intree.probe_at = 0;
}

void mullion_intree_attached(struct mullion_partition *p)
{
	/* It had been there before: the memory was wiped, and the channels with it. */
	if (p->was_attached)
		intree_renew(p);
	intree_init(p);
	intree_arm(p);
}

void mullion_intree_stray(struct mullion_partition *p, uint32_t id)
{
	if ((id != CONTROLVM_BUS_CREATE && id != CONTROLVM_DEVICE_CREATE) ||
	    p->intree.crash_told)
		return;
	p->intree.crash_told = true;
	mullion_event_emit(p->core->events, LOG_ERR, p->label, "guest-crashed",
			   "a crash kernel has taken over its dump disk");
}

void mullion_intree_renewable(struct mullion_partition *p)
{
	p->intree.renew = true;
	mullion_partition_changed(p);
}

/* All services are done with the former boot: everything gets a place again. */
static void intree_place(struct mullion_partition *p)
{
	struct mullion_error err = { 0 };

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		if (bus->renewing && !bus->renewable)
			return;
	p->intree.renew = false;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (!bus->renewing)
			continue;
		mullion_cp_ram_release(bus->ram, bus->addr);
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			mullion_cp_ram_release(bus->ram, d->addr);
	}
	mullion_cp_ram_boot(p->ram);
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (!bus->renewing)
			continue;
		bus->renewing = false;
		bus->renewable = false;
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			d->formatted = false;
		if (mullion_cp_bus_place(bus, &err) < 0) {
			/* neither served nor announced */
			bus->renewing = true;
			bus->renewable = true;
			mullion_event_emit(p->core->events, LOG_ERR, p->label, "bus-failed",
					   "it does not get bus %u (%s): %s", bus->number,
					   bus->name, err.why);
		}
	}
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		mullion_service_serve(bus->service);
}

/* ---- announcing ------------------------------------------------------------- */

static bool intree_announce(struct mullion_cp_bus *bus)
{
	if (bus->leaving)
		return true;
	bus->plugged = true;
	mullion_cp_bus_announce(bus);
	return bus->guest != MULLION_END_NONE;
}

void mullion_intree_settle(struct mullion_partition *p)
{
	struct mullion_cp_bus *storage = mullion_partition_storage(p);
	bool all = true, disks = true;

	if (p->stopping)
		return;
	if (p->intree.renew)
		intree_place(p);
	if (!p->windowed || !intree_plain(p))
		return;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus == storage || intree_announce(bus))
			continue;
		all = false;
		if (bus->service->class->devices == &mullion_disk_class)
			disks = false;
	}
	/* the last one of its kind that a crash kernel can find */
	if (storage && (disks || p->intree.ready_sent))
		all &= intree_announce(storage);
	else if (storage)
		all = false;
	if (!all || p->intree.ready_sent)
		return;
	p->intree.ready_sent = true;
	mullion_partition_send_ready(p);
}

/* ---- the guest's end of a device --------------------------------------------- */

static bool intree_bound(const struct mullion_cp_device *device)
{
	char type[17], driver[17], info[97];

	mullion_cp_bus_client(device->bus, 2 + device->number, type, driver, info);
	return driver[0];
}

/*
 * A word in the header of the queue of answers.  Rings are empty when a device is
 * resumed, and what comes first is the answer to what its driver says then.
 */
static uint32_t intree_answers(const struct mullion_cp_device *device, size_t word)
{
	const uint8_t *channel = mullion_cp_ram_pointer(device->bus->ram, device->addr,
							device->bytes);
	size_t at = MULLION_IO_CH_SPACE_OFFSET + sizeof(struct signal_queue_header) + word;

	return channel ? mullion_load_relaxed((const uint32_t *)(const void *)(channel + at)) : 0;
}

/* Has it been given an answer since it was resumed? */
static bool intree_answered(const struct mullion_cp_device *device)
{
	return intree_answers(device, offsetof(struct signal_queue_header, head));
}

/* And has it read one? */
static bool intree_resumed(const struct mullion_cp_device *device)
{
	return intree_answers(device, offsetof(struct signal_queue_header, num_received)) ||
	       intree_answers(device, offsetof(struct signal_queue_header, tail));
}

static void intree_look(struct mullion_cp_device *device)
{
	if (device->intree.state == MULLION_INTREE_RESUMING && intree_resumed(device))
		device->intree.state = MULLION_INTREE_RUNNING;
}

static bool intree_may_standby(struct mullion_cp_device *device)
{
	intree_look(device);
	return device->intree.state == MULLION_INTREE_RUNNING && !device->intree.locked &&
	       device->guest == MULLION_END_PRESENT && intree_bound(device);
}

static void intree_locked(struct mullion_cp_device *device, const char *what, uint32_t status)
{
	struct mullion_cp_bus *bus = device->bus;
	char buffer[64];

	device->intree.locked = true;
	mullion_event_emit(bus->core->events, LOG_ERR, bus->partition->label, "device-locked",
			   "its driver does not let device %s:%u be %s: %s; it takes no further change until it is booted again",
			   bus->name, device->number, what,
			   mullion_cp_status_text(status, buffer));
}

static int intree_send(struct mullion_cp_device *device, uint16_t state, bool quiet,
		       mullion_cp_answer_fn answer)
{
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_CHANGESTATE,
		.quiet = quiet,
		.silent_usec = INTREE_SILENT_USEC,
		.answer = answer,
		.arg = device,
		.packet.device_change_state = {
			.bus_no = device->bus->number,
			.dev_no = device->number,
			.state = state,
		},
	};

	return mullion_cp_control_send(device->bus->partition->control, &command);
}

static void intree_on_running(void *arg, int error, uint32_t status,
			      const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;

	(void)answer;
	if (error == -ECONNRESET)
		return;
	if (error)
		intree_locked(device, "resumed", status);
	/* A disk's driver has nothing to say. */
	else if (!device->class->standby)
		device->intree.state = MULLION_INTREE_RUNNING;
	if (!error && device->paused)
		mullion_intree_paused(device, true);
}

static void intree_resume(struct mullion_cp_device *device)
{
	if (device->intree.state != MULLION_INTREE_STANDBY || device->intree.locked)
		return;
	if (!intree_send(device, VISOR_SEGMENT_RUNNING, !device->class->standby,
			 intree_on_running))
		device->intree.state = MULLION_INTREE_RESUMING;
}

/* The service may be told now, whatever the guest has said. */
static void intree_serve_now(struct mullion_cp_device *device)
{
	struct mullion_service *service = device->bus->service;

	if (!device->intree.waits)
		return;
	device->intree.waits = false;
	if (device->server == MULLION_END_NONE && device->bus->server == MULLION_END_PRESENT)
		mullion_cp_device_serve(device);
	mullion_service_changed(service);
}

static void intree_on_standby(void *arg, int error, uint32_t status,
			      const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;

	(void)answer;
	if (error == -ECONNRESET)
		return;
	if (error) {
		device->intree.state = MULLION_INTREE_RUNNING;
		intree_locked(device, "paused", status);
	} else {
		device->intree.state = MULLION_INTREE_STANDBY;
		device->intree.cycles++;
	}
	if (device->intree.waits)
		intree_serve_now(device);
	else if (!device->paused && device->server == MULLION_END_PRESENT)
		mullion_cp_device_go_on(device);
}

static bool intree_standby(struct mullion_cp_device *device)
{
	if (!intree_may_standby(device) ||
	    intree_send(device, VISOR_SEGMENT_STANDBY, false, intree_on_standby) < 0)
		return false;
	device->intree.state = MULLION_INTREE_PAUSING;
	return true;
}

/* ---- successors ------------------------------------------------------------------ */

/* It was resumed, and an answer of the dead lies there for it to be read. */
static bool intree_reads(const struct mullion_cp_device *device)
{
	return device->intree.state == MULLION_INTREE_RESUMING && !device->intree.locked &&
	       intree_answered(device);
}

bool mullion_intree_rewind(const struct mullion_cp_device *device)
{
	return intree_plain(device->bus->partition) && device->class->standby &&
	       device->intree.state == MULLION_INTREE_RESUMING && !intree_answered(device);
}

bool mullion_intree_serve_later(struct mullion_cp_device *device)
{
	if (!intree_plain(device->bus->partition) || !device->formatted || device->paused ||
	    device->bus->renewing || device->bus->leaving || !device->class->standby)
		return false;
	intree_look(device);
	if (device->intree.state == MULLION_INTREE_PAUSING || device->intree.standby_at) {
		device->intree.waits = true;
		return true;
	}
	/* It can be that it is just being made: then it has posted nothing. */
	if (!intree_may_standby(device) && !intree_reads(device))
		return false;
	device->intree.tries = 0;
	device->intree.waits = true;
	device->intree.standby_at = intree_now() + INTREE_STANDBY_USEC;
	intree_arm(device->bus->partition);
	return true;
}

void mullion_intree_served(struct mullion_cp_device *device)
{
	if (intree_plain(device->bus->partition))
		intree_resume(device);
}

/* ---- the administrator ------------------------------------------------------------ */

int mullion_intree_may_pause(const struct mullion_cp_device *device, bool paused,
			     const char *what, struct mullion_error *err)
{
	const struct mullion_cp_bus *bus = device->bus;

	if (!intree_plain(bus->partition))
		return 0;
	if (device->intree.locked)
		return mullion_error_set(err, -EIO, what, bus->guest_name, "boot it again",
					 "its driver has refused a change and takes no other");
	if (!paused)
		return 0;
	if (device->pausing || device->resume || device->intree.state == MULLION_INTREE_PAUSING)
		return mullion_error_set(err, -EAGAIN, what, bus->guest_name, "try again",
					 "its last change is under way");
	if (device->guest != MULLION_END_PRESENT || !intree_bound(device))
		return mullion_error_set(err, -EAGAIN, what, bus->guest_name, "try again",
					 "no driver of the guest has it");
	if (!device->class->standby && device->intree.cycles)
		return mullion_error_set(err, -EOPNOTSUPP, what, bus->guest_name,
					 "boot it again",
					 "its driver stands one pause only");
	if (device->resume ||
	    (device->intree.state == MULLION_INTREE_RESUMING && !intree_resumed(device)))
		return mullion_error_set(err, -EAGAIN, what, bus->guest_name, "try again",
					 "it is being resumed");
	return 0;
}

bool mullion_intree_pausing(const struct mullion_cp_device *device)
{
	return intree_plain(device->bus->partition) &&
	       device->intree.state == MULLION_INTREE_PAUSING;
}

void mullion_intree_paused(struct mullion_cp_device *device, bool paused)
{
	if (!intree_plain(device->bus->partition))
		return;
	if (paused)
		intree_standby(device);
	else
		intree_resume(device);
}

/* ---- removal -------------------------------------------------------------------------- */

static bool intree_idle(const struct mullion_cp_bus *bus)
{
	for (const struct mullion_cp_device *d = bus->devices; d; d = d->next) {
		const struct mullion_state_channel *record =
			mullion_state_memory_channel(bus->service->memory, &d->uuid);

		if (d->paused || d->pausing || d->intree.state != MULLION_INTREE_RUNNING ||
		    (record && *(const volatile __u32 *)(const void *)&record->outstanding))
			return false;
	}
	return true;
}

void mullion_intree_unannounce(struct mullion_cp_bus *bus)
{
	if (bus->service->class->devices->standby) {
		/* It is to be closed now: a standby behind that would wait for its end. */
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			if (!d->intree.standby_at)
				continue;
			d->intree.standby_at = 0;
			intree_serve_now(d);
		}
		mullion_cp_bus_unannounce(bus);
		return;
	}
	bus->idle_ticks = 0;
	bus->idle_until = intree_now() + INTREE_IDLE_USEC;
	intree_arm(bus->partition);
}

/* A disk in standby would be stopped twice.  Return: whether one still is. */
static bool intree_wake(struct mullion_cp_bus *bus)
{
	struct mullion_error err;
	bool standby = false;

	for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
		if (d->paused)
			mullion_cp_device_pause(d, false, &err);
		standby |= d->intree.state == MULLION_INTREE_STANDBY ||
			   d->intree.state == MULLION_INTREE_PAUSING;
	}
	return standby;
}

/* Return: whether @bus may be gone. */
static bool intree_wait_idle(struct mullion_cp_bus *bus, uint64_t now)
{
	bool standby = intree_wake(bus);
	bool idle = intree_idle(bus);

	bus->idle_ticks = idle ? bus->idle_ticks + 1 : 0;
	if (bus->idle_ticks < INTREE_IDLE_TICKS && now < bus->idle_until)
		return false;
	if (!idle)
		mullion_event_emit(bus->core->events, LOG_WARNING, bus->partition->label,
				   "bus-busy",
				   "disks of bus %u (%s) are removed while they are in use",
				   bus->number, bus->name);
	bus->idle_until = 0;
	if (standby) {
		mullion_cp_bus_remove(bus, true);
		return true;
	}
	mullion_partition_told(bus->partition);
	mullion_cp_bus_unannounce(bus);
	return true;
}

/* ---- the clock's ticks ------------------------------------------------------------------ */

static void intree_tick_buses(struct mullion_partition *p, uint64_t now)
{
	struct mullion_cp_bus *bus = p->buses;

	while (bus) {
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			if (!d->intree.standby_at || d->intree.standby_at > now)
				continue;
			d->intree.standby_at = 0;
			if (intree_standby(d))
				continue;
			if (intree_reads(d) && d->intree.tries++ < INTREE_TRIES)
				d->intree.standby_at = now + INTREE_STANDBY_USEC;
			else
				intree_serve_now(d);
		}
		/* the list may have changed */
		bus = bus->idle_until && intree_wait_idle(bus, now) ? p->buses : bus->next;
	}
}

static int intree_on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_partition *p = arg;
	uint64_t now = intree_now();

	(void)source;
	(void)usec;
	if (p->intree.announce_at && now >= p->intree.announce_at) {
		p->intree.announce_at = 0;
		p->windowed = true;
		mullion_partition_changed(p);
	}
	if (p->intree.probe_at && now >= p->intree.probe_at) {
		p->intree.probe_at = 0;
		if (intree_plain(p) && intree_moved(p) == p->intree.moved)
			intree_init(p);
		else
			intree_probe_later(p);
	}
	intree_tick_buses(p, now);
	intree_arm(p);
	return 0;
}

int mullion_intree_new(struct mullion_partition *p)
{
	int r = sd_event_add_time_relative(p->core->event, &p->intree.timer, CLOCK_MONOTONIC,
					   0, 1000, intree_on_timer, p);

	if (r >= 0)
		r = sd_event_source_set_enabled(p->intree.timer, SD_EVENT_OFF);
	return r < 0 ? r : 0;
}

void mullion_intree_free(struct mullion_partition *p)
{
	p->intree.timer = sd_event_source_disable_unref(p->intree.timer);
}
