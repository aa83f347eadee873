/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/table.h - tables, for people and as JSON
 */
#ifndef MULLION_CLI_TABLE_H
#define MULLION_CLI_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

enum mullion_format {
	MULLION_FORMAT_TEXT,
	MULLION_FORMAT_NUMBER,
	MULLION_FORMAT_BYTES,	/* "512M"; a number in JSON */
	MULLION_FORMAT_BOOL,
	MULLION_FORMAT_SINCE,	/* seconds since 1970, shown as how long ago */
	MULLION_FORMAT_STATE,	/* text, coloured */
	MULLION_FORMAT_COUNT,	/* how many members an array has */
};

/**
 * struct mullion_column - one column
 * @title: heading; in lower case the name in JSON
 * @key: member of the row, "a.b" for a member of a member
 * @format: how to show it
 */
struct mullion_column {
	const char *title;
	const char *key;
	enum mullion_format format;
};

/**
 * mullion_table_print() - print rows on standard output
 * @name: of the array in JSON
 * @columns, @count: what to print
 * @rows: an array of objects; missing members are left empty
 * @json: print JSON
 * @indent: blanks before each line of text
 *
 * Return: 0 or negative errno, reported.
 */
int mullion_table_print(const char *name, const struct mullion_column *columns, size_t count,
			json_t *rows, bool json, int indent);

/* The member @key ("a.b") of @object, or NULL. */
json_t *mullion_table_member(json_t *object, const char *key);

/* Text of @value, allocated; NULL if there is none. */
char *mullion_table_text(json_t *value, enum mullion_format format, bool json);

/* Colour name for a state, NULL for the usual. */
const char *mullion_table_state_colour(const char *state);

#endif
