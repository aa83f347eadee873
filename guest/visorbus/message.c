// SPDX-License-Identifier: GPL-2.0-only
/*
 * message.c - what each control message does
 *
 * DOC: Theory of Operation
 *
 * s-Par channel ABI, sections 5.5 and 5.6, without the defects of the drivers
 * that used to be in Linux: every command that wants an answer gets one,
 * answers carry the named completion codes, DEVICE_DESTROY is answered when
 * the driver has gone, a change of state of a device without a driver succeeds,
 * resume is answered when the driver works again.
 *
 * A handler consumes its request: it answers, or gives it to whoever will.
 *
 * DEVICE_CONFIGURE is a fence: it is answered when all earlier destructions
 * have ended.
 */
#include <linux/list.h>
#include <linux/slab.h>

#include "visorbus_private.h"

/* How long BUS_CREATE waits for a window whose function is on its way. */
#define MESSAGE_WINDOW_TIMEOUT	(10 * HZ)

static DEFINE_SPINLOCK(message_lock);
static LIST_HEAD(message_fences);
static unsigned int message_teardowns;
static bool message_chipset_inited;

static int message_status(int error)
{
	switch (error) {
	case 0:
		return CONTROLVM_RESP_SUCCESS;
	case -EEXIST:
		return CONTROLVM_RESP_ALREADY_DONE;
	case -ENOMEM:
	case -ENOSPC:
		return CONTROLVM_RESP_KMALLOC_FAILED;
	case -EINVAL:
	case -ENXIO:
		return CONTROLVM_RESP_CHANNEL_INVALID;
	default:
		return CONTROLVM_RESP_VIRTPCI_DRIVER_FAILURE;
	}
}

static void message_done(struct visor_request *request, int status)
{
	visor_control_respond(request, status, NULL);
}

/* ---- buses --------------------------------------------------------------- */

static void message_bus_create(struct visor_request *request)
{
	const struct controlvm_packet_create_bus *packet =
		&request->msg.cmd.create_bus;
	static const guid_t siovm = VISOR_SIOVM_BUS_INSTANCE_GUID;
	struct visor_window *window;
	guid_t type, inst;
	int error;

	guid_copy(&type, &packet->bus_data_type_guid);
	guid_copy(&inst, &packet->bus_inst_guid);
	mutex_lock(&visorbus_lock);
	error = visor_bus_find(packet->bus_no) ? -EEXIST : 0;
	mutex_unlock(&visorbus_lock);
	if (error)
		goto out;
	window = visor_window_wait(packet->channel_addr, MESSAGE_WINDOW_TIMEOUT,
				   visor_control_stopping);
	error = -ENXIO;
	if (!window)
		goto out;
	mutex_lock(&visorbus_lock);
	error = window->removing ? -ENXIO :
		visor_bus_create(window, packet->bus_no, packet->channel_addr,
				 &type, &inst);
	mutex_unlock(&visorbus_lock);
	if (error)
		visor_window_put(window);
	else if (guid_equal(&inst, &siovm))
		visor_crash_save(CONTROLVM_CRASHMSG_BUS, &request->msg);
out:
	message_done(request, error == -EUSERS ? CONTROLVM_RESP_MAX_BUSES :
		     message_status(error));
}

static void message_bus_destroy(struct visor_request *request)
{
	struct visor_bus *bus;
	int status = CONTROLVM_RESP_BUS_INVALID;

	mutex_lock(&visorbus_lock);
	bus = visor_bus_find(request->msg.cmd.destroy_bus.bus_no);
	if (bus)
		status = visor_bus_destroy(bus) ?
			 CONTROLVM_RESP_BUS_DEVICE_ATTACHED : 0;
	mutex_unlock(&visorbus_lock);
	message_done(request, status);
}

/* Partition id and name are in the payload; the payload has been copied. */
static int message_read_parameters(const struct visor_request *request,
				   guid_t *id, char **name)
{
	struct visor_controlvm_parameters_header params;

	*name = NULL;
	if (!request->payload)
		return 0;
	memcpy(&params, request->payload, sizeof(params));
	guid_copy(id, &params.id);
	if (!params.name_length)
		return 0;
	if (!mullion_range_ok(params.name_offset, params.name_length,
			      request->payload_bytes))
		return CONTROLVM_RESP_PAYLOAD_INVALID;
	*name = kstrndup((const char *)request->payload + params.name_offset,
			 min_t(u32, params.name_length, 255), GFP_KERNEL);
	return *name ? 0 : CONTROLVM_RESP_KMALLOC_FAILED;
}

static void message_bus_configure(struct visor_request *request)
{
	const struct controlvm_packet_configure_bus *packet =
		&request->msg.cmd.configure_bus;
	guid_t id = { };
	struct visor_bus *bus;
	char *name;
	int status;

	status = message_read_parameters(request, &id, &name);
	if (status)
		goto out;
	mutex_lock(&visorbus_lock);
	bus = visor_bus_find(packet->bus_no);
	if (bus) {
		bus->guest_handle = packet->guest_handle;
		if (request->payload)
			guid_copy(&bus->partition_guid, &id);
		if (name)
			visor_bus_set_name(bus, name);
	} else {
		kfree(name);
		status = CONTROLVM_RESP_BUS_INVALID;
	}
	mutex_unlock(&visorbus_lock);
out:
	message_done(request, status);
}

/* ---- devices ----------------------------------------------------------------- */

static void message_device_create(struct visor_request *request)
{
	const struct controlvm_packet_create_device *packet =
		&request->msg.cmd.create_device;
	static const guid_t vhba = VISOR_VHBA_CHANNEL_GUID;
	static const guid_t siovm = VISOR_SIOVM_BUS_INSTANCE_GUID;
	int status = CONTROLVM_RESP_BUS_INVALID;
	bool dump_disk = false;
	struct visor_bus *bus;
	guid_t type;
	int error;

	if (packet->dev_no == CONTROLVM_DEV_NO_BUS) {
		message_done(request, CONTROLVM_RESP_DEVICE_INVALID);
		return;
	}
	mutex_lock(&visorbus_lock);
	bus = visor_bus_find(packet->bus_no);
	if (bus) {
		error = bus->window->removing ? -ENXIO :
			visor_device_create(bus, packet);
		status = error == -EUSERS ? CONTROLVM_RESP_MAX_DEVICES :
			 message_status(error);
		/* Of other buses a crash kernel knows nothing. */
		dump_disk = guid_equal(&bus->inst, &siovm);
	}
	mutex_unlock(&visorbus_lock);
	guid_copy(&type, &packet->data_type_guid);
	if (!status && dump_disk && guid_equal(&type, &vhba))
		visor_crash_save(CONTROLVM_CRASHMSG_DEV, &request->msg);
	message_done(request, status);
}

/* Answers, and returns NULL, if there is no such device. */
static struct visor_device *message_find_device(struct visor_request *request)
{
	/* bus_no and dev_no come first in the packets of all device messages. */
	const struct controlvm_packet_configure_device *packet =
		&request->msg.cmd.configure_device;
	struct visor_bus *bus = visor_bus_find(packet->bus_no);
	struct visor_device *dev;

	dev = bus ? visor_device_find(bus, packet->dev_no) : NULL;
	if (!dev)
		message_done(request, bus ? CONTROLVM_RESP_DEVICE_INVALID :
			     CONTROLVM_RESP_BUS_INVALID);
	return dev;
}

static void message_device_destroy(struct visor_request *request)
{
	struct visor_device *dev;

	mutex_lock(&visorbus_lock);
	dev = message_find_device(request);
	if (dev)
		visor_device_destroy(dev, request);
	mutex_unlock(&visorbus_lock);
}

static void message_device_configure(struct visor_request *request)
{
	spin_lock_irq(&message_lock);
	if (message_teardowns) {
		list_add_tail(&request->node, &message_fences);
		request = NULL;
	}
	spin_unlock_irq(&message_lock);
	if (request)
		message_done(request, CONTROLVM_RESP_SUCCESS);
}

static void message_device_changestate(struct visor_request *request)
{
	const struct controlvm_packet_device_change_state *packet =
		&request->msg.cmd.device_change_state;
	u16 state = packet->state & (VISOR_SEGMENT_STATE_ALIVE |
				     VISOR_SEGMENT_STATE_OPERATING);
	struct visor_device *dev;
	enum visor_op_type type;

	if (packet->flags.word &
	    CONTROLVM_PACKET_DEVICE_CHANGE_STATE_FLAGS_PHYS_DEVICE) {
		visor_hotplug_request(request);
		return;
	}
	switch (state) {
	case VISOR_SEGMENT_STATE_ALIVE | VISOR_SEGMENT_STATE_OPERATING:
		type = VISOR_OP_RESUME;
		break;
	case 0:
		type = VISOR_OP_PAUSE;
		break;
	default:
		message_done(request, CONTROLVM_RESP_CLIENT_PARAMETER_INVALID);
		return;
	}
	mutex_lock(&visorbus_lock);
	dev = message_find_device(request);
	if (dev)
		visor_state_queue(dev, type, request);
	mutex_unlock(&visorbus_lock);
}

/* ---- chipset -------------------------------------------------------------------- */

static void message_chipset_init(struct visor_request *request)
{
	union controlvm_packet packet;

	memset(&packet, 0, sizeof(packet));
	if (message_chipset_inited) {
		message_done(request, CONTROLVM_RESP_ALREADY_DONE);
		return;
	}
	message_chipset_inited = true;
	packet.init_chipset.features = VISOR_CHIPSET_FEATURE_REPLY |
		(request->msg.cmd.init_chipset.features &
		 (VISOR_CHIPSET_FEATURE_PARA_HOTPLUG |
		  MULLION_CHIPSET_FEATURE_WINDOWS));
	visor_control_respond(request, CONTROLVM_RESP_SUCCESS, &packet);
}

static void message_chipset(struct visor_request *request, int (*action)(void))
{
	message_done(request, action() ?
		     CONTROLVM_RESP_GENERIC_DRIVER_CALLBACK_ERROR : 0);
}

/**
 * visor_message_execute() - do what a command says
 * @request: the command, consumed and answered sooner or later
 *
 * Context: the control thread.
 */
void visor_message_execute(struct visor_request *request)
{
	if (request->msg.hdr.flags & CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER) {
		message_done(request, CONTROLVM_RESP_ID_INVALID_FOR_CLIENT);
		return;
	}
	switch (request->msg.hdr.id) {
	case CONTROLVM_CHIPSET_INIT:
		message_chipset_init(request);
		break;
	case CONTROLVM_CHIPSET_READY:
		message_chipset(request, visor_chipset_ready);
		break;
	case CONTROLVM_CHIPSET_STOP:
		message_chipset(request, visor_chipset_stop);
		break;
	case CONTROLVM_CHIPSET_SELFTEST:
		message_chipset(request, visor_chipset_selftest);
		break;
	case CONTROLVM_BUS_CREATE:
		message_bus_create(request);
		break;
	case CONTROLVM_BUS_DESTROY:
		message_bus_destroy(request);
		break;
	case CONTROLVM_BUS_CONFIGURE:
		message_bus_configure(request);
		break;
	case CONTROLVM_DEVICE_CREATE:
		message_device_create(request);
		break;
	case CONTROLVM_DEVICE_DESTROY:
		message_device_destroy(request);
		break;
	case CONTROLVM_DEVICE_CONFIGURE:
		message_device_configure(request);
		break;
	case CONTROLVM_DEVICE_CHANGESTATE:
		message_device_changestate(request);
		break;
	default:
		message_done(request, CONTROLVM_RESP_ID_UNKNOWN);
		break;
	}
}

/**
 * visor_message_new_session() - the control channel was attached (again)
 *
 * CHIPSET_INIT may come once more; buses and devices stay.
 */
void visor_message_new_session(void)
{
	message_chipset_inited = false;
}

/* ---- the fence ------------------------------------------------------------------- */

void visor_message_teardown_begin(void)
{
	spin_lock_irq(&message_lock);
	message_teardowns++;
	spin_unlock_irq(&message_lock);
}

static void message_answer_fences(void)
{
	struct visor_request *request, *next;
	LIST_HEAD(fences);

	spin_lock_irq(&message_lock);
	list_splice_init(&message_fences, &fences);
	spin_unlock_irq(&message_lock);
	list_for_each_entry_safe(request, next, &fences, node) {
		list_del(&request->node);
		message_done(request, CONTROLVM_RESP_SUCCESS);
	}
}

void visor_message_teardown_done(void)
{
	bool last;

	spin_lock_irq(&message_lock);
	last = !--message_teardowns;
	spin_unlock_irq(&message_lock);
	if (last)
		message_answer_fences();
}

/**
 * visor_message_forget() - the control channel goes away
 *
 * What it still waits for needs no answer any more.
 */
void visor_message_forget(void)
{
	message_answer_fences();
}
