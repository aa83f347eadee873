// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - the control channel: its thread, its queues, its attach
 *
 * DOC: Theory of Operation
 *
 * Commands arrive on EVENT, are acknowledged on ACK, executed, and answered on
 * REQUEST; RESPONSE is drained and discarded.  One thread does all of that, in
 * order.  What takes long (drivers, user space) goes on elsewhere and answers
 * later: answers are collected in a list that the thread moves to REQUEST.
 *
 * Nothing is dropped: with ACK full no command is executed, with the list of
 * answers long no command is taken.  Every command that wants an answer gets
 * exactly one, unless the command partition has attached anew meanwhile: an
 * epoch ends all that was under way before it.
 *
 * Attach is that of a device (abi/mullion.md): a new server generation is
 * answered by a new epoch, a channel that breaks the rules by a new epoch with
 * a new incarnation, at most once a second.
 *
 * A crash kernel first tries to make do with the saved messages (crash.c); it
 * then does not attach at all and leaves the command partition alone.
 */
#include <linux/crash_dump.h>
#include <linux/delay.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "visorbus_private.h"
#include "visorbus_trace.h"

#define CONTROL_POLL_SLOW	(HZ / 2)
#define CONTROL_POLL_FAST	max(HZ / 100, 1)
/* Without doorbells: each tick after something came, then less and less often. */
#define CONTROL_POLL_IDLE	max(HZ / 20, 1)
#define CONTROL_ANSWERS_MAX	32
#define CONTROL_BATCH		64
#define CONTROL_DETACH_TIMEOUT	(HZ)

/**
 * struct visor_control - the control channel of this partition
 * @window: where it lies
 * @channel: it
 * @task: its thread
 * @wait: where the thread sleeps
 * @kicked: something has happened
 * @attached: the epoch is confirmed
 * @retry: no attach before this, in jiffies
 * @active: when something came last, in jiffies
 * @answers: struct visor_request, under control_lock
 * @answers_count: how many
 */
struct visor_control {
	struct visor_window *window;
	struct visorchannel *channel;
	struct task_struct *task;
	wait_queue_head_t wait;
	atomic_t kicked;
	bool attached;
	unsigned long retry;
	unsigned long active;
	struct list_head answers;
	unsigned int answers_count;
};

static DEFINE_SPINLOCK(control_lock);
static struct visor_control *control_current;
static atomic64_t control_rescues = ATOMIC64_INIT(0);

/**
 * visor_control_kick() - let the thread have a look
 * @window: the command window
 *
 * Context: any.
 */
void visor_control_kick(struct visor_window *window)
{
	atomic_set(&window->ctl->kicked, 1);
	wake_up(&window->ctl->wait);
}

/* Commands that only the poll found, not a doorbell. */
u64 visor_control_rescues(void)
{
	return atomic64_read(&control_rescues);
}

/* ---- the channel's own fields ----------------------------------------------- */

/**
 * visor_control_read() - copy bytes out of the control channel
 * @offset: from its start
 * @dest: destination
 * @bytes: bytes, few
 *
 * Return: 0; -ENODEV if there is none; -EINVAL outside of it.
 */
int visor_control_read(u64 offset, void *dest, u64 bytes)
{
	unsigned long flags;
	int error = -ENODEV;

	spin_lock_irqsave(&control_lock, flags);
	if (control_current)
		error = visorchannel_read(control_current->channel, offset,
					  dest, bytes);
	spin_unlock_irqrestore(&control_lock, flags);
	return error;
}

/**
 * visor_control_write() - copy bytes into the control channel
 * @offset: from its start
 * @src: source
 * @bytes: bytes, few
 *
 * Return: as visor_control_read().
 */
int visor_control_write(u64 offset, const void *src, u64 bytes)
{
	unsigned long flags;
	int error = -ENODEV;

	spin_lock_irqsave(&control_lock, flags);
	if (control_current)
		error = visorchannel_write(control_current->channel, offset,
					   src, bytes);
	spin_unlock_irqrestore(&control_lock, flags);
	return error;
}

/**
 * visor_control_stopping() - is the control thread to end?
 *
 * Context: the control thread.
 */
bool visor_control_stopping(void)
{
	return kthread_should_stop();
}

/* ---- answers ------------------------------------------------------------------ */

static void control_free_request(struct visor_request *request)
{
	kvfree(request->payload);
	kfree(request);
}

/**
 * visor_control_respond() - answer a command
 * @request: the command, consumed
 * @status: CONTROLVM_RESP_*, nonzero marks the answer as failed
 * @packet: to go with the answer, or NULL for zeros
 *
 * Context: any.
 */
void visor_control_respond(struct visor_request *request, int status,
			   const union controlvm_packet *packet)
{
	struct controlvm_message_header *hdr = &request->msg.hdr;
	struct visor_control *ctl;
	unsigned long flags;

	trace_visorbus_response(hdr->id, hdr->message_handle, hdr->flags,
				status);
	hdr->payload_vm_offset = 0;
	hdr->payload_max_bytes = 0;
	hdr->payload_bytes = 0;
	if (status) {
		hdr->flags |= CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED;
		hdr->completion_status = status;
	}
	if (packet)
		request->msg.cmd = *packet;
	else
		memset(&request->msg.cmd, 0, sizeof(request->msg.cmd));
	spin_lock_irqsave(&control_lock, flags);
	ctl = control_current;
	if (ctl && !request->internal && request->epoch == ctl->channel->epoch &&
	    (hdr->flags & CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED)) {
		list_add_tail(&request->node, &ctl->answers);
		ctl->answers_count++;
		request = NULL;
		atomic_set(&ctl->kicked, 1);
		wake_up(&ctl->wait);
	}
	spin_unlock_irqrestore(&control_lock, flags);
	if (request)
		control_free_request(request);
}

static struct visor_request *control_first_answer(struct visor_control *ctl)
{
	struct visor_request *request;

	spin_lock_irq(&control_lock);
	request = list_first_entry_or_null(&ctl->answers, struct visor_request,
					   node);
	spin_unlock_irq(&control_lock);
	return request;
}

static void control_drop_answer(struct visor_control *ctl,
				struct visor_request *request)
{
	spin_lock_irq(&control_lock);
	list_del(&request->node);
	ctl->answers_count--;
	spin_unlock_irq(&control_lock);
	control_free_request(request);
}

static void control_drop_answers(struct visor_control *ctl)
{
	struct visor_request *request;

	while ((request = control_first_answer(ctl)))
		control_drop_answer(ctl, request);
}

/* Move answers to REQUEST until it is full. */
static int control_send_answers(struct visor_control *ctl)
{
	struct visor_request *request;
	int error;

	while ((request = control_first_answer(ctl))) {
		error = visorchannel_signalinsert(ctl->channel,
						  CONTROLVM_QUEUE_REQUEST,
						  &request->msg);
		if (error)
			return error == -EAGAIN ? 0 : error;
		control_drop_answer(ctl, request);
	}
	return 0;
}

/* ---- commands ----------------------------------------------------------------- */

static bool control_new_generation(struct visor_control *ctl)
{
	return ctl->channel->has_ext &&
	       visorchannel_server_generation(ctl->channel) !=
	       ctl->channel->generation;
}

/*
 * Copy the payload.  It must lie in the control area behind the channel, where
 * no queue of ours is; its content is still to be checked by whoever reads it.
 */
static int control_copy_payload(struct visor_control *ctl,
				struct visor_request *request)
{
	u64 offset = request->msg.hdr.payload_vm_offset;
	u32 bytes = request->msg.hdr.payload_bytes;

	if (!bytes)
		return 0;
	if (bytes < sizeof(struct visor_controlvm_parameters_header) ||
	    bytes > CONTROLVM_PAYLOAD_MAX ||
	    offset < MULLION_CONTROL_PAYLOAD_OFFSET ||
	    !mullion_range_ok(offset, bytes, ctl->window->control.bytes))
		return CONTROLVM_RESP_PAYLOAD_INVALID;
	request->payload = kvmalloc(bytes, GFP_KERNEL);
	if (!request->payload)
		return CONTROLVM_RESP_KMALLOC_FAILED;
	memcpy(request->payload, ctl->channel->base + offset, bytes);
	request->payload_bytes = bytes;
	return 0;
}

/* Acknowledge; waits for room, for an unacknowledged command must not run. */
static int control_acknowledge(struct visor_control *ctl,
			       const struct controlvm_message_header *hdr)
{
	struct controlvm_message ack;
	int error;

	memset(&ack, 0, sizeof(ack));
	ack.hdr = *hdr;
	ack.hdr.payload_vm_offset = 0;
	ack.hdr.payload_max_bytes = 0;
	ack.hdr.payload_bytes = 0;
	for (;;) {
		error = visorchannel_signalinsert(ctl->channel,
						  CONTROLVM_QUEUE_ACK, &ack);
		if (error != -EAGAIN)
			return error;
		if (kthread_should_stop() || control_new_generation(ctl) ||
		    visorchannel_server_fault(ctl->channel))
			return -EINTR;
		schedule_timeout_interruptible(CONTROL_POLL_FAST);
	}
}

static int control_execute(struct visor_control *ctl,
			   const struct controlvm_message *msg)
{
	const struct controlvm_message_header *hdr = &msg->hdr;
	struct visor_request *request;
	int error, status;

	trace_visorbus_event(hdr->id, hdr->message_handle, hdr->flags,
			     hdr->payload_bytes);
	if (hdr->flags & CONTROLVM_MESSAGE_HEADER_FLAGS_TEST_MESSAGE)
		return 0;
	/* The request is needed to answer at all: wait for memory. */
	request = kzalloc(sizeof(*request), GFP_KERNEL | __GFP_NOFAIL);
	request->epoch = ctl->channel->epoch;
	request->msg = *msg;
	/* Not echoed: an answer says itself whether it failed. */
	request->msg.hdr.completion_status = 0;
	request->msg.hdr.flags &= ~CONTROLVM_MESSAGE_HEADER_FLAGS_FAILED;
	status = control_copy_payload(ctl, request);
	error = control_acknowledge(ctl, &request->msg.hdr);
	if (error) {
		control_free_request(request);
		return error;
	}
	trace_visorbus_ack(hdr->id, hdr->message_handle, hdr->flags, 0);
	if (status)
		visor_control_respond(request, status, NULL);
	else
		visor_message_execute(request);
	return 0;
}

/* Returns how many commands were taken, or why no more can be. */
static int control_take_commands(struct visor_control *ctl)
{
	struct controlvm_message msg;
	int error, count;

	for (count = 0; count < CONTROL_BATCH; count++) {
		if (kthread_should_stop() ||
		    READ_ONCE(ctl->answers_count) >= CONTROL_ANSWERS_MAX)
			break;
		error = visorchannel_signalremove(ctl->channel,
						  CONTROLVM_QUEUE_EVENT, &msg);
		if (error == -EAGAIN)
			break;
		if (!error)
			error = control_execute(ctl, &msg);
		if (error)
			return error;
	}
	return count;
}

static int control_drain_responses(struct visor_control *ctl)
{
	struct controlvm_message msg;
	int error = 0, count;

	for (count = 0; count < CONTROL_BATCH && !error; count++)
		error = visorchannel_signalremove(ctl->channel,
						  CONTROLVM_QUEUE_RESPONSE,
						  &msg);
	return error == -EAGAIN ? 0 : error;
}

/* ---- attach -------------------------------------------------------------------- */

static void control_raise(struct visor_control *ctl, bool new_incarnation)
{
	unsigned long flags;

	ctl->attached = false;
	if (new_incarnation)
		ctl->channel->incarnation = 0;
	/* Under the lock: answers are compared with the epoch. */
	spin_lock_irqsave(&control_lock, flags);
	visorchannel_raise(ctl->channel);
	spin_unlock_irqrestore(&control_lock, flags);
	control_drop_answers(ctl);
}

static void control_restart(struct visor_control *ctl, const char *why)
{
	dev_err_ratelimited(ctl->window->dev,
			    "control channel: %s; attaching anew\n", why);
	ctl->retry = jiffies + HZ;
	control_raise(ctl, true);
}

static void control_attach(struct visor_control *ctl)
{
	struct visorchannel *channel = ctl->channel;

	switch (visorchannel_poll(channel)) {
	case VISOR_ATTACH_OUTDATED:
		control_raise(ctl, false);
		return;
	case VISOR_ATTACH_CONFIRMED:
		break;
	default:
		return;
	}
	if (time_before(jiffies, ctl->retry))
		return;
	if (visorchannel_attached(channel) ||
	    visorchannel_slot_bytes(channel, CONTROLVM_QUEUE_EVENT) !=
	    CONTROLVM_MESSAGE_BYTES ||
	    visorchannel_slot_bytes(channel, CONTROLVM_QUEUE_RESPONSE) !=
	    CONTROLVM_MESSAGE_BYTES ||
	    visorchannel_slot_bytes(channel, CONTROLVM_QUEUE_REQUEST) !=
	    CONTROLVM_MESSAGE_BYTES ||
	    visorchannel_slot_bytes(channel, CONTROLVM_QUEUE_ACK) !=
	    CONTROLVM_MESSAGE_BYTES) {
		control_restart(ctl, "its queues are not valid");
		return;
	}
	ctl->attached = true;
	visor_message_new_session();
	dev_info(ctl->window->dev, "control channel attached, epoch %llu\n",
		 channel->epoch);
}

/* One round.  Returns whether there may be more to do at once. */
static bool control_round(struct visor_control *ctl)
{
	int error, count;

	if (!ctl->attached) {
		control_attach(ctl);
		return ctl->attached;
	}
	if (control_new_generation(ctl)) {
		control_raise(ctl, false);
		return false;
	}
	if (visorchannel_server_fault(ctl->channel)) {
		control_restart(ctl, "stopped by the command partition");
		return false;
	}
	error = control_drain_responses(ctl);
	if (!error)
		error = control_send_answers(ctl);
	count = error ? error : control_take_commands(ctl);
	if (count == -EPROTO || count == -EINVAL) {
		control_restart(ctl, "a queue index is out of range");
		return false;
	}
	return count > 0;
}

/* Ask for doorbells; false if there is something to do already. */
static bool control_arm(struct visor_control *ctl)
{
	struct visorqueue *event = &ctl->channel->queues[CONTROLVM_QUEUE_EVENT];
	struct visorqueue *request =
		&ctl->channel->queues[CONTROLVM_QUEUE_REQUEST];
	bool full = READ_ONCE(ctl->answers_count);
	bool idle;

	if (!ctl->attached)
		return true;
	spin_lock_irq(&event->lock);
	idle = !event->open || mullion_sq_consumer_arm(&event->sq) <= 0 ||
	       READ_ONCE(ctl->answers_count) >= CONTROL_ANSWERS_MAX;
	spin_unlock_irq(&event->lock);
	if (!full)
		return idle;
	spin_lock_irq(&request->lock);
	idle &= !request->open || mullion_sq_producer_arm(&request->sq) <= 0;
	spin_unlock_irq(&request->lock);
	return idle;
}

static unsigned long control_poll_interval(const struct visor_control *ctl)
{
	if (time_before(jiffies, ctl->active + HZ))
		return 1;
	return time_before(jiffies, ctl->active + 10 * HZ) ? CONTROL_POLL_FAST :
	       CONTROL_POLL_IDLE;
}

static void control_sleep(struct visor_control *ctl)
{
	struct visor_window *window = ctl->window;
	unsigned long timeout = visor_hotplug_expire();
	bool polled = !window->vectors || window->vector[0].irq < 0;

	timeout = min_t(unsigned long, timeout,
			polled ? control_poll_interval(ctl) : CONTROL_POLL_SLOW);
	if (!control_arm(ctl))
		return;
	if (!wait_event_interruptible_timeout(ctl->wait,
					      atomic_read(&ctl->kicked) ||
					      kthread_should_stop(), timeout) &&
	    !polled && ctl->attached &&
	    !visorchannel_signalempty(ctl->channel, CONTROLVM_QUEUE_EVENT))
		atomic64_inc(&control_rescues);
}

static int control_thread(void *data)
{
	struct visor_control *ctl = data;

	if (is_kdump_kernel() && visor_crash_replay()) {
		dev_info(ctl->window->dev,
			 "crash kernel: devices made from saved messages\n");
		visor_chipset_ready();
		while (!kthread_should_stop())
			wait_event_interruptible(ctl->wait, kthread_should_stop());
		return 0;
	}
	control_raise(ctl, true);
	while (!kthread_should_stop()) {
		atomic_set(&ctl->kicked, 0);
		if (control_round(ctl))
			ctl->active = jiffies;
		else
			control_sleep(ctl);
	}
	return 0;
}

/* ---- start and stop ------------------------------------------------------------- */

static struct visorchannel *control_open(struct visor_window *window)
{
	static const guid_t controlvm = VISOR_CONTROLVM_CHANNEL_GUID;
	struct visorchannel *channel;
	const char *why;

	channel = visorchannel_open(window, &window->control,
				    window->control.offset,
				    window->pdev ?
				    MULLION_WINDOW_ADDR(window->id,
							window->control.offset) :
				    window->gpa,
				    MULLION_CHANNEL_EXT_OFFSET_CONTROL, &why);
	if (channel && !guid_equal(&controlvm, &channel->header.chtype))
		why = "is not a control channel";
	else if (channel &&
		 channel->header.version_id != VISOR_CONTROLVM_CHANNEL_VERSION)
		why = "unknown version";
	else if (channel &&
		 channel->bytes < sizeof(struct visor_controlvm_channel))
		why = "too small";
	else if (channel)
		return channel;
	dev_err(window->dev, "control channel refused: %s\n", why);
	visorchannel_close(channel);
	return NULL;
}

/**
 * visor_control_start() - start to talk to the command partition
 * @window: the command window
 *
 * Return: 0 or negative errno.
 */
int visor_control_start(struct visor_window *window)
{
	struct visor_control *ctl;
	int error;

	ctl = kzalloc(sizeof(*ctl), GFP_KERNEL);
	if (!ctl)
		return -ENOMEM;
	ctl->window = window;
	ctl->retry = jiffies;
	ctl->active = jiffies;
	init_waitqueue_head(&ctl->wait);
	INIT_LIST_HEAD(&ctl->answers);
	ctl->channel = control_open(window);
	if (!ctl->channel) {
		error = -EINVAL;
		goto free;
	}
	ctl->channel->queues_max = CONTROLVM_QUEUES;
	ctl->channel->fixed_vector = true;
	ctl->channel->wanted = MULLION_EXTF_EVENT_INDEX;
	ctl->task = kthread_create(control_thread, ctl, "visorcontrol");
	if (IS_ERR(ctl->task)) {
		error = PTR_ERR(ctl->task);
		goto close;
	}
	spin_lock_irq(&control_lock);
	control_current = ctl;
	spin_unlock_irq(&control_lock);
	/* pairs with the interrupt handler's look at it */
	smp_store_release(&window->ctl, ctl);
	wake_up_process(ctl->task);
	return 0;

close:
	visorchannel_close(ctl->channel);
free:
	kfree(ctl);
	return error;
}

/**
 * visor_control_shutdown() - end the thread and detach
 * @window: the command window
 */
void visor_control_shutdown(struct visor_window *window)
{
	struct visor_control *ctl = window->ctl;
	unsigned long end = jiffies + CONTROL_DETACH_TIMEOUT;

	if (!ctl || !ctl->task)
		return;
	kthread_stop(ctl->task);
	ctl->task = NULL;
	if (!ctl->channel->epoch)
		return;
	visorchannel_raise_detached(ctl->channel);
	while (visorchannel_poll(ctl->channel) == VISOR_ATTACH_WAITING &&
	       time_before(jiffies, end))
		msleep(20);
}

/**
 * visor_control_stop() - the command window goes away
 * @window: the command window
 *
 * Buses and devices stay: they work without control messages.
 */
void visor_control_stop(struct visor_window *window)
{
	struct visor_control *ctl = window->ctl;

	if (!ctl)
		return;
	visor_control_shutdown(window);
	visor_hotplug_forget();
	visor_message_forget();
	spin_lock_irq(&control_lock);
	control_current = NULL;
	spin_unlock_irq(&control_lock);
	control_drop_answers(ctl);
}

/**
 * visor_control_free() - free what interrupt handlers may have used
 * @window: the command window, its interrupts are off
 */
void visor_control_free(struct visor_window *window)
{
	if (!window->ctl)
		return;
	visorchannel_close(window->ctl->channel);
	kfree(window->ctl);
	window->ctl = NULL;
}
