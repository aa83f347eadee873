// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/uplink_tap.c - uplink tap: a TAP device of the host, and a bridge for it
 *
 * One that exists (made by `ip tuntap add`, for an ordinary user with `user`) is
 * attached to; otherwise one is made, which goes with its last descriptor.  The
 * switch gets the descriptor alone, with virtio_net_hdr of 12 bytes and every
 * offload that the kernel has.
 *
 * What needs CAP_NET_ADMIN (a new device, its MTU, up, the bridge) is done where
 * it is missing, and refused with what to do where the daemon may not.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "uplink.h"

#define TAP_HEADER_BYTES 12
#define TAP_NEW_NAME	"mullion%d"	/* the kernel puts a number there */

/* Since Linux 6.2; older headers do not have them, older kernels refuse them. */
#ifndef TUN_F_USO4
#define TUN_F_USO4	0x20
#define TUN_F_USO6	0x40
#endif

static int tap_refuse(const struct mullion_cp_uplink *u, const char *object, int code,
		      const char *action, const char *why, struct mullion_error *err)
{
	char what[96];

	snprintf(what, sizeof(what), "cannot start network %.60s: interface", u->def->name);
	return mullion_error_set(err, code, what, object, action, "%s",
				 why ? why : strerror(-code));
}

static int tap_refuse_device(const struct mullion_cp_uplink *u, int code,
			     struct mullion_error *err)
{
	static const char device[] = "/dev/net/tun";

	switch (code) {
	case -ENOENT:
	case -ENXIO:
	case -ENODEV:
		return tap_refuse(u, device, code, "load the module tun (modprobe tun)",
				  "there is no such device", err);
	case -EACCES:
	case -EPERM:
		return tap_refuse(u, device, code, "change its permissions, or run the daemon as root",
				  "the daemon may not open it", err);
	default:
		return tap_refuse(u, device, code, NULL, NULL, err);
	}
}

static int tap_refuse_attach(const struct mullion_cp_uplink *u, const char *name, bool existed,
			     int code, struct mullion_error *err)
{
	char action[128];

	switch (code) {
	case -EBUSY:
		return tap_refuse(u, name, code, "end that program, or name another TAP",
				  "another program has it open", err);
	case -EPERM:
		snprintf(action, sizeof(action),
			 "`ip tuntap add %.15s mode tap user %u`, or run the daemon as root",
			 u->def->tap ? u->def->tap : "TAP", (unsigned int)geteuid());
		return tap_refuse(u, name, code, action, existed ?
				  "it belongs to another user" :
				  "the daemon may not make a TAP device", err);
	case -EINVAL:
		return tap_refuse(u, name, code,
				  "name another one, or make it anew with `ip tuntap add ... mode tap`",
				  "it is no TAP device with one queue", err);
	default:
		return tap_refuse(u, name, code, NULL, NULL, err);
	}
}

static int tap_attach(struct mullion_cp_uplink *u, struct mullion_error *err)
{
	const char *name = u->def->tap ? u->def->tap : TAP_NEW_NAME;
	bool existed = u->def->tap && if_nametoindex(u->def->tap);
	const unsigned int offloads = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	const int header = TAP_HEADER_BYTES;
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };

	u->fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (u->fd < 0)
		return tap_refuse_device(u, -errno, err);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(u->fd, TUNSETIFF, &ifr) < 0)
		return tap_refuse_attach(u, u->def->tap ? u->def->tap : "(new)", existed, -errno,
					 err);
	snprintf(u->interface, sizeof(u->interface), "%s", ifr.ifr_name);
	if (ioctl(u->fd, TUNSETVNETHDRSZ, &header) < 0)
		return tap_refuse(u, u->interface, -errno, NULL, NULL, err);
	/* a kernel without the last two has the others */
	if (ioctl(u->fd, TUNSETOFFLOAD, offloads | TUN_F_USO4 | TUN_F_USO6) < 0 &&
	    ioctl(u->fd, TUNSETOFFLOAD, offloads) < 0)
		return tap_refuse(u, u->interface, -errno, NULL, NULL, err);
	return 0;
}

static int tap_set_mtu(const struct mullion_cp_uplink *u, int sock, struct ifreq *ifr,
		       struct mullion_error *err)
{
	if (ioctl(sock, SIOCGIFMTU, ifr) == 0 && ifr->ifr_mtu == (int)u->def->mtu)
		return 0;
	ifr->ifr_mtu = (int)u->def->mtu;
	if (ioctl(sock, SIOCSIFMTU, ifr) == 0)
		return 0;
	return tap_refuse(u, u->interface, -errno,
			  errno == EPERM ? "set it with `ip link set`, or leave MTU= out" :
			  "choose another MTU=", "its MTU cannot be set", err);
}

static int tap_set_up(const struct mullion_cp_uplink *u, int sock, struct ifreq *ifr,
		      struct mullion_error *err)
{
	if (ioctl(sock, SIOCGIFFLAGS, ifr) < 0)
		return tap_refuse(u, u->interface, -errno, NULL, NULL, err);
	if (ifr->ifr_flags & IFF_UP)
		return 0;
	ifr->ifr_flags |= IFF_UP;
	if (ioctl(sock, SIOCSIFFLAGS, ifr) == 0)
		return 0;
	return tap_refuse(u, u->interface, -errno, "`ip link set ... up`",
			  "it is down, and the daemon may not change that", err);
}

/* The bridge that it is in, or nothing. */
static void tap_master(const char *interface, char master[static IFNAMSIZ])
{
	char path[64], target[256];
	const char *slash;
	ssize_t n;

	snprintf(path, sizeof(path), "/sys/class/net/%s/master", interface);
	n = readlink(path, target, sizeof(target) - 1);
	target[n > 0 ? n : 0] = '\0';
	slash = strrchr(target, '/');
	snprintf(master, IFNAMSIZ, "%.15s", slash ? slash + 1 : target);
}

static int tap_set_bridge(const struct mullion_cp_uplink *u, int sock,
			  struct mullion_error *err)
{
	const char *bridge = u->def->bridge;
	char master[IFNAMSIZ], why[96];
	struct ifreq ifr = { 0 };

	if (!bridge)
		return 0;
	tap_master(u->interface, master);
	if (!strcmp(master, bridge))
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", bridge);
	ifr.ifr_ifindex = (int)if_nametoindex(u->interface);
	if (ioctl(sock, SIOCBRADDIF, &ifr) == 0)
		return 0;
	switch (errno) {
	case ENODEV:
		return tap_refuse(u, bridge, -ENOENT, "make it with `ip link add ... type bridge`",
				  "there is no such bridge", err);
	case EOPNOTSUPP:
		return tap_refuse(u, bridge, -EINVAL, "name a bridge", "it is no bridge", err);
	case EBUSY:
		snprintf(why, sizeof(why), "%s is in %s already", u->interface,
			 master[0] ? master : "another one");
		return tap_refuse(u, bridge, -EBUSY, "take it out of there first", why, err);
	case EPERM:
		return tap_refuse(u, bridge, -EPERM,
				  "put the TAP there with `ip link set ... master`, or run the daemon as root",
				  "the daemon may not put the TAP there", err);
	default:
		return tap_refuse(u, bridge, -errno, NULL, NULL, err);
	}
}

static int tap_open(struct mullion_cp_uplink *u, struct mullion_error *err)
{
	struct ifreq ifr = { 0 };
	int sock, r;

	r = tap_attach(u, err);
	if (r < 0)
		return r;
	sock = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (sock < 0)
		return tap_refuse(u, u->interface, -errno, NULL, NULL, err);
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", u->interface);
	r = tap_set_mtu(u, sock, &ifr, err);
	if (!r)
		r = tap_set_bridge(u, sock, err);
	if (!r)
		r = tap_set_up(u, sock, &ifr, err);
	close(sock);
	return r;
}

/* A new one goes with its last descriptor; one that was there stays. */
static void tap_close(struct mullion_cp_uplink *u)
{
	u->interface[0] = '\0';
}

static bool tap_check(struct mullion_cp_uplink *u)
{
	struct ifreq ifr = { 0 };

	return ioctl(u->fd, TUNGETIFF, &ifr) == 0;
}

const struct mullion_uplink_kind mullion_uplink_tap = {
	.name = "tap",
	.abi = MULLION_UPLINK_TAP,
	.open = tap_open,
	.close = tap_close,
	.check = tap_check,
};
