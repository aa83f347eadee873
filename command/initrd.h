/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/initrd.h - an initrd with a few more files in it
 */
#ifndef MULLION_COMMAND_INITRD_H
#define MULLION_COMMAND_INITRD_H

#include <stddef.h>

/**
 * mullion_initrd_with_command() - a copy of an initrd plus /mullion/command
 * @initrd: path of the initrd; NULL: start from nothing
 * @argv: NULL-terminated, becomes the file's NUL-terminated strings
 *
 * The kernel unpacks concatenated archives one after the other, so nothing of
 * the initrd has to be understood.  Return: a memfd (close-on-exec, owned by
 * the caller), or negative errno.
 */
int mullion_initrd_with_command(const char *initrd, char *const *argv);

#endif /* MULLION_COMMAND_INITRD_H */
