/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/input.h - keyboard and mouse channels
 *
 * Source: s-Par channel ABI, section 9.  The only queue runs from the service
 * to the guest.
 */
#ifndef MULLION_ABI_INPUT_H
#define MULLION_ABI_INPUT_H

#include "channel.h"

/* visor_inputactivity.action */
#define INPUTACTION_NONE		0
#define INPUTACTION_XY_MOTION		1
#define INPUTACTION_MOUSE_BUTTON_DOWN	2
#define INPUTACTION_MOUSE_BUTTON_UP	3
#define INPUTACTION_MOUSE_BUTTON_CLICK	4
#define INPUTACTION_MOUSE_BUTTON_DCLICK	5
#define INPUTACTION_WHEEL_ROTATE_AWAY	6
#define INPUTACTION_WHEEL_ROTATE_TOWARD	7
#define INPUTACTION_SET_MAX_XY		8
#define INPUTACTION_KEY_DOWN		64
#define INPUTACTION_KEY_UP		65
#define INPUTACTION_SET_LOCKING_KEY_STATE 66
#define INPUTACTION_KEY_DOWN_UP		67

struct visor_inputactivity {
	__u16 action;
	__u16 arg1;
	__u16 arg2;
	__u16 arg3;
} MULLION_PACKED;

struct visor_inputreport {
	__u64 seq_no;
	struct visor_inputactivity activity;
} MULLION_PACKED;

/* Both follow the channel header, at byte 128. */
struct visor_input_channel_data_mouse {
	__u32 n_input_reports;
	__u16 x_res;
	__u16 y_res;
} MULLION_PACKED;

struct visor_input_channel_data_keyboard {
	__u32 n_input_reports;
	__u32 flags;
} MULLION_PACKED;

#define VISOR_INPUT_REPORTS 50

/* The layout that old servers used for a keyboard. */
struct keyboard_channel {
	struct channel_header header;
	__u32 n_input_reports;
	__u32 flags;
	struct signal_queue_header input_report_q;
	struct visor_inputreport input_report[VISOR_INPUT_REPORTS];
} MULLION_PACKED;

MULLION_ABI_SIZE(struct visor_inputactivity, 8);
MULLION_ABI_SIZE(struct visor_inputreport, 16);
MULLION_ABI_SIZE(struct visor_input_channel_data_mouse, 8);
MULLION_ABI_SIZE(struct visor_input_channel_data_keyboard, 8);
MULLION_ABI_SIZE(struct keyboard_channel, 1064);
MULLION_ABI_OFFSET(struct keyboard_channel, input_report_q, 136);

#endif /* MULLION_ABI_INPUT_H */
