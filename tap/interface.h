/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tap/interface.h - a TAP interface in a network namespace
 *
 * What needs privilege happens between mullion_tap_open() and the end of
 * set-up; afterwards the descriptor is enough.
 */
#ifndef MULLION_TAP_INTERFACE_H
#define MULLION_TAP_INTERFACE_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct mullion_tap - an open interface
 * @fd: frames, each behind a struct virtio_net_hdr of MULLION_TAP_HEADER_BYTES;
 *	non-blocking
 * @name: of the interface
 * @offloads: MULLION_NET_RX_*: what the kernel takes as it comes
 */
struct mullion_tap {
	int fd;
	char name[IFNAMSIZ];
	uint32_t offloads;
};

#define MULLION_TAP_HEADER_BYTES 10

/**
 * mullion_tap_enter() - go into a network namespace, for good
 * @name: of ip-netns(8), or a path (with a slash in it)
 *
 * Return: 0 or negative errno.
 */
int mullion_tap_enter(const char *name);

/**
 * mullion_tap_open() - make an interface here, or take one that exists
 * @name: wanted; a %d in it is a free number
 *
 * Return: 0 or negative errno; @tap is closed with close(@tap->fd).
 */
int mullion_tap_open(struct mullion_tap *tap, const char *name);

/**
 * mullion_tap_set_mtu() - needs privilege
 */
int mullion_tap_set_mtu(const struct mullion_tap *tap, uint32_t mtu);

/**
 * mullion_tap_add_address() - needs privilege
 * @text: ADDRESS/PREFIX, IPv4 or IPv6
 *
 * Return: 0; -EINVAL if that is no address; negative errno.
 */
int mullion_tap_add_address(const struct mullion_tap *tap, const char *text);

/**
 * mullion_tap_bring_up() - needs privilege
 */
int mullion_tap_bring_up(const struct mullion_tap *tap);

/* What needs none: */

int mullion_tap_set_mac(const struct mullion_tap *tap, const uint8_t *mac);
int mullion_tap_get_mac(const struct mullion_tap *tap, uint8_t *mac);
int mullion_tap_set_link(const struct mullion_tap *tap, bool up);
/* What the other side takes of us: its checksums and large frames. */
int mullion_tap_offer(struct mullion_tap *tap, bool offloads);

#endif /* MULLION_TAP_INTERFACE_H */
