/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/console.c - mullion console: a terminal on a guest that runs
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "terminal.h"

int mullion_cmd_console(struct mullion_cli *cli)
{
	const char *name = cli->argv[0];
	char *path = mullion_client_path("/v1/guests/%s/console", name);
	struct mullion_terminal terminal = {
		.raw = true,
		.help = "Ctrl-] q leaves the guest running, Ctrl-] k kills it, Ctrl-] Ctrl-] sends Ctrl-]",
	};
	struct mullion_request request = {
		.method = "GET", .path = path, .upgrade = "mullion-stream", .cancel = -1,
	};
	int ret = mullion_client_upgrade(&request, &terminal.stream);
	int sig;

	free(path);
	if (ret)
		return cli->failure;
	terminal.signals = mullion_terminal_signals();
	ret = terminal.signals < 0 ? terminal.signals : mullion_terminal_run(&terminal);
	if (ret < 0) {
		mullion_report_error("cannot use the console of guest", name, NULL, "%s",
				     strerror(-ret));
		ret = cli->failure;
	} else if (ret == MULLION_TERMINAL_SIGNAL) {
		sig = mullion_terminal_signal(terminal.signals);
		ret = 128 + sig;
	} else if (ret == MULLION_TERMINAL_KILL) {
		ret = mullion_client_call("POST", mullion_client_path("/v1/guests/%s/kill", name),
					  json_object(), 0, -1, NULL) ? cli->failure : 0;
	} else {
		ret = ret == MULLION_TERMINAL_OUTPUT ? cli->failure : 0;
	}
	mullion_client_close(terminal.stream);
	return ret;
}
