// SPDX-License-Identifier: GPL-2.0-only
/*
 * main.c - the network driver: probe, remove, and the interface's operations
 *
 * visornic.h says how it works.  Everything read from the channel here was
 * written by the service: numbers are brought into bounds that any service may
 * have, and what cannot be used is refused with a line that says why.
 */
#include <linux/ethtool.h>
#include <linux/jiffies.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "visornic.h"

#define VISORNIC_ATTACH_SECONDS	60
#define VISORNIC_FEATURES						\
	(MULLION_EXTF_EVENT_INDEX | MULLION_EXTF_SLOT_EXT |		\
	 MULLION_EXTF_WINDOW_ADDR | MULLION_EXTF_REISSUE |		\
	 MULLION_EXTF_NET_BATCH | MULLION_EXTF_NET_OFFLOAD)

/* s-Par's limits for receive buffers, and its formula for transmits. */
#define VISORNIC_SPAR_BUFFERS_MIN	6U
#define VISORNIC_SPAR_BUFFERS_MAX	256U
/* Receive buffers of a pair if the channel has no limit. */
#define VISORNIC_BUFFERS_MAX		1024U

#define VISORNIC_TX_FEATURES						\
	(NETIF_F_SG | NETIF_F_FRAGLIST | NETIF_F_HW_CSUM | NETIF_F_TSO |	\
	 NETIF_F_TSO6 | NETIF_F_TSO_ECN | NETIF_F_GSO_UDP_L4)

/* ---- the interface's operations -------------------------------------------------- */

static int visornic_open(struct net_device *netdev)
{
	return visornic_start(netdev_priv(netdev));
}

static int visornic_close(struct net_device *netdev)
{
	visornic_stop(netdev_priv(netdev));
	return 0;
}

static void visornic_set_rx_mode(struct net_device *netdev)
{
	struct visornic *nic = netdev_priv(netdev);
	bool promisc = netdev->flags & IFF_PROMISC;

	/* All multicast comes in any case. */
	if (READ_ONCE(nic->talk.promisc) == promisc)
		return;
	WRITE_ONCE(nic->talk.promisc, promisc);
	visornic_talk_send(nic, VISORNIC_SEND_PROMISC);
}

/* Takes an address without asking, if there is no service: it is asked when it comes. */
static bool visornic_take_mac(struct visornic *nic, void *p)
{
	bool absent;

	mutex_lock(&nic->control);
	absent = nic->batch && !visornic_live(nic);
	if (absent) {
		nic->mac_changed = true;
		eth_commit_mac_addr_change(nic->netdev, p);
	}
	mutex_unlock(&nic->control);
	return absent;
}

static int visornic_set_mac_address(struct net_device *netdev, void *p)
{
	struct visornic *nic = netdev_priv(netdev);
	struct sockaddr *address = p;
	int rc;

	rc = eth_prepare_mac_addr_change(netdev, p);
	if (rc)
		return rc;
	/* The service may go and come while it is asked. */
	do {
		if (visornic_take_mac(nic, p))
			return 0;
		rc = visornic_ask_mac(nic, address->sa_data);
	} while (rc == -EAGAIN);
	if (rc)
		return rc;
	nic->mac_changed = true;
	eth_commit_mac_addr_change(netdev, p);
	return 0;
}

static int visornic_change_mtu(struct net_device *netdev, int mtu)
{
	struct visornic *nic = netdev_priv(netdev);

	if (rcu_access_pointer(nic->xdp_prog) && mtu > visornic_xdp_mtu()) {
		netdev_err(netdev, "an XDP program allows an MTU of at most %u\n",
			   visornic_xdp_mtu());
		return -EINVAL;
	}
	WRITE_ONCE(netdev->mtu, mtu);
	return 0;
}

static int visornic_set_features(struct net_device *netdev,
				 netdev_features_t features)
{
	struct visornic *nic = netdev_priv(netdev);
	u32 offloads = visornic_rx_offloads(nic, features);

	if (!nic->offload || READ_ONCE(nic->talk.offloads) == offloads)
		return 0;
	WRITE_ONCE(nic->talk.offloads, offloads);
	visornic_talk_send(nic, VISORNIC_SEND_OFFLOADS);
	return 0;
}

static void visornic_get_stats64(struct net_device *netdev,
				 struct rtnl_link_stats64 *total)
{
	struct visornic *nic = netdev_priv(netdev);
	unsigned int i, start;

	for (i = 0; i < nic->queue_count; i++) {
		const struct visornic_tx_stats *tx = &nic->queues[i].tx_stats;
		const struct visornic_rx_stats *rx = &nic->queues[i].rx_stats;
		struct rtnl_link_stats64 one = { 0 };

		do {
			start = u64_stats_fetch_begin(&tx->sync);
			one.tx_packets = u64_stats_read(&tx->packets);
			one.tx_bytes = u64_stats_read(&tx->bytes);
			one.tx_errors = u64_stats_read(&tx->errors);
			one.tx_carrier_errors = u64_stats_read(&tx->lost);
		} while (u64_stats_fetch_retry(&tx->sync, start));
		do {
			start = u64_stats_fetch_begin(&tx->drop_sync);
			one.tx_dropped = u64_stats_read(&tx->dropped);
		} while (u64_stats_fetch_retry(&tx->drop_sync, start));
		do {
			start = u64_stats_fetch_begin(&rx->sync);
			one.rx_packets = u64_stats_read(&rx->packets);
			one.rx_bytes = u64_stats_read(&rx->bytes);
			one.multicast = u64_stats_read(&rx->multicast);
			one.rx_errors = u64_stats_read(&rx->errors);
			one.rx_dropped = u64_stats_read(&rx->dropped);
			one.rx_missed_errors = u64_stats_read(&rx->missed);
		} while (u64_stats_fetch_retry(&rx->sync, start));

		total->tx_packets += one.tx_packets;
		total->tx_bytes += one.tx_bytes;
		total->tx_errors += one.tx_errors + one.tx_carrier_errors;
		total->tx_carrier_errors += one.tx_carrier_errors;
		total->tx_dropped += one.tx_dropped;
		total->rx_packets += one.rx_packets;
		total->rx_bytes += one.rx_bytes;
		total->multicast += one.multicast;
		total->rx_errors += one.rx_errors;
		total->rx_dropped += one.rx_dropped;
		total->rx_missed_errors += one.rx_missed_errors;
	}
}

static const struct net_device_ops visornic_ops = {
	.ndo_open = visornic_open,
	.ndo_stop = visornic_close,
	.ndo_start_xmit = visornic_start_xmit,
	.ndo_validate_addr = eth_validate_addr,
	.ndo_set_rx_mode = visornic_set_rx_mode,
	.ndo_set_mac_address = visornic_set_mac_address,
	.ndo_change_mtu = visornic_change_mtu,
	.ndo_set_features = visornic_set_features,
	.ndo_get_stats64 = visornic_get_stats64,
	.ndo_tx_timeout = visornic_tx_timeout,
	.ndo_bpf = visornic_xdp,
};

/* ---- queue pairs in use -------------------------------------------------------------- */

/* Processors share the pairs evenly. */
static void visornic_spread(struct visornic *nic)
{
	unsigned int pairs = nic->netdev->real_num_tx_queues, i;
	cpumask_var_t mask;
	int cpu;

	if (!zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;
	for (i = 0; i < pairs; i++) {
		unsigned int n = 0;

		cpumask_clear(mask);
		for_each_online_cpu(cpu)
			if (n++ % pairs == i)
				cpumask_set_cpu(cpu, mask);
		netif_set_xps_queue(nic->netdev, mask, i);
	}
	free_cpumask_var(mask);
}

static int visornic_announce_pairs(struct visornic *nic, unsigned int pairs)
{
	int rc = netif_set_real_num_tx_queues(nic->netdev, pairs);

	if (!rc)
		rc = netif_set_real_num_rx_queues(nic->netdev, pairs);
	return rc;
}

/**
 * visornic_set_pairs() - use another number of queue pairs
 * @nic: the interface; rtnl_lock() is held
 * @pairs: how many, 1 to @nic->queue_count
 *
 * Return: 0; -ENOSPC if the area is too small; -ETIMEDOUT if there is no service,
 * -ENODEV if the device is going away or cannot be attached anew: then all stays
 * as it is.
 */
int visornic_set_pairs(struct visornic *nic, unsigned int pairs)
{
	bool up = netif_running(nic->netdev);
	int rc, error;

	if (up)
		visornic_stop(nic);
	mutex_lock(&nic->control);
	nic->pairs_wanted = pairs;
	mutex_unlock(&nic->control);
	rc = visorbus_device_reset(nic->dev, VISORNIC_ANSWER_SECONDS * HZ);
	mutex_lock(&nic->control);
	if (nic->pairs < pairs)
		rc = rc ? rc : -ENOSPC;
	nic->pairs_wanted = nic->pairs;
	mutex_unlock(&nic->control);
	error = visornic_announce_pairs(nic, nic->pairs);
	rc = rc ? rc : error;
	visornic_spread(nic);
	if (up) {
		error = visornic_start(nic);
		rc = rc ? rc : error;
	}
	return rc;
}

/* ---- probe, remove ---------------------------------------------------------------------- */

static void visornic_init_queue(struct visornic *nic, unsigned int i)
{
	struct visornic_queue *q = &nic->queues[i];

	q->nic = nic;
	q->index = i;
	spin_lock_init(&q->lock);
	u64_stats_init(&q->tx_stats.sync);
	u64_stats_init(&q->tx_stats.drop_sync);
	u64_stats_init(&q->rx_stats.sync);
	hrtimer_setup(&q->timer, visornic_poll_timer, CLOCK_MONOTONIC,
		      HRTIMER_MODE_REL);
	netif_napi_add(nic->netdev, &q->napi, visornic_poll);
}

static int visornic_init_xdp(struct visornic *nic)
{
	unsigned int i;
	int rc;

	for (i = 0; i < nic->queue_count; i++) {
		struct visornic_queue *q = &nic->queues[i];

		rc = xdp_rxq_info_reg(&q->xdp_rxq, nic->netdev, i,
				      q->napi.napi_id);
		if (!rc)
			rc = xdp_rxq_info_reg_mem_model(&q->xdp_rxq,
							MEM_TYPE_PAGE_ORDER0,
							NULL);
		if (rc)
			return rc;
	}
	compat_xdp_features(nic->netdev);
	return 0;
}

static void visornic_exit_xdp(struct visornic *nic)
{
	unsigned int i;

	for (i = 0; i < nic->queue_count; i++)
		if (xdp_rxq_info_is_reg(&nic->queues[i].xdp_rxq))
			xdp_rxq_info_unreg(&nic->queues[i].xdp_rxq);
}

/* What the channel says of addresses, sizes and numbers. */
static int visornic_read_config(struct visornic *nic)
{
	struct net_device *netdev = nic->netdev;
	u8 mac[ETH_ALEN] __aligned(2);
	struct iochannel_vnic vnic;
	u32 buffers;
	int rc;

	rc = visorbus_read_channel(nic->dev,
				   offsetof(struct visor_io_channel, vnic),
				   &vnic, sizeof(vnic));
	if (rc)
		return rc;
	memcpy(mac, vnic.macaddr, ETH_ALEN);
	if (is_valid_ether_addr(mac)) {
		eth_hw_addr_set(netdev, mac);
		ether_addr_copy(nic->channel_mac, mac);
	} else {
		dev_warn(&nic->dev->device, "the channel has no valid address, a random one is used\n");
		eth_hw_addr_random(netdev);
		nic->mac_changed = true;
	}
	netdev->min_mtu = MULLION_NET_MTU_MIN;
	netdev->max_mtu = vnic.mtu ? clamp_t(u32, vnic.mtu, MULLION_NET_MTU_MIN,
					     MULLION_NET_MTU_MAX) : ETH_DATA_LEN;
	netdev->mtu = netdev->max_mtu;

	buffers = clamp(vnic.num_rcv_bufs, VISORNIC_SPAR_BUFFERS_MIN,
			VISORNIC_SPAR_BUFFERS_MAX);
	if (nic->batch) {
		nic->buffer_bytes = VISORNIC_BUFFER_BYTES;
		nic->frame_max = MULLION_NET_FRAME_MAX;
		nic->rx_limit = VISORNIC_BUFFERS_MAX;
		if (nic->dev->max_outstanding)
			nic->rx_limit = clamp(nic->dev->max_outstanding,
					      VISORNIC_BUFFERS_MIN,
					      VISORNIC_BUFFERS_MAX);
		nic->tx_max = VISORNIC_FRAMES;
	} else {
		nic->buffer_bytes = RCVPOST_BUF_SIZE;
		nic->frame_max = netdev->max_mtu + ETH_HLEN + 2 * VLAN_HLEN;
		nic->rx_limit = max(buffers, VISORNIC_BUFFERS_MIN);
		nic->tx_max = max(buffers / 3, 2 + VISORNIC_FRAMES_MIN) - 2;
	}
	nic->rx_wanted = U32_MAX;
	nic->tx_count = nic->tx_max;
	return 0;
}

static void visornic_init_features(struct visornic *nic)
{
	struct net_device *netdev = nic->netdev;

	if (nic->offload) {
		netdev->hw_features = VISORNIC_TX_FEATURES | NETIF_F_RXCSUM |
				      NETIF_F_GRO_HW;
		/* Pieces of a frame are its own, and few. */
		if (nic->physical)
			netdev->hw_features &= ~NETIF_F_FRAGLIST;
		netdev->vlan_features = netdev->hw_features & VISORNIC_TX_FEATURES;
	}
	netdev->features = netdev->hw_features | NETIF_F_HIGHDMA;
	nic->talk.offloads = visornic_rx_offloads(nic, netdev->features);
}

/* s-Par's guests say so; and what an earlier driver was told is not for us. */
static void visornic_greet_spar(struct visornic *nic)
{
	size_t at = offsetof(struct channel_header, features);
	unsigned int left = nic->queues[0].rsp->max_slots;
	const void *slot;
	u64 features;

	if (!visorbus_read_channel(nic->dev, at, &features, sizeof(features))) {
		features |= VISOR_CHANNEL_IS_POLLING |
			    VISOR_DRIVER_ENHANCED_RCVBUF_CHECKING;
		visorbus_write_channel(nic->dev, at, &features, sizeof(features));
	}
	while (left-- && !mullion_sq_consume(nic->queues[0].rsp, &slot))
		continue;
	mullion_sq_release(nic->queues[0].rsp);
}

static struct visornic *visornic_alloc(struct visor_device *dev)
{
	unsigned int i, count = 1;
	struct net_device *netdev;
	struct visornic *nic;

	/* s-Par's dialect knows of one pair. */
	if (visorbus_device_features(dev) & MULLION_EXTF_NET_BATCH)
		count = min_t(unsigned int, dev->queue_pairs, nr_cpu_ids);
	netdev = alloc_etherdev_mq(sizeof(*nic), count);
	if (!netdev)
		return NULL;
	SET_NETDEV_DEV(netdev, &dev->device);
	nic = netdev_priv(netdev);
	nic->netdev = netdev;
	nic->dev = dev;
	nic->queue_count = count;
	nic->speed = SPEED_10000;
	nic->duplex = DUPLEX_FULL;
	mutex_init(&nic->control);
	init_waitqueue_head(&nic->wait);
	INIT_WORK(&nic->begin_work, visornic_begin_work);
	INIT_DELAYED_WORK(&nic->mac_work, visornic_mac_work);
	INIT_DELAYED_WORK(&nic->absent_work, visornic_absent_work);
	INIT_DELAYED_WORK(&nic->recover_work, visornic_recover_work);
	nic->talk.link_up = true;
	/* An answer to an earlier driver is to be none of ours. */
	nic->talk.context = (u64)get_random_u32() << 16;
	nic->resumed = jiffies;
	netdev->netdev_ops = &visornic_ops;
	netdev->ethtool_ops = &visornic_ethtool_ops;
	/* visornic_watch() comes first. */
	netdev->watchdog_timeo = 2 * VISORNIC_STUCK_SECONDS * HZ;
	netdev->priv_flags |= IFF_LIVE_ADDR_CHANGE;
	nic->queues = kcalloc(count, sizeof(*nic->queues), GFP_KERNEL);
	if (!nic->queues) {
		free_netdev(netdev);
		return NULL;
	}
	for (i = 0; i < count; i++)
		visornic_init_queue(nic, i);
	return nic;
}

static void visornic_free(struct visornic *nic)
{
	struct net_device *netdev = nic->netdev;
	struct visornic_queue *queues = nic->queues;
	unsigned int i;

	visornic_exit_xdp(nic);
	visornic_area_exit(nic);
	for (i = 0; i < nic->queue_count; i++)
		netif_napi_del(&queues[i].napi);
	free_netdev(netdev);
	kfree(queues);
}

/* Everything up to, and not including, the first message. */
static int visornic_prepare(struct visornic *nic)
{
	struct visor_device *dev = nic->dev;
	u64 features = 0;
	int rc;

	visorbus_read_channel(dev, offsetof(struct channel_header, features),
			      &features, sizeof(features));
	nic->has_ext = features & MULLION_CHF_EXT;
	rc = visornic_take_features(nic);
	if (rc)
		return rc;
	rc = visornic_read_config(nic);
	if (rc)
		return rc;
	visornic_init_features(nic);
	rc = visornic_area_init(nic);
	if (rc) {
		dev_err(&dev->device,
			"no room for frames in the window's pool (share %llu bytes): %d\n",
			dev->pool_share, rc);
		return rc;
	}
	nic->pairs_wanted = visornic_area_divide(nic, min(nic->queue_count,
							  num_online_cpus()));
	if (!nic->has_ext)
		visornic_greet_spar(nic);
	return visornic_init_xdp(nic);
}

static int visornic_probe(struct visor_device *dev)
{
	struct visornic *nic;
	int rc;

	rc = visorbus_device_attach(dev, VISORNIC_FEATURES,
				    VISORNIC_ATTACH_SECONDS * HZ);
	if (rc) {
		dev_err(&dev->device, "cannot attach to the network service: %d\n",
			rc);
		return rc;
	}
	nic = visornic_alloc(dev);
	if (!nic)
		return -ENOMEM;
	rc = visornic_prepare(nic);
	if (rc)
		goto free;
	netif_carrier_off(nic->netdev);
	dev_set_drvdata(&dev->device, nic);
	mutex_lock(&nic->control);
	nic->state = VISORNIC_RUNNING;
	visornic_napi_on(nic);
	mutex_unlock(&nic->control);
	/* It may be opened the moment it is known. */
	visorbus_enable_channel_interrupts(dev);
	rtnl_lock();
	rc = visornic_announce_pairs(nic, nic->pairs);
	if (!rc)
		rc = register_netdevice(nic->netdev);
	if (!rc)
		visornic_spread(nic);
	rtnl_unlock();
	if (rc)
		goto stop;
	netdev_info(nic->netdev, "%pM, %u queue pair(s) of %u receive buffers, %s%s%s\n",
		    nic->netdev->dev_addr, nic->pairs, nic->rx_count,
		    nic->batch ? "batches" : "s-Par",
		    nic->offload ? ", offloads" : "",
		    nic->physical ? ", guest-physical" : "");
	return 0;

stop:
	dev_err(&dev->device, "no network interface: %d\n", rc);
	WRITE_ONCE(nic->removing, true);
	visorbus_disable_channel_interrupts(dev);
	mutex_lock(&nic->control);
	visornic_napi_off(nic);
	mutex_unlock(&nic->control);
	cancel_delayed_work_sync(&nic->recover_work);
	cancel_delayed_work_sync(&nic->absent_work);
	cancel_delayed_work_sync(&nic->mac_work);
	cancel_work_sync(&nic->begin_work);
	dev_set_drvdata(&dev->device, NULL);
free:
	visornic_free(nic);
	return rc;
}

static void visornic_remove(struct visor_device *dev)
{
	struct visornic *nic = dev_get_drvdata(&dev->device);
	unsigned int i;

	WRITE_ONCE(nic->removing, true);
	wake_up_all(&nic->wait);
	cancel_delayed_work_sync(&nic->recover_work);
	/* Takes leave of the service, if there is one. */
	unregister_netdev(nic->netdev);

	visorbus_disable_channel_interrupts(dev);
	visornic_set_state(nic, VISORNIC_GONE);
	mutex_lock(&nic->control);
	visornic_napi_off(nic);
	for (i = 0; i < nic->queue_count; i++)
		/* A disable ends frames in s-Par's dialect only; else the detach does. */
		visornic_tx_forget(&nic->queues[i], !nic->has_ext && !nic->unsettled);
	mutex_unlock(&nic->control);
	cancel_delayed_work_sync(&nic->recover_work);
	cancel_delayed_work_sync(&nic->absent_work);
	cancel_delayed_work_sync(&nic->mac_work);
	cancel_work_sync(&nic->begin_work);
	dev_set_drvdata(&dev->device, NULL);
	visornic_free(nic);
}

static const struct visor_channeltype_descriptor visornic_channel_types[] = {
	{
		.guid = VISOR_VNIC_CHANNEL_GUID,
		.name = "ultravnic",
		.min_bytes = sizeof(struct visor_io_channel),
		.version = VISOR_VNIC_CHANNEL_VERSION,
	},
	{ }
};

static struct visor_driver visornic_driver = {
	.name = "visornic",
	.owner = THIS_MODULE,
	.channel_types = visornic_channel_types,
	.probe = visornic_probe,
	.remove = visornic_remove,
	.queue_interrupt = visornic_queue_interrupt,
	.pause = visornic_pause,
	.resume = visornic_resume,
};

static int __init visornic_init(void)
{
	return visorbus_register_visor_driver(&visornic_driver);
}

static void __exit visornic_exit(void)
{
	visorbus_unregister_visor_driver(&visornic_driver);
}

module_init(visornic_init);
module_exit(visornic_exit);

MODULE_AUTHOR("The Mullion developers");
MODULE_DESCRIPTION("Network interface of a Mullion or s-Par network service");
MODULE_LICENSE("GPL");
MODULE_ALIAS("visorbus:" VISOR_VNIC_CHANNEL_GUID_STR);
