/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/process.h - service programs: what they offer, their processes, and
 *	the stand-by of each class
 */
#ifndef MULLION_COMMAND_PROCESS_H
#define MULLION_COMMAND_PROCESS_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "../abi/types.h"
#include "error.h"
#include "lines.h"

struct mullion_core;
struct mullion_device_class;
struct mullion_process;

/**
 * struct mullion_service_class - a device class, as its program describes it
 * @name: "disk"
 * @program: absolute path
 * @devices: its row in the table of device classes
 * @type: channel type GUID
 * @channel_bytes: of one device's channel
 * @pool_share: bytes of pool that one device is guaranteed
 * @pool_max: most bytes of pool that are of use to one bus; 0: no limit
 * @ram_read_only: it only reads guest RAM, where it is given
 * @services: that exist
 * @standby: started and sandboxed, owned by no service; NULL if none
 * @standby_failures: of the last stand-bys, one after the other
 */
struct mullion_service_class {
	struct mullion_service_class *next;
	struct mullion_core *core;
	char name[32];
	char program[PATH_MAX];
	const struct mullion_device_class *devices;
	guid_t type;
	uint64_t channel_bytes;
	uint64_t pool_share;
	uint64_t pool_max;
	bool ram_read_only;
	unsigned int services;
	struct mullion_process *standby;
	unsigned int standby_failures;
	sd_event_source *standby_timer;
};

/**
 * typedef mullion_process_exit_fn - the process is dead and was reaped
 * @signal: that killed it; 0: it exited by itself
 * @how: "was killed by signal 9", "exited with status 1"; and its last words
 *
 * The process is freed after this returns.
 */
typedef void (*mullion_process_exit_fn)(void *arg, int signal, const char *how);

/**
 * struct mullion_process - a process of a service program or of a helper
 * @sock: our end of the socket that is its descriptor 3; does not block; -1: none
 * @pidfd: becomes readable at its death
 * @exited, @arg: the owner; NULL: nobody waits
 * @said: sees each line first; true: it is no matter for the log; may be NULL
 * @label: for its log lines
 * @log: its standard error
 * @last_words: the first of its worst lines, warnings at least, since it was
 *	asked for something: later ones tend to be consequences
 * @words_level: of that line
 */
struct mullion_process {
	pid_t pid;
	int pidfd;
	int sock;
	mullion_process_exit_fn exited;
	bool (*said)(void *arg, const char *line);
	void *arg;
	char label[112];
	char last_words[256];
	int words_level;
	sd_event_source *pid_source;
	struct mullion_lines *log;
};

/**
 * mullion_service_class_get() - the service program of a class
 *
 * The first call runs the program with --describe and waits for it, 5 s at
 * most.  Return: 0 or negative errno with @err filled in.
 */
int mullion_service_class_get(struct mullion_core *core,
			      const struct mullion_device_class *devices,
			      struct mullion_service_class **ret,
			      struct mullion_error *err);

/**
 * mullion_service_class_free_all() - forget all classes, kill their stand-bys
 */
void mullion_service_class_free_all(struct mullion_core *core);

/**
 * mullion_service_class_prepare() - see to it that there is a stand-by
 */
void mullion_service_class_prepare(struct mullion_service_class *class);

/**
 * mullion_service_class_rest() - no service is left: end the stand-by
 */
void mullion_service_class_rest(struct mullion_service_class *class);

/**
 * mullion_process_start() - a process of its own, without a class
 * @argv: its first is the absolute path of the program
 * @sock: becomes its descriptor 3; stays the caller's; -1: none
 * @label: for its log lines
 *
 * Nothing is called before the loop goes on.  Return: 0 or negative errno.
 */
int mullion_process_start(sd_event *event, const char *const *argv, int sock,
			  const char *label, struct mullion_process **ret);

/**
 * mullion_process_take() - the stand-by, or a new process
 * @label: for its log lines: "service NAME"
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_process_take(struct mullion_service_class *class, const char *label,
			 mullion_process_exit_fn exited, void *arg,
			 struct mullion_process **ret, struct mullion_error *err);

/**
 * mullion_process_ask_to_end() - close the socket, which a service takes as
 *	the order to end
 */
void mullion_process_ask_to_end(struct mullion_process *process);

/**
 * mullion_process_kill() - SIGKILL; its death is reported as usual
 */
void mullion_process_kill(struct mullion_process *process);

/**
 * mullion_process_abandon() - SIGKILL, and nobody waits any more
 *
 * It is reaped and freed when it is dead.
 */
void mullion_process_abandon(struct mullion_process *process);

/**
 * mullion_process_asked() - forget what it has said: it is asked for something
 */
void mullion_process_asked(struct mullion_process *process);

/**
 * mullion_process_words() - what it has said last, see @last_words
 */
const char *mullion_process_words(struct mullion_process *process);

/**
 * mullion_process_access() - what a live helper can see, read from /proc
 * @name: of the helper
 * @ret: new reference, schema Access
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_process_access(const struct mullion_process *process, const char *name,
			   json_t **ret, struct mullion_error *err);

#endif /* MULLION_COMMAND_PROCESS_H */
