// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/network.c - the switch as a whole: its ports, uplink and mirror
 *
 * DOC: Theory of Operation
 *
 * The uplink is one more port, a trunk of all VLANs, behind a descriptor that
 * the command partition handed over.  While guests keep the loop busy nobody
 * asks epoll for it, so it is polled: in every turn while it has frames, and
 * every UPLINK_POLL_NS otherwise.  What is sent to it is collected and handed
 * over at the end of the turn.
 *
 * The mirror gets what comes in at any port, or what one port sends and gets.
 * While there is one no frame goes the short way (forward.c).
 *
 * Failure behaviour: an uplink whose other side is gone leaves the loop and
 * drops frames until a configuration brings another one; a mirror without a
 * reader ends.  Neither is waited for.
 */
#include <errno.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../common/log.h"
#include "class.h"

#define UPLINK_POLL_NS		20000ULL
#define UPLINK_BUDGET		64	/* frames in a turn */
#define NETWORK_SECOND_MS	1000

#define STORE_UPLINK		0
#define STORE_MIRROR		1

struct net_switch net;

static struct {
	struct mullion_loop_source source;
	struct mullion_loop_timer second;
	bool readable;			/* the uplink, as far as we know */
	bool watched;			/* the uplink is in the loop */
	bool wants_out;			/* for EPOLLOUT, too */
	bool mirror_wants_out;
	unsigned int frames;		/* of this receive */
	uint64_t polled;		/* when the uplink was last looked at */
	uint64_t mirror_frames;		/* of mirrors before this one */
	uint64_t mirror_dropped;
} network;

/* ---- ports --------------------------------------------------------------------- */

void net_port_add(struct net_port *port)
{
	mullion_limit_set(&port->flood, net.config.flood_rate, 0, net_now());
	port->next = net.ports;
	net.ports = port;
	net.version++;
}

void net_port_remove(struct net_port *port)
{
	struct net_port **link = &net.ports;

	while (*link && *link != port)
		link = &(*link)->next;
	if (*link)
		*link = port->next;
	port->open = false;
	mullion_fdb_forget(net.fdb, &port->fdb);
	mullion_fdb_unpin(net.fdb, &port->fdb);
	net.version++;
}

/* ---- mirror ---------------------------------------------------------------------- */

bool net_mirror_wants(const struct net_port *port)
{
	if (net.config.mirror_port_bus == MULLION_SERVICE_WIDE)
		return true;
	return port->nic && mullion_device_channel_state(port->nic->device)->bus_no ==
			    net.config.mirror_port_bus;
}

void net_mirror_frame(const struct mullion_frame *frame)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	mullion_pcap_frame(net.mirror, frame,
			   (uint64_t)now.tv_sec * 1000000000ULL + (uint64_t)now.tv_nsec);
}

static void network_mirror_count(void)
{
	uint64_t frames, dropped;

	mullion_pcap_counts(net.mirror, &frames, &dropped);
	net.counters->mirror_frames = network.mirror_frames + frames;
	net.counters->mirror_dropped = network.mirror_dropped + dropped;
}

static void network_mirror_end(void)
{
	if (!net.mirror)
		return;
	network_mirror_count();
	mullion_loop_del(mullion_pcap_fd(net.mirror));
	mullion_pcap_free(net.mirror);
	net.mirror = NULL;
}

static void network_mirror_ready(void *arg, uint32_t events)
{
	(void)arg;
	if (events & (EPOLLERR | EPOLLHUP))
		network_mirror_end();
}

static int network_mirror_begin(int fd, uint32_t snap)
{
	int ret;

	network_mirror_end();
	network.mirror_frames = net.counters->mirror_frames;
	network.mirror_dropped = net.counters->mirror_dropped;
	network.mirror_wants_out = false;
	ret = mullion_pcap_new(fd, snap, &net.mirror);
	if (ret < 0)
		return ret;
	/* Errors only: that its reader is gone. */
	ret = mullion_loop_add(mullion_pcap_fd(net.mirror), 0, network_mirror_ready, NULL);
	if (ret < 0) {
		mullion_pcap_free(net.mirror);
		net.mirror = NULL;
	}
	return ret;
}

static void network_mirror_flush(void)
{
	int ret = mullion_pcap_flush(net.mirror);
	bool wants_out = ret == -EAGAIN;

	network_mirror_count();
	if (ret == -EPIPE) {
		network_mirror_end();
		return;
	}
	if (wants_out == network.mirror_wants_out)
		return;
	network.mirror_wants_out = wants_out;
	mullion_loop_mod(mullion_pcap_fd(net.mirror), wants_out ? EPOLLOUT : 0);
}

/* ---- uplink ------------------------------------------------------------------------ */

static void network_uplink_frame(void *arg, const struct mullion_frame *frame)
{
	(void)arg;
	network.frames++;
	net_forward_checked(&net.uplink_port, frame);
}

static void network_uplink_ready(void *arg, uint32_t events)
{
	(void)arg;
	(void)events;
	network.readable = true;
}

static void network_uplink_unwatch(void)
{
	if (network.watched)
		mullion_loop_del(mullion_uplink_fd(net.uplink));
	network.watched = false;
	network.readable = false;
}

/* The other side is gone; the addresses behind it may come back elsewhere. */
static void network_uplink_gone(void)
{
	if (!net.uplink_port.open)
		return;
	mullion_log(LOG_WARNING, NULL, "the uplink is gone; guests reach each other "
		    "only, until it is there again");
	network_uplink_unwatch();
	net.uplink_port.open = false;
	mullion_fdb_forget(net.fdb, &net.uplink_port.fdb);
	net.version++;
}

static void network_uplink_end(void)
{
	if (!net.uplink)
		return;
	network_uplink_unwatch();
	net_port_remove(&net.uplink_port);
	mullion_uplink_free(net.uplink);
	net.uplink = NULL;
	net.counters->state = MULLION_UPLINK_STATE_NONE;
}

static int network_uplink_begin(const struct mullion_net_config *config, int fd)
{
	int ret;

	network_uplink_end();
	ret = mullion_uplink_new(config->uplink, fd, config->uplink_mtu,
				 config->flags & MULLION_NET_UPLINK_LARGE,
				 net.counters, &net.uplink);
	if (ret < 0)
		return ret;
	ret = mullion_loop_add(mullion_uplink_fd(net.uplink), EPOLLIN,
			       network_uplink_ready, NULL);
	if (ret < 0) {
		mullion_uplink_free(net.uplink);
		net.uplink = NULL;
		net.counters->state = MULLION_UPLINK_STATE_NONE;
		return ret;
	}
	network.watched = true;
	network.readable = true;
	network.wants_out = false;
	net.uplink_port.open = true;
	net_port_add(&net.uplink_port);
	return 0;
}

static void network_uplink_flush(void)
{
	bool wants_out = mullion_uplink_flush(net.uplink);

	if (!mullion_uplink_is_up(net.uplink)) {
		network_uplink_gone();
		return;
	}
	if (wants_out == network.wants_out)
		return;
	network.wants_out = wants_out;
	mullion_loop_mod(mullion_uplink_fd(net.uplink),
			 wants_out ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static unsigned int network_poll(void *arg, bool slow)
{
	(void)arg;
	(void)slow;
	if (!net.uplink_port.open)
		return 0;
	if (!network.readable && net_now() - network.polled < UPLINK_POLL_NS)
		return 0;
	network.polled = net_now();
	network.frames = 0;
	network.readable = mullion_uplink_receive(net.uplink, UPLINK_BUDGET,
						  network_uplink_frame, NULL);
	if (!mullion_uplink_is_up(net.uplink))
		network_uplink_gone();
	return network.frames;
}

static int network_arm(void *arg)
{
	(void)arg;
	return network.readable;
}

void net_turn_end(void)
{
	while (net.dirty) {
		struct net_queue *q = net.dirty;

		net.dirty = q->dirty_next;
		q->dirty = false;
		if (q->nic->serving)
			net_flush(q);
	}
	if (net.uplink_port.open)
		network_uplink_flush();
	if (net.mirror)
		network_mirror_flush();
	net.now = 0;
}

/* ---- configuration --------------------------------------------------------------------- */

static const char *network_config_fault(const struct mullion_net_config *config, size_t bytes)
{
	if (bytes != sizeof(*config))
		return "its size is not that of a network's";
	if (config->version != MULLION_NET_CONFIG_VERSION)
		return "it is of another version";
	if (config->flags & ~(MULLION_NET_MIRROR | MULLION_NET_UPLINK_LARGE))
		return "unknown flag";
	if (config->uplink > MULLION_UPLINK_STREAM)
		return "unknown kind of uplink";
	if (config->uplink && (config->uplink_mtu < MULLION_NET_MTU_MIN ||
			       config->uplink_mtu > UINT16_MAX))
		return "MTU of the uplink out of range";
	if (config->uplink_vlan > MULLION_VLAN_MAX)
		return "VLAN of the uplink out of range";
	if (!config->ageing || !config->addresses_max)
		return "no time or no room to keep addresses";
	return NULL;
}

/* A descriptor of the message is now the callee's. */
static int network_take(int *fds, size_t fd_count, size_t index)
{
	int fd = index < fd_count ? fds[index] : -1;

	if (fd >= 0)
		fds[index] = -1;
	return fd;
}

static int network_apply(const struct mullion_net_config *config, int *fds, size_t fd_count)
{
	int fd, ret;

	if (config->uplink) {
		fd = network_take(fds, fd_count, STORE_UPLINK);
		ret = fd >= 0 ? network_uplink_begin(config, fd) : 0;
		if (ret < 0)
			return ret;
	} else {
		network_uplink_end();
	}
	if (config->flags & MULLION_NET_MIRROR) {
		fd = network_take(fds, fd_count, STORE_MIRROR);
		return fd >= 0 ? network_mirror_begin(fd, config->mirror_snap) : 0;
	}
	network_mirror_end();
	return 0;
}

int net_configure(const void *data, size_t bytes, int *fds, size_t fd_count)
{
	struct mullion_net_config config;
	const char *fault;
	int ret;

	memset(&config, 0, sizeof(config));
	memcpy(&config, data, bytes < sizeof(config) ? bytes : sizeof(config));
	fault = network_config_fault(&config, bytes);
	if (fault) {
		mullion_log(LOG_ERR, NULL, "network configuration refused: %s", fault);
		return -EINVAL;
	}
	if (!net.counters) {
		static const guid_t name = MULLION_NET_UPLINK_OBJECT;
		struct mullion_state_object *object = mullion_state_object_get(&name);

		if (!object)
			return -ENOSPC;
		object->used = sizeof(*net.counters);
		net.counters = (void *)object->data;
	}
	mullion_fdb_limit(net.fdb, config.ageing, config.addresses_max);
	mullion_filter_set_uplink(&net.uplink_port.filter, config.uplink_vlan);
	ret = network_apply(&config, fds, fd_count);
	if (ret < 0) {
		mullion_log(LOG_ERR, NULL, "network configuration refused: uplink or "
			    "mirror: %s", strerror(-ret));
		return ret;
	}
	net.config = config;
	for (struct net_port *port = net.ports; port; port = port->next)
		mullion_limit_set(&port->flood, config.flood_rate, 0, net_now());
	net.version++;
	return 0;
}

/* ---- the process ---------------------------------------------------------------------------- */

/* What ports remember is found anew, so that the table sees it in use. */
static void network_second(void *arg)
{
	(void)arg;
	net.version++;
	for (struct net_port *port = net.ports; port; port = port->next)
		mullion_fdb_age(net.fdb, &port->fdb, net_seconds());
}

int net_init(void)
{
	net.fdb = mullion_fdb_new();
	if (!net.fdb)
		return -ENOMEM;
	net.config.mirror_port_bus = MULLION_SERVICE_WIDE;
	net.version = 1;
	mullion_filter_set_uplink(&net.uplink_port.filter, MULLION_VLAN_NONE);
	network.source.poll = network_poll;
	network.source.arm = network_arm;
	mullion_loop_source_add(&network.source);
	mullion_loop_timer_start(&network.second, NETWORK_SECOND_MS, true, network_second,
				 NULL);
	return 0;
}
