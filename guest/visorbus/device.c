// SPDX-License-Identifier: GPL-2.0-only
/*
 * device.c - devices: creation, probe, attach, removal
 *
 * DOC: Theory of Operation
 *
 * A device is created in the control thread: channel opened, share of the pool
 * reserved, registered in sysfs.  Everything that calls a driver and needs the
 * driver core's device lock (probe, rebind, destruction) is done by the
 * device's config work, so that the control thread never waits for device I/O.
 * The state work (state.c) is another one: it must run while a probe or a
 * remove does I/O and the server dies meanwhile.
 *
 * A device that is destroyed is marked as dying: waits end, nothing new is
 * queued.  Its driver is removed with a working channel, then interrupts
 * stop, then it detaches.  DEVICE_DESTROY is answered when all that is done.
 *
 * Failure behaviour: a server that does not confirm the detach within
 * VISOR_DETACH_TIMEOUT keeps the pool areas (pool.c), not the device.  A probe
 * that found no server is repeated when one confirms (state.c).
 */
#include <linux/slab.h>

#include "visorbus_private.h"
#include "visorbus_trace.h"

/* ---- attach and detach ---------------------------------------------------- */

static bool device_moved(struct visor_device *dev)
{
	return test_bit(VISOR_DEV_DYING, &dev->priv->flags) ||
	       visorchannel_poll(dev->visorchannel) != VISOR_ATTACH_WAITING;
}

static void device_raise(struct visor_device *dev)
{
	mutex_lock(&dev->priv->callback_lock);
	visorchannel_raise(dev->visorchannel);
	visor_state_set(dev, VISOR_STATE_RAISED);
	mutex_unlock(&dev->priv->callback_lock);
}

/* Raise, and raise again for each new generation, until confirmed. */
static int device_confirm(struct visor_device *dev, unsigned long timeout)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	unsigned long end = jiffies + timeout;

	device_raise(dev);
	for (;;) {
		wait_event_timeout(priv->wait, device_moved(dev), HZ / 4);
		if (test_bit(VISOR_DEV_DYING, &priv->flags))
			return -ENODEV;
		switch (visorchannel_poll(channel)) {
		case VISOR_ATTACH_CONFIRMED:
			return 0;
		case VISOR_ATTACH_GONE:
			return -ENODEV;
		case VISOR_ATTACH_OUTDATED:
			device_raise(dev);
			break;
		default:
			break;
		}
		if (time_after_eq(jiffies, end))
			return visorchannel_server_fault(channel) ?
			       -EREMOTEIO : -ETIMEDOUT;
	}
}

int visorbus_device_attach(struct visor_device *dev, u64 features,
			   unsigned long timeout)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	int error;

	channel->wanted = features;
	/* Who polls is told of what is sent by being rung for each of it. */
	if (priv->polled)
		channel->wanted &= ~MULLION_EXTF_EVENT_INDEX;
	if (!channel->has_ext ||
	    !(visorchannel_offered(channel) & MULLION_EXTF_WINDOW_ADDR)) {
		error = visor_memory_check(dev);
		if (error)
			return error;
	}
	error = device_confirm(dev, timeout);
	if (error)
		return error;
	mutex_lock(&priv->callback_lock);
	error = visorchannel_attached(channel);
	if (!error)
		visor_state_set(dev, VISOR_STATE_LIVE);
	mutex_unlock(&priv->callback_lock);
	if (error)
		return error;
	/* The confirmation ended the I/O of everybody before us. */
	if (test_and_clear_bit(VISOR_DEV_QUARANTINE, &priv->flags))
		visor_pool_free_areas(channel->window, &priv->pool);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_device_attach);

/**
 * visor_device_detach() - leave the channel; end all I/O of this driver
 * @dev: a device whose driver has gone, or is quiesced for good
 * @timeout: jiffies to wait for the confirmation
 *
 * Without a confirmation the pool areas are kept in quarantine.
 */
void visor_device_detach(struct visor_device *dev, unsigned long timeout)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	unsigned long end = jiffies + timeout;
	enum visor_attach where;

	visorbus_disable_channel_interrupts(dev);
	mutex_lock(&priv->callback_lock);
	if (priv->state == VISOR_STATE_DETACHED) {
		mutex_unlock(&priv->callback_lock);
		return;
	}
	visor_state_answer(dev, priv->resume_request,
			   CONTROLVM_RESP_DEVICE_INVALID);
	priv->resume_request = NULL;
	visorchannel_raise_detached(channel);
	visor_state_set(dev, VISOR_STATE_DETACHED);
	mutex_unlock(&priv->callback_lock);
	for (;;) {
		wait_event_timeout(priv->wait, (where = visorchannel_poll(channel)) !=
				   VISOR_ATTACH_WAITING, HZ / 4);
		if (where == VISOR_ATTACH_GONE)
			visor_memory_lose(channel->window, &priv->pool.held);
		if (where == VISOR_ATTACH_CONFIRMED ||
		    where == VISOR_ATTACH_GONE) {
			visor_pool_free_areas(channel->window, &priv->pool);
			return;
		}
		if (time_after_eq(jiffies, end))
			break;
		if (where == VISOR_ATTACH_OUTDATED)
			visorchannel_raise_detached(channel);
	}
	set_bit(VISOR_DEV_QUARANTINE, &priv->flags);
	dev_warn(&dev->device, "the server has not confirmed the detach, pool areas are kept until it does\n");
}

/* ---- probe, remove, shutdown ---------------------------------------------- */

int visor_device_bus_probe(struct device *device)
{
	struct visor_device *dev = to_visor_device(device);
	struct visor_driver *drv = to_visor_driver(device->driver);
	struct visor_device_private *priv = dev->priv;
	const struct visor_channeltype_descriptor *type;
	int error;

	type = visor_bus_match_type(dev, drv);
	if (!type || test_bit(VISOR_DEV_STANDBY, &priv->flags) ||
	    test_bit(VISOR_DEV_DYING, &priv->flags))
		return -ENODEV;
	priv->drv = drv;
	strscpy(priv->type, type->name, sizeof(priv->type));
	priv->fault[0] = '\0';
	clear_bit(VISOR_DEV_GATED, &priv->flags);
	clear_bit(VISOR_DEV_FAULT, &priv->flags);
	clear_bit(VISOR_DEV_RESET, &priv->flags);
	clear_bit(VISOR_DEV_RETRY, &priv->flags);
	dev->visorchannel->incarnation = 0;
	visor_chipset_hold();
	error = drv->probe(dev);
	trace_visorbus_probe(dev->chipset_bus_no, dev->chipset_dev_no,
			     drv->name, error);
	if (error) {
		if (error == -ETIMEDOUT)
			set_bit(VISOR_DEV_RETRY, &priv->flags);
		visor_device_detach(dev, VISOR_DETACH_TIMEOUT);
		priv->type[0] = '\0';
		priv->drv = NULL;
		/* It came just now: not the state work's to notice. */
		if (!test_bit(VISOR_DEV_QUARANTINE, &priv->flags) &&
		    test_and_clear_bit(VISOR_DEV_RETRY, &priv->flags))
			visor_device_look_for_driver(dev);
	} else {
		visor_bus_write_device_info(dev);
	}
	visor_chipset_release();
	return error;
}

void visor_device_bus_remove(struct device *device)
{
	struct visor_device *dev = to_visor_device(device);
	struct visor_device_private *priv = dev->priv;

	trace_visorbus_remove(dev->chipset_bus_no, dev->chipset_dev_no,
			      priv->drv->name, 0);
	priv->drv->remove(dev);
	visor_device_detach(dev, VISOR_DETACH_TIMEOUT);
	priv->type[0] = '\0';
	priv->drv = NULL;
}

/* Reboot and kexec: the next kernel must not meet our I/O. */
void visor_device_bus_shutdown(struct device *device)
{
	struct visor_device *dev = to_visor_device(device);
	struct visor_device_private *priv = dev->priv;

	if (!device->driver) {
		/* One that went without a server may have left its memory with it. */
		if (visorbus_device_physical(dev))
			wait_event_timeout(priv->wait,
					   !test_bit(VISOR_DEV_QUARANTINE, &priv->flags),
					   30 * HZ);
		return;
	}
	mutex_lock(&priv->callback_lock);
	if (priv->state == VISOR_STATE_LIVE &&
	    test_bit(VISOR_DEV_ENABLED, &priv->flags))
		visor_state_quiesce(dev);
	visor_interrupt_gate(dev, true);
	mutex_unlock(&priv->callback_lock);
	/* The next kernel's memory is at stake, or only the pool. */
	visor_device_detach(dev, visorbus_device_physical(dev) ? 30 * HZ : 2 * HZ);
}

/* ---- config work ------------------------------------------------------------ */

static void device_kick_config(struct visor_device *dev)
{
	get_device(&dev->device);
	if (!queue_work(visorbus_config_wq, &dev->priv->config_work))
		put_device(&dev->device);
}

/**
 * visor_device_look_for_driver() - probe, in the device's own time
 * @dev: the device
 */
void visor_device_look_for_driver(struct visor_device *dev)
{
	if (!test_and_set_bit(VISOR_DEV_PROBE, &dev->priv->flags))
		visor_chipset_hold();
	device_kick_config(dev);
}

static void device_teardown(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visorchannel *channel = dev->visorchannel;
	struct visor_window *window = channel->window;

	device_del(&dev->device);
	visor_interrupt_exit(dev);
	visor_state_flush(dev);

	mutex_lock(&visorbus_lock);
	list_del(&priv->bus_node);
	priv->bus->device_count--;
	mutex_unlock(&visorbus_lock);
	if (test_bit(VISOR_DEV_QUARANTINE, &priv->flags) &&
	    !(channel->epoch && visorchannel_ended(channel, channel->epoch))) {
		visor_pool_limbo(dev);
	} else {
		/* A window that has gone has ended nothing. */
		if (test_bit(VISOR_DEV_QUARANTINE, &priv->flags) &&
		    visorchannel_poll(channel) == VISOR_ATTACH_GONE)
			visor_memory_lose(window, &priv->pool.held);
		visor_pool_release(window, &priv->pool);
	}
	visor_window_put(window);
	if (priv->destroy_request)
		visor_control_respond(priv->destroy_request,
				      CONTROLVM_RESP_SUCCESS, NULL);
	priv->destroy_request = NULL;
	visor_message_teardown_done();
	wake_up_all(&visorbus_idle);
	put_device(&dev->device);
}

static void device_config_work(struct work_struct *work)
{
	struct visor_device_private *priv =
		container_of(work, struct visor_device_private, config_work);
	struct visor_device *dev = priv->dev;
	bool probe = test_and_clear_bit(VISOR_DEV_PROBE, &priv->flags);

	if (test_bit(VISOR_DEV_DYING, &priv->flags)) {
		if (!test_and_set_bit(VISOR_DEV_DEAD, &priv->flags))
			device_teardown(dev);
	} else if (probe) {
		if (test_bit(VISOR_DEV_REBIND, &priv->flags))
			device_release_driver(&dev->device);
		clear_bit(VISOR_DEV_REBIND, &priv->flags);
		set_bit(VISOR_DEV_MATCHABLE, &priv->flags);
		if (device_attach(&dev->device) < 0)
			dev_warn(&dev->device, "no driver could be bound\n");
	}
	if (probe)
		visor_chipset_release();
	put_device(&dev->device);
}

/* ---- creation, destruction ------------------------------------------------------ */

static void device_release(struct device *device)
{
	struct visor_device *dev = to_visor_device(device);

	visorchannel_close(dev->visorchannel);
	kvfree(dev->priv->pool.share_map);
	kfree(dev->priv);
	kfree(dev);
}

const struct device_type visor_device_type = {
	.name = "visorbus_device",
	.groups = visor_device_groups,
	.release = device_release,
};

/**
 * visor_device_find() - the device of a number
 * @bus: its bus
 * @no: its number
 *
 * Context: visorbus_lock is held.
 */
struct visor_device *visor_device_find(struct visor_bus *bus, u32 no)
{
	struct visor_device_private *priv;

	list_for_each_entry(priv, &bus->devices, bus_node)
		if (priv->dev->chipset_dev_no == no)
			return priv->dev;
	return NULL;
}

/* Context: visorbus_lock is held. */
bool visor_device_in_window(const struct visor_device *dev,
			    const struct visor_window *window)
{
	return dev->visorchannel && dev->visorchannel->window == window;
}

/* Take from the extension what concerns the bus; defaults without it. */
static int device_set_limits(struct visor_device *dev)
{
	struct visorchannel *channel = dev->visorchannel;
	const struct mullion_channel_ext *info = &channel->info;

	dev->queue_pairs = 1;
	dev->io_align = 1;
	channel->queues_max = 2;
	if (!channel->has_ext)
		return 0;
	if (!info->queue_pairs || info->queue_pairs > MULLION_QUEUE_PAIRS_MAX)
		return -EINVAL;
	dev->queue_pairs = info->queue_pairs;
	channel->queues_max = 2 * dev->queue_pairs;
	dev->max_outstanding = info->max_outstanding;
	dev->pool_share = info->pool_share;
	if (is_power_of_2(info->io_align) && info->io_align <= PAGE_SIZE)
		dev->io_align = info->io_align;
	return 0;
}

static int device_open(struct visor_device *dev, struct visor_window *window,
		       const struct controlvm_packet_create_device *packet)
{
	struct visorchannel *channel;
	char what[40];
	int error;

	snprintf(what, sizeof(what), "vbus%u:dev%u", packet->bus_no,
		 packet->dev_no);
	channel = visor_bus_open_channel(window, packet->channel_addr,
					 &dev->channel_type_guid, what);
	if (IS_ERR(channel))
		return PTR_ERR(channel);
	channel->recv_vector = packet->intr.recv_irq_vector;
	channel->send_vector = packet->intr.reserved1;
	dev->visorchannel = channel;
	error = device_set_limits(dev);
	if (error) {
		dev_err(window->dev, "%s refused: bad number of queue pairs\n",
			what);
		return error;
	}
	error = visor_pool_reserve(dev);
	if (error > 0) {
		set_bit(VISOR_DEV_QUARANTINE, &dev->priv->flags);
		error = 0;
	}
	if (error)
		dev_err(window->dev,
			"%s refused: no room for its %llu bytes of pool; give it a window of its own\n",
			what, dev->pool_share);
	return error;
}

/**
 * visor_device_create() - make a device known and look for a driver
 * @bus: its bus
 * @packet: private copy of the message
 *
 * Context: visorbus_lock is held.
 * Return: 0; -EEXIST; -EUSERS if there are too many; -ENXIO if its window is
 * not there; -EINVAL for a bad channel; -ENOSPC without room in the pool;
 * -ENOMEM.
 */
int visor_device_create(struct visor_bus *bus,
			const struct controlvm_packet_create_device *packet)
{
	struct visor_device_private *priv;
	struct visor_window *window;
	struct visor_device *dev;
	int error;

	if (visor_device_find(bus, packet->dev_no))
		return -EEXIST;
	if (bus->device_count >= VISOR_DEVICES_MAX)
		return -EUSERS;
	window = visor_window_find(packet->channel_addr);
	if (!window)
		return -ENXIO;
	dev = kzalloc(sizeof(*dev), GFP_KERNEL);
	priv = kzalloc(sizeof(*priv), GFP_KERNEL);
	error = -ENOMEM;
	if (!dev || !priv)
		goto free;
	dev->priv = priv;
	priv->dev = dev;
	priv->bus = bus;
	dev->chipset_bus_no = bus->no;
	dev->chipset_dev_no = packet->dev_no;
	guid_copy(&dev->channel_type_guid, &packet->data_type_guid);
	guid_copy(&dev->inst, &packet->dev_inst_guid);
	INIT_LIST_HEAD(&priv->pool.areas);
	INIT_LIST_HEAD(&priv->pool.held);
	spin_lock_init(&priv->held_lock);
	INIT_WORK(&priv->config_work, device_config_work);
	visor_state_init(dev);
	error = device_open(dev, window, packet);
	if (error)
		goto close;
	device_initialize(&dev->device);
	dev->device.bus = &visorbus_type;
	dev->device.type = &visor_device_type;
	dev->device.parent = &bus->device;
	error = dev_set_name(&dev->device, "vbus%u:dev%u", bus->no,
			     packet->dev_no);
	if (!error)
		error = device_add(&dev->device);
	if (error) {
		if (test_bit(VISOR_DEV_QUARANTINE, &priv->flags))
			visor_pool_limbo(dev);
		else
			visor_pool_release(window, &priv->pool);
		put_device(&dev->device);
		visor_window_put(window);
		return error;
	}
	list_add_tail(&priv->bus_node, &bus->devices);
	bus->device_count++;
	visor_interrupt_init(dev);
	visor_device_look_for_driver(dev);
	return 0;

close:
	visorchannel_close(dev->visorchannel);
free:
	kfree(priv);
	kfree(dev);
	visor_window_put(window);
	return error;
}

/**
 * visor_device_destroy() - begin to destroy a device
 * @dev: the device
 * @request: consumed, answered when it is done; NULL if nobody asked
 *
 * Context: visorbus_lock is held.
 */
void visor_device_destroy(struct visor_device *dev,
			  struct visor_request *request)
{
	struct visor_device_private *priv = dev->priv;

	if (test_and_set_bit(VISOR_DEV_DYING, &priv->flags)) {
		if (request)
			visor_control_respond(request,
					      CONTROLVM_RESP_DEVICE_INVALID,
					      NULL);
		return;
	}
	priv->destroy_request = request;
	visor_message_teardown_begin();
	wake_up_all(&priv->wait);
	device_kick_config(dev);
}

/* ---- small answers ---------------------------------------------------------------- */

u64 visorbus_device_features(const struct visor_device *dev)
{
	return dev->visorchannel->features;
}
EXPORT_SYMBOL_GPL(visorbus_device_features);

u32 visorbus_device_epoch(const struct visor_device *dev)
{
	return (u32)dev->visorchannel->epoch;
}
EXPORT_SYMBOL_GPL(visorbus_device_epoch);

void visorbus_device_count_stale(struct visor_device *dev)
{
	atomic64_inc(&dev->priv->stale);
}
EXPORT_SYMBOL_GPL(visorbus_device_count_stale);

bool visorbus_device_gone(const struct visor_device *dev)
{
	return READ_ONCE(dev->visorchannel->window->gone);
}
EXPORT_SYMBOL_GPL(visorbus_device_gone);

struct mullion_sq *visorbus_device_queue(struct visor_device *dev,
					 unsigned int queue)
{
	struct visorchannel *channel = dev->visorchannel;

	if (queue >= channel->queues_max || !channel->queues[queue].open)
		return NULL;
	return &channel->queues[queue].sq;
}
EXPORT_SYMBOL_GPL(visorbus_device_queue);

void visorbus_device_ring(struct visor_device *dev, unsigned int queue)
{
	visorchannel_ring(dev->visorchannel, queue);
	if (dev->priv->polled)
		visor_interrupt_busy(dev);
}
EXPORT_SYMBOL_GPL(visorbus_device_ring);

int visorbus_read_channel(struct visor_device *dev, u64 offset, void *dest,
			  u64 nbytes)
{
	return visorchannel_read(dev->visorchannel, offset, dest, nbytes);
}
EXPORT_SYMBOL_GPL(visorbus_read_channel);

int visorbus_write_channel(struct visor_device *dev, u64 offset,
			   const void *src, u64 nbytes)
{
	return visorchannel_write(dev->visorchannel, offset, src, nbytes);
}
EXPORT_SYMBOL_GPL(visorbus_write_channel);

void visorbus_device_hold_ready(struct visor_device *dev)
{
	visor_chipset_hold();
}
EXPORT_SYMBOL_GPL(visorbus_device_hold_ready);

void visorbus_device_release_ready(struct visor_device *dev)
{
	visor_chipset_release();
}
EXPORT_SYMBOL_GPL(visorbus_device_release_ready);
