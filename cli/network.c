/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/network.c - mullion network list, show, define, undefine, start, stop, capture
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"
#include "terminal.h"

enum {
	NETWORK_FORCE = MULLION_OPTION_LONG,
	NETWORK_PORT,
	NETWORK_SNAP,
};

const struct mullion_option mullion_network_stop_options[] = {
	{ .id = NETWORK_FORCE, .name = "force", .help = "unplug the guests that use it" },
	{ 0 },
};

const struct mullion_option mullion_network_capture_options[] = {
	{ .id = NETWORK_PORT, .name = "port", .arg = "GUEST",
	  .help = "only that guest's port, or that of a MAC address",
	  .complete = MULLION_COMPLETE_GUEST },
	{ .id = 'w', .name = "write", .arg = "FILE", .help = "write there (standard output)",
	  .complete = MULLION_COMPLETE_FILE },
	{ .id = NETWORK_SNAP, .name = "snap", .arg = "BYTES", .help = "of each frame (all)" },
	{ 0 },
};

int mullion_cmd_network_list(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "STATE", "state", MULLION_FORMAT_STATE },
		{ "UPLINK", "uplink.type", MULLION_FORMAT_TEXT },
		{ "LINK", "uplink.state", MULLION_FORMAT_STATE },
		{ "PORTS", "ports", MULLION_FORMAT_COUNT },
		{ "SERVICE", "service", MULLION_FORMAT_TEXT },
		{ "WHY", "why", MULLION_FORMAT_TEXT },
	};
	json_t *answer;
	int ret;

	if (mullion_client_get("/v1/networks", NULL, &answer))
		return cli->failure;
	ret = mullion_table_print("networks", columns, sizeof(columns) / sizeof(*columns),
				  json_object_get(answer, "networks"), cli->json, 0);
	json_decref(answer);
	return ret ? cli->failure : 0;
}

int mullion_cmd_network_show(struct mullion_cli *cli)
{
	json_t *answer;

	if (mullion_client_get("/v1/networks/%s", cli->argv[0], &answer))
		return cli->failure;
	/* a person has the definition's members, and may look into the file */
	if (!cli->json)
		json_object_del(answer, "ini");
	mullion_show_print(answer, cli->json);
	json_decref(answer);
	return 0;
}

int mullion_cmd_network_define(struct mullion_cli *cli)
{
	return mullion_definition_put(cli, "/v1/networks");
}

/* Does it to every name, also after one failed.  Return: exit status. */
static int network_each(struct mullion_cli *cli, const char *method, const char *format,
			bool force)
{
	int status = 0;

	for (int i = 0; i < cli->argc; i++) {
		json_t *body = force ? json_pack("{s:b}", "force", 1) : NULL;

		if (mullion_client_call(method, mullion_client_path(format, cli->argv[i]), body, 0,
					-1, NULL))
			status = cli->failure;
	}
	return status;
}

int mullion_cmd_network_undefine(struct mullion_cli *cli)
{
	return network_each(cli, "DELETE", "/v1/networks/%s", false);
}

int mullion_cmd_network_start(struct mullion_cli *cli)
{
	return network_each(cli, "POST", "/v1/networks/%s/start", false);
}

int mullion_cmd_network_stop(struct mullion_cli *cli)
{
	return network_each(cli, "POST", "/v1/networks/%s/stop",
			    mullion_cli_option(cli, NETWORK_FORCE));
}

/* ---- capture ----------------------------------------------------------- */

static char *capture_path(struct mullion_cli *cli)
{
	const char *port = mullion_cli_option(cli, NETWORK_PORT);
	const char *snap = mullion_cli_option(cli, NETWORK_SNAP);
	char *escaped = port ? mullion_request_escape(port) : NULL;
	char *format = NULL, *path = NULL;
	uint64_t bytes = 0;
	size_t len = 0;
	FILE *out;

	if (snap)
		mullion_report_parse_number(snap, 1, INT32_MAX, &bytes);
	out = open_memstream(&format, &len);
	if (out) {
		fprintf(out, "/v1/networks/%%s/capture%s", bytes || escaped ? "?" : "");
		if (bytes)
			fprintf(out, "snap=%" PRIu64 "%s", bytes, escaped ? "&" : "");
		if (escaped)
			fprintf(out, "port=%s", escaped);
		if (fclose(out)) {
			free(format);
			format = NULL;
		}
	}
	free(escaped);
	if (format)
		path = mullion_client_path(format, cli->argv[0]);
	free(format);
	return path;
}

static int capture_write(int fd, const char *data, size_t len)
{
	while (len) {
		ssize_t n = write(fd, data, len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* Return: 0 when the network or the user has ended it, or negative errno. */
static int capture_copy(struct mullion_connection *stream, int out, int signals)
{
	int ret = capture_write(out, stream->buffer + stream->from, stream->to - stream->from);

	while (!ret) {
		struct pollfd fds[] = {
			{ .fd = stream->fd, .events = POLLIN },
			{ .fd = signals, .events = POLLIN },
			{ .fd = out },
		};
		ssize_t got;

		if (poll(fds, 3, -1) < 0)
			return errno == EINTR ? 0 : -errno;
		if (fds[1].revents)
			return 0;
		/* a reader that has gone shows only when there is something to write */
		if (fds[2].revents & POLLERR)
			return -EPIPE;
		if (!fds[0].revents)
			continue;
		got = recv(stream->fd, stream->buffer, sizeof(stream->buffer), 0);
		if (got <= 0)
			return got < 0 && errno != ECONNRESET ? -errno : 0;
		ret = capture_write(out, stream->buffer, (size_t)got);
	}
	return ret;
}

/* Return: the file that was asked for, NULL: standard output. */
static const char *capture_file(struct mullion_cli *cli)
{
	const char *file = mullion_cli_option(cli, 'w');

	return file && strcmp(file, "-") ? file : NULL;
}

/* What is in the file is lost now: the daemon has agreed. */
static int capture_open(const char *file)
{
	int fd;

	if (!file)
		return STDOUT_FILENO;
	fd = open(file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
	if (fd < 0)
		mullion_report_error("cannot write", file, NULL, "%s", strerror(errno));
	return fd;
}

/* Return: exit status. */
static int capture_run(struct mullion_cli *cli, struct mullion_connection *stream, int signals)
{
	const char *file = capture_file(cli);
	int out = capture_open(file);
	int ret;

	if (out < 0)
		return cli->failure;
	ret = capture_copy(stream, out, signals);
	if (ret == -EPIPE) {
		ret = 128 + SIGPIPE;
	} else if (ret) {
		mullion_report_error("cannot go on with the capture of", cli->argv[0],
				     NULL, "%s", strerror(-ret));
		ret = cli->failure;
	}
	if (file && close(out) < 0 && !ret) {
		mullion_report_error("cannot write", file, NULL, "%s", strerror(errno));
		ret = cli->failure;
	}
	return ret;
}

int mullion_cmd_network_capture(struct mullion_cli *cli)
{
	const char *snap = mullion_cli_option(cli, NETWORK_SNAP);
	struct mullion_request request = {
		.method = "GET", .upgrade = "mullion-stream", .cancel = -1,
	};
	struct mullion_connection *stream = NULL;
	char *path;
	uint64_t bytes;
	int signals, ret;

	if (snap && mullion_report_parse_number(snap, 1, INT32_MAX, &bytes))
		return mullion_cli_usage(cli, "`%s' is no number of bytes", snap);
	if (!capture_file(cli) && isatty(STDOUT_FILENO))
		return mullion_cli_usage(cli, "it would write a pcap file to this terminal; use -w FILE or a pipe");
	path = capture_path(cli);
	request.path = path;
	signals = mullion_terminal_signals();
	request.cancel = signals;
	ret = path && signals >= 0 ? mullion_client_upgrade(&request, &stream) : -ENOMEM;
	free(path);
	if (ret)
		ret = ret == -EINTR ? 0 : cli->failure;
	else
		ret = capture_run(cli, stream, signals);
	mullion_client_close(stream);
	if (signals >= 0)
		close(signals);
	return ret;
}
