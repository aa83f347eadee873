// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/fixture_service.c - a service program with the fixture class
 */
#include "fixture_class.h"

int main(int argc, char **argv)
{
	return mullion_service_main(argc, argv, &fixture_class);
}
