/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/core.h - what partitions, buses and services share
 *
 * The lower half of mulliond: windows, control channels, services and their
 * recovery.  It knows nothing of QEMU or of the API.  Names that the channel
 * library has too carry "cp" here: the object as the command partition has it.
 *
 * Everything runs in the thread of the sd-event loop.  SIGCHLD must not be
 * reaped behind its back: services are waited for through their pidfds.
 */
#ifndef MULLION_COMMAND_CORE_H
#define MULLION_COMMAND_CORE_H

#include <limits.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "error.h"
#include "event.h"

struct mullion_service;
struct mullion_service_class;
struct mullion_partition;
struct mullion_image;
struct mullion_network;
struct mullion_paths;

/**
 * struct mullion_core - the one of this process
 * @event: the loop
 * @events: what happened
 * @programs: folder of mullion-disk and its like
 * @window_id_next: ids are handed out once and not again until they wrap
 * @service_bus_next: bus numbers as services see them, unique in the daemon
 * @null_disks: null stores made so far: each is a disk of its own
 * @shared_services: shared services made so far, for their names
 * @classes: device classes, asked once with --describe
 * @services: those that exist
 * @partitions: those that exist
 * @images: stores in use, by identity
 * @networks: those in use
 * @paths: where definitions of networks are kept; NULL: there are only built-in ones
 */
struct mullion_core {
	sd_event *event;
	struct mullion_events *events;
	char programs[PATH_MAX];
	uint32_t window_id_next;
	uint32_t service_bus_next;
	uint32_t null_disks;
	uint32_t shared_services;
	struct mullion_service_class *classes;
	struct mullion_service *services;
	struct mullion_partition *partitions;
	struct mullion_image *images;
	struct mullion_network *networks;
	const struct mullion_paths *paths;
};

/**
 * mullion_core_new() - the lower half, with nothing in it
 * @programs: absolute folder where services are found
 *
 * Return: 0 or negative errno.
 */
int mullion_core_new(struct mullion_core **ret, sd_event *event,
		     const char *programs);

/**
 * mullion_core_free() - end what is left, stand-bys too, by force
 */
void mullion_core_free(struct mullion_core *core);

/**
 * mullion_core_window_id() - an id for a new window
 */
uint32_t mullion_core_window_id(struct mullion_core *core);

#endif /* MULLION_COMMAND_CORE_H */
