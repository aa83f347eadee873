/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/spec.h - the one parser of what a user calls a disk
 *
 *	PATH|NBD-URI|null:SIZE[,ro][,serial=S][,lun=N]
 *		[,cache=writeback|writethrough|none][,share=on|off]
 *
 * A comma in PATH or URI is written twice.  SIZE is bytes, with K, M, G or T
 * as powers of 1024.  NBD URIs: nbd://HOST[:PORT][/EXPORT] and
 * nbd+unix:///[EXPORT]?socket=PATH, with %XX in names.
 */
#ifndef MULLION_COMMAND_SPEC_H
#define MULLION_COMMAND_SPEC_H

#include <limits.h>
#include <stdbool.h>
#include <stdint.h>

#include "../abi/disk.h"
#include "error.h"

#define MULLION_SPEC_LUN_ANY	(-1)
#define MULLION_SPEC_TEXT_MAX	(PATH_MAX + 512)

/**
 * struct mullion_spec - a parsed SPEC
 * @text: what the user wrote
 * @store: MULLION_STORE_FILE, _NBD or _NULL
 * @cache: MULLION_CACHE_*
 * @read_only, @shared: options
 * @lun: 0 to 255 or MULLION_SPEC_LUN_ANY
 * @bytes: size of a null store
 * @serial: printable ASCII; empty: made from the disk's UUID
 * @path: file: absolute path; NBD: path of a Unix socket, or empty
 * @host, @port, @export: NBD over TCP; export name of any NBD store
 */
struct mullion_spec {
	char text[MULLION_SPEC_TEXT_MAX];
	uint32_t store;
	uint32_t cache;
	bool read_only;
	bool shared;
	int lun;
	uint64_t bytes;
	char serial[32];
	char path[PATH_MAX];
	char host[256];
	char port[8];
	char export[256];
};

/**
 * mullion_spec_parse() - read a SPEC
 * @spec: filled on success
 * @text: what the user wrote
 * @cwd: absolute path that a relative PATH counts from; NULL refuses those
 * @err: says what is wrong, on failure
 *
 * Opens and looks at nothing.  Return: 0, -EINVAL or -ENAMETOOLONG.
 */
int mullion_spec_parse(struct mullion_spec *spec, const char *text,
		       const char *cwd, struct mullion_error *err);

#endif /* MULLION_COMMAND_SPEC_H */
