/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/device.c - mullion device list
 */
#include "client.h"
#include "command.h"
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
