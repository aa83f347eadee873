/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/uplink.h - a network's way out: opened here, used by the switch
 */
#ifndef MULLION_COMMAND_UPLINK_H
#define MULLION_COMMAND_UPLINK_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "../abi/net.h"
#include "core.h"
#include "error.h"
#include "network_definition.h"

struct mullion_process;
struct mullion_cp_uplink;

enum mullion_uplink_state {
	MULLION_CP_UPLINK_STARTING,	/* not usable yet, for the first time */
	MULLION_CP_UPLINK_UP,
	MULLION_CP_UPLINK_GONE,		/* tried again every second */
	MULLION_CP_UPLINK_FAILED,	/* has never been usable */
};

/**
 * struct mullion_uplink_kind - what differs between kinds; for uplink*.c
 * @abi: MULLION_UPLINK_*
 * @flags: of struct mullion_net_config
 * @open: make @fd; 0 or negative errno with @err filled in; the state becomes UP,
 *	unless it was left at STARTING
 * @close: undo what @open has done; @fd is closed by the caller
 * @check: once a second while it is up: false: it is gone, @why says why; may be NULL
 * @successor: a further process of the switch is about to get the descriptor: make
 *	it fit for that; may be NULL
 */
struct mullion_uplink_kind {
	const char *name;
	uint32_t abi;
	uint32_t flags;
	int (*open)(struct mullion_cp_uplink *uplink, struct mullion_error *err);
	void (*close)(struct mullion_cp_uplink *uplink);
	bool (*check)(struct mullion_cp_uplink *uplink);
	void (*successor)(struct mullion_cp_uplink *uplink);
};

/**
 * struct mullion_cp_uplink - one uplink
 * @label: of its network, for events
 * @state, @why: what it is doing
 * @fd: what the switch has, too; -1 while there is none; does not block
 * @serial: of @fd: another number, another descriptor
 * @changed, @arg: its owner is told when state or @fd has changed, never from
 *	within a call
 * @peer: nat: the other end of @fd, which each process of it gets
 * @process, @restarts, @failures: nat
 * @interface: tap: its name
 * @watch: passt: for its end
 */
struct mullion_cp_uplink {
	const struct mullion_uplink_kind *kind;
	struct mullion_core *core;
	struct mullion_network_definition *def;
	char label[112];
	enum mullion_uplink_state state;
	char why[400];
	int fd;
	unsigned int serial;
	void (*changed)(void *arg);
	void *arg;
	sd_event_source *timer;
	sd_event_source *settle;
	int peer;
	struct mullion_process *process;
	unsigned int restarts;
	unsigned int failures;
	char interface[IFNAMSIZ];
	sd_event_source *watch;
};

extern const struct mullion_uplink_kind mullion_uplink_nat;
extern const struct mullion_uplink_kind mullion_uplink_tap;
extern const struct mullion_uplink_kind mullion_uplink_passt;

/**
 * mullion_cp_uplink_new() - open the uplink of a network
 * @ret: NULL for a network that has none
 *
 * Return: 0: it is up, or will be: see @state; or negative errno with @err filled in.
 */
int mullion_cp_uplink_new(struct mullion_core *core, struct mullion_network_definition *def,
			  const char *label, void (*changed)(void *arg), void *arg,
			  struct mullion_cp_uplink **ret, struct mullion_error *err);

/**
 * mullion_cp_uplink_free() - close it; NULL is fine; returns NULL
 */
struct mullion_cp_uplink *mullion_cp_uplink_free(struct mullion_cp_uplink *uplink);

/**
 * mullion_cp_uplink_successor() - a further process of the switch has attached
 */
void mullion_cp_uplink_successor(struct mullion_cp_uplink *uplink);

/**
 * mullion_cp_uplink_lost() - for uplink*.c: it cannot be used any more
 *
 * It is closed and opened again every second; the first failure is an event.
 */
void mullion_cp_uplink_lost(struct mullion_cp_uplink *uplink, const char *why);

/**
 * mullion_cp_uplink_settle() - for uplink*.c: tell the owner
 */
void mullion_cp_uplink_settle(struct mullion_cp_uplink *uplink,
			      enum mullion_uplink_state state, const char *why);

/**
 * mullion_cp_uplink_describe_service() - its process, schema Service; new reference;
 *	NULL for an uplink that needs none
 */
json_t *mullion_cp_uplink_describe_service(const struct mullion_cp_uplink *uplink);

/**
 * mullion_cp_uplink_describe() - schema Uplink; new reference
 */
json_t *mullion_cp_uplink_describe(const struct mullion_cp_uplink *uplink);

#endif /* MULLION_COMMAND_UPLINK_H */
