/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/network.h - networks: a switch, its uplink, and who is plugged in
 */
#ifndef MULLION_COMMAND_NETWORK_H
#define MULLION_COMMAND_NETWORK_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "core.h"
#include "error.h"
#include "net_spec.h"
#include "network_definition.h"

struct mullion_capture;
struct mullion_cp_bus;
struct mullion_cp_device;
struct mullion_cp_uplink;
struct mullion_network;
struct mullion_network_wait;
struct mullion_partition;
struct mullion_service;

/**
 * struct mullion_nic - a network interface of a guest: a port of the switch
 * @next: in the network
 * @partition: whose it is; not valid once that has left it
 * @number: of the guest's interfaces, from 0; its default address depends on it
 * @spec: as it shall be
 * @device: NULL until it is placed on a bus
 */
struct mullion_nic {
	struct mullion_nic *next;
	struct mullion_network *network;
	struct mullion_partition *partition;
	char guest[96];
	unsigned int number;
	struct mullion_net_spec spec;
	struct mullion_cp_device *device;
};

/**
 * struct mullion_network - one that is in use; the others are definitions only
 * @def: of this run
 * @pinned: started by the administrator: stays without users
 * @closing: takes no further interfaces: it is being stopped by force
 * @service: its switch, NULL while there is none
 * @uplink: NULL: none, or not running
 * @uplink_serial: of the descriptor that the switch's process has; 0: none
 * @capture: of its frames, NULL: none
 * @capture_sent: the switch's process has its pipe
 * @nics: in use and claimed
 * @waits: who waits for its start or end
 */
struct mullion_network {
	struct mullion_network *next;
	struct mullion_core *core;
	struct mullion_network_definition *def;
	char label[112];
	bool pinned;
	bool closing;
	struct mullion_service *service;
	struct mullion_cp_uplink *uplink;
	unsigned int uplink_serial;
	struct mullion_capture *capture;
	bool capture_sent;
	struct mullion_nic *nics;
	struct mullion_network_wait *waits;
};

/**
 * mullion_network_find() - one that is in use; NULL if it is not
 */
struct mullion_network *mullion_network_find(struct mullion_core *core, const char *name);

/**
 * mullion_network_get() - one that is in use, or that is defined
 * @ret: to be given back with mullion_network_put() if nothing comes to use it
 *
 * Return: 0, -ENOENT, or negative errno; @err filled in.
 */
int mullion_network_get(struct mullion_core *core, const char *name,
			struct mullion_network **ret, struct mullion_error *err);

/**
 * mullion_network_put() - forget it, unless somebody uses it; NULL is fine
 */
void mullion_network_put(struct mullion_network *network);

/**
 * mullion_network_open() - see to it that it has a switch and an uplink
 *
 * The switch gets a process with its first bus, or by mullion_network_start().
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_network_open(struct mullion_network *network, struct mullion_error *err);

/**
 * mullion_network_start() - start it for the administrator
 *
 * It stays until mullion_network_stop().  Return: 0: under way; or negative errno
 * with @err filled in.
 */
int mullion_network_start(struct mullion_network *network, struct mullion_error *err);

/**
 * mullion_network_stop() - end it
 * @force: unplug its users
 *
 * Return: 0: under way; -EBUSY: it has users; -ESRCH: it does not run; @err
 * filled in.
 */
int mullion_network_stop(struct mullion_network *network, bool force,
			 struct mullion_error *err);

/**
 * typedef mullion_network_done - what was waited for has happened
 * @network: NULL: it has stopped and may be gone
 * @err: why it cannot happen any more; NULL: it has
 */
typedef void mullion_network_done(void *arg, struct mullion_network *network,
				  const struct mullion_error *err);

/**
 * mullion_network_wait() - be told, once, that it runs (or has stopped)
 * @stopped: which of the two
 * @ret: valid until @fn is called or mullion_network_wait_end()
 *
 * @fn is never called from within this function, but may be from within the one
 * that starts or stops the network.  Return: 0; 1 when it has happened already,
 * then @fn is not called; or -ENOMEM.
 */
int mullion_network_wait(struct mullion_network *network, bool stopped,
			 mullion_network_done *fn, void *arg,
			 struct mullion_network_wait **ret);
void mullion_network_wait_end(struct mullion_network_wait *wait);

/**
 * mullion_network_configure() - tell the switch what has changed, if it serves
 */
void mullion_network_configure(struct mullion_network *network);

/* ---- interfaces ---------------------------------------------------------- */

/**
 * mullion_nic_new() - read a SPEC, claim its address
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_nic_new(struct mullion_partition *partition, const char *spec,
		    struct mullion_nic **ret, struct mullion_error *err);
void mullion_nic_free(struct mullion_nic *nic);

/**
 * mullion_nic_next() - those that are in use; NULL begins, NULL is the end
 *
 * Without those whose guest has left them, which stay until the switch has
 * answered.
 */
struct mullion_nic *mullion_nic_next(const struct mullion_network *network,
				     const struct mullion_nic *nic);

/**
 * mullion_nic_may_have() - may the interface be as @spec says?
 *
 * Return: 0, or -EADDRINUSE with @err filled in: another one has its address.
 */
int mullion_nic_may_have(const struct mullion_nic *nic, const struct mullion_net_spec *spec,
			 struct mullion_error *err);

/* ---- for people ------------------------------------------------------------- */

/* New references; schema Network. */
json_t *mullion_network_describe(const struct mullion_network *network);
json_t *mullion_network_describe_definition(const struct mullion_network_definition *def);

/**
 * mullion_network_helper() - an uplink that is a process, by the name of that
 *	("nat-NETWORK"); NULL if there is none
 */
struct mullion_cp_uplink *mullion_network_helper(struct mullion_core *core, const char *name);

/**
 * mullion_network_describe_helper() - add that process of a switch, if it has one,
 *	to a list of services
 */
void mullion_network_describe_helper(const struct mullion_service *service, json_t *list);

/**
 * mullion_networks_free() - by force; no service may be left
 */
void mullion_networks_free(struct mullion_core *core);

/**
 * mullion_networks_pinned() - how many were started by the administrator
 */
unsigned int mullion_networks_pinned(const struct mullion_core *core);

#endif /* MULLION_COMMAND_NETWORK_H */
