/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/console.h - a serial line of a guest and the clients attached to it
 */
#ifndef MULLION_COMMAND_CONSOLE_H
#define MULLION_COMMAND_CONSOLE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

#include "stream.h"

struct mullion_console;

/**
 * struct mullion_console_options - what kind of line it is
 * @keep: bytes of history; a power of two
 * @lossless: one client at a time; nothing is dropped: while the client does not
 *	read, and @keep bytes wait, the guest's writes wait too.  Otherwise any
 *	number of clients; one that does not read misses the oldest bytes
 * @paced: what clients type waits until mullion_console_allow() lets it pass
 * @log_fd: everything is written there as well; owned by the console; -1: none
 * @log_full: the log has more than MULLION_LOG_FILE_BYTES and was closed; gives
 *	the next one, or negative errno; NULL: the log may grow without end
 * @output: told of what the guest wrote, after it was kept; may be NULL
 * @gone: a client with @owner set has broken its connection; may be NULL
 * @input_end: of a paced line: a client has ended its input, all of which the
 *	guest was sent: @bytes since the line was made; may be NULL
 */
struct mullion_console_options {
	uint32_t keep;
	bool lossless;
	bool paced;
	int log_fd;
	int (*log_full)(void *arg);
	void (*output)(void *arg, const char *data, size_t bytes);
	void (*gone)(void *arg);
	void (*input_end)(void *arg, uint64_t bytes);
	void *arg;
};

/**
 * mullion_console_new() - take over a serial line
 * @fd: our end, a non-blocking stream socket; owned from now on, also on failure
 *
 * Return: 0 or negative errno.
 */
int mullion_console_new(sd_event *event, int fd, const struct mullion_console_options *options,
			struct mullion_console **ret);

/**
 * mullion_console_attach() - give a client the line
 * @stream: taken over, also on failure
 * @history: begin with what is kept; a lossless line always does
 * @owner: the guest shall not outlive this client
 *
 * Return: 0, -EBUSY when a lossless line has a client, or -ENOMEM.
 */
int mullion_console_attach(struct mullion_console *console, struct mullion_stream *stream,
			   bool history, bool owner);

/**
 * mullion_console_busy() - would attaching fail with -EBUSY?
 */
bool mullion_console_busy(const struct mullion_console *console);

/**
 * mullion_console_allow() - let more of a paced line's input pass
 * @taken: bytes that the guest says it has read; its word is not believed
 *	beyond what it was sent
 *
 * The guest is sent no more than 16 KiB that it has not read.
 */
void mullion_console_allow(struct mullion_console *console, uint64_t taken);

/**
 * mullion_console_end() - the guest has ended
 *
 * What it still wrote is read; each client is closed when it has read
 * everything.  A client that comes later gets the history and is closed.
 */
void mullion_console_end(struct mullion_console *console);

/**
 * mullion_console_note() - write a line of the daemon's into the log file
 */
void mullion_console_note(struct mullion_console *console, const char *line);

uint64_t mullion_console_bytes(const struct mullion_console *console);
unsigned int mullion_console_clients(const struct mullion_console *console);

/**
 * mullion_console_release() - nobody but its clients needs it any more
 * @console: NULL is fine; implies mullion_console_end()
 *
 * It calls nobody from now on and goes when the last client has gone.  Returns NULL.
 */
struct mullion_console *mullion_console_release(struct mullion_console *console);

#endif /* MULLION_COMMAND_CONSOLE_H */
