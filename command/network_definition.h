/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/network_definition.h - what an administrator says of a network
 *
 * Like the definition of a guest (definition.h): it says what a network shall
 * be, and is kept in a file of its own, STATE/networks/NAME.ini.
 *
 *	[Network]
 *	Name=lab
 *	Uplink=none|nat|tap|passt
 *	Tap=IFNAME		of uplink tap: one that exists, or is made
 *	Bridge=IFNAME		of uplink tap: put it there
 *	Socket=PATH		of uplink passt
 *	IPv4=10.0.2.0/24	of uplink nat, as are the next three
 *	IPv6=fd00:6d75::/64
 *	Forward=tcp|udp:[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT	any number of times
 *	HostLoopback=yes|no	the router's address is the host's loopback address
 *	MTU=1500
 *	Vlan=N			of untagged frames of the uplink
 *	Ageing=SECONDS		until an address that was learned is forgotten
 *	FloodRate=FRAMES	broadcast and unknown ones, a second and port
 *	Isolated=yes|no		no port reaches another one
 */
#ifndef MULLION_COMMAND_NETWORK_DEFINITION_H
#define MULLION_COMMAND_NETWORK_DEFINITION_H

#include <jansson.h>
#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "definition.h"
#include "error.h"
#include "paths.h"

#define MULLION_FORWARDS_MAX	64
#define MULLION_NETWORK_NAT	"nat"	/* is always there */

enum mullion_network_uplink {
	MULLION_NETWORK_UPLINK_NONE,
	MULLION_NETWORK_UPLINK_NAT,
	MULLION_NETWORK_UPLINK_TAP,
	MULLION_NETWORK_UPLINK_PASST,
};

/**
 * struct mullion_network_definition - a checked definition; read only
 * @tap, @bridge: of uplink tap; NULL: a new one; none
 * @socket: of uplink passt: absolute path
 * @ipv4, @ipv6: of uplink nat; NULL: the program's own choice
 * @forwards: NULL-terminated
 * @host_loopback: of uplink nat
 * @flood_rate: 0: unlimited
 */
struct mullion_network_definition {
	unsigned int refs;
	char name[MULLION_NAME_MAX + 1];
	enum mullion_network_uplink uplink;
	char *tap;
	char *bridge;
	char *socket;
	char *ipv4;
	char *ipv6;
	char *forwards[MULLION_FORWARDS_MAX + 1];
	bool host_loopback;
	uint32_t mtu;
	unsigned int vlan;
	unsigned int ageing;
	uint64_t flood_rate;
	bool isolated;
};

/* As their namesakes in definition.h. */
int mullion_network_definition_from_ini(const char *text, size_t bytes, const char *file,
					const char *cwd, struct mullion_network_definition **ret,
					struct mullion_error *err);
int mullion_network_definition_from_json(json_t *json, const char *cwd,
					 struct mullion_network_definition **ret,
					 struct mullion_error *err);
int mullion_network_definition_anchor(const char *text, size_t bytes, const char *file,
				      struct mullion_network_definition **ret, char **ret_text,
				      struct mullion_error *err);
json_t *mullion_network_definition_describe(const struct mullion_network_definition *def);
const char *mullion_network_uplink_name(const struct mullion_network_definition *def);
struct mullion_network_definition *
mullion_network_definition_ref(struct mullion_network_definition *def);
struct mullion_network_definition *
mullion_network_definition_unref(struct mullion_network_definition *def);
int mullion_network_definition_save(const struct mullion_paths *paths,
				    const struct mullion_network_definition *def,
				    const char *text, size_t bytes, char path[static PATH_MAX],
				    struct mullion_error *err);
int mullion_network_definition_remove(const struct mullion_paths *paths, const char *name,
				      struct mullion_error *err);
int mullion_network_definition_names(const struct mullion_paths *paths, char ***ret);

/**
 * mullion_network_definition_load() - the definition of a name
 * @paths: NULL: only what is built in
 * @ret_text, @path: as in mullion_definition_load(); empty for one that is built
 *	in and has no file
 *
 * Return: 0, -ENOENT, or negative errno; @err filled in.
 */
int mullion_network_definition_load(const struct mullion_paths *paths, const char *name,
				    struct mullion_network_definition **ret, char **ret_text,
				    char path[static PATH_MAX], struct mullion_error *err);

/**
 * mullion_network_definition_is() - is the text that of a network, not of a guest?
 */
bool mullion_network_definition_is(const char *text, size_t bytes);

#endif /* MULLION_COMMAND_NETWORK_DEFINITION_H */
