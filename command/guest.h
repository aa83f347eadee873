/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/guest.h - guests: their life, and what it came to
 *
 * "cp" as in core.h: the guest as the command partition has it.
 */
#ifndef MULLION_COMMAND_GUEST_H
#define MULLION_COMMAND_GUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "daemon.h"
#include "definition.h"
#include "error.h"
#include "stream.h"

struct mullion_attach;
struct mullion_cp_guest;
struct mullion_guest_wait;

/* Exit status of a guest that gave none itself, as timeout(1) and shells have it. */
#define MULLION_EXIT_TIMEOUT	124
#define MULLION_EXIT_FAILED	125
#define MULLION_EXIT_KILLED	137

#define MULLION_STOP_SECONDS	60.0	/* until a guest that should stop is killed */

enum mullion_guest_state {
	MULLION_GUEST_READY,		/* does not run */
	MULLION_GUEST_BOOTING,
	MULLION_GUEST_ONLINE,
	MULLION_GUEST_SHUTTING_DOWN,
	MULLION_GUEST_RESETTING,
	MULLION_GUEST_CRASHED,		/* does not run, and ended badly */
};

enum mullion_guest_milestone {
	MULLION_GUEST_IS_STARTED,	/* QEMU and all services run */
	MULLION_GUEST_IS_ONLINE,
	MULLION_GUEST_IS_STOPPED,
};

/**
 * mullion_cp_guest_find() - a guest by name
 *
 * One that has a definition file but no object yet is made from the file.
 * Return: 0, -ENOENT, or negative errno with @err filled in.
 */
int mullion_cp_guest_find(struct mullion_daemon *daemon, const char *name,
			  struct mullion_cp_guest **ret, struct mullion_error *err);

/**
 * mullion_cp_guest_new() - a guest that is made for a request
 * @transient: forget it after it has stopped and its exit was fetched, or a
 *	minute has passed
 *
 * Return: 0, -EEXIST, or negative errno with @err filled in.
 */
int mullion_cp_guest_new(struct mullion_daemon *daemon, struct mullion_definition *definition,
			 bool transient, struct mullion_cp_guest **ret,
			 struct mullion_error *err);

/**
 * mullion_cp_guest_set_attach() - it is one that somebody else has started
 * @attach: taken over; before the start
 */
void mullion_cp_guest_set_attach(struct mullion_cp_guest *guest, struct mullion_attach *attach);

/**
 * mullion_cp_guest_start() - start it
 *
 * A guest with a definition file takes the file's present content.  Return: 0:
 * under way, see mullion_cp_guest_wait(); or negative errno with @err filled in.
 */
int mullion_cp_guest_start(struct mullion_cp_guest *guest, struct mullion_error *err);

/**
 * mullion_cp_guest_stop() - ask it to power off
 * @seconds: until it is killed; 0: at once
 *
 * Return: 0: under way; or -ESRCH with @err filled in when it does not run.
 */
int mullion_cp_guest_stop(struct mullion_cp_guest *guest, double seconds,
			  struct mullion_error *err);

/**
 * mullion_cp_guest_kill() - end it at once
 * @why: for the exit's reason
 *
 * Return: 0: under way; or -ESRCH with @err filled in when it does not run.
 */
int mullion_cp_guest_kill(struct mullion_cp_guest *guest, const char *why,
			  struct mullion_error *err);

/**
 * mullion_cp_guest_delete() - forget it; kill it first if it runs
 *
 * The object may be gone when this returns.
 */
void mullion_cp_guest_delete(struct mullion_cp_guest *guest);

/**
 * typedef mullion_guest_reached - a milestone was reached
 * @err: why it cannot be reached any more; NULL: it was
 */
typedef void mullion_guest_reached(void *arg, struct mullion_cp_guest *guest,
				   const struct mullion_error *err);

/**
 * mullion_cp_guest_wait() - be told of a milestone, once
 * @ret: the wait, valid until @fn is called or mullion_cp_guest_wait_end()
 *
 * @fn is never called from within this function.  Return: 0; 1 when the
 * milestone is there already, then @fn is not called; or -ENOMEM.
 */
int mullion_cp_guest_wait(struct mullion_cp_guest *guest,
			  enum mullion_guest_milestone milestone, mullion_guest_reached *fn,
			  void *arg, struct mullion_guest_wait **ret);
void mullion_cp_guest_wait_end(struct mullion_guest_wait *wait);

/**
 * mullion_cp_guest_fetched() - somebody has been told how it ended
 */
void mullion_cp_guest_fetched(struct mullion_cp_guest *guest);

/**
 * mullion_cp_guest_running() - between start and the end of its last service
 */
bool mullion_cp_guest_running(const struct mullion_cp_guest *guest);
const char *mullion_cp_guest_name(const struct mullion_cp_guest *guest);
bool mullion_cp_guest_online(const struct mullion_cp_guest *guest);
bool mullion_cp_guest_process(const struct mullion_cp_guest *guest);

/**
 * mullion_cp_guest_stream_refused() - may a client attach?
 * @command: to the command's standard input and output, else to the console
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_guest_stream_refused(struct mullion_cp_guest *guest, bool command,
				    struct mullion_error *err);

/**
 * mullion_cp_guest_stream() - give a client the console or the command's lines
 * @stream: taken over
 */
void mullion_cp_guest_stream(struct mullion_cp_guest *guest, struct mullion_stream *stream,
			     bool command, bool history, bool owner);

/**
 * mullion_cp_guest_expect_owner() - end it if no stream comes soon that owns it
 */
void mullion_cp_guest_expect_owner(struct mullion_cp_guest *guest);

/**
 * mullion_cp_guest_owned() - the owner has come
 */
void mullion_cp_guest_owned(struct mullion_cp_guest *guest);

/**
 * mullion_cp_guest_attach_refused() - may a process attach?
 * mullion_cp_guest_attach() - a process takes its windows; @stream is taken over
 */
int mullion_cp_guest_attach_refused(struct mullion_cp_guest *guest, struct mullion_error *err);
void mullion_cp_guest_attach(struct mullion_cp_guest *guest, struct mullion_stream *stream);

/**
 * mullion_cp_guest_log() - path of its console log
 */
int mullion_cp_guest_log(const struct mullion_cp_guest *guest, char out[static PATH_MAX]);

/**
 * mullion_cp_guest_on_output() - call @fn when its log has grown or it has stopped
 * @fn: NULL ends it
 */
struct mullion_guest_follower {
	struct mullion_guest_follower *next, **previous;
	void (*fn)(void *arg);
	void *arg;
};

void mullion_cp_guest_follow(struct mullion_cp_guest *guest,
			     struct mullion_guest_follower *follower);
void mullion_cp_guest_unfollow(struct mullion_guest_follower *follower);

/* New references; schemas of docs/openapi.json. */
json_t *mullion_cp_guest_describe(struct mullion_cp_guest *guest);
json_t *mullion_cp_guest_summary(struct mullion_cp_guest *guest);
json_t *mullion_cp_guest_outcome(struct mullion_cp_guest *guest);

/**
 * mullion_cp_guest_partition() - its devices, while it runs
 * @what: is tried, for the message: "cannot add device to guest"
 *
 * Return: NULL with @err filled in when it does not run.
 */
struct mullion_partition *mullion_cp_guest_partition(struct mullion_cp_guest *guest,
						     const char *what, struct mullion_error *err);

/**
 * mullion_cp_guests_load() - make objects of all definition files that have none
 */
void mullion_cp_guests_load(struct mullion_daemon *daemon);

/**
 * mullion_cp_guests_running() - how many
 */
unsigned int mullion_cp_guests_running(const struct mullion_daemon *daemon);

/**
 * mullion_cp_guests_free() - by force
 */
void mullion_cp_guests_free(struct mullion_daemon *daemon);

/* The list of a daemon's guests: NULL begins, NULL is the end. */
struct mullion_cp_guest *mullion_cp_guest_next(const struct mullion_daemon *daemon,
					       const struct mullion_cp_guest *guest);

#endif /* MULLION_COMMAND_GUEST_H */
