// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/fuzz_spec.c - any text as the SPEC of a disk */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../command/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mullion_spec spec;
	struct mullion_error err = { .why = "" };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	if (!mullion_spec_parse(&spec, text, "/cwd", &err)) {
		/* what was accepted is terminated, absolute, and in range */
		if (spec.store == MULLION_STORE_FILE && spec.path[0] != '/')
			abort();
		if (spec.store == MULLION_STORE_NULL && (!spec.bytes || spec.bytes % 512))
			abort();
		if (spec.store == MULLION_STORE_NBD && !spec.path[0] && !spec.host[0])
			abort();
		if (spec.lun < MULLION_SPEC_LUN_ANY || spec.lun > 255)
			abort();
		if (!memchr(spec.path, 0, sizeof(spec.path)) ||
		    !memchr(spec.export, 0, sizeof(spec.export)) ||
		    !memchr(spec.serial, 0, sizeof(spec.serial)))
			abort();
	} else if (!err.why[0]) {
		abort();
	}
	free(text);
	return 0;
}
