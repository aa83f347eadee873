/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/device.c - mullion device list, add, set, remove
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

enum { DEVICE_FORCE = MULLION_OPTION_LONG };

const struct mullion_option mullion_device_remove_options[] = {
	{ .id = DEVICE_FORCE, .name = "force",
	  .help = "do not wait for the guest; what it has under way is lost" },
	{ 0 },
};

int mullion_cmd_device_list(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "GUEST", "guest", MULLION_FORMAT_TEXT },
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "TYPE", "type", MULLION_FORMAT_TEXT },
		{ "STATE", "state", MULLION_FORMAT_STATE },
		{ "SERVICE", "service", MULLION_FORMAT_TEXT },
		{ "WHAT", "summary", MULLION_FORMAT_TEXT },
		{ "EPOCH", "epoch", MULLION_FORMAT_NUMBER },
		{ "GENERATION", "generation", MULLION_FORMAT_NUMBER },
		{ "UUID", "uuid", MULLION_FORMAT_TEXT },
		{ "WHY", "why", MULLION_FORMAT_TEXT },
	};
	json_t *answer;
	int ret;

	if (mullion_client_get("/v1/devices", NULL, &answer))
		return cli->failure;
	ret = mullion_table_print("devices", columns, sizeof(columns) / sizeof(*columns),
				  json_object_get(answer, "devices"), cli->json, 0);
	json_decref(answer);
	return ret ? cli->failure : 0;
}

static int device_change(struct mullion_cli *cli, const char *method, json_t *body)
{
	if (!body)
		return mullion_cli_usage(cli, "not everything is valid UTF-8");
	return mullion_client_call(method,
				   mullion_client_path("/v1/guests/%s/devices", cli->argv[0]),
				   body, 0, -1, NULL) ? cli->failure : 0;
}

int mullion_cmd_device_add(struct mullion_cli *cli)
{
	const char *spec = cli->argv[cli->argc - 1];
	const char *class = cli->argc > 2 ? cli->argv[1] : "disk";
	char *cwd = getcwd(NULL, 0);
	json_t *body;

	if (!cwd) {
		mullion_report_error("cannot add device", spec, NULL,
				     "the current folder is not known: %s", strerror(errno));
		return cli->failure;
	}
	body = json_pack("{s:s, s:s, s:s}", "class", class, "spec", spec, "cwd", cwd);
	free(cwd);
	return device_change(cli, "POST", body);
}

int mullion_cmd_device_remove(struct mullion_cli *cli)
{
	bool force = mullion_cli_option(cli, DEVICE_FORCE);

	return device_change(cli, "DELETE", json_pack("{s:s, s:b}", "device", cli->argv[1],
						      "force", force));
}

/* All changes in one request: they are made together or not at all. */
int mullion_cmd_device_set(struct mullion_cli *cli)
{
	char *changes = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&changes, &len);
	int status;

	if (!out)
		return cli->failure;
	for (int i = 2; i < cli->argc; i++)
		fprintf(out, "%s%s", i > 2 ? "," : "", cli->argv[i]);
	if (fclose(out)) {
		free(changes);
		return cli->failure;
	}
	status = device_change(cli, "PATCH", json_pack("{s:s, s:s}", "device", cli->argv[1],
						       "set", changes));
	free(changes);
	return status;
}
