// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/text.c - UUIDs and other people's bytes as text
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "text.h"

/* Which stored byte the n-th pair of hex digits shows. */
static const unsigned char text_guid_order[16] = {
	3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15,
};

const char *mullion_guid_text(const guid_t *guid, char out[static MULLION_GUID_TEXT])
{
	char *p = out;

	for (unsigned int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			*p++ = '-';
		p += sprintf(p, "%02x", guid->b[text_guid_order[i]]);
	}
	return out;
}

int mullion_guid_parse(const char *text, guid_t *ret)
{
	guid_t guid;

	for (unsigned int i = 0; i < 16; i++) {
		unsigned int value;
		int n;

		if ((i == 4 || i == 6 || i == 8 || i == 10) && *text++ != '-')
			return -EINVAL;
		if (strspn(text, "0123456789abcdefABCDEF") < 2 ||
		    sscanf(text, "%2x%n", &value, &n) != 1 || n != 2)
			return -EINVAL;
		guid.b[text_guid_order[i]] = (__u8)value;
		text += 2;
	}
	if (*text)
		return -EINVAL;
	*ret = guid;
	return 0;
}

void mullion_guid_random(guid_t *ret)
{
	/* up to 256 bytes never come short once the pool is ready */
	if (getrandom(ret, sizeof(*ret), 0) != (ssize_t)sizeof(*ret))
		abort();
	ret->b[7] = (__u8)((ret->b[7] & 0x0f) | 0x40);
	ret->b[8] = (__u8)((ret->b[8] & 0x3f) | 0x80);
}

void mullion_text_clean(const void *bytes, size_t count, char *out, size_t out_bytes)
{
	const volatile unsigned char *from = bytes;
	size_t n = 0;

	while (n < count && n + 1 < out_bytes) {
		unsigned char c = from[n];

		if (!c)
			break;
		out[n++] = c >= ' ' && c <= '~' ? (char)c : '?';
	}
	out[n] = '\0';
}

json_t *mullion_json_text(const char *bytes, size_t count)
{
	json_t *text = json_stringn(bytes, count);
	char *clean;

	if (text)
		return text;
	clean = malloc(count + 1);
	if (!clean)
		return NULL;
	mullion_text_clean(bytes, count, clean, count + 1);
	text = json_string(clean);
	free(clean);
	return text;
}
