// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/network_definition.c - definitions of networks: their fields, and as JSON
 *
 * The network `nat` has a definition without a file; a file of that name
 * replaces it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "../abi/net.h"
#include "definition_field.h"
#include "network_definition.h"

#define NETWORK_MTU		1500
#define NETWORK_AGEING		300
#define NETWORK_AGEING_MAX	86400
#define NETWORK_FLOOD_RATE	10000
#define NETWORK_FLOOD_RATE_MAX	1000000000
#define NETWORK_VLAN_MAX	4094
#define NETWORK_FORWARD_MAX	200

enum {
	FIELD_NAME, FIELD_UPLINK, FIELD_TAP, FIELD_BRIDGE, FIELD_SOCKET, FIELD_IPV4,
	FIELD_IPV6, FIELD_FORWARD, FIELD_HOST_LOOPBACK, FIELD_MTU, FIELD_VLAN, FIELD_AGEING,
	FIELD_FLOOD_RATE, FIELD_ISOLATED, FIELDS,
};

static const struct definition_field network_fields[FIELDS] = {
	[FIELD_NAME] =		{ "name",	"Name",		JSON_STRING },
	[FIELD_UPLINK] =	{ "uplink",	"Uplink",	JSON_STRING },
	[FIELD_TAP] =		{ "tap",	"Tap",		JSON_STRING },
	[FIELD_BRIDGE] =	{ "bridge",	"Bridge",	JSON_STRING },
	[FIELD_SOCKET] =	{ "socket",	"Socket",	JSON_STRING },
	[FIELD_IPV4] =		{ "ipv4",	"IPv4",		JSON_STRING },
	[FIELD_IPV6] =		{ "ipv6",	"IPv6",		JSON_STRING },
	[FIELD_FORWARD] =	{ "forwards",	"Forward",	JSON_ARRAY },
	[FIELD_HOST_LOOPBACK] =	{ "host_loopback", "HostLoopback", JSON_STRING },
	[FIELD_MTU] =		{ "mtu",	"MTU",		JSON_INTEGER },
	[FIELD_VLAN] =		{ "vlan",	"Vlan",		JSON_INTEGER },
	[FIELD_AGEING] =	{ "ageing",	"Ageing",	JSON_INTEGER },
	[FIELD_FLOOD_RATE] =	{ "flood_rate",	"FloodRate",	JSON_INTEGER },
	[FIELD_ISOLATED] =	{ "isolated",	"Isolated",	JSON_STRING },
};

static const char *const uplink_names[] = { "none", "nat", "tap", "passt", NULL };
static const char *const yes_names[] = { "no", "yes", NULL };

static void *network_new(void)
{
	struct mullion_network_definition *def = calloc(1, sizeof(*def));

	if (!def)
		return NULL;
	def->refs = 1;
	def->mtu = NETWORK_MTU;
	def->ageing = NETWORK_AGEING;
	def->flood_rate = NETWORK_FLOOD_RATE;
	return def;
}

struct mullion_network_definition *
mullion_network_definition_ref(struct mullion_network_definition *def)
{
	def->refs++;
	return def;
}

struct mullion_network_definition *
mullion_network_definition_unref(struct mullion_network_definition *def)
{
	if (!def || --def->refs)
		return NULL;
	free(def->tap);
	free(def->bridge);
	free(def->socket);
	free(def->ipv4);
	free(def->ipv6);
	for (size_t i = 0; def->forwards[i]; i++)
		free(def->forwards[i]);
	free(def);
	return NULL;
}

/* ---- values ------------------------------------------------------------ */

static int network_interface(char **ret, const char *text, struct definition_why *why)
{
	bool fine = text[0] && strlen(text) < IFNAMSIZ && strcmp(text, ".") && strcmp(text, "..");

	/* the kernel takes a percent sign for a wish to choose a name */
	for (const char *p = text; *p; p++)
		if (*p <= ' ' || *p > '~' || strchr("/:%", *p))
			fine = false;
	if (!fine)
		return definition_why_set(why, "is \"%.40s\", not the name of an interface (1 to %d characters)",
					  text, IFNAMSIZ - 1);
	return definition_text(ret, text, IFNAMSIZ - 1, true, why);
}

/* ADDRESS/LENGTH with no bit set behind the prefix. */
static int network_prefix(char **ret, const char *text, bool six, struct definition_why *why)
{
	const char *slash = strchr(text, '/');
	unsigned int low = six ? 64 : 8, high = six ? 64 : 27;
	char address[INET6_ADDRSTRLEN];
	uint8_t bits[16] = { 0 };
	unsigned int length = 0;
	char end;

	if (!slash || slash - text >= (ptrdiff_t)sizeof(address) || slash[1] < '0' ||
	    slash[1] > '9' || sscanf(slash + 1, "%3u%c", &length, &end) != 1)
		goto malformed;
	snprintf(address, sizeof(address), "%.*s", (int)(slash - text), text);
	if (inet_pton(six ? AF_INET6 : AF_INET, address, bits) != 1)
		goto malformed;
	if (length < low || length > high)
		return definition_why_set(why, six ? "is \"%.60s\"; its length must be 64" :
					  "is \"%.60s\"; its length must be within 8 and 27", text);
	for (unsigned int i = length; i < (six ? 128 : 32); i++)
		if (bits[i / 8] & 0x80 >> i % 8)
			return definition_why_set(why, "is \"%.60s\", which has bits behind its length of %u",
						  text, length);
	return definition_text(ret, text, 2 * INET6_ADDRSTRLEN, true, why);
malformed:
	return definition_why_set(why, "is \"%.60s\", not a network such as %s", text,
				  six ? "fd00:6d75::/64" : "10.0.2.0/24");
}

/*
 * One piece of a forward: up to the next colon, or all; an IPv6 address is in
 * brackets.  Return: where the next one begins, NULL behind the last; @piece is
 * empty if it cannot be read.
 */
static const char *network_forward_piece(const char *text, char piece[static 64])
{
	bool bracket = text[0] == '[';
	size_t len = bracket ? strcspn(text, "]") : strcspn(text, ":");

	piece[0] = '\0';
	if (len >= 64 || (bracket && text[len] != ']'))
		return NULL;
	if (bracket) {
		snprintf(piece, 64, "%.*s", (int)len - 1, text + 1);
		text++;
	} else {
		snprintf(piece, 64, "%.*s", (int)len, text);
	}
	if (!text[len])
		return NULL;
	if (text[len] != ':') {
		piece[0] = '\0';
		return NULL;
	}
	return text + len + 1;
}

static bool network_is_port(const char *text)
{
	unsigned int port;
	char end;

	return text[0] >= '0' && text[0] <= '9' && sscanf(text, "%5u%c", &port, &end) == 1 &&
	       port && port < 65536;
}

/* Its family, or AF_UNSPEC. */
static int network_address_family(const char *text)
{
	uint8_t bits[16];

	if (inet_pton(AF_INET, text, bits) == 1)
		return AF_INET;
	return inet_pton(AF_INET6, text, bits) == 1 ? AF_INET6 : AF_UNSPEC;
}

/* [ADDRESS:]PORT, at *@at of @pieces.  Return: false if it is none. */
static bool network_forward_end(char pieces[][64], unsigned int n, unsigned int *at, int *family)
{
	*family = AF_UNSPEC;
	if (*at < n && !network_is_port(pieces[*at])) {
		*family = network_address_family(pieces[*at]);
		if (*family == AF_UNSPEC)
			return false;
		(*at)++;
	}
	return *at < n && network_is_port(pieces[(*at)++]);
}

static int network_forward(char **ret, const char *text, struct definition_why *why)
{
	char pieces[5][64];
	const char *next = text;
	unsigned int n = 0, at = 1;
	int host, guest;

	while (next && n < 5)
		next = network_forward_piece(next, pieces[n++]);
	if (next || n < 3 || (strcmp(pieces[0], "tcp") && strcmp(pieces[0], "udp")))
		goto malformed;
	if (!network_forward_end(pieces, n, &at, &host) ||
	    !network_forward_end(pieces, n, &at, &guest) || at != n)
		goto malformed;
	if (host != AF_UNSPEC && guest != AF_UNSPEC && host != guest)
		return definition_why_set(why, "is \"%.100s\", with addresses of two kinds; there is no forward from IPv4 to IPv6 or back",
					  text);
	return definition_text(ret, text, NETWORK_FORWARD_MAX, true, why);
malformed:
	return definition_why_set(why, "is \"%.100s\", not tcp|udp:[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT, with IPv6 addresses in brackets",
				  text);
}

static int network_yes(bool *ret, const char *text, struct definition_why *why)
{
	int r = definition_enum(text, yes_names, why);

	if (r >= 0)
		*ret = r;
	return r < 0 ? r : 0;
}

static int network_unsigned(unsigned int *ret, const char *text, unsigned int min,
			    unsigned int max, struct definition_why *why)
{
	uint64_t number;
	int r = definition_number(text, false, min, max, &number, why);

	if (!r)
		*ret = (unsigned int)number;
	return r;
}

static int network_set(void *arg, int field, const char *text, const char *cwd,
		       struct definition_why *why)
{
	struct mullion_network_definition *def = arg;
	size_t at = 0;
	int r;

	switch (field) {
	case FIELD_NAME:
		return definition_set_name(def->name, text, why);
	case FIELD_UPLINK:
		r = definition_enum(text, uplink_names, why);
		if (r >= 0)
			def->uplink = (enum mullion_network_uplink)r;
		return r < 0 ? r : 0;
	case FIELD_TAP:
		return network_interface(&def->tap, text, why);
	case FIELD_BRIDGE:
		return network_interface(&def->bridge, text, why);
	case FIELD_SOCKET:
		return definition_path(&def->socket, text, cwd, why);
	case FIELD_IPV4:
		return network_prefix(&def->ipv4, text, false, why);
	case FIELD_IPV6:
		return network_prefix(&def->ipv6, text, true, why);
	case FIELD_FORWARD:
		r = definition_add(def->forwards, MULLION_FORWARDS_MAX, &at, why);
		return r ? r : network_forward(&def->forwards[at], text, why);
	case FIELD_HOST_LOOPBACK:
		return network_yes(&def->host_loopback, text, why);
	case FIELD_MTU:
		return network_unsigned(&def->mtu, text, MULLION_NET_MTU_MIN, MULLION_NET_MTU_MAX,
					why);
	case FIELD_VLAN:
		return network_unsigned(&def->vlan, text, 0, NETWORK_VLAN_MAX, why);
	case FIELD_AGEING:
		return network_unsigned(&def->ageing, text, 1, NETWORK_AGEING_MAX, why);
	case FIELD_FLOOD_RATE:
		return definition_number(text, false, 0, NETWORK_FLOOD_RATE_MAX,
					 &def->flood_rate, why);
	default:
		return network_yes(&def->isolated, text, why);
	}
}

static int network_check(const void *arg, struct definition_why *why)
{
	const struct mullion_network_definition *def = arg;
	bool nat = def->uplink == MULLION_NETWORK_UPLINK_NAT;
	bool tap = def->uplink == MULLION_NETWORK_UPLINK_TAP;
	bool passt = def->uplink == MULLION_NETWORK_UPLINK_PASST;

	if (!def->name[0])
		return definition_why_set(why, "the name is missing");
	if (!tap && (def->tap || def->bridge))
		return definition_why_set(why, "tap and bridge go with uplink tap only");
	if (tap && !def->tap && !def->bridge)
		return definition_why_set(why, "uplink tap needs a tap that exists, a bridge for a new one, or both");
	if (!passt && def->socket)
		return definition_why_set(why, "socket goes with uplink passt only");
	if (passt && !def->socket)
		return definition_why_set(why, "uplink passt needs socket, that of passt --socket");
	if (passt && strlen(def->socket) >= sizeof(((struct sockaddr_un *)0)->sun_path))
		return definition_why_set(why, "the path of the socket is too long");
	if (!nat && (def->ipv4 || def->ipv6 || def->forwards[0] || def->host_loopback))
		return definition_why_set(why, "ipv4, ipv6, forward and host_loopback go with uplink nat only");
	if (def->uplink == MULLION_NETWORK_UPLINK_NONE && def->vlan)
		return definition_why_set(why, "vlan is the uplink's, and there is none");
	for (size_t i = 0; def->forwards[i]; i++)
		for (size_t j = 0; j < i; j++)
			if (!strcmp(def->forwards[i], def->forwards[j]))
				return definition_why_set(why, "forward %.100s is given twice",
							  def->forwards[i]);
	return 0;
}

const char *mullion_network_uplink_name(const struct mullion_network_definition *def)
{
	return uplink_names[def->uplink];
}

json_t *mullion_network_definition_describe(const struct mullion_network_definition *def)
{
	return json_pack("{s:s, s:s, s:s*, s:s*, s:s*, s:s*, s:s*, s:o, s:s*, s:I, s:I, s:I, s:I, s:s}",
			 "name", def->name, "uplink", uplink_names[def->uplink],
			 "tap", def->tap, "bridge", def->bridge, "socket", def->socket,
			 "ipv4", def->ipv4, "ipv6", def->ipv6,
			 "forwards", definition_list(def->forwards),
			 "host_loopback", def->uplink == MULLION_NETWORK_UPLINK_NAT ?
			 yes_names[def->host_loopback] : NULL,
			 "mtu", (json_int_t)def->mtu, "vlan", (json_int_t)def->vlan,
			 "ageing", (json_int_t)def->ageing,
			 "flood_rate", (json_int_t)def->flood_rate,
			 "isolated", yes_names[def->isolated]);
}

static void network_release(void *def)
{
	mullion_network_definition_unref(def);
}

static json_t *network_describe(const void *def)
{
	return mullion_network_definition_describe(def);
}

const struct definition_schema definition_network_schema = {
	.section = "Network",
	.thing = "network",
	.list = "mullion network list",
	.folder = "networks",
	.fields = network_fields,
	.count = FIELDS,
	.paths = 1U << FIELD_SOCKET,
	.name_at = offsetof(struct mullion_network_definition, name),
	.make = network_new,
	.release = network_release,
	.set = network_set,
	.check = network_check,
	.describe = network_describe,
};

/* ---- texts and files ------------------------------------------------------ */

int mullion_network_definition_from_ini(const char *text, size_t bytes, const char *file,
					const char *cwd, struct mullion_network_definition **ret,
					struct mullion_error *err)
{
	void *def;
	int r = definition_from_ini(&definition_network_schema, text, bytes, file, cwd, &def,
				    err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_network_definition_from_json(json_t *json, const char *cwd,
					 struct mullion_network_definition **ret,
					 struct mullion_error *err)
{
	void *def;
	int r = definition_from_json(&definition_network_schema, json, cwd, &def, err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_network_definition_anchor(const char *text, size_t bytes, const char *file,
				      struct mullion_network_definition **ret, char **ret_text,
				      struct mullion_error *err)
{
	void *def;
	int r = definition_anchor(&definition_network_schema, text, bytes, file, &def, ret_text,
				  err);

	if (!r)
		*ret = def;
	return r;
}

int mullion_network_definition_save(const struct mullion_paths *paths,
				    const struct mullion_network_definition *def,
				    const char *text, size_t bytes, char path[static PATH_MAX],
				    struct mullion_error *err)
{
	return definition_save(&definition_network_schema, paths, def, text, bytes, path, err);
}

int mullion_network_definition_remove(const struct mullion_paths *paths, const char *name,
				      struct mullion_error *err)
{
	int r = definition_remove(&definition_network_schema, paths, name, err);

	if (r == -ENOENT && !strcmp(name, MULLION_NETWORK_NAT))
		r = mullion_error_set(err, -EBUSY, "cannot remove network", name, NULL,
				      "it is built in");
	return r;
}

int mullion_network_definition_names(const struct mullion_paths *paths, char ***ret)
{
	return definition_names(&definition_network_schema, paths, ret);
}

static int network_builtin(struct mullion_network_definition **ret, char **ret_text,
			   char path[static PATH_MAX])
{
	struct mullion_network_definition *def = network_new();
	char *text = ret_text ? strdup("") : NULL;

	if (!def || (ret_text && !text)) {
		mullion_network_definition_unref(def);
		free(text);
		return -ENOMEM;
	}
	strcpy(def->name, MULLION_NETWORK_NAT);
	def->uplink = MULLION_NETWORK_UPLINK_NAT;
	path[0] = '\0';
	if (ret_text)
		*ret_text = text;
	*ret = def;
	return 0;
}

int mullion_network_definition_load(const struct mullion_paths *paths, const char *name,
				    struct mullion_network_definition **ret, char **ret_text,
				    char path[static PATH_MAX], struct mullion_error *err)
{
	void *def;
	int r;

	if (!paths)
		r = mullion_error_set(err, -ENOENT, "no network", name, NULL,
				      "definitions are not kept here");
	else
		r = definition_load(&definition_network_schema, paths, name, &def, ret_text, path,
				    err);
	if (!r)
		*ret = def;
	if (r != -ENOENT)
		return r;
	if (strcmp(name, MULLION_NETWORK_NAT))
		return mullion_error_set(err, r, "no network", name,
					 "define it with `mullion network define`, or use nat",
					 "it is not defined");
	r = network_builtin(ret, ret_text, path);
	if (r)
		mullion_error_set(err, r, "no network", name, NULL, "out of memory");
	return r;
}

bool mullion_network_definition_is(const char *text, size_t bytes)
{
	return definition_ini_is(&definition_network_schema, text, bytes);
}
