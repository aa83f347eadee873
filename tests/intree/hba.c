// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/hba.c - visorhba: the table of pending requests and its thread
 *
 * s-Par channel ABI, section 7.  What the driver keeps in its table of 128 is
 * kept here in one of the same size, so that handles are as small, as soon used
 * again and as deadly when they are wrong.
 */
#include "hba.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define HBA_COMMAND_SECONDS	30
#define HBA_TASK_SECONDS	45
#define HBA_TUR_SECONDS		10
#define HBA_RETRIES		5

/* ---- answers ---------------------------------------------------------------- */

bool hba_good(const struct hba_command *command)
{
	return command->done && !command->linuxstat;
}

static void hba_finish(struct hba *hba, unsigned int slot)
{
	hba->pending[slot]->done = true;
	hba->pending[slot] = NULL;
	pthread_cond_broadcast(&hba->change);
}

static void hba_check_result(const struct uiscmdrsp_scsi *answer, const char *name)
{
	uint32_t status = answer->linuxstat & 0xff;
	uint32_t host = answer->linuxstat >> 16 & 0xff;
	bool known = !(answer->linuxstat & 0xff00ff00) &&
		(status == 0 || status == 2 || status == 8 || status == 24 || status == 40) &&
		host <= 0x0d;

	check(CHECK_HBA_RESULT, known, "%s: linuxstat 0x%x", name, answer->linuxstat);
	if (status == 2)
		check(CHECK_HBA_RESULT, (answer->sensebuf[0] & 0x7f) == 0x70,
		      "%s: check condition with sense that begins with 0x%02x", name,
		      answer->sensebuf[0]);
}

static void hba_scsi_answer(struct hba *hba, const struct uiscmdrsp_scsi *answer)
{
	struct hba_command *command = NULL;
	const char *name = hba->device->name;

	if (answer->handle < HBA_PENDING)
		command = hba->pending[answer->handle];
	if (!check(CHECK_HBA_HANDLE, command && !command->task,
		   "%s: an answer for handle %llu, which is not in use", name,
		   (unsigned long long)answer->handle))
		return;
	check(CHECK_HBA_ECHO, answer->cmnd[0] == command->cdb[0] &&
	      answer->bufflen == command->bufflen && !answer->vdest.channel &&
	      answer->vdest.id == command->id && answer->vdest.lun == command->lun,
	      "%s: command 0x%02x with %u bytes for %u:%u was answered as 0x%02x, %u, %u:%u",
	      name, command->cdb[0], command->bufflen, command->id, command->lun,
	      answer->cmnd[0], answer->bufflen, answer->vdest.id, answer->vdest.lun);
	check(CHECK_HBA_RESULT, !answer->no_disk_result, "%s: no_disk_result is %u", name,
	      answer->no_disk_result);
	hba_check_result(answer, name);
	command->linuxstat = answer->linuxstat;
	if (answer->linuxstat)
		memcpy(command->sense, answer->sensebuf, sizeof(command->sense));
	hba_finish(hba, (unsigned int)answer->handle);
}

static void hba_task_answer(struct hba *hba, const struct uiscmdrsp_scsitaskmgmt *answer)
{
	struct hba_command *task = NULL;
	const char *name = hba->device->name;
	bool covered = false;

	if (answer->handle < HBA_PENDING)
		task = hba->pending[answer->handle];
	if (!check(CHECK_HBA_HANDLE, task && task->task,
		   "%s: a task management answer for handle %llu", name,
		   (unsigned long long)answer->handle))
		return;
	check(CHECK_HBA_TASK_ECHO, answer->notify_handle == answer->handle + 1 &&
	      answer->notifyresult_handle == answer->handle + 2 &&
	      answer->tasktype == task->tasktype,
	      "%s: notify handles %llu and %llu of %llu", name,
	      (unsigned long long)answer->notify_handle,
	      (unsigned long long)answer->notifyresult_handle,
	      (unsigned long long)answer->handle);
	for (unsigned int i = 0; i < HBA_PENDING; i++) {
		const struct hba_command *other = hba->pending[i];

		covered |= other && !other->task && other->id == task->id &&
			   other->lun == task->lun && other->serial <= task->covered_until;
	}
	check(CHECK_HBA_TASK_ORDER, !covered, "%s: a covered command is still unanswered", name);
	hba_finish(hba, (unsigned int)answer->handle);
}

static void hba_drain(struct hba *hba)
{
	struct uiscmdrsp answer;

	while (!channel_remove(hba->channel, 1, &answer, sizeof(answer))) {
		switch (answer.cmdtype) {
		case CMD_SCSI_TYPE:
			hba_scsi_answer(hba, &answer.scsi);
			break;
		case CMD_SCSITASKMGMT_TYPE:
			hba_task_answer(hba, &answer.scsitaskmgmt);
			break;
		default:
			check(CHECK_HBA_HANDLE, answer.cmdtype == CMD_NOTIFYGUEST_TYPE,
			      "%s: a message of type %u", hba->device->name, answer.cmdtype);
			break;
		}
	}
}

static void *hba_main(void *arg)
{
	struct hba *hba = arg;
	struct timespec pause = { .tv_nsec = 2000000 };

	pthread_mutex_lock(&hba->lock);
	while (hba->thread_runs) {
		hba_drain(hba);
		pthread_mutex_unlock(&hba->lock);
		nanosleep(&pause, NULL);
		pthread_mutex_lock(&hba->lock);
	}
	/* The last look before it ends. */
	hba_drain(hba);
	pthread_mutex_unlock(&hba->lock);
	return NULL;
}

static int hba_thread_start(struct hba *hba)
{
	int ret;

	hba->thread_runs = true;
	ret = pthread_create(&hba->thread, NULL, hba_main, hba);
	if (ret)
		hba->thread_runs = false;
	return -ret;
}

static void hba_thread_stop(struct hba *hba)
{
	bool runs;

	pthread_mutex_lock(&hba->lock);
	runs = hba->thread_runs;
	hba->thread_runs = false;
	pthread_mutex_unlock(&hba->lock);
	if (runs)
		pthread_join(hba->thread, NULL);
}

/* ---- commands ----------------------------------------------------------------- */

static void hba_fill(const struct hba_command *command, unsigned int slot,
		     struct uiscmdrsp *signal)
{
	memset(signal, 0, sizeof(*signal));
	if (command->task) {
		signal->cmdtype = CMD_SCSITASKMGMT_TYPE;
		signal->scsitaskmgmt.tasktype = command->tasktype;
		signal->scsitaskmgmt.vdest.id = command->id;
		signal->scsitaskmgmt.vdest.lun = command->lun;
		signal->scsitaskmgmt.handle = slot;
		signal->scsitaskmgmt.notify_handle = slot + 1;
		signal->scsitaskmgmt.notifyresult_handle = slot + 2;
		return;
	}
	signal->cmdtype = CMD_SCSI_TYPE;
	signal->scsi.handle = slot;
	memcpy(signal->scsi.cmnd, command->cdb, sizeof(command->cdb));
	signal->scsi.bufflen = command->bufflen;
	signal->scsi.data_dir = command->direction;
	signal->scsi.vdest.id = command->id;
	signal->scsi.vdest.lun = command->lun;
	if (command->raw) {
		signal->scsi.guest_phys_entries = (uint16_t)command->raw;
		memcpy(signal->scsi.gpi_list, command->raw_list, sizeof(command->raw_list));
		return;
	}
	if (!command->data)
		return;
	signal->scsi.guest_phys_entries = (uint16_t)command->data->count;
	for (unsigned int i = 0; i < command->data->count; i++) {
		signal->scsi.gpi_list[i].address = command->data->pieces[i].gpa;
		signal->scsi.gpi_list[i].length = command->data->pieces[i].bytes;
	}
}

/* With the lock.  Return: the slot; -EBUSY if the command has to wait. */
static int hba_try(struct hba *hba, struct hba_command *command)
{
	struct uiscmdrsp signal;
	unsigned int slot = 0;

	if (hba->down)
		return -EBUSY;
	for (unsigned int i = 0; i < HBA_PENDING; i++) {
		slot = (hba->next_slot + i) % HBA_PENDING;
		if (!hba->pending[slot])
			break;
	}
	if (hba->pending[slot])
		return -EBUSY;
	hba_fill(command, slot, &signal);
	command->done = false;
	command->reset = false;
	command->covered_until = hba->serial;
	command->serial = ++hba->serial;
	hba->pending[slot] = command;
	hba->next_slot = (slot + 1) % HBA_PENDING;
	if (channel_insert(hba->channel, 0, &signal, sizeof(signal))) {
		hba->pending[slot] = NULL;
		return -EBUSY;
	}
	return (int)slot;
}

void hba_submit(struct hba *hba, struct hba_command *command)
{
	pthread_mutex_lock(&hba->lock);
	while (hba_try(hba, command) < 0) {
		pthread_mutex_unlock(&hba->lock);
		guest_sleep_ticks(1);
		pthread_mutex_lock(&hba->lock);
	}
	pthread_mutex_unlock(&hba->lock);
}

/* Return: was it answered, or reset, within so many seconds? */
static bool hba_wait_for(struct hba *hba, const struct hba_command *command,
			 unsigned int seconds)
{
	struct timespec end;
	int ret = 0;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += seconds;
	pthread_mutex_lock(&hba->lock);
	while (!command->done && !ret)
		ret = pthread_cond_timedwait(&hba->change, &hba->lock, &end);
	pthread_mutex_unlock(&hba->lock);
	return !ret;
}

static void hba_forget(struct hba *hba, const struct hba_command *command)
{
	pthread_mutex_lock(&hba->lock);
	for (unsigned int i = 0; i < HBA_PENDING; i++) {
		if (hba->pending[i] == command)
			hba->pending[i] = NULL;
	}
	pthread_mutex_unlock(&hba->lock);
}

int hba_task(struct hba *hba, uint32_t type, uint32_t id, uint32_t lun)
{
	struct hba_command task = { .id = id, .lun = lun, .task = true, .tasktype = type };
	uint64_t since;
	int ret;

	pthread_mutex_lock(&hba->lock);
	ret = hba_try(hba, &task);
	pthread_mutex_unlock(&hba->lock);
	if (!check(CHECK_HBA_ROOM, ret >= 0, "%s: no room for task management",
		   hba->device->name))
		return -EBUSY;
	since = guest_ms();
	if (!check(CHECK_HBA_TASK_PROMPT, hba_wait_for(hba, &task, HBA_TASK_SECONDS),
		   "%s: no answer to task %u after %llu ms", hba->device->name, type,
		   (unsigned long long)(guest_ms() - since))) {
		hba_forget(hba, &task);
		return -ETIMEDOUT;
	}
	return 0;
}

/* A command that Linux gave up: abort, LUN reset, TEST UNIT READY, the end. */
static int hba_recover(struct hba *hba, struct hba_command *command)
{
	struct hba_command ready = {
		.id = command->id, .lun = command->lun, .direction = UIS_DMA_NONE,
	};

	check(CHECK_HBA_HANDLE, false, "%s: command 0x%02x unanswered for %u s",
	      hba->device->name, command->cdb[0], HBA_COMMAND_SECONDS);
	if (!hba_task(hba, TASK_MGMT_ABORT_TASK, command->id, command->lun) && command->done)
		return 0;
	if (!hba_task(hba, TASK_MGMT_LUN_RESET, command->id, command->lun)) {
		hba_submit(hba, &ready);
		check(CHECK_HBA_TASK_PROMPT, hba_wait_for(hba, &ready, HBA_TUR_SECONDS),
		      "%s: no answer to TEST UNIT READY after a reset", hba->device->name);
		hba_forget(hba, &ready);
	}
	hba_forget(hba, command);
	return command->done ? 0 : -ETIMEDOUT;
}

int hba_wait(struct hba *hba, struct hba_command *command)
{
	for (;;) {
		if (!hba_wait_for(hba, command, HBA_COMMAND_SECONDS))
			return hba_recover(hba, command);
		if (!command->reset)
			return 0;
		hba_submit(hba, command);
	}
}

static bool hba_wants_retry(const struct hba_command *command)
{
	uint32_t host = command->linuxstat >> 16 & 0xff;
	uint32_t status = command->linuxstat & 0xff;

	if (host == UIS_HOST_RESET || host == UIS_HOST_IMM_RETRY || host == UIS_HOST_REQUEUE)
		return true;
	if (status == 8 || status == 40)
		return true;
	return status == 2 && (command->sense[2] & 0x0f) == 6;
}

int hba_execute(struct hba *hba, struct hba_command *command)
{
	int ret;

	for (unsigned int i = 0; ; i++) {
		hba_submit(hba, command);
		ret = hba_wait(hba, command);
		if (ret < 0 || !hba_wants_retry(command) || i == HBA_RETRIES)
			return ret;
	}
}

/* ---- driver --------------------------------------------------------------------- */

unsigned int hba_most_entries(const struct hba *hba)
{
	uint32_t entries = (uint16_t)(hba->max.max_io_size / RAM_PAGE);

	return entries < MAX_PHYS_INFO ? entries : MAX_PHYS_INFO;
}

uint32_t hba_most_bytes(const struct hba *hba)
{
	return (uint32_t)(uint16_t)(hba->max.max_io_size / 512) * 512;
}

static bool hba_check_channel(struct hba *hba)
{
	const struct visor_io_channel *fixed = (void *)hba->channel->memory;
	const char *name = hba->device->name;
	uint32_t slots;
	bool ok = true;

	for (unsigned int i = 0; i < 2; i++)
		ok = ok && channel_check_queue(hba->channel, i, VISOR_IO_SIGNAL_BYTES,
					       VISOR_IO_SLOT_BYTES);
	if (!ok)
		return false;
	memcpy(&hba->max, &fixed->vhba.max, sizeof(hba->max));
	check(CHECK_HBA_LIMITS, hba->max.max_io_size >= 4096 &&
	      hba->max.max_io_size <= 33553920 && hba->max.max_id && hba->max.max_lun &&
	      hba->max.cmd_per_lun <= 32767,
	      "%s: max_io_size %u, max_id %u, max_lun %u, cmd_per_lun %u", name,
	      hba->max.max_io_size, hba->max.max_id, hba->max.max_lun, hba->max.cmd_per_lun);
	slots = channel_slots(hba->channel, 0);
	check(CHECK_HBA_ROOM, slots > hba->max.cmd_per_lun + 1 &&
	      hba->max.cmd_per_lun < HBA_PENDING,
	      "%s: %u commands per LUN, %u slots", name, hba->max.cmd_per_lun, slots);
	check(CHECK_HBA_STALE, channel_is_empty(hba->channel, 1),
	      "%s: the response ring is not empty at probe", name);
	return true;
}

static void hba_set_feature(struct hba *hba)
{
	uint64_t *features = (uint64_t *)(void *)(hba->channel->memory +
		offsetof(struct channel_header, features));

	/* A plain read, OR and write, as the driver does. */
	*(volatile uint64_t *)features = *(volatile uint64_t *)features |
		VISOR_CHANNEL_IS_POLLING;
}

static int hba_probe(struct device *device)
{
	struct hba *hba = calloc(1, sizeof(*hba));
	int ret = -EINVAL;

	if (!hba)
		return -ENOMEM;
	hba->device = device;
	hba->channel = &device->channel;
	pthread_mutex_init(&hba->lock, NULL);
	pthread_cond_init(&hba->change, NULL);
	if (hba_check_channel(hba)) {
		hba_set_feature(hba);
		ret = hba_thread_start(hba);
	}
	if (!ret)
		ret = hba_scan(hba);
	if (ret) {
		hba_thread_stop(hba);
		free(hba);
		return ret;
	}
	device->hba = hba;
	return 0;
}

/* With the lock: everything comes back, and is to be sent again. */
static void hba_reset_pending(struct hba *hba)
{
	for (unsigned int i = 0; i < HBA_PENDING; i++) {
		if (!hba->pending[i])
			continue;
		hba->pending[i]->reset = !hba->pending[i]->task;
		hba_finish(hba, i);
	}
}

static int hba_pause(struct device *device)
{
	struct hba *hba = device->hba;

	if (hba->down)
		return 0;
	pthread_mutex_lock(&hba->lock);
	hba->down = true;
	pthread_mutex_unlock(&hba->lock);
	hba_thread_stop(hba);
	pthread_mutex_lock(&hba->lock);
	hba_reset_pending(hba);
	pthread_mutex_unlock(&hba->lock);
	return 0;
}

static int hba_resume(struct device *device)
{
	struct hba *hba = device->hba;
	int ret;

	if (!hba->down)
		return DRIVER_SILENT;
	check(CHECK_HBA_STALE, channel_is_empty(hba->channel, 1),
	      "%s: the response ring is not empty at resume", device->name);
	channel_restart(hba->channel, CHANNEL_DEVICE_QUEUES, CHANNEL_DEVICE_PRODUCED);
	ret = hba_thread_start(hba);
	if (ret < 0)
		return ret;
	pthread_mutex_lock(&hba->lock);
	hba->down = false;
	pthread_mutex_unlock(&hba->lock);
	return DRIVER_SILENT;
}

static void hba_remove(struct device *device)
{
	struct hba *hba = device->hba;
	bool busy = false;

	check(CHECK_HBA_RESUME, !hba->down, "%s is destroyed in standby", device->name);
	hba_thread_stop(hba);
	pthread_mutex_lock(&hba->lock);
	for (unsigned int i = 0; i < HBA_PENDING; i++)
		busy |= hba->pending[i] != NULL;
	check(CHECK_HBA_WRITE_THROUGH, !busy, "%s is destroyed while commands are under way",
	      device->name);
	hba_reset_pending(hba);
	hba->down = true;
	pthread_mutex_unlock(&hba->lock);
}

const struct driver hba_driver = {
	.type = VISOR_VHBA_CHANNEL_GUID,
	.version = VISOR_VHBA_CHANNEL_VERSION,
	.devtype = "sparvhba",
	.name = "visorhba",
	.probe = hba_probe,
	.remove = hba_remove,
	.pause = hba_pause,
	.resume = hba_resume,
};
