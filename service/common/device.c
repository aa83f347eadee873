// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/device.c - the life of a device in its service
 *
 * DOC: Theory of Operation
 *
 * DEVICE_CREATE makes one: its channel is found in its bus's window or RAM, its
 * record in the state area, its descriptors among those that came before; the
 * class starts it; then the channel is announced (attach.c) and its client can
 * come.  A start may take its time, waiting for a predecessor's I/O: the command
 * is answered when it has ended, and the state area says FENCING until then.
 *
 * With ADOPT the channel and the record are a predecessor's, and nothing is
 * formatted until the client has drained and raised its epoch.  A client that
 * has no epochs (plain.c) is gone on with where the record says: a device that
 * was paused stays so.
 *
 * Without ADOPT the channel is zeroed first.  In guest RAM all of it, because
 * that held something else; in a window up to the slots, which are written
 * before they are read.
 *
 * DEVICE_DESTROY waits for quiet (service_device_destroy(), then
 * service_attach_settle()), tells a client that is still there, and frees the
 * record.
 *
 * Limits: MULLION_STATE_CHANNELS_MAX devices; DEVICE_FDS_MAX descriptors each.
 *
 * Failure behaviour: a device that does not start is forgotten, with its record
 * unless that is a predecessor's: the next try may adopt it.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

#define DEVICE_FDS_MAX MULLION_FD_BATCH

void *mullion_device_private(struct mullion_device *device)
{
	return device->class;
}

const char *mullion_device_name(const struct mullion_device *device)
{
	return device->name;
}

struct mullion_state_channel *
mullion_device_channel_state(struct mullion_device *device)
{
	return device->records.state;
}

bool mullion_device_polled(const struct mullion_device *device)
{
	return !device->bus->send.count;
}

bool mullion_device_plain(const struct mullion_device *device)
{
	return device->plain;
}

struct mullion_queue *mullion_device_queues(struct mullion_device *device)
{
	return device->queues;
}

const struct mullion_memory *mullion_device_memory(const struct mullion_device *device)
{
	return &device->bus->memory;
}

uint64_t mullion_device_epoch(const struct mullion_device *device)
{
	return device->epoch;
}

uint64_t mullion_device_features(const struct mullion_device *device)
{
	return device->features;
}

struct mullion_device *service_device_find(uint32_t bus_no, uint32_t dev_no)
{
	struct mullion_device *device;

	for (device = service.devices; device; device = device->next) {
		if (device->bus->bus_no == bus_no && device->dev_no == dev_no)
			return device;
	}
	return NULL;
}

static void device_set_name(struct mullion_device *device)
{
	const __u8 *b = device->uuid.b;

	snprintf(device->name, sizeof(device->name),
		 "%u:%u/%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-"
		 "%02x%02x%02x%02x%02x%02x", device->bus->bus_no, device->dev_no,
		 b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

static uint32_t device_vector(uint64_t vector, const struct service_bus *bus)
{
	uint32_t count = bus->window.vectors;

	if (count < 2 || !vector)
		return 0;
	return (uint32_t)((vector - 1) % (count - 1)) + 1;
}

/* The descriptors of a message, by index; those missing are -1. */
static void device_take_fds(uint64_t handle, int *fds, int *fences)
{
	for (uint32_t i = 0; i < DEVICE_FDS_MAX; i++) {
		fds[i] = service_fd_take(handle, MULLION_FD_STORE, i);
		fences[i] = service_fd_take(handle, MULLION_FD_STORE_FENCE, i);
	}
}

static void device_close_fds(int *fds, int *fences)
{
	for (uint32_t i = 0; i < DEVICE_FDS_MAX; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		if (fences[i] >= 0)
			close(fences[i]);
	}
}

static void device_free(struct mullion_device *device)
{
	struct mullion_device **link = &service.devices;

	while (*link && *link != device)
		link = &(*link)->next;
	if (*link)
		*link = device->next;
	device->bus->devices--;
	if (service_has_requests()) {
		service_request_done(device);
		service_record_done(device);
	}
	free(device);
}

static int device_find_record(struct mullion_device *device, bool adopt)
{
	struct mullion_state_channel *state;
	bool found = false;

	state = mullion_state_channel_get(&device->uuid, &found);
	if (!state)
		return -ENOSPC;
	if (adopt && !found) {
		mullion_state_channel_put(state);
		return -ENOENT;
	}
	if (!adopt && found) {
		memset(state, 0, sizeof(*state));
		state->device = device->uuid;
	}
	state->type = service.class->type;
	state->bus_no = device->bus->bus_no;
	state->dev_no = device->dev_no;
	state->outstanding = 0;
	device->records.state = state;
	device->epoch = state->client_epoch;
	device->incarnation = state->client_incarnation;
	device->plain = device->bus->ram && !device->epoch;
	device->records.answers = state->answered;
	device->paused = device->plain && adopt && state->status == MULLION_CHANNEL_PAUSED;
	return service_has_requests() ? service_record_init(device, adopt) : 0;
}

/* Fencing for as long as a device waits for a predecessor's I/O. */
static void device_show_state(void)
{
	uint32_t state = MULLION_SERVICE_SERVING;
	const struct mullion_device *device;

	for (device = service.devices; device; device = device->next) {
		if (device->starting && device->adopted)
			state = MULLION_SERVICE_FENCING;
	}
	mullion_state_set(state);
}

/* It did not start.  What a predecessor left stays for the next try. */
static void device_abandon(struct mullion_device *device)
{
	struct mullion_state_channel *state =
		device->adopted ? NULL : device->records.state;

	device_free(device);
	if (state)
		mullion_state_channel_put(state);
	device_show_state();
}

/* The class has started it: from now on the client can attach. */
static void device_begin(struct mullion_device *device)
{
	device->starting = false;
	device_show_state();
	service_attach_write_channel(device);
	service_attach_announce(device);
	if (device->plain)
		service_plain_begin(device);
	mullion_log(LOG_INFO, device->name, "serving, generation %llu",
		    (unsigned long long)device->generation);
}

static struct mullion_device *
device_new(struct service_bus *bus, const struct controlvm_packet_create_device *create,
	   void *channel, uint64_t generation)
{
	size_t bytes = sizeof(struct mullion_device) + service.class->device_bytes;
	struct mullion_device *device;

	device = aligned_alloc(64, (bytes + 63) & ~(size_t)63);
	if (!device)
		return NULL;
	memset(device, 0, bytes);
	device->bus = bus;
	device->dev_no = create->dev_no;
	device->uuid = create->dev_inst_guid;
	device->channel = channel;
	device->channel_bytes = create->channel_bytes;
	device->ext = (void *)(device->channel + MULLION_CHANNEL_EXT_OFFSET_IO);
	for (uint32_t i = 0; i < service.class->queue_pairs; i++)
		device->queues[i].vector =
			device_vector(create->intr.reserved1 + i, bus);
	device->generation = generation;
	bus->devices++;
	device_set_name(device);
	return device;
}

int service_device_create(const struct controlvm_message *command,
			  const struct mullion_server_config *config,
			  const void *class_part)
{
	const struct controlvm_packet_create_device *create =
		&command->cmd.create_device;
	struct service_bus *bus = service_bus_find(create->bus_no);
	bool adopt = config->flags & MULLION_SERVER_ADOPT;
	int fds[DEVICE_FDS_MAX], fences[DEVICE_FDS_MAX];
	struct mullion_device *device;
	void *channel;
	int ret;

	if (!bus)
		return -ENODEV;
	if (service_device_find(create->bus_no, create->dev_no))
		return -EEXIST;
	if (create->dev_no == CONTROLVM_DEV_NO_BUS ||
	    memcmp(&create->data_type_guid, &service.class->type, sizeof(guid_t)))
		return -EINVAL;
	if (create->channel_bytes < service_attach_channel_bytes(service.class))
		return -EMSGSIZE;
	ret = service_bus_channel(bus, create->channel_addr, create->channel_bytes,
				  &channel);
	if (ret < 0)
		return ret;
	device = device_new(bus, create, channel, config->generation);
	if (!device)
		return -ENOMEM;
	device->adopted = adopt;
	device->rewind = adopt && (config->flags & MULLION_SERVER_REWIND);
	ret = device_find_record(device, adopt);
	if (ret < 0)
		goto abandon;
	if (service_has_requests()) {
		ret = service_request_init(device);
		if (ret < 0)
			goto abandon;
	}
	/* Guest RAM holds anything; a window's slots are written before they are read. */
	if (!adopt)
		memset(device->channel, 0, bus->window.base ?
		       service_attach_slots_offset(service.class, 0) :
		       create->channel_bytes);
	device->next = service.devices;
	service.devices = device;
	device->starting = true;
	device->start_command = *command;
	device_take_fds(command->hdr.message_handle, fds, fences);
	device_show_state();
	ret = service.class->start(device, class_part, config->class_bytes, fds,
				   fences, DEVICE_FDS_MAX, adopt);
	device_close_fds(fds, fences);
	if (ret == -EINPROGRESS)
		return ret;
	if (ret < 0)
		goto abandon;
	device_begin(device);
	return 0;

abandon:
	device_abandon(device);
	return ret;
}

void mullion_device_started(struct mullion_device *device, int error)
{
	device->started = true;
	device->start_error = error;
}

void service_device_start_ended(struct mullion_device *device)
{
	struct controlvm_message command = device->start_command;
	int error = device->start_error;

	device->started = false;
	if (error < 0) {
		mullion_log(LOG_ERR, device->name, "cannot start: %s", strerror(-error));
		device_abandon(device);
	} else {
		device_begin(device);
	}
	mullion_control_client_respond(service.control, &command, error, NULL);
}

int service_device_reconfigure(struct mullion_device *device, uint64_t handle,
			       const void *class_part, size_t bytes)
{
	int fds[DEVICE_FDS_MAX], fences[DEVICE_FDS_MAX];
	int ret;

	if (device->starting)
		return -EBUSY;
	device_take_fds(handle, fds, fences);
	ret = service.class->reconfigure(device, class_part, bytes, fds, fences,
					 DEVICE_FDS_MAX);
	device_close_fds(fds, fences);
	if (!ret)
		mullion_device_refresh(device);
	return ret;
}

int service_configure(uint64_t handle, const void *class_part, size_t bytes)
{
	int fds[DEVICE_FDS_MAX], fences[DEVICE_FDS_MAX];
	int ret;

	if (!service.class->configure)
		return -EOPNOTSUPP;
	device_take_fds(handle, fds, fences);
	ret = service.class->configure(class_part, bytes, fds, DEVICE_FDS_MAX);
	device_close_fds(fds, fences);
	return ret;
}

void service_device_destroy(struct mullion_device *device,
			    const struct controlvm_message *command)
{
	device->wanted.destroy = true;
	device->wanted.any = true;
	device->wanted.destroy_command = *command;
	service_attach_quiesce(device);
}

void service_device_end(struct mullion_device *device)
{
	struct controlvm_message command = device->wanted.destroy_command;
	struct mullion_state_channel *state = device->records.state;

	/* A client that is still there must not wait for us for ever. */
	mullion_store_relaxed(mullion_ext_u32(device->ext, server_state),
			      MULLION_CHANNEL_STOPPED);
	if (device->bus->send.count)
		mullion_doorbell_ring(device->bus->send.fds[device->queues[0].vector]);
	service.class->stop(device);
	mullion_log(LOG_INFO, device->name, "destroyed");
	device_free(device);
	mullion_state_channel_put(state);
	mullion_control_client_respond(service.control, &command, 0, NULL);
}
