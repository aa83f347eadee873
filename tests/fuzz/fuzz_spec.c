// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/fuzz/fuzz_spec.c - any text as the SPEC of a disk, and of a network interface */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../command/net_spec.h"
#include "../../command/spec.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Also as a change of an interface that is in use. */
static void fuzz_net(const char *text)
{
	static struct mullion_net_spec spec;
	struct mullion_error err = { .why = "" };
	struct mullion_net_port port;

	memset(&spec, 0, sizeof(spec));
	if (!mullion_net_spec_parse(&spec, text, &err)) {
		if (!mullion_name_valid(spec.network))
			abort();
	} else if (!err.why[0]) {
		abort();
	}
	err.why[0] = '\0';
	if (mullion_net_spec_change(&spec, text, &err) && !err.why[0])
		abort();
	mullion_net_spec_fill(&spec, 1500, &port);
	if (port.mtu < MULLION_NET_MTU_MIN || port.mtu > MULLION_NET_MTU_MAX ||
	    port.vlan > 4094 || port.mac[0] & 1 || (port.rate && !port.burst) ||
	    (port.rate_to && !port.burst_to) || port.ip4_count > MULLION_NET_ADDRESSES_MAX ||
	    port.ip6_count > MULLION_NET_ADDRESSES_MAX || (port.vlan && port.trunk_vlans[0] & 1))
		abort();
	json_decref(mullion_net_spec_describe(&spec, 1500));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mullion_spec spec;
	struct mullion_error err = { .why = "" };
	char *text = malloc(size + 1);

	if (!text)
		return 0;
	memcpy(text, data, size);
	text[size] = '\0';
	fuzz_net(text);
	if (!mullion_spec_parse(&spec, text, "/cwd", &err)) {
		/* what was accepted is terminated, absolute, and in range */
		if (spec.store == MULLION_STORE_FILE && spec.path[0] != '/')
			abort();
		if (spec.store == MULLION_STORE_NULL && (!spec.bytes || spec.bytes % 512))
			abort();
		if (spec.store == MULLION_STORE_NBD && !spec.path[0] && !spec.host[0])
			abort();
		if (spec.lun < MULLION_SPEC_LUN_ANY || spec.lun > 255)
			abort();
		if (!memchr(spec.path, 0, sizeof(spec.path)) ||
		    !memchr(spec.export, 0, sizeof(spec.export)) ||
		    !memchr(spec.serial, 0, sizeof(spec.serial)))
			abort();
	} else if (!err.why[0]) {
		abort();
	}
	free(text);
	return 0;
}
