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
 * called in any case, for a driver may wait for space in a full ring.  For
 * pairs whose vector has no interrupt the timer runs every tick while the
 * driver wants interrupts.
 */
#include "visorbus_private.h"

/* Ticks that a doorbell may take to arrive. */
#define INTERRUPT_SECOND_LOOK 3

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
	bool polled = interrupt_pair_polled(pair);

	if (look == VISOR_LOOK_FIRST)
		interrupt_first_look(pair);
	if (look == VISOR_LOOK_SECOND && !polled && interrupt_second_look(pair))
		atomic64_inc(&pair->dev->priv->rescues);
	if (look == VISOR_LOOK_SECOND || polled)
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
	bool fast = false;
	unsigned int i;

	if (look == VISOR_LOOK_SECOND) {
		if (visor_state_needs_look(dev)) {
			atomic64_inc(&priv->rescues);
			visor_state_kick(dev);
		}
		wake_up(&priv->wait);
	}
	for (i = 0; i < dev->queue_pairs && interrupt_wanted(priv); i++) {
		interrupt_look_at_pair(&priv->pair[i], look);
		fast |= interrupt_pair_polled(&priv->pair[i]);
	}
	mod_timer(timer, fast ? jiffies + 1 : priv->look_time);
}

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
	for (i = 0; i < dev->queue_pairs; i++) {
		struct visor_pair *pair = &priv->pair[i];

		pair->dev = dev;
		pair->index = i;
		pair->vector = &window->vector[visorchannel_vector(channel,
						channel->recv_vector, i)];
		spin_lock_irqsave(&pair->vector->lock, flags);
		list_add_tail(&pair->node, &pair->vector->pairs);
		spin_unlock_irqrestore(&pair->vector->lock, flags);
	}
	spin_lock_irqsave(&window->devices_lock, flags);
	list_add_tail(&priv->window_node, &window->devices);
	spin_unlock_irqrestore(&window->devices_lock, flags);
	priv->look_time = jiffies + VISOR_SLOW_POLL;
	mod_timer(&priv->timer, priv->look_time);
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
}
