// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/fake_service.c - the other end of a process guest, run by a test
 */
#include "fake_service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../abi/bus.h"
#include "../../channel/field.h"

#define SLOTS_BYTES	(40ULL << 10)	/* FAKE_SLOTS slots, rounded up */

#define FAKE_REQUIRE(condition) do {						\
		if (!(condition)) {					\
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);	\
			abort();					\
		}							\
	} while (0)

uint8_t *fake_service_channel(const struct fake_service *fake)
{
	return fake->bus_window.base + CP_DEVICE_OFFSET;
}

struct mullion_channel_ext *fake_service_ext(const struct fake_service *fake)
{
	return (void *)(fake_service_channel(fake) + MULLION_CHANNEL_EXT_OFFSET_IO);
}

struct mullion_guest_device *fake_service_device(const struct fake_service *fake)
{
	return mullion_guest_device_find(fake->guest, &fake->type, 0);
}

static void fake_format_bus(struct fake_service *fake)
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
	memcpy(fake->bus_window.base + CP_CHANNELS_OFFSET, &bus, sizeof(bus));
}

static void fake_format_queue(struct fake_service *fake, unsigned int queue,
			      struct mullion_sq *q)
{
	uint64_t header = MULLION_IO_CH_SPACE_OFFSET +
			  queue * sizeof(struct signal_queue_header);
	uint64_t slots = MULLION_IO_SLOTS_ALIGN + queue * SLOTS_BYTES;

	mullion_sq_format((void *)(fake_service_channel(fake) + header),
			  slots - header, VISOR_IO_SLOT_BYTES, FAKE_SLOTS);
	FAKE_REQUIRE(!mullion_sq_attach(q, fake_service_channel(fake),
					FAKE_CHANNEL_BYTES, header,
					VISOR_IO_SLOT_BYTES, 1));
	mullion_sq_reset_shared(q);
	mullion_sq_reset(q, 1);
}

static void fake_format_queues(struct fake_service *fake)
{
	for (unsigned int i = 0; i < fake->pairs; i++) {
		fake_format_queue(fake, 2 * i, &fake->cmd[i]);
		fake_format_queue(fake, 2 * i + 1, &fake->rsp[i]);
	}
}

static void fake_format_device(struct fake_service *fake)
{
	struct visor_io_channel fixed;
	struct mullion_channel_ext ext = {
		.magic = MULLION_CHANNEL_EXT_MAGIC,
		.version = MULLION_CHANNEL_EXT_VERSION,
		.bytes = MULLION_CHANNEL_EXT_BYTES,
		.queue_pairs = fake->pairs,
		.pool_share = fake->pool_share,
		.max_outstanding = fake->max_outstanding,
		.server_generation = 1,
		.server_state = MULLION_CHANNEL_SERVING,
		.features_offered = fake->features,
	};

	memset(&fixed, 0, sizeof(fixed));
	fixed.channel_header.signature = VISOR_CHANNEL_SIGNATURE;
	fixed.channel_header.size = FAKE_CHANNEL_BYTES;
	fixed.channel_header.features = MULLION_CHF_EXT;
	fixed.channel_header.chtype = fake->type;
	fixed.channel_header.ch_space_offset = MULLION_IO_CH_SPACE_OFFSET;
	fixed.channel_header.version_id = fake->version;
	memcpy(&fixed.vnic, fake->class_part, sizeof(fake->class_part));
	memcpy(fake_service_channel(fake), &fixed, sizeof(fixed));
	memcpy(fake_service_ext(fake), &ext, sizeof(ext));
	fake_format_queues(fake);
}

void fake_service_command(struct fake_service *fake, uint32_t id,
			  const union controlvm_packet *packet,
			  const void *header, size_t bytes)
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
	if (mullion_sq_produce(&fake->control.queue[CONTROLVM_QUEUE_EVENT], &slot) < 0)
		return;
	memcpy(slot, &message, sizeof(message));
	mullion_sq_publish(&fake->control.queue[CONTROLVM_QUEUE_EVENT]);
}

static void fake_announce(struct fake_service *fake)
{
	union controlvm_packet packet;

	memset(&packet, 0, sizeof(packet));
	packet.create_bus.bus_no = 1;
	packet.create_bus.channel_addr =
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_CHANNELS_OFFSET);
	packet.create_bus.channel_bytes = CP_BUS_CHANNEL_BYTES;
	fake_service_command(fake, CONTROLVM_BUS_CREATE, &packet, NULL, 0);
	memset(&packet, 0, sizeof(packet));
	packet.create_device.bus_no = 1;
	packet.create_device.channel_addr =
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_DEVICE_OFFSET);
	packet.create_device.channel_bytes = FAKE_CHANNEL_BYTES;
	packet.create_device.data_type_guid = fake->type;
	packet.create_device.intr.reserved1 = 1;
	packet.create_device.intr.recv_irq_vector = 1;
	fake_service_command(fake, CONTROLVM_DEVICE_CREATE, &packet, NULL, 0);
}

uint64_t fake_service_epoch(const struct fake_service *fake)
{
	return mullion_load_acquire(mullion_ext_u64(fake_service_ext(fake),
						    client_epoch));
}

void fake_service_confirm(struct fake_service *fake)
{
	fake_format_queues(fake);
	mullion_store_release(mullion_ext_u64(fake_service_ext(fake), server_epoch),
			      fake_service_epoch(fake));
}

static struct fake_service *fake_rung;

void fake_service_confirm_rings(struct fake_service *fake, bool on)
{
	fake_rung = on ? fake : NULL;
}

int __real_mullion_doorbell_ring(int fd);
int __wrap_mullion_doorbell_ring(int fd);

int __wrap_mullion_doorbell_ring(int fd)
{
	if (fake_rung && fake_service_epoch(fake_rung) !=
	    mullion_load_relaxed(mullion_ext_u64(fake_service_ext(fake_rung),
						 server_epoch))) {
		fake_service_confirm(fake_rung);
		if (fake_rung->confirmed)
			fake_rung->confirmed(fake_rung);
	}
	return __real_mullion_doorbell_ring(fd);
}

bool fake_service_send(struct fake_service *fake, unsigned int pair,
		       const struct mullion_io_slot *slot)
{
	void *memory = NULL;

	if (mullion_sq_produce(&fake->rsp[pair], &memory) < 0)
		return false;
	memcpy(memory, slot, sizeof(*slot));
	mullion_sq_publish(&fake->rsp[pair]);
	return true;
}

bool fake_service_take(struct fake_service *fake, unsigned int pair,
		       struct mullion_io_slot *slot)
{
	const void *memory = NULL;

	if (mullion_sq_consume(&fake->cmd[pair], &memory) < 0)
		return false;
	memcpy(slot, memory, sizeof(*slot));
	mullion_sq_release(&fake->cmd[pair]);
	return true;
}

void fake_service_turn(struct fake_service *fake)
{
	cp_control_turn(&fake->control);
	mullion_guest_turn(fake->guest);
}

void fake_service_begin(struct fake_service *fake)
{
	int recv[CP_VECTORS], send[CP_VECTORS];

	if (!fake->command_window.base) {
		cp_window_make(&fake->command_window, MULLION_WINDOW_COMMAND,
			       CP_WINDOW_ID_GUEST, 1 << 20, 0);
		cp_window_make(&fake->bus_window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS,
			       FAKE_WINDOW_BYTES, FAKE_CHANNELS_BYTES);
	}
	cp_control_init(&fake->control, &fake->command_window);
	fake_format_bus(fake);
	fake_format_device(fake);
	for (int i = 0; i < CP_VECTORS; i++) {
		recv[i] = dup(fake->bus_window.doorbell[1][i]);
		send[i] = dup(fake->bus_window.doorbell[0][i]);
	}
	FAKE_REQUIRE(!mullion_guest_open_fds(&fake->guest, fake->command_window.fd,
					     dup(fake->command_window.doorbell[1][0]),
					     dup(fake->command_window.doorbell[0][0])));
	FAKE_REQUIRE(!mullion_guest_add_window(fake->guest, fake->bus_window.fd, recv,
					       send, CP_VECTORS));
	cp_control_turn(&fake->control);
	fake_announce(fake);
	mullion_guest_turn(fake->guest);
}

void fake_service_end(struct fake_service *fake)
{
	mullion_guest_close(fake->guest);
	fake->guest = NULL;
}
