// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/store_file_open.c - a file or block device: what it is, and its use
 *
 * The descriptor comes from the daemon, opened for this generation alone.  It is
 * looked at, put into the ring's table and locked; nothing of the file changes
 * before the lock is held, because it may be a predecessor's until then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <syslog.h>
#include <unistd.h>

#include <linux/falloc.h>
#include <linux/magic.h>

#include "../../abi/disk.h"
#include "../common/log.h"
#include "store_file.h"

static int64_t file_size(struct store *store)
{
	struct store_file *file = file_of(store);
	struct stat st;
	off_t end;

	if (file->block_device) {
		end = lseek(file->fd, 0, SEEK_END);
		return end < 0 ? -errno : end;
	}
	return fstat(file->fd, &st) ? -errno : st.st_size;
}

static int file_status(struct store *store, uint64_t offset, uint64_t bytes,
		       uint64_t *run, bool *mapped)
{
	struct store_file *file = file_of(store);
	off_t data, hole;

	*run = bytes;
	*mapped = true;
	if (file->block_device)
		return 0;
	data = lseek(file->fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno == ENXIO) {
		*mapped = false;
		return 0;
	}
	if (data < 0)
		return errno == EINVAL ? 0 : -errno;
	if (data > (off_t)offset) {
		*mapped = false;
		if ((uint64_t)data - offset < bytes)
			*run = (uint64_t)data - offset;
		return 0;
	}
	hole = lseek(file->fd, (off_t)offset, SEEK_HOLE);
	if (hole > (off_t)offset && (uint64_t)hole - offset < bytes)
		*run = (uint64_t)hole - offset;
	return 0;
}

static void file_close(struct store *store)
{
	struct store_file *file = file_of(store);

	fence_cancel(&file->fence);
	if (file->slot >= 0)
		mullion_uring_file_del(file->slot);
	close(file->fd);
	free(file);
}

static const struct store_ops file_ops = {
	.submit = store_file_submit,
	.size = file_size,
	.status = file_status,
	.turn_end = store_file_turn_end,
	.close = file_close,
};

/* Alignment of direct I/O; false if 512-byte blocks cannot be moved. */
static bool file_direct_align(struct store_file *file)
{
	struct statx stx;

	file->align = FILE_UNKNOWN_ALIGN;
#ifdef STATX_DIOALIGN
	if (!statx(file->fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &stx) &&
	    stx.stx_mask & STATX_DIOALIGN && stx.stx_dio_offset_align) {
		file->align = stx.stx_dio_mem_align > stx.stx_dio_offset_align ?
			      stx.stx_dio_mem_align : stx.stx_dio_offset_align;
		return stx.stx_dio_offset_align <= 512;
	}
#else
	(void)stx;
#endif
	return true;
}

static bool file_is_memory(int fd)
{
	struct statfs fs;

	return !fstatfs(fd, &fs) &&
	       (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC ||
		fs.f_type == HUGETLBFS_MAGIC);
}

static int file_examine(struct store_file *file,
			const struct store_request *request)
{
	int flags = fcntl(request->fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(request->fd, &st))
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISBLK(st.st_mode)) {
		mullion_log(LOG_ERR, request->name,
			    "is neither a regular file nor a block device");
		return -EINVAL;
	}
	if ((flags & O_ACCMODE) == O_RDONLY && !file->read_only) {
		mullion_log(LOG_ERR, request->name,
			    "was opened for reading only; add ,ro or make the image writable");
		return -EROFS;
	}
	file->block_device = S_ISBLK(st.st_mode);
	file->memory = file_is_memory(request->fd);
	file->direct = flags & O_DIRECT;
	file->store.unmap = !file->read_only;
	file->store.unmap_granularity = (uint32_t)st.st_blksize;
	if (file->store.unmap_granularity < 512 ||
	    file->store.unmap_granularity > 1U << 20)
		file->store.unmap_granularity = 4096;
	if (file->direct && !file_direct_align(file)) {
		mullion_log(LOG_ERR, request->name,
			    "cannot be accessed directly in blocks of 512 bytes; use cache=writeback");
		return -EINVAL;
	}
	return 0;
}

/* Can holes be punched?  Beyond the end nothing changes by trying. */
static void file_try_unmap(struct store_file *file)
{
	struct stat st;

	if (file->store.unmap && !file->block_device &&
	    (fstat(file->fd, &st) ||
	     fallocate(file->fd, FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE,
		       (st.st_size + 4095) & ~4095LL, 4096)))
		file->store.unmap = false;
}

static void file_fenced(struct fence *fence, int error)
{
	struct store_file *file = (struct store_file *)(void *)
		((unsigned char *)fence - offsetof(struct store_file, fence));

	if (!error)
		file_try_unmap(file);
	/* the last use of it: the answer may close the store */
	file->store.opened(&file->store, file->store.arg, error);
}

/**
 * store_file_open() - use an open file or block device
 */
int store_file_open(const struct store_request *request, struct store **out)
{
	struct store_file *file;
	int error;

	if (request->fd < 0) {
		mullion_log(LOG_ERR, request->name,
			    "was announced without a descriptor");
		return -EBADF;
	}
	file = calloc(1, sizeof(*file));
	if (!file)
		return -ENOMEM;
	file->store.ops = &file_ops;
	file->store.opened = request->opened;
	file->store.arg = request->arg;
	file->fd = request->fd;
	file->slot = -1;
	file->nowait = true;
	file->backoff = FILE_BACKOFF_NS;
	file->since_slow = FILE_SLOW_WINDOW;
	file->starved_end = &file->starved;
	file->read_only = request->config->flags & MULLION_DISK_READ_ONLY;
	/* what a predecessor wrote may not be stable yet */
	file->dirty = true;
	error = file_examine(file, request);
	if (error)
		goto fail;
	if (mullion_uring_is_available()) {
		file->slot = mullion_uring_file_add(file->fd);
		if (file->slot < 0) {
			error = file->slot;
			goto fail;
		}
	}
	error = fence_lock(&file->fence, file->fd, file->read_only,
			   request->adopt, request->name, file_fenced);
	if (error && error != -EINPROGRESS) {
		mullion_log(LOG_ERR, request->name, "cannot be locked: %s",
			    strerror(-error));
		goto fail_slot;
	}
	/* not before: the file may be somebody else's until it is locked */
	if (!error)
		file_try_unmap(file);
	*out = &file->store;
	return error;

fail_slot:
	if (file->slot >= 0)
		mullion_uring_file_del(file->slot);
fail:
	free(file);
	return error;
}
