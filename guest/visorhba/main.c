// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the SCSI host driver: probe and remove, pause and resume
 *
 * visorhba.h says how it works.  Everything read from the channel here was
 * written by the service: numbers are brought into bounds that any service may
 * have, and what cannot be used is refused with a line that says why.
 */
#include <linux/blk-mq.h>
#include <linux/delay.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <linux/slab.h>

#include "visorhba.h"

#define VISORHBA_ATTACH_SECONDS	60
#define VISORHBA_FEATURES						\
	(MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |		\
	 MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE |		\
	 MULLION_EXTF_DISK_NOTIFY)

#define VISORHBA_IO_MIN		SZ_4K
#define VISORHBA_IO_MAX		SZ_32M
#define VISORHBA_ID_MAX		256
#define VISORHBA_LUN_MAX	0x8000	/* flat addresses end at 0x7fff */

struct workqueue_struct *visorhba_wq;

static LIST_HEAD(visorhba_leaving);
static DEFINE_MUTEX(visorhba_leaving_lock);

static struct scsi_host_template visorhba_template = {
	.module			= THIS_MODULE,
	.name			= "visorhba",
	.proc_name		= "visorhba",
	.queuecommand		= visorhba_queuecommand,
	.commit_rqs		= visorhba_commit_rqs,
	.slave_alloc		= visorhba_slave_alloc,
	.eh_timed_out		= visorhba_timed_out,
	.eh_abort_handler	= visorhba_abort,
	.eh_device_reset_handler = visorhba_device_reset,
	.eh_target_reset_handler = visorhba_target_reset,
	.eh_bus_reset_handler	= visorhba_bus_reset,
	.eh_host_reset_handler	= visorhba_host_reset,
	.change_queue_depth	= scsi_change_queue_depth,
	.this_id		= -1,
	.max_segment_size	= UINT_MAX,
	.dma_boundary		= ULONG_MAX,
	.track_queue_depth	= 1,
	.skip_settle_delay	= 1,
};

/* What the agreed features mean for messages; at each attach, queues owned. */
static int visorhba_take_features(struct visorhba *hba)
{
	u64 features = visorbus_device_features(hba->dev);
	bool slot_ext = features & MULLION_EXTF_SLOT_EXT;
	u32 needed = slot_ext ? VISOR_IO_SLOT_BYTES : VISOR_IO_SIGNAL_BYTES;
	unsigned int i;

	if (hba->physical != visorbus_device_physical(hba->dev)) {
		dev_err(&hba->dev->device,
			"the disk service wants another kind of addresses than its predecessor\n");
		return -EPROTO;
	}
	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		if (q->cmd->slot_bytes < needed || q->rsp->slot_bytes < needed) {
			dev_err(&hba->dev->device,
				"queue pair %u has slots of %u and %u bytes, %u are needed\n",
				i, q->cmd->slot_bytes, q->rsp->slot_bytes,
				needed);
			return -EPROTO;
		}
		q->held = NULL;
		/* A full ring is blk-mq's to wait for. */
		mullion_sq_producer_disarm(q->cmd);
	}
	hba->slot_ext = slot_ext;
	WRITE_ONCE(hba->epoch, visorbus_device_epoch(hba->dev));
	return 0;
}

/* Requests that may be unanswered; one is kept for task management. */
static u32 visorhba_tag_limit(const struct visorhba *hba)
{
	u64 wanted = (u64)hba->shost->cmd_per_lun *
		     min_t(u32, hba->shost->max_lun, VISORHBA_TAGS_MAX) *
		     hba->max_id;
	u32 limit = min_t(u64, wanted, VISORHBA_TAGS_MAX);
	unsigned int i;

	if (hba->dev->max_outstanding)
		limit = min(limit, hba->dev->max_outstanding - 1);
	for (i = 0; i < hba->queue_count; i++)
		limit = min3(limit, hba->queues[i].cmd->max_slots - 2,
			     hba->queues[i].rsp->max_slots - 2);
	return limit;
}

static int visorhba_init_queues(struct visorhba *hba)
{
	unsigned int i;

	hba->queue_count = min_t(unsigned int, hba->dev->queue_pairs,
				 nr_cpu_ids);
	hba->queues = kcalloc(hba->queue_count, sizeof(*hba->queues),
			      GFP_KERNEL);
	if (!hba->queues)
		return -ENOMEM;
	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		q->hba = hba;
		q->index = i;
		spin_lock_init(&q->lock);
		q->next_id = i + 1;
		INIT_WORK(&q->work, visorhba_drain_work);
		q->cmd = visorbus_device_queue(hba->dev, 2 * i);
		q->rsp = visorbus_device_queue(hba->dev, 2 * i + 1);
		if (!q->cmd || !q->rsp)
			return -EPROTO;
	}
	return 0;
}

static int visorhba_init_data(struct visorhba *hba, u32 max_io)
{
	u32 tags = visorhba_tag_limit(hba);
	int rc;

	if (hba->physical) {
		hba->tags = tags;
		hba->max_io = max_io;
		return tags ? 0 : -EPROTO;
	}
	rc = visorhba_areas_init(hba, tags, max_io);
	if (rc)
		dev_err(&hba->dev->device,
			"no room for data in the window's pool (share %llu bytes, %u requests): %d\n",
			hba->dev->pool_share, tags, rc);
	return rc;
}

/*
 * The SCSI layer looks at the host's template when it releases a disk, which
 * may be long after the host was removed and, if only for a moment, after the
 * last reference to this module was given back.  So the last reference to a
 * host is kept until it is the only one, at the latest by module exit.
 */
static bool visorhba_reap(void)
{
	struct visorhba *hba, *next;
	bool empty;

	mutex_lock(&visorhba_leaving_lock);
	list_for_each_entry_safe(hba, next, &visorhba_leaving, leaving) {
		struct kobject *kobj = &hba->shost->shost_gendev.kobj;

		if (kref_read(&kobj->kref) == 1) {
			list_del(&hba->leaving);
			scsi_host_put(hba->shost);
		}
	}
	empty = list_empty(&visorhba_leaving);
	mutex_unlock(&visorhba_leaving_lock);
	return empty;
}

static void visorhba_free(struct visorhba *hba)
{
	kvfree(hba->order);
	kvfree(hba->table);
	kvfree(hba->pieces);
	kfree(hba->queues);
	if (hba->wq)
		destroy_workqueue(hba->wq);
	mutex_lock(&visorhba_leaving_lock);
	list_add(&hba->leaving, &visorhba_leaving);
	mutex_unlock(&visorhba_leaving_lock);
	visorhba_reap();
}

static int visorhba_probe(struct visor_device *dev)
{
	struct Scsi_Host *shost;
	struct visorhba *hba;
	struct vhba_config_max max;
	int rc;

	rc = visorbus_device_attach(dev, VISORHBA_FEATURES,
				    VISORHBA_ATTACH_SECONDS * HZ);
	if (rc) {
		dev_err(&dev->device, "cannot attach to the disk service: %d\n",
			rc);
		return rc;
	}
	rc = visorbus_read_channel(dev, offsetof(struct visor_io_channel,
						 vhba.max), &max, sizeof(max));
	if (rc)
		return rc;

	shost = scsi_host_alloc(&visorhba_template, sizeof(*hba));
	if (!shost)
		return -ENOMEM;
	hba = shost_priv(shost);
	hba->dev = dev;
	hba->shost = shost;
	hba->physical = visorbus_device_physical(dev);
	hba->max_id = clamp_t(u32, max.max_id, 1, VISORHBA_ID_MAX);
	mutex_init(&hba->control);
	mutex_init(&hba->tmf_mutex);
	init_rwsem(&hba->handlers);
	init_waitqueue_head(&hba->wait);
	init_completion(&hba->tmf.done);
	spin_lock_init(&hba->notify_lock);
	INIT_WORK(&hba->fail_work, visorhba_fail_work);
	INIT_DELAYED_WORK(&hba->absent_work, visorhba_absent_work);
	INIT_WORK(&hba->scan_work, visorhba_scan_work);
	INIT_WORK(&hba->notify_work, visorhba_notify_work);
	shost->max_id = hba->max_id;
	shost->max_lun = max.max_lun > 256 ? VISORHBA_LUN_MAX :
		max_t(u32, max.max_lun, 1);
	shost->max_channel = 0;
	shost->max_cmd_len = sizeof_field(struct uiscmdrsp_scsi, cmnd);
	shost->cmd_per_lun = clamp_t(u32, max.cmd_per_lun, 1,
				     VISORHBA_TAGS_MAX);

	rc = visorhba_init_queues(hba);
	if (rc)
		goto free;
	rc = visorhba_take_features(hba);
	if (rc)
		goto free;
	rc = visorhba_init_data(hba, clamp_t(u32, max.max_io_size,
					     VISORHBA_IO_MIN, VISORHBA_IO_MAX));
	if (rc)
		goto free;
	rc = -ENOMEM;
	hba->table = kvcalloc(hba->tags, sizeof(*hba->table), GFP_KERNEL);
	hba->order = kvmalloc_array(hba->tags, sizeof(*hba->order), GFP_KERNEL);
	if (!hba->table || !hba->order)
		goto free;
	hba->wq = alloc_ordered_workqueue("visorhba_%u", WQ_FREEZABLE,
					  shost->host_no);
	if (!hba->wq)
		goto free;

	shost->can_queue = hba->tags;
	shost->max_sectors = hba->max_io >> SECTOR_SHIFT;
	shost->sg_tablesize = hba->physical ? MAX_PHYS_INFO :
		clamp_t(u32, hba->max_io / SZ_4K + 1, SG_CHUNK_SIZE,
			SG_MAX_SEGMENTS);
	shost->cmd_per_lun = min_t(int, shost->cmd_per_lun, hba->tags);
	shost->nr_hw_queues = hba->queue_count;
	shost->host_tagset = 1;
	rc = scsi_add_host_with_dma(shost, &dev->device, hba->physical ?
				    visorbus_dma_device(dev) : &dev->device);
	if (rc)
		goto free;

	hba->state = VISORHBA_RUNNING;
	dev_set_drvdata(&dev->device, hba);
	visorhba_stats_add(hba);
	visorbus_enable_channel_interrupts(dev);
	dev_info(&dev->device,
		 "host%u: %u requests of up to %u KiB, %u queue pair(s)%s\n",
		 shost->host_no, hba->tags, shost->max_sectors / 2,
		 hba->queue_count, hba->physical ? ", guest-physical" : "");

	/* Scanning takes I/O, and probe is not to wait for that. */
	visorbus_device_hold_ready(dev);
	queue_work(hba->wq, &hba->scan_work);
	return 0;

free:
	visorhba_free(hba);
	return rc;
}

static void visorhba_remove(struct visor_device *dev)
{
	struct visorhba *hba = dev_get_drvdata(&dev->device);
	unsigned int i;

	spin_lock_irq(&hba->notify_lock);
	WRITE_ONCE(hba->removing, true);
	spin_unlock_irq(&hba->notify_lock);
	wake_up_all(&hba->wait);

	/*
	 * With a server the disks' caches are flushed as the host goes.  One that
	 * is being replaced is waited for, but not for ever.
	 */
	if (!visorbus_device_gone(dev))
		visorhba_wait_server(hba);
	mutex_lock(&hba->control);
	if (visorbus_device_gone(dev) || hba->state != VISORHBA_RUNNING)
		visorhba_fail(hba, VISORHBA_GONE, DID_NO_CONNECT);
	mutex_unlock(&hba->control);
	if (cancel_work_sync(&hba->scan_work))
		visorbus_device_release_ready(dev);
	cancel_work_sync(&hba->notify_work);
	scsi_remove_host(hba->shost);

	visorbus_disable_channel_interrupts(dev);
	mutex_lock(&hba->control);
	visorhba_fail(hba, VISORHBA_GONE, DID_NO_CONNECT);
	mutex_unlock(&hba->control);
	/* No interrupts, no commands: nobody queues these again. */
	for (i = 0; i < hba->queue_count; i++)
		flush_work(&hba->queues[i].work);
	cancel_work_sync(&hba->fail_work);
	cancel_delayed_work_sync(&hba->absent_work);
	/* A handler that an ioctl has called may be anywhere still. */
	down_write(&hba->handlers);
	hba->ended = true;
	up_write(&hba->handlers);

	visorhba_stats_remove(hba);
	dev_set_drvdata(&dev->device, NULL);
	visorhba_free(hba);
}

/* Has the server stopped this channel for good? */
static bool visorhba_server_faulted(struct visorhba *hba)
{
	u32 state;

	return visorbus_device_features(hba->dev) &&
	       !visorbus_read_channel(hba->dev, MULLION_CHANNEL_EXT_OFFSET_IO +
				      offsetof(struct mullion_channel_ext,
					       server_state),
				      &state, sizeof(state)) &&
	       state == MULLION_CHANNEL_FAULTED;
}

/*
 * The bus: the server is away, or an administrator wants silence, or the
 * channel is faulted.  May come while remove ends the last I/O.
 */
static int visorhba_pause(struct visor_device *dev,
			  visorbus_state_complete_func complete_func)
{
	struct visorhba *hba = dev_get_drvdata(&dev->device);
	unsigned long timeout = visorhba_absent_jiffies();
	unsigned int i;

	/* remove waits for the last I/O, which cannot time out while blocked. */
	if (READ_ONCE(hba->removing))
		timeout = VISORHBA_REMOVE_SECONDS * HZ;
	mutex_lock(&hba->control);
	if (hba->state == VISORHBA_RUNNING) {
		visorhba_set_state(hba, VISORHBA_PAUSED);
		hba->blocked = true;
		scsi_block_requests(hba->shost);
		if (timeout != MAX_SCHEDULE_TIMEOUT)
			queue_delayed_work(visorhba_wq, &hba->absent_work,
					   timeout);
		for (i = 0; i < hba->queue_count; i++)
			visorhba_queue_flush(&hba->queues[i]);
	}
	if (hba->state == VISORHBA_PAUSED &&
	    (READ_ONCE(hba->faulted) || visorhba_server_faulted(hba)))
		visorhba_fail(hba, VISORHBA_FAULTED, DID_ERROR);
	mutex_unlock(&hba->control);
	complete_func(dev, 0);
	return 0;
}

/* The bus: the rings are empty, the epoch is a new one. */
static int visorhba_resume(struct visor_device *dev,
			   visorbus_state_complete_func complete_func)
{
	struct visorhba *hba = dev_get_drvdata(&dev->device);
	bool running = false;
	unsigned int i;
	int rc = 0;

	mutex_lock(&hba->control);
	/*
	 * A service of s-Par confirms no epoch.  It has let go of all memory before
	 * it said standby, since other drivers end what is unanswered as soon as they
	 * hear that; with running it has emptied the rings, and answers nothing of
	 * before.  So this is the latest moment that there is, and to wait for
	 * answers would be to wait for ever.
	 */
	if (READ_ONCE(hba->forget) ||
	    !(visorbus_device_features(dev) & MULLION_EXTF_REISSUE))
		visorhba_end_all(hba, DID_RESET, true);
	for (i = 0; i < hba->queue_count; i++)
		visorhba_queue_own(&hba->queues[i]);
	if (hba->state != VISORHBA_GONE) {
		rc = visorhba_take_features(hba);
		if (!rc)
			rc = visorhba_reissue(hba);
		running = !rc;
	}
	if (running) {
		WRITE_ONCE(hba->faulted, false);
		hba->resumed = jiffies;
		hba->resumes++;
		visorhba_set_state(hba, VISORHBA_RUNNING);
	}
	for (i = 0; i < hba->queue_count; i++)
		visorhba_queue_disown(&hba->queues[i]);
	if (running) {
		if (READ_ONCE(hba->tmf.id))
			visorhba_send_tmf(hba);
		cancel_delayed_work(&hba->absent_work);
		visorhba_unblock(hba);
	}
	mutex_unlock(&hba->control);
	if (rc) {
		dev_err(&dev->device,
			"cannot send unanswered requests again: %d\n", rc);
		return rc;
	}
	complete_func(dev, 0);
	return 0;
}

static const struct visor_channeltype_descriptor visorhba_channel_types[] = {
	{
		.guid = VISOR_VHBA_CHANNEL_GUID,
		.name = "sparvhba",
		.min_bytes = sizeof(struct visor_io_channel),
		.version = VISOR_VHBA_CHANNEL_VERSION,
	},
	{ }
};

static struct visor_driver visorhba_driver = {
	.name = "visorhba",
	.owner = THIS_MODULE,
	.channel_types = visorhba_channel_types,
	.probe = visorhba_probe,
	.remove = visorhba_remove,
	.queue_interrupt = visorhba_queue_interrupt,
	.pause = visorhba_pause,
	.resume = visorhba_resume,
};

static int __init visorhba_init(void)
{
	int rc;

	/* Completions make memory free: they must not wait for any. */
	visorhba_wq = alloc_workqueue("visorhba", WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!visorhba_wq)
		return -ENOMEM;
	visorhba_stats_init();
	rc = visorbus_register_visor_driver(&visorhba_driver);
	if (rc) {
		visorhba_stats_done();
		destroy_workqueue(visorhba_wq);
	}
	return rc;
}

static void __exit visorhba_exit(void)
{
	visorbus_unregister_visor_driver(&visorhba_driver);
	/* Nobody has a disk open any more: this is a matter of milliseconds. */
	while (!visorhba_reap())
		msleep(20);
	visorhba_stats_done();
	destroy_workqueue(visorhba_wq);
}

module_init(visorhba_init);
module_exit(visorhba_exit);

MODULE_AUTHOR("The Mullion developers");
MODULE_DESCRIPTION("SCSI host of a Mullion or s-Par disk service");
MODULE_LICENSE("GPL");
MODULE_ALIAS("visorbus:" VISOR_VHBA_CHANNEL_GUID_STR);
/* One that comes later binds to the disks in any order. */
MODULE_SOFTDEP("pre: sd_mod");
