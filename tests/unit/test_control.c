// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_control.c - the command partition's end of a control channel
 *
 * The client is the library's where it behaves, and bytes in the window where
 * it does not.  There is no loop: both ends are turned by hand.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../channel/control_client.h"
#include "../../channel/field.h"
#include "../../command/control.h"
#include "../../command/core.h"
#include "../../command/window.h"

static struct mullion_core core = { .window_id_next = 1 };
static const guid_t nobody;

static struct {
	struct mullion_cp_window *window;
	struct mullion_cp_control *control;
	struct mullion_control_client *client;
	struct mullion_control_client *forgotten;	/* of a kernel that was reset */
	uint8_t *area;
	struct mullion_channel_ext *ext;
	/* seen by the command partition */
	unsigned int attached, fresh, detached, faulted;
	uint32_t reason;
	unsigned int answers, resets, failures;
	uint32_t status;
	uint64_t last_handle;
	/* seen by the client */
	unsigned int commands;
	struct controlvm_message kept[64];
	char payload[256];
	size_t payload_bytes;
	bool keep;
	int error;
} t;

static void on_attached(void *arg, bool fresh)
{
	(void)arg;
	t.attached++;
	t.fresh += fresh;
}

static void on_detached(void *arg)
{
	(void)arg;
	t.detached++;
}

static void on_faulted(void *arg, uint32_t reason)
{
	(void)arg;
	t.faulted++;
	t.reason = reason;
}

static const struct mullion_cp_control_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.faulted = on_faulted,
};

static void on_answer(void *arg, int error, uint32_t status,
		      const struct controlvm_message *answer)
{
	(void)arg;
	if (error == -ECONNRESET) {
		assert_null(answer);
		t.resets++;
		return;
	}
	assert_non_null(answer);
	t.answers++;
	t.failures += error == -EREMOTEIO;
	t.status = status;
	t.last_handle = answer->hdr.message_handle;
}

static void on_quiet(void *arg, int error, uint32_t status,
		     const struct controlvm_message *answer)
{
	(void)arg;
	assert_int_equal(error, 0);
	assert_int_equal(status, 0);
	assert_null(answer);
	t.answers++;
}

static void on_command(void *arg, const struct controlvm_message *command,
		       const void *payload, size_t bytes)
{
	(void)arg;
	if (t.commands < 64)
		t.kept[t.commands] = *command;
	t.commands++;
	t.payload_bytes = bytes;
	if (bytes && bytes <= sizeof(t.payload))
		memcpy(t.payload, payload, bytes);
	if (!t.keep)
		mullion_control_client_respond(t.client, command, t.error, NULL);
}

static int setup(void **state)
{
	(void)state;
	memset(&t, 0, sizeof(t));
	if (mullion_cp_window_new_command(&core, &nobody, &nobody, &t.window) ||
	    mullion_cp_control_new(&t.control, NULL, t.window, 1, &ops, NULL))
		return -1;
	t.area = t.window->map + t.window->areas[0].offset;
	t.ext = (void *)(t.area + MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mullion_control_client_free(t.client);
	mullion_control_client_free(t.forgotten);
	mullion_cp_control_free(t.control);
	mullion_cp_window_free(t.window);
	return 0;
}

static void turn(void)
{
	for (unsigned int i = 0; i < 6; i++) {
		mullion_cp_control_turn(t.control);
		if (t.client)
			mullion_control_client_poll(t.client, false);
	}
}

static void attach(void)
{
	unsigned int before = t.attached;

	assert_int_equal(mullion_control_client_new(&t.client, t.area,
			MULLION_CONTROL_AREA_BYTES, t.window->doorbells[0][0],
			on_command, NULL, NULL), 0);
	turn();
	assert_int_equal(t.attached, before + 1);
	assert_true(mullion_cp_control_attached(t.control));
	assert_true(mullion_control_client_is_attached(t.client));
}

static int send_command(uint32_t id, const void *payload, size_t bytes)
{
	struct mullion_cp_command command = {
		.id = id, .payload = payload, .payload_bytes = bytes,
		.answer = on_answer,
	};

	return mullion_cp_control_send(t.control, &command);
}

static void test_format(void **state)
{
	const struct visor_controlvm_channel *ch = (const void *)t.area;

	(void)state;
	assert_int_equal(ch->header.size, MULLION_CONTROL_CHANNEL_BYTES);
	assert_int_equal(ch->header.features, MULLION_CHF_EXT);
	assert_int_equal(ch->header.ch_space_offset, 3072);
	assert_int_equal(ch->header.version_id, 1);
	assert_int_equal(ch->saved_crash_message_count, 2);
	assert_int_equal(ch->saved_crash_message_offset, 36352);
	assert_int_equal(ch->request_queue.sig_base_offset, 512);
	assert_int_equal(ch->response_queue.sig_base_offset, 8576);
	assert_int_equal(ch->event_queue.sig_base_offset, 16640);
	assert_int_equal(ch->event_ack_queue.sig_base_offset, 24704);
	assert_int_equal(t.ext->magic, MULLION_CHANNEL_EXT_MAGIC);
	assert_int_equal(t.ext->server_generation, 1);
	assert_int_equal(send_command(CONTROLVM_CHIPSET_INIT, NULL, 0), -ENOTCONN);
}

static void test_commands(void **state)
{
	(void)state;
	attach();
	assert_int_equal(t.fresh, 1);
	assert_int_equal(send_command(CONTROLVM_CHIPSET_INIT, NULL, 0), 0);
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, "payload", 8), 0);
	turn();
	assert_int_equal(t.commands, 2);
	assert_int_equal(t.kept[0].hdr.id, CONTROLVM_CHIPSET_INIT);
	assert_int_equal(t.kept[1].hdr.id, CONTROLVM_BUS_CREATE);
	assert_int_equal(t.payload_bytes, 8);
	assert_string_equal(t.payload, "payload");
	assert_int_equal(t.answers, 2);
	assert_int_equal(t.failures, 0);
	t.error = -ENODEV;
	assert_int_equal(send_command(CONTROLVM_BUS_DESTROY, NULL, 0), 0);
	turn();
	assert_int_equal(t.failures, 1);
	assert_int_equal(t.status, ENODEV);
}

static void test_many_with_payload(void **state)
{
	static char payload[60000];

	(void)state;
	attach();
	for (unsigned int i = 0; i < 200; i++)
		assert_int_equal(send_command(CONTROLVM_DEVICE_CREATE, payload,
					      sizeof(payload)), 0);
	for (unsigned int i = 0; i < 200; i++)
		turn();
	assert_int_equal(t.answers, 200);
	assert_int_equal(t.payload_bytes, sizeof(payload));
	for (unsigned int i = 0; i < 256; i++)
		assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), 0);
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), -EBUSY);
	for (unsigned int i = 0; i < 50; i++)
		turn();
	assert_int_equal(t.answers, 456);
}

static void test_payload_limit(void **state)
{
	char *payload = calloc(1, MULLION_CONTROL_PAYLOAD_BYTES + 1);

	(void)state;
	assert_non_null(payload);
	attach();
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, payload,
				      MULLION_CONTROL_PAYLOAD_BYTES + 1), -EMSGSIZE);
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, payload,
				      MULLION_CONTROL_PAYLOAD_BYTES), 0);
	turn();
	assert_int_equal(t.answers, 1);
	free(payload);
}

static void test_late_answers(void **state)
{
	(void)state;
	attach();
	t.keep = true;
	for (unsigned int i = 0; i < 3; i++)
		assert_int_equal(send_command(CONTROLVM_DEVICE_CREATE, NULL, 0), 0);
	turn();
	assert_int_equal(t.commands, 3);
	assert_int_equal(t.answers, 0);
	mullion_control_client_respond(t.client, &t.kept[2], 0, NULL);
	turn();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.last_handle, t.kept[2].hdr.message_handle);
	mullion_control_client_respond(t.client, &t.kept[0], 0, NULL);
	mullion_control_client_respond(t.client, &t.kept[1], 0, NULL);
	turn();
	assert_int_equal(t.answers, 3);
	/* a second answer to the same command is nobody's */
	mullion_control_client_respond(t.client, &t.kept[1], 0, NULL);
	turn();
	assert_int_equal(t.answers, 3);
}

static void test_reset(void **state)
{
	(void)state;
	attach();
	t.keep = true;
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), 0);
	turn();
	/* the guest is reset: nobody says goodbye, a new kernel attaches */
	t.forgotten = t.client;
	t.client = NULL;
	attach();
	assert_int_equal(t.fresh, 2);
	assert_int_equal(t.resets, 1);
	assert_int_equal(mullion_cp_control_epoch(t.control), 2);
	t.keep = false;
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), 0);
	turn();
	assert_int_equal(t.answers, 1);
}

static void test_goodbye(void **state)
{
	(void)state;
	attach();
	mullion_control_client_free(t.client);
	t.client = NULL;
	turn();
	assert_int_equal(t.detached, 1);
	assert_false(mullion_cp_control_attached(t.control));
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), -ENOTCONN);
	attach();
}

/* A client by hand. */
static void raise_epoch(uint64_t epoch, uint64_t incarnation, uint64_t features)
{
	t.ext->client_incarnation = incarnation;
	t.ext->features_accepted = features;
	t.ext->client_generation = t.ext->server_generation;
	t.ext->client_state = MULLION_CLIENT_ATTACHING;
	__atomic_store_n((__u64 *)(void *)&t.ext->client_epoch, epoch, __ATOMIC_RELEASE);
	turn();
}

static struct signal_queue_header *queue(unsigned int n)
{
	struct visor_controlvm_channel *ch = (void *)t.area;

	return &ch->request_queue + n;
}

static void test_hostile_index(void **state)
{
	(void)state;
	raise_epoch(1, 11, 0);
	assert_int_equal(t.attached, 1);
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, NULL, 0), 0);
	queue(CONTROLVM_QUEUE_REQUEST)->head = 64;
	turn();
	assert_int_equal(t.faulted, 1);
	assert_int_equal(t.reason, MULLION_FAULT_INDEX);
	assert_int_equal(t.resets, 1);
	assert_int_equal(t.ext->server_state, MULLION_CHANNEL_FAULTED);
	/* the same incarnation gets nowhere; a new one starts afresh */
	raise_epoch(2, 11, 0);
	assert_int_equal(t.attached, 1);
	raise_epoch(3, 12, 0);
	assert_int_equal(t.attached, 2);
	assert_int_equal(t.ext->server_state, MULLION_CHANNEL_SERVING);
	assert_int_equal(t.ext->server_epoch, 3);
}

static void test_hostile_features_and_epoch(void **state)
{
	(void)state;
	raise_epoch(5, 1, 1ULL << 40);
	assert_int_equal(t.reason, MULLION_FAULT_FEATURES);
	raise_epoch(6, 2, MULLION_EXTF_EVENT_INDEX);
	assert_int_equal(t.attached, 1);
	raise_epoch(4, 2, MULLION_EXTF_EVENT_INDEX);
	assert_int_equal(t.reason, MULLION_FAULT_EPOCH);
	assert_int_equal(t.faulted, 2);
	/* an epoch of another generation is waited for */
	t.ext->client_generation = 9;
	t.ext->client_incarnation = 3;
	t.ext->client_epoch = 7;
	turn();
	assert_int_equal(t.attached, 1);
}

/* Each attach is told to people, so a client that attaches without end has to wait. */
static void test_attach_storm(void **state)
{
	(void)state;
	for (unsigned int i = 1; i <= 1000; i++)
		raise_epoch(i, i, 0);
	assert_in_range(t.attached, 1, 50);
}

static void test_hostile_messages(void **state)
{
	struct visor_controlvm_channel *ch = (void *)t.area;

	(void)state;
	raise_epoch(1, 1, 0);
	t.keep = true;
	assert_int_equal(send_command(CONTROLVM_BUS_CREATE, "x", 1), 0);
	turn();
	/* answers and acknowledgements of what was never sent */
	memset(ch->request_msg, 0xff, sizeof(ch->request_msg));
	memset(ch->event_ack_msg, 0x5a, sizeof(ch->event_ack_msg));
	queue(CONTROLVM_QUEUE_REQUEST)->head = 63;
	queue(CONTROLVM_QUEUE_ACK)->head = 63;
	turn();
	assert_int_equal(t.answers, 0);
	assert_int_equal(t.faulted, 0);
	/* the right handle under the wrong id is nobody's, too */
	ch->request_msg[0].hdr = ch->event_msg[1].hdr;
	ch->request_msg[0].hdr.id = CONTROLVM_BUS_DESTROY;
	queue(CONTROLVM_QUEUE_REQUEST)->head = 0;
	turn();
	assert_int_equal(t.answers, 0);
	/* without any acknowledgement, the right one counts */
	ch->request_msg[1].hdr = ch->event_msg[1].hdr;
	queue(CONTROLVM_QUEUE_REQUEST)->head = 1;
	turn();
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.failures, 0);
}

/* Whatever bytes the window holds, the daemon goes on. */
static void test_random_window(void **state)
{
	unsigned int attached = 0, faulted = 0;

	srand(1);
	for (unsigned int round = 0; round < 3000; round++) {
		size_t at = (size_t)rand() % (MULLION_CONTROL_CHANNEL_BYTES - 8);

		if (rand() % 4)
			at = MULLION_CHANNEL_EXT_OFFSET_CONTROL + 128 + (size_t)rand() % 48;
		else if (rand() % 2)
			at = 3072 + (size_t)rand() % 512;
		t.area[at] = (uint8_t)(rand() % 3 ? rand() % 5 : rand());
		t.ext->client_generation = 1;
		if (!(round % 16))
			raise_epoch(round + 1, round + 1, 0);
		send_command(CONTROLVM_DEVICE_CREATE, "payload", 8);
		mullion_cp_control_turn(t.control);
		/* a channel takes so many attaches in a second; then a new one goes on */
		if (t.attached + t.faulted < 16)
			continue;
		attached += t.attached;
		faulted += t.faulted;
		teardown(state);
		assert_int_equal(setup(state), 0);
	}
	assert_true(attached > 0);
	assert_true(faulted > 0);
}

static void test_status_text(void **state)
{
	char buffer[64];

	(void)state;
	assert_string_equal(mullion_cp_status_text(0, buffer), "success");
	assert_string_equal(mullion_cp_status_text(500, buffer), "no such bus");
	assert_string_equal(mullion_cp_status_text(19, buffer), "No such device");
	assert_string_equal(mullion_cp_status_text(0xffffffff, buffer), "status 4294967295");
}

/* ---- in guest RAM ------------------------------------------------------------ */

static _Alignas(4096) uint8_t ram[16 * 4096];

/* A ring as a client without the extension has it. */
static struct signal_queue_header *ram_queue(unsigned int queue)
{
	return (void *)(ram + 3072 + queue * sizeof(struct signal_queue_header));
}

static struct controlvm_message *ram_slot(unsigned int queue, unsigned int slot)
{
	return (void *)(ram + 3584 + queue * 8192 + slot * 128);
}

/* Takes the next command, acknowledges it, and answers if @status is not negative. */
static struct controlvm_message ram_take(int status)
{
	struct signal_queue_header *event = ram_queue(CONTROLVM_QUEUE_EVENT);
	struct controlvm_message message, answer = { 0 };

	assert_int_not_equal(event->head, event->tail);
	event->tail = (event->tail + 1) % 64;
	message = *ram_slot(CONTROLVM_QUEUE_EVENT, event->tail);
	answer.hdr = message.hdr;
	for (unsigned int i = 0; i < (status < 0 ? 1U : 2U); i++) {
		unsigned int queue = i ? CONTROLVM_QUEUE_REQUEST : CONTROLVM_QUEUE_ACK;
		uint32_t next = (ram_queue(queue)->head + 1) % 64;

		answer.hdr.completion_status = i ? (uint32_t)status : 0;
		*ram_slot(queue, next) = answer;
		ram_queue(queue)->head = next;
	}
	turn();
	return message;
}

static void ram_start(uint64_t bytes, uint8_t *payload, uint64_t offset)
{
	struct mullion_cp_control_place place = {
		.channel = ram, .channel_bytes = bytes,
		.payload = payload, .payload_offset = offset, .payload_bytes = 4096,
	};

	mullion_cp_control_free(t.control);
	memset(ram, 0xa5, sizeof(ram));
	assert_int_equal(mullion_cp_control_new_placed(&t.control, NULL, &place, 1, &ops, NULL),
			 0);
	turn();
	assert_int_equal(*(uint64_t *)(void *)ram, 0);
	assert_int_equal(t.attached, 0);
	mullion_cp_control_open(t.control);
	turn();
	assert_int_equal(*(uint64_t *)(void *)ram, 0x4c4e4345);
	assert_int_equal(t.attached, 1);
	assert_true(mullion_cp_control_plain(t.control));
}

/* As small as can be: no extension, payloads elsewhere, below it even. */
static void test_placed(void **state)
{
	const struct visor_controlvm_channel *ch = (const void *)ram;
	struct mullion_cp_command quiet = {
		.id = CONTROLVM_DEVICE_CHANGESTATE, .quiet = true, .answer = on_quiet,
	};
	struct controlvm_message message;

	(void)state;
	ram_start(36608, ram + 10 * 4096, (uint64_t)-4096);
	assert_int_equal(ch->header.size, 36608);
	assert_int_equal(ch->header.features, 0);
	assert_int_equal(ram[36608], 0xa5);
	assert_int_equal(send_command(CONTROLVM_BUS_CONFIGURE, "words", 5), 0);
	turn();
	message = ram_take(0);
	assert_int_equal(message.hdr.payload_vm_offset, (uint64_t)-4096);
	assert_memory_equal(ram + 10 * 4096, "words", 5);
	assert_int_equal(t.answers, 1);
	assert_int_equal(t.failures, 0);
	assert_int_equal(send_command(CONTROLVM_BUS_CONFIGURE, ram, 4097), -EMSGSIZE);
	/* The acknowledgement ends it. */
	assert_int_equal(mullion_cp_control_send(t.control, &quiet), 0);
	turn();
	message = ram_take(-1);
	assert_int_equal(message.hdr.flags, 0);
	assert_int_equal(t.answers, 2);
	mullion_cp_control_free(t.control);
	t.control = NULL;
	assert_int_equal(*(uint64_t *)(void *)ram, 0);
}

/* Memory that was wiped is a machine that was started again. */
static void test_wiped(void **state)
{
	(void)state;
	ram_start(0xc000, NULL, 0);
	assert_int_equal(send_command(CONTROLVM_CHIPSET_READY, NULL, 0), 0);
	turn();
	memset(ram, 0, sizeof(ram));
	turn();
	assert_int_equal(t.resets, 1);
	assert_int_equal(t.attached, 2);
	assert_true(mullion_cp_control_plain(t.control));
	assert_int_equal(send_command(CONTROLVM_CHIPSET_READY, NULL, 0), 0);
	turn();
	assert_int_equal(ram_take(0).hdr.id, CONTROLVM_CHIPSET_READY);
	assert_int_equal(t.answers, 1);
}

/* A client with the extension takes the place of one without. */
static void test_placed_client(void **state)
{
	(void)state;
	ram_start(sizeof(ram), NULL, 0);
	assert_int_equal(send_command(CONTROLVM_CHIPSET_INIT, NULL, 0), 0);
	turn();
	t.ext = (void *)(ram + MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	t.ext->client_generation = 1;
	t.ext->client_incarnation = 7;
	t.ext->client_state = MULLION_CLIENT_ATTACHING;
	__atomic_store_n(mullion_ext_u64(t.ext, client_epoch), 1, __ATOMIC_RELEASE);
	turn();
	assert_int_equal(t.resets, 1);
	assert_int_equal(t.attached, 2);
	assert_false(mullion_cp_control_plain(t.control));
	assert_int_equal(t.ext->server_epoch, 1);
	assert_int_equal(ram_queue(CONTROLVM_QUEUE_EVENT)->head, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_format, setup, teardown),
		cmocka_unit_test_setup_teardown(test_commands, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_with_payload, setup, teardown),
		cmocka_unit_test_setup_teardown(test_payload_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(test_late_answers, setup, teardown),
		cmocka_unit_test_setup_teardown(test_reset, setup, teardown),
		cmocka_unit_test_setup_teardown(test_goodbye, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_index, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_features_and_epoch, setup, teardown),
		cmocka_unit_test_setup_teardown(test_attach_storm, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hostile_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(test_random_window, setup, teardown),
		cmocka_unit_test_setup_teardown(test_placed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_wiped, setup, teardown),
		cmocka_unit_test_setup_teardown(test_placed_client, setup, teardown),
		cmocka_unit_test(test_status_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
