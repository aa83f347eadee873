/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/request.h - one request to the API, without the transport
 *
 * http.c makes one for each HTTP request and calls mullion_api_handle().  The
 * handler answers at once, or keeps the pointer and answers later; in between
 * the client may hang up, which @gone tells.  Exactly one of these ends it:
 * an answer, a stream, an upgrade, or @gone.
 */
#ifndef MULLION_COMMAND_REQUEST_H
#define MULLION_COMMAND_REQUEST_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "daemon.h"
#include "error.h"
#include "stream.h"

struct mullion_api_request;

/**
 * struct mullion_api_ops - what the transport does
 * @query: a query argument, NULL if it is not there
 * @wake: an answer came later, or a stream has data
 */
struct mullion_api_ops {
	const char *(*query)(struct mullion_api_request *req, const char *name);
	void (*wake)(struct mullion_api_request *req);
};

enum mullion_api_state {
	MULLION_API_OPEN,		/* not answered yet */
	MULLION_API_ANSWERED,	/* @status, @text */
	MULLION_API_STREAMING,	/* @fill gives the body */
	MULLION_API_UPGRADING,	/* @upgraded gets the connection */
};

/**
 * struct mullion_api_request - one request
 * @method, @path: as received, the path decoded
 * @upgrade: the protocol that the client wants, or NULL
 * @body: @body_bytes, not NUL-terminated
 * @too_large: the body was larger than the transport takes
 * @denied: the client may not use the API
 *
 * @allow: of a 405: the methods that the path has
 *
 * @gone: set by who answers later: the client hung up, or the daemon ends; the
 *	pointer is not valid afterwards
 * @fill: gives the next bytes of a stream; 0: nothing now; negative: the end
 * @fill_end: the stream is over, for whatever reason; frees @fill_arg
 * @upgraded: takes the connection over
 * @upgrade_dropped: the connection broke before; releases @upgrade_arg
 */
struct mullion_api_request {
	struct mullion_daemon *daemon;
	const struct mullion_api_ops *ops;
	void *transport;

	const char *method;
	const char *path;
	const char *upgrade;
	const char *body;
	size_t body_bytes;
	bool too_large;
	bool denied;

	enum mullion_api_state state;
	unsigned int status;
	const char *type;
	char allow[32];
	char *text;
	size_t text_bytes;

	void (*gone)(struct mullion_api_request *req, void *arg);
	void *gone_arg;
	ssize_t (*fill)(void *arg, char *buffer, size_t bytes);
	void (*fill_end)(void *arg);
	void *fill_arg;
	void (*upgraded)(void *arg, struct mullion_stream *stream);
	void (*upgrade_dropped)(void *arg);
	void *upgrade_arg;
};

/**
 * mullion_api_reply() - answer with JSON
 * @json: the reference is taken; NULL answers 500
 */
void mullion_api_reply(struct mullion_api_request *req, unsigned int status, json_t *json);

/**
 * mullion_api_text() - answer with text
 * @text: allocated, taken
 * @type: of the content; a constant
 */
void mullion_api_text(struct mullion_api_request *req, unsigned int status, const char *type,
			  char *text, size_t bytes);

/**
 * mullion_api_fail() - answer with an error
 * @code: negative errno, becomes the status
 */
void mullion_api_fail(struct mullion_api_request *req, int code,
			  const struct mullion_error *err);

/**
 * mullion_api_refuse() - answer with an error made of its texts
 */
void mullion_api_refuse(struct mullion_api_request *req, unsigned int status, const char *what,
			    const char *object, const char *action, const char *why, ...)
	__attribute__((format(printf, 6, 7)));

/**
 * mullion_api_json() - the body as a JSON object
 * @required: an empty body is an error, not NULL
 * @ret: new reference or NULL
 *
 * Return: true, or false when the request has been answered with an error.
 */
bool mullion_api_json(struct mullion_api_request *req, bool required, json_t **ret);

/**
 * mullion_api_query_number() - a query argument that is a number
 * @ret: unchanged when it is not there
 *
 * Return: true, or false when the request has been answered with an error.
 */
bool mullion_api_query_number(struct mullion_api_request *req, const char *name,
				  unsigned long long *ret);

/**
 * mullion_api_forget() - the transport is about to free the request
 *
 * Tells whoever still waits for it.
 */
void mullion_api_forget(struct mullion_api_request *req);

/**
 * mullion_api_handle() - find the route and do it
 */
void mullion_api_handle(struct mullion_api_request *req);

#endif /* MULLION_COMMAND_REQUEST_H */
