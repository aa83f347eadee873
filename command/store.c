// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/store.c - images: checked once, opened anew for each generation
 *
 * A disk is a SPEC and what it names.  The image is looked at when the disk is
 * made, so that a missing or unreadable one is one clear line to the user and
 * not a failed service.  Its identity (inode, or name of an NBD export) is
 * registered: two writers of one image would destroy it, so a second disk is
 * refused unless all users of the image say share=on (they are then served by
 * one service), or all only read.
 *
 * Files: the daemon keeps an O_PATH descriptor, which pins the inode but is no
 * open file description and can hold no lock.  Each generation of a service
 * gets an open file description of its own, opened through it, and the daemon
 * keeps no copy: the lock of a dead generation goes with its last I/O.  An
 * image that was renamed or replaced meanwhile is still the same image.
 *
 * NBD: the daemon connects, once more for each generation, and the fence is what
 * is left of the connections of dead ones (nbd.c).  They belong to the image: of
 * several disks that share it, the service uses the connection of one.  An image
 * that nobody uses any more stays until its server is done with it.
 *
 * Limits: one address is tried after the other for an NBD host, 3 s each at
 * most, during which the daemon waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core.h"
#include "nbd.h"
#include "store.h"
#include "text.h"

#define STORE_WHAT		"cannot use disk"

/* ---- identity ---------------------------------------------------------- */

/*
 * The same image keeps the same UUID, so that a guest sees the same disk each
 * time: FNV-1a over its name, 128 bits, marked as a UUID of version 8.
 */
static guid_t store_uuid(const char *name)
{
	unsigned __int128 hash = ((unsigned __int128)0x6c62272e07bb0142ULL << 64) |
				 0x62b821756295c58dULL;
	const unsigned __int128 prime = ((unsigned __int128)0x1000000ULL << 64) | 0x13b;
	guid_t uuid;

	for (; *name; name++) {
		hash ^= (unsigned char)*name;
		hash *= prime;
	}
	memcpy(&uuid, &hash, sizeof(uuid));
	uuid.b[7] = (uint8_t)((uuid.b[7] & 0x0f) | 0x80);
	uuid.b[8] = (uint8_t)((uuid.b[8] & 0x3f) | 0x80);
	return uuid;
}

static bool store_same_image(const struct mullion_image *a,
			     const struct mullion_image *b)
{
	if (a->name[0] || b->name[0])
		return !strcmp(a->name, b->name);
	if (a->rdev || b->rdev)
		return a->rdev == b->rdev;
	return a->dev == b->dev && a->ino == b->ino;
}

static void store_free_image(struct mullion_image *image)
{
	struct mullion_image **link = &image->core->images;

	while (*link != image)
		link = &(*link)->next;
	*link = image->next;
	mullion_nbd_free(image->nbd);
	free(image);
}

static void store_on_nbd_ended(void *arg)
{
	struct mullion_image *image = arg;

	if (!image->refs)
		store_free_image(image);
}

static void store_release_image(struct mullion_image *image)
{
	if (!image || --image->refs)
		return;
	if (!image->nbd || mullion_nbd_end(image->nbd))
		store_free_image(image);
}

void mullion_cp_images_free(struct mullion_core *core)
{
	while (core->images)
		store_free_image(core->images);
}

/* Register @wanted, or join those who use the same image already. */
static int store_claim_image(struct mullion_core *core,
			     const struct mullion_image *wanted,
			     struct mullion_cp_disk *disk, struct mullion_error *err)
{
	struct mullion_image *image;

	for (image = core->images; image; image = image->next)
		if (store_same_image(image, wanted))
			break;
	if (image && !image->refs) {
		/* left by a guest that has ended: its fence is ours now */
		memcpy(image->owner, wanted->owner, sizeof(image->owner));
		image->shared = wanted->shared;
		image->writable = wanted->writable;
		image->refs = 1;
		disk->image = image;
		return 0;
	}
	if (image) {
		bool both_read = !image->writable && !wanted->writable &&
				 !image->shared && !wanted->shared;

		if (!both_read && !(image->shared && wanted->shared))
			return mullion_error_set(err, -EBUSY, STORE_WHAT,
				disk->spec.text,
				"stop that guest, or give share=on to both",
				"guest %s uses the image%s", image->owner,
				image->shared || wanted->shared ?
				", and only one of the two says share=on" : "");
		image->refs++;
		disk->image = image;
		return 0;
	}
	image = malloc(sizeof(*image));
	if (!image)
		return mullion_error_set(err, -ENOMEM, STORE_WHAT,
					 disk->spec.text, NULL, "out of memory");
	*image = *wanted;
	image->refs = 1;
	image->core = core;
	if (image->name[0] &&
	    mullion_nbd_new(&image->nbd, core, image->name, store_on_nbd_ended, image) < 0) {
		free(image);
		return mullion_error_set(err, -ENOMEM, STORE_WHAT,
					 disk->spec.text, NULL, "out of memory");
	}
	image->next = core->images;
	core->images = image;
	disk->image = image;
	return 0;
}

/* ---- files and block devices ------------------------------------------- */

static int store_open_file(const struct mullion_cp_disk *disk, int *ret_fd)
{
	char path[32];
	int flags = O_CLOEXEC | O_NOCTTY |
		    (disk->spec.read_only ? O_RDONLY : O_RDWR);
	int fd;

	if (disk->spec.cache == MULLION_CACHE_NONE)
		flags |= O_DIRECT;
	snprintf(path, sizeof(path), "/proc/self/fd/%d", disk->path_fd);
	fd = open(path, flags);
	if (fd < 0)
		return -errno;
	*ret_fd = fd;
	return 0;
}

static int store_refuse_file(const struct mullion_cp_disk *disk, int code,
			     struct mullion_error *err)
{
	const char *path = disk->spec.path;

	switch (code) {
	case -ENOENT:
	case -ENOTDIR:
		return mullion_error_set(err, code, STORE_WHAT, path,
			"check the path, or make the image first",
			"there is no such file");
	case -EACCES:
	case -EPERM:
		return mullion_error_set(err, code, STORE_WHAT, path,
			"change its permissions, or use ro",
			"the daemon may not open it for %s",
			disk->spec.read_only ? "reading" : "reading and writing");
	case -EROFS:
		return mullion_error_set(err, code, STORE_WHAT, path, "use ro",
			"it is on a read-only file system");
	case -ETXTBSY:
		return mullion_error_set(err, code, STORE_WHAT, path,
			"use a copy", "it is a program that runs");
	case -EINVAL:
		if (disk->spec.cache == MULLION_CACHE_NONE)
			return mullion_error_set(err, code, STORE_WHAT, path,
				"use another cache mode",
				"its file system does not support cache=none");
		/* fall through */
	default:
		return mullion_error_set(err, code, STORE_WHAT, path, NULL,
			"%s", strerror(-code));
	}
}

static int store_check_file(struct mullion_cp_disk *disk, struct mullion_image *image,
			    struct mullion_error *err)
{
	const char *path = disk->spec.path;
	struct stat st;
	uint64_t bytes;
	int fd, r = 0;

	disk->path_fd = open(path, O_PATH | O_CLOEXEC);
	if (disk->path_fd < 0)
		return store_refuse_file(disk, -errno, err);
	if (fstat(disk->path_fd, &st) < 0)
		return store_refuse_file(disk, -errno, err);
	if (S_ISDIR(st.st_mode))
		return mullion_error_set(err, -EISDIR, STORE_WHAT, path,
			"name an image file or a block device",
			"it is a directory");
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode))
		return mullion_error_set(err, -ENOTBLK, STORE_WHAT, path,
			"name an image file or a block device",
			"it is neither a file nor a block device");
	r = store_open_file(disk, &fd);
	if (r < 0)
		return store_refuse_file(disk, r, err);
	bytes = (uint64_t)st.st_size;
	if (S_ISBLK(st.st_mode) && ioctl(fd, BLKGETSIZE64, &bytes) < 0)
		r = -errno;
	close(fd);
	if (r < 0)
		return store_refuse_file(disk, r, err);
	if (!bytes)
		return mullion_error_set(err, -EINVAL, STORE_WHAT, path,
			"give it a size first, for example with truncate",
			"it is empty");
	if (bytes % 512)
		return mullion_error_set(err, -EINVAL, STORE_WHAT, path,
			"is it a raw image? if so, make it larger with truncate",
			"its size of %llu bytes is not a multiple of 512",
			(unsigned long long)bytes);
	disk->bytes = bytes;
	image->dev = st.st_dev;
	image->ino = st.st_ino;
	image->rdev = S_ISBLK(st.st_mode) ? st.st_rdev : 0;
	return 0;
}

/* The name that a file's UUID is made of: its path without symbolic links. */
static void store_name_file(const struct mullion_cp_disk *disk,
			    struct mullion_image *image)
{
	char *real = realpath(disk->spec.path, NULL);

	image->uuid = store_uuid(real ? real : disk->spec.path);
	free(real);
}

/* ---- NBD --------------------------------------------------------------- */

static int store_check_nbd(struct mullion_cp_disk *disk, struct mullion_image *image,
			   struct mullion_error *err)
{
	const struct mullion_spec *spec = &disk->spec;
	int r = mullion_nbd_connect(spec, &disk->fresh, err);

	if (r < 0)
		return r;
	if (spec->path[0])
		snprintf(image->name, sizeof(image->name), "nbd+unix:%.108s:%s",
			 spec->path, spec->export);
	else
		snprintf(image->name, sizeof(image->name), "nbd:%s:%s:%s",
			 spec->host, spec->port, spec->export);
	image->uuid = store_uuid(image->name);
	return 0;
}

/* ---- disks ------------------------------------------------------------- */

static void store_default_serial(struct mullion_cp_disk *disk)
{
	if (disk->spec.serial[0])
		return;
	for (unsigned int i = 0; i < 8; i++)
		snprintf(disk->spec.serial + 2 * i, 3, "%02x",
			 disk->uuid.b[i] ^ disk->uuid.b[i + 8]);
}

int mullion_cp_disk_new(struct mullion_core *core, const char *spec,
		     const char *cwd, const char *owner,
		     struct mullion_cp_disk **ret, struct mullion_error *err)
{
	struct mullion_cp_disk *disk = calloc(1, sizeof(*disk));
	struct mullion_image image;
	int r;

	if (!disk)
		return mullion_error_set(err, -ENOMEM, STORE_WHAT, spec, NULL,
					 "out of memory");
	disk->path_fd = -1;
	disk->fresh = -1;
	memset(&image, 0, sizeof(image));
	r = mullion_spec_parse(&disk->spec, spec, cwd, err);
	if (r < 0)
		goto fail;
	snprintf(image.owner, sizeof(image.owner), "%s", owner);
	image.shared = disk->spec.shared;
	image.writable = !disk->spec.read_only;
	switch (disk->spec.store) {
	case MULLION_STORE_FILE:
		r = store_check_file(disk, &image, err);
		if (!r)
			store_name_file(disk, &image);
		break;
	case MULLION_STORE_NBD:
		r = store_check_nbd(disk, &image, err);
		break;
	default:
		disk->bytes = disk->spec.bytes;
		break;
	}
	if (!r && disk->spec.store != MULLION_STORE_NULL)
		r = store_claim_image(core, &image, disk, err);
	if (r < 0)
		goto fail;
	if (disk->image) {
		disk->uuid = disk->image->uuid;
	} else {
		char name[160];

		/* each null store is a disk of its own */
		snprintf(name, sizeof(name), "null:%s:%u", owner,
			 ++core->null_disks);
		disk->uuid = store_uuid(name);
	}
	store_default_serial(disk);
	*ret = disk;
	return 0;
fail:
	mullion_cp_disk_free(disk);
	return r;
}

void mullion_cp_disk_free(struct mullion_cp_disk *disk)
{
	if (!disk)
		return;
	store_release_image(disk->image);
	if (disk->path_fd >= 0)
		close(disk->path_fd);
	if (disk->fresh >= 0)
		close(disk->fresh);
	free(disk);
}

int mullion_cp_disk_open(struct mullion_cp_disk *disk, uint64_t generation, int *ret_fd,
		      int *ret_fence, struct mullion_error *err)
{
	int fd, fresh = disk->fresh, r;

	switch (disk->spec.store) {
	case MULLION_STORE_FILE:
		r = store_open_file(disk, &fd);
		if (r < 0)
			return store_refuse_file(disk, r, err);
		*ret_fd = fd;
		*ret_fence = -1;
		return 0;
	case MULLION_STORE_NBD:
		disk->fresh = -1;
		return mullion_nbd_open(disk->image->nbd, generation, &disk->spec, fresh,
					ret_fd, ret_fence, err);
	default:
		*ret_fd = -1;
		*ret_fence = -1;
		return 0;
	}
}

void mullion_cp_disk_fill(const struct mullion_cp_disk *disk,
		       struct mullion_disk_lun *lun)
{
	memset(lun, 0, sizeof(*lun));
	lun->lun = disk->lun;
	lun->store = disk->spec.store;
	lun->cache = disk->spec.cache;
	lun->flags = (disk->spec.read_only ? MULLION_DISK_READ_ONLY : 0) |
		     (disk->spec.shared ? MULLION_DISK_SHARED : 0);
	lun->block_size = 512;
	lun->bytes = disk->spec.bytes;
	lun->uuid = disk->uuid;
	memcpy(lun->serial, disk->spec.serial, strlen(disk->spec.serial));
	memcpy(lun->export, disk->spec.export, strlen(disk->spec.export));
}

json_t *mullion_cp_disk_spec(const struct mullion_cp_disk *disk)
{
	return mullion_json_text(disk->spec.text, strlen(disk->spec.text));
}

json_t *mullion_cp_disk_describe(const struct mullion_cp_disk *disk)
{
	static const char *const stores[] = { "", "file", "nbd", "null" };
	static const char *const caches[] = {
		"", "writeback", "writethrough", "none",
	};

	return json_pack("{s:i, s:o, s:s, s:s, s:b, s:b, s:s, s:I}",
			 "lun", (int)disk->lun,
			 "spec", mullion_cp_disk_spec(disk),
			 "store", stores[disk->spec.store],
			 "cache", caches[disk->spec.cache],
			 "read_only", disk->spec.read_only,
			 "shared", disk->spec.shared,
			 "serial", disk->spec.serial,
			 "bytes", (json_int_t)disk->bytes);
}
