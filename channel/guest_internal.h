/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/guest_internal.h - the objects of a process guest
 *
 * Shared by guest.c (life cycle, descriptors, waiting), guest_control.c
 * (commands) and guest_connect.c (the daemon's API); nobody else.
 */
#ifndef MULLION_CHANNEL_GUEST_INTERNAL_H
#define MULLION_CHANNEL_GUEST_INTERNAL_H

#include "../abi/bus.h"
#include "control_client.h"
#include "doorbell.h"
#include "fdmsg.h"
#include "guest.h"
#include "range.h"

/* A bus window and its doorbells, complete or still arriving. */
struct guest_window {
	uint32_t id;
	struct mullion_window window;	/* base NULL until it came */
	struct mullion_doorbells recv;
	struct mullion_doorbells send;
	struct mullion_pool *pool;
	bool watched;
	unsigned int buses;
	uint64_t heartbeat;		/* seen last, once we are an orphan */
	unsigned int still;		/* slow turns since it moved */
	struct guest_window *next;
};

struct guest_bus {
	struct mullion_guest *guest;
	uint32_t bus_no;
	uint64_t channel_addr;
	uint64_t channel_bytes;
	guid_t uuid;
	struct guest_window *window;
	uint8_t *channel;		/* NULL: no client information */
	bool known;			/* announced in this control epoch */
	struct guest_bus *next;
};

struct mullion_guest_device {
	struct guest_bus *bus;
	struct mullion_guest_device_info info;
	uint64_t channel_addr;
	uint64_t send_vector;		/* of queue pair 0, as it was announced */
	const struct mullion_guest_driver *driver;
	void *driver_arg;
	bool known;
	struct mullion_guest_device *next;
};

struct mullion_guest {
	int epoll;
	int socket;			/* -1: none, or at its end */
	struct mullion_window command;
	int command_recv;
	int command_send;
	struct mullion_control_client *control;
	struct guest_window *windows;
	struct guest_bus *buses;
	struct mullion_guest_device *devices;	/* oldest first */
	bool initialized;		/* CHIPSET_INIT in this epoch */
	bool ready;
	bool orphan;			/* the command partition hung up */
	int error;
	uint64_t slow_due;
};

/* guest.c */
struct guest_window *guest_window_find(struct mullion_guest *guest, uint32_t id);
/*
 * Take all descriptors that have come.  Before every command: its descriptors
 * were sent earlier, but the two ways are not ordered for their reader.
 */
void guest_receive(struct mullion_guest *guest);
void guest_device_remove(struct mullion_guest_device *device);

/* guest_control.c */
void guest_control_command(void *arg, const struct controlvm_message *command,
			   const void *payload, size_t bytes);
void guest_control_reset(void *arg);
void guest_control_info(struct guest_bus *bus, uint64_t offset,
			const char *devtype, const char *drvname);
void guest_bus_free(struct guest_bus *bus);
/* Devices use the vectors from 1 up, wrapped into the @count that there are. */
uint32_t guest_control_vector(uint64_t vector, uint32_t count);

#endif /* MULLION_CHANNEL_GUEST_INTERNAL_H */
