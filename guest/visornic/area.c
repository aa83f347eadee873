// SPDX-License-Identifier: GPL-2.0-only
/*
 * area.c - the memory that the service sees, and how the pairs share it
 *
 * All of it is taken at probe.  Each pair in use gets the same: a quarter for
 * transmit, rounded down to a power of two, so that places in it are counted
 * without end and masked, and the rest in receive buffers.
 *
 * With guest-physical addresses there is no such memory: each receive buffer is a
 * page that is found when it is posted (rx.c).  What the service has not given back
 * in the end is left to the bus.
 */
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "visornic.h"

/* If the channel does not say what is guaranteed. */
#define AREA_SHARE	SZ_2M
#define AREA_MAX	SZ_64M
#define AREA_TX_MAX	SZ_1M

/* The least that one pair can work with. */
static u32 area_tx_min(const struct visornic *nic)
{
	return roundup_pow_of_two(ALIGN(nic->frame_max, VISORNIC_FRAME_ALIGN));
}

static size_t area_pair_min(const struct visornic *nic)
{
	return area_tx_min(nic) + VISORNIC_BUFFERS_MIN * VISORNIC_BUFFER_BYTES;
}

static int area_init_queue(struct visornic *nic, struct visornic_queue *q)
{
	q->frames = kvcalloc(VISORNIC_FRAMES, sizeof(*q->frames), GFP_KERNEL);
	q->buffers = kvcalloc(nic->rx_limit, sizeof(*q->buffers), GFP_KERNEL);
	q->free = kvcalloc(nic->rx_limit, sizeof(*q->free), GFP_KERNEL);
	q->message = kzalloc(sizeof(*q->message), GFP_KERNEL);
	return q->frames && q->buffers && q->free && q->message ? 0 : -ENOMEM;
}

/**
 * visornic_area_init() - take memory for all pairs, and what describes it
 * @nic: the interface, with its dialect and limits known
 *
 * What was taken is left to visornic_area_exit(), also after an error.
 *
 * Return: 0, -ENOSPC if the pool has no room, -ENOMEM.
 */
int visornic_area_init(struct visornic *nic)
{
	u64 bytes = nic->dev->pool_share ? nic->dev->pool_share : AREA_SHARE;
	unsigned int i;
	int rc;

	for (i = 0; i < nic->queue_count; i++) {
		rc = area_init_queue(nic, &nic->queues[i]);
		if (rc)
			return rc;
	}
	if (nic->physical)
		return 0;
	if (!nic->batch)
		bytes = (u64)nic->rx_limit * VISORNIC_BUFFER_BYTES +
			max_t(u32, SZ_256K, area_tx_min(nic));
	bytes = PAGE_ALIGN(clamp_t(u64, bytes, area_pair_min(nic), AREA_MAX));
	while (!(nic->area = visorbus_pool_alloc(nic->dev, bytes,
						 &nic->area_address))) {
		bytes = PAGE_ALIGN(bytes / 2);
		if (bytes < area_pair_min(nic))
			return -ENOSPC;
	}
	nic->area_bytes = bytes;
	return 0;
}

/**
 * visornic_area_divide() - give each pair in use its part
 * @nic: the interface; the service has nothing of the area
 * @pairs: pairs to use, at least 1; fewer if there is too little for them
 *
 * Return: how many pairs can be used.
 */
int visornic_area_divide(struct visornic *nic, unsigned int pairs)
{
	size_t part, tx;
	unsigned int i;

	if (nic->physical) {
		nic->rx_max = nic->rx_limit;
		nic->rx_count = min(nic->rx_max, nic->rx_wanted);
		nic->pairs = pairs;
		return pairs;
	}
	while (pairs > 1 && nic->area_bytes / pairs < area_pair_min(nic))
		pairs--;
	part = round_down(nic->area_bytes / pairs, PAGE_SIZE);
	tx = clamp_t(size_t, rounddown_pow_of_two(part / 4), area_tx_min(nic),
		     max_t(size_t, AREA_TX_MAX, area_tx_min(nic)));
	nic->rx_max = min_t(size_t, nic->rx_limit,
			    (part - tx) / VISORNIC_BUFFER_BYTES);
	nic->rx_count = min(nic->rx_max, nic->rx_wanted);
	for (i = 0; i < pairs; i++) {
		struct visornic_queue *q = &nic->queues[i];

		q->tx_area = nic->area + i * part;
		q->tx_address = nic->area_address + i * part;
		q->tx_bytes = tx;
		q->rx_area = q->tx_area + tx;
		q->rx_address = q->tx_address + tx;
	}
	nic->pairs = pairs;
	return pairs;
}

static void area_drop_page(struct visornic *nic, struct visornic_buffer *buffer)
{
	struct page *page = buffer->page;

	if (!page)
		return;
	buffer->page = NULL;
	visorbus_unmap_page(nic->dev, buffer->address, VISORNIC_BUFFER_BYTES,
			    DMA_FROM_DEVICE);
	if (buffer->posted && nic->unsettled)
		visorbus_hold_page(nic->dev, page);
	else
		put_page(page);
}

/**
 * visornic_area_exit() - free it all
 * @nic: the interface, without NAPI and interrupts
 *
 * Memory of the pool returns when the bus has detached.
 */
void visornic_area_exit(struct visornic *nic)
{
	unsigned int i, j;

	for (i = 0; i < nic->queue_count; i++) {
		struct visornic_queue *q = &nic->queues[i];

		for (j = 0; q->buffers && j < nic->rx_limit; j++)
			area_drop_page(nic, &q->buffers[j]);
		kvfree(q->frames);
		kvfree(q->buffers);
		kvfree(q->free);
		kfree(q->message);
		if (q->frag.page)
			put_page(q->frag.page);
	}
}
