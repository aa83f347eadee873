// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/control_window.c - a control channel in a window, and Mullion's client */
#include "../../channel/control_client.h"
#include "../../command/core.h"
#include "../../command/window.h"
#include "control_place.h"
#include "input.h"

#define TURNS 8

static struct mullion_core core = { .window_id_next = 1 };
static struct mullion_cp_window *window;
static struct mullion_control_client *client;
static uint8_t pristine[MULLION_CONTROL_CHANNEL_BYTES];
static unsigned int heard;

static void on_command(void *arg, const struct controlvm_message *command,
		       const void *payload, size_t bytes)
{
	(void)arg;
	(void)payload;
	(void)bytes;
	heard++;
	mullion_control_client_respond(client, command, 0, NULL);
}

static void turn(struct mullion_cp_control *control)
{
	for (int i = 0; i < TURNS; i++) {
		mullion_cp_control_turn(control);
		mullion_control_client_poll(client, false);
	}
}

struct mullion_cp_control *control_place_new(const struct mullion_cp_control_ops *ops,
					     uint8_t **area)
{
	static const guid_t nobody;
	struct mullion_cp_control *control;

	if (!window)
		REQUIRE(!mullion_cp_window_new_command(&core, &nobody, &nobody, &window));
	*area = window->map + window->areas[0].offset;
	memset(*area, 0, MULLION_CONTROL_AREA_BYTES);
	REQUIRE(!mullion_cp_control_new(&control, NULL, window, 1, ops, NULL));
	memcpy(pristine, *area, sizeof(pristine));
	return control;
}

/* The guest was reset, and its firmware put the channel right. */
void control_place_begin(struct mullion_cp_control *control, uint8_t *area)
{
	struct mullion_channel_ext *ext =
		(void *)(area + MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	uint64_t epoch = mullion_cp_control_epoch(control);

	memcpy(area, pristine, sizeof(pristine));
	ext->server_epoch = epoch;
	ext->client_epoch = epoch;
	REQUIRE(!mullion_control_client_new(&client, area, MULLION_CONTROL_AREA_BYTES,
					    window->doorbells[0][0], on_command, NULL, NULL));
	turn(control);
	REQUIRE(mullion_control_client_is_attached(client));
}

void control_place_hear(struct mullion_cp_control *control, uint8_t *area)
{
	(void)area;
	heard = 0;
	turn(control);
	REQUIRE(heard == 1);
}

void control_place_end(void)
{
	mullion_control_client_free(client);
}
