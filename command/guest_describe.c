// SPDX-License-Identifier: GPL-2.0-or-later
/* command/guest_describe.c - guests as the API shows them */

#include <string.h>
#include <unistd.h>

#include "guest_private.h"

static const char * const state_names[] = {
	[MULLION_GUEST_READY] = "ready",
	[MULLION_GUEST_BOOTING] = "booting",
	[MULLION_GUEST_ONLINE] = "online",
	[MULLION_GUEST_SHUTTING_DOWN] = "shutting_down",
	[MULLION_GUEST_RESETTING] = "resetting",
	[MULLION_GUEST_CRASHED] = "crashed",
};

static json_t *describe_exit(const struct mullion_cp_guest *g)
{
	return json_pack("{s:o, s:s, s:o}",
			 "status", g->exit_kind == GUEST_EXIT_NONE ? json_null() :
			 json_integer(g->exit_status),
			 "kind", guest_exit_kind_name(g->exit_kind),
			 "reason", mullion_json_text(g->exit_reason, strlen(g->exit_reason)));
}

static json_t *describe_pid(const struct mullion_cp_guest *g)
{
	if (g->qemu)
		return json_integer(mullion_qemu_pid(g->qemu));
	if (g->process && g->process->pid)
		return json_integer(g->process->pid);
	if (g->attach && g->attach->pid)
		return json_integer(g->attach->pid);
	return json_null();
}

static bool describe_defined(const struct mullion_cp_guest *g)
{
	char path[PATH_MAX];

	return snprintf(path, sizeof(path), "%s/definitions/%s.ini", g->daemon->paths.state,
			g->definition->name) < (int)sizeof(path) && access(path, F_OK) == 0;
}

json_t *mullion_cp_guest_summary(struct mullion_cp_guest *g)
{
	const struct mullion_definition *def = g->definition;
	char uuid[MULLION_GUID_TEXT];
	size_t disks = def->root ? 1 : 0;
	size_t nets = 0;

	for (size_t i = 0; def->disks[i]; i++)
		disks++;
	while (def->nets[nets])
		nets++;
	return json_pack("{s:s, s:s, s:s, s:s, s:b, s:b, s:b, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o}",
			 "name", def->name, "uuid", mullion_guid_text(&g->uuid, uuid),
			 "type", g->attach ? "attached" : def->process ? "process" : "vm",
			 "state", state_names[g->state], "running", g->running,
			 "transient", g->transient, "defined", describe_defined(g),
			 "pid", describe_pid(g),
			 "accel", !g->running || def->process ? json_null() :
			 json_string(g->kvm ? "kvm" : "tcg"),
			 "memory", (json_int_t)(g->attach && g->ram ? g->ram->bytes : def->memory), "cpus", (json_int_t)def->cpus,
			 "disks", (json_int_t)disks, "nets", (json_int_t)nets,
			 "started", g->start_usec ? json_real((double)g->start_usec / 1e6) :
			 json_null(),
			 "online_after", g->online_clock ?
			 json_real((double)(g->online_clock - g->start_clock) / 1e6) : json_null(),
			 "exit", describe_exit(g));
}

json_t *mullion_cp_guest_describe(struct mullion_cp_guest *g)
{
	struct mullion_partition *p = g->partition;
	json_t *json = mullion_cp_guest_summary(g);
	char log[PATH_MAX] = "";

	mullion_cp_guest_log(g, log);
	if (!json)
		return NULL;
	json_object_set_new(json, "definition", mullion_definition_describe(g->definition));
	json_object_set_new(json, "control", p ? mullion_partition_describe_control(p) :
			    json_null());
	json_object_set_new(json, "attach", g->attach ? mullion_attach_describe(g->attach) :
			    json_null());
	json_object_set_new(json, "ram", g->ram ? mullion_cp_ram_describe(g->ram) : json_null());
	json_object_set_new(json, "windows", p ? mullion_partition_describe_windows(p) :
			    json_array());
	json_object_set_new(json, "buses", p ? mullion_partition_describe_buses(p) :
			    json_array());
	json_object_set_new(json, "devices", p ? mullion_partition_describe_devices(p) :
			    json_array());
	json_object_set_new(json, "services", p ? mullion_partition_describe_services(p) :
			    json_array());
	json_object_set_new(json, "console",
			    json_pack("{s:I, s:I, s:s}", "bytes",
				      (json_int_t)(g->console ? mullion_console_bytes(g->console) : 0),
				      "attached",
				      (json_int_t)(g->console ? mullion_console_clients(g->console) : 0),
				      "log", log));
	return json;
}

json_t *mullion_cp_guest_outcome(struct mullion_cp_guest *g)
{
	json_t *exit = describe_exit(g);
	json_t *json;

	json = json_pack("{s:s, s:O?, s:O?, s:O?}", "state",
			 g->running ? state_names[g->state] : "stopped",
			 "exit_status", json_object_get(exit, "status"),
			 "kind", json_object_get(exit, "kind"),
			 "reason", json_object_get(exit, "reason"));
	json_decref(exit);
	return json;
}
