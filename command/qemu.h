/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/qemu.h - a QEMU process
 */
#ifndef MULLION_COMMAND_QEMU_H
#define MULLION_COMMAND_QEMU_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <systemd/sd-event.h>

#include "boot.h"
#include "definition.h"
#include "error.h"
#include "ram.h"

#define MULLION_QEMU_WINDOWS_MAX	16
#define MULLION_QEMU_SERIALS		3

struct mullion_qemu;

/**
 * struct mullion_qemu_window - one window at the start
 * @fd: QEMU's end of the greeted connection; owned by the caller
 * @vectors: doorbells
 * @size: bytes
 */
struct mullion_qemu_window {
	int fd;
	uint32_t vectors;
	uint64_t size;
};

/**
 * struct mullion_qemu_options - what to start
 * @definition, @boot: of the guest
 * @uuid: text
 * @kvm: use KVM instead of TCG
 * @one_thread: TCG runs all CPUs of the guest in turn
 * @ram: of the guest, where services see it; NULL: QEMU's own
 * @windows, @window_count: in the order in which the guest finds them
 */
struct mullion_qemu_options {
	const struct mullion_definition *definition;
	const struct mullion_boot *boot;
	const char *uuid;
	bool kvm;
	bool one_thread;
	const struct mullion_cp_ram *ram;
	struct mullion_qemu_window windows[MULLION_QEMU_WINDOWS_MAX];
	unsigned int window_count;
};

/**
 * struct mullion_qemu_handler - what happens to it
 * @started: the monitor answers
 * @event: an event of the monitor's; @data may be NULL; @usec: when, by the host's clock
 * @line: a line on standard error
 * @exited: it is gone, and reaped; @code as waitid() has it (CLD_EXITED, ...)
 *
 * Only @exited may free it.
 */
struct mullion_qemu_handler {
	void (*started)(void *arg, const char *version);
	void (*event)(void *arg, const char *name, json_t *data, uint64_t usec);
	void (*line)(void *arg, const char *line);
	void (*exited)(void *arg, int code, int status);
};

/**
 * mullion_qemu_start() - start one
 * @ret_serials: our ends of its serial lines, non-blocking, owned by the caller
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_qemu_start(sd_event *event, const struct mullion_qemu_options *options,
		       const struct mullion_qemu_handler *handler, void *arg,
		       struct mullion_qemu **ret, int ret_serials[static MULLION_QEMU_SERIALS],
		       struct mullion_error *err);

/**
 * mullion_qemu_powerdown() - press the guest's power button
 */
int mullion_qemu_powerdown(struct mullion_qemu *qemu);

/**
 * mullion_qemu_kill() - end it at once; exited() follows
 */
void mullion_qemu_kill(struct mullion_qemu *qemu);

/**
 * typedef mullion_qemu_plugged - a window was plugged, or not
 * @error: 0 or negative errno; @text says why in QEMU's words
 */
typedef void mullion_qemu_plugged(void *arg, unsigned int index, int error, const char *text);

/**
 * mullion_qemu_plug() - plug a further window into the running guest
 * @index: of the window, names the device
 * @window: its connection already holds the whole greeting; the descriptor stays
 *	the caller's
 * @done: called once
 *
 * Return: 0 or negative errno, then @done is not called.
 */
int mullion_qemu_plug(struct mullion_qemu *qemu, unsigned int index,
		      const struct mullion_qemu_window *window, mullion_qemu_plugged *done,
		      void *arg);

/**
 * mullion_qemu_unplug() - take a window from the running guest
 * @done: called once: the guest has let it go, or QEMU refuses; never if the guest
 *	does not react
 *
 * Return: 0 or negative errno, then @done is not called.
 */
int mullion_qemu_unplug(struct mullion_qemu *qemu, unsigned int index,
			mullion_qemu_plugged *done, void *arg);

pid_t mullion_qemu_pid(const struct mullion_qemu *qemu);

/**
 * mullion_qemu_free() - forget it; one that still runs is killed and waited for
 * @qemu: NULL is fine; returns NULL
 */
struct mullion_qemu *mullion_qemu_free(struct mullion_qemu *qemu);

#endif /* MULLION_COMMAND_QEMU_H */
