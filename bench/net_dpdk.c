// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/net_dpdk.c - DPDK: a virtio-user port that sends to a vhost-user port
 *
 * The targets are the same socket.  No switch between them, and no hugepages,
 * which a machine of tests does not set aside.  Both sides always poll.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>
#include <rte_mempool.h>

#include "netbench.h"

#define RING 1024
#define MEMORY_MB "256"

struct netbench_end {
	struct rte_mempool *pool;
	uint16_t port;
};

static struct netbench_end dpdk;

static int dpdk_start(struct netbench_end *end, uint32_t data_bytes)
{
	struct rte_eth_conf conf = { 0 };
	uint32_t buffers = data_bytes > 4096 ? 1023 : 8191;
	uint16_t ring = data_bytes > 4096 ? 256 : RING;
	int r;

	end->pool = rte_pktmbuf_pool_create("netbench", buffers, 128, 0,
					    (uint16_t)(data_bytes + RTE_PKTMBUF_HEADROOM),
					    SOCKET_ID_ANY);
	if (!end->pool)
		return -ENOMEM;
	if (data_bytes > 4096)
		conf.rxmode.mtu = 65000 - 14;
	r = rte_eth_dev_configure(end->port, 1, 1, &conf);
	/* One that knows no such MTU takes large frames nevertheless. */
	if (r < 0 && conf.rxmode.mtu) {
		conf.rxmode.mtu = 0;
		r = rte_eth_dev_configure(end->port, 1, 1, &conf);
	}
	if (r < 0)
		return r;
	r = rte_eth_rx_queue_setup(end->port, 0, ring, 0, NULL, end->pool);
	if (r < 0)
		return r;
	r = rte_eth_tx_queue_setup(end->port, 0, ring, 0, NULL);
	if (r < 0)
		return r;
	return rte_eth_dev_start(end->port);
}

static int dpdk_open(struct netbench_end **ret, const struct netbench_job *job, int side)
{
	char device[256], prefix[64];
	/* 0@(0-1): one thread, on any of the first two CPUs, as those of the others. */
	char *argv[] = { "netbench", "--no-huge", "-m", MEMORY_MB, "--no-pci",
			 "--no-telemetry", "--no-shconf", "--log-level=3", "--file-prefix",
			 prefix, "--lcores", "0@(0-1)", "--vdev", device, NULL };
	int argc = (int)(sizeof(argv) / sizeof(argv[0])) - 1;
	int r;

	snprintf(prefix, sizeof(prefix), "netbench-%d", (int)getpid());
	if (side)
		snprintf(device, sizeof(device), "net_vhost0,iface=%s,queues=1",
			 job->target[1]);
	else
		snprintf(device, sizeof(device),
			 "net_virtio_user0,path=%s,queues=1,queue_size=%d", job->target[0],
			 job->large ? 256 : RING);
	r = rte_eal_init(argc, argv);
	if (r < 0)
		return -rte_errno;
	dpdk.port = 0;
	r = dpdk_start(&dpdk, job->large ? 65024 : 2048);
	if (r < 0)
		return r;
	*ret = &dpdk;
	return 0;
}

/* What one that was killed has left. */
static int dpdk_prepare(const struct netbench_job *job)
{
	if (job->together)
		return -EOPNOTSUPP;
	return unlink(job->target[1]) < 0 && errno != ENOENT ? -errno : 0;
}

static int dpdk_alloc(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct rte_mbuf *mbufs[NETBENCH_BURST];
	int i;

	if (rte_pktmbuf_alloc_bulk(end->pool, mbufs, (unsigned int)count))
		return 0;
	for (i = 0; i < count; i++) {
		frames[i].data = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		frames[i].buffer = (uintptr_t)mbufs[i];
	}
	return count;
}

static int dpdk_send(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct rte_mbuf *mbufs[NETBENCH_BURST];
	int i;

	for (i = 0; i < count; i++) {
		mbufs[i] = (struct rte_mbuf *)(uintptr_t)frames[i].buffer;
		mbufs[i]->data_len = (uint16_t)frames[i].bytes;
		mbufs[i]->pkt_len = frames[i].bytes;
	}
	return rte_eth_tx_burst(end->port, 0, mbufs, (uint16_t)count);
}

static int dpdk_flush(struct netbench_end *end)
{
	(void)end;
	return 0;
}

static int dpdk_recv(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	struct rte_mbuf *mbufs[NETBENCH_BURST];
	int i, n;

	n = rte_eth_rx_burst(end->port, 0, mbufs, (uint16_t)count);
	for (i = 0; i < n; i++) {
		frames[i].data = rte_pktmbuf_mtod(mbufs[i], uint8_t *);
		frames[i].bytes = mbufs[i]->pkt_len;
		frames[i].buffer = (uintptr_t)mbufs[i];
	}
	return n;
}

static void dpdk_give_back(struct netbench_end *end, struct netbench_frame *frames,
			   int count)
{
	int i;

	(void)end;
	for (i = 0; i < count; i++)
		rte_pktmbuf_free((struct rte_mbuf *)(uintptr_t)frames[i].buffer);
}

static int dpdk_wait(struct netbench_end *end, int milliseconds)
{
	(void)end;
	(void)milliseconds;
	return 0;
}

static void dpdk_close(struct netbench_end *end)
{
	rte_eth_dev_stop(end->port);
	rte_eth_dev_close(end->port);
	rte_eal_cleanup();
}

const struct netbench_driver netbench_dpdk = {
	.name = "dpdk", .prepare = dpdk_prepare, .open = dpdk_open, .alloc = dpdk_alloc, .send = dpdk_send,
	.flush = dpdk_flush, .recv = dpdk_recv, .give_back = dpdk_give_back,
	.wait = dpdk_wait, .close = dpdk_close,
};
