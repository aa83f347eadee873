// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/request.c - requests out of the ring, answers into it
 *
 * DOC: Theory of Operation
 *
 * Taking: a slot is copied, each byte once and only those in use; what the
 * copy says is checked; the request is recorded; then the class gets it.
 * Slots go back to the client once per batch.  Answers are written as they
 * come and shown to the client once per turn, or every REQUEST_PUBLISH.
 *
 * A request that cannot be what it claims to be (a piece of data outside the
 * pool, more pieces than there are, less data than bufflen) is answered with
 * host byte ERROR; a message of a type that no class knows is echoed with it.
 * A message of another epoch is dropped and counted.  An index out of range
 * faults the channel.
 *
 * If the response ring is full, answers wait in order; at most as many as
 * there are request structures, because nothing is taken without one.
 *
 * A client that re-issues nothing has the list of a request kept too, for a
 * successor that goes on where this process died (plain.c).
 *
 * Limits: one queue pair.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "service.h"

/*
 * Requests to take from one device before others have their turn, and before
 * what they started is submitted: the client begins with half a queue of answers
 * while the other half is worked on.
 */
#define REQUEST_BATCH	16
/* Answers after which the client may as well begin. */
#define REQUEST_PUBLISH	8

#define REQUEST_SCSI_HEAD \
	(offsetof(struct uiscmdrsp, scsi) + offsetof(struct uiscmdrsp_scsi, gpi_list))

/* The bytes of a request before its list, and those after it. */
struct request_head {
	uint8_t cmdtype;
	uint64_t handle;
	uint8_t cmnd[16];
	uint32_t bufflen;
	uint16_t entries;
} MULLION_PACKED;

struct request_tail {
	uint32_t data_dir;
	struct uisscsi_dest vdest;
} MULLION_PACKED;

_Static_assert(sizeof(struct request_head) == REQUEST_SCSI_HEAD,
	       "head is what precedes the list");

static inline void request_prefetch(const struct mullion_sq *q, uint32_t index)
{
	const uint8_t *slot = mullion_sq_slot(q, index);

	__builtin_prefetch(slot);
	__builtin_prefetch(slot + offsetof(struct uiscmdrsp, scsi.data_dir));
	__builtin_prefetch(slot + offsetof(struct mullion_io_slot, ext));
}

static inline void request_prefetch_write(const struct mullion_sq *q, uint32_t index)
{
	const uint8_t *slot = mullion_sq_slot(q, index);

	__builtin_prefetch(slot, 1);
	__builtin_prefetch(slot + offsetof(struct uiscmdrsp, scsi.data_dir), 1);
	__builtin_prefetch(slot + offsetof(struct mullion_io_slot, ext), 1);
}

int service_request_init(struct mullion_device *device)
{
	unsigned int count = service.class->max_outstanding;

	device->requests = aligned_alloc(64, count * ((sizeof(struct mullion_request) +
						       63) & ~(size_t)63));
	if (!device->requests)
		return -ENOMEM;
	memset(device->requests, 0, count * sizeof(struct mullion_request));
	for (unsigned int i = count; i > 0; i--) {
		struct mullion_request *request = &device->requests[i - 1];

		request->device = device;
		request->next = device->free_requests;
		device->free_requests = request;
	}
	device->late_end = &device->late;
	return 0;
}

void service_request_done(struct mullion_device *device)
{
	free(device->requests);
	device->requests = NULL;
	device->free_requests = NULL;
}

static inline struct mullion_request *request_new(struct mullion_device *device)
{
	struct mullion_request *request = device->free_requests;

	device->free_requests = request->next;
	request->next = NULL;
	request->iovcnt = 0;
	request->entries = 0;
	request->iov_bytes = 0;
	request->bufflen = 0;
	request->linuxstat = 0;
	request->scsistat = 0;
	request->addlstat = 0;
	request->result = 0;
	request->residual = 0;
	request->reissue = false;
	request->recorded_phase = MULLION_REQUEST_FREE;
	return request;
}

static inline void request_free(struct mullion_request *request)
{
	struct mullion_device *device = request->device;

	request->record = NULL;
	request->next = device->free_requests;
	device->free_requests = request;
}

/* ---- answers ------------------------------------------------------------ */

static inline void request_write_scsi(struct mullion_io_slot *slot,
				      const struct mullion_request *request)
{
	struct uiscmdrsp_scsi *scsi = &slot->rsp.scsi;

	scsi->handle = request->handle;
	memcpy(scsi->cmnd, request->cdb, sizeof(scsi->cmnd));
	scsi->bufflen = request->bufflen;
	scsi->guest_phys_entries = 0;
	scsi->data_dir = request->data_dir;
	scsi->vdest.channel = 0;
	scsi->vdest.id = request->id;
	scsi->vdest.lun = request->lun;
	scsi->linuxstat = request->linuxstat;
	scsi->scsistat = request->scsistat;
	scsi->addlstat = request->addlstat;
	/* Not looked at after success, and another cache line. */
	if (request->linuxstat)
		memcpy(scsi->sensebuf, request->sense, sizeof(scsi->sensebuf));
}

static void request_write_task(struct mullion_io_slot *slot,
			       const struct mullion_request *request)
{
	struct uiscmdrsp_scsitaskmgmt *task = &slot->rsp.scsitaskmgmt;

	task->tasktype = request->tasktype;
	task->vdest.channel = 0;
	task->vdest.id = request->id;
	task->vdest.lun = request->lun;
	task->handle = request->handle;
	task->notify_handle = request->notify_handle;
	task->notifyresult_handle = request->notifyresult_handle;
	task->result = request->result;
}

/* Return: 0; -EAGAIN if the ring is full; -EPROTO. */
static inline int request_write(struct mullion_device *device,
				const struct mullion_request *request)
{
	struct mullion_io_slot *slot;
	void *memory = NULL;
	int ret;

	ret = mullion_sq_produce(&device->queues[0].rsp, &memory);
	if (ret < 0)
		return ret;
	slot = memory;
	request_prefetch_write(&device->queues[0].rsp,
			       mullion_sq_next(&device->queues[0].rsp, device->queues[0].rsp.head));
	slot->rsp.cmdtype = request->cmdtype;
	if (request->cmdtype == CMD_SCSITASKMGMT_TYPE ||
	    request->cmdtype == CMD_VDISKMGMT_TYPE)
		request_write_task(slot, request);
	else
		request_write_scsi(slot, request);
	if (device->slot_ext) {
		slot->ext.epoch = request->epoch;
		slot->ext.residual = request->residual;
		slot->ext.request_id = request->request_id;
		slot->ext.flags = 0;
		slot->ext.reserved = 0;
	}
	if (device->plain) {
		device->records.answers++;
		request->record->answer = device->records.answers;
	}
	service_record_answered(device, request->record);
	return 0;
}

void service_request_publish(struct mullion_device *device)
{
	if (mullion_sq_publish(&device->queues[0].rsp))
		device->rung = true;
	if (device->plain)
		service_plain_shown(device);
}

/* Puts the answer in the ring, or in the queue of those that wait. */
static inline void request_answer(struct mullion_request *request)
{
	struct mullion_device *device = request->device;
	int ret = -EAGAIN;

	device->outstanding--;
	/* It may have moved what is not the guest's any more. */
	if (device->bus->ram && mullion_ram_lost(device->bus->ram))
		service_attach_fault(device, MULLION_FAULT_MEMORY,
				     "its memory is not what it was when it was mapped");
	/* Nobody reads the ring of a faulted channel. */
	if (device->faulted) {
		request_free(request);
		return;
	}
	if (!device->late)
		ret = request_write(device, request);
	if (ret == -EAGAIN) {
		request->next = NULL;
		*device->late_end = request;
		device->late_end = &request->next;
		return;
	}
	request_free(request);
	if (ret < 0)
		service_attach_fault(device, MULLION_FAULT_INDEX,
				     "response index out of range");
	else if (mullion_sq_distance(&device->queues[0].rsp, device->queues[0].rsp.published,
				     device->queues[0].rsp.head) >= REQUEST_PUBLISH)
		service_request_publish(device);
}

static unsigned int request_answer_late(struct mullion_device *device)
{
	unsigned int n = 0;

	while (device->late && !device->faulted) {
		struct mullion_request *request = device->late;
		int ret = request_write(device, request);

		if (ret == -EAGAIN)
			break;
		if (ret < 0) {
			service_attach_fault(device, MULLION_FAULT_INDEX,
					     "response index out of range");
			break;
		}
		device->late = request->next;
		if (!device->late)
			device->late_end = &device->late;
		request_free(request);
		n++;
	}
	return n;
}

void service_request_drop_late(struct mullion_device *device)
{
	while (device->late) {
		struct mullion_request *request = device->late;

		device->late = request->next;
		request_free(request);
	}
	device->late_end = &device->late;
}

void mullion_request_effect(struct mullion_request *request)
{
	if (!request->record || request->record->phase >= MULLION_REQUEST_EXECUTING)
		return;
	request->record->phase = MULLION_REQUEST_EXECUTING;
	/* The mark must be in memory before the effect is begun. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static inline void request_record_result(struct mullion_request *request)
{
	struct mullion_state_request *record = request->record;

	if (!record)
		return;
	record->linuxstat = request->linuxstat;
	record->residual = request->residual;
	record->class_flags = request->result;
	if (request->linuxstat)
		memcpy(record->sense, request->sense, sizeof(record->sense));
	/* A reader is a successor: program order in memory is what counts. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	*(volatile __u16 *)(void *)((__u8 *)record +
		offsetof(struct mullion_state_request, phase)) = MULLION_REQUEST_DONE;
	__atomic_signal_fence(__ATOMIC_RELEASE);
}

static inline void request_count(struct mullion_device *device,
				 const struct mullion_request *request)
{
	struct mullion_state_channel *state = device->records.state;

	if (request->linuxstat) {
		state->errors++;
		return;
	}
	if (request->data_dir == UIS_DMA_TO_DEVICE)
		state->bytes_in += request->bufflen - request->residual;
	else if (request->data_dir == UIS_DMA_FROM_DEVICE)
		state->bytes_out += request->bufflen - request->residual;
}

void mullion_request_complete(struct mullion_request *request)
{
	if (request->residual > request->bufflen)
		request->residual = request->bufflen;
	request_record_result(request);
	request_count(request->device, request);
	request_answer(request);
}

void mullion_device_notify_disk(struct mullion_device *device, bool added,
				uint32_t id, uint32_t lun)
{
	struct uiscmdrsp_disknotify *notify;
	struct mullion_io_slot *slot;
	void *memory = NULL;

	if (!device->serving || !(device->features & MULLION_EXTF_DISK_NOTIFY))
		return;
	/* A hint: a client that does not read its ring does without. */
	if (device->late || mullion_sq_produce(&device->queues[0].rsp, &memory) < 0)
		return;
	slot = memory;
	slot->rsp.cmdtype = CMD_NOTIFYGUEST_TYPE;
	notify = &slot->rsp.disknotify;
	memset(notify, 0, sizeof(*notify));
	notify->add = added;
	notify->id = id;
	notify->lun = lun;
	memset(&slot->ext, 0, sizeof(slot->ext));
	slot->ext.epoch = (uint32_t)device->epoch;
	service_record_answered(device, NULL);
}

/* ---- requests ----------------------------------------------------------- */

/* Answered without the class: what the client sent cannot be. */
static void request_refuse(struct mullion_request *request, uint8_t addlstat)
{
	request->linuxstat = UIS_LINUXSTAT(UIS_HOST_ERROR, 0);
	request->addlstat = addlstat;
	request->residual = request->bufflen;
	memset(request->sense, 0, sizeof(request->sense));
	mullion_request_complete(request);
}

/*
 * Copies and checks the list; -EINVAL if it is not one.  @keep: where it is
 * wanted again, or NULL.
 */
static inline int request_read_list(struct mullion_request *request,
				    const struct guest_phys_info *pieces,
				    struct mullion_state_list *keep)
{
	const struct mullion_memory *memory = &request->device->bus->memory;
	unsigned int entries = request->entries;
	uint64_t sum = 0;
	unsigned int n = 0;

	if (entries > MAX_PHYS_INFO ||
	    (memory->read_only && request->data_dir != UIS_DMA_TO_DEVICE && entries))
		return -EINVAL;
	for (unsigned int i = 0; i < entries; i++) {
		struct guest_phys_info piece;
		void *base;

		memcpy(&piece, &pieces[i], sizeof(piece));
		__asm__ volatile("" : "+m"(piece));
		if (keep)
			keep->pieces[i] = piece;
		base = mullion_memory_at(memory, piece.address, piece.length);
		if (!base)
			return -EINVAL;
		if (!piece.length)
			continue;
		request->iov[n].iov_base = base;
		request->iov[n++].iov_len = piece.length;
		sum += piece.length;
	}
	if (sum > UINT32_MAX || sum < request->bufflen)
		return -EINVAL;
	request->iovcnt = (uint16_t)n;
	request->iov_bytes = (uint32_t)sum;
	return 0;
}

static inline void request_read_ext(struct mullion_request *request,
				    const struct mullion_io_slot *slot)
{
	struct mullion_slot_ext ext;

	if (!request->device->slot_ext) {
		request->epoch = (uint32_t)request->device->epoch;
		request->request_id = 0;
		return;
	}
	memcpy(&ext, &slot->ext, sizeof(ext));
	__asm__ volatile("" : "+m"(ext));
	request->epoch = ext.epoch;
	request->request_id = ext.request_id;
	request->reissue = (ext.flags & MULLION_SLOT_REISSUE) &&
		(request->device->features & MULLION_EXTF_REISSUE);
}

static struct mullion_state_list *request_list(const struct mullion_request *request)
{
	const struct mullion_state_channel *state = request->device->records.state;

	if (!request->device->plain)
		return NULL;
	return mullion_state_list(state, (unsigned int)(request->record -
							state->requests_table));
}

/* Return: 0, or -EINVAL if its list cannot be. */
static inline int request_read_scsi(struct mullion_request *request,
				    const struct mullion_io_slot *slot,
				    const struct request_head *head)
{
	struct request_tail tail;

	memcpy(&tail, (const uint8_t *)slot + offsetof(struct uiscmdrsp, scsi.data_dir),
	       sizeof(tail));
	__asm__ volatile("" : "+m"(tail));
	request->handle = head->handle;
	memcpy(request->cdb, head->cmnd, sizeof(request->cdb));
	request->bufflen = head->bufflen;
	request->data_dir = tail.data_dir;
	request->id = tail.vdest.id;
	request->lun = tail.vdest.lun;
	/* Channels other than 0 do not exist; the class sees no such target. */
	if (tail.vdest.channel)
		request->id = UINT32_MAX;
	request->entries = head->entries;
	return request_read_list(request, slot->rsp.scsi.gpi_list,
				 request_list(request));
}

static void request_read_task(struct mullion_request *request,
			      const struct mullion_io_slot *slot)
{
	struct uiscmdrsp_scsitaskmgmt task;

	memcpy(&task, &slot->rsp.scsitaskmgmt, sizeof(task));
	__asm__ volatile("" : "+m"(task));
	memset(request->cdb, 0, sizeof(request->cdb));
	request->data_dir = UIS_DMA_NONE;
	request->tasktype = task.tasktype;
	request->handle = task.handle;
	request->notify_handle = task.notify_handle;
	request->notifyresult_handle = task.notifyresult_handle;
	request->id = task.vdest.channel ? UINT32_MAX : task.vdest.id;
	request->lun = task.vdest.lun;
}

static inline void request_record(struct mullion_request *request)
{
	struct mullion_state_request *record = request->record;

	if (request->device->plain)
		service_plain_record(request);
	record->request_id = request->request_id;
	record->handle = request->handle;
	record->epoch = request->epoch;
	record->cmdtype = request->cmdtype;
	record->class_flags = 0;
	memcpy(record->cdb, request->cdb, sizeof(record->cdb));
	record->id = request->id;
	record->lun = request->lun;
	record->linuxstat = 0;
	record->residual = 0;
	record->class_data = 0;
	__atomic_signal_fence(__ATOMIC_RELEASE);
	*(volatile __u16 *)(void *)((__u8 *)record +
		offsetof(struct mullion_state_request, phase)) = MULLION_REQUEST_TAKEN;
	/* Counted when the record is whole: plain_adopt_rings() looks for one more. */
	__atomic_signal_fence(__ATOMIC_RELEASE);
	if (request->device->plain)
		request->device->records.state->taken = request->request_id;
}

static void request_answer_recorded(struct mullion_request *request)
{
	const struct mullion_state_request *record = request->record;

	request->device->records.state->recalled++;
	request->linuxstat = record->linuxstat;
	request->scsistat = (uint8_t)record->linuxstat;
	request->residual = record->residual;
	request->result = record->class_flags;
	memset(request->sense, 0, sizeof(request->sense));
	memcpy(request->sense, record->sense, sizeof(record->sense));
	request_answer(request);
}

/*
 * A re-issue whose record is there.  Return: true if the recorded result was
 * the answer.
 */
static bool request_recall(struct mullion_request *request)
{
	struct mullion_state_channel *state = request->device->records.state;
	struct mullion_state_request *record;

	record = service_record_find(request->device, request->request_id);
	if (!record)
		return false;
	/* Not the same request after all: the client mixes up its ids. */
	if (record->cmdtype != request->cmdtype ||
	    memcmp(record->cdb, request->cdb, sizeof(record->cdb)) ||
	    record->id != request->id || record->lun != request->lun)
		return false;
	if (request->record)
		service_record_put(request->device, request->record);
	request->record = record;
	record->handle = request->handle;
	record->epoch = request->epoch;
	request->recorded_phase = (uint8_t)record->phase;
	if (record->phase != MULLION_REQUEST_DONE) {
		state->replayed++;
		return false;
	}
	request_answer_recorded(request);
	return true;
}

/* One slot becomes one request, or one answer, or (stale) nothing. */
static inline void request_take(struct mullion_device *device,
				const struct mullion_io_slot *slot,
				struct mullion_state_request *record,
				uint32_t behind)
{
	struct mullion_request *request = request_new(device);
	struct request_head head;
	int valid = 0;

	memcpy(&head, slot, sizeof(head));
	__asm__ volatile("" : "+m"(head));
	request->cmdtype = head.cmdtype;
	request->behind = (uint8_t)behind;
	request_read_ext(request, slot);
	if (device->slot_ext && request->epoch != (uint32_t)device->epoch) {
		device->records.state->stale++;
		service_record_put(device, record);
		request_free(request);
		return;
	}
	if (!request->reissue && !device->records.reissues_ended)
		service_record_reissues_end(device);
	request->record = record;
	device->outstanding++;
	device->records.state->requests++;
	if (head.cmdtype == CMD_SCSITASKMGMT_TYPE || head.cmdtype == CMD_VDISKMGMT_TYPE)
		request_read_task(request, slot);
	else
		valid = request_read_scsi(request, slot, &head);

	if (request->reissue && request_recall(request))
		return;
	/* A record that a predecessor left keeps its phase. */
	if (request->record == record)
		request_record(request);
	if (valid < 0 || (head.cmdtype != CMD_SCSI_TYPE &&
			  head.cmdtype != CMD_SCSITASKMGMT_TYPE)) {
		request_refuse(request, ADDL_INTERNAL_ERROR);
		return;
	}
	service.class->request(request);
}

void service_request_again(struct mullion_device *device,
			   struct mullion_state_request *record)
{
	struct mullion_request *request = request_new(device);
	int valid = 0;

	request->record = record;
	request->cmdtype = record->cmdtype;
	request->epoch = record->epoch;
	request->request_id = record->request_id;
	request->handle = record->handle;
	memcpy(request->cdb, record->cdb, sizeof(request->cdb));
	request->id = record->id;
	request->lun = record->lun;
	request->bufflen = record->bufflen;
	request->data_dir = record->data_dir;
	request->tasktype = record->tasktype;
	request->notify_handle = record->notify_handle;
	request->notifyresult_handle = record->notifyresult_handle;
	request->entries = (uint16_t)record->entries;
	request->reissue = true;
	request->recorded_phase = (uint8_t)record->phase;
	device->outstanding++;
	if (record->phase == MULLION_REQUEST_DONE) {
		request_answer_recorded(request);
		return;
	}
	device->records.state->replayed++;
	if (record->cmdtype == CMD_SCSI_TYPE)
		valid = request_read_list(request, request_list(request)->pieces, NULL);
	else if (record->cmdtype != CMD_SCSITASKMGMT_TYPE)
		valid = -EINVAL;
	if (valid < 0)
		request_refuse(request, ADDL_INTERNAL_ERROR);
	else
		service.class->request(request);
}

unsigned int service_request_poll(struct mullion_device *device)
{
	struct mullion_sq *cmd = &device->queues[0].cmd;
	unsigned int n = 0;

	if (device->late)
		n += request_answer_late(device);
	while (n < REQUEST_BATCH && device->free_requests && device->serving) {
		struct mullion_state_request *record;
		const void *slot = NULL;
		uint32_t behind;
		int ret;

		ret = cmd->tail == cmd->head ? mullion_sq_pending(cmd) : 1;
		if (ret < 0) {
			service_attach_fault(device, MULLION_FAULT_INDEX,
					     "command index out of range");
			return n;
		}
		if (!ret)
			break;
		record = service_record_get(device);
		if (!record)
			break;
		mullion_sq_consume(cmd, &slot);
		request_prefetch(cmd, mullion_sq_next(cmd, cmd->tail));
		n++;
		behind = mullion_sq_distance(cmd, cmd->tail, cmd->head);
		if (behind > REQUEST_BATCH - n)
			behind = REQUEST_BATCH - n;
		request_take(device, slot, record, behind);
	}
	if (mullion_sq_release(cmd))
		device->rung = true;
	return n;
}
