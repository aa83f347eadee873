/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/definition.c - mullion define, undefine, definition list, definition show
 *
 * The daemon has the only parser of definitions; this reads files and sends
 * them.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

#define DEFINITION_MAX 65536

/* Return: length, or negative errno, reported. */
static ssize_t definition_read(const char *file, char *text)
{
	bool standard = !strcmp(file, "-");
	FILE *in = standard ? stdin : fopen(file, "re");
	size_t len;

	if (!in) {
		int ret = -errno;

		mullion_report_error("cannot read definition", file, NULL, "%s", strerror(-ret));
		return ret;
	}
	errno = 0;
	len = fread(text, 1, DEFINITION_MAX + 1, in);
	if (ferror(in)) {
		mullion_report_error("cannot read definition", file, NULL, "%s", strerror(errno));
		len = 0;
	} else if (len > DEFINITION_MAX) {
		mullion_report_error("cannot take definition", file, NULL, "more than %d bytes",
				     DEFINITION_MAX);
	}
	if (!standard)
		fclose(in);
	if (!len || len > DEFINITION_MAX) {
		if (!len && !errno)
			mullion_report_error("cannot take definition", file, NULL, "it is empty");
		return -EINVAL;
	}
	return len;
}

static int definition_put(const char *where, const char *file, const char *text, size_t len)
{
	char *full = !strcmp(file, "-") ? realpath(".", NULL) : realpath(file, NULL);
	char *with_name = NULL, *format = NULL, *path = NULL;
	struct mullion_request request = {
		.method = "PUT", .type = "text/plain", .body = text, .length = len, .cancel = -1,
	};
	int ret;

	/* For messages, which name FILE:LINE. */
	if (full && !strcmp(file, "-") && asprintf(&with_name, "%s/-", full) < 0)
		with_name = NULL;
	ret = asprintf(&format, "%s?file=%%s", where) < 0 ? -ENOMEM : 0;
	if (!ret) {
		path = mullion_client_path(format, with_name ? with_name : full ? full : file);
		request.path = path;
		ret = mullion_client_stream(&request);
		free(format);
	}
	free(path);
	free(with_name);
	free(full);
	return ret;
}

int mullion_definition_put(struct mullion_cli *cli, const char *path)
{
	char *text = malloc(DEFINITION_MAX + 1);
	int status = 0;

	if (!text)
		return cli->failure;
	for (int i = 0; i < cli->argc; i++) {
		ssize_t len = definition_read(cli->argv[i], text);

		if (len < 0 || definition_put(path, cli->argv[i], text, len))
			status = cli->failure;
	}
	free(text);
	return status;
}

int mullion_cmd_define(struct mullion_cli *cli)
{
	return mullion_definition_put(cli, "/v1/definitions");
}

int mullion_cmd_undefine(struct mullion_cli *cli)
{
	int status = 0;

	for (int i = 0; i < cli->argc; i++)
		if (mullion_client_call("DELETE",
					mullion_client_path("/v1/definitions/%s", cli->argv[i]),
					NULL, 0, -1, NULL))
			status = cli->failure;
	return status;
}

int mullion_cmd_definition_list(struct mullion_cli *cli)
{
	static const struct mullion_column columns[] = {
		{ "NAME", "name", MULLION_FORMAT_TEXT },
		{ "TYPE", "definition.type", MULLION_FORMAT_TEXT },
		{ "CPUS", "definition.cpus", MULLION_FORMAT_NUMBER },
		{ "MEMORY", "definition.memory", MULLION_FORMAT_BYTES },
		{ "FILE", "file", MULLION_FORMAT_TEXT },
	};
	json_t *answer;
	int ret;

	if (mullion_client_get("/v1/definitions", NULL, &answer))
		return cli->failure;
	ret = mullion_table_print("definitions", columns, sizeof(columns) / sizeof(*columns),
				  json_object_get(answer, "definitions"), cli->json, 0);
	json_decref(answer);
	return ret ? cli->failure : 0;
}

int mullion_cmd_definition_show(struct mullion_cli *cli)
{
	json_t *answer;
	const char *ini;

	if (mullion_client_get("/v1/definitions/%s", cli->argv[0], &answer))
		return cli->failure;
	if (cli->json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		ini = json_string_value(json_object_get(answer, "ini"));
		fputs(ini ? ini : "", stdout);
	}
	json_decref(answer);
	return 0;
}
