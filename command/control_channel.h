/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/control_channel.h - a control channel as its server writes it at first,
 *	for control.c only
 */
#ifndef MULLION_COMMAND_CONTROL_CHANNEL_H
#define MULLION_COMMAND_CONTROL_CHANNEL_H

#include <stdint.h>

#include "../abi/control.h"
#include "../channel/signal_queue.h"

/**
 * mullion_cp_control_channel_make() - format a channel and take its queues
 * @area: MULLION_CONTROL_AREA_BYTES that no client has seen yet
 * @generation: of the server
 * @unanswered: most messages that are sent before the first was answered
 * @queues: filled in
 *
 * Return: 0 or negative errno.
 */
int mullion_cp_control_channel_make(uint8_t *area, uint64_t generation, uint32_t unanswered,
				    struct mullion_sq queues[static CONTROLVM_QUEUES]);

#endif /* MULLION_COMMAND_CONTROL_CHANNEL_H */
