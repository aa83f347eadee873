// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/window_fixture.c - the simplest class: the common layer itself */
#include "../lib/fixture_class.h"
#include "window_class.h"

static const void *window_fixture_config(size_t *bytes, int *fd)
{
	*bytes = 0;
	*fd = -1;
	return NULL;
}

const struct window_class window_class = {
	.class = &fixture_class,
	.window_bytes = 4 << 20,
	.config = window_fixture_config,
	.request = window_scsi_request,
	.served = window_scsi_served,
};
