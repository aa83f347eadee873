/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/nat/forward.h - a port of the host that leads to a guest
 */
#ifndef MULLION_NAT_FORWARD_H
#define MULLION_NAT_FORWARD_H

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/socket.h>

/**
 * struct mullion_forward - one forward
 * @udp: UDP, else TCP
 * @host: address and port to listen at
 * @guest: address and port to lead to; no address: the first guest's
 * @length: bytes of either, which are of one family
 */
struct mullion_forward {
	bool udp;
	union mullion_forward_address {
		struct sockaddr any;
		struct sockaddr_in ip4;
		struct sockaddr_in6 ip6;
	} host, guest;
	socklen_t length;
};

/**
 * mullion_forward_parse() - read tcp|udp:[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT
 * @text: IPv6 addresses stand in brackets; without HOSTADDR it is the loopback
 *	address of GUESTADDR's family
 * @forward: untouched on failure
 *
 * Return: 0; -EINVAL if it is not of that form, -EAFNOSUPPORT if one address
 * is IPv4 and the other IPv6.
 */
int mullion_forward_parse(const char *text, struct mullion_forward *forward);

#endif /* MULLION_NAT_FORWARD_H */
