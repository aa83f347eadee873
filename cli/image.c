/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/image.c - mullion image build
 *
 * The scripts of image/ do the work.  In a source tree they are run through
 * the Makefile, which builds first what goes into an image; an installed
 * command runs them from where they were installed, with the newest modules
 * that are there.
 */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"

static int image_make(struct mullion_cli *cli, const struct mullion_paths *paths, const char *which)
{
	char top[PATH_MAX + 4], target[64];

	snprintf(top, sizeof(top), "%s/..", paths->programs);
	snprintf(target, sizeof(target), "image-%s", which);
	execlp("make", "make", "-C", top, "--no-print-directory", target, (char *)NULL);
	mullion_report_error("cannot build image", which, "install the package make", "make: %s",
			     strerror(errno));
	return cli->failure;
}

/* The newest release of which there are modules; version sort. */
static int image_release(const char *modules, char *release, size_t size)
{
	DIR *folder = opendir(modules);
	struct dirent *entry;

	*release = '\0';
	if (!folder)
		return -errno;
	while ((entry = readdir(folder)))
		if (entry->d_name[0] != '.' && strverscmp(entry->d_name, release) > 0)
			snprintf(release, size, "%s", entry->d_name);
	closedir(folder);
	return *release ? 0 : -ENOENT;
}

int mullion_cmd_image_build(struct mullion_cli *cli)
{
	const char *which = cli->argc ? cli->argv[0] : "builtin";
	const struct mullion_paths *paths = mullion_client_paths();
	char script[PATH_MAX + 32], out[PATH_MAX + 32], release[256];

	if (!paths)
		return cli->failure;
	fflush(stdout);
	snprintf(script, sizeof(script), "%s/../Makefile", paths->programs);
	if (paths->from_build && !access(script, R_OK))
		return image_make(cli, paths, which);

	snprintf(script, sizeof(script), "%s/image/%s", paths->programs, which);
	snprintf(out, sizeof(out), "%s/%s", paths->images, which);
	if (access(script, X_OK)) {
		mullion_report_error("cannot build image", which,
				     "build it in the source tree (`make images') and copy build/images",
				     "%s: %s", script, strerror(errno));
		return cli->failure;
	}
	if (image_release(paths->modules, release, sizeof(release))) {
		mullion_report_error("cannot build image", which, "install the guest modules",
				     "there are none in %s", paths->modules);
		return cli->failure;
	}
	if ((mkdir(paths->images, 0755) && errno != EEXIST) || (mkdir(out, 0755) && errno != EEXIST)) {
		mullion_report_error("cannot build image", which, "run this as root", "%s: %s", out,
				     strerror(errno));
		return cli->failure;
	}
	execl(script, script, release, out, (char *)NULL);
	mullion_report_error("cannot build image", which, NULL, "%s: %s", script, strerror(errno));
	return cli->failure;
}
