// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_process.c - mullion-net itself, sandboxed, between two cards
 * of a process guest and an uplink: frames, kills, sleep
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../abi/net.h"
#include "../../channel/net.h"
#include "../lib/cp.h"

#define NICS		2
#define TRIES		20000	/* of a millisecond: as patient as a slow machine needs */
#define FRAME_MAX	1400

static struct cp_world world;
static struct mullion_net *nic[NICS];
static struct mullion_net_port ports[NICS];
static struct mullion_net_config network;
static int outside = -1;		/* the other end of the uplink */

static void uplink(void)
{
	int ends[2];

	if (world.wide_fd >= 0)
		close(world.wide_fd);
	if (outside >= 0)
		close(outside);
	assert_int_equal(socketpair(AF_UNIX, (network.uplink == MULLION_UPLINK_STREAM ?
					      SOCK_STREAM : SOCK_SEQPACKET) |
				    SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
	world.wide_fd = ends[0];
	outside = ends[1];
}

static void turn(void)
{
	cp_world_turn(&world);
	for (unsigned int i = 0; i < NICS; i++) {
		if (nic[i])
			assert_true(mullion_net_poll(nic[i]) >= 0);
	}
}

static void wait_for_links(void)
{
	struct mullion_net_info info[NICS];

	for (unsigned int tries = 0; tries < TRIES; tries++) {
		turn();
		for (unsigned int i = 0; i < NICS; i++)
			mullion_net_info(nic[i], &info[i]);
		if (info[0].attached && info[1].attached && info[0].link && info[1].link)
			return;
		poll(NULL, 0, 1);
	}
	fail_msg("no link");
}

static void frame_make(uint8_t *frame, unsigned int from, uint32_t number, size_t bytes)
{
	static const uint8_t everybody[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

	memcpy(frame, number % 8 ? ports[!from].mac : everybody, 6);
	memcpy(frame + 6, ports[from].mac, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	memcpy(frame + 14, &number, sizeof(number));
	for (size_t i = 18; i < bytes; i++)
		frame[i] = (uint8_t)(number + i);
}

static void send_number(unsigned int from, uint32_t number, size_t bytes)
{
	uint8_t frame[FRAME_MAX];
	int ret = -EAGAIN;

	frame_make(frame, from, number, bytes);
	for (unsigned int tries = 0; ret == -EAGAIN && tries < TRIES; tries++) {
		ret = mullion_net_send_copy(nic[from], 0, frame, bytes, NULL);
		if (ret == -EAGAIN) {
			turn();
			poll(NULL, 0, 1);
		}
	}
	assert_int_equal(ret, 0);
	mullion_net_kick(nic[from]);
}

/* Until this very frame comes; earlier ones may. */
static bool await_number(unsigned int to, uint32_t number, size_t bytes, unsigned int tries)
{
	struct mullion_net_piece pieces[64];
	uint8_t frame[FRAME_MAX];
	bool found = false;

	frame_make(frame, !to, number, bytes);
	while (!found && tries--) {
		int n = mullion_net_recv(nic[to], pieces, 64);

		assert_true(n >= 0);
		for (int i = 0; i < n; i++) {
			assert_false(pieces[i].flags & MULLION_NET_MORE);
			found |= pieces[i].bytes == bytes &&
				 !memcmp(pieces[i].data, frame, bytes);
		}
		mullion_net_return(nic[to], pieces, (unsigned int)n);
		turn();
		if (!n && !found)
			poll(NULL, 0, 1);
	}
	return found;
}

/* A link can be up before the other side has enabled its card. */
static void reach(unsigned int to)
{
	for (uint32_t number = 0x20000000; ; number++) {
		assert_true(number < 0x20000000 + TRIES / 50);
		send_number(!to, number, 100);
		if (await_number(to, number, 100, 50))
			return;
	}
}

static void exchange(uint32_t first, unsigned int count)
{
	for (uint32_t i = 0; i < count; i++) {
		unsigned int from = i & 1;
		size_t bytes = 60 + (i * 37) % (FRAME_MAX - 60);

		send_number(from, first + i, bytes);
		assert_true(await_number(!from, first + i, bytes, TRIES));
	}
}

static void frames_survive_kills(void **state)
{
	enum { KILLS = 8 };
	struct mullion_net_statistics statistics;
	const struct mullion_net_counters *counters =
		(void *)world.state->channels[0].class_state;
	uint64_t before;

	(void)state;
	exchange(0, 200);
	for (uint32_t kill = 1; kill <= KILLS; kill++) {
		before = counters->rx_frames;
		/* some are under way when it dies */
		for (uint32_t i = 0; i < 30; i++)
			send_number(i & 1, 0x10000000 + i, 100);
		cp_world_kill(&world);
		uplink();
		cp_world_start(&world, true);
		wait_for_links();
		reach(0);
		reach(1);
		exchange(kill * 1000, 50);
		assert_true(counters->rx_frames >= before + 25);
	}
	for (unsigned int i = 0; i < NICS; i++) {
		mullion_net_statistics(nic[i], &statistics);
		assert_int_equal(statistics.generations, KILLS);
		assert_int_equal(statistics.bogus, 0);
		assert_int_equal(statistics.tx_failed, 0);
	}
}

/* There and back, to the one that has the address; a stream has a length before each. */
static void reach_outside(void)
{
	size_t at = network.uplink == MULLION_UPLINK_STREAM ? 4 : 0;
	uint8_t frame[4 + FRAME_MAX + 1], want[FRAME_MAX];
	struct pollfd pfd = { .fd = outside, .events = POLLIN };
	bool seen = false;

	frame_make(want, 0, 8, 200);
	send_number(0, 8, 200);
	for (unsigned int tries = 0; !seen && tries < TRIES; tries++) {
		poll(&pfd, 1, 1);
		/* of a stream no more than this frame, if it is the next */
		seen = recv(outside, frame, at ? at + 200 : sizeof(frame), 0) ==
			       (ssize_t)at + 200 &&
		       !memcmp(frame + at, want, 200);
		turn();
	}
	assert_true(seen);
	memcpy(frame, (uint8_t[]){ 0, 0, 300 >> 8, 300 & 255 }, 4);
	frame_make(frame + at, 1, 9, 300);
	frame[at + 6] = 0x06;
	assert_int_equal(send(outside, frame, at + 300, 0), at + 300);
	for (unsigned int tries = 0; tries < TRIES; tries++) {
		struct mullion_net_piece pieces[64];
		int count = mullion_net_recv(nic[0], pieces, 64);

		assert_true(count >= 0);
		seen = count && pieces[0].bytes == 300 &&
		       !memcmp(pieces[0].data, frame + at, 300);
		mullion_net_return(nic[0], pieces, (unsigned int)count);
		if (seen)
			return;
		turn();
		poll(NULL, 0, 1);
	}
	fail_msg("the frame from outside did not come");
}

static void the_uplink_is_reached(void **state)
{
	(void)state;
	reach_outside();
}

/* In its sandbox, which knows what system calls that takes. */
static void a_stream_is_reached(void **state)
{
	uint8_t rest[4096];

	(void)state;
	cp_world_kill(&world);
	network.uplink = MULLION_UPLINK_STREAM;
	uplink();
	cp_world_start(&world, true);
	wait_for_links();
	reach(0);
	reach(1);
	/* some of those were broadcasts, and are there before they come back */
	while (recv(outside, rest, sizeof(rest), 0) > 0)
		;
	reach_outside();
}

/*
 * Asleep on both sides between frames: doorbells wake, not the slow poll, but
 * for some that come when it is due anyway.
 */
static void sleepers_are_woken(void **state)
{
	struct mullion_net_statistics before, after;
	uint64_t rescues = world.state->channels[0].rescues +
			   world.state->channels[1].rescues;

	(void)state;
	mullion_net_statistics(nic[1], &before);
	for (uint32_t i = 0; i < 20; i++) {
		struct mullion_net_piece pieces[64];
		int n = 0;

		poll(NULL, 0, 20);
		send_number(0, 50000 + i, 100);
		while (!n) {
			assert_true(mullion_net_wait(nic[1], 10000) > 0);
			n = mullion_net_recv(nic[1], pieces, 64);
			assert_true(n >= 0);
		}
		mullion_net_return(nic[1], pieces, (unsigned int)n);
		mullion_net_kick(nic[1]);
		assert_true(mullion_net_poll(nic[0]) >= 0);
	}
	mullion_net_statistics(nic[1], &after);
	assert_in_range(after.rescues - before.rescues, 0, 5);
	assert_in_range(world.state->channels[0].rescues +
			world.state->channels[1].rescues - rescues, 0, 5);
}

static int setup(void **state)
{
	static const guid_t type = VISOR_VNIC_CHANNEL_GUID;

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	network = (struct mullion_net_config){
		.version = MULLION_NET_CONFIG_VERSION,
		.uplink = MULLION_UPLINK_PACKET,
		.uplink_mtu = 1500,
		.ageing = 300,
		.addresses_max = 64,
		.mirror_port_bus = MULLION_SERVICE_WIDE,
	};
	for (unsigned int i = 0; i < NICS; i++)
		ports[i] = (struct mullion_net_port){
			.version = MULLION_NET_CONFIG_VERSION,
			.flags = MULLION_NET_PORT_LINK_UP,
			.mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
			.mtu = 1500,
		};
	cp_world_init(&world, cp_program("../../mullion-net"));
	world.type = type;
	world.devices = NICS;
	world.class_part = ports;
	world.class_bytes = sizeof(ports[0]);
	world.wide_part = &network;
	world.wide_bytes = sizeof(network);
	uplink();
	cp_world_start(&world, false);
	cp_world_guest(&world);
	for (unsigned int i = 0; i < NICS; i++)
		assert_int_equal(mullion_net_open(&nic[i],
				mullion_guest_device_find(world.guest, &type, i), NULL,
				20000), 0);
	wait_for_links();
	reach(0);
	reach(1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NICS; i++)
		mullion_net_close(nic[i]);
	close(world.wide_fd);
	close(outside);
	cp_world_done(&world);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_survive_kills),
		cmocka_unit_test(the_uplink_is_reached),
		cmocka_unit_test(a_stream_is_reached),
		cmocka_unit_test(sleepers_are_woken),
	};

	if (access(cp_program("../../mullion-net"), X_OK)) {
		printf("mullion-net is not built\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
