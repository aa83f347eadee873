/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/qemu_args.h - the command line of a QEMU
 */
#ifndef MULLION_COMMAND_QEMU_ARGS_H
#define MULLION_COMMAND_QEMU_ARGS_H

#include "qemu.h"

#define QEMU_SPARE_PORTS	4	/* of q35, for windows that come later */

/**
 * mullion_qemu_args() - build it
 * @path: of the program
 * @monitor_fd, @serial_fds: the child's ends
 *
 * Return: NULL-terminated, for mullion_qemu_args_free(); NULL without memory.
 */
char **mullion_qemu_args(const char *path, const struct mullion_qemu_options *options,
			 int monitor_fd, const int serial_fds[static MULLION_QEMU_SERIALS]);
void mullion_qemu_args_free(char **args);

#endif /* MULLION_COMMAND_QEMU_ARGS_H */
