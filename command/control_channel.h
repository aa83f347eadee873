/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/control_channel.h - a control channel as its server writes it at first,
 *	for control*.c only
 */
#ifndef MULLION_COMMAND_CONTROL_CHANNEL_H
#define MULLION_COMMAND_CONTROL_CHANNEL_H

#include <stdbool.h>
#include <stdint.h>

#include "../abi/control.h"
#include "../channel/signal_queue.h"

/**
 * struct mullion_cp_control_layout - what lies where
 * @bytes: of the channel, at least those of struct visor_controlvm_channel; the
 *	extension is there if it fits
 * @payload_offset, @payload_bytes: of the area for payloads, from the channel's
 *	first byte; it may lie outside the channel
 */
struct mullion_cp_control_layout {
	uint64_t bytes;
	uint64_t payload_offset;
	uint32_t payload_bytes;
};

/**
 * mullion_cp_control_channel_make() - format a channel and take its queues
 * @area: the channel
 * @generation: of the server
 * @unanswered: most messages that are sent before the first was answered
 * @queues: filled in
 *
 * All but the signature, which is 0: mullion_cp_control_channel_show() writes it
 * when the channel can be used.  Return: 0 or negative errno.
 */
int mullion_cp_control_channel_make(uint8_t *area,
				    const struct mullion_cp_control_layout *layout,
				    uint64_t generation, uint32_t unanswered,
				    struct mullion_sq queues[static CONTROLVM_QUEUES]);
void mullion_cp_control_channel_show(uint8_t *area);

/**
 * mullion_cp_control_channel_hide() - nobody serves it any more
 */
void mullion_cp_control_channel_hide(uint8_t *area);

/**
 * mullion_cp_control_channel_shown() - is the signature still there?
 */
bool mullion_cp_control_channel_shown(const uint8_t *area);

/**
 * mullion_cp_control_channel_extended() - is there room for the extension?
 */
bool mullion_cp_control_channel_extended(const struct mullion_cp_control_layout *layout);

#endif /* MULLION_COMMAND_CONTROL_CHANNEL_H */
