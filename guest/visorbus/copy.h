/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * copy.h - the copy between memory and pool that suits the machine
 */
#ifndef MULLION_VISORBUS_COPY_H
#define MULLION_VISORBUS_COPY_H

#include <linux/jump_label.h>
#include <linux/string.h>

DECLARE_STATIC_KEY_FALSE(visorbus_copy_by_words);

void visorbus_copy_words(void *dst, const void *src, size_t bytes);

/* for the bus itself, when it is loaded */
void visorbus_copy_init(void);

/**
 * visorbus_copy() - copy between private memory and a window
 * @dst: destination
 * @src: source, no overlap
 * @bytes: any number
 *
 * Context: any.
 */
static inline void visorbus_copy(void *dst, const void *src, size_t bytes)
{
	if (static_branch_unlikely(&visorbus_copy_by_words))
		visorbus_copy_words(dst, src, bytes);
	else
		memcpy(dst, src, bytes);
}

#endif /* MULLION_VISORBUS_COPY_H */
