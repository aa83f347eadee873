// SPDX-License-Identifier: GPL-2.0-only
/*
 * crash.c - messages saved for a crash kernel, and their replay
 *
 * The latest BUS_CREATE of the storage bus and the latest DEVICE_CREATE of a
 * disk on it are kept in the control channel.  A crash kernel executes them and has
 * the dump disk without needing the command partition.  A control channel
 * without room for them costs only the dump.
 */
#include <linux/slab.h>

#include "visorbus_private.h"

#define CRASH_FIELD(name) offsetof(struct visor_controlvm_channel, name)

/* Where a slot is in the control channel; 0 if there is none. */
static u64 crash_slot(unsigned int slot)
{
	u32 offset;
	u16 count;

	if (visor_control_read(CRASH_FIELD(saved_crash_message_count), &count,
			       sizeof(count)) ||
	    visor_control_read(CRASH_FIELD(saved_crash_message_offset), &offset,
			       sizeof(offset)))
		return 0;
	/* Anywhere else it would overwrite a header or a queue. */
	if (count != CONTROLVM_CRASHMSG_MAX ||
	    offset < CRASH_FIELD(saved_crash_msg))
		return 0;
	return (u64)offset + slot * sizeof(struct controlvm_message);
}

/**
 * visor_crash_save() - keep a command for a crash kernel
 * @slot: CONTROLVM_CRASHMSG_BUS or CONTROLVM_CRASHMSG_DEV
 * @msg: the command
 */
void visor_crash_save(unsigned int slot, const struct controlvm_message *msg)
{
	u64 offset = crash_slot(slot);

	if (!offset || visor_control_write(offset, msg, sizeof(*msg)))
		pr_warn_once("visorbus: the control channel has no room for crash messages: no disk for a crash kernel\n");
}

static bool crash_execute(unsigned int slot, u32 id)
{
	struct visor_request *request;
	u64 offset = crash_slot(slot);

	request = kzalloc(sizeof(*request), GFP_KERNEL);
	if (!request)
		return false;
	request->internal = true;
	if (!offset || visor_control_read(offset, &request->msg,
					  sizeof(request->msg)) ||
	    request->msg.hdr.id != id) {
		kfree(request);
		return false;
	}
	request->msg.hdr.flags = 0;
	visor_message_execute(request);
	return true;
}

/**
 * visor_crash_replay() - make the dump disk from the saved messages
 *
 * Return: whether it is there; if not, the control channel must be used.
 */
bool visor_crash_replay(void)
{
	bool there = false;
	struct controlvm_message msg;
	struct visor_bus *bus;
	u64 offset;

	if (!crash_execute(CONTROLVM_CRASHMSG_BUS, CONTROLVM_BUS_CREATE) ||
	    !crash_execute(CONTROLVM_CRASHMSG_DEV, CONTROLVM_DEVICE_CREATE))
		return false;
	offset = crash_slot(CONTROLVM_CRASHMSG_DEV);
	if (!offset || visor_control_read(offset, &msg, sizeof(msg)))
		return false;
	mutex_lock(&visorbus_lock);
	bus = visor_bus_find(msg.cmd.create_device.bus_no);
	there = bus && visor_device_find(bus, msg.cmd.create_device.dev_no);
	mutex_unlock(&visorbus_lock);
	return there;
}
