/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/host.h - what this machine has for guests: QEMU and KVM
 *
 * Shared by mulliond, which uses them, and `mullion doctor', which explains.
 */
#ifndef MULLION_COMMAND_HOST_H
#define MULLION_COMMAND_HOST_H

#include <limits.h>

#define MULLION_HOST_WHY	160

/* How far an attempt to run a guest with KVM got. */
enum mullion_kvm {
	MULLION_KVM_USABLE,
	MULLION_KVM_NO_FLAG,	/* the processor does not offer it */
	MULLION_KVM_NO_DEVICE,	/* /dev/kvm cannot be opened */
	MULLION_KVM_STRANGE,	/* /dev/kvm is something else */
	MULLION_KVM_NO_VM,
	MULLION_KVM_NO_MEMORY,
	MULLION_KVM_NO_VCPU,
	MULLION_KVM_NO_ENTRY,
	MULLION_KVM_HANGS,
};

/**
 * mullion_host_qemu() - the QEMU that is used
 *
 * $MULLION_QEMU, else qemu-system-x86_64 in the usual folders.  Return: 0, or
 * -ENOENT when it cannot be executed; @out then holds what was looked for.
 */
int mullion_host_qemu(char out[static PATH_MAX]);

/**
 * mullion_host_qemu_version() - which version a QEMU says it has
 * @qemu: path
 *
 * It is asked, which takes some 20 ms; one that does not answer is given up after
 * two seconds.
 *
 * Return: 0 and both numbers; -ENOENT if it cannot be executed, -ETIMEDOUT, or
 * -EPROTO if it says something else.
 */
int mullion_host_qemu_version(const char *qemu, int *ret_major, int *ret_minor);

/**
 * mullion_host_kvm() - can KVM run a guest here?
 * @why: why not, in plain words; empty if it can
 * @ret_error: negative errno of MULLION_KVM_NO_DEVICE; may be NULL
 *
 * A virtual CPU is made to run one instruction, in a child with a deadline of two
 * seconds.  That takes less than a millisecond where it works.
 */
enum mullion_kvm mullion_host_kvm(char why[static MULLION_HOST_WHY], int *ret_error);

#endif /* MULLION_COMMAND_HOST_H */
