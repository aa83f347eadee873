/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/store_file.h - what the parts of the file store share
 */
#ifndef MULLION_STORE_FILE_H
#define MULLION_STORE_FILE_H

#include "fence.h"
#include "store.h"

#define FILE_SLOW_WINDOW	32		/* writes in which two are a few */
#define FILE_BACKOFF_NS		100000000ULL	/* ring for so long, at first */
#define FILE_UNKNOWN_ALIGN	4096

struct store_file {
	struct store store;
	int fd;
	int slot;		/* in the ring, or -1 */
	bool direct;
	bool nowait;		/* RWF_NOWAIT works here */
	bool memory;		/* reads cannot block */
	bool block_device;
	bool read_only;
	bool dirty;
	bool lost;		/* what a flush should have covered */
	bool no_zero;		/* FALLOC_FL_ZERO_RANGE does not work here */
	uint32_t align;		/* of direct I/O vectors */
	uint32_t flushes;	/* under way */
	uint64_t slow_until;
	uint64_t backoff;
	uint32_t since_slow;	/* inline writes since the last slow one */
	struct store_io *starved;	/* no room in the ring: later */
	struct store_io **starved_end;
	struct fence fence;
};

static inline struct store_file *file_of(struct store *store)
{
	return (struct store_file *)store;
}

/* store_file.c: the store's operations of these names */
int store_file_submit(struct store *store, struct store_io *io);
void store_file_turn_end(struct store *store);

#endif /* MULLION_STORE_FILE_H */
