/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/window_class.h - the device class behind fuzz_service_window.c
 */
#ifndef MULLION_TESTS_WINDOW_CLASS_H
#define MULLION_TESTS_WINDOW_CLASS_H

#include "../../channel/attach.h"
#include "../lib/inproc.h"
#include "input.h"

/* The hostile client: its window, its half of the attach, its queues. */
struct window_client {
	struct inproc_bus bus;
	struct mullion_attach attach;
	struct mullion_sq cmd[MULLION_QUEUE_PAIRS_MAX];
	struct mullion_sq rsp[MULLION_QUEUE_PAIRS_MAX];
};

/**
 * struct window_class - a class, and what a client of it does
 * @class: it
 * @window_bytes: of its windows
 * @config: the class part of the configuration, or NULL; its store, if any, is
 *	put into @fd (entry 0)
 * @request: a message from the input
 * @served: the client keeps the rules now, has just attached, and must get its
 *	due
 */
struct window_class {
	const struct mullion_class *class;
	uint64_t window_bytes;
	const void *(*config)(size_t *bytes, int *fd);
	void (*request)(struct input *in, struct window_client *client);
	void (*served)(struct window_client *client);
};

extern const struct window_class window_class;

/* Of disks: a command from the input; TEST UNIT READY. */
void window_scsi_request(struct input *in, struct window_client *client);
void window_scsi_served(struct window_client *client);

#endif /* MULLION_TESTS_WINDOW_CLASS_H */
