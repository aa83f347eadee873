// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/api.c - the routes of the API
 *
 * docs/openapi.json describes them; a test compares it with what is answered
 * here.  {name} in a pattern is one path segment that can be the name of a
 * guest, {service} one that can be a service's; an unknown path answers 404, a
 * known one with another method 405.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "api.h"
#include "host.h"

static const struct api_route {
	const char *method;
	const char *pattern;
	mullion_api_fn *fn;
} routes[] = {
	{ "GET",	"/v1/version",			api_version },
	{ "GET",	"/v1/guests",			api_guests_list },
	{ "POST",	"/v1/guests",			api_guest_create },
	{ "GET",	"/v1/guests/{name}",		api_guest_show },
	{ "DELETE",	"/v1/guests/{name}",		api_guest_delete },
	{ "POST",	"/v1/guests/{name}/start",	api_guest_start },
	{ "POST",	"/v1/guests/{name}/stop",	api_guest_stop },
	{ "POST",	"/v1/guests/{name}/kill",	api_guest_kill },
	{ "POST",	"/v1/guests/{name}/restart",	api_guest_restart },
	{ "GET",	"/v1/guests/{name}/wait",	api_guest_wait },
	{ "GET",	"/v1/guests/{name}/console",	api_guest_console },
	{ "GET",	"/v1/guests/{name}/command",	api_guest_command },
	{ "GET",	"/v1/guests/{name}/attach",	api_guest_attach },
	{ "GET",	"/v1/guests/{name}/logs",	api_guest_logs },
	{ "POST",	"/v1/guests/{name}/devices",	api_guest_device_add },
	{ "PATCH",	"/v1/guests/{name}/devices",	api_guest_device_set },
	{ "DELETE",	"/v1/guests/{name}/devices",	api_guest_device_remove },
	{ "GET",	"/v1/devices",			api_devices_list },
	{ "GET",	"/v1/services",			api_services_list },
	{ "GET",	"/v1/services/{service}",		api_service_show },
	{ "GET",	"/v1/services/{service}/access",	api_service_access },
	{ "POST",	"/v1/services/{service}/restart",	api_service_restart },
	{ "GET",	"/v1/networks",			api_networks_list },
	{ "PUT",	"/v1/networks",			api_network_put },
	{ "GET",	"/v1/networks/{name}",		api_network_show },
	{ "DELETE",	"/v1/networks/{name}",		api_network_delete },
	{ "POST",	"/v1/networks/{name}/start",	api_network_start },
	{ "POST",	"/v1/networks/{name}/stop",	api_network_stop },
	{ "GET",	"/v1/networks/{name}/capture",	api_network_capture },
	{ "GET",	"/v1/events",			api_events },
	{ "GET",	"/v1/definitions",		api_definitions_list },
	{ "PUT",	"/v1/definitions",		api_definition_put },
	{ "GET",	"/v1/definitions/{name}",	api_definition_show },
	{ "DELETE",	"/v1/definitions/{name}",	api_definition_delete },
};

static bool api_match(const char *pattern, const char *path, char name[MULLION_API_NAME_BYTES])
{
	bool guest = false;
	size_t n;

	while (*pattern && *path) {
		if (*pattern != '{') {
			if (*pattern++ != *path++)
				return false;
			continue;
		}
		guest = !strncmp(pattern, "{name}", 6);
		n = strcspn(path, "/");
		if (n == 0 || n >= MULLION_API_NAME_BYTES)
			return false;
		memcpy(name, path, n);
		name[n] = '\0';
		path += n;
		pattern += strcspn(pattern, "}") + 1;
	}
	return !*pattern && !*path && (!guest || mullion_name_valid(name));
}

void mullion_api_handle(struct mullion_api_request *req)
{
	char name[MULLION_API_NAME_BYTES];
	size_t i;

	if (req->denied) {
		mullion_api_refuse(req, 403, "refused", req->path,
				   "ask the administrator for the --group of mulliond",
				   "another user's daemon");
		return;
	}
	if (req->too_large) {
		mullion_api_refuse(req, 413, "refused", req->path, NULL,
				   "the request's body is too large");
		return;
	}
	for (i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
		name[0] = '\0';
		if (!api_match(routes[i].pattern, req->path, name))
			continue;
		if (!strcmp(routes[i].method, req->method)) {
			routes[i].fn(req, name);
			return;
		}
		if (strlen(req->allow) + strlen(routes[i].method) + 3 > sizeof(req->allow))
			continue;
		if (req->allow[0])
			strcat(req->allow, ", ");
		strcat(req->allow, routes[i].method);
	}
	if (req->allow[0])
		mullion_api_refuse(req, 405, "cannot do", req->path, NULL,
				   "%.20s is not for this path, but %s", req->method, req->allow);
	else
		mullion_api_refuse(req, 404, "nothing at", req->path, "see docs/openapi.json",
				   "the API has no such path");
}

struct mullion_cp_guest *api_find_guest(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest;
	struct mullion_error err;
	int r;

	r = mullion_cp_guest_find(req->daemon, name, &guest, &err);
	if (!r)
		return guest;
	mullion_api_fail(req, r, &err);
	return NULL;
}

bool api_query_flag(struct mullion_api_request *req, const char *name, bool otherwise)
{
	const char *text = req->ops->query ? req->ops->query(req, name) : NULL;

	if (!text)
		return otherwise;
	return strcmp(text, "0") != 0;
}

void api_upgrade(struct mullion_api_request *req, const char *protocol,
		 void (*upgraded)(void *arg, struct mullion_stream *stream), void *arg)
{
	if (!req->upgrade || strcasecmp(req->upgrade, protocol)) {
		free(arg);
		mullion_api_refuse(req, 426, "cannot answer", req->path, NULL,
				   "this path needs \"Upgrade: %s\"", protocol);
		return;
	}
	req->status = 101;
	req->type = protocol;
	req->upgraded = upgraded;
	req->upgrade_dropped = free;
	req->upgrade_arg = arg;
	req->state = MULLION_API_UPGRADING;
}

void api_version(struct mullion_api_request *req, const char *name)
{
	const struct mullion_paths *paths = &req->daemon->paths;
	char qemu[PATH_MAX], why[MULLION_HOST_WHY];
	bool kvm = mullion_host_kvm(why, NULL) == MULLION_KVM_USABLE;
	int no_qemu = mullion_host_qemu(qemu);

	(void)name;
	mullion_api_reply(req, 200,
			  json_pack("{s:s, s:s, s:i, s:i, s:i, s:s, s:s, s:s, s:s, s:s, s:o, s:{s:b, s:s}}",
				    "name", "mulliond", "version", MULLION_VERSION,
				    "api", MULLION_API_VERSION, "pid", (int)getpid(),
				    "guests", (int)mullion_cp_guests_running(req->daemon),
				    "runtime_dir", paths->runtime, "state_dir", paths->state,
				    "program_dir", paths->programs, "images_dir", paths->images,
				    "modules_dir", paths->modules,
				    "qemu", no_qemu ? json_null() : json_string(qemu),
				    "kvm", "usable", kvm, "why", why));
}
