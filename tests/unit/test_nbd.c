// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_nbd.c - when is an NBD server done with a dead connection?
 *
 * The server is this program.  It plays those that close a connection when its
 * last request has ended, and the one that shuts it down first.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "../../command/core.h"
#include "../../command/nbd.h"

#define TURNS_MAX	2000	/* of at most 10 ms */

static sd_event *event;
static struct mullion_core *core;
static struct mullion_nbd *nbd;
static struct mullion_spec spec;
static int listener;
static char path[] = "/tmp/mullion-nbd.XXXXXX";
static unsigned int ended;

static void on_ended(void *arg)
{
	(void)arg;
	ended++;
}

static void turns(unsigned int n)
{
	while (n--)
		assert_true(sd_event_run(event, 10000) >= 0);
}

static void listen_unix(void)
{
	struct sockaddr_un un = { .sun_family = AF_UNIX };

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/s", path);
	unlink(un.sun_path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_false(bind(listener, (void *)&un, sizeof(un)));
	assert_false(listen(listener, 4));
	memset(&spec, 0, sizeof(spec));
	snprintf(spec.path, sizeof(spec.path), "%s", un.sun_path);
	snprintf(spec.text, sizeof(spec.text), "test");
}

static void listen_tcp(void)
{
	struct sockaddr_in in = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	socklen_t len = sizeof(in);

	listener = socket(AF_INET, SOCK_STREAM, 0);
	assert_false(bind(listener, (void *)&in, sizeof(in)));
	assert_false(listen(listener, 4));
	assert_false(getsockname(listener, (void *)&in, &len));
	memset(&spec, 0, sizeof(spec));
	snprintf(spec.host, sizeof(spec.host), "127.0.0.1");
	snprintf(spec.port, sizeof(spec.port), "%u", ntohs(in.sin_port));
	snprintf(spec.text, sizeof(spec.text), "test");
}

/* A service of this generation gets a connection, and dies at once. */
static int connect_dead(uint64_t generation, int fresh, int *ret_fence)
{
	struct mullion_error err = { 0 };
	int sock, server;

	assert_false(mullion_nbd_open(nbd, generation, &spec, fresh, &sock,
				      ret_fence, &err));
	server = accept(listener, NULL, NULL);
	assert_true(server >= 0);
	close(sock);
	return server;
}

static bool at_end(int sock)
{
	char byte;

	return !recv(sock, &byte, 1, MSG_DONTWAIT);
}

static void wait_for_end(int sock)
{
	for (int i = 0; i < TURNS_MAX && !at_end(sock); i++)
		turns(1);
	assert_true(at_end(sock));
}

static void begin(void)
{
	assert_false(mullion_nbd_new(&nbd, core, "test", on_ended, NULL));
	ended = 0;
}

static void end(void)
{
	mullion_nbd_free(nbd);
	close(listener);
}

static void test_closed(void **state)
{
	int fence, server, next;

	(void)state;
	listen_unix();
	begin();
	server = connect_dead(1, -1, &fence);
	assert_int_equal(fence, -1);
	assert_false(at_end(server));
	next = connect_dead(2, -1, &fence);
	assert_true(fence >= 0);
	assert_true(at_end(server));
	turns(10);
	assert_false(at_end(fence));
	/* answers that nobody reads must not keep the server from ending */
	for (int i = 0; i < 100; i++) {
		char answer[8192] = { 0 };

		for (int tries = 0; tries < TURNS_MAX; tries++) {
			if (send(server, answer, sizeof(answer), MSG_DONTWAIT) > 0)
				break;
			turns(1);
		}
	}
	close(server);
	wait_for_end(fence);
	close(fence);
	close(next);
	end();
}

static void test_shut_down_first(void **state)
{
	int fence, server, next;

	(void)state;
	listen_unix();
	begin();
	server = connect_dead(1, -1, &fence);
	next = connect_dead(2, -1, &fence);
	assert_true(fence >= 0);
	assert_false(shutdown(server, SHUT_RDWR));
	turns(20);
	assert_false(at_end(fence));
	close(server);
	wait_for_end(fence);
	close(fence);
	close(next);
	end();
}

/* Two services die before the first one's requests have ended. */
static void test_several(void **state)
{
	int fence[3], server[3];

	(void)state;
	listen_unix();
	begin();
	for (int i = 0; i < 3; i++)
		server[i] = connect_dead((uint64_t)i + 1, -1, &fence[i]);
	assert_true(fence[1] >= 0 && fence[2] >= 0);
	close(server[1]);
	turns(20);
	assert_false(at_end(fence[2]));
	close(server[0]);
	wait_for_end(fence[2]);
	wait_for_end(fence[1]);
	close(server[2]);
	close(fence[1]);
	close(fence[2]);
	end();
}

static void test_shared(void **state)
{
	int fence, one, two, next;

	(void)state;
	listen_unix();
	begin();
	one = connect_dead(1, -1, &fence);
	two = connect_dead(1, -1, &fence);
	/* of one generation: neither has taken the other's place */
	assert_int_equal(fence, -1);
	assert_false(at_end(one));
	next = connect_dead(2, -1, &fence);
	close(two);
	turns(20);
	assert_false(at_end(fence));
	close(one);
	wait_for_end(fence);
	close(fence);
	close(next);
	end();
}

static void test_tcp(void **state)
{
	int fence, server, next;

	(void)state;
	listen_tcp();
	begin();
	server = connect_dead(1, -1, &fence);
	next = connect_dead(2, -1, &fence);
	assert_true(fence >= 0);
	turns(10);
	assert_false(at_end(fence));
	close(server);
	wait_for_end(fence);
	close(fence);
	close(next);
	end();
}

static void test_fresh(void **state)
{
	struct mullion_error err = { 0 };
	int fence, fresh, server, other;

	(void)state;
	listen_unix();
	begin();
	assert_false(mullion_nbd_connect(&spec, &fresh, &err));
	server = connect_dead(1, fresh, &fence);
	assert_false(at_end(server));
	/* one that the server has closed meanwhile is not used */
	assert_false(mullion_nbd_connect(&spec, &fresh, &err));
	other = accept(listener, NULL, NULL);
	close(other);
	other = connect_dead(1, fresh, &fence);
	close(server);
	close(other);
	end();
}

static void test_unused(void **state)
{
	int fence, server;

	(void)state;
	listen_unix();
	begin();
	server = connect_dead(1, -1, &fence);
	assert_false(mullion_nbd_end(nbd));
	turns(10);
	assert_int_equal(ended, 0);
	close(server);
	for (int i = 0; i < TURNS_MAX && !ended; i++)
		turns(1);
	assert_int_equal(ended, 1);
	assert_true(mullion_nbd_end(nbd));
	end();
}

static int setup(void **state)
{
	(void)state;
	return !mkdtemp(path) || sd_event_new(&event) < 0 ||
	       mullion_core_new(&core, event, "/nonexistent") < 0;
}

static int teardown(void **state)
{
	char name[sizeof(path) + 2];

	(void)state;
	mullion_core_free(core);
	sd_event_unref(event);
	snprintf(name, sizeof(name), "%s/s", path);
	unlink(name);
	rmdir(path);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_closed),
		cmocka_unit_test(test_shut_down_first),
		cmocka_unit_test(test_several),
		cmocka_unit_test(test_shared),
		cmocka_unit_test(test_tcp),
		cmocka_unit_test(test_fresh),
		cmocka_unit_test(test_unused),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
