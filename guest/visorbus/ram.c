// SPDX-License-Identifier: GPL-2.0-only
/*
 * ram.c - windows in RAM: channels in a range that the kernel leaves alone
 *
 * DOC: Theory of Operation
 *
 * Without a PCI function to be found by, the control channel is named on the
 * kernel command line, visorbus.control=GPA:BYTES, beside the memmap=SIZE$GPA
 * that keeps the kernel away from the range that it lies in.  Both come from
 * whoever started this guest.  All channels are then addresses in guest RAM, and
 * each is mapped by itself, write-back.  There are no doorbells: the control
 * thread and the devices' timers poll (control.c, interrupt.c).
 *
 * The command partition writes the signature of the control channel last, which
 * may be long after this module was loaded: until then it is looked for.
 *
 * What is not reserved is refused, whoever names it: memory that the kernel uses
 * must be nobody's channel.  A crash kernel knows of the memory of the kernel
 * before it only as of a hole; there a hole will do.
 *
 * One platform device, "visorbus-ram", stands where the PCI function would be:
 * for messages, for DMA, and to take leave when the machine is shut down.
 */
#include <linux/crash_dump.h>
#include <linux/io.h>
#include <linux/ioport.h>
#include <linux/module.h>
#include <linux/platform_device.h>
#include <linux/slab.h>

#include "visorbus_private.h"
#include "visorbus_trace.h"

#define RAM_DEVICE	"visorbus-ram"
#define RAM_LOOK	max(HZ / 10, 1)

static char *control;
module_param(control, charp, 0444);
MODULE_PARM_DESC(control,
		 "GPA:BYTES of a control channel in RAM that memmap= reserves (hexadecimal with 0x)");

/**
 * struct visor_ram - the range of the control channel
 * @gpa: where it begins
 * @bytes: how many they are
 * @window: stands for all channels
 * @known: @window is published
 * @look: looks for the signature
 */
struct visor_ram {
	u64 gpa;
	u64 bytes;
	struct visor_window window;
	bool known;
	struct delayed_work look;
};

static struct platform_device *ram_device;
static u64 ram_gpa, ram_bytes;

/* NULL, or why the range can hold no channel. */
static const char *ram_check(u64 gpa, u64 bytes)
{
	int reserved;

	if (!bytes || gpa + bytes < gpa)
		return "no range of addresses";
	if (region_intersects(gpa, bytes, IORESOURCE_SYSTEM_RAM,
			      IORES_DESC_NONE) != REGION_DISJOINT)
		return "the kernel uses this memory, it is not reserved with memmap=";
	reserved = region_intersects(gpa, bytes, IORESOURCE_MEM,
				     IORES_DESC_RESERVED);
	if (reserved == REGION_INTERSECTS ||
	    (reserved == REGION_DISJOINT && is_kdump_kernel()))
		return NULL;
	return "the memory map does not reserve it, see memmap=";
}

/**
 * visor_ram_map() - map a range of reserved RAM
 * @gpa: where it begins
 * @bytes: how many they are
 * @why: set to what is wrong if it is refused
 *
 * Return: its address, for visor_ram_unmap(); NULL if it is refused.
 */
void *visor_ram_map(u64 gpa, u64 bytes, const char **why)
{
	void *base;

	*why = ram_check(gpa, bytes);
	if (*why)
		return NULL;
	base = memremap(gpa & PAGE_MASK, bytes + offset_in_page(gpa),
			MEMREMAP_WB);
	if (base)
		return base + offset_in_page(gpa);
	*why = "cannot be mapped";
	return NULL;
}

/**
 * visor_ram_unmap() - the end of visor_ram_map()
 * @base: from it
 * @gpa: as for it
 * @bytes: as for it
 */
void visor_ram_unmap(void *base, u64 gpa, u64 bytes)
{
	memunmap(base - offset_in_page(gpa));
}

static int ram_publish(struct visor_ram *ram)
{
	struct visor_window *window = &ram->window;
	int error;

	error = visor_window_publish(window);
	if (error) {
		dev_err(window->dev, "channels in RAM refused: there is a command window already\n");
		return error;
	}
	error = visor_control_start(window);
	if (error) {
		visor_window_withdraw(window);
		return error;
	}
	ram->known = true;
	trace_visorbus_window(window->id, window->kind, window->size,
			      window->vectors, true, true);
	return 0;
}

static void ram_look(struct work_struct *work)
{
	struct visor_ram *ram = container_of(to_delayed_work(work),
					     struct visor_ram, look);
	const struct channel_header *header = ram->window.base;

	/* pairs with the command partition's release: written last */
	if (smp_load_acquire(&header->signature) != VISOR_CHANNEL_SIGNATURE)
		queue_delayed_work(visorbus_config_wq, &ram->look, RAM_LOOK);
	else
		ram_publish(ram);
}

static int ram_window_init(struct visor_ram *ram, struct device *device)
{
	struct visor_window *window = &ram->window;
	const char *why;
	int error;

	window->dev = device;
	window->kind = MULLION_WINDOW_COMMAND;
	window->gpa = ram->gpa;
	window->size = ram->bytes;
	window->control.bytes = ram->bytes;
	spin_lock_init(&window->devices_lock);
	INIT_LIST_HEAD(&window->devices);
	window->base = visor_ram_map(ram->gpa, ram->bytes, &why);
	if (!window->base) {
		dev_err(device, "control channel at 0x%llx, %llu bytes, refused: %s\n",
			ram->gpa, ram->bytes, why);
		return -EBUSY;
	}
	error = visor_pool_create(window);
	if (error)
		goto unmap;
	error = visor_window_vectors_init(window, 0);
	if (error)
		goto destroy_pool;
	return 0;

destroy_pool:
	visor_pool_destroy(window);
unmap:
	visor_ram_unmap(window->base, ram->gpa, ram->bytes);
	return error;
}

static int ram_probe(struct platform_device *pdev)
{
	struct visor_ram *ram;
	int error;

	ram = kzalloc(sizeof(*ram), GFP_KERNEL);
	if (!ram)
		return -ENOMEM;
	ram->gpa = ram_gpa;
	ram->bytes = ram_bytes;
	INIT_DELAYED_WORK(&ram->look, ram_look);
	error = ram_window_init(ram, &pdev->dev);
	if (error) {
		kfree(ram);
		return error;
	}
	platform_set_drvdata(pdev, ram);
	dev_info(&pdev->dev, "control channel in RAM at 0x%llx, %llu bytes, polled\n",
		 ram->gpa, ram->bytes);
	queue_delayed_work(visorbus_config_wq, &ram->look, 0);
	return 0;
}

static void ram_remove(struct visor_ram *ram)
{
	struct visor_window *window = &ram->window;

	cancel_delayed_work_sync(&ram->look);
	if (ram->known) {
		trace_visorbus_window(window->id, window->kind, window->size,
				      window->vectors, true, false);
		visor_control_stop(window);
		visor_window_withdraw(window);
	}
	visor_window_vectors_exit(window);
	visor_control_free(window);
	visor_pool_destroy(window);
	visor_ram_unmap(window->base, ram->gpa, ram->bytes);
	kfree(ram);
}

static compat_platform_remove ram_platform_remove(struct platform_device *pdev)
{
	ram_remove(platform_get_drvdata(pdev));
	return compat_platform_removed;
}

/* The devices were shut down before: they are younger. */
static void ram_shutdown(struct platform_device *pdev)
{
	struct visor_ram *ram = platform_get_drvdata(pdev);

	if (!ram)
		return;
	cancel_delayed_work_sync(&ram->look);
	if (ram->known)
		visor_control_shutdown(&ram->window);
}

static struct platform_driver ram_driver = {
	.driver = {
		.name = RAM_DEVICE,
		/* What stands in for hardware is not to be unbound by hand. */
		.suppress_bind_attrs = true,
	},
	.probe = ram_probe,
	.remove = ram_platform_remove,
	.shutdown = ram_shutdown,
};

/* GPA:BYTES */
static int ram_parse(const char *text)
{
	const char *colon = strchr(text, ':');
	char gpa[32];
	int error;

	if (!colon || colon - text >= (long)sizeof(gpa))
		return -EINVAL;
	memcpy(gpa, text, colon - text);
	gpa[colon - text] = '\0';
	error = kstrtou64(gpa, 0, &ram_gpa);
	if (!error)
		error = kstrtou64(colon + 1, 0, &ram_bytes);
	if (error || !ram_gpa || ram_gpa % sizeof(u64) ||
	    ram_bytes < sizeof(struct visor_controlvm_channel))
		return -EINVAL;
	return 0;
}

/**
 * visor_ram_init() - look for a control channel where the command line says
 *
 * Return: 0, also if it says nothing; negative errno.
 */
int visor_ram_init(void)
{
	int error;

	if (!control || !*control)
		return 0;
	error = ram_parse(control);
	if (error) {
		pr_err("visorbus: control=%s is not GPA:BYTES of a control channel\n",
		       control);
		return error;
	}
	error = platform_driver_register(&ram_driver);
	if (error)
		return error;
	ram_device = platform_device_register_simple(RAM_DEVICE,
						     PLATFORM_DEVID_NONE, NULL, 0);
	if (IS_ERR(ram_device)) {
		platform_driver_unregister(&ram_driver);
		error = PTR_ERR(ram_device);
		ram_device = NULL;
	}
	return error;
}

void visor_ram_exit(void)
{
	if (!ram_device)
		return;
	platform_device_unregister(ram_device);
	platform_driver_unregister(&ram_driver);
}
