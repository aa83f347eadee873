// SPDX-License-Identifier: GPL-2.0-or-later
/* command/control_text.c - statuses and faults in plain words */
#include <stdio.h>
#include <string.h>

#include "control.h"

const char *mullion_cp_fault_text(uint32_t reason)
{
	switch (reason) {
	case MULLION_FAULT_NONE:
		return "";
	case MULLION_FAULT_INDEX:
		return "the guest wrote a queue index that is out of range";
	case MULLION_FAULT_HEADER:
		return "the guest changed a queue or channel header";
	case MULLION_FAULT_FEATURES:
		return "the guest accepted a feature that was not offered";
	case MULLION_FAULT_OVERRUN:
		return "the guest sent more requests than allowed";
	case MULLION_FAULT_WINDOW:
		return "the window is not valid";
	case MULLION_FAULT_EPOCH:
		return "the guest's epoch went backwards";
	case MULLION_FAULT_DOORBELL:
		return "the guest made its doorbell block the server";
	case MULLION_FAULT_MEMORY:
		return "the guest's RAM became shorter, or is read-only";
	default:
		return "unknown fault";
	}
}

const char *mullion_cp_status_text(uint32_t status, char buffer[static 64])
{
	static const struct {
		uint32_t status;
		const char *text;
	} texts[] = {
		{ CONTROLVM_RESP_SUCCESS, "success" },
		{ CONTROLVM_RESP_ALREADY_DONE, "already done" },
		{ CONTROLVM_RESP_ID_UNKNOWN, "message not known there" },
		{ CONTROLVM_RESP_ID_INVALID_FOR_CLIENT, "not possible now" },
		{ CONTROLVM_RESP_MAX_BUSES, "too many buses" },
		{ CONTROLVM_RESP_MAX_DEVICES, "too many devices" },
		{ CONTROLVM_RESP_PAYLOAD_INVALID, "payload not valid" },
		{ CONTROLVM_RESP_BUS_INVALID, "no such bus" },
		{ CONTROLVM_RESP_DEVICE_INVALID, "no such device" },
		{ CONTROLVM_RESP_CHANNEL_INVALID, "channel not valid" },
		{ CONTROLVM_RESP_CHANNEL_TYPE_UNKNOWN, "channel type not known there" },
		{ CONTROLVM_RESP_CHANNEL_SIZE_TOO_SMALL, "channel too small" },
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		if (texts[i].status == status)
			return texts[i].text;
	/* everything else that is small is the magnitude of an errno */
	if (status < 134 && strerrordesc_np((int)status))
		snprintf(buffer, 64, "%s", strerrordesc_np((int)status));
	else
		snprintf(buffer, 64, "status %u", status);
	return buffer;
}
