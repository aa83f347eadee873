// SPDX-License-Identifier: GPL-2.0-only
/*
 * area.c - where the data of a command lies in the pool
 *
 * DOC: Theory of Operation
 *
 * The host takes one stretch of the pool at probe and keeps it.  Its first
 * part is one small area per tag: a command that fits (VISORHBA_OWN_BYTES)
 * uses its tag's and shares nothing with anybody.  The rest are pieces of
 * VISORHBA_PIECE_BYTES, on a stack; a larger command takes as many as it
 * needs.  So 8 MiB are enough for 128 small requests or 6 of a megabyte, and
 * what was used last, and is still in a cache, is used next.
 *
 * Limits: a request has at most MAX_PHYS_INFO pieces; neighbours become one
 * entry of its list.
 *
 * Failure behaviour: with too few pieces free a command is sent back to
 * blk-mq, which asks again when another one has ended; one has, since somebody
 * holds the pieces.
 */
#include <linux/log2.h>
#include <linux/scatterlist.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "visorhba.h"

/* Less is not worth a host: four tags, three pieces. */
#define AREA_POOL_MIN	SZ_256K
#define AREA_POOL_MAX	SZ_64M
/* If the channel does not say what is guaranteed. */
#define AREA_SHARE	SZ_8M

/**
 * visorhba_areas_init() - take a stretch of the pool and divide it
 * @hba: the host, attached
 * @tags: tags that could be used
 * @max_io: bytes of the largest request that the service takes
 *
 * Sets the number of tags and the size of requests, as large as the pool
 * allows.  What the pool lends beyond the guaranteed share is taken as well,
 * up to four times that.
 *
 * Return: 0, -ENOSPC, -ENOMEM.
 */
int visorhba_areas_init(struct visorhba *hba, u32 tags, u32 max_io)
{
	u64 share = hba->dev->pool_share ? hba->dev->pool_share : AREA_SHARE;
	u64 wanted = (u64)tags * (VISORHBA_OWN_BYTES + max_io);
	u64 bytes = clamp_t(u64, share, AREA_POOL_MIN, AREA_POOL_MAX / 4) * 4;
	u32 i;

	if (!tags)
		return -ENOSPC;
	bytes = min(bytes, max_t(u64, round_up(wanted, SZ_64K), AREA_POOL_MIN));
	for (;;) {
		hba->area = visorbus_pool_alloc(hba->dev, bytes,
						&hba->area_offset);
		if (hba->area)
			break;
		bytes = round_down(bytes / 2, PAGE_SIZE);
		if (bytes < AREA_POOL_MIN)
			return -ENOSPC;
	}
	hba->tags = min_t(u64, tags, bytes / 4 / VISORHBA_OWN_BYTES);
	hba->own_bytes = hba->tags * VISORHBA_OWN_BYTES;
	hba->piece_count = (bytes - hba->own_bytes) / VISORHBA_PIECE_BYTES;
	hba->max_io = min3(max_io, hba->piece_count * VISORHBA_PIECE_BYTES,
			   MAX_PHYS_INFO * VISORHBA_PIECE_BYTES);
	spin_lock_init(&hba->piece_lock);
	hba->pieces = kvmalloc_array(hba->piece_count, sizeof(*hba->pieces),
				     GFP_KERNEL);
	if (!hba->pieces)
		return -ENOMEM;
	/* The first one is on top: neighbours are taken one after the other. */
	for (i = 0; i < hba->piece_count; i++)
		hba->pieces[i] = hba->piece_count - 1 - i;
	hba->pieces_free = hba->piece_count;
	return 0;
}

/**
 * visorhba_area_take() - find room for a command's data
 * @hba: the host
 * @entry: the command's tag
 * @bytes: of data, at most @hba->max_io
 *
 * Context: any.
 * Return: whether there is; then it is the command's until
 * visorhba_area_give().
 */
bool visorhba_area_take(struct visorhba *hba, struct visorhba_entry *entry,
			u32 bytes)
{
	u32 i, count = DIV_ROUND_UP(bytes, VISORHBA_PIECE_BYTES);
	unsigned long flags;

	entry->piece_count = 0;
	if (bytes <= VISORHBA_OWN_BYTES)
		return true;
	spin_lock_irqsave(&hba->piece_lock, flags);
	if (count > hba->pieces_free) {
		hba->piece_shortages++;
		count = 0;
	}
	hba->pieces_free -= count;
	for (i = 0; i < count; i++)
		entry->piece[i] = hba->pieces[hba->pieces_free + count - 1 - i];
	spin_unlock_irqrestore(&hba->piece_lock, flags);
	entry->piece_count = count;
	return count;
}

/**
 * visorhba_area_give() - the command has ended
 * @hba: the host
 * @entry: the command's tag
 *
 * Context: any.
 */
void visorhba_area_give(struct visorhba *hba, struct visorhba_entry *entry)
{
	u32 count = entry->piece_count;
	unsigned long flags;

	if (!count)
		return;
	entry->piece_count = 0;
	spin_lock_irqsave(&hba->piece_lock, flags);
	while (count--)
		hba->pieces[hba->pieces_free++] = entry->piece[count];
	spin_unlock_irqrestore(&hba->piece_lock, flags);
}

static u32 area_piece_offset(const struct visorhba *hba, u32 piece)
{
	return hba->own_bytes + piece * VISORHBA_PIECE_BYTES;
}

/**
 * visorhba_area_list() - describe a command's data to the service
 * @hba: the host
 * @entry: the command's tag
 * @bytes: of data
 * @list: entries to write, in shared memory; MAX_PHYS_INFO of them
 *
 * Return: entries written.
 */
u16 visorhba_area_list(const struct visorhba *hba,
		       const struct visorhba_entry *entry, u32 bytes,
		       struct guest_phys_info *list)
{
	u64 base = hba->area_offset;
	u32 i, next = 0;
	u64 address = 0;
	u64 length = 0;
	u16 count = 0;

	if (!bytes)
		return 0;
	if (!entry->piece_count) {
		list[0].address = base + (entry - hba->table) * VISORHBA_OWN_BYTES;
		list[0].length = bytes;
		return 1;
	}
	for (i = 0; i < entry->piece_count; i++) {
		u32 n = min(bytes, VISORHBA_PIECE_BYTES);
		u32 piece = entry->piece[i];

		if (length && piece == next) {
			length += n;
		} else {
			address = base + area_piece_offset(hba, piece);
			length = n;
			count++;
		}
		list[count - 1].address = address;
		list[count - 1].length = length;
		next = piece + 1;
		bytes -= n;
	}
	return count;
}

/**
 * visorhba_area_copy() - copy between a command's pages and the pool
 * @hba: the host
 * @entry: the command's tag
 * @cmd: the command
 * @bytes: from the start of its data
 * @to_pool: which way
 */
void visorhba_area_copy(const struct visorhba *hba,
			const struct visorhba_entry *entry,
			struct scsi_cmnd *cmd, u32 bytes, bool to_pool)
{
	u32 room = VISORHBA_OWN_BYTES, piece = 0;
	struct scatterlist *sg;
	unsigned int i;
	u8 *area;

	area = hba->area + (entry - hba->table) * VISORHBA_OWN_BYTES;
	if (entry->piece_count)
		room = 0;
	scsi_for_each_sg(cmd, sg, scsi_sg_count(cmd), i) {
		u32 left = min(sg->length, bytes);
		u8 *page = sg_virt(sg);

		bytes -= left;
		while (left) {
			u32 n;

			if (!room) {
				if (WARN_ON_ONCE(piece == entry->piece_count))
					return;
				area = hba->area +
				       area_piece_offset(hba,
							 entry->piece[piece++]);
				room = VISORHBA_PIECE_BYTES;
			}
			n = min(left, room);
			if (to_pool)
				visorbus_copy(area, page, n);
			else
				visorbus_copy(page, area, n);
			area += n;
			page += n;
			room -= n;
			left -= n;
		}
		if (!bytes)
			break;
	}
}
