// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus_info.c - client information: which drivers this guest uses
 *
 * Written into the bus channel for the host's administrator, at bus creation,
 * after each probe and before each resume; shown again in debugfs.  Offsets in
 * the channel's header information count from byte 128.  An entry that does not
 * fit the channel is not written.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>
#include <linux/utsname.h>

#include "visorbus_private.h"

#define INFO_BASE offsetof(struct visor_vbus_channel, hdr_info)

static struct dentry *info_debugfs;

/**
 * visor_bus_read_info() - copy and check a bus channel's header information
 * @bus: with its channel
 *
 * Return: 0 or -EINVAL.
 */
int visor_bus_read_info(struct visor_bus *bus)
{
	struct visor_vbus_headerinfo *info = &bus->info;

	if (bus->channel->bytes < sizeof(struct visor_vbus_channel) ||
	    bus->channel->header.version_id != VISOR_VBUS_CHANNEL_VERSION ||
	    visorchannel_read(bus->channel, INFO_BASE, info, sizeof(*info)))
		return -EINVAL;
	if (info->struct_bytes < sizeof(*info) ||
	    info->device_info_struct_bytes <
	    sizeof(struct visor_vbus_deviceinfo))
		return -EINVAL;
	return 0;
}

static void info_write(struct visor_bus *bus, u32 first, u64 offset,
		       const char *devtype, const char *drvname)
{
	struct visor_vbus_deviceinfo info;

	if (!first)
		return;
	memset(&info, 0, sizeof(info));
	strscpy(info.devtype, devtype, sizeof(info.devtype));
	strscpy(info.drvname, drvname, sizeof(info.drvname));
	snprintf(info.infostrs, sizeof(info.infostrs), "kernel ver. %s",
		 init_utsname()->release);
	visorchannel_write(bus->channel, INFO_BASE + first + offset, &info,
			   sizeof(info));
}

/**
 * visor_bus_write_info() - write the entries of chipset and bus
 * @bus: the bus
 */
void visor_bus_write_info(struct visor_bus *bus)
{
	info_write(bus, bus->info.chp_info_offset, 0, "chipset",
		   "visorchipset");
	info_write(bus, bus->info.bus_info_offset, 0, "clientbus", "visorbus");
}

/**
 * visor_bus_write_device_info() - write the entries of a device and its bus
 * @dev: a device with a driver
 */
void visor_bus_write_device_info(struct visor_device *dev)
{
	struct visor_device_private *priv = dev->priv;
	struct visor_bus *bus = priv->bus;

	info_write(bus, bus->info.dev_info_offset,
		   (u64)dev->chipset_dev_no * bus->info.device_info_struct_bytes,
		   priv->type, priv->drv->name);
	visor_bus_write_info(bus);
}

static void info_show(struct seq_file *m, struct visor_bus *bus, u32 first,
		      u64 offset)
{
	struct visor_vbus_deviceinfo info;

	if (!first || visorchannel_read(bus->channel, INFO_BASE + first + offset,
					&info, sizeof(info)) ||
	    !info.devtype[0])
		return;
	seq_printf(m, "%-16.16s %-16.16s %.96s\n", info.devtype, info.drvname,
		   info.infostrs);
}

static int client_bus_info_show(struct seq_file *m, void *data)
{
	struct visor_bus *bus = m->private;
	struct visor_vbus_headerinfo *info = &bus->info;
	u32 i;

	info_show(m, bus, info->chp_info_offset, 0);
	info_show(m, bus, info->bus_info_offset, 0);
	for (i = 0; i < min(info->dev_info_count, VISOR_DEVICES_MAX); i++)
		info_show(m, bus, info->dev_info_offset,
			  (u64)i * info->device_info_struct_bytes);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(client_bus_info);

void visor_bus_debugfs_init(void)
{
	info_debugfs = debugfs_create_dir("visorbus", NULL);
}

void visor_bus_debugfs_exit(void)
{
	debugfs_remove(info_debugfs);
}

/**
 * visor_bus_debugfs_add() - show a bus's client information in debugfs
 * @bus: the bus; @debugfs is to be removed with it
 */
void visor_bus_debugfs_add(struct visor_bus *bus)
{
	bus->debugfs = debugfs_create_dir(dev_name(&bus->device), info_debugfs);
	debugfs_create_file("client_bus_info", 0400, bus->debugfs, bus,
			    &client_bus_info_fops);
}
