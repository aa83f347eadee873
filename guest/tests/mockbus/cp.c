// SPDX-License-Identifier: GPL-2.0-only
/*
 * cp.c - mockcp: a command partition for visorbus.ko, in the same guest
 *
 * Its channels are in RAM that the kernel's command line reserves, from base= on,
 * bytes= of it; the control channel is control= bytes behind that.  It knows
 * nothing of Mullion's extension.  Orders are written to the file
 * /sys/kernel/debug/mockcp/order, with guest-physical addresses; those that are
 * commands are over when they have been answered, and the file status then
 * holds the completion status (or the number of an error):
 *
 *   vbus ADDRESS BYTES   write the header of a bus channel
 *   vhba ADDRESS BYTES   write the header of a disk's channel
 *   bus NO ADDRESS       BUS_CREATE
 *   device NO ADDRESS    DEVICE_CREATE of a disk on bus 1
 *   unbus NO, undevice NO
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/io.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/uaccess.h>

#include "../../../abi/bus.h"
#include "../../../abi/control.h"
#include "../../../abi/ext.h"
#include "../../../abi/guid.h"
#include "../../../channel/signal_queue.h"

#define CP_PATIENCE_MS	60000
#define CP_QUEUES_AT	offsetof(struct visor_controlvm_channel, request_queue)

static unsigned long long base;
module_param(base, ullong, 0444);
MODULE_PARM_DESC(base, "guest-physical address of the reserved range");

static uint bytes;
module_param(bytes, uint, 0444);
MODULE_PARM_DESC(bytes, "bytes of it");

static uint control;
module_param(control, uint, 0444);
MODULE_PARM_DESC(control, "where in it the control channel is");

static u8 *cp_memory;
static struct mullion_sq cp_queues[CONTROLVM_QUEUES];
static u64 cp_handle;
static u64 cp_status;
static DEFINE_MUTEX(cp_lock);
static struct dentry *cp_debugfs;

/* ---- channels ------------------------------------------------------------------ */

static void cp_header(void *at, const guid_t *type, u64 size, u32 version, u64 space)
{
	struct channel_header header = {
		.header_size = sizeof(header),
		.size = size,
		.chtype = *type,
		.ch_space_offset = space,
		.version_id = version,
	};

	memcpy(at, &header, sizeof(header));
	/* It is looked for, and all else is to be there then. */
	smp_store_release((u64 *)at, VISOR_CHANNEL_SIGNATURE);
}

static int cp_write_channel(bool bus, u64 address, u64 size)
{
	static const guid_t vbus = VISOR_VBUS_CHANNEL_GUID;
	static const guid_t vhba = VISOR_VHBA_CHANNEL_GUID;
	struct visor_vbus_headerinfo info = {
		.struct_bytes = sizeof(info),
		.device_info_struct_bytes = sizeof(struct visor_vbus_deviceinfo),
	};
	u64 offset = address - base;

	if (!mullion_range_ok(offset, sizeof(struct visor_vbus_channel), bytes))
		return -EINVAL;
	if (bus)
		memcpy(cp_memory + offset + sizeof(struct channel_header), &info,
		       sizeof(info));
	cp_header(cp_memory + offset, bus ? &vbus : &vhba, size,
		  bus ? VISOR_VBUS_CHANNEL_VERSION : VISOR_VHBA_CHANNEL_VERSION,
		  sizeof(struct channel_header));
	return 0;
}

static int cp_make_control(void)
{
	static const guid_t controlvm = VISOR_CONTROLVM_CHANNEL_GUID;
	u64 slots = offsetof(struct visor_controlvm_channel, request_msg);
	u8 *channel = cp_memory + control;
	unsigned int i;
	int rc = 0;

	memset(channel, 0, sizeof(struct visor_controlvm_channel));
	for (i = 0; i < CONTROLVM_QUEUES && !rc; i++) {
		u64 at = CP_QUEUES_AT + i * sizeof(struct signal_queue_header);

		mullion_sq_format((void *)(channel + at), slots - at,
				  CONTROLVM_MESSAGE_BYTES, CONTROLVM_MESSAGE_SLOTS);
		rc = mullion_sq_attach(&cp_queues[i], channel,
				       sizeof(struct visor_controlvm_channel), at,
				       CONTROLVM_MESSAGE_BYTES, 0);
		slots += CONTROLVM_MESSAGE_SLOTS * CONTROLVM_MESSAGE_BYTES;
	}
	cp_header(channel, &controlvm, sizeof(struct visor_controlvm_channel),
		  VISOR_CONTROLVM_CHANNEL_VERSION, CP_QUEUES_AT);
	return rc;
}

/* ---- commands -------------------------------------------------------------------- */

/* Takes what the guest has said; true if the answer to the command was there. */
static bool cp_take(struct mullion_sq *queue, struct controlvm_message *answer)
{
	const void *slot;
	bool found = false;

	while (!mullion_sq_consume(queue, &slot)) {
		struct controlvm_message message;

		memcpy(&message, slot, sizeof(message));
		if (message.hdr.message_handle != cp_handle)
			continue;
		*answer = message;
		found = true;
	}
	mullion_sq_release(queue);
	return found;
}

static int cp_command(u32 id, const union controlvm_packet *packet)
{
	struct controlvm_message message = {
		.hdr.id = id,
		.hdr.message_size = sizeof(message),
		.hdr.flags = CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED,
		.hdr.message_handle = ++cp_handle,
		.cmd = *packet,
	};
	struct controlvm_message answer, ack;
	unsigned int i;
	void *slot;

	if (mullion_sq_produce(&cp_queues[CONTROLVM_QUEUE_EVENT], &slot))
		return -EIO;
	memcpy(slot, &message, sizeof(message));
	mullion_sq_publish(&cp_queues[CONTROLVM_QUEUE_EVENT]);
	for (i = 0; i < CP_PATIENCE_MS / 5; i++) {
		cp_take(&cp_queues[CONTROLVM_QUEUE_ACK], &ack);
		if (cp_take(&cp_queues[CONTROLVM_QUEUE_REQUEST], &answer))
			return answer.hdr.completion_status;
		usleep_range(5000, 10000);
	}
	return -ETIMEDOUT;
}

static int cp_order(const char *verb, u64 a, u64 b)
{
	union controlvm_packet packet = { };

	if (!strcmp(verb, "vbus") || !strcmp(verb, "vhba"))
		return cp_write_channel(verb[1] == 'b', a, b);
	if (!strcmp(verb, "bus")) {
		packet.create_bus.bus_no = a;
		packet.create_bus.channel_addr = b;
		return cp_command(CONTROLVM_BUS_CREATE, &packet);
	}
	if (!strcmp(verb, "device")) {
		packet.create_device.bus_no = 1;
		packet.create_device.dev_no = a;
		packet.create_device.channel_addr = b;
		packet.create_device.data_type_guid = (guid_t)VISOR_VHBA_CHANNEL_GUID;
		return cp_command(CONTROLVM_DEVICE_CREATE, &packet);
	}
	if (!strcmp(verb, "unbus")) {
		packet.destroy_bus.bus_no = a;
		return cp_command(CONTROLVM_BUS_DESTROY, &packet);
	}
	if (!strcmp(verb, "undevice")) {
		packet.destroy_device.bus_no = 1;
		packet.destroy_device.dev_no = a;
		return cp_command(CONTROLVM_DEVICE_DESTROY, &packet);
	}
	return -EINVAL;
}

static ssize_t cp_order_write(struct file *file, const char __user *user,
			      size_t count, loff_t *pos)
{
	char text[64], verb[16];
	u64 a = 0, b = 0;
	int rc;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, count))
		return -EFAULT;
	text[count] = 0;
	if (sscanf(text, "%15s %lli %lli", verb, &a, &b) < 2)
		return -EINVAL;
	mutex_lock(&cp_lock);
	rc = cp_order(verb, a, b);
	cp_status = abs(rc);
	mutex_unlock(&cp_lock);
	return rc < 0 ? rc : count;
}

static const struct file_operations cp_order_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = cp_order_write,
};

static int __init mockcp_init(void)
{
	int rc;

	if (!mullion_range_ok(control, sizeof(struct visor_controlvm_channel), bytes))
		return -EINVAL;
	cp_memory = memremap(base, bytes, MEMREMAP_WB);
	if (!cp_memory)
		return -ENOMEM;
	rc = cp_make_control();
	if (rc) {
		memunmap(cp_memory);
		return rc;
	}
	cp_debugfs = debugfs_create_dir("mockcp", NULL);
	debugfs_create_file("order", 0200, cp_debugfs, NULL, &cp_order_fops);
	debugfs_create_u64("status", 0400, cp_debugfs, &cp_status);
	return 0;
}

static void __exit mockcp_exit(void)
{
	debugfs_remove_recursive(cp_debugfs);
	memunmap(cp_memory);
}

module_init(mockcp_init);
module_exit(mockcp_exit);

MODULE_DESCRIPTION("Test double of a command partition, in the guest itself");
MODULE_LICENSE("GPL");
