/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/guest_private.h - the inside of a guest, for guest*.c only
 */
#ifndef MULLION_COMMAND_GUEST_PRIVATE_H
#define MULLION_COMMAND_GUEST_PRIVATE_H

#include "../abi/types.h"
#include "attach.h"
#include "boot.h"
#include "console.h"
#include "core.h"
#include "guest.h"
#include "lines.h"
#include "log.h"
#include "partition.h"
#include "qemu.h"
#include "ram.h"
#include "text.h"

#define GUEST_TEXT_BYTES	256

enum guest_exit_kind {
	GUEST_EXIT_NONE,	/* never ran */
	GUEST_EXIT_EXITED,	/* its command ended */
	GUEST_EXIT_POWEROFF,
	GUEST_EXIT_KILLED,
	GUEST_EXIT_TIMEOUT,
	GUEST_EXIT_CRASHED,
	GUEST_EXIT_FAILED,
};

/**
 * struct guest_facts - what was seen of one run, from which its exit is judged
 * @failure: the first thing that went wrong on our side, if @failed
 * @killed, @timed_out: we ended it; @kill_why says why
 * @shutdown: QEMU told that the guest powered off; @reset: that it reset itself
 * @reported: the command's exit status, -1: none
 * @report_error: the guest said that it cannot run the command
 * @panic: of its kernel, from the console
 * @last_line: of the console
 * @error_line: QEMU's last words; @qemu_code, @qemu_status: its end
 */
struct guest_facts {
	bool failed;
	struct mullion_error failure;
	bool killed;
	bool timed_out;
	char kill_why[GUEST_TEXT_BYTES];
	bool shutdown;
	bool reset;
	int reported;
	char report_error[GUEST_TEXT_BYTES];
	char panic[GUEST_TEXT_BYTES];
	char last_line[GUEST_TEXT_BYTES];
	char error_line[MULLION_LINE_BYTES];
	bool qemu_ended;
	int qemu_code;
	int qemu_status;
};

struct mullion_guest_wait {
	struct mullion_guest_wait *next, **previous;
	enum mullion_guest_milestone milestone;
	mullion_guest_reached *fn;
	void *arg;
};

/**
 * struct mullion_cp_guest - one guest
 * @definition: of this run, or of the next
 * @made: by a request, not by a definition file
 * @state: as the API shows it
 * @running: from the start until the last service has ended
 * @started: QEMU and all services run
 * @ending: QEMU or process is gone; services end
 * @deleted: forget it when it has stopped
 * @exit_kind, @exit_status, @exit_reason: of the last run
 * @start_usec: of the last start, since 1970; 0: never
 * @start_clock, @online_clock: of the last start, monotonic
 * @attach: somebody else has started it; NULL: we do
 * @ram: what its services see of it; NULL: nothing
 * @line, @line_bytes: of the console, being put together
 */
struct mullion_cp_guest {
	struct mullion_cp_guest *next;
	struct mullion_daemon *daemon;
	guid_t uuid;
	char object[MULLION_NAME_MAX + 8];
	struct mullion_definition *definition;
	bool made;
	bool transient;

	enum mullion_guest_state state;
	bool running;
	bool started;
	bool ending;
	bool deleted;
	bool kvm;
	enum guest_exit_kind exit_kind;
	int exit_status;
	char exit_reason[512];
	uint64_t start_usec;
	uint64_t start_clock;
	uint64_t online_clock;

	struct guest_facts facts;
	struct mullion_partition *partition;
	struct mullion_attach *attach;
	struct mullion_cp_ram *ram;
	struct mullion_qemu *qemu;
	struct mullion_console *console;
	struct mullion_console *command;
	struct mullion_lines *status;
	struct mullion_stream *process;
	sd_event_source *process_source;
	sd_event_source *limit_timer;
	sd_event_source *boot_timer;
	sd_event_source *owner_timer;
	sd_event_source *stop_timer;
	sd_event_source *forget_timer;
	uint64_t stop_clock;		/* when a stop becomes a kill */
	struct mullion_guest_wait *waits;
	struct mullion_guest_follower *followers;
	char line[GUEST_TEXT_BYTES];
	size_t line_bytes;
};

/* guest_run.c */
extern const struct mullion_partition_ops guest_vm_partition_ops;
extern const struct mullion_partition_ops guest_process_partition_ops;
void guest_run_ready(void *arg, const struct mullion_error *failure);
void guest_run_attached(void *arg, bool again);
void guest_run_online(void *arg);
void guest_run_detached(void *arg);
void guest_run_stopped(void *arg);
void guest_end(struct mullion_cp_guest *guest);
void guest_fail(struct mullion_cp_guest *guest, const struct mullion_error *err);
void guest_set_online(struct mullion_cp_guest *guest);

/* guest_exit.c */
void guest_judge(struct mullion_cp_guest *guest);
const char *guest_exit_kind_name(enum guest_exit_kind kind);

/* guest_console.c */
int guest_console_open(struct mullion_cp_guest *guest, const int serials[MULLION_QEMU_SERIALS]);
void guest_console_end(struct mullion_cp_guest *guest);

/* guest_attach.c */
extern const struct mullion_partition_ops guest_attached_partition_ops;
int guest_attach_ram(struct mullion_cp_guest *guest, struct mullion_error *err);
void guest_attach_stop(struct mullion_cp_guest *guest);

/* guest_process.c */
void guest_process_end(struct mullion_cp_guest *guest);
void guest_process_window(struct mullion_cp_guest *guest, unsigned int slot);

/* guest.c */
void guest_event(struct mullion_cp_guest *guest, int level, const char *kind,
		 const char *format, ...) __attribute__((format(printf, 4, 5)));
void guest_reached(struct mullion_cp_guest *guest, enum mullion_guest_milestone milestone,
		   const struct mullion_error *err);
void guest_finished(struct mullion_cp_guest *guest);
uint64_t guest_clock(void);
int guest_timer(struct mullion_cp_guest *guest, sd_event_source **source, double seconds,
		sd_event_time_handler_t fn);

#endif /* MULLION_COMMAND_GUEST_PRIVATE_H */
