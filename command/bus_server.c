// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/bus_server.c - a bus at its service: served, begun anew, withdrawn
 *
 * DOC: Theory of Operation
 *
 * A service is told of a bus by BUS_CREATE, whose handle names the descriptors
 * that were sent before it, and then of each device.  A successor is told all of
 * it again; what had been formatted it adopts.
 *
 * A bus is withdrawn step by step: devices, then the bus, then memory; each step
 * waits for the answers of the one before.  So the service has no command under
 * way that names what is freed.  A bus that is begun anew, for a guest that is,
 * goes the same way up to the last step, and intree.c goes on with it.
 *
 * Failure behaviour: a service that does not read its socket is told nothing, and
 * its owner says what becomes of it.  With the process of a service all that was
 * under way is over: a bus that nobody wants any more is freed at once.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "bus.h"
#include "control.h"
#include "core.h"
#include "intree.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "ram.h"
#include "service.h"
#include "state_area.h"
#include "window.h"

void *mullion_cp_payload(const struct mullion_service *service, uint32_t flags,
			 const void *class_part, size_t class_bytes,
			 size_t *ret_bytes)
{
	size_t bytes = sizeof(struct visor_controlvm_parameters_header) +
		       sizeof(struct mullion_server_config) + class_bytes;
	struct visor_controlvm_parameters_header header = {
		.total_length = (uint32_t)bytes,
		.header_length = sizeof(header),
		.id = service->uuid,
	};
	struct mullion_server_config config = {
		.version = MULLION_SERVER_CONFIG_VERSION,
		.flags = flags,
		.generation = service->generation,
		.class_offset = sizeof(header) + sizeof(config),
		.class_bytes = (uint32_t)class_bytes,
	};
	uint8_t *payload = malloc(bytes);

	if (!payload)
		return NULL;
	memcpy(payload, &header, sizeof(header));
	memcpy(payload + sizeof(header), &config, sizeof(config));
	if (class_bytes)
		memcpy(payload + sizeof(header) + sizeof(config), class_part, class_bytes);
	*ret_bytes = bytes;
	return payload;
}

int mullion_cp_bus_send(struct mullion_cp_bus *bus, struct mullion_cp_command *command)
{
	void *payload = mullion_cp_payload(bus->service, 0, NULL, 0, &command->payload_bytes);
	int r = -ENOMEM;

	command->flags = CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER;
	command->payload = payload;
	if (payload)
		r = mullion_cp_control_send(bus->service->control, command);
	free(payload);
	if (!r)
		bus->pending++;
	return r;
}

static void bus_on_served(void *arg, int error, uint32_t status,
			  const struct controlvm_message *answer)
{
	struct mullion_cp_bus *bus = arg;
	char buffer[64];

	(void)answer;
	bus->pending--;
	if (error == -ECONNRESET) {
		bus->server = MULLION_END_NONE;
		mullion_cp_bus_answered(bus);
		return;
	}
	bus->server = error ? MULLION_END_FAILED : MULLION_END_PRESENT;
	if (error)
		mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label,
				   "bus-failed", "it does not take the bus of guest %s: %s",
				   bus->guest_name, mullion_cp_status_text(status, buffer));
	mullion_service_changed(bus->service);
	mullion_cp_bus_answered(bus);
}

/* A class that only reads gets descriptors with which nothing else is possible. */
static int bus_send_ram(const struct mullion_cp_bus *bus, uint64_t handle,
			struct mullion_ram_map *map)
{
	bool read_only = bus->service->class->ram_read_only;

	if (!bus->ram)
		return 0;
	mullion_cp_ram_describe_map(bus->ram, read_only, map);
	return mullion_cp_ram_send(bus->ram, read_only, bus->service->process->sock, handle);
}

int mullion_cp_bus_serve(struct mullion_cp_bus *bus)
{
	struct mullion_service *service = bus->service;
	struct mullion_cp_command command = {
		.id = CONTROLVM_BUS_CREATE,
		.flags = CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER,
		.answer = bus_on_served,
		.arg = bus,
		.packet.create_bus = {
			.bus_no = bus->service_number,
			.channel_addr = bus->addr,
			.channel_bytes = MULLION_BUS_CHANNEL_BYTES,
			.bus_data_type_guid = VISOR_VBUS_CHANNEL_GUID,
			.bus_inst_guid = bus->uuid,
		},
	};
	/* zeros where there is no window */
	struct {
		struct mullion_window_header header;
		struct mullion_ram_map map;
	} class_part = { 0 };
	uint32_t flags = mullion_cp_bus_is_formatted(bus) ? MULLION_SERVER_ADOPT : 0;
	size_t bytes = sizeof(class_part.header);
	void *payload;
	int r;

	_Static_assert(offsetof(__typeof__(class_part), map) == sizeof(class_part.header),
		       "one after the other");
	command.handle = mullion_cp_control_handle(service->control);
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		command.packet.create_bus.dev_count++;
	if (bus->window)
		mullion_cp_window_header(bus->window, &class_part.header);
	if (bus->ram) {
		flags |= MULLION_SERVER_RAM;
		bytes += sizeof(class_part.map);
	}
	r = bus->window ? mullion_cp_window_send(bus->window, 0, command.handle,
						 service->process->sock) : 0;
	if (!r)
		r = bus_send_ram(bus, command.handle, &class_part.map);
	if (r < 0)
		return r;
	payload = mullion_cp_payload(service, flags, &class_part, bytes,
				     &command.payload_bytes);
	if (!payload)
		return -ENOMEM;
	command.payload = payload;
	r = mullion_cp_control_send(service->control, &command);
	free(payload);
	if (r < 0)
		return r;
	bus->pending++;
	bus->server = MULLION_END_TOLD;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		mullion_cp_device_serve(d);
	return 0;
}

/* The service knows nothing of it any more: free it, or let it begin anew. */
static void bus_withdrawn(struct mullion_cp_bus *bus)
{
	if (!bus->renewing) {
		mullion_cp_bus_free(bus);
		return;
	}
	if (bus->renewable)
		return;
	bus->renewable = true;
	mullion_intree_renewable(bus->partition);
}

void mullion_cp_bus_server_lost(struct mullion_cp_bus *bus)
{
	bus->pending = 0;
	bus->server = MULLION_END_NONE;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
		mullion_cp_device_server_lost(d);
		/* nobody is left who would give back the record */
		if (!bus->partition || bus->renewing)
			mullion_state_memory_forget(bus->service->memory, &d->uuid);
	}
	if (!bus->partition)
		mullion_cp_bus_free(bus);
	else if (bus->renewing)
		bus_withdrawn(bus);
}

static void bus_withdraw_step(struct mullion_cp_bus *bus);

static void bus_on_withdrawn(void *arg, int error, uint32_t status,
			     const struct controlvm_message *answer)
{
	struct mullion_cp_bus *bus = arg;

	(void)error;
	(void)status;
	(void)answer;
	bus->pending--;
	mullion_cp_bus_answered(bus);
}

void mullion_cp_bus_answered(struct mullion_cp_bus *bus)
{
	struct mullion_service *service = bus->service;

	if (bus->partition && !bus->renewing)
		return;
	bus_withdraw_step(bus);
	mullion_service_settle(service);
}

void mullion_cp_bus_renew(struct mullion_cp_bus *bus)
{
	if (bus->renewing || bus->leaving)
		return;
	bus->renewing = true;
	if (bus->service->process && mullion_cp_control_attached(bus->service->control))
		bus_withdraw_step(bus);
	else
		mullion_cp_bus_server_lost(bus);
}

static int bus_send_destroy(struct mullion_cp_bus *bus, uint32_t id,
			    const union controlvm_packet *packet)
{
	struct mullion_cp_command command = {
		.id = id,
		.packet = *packet,
		.answer = bus_on_withdrawn,
		.arg = bus,
	};

	return mullion_cp_bus_send(bus, &command);
}

/*
 * Devices first, then the bus, then memory; each step waits for the answers of
 * the one before, and for those of commands that were under way.
 */
static void bus_withdraw_step(struct mullion_cp_bus *bus)
{
	union controlvm_packet packet;
	bool told = false;

	if (bus->pending || bus->renewable)
		return;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
		if (d->server == MULLION_END_NONE)
			continue;
		d->server = MULLION_END_NONE;
		memset(&packet, 0, sizeof(packet));
		packet.destroy_device.bus_no = bus->service_number;
		packet.destroy_device.dev_no = d->number;
		told |= !bus_send_destroy(bus, CONTROLVM_DEVICE_DESTROY, &packet);
	}
	if (told)
		return;
	if (bus->server != MULLION_END_NONE) {
		bus->server = MULLION_END_NONE;
		memset(&packet, 0, sizeof(packet));
		packet.destroy_bus.bus_no = bus->service_number;
		if (!bus_send_destroy(bus, CONTROLVM_BUS_DESTROY, &packet))
			return;
	}
	/* one that the process was never told of is left to no successor, either */
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		mullion_state_memory_forget(bus->service->memory, &d->uuid);
	bus_withdrawn(bus);
}

void mullion_cp_bus_withdraw(struct mullion_cp_bus *bus)
{
	struct mullion_service *service = bus->service;

	mullion_cp_bus_leave_partition(bus);
	/* Nobody is left for whom it could begin anew. */
	bus->renewing = false;
	bus->renewable = false;
	if (service->process)
		bus_withdraw_step(bus);
	else
		mullion_cp_bus_server_lost(bus);
	mullion_service_settle(service);
}
