/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/main.c - the mullion command: the table of its sub-commands
 */
#include <locale.h>
#include <signal.h>

#include "command.h"

const struct mullion_command mullion_commands[] = {
	{
		.name = "run", .operands = "[-- COMMAND ARG...]", .max = -1, .stop_early = true,
		.summary = "Run a guest in the foreground",
		.options = mullion_run_options, .failure = MULLION_EXIT_RUN,
		.run = mullion_cmd_run,
	}, {
		.name = "attach", .operands = "",
		.summary = "Serve a guest that something else has started",
		.options = mullion_attach_options, .run = mullion_cmd_attach,
	}, {
		.name = "start", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Start guests that are defined",
		.complete = MULLION_COMPLETE_DEFINITION, .run = mullion_cmd_start,
	}, {
		.name = "stop", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Ask guests to power off, kill those that do not",
		.complete = MULLION_COMPLETE_GUEST, .options = mullion_stop_options,
		.run = mullion_cmd_stop,
	}, {
		.name = "kill", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "End guests at once",
		.complete = MULLION_COMPLETE_GUEST, .run = mullion_cmd_kill,
	}, {
		.name = "restart", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Stop guests and start them again",
		.complete = MULLION_COMPLETE_GUEST, .options = mullion_stop_options,
		.run = mullion_cmd_restart,
	}, {
		.name = "ps", .operands = "", .summary = "List guests", .json = true,
		.options = mullion_ps_options, .run = mullion_cmd_ps,
	}, {
		.name = "show", .operands = "NAME", .min = 1, .max = 1, .json = true,
		.summary = "Show all that is known about a guest or a service",
		.complete = MULLION_COMPLETE_OBJECT, .options = mullion_show_options,
		.run = mullion_cmd_show,
	}, {
		.name = "console", .operands = "NAME", .min = 1, .max = 1,
		.summary = "Connect this terminal to a guest's console",
		.complete = MULLION_COMPLETE_GUEST, .run = mullion_cmd_console,
	}, {
		.name = "logs", .operands = "NAME", .min = 1, .max = 1,
		.summary = "Print a guest's console log",
		.complete = MULLION_COMPLETE_GUEST, .options = mullion_logs_options,
		.run = mullion_cmd_logs,
	}, {
		.name = "events", .operands = "", .summary = "Print what happened",
		.json = true, .options = mullion_events_options, .run = mullion_cmd_events,
	}, {
		.name = "device list", .operands = "", .summary = "List devices", .json = true,
		.run = mullion_cmd_device_list,
	}, {
		.name = "device add", .operands = "GUEST [CLASS] SPEC", .min = 2, .max = 3,
		.summary = "Plug a device into a guest that runs",
		.complete = MULLION_COMPLETE_GUEST, .run = mullion_cmd_device_add,
	}, {
		.name = "device set", .operands = "GUEST DEVICE OPTION=VALUE...", .min = 3,
		.max = -1, .summary = "Change a device of a guest that runs",
		.complete = MULLION_COMPLETE_GUEST, .run = mullion_cmd_device_set,
	}, {
		.name = "device remove", .operands = "GUEST DEVICE", .min = 2, .max = 2,
		.summary = "Unplug a device from a guest that runs",
		.complete = MULLION_COMPLETE_GUEST, .options = mullion_device_remove_options,
		.run = mullion_cmd_device_remove,
	}, {
		.name = "network list", .operands = "", .summary = "List networks",
		.json = true, .run = mullion_cmd_network_list,
	}, {
		.name = "network show", .operands = "NAME", .min = 1, .max = 1, .json = true,
		.summary = "Show a network's uplink, its ports and what they counted",
		.complete = MULLION_COMPLETE_NETWORK, .run = mullion_cmd_network_show,
	}, {
		.name = "network define", .operands = "FILE...", .min = 1, .max = -1,
		.summary = "Store network definitions (`-' is standard input)",
		.complete = MULLION_COMPLETE_FILE, .run = mullion_cmd_network_define,
	}, {
		.name = "network undefine", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Forget network definitions; what runs carries on",
		.complete = MULLION_COMPLETE_NETWORK, .run = mullion_cmd_network_undefine,
	}, {
		.name = "network start", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Start networks; they stay when no guest uses them",
		.complete = MULLION_COMPLETE_NETWORK, .run = mullion_cmd_network_start,
	}, {
		.name = "network stop", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Stop networks that no guest uses",
		.complete = MULLION_COMPLETE_NETWORK, .options = mullion_network_stop_options,
		.run = mullion_cmd_network_stop,
	}, {
		.name = "network capture", .operands = "NAME", .min = 1, .max = 1,
		.summary = "Write the frames of a network to a pcap file",
		.complete = MULLION_COMPLETE_NETWORK,
		.options = mullion_network_capture_options, .run = mullion_cmd_network_capture,
	}, {
		.name = "service list", .operands = "", .summary = "List service partitions",
		.json = true, .run = mullion_cmd_service_list,
	}, {
		.name = "service restart", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Replace service processes; their guests carry on",
		.complete = MULLION_COMPLETE_SERVICE, .run = mullion_cmd_service_restart,
	}, {
		.name = "define", .operands = "FILE...", .min = 1, .max = -1,
		.summary = "Store guest definitions (`-' is standard input)",
		.complete = MULLION_COMPLETE_FILE, .run = mullion_cmd_define,
	}, {
		.name = "undefine", .operands = "NAME...", .min = 1, .max = -1,
		.summary = "Forget guest definitions; what runs carries on",
		.complete = MULLION_COMPLETE_DEFINITION, .run = mullion_cmd_undefine,
	}, {
		.name = "definition list", .operands = "", .summary = "List guest definitions",
		.json = true, .run = mullion_cmd_definition_list,
	}, {
		.name = "definition show", .operands = "NAME", .min = 1, .max = 1, .json = true,
		.summary = "Print a guest definition",
		.complete = MULLION_COMPLETE_DEFINITION, .run = mullion_cmd_definition_show,
	}, {
		.name = "image build", .operands = "[builtin|debian]", .max = 1,
		.summary = "Make a guest image",
		.complete = MULLION_COMPLETE_WORDS, .words = "builtin debian",
		.run = mullion_cmd_image_build,
	}, {
		.name = "doctor", .operands = "", .json = true,
		.summary = "Tell what works on this machine and what to do about the rest",
		.run = mullion_cmd_doctor,
	}, {
		.name = "version", .operands = "", .json = true,
		.summary = "Print the versions of this command and of the daemon",
		.run = mullion_cmd_version,
	},
	{ 0 },
};

int main(int argc, char **argv)
{
	setlocale(LC_CTYPE, "");
	/* A reader that went away is an error of write(), not a reason to die silently. */
	signal(SIGPIPE, SIG_IGN);
	return mullion_command_main(argc, argv);
}
