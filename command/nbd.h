/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/nbd.h - connections to NBD servers, and the fence of dead ones
 */
#ifndef MULLION_COMMAND_NBD_H
#define MULLION_COMMAND_NBD_H

#include <stdbool.h>
#include <stdint.h>

#include "error.h"
#include "spec.h"

struct mullion_core;
struct mullion_nbd;

/**
 * mullion_nbd_connect() - connect to the server that a SPEC names
 * @ret: on success the socket, not blocking, the caller's
 *
 * Tries one address of a host after the other, 3 s each at most.
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_nbd_connect(const struct mullion_spec *spec, int *ret,
			struct mullion_error *err);

/**
 * mullion_nbd_new() - the connections of one export
 * @name: of the export, for people
 * @ended: called when no connection is left; may free it
 */
int mullion_nbd_new(struct mullion_nbd **ret, struct mullion_core *core,
		    const char *name, void (*ended)(void *arg), void *arg);

/**
 * mullion_nbd_free() - forget all connections; NULL is harmless
 */
void mullion_nbd_free(struct mullion_nbd *nbd);

/**
 * mullion_nbd_open() - a connection for a service
 * @generation: of the service: those of other generations are dead, and their
 *	connections are ended now
 * @fresh: a connection that was made before and has not been used, or -1;
 *	no longer the caller's
 * @ret: the connection; the caller's; a duplicate is kept
 * @ret_fence: a socket that ends when the server has nothing of the dead
 *	generations under way any more; the caller's; -1 if it has not now
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_nbd_open(struct mullion_nbd *nbd, uint64_t generation,
		     const struct mullion_spec *spec, int fresh, int *ret,
		     int *ret_fence, struct mullion_error *err);

/**
 * mullion_nbd_end() - nobody uses the export any more
 *
 * Return: true if the server is done with all connections; else @ended will
 * be called.
 */
bool mullion_nbd_end(struct mullion_nbd *nbd);

#endif /* MULLION_COMMAND_NBD_H */
