// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition_ini.c - definitions from INI files
 *
 * inih cuts the text into keys and values.  What it would pass over in silence
 * is looked at before it gets a line: unknown and repeated sections, NUL
 * characters, indented lines (inih takes them for continuations).  Its limit of
 * 200 bytes a line does not hold here: a longer line is given to it as a line
 * with continuations, and its parts are put together again.
 */

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "definition_field.h"

#define DEFINITION_INI_MAX	65536
#define DEFINITION_INI_NONE	(-1)
#define DEFINITION_INI_FOLDER	31	/* a key that is no field of a definition */

/**
 * struct ini_state - one file being read
 * @at, @end: the text not yet read
 * @rest: inih takes lines of 200 bytes; the rest of a longer one is given to
 *	it as continuation lines, and put together again here
 * @line: number of the line that was read last
 * @section: it was seen
 * @seen: bit mask of fields
 * @folder: what relative paths count from, or NULL; @own_folder: if the text says so
 * @kind, @value: what was read last and waits for its continuation
 * @bad_line: number of the first line with an error, @why is about
 */
struct ini_state {
	const struct definition_schema *schema;
	void *def;
	const char *at, *end;
	char *rest;
	unsigned int line;
	bool section;
	unsigned int seen;
	const char *folder;
	char *own_folder;
	int kind;
	char *value;
	unsigned int value_line;
	unsigned int bad_line;
	struct definition_why why;
	char buffer[DEFINITION_INI_MAX + 2];
};

/* To be called after definition_why_set(); returns what stops inih's handler. */
static int definition_ini_fail(struct ini_state *s, unsigned int line)
{
	if (!s->bad_line)
		s->bad_line = line;
	return 0;
}

static const char *definition_ini_name(const struct ini_state *s, int kind)
{
	return kind == DEFINITION_INI_FOLDER ? "Folder" : s->schema->fields[kind].ini;
}

static int definition_ini_set_folder(struct ini_state *s, struct definition_why *why)
{
	if (s->value[0] != '/')
		return definition_why_set(why, "is \"%.200s\", not an absolute path", s->value);
	s->own_folder = strdup(s->value);
	s->folder = s->own_folder;
	return s->own_folder ? 0 : -ENOMEM;
}

static void definition_ini_flush(struct ini_state *s)
{
	struct definition_why why = { 0 };
	int r;

	if (s->kind == DEFINITION_INI_NONE || s->bad_line)
		return;
	if (s->kind == DEFINITION_INI_FOLDER)
		r = definition_ini_set_folder(s, &why);
	else
		r = s->schema->set(s->def, s->kind, s->value, s->folder, &why);
	if (r == -ENOMEM)
		definition_why_set(&why, "does not fit into memory");
	if (r) {
		definition_why_set(&s->why, "%s= %.360s", definition_ini_name(s, s->kind), why.text);
		definition_ini_fail(s, s->value_line);
	}
	s->kind = DEFINITION_INI_NONE;
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

static bool definition_ini_is_section(const char *line, size_t bytes, const char *section)
{
	return bytes == strlen(section) + 2 && line[0] == '[' && line[bytes - 1] == ']' &&
	       !memcmp(line + 1, section, bytes - 2);
}

static int definition_ini_section(struct ini_state *s, const char *line)
{
	const char *section = s->schema->section;
	size_t bytes = strlen(line);

	while (bytes && isspace((unsigned char)line[bytes - 1]))
		bytes--;
	if (!definition_ini_is_section(line, bytes, section))
		return definition_why_set(&s->why, "unknown section %.*s; only [%s] is known",
			       (int)(bytes > 60 ? 60 : bytes), line, section);
	if (s->section)
		return definition_why_set(&s->why, "a second section [%s]; one file defines one %s",
			       section, s->schema->thing);
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
		definition_why_set(&s->why, "the line holds a NUL character");
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
	if (s->kind != DEFINITION_INI_NONE && s->value_line == s->line)
		return definition_ini_append(s, value);
	definition_ini_flush(s);
	for (kind = 0; kind < s->schema->count; kind++)
		if (!strcasecmp(name, s->schema->fields[kind].ini))
			break;
	if (kind == s->schema->count)
		kind = strcasecmp(name, "Folder") ? DEFINITION_INI_NONE : DEFINITION_INI_FOLDER;
	if (!s->section)
		definition_why_set(&s->why, "%.60s= stands before [%s]", name, s->schema->section);
	else if (kind == DEFINITION_INI_NONE)
		definition_why_set(&s->why, "unknown key %.60s=", name);
	else if (s->seen & 1U << kind && (kind == DEFINITION_INI_FOLDER ||
					  s->schema->fields[kind].type != JSON_ARRAY))
		definition_why_set(&s->why, "%s= is given twice", definition_ini_name(s, kind));
	else if (kind == DEFINITION_INI_FOLDER && s->seen & s->schema->paths)
		definition_why_set(&s->why, "Folder= stands behind a path that could count from it");
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
		if (r > 0)
			definition_why_set(&s->why, "neither KEY=VALUE nor [%s] nor a comment",
					   s->schema->section);
		else
			definition_why_set(&s->why, "out of memory");
		s->bad_line = r > 0 && (unsigned int)r <= s->line ? (unsigned int)r : s->line;
		return -EINVAL;
	}
	if (!s->section) {
		s->bad_line = 1;
		return definition_why_set(&s->why, "there is no section [%s]",
					  s->schema->section);
	}
	if (s->schema->check(s->def, &s->why)) {
		s->bad_line = s->line;
		return -EINVAL;
	}
	return 0;
}

static bool definition_ini_is_text(const char *text, size_t bytes)
{
	json_t *string = json_stringn(text, bytes);

	json_decref(string);
	return string;
}

bool definition_ini_is(const struct definition_schema *schema, const char *text, size_t bytes)
{
	const char *end = text + bytes, *line, *next;

	for (line = text; line < end; line = next) {
		size_t len;

		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		while (line < next && (*line == ' ' || *line == '\t'))
			line++;
		if (line == next || *line != '[')
			continue;
		for (len = (size_t)(next - line); len && isspace((unsigned char)line[len - 1]); len--)
			;
		return definition_ini_is_section(line, len, schema->section);
	}
	return false;
}

int definition_from_ini(const struct definition_schema *schema, const char *text, size_t bytes,
			const char *file, const char *cwd, void **ret, struct mullion_error *err)
{
	struct ini_state *s;
	char where[160];
	int r = -ENOMEM;

	if (bytes > DEFINITION_INI_MAX)
		return mullion_error_set(err, -EINVAL, "bad definition in", file, NULL,
					 "the file is larger than %d bytes", DEFINITION_INI_MAX);
	/* The API could not show it. */
	if (!definition_ini_is_text(text, bytes))
		return mullion_error_set(err, -EINVAL, "bad definition in", file, NULL,
					 "the file is not UTF-8");
	s = calloc(1, sizeof(*s));
	if (s) {
		s->schema = schema;
		s->folder = cwd;
		s->def = schema->make();
		s->value = malloc(DEFINITION_INI_MAX + 1);
	}
	if (!s || !s->def || !s->value) {
		mullion_error_set(err, r, "cannot read definition", file, NULL, "out of memory");
		goto out;
	}
	s->at = text;
	s->end = text + bytes;
	s->kind = DEFINITION_INI_NONE;
	r = definition_ini_parse(s);
	if (r) {
		snprintf(where, sizeof(where), "%.140s:%u", file, s->bad_line);
		mullion_error_set(err, r, "bad definition in", where, NULL, "%s", s->why.text);
		goto out;
	}
	*ret = s->def;
	s->def = NULL;
out:
	if (s) {
		if (s->def)
			schema->release(s->def);
		free(s->own_folder);
		free(s->value);
		free(s);
	}
	return r;
}

/* @text with Folder= as the first line of its section, which it has. */
static char *definition_ini_with_folder(const char *text, size_t bytes, const char *folder)
{
	const char *end = text + bytes, *line = text, *next = end;
	char *out;

	for (; line < end; line = next) {
		next = memchr(line, '\n', (size_t)(end - line));
		next = next ? next + 1 : end;
		if (line[strspn(line, " \t")] == '[')
			break;
	}
	if (asprintf(&out, "%.*s%sFolder=%s\n%.*s", (int)(next - text), text,
		     next[-1] == '\n' ? "" : "\n", folder, (int)(end - next), next) < 0)
		return NULL;
	return out;
}

static bool definition_ini_same(const struct definition_schema *schema, const void *a,
				const void *b)
{
	json_t *one = schema->describe(a), *other = schema->describe(b);
	bool same = one && other && json_equal(one, other);

	json_decref(one);
	json_decref(other);
	return same;
}

int definition_anchor(const struct definition_schema *schema, const char *text, size_t bytes,
		      const char *file, void **ret, char **ret_text, struct mullion_error *err)
{
	char folder[PATH_MAX] = "";
	const char *slash = strrchr(file, '/');
	void *def, *again = NULL;
	char *out;
	int r;

	if (file[0] == '/' && slash - file < PATH_MAX)
		snprintf(folder, sizeof(folder), "%.*s", (int)(slash > file ? slash - file : 1),
			 file);
	r = definition_from_ini(schema, text, bytes, file, folder[0] ? folder : NULL, &def, err);
	if (r)
		return r;
	out = strndup(text, bytes);
	if (out && definition_from_ini(schema, out, strlen(out), file, NULL, &again, NULL)) {
		free(out);
		out = definition_ini_with_folder(text, bytes, folder);
		if (out && !definition_from_ini(schema, out, strlen(out), file, NULL, &again, err) &&
		    !definition_ini_same(schema, def, again)) {
			schema->release(again);
			again = NULL;
		}
	}
	schema->release(def);
	if (!again) {
		free(out);
		return mullion_error_set(err, -EINVAL, "bad definition in", file,
					 "use absolute paths",
					 "it has relative paths, and Folder= cannot hold its folder");
	}
	*ret = again;
	*ret_text = out;
	return 0;
}
