// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_net_spec.c - what a user calls a network interface: what is
 * accepted, what it comes to, what is refused and with which words
 */
#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "../../command/net_spec.h"

static struct mullion_net_spec spec;

static void good(const char *text)
{
	struct mullion_error err = { 0 };

	memset(&spec, 0, sizeof(spec));
	if (mullion_net_spec_parse(&spec, text, &err))
		fail_msg("%s: refused: %s", text, err.why);
}

static void bad(const char *text, const char *why)
{
	struct mullion_error err = { 0 };
	struct mullion_net_spec before;

	memset(&spec, 0x5a, sizeof(spec));
	before = spec;
	assert_true(mullion_net_spec_parse(&spec, text, &err) < 0);
	assert_memory_equal(&spec, &before, sizeof(spec));
	if (!strstr(err.why, why) && !strstr(err.action, why))
		fail_msg("%s: \"%s; %s\" does not hold \"%s\"", text, err.why, err.action, why);
}

static void test_plain(void **state)
{
	struct mullion_net_port port;

	(void)state;
	good("nat");
	assert_string_equal(spec.network, "nat");
	assert_true(spec.link_up);
	assert_false(spec.has_mac);
	mullion_net_spec_fill(&spec, 1400, &port);
	assert_int_equal(port.version, MULLION_NET_CONFIG_VERSION);
	assert_int_equal(port.flags, MULLION_NET_PORT_LINK_UP);
	assert_int_equal(port.mtu, 1400);
	assert_int_equal(port.rate, 0);
	assert_int_equal(port.burst, 0);
}

static void test_full(void **state)
{
	static const uint8_t mac[6] = { 0x02, 0xab, 0xcd, 0, 0, 0xff };
	struct mullion_net_port port;
	json_t *json;

	(void)state;
	good("lab.1,mac=02:aB:Cd:00:00:ff,mtu=16384,link=down,rate=10M,burst=1M,rate-to=1K,"
	     "isolated=on,lock=ip,ip=10.0.0.1+fd00::1+10.0.0.2,vlan=4094,trunk=1+10-12+4094,share=on");
	mullion_net_spec_fill(&spec, 1500, &port);
	assert_memory_equal(port.mac, mac, 6);
	assert_int_equal(port.mtu, 16384);
	assert_int_equal(port.flags, MULLION_NET_PORT_ISOLATED | MULLION_NET_PORT_LOCK_MAC |
			 MULLION_NET_PORT_LOCK_IP | MULLION_NET_PORT_TRUNK);
	assert_int_equal(port.rate, 10 << 20);
	assert_int_equal(port.burst, 1 << 20);
	assert_int_equal(port.rate_to, 1024);
	/* a bucket that the largest frame fits into */
	assert_int_equal(port.burst_to, 2 * MULLION_NET_FRAME_MAX);
	assert_int_equal(port.ip4_count, 2);
	assert_int_equal(port.ip6_count, 1);
	assert_int_equal(port.ip4[1], inet_addr("10.0.0.2"));
	assert_int_equal(port.ip6[0][0], 0xfd);
	assert_int_equal(port.vlan, 4094);
	assert_int_equal(port.trunk_vlans[0], 1 << 1);
	assert_int_equal(port.trunk_vlans[1], 1 << 2 | 1 << 3 | 1 << 4);
	assert_int_equal(port.trunk_vlans[511], 1 << 6);
	json = mullion_net_spec_describe(&spec, 1500);
	assert_string_equal(json_string_value(json_object_get(json, "mac")), "02:ab:cd:00:00:ff");
	assert_string_equal(json_string_value(json_object_get(json, "trunk")), "1+10-12+4094");
	assert_string_equal(json_string_value(json_object_get(json, "lock")), "ip");
	assert_int_equal(json_array_size(json_object_get(json, "ip")), 3);
	json_decref(json);
	/* what has no tag, beside what has */
	good("n,trunk=0+7-8");
	mullion_net_spec_fill(&spec, 1500, &port);
	assert_int_equal(port.flags, MULLION_NET_PORT_LINK_UP | MULLION_NET_PORT_TRUNK);
	assert_int_equal(port.trunk_vlans[0], 1 << 0 | 1 << 7);
	assert_int_equal(port.trunk_vlans[1], 1 << 0);
	json = mullion_net_spec_describe(&spec, 1500);
	assert_string_equal(json_string_value(json_object_get(json, "trunk")), "0+7-8");
	json_decref(json);
	/* a tenth of a second where that is more */
	good("n,rate=1G");
	mullion_net_spec_fill(&spec, 1500, &port);
	assert_int_equal(port.burst, (1ULL << 30) / 10);
}

static void test_bad(void **state)
{
	char text[MULLION_NET_SPEC_TEXT_MAX + 16];

	(void)state;
	bad("", "name of a network");
	bad("-x", "name of a network");
	bad("a b", "name of a network");
	bad("n,", "unknown option ''");
	bad("n,colour=red", "unknown option 'colour'");
	bad("n,mtu=1500,mtu=1500", "twice");
	bad("n,mac", "hexadecimal");
	bad("n,mac=02:00:00:00:00", "hexadecimal");
	bad("n,mac=02:00:00:00:00:00:00", "hexadecimal");
	bad("n,mac=02:00:00:00:00:0g", "hexadecimal");
	bad("n,mac=020000000000", "hexadecimal");
	bad("n,mac=00:00:00:00:00:00", "hexadecimal");
	bad("n,mac=ff:ff:ff:ff:ff:ff", "even");
	bad("n,mtu=67", "68 to 16384");
	bad("n,mtu=16385", "68 to 16384");
	bad("n,mtu=-1", "68 to 16384");
	bad("n,link=maybe", "up or down");
	bad("n,rate=-1", "bytes a second");
	bad("n,rate=1MB", "bytes a second");
	bad("n,rate=99999999999999999999", "bytes a second");
	bad("n,burst=1M", "without a rate");
	bad("n,rate=1M,burst=1K", "129K");
	bad("n,rate=1M,burst-to=1M", "without a rate");
	bad("n,isolated", "on or off");
	bad("n,lock=arp", "none, mac or ip");
	bad("n,lock=ip", "lets nothing through");
	bad("n,ip=10.0.0.1", "lock=ip");
	bad("n,lock=mac,ip=10.0.0.1", "lock=ip");
	bad("n,lock=ip,ip=10.0.0", "IPv4");
	bad("n,lock=ip,ip=10.0.0.1+", "IPv4");
	bad("n,lock=ip,ip=1.0.0.1+1.0.0.2+1.0.0.3+1.0.0.4+1.0.0.5+1.0.0.6+1.0.0.7+1.0.0.8+1.0.0.9",
	    "up to 8");
	bad("n,vlan=4095", "4094");
	bad("n,vlan=x", "4094");
	bad("n,trunk=0+7,vlan=5", "already");
	bad("n,trunk=5-4", "VLANs");
	bad("n,trunk=1-", "VLANs");
	bad("n,trunk=1-4095", "VLANs");
	bad("n,trunk=1++2", "VLANs");
	bad("n,share=yes", "on or off");
	memset(text, 'n', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	bad(text, "too long");
	text[200] = '\0';
	bad(text, "name of a network");
}

static int change(const char *text, const char *why)
{
	struct mullion_error err = { 0 };
	int r = mullion_net_spec_change(&spec, text, &err);

	if (why && !strstr(err.why, why) && !strstr(err.action, why))
		fail_msg("%s: \"%s\" does not hold \"%s\"", text, err.why, why);
	return r;
}

static void test_change(void **state)
{
	struct mullion_net_spec before;

	(void)state;
	good("n,rate=10M,burst=2M,lock=ip,ip=10.0.0.1,trunk=1-5,vlan=9,mtu=9000");
	assert_int_equal(change("link=down,vlan=0", NULL), 0);
	assert_false(spec.link_up);
	assert_int_equal(spec.vlan, 0);
	assert_int_equal(spec.rate, 10 << 20);
	assert_int_equal(spec.mtu, 9000);
	/* what goes with a rate or a lock leaves with it */
	assert_int_equal(change("rate=0", NULL), 0);
	assert_int_equal(spec.burst, 0);
	assert_int_equal(change("lock=mac,trunk=none", NULL), 0);
	assert_int_equal(spec.ip4_count, 0);
	assert_true(spec.lock_mac);
	assert_false(spec.lock_ip);
	assert_false(spec.trunk);
	assert_int_equal(spec.vlans[0], 0);
	assert_int_equal(change("lock=ip,ip=10.0.0.9", NULL), 0);
	assert_int_equal(change("ip=10.0.0.1+10.0.0.2", NULL), 0);
	assert_int_equal(spec.ip4_count, 2);
	assert_int_equal(change("trunk=0+7", NULL), 0);
	before = spec;
	assert_int_equal(change("vlan=9", "already"), -EINVAL);
	assert_int_equal(change("link=up,mtu=1500", "agreed on"), -EINVAL);
	assert_int_equal(change("link=up,ip=none", "lets nothing through"), -EINVAL);
	assert_int_equal(change("link=up,colour=red", "unknown option"), -EINVAL);
	assert_int_equal(change("", "unknown option"), -EINVAL);
	assert_memory_equal(&spec, &before, sizeof(spec));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_full),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_change),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
