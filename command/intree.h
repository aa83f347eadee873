/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/intree.h - guests with the drivers that Linux had in its own tree
 *
 * For partition.c, bus.c and device.c: what is different for a guest that knows
 * nothing of Mullion's extension.  Each function does nothing, or says that
 * nothing is different, where the guest has the extension.
 */
#ifndef MULLION_COMMAND_INTREE_H
#define MULLION_COMMAND_INTREE_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"

struct mullion_cp_bus;
struct mullion_cp_device;
struct mullion_partition;

int mullion_intree_new(struct mullion_partition *partition);
void mullion_intree_free(struct mullion_partition *partition);

/**
 * mullion_intree_attached() - the channel can be found, or was wiped and made anew
 */
void mullion_intree_attached(struct mullion_partition *partition);

/**
 * mullion_intree_stray() - an answer to nothing that was asked
 */
void mullion_intree_stray(struct mullion_partition *partition, uint32_t id);

/**
 * mullion_intree_settle() - from the loop: tell the guest what it may be told
 */
void mullion_intree_settle(struct mullion_partition *partition);

/**
 * mullion_intree_renewable() - a bus of a former boot is taken from its service
 */
void mullion_intree_renewable(struct mullion_partition *partition);

/**
 * mullion_intree_unannounce() - take a bus from the guest, at the right moment
 */
void mullion_intree_unannounce(struct mullion_cp_bus *bus);

/**
 * mullion_intree_serve_later() - a process is to take over a device
 *
 * Return: true: the guest has to be in standby first; mullion_cp_device_serve() is
 * called again then.
 */
bool mullion_intree_serve_later(struct mullion_cp_device *device);

/**
 * mullion_intree_rewind() - was it resumed, and shown no answer yet?
 */
bool mullion_intree_rewind(const struct mullion_cp_device *device);

/**
 * mullion_intree_served() - a process has taken it over, or for the first time
 */
void mullion_intree_served(struct mullion_cp_device *device);

/**
 * mullion_intree_may_pause() - can the guest's driver be paused or resumed?
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_intree_may_pause(const struct mullion_cp_device *device, bool paused,
			     const char *what, struct mullion_error *err);

/**
 * mullion_intree_pausing() - the guest has been told to be in standby, and is not yet
 *
 * Its driver still uses the rings, which are emptied when the service is resumed.
 */
bool mullion_intree_pausing(const struct mullion_cp_device *device);

/**
 * mullion_intree_paused() - the service has paused or resumed it: the guest is next
 */
void mullion_intree_paused(struct mullion_cp_device *device, bool paused);

#endif /* MULLION_COMMAND_INTREE_H */
