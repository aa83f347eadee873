// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest_console.c - the three serial lines of a VM guest
 *
 * ttyS0 is the console, kept in a ring and a log file.  ttyS1 is standard
 * input and output of the guest's command, without loss.  ttyS2 carries status
 * lines to us: "ready", "taken N" (bytes of ttyS1 that were read so far),
 * "exit N", "error TEXT"; all of it is hostile input.  The other way goes
 * "end N": standard input ends after so many bytes; "poweroff".
 *
 * A serial port cannot tell its sender to wait, and forgets what came before it
 * was opened: so nothing is typed before "ready", and little that is not taken.
 */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "guest_private.h"

#define CONSOLE_KEEP	(256U << 10)
#define COMMAND_KEEP	(1U << 20)
#define CONSOLE_OWNER_SECONDS 20.0	/* from the answer to its next request */
#define PANIC_MARK	"Kernel panic - not syncing: "

int mullion_cp_guest_log(const struct mullion_cp_guest *g, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/logs/%s.log", g->daemon->paths.state,
			g->definition->name) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int guest_console_log(void *arg)
{
	struct mullion_cp_guest *g = arg;
	char path[PATH_MAX];
	char *slash;
	int r;

	r = mullion_cp_guest_log(g, path);
	if (r)
		return r;
	slash = strrchr(path, '/');
	*slash = '\0';
	if (mkdir(path, 0700) < 0 && errno != EEXIST)
		return -errno;
	*slash = '/';
	return mullion_log_open(path);
}

static void guest_console_line(struct mullion_cp_guest *g)
{
	const char *panic;

	g->line[g->line_bytes] = '\0';
	if (g->line_bytes)
		strcpy(g->facts.last_line, g->line);
	panic = strstr(g->line, PANIC_MARK);
	if (panic && !g->facts.panic[0]) {
		snprintf(g->facts.panic, sizeof(g->facts.panic), "%s",
			 panic + strlen(PANIC_MARK));
		guest_event(g, LOG_ERR, "guest-panic", "its kernel panicked: %s", g->facts.panic);
	}
	g->line_bytes = 0;
}

static void guest_console_output(void *arg, const char *data, size_t bytes)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_guest_follower *f, *next;
	size_t i;

	for (i = 0; i < bytes; i++) {
		unsigned char c = (unsigned char)data[i];

		if (c == '\n')
			guest_console_line(g);
		else if (c >= ' ' && c < 0x7f && g->line_bytes < sizeof(g->line) - 1)
			g->line[g->line_bytes++] = (char)c;
	}
	for (f = g->followers; f; f = next) {
		next = f->next;
		f->fn(f->arg);
	}
}

static void guest_console_owner_gone(void *arg)
{
	struct mullion_cp_guest *g = arg;

	mullion_cp_guest_kill(g, "the client that had started it hung up", NULL);
}

static int guest_console_no_owner(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_guest *g = arg;

	(void)source;
	(void)usec;
	if (g->running)
		mullion_cp_guest_kill(g, "the client that had started it did not come to own it",
				      NULL);
	return 0;
}

void mullion_cp_guest_expect_owner(struct mullion_cp_guest *g)
{
	if (g->running &&
	    guest_timer(g, &g->owner_timer, CONSOLE_OWNER_SECONDS, guest_console_no_owner) < 0)
		mullion_log(LOG_WARNING, g->object, "nobody watches whether its owner comes");
}

static void guest_status_line(void *arg, const char *line)
{
	struct mullion_cp_guest *g = arg;
	unsigned long long taken;
	unsigned long status;
	char *end;

	if (!strcmp(line, "ready")) {
		guest_set_online(g);
		mullion_console_allow(g->command, 0);
	} else if (!strncmp(line, "taken ", 6)) {
		taken = strtoull(line + 6, &end, 10);
		if (end != line + 6 && !*end)
			mullion_console_allow(g->command, taken);
	} else if (!strncmp(line, "exit ", 5)) {
		status = strtoul(line + 5, &end, 10);
		if (end != line + 5 && !*end && status <= 255)
			g->facts.reported = (int)status;
	} else if (!strncmp(line, "error ", 6)) {
		snprintf(g->facts.report_error, sizeof(g->facts.report_error), "%s", line + 6);
	}
}

static void guest_command_input_end(void *arg, uint64_t bytes)
{
	struct mullion_cp_guest *g = arg;
	char line[32];
	int r;

	snprintf(line, sizeof(line), "end %llu\n", (unsigned long long)bytes);
	r = mullion_lines_say(g->status, line);
	if (r)
		mullion_log(LOG_WARNING, g->object,
			    "its command is not told that its input has ended: %s", strerror(-r));
}

/* Takes all of @serials over, also on failure. */
int guest_console_open(struct mullion_cp_guest *g, const int serials[MULLION_QEMU_SERIALS])
{
	struct mullion_console_options console = {
		.keep = CONSOLE_KEEP,
		.log_full = guest_console_log,
		.output = guest_console_output,
		.gone = guest_console_owner_gone,
		.arg = g,
	};
	struct mullion_console_options command = {
		.keep = COMMAND_KEEP,
		.lossless = true,
		.paced = true,
		.log_fd = -1,
		.gone = guest_console_owner_gone,
		.input_end = guest_command_input_end,
		.arg = g,
	};
	int r;

	console.log_fd = guest_console_log(g);
	if (console.log_fd < 0)
		mullion_log(LOG_WARNING, g->object, "it has no log: %s", strerror(-console.log_fd));
	g->line_bytes = 0;
	r = mullion_console_new(g->daemon->event, serials[0], &console, &g->console);
	if (r < 0) {
		close(serials[1]);
		close(serials[2]);
		return r;
	}
	r = mullion_console_new(g->daemon->event, serials[1], &command, &g->command);
	if (r < 0) {
		close(serials[2]);
		return r;
	}
	return mullion_lines_new(g->daemon->event, serials[2], guest_status_line, g, &g->status);
}

void guest_console_end(struct mullion_cp_guest *g)
{
	mullion_lines_drain(g->status);
	g->status = mullion_lines_free(g->status);
	if (g->console)
		mullion_console_end(g->console);
	if (g->line_bytes)
		guest_console_line(g);
	if (g->command)
		mullion_console_end(g->command);
}

int mullion_cp_guest_stream_refused(struct mullion_cp_guest *g, bool command,
				    struct mullion_error *err)
{
	const char *what = command ? "cannot attach to the command of guest" :
			   "cannot attach to the console of guest";

	if (g->definition->process)
		return mullion_error_set(err, -EBUSY, what, g->definition->name, NULL,
					 "it is a process, not a VM");
	if (command && !g->definition->command[0])
		return mullion_error_set(err, -EBUSY, what, g->definition->name,
					 "attach to its console", "it runs no command");
	if (!(command ? g->command : g->console))
		return mullion_error_set(err, -EBUSY, what, g->definition->name,
					 "start it with `mullion start`", "it does not run");
	if (mullion_console_busy(command ? g->command : g->console))
		return mullion_error_set(err, -EBUSY, what, g->definition->name, NULL,
					 "another client is attached");
	return 0;
}

void mullion_cp_guest_stream(struct mullion_cp_guest *g, struct mullion_stream *stream,
			     bool command, bool history, bool owner)
{
	if (mullion_cp_guest_stream_refused(g, command, NULL)) {
		stream->close(stream);
		return;
	}
	if (owner)
		g->owner_timer = sd_event_source_disable_unref(g->owner_timer);
	mullion_console_attach(command ? g->command : g->console, stream, history, owner);
}
