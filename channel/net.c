// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/net.c - a process guest's NIC driver
 *
 * DOC: Theory of Operation
 *
 * The client half of a vNIC channel.  What it shares with other devices, which
 * is attaching and waiting, is in client.c; net_io.c moves frames,
 * net_control.c says what is wanted of the service.
 *
 * All of the device's share of the pool becomes one area of equal buffers.
 * Their distance is an odd number of cache lines: with a power of two all
 * frames would fight for a few sets of the cache.
 *
 * A new epoch (the service was replaced, or paused) finds all buffers but the
 * caller's free: they are posted again, offloads, filter and reception are asked
 * for again.  Frames that were under way are lost, as networks do.
 *
 * Failure behaviour: as client.c.  A frame is refused whole or sent whole.
 */
#include "net.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../abi/guid.h"
#include "net_internal.h"

#define NET_BUFFER_BYTES	2048
#define NET_BUFFER_MIN		64
#define NET_BUFFER_MAX		65536
#define NET_BUFFERS_MAX		65536
#define NET_BUFFERS_LEAST	4
#define NET_POSTED_DEFAULT		1024
#define NET_LINE		64

int nic_begin(struct mullion_client *client)
{
	struct mullion_net *nic = nic_of(client);
	struct visor_io_channel fixed;

	memcpy(&fixed, client->info.channel, sizeof(fixed));
	__asm__ volatile("" ::: "memory");
	nic_io_forget(nic);
	nic_control_read_fixed(nic, &fixed.vnic);
	nic->can_offload = client->attach.features & MULLION_EXTF_NET_OFFLOAD;
	nic->offloads_told = 0;
	nic->enabled = false;
	nic->wanted |= NIC_WANT_ENABLE;
	if (nic->can_offload && nic->offloads)
		nic->wanted |= NIC_WANT_OFFLOADS;
	if (nic->promiscuous)
		nic->wanted |= NIC_WANT_PROMISCUOUS;
	/* Up until we are told otherwise, as s-Par's guests have it. */
	if (!nic->link)
		nic->changes |= MULLION_NET_CHANGE_LINK;
	nic->link = true;
	if (client->counters.generations != nic->generations_seen)
		nic->changes |= MULLION_NET_CHANGE_SERVICE;
	nic->generations_seen = client->counters.generations;
	client->progress++;
	return 0;
}

bool nic_push(struct mullion_client *client)
{
	struct mullion_net *nic = nic_of(client);
	bool waiting = nic_io_post(nic);

	/* Buffers first: a service that is asked to begin has some. */
	if (!waiting && nic->wanted)
		waiting = nic_control_push(nic);
	for (unsigned int i = 0; i < client->pairs; i++) {
		nic_io_close(nic, i);
		mullion_client_publish(client, &client->pair[i]);
	}
	return waiting;
}

static void nic_fail(struct mullion_client *client, int error)
{
	(void)error;
	nic_of(client)->enabled = false;
}

static const struct mullion_client_class nic_class = {
	.devtype = "sparvnic",
	.drvname = "libmullion-net",
	.type = VISOR_VNIC_CHANNEL_GUID,
	.version = VISOR_VNIC_CHANNEL_VERSION,
	.features = MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |
		    MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_NET_BATCH |
		    MULLION_EXTF_NET_OFFLOAD,
	/* Without the batches there would be a second driver in here. */
	.required = MULLION_EXTF_SLOT_EXT | MULLION_EXTF_WINDOW_ADDR |
		    MULLION_EXTF_NET_BATCH,
	.begin = nic_begin,
	.reap = nic_io_reap,
	.push = nic_push,
	.fail = nic_fail,
};

/* How many buffers there are, and how many of them are posted. */
static int nic_size(struct mullion_net *nic, const struct mullion_net_options *options)
{
	const struct mullion_attach *attach = &nic->client.attach;
	uint64_t share = attach->constant.pool_share & ~(uint64_t)(MULLION_POOL_PAGE - 1);
	uint32_t bytes = options->buffer_bytes ? options->buffer_bytes : NET_BUFFER_BYTES;
	uint64_t buffers;

	if (bytes < NET_BUFFER_MIN || bytes > NET_BUFFER_MAX ||
	    options->offloads & ~MULLION_NET_RX_KNOWN)
		return -EINVAL;
	nic->buffer_bytes = bytes;
	nic->stride = (bytes + NET_LINE - 1) / NET_LINE * NET_LINE;
	if (!(nic->stride / NET_LINE % 2))
		nic->stride += NET_LINE;
	buffers = share / nic->stride;
	if (buffers < NET_BUFFERS_LEAST * nic->client.pairs)
		return -ENOSPC;
	nic->buffers = buffers < NET_BUFFERS_MAX ? (uint32_t)buffers : NET_BUFFERS_MAX;
	/* A third is for sending and for what the caller keeps. */
	nic->target = nic->buffers * 2 / 3 / nic->client.pairs;
	if (nic->target > (options->posted ? options->posted : NET_POSTED_DEFAULT))
		nic->target = options->posted ? options->posted : NET_POSTED_DEFAULT;
	if (attach->constant.max_outstanding &&
	    nic->target > attach->constant.max_outstanding)
		nic->target = attach->constant.max_outstanding;
	nic->offloads = options->offloads;
	return 0;
}

static int nic_make_buffers(struct mullion_net *nic)
{
	uint32_t ring = 1;
	void *area;
	int ret;

	while (ring < nic->buffers)
		ring *= 2;
	nic->state = calloc(nic->buffers, sizeof(*nic->state));
	nic->chain = calloc(nic->buffers, sizeof(*nic->chain));
	nic->free = calloc(nic->buffers, sizeof(*nic->free));
	nic->backlog = calloc(ring, sizeof(*nic->backlog));
	if (!nic->state || !nic->chain || !nic->free || !nic->backlog)
		return -ENOMEM;
	nic->backlog_mask = ring - 1;
	ret = mullion_client_alloc(&nic->client, (size_t)nic->buffers * nic->stride,
				   &nic->offset, &area);
	if (ret < 0)
		return ret;
	nic->area = area;
	nic_io_forget(nic);
	return 0;
}

/* Until the service has said that it begins, which it does at once. */
static int nic_wait_enabled(struct mullion_net *nic, uint64_t end)
{
	while (!nic->enabled) {
		uint64_t now = mullion_spin_now();
		uint64_t left = now < end ? (end - now) / 1000000 : 0;
		int ret;

		if (!left)
			return -ETIMEDOUT;
		ret = mullion_client_wait(&nic->client, left < 1000 ? (int)left : 1000);
		if (ret < 0)
			return ret;
	}
	return 0;
}

int mullion_net_open(struct mullion_net **ret, struct mullion_guest_device *device,
		     const struct mullion_net_options *options, int milliseconds)
{
	static const struct mullion_net_options defaults;
	uint64_t end = milliseconds < 0 ? UINT64_MAX :
		       mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	struct visor_io_channel fixed;
	struct mullion_net *nic;
	int error;

	if (!options)
		options = &defaults;
	nic = calloc(1, sizeof(*nic));
	if (!nic)
		return -ENOMEM;
	error = mullion_client_init(&nic->client, &nic_class, device,
				    options->pairs ? options->pairs : 1, &fixed);
	if (error < 0)
		goto close;
	error = nic_size(nic, options);
	if (error < 0)
		goto close;
	error = nic_make_buffers(nic);
	if (error < 0)
		goto close;
	nic->link = true;
	error = mullion_client_start(&nic->client, milliseconds);
	if (error < 0)
		goto close;
	error = nic_wait_enabled(nic, end);
	if (error < 0)
		goto close;
	nic->changes = 0;
	*ret = nic;
	return 0;

close:
	mullion_net_close(nic);
	return error;
}

void mullion_net_close(struct mullion_net *nic)
{
	if (!nic)
		return;
	mullion_client_close(&nic->client);
	free(nic->state);
	free(nic->chain);
	free(nic->free);
	free(nic->backlog);
	free(nic);
}

void mullion_net_info(const struct mullion_net *nic, struct mullion_net_info *ret)
{
	*ret = (struct mullion_net_info){
		.mtu = nic->mtu,
		.link = nic->link,
		.offloads = nic->can_offload,
		.attached = nic->client.attached && nic->enabled,
		.pairs = nic->client.pairs,
		.buffer_bytes = nic->buffer_bytes,
		.buffers = nic->buffers,
		.posted = nic->target,
	};
	memcpy(ret->mac, nic->mac, sizeof(ret->mac));
}

void mullion_net_statistics(const struct mullion_net *nic,
			    struct mullion_net_statistics *ret)
{
	const struct mullion_client_counters *counters = &nic->client.counters;

	*ret = nic->statistics;
	ret->stale = counters->stale;
	ret->bogus = counters->bogus;
	ret->rung = counters->rung;
	ret->sleeps = counters->sleeps;
	ret->rescues = counters->rescues;
	ret->generations = counters->generations;
}

unsigned int mullion_net_changes(struct mullion_net *nic)
{
	unsigned int changes = nic->changes;

	nic->changes = 0;
	return changes;
}

void mullion_net_set_wake(struct mullion_net *nic, enum mullion_wake mode)
{
	nic->client.spin.mode = mode;
}

static void nic_want(struct mullion_net *nic, uint32_t what)
{
	nic->wanted |= what;
	mullion_client_push(&nic->client);
}

void mullion_net_set_mac(struct mullion_net *nic, const uint8_t *mac)
{
	memcpy(nic->mac_wanted, mac, sizeof(nic->mac_wanted));
	nic_want(nic, NIC_WANT_MAC);
}

void mullion_net_set_offloads(struct mullion_net *nic, uint32_t offloads)
{
	nic->offloads = offloads & MULLION_NET_RX_KNOWN;
	if (nic->can_offload)
		nic_want(nic, NIC_WANT_OFFLOADS);
}

void mullion_net_set_promiscuous(struct mullion_net *nic, bool on)
{
	nic->promiscuous = on;
	nic_want(nic, NIC_WANT_PROMISCUOUS);
}

void mullion_net_kick(struct mullion_net *nic)
{
	mullion_client_push(&nic->client);
}

static bool nic_has_kept(const struct mullion_net *nic)
{
	return nic->backlog_head != nic->backlog_tail;
}

int mullion_net_poll(struct mullion_net *nic)
{
	int ret;

	mullion_client_push(&nic->client);
	ret = mullion_client_poll(&nic->client);
	/* Buffers that came back go out again without another call. */
	if (ret > 0)
		mullion_client_push(&nic->client);
	return ret;
}

int mullion_net_wait(struct mullion_net *nic, int milliseconds)
{
	int ret;

	if (!nic_has_kept(nic))
		return mullion_client_wait(&nic->client, milliseconds);
	ret = mullion_net_poll(nic);
	return ret < 0 ? ret : ret + 1;
}

int mullion_net_arm(struct mullion_net *nic)
{
	return nic_has_kept(nic) || mullion_client_arm(&nic->client);
}

void mullion_net_disarm(struct mullion_net *nic)
{
	mullion_client_disarm(&nic->client);
}

unsigned int mullion_net_outstanding(const struct mullion_net *nic)
{
	return (unsigned int)(nic->statistics.tx_frames - nic->statistics.tx_done -
			      nic->statistics.tx_lost);
}
