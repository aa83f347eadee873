// SPDX-License-Identifier: GPL-2.0-only
/*
 * state.c - pause, resume, generation changes and faults of devices
 *
 * DOC: Theory of Operation
 *
 * A device with a driver is in one of these states, under its callback_lock:
 *
 *   DETACHED --attach--> LIVE --quiesce--> RAISED --confirmed--> LIVE
 *                          |                  ^
 *                          |--pause-------> STANDBY --resume--> RAISED
 *                          `--fault-------> FAULTED --reset---> RAISED
 *
 * To quiesce is: the driver's pause, one drain of what was answered, then no
 * more interrupt callbacks.  In RAISED the epoch has been raised and the
 * confirmation is awaited, for as long as it takes: nothing sleeps meanwhile,
 * the doorbell that announces it (or the device's timer) runs the work again.
 * A generation that changes while RAISED raises again, for the new server.
 *
 * A fault, noticed by the driver or told by the server, stops one channel.
 * A reset (asked for by the driver's error handler) or a new generation brings
 * it back, with a new incarnation.
 *
 * Until a driver has enabled channel interrupts none of its callbacks is
 * called, and what happens to the device is seen to when it does so.
 *
 * Failure behaviour: a driver that cannot pause is removed and probed again.
 */
#include <linux/slab.h>

#include "visorbus_private.h"
#include "visorbus_trace.h"

static const char * const state_names[] = {
	[VISOR_STATE_DETACHED] = "detached",
	[VISOR_STATE_LIVE] = "live",
	[VISOR_STATE_RAISED] = "attaching",
	[VISOR_STATE_STANDBY] = "standby",
	[VISOR_STATE_FAULTED] = "faulted",
};

const char *visor_state_name(enum visor_state state)
{
	return state_names[state];
}

/**
 * visor_state_set() - change a device's state
 * @dev: the device
 * @state: new state
 *
 * Context: callback_lock is held.
 */
void visor_state_set(struct visor_device *dev, enum visor_state state)
{
	struct visor_device_private *priv = dev->priv;

	lockdep_assert_held(&priv->callback_lock);
	if (priv->state == state)
		return;
	trace_visorbus_state(dev->chipset_bus_no, dev->chipset_dev_no,
			     state_names[priv->state], state_names[state]);
	WRITE_ONCE(priv->state, state);
	wake_up(&priv->wait);
}

/**
 * visor_state_answer() - answer a change of state, if somebody asked
 * @dev: the device
 * @request: the command, consumed; may be NULL
 * @status: CONTROLVM_RESP_*
 */
void visor_state_answer(struct visor_device *dev,
			struct visor_request *request, int status)
{
	union controlvm_packet packet;

	if (!request)
		return;
	memset(&packet, 0, sizeof(packet));
	packet.device_change_state.bus_no = dev->chipset_bus_no;
	packet.device_change_state.dev_no = dev->chipset_dev_no;
	packet.device_change_state.state =
		request->msg.cmd.device_change_state.state;
	visor_control_respond(request, status, status ? NULL : &packet);
}

/* ---- what the driver does ------------------------------------------------- */

static void state_complete(struct visor_device *dev, int status)
{
	dev->priv->state_status = status;
	complete(&dev->priv->state_done);
}

typedef int (*state_callback)(struct visor_device *dev,
			      visorbus_state_complete_func complete_func);

static int state_call(struct visor_device *dev, state_callback callback)
{
	struct visor_device_private *priv = dev->priv;
	int error;

	if (!callback)
		return -EOPNOTSUPP;
	reinit_completion(&priv->state_done);
	error = callback(dev, state_complete);
	if (error)
		return error;
	if (!wait_for_completion_timeout(&priv->state_done,
					 VISOR_STATE_TIMEOUT))
		return -ETIMEDOUT;
	return priv->state_status;
}

/**
 * visor_state_quiesce() - stop a driver, take what was answered
 * @dev: a live device whose driver has enabled interrupts
 *
 * Context: callback_lock is held.
 * Return: 0, or why the driver could not.
 */
int visor_state_quiesce(struct visor_device *dev)
{
	int error = state_call(dev, dev->priv->drv->pause);

	if (error)
		return error;
	visor_interrupt_drain(dev);
	visor_interrupt_gate(dev, true);
	return 0;
}

/* The driver cannot go on with this channel: remove it, then probe again. */
static void state_rebind(struct visor_device *dev, const char *what, int error)
{
	dev_warn(&dev->device, "driver %s cannot %s (%d), it is removed and probed again\n",
		 dev->priv->drv->name, what, error);
	set_bit(VISOR_DEV_REBIND, &dev->priv->flags);
}

static void state_raise(struct visor_device *dev, bool new_incarnation)
{
	struct visorchannel *channel = dev->visorchannel;
	struct visor_device_private *priv = dev->priv;

	/* Pause may have found the rings broken. */
	if (new_incarnation || test_bit(VISOR_DEV_FAULT, &priv->flags)) {
		channel->incarnation = 0;
		clear_bit(VISOR_DEV_RESET, &priv->flags);
		clear_bit(VISOR_DEV_FAULT, &priv->flags);
		priv->fault[0] = '\0';
		priv->reset_raised = true;
	}
	visor_state_set(dev, VISOR_STATE_RAISED);
	visorchannel_raise(channel);
}

static void state_fault(struct visor_device *dev, u32 reason)
{
	struct visor_device_private *priv = dev->priv;

	if (reason) {
		snprintf(priv->fault, sizeof(priv->fault),
			 "stopped by the server, reason %u", reason);
		dev_err(&dev->device, "channel %s\n", priv->fault);
	}
	if (visor_state_quiesce(dev))
		visor_interrupt_gate(dev, true);
	visor_state_set(dev, VISOR_STATE_FAULTED);
}

/* The server has confirmed: go on. */
static void state_confirmed(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	int error;

	error = visorchannel_attached(dev->visorchannel);
	if (error) {
		strscpy(priv->fault, "queues are not valid",
			sizeof(priv->fault));
		dev_err(&dev->device, "channel cannot be used: %s\n",
			priv->fault);
		visor_state_set(dev, VISOR_STATE_FAULTED);
		goto answer;
	}
	visor_bus_write_device_info(dev);
	atomic64_inc(&priv->reattaches);
	visor_state_set(dev, VISOR_STATE_LIVE);
	visor_interrupt_gate(dev, false);
	error = state_call(dev, priv->drv->resume);
	if (error)
		state_rebind(dev, "resume", error);
	else
		visor_interrupt_drain(dev);
	if (priv->reset_raised) {
		priv->reset_raised = false;
		WRITE_ONCE(priv->resets, priv->resets + 1);
		wake_up(&priv->wait);
	}
answer:
	visor_state_answer(dev, priv->resume_request, error ?
			   CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR : 0);
	priv->resume_request = NULL;
}

/* ---- what happens by itself --------------------------------------------------- */

static bool state_new_generation(struct visor_device *dev)
{
	return visorchannel_server_generation(dev->visorchannel) !=
	       dev->visorchannel->generation;
}

/**
 * visor_state_needs_look() - is there anything for the state work to do?
 * @dev: the device
 *
 * Context: any, without locks: a hint.
 */
bool visor_state_needs_look(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;

	if (READ_ONCE(priv->state) == VISOR_STATE_DETACHED)
		return test_bit(VISOR_DEV_QUARANTINE, &priv->flags) &&
		       channel->epoch &&
		       visorchannel_poll(channel) != VISOR_ATTACH_WAITING;
	if (!channel->has_ext || READ_ONCE(channel->window->gone) ||
	    !test_bit(VISOR_DEV_ENABLED, &priv->flags))
		return false;
	switch (READ_ONCE(priv->state)) {
	case VISOR_STATE_LIVE:
		return test_bit(VISOR_DEV_FAULT, &priv->flags) ||
		       test_bit(VISOR_DEV_RESET, &priv->flags) ||
		       state_new_generation(dev) ||
		       visorchannel_server_fault(channel);
	case VISOR_STATE_RAISED:
		return test_bit(VISOR_DEV_RESET, &priv->flags) ||
		       visorchannel_poll(channel) != VISOR_ATTACH_WAITING;
	case VISOR_STATE_FAULTED:
		return test_bit(VISOR_DEV_RESET, &priv->flags) ||
		       state_new_generation(dev);
	default:
		return false;
	}
}

static void state_look_live(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	u32 reason = visorchannel_server_fault(dev->visorchannel);
	bool reset = test_bit(VISOR_DEV_RESET, &priv->flags);
	int error;

	if (!reset && !state_new_generation(dev)) {
		if (reason || test_bit(VISOR_DEV_FAULT, &priv->flags))
			state_fault(dev, reason);
		return;
	}
	error = visor_state_quiesce(dev);
	if (error)
		state_rebind(dev, "pause", error);
	else
		state_raise(dev, reset || reason);
}

static void state_look_raised(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;

	if (test_bit(VISOR_DEV_RESET, &priv->flags)) {
		state_raise(dev, true);
		return;
	}
	switch (visorchannel_poll(dev->visorchannel)) {
	case VISOR_ATTACH_CONFIRMED:
		state_confirmed(dev);
		break;
	case VISOR_ATTACH_OUTDATED:
		state_raise(dev, false);
		break;
	default:
		break;
	}
}

/* No driver, and the server has not confirmed its detach until now. */
static void state_look_detached(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	enum visor_attach where = visorchannel_poll(channel);

	if (where == VISOR_ATTACH_WAITING)
		return;
	if (where == VISOR_ATTACH_OUTDATED) {
		/* A successor: it has to be told, too. */
		visorchannel_raise_detached(channel);
		return;
	}
	/* A window that has gone has ended nothing. */
	if (where == VISOR_ATTACH_GONE)
		visor_memory_lose(channel->window, &priv->pool.held);
	clear_bit(VISOR_DEV_QUARANTINE, &priv->flags);
	visor_pool_free_areas(channel->window, &priv->pool);
	if (test_and_clear_bit(VISOR_DEV_RETRY, &priv->flags))
		visor_device_look_for_driver(dev);
}

static void state_look(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;

	if (!visor_state_needs_look(dev) ||
	    test_bit(VISOR_DEV_REBIND, &priv->flags))
		return;
	switch (priv->state) {
	case VISOR_STATE_DETACHED:
		state_look_detached(dev);
		break;
	case VISOR_STATE_LIVE:
		state_look_live(dev);
		break;
	case VISOR_STATE_RAISED:
		state_look_raised(dev);
		break;
	case VISOR_STATE_FAULTED:
		state_raise(dev, true);
		break;
	default:
		break;
	}
}

/* ---- what the administrator asks for --------------------------------------------- */

static int state_pause(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	int error = 0;

	visor_state_answer(dev, priv->resume_request,
			   CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR);
	priv->resume_request = NULL;
	if (priv->state == VISOR_STATE_DETACHED ||
	    priv->state == VISOR_STATE_STANDBY)
		goto paused;
	if (!test_bit(VISOR_DEV_ENABLED, &priv->flags) ||
	    test_bit(VISOR_DEV_REBIND, &priv->flags))
		return -EBUSY;
	if (priv->state == VISOR_STATE_LIVE)
		error = visor_state_quiesce(dev);
	if (error)
		return error;
	visor_state_set(dev, VISOR_STATE_STANDBY);
paused:
	set_bit(VISOR_DEV_STANDBY, &priv->flags);
	return 0;
}

/* Takes the request over if it can only be answered later. */
static int state_resume(struct visor_device *dev,
			struct visor_request **request)
{
	struct visor_device_private *priv = dev->priv;

	clear_bit(VISOR_DEV_STANDBY, &priv->flags);
	if (priv->state == VISOR_STATE_DETACHED) {
		visor_device_look_for_driver(dev);
		return 0;
	}
	if (priv->state != VISOR_STATE_STANDBY)
		return 0;
	priv->resume_request = *request;
	*request = NULL;
	if (dev->visorchannel->has_ext) {
		state_raise(dev, visorchannel_server_fault(dev->visorchannel));
	} else {
		visor_state_set(dev, VISOR_STATE_RAISED);
		state_confirmed(dev);
	}
	return 0;
}

static struct visor_op *state_next_op(struct visor_device_private *priv)
{
	struct visor_op *op;

	spin_lock_irq(&priv->ops_lock);
	op = list_first_entry_or_null(&priv->ops, struct visor_op, node);
	if (op) {
		list_del(&op->node);
		priv->ops_count--;
	}
	spin_unlock_irq(&priv->ops_lock);
	return op;
}

static void state_run_op(struct visor_device *dev, struct visor_op *op)
{
	int error;

	if (op->type == VISOR_OP_PAUSE)
		error = state_pause(dev);
	else
		error = state_resume(dev, &op->request);
	visor_state_answer(dev, op->request, error ?
			   CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR : 0);
	kfree(op);
}

static void state_work(struct work_struct *work)
{
	struct visor_device_private *priv =
		container_of(work, struct visor_device_private, state_work);
	struct visor_device *dev = priv->dev;
	struct visor_op *op;
	bool rebind;

	mutex_lock(&priv->callback_lock);
	while ((op = state_next_op(priv)))
		state_run_op(dev, op);
	state_look(dev);
	rebind = test_bit(VISOR_DEV_REBIND, &priv->flags);
	mutex_unlock(&priv->callback_lock);
	if (rebind)
		visor_device_look_for_driver(dev);
	put_device(&dev->device);
}

/**
 * visor_state_kick() - let the state work have a look
 * @dev: the device
 *
 * Context: any.
 */
void visor_state_kick(struct visor_device *dev)
{
	get_device(&dev->device);
	if (!queue_work(visorbus_wq, &dev->priv->state_work))
		put_device(&dev->device);
}

/**
 * visor_state_queue() - do an administrative change of state
 * @dev: the device
 * @type: which
 * @request: the command, consumed, answered when it is done
 */
void visor_state_queue(struct visor_device *dev, enum visor_op_type type,
		       struct visor_request *request)
{
	struct visor_device_private *priv = dev->priv;
	struct visor_op *op = kzalloc(sizeof(*op), GFP_KERNEL);

	if (!op) {
		visor_control_respond(request, CONTROLVM_RESP_KMALLOC_FAILED,
				      NULL);
		return;
	}
	op->type = type;
	op->request = request;
	spin_lock_irq(&priv->ops_lock);
	if (priv->ops_count < VISOR_OPS_MAX &&
	    !test_bit(VISOR_DEV_DYING, &priv->flags)) {
		list_add_tail(&op->node, &priv->ops);
		priv->ops_count++;
		op = NULL;
	}
	spin_unlock_irq(&priv->ops_lock);
	if (op) {
		visor_control_respond(request,
				      CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR,
				      NULL);
		kfree(op);
		return;
	}
	visor_state_kick(dev);
}

/**
 * visor_state_flush() - end the state work of a device that is going away
 * @dev: marked as dying, its interrupts are off
 */
void visor_state_flush(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visor_op *op;

	if (cancel_work_sync(&priv->state_work))
		put_device(&dev->device);
	while ((op = state_next_op(priv))) {
		visor_state_answer(dev, op->request,
				   CONTROLVM_RESP_DEVICE_INVALID);
		kfree(op);
	}
	visor_state_answer(dev, priv->resume_request,
			   CONTROLVM_RESP_DEVICE_INVALID);
	priv->resume_request = NULL;
}

void visor_state_init(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;

	INIT_WORK(&priv->state_work, state_work);
	spin_lock_init(&priv->ops_lock);
	INIT_LIST_HEAD(&priv->ops);
	mutex_init(&priv->callback_lock);
	init_completion(&priv->state_done);
	init_waitqueue_head(&priv->wait);
}

/* ---- what the driver asks for ---------------------------------------------------- */

void visorbus_device_fault(struct visor_device *dev, const char *why)
{
	struct visor_device_private *priv = dev->priv;

	if (test_and_set_bit(VISOR_DEV_FAULT, &priv->flags))
		return;
	strscpy(priv->fault, why, sizeof(priv->fault));
	dev_err(&dev->device, "channel faulted: %s\n", why);
	visor_state_kick(dev);
}
EXPORT_SYMBOL_GPL(visorbus_device_fault);

int visorbus_device_reset(struct visor_device *dev, unsigned long timeout)
{
	struct visor_device_private *priv = dev->priv;
	unsigned int before = READ_ONCE(priv->resets);

	if (!dev->visorchannel->has_ext)
		return -ENODEV;
	set_bit(VISOR_DEV_RESET, &priv->flags);
	visor_state_kick(dev);
	if (!wait_event_timeout(priv->wait,
				READ_ONCE(priv->resets) != before ||
				test_bit(VISOR_DEV_DYING, &priv->flags),
				timeout))
		return -ETIMEDOUT;
	return READ_ONCE(priv->resets) != before ? 0 : -ENODEV;
}
EXPORT_SYMBOL_GPL(visorbus_device_reset);
