// SPDX-License-Identifier: GPL-2.0-only
/*
 * service.c - mockbus: a RAM disk service in a thread, that misbehaves to order
 *
 * LUN 0, and LUN 1 when it was added, are the same RAM disk.  Every request is
 * answered in the order of arrival; those to be lost are forgotten.
 */
#include <linux/kthread.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>
#include <scsi/scsi_proto.h>

#include "mockbus.h"

static u32 mock_be(const u8 *p, int bytes)
{
	u32 v = 0;

	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

static void mock_put_be(u8 *p, u32 v, int bytes)
{
	while (bytes--) {
		p[bytes] = v;
		v >>= 8;
	}
}

static void mock_put(struct mock *m, struct mullion_io_slot *s)
{
	void *slot;

	if (mullion_sq_produce(&m->server[1], &slot)) {
		pr_err("mockbus: no room for a response\n");
		return;
	}
	memcpy(slot, s, sizeof(*s));
}

static void mock_sense(struct mullion_io_slot *s, u8 key, u8 asc)
{
	u8 *sense = s->rsp.scsi.sensebuf;

	s->rsp.scsi.linuxstat = SAM_STAT_CHECK_CONDITION;
	sense[0] = 0x70;
	sense[2] = key;
	sense[7] = 10;
	sense[12] = asc;
	s->ext.residual = s->rsp.scsi.bufflen;
}

/* Gives data to the guest: short answers leave a residual. */
static void mock_give(struct mullion_io_slot *s, u8 *data, const void *src,
		      u32 bytes)
{
	u32 n = min_t(u32, bytes, s->rsp.scsi.bufflen);

	memcpy(data, src, n);
	s->ext.residual = s->rsp.scsi.bufflen - n;
}

static void mock_inquiry(struct mock *m, struct mullion_io_slot *s, u8 *data)
{
	u8 d[36] = { 0 };

	if (s->rsp.scsi.cmnd[1] & 1) {
		mock_sense(s, ILLEGAL_REQUEST, 0x24);
		return;
	}
	d[2] = 5;
	d[4] = 31;
	d[7] = 2;
	memcpy(d + 8, "MOCK    RAM DISK        0001", 28);
	mock_give(s, data, d, sizeof(d));
}

static void mock_transfer(struct mock *m, struct mullion_io_slot *s, u8 *data,
			  u32 lba, u32 blocks, bool write)
{
	u32 bytes = blocks * 512;

	if (lba >= MOCK_DISK_BYTES / 512 ||
	    blocks > MOCK_DISK_BYTES / 512 - lba ||
	    bytes > s->rsp.scsi.bufflen) {
		mock_sense(s, ILLEGAL_REQUEST, 0x21);
		return;
	}
	if (write)
		memcpy(m->disk + lba * 512UL, data, bytes);
	else
		memcpy(data, m->disk + lba * 512UL, bytes);
	s->ext.residual = s->rsp.scsi.bufflen - bytes;
}

/* Moves the data of a request between the pool and one buffer. */
static bool mock_move(struct mock *m, const struct mullion_io_slot *s,
		      bool to_pool)
{
	u32 i, left = s->rsp.scsi.bufflen;
	u8 *data = m->data;

	if (left > MOCK_IO_BYTES || s->rsp.scsi.guest_phys_entries > MAX_PHYS_INFO)
		return false;
	for (i = 0; left; i++) {
		u64 address, length;

		if (i >= s->rsp.scsi.guest_phys_entries)
			return false;
		address = s->rsp.scsi.gpi_list[i].address;
		length = min_t(u64, s->rsp.scsi.gpi_list[i].length, left);
		if (!mullion_range_ok(address, length, MOCK_POOL_BYTES))
			return false;
		if (to_pool)
			memcpy(m->pool + address, data, length);
		else
			memcpy(data, m->pool + address, length);
		data += length;
		left -= length;
	}
	return true;
}

static void mock_execute(struct mock *m, struct mullion_io_slot *s)
{
	const u8 *cdb = s->rsp.scsi.cmnd;
	u8 *data = m->data;
	u8 d[32] = { 0 };

	if (s->rsp.scsi.vdest.id ||
	    s->rsp.scsi.vdest.lun > (m->lun1 ? 1 : 0)) {
		if (cdb[0] == INQUIRY && s->rsp.scsi.vdest.lun == 2)
			s->rsp.scsi.no_disk_result = 1;
		else
			s->rsp.scsi.linuxstat =
				UIS_LINUXSTAT(UIS_HOST_NO_CONNECT, 0);
		return;
	}
	s->rsp.scsi.linuxstat = 0;
	switch (cdb[0]) {
	case TEST_UNIT_READY:
	case SYNCHRONIZE_CACHE:
	case START_STOP:
		break;
	case INQUIRY:
		mock_inquiry(m, s, data);
		break;
	case REPORT_LUNS:
		mock_put_be(d, m->lun1 ? 16 : 8, 4);
		d[17] = 1;
		mock_give(s, data, d, m->lun1 ? 24 : 16);
		break;
	case READ_CAPACITY:
		mock_put_be(d, MOCK_DISK_BYTES / 512 - 1, 4);
		mock_put_be(d + 4, 512, 4);
		mock_give(s, data, d, 8);
		break;
	case MODE_SENSE:
		d[0] = 3 + 20;
		d[4] = 8;
		d[5] = 18;
		d[6] = 4;	/* WCE */
		mock_give(s, data, d, 24);
		break;
	case READ_10:
	case WRITE_10:
		mock_transfer(m, s, data, mock_be(cdb + 2, 4),
			      mock_be(cdb + 7, 2), cdb[0] == WRITE_10);
		break;
	case READ_16:
	case WRITE_16:
		mock_transfer(m, s, data, mock_be(cdb + 6, 4),
			      mock_be(cdb + 10, 4), cdb[0] == WRITE_16);
		break;
	default:
		mock_sense(s, ILLEGAL_REQUEST, 0x20);
	}
}

static void mock_scsi(struct mock *m, struct mullion_io_slot *s)
{
	bool in = s->rsp.scsi.data_dir == UIS_DMA_FROM_DEVICE;
	bool ok = in || mock_move(m, s, false);

	if (ok)
		mock_execute(m, s);
	if (in)
		ok = mock_move(m, s, true);
	if (!ok) {
		pr_err("mockbus: data outside the pool\n");
		s->rsp.scsi.linuxstat = UIS_LINUXSTAT(UIS_HOST_ERROR, 0);
	}
}

/* Everything wrong that can be said before the truth. */
static void mock_hostile(struct mock *m, const struct mullion_io_slot *truth)
{
	u32 mask = READ_ONCE(m->hostile);
	static struct mullion_io_slot s;	/* one thread, and large */

	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_TAG) {
		s.rsp.scsi.handle |= 0x7fff;
		mock_put(m, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_FREE) {
		s.rsp.scsi.handle = (s.rsp.scsi.handle & ~0xffffULL) |
			((s.rsp.scsi.handle + 1) % MOCK_OUTSTANDING);
		mock_put(m, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_ID) {
		s.rsp.scsi.handle += 1U << 16;
		s.ext.request_id++;
		mock_put(m, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_EPOCH) {
		s.ext.epoch--;
		mock_put(m, &s);
	}
	memset(&s, 0xa5, sizeof(s));
	if (mask & MOCK_BAD_TYPE)
		mock_put(m, &s);
	if (mask & MOCK_BAD_TMF) {
		s.rsp.cmdtype = CMD_SCSITASKMGMT_TYPE;
		s.ext.epoch = m->epoch;
		mock_put(m, &s);
	}
	if (mask & MOCK_BAD_NOTIFY) {
		s.rsp.cmdtype = CMD_NOTIFYGUEST_TYPE;
		mock_put(m, &s);
	}
}

static void mock_spoil(struct mock *m, struct mullion_io_slot *s)
{
	u32 mask = READ_ONCE(m->spoil);

	if (mask & MOCK_SPOIL_RESIDUAL)
		s->ext.residual = s->rsp.scsi.bufflen + 1;
	if (mask & MOCK_SPOIL_STATUS)
		s->rsp.scsi.linuxstat = 0x01020304;
	if (mask & MOCK_SPOIL_HOST)
		s->rsp.scsi.linuxstat = 0x00200000;
}

static void mock_request(struct mock *m, struct mullion_io_slot *s)
{
	if (s->ext.epoch != m->epoch) {
		pr_err("mockbus: request of epoch %u\n", s->ext.epoch);
		return;
	}
	if (s->rsp.cmdtype == CMD_SCSITASKMGMT_TYPE) {
		if (m->tmf == 2)
			return;
		s->rsp.scsitaskmgmt.result = m->tmf ? TASK_MGMT_FAILED :
			TASK_MGMT_SUCCESS;
		mock_put(m, s);
		return;
	}
	if (m->lose) {
		m->lose--;
		return;
	}
	mock_scsi(m, s);
	mock_spoil(m, s);
	mock_hostile(m, s);
	mock_put(m, s);
	if (m->hostile & MOCK_BAD_TWICE)
		mock_put(m, s);
}

/* One turn: all that has come, and one interrupt. */
void mock_service_turn(struct mock *m)
{
	static struct mullion_io_slot s;	/* one thread, and large */
	const void *slot;
	int rc;

	mutex_lock(&m->service);
	if (!m->attached || m->gone)
		goto out;
	do {
		while (!(rc = mullion_sq_consume(&m->server[0], &slot))) {
			memcpy(&s, slot, sizeof(s));
			mock_request(m, &s);
		}
		if (rc != -EAGAIN)
			pr_err("mockbus: command queue: %d\n", rc);
		mullion_sq_release(&m->server[0]);
		if (mullion_sq_publish(&m->server[1]))
			mock_interrupt(m);
	} while (mullion_sq_consumer_arm(&m->server[0]) > 0);
out:
	mutex_unlock(&m->service);
}

void mock_service_notify(struct mock *m, bool add, u32 id, u32 lun)
{
	struct mullion_io_slot s;

	memset(&s, 0, sizeof(s));
	s.rsp.cmdtype = CMD_NOTIFYGUEST_TYPE;
	s.rsp.disknotify.add = add;
	s.rsp.disknotify.id = id;
	s.rsp.disknotify.lun = lun;
	mutex_lock(&m->service);
	s.ext.epoch = m->epoch;
	mock_put(m, &s);
	if (mullion_sq_publish(&m->server[1]))
		mock_interrupt(m);
	mutex_unlock(&m->service);
}

static int mock_service_thread(void *arg)
{
	struct mock *m = arg;

	while (!kthread_should_stop()) {
		wait_event_timeout(m->wake, READ_ONCE(m->work) ||
				   kthread_should_stop(), HZ);
		WRITE_ONCE(m->work, false);
		mock_service_turn(m);
	}
	return 0;
}

int mock_service_start(struct mock *m)
{
	int rc = -ENOMEM;

	m->disk = vzalloc(MOCK_DISK_BYTES);
	m->data = vzalloc(MOCK_IO_BYTES);
	if (!m->disk || !m->data)
		goto free;
	m->thread = kthread_run(mock_service_thread, m, "mockbus");
	if (!IS_ERR(m->thread))
		return 0;
	rc = PTR_ERR(m->thread);
free:
	vfree(m->disk);
	vfree(m->data);
	return rc;
}

void mock_service_stop(struct mock *m)
{
	kthread_stop(m->thread);
	vfree(m->disk);
	vfree(m->data);
}
