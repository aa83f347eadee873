/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/logs.c - mullion logs, mullion events
 */
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"

const struct mullion_option mullion_logs_options[] = {
	{ .id = 'f', .name = "follow", .help = "go on until the guest has stopped" },
	{ .id = 'n', .name = "lines", .arg = "N", .help = "only the last lines" },
	{ 0 },
};

const struct mullion_option mullion_events_options[] = {
	{ .id = 'f', .name = "follow", .help = "go on with what comes" },
	{ 0 },
};

/* A log holds what a guest printed; files and pipes get it as it is, terminals do not. */
static int logs_take(void *arg, const char *data, size_t len)
{
	struct mullion_filter *filter = arg;
	char piece[4096];

	while (len) {
		size_t bytes = len < sizeof(piece) ? len : sizeof(piece);
		size_t out = bytes;

		memcpy(piece, data, bytes);
		if (isatty(STDOUT_FILENO))
			out = mullion_report_filter(filter, piece, bytes);
		if (fwrite(piece, 1, out, stdout) != out)
			return -ECANCELED;
		data += bytes;
		len -= bytes;
	}
	return fflush(stdout) ? -ECANCELED : 0;
}

/* A reader that has seen enough (`| head`) is no failure worth a message. */
static int logs_stream(struct mullion_cli *cli, char *path,
		       int (*take)(void *arg, const char *data, size_t len), void *arg)
{
	struct mullion_request request = {
		.method = "GET", .path = path, .cancel = -1, .take = take, .arg = arg,
	};
	int ret = mullion_client_stream(&request);

	free(path);
	if (ret == -ECANCELED)
		return 128 + SIGPIPE;
	return ret ? cli->failure : 0;
}

int mullion_cmd_logs(struct mullion_cli *cli)
{
	const char *lines = mullion_cli_option(cli, 'n');
	struct mullion_filter filter = { 0 };
	char *format;
	uint64_t count = 0;
	int status;

	if (lines && mullion_report_parse_number(lines, 0, 1000000000, &count))
		return mullion_cli_usage(cli, "`%s' is no number of lines", lines);
	if (asprintf(&format, "/v1/guests/%%s/logs?follow=%d", !!mullion_cli_option(cli, 'f')) < 0)
		return cli->failure;
	if (lines) {
		char *more;

		if (asprintf(&more, "%s&lines=%" PRIu64, format, count) < 0) {
			free(format);
			return cli->failure;
		}
		free(format);
		format = more;
	}
	status = logs_stream(cli, mullion_client_path(format, cli->argv[0]), logs_take,
			     &filter);
	free(format);
	return status;
}

/* Events come as lines of JSON; pieces of the body end anywhere. */
struct logs_lines {
	bool json;
	size_t len;
	char line[65536];
};

static int logs_event(const struct logs_lines *lines)
{
	const char *object, *kind, *message;
	json_t *event;
	char *text, when[32] = "";
	time_t time;
	struct tm tm;

	if (lines->json)
		return printf("%s\n", lines->line) < 0 || fflush(stdout) ? -ECANCELED : 0;
	event = json_loads(lines->line, 0, NULL);
	if (!event)
		return -EPROTO;
	time = json_number_value(json_object_get(event, "time"));
	if (localtime_r(&time, &tm))
		strftime(when, sizeof(when), "%F %T", &tm);
	object = json_string_value(json_object_get(event, "object"));
	kind = json_string_value(json_object_get(event, "kind"));
	message = json_string_value(json_object_get(event, "message"));
	if (asprintf(&text, "%s  %s  %s%s%s", when, object ? object : "-", kind ? kind : "-",
		     message && *message ? ": " : "", message ? message : "") < 0)
		text = NULL;
	json_decref(event);
	if (!text)
		return -ENOMEM;
	mullion_report_clean(text);
	puts(text);
	free(text);
	return fflush(stdout) ? -ECANCELED : 0;
}

static int logs_events_take(void *arg, const char *data, size_t len)
{
	struct logs_lines *lines = arg;
	int ret;

	for (size_t i = 0; i < len; i++) {
		if (data[i] != '\n') {
			if (lines->len == sizeof(lines->line) - 1)
				return -E2BIG;
			lines->line[lines->len++] = data[i];
			continue;
		}
		lines->line[lines->len] = '\0';
		ret = lines->len ? logs_event(lines) : 0;
		lines->len = 0;
		if (ret)
			return ret;
	}
	return 0;
}

int mullion_cmd_events(struct mullion_cli *cli)
{
	struct logs_lines *lines = calloc(1, sizeof(*lines));
	int status;

	if (!lines)
		return cli->failure;
	lines->json = cli->json;
	status = logs_stream(cli, strdup(mullion_cli_option(cli, 'f') ? "/v1/events?follow=1"
								     : "/v1/events?follow=0"),
			     logs_events_take, lines);
	free(lines);
	return status;
}
