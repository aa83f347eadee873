// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/bus_guest.c - a bus at its guest: announced, asked back, taken
 *
 * DOC: Theory of Operation
 *
 * A guest is told of a bus when it can see the bus's window; where there is none,
 * when the channels are complete.  BUS_CREATE is followed by the bus's name and by
 * its devices.  A guest that attaches anew is told again, and one that has the bus
 * already says so.
 *
 * A bus is asked back from a guest that runs: each device first, because it may
 * take its time with one, and refuses the bus till then; then the bus; then it is
 * withdrawn from the service, and the window is unplugged.  Linux's own drivers of
 * old answer before they remove: a second message behind each is answered after.
 *
 * Failure behaviour: a bus that a guest does not give back is taken from it, and an
 * event says so; of one that is reset, or has gone, there is nothing to ask back.
 */
#include <errno.h>
#include <string.h>

#include "../abi/guid.h"
#include "bus.h"
#include "control.h"
#include "core.h"
#include "intree.h"
#include "log.h"
#include "partition.h"
#include "service.h"

#define BUS_GUEST_SILENT_USEC	60000000

static void bus_on_announced(void *arg, int error, uint32_t status,
			     const struct controlvm_message *answer)
{
	struct mullion_cp_bus *bus = arg;
	char buffer[64];

	(void)answer;
	if (error == -ECONNRESET) {
		bus->guest = MULLION_END_NONE;
		return;
	}
	/* a client that has attached again, as after a suspend, has it already */
	if (!error || status == CONTROLVM_RESP_ALREADY_DONE || status == EEXIST) {
		bus->guest = MULLION_END_PRESENT;
		return;
	}
	bus->guest = MULLION_END_FAILED;
	mullion_event_emit(bus->core->events, LOG_ERR, bus->partition->label,
			   "bus-refused", "the guest cannot use bus %u (%s): %s",
			   bus->number, bus->name, mullion_cp_status_text(status, buffer));
}

/* The name that the guest shows for the bus: that of the service. */
static void bus_send_configure(const struct mullion_cp_bus *bus)
{
	struct {
		struct visor_controlvm_parameters_header header;
		char name[sizeof(bus->name)];
	} payload;
	/* Linux's own driver of old takes it from a wrong address. */
	size_t length = mullion_cp_control_plain(bus->partition->control) ? 0 :
			strlen(bus->name);
	struct mullion_cp_command command = {
		.id = CONTROLVM_BUS_CONFIGURE,
		.payload = &payload,
		.payload_bytes = sizeof(payload.header) + length,
		.packet.configure_bus = {
			.bus_no = bus->number,
			.guest_handle = bus->service_number,
		},
	};

	memset(&payload, 0, sizeof(payload));
	payload.header.total_length = (uint32_t)command.payload_bytes;
	payload.header.header_length = sizeof(payload.header);
	payload.header.name_offset = sizeof(payload.header);
	payload.header.name_length = (uint32_t)length;
	if (bus->service)
		payload.header.id = bus->service->uuid;
	memcpy(payload.name, bus->name, length);
	/* without it the bus only has no name */
	mullion_cp_control_send(bus->partition->control, &command);
}

void mullion_cp_bus_announce(struct mullion_cp_bus *bus)
{
	const guid_t storage = VISOR_SIOVM_BUS_INSTANCE_GUID;
	struct mullion_cp_command command = {
		.id = CONTROLVM_BUS_CREATE,
		.silent_usec = BUS_GUEST_SILENT_USEC,
		.answer = bus_on_announced,
		.arg = bus,
		.packet.create_bus = {
			.bus_no = bus->number,
			.channel_addr = bus->addr,
			.channel_bytes = MULLION_BUS_CHANNEL_BYTES,
			.bus_data_type_guid = VISOR_VBUS_CHANNEL_GUID,
			/* a crash kernel looks for the storage bus by this name */
			.bus_inst_guid = mullion_partition_storage(bus->partition) == bus ?
					 storage : bus->uuid,
		},
	};

	if (!bus->plugged || bus->leaving || bus->renewing)
		return;
	/* A header that changes later is not seen: it has to be complete. */
	if (!bus->window && !mullion_cp_bus_is_formatted(bus))
		return;
	if (bus->guest == MULLION_END_NONE) {
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			command.packet.create_bus.dev_count++;
		if (mullion_cp_control_send(bus->partition->control, &command) < 0)
			return;
		bus->guest = MULLION_END_TOLD;
		bus_send_configure(bus);
	}
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		mullion_cp_device_announce(d);
}

/* Nothing of it is with the guest any more. */
static void bus_left_guest(struct mullion_cp_bus *bus)
{
	struct mullion_partition *p = bus->partition;
	unsigned int slot = bus->slot;
	bool plugged = bus->plugged || bus->offered;

	/* what the guest still answers is of no interest */
	mullion_cp_control_forget(p->control, bus);
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		mullion_cp_control_forget(p->control, d);
	mullion_cp_bus_withdraw(bus);
	if (plugged && p->ops->window_removed)
		p->ops->window_removed(p->arg, slot);
	else
		mullion_partition_window_unplugged(p, slot);
}

static void bus_on_unannounced(void *arg, int error, uint32_t status,
			       const struct controlvm_message *answer)
{
	struct mullion_cp_bus *bus = arg;
	char buffer[64];

	(void)answer;
	/* the partition tells of that, once for all its commands */
	if (error == -ECONNRESET)
		return;
	if ((error || bus->kept) && status != ENODEV && status != CONTROLVM_RESP_DEVICE_INVALID &&
	    status != CONTROLVM_RESP_BUS_INVALID)
		mullion_event_emit(bus->core->events, LOG_WARNING, bus->partition->label,
				   "bus-kept", "the guest did not give back bus %u (%s): %s; it is taken from it",
				   bus->number, bus->name,
				   mullion_cp_status_text(status, buffer));
	bus_left_guest(bus);
}

static int bus_unannounce_bus(struct mullion_cp_bus *bus)
{
	struct mullion_cp_command command = {
		.id = CONTROLVM_BUS_DESTROY,
		.silent_usec = BUS_GUEST_SILENT_USEC,
		.answer = bus_on_unannounced,
		.arg = bus,
		.packet.destroy_bus.bus_no = bus->number,
	};

	return mullion_cp_control_send(bus->partition->control, &command);
}

static void bus_on_device_unannounced(void *arg, int error, uint32_t status,
				      const struct controlvm_message *answer)
{
	struct mullion_cp_bus *bus = arg;
	bool gone = !error || status == ENODEV || status == CONTROLVM_RESP_DEVICE_INVALID;

	if (error == -ECONNRESET)
		return;
	/* A driver of old would destroy the bus under its device. */
	if (!gone && mullion_cp_control_plain(bus->partition->control))
		bus->kept = true;
	if (--bus->unannouncing)
		return;
	if (bus->kept)
		bus_on_unannounced(bus, error, status, answer);
	else if (bus_unannounce_bus(bus) < 0)
		bus_left_guest(bus);
}

/* Devices first: a guest may take its time with each, and refuses the bus till then. */
static int bus_unannounce(struct mullion_cp_bus *bus)
{
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_DESTROY,
		.silent_usec = BUS_GUEST_SILENT_USEC,
		.answer = bus_on_device_unannounced,
		.arg = bus,
	};
	/* A driver of old answers first and removes then: the answer to this comes after. */
	struct mullion_cp_command fence = {
		.id = CONTROLVM_DEVICE_CONFIGURE,
		.silent_usec = BUS_GUEST_SILENT_USEC,
		.answer = bus_on_device_unannounced,
		.arg = bus,
	};
	bool plain = mullion_cp_control_plain(bus->partition->control);
	int r = 0;

	bus->unannouncing = 0;
	for (struct mullion_cp_device *d = bus->devices; !r && d; d = d->next) {
		if (d->guest == MULLION_END_NONE)
			continue;
		command.packet.destroy_device.bus_no = bus->number;
		command.packet.destroy_device.dev_no = d->number;
		r = mullion_cp_control_send(bus->partition->control, &command);
		bus->unannouncing += !r;
		if (r < 0 || !plain)
			continue;
		fence.packet = command.packet;
		r = mullion_cp_control_send(bus->partition->control, &fence);
		bus->unannouncing += !r;
	}
	return r || bus->unannouncing ? r : bus_unannounce_bus(bus);
}

void mullion_cp_bus_unannounce(struct mullion_cp_bus *bus)
{
	if (bus_unannounce(bus) < 0)
		bus_left_guest(bus);
}

int mullion_cp_bus_remove(struct mullion_cp_bus *bus, bool force)
{
	if (bus->leaving && !force)
		return -EALREADY;
	bus->leaving = true;
	if (force || bus->guest == MULLION_END_NONE || bus->partition->absent)
		bus_left_guest(bus);
	else if (mullion_cp_control_plain(bus->partition->control))
		mullion_intree_unannounce(bus);
	else
		mullion_cp_bus_unannounce(bus);
	return 0;
}

void mullion_cp_bus_guest_lost(struct mullion_cp_bus *bus)
{
	bool waited;

	bus->guest = MULLION_END_NONE;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
		d->guest = MULLION_END_NONE;
		waited = d->intree.waits;
		memset(&d->intree, 0, sizeof(d->intree));
		if (waited && !bus->leaving && bus->server == MULLION_END_PRESENT)
			mullion_cp_device_serve(d);
	}
	bus->idle_until = 0;
	if (bus->leaving)
		bus_left_guest(bus);
}
