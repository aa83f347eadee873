// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/lib/inproc_ram.c - linked in, a test has its buses in guest RAM */
#include "inproc.h"

static void __attribute__((constructor)) inproc_ram_begin(void)
{
	inproc_use_ram(true);
}
