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
 * NBD: the daemon connects and keeps a duplicate of each connection.  When a
 * generation that served has died, its connection becomes the fence: its
 * sending side is shut down, and the successor reads it to its end.  A
 * generation that died before it served has moved no data, so the fence of
 * its predecessor stays in force and its own connection is dropped.
 *
 * Limits: one address is tried after the other for an NBD host, 3 s each at
 * most, during which the daemon waits.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core.h"
#include "store.h"
#include "text.h"

#define STORE_WHAT		"cannot use disk"
#define STORE_CONNECT_MSEC	3000

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

/* Register @wanted, or join those who use the same image already. */
static int store_claim_image(struct mullion_core *core,
			     const struct mullion_image *wanted,
			     struct mullion_cp_disk *disk, struct mullion_error *err)
{
	struct mullion_image *image;

	for (image = core->images; image; image = image->next)
		if (store_same_image(image, wanted))
			break;
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
	image->next = core->images;
	core->images = image;
	disk->image = image;
	return 0;
}

static void store_release_image(struct mullion_core *core,
				struct mullion_image *image)
{
	struct mullion_image **link = &core->images;

	if (!image || --image->refs)
		return;
	while (*link != image)
		link = &(*link)->next;
	*link = image->next;
	free(image);
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

static int store_wait_connected(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;
	int r = poll(&pfd, 1, STORE_CONNECT_MSEC);

	if (r < 0)
		return -errno;
	if (!r)
		return -ETIMEDOUT;
	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int store_connect_address(int family, const void *address, socklen_t len,
				 int *ret_fd)
{
	int sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (sock < 0)
		return -errno;
	if (connect(sock, address, len) < 0) {
		r = -errno;
		if (r == -EINPROGRESS || r == -EAGAIN)
			r = store_wait_connected(sock);
	}
	if (r < 0) {
		close(sock);
		return r;
	}
	*ret_fd = sock;
	return 0;
}

static int store_connect(const struct mullion_spec *spec, int *ret_fd,
			 struct mullion_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = -EADDRNOTAVAIL;

	if (spec->path[0]) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		memcpy(un.sun_path, spec->path,
		       strnlen(spec->path, sizeof(un.sun_path) - 1));
		r = store_connect_address(AF_UNIX, &un, sizeof(un), ret_fd);
	} else {
		int gai = getaddrinfo(spec->host, spec->port, &hints, &list);

		if (gai)
			return mullion_error_set(err, -EHOSTUNREACH, STORE_WHAT,
				spec->text, "check the host's name",
				"%s", gai_strerror(gai));
		for (struct addrinfo *a = list; a && r < 0; a = a->ai_next)
			r = store_connect_address(a->ai_family, a->ai_addr,
						  a->ai_addrlen, ret_fd);
		freeaddrinfo(list);
	}
	if (r < 0)
		return mullion_error_set(err, r, STORE_WHAT, spec->text,
			"is the NBD server running?",
			"cannot connect to it: %s", strerror(-r));
	return 0;
}

static int store_check_nbd(struct mullion_cp_disk *disk, struct mullion_image *image,
			   struct mullion_error *err)
{
	const struct mullion_spec *spec = &disk->spec;
	int fd;
	int r = store_connect(spec, &fd, err);

	if (r < 0)
		return r;
	close(fd);
	if (spec->path[0])
		snprintf(image->name, sizeof(image->name), "nbd+unix:%.108s:%s",
			 spec->path, spec->export);
	else
		snprintf(image->name, sizeof(image->name), "nbd:%s:%s:%s",
			 spec->host, spec->port, spec->export);
	image->uuid = store_uuid(image->name);
	return 0;
}

/* A generation that served has died: its connection is the fence now. */
static void store_retire_connection(struct mullion_cp_disk *disk)
{
	if (disk->connection < 0)
		return;
	if (disk->served) {
		if (disk->fence >= 0)
			close(disk->fence);
		disk->fence = disk->connection;
		shutdown(disk->fence, SHUT_WR);
	} else {
		close(disk->connection);
	}
	disk->connection = -1;
	disk->served = false;
}

static int store_open_nbd(struct mullion_cp_disk *disk, int *ret_fd, int *ret_fence,
			  struct mullion_error *err)
{
	int fd, fence = -1;
	int r;

	store_retire_connection(disk);
	r = store_connect(&disk->spec, &fd, err);
	if (r < 0)
		return r;
	disk->connection = fcntl(fd, F_DUPFD_CLOEXEC, 3);
	if (disk->connection >= 0 && disk->fence >= 0)
		fence = fcntl(disk->fence, F_DUPFD_CLOEXEC, 3);
	if (disk->connection < 0 || (disk->fence >= 0 && fence < 0)) {
		r = -errno;
		close(fd);
		return mullion_error_set(err, r, STORE_WHAT, disk->spec.text,
					 NULL, "%s", strerror(-r));
	}
	*ret_fd = fd;
	*ret_fence = fence;
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
	disk->connection = -1;
	disk->fence = -1;
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
	mullion_cp_disk_free(core, disk);
	return r;
}

void mullion_cp_disk_free(struct mullion_core *core, struct mullion_cp_disk *disk)
{
	if (!disk)
		return;
	store_release_image(core, disk->image);
	if (disk->path_fd >= 0)
		close(disk->path_fd);
	if (disk->connection >= 0)
		close(disk->connection);
	if (disk->fence >= 0)
		close(disk->fence);
	free(disk);
}

int mullion_cp_disk_open(struct mullion_cp_disk *disk, int *ret_fd, int *ret_fence,
		      struct mullion_error *err)
{
	int fd, r;

	switch (disk->spec.store) {
	case MULLION_STORE_FILE:
		r = store_open_file(disk, &fd);
		if (r < 0)
			return store_refuse_file(disk, r, err);
		*ret_fd = fd;
		*ret_fence = -1;
		return 0;
	case MULLION_STORE_NBD:
		return store_open_nbd(disk, ret_fd, ret_fence, err);
	default:
		*ret_fd = -1;
		*ret_fence = -1;
		return 0;
	}
}

void mullion_cp_disk_served(struct mullion_cp_disk *disk)
{
	disk->served = true;
	if (disk->fence >= 0)
		close(disk->fence);
	disk->fence = -1;
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

json_t *mullion_cp_disk_describe(const struct mullion_cp_disk *disk)
{
	static const char *const stores[] = { "", "file", "nbd", "null" };
	static const char *const caches[] = {
		"", "writeback", "writethrough", "none",
	};

	return json_pack("{s:i, s:o, s:s, s:s, s:b, s:b, s:s, s:I}",
			 "lun", (int)disk->lun,
			 "spec", mullion_json_text(disk->spec.text,
						   strlen(disk->spec.text)),
			 "store", stores[disk->spec.store],
			 "cache", caches[disk->spec.cache],
			 "read_only", disk->spec.read_only,
			 "shared", disk->spec.shared,
			 "serial", disk->spec.serial,
			 "bytes", (json_int_t)disk->bytes);
}
