// SPDX-License-Identifier: GPL-2.0-or-later
/* command/initrd.c - an initrd with a few more files in it */

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#include "initrd.h"

static int initrd_write(int fd, const void *data, size_t bytes)
{
	const char *p = data;

	while (bytes) {
		ssize_t n = write(fd, p, bytes);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		p += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* Archives and the members in them start at multiples of four. */
static int initrd_align(int fd)
{
	static const char zeroes[4];
	off_t at = lseek(fd, 0, SEEK_CUR);

	if (at < 0)
		return -errno;
	return initrd_write(fd, zeroes, (size_t)(-at & 3));
}

/* One member of a "new ASCII" cpio archive. */
static int initrd_member(int fd, const char *name, unsigned int mode, const void *data,
			 size_t bytes)
{
	char header[111];
	int err;

	snprintf(header, sizeof(header),
		 "070701%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X%08X",
		 0U, mode, 0U, 0U, 1U, 0U, (unsigned int)bytes, 0U, 0U, 0U, 0U,
		 (unsigned int)strlen(name) + 1, 0U);
	err = initrd_write(fd, header, 110);
	if (!err)
		err = initrd_write(fd, name, strlen(name) + 1);
	if (!err)
		err = initrd_align(fd);
	if (!err && bytes)
		err = initrd_write(fd, data, bytes);
	return err ? err : initrd_align(fd);
}

static int initrd_copy(int out, const char *path)
{
	struct stat st;
	off_t at = 0;
	int err = 0;
	int in;

	/* Opening a FIFO would wait for its other end. */
	in = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (in < 0)
		return -errno;
	if (fstat(in, &st) < 0)
		err = -errno;
	else if (!S_ISREG(st.st_mode))
		err = S_ISDIR(st.st_mode) ? -EISDIR : -EINVAL;
	while (!err && at < st.st_size) {
		ssize_t n = sendfile(out, in, &at, (size_t)(st.st_size - at));

		if (n < 0)
			err = -errno;
		else if (n == 0)
			err = -EIO;
	}
	close(in);
	return err;
}

static int initrd_argv(int fd, char *const *argv)
{
	size_t bytes = 0;
	char *data, *p;
	size_t i;
	int err;

	for (i = 0; argv[i]; i++)
		bytes += strlen(argv[i]) + 1;
	data = malloc(bytes ? bytes : 1);
	if (!data)
		return -ENOMEM;
	for (i = 0, p = data; argv[i]; i++)
		p = stpcpy(p, argv[i]) + 1;
	err = initrd_member(fd, "mullion/command", S_IFREG | 0600, data, bytes);
	free(data);
	return err;
}

int mullion_initrd_with_command(const char *initrd, char *const *argv)
{
	int err;
	int fd;

	fd = memfd_create("mullion-initrd", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	err = initrd_member(fd, "mullion", S_IFDIR | 0755, NULL, 0);
	if (!err)
		err = initrd_argv(fd, argv);
	if (!err)
		err = initrd_member(fd, "TRAILER!!!", 0, NULL, 0);
	if (!err)
		err = initrd_align(fd);
	if (!err && initrd)
		err = initrd_copy(fd, initrd);
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}
