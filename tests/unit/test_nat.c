// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_nat.c - the NAT's forwards and its addresses
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#include "../../service/nat/dhcp.h"
#include "../../service/nat/forward.h"
#include "../../service/nat/neighbour.h"
#include "../../service/nat/reach.h"
#include "../lib/net_frame.h"

#define SERVER		0x0a000202U
#define FIRST		0x0a00020fU

#define DISCOVER	1
#define OFFER		2
#define REQUEST		3
#define DECLINE		4
#define ACK		5
#define NAK		6
#define RELEASE		7
#define INFORM		8

static void check_forward(const char *text, bool udp, const char *host, unsigned int host_port,
			  const char *guest, unsigned int guest_port)
{
	struct mullion_forward forward;
	char address[64];
	bool six = strchr(host, ':');

	assert_int_equal(mullion_forward_parse(text, &forward), 0);
	assert_int_equal(forward.udp, udp);
	assert_int_equal(forward.host.any.sa_family, six ? AF_INET6 : AF_INET);
	assert_int_equal(forward.guest.any.sa_family, six ? AF_INET6 : AF_INET);
	if (six) {
		assert_int_equal(forward.length, sizeof(struct sockaddr_in6));
		inet_ntop(AF_INET6, &forward.host.ip6.sin6_addr, address, sizeof(address));
		assert_string_equal(address, host);
		inet_ntop(AF_INET6, &forward.guest.ip6.sin6_addr, address, sizeof(address));
		assert_string_equal(address, guest);
		assert_int_equal(ntohs(forward.host.ip6.sin6_port), host_port);
		assert_int_equal(ntohs(forward.guest.ip6.sin6_port), guest_port);
		return;
	}
	assert_int_equal(forward.length, sizeof(struct sockaddr_in));
	inet_ntop(AF_INET, &forward.host.ip4.sin_addr, address, sizeof(address));
	assert_string_equal(address, host);
	inet_ntop(AF_INET, &forward.guest.ip4.sin_addr, address, sizeof(address));
	assert_string_equal(address, guest);
	assert_int_equal(ntohs(forward.host.ip4.sin_port), host_port);
	assert_int_equal(ntohs(forward.guest.ip4.sin_port), guest_port);
}

static void test_forwards(void **state)
{
	(void)state;
	check_forward("tcp:8080:80", false, "127.0.0.1", 8080, "0.0.0.0", 80);
	check_forward("udp:0.0.0.0:53:5353", true, "0.0.0.0", 53, "0.0.0.0", 5353);
	check_forward("tcp:1:10.0.2.16:65535", false, "127.0.0.1", 1, "10.0.2.16", 65535);
	check_forward("tcp:192.0.2.1:1:10.0.2.16:2", false, "192.0.2.1", 1, "10.0.2.16", 2);
	check_forward("tcp:[::1]:1:2", false, "::1", 1, "::", 2);
	check_forward("tcp:1:[fd00::5]:2", false, "::1", 1, "fd00::5", 2);
	check_forward("udp:[::]:1:[fd00::5]:2", true, "::", 1, "fd00::5", 2);
}

static void test_forwards_refused(void **state)
{
	static const char *const wrong[] = {
		"", "tcp", "tcp:", "tcp:80", "sctp:1:2", "tcp:0:1", "tcp:1:0", "tcp:1:65536",
		"tcp:1:2:3:4:5", "tcp:a:1:2", "tcp:1:b:2", "tcp::1:2", "tcp:1:2:", "tcp:-1:2",
		"tcp: 1:2", "tcp:1:2 ", "tcp:[::1:1:2", "tcp:::1:1:2", "tcp:[]:1:2",
		"tcp:1:2:3", "tcp:127.0.0.1:1:2:3:", "tcp:99999999999999999999:1",
	};
	struct mullion_forward forward = { .length = 99 };
	char long_text[1000];

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++)
		assert_int_equal(mullion_forward_parse(wrong[i], &forward), -EINVAL);
	assert_int_equal(mullion_forward_parse("tcp:127.0.0.1:1:[::1]:2", &forward),
			 -EAFNOSUPPORT);
	memset(long_text, '1', sizeof(long_text));
	long_text[sizeof(long_text) - 1] = '\0';
	memcpy(long_text, "tcp:", 4);
	assert_int_equal(mullion_forward_parse(long_text, &forward), -EINVAL);
	assert_int_equal(forward.length, 99);
}

static struct mullion_dhcp *dhcp_new(uint32_t count)
{
	struct mullion_dhcp *dhcp = calloc(1, sizeof(*dhcp));

	dhcp->server = SERVER;
	dhcp->mask = 0xffffff00;
	dhcp->dns = SERVER + 1;
	dhcp->first = FIRST;
	dhcp->count = count;
	dhcp->mtu = 9000;
	dhcp->mac[0] = 0x52;
	return dhcp;
}

/* The request of a client; fields that are 0 are left out. */
struct client {
	uint8_t mac;
	uint8_t type;
	uint32_t ciaddr, address, server;
	bool broadcast, mtu, foreign_mac;
};

static uint8_t frame[1000], answer[MULLION_DHCP_FRAME_BYTES];

static uint8_t *option(uint8_t *p, uint8_t number, uint8_t bytes, uint32_t value)
{
	*p++ = number;
	*p++ = bytes;
	while (bytes--)
		*p++ = (uint8_t)(value >> (8 * bytes));
	return p;
}

static size_t build(const struct client *client)
{
	uint8_t bootp[400] = { 1, 1, 6 };
	struct net_spec spec = {
		.version = 4, .protocol = 17, .from_port = 68, .to_port = 67,
		.mac_from = { 2, 0, 0, 0, 0, client->mac }, .mac_to = { 0x52 },
		.payload = bootp, .payload_bytes = 300,
	};
	struct net_layout layout;
	uint8_t *p = bootp + 240;

	memcpy(bootp + 4, "\1\2\3\4", 4);
	bootp[10] = client->broadcast ? 0x80 : 0;
	mullion_be32_put(bootp + 12, client->ciaddr);
	bootp[28] = 2;
	bootp[33] = (uint8_t)(client->mac + client->foreign_mac);
	mullion_be32_put(bootp + 236, 0x63825363);
	*p++ = 0;
	p = option(p, 53, 1, client->type);
	if (client->address)
		p = option(p, 50, 4, client->address);
	if (client->server)
		p = option(p, 54, 4, client->server);
	if (client->mtu)
		p = option(p, 55, 3, 0x01031a);
	*p = 255;
	net_frame_build(&spec, frame, &layout);
	return layout.bytes;
}

static size_t ask_bytes(struct mullion_dhcp *dhcp, size_t bytes, uint64_t now)
{
	struct mullion_packet packet;
	uint8_t *copy = malloc(bytes);
	size_t n;

	memcpy(copy, frame, bytes);
	assert_int_equal(mullion_packet_parse(&packet, copy, bytes, bytes), 0);
	n = mullion_dhcp_is_request(&packet) ?
	    mullion_dhcp_answer(dhcp, &packet, now, answer) : 0;
	free(copy);
	return n;
}

static const uint8_t *answer_option(size_t bytes, uint8_t number)
{
	for (uint8_t *p = answer + 42 + 240; p < answer + bytes && *p != 255; p += 2 + p[1]) {
		if (*p == number)
			return p + 2;
	}
	return NULL;
}

/* Return: the type of the answer, 0 for none; *@address: what it gives. */
static int ask(struct mullion_dhcp *dhcp, struct client client, uint64_t now,
	       uint32_t *address)
{
	size_t bytes = ask_bytes(dhcp, build(&client), now);
	uint8_t pseudo[12] = { 0 };

	*address = 0;
	if (!bytes)
		return 0;
	assert_true(bytes >= 342 && bytes <= sizeof(answer));
	/* both checksums, and what must be repeated */
	assert_int_equal(net_sum(0, answer + 14, 20), 0xffff);
	memcpy(pseudo, answer + 26, 8);
	pseudo[9] = 17;
	mullion_be16_put(pseudo + 10, (uint32_t)bytes - 34);
	assert_int_equal(net_sum(net_sum(0, pseudo, 12), answer + 34, bytes - 34), 0xffff);
	assert_memory_equal(answer + 42 + 4, "\1\2\3\4", 4);
	assert_memory_equal(answer + 42 + 28, frame + 6, 6);
	assert_int_equal(mullion_be32_get(answer_option(bytes, 54)), SERVER);
	*address = mullion_be32_get(answer + 42 + 16);
	return *answer_option(bytes, 53);
}

static void test_first(void **state)
{
	struct mullion_dhcp *dhcp = dhcp_new(4);
	struct client client = { .mac = 1, .type = DISCOVER };
	uint32_t address;

	(void)state;
	assert_int_equal(ask(dhcp, client, 100, &address), OFFER);
	assert_int_equal(address, FIRST);
	/* unicast to the address that it does not have yet */
	assert_memory_equal(answer, frame + 6, 6);
	assert_int_equal(mullion_be32_get(answer + 30), FIRST);
	client = (struct client){
		.mac = 1, .type = REQUEST, .address = FIRST, .server = SERVER,
		.broadcast = true, .mtu = true,
	};
	assert_int_equal(ask(dhcp, client, 101, &address), ACK);
	assert_int_equal(address, FIRST);
	assert_int_equal(answer[0], 0xff);
	assert_int_equal(mullion_be32_get(answer + 30), 0xffffffff);
	assert_int_equal(mullion_be32_get(answer_option(400, 1)), 0xffffff00);
	assert_int_equal(mullion_be32_get(answer_option(400, 3)), SERVER);
	assert_int_equal(mullion_be32_get(answer_option(400, 6)), SERVER + 1);
	assert_int_equal(mullion_be16_get(answer_option(400, 26)), 9000);
	assert_int_equal(mullion_be32_get(answer_option(400, 51)), MULLION_DHCP_LEASE_SECONDS);
	/* renewed, directly */
	client = (struct client){ .mac = 1, .type = REQUEST, .ciaddr = FIRST };
	assert_int_equal(ask(dhcp, client, 200, &address), ACK);
	assert_null(answer_option(400, 26));
	assert_int_equal(mullion_be32_get(answer + 30), FIRST);
	free(dhcp);
}

static void test_many(void **state)
{
	struct mullion_dhcp *dhcp = dhcp_new(4);
	uint32_t address;

	(void)state;
	for (uint8_t i = 0; i < 4; i++) {
		assert_int_equal(ask(dhcp, (struct client){ .mac = i, .type = REQUEST,
				     .address = FIRST + i }, 10, &address), ACK);
		assert_int_equal(address, FIRST + i);
	}
	/* all taken: discovery is left alone, demands are denied */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 9, .type = DISCOVER }, 20, &address), 0);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 9, .type = REQUEST,
			     .address = FIRST + 2 }, 20, &address), NAK);
	assert_int_equal(answer[0], 0xff);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 9, .type = REQUEST,
			     .address = FIRST + 4 }, 20, &address), NAK);
	/* one keeps its own whatever it asks for first */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 2, .type = DISCOVER }, 20, &address),
			 OFFER);
	assert_int_equal(address, FIRST + 2);
	/* one goes, and its address is the next one's */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = RELEASE,
			     .ciaddr = FIRST + 1 }, 30, &address), 0);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 9, .type = DISCOVER }, 30, &address),
			 OFFER);
	assert_int_equal(address, FIRST + 1);
	/* an offer that nobody takes, and leases that end */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 10, .type = DISCOVER }, 31, &address), 0);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 10, .type = DISCOVER }, 70, &address),
			 OFFER);
	assert_int_equal(address, FIRST + 1);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 11, .type = DISCOVER },
			     10 + MULLION_DHCP_LEASE_SECONDS, &address), OFFER);
	assert_int_equal(address, FIRST);
	free(dhcp);
}

static void test_wishes(void **state)
{
	struct mullion_dhcp *dhcp = dhcp_new(10);
	uint32_t address;

	(void)state;
	/* a free address that it wants, as after a restart of the NAT */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = DISCOVER,
			     .address = FIRST + 5 }, 10, &address), OFFER);
	assert_int_equal(address, FIRST + 5);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = REQUEST,
			     .ciaddr = FIRST + 6 }, 10, &address), ACK);
	/* it has one address only */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 2, .type = REQUEST,
			     .address = FIRST + 5 }, 10, &address), ACK);
	/* another's, and another server's */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 2, .type = RELEASE,
			     .ciaddr = FIRST + 6 }, 10, &address), 0);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 3, .type = REQUEST,
			     .address = FIRST + 6 }, 10, &address), NAK);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 3, .type = REQUEST,
			     .address = FIRST + 7, .server = SERVER + 9 }, 10, &address), 0);
	/* one that somebody else uses is not given for a while */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = DECLINE,
			     .address = FIRST + 6 }, 10, &address), 0);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = REQUEST,
			     .address = FIRST + 6 }, 10, &address), NAK);
	assert_int_equal(ask(dhcp, (struct client){ .mac = 1, .type = REQUEST,
			     .address = FIRST + 6 }, 1000, &address), ACK);
	/* who has an address otherwise may ask for the rest */
	assert_int_equal(ask(dhcp, (struct client){ .mac = 5, .type = INFORM,
			     .ciaddr = 0x0a000205 }, 10, &address), ACK);
	assert_int_equal(address, 0);
	assert_null(answer_option(400, 51));
	assert_int_equal(mullion_be32_get(answer + 30), 0x0a000205);
	free(dhcp);
}

static void test_bad(void **state)
{
	struct mullion_dhcp *dhcp = dhcp_new(4);
	struct client client = { .mac = 1, .type = DISCOVER };
	uint32_t address;
	size_t bytes;

	(void)state;
	/* in the name of another */
	client.foreign_mac = true;
	assert_int_equal(ask(dhcp, client, 1, &address), 0);
	client.foreign_mac = false;
	for (unsigned int type = 0; type < 256; type++) {
		if (type == DISCOVER || type == REQUEST || type == INFORM)
			continue;
		client.type = (uint8_t)type;
		assert_int_equal(ask(dhcp, client, 1, &address), 0);
	}
	/* cut off anywhere, with lengths that say so */
	client.type = DISCOVER;
	for (size_t cut = 0; cut < 300; cut++) {
		bytes = build(&client) - cut;
		mullion_be16_put(frame + 16, (uint32_t)bytes - 14);
		mullion_be16_put(frame + 38, (uint32_t)bytes - 34);
		ask_bytes(dhcp, bytes, 1);
	}
	/* an option that is longer than the message */
	bytes = build(&client);
	frame[42 + 240 + 5] = 200;
	frame[42 + 240 + 4] = 12;
	assert_int_equal(ask_bytes(dhcp, bytes, 1), 0);
	for (int round = 0; round < 20000; round++) {
		bytes = build(&client);
		for (int i = 0; i < 4; i++)
			frame[14 + net_random_below(300)] = (uint8_t)net_random();
		assert_true(ask_bytes(dhcp, bytes, (uint64_t)round) <= sizeof(answer));
	}
	free(dhcp);
}

static bool reaches(const struct mullion_nat_reach *reach, const struct net_spec *spec)
{
	struct mullion_packet packet;
	struct net_layout layout;

	net_frame_build(spec, frame, &layout);
	assert_int_equal(mullion_packet_parse(&packet, frame, layout.bytes, layout.bytes), 0);
	return mullion_nat_may_reach(reach, &packet);
}

static struct net_spec to_address(const char *address, uint8_t protocol, uint16_t port)
{
	struct net_spec spec = {
		.version = strchr(address, ':') ? 6 : 4, .protocol = protocol, .to_port = port,
		.from_port = 40000, .payload = (const uint8_t *)"0123456789",
		.payload_bytes = 10,
	};

	assert_int_equal(inet_pton(spec.version == 6 ? AF_INET6 : AF_INET, address, spec.to), 1);
	return spec;
}

static void test_reach(void **state)
{
	static const char *const never[] = {
		"127.0.0.1", "127.255.255.254", "0.0.0.0", "0.0.0.1", "::", "::1",
		"::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1",
	};
	static const char *const always[] = {
		"10.0.2.2", "192.0.2.1", "128.0.0.1", "fd00:6d75::2", "2001:db8::1", "100::1",
	};
	static const char *const dns[] = { "10.0.2.3", "fd00:6d75::3" };
	struct mullion_nat_reach reach = { .dns4 = SERVER + 1 };
	struct net_spec spec;

	(void)state;
	assert_int_equal(inet_pton(AF_INET6, "fd00:6d75::3", &reach.dns6), 1);
	for (int host = 0; host < 2; host++) {
		reach.host_loopback = host;
		for (size_t i = 0; i < sizeof(never) / sizeof(never[0]); i++) {
			spec = to_address(never[i], 6, 53);
			assert_false(reaches(&reach, &spec));
			spec = to_address(never[i], 17, 53);
			assert_false(reaches(&reach, &spec));
		}
		for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
			spec = to_address(always[i], 6, 22);
			assert_true(reaches(&reach, &spec));
		}
		for (size_t i = 0; i < sizeof(dns) / sizeof(dns[0]); i++) {
			spec = to_address(dns[i], 17, 53);
			assert_true(reaches(&reach, &spec));
			spec = to_address(dns[i], 6, 53);
			assert_true(reaches(&reach, &spec));
			spec = to_address(dns[i], 6, 22);
			assert_int_equal(reaches(&reach, &spec), host);
			spec = to_address(dns[i], 17, 5353);
			assert_int_equal(reaches(&reach, &spec), host);
		}
	}
}

/* A frame between the router and a guest, in either direction. */
static const struct mullion_packet *between(int version, bool to_guest, uint8_t mac)
{
	static struct mullion_packet packet;
	struct net_spec spec = {
		.version = version, .protocol = 17, .from_port = 1, .to_port = 2,
		.payload = (const uint8_t *)"0123456789", .payload_bytes = 10,
	};
	const uint8_t guest[6] = { 2, 0, 0, 0, 0, mac };
	struct net_layout layout;

	inet_pton(version == 6 ? AF_INET6 : AF_INET, version == 6 ? "fd00:6d75::15" : "10.0.2.15",
		  to_guest ? spec.to : spec.from);
	memcpy(to_guest ? spec.mac_to : spec.mac_from, guest, 6);
	spec.mac_from[0] = to_guest ? 0x52 : 2;
	net_frame_build(&spec, frame, &layout);
	assert_int_equal(mullion_packet_parse(&packet, frame, layout.bytes, layout.bytes), 0);
	return &packet;
}

static void check_question(int version, const uint8_t *question, size_t bytes)
{
	struct mullion_packet packet;
	uint8_t pseudo[40] = { 0 };

	assert_int_equal(mullion_packet_parse(&packet, question, bytes, bytes), 0);
	assert_true(packet.multicast);
	if (version == 4) {
		assert_int_equal(bytes, 42);
		assert_memory_equal(question, "\xff\xff\xff\xff\xff\xff\x52\x55\x0a\0\2\2\x08\x06", 14);
		assert_memory_equal(question + 14, "\0\1\x08\0\6\4\0\1", 8);
		assert_memory_equal(question + 28, "\x0a\0\2\2", 4);
		assert_memory_equal(question + 38, "\x0a\0\2\x0f", 4);
		return;
	}
	assert_int_equal(bytes, MULLION_NEIGHBOUR_FRAME_BYTES);
	assert_memory_equal(question, "\x33\x33\xff\0\0\x15\x52\x56\0\0\0\2", 12);
	assert_int_equal(packet.ip_version, 6);
	assert_int_equal(packet.protocol, 58);
	assert_int_equal(packet.ip_end, bytes);
	assert_int_equal(question[54], 135);
	assert_memory_equal(question + 54 + 8, "\xfd\0\x6d\x75\0\0\0\0\0\0\0\0\0\0\0\x15", 16);
	memcpy(pseudo, question + 22, 32);
	pseudo[35] = 32;
	pseudo[39] = 58;
	assert_int_equal(net_sum(net_sum(0, pseudo, 40), question + 54, 32), 0xffff);
}

static void test_neighbours(void **state)
{
	static struct mullion_neighbours neighbours = { .router4 = SERVER };
	uint8_t question[MULLION_NEIGHBOUR_FRAME_BYTES];
	uint64_t now = 1000;
	size_t bytes;

	(void)state;
	for (int version = 4; version <= 6; version += 2) {
		/* it answers: never asked, however long the pauses are */
		for (int i = 0; i < 10; i++, now += 5000) {
			assert_int_equal(mullion_neighbour_ask(&neighbours, between(version, true, 1),
							       now, question), 0);
			mullion_neighbour_heard(&neighbours, between(version, false, 1));
		}
		/* it does not: now and then */
		for (int i = 0; i < 30; i++, now += 100) {
			bytes = mullion_neighbour_ask(&neighbours, between(version, true, 1), now,
						      question);
			assert_int_equal(bytes != 0, i == 4 || i == 14 || i == 24);
			if (bytes)
				check_question(version, question, bytes);
		}
		/* it speaks from elsewhere: at once, until frames go there */
		now += 5000;
		mullion_neighbour_heard(&neighbours, between(version, false, 2));
		bytes = mullion_neighbour_ask(&neighbours, between(version, true, 1), now, question);
		assert_true(bytes);
		check_question(version, question, bytes);
		assert_int_equal(mullion_neighbour_ask(&neighbours, between(version, true, 1), now + 1,
						       question), 0);
		mullion_neighbour_heard(&neighbours, between(version, false, 2));
		assert_int_equal(mullion_neighbour_ask(&neighbours, between(version, true, 2),
						       now + 2000, question), 0);
		now += 10000;
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forwards),
		cmocka_unit_test(test_forwards_refused),
		cmocka_unit_test(test_first),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_wishes),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_reach),
		cmocka_unit_test(test_neighbours),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
