// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/plain_disk.c - what a plain client of disks sends */
#include "plain_class.h"

static const uint8_t opcodes[] = {
	0x28, 0x2a, 0x12, 0x00, 0x25, 0x5a, 0x1a, 0x35, 0xa0, 0x03, 0x55, 0x42, 0x5e, 0x5f,
};

static void plain_disk_request(struct input *in, struct uiscmdrsp *message)
{
	struct uiscmdrsp_scsi *scsi = &message->scsi;
	uint8_t kind = (uint8_t)take(in, 1);

	message->cmdtype = kind & 0xc0 ? CMD_SCSI_TYPE : kind % 7;
	if (message->cmdtype == CMD_SCSITASKMGMT_TYPE) {
		take_bytes(in, &message->scsitaskmgmt, take(in, 1) % 42);
		return;
	}
	scsi->handle = take(in, 1);
	take_bytes(in, scsi->cmnd, take(in, 1) % 17);
	if (kind & 0x80)
		scsi->cmnd[0] = opcodes[scsi->cmnd[0] % sizeof(opcodes)];
	scsi->data_dir = kind & 3;
	scsi->vdest.lun = kind >> 2 & 3;
	scsi->bufflen = (uint32_t)take(in, 2);
	scsi->guest_phys_entries = (uint16_t)take(in, 1) % 68;
	for (unsigned int i = 0; i < scsi->guest_phys_entries && i < MAX_PHYS_INFO && in->size;
	     i++) {
		scsi->gpi_list[i].address = plain_address(in);
		scsi->gpi_list[i].length = take(in, 1) & 1 ? take(in, 8) : take(in, 2);
	}
}

/* TEST UNIT READY, and its answer. */
static void plain_disk_served(struct plain_client *client)
{
	struct uiscmdrsp message;
	const void *answer = NULL;

	memset(&message, 0, sizeof(message));
	message.cmdtype = CMD_SCSI_TYPE;
	message.scsi.handle = 77;
	message.scsi.data_dir = UIS_DMA_NONE;
	REQUIRE(plain_send(client, &message));
	inproc_turn();
	REQUIRE(!mullion_sq_consume(&client->rsp, &answer));
	memcpy(&message, answer, sizeof(message));
	REQUIRE(message.cmdtype == CMD_SCSI_TYPE && message.scsi.handle == 77);
}

const struct plain_class plain_class = {
	.request = plain_disk_request,
	.served = plain_disk_served,
};
