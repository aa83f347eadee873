/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/device.h - a device: one channel on a bus, between service and guest
 */
#ifndef MULLION_COMMAND_DEVICE_H
#define MULLION_COMMAND_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/types.h"
#include "device_class.h"
#include "error.h"
#include "intree_device.h"

struct mullion_cp_bus;

/* What one end has of a bus or device. */
enum mullion_end {
	MULLION_END_NONE,	/* not told, or told before it began anew */
	MULLION_END_TOLD,	/* the command is under way */
	MULLION_END_PRESENT,	/* answered with success */
	MULLION_END_FAILED,	/* answered with a failure */
};

/**
 * struct mullion_cp_device - one device
 * @class: what it is
 * @own: the class's own part
 * @number: dev_no
 * @uuid: names the device
 * @addr: channel_addr of its channel; @bytes: of it
 * @vector: first one, the same number at both ends
 * @formatted: a service has said that the channel is complete
 * @server, @guest: what the ends have
 * @retry_ticks: seconds until a service that failed is asked again
 * @failures: of the service, one after the other
 * @why: the last failure
 * @reconfiguring: DEVICE_RECONFIGURE is under way
 * @resetting: the service is told that the client is no more; not announced before
 * @pausing: DEVICE_CHANGESTATE to the service is under way, @pausing_to that state
 * @paused: the administrator wants it to be
 * @resume: and wanted it no more; the service has not said yet that it is not
 * @intree: of a guest without the extension; intree.c
 */
struct mullion_cp_device {
	struct mullion_cp_device *next;
	struct mullion_cp_bus *bus;
	const struct mullion_device_class *class;
	void *own;
	uint32_t number;
	guid_t uuid;
	uint64_t addr;
	uint64_t bytes;
	uint32_t vector;
	bool formatted;
	enum mullion_end server;
	enum mullion_end guest;
	unsigned int retry_ticks;
	unsigned int failures;
	char why[400];
	bool reconfiguring;
	bool resetting;
	bool pausing;
	bool pausing_to;
	bool paused;
	bool resume;
	struct mullion_intree_device intree;
};

/**
 * mullion_cp_device_go_on() - to the state that is wanted, with the service that
 *	there is now
 *
 * A successor of a process that had paused it begins as it finds it.
 */
void mullion_cp_device_go_on(struct mullion_cp_device *device);

/**
 * mullion_cp_device_reset() - the machine of its client was reset
 *
 * A service that does not serve at the moment needs not be told: its successor
 * begins with an epoch of the next boot.
 */
void mullion_cp_device_reset(struct mullion_cp_device *device);

/**
 * mullion_cp_device_new() - place a device's channel on a bus
 *
 * Return: 0; -ENOSPC when the channels area or the numbers are used up;
 * -ENOMEM.
 */
int mullion_cp_device_new(struct mullion_cp_bus *bus, struct mullion_cp_device **ret);
void mullion_cp_device_free(struct mullion_cp_device *device);

/**
 * mullion_cp_device_serve() - send DEVICE_CREATE(server), descriptors first
 *
 * No other process may be alive that serves the device.  What goes wrong is
 * in @why, and asked again later.
 */
void mullion_cp_device_serve(struct mullion_cp_device *device);

/**
 * mullion_cp_device_server_lost() - the process that served it is dead
 */
void mullion_cp_device_server_lost(struct mullion_cp_device *device);

/**
 * mullion_cp_device_may_change() - can it be reconfigured now?
 *
 * Return: 0, or -EAGAIN with @err filled in.
 */
int mullion_cp_device_may_change(const struct mullion_cp_device *device,
				 struct mullion_error *err);

/**
 * mullion_cp_device_reconfigure() - tell the service of the new configuration
 * @change: for the class's send(); NULL: no descriptors
 *
 * To be called when mullion_cp_device_may_change() was 0; the class's
 * reconfigured() follows.  Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_device_reconfigure(struct mullion_cp_device *device, const void *change,
				  struct mullion_error *err);

/**
 * mullion_cp_device_send() - send a descriptor to the service
 * @role, @index: as in abi/service.h
 * @fd: stays the caller's; -1: nothing is done
 *
 * A service that does not read its socket is killed.  Return: 0 or negative
 * errno with @err filled in.
 */
int mullion_cp_device_send(struct mullion_cp_device *device, uint64_t handle,
			   unsigned int role, unsigned int index, int fd,
			   struct mullion_error *err);

/**
 * mullion_cp_device_announce() - send DEVICE_CREATE to the guest
 */
void mullion_cp_device_announce(struct mullion_cp_device *device);

/**
 * mullion_cp_device_pause() - pause or resume it on behalf of the administrator
 *
 * Return: 0: under way; or negative errno with @err filled in.
 */
int mullion_cp_device_pause(struct mullion_cp_device *device, bool paused,
			    struct mullion_error *err);

/**
 * mullion_cp_device_describe() - schema Device; new reference
 */
json_t *mullion_cp_device_describe(const struct mullion_cp_device *device);

#endif /* MULLION_COMMAND_DEVICE_H */
