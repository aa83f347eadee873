// SPDX-License-Identifier: GPL-2.0-or-later
/* command/api_services.c - services */

#include "api.h"
#include "core.h"
#include "network.h"
#include "process.h"
#include "service.h"
#include "uplink.h"

void api_services_list(struct mullion_api_request *req, const char *name)
{
	const struct mullion_core *core = req->daemon->core;
	json_t *list = json_array();

	(void)name;
	for (const struct mullion_service *s = core->services; s; s = s->next) {
		json_array_append_new(list, mullion_service_describe(s));
		mullion_network_describe_helper(s, list);
	}
	mullion_api_reply(req, 200, json_pack("{s:o}", "services", list));
}

/*
 * A service, or else the process of an uplink, which is shown like one.  Return:
 * false when the request was answered with an error.
 */
static bool services_find(struct mullion_api_request *req, const char *name,
			  struct mullion_service **ret, struct mullion_cp_uplink **ret_helper)
{
	*ret = mullion_service_find(req->daemon->core, name);
	*ret_helper = *ret ? NULL : mullion_network_helper(req->daemon->core, name);
	if (*ret || *ret_helper)
		return true;
	mullion_api_refuse(req, 404, "no service", name, "see `mullion service list`",
			   "none of this name runs");
	return false;
}

/* A helper between two processes has none. */
static bool services_helper_runs(struct mullion_api_request *req, const char *name,
				 const struct mullion_cp_uplink *helper)
{
	if (helper->process)
		return true;
	mullion_api_refuse(req, 409, "cannot look at", name, "try again", "it has no process");
	return false;
}

void api_service_show(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_uplink *helper;
	struct mullion_service *service;

	if (services_find(req, name, &service, &helper))
		mullion_api_reply(req, 200, service ? mullion_service_describe(service) :
				  mullion_cp_uplink_describe_service(helper));
}

void api_service_access(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_uplink *helper;
	struct mullion_service *service;
	struct mullion_error err;
	json_t *json;
	int r;

	if (!services_find(req, name, &service, &helper) ||
	    (helper && !services_helper_runs(req, name, helper)))
		return;
	r = service ? mullion_service_access(service, &json, &err) :
		      mullion_process_access(helper->process, name, &json, &err);
	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, json);
}

void api_service_restart(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_uplink *helper;
	struct mullion_service *service;
	struct mullion_error err;
	int r;

	if (!services_find(req, name, &service, &helper) ||
	    (helper && !services_helper_runs(req, name, helper)))
		return;
	if (helper) {
		/* another one follows; connections through it are lost either way */
		mullion_process_kill(helper->process);
		mullion_api_reply(req, 200, mullion_cp_uplink_describe_service(helper));
		return;
	}
	r = mullion_service_restart(service, &err);
	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, mullion_service_describe(service));
}
