// SPDX-License-Identifier: GPL-2.0-only
/*
 * chipset.c - /sys/devices/visorchipset: readiness, events, installation
 *
 * DOC: Theory of Operation
 *
 * One device, on a bus type of its own so that its uevents reach user space
 * (SUBSYSTEM=visorchipset): ONLINE for CHIPSET_READY, OFFLINE for CHIPSET_STOP,
 * CHANGE for self-test, parahotplug and readiness.
 *
 * `ready` reads 1 when CHIPSET_READY was processed, no device is being probed
 * or scanned, and everything that these probes started asynchronously (the
 * probes of disks) has ended.  It can be polled.  It goes back to 0 while a
 * new device is probed.
 *
 * install/ is a view of fields of the control channel.
 */
#include <linux/async.h>
#include <linux/slab.h>

#include "visorbus_private.h"

static struct bus_type chipset_subsystem = {
	.name = "visorchipset",
};

static struct device *chipset_device;
static atomic_t chipset_holds = ATOMIC_INIT(0);
static bool chipset_is_ready;
static bool chipset_is_settled;

/**
 * visor_chipset_uevent() - tell user space about a change
 * @envp: NULL-terminated variables
 *
 * Return: 0 or negative errno.
 */
int visor_chipset_uevent(char **envp)
{
	return kobject_uevent_env(&chipset_device->kobj, KOBJ_CHANGE, envp);
}

/* ---- readiness ----------------------------------------------------------- */

static void chipset_settle(struct work_struct *work)
{
	char *envp[] = { "VISORCHIPSET_READY=1", NULL };

	async_synchronize_full();
	if (!READ_ONCE(chipset_is_ready) || atomic_read(&chipset_holds) ||
	    READ_ONCE(chipset_is_settled))
		return;
	WRITE_ONCE(chipset_is_settled, true);
	sysfs_notify(&chipset_device->kobj, NULL, "ready");
	visor_chipset_uevent(envp);
}
static DECLARE_WORK(chipset_settle_work, chipset_settle);

/**
 * visor_chipset_hold() - a probe or scan begins
 *
 * Context: any.
 */
void visor_chipset_hold(void)
{
	atomic_inc(&chipset_holds);
	WRITE_ONCE(chipset_is_settled, false);
}

/**
 * visor_chipset_release() - it has ended
 *
 * Context: any.
 */
void visor_chipset_release(void)
{
	if (atomic_dec_and_test(&chipset_holds) && READ_ONCE(chipset_is_ready))
		queue_work(system_unbound_wq, &chipset_settle_work);
}

int visor_chipset_ready(void)
{
	WRITE_ONCE(chipset_is_ready, true);
	if (!atomic_read(&chipset_holds))
		queue_work(system_unbound_wq, &chipset_settle_work);
	return kobject_uevent(&chipset_device->kobj, KOBJ_ONLINE);
}

int visor_chipset_stop(void)
{
	WRITE_ONCE(chipset_is_ready, false);
	WRITE_ONCE(chipset_is_settled, false);
	return kobject_uevent(&chipset_device->kobj, KOBJ_OFFLINE);
}

int visor_chipset_selftest(void)
{
	char *envp[] = { "SPARSP_SELFTEST=1", NULL };

	return visor_chipset_uevent(envp);
}

static ssize_t ready_show(struct device *device, struct device_attribute *attr,
			  char *buf)
{
	return sysfs_emit(buf, "%d\n", READ_ONCE(chipset_is_settled) &&
			  !atomic_read(&chipset_holds));
}
static DEVICE_ATTR_RO(ready);

static ssize_t rescues_show(struct device *device,
			    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", visor_control_rescues());
}
static DEVICE_ATTR_RO(rescues);

static struct attribute *chipset_attrs[] = {
	&dev_attr_ready.attr,
	&dev_attr_rescues.attr,
	NULL
};

static const struct attribute_group chipset_group = {
	.attrs = chipset_attrs,
};

/* ---- installation ------------------------------------------------------------ */

#define CHIPSET_FIELD(name) offsetof(struct visor_controlvm_channel, name)

/* An unsigned number of the control channel as an attribute. */
#define CHIPSET_INSTALL(attr_name, type, parse, field)			\
static ssize_t attr_name##_show(struct device *device,			\
				struct device_attribute *attr,		\
				char *buf)				\
{									\
	type value;							\
	int error = visor_control_read(CHIPSET_FIELD(field), &value,	\
				       sizeof(value));			\
									\
	return error ?: sysfs_emit(buf, "%u\n", value);			\
}									\
									\
static ssize_t attr_name##_store(struct device *device,			\
				 struct device_attribute *attr,		\
				 const char *buf, size_t count)		\
{									\
	type value;							\
	int error = parse(buf, 10, &value);				\
									\
	if (!error)							\
		error = visor_control_write(CHIPSET_FIELD(field),	\
					    &value, sizeof(value));	\
	return error ?: count;						\
}									\
static DEVICE_ATTR_RW(attr_name)

CHIPSET_INSTALL(toolaction, u8, kstrtou8, tool_action);
CHIPSET_INSTALL(error, u32, kstrtou32, installation_error);
CHIPSET_INSTALL(textid, u32, kstrtou32, installation_text_id);
CHIPSET_INSTALL(remaining_steps, u16, kstrtou16, installation_remaining_steps);

static ssize_t boottotool_show(struct device *device,
			       struct device_attribute *attr, char *buf)
{
	u64 value;
	int error = visor_control_read(CHIPSET_FIELD(efi_visor_ind), &value,
				       sizeof(value));

	return error ?: sysfs_emit(buf, "%d\n",
				   !!(value & EFI_VISOR_INDICATION_BOOT_TO_TOOL));
}

/* The other bits of the word belong to others and are kept. */
static ssize_t boottotool_store(struct device *device,
				struct device_attribute *attr,
				const char *buf, size_t count)
{
	u64 value;
	int error, set;

	error = kstrtoint(buf, 10, &set);
	if (!error)
		error = visor_control_read(CHIPSET_FIELD(efi_visor_ind),
					   &value, sizeof(value));
	if (error)
		return error;
	value &= ~EFI_VISOR_INDICATION_BOOT_TO_TOOL;
	if (set & 1)
		value |= EFI_VISOR_INDICATION_BOOT_TO_TOOL;
	error = visor_control_write(CHIPSET_FIELD(efi_visor_ind), &value,
				    sizeof(value));
	return error ?: count;
}
static DEVICE_ATTR_RW(boottotool);

static struct attribute *install_attrs[] = {
	&dev_attr_toolaction.attr,
	&dev_attr_boottotool.attr,
	&dev_attr_error.attr,
	&dev_attr_textid.attr,
	&dev_attr_remaining_steps.attr,
	NULL
};

static const struct attribute_group install_group = {
	.name = "install",
	.attrs = install_attrs,
};

static const struct attribute_group *chipset_groups[] = {
	&chipset_group,
	&install_group,
	&visor_hotplug_group,
	NULL
};

static void chipset_release(struct device *device)
{
	kfree(device);
}

int visor_chipset_init(void)
{
	int error;

	error = bus_register(&chipset_subsystem);
	if (error)
		return error;
	chipset_device = kzalloc(sizeof(*chipset_device), GFP_KERNEL);
	if (!chipset_device) {
		error = -ENOMEM;
		goto unregister;
	}
	device_initialize(chipset_device);
	chipset_device->bus = &chipset_subsystem;
	chipset_device->groups = chipset_groups;
	chipset_device->release = chipset_release;
	error = dev_set_name(chipset_device, "visorchipset");
	if (!error)
		error = device_add(chipset_device);
	if (error)
		goto put;
	return 0;

put:
	put_device(chipset_device);
unregister:
	bus_unregister(&chipset_subsystem);
	return error;
}

void visor_chipset_exit(void)
{
	WRITE_ONCE(chipset_is_ready, false);
	cancel_work_sync(&chipset_settle_work);
	device_unregister(chipset_device);
	bus_unregister(&chipset_subsystem);
}
