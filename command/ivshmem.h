/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/ivshmem.h - hand a window to QEMU
 */
#ifndef MULLION_COMMAND_IVSHMEM_H
#define MULLION_COMMAND_IVSHMEM_H

struct mullion_cp_window;

/**
 * mullion_ivshmem_greet() - a connection that already holds the greeting
 * @window: the window; keeps our end in @greeting_fd
 * @ret_fd: QEMU's end, for `-chardev socket,fd=`; owned by the caller,
 *	close-on-exec set
 *
 * The window's memory and all doorbells are in the connection before QEMU
 * reads it, because device_add blocks a guest until the greeting is complete.
 * Our end stays open until mullion_ivshmem_done(): closing it at once loses
 * the guest's interrupts.  A second greeting (QEMU started again) replaces
 * the first.
 *
 * Return: 0 or negative errno; -ENOBUFS when the greeting does not fit.
 */
int mullion_ivshmem_greet(struct mullion_cp_window *window, int *ret_fd);

/**
 * mullion_ivshmem_done() - the guest driver has attached: close our end
 */
void mullion_ivshmem_done(struct mullion_cp_window *window);

#endif /* MULLION_COMMAND_IVSHMEM_H */
