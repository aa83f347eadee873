// SPDX-License-Identifier: GPL-2.0-only
/*
 * recover.c - time-outs, task management, resets, faults, an absent server
 *
 * DOC: Theory of Operation
 *
 * No server is not an error.  While the host is paused a command that times
 * out gets a new timer, and error handlers wait, as long as the module
 * parameter absent_timeout allows: for ever by default.  When that time is
 * over everything that waits is ended with DID_TRANSPORT_FAILFAST (which a
 * multipath layer takes as "try another path"), and so is what comes later,
 * until the server is back.
 *
 * With a server, the SCSI layer's steps are: abort, LUN reset, target reset,
 * bus reset, host reset.  The first four are one task management request.
 * s-Par's abort names a LUN and means every command of it; the service answers
 * the commands covered first, then the request.  A handler says SUCCESS only
 * if the commands have indeed been answered: as long as the service may hold a
 * tag's area it must not be used again.  The last step is a new attach, which
 * needs no cooperation beyond ending all I/O.
 *
 * A task management request that meets a generation change is sent again, like
 * commands.
 *
 * With guest-physical addresses what was sent is ended by an answer or by the
 * confirmation of a new attach (of a service of s-Par: by a resume) and by nothing
 * else: absent_timeout ends only what was not sent, and the last step of error
 * handling waits for the confirmation.  To fail a command before that, and keep its
 * pages, is no way out: they are its sender's, who would change them while the service
 * writes them to the disk, or reads into them.
 *
 * Failure behaviour: a host whose server cannot be reached while the driver is
 * being removed, or whose window is gone, ends everything with DID_NO_CONNECT.
 */
#include <linux/jiffies.h>
#include <linux/moduleparam.h>

#include "visorhba.h"

#define VISORHBA_TMF_SECONDS		45	/* the service answers within 40 */
#define VISORHBA_ATTACH_SECONDS		60

static unsigned int absent_timeout;
module_param(absent_timeout, uint, 0644);
MODULE_PARM_DESC(absent_timeout,
		 "seconds that I/O waits for an absent disk service before it fails (0: for ever, the default)");

/**
 * visorhba_absent_jiffies() - how long an absent server is waited for
 */
unsigned long visorhba_absent_jiffies(void)
{
	unsigned int seconds = READ_ONCE(absent_timeout);

	if (!seconds || seconds >= MAX_SCHEDULE_TIMEOUT / HZ)
		return MAX_SCHEDULE_TIMEOUT;
	return (unsigned long)seconds * HZ;
}

/**
 * visorhba_set_state() - change the host's state
 * @hba: the host; @hba->control is held
 * @state: the new state
 *
 * Nobody is between looking at the old state and sending when it returns.
 */
void visorhba_set_state(struct visorhba *hba, enum visorhba_state state)
{
	unsigned int i;

	lockdep_assert_held(&hba->control);
	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		spin_lock(&q->lock);
		WRITE_ONCE(hba->state, state);
		spin_unlock(&q->lock);
	}
	wake_up_all(&hba->wait);
}

/**
 * visorhba_fail() - stop, and end everything that waits and may be ended
 * @hba: the host; @hba->control is held
 * @state: VISORHBA_FAILED, _FAULTED or _GONE
 * @host_byte: DID_* for the unanswered commands
 *
 * Context: process, sleeps.
 */
void visorhba_fail(struct visorhba *hba, enum visorhba_state state,
		   u8 host_byte)
{
	struct visorhba_queue *q = hba->queues;

	visorhba_set_state(hba, state);
	if (!hba->physical || state == VISORHBA_GONE)
		visorhba_end_all(hba, host_byte, false);

	visorhba_queue_own(q);
	if (hba->tmf.id) {
		WRITE_ONCE(hba->tmf.id, 0);
		hba->tmf.result = TASK_MGMT_FAILED;
		complete(&hba->tmf.done);
	}
	visorhba_queue_disown(q);

	visorhba_unblock(hba);
}

/**
 * visorhba_unblock() - let blk-mq send again
 * @hba: the host; @hba->control is held
 */
void visorhba_unblock(struct visorhba *hba)
{
	if (hba->blocked) {
		hba->blocked = false;
		scsi_unblock_requests(hba->shost);
	}
}

/**
 * visorhba_fault() - the server broke the protocol
 * @hba: the host
 * @why: what it did
 *
 * Context: any.
 */
void visorhba_fault(struct visorhba *hba, const char *why)
{
	WRITE_ONCE(hba->faulted, true);
	visorbus_device_fault(hba->dev, why);
	queue_work(visorhba_wq, &hba->fail_work);
}

/**
 * visorhba_fail_work() - the part of a fault that sleeps
 * @work: of the host
 */
void visorhba_fail_work(struct work_struct *work)
{
	struct visorhba *hba = container_of(work, struct visorhba, fail_work);

	mutex_lock(&hba->control);
	if (READ_ONCE(hba->faulted) && hba->state != VISORHBA_GONE)
		visorhba_fail(hba, VISORHBA_FAULTED, DID_ERROR);
	mutex_unlock(&hba->control);
}

/**
 * visorhba_absent_work() - the server was absent for too long
 * @work: of the host
 */
void visorhba_absent_work(struct work_struct *work)
{
	struct visorhba *hba = container_of(to_delayed_work(work),
					    struct visorhba, absent_work);

	mutex_lock(&hba->control);
	if (hba->state == VISORHBA_PAUSED) {
		dev_warn(&hba->dev->device,
			 "no disk service for too long: failing I/O until it is back (absent_timeout is %u s)\n",
			 absent_timeout);
		visorhba_fail(hba, VISORHBA_FAILED, DID_TRANSPORT_FAILFAST);
	}
	mutex_unlock(&hba->control);
}

/**
 * visorhba_timed_out() - a command's timer has run out
 * @cmd: the command
 */
enum scsi_timeout_action visorhba_timed_out(struct scsi_cmnd *cmd)
{
	struct visorhba *hba = visorhba_of(cmd->device->host);
	enum visorhba_state state = READ_ONCE(hba->state);

	if (!READ_ONCE(hba->removing) && (state == VISORHBA_PAUSED ||
	    (hba->physical && state == VISORHBA_FAILED)))
		return SCSI_EH_RESET_TIMER;
	/* What was sent again has all of its time again. */
	if (READ_ONCE(hba->resumes) &&
	    time_before(jiffies, READ_ONCE(hba->resumed) +
			scsi_cmd_to_rq(cmd)->timeout))
		return SCSI_EH_RESET_TIMER;
	return SCSI_EH_NOT_HANDLED;
}

/**
 * visorhba_wait_server() - wait for a host to be something else than paused
 * @hba: the host
 *
 * As long as an absent server is waited for at all, and only shortly when the
 * driver is being removed.
 *
 * Context: process, sleeps.
 * Return: whether it is.
 */
bool visorhba_wait_server(struct visorhba *hba)
{
	long left;

	if (!READ_ONCE(hba->removing)) {
		left = wait_event_idle_timeout(hba->wait,
					       READ_ONCE(hba->removing) ||
					       READ_ONCE(hba->state) !=
					       VISORHBA_PAUSED,
					       visorhba_absent_jiffies());
		if (!READ_ONCE(hba->removing))
			return left;
	}
	return wait_event_idle_timeout(hba->wait, READ_ONCE(hba->state) !=
				       VISORHBA_PAUSED,
				       VISORHBA_REMOVE_SECONDS * HZ);
}

/*
 * Sends one task management request and waits for its answer; time without a
 * server does not count.  Returns 0, -EIO if the service refused, -ETIMEDOUT,
 * -ENODEV without a server.
 */
static int visorhba_manage(struct visorhba *hba, u32 type, u32 target, u32 lun)
{
	unsigned long timeout;
	int rc;

	mutex_lock(&hba->tmf_mutex);
	hba->tmf.type = type;
	hba->tmf.target = target;
	hba->tmf.lun = lun;
	hba->tmf.result = TASK_MGMT_FAILED;
	reinit_completion(&hba->tmf.done);

	do {
		if (!visorhba_wait_server(hba) ||
		    READ_ONCE(hba->state) != VISORHBA_RUNNING) {
			rc = -ENODEV;
			goto out;
		}
		rc = visorhba_send_tmf(hba);
	} while (rc == -EBUSY);
	if (rc)
		goto out;

	timeout = hba->removing ? VISORHBA_REMOVE_SECONDS :
		VISORHBA_TMF_SECONDS;
	while (!wait_for_completion_timeout(&hba->tmf.done, timeout * HZ)) {
		if (READ_ONCE(hba->state) == VISORHBA_PAUSED &&
		    visorhba_wait_server(hba))
			continue;
		rc = -ETIMEDOUT;
		hba->tmf_timeouts++;
		break;
	}
	if (!rc && hba->tmf.result != TASK_MGMT_SUCCESS)
		rc = -EIO;
out:
	/* From here on a late answer finds nothing. */
	visorhba_queue_own(hba->queues);
	WRITE_ONCE(hba->tmf.id, 0);
	visorhba_queue_disown(hba->queues);
	mutex_unlock(&hba->tmf_mutex);
	return rc;
}

#define VISORHBA_ANY ~0U

/* Are all commands of a target and LUN out of the service's hands? */
static bool visorhba_answered(struct visorhba *hba, u32 target, u32 lun)
{
	bool answered = true;
	unsigned int i, tag;

	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		visorhba_queue_own(q);
		for (tag = 0; tag < hba->tags; tag++) {
			struct visorhba_entry *entry = &hba->table[tag];
			struct scsi_device *sdev;

			if (!entry->id || entry->queue != i)
				continue;
			sdev = entry->cmd->device;
			if ((target == VISORHBA_ANY || sdev->id == target) &&
			    (lun == VISORHBA_ANY ||
			     visorhba_lun_to_wire(sdev->lun) == lun))
				answered = false;
		}
		visorhba_queue_disown(q);
	}
	return answered;
}

/* Resets come from ioctls too, while the host is being removed. */
static bool visorhba_handler_begin(struct visorhba *hba)
{
	down_read(&hba->handlers);
	if (!hba->ended)
		return true;
	up_read(&hba->handlers);
	return false;
}

static void visorhba_handler_end(struct visorhba *hba)
{
	up_read(&hba->handlers);
}

static int visorhba_reset(struct scsi_cmnd *cmd, u32 type, u32 target, u32 lun)
{
	struct visorhba *hba = visorhba_of(cmd->device->host);
	bool answered;
	int rc;

	if (!visorhba_handler_begin(hba))
		return FAILED;
	hba->resets++;
	rc = visorhba_manage(hba, type,
			     target == VISORHBA_ANY ? 0 : target,
			     lun == VISORHBA_ANY ? 0 : lun);
	answered = !rc && visorhba_answered(hba, target, lun);
	visorhba_handler_end(hba);
	if (rc)
		sdev_printk(KERN_WARNING, cmd->device,
			    "task management %u not done: %d\n", type, rc);
	return answered ? SUCCESS : FAILED;
}

/**
 * visorhba_abort() - eh_abort_handler
 * @cmd: the command
 */
int visorhba_abort(struct scsi_cmnd *cmd)
{
	struct visorhba *hba = visorhba_of(cmd->device->host);
	u32 lun = visorhba_lun_to_wire(cmd->device->lun);
	unsigned int tag = scsi_cmd_to_rq(cmd)->tag;
	struct visorhba_entry *entry;
	struct visorhba_queue *q;
	bool answered;
	int pass;

	hba->aborts++;
	if (tag >= hba->tags)
		return FAILED;
	entry = &hba->table[tag];
	for (pass = 0;; pass++) {
		q = &hba->queues[entry->queue];
		visorhba_queue_own(q);
		answered = !entry->id || entry->cmd != cmd;
		visorhba_queue_disown(q);
		if (answered)
			return SUCCESS;
		if (pass || visorhba_manage(hba, TASK_MGMT_ABORT_TASK,
					    cmd->device->id, lun))
			return FAILED;
	}
}

/**
 * visorhba_device_reset() - eh_device_reset_handler
 * @cmd: names the LUN
 */
int visorhba_device_reset(struct scsi_cmnd *cmd)
{
	return visorhba_reset(cmd, TASK_MGMT_LUN_RESET, cmd->device->id,
			      visorhba_lun_to_wire(cmd->device->lun));
}

/**
 * visorhba_target_reset() - eh_target_reset_handler
 * @cmd: names the target
 */
int visorhba_target_reset(struct scsi_cmnd *cmd)
{
	return visorhba_reset(cmd, TASK_MGMT_TARGET_RESET, cmd->device->id,
			      VISORHBA_ANY);
}

/**
 * visorhba_bus_reset() - eh_bus_reset_handler
 * @cmd: names the host
 */
int visorhba_bus_reset(struct scsi_cmnd *cmd)
{
	return visorhba_reset(cmd, TASK_MGMT_BUS_RESET, VISORHBA_ANY,
			      VISORHBA_ANY);
}

static bool visorhba_over(struct visorhba *hba)
{
	return READ_ONCE(hba->removing) || visorbus_device_gone(hba->dev) ||
	       READ_ONCE(hba->state) == VISORHBA_GONE ||
	       READ_ONCE(hba->state) == VISORHBA_RUNNING;
}

/* The bus goes on trying; who looks now and then notices a window that has gone. */
static void visorhba_wait_confirmed(struct visorhba *hba)
{
	while (!wait_event_idle_timeout(hba->wait, visorhba_over(hba), HZ))
		continue;
}

/*
 * Whatever the outcome, no command is in the table afterwards, so that the
 * SCSI layer may do as it likes with them.
 */
static int visorhba_attach_anew(struct visorhba *hba)
{
	int rc = -ENODEV;

	hba->host_resets++;
	if (!hba->removing) {
		WRITE_ONCE(hba->forget, true);
		rc = visorbus_device_reset(hba->dev,
					   VISORHBA_ATTACH_SECONDS * HZ);
		/* It is still tried; the time until then is the policy's. */
		if (rc == -ETIMEDOUT && !hba->physical)
			visorhba_wait_server(hba);
		else if (rc == -ETIMEDOUT)
			visorhba_wait_confirmed(hba);
	}

	mutex_lock(&hba->control);
	WRITE_ONCE(hba->forget, false);
	if (hba->state == VISORHBA_RUNNING && !hba->removing &&
	    (!rc || rc == -ETIMEDOUT) &&
	    visorhba_answered(hba, VISORHBA_ANY, VISORHBA_ANY)) {
		mutex_unlock(&hba->control);
		return SUCCESS;
	}
	/* Nobody will confirm: what the service may still use is left to the bus. */
	if (hba->removing || rc == -ENODEV || visorbus_device_gone(hba->dev))
		visorhba_fail(hba, VISORHBA_GONE, DID_NO_CONNECT);
	else if (hba->state == VISORHBA_RUNNING)
		visorhba_fail(hba, VISORHBA_FAULTED, DID_ERROR);
	else
		visorhba_fail(hba, hba->state == VISORHBA_PAUSED ?
			      VISORHBA_FAILED : hba->state,
			      DID_TRANSPORT_FAILFAST);
	mutex_unlock(&hba->control);
	return FAST_IO_FAIL;
}

/**
 * visorhba_host_reset() - eh_host_reset_handler: attach anew
 * @cmd: names the host
 */
int visorhba_host_reset(struct scsi_cmnd *cmd)
{
	struct visorhba *hba = visorhba_of(cmd->device->host);
	int result = FAST_IO_FAIL;

	if (visorhba_handler_begin(hba)) {
		result = visorhba_attach_anew(hba);
		visorhba_handler_end(hba);
	}
	return result;
}
