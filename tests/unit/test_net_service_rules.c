// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_service_rules.c - the switch as a service: rules, rates, offloads,
 * the uplink and the mirror; see lib/net_switch.h
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
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/net_switch.h"

/* ---- rules ---------------------------------------------------------------- */

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

/* ---- uplink and mirror ---------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rules_are_kept),
		cmocka_unit_test(a_tag_beneath_a_tag_stays_there),
		cmocka_unit_test(rates_are_kept),
		cmocka_unit_test(offloads_are_done_for_who_does_not_take_them),
		cmocka_unit_test(pairs_are_used_by_flow),
		cmocka_unit_test(frames_leave_by_the_uplink),
		cmocka_unit_test(the_mirror_sees_frames),
		cmocka_unit_test(bad_configurations_are_refused),
	};

	return cmocka_run_group_tests(tests, net_switch_setup, NULL);
}
