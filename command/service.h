/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/service.h - service partitions and their supervision
 */
#ifndef MULLION_COMMAND_SERVICE_H
#define MULLION_COMMAND_SERVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/types.h"

#include "core.h"
#include "error.h"

/* What a service is doing; names in mullion_service_state_text(). */
enum mullion_service_state {
	MULLION_SV_IDLE,	/* has no process yet */
	MULLION_SV_STARTING,	/* a process was given its descriptors */
	MULLION_SV_PREPARING,	/* attached, gets its buses and devices */
	MULLION_SV_SERVING,
	MULLION_SV_ENDING,	/* the process was asked to end */
	MULLION_SV_DYING,	/* SIGKILL sent, death not seen yet */
	MULLION_SV_WAITING,	/* restarted too often: pauses */
	MULLION_SV_FAILED,	/* given up until an administrator restarts it */
	MULLION_SV_ENDED,	/* not needed any more; has no process */
};

struct mullion_cp_bus;
struct mullion_cp_control;
struct mullion_device_class;
struct mullion_cp_window;
struct mullion_process;
struct mullion_state_memory;

/**
 * struct mullion_service_ops - of a service that belongs to an object with a life
 *	of its own, such as a network; any may be NULL
 * @configure: a process has attached and knows of no bus yet: configure it as a
 *	whole; return 0 or negative errno, then it is killed
 * @ready: may a guest that needs it be started? 1: yes; 0: not yet; negative
 *	errno with @err filled in: no
 * @changed: its state is another one
 * @gone: it is about to be freed
 */
struct mullion_service_ops {
	int (*configure)(void *arg);
	int (*ready)(void *arg, struct mullion_error *err);
	void (*changed)(void *arg);
	void (*gone)(void *arg);
};

/**
 * struct mullion_service - one service partition
 * @name: "disk-GUEST", or "disk.shared-N"
 * @uuid: for window headers
 * @key: of a shared service: what it serves, in its class's own terms
 * @shared: serves more than one guest
 * @wanted: shall have a process
 * @held: goes on without a bus; of a shared service
 * @configuring: configurations of the whole service without an answer
 * @ops, @ops_arg: of its owner; NULL: nobody's
 * @why: of the state, in plain words
 * @generation: counts processes
 * @restarts: successors so far
 * @failures: processes that died young, one after the other
 * @killed_soon: processes killed from outside soon after they served, in a row
 * @process: NULL while there is none
 * @window, @control: its command window; new for each process
 * @memory: its state area
 * @buses: linked by service_next
 * @ticks: seconds since the state began
 * @heartbeat, @still: last heartbeat seen, and seconds without a new one
 */
struct mullion_service {
	struct mullion_service *next;
	struct mullion_core *core;
	struct mullion_service_class *class;
	char name[96];
	char label[112];
	guid_t uuid;
	guid_t key;
	bool shared;
	bool wanted;
	bool held;
	unsigned int configuring;
	const struct mullion_service_ops *ops;
	void *ops_arg;
	enum mullion_service_state state;
	char why[400];
	uint64_t generation;
	unsigned int restarts;
	unsigned int failures;
	unsigned int killed_soon;
	struct mullion_process *process;
	struct mullion_cp_window *window;
	struct mullion_cp_control *control;
	struct mullion_state_memory *memory;
	struct mullion_cp_bus *buses;
	unsigned int ticks;
	uint64_t heartbeat;
	unsigned int still;
	uint64_t lost_usec;
	sd_event_source *watch;
	sd_event_source *pause;
};

/**
 * mullion_service_new() - a service without a process
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_service_new(struct mullion_core *core,
			const struct mullion_device_class *devices, const char *name,
			struct mullion_service **ret, struct mullion_error *err);

/**
 * mullion_service_free() - forget it; a process that is left is killed
 */
void mullion_service_free(struct mullion_service *service);

/**
 * mullion_service_release() - free it if it has neither a bus nor an owner that
 *	holds it: what was to use it failed
 */
void mullion_service_release(struct mullion_service *service);

/**
 * mullion_service_serve() - tell its process of buses that it does not know, a few
 *	at a time; the answers go on with the others
 */
void mullion_service_serve(struct mullion_service *service);

/**
 * mullion_service_settle() - a bus has left, or its owner holds it no more: it
 *	ends if nobody is left, else what it waits for may be complete
 */
void mullion_service_settle(struct mullion_service *service);

/**
 * mullion_service_tell() - whoever waits for it looks again
 */
void mullion_service_tell(struct mullion_service *service);

/**
 * mullion_service_start() - give it a process, unless it has one
 */
int mullion_service_start(struct mullion_service *service,
			  struct mullion_error *err);

/**
 * mullion_service_end() - it is not needed any more
 *
 * The process is asked to end and killed 10 s later; state ENDED follows.
 */
void mullion_service_end(struct mullion_service *service);

/**
 * mullion_service_changed() - an answer for one of its devices has come
 */
void mullion_service_changed(struct mullion_service *service);

/**
 * mullion_service_kill() - its process is of no use: SIGKILL, a successor follows
 * @why: in plain words
 */
void mullion_service_kill(struct mullion_service *service, const char *why);

const char *mullion_service_state_text(const struct mullion_service *service);

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
