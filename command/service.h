/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/service.h - service partitions and their supervision
 */
#ifndef MULLION_COMMAND_SERVICE_H
#define MULLION_COMMAND_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "core.h"
#include "error.h"

/**
 * mullion_services_describe() - array of all services, schema Service
 */
json_t *mullion_services_describe(struct mullion_core *core);

/**
 * mullion_service_find() - a service by name; NULL if there is none
 */
struct mullion_service *mullion_service_find(struct mullion_core *core,
					     const char *name);

/**
 * mullion_service_describe() - schema Service; new reference
 */
json_t *mullion_service_describe(const struct mullion_service *service);

/**
 * mullion_service_access() - what the live process can see, read from /proc
 * @ret: new reference, schema Access
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_service_access(const struct mullion_service *service, json_t **ret,
			   struct mullion_error *err);

/**
 * mullion_service_restart() - let a stand-by take over, gracefully
 *
 * The process is asked to end; one that has not ended after 10 s is killed.
 * A service that was given up after too many failures is tried again.
 * Return: 0: under way; or negative errno with @err filled in.
 */
int mullion_service_restart(struct mullion_service *service,
			    struct mullion_error *err);

#endif /* MULLION_COMMAND_SERVICE_H */
