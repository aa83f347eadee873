/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/api.h - the routes of the API, for api*.c only
 */
#ifndef MULLION_COMMAND_API_H
#define MULLION_COMMAND_API_H

#include "guest.h"
#include "request.h"

#define MULLION_API_VERSION	1
#define MULLION_API_NAME_BYTES	(MULLION_NAME_MAX + 32)	/* of a service: CLASS@GUEST */

/* Each answers its request, or arranges for that; @name is the path's {name} or {service}. */
typedef void mullion_api_fn(struct mullion_api_request *req, const char *name);

mullion_api_fn api_version;
mullion_api_fn api_guests_list;
mullion_api_fn api_guest_create;
mullion_api_fn api_guest_show;
mullion_api_fn api_guest_delete;
mullion_api_fn api_guest_start;
mullion_api_fn api_guest_stop;
mullion_api_fn api_guest_kill;
mullion_api_fn api_guest_restart;
mullion_api_fn api_guest_wait;
mullion_api_fn api_guest_console;
mullion_api_fn api_guest_command;
mullion_api_fn api_guest_attach;
mullion_api_fn api_guest_logs;
mullion_api_fn api_guest_device_add;
mullion_api_fn api_guest_device_remove;
mullion_api_fn api_guest_device_set;
mullion_api_fn api_devices_list;
mullion_api_fn api_services_list;
mullion_api_fn api_service_show;
mullion_api_fn api_service_access;
mullion_api_fn api_service_restart;
mullion_api_fn api_events;
mullion_api_fn api_networks_list;
mullion_api_fn api_network_put;
mullion_api_fn api_network_show;
mullion_api_fn api_network_delete;
mullion_api_fn api_network_start;
mullion_api_fn api_network_stop;
mullion_api_fn api_network_capture;
mullion_api_fn api_definitions_list;
mullion_api_fn api_definition_put;
mullion_api_fn api_definition_show;
mullion_api_fn api_definition_delete;

/**
 * api_find_guest() - the guest of a request; NULL: answered with an error
 */
struct mullion_cp_guest *api_find_guest(struct mullion_api_request *req, const char *name);

/**
 * api_upgrade() - hand the connection to @upgraded, if the client asked for @protocol
 * @arg: freed by @upgraded, or by free() if it does not come to that
 */
void api_upgrade(struct mullion_api_request *req, const char *protocol,
		 void (*upgraded)(void *arg, struct mullion_stream *stream), void *arg);

/**
 * api_query_flag() - a query argument that is 0 or 1
 */
bool api_query_flag(struct mullion_api_request *req, const char *name, bool otherwise);

#endif /* MULLION_COMMAND_API_H */
