// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/fdb.c - which address is at which port
 *
 * DOC: Theory of Operation
 *
 * A hash table of (address, VLAN) with a chain per bucket, and per port a list
 * of its entries in the order in which they were last seen.  The list makes the
 * limits cheap: the oldest entry of a port is the one to go when the port has
 * too many, and ageing looks at the old end only.
 *
 * A port that sends from ever new addresses pushes out its own addresses, none
 * of the others; the hash has a secret, so that it cannot lengthen a chain of
 * its choice either.
 *
 * A pinned address is an entry with a VLAN number of its own (PIN), found when
 * there is none for the frame's VLAN.  It does not age, is not in the port's
 * list, and cannot be learned elsewhere.
 */
#include "fdb.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

#define FDB_BUCKETS_LOG		14
#define FDB_BUCKETS		(1U << FDB_BUCKETS_LOG)
#define FDB_VLAN_PIN		0xffff
#define FDB_AGEING		300
#define FDB_ADDRESSES		1024

struct mullion_fdb_entry {
	struct mullion_fdb_entry *next;		/* in the bucket */
	struct mullion_fdb_entry *newer;	/* in the port's list */
	struct mullion_fdb_entry *older;
	struct mullion_fdb_port *port;
	uint64_t key;
	uint32_t seen;
};

struct mullion_fdb {
	uint64_t secret;
	uint32_t ageing;
	uint32_t addresses_max;
	struct mullion_fdb_entry *buckets[FDB_BUCKETS];
};

static uint64_t fdb_key(const uint8_t *mac, uint16_t vlan)
{
	uint64_t key = vlan;

	for (int i = 0; i < 6; i++)
		key = key << 8 | mac[i];
	return key;
}

static struct mullion_fdb_entry **fdb_bucket(struct mullion_fdb *fdb, uint64_t key)
{
	uint64_t hash = key ^ fdb->secret;

	hash = (hash ^ hash >> 32) * (fdb->secret | 1);
	hash = (hash ^ hash >> 29) * 0x9e3779b97f4a7c15ULL;
	return &fdb->buckets[hash >> (64 - FDB_BUCKETS_LOG)];
}

static struct mullion_fdb_entry *fdb_lookup(struct mullion_fdb *fdb, uint64_t key)
{
	struct mullion_fdb_entry *entry = *fdb_bucket(fdb, key);

	while (entry && entry->key != key)
		entry = entry->next;
	return entry;
}

static void fdb_list_add(struct mullion_fdb_entry *entry)
{
	struct mullion_fdb_port *port = entry->port;

	entry->newer = NULL;
	entry->older = port->newest;
	if (port->newest)
		port->newest->newer = entry;
	else
		port->oldest = entry;
	port->newest = entry;
	port->count++;
}

static void fdb_list_remove(struct mullion_fdb_entry *entry)
{
	struct mullion_fdb_port *port = entry->port;

	if (entry->newer)
		entry->newer->older = entry->older;
	else
		port->newest = entry->older;
	if (entry->older)
		entry->older->newer = entry->newer;
	else
		port->oldest = entry->newer;
	port->count--;
}

static void fdb_unhash(struct mullion_fdb *fdb, struct mullion_fdb_entry *entry)
{
	struct mullion_fdb_entry **link = fdb_bucket(fdb, entry->key);

	while (*link != entry)
		link = &(*link)->next;
	*link = entry->next;
}

static void fdb_remove(struct mullion_fdb *fdb, struct mullion_fdb_entry *entry)
{
	fdb_list_remove(entry);
	fdb_unhash(fdb, entry);
	free(entry);
}

static struct mullion_fdb_entry *fdb_insert(struct mullion_fdb *fdb, uint64_t key,
					    struct mullion_fdb_port *port)
{
	struct mullion_fdb_entry **bucket = fdb_bucket(fdb, key);
	struct mullion_fdb_entry *entry = malloc(sizeof(*entry));

	if (!entry)
		return NULL;
	*entry = (struct mullion_fdb_entry){ .next = *bucket, .port = port, .key = key };
	*bucket = entry;
	return entry;
}

static bool fdb_is_old(const struct mullion_fdb *fdb, const struct mullion_fdb_entry *entry,
		       uint32_t now)
{
	return now - entry->seen > fdb->ageing;
}

struct mullion_fdb *mullion_fdb_new(void)
{
	struct mullion_fdb *fdb = calloc(1, sizeof(*fdb));
	struct timespec now;

	if (!fdb)
		return NULL;
	fdb->ageing = FDB_AGEING;
	fdb->addresses_max = FDB_ADDRESSES;
	if (getrandom(&fdb->secret, sizeof(fdb->secret), GRND_NONBLOCK) !=
	    sizeof(fdb->secret)) {
		/* early at boot only */
		clock_gettime(CLOCK_MONOTONIC, &now);
		fdb->secret = (uint64_t)now.tv_nsec << 32 ^ (uintptr_t)fdb;
	}
	return fdb;
}

void mullion_fdb_free(struct mullion_fdb *fdb)
{
	if (!fdb)
		return;
	for (size_t i = 0; i < FDB_BUCKETS; i++) {
		while (fdb->buckets[i]) {
			struct mullion_fdb_entry *entry = fdb->buckets[i];

			fdb->buckets[i] = entry->next;
			free(entry);
		}
	}
	free(fdb);
}

void mullion_fdb_limit(struct mullion_fdb *fdb, uint32_t ageing, uint32_t addresses_max)
{
	fdb->ageing = ageing ? ageing : 1;
	fdb->addresses_max = addresses_max ? addresses_max : 1;
}

static bool fdb_is_nobody(const uint8_t *mac)
{
	static const uint8_t null[6];

	return (mac[0] & 1) || !memcmp(mac, null, sizeof(null));
}

int mullion_fdb_learn(struct mullion_fdb *fdb, const uint8_t *mac, uint16_t vlan,
		      struct mullion_fdb_port *port, uint32_t now,
		      struct mullion_fdb_port **left)
{
	uint64_t key = fdb_key(mac, vlan);
	struct mullion_fdb_entry *entry, *pin;

	*left = NULL;
	if (fdb_is_nobody(mac))
		return 0;
	pin = fdb_lookup(fdb, fdb_key(mac, FDB_VLAN_PIN));
	if (pin)
		return pin->port == port ? 0 : -EPERM;
	entry = fdb_lookup(fdb, key);
	if (entry && entry->port == port && entry->seen == now)
		return 0;
	if (entry) {
		if (entry->port != port) {
			if (!fdb_is_old(fdb, entry, now))
				*left = entry->port;
			fdb_list_remove(entry);
			entry->port = port;
		} else {
			fdb_list_remove(entry);
		}
	} else {
		entry = fdb_insert(fdb, key, port);
		if (!entry)
			return -ENOMEM;
	}
	entry->seen = now;
	fdb_list_add(entry);
	while (port->count > fdb->addresses_max)
		fdb_remove(fdb, port->oldest);
	return 0;
}

int mullion_fdb_pin(struct mullion_fdb *fdb, const uint8_t *mac,
		    struct mullion_fdb_port *port)
{
	uint64_t key = fdb_key(mac, FDB_VLAN_PIN);
	struct mullion_fdb_entry *entry = fdb_lookup(fdb, key);

	if (entry)
		return entry->port == port ? 0 : -EEXIST;
	entry = fdb_insert(fdb, key, port);
	if (!entry)
		return -ENOMEM;
	mullion_fdb_unpin(fdb, port);
	port->pin = entry;
	return 0;
}

void mullion_fdb_unpin(struct mullion_fdb *fdb, struct mullion_fdb_port *port)
{
	if (!port->pin)
		return;
	fdb_unhash(fdb, port->pin);
	free(port->pin);
	port->pin = NULL;
}

struct mullion_fdb_port *mullion_fdb_find(struct mullion_fdb *fdb, const uint8_t *mac,
					  uint16_t vlan, uint32_t now)
{
	struct mullion_fdb_entry *entry;

	if (fdb_is_nobody(mac))
		return NULL;
	/* a pin counts more than what was learned before it */
	entry = fdb_lookup(fdb, fdb_key(mac, FDB_VLAN_PIN));
	if (entry)
		return entry->port;
	entry = fdb_lookup(fdb, fdb_key(mac, vlan));
	return entry && !fdb_is_old(fdb, entry, now) ? entry->port : NULL;
}

void mullion_fdb_forget(struct mullion_fdb *fdb, struct mullion_fdb_port *port)
{
	while (port->oldest)
		fdb_remove(fdb, port->oldest);
}

void mullion_fdb_age(struct mullion_fdb *fdb, struct mullion_fdb_port *port, uint32_t now)
{
	while (port->oldest && fdb_is_old(fdb, port->oldest, now))
		fdb_remove(fdb, port->oldest);
}
