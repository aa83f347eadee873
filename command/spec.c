// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/spec.c - the one parser of what a user calls a disk
 *
 * The text is cut at single commas: the first piece names the store, each
 * further one is an option that may be given once.  Nothing is opened here;
 * command/store.c looks at what the SPEC names.
 *
 * Limits: paths up to PATH_MAX, hosts and export names up to 255 bytes, no
 * TLS (nbds:) and no user names in URIs.  A failure leaves the result as it
 * was and says in one line which part of the text is wrong.
 */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "spec.h"
#include "spec_text.h"

#define SPEC_WHAT "cannot use disk"
#define SPEC_LUN_HIGHEST 255

static int spec_hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* Copy @len bytes of a URI with %XX replaced; %00 is refused. */
static int spec_unescape(const char *from, size_t len, char *to, size_t bytes)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = from[i];

		if (c == '%') {
			int high, low;

			if (len - i < 3)
				return -EINVAL;
			high = spec_hex(from[i + 1]);
			low = spec_hex(from[i + 2]);
			if (high < 0 || low < 0 || (!high && !low))
				return -EINVAL;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (n + 1 >= bytes)
			return -ENAMETOOLONG;
		to[n++] = c;
	}
	to[n] = '\0';
	return 0;
}

/* Make @path absolute. */
static int spec_absolute(const char *path, const char *cwd, char out[PATH_MAX])
{
	int n;

	if (path[0] == '/')
		n = snprintf(out, PATH_MAX, "%s", path);
	else if (!cwd || cwd[0] != '/')
		return -EINVAL;
	else
		n = snprintf(out, PATH_MAX, "%s/%s", cwd, path);
	return n >= PATH_MAX ? -ENAMETOOLONG : 0;
}

static int spec_parse_authority(struct mullion_spec *spec, const char *text,
				size_t len)
{
	const char *colon = NULL;
	size_t host_len = len;
	uint64_t port;
	int r;

	if (len && text[0] == '[') {
		const char *close = memchr(text, ']', len);

		if (!close)
			return -EINVAL;
		host_len = (size_t)(close - text) - 1;
		if (close + 1 < text + len) {
			if (close[1] != ':')
				return -EINVAL;
			colon = close + 1;
		}
		text++;
		len--;
	} else {
		colon = memchr(text, ':', len);
		if (colon)
			host_len = (size_t)(colon - text);
	}
	if (!host_len || memchr(text, '@', host_len))
		return -EINVAL;
	r = spec_unescape(text, host_len, spec->host, sizeof(spec->host));
	if (r < 0)
		return r;
	snprintf(spec->port, sizeof(spec->port), "10809");
	if (colon) {
		size_t port_len = (size_t)(text + len - (colon + 1));

		if (!port_len || port_len > 5)
			return -EINVAL;
		memcpy(spec->port, colon + 1, port_len);
		spec->port[port_len] = '\0';
		if (mullion_spec_number(spec->port, 65535, &port) < 0 || !port)
			return -EINVAL;
	}
	return 0;
}

static int spec_parse_nbd(struct mullion_spec *spec, const char *uri,
			  const char *cwd, struct mullion_error *err)
{
	bool over_unix = !strncmp(uri, "nbd+unix://", 11);
	const char *p = uri + (over_unix ? 11 : 6);
	const char *query = strchr(p, '?');
	const char *end = query ? query : p + strlen(p);
	const char *slash = memchr(p, '/', (size_t)(end - p));
	char socket_path[PATH_MAX] = "";
	int r;

	spec->store = MULLION_STORE_NBD;
	if (slash) {
		r = spec_unescape(slash + 1, (size_t)(end - slash - 1),
				  spec->export, sizeof(spec->export));
		if (r < 0)
			return mullion_error_set(err, r, SPEC_WHAT, uri,
				"use at most 255 bytes, %XX for special ones",
				"the export name is not valid");
	}
	while (query) {
		const char *key = query + 1;
		const char *next = strchr(key, '&');
		size_t len = next ? (size_t)(next - key) : strlen(key);

		if (len < 7 || strncmp(key, "socket=", 7) || !over_unix || socket_path[0])
			return mullion_error_set(err, -EINVAL, SPEC_WHAT, uri,
				"use nbd+unix:///EXPORT?socket=PATH or nbd://HOST:PORT/EXPORT",
				"unknown parameter '%.*s' in the URI",
				(int)len, key);
		r = spec_unescape(key + 7, len - 7, socket_path,
				  sizeof(socket_path));
		if (r < 0)
			return mullion_error_set(err, r, SPEC_WHAT, uri, NULL,
				"the socket's path is not valid");
		query = next;
	}
	if (over_unix) {
		if (!socket_path[0] || slash != p)
			return mullion_error_set(err, -EINVAL, SPEC_WHAT, uri,
				"use nbd+unix:///EXPORT?socket=PATH",
				"the URI names no socket");
		r = spec_absolute(socket_path, cwd, spec->path);
		/* struct sockaddr_un holds 108 bytes */
		if (r < 0 || strlen(spec->path) >= 108)
			return mullion_error_set(err, -ENAMETOOLONG, SPEC_WHAT,
				uri, "use a shorter absolute path",
				"the socket's path is relative or too long");
		return 0;
	}
	r = spec_parse_authority(spec, p, (size_t)((slash ? slash : end) - p));
	if (r < 0)
		return mullion_error_set(err, r, SPEC_WHAT, uri,
			"use nbd://HOST:PORT/EXPORT",
			"host or port is not valid");
	return 0;
}

static int spec_parse_store(struct mullion_spec *spec, const char *store,
			    const char *cwd, struct mullion_error *err)
{
	int r;

	if (!*store)
		return mullion_error_set(err, -EINVAL, SPEC_WHAT, spec->text,
			"use PATH, an NBD URI or null:SIZE",
			"it names no image");
	if (!strncmp(store, "null:", 5)) {
		spec->store = MULLION_STORE_NULL;
		r = mullion_spec_size(store + 5, &spec->bytes);
		if (r < 0 || !spec->bytes || spec->bytes % 512)
			return mullion_error_set(err, -EINVAL, SPEC_WHAT, store,
				"use for example null:1G",
				"the size is not a multiple of 512 bytes above 0");
		return 0;
	}
	if (!strncmp(store, "nbd://", 6) || !strncmp(store, "nbd+unix://", 11))
		return spec_parse_nbd(spec, store, cwd, err);
	if (!strncmp(store, "nbds", 4) && strstr(store, "://"))
		return mullion_error_set(err, -EINVAL, SPEC_WHAT, store,
			"use nbd: or nbd+unix:, or a local proxy such as nbdkit",
			"NBD over TLS is not supported");
	spec->store = MULLION_STORE_FILE;
	r = spec_absolute(store, cwd, spec->path);
	if (r == -EINVAL)
		return mullion_error_set(err, r, SPEC_WHAT, store,
			"give an absolute path", "the path is relative");
	if (r < 0)
		return mullion_error_set(err, r, SPEC_WHAT, store,
			"use a shorter path", "the path is too long");
	return 0;
}

static int spec_parse_serial(struct mullion_spec *spec, const char *value)
{
	size_t len = strlen(value);

	if (!len || len >= sizeof(spec->serial))
		return -EINVAL;
	for (size_t i = 0; i < len; i++)
		if (value[i] <= ' ' || value[i] > '~')
			return -EINVAL;
	memcpy(spec->serial, value, len + 1);
	return 0;
}

static const char *const spec_options_names[] = {
	"ro", "serial", "lun", "cache", "share",
};

static const char *spec_set_option(void *arg, unsigned int option, const char *value)
{
	struct mullion_spec *spec = arg;
	uint64_t number;

	switch (option) {
	case 0:
		spec->read_only = true;
		return value ? "ro takes no value" : NULL;
	case 1:
		if (!value || spec_parse_serial(spec, value) < 0)
			return "use 1 to 31 printable characters without blanks";
		return NULL;
	case 2:
		if (!value || mullion_spec_number(value, SPEC_LUN_HIGHEST, &number) < 0)
			return "use 0 to 255";
		spec->lun = (int)number;
		return NULL;
	case 3:
		if (value && !strcmp(value, "writeback"))
			spec->cache = MULLION_CACHE_WRITEBACK;
		else if (value && !strcmp(value, "writethrough"))
			spec->cache = MULLION_CACHE_WRITETHROUGH;
		else if (value && !strcmp(value, "none"))
			spec->cache = MULLION_CACHE_NONE;
		else
			return "use writeback, writethrough or none";
		return NULL;
	default:
		return mullion_spec_switch(value, &spec->shared) < 0 ? "use on or off" : NULL;
	}
}

static const struct mullion_spec_options spec_options = {
	.what = SPEC_WHAT,
	.names = spec_options_names,
	.count = sizeof(spec_options_names) / sizeof(spec_options_names[0]),
	.known = "use ro, serial=, lun=, cache= or share=; write a comma in a path twice",
	.set = spec_set_option,
};

int mullion_spec_parse(struct mullion_spec *ret, const char *text,
		       const char *cwd, struct mullion_error *err)
{
	char piece[MULLION_SPEC_TEXT_MAX];
	struct mullion_spec *spec;
	const char *rest = text;
	unsigned int seen = 0;
	int r;

	if (strlen(text) >= sizeof(spec->text))
		return mullion_error_set(err, -ENAMETOOLONG, SPEC_WHAT, NULL,
			"use a shorter path", "the text is too long");
	spec = calloc(1, sizeof(*spec));
	if (!spec)
		return mullion_error_set(err, -ENOMEM, SPEC_WHAT, text, NULL,
			"out of memory");
	strcpy(spec->text, text);
	spec->cache = MULLION_CACHE_WRITEBACK;
	spec->lun = MULLION_SPEC_LUN_ANY;
	r = mullion_spec_piece(&rest, piece, sizeof(piece));
	if (!r)
		r = spec_parse_store(spec, piece, cwd, err);
	if (!r)
		r = mullion_spec_options(&spec_options, spec, rest, text, &seen, err);
	if (!r && spec->shared && spec->store == MULLION_STORE_NULL)
		r = mullion_error_set(err, -EINVAL, SPEC_WHAT, text,
			"leave share=on out", "a null store holds nothing to share");
	if (!r)
		*ret = *spec;
	free(spec);
	return r;
}
