// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition.c - definitions: their fields, from JSON, to JSON
 *
 * Both sources, JSON and INI, go through one table of fields and one function that sets a
 * field from text, so that they cannot differ in what they accept.  Whatever
 * is not understood is an error that says where: a key that is ignored would
 * be a guest that is not what its file says.
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition_field.h"
#include "spec.h"

#define DEFINITION_MEMORY_MIN	(64ULL << 20)
#define DEFINITION_MEMORY_MAX	(16ULL << 40)
#define DEFINITION_CPUS_MAX	255
#define DEFINITION_APPEND_MAX	1024
#define DEFINITION_ARG_MAX	65536
#define DEFINITION_TIMEOUT_MAX	(365.0 * 86400)

const struct definition_field definition_fields[FIELDS] = {
	[FIELD_NAME] =		{ "name",	"Name",		JSON_STRING },
	[FIELD_TYPE] =		{ "type",	"Type",		JSON_STRING },
	[FIELD_MEMORY] =	{ "memory",	"Memory",	JSON_INTEGER },
	[FIELD_CPUS] =		{ "cpus",	"CPUs",		JSON_INTEGER },
	[FIELD_ACCEL] =		{ "accel",	"Accel",	JSON_STRING },
	[FIELD_MACHINE] =	{ "machine",	"Machine",	JSON_STRING },
	[FIELD_KERNEL] =	{ "kernel",	"Kernel",	JSON_STRING },
	[FIELD_INITRD] =	{ "initrd",	"Initrd",	JSON_STRING },
	[FIELD_APPEND] =	{ "append",	"Append",	JSON_STRING },
	[FIELD_ROOT] =		{ "root",	"Root",		JSON_STRING },
	[FIELD_DISK] =		{ "disks",	"Disk",		JSON_ARRAY },
	[FIELD_COMMAND] =	{ "command",	"Command",	JSON_ARRAY },
	[FIELD_TIMEOUT] =	{ "timeout",	"Timeout",	JSON_REAL },
};

static const char * const accel_names[] = { "auto", "kvm", "tcg", NULL };
static const char * const machine_names[] = { "pc", "q35", NULL };
static const char * const type_names[] = { "vm", "process", NULL };

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

struct mullion_definition *definition_new(void)
{
	struct mullion_definition *def = calloc(1, sizeof(*def));

	if (!def)
		return NULL;
	def->refs = 1;
	def->memory = 512ULL << 20;
	def->cpus = 1;
	return def;
}

struct mullion_definition *mullion_definition_ref(struct mullion_definition *def)
{
	def->refs++;
	return def;
}

struct mullion_definition *mullion_definition_unref(struct mullion_definition *def)
{
	size_t i;

	if (!def || --def->refs)
		return NULL;
	free(def->kernel);
	free(def->initrd);
	free(def->append);
	free(def->root);
	for (i = 0; def->disks[i]; i++)
		free(def->disks[i]);
	for (i = 0; def->command[i]; i++)
		free(def->command[i]);
	free(def);
	return NULL;
}

static int definition_enum(const char *text, const char * const *names, struct definition_why *why)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	if (names[2])
		return definition_why_set(why, "is \"%.40s\", not %s, %s or %s", text, names[0], names[1],
			       names[2]);
	return definition_why_set(why, "is \"%.40s\", not %s or %s", text, names[0], names[1]);
}

static int definition_number(const char *text, bool units, uint64_t min, uint64_t max,
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

static int definition_path(char **ret, const char *text, const char *cwd, struct definition_why *why)
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

/* A comma in a SPEC is written twice. */
static size_t definition_double_comma(char *to, char c)
{
	to[0] = to[1] = c;
	return c == ',' ? 2 : 1;
}

static size_t definition_percent(char *to, char c)
{
	if (isalnum((unsigned char)c) || strchr("/._-~", c)) {
		*to = c;
		return 1;
	}
	return (size_t)sprintf(to, "%%%02X", (unsigned char)c);
}

/* @text with @cwd and a slash put in at @at, each byte of @cwd as @escape writes it. */
static char *definition_join(const char *text, size_t at, const char *cwd,
			     size_t (*escape)(char *to, char c))
{
	char *out = malloc(3 * strlen(cwd) + strlen(text) + 2);
	char *p = out;

	if (!out)
		return NULL;
	memcpy(p, text, at);
	p += at;
	for (; *cwd; cwd++)
		p += escape(p, *cwd);
	*p++ = '/';
	strcpy(p, text + at);
	return out;
}

/* The socket of an NBD URI is a path as well; the parser has seen that there is one. */
static char *definition_nbd(const char *text, const char *cwd)
{
	const char *socket = strstr(text, "socket=") + strlen("socket=");

	if (!cwd || *socket == '/' || !strncasecmp(socket, "%2f", 3))
		return strdup(text);
	return definition_join(text, (size_t)(socket - text), cwd, definition_percent);
}

/* A SPEC whose path is made absolute. */
static int definition_spec(char **ret, const char *text, const char *cwd, struct definition_why *why)
{
	struct mullion_spec *spec;
	struct mullion_error err;
	char *out;
	int r;

	if (*ret)
		return definition_why_set(why, "is given twice");
	spec = malloc(sizeof(*spec));
	if (!spec)
		return -ENOMEM;
	r = mullion_spec_parse(spec, text, cwd, &err);
	if (r) {
		free(spec);
		return definition_why_set(why, "is \"%.120s\": %.250s", text, err.why);
	}
	if (spec->store == MULLION_STORE_FILE && text[0] != '/')
		out = definition_join(text, 0, cwd, definition_double_comma);
	else if (spec->store == MULLION_STORE_NBD && spec->path[0])
		out = definition_nbd(text, cwd);
	else
		out = strdup(text);
	free(spec);
	if (!out)
		return -ENOMEM;
	*ret = out;
	return 0;
}

static int definition_add(char **list, size_t max, size_t *ret_index, struct definition_why *why)
{
	size_t n;

	for (n = 0; list[n]; n++)
		;
	if (n == max)
		return definition_why_set(why, "is given more than %zu times", max);
	*ret_index = n;
	return 0;
}

static int definition_text(char **ret, const char *text, size_t max, struct definition_why *why)
{
	size_t i;

	if (*ret)
		return definition_why_set(why, "is given twice");
	for (i = 0; text[i]; i++)
		if (max == DEFINITION_APPEND_MAX && (unsigned char)text[i] < ' ')
			return definition_why_set(why, "holds a control character");
	if (i > max)
		return definition_why_set(why, "is longer than %zu bytes", max);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int definition_seconds(double *ret, const char *text, struct definition_why *why)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0 && value <= DEFINITION_TIMEOUT_MAX))
		return definition_why_set(why, "is \"%.40s\", not a number of seconds", text);
	*ret = value;
	return 0;
}

int definition_set(struct mullion_definition *def, enum definition_field_kind kind,
		   const char *text, const char *cwd, struct definition_why *why)
{
	uint64_t number;
	size_t at = 0;
	int r;

	switch (kind) {
	case FIELD_NAME:
		if (!mullion_name_valid(text))
			return definition_why_set(why, "is \"%.70s\", not 1 to %d letters, digits, _ . - that start with a letter or digit",
				       text, MULLION_NAME_MAX);
		strcpy(def->name, text);
		return 0;
	case FIELD_TYPE:
		r = definition_enum(text, type_names, why);
		def->process = r == 1;
		return r < 0 ? r : 0;
	case FIELD_MACHINE:
		r = definition_enum(text, machine_names, why);
		def->q35 = r == 1;
		return r < 0 ? r : 0;
	case FIELD_ACCEL:
		r = definition_enum(text, accel_names, why);
		if (r >= 0)
			def->accel = (enum mullion_accel)r;
		return r < 0 ? r : 0;
	case FIELD_MEMORY:
		r = definition_number(text, true, DEFINITION_MEMORY_MIN, DEFINITION_MEMORY_MAX,
				      &def->memory, why);
		if (!r && def->memory % (1U << 20))
			return definition_why_set(why, "is %llu, not a multiple of 1 MiB",
				       (unsigned long long)def->memory);
		return r;
	case FIELD_CPUS:
		r = definition_number(text, false, 1, DEFINITION_CPUS_MAX, &number, why);
		if (!r)
			def->cpus = (unsigned int)number;
		return r;
	case FIELD_KERNEL:
		return definition_path(&def->kernel, text, cwd, why);
	case FIELD_INITRD:
		return definition_path(&def->initrd, text, cwd, why);
	case FIELD_APPEND:
		return definition_text(&def->append, text, DEFINITION_APPEND_MAX, why);
	case FIELD_ROOT:
		return definition_spec(&def->root, text, cwd, why);
	case FIELD_DISK:
		r = definition_add(def->disks, MULLION_DISKS_MAX, &at, why);
		return r ? r : definition_spec(&def->disks[at], text, cwd, why);
	case FIELD_COMMAND:
		r = definition_add(def->command, MULLION_ARGS_MAX, &at, why);
		return r ? r : definition_text(&def->command[at], text, DEFINITION_ARG_MAX, why);
	case FIELD_TIMEOUT:
		return definition_seconds(&def->timeout, text, why);
	default:
		return -EINVAL;
	}
}

int definition_check(const struct mullion_definition *def, struct definition_why *why)
{
	if (!def->name[0])
		return definition_why_set(why, "the name is missing");
	if (def->process && (def->kernel || def->initrd || def->append || def->root ||
			     def->command[0]))
		return definition_why_set(why, "a guest of type process has no kernel, initrd, append, root or command");
	if (def->initrd && !def->kernel)
		return definition_why_set(why, "initrd is given without kernel");
	return 0;
}

static int definition_json_value(struct mullion_definition *def, enum definition_field_kind kind,
				 json_t *value, const char *cwd, struct definition_why *why)
{
	char text[64];

	switch (json_typeof(value)) {
	case JSON_STRING:
		if (definition_fields[kind].type != JSON_STRING && definition_fields[kind].type != JSON_ARRAY)
			return definition_why_set(why, "is a string, not a number");
		if (strlen(json_string_value(value)) != json_string_length(value))
			return definition_why_set(why, "holds a NUL character");
		return definition_set(def, kind, json_string_value(value), cwd, why);
	case JSON_INTEGER:
		if (definition_fields[kind].type != JSON_INTEGER && definition_fields[kind].type != JSON_REAL)
			return definition_why_set(why, "is a number, not a string");
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
		return definition_set(def, kind, text, cwd, why);
	case JSON_REAL:
		if (definition_fields[kind].type != JSON_REAL)
			return definition_why_set(why, "is a fraction");
		snprintf(text, sizeof(text), "%.9g", json_real_value(value));
		return definition_set(def, kind, text, cwd, why);
	default:
		return definition_why_set(why, "has a value of the wrong type");
	}
}

static int definition_json_field(struct mullion_definition *def, enum definition_field_kind kind,
				 json_t *value, const char *cwd, struct definition_why *why)
{
	json_t *item;
	size_t i;
	int r;

	if (definition_fields[kind].type != JSON_ARRAY)
		return definition_json_value(def, kind, value, cwd, why);
	if (!json_is_array(value))
		return definition_why_set(why, "is not an array");
	json_array_foreach(value, i, item) {
		if (!json_is_string(item))
			return definition_why_set(why, "has an item that is not a string");
		r = definition_json_value(def, kind, item, cwd, why);
		if (r)
			return r;
	}
	return 0;
}

int mullion_definition_from_json(json_t *json, const char *cwd,
				 struct mullion_definition **ret, struct mullion_error *err)
{
	struct mullion_definition *def;
	const char *object = "request";
	struct definition_why why;
	const char *key;
	json_t *value;
	int kind;
	int r;

	if (!json_is_object(json))
		return mullion_error_set(err, -EINVAL, "bad definition in", object, NULL,
					 "it is not a JSON object");
	def = definition_new();
	if (!def)
		return mullion_error_set(err, -ENOMEM, "bad definition in", object, NULL,
					 "out of memory");
	value = json_object_get(json, "name");
	if (json_is_string(value) && mullion_name_valid(json_string_value(value)))
		object = json_string_value(value);
	json_object_foreach(json, key, value) {
		for (kind = 0; kind < FIELDS; kind++)
			if (!strcmp(key, definition_fields[kind].json))
				break;
		if (kind == FIELDS) {
			r = mullion_error_set(err, -EINVAL, "bad definition of", object, NULL,
					      "\"%.60s\" is not known", key);
			goto fail;
		}
		r = definition_json_field(def, (enum definition_field_kind)kind, value, cwd, &why);
		if (r == -ENOMEM)
			definition_why_set(&why, "does not fit into memory");
		if (r) {
			mullion_error_set(err, r, "bad definition of", object, NULL, "%s %s", key,
					  why.text);
			goto fail;
		}
	}
	r = definition_check(def, &why);
	if (r) {
		mullion_error_set(err, r, "bad definition of", object, NULL, "%s", why.text);
		goto fail;
	}
	*ret = def;
	return 0;
fail:
	mullion_definition_unref(def);
	return r;
}

static json_t *definition_list(char *const *list)
{
	json_t *array = json_array();

	for (; *list; list++)
		json_array_append_new(array, json_string(*list));
	return array;
}

json_t *mullion_definition_describe(const struct mullion_definition *def)
{
	json_t *json;

	json = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:o, s:o, s:f}",
			 "name", def->name, "type", type_names[def->process],
			 "memory", (json_int_t)def->memory, "cpus", (json_int_t)def->cpus,
			 "accel", accel_names[def->accel], "machine", machine_names[def->q35],
			 "kernel", def->kernel, "initrd", def->initrd, "append", def->append,
			 "root", def->root, "disks", definition_list(def->disks),
			 "command", definition_list(def->command), "timeout", def->timeout);
	return json;
}
