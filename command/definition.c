// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition.c - definitions: from JSON, from INI, to JSON
 *
 * Both sources go through one table of fields and one function that sets a
 * field from text, so that they cannot differ in what they accept.  Whatever
 * is not understood is an error that says where: a key that is ignored would
 * be a guest that is not what its file says.
 */

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition.h"
#include "spec.h"

#define DEFINITION_MEMORY_MIN	(64ULL << 20)
#define DEFINITION_MEMORY_MAX	(16ULL << 40)
#define DEFINITION_CPUS_MAX	255
#define DEFINITION_APPEND_MAX	1024
#define DEFINITION_ARG_MAX	65536
#define DEFINITION_TIMEOUT_MAX	(365.0 * 86400)
#define DEFINITION_INI_MAX	65536

enum field_kind {
	FIELD_NAME, FIELD_TYPE, FIELD_MEMORY, FIELD_CPUS, FIELD_ACCEL, FIELD_MACHINE,
	FIELD_KERNEL, FIELD_INITRD, FIELD_APPEND, FIELD_ROOT, FIELD_DISK, FIELD_COMMAND,
	FIELD_TIMEOUT, FIELDS,
};

static const struct field {
	const char *json;
	const char *ini;
	int type;		/* of JSON */
} fields[FIELDS] = {
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

/* Why a value was refused; the caller adds where. */
struct why {
	char text[400];
};

static int why_set(struct why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static int why_set(struct why *why, const char *format, ...)
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

static struct mullion_definition *definition_new(void)
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

static int definition_enum(const char *text, const char * const *names, struct why *why)
{
	int i;

	for (i = 0; names[i]; i++)
		if (!strcmp(text, names[i]))
			return i;
	if (names[2])
		return why_set(why, "is \"%.40s\", not %s, %s or %s", text, names[0], names[1],
			       names[2]);
	return why_set(why, "is \"%.40s\", not %s or %s", text, names[0], names[1]);
}

static int definition_number(const char *text, bool units, uint64_t min, uint64_t max,
			     uint64_t *ret, struct why *why)
{
	static const char suffixes[] = "KMGT";
	unsigned long long value;
	const char *unit;
	char *end;

	if (!isdigit((unsigned char)text[0]))
		return why_set(why, "is \"%.40s\", not a number%s", text,
			       units ? " such as 512M" : "");
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return why_set(why, "is \"%.40s\", which is too large", text);
	if (units && *end && !end[1]) {
		unit = strchr(suffixes, toupper((unsigned char)*end));
		if (unit) {
			unsigned int shift = 10 * (unsigned int)(unit - suffixes + 1);

			if (value > max >> shift)
				return why_set(why, "is \"%.40s\", which is too large", text);
			value <<= shift;
			end++;
		}
	}
	if (*end)
		return why_set(why, "is \"%.40s\", not a number%s", text,
			       units ? " such as 512M" : "");
	if (value < min || value > max)
		return why_set(why, "is %llu, not within %llu and %llu", value,
			       (unsigned long long)min, (unsigned long long)max);
	*ret = value;
	return 0;
}

static int definition_path(char **ret, const char *text, const char *cwd, struct why *why)
{
	char *path;

	if (!text[0])
		return why_set(why, "is empty");
	if (*ret)
		return why_set(why, "is given twice");
	if (text[0] != '/' && !cwd)
		return why_set(why, "is \"%.200s\", not an absolute path", text);
	if (asprintf(&path, "%s%s%s", text[0] == '/' ? "" : cwd, text[0] == '/' ? "" : "/",
		     text) < 0)
		return -ENOMEM;
	if (strlen(path) >= PATH_MAX) {
		free(path);
		return why_set(why, "is too long for a path");
	}
	*ret = path;
	return 0;
}

/* A SPEC whose path is made absolute; commas of @cwd are doubled as in any SPEC. */
static int definition_spec(char **ret, const char *text, const char *cwd, struct why *why)
{
	struct mullion_spec *spec;
	struct mullion_error err;
	char *out, *p;
	int r;

	if (*ret)
		return why_set(why, "is given twice");
	spec = malloc(sizeof(*spec));
	if (!spec)
		return -ENOMEM;
	r = mullion_spec_parse(spec, text, cwd, &err);
	if (r) {
		free(spec);
		return why_set(why, "is \"%.120s\": %.250s", text, err.why);
	}
	out = malloc((cwd ? 2 * strlen(cwd) : 0) + strlen(text) + 2);
	if (out) {
		p = out;
		if (spec->store == MULLION_STORE_FILE && text[0] != '/') {
			for (; cwd && *cwd; cwd++) {
				if (*cwd == ',')
					*p++ = ',';
				*p++ = *cwd;
			}
			*p++ = '/';
		}
		strcpy(p, text);
	}
	free(spec);
	if (!out)
		return -ENOMEM;
	*ret = out;
	return 0;
}

static int definition_add(char **list, size_t max, size_t *ret_index, struct why *why)
{
	size_t n;

	for (n = 0; list[n]; n++)
		;
	if (n == max)
		return why_set(why, "is given more than %zu times", max);
	*ret_index = n;
	return 0;
}

static int definition_text(char **ret, const char *text, size_t max, struct why *why)
{
	size_t i;

	if (*ret)
		return why_set(why, "is given twice");
	for (i = 0; text[i]; i++)
		if (max == DEFINITION_APPEND_MAX && (unsigned char)text[i] < ' ')
			return why_set(why, "holds a control character");
	if (i > max)
		return why_set(why, "is longer than %zu bytes", max);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int definition_seconds(double *ret, const char *text, struct why *why)
{
	double value;
	char *end;

	value = strtod(text, &end);
	if (end == text || *end || !(value >= 0 && value <= DEFINITION_TIMEOUT_MAX))
		return why_set(why, "is \"%.40s\", not a number of seconds", text);
	*ret = value;
	return 0;
}

/* Return: 0, -EINVAL with @why filled in, or -ENOMEM. */
static int definition_set(struct mullion_definition *def, enum field_kind kind, const char *text,
			  const char *cwd, struct why *why)
{
	uint64_t number;
	size_t at = 0;
	int r;

	switch (kind) {
	case FIELD_NAME:
		if (!mullion_name_valid(text))
			return why_set(why, "is \"%.70s\", not 1 to %d letters, digits, _ . - that start with a letter or digit",
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
			return why_set(why, "is %llu, not a multiple of 1 MiB",
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

/* What no single field can tell. */
static int definition_check(const struct mullion_definition *def, struct why *why)
{
	if (!def->name[0])
		return why_set(why, "the name is missing");
	if (def->process && (def->kernel || def->initrd || def->append || def->root ||
			     def->command[0]))
		return why_set(why, "a guest of type process has no kernel, initrd, append, root or command");
	if (def->initrd && !def->kernel)
		return why_set(why, "initrd is given without kernel");
	return 0;
}

static int definition_json_value(struct mullion_definition *def, enum field_kind kind,
				 json_t *value, const char *cwd, struct why *why)
{
	char text[64];

	switch (json_typeof(value)) {
	case JSON_STRING:
		if (fields[kind].type != JSON_STRING && fields[kind].type != JSON_ARRAY)
			return why_set(why, "is a string, not a number");
		if (strlen(json_string_value(value)) != json_string_length(value))
			return why_set(why, "holds a NUL character");
		return definition_set(def, kind, json_string_value(value), cwd, why);
	case JSON_INTEGER:
		if (fields[kind].type != JSON_INTEGER && fields[kind].type != JSON_REAL)
			return why_set(why, "is a number, not a string");
		snprintf(text, sizeof(text), "%lld", (long long)json_integer_value(value));
		return definition_set(def, kind, text, cwd, why);
	case JSON_REAL:
		if (fields[kind].type != JSON_REAL)
			return why_set(why, "is a fraction");
		snprintf(text, sizeof(text), "%.9g", json_real_value(value));
		return definition_set(def, kind, text, cwd, why);
	default:
		return why_set(why, "has a value of the wrong type");
	}
}

static int definition_json_field(struct mullion_definition *def, enum field_kind kind,
				 json_t *value, const char *cwd, struct why *why)
{
	json_t *item;
	size_t i;
	int r;

	if (fields[kind].type != JSON_ARRAY)
		return definition_json_value(def, kind, value, cwd, why);
	if (!json_is_array(value))
		return why_set(why, "is not an array");
	json_array_foreach(value, i, item) {
		if (!json_is_string(item))
			return why_set(why, "has an item that is not a string");
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
	struct why why;
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
			if (!strcmp(key, fields[kind].json))
				break;
		if (kind == FIELDS) {
			r = mullion_error_set(err, -EINVAL, "bad definition of", object, NULL,
					      "\"%.60s\" is not known", key);
			goto fail;
		}
		r = definition_json_field(def, (enum field_kind)kind, value, cwd, &why);
		if (r == -ENOMEM)
			why_set(&why, "does not fit into memory");
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

/**
 * struct ini_state - one file being read
 * @at, @end: the text not yet read
 * @rest: inih takes lines of 200 bytes; the rest of a longer one is given to
 *	it as continuation lines, and put together again here
 * @line: number of the line that was read last
 * @section: "[Guest]" was seen
 * @seen: bit mask of fields
 * @kind, @value: what was read last and waits for its continuation; FIELDS: nothing
 * @bad_line: number of the first line with an error, @why is about
 */
struct ini_state {
	struct mullion_definition *def;
	const char *at, *end;
	char *rest;
	unsigned int line;
	bool section;
	unsigned int seen;
	int kind;
	char *value;
	unsigned int value_line;
	unsigned int bad_line;
	struct why why;
	char buffer[DEFINITION_INI_MAX + 2];
};

/* To be called after why_set(); returns what stops inih's handler. */
static int definition_ini_fail(struct ini_state *s, unsigned int line)
{
	if (!s->bad_line)
		s->bad_line = line;
	return 0;
}

static void definition_ini_flush(struct ini_state *s)
{
	struct why why = { 0 };
	int r;

	if (s->kind == FIELDS || s->bad_line)
		return;
	r = definition_set(s->def, (enum field_kind)s->kind, s->value, NULL, &why);
	if (r == -ENOMEM)
		why_set(&why, "does not fit into memory");
	if (r) {
		why_set(&s->why, "%s= %.360s", fields[s->kind].ini, why.text);
		definition_ini_fail(s, s->value_line);
	}
	s->kind = FIELDS;
}

/* Where a line is cut so that inih loses neither blanks nor takes a comment for one. */
static size_t definition_ini_cut(const char *text, size_t room)
{
	size_t bytes = strlen(text);
	size_t cut;

	if (bytes <= room)
		return bytes;
	for (cut = room; cut > 1; cut--)
		if (!isspace((unsigned char)text[cut - 1]) && !isspace((unsigned char)text[cut]) &&
		    text[cut] != ';' && text[cut] != '#')
			return cut;
	return room;
}

static int definition_ini_section(struct ini_state *s, const char *line)
{
	size_t bytes = strlen(line);

	while (bytes && isspace((unsigned char)line[bytes - 1]))
		bytes--;
	if (bytes != 7 || memcmp(line, "[Guest]", 7))
		return why_set(&s->why, "unknown section %.*s; only [Guest] is known",
			       (int)(bytes > 60 ? 60 : bytes), line);
	if (s->section)
		return why_set(&s->why, "a second section [Guest]; one file defines one guest");
	s->section = true;
	return 0;
}

/* Puts the next line into s->rest.  Return: false at the end or an error. */
static bool definition_ini_line(struct ini_state *s)
{
	const char *newline;
	size_t bytes;

	if (s->at == s->end || s->bad_line)
		return false;
	s->line++;
	newline = memchr(s->at, '\n', (size_t)(s->end - s->at));
	bytes = (size_t)((newline ? newline + 1 : s->end) - s->at);
	memcpy(s->buffer, s->at, bytes);
	s->buffer[bytes] = '\0';
	s->at += bytes;
	if (strlen(s->buffer) != bytes) {
		why_set(&s->why, "the line holds a NUL character");
		definition_ini_fail(s, s->line);
		return false;
	}
	/* inih would add an indented line to the value above. */
	for (s->rest = s->buffer; *s->rest == ' ' || *s->rest == '\t'; s->rest++)
		;
	if (s->rest[0] == '[' && definition_ini_section(s, s->rest)) {
		definition_ini_fail(s, s->line);
		return false;
	}
	return true;
}

/* fgets() of the text. */
static char *definition_ini_read(char *out, int size, void *arg)
{
	struct ini_state *s = arg;
	bool more = s->rest && *s->rest;
	size_t bytes;

	if (!more && !definition_ini_line(s))
		return NULL;
	bytes = definition_ini_cut(s->rest, (size_t)size - 3);
	snprintf(out, (size_t)size, "%s%.*s", more ? " " : "", (int)bytes, s->rest);
	s->rest += bytes;
	return out;
}

static int definition_ini_append(struct ini_state *s, const char *value)
{
	size_t used = strlen(s->value);

	/* Parts of one line, which fits. */
	snprintf(s->value + used, DEFINITION_INI_MAX + 1 - used, "%s", value);
	return 1;
}

static int definition_ini_value(void *arg, const char *section, const char *name,
				const char *value)
{
	struct ini_state *s = arg;
	int kind;

	(void)section;
	if (s->bad_line)
		return 0;
	if (s->kind != FIELDS && s->value_line == s->line)
		return definition_ini_append(s, value);
	definition_ini_flush(s);
	for (kind = 0; kind < FIELDS; kind++)
		if (!strcasecmp(name, fields[kind].ini))
			break;
	if (!s->section)
		why_set(&s->why, "%.60s= stands before [Guest]", name);
	else if (kind == FIELDS)
		why_set(&s->why, "unknown key %.60s=", name);
	else if (s->seen & 1U << kind && fields[kind].type != JSON_ARRAY)
		why_set(&s->why, "%s= is given twice", fields[kind].ini);
	else
		goto take;
	return definition_ini_fail(s, s->line);
take:
	s->seen |= 1U << kind;
	s->kind = kind;
	s->value_line = s->line;
	s->value[0] = '\0';
	return definition_ini_append(s, value);
}

static int definition_ini_parse(struct ini_state *s)
{
	int r = ini_parse_stream(definition_ini_read, s, definition_ini_value, s);

	definition_ini_flush(s);
	if (s->bad_line)
		return -EINVAL;
	if (r) {
		/* inih counts continuation lines too; it saw no value there. */
		why_set(&s->why, r > 0 ? "neither KEY=VALUE nor [Guest] nor a comment" :
			"out of memory");
		s->bad_line = r > 0 && (unsigned int)r <= s->line ? (unsigned int)r : s->line;
		return -EINVAL;
	}
	if (!s->section) {
		s->bad_line = 1;
		return why_set(&s->why, "there is no section [Guest]");
	}
	if (definition_check(s->def, &s->why)) {
		s->bad_line = s->line;
		return -EINVAL;
	}
	return 0;
}

int mullion_definition_from_ini(const char *text, size_t bytes, const char *file,
				struct mullion_definition **ret, struct mullion_error *err)
{
	struct ini_state *s;
	char where[160];
	int r = -ENOMEM;

	if (bytes > DEFINITION_INI_MAX)
		return mullion_error_set(err, -EINVAL, "bad definition in", file, NULL,
					 "the file is larger than %d bytes", DEFINITION_INI_MAX);
	s = calloc(1, sizeof(*s));
	if (s) {
		s->def = definition_new();
		s->value = malloc(DEFINITION_INI_MAX + 1);
	}
	if (!s || !s->def || !s->value) {
		mullion_error_set(err, r, "cannot read definition", file, NULL, "out of memory");
		goto out;
	}
	s->at = text;
	s->end = text + bytes;
	s->kind = FIELDS;
	r = definition_ini_parse(s);
	if (r) {
		snprintf(where, sizeof(where), "%.140s:%u", file, s->bad_line);
		mullion_error_set(err, r, "bad definition in", where, NULL, "%s", s->why.text);
		goto out;
	}
	*ret = mullion_definition_ref(s->def);
out:
	if (s) {
		mullion_definition_unref(s->def);
		free(s->value);
		free(s);
	}
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
