// SPDX-License-Identifier: GPL-2.0-only
/*
 * window.c - windows: PCI functions that hold shared memory
 *
 * DOC: Theory of Operation
 *
 * A window is an ivshmem function: BAR 0 has the doorbell register, BAR 2 the
 * memory, MSI-X the doorbells of the other side.  Functions of that kind
 * without Mullion's magic belong to somebody else and are left alone.
 *
 * The window header is copied once and checked; what is used afterwards is the
 * copy.  The mapping must be write-back: uncached it would work, a hundred
 * times slower, so that is looked up in the page tables and reported.
 *
 * Removal, by unplug or unbind: no new users, all devices of the window's
 * buses are destroyed (their drivers may still talk to the server if the
 * memory still answers), then the buses, then the mapping goes.  Everything
 * that touches the mapping is a user of the window or has ended by then.
 *
 * Limits: one command window; at most VISOR_VECTORS_MAX vectors are used.
 *
 * Failure behaviour: a bad header refuses the whole window with one line that
 * names the reason.  Fewer interrupts than vectors: the others are polled.
 */
#include <linux/delay.h>
#include <linux/interrupt.h>
#include <linux/io.h>
#include <linux/log2.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>
#ifdef CONFIG_X86
#include <asm/pgtable.h>
#endif

#include "visorbus_private.h"
#include "visorbus_trace.h"

#define WINDOW_PCI_VENDOR	0x1af4
#define WINDOW_PCI_DEVICE	0x1110
#define WINDOW_BAR_REGS		0
#define WINDOW_BAR_MEMORY	2
#define WINDOW_REG_POSITION	8
#define WINDOW_REG_DOORBELL	12
#define WINDOW_REGS_BYTES	16

static LIST_HEAD(window_list);
static DECLARE_WAIT_QUEUE_HEAD(window_arrived);
static atomic_t window_arrivals = ATOMIC_INIT(0);
static struct visor_window *window_command;

/**
 * visor_window_check() - is a window header one that we can use?
 * @header: private copy
 * @bytes: bytes of the memory that it was found in
 *
 * Return: NULL, or what is wrong with it.
 */
const char *visor_window_check(const struct mullion_window_header *header,
			       u64 bytes)
{
	u32 i, j;

	if (header->magic != MULLION_WINDOW_MAGIC)
		return "no magic";
	if (header->layout_version != MULLION_WINDOW_LAYOUT_VERSION)
		return "unknown layout version";
	if (header->header_bytes != MULLION_WINDOW_HEADER_BYTES ||
	    header->area_bytes != sizeof(struct mullion_window_area))
		return "unknown header or area entry size";
	if (header->window_id < MULLION_WINDOW_ID_MIN ||
	    header->window_id > MULLION_WINDOW_ID_MAX)
		return "window id out of range";
	if (header->kind != MULLION_WINDOW_COMMAND &&
	    header->kind != MULLION_WINDOW_BUS)
		return "unknown kind";
	if (header->size != bytes || header->size < MULLION_WINDOW_SIZE_MIN ||
	    header->size > MULLION_WINDOW_SIZE_MAX)
		return "size is not that of the memory";
	if (header->flags & ~MULLION_WINDOW_FLAGS_KNOWN)
		return "unknown flags";
	if (header->area_count > MULLION_WINDOW_AREAS_MAX)
		return "too many areas";
	for (i = 0; i < header->area_count; i++) {
		const struct mullion_window_area *a = &header->areas[i];

		if (a->flags)
			return "unknown area flags";
		if (a->offset % MULLION_WINDOW_AREA_ALIGN ||
		    a->bytes % MULLION_WINDOW_AREA_ALIGN || !a->bytes)
			return "unaligned area";
		if (!mullion_range_ok(a->offset, a->bytes, header->size))
			return "area outside the window";
		if (a->offset < MULLION_WINDOW_HEADER_BYTES)
			return "area over the header";
		for (j = 0; j < i; j++) {
			const struct mullion_window_area *b = &header->areas[j];

			if (mullion_ranges_overlap(a->offset, a->bytes,
						   b->offset, b->bytes))
				return "areas overlap";
		}
	}
	return NULL;
}

/* Take the area of a type; the first one counts. */
static struct visor_area
window_area(const struct mullion_window_header *header, u32 type)
{
	struct visor_area area = { 0, 0 };
	u32 i;

	for (i = 0; i < header->area_count; i++) {
		if (header->areas[i].type != type)
			continue;
		area.offset = header->areas[i].offset;
		area.bytes = header->areas[i].bytes;
		break;
	}
	return area;
}

static const char *window_areas(struct visor_window *window,
				const struct mullion_window_header *header)
{
	window->control = window_area(header, MULLION_AREA_CONTROL);
	window->channels = window_area(header, MULLION_AREA_CHANNELS);
	window->pool_area = window_area(header, MULLION_AREA_POOL);
	if (window->kind == MULLION_WINDOW_COMMAND &&
	    window->control.bytes < sizeof(struct visor_controlvm_channel))
		return "no control area, or too small";
	if (window->kind == MULLION_WINDOW_BUS && !window->channels.bytes)
		return "no channels area";
	return NULL;
}

/* Is the mapping cached?  Only the page tables know. */
static bool window_cached(const void *base)
{
#ifdef CONFIG_X86
	unsigned int level;
	pte_t *pte = lookup_address((unsigned long)base, &level);

	return pte && !(pte_flags(*pte) & (_PAGE_PWT | _PAGE_PCD));
#else
	return true;
#endif
}

/**
 * visor_window_ring() - ring a doorbell of the server
 * @window: the window
 * @vector: doorbell, taken modulo what there is
 *
 * Context: any.
 */
void visor_window_ring(struct visor_window *window, unsigned int vector)
{
	if (!window->vectors || READ_ONCE(window->gone))
		return;
	/* writel() comes after what was written for the server. */
	writel(vector % window->vectors, window->regs + WINDOW_REG_DOORBELL);
}

static irqreturn_t window_interrupt(int irq, void *data)
{
	struct visor_vector *vector = data;

	visor_interrupt_vector(vector);
	if (vector->window->ctl)
		visor_control_kick(vector->window);
	else if (!vector->index)
		visor_interrupt_window(vector->window);
	return IRQ_HANDLED;
}

/**
 * visor_window_vectors_init() - who listens on which doorbell
 * @window: the window
 * @vectors: doorbells of each side; 0: all is polled
 *
 * Return: 0 or negative errno.
 */
int visor_window_vectors_init(struct visor_window *window, u32 vectors)
{
	struct pci_dev *pdev = window->pdev;
	unsigned int i, count;
	int irqs, error;

	/* One at least, for everybody who is polled for lack of doorbells. */
	count = clamp(vectors, 1U, VISOR_VECTORS_MAX);
	window->vector = kcalloc(count, sizeof(*window->vector), GFP_KERNEL);
	if (!window->vector)
		return -ENOMEM;
	window->vectors = min(vectors, VISOR_VECTORS_MAX);
	for (i = 0; i < count; i++) {
		struct visor_vector *vector = &window->vector[i];

		vector->window = window;
		vector->index = i;
		vector->irq = -1;
		spin_lock_init(&vector->lock);
		INIT_LIST_HEAD(&vector->pairs);
	}
	if (!window->vectors)
		return 0;
	irqs = pci_alloc_irq_vectors(pdev, 1, window->vectors, PCI_IRQ_MSIX);
	if (irqs < (int)window->vectors)
		dev_info(&pdev->dev,
			 "window %u: %d of %u doorbells have an interrupt, the others are polled\n",
			 window->id, max(irqs, 0), window->vectors);
	for (i = 0; (int)i < irqs; i++) {
		int irq = pci_irq_vector(pdev, i);

		error = request_irq(irq, window_interrupt, 0, "visorbus",
				    &window->vector[i]);
		if (error) {
			dev_warn(&pdev->dev,
				 "window %u: no interrupt for doorbell %u (%d), it is polled\n",
				 window->id, i, error);
			continue;
		}
		window->vector[i].irq = irq;
	}
	return 0;
}

/**
 * visor_window_vectors_exit() - nobody listens any more
 * @window: the window
 */
void visor_window_vectors_exit(struct visor_window *window)
{
	unsigned int i;

	for (i = 0; window->vector && i < window->vectors; i++)
		if (window->vector[i].irq >= 0)
			free_irq(window->vector[i].irq, &window->vector[i]);
	if (window->pdev)
		pci_free_irq_vectors(window->pdev);
	kfree(window->vector);
}

/* Copy the header out of the first page; NULL and no message if not ours. */
static struct mullion_window_header *window_header(struct pci_dev *pdev)
{
	struct mullion_window_header *header;
	void *page;

	header = kmalloc(sizeof(*header), GFP_KERNEL);
	if (!header)
		return ERR_PTR(-ENOMEM);
	page = memremap(pci_resource_start(pdev, WINDOW_BAR_MEMORY),
			sizeof(*header), MEMREMAP_WB);
	if (!page) {
		kfree(header);
		return ERR_PTR(-ENOMEM);
	}
	memcpy(header, page, sizeof(*header));
	/* What was checked is what is used. */
	barrier();
	memunmap(page);
	if (header->magic != MULLION_WINDOW_MAGIC) {
		kfree(header);
		return NULL;
	}
	return header;
}

static int window_map(struct visor_window *window)
{
	struct pci_dev *pdev = window->pdev;

	window->regs = pci_iomap(pdev, WINDOW_BAR_REGS, WINDOW_REGS_BYTES);
	if (!window->regs)
		return -ENOMEM;
	window->base = memremap(pci_resource_start(pdev, WINDOW_BAR_MEMORY),
				window->size, MEMREMAP_WB);
	if (!window->base) {
		pci_iounmap(pdev, window->regs);
		return -ENOMEM;
	}
	if (!window_cached(window->base))
		dev_warn(&pdev->dev,
			 "window %u is mapped uncached: slow; give its BAR an address outside uncached MTRRs\n",
			 window->id);
	if ((int)readl(window->regs + WINDOW_REG_POSITION) < 0)
		dev_warn(&pdev->dev,
			 "window %u has no id of its own yet: doorbells may not work\n",
			 window->id);
	return 0;
}

static void window_unmap(struct visor_window *window)
{
	memunmap(window->base);
	pci_iounmap(window->pdev, window->regs);
}

static struct visor_window *window_find(u32 id)
{
	struct visor_window *window;

	list_for_each_entry(window, &window_list, node)
		if (window->id == id)
			return window;
	return NULL;
}

/* A partition has windows of one placement only. */
static struct visor_window *window_find_addr(u64 addr)
{
	if (window_command && !window_command->pdev)
		return window_command;
	return window_find(MULLION_WINDOW_ADDR_ID(addr));
}

/**
 * visor_window_find() - become a user of the window of a channel
 * @addr: address of the channel, as announced
 *
 * Context: visorbus_lock is held.
 * Return: the window, for visor_window_put(); NULL if there is none.
 */
struct visor_window *visor_window_find(u64 addr)
{
	struct visor_window *window = window_find_addr(addr);

	if (!window || window->removing)
		return NULL;
	atomic_inc(&window->users);
	return window;
}

static struct visor_window *window_try(u64 addr)
{
	struct visor_window *window;

	mutex_lock(&visorbus_lock);
	window = visor_window_find(addr);
	mutex_unlock(&visorbus_lock);
	return window;
}

/**
 * visor_window_wait() - become a user of a window that may be on its way
 * @addr: address of a channel in it, as announced
 * @timeout: jiffies
 * @stop: asked ten times a second whether to stop waiting
 *
 * Context: process; visorbus_lock is not held.
 * Return: as visor_window_find().
 */
struct visor_window *visor_window_wait(u64 addr, unsigned long timeout,
				       bool (*stop)(void))
{
	unsigned long end = jiffies + timeout;
	struct visor_window *window;
	int seen;

	for (;;) {
		seen = atomic_read(&window_arrivals);
		window = window_try(addr);
		if (window || stop() || time_after_eq(jiffies, end))
			return window;
		wait_event_timeout(window_arrived,
				   seen != atomic_read(&window_arrivals),
				   HZ / 10);
	}
}

/**
 * visor_window_put() - stop using a window
 * @window: from visor_window_find()
 */
void visor_window_put(struct visor_window *window)
{
	/* The window itself may be gone as soon as it has no users. */
	if (atomic_dec_and_test(&window->users))
		wake_up_all(&visorbus_idle);
}

/**
 * visor_window_publish() - make a window known; afterwards buses may come to it
 * @window: the window
 *
 * Return: 0; -EEXIST, -EBUSY if there is one of its id or kind.
 */
int visor_window_publish(struct visor_window *window)
{
	int error = 0;

	mutex_lock(&visorbus_lock);
	if (window_find(window->id))
		error = -EEXIST;
	else if (window->kind == MULLION_WINDOW_COMMAND && window_command)
		error = -EBUSY;
	else
		list_add_tail(&window->node, &window_list);
	if (!error && window->kind == MULLION_WINDOW_COMMAND)
		window_command = window;
	mutex_unlock(&visorbus_lock);
	if (!error) {
		atomic_inc(&window_arrivals);
		wake_up_all(&window_arrived);
	}
	return error;
}

/**
 * visor_window_withdraw() - forget a window, and all that is in it
 * @window: the window; its users have gone on return
 */
void visor_window_withdraw(struct visor_window *window)
{
	mutex_lock(&visorbus_lock);
	window->removing = true;
	mutex_unlock(&visorbus_lock);

	visor_bus_destroy_window(window);
	wait_event(visorbus_idle, !atomic_read(&window->users));

	mutex_lock(&visorbus_lock);
	list_del(&window->node);
	if (window_command == window)
		window_command = NULL;
	mutex_unlock(&visorbus_lock);
}

static int window_check_function(struct pci_dev *pdev)
{
	resource_size_t bytes = pci_resource_len(pdev, WINDOW_BAR_MEMORY);

	if (!(pci_resource_flags(pdev, WINDOW_BAR_REGS) & IORESOURCE_MEM) ||
	    pci_resource_len(pdev, WINDOW_BAR_REGS) < WINDOW_REGS_BYTES ||
	    !(pci_resource_flags(pdev, WINDOW_BAR_MEMORY) & IORESOURCE_MEM) ||
	    bytes < MULLION_WINDOW_HEADER_BYTES) {
		dev_info(&pdev->dev, "no usable shared memory, left alone\n");
		return -ENODEV;
	}
	return 0;
}

static int window_probe(struct pci_dev *pdev, const struct pci_device_id *id)
{
	struct mullion_window_header *header;
	struct visor_window *window;
	const char *why;
	int error;

	error = pci_enable_device(pdev);
	if (error)
		return error;
	error = window_check_function(pdev);
	if (error)
		goto disable;
	error = pci_request_regions(pdev, "visorbus");
	if (error)
		goto disable;
	header = window_header(pdev);
	if (IS_ERR(header)) {
		error = PTR_ERR(header);
		goto release;
	}
	if (!header) {
		dev_info(&pdev->dev,
			 "shared memory without a Mullion window, left alone\n");
		error = -ENODEV;
		goto release;
	}
	error = -ENOMEM;
	window = kzalloc(sizeof(*window), GFP_KERNEL);
	if (!window)
		goto free_header;
	window->dev = &pdev->dev;
	window->pdev = pdev;
	window->size = pci_resource_len(pdev, WINDOW_BAR_MEMORY);
	why = visor_window_check(header, window->size);
	window->id = header->window_id;
	window->kind = header->kind;
	if (!why)
		why = window_areas(window, header);
	if (why) {
		dev_err(&pdev->dev, "window %u refused: %s; it was written by something else than this layout's command partition\n",
			window->id, why);
		error = -EINVAL;
		goto free_window;
	}
	guid_copy(&window->partition_guid, &header->partition_guid);
	guid_copy(&window->service_guid, &header->service_guid);
	spin_lock_init(&window->devices_lock);
	INIT_LIST_HEAD(&window->devices);
	error = window_map(window);
	if (error)
		goto free_window;
	error = visor_pool_create(window);
	if (error)
		goto unmap;
	pci_set_master(pdev);
	pci_set_drvdata(pdev, window);
	error = visor_window_vectors_init(window, header->vectors);
	if (error)
		goto free_vectors;
	error = visor_window_publish(window);
	if (error) {
		dev_err(&pdev->dev, "window %u refused: %s\n", window->id,
			error == -EBUSY ? "there is a command window already" :
			"there is a window of that id already");
		goto free_vectors;
	}
	trace_visorbus_window(window->id, window->kind, window->size,
			      window->vectors, false, true);
	if (window->kind == MULLION_WINDOW_COMMAND) {
		error = visor_control_start(window);
		if (error)
			goto withdraw;
	}
	dev_info(&pdev->dev, "%s window %u, %llu MiB, %u doorbells\n",
		 window->kind == MULLION_WINDOW_COMMAND ? "command" : "bus",
		 window->id, window->size >> 20, window->vectors);
	kfree(header);
	return 0;

withdraw:
	visor_window_withdraw(window);
free_vectors:
	visor_window_vectors_exit(window);
	visor_control_free(window);
	visor_pool_destroy(window);
unmap:
	window_unmap(window);
free_window:
	kfree(window);
free_header:
	kfree(header);
release:
	pci_release_regions(pdev);
disable:
	pci_disable_device(pdev);
	return error;
}

static void window_remove(struct pci_dev *pdev)
{
	struct visor_window *window = pci_get_drvdata(pdev);

	if (!pci_device_is_present(pdev))
		WRITE_ONCE(window->gone, true);
	trace_visorbus_window(window->id, window->kind, window->size,
			      window->vectors, false, false);
	if (window->kind == MULLION_WINDOW_COMMAND)
		visor_control_stop(window);
	visor_window_withdraw(window);
	visor_window_vectors_exit(window);
	visor_control_free(window);
	visor_pool_destroy(window);
	window_unmap(window);
	pci_clear_master(pdev);
	pci_release_regions(pdev);
	pci_disable_device(pdev);
	kfree(window);
}

/* The devices were shut down before: they are younger than their window. */
static void window_shutdown(struct pci_dev *pdev)
{
	struct visor_window *window = pci_get_drvdata(pdev);

	if (window && window->kind == MULLION_WINDOW_COMMAND)
		visor_control_shutdown(window);
}

static const struct pci_device_id window_ids[] = {
	{ PCI_DEVICE(WINDOW_PCI_VENDOR, WINDOW_PCI_DEVICE) },
	{ }
};
MODULE_DEVICE_TABLE(pci, window_ids);

static struct pci_driver window_driver = {
	.name = "visorbus",
	.id_table = window_ids,
	.probe = window_probe,
	.remove = window_remove,
	.shutdown = window_shutdown,
};

int visor_window_init(void)
{
	return pci_register_driver(&window_driver);
}

void visor_window_exit(void)
{
	pci_unregister_driver(&window_driver);
}
