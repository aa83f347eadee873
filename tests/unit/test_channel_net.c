// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_channel_net.c - a process guest's NIC, with a service that the
 * test plays: what goes into the rings, what comes out, what is refused
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../channel/net.h"
#include "../lib/fake_service.h"

#define ROOM		(2 * MULLION_NET_CHAIN_MAX)
#define BUFFER_BYTES	2048
#define BUFFERS_MAX	4096

static struct fake_service fake = {
	.type = VISOR_VNIC_CHANNEL_GUID,
	.version = VISOR_VNIC_CHANNEL_VERSION,
	.pairs = 2,
	.pool_share = 1 << 20,
	.max_outstanding = 100,
	.features = MULLION_EXTF_KNOWN,
};

static struct mullion_net *nic;
/* Buffers that were posted: where they are, and to which pair + 1. */
static struct mullion_net_entry posted[BUFFERS_MAX];
static unsigned int posted_to[BUFFERS_MAX];

/* What the service was sent since the last look. */
static struct {
	unsigned int posts, messages, frames, entries;
	struct mullion_net_entry last[ROOM];
	struct uiscmdrsp_net control[8];
	unsigned int controls;
} seen;

static void slot_init(struct mullion_io_slot *slot, uint32_t type)
{
	memset(slot, 0, sizeof(*slot));
	slot->rsp.cmdtype = CMD_NET_TYPE;
	slot->rsp.net.type = type;
	slot->ext.epoch = (uint32_t)fake_service_epoch(&fake);
}

static void look_posts(const struct mullion_net_batch *batch, unsigned int pair)
{
	assert_in_range(batch->count, 1, MULLION_NET_BATCH_MAX);
	for (unsigned int i = 0; i < batch->count; i++) {
		const struct mullion_net_entry *entry = &batch->entries[i];

		assert_true(entry->cookie < BUFFERS_MAX);
		assert_int_equal(posted_to[entry->cookie], 0);
		assert_true(entry->address + entry->length <= fake.pool_share);
		posted_to[entry->cookie] = pair + 1;
		posted[entry->cookie] = *entry;
	}
	seen.posts += batch->count;
}

static void look_frames(const struct mullion_net_batch *batch)
{
	assert_in_range(batch->count, 1, MULLION_NET_BATCH_MAX);
	for (unsigned int i = 0; i < batch->count; i++) {
		seen.last[seen.entries++ % ROOM] = batch->entries[i];
		seen.frames += !(batch->entries[i].flags & MULLION_NET_MORE);
	}
	/* A frame ends in the message where it began. */
	assert_false(batch->entries[batch->count - 1].flags & MULLION_NET_MORE);
	seen.messages++;
}

static void look(void)
{
	struct mullion_io_slot slot;

	memset(&seen, 0, sizeof(seen));
	for (unsigned int pair = 0; pair < fake.pairs; pair++) {
		while (fake_service_take(&fake, pair, &slot)) {
			assert_int_equal(slot.rsp.cmdtype, CMD_NET_TYPE);
			assert_int_equal(slot.ext.epoch,
					 (uint32_t)fake_service_epoch(&fake));
			switch (slot.rsp.net.type) {
			case MULLION_NET_POST:
				look_posts((const void *)&slot, pair);
				break;
			case MULLION_NET_XMIT:
				look_frames((const void *)&slot);
				break;
			default:
				assert_int_equal(pair, 0);
				assert_true(seen.controls < 8);
				seen.control[seen.controls++] = slot.rsp.net;
				break;
			}
		}
	}
}

/* The n-th lowest buffer posted to a pair. */
static uint64_t some_buffer(unsigned int pair, unsigned int n)
{
	for (unsigned int i = 0; i < BUFFERS_MAX; i++) {
		if (posted_to[i] == pair + 1 && !n--)
			return i;
	}
	fail();
	return 0;
}

static uint8_t *pool_at(uint64_t offset)
{
	struct mullion_guest_device_info info;

	mullion_guest_device_info(fake_service_device(&fake), &info);
	return info.pool + offset;
}

/* Reception is enabled before it is asked for. */
static void confirmed(struct fake_service *service)
{
	struct mullion_io_slot slot;

	slot_init(&slot, NET_RCV_ENBDIS_ACK);
	slot.rsp.net.enbdis.enable = 1;
	assert_true(fake_service_send(service, 0, &slot));
}

static void open_nic(const struct mullion_net_options *options)
{
	struct iochannel_vnic *vnic = (void *)fake.class_part;

	memcpy(vnic->macaddr, "\x02\x11\x22\x33\x44\x55", 6);
	vnic->mtu = 1500;
	fake.confirmed = confirmed;
	memset(posted_to, 0, sizeof(posted_to));
	fake_service_begin(&fake);
	for (int i = 0; i < 4; i++)
		fake_service_turn(&fake);
	assert_non_null(fake_service_device(&fake));
	fake_service_confirm_rings(&fake, true);
	assert_int_equal(mullion_net_open(&nic, fake_service_device(&fake), options,
					  10000), 0);
	fake_service_confirm_rings(&fake, false);
}

static int setup(void **state)
{
	(void)state;
	open_nic(NULL);
	look();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	fake_service_confirm_rings(&fake, true);
	mullion_net_close(nic);
	fake_service_confirm_rings(&fake, false);
	nic = NULL;
	fake_service_end(&fake);
	return 0;
}

static struct mullion_net_batch *batch_init(struct mullion_io_slot *slot,
					    uint32_t type, unsigned int count)
{
	struct mullion_net_batch *batch = (void *)slot;

	slot_init(slot, type);
	batch->count = (uint16_t)count;
	return batch;
}

/* Deliver a frame to @pair, in the buffers that there are; returns its pieces. */
static unsigned int deliver(unsigned int pair, const uint8_t *frame, uint32_t bytes)
{
	struct mullion_io_slot slot;
	struct mullion_net_batch *batch = batch_init(&slot, MULLION_NET_RCV, 0);

	while (bytes) {
		uint64_t buffer = some_buffer(pair, 0);
		struct mullion_net_entry *entry = &batch->entries[batch->count++];
		uint32_t n = bytes < posted[buffer].length ? bytes : posted[buffer].length;

		memcpy(pool_at(posted[buffer].address), frame, n);
		posted_to[buffer] = 0;
		*entry = (struct mullion_net_entry){ .cookie = buffer, .length = n };
		frame += n;
		bytes -= n;
		if (bytes)
			entry->flags = MULLION_NET_MORE;
	}
	assert_true(fake_service_send(&fake, pair, &slot));
	return batch->count;
}

static void answer(const uint64_t *cookies, unsigned int count)
{
	struct mullion_io_slot slot;
	struct mullion_net_batch *batch = batch_init(&slot, MULLION_NET_XMIT_DONE, count);

	memcpy(batch->cookies, cookies, count * sizeof(*cookies));
	assert_true(fake_service_send(&fake, 0, &slot));
}

static struct mullion_net_statistics statistics(void)
{
	struct mullion_net_statistics statistics;

	mullion_net_statistics(nic, &statistics);
	return statistics;
}

static void test_open(void **state)
{
	static const struct mullion_net_options options = {
		.pairs = 2,
		.offloads = MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO6,
	};
	struct mullion_net_info info;

	(void)state;
	open_nic(&options);
	look();
	mullion_net_info(nic, &info);
	assert_memory_equal(info.mac, "\x02\x11\x22\x33\x44\x55", 6);
	assert_int_equal(info.mtu, 1500);
	assert_true(info.link && info.attached && info.offloads);
	assert_int_equal(info.pairs, 2);
	assert_int_equal(info.posted, 100);
	assert_int_equal(info.buffer_bytes, BUFFER_BYTES);
	assert_int_equal(seen.posts, 2 * 72);
	assert_int_equal(seen.controls, 2);
	assert_int_equal(seen.control[0].type, MULLION_NET_OFFLOADS);
	assert_int_equal(seen.control[0].enbdis.context, options.offloads);
	assert_int_equal(seen.control[1].type, NET_RCV_ENBDIS);
	assert_int_equal(seen.control[1].enbdis.enable, 1);
	assert_int_equal(mullion_net_changes(nic), 0);
}

/* Frames that are sent one at a time share a message; one kick shows them. */
static void test_send(void **state)
{
	struct mullion_net_piece pieces[40];
	uint64_t cookies[MULLION_NET_DONE_MAX];

	(void)state;
	assert_int_equal(mullion_net_alloc(nic, pieces, 40), 40);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(pieces[i].bytes, BUFFER_BYTES);
		memset(pieces[i].data, (int)i, 64);
		pieces[i].bytes = 60;
		pieces[i].data += i % 5;
		assert_int_equal(mullion_net_send(nic, 0, &pieces[i], 1), 1);
	}
	look();
	assert_int_equal(seen.messages, 0);
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.messages, 2);
	assert_int_equal(seen.frames, 40);
	for (unsigned int i = 0; i < 40; i++) {
		assert_int_equal(*pool_at(seen.last[i].address), i);
		assert_int_equal(seen.last[i].length, 60);
		cookies[i] = seen.last[i].cookie;
	}
	assert_int_equal(mullion_net_outstanding(nic), 40);
	/* What is on its way is not the caller's. */
	mullion_net_return(nic, pieces, 40);
	assert_int_equal(mullion_net_send(nic, 0, pieces, 1), -EINVAL);
	cookies[7] |= MULLION_NET_COOKIE_FAILED;
	answer(cookies, 40);
	assert_int_equal(mullion_net_poll(nic), 40);
	assert_int_equal(mullion_net_outstanding(nic), 0);
	assert_int_equal(statistics().tx_done, 40);
	assert_int_equal(statistics().tx_failed, 1);
	assert_int_equal(statistics().tx_bytes, 40 * 60);
}

static void test_send_chain(void **state)
{
	static uint8_t frame[MULLION_NET_FRAME_MAX];
	struct mullion_net_piece meta = {
		.flags = MULLION_NET_NEEDS_CSUM,
		.gso_type = MULLION_NET_GSO_TCPV4,
		.hdr_len = 54, .gso_size = 1448, .csum_start = 34, .csum_offset = 16,
	};
	unsigned int pieces = (sizeof(frame) + BUFFER_BYTES - 1) / BUFFER_BYTES;
	uint32_t at = 0;

	(void)state;
	for (unsigned int i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 7 + i / 256);
	assert_int_equal(mullion_net_send_copy(nic, 0, frame, sizeof(frame), &meta), 0);
	assert_int_equal(mullion_net_send_copy(nic, 0, frame, 60, NULL), 0);
	assert_int_equal(mullion_net_send_copy(nic, 0, frame, 13, NULL), -EINVAL);
	assert_int_equal(mullion_net_send_copy(nic, 0, frame, sizeof(frame) + 1, NULL),
			 -EINVAL);
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.messages, 1);
	assert_int_equal(seen.frames, 2);
	assert_int_equal(seen.entries, pieces + 1);
	assert_int_equal(seen.last[0].flags, MULLION_NET_MORE | MULLION_NET_NEEDS_CSUM);
	assert_int_equal(seen.last[0].gso_type, MULLION_NET_GSO_TCPV4);
	assert_int_equal(seen.last[0].hdr_len, 54);
	assert_int_equal(seen.last[0].gso_size, 1448);
	assert_int_equal(seen.last[0].csum_start, 34);
	assert_int_equal(seen.last[0].csum_offset, 16);
	for (unsigned int i = 0; i < pieces; i++) {
		assert_memory_equal(pool_at(seen.last[i].address), frame + at,
				    seen.last[i].length);
		at += seen.last[i].length;
	}
	assert_int_equal(at, sizeof(frame));
	/* One cookie for the whole frame. */
	answer((uint64_t[]){ seen.last[0].cookie, seen.last[pieces].cookie }, 2);
	assert_int_equal(mullion_net_poll(nic), 2);
	assert_int_equal(mullion_net_outstanding(nic), 0);
}

/* Frames of many pieces that go out do not share a message if they do not fit. */
static void test_send_messages(void **state)
{
	struct mullion_net_piece pieces[60];

	(void)state;
	assert_int_equal(mullion_net_alloc(nic, pieces, 60), 60);
	for (unsigned int i = 0; i < 60; i++)
		pieces[i].flags = i % 20 == 19 ? 0 : MULLION_NET_MORE;
	assert_int_equal(mullion_net_send(nic, 0, pieces, 60), 60);
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.messages, 3);
	assert_int_equal(seen.frames, 3);
}

static void test_send_refused(void **state)
{
	struct mullion_net_piece pieces[40], bad;

	(void)state;
	assert_int_equal(mullion_net_alloc(nic, pieces, 40), 40);
	bad = pieces[0];
	bad.data--;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	bad = pieces[0];
	bad.data += 1;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	bad = pieces[0];
	bad.bytes = 13;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	bad.bytes = 0;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	bad = pieces[0];
	bad.buffer = UINT32_MAX;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	bad = pieces[0];
	bad.flags = MULLION_NET_MORE;
	assert_int_equal(mullion_net_send(nic, 0, &bad, 1), -EINVAL);
	/* One buffer twice in a frame. */
	bad = pieces[1];
	pieces[1] = pieces[0];
	pieces[0].flags = MULLION_NET_MORE;
	assert_int_equal(mullion_net_send(nic, 0, pieces, 2), -EINVAL);
	pieces[1] = bad;
	/* Too many pieces; and what is good before what is bad goes. */
	for (unsigned int i = 0; i < 39; i++)
		pieces[i].flags = MULLION_NET_MORE;
	assert_int_equal(mullion_net_send(nic, 0, pieces, 40), -EINVAL);
	pieces[0].flags = 0;
	assert_int_equal(mullion_net_send(nic, 0, pieces, 40), 1);
	mullion_net_return(nic, pieces + 1, 39);
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.frames, 1);
}

static void test_ring_full(void **state)
{
	struct mullion_net_piece piece;
	unsigned int sent = 0;

	(void)state;
	for (;;) {
		int ret;

		if (!mullion_net_alloc(nic, &piece, 1))
			break;
		piece.bytes = 60;
		ret = mullion_net_send(nic, 0, &piece, 1);
		mullion_net_kick(nic);
		if (!ret)
			break;
		assert_int_equal(ret, 1);
		sent++;
	}
	/* A message each, as all were kicked. */
	assert_int_equal(sent, FAKE_SLOTS - 1);
	look();
	assert_int_equal(seen.frames, sent);
	assert_int_equal(mullion_net_send(nic, 0, &piece, 1), 1);
}

static void test_receive(void **state)
{
	struct mullion_net_piece pieces[ROOM];
	uint8_t frame[3 * BUFFER_BYTES];
	unsigned int count, before;

	(void)state;
	for (unsigned int i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3 + i / 256);
	assert_int_equal(deliver(0, frame, 60), 1);
	assert_int_equal(deliver(0, frame, 2 * BUFFER_BYTES + 1), 3);
	assert_int_equal(deliver(0, frame, 14), 1);
	assert_int_equal(mullion_net_recv(nic, pieces, MULLION_NET_CHAIN_MAX - 1), -EINVAL);
	count = (unsigned int)mullion_net_recv(nic, pieces, ROOM);
	assert_int_equal(count, 5);
	assert_int_equal(pieces[0].flags, 0);
	assert_int_equal(pieces[0].bytes, 60);
	assert_memory_equal(pieces[0].data, frame, 60);
	assert_int_equal(pieces[1].flags, MULLION_NET_MORE);
	assert_int_equal(pieces[2].flags, MULLION_NET_MORE);
	assert_memory_equal(pieces[2].data, frame + BUFFER_BYTES, BUFFER_BYTES);
	assert_int_equal(pieces[3].flags, 0);
	assert_int_equal(pieces[3].bytes, 1);
	assert_int_equal(pieces[4].bytes, 14);
	assert_int_equal(statistics().rx_frames, 3);
	assert_int_equal(statistics().rx_bytes, 60 + 2 * BUFFER_BYTES + 1 + 14);
	/* What was received is sent on as it is, and posted again thereafter. */
	assert_int_equal(mullion_net_send(nic, 0, pieces, 5), 5);
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.frames, 3);
	before = (unsigned int)statistics().posts;
	answer((uint64_t[]){ seen.last[0].cookie, seen.last[1].cookie,
			     seen.last[4].cookie }, 3);
	for (unsigned int i = 0; i < 40; i++) {
		deliver(0, frame, 60);
		if (i % 20 == 19) {
			count = (unsigned int)mullion_net_recv(nic, pieces, ROOM);
			assert_int_equal(count, 20);
			mullion_net_return(nic, pieces, count);
		}
	}
	mullion_net_kick(nic);
	look();
	assert_int_equal(statistics().posts - before, seen.posts);
	/* Whole messages only. */
	assert_int_equal(seen.posts % MULLION_NET_BATCH_MAX, 0);
	assert_true(seen.posts >= MULLION_NET_BATCH_MAX);
}

/* What comes while nobody takes it is kept, in order, frames whole. */
static void test_receive_kept(void **state)
{
	struct mullion_net_piece pieces[ROOM];
	uint8_t frame[4 * BUFFER_BYTES] = { 0 };
	unsigned int next = 0;
	int count;

	(void)state;
	for (unsigned int i = 0; i < 15; i++) {
		frame[0] = (uint8_t)i;
		deliver(0, frame, i % 2 ? sizeof(frame) : 60);
		assert_int_equal(mullion_net_wait(nic, 1000), 1 + (i > 0 ? 1 : 0));
	}
	while (next < 15) {
		count = mullion_net_recv(nic, pieces, MULLION_NET_CHAIN_MAX);
		assert_true(count > 0);
		for (int i = 0; i < count; next++) {
			assert_int_equal(pieces[i].data[0], next);
			while (pieces[i++].flags & MULLION_NET_MORE)
				;
			assert_true(i <= count);
		}
		mullion_net_return(nic, pieces, (unsigned int)count);
	}
}

/* Sending never takes the buffers that are needed for receiving. */
static void test_reserve(void **state)
{
	struct mullion_net_piece pieces[ROOM], sent;
	uint8_t frame[60] = { 0 };
	struct mullion_net_info info;
	unsigned int mine = 0;
	int count;

	(void)state;
	mullion_net_info(nic, &info);
	while (mullion_net_alloc(nic, &sent, 1))
		mine++;
	assert_int_equal(mine, info.buffers - info.posted);
	for (unsigned int i = 0; i < 50; i++) {
		deliver(0, frame, 60);
		if (i % 25 != 24)
			continue;
		count = mullion_net_recv(nic, pieces, ROOM);
		assert_int_equal(count, 25);
		mullion_net_return(nic, pieces, 25);
		assert_int_equal(mullion_net_alloc(nic, &sent, 1), 0);
	}
	mullion_net_kick(nic);
	look();
	assert_int_equal(seen.posts, 72);
}

static void test_control(void **state)
{
	static const uint8_t other[6] = { 2, 9, 8, 7, 6, 5 };
	struct mullion_net_info info;
	struct mullion_io_slot slot;

	(void)state;
	slot_init(&slot, NET_CONNECT_STATUS);
	fake_service_send(&fake, 0, &slot);
	assert_int_equal(mullion_net_wait(nic, 1000), 1);
	assert_int_equal(mullion_net_changes(nic), MULLION_NET_CHANGE_LINK);
	mullion_net_info(nic, &info);
	assert_false(info.link);

	mullion_net_set_mac(nic, other);
	mullion_net_set_promiscuous(nic, true);
	mullion_net_set_offloads(nic, MULLION_NET_RX_CSUM);
	look();
	assert_int_equal(seen.controls, 3);
	assert_int_equal(seen.control[0].type, NET_MACADDR);
	assert_memory_equal(seen.control[0].macaddr.macaddr, other, 6);
	assert_int_equal(seen.control[1].type, NET_RCV_PROMISC);
	assert_int_equal(seen.control[1].enbdis.enable, 0x100);
	assert_int_equal(seen.control[2].type, MULLION_NET_OFFLOADS);
	/* Refused: the answer is the old one. */
	slot_init(&slot, NET_MACADDR_ACK);
	mullion_net_info(nic, &info);
	memcpy(slot.rsp.net.macaddr.macaddr, info.mac, 6);
	fake_service_send(&fake, 0, &slot);
	mullion_net_poll(nic);
	assert_int_equal(mullion_net_changes(nic), MULLION_NET_CHANGE_MAC);
	/* The administrator's. */
	slot_init(&slot, NET_MACADDR);
	memcpy(slot.rsp.net.macaddr.macaddr, other, 6);
	fake_service_send(&fake, 0, &slot);
	mullion_net_poll(nic);
	assert_int_equal(mullion_net_changes(nic), MULLION_NET_CHANGE_MAC);
	mullion_net_info(nic, &info);
	assert_memory_equal(info.mac, other, 6);
}

/* A new service: the old one's buffers are free again, all is asked for anew. */
static void test_new_service(void **state)
{
	struct mullion_net_piece pieces[8], held;
	uint8_t frame[60] = { 0 };
	struct mullion_io_slot slot;
	struct mullion_net_info info;

	(void)state;
	assert_int_equal(mullion_net_alloc(nic, pieces, 8), 8);
	for (unsigned int i = 0; i < 8; i++)
		pieces[i].bytes = 60;
	assert_int_equal(mullion_net_send(nic, 0, pieces, 7), 7);
	held = pieces[7];
	mullion_net_set_promiscuous(nic, true);
	look();
	assert_int_equal(seen.frames, 7);
	/* A last frame of the old one, and link down: both are taken first. */
	deliver(0, frame, 60);
	slot_init(&slot, NET_CONNECT_STATUS);
	fake_service_send(&fake, 0, &slot);
	mullion_store_release(mullion_ext_u64(fake_service_ext(&fake),
					      server_generation), 2);
	assert_int_equal(mullion_net_poll(nic), 2);
	assert_int_equal(mullion_net_send(nic, 0, &held, 1), 0);
	mullion_net_info(nic, &info);
	assert_false(info.attached);

	memset(posted_to, 0, sizeof(posted_to));
	fake_service_confirm(&fake);
	confirmed(&fake);
	/* One of the old epoch is dropped. */
	slot.ext.epoch = (uint32_t)fake_service_epoch(&fake) - 1;
	fake_service_send(&fake, 0, &slot);
	assert_true(mullion_net_poll(nic) > 0);
	look();
	assert_int_equal(seen.posts, 72);
	assert_int_equal(seen.controls, 2);
	assert_int_equal(seen.control[0].type, NET_RCV_PROMISC);
	assert_int_equal(seen.control[1].type, NET_RCV_ENBDIS);
	assert_int_equal(mullion_net_changes(nic),
			 MULLION_NET_CHANGE_LINK | MULLION_NET_CHANGE_SERVICE);
	assert_int_equal(statistics().tx_lost, 7);
	assert_int_equal(statistics().stale, 1);
	assert_int_equal(statistics().generations, 1);
	assert_int_equal(mullion_net_outstanding(nic), 0);
	/* What the caller holds is still his, and not posted. */
	assert_int_equal(posted_to[held.buffer], 0);
	assert_int_equal(mullion_net_send(nic, 0, &held, 1), 1);
	assert_int_equal(mullion_net_recv(nic, (struct mullion_net_piece[ROOM]){ 0 },
					  ROOM), 1);
}

/* ---- nonsense ------------------------------------------------------------- */

static struct mullion_net_batch *bad_receive(struct mullion_io_slot *slot)
{
	struct mullion_net_batch *batch = batch_init(slot, MULLION_NET_RCV, 2);

	for (unsigned int i = 0; i < 2; i++) {
		batch->entries[i].cookie = some_buffer(0, i);
		batch->entries[i].length = 60;
	}
	return batch;
}

static void expect_fault(const struct mullion_io_slot *slot)
{
	struct mullion_net_piece pieces[ROOM];
	struct mullion_net_info info;

	assert_true(fake_service_send(&fake, 0, slot));
	assert_int_equal(mullion_net_recv(nic, pieces, ROOM), -EPROTO);
	assert_int_equal(mullion_net_poll(nic), -EPROTO);
	assert_int_equal(mullion_net_send(nic, 0, pieces, 1), -EPROTO);
	assert_int_equal(statistics().bogus, 1);
	mullion_net_info(nic, &info);
	assert_false(info.attached);
}

static void test_good_receive(void **state)
{
	struct mullion_net_piece pieces[ROOM];
	struct mullion_io_slot slot;

	(void)state;
	bad_receive(&slot);
	assert_true(fake_service_send(&fake, 0, &slot));
	assert_int_equal(mullion_net_recv(nic, pieces, ROOM), 2);
}

#define NONSENSE(name, change)						\
	static void test_bad_##name(void **state)			\
	{								\
		struct mullion_io_slot slot;				\
		struct mullion_net_batch *batch = bad_receive(&slot);	\
									\
		(void)state;						\
		change;							\
		expect_fault(&slot);					\
	}

NONSENSE(cookie_twice, batch->entries[1].cookie = batch->entries[0].cookie)
NONSENSE(cookie_free, batch->entries[1].cookie = 400)
NONSENSE(cookie_beyond, batch->entries[1].cookie = 1 << 20)
NONSENSE(cookie_top_bit, batch->entries[0].cookie |= 1ULL << 63)
NONSENSE(length_zero, batch->entries[1].length = 0)
NONSENSE(length_beyond, batch->entries[1].length = BUFFER_BYTES + 1)
NONSENSE(length_huge, batch->entries[1].length = UINT32_MAX)
NONSENSE(length_short, batch->entries[0].length = 13)
NONSENSE(no_end, batch->entries[1].flags = MULLION_NET_MORE)
NONSENSE(flags, batch->entries[1].flags = 0x40)
NONSENSE(count, batch->count = MULLION_NET_BATCH_MAX + 1)
NONSENSE(type, batch->type = MULLION_NET_POST)
NONSENSE(cmdtype, batch->cmdtype = CMD_SCSI_TYPE)
NONSENSE(done, batch->type = MULLION_NET_XMIT_DONE)
NONSENSE(done_count, (batch->type = MULLION_NET_XMIT_DONE, batch->count = 144))
NONSENSE(done_none, (batch->type = MULLION_NET_XMIT_DONE, batch->count = 0))

static void test_bad_done_twice(void **state)
{
	struct mullion_io_slot slot;
	struct mullion_net_batch *batch;
	uint8_t frame[60] = { 0 };

	(void)state;
	assert_int_equal(mullion_net_send_copy(nic, 0, frame, sizeof(frame), NULL), 0);
	mullion_net_kick(nic);
	look();
	batch = batch_init(&slot, MULLION_NET_XMIT_DONE, 2);
	batch->cookies[0] = seen.last[0].cookie;
	batch->cookies[1] = seen.last[0].cookie;
	expect_fault(&slot);
}

/* The first of two frames is dropped, the other one comes. */
static void expect_drop(struct mullion_io_slot *slot, uint64_t dropped)
{
	struct mullion_net_batch *batch = (void *)slot;
	struct mullion_net_piece pieces[ROOM];

	assert_true(fake_service_send(&fake, 0, slot));
	assert_int_equal(mullion_net_recv(nic, pieces, ROOM), 1);
	assert_int_equal(pieces[0].buffer, batch->entries[1].cookie);
	assert_int_equal(statistics().rx_malformed, dropped);
	for (unsigned int i = 0; i < 2; i++)
		posted_to[batch->entries[i].cookie] = 0;
}

static void test_offloads(void **state)
{
	struct mullion_net_piece pieces[ROOM];
	struct mullion_io_slot slot;
	struct mullion_net_batch *batch;

	(void)state;
	batch = bad_receive(&slot);
	batch->entries[0].flags = MULLION_NET_NEEDS_CSUM;
	expect_drop(&slot, 1);
	batch = bad_receive(&slot);
	batch->entries[0].gso_type = MULLION_NET_GSO_TCPV4;
	batch->entries[0].gso_size = 100;
	expect_drop(&slot, 2);
	mullion_net_set_offloads(nic, MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4);
	batch = bad_receive(&slot);
	batch->entries[0].flags = MULLION_NET_NEEDS_CSUM;
	batch->entries[0].csum_start = 34;
	batch->entries[0].csum_offset = 16;
	batch->entries[1].gso_type = MULLION_NET_GSO_TCPV4 | MULLION_NET_GSO_ECN;
	batch->entries[1].gso_size = 100;
	assert_true(fake_service_send(&fake, 0, &slot));
	assert_int_equal(mullion_net_recv(nic, pieces, ROOM), 2);
	assert_int_equal(pieces[0].flags, MULLION_NET_NEEDS_CSUM);
	assert_int_equal(pieces[0].csum_start, 34);
	assert_int_equal(pieces[0].csum_offset, 16);
	assert_int_equal(pieces[1].gso_type, MULLION_NET_GSO_TCPV4 | MULLION_NET_GSO_ECN);
	assert_int_equal(pieces[1].gso_size, 100);
	for (unsigned int i = 0; i < 2; i++)
		posted_to[pieces[i].buffer] = 0;
	batch = bad_receive(&slot);
	batch->entries[0].flags = MULLION_NET_NEEDS_CSUM;
	batch->entries[0].csum_start = 59;
	expect_drop(&slot, 3);
	batch = bad_receive(&slot);
	batch->entries[0].gso_type = 3;
	expect_drop(&slot, 4);
	batch = bad_receive(&slot);
	batch->entries[0].gso_type = MULLION_NET_GSO_TCPV4;
	expect_drop(&slot, 5);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_open, NULL, teardown),
		TEST(test_send),
		TEST(test_send_chain),
		TEST(test_send_messages),
		TEST(test_send_refused),
		TEST(test_ring_full),
		TEST(test_receive),
		TEST(test_receive_kept),
		TEST(test_reserve),
		TEST(test_control),
		TEST(test_new_service),
		TEST(test_good_receive),
		TEST(test_bad_cookie_twice),
		TEST(test_bad_cookie_free),
		TEST(test_bad_cookie_beyond),
		TEST(test_bad_cookie_top_bit),
		TEST(test_bad_length_zero),
		TEST(test_bad_length_beyond),
		TEST(test_bad_length_huge),
		TEST(test_bad_length_short),
		TEST(test_bad_no_end),
		TEST(test_bad_flags),
		TEST(test_bad_count),
		TEST(test_bad_type),
		TEST(test_bad_cmdtype),
		TEST(test_bad_done),
		TEST(test_bad_done_count),
		TEST(test_bad_done_none),
		TEST(test_bad_done_twice),
		TEST(test_offloads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
