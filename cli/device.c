/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/device.c - mullion device list, add, remove
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

int mullion_cmd_device_list(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "GUEST", "guest", MULLION_FORMAT_TEXT },
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "TYPE", "type", MULLION_FORMAT_TEXT },
		{ "STATE", "state", MULLION_FORMAT_STATE },
		{ "SERVICE", "service", MULLION_FORMAT_TEXT },
		{ "LUNS", "luns", MULLION_FORMAT_COUNT },
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
	return mullion_client_call(method,
				   mullion_client_path("/v1/guests/%s/disks", cli->argv[0]), body,
				   0, -1, NULL) ? cli->failure : 0;
}

int mullion_cmd_device_add(struct mullion_cli *cli)
{
	char *cwd = getcwd(NULL, 0);
	json_t *body;

	if (!cwd) {
		mullion_report_error("cannot add disk", cli->argv[1], NULL,
				     "the current folder is not known: %s", strerror(errno));
		return cli->failure;
	}
	body = json_pack("{s:s, s:s}", "spec", cli->argv[1], "cwd", cwd);
	free(cwd);
	return body ? device_change(cli, "POST", body)
		    : mullion_cli_usage(cli, "`%s' is not valid UTF-8", cli->argv[1]);
}

int mullion_cmd_device_remove(struct mullion_cli *cli)
{
	json_t *body = json_pack("{s:s}", "disk", cli->argv[1]);

	return body ? device_change(cli, "DELETE", body)
		    : mullion_cli_usage(cli, "`%s' is not valid UTF-8", cli->argv[1]);
}
