// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/forward.c - a port of the host that leads to a guest
 */
#include "forward.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define FORWARD_TEXT	256
#define FORWARD_FIELDS	4

/* Cuts at colons that are not inside brackets. */
static size_t forward_fields(char *text, char **fields)
{
	bool inside = false;
	size_t count = 0;

	fields[count++] = text;
	for (; *text; text++) {
		if (*text == '[')
			inside = true;
		else if (*text == ']')
			inside = false;
		else if (*text == ':' && !inside) {
			*text = '\0';
			if (count == FORWARD_FIELDS)
				return FORWARD_FIELDS + 1;
			fields[count++] = text + 1;
		}
	}
	return count;
}

static bool forward_port(const char *text, in_port_t *port)
{
	unsigned long value;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	value = strtoul(text, &end, 10);
	if (*end || !value || value > 65535)
		return false;
	*port = htons((uint16_t)value);
	return true;
}

static bool forward_address(char *text, union mullion_forward_address *address)
{
	size_t length = strlen(text);

	if (*text == '[' && text[length - 1] == ']') {
		text[length - 1] = '\0';
		address->ip6.sin6_family = AF_INET6;
		return inet_pton(AF_INET6, text + 1, &address->ip6.sin6_addr) == 1;
	}
	address->ip4.sin_family = AF_INET;
	return inet_pton(AF_INET, text, &address->ip4.sin_addr) == 1;
}

static void forward_set_port(union mullion_forward_address *address, in_port_t port)
{
	if (address->any.sa_family == AF_INET6)
		address->ip6.sin6_port = port;
	else
		address->ip4.sin_port = port;
}

/* The side that no address was given for. */
static int forward_families(struct mullion_forward *forward)
{
	union mullion_forward_address *host = &forward->host, *guest = &forward->guest;

	if (!host->any.sa_family) {
		host->any.sa_family = guest->any.sa_family ? guest->any.sa_family : AF_INET;
		if (host->any.sa_family == AF_INET6)
			host->ip6.sin6_addr = in6addr_loopback;
		else
			host->ip4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	}
	if (!guest->any.sa_family)
		guest->any.sa_family = host->any.sa_family;
	return host->any.sa_family == guest->any.sa_family ? 0 : -EAFNOSUPPORT;
}

int mullion_forward_parse(const char *text, struct mullion_forward *forward)
{
	struct mullion_forward parsed = { 0 };
	char copy[FORWARD_TEXT], *fields[FORWARD_FIELDS];
	size_t count, at = 0;
	in_port_t host, guest;
	int ret;

	if (strlen(text) >= sizeof(copy))
		return -EINVAL;
	if (!strncmp(text, "udp:", 4))
		parsed.udp = true;
	else if (strncmp(text, "tcp:", 4))
		return -EINVAL;
	strcpy(copy, text + 4);
	count = forward_fields(copy, fields);
	if (count < 2 || count > FORWARD_FIELDS)
		return -EINVAL;
	if (!forward_port(fields[at], &host)) {
		if (!forward_address(fields[at], &parsed.host))
			return -EINVAL;
		at++;
		if (!forward_port(fields[at], &host))
			return -EINVAL;
	}
	at++;
	if (at + 2 == count) {
		if (!forward_address(fields[at], &parsed.guest))
			return -EINVAL;
		at++;
	}
	if (at + 1 != count || !forward_port(fields[at], &guest))
		return -EINVAL;
	ret = forward_families(&parsed);
	if (ret < 0)
		return ret;
	forward_set_port(&parsed.host, host);
	forward_set_port(&parsed.guest, guest);
	parsed.length = parsed.host.any.sa_family == AF_INET6 ? sizeof(parsed.host.ip6) :
			sizeof(parsed.host.ip4);
	*forward = parsed;
	return 0;
}
