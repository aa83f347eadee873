// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/access.c - what a live service can see
 *
 * Nothing here comes from what the daemon believes to have set up: everything
 * is read from /proc of the running process at the moment of the question.
 * Only the names of windows are looked up, to say whose they are.
 *
 * What cannot be read is left out and named in "unreadable".  Landlock does
 * not show in /proc.
 */
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "bus.h"
#include "process.h"
#include "ram.h"
#include "service.h"
#include "text.h"
#include "window.h"

#define ACCESS_LINE 8192

static FILE *access_open(int proc, const char *name)
{
	int fd = openat(proc, name, O_RDONLY | O_CLOEXEC);
	FILE *f;

	if (fd < 0)
		return NULL;
	f = fdopen(fd, "r");
	if (!f)
		close(fd);
	return f;
}

/* ---- status ------------------------------------------------------------ */

static const struct {
	const char *field;
	const char *key;
} access_status[] = {
	{ "Uid", "uid" }, { "Gid", "gid" }, { "Groups", "groups" },
	{ "NoNewPrivs", "no_new_privs" }, { "Seccomp", "seccomp" },
	{ "Seccomp_filters", "seccomp_filters" },
	{ "CapInh", "cap_inheritable" }, { "CapPrm", "cap_permitted" },
	{ "CapEff", "cap_effective" }, { "CapBnd", "cap_bounding" },
	{ "CapAmb", "cap_ambient" }, { "Threads", "threads" },
	{ "VmRSS", "memory_resident" }, { "VmLck", "memory_locked" },
};

/* "Name:\tvalue": blanks in the value become single ones. */
static json_t *access_value(const char *text)
{
	char value[512];
	size_t n = 0;

	while (isspace((unsigned char)*text))
		text++;
	for (; *text && *text != '\n' && n + 1 < sizeof(value); text++) {
		if (!isspace((unsigned char)*text))
			value[n++] = *text;
		else if (n && value[n - 1] != ' ')
			value[n++] = ' ';
	}
	while (n && value[n - 1] == ' ')
		n--;
	return mullion_json_text(value, n);
}

static int access_read_status(int proc, json_t *out)
{
	char line[ACCESS_LINE];
	FILE *f = access_open(proc, "status");

	if (!f)
		return -errno;
	while (fgets(line, sizeof(line), f)) {
		char *colon = strchr(line, ':');

		if (!colon)
			continue;
		*colon = '\0';
		for (size_t i = 0; i < sizeof(access_status) / sizeof(access_status[0]); i++)
			if (!strcmp(line, access_status[i].field))
				json_object_set_new(out, access_status[i].key,
						    access_value(colon + 1));
	}
	fclose(f);
	return 0;
}

/* ---- whose memory is it? ----------------------------------------------- */

/* "/memfd:mullion-window-7 (deleted)" and the like; @note at least 160 bytes. */
static void access_note(const struct mullion_service *service, const char *target,
			uint64_t device, uint64_t inode, char note[static 160])
{
	const char *name = strstr(target, "memfd:mullion-");
	unsigned int id;

	note[0] = '\0';
	for (const struct mullion_cp_bus *bus = service ? service->buses : NULL; bus;
	     bus = bus->service_next)
		if (bus->ram && mullion_cp_ram_is(bus->ram, device, inode))
			snprintf(note, 160, "RAM of guest %s", bus->guest_name);
	if (!name || note[0])
		return;
	name += strlen("memfd:mullion-");
	if (!strncmp(name, "state-", 6)) {
		snprintf(note, 160, "its state area");
		return;
	}
	if (sscanf(name, "window-%u", &id) != 1)
		return;
	if (service && service->window && service->window->id == id) {
		snprintf(note, 160, "its command window");
		return;
	}
	for (const struct mullion_cp_bus *bus = service ? service->buses : NULL; bus;
	     bus = bus->service_next)
		if (bus->window && bus->window->id == id)
			snprintf(note, 160, "window %u of guest %s", id, bus->guest_name);
	if (!note[0])
		snprintf(note, 160, "window %u of nobody any more", id);
}

/* ---- descriptors ------------------------------------------------------- */

static const char *access_mode(int proc, const char *fd)
{
	static const char *const modes[] = { "read", "write", "read-write", "none" };
	static const char *const direct[] = {
		"read, direct", "write, direct", "read-write, direct", "none",
	};
	char path[64], line[256];
	unsigned int flags = 0;
	bool found = false;
	FILE *f;

	snprintf(path, sizeof(path), "fdinfo/%.16s", fd);
	f = access_open(proc, path);
	if (!f)
		return "unknown";
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "flags: %o", &flags) == 1;
	fclose(f);
	if (!found)
		return "unknown";
	if (flags & O_PATH)
		return modes[3];
	return flags & O_DIRECT ? direct[flags & O_ACCMODE] : modes[flags & O_ACCMODE];
}

static json_t *access_describe_fd(const struct mullion_service *service, int proc,
				  int dir, const char *fd)
{
	char target[4200], note[160];
	struct stat st;
	ssize_t n = readlinkat(dir, fd, target, sizeof(target) - 1);

	if (n < 0)
		return NULL;
	target[n] = '\0';
	if (fstatat(dir, fd, &st, 0) < 0)
		memset(&st, 0, sizeof(st));
	access_note(service, target, st.st_dev, st.st_ino, note);
	return json_pack("{s:i, s:o, s:s, s:s}", "fd", atoi(fd),
			 "target", mullion_json_text(target, (size_t)n),
			 "mode", access_mode(proc, fd), "note", note);
}

static int access_read_fds(const struct mullion_service *service, int proc, json_t *out)
{
	int fd = openat(proc, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	json_t *all = json_array();
	struct dirent *entry;
	DIR *dir;

	if (fd < 0 || !all) {
		int r = fd < 0 ? -errno : -ENOMEM;

		if (fd >= 0)
			close(fd);
		json_decref(all);
		return r;
	}
	dir = fdopendir(fd);
	if (!dir) {
		close(fd);
		json_decref(all);
		return -ENOMEM;
	}
	while ((entry = readdir(dir))) {
		json_t *one;

		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		one = access_describe_fd(service, proc, fd, entry->d_name);
		if (one)
			json_array_append_new(all, one);
	}
	closedir(dir);
	json_object_set_new(out, "descriptors", all);
	return 0;
}

/* ---- mappings ---------------------------------------------------------- */

/* Which guests' RAM it can see, and whether it can change it: a row for each guest. */
static void access_add_ram(const struct mullion_service *service, uint64_t device,
			   uint64_t inode, const char *mode, uint64_t bytes, json_t *ram)
{
	const struct mullion_cp_bus *bus = service ? service->buses : NULL;
	json_t *row = NULL;
	size_t i;

	while (bus && !(bus->ram && mullion_cp_ram_is(bus->ram, device, inode)))
		bus = bus->service_next;
	if (!bus)
		return;
	json_array_foreach(ram, i, row)
		if (!strcmp(json_string_value(json_object_get(row, "guest")), bus->guest_name))
			break;
	if (i == json_array_size(ram)) {
		row = json_pack("{s:s, s:s, s:i}", "guest", bus->guest_name, "access", "read",
				"bytes", 0);
		json_array_append_new(ram, row);
	}
	if (mode[1] == 'w')
		json_object_set_new(row, "access", json_string("read-write"));
	json_object_set_new(row, "bytes", json_integer(
		json_integer_value(json_object_get(row, "bytes")) + (json_int_t)bytes));
}

/* The device as stat() has it: some file systems' differ from what maps says. */
static uint64_t access_device(int proc, unsigned long long from, unsigned long long to,
			      uint64_t device)
{
	struct stat st;
	char name[64];

	snprintf(name, sizeof(name), "map_files/%llx-%llx", from, to);
	return fstatat(proc, name, &st, 0) < 0 ? device : st.st_dev;
}

static int access_read_maps(const struct mullion_service *service, int proc, json_t *out)
{
	char line[ACCESS_LINE];
	FILE *f = access_open(proc, "maps");
	json_t *shared = json_array(), *files = json_array(), *ram = json_array();

	if (!f || !shared || !files || !ram) {
		int r = f ? -ENOMEM : -errno;

		if (f)
			fclose(f);
		json_decref(shared);
		json_decref(files);
		json_decref(ram);
		return r;
	}
	while (fgets(line, sizeof(line), f)) {
		unsigned long long from, to, inode;
		unsigned int major, minor;
		char mode[8], note[160];
		uint64_t device;
		int at = 0;
		json_t *one;

		if (sscanf(line, "%llx-%llx %7s %*s %x:%x %llu %n", &from, &to, mode, &major,
			   &minor, &inode, &at) < 6 || !at)
			continue;
		line[strcspn(line, "\n")] = '\0';
		if (line[at] != '/')
			continue;
		device = access_device(proc, from, to, makedev(major, minor));
		access_note(service, line + at, device, inode, note);
		if (mode[3] == 's')
			access_add_ram(service, device, inode, mode, to - from, ram);
		one = json_pack("{s:o, s:s, s:I, s:s}",
				"target", mullion_json_text(line + at, strlen(line + at)),
				"mode", mode, "bytes", (json_int_t)(to - from),
				"note", note);
		json_array_append_new(mode[3] == 's' ? shared : files, one);
	}
	fclose(f);
	json_object_set_new(out, "guest_ram", ram);
	json_object_set_new(out, "shared_memory", shared);
	json_object_set_new(out, "mapped_files", files);
	return 0;
}

/* In plain words, whether guests have to trust it with everything. */
static void access_say_what(const struct mullion_service *service, json_t *out)
{
	json_t *ram = json_object_get(out, "guest_ram"), *row;
	char text[1024] = "";
	size_t i;

	if (!service || !ram)
		return;
	json_array_foreach(ram, i, row) {
		size_t used = strlen(text);

		snprintf(text + used, sizeof(text) - used, "%sall RAM of guest %s (%s)",
			 i ? ", " : "", json_string_value(json_object_get(row, "guest")),
			 json_string_value(json_object_get(row, "access")));
	}
	json_object_set_new(out, "sees", json_string(text[0] ? text :
			    "of its guests, their windows only"));
}

/* ---- namespaces and limits --------------------------------------------- */

static int access_read_namespaces(int proc, json_t *out)
{
	static const char *const names[] = {
		"user", "mnt", "net", "ipc", "uts", "pid", "cgroup",
	};
	json_t *all = json_object();

	for (size_t i = 0; all && i < sizeof(names) / sizeof(names[0]); i++) {
		char path[64];
		struct stat theirs, ours;

		snprintf(path, sizeof(path), "ns/%s", names[i]);
		if (fstatat(proc, path, &theirs, 0) < 0) {
			int r = -errno;

			json_decref(all);
			return r;
		}
		snprintf(path, sizeof(path), "/proc/self/ns/%s", names[i]);
		if (stat(path, &ours) < 0)
			continue;
		json_object_set_new(all, names[i],
				    json_string(theirs.st_ino == ours.st_ino ?
						"the host's" : "its own"));
	}
	json_object_set_new(out, "namespaces", all);
	return 0;
}

static int access_read_limits(int proc, json_t *out)
{
	static const struct {
		const char *line;
		const char *key;
	} wanted[] = {
		{ "Max core file size", "core_file" },
		{ "Max open files", "open_files" },
		{ "Max processes", "processes" },
		{ "Max locked memory", "locked_memory" },
		{ "Max file size", "file_size" },
	};
	char line[ACCESS_LINE];
	FILE *f = access_open(proc, "limits");
	json_t *all = json_object();

	if (!f) {
		json_decref(all);
		return -errno;
	}
	while (all && fgets(line, sizeof(line), f)) {
		for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++) {
			size_t n = strlen(wanted[i].line);
			char soft[32];

			if (!strncmp(line, wanted[i].line, n) &&
			    sscanf(line + n, "%31s", soft) == 1)
				json_object_set_new(all, wanted[i].key, json_string(soft));
		}
	}
	fclose(f);
	json_object_set_new(out, "limits", all);
	return 0;
}

static int access_read_root(int proc, json_t *out)
{
	char target[4200];
	ssize_t n = readlinkat(proc, "root", target, sizeof(target));

	if (n < 0)
		return -errno;
	json_object_set_new(out, "root", mullion_json_text(target, (size_t)n));
	return 0;
}

static void access_note_failure(json_t *unreadable, const char *what, int r)
{
	char text[160];

	if (r >= 0)
		return;
	snprintf(text, sizeof(text), "%s: %s", what, strerror(-r));
	json_array_append_new(unreadable, json_string(text));
}

/* @service: whose process it is; NULL: a helper's, which has no windows. */
static int access_report(const char *name, const char *label, pid_t pid,
			 const struct mullion_service *service, json_t **ret,
			 struct mullion_error *err)
{
	json_t *out, *unreadable;
	char path[32];
	int proc;

	snprintf(path, sizeof(path), "/proc/%d", (int)pid);
	proc = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc < 0)
		return mullion_error_set(err, -errno, "cannot look at", label,
					 NULL, "%s: %s", path, strerror(errno));
	unreadable = json_array();
	out = json_pack("{s:s, s:i, s:s, s:o}", "service", name, "pid", (int)pid,
			"sees", "", "unreadable", unreadable);
	if (!out) {
		close(proc);
		return mullion_error_set(err, -ENOMEM, "cannot look at", label,
					 NULL, "out of memory");
	}
	access_note_failure(unreadable, "status", access_read_status(proc, out));
	access_note_failure(unreadable, "descriptors", access_read_fds(service, proc, out));
	access_note_failure(unreadable, "mappings", access_read_maps(service, proc, out));
	access_say_what(service, out);
	access_note_failure(unreadable, "namespaces", access_read_namespaces(proc, out));
	access_note_failure(unreadable, "limits", access_read_limits(proc, out));
	access_note_failure(unreadable, "root", access_read_root(proc, out));
	close(proc);
	*ret = out;
	return 0;
}

int mullion_service_access(const struct mullion_service *service, json_t **ret,
			   struct mullion_error *err)
{
	if (!service->process)
		return mullion_error_set(err, -ESRCH, "cannot look at", service->label,
					 NULL, "it has no process: it is %s",
					 mullion_service_state_text(service));
	return access_report(service->name, service->label, service->process->pid, service, ret,
			     err);
}

int mullion_process_access(const struct mullion_process *process, const char *name,
			   json_t **ret, struct mullion_error *err)
{
	return access_report(name, process->label, process->pid, NULL, ret, err);
}
