// SPDX-License-Identifier: GPL-2.0-or-later
/* command/boot.c - what a VM guest boots: kernel, initrd, command line */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "boot.h"
#include "initrd.h"
#include "spec.h"

#define BOOT_WHAT "cannot start guest"

/* A kernel that unpacks itself in place may need what is below. */
#define BOOT_KERNEL_BYTES	(96ULL << 20)
/* QEMU's and the firmware's tables at the top of low RAM, and then some. */
#define BOOT_TABLES_BYTES	(32ULL << 20)
/* Kernels before 3.8 want their initrd below. */
#define BOOT_INITRD_END		(2ULL << 30)
#define BOOT_RESERVED_MIN	(16ULL << 20)
#define BOOT_RESERVED_MAX	(64ULL << 20)
#define BOOT_RESERVED_ALIGN	(2ULL << 20)

static int boot_copy(char *out, size_t size, const char *a, const char *b)
{
	return (size_t)snprintf(out, size, "%s%s", a, b) < size ? 0 : -ENAMETOOLONG;
}

/*
 * Return: 0 when @folder has both files.  A kernel that is unpacked already
 * starts seconds earlier where the CPU is emulated.
 */
static int boot_folder(struct mullion_boot *boot, const char *folder)
{
	int r;

	r = boot_copy(boot->kernel, sizeof(boot->kernel), folder, "/vmlinux");
	if (!r && access(boot->kernel, R_OK) < 0)
		r = boot_copy(boot->kernel, sizeof(boot->kernel), folder, "/vmlinuz");
	if (!r)
		r = boot_copy(boot->initrd, sizeof(boot->initrd), folder, "/initrd.img");
	if (!r && (access(boot->kernel, R_OK) < 0 || access(boot->initrd, R_OK) < 0))
		r = -errno;
	return r;
}

/* The folder of a root disk that is a file. */
static int boot_beside(struct mullion_boot *boot, const char *root)
{
	struct mullion_spec *spec = malloc(sizeof(*spec));
	char *slash;
	int r = -ENOENT;

	if (!spec)
		return -ENOMEM;
	if (!mullion_spec_parse(spec, root, NULL, NULL) && spec->store == MULLION_STORE_FILE) {
		slash = strrchr(spec->path, '/');
		if (slash) {
			*slash = '\0';
			r = boot_folder(boot, spec->path);
		}
	}
	free(spec);
	return r;
}

static int boot_find(struct mullion_boot *boot, const struct mullion_definition *def,
		     const struct mullion_paths *paths, struct mullion_error *err)
{
	const char *image = def->root ? "debian" : "builtin";
	char folder[PATH_MAX + 32];
	int r;

	if (def->kernel) {
		r = boot_copy(boot->kernel, sizeof(boot->kernel), def->kernel, "");
		if (!r && def->initrd)
			r = boot_copy(boot->initrd, sizeof(boot->initrd), def->initrd, "");
		if (!r && access(boot->kernel, R_OK) < 0)
			return mullion_error_set(err, -errno, BOOT_WHAT, def->name, NULL,
						 "kernel %s: %s", boot->kernel, strerror(errno));
		if (!r && def->initrd && access(boot->initrd, R_OK) < 0)
			return mullion_error_set(err, -errno, BOOT_WHAT, def->name, NULL,
						 "initrd %s: %s", boot->initrd, strerror(errno));
		return r;
	}
	if (def->root && !boot_beside(boot, def->root))
		return 0;
	snprintf(folder, sizeof(folder), "%s/%s", paths->images, image);
	r = boot_folder(boot, folder);
	if (!r)
		return 0;
	if (r != -ENOENT)
		return mullion_error_set(err, r, BOOT_WHAT, def->name, NULL, "%s: %s", folder,
					 strerror(-r));
	return mullion_error_set(err, -ENXIO, BOOT_WHAT, def->name,
				 paths->from_build ? "run `make images`, or give --kernel" :
				 "run `mullion image build`, or give --kernel",
				 "there is no vmlinuz and initrd.img in %s", folder);
}

static int boot_decide(struct mullion_boot *boot, const struct mullion_definition *def,
		       const struct mullion_paths *paths, const char *extra,
		       struct mullion_error *err)
{
	bool command = def->command[0] != NULL;
	int n, r;

	memset(boot, 0, sizeof(*boot));
	boot->initrd_fd = -1;
	r = boot_find(boot, def, paths, err);
	if (r == -ENAMETOOLONG)
		return mullion_error_set(err, r, BOOT_WHAT, def->name, NULL, "a path is too long");
	if (r)
		return r;
	/* An emulated timer may be late on a busy host: Linux would take it for broken. */
	n = snprintf(boot->append, sizeof(boot->append),
		     "%sconsole=ttyS0 panic=-1 no_timer_check%s%s%s%s%s",
		     def->root ? "root=/dev/sda rw " : "", command ? " quiet" : "",
		     extra[0] ? " " : "", extra, def->append ? " " : "", def->append ? def->append : "");
	if ((size_t)n >= sizeof(boot->append))
		return mullion_error_set(err, -E2BIG, BOOT_WHAT, def->name, "shorten append",
					 "the kernel command line is longer than %zu bytes",
					 sizeof(boot->append) - 1);
	return 0;
}

int mullion_boot_check(const struct mullion_definition *def, const struct mullion_paths *paths,
		       struct mullion_error *err)
{
	struct mullion_boot boot;

	return boot_decide(&boot, def, paths, "", err);
}

int mullion_boot_reserve(const struct mullion_definition *def, const struct mullion_paths *paths,
			 uint64_t low_bytes, uint64_t *ret_gpa, uint64_t *ret_bytes,
			 struct mullion_error *err)
{
	uint64_t end = low_bytes < BOOT_INITRD_END ? low_bytes : BOOT_INITRD_END;
	uint64_t bytes = def->memory / 16, above = BOOT_TABLES_BYTES;
	struct mullion_boot boot;
	struct stat st;
	int r = boot_decide(&boot, def, paths, "", err);

	if (r)
		return r;
	if (boot.initrd[0] && !stat(boot.initrd, &st))
		above += (uint64_t)st.st_size;
	bytes = bytes < BOOT_RESERVED_MIN ? BOOT_RESERVED_MIN :
		bytes > BOOT_RESERVED_MAX ? BOOT_RESERVED_MAX : bytes;
	bytes &= ~(BOOT_RESERVED_ALIGN - 1);
	if (end < BOOT_KERNEL_BYTES + bytes + above)
		return mullion_error_set(err, -ENOSPC, BOOT_WHAT, def->name,
					 "give it more memory, or leave out window",
					 "memory is %lluM, and window ram needs at least %lluM here",
					 (unsigned long long)def->memory >> 20,
					 (unsigned long long)(BOOT_KERNEL_BYTES + bytes + above +
							      (1 << 20)) >> 20);
	*ret_gpa = (end - above - bytes) & ~(BOOT_RESERVED_ALIGN - 1);
	*ret_bytes = bytes;
	return 0;
}

int mullion_boot_prepare(struct mullion_boot *boot, const struct mullion_definition *def,
			 const struct mullion_paths *paths, const char *extra,
			 struct mullion_error *err)
{
	int r = boot_decide(boot, def, paths, extra, err);

	if (r || !def->command[0])
		return r;
	r = mullion_initrd_with_command(boot->initrd[0] ? boot->initrd : NULL, def->command);
	if (r < 0)
		return mullion_error_set(err, r, BOOT_WHAT, def->name, NULL,
					 "cannot make its initrd: %s", strerror(-r));
	boot->initrd_fd = r;
	snprintf(boot->initrd, sizeof(boot->initrd), "/proc/self/fd/%d", r);
	return 0;
}

void mullion_boot_done(struct mullion_boot *boot)
{
	if (boot->initrd_fd >= 0)
		close(boot->initrd_fd);
	boot->initrd_fd = -1;
}
