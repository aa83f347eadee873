// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_service_window.c - a whole bus window into a service
 *
 * The common layer of a service, with the simplest class or with disks, is driven
 * in this process.  Input is a list of operations of a hostile client: overwrite any
 * bytes of the window, put a request into the ring, raise the epoch.  After
 * each input a well-behaved client attaches, and must be served: whatever
 * happened cost that channel's users nothing but an epoch.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../channel/attach.h"
#include "../../service/common/service.h"
#include "../lib/cp.h"
#include "window_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define WINDOW_BYTES	(4ULL << 20)
#define CHANNELS_BYTES	(2ULL << 20)
#define TURNS		8

static struct cp_window window;
static struct mullion_device *device;

#define REQUIRE(condition) do {						\
		if (!(condition)) {					\
			fprintf(stderr, "%d: %s\n", __LINE__, #condition);	\
			abort();					\
		}							\
	} while (0)

static void make_state(void)
{
	struct mullion_state_header header = {
		.magic = MULLION_STATE_MAGIC,
		.version = MULLION_STATE_VERSION,
		.channels_max = MULLION_STATE_CHANNELS_MAX,
		.bytes = sizeof(struct mullion_state_area),
		.channel_bytes = sizeof(struct mullion_state_channel),
	};
	FILE *file = tmpfile();

	REQUIRE(file && !ftruncate(fileno(file), sizeof(struct mullion_state_area)));
	REQUIRE(pwrite(fileno(file), &header, sizeof(header), 0) == sizeof(header));
	REQUIRE(!mullion_state_open(fileno(file)));
	fclose(file);
}

static void make_bus(void)
{
	static struct service_bus bus;

	cp_window_make(&window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS, WINDOW_BYTES,
		       CHANNELS_BYTES);
	REQUIRE(!mullion_window_open(&bus.window, window.fd, MULLION_WINDOW_BUS));
	REQUIRE(!mullion_doorbells_init(&bus.recv, CP_VECTORS));
	REQUIRE(!mullion_doorbells_init(&bus.send, CP_VECTORS));
	mullion_doorbells_put(&bus.recv, 0, window.doorbell[0], CP_VECTORS);
	mullion_doorbells_put(&bus.send, 0, window.doorbell[1], CP_VECTORS);
	bus.bus_no = 1;
	bus.memory.base = bus.window.base + CP_CHANNELS_OFFSET + CHANNELS_BYTES;
	bus.memory.bytes = WINDOW_BYTES - CP_CHANNELS_OFFSET - CHANNELS_BYTES;
	service.buses = &bus;
}

static void make_device(void)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct mullion_server_config config = { .version = 1, .generation = 1 };
	static struct service_fd store = { .role = MULLION_FD_STORE };
	struct controlvm_message command;
	const void *class_part;
	size_t bytes;
	struct controlvm_packet_create_device *create = &command.cmd.create_device;

	class_part = window_class_config(&bytes, &store.fd);
	config.class_bytes = (uint32_t)bytes;
	if (store.fd >= 0) {
		struct service_fd *kept = malloc(sizeof(*kept));

		REQUIRE(kept);
		*kept = store;
		service.fds = kept;
		service.fd_count = 1;
	}
	memset(&command, 0, sizeof(command));
	create->bus_no = 1;
	create->channel_addr = MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_DEVICE_OFFSET);
	create->channel_bytes = service_attach_channel_bytes(window_class);
	create->data_type_guid = type;
	memset(&create->dev_inst_guid, 9, sizeof(guid_t));
	create->intr.reserved1 = 1;
	REQUIRE(!service_device_create(&command, &config, class_part));
	device = service_device_find(1, 0);
}

static void init(void)
{
	service.class = window_class;
	service.command_recv = -1;
	REQUIRE(!mullion_loop_init());
	REQUIRE(!window_class->init());
	make_state();
	make_bus();
	make_device();
}

static void turn(void)
{
	service_attach_check(device);
	if (device->serving || device->late)
		service_request_poll(device);
	window_class->turn_end();
	if (device->queues[0].rsp.head != device->queues[0].rsp.published)
		service_request_publish(device);
	device->rung = false;
	if (device->wanted.any)
		service_attach_settle(device);
}

static uint8_t *channel(void)
{
	return window.base + CP_DEVICE_OFFSET;
}

/* A client that keeps the rules; what was done to the channel is over. */
static void attach(struct mullion_attach *client)
{
	service_attach_audit(device);
	for (int i = 0; i < TURNS; i++)
		turn();
	REQUIRE(!mullion_attach_init(client, channel() + MULLION_CHANNEL_EXT_OFFSET_IO));
	/* Random in life; here runs must repeat. */
	client->incarnation = device->incarnation + device->fault_incarnation + 1;
	if (client->incarnation == device->fault_incarnation)
		client->incarnation++;
	mullion_attach_raise(client, MULLION_EXTF_KNOWN, MULLION_CLIENT_ATTACHING);
	for (int i = 0; i < TURNS; i++)
		turn();
	/* An epoch near its end may be refused once as going backwards. */
	if (mullion_attach_poll(client)) {
		client->incarnation += 2;
		mullion_attach_raise(client, MULLION_EXTF_KNOWN,
				     MULLION_CLIENT_ATTACHING);
		for (int i = 0; i < TURNS; i++)
			turn();
	}
	REQUIRE(!mullion_attach_poll(client));
	REQUIRE(device->serving && !device->outstanding);
}

static void queues(struct mullion_sq *cmd, struct mullion_sq *rsp)
{
	uint64_t bytes = service_attach_channel_bytes(window_class);

	REQUIRE(!mullion_sq_attach(cmd, channel(), bytes, MULLION_IO_CH_SPACE_OFFSET,
				   VISOR_IO_SLOT_BYTES, 1));
	REQUIRE(!mullion_sq_attach(rsp, channel(), bytes,
				   MULLION_IO_CH_SPACE_OFFSET + 128,
				   VISOR_IO_SLOT_BYTES, 1));
}

/* TEST UNIT READY, and its answer. */
static void served(const struct mullion_attach *client)
{
	struct mullion_io_slot *slot;
	struct mullion_sq cmd, rsp;
	void *memory = NULL;
	const void *answer = NULL;

	queues(&cmd, &rsp);
	REQUIRE(!mullion_sq_produce(&cmd, &memory));
	slot = memory;
	memset(slot, 0, sizeof(*slot));
	slot->rsp.cmdtype = CMD_SCSI_TYPE;
	slot->rsp.scsi.handle = 77;
	slot->rsp.scsi.data_dir = UIS_DMA_NONE;
	slot->ext.epoch = (uint32_t)client->epoch;
	slot->ext.request_id = 1;
	mullion_sq_publish(&cmd);
	turn();
	REQUIRE(!mullion_sq_consume(&rsp, &answer));
	slot = (void *)(uintptr_t)answer;
	REQUIRE(slot->rsp.scsi.handle == 77 && slot->ext.request_id == 1);
	REQUIRE(slot->rsp.scsi.linuxstat == 0);
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

static void take_bytes(struct input *in, uint8_t *to, size_t bytes)
{
	if (bytes > in->size)
		bytes = in->size;
	memcpy(to, in->data, bytes);
	in->data += bytes;
	in->size -= bytes;
}

static void op_patch(struct input *in, uint8_t *base, uint64_t limit)
{
	uint64_t offset = take(in, 3) % limit;
	uint64_t bytes = take(in, 1);

	take_bytes(in, base + offset, bytes < limit - offset ? bytes : limit - offset);
}

/* A slot from the input, with the epoch that lets it in. */
static void op_request(struct input *in, struct mullion_sq *cmd,
		       const struct mullion_attach *client)
{
	struct mullion_io_slot slot;
	void *memory = NULL;
	uint32_t where;

	memset(&slot, 0, sizeof(slot));
	take_bytes(in, (uint8_t *)&slot, take(in, 1) % 128);
	where = (uint32_t)take(in, 1);
	slot.rsp.scsi.data_dir = where & 15;
	slot.rsp.scsi.vdest.lun = where >> 4;
	slot.ext.request_id = take(in, 1);
	slot.ext.flags = (uint32_t)take(in, 1);
	slot.ext.epoch = (uint32_t)client->epoch;
	if (mullion_sq_produce(cmd, &memory) < 0)
		return;
	memcpy(memory, &slot, sizeof(slot));
	mullion_sq_publish(cmd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct mullion_attach client;
	struct mullion_sq cmd, rsp;
	const void *answer;

	if (!device)
		init();
	attach(&client);
	queues(&cmd, &rsp);
	while (in.size) {
		switch (take(&in, 1) % 8) {
		case 0:
			op_patch(&in, channel(), MULLION_IO_SLOTS_ALIGN);
			break;
		case 1:
			op_patch(&in, window.base, WINDOW_BYTES);
			break;
		case 2:
			mullion_attach_raise(&client, take(&in, 1), take(&in, 1) & 3);
			break;
		case 3:
			service_attach_audit(device);
			break;
		case 4:
			while (!mullion_sq_consume(&rsp, &answer))
				;
			mullion_sq_release(&rsp);
			break;
		case 5:
			turn();
			break;
		default:
			op_request(&in, &cmd, &client);
			break;
		}
	}
	turn();
	attach(&client);
	served(&client);
	return 0;
}
