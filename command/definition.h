/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/definition.h - what an administrator says of a guest
 *
 * A definition says what a guest shall be, never what runs: it is checked
 * completely when it is read, does not change afterwards and is counted by
 * reference.  It comes from JSON (the API) or from an INI file:
 *
 *	[Guest]
 *	Folder=/srv/web		relative paths below count from here
 *	Name=web
 *	Type=vm|process
 *	Memory=512M
 *	CPUs=2
 *	Accel=auto|kvm|tcg
 *	Machine=pc|q35
 *	Addressing=window|guest-physical
 *	Window=pci|ram
 *	Hugepages=off|2M|1G
 *	NUMA=1
 *	Kernel=/boot/vmlinuz
 *	Initrd=/boot/initrd.img
 *	Append=debug
 *	Root=SPEC
 *	Disk=SPEC		any number of times, as are the next two
 *	Net=NETWORK[,OPTION]...	(command/net_spec.h)
 *	Command=ARG
 *	Timeout=SECONDS
 */
#ifndef MULLION_COMMAND_DEFINITION_H
#define MULLION_COMMAND_DEFINITION_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"
#include "paths.h"

#define MULLION_NAME_MAX	64
#define MULLION_DISKS_MAX	63	/* besides the root disk */
#define MULLION_NETS_MAX	32
#define MULLION_ARGS_MAX	256

enum mullion_accel {
	MULLION_ACCEL_AUTO,
	MULLION_ACCEL_KVM,
	MULLION_ACCEL_TCG,
};

/**
 * struct mullion_definition - a checked definition; read only
 * @name: of the guest
 * @process: a plain process, no VM
 * @q35: machine type q35 instead of pc
 * @guest_physical: services may see the guest's RAM
 * @window_ram: channels lie in it, and both sides poll; with @guest_physical
 * @hugepages: bytes of the pages that RAM is made of; 0: ordinary ones
 * @numa: nodes that RAM is divided into, 1: none
 * @memory: bytes
 * @kernel, @initrd: absolute paths; NULL: the default
 * @append: added to the kernel command line, or NULL
 * @root: SPEC of the first disk, or NULL
 * @disks: NULL-terminated SPECs; relative paths were made absolute
 * @nets: NULL-terminated, a network interface each
 * @command: NULL-terminated argv; empty: none
 * @timeout: seconds from the start, 0: none
 */
struct mullion_definition {
	unsigned int refs;
	char name[MULLION_NAME_MAX + 1];
	bool process;
	bool q35;
	bool guest_physical;
	bool window_ram;
	uint64_t hugepages;
	unsigned int numa;
	enum mullion_accel accel;
	uint64_t memory;
	unsigned int cpus;
	char *kernel;
	char *initrd;
	char *append;
	char *root;
	char *disks[MULLION_DISKS_MAX + 1];
	char *nets[MULLION_NETS_MAX + 1];
	char *command[MULLION_ARGS_MAX + 1];
	double timeout;
};

/**
 * mullion_name_valid() - may a guest be called so?
 */
bool mullion_name_valid(const char *name);

/**
 * mullion_definition_from_json() - read and check one
 * @json: an object; members that are not of a definition are an error
 * @cwd: absolute path that relative paths count from; NULL refuses those
 *
 * Return: 0 or negative errno (-EINVAL) with @err filled in.
 */
int mullion_definition_from_json(json_t *json, const char *cwd,
				 struct mullion_definition **ret, struct mullion_error *err);

/**
 * mullion_definition_from_ini() - read and check the text of a file
 * @text: @bytes of it, no NUL needed
 * @file: its name, for messages that begin with FILE:LINE
 * @cwd: absolute path that relative paths count from unless the text has Folder=;
 *	NULL refuses those
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_definition_from_ini(const char *text, size_t bytes, const char *file,
				const char *cwd, struct mullion_definition **ret,
				struct mullion_error *err);

/**
 * mullion_definition_anchor() - make the text of a file independent of where it lies
 * @file: absolute path of the file; its folder is what relative paths count from
 * @ret_text: a text that means the same with @cwd NULL, to be freed; the same text
 *	if no path in it is relative, else one with Folder=
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_definition_anchor(const char *text, size_t bytes, const char *file,
			      struct mullion_definition **ret, char **ret_text,
			      struct mullion_error *err);

/**
 * mullion_definition_describe() - as JSON, schema Definition; new reference
 */
json_t *mullion_definition_describe(const struct mullion_definition *def);

struct mullion_definition *mullion_definition_ref(struct mullion_definition *def);

/**
 * mullion_definition_unref() - NULL is fine; returns NULL
 */
struct mullion_definition *mullion_definition_unref(struct mullion_definition *def);

/**
 * mullion_definition_save() - keep the text of a definition
 * @def: what @text was read into
 * @path: filled in with the file's path
 *
 * The file STATE/definitions/NAME.ini is replaced as a whole and is on the disk
 * when this returns.  Return: 0 or negative errno with @err filled in.
 */
int mullion_definition_save(const struct mullion_paths *paths,
			    const struct mullion_definition *def, const char *text,
			    size_t bytes, char path[static PATH_MAX], struct mullion_error *err);

/**
 * mullion_definition_load() - read the definition of a name
 * @ret_text: the file's text, to be freed; may be NULL
 * @path: filled in with the file's path
 *
 * Return: 0, -ENOENT without such a file, or negative errno; @err filled in.
 */
int mullion_definition_load(const struct mullion_paths *paths, const char *name,
			    struct mullion_definition **ret, char **ret_text,
			    char path[static PATH_MAX], struct mullion_error *err);

/**
 * mullion_definition_remove() - forget a definition
 *
 * Return: 0, -ENOENT, or negative errno with @err filled in.
 */
int mullion_definition_remove(const struct mullion_paths *paths, const char *name,
			      struct mullion_error *err);

/**
 * mullion_definition_names() - the names that have a file
 * @ret: array of strings, each to be freed and then itself
 *
 * Return: how many, or negative errno.
 */
int mullion_definition_names(const struct mullion_paths *paths, char ***ret);

#endif /* MULLION_COMMAND_DEFINITION_H */
