/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/run.c - mullion run: a guest in the foreground
 *
 * The guest is transient and owned by the stream that this command holds: the
 * daemon kills it when the stream breaks or never comes, so that even a killed
 * command leaves nothing behind.  With a command for the guest, the stream is that command's
 * standard input and output and the terminal stays as it is (Ctrl-C kills the
 * guest); without one, it is the guest's console in raw mode.
 *
 * SIGINT, SIGTERM and SIGHUP are taken from a descriptor from the beginning:
 * whenever they come, the guest is killed before this command ends.
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "terminal.h"

enum {
	RUN_ROOT = MULLION_OPTION_LONG,
	RUN_KERNEL,
	RUN_INITRD,
	RUN_APPEND,
	RUN_ACCEL,
	RUN_MACHINE,
	RUN_ADDRESSING,
	RUN_WINDOW,
	RUN_HUGEPAGES,
	RUN_NUMA,
	RUN_TIMEOUT,
	RUN_NET,
};

const struct mullion_option mullion_run_options[] = {
	{ .id = 'm', .name = "memory", .arg = "SIZE", .help = "memory of the guest (512M)" },
	{ .id = 'c', .name = "cpus", .arg = "N", .help = "virtual CPUs (1)" },
	{ .id = 'd', .name = "disk", .arg = "SPEC",
	  .help = "a disk: PATH|NBD-URI|null:SIZE[,OPTION]...",
	  .complete = MULLION_COMPLETE_FILE, .repeat = true },
	{ .id = RUN_NET, .name = "net", .arg = "SPEC",
	  .help = "a network interface: NETWORK[,OPTION]..., such as nat",
	  .complete = MULLION_COMPLETE_NETWORK, .repeat = true },
	{ .id = RUN_ROOT, .name = "root", .arg = "SPEC",
	  .help = "boot the system on this disk", .complete = MULLION_COMPLETE_FILE },
	{ .id = RUN_KERNEL, .name = "kernel", .arg = "FILE", .help = "kernel to boot",
	  .complete = MULLION_COMPLETE_FILE },
	{ .id = RUN_INITRD, .name = "initrd", .arg = "FILE", .help = "its initial RAM disk",
	  .complete = MULLION_COMPLETE_FILE },
	{ .id = RUN_APPEND, .name = "append", .arg = "TEXT",
	  .help = "add to the kernel command line" },
	{ .id = RUN_ACCEL, .name = "accel", .arg = "WHICH", .help = "auto, kvm or tcg (auto)",
	  .complete = MULLION_COMPLETE_WORDS, .words = "auto kvm tcg" },
	{ .id = RUN_MACHINE, .name = "machine", .arg = "WHICH", .help = "pc or q35 (pc)",
	  .complete = MULLION_COMPLETE_WORDS, .words = "pc q35" },
	{ .id = RUN_ADDRESSING, .name = "addressing", .arg = "WHICH",
	  .help = "window, or guest-physical: services see its RAM (window)",
	  .complete = MULLION_COMPLETE_WORDS, .words = "window guest-physical" },
	{ .id = RUN_WINDOW, .name = "window", .arg = "WHERE",
	  .help = "channels in pci, or with guest-physical in ram (pci)",
	  .complete = MULLION_COMPLETE_WORDS, .words = "pci ram" },
	{ .id = RUN_HUGEPAGES, .name = "hugepages", .arg = "SIZE",
	  .help = "with guest-physical: RAM of such pages: off, 2M or 1G (off)",
	  .complete = MULLION_COMPLETE_WORDS, .words = "off 2M 1G" },
	{ .id = RUN_NUMA, .name = "numa", .arg = "N",
	  .help = "with guest-physical: NUMA nodes (1)" },
	{ .id = 'n', .name = "name", .arg = "NAME", .help = "name of the guest" },
	{ .id = RUN_TIMEOUT, .name = "timeout", .arg = "SECONDS",
	  .help = "kill the guest after so long, exit with 124" },
	{ .id = 'v', .name = "verbose", .help = "console of the guest on standard error" },
	{ 0 },
};

/* Numbers of the command line into @guest.  Return: 0 or an exit status. */
static int run_numbers(struct mullion_cli *cli, json_t *guest)
{
	const char *memory = mullion_cli_option(cli, 'm');
	const char *cpus = mullion_cli_option(cli, 'c');
	const char *numa = mullion_cli_option(cli, RUN_NUMA);
	const char *timeout = mullion_cli_option(cli, RUN_TIMEOUT);
	uint64_t value;

	if (memory) {
		if (mullion_report_parse_size(memory, &value) || value > INT64_MAX)
			return mullion_cli_usage(cli, "`%s' is no size like 512M or 2G", memory);
		json_object_set_new(guest, "memory", json_integer(value));
	}
	if (cpus) {
		if (mullion_report_parse_number(cpus, 1, 255, &value))
			return mullion_cli_usage(cli, "`%s' is no number from 1 to 255", cpus);
		json_object_set_new(guest, "cpus", json_integer(value));
	}
	if (numa) {
		if (mullion_report_parse_number(numa, 1, 8, &value))
			return mullion_cli_usage(cli, "`%s' is no number from 1 to 8", numa);
		json_object_set_new(guest, "numa", json_integer(value));
	}
	if (timeout) {
		char *end;
		double seconds = strtod(timeout, &end);

		if (end == timeout || *end || !(seconds >= 0 && seconds <= 1e9))
			return mullion_cli_usage(cli, "`%s' is no number of seconds", timeout);
		json_object_set_new(guest, "timeout", json_real(seconds));
	}
	return 0;
}

/* JSON has no other texts; one that was left out would be another guest.  Return: as above. */
static int run_text(struct mullion_cli *cli, json_t *guest, const char *member, const char *value)
{
	if (!json_object_set_new(guest, member, json_string(value)))
		return 0;
	return mullion_cli_usage(cli, "`%s' is not valid UTF-8", value);
}

static int run_list(struct mullion_cli *cli, json_t *list, const char *value)
{
	if (!json_array_append_new(list, json_string(value)))
		return 0;
	return mullion_cli_usage(cli, "`%s' is not valid UTF-8", value);
}

/* What is asked of the daemon.  Return: 0 or an exit status. */
static int run_definition(struct mullion_cli *cli, const char *name, json_t *guest)
{
	static const struct {
		int option;
		const char *member;
	} texts[] = {
		{ RUN_ROOT, "root" }, { RUN_KERNEL, "kernel" }, { RUN_INITRD, "initrd" },
		{ RUN_APPEND, "append" }, { RUN_ACCEL, "accel" }, { RUN_MACHINE, "machine" },
		{ RUN_ADDRESSING, "addressing" }, { RUN_WINDOW, "window" },
		{ RUN_HUGEPAGES, "hugepages" },
	};
	json_t *disks = json_array(), *nets = json_array(), *command = json_array();
	char *cwd = getcwd(NULL, 0);
	int status = 0;

	/* The object has them from here on, whatever happens. */
	json_object_set_new(guest, "disks", disks);
	json_object_set_new(guest, "nets", nets);
	json_object_set_new(guest, "command", command);
	json_object_set_new(guest, "start", json_true());
	json_object_set_new(guest, "transient", json_true());
	json_object_set_new(guest, "owned", json_true());
	if (!cwd) {
		mullion_report_error("cannot run guest", name, NULL,
				     "the current folder is not known: %s", strerror(errno));
		return cli->failure;
	}
	/* One that is no UTF-8 cannot be sent, and is missed only by relative paths. */
	json_object_set_new(guest, "cwd", json_string(cwd));
	free(cwd);
	status = run_text(cli, guest, "name", name);
	for (size_t i = 0; !status && i < sizeof(texts) / sizeof(*texts); i++) {
		const char *value = mullion_cli_option(cli, texts[i].option);

		if (value)
			status = run_text(cli, guest, texts[i].member, value);
	}
	for (size_t i = 0; !status && i < cli->given_count; i++)
		if (cli->given[i].id == 'd')
			status = run_list(cli, disks, cli->given[i].value);
	for (size_t i = 0; !status && i < cli->given_count; i++)
		if (cli->given[i].id == RUN_NET)
			status = run_list(cli, nets, cli->given[i].value);
	for (int i = 0; !status && i < cli->argc; i++)
		status = run_list(cli, command, cli->argv[i]);
	return status ? status : run_numbers(cli, guest);
}

static int run_upgrade(const char *format, const char *name, int signals,
		       struct mullion_connection **ret)
{
	char *path = mullion_client_path(format, name);
	struct mullion_request request = {
		.method = "GET", .path = path, .upgrade = "mullion-stream",
		.flags = MULLION_CLIENT_NO_START, .cancel = signals,
	};
	int err = mullion_client_upgrade(&request, ret);

	if (err == -ECONNREFUSED)
		mullion_report_error("lost guest", name, "`mullion doctor' may know more",
				     "the daemon has ended");
	free(path);
	return err;
}

/* Kills the guest; it may be gone already, and then that is fine. */
static void run_kill(const char *name)
{
	mullion_client_call("POST", mullion_client_path("/v1/guests/%s/kill", name), json_object(),
			    MULLION_CLIENT_NO_START | MULLION_CLIENT_MAY_MISS, -1, NULL);
	mullion_client_call("DELETE", mullion_client_path("/v1/guests/%s", name), NULL,
			    MULLION_CLIENT_NO_START | MULLION_CLIENT_MAY_MISS, -1, NULL);
}

/* The guest has ended by itself: what was it, and with which status? */
static int run_result(struct mullion_cli *cli, const char *name, int signals)
{
	const char *kind, *reason;
	json_t *answer = NULL, *exit_status;
	int ret, status = cli->failure;

	ret = mullion_client_call("GET", mullion_client_path("/v1/guests/%s/wait", name), NULL,
				  MULLION_CLIENT_NO_START, signals, &answer);
	if (ret == -ECONNREFUSED)
		mullion_report_error("lost guest", name, "`mullion doctor' may know more",
				     "the daemon has ended");
	if (ret)
		return cli->failure;
	kind = json_string_value(json_object_get(answer, "kind"));
	reason = json_string_value(json_object_get(answer, "reason"));
	exit_status = json_object_get(answer, "exit_status");
	if (!kind)
		kind = "failed";
	if (json_is_integer(exit_status) && json_integer_value(exit_status) >= 0 &&
	    json_integer_value(exit_status) <= 255)
		status = json_integer_value(exit_status);
	else if (!strcmp(kind, "poweroff") && !cli->argc)
		status = 0;

	if (!strcmp(kind, "timeout") || !strcmp(kind, "killed") || !strcmp(kind, "crashed") ||
	    !strcmp(kind, "failed") || (cli->argc && !strcmp(kind, "poweroff")))
		mullion_report_error("guest did not end well", name, NULL, "%s",
				     reason && *reason ? reason : kind);
	json_decref(answer);
	return status;
}

static int run_connected(struct mullion_cli *cli, const char *name,
			 struct mullion_terminal *terminal)
{
	int end = mullion_terminal_run(terminal);
	int sig;

	switch (end) {
	case MULLION_TERMINAL_CLOSED:
		return run_result(cli, name, terminal->signals);
	case MULLION_TERMINAL_SIGNAL:
		sig = mullion_terminal_signal(terminal->signals);
		run_kill(name);
		return 128 + (sig ? sig : SIGTERM);
	case MULLION_TERMINAL_LEAVE:
		run_kill(name);
		return 0;
	case MULLION_TERMINAL_KILL:
		run_kill(name);
		return 128 + SIGKILL;
	case MULLION_TERMINAL_OUTPUT:
		run_kill(name);
		return 128 + SIGPIPE;
	default:
		mullion_report_error("cannot go on with guest", name, NULL, "%s", strerror(-end));
		run_kill(name);
		return cli->failure;
	}
}

static int run_guest(struct mullion_cli *cli, const char *name, json_t *guest)
{
	struct mullion_terminal terminal = {
		.raw = !cli->argc,
		.help = "Ctrl-] q ends the guest, Ctrl-] Ctrl-] sends Ctrl-]",
	};
	int ret, sig, status = cli->failure;
	bool made;

	terminal.signals = mullion_terminal_signals();
	if (terminal.signals < 0) {
		json_decref(guest);
		mullion_report_error("cannot run guest", name, NULL, "%s",
				     strerror(-terminal.signals));
		return cli->failure;
	}
	ret = mullion_client_call("POST", strdup("/v1/guests"), guest, 0, terminal.signals, NULL);
	made = !ret;
	if (!ret)
		ret = run_upgrade(cli->argc ? "/v1/guests/%s/command?owner=1"
					    : "/v1/guests/%s/console?owner=1",
				  name, terminal.signals, &terminal.stream);
	if (!ret && cli->argc && mullion_cli_option(cli, 'v'))
		ret = run_upgrade("/v1/guests/%s/console", name, terminal.signals, &terminal.log);
	if (!ret) {
		status = run_connected(cli, name, &terminal);
	} else if (ret == -EINTR) {
		sig = mullion_terminal_signal(terminal.signals);
		run_kill(name);
		status = 128 + (sig ? sig : SIGTERM);
	} else if (made) {
		run_kill(name);
	}
	mullion_client_close(terminal.log);
	mullion_client_close(terminal.stream);
	close(terminal.signals);
	return status;
}

int mullion_cmd_run(struct mullion_cli *cli)
{
	char name[MULLION_GUEST_NAME_ROOM];
	json_t *guest;
	int status = mullion_cli_guest_name(cli, "run", name);

	if (status)
		return status;
	guest = json_object();
	status = run_definition(cli, name, guest);
	if (status) {
		json_decref(guest);
		return status;
	}
	return run_guest(cli, name, guest);
}
