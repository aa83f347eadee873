/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/guest.c - mullion start, stop, kill, restart, ps
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

enum { GUEST_TIMEOUT = MULLION_OPTION_LONG };

const struct mullion_option mullion_stop_options[] = {
	{ .id = GUEST_TIMEOUT, .name = "timeout", .arg = "SECONDS",
	  .help = "how long to wait before killing (60)" },
	{ 0 },
};

const struct mullion_option mullion_ps_options[] = {
	{ .id = 'a', .name = "all", .help = "also those that do not run" },
	{ 0 },
};

/* Does it to every name, also after one failed.  Return: exit status. */
static int guest_each(struct mullion_cli *cli, const char *format)
{
	const char *timeout = mullion_cli_option(cli, GUEST_TIMEOUT);
	uint64_t seconds = 0;
	int status = 0;

	if (timeout && mullion_report_parse_number(timeout, 0, 86400, &seconds))
		return mullion_cli_usage(cli, "`%s' is no number of seconds", timeout);
	for (int i = 0; i < cli->argc; i++) {
		json_t *body = json_object();

		if (timeout)
			json_object_set_new(body, "timeout", json_integer(seconds));
		if (mullion_client_call("POST", mullion_client_path(format, cli->argv[i]), body, 0,
					-1, NULL))
			status = cli->failure;
	}
	return status;
}

int mullion_cmd_start(struct mullion_cli *cli)
{
	return guest_each(cli, "/v1/guests/%s/start");
}

int mullion_cmd_stop(struct mullion_cli *cli)
{
	return guest_each(cli, "/v1/guests/%s/stop");
}

int mullion_cmd_kill(struct mullion_cli *cli)
{
	return guest_each(cli, "/v1/guests/%s/kill");
}

int mullion_cmd_restart(struct mullion_cli *cli)
{
	return guest_each(cli, "/v1/guests/%s/restart");
}

int mullion_cmd_ps(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "STATE", "state", MULLION_FORMAT_STATE },
		{ "TYPE", "type", MULLION_FORMAT_TEXT },
		{ "ACCEL", "accel", MULLION_FORMAT_TEXT },
		{ "CPUS", "cpus", MULLION_FORMAT_NUMBER },
		{ "MEMORY", "memory", MULLION_FORMAT_BYTES },
		{ "DISKS", "disks", MULLION_FORMAT_NUMBER },
		{ "NETS", "nets", MULLION_FORMAT_NUMBER },
		{ "PID", "pid", MULLION_FORMAT_NUMBER },
		{ "STARTED", "started", MULLION_FORMAT_SINCE },
		{ "EXIT", "exit.status", MULLION_FORMAT_NUMBER },
		{ "REASON", "exit.reason", MULLION_FORMAT_TEXT },
	};
	size_t count = sizeof(columns) / sizeof(*columns);
	bool all = mullion_cli_option(cli, 'a');
	json_t *answer, *rows, *guest;
	size_t i;
	int ret;

	if (mullion_client_get("/v1/guests", NULL, &answer))
		return cli->failure;
	rows = json_array();
	json_array_foreach(json_object_get(answer, "guests"), i, guest)
		if (all || json_is_true(json_object_get(guest, "running")))
			json_array_append(rows, guest);
	/* How a guest ended is of interest only where some have. */
	ret = mullion_table_print("guests", columns, all ? count : count - 2, rows, cli->json, 0);
	json_decref(rows);
	json_decref(answer);
	return ret ? cli->failure : 0;
}
