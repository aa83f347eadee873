/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/pool.h - the allocator of a window's data pool (user space)
 *
 * The guest is the only allocator.  All bookkeeping is in private memory.
 * Each device (a share) is guaranteed what its type asks for; the rest is lent.
 */
#ifndef MULLION_CHANNEL_POOL_H
#define MULLION_CHANNEL_POOL_H

#include <stdint.h>

#define MULLION_POOL_PAGE 4096

struct mullion_pool;
struct mullion_pool_share;

/**
 * mullion_pool_new() - an empty pool of @bytes
 *
 * Return: 0, -EINVAL or -ENOMEM.
 */
int mullion_pool_new(struct mullion_pool **ret, uint64_t bytes);

/**
 * mullion_pool_free() - forget it and all its shares; NULL is harmless
 */
void mullion_pool_free(struct mullion_pool *pool);

/**
 * mullion_pool_share_new() - guarantee @bytes to a new owner
 *
 * Return: 0; -ENOSPC if the guarantee cannot be kept; -ENOMEM.
 */
int mullion_pool_share_new(struct mullion_pool *pool, uint64_t bytes,
			   struct mullion_pool_share **ret);

/**
 * mullion_pool_share_free() - return the guarantee and all areas of a share
 *
 * Only when the server has confirmed the end of the device; NULL is harmless.
 */
void mullion_pool_share_free(struct mullion_pool_share *share);

/**
 * mullion_pool_alloc() - an area, page-aligned
 * @bytes: rounded up to pages
 * @offset: on success its offset in the pool
 *
 * Return: 0; -ENOSPC if it would break another's guarantee, or if no piece is
 * large enough; -EINVAL for 0 bytes; -ENOMEM.
 */
int mullion_pool_alloc(struct mullion_pool_share *share, uint64_t bytes,
		       uint64_t *offset);

/**
 * mullion_pool_release() - give an area back
 *
 * Return: 0; -ENOENT if the share has no area that begins there.
 */
int mullion_pool_release(struct mullion_pool_share *share, uint64_t offset);

#endif /* MULLION_CHANNEL_POOL_H */
