/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/qmp.h - asynchronous client of QEMU's monitor
 */
#ifndef MULLION_COMMAND_QMP_H
#define MULLION_COMMAND_QMP_H

#include <jansson.h>
#include <systemd/sd-event.h>

struct mullion_qmp;

/**
 * struct mullion_qmp_handler - whom to tell
 * @ready: QEMU has started and takes commands; its version as text
 * @event: an event; @data may be NULL; @usec: when, by the host's clock
 * @closed: the monitor's end; @error is 0 at end of file, else negative errno.
 *	Called once; every command that was under way has been told -ECONNRESET
 */
struct mullion_qmp_handler {
	void (*ready)(void *arg, const char *version);
	void (*event)(void *arg, const char *name, json_t *data, uint64_t usec);
	void (*closed)(void *arg, int error);
};

/**
 * typedef mullion_qmp_done - the answer to a command
 * @error: 0; -EREMOTEIO when QEMU refused; -ECONNRESET when it is gone
 * @result: the return value, or QEMU's error object; borrowed
 */
typedef void mullion_qmp_done(void *arg, int error, json_t *result);

/**
 * mullion_qmp_new() - speak on a connected stream socket
 * @fd: non-blocking; owned by the client from now on, also on failure
 *
 * Return: 0 or negative errno.
 */
int mullion_qmp_new(sd_event *event, int fd, const struct mullion_qmp_handler *handler,
		    void *arg, struct mullion_qmp **ret);

/**
 * mullion_qmp_free() - close the connection; commands under way are told -ECONNRESET
 * @qmp: NULL is fine
 */
void mullion_qmp_free(struct mullion_qmp *qmp);

/**
 * mullion_qmp_execute() - send a command when the monitor is ready for it
 * @command: its name
 * @arguments: its arguments; the reference is taken; NULL: none
 * @fd: a descriptor to go with it (getfd), duplicated here; -1: none
 * @done: called exactly once; may be NULL
 *
 * Never blocks: what the socket does not take at once is kept.  Return: 0 or
 * negative errno, then @done is not called.
 */
int mullion_qmp_execute(struct mullion_qmp *qmp, const char *command, json_t *arguments,
			int fd, mullion_qmp_done *done, void *arg);

/**
 * mullion_qmp_error_text() - the description in QEMU's error object
 */
const char *mullion_qmp_error_text(json_t *error);

#endif /* MULLION_COMMAND_QMP_H */
