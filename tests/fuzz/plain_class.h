/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/plain_class.h - the device class behind fuzz_plain.c
 *
 * The class itself and its configuration are those of window_class.h.
 */
#ifndef MULLION_TESTS_PLAIN_CLASS_H
#define MULLION_TESTS_PLAIN_CLASS_H

#include "window_class.h"

/* A client of s-Par's messages only, and its half of the rings. */
struct plain_client {
	struct inproc_bus bus;
	struct mullion_sq cmd;
	struct mullion_sq rsp;
};

/**
 * struct plain_class - what a client of a class does
 * @request: fills in a message from the input
 * @served: the client keeps the rules now, has just been resumed, and must get
 *	its due
 */
struct plain_class {
	void (*request)(struct input *in, struct uiscmdrsp *message);
	void (*served)(struct plain_client *client);
};

extern const struct plain_class plain_class;

/* Of all kinds: data, channels, holes, borders, far away. */
uint64_t plain_address(struct input *in);
/* Copies a message into the ring; false if that is full. */
bool plain_send(struct plain_client *client, const struct uiscmdrsp *message);

#endif /* MULLION_TESTS_PLAIN_CLASS_H */
