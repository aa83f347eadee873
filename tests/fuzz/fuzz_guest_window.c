// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_guest_window.c - windows and a control channel into a
 * process guest
 *
 * Input is a list of operations of a hostile command partition and service:
 * overwrite any bytes of the command or the bus window, send a control command,
 * confirm a device's epoch, answer.  The guest, with a disk where it finds
 * one, must survive, end every command once, and close.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../abi/bus.h"
#include "../../channel/disk.h"
#include "../../channel/field.h"
#include "../lib/cp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WINDOW_BYTES	(1ULL << 20)
#define CHANNELS_BYTES	(512ULL << 10)
#define SLOTS		16
#define COMMANDS	8

static struct cp_window command_window, bus_window;
static struct cp_control control;
static struct mullion_guest *guest;
static struct mullion_disk *disk;
static struct mullion_sq cmd, rsp;
static unsigned int submitted, ended;

#define REQUIRE(condition) do {						\
		if (!(condition)) {					\
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);	\
			abort();					\
		}							\
	} while (0)

static uint8_t *channel(void)
{
	return bus_window.base + CP_DEVICE_OFFSET;
}

static void format_bus(void)
{
	static const guid_t type = VISOR_VBUS_CHANNEL_GUID;
	struct visor_vbus_channel bus;

	memset(&bus, 0, sizeof(bus));
	bus.channel_header.signature = VISOR_CHANNEL_SIGNATURE;
	bus.channel_header.size = CP_BUS_CHANNEL_BYTES;
	bus.channel_header.chtype = type;
	bus.channel_header.version_id = VISOR_VBUS_CHANNEL_VERSION;
	bus.hdr_info.struct_bytes = sizeof(bus.hdr_info);
	bus.hdr_info.device_info_struct_bytes = sizeof(bus.chp_info);
	memcpy(bus_window.base + CP_CHANNELS_OFFSET, &bus, sizeof(bus));
}

static void format_queues(void)
{
	uint64_t header = MULLION_IO_CH_SPACE_OFFSET;

	mullion_sq_format((void *)(channel() + header), 4096 - header,
			  VISOR_IO_SLOT_BYTES, SLOTS);
	mullion_sq_format((void *)(channel() + header + 128), 32768 - header - 128,
			  VISOR_IO_SLOT_BYTES, SLOTS);
	mullion_sq_attach(&cmd, channel(), 65536, header, VISOR_IO_SLOT_BYTES, 1);
	mullion_sq_attach(&rsp, channel(), 65536, header + 128, VISOR_IO_SLOT_BYTES, 1);
}

static void format_device(void)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct visor_io_channel fixed;
	struct mullion_channel_ext ext = {
		.magic = MULLION_CHANNEL_EXT_MAGIC,
		.version = MULLION_CHANNEL_EXT_VERSION,
		.bytes = MULLION_CHANNEL_EXT_BYTES,
		.queue_pairs = 1,
		.pool_share = 65536,
		.max_outstanding = COMMANDS,
		.server_generation = 1,
		.server_state = MULLION_CHANNEL_SERVING,
		.features_offered = MULLION_EXTF_KNOWN,
	};

	memset(&fixed, 0, sizeof(fixed));
	fixed.channel_header.signature = VISOR_CHANNEL_SIGNATURE;
	fixed.channel_header.size = 65536;
	fixed.channel_header.features = MULLION_CHF_EXT;
	fixed.channel_header.chtype = type;
	fixed.channel_header.ch_space_offset = MULLION_IO_CH_SPACE_OFFSET;
	fixed.channel_header.version_id = VISOR_VHBA_CHANNEL_VERSION;
	memcpy(channel(), &fixed, sizeof(fixed));
	memcpy(channel() + MULLION_CHANNEL_EXT_OFFSET_IO, &ext, sizeof(ext));
	format_queues();
}

static void send_command(uint32_t id, const union controlvm_packet *packet,
			 const uint8_t *header, size_t bytes)
{
	struct controlvm_message message;
	void *slot = NULL;

	memset(&message, 0, sizeof(message));
	if (bytes)
		memcpy(&message, header, bytes);
	message.hdr.id = id;
	message.hdr.flags |= CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED;
	if (packet)
		message.cmd = *packet;
	if (mullion_sq_produce(&control.queue[CONTROLVM_QUEUE_EVENT], &slot) < 0)
		return;
	memcpy(slot, &message, sizeof(message));
	mullion_sq_publish(&control.queue[CONTROLVM_QUEUE_EVENT]);
}

static void announce(void)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	union controlvm_packet packet;

	memset(&packet, 0, sizeof(packet));
	packet.create_bus.bus_no = 1;
	packet.create_bus.channel_addr =
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_CHANNELS_OFFSET);
	packet.create_bus.channel_bytes = CP_BUS_CHANNEL_BYTES;
	send_command(CONTROLVM_BUS_CREATE, &packet, NULL, 0);
	memset(&packet, 0, sizeof(packet));
	packet.create_device.bus_no = 1;
	packet.create_device.channel_addr =
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_DEVICE_OFFSET);
	packet.create_device.channel_bytes = 65536;
	packet.create_device.data_type_guid = type;
	send_command(CONTROLVM_DEVICE_CREATE, &packet, NULL, 0);
}

/* The service's part of an attach, without looking at anything. */
static void confirm_ahead(uint64_t ahead)
{
	struct mullion_channel_ext *ext =
		(void *)(channel() + MULLION_CHANNEL_EXT_OFFSET_IO);

	format_queues();
	mullion_store_release(mullion_ext_u64(ext, server_epoch), ahead +
			      mullion_load_relaxed(mullion_ext_u64(ext, client_epoch)));
}

static void io_done(struct mullion_disk_io *io)
{
	(void)io;
	ended++;
}

static void use_disk(void)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	static struct mullion_disk_io io[COMMANDS];
	struct mullion_guest_device *device;

	if (disk) {
		mullion_disk_poll(disk);
		/* All are free again, or none is to be had. */
		if (submitted == ended && submitted < 1000) {
			for (unsigned int i = 0; i < COMMANDS; i++) {
				io[i].done = io_done;
				mullion_disk_prep_read(&io[i], i, 1, 512, i * 512);
				submitted += !mullion_disk_submit(disk, &io[i]);
			}
		}
		mullion_disk_kick(disk);
		return;
	}
	device = mullion_guest_device_find(guest, &type, 0);
	if (!device)
		return;
	/* Confirmed before it is raised: opening does not wait here. */
	confirm_ahead(1);
	if (mullion_disk_open(&disk, device, 0) < 0)
		disk = NULL;
}

struct input {
	const uint8_t *data;
	size_t size;
};

static uint64_t take(struct input *in, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- && in->size) {
		value = value << 8 | *in->data++;
		in->size--;
	}
	return value;
}

static size_t take_bytes(struct input *in, uint8_t *to, size_t bytes)
{
	if (bytes > in->size)
		bytes = in->size;
	memcpy(to, in->data, bytes);
	in->data += bytes;
	in->size -= bytes;
	return bytes;
}

static void op_patch(struct input *in, uint8_t *base, uint64_t limit)
{
	uint64_t offset = take(in, 3) % limit;
	uint64_t bytes = take(in, 1);

	take_bytes(in, base + offset, bytes < limit - offset ? bytes : limit - offset);
}

static void op_command(struct input *in)
{
	static const uint32_t ids[] = {
		CONTROLVM_CHIPSET_INIT, CONTROLVM_BUS_CREATE, CONTROLVM_BUS_DESTROY,
		CONTROLVM_BUS_CONFIGURE, CONTROLVM_DEVICE_CREATE,
		CONTROLVM_DEVICE_DESTROY, CONTROLVM_DEVICE_CHANGESTATE,
		CONTROLVM_CHIPSET_READY, CONTROLVM_CHIPSET_STOP, 0x999,
	};
	uint8_t message[CONTROLVM_MESSAGE_BYTES] = { 0 };
	uint32_t id = ids[take(in, 1) % (sizeof(ids) / sizeof(ids[0]))];

	send_command(id, NULL, message, take_bytes(in, message, take(in, 1) % 128));
}

static void op_answer(struct input *in)
{
	struct mullion_channel_ext *ext =
		(void *)(channel() + MULLION_CHANNEL_EXT_OFFSET_IO);
	struct mullion_io_slot slot;
	void *memory = NULL;

	memset(&slot, 0, sizeof(slot));
	slot.rsp.cmdtype = (uint8_t)take(in, 1);
	slot.rsp.scsi.handle = take(in, 1);
	slot.rsp.scsi.linuxstat = (uint32_t)take(in, 3);
	slot.ext.epoch = (uint32_t)mullion_load_relaxed(mullion_ext_u64(ext, client_epoch));
	slot.ext.request_id = take(in, 1);
	slot.ext.residual = (uint32_t)take(in, 4);
	if (mullion_sq_produce(&rsp, &memory) < 0)
		return;
	memcpy(memory, &slot, sizeof(slot));
	mullion_sq_publish(&rsp);
}

static void begin(void)
{
	int recv[CP_VECTORS], send[CP_VECTORS];

	if (!command_window.base) {
		cp_window_make(&command_window, MULLION_WINDOW_COMMAND,
			       CP_WINDOW_ID_GUEST, WINDOW_BYTES, 0);
		cp_window_make(&bus_window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS,
			       WINDOW_BYTES, CHANNELS_BYTES);
	}
	cp_control_init(&control, &command_window);
	format_bus();
	format_device();
	submitted = 0;
	ended = 0;
	for (int i = 0; i < CP_VECTORS; i++) {
		recv[i] = dup(bus_window.doorbell[1][i]);
		send[i] = dup(bus_window.doorbell[0][i]);
	}
	REQUIRE(!mullion_guest_open_fds(&guest, command_window.fd,
					dup(command_window.doorbell[1][0]),
					dup(command_window.doorbell[0][0])));
	REQUIRE(!mullion_guest_add_window(guest, bus_window.fd, recv, send, CP_VECTORS));
	cp_control_turn(&control);
	announce();
	mullion_guest_turn(guest);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	begin();
	while (in.size) {
		switch (take(&in, 1) % 10) {
		case 0:
			op_patch(&in, command_window.base + 4096,
				 MULLION_CONTROL_AREA_BYTES);
			break;
		case 1:
			op_patch(&in, bus_window.base + MULLION_WINDOW_HEADER_BYTES,
				 CHANNELS_BYTES);
			break;
		case 2:
			op_command(&in);
			break;
		case 3:
			confirm_ahead(0);
			break;
		case 4:
			op_answer(&in);
			break;
		case 5:
			cp_control_turn(&control);
			break;
		case 6:
			mullion_guest_turn(guest);
			break;
		default:
			use_disk();
			break;
		}
	}
	mullion_guest_turn(guest);
	/* Either may go first. */
	if (size & 1) {
		mullion_guest_close(guest);
		guest = NULL;
	}
	mullion_disk_close(disk);
	disk = NULL;
	mullion_guest_close(guest);
	guest = NULL;
	REQUIRE(submitted == ended);
	return 0;
}
