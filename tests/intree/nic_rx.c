// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/nic_rx.c - what comes from the service, and receive buffers
 */
#include <string.h>

#include "nic.h"

/* ---- receive buffers --------------------------------------------------------------- */

void nic_post(struct nic *nic)
{
	struct nic_buffer *buffer = NULL;
	struct uiscmdrsp signal;

	for (uint32_t i = 0; i < nic->buffer_count && !buffer; i++) {
		if (!nic->buffers[i].cookie)
			buffer = &nic->buffers[i];
	}
	if (!buffer)
		return;
	buffer->memory = ram_alloc(RCVPOST_BUF_SIZE, ram_random(RAM_PAGE - RCVPOST_BUF_SIZE + 1));
	/* Kernel pointers: the upper half of all numbers. */
	buffer->cookie = 0xffff888000000000ULL + nic->next_cookie++ * 256;
	memset(&signal, 0x5a, sizeof(signal));
	signal.net.type = NET_RCV_POST;
	signal.net.buf = buffer->cookie;
	signal.net.rcvpost.frag.pi_pfn = buffer->memory.gpa / RAM_PAGE;
	signal.net.rcvpost.frag.pi_off = (uint16_t)(buffer->memory.gpa % RAM_PAGE);
	signal.net.rcvpost.frag.pi_len = RCVPOST_BUF_SIZE;
	signal.net.rcvpost.unique_num = nic->unique;
	if (nic_put(nic, &signal)) {
		/* Gone until the next open, as in the driver. */
		ram_free(&buffer->memory);
		buffer->cookie = 0;
	}
}

void nic_buffers_drop(struct nic *nic)
{
	for (uint32_t i = 0; i < NIC_BUFFERS; i++) {
		if (nic->buffers[i].cookie)
			ram_free(&nic->buffers[i].memory);
		nic->buffers[i].cookie = 0;
	}
}

void nic_xmits_drop(struct nic *nic)
{
	for (unsigned int i = 0; i < NIC_XMITS; i++) {
		if (nic->xmits[i].cookie)
			ram_list_free(&nic->xmits[i].data);
		nic->xmits[i].cookie = 0;
	}
	nic->xmit_count = 0;
}

static struct nic_buffer *nic_buffer_find(struct nic *nic, uint64_t cookie)
{
	for (uint32_t i = 0; cookie && i < NIC_BUFFERS; i++) {
		if (nic->buffers[i].cookie == cookie)
			return &nic->buffers[i];
	}
	return NULL;
}

/* ---- frames -------------------------------------------------------------------------- */

static bool nic_rcv_ok(struct nic *nic, const struct uiscmdrsp_net *net)
{
	const struct net_pkt_rcv *rcv = &net->rcv;
	unsigned int needed = (rcv->rcv_done_len + RCVPOST_BUF_SIZE - 1) / RCVPOST_BUF_SIZE;
	const char *name = nic->device->name;
	bool ok;

	ok = check(CHECK_NIC_CHAIN, rcv->rcv_done_len >= ETH_HEADER_SIZE &&
		   rcv->numrcvbufs == needed && needed <= MAX_NET_RCV_CHAIN,
		   "%s: %u bytes in %u buffers", name, rcv->rcv_done_len, rcv->numrcvbufs);
	if (!ok)
		return false;
	check(CHECK_NIC_CHAIN, rcv->rcvbuf[0] == net->buf,
	      "%s: rcvbuf[0] is 0x%llx, buf 0x%llx", name,
	      (unsigned long long)rcv->rcvbuf[0], (unsigned long long)net->buf);
	check(CHECK_NIC_UNIQUE, rcv->unique_num == nic->unique, "%s: unique_num 0x%llx", name,
	      (unsigned long long)rcv->unique_num);
	return true;
}

/* The guest's own filter: what it sees is what a guest would complain of. */
static void nic_accept(struct nic *nic, struct nic_frame *frame)
{
	bool own = !memcmp(frame->data, nic->mac, sizeof(nic->mac));
	bool group = frame->data[0] & 1;

	if (!nic->promiscuous &&
	    !check(CHECK_NIC_FILTER, own || group,
		   "%s: a frame for %02x:%02x:%02x:%02x:%02x:%02x", nic->device->name,
		   frame->data[0], frame->data[1], frame->data[2], frame->data[3],
		   frame->data[4], frame->data[5]))
		return;
	nic->received++;
	if (nic->frame_count == NIC_FRAMES) {
		nic->frame_first = (nic->frame_first + 1) % NIC_FRAMES;
		nic->frame_count--;
	}
	nic->frames[(nic->frame_first + nic->frame_count++) % NIC_FRAMES] = *frame;
}

static void nic_rcv(struct nic *nic, const struct uiscmdrsp_net *net)
{
	struct nic_frame *frame = &nic->arriving;
	const char *name = nic->device->name;
	bool whole = true;

	check(CHECK_NIC_POSTS, nic->enabled || (nic->context && !nic->wanted),
	      "%s: a frame before the enable was acknowledged", name);
	if (!nic_rcv_ok(nic, net))
		return;
	frame->bytes = 0;
	for (unsigned int i = 0; i < net->rcv.numrcvbufs; i++) {
		struct nic_buffer *buffer = nic_buffer_find(nic, net->rcv.rcvbuf[i]);
		uint32_t left = net->rcv.rcv_done_len - frame->bytes;
		uint32_t bytes = left < RCVPOST_BUF_SIZE ? left : RCVPOST_BUF_SIZE;

		if (!check(CHECK_NIC_COOKIE, buffer, "%s: cookie 0x%llx is of no posted buffer",
			   name, (unsigned long long)net->rcv.rcvbuf[i])) {
			whole = false;
			continue;
		}
		memcpy(frame->data + frame->bytes,
		       ram_at(buffer->memory.gpa, RCVPOST_BUF_SIZE), bytes);
		frame->bytes += bytes;
		ram_free(&buffer->memory);
		buffer->cookie = 0;
		nic_post(nic);
	}
	if (whole && nic->link && nic->enabled)
		nic_accept(nic, frame);
}

static void nic_xmit_done(struct nic *nic, const struct uiscmdrsp_net *net)
{
	struct nic_xmit *xmit = NULL;

	for (unsigned int i = 0; i < NIC_XMITS && !xmit; i++) {
		if (net->buf && nic->xmits[i].cookie == net->buf)
			xmit = &nic->xmits[i];
	}
	if (!check(CHECK_NIC_COOKIE, xmit, "%s: XMIT_DONE for cookie 0x%llx",
		   nic->device->name, (unsigned long long)net->buf))
		return;
	ram_list_free(&xmit->data);
	xmit->cookie = 0;
	nic->xmit_failed = net->xmtdone.xmt_done_result;
	nic->xmit_count--;
}

static void nic_ack(struct nic *nic, const struct uiscmdrsp_net *net)
{
	const char *name = nic->device->name;

	if (!check(CHECK_NIC_ACK, nic->context && net->enbdis.context == nic->context &&
		   net->enbdis.enable == nic->wanted,
		   "%s: acknowledged 0x%llx with %u, wanted 0x%llx with %u", name,
		   (unsigned long long)net->enbdis.context, net->enbdis.enable,
		   (unsigned long long)nic->context, nic->wanted))
		return;
	nic->context = 0;
	nic->enabled = nic->wanted;
	nic->quiet = !nic->wanted;
	if (nic->resuming) {
		check(CHECK_NIC_RESUME, nic->wanted, "%s: acknowledged a disable", name);
		event("%s open again", name);
	}
	nic->resuming = false;
}

static void nic_link(struct nic *nic, const struct uiscmdrsp_net *net)
{
	check(CHECK_NIC_LINK, net->enbdis.enable <= 1, "%s: connect status 0x%x",
	      nic->device->name, net->enbdis.enable);
	nic->link = net->enbdis.enable == 1;
	event("%s link %s", nic->device->name, nic->link ? "up" : "down");
}

void nic_drain(struct nic *nic)
{
	struct uiscmdrsp signal;

	while (!channel_remove(nic->channel, 1, &signal, sizeof(signal))) {
		const struct uiscmdrsp_net *net = &signal.net;

		if (!check(CHECK_NIC_DATA, signal.cmdtype == CMD_NET_TYPE,
			   "%s: a message of type %u", nic->device->name, signal.cmdtype))
			continue;
		if (nic->quiet)
			check(CHECK_NIC_ACK_LAST, net->type == NET_CONNECT_STATUS,
			      "%s: message %u after the acknowledgement of a disable",
			      nic->device->name, net->type);
		switch (net->type) {
		case NET_RCV:
			nic_rcv(nic, net);
			break;
		case NET_XMIT_DONE:
			nic_xmit_done(nic, net);
			break;
		case NET_RCV_ENBDIS_ACK:
			nic_ack(nic, net);
			break;
		case NET_CONNECT_STATUS:
			nic_link(nic, net);
			break;
		default:
			check(CHECK_NIC_DATA, net->type == NET_MACADDR_ACK,
			      "%s: message %u", nic->device->name, net->type);
			break;
		}
	}
}
