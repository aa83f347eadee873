// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/partition_net.c - a partition's network interfaces
 *
 * Each is a device on a bus of its own, served by the switch of its network,
 * which all its users share.  It is claimed when it is made: two interfaces of
 * one network with the same address would take each other's frames, so the
 * second is refused unless both say share=on.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "../abi/state.h"
#include "bus.h"
#include "device_net.h"
#include "log.h"
#include "network.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "text.h"

/* ---- interfaces ---------------------------------------------------------- */

struct mullion_nic *mullion_nic_next(const struct mullion_network *network,
				     const struct mullion_nic *nic)
{
	struct mullion_nic *next = nic ? nic->next : network->nics;

	while (next && next->device && !next->device->bus->partition)
		next = next->next;
	return next;
}

static bool net_number_used(const struct mullion_partition *p, unsigned int number)
{
	for (const struct mullion_network *n = p->core->networks; n; n = n->next)
		for (const struct mullion_nic *nic = NULL; (nic = mullion_nic_next(n, nic));)
			if (nic->partition == p && nic->number == number)
				return true;
	return false;
}

/*
 * The same guest's same interface keeps its address: FNV-1a of the guest's UUID
 * and the number, with the bit of addresses that nobody has assigned.
 */
static void net_default_mac(const struct mullion_partition *p, unsigned int number,
			    uint8_t mac[static 6])
{
	uint64_t hash = 0xcbf29ce484222325ULL;

	for (size_t i = 0; i < sizeof(p->uuid.b); i++)
		hash = (hash ^ p->uuid.b[i]) * 0x100000001b3ULL;
	hash = (hash ^ number) * 0x100000001b3ULL;
	hash ^= hash >> 40;
	mac[0] = 0x02;
	for (unsigned int i = 1; i < 6; i++)
		mac[i] = (uint8_t)(hash >> (8 * (i - 1)));
}

int mullion_nic_may_have(const struct mullion_nic *nic, const struct mullion_net_spec *spec,
			 struct mullion_error *err)
{
	char mac[MULLION_MAC_TEXT];

	for (const struct mullion_nic *other = NULL;
	     (other = mullion_nic_next(nic->network, other));) {
		if (other == nic || memcmp(other->spec.mac, spec->mac, sizeof(spec->mac)) ||
		    (other->spec.share && spec->share))
			continue;
		return mullion_error_set(err, -EADDRINUSE, "cannot use network interface",
			mullion_mac_text(spec->mac, mac),
			"choose another mac, or give share=on to both",
			"an interface of guest %s on network %s has that address%s",
			other->guest, nic->network->def->name,
			other->spec.share || spec->share ?
			", and only one of the two says share=on" : "");
	}
	return 0;
}

static int net_check_new(const struct mullion_nic *nic, struct mullion_error *err)
{
	const struct mullion_network *n = nic->network;
	unsigned int count = 0;

	if (n->closing)
		return mullion_error_set(err, -EBUSY, "cannot use network", n->def->name,
					 "try again", "it is being stopped");
	for (const struct mullion_nic *other = n->nics; other; other = other->next)
		count++;
	if (count >= MULLION_STATE_CHANNELS_MAX)
		return mullion_error_set(err, -ENOSPC, "cannot use network", n->def->name,
					 "use another network for further guests",
					 "it has %d interfaces, the most that a switch serves",
					 MULLION_STATE_CHANNELS_MAX);
	return mullion_nic_may_have(nic, &nic->spec, err);
}

int mullion_nic_new(struct mullion_partition *p, const char *spec, struct mullion_nic **ret,
		    struct mullion_error *err)
{
	struct mullion_nic *nic = calloc(1, sizeof(*nic));
	int r;

	if (!nic)
		return mullion_error_set(err, -ENOMEM, "cannot use network interface", spec,
					 NULL, "out of memory");
	r = mullion_net_spec_parse(&nic->spec, spec, err);
	if (!r)
		r = mullion_network_get(p->core, nic->spec.network, &nic->network, err);
	if (r < 0) {
		free(nic);
		return r;
	}
	nic->partition = p;
	snprintf(nic->guest, sizeof(nic->guest), "%s", p->name);
	while (net_number_used(p, nic->number))
		nic->number++;
	if (!nic->spec.has_mac)
		net_default_mac(p, nic->number, nic->spec.mac);
	nic->spec.isolated |= nic->network->def->isolated;
	r = net_check_new(nic, err);
	if (r < 0) {
		mullion_network_put(nic->network);
		free(nic);
		return r;
	}
	nic->next = nic->network->nics;
	nic->network->nics = nic;
	*ret = nic;
	return 0;
}

void mullion_nic_free(struct mullion_nic *nic)
{
	struct mullion_nic **link;

	if (!nic)
		return;
	for (link = &nic->network->nics; *link != nic; link = &(*link)->next)
		;
	*link = nic->next;
	mullion_network_put(nic->network);
	free(nic);
}

/* ---- the row of the class --------------------------------------------------- */

static int net_make(struct mullion_partition *p, const char *spec, const char *cwd,
		    void **ret, struct mullion_error *err)
{
	struct mullion_nic *nic;
	int r = mullion_nic_new(p, spec, &nic, err);

	(void)cwd;
	if (!r)
		*ret = nic;
	return r;
}

static void net_discard(void *part)
{
	mullion_nic_free(part);
}

static int net_make_bus(struct mullion_partition *p, struct mullion_nic *nic,
			struct mullion_cp_bus **ret, struct mullion_error *err)
{
	struct mullion_net_device *own;
	struct mullion_cp_bus *bus;
	int r;

	r = mullion_network_open(nic->network, err);
	if (!r)
		r = mullion_partition_make_bus(p, nic->network->service, &bus, err);
	if (r < 0)
		return r;
	own = bus->devices->own;
	own->nic = nic;
	nic->device = bus->devices;
	*ret = bus;
	return 0;
}

static int net_place(struct mullion_partition *p, void *part, struct mullion_error *err)
{
	struct mullion_cp_bus *bus;

	return net_make_bus(p, part, &bus, err);
}

static int net_plug(struct mullion_partition *p, void *part, struct mullion_error *err)
{
	struct mullion_nic *nic = part;
	struct mullion_cp_bus *bus = NULL;
	int r;

	r = mullion_partition_may_plug_window(p, nic->spec.text, err);
	if (!r)
		r = net_make_bus(p, nic, &bus, err);
	if (r < 0)
		return r;
	/* from here on the bus has it */
	if (mullion_partition_serve_bus(bus, err) < 0)
		mullion_event_emit(p->core->events, LOG_ERR, p->label, "net-failed", "%s: %s",
				   nic->spec.text, err ? err->why : "");
	return 0;
}

/* By its name, its UUID, or its address. */
static struct mullion_cp_device *net_find(struct mullion_partition *p, const char *which)
{
	char name[64], uuid[MULLION_GUID_TEXT];
	uint8_t mac[6];
	bool address = !mullion_mac_parse(which, mac);

	for (struct mullion_cp_bus *bus = p->buses; bus; bus = bus->next) {
		if (bus->service->class->devices != &mullion_net_class)
			continue;
		for (struct mullion_cp_device *d = bus->devices; d; d = d->next) {
			const struct mullion_net_device *own = d->own;

			snprintf(name, sizeof(name), "vbus%u:dev%u", bus->number, d->number);
			if (!strcmp(which, name) ||
			    !strcmp(which, mullion_guid_text(&d->uuid, uuid)) ||
			    (address && !memcmp(own->nic->spec.mac, mac, sizeof(mac))))
				return d;
		}
	}
	return NULL;
}

static int net_unplug(struct mullion_partition *p, const char *which, bool force,
		      struct mullion_error *err)
{
	struct mullion_cp_device *device = net_find(p, which);

	if (!device)
		return -ENOENT;
	if (mullion_cp_bus_remove(device->bus, force) < 0)
		return mullion_error_set(err, -EALREADY, "cannot remove device", which,
					 "wait for the guest, or use --force",
					 "it is being removed already");
	return 0;
}

static int net_set(struct mullion_partition *p, const char *which, const char *changes,
		   struct mullion_error *err)
{
	struct mullion_cp_device *device = net_find(p, which);

	return device ? mullion_net_device_set(device, changes, err) : -ENOENT;
}

const struct mullion_device_class mullion_net_class = {
	.name = "net",
	.type = VISOR_VNIC_CHANNEL_GUID,
	.change_what = "cannot change a network interface of",
	.own_bytes = sizeof(struct mullion_net_device),
	.make = net_make,
	.discard = net_discard,
	.place = net_place,
	.plug = net_plug,
	.unplug = net_unplug,
	.set = net_set,
	.release = mullion_net_device_release,
	.config = mullion_net_device_config,
	.reconfigured = mullion_net_device_reconfigured,
	.served = mullion_net_device_served,
	.describe = mullion_net_device_describe,
	.standby = true,
};
