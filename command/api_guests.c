// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/api_guests.c - guests: list, make, show, start, stop, wait
 *
 * A request that has to wait for a guest hangs on one struct api_waiter: the
 * guest tells it of a milestone, or the client hangs up; either frees it.
 */

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "attach.h"

/**
 * struct api_waiter - a request that waits for a guest
 * @wait: at the guest
 * @also: a second milestone that answers as well, NULL: none
 * @status: of the answer when the milestone is reached
 * @then_start: start the guest again and wait for that
 * @outcome: answer with a WaitResult instead of the Guest
 * @made: the transient guest that the request has made: it has no other owner
 *	until the answer, and ends with the request; NULL: none
 * @owned: the client is going to own it by a stream
 * @let_go: the request owns this guest, which is stopped when the client hangs up
 */
struct api_waiter {
	struct mullion_api_request *req;
	struct mullion_guest_wait *wait;
	struct mullion_guest_wait *also;
	unsigned int status;
	bool then_start;
	bool outcome;
	bool owned;
	struct mullion_cp_guest *made;
	struct mullion_cp_guest *let_go;
};

static void waiter_free(struct api_waiter *w)
{
	if (w->wait)
		mullion_cp_guest_wait_end(w->wait);
	if (w->also)
		mullion_cp_guest_wait_end(w->also);
	free(w);
}

static void waiter_gone(struct mullion_api_request *req, void *arg)
{
	struct api_waiter *w = arg;
	struct mullion_cp_guest *made = w->made, *let_go = w->let_go;

	(void)req;
	waiter_free(w);
	if (let_go)
		mullion_cp_guest_stop(let_go, MULLION_STOP_SECONDS, NULL);
	if (made)
		mullion_cp_guest_kill(made, "the client that had started it hung up", NULL);
}

static void waiter_wait(struct api_waiter *w, struct mullion_cp_guest *guest,
			enum mullion_guest_milestone milestone);

static void waiter_answer(struct api_waiter *w, struct mullion_cp_guest *guest)
{
	struct mullion_api_request *req = w->req;
	unsigned int status = w->status;
	json_t *json;

	if (w->owned)
		mullion_cp_guest_expect_owner(guest);
	json = w->outcome ? mullion_cp_guest_outcome(guest) : mullion_cp_guest_describe(guest);
	waiter_free(w);
	mullion_api_reply(req, status, json);
}

static void waiter_restart(struct api_waiter *w, struct mullion_cp_guest *guest)
{
	struct mullion_error err;
	int r;

	w->then_start = false;
	r = mullion_cp_guest_start(guest, &err);
	if (r) {
		struct mullion_api_request *req = w->req;

		waiter_free(w);
		mullion_api_fail(req, r, &err);
		return;
	}
	waiter_wait(w, guest, MULLION_GUEST_IS_STARTED);
}

static void waiter_reached(void *arg, struct mullion_cp_guest *guest,
			   const struct mullion_error *err)
{
	struct api_waiter *w = arg;
	struct mullion_api_request *req = w->req;

	w->wait = NULL;
	/* With a second milestone: one that will not be reached says nothing yet. */
	if (err && w->also)
		return;
	if (err) {
		waiter_free(w);
		mullion_api_fail(req, -EIO, err);
	} else if (w->then_start) {
		waiter_restart(w, guest);
	} else {
		waiter_answer(w, guest);
	}
}

static void waiter_reached_also(void *arg, struct mullion_cp_guest *guest,
				const struct mullion_error *err)
{
	struct api_waiter *w = arg;

	(void)err;
	w->also = NULL;
	waiter_answer(w, guest);
}

static void waiter_wait(struct api_waiter *w, struct mullion_cp_guest *guest,
			enum mullion_guest_milestone milestone)
{
	struct mullion_api_request *req = w->req;
	int r;

	r = mullion_cp_guest_wait(guest, milestone, waiter_reached, w, &w->wait);
	if (r == 1) {
		waiter_reached(w, guest, NULL);
	} else if (r) {
		waiter_free(w);
		mullion_api_refuse(req, 500, "cannot wait for guest", mullion_cp_guest_name(guest),
				   NULL, "out of memory");
	} else {
		req->gone = waiter_gone;
		req->gone_arg = w;
	}
}

static struct api_waiter *waiter_new(struct mullion_api_request *req, unsigned int status)
{
	struct api_waiter *w = calloc(1, sizeof(*w));

	if (!w) {
		mullion_api_refuse(req, 500, "cannot answer", req->path, NULL, "out of memory");
		return NULL;
	}
	w->req = req;
	w->status = status;
	return w;
}

void api_guests_list(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = NULL;
	json_t *list = json_array();

	(void)name;
	mullion_cp_guests_load(req->daemon);
	while ((guest = mullion_cp_guest_next(req->daemon, guest)))
		json_array_append_new(list, mullion_cp_guest_summary(guest));
	mullion_api_reply(req, 200, json_pack("{s:o}", "guests", list));
}

void api_guest_show(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);

	if (guest)
		mullion_api_reply(req, 200, mullion_cp_guest_describe(guest));
}

void api_guest_delete(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);

	if (!guest)
		return;
	mullion_cp_guest_delete(guest);
	mullion_api_reply(req, 200, json_object());
}

static void guest_start(struct mullion_api_request *req, struct mullion_cp_guest *guest,
			unsigned int status, bool made, bool transient, bool owned)
{
	struct api_waiter *w = waiter_new(req, status);
	struct mullion_error err;
	int r;

	if (!w)
		return;
	r = mullion_cp_guest_start(guest, &err);
	if (r) {
		free(w);
		/* What a request could not start, it has not made. */
		if (made)
			mullion_cp_guest_delete(guest);
		mullion_api_fail(req, r, &err);
		return;
	}
	w->made = transient ? guest : NULL;
	w->owned = owned;
	waiter_wait(w, guest, MULLION_GUEST_IS_STARTED);
}

/* Takes a member out of @body.  Return: false when it has the wrong type. */
static bool create_flag(struct mullion_api_request *req, json_t *body, const char *key, bool *ret)
{
	json_t *value = json_object_get(body, key);

	*ret = json_is_true(value);
	if (value && !json_is_boolean(value)) {
		mullion_api_refuse(req, 400, "bad definition in", "request", NULL,
				   "%s is neither true nor false", key);
		return false;
	}
	json_object_del(body, key);
	return true;
}

static bool create_cwd(struct mullion_api_request *req, json_t *body, char cwd[PATH_MAX])
{
	json_t *value = json_object_get(body, "cwd");
	const char *text = json_string_value(value);

	cwd[0] = '\0';
	if (!value)
		return true;
	if (!text || text[0] != '/' || strlen(text) != json_string_length(value) ||
	    strlen(text) >= PATH_MAX) {
		mullion_api_refuse(req, 400, "bad definition in", "request", NULL,
				   "cwd is not an absolute path");
		return false;
	}
	strcpy(cwd, text);
	json_object_del(body, "cwd");
	return true;
}

/* Takes what is told of a guest that somebody else has started out of @body. */
static int create_attach(json_t *body, struct mullion_attach **ret, struct mullion_error *err)
{
	json_t *value = json_object_get(body, "attach");
	const char *name = json_string_value(json_object_get(body, "name"));
	int r;

	if (!value)
		return 0;
	r = mullion_attach_from_json(value, name ? name : "guest", ret, err);
	json_object_del(body, "attach");
	/* It has nothing that the daemon would have to start. */
	json_object_set_new(body, "type", json_string("process"));
	return r;
}

void api_guest_create(struct mullion_api_request *req, const char *name)
{
	struct mullion_attach *attach = NULL;
	struct mullion_definition *def;
	struct mullion_cp_guest *guest;
	struct mullion_error err;
	bool start, transient, owned;
	char cwd[PATH_MAX];
	json_t *body;
	int r;

	(void)name;
	if (!mullion_api_json(req, true, &body))
		return;
	if (!create_flag(req, body, "start", &start) ||
	    !create_flag(req, body, "transient", &transient) ||
	    !create_flag(req, body, "owned", &owned) || !create_cwd(req, body, cwd)) {
		json_decref(body);
		return;
	}
	r = create_attach(body, &attach, &err);
	if (!r)
		r = mullion_definition_from_json(body, cwd[0] ? cwd : NULL, &def, &err);
	json_decref(body);
	if (!r) {
		r = mullion_cp_guest_new(req->daemon, def, transient, &guest, &err);
		mullion_definition_unref(def);
	}
	if (r)
		free(attach);
	else if (attach)
		mullion_cp_guest_set_attach(guest, attach);
	if (r)
		mullion_api_fail(req, r, &err);
	else if (start)
		guest_start(req, guest, 201, true, transient, owned);
	else
		mullion_api_reply(req, 201, mullion_cp_guest_describe(guest));
}

void api_guest_start(struct mullion_api_request *req, const char *name)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);

	if (guest)
		guest_start(req, guest, 200, false, false, false);
}

static bool stop_seconds(struct mullion_api_request *req, double *ret)
{
	const char *key;
	json_t *body, *value;
	bool fine = true;

	*ret = MULLION_STOP_SECONDS;
	if (!mullion_api_json(req, false, &body))
		return false;
	json_object_foreach(body, key, value) {
		*ret = json_number_value(value);
		if (strcmp(key, "timeout") || !json_is_number(value) || !(*ret >= 0) ||
		    *ret > 86400) {
			fine = false;
			break;
		}
	}
	json_decref(body);
	if (!fine)
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				   "only {\"timeout\": SECONDS}, 0 to 86400, is understood");
	return fine;
}

static void guest_stop(struct mullion_api_request *req, const char *name, bool kill, bool restart)
{
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	struct mullion_error err;
	struct api_waiter *w;
	double seconds;
	int r;

	if (!guest || !stop_seconds(req, &seconds))
		return;
	w = waiter_new(req, 200);
	if (!w)
		return;
	w->then_start = restart;
	if (kill)
		r = mullion_cp_guest_kill(guest, "it was killed on request", &err);
	else
		r = mullion_cp_guest_stop(guest, seconds, &err);
	if (r && !(restart && r == -ESRCH)) {
		free(w);
		mullion_api_fail(req, r, &err);
		return;
	}
	waiter_wait(w, guest, MULLION_GUEST_IS_STOPPED);
}

void api_guest_stop(struct mullion_api_request *req, const char *name)
{
	guest_stop(req, name, false, false);
}

void api_guest_kill(struct mullion_api_request *req, const char *name)
{
	guest_stop(req, name, true, false);
}

void api_guest_restart(struct mullion_api_request *req, const char *name)
{
	guest_stop(req, name, false, true);
}

void api_guest_wait(struct mullion_api_request *req, const char *name)
{
	const char *state = req->ops->query ? req->ops->query(req, "state") : NULL;
	struct mullion_cp_guest *guest = api_find_guest(req, name);
	bool online = state && !strcmp(state, "online");
	struct api_waiter *w;
	int r;

	if (!guest)
		return;
	if (state && !online && strcmp(state, "stopped")) {
		mullion_api_refuse(req, 400, "bad request", req->path, NULL,
				   "state=%.40s is neither online nor stopped", state);
		return;
	}
	w = waiter_new(req, 200);
	if (!w)
		return;
	w->outcome = true;
	if (api_query_flag(req, "owner", false)) {
		mullion_cp_guest_owned(guest);
		w->let_go = guest;
	}
	if (!mullion_cp_guest_running(guest)) {
		/* Told before it is forgotten. */
		waiter_answer(w, guest);
		mullion_cp_guest_fetched(guest);
		return;
	}
	if (online) {
		r = mullion_cp_guest_wait(guest, MULLION_GUEST_IS_STOPPED, waiter_reached_also, w,
					  &w->also);
		if (r < 0) {
			waiter_free(w);
			mullion_api_refuse(req, 500, "cannot wait for guest", name, NULL,
					   "out of memory");
			return;
		}
	}
	waiter_wait(w, guest, online ? MULLION_GUEST_IS_ONLINE : MULLION_GUEST_IS_STOPPED);
}
