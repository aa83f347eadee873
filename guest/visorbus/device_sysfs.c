// SPDX-License-Identifier: GPL-2.0-only
/*
 * device_sysfs.c - attributes of devices
 *
 * channel/ holds what the s-Par documents describe, from the private copy of
 * the channel header.  mullion/ holds epoch, state and counters.
 */
#include "visorbus_private.h"

static const struct visorchannel *sysfs_channel(struct device *device)
{
	return to_visor_device(device)->visorchannel;
}

static struct visor_device_private *sysfs_priv(struct device *device)
{
	return to_visor_device(device)->priv;
}

static ssize_t physaddr_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", sysfs_channel(device)->addr);
}
static DEVICE_ATTR_RO(physaddr);

static ssize_t nbytes_show(struct device *device,
			   struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", sysfs_channel(device)->bytes);
}
static DEVICE_ATTR_RO(nbytes);

static ssize_t clientpartition_show(struct device *device,
				    struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n",
			  sysfs_channel(device)->header.partition_handle);
}
static DEVICE_ATTR_RO(clientpartition);

static ssize_t typeguid_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%pUL\n", &sysfs_channel(device)->header.chtype);
}
static DEVICE_ATTR_RO(typeguid);

static ssize_t zoneguid_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%pUL\n",
			  &sysfs_channel(device)->header.zone_guid);
}
static DEVICE_ATTR_RO(zoneguid);

static ssize_t typename_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	const char *type = sysfs_priv(device)->type;

	return type[0] ? sysfs_emit(buf, "%s\n", type) : 0;
}
static DEVICE_ATTR_RO(typename);

static struct attribute *channel_attrs[] = {
	&dev_attr_physaddr.attr,
	&dev_attr_nbytes.attr,
	&dev_attr_clientpartition.attr,
	&dev_attr_typeguid.attr,
	&dev_attr_zoneguid.attr,
	&dev_attr_typename.attr,
	NULL
};

static const struct attribute_group channel_group = {
	.name = "channel",
	.attrs = channel_attrs,
};

static ssize_t state_show(struct device *device,
			  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  visor_state_name(READ_ONCE(sysfs_priv(device)->state)));
}
static DEVICE_ATTR_RO(state);

static ssize_t fault_show(struct device *device,
			  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n", sysfs_priv(device)->fault);
}
static DEVICE_ATTR_RO(fault);

static ssize_t epoch_show(struct device *device,
			  struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n", READ_ONCE(sysfs_channel(device)->epoch));
}
static DEVICE_ATTR_RO(epoch);

static ssize_t generation_show(struct device *device,
			       struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%llu\n",
			  READ_ONCE(sysfs_channel(device)->generation));
}
static DEVICE_ATTR_RO(generation);

static ssize_t features_show(struct device *device,
			     struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%llx\n",
			  READ_ONCE(sysfs_channel(device)->features));
}
static DEVICE_ATTR_RO(features);

static ssize_t addressing_show(struct device *device,
			       struct device_attribute *attr, char *buf)
{
	if (READ_ONCE(sysfs_priv(device)->state) == VISOR_STATE_DETACHED)
		return sysfs_emit(buf, "none\n");
	return sysfs_emit(buf, "%s\n",
			  visorbus_device_physical(to_visor_device(device)) ?
			  "guest-physical" : "window");
}
static DEVICE_ATTR_RO(addressing);

static ssize_t placement_show(struct device *device,
			      struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%s\n",
			  sysfs_channel(device)->window->pdev ? "pci" : "ram");
}
static DEVICE_ATTR_RO(placement);

static ssize_t queue_pairs_show(struct device *device,
				struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", to_visor_device(device)->queue_pairs);
}
static DEVICE_ATTR_RO(queue_pairs);

#define SYSFS_COUNTER(name)						\
static ssize_t name##_show(struct device *device,			\
			   struct device_attribute *attr, char *buf)	\
{									\
	return sysfs_emit(buf, "%lld\n",				\
			  atomic64_read(&sysfs_priv(device)->name));	\
}									\
static DEVICE_ATTR_RO(name)

SYSFS_COUNTER(interrupts);
SYSFS_COUNTER(rescues);
SYSFS_COUNTER(stale);
SYSFS_COUNTER(reattaches);

static struct attribute *mullion_attrs[] = {
	&dev_attr_state.attr,
	&dev_attr_fault.attr,
	&dev_attr_epoch.attr,
	&dev_attr_generation.attr,
	&dev_attr_features.attr,
	&dev_attr_queue_pairs.attr,
	&dev_attr_addressing.attr,
	&dev_attr_placement.attr,
	&dev_attr_interrupts.attr,
	&dev_attr_rescues.attr,
	&dev_attr_stale.attr,
	&dev_attr_reattaches.attr,
	NULL
};

static const struct attribute_group mullion_group = {
	.name = "mullion",
	.attrs = mullion_attrs,
};

const struct attribute_group *visor_device_groups[] = {
	&channel_group,
	&mullion_group,
	NULL
};
