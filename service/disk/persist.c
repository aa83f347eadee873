// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/persist.c - what a disk keeps across services
 *
 * Theory of operation
 *
 * The record of a disk has two copies and a commit word.  A change is written
 * into the copy that is not valid, then the word is raised, which switches
 * copies: a process that dies anywhere in between leaves the old copy valid.
 * The memory is that of a memfd, so "written" needs no more than that the
 * compiler and the CPU keep the order: release stores do.
 *
 * With each change that a request makes, the identity of that request is in
 * the same copy.  A successor that gets the request again therefore knows
 * whether its effect happened, and answers instead of doing it twice.
 *
 * COMPARE AND WRITE has its effect on the medium instead.  Once the
 * comparison has succeeded, the data that will be written goes into a journal
 * slot; a successor writes every such slot again before it serves anything,
 * which is right because the range was locked and the predecessor's own write
 * has ended (fence).  When the request comes again it is found there.
 *
 * Limits: PERSIST_NEXUS_MAX users and registrants of a disk;
 * PERSIST_JOURNAL_SLOTS writes, of which a third is kept free for answers
 * that nobody has asked for yet.
 *
 * Failure behaviour: an area that is not of this version is started afresh;
 * the caller says so in the log.
 */
#include <errno.h>
#include <string.h>

#include "persist.h"

#define PERSIST_MAGIC	0x4b5349444c4c554dULL	/* "MULLDISK" */

/* Slots that may be in use by running requests. */
#define PERSIST_ACTIVE_MAX	8

static struct persist_area *persist_area(struct mullion_state_object *object)
{
	return (struct persist_area *)(void *)object->data;
}

/* Objects are aligned, though their packed type does not say so. */
static void persist_version_set(struct mullion_state_object *object,
				uint32_t version)
{
	uint32_t *word = (uint32_t *)(void *)((uint8_t *)object +
		offsetof(struct mullion_state_object, class_version));

	__atomic_store_n(word, version, __ATOMIC_RELEASE);
}

static void persist_check(struct persist_body *body)
{
	if (body->pr_type > 8)
		body->pr_type = 0;
	if (body->pr_holder >= PERSIST_NEXUS_MAX)
		body->pr_holder = 0;
	if (body->reserve6_holder >= PERSIST_NEXUS_MAX)
		body->reserve6_holder = PERSIST_NEXUS_NONE;
}

bool persist_load(struct mullion_state_object *object,
		  struct persist_body *body)
{
	struct persist_area *area = persist_area(object);

	if (object->class_version == PERSIST_VERSION &&
	    object->used == sizeof(*area) && area->magic == PERSIST_MAGIC) {
		uint64_t commit = __atomic_load_n(&area->commit,
						  __ATOMIC_ACQUIRE);

		memcpy(body, &area->body[commit & 1], sizeof(*body));
		persist_check(body);
		return true;
	}
	memset(body, 0, sizeof(*body));
	body->reserve6_holder = PERSIST_NEXUS_NONE;
	memset(area, 0, sizeof(*area));
	area->body[0] = *body;
	area->magic = PERSIST_MAGIC;
	object->used = sizeof(*area);
	/* last: without it the area counts as never written */
	persist_version_set(object, PERSIST_VERSION);
	return false;
}

void persist_commit(struct mullion_state_object *object,
		    const struct persist_body *body)
{
	struct persist_area *area = persist_area(object);
	uint64_t next = area->commit + 1;

	memcpy(&area->body[next & 1], body, sizeof(*body));
	/* pairs with the acquire in persist_load(), of another process */
	__atomic_store_n(&area->commit, next, __ATOMIC_RELEASE);
}

void persist_release(struct mullion_state_object *object)
{
	persist_version_set(object, 0);
	object->used = 0;
	memset(&object->uuid, 0, sizeof(object->uuid));
}

struct persist_intent *persist_intent(struct mullion_state_object *object,
				      int slot)
{
	if (slot < 0 || slot >= PERSIST_JOURNAL_SLOTS)
		return NULL;
	return &persist_area(object)->journal[slot];
}

/*
 * A free slot; else, when no running write will make one free, the oldest
 * answer that nobody has asked for.
 */
static int persist_intent_choose(struct persist_area *area)
{
	int active = 0, oldest = -EAGAIN, i;

	for (i = 0; i < PERSIST_JOURNAL_SLOTS; i++)
		active += area->journal[i].phase == INTENT_ACTIVE;
	if (active >= PERSIST_ACTIVE_MAX)
		return -EAGAIN;
	for (i = 0; i < PERSIST_JOURNAL_SLOTS; i++) {
		const struct persist_intent *intent = &area->journal[i];

		if (intent->phase == INTENT_FREE)
			return i;
		if (intent->phase != INTENT_APPLIED)
			continue;
		if (oldest < 0 || intent->serial < area->journal[oldest].serial)
			oldest = i;
	}
	return active ? -EAGAIN : oldest;
}

int persist_intent_begin(struct mullion_state_object *object,
			 const guid_t *nexus, uint64_t request_id,
			 uint64_t incarnation, uint64_t lba, uint32_t blocks,
			 const void *data, uint32_t bytes)
{
	struct persist_area *area = persist_area(object);
	struct persist_intent *intent;
	uint64_t serial = 0;
	int slot, i;

	if (bytes > PERSIST_JOURNAL_BYTES)
		return -EMSGSIZE;
	slot = persist_intent_choose(area);
	if (slot < 0)
		return slot;
	for (i = 0; i < PERSIST_JOURNAL_SLOTS; i++)
		if (area->journal[i].serial > serial)
			serial = area->journal[i].serial;
	persist_intent_phase(object, slot, INTENT_FREE);
	intent = &area->journal[slot];
	intent->nexus = *nexus;
	intent->request_id = request_id;
	intent->incarnation = incarnation;
	intent->lba = lba;
	intent->blocks = blocks;
	intent->serial = serial + 1;
	memcpy(intent->data, data, bytes);
	persist_intent_phase(object, slot, INTENT_ACTIVE);
	return slot;
}

void persist_intent_phase(struct mullion_state_object *object, int slot,
			  uint32_t phase)
{
	struct persist_intent *intent = persist_intent(object, slot);

	__atomic_store_n(&intent->phase, phase, __ATOMIC_RELEASE);
	/* What is written into a freed slot must not be seen before this. */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}

static bool persist_intent_is_of(const struct persist_intent *intent,
				 const guid_t *nexus)
{
	return !memcmp(&intent->nexus, nexus, sizeof(*nexus));
}

int persist_intent_find(struct mullion_state_object *object,
			const guid_t *nexus, uint64_t request_id,
			uint64_t incarnation)
{
	int i;

	for (i = 0; i < PERSIST_JOURNAL_SLOTS; i++) {
		const struct persist_intent *intent = persist_intent(object, i);

		if (intent->phase == INTENT_APPLIED &&
		    intent->request_id == request_id &&
		    intent->incarnation == incarnation &&
		    persist_intent_is_of(intent, nexus))
			return i;
	}
	return -ENOENT;
}

void persist_intent_forget(struct mullion_state_object *object,
			   const guid_t *nexus)
{
	int i;

	for (i = 0; i < PERSIST_JOURNAL_SLOTS; i++) {
		const struct persist_intent *intent = persist_intent(object, i);

		if (intent->phase == INTENT_APPLIED &&
		    persist_intent_is_of(intent, nexus))
			persist_intent_phase(object, i, INTENT_FREE);
	}
}
