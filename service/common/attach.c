// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/attach.c - the server's half of the attach handshake
 *
 * DOC: Theory of Operation
 *
 * Everything that interrupts a device goes the same way: nothing more is taken
 * from its ring, the class is asked to become quiet, and when it says so and
 * no request is unanswered, what was wanted is done: an epoch is confirmed, a
 * pause answered, the device destroyed (service_attach_settle(), from the loop
 * only, so that no class finds its device gone under its feet).
 *
 * Confirming (abi/mullion.md, "Attach") means: read what the client offers,
 * each field once; format the rings afresh, whatever the client had made of
 * them; take over the records of its incarnation or forget them; then store
 * the epoch with release and ring.
 *
 * Epoch and incarnation that count are the private copies and those in the
 * state area; the shared fields are only ever compared with them.
 *
 * Failure behaviour: a client that breaks the rules loses this channel: state
 * FAULTED, reason recorded, until it comes with a new incarnation.  What it
 * wrote over the constant parts of the channel is repaired at that moment, and
 * looked for once a second.
 */
#include <errno.h>
#include <string.h>

#include "service.h"

#define ATTACH_IO_ALIGN 512

#define ATTACH_EXT_CONSTANT offsetof(struct mullion_channel_ext, server_generation)

static uint64_t attach_align(uint64_t bytes)
{
	return (bytes + MULLION_IO_SLOTS_ALIGN - 1) / MULLION_IO_SLOTS_ALIGN *
	       MULLION_IO_SLOTS_ALIGN;
}

uint64_t service_attach_slots_offset(const struct mullion_class *class,
				     unsigned int queue)
{
	uint64_t ring = (uint64_t)class->queue_slots * VISOR_IO_SLOT_BYTES;
	uint64_t headers = MULLION_IO_CH_SPACE_OFFSET +
		2 * class->queue_pairs * sizeof(struct signal_queue_header);

	return attach_align(headers) + queue * attach_align(ring);
}

uint64_t service_attach_channel_bytes(const struct mullion_class *class)
{
	return service_attach_slots_offset(class, 2 * class->queue_pairs);
}

/* ---- the constant parts ------------------------------------------------- */

/* What this device's client may accept. */
static uint64_t attach_features(const struct mullion_device *device)
{
	return device->bus->ram ? service.class->features & ~MULLION_EXTF_WINDOW_ADDR :
	       service.class->features;
}

static void attach_ext_constant(const struct mullion_device *device,
				struct mullion_channel_ext *ext)
{
	memset(ext, 0, sizeof(*ext));
	ext->magic = MULLION_CHANNEL_EXT_MAGIC;
	ext->version = MULLION_CHANNEL_EXT_VERSION;
	ext->bytes = MULLION_CHANNEL_EXT_BYTES;
	ext->queue_pairs = service.class->queue_pairs;
	/* Data in guest RAM need no pool. */
	ext->pool_share = device->bus->ram ? 0 : service.class->pool_share;
	ext->max_outstanding = service.class->max_outstanding;
	ext->io_align = ATTACH_IO_ALIGN;
}

void service_attach_write_channel(struct mullion_device *device)
{
	struct visor_io_channel *fixed = &device->fixed;
	struct mullion_channel_ext ext;

	memset(fixed, 0, sizeof(*fixed));
	fixed->channel_header.signature = VISOR_CHANNEL_SIGNATURE;
	fixed->channel_header.header_size = sizeof(fixed->channel_header);
	fixed->channel_header.size = device->channel_bytes;
	fixed->channel_header.features = MULLION_CHF_EXT;
	fixed->channel_header.chtype = service.class->type;
	fixed->channel_header.ch_space_offset = MULLION_IO_CH_SPACE_OFFSET;
	fixed->channel_header.version_id = service.class->channel_version;
	fixed->channel_header.srv_state = VISOR_CHANNELSRV_READY;
	service.class->describe_channel(device, fixed);
	memcpy(device->channel, fixed, sizeof(*fixed));
	attach_ext_constant(device, &ext);
	memcpy(device->ext, &ext, ATTACH_EXT_CONSTANT);
}

void mullion_device_refresh(struct mullion_device *device)
{
	struct visor_io_channel *fixed = &device->fixed;

	if (device->starting)
		return;
	memset(&fixed->vnic, 0, sizeof(fixed->vnic));
	service.class->describe_channel(device, fixed);
	/* Of the header no more than at the start: clients write there. */
	memcpy(device->channel + offsetof(struct visor_io_channel, vnic),
	       &fixed->vnic, sizeof(fixed->vnic));
}

static bool attach_header_intact(const struct mullion_device *device)
{
	const struct channel_header *want = &device->fixed.channel_header;
	const struct visor_io_channel *fixed = &device->fixed;
	struct visor_io_channel have;
	struct mullion_channel_ext ext;

	/* Fields that s-Par's clients write are left out. */
	memcpy(&have, device->channel, offsetof(struct visor_io_channel, client_string));
	if (have.channel_header.signature != want->signature ||
	    have.channel_header.header_size != want->header_size ||
	    have.channel_header.size != want->size ||
	    memcmp(&have.channel_header.chtype, &want->chtype, sizeof(guid_t)) ||
	    have.channel_header.ch_space_offset != want->ch_space_offset ||
	    have.channel_header.version_id != want->version_id ||
	    memcmp(&have.vnic, &fixed->vnic, sizeof(have.vnic)))
		return false;
	attach_ext_constant(device, &ext);
	return !memcmp(device->ext, &ext, ATTACH_EXT_CONSTANT) &&
	       mullion_load_relaxed(mullion_ext_u64(device->ext, server_generation)) ==
		       device->generation &&
	       mullion_load_relaxed(mullion_ext_u64(device->ext, server_epoch)) ==
		       device->epoch &&
	       mullion_load_relaxed(mullion_ext_u64(device->ext, features_offered)) ==
		       attach_features(device);
}

/* ---- rings -------------------------------------------------------------- */

/* Geometry is ours: nothing of it is read back from the channel. */
static void attach_view_queue(struct mullion_device *device, struct mullion_sq *q,
			      unsigned int queue)
{
	uint64_t header = MULLION_IO_CH_SPACE_OFFSET +
			  queue * sizeof(struct signal_queue_header);

	q->shared = (struct signal_queue_header *)(void *)(device->channel + header);
	q->slots = device->channel + service_attach_slots_offset(service.class, queue);
	q->max_slots = service.class->queue_slots;
	q->slot_bytes = VISOR_IO_SLOT_BYTES;
	mullion_sq_reset(q, 0);
}

void service_attach_view_queues(struct mullion_device *device)
{
	for (unsigned int i = 0; i < service.class->queue_pairs; i++) {
		attach_view_queue(device, &device->queues[i].cmd, 2 * i);
		attach_view_queue(device, &device->queues[i].rsp, 2 * i + 1);
	}
}

static void attach_make_queue(struct mullion_device *device, struct mullion_sq *q,
			      unsigned int queue, int event_index)
{
	uint64_t header = MULLION_IO_CH_SPACE_OFFSET +
			  queue * sizeof(struct signal_queue_header);
	uint64_t slots = service_attach_slots_offset(service.class, queue);

	attach_view_queue(device, q, queue);
	mullion_sq_format(q->shared, slots - header, VISOR_IO_SLOT_BYTES,
			  service.class->queue_slots);
	mullion_sq_reset_shared(q);
	mullion_sq_reset(q, event_index);
}

void service_attach_make_queues(struct mullion_device *device, int event_index)
{
	for (unsigned int i = 0; i < service.class->queue_pairs; i++) {
		struct mullion_queue *queue = &device->queues[i];

		attach_make_queue(device, &queue->cmd, 2 * i, event_index);
		attach_make_queue(device, &queue->rsp, 2 * i + 1, event_index);
		/* Awake: the loop asks before it sleeps. */
		mullion_sq_consumer_disarm(&queue->cmd);
		mullion_sq_producer_disarm(&queue->rsp);
		queue->blocked = 0;
	}
}

/* ---- states ------------------------------------------------------------- */

static void attach_set_state(struct mullion_device *device, uint32_t state,
			     uint32_t reason)
{
	mullion_store_relaxed(mullion_ext_u32(device->ext, fault_reason), reason);
	mullion_store_relaxed(mullion_ext_u32(device->ext, server_state), state);
	device->records.state->status = state;
	device->records.state->fault_reason = reason;
}

/* What only the server writes, as it must be. */
static void attach_write_server(struct mullion_device *device)
{
	struct mullion_channel_ext *ext = device->ext;

	mullion_store_relaxed(mullion_ext_u64(ext, features_offered),
			      attach_features(device));
	mullion_store_relaxed(mullion_ext_u64(ext, server_epoch), device->epoch);
	/* pairs with the client's acquire of the generation when it raises */
	mullion_store_release(mullion_ext_u64(ext, server_generation),
			      device->generation);
}

void service_attach_announce(struct mullion_device *device)
{
	/*
	 * A successor believes its state area, and puts right what a client
	 * may have written meanwhile: no epoch but that one looks confirmed.
	 */
	attach_set_state(device, device->paused ? MULLION_CHANNEL_PAUSED :
			 MULLION_CHANNEL_SERVING, MULLION_FAULT_NONE);
	attach_write_server(device);
	device->bus->ring_event = true;
}

void service_attach_quiesce(struct mullion_device *device)
{
	device->serving = false;
	/* Whatever this is for, the client waits for nothing of before. */
	device->plain_adopt = false;
	if (device->quiescing || device->quiesced)
		return;
	device->quiescing = true;
	service.class->quiesce(device);
}

void mullion_device_quiesced(struct mullion_device *device)
{
	if (!device->quiescing)
		return;
	device->quiescing = false;
	device->quiesced = true;
}

/* What serves it again. */
static const char *attach_help(const struct mullion_device *device)
{
	if (device->fault_reason == MULLION_FAULT_MEMORY)
		return "its guest has to be started anew";
	return device->plain ? "pause and resume it" : "its guest can attach anew";
}

void service_attach_fault(struct mullion_device *device, uint32_t reason,
			  const char *what)
{
	struct mullion_channel_ext *ext = device->ext;

	if (device->faulted)
		return;
	device->faulted = true;
	device->fault_reason = reason;
	device->fault_epoch = mullion_load_relaxed(mullion_ext_u64(ext, client_epoch));
	device->fault_incarnation =
		mullion_load_relaxed(mullion_ext_u64(ext, client_incarnation));
	device->wanted.epoch = false;
	device->wanted.any = device->wanted.pause || device->wanted.destroy;
	attach_set_state(device, MULLION_CHANNEL_FAULTED, reason);
	service_attach_write_channel(device);
	attach_write_server(device);
	device->rung = true;
	if (mullion_log_allowed(&device->limit))
		mullion_log(LOG_WARNING, device->name, "channel stopped, fault %u: %s; %s",
			    reason, what, attach_help(device));
	service_attach_quiesce(device);
}

void mullion_device_fault(struct mullion_device *device, uint32_t reason,
			  const char *what)
{
	service_attach_fault(device, reason, what);
}

void service_attach_audit(struct mullion_device *device)
{
	if (device->starting || attach_header_intact(device))
		return;
	if (!device->faulted) {
		service_attach_fault(device, MULLION_FAULT_HEADER,
				     "its channel header was overwritten");
		return;
	}
	/* Scribbling goes on after the fault. */
	service_attach_write_channel(device);
	attach_write_server(device);
}

/* ---- confirming --------------------------------------------------------- */

static void attach_adopt_epoch(struct mullion_device *device, uint64_t epoch,
			       uint64_t incarnation, uint64_t features)
{
	struct mullion_state_channel *state = device->records.state;
	bool fresh = incarnation != device->incarnation || device->faulted;

	device->plain = false;
	service_attach_make_queues(device, !!(features & MULLION_EXTF_EVENT_INDEX));
	if (service_has_requests()) {
		service_request_drop_late(device);
		service_record_epoch(device, fresh);
	}
	state->client_epoch = epoch;
	device->epoch = epoch;
	device->incarnation = incarnation;
	device->features = features;
	device->slot_ext = features & MULLION_EXTF_SLOT_EXT;
	device->faulted = false;
	if (fresh)
		service_attach_write_channel(device);
	service.class->epoch_begin(device, fresh);
	/* Last: a successor that finds the old one begins it afresh again. */
	state->client_incarnation = incarnation;
}

static bool attach_features_ok(const struct mullion_device *device, uint64_t features)
{
	if (features & ~attach_features(device))
		return false;
	if ((features & MULLION_EXTF_NET_BATCH) && !(features & MULLION_EXTF_SLOT_EXT))
		return false;
	return !(features & MULLION_EXTF_NET_OFFLOAD) ||
	       (features & MULLION_EXTF_NET_BATCH);
}

/* The device is quiet: confirm what the client now asks for. */
static void attach_confirm(struct mullion_device *device)
{
	struct mullion_channel_ext *ext = device->ext;
	uint64_t epoch, incarnation, features;
	bool detached;

	device->wanted.epoch = false;
	/* pairs with the client's release store when it raises */
	epoch = mullion_load_acquire(mullion_ext_u64(ext, client_epoch));
	if (mullion_load_relaxed(mullion_ext_u64(ext, client_generation)) !=
	    device->generation)
		return;
	incarnation = mullion_load_relaxed(mullion_ext_u64(ext, client_incarnation));
	features = mullion_load_relaxed(mullion_ext_u64(ext, features_accepted));
	detached = mullion_load_relaxed(mullion_ext_u32(ext, client_state)) ==
		   MULLION_CLIENT_DETACHED;
	/*
	 * Raised once more meanwhile: the fields may be of either attach.  The
	 * fence keeps them from being read after this look.
	 */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (mullion_load_acquire(mullion_ext_u64(ext, client_epoch)) != epoch)
		return;
	if (!attach_features_ok(device, features)) {
		device->faulted = false;
		service_attach_fault(device, MULLION_FAULT_FEATURES,
				     "it accepted features that were not offered, or "
				     "without those that they need");
		return;
	}
	if (!detached && !device->bus->ram && !(features & MULLION_EXTF_WINDOW_ADDR)) {
		device->faulted = false;
		service_attach_fault(device, MULLION_FAULT_FEATURES,
				     "it wants guest-physical addresses, which this "
				     "partition does not give");
		return;
	}
	attach_adopt_epoch(device, epoch, incarnation, features);
	attach_set_state(device, MULLION_CHANNEL_SERVING, MULLION_FAULT_NONE);
	/* pairs with the client's acquire when it looks for its confirmation */
	mullion_store_release(mullion_ext_u64(ext, server_epoch), epoch);
	device->rung = true;
	device->revoked = false;
	if (detached)
		return;
	device->quiesced = false;
	device->serving = true;
	service.class->resume(device);
}

void service_attach_check(struct mullion_device *device)
{
	struct mullion_channel_ext *ext = device->ext;
	uint64_t epoch;

	epoch = mullion_load_acquire(mullion_ext_u64(ext, client_epoch));
	if (__builtin_expect(epoch == device->epoch && !device->faulted, 1))
		return;
	if (device->paused || device->wanted.any || device->starting)
		return;
	if (mullion_load_relaxed(mullion_ext_u64(ext, client_generation)) !=
	    device->generation)
		return;
	if (device->faulted) {
		uint64_t incarnation = mullion_load_relaxed(
				mullion_ext_u64(ext, client_incarnation));

		if (epoch == device->fault_epoch ||
		    incarnation == device->fault_incarnation)
			return;
	} else if (epoch < device->epoch) {
		service_attach_fault(device, MULLION_FAULT_EPOCH,
				     "its epoch went backwards");
		return;
	}
	device->wanted.epoch = true;
	device->wanted.any = true;
	service_attach_quiesce(device);
}

static void attach_paused(struct mullion_device *device)
{
	const struct controlvm_message *command = &device->wanted.pause_command;
	union controlvm_packet packet;

	device->wanted.pause = false;
	memset(&packet, 0, sizeof(packet));
	packet.device_change_state = command->cmd.device_change_state;
	if (packet.device_change_state.state != MULLION_SEGMENT_RESET) {
		packet.device_change_state.state = VISOR_SEGMENT_STANDBY;
		device->paused = true;
		if (!device->faulted)
			attach_set_state(device, MULLION_CHANNEL_PAUSED, MULLION_FAULT_NONE);
		device->rung = true;
	}
	mullion_control_client_respond(service.control, command, 0, &packet);
}

void service_attach_settle(struct mullion_device *device)
{
	if (!device->quiesced || device->outstanding)
		return;
	if (device->wanted.destroy) {
		service_device_end(device);
		return;
	}
	if (device->wanted.pause)
		attach_paused(device);
	/* While paused nothing is confirmed; resumed, it is looked for again. */
	if (device->wanted.epoch && !device->paused)
		attach_confirm(device);
	device->wanted.epoch = false;
	device->wanted.any = false;
}

void service_device_pause(struct mullion_device *device,
			  const struct controlvm_message *command)
{
	device->wanted.pause = true;
	device->wanted.any = true;
	device->wanted.pause_command = *command;
	service_attach_quiesce(device);
}

bool service_device_reset(struct mullion_device *device,
			  const struct controlvm_message *command)
{
	if (device->plain || device->starting || device->wanted.destroy)
		return false;
	device->revoked = true;
	/* On its way into a pause it takes nothing more as it is. */
	if (device->wanted.pause)
		return false;
	service_device_pause(device, command);
	return true;
}

void service_device_resume(struct mullion_device *device)
{
	if (!device->paused)
		return;
	device->paused = false;
	/* Without epochs it is the resume that begins afresh. */
	if (device->faulted && device->plain && device->fault_reason != MULLION_FAULT_MEMORY) {
		device->faulted = false;
		service_attach_write_channel(device);
		attach_write_server(device);
	}
	if (device->faulted)
		return;
	attach_set_state(device, MULLION_CHANNEL_SERVING, MULLION_FAULT_NONE);
	device->rung = true;
	if (device->plain) {
		service_plain_resume(device);
		return;
	}
	/*
	 * A client that has raised its epoch since is confirmed first, and so is
	 * one of a predecessor's, whose rings this process has not made.  One that
	 * is no more gets nothing.
	 */
	if (device->revoked || !device->epoch || !device->queues[0].cmd.shared ||
	    mullion_load_relaxed(mullion_ext_u64(device->ext, client_epoch)) !=
	    device->epoch)
		return;
	device->quiesced = false;
	device->serving = true;
	service.class->resume(device);
}
