/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/persist.h - what a disk keeps across services
 *
 * The data of a state object: registrations, reservation, mode pages and
 * pending unit attentions of one disk, and the journal of atomic writes.  It
 * lies in memory that outlives the process, and the process may die between
 * any two instructions.
 */
#ifndef MULLION_DISK_PERSIST_H
#define MULLION_DISK_PERSIST_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/state.h"

#define PERSIST_VERSION		1
#define PERSIST_NEXUS_MAX	64
#define PERSIST_JOURNAL_SLOTS	12
/* Bytes that one atomic write may have: MAXIMUM COMPARE AND WRITE LENGTH. */
#define PERSIST_JOURNAL_BYTES	4096
#define PERSIST_NEXUS_NONE	0xff

/*
 * Unit attentions that wait for a nexus, most important first; the order is
 * that of scsi_attention.c.
 */
#define ATTENTION_RESET			(1U << 0)
#define ATTENTION_NEXUS_LOSS		(1U << 1)
#define ATTENTION_CAPACITY		(1U << 2)
#define ATTENTION_MODE			(1U << 3)
#define ATTENTION_RESERVATIONS_PREEMPTED (1U << 4)
#define ATTENTION_RESERVATIONS_RELEASED	(1U << 5)
#define ATTENTION_REGISTRATIONS_PREEMPTED (1U << 6)
#define ATTENTION_LUNS			(1U << 7)

/* One I_T nexus: a device that uses, or has registered with, the disk. */
struct persist_nexus {
	guid_t uuid;		/* zero: free */
	uint64_t key;		/* valid if registered */
	uint64_t effect_id;	/* request whose effect is in this copy */
	uint64_t effect_incarnation;
	uint32_t attention;
	uint8_t registered;
	uint8_t pad[11];
	uint64_t pad2;
};

struct persist_body {
	uint64_t blocks;	/* capacity as last told, 0: never */
	uint32_t pr_generation;
	uint8_t pr_type;	/* 0: no reservation */
	uint8_t pr_holder;	/* index; meaningless for all-registrants types */
	uint8_t reserve6_holder; /* of a RESERVE(6), or PERSIST_NEXUS_NONE */
	uint8_t stopped;
	uint8_t mode_valid;	/* the next three are from a guest */
	uint8_t wce;
	uint8_t swp;
	uint8_t d_sense;
	uint8_t pad[44];
	struct persist_nexus nexus[PERSIST_NEXUS_MAX];
};

/* persist_intent.phase */
#define INTENT_FREE	0
#define INTENT_ACTIVE	1	/* write it (again) before anything else */
#define INTENT_APPLIED	2	/* written by a successor, not yet answered */

/* An atomic write whose condition has been met. */
struct persist_intent {
	guid_t nexus;
	uint64_t request_id;
	uint64_t incarnation;
	uint64_t lba;
	uint32_t blocks;
	uint32_t phase;
	uint64_t serial;	/* order of making */
	uint8_t pad[8];
	uint8_t data[PERSIST_JOURNAL_BYTES];
};

struct persist_area {
	uint64_t magic;
	uint64_t commit;	/* body[commit & 1] is the valid one */
	uint8_t pad[48];
	struct persist_body body[2];
	struct persist_intent journal[PERSIST_JOURNAL_SLOTS];
};

_Static_assert(sizeof(struct persist_nexus) == 64, "nexus record");
_Static_assert(sizeof(struct persist_body) == 64 + 64 * PERSIST_NEXUS_MAX,
	       "disk record");
_Static_assert(sizeof(struct persist_intent) == 64 + PERSIST_JOURNAL_BYTES,
	       "journal slot");
_Static_assert(sizeof(struct persist_area) <= MULLION_STATE_OBJECT_BYTES - 64,
	       "fits a state object");

/**
 * persist_load() - take over what a predecessor left, or start afresh
 * @object: the disk's object
 * @body: filled
 *
 * Return: true if there was something of this version.
 */
bool persist_load(struct mullion_state_object *object,
		  struct persist_body *body);

/**
 * persist_commit() - make @body what a successor will find
 *
 * Atomic with regard to the death of the process: a successor finds either
 * all of it or all of the one before.
 */
void persist_commit(struct mullion_state_object *object,
		    const struct persist_body *body);

/**
 * persist_release() - the disk has no user and nothing to keep: free it
 */
void persist_release(struct mullion_state_object *object);

/**
 * persist_intent_begin() - record an atomic write
 * @nexus, @request_id, @incarnation: who asked
 * @lba, @blocks, @data, @bytes: what will be written
 *
 * Return: its slot; -EAGAIN if none is free; -EMSGSIZE if @bytes are too many.
 */
int persist_intent_begin(struct mullion_state_object *object,
			 const guid_t *nexus, uint64_t request_id,
			 uint64_t incarnation, uint64_t lba, uint32_t blocks,
			 const void *data, uint32_t bytes);

/**
 * persist_intent() - a slot, or NULL if @slot is out of range
 */
struct persist_intent *persist_intent(struct mullion_state_object *object,
				      int slot);

/**
 * persist_intent_phase() - move a slot to @phase
 */
void persist_intent_phase(struct mullion_state_object *object, int slot,
			  uint32_t phase);

/**
 * persist_intent_find() - was this request's write done by a successor?
 *
 * Return: its slot, or -ENOENT.
 */
int persist_intent_find(struct mullion_state_object *object,
			const guid_t *nexus, uint64_t request_id,
			uint64_t incarnation);

/**
 * persist_intent_forget() - the nexus starts afresh: nobody will ask
 */
void persist_intent_forget(struct mullion_state_object *object,
			   const guid_t *nexus);

#endif /* MULLION_DISK_PERSIST_H */
