// SPDX-License-Identifier: GPL-2.0-only
/*
 * control.c - control messages: enable, promiscuous, offloads, addresses, link
 *
 * DOC: Theory of Operation
 *
 * All control messages go through queue pair 0 and say how something is to be
 * from now on, so only the last of each kind matters: it is marked as pending,
 * and sent when there is a slot, at the latest by the next poll.  After an attach
 * all of them are sent that the service does not know, enable last.
 *
 * The answers name the question's context.  Who asks waits for at most
 * VISORNIC_PATIENCE_SECONDS, and not at all for a service that is not there: what
 * is asked for then is asked when it is back, an address too, which is taken back
 * if the service says no.  A service that does not answer is attached anew.  One of
 * s-Par cannot be: it is given VISORNIC_ANSWER_SECONDS, and asked again now and then
 * as long as the interface is up.
 *
 * Buffers are posted when the service has none of them: a post that it takes together
 * with a disable is lost, and memory that it has twice it may write to when it is
 * somebody else's.  So an interface that is opened while a disable is unanswered begins
 * when that is answered, or after the next attach; and who gives up waiting for an
 * enable takes it back by a disable.
 *
 * Transmit queues run only between the acknowledgement of an enable and the next
 * disable, pause or fault.  The link is up until the service says otherwise.
 */
#include <linux/rtnetlink.h>

#include "visornic.h"

/* An administrator may change his mind so often, and no service more. */
#define VISORNIC_MAC_JIFFIES	(HZ / 10)

/* Promiscuous mode on, as the first guests said it; any nonzero value is. */
#define VISORNIC_PROMISC_ON	0x0100

/* ---- questions ------------------------------------------------------------------ */

static void talk_fill(struct visornic *nic, struct mullion_io_slot *slot,
		      u32 what)
{
	struct visornic_talk *talk = &nic->talk;
	struct uiscmdrsp_net *net = &slot->rsp.net;

	switch (what) {
	case VISORNIC_SEND_OFFLOADS:
		visornic_fill(nic, slot, MULLION_NET_OFFLOADS);
		net->enbdis.context = talk->offloads;
		break;
	case VISORNIC_SEND_PROMISC:
		visornic_fill(nic, slot, NET_RCV_PROMISC);
		net->enbdis.context = ++talk->context;
		net->enbdis.enable = talk->promisc ? VISORNIC_PROMISC_ON : 0;
		break;
	case VISORNIC_SEND_MAC:
		visornic_fill(nic, slot, NET_MACADDR);
		net->macaddr.context = talk->mac_context;
		memcpy(net->macaddr.macaddr, talk->mac, ETH_ALEN);
		break;
	case VISORNIC_SEND_ENABLE:
		visornic_fill(nic, slot, NET_RCV_ENBDIS);
		net->enbdis.context = talk->enable_context;
		net->enbdis.enable = talk->enable;
		break;
	}
}

/* Sends what is pending.  Returns whether to ring.  The lock is held. */
static bool talk_push(struct visornic *nic)
{
	struct visornic_queue *q = nic->queues;
	struct visornic_talk *talk = &nic->talk;
	struct mullion_io_slot *slot;
	u32 what;
	int rc;

	if (!talk->pending || !visornic_running(nic))
		return false;
	for (what = 1; what <= VISORNIC_SEND_ENABLE; what <<= 1) {
		if (!(talk->pending & what))
			continue;
		rc = visornic_slot(q, &slot);
		if (rc == -EAGAIN)
			visornic_slot_wait(q);
		if (rc)
			break;
		talk_fill(nic, slot, what);
		talk->pending &= ~what;
	}
	return visornic_running(nic) && visornic_publish(q);
}

/**
 * visornic_talk_send() - send control messages now, or as soon as possible
 * @nic: the interface
 * @what: VISORNIC_SEND_*; what they say is in @nic->talk
 *
 * Context: any.
 */
void visornic_talk_send(struct visornic *nic, u32 what)
{
	bool ring;
	unsigned long flags;

	spin_lock_irqsave(&nic->queues[0].lock, flags);
	nic->talk.pending |= what;
	ring = talk_push(nic);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	if (ring)
		visorbus_device_ring(nic->dev, 0);
}

/**
 * visornic_talk_flush() - send what found no slot
 * @nic: the interface
 */
void visornic_talk_flush(struct visornic *nic)
{
	if (READ_ONCE(nic->talk.pending))
		visornic_talk_send(nic, 0);
}

/**
 * visornic_talk_forget() - there will be no answers any more
 * @nic: the interface, paused or closed
 */
void visornic_talk_forget(struct visornic *nic)
{
	unsigned long flags;

	spin_lock_irqsave(&nic->queues[0].lock, flags);
	nic->talk.pending = 0;
	nic->talk.enable_context = 0;
	nic->talk.mac_context = 0;
	WRITE_ONCE(nic->enabled, false);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	wake_up_all(&nic->wait);
}

/* Nobody is about to post buffers when it returns. */
static void control_set_receiving(struct visornic *nic, bool receiving)
{
	unsigned int i;
	unsigned long flags;

	for (i = 0; i < nic->queue_count; i++) {
		spin_lock_irqsave(&nic->queues[i].lock, flags);
		WRITE_ONCE(nic->receiving, receiving);
		spin_unlock_irqrestore(&nic->queues[i].lock, flags);
	}
}

/* ---- enable and disable ------------------------------------------------------------ */

/**
 * visornic_napi_off() - nobody polls any more
 * @nic: the interface; @nic->control is held
 */
void visornic_napi_off(struct visornic *nic)
{
	unsigned int i;

	lockdep_assert_held(&nic->control);
	if (!nic->napi_on)
		return;
	nic->napi_on = false;
	for (i = 0; i < nic->queue_count; i++) {
		napi_disable(&nic->queues[i].napi);
		hrtimer_cancel(&nic->queues[i].timer);
	}
}

/**
 * visornic_napi_on() - poll again; the first time at once
 * @nic: the interface; @nic->control is held
 */
void visornic_napi_on(struct visornic *nic)
{
	unsigned int i;

	lockdep_assert_held(&nic->control);
	if (nic->napi_on)
		return;
	for (i = 0; i < nic->queue_count; i++)
		napi_enable(&nic->queues[i].napi);
	nic->napi_on = true;
	/* What rang meanwhile was not heard. */
	visornic_kick(nic);
}

static void control_ask_enable(struct visornic *nic, bool enable)
{
	struct visornic_talk *talk = &nic->talk;
	unsigned long flags;

	spin_lock_irqsave(&nic->queues[0].lock, flags);
	WRITE_ONCE(nic->enabled, false);
	talk->enable = enable;
	talk->enable_asked = jiffies;
	WRITE_ONCE(talk->enable_context, ++talk->context);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	visornic_talk_send(nic, VISORNIC_SEND_ENABLE);
}

/**
 * visornic_begin() - post all buffers and ask for enable
 * @nic: the interface, opened and running; @nic->control is held
 *
 * The service has no buffer of ours.  Transmit queues are woken by its answer.
 */
void visornic_begin(struct visornic *nic)
{
	struct visornic_talk *talk = &nic->talk;
	u32 what = VISORNIC_SEND_PROMISC;
	unsigned int i;
	unsigned long flags;

	lockdep_assert_held(&nic->control);
	netif_tx_disable(nic->netdev);
	visornic_napi_off(nic);
	control_set_receiving(nic, true);
	nic->unsettled = true;
	for (i = 0; i < nic->pairs; i++) {
		visornic_rx_reset(&nic->queues[i]);
		local_bh_disable();
		visornic_rx_post(&nic->queues[i], 1);
		local_bh_enable();
	}
	spin_lock_irqsave(&nic->queues[0].lock, flags);
	if (nic->offload)
		what |= VISORNIC_SEND_OFFLOADS;
	if (nic->batch && nic->mac_changed) {
		what |= VISORNIC_SEND_MAC;
		ether_addr_copy(talk->mac, nic->netdev->dev_addr);
		WRITE_ONCE(talk->mac_context, ++talk->context);
		talk->mac_asked = false;
	}
	talk->pending |= what;
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	control_ask_enable(nic, true);
	visornic_napi_on(nic);
}

static bool control_answered(struct visornic *nic)
{
	return !READ_ONCE(nic->talk.enable_context) || !visornic_live(nic);
}

/* Waits for the answer.  Returns false if there should be one, and is not. */
static bool control_wait(struct visornic *nic, const char *what)
{
	unsigned int seconds = nic->has_ext ? VISORNIC_PATIENCE_SECONDS :
					      VISORNIC_ANSWER_SECONDS;

	if (wait_event_timeout(nic->wait, control_answered(nic), seconds * HZ))
		return true;
	nic->answer_timeouts++;
	netdev_err(nic->netdev, "the network service does not answer: %s\n", what);
	return false;
}

/*
 * In s-Par's world no answer to them comes after the answer to a disable.
 * @nic->control is held.
 */
static void control_forget_frames(struct visornic *nic)
{
	unsigned int i;

	if (nic->has_ext || !nic->napi_on)
		return;
	visornic_napi_off(nic);
	for (i = 0; i < nic->queue_count; i++)
		visornic_tx_forget(&nic->queues[i], true);
	visornic_napi_on(nic);
}

/* Begins, if there is a service that has nothing of ours.  Returns whether it did. */
static bool control_begin(struct visornic *nic)
{
	bool unsettled;
	unsigned long flags;

	/* Under the lock: the answer that comes after this look finds it opened. */
	spin_lock_irqsave(&nic->queues[0].lock, flags);
	unsettled = nic->unsettled;
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	if (!nic->opened || unsettled || !visornic_live(nic))
		return false;
	control_forget_frames(nic);
	visornic_begin(nic);
	return true;
}

/**
 * visornic_begin_work() - the service has let go of what kept us from beginning
 * @work: of the interface
 */
void visornic_begin_work(struct work_struct *work)
{
	struct visornic *nic = container_of(work, struct visornic, begin_work);

	mutex_lock(&nic->control);
	control_begin(nic);
	mutex_unlock(&nic->control);
}

/* All is to come back.  Returns whether there is a service to say when it does. */
static bool control_end(struct visornic *nic)
{
	WRITE_ONCE(nic->opened, false);
	control_set_receiving(nic, false);
	if (!visornic_live(nic)) {
		visornic_talk_forget(nic);
		return false;
	}
	control_ask_enable(nic, false);
	return true;
}

/**
 * visornic_start() - the interface goes up
 * @nic: the interface; rtnl_lock() is held
 *
 * Return: 0, also without a service, or if it has a disable to answer first;
 * -ETIMEDOUT if it does not answer and cannot be attached anew.
 */
int visornic_start(struct visornic *nic)
{
	bool begun;

	mutex_lock(&nic->control);
	WRITE_ONCE(nic->opened, true);
	netif_tx_disable(nic->netdev);
	begun = control_begin(nic);
	mutex_unlock(&nic->control);
	if (!begun || control_wait(nic, "enable"))
		return 0;
	if (nic->has_ext) {
		visornic_recover(nic);
		return 0;
	}
	mutex_lock(&nic->control);
	control_end(nic);
	mutex_unlock(&nic->control);
	return -ETIMEDOUT;
}

/**
 * visornic_stop() - the interface goes down
 * @nic: the interface; rtnl_lock() is held
 */
void visornic_stop(struct visornic *nic)
{
	bool asked;

	mutex_lock(&nic->control);
	asked = control_end(nic);
	/* No answer to an enable can undo this any more. */
	netif_tx_disable(nic->netdev);
	netif_carrier_off(nic->netdev);
	mutex_unlock(&nic->control);
	if (!asked)
		return;
	if (!control_wait(nic, "disable")) {
		if (nic->has_ext)
			visornic_recover(nic);
		return;
	}
	mutex_lock(&nic->control);
	if (!nic->unsettled)
		control_forget_frames(nic);
	mutex_unlock(&nic->control);
}

/* ---- answers, and what the service says by itself ----------------------------------- */

static void control_enable_answer(struct visornic *nic,
				  const struct net_pkt_enbdis *m)
{
	struct visornic_talk *talk = &nic->talk;

	if (!talk->enable_context || m->context != talk->enable_context) {
		talk->invalid++;
		return;
	}
	WRITE_ONCE(talk->enable_context, 0);
	if (talk->enable) {
		WRITE_ONCE(nic->enabled, true);
		netif_tx_wake_all_queues(nic->netdev);
		if (talk->link_up)
			netif_carrier_on(nic->netdev);
	} else {
		nic->unsettled = false;
		if (READ_ONCE(nic->opened))
			schedule_work(&nic->begin_work);
	}
	wake_up_all(&nic->wait);
}

static void control_link(struct visornic *nic, bool up)
{
	if (nic->talk.link_up != up)
		nic->link_changes++;
	nic->talk.link_up = up;
	if (!up)
		netif_carrier_off(nic->netdev);
	else if (nic->enabled)
		netif_carrier_on(nic->netdev);
}

/* The lock is held. */
static void control_mac_news(struct visornic *nic, const u8 *mac)
{
	ether_addr_copy(nic->talk.mac_told, mac);
	nic->talk.mac_news = true;
	queue_delayed_work(system_wq, &nic->mac_work, VISORNIC_MAC_JIFFIES);
}

/**
 * visornic_mac_news() - take over an address, soon
 * @nic: the interface
 * @mac: the address
 */
void visornic_mac_news(struct visornic *nic, const u8 *mac)
{
	unsigned long flags;

	spin_lock_irqsave(&nic->queues[0].lock, flags);
	control_mac_news(nic, mac);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
}

static void control_mac(struct visornic *nic, const struct net_pkt_macaddr *m,
			bool answer)
{
	struct visornic_talk *talk = &nic->talk;
	u8 mac[ETH_ALEN] __aligned(2);

	memcpy(mac, m->macaddr, ETH_ALEN);
	if (!is_valid_ether_addr(mac) ||
	    (answer && (!talk->mac_context || m->context != talk->mac_context))) {
		talk->invalid++;
		return;
	}
	if (!answer) {
		control_mac_news(nic, mac);
		return;
	}
	if (talk->mac_asked) {
		talk->mac_answered = talk->mac_context;
		ether_addr_copy(talk->mac, mac);
	} else if (!ether_addr_equal(mac, nic->netdev->dev_addr)) {
		control_mac_news(nic, mac);
	}
	WRITE_ONCE(talk->mac_context, 0);
	wake_up_all(&nic->wait);
}

/**
 * visornic_control() - a message that is no data message
 * @q: the pair that it came through
 * @type: its type, as it was read
 * @slot: the message
 */
void visornic_control(struct visornic_queue *q, u32 type,
		      const struct mullion_io_slot *slot)
{
	struct visornic *nic = q->nic;
	struct net_pkt_enbdis enbdis;
	struct net_pkt_macaddr macaddr;
	unsigned long flags;

	memcpy(&enbdis, &slot->rsp.net.enbdis, sizeof(enbdis));
	memcpy(&macaddr, &slot->rsp.net.macaddr, sizeof(macaddr));
	/* What is checked below is what was copied. */
	barrier();
	if (q->index) {
		q->rx_stats.invalid++;
		return;
	}
	spin_lock_irqsave(&q->lock, flags);
	switch (type) {
	case NET_RCV_ENBDIS_ACK:
		control_enable_answer(nic, &enbdis);
		break;
	case NET_CONNECT_STATUS:
		control_link(nic, enbdis.enable == 1);
		break;
	case NET_MACADDR:
	case NET_MACADDR_ACK:
		control_mac(nic, &macaddr, type == NET_MACADDR_ACK);
		break;
	default:
		q->rx_stats.invalid++;
	}
	spin_unlock_irqrestore(&q->lock, flags);
}

/* ---- addresses -------------------------------------------------------------------------- */

/* Answered, or forgotten: after a resume there may be another question already. */
static bool control_mac_over(struct visornic *nic, u64 context)
{
	return READ_ONCE(nic->talk.mac_context) != context || !visornic_live(nic);
}

/**
 * visornic_ask_mac() - ask the service for another address
 * @nic: the interface; rtnl_lock() is held
 * @mac: the address
 *
 * Return: 0; -EPERM if the address is not the guest's to choose; -EAGAIN without
 * a service; -ETIMEDOUT if it does not answer; -EOPNOTSUPP if it is one of s-Par.
 */
int visornic_ask_mac(struct visornic *nic, const u8 *mac)
{
	struct visornic_talk *talk = &nic->talk;
	bool answered, same, over;
	u64 context;
	unsigned long flags;

	if (!nic->batch)
		return -EOPNOTSUPP;
	if (!visornic_live(nic))
		return -EAGAIN;
	spin_lock_irqsave(&nic->queues[0].lock, flags);
	ether_addr_copy(talk->mac, mac);
	context = ++talk->context;
	WRITE_ONCE(talk->mac_context, context);
	talk->mac_asked = true;
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	visornic_talk_send(nic, VISORNIC_SEND_MAC);
	wait_event_timeout(nic->wait, control_mac_over(nic, context),
			   VISORNIC_PATIENCE_SECONDS * HZ);
	spin_lock_irqsave(&nic->queues[0].lock, flags);
	answered = talk->mac_answered == context && visornic_live(nic);
	same = ether_addr_equal(talk->mac, mac);
	over = talk->mac_context != context;
	talk->mac_asked = false;
	if (!over)
		WRITE_ONCE(talk->mac_context, 0);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	if (answered)
		return same ? 0 : -EPERM;
	/* It may have taken the address and not said so. */
	WRITE_ONCE(nic->mac_changed, true);
	if (over || !visornic_live(nic))
		return -EAGAIN;
	nic->answer_timeouts++;
	return -ETIMEDOUT;
}

/**
 * visornic_mac_work() - take over an address that the service has told of
 * @work: of the interface
 */
void visornic_mac_work(struct work_struct *work)
{
	struct visornic *nic = container_of(to_delayed_work(work),
					    struct visornic, mac_work);
	u8 mac[ETH_ALEN] __aligned(2);
	bool news;
	unsigned long flags;

	rtnl_lock();
	spin_lock_irqsave(&nic->queues[0].lock, flags);
	news = nic->talk.mac_news;
	nic->talk.mac_news = false;
	ether_addr_copy(mac, nic->talk.mac_told);
	spin_unlock_irqrestore(&nic->queues[0].lock, flags);
	if (news)
		nic->mac_changed = false;
	if (news && !ether_addr_equal(mac, nic->netdev->dev_addr)) {
		eth_hw_addr_set(nic->netdev, mac);
		if (nic->netdev->reg_state == NETREG_REGISTERED)
			call_netdevice_notifiers(NETDEV_CHANGEADDR, nic->netdev);
	}
	rtnl_unlock();
}
