// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/service.c - service partitions and their supervision
 *
 * DOC: Theory of Operation
 *
 * A service is a name, a state area and buses; processes serve it one after
 * the other, numbered by its generation.  To begin a generation: the next
 * number goes into the state area; the stand-by, or a new process, is given a
 * command window of its own, made for it, and the state area; when it has
 * attached to the control channel it is told of every bus and device, each
 * preceded by its descriptors, and when all are answered the service serves
 * and the next stand-by is started.
 *
 * When a process dies, or is killed because its heartbeat stopped:
 *
 *	1. SIGKILL (for one that hangs), and nothing more until
 *	2. its exit is seen on the pidfd: it is reaped;
 *	3. the stores are fenced: for files nothing needs to be done, as the
 *	   daemon has no copy of their descriptions and the successor waits
 *	   for the lock; NBD connections are shut down and handed over;
 *	4. the generation is raised;
 *	5. the successor begins, with MULLION_SERVER_ADOPT for each device.
 *
 * A process that SIGKILL does not end (it sleeps in the kernel) is never taken
 * over: its devices stay paused, with that reason.
 *
 * Everything is watched once a second: heartbeat (the count in the state
 * area, not time, so that a stopped daemon kills nobody), attach, the end of
 * a process that was asked to end, and devices whose service said no.
 *
 * Limits: 10 s without a heartbeat, or to attach, or to end.
 *
 * Failure behaviour: a process that dies before it serves, or by its own
 * doing within 10 s, counts as a failure.  The first failure costs no time,
 * then it is 0.1, 0.5, 1, 2 and 5 s; after ten in a row the service is given
 * up until an administrator restarts it.  A process that was killed while it
 * served did not fail, but when that happens again and again within a second or
 * two, as when a guest drives it into the memory limit, the next one waits 1 s.
 * A service whose very first process never served is given up at once: the user
 * waits for the answer.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../channel/fdmsg.h"
#include "bus.h"
#include "control.h"
#include "core.h"
#include "log.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "state_area.h"
#include "text.h"
#include "window.h"

#define SERVICE_TICK_USEC	1000000
#define SERVICE_STILL_TICKS	10
#define SERVICE_ATTACH_TICKS	10
#define SERVICE_END_TICKS	10
#define SERVICE_DYING_TICKS	5
#define SERVICE_YOUNG_TICKS	10
#define SERVICE_FAILURES_MAX	10
#define SERVICE_SOON_TICKS	2
#define SERVICE_KILLED_MAX	5
#define SERVICE_KILLED_MSEC	1000
#define SERVICE_BUSES_AT_ONCE	8	/* a socket holds only so many descriptors */
#define SERVICE_CONTROL_GENERATION 1	/* a command window has one server, ever */

static void service_begin(struct mullion_service *s);

static uint64_t service_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

const char *mullion_service_state_text(const struct mullion_service *s)
{
	static const char *const texts[] = {
		"idle", "starting", "preparing", "serving", "ending", "dying",
		"waiting", "failed", "ended",
	};

	if (s->state == MULLION_SV_PREPARING &&
	    mullion_state_memory_state(s->memory) == MULLION_SERVICE_FENCING)
		return "fencing";
	return texts[s->state];
}

void mullion_service_tell(struct mullion_service *s)
{
	if (s->ops && s->ops->changed)
		s->ops->changed(s->ops_arg);
	for (struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next)
		if (bus->partition)
			mullion_partition_changed(bus->partition);
}

static void service_set_state(struct mullion_service *s,
			      enum mullion_service_state state, const char *why)
{
	s->state = state;
	s->ticks = 0;
	snprintf(s->why, sizeof(s->why), "%s", why);
	mullion_service_tell(s);
}

/* ---- a generation ------------------------------------------------------ */

static void service_drop_process(struct mullion_service *s)
{
	struct mullion_cp_bus *bus = s->buses;

	s->process = NULL;
	s->configuring = 0;
	mullion_cp_control_free(s->control);
	s->control = NULL;
	mullion_cp_window_free(s->window);
	s->window = NULL;
	while (bus) {
		struct mullion_cp_bus *next = bus->service_next;

		mullion_cp_bus_server_lost(bus);
		bus = next;
	}
}

/* Has a process of this service ever served something that a guest may use? */
static bool service_has_served(const struct mullion_service *s)
{
	for (const struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next)
		for (const struct mullion_cp_device *d = bus->devices; d; d = d->next)
			if (d->formatted)
				return true;
	return false;
}

static void service_give_up(struct mullion_service *s, const char *why)
{
	service_set_state(s, MULLION_SV_FAILED, why);
	mullion_event_emit(s->core->events, LOG_ERR, s->label, "service-failed",
			   "given up: %s; restart the service to try again", s->why);
}

static int service_on_pause(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_service *s = arg;

	(void)source;
	(void)usec;
	s->pause = sd_event_source_unref(s->pause);
	service_begin(s);
	return 0;
}

/* The process failed: begin the next one, now or after a pause. */
static void service_begin_again(struct mullion_service *s, const char *how)
{
	static const uint64_t pauses_msec[] = { 0, 0, 100, 500, 1000, 2000, 5000 };
	unsigned int last = sizeof(pauses_msec) / sizeof(pauses_msec[0]) - 1;
	uint64_t msec = pauses_msec[s->failures < last ? s->failures : last];
	char why[sizeof(s->why)];

	if (!service_has_served(s) && s->failures) {
		snprintf(why, sizeof(why), "its process %s", how);
		service_give_up(s, why);
		return;
	}
	if (s->failures >= SERVICE_FAILURES_MAX) {
		snprintf(why, sizeof(why), "%u processes in a row failed; the last one %s",
			 s->failures, how);
		service_give_up(s, why);
		return;
	}
	s->restarts++;
	if (s->killed_soon > SERVICE_KILLED_MAX && msec < SERVICE_KILLED_MSEC)
		msec = SERVICE_KILLED_MSEC;
	if (!msec) {
		service_begin(s);
		return;
	}
	snprintf(why, sizeof(why), "its process %s; the next one starts in %u ms", how,
		 (unsigned int)msec);
	service_set_state(s, MULLION_SV_WAITING, why);
	if (sd_event_add_time_relative(s->core->event, &s->pause, CLOCK_MONOTONIC,
				       msec * 1000, 0, service_on_pause, s) < 0)
		service_begin(s);
}

static void service_on_exit(void *arg, int signal_number, const char *how)
{
	struct mullion_service *s = arg;
	enum mullion_service_state before = s->state;
	pid_t pid = s->process->pid;
	bool asked = before == MULLION_SV_ENDING;
	/* an administrator, or the kernel short of memory, is not the process's doing */
	bool outside = signal_number == SIGKILL && before == MULLION_SV_SERVING;
	bool soon = outside && s->ticks < SERVICE_SOON_TICKS;

	service_drop_process(s);
	if (s->shared && !s->buses && !s->held)
		s->wanted = false;
	if (!s->wanted) {
		service_set_state(s, MULLION_SV_ENDED, "");
		mullion_event_emit(s->core->events, LOG_DEBUG, s->label, "service-ended",
				   "process %d %s", (int)pid, how);
		if (s->shared || !s->buses)
			mullion_service_free(s);
		return;
	}
	if (before != MULLION_SV_DYING)
		s->lost_usec = service_now();
	if (asked)
		s->failures = 0;
	else if (!outside)
		s->failures++;
	s->killed_soon = soon ? s->killed_soon + 1 : 0;
	mullion_event_emit(s->core->events, asked ? LOG_NOTICE : LOG_WARNING, s->label,
			   "service-died", "process %d (generation %llu) %s", (int)pid,
			   (unsigned long long)s->generation, how);
	service_begin_again(s, how);
}

static void service_on_prepared(void *arg, int error, uint32_t status,
				const struct controlvm_message *answer)
{
	struct mullion_service *s = arg;
	char buffer[64], why[128];

	(void)answer;
	if (!error || error == -ECONNRESET)
		return;
	snprintf(why, sizeof(why), "it refused CHIPSET_INIT: %s",
		 mullion_cp_status_text(status, buffer));
	mullion_service_kill(s, why);
}

static void service_on_attached(void *arg, bool fresh)
{
	struct mullion_service *s = arg;
	struct mullion_cp_command command = {
		.id = CONTROLVM_CHIPSET_INIT,
		.answer = service_on_prepared,
		.arg = s,
		.packet.init_chipset.features = MULLION_CHIPSET_FEATURE_WINDOWS,
	};
	int r;

	(void)fresh;
	/* It was told to end before it got here. */
	if (s->state == MULLION_SV_ENDING)
		return;
	if (s->state != MULLION_SV_STARTING) {
		/* only a process that has lost its way attaches twice */
		mullion_service_kill(s, "it attached twice");
		return;
	}
	service_set_state(s, MULLION_SV_PREPARING, "it gets its devices");
	for (struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next)
		command.packet.init_chipset.bus_count++;
	r = mullion_cp_control_send(s->control, &command);
	if (!r && s->ops && s->ops->configure)
		r = s->ops->configure(s->ops_arg);
	if (r < 0)
		mullion_service_kill(s, "it does not read its socket");
	else
		mullion_service_changed(s);
}

static void service_on_detached(void *arg)
{
	struct mullion_service *s = arg;

	if (s->state != MULLION_SV_ENDING)
		mullion_service_kill(s, "it detached by itself");
}

static void service_on_faulted(void *arg, uint32_t reason)
{
	char why[128];

	snprintf(why, sizeof(why), "it broke its control channel (fault %u)", reason);
	mullion_service_kill(arg, why);
}

static const struct mullion_cp_control_ops service_control_ops = {
	.attached = service_on_attached,
	.detached = service_on_detached,
	.faulted = service_on_faulted,
};

/* COMMAND_WINDOW, its doorbells, and the state area. */
static int service_hand_over(struct mullion_service *s)
{
	int sock = s->process->sock;
	int r = mullion_cp_window_send_command(s->window, sock);

	if (!r)
		r = mullion_fd_send(sock, MULLION_FD_STATE_AREA, 0, 0, &s->memory->memfd, 1);
	return r;
}

static void service_begin(struct mullion_service *s)
{
	const guid_t nobody = { { 0 } };
	struct mullion_error err = { 0 };
	int r;

	r = mullion_cp_window_new_command(s->core, &s->uuid, &nobody, &s->window);
	if (!r)
		r = mullion_cp_control_new(&s->control, s->core->event, s->window,
					   SERVICE_CONTROL_GENERATION,
					   &service_control_ops, s);
	if (!r)
		r = mullion_process_take(s->class, s->label, service_on_exit, s,
					 &s->process, &err);
	if (r < 0) {
		service_drop_process(s);
		s->failures++;
		service_begin_again(s, err.why[0] ? err.why : strerror(-r));
		return;
	}
	s->generation++;
	mullion_state_memory_begin(s->memory, s->generation);
	s->heartbeat = mullion_state_memory_heartbeat(s->memory);
	s->still = 0;
	service_set_state(s, MULLION_SV_STARTING, "its process has not attached yet");
	r = service_hand_over(s);
	if (r < 0)
		mullion_service_kill(s, "it cannot be given its descriptors");
}

void mullion_service_serve(struct mullion_service *s)
{
	unsigned int told = 0;

	if (s->state != MULLION_SV_PREPARING && s->state != MULLION_SV_SERVING)
		return;
	for (struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next)
		told += bus->server == MULLION_END_TOLD;
	for (struct mullion_cp_bus *bus = s->buses; bus && told < SERVICE_BUSES_AT_ONCE;
	     bus = bus->service_next) {
		if (!bus->partition || bus->renewing || bus->server != MULLION_END_NONE)
			continue;
		if (mullion_cp_bus_serve(bus) < 0) {
			mullion_service_kill(s, "it does not read its socket");
			return;
		}
		told++;
	}
}

void mullion_service_changed(struct mullion_service *s)
{
	bool all = !s->configuring, ok = true;

	mullion_service_serve(s);
	if (s->state != MULLION_SV_PREPARING)
		return;
	for (struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next) {
		/* one that leaves is nobody's any more; one that begins anew comes later */
		if (!bus->partition || bus->renewing)
			continue;
		all = all && bus->server >= MULLION_END_PRESENT;
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			/* a guest that takes its time keeps nobody else waiting */
			all = all && (d->server >= MULLION_END_PRESENT || d->intree.waits);
			ok = ok && d->server != MULLION_END_FAILED;
		}
	}
	if (!all)
		return;
	service_set_state(s, MULLION_SV_SERVING, ok ? "" : "a device is not served");
	if (s->lost_usec)
		mullion_event_emit(s->core->events, LOG_NOTICE, s->label,
				   "service-recovered",
				   "process %d (generation %llu) serves after %.1f ms",
				   (int)s->process->pid, (unsigned long long)s->generation,
				   (double)(service_now() - s->lost_usec) / 1000);
	else
		mullion_event_emit(s->core->events, LOG_INFO, s->label, "service-serving",
				   "process %d (generation %llu) serves",
				   (int)s->process->pid,
				   (unsigned long long)s->generation);
	s->lost_usec = 0;
	mullion_service_class_prepare(s->class);
}

void mullion_service_kill(struct mullion_service *s, const char *why)
{
	if (!s->process || s->state == MULLION_SV_DYING)
		return;
	mullion_event_emit(s->core->events, LOG_ERR, s->label, "service-killed",
			   "process %d is killed: %s", (int)s->process->pid, why);
	s->lost_usec = service_now();
	service_set_state(s, MULLION_SV_DYING, why);
	mullion_process_kill(s->process);
}

/* ---- the watch --------------------------------------------------------- */

static void service_watch_heartbeat(struct mullion_service *s)
{
	uint64_t heartbeat = mullion_state_memory_heartbeat(s->memory);

	if (heartbeat != s->heartbeat) {
		s->heartbeat = heartbeat;
		s->still = 0;
		return;
	}
	if (++s->still >= SERVICE_STILL_TICKS)
		mullion_service_kill(s, "no heartbeat for 10 s");
}

static void service_watch_devices(struct mullion_service *s)
{
	for (struct mullion_cp_bus *bus = s->buses; bus; bus = bus->service_next)
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next)
			if (d->server == MULLION_END_FAILED && d->formatted &&
			    d->retry_ticks && !--d->retry_ticks)
				mullion_cp_device_serve(d);
}

/* SIGKILL was sent and the process still exists. */
static void service_watch_dying(struct mullion_service *s)
{
	if (s->ticks == SERVICE_DYING_TICKS) {
		mullion_event_emit(s->core->events, LOG_ERR, s->label, "service-stuck",
				   "process %d cannot be proved dead, so nobody takes over; its devices stay paused",
				   (int)s->process->pid);
		snprintf(s->why, sizeof(s->why), "process %d cannot be proved dead",
			 (int)s->process->pid);
	}
	if (!s->wanted && s->ticks >= SERVICE_END_TICKS) {
		mullion_process_abandon(s->process);
		service_drop_process(s);
		service_set_state(s, MULLION_SV_ENDED, "its process does not die");
	}
}

static int service_on_tick(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_service *s = arg;

	sd_event_source_set_time(source, usec + SERVICE_TICK_USEC);
	s->ticks++;
	switch (s->state) {
	case MULLION_SV_STARTING:
		if (s->ticks >= SERVICE_ATTACH_TICKS)
			mullion_service_kill(s, "it did not attach within 10 s");
		break;
	case MULLION_SV_PREPARING:
		service_watch_heartbeat(s);
		break;
	case MULLION_SV_SERVING:
		if (s->ticks == SERVICE_YOUNG_TICKS)
			s->failures = 0;
		service_watch_heartbeat(s);
		if (s->state == MULLION_SV_SERVING)
			service_watch_devices(s);
		break;
	case MULLION_SV_ENDING:
		if (s->ticks >= SERVICE_END_TICKS)
			mullion_service_kill(s, "it did not end within 10 s");
		break;
	case MULLION_SV_DYING:
		service_watch_dying(s);
		break;
	default:
		break;
	}
	return 0;
}

/* ---- life -------------------------------------------------------------- */

int mullion_service_new(struct mullion_core *core,
			const struct mullion_device_class *devices, const char *name,
			struct mullion_service **ret, struct mullion_error *err)
{
	struct mullion_service_class *class;
	struct mullion_service *s;
	int r;

	r = mullion_service_class_get(core, devices, &class, err);
	if (r < 0)
		return r;
	s = calloc(1, sizeof(*s));
	if (!s)
		return mullion_error_set(err, -ENOMEM, "cannot make service", name, NULL,
					 "out of memory");
	s->core = core;
	s->class = class;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->label, sizeof(s->label), "service %s", name);
	mullion_guid_random(&s->uuid);
	r = mullion_state_memory_new(&s->memory, name);
	if (!r)
		r = sd_event_add_time_relative(core->event, &s->watch, CLOCK_MONOTONIC,
					       SERVICE_TICK_USEC, 100000,
					       service_on_tick, s);
	if (r >= 0)
		r = sd_event_source_set_enabled(s->watch, SD_EVENT_ON);
	if (r < 0) {
		sd_event_source_disable_unref(s->watch);
		mullion_state_memory_free(s->memory);
		free(s);
		return mullion_error_set(err, r, "cannot make service", name, NULL,
					 "%s", strerror(-r));
	}
	s->next = core->services;
	core->services = s;
	class->services++;
	*ret = s;
	return 0;
}

void mullion_service_free(struct mullion_service *s)
{
	struct mullion_service **link = &s->core->services;

	if (s->ops && s->ops->gone)
		s->ops->gone(s->ops_arg);
	s->ops = NULL;
	s->wanted = false;
	if (s->process)
		mullion_process_abandon(s->process);
	service_drop_process(s);
	while (s->buses)
		mullion_cp_bus_free(s->buses);
	while (*link != s)
		link = &(*link)->next;
	*link = s->next;
	sd_event_source_disable_unref(s->watch);
	sd_event_source_disable_unref(s->pause);
	mullion_state_memory_free(s->memory);
	if (!--s->class->services)
		mullion_service_class_rest(s->class);
	free(s);
}

void mullion_service_release(struct mullion_service *s)
{
	if (!s->buses && !s->held && !s->process)
		mullion_service_free(s);
}

void mullion_service_settle(struct mullion_service *s)
{
	if (s->buses || s->held)
		mullion_service_changed(s);
	else
		mullion_service_end(s);
}

int mullion_service_start(struct mullion_service *s, struct mullion_error *err)
{
	s->wanted = true;
	if (s->state != MULLION_SV_IDLE && s->state != MULLION_SV_ENDED)
		return 0;
	service_begin(s);
	if (s->state == MULLION_SV_FAILED)
		return mullion_error_set(err, -EIO, "cannot start", s->label,
					 "see the daemon's log", "%s", s->why);
	return 0;
}

void mullion_service_end(struct mullion_service *s)
{
	s->wanted = false;
	s->pause = sd_event_source_disable_unref(s->pause);
	if (!s->process) {
		service_set_state(s, MULLION_SV_ENDED, "");
		if (s->shared || !s->buses)
			mullion_service_free(s);
		return;
	}
	if (s->state == MULLION_SV_DYING || s->state == MULLION_SV_ENDING)
		return;
	service_set_state(s, MULLION_SV_ENDING, "it is not needed any more");
	mullion_process_ask_to_end(s->process);
}

/* ---- for the API ------------------------------------------------------- */

struct mullion_service *mullion_service_find(struct mullion_core *core, const char *name)
{
	for (struct mullion_service *s = core->services; s; s = s->next)
		if (!strcmp(s->name, name))
			return s;
	return NULL;
}

int mullion_service_restart(struct mullion_service *s, struct mullion_error *err)
{
	switch (s->state) {
	case MULLION_SV_SERVING:
		mullion_event_emit(s->core->events, LOG_NOTICE, s->label,
				   "service-restart", "process %d is asked to end",
				   (int)s->process->pid);
		service_set_state(s, MULLION_SV_ENDING, "it is restarted");
		mullion_process_ask_to_end(s->process);
		return 0;
	case MULLION_SV_FAILED:
	case MULLION_SV_WAITING:
		s->pause = sd_event_source_disable_unref(s->pause);
		s->failures = 0;
		s->restarts++;
		service_begin(s);
		return 0;
	default:
		return mullion_error_set(err, -EBUSY, "cannot restart", s->label,
					 "try again", "it is %s",
					 mullion_service_state_text(s));
	}
}

json_t *mullion_service_describe(const struct mullion_service *s)
{
	const struct mullion_process *standby = s->class->standby;
	const char *guest = s->buses && !s->shared ? s->buses->guest_name : "";
	json_t *guests = json_array();

	for (const struct mullion_cp_bus *bus = s->buses; guests && bus;
	     bus = bus->service_next)
		json_array_append_new(guests, json_string(bus->guest_name));
	return json_pack("{s:s, s:s, s:s, s:o, s:b, s:s, s:o, s:I, s:o, s:o, s:i, s:I, s:I}",
		"name", s->name,
		"class", s->class->name,
		"guest", guest,
		"guests", guests,
		"shared", s->shared,
		"state", mullion_service_state_text(s),
		"why", mullion_json_text(s->why, strlen(s->why)),
		"generation", (json_int_t)s->generation,
		"pid", s->process ? json_integer(s->process->pid) : json_null(),
		"standby_pid", standby ? json_integer(standby->pid) : json_null(),
		"restarts", (int)s->restarts,
		"heartbeat", (json_int_t)s->heartbeat,
		"wakeups", (json_int_t)s->memory->area->header.wakeups);
}

