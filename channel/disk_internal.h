/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/disk_internal.h - a process guest's disk: the object
 *
 * Shared by disk.c (life cycle, attach, waiting) and disk_io.c (rings).
 */
#ifndef MULLION_CHANNEL_DISK_INTERNAL_H
#define MULLION_CHANNEL_DISK_INTERNAL_H

#include "attach.h"
#include "disk.h"
#include "guest.h"
#include "signal_queue.h"
#include "spin.h"

struct mullion_disk {
	struct mullion_sq cmd;
	struct mullion_sq rsp;
	struct mullion_attach attach;
	int send_fd;
	bool attached;			/* rings may be used */
	bool paused;			/* by the command partition */
	bool faulted;			/* one side broke the rules: for good */
	bool slot_ext;			/* agreed on struct mullion_slot_ext */

	struct mullion_disk_io **table;	/* by slot, which is the wire handle */
	uint16_t *free_slots;
	unsigned int free_count;
	unsigned int max_outstanding;
	struct mullion_disk_io *first;	/* unanswered, oldest first */
	struct mullion_disk_io *last;
	struct mullion_disk_io *unissued;	/* this and all after it */
	uint64_t request_id;
	unsigned int polls;

	struct mullion_guest *guest;		/* NULL: device gone */
	struct mullion_guest_device *device;	/* NULL: device gone */
	struct mullion_guest_device_info info;
	struct mullion_pool_share *share;
	struct mullion_spin spin;
	struct mullion_disk_limits limits;
	struct mullion_disk_counters counters;
	bool asleep;
};

/* disk_io.c */

/* Put what waits into the ring, as far as there is room, and show it. */
void disk_io_push(struct mullion_disk *disk);
/* Complete what is answered; returns how many, or -EPROTO. */
int disk_io_reap(struct mullion_disk *disk);
/* A new epoch: everything unanswered is to be issued again, oldest first. */
void disk_io_restart(struct mullion_disk *disk);
/* End everything unanswered with @error. */
void disk_io_fail(struct mullion_disk *disk, int error);

#endif /* MULLION_CHANNEL_DISK_INTERNAL_H */
