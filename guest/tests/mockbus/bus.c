// SPDX-License-Identifier: GPL-2.0-only
/*
 * bus.c - mockbus: visorbus.h with one device, and orders to disturb it
 */
#include <linux/debugfs.h>
#include <linux/delay.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/vmalloc.h>

#include "../../visorbus/copy.h"
#include "mockbus.h"

static struct mock mock;
static struct dentry *mock_debugfs;

static DECLARE_COMPLETION(mock_released);

static void mock_device_release(struct device *device)
{
	complete(&mock_released);
}

static struct bus_type mock_bus_type = {
	.name = "mockbus",
};

/* The driver's callback, in the context that the real bus gives it. */
void mock_interrupt(struct mock *m)
{
	unsigned long flags;

	spin_lock_irqsave(&m->interrupt_lock, flags);
	if (m->interrupts && !m->gone && !m->faulted)
		m->driver->queue_interrupt(&m->dev, 0);
	spin_unlock_irqrestore(&m->interrupt_lock, flags);
}

static void mock_reset_queues(struct mock *m)
{
	int i;

	for (i = 0; i < 2; i++) {
		mullion_sq_reset_shared(&m->server[i]);
		mullion_sq_reset(&m->server[i], 1);
		mullion_sq_reset(&m->client[i], 1);
	}
	m->epoch++;
	m->faulted = false;
}

static void mock_state_complete(struct visor_device *dev, int status)
{
	mock.state_status = status;
	complete(&mock.state_done);
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
	mutex_lock(&m->service);
	usleep_range(5000, 10000);
	rc = mock_state(m, false);
	if (rc)
		pr_err("mockbus: pause: %d\n", rc);
	mock_interrupt(m);
	m->interrupts = false;
	if (absent_ms)
		msleep(absent_ms);
	mock_reset_queues(m);
	m->interrupts = true;
	mutex_unlock(&m->service);
	rc = mock_state(m, true);
	if (rc)
		pr_err("mockbus: resume: %d\n", rc);
	mock_interrupt(m);
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

/* ---- visorbus.h ----------------------------------------------------------- */

int visorbus_register_visor_driver(struct visor_driver *drv)
{
	int rc;

	mutex_lock(&mock.config);
	mock.driver = drv;
	mock.gone = false;
	mock.faulted = false;
	rc = drv->probe(&mock.dev);
	if (rc)
		mock.driver = NULL;
	mutex_unlock(&mock.config);
	return rc;
}
EXPORT_SYMBOL_GPL(visorbus_register_visor_driver);

void visorbus_unregister_visor_driver(struct visor_driver *drv)
{
	mutex_lock(&mock.config);
	if (mock.driver) {
		drv->remove(&mock.dev);
		mock.attached = false;
		mutex_lock(&mock.service);
		mock.pool_used = false;
		mock.driver = NULL;
		mutex_unlock(&mock.service);
	}
	mutex_unlock(&mock.config);
}
EXPORT_SYMBOL_GPL(visorbus_unregister_visor_driver);

int visorbus_device_attach(struct visor_device *dev, u64 features,
			   unsigned long timeout)
{
	mutex_lock(&mock.service);
	mock_reset_queues(&mock);
	mock.attached = true;
	mutex_unlock(&mock.service);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_device_attach);

u64 visorbus_device_features(const struct visor_device *dev)
{
	return MULLION_EXTF_KNOWN;
}
EXPORT_SYMBOL_GPL(visorbus_device_features);

u32 visorbus_device_epoch(const struct visor_device *dev)
{
	return mock.epoch;
}
EXPORT_SYMBOL_GPL(visorbus_device_epoch);

void visorbus_device_count_stale(struct visor_device *dev)
{
	mock.stale++;
}
EXPORT_SYMBOL_GPL(visorbus_device_count_stale);

bool visorbus_device_gone(const struct visor_device *dev)
{
	return mock.gone;
}
EXPORT_SYMBOL_GPL(visorbus_device_gone);

void visorbus_device_fault(struct visor_device *dev, const char *why)
{
	if (!mock.faulted)
		pr_info("mockbus: fault: %s\n", why);
	mock.faulted = true;
}
EXPORT_SYMBOL_GPL(visorbus_device_fault);

int visorbus_device_reset(struct visor_device *dev, unsigned long timeout)
{
	u32 before = READ_ONCE(mock.resets);

	queue_work(system_long_wq, &mock.reset_work);
	return wait_event_timeout(mock.reset_wait,
				  READ_ONCE(mock.resets) != before, timeout) ?
	       0 : -ETIMEDOUT;
}
EXPORT_SYMBOL_GPL(visorbus_device_reset);

struct mullion_sq *visorbus_device_queue(struct visor_device *dev,
					 unsigned int queue)
{
	return queue < 2 ? &mock.client[queue] : NULL;
}
EXPORT_SYMBOL_GPL(visorbus_device_queue);

void visorbus_device_ring(struct visor_device *dev, unsigned int queue)
{
	WRITE_ONCE(mock.work, true);
	wake_up(&mock.wake);
}
EXPORT_SYMBOL_GPL(visorbus_device_ring);

void visorbus_enable_channel_interrupts(struct visor_device *dev)
{
	mutex_lock(&mock.state);
	mock.enabled = true;
	mock.interrupts = true;
	mutex_unlock(&mock.state);
	mock_interrupt(&mock);
}
EXPORT_SYMBOL_GPL(visorbus_enable_channel_interrupts);

void visorbus_disable_channel_interrupts(struct visor_device *dev)
{
	unsigned long flags;

	mutex_lock(&mock.state);
	mock.enabled = false;
	spin_lock_irqsave(&mock.interrupt_lock, flags);
	mock.interrupts = false;
	spin_unlock_irqrestore(&mock.interrupt_lock, flags);
	mutex_unlock(&mock.state);
}
EXPORT_SYMBOL_GPL(visorbus_disable_channel_interrupts);

int visorbus_read_channel(struct visor_device *dev, u64 offset, void *dest,
			  u64 nbytes)
{
	if (!mullion_range_ok(offset, nbytes, MOCK_CHANNEL_BYTES))
		return -EINVAL;
	memcpy(dest, mock.channel + offset, nbytes);
	return 0;
}
EXPORT_SYMBOL_GPL(visorbus_read_channel);

void *visorbus_pool_alloc(struct visor_device *dev, size_t bytes, u64 *offset)
{
	if (mock.pool_used || bytes > MOCK_POOL_BYTES)
		return NULL;
	mock.pool_used = true;
	*offset = 0;
	return mock.pool;
}
EXPORT_SYMBOL_GPL(visorbus_pool_alloc);

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

static ssize_t mock_order_write(struct file *file, const char __user *user,
				size_t count, loff_t *pos)
{
	char text[32], verb[16];
	unsigned int value = 0;
	struct mock *m = &mock;
	int rc = 0;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, user, count))
		return -EFAULT;
	text[count] = 0;
	if (sscanf(text, "%15s %i", verb, &value) < 1)
		return -EINVAL;

	if (!strcmp(verb, "generation")) {
		rc = mock_generation(m, 0);
	} else if (!strcmp(verb, "absent")) {
		rc = mock_generation(m, value);
	} else if (!strcmp(verb, "lose")) {
		m->lose = value;
	} else if (!strcmp(verb, "hostile")) {
		m->hostile = value;
	} else if (!strcmp(verb, "spoil")) {
		m->spoil = value;
	} else if (!strcmp(verb, "tmf")) {
		m->tmf = value;
	} else if (!strcmp(verb, "index")) {
		mutex_lock(&m->service);
		WRITE_ONCE(m->server[1].shared->head, MOCK_SLOTS + 7);
		mutex_unlock(&m->service);
		mock_interrupt(m);
	} else if (!strcmp(verb, "gone")) {
		mutex_lock(&m->config);
		m->gone = true;
		if (m->driver)
			m->driver->remove(&m->dev);
		m->driver = NULL;
		mutex_unlock(&m->config);
	} else if (!strcmp(verb, "add") || !strcmp(verb, "drop")) {
		m->lun1 = verb[0] == 'a';
		mock_service_notify(m, m->lun1, 0, 1);
	} else {
		rc = -EINVAL;
	}
	return rc ? rc : count;
}

static const struct file_operations mock_order_fops = {
	.owner = THIS_MODULE,
	.open = simple_open,
	.write = mock_order_write,
};

static void mock_format(struct mock *m)
{
	struct visor_io_channel *c = (void *)m->channel;
	u8 *header = m->channel + MULLION_IO_CH_SPACE_OFFSET;
	u32 ring = ALIGN(MOCK_SLOTS * VISOR_IO_SLOT_BYTES, PAGE_SIZE);
	int i;

	c->vhba.max.max_channel = 1;
	c->vhba.max.max_id = 1;
	c->vhba.max.max_lun = 8;
	c->vhba.max.cmd_per_lun = 32;
	c->vhba.max.max_io_size = MOCK_IO_BYTES;
	for (i = 0; i < 2; i++) {
		u32 offset = MULLION_IO_CH_SPACE_OFFSET + i * 128;

		mullion_sq_format((void *)(header + i * 128),
				  PAGE_SIZE + i * ring - offset,
				  VISOR_IO_SLOT_BYTES, MOCK_SLOTS);
		if (mullion_sq_attach(&m->client[i], m->channel,
				      MOCK_CHANNEL_BYTES, offset,
				      VISOR_IO_SLOT_BYTES, 1) ||
		    mullion_sq_attach(&m->server[i], m->channel,
				      MOCK_CHANNEL_BYTES, offset,
				      VISOR_IO_SLOT_BYTES, 1))
			pr_err("mockbus: queue %d not valid\n", i);
	}
}

static int __init mockbus_init(void)
{
	struct mock *m = &mock;
	int rc;

	visorbus_copy_init();
	mutex_init(&m->config);
	mutex_init(&m->state);
	INIT_WORK(&m->reset_work, mock_reset_work);
	init_waitqueue_head(&m->reset_wait);
	mutex_init(&m->service);
	spin_lock_init(&m->interrupt_lock);
	init_waitqueue_head(&m->wake);
	init_completion(&m->state_done);
	rc = -ENOMEM;
	m->channel = vzalloc(MOCK_CHANNEL_BYTES);
	m->pool = vzalloc(MOCK_POOL_BYTES);
	if (!m->channel || !m->pool)
		goto free;
	mock_format(m);
	rc = bus_register(&mock_bus_type);
	if (rc)
		goto free;
	m->dev.queue_pairs = 1;
	m->dev.max_outstanding = MOCK_OUTSTANDING;
	m->dev.io_align = 512;
	m->dev.pool_share = MOCK_POOL_BYTES;
	m->dev.device.bus = &mock_bus_type;
	m->dev.device.release = mock_device_release;
	dev_set_name(&m->dev.device, "vbus1:dev0");
	rc = device_register(&m->dev.device);
	if (rc) {
		put_device(&m->dev.device);
		goto unregister;
	}
	rc = mock_service_start(m);
	if (rc)
		goto device;
	mock_debugfs = debugfs_create_dir("mockbus", NULL);
	debugfs_create_file("order", 0200, mock_debugfs, NULL,
			    &mock_order_fops);
	debugfs_create_u64("stale", 0400, mock_debugfs, &m->stale);
	return 0;
device:
	device_unregister(&m->dev.device);
unregister:
	bus_unregister(&mock_bus_type);
free:
	vfree(m->channel);
	vfree(m->pool);
	return rc;
}

static void __exit mockbus_exit(void)
{
	debugfs_remove_recursive(mock_debugfs);
	mock_service_stop(&mock);
	cancel_work_sync(&mock.reset_work);
	device_unregister(&mock.dev.device);
	wait_for_completion(&mock_released);
	bus_unregister(&mock_bus_type);
	vfree(mock.channel);
	vfree(mock.pool);
}

module_init(mockbus_init);
module_exit(mockbus_exit);

MODULE_DESCRIPTION("Test double of visorbus with a RAM disk service");
MODULE_LICENSE("GPL");
