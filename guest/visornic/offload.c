// SPDX-License-Identifier: GPL-2.0-only
/*
 * offload.c - checksums and large frames, between skb and message
 *
 * What the service says of a received frame is checked against its headers,
 * once: where they end, which protocol they are of, where its checksum is.  The
 * stack would believe it all.
 */
#include <linux/if_vlan.h>
#include <linux/ip.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <net/flow_dissector.h>

#include "visornic.h"

/* The service is trusted with checksums that the administrator lets it check. */
static bool rx_csum(struct visornic_queue *q, struct sk_buff *skb,
		    const struct mullion_net_entry *entry)
{
	u32 end = entry->csum_start + entry->csum_offset + sizeof(__sum16);

	if (!(entry->flags & MULLION_NET_NEEDS_CSUM)) {
		if (entry->flags & MULLION_NET_DATA_VALID &&
		    q->nic->netdev->features & NETIF_F_RXCSUM)
			skb->ip_summed = CHECKSUM_UNNECESSARY;
		return true;
	}
	return entry->csum_start >= ETH_HLEN && end <= skb->len &&
	       pskb_may_pull(skb, end) &&
	       skb_partial_csum_set(skb, entry->csum_start, entry->csum_offset);
}

static bool rx_gso_known(u8 type, u32 *gso, __be16 *proto, u8 *ip_proto)
{
	switch (type & ~MULLION_NET_GSO_ECN) {
	case MULLION_NET_GSO_TCPV4:
		*gso = SKB_GSO_TCPV4;
		*proto = htons(ETH_P_IP);
		*ip_proto = IPPROTO_TCP;
		break;
	case MULLION_NET_GSO_TCPV6:
		*gso = SKB_GSO_TCPV6;
		*proto = htons(ETH_P_IPV6);
		*ip_proto = IPPROTO_TCP;
		break;
	case MULLION_NET_GSO_UDP_L4:
		if (!COMPAT_RX_USO)
			return false;
		*gso = SKB_GSO_UDP_L4;
		*proto = 0;
		*ip_proto = IPPROTO_UDP;
		break;
	default:
		return false;
	}
	if (type & MULLION_NET_GSO_ECN) {
		if (*ip_proto != IPPROTO_TCP)
			return false;
		*gso |= SKB_GSO_TCP_ECN;
	}
	return true;
}

/* Bytes of all headers if they are what they should be, or 0. */
static u32 rx_gso_headers(struct visornic_queue *q, struct sk_buff *skb,
			  __be16 proto, u8 ip_proto, u32 csum_start)
{
	const struct ethhdr *eth = (const void *)skb->data;
	struct flow_keys_basic keys;
	u32 transport, bytes;

	if (!skb_flow_dissect_flow_keys_basic(dev_net(q->nic->netdev), NULL,
					      &keys, skb->data, eth->h_proto,
					      ETH_HLEN, skb_headlen(skb),
					      FLOW_DISSECTOR_F_STOP_AT_ENCAP))
		return 0;
	if (keys.basic.ip_proto != ip_proto ||
	    keys.control.flags & FLOW_DIS_IS_FRAGMENT)
		return 0;
	if (proto ? keys.basic.n_proto != proto :
	    keys.basic.n_proto != htons(ETH_P_IP) &&
	    keys.basic.n_proto != htons(ETH_P_IPV6))
		return 0;
	transport = keys.control.thoff;
	if (transport != csum_start)
		return 0;
	bytes = transport + (ip_proto == IPPROTO_TCP ? sizeof(struct tcphdr) :
			     sizeof(struct udphdr));
	if (!pskb_may_pull(skb, bytes))
		return 0;
	if (ip_proto == IPPROTO_TCP) {
		const struct tcphdr *th = (const void *)(skb->data + transport);

		if (th->doff < sizeof(*th) / 4)
			return 0;
		bytes = transport + th->doff * 4;
		if (!pskb_may_pull(skb, bytes))
			return 0;
	}
	return bytes;
}

static bool rx_gso(struct visornic_queue *q, struct sk_buff *skb,
		   const struct mullion_net_entry *entry)
{
	struct skb_shared_info *info;
	u32 gso, headers, check;
	__be16 proto;
	u8 ip_proto;

	if (!rx_gso_known(entry->gso_type, &gso, &proto, &ip_proto) ||
	    !entry->gso_size || !(entry->flags & MULLION_NET_NEEDS_CSUM))
		return false;
	headers = rx_gso_headers(q, skb, proto, ip_proto, entry->csum_start);
	check = ip_proto == IPPROTO_TCP ? offsetof(struct tcphdr, check) :
		offsetof(struct udphdr, check);
	if (!headers || entry->csum_offset != check)
		return false;
	/* A single segment is a frame like any other. */
	if (skb->len - headers <= entry->gso_size)
		return true;
	info = skb_shinfo(skb);
	info->gso_size = entry->gso_size;
	/* What is forwarded is to be counted and checked once more. */
	info->gso_type = gso | SKB_GSO_DODGY;
	info->gso_segs = 0;
	q->rx_stats.large++;
	return true;
}

/**
 * visornic_rx_offload() - take over what the service says of a frame
 * @q: the pair
 * @skb: the frame, from its Ethernet header on
 * @entry: its first entry, a private copy
 *
 * Return: whether it can be true.
 */
bool visornic_rx_offload(struct visornic_queue *q, struct sk_buff *skb,
			 const struct mullion_net_entry *entry)
{
	if (!q->nic->offload)
		return entry->gso_type == MULLION_NET_GSO_NONE &&
		       !(entry->flags & MULLION_NET_NEEDS_CSUM);
	if (!rx_csum(q, skb, entry))
		return false;
	return entry->gso_type == MULLION_NET_GSO_NONE || rx_gso(q, skb, entry);
}

/**
 * visornic_tx_offload() - describe to the service what is left for it to do
 * @nic: the interface
 * @skb: the frame
 * @entry: of the message, zeroed
 *
 * Return: false for what was never offered to the stack.
 */
bool visornic_tx_offload(const struct visornic *nic, struct sk_buff *skb,
			 struct mullion_net_entry *entry)
{
	const struct skb_shared_info *info = skb_shinfo(skb);

	if (skb->ip_summed == CHECKSUM_PARTIAL) {
		if (unlikely(!nic->offload))
			return !skb_is_gso(skb) && !skb_checksum_help(skb);
		entry->flags = MULLION_NET_NEEDS_CSUM;
		entry->csum_start = skb_checksum_start_offset(skb);
		entry->csum_offset = skb->csum_offset;
	}
	if (!skb_is_gso(skb))
		return true;
	if (unlikely(!nic->offload || !entry->flags))
		return false;
	if (info->gso_type & SKB_GSO_TCPV4)
		entry->gso_type = MULLION_NET_GSO_TCPV4;
	else if (info->gso_type & SKB_GSO_TCPV6)
		entry->gso_type = MULLION_NET_GSO_TCPV6;
	else if (info->gso_type & SKB_GSO_UDP_L4)
		entry->gso_type = MULLION_NET_GSO_UDP_L4;
	else
		return false;
	if (info->gso_type & SKB_GSO_TCP_ECN)
		entry->gso_type |= MULLION_NET_GSO_ECN;
	entry->gso_size = info->gso_size;
	entry->hdr_len = skb_transport_offset(skb) +
			 (info->gso_type & SKB_GSO_UDP_L4 ?
			  sizeof(struct udphdr) : tcp_hdrlen(skb));
	return true;
}

/**
 * visornic_rx_offloads() - what the service may leave to us
 * @nic: the interface
 * @features: that are to be on
 *
 * A program sees frames as they were on a wire: nothing is left undone for it.
 *
 * Return: MULLION_NET_RX_*.
 */
u32 visornic_rx_offloads(const struct visornic *nic,
			 netdev_features_t features)
{
	u32 offloads = 0;

	if (rcu_access_pointer(nic->xdp_prog))
		return 0;
	if (features & NETIF_F_RXCSUM)
		offloads |= MULLION_NET_RX_CSUM;
	if (features & NETIF_F_GRO_HW)
		offloads |= MULLION_NET_RX_TSO4 | MULLION_NET_RX_TSO6 |
			    (COMPAT_RX_USO ? MULLION_NET_RX_USO : 0);
	return offloads;
}
