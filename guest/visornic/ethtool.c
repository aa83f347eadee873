// SPDX-License-Identifier: GPL-2.0-only
/*
 * ethtool.c - what ethtool shows and sets
 *
 * Counters are read without locks.  Ring sizes and channels change with the
 * interface down in between, if only for a moment; channels also need a new
 * epoch, for the service hands out frames to all pairs that had buffers in this
 * one, and the pairs' areas move.
 */
#include <linux/ethtool.h>
#include <linux/netdevice.h>

#include "visornic.h"

struct ethtool_counter {
	char name[ETH_GSTRING_LEN];
	size_t offset;
};

#define NIC(field)	{ #field, offsetof(struct visornic, field) }
#define TX(field)	{ "tx_" #field, offsetof(struct visornic_queue, tx_stats.field) }
#define RX(field)	{ "rx_" #field, offsetof(struct visornic_queue, rx_stats.field) }

static const struct ethtool_counter ethtool_nic[] = {
	NIC(resumes), NIC(resets), NIC(faults), NIC(tx_timeouts),
	NIC(answer_timeouts), NIC(link_changes),
	{ "control_invalid", offsetof(struct visornic, talk.invalid) },
};

/* The first ones of each are kept in u64_stats_t, which is a u64 here. */
static const struct ethtool_counter ethtool_queue[] = {
	TX(packets), TX(bytes), TX(errors), TX(lost), TX(dropped),
	TX(messages), TX(rings), TX(stops), TX(wakes), TX(ring_full), TX(xdp),
	RX(packets), RX(bytes), RX(multicast), RX(errors), RX(dropped),
	RX(missed), RX(messages), RX(interrupts), RX(posts), RX(large),
	RX(bad_cookies), RX(bad_lengths), RX(bad_offloads), RX(invalid),
	RX(stale), RX(xdp_drops), RX(xdp_sends), RX(xdp_redirects),
};

static void ethtool_drvinfo(struct net_device *netdev,
			    struct ethtool_drvinfo *info)
{
	struct visornic *nic = netdev_priv(netdev);

	strscpy(info->driver, KBUILD_MODNAME, sizeof(info->driver));
	strscpy(info->bus_info, dev_name(&nic->dev->device),
		sizeof(info->bus_info));
	snprintf(info->fw_version, sizeof(info->fw_version), "%s%s%s",
		 nic->batch ? "mullion" : "s-par",
		 nic->offload ? ", offloads" : "",
		 nic->physical ? ", physical" : "");
}

static int ethtool_count(struct net_device *netdev, int set)
{
	struct visornic *nic = netdev_priv(netdev);

	switch (set) {
	case ETH_SS_STATS:
		return ARRAY_SIZE(ethtool_nic) +
		       nic->queue_count * ARRAY_SIZE(ethtool_queue);
	case ETH_SS_TEST:
		return visornic_test_count();
	default:
		return -EOPNOTSUPP;
	}
}

static void ethtool_strings(struct net_device *netdev, u32 set, u8 *data)
{
	struct visornic *nic = netdev_priv(netdev);
	unsigned int i, queue;

	if (set == ETH_SS_TEST)
		visornic_test_names(data);
	if (set != ETH_SS_STATS)
		return;
	for (i = 0; i < ARRAY_SIZE(ethtool_nic); i++)
		ethtool_sprintf(&data, "%s", ethtool_nic[i].name);
	for (queue = 0; queue < nic->queue_count; queue++)
		for (i = 0; i < ARRAY_SIZE(ethtool_queue); i++)
			ethtool_sprintf(&data, "%.2s%u%s", ethtool_queue[i].name,
					queue, ethtool_queue[i].name + 2);
}

static u64 ethtool_value(const void *object, const struct ethtool_counter *counter)
{
	return READ_ONCE(*(const u64 *)(object + counter->offset));
}

static void ethtool_stats(struct net_device *netdev,
			  struct ethtool_stats *stats, u64 *data)
{
	struct visornic *nic = netdev_priv(netdev);
	unsigned int i, queue;

	BUILD_BUG_ON(sizeof(u64_stats_t) != sizeof(u64));
	for (i = 0; i < ARRAY_SIZE(ethtool_nic); i++)
		*data++ = ethtool_value(nic, &ethtool_nic[i]);
	for (queue = 0; queue < nic->queue_count; queue++)
		for (i = 0; i < ARRAY_SIZE(ethtool_queue); i++)
			*data++ = ethtool_value(&nic->queues[queue],
						&ethtool_queue[i]);
}

/* ---- rings, channels ---------------------------------------------------------------- */

static void ethtool_rings(struct net_device *netdev,
			  struct ethtool_ringparam *ring,
			  struct kernel_ethtool_ringparam *kernel,
			  struct netlink_ext_ack *extack)
{
	struct visornic *nic = netdev_priv(netdev);

	ring->rx_max_pending = nic->rx_max;
	ring->rx_pending = nic->rx_count;
	ring->tx_max_pending = nic->tx_max;
	ring->tx_pending = nic->tx_count;
}

static int ethtool_set_rings(struct net_device *netdev,
			     struct ethtool_ringparam *ring,
			     struct kernel_ethtool_ringparam *kernel,
			     struct netlink_ext_ack *extack)
{
	struct visornic *nic = netdev_priv(netdev);
	bool up = netif_running(netdev);

	if (ring->rx_mini_pending || ring->rx_jumbo_pending)
		return -EINVAL;
	if (ring->rx_pending < VISORNIC_BUFFERS_MIN ||
	    ring->tx_pending < VISORNIC_FRAMES_MIN) {
		NL_SET_ERR_MSG_MOD(extack, "at least 8 receive buffers and 4 frames to send");
		return -EINVAL;
	}
	WRITE_ONCE(nic->tx_count, ring->tx_pending);
	if (ring->rx_pending == nic->rx_count)
		return 0;
	if (up)
		visornic_stop(nic);
	mutex_lock(&nic->control);
	nic->rx_wanted = ring->rx_pending == nic->rx_max ? U32_MAX :
		ring->rx_pending;
	nic->rx_count = min(nic->rx_max, nic->rx_wanted);
	mutex_unlock(&nic->control);
	return up ? visornic_start(nic) : 0;
}

static void ethtool_channels(struct net_device *netdev,
			     struct ethtool_channels *channels)
{
	struct visornic *nic = netdev_priv(netdev);

	channels->max_combined = nic->queue_count;
	channels->combined_count = nic->pairs_wanted;
}

static int ethtool_set_channels(struct net_device *netdev,
				struct ethtool_channels *channels)
{
	struct visornic *nic = netdev_priv(netdev);

	if (channels->rx_count || channels->tx_count || channels->other_count ||
	    !channels->combined_count)
		return -EINVAL;
	if (channels->combined_count == nic->pairs_wanted)
		return 0;
	return visornic_set_pairs(nic, channels->combined_count);
}

/* ---- doorbells, link ------------------------------------------------------------------ */

static int ethtool_coalesce(struct net_device *netdev,
			    struct ethtool_coalesce *coalesce,
			    struct kernel_ethtool_coalesce *kernel,
			    struct netlink_ext_ack *extack)
{
	struct visornic *nic = netdev_priv(netdev);

	coalesce->rx_coalesce_usecs = nic->coalesce_usecs;
	return 0;
}

static int ethtool_set_coalesce(struct net_device *netdev,
				struct ethtool_coalesce *coalesce,
				struct kernel_ethtool_coalesce *kernel,
				struct netlink_ext_ack *extack)
{
	struct visornic *nic = netdev_priv(netdev);

	if (coalesce->rx_coalesce_usecs > USEC_PER_SEC / 10) {
		NL_SET_ERR_MSG_MOD(extack, "at most 100000 microseconds");
		return -EINVAL;
	}
	WRITE_ONCE(nic->coalesce_usecs, coalesce->rx_coalesce_usecs);
	return 0;
}

static int ethtool_link(struct net_device *netdev,
			struct ethtool_link_ksettings *link)
{
	struct visornic *nic = netdev_priv(netdev);

	link->base.speed = nic->speed;
	link->base.duplex = nic->duplex;
	link->base.port = PORT_OTHER;
	link->base.autoneg = AUTONEG_DISABLE;
	return 0;
}

static int ethtool_set_link(struct net_device *netdev,
			    const struct ethtool_link_ksettings *link)
{
	struct visornic *nic = netdev_priv(netdev);

	return ethtool_virtdev_set_link_ksettings(netdev, link, &nic->speed,
						  &nic->duplex);
}

const struct ethtool_ops visornic_ethtool_ops = {
	.supported_coalesce_params = ETHTOOL_COALESCE_RX_USECS,
	.get_drvinfo = ethtool_drvinfo,
	.get_link = ethtool_op_get_link,
	.get_coalesce = ethtool_coalesce,
	.set_coalesce = ethtool_set_coalesce,
	.get_ringparam = ethtool_rings,
	.set_ringparam = ethtool_set_rings,
	.self_test = visornic_self_test,
	.get_strings = ethtool_strings,
	.get_ethtool_stats = ethtool_stats,
	.get_sset_count = ethtool_count,
	.get_channels = ethtool_channels,
	.set_channels = ethtool_set_channels,
	.get_ts_info = ethtool_op_get_ts_info,
	.get_link_ksettings = ethtool_link,
	.set_link_ksettings = ethtool_set_link,
};
