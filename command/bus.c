// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/bus.c - a bus: one service partition as one guest sees it
 *
 * A bus belongs to a partition and a service, and both may go first.  While
 * the service has commands without an answer for it, a withdrawn bus stays in
 * the service's list; it is freed with the last answer, or when the service's
 * process is dead.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/bus.h"
#include "../abi/guid.h"
#include "../channel/fdmsg.h"
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
#include "text.h"
#include "window.h"

#define BUS_GUEST_SILENT_USEC 60000000
#define BUS_POOL_MIN 4096

static uint64_t bus_page_up(uint64_t bytes)
{
	return (bytes + 4095) & ~4095ULL;
}

/* Data that lie in guest RAM need no pool. */
static int bus_make_window(struct mullion_cp_bus *bus, unsigned int devices,
			   struct mullion_error *err)
{
	const struct mullion_service_class *class = bus->service->class;
	struct mullion_partition *p = bus->partition;
	uint64_t pool = devices * class->pool_share;
	int r;

	if (class->pool_max && pool > class->pool_max)
		pool = class->pool_max;
	/* An area cannot be empty. */
	if (bus->ram)
		pool = BUS_POOL_MIN;
	r = mullion_cp_window_new_bus(p->core, &p->uuid, &bus->service->uuid,
		bus_page_up(MULLION_BUS_CHANNEL_BYTES) +
		devices * bus_page_up(class->channel_bytes), pool, &bus->window);
	if (r < 0)
		return mullion_error_set(err, r, "cannot make a window for", p->name,
			r == -ENOSPC || r == -ENOMEM ? "free memory on the host" : NULL, "%s",
			strerror(-r));
	bus->channels_next = bus->window->areas[0].offset +
			     bus_page_up(MULLION_BUS_CHANNEL_BYTES);
	bus->addr = MULLION_WINDOW_ADDR(bus->window->id, bus->window->areas[0].offset);
	return 0;
}

int mullion_cp_bus_place(struct mullion_cp_bus *bus, struct mullion_error *err)
{
	struct mullion_partition *p = bus->partition;
	int r;

	/* What has none must not give back what is another's by now. */
	bus->addr = 0;
	for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
		d->addr = 0;
	r = mullion_cp_ram_place(bus->ram, MULLION_BUS_CHANNEL_BYTES, &bus->addr);
	for (struct mullion_cp_device *d = bus->devices; !r && d; d = d->next)
		r = mullion_cp_ram_place(bus->ram, d->bytes, &d->addr);
	if (r < 0)
		return mullion_error_set(err, r, "cannot place channels for", p->name,
			"reserve more memory, or give it fewer devices",
			"its reserved memory has no room left for them");
	return 0;
}

int mullion_cp_bus_new(struct mullion_partition *partition,
		       struct mullion_service *service, unsigned int devices,
		       struct mullion_cp_bus **ret, struct mullion_error *err)
{
	const struct mullion_service_class *class = service->class;
	struct mullion_cp_bus **link = &partition->buses;
	struct mullion_cp_bus *bus = calloc(1, sizeof(*bus));
	unsigned int slot = 1;
	int r;

	if (!bus)
		return mullion_error_set(err, -ENOMEM, "cannot make a bus for",
					 partition->name, NULL, "out of memory");
	while (slot < MULLION_PARTITION_SLOTS_MAX && partition->slots & 1ULL << slot)
		slot++;
	if (slot == MULLION_PARTITION_SLOTS_MAX) {
		free(bus);
		return mullion_error_set(err, -ENOSPC, "cannot make a bus for",
					 partition->name, "give it fewer devices",
					 "it has %d windows already",
					 MULLION_PARTITION_SLOTS_MAX);
	}
	bus->core = partition->core;
	bus->partition = partition;
	bus->ram = partition->ram ? mullion_cp_ram_ref(partition->ram) : NULL;
	bus->service = service;
	bus->number = ++partition->bus_last;
	bus->service_number = ++partition->core->service_bus_next;
	bus->type = class->type;
	mullion_guid_random(&bus->uuid);
	snprintf(bus->name, sizeof(bus->name), "%s", service->name);
	snprintf(bus->guest_name, sizeof(bus->guest_name), "%s", partition->name);
	r = partition->placed ? mullion_cp_bus_place(bus, err) :
	    bus_make_window(bus, devices, err);
	if (r < 0) {
		mullion_cp_ram_unref(bus->ram);
		free(bus);
		return r;
	}
	while (*link)
		link = &(*link)->next;
	*link = bus;
	partition->slots |= 1ULL << slot;
	bus->slot = slot;
	bus->service_next = service->buses;
	service->buses = bus;
	*ret = bus;
	return 0;
}

static void bus_leave_partition(struct mullion_cp_bus *bus)
{
	struct mullion_cp_bus **link;

	if (!bus->partition)
		return;
	for (link = &bus->partition->buses; *link != bus; link = &(*link)->next)
		;
	*link = bus->next;
	bus->partition = NULL;
}

static void bus_leave_service(struct mullion_cp_bus *bus)
{
	struct mullion_cp_bus **link;

	if (!bus->service)
		return;
	for (link = &bus->service->buses; *link != bus; link = &(*link)->service_next)
		;
	*link = bus->service_next;
	bus->service = NULL;
}

void mullion_cp_bus_free(struct mullion_cp_bus *bus)
{
	bus_leave_partition(bus);
	bus_leave_service(bus);
	while (bus->devices)
		mullion_cp_device_free(bus->devices);
	mullion_cp_window_free(bus->window);
	if (bus->addr && bus->ram && !bus->window)
		mullion_cp_ram_release(bus->ram, bus->addr);
	mullion_cp_ram_unref(bus->ram);
	free(bus);
}

/* ---- the service's end ------------------------------------------------- */

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

static int bus_send_window(const struct mullion_cp_bus *bus, uint64_t handle)
{
	const struct mullion_cp_window *w = bus->window;
	int sock = bus->service->process->sock;
	int r;

	if (!w)
		return 0;
	r = mullion_fd_send(sock, MULLION_FD_WINDOW, handle, 0, &w->memfd, 1);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_RECV_DOORBELLS, handle, 0,
				    w->doorbells[0], w->vectors);
	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_SEND_DOORBELLS, handle, 0,
				    w->doorbells[1], w->vectors);
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

/* Has any of its devices been served?  Then the bus is adopted, too. */
static bool bus_is_formatted(const struct mullion_cp_bus *bus)
{
	for (const struct mullion_cp_device *d = bus->devices; d; d = d->next)
		if (d->formatted)
			return true;
	return false;
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
	uint32_t flags = bus_is_formatted(bus) ? MULLION_SERVER_ADOPT : 0;
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
	r = bus_send_window(bus, command.handle);
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
		.flags = CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER,
		.packet = *packet,
		.answer = bus_on_withdrawn,
		.arg = bus,
	};
	void *payload = mullion_cp_payload(bus->service, 0, NULL, 0,
					   &command.payload_bytes);
	int r = -ENOMEM;

	command.payload = payload;
	if (payload)
		r = mullion_cp_control_send(bus->service->control, &command);
	free(payload);
	if (!r)
		bus->pending++;
	return r;
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

	bus_leave_partition(bus);
	/* Nobody is left for whom it could begin anew. */
	bus->renewing = false;
	bus->renewable = false;
	if (service->process)
		bus_withdraw_step(bus);
	else
		mullion_cp_bus_server_lost(bus);
	mullion_service_settle(service);
}

/* ---- the guest's end --------------------------------------------------- */

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
	if (!bus->window && !bus_is_formatted(bus))
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

/* ---- for people -------------------------------------------------------- */

void mullion_cp_bus_client(const struct mullion_cp_bus *bus, unsigned int entry,
			   char type[static 17], char driver[static 17],
			   char info[static 97])
{
	const struct visor_vbus_channel *channel = bus->window ?
		(const void *)bus->window->map :
		mullion_cp_ram_pointer(bus->ram, bus->addr, MULLION_BUS_CHANNEL_BYTES);
	const struct visor_vbus_deviceinfo *from;

	type[0] = driver[0] = info[0] = '\0';
	if (!channel)
		return;
	from = entry == 0 ? &channel->chp_info :
		entry == 1 ? &channel->bus_info : &channel->dev_info[entry - 2];

	mullion_text_clean(from->devtype, sizeof(from->devtype), type, 17);
	mullion_text_clean(from->drvname, sizeof(from->drvname), driver, 17);
	mullion_text_clean(from->infostrs, sizeof(from->infostrs), info, 97);
}

json_t *mullion_cp_bus_describe(const struct mullion_cp_bus *bus)
{
	static const char *const ends[] = { "created", "announced", "online", "refused" };
	char uuid[MULLION_GUID_TEXT], type[17], driver[17], info[97];
	char chipset_type[17], chipset[17], chipset_info[97];
	json_t *client;

	mullion_cp_bus_client(bus, 0, chipset_type, chipset, chipset_info);
	mullion_cp_bus_client(bus, 1, type, driver, info);
	client = driver[0] || chipset[0] ?
		 json_pack("{s:s, s:s, s:s}", "chipset", chipset, "driver", driver,
			   "info", info[0] ? info : chipset_info) : json_null();
	return json_pack("{s:i, s:s, s:s, s:s, s:i, s:s, s:o}",
			 "bus_no", (int)bus->number,
			 "name", bus->name,
			 "uuid", mullion_guid_text(&bus->uuid, uuid),
			 "service", bus->service ? bus->service->name : "",
			 "window", bus->window ? (int)bus->window->id : 0,
			 "state", bus->leaving ? "leaving" : ends[bus->guest],
			 "client", client);
}
