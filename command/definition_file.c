// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/definition_file.c - definitions as files in the state folder
 *
 * A file is replaced by rename() after its content is on the disk, so a crash
 * leaves the old one or the new one.  Files may be written by hand: they are
 * read again whenever they are asked for, and never kept in memory.
 */

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "definition.h"
#include "definition_field.h"

#define FILE_BYTES_MAX	65536

static int file_folder(const struct definition_schema *schema,
		       const struct mullion_paths *paths, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s", paths->state, schema->folder) < PATH_MAX ?
	       0 : -ENAMETOOLONG;
}

static int file_path(const struct definition_schema *schema, const struct mullion_paths *paths,
		     const char *name, const char *suffix, char out[static PATH_MAX])
{
	return snprintf(out, PATH_MAX, "%s/%s/%s%s", paths->state, schema->folder, name,
			suffix) < PATH_MAX ? 0 : -ENAMETOOLONG;
}

static int file_fsync(const char *path)
{
	int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int r;

	if (fd < 0)
		return -errno;
	r = fsync(fd) < 0 ? -errno : 0;
	close(fd);
	return r;
}

static int file_write(const char *path, const char *text, size_t bytes)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
	int r = 0;

	if (fd < 0)
		return -errno;
	while (bytes && !r) {
		ssize_t n = write(fd, text, bytes);

		if (n < 0) {
			r = -errno;
		} else {
			text += n;
			bytes -= (size_t)n;
		}
	}
	if (!r && fsync(fd) < 0)
		r = -errno;
	if (close(fd) < 0 && !r)
		r = -errno;
	return r;
}

int definition_save(const struct definition_schema *schema, const struct mullion_paths *paths,
		    const void *def, const char *text, size_t bytes, char path[static PATH_MAX],
		    struct mullion_error *err)
{
	const char *name = definition_name(schema, def);
	char folder[PATH_MAX], file[PATH_MAX], tmp[PATH_MAX];
	int r;

	r = file_folder(schema, paths, folder);
	if (!r)
		r = file_path(schema, paths, name, ".ini", file);
	if (!r)
		r = file_path(schema, paths, name, ".ini.new", tmp);
	if (!r && mkdir(folder, 0700) < 0 && errno != EEXIST)
		r = -errno;
	if (!r) {
		r = file_write(tmp, text, bytes);
		if (!r && rename(tmp, file) < 0)
			r = -errno;
		if (r)
			unlink(tmp);
	}
	if (!r)
		r = file_fsync(folder);
	if (r)
		return mullion_error_set(err, r, "cannot keep definition", name,
					 "look at the state folder", "%s: %s", folder, strerror(-r));
	strcpy(path, file);
	return 0;
}

static int file_read(const char *path, char **ret, size_t *ret_bytes)
{
	char *text;
	size_t used = 0;
	int fd, r = 0;

	fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return -errno;
	text = malloc(FILE_BYTES_MAX + 2);
	if (!text)
		r = -ENOMEM;
	while (!r && used <= FILE_BYTES_MAX) {
		ssize_t n = read(fd, text + used, FILE_BYTES_MAX + 1 - used);

		if (n < 0)
			r = -errno;
		else if (n == 0)
			break;
		else
			used += (size_t)n;
	}
	close(fd);
	if (r) {
		free(text);
		return r;
	}
	text[used] = '\0';
	*ret = text;
	*ret_bytes = used;
	return 0;
}

int definition_load(const struct definition_schema *schema, const struct mullion_paths *paths,
		    const char *name, void **ret, char **ret_text, char path[static PATH_MAX],
		    struct mullion_error *err)
{
	void *def;
	char list[64];
	char file[PATH_MAX];
	char *text = NULL;
	size_t bytes = 0;
	int r;

	snprintf(list, sizeof(list), "see `%s`", schema->list);
	/* The name becomes part of a path. */
	if (!mullion_name_valid(name))
		return mullion_error_set(err, -ENOENT, "no definition of", name, NULL,
					 "that is not a name");
	r = file_path(schema, paths, name, ".ini", file);
	if (!r)
		r = file_read(file, &text, &bytes);
	if (r == -ENOENT)
		return mullion_error_set(err, r, "no definition of", name,
					 list, "there is no %s", file);
	if (r)
		return mullion_error_set(err, r, "cannot read definition", name, NULL, "%s: %s",
					 file, strerror(-r));
	r = definition_from_ini(schema, text, bytes, file, NULL, &def, err);
	if (!r && strcmp(definition_name(schema, def), name)) {
		mullion_error_set(err, -EINVAL, "bad definition in", file,
				  "rename the file or change Name=", "Name= is %s",
				  definition_name(schema, def));
		schema->release(def);
		r = -EINVAL;
	}
	if (r || !ret_text)
		free(text);
	else
		*ret_text = text;
	if (r)
		return r;
	strcpy(path, file);
	*ret = def;
	return 0;
}

int definition_remove(const struct definition_schema *schema, const struct mullion_paths *paths,
		      const char *name, struct mullion_error *err)
{
	char file[PATH_MAX], folder[PATH_MAX];
	int r = -ENOENT;

	if (mullion_name_valid(name))
		r = file_path(schema, paths, name, ".ini", file);
	if (!r && unlink(file) < 0)
		r = -errno;
	if (!r)
		r = file_folder(schema, paths, folder);
	if (!r)
		r = file_fsync(folder);
	if (r == -ENOENT)
		return mullion_error_set(err, r, "no definition of", name, NULL,
					 "there is no such file in %s/%s", paths->state,
					 schema->folder);
	if (r)
		return mullion_error_set(err, r, "cannot remove definition", name, NULL, "%s: %s",
					 file, strerror(-r));
	return 0;
}

int definition_names(const struct definition_schema *schema, const struct mullion_paths *paths,
		     char ***ret)
{
	char folder[PATH_MAX];
	struct dirent **list = NULL;
	int i, n, count = 0;
	char **names;

	n = file_folder(schema, paths, folder);
	if (n)
		return n;
	n = scandir(folder, &list, NULL, alphasort);
	if (n < 0 && errno != ENOENT)
		return -errno;
	if (n < 0)
		n = 0;
	names = calloc((size_t)n + 1, sizeof(*names));
	for (i = 0; i < n; i++) {
		char *dot = strrchr(list[i]->d_name, '.');

		if (names && dot && !strcmp(dot, ".ini")) {
			*dot = '\0';
			if (mullion_name_valid(list[i]->d_name)) {
				names[count] = strdup(list[i]->d_name);
				count += names[count] != NULL;
			}
		}
		free(list[i]);
	}
	free(list);
	if (!names)
		return -ENOMEM;
	*ret = names;
	return count;
}
