// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * cli/attach.c - mullion attach: serve a guest that somebody else has started
 *
 * The guest is transient and owned by the request that waits for its end: the
 * daemon lets it go when that breaks, so that even a killed command leaves
 * nothing behind.  A first signal lets it go in good order, a second one at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "terminal.h"

/* So long after a signal another one is the same. */
#define ATTACH_SAME_SIGNAL_USEC	100000

enum {
	ATTACH_RAM = MULLION_OPTION_LONG,
	ATTACH_CONTROL_GPA,
	ATTACH_CONTROL_BYTES,
	ATTACH_RESERVED,
	ATTACH_REGION,
	ATTACH_NET,
	ATTACH_PID,
};

const struct mullion_option mullion_attach_options[] = {
	{ .id = ATTACH_RAM, .name = "ram", .arg = "FILE",
	  .help = "file of the guest's RAM, which its machine maps shared",
	  .complete = MULLION_COMPLETE_FILE },
	{ .id = ATTACH_CONTROL_GPA, .name = "control-gpa", .arg = "ADDRESS",
	  .help = "guest-physical address of its control channel" },
	{ .id = ATTACH_CONTROL_BYTES, .name = "control-bytes", .arg = "BYTES",
	  .help = "size of the control channel" },
	{ .id = ATTACH_RESERVED, .name = "reserved", .arg = "START:SIZE[,START:SIZE]...",
	  .help = "ranges that the guest's memory map reserves, for all channels",
	  .repeat = true },
	{ .id = ATTACH_REGION, .name = "region", .arg = "OFFSET:ADDRESS:SIZE[,...]",
	  .help = "which part of the file is RAM where (as QEMU's machine type pc has it)",
	  .repeat = true },
	{ .id = 'd', .name = "disk", .arg = "SPEC",
	  .help = "a disk: PATH|NBD-URI|null:SIZE[,OPTION]...",
	  .complete = MULLION_COMPLETE_FILE, .repeat = true },
	{ .id = ATTACH_NET, .name = "net", .arg = "SPEC",
	  .help = "a network interface: NETWORK[,OPTION]..., such as nat",
	  .complete = MULLION_COMPLETE_NETWORK, .repeat = true },
	{ .id = ATTACH_PID, .name = "pid", .arg = "PID",
	  .help = "end when this process does" },
	{ .id = 'n', .name = "name", .arg = "NAME", .help = "name of the guest" },
	{ 0 },
};

/* Decimal or, with 0x, hexadecimal; moves @text behind it.  False: none, or too large. */
static bool attach_number(const char **text, uint64_t *ret)
{
	int base = !strncmp(*text, "0x", 2) || !strncmp(*text, "0X", 2) ? 16 : 10;
	const char *digits = *text + (base == 16 ? 2 : 0);
	char *end;

	/* strtoull() takes signs, blanks and a second prefix */
	if (!strchr(base == 16 ? "0123456789abcdefABCDEF" : "0123456789", *digits) || !*digits ||
	    (base == 16 && (digits[1] == 'x' || digits[1] == 'X')))
		return false;
	errno = 0;
	*ret = strtoull(digits, &end, base);
	if (errno || *ret > INT64_MAX)
		return false;
	*text = end;
	return true;
}

static bool attach_whole_number(const char *text, uint64_t *ret)
{
	return attach_number(&text, ret) && !*text;
}

/* NUMBER:NUMBER..., separated by commas; @names say which number is what. */
static bool attach_list(const char *text, const char *const *names, size_t count, json_t *list)
{
	for (;;) {
		json_t *one = json_object();
		uint64_t number;

		for (size_t i = 0; i < count; i++) {
			if ((i && *text++ != ':') || !attach_number(&text, &number)) {
				json_decref(one);
				return false;
			}
			json_object_set_new(one, names[i], json_integer((json_int_t)number));
		}
		json_array_append_new(list, one);
		if (!*text)
			return true;
		if (*text++ != ',')
			return false;
	}
}

static int attach_ranges(struct mullion_cli *cli, json_t *attach)
{
	static const char *const range[] = { "gpa", "bytes" };
	static const char *const region[] = { "offset", "gpa", "bytes" };
	json_t *reserved = json_array(), *regions = json_array();

	/* The object has them from here on, whatever happens. */
	json_object_set_new(attach, "reserved", reserved);
	json_object_set_new(attach, "regions", regions);
	for (size_t i = 0; i < cli->given_count; i++) {
		const char *value = cli->given[i].value;

		if (cli->given[i].id == ATTACH_RESERVED && !attach_list(value, range, 2, reserved))
			return mullion_cli_usage(cli, "`%s' is no START:SIZE[,START:SIZE]...",
						 value);
		if (cli->given[i].id == ATTACH_REGION && !attach_list(value, region, 3, regions))
			return mullion_cli_usage(cli, "`%s' is no OFFSET:ADDRESS:SIZE[,...]",
						 value);
	}
	if (!json_array_size(reserved))
		return mullion_cli_usage(cli, "--reserved is missing");
	return 0;
}

static int attach_numbers(struct mullion_cli *cli, json_t *attach)
{
	static const struct {
		int option;
		const char *name;
		const char *member;
		bool needed;
	} numbers[] = {
		{ ATTACH_CONTROL_GPA, "--control-gpa", "control_gpa", true },
		{ ATTACH_CONTROL_BYTES, "--control-bytes", "control_bytes", true },
		{ ATTACH_PID, "--pid", "pid", false },
	};
	uint64_t number;

	for (size_t i = 0; i < sizeof(numbers) / sizeof(*numbers); i++) {
		const char *value = mullion_cli_option(cli, numbers[i].option);

		if (!value && numbers[i].needed)
			return mullion_cli_usage(cli, "%s is missing", numbers[i].name);
		if (!value)
			continue;
		if (!attach_whole_number(value, &number) || (!number && !numbers[i].needed))
			return mullion_cli_usage(cli, "%s `%s' is no number, decimal or with 0x",
						 numbers[i].name, value);
		json_object_set_new(attach, numbers[i].member, json_integer((json_int_t)number));
	}
	return 0;
}

/*
 * The daemon opens the file by its path: one of this process's own descriptors
 * has to be named as such, and what the caller may not write is refused here.
 */
static int attach_ram(struct mullion_cli *cli, const char *cwd, json_t *attach)
{
	const char *given = mullion_cli_option(cli, ATTACH_RAM);
	char path[PATH_MAX];
	int fd, n;

	if (!given || !*given)
		return mullion_cli_usage(cli, "--ram is missing");
	fd = open(given, O_RDWR | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0) {
		mullion_report_error("cannot attach to", given, NULL, "%s", strerror(errno));
		return cli->failure;
	}
	close(fd);
	if (!strncmp(given, "/proc/self/", 11))
		n = snprintf(path, sizeof(path), "/proc/%d/%s", (int)getpid(), given + 11);
	else if (!strncmp(given, "/dev/fd/", 8))
		n = snprintf(path, sizeof(path), "/proc/%d/fd/%s", (int)getpid(), given + 8);
	else
		n = snprintf(path, sizeof(path), "%s%s%s", given[0] == '/' ? "" : cwd,
			     given[0] == '/' ? "" : "/", given);
	if (n >= (int)sizeof(path))
		return mullion_cli_usage(cli, "`%s' is too long", given);
	if (json_object_set_new(attach, "ram", json_string(path)))
		return mullion_cli_usage(cli, "`%s' is not valid UTF-8", given);
	return 0;
}

static int attach_devices(struct mullion_cli *cli, json_t *guest)
{
	json_t *disks = json_array(), *nets = json_array();

	json_object_set_new(guest, "disks", disks);
	json_object_set_new(guest, "nets", nets);
	for (size_t i = 0; i < cli->given_count; i++) {
		const char *value = cli->given[i].value;
		json_t *list = cli->given[i].id == 'd' ? disks :
			       cli->given[i].id == ATTACH_NET ? nets : NULL;

		if (list && json_array_append_new(list, json_string(value)))
			return mullion_cli_usage(cli, "`%s' is not valid UTF-8", value);
	}
	return 0;
}

/* What is asked of the daemon.  Return: 0 or an exit status. */
static int attach_request(struct mullion_cli *cli, const char *name, json_t *guest)
{
	json_t *attach = json_object();
	char *cwd = getcwd(NULL, 0);
	int status;

	json_object_set_new(guest, "attach", attach);
	json_object_set_new(guest, "start", json_true());
	json_object_set_new(guest, "transient", json_true());
	json_object_set_new(guest, "owned", json_true());
	if (!cwd) {
		mullion_report_error("cannot attach", name, NULL,
				     "the current folder is not known: %s", strerror(errno));
		return cli->failure;
	}
	/* One that is no UTF-8 cannot be sent, and is missed only by relative paths. */
	json_object_set_new(guest, "cwd", json_string(cwd));
	if (json_object_set_new(guest, "name", json_string(name)))
		status = mullion_cli_usage(cli, "`%s' is not valid UTF-8", name);
	else
		status = attach_numbers(cli, attach);
	if (!status)
		status = attach_ranges(cli, attach);
	if (!status)
		status = attach_ram(cli, cwd, attach);
	if (!status)
		status = attach_devices(cli, guest);
	free(cwd);
	return status;
}

/* The guest is let go in good order, with a second signal at once. */
static int attach_stop(const struct mullion_cli *cli, const char *name, int signals)
{
	const unsigned int flags = MULLION_CLIENT_NO_START | MULLION_CLIENT_MAY_MISS;
	int ret, sig;

	/* timeout(1) sends it to the process and to its group: that is one signal. */
	usleep(ATTACH_SAME_SIGNAL_USEC);
	mullion_terminal_signal(signals);
	ret = mullion_client_call("POST", mullion_client_path("/v1/guests/%s/stop", name),
				  json_object(), flags, signals, NULL);
	if (ret != -EINTR)
		return !ret || ret == -ENOENT ? 0 : cli->failure;
	sig = mullion_terminal_signal(signals);
	mullion_client_call("POST", mullion_client_path("/v1/guests/%s/kill", name),
			    json_object(), flags, -1, NULL);
	return 128 + (sig ? sig : SIGTERM);
}

/* Until it has ended.  Return: the exit status. */
static int attach_wait(struct mullion_cli *cli, const char *name, int signals)
{
	json_t *answer = NULL;
	const char *kind;
	int ret, status = 0;

	ret = mullion_client_call("GET", mullion_client_path("/v1/guests/%s/wait?owner=1", name),
				  NULL, MULLION_CLIENT_NO_START, signals, &answer);
	if (ret == -EINTR)
		return attach_stop(cli, name, signals);
	if (ret == -ECONNREFUSED)
		mullion_report_error("lost guest", name, "`mullion doctor' may know more",
				     "the daemon has ended");
	if (ret)
		return cli->failure;
	kind = json_string_value(json_object_get(answer, "kind"));
	if (!kind || strcmp(kind, "exited")) {
		const char *reason = json_string_value(json_object_get(answer, "reason"));

		mullion_report_error("guest did not end well", name, NULL, "%s",
				     reason && *reason ? reason : "it is not known why");
		status = cli->failure;
	}
	json_decref(answer);
	return status;
}

static int attach_guest(struct mullion_cli *cli, const char *name, json_t *guest)
{
	int ret, status, signals = mullion_terminal_signals();
	json_t *answer = NULL, *control;

	if (signals < 0) {
		json_decref(guest);
		mullion_report_error("cannot attach", name, NULL, "%s", strerror(-signals));
		return cli->failure;
	}
	ret = mullion_client_call("POST", strdup("/v1/guests"), guest, 0, signals, &answer);
	if (ret == -EINTR) {
		status = attach_stop(cli, name, signals);
	} else if (ret) {
		status = cli->failure;
	} else {
		control = json_object_get(answer, "control");
		printf("%s: control channel at %#" PRIx64 ", %" PRIu64 " bytes\n", name,
		       (uint64_t)json_integer_value(json_object_get(control, "gpa")),
		       (uint64_t)json_integer_value(json_object_get(control, "bytes")));
		fflush(stdout);
		status = attach_wait(cli, name, signals);
	}
	json_decref(answer);
	close(signals);
	return status;
}

int mullion_cmd_attach(struct mullion_cli *cli)
{
	char name[MULLION_GUEST_NAME_ROOM];
	json_t *guest;
	int status = mullion_cli_guest_name(cli, "attach", name);

	if (status)
		return status;
	guest = json_object();
	status = attach_request(cli, name, guest);
	if (status) {
		json_decref(guest);
		return status;
	}
	return attach_guest(cli, name, guest);
}
