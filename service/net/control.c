// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/control.c - enable and disable, link, addresses, offloads
 *
 * DOC: Theory of Operation
 *
 * All of it is on queue pair 0.  Every RCV_ENBDIS is answered exactly once.  An
 * enable is answered at once, and the link's state follows.  A disable is
 * answered when no message that its client processes later can name memory
 * that the client frees:
 *
 * - s-Par's guests free their buffers when they see the acknowledgement, forget
 *   what they transmit, and process what follows it only when they are open
 *   again: it must be the last message.  But a transmit may be put into the ring
 *   just behind the disable, and what receive messages gave back is posted again
 *   behind it.  So the answer is held back for 4 ms (guests look every 10 ms),
 *   and until the response ring is empty and what was given back was posted
 *   again: for 100 ms at most since the ring is empty, for a second in all.
 *   After it, for as long as its slot was not read, posts are dropped and
 *   transmits go unanswered, because they are from before, and the link's state
 *   is told after the next enable.
 * - A client with batches posts nothing after a disable, but what it posted on
 *   other pairs may still lie in their rings.  Posts of the messages that lie there
 *   at the acknowledgement do not count when they are taken.
 *
 * A second request while a disable waits ends the wait: one answer for each.
 *
 * The address that a client asks for lasts as long as its incarnation: the one
 * in the channel stays the administrator's, which the next driver begins with.
 *
 * Failure behaviour: what finds no room in the response ring waits there, and
 * only its newest state is told.
 */
#include <string.h>

#include "net.h"

#define CONTROL_SETTLE_NS	4000000ULL
#define CONTROL_OWED_NS		100000000ULL
#define CONTROL_WAIT_NS		1000000000ULL
#define CONTROL_TICK_MS		2

bool net_control_knows(uint32_t type)
{
	return type == NET_RCV_ENBDIS || type == NET_RCV_PROMISC || type == NET_MACADDR ||
	       type == MULLION_NET_OFFLOADS;
}

/* A message to the client; NULL if its ring is broken.  There is room. */
static struct uiscmdrsp_net *control_message(struct net_nic *nic, uint32_t type)
{
	struct net_queue *q = &nic->queues[0];
	struct mullion_io_slot *slot;
	struct uiscmdrsp_net *message;
	void *memory = NULL;

	/* In the order in which things happened. */
	net_flush(q);
	if (mullion_sq_produce(&q->ring->rsp, &memory) < 0) {
		net_nic_fault(nic);
		return NULL;
	}
	slot = memory;
	slot->rsp.cmdtype = CMD_NET_TYPE;
	message = &slot->rsp.net;
	memset(message, 0, offsetof(struct uiscmdrsp_net, rcv) + sizeof(message->rcv));
	message->type = type;
	if (nic->slot_ext) {
		memset(&slot->ext, 0, sizeof(slot->ext));
		slot->ext.epoch = nic->epoch;
	}
	return message;
}

static void control_tell_link(struct net_nic *nic)
{
	struct uiscmdrsp_net *message = control_message(nic, NET_CONNECT_STATUS);

	nic->tell_link = false;
	if (message)
		message->enbdis.enable = nic->link_up;
}

static void control_tell_mac(struct net_nic *nic)
{
	struct uiscmdrsp_net *message = control_message(nic, NET_MACADDR);

	nic->tell_mac = false;
	if (message)
		memcpy(message->macaddr.macaddr, nic->port.filter.mac, MAX_MACADDR_LEN);
}

/* ---- enable and disable ------------------------------------------------------- */

static void control_acknowledge(struct net_nic *nic, uint64_t context, uint16_t enable)
{
	struct uiscmdrsp_net *message = control_message(nic, NET_RCV_ENBDIS_ACK);

	if (!message)
		return;
	message->enbdis.context = context;
	message->enbdis.enable = enable;
}

static void control_tick(void *arg)
{
	/* The loop is awake: net_control_poll() looks. */
	(void)arg;
}

/* What names buffers is shown now: pair 0 is the first at the end of a turn. */
static void control_settle_pair(struct net_queue *q)
{
	int pending;

	net_flush(q);
	mullion_queue_publish(q->ring);
	/* An index out of range is for who takes from it to see. */
	pending = mullion_sq_pending(&q->ring->cmd);
	q->outdated = pending > 0 ? (uint32_t)pending : 0;
}

void net_control_finish_disable(struct net_nic *nic)
{
	if (!nic->disabling)
		return;
	nic->disabling = false;
	mullion_loop_timer_stop(&nic->timer);
	net_withdraw(nic);
	for (unsigned int i = 1; i < NET_PAIRS; i++)
		control_settle_pair(&nic->queues[i]);
	control_acknowledge(nic, nic->context, 0);
	nic->unseen = !nic->batch;
}

/* Has the client read all that was shown? */
static bool control_is_drained(struct net_nic *nic)
{
	struct mullion_sq *rsp = &nic->queues[0].ring->rsp;

	return mullion_sq_space(rsp) == (int)rsp->max_slots - 1;
}

bool net_control_is_outdated(struct net_nic *nic)
{
	if (nic->unseen && control_is_drained(nic))
		nic->unseen = false;
	return nic->unseen;
}

static bool control_is_quiet(struct net_nic *nic)
{
	uint64_t now;

	if (nic->batch)
		return true;
	now = net_now();
	if (now >= nic->deadline)
		return true;
	if (now < nic->settled || !control_is_drained(nic))
		return false;
	if (!nic->owed_until)
		nic->owed_until = now + CONTROL_OWED_NS;
	return !nic->owed || now >= nic->owed_until;
}

static void control_disable(struct net_nic *nic, uint64_t context)
{
	nic->enabled = false;
	net_nic_update(nic);
	nic->disabling = true;
	nic->context = context;
	nic->settled = net_now() + CONTROL_SETTLE_NS;
	nic->deadline = net_now() + CONTROL_WAIT_NS;
	nic->owed_until = 0;
	if (!nic->batch) {
		mullion_loop_timer_start(&nic->timer, CONTROL_TICK_MS, true,
					 control_tick, NULL);
		/* They are not to be used any more; those to come are dropped. */
		nic->queues[0].posted = 0;
		nic->tell_link = false;
	}
	if (control_is_quiet(nic))
		net_control_finish_disable(nic);
}

static void control_enbdis(struct net_nic *nic, uint64_t context, bool enable)
{
	net_control_finish_disable(nic);
	if (!enable) {
		control_disable(nic, context);
		return;
	}
	nic->enabled = true;
	nic->unseen = false;
	net_nic_update(nic);
	control_acknowledge(nic, context, 1);
	nic->tell_link = true;
}

unsigned int net_control_poll(struct net_nic *nic)
{
	unsigned int n = 0;

	if (!nic->serving)
		return 0;
	if (nic->disabling && control_is_quiet(nic) && net_room(&nic->queues[0], 1)) {
		net_control_finish_disable(nic);
		n++;
	}
	if (nic->tell_link && net_room(&nic->queues[0], 1)) {
		control_tell_link(nic);
		n++;
	}
	if (nic->tell_mac && net_room(&nic->queues[0], 1)) {
		control_tell_mac(nic);
		n++;
	}
	return n;
}

/* ---- the rest --------------------------------------------------------------------- */

static void control_macaddr(struct net_nic *nic, uint64_t context, const uint8_t *mac)
{
	struct uiscmdrsp_net *message;

	net_nic_set_mac(nic, mac);
	message = control_message(nic, NET_MACADDR_ACK);
	if (!message)
		return;
	message->macaddr.context = context;
	memcpy(message->macaddr.macaddr, nic->port.filter.mac, MAX_MACADDR_LEN);
}

static void control_offloads(struct net_nic *nic, uint64_t takes)
{
	if (!nic->offload)
		return;
	/* Large frames have incomplete checksums: the one needs the other. */
	nic->takes = takes & MULLION_NET_RX_CSUM ? takes & MULLION_NET_RX_KNOWN : 0;
}

void net_control_message(struct net_nic *nic, uint32_t type,
			 const struct mullion_io_slot *slot)
{
	struct net_pkt_macaddr macaddr;
	struct net_pkt_enbdis enbdis;

	memcpy(&enbdis, &slot->rsp.net.enbdis, sizeof(enbdis));
	memcpy(&macaddr, &slot->rsp.net.macaddr, sizeof(macaddr));
	__asm__ volatile("" : "+m"(enbdis), "+m"(macaddr));
	nic->counters->control++;
	switch (type) {
	case NET_RCV_ENBDIS:
		control_enbdis(nic, enbdis.context, enbdis.enable);
		break;
	case NET_RCV_PROMISC:
		/* "On" is 0x0100: anything but 0. */
		nic->promiscuous = enbdis.enable;
		break;
	case NET_MACADDR:
		control_macaddr(nic, macaddr.context, macaddr.macaddr);
		break;
	default:
		control_offloads(nic, enbdis.context);
		break;
	}
}
