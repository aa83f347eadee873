// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap/interface.c - a TAP interface in a network namespace
 *
 * DOC: Theory of Operation
 *
 * The interface belongs to its descriptor: it is made in the namespace that the
 * process is in when the descriptor is configured, and goes when that is closed,
 * however the process ends.  So the namespace is entered first, and for good.
 *
 * Frames have virtio_net_hdr before them.  What the interface may hand over
 * unfinished is what the NIC takes (mullion_tap_offer()); kernels before 6.2 do
 * not know large UDP frames, which is found out by asking.
 *
 * Addresses, MTU and flags are set with the old ioctls, on a socket of the family
 * that they are for: no library, and no netlink message to be built.  IPv4 wants
 * the address before its mask.
 *
 * Limits: one IPv4 address (the ioctl replaces it), any number of IPv6.
 *
 * Failure behaviour: errno of the call that failed; what was set before stays,
 * and goes with the descriptor.
 */
#include "interface.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/if_tun.h>
#include <linux/ipv6.h>
#include <net/if_arp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../abi/net.h"

/* Newer than the headers of Debian 12. */
#define INTERFACE_USO (0x20U | 0x40U)

int mullion_tap_enter(const char *name)
{
	char path[PATH_MAX];
	int fd, n, ret = 0;

	n = strchr(name, '/') ? snprintf(path, sizeof(path), "%s", name) :
				snprintf(path, sizeof(path), "/run/netns/%s", name);
	if (n < 0 || (size_t)n >= sizeof(path))
		return -ENAMETOOLONG;
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (setns(fd, CLONE_NEWNET) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

int mullion_tap_open(struct mullion_tap *tap, const char *name)
{
	int fd, header = MULLION_TAP_HEADER_BYTES, ret;
	struct ifreq req;

	if (strlen(name) >= IFNAMSIZ)
		return -ENAMETOOLONG;
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	memset(&req, 0, sizeof(req));
	strcpy(req.ifr_name, name);
	req.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR;
	if (ioctl(fd, TUNSETIFF, &req) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &header) < 0) {
		ret = -errno;
		close(fd);
		return ret;
	}
	tap->fd = fd;
	tap->offloads = 0;
	memcpy(tap->name, req.ifr_name, IFNAMSIZ);
	tap->name[IFNAMSIZ - 1] = '\0';
	return 0;
}

int mullion_tap_offer(struct mullion_tap *tap, bool offloads)
{
	unsigned int bits = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
	uint32_t taken = MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4 | MULLION_NET_RX_TSO6;

	if (!offloads) {
		tap->offloads = 0;
		return ioctl(tap->fd, TUNSETOFFLOAD, 0UL) < 0 ? -errno : 0;
	}
	/* A kernel that knows large UDP frames one way takes them the other way. */
	if (!ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)(bits | INTERFACE_USO))) {
		tap->offloads = taken | MULLION_NET_RX_USO;
		return 0;
	}
	tap->offloads = taken;
	return ioctl(tap->fd, TUNSETOFFLOAD, (unsigned long)bits) < 0 ? -errno : 0;
}

/* An ioctl of the interface by its name, on a socket of the namespace. */
static int interface_ioctl(int family, unsigned long request, void *argument)
{
	int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int ret = 0;

	if (fd < 0)
		return -errno;
	if (ioctl(fd, request, argument) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

static struct ifreq interface_request(const struct mullion_tap *tap)
{
	struct ifreq req;

	memset(&req, 0, sizeof(req));
	memcpy(req.ifr_name, tap->name, IFNAMSIZ);
	return req;
}

int mullion_tap_set_mtu(const struct mullion_tap *tap, uint32_t mtu)
{
	struct ifreq req = interface_request(tap);

	req.ifr_mtu = (int)mtu;
	return interface_ioctl(AF_INET, SIOCSIFMTU, &req);
}

int mullion_tap_bring_up(const struct mullion_tap *tap)
{
	struct ifreq req = interface_request(tap);
	int ret = interface_ioctl(AF_INET, SIOCGIFFLAGS, &req);

	if (ret < 0)
		return ret;
	req.ifr_flags |= IFF_UP;
	return interface_ioctl(AF_INET, SIOCSIFFLAGS, &req);
}

static int interface_add4(const struct mullion_tap *tap, const struct in_addr *address,
			  unsigned long plen)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_addr = *address };
	struct ifreq req = interface_request(tap);
	int ret;

	memcpy(&req.ifr_addr, &sin, sizeof(sin));
	ret = interface_ioctl(AF_INET, SIOCSIFADDR, &req);
	if (ret < 0)
		return ret;
	sin.sin_addr.s_addr = plen ? htonl(UINT32_MAX << (32 - plen)) : 0;
	memcpy(&req.ifr_netmask, &sin, sizeof(sin));
	return interface_ioctl(AF_INET, SIOCSIFNETMASK, &req);
}

static int interface_add6(const struct mullion_tap *tap, const struct in6_addr *address,
			  unsigned long plen)
{
	struct ifreq req = interface_request(tap);
	struct in6_ifreq req6;
	int ret;

	ret = interface_ioctl(AF_INET6, SIOCGIFINDEX, &req);
	if (ret < 0)
		return ret;
	memset(&req6, 0, sizeof(req6));
	req6.ifr6_addr = *address;
	req6.ifr6_prefixlen = (__u32)plen;
	req6.ifr6_ifindex = req.ifr_ifindex;
	return interface_ioctl(AF_INET6, SIOCSIFADDR, &req6);
}

int mullion_tap_add_address(const struct mullion_tap *tap, const char *text)
{
	char address[INET6_ADDRSTRLEN + 1], *end;
	const char *slash = strchr(text, '/');
	struct in6_addr in6;
	struct in_addr in;
	unsigned long plen;

	if (!slash || (size_t)(slash - text) >= sizeof(address) || slash[1] < '0' ||
	    slash[1] > '9')
		return -EINVAL;
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';
	plen = strtoul(slash + 1, &end, 10);
	if (*end)
		return -EINVAL;
	if (inet_pton(AF_INET, address, &in) == 1)
		return plen <= 32 ? interface_add4(tap, &in, plen) : -EINVAL;
	if (inet_pton(AF_INET6, address, &in6) == 1)
		return plen <= 128 ? interface_add6(tap, &in6, plen) : -EINVAL;
	return -EINVAL;
}

int mullion_tap_set_mac(const struct mullion_tap *tap, const uint8_t *mac)
{
	struct ifreq req = interface_request(tap);

	req.ifr_hwaddr.sa_family = ARPHRD_ETHER;
	memcpy(req.ifr_hwaddr.sa_data, mac, MAX_MACADDR_LEN);
	return ioctl(tap->fd, SIOCSIFHWADDR, &req) < 0 ? -errno : 0;
}

int mullion_tap_get_mac(const struct mullion_tap *tap, uint8_t *mac)
{
	struct ifreq req = interface_request(tap);

	if (ioctl(tap->fd, SIOCGIFHWADDR, &req) < 0)
		return -errno;
	memcpy(mac, req.ifr_hwaddr.sa_data, MAX_MACADDR_LEN);
	return 0;
}

int mullion_tap_set_link(const struct mullion_tap *tap, bool up)
{
	int carrier = up;

	return ioctl(tap->fd, TUNSETCARRIER, &carrier) < 0 ? -errno : 0;
}
