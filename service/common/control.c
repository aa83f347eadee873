// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/control.c - a service executes control commands
 *
 * DOC: Theory of Operation
 *
 * One function per message, called from the control client (channel/) with a
 * private copy of message and payload.  The command partition is believed, but
 * its messages lie in shared memory and are checked like any other: version,
 * flags, and the range of the class's part, before a byte of it is used.
 *
 * Descriptors come by the socket, each with the handle of the message that will
 * name it.  The two ways are not ordered for their reader, so the socket is
 * drained before each message, and what a message did not use is closed after it.
 *
 * BUS_CREATE makes the memory that devices are in: a window with its doorbells,
 * guest RAM (ram.c), or both; a window header of zeros says that the channels lie
 * in RAM.  The header that counts is the one in the payload, because a guest can
 * write the other.  Everything else concerns a device and is passed on to
 * device.c and attach.c.
 *
 * Every message that wants a response gets one, with an errno magnitude as its
 * status: at once, or, for a start, a pause or a destroy that has to wait
 * (-EINPROGRESS here), from there.  While one of those is under way the others of
 * that device are refused with EBUSY.
 *
 * Failure behaviour: a message that is refused leaves nothing behind, and is one
 * line in the log.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../abi/bus.h"
#include "service.h"

#define CONTROL_CONFIG_OFFSET sizeof(struct visor_controlvm_parameters_header)

struct service_bus *service_bus_find(uint32_t bus_no)
{
	struct service_bus *bus;

	for (bus = service.buses; bus; bus = bus->next) {
		if (bus->bus_no == bus_no)
			return bus;
	}
	return NULL;
}

/* The server's part of a payload, and where the class's part is. */
static int control_config(const struct controlvm_message *command,
			  const void *payload, size_t bytes,
			  struct mullion_server_config *config,
			  const void **class_part)
{
	if (!(command->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER))
		return -EINVAL;
	if (!mullion_range_ok(CONTROL_CONFIG_OFFSET, sizeof(*config), bytes))
		return -EINVAL;
	memcpy(config, (const char *)payload + CONTROL_CONFIG_OFFSET, sizeof(*config));
	if (config->version != MULLION_SERVER_CONFIG_VERSION ||
	    (config->flags & ~(MULLION_SERVER_ADOPT | MULLION_SERVER_RAM |
			       MULLION_SERVER_REWIND)) ||
	    !mullion_range_ok(config->class_offset, config->class_bytes, bytes))
		return -EINVAL;
	*class_part = (const char *)payload + config->class_offset;
	return 0;
}

static void control_format_bus(const struct controlvm_packet_create_bus *create,
			       uint8_t *channel)
{
	static const guid_t type = VISOR_VBUS_CHANNEL_GUID;
	struct visor_vbus_channel fixed;
	uint64_t devices = (create->channel_bytes - sizeof(fixed)) /
			   sizeof(struct visor_vbus_deviceinfo);

	memset(&fixed, 0, sizeof(fixed));
	fixed.channel_header.signature = VISOR_CHANNEL_SIGNATURE;
	fixed.channel_header.header_size = sizeof(fixed.channel_header);
	fixed.channel_header.size = create->channel_bytes;
	fixed.channel_header.chtype = type;
	fixed.channel_header.version_id = VISOR_VBUS_CHANNEL_VERSION;
	fixed.channel_header.srv_state = VISOR_CHANNELSRV_READY;
	fixed.hdr_info.struct_bytes = sizeof(fixed.hdr_info);
	fixed.hdr_info.device_info_struct_bytes = sizeof(fixed.chp_info);
	fixed.hdr_info.dev_info_count = (uint32_t)devices;
	/* These count from the header information, byte 128. */
	fixed.hdr_info.chp_info_offset =
		offsetof(struct visor_vbus_channel, chp_info) -
		offsetof(struct visor_vbus_channel, hdr_info);
	fixed.hdr_info.bus_info_offset =
		offsetof(struct visor_vbus_channel, bus_info) -
		offsetof(struct visor_vbus_channel, hdr_info);
	fixed.hdr_info.dev_info_offset =
		offsetof(struct visor_vbus_channel, dev_info) -
		offsetof(struct visor_vbus_channel, hdr_info);
	memset(channel, 0, create->channel_bytes);
	memcpy(channel, &fixed, sizeof(fixed));
}

static void control_bus_free(struct service_bus *bus)
{
	struct service_bus **link = &service.buses;

	while (*link && *link != bus)
		link = &(*link)->next;
	if (*link)
		*link = bus->next;
	for (uint32_t i = 0; i < bus->recv.count; i++) {
		if (bus->recv.fds[i] >= 0)
			mullion_loop_del(bus->recv.fds[i]);
	}
	mullion_doorbells_done(&bus->recv);
	mullion_doorbells_done(&bus->send);
	mullion_window_close(&bus->window);
	mullion_ram_close(bus->ram);
	free(bus);
}

int service_bus_channel(const struct service_bus *bus, uint64_t addr, uint64_t bytes,
			void **ret)
{
	if (bus->window.base)
		return mullion_window_resolve(&bus->window, MULLION_AREA_CHANNELS, addr, bytes,
					      ret);
	*ret = mullion_ram_channel(bus->ram, addr, bytes);
	return *ret ? 0 : -ERANGE;
}

static int control_bus_ram(struct service_bus *bus, uint64_t handle,
			   const struct mullion_ram_map *map)
{
	int fds[MULLION_RAM_REGIONS_MAX];
	int ret;

	for (uint32_t i = 0; i < MULLION_RAM_REGIONS_MAX; i++)
		fds[i] = service_fd_take(handle, MULLION_FD_RAM, i);
	ret = mullion_ram_open(&bus->ram, map, fds, MULLION_RAM_REGIONS_MAX);
	for (uint32_t i = 0; i < MULLION_RAM_REGIONS_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	if (!ret)
		mullion_ram_memory(bus->ram, &bus->memory);
	return ret;
}

/* @header: the window's, from the payload: in the window a guest may write it. */
static int control_bus_open(struct service_bus *bus, uint64_t handle,
			    const struct mullion_window_header *header)
{
	const struct mullion_window_area *pool;
	int fd, ret;

	fd = service_fd_take(handle, MULLION_FD_WINDOW, 0);
	if (fd < 0)
		return -ENOENT;
	ret = mullion_window_open_as(&bus->window, fd, header, MULLION_WINDOW_BUS);
	close(fd);
	if (ret < 0)
		return ret;
	pool = mullion_window_area(&bus->window, MULLION_AREA_POOL);
	if (!bus->ram) {
		bus->memory.base = bus->window.base + pool->offset;
		bus->memory.bytes = pool->bytes;
	}
	ret = mullion_doorbells_init(&bus->recv, bus->window.vectors);
	if (!ret)
		ret = mullion_doorbells_init(&bus->send, bus->window.vectors);
	if (!ret)
		ret = service_fd_doorbells(handle, MULLION_FD_RECV_DOORBELLS, &bus->recv);
	if (!ret)
		ret = service_fd_doorbells(handle, MULLION_FD_SEND_DOORBELLS, &bus->send);
	for (uint32_t i = 0; !ret && i < bus->recv.count; i++)
		ret = mullion_loop_add(bus->recv.fds[i], EPOLLIN | EPOLLET, NULL, NULL);
	return ret;
}

static int control_bus_create(const struct controlvm_message *command,
			      const void *payload, size_t bytes)
{
	const struct controlvm_packet_create_bus *create = &command->cmd.create_bus;
	struct mullion_window_header header;
	struct mullion_server_config config;
	struct mullion_ram_map map;
	struct service_bus *bus;
	const void *class_part;
	void *channel;
	bool ram;
	int ret;

	ret = control_config(command, payload, bytes, &config, &class_part);
	if (ret < 0)
		return ret;
	ram = config.flags & MULLION_SERVER_RAM;
	if (config.class_bytes != sizeof(header) + (ram ? sizeof(map) : 0))
		return -EINVAL;
	memcpy(&header, class_part, sizeof(header));
	if (ram)
		memcpy(&map, (const char *)class_part + sizeof(header), sizeof(map));
	if (service_bus_find(create->bus_no))
		return -EEXIST;
	if (create->channel_bytes < sizeof(struct visor_vbus_channel))
		return -EMSGSIZE;
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->bus_no = create->bus_no;
	ret = ram ? control_bus_ram(bus, command->hdr.message_handle, &map) : 0;
	/* A header of zeros: the channels lie in guest RAM too. */
	if (!ret && (!ram || header.magic))
		ret = control_bus_open(bus, command->hdr.message_handle, &header);
	if (ret < 0)
		goto free;
	ret = service_bus_channel(bus, create->channel_addr, create->channel_bytes, &channel);
	if (ret < 0)
		goto free;
	if (!(config.flags & MULLION_SERVER_ADOPT))
		control_format_bus(create, channel);
	bus->next = service.buses;
	service.buses = bus;
	return 0;

free:
	control_bus_free(bus);
	return ret;
}

static int control_bus_destroy(uint32_t bus_no)
{
	struct service_bus *bus = service_bus_find(bus_no);

	if (!bus)
		return -ENODEV;
	if (bus->devices)
		return -EBUSY;
	control_bus_free(bus);
	return 0;
}

static int control_device_create(const struct controlvm_message *command,
				 const void *payload, size_t bytes)
{
	struct mullion_server_config config;
	const void *class_part;
	int ret;

	ret = control_config(command, payload, bytes, &config, &class_part);
	if (ret < 0)
		return ret;
	return service_device_create(command, &config, class_part);
}

static int control_device_reconfigure(const struct controlvm_message *command,
				      const void *payload, size_t bytes)
{
	const struct controlvm_packet_reconfigure_device *packet =
		&command->cmd.reconfigure_device;
	struct mullion_device *device =
		service_device_find(packet->bus_no, packet->dev_no);
	struct mullion_server_config config;
	const void *class_part;
	int ret;

	ret = control_config(command, payload, bytes, &config, &class_part);
	if (ret < 0)
		return ret;
	if (packet->bus_no == MULLION_SERVICE_WIDE &&
	    packet->dev_no == MULLION_SERVICE_WIDE)
		return service_configure(command->hdr.message_handle, class_part,
					 config.class_bytes);
	if (!device)
		return -ENODEV;
	return service_device_reconfigure(device, command->hdr.message_handle,
					  class_part, config.class_bytes);
}

/* -EINPROGRESS: answered when the device is quiet. */
static int control_device_destroy(const struct controlvm_message *command)
{
	struct mullion_device *device =
		service_device_find(command->cmd.destroy_device.bus_no,
				    command->cmd.destroy_device.dev_no);

	if (!device)
		return -ENODEV;
	if (device->starting || device->wanted.destroy || device->wanted.pause)
		return -EBUSY;
	service_device_destroy(device, command);
	/* The next command may be about what it holds, as an address. */
	service_attach_settle(device);
	return -EINPROGRESS;
}

static int control_device_changestate(const struct controlvm_message *command,
				      union controlvm_packet *packet)
{
	const struct controlvm_packet_device_change_state *change =
		&command->cmd.device_change_state;
	struct mullion_device *device =
		service_device_find(change->bus_no, change->dev_no);

	if (!device)
		return -ENODEV;
	if (change->state == MULLION_SEGMENT_RESET) {
		if (service_device_reset(device, command))
			return -EINPROGRESS;
		packet->device_change_state = *change;
		return 0;
	}
	if (device->starting || device->wanted.destroy || device->wanted.pause)
		return -EBUSY;
	if (!(change->state & VISOR_SEGMENT_STATE_OPERATING) && !device->paused) {
		service_device_pause(device, command);
		return -EINPROGRESS;
	}
	if (change->state & VISOR_SEGMENT_STATE_OPERATING)
		service_device_resume(device);
	packet->device_change_state.bus_no = change->bus_no;
	packet->device_change_state.dev_no = change->dev_no;
	packet->device_change_state.state = change->state;
	return 0;
}

void service_control_command(void *arg, const struct controlvm_message *command,
			     const void *payload, size_t bytes)
{
	union controlvm_packet packet;
	int ret = 0;

	(void)arg;
	service_socket_drain();
	memset(&packet, 0, sizeof(packet));
	switch (command->hdr.id) {
	case CONTROLVM_CHIPSET_INIT:
		packet.init_chipset.features = VISOR_CHIPSET_FEATURE_REPLY |
			(command->cmd.init_chipset.features &
			 MULLION_CHIPSET_FEATURE_WINDOWS);
		break;
	case CONTROLVM_CHIPSET_READY:
	case CONTROLVM_CHIPSET_STOP:
	case CONTROLVM_CHIPSET_SELFTEST:
	case CONTROLVM_BUS_CONFIGURE:
	case CONTROLVM_DEVICE_CONFIGURE:
		break;
	case CONTROLVM_BUS_CREATE:
		ret = control_bus_create(command, payload, bytes);
		break;
	case CONTROLVM_BUS_DESTROY:
		ret = control_bus_destroy(command->cmd.destroy_bus.bus_no);
		break;
	case CONTROLVM_DEVICE_CREATE:
		ret = control_device_create(command, payload, bytes);
		break;
	case CONTROLVM_DEVICE_RECONFIGURE:
		ret = control_device_reconfigure(command, payload, bytes);
		break;
	case CONTROLVM_DEVICE_DESTROY:
		ret = control_device_destroy(command);
		break;
	case CONTROLVM_DEVICE_CHANGESTATE:
		ret = control_device_changestate(command, &packet);
		break;
	default:
		ret = -CONTROLVM_RESP_ID_UNKNOWN;
		break;
	}
	service_fd_drop(command->hdr.message_handle);
	if (ret == -EINPROGRESS)
		return;
	if (ret < 0)
		mullion_log(LOG_ERR, NULL, "control message %#x failed: %s",
			    command->hdr.id, strerror(-ret));
	mullion_control_client_respond(service.control, command, ret, &packet);
}
