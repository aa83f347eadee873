/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/service.c - mullion service list, restart
 */
#include "client.h"
#include "command.h"
#include "table.h"

int mullion_cmd_service_list(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "CLASS", "class", MULLION_FORMAT_TEXT },
		{ "GUEST", "guest", MULLION_FORMAT_TEXT },
		{ "STATE", "state", MULLION_FORMAT_STATE },
		{ "GENERATION", "generation", MULLION_FORMAT_NUMBER },
		{ "RESTARTS", "restarts", MULLION_FORMAT_NUMBER },
		{ "PID", "pid", MULLION_FORMAT_NUMBER },
		{ "STANDBY", "standby_pid", MULLION_FORMAT_NUMBER },
		{ "WHY", "why", MULLION_FORMAT_TEXT },
	};
	json_t *answer;
	int ret;

	if (mullion_client_get("/v1/services", NULL, &answer))
		return cli->failure;
	ret = mullion_table_print("services", columns, sizeof(columns) / sizeof(*columns),
				  json_object_get(answer, "services"), cli->json, 0);
	json_decref(answer);
	return ret ? cli->failure : 0;
}

int mullion_cmd_service_restart(struct mullion_cli *cli)
{
	int status = 0;

	for (int i = 0; i < cli->argc; i++)
		if (mullion_client_call("POST",
					mullion_client_path("/v1/services/%s/restart", cli->argv[i]),
					json_object(), 0, -1, NULL))
			status = cli->failure;
	return status;
}
