/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/table.c - tables, for people and as JSON, through libsmartcols
 *
 * Rows are what the API answered.  libsmartcols makes control characters
 * harmless, so a guest's texts cannot steer the terminal.
 */
#include "table.h"

#include <errno.h>
#include <inttypes.h>
#include <libsmartcols/libsmartcols.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "report.h"

json_t *mullion_table_member(json_t *object, const char *key)
{
	const char *dot;

	while ((dot = strchr(key, '.'))) {
		char part[64];

		if ((size_t)(dot - key) >= sizeof(part))
			return NULL;
		memcpy(part, key, dot - key);
		part[dot - key] = '\0';
		object = json_object_get(object, part);
		key = dot + 1;
	}
	return json_object_get(object, key);
}

static char *table_text_number(json_t *value, enum mullion_format format, bool json)
{
	double number = json_number_value(value);
	char text[MULLION_SIZE_TEXT];
	char *out;

	if (!json && format == MULLION_FORMAT_BYTES && number >= 0)
		return strdup(mullion_report_size(json_integer_value(value), text));
	if (!json && format == MULLION_FORMAT_SINCE) {
		number = time(NULL) - number;
		return strdup(mullion_report_duration(number > 0 ? number : 0, text));
	}
	if (json_is_integer(value)) {
		if (asprintf(&out, "%" JSON_INTEGER_FORMAT, json_integer_value(value)) < 0)
			return NULL;
		return out;
	}
	if (!json && number == (double)(json_int_t)number)
		return asprintf(&out, "%.0f", number) < 0 ? NULL : out;
	return asprintf(&out, json ? "%.6f" : "%.1f", number) < 0 ? NULL : out;
}

char *mullion_table_text(json_t *value, enum mullion_format format, bool json)
{
	char *out;

	if (json_is_string(value))
		return strdup(json_string_value(value));
	if (json_is_boolean(value)) {
		if (json)
			return strdup(json_is_true(value) ? "1" : "0");
		return strdup(json_is_true(value) ? "yes" : "no");
	}
	if (json_is_number(value))
		return table_text_number(value, format, json);
	if (format == MULLION_FORMAT_COUNT && json_is_array(value))
		return asprintf(&out, "%zu", json_array_size(value)) < 0 ? NULL : out;
	return NULL;
}

const char *mullion_table_state_colour(const char *state)
{
	static const struct {
		const char *state;
		const char *colour;
	} colours[] = {
		{ "online", "green" }, { "running", "green" }, { "ok", "green" },
		{ "serving", "green" },
		{ "booting", "yellow" }, { "shutting_down", "yellow" }, { "resetting", "yellow" },
		{ "paused", "yellow" }, { "warn", "yellow" },
		{ "crashed", "red" }, { "faulted", "red" }, { "failed", "red" }, { "fail", "red" },
	};

	for (size_t i = 0; i < sizeof(colours) / sizeof(*colours); i++)
		if (!strcmp(state, colours[i].state))
			return colours[i].colour;
	return NULL;
}

static int table_json_type(enum mullion_format format)
{
	switch (format) {
	case MULLION_FORMAT_BOOL:
		return SCOLS_JSON_BOOLEAN;
	case MULLION_FORMAT_NUMBER:
	case MULLION_FORMAT_BYTES:
	case MULLION_FORMAT_SINCE:
	case MULLION_FORMAT_COUNT:
		return SCOLS_JSON_NUMBER;
	default:
		return SCOLS_JSON_STRING;
	}
}

static int table_fill(struct libscols_table *table, const struct mullion_column *columns,
		      size_t count, json_t *rows, bool json)
{
	size_t row;
	json_t *object;

	for (size_t i = 0; i < count; i++) {
		int type = table_json_type(columns[i].format);
		struct libscols_column *column;

		column = scols_table_new_column(table, columns[i].title, 0,
						type == SCOLS_JSON_NUMBER ? SCOLS_FL_RIGHT : 0);
		if (!column || scols_column_set_json_type(column, type))
			return -ENOMEM;
	}
	json_array_foreach(rows, row, object) {
		struct libscols_line *line = scols_table_new_line(table, NULL);

		if (!line)
			return -ENOMEM;
		for (size_t i = 0; i < count; i++) {
			char *text = mullion_table_text(mullion_table_member(object, columns[i].key),
							columns[i].format, json);

			if (!text)
				continue;
			if (columns[i].format == MULLION_FORMAT_STATE && !json)
				scols_cell_set_color(scols_line_get_cell(line, i),
						     mullion_table_state_colour(text));
			if (scols_line_refer_data(line, i, text)) {
				free(text);
				return -ENOMEM;
			}
		}
	}
	return 0;
}

int mullion_table_print(const char *name, const struct mullion_column *columns, size_t count,
			json_t *rows, bool json, int indent)
{
	struct libscols_table *table = scols_new_table();
	char *text = NULL;
	int ret = -ENOMEM;

	if (!table)
		goto out;
	scols_table_set_name(table, name);
	scols_table_enable_json(table, json);
	scols_table_enable_colors(table, !json && mullion_report_colours());
	ret = table_fill(table, columns, count, rows, json);
	if (ret)
		goto out;
	/* libsmartcols prints nothing at all then. */
	if (!json_array_size(rows)) {
		if (json)
			printf("{\"%s\": []}", name);
		for (size_t i = 0; i < count && !json; i++)
			printf("%s%s", i ? " " : "", columns[i].title);
		putchar('\n');
		goto out;
	}
	if (!indent) {
		ret = scols_print_table(table);
		goto out;
	}
	ret = scols_print_table_to_string(table, &text);
	for (char *line = text, *end; !ret && line && *line; line = end) {
		end = strchrnul(line, '\n');
		printf("%*s%.*s\n", indent, "", (int)(end - line), line);
		if (*end)
			end++;
	}
out:
	free(text);
	scols_unref_table(table);
	if (ret)
		mullion_report_error("cannot print the table of", name, NULL, "%s", strerror(-ret));
	return ret;
}
