// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/guest_control.c - a process guest executes control commands
 *
 * Statuses are errno magnitudes, as s-Par's in-tree guest sends them (channel
 * ABI, section 5.6).  After the command partition began a new control epoch it
 * announces everything again: what is there already and has not changed is
 * accepted; what it did not announce by CHIPSET_READY stays until destroyed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "../abi/guid.h"
#include "guest_internal.h"

static struct guest_bus *control_find_bus(struct mullion_guest *guest, uint32_t bus_no)
{
	struct guest_bus *bus;

	for (bus = guest->buses; bus; bus = bus->next) {
		if (bus->bus_no == bus_no)
			return bus;
	}
	return NULL;
}

static struct mullion_guest_device *
control_find_device(struct mullion_guest *guest, uint32_t bus_no, uint32_t dev_no)
{
	struct mullion_guest_device *device;

	for (device = guest->devices; device; device = device->next) {
		if (device->info.bus_no == bus_no && device->info.dev_no == dev_no)
			return device;
	}
	return NULL;
}

void guest_control_info(struct guest_bus *bus, uint64_t offset,
			const char *devtype, const char *drvname)
{
	struct visor_vbus_deviceinfo info = { 0 };
	struct utsname host;

	if (!bus->channel ||
	    !mullion_range_ok(offset, sizeof(info), bus->channel_bytes))
		return;
	snprintf((char *)info.devtype, sizeof(info.devtype), "%s", devtype);
	snprintf((char *)info.drvname, sizeof(info.drvname), "%s", drvname);
	if (!uname(&host))
		snprintf((char *)info.infostrs, sizeof(info.infostrs),
			 "kernel ver. %s", host.release);
	memcpy(bus->channel + offset, &info, sizeof(info));
}

static void control_bus_info(struct guest_bus *bus)
{
	guest_control_info(bus, offsetof(struct visor_vbus_channel, chp_info),
			   "chipset", "libmullion");
	guest_control_info(bus, offsetof(struct visor_vbus_channel, bus_info),
			   "clientbus", "libmullion");
}

static int control_check_bus_channel(const uint8_t *channel)
{
	static const guid_t type = VISOR_VBUS_CHANNEL_GUID;
	struct visor_vbus_channel copy;

	memcpy(&copy, channel, offsetof(struct visor_vbus_channel, chp_info));
	__asm__ volatile("" ::: "memory");
	if (copy.channel_header.signature != VISOR_CHANNEL_SIGNATURE ||
	    memcmp(&copy.channel_header.chtype, &type, sizeof(type)) ||
	    copy.channel_header.version_id != VISOR_VBUS_CHANNEL_VERSION ||
	    copy.channel_header.size < sizeof(copy) ||
	    copy.hdr_info.struct_bytes < sizeof(copy.hdr_info) ||
	    copy.hdr_info.device_info_struct_bytes != sizeof(copy.chp_info))
		return -EINVAL;
	return 0;
}

static int control_bus_create(struct mullion_guest *guest,
			      const struct controlvm_packet_create_bus *create)
{
	struct guest_bus *bus = control_find_bus(guest, create->bus_no);
	struct guest_window *window;
	void *channel;
	int ret;

	if (bus) {
		if (bus->known || bus->channel_addr != create->channel_addr ||
		    bus->channel_bytes != create->channel_bytes)
			return -EEXIST;
		bus->known = true;
		control_bus_info(bus);
		return 0;
	}
	window = guest_window_find(guest,
				   MULLION_WINDOW_ADDR_ID(create->channel_addr));
	if (!window || !window->watched ||
	    !mullion_doorbells_complete(&window->send))
		return -ENXIO;
	if (create->channel_bytes < sizeof(struct visor_vbus_channel))
		return -EINVAL;
	ret = mullion_window_resolve(&window->window, MULLION_AREA_CHANNELS,
				     create->channel_addr, create->channel_bytes,
				     &channel);
	if (ret < 0)
		return ret;
	ret = control_check_bus_channel(channel);
	if (ret < 0)
		return ret;
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->guest = guest;
	bus->bus_no = create->bus_no;
	bus->channel_addr = create->channel_addr;
	bus->channel_bytes = create->channel_bytes;
	bus->uuid = create->bus_inst_guid;
	bus->window = window;
	bus->channel = channel;
	bus->known = true;
	bus->next = guest->buses;
	guest->buses = bus;
	window->buses++;
	control_bus_info(bus);
	return 0;
}

void guest_bus_free(struct guest_bus *bus)
{
	struct guest_bus **link = &bus->guest->buses;

	while (*link != bus)
		link = &(*link)->next;
	*link = bus->next;
	bus->window->buses--;
	free(bus);
}

static int control_bus_destroy(struct mullion_guest *guest, uint32_t bus_no)
{
	struct guest_bus *bus = control_find_bus(guest, bus_no);
	struct mullion_guest_device *device;

	if (!bus)
		return -ENODEV;
	for (device = guest->devices; device; device = device->next) {
		if (device->bus == bus)
			return -EBUSY;
	}
	guest_bus_free(bus);
	return 0;
}

uint32_t guest_control_vector(uint64_t vector, uint32_t count)
{
	if (count < 2 || !vector)
		return 0;
	return (uint32_t)((vector - 1) % (count - 1)) + 1;
}

static int control_device_create(struct mullion_guest *guest,
				 const struct controlvm_packet_create_device *create)
{
	struct guest_bus *bus = control_find_bus(guest, create->bus_no);
	struct mullion_guest_device *device, **link;
	const struct mullion_window_area *pool;
	void *channel;
	int ret;

	if (!bus)
		return -ENODEV;
	device = control_find_device(guest, create->bus_no, create->dev_no);
	if (device) {
		if (device->known || device->channel_addr != create->channel_addr ||
		    memcmp(&device->info.uuid, &create->dev_inst_guid,
			   sizeof(guid_t)))
			return -EEXIST;
		device->known = true;
		return 0;
	}
	if (create->dev_no == CONTROLVM_DEV_NO_BUS ||
	    create->channel_bytes < sizeof(struct channel_header))
		return -EINVAL;
	ret = mullion_window_resolve(&bus->window->window, MULLION_AREA_CHANNELS,
				     create->channel_addr, create->channel_bytes,
				     &channel);
	if (ret < 0)
		return ret;
	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	pool = mullion_window_area(&bus->window->window, MULLION_AREA_POOL);
	device->bus = bus;
	device->channel_addr = create->channel_addr;
	device->send_vector = create->intr.reserved1;
	device->known = true;
	device->info = (struct mullion_guest_device_info){
		.bus_no = create->bus_no,
		.dev_no = create->dev_no,
		.type = create->data_type_guid,
		.uuid = create->dev_inst_guid,
		.channel = channel,
		.channel_bytes = create->channel_bytes,
		.pool = bus->window->window.base + pool->offset,
		.pool_bytes = pool->bytes,
		.recv_fd = bus->window->recv.fds[
			guest_control_vector(create->intr.recv_irq_vector,
					     bus->window->recv.count)],
		.send_fd = bus->window->send.fds[
			guest_control_vector(create->intr.reserved1,
					     bus->window->send.count)],
	};
	for (link = &guest->devices; *link; link = &(*link)->next)
		;
	*link = device;
	return 0;
}

/* The answer goes out first, as s-Par's guest does; the removal may take time. */
static void control_device_destroy(struct mullion_guest *guest,
				   const struct controlvm_message *command)
{
	struct mullion_guest_device *device =
		control_find_device(guest, command->cmd.destroy_device.bus_no,
				    command->cmd.destroy_device.dev_no);

	mullion_control_client_respond(guest->control, command,
				       device ? 0 : -ENODEV, NULL);
	if (device)
		guest_device_remove(device);
}

static int control_device_changestate(
		struct mullion_guest *guest,
		const struct controlvm_packet_device_change_state *change,
		union controlvm_packet *packet)
{
	struct mullion_guest_device *device =
		control_find_device(guest, change->bus_no, change->dev_no);
	bool running = change->state & VISOR_SEGMENT_STATE_OPERATING;

	if (!device)
		return -ENODEV;
	if (change->flags.word & CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE)
		return -EOPNOTSUPP;
	if (running == device->info.paused) {
		device->info.paused = !running;
		if (device->driver && running)
			device->driver->resume(device->driver_arg);
		else if (device->driver)
			device->driver->pause(device->driver_arg);
	}
	packet->device_change_state.bus_no = change->bus_no;
	packet->device_change_state.dev_no = change->dev_no;
	packet->device_change_state.state =
		running ? VISOR_SEGMENT_RUNNING : VISOR_SEGMENT_STANDBY;
	return 0;
}

static int control_chipset_init(struct mullion_guest *guest,
				const struct controlvm_packet_init_chipset *init,
				union controlvm_packet *packet)
{
	if (guest->initialized)
		return -CONTROLVM_RESP_ALREADY_DONE;
	guest->initialized = true;
	packet->init_chipset.features = VISOR_CHIPSET_FEATURE_REPLY |
		(init->features & MULLION_CHIPSET_FEATURE_WINDOWS);
	return 0;
}

void guest_control_command(void *arg, const struct controlvm_message *command,
			   const void *payload, size_t bytes)
{
	struct mullion_guest *guest = arg;
	const union controlvm_packet *cmd = &command->cmd;
	union controlvm_packet packet;
	int ret = 0;

	(void)payload;
	(void)bytes;
	guest_receive(guest);
	memset(&packet, 0, sizeof(packet));
	switch (command->hdr.id) {
	case CONTROLVM_CHIPSET_INIT:
		ret = control_chipset_init(guest, &cmd->init_chipset, &packet);
		break;
	case CONTROLVM_CHIPSET_READY:
		guest->ready = true;
		break;
	case CONTROLVM_CHIPSET_STOP:
		guest->ready = false;
		break;
	case CONTROLVM_CHIPSET_SELFTEST:
	case CONTROLVM_DEVICE_CONFIGURE:
		break;
	case CONTROLVM_BUS_CREATE:
		ret = control_bus_create(guest, &cmd->create_bus);
		break;
	case CONTROLVM_BUS_CONFIGURE:
		if (!control_find_bus(guest, cmd->configure_bus.bus_no))
			ret = -EINVAL;
		break;
	case CONTROLVM_BUS_DESTROY:
		ret = control_bus_destroy(guest, cmd->destroy_bus.bus_no);
		break;
	case CONTROLVM_DEVICE_CREATE:
		ret = control_device_create(guest, &cmd->create_device);
		break;
	case CONTROLVM_DEVICE_DESTROY:
		control_device_destroy(guest, command);
		return;
	case CONTROLVM_DEVICE_CHANGESTATE:
		ret = control_device_changestate(guest, &cmd->device_change_state,
						 &packet);
		break;
	default:
		ret = -CONTROLVM_RESP_ID_UNKNOWN;
		break;
	}
	mullion_control_client_respond(guest->control, command, ret, &packet);
}

void guest_control_reset(void *arg)
{
	struct mullion_guest *guest = arg;
	struct mullion_guest_device *device;
	struct guest_bus *bus;

	guest->initialized = false;
	guest->ready = false;
	for (bus = guest->buses; bus; bus = bus->next)
		bus->known = false;
	for (device = guest->devices; device; device = device->next)
		device->known = false;
}
