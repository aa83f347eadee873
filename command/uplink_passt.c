// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/uplink_passt.c - uplink passt: its socket, or another one that speaks
 *	the same (QEMU's -netdev stream): 4 bytes of length and a frame
 *
 * A stream cannot be taken over in the middle of a frame, so that each process
 * of the switch gets a connection of its own.  passt takes one at a time: the
 * old one is shut down first, and if that was not seen yet, the new one is
 * dropped and tried again a second later.
 */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "uplink.h"

static int passt_on_end(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	(void)source;
	(void)fd;
	(void)revents;
	mullion_cp_uplink_lost(arg, "passt has closed the connection");
	return 0;
}

static int passt_refuse(const struct mullion_cp_uplink *u, int code, struct mullion_error *err)
{
	static const char what[] = "cannot connect to passt at";
	const char *path = u->def->socket;

	switch (code) {
	case -ENOENT:
		return mullion_error_set(err, code, what, path,
					 "start passt with --socket, or correct Socket=",
					 "there is no such socket");
	case -ECONNREFUSED:
		return mullion_error_set(err, code, what, path, "start passt",
					 "nobody listens there");
	case -EACCES:
	case -EPERM:
		return mullion_error_set(err, code, what, path,
					 "change the permissions of the socket",
					 "the daemon may not use it");
	default:
		return mullion_error_set(err, code, what, path, NULL, "%s", strerror(-code));
	}
}

static int passt_open(struct mullion_cp_uplink *u, struct mullion_error *err)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int r = 0;

	memcpy(addr.sun_path, u->def->socket, strlen(u->def->socket) + 1);
	u->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (u->fd < 0 || connect(u->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		r = -errno;
	if (!r)
		r = sd_event_add_io(u->core->event, &u->watch, u->fd, EPOLLRDHUP, passt_on_end,
				    u);
	return r < 0 ? passt_refuse(u, r, err) : 0;
}

static void passt_close(struct mullion_cp_uplink *u)
{
	/* a process of the switch may still have it */
	if (u->fd >= 0)
		shutdown(u->fd, SHUT_RDWR);
}

static void passt_successor(struct mullion_cp_uplink *u)
{
	struct mullion_error err = { 0 };

	u->watch = sd_event_source_disable_unref(u->watch);
	passt_close(u);
	close(u->fd);
	u->fd = -1;
	if (passt_open(u, &err) < 0)
		mullion_cp_uplink_lost(u, err.why);
	else
		u->serial++;
}

const struct mullion_uplink_kind mullion_uplink_passt = {
	.name = "passt",
	.abi = MULLION_UPLINK_STREAM,
	.open = passt_open,
	.close = passt_close,
	.successor = passt_successor,
};
