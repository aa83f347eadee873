// SPDX-License-Identifier: GPL-2.0-or-later
/* command/api_services.c - services */

#include "api.h"
#include "service.h"

void api_services_list(struct mullion_api_request *req, const char *name)
{
	(void)name;
	mullion_api_reply(req, 200, json_pack("{s:o}", "services",
					      mullion_services_describe(req->daemon->core)));
}

static struct mullion_service *services_find(struct mullion_api_request *req, const char *name)
{
	struct mullion_service *service = mullion_service_find(req->daemon->core, name);

	if (!service)
		mullion_api_refuse(req, 404, "no service", name, "see `mullion ps`",
				   "none of this name runs");
	return service;
}

void api_service_show(struct mullion_api_request *req, const char *name)
{
	struct mullion_service *service = services_find(req, name);

	if (service)
		mullion_api_reply(req, 200, mullion_service_describe(service));
}

void api_service_access(struct mullion_api_request *req, const char *name)
{
	struct mullion_service *service = services_find(req, name);
	struct mullion_error err;
	json_t *json;
	int r;

	if (!service)
		return;
	r = mullion_service_access(service, &json, &err);
	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, json);
}

void api_service_restart(struct mullion_api_request *req, const char *name)
{
	struct mullion_service *service = services_find(req, name);
	struct mullion_error err;
	int r;

	if (!service)
		return;
	r = mullion_service_restart(service, &err);
	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, mullion_service_describe(service));
}
