/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/boot.h - what a VM guest boots: kernel, initrd, command line
 */
#ifndef MULLION_COMMAND_BOOT_H
#define MULLION_COMMAND_BOOT_H

#include <limits.h>

#include "definition.h"
#include "error.h"
#include "paths.h"

#define MULLION_APPEND_BYTES 2048	/* of a kernel command line on x86 */

/**
 * struct mullion_boot - what to start QEMU with
 * @kernel: absolute path
 * @initrd: absolute path, /proc/self/fd/N of @initrd_fd, or empty
 * @initrd_fd: memfd of an initrd made for this start, owned; -1: none
 * @append: kernel command line
 */
struct mullion_boot {
	char kernel[PATH_MAX];
	char initrd[PATH_MAX];
	int initrd_fd;
	char append[MULLION_APPEND_BYTES];
};

/**
 * mullion_boot_check() - is everything there that a guest boots?
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_boot_check(const struct mullion_definition *def, const struct mullion_paths *paths,
		       struct mullion_error *err);

/**
 * mullion_boot_reserve() - where in a guest's RAM may channels lie?
 * @low_bytes: of RAM from address 0
 * @ret_gpa, @ret_bytes: of a range that neither firmware nor QEMU puts anything
 *	in: initrd and tables are at the top of low RAM, the kernel at its bottom
 *
 * Return: 0, or -ENOSPC with @err filled in.
 */
int mullion_boot_reserve(const struct mullion_definition *def, const struct mullion_paths *paths,
			 uint64_t low_bytes, uint64_t *ret_gpa, uint64_t *ret_bytes,
			 struct mullion_error *err);

/**
 * mullion_boot_prepare() - decide what a guest boots, and make its initrd
 * @boot: filled in; end it with mullion_boot_done()
 * @extra: for its kernel command line; may be empty
 *
 * In this order: the definition's own kernel; with a root disk, vmlinuz and
 * initrd.img beside the image, else those of the demo image; else the built-in
 * guest.  Return: 0 or negative errno with @err filled in.
 */
int mullion_boot_prepare(struct mullion_boot *boot, const struct mullion_definition *def,
			 const struct mullion_paths *paths, const char *extra,
			 struct mullion_error *err);
void mullion_boot_done(struct mullion_boot *boot);

#endif /* MULLION_COMMAND_BOOT_H */
