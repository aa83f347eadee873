/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/daemon.h - what every part of mulliond can reach
 *
 * One thread, one sd-event loop; no part ever blocks it.
 */
#ifndef MULLION_COMMAND_DAEMON_H
#define MULLION_COMMAND_DAEMON_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "paths.h"

struct mullion_cp_guest;
struct mullion_core;
struct mullion_http;

/**
 * struct mullion_daemon - the one of this process
 * @event: the loop
 * @paths: folders
 * @core: windows, services, events
 * @guests: list head of all guests
 * @http: the API's server
 * @group: gid that may use the API as well, or -1
 * @idle_usec: exit after so long without a guest and without a client; 0: never
 * @stopping: a signal asked for the end
 */
struct mullion_daemon {
	sd_event *event;
	struct mullion_paths paths;
	struct mullion_core *core;
	struct mullion_cp_guest *guests;
	struct mullion_http *http;
	int64_t group;
	uint64_t idle_usec;
	bool stopping;
};

/**
 * mullion_daemon_idle_check() - something that kept the daemon alive is gone
 *
 * Starts or stops the clock of --idle-exit.
 */
void mullion_daemon_idle_check(struct mullion_daemon *daemon);

#endif /* MULLION_COMMAND_DAEMON_H */
