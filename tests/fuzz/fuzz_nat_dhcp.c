// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_nat_dhcp.c - frames of hostile guests into the NAT's DHCP
 *
 * An input is a list of frames, each after a byte that says how many seconds
 * have passed and two of length.  Leases must stay what they are: no client has
 * two addresses.
 */
#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../service/nat/dhcp.h"

#define HEAD_BYTES	3
#define LEASES		6

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_check(const struct mullion_dhcp *dhcp)
{
	static const uint8_t nobody[6];

	for (int i = 0; i < LEASES; i++) {
		const struct mullion_dhcp_lease *a = &dhcp->leases[i];

		for (int j = 0; j < i; j++) {
			const struct mullion_dhcp_lease *b = &dhcp->leases[j];

			assert(a->refused || b->refused || !a->ends || !b->ends ||
			       !memcmp(a->mac, nobody, 6) || memcmp(a->mac, b->mac, 6));
		}
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct mullion_dhcp dhcp;
	uint8_t answer[MULLION_DHCP_FRAME_BYTES];
	uint64_t now = 0;

	dhcp = (struct mullion_dhcp){
		.server = 0x0a000202, .mask = 0xffffff00, .dns = 0x0a000203,
		.first = 0x0a00020f, .count = LEASES, .mtu = 1500,
	};
	while (size >= HEAD_BYTES) {
		size_t bytes = (size_t)(data[1] << 8 | data[2]);
		struct mullion_packet packet;
		uint8_t *frame;

		now += data[0];
		data += HEAD_BYTES;
		size -= HEAD_BYTES;
		if (bytes > size)
			bytes = size;
		frame = malloc(bytes + 1);
		assert(frame);
		memcpy(frame + 1, data, bytes);
		if (mullion_packet_parse(&packet, frame + 1, bytes, bytes) == 0 &&
		    mullion_dhcp_is_request(&packet))
			assert(mullion_dhcp_answer(&dhcp, &packet, now, answer) <=
			       sizeof(answer));
		fuzz_check(&dhcp);
		free(frame);
		data += bytes;
		size -= bytes;
	}
	return 0;
}
