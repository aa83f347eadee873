/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/text.h - UUIDs and other people's bytes as text
 */
#ifndef MULLION_COMMAND_TEXT_H
#define MULLION_COMMAND_TEXT_H

#include <stddef.h>
#include <jansson.h>

#include "../abi/types.h"

#define MULLION_GUID_TEXT 37

/**
 * mullion_guid_text() - lower case, with hyphens; fields are mixed-endian
 * Return: @out.
 */
const char *mullion_guid_text(const guid_t *guid, char out[static MULLION_GUID_TEXT]);

/**
 * mullion_guid_parse() - the reverse
 * Return: 0 or -EINVAL.
 */
int mullion_guid_parse(const char *text, guid_t *ret);

/**
 * mullion_guid_random() - a random UUID (version 4)
 */
void mullion_guid_random(guid_t *ret);

/**
 * mullion_text_clean() - copy printable ASCII, replace the rest by '?'
 * @bytes, @count: hostile input; read once, up to the first NUL
 * @out: always terminated
 */
void mullion_text_clean(const void *bytes, size_t count, char *out, size_t out_bytes);

/**
 * mullion_json_text() - a JSON string of any bytes; new reference
 *
 * Valid UTF-8 is kept; else everything but printable ASCII is replaced.
 */
json_t *mullion_json_text(const char *bytes, size_t count);

#endif /* MULLION_COMMAND_TEXT_H */
