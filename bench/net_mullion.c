// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/net_mullion.c - two process guests of a network of Mullion
 *
 * The guests, whose names are the targets, must run (`mullion start`) and have
 * one network interface each, on the same network.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "../channel/guest.h"
#include "../channel/net.h"
#include "netbench.h"

#define PIECES NETBENCH_BURST
#define OPEN_MS 10000

_Static_assert(PIECES >= MULLION_NET_CHAIN_MAX, "the least that can be received");

struct netbench_end {
	struct mullion_guest *guest;
	struct mullion_net *nic;
	bool poll, large;
	uint32_t bytes;
};

/* The pool is there before anything is measured. */
static int mullionpeer_touch(struct netbench_end *end)
{
	struct mullion_net_piece *pieces;
	struct mullion_net_info info;
	unsigned int i, n;

	mullion_net_info(end->nic, &info);
	pieces = calloc(info.buffers, sizeof(*pieces));
	if (!pieces)
		return -ENOMEM;
	n = mullion_net_alloc(end->nic, pieces, info.buffers);
	for (i = 0; i < n; i++)
		memset(pieces[i].data, 0x5a, pieces[i].bytes);
	mullion_net_return(end->nic, pieces, n);
	free(pieces);
	return 0;
}

static int mullionpeer_open(struct netbench_end **ret, const struct netbench_job *job,
			    int side)
{
	static const enum mullion_wake wake[] = {
		[NETBENCH_POLL] = MULLION_WAKE_POLL,
		[NETBENCH_ADAPTIVE] = MULLION_WAKE_ADAPTIVE,
		[NETBENCH_SLEEP] = MULLION_WAKE_SLEEP,
	};
	struct mullion_net_options options = {
		.buffer_bytes = job->large ? 65536 : 2048,
		.offloads = job->large ? MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4 : 0,
	};
	struct netbench_end *end = calloc(1, sizeof(*end));
	struct mullion_guest_device *device;
	guid_t type = VISOR_VNIC_CHANNEL_GUID;
	int r;

	if (!end)
		return -ENOMEM;
	r = mullion_guest_connect(&end->guest, NULL, job->target[side]);
	if (r < 0)
		goto free_end;
	r = mullion_guest_wait_ready(end->guest, OPEN_MS);
	if (r < 0)
		goto close_guest;
	device = mullion_guest_device_find(end->guest, &type, 0);
	if (!device) {
		r = -ENODEV;
		goto close_guest;
	}
	r = mullion_net_open(&end->nic, device, &options, OPEN_MS);
	if (r < 0)
		goto close_guest;
	mullion_net_set_wake(end->nic, wake[job->wake]);
	r = mullionpeer_touch(end);
	if (r < 0)
		goto close_nic;
	end->poll = job->wake == NETBENCH_POLL;
	end->large = job->large;
	end->bytes = job->bytes;
	*ret = end;
	return 0;

close_nic:
	mullion_net_close(end->nic);
close_guest:
	mullion_guest_close(end->guest);
free_end:
	free(end);
	return r;
}

static void mullionpeer_mac(struct netbench_end *end, uint8_t mac[6])
{
	struct mullion_net_info info;

	mullion_net_info(end->nic, &info);
	memcpy(mac, info.mac, 6);
}

static int mullionpeer_alloc(struct netbench_end *end, struct netbench_frame *frames,
			     int count)
{
	struct mullion_net_piece pieces[NETBENCH_BURST];
	unsigned int i, n = mullion_net_alloc(end->nic, pieces, (unsigned int)count);

	for (i = 0; i < n; i++) {
		frames[i].data = pieces[i].data;
		frames[i].buffer = pieces[i].buffer;
	}
	return (int)n;
}

static void mullionpeer_pieces(const struct netbench_end *end,
			       const struct netbench_frame *frames,
			       struct mullion_net_piece *pieces, int count)
{
	int i;

	for (i = 0; i < count; i++) {
		pieces[i] = (struct mullion_net_piece) {
			.data = frames[i].data,
			.buffer = (uint32_t)frames[i].buffer,
			.bytes = frames[i].bytes,
		};
		if (end->large) {
			pieces[i].flags = MULLION_NET_NEEDS_CSUM;
			pieces[i].gso_type = MULLION_NET_GSO_TCPV4;
			pieces[i].gso_size = 1448;
			pieces[i].hdr_len = 54;
			pieces[i].csum_start = 34;
			pieces[i].csum_offset = 16;
		}
	}
}

static int mullionpeer_send(struct netbench_end *end, struct netbench_frame *frames,
			    int count)
{
	struct mullion_net_piece pieces[NETBENCH_BURST];

	mullionpeer_pieces(end, frames, pieces, count);
	return mullion_net_send(end->nic, 0, pieces, (unsigned int)count);
}

static int mullionpeer_flush(struct netbench_end *end)
{
	mullion_net_kick(end->nic);
	/* Collects what was sent. */
	return mullion_net_poll(end->nic);
}

static int mullionpeer_recv(struct netbench_end *end, struct netbench_frame *frames,
			    int count)
{
	struct mullion_net_piece pieces[PIECES];
	int i, n;

	n = mullion_net_recv(end->nic, pieces, PIECES);
	for (i = 0; i < n; i++) {
		if (i >= count || pieces[i].flags & MULLION_NET_MORE)
			return -EPROTO;
		frames[i].data = pieces[i].data;
		frames[i].bytes = pieces[i].bytes;
		frames[i].buffer = pieces[i].buffer;
	}
	return n;
}

static void mullionpeer_give_back(struct netbench_end *end, struct netbench_frame *frames,
				  int count)
{
	struct mullion_net_piece pieces[PIECES];

	mullionpeer_pieces(end, frames, pieces, count);
	mullion_net_return(end->nic, pieces, (unsigned int)count);
}

static int mullionpeer_wait(struct netbench_end *end, int milliseconds)
{
	return end->poll ? mullion_net_poll(end->nic) :
			   mullion_net_wait(end->nic, milliseconds);
}

static void mullionpeer_close(struct netbench_end *end)
{
	mullion_net_close(end->nic);
	mullion_guest_close(end->guest);
	free(end);
}

const struct netbench_driver netbench_mullion = {
	.name = "mullion", .open = mullionpeer_open,
	.mac = mullionpeer_mac, .alloc = mullionpeer_alloc, .send = mullionpeer_send,
	.flush = mullionpeer_flush, .recv = mullionpeer_recv,
	.give_back = mullionpeer_give_back, .wait = mullionpeer_wait,
	.close = mullionpeer_close,
};
