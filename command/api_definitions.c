// SPDX-License-Identifier: GPL-2.0-or-later
/* command/api_definitions.c - definition files */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "log.h"
#include "network_definition.h"
#include "text.h"

static json_t *definitions_entry(const struct mullion_definition *def, const char *path,
				 const char *text, size_t bytes)
{
	return json_pack("{s:s, s:s, s:o, s:o}", "name", def->name, "file", path,
			 "definition", mullion_definition_describe(def),
			 "ini", mullion_json_text(text, bytes));
}

void api_definitions_list(struct mullion_api_request *req, const char *name)
{
	json_t *list = json_array();
	struct mullion_definition *def;
	struct mullion_error err;
	char path[PATH_MAX];
	char **names = NULL;
	char *text;
	int i, n;

	(void)name;
	n = mullion_definition_names(&req->daemon->paths, &names);
	for (i = 0; i < n; i++) {
		if (mullion_definition_load(&req->daemon->paths, names[i], &def, &text, path,
					    &err)) {
			mullion_log(LOG_WARNING, NULL, "%s %s: %s", err.what, err.object, err.why);
		} else {
			json_array_append_new(list, definitions_entry(def, path, text,
								      strlen(text)));
			mullion_definition_unref(def);
			free(text);
		}
		free(names[i]);
	}
	free(names);
	mullion_api_reply(req, 200, json_pack("{s:o}", "definitions", list));
}

void api_definition_put(struct mullion_api_request *req, const char *name)
{
	const char *file = req->ops->query ? req->ops->query(req, "file") : NULL;
	struct mullion_definition *def;
	struct mullion_error err;
	char path[PATH_MAX];
	char *text;
	int r;

	/* one command stores definitions of both kinds */
	if (mullion_network_definition_is(req->body ? req->body : "", req->body_bytes)) {
		api_network_put(req, name);
		return;
	}
	r = mullion_definition_anchor(req->body ? req->body : "", req->body_bytes,
				      file ? file : "definition", &def, &text, &err);
	if (!r) {
		r = mullion_definition_save(&req->daemon->paths, def, text, strlen(text), path,
					    &err);
		if (!r)
			mullion_api_reply(req, 200, definitions_entry(def, path, text,
								      strlen(text)));
		mullion_definition_unref(def);
		free(text);
	}
	if (r)
		mullion_api_fail(req, r, &err);
}

void api_definition_show(struct mullion_api_request *req, const char *name)
{
	struct mullion_definition *def;
	struct mullion_error err;
	char path[PATH_MAX];
	char *text;
	int r;

	r = mullion_definition_load(&req->daemon->paths, name, &def, &text, path, &err);
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	mullion_api_reply(req, 200, definitions_entry(def, path, text, strlen(text)));
	mullion_definition_unref(def);
	free(text);
}

void api_definition_delete(struct mullion_api_request *req, const char *name)
{
	struct mullion_error err;
	int r;

	r = mullion_definition_remove(&req->daemon->paths, name, &err);
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	/* Objects whose file is gone go with it, unless they run. */
	mullion_cp_guests_load(req->daemon);
	mullion_api_reply(req, 200, json_object());
}
