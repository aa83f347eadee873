// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/socket.c - descriptors from the command partition
 *
 * DOC: Theory of Operation
 *
 * The first ones make a service out of a stand-by: command window, its two
 * doorbells, state area.  All others are kept under (handle, role, index), the
 * handle being that of the control message that will name them; control.c takes
 * what the message needs and drops the rest when it was executed.  A kept one is
 * a line of a list: there are few at a time, those of one message.
 *
 * Nothing is ever sent: the answer is in the control channel.  Each message is
 * taken whole (SOCK_SEQPACKET) with its descriptors, which are closed again
 * wherever they do not find an owner.
 *
 * The socket's end is the service's end: without a command partition there is
 * nobody to recover or to stop it.
 *
 * Limits: SOCKET_FDS_MAX kept at a time.
 *
 * Failure behaviour: a message that cannot be understood means a mulliond of
 * another version: the process says so and ends, and what its guests had
 * unanswered waits in the state area.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "service.h"

#define SOCKET_FDS_MAX 3072

static int socket_start_control(void)
{
	const struct mullion_window_area *area;
	int ret;

	if (service.control || !service.command.base || service.command_recv < 0)
		return 0;
	area = mullion_window_area(&service.command, MULLION_AREA_CONTROL);
	ret = mullion_loop_add(service.command_recv, EPOLLIN | EPOLLET, NULL, NULL);
	if (ret < 0)
		return ret;
	ret = mullion_control_client_new(&service.control,
					 service.command.base + area->offset,
					 area->bytes, service.command_send,
					 service_control_command, NULL, NULL);
	if (ret < 0)
		mullion_loop_del(service.command_recv);
	return ret;
}

/* Keeps @fds for later; those kept are set to -1. */
static int socket_keep(const struct mullion_fd_message *message, int *fds)
{
	for (unsigned int i = 0; i < message->count; i++) {
		struct service_fd *kept;

		if (service.fd_count == SOCKET_FDS_MAX)
			return -EMFILE;
		kept = malloc(sizeof(*kept));
		if (!kept)
			return -ENOMEM;
		kept->handle = message->handle;
		kept->index = message->index + i;
		kept->role = message->role;
		kept->fd = fds[i];
		kept->next = service.fds;
		service.fds = kept;
		service.fd_count++;
		fds[i] = -1;
	}
	return 0;
}

static int socket_message(const struct mullion_fd_message *message, int *fds)
{
	int ret;

	switch (message->role) {
	case MULLION_FD_COMMAND_WINDOW:
		if (message->count != 1 || service.command.base)
			return -EPROTO;
		ret = mullion_window_open(&service.command, fds[0],
					  MULLION_WINDOW_COMMAND);
		return ret < 0 ? ret : socket_start_control();
	case MULLION_FD_COMMAND_DOORBELLS:
		if (message->count != 2 || message->index ||
		    service.command_recv >= 0)
			return -EPROTO;
		service.command_recv = fds[0];
		service.command_send = fds[1];
		fds[0] = -1;
		fds[1] = -1;
		return socket_start_control();
	case MULLION_FD_STATE_AREA:
		if (message->count != 1)
			return -EPROTO;
		ret = mullion_state_open(fds[0]);
		if (!ret)
			mullion_state_set(MULLION_SERVICE_SERVING);
		return ret;
	default:
		return socket_keep(message, fds);
	}
}

/* Takes one message; false when there is none, or nothing more to wait for. */
static bool socket_take(void)
{
	struct mullion_fd_message message;
	int fds[MULLION_FD_BATCH];
	int ret;

	ret = mullion_fd_recv(service.socket, &message, fds);
	if (ret == -EAGAIN)
		return false;
	if (!ret) {
		mullion_state_set(MULLION_SERVICE_STOPPING);
		mullion_loop_stop(0);
		return false;
	}
	if (ret > 0) {
		ret = socket_message(&message, fds);
		for (unsigned int i = 0; i < message.count; i++) {
			if (fds[i] >= 0)
				close(fds[i]);
		}
	}
	if (ret < 0) {
		mullion_log(LOG_ERR, NULL, "descriptor message refused: %s; the "
			    "command partition is of another version",
			    strerror(-ret));
		mullion_loop_stop(1);
		return false;
	}
	return true;
}

void service_socket_drain(void)
{
	while (socket_take())
		;
}

static void socket_ready(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	service_socket_drain();
}

int service_socket_start(int socket)
{
	int flags = fcntl(socket, F_GETFL);

	if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	service.socket = socket;
	return mullion_loop_add(socket, EPOLLIN, socket_ready, NULL);
}

int service_fd_take(uint64_t handle, unsigned int role, uint32_t index)
{
	struct service_fd **link;

	for (link = &service.fds; *link; link = &(*link)->next) {
		struct service_fd *kept = *link;
		int fd = kept->fd;

		if (kept->handle != handle || kept->role != role ||
		    kept->index != index)
			continue;
		*link = kept->next;
		service.fd_count--;
		free(kept);
		return fd;
	}
	return -1;
}

void service_fd_drop(uint64_t handle)
{
	struct service_fd **link = &service.fds;

	while (*link) {
		struct service_fd *kept = *link;

		if (kept->handle != handle) {
			link = &kept->next;
			continue;
		}
		*link = kept->next;
		service.fd_count--;
		close(kept->fd);
		free(kept);
	}
}

int service_fd_doorbells(uint64_t handle, unsigned int role,
			 struct mullion_doorbells *set)
{
	for (uint32_t i = 0; i < set->count; i++) {
		int fd = service_fd_take(handle, role, i);

		if (fd < 0)
			return -ENOENT;
		mullion_doorbells_put(set, i, &fd, 1);
	}
	return 0;
}
