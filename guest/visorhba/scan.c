// SPDX-License-Identifier: GPL-2.0-only
/*
 * scan.c - finding disks: at the start, and when the service names them
 *
 * Everything that adds or removes SCSI devices runs on the host's ordered work
 * queue, because it waits for I/O: probe, and the bus's control thread behind
 * it, never do.  What the service says is bounded: a full list of notifications
 * is replaced by one scan of the host, so that no disk that came stays unknown.
 */
#include <linux/async.h>

#include "visorhba.h"

static void visorhba_scan(struct visorhba *hba, enum scsi_scan_mode mode)
{
	u32 id;

	for (id = 0; id < hba->max_id && !READ_ONCE(hba->removing); id++)
		scsi_scan_target(&hba->shost->shost_gendev, 0, id,
				 SCAN_WILD_CARD, mode);
}

/**
 * visorhba_scan_work() - the first scan
 * @work: of the host
 *
 * The disks' drivers bind asynchronously; "ready" includes them.
 */
void visorhba_scan_work(struct work_struct *work)
{
	struct visorhba *hba = container_of(work, struct visorhba, scan_work);

	visorhba_scan(hba, SCSI_SCAN_INITIAL);
	async_synchronize_full();
	visorbus_device_release_ready(hba->dev);
}

/**
 * visorhba_slave_alloc() - the SCSI layer is about to look at a LUN
 * @sdev: that one
 *
 * Disks' drivers bind asynchronously and name what they bind to as they come, so
 * that a later LUN could become sda, which may be where the root file system is
 * looked for.  Those that were found before are bound first.
 *
 * Context: the host's scan mutex is held; may wait for I/O of those disks.
 * Return: 0.
 */
int visorhba_slave_alloc(struct scsi_device *sdev)
{
	struct scsi_device *other;

	shost_for_each_device(other, sdev->host)
		if (other != sdev && device_is_registered(&other->sdev_gendev) &&
		    device_attach(&other->sdev_gendev) < 0)
			sdev_printk(KERN_WARNING, other, "no driver binds to it\n");
	return 0;
}

static void visorhba_notify_one(struct visorhba *hba,
				const struct visorhba_notify *n)
{
	struct scsi_device *sdev;
	u64 lun = visorhba_lun_from_wire(n->lun);
	int rc;

	if (n->add) {
		rc = scsi_add_device(hba->shost, 0, n->id, lun);
		if (rc)
			dev_warn(&hba->dev->device,
				 "disk %u:%u was announced but does not answer: %d\n",
				 n->id, n->lun, rc);
		return;
	}
	sdev = scsi_device_lookup(hba->shost, 0, n->id, lun);
	if (sdev) {
		scsi_remove_device(sdev);
		scsi_device_put(sdev);
	}
}

/**
 * visorhba_notify_work() - act on what the service has announced
 * @work: of the host
 */
void visorhba_notify_work(struct work_struct *work)
{
	struct visorhba *hba = container_of(work, struct visorhba, notify_work);
	struct visorhba_notify n = { 0 };
	bool some, lost;

	do {
		spin_lock_irq(&hba->notify_lock);
		some = hba->notify_count && !hba->removing;
		lost = hba->notify_lost;
		if (some) {
			n = hba->notify[hba->notify_head];
			hba->notify_head = (hba->notify_head + 1) %
				VISORHBA_NOTIFY_MAX;
			hba->notify_count--;
		} else {
			hba->notify_lost = false;
		}
		spin_unlock_irq(&hba->notify_lock);
		if (some)
			visorhba_notify_one(hba, &n);
		else if (lost)
			visorhba_scan(hba, SCSI_SCAN_RESCAN);
	} while (some);
}

/**
 * visorhba_notify() - the service says that a disk came or went
 * @hba: the host
 * @add: it came
 * @channel: SCSI channel, only 0 exists
 * @id: target
 * @lun: LUN, not as the SCSI layer encodes it
 *
 * Context: any.
 */
void visorhba_notify(struct visorhba *hba, bool add, u32 channel, u32 id,
		     u32 lun)
{
	struct visorhba_notify *n;
	unsigned long flags;

	if (channel || id >= hba->max_id ||
	    visorhba_lun_from_wire(lun) >= hba->shost->max_lun) {
		dev_warn_ratelimited(&hba->dev->device,
				     "disk %u:%u:%u announced: out of range\n",
				     channel, id, lun);
		return;
	}
	spin_lock_irqsave(&hba->notify_lock, flags);
	if (hba->notify_count < VISORHBA_NOTIFY_MAX) {
		n = &hba->notify[(hba->notify_head + hba->notify_count) %
				 VISORHBA_NOTIFY_MAX];
		n->add = add;
		n->id = id;
		n->lun = lun;
		hba->notify_count++;
	} else {
		hba->notify_lost = true;
	}
	if (!hba->removing)
		queue_work(hba->wq, &hba->notify_work);
	spin_unlock_irqrestore(&hba->notify_lock, flags);
}
