// SPDX-License-Identifier: GPL-2.0-only
/*
 * memory.c - guest-physical addressing: the guest's own pages as data
 *
 * DOC: Theory of Operation
 *
 * On a bus whose server has the guest's RAM a data address in a message is a
 * guest-physical address.  Function drivers map with the DMA API, on the window's
 * device, and send what it gives them.  The server knows nothing of an IOMMU nor
 * of bounce buffers, so a DMA address must be the page's own; whether that is so
 * is tried at each attach, with one page, and if not the attach is refused.
 *
 * The server may use a page until it has answered, or has confirmed an epoch in
 * which the page was not given to it.  A driver that has to let go of a page
 * before, because it is being removed without a server, hands it to the bus,
 * which gives it back when the detach was confirmed, and otherwise never: to lose
 * it is better than to have somebody else's written to.
 *
 * Limits: a page that is held is kept from the page allocator; the slab
 * allocator's objects in it are not kept from their users.
 */
#include <linux/cc_platform.h>
#include <linux/dma-mapping.h>
#include <linux/gfp.h>
#include <linux/iommu.h>
#include <linux/mm.h>
#include <linux/netdevice.h>
#include <linux/skbuff.h>
#include <linux/slab.h>

#include "visorbus_private.h"

/* Memory that is held: a page, or a frame with all that it consists of. */
struct memory_held {
	struct list_head node;
	struct page *page;
	struct sk_buff *skb;
};

bool visorbus_device_physical(const struct visor_device *dev)
{
	return !(dev->visorchannel->features & MULLION_EXTF_WINDOW_ADDR);
}
EXPORT_SYMBOL_GPL(visorbus_device_physical);

struct device *visorbus_dma_device(const struct visor_device *dev)
{
	return dev->visorchannel->window->dev;
}
EXPORT_SYMBOL_GPL(visorbus_dma_device);

int visorbus_map_page(struct visor_device *dev, struct page *page,
		      unsigned int offset, unsigned int bytes,
		      enum dma_data_direction direction, u64 *address)
{
	struct device *device = visorbus_dma_device(dev);
	dma_addr_t dma = dma_map_page(device, page, offset, bytes, direction);

	if (dma_mapping_error(device, dma))
		return -ENOMEM;
	*address = dma;
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_map_page);

void visorbus_unmap_page(struct visor_device *dev, u64 address,
			 unsigned int bytes, enum dma_data_direction direction)
{
	dma_unmap_page(visorbus_dma_device(dev), address, bytes, direction);
}
EXPORT_SYMBOL_GPL(visorbus_unmap_page);

/**
 * visor_memory_check() - can the server find pages by their DMA addresses?
 * @dev: a device that is to be attached without MULLION_EXTF_WINDOW_ADDR
 *
 * Return: 0; -EOPNOTSUPP if not, after one line that says why; -ENOMEM.
 */
int visor_memory_check(struct visor_device *dev)
{
	struct device *device = visorbus_dma_device(dev);
	struct page *page;
	u64 address;
	int error;

	error = dma_set_mask_and_coherent(device, DMA_BIT_MASK(64));
	if (error)
		goto refuse;
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	error = visorbus_map_page(dev, page, 0, PAGE_SIZE, DMA_BIDIRECTIONAL,
				  &address);
	if (!error) {
		if (address != page_to_phys(page))
			error = -EOPNOTSUPP;
		visorbus_unmap_page(dev, address, PAGE_SIZE, DMA_BIDIRECTIONAL);
	}
	__free_page(page);
	if (!error)
		return 0;
refuse:
	dev_err(&dev->device,
		"refused: its service wants guest-physical addresses, and %s; set the partition to window addressing, or do without\n",
		cc_platform_has(CC_ATTR_MEM_ENCRYPT) ?
		"this guest's memory is encrypted" :
		device_iommu_mapped(device) ?
		"there is an IOMMU between devices and memory" :
		"data would go through bounce buffers");
	return -EOPNOTSUPP;
}

static void memory_hold(struct visor_device *dev, struct page *page,
			struct sk_buff *skb)
{
	struct visor_device_private *priv = dev->priv;
	struct memory_held *held = NULL;
	unsigned long flags;

	if (dev->visorchannel->has_ext)
		held = kmalloc(sizeof(*held), GFP_ATOMIC);
	else
		dev_warn_once(&dev->device,
			      "memory is lost: the service did not let go of it, and will not say when it does\n");
	/* Without memory to remember it by it is lost: that is safe. */
	if (!held)
		return;
	held->page = page;
	held->skb = skb;
	spin_lock_irqsave(&priv->held_lock, flags);
	list_add(&held->node, &priv->pool.held);
	spin_unlock_irqrestore(&priv->held_lock, flags);
}

void visorbus_hold_page(struct visor_device *dev, struct page *page)
{
	memory_hold(dev, page, NULL);
}
EXPORT_SYMBOL_GPL(visorbus_hold_page);

void visorbus_hold_skb(struct visor_device *dev, struct sk_buff *skb)
{
	/* The socket need not wait; it knows nothing of its data's further fate. */
	skb_orphan(skb);
	memory_hold(dev, NULL, skb);
}
EXPORT_SYMBOL_GPL(visorbus_hold_skb);

/**
 * visor_memory_release() - the server has confirmed: give back what was held
 * @held: list, of which nobody else knows; empty afterwards
 */
void visor_memory_release(struct list_head *held)
{
	struct memory_held *one, *next;

	list_for_each_entry_safe(one, next, held, node) {
		list_del(&one->node);
		if (one->page)
			put_page(one->page);
		else
			dev_kfree_skb_any(one->skb);
		kfree(one);
	}
}

/**
 * visor_memory_lose() - nobody will ever confirm: never give it back
 * @window: for the message
 * @held: as for visor_memory_release()
 */
void visor_memory_lose(struct visor_window *window, struct list_head *held)
{
	struct memory_held *one, *next;
	unsigned int count = 0;

	list_for_each_entry_safe(one, next, held, node) {
		list_del(&one->node);
		kfree(one);
		count++;
	}
	if (count)
		dev_warn(window->dev,
			 "%u pieces of memory are lost: a service that did not say that it lets go of them may still write there\n",
			 count);
}
