// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/socket.c - the API's socket and the lock that there is one daemon
 *
 * A daemon that ends removes what it made.  One that is killed cannot, so a
 * child of it, which does nothing else, waits for its end and then does it.
 * The lock decides between that child and a new daemon: whoever holds it may
 * remove or make the socket.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

#include "socket.h"

#define SOCKET_NEW	".new"	/* behind the name, until it listens */
#define SOCKET_WHAT	"cannot start"
#define SOCKET_TRIES	16
#define SOCKET_CLEAN_TRIES	40	/* then it is a new daemon's lock */
#define SOCKET_CLEAN_USEC	25000

/* Return: a locked descriptor of what is at @path now, -EALREADY, or negative errno. */
static int socket_lock(const char *path)
{
	struct stat ours, there;
	int fd, i;

	for (i = 0; i < SOCKET_TRIES; i++) {
		fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
		if (fd < 0)
			return -errno;
		if (flock(fd, LOCK_EX | LOCK_NB) < 0) {
			int r = errno == EWOULDBLOCK ? -EALREADY : -errno;

			close(fd);
			return r;
		}
		/* The one before us may have removed the file that we have just locked. */
		if (fstat(fd, &ours) == 0 && stat(path, &there) == 0 &&
		    ours.st_ino == there.st_ino && ours.st_dev == there.st_dev)
			return fd;
		close(fd);
	}
	return -EAGAIN;
}

static int socket_listen(const struct mullion_paths *paths, int64_t group)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, r;

	if (snprintf(address.sun_path, sizeof(address.sun_path), "%s" SOCKET_NEW, paths->socket) >=
	    (int)sizeof(address.sun_path))
		return -ENAMETOOLONG;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* We hold the lock, so nobody listens on what may be there. */
	unlink(paths->socket);
	unlink(address.sun_path);
	old = umask(0177);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 ? -errno : 0;
	umask(old);
	if (!r && group >= 0 &&
	    (chown(address.sun_path, (uid_t)-1, (gid_t)group) < 0 ||
	     chmod(address.sun_path, 0660) < 0 ||
	     chown(paths->runtime, (uid_t)-1, (gid_t)group) < 0 || chmod(paths->runtime, 0710) < 0))
		r = -errno;
	/* Whoever sees the socket can connect to it. */
	if (!r && (listen(fd, SOMAXCONN) < 0 || rename(address.sun_path, paths->socket) < 0))
		r = -errno;
	if (r) {
		close(fd);
		return r;
	}
	return fd;
}

static void socket_remove(const struct mullion_socket *sock, const struct mullion_paths *paths)
{
	char path[sizeof(paths->socket) + sizeof(SOCKET_NEW)];

	snprintf(path, sizeof(path), "%s" SOCKET_NEW, paths->socket);
	unlink(path);
	unlink(paths->socket);
	unlink(sock->lock);
	rmdir(paths->runtime);
}

/* The child: waits until nobody holds the other end of @fd. */
static void socket_cleaner(const struct mullion_socket *sock, const struct mullion_paths *paths,
			   int fd)
{
	int null = open("/dev/null", O_RDWR);
	sigset_t all;
	char byte;
	int i;

	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	prctl(PR_SET_NAME, "mulliond-clean");
	setsid();
	/* The daemon's lock among others; and standard error may be a pipe to a test. */
	dup2(fd, 3);
	close_range(4, ~0U, 0);
	for (fd = 0; fd < 3; fd++)
		dup2(null, fd);
	while (read(3, &byte, 1) > 0)
		;
	/* The kernel may close the pipe of a dead process before it drops its lock. */
	for (i = 0; i < SOCKET_CLEAN_TRIES && access(sock->lock, F_OK) == 0; i++) {
		int r = socket_lock(sock->lock);

		if (r >= 0)
			socket_remove(sock, paths);
		if (r != -EALREADY)
			break;
		usleep(SOCKET_CLEAN_USEC);
	}
	_exit(0);
}

static int socket_start_cleaner(struct mullion_socket *sock, const struct mullion_paths *paths)
{
	int ends[2];
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	pid = fork();
	if (pid == 0)
		socket_cleaner(sock, paths, ends[0]);
	close(ends[0]);
	if (pid < 0) {
		close(ends[1]);
		return -EAGAIN;
	}
	/* Open until the daemon's end, whatever kind of end that is. */
	sock->alive_fd = ends[1];
	return 0;
}

static int socket_inherited(void)
{
	int n = sd_listen_fds(1);
	int fd = SD_LISTEN_FDS_START;

	if (n <= 0)
		return n;
	if (n > 1 || sd_is_socket_unix(fd, SOCK_STREAM, 1, NULL, 0) <= 0)
		return -EINVAL;
	return fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) < 0 ? -errno : fd;
}

int mullion_socket_open(struct mullion_socket *sock, const struct mullion_paths *paths,
			int64_t group, struct mullion_error *err)
{
	int r;

	sock->listen_fd = -1;
	sock->alive_fd = -1;
	snprintf(sock->lock, sizeof(sock->lock), "%s/mulliond.lock", paths->runtime);
	r = socket_lock(sock->lock);
	if (r == -EALREADY)
		return mullion_error_set(err, r, SOCKET_WHAT, paths->runtime, NULL,
					 "a mulliond runs there already");
	if (r < 0)
		return mullion_error_set(err, r, SOCKET_WHAT, sock->lock, NULL, "%s", strerror(-r));
	sock->lock_fd = r;
	r = socket_inherited();
	sock->inherited = r > 0;
	if (r == 0) {
		r = socket_start_cleaner(sock, paths);
		if (!r)
			r = socket_listen(paths, group);
	}
	if (r < 0) {
		int code = r;

		mullion_error_set(err, code, SOCKET_WHAT, paths->socket, NULL, "%s",
				  code == -EINVAL ? "the service manager passed something else than one listening Unix socket" :
				  strerror(-code));
		mullion_socket_close(sock, paths);
		return code;
	}
	sock->listen_fd = r;
	return 0;
}

void mullion_socket_close(struct mullion_socket *sock, const struct mullion_paths *paths)
{
	if (sock->listen_fd >= 0)
		close(sock->listen_fd);
	if (sock->inherited)
		unlink(sock->lock);
	else
		socket_remove(sock, paths);
	close(sock->lock_fd);
	if (sock->alive_fd >= 0)
		close(sock->alive_fd);
}
