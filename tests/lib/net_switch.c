// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/lib/net_switch.c - the switch with forty clients in this very process */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <signal.h>

#include "net_switch.h"

#define WINDOW_BYTES	(8ULL << 20)

struct inproc_bus bus[PORTS];
struct net_peer peer[PORTS];
struct mullion_net_port config[PORTS];
const struct mullion_net_config network = {
	.version = MULLION_NET_CONFIG_VERSION,
	.ageing = 300,
	.addresses_max = 64,
	.mirror_port_bus = MULLION_SERVICE_WIDE,
};

void turns(unsigned int n)
{
	while (n--)
		inproc_turn();
}

struct net_nic *nic(unsigned int p)
{
	return mullion_device_private(bus[p].device);
}

struct mullion_net_counters counters(unsigned int p)
{
	struct mullion_net_counters copy;

	memcpy(&copy, nic(p)->counters, sizeof(copy));
	return copy;
}

void configure(unsigned int p)
{
	assert_int_equal(inproc_reconfigure(&bus[p], &config[p], sizeof(config[p])), 0);
}

void default_config(unsigned int p)
{
	config[p] = (struct mullion_net_port){
		.version = MULLION_NET_CONFIG_VERSION,
		.flags = MULLION_NET_PORT_LINK_UP,
		.mac = { 2, 0, 0, 0, 0, (uint8_t)(p + 1) },
		.mtu = MULLION_NET_MTU_MAX,
	};
}

void attach(unsigned int p, uint64_t features)
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

void up(unsigned int p, uint64_t features, unsigned int buffers)
{
	attach(p, features);
	net_peer_post(&peer[p], 0, 1000, buffers, RX, peer[p].batch ? BUFFER : 4032);
	net_peer_enable(&peer[p], true, 1);
	turns(3);
	net_peer_take(&peer[p]);
	net_peer_forget(&peer[p]);
	memset(nic(p)->counters, 0, sizeof(*nic(p)->counters));
}

uint8_t *frame_at(unsigned int p, uint64_t offset)
{
	return bus[p].pool + offset;
}

const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };

void make_frame(unsigned int p, uint64_t offset, const uint8_t *to, uint32_t bytes)
{
	uint8_t *f = frame_at(p, offset);

	memcpy(f, to, 6);
	memcpy(f + 6, config[p].mac, 6);
	f[12] = 0x88;
	f[13] = 0xb5;
	for (uint32_t i = 14; i < bytes; i++)
		f[i] = (uint8_t)(i * 7 + bytes + p);
}

void send_to(unsigned int p, const uint8_t *to, uint64_t cookie, uint32_t bytes)
{
	make_frame(p, TX, to, bytes);
	assert_true(net_peer_xmit(&peer[p], 0, cookie, TX, bytes));
	turns(1);
}

uint32_t rcv_type(unsigned int p)
{
	return peer[p].batch ? MULLION_NET_RCV : NET_RCV;
}

unsigned int received(unsigned int p)
{
	net_peer_take(&peer[p]);
	return net_peer_count(&peer[p], rcv_type(p));
}

void forget(void)
{
	for (unsigned int p = 0; p < 4; p++) {
		net_peer_take(&peer[p]);
		net_peer_forget(&peer[p]);
	}
}

void introduce(unsigned int a, unsigned int b)
{
	send_to(a, config[b].mac, 1, 60);
	send_to(b, config[a].mac, 1, 60);
	send_to(a, config[b].mac, 1, 60);
	send_to(b, config[a].mac, 1, 60);
	forget();
}

void reset(void)
{
	for (unsigned int p = 0; p < PORTS; p++) {
		detach(p);
		default_config(p);
		configure(p);
		memset(nic(p)->counters, 0, sizeof(*nic(p)->counters));
	}
	assert_int_equal(inproc_configure(&network, sizeof(network), -1, -1), 0);
}

int net_switch_setup(void **state)
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
