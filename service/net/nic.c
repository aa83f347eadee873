// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/nic.c - network cards, as devices of the common layer
 *
 * A card is a port of the switch from its start to its stop; frames reach it
 * while its client is attached, has enabled it, and its link is up.  With each
 * epoch all that the client said is forgotten: it posts its buffers, says what
 * it takes, and enables again.  Its counters outlive the process.
 *
 * Nothing is ever under way when the layer asks for quiet: frames are copied in
 * the turn in which they are taken.  What is left of a batch waits in its queue
 * pair for the end of a pause, or is forgotten with the epoch.
 */
#include <errno.h>
#include <string.h>

#include "../common/log.h"
#include "class.h"

static const uint32_t nic_flags_known =
	MULLION_NET_PORT_LINK_UP | MULLION_NET_PORT_ISOLATED | MULLION_NET_PORT_LOCK_MAC |
	MULLION_NET_PORT_LOCK_IP | MULLION_NET_PORT_TRUNK;

static bool nic_is_plain(const struct net_nic *nic)
{
	return !(nic->port.filter.flags & (MULLION_NET_PORT_LOCK_MAC |
					   MULLION_NET_PORT_LOCK_IP |
					   MULLION_NET_PORT_TRUNK)) &&
	       !nic->rate.rate && !nic->rate_to.rate;
}

void net_nic_update(struct net_nic *nic)
{
	nic->port.open = nic->serving && nic->enabled && nic->link_up;
}

static void nic_show_mac(struct net_nic *nic)
{
	memcpy(nic->state->mac, nic->port.filter.mac, sizeof(nic->state->mac));
}

void net_nic_set_mac(struct net_nic *nic, const uint8_t *mac)
{
	mullion_filter_set_mac(&nic->port.filter, mac);
	nic_show_mac(nic);
}

void net_nic_fault(struct net_nic *nic)
{
	mullion_device_fault(nic->device, MULLION_FAULT_INDEX,
			     "a queue index is out of range");
}

/* ---- configuration ------------------------------------------------------------- */

static const char *nic_config_fault(const struct mullion_net_port *config, size_t bytes)
{
	if (bytes != sizeof(*config))
		return "its size is not that of a port's";
	if (config->version != MULLION_NET_CONFIG_VERSION)
		return "it is of another version";
	if (config->flags & ~nic_flags_known)
		return "unknown flag";
	if (config->mtu < MULLION_NET_MTU_MIN || config->mtu > MULLION_NET_MTU_MAX)
		return "MTU out of range";
	return NULL;
}

static int nic_apply(struct net_nic *nic, const struct mullion_net_port *config)
{
	struct mullion_filter filter;
	int ret;

	ret = mullion_filter_set(&filter, config);
	if (ret < 0) {
		mullion_log(LOG_ERR, mullion_device_name(nic->device), "configuration "
			    "refused: an address or VLAN cannot be");
		return ret;
	}
	if (filter.flags & MULLION_NET_PORT_LOCK_MAC)
		ret = mullion_fdb_pin(net.fdb, filter.mac, &nic->port.fdb);
	else
		mullion_fdb_unpin(net.fdb, &nic->port.fdb);
	if (ret < 0) {
		mullion_log(LOG_ERR, mullion_device_name(nic->device), "configuration "
			    "refused: its address is locked to another port: %s",
			    strerror(-ret));
		return ret;
	}
	nic->port.filter = filter;
	nic->config = *config;
	nic->mtu = config->mtu;
	nic->link_up = config->flags & MULLION_NET_PORT_LINK_UP;
	mullion_limit_set(&nic->rate, config->rate, config->burst, net_now());
	mullion_limit_set(&nic->rate_to, config->rate_to, config->burst_to, net_now());
	nic->port.plain = nic_is_plain(nic);
	nic_show_mac(nic);
	net_nic_update(nic);
	net.version++;
	return 0;
}

static int nic_configure(struct net_nic *nic, const void *data, size_t bytes)
{
	struct mullion_net_port config;
	const char *fault;

	memset(&config, 0, sizeof(config));
	memcpy(&config, data, bytes < sizeof(config) ? bytes : sizeof(config));
	fault = nic_config_fault(&config, bytes);
	if (fault) {
		mullion_log(LOG_ERR, mullion_device_name(nic->device),
			    "configuration refused: %s", fault);
		return -EINVAL;
	}
	return nic_apply(nic, &config);
}

int net_start(struct mullion_device *device, const void *config, size_t bytes,
	      int *fds, int *fence_fds, size_t fd_count, bool adopt)
{
	struct mullion_queue *rings = mullion_device_queues(device);
	struct net_nic *nic = mullion_device_private(device);
	int ret;

	(void)fds;
	(void)fence_fds;
	(void)fd_count;
	(void)adopt;
	nic->device = device;
	nic->port.nic = nic;
	nic->memory = mullion_device_memory(device);
	nic->state = (void *)mullion_device_channel_state(device)->class_state;
	nic->counters = &nic->state->counters;
	for (unsigned int i = 0; i < NET_PAIRS; i++) {
		nic->queues[i].nic = nic;
		nic->queues[i].ring = &rings[i];
	}
	ret = nic_configure(nic, config, bytes);
	if (!ret)
		net_port_add(&nic->port);
	return ret;
}

int net_reconfigure(struct mullion_device *device, const void *config, size_t bytes,
		    int *fds, int *fence_fds, size_t fd_count)
{
	struct net_nic *nic = mullion_device_private(device);
	bool link = nic->link_up;
	uint8_t given[MAX_MACADDR_LEN], own[MAX_MACADDR_LEN];
	int ret;

	(void)fds;
	(void)fence_fds;
	(void)fd_count;
	memcpy(given, nic->config.mac, sizeof(given));
	memcpy(own, nic->port.filter.mac, sizeof(own));
	ret = nic_configure(nic, config, bytes);
	if (ret < 0)
		return ret;
	/*
	 * The client's own choice holds until there is another for it, or a lock;
	 * the address that a driver of s-Par's was told at its start, as long as it
	 * is there.
	 */
	if (!memcmp(given, nic->config.mac, sizeof(given)) || (nic->serving && !nic->batch))
		net_nic_set_mac(nic, own);
	if (memcmp(own, nic->port.filter.mac, sizeof(own))) {
		mullion_fdb_forget(net.fdb, &nic->port.fdb);
		/* s-Par's guests know no such message. */
		nic->tell_mac = nic->serving && nic->batch;
	}
	if (link != nic->link_up) {
		mullion_fdb_forget(net.fdb, &nic->port.fdb);
		nic->tell_link = nic->serving && (nic->batch || nic->enabled);
	}
	return 0;
}

void net_describe_channel(struct mullion_device *device, struct visor_io_channel *fixed)
{
	const struct net_nic *nic = mullion_device_private(device);

	memcpy(fixed->vnic.macaddr, nic->config.mac, sizeof(fixed->vnic.macaddr));
	fixed->vnic.num_rcv_bufs = NET_SPAR_BUFFERS;
	fixed->vnic.mtu = nic->config.mtu;
}

/* ---- epochs ----------------------------------------------------------------------- */

static void nic_forget_epoch(struct net_nic *nic)
{
	mullion_loop_timer_stop(&nic->timer);
	nic->enabled = false;
	nic->promiscuous = false;
	nic->disabling = false;
	nic->unseen = false;
	nic->unread_until = 0;
	nic->tell_link = false;
	nic->tell_mac = false;
	nic->takes = 0;
	nic->pairs_used = 0;
	for (unsigned int i = 0; i < NET_PAIRS; i++) {
		struct net_queue *q = &nic->queues[i];

		q->used = false;
		q->outdated = 0;
		q->received = 0;
		q->done = 0;
		q->dropped = 0;
		q->taken = 0;
		q->frame_count = 0;
	}
	net_withdraw(nic);
}

void net_epoch_begin(struct mullion_device *device, bool fresh)
{
	struct net_nic *nic = mullion_device_private(device);
	uint64_t features = mullion_device_features(device);

	nic_forget_epoch(nic);
	nic->epoch = (uint32_t)mullion_device_epoch(device);
	nic->batch = features & MULLION_EXTF_NET_BATCH;
	nic->offload = features & MULLION_EXTF_NET_OFFLOAD;
	nic->slot_ext = features & MULLION_EXTF_SLOT_EXT;
	if (fresh) {
		mullion_fdb_forget(net.fdb, &nic->port.fdb);
		net_nic_set_mac(nic, nic->config.mac);
	}
	net_nic_update(nic);
}

void net_quiesce(struct mullion_device *device)
{
	struct net_nic *nic = mullion_device_private(device);

	/* A client that waits for it must not wait for ever. */
	if (nic->serving && nic->disabling && net_room(&nic->queues[0], 1))
		net_control_finish_disable(nic);
	for (unsigned int i = 0; nic->serving && i < NET_PAIRS; i++)
		net_flush(&nic->queues[i]);
	nic->serving = false;
	/* Without epochs the client takes its buffers back with a pause. */
	if (!nic->slot_ext)
		nic_forget_epoch(nic);
	net_nic_update(nic);
	mullion_device_quiesced(device);
}

void net_resume(struct mullion_device *device)
{
	struct net_nic *nic = mullion_device_private(device);

	nic->serving = true;
	/* s-Par's guests are told when they have enabled. */
	nic->tell_link = nic->batch;
	net_nic_update(nic);
}

void net_stop(struct mullion_device *device)
{
	struct net_nic *nic = mullion_device_private(device);
	struct net_queue **link = &net.dirty;

	mullion_loop_timer_stop(&nic->timer);
	net_port_remove(&nic->port);
	while (*link) {
		if ((*link)->nic == nic)
			*link = (*link)->dirty_next;
		else
			link = &(*link)->dirty_next;
	}
}
