// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition_field.c - what definitions of all kinds share: values from
 *	text, and reading from JSON
 *
 * Both sources, JSON and INI, go through one table of fields and one function
 * that sets a field from text, so that they cannot differ in what they accept.
 * Whatever is not understood is an error that says where: a key that is ignored
 * would be an object that is not what its file says.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "definition.h"
#include "definition_field.h"

int definition_why_set(struct definition_why *why, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	vsnprintf(why->text, sizeof(why->text), format, ap);
	va_end(ap);
	return -EINVAL;
}

bool mullion_name_valid(const char *name)
{
	size_t i;

	if (!isalnum((unsigned char)name[0]))
		return false;
	for (i = 0; name[i]; i++)
		if (!isalnum((unsigned char)name[i]) && !strchr("_.-", name[i]))
			return false;
	return i <= MULLION_NAME_MAX;
}

int definition_set_name(char *name, const char *text, struct definition_why *why)
{
	if (!mullion_name_valid(text))
		return definition_why_set(why, "is \"%.70s\", not 1 to %d letters, digits, _ . - that start with a letter or digit",
					  text, MULLION_NAME_MAX);
	strcpy(name, text);
	return 0;
}

int definition_enum(const char *text, const char *const *names, struct definition_why *why)
{
	char known[120] = "";

	for (int i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	for (int i = 0; names[i]; i++) {
		size_t used = strlen(known);

		snprintf(known + used, sizeof(known) - used, "%s%s",
			 !i ? "" : names[i + 1] ? ", " : " or ", names[i]);
	}
	return definition_why_set(why, "is \"%.40s\", not %s", text, known);
}

int definition_number(const char *text, bool units, uint64_t min, uint64_t max,
			     uint64_t *ret, struct definition_why *why)
{
	static const char suffixes[] = "KMGT";
	unsigned long long value;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return definition_why_set(why, "is \"%.40s\", not a number%s", text,
			       units ? " such as 512M" : "");
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return definition_why_set(why, "is \"%.40s\", which is too large", text);
	if (units && *end && !end[1]) {
		unit = strchr(suffixes, toupper((unsigned char)*end));
		if (unit) {
			unsigned int shift = 10 * (unsigned int)(unit - suffixes + 1);

			if (value > max >> shift)
				return definition_why_set(why, "is \"%.40s\", which is too large", text);
			value <<= shift;
			end++;
		}
	}
	if (*end)
		return definition_why_set(why, "is \"%.40s\", not a number%s", text,
			       units ? " such as 512M" : "");
	if (value < min || value > max)
		return definition_why_set(why, units ? "is %llu, not within %lluM and %lluM" :
					  "is %llu, not within %llu and %llu", value,
					  (unsigned long long)(units ? min >> 20 : min),
					  (unsigned long long)(units ? max >> 20 : max));
	*ret = value;
	return 0;
}

int definition_path(char **ret, const char *text, const char *cwd, struct definition_why *why)
{
	char *path;

	if (!text[0])
		return definition_why_set(why, "is empty");
	if (*ret)
		return definition_why_set(why, "is given twice");
	if (text[0] != '/' && !cwd)
		return definition_why_set(why, "is \"%.200s\", not an absolute path", text);
	if (asprintf(&path, "%s%s%s", text[0] == '/' ? "" : cwd, text[0] == '/' ? "" : "/",
		     text) < 0)
		return -ENOMEM;
	if (strlen(path) >= PATH_MAX) {
		free(path);
		return definition_why_set(why, "is too long for a path");
	}
	*ret = path;
	return 0;
}

int definition_add(char **list, size_t max, size_t *ret_index, struct definition_why *why)
{
	size_t n;

	for (n = 0; list[n]; n++)
		;
	if (n == max)
		return definition_why_set(why, "is given more than %zu times", max);
	*ret_index = n;
	return 0;
}

int definition_text(char **ret, const char *text, size_t max, bool plain,
		    struct definition_why *why)
{
	size_t i;

	if (*ret)
		return definition_why_set(why, "is given twice");
	for (i = 0; text[i]; i++)
		if (plain && (unsigned char)text[i] < ' ')
			return definition_why_set(why, "holds a control character");
	if (i > max)
		return definition_why_set(why, "is longer than %zu bytes", max);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

json_t *definition_list(char *const *list)
{
	json_t *array = json_array();

	for (; *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

static int definition_json_value(const struct definition_schema *schema, void *def, int field,
				 json_t *value, const char *cwd, struct definition_why *why)
{
	int type = schema->fields[field].type;
	char text[64];

	switch (json_typeof(value)) {
	case JSON_STRING:
		if (type != JSON_STRING && type != JSON_ARRAY)
			return definition_why_set(why, "is a string, not a number");
		if (strlen(json_string_value(value)) != json_string_length(value))
			return definition_why_set(why, "holds a NUL character");
		return schema->set(def, field, json_string_value(value), cwd, why);
	case JSON_INTEGER:
		if (type != JSON_INTEGER && type != JSON_REAL)
			return definition_why_set(why, "is a number, not a string");
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
		return schema->set(def, field, text, cwd, why);
	case JSON_REAL:
		if (type != JSON_REAL)
			return definition_why_set(why, "is a fraction");
		snprintf(text, sizeof(text), "%.9g", json_real_value(value));
		return schema->set(def, field, text, cwd, why);
	default:
		return definition_why_set(why, "has a value of the wrong type");
	}
}

static int definition_json_field(const struct definition_schema *schema, void *def, int field,
				 json_t *value, const char *cwd, struct definition_why *why)
{
	json_t *item;
	size_t i;
	int r;

	if (schema->fields[field].type != JSON_ARRAY)
		return definition_json_value(schema, def, field, value, cwd, why);
	if (!json_is_array(value))
		return definition_why_set(why, "is not an array");
	json_array_foreach(value, i, item) {
		if (!json_is_string(item))
			return definition_why_set(why, "has an item that is not a string");
		r = definition_json_value(schema, def, field, item, cwd, why);
		if (r)
			return r;
	}
	return 0;
}

int definition_from_json(const struct definition_schema *schema, json_t *json, const char *cwd,
			 void **ret, struct mullion_error *err)
{
	const char *object = "request";
	struct definition_why why;
	const char *key;
	json_t *value;
	void *def;
	int field;
	int r;

	if (!json_is_object(json))
		return mullion_error_set(err, -EINVAL, "bad definition in", object, NULL,
					 "it is not a JSON object");
	def = schema->make();
	if (!def)
		return mullion_error_set(err, -ENOMEM, "bad definition in", object, NULL,
					 "out of memory");
	value = json_object_get(json, "name");
	if (json_is_string(value) && mullion_name_valid(json_string_value(value)))
		object = json_string_value(value);
	json_object_foreach(json, key, value) {
		for (field = 0; field < schema->count; field++)
			if (!strcmp(key, schema->fields[field].json))
				break;
		if (field == schema->count) {
			r = mullion_error_set(err, -EINVAL, "bad definition of", object, NULL,
					      "\"%.60s\" is not known", key);
			goto fail;
		}
		r = definition_json_field(schema, def, field, value, cwd, &why);
		if (r == -ENOMEM)
			definition_why_set(&why, "does not fit into memory");
		if (r) {
			mullion_error_set(err, r, "bad definition of", object, NULL, "%s %s", key,
					  why.text);
			goto fail;
		}
	}
	r = schema->check(def, &why);
	if (r) {
		mullion_error_set(err, r, "bad definition of", object, NULL, "%s", why.text);
		goto fail;
	}
	*ret = def;
	return 0;
fail:
	schema->release(def);
	return r;
}
