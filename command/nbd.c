// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/nbd.c - connections to NBD servers, and the fence of dead ones
 *
 * DOC: Theory of Operation
 *
 * The daemon connects, and keeps a duplicate of each connection that it hands
 * to a service.  Death of the service therefore does not end the connection:
 * when the next generation is to begin, the sending side is shut down, and the
 * server, which reads to the end and finds no more requests, lets go of the
 * connection when the last one has ended.  That is waited for here, with a
 * timer; meanwhile what the server still answers is read and thrown away, or
 * it might not come to its end.  The successor is given one end of a socket
 * pair, whose other end is closed when all dead connections are gone.
 *
 * When is a server done?  Many close the connection when the last request has
 * ended (nbdkit, nbd-server), and its end is the proof.  QEMU's shuts both
 * directions down at once, with requests still under way, and closes the
 * socket when they have ended.  For a local socket the kernel tells the two
 * apart (sock_diag: is there still a socket on the other side?), and that is
 * asked.  Over TCP nobody can, so there the end of the connection counts.
 *
 * A connection that breaks in any other way proves nothing: the device waits.
 *
 * Limits: where the kernel has no sock_diag for local sockets, the end of the
 * connection counts there too, with a warning.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "core.h"
#include "log.h"
#include "nbd.h"

#define NBD_CONNECT_MSEC	3000
#define NBD_POLL_FIRST_USEC	2000
#define NBD_POLL_USEC_MAX	50000
#define NBD_DRAIN_ROUNDS	64

struct nbd_connection {
	struct nbd_connection *next;
	uint64_t generation;
	int fd;
	bool dead;		/* its service is; the server was told */
	bool at_end;		/* everything that will come has come */
	bool broken;		/* and it does not tell how it ended */
};

struct mullion_nbd {
	struct mullion_core *core;
	struct nbd_connection *connections;
	sd_event_source *timer;
	uint64_t poll_usec;
	int fence[2];		/* handed out, to be closed; -1 */
	bool blind;		/* no sock_diag */
	bool unused;		/* by any disk */
	void (*ended)(void *arg);
	void *arg;
	char label[128];
};

/* ---- connecting -------------------------------------------------------- */

static int nbd_wait_connected(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLOUT };
	socklen_t len = sizeof(int);
	int error = 0;
	int r = poll(&pfd, 1, NBD_CONNECT_MSEC);

	if (r < 0)
		return -errno;
	if (!r)
		return -ETIMEDOUT;
	if (getsockopt(sock, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		return -errno;
	return -error;
}

static int nbd_connect_address(int family, const void *address, socklen_t len,
			       int *ret)
{
	int sock = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = 0;

	if (sock < 0)
		return -errno;
	if (connect(sock, address, len) < 0) {
		r = -errno;
		if (r == -EINPROGRESS || r == -EAGAIN)
			r = nbd_wait_connected(sock);
	}
	if (r < 0) {
		close(sock);
		return r;
	}
	*ret = sock;
	return 0;
}

int mullion_nbd_connect(const struct mullion_spec *spec, int *ret,
			struct mullion_error *err)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	int r = -EADDRNOTAVAIL;

	if (spec->path[0]) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		memcpy(un.sun_path, spec->path,
		       strnlen(spec->path, sizeof(un.sun_path) - 1));
		r = nbd_connect_address(AF_UNIX, &un, sizeof(un), ret);
	} else {
		int gai = getaddrinfo(spec->host, spec->port, &hints, &list);

		if (gai)
			return mullion_error_set(err, -EHOSTUNREACH, "cannot use disk",
				spec->text, "check the host's name",
				"%s", gai_strerror(gai));
		for (struct addrinfo *a = list; a && r < 0; a = a->ai_next)
			r = nbd_connect_address(a->ai_family, a->ai_addr,
						a->ai_addrlen, ret);
		freeaddrinfo(list);
	}
	if (r < 0)
		return mullion_error_set(err, r, "cannot use disk", spec->text,
			"is the NBD server running?",
			"cannot connect to it: %s", strerror(-r));
	return 0;
}

/* ---- has the server let go? -------------------------------------------- */

/* Inode of the socket at the other side of a local one; 0: there is none. */
static int nbd_peer_inode(int sock, uint32_t *ret)
{
	struct {
		struct nlmsghdr header;
		struct unix_diag_req diag;
	} request = {
		.header = {
			.nlmsg_len = sizeof(request),
			.nlmsg_type = SOCK_DIAG_BY_FAMILY,
			.nlmsg_flags = NLM_F_REQUEST,
		},
		.diag = {
			.sdiag_family = AF_UNIX,
			.udiag_states = UINT32_MAX,
			.udiag_show = UDIAG_SHOW_PEER,
			.udiag_cookie = { UINT32_MAX, UINT32_MAX },
		},
	};
	_Alignas(struct nlmsghdr) char answer[1024];
	const struct nlmsghdr *header = (const void *)answer;
	const struct rtattr *attribute;
	struct stat st;
	ssize_t n = -1;
	int diag, left;

	if (fstat(sock, &st) < 0)
		return -errno;
	request.diag.udiag_ino = (uint32_t)st.st_ino;
	diag = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	if (diag < 0)
		return -errno;
	/* the kernel has answered when send() returns */
	if (send(diag, &request, sizeof(request), 0) == (ssize_t)sizeof(request))
		n = recv(diag, answer, sizeof(answer), MSG_DONTWAIT);
	close(diag);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct unix_diag_msg)) ||
	    header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len > (size_t)n)
		return -EOPNOTSUPP;
	*ret = 0;
	left = (int)(header->nlmsg_len - NLMSG_LENGTH(sizeof(struct unix_diag_msg)));
	attribute = (const void *)((const char *)NLMSG_DATA(header) +
				   NLMSG_ALIGN(sizeof(struct unix_diag_msg)));
	for (; RTA_OK(attribute, left); attribute = RTA_NEXT(attribute, left))
		if (attribute->rta_type == UNIX_DIAG_PEER &&
		    RTA_PAYLOAD(attribute) >= sizeof(*ret))
			memcpy(ret, RTA_DATA(attribute), sizeof(*ret));
	return 0;
}

/* Read on; at its end there is nothing more to read. */
static void nbd_drain(struct mullion_nbd *nbd, struct nbd_connection *c)
{
	static char rest[65536];
	ssize_t n = 1;

	for (int i = 0; i < NBD_DRAIN_ROUNDS && !c->at_end && !c->broken; i++) {
		n = recv(c->fd, rest, sizeof(rest), MSG_DONTWAIT);
		if (n > 0 || (n < 0 && errno == EINTR))
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		c->at_end = !n || errno == ECONNRESET || nbd->unused;
		c->broken = !c->at_end;
		if (c->broken)
			mullion_event_emit(nbd->core->events, LOG_ERR, nbd->label,
				"nbd-lost", "nobody can tell whether the server still "
				"executes what a dead service asked for (%s); its "
				"devices stay paused, stop the guest",
				strerror(errno));
	}
}

static bool nbd_is_gone(struct mullion_nbd *nbd, struct nbd_connection *c)
{
	int family = 0, r;
	socklen_t len = sizeof(family);
	uint32_t peer;

	nbd_drain(nbd, c);
	if (!c->at_end)
		return false;
	if (getsockopt(c->fd, SOL_SOCKET, SO_DOMAIN, &family, &len) < 0 ||
	    family != AF_UNIX || nbd->blind)
		return true;
	r = nbd_peer_inode(c->fd, &peer);
	if (!r)
		return !peer;
	nbd->blind = true;
	mullion_event_emit(nbd->core->events, LOG_WARNING, nbd->label, "nbd-blind",
			   "the kernel does not tell when a server has closed a "
			   "connection (%s): with qemu-nbd an old write may overtake "
			   "a newer one when a service dies", strerror(-r));
	return true;
}

/* ---- those of dead generations ----------------------------------------- */

static void nbd_kill(struct nbd_connection *c)
{
	if (c->dead)
		return;
	c->dead = true;
	shutdown(c->fd, SHUT_WR);
}

/* Forget those that are gone; the number of dead ones that are not. */
static unsigned int nbd_collect(struct mullion_nbd *nbd)
{
	struct nbd_connection **link = &nbd->connections;
	unsigned int left = 0;

	while (*link) {
		struct nbd_connection *c = *link;

		if (c->dead && nbd_is_gone(nbd, c)) {
			*link = c->next;
			close(c->fd);
			free(c);
			continue;
		}
		left += c->dead;
		link = &c->next;
	}
	return left;
}

static void nbd_fence_close(struct mullion_nbd *nbd)
{
	for (int i = 0; i < 2; i++) {
		if (nbd->fence[i] >= 0)
			close(nbd->fence[i]);
		nbd->fence[i] = -1;
	}
}

static int nbd_on_timer(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_nbd *nbd = arg;

	(void)usec;
	if (nbd_collect(nbd)) {
		if (nbd->poll_usec < NBD_POLL_USEC_MAX)
			nbd->poll_usec *= 2;
		sd_event_source_set_time_relative(source, nbd->poll_usec);
		sd_event_source_set_enabled(source, SD_EVENT_ONESHOT);
		return 0;
	}
	nbd_fence_close(nbd);
	if (!nbd->connections)
		nbd->ended(nbd->arg);
	return 0;
}

/* Look again, soon at first. */
static int nbd_watch(struct mullion_nbd *nbd)
{
	nbd->poll_usec = NBD_POLL_FIRST_USEC;
	if (!nbd->timer)
		return sd_event_add_time_relative(nbd->core->event, &nbd->timer,
						  CLOCK_MONOTONIC, nbd->poll_usec,
						  1000, nbd_on_timer, nbd);
	sd_event_source_set_time_relative(nbd->timer, nbd->poll_usec);
	return sd_event_source_set_enabled(nbd->timer, SD_EVENT_ONESHOT);
}

/* One end of the pair for a service. */
static int nbd_fence(struct mullion_nbd *nbd, int *ret)
{
	int fd;

	if (nbd->fence[0] < 0 &&
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, nbd->fence) < 0)
		return -errno;
	fd = fcntl(nbd->fence[0], F_DUPFD_CLOEXEC, 3);
	if (fd < 0)
		return -errno;
	*ret = fd;
	return 0;
}

/* Is a connection that nothing was asked on still there? */
static bool nbd_is_alive(int sock)
{
	struct pollfd pfd = { .fd = sock, .events = POLLRDHUP };

	return !poll(&pfd, 1, 0);
}

/* Keep a duplicate of @sock, and find out what it has to wait for. */
static int nbd_keep(struct mullion_nbd *nbd, uint64_t generation, int sock,
		    int *ret_fence)
{
	struct nbd_connection *c = calloc(1, sizeof(*c));
	int r = -ENOMEM;

	if (!c)
		return r;
	c->generation = generation;
	c->fd = fcntl(sock, F_DUPFD_CLOEXEC, 3);
	if (c->fd < 0) {
		r = -errno;
		goto fail;
	}
	*ret_fence = -1;
	if (nbd_collect(nbd)) {
		r = nbd_watch(nbd);
		if (r >= 0)
			r = nbd_fence(nbd, ret_fence);
		if (r < 0)
			goto fail;
	}
	c->next = nbd->connections;
	nbd->connections = c;
	return 0;
fail:
	if (c->fd >= 0)
		close(c->fd);
	free(c);
	return r;
}

int mullion_nbd_open(struct mullion_nbd *nbd, uint64_t generation,
		     const struct mullion_spec *spec, int fresh, int *ret,
		     int *ret_fence, struct mullion_error *err)
{
	int sock = fresh;
	int r;

	nbd->unused = false;
	/* first: the server may take only so many connections */
	for (struct nbd_connection *c = nbd->connections; c; c = c->next)
		if (c->generation != generation)
			nbd_kill(c);
	if (sock >= 0 && !nbd_is_alive(sock)) {
		close(sock);
		sock = -1;
	}
	if (sock < 0) {
		r = mullion_nbd_connect(spec, &sock, err);
		if (r < 0)
			return r;
	}
	r = nbd_keep(nbd, generation, sock, ret_fence);
	if (r < 0) {
		close(sock);
		return mullion_error_set(err, r, "cannot use disk", spec->text, NULL,
					 "%s", strerror(-r));
	}
	*ret = sock;
	return 0;
}

bool mullion_nbd_end(struct mullion_nbd *nbd)
{
	nbd->unused = true;
	for (struct nbd_connection *c = nbd->connections; c; c = c->next) {
		nbd_kill(c);
		/* what cannot be told now will not be told later */
		c->at_end = c->at_end || c->broken;
	}
	return !nbd_collect(nbd) || nbd_watch(nbd) < 0;
}

int mullion_nbd_new(struct mullion_nbd **ret, struct mullion_core *core,
		    const char *name, void (*ended)(void *arg), void *arg)
{
	struct mullion_nbd *nbd = calloc(1, sizeof(*nbd));

	if (!nbd)
		return -ENOMEM;
	nbd->core = core;
	nbd->ended = ended;
	nbd->arg = arg;
	nbd->fence[0] = -1;
	nbd->fence[1] = -1;
	snprintf(nbd->label, sizeof(nbd->label), "store %.100s", name);
	*ret = nbd;
	return 0;
}

void mullion_nbd_free(struct mullion_nbd *nbd)
{
	if (!nbd)
		return;
	sd_event_source_disable_unref(nbd->timer);
	while (nbd->connections) {
		struct nbd_connection *c = nbd->connections;

		nbd->connections = c->next;
		close(c->fd);
		free(c);
	}
	nbd_fence_close(nbd);
	free(nbd);
}
