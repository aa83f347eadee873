/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/definition_field.h - what definitions of all kinds share, for
 *	*definition*.c only
 *
 * A kind of definition is a schema: a table of fields, and functions for its
 * values.  Reading INI and JSON and keeping files work on any schema.
 */
#ifndef MULLION_COMMAND_DEFINITION_FIELD_H
#define MULLION_COMMAND_DEFINITION_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <jansson.h>

#include "error.h"
#include "paths.h"

/**
 * struct definition_field - one field
 * @json, @ini: its names
 * @type: of JSON; arrays may be given any number of times
 */
struct definition_field {
	const char *json;
	const char *ini;
	int type;
};

/* Why a value was refused; the caller adds where. */
struct definition_why {
	char text[400];
};

/**
 * struct definition_schema - one kind of definition
 * @section: of its INI files: "Guest"
 * @thing: what one file defines: "guest"
 * @list: the command that lists them
 * @folder: of its files, within the state folder
 * @fields, @count: its fields; they are told apart by their index
 * @paths: bit mask of fields with paths that may be relative
 * @name_at: where in a definition its name is, an array of char
 * @make: one with default values, counted once; NULL when out of memory
 * @release: count it down
 * @set: set a field from text; 0, -EINVAL with @why filled in, or -ENOMEM
 * @check: what no single field can tell; 0 or -EINVAL
 * @describe: as JSON; new reference
 */
struct definition_schema {
	const char *section;
	const char *thing;
	const char *list;
	const char *folder;
	const struct definition_field *fields;
	int count;
	unsigned int paths;
	size_t name_at;
	void *(*make)(void);
	void (*release)(void *def);
	int (*set)(void *def, int field, const char *text, const char *cwd,
		   struct definition_why *why);
	int (*check)(const void *def, struct definition_why *why);
	json_t *(*describe)(const void *def);
};

extern const struct definition_schema definition_guest_schema;
extern const struct definition_schema definition_network_schema;

static inline const char *definition_name(const struct definition_schema *schema,
					  const void *def)
{
	return (const char *)def + schema->name_at;
}

/**
 * definition_why_set() - fill it in; returns -EINVAL
 */
int definition_why_set(struct definition_why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/*
 * Values from text.  All return 0, -EINVAL with @why filled in, or -ENOMEM; the
 * result is untouched on failure.  Those that allocate refuse a second value.
 *
 * definition_enum() - one of @names, which end with NULL; returns its index
 * definition_number() - a decimal number; with @units K, M, G, T as powers of 1024
 * definition_path() - a path, made absolute by @cwd
 * definition_text() - up to @max bytes; @plain: without control characters
 * definition_add() - where in a NULL-terminated list the next value goes
 */
int definition_enum(const char *text, const char *const *names, struct definition_why *why);
int definition_number(const char *text, bool units, uint64_t min, uint64_t max,
		      uint64_t *ret, struct definition_why *why);
int definition_path(char **ret, const char *text, const char *cwd, struct definition_why *why);
int definition_text(char **ret, const char *text, size_t max, bool plain,
		    struct definition_why *why);
int definition_set_name(char *name, const char *text, struct definition_why *why);
int definition_add(char **list, size_t max, size_t *ret_index, struct definition_why *why);

/**
 * definition_list() - a NULL-terminated list as JSON; new reference
 */
json_t *definition_list(char *const *list);

/*
 * Readers, for the schemas' public functions.  Return: 0 or negative errno with
 * @err filled in.
 *
 * definition_from_json() - an object; members that are not of the schema are an error
 * definition_from_ini(), definition_anchor() - as mullion_definition_from_ini() and
 *	mullion_definition_anchor()
 * definition_ini_is() - does the first section of the text have this schema's name?
 */
int definition_from_json(const struct definition_schema *schema, json_t *json, const char *cwd,
			 void **ret, struct mullion_error *err);
int definition_from_ini(const struct definition_schema *schema, const char *text, size_t bytes,
			const char *file, const char *cwd, void **ret, struct mullion_error *err);
int definition_anchor(const struct definition_schema *schema, const char *text, size_t bytes,
		      const char *file, void **ret, char **ret_text, struct mullion_error *err);
bool definition_ini_is(const struct definition_schema *schema, const char *text, size_t bytes);

/* Files, likewise. */
int definition_save(const struct definition_schema *schema, const struct mullion_paths *paths,
		    const void *def, const char *text, size_t bytes, char path[static PATH_MAX],
		    struct mullion_error *err);
int definition_load(const struct definition_schema *schema, const struct mullion_paths *paths,
		    const char *name, void **ret, char **ret_text, char path[static PATH_MAX],
		    struct mullion_error *err);
int definition_remove(const struct definition_schema *schema, const struct mullion_paths *paths,
		      const char *name, struct mullion_error *err);
int definition_names(const struct definition_schema *schema, const struct mullion_paths *paths,
		     char ***ret);

#endif /* MULLION_COMMAND_DEFINITION_FIELD_H */
