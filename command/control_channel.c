// SPDX-License-Identifier: GPL-2.0-or-later
/* command/control_channel.c - a control channel as its server writes it at first */
#include <string.h>

#include "../abi/ext.h"
#include "../abi/guid.h"
#include "control_channel.h"

static void control_channel_format(uint8_t *area, uint64_t generation, uint32_t unanswered)
{
	struct visor_controlvm_channel *ch = (void *)area;
	struct mullion_channel_ext ext;

	memset(ch, 0, MULLION_CONTROL_CHANNEL_BYTES);
	ch->header.signature = VISOR_CHANNEL_SIGNATURE;
	ch->header.header_size = sizeof(ch->header);
	ch->header.size = MULLION_CONTROL_CHANNEL_BYTES;
	ch->header.features = MULLION_CHF_EXT;
	ch->header.chtype = VISOR_CONTROLVM_CHANNEL_GUID;
	ch->header.ch_space_offset = offsetof(struct visor_controlvm_channel,
					      request_queue);
	ch->header.version_id = VISOR_CONTROLVM_CHANNEL_VERSION;
	ch->event_payload_offset = MULLION_CONTROL_PAYLOAD_OFFSET;
	ch->event_payload_bytes = MULLION_CONTROL_PAYLOAD_BYTES;
	ch->control_channel_bytes = MULLION_CONTROL_CHANNEL_BYTES;
	ch->message_bytes = CONTROLVM_MESSAGE_BYTES;
	ch->message_count = CONTROLVM_MESSAGE_SLOTS;
	ch->saved_crash_message_count = CONTROLVM_CRASHMSG_MAX;
	ch->saved_crash_message_offset = offsetof(struct visor_controlvm_channel,
						  saved_crash_msg);
	for (uint32_t q = 0; q < CONTROLVM_QUEUES; q++) {
		uint64_t header = offsetof(struct visor_controlvm_channel,
					   request_queue) +
				  q * sizeof(struct signal_queue_header);
		uint64_t slots = offsetof(struct visor_controlvm_channel,
					  request_msg) +
				 (uint64_t)q * CONTROLVM_MESSAGE_SLOTS *
				 CONTROLVM_MESSAGE_BYTES;

		mullion_sq_format((void *)(area + header), slots - header,
				  CONTROLVM_MESSAGE_BYTES, CONTROLVM_MESSAGE_SLOTS);
	}
	memset(&ext, 0, sizeof(ext));
	ext.magic = MULLION_CHANNEL_EXT_MAGIC;
	ext.version = MULLION_CHANNEL_EXT_VERSION;
	ext.bytes = sizeof(ext);
	ext.queue_pairs = CONTROLVM_QUEUES / 2;
	ext.max_outstanding = unanswered;
	ext.server_generation = generation;
	ext.features_offered = MULLION_EXTF_EVENT_INDEX;
	ext.server_state = MULLION_CHANNEL_SERVING;
	memcpy(area + MULLION_CHANNEL_EXT_OFFSET_CONTROL, &ext, sizeof(ext));
	ch->header.srv_state = VISOR_CHANNELSRV_READY;
}

int mullion_cp_control_channel_make(uint8_t *area, uint64_t generation, uint32_t unanswered,
				    struct mullion_sq queues[static CONTROLVM_QUEUES])
{
	control_channel_format(area, generation, unanswered);
	for (uint32_t q = 0; q < CONTROLVM_QUEUES; q++) {
		int r = mullion_sq_attach(&queues[q], area,
			MULLION_CONTROL_CHANNEL_BYTES,
			offsetof(struct visor_controlvm_channel, request_queue) +
			q * sizeof(struct signal_queue_header),
			CONTROLVM_MESSAGE_BYTES, 0);

		if (r < 0)
			return r;
	}
	return 0;
}
