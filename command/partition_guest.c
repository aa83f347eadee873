// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition_guest.c - what happens on a guest's control channel
 *
 * DOC: Theory of Operation
 *
 * The guest's driver attaches to the control channel as often as it likes (reset,
 * kexec, resume), and each time is told everything: CHIPSET_INIT, each bus with its
 * devices, CHIPSET_READY.  The answer to the last one means that the devices were
 * probed: online.  A driver without the extension is told by intree.c.
 *
 * Nothing here calls the partition's owner: what is to be told is noted in @tell,
 * and partition.c does so from the loop.
 *
 * Failure behaviour: a guest that breaks its control channel loses only that,
 * until its driver attaches anew; a guest whose driver does not know windows
 * gets no bus, and an event says so.
 */
#include <errno.h>
#include <sys/time.h>

#include "bus.h"
#include "control.h"
#include "intree.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "ram.h"
#include "service.h"

#define PARTITION_GUEST_SILENT_USEC	60000000

static void partition_on_ready_answer(void *arg, int error, uint32_t status,
				      const struct controlvm_message *answer)
{
	struct mullion_partition *p = arg;
	char buffer[64];

	(void)answer;
	if (error == -ECONNRESET)
		return;
	if (error)
		mullion_event_emit(p->core->events, LOG_WARNING, p->label, "ready-refused",
				   "the guest answered CHIPSET_READY with: %s",
				   mullion_cp_status_text(status, buffer));
	p->online = true;
	p->tell.online = true;
	mullion_partition_changed(p);
}

void mullion_partition_send_ready(struct mullion_partition *p)
{
	struct mullion_cp_command ready = {
		.id = CONTROLVM_CHIPSET_READY,
		.silent_usec = PARTITION_GUEST_SILENT_USEC,
		.answer = partition_on_ready_answer,
		.arg = p,
	};

	mullion_cp_control_send(p->control, &ready);
}

struct mullion_cp_bus *mullion_partition_storage(const struct mullion_partition *p)
{
	struct mullion_cp_bus *first = NULL;

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus->service->class->devices != &mullion_disk_class)
			continue;
		if (!bus->service->shared)
			return bus;
		first = first ? first : bus;
	}
	return first;
}

static void partition_announce(struct mullion_partition *p)
{
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		mullion_cp_bus_announce(bus);
}

static void partition_on_init_answer(void *arg, int error, uint32_t status,
				     const struct controlvm_message *answer)
{
	struct mullion_partition *p = arg;

	if (error == -ECONNRESET)
		return;
	/* a driver that resumes has been initialised before */
	p->windowed = status == CONTROLVM_RESP_ALREADY_DONE || p->placed ||
		      (!error && answer->cmd.init_chipset.features &
				 MULLION_CHIPSET_FEATURE_WINDOWS);
	if (p->windowed)
		partition_announce(p);
	else
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "no-windows",
				   "the guest's visorbus driver does not know windows, so it gets no devices; load Mullion's driver");
	mullion_partition_send_ready(p);
}

/* Its driver has forgotten all; what was on its way out is out. */
void mullion_partition_guest_lost(struct mullion_partition *p)
{
	struct mullion_cp_bus *next;

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = next) {
		next = bus->next;
		mullion_cp_bus_guest_lost(bus);
	}
}

void mullion_partition_guest_reset(struct mullion_partition *p, uint64_t usec)
{
	/* Windows are used by nobody before the next boot has attached to them. */
	if (!p->ram || !p->was_attached || p->stopping || mullion_cp_control_plain(p->control) ||
	    usec < p->attached_usec)
		return;
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			mullion_cp_device_reset(d);
}

void mullion_partition_guest_gone(struct mullion_partition *p)
{
	p->absent = true;
	mullion_partition_guest_lost(p);
}

static uint64_t partition_clock(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

static void partition_on_attached(void *arg, bool fresh)
{
	struct mullion_partition *p = arg;
	struct mullion_cp_command init = {
		.id = CONTROLVM_CHIPSET_INIT,
		.silent_usec = PARTITION_GUEST_SILENT_USEC,
		.answer = partition_on_init_answer,
		.arg = p,
		.packet.init_chipset.features = VISOR_CHIPSET_FEATURE_PARA_HOTPLUG |
						MULLION_CHIPSET_FEATURE_WINDOWS,
	};

	(void)fresh;
	p->attached_usec = partition_clock();
	/* Such a one is there when it answers. */
	if (mullion_cp_control_plain(p->control)) {
		mullion_intree_attached(p);
		p->was_attached = true;
		p->absent = false;
		return;
	}
	p->online = false;
	p->windowed = false;
	p->tell.attached = true;
	p->tell.again = p->placed ? p->intree.begun : p->was_attached;
	p->intree.begun = true;
	p->tell.online = false;
	p->tell.detached = false;
	p->was_attached = true;
	p->absent = false;
	mullion_partition_guest_lost(p);
	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next)
		init.packet.init_chipset.bus_count++;
	mullion_cp_control_send(p->control, &init);
	mullion_partition_changed(p);
}

static void partition_on_detached(void *arg)
{
	struct mullion_partition *p = arg;

	p->online = false;
	p->windowed = false;
	mullion_partition_guest_lost(p);
	p->tell.detached = true;
	p->tell.attached = false;
	p->tell.online = false;
	mullion_partition_changed(p);
}

static void partition_on_faulted(void *arg, uint32_t reason)
{
	struct mullion_partition *p = arg;

	mullion_event_emit(p->core->events, LOG_ERR, p->label, "control-faulted",
			   "control channel stopped until the driver attaches anew: %s",
			   mullion_cp_fault_text(reason));
	partition_on_detached(p);
}

static void partition_on_silent(void *arg, uint32_t id, uint64_t usec)
{
	struct mullion_partition *p = arg;

	mullion_event_emit(p->core->events, LOG_WARNING, p->label, "guest-silent",
			   "the guest has not answered message 0x%x for %u s", id,
			   (unsigned int)(usec / 1000000));
}

static bool partition_is_lost(void *arg)
{
	struct mullion_partition *p = arg;

	if (!p->told.lost && !p->tell.lost && !mullion_cp_ram_lost(p->ram))
		return false;
	if (!p->told.lost) {
		p->tell.lost = true;
		mullion_partition_changed(p);
	}
	return true;
}

static void partition_on_stray(void *arg, uint32_t id)
{
	mullion_intree_stray(arg, id);
}

const struct mullion_cp_control_ops mullion_partition_control_ops = {
	.attached = partition_on_attached,
	.detached = partition_on_detached,
	.faulted = partition_on_faulted,
	.silent = partition_on_silent,
	.stray = partition_on_stray,
	.lost = partition_is_lost,
};
