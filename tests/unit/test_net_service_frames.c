// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_service_frames.c - the switch as a service: frames, by what clients
 * put into rings, sound or not, and how fast; see lib/net_switch.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/net_switch.h"

/* ---- batches -------------------------------------------------------------- */

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

/* ---- backpressure --------------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_are_switched),
		cmocka_unit_test(batches_are_full),
		cmocka_unit_test(frames_are_chained),
		cmocka_unit_test(mtu_is_the_receivers),
		cmocka_unit_test(hostile_frames_are_failed),
		cmocka_unit_test(an_index_faults_one_channel),
		cmocka_unit_test(a_full_ring_stops_its_client_only),
		cmocka_unit_test(a_storm_has_its_share),
		cmocka_unit_test(forty_talk_and_one_does_not_listen),
	};

	return cmocka_run_group_tests(tests, net_switch_setup, NULL);
}
