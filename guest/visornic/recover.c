// SPDX-License-Identifier: GPL-2.0-only
/*
 * recover.c - pause and resume, faults, stuck queues, an absent service
 *
 * DOC: Theory of Operation
 *
 * Pause: nobody sends any more; NAPI is disabled; what the service has said
 * already is taken; frames without an answer are counted as lost (at resume, if
 * they lie in RAM and so are the service's until then).  Transmit
 * queues stay stopped, frames wait in the queueing discipline.  The carrier stays
 * for VISORNIC_ABSENT_SECONDS, so that a service that is replaced is not noticed
 * by routing, and is then taken away, so that bonding looks elsewhere.
 *
 * Resume: the rings are empty and everything in the area is ours.  If the
 * interface is up all buffers are posted and enable is asked for; nobody waits
 * for the answer here, but visornic_watch() misses it.
 *
 * A service that breaks the rings, or stops the channel, or does not answer, or
 * leaves frames without an answer or messages where they are for
 * VISORNIC_STUCK_SECONDS, is attached anew, which ends all that it may have under
 * way; if that happens again soon after, it is tried less often, at last once a
 * minute.  A channel without Mullion's
 * extension cannot be attached anew: there a stuck queue is answered with disable
 * and enable, and broken rings with silence, until an administrator resumes it.
 *
 * Failure behaviour: a successor that does not offer what its predecessor did is
 * refused here, and the bus probes the driver again.
 */
#include <linux/jiffies.h>
#include <linux/rtnetlink.h>

#include "visornic.h"

#define VISORNIC_SLOTS_MIN	(4 * VISORNIC_SLOTS_SPARE)

/**
 * visornic_set_state() - change the state
 * @nic: the interface
 * @state: the new one
 *
 * Nobody is between looking at the old state and sending when it returns.
 *
 * Context: the bus's callbacks, and probe and remove, which exclude each other.
 */
void visornic_set_state(struct visornic *nic, enum visornic_state state)
{
	unsigned int i;
	unsigned long flags;

	for (i = 0; i < nic->queue_count; i++) {
		spin_lock_irqsave(&nic->queues[i].lock, flags);
		WRITE_ONCE(nic->state, state);
		spin_unlock_irqrestore(&nic->queues[i].lock, flags);
	}
	wake_up_all(&nic->wait);
}

/**
 * visornic_take_features() - what was agreed on, and whether it can be worked with
 * @nic: the interface, after an attach; nobody uses the queues
 *
 * Return: 0; -EPROTO if the slots are too small or too few.
 */
int visornic_take_features(struct visornic *nic)
{
	u64 features = visorbus_device_features(nic->dev);
	unsigned int i;
	u32 needed;

	nic->slot_ext = features & MULLION_EXTF_SLOT_EXT;
	nic->batch = nic->slot_ext && features & MULLION_EXTF_NET_BATCH;
	nic->offload = nic->batch && features & MULLION_EXTF_NET_OFFLOAD;
	nic->physical = visorbus_device_physical(nic->dev);
	nic->epoch = visorbus_device_epoch(nic->dev);
	needed = nic->slot_ext ? VISOR_IO_SLOT_BYTES : VISOR_IO_SIGNAL_BYTES;
	for (i = 0; i < nic->queue_count; i++) {
		struct visornic_queue *q = &nic->queues[i];

		q->cmd = visorbus_device_queue(nic->dev, 2 * i);
		q->rsp = visorbus_device_queue(nic->dev, 2 * i + 1);
		if (!q->cmd || !q->rsp || q->cmd->slot_bytes < needed ||
		    q->rsp->slot_bytes < needed ||
		    q->cmd->max_slots < VISORNIC_SLOTS_MIN) {
			dev_err(&nic->dev->device,
				"queue pair %u cannot be used: slots of %u bytes or more, and %u or more of them, are needed\n",
				i, needed, VISORNIC_SLOTS_MIN);
			return -EPROTO;
		}
		q->batch = NULL;
		q->batch_bytes = 0;
		q->tx_watch.since = jiffies;
		q->cmd_watch.since = jiffies;
		q->armed = false;
		q->next = 0;
		if (q->message)
			q->message->count = 0;
		if (q->cmd->event_index)
			mullion_sq_producer_disarm(q->cmd);
	}
	return 0;
}

/* Has the server stopped this channel for good? */
static bool recover_server_faulted(struct visornic *nic)
{
	u32 state;

	return nic->has_ext &&
	       !visorbus_read_channel(nic->dev, MULLION_CHANNEL_EXT_OFFSET_IO +
				      offsetof(struct mullion_channel_ext,
					       server_state),
				      &state, sizeof(state)) &&
	       state == MULLION_CHANNEL_FAULTED;
}

/* The watchdog counts from the last frame, which may be long ago. */
static void recover_still(struct visornic *nic)
{
	unsigned int i;

	netif_tx_disable(nic->netdev);
	for (i = 0; i < nic->netdev->num_tx_queues; i++)
		txq_trans_cond_update(netdev_get_tx_queue(nic->netdev, i));
}

/**
 * visornic_pause() - the bus: the service is away, or is to be silent
 * @dev: the device
 * @complete_func: to be called when nothing is sent any more
 */
int visornic_pause(struct visor_device *dev,
		   visorbus_state_complete_func complete_func)
{
	struct visornic *nic = dev_get_drvdata(&dev->device);
	unsigned int i;

	visornic_set_state(nic, VISORNIC_PAUSED);
	mutex_lock(&nic->control);
	visornic_napi_off(nic);
	recover_still(nic);
	for (i = 0; i < nic->queue_count; i++) {
		local_bh_disable();
		visornic_drain(&nic->queues[i]);
		local_bh_enable();
		/* Until it has confirmed, frames that lie in RAM are the service's. */
		if (!nic->physical)
			visornic_tx_forget(&nic->queues[i], true);
	}
	visornic_talk_forget(nic);
	if (recover_server_faulted(nic) && !nic->faulted)
		visornic_fault(nic, "stopped by the service");
	queue_delayed_work(system_wq, &nic->absent_work,
			   VISORNIC_ABSENT_SECONDS * HZ);
	mutex_unlock(&nic->control);
	complete_func(dev, 0);
	return 0;
}

/* Does a successor speak as its predecessor did? */
static int recover_features(struct visornic *nic)
{
	bool batch = nic->batch, offload = nic->offload, physical = nic->physical;
	int rc = visornic_take_features(nic);

	if (rc)
		return rc;
	if (batch != nic->batch || offload != nic->offload ||
	    physical != nic->physical) {
		nic->batch = batch;
		nic->offload = offload;
		nic->physical = physical;
		return -EPROTO;
	}
	return 0;
}

/* The administrator may have given it another address meanwhile. */
static void recover_address(struct visornic *nic)
{
	u8 mac[ETH_ALEN] __aligned(2);

	if (visorbus_read_channel(nic->dev, offsetof(struct visor_io_channel,
						     vnic.macaddr),
				  mac, sizeof(mac)) ||
	    !is_valid_ether_addr(mac) ||
	    ether_addr_equal(mac, nic->channel_mac))
		return;
	ether_addr_copy(nic->channel_mac, mac);
	visornic_mac_news(nic, mac);
}

/**
 * visornic_resume() - the bus: the rings are empty, the epoch is a new one
 * @dev: the device
 * @complete_func: to be called when the interface runs again
 */
int visornic_resume(struct visor_device *dev,
		    visorbus_state_complete_func complete_func)
{
	struct visornic *nic = dev_get_drvdata(&dev->device);
	unsigned int i;
	int rc;

	mutex_lock(&nic->control);
	rc = recover_features(nic);
	if (rc) {
		mutex_unlock(&nic->control);
		dev_err(&dev->device, "the network service speaks another way than before: %d\n",
			rc);
		return rc;
	}
	for (i = 0; nic->physical && i < nic->queue_count; i++)
		visornic_tx_forget(&nic->queues[i], true);
	visornic_area_divide(nic, nic->pairs_wanted);
	WRITE_ONCE(nic->faulted, false);
	WRITE_ONCE(nic->stuck, false);
	WRITE_ONCE(nic->resumed, jiffies);
	nic->unsettled = false;
	nic->talk.link_up = true;
	nic->resumes++;
	cancel_delayed_work(&nic->absent_work);
	recover_address(nic);
	visornic_set_state(nic, VISORNIC_RUNNING);
	if (nic->opened)
		visornic_begin(nic);
	else
		visornic_napi_on(nic);
	mutex_unlock(&nic->control);
	complete_func(dev, 0);
	return 0;
}

/**
 * visornic_absent_work() - the service is away for long
 * @work: of the interface
 */
void visornic_absent_work(struct work_struct *work)
{
	struct visornic *nic = container_of(to_delayed_work(work),
					    struct visornic, absent_work);

	mutex_lock(&nic->control);
	if (nic->state == VISORNIC_PAUSED && netif_carrier_ok(nic->netdev)) {
		netdev_warn(nic->netdev, "no network service\n");
		netif_carrier_off(nic->netdev);
	}
	mutex_unlock(&nic->control);
}

/* ---- attaching anew ---------------------------------------------------------------- */

static void recover_soon(struct visornic *nic)
{
	unsigned int seconds = READ_ONCE(nic->backoff);

	if (time_after(jiffies, READ_ONCE(nic->resumed) +
		       VISORNIC_BACKOFF_MAX * HZ))
		seconds = 0;
	WRITE_ONCE(nic->backoff, clamp(2 * seconds, 1U,
				       (unsigned int)VISORNIC_BACKOFF_MAX));
	if (!READ_ONCE(nic->removing))
		queue_delayed_work(system_long_wq, &nic->recover_work,
				   seconds * HZ);
}

/**
 * visornic_fault() - the service broke the protocol
 * @nic: the interface
 * @why: what it did, a literal
 *
 * Context: any.
 */
void visornic_fault(struct visornic *nic, const char *why)
{
	if (xchg(&nic->faulted, true))
		return;
	nic->faults++;
	visorbus_device_fault(nic->dev, why);
	wake_up_all(&nic->wait);
	recover_soon(nic);
}

/**
 * visornic_recover() - the service does not do its work: attach anew
 * @nic: the interface
 *
 * Context: any.
 */
void visornic_recover(struct visornic *nic)
{
	WRITE_ONCE(nic->stuck, true);
	recover_soon(nic);
}

static void recover_stuck(struct visornic *nic, unsigned int queue)
{
	struct visornic_queue *q = &nic->queues[queue];

	nic->tx_timeouts++;
	netdev_warn(nic->netdev, "queue %u is stuck: %llu frames without an answer\n",
		    queue, READ_ONCE(q->tx_head) - READ_ONCE(q->tx_tail));
	visornic_recover(nic);
}

/*
 * After a resume nobody waits for the answer to the enable, nor for that to a disable
 * when the interface is up again; without them nothing runs.
 */
static void recover_watch_enable(struct visornic *nic)
{
	struct visornic_talk *talk = &nic->talk;
	bool late, enable;
	unsigned long flags;

	spin_lock_irqsave(&nic->queues[0].lock, flags);
	enable = talk->enable;
	late = talk->enable_context && READ_ONCE(nic->opened) &&
	       time_after(jiffies, talk->enable_asked + VISORNIC_STUCK_SECONDS * HZ);
	if (late)
		talk->enable_asked = jiffies;
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	if (!late)
		return;
	nic->answer_timeouts++;
	netdev_warn(nic->netdev, "the network service does not answer: %s\n",
		    enable ? "enable" : "disable");
	visornic_recover(nic);
}

/* Has something waited for too long where it is? */
static bool recover_waits(struct visornic_watch *watch, u64 at, bool waiting)
{
	bool stuck = waiting && at == watch->at &&
		     time_after(jiffies, watch->since +
				VISORNIC_STUCK_SECONDS * HZ);

	if (!waiting || at != watch->at || stuck) {
		watch->at = at;
		watch->since = jiffies;
	}
	return stuck;
}

/**
 * visornic_watch() - does the service do its work?
 * @q: the pair that NAPI is polling; the slow poll makes sure that it does
 *
 * The stack's watchdog looks at queues that are stopped, and sockets may wait
 * for answers to so little that none is.
 */
void visornic_watch(struct visornic_queue *q)
{
	struct visornic *nic = q->nic;
	bool stuck, waiting;
	u32 taken;
	unsigned long flags;

	if (time_before(jiffies, q->watch_next) || !visornic_live(nic))
		return;
	q->watch_next = jiffies + HZ;
	if (!q->index)
		recover_watch_enable(nic);
	spin_lock_irqsave(&q->lock, flags);
	waiting = visornic_slots(q, INT_MAX) < (int)q->cmd->max_slots - 1;
	taken = q->cmd->tail;
	spin_unlock_irqrestore(&q->lock, flags);
	stuck = recover_waits(&q->cmd_watch, taken, waiting);
	stuck |= recover_waits(&q->tx_watch, q->tx_tail,
			       q->tx_tail != READ_ONCE(q->tx_head));
	if (stuck)
		recover_stuck(nic, q->index);
}

/**
 * visornic_tx_timeout() - ndo_tx_timeout: a transmit queue does not move
 * @netdev: the interface
 * @queue: which
 */
void visornic_tx_timeout(struct net_device *netdev, unsigned int queue)
{
	struct visornic *nic = netdev_priv(netdev);

	txq_trans_cond_update(netdev_get_tx_queue(netdev, queue));
	/* Waiting for a service is no failure of it. */
	if (visornic_live(nic))
		recover_stuck(nic, queue);
}

static void recover_plain(struct visornic *nic)
{
	rtnl_lock();
	if (READ_ONCE(nic->faulted)) {
		mutex_lock(&nic->control);
		recover_still(nic);
		netif_carrier_off(nic->netdev);
		mutex_unlock(&nic->control);
	} else if (nic->opened && READ_ONCE(nic->stuck)) {
		nic->resets++;
		WRITE_ONCE(nic->stuck, false);
		visornic_stop(nic);
		visornic_start(nic);
	}
	rtnl_unlock();
}

/**
 * visornic_recover_work() - attach anew
 * @work: of the interface
 */
void visornic_recover_work(struct work_struct *work)
{
	struct visornic *nic = container_of(to_delayed_work(work),
					    struct visornic, recover_work);

	if (READ_ONCE(nic->removing) ||
	    (!READ_ONCE(nic->faulted) && !READ_ONCE(nic->stuck)))
		return;
	if (!nic->has_ext) {
		recover_plain(nic);
		return;
	}
	nic->resets++;
	if (visorbus_device_reset(nic->dev, VISORNIC_ANSWER_SECONDS * HZ) ==
	    -ETIMEDOUT && (READ_ONCE(nic->faulted) || READ_ONCE(nic->stuck)))
		recover_soon(nic);
}
