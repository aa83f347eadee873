// SPDX-License-Identifier: GPL-2.0-or-later
/* command/control_channel.c - a control channel as its server writes it at first */
#include <string.h>

#include "../abi/ext.h"
#include "../abi/guid.h"
#include "control_channel.h"

static void control_channel_extend(uint8_t *area, uint64_t generation, uint32_t unanswered)
{
	struct mullion_channel_ext ext;

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
}

bool mullion_cp_control_channel_extended(const struct mullion_cp_control_layout *layout)
{
	return layout->bytes >= MULLION_CHANNEL_EXT_OFFSET_CONTROL + MULLION_CHANNEL_EXT_BYTES;
}

static void control_channel_format(uint8_t *area,
				   const struct mullion_cp_control_layout *layout,
				   uint64_t generation, uint32_t unanswered)
{
	struct visor_controlvm_channel *ch = (void *)area;

	/* First of all it is none: somebody may be looking for one. */
	mullion_cp_control_channel_hide(area);
	memset(area + sizeof(uint64_t), 0, layout->bytes - sizeof(uint64_t));
	ch->header.header_size = sizeof(ch->header);
	ch->header.size = layout->bytes;
	ch->header.chtype = VISOR_CONTROLVM_CHANNEL_GUID;
	ch->header.ch_space_offset = offsetof(struct visor_controlvm_channel,
					      request_queue);
	ch->header.version_id = VISOR_CONTROLVM_CHANNEL_VERSION;
	ch->event_payload_offset = layout->payload_offset;
	ch->event_payload_bytes = layout->payload_bytes;
	ch->control_channel_bytes = (uint32_t)layout->bytes;
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
	if (mullion_cp_control_channel_extended(layout)) {
		ch->header.features = MULLION_CHF_EXT;
		control_channel_extend(area, generation, unanswered);
	}
	ch->header.srv_state = VISOR_CHANNELSRV_READY;
}

int mullion_cp_control_channel_make(uint8_t *area,
				    const struct mullion_cp_control_layout *layout,
				    uint64_t generation, uint32_t unanswered,
				    struct mullion_sq queues[static CONTROLVM_QUEUES])
{
	control_channel_format(area, layout, generation, unanswered);
	for (uint32_t q = 0; q < CONTROLVM_QUEUES; q++) {
		int r = mullion_sq_attach(&queues[q], area, layout->bytes,
			offsetof(struct visor_controlvm_channel, request_queue) +
			q * sizeof(struct signal_queue_header),
			CONTROLVM_MESSAGE_BYTES, 0);

		if (r < 0)
			return r;
	}
	return 0;
}

static uint64_t *control_channel_signature(uint8_t *area)
{
	return (uint64_t *)(void *)area;
}

void mullion_cp_control_channel_show(uint8_t *area)
{
	/* everything that was written before it can be seen with it */
	mullion_store_release(control_channel_signature(area), VISOR_CHANNEL_SIGNATURE);
}

void mullion_cp_control_channel_hide(uint8_t *area)
{
	mullion_store_release(control_channel_signature(area), 0);
	mullion_full_barrier();
}

bool mullion_cp_control_channel_shown(const uint8_t *area)
{
	return mullion_load_relaxed((const uint64_t *)(const void *)area) ==
	       VISOR_CHANNEL_SIGNATURE;
}
