// SPDX-License-Identifier: GPL-2.0-only
/*
 * disk.c - mockbus: a RAM disk service, that misbehaves to order
 *
 * LUN 0, and LUN 1 when it was added, are the same RAM disk.  Every request is
 * answered in the order of arrival; those to be lost are forgotten.
 */
#include <linux/slab.h>
#include <linux/vmalloc.h>
#include <scsi/scsi_proto.h>

#include "../../../abi/guid.h"
#include "mockbus.h"

#define MOCK_DISK_BYTES		(64U << 20)
#define MOCK_IO_BYTES		(256U << 10)
#define MOCK_OUTSTANDING	64

/* hostile: a message more, before the true one */
#define MOCK_BAD_TAG		(1U << 0)	/* tag out of range */
#define MOCK_BAD_FREE		(1U << 1)	/* tag that is free */
#define MOCK_BAD_ID		(1U << 2)	/* right tag, wrong request */
#define MOCK_BAD_EPOCH		(1U << 3)	/* right, of an older epoch */
#define MOCK_BAD_TYPE		(1U << 4)	/* unknown message */
#define MOCK_BAD_TWICE		(1U << 5)	/* the true one again, after it */
#define MOCK_BAD_TMF		(1U << 6)	/* answer to no request */
#define MOCK_BAD_NOTIFY		(1U << 7)	/* disk out of range */

/* spoil: the answer itself */
#define MOCK_SPOIL_RESIDUAL	(1U << 0)	/* more than was asked for */
#define MOCK_SPOIL_STATUS	(1U << 1)	/* result word with unknown bits */
#define MOCK_SPOIL_HOST		(1U << 2)	/* host byte that is none */

struct mock_disk {
	u8 *disk;
	u8 *data;			/* of one request */
	bool lun1;
	u32 spoil;
	u32 tmf;
};

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
		memcpy(m->disk->disk + lba * 512UL, data, bytes);
	else
		memcpy(data, m->disk->disk + lba * 512UL, bytes);
	s->ext.residual = s->rsp.scsi.bufflen - bytes;
}

/* Moves the data of a request between the pool and one buffer. */
static bool mock_move(struct mock *m, const struct mullion_io_slot *s,
		      bool to_pool)
{
	u32 i, left = s->rsp.scsi.bufflen;
	u8 *data = m->disk->data;

	if (left > MOCK_IO_BYTES || s->rsp.scsi.guest_phys_entries > MAX_PHYS_INFO)
		return false;
	for (i = 0; left; i++) {
		u64 address, length;
		u8 *pool;

		if (i >= s->rsp.scsi.guest_phys_entries)
			return false;
		address = s->rsp.scsi.gpi_list[i].address;
		length = min_t(u64, s->rsp.scsi.gpi_list[i].length, left);
		pool = mock_memory(m, address, length);
		if (!pool)
			return false;
		if (to_pool)
			memcpy(pool, data, length);
		else
			memcpy(data, pool, length);
		data += length;
		left -= length;
	}
	return true;
}

static void mock_execute(struct mock *m, struct mullion_io_slot *s)
{
	const u8 *cdb = s->rsp.scsi.cmnd;
	u8 *data = m->disk->data;
	u8 d[32] = { 0 };

	if (s->rsp.scsi.vdest.id ||
	    s->rsp.scsi.vdest.lun > (m->disk->lun1 ? 1 : 0)) {
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
		mock_put_be(d, m->disk->lun1 ? 16 : 8, 4);
		d[17] = 1;
		mock_give(s, data, d, m->disk->lun1 ? 24 : 16);
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
static void mock_bad(struct mock *m, const struct mullion_io_slot *truth)
{
	u32 mask = READ_ONCE(mock_hostile);
	static struct mullion_io_slot s;	/* one thread, and large */

	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_TAG) {
		s.rsp.scsi.handle |= 0x7fff;
		mock_put(m, 0, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_FREE) {
		s.rsp.scsi.handle = (s.rsp.scsi.handle & ~0xffffULL) |
			((s.rsp.scsi.handle + 1) % MOCK_OUTSTANDING);
		mock_put(m, 0, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_ID) {
		s.rsp.scsi.handle += 1U << 16;
		s.ext.request_id++;
		mock_put(m, 0, &s);
	}
	memcpy(&s, truth, sizeof(s));
	if (mask & MOCK_BAD_EPOCH) {
		s.ext.epoch--;
		mock_put(m, 0, &s);
	}
	memset(&s, 0xa5, sizeof(s));
	if (mask & MOCK_BAD_TYPE)
		mock_put(m, 0, &s);
	if (mask & MOCK_BAD_TMF) {
		s.rsp.cmdtype = CMD_SCSITASKMGMT_TYPE;
		s.ext.epoch = m->epoch;
		mock_put(m, 0, &s);
	}
	if (mask & MOCK_BAD_NOTIFY) {
		s.rsp.cmdtype = CMD_NOTIFYGUEST_TYPE;
		mock_put(m, 0, &s);
	}
}

static void mock_spoil(struct mock *m, struct mullion_io_slot *s)
{
	u32 mask = READ_ONCE(m->disk->spoil);

	if (mask & MOCK_SPOIL_RESIDUAL)
		s->ext.residual = s->rsp.scsi.bufflen + 1;
	if (mask & MOCK_SPOIL_STATUS)
		s->rsp.scsi.linuxstat = 0x01020304;
	if (mask & MOCK_SPOIL_HOST)
		s->rsp.scsi.linuxstat = 0x00200000;
}

static void mock_disk_message(struct mock *m, unsigned int pair,
			      struct mullion_io_slot *s)
{
	if (s->ext.epoch != m->epoch) {
		pr_err("mockbus: request of epoch %u\n", s->ext.epoch);
		return;
	}
	if (s->rsp.cmdtype == CMD_SCSITASKMGMT_TYPE) {
		if (m->disk->tmf == 2)
			return;
		s->rsp.scsitaskmgmt.result = m->disk->tmf ? TASK_MGMT_FAILED :
			TASK_MGMT_SUCCESS;
		mock_put(m, 0, s);
		return;
	}
	if (mock_lose) {
		mock_lose--;
		return;
	}
	mock_scsi(m, s);
	mock_spoil(m, s);
	mock_bad(m, s);
	mock_put(m, 0, s);
	if (mock_hostile & MOCK_BAD_TWICE)
		mock_put(m, 0, s);
}

static void mock_disk_turn_end(struct mock *m)
{
}

static void mock_disk_forget(struct mock *m)
{
}

static void mock_disk_notify(struct mock *m, bool add, u32 id, u32 lun)
{
	struct mullion_io_slot s;

	memset(&s, 0, sizeof(s));
	s.rsp.cmdtype = CMD_NOTIFYGUEST_TYPE;
	s.rsp.disknotify.add = add;
	s.rsp.disknotify.id = id;
	s.rsp.disknotify.lun = lun;
	mutex_lock(&mock_service);
	s.ext.epoch = m->epoch;
	mock_put(m, 0, &s);
	mock_publish(m);
	mutex_unlock(&mock_service);
}

static int mock_disk_order(const char *verb, unsigned int value)
{
	struct mock *m = mocks;
	struct mock_disk *d = m->disk;

	if (!strcmp(verb, "spoil")) {
		d->spoil = value;
	} else if (!strcmp(verb, "tmf")) {
		d->tmf = value;
	} else if (!strcmp(verb, "add") || !strcmp(verb, "drop")) {
		d->lun1 = verb[0] == 'a';
		mock_disk_notify(m, d->lun1, 0, 1);
	} else {
		return -EINVAL;
	}
	return 0;
}

static int mock_disk_start(struct mock *m)
{
	struct mock_disk *d = kzalloc(sizeof(*d), GFP_KERNEL);

	m->disk = d;
	if (!d)
		return -ENOMEM;
	d->disk = vzalloc(MOCK_DISK_BYTES);
	d->data = vzalloc(MOCK_IO_BYTES);
	return d->disk && d->data ? 0 : -ENOMEM;
}

static void mock_disk_stop(struct mock *m)
{
	if (!m->disk)
		return;
	vfree(m->disk->disk);
	vfree(m->disk->data);
	kfree(m->disk);
}

static void mock_disk_format(struct mock *m, struct visor_io_channel *c)
{
	c->vhba.max.max_channel = 1;
	c->vhba.max.max_id = 1;
	c->vhba.max.max_lun = 8;
	c->vhba.max.cmd_per_lun = 32;
	c->vhba.max.max_io_size = MOCK_IO_BYTES;
}

const struct mock_class mock_disk_class = {
	.guid = VISOR_VHBA_CHANNEL_GUID,
	.devices = 1,
	.pairs = 1,
	.pool_bytes = 32U << 20,
	.outstanding = MOCK_OUTSTANDING,
	.start = mock_disk_start,
	.stop = mock_disk_stop,
	.format = mock_disk_format,
	.forget = mock_disk_forget,
	.message = mock_disk_message,
	.turn_end = mock_disk_turn_end,
	.order = mock_disk_order,
};
