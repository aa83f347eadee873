// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * stream.c - a file over TCP
 *
 * Usage: stream listen PORT >FILE
 *        stream send ADDRESS PORT <FILE
 *
 * One connection.  "send" ends when the other side has read everything.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int stream_fail(const char *what)
{
	perror(what);
	return 1;
}

/* Until the end of the source. */
static int stream_copy(int to, int from)
{
	static char buffer[65536];
	ssize_t got, put, at;

	while ((got = read(from, buffer, sizeof(buffer))) > 0) {
		for (at = 0; at < got; at += put) {
			put = write(to, buffer + at, (size_t)(got - at));
			if (put < 0)
				return stream_fail("stream: write");
		}
	}
	return got < 0 ? stream_fail("stream: read") : 0;
}

static int stream_listen(int fd, struct sockaddr_in *address)
{
	int peer, one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)address, sizeof(*address)) || listen(fd, 1))
		return stream_fail("stream: listen");
	peer = accept(fd, NULL, NULL);
	if (peer < 0)
		return stream_fail("stream: accept");
	return stream_copy(STDOUT_FILENO, peer);
}

static int stream_send(int fd, const struct sockaddr_in *address)
{
	char end;

	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)))
		return stream_fail("stream: connect");
	if (stream_copy(fd, STDIN_FILENO))
		return 1;
	shutdown(fd, SHUT_WR);
	return read(fd, &end, 1) ? stream_fail("stream: end") : 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		return stream_fail("stream: socket");
	if (argc == 3 && !strcmp(argv[1], "listen")) {
		address.sin_port = htons((unsigned short)atoi(argv[2]));
		return stream_listen(fd, &address);
	}
	if (argc == 4 && !strcmp(argv[1], "send") &&
	    inet_pton(AF_INET, argv[2], &address.sin_addr) == 1) {
		address.sin_port = htons((unsigned short)atoi(argv[3]));
		return stream_send(fd, &address);
	}
	fprintf(stderr, "usage: stream listen PORT | send ADDRESS PORT\n");
	return 2;
}
