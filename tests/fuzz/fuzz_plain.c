// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_plain.c - a guest that knows nothing of Mullion's extension,
 * its RAM and the channels in it, into a service
 *
 * Input is a list of operations: overwrite any bytes of channel or RAM, put a
 * message with addresses of all kinds into the ring, raise an epoch after all; and
 * of the command partition: pause, resume, death of the service with a successor
 * that adopts the channel.  After each input the device is taken through a pause
 * and a resume, which is what such a client can be helped with, and its client,
 * which keeps the rules now, must be served.
 */
#include <unistd.h>

#include "plain_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct plain_client client;
static const void *config;
static size_t config_bytes;
static int store = -1;
static bool begun;

static int store_dup(void)
{
	return store < 0 ? -1 : dup(store);
}

uint64_t plain_address(struct input *in)
{
	uint64_t bytes = window_class.window_bytes;

	switch (take(in, 1) & 7) {
	case 0:
		return bytes - take(in, 2);
	case 1:
		return bytes + take(in, 3);
	case 2:
		return bytes / 2 - take(in, 2);
	case 3:
		return INPROC_RAM_HIGH - 4096 + take(in, 3);
	case 4:
		return UINT64_MAX - take(in, 2);
	case 5:
		return take(in, 8);
	default:
		return take(in, 3);
	}
}

static bool plain_attach_ring(struct mullion_sq *q, unsigned int queue)
{
	return !mullion_sq_attach(q, client.bus.channel,
				  service_attach_channel_bytes(window_class.class),
				  MULLION_IO_CH_SPACE_OFFSET +
				  queue * sizeof(struct signal_queue_header),
				  VISOR_IO_SLOT_BYTES, 0);
}

/* As they are found; where they cannot be, as they were. */
static bool plain_attach(void)
{
	bool cmd = plain_attach_ring(&client.cmd, 0);

	return plain_attach_ring(&client.rsp, 1) && cmd;
}

bool plain_send(struct plain_client *c, const struct uiscmdrsp *message)
{
	struct mullion_io_slot *slot;
	void *memory = NULL;

	if (mullion_sq_produce(&c->cmd, &memory) < 0)
		return false;
	slot = memory;
	memcpy(&slot->rsp, message, sizeof(*message));
	memset(&slot->ext, 0x5a, sizeof(slot->ext));
	mullion_sq_publish(&c->cmd);
	return true;
}

static void plain_request(struct input *in)
{
	struct uiscmdrsp message;

	memset(&message, 0, sizeof(message));
	plain_class.request(in, &message);
	plain_send(&client, &message);
}

static void plain_take_answers(void)
{
	const void *answer = NULL;

	while (!mullion_sq_consume(&client.rsp, &answer))
		;
	mullion_sq_release(&client.rsp);
}

static void plain_begin(void)
{
	if (!begun) {
		inproc_init(window_class.class);
		config = window_class.config(&config_bytes, &store);
		begun = true;
	}
	REQUIRE(!inproc_device(&client.bus, 1, window_class.window_bytes, config, config_bytes,
			       store_dup()));
	REQUIRE(client.bus.device->serving && client.bus.device->plain);
	REQUIRE(plain_attach());
}

static void plain_raise(struct input *in)
{
	struct mullion_attach attach;

	if (mullion_attach_init(&attach, client.bus.channel + MULLION_CHANNEL_EXT_OFFSET_IO))
		return;
	attach.incarnation = 1 + take(in, 1);
	mullion_attach_raise(&attach, take(in, 1), take(in, 1) & 3);
}

static void plain_pause(void)
{
	if (!client.bus.device->paused && !client.bus.device->wanted.any)
		inproc_pause(&client.bus);
}

static void plain_resume(void)
{
	inproc_resume(&client.bus);
	plain_attach();
}

static void plain_successor(void)
{
	REQUIRE(!inproc_successor(&client.bus, config, config_bytes, store_dup()));
	inproc_turn();
	plain_attach();
}

static void plain_step(struct input *in)
{
	switch (take(in, 1) % 11) {
	case 0:
		take_patch(in, client.bus.channel, MULLION_IO_SLOTS_ALIGN);
		break;
	case 1:
		take_patch(in, client.bus.window.base, client.bus.window.size);
		break;
	case 2:
		service_attach_audit(client.bus.device);
		break;
	case 3:
		plain_take_answers();
		break;
	case 4:
		plain_pause();
		break;
	case 5:
		plain_resume();
		break;
	case 6:
		plain_successor();
		break;
	case 7:
		plain_raise(in);
		break;
	case 8:
		inproc_turn();
		break;
	default:
		plain_request(in);
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	plain_begin();
	while (in.size)
		plain_step(&in);
	for (int i = 0; i < 4; i++)
		inproc_turn();
	plain_pause();
	plain_resume();
	inproc_turn();
	inproc_turn();
	/* One that attached, or tries to, is another matter: fuzz_service_window.c */
	if (client.bus.device->plain &&
	    !mullion_load_relaxed(mullion_ext_u64(client.bus.device->ext, client_epoch))) {
		REQUIRE(client.bus.device->serving && !client.bus.device->outstanding);
		REQUIRE(plain_attach());
		REQUIRE(mullion_sq_pending(&client.rsp) == 0);
		plain_class.served(&client);
	}
	inproc_device_done(&client.bus);
	return 0;
}
