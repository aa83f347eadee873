// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/api_networks.c - networks: their definitions, start, stop, capture
 *
 * A network that is not in use is only a definition file; what is said of it is
 * read from there at each request.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "capture.h"
#include "log.h"
#include "network.h"
#include "text.h"

/* ---- definitions ---------------------------------------------------------- */

/* One network with what its file says; @err filled in when there is none. */
static int networks_entry(struct mullion_daemon *daemon, const char *name, bool with_text,
			  json_t **ret, struct mullion_error *err)
{
	const struct mullion_network *network = mullion_network_find(daemon->core, name);
	struct mullion_network_definition *def;
	char path[PATH_MAX];
	char *text;
	int r;

	r = mullion_network_definition_load(&daemon->paths, name, &def, &text, path, err);
	/* one that runs may have lost its definition */
	if (r && !network)
		return r;
	*ret = network ? mullion_network_describe(network) :
			 mullion_network_describe_definition(def);
	json_object_set_new(*ret, "defined", json_boolean(!r && path[0]));
	if (r)
		return 0;
	if (with_text) {
		json_object_set_new(*ret, "file", json_string(path));
		json_object_set_new(*ret, "ini", mullion_json_text(text, strlen(text)));
	}
	mullion_network_definition_unref(def);
	free(text);
	return 0;
}

void api_networks_list(struct mullion_api_request *req, const char *name)
{
	json_t *list = json_array(), *entry;
	const struct mullion_network *network;
	struct mullion_error err;
	bool builtin = false;
	char **names = NULL;
	int n;

	(void)name;
	n = mullion_network_definition_names(&req->daemon->paths, &names);
	for (int i = 0; i < n; i++) {
		builtin |= !strcmp(names[i], MULLION_NETWORK_NAT);
		if (networks_entry(req->daemon, names[i], false, &entry, &err))
			mullion_log(LOG_WARNING, NULL, "%s %s: %s", err.what, err.object, err.why);
		else
			json_array_append_new(list, entry);
	}
	if (!builtin && !networks_entry(req->daemon, MULLION_NETWORK_NAT, false, &entry, &err))
		json_array_insert_new(list, 0, entry);
	/* those that run on without a definition */
	for (network = req->daemon->core->networks; network; network = network->next) {
		bool known = !strcmp(network->def->name, MULLION_NETWORK_NAT);

		for (int i = 0; i < n; i++)
			known |= !strcmp(names[i], network->def->name);
		if (!known && !networks_entry(req->daemon, network->def->name, false, &entry, &err))
			json_array_append_new(list, entry);
	}
	for (int i = 0; i < n; i++)
		free(names[i]);
	free(names);
	mullion_api_reply(req, 200, json_pack("{s:o}", "networks", list));
}

static void networks_reply(struct mullion_api_request *req, const char *name)
{
	struct mullion_error err;
	json_t *entry;
	int r = networks_entry(req->daemon, name, true, &entry, &err);

	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, entry);
}

void api_network_show(struct mullion_api_request *req, const char *name)
{
	networks_reply(req, name);
}

void api_network_put(struct mullion_api_request *req, const char *name)
{
	const char *file = req->ops->query ? req->ops->query(req, "file") : NULL;
	struct mullion_network_definition *def;
	struct mullion_error err;
	char path[PATH_MAX];
	char *text;
	int r;

	(void)name;
	r = mullion_network_definition_anchor(req->body ? req->body : "", req->body_bytes,
					      file ? file : "definition", &def, &text, &err);
	if (!r) {
		r = mullion_network_definition_save(&req->daemon->paths, def, text, strlen(text),
						    path, &err);
		free(text);
		if (!r)
			networks_reply(req, def->name);
		mullion_network_definition_unref(def);
	}
	if (r)
		mullion_api_fail(req, r, &err);
}

void api_network_delete(struct mullion_api_request *req, const char *name)
{
	struct mullion_error err;
	int r = mullion_network_definition_remove(&req->daemon->paths, name, &err);

	if (r)
		mullion_api_fail(req, r, &err);
	else
		mullion_api_reply(req, 200, json_object());
}

/* ---- start and stop ---------------------------------------------------------- */

/* A request that waits for a network; @def: it may have lost that meanwhile. */
struct network_waiter {
	struct mullion_api_request *req;
	struct mullion_network_wait *wait;
	struct mullion_network_definition *def;
};

static void waiter_free(struct network_waiter *w)
{
	mullion_network_definition_unref(w->def);
	free(w);
}

static void waiter_gone(struct mullion_api_request *req, void *arg)
{
	struct network_waiter *w = arg;

	(void)req;
	mullion_network_wait_end(w->wait);
	waiter_free(w);
}

static void waiter_done(void *arg, struct mullion_network *network,
			const struct mullion_error *err)
{
	struct network_waiter *w = arg;
	struct mullion_api_request *req = w->req;
	struct mullion_error lost;
	json_t *entry = NULL;

	(void)network;
	if (!err && networks_entry(req->daemon, w->def->name, true, &entry, &lost)) {
		entry = mullion_network_describe_definition(w->def);
		json_object_set_new(entry, "defined", json_false());
	}
	waiter_free(w);
	if (err)
		mullion_api_fail(req, -EIO, err);
	else
		mullion_api_reply(req, 200, entry);
}

static struct network_waiter *waiter_new(struct mullion_api_request *req,
					 const struct mullion_network *network)
{
	struct network_waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		mullion_api_refuse(req, 500, "cannot wait for network", network->def->name, NULL,
				   "out of memory");
		return NULL;
	}
	w->req = req;
	w->def = mullion_network_definition_ref(network->def);
	return w;
}

void api_network_start(struct mullion_api_request *req, const char *name)
{
	struct mullion_network *network;
	struct network_waiter *w;
	struct mullion_error err;
	int r;

	r = mullion_network_get(req->daemon->core, name, &network, &err);
	if (!r) {
		r = mullion_network_start(network, &err);
		if (r)
			mullion_network_put(network);
	}
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	w = waiter_new(req, network);
	if (!w)
		return;
	r = mullion_network_wait(network, false, waiter_done, w, &w->wait);
	if (!r) {
		req->gone = waiter_gone;
		req->gone_arg = w;
	} else {
		waiter_done(w, network, NULL);
	}
}

static bool stop_force(struct mullion_api_request *req, bool *ret)
{
	json_t *body, *value;
	bool fine;

	*ret = false;
	if (!mullion_api_json(req, false, &body))
		return false;
	value = json_object_get(body, "force");
	fine = !body || (json_object_size(body) == (value ? 1 : 0) &&
			 (!value || json_is_boolean(value)));
	*ret = json_is_true(value);
	json_decref(body);
	if (!fine)
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				   "only {\"force\": true|false} is understood");
	return fine;
}

void api_network_stop(struct mullion_api_request *req, const char *name)
{
	struct mullion_network *network = mullion_network_find(req->daemon->core, name);
	struct network_waiter *w;
	struct mullion_error err;
	bool force;
	int r;

	if (!stop_force(req, &force))
		return;
	if (!network) {
		json_t *entry;

		r = networks_entry(req->daemon, name, false, &entry, &err);
		if (!r) {
			json_decref(entry);
			r = mullion_error_set(&err, -ESRCH, "cannot stop network", name, NULL,
					      "it does not run");
		}
		mullion_api_fail(req, r, &err);
		return;
	}
	w = waiter_new(req, network);
	if (!w)
		return;
	/* it may have stopped before this returns */
	r = mullion_network_wait(network, true, waiter_done, w, &w->wait);
	if (r < 0) {
		waiter_free(w);
		mullion_api_refuse(req, 500, "cannot stop network", name, NULL, "out of memory");
		return;
	}
	if (r) {
		waiter_done(w, network, NULL);
		return;
	}
	req->gone = waiter_gone;
	req->gone_arg = w;
	r = mullion_network_stop(network, force, &err);
	if (r) {
		req->gone = NULL;
		waiter_gone(req, w);
		mullion_api_fail(req, r, &err);
	}
}

/* ---- capture ----------------------------------------------------------------- */

/* The network may go between the request and the upgrade: kept by name. */
struct network_stream {
	struct mullion_daemon *daemon;
	char name[MULLION_API_NAME_BYTES];
	char port[MULLION_API_NAME_BYTES];
	uint32_t snap;
};

static void capture_upgraded(void *arg, struct mullion_stream *stream)
{
	struct network_stream *s = arg;
	struct mullion_network *network = mullion_network_find(s->daemon->core, s->name);

	if (network)
		mullion_capture_new(network, s->port[0] ? s->port : NULL, s->snap, stream);
	else
		stream->close(stream);
	free(s);
}

void api_network_capture(struct mullion_api_request *req, const char *name)
{
	const char *port = req->ops->query ? req->ops->query(req, "port") : NULL;
	unsigned long long snap = MULLION_CAPTURE_SNAP_MAX;
	struct mullion_network *network;
	struct network_stream *s;
	struct mullion_error err;
	int r;

	if (!mullion_api_query_number(req, "snap", &snap))
		return;
	if (!snap || snap > MULLION_CAPTURE_SNAP_MAX) {
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				   "snap is not within 1 and %d", MULLION_CAPTURE_SNAP_MAX);
		return;
	}
	r = mullion_network_get(req->daemon->core, name, &network, &err);
	if (!r) {
		r = mullion_capture_refused(network, port, &err);
		mullion_network_put(network);
	}
	if (r) {
		mullion_api_fail(req, r, &err);
		return;
	}
	s = calloc(1, sizeof(*s));
	if (!s) {
		mullion_api_refuse(req, 500, "cannot answer", req->path, NULL, "out of memory");
		return;
	}
	s->daemon = req->daemon;
	s->snap = (uint32_t)snap;
	snprintf(s->name, sizeof(s->name), "%s", name);
	snprintf(s->port, sizeof(s->port), "%s", port ? port : "");
	api_upgrade(req, "mullion-stream", capture_upgraded, s);
}
