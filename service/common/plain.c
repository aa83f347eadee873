// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/plain.c - clients that know nothing of Mullion's extension
 *
 * DOC: Theory of Operation
 *
 * A driver of the s-Par formats alone raises no epoch and re-issues nothing.  It
 * needs guest-physical addresses, so on a bus that has them a channel is served
 * from the moment that it is announced, as epoch 0 without features; a client
 * that raises its epoch after all is one with the extension from then on.
 *
 * Such a client notices nothing of our death, so a successor has to go on in
 * the rings as they are.  What it cannot take from the rings is in the state
 * area: every request gets a number when it is taken, and its record holds all
 * of it, the list of its data too (its slot may be used again).  The number of
 * the request taken last, and of the answer shown last, modulo the slots, are
 * our two indices, so what a guest may have written over them does not count:
 * only where the answers' head in the ring is ahead of our note, because we
 * died between the two, is the ring believed, as far as is possible.  The
 * successor then
 *
 *   - frees the records of answers that were shown,
 *   - gives the results that were recorded and not shown,
 *   - hands the rest to the class again, oldest first, with the phase that they
 *     had, as if they were re-issued,
 *
 * and takes new ones from there.  So each request is answered exactly once.
 *
 * Administrative resume empties the rings: the client has forgotten all that it
 * sent.  A message class adopts no rings: its devices are taken through standby
 * and running by the command partition, which makes the client post anew; or what
 * the client has posted since then is taken again (MULLION_SERVER_REWIND).
 *
 * Limits: MULLION_STATE_PLAIN_MAX requests, the size of such a client's table.
 */
#include <errno.h>
#include <string.h>

#include "service.h"

/* The first request and answer of an emptied ring go into slot 1. */
static uint64_t plain_round(uint64_t number)
{
	uint64_t slots = service.class->queue_slots;

	return (number + slots - 1) / slots * slots;
}

static void plain_serve(struct mullion_device *device)
{
	device->features = 0;
	device->slot_ext = false;
	device->quiesced = false;
	device->serving = true;
}

/* Rings as when they were made, nothing unanswered. */
static void plain_empty(struct mullion_device *device)
{
	struct mullion_state_channel *state = device->records.state;

	service_attach_make_queues(device, 0);
	state->taken = plain_round(state->taken);
	state->answered = plain_round(device->records.answers > state->answered ?
				      device->records.answers : state->answered);
	device->records.answers = state->answered;
	if (!service_has_requests())
		return;
	service_request_drop_late(device);
	service_record_epoch(device, true);
}

/* What is in the ring was taken by nobody who could answer it. */
static void plain_rewind(struct mullion_device *device)
{
	service_attach_view_queues(device);
	for (unsigned int i = 0; i < service.class->queue_pairs; i++) {
		struct mullion_queue *queue = &device->queues[i];

		mullion_store_release(mullion_sq_u32(&queue->cmd, MULLION_SQ_TAIL), 0);
		queue->blocked = 0;
	}
}

void service_plain_begin(struct mullion_device *device)
{
	/* The client has forgotten what it sent before its standby. */
	if (device->paused)
		return;
	if (device->adopted && service_has_requests()) {
		device->plain_adopt = true;
		return;
	}
	if (device->rewind && !service_has_requests())
		plain_rewind(device);
	else
		plain_empty(device);
	service.class->epoch_begin(device, true);
	plain_serve(device);
	service.class->resume(device);
}

void service_plain_resume(struct mullion_device *device)
{
	plain_empty(device);
	service.class->epoch_begin(device, false);
	plain_serve(device);
	service.class->resume(device);
}

void service_plain_shown(struct mullion_device *device)
{
	device->records.state->answered = device->records.answers;
}

void service_plain_record(struct mullion_request *request)
{
	struct mullion_device *device = request->device;
	struct mullion_state_request *record = request->record;

	record->answer = 0;
	record->notify_handle = request->notify_handle;
	record->notifyresult_handle = request->notifyresult_handle;
	record->bufflen = request->bufflen;
	record->data_dir = request->data_dir;
	record->tasktype = request->tasktype;
	record->entries = request->entries;
	record->request_id = device->records.state->taken + 1;
	request->request_id = record->request_id;
}

/* ---- a successor ---------------------------------------------------------------- */

/* Where the predecessor was; -EPROTO if the rings hold what cannot be. */
static int plain_adopt_rings(struct mullion_device *device)
{
	struct mullion_state_channel *state = device->records.state;
	struct mullion_queue *queue = &device->queues[0];
	uint32_t slots = service.class->queue_slots;
	uint32_t head, tail;

	service_attach_view_queues(device);
	/* A request that was recorded, but not yet counted. */
	for (unsigned int i = 0; i < MULLION_STATE_PLAIN_MAX; i++) {
		const struct mullion_state_request *record = &state->requests_table[i];

		if (record->phase != MULLION_REQUEST_FREE && record->request_id > state->taken)
			state->taken = record->request_id;
	}
	queue->cmd.tail = (uint32_t)(state->taken % slots);
	queue->cmd.released = queue->cmd.tail;
	queue->cmd.head = queue->cmd.tail;
	mullion_store_release(mullion_sq_u32(&queue->cmd, MULLION_SQ_TAIL), queue->cmd.tail);

	head = mullion_load_acquire(mullion_sq_u32(&queue->rsp, MULLION_SQ_HEAD));
	tail = mullion_load_acquire(mullion_sq_u32(&queue->rsp, MULLION_SQ_TAIL));
	if (head >= slots || tail >= slots)
		return -EPROTO;
	state->answered += mullion_sq_distance(&queue->rsp,
					       (uint32_t)(state->answered % slots), head);
	device->records.answers = state->answered;
	queue->rsp.head = head;
	queue->rsp.published = head;
	queue->rsp.tail = tail;
	queue->cmd.count = state->taken;
	queue->rsp.count = state->answered;
	return 0;
}

/* The unfinished record with the lowest number above @number. */
static struct mullion_state_request *plain_next(struct mullion_device *device, uint64_t number)
{
	struct mullion_state_request *next = NULL;

	for (unsigned int i = 0; i < MULLION_STATE_PLAIN_MAX; i++) {
		struct mullion_state_request *record =
			&device->records.state->requests_table[i];

		if (record->phase != MULLION_REQUEST_FREE && record->request_id > number &&
		    (!next || record->request_id < next->request_id))
			next = record;
	}
	return next;
}

static void plain_forget_shown(struct mullion_device *device)
{
	for (unsigned int i = 0; i < MULLION_STATE_PLAIN_MAX; i++) {
		struct mullion_state_request *record =
			&device->records.state->requests_table[i];

		if (record->phase == MULLION_REQUEST_DONE && record->answer &&
		    record->answer <= device->records.state->answered)
			service_record_put(device, record);
	}
}

void service_plain_adopt(struct mullion_device *device)
{
	struct mullion_state_request *record;

	if (!device->plain_adopted) {
		if (plain_adopt_rings(device) < 0) {
			device->plain_adopt = false;
			service_attach_fault(device, MULLION_FAULT_INDEX,
					     "an index that a predecessor left is out of "
					     "range");
			return;
		}
		plain_forget_shown(device);
		service.class->epoch_begin(device, false);
	}
	while (!device->faulted && (record = plain_next(device, device->plain_adopted))) {
		/* More were unanswered than there are requests: the rest waits. */
		if (!device->free_requests)
			return;
		device->plain_adopted = record->request_id;
		service_request_again(device, record);
	}
	device->plain_adopt = false;
	if (!device->faulted)
		plain_serve(device);
}
