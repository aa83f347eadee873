// SPDX-License-Identifier: GPL-2.0-only
/*
 * xdp.c - programs that see frames before the stack does
 *
 * A frame is copied once, as ever, but into one piece with room before it, and
 * the program runs on that copy.  What it passes becomes an skb around the same
 * memory; what it sends goes through the pair's own transmit area, or from there.
 *
 * While there is a program the service makes checksums and segments: the program
 * sees frames as they were on a wire.  Limit: a frame and what is around it fit
 * into a page, which bounds the MTU.
 */
#include <linux/bpf.h>
#include <linux/bpf_trace.h>
#include <linux/filter.h>
#include <net/xdp.h>

#include "visornic.h"

#define XDP_TAIL	SKB_DATA_ALIGN(sizeof(struct skb_shared_info))
#define XDP_ROOM	(PAGE_SIZE - XDP_PACKET_HEADROOM - XDP_TAIL)

/**
 * visornic_xdp_mtu() - the largest MTU with which programs are possible
 */
u32 visornic_xdp_mtu(void)
{
	return XDP_ROOM - ETH_HLEN - 2 * VLAN_HLEN;
}

static int xdp_set(struct net_device *netdev, struct bpf_prog *prog,
		   struct netlink_ext_ack *extack)
{
	struct visornic *nic = netdev_priv(netdev);
	struct bpf_prog *old = rtnl_dereference(nic->xdp_prog);
	unsigned long flags;

	if (prog && netdev->mtu > visornic_xdp_mtu()) {
		NL_SET_ERR_MSG_MOD(extack, "the MTU is too large for XDP");
		return -EINVAL;
	}
	rcu_assign_pointer(nic->xdp_prog, prog);
	if (old)
		bpf_prog_put(old);
	if (nic->offload && !old != !prog) {
		spin_lock_irqsave(&nic->queues[0].lock, flags);
		nic->talk.offloads = visornic_rx_offloads(nic, netdev->features);
		spin_unlock_irqrestore(&nic->queues[0].lock, flags);
		visornic_talk_send(nic, VISORNIC_SEND_OFFLOADS);
	}
	return 0;
}

/**
 * visornic_xdp() - ndo_bpf
 * @netdev: the interface
 * @bpf: what is wanted
 */
int visornic_xdp(struct net_device *netdev, struct netdev_bpf *bpf)
{
	if (bpf->command != XDP_SETUP_PROG)
		return -EINVAL;
	return xdp_set(netdev, bpf->prog, bpf->extack);
}

static struct sk_buff *xdp_to_skb(struct xdp_buff *xdp)
{
	struct sk_buff *skb = build_skb(xdp->data_hard_start, PAGE_SIZE);

	if (!skb)
		return NULL;
	skb_reserve(skb, xdp->data - xdp->data_hard_start);
	__skb_put(skb, xdp->data_end - xdp->data);
	if (xdp->data > xdp->data_meta)
		skb_metadata_set(skb, xdp->data - xdp->data_meta);
	return skb;
}

/**
 * visornic_xdp_run() - let a program see a frame
 * @q: the pair that NAPI is polling
 * @prog: the program
 * @entries: of the frame, private and checked
 * @bytes: of the frame
 * @skb: set to what the stack gets, if it gets something
 *
 * A frame that the service did not complete, because it was under way when the
 * program came, is dropped.
 */
enum visornic_xdp_verdict visornic_xdp_run(struct visornic_queue *q,
					   struct bpf_prog *prog,
					   const struct mullion_net_entry *entries,
					   u32 bytes, struct sk_buff **skb)
{
	struct net_device *netdev = q->nic->netdev;
	struct xdp_buff xdp;
	struct page *page;
	u8 *start;
	u32 act;

	if (bytes > XDP_ROOM || entries->gso_type ||
	    entries->flags & MULLION_NET_NEEDS_CSUM)
		return VISORNIC_XDP_ERROR;
	page = dev_alloc_page();
	if (!page)
		return VISORNIC_XDP_ERROR;
	start = page_address(page);
	visornic_rx_copy(q, entries, 0, start + XDP_PACKET_HEADROOM, bytes);
	xdp_init_buff(&xdp, PAGE_SIZE, &q->xdp_rxq);
	xdp_prepare_buff(&xdp, start, XDP_PACKET_HEADROOM, bytes, true);
	act = bpf_prog_run_xdp(prog, &xdp);
	q->xdp_sent |= act == XDP_TX || act == XDP_REDIRECT;
	switch (act) {
	case XDP_PASS:
		*skb = xdp_to_skb(&xdp);
		if (!*skb)
			goto error;
		return VISORNIC_XDP_SKB;
	case XDP_TX:
		if (!visornic_tx_xdp(q, page, xdp.data, xdp.data_end - xdp.data))
			trace_xdp_exception(netdev, prog, act);
		q->rx_stats.xdp_sends++;
		break;
	case XDP_REDIRECT:
		if (xdp_do_redirect(netdev, &xdp, prog))
			goto error;
		q->rx_stats.xdp_redirects++;
		return VISORNIC_XDP_TAKEN;
	default:
		bpf_warn_invalid_xdp_action(netdev, prog, act);
		fallthrough;
	case XDP_ABORTED:
		trace_xdp_exception(netdev, prog, act);
		fallthrough;
	case XDP_DROP:
		q->rx_stats.xdp_drops++;
		break;
	}
	put_page(page);
	return VISORNIC_XDP_TAKEN;

error:
	trace_xdp_exception(netdev, prog, act);
	put_page(page);
	return VISORNIC_XDP_ERROR;
}
