// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/nat.c - a network of guests behind this machine's addresses
 *
 * DOC: Theory of Operation
 *
 * libslirp terminates the guests' connections and makes its own through ordinary
 * sockets.  This file is what it needs: frames in and out, time, poll().  Frames
 * come and go over a socket to the switch, which looks like an uplink from here,
 * too, so it is one (net/uplink.h).
 *
 * Frames from the switch are as large as IP allows, so it need not cut what guests
 * left whole; frames to it have the network's MTU.  libslirp has a limit for
 * either direction, but cuts IPv4 datagrams by the one and refuses IPv6 packets
 * by the same, and announces to peers the smaller of both as segment size.  So
 * there are two of it, one for each IP, with the limits the other way round.
 *
 * libslirp takes every frame for one that is meant for it.  On a network with a
 * switch it is one station among others, so it gets unicast frames for its own
 * addresses (52:55:..., 52:56:...), ARP, and the multicasts of neighbour
 * discovery and DHCPv6: no broadcasts of applications, which it would deliver to
 * services of this host.  Packets must be whole, as their headers say, before it
 * sees them, and for addresses that guests may reach (reach.c).  DHCP is answered
 * by dhcp.c.
 *
 * When the switch does not take frames, they wait in the uplink's ring, and the
 * sockets of the host are left alone until there is room: so the senders at the
 * other end are slowed down, as TCP means it.  Frames of guests go on being read.
 *
 * libslirp never doubts that a guest still has the hardware address that it had;
 * neighbour.c does.
 *
 * Limits: those of libslirp: no IPv4 options, of ICMP only echo, connections begin
 * in a guest or at a forward, 16 ARP entries (beyond that, addresses are asked for
 * again and again).
 *
 * Failure behaviour: the process ends with its socket.  libslirp asserts on no
 * frame as far as is known; if it does, or worse, the sandbox is around it, and
 * mulliond starts another.
 */
#include "nat.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <slirp/libslirp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../common/log.h"
#include "../net/uplink.h"
#include "dhcp.h"
#include "neighbour.h"
#include "reach.h"

#define NAT_CONFIG_VERSION	4	/* with disable_dhcp */
#define NAT_LARGE		65521	/* libslirp's limit of limits */
#define NAT_BUDGET		64	/* frames between two looks at the host's sockets */
#define NAT_BACKLOG_MS		100	/* libslirp's timers, while its sockets rest */
#define NAT_NUMBER_SERVER	2
#define NAT_NUMBER_DNS		3
#define NAT_NUMBER_GUESTS	15

#define ICMP6_ROUTER_SOLICIT	133
#define ICMP6_NEIGHBOUR_ADVERT	136
#define DHCP6_SERVER_PORT	547

struct nat_timer {
	struct nat_timer *next;
	SlirpTimerCb fn;
	void *arg;
	int64_t when;		/* milliseconds; -1: not set */
};

struct mullion_nat {
	const char *name;
	Slirp *ip4, *ip6;
	struct mullion_uplink *uplink;
	struct mullion_net_uplink_counters counters;
	struct nat_timer *timers;
	struct pollfd *polls;	/* the first is the uplink's */
	size_t poll_count, poll_room;
	struct mullion_dhcp dhcp;
	struct mullion_neighbours neighbours;
	struct mullion_nat_reach reach;
	struct mullion_log_limit limit;
	uint8_t whole[MULLION_NET_FRAME_MAX];	/* a merged frame in one piece */
};

/* ---- what libslirp calls ------------------------------------------------ */

static int64_t nat_clock(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* @packet: that of the frame, as it was sent, untouched if it is none. */
static void nat_send(struct mullion_nat *nat, const void *data, size_t bytes,
		     struct mullion_packet *packet)
{
	struct mullion_frame frame = { .body_count = 1 };
	struct iovec body;

	if (bytes > MULLION_NET_FRAME_MAX ||
	    mullion_packet_parse(&frame.packet, data, bytes, bytes) < 0)
		return;
	body = (struct iovec){
		(uint8_t *)data + frame.packet.head_bytes, bytes - frame.packet.head_bytes,
	};
	frame.body = &body;
	mullion_uplink_send(nat->uplink, &frame);
	*packet = frame.packet;
}

static ssize_t nat_send_packet(const void *data, size_t bytes, void *opaque)
{
	uint8_t question[MULLION_NEIGHBOUR_FRAME_BYTES];
	struct mullion_packet packet = { 0 };
	struct mullion_nat *nat = opaque;
	size_t asked;

	nat_send(nat, data, bytes, &packet);
	asked = mullion_neighbour_ask(&nat->neighbours, &packet,
				      (uint64_t)nat_clock(nat) / 1000000, question);
	if (asked)
		nat_send(nat, question, asked, &packet);
	return (ssize_t)bytes;
}

static void nat_guest_error(const char *message, void *opaque)
{
	struct mullion_nat *nat = opaque;

	if (mullion_log_allowed(&nat->limit))
		mullion_log(LOG_DEBUG, nat->name, "a guest's mistake: %s", message);
}

static void *nat_timer_new(SlirpTimerCb fn, void *arg, void *opaque)
{
	struct mullion_nat *nat = opaque;
	struct nat_timer *timer = malloc(sizeof(*timer));

	/* libslirp has no way to hear that there is none */
	if (!timer)
		abort();
	*timer = (struct nat_timer){ .next = nat->timers, .fn = fn, .arg = arg, .when = -1 };
	nat->timers = timer;
	return timer;
}

static void nat_timer_free(void *timer, void *opaque)
{
	struct mullion_nat *nat = opaque;
	struct nat_timer **link = &nat->timers;

	while (*link && *link != timer)
		link = &(*link)->next;
	if (*link)
		*link = (*link)->next;
	free(timer);
}

static void nat_timer_set(void *opaque_timer, int64_t when, void *opaque)
{
	struct nat_timer *timer = opaque_timer;

	(void)opaque;
	timer->when = when;
}

/* It names them all whenever it is asked for what to poll. */
static void nat_fd_is_known(int fd, void *opaque)
{
	(void)fd;
	(void)opaque;
}

static void nat_notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb nat_callbacks = {
	.send_packet = nat_send_packet,
	.guest_error = nat_guest_error,
	.clock_get_ns = nat_clock,
	.timer_new = nat_timer_new,
	.timer_free = nat_timer_free,
	.timer_mod = nat_timer_set,
	.register_poll_fd = nat_fd_is_known,
	.unregister_poll_fd = nat_fd_is_known,
	.notify = nat_notify,
};

/* ---- frames of guests ---------------------------------------------------- */

static bool nat_wants_ip6_group(const struct mullion_packet *packet)
{
	const uint8_t *l4 = packet->head + packet->l4;

	if (packet->ip_version != 6 || !packet->l4)
		return false;
	if (packet->protocol == MULLION_IP_ICMPV6)
		return packet->l4 < packet->head_bytes && l4[0] >= ICMP6_ROUTER_SOLICIT &&
		       l4[0] <= ICMP6_NEIGHBOUR_ADVERT;
	return packet->protocol == MULLION_IP_UDP && packet->payload &&
	       mullion_be16_get(l4 + 2) == DHCP6_SERVER_PORT;
}

/* Return: who is to have the frame, if anybody. */
static Slirp *nat_route(const struct mullion_nat *nat, const struct mullion_packet *packet)
{
	const uint8_t *to = mullion_packet_to(packet);

	if (packet->tagged || !mullion_nat_may_reach(&nat->reach, packet) ||
	    (!packet->multicast && (to[0] != 0x52 || (to[1] != 0x55 && to[1] != 0x56))))
		return NULL;
	if (packet->ether == MULLION_ETHER_ARP)
		return nat->ip4;
	if (packet->ip_version == 4 && !packet->multicast)
		return nat->ip4;
	if (packet->ip_version == 6 && packet->ip_end - packet->l3 <= NAT_LARGE &&
	    (!packet->multicast || nat_wants_ip6_group(packet)))
		return nat->ip6;
	return NULL;
}

/* @packet: in one piece, which is what those want who read it. */
static void nat_deliver(struct mullion_nat *nat, const struct mullion_packet *packet)
{
	Slirp *slirp;

	mullion_neighbour_heard(&nat->neighbours, packet);
	if (nat->ip4 && mullion_dhcp_is_request(packet)) {
		uint8_t answer[MULLION_DHCP_FRAME_BYTES];
		struct mullion_packet sent;
		uint64_t now = (uint64_t)nat_clock(nat) / 1000000000;
		size_t bytes = mullion_dhcp_answer(&nat->dhcp, packet, now, answer);

		if (bytes)
			nat_send(nat, answer, bytes, &sent);
		return;
	}
	slirp = nat_route(nat, packet);
	if (slirp)
		slirp_input(slirp, packet->head, (int)packet->bytes);
}

static void nat_receive(void *arg, const struct mullion_frame *frame)
{
	struct mullion_nat *nat = arg;
	struct iovec whole = { nat->whole, sizeof(nat->whole) };
	struct mullion_packet packet;
	size_t bytes;

	if (!(frame->offload.flags & MULLION_NET_NEEDS_CSUM)) {
		nat_deliver(nat, &frame->packet);
		return;
	}
	bytes = mullion_frame_copy_csum(frame, &whole, 1);
	if (mullion_packet_parse(&packet, nat->whole, bytes, bytes) == 0)
		nat_deliver(nat, &packet);
}

/* ---- the loop ------------------------------------------------------------ */

static int nat_add_poll(int fd, int events, void *opaque)
{
	struct mullion_nat *nat = opaque;
	short wanted = 0;

	if (nat->poll_count == nat->poll_room) {
		size_t room = nat->poll_room * 2;
		struct pollfd *polls = reallocarray(nat->polls, room, sizeof(*polls));

		if (!polls)
			return -1;
		nat->polls = polls;
		nat->poll_room = room;
	}
	if (events & SLIRP_POLL_IN)
		wanted |= POLLIN;
	if (events & SLIRP_POLL_OUT)
		wanted |= POLLOUT;
	if (events & SLIRP_POLL_PRI)
		wanted |= POLLPRI;
	nat->polls[nat->poll_count] = (struct pollfd){ .fd = fd, .events = wanted };
	return (int)nat->poll_count++;
}

static int nat_events(int index, void *opaque)
{
	struct mullion_nat *nat = opaque;
	short got = index >= 0 ? nat->polls[index].revents : 0;
	int events = 0;

	if (got & POLLIN)
		events |= SLIRP_POLL_IN;
	if (got & POLLOUT)
		events |= SLIRP_POLL_OUT;
	if (got & POLLPRI)
		events |= SLIRP_POLL_PRI;
	if (got & POLLERR)
		events |= SLIRP_POLL_ERR;
	if (got & POLLHUP)
		events |= SLIRP_POLL_HUP;
	return events;
}

/* Return: milliseconds until the next timer, at most @timeout. */
static uint32_t nat_run_timers(struct mullion_nat *nat, uint32_t timeout)
{
	int64_t now = nat_clock(nat) / 1000000;

	for (struct nat_timer *timer = nat->timers; timer; timer = timer->next) {
		if (timer->when >= 0 && timer->when <= now) {
			timer->when = -1;
			timer->fn(timer->arg);
		}
		if (timer->when >= 0 && timer->when - now < timeout)
			timeout = timer->when > now ? (uint32_t)(timer->when - now) : 0;
	}
	return timeout;
}

int mullion_nat_run(struct mullion_nat *nat)
{
	bool more = false;

	for (;;) {
		bool backlog = mullion_uplink_flush(nat->uplink);
		uint32_t timeout = backlog ? NAT_BACKLOG_MS : UINT32_MAX;
		int ready;

		if (!mullion_uplink_is_up(nat->uplink))
			return 0;
		nat->polls[0] = (struct pollfd){
			.fd = mullion_uplink_fd(nat->uplink),
			.events = backlog ? POLLIN | POLLOUT : POLLIN,
		};
		nat->poll_count = 1;
		if (!backlog && nat->ip4)
			slirp_pollfds_fill(nat->ip4, &timeout, nat_add_poll, nat);
		if (!backlog && nat->ip6)
			slirp_pollfds_fill(nat->ip6, &timeout, nat_add_poll, nat);
		timeout = nat_run_timers(nat, timeout);
		if (more)
			timeout = 0;
		ready = poll(nat->polls, nat->poll_count,
			     timeout > INT32_MAX ? -1 : (int)timeout);
		if (ready < 0 && errno != EINTR)
			return -errno;
		if (nat->ip4)
			slirp_pollfds_poll(nat->ip4, ready < 0 || backlog, nat_events, nat);
		if (nat->ip6)
			slirp_pollfds_poll(nat->ip6, ready < 0 || backlog, nat_events, nat);
		more = mullion_uplink_receive(nat->uplink, NAT_BUDGET, nat_receive, nat);
	}
}

/* ---- begin and end ------------------------------------------------------- */

static int nat_start_ip4(struct mullion_nat *nat, const struct mullion_nat_config *config)
{
	uint32_t network = ntohl(config->network.s_addr);
	uint32_t mask = ~0U << (32 - config->network_bits);
	const SlirpConfig slirp = {
		.version = NAT_CONFIG_VERSION,
		.in_enabled = true,
		.vnetwork.s_addr = htonl(network),
		.vnetmask.s_addr = htonl(mask),
		.vhost.s_addr = htonl(network + NAT_NUMBER_SERVER),
		.vnameserver.s_addr = htonl(network + NAT_NUMBER_DNS),
		.vdhcp_start.s_addr = htonl(network + NAT_NUMBER_GUESTS),
		.disable_dhcp = true,
		.disable_host_loopback = !config->host_loopback,
		.if_mtu = config->mtu,
		.if_mru = NAT_LARGE,
	};

	nat->dhcp = (struct mullion_dhcp){
		.server = network + NAT_NUMBER_SERVER,
		.mask = mask,
		.dns = network + NAT_NUMBER_DNS,
		.first = network + NAT_NUMBER_GUESTS,
		.count = ~mask - NAT_NUMBER_GUESTS,
		.mtu = (uint16_t)config->mtu,
		/* as libslirp makes the address of its server */
		.mac = { 0x52, 0x55 },
	};
	mullion_be32_put(nat->dhcp.mac + 2, nat->dhcp.server);
	nat->reach.dns4 = nat->dhcp.dns;
	nat->neighbours.router4 = nat->dhcp.server;
	if (nat->dhcp.count > MULLION_DHCP_LEASES_MAX)
		nat->dhcp.count = MULLION_DHCP_LEASES_MAX;
	nat->ip4 = slirp_new(&slirp, &nat_callbacks, nat);
	return nat->ip4 ? 0 : -EINVAL;
}

static int nat_start_ip6(struct mullion_nat *nat, const struct mullion_nat_config *config)
{
	SlirpConfig slirp = {
		.version = NAT_CONFIG_VERSION,
		.in6_enabled = true,
		.vprefix_addr6 = config->prefix,
		.vprefix_len = 64,
		.vhost6 = config->prefix,
		.vnameserver6 = config->prefix,
		.disable_host_loopback = !config->host_loopback,
		.if_mtu = NAT_LARGE,
		.if_mru = config->mtu,
	};

	slirp.vhost6.s6_addr[15] = NAT_NUMBER_SERVER;
	slirp.vnameserver6.s6_addr[15] = NAT_NUMBER_DNS;
	nat->reach.dns6 = slirp.vnameserver6;
	nat->ip6 = slirp_new(&slirp, &nat_callbacks, nat);
	return nat->ip6 ? 0 : -EINVAL;
}

int mullion_nat_new(const struct mullion_nat_config *config, int socket,
		    struct mullion_nat **ret)
{
	struct mullion_nat *nat = calloc(1, sizeof(*nat));
	int error = -ENOMEM;

	if (!nat) {
		close(socket);
		return -ENOMEM;
	}
	nat->name = config->name;
	nat->reach.host_loopback = config->host_loopback;
	nat->poll_room = 16;
	nat->polls = calloc(nat->poll_room, sizeof(*nat->polls));
	if (!nat->polls) {
		close(socket);
		goto fail;
	}
	error = mullion_uplink_new(MULLION_UPLINK_PACKET, socket, NAT_LARGE, true,
				   &nat->counters, &nat->uplink);
	if (error < 0)
		goto fail;
	if (config->ip4)
		error = nat_start_ip4(nat, config);
	if (!error && config->ip6)
		error = nat_start_ip6(nat, config);
	if (error < 0)
		goto fail;
	*ret = nat;
	return 0;

fail:
	mullion_nat_free(nat);
	return error;
}

void mullion_nat_free(struct mullion_nat *nat)
{
	if (!nat)
		return;
	if (nat->ip4)
		slirp_cleanup(nat->ip4);
	if (nat->ip6)
		slirp_cleanup(nat->ip6);
	mullion_uplink_free(nat->uplink);
	free(nat->polls);
	free(nat);
}

int mullion_nat_forward(struct mullion_nat *nat, const struct mullion_forward *forward)
{
	Slirp *slirp = forward->host.any.sa_family == AF_INET6 ? nat->ip6 : nat->ip4;
	int flags = forward->udp ? SLIRP_HOSTFWD_UDP : 0;

	if (!slirp)
		return -EAFNOSUPPORT;
	errno = 0;
	if (slirp_add_hostxfwd(slirp, &forward->host.any, forward->length,
			       &forward->guest.any, forward->length,
			       flags | SLIRP_HOSTFWD_V6ONLY) < 0)
		return errno ? -errno : -EINVAL;
	return 0;
}
