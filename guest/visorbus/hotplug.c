// SPDX-License-Identifier: GPL-2.0-only
/*
 * hotplug.c - parahotplug: user space enables or disables a PCI function
 *
 * DEVICE_CHANGESTATE of a physical device becomes a uevent.  Enabling is
 * answered at once; disabling when user space writes the request's id to
 * parahotplug/devicedisabled (or deviceenabled, if it could not), or with
 * CONTROLVM_RESP_DEVICE_UDEV_TIMEOUT after two seconds.
 */
#include <linux/slab.h>

#include "visorbus_private.h"

#define HOTPLUG_TIMEOUT	(2 * HZ)
#define HOTPLUG_MAX	64

struct hotplug_pending {
	struct list_head node;
	u32 id;
	unsigned long expires;
	struct visor_request *request;
};

static DEFINE_SPINLOCK(hotplug_lock);
static LIST_HEAD(hotplug_list);
static unsigned int hotplug_count;
static atomic_t hotplug_last_id = ATOMIC_INIT(0);

static void hotplug_answer(struct visor_request *request, int status,
			   bool active)
{
	union controlvm_packet packet;
	u16 state = request->msg.cmd.device_change_state.state;

	state &= ~VISOR_SEGMENT_STATE_ACTIVE;
	if (active)
		state |= VISOR_SEGMENT_STATE_ACTIVE;
	memset(&packet, 0, sizeof(packet));
	packet.device_change_state.state = state;
	packet.device_change_state.flags.word =
		CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE;
	visor_control_respond(request, status, &packet);
}

/* Take a pending request out of the list; 0 stands for any that has expired. */
static struct visor_request *hotplug_take(u32 id, bool expired, bool all)
{
	struct visor_request *request = NULL;
	struct hotplug_pending *pending, *next;

	spin_lock_irq(&hotplug_lock);
	list_for_each_entry_safe(pending, next, &hotplug_list, node) {
		if (!all && !(expired && time_after_eq(jiffies, pending->expires)) &&
		    (expired || pending->id != id))
			continue;
		request = pending->request;
		list_del(&pending->node);
		hotplug_count--;
		kfree(pending);
		break;
	}
	spin_unlock_irq(&hotplug_lock);
	return request;
}

static int hotplug_uevent(const struct visor_request *request, u32 id,
			  bool active)
{
	const struct controlvm_packet_device_change_state *packet =
		&request->msg.cmd.device_change_state;
	char env_id[40], env_state[40], env_bus[40], env_dev[40], env_func[40];
	char *envp[] = {
		"VISOR_PARAHOTPLUG=1", env_id, env_state, env_bus, env_dev,
		env_func, NULL
	};

	snprintf(env_id, sizeof(env_id), "VISOR_PARAHOTPLUG_ID=%u", id);
	snprintf(env_state, sizeof(env_state), "VISOR_PARAHOTPLUG_STATE=%d",
		 active);
	snprintf(env_bus, sizeof(env_bus), "VISOR_PARAHOTPLUG_BUS=%u",
		 packet->bus_no);
	snprintf(env_dev, sizeof(env_dev), "VISOR_PARAHOTPLUG_DEVICE=%u",
		 packet->dev_no >> 3);
	snprintf(env_func, sizeof(env_func), "VISOR_PARAHOTPLUG_FUNCTION=%u",
		 packet->dev_no & 7);
	return visor_chipset_uevent(envp);
}

static void hotplug_enable(struct visor_request *request)
{
	int error = hotplug_uevent(request, atomic_inc_return(&hotplug_last_id),
				   true);

	hotplug_answer(request, error ?
		       CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR : 0, true);
}

static void hotplug_disable(struct visor_request *request)
{
	u32 id = atomic_inc_return(&hotplug_last_id);
	struct hotplug_pending *pending;
	struct visor_request copy;
	bool full;

	pending = kzalloc(sizeof(*pending), GFP_KERNEL);
	if (!pending) {
		hotplug_answer(request, CONTROLVM_RESP_KMALLOC_FAILED, true);
		return;
	}
	pending->id = id;
	pending->expires = jiffies + HOTPLUG_TIMEOUT;
	pending->request = request;
	/* User space may answer, and end the request, during the uevent. */
	copy = *request;
	spin_lock_irq(&hotplug_lock);
	full = hotplug_count >= HOTPLUG_MAX;
	if (!full) {
		list_add_tail(&pending->node, &hotplug_list);
		hotplug_count++;
	}
	spin_unlock_irq(&hotplug_lock);
	if (full) {
		kfree(pending);
		hotplug_answer(request, CONTROLVM_RESP_KMALLOC_FAILED, true);
		return;
	}
	if (!hotplug_uevent(&copy, id, false))
		return;
	request = hotplug_take(id, false, false);
	if (request)
		hotplug_answer(request,
			       CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR, true);
}

/**
 * visor_hotplug_request() - enable or disable a PCI function
 * @request: DEVICE_CHANGESTATE of a physical device, consumed
 */
void visor_hotplug_request(struct visor_request *request)
{
	if (request->msg.cmd.device_change_state.state &
	    VISOR_SEGMENT_STATE_ACTIVE)
		hotplug_enable(request);
	else
		hotplug_disable(request);
}

/**
 * visor_hotplug_expire() - answer what user space has not answered in time
 *
 * Return: jiffies until this should be called again.
 */
unsigned long visor_hotplug_expire(void)
{
	struct visor_request *request;

	while ((request = hotplug_take(0, true, false)))
		hotplug_answer(request, CONTROLVM_RESP_DEVICE_UDEV_TIMEOUT,
			       true);
	return READ_ONCE(hotplug_count) ? HZ / 10 : HZ;
}

/**
 * visor_hotplug_forget() - the control channel goes away
 */
void visor_hotplug_forget(void)
{
	struct visor_request *request;

	while ((request = hotplug_take(0, false, true)))
		hotplug_answer(request, CONTROLVM_RESP_DEVICE_UDEV_TIMEOUT,
			       true);
}

static ssize_t hotplug_store(const char *buf, size_t count, bool active)
{
	struct visor_request *request;
	u32 id;
	int error;

	error = kstrtou32(buf, 10, &id);
	if (error)
		return error;
	request = hotplug_take(id, false, false);
	if (!request)
		return -EINVAL;
	hotplug_answer(request, CONTROLVM_RESP_SUCCESS, active);
	return count;
}

static ssize_t devicedisabled_store(struct device *device,
				    struct device_attribute *attr,
				    const char *buf, size_t count)
{
	return hotplug_store(buf, count, false);
}
static DEVICE_ATTR_WO(devicedisabled);

static ssize_t deviceenabled_store(struct device *device,
				   struct device_attribute *attr,
				   const char *buf, size_t count)
{
	return hotplug_store(buf, count, true);
}
static DEVICE_ATTR_WO(deviceenabled);

static struct attribute *hotplug_attrs[] = {
	&dev_attr_devicedisabled.attr,
	&dev_attr_deviceenabled.attr,
	NULL
};

const struct attribute_group visor_hotplug_group = {
	.name = "parahotplug",
	.attrs = hotplug_attrs,
};
