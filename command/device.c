// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/device.c - a device: one channel on a bus, between service and guest
 *
 * The service is told first and formats the channel; the guest is told when
 * the service has answered.  When the service's process has died the device
 * goes to the successor with MULLION_SERVER_ADOPT, as soon as a first service
 * has formatted the channel, and the guest is told nothing: its driver follows
 * the generation in the channel itself.
 *
 * Failure behaviour: a service that refuses a device which a guest uses is
 * asked again after 1, 2, 4, ... 30 s, and the device stays paused with the
 * reason; one that refuses a new device ends the guest's start.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../abi/ext.h"
#include "../abi/guid.h"
#include "../abi/service.h"
#include "../channel/fdmsg.h"
#include "bus.h"
#include "control.h"
#include "device.h"
#include "intree.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "ram.h"
#include "service.h"
#include "state_area.h"
#include "text.h"
#include "window.h"

#define DEVICE_RETRY_TICKS_MAX 30
#define DEVICE_GUEST_SILENT_USEC 60000000

static int device_place(struct mullion_cp_bus *bus, uint64_t bytes, uint64_t *ret)
{
	const struct mullion_window_area *area;

	if (!bus->window)
		return mullion_cp_ram_place(bus->ram, bytes, ret);
	area = mullion_cp_window_area(bus->window, MULLION_AREA_CHANNELS);
	if (bus->channels_next + bytes > area->offset + area->bytes)
		return -ENOSPC;
	*ret = MULLION_WINDOW_ADDR(bus->window->id, bus->channels_next);
	bus->channels_next += bytes;
	return 0;
}

int mullion_cp_device_new(struct mullion_cp_bus *bus, struct mullion_cp_device **ret)
{
	uint64_t bytes = (bus->service->class->channel_bytes + 4095) & ~4095ULL;
	struct mullion_cp_device **link = &bus->devices;
	struct mullion_cp_device *device;
	uint32_t number = 0;
	uint64_t addr;
	int r;

	while (*link) {
		number = (*link)->number + 1;
		link = &(*link)->next;
	}
	if (number >= MULLION_BUS_DEVICES_MAX)
		return -ENOSPC;
	r = device_place(bus, bytes, &addr);
	if (r < 0)
		return r;
	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->class = bus->service->class->devices;
	device->own = calloc(1, device->class->own_bytes);
	if (!device->own) {
		free(device);
		return -ENOMEM;
	}
	device->bus = bus;
	device->number = number;
	device->addr = addr;
	device->bytes = bytes;
	if (bus->window)
		device->vector = 1 + number % (bus->window->vectors - 1);
	mullion_guid_random(&device->uuid);
	*link = device;
	*ret = device;
	return 0;
}

void mullion_cp_device_free(struct mullion_cp_device *device)
{
	struct mullion_cp_device **link = &device->bus->devices;

	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
	if (!device->bus->window)
		mullion_cp_ram_release(device->bus->ram, device->addr);
	if (device->class->release)
		device->class->release(device);
	free(device->own);
	free(device);
}

/* ---- the service's end ------------------------------------------------- */

static void device_failed(struct mullion_cp_device *device, const char *why)
{
	struct mullion_cp_bus *bus = device->bus;

	device->server = MULLION_END_FAILED;
	device->retry_ticks = 1U << (device->failures < 5 ? device->failures : 5);
	if (device->retry_ticks > DEVICE_RETRY_TICKS_MAX)
		device->retry_ticks = DEVICE_RETRY_TICKS_MAX;
	device->failures++;
	snprintf(device->why, sizeof(device->why), "%s", why);
	mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label,
			   "device-failed", "device %s:%u of guest %s is not served: %s",
			   bus->name, device->number, bus->guest_name, device->why);
	mullion_service_changed(bus->service);
	if (bus->partition)
		mullion_partition_changed(bus->partition);
}

static void device_failed_status(struct mullion_cp_device *device, uint32_t status)
{
	struct mullion_process *process = device->bus->service->process;
	const char *words = process ? mullion_process_words(process) : "";
	char buffer[64], why[400];

	snprintf(why, sizeof(why), "%s%s%s", mullion_cp_status_text(status, buffer),
		 words[0] ? ": " : "", words);
	device_failed(device, why);
}

static void device_on_served(void *arg, int error, uint32_t status,
			     const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;
	struct mullion_cp_bus *bus = device->bus;

	(void)answer;
	bus->pending--;
	if (error == -ECONNRESET || !bus->partition || bus->renewing) {
		device->server = error == -ECONNRESET ? MULLION_END_NONE :
				 MULLION_END_PRESENT;
		mullion_cp_bus_answered(bus);
		return;
	}
	if (error) {
		device_failed_status(device, status);
		return;
	}
	device->server = MULLION_END_PRESENT;
	device->formatted = true;
	device->failures = 0;
	device->why[0] = '\0';
	if (device->class->served)
		device->class->served(device);
	mullion_cp_device_go_on(device);
	mullion_service_changed(bus->service);
	if (bus->partition)
		mullion_partition_changed(bus->partition);
}

int mullion_cp_device_send(struct mullion_cp_device *device, uint64_t handle,
			   unsigned int role, unsigned int index, int fd,
			   struct mullion_error *err)
{
	struct mullion_service *service = device->bus->service;
	int r;

	if (fd < 0)
		return 0;
	r = mullion_fd_send(service->process->sock, role, handle, index, &fd, 1);
	if (!r)
		return 0;
	mullion_service_kill(service, "it does not read its socket");
	return mullion_error_set(err, r, "cannot reach", service->label, NULL, "%s",
				 strerror(-r));
}

static void device_fill_packet(const struct mullion_cp_device *device, uint32_t bus_no,
			       union controlvm_packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->create_device.bus_no = bus_no;
	packet->create_device.dev_no = device->number;
	packet->create_device.channel_addr = device->addr;
	packet->create_device.channel_bytes = device->bytes;
	packet->create_device.data_type_guid = device->bus->type;
	packet->create_device.dev_inst_guid = device->uuid;
	packet->create_device.intr.recv_irq_vector = device->vector;
	packet->create_device.intr.reserved1 = device->vector;
}

/* Send a command with the device's configuration as payload. */
static int device_send_config(struct mullion_cp_device *device,
			      struct mullion_cp_command *command, uint32_t flags)
{
	struct mullion_cp_bus *bus = device->bus;
	size_t config_bytes = 0;
	void *config = device->class->config(device, &config_bytes);
	void *payload = NULL;
	int r = -ENOMEM;

	if (config)
		payload = mullion_cp_payload(bus->service, flags, config, config_bytes,
					     &command->payload_bytes);
	if (payload) {
		mullion_process_asked(bus->service->process);
		command->payload = payload;
		command->flags = CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER;
		command->arg = device;
		r = mullion_cp_control_send(bus->service->control, command);
	}
	free(payload);
	free(config);
	if (!r)
		bus->pending++;
	return r;
}

void mullion_cp_device_serve(struct mullion_cp_device *device)
{
	struct mullion_cp_bus *bus = device->bus;
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_CREATE,
		.answer = device_on_served,
	};
	struct mullion_error err = { 0 };
	uint32_t flags = 0;
	int r = 0;

	if (!mullion_cp_control_attached(bus->service->control) ||
	    mullion_intree_serve_later(device))
		return;
	command.handle = mullion_cp_control_handle(bus->service->control);
	if (device->class->send)
		r = device->class->send(device, command.handle, NULL, &err);
	if (r < 0) {
		char why[400];

		snprintf(why, sizeof(why), "%.140s: %.250s", err.object, err.why);
		device_failed(device, why);
		return;
	}
	device_fill_packet(device, bus->service_number, &command.packet);
	device->server = MULLION_END_TOLD;
	device->retry_ticks = 0;
	if (device->formatted)
		flags = MULLION_SERVER_ADOPT |
			(mullion_intree_rewind(device) ? MULLION_SERVER_REWIND : 0);
	r = device_send_config(device, &command, flags);
	if (r < 0)
		device_failed(device, strerror(-r));
}

/* ---- changes of a device that is served --------------------------------- */

static void device_changed(struct mullion_cp_device *device, int error, const char *why)
{
	device->reconfiguring = false;
	if (device->class->reconfigured)
		device->class->reconfigured(device, error, why);
}

void mullion_cp_device_server_lost(struct mullion_cp_device *device)
{
	device->server = MULLION_END_NONE;
	device->pausing = false;
	device->resetting = false;
	if (device->reconfiguring)
		device_changed(device, -ECONNRESET, "");
}

static void device_on_reconfigured(void *arg, int error, uint32_t status,
				   const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;
	struct mullion_cp_bus *bus = device->bus;
	char buffer[64];

	(void)answer;
	bus->pending--;
	device_changed(device, error, mullion_cp_status_text(status, buffer));
	if (error == -ECONNRESET || !bus->partition || bus->renewing)
		mullion_cp_bus_answered(bus);
}

int mullion_cp_device_may_change(const struct mullion_cp_device *device,
				 struct mullion_error *err)
{
	if (device->server == MULLION_END_PRESENT && !device->reconfiguring)
		return 0;
	return mullion_error_set(err, -EAGAIN, device->class->change_what,
				 device->bus->guest_name, "try again",
				 device->reconfiguring ? "a change is under way" :
				 "its service does not serve at the moment");
}

int mullion_cp_device_reconfigure(struct mullion_cp_device *device, const void *change,
				  struct mullion_error *err)
{
	struct mullion_cp_bus *bus = device->bus;
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_RECONFIGURE,
		.answer = device_on_reconfigured,
		.packet.reconfigure_device = {
			.bus_no = bus->service_number,
			.dev_no = device->number,
		},
	};
	int r;

	command.handle = mullion_cp_control_handle(bus->service->control);
	if (change && device->class->send) {
		r = device->class->send(device, command.handle, change, err);
		if (r < 0)
			return r;
	}
	r = device_send_config(device, &command, 0);
	if (r < 0)
		return mullion_error_set(err, r, device->class->change_what,
					 bus->guest_name, "try again", "%s",
					 strerror(-r));
	device->reconfiguring = true;
	return 0;
}

/* ---- pause and resume ---------------------------------------------------- */

static int device_change_state(struct mullion_cp_device *device);

static void device_on_state_changed(void *arg, int error, uint32_t status,
				    const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;
	struct mullion_cp_bus *bus = device->bus;
	bool paused = device->pausing_to;
	char buffer[64];

	(void)answer;
	bus->pending--;
	device->pausing = false;
	if (error == -ECONNRESET || !bus->partition || bus->renewing) {
		mullion_cp_bus_answered(bus);
		return;
	}
	if (error) {
		device->paused = !paused;
		device->resume = false;
		mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label,
				   "pause-failed", "device %s:%u of guest %s cannot be %s: %s",
				   bus->name, device->number, bus->guest_name,
				   paused ? "paused" : "resumed",
				   mullion_cp_status_text(status, buffer));
		return;
	}
	mullion_event_emit(bus->core->events, LOG_NOTICE, bus->service->label,
			   paused ? "device-paused" : "device-resumed",
			   "device %s:%u of guest %s is %s by the administrator", bus->name,
			   device->number, bus->guest_name, paused ? "paused" : "resumed");
	if (!paused)
		device->resume = false;
	mullion_intree_paused(device, paused);
	/* changed once more meanwhile */
	if (device->paused != paused)
		mullion_cp_device_go_on(device);
}

static int device_send_state(struct mullion_cp_device *device, uint16_t state,
			     mullion_cp_answer_fn answer)
{
	struct mullion_cp_bus *bus = device->bus;
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_CHANGESTATE,
		.answer = answer,
		.arg = device,
		.packet.device_change_state = {
			.bus_no = bus->service_number,
			.dev_no = device->number,
			.state = state,
		},
	};

	return mullion_cp_bus_send(bus, &command);
}

/* Tell the service what is wanted; the guest, if it has to be told, comes after it. */
static int device_change_state(struct mullion_cp_device *device)
{
	int r = device_send_state(device, device->paused ? VISOR_SEGMENT_STANDBY :
				  VISOR_SEGMENT_RUNNING, device_on_state_changed);

	if (r < 0)
		return r;
	device->pausing = true;
	device->pausing_to = device->paused;
	return 0;
}

void mullion_cp_device_go_on(struct mullion_cp_device *device)
{
	if (device->resume && mullion_intree_pausing(device))
		return;
	if (device->paused || device->resume)
		device_change_state(device);
	else
		mullion_intree_served(device);
}

int mullion_cp_device_pause(struct mullion_cp_device *device, bool paused,
			    struct mullion_error *err)
{
	const char *what = paused ? "cannot pause a device of" : "cannot resume a device of";
	struct mullion_cp_bus *bus = device->bus;
	int r;

	if (device->paused == paused)
		return 0;
	r = mullion_cp_device_may_change(device, err);
	if (!r)
		r = mullion_intree_may_pause(device, paused, what, err);
	if (r < 0)
		return r;
	device->paused = paused;
	device->resume = !paused;
	if (device->pausing || (!paused && mullion_intree_pausing(device)))
		return 0;
	r = device_change_state(device);
	if (r < 0) {
		device->paused = !paused;
		device->resume = false;
		return mullion_error_set(err, r, what, bus->guest_name, "try again", "%s",
					 strerror(-r));
	}
	return 0;
}

/* ---- the machine's reset -------------------------------------------------- */

static void device_on_reset(void *arg, int error, uint32_t status,
			    const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;
	struct mullion_cp_bus *bus = device->bus;
	char buffer[64];

	(void)answer;
	bus->pending--;
	device->resetting = false;
	if (error && error != -ECONNRESET)
		mullion_event_emit(bus->core->events, LOG_ERR, bus->service->label,
				   "reset-failed",
				   "device %s:%u of guest %s still counts on what was before the reset: %s",
				   bus->name, device->number, bus->guest_name,
				   mullion_cp_status_text(status, buffer));
	/* It may be back already, and wait for this. */
	if (bus->partition && !bus->partition->stopping && !bus->renewing &&
	    bus->partition->windowed)
		mullion_cp_bus_announce(bus);
	if (error == -ECONNRESET || !bus->partition || bus->renewing)
		mullion_cp_bus_answered(bus);
}

void mullion_cp_device_reset(struct mullion_cp_device *device)
{
	if (device->server == MULLION_END_PRESENT && !device->resetting)
		device->resetting = !device_send_state(device, MULLION_SEGMENT_RESET,
						       device_on_reset);
}

/* ---- the guest's end --------------------------------------------------- */

static void device_on_announced(void *arg, int error, uint32_t status,
				const struct controlvm_message *answer)
{
	struct mullion_cp_device *device = arg;
	struct mullion_cp_bus *bus = device->bus;
	char buffer[64];

	(void)answer;
	if (error == -ECONNRESET) {
		device->guest = MULLION_END_NONE;
		return;
	}
	/* a client that has attached again, as after a suspend, has it already */
	if (!error || status == CONTROLVM_RESP_ALREADY_DONE || status == EEXIST) {
		device->guest = MULLION_END_PRESENT;
		return;
	}
	device->guest = MULLION_END_FAILED;
	mullion_event_emit(bus->core->events, LOG_ERR, bus->partition->label,
			   "device-refused", "the guest cannot use device %s:%u: %s",
			   bus->name, device->number,
			   mullion_cp_status_text(status, buffer));
}

void mullion_cp_device_announce(struct mullion_cp_device *device)
{
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_CREATE,
		.silent_usec = DEVICE_GUEST_SILENT_USEC,
		.answer = device_on_announced,
		.arg = device,
	};

	if (!device->formatted || device->resetting || device->guest != MULLION_END_NONE ||
	    device->bus->guest == MULLION_END_FAILED)
		return;
	device_fill_packet(device, device->bus->number, &command.packet);
	if (!mullion_cp_control_send(device->bus->partition->control, &command))
		device->guest = MULLION_END_TOLD;
}

/* ---- for people -------------------------------------------------------- */

static const char *device_state(const struct mullion_cp_device *device,
				const struct mullion_state_channel *record,
				const char **why)
{
	const struct mullion_service *service = device->bus->service;

	*why = "";
	if (device->server == MULLION_END_FAILED) {
		*why = device->why;
		return device->formatted ? "paused" : "failed";
	}
	if (device->server != MULLION_END_PRESENT) {
		*why = service ? service->why : "";
		if (!device->formatted)
			return "starting";
		if (service && mullion_state_memory_state(service->memory) ==
			       MULLION_SERVICE_FENCING)
			return "fencing";
		return "paused";
	}
	if (!record)
		return "serving";
	/* The service can change it while it is looked at. */
	switch (*(const volatile __u32 *)(const void *)&record->status) {
	case MULLION_CHANNEL_FAULTED:
		*why = mullion_cp_fault_text(*(const volatile __u32 *)(const void *)&record->fault_reason);
		return "faulted";
	case MULLION_CHANNEL_PAUSED:
		*why = "paused by the administrator";
		return "paused";
	default:
		return "serving";
	}
}

json_t *mullion_cp_device_describe(const struct mullion_cp_device *device)
{
	const struct mullion_cp_bus *bus = device->bus;
	const struct mullion_service *service = bus->service;
	const struct mullion_state_channel *record = service ?
		mullion_state_memory_channel(service->memory, &device->uuid) : NULL;
	char uuid[MULLION_GUID_TEXT], type[MULLION_GUID_TEXT], name[128];
	char devtype[17], driver[17], info[97];
	const char *why;
	const char *state = device_state(device, record, &why);
	json_t *out;

	snprintf(name, sizeof(name), "vbus%u:dev%u", bus->number, device->number);
	mullion_cp_bus_client(bus, 2 + device->number, devtype, driver, info);
	out = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:i, s:s, s:s, s:I, s:I,"
		" s:o, s:b, s:o}",
		"guest", bus->guest_name,
		"name", name,
		"uuid", mullion_guid_text(&device->uuid, uuid),
		"type", device->class->name,
		"type_guid", mullion_guid_text(&bus->type, type),
		"service", service ? service->name : "",
		"bus_no", (int)bus->number,
		"dev_no", (int)device->number,
		"state", state,
		"why", why,
		"epoch", (json_int_t)(record ? record->client_epoch : 0),
		"generation", (json_int_t)(service ? service->generation : 0),
		"driver", driver[0] ? json_string(driver) : json_null(),
		"known_to_guest", device->guest == MULLION_END_PRESENT,
		"counters", record ? mullion_state_memory_counters(record) : json_object());
	if (out)
		device->class->describe(device, record, out);
	return out;
}
