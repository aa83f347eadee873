/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/disk_internal.h - a process guest's disk: the object
 *
 * Shared by disk.c (life cycle) and disk_io.c (rings).
 */
#ifndef MULLION_CHANNEL_DISK_INTERNAL_H
#define MULLION_CHANNEL_DISK_INTERNAL_H

#include "client.h"
#include "disk.h"

struct mullion_disk {
	struct mullion_client client;	/* first: one is found by the other */

	struct mullion_disk_io **table;	/* by slot, which is the wire handle */
	uint16_t *free_slots;
	unsigned int free_count;
	unsigned int max_outstanding;
	struct mullion_disk_io *first;	/* unanswered, oldest first */
	struct mullion_disk_io *last;
	struct mullion_disk_io *unissued;	/* this and all after it */
	uint64_t request_id;

	struct mullion_disk_limits limits;
	uint64_t submitted;
	uint64_t reissued;
};

/* disk_io.c */

/* The class's callbacks (client.h). */
int disk_io_begin(struct mullion_client *client);
int disk_io_reap(struct mullion_client *client);
bool disk_io_push(struct mullion_client *client);
void disk_io_fail(struct mullion_client *client, int error);

#endif /* MULLION_CHANNEL_DISK_INTERNAL_H */
