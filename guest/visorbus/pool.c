// SPDX-License-Identifier: GPL-2.0-only
/*
 * pool.c - who has which page of a window's pool
 *
 * DOC: Theory of Operation
 *
 * The guest is the only allocator of a pool; a service checks offsets against
 * the whole of it.  A device gets its guaranteed share as one range of pages
 * when it is created, or is refused.  What no device has a share of is lent to
 * whoever asks.
 *
 * A page that a server may still be writing to must not be given to anybody
 * else.  So areas of a device that has detached return only after the server
 * has confirmed the detach: until then share and areas wait in the window's
 * limbo, which is looked at once a second.  A device that is created again on
 * the same channel takes them over at once, but uses the areas only when its
 * own attach was confirmed, since that ends the I/O of all before it.  Memory of
 * the guest that its server did not give back (memory.c) waits in the same way.
 *
 * Limits: pages of 4096 bytes; one contiguous range for each area.
 */
#include <linux/bitmap.h>
#include <linux/mm.h>
#include <linux/slab.h>

#include "visorbus_private.h"

#define POOL_PAGE_SHIFT	12
#define POOL_PAGE	(1UL << POOL_PAGE_SHIFT)
#define POOL_LIMBO_POLL	HZ

/**
 * struct visor_pool - the pages of a pool area
 * @lock: protects it, and struct visor_pool_user of all devices
 * @map: pages in a share or lent
 * @pages: how many there are
 */
struct visor_pool {
	struct mutex lock;
	unsigned long *map;
	unsigned long pages;
};

/* An area in use: @first counts in the window's pool. */
struct pool_area {
	struct list_head node;
	unsigned long first;
	unsigned long pages;
	bool in_share;
};

/* What a device left behind when its server did not confirm. */
struct pool_limbo {
	struct list_head node;
	struct visorchannel *channel;
	u64 epoch;
	struct visor_pool_user user;
};

static void pool_unuse(struct visor_pool *pool, struct visor_pool_user *user,
		       struct pool_area *area)
{
	if (area->in_share)
		bitmap_clear(user->share_map, area->first - user->share_first,
			     area->pages);
	else
		bitmap_clear(pool->map, area->first, area->pages);
	list_del(&area->node);
	kfree(area);
}

static void pool_unuse_all(struct visor_pool *pool,
			   struct visor_pool_user *user)
{
	struct pool_area *area, *next;

	list_for_each_entry_safe(area, next, &user->areas, node)
		pool_unuse(pool, user, area);
}

static void pool_release(struct visor_pool *pool, struct visor_pool_user *user)
{
	pool_unuse_all(pool, user);
	visor_memory_release(&user->held);
	if (user->share_pages)
		bitmap_clear(pool->map, user->share_first, user->share_pages);
	kvfree(user->share_map);
	user->share_map = NULL;
	user->share_pages = 0;
}

static void pool_limbo_free(struct pool_limbo *limbo)
{
	visorchannel_close(limbo->channel);
	list_del(&limbo->node);
	kfree(limbo);
}

/* Give back what has been confirmed, or all of it. */
static void pool_limbo_sweep(struct visor_window *window, bool all)
{
	struct pool_limbo *limbo, *next;

	list_for_each_entry_safe(limbo, next, &window->limbo, node) {
		bool ended = visorchannel_ended(limbo->channel, limbo->epoch);

		if (!ended && !all)
			continue;
		/* A window that has gone has ended nothing. */
		if (!ended ||
		    visorchannel_poll(limbo->channel) == VISOR_ATTACH_GONE)
			visor_memory_lose(window, &limbo->user.held);
		pool_release(window->pool, &limbo->user);
		pool_limbo_free(limbo);
	}
}

/* Take over what an earlier device on the same channel left in limbo. */
static bool pool_limbo_take(struct visor_window *window, u64 addr,
			    struct visor_pool_user *user, unsigned long pages)
{
	struct pool_limbo *limbo;

	list_for_each_entry(limbo, &window->limbo, node) {
		if (limbo->channel->addr != addr ||
		    limbo->user.share_pages != pages)
			continue;
		*user = limbo->user;
		INIT_LIST_HEAD(&user->areas);
		list_splice(&limbo->user.areas, &user->areas);
		INIT_LIST_HEAD(&user->held);
		list_splice(&limbo->user.held, &user->held);
		pool_limbo_free(limbo);
		return true;
	}
	return false;
}

/*
 * A server that came after a device had left does not know of it: tell it,
 * unless another device has the channel now, whose attach says the same.
 */
static void pool_limbo_remind(struct visor_window *window,
			      struct pool_limbo *limbo)
{
	struct visor_device_private *priv;

	/* Devices are in that list before they attach for the first time. */
	spin_lock_irq(&window->devices_lock);
	list_for_each_entry(priv, &window->devices, window_node)
		if (visorchannel_overlaps(priv->dev->visorchannel,
					  limbo->channel))
			goto out;
	if (visorchannel_poll(limbo->channel) == VISOR_ATTACH_OUTDATED) {
		visorchannel_raise_detached(limbo->channel);
		limbo->epoch = limbo->channel->epoch;
	}
out:
	spin_unlock_irq(&window->devices_lock);
}

static void pool_limbo_work(struct work_struct *work)
{
	struct pool_limbo *limbo;
	struct visor_window *window = container_of(to_delayed_work(work),
						   struct visor_window,
						   limbo_work);

	mutex_lock(&window->pool->lock);
	list_for_each_entry(limbo, &window->limbo, node)
		pool_limbo_remind(window, limbo);
	pool_limbo_sweep(window, false);
	if (!list_empty(&window->limbo))
		queue_delayed_work(visorbus_wq, &window->limbo_work,
				   POOL_LIMBO_POLL);
	mutex_unlock(&window->pool->lock);
}

/**
 * visor_pool_create() - start to account for a window's pool
 * @window: with @pool_area, which may be empty
 *
 * Return: 0 or -ENOMEM.
 */
int visor_pool_create(struct visor_window *window)
{
	struct visor_pool *pool = kzalloc(sizeof(*pool), GFP_KERNEL);

	if (!pool)
		return -ENOMEM;
	pool->pages = window->pool_area.bytes >> POOL_PAGE_SHIFT;
	pool->map = kvcalloc(BITS_TO_LONGS(pool->pages) + 1,
			     sizeof(*pool->map), GFP_KERNEL);
	if (!pool->map) {
		kfree(pool);
		return -ENOMEM;
	}
	mutex_init(&pool->lock);
	INIT_LIST_HEAD(&window->limbo);
	INIT_DELAYED_WORK(&window->limbo_work, pool_limbo_work);
	window->pool = pool;
	return 0;
}

/**
 * visor_pool_destroy() - stop; no device is left in the window
 * @window: the window
 *
 * What is in limbo goes too: the memory itself goes.
 */
void visor_pool_destroy(struct visor_window *window)
{
	cancel_delayed_work_sync(&window->limbo_work);
	pool_limbo_sweep(window, true);
	kvfree(window->pool->map);
	kfree(window->pool);
	window->pool = NULL;
}

/* First of @pages free pages in @map, or @size. */
static unsigned long pool_find(unsigned long *map, unsigned long size,
			       unsigned long pages)
{
	if (!pages || pages > size || pages > INT_MAX)
		return size;
	return min(bitmap_find_next_zero_area(map, size, 0, pages, 0), size);
}

/**
 * visor_pool_reserve() - give a new device its guaranteed share
 * @dev: with its channel and pool_share, which may be any number
 *
 * Return: 0; 1 if it has taken over areas that may still be in use until its
 * attach is confirmed; -ENOSPC if there is no room; -ENOMEM.
 */
int visor_pool_reserve(struct visor_device *dev)
{
	struct visor_window *window = dev->visorchannel->window;
	struct visor_pool_user *user = &dev->priv->pool;
	struct visor_pool *pool = window->pool;
	unsigned long first, pages, *share_map;
	bool taken;

	if (!dev->pool_share)
		return 0;
	if (dev->pool_share > window->pool_area.bytes)
		return -ENOSPC;
	pages = DIV_ROUND_UP_ULL(dev->pool_share, POOL_PAGE);
	share_map = kvcalloc(BITS_TO_LONGS(pages), sizeof(*share_map),
			     GFP_KERNEL);
	if (!share_map)
		return -ENOMEM;
	mutex_lock(&pool->lock);
	pool_limbo_sweep(window, false);
	taken = pool_limbo_take(window, dev->visorchannel->addr, user, pages);
	first = taken ? pool->pages : pool_find(pool->map, pool->pages, pages);
	if (first < pool->pages) {
		bitmap_set(pool->map, first, pages);
		user->share_first = first;
		user->share_pages = pages;
		user->share_map = share_map;
		share_map = NULL;
	}
	mutex_unlock(&pool->lock);
	kvfree(share_map);
	if (taken)
		return 1;
	return user->share_pages ? 0 : -ENOSPC;
}

void *visorbus_pool_alloc(struct visor_device *dev, size_t bytes, u64 *offset)
{
	struct visor_pool_user *user = &dev->priv->pool;
	struct visor_window *window = dev->visorchannel->window;
	struct visor_pool *pool = window->pool;
	unsigned long pages = DIV_ROUND_UP(bytes, POOL_PAGE);
	unsigned long first;
	struct pool_area *area;

	area = kzalloc(sizeof(*area), GFP_KERNEL);
	if (!area)
		return NULL;
	area->pages = pages;
	mutex_lock(&pool->lock);
	first = pool_find(user->share_map, user->share_pages, pages);
	if (first < user->share_pages) {
		bitmap_set(user->share_map, first, pages);
		area->first = user->share_first + first;
		area->in_share = true;
	} else {
		first = pool_find(pool->map, pool->pages, pages);
		if (first >= pool->pages)
			goto full;
		bitmap_set(pool->map, first, pages);
		area->first = first;
	}
	list_add(&area->node, &user->areas);
	mutex_unlock(&pool->lock);
	*offset = (u64)area->first << POOL_PAGE_SHIFT;
	return (u8 *)window->base + window->pool_area.offset + *offset;

full:
	mutex_unlock(&pool->lock);
	kfree(area);
	return NULL;
}
EXPORT_SYMBOL_GPL(visorbus_pool_alloc);

void visorbus_pool_free(struct visor_device *dev, void *addr)
{
	struct visor_window *window = dev->visorchannel->window;
	struct visor_pool_user *user = &dev->priv->pool;
	struct pool_area *area;
	u64 offset;

	if (!addr)
		return;
	offset = (u8 *)addr - ((u8 *)window->base + window->pool_area.offset);
	mutex_lock(&window->pool->lock);
	list_for_each_entry(area, &user->areas, node) {
		if ((u64)area->first << POOL_PAGE_SHIFT != offset)
			continue;
		pool_unuse(window->pool, user, area);
		break;
	}
	mutex_unlock(&window->pool->lock);
}
EXPORT_SYMBOL_GPL(visorbus_pool_free);

/**
 * visor_pool_free_areas() - the server has confirmed: nothing is in use
 * @window: the window
 * @user: keeps its share
 */
void visor_pool_free_areas(struct visor_window *window,
			   struct visor_pool_user *user)
{
	mutex_lock(&window->pool->lock);
	pool_unuse_all(window->pool, user);
	visor_memory_release(&user->held);
	mutex_unlock(&window->pool->lock);
}

/**
 * visor_pool_release() - a device has ended, confirmed or never attached
 * @window: the window
 * @user: loses its share too
 */
void visor_pool_release(struct visor_window *window,
			struct visor_pool_user *user)
{
	mutex_lock(&window->pool->lock);
	pool_release(window->pool, user);
	mutex_unlock(&window->pool->lock);
}

/**
 * visor_pool_limbo() - a device has ended and the server did not confirm
 * @dev: its areas, share and channel move to the window's limbo
 *
 * If memory is short they are lost until the window goes: that is safe.
 */
void visor_pool_limbo(struct visor_device *dev)
{
	struct visor_window *window = dev->visorchannel->window;
	struct visor_pool_user *user = &dev->priv->pool;
	struct pool_area *area, *next;
	struct pool_limbo *limbo;

	limbo = kzalloc(sizeof(*limbo), GFP_KERNEL);
	mutex_lock(&window->pool->lock);
	if (limbo) {
		limbo->channel = dev->visorchannel;
		/* Never raised: only a successor's attach can end it. */
		limbo->epoch = limbo->channel->epoch ?: S64_MAX;
		limbo->user = *user;
		INIT_LIST_HEAD(&limbo->user.areas);
		list_splice_init(&user->areas, &limbo->user.areas);
		INIT_LIST_HEAD(&limbo->user.held);
		list_splice_init(&user->held, &limbo->user.held);
		list_add(&limbo->node, &window->limbo);
		queue_delayed_work(visorbus_wq, &window->limbo_work,
				   POOL_LIMBO_POLL);
		dev->visorchannel = NULL;
	} else {
		list_for_each_entry_safe(area, next, &user->areas, node)
			kfree(area);
		INIT_LIST_HEAD(&user->areas);
		kvfree(user->share_map);
		visor_memory_lose(window, &user->held);
	}
	mutex_unlock(&window->pool->lock);
	user->share_map = NULL;
	user->share_pages = 0;
}
