/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/capture.h - frames of a network, as a pcap stream to a client
 */
#ifndef MULLION_COMMAND_CAPTURE_H
#define MULLION_COMMAND_CAPTURE_H

#include <jansson.h>
#include <stdint.h>

#include "error.h"
#include "stream.h"

#define MULLION_CAPTURE_SNAP_MAX	65557	/* the largest frame */

struct mullion_capture;
struct mullion_network;

/**
 * mullion_capture_refused() - may a capture begin?
 * @port: the name of a guest with one interface there, or the address of an
 *	interface; NULL: all ports
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_capture_refused(struct mullion_network *network, const char *port,
			    struct mullion_error *err);

/**
 * mullion_capture_new() - begin one; it ends with the stream or the network
 * @port: as above
 * @snap: bytes of each frame
 * @stream: taken over, also when the capture cannot begin
 */
void mullion_capture_new(struct mullion_network *network, const char *port, uint32_t snap,
			 struct mullion_stream *stream);

/**
 * mullion_capture_end() - end it from the network's side; NULL is fine
 */
void mullion_capture_end(struct mullion_capture *capture);

/**
 * mullion_capture_pipe() - a pipe for a process of the switch
 * @ret_fd: where it writes; does not block; the caller's
 *
 * Return: 0 or negative errno.
 */
int mullion_capture_pipe(struct mullion_capture *capture, int *ret_fd);

uint32_t mullion_capture_snap(const struct mullion_capture *capture);

/**
 * mullion_capture_port() - bus number, for the switch, of the port that is captured
 *
 * MULLION_SERVICE_WIDE for all; one that has left captures nothing.
 */
uint32_t mullion_capture_port(const struct mullion_capture *capture);

/**
 * mullion_capture_describe() - schema Capture; new reference
 */
json_t *mullion_capture_describe(const struct mullion_capture *capture);

#endif /* MULLION_COMMAND_CAPTURE_H */
