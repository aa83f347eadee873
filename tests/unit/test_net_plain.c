// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_plain.c - the switch between guests of both modes: network
 * cards in guest RAM whose drivers know s-Par's messages only and are polled, and
 * one in a window
 *
 * In this process and turn by turn (lib/inproc.h).  What drivers of Linux 5.10 must
 * and must not be sent is in section 8 of the s-Par channel ABI; the same against
 * the sandboxed program, with its death, is in test_intree.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>
#include <unistd.h>

#include "../../channel/guard.h"
#include "../../service/net/class.h"
#include "../lib/inproc.h"
#include "../lib/net_peer.h"

#define PLAIN		2		/* ports 0 and 1; then one in a window */
#define PORTS		3
#define WINDOW		2
#define BYTES		(8ULL << 20)
#define TX		0
#define RX		(1 << 20)
#define POST		4032
#define NUMBER		0xffff888000001000ULL	/* cookies are kernel addresses */

static struct inproc_bus bus[PORTS];
static struct net_peer peer[PORTS];
static struct mullion_net_port config[PORTS];
static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t nobody[6] = { 2, 9, 9, 9, 9, 9 };

/* ---- helpers ---------------------------------------------------------------- */

static void turns(unsigned int n)
{
	while (n--)
		inproc_turn();
}

static struct net_nic *nic(unsigned int p)
{
	return mullion_device_private(bus[p].device);
}

static uint64_t channel_bytes(void)
{
	return service_attach_channel_bytes(&net_class);
}

/* Fresh devices, clients that have not opened theirs. */
static int begin(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < PORTS; p++) {
		config[p] = (struct mullion_net_port){
			.version = MULLION_NET_CONFIG_VERSION,
			.flags = MULLION_NET_PORT_LINK_UP,
			.mac = { 2, 0, 0, 0, 0, (uint8_t)(p + 1) },
			.mtu = MULLION_NET_MTU_MAX,
		};
		inproc_use_ram(p < PLAIN);
		if (inproc_device(&bus[p], p + 1, BYTES, &config[p], sizeof(config[p]), -1))
			return -1;
	}
	for (unsigned int p = 0; p < PLAIN; p++)
		net_peer_plain(&peer[p], bus[p].channel, channel_bytes(), bus[p].pool);
	net_peer_init(&peer[WINDOW], bus[WINDOW].channel, channel_bytes(), bus[WINDOW].pool);
	net_peer_raise(&peer[WINDOW], NET_PEER_BATCH);
	turns(2);
	if (!net_peer_attached(&peer[WINDOW]))
		return -1;
	net_peer_post(&peer[WINDOW], 0, 1000, 32, RX, 2048);
	net_peer_enable(&peer[WINDOW], true, 1);
	turns(2);
	net_peer_take(&peer[WINDOW]);
	net_peer_forget(&peer[WINDOW]);
	return 0;
}

static int end(void **state)
{
	(void)state;
	for (unsigned int p = 0; p < PORTS; p++)
		inproc_device_done(&bus[p]);
	return 0;
}

static void take(unsigned int p)
{
	turns(2);
	net_peer_take(&peer[p]);
}

static void open_card(unsigned int p, unsigned int buffers)
{
	net_peer_post(&peer[p], 0, NUMBER, buffers, RX, POST);
	net_peer_enable(&peer[p], true, NUMBER + 8);
	take(p);
	assert_int_equal(net_peer_count(&peer[p], NET_RCV_ENBDIS_ACK), 1);
	net_peer_forget(&peer[p]);
}

static void make_frame(unsigned int p, uint64_t at, const uint8_t *to, uint32_t bytes)
{
	uint8_t *f = bus[p].pool + at;

	memcpy(f, to, 6);
	memcpy(f + 6, config[p].mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
	for (uint32_t i = 14; i < bytes; i++)
		f[i] = (uint8_t)(i * 11 + bytes + p);
}

/* From the first byte of RAM or pool; true if it was taken as a frame. */
static bool send_frame(unsigned int p, const uint8_t *to, uint32_t bytes)
{
	const struct net_event *event;
	bool good;

	make_frame(p, TX, to, bytes);
	assert_true(net_peer_xmit(&peer[p], 0, NUMBER, TX, bytes));
	take(p);
	event = net_peer_event(&peer[p], peer[p].batch ? MULLION_NET_XMIT_DONE :
			       NET_XMIT_DONE, 0);
	assert_non_null(event);
	assert_int_equal(event->cookie, NUMBER & (peer[p].batch ? INT64_MAX : UINT64_MAX));
	good = !event->result;
	net_peer_forget(&peer[p]);
	return good;
}

/* The only frame that came, if it is the one that @from sent last. */
static const struct net_event *received(unsigned int p, unsigned int from, uint32_t bytes)
{
	uint64_t first = peer[p].batch ? 1000 : NUMBER;
	uint64_t stride = peer[p].batch ? 2048 : 4096;
	uint32_t size = peer[p].batch ? 2048 : POST;
	const struct net_event *event;
	uint32_t done = 0;

	take(p);
	assert_int_equal(net_peer_count(&peer[p], peer[p].batch ? MULLION_NET_RCV : NET_RCV), 1);
	event = net_peer_event(&peer[p], peer[p].batch ? MULLION_NET_RCV : NET_RCV, 0);
	assert_int_equal(event->bytes, bytes);
	assert_int_equal(event->buffers, (bytes + size - 1) / size);
	for (unsigned int i = 0; i < event->buffers; i++) {
		uint32_t n = bytes - done < size ? bytes - done : size;

		assert_memory_equal(bus[p].pool + RX + (event->cookies[i] - first) * stride,
				    bus[from].pool + TX + done, n);
		done += n;
	}
	return event;
}

static unsigned int count_received(unsigned int p)
{
	take(p);
	return net_peer_count(&peer[p], peer[p].batch ? MULLION_NET_RCV : NET_RCV);
}

/* The wait for late posts is over. */
static void settle(unsigned int p)
{
	nic(p)->settled = 0;
}

static void wait_is_over(unsigned int p)
{
	settle(p);
	nic(p)->deadline = 0;
}

/* ---- both modes on one switch ------------------------------------------------- */

static void modes_are_mixed(void **state)
{
	static const uint32_t sizes[] = { 60, 61, 1514, 4031, 4032, 4033, 8064, 8065, 9014 };

	(void)state;
	open_card(0, 16);
	open_card(1, 16);
	for (unsigned int from = 0; from < PORTS; from++) {
		for (unsigned int to = 0; to < PORTS; to++) {
			if (from == to)
				continue;
			for (unsigned int i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
				const struct net_event *event;

				assert_true(send_frame(from, config[to].mac, sizes[i]));
				event = received(to, from, sizes[i]);
				if (to < PLAIN)
					for (unsigned int b = 0; b < event->buffers; b++)
						net_peer_post(&peer[to], 0, event->cookies[b],
							      1, RX + (event->cookies[b] -
								       NUMBER) * 4096, POST);
				else
					for (unsigned int b = 0; b < event->buffers; b++)
						net_peer_post(&peer[to], 0, event->cookies[b],
							      1, RX + (event->cookies[b] -
								       1000) * 2048, 2048);
				net_peer_forget(&peer[to]);
				turns(1);
			}
		}
	}
}

/* What a guest in a window leaves to the switch is done for one that takes nothing. */
static void offloads_are_done(void **state)
{
	struct mullion_net_entry entry = {
		.cookie = 5, .address = TX, .length = 34 + 20 + 3000,
		.flags = MULLION_NET_NEEDS_CSUM, .gso_type = MULLION_NET_GSO_TCPV4,
		.hdr_len = 54, .gso_size = 1000, .csum_start = 34, .csum_offset = 16,
	};
	uint8_t *f = bus[WINDOW].pool + TX;
	const struct net_event *event;

	(void)state;
	open_card(0, 16);
	make_frame(WINDOW, TX, config[0].mac, entry.length);
	f[12] = 0x08;
	f[13] = 0x00;
	memset(f + 14, 0, 40);
	f[14] = 0x45;
	f[16] = (uint8_t)((entry.length - 14) >> 8);
	f[17] = (uint8_t)(entry.length - 14);
	f[22] = 64;
	f[23] = 6;
	f[46] = 0x50;
	f[47] = 0x10;
	net_peer_xmit_entries(&peer[WINDOW], 0, &entry, 1);
	take(WINDOW);
	take(0);
	assert_int_equal(net_peer_count(&peer[0], NET_RCV), 3);
	for (unsigned int i = 0; i < 3; i++) {
		event = net_peer_event(&peer[0], NET_RCV, i);
		assert_int_equal(event->bytes, 1054);
		assert_memory_equal(bus[0].pool + RX + (event->cookie - NUMBER) * 4096 + 54,
				    f + 54 + 1000 * i, 1000);
	}
}

/* Fragments at odd places: two pages long, an offset beyond a page, 64 of them. */
static void fragments_are_ranges(void **state)
{
	static const uint32_t lengths[][2] = { { 3, 5000 }, { 4095, 2 }, { 4096, 900 } };
	struct mullion_io_slot *slot;
	uint8_t *expected = malloc(16384);
	uint32_t bytes = 0;

	(void)state;
	open_card(1, 16);
	make_frame(0, TX, config[1].mac, 64 * 100);
	memcpy(expected, bus[0].pool + TX, 64 * 100);
	/* Scattered over RAM, each over a page's border. */
	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = NUMBER;
	slot->rsp.net.xmt.len = 64 * 100;
	slot->rsp.net.xmt.num_frags = 64;
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t at = (2 << 20) + (63 - i) * 8192 + 4096 - 1 - i;

		memcpy(bus[0].pool + at, expected + i * 100, 100);
		slot->rsp.net.xmt.frags[i] = (struct phys_info){ at >> 12, at & 4095, 100 };
	}
	net_peer_send(&peer[0], 0);
	take(0);
	assert_int_equal(net_peer_event(&peer[0], NET_XMIT_DONE, 0)->result, 0);
	received(1, 0, 6400);
	net_peer_forget(&peer[0]);
	net_peer_forget(&peer[1]);

	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = NUMBER;
	slot->rsp.net.xmt.num_frags = 3;
	make_frame(0, TX, config[1].mac, 5902);
	memcpy(expected, bus[0].pool + TX, 5902);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t page = 600 + 10 * i;

		memcpy(bus[0].pool + page * 4096 + lengths[i][0], expected + bytes,
		       lengths[i][1]);
		slot->rsp.net.xmt.frags[i] = (struct phys_info){
			page, (uint16_t)lengths[i][0], (uint16_t)lengths[i][1],
		};
		bytes += lengths[i][1];
	}
	slot->rsp.net.xmt.len = bytes;
	net_peer_send(&peer[0], 0);
	take(0);
	assert_int_equal(net_peer_event(&peer[0], NET_XMIT_DONE, 0)->result, 0);
	received(1, 0, bytes);
	free(expected);
}

/* ---- enable and disable ---------------------------------------------------------- */

static void nothing_follows_a_disable(void **state)
{
	const struct net_event *event;
	struct mullion_net_port down;

	(void)state;
	open_card(0, 4);
	open_card(1, 4);
	assert_true(send_frame(1, broadcast, 100));
	net_peer_enable(&peer[0], false, 77);
	turns(1);
	/* However slow this machine is. */
	nic(0)->owed_until = UINT64_MAX;
	nic(0)->deadline = UINT64_MAX;
	/* From another processor, behind it: answered, for there is time. */
	assert_true(net_peer_xmit(&peer[0], 0, NUMBER + 1, TX, 100));
	turns(3);
	assert_true(nic(0)->disabling);
	settle(0);
	turns(2);
	/* It has not read what it was given. */
	assert_true(nic(0)->disabling);
	net_peer_take(&peer[0]);
	assert_int_equal(peer[0].events, 2);
	turns(2);
	/* And has one buffer back that it may post again. */
	assert_true(nic(0)->disabling);
	net_peer_post(&peer[0], 0, NUMBER + 64, 1, RX, POST);
	turns(2);
	assert_false(nic(0)->disabling);

	/* The answer is shown, not read: what comes now is from before. */
	net_peer_post(&peer[0], 0, NUMBER + 65, 1, RX, POST);
	assert_true(net_peer_xmit(&peer[0], 0, NUMBER + 2, TX, 100));
	turns(2);
	assert_int_equal(nic(0)->queues[0].posted, 0);
	/* Nor does anything else that happens follow it. */
	down = config[0];
	down.flags = 0;
	assert_int_equal(inproc_reconfigure(&bus[0], &down, sizeof(down)), 0);
	down.mac[5] = 0x33;
	assert_int_equal(inproc_reconfigure(&bus[0], &down, sizeof(down)), 0);
	send_frame(1, broadcast, 100);
	take(0);
	event = &peer[0].event[peer[0].events - 1];
	assert_int_equal(event->type, NET_RCV_ENBDIS_ACK);
	assert_int_equal(event->cookie, 77);
	assert_int_equal(event->result, 0);
	assert_int_equal(net_peer_count(&peer[0], NET_XMIT_DONE), 1);
	net_peer_forget(&peer[0]);

	/* Open again: these count, and the link's state is told. */
	net_peer_post(&peer[0], 0, NUMBER, 3, RX, POST);
	net_peer_enable(&peer[0], true, 78);
	take(0);
	assert_int_equal(peer[0].events, 2);
	assert_int_equal(peer[0].event[0].type, NET_RCV_ENBDIS_ACK);
	assert_int_equal(peer[0].event[1].type, NET_CONNECT_STATUS);
	assert_int_equal(peer[0].event[1].result, 0);
	assert_int_equal(nic(0)->queues[0].posted, 3);
	assert_int_equal(inproc_reconfigure(&bus[0], &config[0], sizeof(config[0])), 0);
	take(0);
	assert_int_equal(peer[0].event[2].type, NET_CONNECT_STATUS);
	assert_int_equal(peer[0].event[2].result, 1);
	net_peer_forget(&peer[0]);
	send_frame(1, broadcast, 100);
	assert_in_range(net_peer_event(&peer[0], NET_RCV, 0) ? 1 : count_received(0), 1, 1);
}

/* One that never reads, or lost its buffers, is answered all the same: once. */
static void a_wait_ends(void **state)
{
	(void)state;
	open_card(0, 4);
	open_card(1, 4);
	send_frame(1, broadcast, 100);
	net_peer_enable(&peer[0], false, 7);
	turns(2);
	wait_is_over(0);
	turns(2);
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_count(&peer[0], NET_RCV_ENBDIS_ACK), 1);
	assert_int_equal(peer[0].event[1].type, NET_RCV_ENBDIS_ACK);
	net_peer_forget(&peer[0]);
	/* Down twice, up twice, up and down: one answer each, in order. */
	for (unsigned int i = 0; i < 6; i++) {
		net_peer_enable(&peer[0], i >> 1 & 1, 100 + i);
		turns(1);
	}
	wait_is_over(0);
	take(0);
	assert_int_equal(net_peer_count(&peer[0], NET_RCV_ENBDIS_ACK), 6);
	for (unsigned int i = 0; i < 6; i++) {
		const struct net_event *event = net_peer_event(&peer[0], NET_RCV_ENBDIS_ACK, i);

		assert_int_equal(event->cookie, 100 + i);
		assert_int_equal(event->result, i >> 1 & 1);
	}
}

/* As many as 5.10 posts and sends leave room in the ring, whatever it does. */
static void the_command_ring_has_room(void **state)
{
	const struct visor_io_channel *fixed = (const void *)bus[0].channel;
	unsigned int buffers = fixed->vnic.num_rcv_bufs;
	unsigned int most = buffers / 3 - 2;

	(void)state;
	assert_true(buffers >= 6);
	assert_true(NET_SLOTS - 1 >= buffers + most + 4);
	inproc_pause(&bus[0]);
	/* Dead while it is in standby, and forgotten after. */
	net_peer_post(&peer[0], 0, NUMBER, buffers, RX, POST);
	for (unsigned int i = 0; i < most; i++)
		assert_true(net_peer_xmit(&peer[0], 0, i, TX, 60));
	net_peer_enable(&peer[0], true, 1);
	net_peer_enable(&peer[0], false, 2);
	turns(3);
	net_peer_take(&peer[0]);
	assert_int_equal(peer[0].events, 0);
	inproc_resume(&bus[0]);
	turns(3);
	net_peer_plain(&peer[0], bus[0].channel, channel_bytes(), bus[0].pool);
	assert_int_equal(mullion_sq_pending(&peer[0].rsp[0]), 0);
	assert_int_equal(peer[0].cmd[0].head, 0);
	assert_int_equal(nic(0)->queues[0].posted, 0);
	open_card(0, buffers);
}

/* ---- what is delivered --------------------------------------------------------------- */

static void only_what_it_wants(void **state)
{
	static const uint8_t group[6] = { 0x01, 0, 0x5e, 1, 2, 3 };
	struct mullion_net_counters *counters = nic(1)->counters;

	(void)state;
	open_card(0, 16);
	open_card(1, 32);
	/* A bridge behind it: foreign addresses are learnt at its port. */
	make_frame(1, TX, broadcast, 60);
	memcpy(bus[1].pool + TX + 6, nobody, 6);
	assert_true(net_peer_xmit(&peer[1], 0, 1, TX, 60));
	turns(2);
	assert_true(send_frame(0, group, 60));
	assert_int_equal(count_received(1), 1);
	assert_true(send_frame(0, nobody, 60));
	assert_int_equal(count_received(1), 1);
	net_peer_control(&peer[1], NET_RCV_PROMISC, NUMBER, 0x0100);
	turns(1);
	assert_true(send_frame(0, nobody, 60));
	assert_true(send_frame(0, nobody, 60));
	assert_int_equal(count_received(1), 3);
	/* At once, whatever other ports remember. */
	net_peer_control(&peer[1], NET_RCV_PROMISC, NUMBER, 0);
	turns(1);
	assert_true(send_frame(0, nobody, 60));
	assert_int_equal(count_received(1), 3);
	/* More than five buffers: not for this one. */
	assert_false(counters->tx_no_buffer);
	make_frame(WINDOW, TX, config[1].mac, 60);
	memset(bus[WINDOW].pool + TX + 60, 1, 20200);
	assert_true(net_peer_xmit(&peer[WINDOW], 0, 9, TX, 16398));
	turns(2);
	assert_int_equal(count_received(1), 4);
	assert_int_equal(net_peer_event(&peer[1], NET_RCV, 3)->buffers, 5);
}

/* Whoever does not read for a second may have been reset. */
static void the_dead_are_left_alone(void **state)
{
	(void)state;
	open_card(0, 16);
	open_card(1, 16);
	assert_true(send_frame(0, broadcast, 100));
	assert_true(nic(1)->unread_until == 0);
	assert_true(send_frame(0, broadcast, 100));
	assert_true(nic(1)->unread_until != 0);
	assert_int_equal(nic(1)->queues[0].posted, 14);
	nic(1)->unread_until = 1;
	assert_true(send_frame(0, broadcast, 100));
	assert_int_equal(nic(1)->queues[0].posted, 14);
	assert_int_equal(nic(1)->counters->tx_no_buffer, 1);
	/* It was only slow. */
	assert_int_equal(count_received(1), 2);
	assert_true(send_frame(0, broadcast, 100));
	assert_int_equal(count_received(1), 3);
}

/* 5.10 keeps the address that it read at its start; a driver after it has the new one. */
static void addresses_change(void **state)
{
	struct mullion_net_port port = config[1];
	const struct visor_io_channel *fixed = (const void *)bus[1].channel;

	(void)state;
	open_card(0, 16);
	open_card(1, 32);
	port.mac[5] = 0x77;
	assert_int_equal(inproc_reconfigure(&bus[1], &port, sizeof(port)), 0);
	assert_memory_equal(fixed->vnic.macaddr, port.mac, sizeof(port.mac));
	take(1);
	assert_int_equal(peer[1].events, 0);
	assert_true(send_frame(0, config[1].mac, 100));
	assert_int_equal(count_received(1), 1);
	make_frame(1, TX, broadcast, 60);
	memcpy(bus[1].pool + TX + 6, port.mac, 6);
	assert_true(net_peer_xmit(&peer[1], 0, 1, TX, 60));
	turns(2);
	assert_true(send_frame(0, port.mac, 100));
	assert_int_equal(count_received(1), 2);
}

/* ---- hostile addresses ------------------------------------------------------------------ */

struct range {
	uint64_t gpa;
	uint32_t bytes;
	bool good;
};

static const struct range ranges[] = {
	{ BYTES / 2 - 2000, POST, true },		/* regions that touch are one */
	{ BYTES - POST, POST, true },
	{ BYTES - POST + 1, POST, false },		/* into the channels */
	{ BYTES, POST, false },
	{ BYTES + CP_BUS_CHANNEL_BYTES, POST, false },	/* its own */
	{ BYTES + INPROC_CHANNELS_BYTES - 1, POST, false },
	{ BYTES + INPROC_CHANNELS_BYTES, POST, false },	/* the hole */
	{ 0xc0000000, POST, false },
	{ INPROC_RAM_HIGH - 1, POST, false },		/* out of it */
	{ INPROC_RAM_HIGH, POST, true },
	{ INPROC_RAM_HIGH + INPROC_RAM_HIGH_BYTES - POST, POST, true },
	{ INPROC_RAM_HIGH + INPROC_RAM_HIGH_BYTES - POST + 1, POST, false },
	{ INPROC_RAM_HIGH + INPROC_RAM_HIGH_BYTES, POST, false },
	{ UINT64_MAX - 4095, POST, false },		/* the last page of all */
	{ UINT64_MAX, POST, false },
	{ 1ULL << 63, POST, false },
};

static void frames_from_anywhere(void **state)
{
	(void)state;
	open_card(0, 8);
	open_card(1, 32);
	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct mullion_io_slot *slot = net_peer_slot(&peer[0], 0);
		const struct range *range = &ranges[i];
		const struct net_event *event;

		/* The header is good, the rest of the frame is not there. */
		make_frame(0, TX, broadcast, 60);
		slot->rsp.net.type = NET_XMIT;
		slot->rsp.net.buf = i;
		slot->rsp.net.xmt.len = 60 + range->bytes;
		slot->rsp.net.xmt.num_frags = 2;
		slot->rsp.net.xmt.frags[0] = (struct phys_info){ TX, 0, 60 };
		slot->rsp.net.xmt.frags[1] = (struct phys_info){
			range->gpa >> 12, range->gpa & 4095, (uint16_t)range->bytes,
		};
		net_peer_send(&peer[0], 0);
		take(0);
		event = net_peer_event(&peer[0], NET_XMIT_DONE, 0);
		assert_non_null(event);
		if (event->result != !range->good || count_received(1) != range->good)
			fail_msg("range %u", i);
		net_peer_forget(&peer[0]);
		net_peer_forget(&peer[1]);
	}
	/* Page numbers whose addresses do not exist: they would come out low. */
	for (unsigned int shift = 52; shift < 64; shift++) {
		struct mullion_io_slot *slot = net_peer_slot(&peer[0], 0);

		slot->rsp.net.type = NET_XMIT;
		slot->rsp.net.xmt.len = 60;
		slot->rsp.net.xmt.num_frags = 1;
		slot->rsp.net.xmt.frags[0] = (struct phys_info){ 1ULL << shift, 0, 60 };
		net_peer_send(&peer[0], 0);
		take(0);
		assert_int_equal(net_peer_event(&peer[0], NET_XMIT_DONE, 0)->result, 1);
		net_peer_forget(&peer[0]);
	}
	assert_int_equal(count_received(1), 0);
	assert_true(bus[0].device->serving);
	assert_true(send_frame(0, config[1].mac, 100));
	received(1, 0, 100);
}

static void lists_are_lies(void **state)
{
	static const struct {
		uint32_t len, frags, each;
	} lies[] = {
		{ 1514, 0, 1514 }, { 1514, 65, 24 }, { 1514, UINT32_MAX, 24 },
		{ UINT32_MAX, 1, 60 }, { 0x80000000, 1, 60 }, { 61, 1, 60 }, { 13, 1, 13 },
		{ 0, 1, 60 }, { 65558, 64, 65535 }, { 60, 64, 0 },
	};

	(void)state;
	open_card(0, 8);
	open_card(1, 32);
	for (unsigned int i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct mullion_io_slot *slot = net_peer_slot(&peer[0], 0);

		make_frame(0, TX, broadcast, 2000);
		slot->rsp.net.type = NET_XMIT;
		slot->rsp.net.buf = UINT64_MAX - i;
		slot->rsp.net.xmt.len = lies[i].len;
		slot->rsp.net.xmt.num_frags = lies[i].frags;
		for (unsigned int f = 0; f < MAX_PHYS_INFO; f++)
			slot->rsp.net.xmt.frags[f] =
				(struct phys_info){ 0, 0, (uint16_t)lies[i].each };
		net_peer_send(&peer[0], 0);
		take(0);
		assert_int_equal(net_peer_count(&peer[0], NET_XMIT_DONE), 1);
		assert_int_equal(net_peer_event(&peer[0], NET_XMIT_DONE, 0)->result, 1);
		assert_int_equal(net_peer_event(&peer[0], NET_XMIT_DONE, 0)->cookie,
				 UINT64_MAX - i);
		net_peer_forget(&peer[0]);
	}
	assert_int_equal(count_received(1), 0);
	assert_int_equal(nic(0)->counters->rx_malformed, sizeof(lies) / sizeof(lies[0]));
}

static void buffers_anywhere(void **state)
{
	unsigned int good = 0;

	(void)state;
	open_card(1, 8);
	for (unsigned int i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		struct mullion_io_slot *slot = net_peer_slot(&peer[0], 0);

		slot->rsp.net.type = NET_RCV_POST;
		slot->rsp.net.buf = NUMBER + i;
		slot->rsp.net.rcvpost.frag = (struct phys_info){
			ranges[i].gpa >> 12, ranges[i].gpa & 4095, POST,
		};
		net_peer_send(&peer[0], 0);
		good += ranges[i].good;
	}
	/* Too small for what the switch would put there. */
	net_peer_post(&peer[0], 0, NUMBER + 100, 1, RX, POST - 1);
	net_peer_enable(&peer[0], true, 1);
	take(0);
	assert_int_equal(nic(0)->queues[0].posted, good);
	/* Each is used, and nothing beside it. */
	for (unsigned int i = 0; i < good; i++) {
		send_frame(1, broadcast, POST);
		take(0);
	}
	send_frame(1, broadcast, POST);
	take(0);
	assert_int_equal(net_peer_count(&peer[0], NET_RCV), good);
	for (unsigned int i = 0; i < good; i++)
		assert_true(ranges[net_peer_event(&peer[0], NET_RCV, i)->cookie - NUMBER].good);
	assert_memory_equal(bus[0].high, bus[1].pool + TX, POST);
	assert_int_equal(nic(0)->counters->tx_no_buffer, 1);
}

/* Each with the number that it was posted with. */
static void numbers_come_back(void **state)
{
	(void)state;
	open_card(1, 8);
	for (unsigned int i = 0; i < 8; i++) {
		peer[0].unique = UINT64_MAX - i;
		net_peer_post(&peer[0], 0, NUMBER + i, 1, RX + i * 4096, POST);
	}
	net_peer_enable(&peer[0], true, 1);
	take(0);
	send_frame(1, broadcast, 8064);
	send_frame(1, broadcast, 60);
	assert_int_equal(count_received(0), 2);
	for (unsigned int i = 0; i < 2; i++) {
		const struct net_event *event = net_peer_event(&peer[0], NET_RCV, i);

		assert_int_equal(event->unique, UINT64_MAX - (event->cookie - NUMBER));
	}
}

/* ---- memory and channels that are lost ----------------------------------------------------- */

/* The file is cut behind its channels or before them: SIGBUS, for us or the kernel. */
static void memory_goes(uint64_t left, uint64_t touched)
{
	struct mullion_io_slot *slot;

	open_card(0, 8);
	open_card(1, 8);
	/* cmocka has its own handlers, for each test */
	assert_int_equal(mullion_guard_init(), 0);
	make_frame(0, TX, broadcast, 60);
	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = 1;
	slot->rsp.net.xmt.len = 2060;
	slot->rsp.net.xmt.num_frags = 2;
	slot->rsp.net.xmt.frags[0] = (struct phys_info){ TX, 0, 60 };
	slot->rsp.net.xmt.frags[1] = (struct phys_info){ touched >> 12, touched & 4095, 2000 };
	net_peer_send(&peer[0], 0);
	assert_int_equal(ftruncate(bus[0].window.fd, (off_t)left), 0);
	turns(3);
	assert_true(mullion_ram_lost(bus[0].bus->ram));
	assert_true(bus[0].device->faulted);
	assert_int_equal(bus[0].device->fault_reason, MULLION_FAULT_MEMORY);
	/* The others get what there is, and do not notice. */
	for (unsigned int p = 1; p < PORTS; p++) {
		net_peer_take(&peer[p]);
		net_peer_forget(&peer[p]);
	}
	assert_true(send_frame(1, config[WINDOW].mac, 1000));
	received(WINDOW, 1, 1000);
	/* Nor is it served again when it is resumed. */
	inproc_pause(&bus[0]);
	inproc_resume(&bus[0]);
	turns(1);
	assert_false(bus[0].device->serving);
}

static void data_are_lost(void **state)
{
	(void)state;
	memory_goes(bus[0].window.size, INPROC_RAM_HIGH);
}

static void channels_are_lost(void **state)
{
	(void)state;
	memory_goes(1 << 20, 2 << 20);
}

static void buffers_are_lost(void **state)
{
	(void)state;
	assert_int_equal(mullion_guard_init(), 0);
	open_card(1, 8);
	net_peer_post(&peer[0], 0, NUMBER, 4, INPROC_RAM_HIGH, POST);
	net_peer_enable(&peer[0], true, 1);
	turns(2);
	assert_int_equal(nic(0)->queues[0].posted, 4);
	assert_int_equal(ftruncate(bus[0].window.fd, (off_t)bus[0].window.size), 0);
	/* The sender's frame is sent all the same. */
	assert_true(send_frame(1, broadcast, 1000));
	turns(2);
	assert_true(bus[0].device->faulted);
	received(WINDOW, 1, 1000);
}

/* For such a client a resume is what a new driver is for others. */
static void a_resume_repairs(void **state)
{
	struct channel_header *header = (void *)bus[0].channel;

	(void)state;
	open_card(0, 8);
	open_card(1, 8);
	header->ch_space_offset = 12;
	service_attach_audit(bus[0].device);
	turns(1);
	assert_true(bus[0].device->faulted);
	assert_true(send_frame(1, broadcast, 100));
	inproc_pause(&bus[0]);
	inproc_resume(&bus[0]);
	assert_int_equal(header->ch_space_offset, MULLION_IO_CH_SPACE_OFFSET);
	net_peer_plain(&peer[0], bus[0].channel, channel_bytes(), bus[0].pool);
	open_card(0, 8);
	assert_true(send_frame(0, config[1].mac, 100));
	net_peer_forget(&peer[1]);
	/* An index that cannot be, too. */
	peer[0].cmd[0].shared->head = 4711;
	turns(2);
	assert_int_equal(bus[0].device->fault_reason, MULLION_FAULT_INDEX);
	inproc_pause(&bus[0]);
	inproc_resume(&bus[0]);
	net_peer_plain(&peer[0], bus[0].channel, channel_bytes(), bus[0].pool);
	open_card(0, 8);
	assert_true(send_frame(0, config[1].mac, 100));
}

/* ---- successors ---------------------------------------------------------------------------- */

static void successor(unsigned int p)
{
	assert_int_equal(inproc_successor(&bus[p], &config[p], sizeof(config[p]), -1), 0);
}

/* The guest is in standby when it comes: rings are empty, nothing is known of before. */
static void a_successor_begins_afresh(void **state)
{
	(void)state;
	open_card(0, 8);
	open_card(1, 8);
	assert_true(net_peer_xmit(&peer[0], 0, 1, TX, 60));
	successor(0);
	net_peer_plain(&peer[0], bus[0].channel, channel_bytes(), bus[0].pool);
	turns(2);
	assert_int_equal(nic(0)->queues[0].posted, 0);
	assert_false(nic(0)->enabled);
	assert_true(send_frame(1, broadcast, 100));
	take(0);
	assert_int_equal(peer[0].events, 0);
	open_card(0, 8);
	assert_true(send_frame(0, config[1].mac, 100));
	received(1, 0, 100);
}

static void a_paused_one_stays_paused(void **state)
{
	(void)state;
	open_card(0, 8);
	inproc_pause(&bus[0]);
	successor(0);
	turns(2);
	assert_true(bus[0].device->paused);
	assert_false(bus[0].device->serving);
	/* Of the guest, which an administrator opens in standby. */
	net_peer_enable(&peer[0], true, 1);
	turns(2);
	net_peer_take(&peer[0]);
	assert_int_equal(peer[0].events, 0);
	inproc_resume(&bus[0]);
	net_peer_plain(&peer[0], bus[0].channel, channel_bytes(), bus[0].pool);
	open_card(0, 8);
}

/* A client that has the extension after all is one from then on. */
static void a_plain_client_attaches(void **state)
{
	struct net_peer *p = &peer[0];

	(void)state;
	open_card(0, 8);
	net_peer_init(p, bus[0].channel, channel_bytes(), bus[0].pool);
	net_peer_raise(p, NET_PEER_BATCH);
	turns(2);
	assert_true(net_peer_attached(p));
	assert_false(bus[0].device->plain);
	assert_int_equal(nic(0)->queues[0].posted, 0);
	net_peer_post(p, 0, NUMBER & INT64_MAX, 8, RX, 4096);
	net_peer_enable(p, true, 1);
	take(0);
	net_peer_forget(p);
	assert_true(send_frame(0, config[WINDOW].mac, 100));
	received(WINDOW, 0, 100);
}

/* A resume is no attach: this process has no rings before its client has raised. */
static void a_successor_waits_for_its_client(void **state)
{
	(void)state;
	successor(WINDOW);
	inproc_pause(&bus[WINDOW]);
	inproc_resume(&bus[WINDOW]);
	turns(3);
	assert_false(bus[WINDOW].device->serving);
	net_peer_raise(&peer[WINDOW], NET_PEER_BATCH);
	turns(2);
	assert_true(net_peer_attached(&peer[WINDOW]));
	open_card(0, 8);
	net_peer_take(&peer[WINDOW]);
	net_peer_forget(&peer[WINDOW]);
	assert_true(send_frame(WINDOW, config[0].mac, 100));
	received(0, WINDOW, 100);
}

static int setup(void **state)
{
	static const struct mullion_net_config network = {
		.version = MULLION_NET_CONFIG_VERSION,
		.ageing = 300,
		.addresses_max = 64,
		.mirror_port_bus = MULLION_SERVICE_WIDE,
	};

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	inproc_init(&net_class);
	return inproc_configure(&network, sizeof(network), -1, -1);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(modes_are_mixed),
		TEST(offloads_are_done),
		TEST(fragments_are_ranges),
		TEST(nothing_follows_a_disable),
		TEST(a_wait_ends),
		TEST(the_command_ring_has_room),
		TEST(only_what_it_wants),
		TEST(the_dead_are_left_alone),
		TEST(addresses_change),
		TEST(frames_from_anywhere),
		TEST(lists_are_lies),
		TEST(buffers_anywhere),
		TEST(numbers_come_back),
		TEST(data_are_lost),
		TEST(channels_are_lost),
		TEST(buffers_are_lost),
		TEST(a_resume_repairs),
		TEST(a_successor_begins_afresh),
		TEST(a_paused_one_stays_paused),
		TEST(a_plain_client_attaches),
		TEST(a_successor_waits_for_its_client),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
