/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/cp.h - a command partition for tests, as small as can be
 *
 * Makes windows, runs the server's end of control channels, starts service
 * programs.  Everything here is trusted by the tests and asserts on failure;
 * the real thing is command/.
 */
#ifndef MULLION_TESTS_CP_H
#define MULLION_TESTS_CP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "../../abi/ext.h"
#include "../../abi/guid.h"
#include "../../abi/service.h"
#include "../../abi/state.h"
#include "../../channel/guest.h"
#include "../../channel/signal_queue.h"

#define CP_WINDOW_ID_SERVICE	1
#define CP_WINDOW_ID_GUEST	2
#define CP_WINDOW_ID_BUS	3
#define CP_VECTORS		4
#define CP_CHANNELS_OFFSET	4096
#define CP_BUS_CHANNEL_BYTES	4096
#define CP_DEVICE_OFFSET	(CP_CHANNELS_OFFSET + CP_BUS_CHANNEL_BYTES)

struct cp_window {
	int fd;
	uint8_t *base;
	uint64_t size;
	uint32_t id;
	uint32_t vectors;
	struct mullion_window_header header;	/* as it was written */
	int doorbell[2][CP_VECTORS];	/* by peer; 0 the server */
};

/* The server's end of a control channel. */
struct cp_control {
	struct cp_window *window;
	struct mullion_channel_ext *ext;
	struct mullion_sq queue[CONTROLVM_QUEUES];
	uint64_t epoch;
	uint64_t handle;
	unsigned int acks;
	struct controlvm_message answer;	/* newest */
	bool answered;
};

/* A service with some devices on one bus, and the guest that uses them. */
struct cp_world {
	char *program;
	struct cp_window service_window;
	struct cp_window guest_window;
	struct cp_window bus_window;
	struct cp_control service_control;
	struct cp_control guest_control;
	int state_fd;
	struct mullion_state_area *state;
	int store_fd;			/* -1: none */
	guid_t type;			/* of the devices; vHBA if not changed */
	unsigned int devices;		/* 1 if not changed */
	/* Of the first device's configuration, may be NULL; the others' follow. */
	const void *class_part;
	size_t class_bytes;
	const void *wide_part;		/* of the service's configuration, or NULL */
	size_t wide_bytes;
	int wide_fd;			/* its store; -1: none */
	uint64_t channel_bytes;
	uint64_t generation;
	guid_t uuid;			/* of the first; others differ in byte 0 */
	pid_t pid;
	int socket;
	struct mullion_guest *guest;
	/*
	 * Guest-physical: set before cp_world_start(), which then makes bus and
	 * device at these addresses of RAM; -1: a window.
	 */
	int ram_fd;
	struct mullion_ram_map ram;
	uint64_t bus_gpa;
	uint64_t device_gpa;
};

/* A sealed window: command windows have a control area, bus windows the rest. */
void cp_window_make(struct cp_window *window, uint32_t kind, uint32_t id,
		    uint64_t size, uint64_t channels_bytes);
void cp_window_done(struct cp_window *window);

void cp_control_init(struct cp_control *control, struct cp_window *window);
/* Confirm attaches, count acknowledgements, keep the newest answer. */
void cp_control_turn(struct cp_control *control);
/* Returns the handle. */
uint64_t cp_control_send(struct cp_control *control, uint32_t id, uint32_t flags,
			 const union controlvm_packet *packet,
			 const void *payload, size_t bytes);

/* Without a response expected. */
void cp_control_send_quietly(struct cp_control *control, uint32_t id,
			     const union controlvm_packet *packet);

/* Fill the struct with defaults, make windows and state area. */
void cp_world_init(struct cp_world *world, const char *program);
/* Start the service process and bring it to serve; @adopt: as a successor. */
void cp_world_start(struct cp_world *world, bool adopt);
/* SIGKILL, and wait for the end. */
void cp_world_kill(struct cp_world *world);
/* Attach the process guest and announce bus and device to it. */
void cp_world_guest(struct cp_world *world);
/* One turn of everything but the device's data. */
void cp_world_turn(struct cp_world *world);
/* Announce bus and device to a guest that has attached, or needs not. */
void cp_world_announce(struct cp_world *world);
/* Send to @control, wait for the answer (10 s), return its status. */
uint32_t cp_world_command(struct cp_world *world, struct cp_control *control,
			  uint32_t id, uint32_t flags,
			  const union controlvm_packet *packet,
			  const void *payload, size_t bytes, uint64_t handle);
void cp_world_done(struct cp_world *world);

/* Path of a program that was built beside this test. */
const char *cp_program(const char *name);

#endif /* MULLION_TESTS_CP_H */
