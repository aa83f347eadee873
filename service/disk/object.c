// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/object.c - disks: opening, sharing, and what they remember
 *
 * Theory of operation
 *
 * A disk is made for the first logical unit that names its UUID and goes with
 * the last.  Others find it, and their own descriptor of the same store is
 * closed: one store, one lock, one order of commands.
 *
 * Opening may take time: the store's fence, then the predecessor's journal,
 * whose atomic writes are done again before anything else.  The devices that
 * wait for it are told by disk_opened().
 *
 * With its last user a disk forgets everything, as one that is switched off:
 * registrations do not persist through that (APTPL is refused).
 *
 * State that a guest can notice (reservations, mode pages, pending unit
 * attentions) lies in `state` and is committed to the state object with each
 * change (persist.c).  disk_commit() also works out anew which gates are
 * closed.
 *
 * A medium may grow or shrink underneath: its size is looked at once a second
 * and when a guest asks for the capacity.  The capacity follows, and every
 * nexus gets a unit attention.  A medium that has shrunk to nothing keeps its
 * old capacity, and reads of it fail.
 *
 * Limits: PERSIST_NEXUS_MAX devices on a disk.  A disk that was opened for
 * reading only cannot get a writer until it is closed.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "../common/log.h"
#include "disk.h"

#define DISK_SIZE_INTERVAL	1	/* seconds between looks at the size */

static struct disk *disks;
static time_t disks_looked;

static bool disk_same_uuid(const guid_t *a, const guid_t *b)
{
	return !memcmp(a, b, sizeof(*a));
}

/* May the guest's writes stay in a volatile cache? */
bool disk_wce(const struct disk *disk)
{
	if (disk->cache == MULLION_CACHE_WRITETHROUGH || disk->read_only)
		return false;
	return !disk->state.mode_valid || disk->state.wce;
}

/* Work out which commands have to take the long way. */
void disk_gate_update(struct disk *disk)
{
	const struct persist_body *state = &disk->state;
	uint32_t gate = disk->gate & GATE_ORDER;
	struct lun *lun;

	if (state->pr_type || state->reserve6_holder != PERSIST_NEXUS_NONE)
		gate |= GATE_RESERVED;
	if (state->stopped)
		gate |= GATE_STOPPED;
	if (state->swp)
		gate |= GATE_PROTECTED;
	if (!disk_wce(disk))
		gate |= GATE_STABLE;
	disk->gate = gate;
	for (lun = disk->luns; lun; lun = lun->next_of_disk) {
		lun->gate = lun->read_only ? GATE_PROTECTED : 0;
		if (state->nexus[lun->nexus].attention)
			lun->gate |= GATE_ATTENTION;
	}
}

/* Make a change of the state last, and act on it. */
void disk_commit(struct disk *disk)
{
	persist_commit(disk->object, &disk->state);
	disk_gate_update(disk);
}

void disk_attention(struct disk *disk, uint32_t attention, uint8_t except,
		    bool registered_only)
{
	static const guid_t nobody;
	unsigned int i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		struct persist_nexus *nexus = &disk->state.nexus[i];

		if (i == except || disk_same_uuid(&nexus->uuid, &nobody) ||
		    (registered_only && !nexus->registered))
			continue;
		nexus->attention |= attention;
	}
}

/* A line for the first failure of each kind; a guest can cause many. */
void disk_log_once(struct disk *disk, unsigned int kind, const char *what,
		   int error)
{
	if (disk->errors_logged & 1U << kind)
		return;
	disk->errors_logged |= 1U << kind;
	mullion_log(LOG_ERR, disk->name,
		    "cannot %s: %s; the guest gets an error each time, logged once",
		    what, strerror(-error));
}

/* The store's size in blocks, or a negative errno. */
static int64_t disk_size(struct disk *disk)
{
	int64_t bytes = disk->store->ops->size(disk->store);

	return bytes < 0 ? bytes : bytes >> DISK_BLOCK_SHIFT;
}

/* Let the capacity follow the medium. */
void disk_check_size(struct disk *disk)
{
	int64_t blocks = disk_size(disk);

	if (blocks == (int64_t)disk->blocks)
		return;
	if (blocks <= 0) {
		disk_log_once(disk, DISK_LOG_SIZE, "find out its size",
			      blocks ? (int)blocks : -ENODATA);
		return;
	}
	mullion_log(LOG_WARNING, disk->name,
		    "has %s from %" PRIu64 " to %" PRIi64 " blocks; guests are told",
		    blocks > (int64_t)disk->blocks ? "grown" : "shrunk",
		    disk->blocks, blocks);
	disk->blocks = (uint64_t)blocks;
	disk->state.blocks = disk->blocks;
	disk_attention(disk, ATTENTION_CAPACITY, PERSIST_NEXUS_NONE, false);
	disk_commit(disk);
}

static void disk_free(struct disk *disk)
{
	struct disk **link;

	for (link = &disks; *link; link = &(*link)->next) {
		if (*link == disk) {
			*link = disk->next;
			break;
		}
	}
	if (disk->store)
		disk->store->ops->close(disk->store);
	free(disk);
}

/* Opening has ended: tell everyone who waits. */
static void disk_open_end(struct disk *disk, int error)
{
	struct lun *lun, *next;

	disk->opening = false;
	for (lun = disk->luns; lun; lun = next) {
		next = lun->next_of_disk;
		disk_opened(lun, error);
	}
}

static int disk_replay(struct disk *disk);

static int disk_replay_done(struct disk *disk, int error)
{
	if (error) {
		mullion_log(LOG_ERR, disk->name,
			    "cannot finish a write of the predecessor: %s; its range may hold either data",
			    strerror(-error));
		return error;
	}
	persist_intent_phase(disk->object, disk->replay_slot, INTENT_APPLIED);
	disk->replay_slot++;
	return 0;
}

static void disk_replay_step(struct store_io *io, int error)
{
	struct disk *disk = (struct disk *)(void *)
		((unsigned char *)io - offsetof(struct disk, replay_io));

	error = disk_replay_done(disk, error);
	if (!error)
		error = disk_replay(disk);
	if (error != STORE_PENDING)
		disk_open_end(disk, error);
}

/*
 * Do the predecessor's atomic writes again, from replay_slot on.  Stable at
 * once: whether the first time was does not matter then.
 */
static int disk_replay(struct disk *disk)
{
	struct persist_intent *intent;
	int error;

	while ((intent = persist_intent(disk->object, disk->replay_slot))) {
		if (intent->phase != INTENT_ACTIVE) {
			disk->replay_slot++;
			continue;
		}
		if (intent->blocks > PERSIST_JOURNAL_BYTES / DISK_BLOCK_BYTES ||
		    intent->lba > disk->blocks ||
		    intent->blocks > disk->blocks - intent->lba) {
			/* the medium has shrunk; an active slot is never reused */
			persist_intent_phase(disk->object, disk->replay_slot++,
					     INTENT_FREE);
			continue;
		}
		disk->replay_vec.iov_base = intent->data;
		disk->replay_vec.iov_len = intent->blocks * DISK_BLOCK_BYTES;
		disk->replay_io = (struct store_io){
			.done = disk_replay_step,
			.offset = intent->lba << DISK_BLOCK_SHIFT,
			.bytes = intent->blocks * DISK_BLOCK_BYTES,
			.iov = &disk->replay_vec,
			.iovcnt = 1,
			.op = STORE_WRITE,
			.flags = STORE_FUA,
		};
		error = store_submit(disk->store, &disk->replay_io);
		if (error == STORE_PENDING)
			return STORE_PENDING;
		error = disk_replay_done(disk, error);
		if (error)
			return error;
	}
	return 0;
}

/* The store is open: look at it, and do what the predecessor left. */
static int disk_begin(struct disk *disk)
{
	int64_t bytes = disk->store->ops->size(disk->store);

	if (bytes < 0) {
		mullion_log(LOG_ERR, disk->name, "cannot find out its size: %s",
			    strerror((int)-bytes));
		return (int)bytes;
	}
	if (!bytes || bytes % DISK_BLOCK_BYTES) {
		mullion_log(LOG_ERR, disk->name,
			    "size of %" PRIi64 " bytes is not a multiple of %u; pad or truncate the image",
			    bytes, DISK_BLOCK_BYTES);
		return -EINVAL;
	}
	disk->blocks = (uint64_t)bytes >> DISK_BLOCK_SHIFT;
	if (disk->state.blocks && disk->state.blocks != disk->blocks)
		disk_attention(disk, ATTENTION_CAPACITY, PERSIST_NEXUS_NONE,
			       false);
	disk->state.blocks = disk->blocks;
	disk_commit(disk);
	disk->replay_slot = 0;
	return disk_replay(disk);
}

static void disk_store_opened(struct store *store, void *arg, int error)
{
	struct disk *disk = arg;

	(void)store;
	if (!error)
		error = disk_begin(disk);
	if (error != STORE_PENDING)
		disk_open_end(disk, error);
}

static int disk_open_store(struct disk *disk, int fd, int fence_fd, bool adopt)
{
	struct store_request request = {
		.config = &disk->config,
		.fd = fd,
		.fence_fd = fence_fd,
		.adopt = adopt,
		.name = disk->name,
		.opened = disk_store_opened,
		.arg = disk,
	};

	switch (disk->config.store) {
	case MULLION_STORE_FILE:
		return store_file_open(&request, &disk->store);
	case MULLION_STORE_NBD:
		return store_nbd_open(&request, &disk->store);
	default:
		return store_null_open(&request, &disk->store);
	}
}

/* The UUID as text; without its dashes it fits a serial number. */
static void disk_name(struct disk *disk)
{
	const uint8_t *b = disk->uuid.b;

	snprintf(disk->name, sizeof(disk->name),
		 "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
		 b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9],
		 b[10], b[11], b[12], b[13], b[14], b[15]);
}

static void disk_serial_from_name(struct disk *disk)
{
	const char *from = disk->name;
	char *to = disk->serial_number;

	for (; *from; from++)
		if (*from != '-')
			*to++ = *from;
	*to = 0;
}

static struct disk *disk_new(const struct mullion_disk_lun *config)
{
	struct disk *disk = calloc(1, sizeof(*disk));

	if (!disk)
		return NULL;
	disk->uuid = config->uuid;
	disk->config = *config;
	disk->cache = config->cache;
	disk->read_only = config->flags & MULLION_DISK_READ_ONLY;
	disk->shared = config->flags & MULLION_DISK_SHARED;
	disk->wce_changeable = !disk->read_only &&
			       disk->cache != MULLION_CACHE_WRITETHROUGH;
	disk_name(disk);
	if (config->serial[0])
		memcpy(disk->serial_number, config->serial,
		       sizeof(config->serial));
	else
		disk_serial_from_name(disk);
	return disk;
}

/* A device names a disk that is there already. */
static int disk_share(struct disk *disk, const struct mullion_disk_lun *config)
{
	if (!disk->shared || !(config->flags & MULLION_DISK_SHARED)) {
		mullion_log(LOG_ERR, disk->name,
			    "is in use by another device; give share=on at both to share it");
		return -EBUSY;
	}
	if (disk->read_only && !(config->flags & MULLION_DISK_READ_ONLY)) {
		mullion_log(LOG_ERR, disk->name,
			    "is open for reading only; stop its users before it is given to a writer");
		return -EROFS;
	}
	return disk->opening;
}

static void disk_close_fds(int fd, int fence_fd)
{
	if (fd >= 0)
		close(fd);
	if (fence_fd >= 0)
		close(fence_fd);
}

int disk_get(const struct mullion_disk_lun *config, int fd, int fence_fd,
	     bool adopt, struct disk **out)
{
	struct disk *disk;
	int error;

	for (disk = disks; disk; disk = disk->next)
		if (disk_same_uuid(&disk->uuid, &config->uuid))
			break;
	if (disk) {
		error = disk_share(disk, config);
		disk_close_fds(fd, fence_fd);
		if (error >= 0)
			*out = disk;
		return error;
	}

	disk = disk_new(config);
	if (!disk) {
		error = -ENOMEM;
		goto fail_fds;
	}
	disk->object = mullion_state_object_get(&config->uuid);
	if (!disk->object) {
		mullion_log(LOG_ERR, disk->name,
			    "the state area has no room for another disk; remove one");
		error = -ENOSPC;
		goto fail;
	}
	if (!persist_load(disk->object, &disk->state) && adopt)
		mullion_log(LOG_WARNING, disk->name,
			    "the predecessor left no state; reservations are gone");
	error = disk_open_store(disk, fd, fence_fd, adopt);
	if (error && error != -EINPROGRESS) {
		if (!adopt)
			persist_release(disk->object);
		goto fail;
	}
	disk->next = disks;
	disks = disk;
	if (!error) {
		error = disk_begin(disk);
		if (error < 0) {
			/* the descriptors are the store's now, and go with it */
			disk_put(disk, !adopt);
			return error;
		}
	}
	disk->opening = error;
	*out = disk;
	return disk->opening;

fail:
	free(disk);
fail_fds:
	disk_close_fds(fd, fence_fd);
	return error;
}

int disk_attach(struct disk *disk, struct lun *lun, const guid_t *device)
{
	static const guid_t nobody;
	struct persist_nexus *nexus = disk->state.nexus;
	int found = -1, i;

	for (i = 0; i < PERSIST_NEXUS_MAX; i++) {
		if (disk_same_uuid(&nexus[i].uuid, device)) {
			found = i;
			break;
		}
		if (found < 0 && disk_same_uuid(&nexus[i].uuid, &nobody))
			found = i;
	}
	if (found < 0) {
		mullion_log(LOG_ERR, disk->name,
			    "knows %d devices already; clear unused reservations",
			    PERSIST_NEXUS_MAX);
		return -ENOSPC;
	}
	nexus[found].uuid = *device;
	lun->disk = disk;
	lun->nexus = (uint8_t)found;
	lun->next_of_disk = disk->luns;
	disk->luns = lun;
	disk_commit(disk);
	return 0;
}

void disk_put(struct disk *disk, bool forget)
{
	if (disk->luns)
		return;
	if (forget)
		persist_release(disk->object);
	disk_free(disk);
}

void disk_detach(struct lun *lun, bool forget)
{
	struct disk *disk = lun->disk;
	struct persist_nexus *nexus = lun_nexus(lun);
	struct lun **link;

	for (link = &disk->luns; *link != lun;)
		link = &(*link)->next_of_disk;
	*link = lun->next_of_disk;
	if (forget) {
		persist_intent_forget(disk->object, &nexus->uuid);
		if (disk->state.reserve6_holder == lun->nexus)
			disk->state.reserve6_holder = PERSIST_NEXUS_NONE;
		if (!nexus->registered)
			memset(nexus, 0, sizeof(*nexus));
		disk_commit(disk);
	}
	disk_put(disk, forget);
}

/*
 * A guest begins anew.  What it had asked for is forgotten; mode pages and
 * the like go back to what they are after power on, if nobody else uses them.
 */
void disk_nexus_fresh(struct lun *lun)
{
	struct disk *disk = lun->disk;
	struct persist_body *state = &disk->state;
	struct persist_nexus *nexus = lun_nexus(lun);

	persist_intent_forget(disk->object, &nexus->uuid);
	nexus->attention = 0;
	if (state->reserve6_holder == lun->nexus)
		state->reserve6_holder = PERSIST_NEXUS_NONE;
	if (disk->luns == lun && !lun->next_of_disk) {
		state->mode_valid = 0;
		state->wce = 0;
		state->swp = 0;
		state->d_sense = 0;
		state->stopped = 0;
	}
	disk_commit(disk);
}

/* After each turn of the loop. */
void disk_turn_end(void)
{
	struct disk *disk, *next;
	struct timespec now;

	/* the last command of a removed disk may end there, and with it the disk */
	for (disk = disks; disk; disk = next) {
		next = disk->next;
		if (disk->store->ops->turn_end)
			disk->store->ops->turn_end(disk->store);
	}
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	if (now.tv_sec < disks_looked + DISK_SIZE_INTERVAL)
		return;
	disks_looked = now.tv_sec;
	task_look(now.tv_sec);
	for (disk = disks; disk; disk = disk->next)
		if (!disk->opening)
			disk_check_size(disk);
}
