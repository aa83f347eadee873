// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/sg_preload.c - the SCSI target as an SG_IO device of another program
 *
 * Preloaded into sg3_utils or iscsi-test-cu, it makes two paths look like SCSI
 * devices: $MULLION_SG_PATH, and the same with "-2" appended, which is the
 * same disk seen by a second initiator.  Every SG_IO goes to the target in this
 * very process.  The medium is $MULLION_SG_IMAGE, or a null store.
 *
 * Limits: single-threaded programs that open with open() and use SG_IO.
 */
/* open() and open64() both have to be here under their own names. */
#undef _FILE_OFFSET_BITS

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <scsi/sg.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "fake_device.h"

#define PRELOAD_FDS	1024

static struct mullion_device *devices[2];
static signed char opened[PRELOAD_FDS];	/* device number plus one */

/* Number of the device that a path names, or -1. */
static int preload_device(const char *path)
{
	const char *base = getenv("MULLION_SG_PATH");
	size_t n = base ? strlen(base) : 0;

	if (!base || !path || strncmp(path, base, n))
		return -1;
	if (!path[n])
		return 0;
	return strcmp(path + n, "-2") ? -1 : 1;
}

static int preload_real_open(const char *path, int flags, mode_t mode)
{
	int (*real)(const char *, int, ...);

	*(void **)&real = dlsym(RTLD_NEXT, "open");
	return real(path, flags, mode);
}

static void preload_start(int number)
{
	const char *image = getenv("MULLION_SG_IMAGE");
	struct mullion_disk_lun lun;
	int fd = -1;

	fake_init();
	lun = fake_lun(1, image ? MULLION_STORE_FILE : MULLION_STORE_NULL,
		       256 << 20);
	lun.flags = MULLION_DISK_SHARED;
	if (getenv("MULLION_SG_RO"))
		lun.flags |= MULLION_DISK_READ_ONLY;
	if (image) {
		fd = preload_real_open(image, getenv("MULLION_SG_RO") ?
				       O_RDONLY : O_RDWR, 0);
		if (fd < 0) {
			perror(image);
			exit(1);
		}
	}
	devices[number] = fake_device_new((unsigned int)number);
	if (fake_device_start(devices[number], &lun, 1, &fd, false)) {
		fprintf(stderr, "sg_preload: device did not start\n");
		exit(1);
	}
}

static int preload_open(const char *path, int flags, mode_t mode)
{
	int number = preload_device(path), fd;

	if (number < 0)
		return preload_real_open(path, flags, mode);
	if (!devices[number])
		preload_start(number);
	fd = preload_real_open("/dev/null", O_RDWR, 0);
	if (fd >= 0 && fd < PRELOAD_FDS)
		opened[fd] = (signed char)(number + 1);
	return fd;
}

int open(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return preload_open(path, flags, mode);
}

int open64(const char *path, int flags, ...)
{
	va_list args;
	mode_t mode;

	va_start(args, flags);
	mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(args, mode_t) : 0;
	va_end(args);
	return preload_open(path, flags, mode);
}

/* What open() becomes in programs built with _FORTIFY_SOURCE. */
int __open_2(const char *path, int flags);
int __open64_2(const char *path, int flags);

int __open_2(const char *path, int flags)
{
	return preload_open(path, flags, 0);
}

int __open64_2(const char *path, int flags)
{
	return preload_open(path, flags, 0);
}

int close(int fd)
{
	int (*real)(int);

	if (fd >= 0 && fd < PRELOAD_FDS)
		opened[fd] = 0;
	*(void **)&real = dlsym(RTLD_NEXT, "close");
	return real(fd);
}

/* Programs look whether the path is there and what it is. */
static int preload_stat(struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_mode = S_IFCHR | 0600;
	st->st_rdev = makedev(21, 0);
	return 0;
}

int stat(const char *restrict path, struct stat *restrict st)
{
	int (*real)(const char *, struct stat *);

	if (preload_device(path) >= 0)
		return preload_stat(st);
	*(void **)&real = dlsym(RTLD_NEXT, "stat");
	return real(path, st);
}

/* Move the data of a list of vectors to or from @flat. */
static void preload_vectors(const struct sg_io_hdr *hdr, uint8_t *flat,
			    bool gather)
{
	const struct sg_iovec *vec = hdr->dxferp;
	unsigned int i;

	for (i = 0; i < hdr->iovec_count; i++) {
		if (gather)
			memcpy(flat, vec[i].iov_base, vec[i].iov_len);
		else
			memcpy(vec[i].iov_base, flat, vec[i].iov_len);
		flat += vec[i].iov_len;
	}
}

static int preload_sg_io(struct mullion_device *device, struct sg_io_hdr *hdr)
{
	static uint8_t flat[4 << 20];
	uint8_t cdb[16] = { 0 };
	struct fake_answer answer;
	uint32_t direction = UIS_DMA_NONE;
	void *data = hdr->dxferp;

	if (hdr->cmd_len > sizeof(cdb) || hdr->dxfer_len > sizeof(flat)) {
		errno = EINVAL;
		return -1;
	}
	memcpy(cdb, hdr->cmdp, hdr->cmd_len);
	if (hdr->dxfer_direction == SG_DXFER_TO_DEV)
		direction = UIS_DMA_TO_DEVICE;
	else if (hdr->dxfer_direction != SG_DXFER_NONE)
		direction = UIS_DMA_FROM_DEVICE;
	if (hdr->iovec_count) {
		data = flat;
		preload_vectors(hdr, flat, true);
	}
	answer = fake_scsi(device, 0, cdb, sizeof(cdb), direction, data,
			   hdr->dxfer_len);
	if (hdr->iovec_count && direction == UIS_DMA_FROM_DEVICE)
		preload_vectors(hdr, flat, false);
	hdr->status = answer.status;
	hdr->masked_status = (answer.status >> 1) & 0x1f;
	hdr->host_status = answer.host;
	hdr->driver_status = 0;
	hdr->sb_len_wr = 0;
	hdr->resid = (int)(hdr->dxfer_len - answer.moved);
	hdr->duration = 0;
	hdr->info = answer.status || answer.host ? SG_INFO_CHECK : SG_INFO_OK;
	if (answer.status == 2 && hdr->sbp) {
		hdr->sb_len_wr = hdr->mx_sb_len < 32 ? hdr->mx_sb_len : 32;
		memcpy(hdr->sbp, answer.sense, hdr->sb_len_wr);
		hdr->driver_status = 0x08;
	}
	return 0;
}

int ioctl(int fd, unsigned long request, ...)
{
	int (*real)(int, unsigned long, ...);
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd < 0 || fd >= PRELOAD_FDS || !opened[fd]) {
		*(void **)&real = dlsym(RTLD_NEXT, "ioctl");
		return real(fd, request, arg);
	}
	switch (request) {
	case SG_GET_VERSION_NUM:
		*(int *)arg = 30536;
		return 0;
	case SG_SET_RESERVED_SIZE:
	case SG_SET_TIMEOUT:
		return 0;
	case SG_GET_RESERVED_SIZE:
		*(int *)arg = 1 << 20;
		return 0;
	case BLKSECTGET:
		*(unsigned short *)arg = 2048;
		return 0;
	case SG_IO:
		return preload_sg_io(devices[opened[fd] - 1], arg);
	default:
		errno = ENOTTY;
		return -1;
	}
}
