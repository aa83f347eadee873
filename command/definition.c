// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition.c - definitions of guests: their fields, and as JSON
 */

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition.h"
#include "definition_field.h"
#include "net_spec.h"
#include "ram.h"
#include "spec.h"

#define DEFINITION_MEMORY_MIN	(64ULL << 20)
#define DEFINITION_MEMORY_MAX	(16ULL << 40)
#define DEFINITION_CPUS_MAX	255
#define DEFINITION_APPEND_MAX	1024
#define DEFINITION_ARG_MAX	65536
#define DEFINITION_TIMEOUT_MAX	(365.0 * 86400)

enum {
	FIELD_NAME, FIELD_TYPE, FIELD_MEMORY, FIELD_CPUS, FIELD_ACCEL, FIELD_MACHINE,
	FIELD_KERNEL, FIELD_INITRD, FIELD_APPEND, FIELD_ROOT, FIELD_DISK, FIELD_NET,
	FIELD_COMMAND, FIELD_TIMEOUT, FIELD_ADDRESSING, FIELD_WINDOW, FIELD_HUGEPAGES,
	FIELD_NUMA, FIELDS,
};

static const struct definition_field definition_fields[FIELDS] = {
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
	[FIELD_NET] =		{ "nets",	"Net",		JSON_ARRAY },
	[FIELD_COMMAND] =	{ "command",	"Command",	JSON_ARRAY },
	[FIELD_TIMEOUT] =	{ "timeout",	"Timeout",	JSON_REAL },
	[FIELD_ADDRESSING] =	{ "addressing",	"Addressing",	JSON_STRING },
	[FIELD_WINDOW] =	{ "window",	"Window",	JSON_STRING },
	[FIELD_HUGEPAGES] =	{ "hugepages",	"Hugepages",	JSON_STRING },
	[FIELD_NUMA] =		{ "numa",	"NUMA",		JSON_INTEGER },
};

static const char * const accel_names[] = { "auto", "kvm", "tcg", NULL };
static const char * const machine_names[] = { "pc", "q35", NULL };
static const char * const type_names[] = { "vm", "process", NULL };
static const char * const addressing_names[] = { "window", "guest-physical", NULL };
static const char * const window_names[] = { "pci", "ram", NULL };
static const char * const hugepages_names[] = { "off", "2M", "1G", NULL };
static const uint64_t hugepages_bytes[] = { 0, 2ULL << 20, 1ULL << 30 };

static void *definition_new(void)
{
	struct mullion_definition *def = calloc(1, sizeof(*def));

	if (!def)
		return NULL;
	def->refs = 1;
	def->memory = 512ULL << 20;
	def->cpus = 1;
	def->numa = 1;
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
	for (i = 0; def->nets[i]; i++)
		free(def->nets[i]);
	for (i = 0; def->command[i]; i++)
		free(def->command[i]);
	free(def);
	return NULL;
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

/* What the parser of a SPEC said, and what it said to do. */
static int definition_why_spec(struct definition_why *why, const char *text,
			       const struct mullion_error *err)
{
	return definition_why_set(why, "is \"%.100s\": %.150s%s%.120s", text, err->why,
				  err->action[0] ? "; " : "", err->action);
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
		return definition_why_spec(why, text, &err);
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

/* A network may be defined later; only the words are checked. */
static int definition_net(char **ret, const char *text, struct definition_why *why)
{
	struct mullion_net_spec *spec = malloc(sizeof(*spec));
	struct mullion_error err;
	int r;

	if (!spec)
		return -ENOMEM;
	r = mullion_net_spec_parse(spec, text, &err);
	free(spec);
	if (r)
		return definition_why_spec(why, text, &err);
	*ret = strdup(text);
	return *ret ? 0 : -ENOMEM;
}

static int definition_set(void *arg, int field, const char *text, const char *cwd,
			  struct definition_why *why)
{
	struct mullion_definition *def = arg;
	uint64_t number;
	size_t at = 0;
	int r;

	switch (field) {
	case FIELD_NAME:
		return definition_set_name(def->name, text, why);
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
		return definition_text(&def->append, text, DEFINITION_APPEND_MAX, true, why);
	case FIELD_ROOT:
		return definition_spec(&def->root, text, cwd, why);
	case FIELD_DISK:
		r = definition_add(def->disks, MULLION_DISKS_MAX, &at, why);
		return r ? r : definition_spec(&def->disks[at], text, cwd, why);
	case FIELD_NET:
		r = definition_add(def->nets, MULLION_NETS_MAX, &at, why);
		return r ? r : definition_net(&def->nets[at], text, why);
	case FIELD_COMMAND:
		r = definition_add(def->command, MULLION_ARGS_MAX, &at, why);
		return r ? r : definition_text(&def->command[at], text, DEFINITION_ARG_MAX, false,
					    why);
	case FIELD_TIMEOUT:
		return definition_seconds(&def->timeout, text, why);
	case FIELD_ADDRESSING:
		r = definition_enum(text, addressing_names, why);
		def->guest_physical = r == 1;
		return r < 0 ? r : 0;
	case FIELD_WINDOW:
		r = definition_enum(text, window_names, why);
		def->window_ram = r == 1;
		return r < 0 ? r : 0;
	case FIELD_HUGEPAGES:
		r = definition_enum(text, hugepages_names, why);
		if (r >= 0)
			def->hugepages = hugepages_bytes[r];
		return r < 0 ? r : 0;
	case FIELD_NUMA:
		r = definition_number(text, false, 1, MULLION_CP_RAM_NODES_MAX, &number, why);
		if (!r)
			def->numa = (unsigned int)number;
		return r;
	default:
		return -EINVAL;
	}
}

/* What is said of the guest's RAM. */
static int definition_check_ram(const struct mullion_definition *def, struct definition_why *why)
{
	uint64_t unit = def->hugepages ? def->hugepages : 1ULL << 20;

	if (def->process && def->guest_physical)
		return definition_why_set(why, "addressing is guest-physical, but a guest of type process has no RAM of its own");
	if (def->window_ram && !def->guest_physical)
		return definition_why_set(why, "window is ram, which needs addressing guest-physical");
	if (def->hugepages && !def->guest_physical)
		return definition_why_set(why, "hugepages are for RAM that the daemon makes: they need addressing guest-physical");
	if (def->numa > 1 && !def->guest_physical)
		return definition_why_set(why, "numa is for RAM that the daemon makes: it needs addressing guest-physical");
	if (def->guest_physical && def->memory > MULLION_CP_RAM_BYTES_MAX)
		return definition_why_set(why, "memory is more than %llu GiB, the most with addressing guest-physical",
					  MULLION_CP_RAM_BYTES_MAX >> 30);
	if (def->memory % (unit * def->numa))
		return definition_why_set(why, "memory is %lluM, not a multiple of %lluM%s",
					  (unsigned long long)def->memory >> 20,
					  (unsigned long long)(unit * def->numa) >> 20,
					  def->numa > 1 ? ", the same for each NUMA node" : "");
	return 0;
}

static int definition_check(const void *arg, struct definition_why *why)
{
	const struct mullion_definition *def = arg;

	if (!def->name[0])
		return definition_why_set(why, "the name is missing");
	if (def->process && (def->kernel || def->initrd || def->append || def->root ||
			     def->command[0]))
		return definition_why_set(why, "a guest of type process has no kernel, initrd, append, root or command");
	if (def->initrd && !def->kernel)
		return definition_why_set(why, "initrd is given without kernel");
	return definition_check_ram(def, why);
}

static const char *definition_hugepages(const struct mullion_definition *def)
{
	size_t i = 0;

	while (hugepages_bytes[i] != def->hugepages)
		i++;
	return hugepages_names[i];
}

json_t *mullion_definition_describe(const struct mullion_definition *def)
{
	json_t *json;

	json = json_pack("{s:s, s:s, s:I, s:I, s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:o, s:o, s:o, s:f}",
			 "name", def->name, "type", type_names[def->process],
			 "memory", (json_int_t)def->memory, "cpus", (json_int_t)def->cpus,
			 "accel", accel_names[def->accel], "machine", machine_names[def->q35],
			 "kernel", def->kernel, "initrd", def->initrd, "append", def->append,
			 "root", def->root, "disks", definition_list(def->disks),
			 "nets", definition_list(def->nets),
			 "command", definition_list(def->command), "timeout", def->timeout);
	if (!json || def->process)
		return json;
	json_object_set_new(json, "addressing",
			    json_string(addressing_names[def->guest_physical]));
	json_object_set_new(json, "window", json_string(window_names[def->window_ram]));
	json_object_set_new(json, "hugepages", json_string(definition_hugepages(def)));
	json_object_set_new(json, "numa", json_integer(def->numa));
	return json;
}

static void definition_release(void *def)
{
	mullion_definition_unref(def);
}

static json_t *definition_describe(const void *def)
{
	return mullion_definition_describe(def);
}

const struct definition_schema definition_guest_schema = {
	.section = "Guest",
	.thing = "guest",
	.list = "mullion ps --all",
	.folder = "definitions",
	.fields = definition_fields,
	.count = FIELDS,
	.paths = 1U << FIELD_KERNEL | 1U << FIELD_INITRD | 1U << FIELD_ROOT | 1U << FIELD_DISK,
	.name_at = offsetof(struct mullion_definition, name),
	.make = definition_new,
	.release = definition_release,
	.set = definition_set,
	.check = definition_check,
	.describe = definition_describe,
};

int mullion_definition_from_json(json_t *json, const char *cwd,
				 struct mullion_definition **ret, struct mullion_error *err)
{
	void *def;
	int r = definition_from_json(&definition_guest_schema, json, cwd, &def, err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_definition_from_ini(const char *text, size_t bytes, const char *file,
				const char *cwd, struct mullion_definition **ret,
				struct mullion_error *err)
{
	void *def;
	int r = definition_from_ini(&definition_guest_schema, text, bytes, file, cwd, &def, err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_definition_anchor(const char *text, size_t bytes, const char *file,
			      struct mullion_definition **ret, char **ret_text,
			      struct mullion_error *err)
{
	void *def;
	int r = definition_anchor(&definition_guest_schema, text, bytes, file, &def, ret_text,
				  err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_definition_save(const struct mullion_paths *paths,
			    const struct mullion_definition *def, const char *text,
			    size_t bytes, char path[static PATH_MAX], struct mullion_error *err)
{
	return definition_save(&definition_guest_schema, paths, def, text, bytes, path, err);
}

int mullion_definition_load(const struct mullion_paths *paths, const char *name,
			    struct mullion_definition **ret, char **ret_text,
			    char path[static PATH_MAX], struct mullion_error *err)
{
	void *def;
	int r = definition_load(&definition_guest_schema, paths, name, &def, ret_text, path, err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_definition_remove(const struct mullion_paths *paths, const char *name,
			      struct mullion_error *err)
{
	return definition_remove(&definition_guest_schema, paths, name, err);
}

int mullion_definition_names(const struct mullion_paths *paths, char ***ret)
{
	return definition_names(&definition_guest_schema, paths, ret);
}
