/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/version.c - mullion version
 */
#include <errno.h>
#include <stdio.h>

#include "client.h"
#include "command.h"

int mullion_cmd_version(struct mullion_cli *cli)
{
	json_t *daemon = NULL;
	const char *version;
	int ret;

	/* Asking for versions is no reason to start a daemon. */
	ret = mullion_client_call("GET", mullion_client_path("/v1/version", ""), NULL,
				  MULLION_CLIENT_NO_START, -1, &daemon);
	version = json_string_value(json_object_get(daemon, "version"));
	if (cli->json) {
		json_t *both = json_pack("{s:s, s:O?}", "version", MULLION_VERSION, "daemon", daemon);

		json_dumpf(both, stdout, JSON_INDENT(2));
		putchar('\n');
		json_decref(both);
	} else {
		printf("mullion %s\n", MULLION_VERSION);
		if (version)
			printf("mulliond %s\n", version);
		else if (ret == -ECONNREFUSED)
			puts("mulliond does not run");
	}
	json_decref(daemon);
	return ret && ret != -ECONNREFUSED ? cli->failure : 0;
}
