/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/stream.h - a client's connection after an HTTP Upgrade
 *
 * The server that made it keeps a list of its streams, so that it can break
 * them all before it ends.  Whoever has taken a stream closes it exactly once.
 */
#ifndef MULLION_COMMAND_STREAM_H
#define MULLION_COMMAND_STREAM_H

#include <stddef.h>
#include <sys/types.h>

/**
 * struct mullion_stream - one connection
 * @fd: non-blocking stream socket; owned by the stream
 * @pid: of the client, 0 if not known
 * @early: what the client sent before it saw the upgrade, @early_bytes of it
 * @broken: set by whoever takes the stream: the server ends; must close it
 * @arg: for @broken
 * @close: set by the server: ends the connection and frees the stream
 */
struct mullion_stream {
	int fd;
	pid_t pid;
	char *early;
	size_t early_bytes;
	void (*broken)(struct mullion_stream *stream, void *arg);
	void *arg;
	void (*close)(struct mullion_stream *stream);
};

#endif /* MULLION_COMMAND_STREAM_H */
