// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/control_ram.c - a control channel in guest RAM, and a plain client */
#include "control_place.h"
#include "input.h"

static _Alignas(4096) uint8_t ram[MULLION_CONTROL_AREA_BYTES];
static struct mullion_sq queues[CONTROLVM_QUEUES];

struct mullion_cp_control *control_place_new(const struct mullion_cp_control_ops *ops,
					     uint8_t **area)
{
	const struct mullion_cp_control_place place = {
		.channel = ram,
		.channel_bytes = sizeof(ram),
	};
	struct mullion_cp_control *control;

	memset(ram, 0xa5, sizeof(ram));
	REQUIRE(!mullion_cp_control_new_placed(&control, NULL, &place, 1, ops, NULL));
	mullion_cp_control_open(control);
	mullion_cp_control_turn(control);
	*area = ram;
	return control;
}

/* The guest was reset, and its memory with it. */
void control_place_begin(struct mullion_cp_control *control, uint8_t *area)
{
	memset(area, 0, sizeof(ram));
	mullion_cp_control_turn(control);
	mullion_cp_control_turn(control);
	REQUIRE(mullion_cp_control_plain(control));
	for (unsigned int i = 0; i < CONTROLVM_QUEUES; i++)
		REQUIRE(!mullion_sq_attach(&queues[i], area, sizeof(ram),
			offsetof(struct visor_controlvm_channel, request_queue) +
			i * sizeof(struct signal_queue_header), CONTROLVM_MESSAGE_BYTES, 0));
}

static void put(unsigned int queue, const struct controlvm_message *message)
{
	void *slot = NULL;

	REQUIRE(!mullion_sq_produce(&queues[queue], &slot));
	memcpy(slot, message, sizeof(*message));
	mullion_sq_publish(&queues[queue]);
}

void control_place_hear(struct mullion_cp_control *control, uint8_t *area)
{
	struct controlvm_message message;
	const void *slot = NULL;

	(void)area;
	mullion_cp_control_turn(control);
	REQUIRE(!mullion_sq_consume(&queues[CONTROLVM_QUEUE_EVENT], &slot));
	memcpy(&message, slot, sizeof(message));
	mullion_sq_release(&queues[CONTROLVM_QUEUE_EVENT]);
	REQUIRE(mullion_sq_consume(&queues[CONTROLVM_QUEUE_EVENT], &slot));
	REQUIRE(mullion_sq_consume(&queues[CONTROLVM_QUEUE_RESPONSE], &slot));
	put(CONTROLVM_QUEUE_ACK, &message);
	put(CONTROLVM_QUEUE_REQUEST, &message);
	mullion_cp_control_turn(control);
}

void control_place_end(void)
{
}
