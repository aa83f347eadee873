/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/attach.h - where the RAM of a guest is that somebody else has started
 */
#ifndef MULLION_COMMAND_ATTACH_H
#define MULLION_COMMAND_ATTACH_H

#include <jansson.h>
#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#include "../abi/service.h"
#include "error.h"

/**
 * struct mullion_attach - what a user says of it
 * @path: absolute, of the file
 * @regions, @region_count: what of it is where; 0: as QEMU's machine type pc has it
 * @reserved, @reserved_count: ranges that the guest's memory map reserves
 * @control_gpa, @control_bytes: of the control channel, in one of these
 * @pid: the guest has ended when this process has; 0: not known
 */
struct mullion_attach {
	char path[PATH_MAX];
	struct mullion_ram_region regions[MULLION_RAM_REGIONS_MAX];
	unsigned int region_count;
	struct mullion_ram_range reserved[MULLION_RAM_RESERVED_MAX];
	unsigned int reserved_count;
	uint64_t control_gpa;
	uint64_t control_bytes;
	pid_t pid;
};

/**
 * mullion_attach_from_json() - schema Attach, checked
 * @name: of the guest, for messages
 * @ret: on success, to be freed
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_attach_from_json(json_t *json, const char *name, struct mullion_attach **ret,
			     struct mullion_error *err);

/**
 * mullion_attach_describe() - the same for people; new reference
 */
json_t *mullion_attach_describe(const struct mullion_attach *attach);

#endif /* MULLION_COMMAND_ATTACH_H */
