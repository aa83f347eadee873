/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/fdmsg.h - descriptors on their way through a socket (user space)
 *
 * Works on SOCK_SEQPACKET and SOCK_STREAM sockets (abi/service.h).
 */
#ifndef MULLION_CHANNEL_FDMSG_H
#define MULLION_CHANNEL_FDMSG_H

#include "../abi/service.h"

/**
 * mullion_fd_send() - send descriptors
 * @socket: connected socket
 * @role: MULLION_FD_*
 * @handle: object that they are for (abi/mullion.md, "Descriptors")
 * @index: of the first one within its role
 * @fds: descriptors; stay the caller's
 * @count: how many; more than MULLION_FD_BATCH go out in several messages
 *
 * Return: 0; -EINVAL; errno of sendmsg() (never SIGPIPE).  After an error
 * some messages may have been sent.
 */
int mullion_fd_send(int socket, unsigned int role, __u64 handle, __u32 index,
		    const int *fds, unsigned int count);

/**
 * mullion_fd_recv() - receive one message
 * @socket: connected socket, blocking or not
 * @message: on success the message, checked: magic, known role, no flags,
 *	count equal to the descriptors that came
 * @fds: on success @message->count descriptors, close-on-exec, the caller's
 *
 * Every descriptor of a message that is refused is closed.
 *
 * Return: 1 for a message; 0 at the end of the stream; -EAGAIN if there is
 * none and the socket does not block; -EPROTO if the message is refused (on a
 * stream nothing after it can be trusted); errno of recvmsg().
 */
int mullion_fd_recv(int socket, struct mullion_fd_message *message,
		    int fds[MULLION_FD_BATCH]);

#endif /* MULLION_CHANNEL_FDMSG_H */
