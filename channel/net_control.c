// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/net_control.c - a process guest's NIC: control messages
 *
 * Of each kind there is one that is wanted or none: asking twice before the
 * first left is asking once, for what was said last.  All are sent again when
 * a service begins.
 */
#include <errno.h>
#include <string.h>

#include "net_internal.h"

#define CONTROL_PROMISCUOUS_ON	0x0100	/* s-Par channel ABI, section 8.2 */

static bool control_send(struct mullion_net *nic, const struct uiscmdrsp_net *net)
{
	struct mullion_io_slot *slot;
	void *memory;
	int ret = mullion_sq_produce(&nic->client.pair[0].cmd, &memory);

	if (ret == -EPROTO)
		nic->client.faulted = true;
	if (ret < 0)
		return false;
	slot = memory;
	slot->rsp.cmdtype = CMD_NET_TYPE;
	memcpy(&slot->rsp.net, net, offsetof(struct uiscmdrsp_net, macaddr) +
				    sizeof(net->macaddr));
	slot->ext.epoch = (uint32_t)nic->client.attach.epoch;
	return true;
}

static void control_fill(const struct mullion_net *nic, uint32_t want,
			 struct uiscmdrsp_net *net)
{
	switch (want) {
	case NIC_WANT_OFFLOADS:
		net->type = MULLION_NET_OFFLOADS;
		net->enbdis.context = nic->offloads;
		break;
	case NIC_WANT_PROMISCUOUS:
		net->type = NET_RCV_PROMISC;
		net->enbdis.enable = nic->promiscuous ? CONTROL_PROMISCUOUS_ON : 0;
		break;
	case NIC_WANT_MAC:
		net->type = NET_MACADDR;
		memcpy(net->macaddr.macaddr, nic->mac_wanted, MAX_MACADDR_LEN);
		break;
	default:
		net->type = NET_RCV_ENBDIS;
		net->enbdis.enable = 1;
		break;
	}
}

bool nic_control_push(struct mullion_net *nic)
{
	for (uint32_t want = 1; want <= nic->wanted; want <<= 1) {
		struct uiscmdrsp_net net;

		if (!(nic->wanted & want))
			continue;
		memset(&net, 0, sizeof(net));
		control_fill(nic, want, &net);
		if (!control_send(nic, &net))
			return true;
		if (want == NIC_WANT_OFFLOADS)
			nic->offloads_told |= nic->offloads;
		nic->wanted &= ~want;
	}
	return false;
}

static void control_changed(struct mullion_net *nic, unsigned int change)
{
	nic->changes |= change;
	nic->client.progress++;
}

static void control_mac(struct mullion_net *nic, const struct uiscmdrsp_net *net,
			bool answer)
{
	/* An answer to an earlier question: the last one's will come. */
	if (answer && nic->wanted & NIC_WANT_MAC)
		return;
	memcpy(nic->mac, net->macaddr.macaddr, sizeof(nic->mac));
	nic->own_mac = answer &&
		       !memcmp(nic->mac, nic->mac_wanted, sizeof(nic->mac));
	control_changed(nic, MULLION_NET_CHANGE_MAC);
}

int nic_control_message(struct mullion_net *nic, const struct mullion_io_slot *slot,
			uint32_t type)
{
	struct uiscmdrsp_net net;

	/* What is checked is what is used. */
	memcpy(&net, &slot->rsp.net, offsetof(struct uiscmdrsp_net, macaddr) +
				     sizeof(net.macaddr));
	__asm__ volatile("" ::: "memory");
	switch (type) {
	case NET_RCV_ENBDIS_ACK:
		nic->enabled = net.enbdis.enable;
		nic->client.progress++;
		return 0;
	case NET_CONNECT_STATUS:
		if (nic->link != (net.enbdis.enable == 1)) {
			nic->link = !nic->link;
			control_changed(nic, MULLION_NET_CHANGE_LINK);
		}
		return 0;
	case NET_MACADDR:
	case NET_MACADDR_ACK:
		control_mac(nic, &net, type == NET_MACADDR_ACK);
		return 0;
	default:
		return -EPROTO;
	}
}

void nic_control_read_fixed(struct mullion_net *nic,
			    const struct iochannel_vnic *vnic)
{
	if (vnic->mtu >= MULLION_NET_MTU_MIN && vnic->mtu <= MULLION_NET_MTU_MAX &&
	    vnic->mtu != nic->mtu) {
		nic->mtu = vnic->mtu;
		control_changed(nic, MULLION_NET_CHANGE_MTU);
	}
	if (nic->own_mac) {
		memcpy(nic->mac_wanted, nic->mac, sizeof(nic->mac));
		nic->wanted |= NIC_WANT_MAC;
	} else if (memcmp(nic->mac, vnic->macaddr, sizeof(nic->mac))) {
		memcpy(nic->mac, vnic->macaddr, sizeof(nic->mac));
		control_changed(nic, MULLION_NET_CHANGE_MAC);
	}
}
