// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/record.c - the state area's view of requests
 *
 * DOC: Theory of Operation
 *
 * A record is written before its request's slot is released and says DONE with
 * the result before the answer is published, so at whatever instruction this
 * process dies, a request is in the ring, in the client's table as unanswered,
 * or here (design, section 5).
 *
 * A DONE record may go when the client is known to have seen the answer: when
 * it has given the answer's slot back.  Answers leave the ring in the order in
 * which they were put in, so a queue of record numbers in that order is
 * shortened by as many as the consumer has moved.  That is looked at only now
 * and then: the client's index is a cache line that it writes.
 *
 * After a change of epoch within one incarnation, the records of earlier
 * epochs stay: a re-issue may name them.  Re-issues come first in an epoch, so
 * the first request that is none shows that the rest belong to answers which
 * the client had drained before; then all of them are taken back, at once, so
 * that the next epoch finds records enough for what this one leaves.
 *
 * Limits: MULLION_STATE_REQUESTS_MAX records; without a free one, requests
 * wait in the ring.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"

/* Answers to collect before the client's index is looked at. */
#define RECORD_BATCH 48

static struct mullion_state_request *record_at(struct mullion_device *device,
					       unsigned int index)
{
	return &device->records.state->requests_table[index];
}

static unsigned int record_index(const struct mullion_device *device,
				 const struct mullion_state_request *record)
{
	return (unsigned int)(record - device->records.state->requests_table);
}

/* A plain client's lists have records of their own, and fewer. */
static unsigned int record_limit(const struct mullion_device *device)
{
	return device->plain ? MULLION_STATE_PLAIN_MAX : MULLION_STATE_REQUESTS_MAX;
}

static void record_free(struct mullion_device *device, unsigned int index)
{
	struct service_records *records = &device->records;

	record_at(device, index)->phase = MULLION_REQUEST_FREE;
	records->free[records->free_count++] = (uint16_t)index;
}

int service_record_init(struct mullion_device *device, bool adopt)
{
	struct service_records *records = &device->records;

	records->answered_size = service.class->queue_slots;
	records->answered = calloc(records->answered_size, sizeof(uint16_t));
	if (!records->answered)
		return -ENOMEM;
	records->free_count = 0;
	for (unsigned int i = record_limit(device); i > 0; i--) {
		struct mullion_state_request *record = record_at(device, i - 1);

		if (!adopt || record->phase > MULLION_REQUEST_DONE)
			record->phase = MULLION_REQUEST_FREE;
		if (record->phase == MULLION_REQUEST_FREE)
			records->free[records->free_count++] = (uint16_t)(i - 1);
	}
	return 0;
}

void service_record_done(struct mullion_device *device)
{
	free(device->records.answered);
	device->records.answered = NULL;
}

void service_record_epoch(struct mullion_device *device, bool fresh)
{
	struct service_records *records = &device->records;

	records->answered_first = 0;
	records->answered_count = 0;
	records->reissues_ended = fresh;
	if (!fresh)
		return;
	records->free_count = 0;
	for (unsigned int i = record_limit(device); i > 0; i--)
		record_free(device, i - 1);
}

/* Take back the records of answers that the client has seen. */
static void record_collect(struct mullion_device *device)
{
	struct service_records *records = &device->records;
	int space = mullion_sq_space(&device->queues[0].rsp);
	unsigned int unseen;

	if (space < 0) {
		service_attach_fault(device, MULLION_FAULT_INDEX,
				     "response index out of range");
		return;
	}
	unseen = device->queues[0].rsp.max_slots - 1 - (unsigned int)space;
	while (records->answered_count > unseen) {
		unsigned int index = records->answered[records->answered_first];

		if (++records->answered_first == records->answered_size)
			records->answered_first = 0;
		records->answered_count--;
		if (index != SERVICE_RECORD_NONE)
			record_free(device, index);
	}
}

void service_record_reissues_end(struct mullion_device *device)
{
	device->records.reissues_ended = true;
	for (unsigned int i = 0; i < MULLION_STATE_REQUESTS_MAX; i++) {
		const struct mullion_state_request *record = record_at(device, i);

		if (record->phase != MULLION_REQUEST_FREE &&
		    record->epoch != (uint32_t)device->epoch)
			record_free(device, i);
	}
}

struct mullion_state_request *service_record_get(struct mullion_device *device)
{
	struct service_records *records = &device->records;

	if (records->answered_count >= RECORD_BATCH || !records->free_count)
		record_collect(device);
	if (!records->free_count)
		return NULL;
	return record_at(device, records->free[--records->free_count]);
}

struct mullion_state_request *service_record_find(struct mullion_device *device,
						  uint64_t request_id)
{
	for (unsigned int i = 0; i < MULLION_STATE_REQUESTS_MAX; i++) {
		struct mullion_state_request *record = record_at(device, i);

		/* One of this epoch is in use: its id came twice. */
		if (record->phase != MULLION_REQUEST_FREE &&
		    record->request_id == request_id &&
		    record->epoch != (uint32_t)device->epoch)
			return record;
	}
	return NULL;
}

void service_record_put(struct mullion_device *device,
			struct mullion_state_request *record)
{
	record_free(device, record_index(device, record));
}

void service_record_answered(struct mullion_device *device,
			     struct mullion_state_request *record)
{
	struct service_records *records = &device->records;
	unsigned int at;

	/* Answers in the ring are fewer than its slots: room after collecting. */
	if (records->answered_count == records->answered_size)
		record_collect(device);
	if (records->answered_count == records->answered_size)
		return;
	at = records->answered_first + records->answered_count;
	if (at >= records->answered_size)
		at -= records->answered_size;
	records->answered[at] = record ? (uint16_t)record_index(device, record) :
				(uint16_t)SERVICE_RECORD_NONE;
	records->answered_count++;
}
