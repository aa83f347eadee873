// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_service_guests.c - the switch as a service: guests, that open and
 * close their interfaces, speak s-Par, and change addresses; see lib/net_switch.h
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "../lib/net_switch.h"

/* ---- enable and disable --------------------------------------------------- */

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

/* ---- links and addresses -------------------------------------------------- */

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disable_takes_other_pairs_posts),
		cmocka_unit_test(posts_from_before_a_disable_do_not_count_after_a_pause),
		cmocka_unit_test(spar_guests_are_served),
		cmocka_unit_test(spar_disables_wait_for_posts),
		cmocka_unit_test(links_and_addresses_change),
	};

	return cmocka_run_group_tests(tests, net_switch_setup, NULL);
}
