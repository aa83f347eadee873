// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus.c - mockbus: visorbus.h with devices of one class, and orders to disturb them
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/netdevice.h>
#include <linux/slab.h>
#include <linux/timer.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../../compat/compat.h"
#include "../../visorbus/copy.h"
#include "mockbus.h"

struct mock mocks[MOCK_DEVICES];
const struct mock_class *mock_class;
DEFINE_MUTEX(mock_service);
u32 mock_lose;
u32 mock_hostile;

static ulong features = MULLION_EXTF_KNOWN;
module_param(features, ulong, 0444);
MODULE_PARM_DESC(features, "features that the service offers");

bool mock_ext = true;
module_param_named(ext, mock_ext, bool, 0444);
MODULE_PARM_DESC(ext, "channels have Mullion's extension");

static bool polled;
module_param(polled, bool, 0444);
MODULE_PARM_DESC(polled, "doorbells of the service do not arrive");

static struct dentry *mock_debugfs;
static struct task_struct *mock_thread;
static DECLARE_WAIT_QUEUE_HEAD(mock_waiting);
static bool mock_work;
static DECLARE_COMPLETION(mock_released);

static void mock_device_release(struct device *device)
{
	complete(&mock_released);
}

static struct bus_type mock_bus_type = {
	.name = "mockbus",
};

static struct mock *to_mock(const struct visor_device *dev)
{
	return container_of(dev, struct mock, dev);
}

static bool mock_polled(void)
{
	return polled || !mock_ext;
}

/* The driver's callback, in the context that the real bus gives it. */
static void mock_call(struct mock *m, unsigned int pair)
{
	unsigned long flags;

	spin_lock_irqsave(&m->interrupt_lock, flags);
	if (m->interrupts && !m->gone && !m->faulted)
		m->driver->queue_interrupt(&m->dev, pair);
	spin_unlock_irqrestore(&m->interrupt_lock, flags);
}

void mock_interrupt(struct mock *m, unsigned int pair)
{
	if (!mock_polled())
		mock_call(m, pair);
}

static void mock_call_all(struct mock *m)
{
	unsigned int i;

	for (i = 0; i < m->dev.queue_pairs; i++)
		mock_call(m, i);
}

static void mock_timer(struct timer_list *timer)
{
	struct mock *m = timer_container_of(m, timer, timer);

	mock_call_all(m);
	mod_timer(timer, jiffies + (mock_polled() ? 1 : HZ / 2));
}

/* An answer of the service, shown by mock_publish(). */
void mock_put(struct mock *m, unsigned int pair, const struct mullion_io_slot *s)
{
	void *slot;

	if (mullion_sq_produce(&m->server[2 * pair + 1], &slot)) {
		pr_err_ratelimited("mockbus: no room for a response\n");
		return;
	}
	memcpy(slot, s, m->server[1].slot_bytes);
}

void mock_publish(struct mock *m)
{
	unsigned int i;

	for (i = 0; i < m->dev.queue_pairs; i++)
		if (mullion_sq_publish(&m->server[2 * i + 1]))
			mock_interrupt(m, i);
}

/* Memory that a data address of the driver names, or NULL. */
void *mock_memory(struct mock *m, u64 address, u64 bytes)
{
	if (m->features & MULLION_EXTF_WINDOW_ADDR)
		return mullion_range_ok(address, bytes, mock_class->pool_bytes) ?
		       m->pool + address : NULL;
	return pfn_valid(address >> PAGE_SHIFT) &&
	       pfn_valid((address + bytes - 1) >> PAGE_SHIFT) ?
	       phys_to_virt(address) : NULL;
}

static int mock_event_index(struct mock *m)
{
	return !!(m->features & MULLION_EXTF_EVENT_INDEX);
}

static void mock_reset_queues(struct mock *m)
{
	unsigned int i;

	for (i = 0; i < 2 * m->dev.queue_pairs; i++) {
		mullion_sq_reset_shared(&m->server[i]);
		mullion_sq_reset(&m->server[i], mock_event_index(m));
		mullion_sq_reset(&m->client[i], mock_event_index(m));
	}
	if (mock_ext)
		m->epoch++;
	m->faulted = false;
	mock_class->forget(m);
}

static void mock_state_complete(struct visor_device *dev, int status)
{
	struct mock *m = to_mock(dev);

	m->state_status = status;
	complete(&m->state_done);
}

static int mock_state(struct mock *m, bool resume)
{
	int rc;

	reinit_completion(&m->state_done);
	rc = (resume ? m->driver->resume : m->driver->pause)(&m->dev,
							     mock_state_complete);
	if (rc)
		return rc;
	wait_for_completion(&m->state_done);
	return m->state_status;
}

/* As the real bus does when the server's generation has changed. */
static int mock_generation(struct mock *m, unsigned int absent_ms)
{
	int rc = -ENODEV;

	mutex_lock(&m->state);
	if (!m->attached || !m->enabled || m->gone)
		goto out;
	/*
	 * The service dies, requests pile up, and then it is noticed.
	 */
	mutex_lock(&mock_service);
	usleep_range(5000, 10000);
	rc = mock_state(m, false);
	if (rc)
		pr_err("mockbus: pause: %d\n", rc);
	mock_call_all(m);
	m->interrupts = false;
	if (absent_ms)
		msleep(absent_ms);
	mock_reset_queues(m);
	m->interrupts = true;
	mutex_unlock(&mock_service);
	rc = mock_state(m, true);
	if (rc)
		pr_err("mockbus: resume: %d\n", rc);
	mock_call_all(m);
out:
	mutex_unlock(&m->state);
	return rc;
}

static void mock_reset_work(struct work_struct *work)
{
	struct mock *m = container_of(work, struct mock, reset_work);

	if (!mock_generation(m, 0)) {
		WRITE_ONCE(m->resets, m->resets + 1);
		wake_up(&m->reset_wait);
	}
}

/* ---- the service's thread --------------------------------------------------- */

static void mock_take(struct mock *m, unsigned int pair)
{
	struct mullion_sq *cmd = &m->server[2 * pair];
	static struct mullion_io_slot s;	/* one thread, and large */
	const void *slot;
	int rc;

	while (!(rc = mullion_sq_consume(cmd, &slot))) {
		memcpy(&s, slot, cmd->slot_bytes);
		mock_class->message(m, pair, &s);
	}
	if (rc != -EAGAIN)
		pr_err_ratelimited("mockbus: command queue: %d\n", rc);
	if (mullion_sq_release(cmd))
		mock_interrupt(m, pair);
}

/* One turn: all that has come, and its answers.  Returns whether there is more. */
static bool mock_turn(struct mock *m)
{
	bool more = false;
	unsigned int i;

	mutex_lock(&mock_service);
	if (m->attached && !m->gone) {
		for (i = 0; i < m->dev.queue_pairs; i++)
			mock_take(m, i);
		mock_class->turn_end(m);
		mock_publish(m);
		for (i = 0; i < m->dev.queue_pairs; i++)
			more |= mullion_sq_consumer_arm(&m->server[2 * i]) > 0;
	}
	mutex_unlock(&mock_service);
	return more;
}

static int mock_serve(void *arg)
{
	unsigned int i;
	bool more;

	while (!kthread_should_stop()) {
		wait_event_timeout(mock_waiting, READ_ONCE(mock_work) ||
				   kthread_should_stop(), HZ);
		WRITE_ONCE(mock_work, false);
		do {
			more = false;
			for (i = 0; mock_class && i < mock_class->devices; i++)
				more |= mock_turn(&mocks[i]);
			cond_resched();
		} while (more && !kthread_should_stop());
	}
	return 0;
}

void mock_wake(void)
{
	WRITE_ONCE(mock_work, true);
	wake_up(&mock_waiting);
}

/* ---- visorbus.h ----------------------------------------------------------- */

/* A page or a frame that the service may use until the device is detached. */
struct mock_held {
	struct list_head node;
	struct page *page;
	struct sk_buff *skb;
};

static void mock_hold(struct visor_device *dev, struct page *page,
		      struct sk_buff *skb)
{
	struct mock *m = to_mock(dev);
	struct mock_held *held = kmalloc(sizeof(*held), GFP_ATOMIC);
	unsigned long flags;

	if (!held)
		return;
	held->page = page;
	held->skb = skb;
	spin_lock_irqsave(&m->held_lock, flags);
	list_add(&held->node, &m->held);
	m->held_count++;
	spin_unlock_irqrestore(&m->held_lock, flags);
}

static void mock_release_held(struct mock *m)
{
	struct mock_held *held, *next;

	list_for_each_entry_safe(held, next, &m->held, node) {
		list_del(&held->node);
		if (held->page)
			put_page(held->page);
		else
			dev_kfree_skb_any(held->skb);
		kfree(held);
	}
}

static void mock_remove(struct mock *m)
{
	mutex_lock(&m->config);
	if (m->driver) {
		m->driver->remove(&m->dev);
		mutex_lock(&mock_service);
		m->attached = false;
		m->pool_used = false;
		m->driver = NULL;
		mutex_unlock(&mock_service);
		mock_release_held(m);
	}
	mutex_unlock(&m->config);
}

int visorbus_register_visor_driver(struct visor_driver *drv)
{
	unsigned int i;
	int rc = 0;

	if (!mock_class || !guid_equal(&drv->channel_types->guid, &mock_class->guid))
		return -ENODEV;
	for (i = 0; i < mock_class->devices && !rc; i++) {
		struct mock *m = &mocks[i];

		mutex_lock(&m->config);
		m->driver = drv;
		m->gone = false;
		m->faulted = false;
		rc = drv->probe(&m->dev);
		if (rc)
			m->driver = NULL;
		mutex_unlock(&m->config);
	}
	return rc;
}
EXPORT_SYMBOL_GPL(visorbus_register_visor_driver);

void visorbus_unregister_visor_driver(struct visor_driver *drv)
{
	unsigned int i;

	for (i = 0; i < mock_class->devices; i++)
		mock_remove(&mocks[i]);
}
EXPORT_SYMBOL_GPL(visorbus_unregister_visor_driver);

int visorbus_device_attach(struct visor_device *dev, u64 wanted,
			   unsigned long timeout)
{
	struct mock *m = to_mock(dev);

	mutex_lock(&mock_service);
	m->features = mock_ext ? wanted & features : 0;
	mock_reset_queues(m);
	m->attached = true;
	mutex_unlock(&mock_service);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_device_attach);

u64 visorbus_device_features(const struct visor_device *dev)
{
	return to_mock(dev)->features;
}
EXPORT_SYMBOL_GPL(visorbus_device_features);

u32 visorbus_device_epoch(const struct visor_device *dev)
{
	return to_mock(dev)->epoch;
}
EXPORT_SYMBOL_GPL(visorbus_device_epoch);

void visorbus_device_count_stale(struct visor_device *dev)
{
	to_mock(dev)->stale++;
}
EXPORT_SYMBOL_GPL(visorbus_device_count_stale);

bool visorbus_device_gone(const struct visor_device *dev)
{
	return to_mock(dev)->gone;
}
EXPORT_SYMBOL_GPL(visorbus_device_gone);

bool visorbus_device_polled(const struct visor_device *dev, unsigned int pair)
{
	return mock_polled();
}
EXPORT_SYMBOL_GPL(visorbus_device_polled);

void visorbus_device_fault(struct visor_device *dev, const char *why)
{
	struct mock *m = to_mock(dev);

	if (!m->faulted)
		pr_info("mockbus: fault: %s\n", why);
	m->faulted = true;
}
EXPORT_SYMBOL_GPL(visorbus_device_fault);

int visorbus_device_reset(struct visor_device *dev, unsigned long timeout)
{
	struct mock *m = to_mock(dev);
	u32 before = READ_ONCE(m->resets);

	if (!mock_ext)
		return -ENODEV;
	queue_work(system_long_wq, &m->reset_work);
	return wait_event_timeout(m->reset_wait,
				  READ_ONCE(m->resets) != before, timeout) ?
	       0 : -ETIMEDOUT;
}
EXPORT_SYMBOL_GPL(visorbus_device_reset);

struct mullion_sq *visorbus_device_queue(struct visor_device *dev,
					 unsigned int queue)
{
	return queue < 2 * dev->queue_pairs ? &to_mock(dev)->client[queue] : NULL;
}
EXPORT_SYMBOL_GPL(visorbus_device_queue);

void visorbus_device_ring(struct visor_device *dev, unsigned int queue)
{
	mock_wake();
}
EXPORT_SYMBOL_GPL(visorbus_device_ring);

void visorbus_enable_channel_interrupts(struct visor_device *dev)
{
	struct mock *m = to_mock(dev);

	mutex_lock(&m->state);
	m->enabled = true;
	m->interrupts = true;
	mutex_unlock(&m->state);
	mock_call_all(m);
	mod_timer(&m->timer, jiffies + 1);
}
EXPORT_SYMBOL_GPL(visorbus_enable_channel_interrupts);

void visorbus_disable_channel_interrupts(struct visor_device *dev)
{
	struct mock *m = to_mock(dev);
	unsigned long flags;

	mutex_lock(&m->state);
	m->enabled = false;
	spin_lock_irqsave(&m->interrupt_lock, flags);
	m->interrupts = false;
	spin_unlock_irqrestore(&m->interrupt_lock, flags);
	mutex_unlock(&m->state);
	timer_delete_sync(&m->timer);
}
EXPORT_SYMBOL_GPL(visorbus_disable_channel_interrupts);

int visorbus_read_channel(struct visor_device *dev, u64 offset, void *dest,
			  u64 nbytes)
{
	if (!mullion_range_ok(offset, nbytes, MOCK_CHANNEL_BYTES))
		return -EINVAL;
	memcpy(dest, to_mock(dev)->channel + offset, nbytes);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_read_channel);

int visorbus_write_channel(struct visor_device *dev, u64 offset,
			   const void *src, u64 nbytes)
{
	if (!mullion_range_ok(offset, nbytes, MOCK_CHANNEL_BYTES))
		return -EINVAL;
	memcpy(to_mock(dev)->channel + offset, src, nbytes);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_write_channel);

void *visorbus_pool_alloc(struct visor_device *dev, size_t bytes, u64 *offset)
{
	struct mock *m = to_mock(dev);

	if (m->pool_used || bytes > mock_class->pool_bytes)
		return NULL;
	m->pool_used = true;
	*offset = 0;
	return m->pool;
}
EXPORT_SYMBOL_GPL(visorbus_pool_alloc);

bool visorbus_device_physical(const struct visor_device *dev)
{
	return !(to_mock(dev)->features & MULLION_EXTF_WINDOW_ADDR);
}
EXPORT_SYMBOL_GPL(visorbus_device_physical);

struct device *visorbus_dma_device(const struct visor_device *dev)
{
	return &to_mock(dev)->dev.device;
}
EXPORT_SYMBOL_GPL(visorbus_dma_device);

int visorbus_map_page(struct visor_device *dev, struct page *page,
		      unsigned int offset, unsigned int bytes,
		      enum dma_data_direction direction, u64 *address)
{
	dma_addr_t dma = dma_map_page(&dev->device, page, offset, bytes, direction);

	if (dma_mapping_error(&dev->device, dma))
		return -ENOMEM;
	*address = dma;
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_map_page);

void visorbus_unmap_page(struct visor_device *dev, u64 address,
			 unsigned int bytes, enum dma_data_direction direction)
{
	dma_unmap_page(&dev->device, address, bytes, direction);
}
EXPORT_SYMBOL_GPL(visorbus_unmap_page);

void visorbus_hold_page(struct visor_device *dev, struct page *page)
{
	mock_hold(dev, page, NULL);
}
EXPORT_SYMBOL_GPL(visorbus_hold_page);

void visorbus_hold_skb(struct visor_device *dev, struct sk_buff *skb)
{
	skb_orphan(skb);
	mock_hold(dev, NULL, skb);
}
EXPORT_SYMBOL_GPL(visorbus_hold_skb);

void visorbus_device_hold_ready(struct visor_device *dev)
{
}
EXPORT_SYMBOL_GPL(visorbus_device_hold_ready);

void visorbus_device_release_ready(struct visor_device *dev)
{
	pr_info("mockbus: scanned\n");
}
EXPORT_SYMBOL_GPL(visorbus_device_release_ready);

/* ---- orders ------------------------------------------------------------- */

static int mock_order(struct mock *m, const char *verb, unsigned int value)
{
	int rc = 0;

	if (!strcmp(verb, "generation")) {
		rc = mock_generation(m, 0);
	} else if (!strcmp(verb, "absent")) {
		rc = mock_generation(m, value);
	} else if (!strcmp(verb, "index")) {
		mutex_lock(&mock_service);
		WRITE_ONCE(m->server[1].shared->head, MOCK_SLOTS + 7);
		mutex_unlock(&mock_service);
		mock_call(m, 0);
	} else if (!strcmp(verb, "gone")) {
		m->gone = true;
		mock_remove(m);
	} else {
		rc = -EINVAL;
	}
	return rc;
}

static ssize_t mock_order_write(struct file *file, const char __user *user,
				size_t count, loff_t *pos)
{
	char text[32], verb[16];
	unsigned int i, value = 0;
	int rc;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, count))
		return -EFAULT;
	text[count] = 0;
	if (sscanf(text, "%15s %i", verb, &value) < 1)
		return -EINVAL;

	if (!strcmp(verb, "lose")) {
		mock_lose = value;
		return count;
	}
	if (!strcmp(verb, "hostile")) {
		mock_hostile = value;
		return count;
	}
	rc = mock_class->order(verb, value);
	if (rc == -EINVAL)
		for (i = 0, rc = 0; i < mock_class->devices && !rc; i++)
			rc = mock_order(&mocks[i], verb, value);
	return rc ? rc : count;
}

static const struct file_operations mock_order_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = mock_order_write,
};

/* ---- devices ----------------------------------------------------------------- */

static void mock_format(struct mock *m)
{
	struct visor_io_channel *c = (void *)m->channel;
	u32 space = mock_ext ? MULLION_IO_CH_SPACE_OFFSET : sizeof(c->channel_header);
	u32 bytes = mock_ext ? VISOR_IO_SLOT_BYTES : VISOR_IO_SIGNAL_BYTES;
	u32 ring = ALIGN(MOCK_SLOTS * bytes, PAGE_SIZE);
	unsigned int i;

	c->channel_header.ch_space_offset = space;
	c->channel_header.features = mock_ext ? MULLION_CHF_EXT : 0;
	mock_class->format(m, c);
	for (i = 0; i < 2 * m->dev.queue_pairs; i++) {
		u32 offset = space + i * sizeof(struct signal_queue_header);

		mullion_sq_format((void *)(m->channel + offset),
				  PAGE_SIZE + i * ring - offset, bytes,
				  MOCK_SLOTS);
		if (mullion_sq_attach(&m->client[i], m->channel,
				      MOCK_CHANNEL_BYTES, offset, bytes, 1) ||
		    mullion_sq_attach(&m->server[i], m->channel,
				      MOCK_CHANNEL_BYTES, offset, bytes, 1))
			pr_err("mockbus: queue %u not valid\n", i);
	}
}

static int mock_add(struct mock *m)
{
	int rc;

	mutex_init(&m->config);
	mutex_init(&m->state);
	INIT_WORK(&m->reset_work, mock_reset_work);
	init_waitqueue_head(&m->reset_wait);
	spin_lock_init(&m->interrupt_lock);
	spin_lock_init(&m->held_lock);
	INIT_LIST_HEAD(&m->held);
	init_completion(&m->state_done);
	timer_setup(&m->timer, mock_timer, 0);
	m->channel = vzalloc(MOCK_CHANNEL_BYTES);
	m->pool = vzalloc(mock_class->pool_bytes);
	if (!m->channel || !m->pool)
		return -ENOMEM;
	m->dev.queue_pairs = mock_ext ? mock_class->pairs : 1;
	m->dev.max_outstanding = mock_ext ? mock_class->outstanding : 0;
	m->dev.io_align = 512;
	m->dev.pool_share = mock_ext ? mock_class->pool_bytes : 0;
	mock_format(m);
	rc = mock_class->start(m);
	if (rc)
		return rc;
	m->dev.device.bus = &mock_bus_type;
	m->dev.device.release = mock_device_release;
	dev_set_name(&m->dev.device, "vbus1:dev%u", m->index);
	rc = device_register(&m->dev.device);
	if (rc)
		put_device(&m->dev.device);
	m->registered = !rc;
	return rc ? rc : dma_coerce_mask_and_coherent(&m->dev.device,
						      DMA_BIT_MASK(64));
}

static void mock_drop(struct mock *m)
{
	if (m->registered) {
		cancel_work_sync(&m->reset_work);
		device_unregister(&m->dev.device);
		wait_for_completion(&mock_released);
	}
	mock_class->stop(m);
	vfree(m->channel);
	vfree(m->pool);
}

static char *class = "disk";
module_param(class, charp, 0444);
MODULE_PARM_DESC(class, "disk or net");

static int __init mockbus_init(void)
{
	unsigned int i;
	int rc;

	visorbus_copy_init();
	mock_class = !strcmp(class, "net") ? &mock_net_class : &mock_disk_class;
	rc = bus_register(&mock_bus_type);
	if (rc)
		return rc;
	for (i = 0; i < mock_class->devices && !rc; i++) {
		mocks[i].index = i;
		rc = mock_add(&mocks[i]);
	}
	if (rc)
		goto drop;
	mock_thread = kthread_run(mock_serve, NULL, "mockbus");
	rc = PTR_ERR_OR_ZERO(mock_thread);
	if (rc)
		goto drop;
	mock_debugfs = debugfs_create_dir("mockbus", NULL);
	debugfs_create_file("order", 0200, mock_debugfs, NULL,
			    &mock_order_fops);
	debugfs_create_u64("stale", 0400, mock_debugfs, &mocks[0].stale);
	debugfs_create_u64("held", 0400, mock_debugfs, &mocks[0].held_count);
	debugfs_create_u64("early", 0400, mock_debugfs, &mock_net_early);
	debugfs_create_u32("lose", 0400, mock_debugfs, &mock_lose);
	return 0;
drop:
	while (i--)
		mock_drop(&mocks[i]);
	bus_unregister(&mock_bus_type);
	return rc;
}

static void __exit mockbus_exit(void)
{
	unsigned int i;

	debugfs_remove_recursive(mock_debugfs);
	kthread_stop(mock_thread);
	for (i = 0; i < mock_class->devices; i++)
		mock_drop(&mocks[i]);
	bus_unregister(&mock_bus_type);
}

module_init(mockbus_init);
module_exit(mockbus_exit);

MODULE_DESCRIPTION("Test double of visorbus with a RAM disk or a network service");
MODULE_LICENSE("GPL");
