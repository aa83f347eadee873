// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/capture.c - frames of a network, as a pcap stream to a client
 *
 * DOC: Theory of Operation
 *
 * The switch writes a pcap file into a pipe; the daemon sends it on to the
 * client.  Only whole records are sent: a switch that dies may leave a part of
 * one, and its successor, with a pipe of its own, begins with another file
 * header, which is left out.  So the client sees one file, whatever happens to
 * the switch.
 *
 * A client that does not read fills the socket, then the buffer, then the pipe;
 * what does not fit there the switch drops and counts.  Nothing ever waits for
 * it.
 *
 * Failure behaviour: what is no pcap (the switch is the only one who could write
 * that) ends the capture.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../abi/net.h"
#include "bus.h"
#include "capture.h"
#include "log.h"
#include "network.h"
#include "partition.h"

#define CAPTURE_FILE_HEADER	24
#define CAPTURE_RECORD_HEADER	16
#define CAPTURE_RECORD_LENGTH	8	/* of the bytes that follow, in its header */
#define CAPTURE_BUFFER		(256U << 10)
#define CAPTURE_PIPE		(1 << 20)

/**
 * struct mullion_capture - one
 * @mac: of the port, if @one
 * @fd: of the pipe; -1 while the switch has no process
 * @begun: the client has the file header
 * @skip: bytes of a successor's file header that are still to come
 * @used: bytes in @buffer, of which @whole are whole records
 */
struct mullion_capture {
	struct mullion_network *network;
	bool one;
	uint8_t mac[6];
	uint32_t snap;
	struct mullion_stream *stream;
	sd_event_source *stream_source;
	int fd;
	sd_event_source *source;
	bool begun;
	size_t skip;
	size_t used;
	size_t whole;
	uint64_t bytes;
	uint8_t buffer[CAPTURE_BUFFER];
};

static void capture_drop_pipe(struct mullion_capture *c)
{
	c->source = sd_event_source_disable_unref(c->source);
	if (c->fd >= 0)
		close(c->fd);
	c->fd = -1;
	/* the rest of a record will not come any more */
	c->used = c->whole;
}

static void capture_free(struct mullion_capture *c)
{
	capture_drop_pipe(c);
	sd_event_source_disable_unref(c->stream_source);
	c->network->capture = NULL;
	c->stream->close(c->stream);
	free(c);
}

void mullion_capture_end(struct mullion_capture *c)
{
	if (c)
		capture_free(c);
}

/* The client is gone, or there is nothing for it: the switch stops, too. */
static void capture_stop(struct mullion_capture *c)
{
	struct mullion_network *network = c->network;

	capture_free(c);
	mullion_network_configure(network);
}

/* ---- the client -------------------------------------------------------- */

/* Return: false when the client is gone. */
static bool capture_send(struct mullion_capture *c)
{
	ssize_t n = 0;

	while (c->whole) {
		n = send(c->stream->fd, c->buffer, c->whole, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n < 0)
			break;
		c->bytes += (uint64_t)n;
		c->used -= (size_t)n;
		c->whole -= (size_t)n;
		memmove(c->buffer, c->buffer + n, c->used);
	}
	if (n < 0 && errno != EAGAIN && errno != EINTR)
		return false;
	sd_event_source_set_io_events(c->stream_source, c->whole ? EPOLLIN | EPOLLOUT : EPOLLIN);
	if (c->source)
		sd_event_source_set_enabled(c->source, c->used < CAPTURE_BUFFER ? SD_EVENT_ON :
					    SD_EVENT_OFF);
	return true;
}

static int capture_on_stream(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_capture *c = arg;
	char data[64];
	ssize_t n = 1;

	(void)source;
	/* It has nothing to say; whatever it says is thrown away. */
	if (revents & (EPOLLIN | EPOLLHUP | EPOLLERR))
		n = recv(fd, data, sizeof(data), MSG_DONTWAIT);
	if (!n || (n < 0 && errno != EAGAIN && errno != EINTR) || !capture_send(c))
		capture_stop(c);
	return 0;
}

/* ---- the switch -------------------------------------------------------- */

/* Count whole records.  Return: false if it is no pcap. */
static bool capture_scan(struct mullion_capture *c)
{
	while (c->used - c->whole >= CAPTURE_RECORD_HEADER) {
		size_t want = CAPTURE_FILE_HEADER;
		uint32_t length;

		if (c->begun) {
			memcpy(&length, c->buffer + c->whole + CAPTURE_RECORD_LENGTH,
			       sizeof(length));
			if (length > MULLION_CAPTURE_SNAP_MAX)
				return false;
			want = CAPTURE_RECORD_HEADER + length;
		}
		if (c->used - c->whole < want)
			break;
		c->whole += want;
		c->begun = true;
	}
	return true;
}

static int capture_on_pipe(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_capture *c = arg;
	ssize_t n;

	(void)source;
	(void)revents;
	n = read(fd, c->buffer + c->used, CAPTURE_BUFFER - c->used);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n <= 0) {
		/* its process has ended; a successor gets another pipe */
		capture_drop_pipe(c);
		return 0;
	}
	if (c->skip) {
		size_t skip = (size_t)n < c->skip ? (size_t)n : c->skip;

		memmove(c->buffer + c->used, c->buffer + c->used + skip, (size_t)n - skip);
		c->skip -= skip;
		n -= (ssize_t)skip;
	}
	c->used += (size_t)n;
	if (!capture_scan(c)) {
		mullion_event_emit(c->network->core->events, LOG_ERR, c->network->label,
				   "capture-broken", "the switch writes what is no pcap");
		capture_stop(c);
	} else if (!capture_send(c)) {
		capture_stop(c);
	}
	return 0;
}

int mullion_capture_pipe(struct mullion_capture *c, int *ret_fd)
{
	int pipes[2];
	int r;

	capture_drop_pipe(c);
	if (pipe2(pipes, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	/* as large as an ordinary user may make it */
	fcntl(pipes[1], F_SETPIPE_SZ, CAPTURE_PIPE);
	r = sd_event_add_io(c->network->core->event, &c->source, pipes[0], EPOLLIN,
			    capture_on_pipe, c);
	if (r < 0) {
		close(pipes[0]);
		close(pipes[1]);
		return r;
	}
	c->fd = pipes[0];
	c->skip = c->begun ? CAPTURE_FILE_HEADER : 0;
	*ret_fd = pipes[1];
	return 0;
}

/* ---- life -------------------------------------------------------------- */

/* The interface that @port names; NULL with @err filled in. */
static struct mullion_nic *capture_find(struct mullion_network *network, const char *port,
					struct mullion_error *err)
{
	struct mullion_nic *found = NULL;
	uint8_t mac[6];
	bool address = !mullion_mac_parse(port, mac);

	for (struct mullion_nic *nic = NULL; (nic = mullion_nic_next(network, nic));) {
		if (address ? memcmp(nic->spec.mac, mac, sizeof(mac)) : strcmp(nic->guest, port))
			continue;
		if (found) {
			mullion_error_set(err, -EINVAL, "cannot capture port", port,
					  "name the address of one of them",
					  "it has several interfaces on network %s",
					  network->def->name);
			return NULL;
		}
		found = nic;
	}
	if (!found)
		mullion_error_set(err, -ENOENT, "cannot capture port", port,
				  "see `mullion network show`",
				  "network %s has no such guest or address", network->def->name);
	return found;
}

int mullion_capture_refused(struct mullion_network *network, const char *port,
			    struct mullion_error *err)
{
	if (!network->service)
		return mullion_error_set(err, -ESRCH, "cannot capture network",
					 network->def->name, "start it, or a guest that uses it",
					 "it does not run");
	if (network->capture)
		return mullion_error_set(err, -EBUSY, "cannot capture network",
					 network->def->name, "end the other one first",
					 "another capture is under way");
	if (port && !capture_find(network, port, err))
		return -ENOENT;
	return 0;
}

static void capture_on_broken(struct mullion_stream *stream, void *arg)
{
	(void)stream;
	capture_stop(arg);
}

void mullion_capture_new(struct mullion_network *network, const char *port, uint32_t snap,
			 struct mullion_stream *stream)
{
	struct mullion_capture *c = NULL;
	struct mullion_nic *nic = NULL;
	int r = mullion_capture_refused(network, port, NULL);

	if (!r && port)
		nic = capture_find(network, port, NULL);
	if (!r)
		c = calloc(1, sizeof(*c));
	if (!c) {
		stream->close(stream);
		return;
	}
	c->network = network;
	c->one = nic;
	if (nic)
		memcpy(c->mac, nic->spec.mac, sizeof(c->mac));
	c->snap = snap;
	c->fd = -1;
	c->stream = stream;
	network->capture = c;
	if (sd_event_add_io(network->core->event, &c->stream_source, stream->fd, EPOLLIN,
			    capture_on_stream, c) < 0) {
		capture_free(c);
		return;
	}
	stream->broken = capture_on_broken;
	stream->arg = c;
	network->capture_sent = false;
	mullion_network_configure(network);
}

uint32_t mullion_capture_snap(const struct mullion_capture *c)
{
	return c->snap;
}

uint32_t mullion_capture_port(const struct mullion_capture *c)
{
	if (!c->one)
		return MULLION_SERVICE_WIDE;
	for (const struct mullion_nic *nic = NULL; (nic = mullion_nic_next(c->network, nic));)
		if (nic->device && !memcmp(nic->spec.mac, c->mac, sizeof(c->mac)))
			return nic->device->bus->service_number;
	return 0;	/* no bus has this number */
}

json_t *mullion_capture_describe(const struct mullion_capture *c)
{
	char mac[MULLION_MAC_TEXT];

	return json_pack("{s:o, s:I, s:I}",
			 "port", c->one ? json_string(mullion_mac_text(c->mac, mac)) :
			 json_null(),
			 "snap", (json_int_t)c->snap, "bytes", (json_int_t)c->bytes);
}
