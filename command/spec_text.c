// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/spec_text.c - what all SPECs have in common: pieces between commas,
 *	options, numbers
 */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "spec_text.h"

#define SPEC_TEXT_OPTION_MAX 512

int mullion_spec_piece(const char **rest, char *piece, size_t bytes)
{
	const char *p = *rest;
	size_t n = 0;

	while (*p) {
		if (*p == ',') {
			if (p[1] != ',')
				break;
			p++;
		}
		if (n + 1 >= bytes)
			return -ENAMETOOLONG;
		piece[n++] = *p++;
	}
	piece[n] = '\0';
	*rest = *p ? p + 1 : NULL;
	return 0;
}

int mullion_spec_number(const char *text, uint64_t highest, uint64_t *ret)
{
	unsigned long long value;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || *end || value > highest)
		return -EINVAL;
	*ret = value;
	return 0;
}

int mullion_spec_size(const char *text, uint64_t *ret)
{
	unsigned long long value;
	unsigned int shift = 0;
	char *end;

	if (!isdigit((unsigned char)*text))
		return -EINVAL;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno)
		return -ERANGE;
	switch (*end) {
	case 'T': case 't':
		shift = 40;
		break;
	case 'G': case 'g':
		shift = 30;
		break;
	case 'M': case 'm':
		shift = 20;
		break;
	case 'K': case 'k':
		shift = 10;
		break;
	case '\0':
		break;
	default:
		return -EINVAL;
	}
	if (shift && end[1])
		return -EINVAL;
	if (value > (unsigned long long)INT64_MAX >> shift)
		return -ERANGE;
	*ret = (uint64_t)value << shift;
	return 0;
}

int mullion_spec_switch(const char *value, bool *ret)
{
	if (!value || (strcmp(value, "on") && strcmp(value, "off")))
		return -EINVAL;
	*ret = !strcmp(value, "on");
	return 0;
}

static int spec_text_option(const struct mullion_spec_options *options, void *spec,
			    char *option, const char *text, unsigned int *seen,
			    struct mullion_error *err)
{
	char *value = strchr(option, '=');
	const char *expected;
	unsigned int i;

	if (value)
		*value++ = '\0';
	for (i = 0; i < options->count; i++)
		if (!strcmp(option, options->names[i]))
			break;
	if (i == options->count)
		return mullion_error_set(err, -EINVAL, options->what, text, options->known,
					 "unknown option '%s'", option);
	if (*seen & 1U << i)
		return mullion_error_set(err, -EINVAL, options->what, text, "give it once",
					 "option '%s' is given twice", option);
	*seen |= 1U << i;
	expected = options->set(spec, i, value);
	if (expected)
		return mullion_error_set(err, -EINVAL, options->what, text, expected,
					 "option '%s' has the value '%s'", option,
					 value ? value : "");
	return 0;
}

int mullion_spec_options(const struct mullion_spec_options *options, void *spec,
			 const char *rest, const char *text, unsigned int *seen,
			 struct mullion_error *err)
{
	char piece[SPEC_TEXT_OPTION_MAX];
	int r = 0;

	while (!r && rest) {
		r = mullion_spec_piece(&rest, piece, sizeof(piece));
		if (r < 0)
			return mullion_error_set(err, r, options->what, text, options->known,
						 "an option is too long");
		r = spec_text_option(options, spec, piece, text, seen, err);
	}
	return r;
}
