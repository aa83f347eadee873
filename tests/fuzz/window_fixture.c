// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/window_fixture.c - the simplest class: the common layer itself */
#include "../lib/fixture_class.h"
#include "window_class.h"

const struct mullion_class *const window_class = &fixture_class;

const void *window_class_config(size_t *bytes, int *fd)
{
	*bytes = 0;
	*fd = -1;
	return NULL;
}
