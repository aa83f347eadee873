// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus.c - the bus type, buses, matching of devices with function drivers
 *
 * DOC: Theory of Operation
 *
 * A bus is what a guest sees of one service partition: /sys/devices/visorbusN
 * with its devices vbusN:devM below.  Both are devices of the bus type
 * "visorbus"; only the latter match drivers.
 *
 * A device matches a driver whose table has its channel type, if the channel
 * is large enough and of the version that the driver knows.  A device becomes
 * matchable when its own work item looks for a driver, so that registering it
 * in the control thread never probes there.
 *
 * Limits: VISOR_BUSES_MAX buses, VISOR_DEVICES_MAX devices on each.
 */
#include <linux/debugfs.h>
#include <linux/slab.h>

#include "copy.h"
#include "visorbus_private.h"
#include "visorbus_trace.h"

DEFINE_MUTEX(visorbus_lock);
DECLARE_WAIT_QUEUE_HEAD(visorbus_idle);
struct workqueue_struct *visorbus_wq;
struct workqueue_struct *visorbus_config_wq;

static LIST_HEAD(bus_list);
static unsigned int bus_count;
static DEFINE_SPINLOCK(bus_name_lock);

/* ---- the bus type ------------------------------------------------------- */

static const struct device_type bus_device_type;

static const guid_t *bus_type_guid(const struct device *device)
{
	if (device->type == &bus_device_type)
		return &to_visor_bus(device)->type_guid;
	return &to_visor_device(device)->channel_type_guid;
}

static ssize_t modalias_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "visorbus:%pUl\n", bus_type_guid(device));
}
static DEVICE_ATTR_RO(modalias);

static struct attribute *bus_dev_attrs[] = {
	&dev_attr_modalias.attr,
	NULL
};
ATTRIBUTE_GROUPS(bus_dev);

static int bus_uevent(compat_uevent_device *device, struct kobj_uevent_env *env)
{
	return add_uevent_var(env, "MODALIAS=visorbus:%pUl",
			      bus_type_guid(device));
}

/**
 * visor_bus_match_type() - what of a driver's table fits a device?
 * @dev: the device
 * @drv: the driver
 *
 * Return: the entry, NULL if none fits.
 */
const struct visor_channeltype_descriptor *
visor_bus_match_type(const struct visor_device *dev,
		     const struct visor_driver *drv)
{
	const struct visorchannel *channel = dev->visorchannel;
	const struct visor_channeltype_descriptor *type;

	for (type = drv->channel_types; type->name; type++) {
		if (!guid_equal(&type->guid, &dev->channel_type_guid))
			continue;
		if (channel->bytes < type->min_bytes) {
			dev_warn_once(&dev->device,
				      "channel has %llu bytes, %s needs %llu\n",
				      channel->bytes, drv->name,
				      type->min_bytes);
			return NULL;
		}
		if (type->version &&
		    channel->header.version_id != type->version) {
			dev_warn_once(&dev->device,
				      "channel version %u, %s knows %u\n",
				      channel->header.version_id, drv->name,
				      type->version);
			return NULL;
		}
		return type;
	}
	return NULL;
}

static int bus_match(struct device *device, compat_match_driver *driver)
{
	const struct visor_device *dev;

	if (device->type != &visor_device_type)
		return 0;
	dev = to_visor_device(device);
	return test_bit(VISOR_DEV_MATCHABLE, &dev->priv->flags) &&
	       visor_bus_match_type(dev, to_visor_driver(driver));
}

static void bus_shutdown(struct device *device)
{
	if (device->type == &visor_device_type)
		visor_device_bus_shutdown(device);
}

struct bus_type visorbus_type = {
	.name = "visorbus",
	.dev_groups = bus_dev_groups,
	.match = bus_match,
	.uevent = bus_uevent,
	.probe = visor_device_bus_probe,
	.remove = visor_device_bus_remove,
	.shutdown = bus_shutdown,
};

int visorbus_register_visor_driver(struct visor_driver *drv)
{
	if (!drv->name || !drv->channel_types || !drv->probe || !drv->remove ||
	    (!drv->channel_interrupt && !drv->queue_interrupt))
		return -EINVAL;
	drv->driver.name = drv->name;
	drv->driver.bus = &visorbus_type;
	drv->driver.owner = drv->owner;
	drv->driver.probe_type = PROBE_PREFER_ASYNCHRONOUS;
	return driver_register(&drv->driver);
}
EXPORT_SYMBOL_GPL(visorbus_register_visor_driver);

void visorbus_unregister_visor_driver(struct visor_driver *drv)
{
	driver_unregister(&drv->driver);
}
EXPORT_SYMBOL_GPL(visorbus_unregister_visor_driver);

/* ---- attributes of a bus -------------------------------------------------- */

static ssize_t partition_handle_show(struct device *device,
				     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", to_visor_bus(device)->guest_handle);
}
static DEVICE_ATTR_RO(partition_handle);

/* Printed in storage order, as these drivers always did. */
static ssize_t partition_guid_show(struct device *device,
				   struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "{%pUb}\n", &to_visor_bus(device)->partition_guid);
}
static DEVICE_ATTR_RO(partition_guid);

static ssize_t partition_name_show(struct device *device,
				   struct device_attribute *attr, char *buf)
{
	struct visor_bus *bus = to_visor_bus(device);
	ssize_t len;

	/* Not visorbus_lock: with that held a bus waits for its readers to end. */
	spin_lock(&bus_name_lock);
	len = sysfs_emit(buf, "%s\n", bus->name ?: "(null)");
	spin_unlock(&bus_name_lock);
	return len;
}
static DEVICE_ATTR_RO(partition_name);

static ssize_t channel_addr_show(struct device *device,
				 struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", to_visor_bus(device)->channel->addr);
}
static DEVICE_ATTR_RO(channel_addr);

static ssize_t channel_bytes_show(struct device *device,
				  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", to_visor_bus(device)->channel->bytes);
}
static DEVICE_ATTR_RO(channel_bytes);

static ssize_t channel_id_show(struct device *device,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%pUL\n",
			  &to_visor_bus(device)->channel->header.chtype);
}
static DEVICE_ATTR_RO(channel_id);

static struct attribute *bus_attrs[] = {
	&dev_attr_partition_handle.attr,
	&dev_attr_partition_guid.attr,
	&dev_attr_partition_name.attr,
	&dev_attr_channel_addr.attr,
	&dev_attr_channel_bytes.attr,
	&dev_attr_channel_id.attr,
	NULL
};
ATTRIBUTE_GROUPS(bus);

static void bus_release(struct device *device)
{
	struct visor_bus *bus = to_visor_bus(device);

	visorchannel_close(bus->channel);
	kfree(bus->name);
	kfree(bus);
}

static const struct device_type bus_device_type = {
	.name = "visorbus_bus",
	.groups = bus_groups,
	.release = bus_release,
};

/* ---- buses ------------------------------------------------------------------ */

/**
 * visor_bus_set_name() - give a bus another name
 * @bus: the bus
 * @name: from kmalloc(), the bus's from here on
 */
void visor_bus_set_name(struct visor_bus *bus, char *name)
{
	spin_lock(&bus_name_lock);
	swap(bus->name, name);
	spin_unlock(&bus_name_lock);
	kfree(name);
}

/**
 * visor_bus_find() - the bus of a number
 * @no: its number
 *
 * Context: visorbus_lock is held.
 */
struct visor_bus *visor_bus_find(u32 no)
{
	struct visor_bus *bus;

	list_for_each_entry(bus, &bus_list, node)
		if (bus->no == no)
			return bus;
	return NULL;
}

/* Does a byte of it belong to another channel? */
static bool bus_channel_taken(const struct visorchannel *channel)
{
	const struct visor_window *window = channel->window;
	struct visor_device_private *priv;
	struct visor_bus *bus;

	/*
	 * In PCI the area table keeps channels apart from the control channel, in
	 * RAM nothing else does.  Its payloads, and what the kernel's command line
	 * leaves to it beyond them, are as little anybody else's.
	 */
	if (!window->pdev &&
	    mullion_ranges_overlap(channel->addr, channel->bytes, window->gpa,
				   window->size))
		return true;
	list_for_each_entry(bus, &bus_list, node) {
		if (visorchannel_overlaps(bus->channel, channel))
			return true;
		list_for_each_entry(priv, &bus->devices, bus_node)
			if (priv->dev->visorchannel &&
			    visorchannel_overlaps(priv->dev->visorchannel, channel))
				return true;
	}
	return false;
}

/**
 * visor_bus_open_channel() - open a channel that no bus or device has
 * @window: where it lies
 * @addr: as announced
 * @type: type that it must have
 * @what: for the log
 *
 * Context: visorbus_lock is held.
 * Return: the channel, or an error pointer after one line that says why.
 */
struct visorchannel *visor_bus_open_channel(struct visor_window *window,
					    u64 addr, const guid_t *type,
					    const char *what)
{
	struct visorchannel *channel;
	const char *why;

	if (window->pdev)
		channel = visorchannel_open(window, &window->channels,
					    MULLION_WINDOW_ADDR_OFFSET(addr),
					    addr, MULLION_CHANNEL_EXT_OFFSET_IO,
					    &why);
	else
		channel = visorchannel_open_ram(window, addr,
						MULLION_CHANNEL_EXT_OFFSET_IO,
						&why);
	if (channel && !guid_equal(type, &channel->header.chtype))
		why = "its type is not the one announced";
	else if (channel && bus_channel_taken(channel))
		why = "it overlaps another one";
	else if (channel)
		return channel;
	dev_err(window->dev, "channel of %s at 0x%llx refused: %s\n",
		what, addr, why);
	visorchannel_close(channel);
	return ERR_PTR(-EINVAL);
}

/**
 * visor_bus_create() - make a bus known
 * @window: the caller is a user of it; on success the bus is
 * @no: its number
 * @addr: of its channel
 * @type: type in the message, shown in modalias
 * @inst: instance GUID
 *
 * Context: visorbus_lock is held.
 * Return: 0; -EEXIST; -EUSERS if there are too many; -EINVAL for a channel
 * that is not one of a bus; -ENOMEM.
 */
int visor_bus_create(struct visor_window *window, u32 no, u64 addr,
		     const guid_t *type, const guid_t *inst)
{
	static const guid_t vbus = VISOR_VBUS_CHANNEL_GUID;
	struct visor_bus *bus;
	char what[32];
	int error;

	if (visor_bus_find(no))
		return -EEXIST;
	if (bus_count >= VISOR_BUSES_MAX)
		return -EUSERS;
	bus = kzalloc(sizeof(*bus), GFP_KERNEL);
	if (!bus)
		return -ENOMEM;
	snprintf(what, sizeof(what), "visorbus%u", no);
	bus->channel = visor_bus_open_channel(window, addr, &vbus, what);
	if (IS_ERR(bus->channel)) {
		error = PTR_ERR(bus->channel);
		kfree(bus);
		return error;
	}
	bus->no = no;
	bus->window = window;
	bus->guest_handle = bus->channel->header.partition_handle;
	guid_copy(&bus->type_guid, type);
	guid_copy(&bus->inst, inst);
	INIT_LIST_HEAD(&bus->devices);
	error = visor_bus_read_info(bus);
	if (error) {
		dev_err(window->dev, "%s refused: bad header information\n",
			what);
		visorchannel_close(bus->channel);
		kfree(bus);
		return error;
	}
	device_initialize(&bus->device);
	bus->device.bus = &visorbus_type;
	bus->device.type = &bus_device_type;
	error = dev_set_name(&bus->device, "visorbus%u", no);
	if (!error)
		error = device_add(&bus->device);
	if (error) {
		put_device(&bus->device);
		return error;
	}
	list_add_tail(&bus->node, &bus_list);
	bus_count++;
	visor_bus_write_info(bus);
	visor_bus_debugfs_add(bus);
	return 0;
}

/**
 * visor_bus_destroy() - forget a bus
 * @bus: the bus
 *
 * Context: visorbus_lock is held.
 * Return: 0; -EBUSY if it has devices.
 */
int visor_bus_destroy(struct visor_bus *bus)
{
	struct visor_window *window = bus->window;

	if (bus->device_count)
		return -EBUSY;
	list_del(&bus->node);
	bus_count--;
	debugfs_remove(bus->debugfs);
	device_unregister(&bus->device);
	visor_window_put(window);
	return 0;
}

/* Destroy the devices of a window, or of buses in it; how many are left? */
static unsigned int bus_destroy_devices(struct visor_window *window)
{
	struct visor_device_private *priv;
	struct visor_bus *bus;
	unsigned int left = 0;

	mutex_lock(&visorbus_lock);
	list_for_each_entry(bus, &bus_list, node) {
		list_for_each_entry(priv, &bus->devices, bus_node) {
			if (bus->window != window &&
			    !visor_device_in_window(priv->dev, window))
				continue;
			visor_device_destroy(priv->dev, NULL);
			left++;
		}
	}
	mutex_unlock(&visorbus_lock);
	return left;
}

/**
 * visor_bus_destroy_window() - destroy all that is in a window
 * @window: marked as being removed, so nothing new comes
 *
 * Context: process; sleeps until the drivers have let go.
 */
void visor_bus_destroy_window(struct visor_window *window)
{
	struct visor_bus *bus, *next;

	/* Bounded waits: a wake-up between the look and the sleep is no loss. */
	while (bus_destroy_devices(window)) {
		DEFINE_WAIT(wait);

		prepare_to_wait(&visorbus_idle, &wait, TASK_UNINTERRUPTIBLE);
		schedule_timeout(HZ / 10);
		finish_wait(&visorbus_idle, &wait);
	}
	mutex_lock(&visorbus_lock);
	list_for_each_entry_safe(bus, next, &bus_list, node)
		if (bus->window == window)
			visor_bus_destroy(bus);
	mutex_unlock(&visorbus_lock);
}

/* ---- module -------------------------------------------------------------------- */

static int __init visorbus_init(void)
{
	int error;

	visorbus_copy_init();
	visorbus_wq = alloc_workqueue("visorbus", WQ_UNBOUND | WQ_MEM_RECLAIM |
				      WQ_SYSFS, 0);
	if (!visorbus_wq)
		return -ENOMEM;
	/* Probe and remove allocate and flush: no business of reclaim. */
	visorbus_config_wq = alloc_workqueue("visorbus_config", WQ_UNBOUND, 0);
	error = -ENOMEM;
	if (!visorbus_config_wq)
		goto destroy_wq;
	error = bus_register(&visorbus_type);
	if (error)
		goto destroy_config_wq;
	error = visor_chipset_init();
	if (error)
		goto unregister_bus;
	visor_bus_debugfs_init();
	error = visor_window_init();
	if (error)
		goto exit_chipset;
	error = visor_ram_init();
	if (error)
		goto exit_window;
	return 0;

exit_window:
	visor_window_exit();
exit_chipset:
	visor_bus_debugfs_exit();
	visor_chipset_exit();
unregister_bus:
	bus_unregister(&visorbus_type);
destroy_config_wq:
	destroy_workqueue(visorbus_config_wq);
destroy_wq:
	destroy_workqueue(visorbus_wq);
	return error;
}

static void __exit visorbus_exit(void)
{
	visor_ram_exit();
	visor_window_exit();
	visor_bus_debugfs_exit();
	visor_chipset_exit();
	bus_unregister(&visorbus_type);
	destroy_workqueue(visorbus_config_wq);
	destroy_workqueue(visorbus_wq);
}

module_init(visorbus_init);
module_exit(visorbus_exit);

MODULE_DESCRIPTION("Mullion bus: windows, control channel and devices");
MODULE_LICENSE("GPL");
