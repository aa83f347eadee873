/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/guest_class.h - the device driver behind fuzz_guest_window.c
 */
#ifndef MULLION_TESTS_GUEST_CLASS_H
#define MULLION_TESTS_GUEST_CLASS_H

#include "../lib/fake_service.h"
#include "input.h"

/* Type, features and sizes of the channel. */
extern struct fake_service guest_fake;

/* The user of the device: open it if it is not, or do something with it. */
void guest_use(struct input *in);
/* A message of the service that may make sense. */
void guest_answer(struct input *in);
/* Close it; the guest may be gone already. */
void guest_close(void);
/* Everything that was begun must have ended. */
void guest_check(void);

#endif /* MULLION_TESTS_GUEST_CLASS_H */
