// SPDX-License-Identifier: GPL-2.0-or-later
/* command/paths.c - where the programs of Mullion find each other */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "paths.h"

static int paths_set(char *out, size_t size, const char *a, const char *b)
{
	return (size_t)snprintf(out, size, "%s%s", a, b) < size ? 0 : -ENAMETOOLONG;
}

static const char *paths_env(const char *name)
{
	const char *value = getenv(name);

	/* A relative one would mean another folder in every program. */
	return value && value[0] == '/' ? value : NULL;
}

static int paths_runtime(struct mullion_paths *p)
{
	const char *env = paths_env("MULLION_RUNTIME_DIR");
	char own[64];

	if (env)
		return paths_set(p->runtime, sizeof(p->runtime), env, "");
	if (geteuid() == 0)
		return paths_set(p->runtime, sizeof(p->runtime), "/run", "/mullion");
	env = paths_env("XDG_RUNTIME_DIR");
	if (env)
		return paths_set(p->runtime, sizeof(p->runtime), env, "/mullion");
	snprintf(own, sizeof(own), "/mullion-%u", (unsigned int)geteuid());
	return paths_set(p->runtime, sizeof(p->runtime), "/tmp", own);
}

static int paths_state(struct mullion_paths *p)
{
	const char *env = paths_env("MULLION_STATE_DIR");

	if (env)
		return paths_set(p->state, sizeof(p->state), env, "");
	if (geteuid() == 0)
		return paths_set(p->state, sizeof(p->state), "/var/lib", "/mullion");
	env = paths_env("XDG_STATE_HOME");
	if (env)
		return paths_set(p->state, sizeof(p->state), env, "/mullion");
	env = paths_env("HOME");
	if (!env)
		return paths_set(p->state, sizeof(p->state), p->runtime, "/state");
	return paths_set(p->state, sizeof(p->state), env, "/.local/state/mullion");
}

static bool paths_exists(const char *folder, const char *name)
{
	char path[PATH_MAX + 32];

	return snprintf(path, sizeof(path), "%s/%s", folder, name) < (int)sizeof(path) &&
	       access(path, F_OK) == 0;
}

static int paths_programs(struct mullion_paths *p)
{
	const char *images = p->programs;
	char exe[PATH_MAX];
	char *slash;
	ssize_t n;
	int err;

	n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
	if (n < 0)
		return -errno;
	exe[n] = '\0';
	slash = strrchr(exe, '/');
	if (!slash)
		return -EINVAL;
	*slash = '\0';
	/* Meson leaves build.ninja at the top of a build tree, tests lie below it. */
	while (!paths_exists(exe, "build.ninja")) {
		slash = strrchr(exe, '/');
		if (!slash)
			break;
		*slash = '\0';
	}
	p->from_build = exe[0] != '\0';
	err = paths_set(p->programs, sizeof(p->programs), p->from_build ? exe : MULLION_LIBEXECDIR, "");
	if (!err)
		err = paths_set(p->images, sizeof(p->images), images, "/images");
	if (!err)
		err = paths_set(p->modules, sizeof(p->modules), images, "/modules");
	return err;
}

int mullion_paths_init(struct mullion_paths *paths)
{
	struct mullion_paths p = { 0 };
	int err;

	err = paths_runtime(&p);
	if (!err)
		err = paths_set(p.socket, sizeof(p.socket), p.runtime, "/mulliond.sock");
	if (!err && strlen(p.socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		err = -ENAMETOOLONG;
	if (!err)
		err = paths_state(&p);
	if (!err)
		err = paths_programs(&p);
	if (!err)
		*paths = p;
	return err;
}

/* Like mkdir -p -m 0700, but what is there already stays as it is. */
static int paths_mkdir(const char *path)
{
	char part[PATH_MAX];
	char *p;

	if ((size_t)snprintf(part, sizeof(part), "%s", path) >= sizeof(part))
		return -ENAMETOOLONG;
	for (p = part + 1; *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return -errno;
		*p = '/';
	}
	if (mkdir(part, 0700) < 0 && errno != EEXIST)
		return -errno;
	return 0;
}

int mullion_paths_make(const struct mullion_paths *paths, const char **failed)
{
	struct stat st;
	int err;

	*failed = paths->runtime;
	err = paths_mkdir(paths->runtime);
	if (err)
		return err;
	if (lstat(paths->runtime, &st) < 0)
		return -errno;
	/* In /tmp somebody else could have been there first. */
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	if (st.st_uid != geteuid())
		return -EPERM;
	*failed = paths->state;
	return paths_mkdir(paths->state);
}

int mullion_paths_program(const struct mullion_paths *paths, const char *name,
			  char out[static PATH_MAX])
{
	if (snprintf(out, PATH_MAX, "%s/%s", paths->programs, name) >= PATH_MAX)
		return -ENAMETOOLONG;
	return access(out, X_OK) == 0 ? 0 : -ENOENT;
}
