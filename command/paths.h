/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/paths.h - where the programs of Mullion find each other
 *
 * Shared by mulliond and the command line.  A program that runs from the build
 * tree uses the build tree's programs, modules and images; an installed one
 * uses the installed ones.
 */
#ifndef MULLION_COMMAND_PATHS_H
#define MULLION_COMMAND_PATHS_H

#include <limits.h>
#include <stdbool.h>

#ifndef MULLION_LIBEXECDIR
#define MULLION_LIBEXECDIR "/usr/lib/mullion"
#endif

/**
 * struct mullion_paths - absolute paths without a slash at the end
 * @runtime: sockets and locks; gone after a reboot
 * @socket: the API
 * @state: definitions and logs
 * @programs: where mulliond, mullion and the services are
 * @images: builtin/ and debian/ below it
 * @modules: KERNEL-RELEASE/ below it
 * @from_build: the program runs from the build tree
 */
struct mullion_paths {
	char runtime[PATH_MAX];
	char socket[PATH_MAX + 16];
	char state[PATH_MAX];
	char programs[PATH_MAX];
	char images[PATH_MAX + 16];
	char modules[PATH_MAX + 16];
	bool from_build;
};

/**
 * mullion_paths_init() - find them all; makes nothing
 * @paths: filled in
 *
 * The runtime and state folders come from MULLION_RUNTIME_DIR and
 * MULLION_STATE_DIR, else from the user who runs the program.
 * Return: 0, -ENAMETOOLONG when a socket would not fit, or negative errno.
 */
int mullion_paths_init(struct mullion_paths *paths);

/**
 * mullion_paths_make() - make the runtime and state folders
 *
 * Mode 0700 where the folder is made here.  A runtime folder in /tmp that
 * belongs to somebody else is refused.  Return: 0 or negative errno, with
 * @failed set to the path that it is about.
 */
int mullion_paths_make(const struct mullion_paths *paths, const char **failed);

/**
 * mullion_paths_program() - the absolute path of a program of ours
 * @name: "mullion-disk"
 * @out: filled in
 *
 * Return: 0, or -ENOENT when there is no such executable file; @out then holds
 * where it was expected.
 */
int mullion_paths_program(const struct mullion_paths *paths, const char *name,
			  char out[static PATH_MAX]);

#endif /* MULLION_COMMAND_PATHS_H */
