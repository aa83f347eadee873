// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_ini.c - the text of a definition file
 *
 * A guest's or a network's.  What is accepted must come back the same after being
 * described as JSON and read again: both readers share their rules.
 */

#include <stdint.h>
#include <stdlib.h>

#include "../../command/definition.h"
#include "../../command/network_definition.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void fuzz_network(const uint8_t *data, size_t bytes)
{
	struct mullion_network_definition *def, *again;
	struct mullion_error err;
	json_t *one, *two;

	if (mullion_network_definition_from_ini((const char *)data, bytes, "fuzz", "/f", &def,
						&err))
		return;
	if (!mullion_network_definition_is((const char *)data, bytes))
		abort();
	one = mullion_network_definition_describe(def);
	if (one) {
		if (mullion_network_definition_from_json(one, NULL, &again, &err))
			abort();
		two = mullion_network_definition_describe(again);
		if (!json_equal(one, two))
			abort();
		json_decref(two);
		mullion_network_definition_unref(again);
	}
	json_decref(one);
	mullion_network_definition_unref(def);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct mullion_definition *def, *again;
	struct mullion_error err;
	json_t *one, *two;

	fuzz_network(data, bytes);
	if (mullion_definition_from_ini((const char *)data, bytes, "fuzz", "/f", &def, &err))
		return 0;
	one = mullion_definition_describe(def);
	/* Text that is not UTF-8 cannot be JSON. */
	if (one) {
		if (mullion_definition_from_json(one, NULL, &again, &err))
			abort();
		two = mullion_definition_describe(again);
		if (!json_equal(one, two))
			abort();
		json_decref(two);
		mullion_definition_unref(again);
	}
	json_decref(one);
	mullion_definition_unref(def);
	return 0;
}
