// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_guest_window.c - windows and a control channel into a
 * process guest
 *
 * Input is a list of operations of a hostile command partition and service:
 * overwrite any bytes of the command or the bus window, send a control command,
 * confirm a device's epoch, answer.  The guest, with a device where it finds
 * one, must survive, end everything once, and close.
 */
#include "guest_class.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void op_command(struct input *in)
{
	static const uint32_t ids[] = {
		CONTROLVM_CHIPSET_INIT, CONTROLVM_BUS_CREATE, CONTROLVM_BUS_DESTROY,
		CONTROLVM_BUS_CONFIGURE, CONTROLVM_DEVICE_CREATE,
		CONTROLVM_DEVICE_DESTROY, CONTROLVM_DEVICE_CHANGESTATE,
		CONTROLVM_CHIPSET_READY, CONTROLVM_CHIPSET_STOP, 0x999,
	};
	uint8_t message[CONTROLVM_MESSAGE_BYTES] = { 0 };
	uint32_t id = ids[take(in, 1) % (sizeof(ids) / sizeof(ids[0]))];

	fake_service_command(&guest_fake, id, NULL, message,
			     take_bytes(in, message, take(in, 1) % 128));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	fake_service_begin(&guest_fake);
	while (in.size) {
		switch (take(&in, 1) % 10) {
		case 0:
			take_patch(&in, guest_fake.command_window.base + 4096,
				   MULLION_CONTROL_AREA_BYTES);
			break;
		case 1:
			take_patch(&in, guest_fake.bus_window.base +
				   MULLION_WINDOW_HEADER_BYTES, FAKE_CHANNELS_BYTES);
			break;
		case 2:
			op_command(&in);
			break;
		case 3:
			fake_service_confirm(&guest_fake);
			break;
		case 4:
			guest_answer(&in);
			break;
		case 5:
			cp_control_turn(&guest_fake.control);
			break;
		case 6:
			mullion_guest_turn(guest_fake.guest);
			break;
		default:
			guest_use(&in);
			break;
		}
	}
	mullion_guest_turn(guest_fake.guest);
	/* Either may go first. */
	if (size & 1)
		fake_service_end(&guest_fake);
	guest_close();
	fake_service_end(&guest_fake);
	guest_check();
	return 0;
}
