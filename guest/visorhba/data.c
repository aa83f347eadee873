// SPDX-License-Identifier: GPL-2.0-only
/*
 * data.c - a command's data as the service finds it: in the pool, or where it is
 *
 * The one place that knows of the two modes.  In the pool a command has room
 * (area.c) and its data is copied; with guest-physical addresses its pages are
 * mapped, and stay so until visorhba_data_give().
 */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/scatterlist.h>

#include "visorhba.h"

/**
 * visorhba_data_take() - make a command's data the service's
 * @hba: the host
 * @entry: the command's tag
 * @cmd: the command, of at most @hba->max_io bytes
 *
 * Context: process.
 * Return: 0; -EAGAIN if there is no room now; -EIO for a command that cannot be
 * described to a service.
 */
int visorhba_data_take(struct visorhba *hba, struct visorhba_entry *entry,
		       struct scsi_cmnd *cmd)
{
	u32 bytes = scsi_bufflen(cmd);
	int count;

	if (hba->physical) {
		entry->piece_count = 0;
		count = scsi_dma_map(cmd);
		if (count < 0)
			return -EAGAIN;
		if (likely(count <= MAX_PHYS_INFO)) {
			entry->piece_count = count;
			return 0;
		}
		scsi_dma_unmap(cmd);
		return -EIO;
	}
	if (!visorhba_area_take(hba, entry, bytes))
		return -EAGAIN;
	if (cmd->sc_data_direction == DMA_TO_DEVICE && bytes)
		visorhba_area_copy(hba, entry, cmd, bytes, true);
	return 0;
}

/**
 * visorhba_data_give() - the service has nothing of it any more
 * @hba: the host
 * @entry: the command's tag
 * @cmd: the command
 *
 * Context: any.
 */
void visorhba_data_give(struct visorhba *hba, struct visorhba_entry *entry,
			struct scsi_cmnd *cmd)
{
	if (!hba->physical) {
		visorhba_area_give(hba, entry);
		return;
	}
	entry->piece_count = 0;
	scsi_dma_unmap(cmd);
}

/**
 * visorhba_data_cost() - bytes to be copied when a command has been answered
 * @hba: the host
 * @cmd: the command
 */
u32 visorhba_data_cost(const struct visorhba *hba, struct scsi_cmnd *cmd)
{
	return hba->physical || cmd->sc_data_direction != DMA_FROM_DEVICE ? 0 :
	       scsi_bufflen(cmd);
}

/**
 * visorhba_data_list() - describe a command's data to the service
 * @hba: the host
 * @entry: the command's tag
 * @cmd: the command
 * @list: entries to write, in shared memory; MAX_PHYS_INFO of them
 *
 * Return: entries written.
 */
u16 visorhba_data_list(const struct visorhba *hba,
		       const struct visorhba_entry *entry,
		       struct scsi_cmnd *cmd, struct guest_phys_info *list)
{
	struct scatterlist *sg;
	unsigned int i;

	if (!hba->physical)
		return visorhba_area_list(hba, entry, scsi_bufflen(cmd), list);
	scsi_for_each_sg(cmd, sg, entry->piece_count, i) {
		list[i].address = sg_dma_address(sg);
		list[i].length = sg_dma_len(sg);
	}
	return entry->piece_count;
}

/**
 * visorhba_data_fetch() - take what was read to where the command wants it
 * @hba: the host
 * @entry: the command's tag
 * @cmd: the command, which the service has answered
 * @bytes: from the start of its data
 */
void visorhba_data_fetch(struct visorhba *hba, struct visorhba_entry *entry,
			 struct scsi_cmnd *cmd, u32 bytes)
{
	if (!hba->physical)
		visorhba_area_copy(hba, entry, cmd, bytes, false);
}

/**
 * visorhba_data_leave() - end a command whose pages the service may still use
 * @hba: the host, which is being removed
 * @cmd: the command
 *
 * What is no page of the page allocator cannot be kept from its owner.
 */
void visorhba_data_leave(struct visorhba *hba, struct scsi_cmnd *cmd)
{
	struct scatterlist *sg;
	unsigned int i;

	if (!hba->physical)
		return;
	scsi_for_each_sg(cmd, sg, scsi_sg_count(cmd), i) {
		u32 bytes = sg->offset + sg->length, n;

		for (n = 0; n < DIV_ROUND_UP(bytes, PAGE_SIZE); n++) {
			struct page *page = nth_page(sg_page(sg), n);

			if (PageSlab(compound_head(page)))
				continue;
			get_page(page);
			visorbus_hold_page(hba->dev, page);
		}
	}
}
