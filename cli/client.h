/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/client.h - talking to mulliond
 *
 * These functions report their failures themselves, once, on standard error;
 * a negative return value only says that it was done.
 */
#ifndef MULLION_CLI_CLIENT_H
#define MULLION_CLI_CLIENT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "../command/paths.h"
#include "response.h"

/* For mullion_client_open() and what builds on it. */
#define MULLION_CLIENT_NO_START	1	/* start no daemon: -ECONNREFUSED, unreported */
#define MULLION_CLIENT_MAY_MISS	2	/* no such object: -ENOENT, unreported */

/**
 * struct mullion_connection - one request and its answer
 * @fd: the socket
 * @response: the answer
 * @cancel: when this descriptor is readable, waiting ends with -EINTR; or -1
 * @from, @to: bytes in @buffer that came behind an answer that switched the
 *	protocol
 */
struct mullion_connection {
	int fd;
	struct mullion_response response;
	int cancel;
	size_t from, to;
	char buffer[16384];
};

/**
 * struct mullion_request - what to ask
 * @method, @path: path made by mullion_client_path()
 * @upgrade: protocol to switch to, or NULL
 * @type, @body, @length: the body, @type NULL if there is none
 * @flags: MULLION_CLIENT_*
 * @cancel: see struct mullion_connection; -1 for none
 * @take: called with each piece of the answer's body; -ECANCELED ends the
 *	request and is not reported
 * @arg: for @take
 */
struct mullion_request {
	const char *method;
	const char *path;
	const char *upgrade;
	const char *type;
	const char *body;
	size_t length;
	unsigned int flags;
	int cancel;
	int (*take)(void *arg, const char *data, size_t len);
	void *arg;
};

/**
 * mullion_client_paths() - where everything is
 *
 * Return: NULL after a failure that was reported.
 */
const struct mullion_paths *mullion_client_paths(void);

/**
 * mullion_client_path() - make a request path; "%s" in it become path segments
 * @format: with at most one %s
 * @name: for it
 *
 * Return: an allocated string; the process ends if there is no memory.
 */
char *mullion_client_path(const char *format, const char *name);

/**
 * mullion_client_stream() - send a request, hand its body to @request->take
 *
 * An answer that is not 2xx is reported.  Returns when the body has ended.
 * Return: 0 or negative errno.
 */
int mullion_client_stream(const struct mullion_request *request);

/**
 * mullion_client_upgrade() - send a request that switches the protocol
 * @ret: the connection, to be closed with mullion_client_close()
 *
 * Return: 0 or negative errno.
 */
int mullion_client_upgrade(const struct mullion_request *request,
			   struct mullion_connection **ret);

/* Closes and frees; NULL is fine. */
void mullion_client_close(struct mullion_connection *connection);

/**
 * mullion_client_call() - send a request, read a JSON answer
 * @method, @path: what to ask; @path is freed
 * @body: or NULL; its reference is taken
 * @flags: MULLION_CLIENT_*
 * @cancel: see struct mullion_connection; -1 for none
 * @ret: the answer, NULL if it has no body; may be NULL
 *
 * Return: 0 or negative errno.
 */
int mullion_client_call(const char *method, char *path, json_t *body, unsigned int flags,
			int cancel, json_t **ret);

/* mullion_client_call() of a GET without anything special. */
int mullion_client_get(const char *format, const char *name, json_t **ret);

/**
 * mullion_autostart() - start mulliond and wait until it answers
 * @paths: where its socket and program are
 *
 * Return: a connected socket, or negative errno after a report.
 */
int mullion_autostart(const struct mullion_paths *paths);

/**
 * mullion_client_connect() - connect to the daemon's socket, unreported
 *
 * Return: a socket, -EPERM when the daemon is neither root's nor this user's
 * and its folder was not chosen with MULLION_RUNTIME_DIR, or negative errno.
 */
int mullion_client_connect(const struct mullion_paths *paths);

#endif
