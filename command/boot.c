// SPDX-License-Identifier: GPL-2.0-or-later
/* command/boot.c - what a VM guest boots: kernel, initrd, command line */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "boot.h"
#include "initrd.h"
#include "spec.h"

#define BOOT_WHAT "cannot start guest"

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
		       const struct mullion_paths *paths, struct mullion_error *err)
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
	n = snprintf(boot->append, sizeof(boot->append), "%sconsole=ttyS0 panic=-1%s%s%s",
		     def->root ? "root=/dev/sda rw " : "", command ? " quiet" : "",
		     def->append ? " " : "", def->append ? def->append : "");
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

	return boot_decide(&boot, def, paths, err);
}

int mullion_boot_prepare(struct mullion_boot *boot, const struct mullion_definition *def,
			 const struct mullion_paths *paths, struct mullion_error *err)
{
	int r = boot_decide(boot, def, paths, err);

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
