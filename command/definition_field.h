/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/definition_field.h - the fields of a definition, for definition*.c only
 */
#ifndef MULLION_COMMAND_DEFINITION_FIELD_H
#define MULLION_COMMAND_DEFINITION_FIELD_H

#include "definition.h"

enum definition_field_kind {
	FIELD_NAME, FIELD_TYPE, FIELD_MEMORY, FIELD_CPUS, FIELD_ACCEL, FIELD_MACHINE,
	FIELD_KERNEL, FIELD_INITRD, FIELD_APPEND, FIELD_ROOT, FIELD_DISK, FIELD_COMMAND,
	FIELD_TIMEOUT, FIELDS,
};

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

extern const struct definition_field definition_fields[FIELDS];

/* Why a value was refused; the caller adds where. */
struct definition_why {
	char text[400];
};

/**
 * definition_why_set() - fill it in; returns -EINVAL
 */
int definition_why_set(struct definition_why *why, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

struct mullion_definition *definition_new(void);

/**
 * definition_set() - set a field from text
 *
 * Return: 0, -EINVAL with @why filled in, or -ENOMEM.
 */
int definition_set(struct mullion_definition *def, enum definition_field_kind kind,
		   const char *text, const char *cwd, struct definition_why *why);

/**
 * definition_check() - what no single field can tell
 */
int definition_check(const struct mullion_definition *def, struct definition_why *why);

#endif /* MULLION_COMMAND_DEFINITION_FIELD_H */
