// SPDX-License-Identifier: GPL-2.0-or-later
/* command/api_devices.c - devices: list them; add, change, remove while a guest runs */

#include <errno.h>
#include <string.h>

#include "api.h"
#include "device_class.h"
#include "partition.h"

void api_devices_list(struct mullion_api_request *req, const char *name)
{
	(void)name;
	mullion_api_reply(req, 200, json_pack("{s:o}", "devices",
					      mullion_devices_describe(req->daemon->core)));
}

/**
 * struct device_request - the members of a body, each NULL if it is not there
 */
struct device_request {
	const char *class;
	const char *spec;
	const char *cwd;
	const char *device;
	const char *set;
	bool force;
};

/* Every member must be known, of its type, and of those that the request has. */
static int device_members(json_t *body, const char *const *names, struct device_request *out,
			  struct mullion_error *err)
{
	const struct {
		const char *name;
		const char **to;
	} texts[] = {
		{ "class", &out->class }, { "spec", &out->spec }, { "cwd", &out->cwd },
		{ "device", &out->device }, { "set", &out->set },
	};
	const char *key;
	json_t *value;

	json_object_foreach(body, key, value) {
		bool known = false;

		for (size_t i = 0; names[i]; i++)
			known |= !strcmp(key, names[i]);
		if (!known)
			return mullion_error_set(err, -EINVAL, "bad request", key, NULL,
						 "it is not known here");
		if (!strcmp(key, "force")) {
			if (!json_is_boolean(value))
				return mullion_error_set(err, -EINVAL, "bad request", key, NULL,
							 "it is neither true nor false");
			out->force = json_is_true(value);
			continue;
		}
		if (!json_is_string(value) ||
		    strlen(json_string_value(value)) != json_string_length(value))
			return mullion_error_set(err, -EINVAL, "bad request", key, NULL,
						 "it is not a text");
		for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
			if (!strcmp(key, texts[i].name))
				*texts[i].to = json_string_value(value);
	}
	return 0;
}

static int device_add(struct mullion_cp_guest *guest, json_t *body, struct mullion_error *err)
{
	static const char *const names[] = { "class", "spec", "cwd", NULL };
	const struct mullion_device_class *class = &mullion_disk_class;
	struct mullion_partition *partition;
	struct device_request r = { 0 };
	int ret = device_members(body, names, &r, err);

	if (ret)
		return ret;
	if (!r.spec || (r.cwd && r.cwd[0] != '/'))
		return mullion_error_set(err, -EINVAL, "bad request", "body", NULL,
			"it needs \"spec\", for a relative path an absolute \"cwd\", and for other devices than disks \"class\"");
	if (r.class)
		class = mullion_device_class_find(r.class);
	if (!class)
		return mullion_error_set(err, -EINVAL, "cannot add device", r.spec,
					 "use disk or net", "there is no class \"%.40s\"", r.class);
	partition = mullion_cp_guest_partition(guest, "cannot add device to guest", err);
	return partition ? mullion_partition_add(partition, class, r.spec, r.cwd, err) : -ESRCH;
}

static int device_remove(struct mullion_cp_guest *guest, json_t *body,
			 struct mullion_error *err)
{
	static const char *const names[] = { "device", "force", NULL };
	struct mullion_partition *partition;
	struct device_request r = { 0 };
	int ret = device_members(body, names, &r, err);

	if (ret)
		return ret;
	if (!r.device)
		return mullion_error_set(err, -EINVAL, "bad request", "body", NULL,
					 "it needs \"device\"");
	partition = mullion_cp_guest_partition(guest, "cannot remove device from guest", err);
	return partition ? mullion_partition_remove(partition, r.device, r.force, err) : -ESRCH;
}

static int device_set(struct mullion_cp_guest *guest, json_t *body, struct mullion_error *err)
{
	static const char *const names[] = { "device", "set", NULL };
	struct mullion_partition *partition;
	struct device_request r = { 0 };
	int ret = device_members(body, names, &r, err);

	if (ret)
		return ret;
	if (!r.device || !r.set)
		return mullion_error_set(err, -EINVAL, "bad request", "body", NULL,
					 "it needs \"device\" and \"set\"");
	partition = mullion_cp_guest_partition(guest, "cannot change device of guest", err);
	return partition ? mullion_partition_set(partition, r.device, r.set, err) : -ESRCH;
}

static void device_change(struct mullion_api_request *req, const char *name,
			  int (*change)(struct mullion_cp_guest *guest, json_t *body,
					struct mullion_error *err))
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	struct mullion_error err;
	json_t *body;
	int r;

	if (!guest || !mullion_api_json(req, true, &body))
		return;
	r = change(guest, body, &err);
	json_decref(body);
	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, mullion_cp_guest_describe(guest));
}

void api_guest_device_add(struct mullion_api_request *req, const char *name)
{
	device_change(req, name, device_add);
}

void api_guest_device_remove(struct mullion_api_request *req, const char *name)
{
	device_change(req, name, device_remove);
}

void api_guest_device_set(struct mullion_api_request *req, const char *name)
{
	device_change(req, name, device_set);
}
