/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/inproc.h - a service in this very process, turn by turn
 *
 * The common layer and a class without sandbox, socket and control channel: the
 * test says when a turn of the loop is made.  For fuzzers and unit tests.
 */
#ifndef MULLION_TESTS_INPROC_H
#define MULLION_TESTS_INPROC_H

#include "../../service/common/service.h"
#include "cp.h"

#define INPROC_CHANNELS_BYTES	(2ULL << 20)

/* A bus with one device, and its window. */
struct inproc_bus {
	struct cp_window window;
	struct service_bus *bus;
	struct mullion_device *device;
	uint8_t *channel;
	uint8_t *pool;
	uint64_t pool_bytes;
};

/* Once per process: loop, state area, the class. */
void inproc_init(const struct mullion_class *class);
/* Make a window of @bytes and a device @number in it; 0 or what the class says. */
int inproc_device(struct inproc_bus *made, uint32_t number, uint64_t bytes,
		  const void *config, size_t config_bytes, int store_fd);
int inproc_reconfigure(struct inproc_bus *made, const void *config, size_t config_bytes);
/* The service as a whole; the descriptors are taken, -1 is none. */
int inproc_configure(const void *config, size_t config_bytes, int store0, int store1);
/* One turn of the loop. */
void inproc_turn(void);

#endif /* MULLION_TESTS_INPROC_H */
