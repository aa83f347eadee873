// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/main.c - mullion-net: a network, the switch of its guests
 *
 * One class for the common layer: network cards (s-Par's vNIC type).
 */
#include "class.h"

int main(int argc, char **argv)
{
	return mullion_service_main(argc, argv, &net_class);
}
