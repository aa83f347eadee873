// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_service.c - the switch between clients of both kinds
 *
 * In this process and turn by turn (lib/inproc.h), with clients that do what a
 * driver does and what none would do (lib/net_peer.h).  Built twice: windows, and
 * (lib/inproc_ram.c) guest-physical addresses without doorbells.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../service/net/class.h"
#include "../lib/inproc.h"
#include "../lib/net_peer.h"

#define PORTS		40
#define WINDOW_BYTES	(8ULL << 20)
#define TX		0		/* where in the pool frames are made */
#define RX		(1 << 20)	/* and buffers lie */
#define BUFFER		2048

static struct inproc_bus bus[PORTS];
static struct net_peer peer[PORTS];
static struct mullion_net_port config[PORTS];
static const struct mullion_net_config network = {
	.version = MULLION_NET_CONFIG_VERSION,
	.ageing = 300,
	.addresses_max = 64,
	.mirror_port_bus = MULLION_SERVICE_WIDE,
};

/* ---- helpers --------------------------------------------------------------- */

static void turns(unsigned int n)
{
	while (n--)
		inproc_turn();
}

static struct net_nic *nic(unsigned int p)
{
	return mullion_device_private(bus[p].device);
}

static struct mullion_net_counters counters(unsigned int p)
{
	struct mullion_net_counters copy;

	memcpy(&copy, nic(p)->counters, sizeof(copy));
	return copy;
}

static void configure(unsigned int p)
{
	assert_int_equal(inproc_reconfigure(&bus[p], &config[p], sizeof(config[p])), 0);
}

static void default_config(unsigned int p)
{
	config[p] = (struct mullion_net_port){
		.version = MULLION_NET_CONFIG_VERSION,
		.flags = MULLION_NET_PORT_LINK_UP,
		.mac = { 2, 0, 0, 0, 0, (uint8_t)(p + 1) },
		.mtu = MULLION_NET_MTU_MAX,
	};
}

static void attach(unsigned int p, uint64_t features)
{
	/* Another driver than before. */
	mullion_attach_fresh(&peer[p].attach);
	net_peer_raise(&peer[p], features);
	turns(2);
	assert_true(net_peer_attached(&peer[p]));
	turns(1);
	net_peer_take(&peer[p]);
	net_peer_forget(&peer[p]);
}

static void detach(unsigned int p)
{
	mullion_attach_fresh(&peer[p].attach);
	mullion_attach_raise(&peer[p].attach, 0, MULLION_CLIENT_DETACHED);
	turns(2);
	assert_int_equal(mullion_attach_poll(&peer[p].attach), 0);
}

/* Up, with buffers on queue pair 0. */
static void up(unsigned int p, uint64_t features, unsigned int buffers)
{
	attach(p, features);
	net_peer_post(&peer[p], 0, 1000, buffers, RX, peer[p].batch ? BUFFER : 4032);
	net_peer_enable(&peer[p], true, 1);
	turns(3);
	net_peer_take(&peer[p]);
	net_peer_forget(&peer[p]);
	memset(nic(p)->counters, 0, sizeof(*nic(p)->counters));
}

static uint8_t *frame_at(unsigned int p, uint64_t offset)
{
	return bus[p].pool + offset;
}

static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

static void make_frame(unsigned int p, uint64_t offset, const uint8_t *to, uint32_t bytes)
{
	uint8_t *f = frame_at(p, offset);

	memcpy(f, to, 6);
	memcpy(f + 6, config[p].mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
	for (uint32_t i = 14; i < bytes; i++)
		f[i] = (uint8_t)(i * 7 + bytes + p);
}

static void send_to(unsigned int p, const uint8_t *to, uint64_t cookie, uint32_t bytes)
{
	make_frame(p, TX, to, bytes);
	assert_true(net_peer_xmit(&peer[p], 0, cookie, TX, bytes));
	turns(1);
}

static uint32_t rcv_type(unsigned int p)
{
	return peer[p].batch ? MULLION_NET_RCV : NET_RCV;
}

static unsigned int received(unsigned int p)
{
	net_peer_take(&peer[p]);
	return net_peer_count(&peer[p], rcv_type(p));
}

static void forget(void)
{
	for (unsigned int p = 0; p < 4; p++) {
		net_peer_take(&peer[p]);
		net_peer_forget(&peer[p]);
	}
}

/* Both know each other. */
static void introduce(unsigned int a, unsigned int b)
{
	send_to(a, config[b].mac, 1, 60);
	send_to(b, config[a].mac, 1, 60);
	send_to(a, config[b].mac, 1, 60);
	send_to(b, config[a].mac, 1, 60);
	forget();
}

static void reset(void)
{
	for (unsigned int p = 0; p < PORTS; p++) {
		detach(p);
		default_config(p);
		configure(p);
		memset(nic(p)->counters, 0, sizeof(*nic(p)->counters));
	}
	assert_int_equal(inproc_configure(&network, sizeof(network), -1, -1), 0);
}

/* ---- batches ------------------------------------------------------------------ */

static void batches_are_switched(void **state)
{
	const struct net_event *event;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 64);
	up(1, NET_PEER_BATCH, 64);
	up(2, NET_PEER_BATCH, 64);
	send_to(0, broadcast, 5, 60);
	assert_int_equal(received(0), 0);
	assert_int_equal(received(1), 1);
	assert_int_equal(received(2), 1);
	event = net_peer_event(&peer[0], MULLION_NET_XMIT_DONE, 0);
	assert_non_null(event);
	assert_int_equal(event->cookie, 5);
	assert_int_equal(event->result, 0);
	event = net_peer_event(&peer[1], MULLION_NET_RCV, 0);
	assert_int_equal(event->bytes, 60);
	assert_memory_equal(bus[1].pool + RX + (event->cookie - 1000) * BUFFER,
			    frame_at(0, TX), 60);
	forget();
	/* to one, of every length, by the short way and the long one */
	for (uint32_t bytes = 14; bytes < 1600; bytes++) {
		send_to(1, config[0].mac, bytes, bytes);
		assert_int_equal(received(0), 1);
		assert_int_equal(received(2), 0);
		event = net_peer_event(&peer[0], MULLION_NET_RCV, 0);
		assert_int_equal(event->bytes, bytes);
		assert_memory_equal(bus[0].pool + RX + (event->cookie - 1000) * BUFFER,
				    frame_at(1, TX), bytes);
		net_peer_post(&peer[0], 0, event->cookie, 1,
			      RX + (event->cookie - 1000) * BUFFER, BUFFER);
		forget();
	}
	assert_int_equal(counters(1).rx_frames, 1586);
	assert_int_equal(counters(0).tx_frames, 1586);
	assert_int_equal(counters(0).tx_no_buffer, 0);
}

static void batches_are_full(void **state)
{
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX];
	bool seen[2000] = { false };

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 700);
	up(1, NET_PEER_BATCH, 700);
	introduce(0, 1);
	for (unsigned int round = 0; round < 15; round++) {
		for (unsigned int i = 0; i < MULLION_NET_BATCH_MAX; i++) {
			make_frame(0, TX + 64 * i, config[1].mac, 64);
			entries[i] = (struct mullion_net_entry){
				.cookie = round * 100 + i,
				.address = TX + 64 * i,
				.length = 64,
			};
		}
		net_peer_xmit_entries(&peer[0], 0, entries, MULLION_NET_BATCH_MAX);
	}
	turns(15);
	assert_int_equal(received(1), 15 * MULLION_NET_BATCH_MAX);
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_count(&peer[0], MULLION_NET_XMIT_DONE),
			 15 * MULLION_NET_BATCH_MAX);
	/* each cookie once, in order */
	for (unsigned int i = 0; i < 15 * MULLION_NET_BATCH_MAX; i++) {
		assert_int_equal(net_peer_event(&peer[0], MULLION_NET_XMIT_DONE, i)->cookie,
				 i / MULLION_NET_BATCH_MAX * 100 + i % MULLION_NET_BATCH_MAX);
		assert_false(seen[net_peer_event(&peer[1], MULLION_NET_RCV, i)->cookie]);
		seen[net_peer_event(&peer[1], MULLION_NET_RCV, i)->cookie] = true;
	}
}

static void frames_are_chained(void **state)
{
	struct mullion_net_entry entries[3] = {
		{ .cookie = 9, .address = TX, .length = 100, .flags = MULLION_NET_MORE },
		{ .address = TX + 5000, .length = 20, .flags = MULLION_NET_MORE },
		{ .address = TX + 9000, .length = 3000 },
	};
	const struct net_event *event;
	uint8_t sent[3120], got[3120];

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	attach(1, NET_PEER_BATCH);
	net_peer_post(&peer[1], 0, 0, 39, RX, 500);
	net_peer_enable(&peer[1], true, 1);
	turns(2);
	make_frame(0, TX, broadcast, 12000);
	memcpy(sent, frame_at(0, TX), 100);
	memcpy(sent + 100, frame_at(0, TX + 5000), 20);
	memcpy(sent + 120, frame_at(0, TX + 9000), 3000);
	net_peer_xmit_entries(&peer[0], 0, entries, 3);
	turns(1);
	assert_int_equal(received(1), 1);
	event = net_peer_event(&peer[1], MULLION_NET_RCV, 0);
	assert_int_equal(event->bytes, 3120);
	assert_int_equal(event->buffers, 7);
	for (unsigned int i = 0; i < 7; i++) {
		assert_int_equal(event->lengths[i], i < 6 ? 500 : 120);
		memcpy(got + 500 * i, bus[1].pool + RX + 500 * event->cookies[i],
		       event->lengths[i]);
	}
	assert_memory_equal(got, sent, sizeof(sent));
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_count(&peer[0], MULLION_NET_XMIT_DONE), 1);
	assert_int_equal(net_peer_event(&peer[0], MULLION_NET_XMIT_DONE, 0)->cookie, 9);
	/* more than what is posted: dropped, and the buffers stay */
	make_frame(0, TX, broadcast, 16398);
	for (unsigned int i = 0; i < 2; i++) {
		assert_true(net_peer_xmit(&peer[0], 0, 10 + i, TX, i ? 16000 : 16398));
		turns(1);
	}
	assert_int_equal(counters(1).tx_no_buffer, 1);
	assert_int_equal(received(1), 2);
	event = net_peer_event(&peer[1], MULLION_NET_RCV, 1);
	assert_int_equal(event->buffers, 32);
	assert_int_equal(event->dropped, 1);
}

static void mtu_is_the_receivers(void **state)
{
	struct mullion_net_counters now;

	(void)state;
	reset();
	config[1].mtu = 1500;
	config[2].mtu = 9000;
	for (unsigned int p = 0; p < 3; p++) {
		configure(p);
		up(p, NET_PEER_BATCH, 16);
	}
	/* the long way and, once the addresses are known, the short one */
	for (unsigned int round = 0; round < 3; round++) {
		for (uint32_t bytes = 1513; bytes <= 1516; bytes++) {
			make_frame(0, TX, config[1].mac, bytes);
			assert_true(net_peer_xmit(&peer[0], 0, bytes, TX, bytes));
		}
		make_frame(1, TX, config[0].mac, 16398);
		assert_true(net_peer_xmit(&peer[1], 0, 1, TX, 16398));
		turns(2);
		assert_int_equal(received(0), 1);
		assert_int_equal(received(1), 2);
		for (unsigned int p = 0; p < 2; p++) {
			net_peer_forget(&peer[p]);
			net_peer_post(&peer[p], 0, 2000 + 10 * round, 10, RX, BUFFER);
		}
		turns(1);
	}
	assert_int_equal(counters(1).tx_mtu, 6);
	assert_int_equal(counters(0).tx_mtu, 0);
	/* to everybody: each by its own */
	make_frame(0, TX, broadcast, 5000);
	assert_true(net_peer_xmit(&peer[0], 0, 1, TX, 5000));
	turns(2);
	assert_int_equal(received(1), 0);
	assert_int_equal(received(2), 1);
	assert_int_equal(counters(1).tx_mtu, 7);
	/* a tag counts as little as the header that it is in */
	config[1].flags |= MULLION_NET_PORT_TRUNK;
	config[1].trunk_vlans[0] = 1 << 7;
	config[0].vlan = 7;
	configure(0);
	configure(1);
	for (uint32_t bytes = 1514; bytes <= 1515; bytes++) {
		make_frame(0, TX, config[1].mac, bytes);
		assert_true(net_peer_xmit(&peer[0], 0, bytes, TX, bytes));
		turns(2);
	}
	now = counters(1);
	assert_int_equal(received(1), 1);
	assert_int_equal(net_peer_event(&peer[1], MULLION_NET_RCV, 0)->bytes, 1518);
	assert_int_equal(now.tx_mtu, 8);
	/* the sender's frames were all good */
	assert_int_equal(counters(0).rx_malformed, 0);
}

static void hostile_frames_are_failed(void **state)
{
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX] = { 0 };
	const struct {
		struct mullion_net_entry entry;
		bool good;
	} cases[] = {
		{ { .address = bus[0].pool_bytes - 60, .length = 60 }, true },
		{ { .address = bus[0].pool_bytes - 59, .length = 60 }, false },
		{ { .address = UINT64_MAX - 20, .length = 60 }, false },
		{ { .address = TX, .length = 0 }, false },
		{ { .address = TX, .length = 13 }, false },
		{ { .address = TX, .length = UINT32_MAX }, false },
		{ { .address = TX, .length = MULLION_NET_FRAME_MAX + 1 }, false },
		{ { .address = TX, .length = 17000 }, false },
		{ { .address = TX, .length = 60, .flags = MULLION_NET_MORE }, false },
		{ { .address = TX, .length = 60, .gso_type = 77 }, false },
		{ { .address = TX, .length = 60, .flags = MULLION_NET_NEEDS_CSUM,
		    .csum_start = 50, .csum_offset = 20 }, false },
	};
	struct mullion_io_slot *slot;
	const struct net_event *event;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	make_frame(0, TX, broadcast, 2000);
	make_frame(0, bus[0].pool_bytes - 60, broadcast, 60);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		entries[0] = cases[i].entry;
		entries[0].cookie = i | (i == 0 ? MULLION_NET_COOKIE_FAILED : 0);
		net_peer_xmit_entries(&peer[0], 0, entries, 1);
		turns(1);
		net_peer_take(&peer[0]);
		event = net_peer_event(&peer[0], MULLION_NET_XMIT_DONE, i);
		assert_non_null(event);
		assert_int_equal(event->cookie, i);
		assert_int_equal(event->result, !cases[i].good);
	}
	assert_int_equal(counters(0).rx_malformed, 10);
	net_peer_forget(&peer[0]);
	/* more entries than there can be; none; an unknown type; another epoch */
	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.net.type = MULLION_NET_XMIT;
	((struct mullion_net_batch *)slot)->count = 60000;
	net_peer_send(&peer[0], 0);
	net_peer_xmit_entries(&peer[0], 0, entries, 0);
	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.net.type = 12345;
	net_peer_send(&peer[0], 0);
	slot = net_peer_slot(&peer[0], 0);
	slot->rsp.cmdtype = CMD_SCSI_TYPE;
	net_peer_send(&peer[0], 0);
	assert_true(net_peer_xmit(&peer[0], 0, 3, TX, 60));
	turns(2);
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_count(&peer[0], MULLION_NET_XMIT_DONE),
			 MULLION_NET_BATCH_MAX + 1);
	assert_int_equal(counters(0).rx_malformed, 10 + MULLION_NET_BATCH_MAX + 2);
	/* buffers: too small, too large, outside, too many, twice the same */
	net_peer_post(&peer[0], 1, 0, 1, RX, 63);
	net_peer_post(&peer[0], 1, 0, 1, RX, 65537);
	net_peer_post(&peer[0], 1, 0, 1, bus[0].pool_bytes - 100, 101);
	net_peer_post(&peer[0], 1, 0, 1, UINT64_MAX, 100);
	turns(1);
	assert_int_equal(counters(0).posts_refused, 4);
	bus[0].bus->memory.read_only = true;
	net_peer_post(&peer[0], 1, 0, 1, RX, 64);
	turns(1);
	bus[0].bus->memory.read_only = false;
	assert_int_equal(counters(0).posts_refused, 5);
	net_peer_post(&peer[0], 2, 0, 1000, RX, 64);
	turns(4);
	net_peer_post(&peer[0], 2, 0, 36, RX, 64);
	turns(4);
	assert_int_equal(counters(0).posts_refused, 5 + 12);
}

static void an_index_faults_one_channel(void **state)
{
	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 8);
	up(2, NET_PEER_BATCH, 8);
	introduce(0, 1);
	/* the consumer's index of the ring that frames are delivered to */
	mullion_store_relaxed(mullion_sq_u32(&peer[1].rsp[0], MULLION_SQ_TAIL), 5000);
	for (unsigned int i = 0; i < 200; i++) {
		send_to(0, broadcast, 1, 60);
		forget();
	}
	mullion_store_relaxed(mullion_sq_u32(&peer[1].cmd[3], MULLION_SQ_HEAD), 5000);
	turns(2);
	assert_true(mullion_attach_is_faulted(&peer[1].attach));
	assert_false(mullion_attach_is_faulted(&peer[0].attach));
	forget();
	net_peer_post(&peer[2], 0, 1, 8, RX, BUFFER);
	send_to(0, config[2].mac, 1, 60);
	assert_int_equal(received(2), 1);
	/* it may come back */
	up(1, NET_PEER_BATCH, 8);
	send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 1);
}

/* ---- enable and disable ------------------------------------------------------------ */

static void a_disable_takes_other_pairs_posts(void **state)
{
	const struct net_event *last;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	attach(1, NET_PEER_BATCH);
	net_peer_enable(&peer[1], true, 7);
	turns(1);
	/* many messages on other pairs, then the disable: all in one turn's time */
	for (unsigned int i = 0; i < 100; i++)
		net_peer_post(&peer[1], 3, 0, 1, RX, BUFFER);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(net_peer_xmit(&peer[1], 2, i, TX, 16000));
	net_peer_enable(&peer[1], false, 8);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 2);
	assert_true(net_peer_count(&peer[1], MULLION_NET_XMIT_DONE) < 100);
	turns(20);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 2);
	assert_int_equal(net_peer_count(&peer[1], MULLION_NET_XMIT_DONE), 100);
	last = net_peer_event(&peer[1], NET_RCV_ENBDIS_ACK, 1);
	assert_int_equal(last->cookie, 8);
	assert_int_equal(last->result, 0);
	for (unsigned int i = 0; i < NET_PAIRS; i++)
		assert_int_equal(nic(1)->queues[i].posted, 0);
	net_peer_enable(&peer[1], true, 9);
	send_to(0, broadcast, 1, 60);
	turns(1);
	assert_int_equal(received(1), 0);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 3);
}

/* Its client was answered, and may use its buffers for something else meanwhile. */
static void posts_from_before_a_disable_do_not_count_after_a_pause(void **state)
{
	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	attach(1, NET_PEER_BATCH);
	net_peer_enable(&peer[1], true, 7);
	turns(1);
	for (unsigned int i = 0; i < 100; i++)
		assert_true(net_peer_xmit(&peer[1], 2, i, TX, 16000));
	net_peer_post(&peer[1], 2, 0, 8, RX, BUFFER);
	net_peer_enable(&peer[1], false, 8);
	turns(1);
	service_attach_quiesce(bus[1].device);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 2);
	bus[1].device->quiesced = false;
	bus[1].device->serving = true;
	net_resume(bus[1].device);
	turns(20);
	assert_int_equal(nic(1)->queues[2].posted, 0);
	/* those of now count */
	net_peer_post(&peer[1], 2, 0, 8, RX, BUFFER);
	net_peer_enable(&peer[1], true, 9);
	turns(2);
	assert_int_equal(nic(1)->queues[2].posted, 8);
	send_to(0, broadcast, 1, 60);
	assert_int_equal(received(1), 1);
}

static void spar_guests_are_served(void **state)
{
	const uint8_t group[6] = { 0x33, 0x33, 0, 0, 0, 1 };
	const uint8_t nobody[6] = { 2, 9, 9, 9, 9, 9 };
	const struct net_event *event;
	struct mullion_io_slot *slot;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	attach(1, NET_PEER_SPAR);
	/* posts precede the enable, and nothing comes before its answer */
	net_peer_post(&peer[1], 0, 100, 16, RX, 4032);
	send_to(0, broadcast, 1, 60);
	assert_int_equal(received(1), 0);
	net_peer_enable(&peer[1], true, 0x1234567887654321);
	turns(2);
	net_peer_take(&peer[1]);
	assert_int_equal(peer[1].events, 2);
	assert_int_equal(peer[1].event[0].type, NET_RCV_ENBDIS_ACK);
	assert_int_equal(peer[1].event[0].cookie, 0x1234567887654321);
	assert_int_equal(peer[1].event[0].result, 1);
	assert_int_equal(peer[1].event[1].type, NET_CONNECT_STATUS);
	assert_int_equal(peer[1].event[1].result, 1);
	forget();
	/* groups, own, not others' unless promiscuous */
	send_to(0, group, 1, 4032);
	send_to(0, nobody, 1, 60);
	assert_int_equal(received(1), 1);
	event = net_peer_event(&peer[1], NET_RCV, 0);
	assert_int_equal(event->bytes, 4032);
	assert_int_equal(event->buffers, 1);
	send_to(0, config[1].mac, 1, 4033);
	assert_int_equal(received(1), 2);
	event = net_peer_event(&peer[1], NET_RCV, 1);
	assert_int_equal(event->bytes, 4033);
	assert_int_equal(event->buffers, 2);
	assert_memory_equal(bus[1].pool + RX + (event->cookies[0] - 100) * 4096,
			    frame_at(0, TX), 4032);
	assert_int_equal(*(bus[1].pool + RX + (event->cookies[1] - 100) * 4096),
			 *(frame_at(0, TX) + 4032));
	net_peer_control(&peer[1], NET_RCV_PROMISC, 0, 0x100);
	turns(1);
	send_to(0, nobody, 1, 60);
	assert_int_equal(received(1), 3);
	/* transmits: a good one over a page's end, one with nothing, one outside */
	make_frame(1, TX + 4000, config[0].mac, 1000);
	assert_true(net_peer_xmit(&peer[1], 0, UINT64_MAX - 1, TX + 4000, 1000));
	slot = net_peer_slot(&peer[1], 0);
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = 2;
	slot->rsp.net.xmt.len = 5000;
	net_peer_send(&peer[1], 0);
	slot = net_peer_slot(&peer[1], 0);
	slot->rsp.net.type = NET_XMIT;
	slot->rsp.net.buf = 3;
	slot->rsp.net.xmt.len = 60;
	slot->rsp.net.xmt.num_frags = 1;
	slot->rsp.net.xmt.frags[0].pi_pfn = UINT64_MAX >> 4;
	slot->rsp.net.xmt.frags[0].pi_len = 60;
	net_peer_send(&peer[1], 0);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_XMIT_DONE), 3);
	assert_int_equal(net_peer_event(&peer[1], NET_XMIT_DONE, 0)->cookie, UINT64_MAX - 1);
	assert_int_equal(net_peer_event(&peer[1], NET_XMIT_DONE, 0)->result, 0);
	assert_int_equal(net_peer_event(&peer[1], NET_XMIT_DONE, 1)->result, 1);
	assert_int_equal(net_peer_event(&peer[1], NET_XMIT_DONE, 2)->result, 1);
	assert_int_equal(received(0), 1);
	event = net_peer_event(&peer[0], MULLION_NET_RCV, 0);
	assert_memory_equal(bus[0].pool + RX + (event->cookie - 1000) * BUFFER,
			    frame_at(1, TX + 4000), 1000);
}

static void spar_disables_wait_for_posts(void **state)
{
	const struct net_event *event;
	unsigned int i;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_SPAR, 8);
	send_to(0, broadcast, 1, 60);
	/* a transmit, then the disable; the frame is still in the ring */
	make_frame(1, TX, config[0].mac, 60);
	assert_true(net_peer_xmit(&peer[1], 0, 77, TX, 60));
	net_peer_enable(&peer[1], false, 5);
	turns(1);
	send_to(0, broadcast, 1, 60);
	assert_int_equal(received(1), 1);
	assert_int_equal(net_peer_count(&peer[1], NET_XMIT_DONE), 1);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 0);
	/* its repost comes late, and is the guest's again with the answer */
	event = net_peer_event(&peer[1], NET_RCV, 0);
	net_peer_post(&peer[1], 0, event->cookie, 1, RX, 4032);
	nic(1)->settled = 0;
	turns(2);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 1);
	assert_int_equal(peer[1].event[peer[1].events - 1].type, NET_RCV_ENBDIS_ACK);
	assert_int_equal(peer[1].event[peer[1].events - 1].cookie, 5);
	net_peer_post(&peer[1], 0, 500, 2, RX, 4032);
	net_peer_enable(&peer[1], true, 6);
	turns(2);
	send_to(0, broadcast, 1, 60);
	send_to(0, broadcast, 1, 60);
	send_to(0, broadcast, 1, 60);
	assert_int_equal(received(1), 3);
	for (i = 1; i < 3; i++) {
		event = net_peer_event(&peer[1], NET_RCV, i);
		assert_true(event->cookie == 500 || event->cookie == 501);
	}
	/* one that never posts again waits for some time */
	net_peer_enable(&peer[1], false, 7);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 2);
	nic(1)->deadline = 0;
	turns(2);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 3);
	/* two at once: two answers */
	net_peer_enable(&peer[1], true, 8);
	net_peer_post(&peer[1], 0, 500, 2, RX, 4032);
	turns(1);
	send_to(0, broadcast, 1, 60);
	net_peer_enable(&peer[1], false, 9);
	net_peer_enable(&peer[1], true, 10);
	turns(2);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_RCV_ENBDIS_ACK), 6);
	for (i = 0; i < 6; i++)
		assert_int_equal(net_peer_event(&peer[1], NET_RCV_ENBDIS_ACK, i)->cookie,
				 5 + i);
}

static void links_and_addresses_change(void **state)
{
	const uint8_t other[6] = { 2, 5, 5, 5, 5, 5 };
	struct mullion_io_slot *slot;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 8);
	introduce(0, 1);
	config[1].flags = 0;
	configure(1);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_CONNECT_STATUS), 1);
	assert_int_equal(net_peer_event(&peer[1], NET_CONNECT_STATUS, 0)->result, 0);
	send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 0);
	assert_int_equal(counters(1).tx_down, 1);
	config[1].flags = MULLION_NET_PORT_LINK_UP;
	configure(1);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_event(&peer[1], NET_CONNECT_STATUS, 1)->result, 1);
	send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 1);
	/* the administrator changes the address */
	forget();
	config[1].mac[4] = 9;
	configure(1);
	turns(1);
	net_peer_take(&peer[1]);
	assert_int_equal(net_peer_count(&peer[1], NET_MACADDR), 1);
	assert_memory_equal(net_peer_event(&peer[1], NET_MACADDR, 0)->mac, config[1].mac, 6);
	assert_memory_equal(nic(1)->state->mac, config[1].mac, 6);
	assert_memory_equal(((struct visor_io_channel *)bus[1].channel)->vnic.macaddr,
			    config[1].mac, 6);
	/* the guest does; and may not when it is locked */
	for (unsigned int locked = 0; locked < 2; locked++) {
		config[1].flags = MULLION_NET_PORT_LINK_UP |
				  (locked ? MULLION_NET_PORT_LOCK_MAC : 0);
		configure(1);
		turns(1);
		forget();
		slot = net_peer_slot(&peer[1], 0);
		slot->rsp.net.type = NET_MACADDR;
		slot->rsp.net.macaddr.context = 3;
		memcpy(slot->rsp.net.macaddr.macaddr, other, 6);
		net_peer_send(&peer[1], 0);
		turns(1);
		net_peer_take(&peer[1]);
		assert_int_equal(net_peer_count(&peer[1], NET_MACADDR_ACK), 1);
		assert_memory_equal(net_peer_event(&peer[1], NET_MACADDR_ACK, 0)->mac,
				    locked ? config[1].mac : other, 6);
		assert_memory_equal(nic(1)->state->mac, locked ? config[1].mac : other, 6);
	}
	/* an epoch of another driver begins with the administrator's */
	assert_memory_equal(((struct visor_io_channel *)bus[1].channel)->vnic.macaddr,
			    config[1].mac, 6);
}

/* ---- rules -------------------------------------------------------------------------------- */

/* Tagged with the VLAN that it is in anyway, and with one that it is not in. */
static void a_tag_beneath_a_tag_stays_there(void **state)
{
	static const uint8_t own[2] = { 0, 5 };
	uint8_t *f = frame_at(0, TX);

	(void)state;
	reset();
	for (unsigned int p = 0; p < 3; p++)
		up(p, NET_PEER_BATCH, 32);
	config[0].vlan = 5;
	/* trunks of 5 and 6, the second sees 5 without a tag */
	for (unsigned int p = 1; p < 3; p++) {
		config[p].flags |= MULLION_NET_PORT_TRUNK;
		config[p].trunk_vlans[0] = 1 << 5 | 1 << 6;
	}
	config[2].vlan = 5;
	for (unsigned int p = 0; p < 3; p++)
		configure(p);
	for (unsigned int priority = 0; priority < 2; priority++) {
		make_frame(0, TX, broadcast, 80);
		memcpy(f + 12, (uint8_t[]){ 0x81, 0, 0, 0, 0x81, 0, 0, 6, 8, 0 }, 10);
		if (!priority)
			memcpy(f + 14, own, 2);
		assert_true(net_peer_xmit(&peer[0], 0, 1, TX, 80));
		turns(1);
		assert_int_equal(received(1), 1);
		assert_int_equal(received(2), 0);
		forget();
	}
}

static void rules_are_kept(void **state)
{
	(void)state;
	reset();
	for (unsigned int p = 0; p < 4; p++)
		up(p, NET_PEER_BATCH, 32);
	/* isolated ports: not each other */
	config[0].flags |= MULLION_NET_PORT_ISOLATED;
	config[1].flags |= MULLION_NET_PORT_ISOLATED;
	configure(0);
	configure(1);
	send_to(0, broadcast, 1, 60);
	send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 0);
	assert_int_equal(received(2), 1);
	assert_int_equal(counters(0).rx_unreachable, 1);
	/* VLANs: access ports and a trunk */
	forget();
	reset();
	for (unsigned int p = 0; p < 4; p++)
		up(p, NET_PEER_BATCH, 32);
	config[0].vlan = 5;
	config[1].vlan = 5;
	config[2].vlan = 6;
	config[3].flags |= MULLION_NET_PORT_TRUNK;
	config[3].trunk_vlans[0] = 1 << 5;
	for (unsigned int p = 0; p < 4; p++)
		configure(p);
	send_to(0, broadcast, 1, 60);
	assert_int_equal(received(1), 1);
	assert_int_equal(received(2), 0);
	assert_int_equal(received(3), 1);
	assert_int_equal(net_peer_event(&peer[1], MULLION_NET_RCV, 0)->bytes, 60);
	assert_int_equal(net_peer_event(&peer[3], MULLION_NET_RCV, 0)->bytes, 64);
	/* two with one address: it moves, and that is counted */
	forget();
	reset();
	for (unsigned int p = 0; p < 3; p++)
		up(p, NET_PEER_BATCH, 32);
	memcpy(config[1].mac, config[0].mac, 6);
	configure(1);
	turns(1);
	forget();
	send_to(0, config[2].mac, 1, 60);
	send_to(2, config[0].mac, 1, 60);
	assert_int_equal(received(0), 1);
	send_to(1, config[2].mac, 1, 60);
	send_to(2, config[0].mac, 1, 60);
	assert_int_equal(received(0), 1);
	assert_int_equal(received(1), 1);
	assert_int_equal(counters(0).mac_moves, 1);
	/* locked: the address is the owner's */
	config[0].flags |= MULLION_NET_PORT_LOCK_MAC;
	configure(0);
	send_to(1, config[2].mac, 1, 60);
	assert_int_equal(counters(1).rx_spoofed, 1);
	config[1].flags |= MULLION_NET_PORT_LOCK_MAC;
	assert_int_equal(inproc_reconfigure(&bus[1], &config[1], sizeof(config[1])), -EEXIST);
	make_frame(0, TX, config[2].mac, 60);
	frame_at(0, TX)[11] = 99;
	assert_true(net_peer_xmit(&peer[0], 0, 1, TX, 60));
	turns(1);
	assert_int_equal(counters(0).rx_spoofed, 1);
}

static void rates_are_kept(void **state)
{
	struct mullion_net_config storms = network;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 200);
	up(1, NET_PEER_BATCH, 200);
	introduce(0, 1);
	config[0].rate = 1;
	config[0].burst = 600;
	configure(0);
	for (unsigned int i = 0; i < 100; i++)
		send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 10);
	assert_int_equal(counters(0).rx_rate, 90);
	config[0].rate = 0;
	config[1].rate_to = 1;
	config[1].burst_to = 600;
	configure(0);
	configure(1);
	forget();
	for (unsigned int i = 0; i < 100; i++)
		send_to(0, config[1].mac, 1, 60);
	assert_int_equal(received(1), 10);
	assert_int_equal(counters(1).tx_rate, 90);
	config[1].rate_to = 0;
	configure(1);
	storms.flood_rate = 1;
	assert_int_equal(inproc_configure(&storms, sizeof(storms), -1, -1), 0);
	forget();
	for (unsigned int i = 0; i < 100; i++)
		send_to(0, broadcast, 1, 60);
	assert_in_range(received(1), 1, 3);
	assert_in_range(counters(0).rx_flood, 97, 99);
	send_to(0, config[1].mac, 1, 60);
	assert_in_range(received(1), 2, 4);
}

static void offloads_are_done_for_who_does_not_take_them(void **state)
{
	/* Ethernet, IPv4, TCP: 54 bytes of headers, 3000 of data, segments of 1000 */
	static const uint8_t headers[54] = {
		0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 8, 0,
		0x45, 0, 0x0b, 0xe0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0x10, 0, 0x20, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
	};
	struct mullion_net_entry entry = {
		.cookie = 1, .address = TX, .length = 3054,
		.flags = MULLION_NET_NEEDS_CSUM, .gso_type = MULLION_NET_GSO_TCPV4,
		.gso_size = 1000, .hdr_len = 54, .csum_start = 34, .csum_offset = 16,
	};
	const struct net_event *event;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 8);
	up(2, NET_PEER_SPAR, 8);
	memcpy(frame_at(0, TX), headers, sizeof(headers));
	memset(frame_at(0, TX) + 54, 0x5a, 3000);
	memcpy(frame_at(0, TX), broadcast, 6);
	net_peer_xmit_entries(&peer[0], 0, &entry, 1);
	turns(1);
	assert_int_equal(received(1), 3);
	assert_int_equal(received(2), 3);
	for (unsigned int i = 0; i < 3; i++) {
		event = net_peer_event(&peer[1], MULLION_NET_RCV, i);
		assert_int_equal(event->bytes, 1054);
		assert_int_equal(event->entry.flags, 0);
		assert_int_equal(event->entry.gso_type, 0);
	}
	net_peer_control(&peer[1], MULLION_NET_OFFLOADS,
			 MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4, 0);
	turns(1);
	net_peer_xmit_entries(&peer[0], 0, &entry, 1);
	turns(1);
	assert_int_equal(received(1), 4);
	assert_int_equal(received(2), 6);
	event = net_peer_event(&peer[1], MULLION_NET_RCV, 3);
	assert_int_equal(event->bytes, 3054);
	assert_int_equal(event->buffers, 2);
	assert_int_equal(event->entry.flags, MULLION_NET_NEEDS_CSUM | MULLION_NET_MORE);
	assert_int_equal(event->entry.gso_type, MULLION_NET_GSO_TCPV4);
	assert_int_equal(event->entry.gso_size, 1000);
	assert_int_equal(event->entry.csum_start, 34);
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_event(&peer[0], MULLION_NET_XMIT_DONE, 1)->result, 0);
}

static void pairs_are_used_by_flow(void **state)
{
	static uint8_t udp[64] = {
		0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 1, 8, 0,
		0x45, 0, 0, 50, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0x10, 0, 0x20, 0, 0, 30, 0, 0,
	};
	unsigned int pairs[NET_PAIRS] = { 0 };

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 100);
	for (unsigned int i = 1; i < NET_PAIRS; i++)
		net_peer_post(&peer[1], i, 0, 100, RX, BUFFER);
	turns(4);
	introduce(0, 1);
	memcpy(udp, config[1].mac, 6);
	for (unsigned int i = 0; i < 100; i++) {
		const struct net_event *event;
		unsigned int pair;

		udp[35] = (uint8_t)i;
		memcpy(frame_at(0, TX), udp, sizeof(udp));
		for (unsigned int j = 0; j < 3; j++) {
			assert_true(net_peer_xmit(&peer[0], j, 1, TX, sizeof(udp)));
			turns(1);
			assert_int_equal(received(1), j + 1);
		}
		/* a flow stays where it is */
		event = net_peer_event(&peer[1], MULLION_NET_RCV, 0);
		pair = event->pair;
		assert_int_equal(net_peer_event(&peer[1], MULLION_NET_RCV, 2)->pair, pair);
		pairs[pair]++;
		for (unsigned int j = 0; j < 3; j++)
			net_peer_post(&peer[1], pair, 0, 1, RX, BUFFER);
		forget();
	}
	for (unsigned int i = 0; i < NET_PAIRS; i++)
		assert_in_range(pairs[i], 5, 60);
}

/* ---- backpressure ----------------------------------------------------------------------------- */

/* It goes on as if nothing had been when it reads again. */
static void a_full_ring_stops_its_client_only(void **state)
{
	unsigned int sent = 0, done = 0;

	(void)state;
	reset();
	up(0, NET_PEER_SPAR, 8);
	up(1, NET_PEER_BATCH, 8);
	up(2, NET_PEER_BATCH, 8);
	make_frame(0, TX, config[1].mac, 60);
	for (unsigned int i = 0; i < 50; i++) {
		while (net_peer_xmit(&peer[0], 0, sent, TX, 60))
			sent++;
		turns(1);
	}
	assert_true(sent > 200);
	assert_true(nic(0)->queues[0].ring->blocked);
	/* it is no reason to stay awake, not with one free slot either */
	assert_int_equal(mullion_queue_room(nic(0)->queues[0].ring), 1);
	assert_int_equal(service.source.arm(NULL), 0);
	service.source.disarm(NULL);
	send_to(2, config[1].mac, 1, 60);
	net_peer_take(&peer[2]);
	assert_int_equal(net_peer_count(&peer[2], MULLION_NET_XMIT_DONE), 1);
	for (unsigned int i = 0; i < 50; i++) {
		net_peer_take(&peer[0]);
		done += net_peer_count(&peer[0], NET_XMIT_DONE);
		net_peer_forget(&peer[0]);
		turns(1);
	}
	assert_int_equal(done, sent);
}

static void a_storm_has_its_share(void **state)
{
	struct mullion_net_entry entries[MULLION_NET_BATCH_MAX] = { 0 };

	(void)state;
	reset();
	for (unsigned int p = 0; p < PORTS; p++)
		up(p, NET_PEER_BATCH, 900);
	make_frame(0, TX, broadcast, 60);
	for (unsigned int i = 0; i < MULLION_NET_BATCH_MAX; i++)
		entries[i] = (struct mullion_net_entry){ .address = TX, .length = 60 };
	for (unsigned int i = 0; i < 20; i++)
		net_peer_xmit_entries(&peer[0], i % NET_PAIRS, entries,
				      MULLION_NET_BATCH_MAX);
	turns(1);
	/* a frame costs as much as there are ports, so a pair has four in a turn */
	assert_int_equal(received(1), NET_PAIRS * 4);
	send_to(2, config[1].mac, 1, 60);
	assert_int_equal(received(1), 2 * NET_PAIRS * 4 + 1);
	net_peer_take(&peer[2]);
	assert_int_equal(net_peer_count(&peer[2], MULLION_NET_XMIT_DONE), 1);
	/* in the end all of it, once */
	turns(60);
	net_peer_take(&peer[0]);
	assert_int_equal(net_peer_count(&peer[0], MULLION_NET_XMIT_DONE),
			 20 * MULLION_NET_BATCH_MAX);
}

static void forty_talk_and_one_does_not_listen(void **state)
{
	enum { ROUNDS = 300, DEAF = 17 };
	static unsigned int got[PORTS];

	(void)state;
	reset();
	memset(got, 0, sizeof(got));
	for (unsigned int p = 0; p < PORTS; p++)
		up(p, p % 4 == 3 ? NET_PEER_SPAR : NET_PEER_BATCH, 16);
	for (unsigned int round = 0; round < ROUNDS; round++) {
		for (unsigned int p = 0; p < PORTS; p++) {
			unsigned int to = (p + 1 + round % (PORTS - 1)) % PORTS;

			make_frame(p, TX, config[to].mac, 100);
			if (p != DEAF)
				assert_true(net_peer_xmit(&peer[p], 0, round, TX, 100));
		}
		turns(2);
		for (unsigned int p = 0; p < PORTS; p++) {
			if (p == DEAF)
				continue;
			net_peer_take(&peer[p]);
			for (unsigned int i = 0; i < peer[p].events; i++) {
				const struct net_event *event = &peer[p].event[i];

				if (event->type != rcv_type(p))
					continue;
				got[p]++;
				net_peer_post(&peer[p], 0, event->cookie, 1, RX,
					      peer[p].batch ? BUFFER : 4032);
			}
			net_peer_forget(&peer[p]);
		}
	}
	for (unsigned int p = 0; p < PORTS; p++) {
		struct mullion_net_counters now = counters(p);

		assert_int_equal(now.tx_no_buffer, p == DEAF ? ROUNDS - 16 : 0);
		if (p == DEAF)
			continue;
		assert_int_equal(now.rx_frames, ROUNDS);
		/* one of each 39 rounds was the silent one's turn */
		assert_in_range(got[p], ROUNDS - 8, ROUNDS - 7);
		assert_int_equal(got[p], now.tx_frames);
	}
}

/* ---- uplink and mirror ------------------------------------------------------------------------------ */

static void frames_leave_by_the_uplink(void **state)
{
	struct mullion_net_config up_config = network;
	uint8_t frame[2000];
	int ends[2];

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 8);
	config[0].flags |= MULLION_NET_PORT_ISOLATED;
	config[1].flags |= MULLION_NET_PORT_ISOLATED;
	configure(0);
	configure(1);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC,
				    0, ends), 0);
	up_config.uplink = MULLION_UPLINK_PACKET;
	up_config.uplink_mtu = 1500;
	assert_int_equal(inproc_configure(&up_config, sizeof(up_config), ends[0], -1), 0);
	send_to(0, broadcast, 1, 100);
	turns(1);
	assert_int_equal(recv(ends[1], frame, sizeof(frame), 0), 100);
	assert_memory_equal(frame, frame_at(0, TX), 100);
	assert_int_equal(received(1), 0);
	memcpy(frame, config[0].mac, 6);
	memcpy(frame + 6, "\2\7\7\7\7\7", 6);
	assert_int_equal(send(ends[1], frame, 100, 0), 100);
	for (unsigned int i = 0; i < 1000 && !received(0); i++) {
		turns(1);
		poll(NULL, 0, 1);
	}
	assert_int_equal(received(0), 1);
	/* known by now: to the uplink alone; a configuration without descriptor keeps it */
	assert_int_equal(inproc_configure(&up_config, sizeof(up_config), -1, -1), 0);
	send_to(1, (const uint8_t *)"\2\7\7\7\7\7", 1, 200);
	turns(1);
	assert_int_equal(recv(ends[1], frame, sizeof(frame), 0), 200);
	close(ends[1]);
	for (unsigned int i = 0; i < 1000 && net.uplink_port.open; i++) {
		send_to(1, broadcast, 1, 200);
		poll(NULL, 0, 1);
	}
	assert_false(net.uplink_port.open);
	assert_int_equal(net.counters->state, MULLION_UPLINK_STATE_GONE);
}

static void the_mirror_sees_frames(void **state)
{
	struct mullion_net_config mirror_config = network;
	uint8_t data[4096];
	int ends[2];
	ssize_t n;

	(void)state;
	reset();
	up(0, NET_PEER_BATCH, 8);
	up(1, NET_PEER_BATCH, 8);
	introduce(0, 1);
	assert_int_equal(pipe2(ends, O_NONBLOCK | O_CLOEXEC), 0);
	mirror_config.flags = MULLION_NET_MIRROR;
	assert_int_equal(inproc_configure(&mirror_config, sizeof(mirror_config), -1, ends[1]),
			 0);
	send_to(0, config[1].mac, 1, 100);
	turns(1);
	n = read(ends[0], data, sizeof(data));
	assert_true(n > 24 + 16);
	assert_memory_equal(data + n - 100, frame_at(0, TX), 100);
	assert_int_equal(net.counters->mirror_frames, 1);
	close(ends[0]);
	for (unsigned int i = 0; i < 1000 && net.mirror; i++)
		send_to(0, config[1].mac, 1, 100);
	assert_null(net.mirror);
}

static void bad_configurations_are_refused(void **state)
{
	struct mullion_net_config bad = network;
	struct mullion_net_port port;

	(void)state;
	reset();
	default_config(0);
	port = config[0];
	port.version = 2;
	assert_int_equal(inproc_reconfigure(&bus[0], &port, sizeof(port)), -EINVAL);
	port = config[0];
	port.mtu = 20000;
	assert_int_equal(inproc_reconfigure(&bus[0], &port, sizeof(port)), -EINVAL);
	port = config[0];
	port.mac[0] = 1;
	assert_int_equal(inproc_reconfigure(&bus[0], &port, sizeof(port)), -EINVAL);
	port = config[0];
	port.flags = 1U << 20;
	assert_int_equal(inproc_reconfigure(&bus[0], &port, sizeof(port)), -EINVAL);
	assert_int_equal(inproc_reconfigure(&bus[0], &port, 10), -EINVAL);
	assert_int_equal(inproc_configure(&bad, 10, -1, -1), -EINVAL);
	bad.uplink = 9;
	assert_int_equal(inproc_configure(&bad, sizeof(bad), -1, -1), -EINVAL);
	bad = network;
	bad.ageing = 0;
	assert_int_equal(inproc_configure(&bad, sizeof(bad), -1, -1), -EINVAL);
}

static int setup(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	inproc_init(&net_class);
	assert_int_equal(inproc_configure(&network, sizeof(network), -1, -1), 0);
	for (unsigned int p = 0; p < PORTS; p++) {
		default_config(p);
		assert_int_equal(inproc_device(&bus[p], p + 1, WINDOW_BYTES, &config[p],
					       sizeof(config[p]), -1), 0);
		net_peer_init(&peer[p], bus[p].channel,
			      service_attach_channel_bytes(&net_class), bus[p].pool);
	}
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_are_switched),
		cmocka_unit_test(batches_are_full),
		cmocka_unit_test(frames_are_chained),
		cmocka_unit_test(mtu_is_the_receivers),
		cmocka_unit_test(hostile_frames_are_failed),
		cmocka_unit_test(an_index_faults_one_channel),
		cmocka_unit_test(a_disable_takes_other_pairs_posts),
		cmocka_unit_test(posts_from_before_a_disable_do_not_count_after_a_pause),
		cmocka_unit_test(spar_guests_are_served),
		cmocka_unit_test(spar_disables_wait_for_posts),
		cmocka_unit_test(links_and_addresses_change),
		cmocka_unit_test(rules_are_kept),
		cmocka_unit_test(a_tag_beneath_a_tag_stays_there),
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(offloads_are_done_for_who_does_not_take_them),
		cmocka_unit_test(pairs_are_used_by_flow),
		cmocka_unit_test(a_full_ring_stops_its_client_only),
		cmocka_unit_test(a_storm_has_its_share),
		cmocka_unit_test(forty_talk_and_one_does_not_listen),
		cmocka_unit_test(frames_leave_by_the_uplink),
		cmocka_unit_test(the_mirror_sees_frames),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
