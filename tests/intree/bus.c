// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/bus.c - buses and devices, as commands of the control channel
 *
 * Conditions and statuses are those of the s-Par channel ABI, 5.6, in its
 * order; so are the states of a device that nobody can get out of any more.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../abi/bus.h"
#include "guest.h"

#define BUS_RELEASE "kernel ver. 5.10.223"

struct bus {
	uint32_t bus_no;
	bool storage;			/* the instance that a crash kernel looks for */
	struct channel channel;
	struct bus *next;
};

static struct bus *bus_list;
static bool bus_storage_seen;
static bool bus_last_hba_on_storage;
static bool bus_destroyed;

static const struct driver *const bus_drivers[] = { &hba_driver, &nic_driver };

static struct bus *bus_find(uint32_t bus_no)
{
	struct bus *bus;

	for (bus = bus_list; bus; bus = bus->next) {
		if (bus->bus_no == bus_no)
			return bus;
	}
	return NULL;
}

static struct device *bus_device_find(uint32_t bus_no, uint32_t dev_no)
{
	struct device *device;

	for (device = guest_devices; device; device = device->next) {
		if (device->bus_no == bus_no && device->dev_no == dev_no &&
		    device->state != DEVICE_GONE)
			return device;
	}
	return NULL;
}

/* ---- client information --------------------------------------------------- */

static void bus_write_info(struct bus *bus, uint64_t offset, const char *type,
			   const char *name)
{
	struct visor_vbus_deviceinfo info = { 0 };

	if (!offset || offset > bus->channel.header.size - sizeof(info))
		return;
	memcpy(info.devtype, type, strnlen(type, sizeof(info.devtype)));
	memcpy(info.drvname, name, strnlen(name, sizeof(info.drvname)));
	memcpy(info.infostrs, BUS_RELEASE, sizeof(BUS_RELEASE));
	memcpy(bus->channel.memory + offset, &info, sizeof(info));
}

/* The offsets count from byte 128; 0 says that there is none. */
static uint64_t bus_info_offset(uint32_t offset)
{
	return offset ? offset + sizeof(struct channel_header) : 0;
}

static void bus_write_own_info(struct bus *bus)
{
	const struct visor_vbus_channel *fixed = (void *)bus->channel.memory;

	bus_write_info(bus, bus_info_offset(fixed->hdr_info.chp_info_offset), "chipset",
		       "visorchipset");
	bus_write_info(bus, bus_info_offset(fixed->hdr_info.bus_info_offset), "clientbus",
		       "visorbus");
}

static void bus_write_device_info(const struct device *device)
{
	struct bus *bus = bus_find(device->bus_no);
	const struct visor_vbus_channel *fixed;
	uint64_t offset;

	if (!bus || !device->driver)
		return;
	fixed = (void *)bus->channel.memory;
	offset = bus_info_offset(fixed->hdr_info.dev_info_offset);
	if (offset)
		bus_write_info(bus, offset + (uint64_t)device->dev_no *
			       fixed->hdr_info.device_info_struct_bytes,
			       device->driver->devtype, device->driver->name);
	bus_write_own_info(bus);
}

/* ---- buses ----------------------------------------------------------------- */

static void bus_save(const struct bus_crash *crash, unsigned int slot,
		     const struct controlvm_message *command)
{
	memcpy(crash->slots + slot * sizeof(*command), command, sizeof(*command));
}

static int bus_check_channel(struct bus *bus)
{
	const struct visor_vbus_channel *fixed = (void *)bus->channel.memory;
	int ret = channel_validate(&bus->channel, VISOR_VBUS_CHANNEL_GUID, sizeof(*fixed),
				   VISOR_VBUS_CHANNEL_VERSION);

	if (ret < 0)
		return ret;
	if (fixed->hdr_info.struct_bytes < sizeof(fixed->hdr_info) ||
	    fixed->hdr_info.device_info_struct_bytes < sizeof(fixed->chp_info))
		return -EINVAL;
	return 0;
}

int bus_create(const struct controlvm_message *command, const struct bus_crash *crash)
{
	static const guid_t storage = VISOR_SIOVM_BUS_INSTANCE_GUID;
	const struct controlvm_packet_create_bus *packet = &command->cmd.create_bus;
	struct bus *bus;
	int ret;

	if (bus_find(packet->bus_no))
		return -EEXIST;
	bus = calloc(1, sizeof(*bus));
	if (!bus)
		return -ENOMEM;
	bus->bus_no = packet->bus_no;
	bus->storage = !memcmp(&packet->bus_inst_guid, &storage, sizeof(storage));
	ret = bus->storage && !crash->usable ? -EIO : 0;
	if (!ret)
		ret = channel_claim(&bus->channel, packet->channel_addr, "vbus");
	if (!ret)
		ret = bus_check_channel(bus);
	if (ret < 0) {
		free(bus);
		return ret;
	}
	if (bus->storage) {
		bus_save(crash, 0, command);
		bus_storage_seen = true;
	}
	bus_write_own_info(bus);
	bus->next = bus_list;
	bus_list = bus;
	event("bus %u created", bus->bus_no);
	return 0;
}

int bus_configure(const struct controlvm_message *command, const uint8_t *payload,
		  uint32_t bytes)
{
	struct visor_controlvm_parameters_header header;

	if (!bus_find(command->cmd.configure_bus.bus_no))
		return -EINVAL;
	if (payload && bytes >= sizeof(header)) {
		memcpy(&header, payload, sizeof(header));
		check(CHECK_BUS_NAME, !header.name_length, "a name of %u bytes",
		      header.name_length);
	}
	return 0;
}

int bus_destroy(const struct controlvm_message *command)
{
	struct bus **link = &bus_list, *bus;
	const struct device *device;
	uint32_t bus_no = command->cmd.destroy_bus.bus_no;
	bool children = false;

	while (*link && (*link)->bus_no != bus_no)
		link = &(*link)->next;
	if (!*link)
		return -ENODEV;
	for (device = guest_devices; device; device = device->next)
		children |= device->bus_no == bus_no && device->state != DEVICE_GONE;
	check(CHECK_CHILDREN_FIRST, !children, "bus %u is destroyed over its devices", bus_no);
	bus = *link;
	channel_check_header(&bus->channel);
	*link = bus->next;
	free(bus);
	pthread_mutex_lock(&guest_lock);
	bus_destroyed = true;
	pthread_mutex_unlock(&guest_lock);
	event("bus %u destroyed", bus_no);
	return 0;
}

/* ---- devices --------------------------------------------------------------- */

static const struct driver *bus_match(const struct device *device, const guid_t *type)
{
	for (unsigned int i = 0; i < sizeof(bus_drivers) / sizeof(bus_drivers[0]); i++) {
		const struct driver *driver = bus_drivers[i];

		if (memcmp(type, &driver->type, sizeof(*type)))
			continue;
		if (!channel_validate(&device->channel, driver->type,
				      sizeof(struct channel_header), driver->version))
			return driver;
	}
	return NULL;
}

static void bus_bind(struct device *device, const guid_t *type)
{
	const struct driver *driver = bus_match(device, type);
	int ret;

	if (!driver)
		return;
	ret = driver->probe(device);
	check(CHECK_SERVED_EARLY, !ret, "%s: probe failed with %d", device->name, ret);
	if (ret)
		return;
	device->driver = driver;
	bus_write_device_info(device);
}

int bus_device_create(const struct controlvm_message *command, const struct bus_crash *crash)
{
	const struct controlvm_packet_create_device *packet = &command->cmd.create_device;
	struct bus *bus = bus_find(packet->bus_no);
	struct device *device;
	bool hba = !memcmp(&packet->data_type_guid, &hba_driver.type, sizeof(guid_t));
	int ret;

	if (!bus)
		return -ENODEV;
	if (bus_device_find(packet->bus_no, packet->dev_no))
		return -EEXIST;
	if (packet->dev_no == CONTROLVM_DEV_NO_BUS)
		return -EINVAL;
	device = calloc(1, sizeof(*device));
	if (!device)
		return -ENOMEM;
	device->bus_no = packet->bus_no;
	device->dev_no = packet->dev_no;
	snprintf(device->name, sizeof(device->name), "vbus%u:dev%u", packet->bus_no,
		 packet->dev_no);
	ret = channel_claim(&device->channel, packet->channel_addr, device->name);
	if (!ret && hba && !crash->usable)
		ret = -EIO;
	if (ret) {
		free(device);
		return ret;
	}
	if (hba) {
		bus_save(crash, 1, command);
		bus_last_hba_on_storage = bus->storage;
	}
	bus_bind(device, &packet->data_type_guid);
	pthread_mutex_lock(&guest_lock);
	device->next = guest_devices;
	guest_devices = device;
	pthread_mutex_unlock(&guest_lock);
	event("%s %s created", device->name, device->driver ? device->driver->name : "unbound");
	return 0;
}

int bus_device_destroy(const struct controlvm_message *command,
		       void (*respond)(const struct controlvm_message *command, int result,
				       const union controlvm_packet *packet))
{
	struct device *device = bus_device_find(command->cmd.destroy_device.bus_no,
						command->cmd.destroy_device.dev_no);

	if (!device)
		return -ENODEV;
	if (!check(CHECK_NOT_LOCKED, !device->pending, "DESTROY of %s", device->name))
		return -EIO;
	respond(command, 0, NULL);
	if (device->driver)
		device->driver->remove(device);
	channel_check_header(&device->channel);
	pthread_mutex_lock(&guest_lock);
	device->state = DEVICE_GONE;
	pthread_mutex_unlock(&guest_lock);
	event("%s destroyed", device->name);
	return 0;
}

static int bus_pause(struct device *device)
{
	int ret;

	if (device->changing)
		return -EBUSY;
	ret = device->driver->pause(device);
	if (ret)
		return ret;
	pthread_mutex_lock(&guest_lock);
	device->state = DEVICE_STANDBY;
	device->pauses++;
	pthread_mutex_unlock(&guest_lock);
	event("%s in standby", device->name);
	return 0;
}

static int bus_resume(struct device *device)
{
	int ret;

	if (device->changing)
		return -EBUSY;
	bus_write_device_info(device);
	ret = device->driver->resume(device);
	if (ret < 0)
		return ret;
	device->changing = ret == DRIVER_SILENT;
	pthread_mutex_lock(&guest_lock);
	device->state = DEVICE_RUNNING;
	device->resumes++;
	pthread_mutex_unlock(&guest_lock);
	event("%s running", device->name);
	return ret;
}

int bus_device_changestate(const struct controlvm_message *command,
			   union controlvm_packet *packet)
{
	const struct controlvm_packet_device_change_state *change =
		&command->cmd.device_change_state;
	bool expected = command->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED;
	struct device *device = bus_device_find(change->bus_no, change->dev_no);
	int ret;

	if (!device)
		return -ENODEV;
	if (!check(CHECK_NOT_LOCKED, !device->pending, "CHANGESTATE of %s", device->name))
		return -EIO;
	device->pending = expected;
	if (!check(CHECK_STATES, device->driver && (change->state == VISOR_SEGMENT_RUNNING ||
						    change->state == VISOR_SEGMENT_STANDBY),
		   "state 0x%x for %s, which has %s driver", change->state, device->name,
		   device->driver ? "a" : "no"))
		return BUS_SILENT;
	if (change->state == VISOR_SEGMENT_RUNNING) {
		ret = bus_resume(device);
		if (ret == DRIVER_SILENT)
			check(CHECK_HBA_RESUME, !expected,
			      "the answer to the resume of %s is waited for", device->name);
	} else {
		ret = bus_pause(device);
	}
	check(CHECK_PAIRED, ret >= 0, "state 0x%x of %s: %d", change->state, device->name, ret);
	if (ret)
		return ret < 0 ? ret : BUS_SILENT;
	device->pending = false;
	packet->device_change_state.bus_no = change->bus_no;
	packet->device_change_state.dev_no = change->dev_no;
	packet->device_change_state.state = change->state;
	return 0;
}

bool bus_all_gone(void)
{
	bool gone;

	pthread_mutex_lock(&guest_lock);
	gone = bus_destroyed && !bus_list;
	pthread_mutex_unlock(&guest_lock);
	return gone;
}

void bus_check_all(void)
{
	const struct device *device;
	const struct bus *bus;

	if (bus_storage_seen)
		check(CHECK_DUMP_LAST, bus_last_hba_on_storage,
		      "a crash kernel would find another vHBA");
	for (bus = bus_list; bus; bus = bus->next)
		channel_check_header(&bus->channel);
	for (device = guest_devices; device; device = device->next) {
		if (device->state != DEVICE_GONE)
			channel_check_header(&device->channel);
	}
}
