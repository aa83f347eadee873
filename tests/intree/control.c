// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/control.c - the control channel, polled as visorchipset does
 *
 * DOC: Theory of Operation
 *
 * One thread is the guest's work item: it drains RESPONSE, executes what is on
 * EVENT, one command after the other, acknowledging each before it is executed
 * and answering it afterwards, and sleeps one tick, or a hundred when nothing
 * has come for ten seconds (s-Par channel ABI, 5.4).
 *
 * Where the driver would hang, oops or run wild, this one reports the rule that
 * was broken and stays sane, so that one run finds everything.
 */
#include "guest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CONTROL_IDLE_MS		10000
#define CONTROL_IDLE_TICKS	100
#define CONTROL_INIT_PAUSE_MS	500
#define CONTROL_HANDLES		64

static struct channel control_channel;
static struct bus_crash control_crash;
static bool control_initialised;
static uint64_t control_init_ms;	/* when CHIPSET_INIT was answered */
static bool control_first_bus;
static bool control_stopping;
static pthread_t control_thread;
static bool control_stuck;		/* by a payload that is never accepted */
static unsigned int control_responses;	/* seen on RESPONSE */
static uint64_t control_handles[CONTROL_HANDLES];
static unsigned int control_handle_count;

/* ---- answers ------------------------------------------------------------- */

static void control_clear_payload(struct controlvm_message_header *header)
{
	header->payload_vm_offset = 0;
	header->payload_max_bytes = 0;
	header->payload_bytes = 0;
}

static bool control_acknowledge(const struct controlvm_message *command)
{
	struct controlvm_message ack = { .hdr = command->hdr };

	control_clear_payload(&ack.hdr);
	return check(CHECK_ACK_DRAINED,
		     !channel_insert(&control_channel, CONTROLVM_QUEUE_ACK, &ack, sizeof(ack)),
		     "ACK is full: command 0x%x is dropped", command->hdr.id);
}

static void control_send(const struct controlvm_message *command, int result,
			 const union controlvm_packet *packet)
{
	struct controlvm_message answer = { .hdr = command->hdr };

	control_clear_payload(&answer.hdr);
	if (packet)
		answer.cmd = *packet;
	if (result < 0) {
		answer.hdr.flags |= CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED;
		answer.hdr.completion_status = (uint32_t)-result;
	}
	check(CHECK_ACK_DRAINED,
	      !channel_insert(&control_channel, CONTROLVM_QUEUE_REQUEST, &answer,
			      sizeof(answer)),
	      "REQUEST is full: the answer to 0x%x is lost", command->hdr.id);
}

static void control_respond(const struct controlvm_message *command, int result,
			    const union controlvm_packet *packet)
{
	if (command->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED)
		control_send(command, result, packet);
}

/* ---- commands ------------------------------------------------------------ */

static void control_check_command(const struct controlvm_message *command)
{
	const struct controlvm_message_header *header = &command->hdr;
	bool unique = true;

	check(CHECK_COMMAND_CLEAN, !header->completion_status &&
	      !(header->flags & CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED),
	      "command 0x%x has status %u, flags 0x%x", header->id,
	      header->completion_status, header->flags);
	if (!(header->flags & CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED))
		return;
	for (unsigned int i = 0; i < control_handle_count && i < CONTROL_HANDLES; i++)
		unique = unique && control_handles[i] != header->message_handle;
	check(CHECK_HANDLE_UNIQUE, unique, "handle %llu again",
	      (unsigned long long)header->message_handle);
	control_handles[control_handle_count++ % CONTROL_HANDLES] = header->message_handle;
}

/* Return: the payload, to be freed; NULL if there is none or it cannot be mapped. */
static uint8_t *control_payload(const struct controlvm_message *command)
{
	uint64_t gpa = control_channel.gpa + command->hdr.payload_vm_offset;
	uint32_t bytes = command->hdr.payload_bytes;
	uint8_t *copy;

	if (!bytes)
		return NULL;
	if (!check(CHECK_PAYLOAD, bytes >= sizeof(struct visor_controlvm_parameters_header) &&
		   ram_is_reserved(gpa, bytes), "command 0x%x: %u bytes at 0x%llx",
		   command->hdr.id, bytes, (unsigned long long)gpa))
		return NULL;
	copy = malloc(bytes);
	if (copy)
		memcpy(copy, ram_at(gpa, bytes), bytes);
	return copy;
}

static void control_chipset_init(const struct controlvm_message *command)
{
	union controlvm_packet packet = { 0 };

	if (control_initialised) {
		/* A back-end may ask so whether this is still the same boot. */
		control_respond(command, -CONTROLVM_RESP_ALREADY_DONE, &packet);
		event("chipset initialised already");
		return;
	}
	control_initialised = true;
	packet.init_chipset.features = VISOR_CHIPSET_FEATURE_REPLY |
		(command->cmd.init_chipset.features & VISOR_CHIPSET_FEATURE_PARA_HOTPLUG);
	control_respond(command, 0, &packet);
	control_init_ms = guest_ms();
	event("chipset initialised");
}

/* User space's part of parahotplug: it agrees at once. */
static void control_parahotplug(const struct controlvm_message *command)
{
	union controlvm_packet packet = { 0 };
	bool enable = command->cmd.device_change_state.state & VISOR_SEGMENT_STATE_ACTIVE;

	packet.device_change_state.state = enable ? VISOR_SEGMENT_STATE_ACTIVE : 0;
	packet.device_change_state.flags.word =
		CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE;
	if (enable)
		control_send(command, 0, &packet);
	else
		control_respond(command, 0, &packet);
}

static void control_change_state(const struct controlvm_message *command)
{
	union controlvm_packet packet = { 0 };
	int result;

	if (command->cmd.device_change_state.flags.word &
	    CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE) {
		control_parahotplug(command);
		return;
	}
	result = bus_device_changestate(command, &packet);
	if (result != BUS_SILENT)
		control_respond(command, result, &packet);
}

static void control_bus_create(const struct controlvm_message *command)
{
	uint64_t since = guest_ms() - control_init_ms;
	int result;

	if (!control_first_bus) {
		control_first_bus = true;
		check(CHECK_INIT_PAUSE, control_initialised && since >= CONTROL_INIT_PAUSE_MS,
		      "the first BUS_CREATE came after %llu ms", (unsigned long long)since);
	}
	result = bus_create(command, &control_crash);
	check(CHECK_COMMAND_WORKS, !result, "BUS_CREATE %u: status %d",
	      command->cmd.create_bus.bus_no, -result);
	control_respond(command, result, NULL);
}

static void control_execute(const struct controlvm_message *command, const uint8_t *payload)
{
	int result;

	switch (command->hdr.id) {
	case CONTROLVM_CHIPSET_INIT:
		control_chipset_init(command);
		break;
	case CONTROLVM_BUS_CREATE:
		control_bus_create(command);
		break;
	case CONTROLVM_BUS_CONFIGURE:
		control_respond(command, bus_configure(command, payload,
						       command->hdr.payload_bytes), NULL);
		break;
	case CONTROLVM_BUS_DESTROY:
		result = bus_destroy(command);
		check(CHECK_COMMAND_WORKS, !result, "BUS_DESTROY: status %d", -result);
		control_respond(command, result, NULL);
		break;
	case CONTROLVM_DEVICE_CREATE:
		result = bus_device_create(command, &control_crash);
		check(CHECK_COMMAND_WORKS, !result, "DEVICE_CREATE %u:%u: status %d",
		      command->cmd.create_device.bus_no, command->cmd.create_device.dev_no,
		      -result);
		control_respond(command, result, NULL);
		break;
	case CONTROLVM_DEVICE_CHANGESTATE:
		control_change_state(command);
		break;
	case CONTROLVM_DEVICE_DESTROY:
		result = bus_device_destroy(command, control_respond);
		check(CHECK_COMMAND_WORKS, !result, "DEVICE_DESTROY: status %d", -result);
		if (result)
			control_respond(command, result, NULL);
		break;
	case CONTROLVM_DEVICE_CONFIGURE:
	case CONTROLVM_CHIPSET_STOP:
	case CONTROLVM_CHIPSET_SELFTEST:
		control_respond(command, 0, NULL);
		break;
	case CONTROLVM_CHIPSET_READY:
		control_respond(command, 0, NULL);
		pthread_mutex_lock(&guest_lock);
		guest_ready = true;
		pthread_mutex_unlock(&guest_lock);
		event("chipset ready");
		break;
	default:
		check(CHECK_COMMAND_KNOWN, false, "command 0x%x", command->hdr.id);
		control_respond(command, -CONTROLVM_RESP_ID_UNKNOWN, NULL);
		break;
	}
}

/* Return: false if no more of this poll is to be done. */
static bool control_handle(const struct controlvm_message *command)
{
	uint8_t *payload;

	control_check_command(command);
	if (command->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_TEST_MESSAGE)
		return false;
	if (!check(CHECK_PAYLOAD, command->hdr.payload_bytes <= CONTROLVM_PAYLOAD_MAX,
		   "%u bytes wedge the control channel for good", command->hdr.payload_bytes)) {
		control_stuck = true;
		return false;
	}
	payload = control_payload(command);
	if (control_acknowledge(command)) {
		check(CHECK_COMMAND_KNOWN, true, "-");
		control_execute(command, payload);
	}
	free(payload);
	return true;
}

/* ---- poll ---------------------------------------------------------------- */

static bool control_drain_responses(void)
{
	struct controlvm_message message;

	for (unsigned int i = 0; i < CONTROLVM_MESSAGE_SLOTS; i++) {
		int ret = channel_remove(&control_channel, CONTROLVM_QUEUE_RESPONSE, &message,
					 sizeof(message));

		if (ret == -EAGAIN) {
			check(CHECK_RESPONSE_EMPTY, !control_responses,
			      "a message 0x%x on RESPONSE", message.hdr.id);
			control_responses = 0;
			return true;
		}
		if (ret < 0)
			return false;
		control_responses++;
	}
	return false;
}

static bool control_poll(void)
{
	struct controlvm_message command;
	bool any = false;

	if (!control_drain_responses() || control_stuck)
		return false;
	while (!channel_remove(&control_channel, CONTROLVM_QUEUE_EVENT, &command,
			       sizeof(command))) {
		any = true;
		if (!control_handle(&command))
			break;
	}
	channel_check_header(&control_channel);
	return any;
}

static void *control_main(void *arg)
{
	uint64_t last = guest_ms();

	(void)arg;
	while (!__atomic_load_n(&control_stopping, __ATOMIC_ACQUIRE)) {
		if (control_poll())
			last = guest_ms();
		guest_sleep_ticks(guest_ms() - last > CONTROL_IDLE_MS ? CONTROL_IDLE_TICKS : 1);
	}
	return NULL;
}

static bool control_signature(void *arg)
{
	const uint64_t *signature = arg;

	return __atomic_load_n(signature, __ATOMIC_ACQUIRE) != 0;
}

static void control_find_crash_area(void)
{
	const struct visor_controlvm_channel *fixed = (void *)control_channel.memory;
	uint64_t offset = fixed->saved_crash_message_offset;
	uint64_t bytes = CONTROLVM_CRASHMSG_MAX * sizeof(struct controlvm_message);

	control_crash.usable = check(CHECK_CRASH_AREA,
		fixed->saved_crash_message_count == CONTROLVM_CRASHMSG_MAX &&
		offset >= sizeof(struct channel_header) &&
		offset <= control_channel.header.size - bytes,
		"count %u, offset %u", fixed->saved_crash_message_count,
		fixed->saved_crash_message_offset);
	control_crash.slots = control_channel.memory + offset;
}

/* As they are fresh; or as a former boot left them. */
static int control_find_queues(bool again)
{
	if (again) {
		channel_restart(&control_channel, CONTROLVM_QUEUES,
				1U << CONTROLVM_QUEUE_REQUEST | 1U << CONTROLVM_QUEUE_ACK);
		return 0;
	}
	for (unsigned int i = 0; i < CONTROLVM_QUEUES; i++) {
		/* A waiting guest looks the moment that the signature is there. */
		if (i == CONTROLVM_QUEUE_EVENT && !channel_is_empty(&control_channel, i))
			continue;
		if (!channel_check_queue(&control_channel, i, sizeof(struct controlvm_message),
					 sizeof(struct controlvm_message)))
			return -EINVAL;
	}
	return 0;
}

int control_start(uint64_t gpa, bool again)
{
	int ret;

	if (!ram_is_reserved(gpa, sizeof(struct visor_controlvm_channel)))
		return -ERANGE;
	if (!guest_wait(control_signature, ram_at(gpa, sizeof(uint64_t))))
		return -ETIMEDOUT;
	ret = channel_claim(&control_channel, gpa, "controlvm");
	if (!ret)
		ret = channel_validate(&control_channel, VISOR_CONTROLVM_CHANNEL_GUID,
				       sizeof(struct visor_controlvm_channel),
				       VISOR_CONTROLVM_CHANNEL_VERSION);
	if (!ret)
		ret = control_find_queues(again);
	if (ret)
		return ret;
	control_find_crash_area();
	guest_sleep_ticks(1);
	event("control channel found");
	return -pthread_create(&control_thread, NULL, control_main, NULL);
}

void control_stop(void)
{
	__atomic_store_n(&control_stopping, true, __ATOMIC_RELEASE);
	pthread_join(control_thread, NULL);
}
