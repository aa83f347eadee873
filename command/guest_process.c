// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest_process.c - a guest that is a plain process
 *
 * The process connects by itself and gets the descriptors of its windows, later
 * those of windows that are added.  The connection carries nothing else; as long
 * as it lives the process does.  When
 * it breaks the guest waits for the next process, which finds the same windows:
 * the epochs of its channels tell the services that it is another one.
 */

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "guest_private.h"

void guest_process_end(struct mullion_cp_guest *g)
{
	struct mullion_stream *stream = g->process;

	g->process_source = sd_event_source_disable_unref(g->process_source);
	g->process = NULL;
	if (stream)
		stream->close(stream);
}

static void process_gone(struct mullion_cp_guest *g)
{
	guest_process_end(g);
	if (!g->running || g->ending)
		return;
	g->state = MULLION_GUEST_BOOTING;
	mullion_partition_guest_gone(g->partition);
	guest_event(g, LOG_INFO, "process-gone", "the process has ended or hung up");
	if (g->transient)
		guest_end(g);
}

/* A process that does not take it can do nothing with what follows. */
void guest_process_window(struct mullion_cp_guest *g, unsigned int slot)
{
	int r = mullion_partition_send_window(g->partition, slot, g->process->fd);

	if (r < 0) {
		guest_event(g, LOG_ERR, "process-refused",
			    "cannot hand over a further window: %s", strerror(-r));
		process_gone(g);
	}
}

static void process_broken(struct mullion_stream *stream, void *arg)
{
	(void)stream;
	guest_process_end(arg);
}

static int process_io(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	char data[64];
	ssize_t n;

	(void)source;
	(void)revents;
	/* It has nothing to say; whatever it says is thrown away. */
	n = read(fd, data, sizeof(data));
	if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
		return 0;
	process_gone(arg);
	return 0;
}

int mullion_cp_guest_attach_refused(struct mullion_cp_guest *g, struct mullion_error *err)
{
	const char *what = "cannot attach a process to guest";

	if (!g->definition->process || g->attach)
		return mullion_error_set(err, -EBUSY, what, g->definition->name, NULL,
					 "it is %s, not a process",
					 g->attach ? "attached by its RAM" : "a VM");
	if (!g->running || !g->started || g->ending)
		return mullion_error_set(err, -EBUSY, what, g->definition->name,
					 "start it with `mullion start`", "it does not run");
	if (g->process)
		return mullion_error_set(err, -EBUSY, what, g->definition->name, NULL,
					 "process %d is attached", (int)g->process->pid);
	return 0;
}

void mullion_cp_guest_attach(struct mullion_cp_guest *g, struct mullion_stream *stream)
{
	int r;

	if (mullion_cp_guest_attach_refused(g, NULL)) {
		stream->close(stream);
		return;
	}
	r = mullion_partition_send_fds(g->partition, stream->fd);
	if (!r)
		r = sd_event_add_io(g->daemon->event, &g->process_source, stream->fd, EPOLLIN,
				    process_io, g);
	if (r < 0) {
		guest_event(g, LOG_ERR, "process-refused", "cannot hand over its windows: %s",
			    strerror(-r));
		stream->close(stream);
		return;
	}
	g->process = stream;
	stream->broken = process_broken;
	stream->arg = g;
	guest_event(g, LOG_INFO, "process-attached", "process %d has its windows",
		    (int)stream->pid);
}
