// SPDX-License-Identifier: GPL-2.0-or-later
/* command/request.c - answers to API requests, without the transport */

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "request.h"

static void request_done(struct mullion_api_request *req, enum mullion_api_state state)
{
	req->state = state;
	req->gone = NULL;
	if (req->ops->wake)
		req->ops->wake(req);
}

void mullion_api_text(struct mullion_api_request *req, unsigned int status, const char *type,
			  char *text, size_t bytes)
{
	if (req->state != MULLION_API_OPEN) {
		free(text);
		return;
	}
	req->status = status;
	req->type = type;
	req->text = text;
	req->text_bytes = bytes;
	request_done(req, MULLION_API_ANSWERED);
}

void mullion_api_reply(struct mullion_api_request *req, unsigned int status, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;

	json_decref(json);
	if (!text)
		status = 500;
	mullion_api_text(req, status, "application/json", text, text ? strlen(text) : 0);
}

/* What the texts hold may come from a client or from a guest. */
static json_t *request_string(const char *text)
{
	json_t *string = json_string(text);

	return string ? string : json_string("(not UTF-8)");
}

static unsigned int request_status(int code)
{
	switch (code) {
	case -EINVAL:
	case -ENAMETOOLONG:
	case -E2BIG:
	case -EISDIR:
	case -ENOTDIR:
	case -ENOTBLK:
		return 400;
	case -ENOENT:
		return 404;
	case -EBUSY:
	case -EAGAIN:
	case -EINPROGRESS:
	case -EEXIST:
	case -EALREADY:
	case -ENOTCONN:
	case -ESRCH:
	case -EOPNOTSUPP:
	case -EACCES:
	case -EPERM:
	case -EROFS:
	case -ETXTBSY:
	case -EADDRINUSE:
	case -ECONNREFUSED:
		return 409;
	default:
		return 500;
	}
}

static void request_error(struct mullion_api_request *req, unsigned int status,
			  const struct mullion_error *err)
{
	mullion_api_reply(req, status,
			      json_pack("{s:{s:o, s:o, s:o, s:o}}", "error",
					"what", request_string(err->what),
					"object", request_string(err->object),
					"why", request_string(err->why),
					"do", request_string(err->action)));
}

void mullion_api_fail(struct mullion_api_request *req, int code,
			  const struct mullion_error *err)
{
	request_error(req, request_status(code), err);
}

void mullion_api_refuse(struct mullion_api_request *req, unsigned int status, const char *what,
			    const char *object, const char *action, const char *why, ...)
{
	struct mullion_error err;
	char text[sizeof(err.why)];
	va_list ap;

	va_start(ap, why);
	vsnprintf(text, sizeof(text), why, ap);
	va_end(ap);
	mullion_error_set(&err, 0, what, object, action, "%s", text);
	request_error(req, status, &err);
}

bool mullion_api_json(struct mullion_api_request *req, bool required, json_t **ret)
{
	json_error_t why;
	json_t *json;

	if (!req->body_bytes && !required) {
		*ret = NULL;
		return true;
	}
	json = json_loadb(req->body, req->body_bytes, JSON_REJECT_DUPLICATES, &why);
	if (!json) {
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				       "the body is not JSON: %s (line %d)", why.text, why.line);
		return false;
	}
	if (!json_is_object(json)) {
		json_decref(json);
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				       "the body is not a JSON object");
		return false;
	}
	*ret = json;
	return true;
}

bool mullion_api_query_number(struct mullion_api_request *req, const char *name,
				  unsigned long long *ret)
{
	const char *text = req->ops->query ? req->ops->query(req, name) : NULL;
	unsigned long long value;
	char *end;

	if (!text)
		return true;
	errno = 0;
	value = strtoull(text, &end, 10);
	if (errno || end == text || *end || text[0] == '-') {
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				       "%s=%.40s is not a number", name, text);
		return false;
	}
	*ret = value;
	return true;
}

void mullion_api_forget(struct mullion_api_request *req)
{
	void (*gone)(struct mullion_api_request *r, void *arg) = req->gone;

	req->gone = NULL;
	if (gone)
		gone(req, req->gone_arg);
	if (req->fill_end)
		req->fill_end(req->fill_arg);
	req->fill_end = NULL;
	if (req->upgrade_dropped)
		req->upgrade_dropped(req->upgrade_arg);
	req->upgrade_dropped = NULL;
	free(req->text);
	req->text = NULL;
}
