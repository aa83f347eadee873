// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_control.c - a guest's control channel into the command
 * partition
 *
 * Input is a list of operations of a hostile client: overwrite any bytes of the
 * command window, or of the channel in guest RAM, raise the epoch, put a message
 * into any ring, and of a command partition that sends commands meanwhile.  Every
 * command must end once.  After each input a well-behaved client comes, once the
 * constant parts of the channel are as they were (control_window.c), or memory was
 * wiped by a reset (control_ram.c), and must be heard.
 */
#include "control_place.h"
#include "input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define COMMANDS_MAX	64
#define ATTACHES_MAX	8	/* the daemon takes only so many in a second */
#define TURNS		8
#define QUEUES_OFFSET	offsetof(struct visor_controlvm_channel, request_queue)
#define QUEUE_BYTES	sizeof(struct signal_queue_header)

static struct mullion_cp_control *control;
static uint8_t *area;
static unsigned int attached, sent;
static unsigned int ended[COMMANDS_MAX];

/* ---- the command partition --------------------------------------------- */

static void on_attached(void *arg, bool fresh)
{
	(void)arg;
	(void)fresh;
	attached++;
}

static void on_detached(void *arg)
{
	(void)arg;
}

static void on_faulted(void *arg, uint32_t reason)
{
	(void)arg;
	REQUIRE(reason);
}

static const struct mullion_cp_control_ops ops = {
	.attached = on_attached,
	.detached = on_detached,
	.faulted = on_faulted,
};

static void on_ended(void *arg, int error, uint32_t status,
		     const struct controlvm_message *answer)
{
	unsigned int *count = arg;

	(void)status;
	REQUIRE(!(*count)++);
	REQUIRE(!answer == (error == -ECONNRESET));
}

static void op_send(struct input *in)
{
	static uint8_t payload[MULLION_CONTROL_PAYLOAD_BYTES];
	struct mullion_cp_command command = {
		.id = CONTROLVM_DEVICE_CREATE,
		.payload = payload,
		.payload_bytes = take(in, 2) * 4 % sizeof(payload),
		.answer = on_ended,
		.arg = &ended[sent],
	};

	if (sent < COMMANDS_MAX && !mullion_cp_control_send(control, &command))
		sent++;
}

/* ---- the client -------------------------------------------------------- */

static void op_raise(struct input *in)
{
	struct mullion_channel_ext *ext =
		(void *)(area + MULLION_CHANNEL_EXT_OFFSET_CONTROL);

	ext->client_incarnation = take(in, 1);
	ext->features_accepted = take(in, 1);
	ext->client_state = (uint32_t)take(in, 1) & 3;
	ext->client_generation = 1;
	ext->client_epoch += take(in, 1);
}

/* What a client with the right idea of the rings would do. */
static void op_message(struct input *in, unsigned int queue)
{
	struct controlvm_message message;
	struct mullion_sq q;
	void *slot = NULL;

	memset(&message, 0, sizeof(message));
	take_bytes(in, &message, take(in, 1) % sizeof(message));
	message.hdr.message_handle = take(in, 1);
	message.hdr.id = CONTROLVM_DEVICE_CREATE;
	if (mullion_sq_attach(&q, area, MULLION_CONTROL_CHANNEL_BYTES,
			      QUEUES_OFFSET + queue * QUEUE_BYTES,
			      CONTROLVM_MESSAGE_BYTES, 0) < 0)
		return;
	q.head = q.shared->head;
	q.published = q.head;
	q.tail = q.shared->tail;
	if (q.head >= q.max_slots || mullion_sq_produce(&q, &slot) < 0)
		return;
	memcpy(slot, &message, sizeof(message));
	mullion_sq_publish(&q);
}

/* Whatever happened, the next client is heard. */
static void served(void)
{
	struct mullion_cp_command command = {
		.id = CONTROLVM_CHIPSET_INIT,
		.answer = on_ended,
		.arg = &ended[0],
	};

	attached = 0;
	control_place_begin(control, area);
	REQUIRE(attached == 1);
	for (unsigned int i = 0; i < sent; i++)
		REQUIRE(ended[i] == 1);
	ended[0] = 0;
	REQUIRE(!mullion_cp_control_send(control, &command));
	control_place_hear(control, area);
	REQUIRE(ended[0] == 1);
	control_place_end();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	unsigned int raises = 0;

	memset(ended, 0, sizeof(ended));
	sent = 0;
	attached = 0;
	control = control_place_new(&ops, &area);
	while (in.size && attached < ATTACHES_MAX) {
		unsigned int op = (unsigned int)take(&in, 1) % 8;

		switch (op) {
		case 0:
			take_patch(&in, area + QUEUES_OFFSET, CONTROLVM_QUEUES * QUEUE_BYTES);
			break;
		case 1:
			take_patch(&in, area, MULLION_CONTROL_AREA_BYTES);
			break;
		case 2:
			if (raises++ < ATTACHES_MAX)
				op_raise(&in);
			break;
		case 3:
			op_send(&in);
			break;
		case 4:
			mullion_cp_control_turn(control);
			break;
		default:
			op_message(&in, op == 5 ? CONTROLVM_QUEUE_ACK :
				   op == 6 ? CONTROLVM_QUEUE_REQUEST :
				   CONTROLVM_QUEUE_RESPONSE);
			break;
		}
	}
	for (int i = 0; i < TURNS; i++)
		mullion_cp_control_turn(control);
	served();
	mullion_cp_control_free(control);
	return 0;
}
