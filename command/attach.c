// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/attach.c - where the RAM of a guest is that somebody else has started
 *
 * What can be seen to be wrong without the file is refused here; the rest is
 * ram.c's.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/control.h"
#include "../channel/range.h"
#include "attach.h"

#define ATTACH_WHAT "cannot attach to"

/* A member that is an unsigned number; 1: it is not there. */
static int attach_number(json_t *json, const char *key, uint64_t most, uint64_t *ret)
{
	json_t *value = json_object_get(json, key);

	if (!value)
		return 1;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > most)
		return -EINVAL;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

/* @names of numbers into @numbers, all of them there and no others. */
static int attach_numbers(json_t *json, const char *const *names, unsigned int count,
			  uint64_t *numbers)
{
	if (!json_is_object(json) || json_object_size(json) != count)
		return -EINVAL;
	for (unsigned int i = 0; i < count; i++)
		if (attach_number(json, names[i], MULLION_RAM_ADDRESS_MAX, &numbers[i]))
			return -EINVAL;
	return 0;
}

static int attach_regions(json_t *list, struct mullion_attach *attach)
{
	static const char *const names[] = { "offset", "gpa", "bytes" };
	uint64_t numbers[3];
	size_t i;
	json_t *one;

	if (list && !json_is_array(list))
		return -EINVAL;
	json_array_foreach(list, i, one) {
		struct mullion_ram_region *region = &attach->regions[i];

		if (i == MULLION_RAM_REGIONS_MAX)
			return -E2BIG;
		if (attach_numbers(one, names, 3, numbers))
			return -EINVAL;
		region->offset = numbers[0];
		region->gpa = numbers[1];
		region->bytes = numbers[2];
		attach->region_count++;
	}
	return 0;
}

static int attach_reserved(json_t *list, struct mullion_attach *attach)
{
	static const char *const names[] = { "gpa", "bytes" };
	uint64_t numbers[2];
	size_t i;
	json_t *one;

	if (!json_is_array(list) || !json_array_size(list))
		return -EINVAL;
	json_array_foreach(list, i, one) {
		if (i == MULLION_RAM_RESERVED_MAX)
			return -E2BIG;
		if (attach_numbers(one, names, 2, numbers))
			return -EINVAL;
		attach->reserved[i].gpa = numbers[0];
		attach->reserved[i].bytes = numbers[1];
		attach->reserved_count++;
	}
	return 0;
}

static bool attach_known(json_t *json)
{
	static const char *const names[] = {
		"ram", "control_gpa", "control_bytes", "reserved", "regions", "pid",
	};
	const char *key;
	json_t *value;

	json_object_foreach(json, key, value) {
		bool known = false;

		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			known |= !strcmp(key, names[i]);
		if (!known)
			return false;
	}
	return true;
}

/* Why it cannot be; NULL: nothing is wrong. */
static const char *attach_fault(json_t *json, struct mullion_attach *attach)
{
	const char *path = json_string_value(json_object_get(json, "ram"));
	uint64_t pid = 0;
	int r;

	if (!json_is_object(json) || !attach_known(json))
		return "the request has members that are not known here";
	if (!path || path[0] != '/' || strlen(path) >= sizeof(attach->path) ||
	    strlen(path) != json_string_length(json_object_get(json, "ram")))
		return "the RAM's file is not given by an absolute path";
	strcpy(attach->path, path);
	r = attach_regions(json_object_get(json, "regions"), attach);
	if (!r)
		r = attach_reserved(json_object_get(json, "reserved"), attach);
	if (r == -E2BIG)
		return "there are more than 16 regions or reserved ranges";
	if (r)
		return "a region or reserved range is not given by numbers below 2^46, or none is reserved";
	if (attach_number(json, "control_gpa", MULLION_RAM_ADDRESS_MAX, &attach->control_gpa) ||
	    attach_number(json, "control_bytes", INT32_MAX, &attach->control_bytes))
		return "the control channel has no address, or its size is not one below 2 GiB";
	if (attach_number(json, "pid", INT32_MAX, &pid) < 0)
		return "the number of the process cannot be";
	attach->pid = (pid_t)pid;
	return NULL;
}

static int attach_check_control(const struct mullion_attach *attach, const char *name,
				struct mullion_error *err)
{
	unsigned long long gpa = attach->control_gpa, bytes = attach->control_bytes;

	if (bytes < sizeof(struct visor_controlvm_channel))
		return mullion_error_set(err, -EINVAL, ATTACH_WHAT, name, NULL,
			"a control channel has at least %zu bytes, not %llu",
			sizeof(struct visor_controlvm_channel), bytes);
	if (!gpa || gpa % 4096)
		return mullion_error_set(err, -EINVAL, ATTACH_WHAT, name, NULL,
			"the control channel's address %#llx is not that of a page", gpa);
	for (unsigned int i = 0; i < attach->reserved_count; i++) {
		const struct mullion_ram_range *range = &attach->reserved[i];

		if (gpa >= range->gpa &&
		    mullion_range_ok(gpa - range->gpa, bytes, range->bytes))
			return 0;
	}
	return mullion_error_set(err, -ERANGE, ATTACH_WHAT, name, NULL,
		"the control channel, %llu bytes at %#llx, does not lie in a reserved range",
		bytes, gpa);
}

int mullion_attach_from_json(json_t *json, const char *name, struct mullion_attach **ret,
			     struct mullion_error *err)
{
	struct mullion_attach *attach = calloc(1, sizeof(*attach));
	const char *why;
	int r;

	if (!attach)
		return mullion_error_set(err, -ENOMEM, ATTACH_WHAT, name, NULL, "out of memory");
	why = attach_fault(json, attach);
	r = why ? mullion_error_set(err, -EINVAL, ATTACH_WHAT, name, NULL, "%s", why) :
	    attach_check_control(attach, name, err);
	if (r < 0) {
		free(attach);
		return r;
	}
	*ret = attach;
	return 0;
}

json_t *mullion_attach_describe(const struct mullion_attach *attach)
{
	return json_pack("{s:s, s:I, s:I, s:o}", "ram", attach->path,
			 "control_gpa", (json_int_t)attach->control_gpa,
			 "control_bytes", (json_int_t)attach->control_bytes,
			 "pid", attach->pid ? json_integer(attach->pid) : json_null());
}
