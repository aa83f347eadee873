// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/inproc.c - a service in this very process, turn by turn
 */
#include "inproc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define INPROC_HANDLE	7

#define inproc_require(condition) do {					\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,	\
				#condition);				\
			abort();					\
		}							\
	} while (0)

static struct mullion_loop_source inproc_source;

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

	inproc_require(file &&
		       !ftruncate(fileno(file), sizeof(struct mullion_state_area)));
	inproc_require(pwrite(fileno(file), &header, sizeof(header), 0) ==
		       sizeof(header));
	inproc_require(!mullion_state_open(fileno(file)));
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

void inproc_init(const struct mullion_class *class)
{
	mullion_log_init(class->name);
	service.class = class;
	service.command_recv = -1;
	service.command_send = -1;
	inproc_require(!mullion_loop_init());
	inproc_require(!class->init());
	inproc_state();
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

static void inproc_keep(uint32_t index, int fd)
{
	struct service_fd *kept;

	if (fd < 0)
		return;
	kept = calloc(1, sizeof(*kept));
	inproc_require(kept);
	kept->handle = INPROC_HANDLE;
	kept->role = MULLION_FD_STORE;
	kept->index = index;
	kept->fd = fd;
	kept->next = service.fds;
	service.fds = kept;
	service.fd_count++;
}

static void inproc_bus(struct inproc_bus *made, uint32_t number, uint64_t bytes)
{
	struct service_bus *bus = calloc(1, sizeof(*bus));

	inproc_require(bus);
	cp_window_make(&made->window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS + number,
		       bytes, INPROC_CHANNELS_BYTES);
	inproc_require(!mullion_window_open(&bus->window, made->window.fd,
					    MULLION_WINDOW_BUS));
	inproc_require(!mullion_doorbells_init(&bus->recv, CP_VECTORS));
	inproc_require(!mullion_doorbells_init(&bus->send, CP_VECTORS));
	mullion_doorbells_put(&bus->recv, 0, made->window.doorbell[0], CP_VECTORS);
	mullion_doorbells_put(&bus->send, 0, made->window.doorbell[1], CP_VECTORS);
	bus->bus_no = number;
	bus->memory.base = bus->window.base + CP_CHANNELS_OFFSET + INPROC_CHANNELS_BYTES;
	bus->memory.bytes = bytes - CP_CHANNELS_OFFSET - INPROC_CHANNELS_BYTES;
	bus->next = service.buses;
	service.buses = bus;
	made->bus = bus;
	made->channel = made->window.base + CP_DEVICE_OFFSET;
	made->pool = made->window.base + CP_CHANNELS_OFFSET + INPROC_CHANNELS_BYTES;
	made->pool_bytes = bus->memory.bytes;
}

int inproc_device(struct inproc_bus *made, uint32_t number, uint64_t bytes,
		  const void *config, size_t config_bytes, int store_fd)
{
	struct mullion_server_config server = {
		.version = 1,
		.generation = 1,
		.class_bytes = (uint32_t)config_bytes,
	};
	struct controlvm_message command;
	struct controlvm_packet_create_device *create = &command.cmd.create_device;
	int ret;

	inproc_bus(made, number, bytes);
	inproc_keep(0, store_fd);
	memset(&command, 0, sizeof(command));
	command.hdr.message_handle = INPROC_HANDLE;
	create->bus_no = number;
	create->channel_addr = MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS + number,
						   CP_DEVICE_OFFSET);
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
