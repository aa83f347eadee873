// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/guest_net.c - a NIC, behind fuzz_guest_window.c
 *
 * Its user forwards what it receives, sends frames of one and of many pieces,
 * and keeps some buffers for a while.  Whatever the service says, a buffer is
 * the user's or it is not: none is handed out twice.
 */
#include "../../channel/net.h"
#include "guest_class.h"

#define BUFFERS_MAX	4096
#define KEPT_MAX	64
#define SEND_MAX	40	/* more than a frame may have */

static struct mullion_net *nic;
static struct mullion_net_piece kept[KEPT_MAX];
static unsigned int kept_count;
static bool mine[BUFFERS_MAX];

/* Reception is enabled before it is asked for. */
static void guest_confirmed(struct fake_service *fake)
{
	struct mullion_io_slot slot;

	memset(&slot, 0, sizeof(slot));
	slot.rsp.cmdtype = CMD_NET_TYPE;
	slot.rsp.net.type = NET_RCV_ENBDIS_ACK;
	slot.rsp.net.enbdis.enable = 1;
	slot.ext.epoch = (uint32_t)fake_service_epoch(fake);
	fake_service_send(fake, 0, &slot);
}

struct fake_service guest_fake = {
	.type = VISOR_VNIC_CHANNEL_GUID,
	.version = VISOR_VNIC_CHANNEL_VERSION,
	.pairs = 2,
	.pool_share = 1 << 20,
	.max_outstanding = 256,
	.features = MULLION_EXTF_KNOWN,
	.confirmed = guest_confirmed,
};

static void guest_got(const struct mullion_net_piece *pieces, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++) {
		REQUIRE(pieces[i].buffer < BUFFERS_MAX && !mine[pieces[i].buffer]);
		REQUIRE(pieces[i].bytes && pieces[i].bytes <= 2048);
		mine[pieces[i].buffer] = true;
		/* All of it can be read, and written. */
		pieces[i].data[0]++;
		pieces[i].data[pieces[i].bytes - 1]++;
	}
}

static void guest_gave(const struct mullion_net_piece *pieces, unsigned int count)
{
	for (unsigned int i = 0; i < count; i++)
		mine[pieces[i].buffer] = false;
}

static void guest_give_back(const struct mullion_net_piece *pieces, unsigned int count)
{
	guest_gave(pieces, count);
	mullion_net_return(nic, pieces, count);
}

static void guest_send(struct input *in)
{
	struct mullion_net_piece pieces[SEND_MAX];
	unsigned int count = mullion_net_alloc(nic, pieces, take(in, 1) % SEND_MAX);
	int sent;

	guest_got(pieces, count);
	for (unsigned int i = 0; i < count; i++) {
		pieces[i].bytes = 60;
		pieces[i].flags = take(in, 1) & (MULLION_NET_MORE | MULLION_NET_NEEDS_CSUM);
	}
	if (count && take(in, 1) % 4)
		pieces[count - 1].flags &= ~MULLION_NET_MORE;
	sent = mullion_net_send(nic, (unsigned int)take(in, 1), pieces, count);
	if (sent < 0)
		sent = 0;
	guest_gave(pieces, (unsigned int)sent);
	guest_give_back(pieces + sent, count - (unsigned int)sent);
}

static void guest_receive(struct input *in)
{
	struct mullion_net_piece pieces[2 * MULLION_NET_CHAIN_MAX];
	int count = mullion_net_recv(nic, pieces, 2 * MULLION_NET_CHAIN_MAX);
	int sent = 0;

	if (count <= 0)
		return;
	guest_got(pieces, (unsigned int)count);
	if (take(in, 1) % 2)
		sent = mullion_net_send(nic, 0, pieces, (unsigned int)count);
	if (sent < 0)
		sent = 0;
	guest_gave(pieces, (unsigned int)sent);
	while (sent < count && kept_count < KEPT_MAX)
		kept[kept_count++] = pieces[sent++];
	guest_give_back(pieces + sent, (unsigned int)(count - sent));
}

static void guest_open(void)
{
	static const struct mullion_net_options options = {
		.pairs = 2,
		.offloads = MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4,
	};
	struct mullion_guest_device *device = fake_service_device(&guest_fake);

	if (!device)
		return;
	fake_service_confirm_rings(&guest_fake, true);
	if (mullion_net_open(&nic, device, &options, 2) < 0)
		nic = NULL;
	fake_service_confirm_rings(&guest_fake, false);
	memset(mine, 0, sizeof(mine));
	kept_count = 0;
}

void guest_use(struct input *in)
{
	static const uint8_t mac[6] = { 2, 1, 2, 3, 4, 5 };
	struct mullion_net_statistics statistics;

	if (!nic) {
		guest_open();
		return;
	}
	switch (take(in, 1) % 8) {
	case 0:
		guest_send(in);
		break;
	case 1:
		mullion_net_send_copy(nic, 1, &guest_fake, take(in, 2) % sizeof(guest_fake),
				      NULL);
		break;
	case 2:
		guest_give_back(kept, kept_count);
		kept_count = 0;
		break;
	case 3:
		mullion_net_set_mac(nic, mac);
		mullion_net_set_offloads(nic, (uint32_t)take(in, 1));
		break;
	case 4:
		mullion_net_poll(nic);
		mullion_net_statistics(nic, &statistics);
		REQUIRE(statistics.tx_done + statistics.tx_lost <= statistics.tx_frames);
		break;
	case 5:
		mullion_net_kick(nic);
		break;
	default:
		guest_receive(in);
		break;
	}
}

static void guest_answer_control(struct input *in, struct mullion_io_slot *slot)
{
	slot->rsp.net.type = (uint32_t)take(in, 1) % 24;
	take_bytes(in, &slot->rsp.net.enbdis, sizeof(slot->rsp.net.enbdis));
}

/* Buffers that it was given come back, or others. */
static void guest_answer_frames(struct input *in, unsigned int pair,
				struct mullion_net_batch *batch)
{
	struct mullion_io_slot taken;
	const struct mullion_net_batch *posts = (const void *)&taken;
	unsigned int count = (unsigned int)take(in, 1) % 40;

	memset(&taken, 0, sizeof(taken));
	fake_service_take(&guest_fake, pair, &taken);
	batch->type = posts->type == MULLION_NET_POST ? MULLION_NET_RCV :
							MULLION_NET_XMIT_DONE;
	batch->count = (uint16_t)(count < posts->count ? count : posts->count);
	for (unsigned int i = 0; i < MULLION_NET_BATCH_MAX; i++) {
		uint8_t how = (uint8_t)take(in, 1);

		if (batch->type == MULLION_NET_XMIT_DONE) {
			batch->cookies[i] = posts->entries[i].cookie + how / 128;
			continue;
		}
		batch->entries[i] = posts->entries[i];
		batch->entries[i].length = how & 1 ? 60 : 2048;
		batch->entries[i].flags = how & 2 ? MULLION_NET_MORE : 0;
		if (how & 4)
			take_bytes(in, &batch->entries[i].flags, 12);
		if (how >= 250)
			take_bytes(in, &batch->entries[i], sizeof(batch->entries[i]));
	}
}

void guest_answer(struct input *in)
{
	struct mullion_io_slot slot;
	unsigned int how = (unsigned int)take(in, 1);
	unsigned int pair = how & 1;

	memset(&slot, 0, sizeof(slot));
	slot.rsp.cmdtype = CMD_NET_TYPE;
	slot.ext.epoch = (uint32_t)fake_service_epoch(&guest_fake);
	if (how & 6)
		guest_answer_frames(in, pair, (void *)&slot);
	else
		guest_answer_control(in, &slot);
	fake_service_send(&guest_fake, pair, &slot);
}

void guest_close(void)
{
	mullion_net_close(nic);
	nic = NULL;
}

/* Closing forgets everything; what was handed out twice was seen at once. */
void guest_check(void)
{
}
