// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_service_window.c - a whole bus window into a service
 *
 * The common layer of a service, with the simplest class, with disks or with
 * network cards, is driven in this process.  Input is a list of operations of a
 * hostile client: overwrite any bytes of the window, put a message into a ring,
 * raise the epoch.  After each input a well-behaved client attaches, and must
 * be served: whatever happened cost that channel's users nothing but an epoch.
 */
#include "window_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS		8
#define POOL_PATCHED	65536

static struct window_client client;

static void turns(void)
{
	for (int i = 0; i < TURNS; i++)
		inproc_turn();
}

static void init(void)
{
	const void *config;
	size_t bytes;
	int fd;

	inproc_init(window_class.class);
	config = window_class.config(&bytes, &fd);
	REQUIRE(!inproc_device(&client.bus, 1, window_class.window_bytes, config, bytes, fd));
}

/* A client that keeps the rules; what was done to the channel is over. */
static void attach(void)
{
	struct mullion_device *device = client.bus.device;
	struct mullion_attach *end = &client.attach;

	service_attach_audit(device);
	turns();
	REQUIRE(!mullion_attach_init(end, client.bus.channel +
				     MULLION_CHANNEL_EXT_OFFSET_IO));
	/* Random in life; here runs must repeat. */
	end->incarnation = device->incarnation + device->fault_incarnation + 1;
	if (end->incarnation == device->fault_incarnation)
		end->incarnation++;
	mullion_attach_raise(end, MULLION_EXTF_KNOWN, MULLION_CLIENT_ATTACHING);
	turns();
	/* An epoch near its end may be refused once as going backwards. */
	if (mullion_attach_poll(end)) {
		end->incarnation += 2;
		mullion_attach_raise(end, MULLION_EXTF_KNOWN, MULLION_CLIENT_ATTACHING);
		turns();
	}
	REQUIRE(!mullion_attach_poll(end));
	REQUIRE(device->serving);
}

static void queues(void)
{
	uint64_t bytes = service_attach_channel_bytes(window_class.class);

	for (unsigned int i = 0; i < window_class.class->queue_pairs; i++) {
		uint64_t header = MULLION_IO_CH_SPACE_OFFSET +
				  2 * i * sizeof(struct signal_queue_header);

		REQUIRE(!mullion_sq_attach(&client.cmd[i], client.bus.channel, bytes,
					   header, VISOR_IO_SLOT_BYTES, 1));
		REQUIRE(!mullion_sq_attach(&client.rsp[i], client.bus.channel, bytes,
					   header + sizeof(struct signal_queue_header),
					   VISOR_IO_SLOT_BYTES, 1));
	}
}

static void take_answers(void)
{
	for (unsigned int i = 0; i < window_class.class->queue_pairs; i++) {
		const void *answer = NULL;

		while (!mullion_sq_consume(&client.rsp[i], &answer))
			;
		mullion_sq_release(&client.rsp[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	if (!client.bus.device)
		init();
	attach();
	queues();
	while (in.size) {
		switch (take(&in, 1) % 9) {
		case 0:
			take_patch(&in, client.bus.channel, MULLION_IO_SLOTS_ALIGN);
			break;
		case 1:
			take_patch(&in, client.bus.window.base, client.bus.window.size);
			break;
		case 2:
			mullion_attach_raise(&client.attach, take(&in, 1),
					     take(&in, 1) & 3);
			break;
		case 3:
			service_attach_audit(client.bus.device);
			break;
		case 4:
			take_answers();
			break;
		case 5:
			inproc_turn();
			break;
		case 6:
			take_patch(&in, client.bus.pool, POOL_PATCHED);
			break;
		default:
			window_class.request(&in, &client);
			break;
		}
	}
	inproc_turn();
	attach();
	queues();
	window_class.served(&client);
	return 0;
}
