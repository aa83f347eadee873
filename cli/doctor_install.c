/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor_install.c - is all of Mullion here, and what it needs: QEMU, programs, folders,
 * images, modules, kernel headers
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "../command/host.h"
#include "client.h"
#include "doctor.h"
#include "report.h"

#define INSTALL_QEMU_MAJOR 7
#define INSTALL_QEMU_MINOR 2

void mullion_doctor_qemu(struct mullion_doctor *doctor)
{
	char qemu[PATH_MAX];
	char *devices_argv[] = { qemu, "-device", "help", NULL };
	int major = 0, minor = 0, ret;
	char *text;

	ret = mullion_host_qemu(qemu);
	if (!ret)
		ret = mullion_host_qemu_version(qemu, &major, &minor);
	if (ret) {
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "qemu",
				   "install the package qemu-system-x86", "%s: %s", qemu,
				   ret == -ENOENT ? "not found" : "does not run");
		return;
	}
	if (major < INSTALL_QEMU_MAJOR ||
	    (major == INSTALL_QEMU_MAJOR && minor < INSTALL_QEMU_MINOR)) {
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "qemu",
				   "install QEMU 7.2 or later", "version %d.%d is too old", major,
				   minor);
		return;
	}
	ret = mullion_doctor_output(devices_argv, NULL, &text);
	if (ret || !strstr(text, "\"ivshmem-doorbell\""))
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "qemu",
				   "install a QEMU that was built with ivshmem, as Debian's is",
				   "version %d.%d does not have the device ivshmem-doorbell", major,
				   minor);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "qemu", NULL,
				   "version %d.%d, has ivshmem-doorbell", major, minor);
	if (ret >= 0)
		free(text);
}

void mullion_doctor_programs(struct mullion_doctor *doctor)
{
	static const char *const names[] = { "mulliond", "mullion-disk", "mullion-net" };
	char path[PATH_MAX];

	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		if (!mullion_paths_program(doctor->paths, names[i], path))
			continue;
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "programs",
				   doctor->paths->from_build ? "`make build'" : "install Mullion again",
				   "%s is missing", path);
		return;
	}
	mullion_doctor_say(doctor, MULLION_FINDING_OK, "programs", NULL, "all in %s",
			   doctor->paths->programs);
}

/* A program that lacks a library does not even tell its version. */
void mullion_doctor_nat(struct mullion_doctor *doctor)
{
	char path[PATH_MAX];
	char *argv[] = { path, "--version", NULL };
	char *text;
	int ret = -ENOENT;

	if (!mullion_paths_program(doctor->paths, "mullion-nat", path))
		ret = mullion_doctor_output(argv, "", &text);
	if (ret == 0)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "nat", NULL,
				   "%.*s is usable", (int)strcspn(text, "\n"), text);
	else if (ret == -ENOENT)
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "nat",
				   doctor->paths->from_build
				   ? "install libslirp-dev, then `make build'"
				   : "install Mullion again",
				   "%s is missing; networks with uplink nat do not work", path);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "nat",
				   "install the package libslirp0",
				   "%s does not run; networks with uplink nat do not work", path);
	if (ret >= 0)
		free(text);
}

/* Could @path be used, or be made?  Return: 0 or negative errno. */
static int install_folder(const char *path)
{
	char part[PATH_MAX];
	struct stat st;
	char *slash;

	snprintf(part, sizeof(part), "%s", path);
	while (stat(part, &st)) {
		if (errno != ENOENT)
			return -errno;
		slash = strrchr(part, '/');
		if (!slash || slash == part)
			strcpy(part, "/");
		else
			*slash = '\0';
	}
	if (!S_ISDIR(st.st_mode))
		return -ENOTDIR;
	return access(part, W_OK | X_OK) ? -errno : 0;
}

void mullion_doctor_folders(struct mullion_doctor *doctor)
{
	const struct mullion_paths *paths = doctor->paths;
	int runtime = install_folder(paths->runtime);
	int state = install_folder(paths->state);
	struct stat st;

	if (!stat(paths->runtime, &st) && st.st_uid != geteuid() && runtime)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "folders", NULL,
				   "%s belongs to user %u, whose daemon is used", paths->runtime,
				   st.st_uid);
	else if (runtime)
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "folders",
				   "set MULLION_RUNTIME_DIR to a folder of yours", "%s: %s",
				   paths->runtime, strerror(-runtime));
	else if (state)
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "folders",
				   "set MULLION_STATE_DIR to a folder of yours", "%s: %s",
				   paths->state, strerror(-state));
	else if (!stat(paths->runtime, &st) && (st.st_mode & 002))
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "folders",
				   "`chmod o-w' it", "everybody may write to %s", paths->runtime);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "folders", NULL,
				   "sockets in %s, definitions and logs in %s", paths->runtime,
				   paths->state);
}

void mullion_doctor_daemon(struct mullion_doctor *doctor)
{
	int fd = mullion_client_connect(doctor->paths);

	if (fd >= 0) {
		close(fd);
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "daemon", NULL, "runs, and answers at %s",
				   doctor->paths->socket);
	} else if (fd == -ENOENT || fd == -ECONNREFUSED) {
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "daemon", NULL,
				   "does not run; it starts when it is needed");
	} else {
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "daemon",
				   "ask an administrator of this machine for access", "%s: %s",
				   doctor->paths->socket, strerror(-fd));
	}
}

static bool install_image(struct mullion_doctor *doctor, const char *which, const char *advice,
			  enum mullion_finding missing, const char *use, const char *const *files)
{
	char path[PATH_MAX + 64];

	for (; *files; files++) {
		snprintf(path, sizeof(path), "%s/%s/%s", doctor->paths->images, which, *files);
		if (!access(path, R_OK))
			continue;
		mullion_doctor_say(doctor, missing, "images", advice, "%s guest: %s: %s; %s", which,
				   path, strerror(errno), use);
		return false;
	}
	mullion_doctor_say(doctor, MULLION_FINDING_OK, "images", NULL, "%s guest: ready", which);
	return true;
}

void mullion_doctor_images(struct mullion_doctor *doctor)
{
	static const char *const builtin[] = { "vmlinuz", "initrd.img", NULL };
	static const char *const debian[] = { "vmlinuz", "initrd.img", "disk.img", NULL };

	install_image(doctor, "builtin", "`mullion image build builtin'", MULLION_FINDING_FAIL,
		      "`mullion run' without --kernel or --root needs it", builtin);
	install_image(doctor, "debian", "`mullion image build debian'", MULLION_FINDING_WARN,
		      "only the demo guest needs it", debian);
}

/* Calls @fn for each entry of @folder that starts with @prefix. */
static int install_each(const char *folder, const char *prefix,
			void (*fn)(void *arg, const char *name), void *arg)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	if (!dir)
		return -errno;
	while ((entry = readdir(dir)))
		if (entry->d_name[0] != '.' && !strncmp(entry->d_name, prefix, strlen(prefix)))
			fn(arg, entry->d_name + strlen(prefix));
	closedir(dir);
	return 0;
}

/* A list of names in a row. */
struct install_names {
	const char *folder;
	const char *file;	/* an entry counts if it has this */
	char text[1024];
};

static void install_add(void *arg, const char *name)
{
	struct install_names *names = arg;
	char path[PATH_MAX];
	size_t len = strlen(names->text);

	if (names->file) {
		snprintf(path, sizeof(path), "%s/%s/%s", names->folder, name, names->file);
		if (access(path, R_OK))
			return;
	}
	snprintf(names->text + len, sizeof(names->text) - len, "%s%s", len ? ", " : "", name);
}

void mullion_doctor_modules(struct mullion_doctor *doctor)
{
	struct install_names names = { .folder = doctor->paths->modules, .file = "visorhba.ko" };

	install_each(doctor->paths->modules, "", install_add, &names);
	if (*names.text)
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "modules", NULL,
				   "guest modules built for %s", names.text);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_FAIL, "modules",
				   doctor->paths->from_build ? "`make modules'"
							     : "install Mullion again",
				   "no guest modules in %s; images cannot be built",
				   doctor->paths->modules);
}

void mullion_doctor_headers(struct mullion_doctor *doctor)
{
	struct install_names names = { .folder = "/usr/src", .file = NULL };
	struct utsname host;
	char path[PATH_MAX], advice[192];

	uname(&host);
	snprintf(path, sizeof(path), "/lib/modules/%s/build/Makefile", host.release);
	snprintf(advice, sizeof(advice), "install linux-headers-%.64s if this machine is to be a guest",
		 host.release);
	if (!access(path, R_OK))
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "headers", NULL,
				   "of the running kernel %s: there", host.release);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "headers", advice,
				   "of the running kernel %s: not there, and not needed for guests",
				   host.release);

	install_each("/usr/src", "linux-headers-", install_add, &names);
	if (strstr(names.text, "amd64"))
		mullion_doctor_say(doctor, MULLION_FINDING_OK, "headers", NULL, "for guests: %s",
				   names.text);
	else
		mullion_doctor_say(doctor, MULLION_FINDING_WARN, "headers",
				   "install the package linux-headers-amd64",
				   "for guests: none in /usr/src; modules cannot be built");
}
