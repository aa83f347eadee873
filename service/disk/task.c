// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/task.c - task management: abort, and resets
 *
 * An abort names a logical unit, not a command: it covers every command that
 * this device has outstanding there.  Those that wait are answered with a
 * reset at once; those that run cannot be called back from the medium, are
 * answered when they have ended, with what really happened, and the task only
 * after them.  A reset does the same for a logical unit, a target or all, and
 * ends a RESERVE(6); every nexus gets a unit attention, unless the disk is
 * read-only here: then it is nobody else's affair.  Other devices' commands on a
 * shared disk go on.  Mode pages stay as they are: a write cache that is
 * back on without its guest knowing would be worse than one that stays off.
 *
 * Failure behaviour: in-tree guests wait 45 s and then take a late answer for
 * another's, so after TASK_SECONDS the answer is "failed", and the commands are
 * still answered whenever they end.
 */
#include <time.h>

#include "scsi.h"

#define TASK_SECONDS	40

/**
 * struct task - in the class part of its request
 * @disk: that is waited for, or NULL
 * @at: index of its logical unit
 */
struct task {
	struct drain drain;	/* first */
	struct task *next;
	struct disk_device *device;
	long deadline;
	struct disk *disk;
	unsigned int at;
};

_Static_assert(sizeof(struct task) <= MULLION_REQUEST_CLASS_BYTES,
	       "a task fits its request");

static struct task *tasks;

static struct mullion_request *task_request_of(struct task *task)
{
	return (struct mullion_request *)(void *)
	       ((unsigned char *)task - offsetof(struct mullion_request, class));
}

static bool task_covers(const struct mullion_request *request,
			const struct lun *lun)
{
	switch (request->tasktype) {
	case TASK_MGMT_BUS_RESET:
		return true;
	case TASK_MGMT_TARGET_RESET:
		return lun->id == request->id;
	default:
		return lun->id == request->id && lun->lun == request->lun;
	}
}

static void task_end(struct task *task, uint8_t result)
{
	struct disk_device *device = task->device;
	struct mullion_request *request = task_request_of(task);
	struct task **link;

	for (link = &tasks; *link; link = &(*link)->next) {
		if (*link == task) {
			*link = task->next;
			break;
		}
	}
	request->result = result;
	mullion_request_complete(request);
	disk_task_ended(device);
}

static void task_drained(struct drain *drain);

/* Wait for one logical unit after the other. */
static void task_continue(struct task *task)
{
	struct mullion_request *request = task_request_of(task);

	task->disk = NULL;
	for (; task->at < MULLION_DISK_LUNS_MAX; task->at++) {
		struct lun *lun = task->device->luns[task->at];

		if (!lun || !task_covers(request, lun))
			continue;
		task->drain.done = task_drained;
		if (!order_drain(lun->disk, &task->drain, 1ULL << lun->nexus)) {
			task->disk = lun->disk;
			return;
		}
	}
	task_end(task, TASK_MGMT_SUCCESS);
}

static void task_drained(struct drain *drain)
{
	struct task *task = (struct task *)drain;

	task->at++;
	task_continue(task);
}

static void task_reset(struct lun *lun)
{
	struct disk *disk = lun->disk;

	if (lun->read_only) {
		lun_nexus(lun)->attention |= ATTENTION_RESET;
	} else {
		disk->state.reserve6_holder = PERSIST_NEXUS_NONE;
		disk_attention(disk, ATTENTION_RESET, PERSIST_NEXUS_NONE, false);
	}
	disk_commit(disk);
}

/**
 * task_request() - a task management request has arrived
 */
void task_request(struct disk_device *device, struct mullion_request *request)
{
	struct task *task = (struct task *)(void *)request->class;
	struct timespec now;
	unsigned int i, covered = 0;

	device->outstanding++;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	*task = (struct task){
		.device = device,
		.deadline = now.tv_sec + TASK_SECONDS,
		.next = tasks,
	};
	tasks = task;
	if (request->tasktype < TASK_MGMT_ABORT_TASK ||
	    request->tasktype > TASK_MGMT_TARGET_RESET) {
		task_end(task, TASK_MGMT_FAILED);
		return;
	}
	for (i = 0; i < MULLION_DISK_LUNS_MAX; i++) {
		struct lun *lun = device->luns[i];

		if (!lun || !task_covers(request, lun))
			continue;
		covered++;
		order_abort(lun->disk, 1ULL << lun->nexus);
		if (request->tasktype != TASK_MGMT_ABORT_TASK)
			task_reset(lun);
	}
	if (!covered && request->tasktype != TASK_MGMT_BUS_RESET)
		task_end(task, TASK_MGMT_FAILED);
	else
		task_continue(task);
}

void task_look(long now)
{
	struct task *task, *next;

	for (task = tasks; task; task = next) {
		next = task->next;
		if (!task->disk || now < task->deadline)
			continue;
		order_drain_cancel(task->disk, &task->drain);
		task_end(task, TASK_MGMT_FAILED);
		/* the end of one may have changed the list */
		next = tasks;
	}
}
