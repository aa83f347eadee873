// SPDX-License-Identifier: GPL-2.0-only
/*
 * interrupt.c - doorbells, polls and rescues of devices
 *
 * DOC: Theory of Operation
 *
 * A queue pair listens on one vector of its window; several pairs may share
 * it.  The vector's lock is held while callbacks run: that serialises them for
 * a pair, whoever the caller is, and makes disabling a matter of clearing a bit
 * and taking the lock once.
 *
 * Each device has a timer.  Twice a second it looks whether anything waits
 * that no doorbell has announced: a state that changed, or messages.  Those may
 * have been announced this very moment, so it looks again a few ticks later:
 * if the tail is where it was, that is a rescue and counted.  The callback is
 * called in any case, for a driver may wait for space in a full ring.
 *
 * Without doorbells, because the window has none, or fewer interrupts than that,
 * or the server knows nothing of them, a high-resolution timer polls, from softirq:
 * often while something moves, and the longer nothing does the less often.  Who
 * sends something (visorbus_device_ring()) is about to be answered: a poll that is
 * far away is brought near.
 */
#include "visorbus_private.h"

/* Ticks that a doorbell may take to arrive. */
#define INTERRUPT_SECOND_LOOK 3

/* Polls follow each other after so long, in nanoseconds, ... */
#define POLL_BUSY	(100 * NSEC_PER_USEC)
#define POLL_NEAR	NSEC_PER_MSEC
#define POLL_FAR	(4 * NSEC_PER_MSEC)
#define POLL_IDLE	(16 * NSEC_PER_MSEC)
/* ... until nothing has moved for so long. */
#define POLL_BUSY_FOR	(2 * NSEC_PER_MSEC)
#define POLL_NEAR_FOR	NSEC_PER_SEC
#define POLL_FAR_FOR	(10ULL * NSEC_PER_SEC)

static bool interrupt_pair_polled(const struct visor_pair *pair)
{
	return pair->vector->irq < 0 || !pair->dev->visorchannel->has_ext;
}

bool visorbus_device_polled(const struct visor_device *dev, unsigned int pair)
{
	return pair < dev->queue_pairs &&
	       interrupt_pair_polled(&dev->priv->pair[pair]);
}
EXPORT_SYMBOL_GPL(visorbus_device_polled);

static bool interrupt_wanted(const struct visor_device_private *priv)
{
	return test_bit(VISOR_DEV_ENABLED, &priv->flags) &&
	       !test_bit(VISOR_DEV_GATED, &priv->flags);
}

/* Call the driver.  The vector's lock is held. */
static void interrupt_call(struct visor_pair *pair)
{
	struct visor_device *dev = pair->dev;
	const struct visor_driver *drv = dev->priv->drv;

	if (drv->queue_interrupt)
		drv->queue_interrupt(dev, pair->index);
	else if (!pair->index)
		drv->channel_interrupt(dev);
}

static void interrupt_call_locked(struct visor_pair *pair)
{
	unsigned long flags;

	spin_lock_irqsave(&pair->vector->lock, flags);
	if (interrupt_wanted(pair->dev->priv))
		interrupt_call(pair);
	spin_unlock_irqrestore(&pair->vector->lock, flags);
}

/* Something about the device's state may have changed. */
static void interrupt_look(struct visor_device *dev)
{
	if (visor_state_needs_look(dev))
		visor_state_kick(dev);
	wake_up(&dev->priv->wait);
}

/**
 * visor_interrupt_vector() - a doorbell was rung
 * @vector: which
 */
void visor_interrupt_vector(struct visor_vector *vector)
{
	struct visor_pair *pair;
	unsigned long flags;

	spin_lock_irqsave(&vector->lock, flags);
	list_for_each_entry(pair, &vector->pairs, node) {
		struct visor_device_private *priv = pair->dev->priv;

		atomic64_inc(&priv->interrupts);
		if (interrupt_wanted(priv))
			interrupt_call(pair);
		else if (!pair->index)
			interrupt_look(pair->dev);
	}
	spin_unlock_irqrestore(&vector->lock, flags);
}

/**
 * visor_interrupt_window() - a window event: look at every channel
 * @window: the window
 */
void visor_interrupt_window(struct visor_window *window)
{
	struct visor_device_private *priv;
	unsigned long flags;

	spin_lock_irqsave(&window->devices_lock, flags);
	list_for_each_entry(priv, &window->devices, window_node)
		interrupt_look(priv->dev);
	spin_unlock_irqrestore(&window->devices_lock, flags);
}

/* Does something wait in a pair?  Remember where its tail was. */
static void interrupt_first_look(struct visor_pair *pair)
{
	struct visorchannel *channel = pair->dev->visorchannel;
	unsigned int queue = 2 * pair->index + 1;

	pair->seen_pending = queue < channel->queues_max &&
			     visorchannel_pending(channel, queue);
	pair->seen_tail = channel->queues[queue].sq.released;
}

/* Does it still, with the tail where it was? */
static bool interrupt_second_look(const struct visor_pair *pair)
{
	const struct visorchannel *channel = pair->dev->visorchannel;

	return pair->seen_pending && pair->seen_tail ==
	       READ_ONCE(channel->queues[2 * pair->index + 1].sq.released);
}

static void interrupt_look_at_pair(struct visor_pair *pair,
				   enum visor_look look)
{
	if (look == VISOR_LOOK_FIRST)
		interrupt_first_look(pair);
	if (look != VISOR_LOOK_SECOND)
		return;
	if (!interrupt_pair_polled(pair) && interrupt_second_look(pair))
		atomic64_inc(&pair->dev->priv->rescues);
	interrupt_call_locked(pair);
}

/* The next slow look, if it is time for one. */
static enum visor_look interrupt_next_look(struct visor_device_private *priv)
{
	if (time_before(jiffies, priv->look_time))
		return VISOR_LOOK_NONE;
	if (priv->look == VISOR_LOOK_FIRST) {
		priv->look = VISOR_LOOK_SECOND;
		priv->look_time = jiffies + VISOR_SLOW_POLL;
		return VISOR_LOOK_SECOND;
	}
	priv->look = VISOR_LOOK_FIRST;
	priv->look_time = jiffies + INTERRUPT_SECOND_LOOK;
	return VISOR_LOOK_FIRST;
}

static void interrupt_timer(struct timer_list *timer)
{
	struct visor_device_private *priv =
		timer_container_of(priv, timer, timer);
	struct visor_device *dev = priv->dev;
	enum visor_look look = interrupt_next_look(priv);
	unsigned int i;

	if (look == VISOR_LOOK_SECOND) {
		if (visor_state_needs_look(dev)) {
			atomic64_inc(&priv->rescues);
			visor_state_kick(dev);
		}
		wake_up(&priv->wait);
	}
	for (i = 0; i < dev->queue_pairs && interrupt_wanted(priv); i++)
		interrupt_look_at_pair(&priv->pair[i], look);
	mod_timer(timer, priv->look_time);
}

/* ---- polling in place of doorbells ---------------------------------------------- */

/* Calls the driver if it has to be told of something.  Returns whether it had. */
static bool poll_pair(struct visor_pair *pair)
{
	struct visorchannel *channel = pair->dev->visorchannel;
	unsigned int queue = 2 * pair->index + 1;
	u32 tail;

	if (!interrupt_pair_polled(pair) || queue >= channel->queues_max)
		return false;
	/* What the server has taken makes room that a driver may wait for. */
	tail = visorchannel_taken(channel, queue - 1);
	if (tail == pair->poll_tail && !visorchannel_pending(channel, queue))
		return false;
	pair->poll_tail = tail;
	interrupt_call_locked(pair);
	return true;
}

static u64 poll_interval(const struct visor_device_private *priv, u64 now)
{
	u64 active = READ_ONCE(priv->poll_active);
	/* Somebody may have sent something after the caller looked at the clock. */
	u64 quiet = now > active ? now - active : 0;

	/* Who waits for a server waits for one that comes or confirms. */
	if (!interrupt_wanted(priv))
		return POLL_FAR;
	if (quiet < POLL_BUSY_FOR)
		return POLL_BUSY;
	if (quiet < POLL_NEAR_FOR)
		return POLL_NEAR;
	return quiet < POLL_FAR_FOR ? POLL_FAR : POLL_IDLE;
}

static enum hrtimer_restart interrupt_poll(struct hrtimer *timer)
{
	struct visor_device_private *priv =
		container_of(timer, struct visor_device_private, poll);
	struct visor_device *dev = priv->dev;
	u64 now = ktime_get_ns(), interval;
	bool moved = false;
	unsigned int i;

	for (i = 0; i < dev->queue_pairs && interrupt_wanted(priv); i++)
		moved |= poll_pair(&priv->pair[i]);
	if (moved)
		WRITE_ONCE(priv->poll_active, now);
	interval = poll_interval(priv, now);
	if (interval >= POLL_NEAR)
		interrupt_look(dev);
	WRITE_ONCE(priv->poll_slow, interval > POLL_BUSY);
	/* pairs with the barrier in visor_interrupt_busy() */
	smp_mb();
	interval = poll_interval(priv, now);
	/* Not by forwarding: it may have been started anew meanwhile. */
	hrtimer_start(timer, ns_to_ktime(interval), HRTIMER_MODE_REL_SOFT);
	/* And perhaps for sooner: visor_interrupt_busy() clears the flag before. */
	if (interval > POLL_BUSY && !READ_ONCE(priv->poll_slow))
		hrtimer_start(timer, ns_to_ktime(POLL_BUSY), HRTIMER_MODE_REL_SOFT);
	return HRTIMER_NORESTART;
}

/**
 * visor_interrupt_busy() - something was sent, and is about to be answered
 * @dev: a device that is polled
 *
 * Context: any.
 */
void visor_interrupt_busy(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;

	WRITE_ONCE(priv->poll_active, ktime_get_ns());
	/* pairs with the barrier in interrupt_poll() */
	smp_mb();
	if (!READ_ONCE(priv->poll_slow))
		return;
	WRITE_ONCE(priv->poll_slow, false);
	hrtimer_start(&priv->poll, ns_to_ktime(POLL_BUSY), HRTIMER_MODE_REL_SOFT);
}

/* ---- on and off ------------------------------------------------------------------- */

void visorbus_enable_channel_interrupts(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	unsigned int i;

	mutex_lock(&priv->callback_lock);
	set_bit(VISOR_DEV_ENABLED, &priv->flags);
	mutex_unlock(&priv->callback_lock);
	for (i = 0; i < dev->queue_pairs; i++)
		interrupt_call_locked(&priv->pair[i]);
	mod_timer(&priv->timer, jiffies + 1);
	/* The generation may have changed since attach. */
	visor_state_kick(dev);
}
EXPORT_SYMBOL_GPL(visorbus_enable_channel_interrupts);

/* Wait until no callback runs that saw the old flags. */
static void interrupt_synchronize(struct visor_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->queue_pairs; i++) {
		spinlock_t *lock = &dev->priv->pair[i].vector->lock;
		unsigned long flags;

		spin_lock_irqsave(lock, flags);
		spin_unlock_irqrestore(lock, flags);
	}
}

void visorbus_disable_channel_interrupts(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;

	/* No pause or resume is under way after this, and none will start. */
	mutex_lock(&priv->callback_lock);
	clear_bit(VISOR_DEV_ENABLED, &priv->flags);
	mutex_unlock(&priv->callback_lock);
	interrupt_synchronize(dev);
}
EXPORT_SYMBOL_GPL(visorbus_disable_channel_interrupts);

/**
 * visor_interrupt_gate() - keep callbacks away while the rings change
 * @dev: the device
 * @gate: whether to
 */
void visor_interrupt_gate(struct visor_device *dev, bool gate)
{
	if (gate) {
		set_bit(VISOR_DEV_GATED, &dev->priv->flags);
		interrupt_synchronize(dev);
	} else {
		clear_bit(VISOR_DEV_GATED, &dev->priv->flags);
		mod_timer(&dev->priv->timer, jiffies + 1);
	}
}

/**
 * visor_interrupt_drain() - call the driver once for each queue pair
 * @dev: the device
 */
void visor_interrupt_drain(struct visor_device *dev)
{
	unsigned int i;

	for (i = 0; i < dev->queue_pairs; i++)
		interrupt_call_locked(&dev->priv->pair[i]);
}

/**
 * visor_interrupt_init() - listen on the vectors of a new device
 * @dev: with channel, window and number of queue pairs
 */
void visor_interrupt_init(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	struct visor_window *window = channel->window;
	unsigned long flags;
	unsigned int i;

	timer_setup(&priv->timer, interrupt_timer, 0);
	hrtimer_setup(&priv->poll, interrupt_poll, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL_SOFT);
	priv->poll_active = ktime_get_ns();
	for (i = 0; i < dev->queue_pairs; i++) {
		struct visor_pair *pair = &priv->pair[i];

		pair->dev = dev;
		pair->index = i;
		pair->vector = &window->vector[visorchannel_vector(channel,
						channel->recv_vector, i)];
		priv->polled |= interrupt_pair_polled(pair);
		spin_lock_irqsave(&pair->vector->lock, flags);
		list_add_tail(&pair->node, &pair->vector->pairs);
		spin_unlock_irqrestore(&pair->vector->lock, flags);
	}
	spin_lock_irqsave(&window->devices_lock, flags);
	list_add_tail(&priv->window_node, &window->devices);
	spin_unlock_irqrestore(&window->devices_lock, flags);
	priv->look_time = jiffies + VISOR_SLOW_POLL;
	mod_timer(&priv->timer, priv->look_time);
	if (priv->polled)
		hrtimer_start(&priv->poll, ns_to_ktime(POLL_FAR),
			      HRTIMER_MODE_REL_SOFT);
}

/**
 * visor_interrupt_exit() - stop listening
 * @dev: the device; nothing is called for it any more afterwards
 */
void visor_interrupt_exit(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visor_window *window = dev->visorchannel->window;
	unsigned long flags;
	unsigned int i;

	spin_lock_irqsave(&window->devices_lock, flags);
	list_del(&priv->window_node);
	spin_unlock_irqrestore(&window->devices_lock, flags);
	for (i = 0; i < dev->queue_pairs; i++) {
		struct visor_pair *pair = &priv->pair[i];

		spin_lock_irqsave(&pair->vector->lock, flags);
		list_del(&pair->node);
		spin_unlock_irqrestore(&pair->vector->lock, flags);
	}
	timer_shutdown_sync(&priv->timer);
	hrtimer_cancel(&priv->poll);
}
