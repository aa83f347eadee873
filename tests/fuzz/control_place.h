/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/control_place.h - where the control channel of fuzz_control.c lies
 *
 * In a command window, for clients with the extension (control_window.c); in guest
 * RAM, for those without (control_ram.c).
 */
#ifndef MULLION_TESTS_CONTROL_PLACE_H
#define MULLION_TESTS_CONTROL_PLACE_H

#include "../../channel/signal_queue.h"
#include "../../command/control.h"

/* A fresh one; its MULLION_CONTROL_AREA_BYTES are at @area. */
struct mullion_cp_control *control_place_new(const struct mullion_cp_control_ops *ops,
					     uint8_t **area);
/* A client that keeps the rules comes, after a reset. */
void control_place_begin(struct mullion_cp_control *control, uint8_t *area);
/* It must get and answer the one command that was sent. */
void control_place_hear(struct mullion_cp_control *control, uint8_t *area);
void control_place_end(void);

#endif /* MULLION_TESTS_CONTROL_PLACE_H */
