/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/guard.h - mapped memory whose file may become shorter (user space)
 */
#ifndef MULLION_CHANNEL_GUARD_H
#define MULLION_CHANNEL_GUARD_H

#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/**
 * struct mullion_guard - one mapping that is watched
 * @base: of the mapping, a multiple of @unit
 * @bytes: of it, a multiple of @unit
 * @unit: bytes that can be replaced at a time, see mullion_guard_unit()
 * @lost: memory has been touched that was not there
 */
struct mullion_guard {
	uint8_t *base;
	uint64_t bytes;
	uint64_t unit;
	volatile sig_atomic_t lost;
	struct mullion_guard *next;
};

/**
 * mullion_guard_init() - take the signals that touching lost memory raises
 *
 * Once per process.  Return: 0 or negative errno.
 */
int mullion_guard_init(void);

/**
 * mullion_guard_add() - watch a mapping
 * @guard: filled in by the caller, who keeps it in place until it is removed
 */
void mullion_guard_add(struct mullion_guard *guard);

/**
 * mullion_guard_remove() - watch it no more; nothing if it is not watched
 */
void mullion_guard_remove(struct mullion_guard *guard);

/**
 * mullion_guard_unit() - what a file's mappings can be replaced by
 *
 * Return: a power of two of at least 4096; of a file made of huge pages, their
 * size.
 */
uint64_t mullion_guard_unit(int fd);

#endif /* MULLION_CHANNEL_GUARD_H */
