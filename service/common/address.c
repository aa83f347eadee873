// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/address.c - where a client's data is
 */
#include "service.h"

void *service_address(const struct mullion_device *device, uint64_t address,
		      uint64_t bytes)
{
	const struct service_bus *bus = device->bus;

	if (!mullion_range_ok(address, bytes, bus->pool_bytes))
		return NULL;
	return bus->pool + address;
}
