/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/inproc.h - a service in this very process, turn by turn
 *
 * The common layer and a class without sandbox and socket, with a control channel
 * that nobody answers: the test says when a turn of the loop is made.  For fuzzers
 * and unit tests.
 *
 * Buses may be in guest RAM, without doorbells.  Its data begin at address 0, so
 * that they have the same addresses as those of a window's pool; behind them are
 * the channels, reserved; then nothing, up to INPROC_RAM_HIGH.
 */
#ifndef MULLION_TESTS_INPROC_H
#define MULLION_TESTS_INPROC_H

#include "../../service/common/service.h"
#include "cp.h"

#define INPROC_CHANNELS_BYTES	(2ULL << 20)
#define INPROC_RAM_HIGH		(1ULL << 32)
#define INPROC_RAM_HIGH_BYTES	(1ULL << 20)

/* A bus with one device, and its window; in RAM: the RAM below INPROC_RAM_HIGH. */
struct inproc_bus {
	struct cp_window window;
	uint8_t *high;			/* the rest of the RAM */
	struct service_bus *bus;
	struct mullion_device *device;
	uint8_t *channel;
	uint8_t *pool;
	uint64_t pool_bytes;
};

/* Once per process: loop, state area, the class. */
void inproc_init(const struct mullion_class *class);
/* Buses that are made from now on are in guest RAM, or are not. */
void inproc_use_ram(bool ram);
/* Make a window of @bytes and a device @number in it; 0 or what the class says. */
int inproc_device(struct inproc_bus *made, uint32_t number, uint64_t bytes,
		  const void *config, size_t config_bytes, int store_fd);
/* Its service dies, and another adopts the device; as above. */
int inproc_successor(struct inproc_bus *made, const void *config, size_t config_bytes,
		     int store_fd);
/* The device goes, with its memory. */
void inproc_device_done(struct inproc_bus *made);
/* CHANGESTATE, with the turns that a pause takes. */
void inproc_pause(struct inproc_bus *made);
void inproc_resume(struct inproc_bus *made);
int inproc_reconfigure(struct inproc_bus *made, const void *config, size_t config_bytes);
/* The service as a whole; the descriptors are taken, -1 is none. */
int inproc_configure(const void *config, size_t config_bytes, int store0, int store1);
/* One turn of the loop. */
void inproc_turn(void);

#endif /* MULLION_TESTS_INPROC_H */
