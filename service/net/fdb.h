/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/fdb.h - which address is at which port
 */
#ifndef MULLION_NET_FDB_H
#define MULLION_NET_FDB_H

#include <stdbool.h>
#include <stdint.h>

struct mullion_fdb;
struct mullion_fdb_entry;

/**
 * struct mullion_fdb_port - a port as the table sees it; part of the port, all
 * zero to begin
 * @newest: entries, last seen first; fdb.c's, as is the rest
 */
struct mullion_fdb_port {
	struct mullion_fdb_entry *newest;
	struct mullion_fdb_entry *oldest;
	struct mullion_fdb_entry *pin;
	uint32_t count;
};

/**
 * mullion_fdb_new() - an empty table
 *
 * Return: it, or NULL if there is no memory.
 */
struct mullion_fdb *mullion_fdb_new(void);

/**
 * mullion_fdb_free() - the table and all entries; NULL is fine
 */
void mullion_fdb_free(struct mullion_fdb *fdb);

/**
 * mullion_fdb_limit() - change what the table keeps
 * @ageing: seconds without a frame until an address is forgotten, at least 1
 * @addresses_max: of one port, at least 1; beyond it, its oldest is forgotten
 */
void mullion_fdb_limit(struct mullion_fdb *fdb, uint32_t ageing, uint32_t addresses_max);

/**
 * mullion_fdb_learn() - a frame with this source came in
 * @mac: 6 bytes; groups and the null address are never learned
 * @vlan: the frame's after classification
 * @port: where it came in
 * @now: seconds, monotonic
 * @left: set to the port that had the address before, if it moved; else NULL
 *
 * Return: 0; -EPERM if the address is pinned to another port, and then the
 * frame is one with a stolen address; -ENOMEM, and then the address is
 * flooded to.
 */
int mullion_fdb_learn(struct mullion_fdb *fdb, const uint8_t *mac, uint16_t vlan,
		      struct mullion_fdb_port *port, uint32_t now,
		      struct mullion_fdb_port **left);

/**
 * mullion_fdb_pin() - an address belongs to a port, in all VLANs, for ever
 *
 * One pinned address per port: a new one replaces it.
 *
 * Return: 0; -EEXIST if it is pinned to another port; -ENOMEM.
 */
int mullion_fdb_pin(struct mullion_fdb *fdb, const uint8_t *mac,
		    struct mullion_fdb_port *port);

/**
 * mullion_fdb_unpin() - the port has no address of its own any more
 */
void mullion_fdb_unpin(struct mullion_fdb *fdb, struct mullion_fdb_port *port);

/**
 * mullion_fdb_find() - where does an address live?
 *
 * Return: the port; NULL if that is not known.
 */
struct mullion_fdb_port *mullion_fdb_find(struct mullion_fdb *fdb, const uint8_t *mac,
					  uint16_t vlan, uint32_t now);

/**
 * mullion_fdb_forget() - all addresses that were learned at a port
 *
 * When its link goes down; and with mullion_fdb_unpin() before the port goes.
 */
void mullion_fdb_forget(struct mullion_fdb *fdb, struct mullion_fdb_port *port);

/**
 * mullion_fdb_age() - free what is too old of a port; now and then
 */
void mullion_fdb_age(struct mullion_fdb *fdb, struct mullion_fdb_port *port, uint32_t now);

#endif /* MULLION_NET_FDB_H */
