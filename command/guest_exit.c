// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest_exit.c - what a run came to
 *
 * The first rule that fits decides.  Our own failures come before what we did
 * because of them, what the guest reported before how its machine ended: a
 * command that said "exit 0" has succeeded, also when QEMU then crashes.
 */

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

#include "guest_private.h"

const char *guest_exit_kind_name(enum guest_exit_kind kind)
{
	static const char * const names[] = {
		[GUEST_EXIT_NONE] = "none",
		[GUEST_EXIT_EXITED] = "exited",
		[GUEST_EXIT_POWEROFF] = "poweroff",
		[GUEST_EXIT_KILLED] = "killed",
		[GUEST_EXIT_TIMEOUT] = "timeout",
		[GUEST_EXIT_CRASHED] = "crashed",
		[GUEST_EXIT_FAILED] = "failed",
	};

	return names[kind];
}

static void guest_verdict(struct mullion_cp_guest *g, enum guest_exit_kind kind, int status,
			  const char *format, ...) __attribute__((format(printf, 4, 5)));

static void guest_verdict(struct mullion_cp_guest *g, enum guest_exit_kind kind, int status,
			  const char *format, ...)
{
	va_list ap;

	g->exit_kind = kind;
	g->exit_status = status;
	va_start(ap, format);
	vsnprintf(g->exit_reason, sizeof(g->exit_reason), format, ap);
	va_end(ap);
}

static void guest_judge_qemu(struct mullion_cp_guest *g)
{
	const struct guest_facts *f = &g->facts;
	const char *words = f->error_line[0] ? f->error_line : "it said nothing";

	if (f->qemu_code == CLD_EXITED)
		guest_verdict(g, GUEST_EXIT_CRASHED, MULLION_EXIT_FAILED,
			      "QEMU ended with status %d: %.300s", f->qemu_status, words);
	else
		guest_verdict(g, GUEST_EXIT_CRASHED, MULLION_EXIT_FAILED,
			      "QEMU was ended by signal %d (%s): %.300s", f->qemu_status,
			      strsignal(f->qemu_status), words);
}

static void guest_judge_command(struct mullion_cp_guest *g)
{
	const struct guest_facts *f = &g->facts;

	if (f->report_error[0])
		guest_verdict(g, GUEST_EXIT_FAILED, MULLION_EXIT_FAILED,
			      "it could not run the command: %s", f->report_error);
	else if (f->reset)
		guest_verdict(g, GUEST_EXIT_CRASHED, MULLION_EXIT_FAILED,
			      "it reset itself before its command ended; last console line: %s",
			      f->last_line);
	else if (f->shutdown)
		guest_verdict(g, GUEST_EXIT_FAILED, MULLION_EXIT_FAILED,
			      "it powered off without telling how its command ended; last console line: %s",
			      f->last_line);
	else
		guest_judge_qemu(g);
}

/**
 * guest_judge() - set the exit of the run that has just ended
 */
void guest_judge(struct mullion_cp_guest *g)
{
	const struct guest_facts *f = &g->facts;

	if (f->failed)
		guest_verdict(g, GUEST_EXIT_FAILED, MULLION_EXIT_FAILED, "%s", f->failure.why);
	else if (f->reported >= 0)
		guest_verdict(g, GUEST_EXIT_EXITED, f->reported,
			      "its command ended with status %d", f->reported);
	else if (f->timed_out)
		guest_verdict(g, GUEST_EXIT_TIMEOUT, MULLION_EXIT_TIMEOUT, "%s", f->kill_why);
	else if (f->panic[0])
		guest_verdict(g, GUEST_EXIT_CRASHED, MULLION_EXIT_FAILED,
			      "its kernel panicked: %s", f->panic);
	else if (f->killed)
		guest_verdict(g, GUEST_EXIT_KILLED, MULLION_EXIT_KILLED, "%s", f->kill_why);
	else if (g->attach)
		guest_verdict(g, GUEST_EXIT_EXITED, 0, f->shutdown ? "its process has ended" :
			      "it was let go");
	else if (g->definition->process)
		guest_verdict(g, GUEST_EXIT_EXITED, 0, "its process was detached");
	else if (g->definition->command[0])
		guest_judge_command(g);
	else if (f->shutdown)
		guest_verdict(g, GUEST_EXIT_POWEROFF, 0, "it powered off");
	else
		guest_judge_qemu(g);
	g->state = g->exit_kind == GUEST_EXIT_CRASHED || g->exit_kind == GUEST_EXIT_FAILED ?
		   MULLION_GUEST_CRASHED : MULLION_GUEST_READY;
}
