// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/guest_connect.c - ask the daemon for a process guest's descriptors
 *
 * One HTTP request on the API socket, upgraded to a stream of descriptor
 * messages.  The answer's header is read byte by byte: what follows it carries
 * descriptors and must not be swallowed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "guest_internal.h"

#define CONNECT_HEADER_MAX	8192

/* The daemon's runtime directory: root's, or the user's own. */
static int connect_default_path(char *path, size_t bytes)
{
	const char *dir = getenv("MULLION_RUNTIME_DIR");
	const char *xdg = getenv("XDG_RUNTIME_DIR");
	int n;

	if (dir && *dir)
		n = snprintf(path, bytes, "%s/mulliond.sock", dir);
	else if (!geteuid())
		n = snprintf(path, bytes, "/run/mullion/mulliond.sock");
	else if (xdg && *xdg)
		n = snprintf(path, bytes, "%s/mullion/mulliond.sock", xdg);
	else
		n = snprintf(path, bytes, "/tmp/mullion-%u/mulliond.sock",
			     (unsigned int)geteuid());
	return n < 0 || (size_t)n >= bytes ? -ENAMETOOLONG : 0;
}

static bool connect_name_ok(const char *name)
{
	return *name && strlen(name) < 256 &&
	       !name[strspn(name, "abcdefghijklmnopqrstuvwxyz"
				  "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")];
}

static int connect_send(int fd, const char *text, size_t bytes)
{
	while (bytes) {
		ssize_t n = send(fd, text, bytes, MSG_NOSIGNAL);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		text += n;
		bytes -= (size_t)n;
	}
	return 0;
}

/* Return: the status code, or negative errno. */
static int connect_read_answer(int fd)
{
	char header[CONNECT_HEADER_MAX + 1];
	size_t n = 0;
	int status;

	while (n < CONNECT_HEADER_MAX) {
		ssize_t got = recv(fd, header + n, 1, 0);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return -errno;
		if (!got)
			return -EPROTO;
		n++;
		if (n >= 4 && !memcmp(header + n - 4, "\r\n\r\n", 4)) {
			header[n] = '\0';
			if (sscanf(header, "HTTP/1.%*d %d", &status) != 1 ||
			    status < 100 || status > 599)
				return -EPROTO;
			return status;
		}
	}
	return -EPROTO;
}

static int connect_upgrade(int fd, const char *name)
{
	char request[512];
	int n, ret;

	n = snprintf(request, sizeof(request),
		     "GET /v1/guests/%s/attach HTTP/1.1\r\n"
		     "Host: mullion\r\n"
		     "Connection: Upgrade\r\n"
		     "Upgrade: mullion-attach\r\n"
		     "\r\n", name);
	ret = connect_send(fd, request, (size_t)n);
	if (ret < 0)
		return ret;
	ret = connect_read_answer(fd);
	if (ret < 0)
		return ret;
	switch (ret) {
	case 101:
		return 0;
	case 403:
		return -EACCES;
	case 404:
		return -ENOENT;
	case 409:
		return -EBUSY;
	default:
		return -EPROTO;
	}
}

int mullion_guest_connect(struct mullion_guest **ret, const char *socket_path,
			  const char *name)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int error, fd;

	if (!connect_name_ok(name))
		return -EINVAL;
	if (socket_path) {
		if (strlen(socket_path) >= sizeof(addr.sun_path))
			return -ENAMETOOLONG;
		strcpy(addr.sun_path, socket_path);
	} else {
		error = connect_default_path(addr.sun_path, sizeof(addr.sun_path));
		if (error < 0)
			return error;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0) {
		error = -errno;
		goto close;
	}
	error = connect_upgrade(fd, name);
	if (error < 0)
		goto close;
	error = mullion_guest_open_socket(ret, fd);
	if (error < 0)
		goto close;
	return 0;

close:
	close(fd);
	return error;
}
