// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/pool.c - the allocator of a window's data pool
 *
 * First fit in a list of areas sorted by offset.  Devices allocate when they
 * start and hardly ever afterwards, so the list is short and walked.
 *
 * Limits: a guarantee is one of bytes, not of one piece: areas of other sizes
 * that come and go may leave no piece large enough.
 */
#include "pool.h"

#include <errno.h>
#include <stdlib.h>

struct pool_area {
	uint64_t offset;
	uint64_t bytes;
	struct mullion_pool_share *share;
	struct pool_area *next;
};

struct mullion_pool_share {
	struct mullion_pool *pool;
	uint64_t guaranteed;
	uint64_t used;
	struct mullion_pool_share *next;
};

struct mullion_pool {
	uint64_t bytes;
	uint64_t used;
	struct pool_area *areas;
	struct mullion_pool_share *shares;
};

int mullion_pool_new(struct mullion_pool **ret, uint64_t bytes)
{
	struct mullion_pool *pool;

	if (!bytes || bytes % MULLION_POOL_PAGE)
		return -EINVAL;
	pool = calloc(1, sizeof(*pool));
	if (!pool)
		return -ENOMEM;
	pool->bytes = bytes;
	*ret = pool;
	return 0;
}

void mullion_pool_free(struct mullion_pool *pool)
{
	if (!pool)
		return;
	while (pool->shares)
		mullion_pool_share_free(pool->shares);
	free(pool);
}

/* Bytes that are promised to shares other than @except and not in use. */
static uint64_t pool_owed(const struct mullion_pool *pool,
			  const struct mullion_pool_share *except)
{
	const struct mullion_pool_share *share;
	uint64_t owed = 0;

	for (share = pool->shares; share; share = share->next) {
		if (share != except && share->guaranteed > share->used)
			owed += share->guaranteed - share->used;
	}
	return owed;
}

static uint64_t pool_round(uint64_t bytes)
{
	return (bytes + MULLION_POOL_PAGE - 1) & ~(uint64_t)(MULLION_POOL_PAGE - 1);
}

int mullion_pool_share_new(struct mullion_pool *pool, uint64_t bytes,
			   struct mullion_pool_share **ret)
{
	struct mullion_pool_share *share;
	uint64_t free_bytes = pool->bytes - pool->used - pool_owed(pool, NULL);

	if (bytes > free_bytes || pool_round(bytes) > free_bytes)
		return -ENOSPC;
	share = calloc(1, sizeof(*share));
	if (!share)
		return -ENOMEM;
	share->pool = pool;
	share->guaranteed = pool_round(bytes);
	share->next = pool->shares;
	pool->shares = share;
	*ret = share;
	return 0;
}

void mullion_pool_share_free(struct mullion_pool_share *share)
{
	struct mullion_pool_share **link;
	struct mullion_pool *pool;
	struct pool_area **at;

	if (!share)
		return;
	pool = share->pool;
	at = &pool->areas;
	while (*at) {
		struct pool_area *area = *at;

		if (area->share != share) {
			at = &area->next;
			continue;
		}
		pool->used -= area->bytes;
		*at = area->next;
		free(area);
	}
	for (link = &pool->shares; *link != share; link = &(*link)->next)
		;
	*link = share->next;
	free(share);
}

int mullion_pool_alloc(struct mullion_pool_share *share, uint64_t bytes,
		       uint64_t *offset)
{
	struct mullion_pool *pool = share->pool;
	struct pool_area **at = &pool->areas;
	struct pool_area *area;
	uint64_t begin = 0;

	if (!bytes)
		return -EINVAL;
	if (bytes > pool->bytes)
		return -ENOSPC;
	bytes = pool_round(bytes);
	if (bytes > pool->bytes - pool->used - pool_owed(pool, share))
		return -ENOSPC;
	while (*at && (*at)->offset - begin < bytes) {
		begin = (*at)->offset + (*at)->bytes;
		at = &(*at)->next;
	}
	if (!*at && pool->bytes - begin < bytes)
		return -ENOSPC;
	area = malloc(sizeof(*area));
	if (!area)
		return -ENOMEM;
	area->offset = begin;
	area->bytes = bytes;
	area->share = share;
	area->next = *at;
	*at = area;
	pool->used += bytes;
	share->used += bytes;
	*offset = begin;
	return 0;
}

int mullion_pool_release(struct mullion_pool_share *share, uint64_t offset)
{
	struct pool_area **at;

	for (at = &share->pool->areas; *at; at = &(*at)->next) {
		struct pool_area *area = *at;

		if (area->offset != offset || area->share != share)
			continue;
		share->pool->used -= area->bytes;
		share->used -= area->bytes;
		*at = area->next;
		free(area);
		return 0;
	}
	return -ENOENT;
}
