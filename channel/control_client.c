// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/control_client.c - the client end of a control channel
 *
 * DOC: Theory of Operation
 *
 * Commands come on EVENT, are acknowledged on ACK and answered on REQUEST;
 * RESPONSE is drained (s-Par channel ABI, section 5).  A command is taken only
 * when its acknowledgement has room, so none is ever dropped.  Its payload is
 * copied before the acknowledgement, which is what gives the payload area back
 * to the sender.
 *
 * Commands that were taken and not answered are kept in a table by handle.  An
 * answer finds its entry or is dropped: this is what makes answers exactly-once
 * and silences those to commands of an earlier epoch.
 *
 * The channel is shared memory like any other: indices and payload ranges are
 * checked although the command partition is trusted with more than this.
 *
 * Limits: CONTROL_OUTSTANDING unanswered commands; more wait in the ring.
 * Failure behaviour: a broken index ends the channel (-EPROTO for ever).  A
 * change of the server's generation starts the attach again.
 */
#include "control_client.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "attach.h"
#include "doorbell.h"
#include "signal_queue.h"

#define CONTROL_OUTSTANDING	256
/* Messages per poll, so that a busy channel does not starve devices. */
#define CONTROL_BURST		64

struct control_taken {
	uint64_t handle;
	uint32_t id;
	bool used;
};

struct mullion_control_client {
	uint8_t *area;
	uint64_t area_bytes;
	uint64_t channel_bytes;
	uint64_t ch_space_offset;
	int send_fd;
	mullion_control_command_fn command;
	mullion_control_reset_fn reset;
	void *arg;

	struct mullion_attach attach;
	struct mullion_sq queue[CONTROLVM_QUEUES];
	int broken;

	struct control_taken taken[CONTROL_OUTSTANDING];
	unsigned int taken_count;
	struct controlvm_message late[CONTROL_OUTSTANDING];	/* REQUEST was full */
	unsigned int late_first;
	unsigned int late_count;
	uint8_t *payload;
	uint64_t rescues;
};

#define CONTROL_FEATURES MULLION_EXTF_EVENT_INDEX

static void control_raise(struct mullion_control_client *client)
{
	mullion_attach_raise(&client->attach, CONTROL_FEATURES,
			     MULLION_CLIENT_ATTACHING);
	mullion_doorbell_ring(client->send_fd);
}

int mullion_control_client_new(struct mullion_control_client **ret, void *area,
			       uint64_t bytes, int send_fd,
			       mullion_control_command_fn command,
			       mullion_control_reset_fn reset, void *arg)
{
	static const guid_t type = VISOR_CONTROLVM_CHANNEL_GUID;
	struct mullion_control_client *client;
	struct channel_header header;
	int error;

	if (bytes < MULLION_CONTROL_AREA_BYTES)
		return -EINVAL;
	memcpy(&header, area, sizeof(header));
	__asm__ volatile("" ::: "memory");
	if (header.signature != VISOR_CHANNEL_SIGNATURE ||
	    memcmp(&header.chtype, &type, sizeof(type)) ||
	    header.version_id != VISOR_CONTROLVM_CHANNEL_VERSION ||
	    !(header.features & MULLION_CHF_EXT))
		return -EPROTO;
	if (header.size < MULLION_CHANNEL_EXT_OFFSET_CONTROL +
			  MULLION_CHANNEL_EXT_BYTES || header.size > bytes)
		return -EINVAL;

	client = calloc(1, sizeof(*client));
	if (!client)
		return -ENOMEM;
	client->payload = malloc(CONTROLVM_PAYLOAD_MAX);
	if (!client->payload) {
		free(client);
		return -ENOMEM;
	}
	client->area = area;
	client->area_bytes = bytes;
	client->channel_bytes = header.size;
	client->ch_space_offset = header.ch_space_offset;
	client->send_fd = send_fd;
	client->command = command;
	client->reset = reset;
	client->arg = arg;
	error = mullion_attach_init(&client->attach, client->area +
				    MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	if (error < 0) {
		free(client->payload);
		free(client);
		return error;
	}
	control_raise(client);
	*ret = client;
	return 0;
}

void mullion_control_client_free(struct mullion_control_client *client)
{
	if (!client)
		return;
	mullion_attach_raise(&client->attach, 0, MULLION_CLIENT_DETACHED);
	mullion_doorbell_ring(client->send_fd);
	free(client->payload);
	free(client);
}

/* The server has emptied the rings: take fresh views, forget what was. */
static int control_begin(struct mullion_control_client *client)
{
	int event_index = !!(client->attach.features & MULLION_EXTF_EVENT_INDEX);

	if (client->ch_space_offset > client->channel_bytes)
		return -EPROTO;
	for (unsigned int i = 0; i < CONTROLVM_QUEUES; i++) {
		uint64_t offset = client->ch_space_offset +
				  i * sizeof(struct signal_queue_header);
		int ret;

		ret = mullion_sq_attach(&client->queue[i], client->area,
					client->channel_bytes, offset,
					CONTROLVM_MESSAGE_BYTES, event_index);
		if (ret < 0)
			return ret;
	}
	/*
	 * For the queues that we fill the indices are 0 now; in those that the
	 * server fills there may already be something, from slot 0 on.
	 */
	for (unsigned int i = 0; i < CONTROLVM_QUEUES; i++)
		mullion_sq_reset(&client->queue[i], event_index);
	memset(client->taken, 0, sizeof(client->taken));
	client->taken_count = 0;
	client->late_first = 0;
	client->late_count = 0;
	if (client->reset)
		client->reset(client->arg);
	return 0;
}

/* Return: 1 if attached, 0 if not yet, -EPROTO. */
static int control_follow(struct mullion_control_client *client)
{
	bool before = client->attach.confirmed;
	int ret;

	if (before && !mullion_attach_is_stale(&client->attach))
		return 1;
	if (before) {
		control_raise(client);
		return 0;
	}
	ret = mullion_attach_poll(&client->attach);
	if (ret == -ESTALE)
		control_raise(client);
	if (ret == -EPIPE)
		return -EPROTO;
	if (ret < 0)
		return 0;
	ret = control_begin(client);
	return ret < 0 ? -EPROTO : 1;
}

static int control_insert(struct mullion_control_client *client, unsigned int queue,
			  const struct controlvm_message *message)
{
	void *slot;
	int ret;

	ret = mullion_sq_produce(&client->queue[queue], &slot);
	if (ret < 0)
		return ret;
	memcpy(slot, message, sizeof(*message));
	if (mullion_sq_publish(&client->queue[queue]))
		mullion_doorbell_ring(client->send_fd);
	return 0;
}

static void control_release(struct mullion_control_client *client, unsigned int queue)
{
	if (mullion_sq_release(&client->queue[queue]))
		mullion_doorbell_ring(client->send_fd);
}

/* RESPONSE carries nothing that means anything. */
static int control_discard(struct mullion_control_client *client)
{
	const void *slot;
	int ret = 0;

	for (int i = 0; i < CONTROL_BURST && !ret; i++)
		ret = mullion_sq_consume(&client->queue[CONTROLVM_QUEUE_RESPONSE],
					 &slot);
	control_release(client, CONTROLVM_QUEUE_RESPONSE);
	return ret == -EPROTO ? ret : 0;
}

static int control_send_late(struct mullion_control_client *client)
{
	while (client->late_count) {
		int ret = control_insert(client, CONTROLVM_QUEUE_REQUEST,
					 &client->late[client->late_first]);

		if (ret == -EAGAIN)
			return 0;
		if (ret < 0)
			return ret;
		client->late_first = (client->late_first + 1) % CONTROL_OUTSTANDING;
		client->late_count--;
	}
	return 0;
}

/* Return: bytes copied, 0 if there is no payload that can be read. */
static uint32_t control_copy_payload(struct mullion_control_client *client,
				     const struct controlvm_message *command)
{
	uint32_t bytes = command->hdr.payload_bytes;

	if (bytes > CONTROLVM_PAYLOAD_MAX ||
	    !mullion_range_ok(command->hdr.payload_vm_offset, bytes,
			      client->area_bytes))
		return 0;
	memcpy(client->payload, client->area + command->hdr.payload_vm_offset,
	       bytes);
	__asm__ volatile("" ::: "memory");
	return bytes;
}

static void control_take(struct mullion_control_client *client,
			 const struct controlvm_message *command)
{
	for (unsigned int i = 0; i < CONTROL_OUTSTANDING; i++) {
		struct control_taken *taken = &client->taken[i];

		if (taken->used)
			continue;
		taken->used = true;
		taken->handle = command->hdr.message_handle;
		taken->id = command->hdr.id;
		client->taken_count++;
		return;
	}
}

static bool control_untake(struct mullion_control_client *client,
			   const struct controlvm_message *command)
{
	for (unsigned int i = 0; i < CONTROL_OUTSTANDING; i++) {
		struct control_taken *taken = &client->taken[i];

		if (!taken->used || taken->id != command->hdr.id ||
		    taken->handle != command->hdr.message_handle)
			continue;
		taken->used = false;
		client->taken_count--;
		return true;
	}
	return false;
}

/* No command is taken whose answer might not find a place. */
static bool control_is_full(const struct mullion_control_client *client)
{
	return client->taken_count + client->late_count >= CONTROL_OUTSTANDING;
}

/* Return: 1 for a command executed, 0 for none, -EPROTO. */
static int control_next(struct mullion_control_client *client)
{
	struct controlvm_message command, ack;
	const void *slot;
	uint32_t bytes;
	int ret;

	if (control_is_full(client))
		return 0;
	ret = mullion_sq_space(&client->queue[CONTROLVM_QUEUE_ACK]);
	if (ret <= 0)
		return ret;
	ret = mullion_sq_consume(&client->queue[CONTROLVM_QUEUE_EVENT], &slot);
	if (ret < 0)
		return ret == -EAGAIN ? 0 : ret;
	memcpy(&command, slot, sizeof(command));
	__asm__ volatile("" ::: "memory");
	if (command.hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_TEST_MESSAGE) {
		control_release(client, CONTROLVM_QUEUE_EVENT);
		return 0;
	}
	bytes = control_copy_payload(client, &command);
	control_take(client, &command);

	memset(&ack, 0, sizeof(ack));
	ack.hdr = command.hdr;
	ack.hdr.payload_vm_offset = 0;
	ack.hdr.payload_max_bytes = 0;
	ack.hdr.payload_bytes = 0;
	ret = control_insert(client, CONTROLVM_QUEUE_ACK, &ack);
	if (ret < 0)
		return ret;
	control_release(client, CONTROLVM_QUEUE_EVENT);
	client->command(client->arg, &command, bytes ? client->payload : NULL, bytes);
	return 1;
}

int mullion_control_client_poll(struct mullion_control_client *client, bool slow)
{
	int done = 0;
	int ret;

	if (client->broken)
		return client->broken;
	ret = control_follow(client);
	if (ret <= 0)
		goto out;
	ret = control_discard(client);
	if (ret < 0)
		goto out;
	ret = control_send_late(client);
	if (ret < 0)
		goto out;
	while (done < CONTROL_BURST) {
		ret = control_next(client);
		if (ret <= 0)
			break;
		done++;
	}
	if (slow)
		client->rescues += (uint64_t)done;
out:
	if (ret < 0) {
		client->broken = -EPROTO;
		return -EPROTO;
	}
	return done;
}

int mullion_control_client_arm(struct mullion_control_client *client)
{
	if (client->broken)
		return 0;
	if (mullion_attach_is_stale(&client->attach))
		return 1;
	/* The server always rings after a confirmation. */
	if (!client->attach.confirmed)
		return 0;
	if (mullion_sq_consumer_arm(&client->queue[CONTROLVM_QUEUE_RESPONSE]) > 0)
		return 1;
	if (client->late_count &&
	    mullion_sq_producer_arm(&client->queue[CONTROLVM_QUEUE_REQUEST]) > 0)
		return 1;
	if (control_is_full(client))
		return 0;
	if (!mullion_sq_space(&client->queue[CONTROLVM_QUEUE_ACK]))
		return mullion_sq_producer_arm(
				&client->queue[CONTROLVM_QUEUE_ACK]) > 0;
	return mullion_sq_consumer_arm(&client->queue[CONTROLVM_QUEUE_EVENT]) > 0;
}

void mullion_control_client_respond(struct mullion_control_client *client,
				    const struct controlvm_message *command,
				    int error,
				    const union controlvm_packet *packet)
{
	struct controlvm_message response;
	int ret;

	if (client->broken || !client->attach.confirmed ||
	    !control_untake(client, command))
		return;
	if (!(command->hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED))
		return;
	memset(&response, 0, sizeof(response));
	response.hdr = command->hdr;
	response.hdr.payload_vm_offset = 0;
	response.hdr.payload_max_bytes = 0;
	response.hdr.payload_bytes = 0;
	if (error < 0) {
		response.hdr.flags |= CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED;
		response.hdr.completion_status = (uint32_t)-error;
	} else if (packet) {
		response.cmd = *packet;
	}
	ret = client->late_count ? -EAGAIN :
	      control_insert(client, CONTROLVM_QUEUE_REQUEST, &response);
	if (ret == -EPROTO)
		client->broken = -EPROTO;
	if (ret != -EAGAIN)
		return;
	/* Cannot overflow: see control_is_full(). */
	client->late[(client->late_first + client->late_count) %
		     CONTROL_OUTSTANDING] = response;
	client->late_count++;
}

bool mullion_control_client_is_attached(const struct mullion_control_client *client)
{
	return !client->broken && client->attach.confirmed;
}

uint64_t mullion_control_client_rescues(const struct mullion_control_client *client)
{
	return client->rescues;
}
