// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/inproc.c - a service in this very process, turn by turn
 */
#include "inproc.h"
#include "require.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define INPROC_HANDLE	7

static struct mullion_loop_source inproc_source;
static bool inproc_ram;

static void inproc_state(void)
{
	struct mullion_state_header header = {
		.magic = MULLION_STATE_MAGIC,
		.version = MULLION_STATE_VERSION,
		.channels_max = MULLION_STATE_CHANNELS_MAX,
		.bytes = sizeof(struct mullion_state_area),
		.channel_bytes = sizeof(struct mullion_state_channel),
	};
	FILE *file = tmpfile();

	REQUIRE(file &&
		!ftruncate(fileno(file), sizeof(struct mullion_state_area)));
	REQUIRE(pwrite(fileno(file), &header, sizeof(header), 0) ==
		sizeof(header));
	REQUIRE(!mullion_state_open(fileno(file)));
	fclose(file);
}

/* Work enough to keep the loop from sleeping, and an end after each turn. */
static unsigned int inproc_poll(void *arg, bool slow)
{
	(void)arg;
	(void)slow;
	return 1;
}

static int inproc_arm(void *arg)
{
	(void)arg;
	return 1;
}

static void inproc_turn_end(void *arg)
{
	(void)arg;
	mullion_loop_stop(0);
}

/* What is answered goes nowhere: nobody confirms the service's attach. */
static void inproc_control(void)
{
	static struct cp_window window;
	static struct cp_control control;

	cp_window_make(&window, MULLION_WINDOW_COMMAND, CP_WINDOW_ID_SERVICE, 1 << 20, 0);
	cp_control_init(&control, &window);
	REQUIRE(!mullion_control_client_new(&service.control, window.base + 4096,
					    MULLION_CONTROL_AREA_BYTES,
					    window.doorbell[0][0],
					    service_control_command, NULL, NULL));
}

void inproc_init(const struct mullion_class *class)
{
	mullion_log_init(class->name);
	service.class = class;
	service.command_recv = -1;
	service.command_send = -1;
	REQUIRE(!mullion_loop_init());
	REQUIRE(!class->init());
	inproc_state();
	inproc_control();
	service_loop_start();
	inproc_source.poll = inproc_poll;
	inproc_source.arm = inproc_arm;
	inproc_source.turn_end = inproc_turn_end;
	mullion_loop_source_add(&inproc_source);
}

void inproc_turn(void)
{
	mullion_loop_run();
}

void inproc_use_ram(bool ram)
{
	inproc_ram = ram;
}

static void inproc_keep(uint32_t index, int fd)
{
	struct service_fd *kept;

	if (fd < 0)
		return;
	kept = calloc(1, sizeof(*kept));
	REQUIRE(kept);
	kept->handle = INPROC_HANDLE;
	kept->role = MULLION_FD_STORE;
	kept->index = index;
	kept->fd = fd;
	kept->next = service.fds;
	service.fds = kept;
	service.fd_count++;
}

static void inproc_bus_ram(struct inproc_bus *made, struct service_bus *bus, uint64_t bytes)
{
	uint64_t low = bytes + INPROC_CHANNELS_BYTES;
	int fd = memfd_create("ram", MFD_CLOEXEC);
	struct mullion_ram_map map = {
		.version = MULLION_RAM_MAP_VERSION,
		.region_count = 3,
		.reserved_count = 1,
		.regions = {
			{ .gpa = 0, .bytes = bytes / 2 },
			{ .gpa = bytes / 2, .bytes = low - bytes / 2, .offset = bytes / 2 },
			{ .gpa = INPROC_RAM_HIGH, .bytes = INPROC_RAM_HIGH_BYTES,
			  .offset = low },
		},
		.reserved = { { .gpa = bytes, .bytes = INPROC_CHANNELS_BYTES } },
	};

	REQUIRE(fd >= 0 && !ftruncate(fd, (off_t)(low + INPROC_RAM_HIGH_BYTES)));
	memset(&made->window, 0, sizeof(made->window));
	made->window.fd = fd;
	made->window.size = low;
	made->window.base = mmap(NULL, low + INPROC_RAM_HIGH_BYTES, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd, 0);
	REQUIRE(made->window.base != MAP_FAILED);
	REQUIRE(!mullion_ram_open(&bus->ram, &map, &fd, 1));
	mullion_ram_memory(bus->ram, &bus->memory);
	made->high = made->window.base + low;
	made->channel = made->window.base + bytes + CP_BUS_CHANNEL_BYTES;
	made->pool = made->window.base;
	made->pool_bytes = bytes;
}

static void inproc_bus_window(struct inproc_bus *made, struct service_bus *bus,
			      uint32_t number, uint64_t bytes)
{
	cp_window_make(&made->window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS + number,
		       bytes, INPROC_CHANNELS_BYTES);
	REQUIRE(!mullion_window_open(&bus->window, made->window.fd,
				     MULLION_WINDOW_BUS));
	REQUIRE(!mullion_doorbells_init(&bus->recv, CP_VECTORS));
	REQUIRE(!mullion_doorbells_init(&bus->send, CP_VECTORS));
	mullion_doorbells_put(&bus->recv, 0, made->window.doorbell[0], CP_VECTORS);
	mullion_doorbells_put(&bus->send, 0, made->window.doorbell[1], CP_VECTORS);
	bus->memory.base = bus->window.base + CP_CHANNELS_OFFSET + INPROC_CHANNELS_BYTES;
	bus->memory.bytes = bytes - CP_CHANNELS_OFFSET - INPROC_CHANNELS_BYTES;
	made->channel = made->window.base + CP_DEVICE_OFFSET;
	made->pool = made->window.base + CP_CHANNELS_OFFSET + INPROC_CHANNELS_BYTES;
	made->pool_bytes = bus->memory.bytes;
}

static void inproc_bus(struct inproc_bus *made, uint32_t number, uint64_t bytes)
{
	struct service_bus *bus = calloc(1, sizeof(*bus));

	REQUIRE(bus);
	bus->bus_no = number;
	if (inproc_ram)
		inproc_bus_ram(made, bus, bytes);
	else
		inproc_bus_window(made, bus, number, bytes);
	bus->next = service.buses;
	service.buses = bus;
	made->bus = bus;
}

static int inproc_create(struct inproc_bus *made, bool adopt, const void *config,
			 size_t config_bytes, int store_fd)
{
	static uint64_t generation;
	uint32_t number = made->bus->bus_no;
	struct mullion_server_config server = {
		.version = 1,
		.flags = adopt ? MULLION_SERVER_ADOPT : 0,
		.generation = ++generation,
		.class_bytes = (uint32_t)config_bytes,
	};
	struct controlvm_message command;
	struct controlvm_packet_create_device *create = &command.cmd.create_device;
	int ret;

	inproc_keep(0, store_fd);
	memset(&command, 0, sizeof(command));
	command.hdr.message_handle = INPROC_HANDLE;
	create->bus_no = number;
	create->channel_addr = made->bus->ram ?
		(uint64_t)(made->channel - made->window.base) :
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS + number, CP_DEVICE_OFFSET);
	create->channel_bytes = service_attach_channel_bytes(service.class);
	create->data_type_guid = service.class->type;
	memset(&create->dev_inst_guid, 9, sizeof(guid_t));
	create->dev_inst_guid.b[0] = (uint8_t)number;
	create->intr.reserved1 = 1;
	ret = service_device_create(&command, &server, config);
	service_fd_drop(INPROC_HANDLE);
	made->device = service_device_find(number, 0);
	return ret;
}

int inproc_device(struct inproc_bus *made, uint32_t number, uint64_t bytes,
		  const void *config, size_t config_bytes, int store_fd)
{
	inproc_bus(made, number, bytes);
	return inproc_create(made, false, config, config_bytes, store_fd);
}

/* As far as it is memory of this process: nothing is told to anybody. */
static void inproc_device_forget(struct inproc_bus *made)
{
	struct mullion_device **link = &service.devices;

	service.class->stop(made->device);
	while (*link != made->device)
		link = &(*link)->next;
	*link = made->device->next;
	made->bus->devices--;
	if (service_has_requests()) {
		service_request_done(made->device);
		service_record_done(made->device);
	}
	free(made->device);
	made->device = NULL;
}

int inproc_successor(struct inproc_bus *made, const void *config, size_t config_bytes,
		     int store_fd)
{
	inproc_device_forget(made);
	return inproc_create(made, true, config, config_bytes, store_fd);
}

void inproc_device_done(struct inproc_bus *made)
{
	struct mullion_state_channel *state = made->device->records.state;
	struct service_bus **link = &service.buses;

	inproc_device_forget(made);
	mullion_state_channel_put(state);
	while (*link != made->bus)
		link = &(*link)->next;
	*link = made->bus->next;
	mullion_doorbells_done(&made->bus->recv);
	mullion_doorbells_done(&made->bus->send);
	if (made->bus->ram) {
		mullion_ram_close(made->bus->ram);
		munmap(made->window.base, made->window.size + INPROC_RAM_HIGH_BYTES);
		close(made->window.fd);
	} else {
		mullion_window_close(&made->bus->window);
		munmap(made->window.base, made->window.size);
		close(made->window.fd);
	}
	free(made->bus);
}

static void inproc_changestate(struct inproc_bus *made, struct controlvm_message *command)
{
	memset(command, 0, sizeof(*command));
	command->hdr.id = CONTROLVM_DEVICE_CHANGESTATE;
	command->cmd.device_change_state.bus_no = made->bus->bus_no;
}

void inproc_pause(struct inproc_bus *made)
{
	struct controlvm_message command;

	inproc_changestate(made, &command);
	service_device_pause(made->device, &command);
	for (int i = 0; i < 1000 && !made->device->paused; i++)
		inproc_turn();
	REQUIRE(made->device->paused);
}

void inproc_resume(struct inproc_bus *made)
{
	service_device_resume(made->device);
}

int inproc_reconfigure(struct inproc_bus *made, const void *config, size_t config_bytes)
{
	return service_device_reconfigure(made->device, INPROC_HANDLE, config,
					  config_bytes);
}

int inproc_configure(const void *config, size_t config_bytes, int store0, int store1)
{
	int ret;

	inproc_keep(0, store0);
	inproc_keep(1, store1);
	ret = service_configure(INPROC_HANDLE, config, config_bytes);
	service_fd_drop(INPROC_HANDLE);
	return ret;
}
