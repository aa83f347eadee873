/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/show.c - mullion show: everything about a guest or a service
 *
 * The API's answer is printed as it is, member by member: what the daemon
 * learns to tell is shown without a change here.  Members that are objects
 * become sections, arrays of objects become tables.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

enum { SHOW_ACCESS = MULLION_OPTION_LONG };

const struct mullion_option mullion_show_options[] = {
	{ .id = SHOW_ACCESS, .name = "access", .help = "what the service processes can see" },
	{ 0 },
};

#define SHOW_COLUMNS_MAX 24
#define SHOW_DEPTH_MAX 8

static bool show_ends_with(const char *key, const char *end)
{
	size_t len = strlen(key), end_len = strlen(end);

	return len >= end_len && !strcmp(key + len - end_len, end);
}

static enum mullion_format show_format(const char *key, const json_t *value)
{
	if (!strcmp(key, "started"))
		return MULLION_FORMAT_SINCE;
	if (!strcmp(key, "state"))
		return MULLION_FORMAT_STATE;
	if (!strcmp(key, "memory") || show_ends_with(key, "bytes"))
		return MULLION_FORMAT_BYTES;
	if (json_is_number(value))
		return MULLION_FORMAT_NUMBER;
	return json_is_array(value) ? MULLION_FORMAT_COUNT : MULLION_FORMAT_TEXT;
}

static bool show_is_section(const json_t *value)
{
	size_t i;
	json_t *member;

	if (json_is_object(value))
		return json_object_size(value);
	json_array_foreach(value, i, member)
		if (json_is_object(member))
			return true;
	return false;
}

/* Members of an array in one line. */
static char *show_join(json_t *array)
{
	size_t i, len = 0;
	json_t *member;
	char *joined = NULL;
	FILE *out = open_memstream(&joined, &len);

	if (!out)
		return NULL;
	json_array_foreach(array, i, member) {
		char *text = mullion_table_text(member, MULLION_FORMAT_NUMBER, false);

		fprintf(out, "%s%s", i ? " " : "", text ? text : "");
		free(text);
	}
	if (fclose(out)) {
		free(joined);
		return NULL;
	}
	return joined;
}

static void show_scalars(json_t *object, int indent)
{
	const char *key;
	json_t *value;
	int width = 0;

	json_object_foreach(object, key, value)
		if (!show_is_section(value) && (int)strlen(key) > width)
			width = strlen(key);
	json_object_foreach(object, key, value) {
		char *text;

		if (show_is_section(value))
			continue;
		if (json_is_array(value))
			text = show_join(value);
		else
			text = mullion_table_text(value, show_format(key, value), false);
		/* null, "", {} and [] tell a person nothing. */
		if (text && *text) {
			mullion_report_clean(text);
			printf("%*s%-*s  %s%s\n", indent, "", width, key, text,
			       show_format(key, value) == MULLION_FORMAT_SINCE ? " ago" : "");
		}
		free(text);
	}
}

/* The rows' members, in the order in which they first appear. */
static size_t show_columns(json_t *rows, struct mullion_column *columns, char titles[][64])
{
	size_t count = 0, i, known;
	json_t *row, *value;
	const char *key;

	json_array_foreach(rows, i, row) {
		json_object_foreach(row, key, value) {
			if (json_is_null(value) || json_is_object(value) || strlen(key) >= 64 ||
			    (json_is_string(value) && !json_string_length(value)))
				continue;
			for (known = 0; known < count; known++)
				if (!strcmp(columns[known].key, key))
					break;
			if (known < count || count == SHOW_COLUMNS_MAX)
				continue;
			strcpy(titles[count], key);
			for (char *c = titles[count]; *c; c++)
				if (*c >= 'a' && *c <= 'z')
					*c -= 32;
			columns[count] = (struct mullion_column){ titles[count], key,
								  show_format(key, value) };
			count++;
		}
	}
	return count;
}

static void show_object(json_t *object, int indent, int depth);

static void show_array(json_t *rows, int indent, int depth)
{
	struct mullion_column columns[SHOW_COLUMNS_MAX];
	char titles[SHOW_COLUMNS_MAX][64];
	size_t count = show_columns(rows, columns, titles), i;
	json_t *row, *value;
	const char *key;

	if (count)
		mullion_table_print("rows", columns, count, rows, false, indent);
	/* What does not fit into a table, under the row's name, address or number. */
	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));

		if (!name)
			name = json_string_value(json_object_get(row, "mac"));
		json_object_foreach(row, key, value) {
			char label[80];

			if (!show_is_section(value))
				continue;
			if (name)
				snprintf(label, sizeof(label), "%s", name);
			else
				snprintf(label, sizeof(label), "%zu", i);
			mullion_report_clean(label);
			printf("%*s%s %s:\n", indent, "", label, key);
			if (json_is_array(value))
				show_array(value, indent + 2, depth + 1);
			else
				show_object(value, indent + 2, depth + 1);
		}
	}
}

static void show_object(json_t *object, int indent, int depth)
{
	const char *key;
	json_t *value;

	if (depth > SHOW_DEPTH_MAX)
		return;
	show_scalars(object, indent);
	json_object_foreach(object, key, value) {
		if (!show_is_section(value))
			continue;
		if (!depth)
			putchar('\n');
		printf("%*s%s:\n", indent, "", key);
		if (json_is_array(value))
			show_array(value, indent + 2, depth + 1);
		else
			show_object(value, indent + 2, depth + 1);
	}
}

void mullion_show_print(json_t *answer, bool json)
{
	if (json) {
		json_dumpf(answer, stdout, JSON_INDENT(2));
		putchar('\n');
	} else {
		show_object(answer, 0, 0);
	}
}

/* The row of @rows that has the same @keys as @row, or NULL. */
static json_t *show_find_alike(json_t *rows, json_t *row, const char *const *keys)
{
	json_t *known;
	size_t i;

	json_array_foreach(rows, i, known) {
		const char *const *key = keys;

		while (*key && (json_object_get(row, *key) == json_object_get(known, *key) ||
				json_equal(json_object_get(row, *key),
					   json_object_get(known, *key))))
			key++;
		if (!*key)
			return known;
	}
	return NULL;
}

/* "6" and 7: "6-7"; "6-7" and 8: "6-8"; otherwise with a blank between. */
static void show_add_number(json_t *row, const char *key, json_int_t last, json_int_t number)
{
	const char *text = json_string_value(json_object_get(row, key));
	const char *cut = text ? text + strlen(text) : NULL;
	json_t *joined;

	if (!text)
		return;
	while (cut > text && cut[-1] != '-' && cut[-1] != ' ')
		cut--;
	if (number != last + 1)
		joined = json_sprintf("%s %" JSON_INTEGER_FORMAT, text, number);
	else if (cut > text && cut[-1] == '-')
		joined = json_sprintf("%.*s%" JSON_INTEGER_FORMAT, (int)(cut - text), text, number);
	else
		joined = json_sprintf("%s-%" JSON_INTEGER_FORMAT, text, number);
	json_object_set_new(row, key, joined);
}

/* A process has many event descriptors: one row for those that are alike. */
static json_t *show_merge_descriptors(json_t *rows)
{
	static const char *const keys[] = { "target", "mode", "note", NULL };
	json_t *merged = json_array(), *row, *known;
	size_t i;

	json_array_foreach(rows, i, row) {
		json_int_t fd = json_integer_value(json_object_get(row, "fd"));

		known = show_find_alike(merged, row, keys);
		if (!known) {
			known = json_copy(row);
			json_object_set_new(known, "fd", json_sprintf("%" JSON_INTEGER_FORMAT, fd));
			json_array_append_new(merged, known);
		} else {
			show_add_number(known, "fd",
					json_integer_value(json_object_get(known, "last")), fd);
		}
		json_object_set_new(known, "last", json_integer(fd));
	}
	json_array_foreach(merged, i, known)
		json_object_del(known, "last");
	return merged;
}

/* A library is mapped in pieces: one row for each file. */
static json_t *show_merge_maps(json_t *rows)
{
	static const char *const keys[] = { "target", NULL };
	json_t *merged = json_array(), *row, *known;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *mode = json_string_value(json_object_get(row, "mode")), *modes;

		known = show_find_alike(merged, row, keys);
		if (!known) {
			json_array_append_new(merged, json_copy(row));
			continue;
		}
		modes = json_string_value(json_object_get(known, "mode"));
		if (mode && modes && !strstr(modes, mode))
			json_object_set_new(known, "mode", json_sprintf("%s %s", modes, mode));
		json_object_set_new(known, "bytes", json_integer(
			json_integer_value(json_object_get(known, "bytes")) +
			json_integer_value(json_object_get(row, "bytes"))));
	}
	return merged;
}

static void show_access_text(json_t *access)
{
	json_t *descriptors = json_object_get(access, "descriptors");
	json_t *maps = json_object_get(access, "mapped_files");

	if (json_is_array(descriptors))
		json_object_set_new(access, "descriptors", show_merge_descriptors(descriptors));
	if (json_is_array(maps))
		json_object_set_new(access, "mapped_files", show_merge_maps(maps));
	show_object(access, 0, 0);
}

/* What @service can see, appended to @list. */
static int show_access(const char *service, json_t *list)
{
	json_t *access;

	if (mullion_client_get("/v1/services/%s/access", service, &access))
		return -1;
	return json_array_append_new(list, access);
}

/* @name is a service, or a guest and then all its services are meant. */
static int show_all_access(struct mullion_cli *cli, const char *name, json_t *guest)
{
	json_t *list = json_array(), *service, *answer;
	size_t i;
	int failed = 0;

	if (!guest)
		failed = show_access(name, list);
	json_array_foreach(json_object_get(guest, "services"), i, service) {
		const char *own = json_string_value(json_object_get(service, "name"));

		if (own && show_access(own, list))
			failed = -1;
	}
	if (cli->json) {
		answer = json_pack("{s:O}", "services", list);
		mullion_show_print(answer, true);
		json_decref(answer);
	} else {
		json_array_foreach(list, i, service) {
			if (i)
				putchar('\n');
			show_access_text(service);
		}
		if (!json_array_size(list) && !failed)
			mullion_report_error("nothing to show for guest", name, "start it",
					     "it has no service process now");
	}
	json_decref(list);
	return failed ? cli->failure : 0;
}

int mullion_cmd_show(struct mullion_cli *cli)
{
	const char *name = cli->argv[0];
	bool access = mullion_cli_option(cli, SHOW_ACCESS);
	json_t *guest = NULL, *service = NULL;
	int ret, status = 0;

	/* Guests and services have names of their own; try the service quietly first. */
	ret = mullion_client_call("GET", mullion_client_path("/v1/services/%s", name), NULL,
				  MULLION_CLIENT_MAY_MISS, -1, &service);
	if (ret == -ENOENT)
		ret = mullion_client_get("/v1/guests/%s", name, &guest);
	if (ret)
		return cli->failure;
	if (access)
		status = show_all_access(cli, name, guest);
	else
		mullion_show_print(guest ? guest : service, cli->json);
	json_decref(guest);
	json_decref(service);
	return status;
}
