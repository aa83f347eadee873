// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest.c - guests: the list of them, who waits for them, requests to them
 *
 * A guest object exists because a definition file exists (it is made when it is
 * first asked for) or because a request made it.  What runs is told by the
 * object, what shall run by the definition; a changed file has its effect at
 * the next start.
 *
 *	ready --start--> booting --> online --> shutting_down --> ready
 *	                    ^           |                           or crashed
 *	                    +-resetting-+
 *
 * The run itself is in guest_run.c, its verdict in guest_exit.c.  Everything
 * that takes time is told to waits, which API requests hang on.  The object of
 * a transient guest goes when somebody has fetched its exit, or after a minute.
 */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <systemd/sd-id128.h>
#include <time.h>
#include <unistd.h>

#include "guest_private.h"

#define GUEST_FORGET_SECONDS	60.0
#define GUEST_STOP_TICK		3.0	/* the power button is pressed again */

uint64_t guest_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

void guest_event(struct mullion_cp_guest *g, int level, const char *kind,
		 const char *format, ...)
{
	char text[400];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof(text), format, ap);
	va_end(ap);
	mullion_event_emit(g->daemon->core->events, level, g->object, kind, "%s", text);
	if (g->console)
		mullion_console_note(g->console, text);
}

int guest_timer(struct mullion_cp_guest *g, sd_event_source **source, double seconds,
		sd_event_time_handler_t fn)
{
	*source = sd_event_source_disable_unref(*source);
	return sd_event_add_time_relative(g->daemon->event, source, CLOCK_MONOTONIC,
					  (uint64_t)(seconds * 1e6), 0, fn, g);
}

bool mullion_cp_guest_running(const struct mullion_cp_guest *g)
{
	return g->running;
}

const char *mullion_cp_guest_name(const struct mullion_cp_guest *g)
{
	return g->definition->name;
}

bool mullion_cp_guest_online(const struct mullion_cp_guest *g)
{
	return g->state == MULLION_GUEST_ONLINE;
}

bool mullion_cp_guest_process(const struct mullion_cp_guest *g)
{
	return g->definition->process;
}

struct mullion_cp_guest *mullion_cp_guest_next(const struct mullion_daemon *daemon,
					       const struct mullion_cp_guest *g)
{
	return g ? g->next : daemon->guests;
}

/*
 * The same name on the same machine gets the same UUID, so that a guest's
 * hardware looks the same at each start.
 */
static void guest_uuid(guid_t *ret, const char *state, const char *name)
{
	sd_id128_t machine;
	uint64_t hash[2] = { 0xcbf29ce484222325ULL, 0x6c62272e07bb0142ULL };
	const char *texts[] = { state, "/", name };
	size_t i, j;

	if (sd_id128_get_machine(&machine) < 0)
		machine = SD_ID128_NULL;
	memcpy(ret->b, machine.bytes, sizeof(ret->b));
	for (i = 0; i < 2; i++) {
		for (j = 0; j < 3; j++) {
			const char *p;

			for (p = texts[j]; *p; p++)
				hash[i] = (hash[i] ^ (unsigned char)*p) * 0x100000001b3ULL;
		}
		for (j = 0; j < 8; j++)
			ret->b[8 * i + j] ^= (__u8)(hash[i] >> (8 * j));
	}
	ret->b[7] = (__u8)((ret->b[7] & 0x0f) | 0x80);	/* version 8: custom */
	ret->b[8] = (__u8)((ret->b[8] & 0x3f) | 0x80);
}

static struct mullion_cp_guest *guest_alloc(struct mullion_daemon *daemon,
					    struct mullion_definition *def)
{
	struct mullion_cp_guest *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->daemon = daemon;
	g->definition = mullion_definition_ref(def);
	snprintf(g->object, sizeof(g->object), "guest %s", def->name);
	g->facts.reported = -1;
	g->next = daemon->guests;
	daemon->guests = g;
	return g;
}

/* Nobody can ask for the log of a guest that is forgotten; one that tells of trouble stays. */
static void guest_drop_log(const struct mullion_cp_guest *g)
{
	char path[PATH_MAX];

	if (g->transient && g->console && g->state != MULLION_GUEST_CRASHED &&
	    !mullion_cp_guest_log(g, path)) {
		unlink(path);
		if (strlen(path) + 2 < sizeof(path))
			unlink(strcat(path, ".1"));
	}
}

static void guest_free(struct mullion_cp_guest *g)
{
	struct mullion_cp_guest **p;

	for (p = &g->daemon->guests; *p != g; p = &(*p)->next)
		;
	*p = g->next;
	while (g->followers)
		mullion_cp_guest_unfollow(g->followers);
	guest_drop_log(g);
	sd_event_source_disable_unref(g->limit_timer);
	sd_event_source_disable_unref(g->boot_timer);
	sd_event_source_disable_unref(g->owner_timer);
	sd_event_source_disable_unref(g->stop_timer);
	sd_event_source_disable_unref(g->forget_timer);
	guest_process_end(g);
	mullion_qemu_free(g->qemu);
	mullion_lines_free(g->status);
	mullion_console_release(g->console);
	mullion_console_release(g->command);
	mullion_partition_free(g->partition);
	mullion_definition_unref(g->definition);
	mullion_cp_ram_unref(g->ram);
	free(g->attach);
	free(g);
}

void mullion_cp_guest_set_attach(struct mullion_cp_guest *g, struct mullion_attach *attach)
{
	g->attach = attach;
}

void mullion_cp_guest_owned(struct mullion_cp_guest *g)
{
	g->owner_timer = sd_event_source_disable_unref(g->owner_timer);
}

static struct mullion_cp_guest *guest_lookup(struct mullion_daemon *daemon, const char *name)
{
	struct mullion_cp_guest *g;

	for (g = daemon->guests; g; g = g->next)
		if (!strcmp(g->definition->name, name))
			return g;
	return NULL;
}

int mullion_cp_guest_find(struct mullion_daemon *daemon, const char *name,
			  struct mullion_cp_guest **ret, struct mullion_error *err)
{
	struct mullion_cp_guest *g = guest_lookup(daemon, name);
	struct mullion_definition *def;
	char path[PATH_MAX];
	int r;

	if (g) {
		*ret = g;
		return 0;
	}
	r = mullion_definition_load(&daemon->paths, name, &def, NULL, path, err);
	if (r == -ENOENT)
		return mullion_error_set(err, r, "no guest", name, "see `mullion ps --all`",
					 "it neither runs nor is defined");
	if (r)
		return r;
	g = guest_alloc(daemon, def);
	mullion_definition_unref(def);
	if (!g)
		return mullion_error_set(err, -ENOMEM, "no guest", name, NULL, "out of memory");
	guest_uuid(&g->uuid, daemon->paths.state, name);
	*ret = g;
	return 0;
}

int mullion_cp_guest_new(struct mullion_daemon *daemon, struct mullion_definition *def,
			 bool transient, struct mullion_cp_guest **ret,
			 struct mullion_error *err)
{
	struct mullion_cp_guest *g;
	int r;

	/* A stopped transient one only waits to be forgotten. */
	g = guest_lookup(daemon, def->name);
	if (g && g->transient && !g->running)
		guest_free(g);
	r = mullion_cp_guest_find(daemon, def->name, &g, err);
	if (!r)
		return mullion_error_set(err, -EEXIST, "cannot make guest", def->name,
					 "take another name", "there is one of this name");
	/* A definition that cannot be read is one of this name all the same. */
	if (r != -ENOENT)
		return r;
	g = guest_alloc(daemon, def);
	if (!g)
		return mullion_error_set(err, -ENOMEM, "cannot make guest", def->name, NULL,
					 "out of memory");
	g->made = true;
	g->transient = transient;
	if (transient)
		mullion_guid_random(&g->uuid);
	else
		guest_uuid(&g->uuid, daemon->paths.state, def->name);
	*ret = g;
	return 0;
}

void mullion_cp_guests_load(struct mullion_daemon *daemon)
{
	struct mullion_cp_guest *g, *next;
	struct mullion_error err;
	char path[PATH_MAX];
	char **names;
	int i, n, r;

	/* Those whose file is gone and that do not run. */
	for (g = daemon->guests; g; g = next) {
		struct mullion_definition *def;

		next = g->next;
		if (g->made || g->running || g->waits)
			continue;
		r = mullion_definition_load(&daemon->paths, g->definition->name, &def, NULL, path,
					    &err);
		if (!r) {
			mullion_definition_unref(g->definition);
			g->definition = def;
		} else if (r == -ENOENT) {
			guest_free(g);
		}
	}
	n = mullion_definition_names(&daemon->paths, &names);
	if (n < 0)
		return;
	for (i = 0; i < n; i++) {
		r = mullion_cp_guest_find(daemon, names[i], &g, &err);
		if (r)
			mullion_log(LOG_WARNING, NULL, "%s %s: %s", err.what, err.object, err.why);
		free(names[i]);
	}
	free(names);
}

unsigned int mullion_cp_guests_running(const struct mullion_daemon *daemon)
{
	const struct mullion_cp_guest *g;
	unsigned int n = 0;

	for (g = daemon->guests; g; g = g->next)
		n += g->running;
	return n;
}

void mullion_cp_guests_free(struct mullion_daemon *daemon)
{
	while (daemon->guests)
		guest_free(daemon->guests);
}

static bool guest_has_reached(const struct mullion_cp_guest *g,
			      enum mullion_guest_milestone milestone)
{
	switch (milestone) {
	case MULLION_GUEST_IS_STARTED:
		return g->running && g->started;
	case MULLION_GUEST_IS_ONLINE:
		return g->state == MULLION_GUEST_ONLINE;
	default:
		return !g->running;
	}
}

int mullion_cp_guest_wait(struct mullion_cp_guest *g, enum mullion_guest_milestone milestone,
			  mullion_guest_reached *fn, void *arg, struct mullion_guest_wait **ret)
{
	struct mullion_guest_wait *wait;

	if (guest_has_reached(g, milestone))
		return 1;
	wait = calloc(1, sizeof(*wait));
	if (!wait)
		return -ENOMEM;
	wait->milestone = milestone;
	wait->fn = fn;
	wait->arg = arg;
	wait->next = g->waits;
	if (wait->next)
		wait->next->previous = &wait->next;
	wait->previous = &g->waits;
	g->waits = wait;
	*ret = wait;
	return 0;
}

void mullion_cp_guest_wait_end(struct mullion_guest_wait *wait)
{
	*wait->previous = wait->next;
	if (wait->next)
		wait->next->previous = wait->previous;
	free(wait);
}

/* With @err, tells those who wait for @milestone that it will not come. */
void guest_reached(struct mullion_cp_guest *g, enum mullion_guest_milestone milestone,
		   const struct mullion_error *err)
{
	struct mullion_guest_wait *wait = g->waits;

	while (wait) {
		mullion_guest_reached *fn = wait->fn;
		void *arg = wait->arg;

		if (wait->milestone != milestone) {
			wait = wait->next;
			continue;
		}
		mullion_cp_guest_wait_end(wait);
		fn(arg, g, err);
		/* The list may be another one now. */
		wait = g->waits;
	}
}

static int guest_forget(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_daemon *daemon = g->daemon;

	(void)source;
	(void)usec;
	if (g->running)
		return 0;
	guest_free(g);
	mullion_daemon_idle_check(daemon);
	return 0;
}

static void guest_forget_after(struct mullion_cp_guest *g, double seconds)
{
	guest_timer(g, &g->forget_timer, seconds, guest_forget);
}

void mullion_cp_guest_fetched(struct mullion_cp_guest *g)
{
	if (g->transient && !g->running)
		guest_forget_after(g, 0);
}

void guest_finished(struct mullion_cp_guest *g)
{
	struct mullion_daemon *daemon = g->daemon;
	bool told = false;
	struct mullion_guest_wait *wait;
	struct mullion_guest_follower *follower, *next;

	for (wait = g->waits; wait; wait = wait->next)
		told |= wait->milestone == MULLION_GUEST_IS_STOPPED;
	if (g->deleted)
		guest_forget_after(g, 0);
	else if (g->transient)
		guest_forget_after(g, told || !g->started ? 0 : GUEST_FORGET_SECONDS);
	for (follower = g->followers; follower; follower = next) {
		next = follower->next;
		follower->fn(follower->arg);
	}
	guest_reached(g, MULLION_GUEST_IS_STOPPED, NULL);
	mullion_daemon_idle_check(daemon);
}

static int guest_not_running(const struct mullion_cp_guest *g, const char *what,
			     struct mullion_error *err)
{
	return mullion_error_set(err, -ESRCH, what, g->definition->name,
				 "start it with `mullion start`", "it does not run");
}

/* An attached one whose command has hung up, just before it was to say so. */
static bool guest_let_go(const struct mullion_cp_guest *g)
{
	return !g->running && g->attach && g->transient;
}

int mullion_cp_guest_kill(struct mullion_cp_guest *g, const char *why,
			  struct mullion_error *err)
{
	if (guest_let_go(g))
		return 0;
	if (!g->running)
		return guest_not_running(g, "cannot kill guest", err);
	if (!g->facts.killed) {
		g->facts.killed = true;
		snprintf(g->facts.kill_why, sizeof(g->facts.kill_why), "%s", why);
	}
	if (g->qemu)
		mullion_qemu_kill(g->qemu);
	else
		guest_end(g);
	return 0;
}

/* The built-in guest has nobody to hear the button, and is told on its status line. */
static void guest_press_button(struct mullion_cp_guest *g)
{
	mullion_qemu_powerdown(g->qemu);
	if (g->status)
		mullion_lines_say(g->status, "poweroff\n");
}

static int guest_stop_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_guest *g = arg;

	(void)source;
	(void)usec;
	if (!g->running || !g->qemu)
		return 0;
	if (guest_clock() >= g->stop_clock) {
		mullion_cp_guest_kill(g, "it did not power off in time", NULL);
		return 0;
	}
	/* A guest that was just booting did not see the button. */
	guest_press_button(g);
	guest_timer(g, &g->stop_timer, GUEST_STOP_TICK, guest_stop_tick);
	return 0;
}

int mullion_cp_guest_stop(struct mullion_cp_guest *g, double seconds,
			  struct mullion_error *err)
{
	double tick = seconds < GUEST_STOP_TICK ? seconds : GUEST_STOP_TICK;

	if (guest_let_go(g))
		return 0;
	if (!g->running)
		return guest_not_running(g, "cannot stop guest", err);
	if (g->attach && seconds > 0) {
		guest_attach_stop(g);
		return 0;
	}
	if (g->definition->process) {
		guest_end(g);
		return 0;
	}
	if (!g->qemu || seconds <= 0)
		return mullion_cp_guest_kill(g, "it was stopped at once", err);
	g->stop_clock = guest_clock() + (uint64_t)(seconds * 1e6);
	g->state = MULLION_GUEST_SHUTTING_DOWN;
	guest_event(g, LOG_INFO, "guest-stopping", "asked to power off, within %g s", seconds);
	guest_press_button(g);
	guest_timer(g, &g->stop_timer, tick, guest_stop_tick);
	return 0;
}

void mullion_cp_guest_delete(struct mullion_cp_guest *g)
{
	g->deleted = true;
	if (g->running)
		mullion_cp_guest_kill(g, "it was deleted", NULL);
	else
		guest_free(g);
}

struct mullion_partition *mullion_cp_guest_partition(struct mullion_cp_guest *g,
						     const char *what, struct mullion_error *err)
{
	if (g->running && g->started && !g->ending)
		return g->partition;
	guest_not_running(g, what, err);
	return NULL;
}

void mullion_cp_guest_follow(struct mullion_cp_guest *g, struct mullion_guest_follower *f)
{
	f->next = g->followers;
	if (f->next)
		f->next->previous = &f->next;
	f->previous = &g->followers;
	g->followers = f;
}

void mullion_cp_guest_unfollow(struct mullion_guest_follower *f)
{
	if (!f->previous)
		return;
	*f->previous = f->next;
	if (f->next)
		f->next->previous = f->previous;
	f->previous = NULL;
}
