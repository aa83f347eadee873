// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/window_scsi.c - what clients of disks send */
#include "../../service/disk/scsi.h"
#include "window_class.h"

/* A slot from the input, with the epoch that lets it in. */
void window_scsi_request(struct input *in, struct window_client *client)
{
	struct mullion_io_slot slot;
	void *memory = NULL;
	uint32_t where;

	memset(&slot, 0, sizeof(slot));
	take_bytes(in, &slot, take(in, 1) % 128);
	where = (uint32_t)take(in, 1);
	slot.rsp.scsi.data_dir = where & 15;
	slot.rsp.scsi.vdest.lun = where >> 4;
	slot.ext.request_id = take(in, 1);
	slot.ext.flags = (uint32_t)take(in, 1);
	slot.ext.epoch = (uint32_t)client->attach.epoch;
	if (mullion_sq_produce(&client->cmd[0], &memory) < 0)
		return;
	memcpy(memory, &slot, sizeof(slot));
	mullion_sq_publish(&client->cmd[0]);
}

/* TEST UNIT READY, and its answer. */
void window_scsi_served(struct window_client *client)
{
	struct mullion_io_slot *slot;
	void *memory = NULL;
	const void *answer = NULL;

	REQUIRE(!client->bus.device->outstanding);
	REQUIRE(!mullion_sq_produce(&client->cmd[0], &memory));
	slot = memory;
	memset(slot, 0, sizeof(*slot));
	slot->rsp.cmdtype = CMD_SCSI_TYPE;
	slot->rsp.scsi.handle = 77;
	slot->rsp.scsi.data_dir = UIS_DMA_NONE;
	slot->ext.epoch = (uint32_t)client->attach.epoch;
	slot->ext.request_id = 1;
	mullion_sq_publish(&client->cmd[0]);
	inproc_turn();
	REQUIRE(!mullion_sq_consume(&client->rsp[0], &answer));
	slot = (void *)(uintptr_t)answer;
	REQUIRE(slot->rsp.scsi.handle == 77 && slot->ext.request_id == 1);
	if (!slot->rsp.scsi.linuxstat)
		return;
	/* Told once of a reset, which a client may have asked for itself. */
	REQUIRE((slot->rsp.scsi.sensebuf[2] & 0xf) == KEY_UNIT_ATTENTION &&
		slot->rsp.scsi.sensebuf[12] == 0x29);
}
