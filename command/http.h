/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/http.h - HTTP on a Unix socket, in the daemon's loop
 */
#ifndef MULLION_COMMAND_HTTP_H
#define MULLION_COMMAND_HTTP_H

#include "daemon.h"

/**
 * mullion_http_new() - serve the API
 * @listen_fd: a listening Unix stream socket; owned by the server
 *
 * Return: 0 or negative errno.
 */
int mullion_http_new(struct mullion_daemon *daemon, int listen_fd, struct mullion_http **ret);

/**
 * mullion_http_clients() - requests and streams at the moment
 */
unsigned int mullion_http_clients(const struct mullion_http *http);

/**
 * mullion_http_free() - end it
 *
 * Streams are broken, requests that wait get no answer.  NULL is fine.
 */
void mullion_http_free(struct mullion_http *http);

#endif /* MULLION_COMMAND_HTTP_H */
