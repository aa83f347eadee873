// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/guest_disk.c - a disk, behind fuzz_guest_window.c */
#include "../../channel/disk.h"
#include "guest_class.h"

#define COMMANDS	8

static struct mullion_disk *disk;
static unsigned int submitted, ended;

struct fake_service guest_fake = {
	.type = VISOR_VHBA_CHANNEL_GUID,
	.version = VISOR_VHBA_CHANNEL_VERSION,
	.pairs = 1,
	.pool_share = 65536,
	.max_outstanding = COMMANDS,
	.features = MULLION_EXTF_KNOWN,
};

static void guest_done(struct mullion_disk_io *io)
{
	(void)io;
	ended++;
}

static void guest_submit(void)
{
	static struct mullion_disk_io io[COMMANDS];

	for (unsigned int i = 0; i < COMMANDS; i++) {
		io[i].done = guest_done;
		mullion_disk_prep_read(&io[i], i, 1, 512, i * 512);
		submitted += !mullion_disk_submit(disk, &io[i]);
	}
}

void guest_use(struct input *in)
{
	struct mullion_guest_device *device;

	(void)in;
	if (disk) {
		mullion_disk_poll(disk);
		/* All are free again, or none is to be had. */
		if (submitted == ended && submitted < 1000)
			guest_submit();
		mullion_disk_kick(disk);
		return;
	}
	device = fake_service_device(&guest_fake);
	if (!device)
		return;
	fake_service_confirm_rings(&guest_fake, true);
	if (mullion_disk_open(&disk, device, 0) < 0)
		disk = NULL;
	fake_service_confirm_rings(&guest_fake, false);
}

void guest_answer(struct input *in)
{
	struct mullion_io_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.rsp.cmdtype = (uint8_t)take(in, 1);
	slot.rsp.scsi.handle = take(in, 1);
	slot.rsp.scsi.linuxstat = (uint32_t)take(in, 3);
	slot.ext.epoch = (uint32_t)fake_service_epoch(&guest_fake);
	slot.ext.request_id = take(in, 1);
	slot.ext.residual = (uint32_t)take(in, 4);
	fake_service_send(&guest_fake, 0, &slot);
}

void guest_close(void)
{
	mullion_disk_close(disk);
	disk = NULL;
}

void guest_check(void)
{
	REQUIRE(submitted == ended);
	submitted = 0;
	ended = 0;
}
