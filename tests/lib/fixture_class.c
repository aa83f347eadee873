// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/fixture_class.c - a device class as simple as can be
 *
 * A disk of 64 MiB without SCSI's corners: blocks are read from and written to
 * the one store descriptor, or to nothing where there is none.  Environment:
 * FIXTURE_DELAY=N keeps every N-th request for 20 ms.
 */
#include <errno.h>
#include <seccomp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "fixture_class.h"
#include "../../service/common/loop.h"

#define FIXTURE_BLOCK	512
#define FIXTURE_BLOCKS	(64ULL * 2048)
#define FIXTURE_DELAY_MS 20
#define FIXTURE_SLOTS	256
#define FIXTURE_MAX	128

struct fixture {
	int fd;
	bool quiet;
	bool wants_quiet;
	struct mullion_request *held;	/* newest first */
	struct mullion_loop_timer timer;
};

static unsigned int fixture_delay;
static unsigned int fixture_count;

static uint64_t get(const uint8_t *p, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes--)
		value = value << 8 | *p++;
	return value;
}

static void fixture_fail(struct mullion_request *request, uint8_t key, uint8_t asc)
{
	request->linuxstat = UIS_LINUXSTAT(UIS_HOST_OK, 2);
	request->scsistat = 2;
	memset(request->sense, 0, sizeof(request->sense));
	request->sense[0] = 0x70;
	request->sense[2] = key;
	request->sense[7] = 10;
	request->sense[12] = asc;
	request->residual = request->bufflen;
}

static void fixture_rw(struct mullion_request *request, uint64_t lba, uint64_t blocks,
		       bool write)
{
	struct fixture *f = mullion_device_private(request->device);
	uint64_t offset = lba * FIXTURE_BLOCK;

	if (lba > FIXTURE_BLOCKS || blocks > FIXTURE_BLOCKS - lba) {
		fixture_fail(request, 5, 0x21);
		return;
	}
	if (f->fd < 0)
		return;
	for (unsigned int i = 0; i < request->iovcnt; i++) {
		struct iovec *iov = &request->iov[i];
		ssize_t n = write ?
			pwrite(f->fd, iov->iov_base, iov->iov_len, (off_t)offset) :
			pread(f->fd, iov->iov_base, iov->iov_len, (off_t)offset);

		if (n != (ssize_t)iov->iov_len) {
			fixture_fail(request, 3, 0x11);
			return;
		}
		offset += iov->iov_len;
	}
}

static void fixture_capacity(struct mullion_request *request)
{
	uint8_t answer[32] = { 0 };
	uint64_t last = FIXTURE_BLOCKS - 1;

	for (int i = 0; i < 8; i++)
		answer[i] = (uint8_t)(last >> (56 - 8 * i));
	answer[10] = FIXTURE_BLOCK >> 8;
	if (request->iovcnt && request->iov[0].iov_len >= sizeof(answer))
		memcpy(request->iov[0].iov_base, answer, sizeof(answer));
}

static void fixture_execute(struct mullion_request *request)
{
	const uint8_t *cdb = request->cdb;

	switch (cdb[0]) {
	case 0x28:
	case 0x2a:
		if (cdb[0] == 0x2a)
			mullion_request_effect(request);
		fixture_rw(request, get(cdb + 2, 4), get(cdb + 7, 2), cdb[0] == 0x2a);
		break;
	case 0x9e:
		fixture_capacity(request);
		break;
	case 0x00:
	case 0x35:
		break;
	default:
		fixture_fail(request, 5, 0x20);
		break;
	}
	mullion_request_complete(request);
}

static void fixture_quiet(struct mullion_device *device)
{
	struct fixture *f = mullion_device_private(device);

	if (f->wants_quiet && !f->held) {
		f->wants_quiet = false;
		mullion_device_quiesced(device);
	}
}

static void fixture_late(void *arg)
{
	struct mullion_device *device = arg;
	struct fixture *f = mullion_device_private(device);

	while (f->held) {
		struct mullion_request *request = f->held;

		f->held = request->next;
		fixture_execute(request);
	}
	fixture_quiet(device);
}

static void fixture_request(struct mullion_request *request)
{
	struct fixture *f = mullion_device_private(request->device);

	if (request->cmdtype == CMD_SCSITASKMGMT_TYPE) {
		request->result = TASK_MGMT_SUCCESS;
		mullion_request_complete(request);
		return;
	}
	if (fixture_delay && ++fixture_count % fixture_delay == 0) {
		if (!f->held)
			mullion_loop_timer_start(&f->timer, FIXTURE_DELAY_MS, false,
						 fixture_late, request->device);
		request->next = f->held;
		f->held = request;
		return;
	}
	fixture_execute(request);
}

static int fixture_init(void)
{
	const char *delay = getenv("FIXTURE_DELAY");

	fixture_delay = delay ? (unsigned int)atoi(delay) : 0;
	return 0;
}

static int fixture_start(struct mullion_device *device, const void *config,
			 size_t bytes, int *fds, int *fence_fds, size_t fd_count,
			 bool adopt)
{
	struct fixture *f = mullion_device_private(device);

	(void)config;
	(void)bytes;
	(void)fence_fds;
	(void)adopt;
	f->fd = fd_count ? fds[0] : -1;
	if (fd_count)
		fds[0] = -1;
	return 0;
}

static void fixture_describe(struct mullion_device *device,
			     struct visor_io_channel *fixed)
{
	(void)device;
	fixed->vhba.max.max_id = 1;
	fixed->vhba.max.max_lun = 1;
	fixed->vhba.max.cmd_per_lun = 32;
	fixed->vhba.max.max_io_size = 1 << 20;
}

static int fixture_reconfigure(struct mullion_device *device, const void *config,
			       size_t bytes, int *fds, int *fence_fds, size_t fd_count)
{
	(void)device;
	(void)config;
	(void)bytes;
	(void)fds;
	(void)fence_fds;
	(void)fd_count;
	return -EOPNOTSUPP;
}

static void fixture_epoch_begin(struct mullion_device *device, bool fresh)
{
	(void)device;
	(void)fresh;
}

static void fixture_quiesce(struct mullion_device *device)
{
	struct fixture *f = mullion_device_private(device);

	f->wants_quiet = true;
	fixture_quiet(device);
}

static void fixture_resume(struct mullion_device *device)
{
	(void)device;
}

static void fixture_stop(struct mullion_device *device)
{
	struct fixture *f = mullion_device_private(device);

	if (f->fd >= 0)
		close(f->fd);
}

static void fixture_turn_end(void)
{
}

static const int fixture_syscalls[] = { SCMP_SYS(pread64), SCMP_SYS(pwrite64), -1 };
static const int fixture_opcodes[] = { -1 };

const struct mullion_class fixture_class = {
	.name = "fixture",
	.type = VISOR_VHBA_CHANNEL_GUID,
	.channel_version = VISOR_VHBA_CHANNEL_VERSION,
	.queue_pairs = 1,
	.queue_slots = FIXTURE_SLOTS,
	.max_outstanding = FIXTURE_MAX,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE |
		    MULLION_EXTF_DISK_NOTIFY,
	.pool_share = 1 << 20,
	.device_bytes = sizeof(struct fixture),
	.syscalls = fixture_syscalls,
	.uring_opcodes = fixture_opcodes,
	.init = fixture_init,
	.start = fixture_start,
	.describe_channel = fixture_describe,
	.reconfigure = fixture_reconfigure,
	.request = fixture_request,
	.epoch_begin = fixture_epoch_begin,
	.quiesce = fixture_quiesce,
	.resume = fixture_resume,
	.stop = fixture_stop,
	.turn_end = fixture_turn_end,
};
