// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest_run.c - one run of a guest, from start to the end of its services
 *
 *	start: disks checked, partition made, services started
 *	ready: QEMU is started with the windows' greeted connections
 *	started: its monitor answers; requests that wait for the start are answered
 *	attached, online: the guest's drivers come up
 *	end: QEMU is gone (or was never there); services are ended
 *	finished: the exit is judged, waits are told
 *
 * Whatever goes wrong is noted once (guest_fail()) and leads to the end; there
 * is one way down from everywhere.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "../abi/ext.h"
#include "device_class.h"
#include "guest_private.h"
#include "host.h"

#define GUEST_BOOT_SECONDS	600.0	/* emulated guests on a busy machine are slow */

static void guest_run_finish(struct mullion_cp_guest *g)
{
	struct mullion_error err;

	mullion_partition_free(g->partition);
	g->partition = NULL;
	g->ram = mullion_cp_ram_unref(g->ram);
	guest_judge(g);
	g->running = false;
	if (g->state == MULLION_GUEST_CRASHED)
		guest_event(g, LOG_ERR, "guest-crashed", "%s", g->exit_reason);
	else
		guest_event(g, LOG_INFO, "guest-stopped", "%s", g->exit_reason);
	if (g->facts.failed)
		err = g->facts.failure;
	else
		mullion_error_set(&err, 0, g->started ? "guest ended" : "cannot start guest",
				  g->definition->name, "see `mullion logs`", "%s", g->exit_reason);
	guest_reached(g, MULLION_GUEST_IS_STARTED, &err);
	guest_reached(g, MULLION_GUEST_IS_ONLINE, &err);
	guest_finished(g);
}

void guest_run_stopped(void *arg)
{
	guest_run_finish(arg);
}

/* The guest itself is gone; its services go next. */
void guest_end(struct mullion_cp_guest *g)
{
	if (!g->running || g->ending)
		return;
	g->ending = true;
	g->state = MULLION_GUEST_SHUTTING_DOWN;
	g->limit_timer = sd_event_source_disable_unref(g->limit_timer);
	g->boot_timer = sd_event_source_disable_unref(g->boot_timer);
	g->owner_timer = sd_event_source_disable_unref(g->owner_timer);
	g->stop_timer = sd_event_source_disable_unref(g->stop_timer);
	guest_console_end(g);
	guest_process_end(g);
	mullion_partition_stop(g->partition);
}

void guest_fail(struct mullion_cp_guest *g, const struct mullion_error *err)
{
	if (!g->facts.failed) {
		g->facts.failed = true;
		g->facts.failure = *err;
	}
	if (g->qemu)
		mullion_qemu_kill(g->qemu);
	else
		guest_end(g);
}

void guest_set_online(struct mullion_cp_guest *g)
{
	bool first = !g->online_clock;

	if (g->ending || g->state == MULLION_GUEST_SHUTTING_DOWN ||
	    g->state == MULLION_GUEST_ONLINE)
		return;
	g->state = MULLION_GUEST_ONLINE;
	g->boot_timer = sd_event_source_disable_unref(g->boot_timer);
	if (first)
		g->online_clock = guest_clock();
	guest_event(g, LOG_INFO, "guest-online", "online after %.1f s",
		    (double)(guest_clock() - g->start_clock) / 1e6);
	guest_reached(g, MULLION_GUEST_IS_ONLINE, NULL);
}

static void guest_run_started(struct mullion_cp_guest *g)
{
	g->started = true;
	guest_reached(g, MULLION_GUEST_IS_STARTED, NULL);
}

static void guest_qemu_started(void *arg, const char *version)
{
	struct mullion_cp_guest *g = arg;

	guest_event(g, LOG_INFO, "guest-started", "QEMU %s runs it with %s", version,
		    g->kvm ? "KVM" : "TCG");
	guest_run_started(g);
}

static void guest_qemu_event(void *arg, const char *name, json_t *data, uint64_t usec)
{
	struct mullion_cp_guest *g = arg;
	const char *reason;

	if (!strcmp(name, "SHUTDOWN")) {
		reason = json_string_value(json_object_get(data, "reason"));
		if (reason && !strcmp(reason, "guest-reset"))
			g->facts.reset = true;
		else
			g->facts.shutdown = true;
		g->state = MULLION_GUEST_SHUTTING_DOWN;
	} else if (!strcmp(name, "RESET")) {
		if (g->ram)
			mullion_cp_ram_boot(g->ram);
		if (g->partition)
			mullion_partition_guest_reset(g->partition, usec);
		/* Firmware and machine reset several times over. */
		if (g->state == MULLION_GUEST_SHUTTING_DOWN ||
		    g->state == MULLION_GUEST_RESETTING)
			return;
		g->state = MULLION_GUEST_RESETTING;
		/* Whatever becomes of it now, it is not that panic. */
		g->facts.panic[0] = '\0';
		guest_event(g, LOG_INFO, "guest-reset", "it reset itself");
	} else if (!strcmp(name, "GUEST_PANICKED")) {
		if (!g->facts.panic[0])
			snprintf(g->facts.panic, sizeof(g->facts.panic), "%s", g->facts.last_line);
		guest_event(g, LOG_ERR, "guest-panic", "its kernel panicked");
	} else if (!strcmp(name, "STOP") && g->state != MULLION_GUEST_SHUTTING_DOWN) {
		guest_event(g, LOG_WARNING, "guest-paused", "QEMU has paused it");
	}
}

static void guest_qemu_line(void *arg, const char *line)
{
	struct mullion_cp_guest *g = arg;

	snprintf(g->facts.error_line, sizeof(g->facts.error_line), "%s", line);
	mullion_log(LOG_WARNING, g->object, "QEMU: %s", line);
}

static int guest_run_launch(struct mullion_cp_guest *g, struct mullion_error *err);

/*
 * A processor that runs an instruction may still be one that QEMU cannot set up:
 * a guest that did not ask for KVM is emulated then.  Return: whether it goes on.
 */
static bool guest_run_without_kvm(struct mullion_cp_guest *g)
{
	struct mullion_error err;

	if (!g->kvm || g->started || g->ending || g->facts.killed || g->facts.failed ||
	    g->definition->accel != MULLION_ACCEL_AUTO)
		return false;
	guest_event(g, LOG_WARNING, "guest-without-kvm",
		    "QEMU cannot start it with KVM, so it is emulated: %s", g->facts.error_line);
	g->kvm = false;
	g->facts.error_line[0] = '\0';
	guest_console_end(g);
	g->console = mullion_console_release(g->console);
	g->command = mullion_console_release(g->command);
	if (guest_run_launch(g, &err))
		guest_fail(g, &err);
	return true;
}

static void guest_qemu_exited(void *arg, int code, int status)
{
	struct mullion_cp_guest *g = arg;

	g->qemu = mullion_qemu_free(g->qemu);
	if (guest_run_without_kvm(g))
		return;
	g->facts.qemu_ended = true;
	g->facts.qemu_code = code;
	g->facts.qemu_status = status;
	guest_end(g);
}

static const struct mullion_qemu_handler guest_qemu_handler = {
	.started = guest_qemu_started,
	.event = guest_qemu_event,
	.line = guest_qemu_line,
	.exited = guest_qemu_exited,
};

static int guest_run_windows(struct mullion_cp_guest *g, struct mullion_qemu_options *options,
			     struct mullion_error *err)
{
	struct mullion_cp_window *window;
	int r;

	while ((window = mullion_partition_window(g->partition, options->window_count))) {
		struct mullion_qemu_window *out = &options->windows[options->window_count];

		if (options->window_count == MULLION_QEMU_WINDOWS_MAX)
			return mullion_error_set(err, -E2BIG, "cannot start guest",
						 g->definition->name, "give it fewer devices",
						 "it would have more than %d windows",
						 MULLION_QEMU_WINDOWS_MAX);
		r = mullion_partition_ivshmem(g->partition, options->window_count, &out->fd);
		if (r < 0)
			return mullion_error_set(err, r, "cannot start guest",
						 g->definition->name, NULL,
						 "cannot greet QEMU for window %u: %s",
						 options->window_count, strerror(-r));
		out->vectors = window->vectors;
		out->size = window->size;
		options->window_count++;
	}
	return 0;
}

/* What the kernel has to know of channels in its RAM: where, and to keep away. */
static void guest_run_append(const struct mullion_cp_guest *g, char *text, size_t size)
{
	const struct mullion_ram_map *map = g->ram ? &g->ram->map : NULL;

	text[0] = '\0';
	if (!g->definition->window_ram || !map)
		return;
	snprintf(text, size, "memmap=%lluK$%#llx visorbus.control=%#llx:%#x",
		 (unsigned long long)map->reserved[0].bytes >> 10,
		 (unsigned long long)map->reserved[0].gpa,
		 (unsigned long long)mullion_partition_control_gpa(g->partition),
		 MULLION_CONTROL_AREA_BYTES);
}

/*
 * Before 8.1 QEMU's TCG does not hold a page of code while it translates it: what
 * another processor of the guest patches at that moment (Linux: static keys, when
 * something is used for the first time) may stay as it was for ever, and the guest's
 * kernel then hangs in a breakpoint that is long gone.
 */
static bool guest_run_one_thread(const struct mullion_cp_guest *g)
{
	char path[PATH_MAX];
	int major, minor;

	return !g->kvm && g->definition->cpus > 1 && !mullion_host_qemu(path) &&
	       !mullion_host_qemu_version(path, &major, &minor) &&
	       (major < 8 || (major == 8 && minor < 1));
}

static int guest_run_launch(struct mullion_cp_guest *g, struct mullion_error *err)
{
	char uuid[MULLION_GUID_TEXT];
	struct mullion_qemu_options options = {
		.definition = g->definition,
		.uuid = mullion_guid_text(&g->uuid, uuid),
		.kvm = g->kvm,
		.one_thread = guest_run_one_thread(g),
		.ram = g->ram,
	};
	int serials[MULLION_QEMU_SERIALS];
	struct mullion_boot boot;
	char extra[256];
	int r;

	guest_run_append(g, extra, sizeof(extra));
	r = mullion_boot_prepare(&boot, g->definition, &g->daemon->paths, extra, err);
	if (r)
		return r;
	options.boot = &boot;
	r = guest_run_windows(g, &options, err);
	if (!r)
		r = mullion_qemu_start(g->daemon->event, &options, &guest_qemu_handler, g,
				       &g->qemu, serials, err);
	mullion_boot_done(&boot);
	while (options.window_count)
		close(options.windows[--options.window_count].fd);
	if (r)
		return r;
	r = guest_console_open(g, serials);
	if (r < 0)
		return mullion_error_set(err, r, "cannot start guest", g->definition->name, NULL,
					 "cannot open its serial lines: %s", strerror(-r));
	return 0;
}

void guest_run_ready(void *arg, const struct mullion_error *failure)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_error err;

	if (g->ending)
		return;
	if (failure) {
		guest_fail(g, failure);
		return;
	}
	if (g->attach) {
		guest_event(g, LOG_INFO, "guest-started", "its control channel is at %#llx",
			    (unsigned long long)g->attach->control_gpa);
		guest_run_started(g);
	} else if (g->definition->process) {
		guest_event(g, LOG_INFO, "guest-started", "waits for its process");
		guest_run_started(g);
	} else if (guest_run_launch(g, &err)) {
		guest_fail(g, &err);
	}
}

void guest_run_attached(void *arg, bool again)
{
	struct mullion_cp_guest *g = arg;

	if (g->ending || g->state == MULLION_GUEST_SHUTTING_DOWN)
		return;
	g->state = MULLION_GUEST_BOOTING;
	guest_event(g, LOG_INFO, "guest-attached", again ? "its drivers have come back" :
		    "its drivers have attached");
}

void guest_run_online(void *arg)
{
	guest_set_online(arg);
}

void guest_run_detached(void *arg)
{
	struct mullion_cp_guest *g = arg;

	if (!g->ending)
		guest_event(g, LOG_INFO, "guest-detached", "its drivers have detached");
}

static void guest_run_plugged(void *arg, unsigned int slot, int error, const char *text)
{
	struct mullion_cp_guest *g = arg;

	if (g->ending)
		return;
	if (error)
		guest_event(g, LOG_ERR, "window-refused", "QEMU did not plug window %u: %s", slot,
			    text);
	else
		mullion_partition_window_plugged(g->partition, slot);
}

static void guest_run_unplugged(void *arg, unsigned int slot, int error, const char *text)
{
	struct mullion_cp_guest *g = arg;

	if (g->ending || error == -ECONNRESET)
		return;
	if (error)
		guest_event(g, LOG_WARNING, "window-kept", "QEMU did not unplug window %u: %s",
			    slot, text);
	else
		mullion_partition_window_unplugged(g->partition, slot);
}

static void guest_run_window_removed(void *arg, unsigned int slot)
{
	struct mullion_cp_guest *g = arg;
	int r;

	if (g->ending || !g->qemu)
		return;
	/* Its channels were in RAM; QEMU knows nothing of them. */
	if (g->definition->window_ram) {
		mullion_partition_window_unplugged(g->partition, slot);
		return;
	}
	r = mullion_qemu_unplug(g->qemu, slot, guest_run_unplugged, g);
	if (r)
		guest_run_unplugged(g, slot, r, strerror(-r));
}

static void guest_run_window_added(void *arg, unsigned int slot)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_cp_window *window = mullion_partition_window(g->partition, slot);
	struct mullion_qemu_window out;
	int r;

	if (g->ending || !g->qemu || !window)
		return;
	out.vectors = window->vectors;
	out.size = window->size;
	r = mullion_partition_ivshmem(g->partition, slot, &out.fd);
	if (!r) {
		r = mullion_qemu_plug(g->qemu, slot, &out, guest_run_plugged, g);
		close(out.fd);
	}
	if (r)
		guest_run_plugged(g, slot, r, strerror(-r));
}

/* A process that is attached gets the window on its stream, another one with all others. */
static void guest_run_process_window_added(void *arg, unsigned int slot)
{
	struct mullion_cp_guest *g = arg;

	if (g->ending)
		return;
	if (g->process)
		guest_process_window(g, slot);
	mullion_partition_window_plugged(g->partition, slot);
}

static void guest_run_process_window_removed(void *arg, unsigned int slot)
{
	struct mullion_cp_guest *g = arg;

	if (!g->ending)
		mullion_partition_window_unplugged(g->partition, slot);
}

const struct mullion_partition_ops guest_vm_partition_ops = {
	.ready = guest_run_ready,
	.attached = guest_run_attached,
	.online = guest_run_online,
	.detached = guest_run_detached,
	.window_added = guest_run_window_added,
	.window_removed = guest_run_window_removed,
	.stopped = guest_run_stopped,
};

const struct mullion_partition_ops guest_process_partition_ops = {
	.ready = guest_run_ready,
	.attached = guest_run_attached,
	.online = guest_run_online,
	.detached = guest_run_detached,
	.window_added = guest_run_process_window_added,
	.window_removed = guest_run_process_window_removed,
	.stopped = guest_run_stopped,
};

static int guest_run_limit(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_guest *g = arg;
	char why[GUEST_TEXT_BYTES];

	(void)source;
	(void)usec;
	snprintf(why, sizeof(why), "it had not ended after %g s, its timeout",
		 g->definition->timeout);
	g->facts.timed_out = true;
	mullion_cp_guest_kill(g, why, NULL);
	return 0;
}

static int guest_run_hangs(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_error err;

	(void)source;
	(void)usec;
	/* Somebody may be at work on the console of a guest that has no command. */
	if (g->started && !g->definition->command[0]) {
		guest_event(g, LOG_WARNING, "guest-slow",
			    "not online after %g s; last console line: %s", GUEST_BOOT_SECONDS,
			    g->facts.last_line);
		return 0;
	}
	mullion_error_set(&err, -ETIMEDOUT, "cannot boot guest", g->definition->name,
			  "see `mullion logs`", "not online after %g s; last console line: %s",
			  GUEST_BOOT_SECONDS, g->facts.last_line);
	guest_fail(g, &err);
	return 0;
}

static int guest_run_accel(struct mullion_cp_guest *g, struct mullion_error *err)
{
	const struct mullion_definition *def = g->definition;
	char why[MULLION_HOST_WHY];
	bool usable;

	usable = !def->process && mullion_host_kvm(why, NULL) == MULLION_KVM_USABLE;
	if (def->accel == MULLION_ACCEL_KVM && !usable && !def->process)
		return mullion_error_set(err, -ENXIO, "cannot start guest", def->name,
					 "use accel auto or tcg", "KVM does not work here: %s", why);
	g->kvm = usable && def->accel != MULLION_ACCEL_TCG;
	return 0;
}

/* What can be seen to be wrong before anything is started. */
static int guest_run_check(struct mullion_cp_guest *g, struct mullion_error *err)
{
	char path[PATH_MAX];
	int r;

	r = guest_run_accel(g, err);
	if (r || g->definition->process)
		return r;
	if (mullion_host_qemu(path))
		return mullion_error_set(err, -ENXIO, "cannot start guest", g->definition->name,
					 "install the package qemu-system-x86",
					 "there is no qemu-system-x86_64");
	return mullion_boot_check(g->definition, &g->daemon->paths, err);
}

/* RAM that its services will see, and in it the range where channels may lie. */
static int guest_run_ram(struct mullion_cp_guest *g, struct mullion_error *err)
{
	const struct mullion_definition *def = g->definition;
	const struct mullion_cp_ram_wish wish = {
		.name = def->name,
		.bytes = def->memory,
		.page_bytes = def->hugepages,
		.nodes = def->numa,
		.q35 = def->q35,
	};
	struct mullion_ram_region machine[2];
	uint64_t gpa, bytes;
	int r;

	if (g->attach)
		return guest_attach_ram(g, err);
	if (!def->guest_physical)
		return 0;
	r = mullion_cp_ram_new(&g->ram, &wish, err);
	if (r || !def->window_ram)
		return r;
	mullion_cp_ram_layout(def->memory, def->q35, machine);
	r = mullion_boot_reserve(def, &g->daemon->paths, machine[0].bytes, &gpa, &bytes, err);
	if (r)
		return r;
	r = mullion_cp_ram_reserve(g->ram, gpa, bytes);
	return r ? mullion_error_set(err, r, "cannot start guest", def->name, NULL,
				     "cannot map its channels' RAM: %s", strerror(-r)) : 0;
}

static int guest_run_partition(struct mullion_cp_guest *g, struct mullion_error *err)
{
	const struct mullion_definition *def = g->definition;
	const struct mullion_partition_ram ram = {
		.ram = g->ram,
		.placed = g->attach || def->window_ram,
		.control_gpa = g->attach ? g->attach->control_gpa : 0,
		.control_bytes = g->attach ? g->attach->control_bytes : 0,
		.write_through = g->attach,
	};
	size_t i;
	int r;

	r = mullion_partition_new_ram(g->daemon->core, def->name, &g->uuid, &ram,
				      g->attach ? &guest_attached_partition_ops :
				      def->process ? &guest_process_partition_ops :
				      &guest_vm_partition_ops, g, &g->partition);
	if (r == -ENOSPC)
		return mullion_error_set(err, r, "cannot start guest", def->name,
					 "reserve more memory",
					 "its reserved memory has no room for a control channel and a page of payloads");
	if (r)
		return mullion_error_set(err, r, "cannot start guest", def->name, NULL,
					 "cannot make its control channel: %s", strerror(-r));
	if (def->root)
		r = mullion_partition_add(g->partition, &mullion_disk_class, def->root, NULL, err);
	for (i = 0; !r && def->disks[i]; i++)
		r = mullion_partition_add(g->partition, &mullion_disk_class, def->disks[i], NULL,
					  err);
	for (i = 0; !r && def->nets[i]; i++)
		r = mullion_partition_add(g->partition, &mullion_net_class, def->nets[i], NULL,
					  err);
	if (!r)
		r = mullion_partition_start(g->partition, err);
	if (r) {
		mullion_partition_free(g->partition);
		g->partition = NULL;
	}
	return r;
}

static void guest_run_reset(struct mullion_cp_guest *g)
{
	struct timeval now;

	g->console = mullion_console_release(g->console);
	g->command = mullion_console_release(g->command);
	memset(&g->facts, 0, sizeof(g->facts));
	g->facts.reported = -1;
	g->exit_kind = GUEST_EXIT_NONE;
	g->exit_reason[0] = '\0';
	g->started = false;
	g->ending = false;
	g->online_clock = 0;
	g->start_clock = guest_clock();
	gettimeofday(&now, NULL);
	g->start_usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_usec;
}

static int guest_run_reload(struct mullion_cp_guest *g, struct mullion_error *err)
{
	struct mullion_definition *def;
	char path[PATH_MAX];
	int r;

	if (g->made)
		return 0;
	r = mullion_definition_load(&g->daemon->paths, g->definition->name, &def, NULL, path, err);
	if (r)
		return r;
	mullion_definition_unref(g->definition);
	g->definition = def;
	return 0;
}

int mullion_cp_guest_start(struct mullion_cp_guest *g, struct mullion_error *err)
{
	int r;

	if (g->running)
		return mullion_error_set(err, -EALREADY, "cannot start guest", g->definition->name,
					 NULL, "it runs already");
	if (g->deleted)
		return mullion_error_set(err, -EBUSY, "cannot start guest", g->definition->name,
					 NULL, "it was deleted");
	if (g->daemon->stopping)
		return mullion_error_set(err, -EBUSY, "cannot start guest", g->definition->name,
					 NULL, "the daemon is about to end");
	r = guest_run_reload(g, err);
	if (r)
		return r;
	guest_run_reset(g);
	r = guest_run_check(g, err);
	if (!r)
		r = guest_run_ram(g, err);
	if (!r)
		r = guest_run_partition(g, err);
	if (r) {
		guest_process_end(g);
		g->ram = mullion_cp_ram_unref(g->ram);
		g->exit_kind = GUEST_EXIT_FAILED;
		g->exit_status = MULLION_EXIT_FAILED;
		snprintf(g->exit_reason, sizeof(g->exit_reason), "%s", err->why);
		return r;
	}
	g->running = true;
	g->state = MULLION_GUEST_BOOTING;
	g->forget_timer = sd_event_source_disable_unref(g->forget_timer);
	if (g->definition->timeout > 0)
		guest_timer(g, &g->limit_timer, g->definition->timeout, guest_run_limit);
	if (!g->definition->process)
		guest_timer(g, &g->boot_timer, GUEST_BOOT_SECONDS, guest_run_hangs);
	mullion_daemon_idle_check(g->daemon);
	return 0;
}
