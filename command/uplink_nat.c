// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/uplink_nat.c - uplink nat: the process mullion-nat
 *
 * Frames go through a socket pair, a frame per message.  The daemon keeps both
 * ends: a switch that is replaced finds the same one, with all connections that
 * its guests have through it, and a mullion-nat that dies is replaced without
 * the switch having to know, though its connections are gone with it.
 *
 * Failure behaviour: a process that ends before it has said `ready` for the first
 * time is an error to whoever starts the network, in its own last words.  Later
 * ones follow after 0, 0.1, 0.5, 1, 2, 5, 5, ... s, and at once after one that
 * had served for a second.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "process.h"
#include "uplink.h"

#define NAT_ARGS_MAX	(16 + 2 * MULLION_FORWARDS_MAX)
#define NAT_BUFFER	(1 << 20)	/* of the socket; the kernel may give less */

static int nat_spawn(struct mullion_cp_uplink *u);

static int nat_on_pause(sd_event_source *source, uint64_t usec, void *arg)
{
	struct mullion_cp_uplink *u = arg;
	int r;

	(void)source;
	(void)usec;
	u->watch = sd_event_source_unref(u->watch);
	r = nat_spawn(u);
	if (r < 0)
		mullion_cp_uplink_lost(u, strerror(-r));
	return 0;
}

static void nat_again(struct mullion_cp_uplink *u)
{
	static const uint64_t pauses_msec[] = { 0, 100, 500, 1000, 2000, 5000 };
	unsigned int last = sizeof(pauses_msec) / sizeof(pauses_msec[0]) - 1;
	uint64_t msec = pauses_msec[u->failures < last ? u->failures : last];

	u->failures++;
	u->restarts++;
	if (sd_event_add_time_relative(u->core->event, &u->watch, CLOCK_MONOTONIC, msec * 1000, 0,
				       nat_on_pause, u) < 0)
		mullion_cp_uplink_lost(u, "out of memory");
}

static void nat_on_exit(void *arg, int signal_number, const char *how)
{
	struct mullion_cp_uplink *u = arg;
	bool served = u->state == MULLION_CP_UPLINK_UP;

	(void)signal_number;
	u->process = NULL;
	if (u->state == MULLION_CP_UPLINK_STARTING && !u->restarts) {
		mullion_event_emit(u->core->events, LOG_ERR, u->label, "uplink-failed",
				   "mullion-nat %s", how);
		mullion_cp_uplink_settle(u, MULLION_CP_UPLINK_FAILED, how);
		return;
	}
	if (served)
		mullion_event_emit(u->core->events, LOG_WARNING, u->label, "uplink-gone",
				   "mullion-nat %s; connections through it are lost", how);
	mullion_cp_uplink_settle(u, MULLION_CP_UPLINK_STARTING, how);
	nat_again(u);
}

static bool nat_said(void *arg, const char *line)
{
	struct mullion_cp_uplink *u = arg;

	if (strcmp(line, "ready"))
		return false;
	if (u->restarts)
		mullion_event_emit(u->core->events, LOG_NOTICE, u->label, "uplink-back",
				   "mullion-nat is there again");
	mullion_cp_uplink_settle(u, MULLION_CP_UPLINK_UP, "");
	return true;
}

static int nat_spawn(struct mullion_cp_uplink *u)
{
	const struct mullion_network_definition *def = u->def;
	const char *argv[NAT_ARGS_MAX + 1];
	char program[PATH_MAX + 16], mtu[16], label[128];
	size_t n = 0;
	int r;

	snprintf(program, sizeof(program), "%s/mullion-nat", u->core->programs);
	snprintf(mtu, sizeof(mtu), "%u", def->mtu);
	snprintf(label, sizeof(label), "nat of %s", u->label);
	argv[n++] = program;
	argv[n++] = "--name";
	argv[n++] = def->name;
	argv[n++] = "--mtu";
	argv[n++] = mtu;
	if (def->ipv4) {
		argv[n++] = "--ipv4";
		argv[n++] = def->ipv4;
	}
	if (def->ipv6) {
		argv[n++] = "--ipv6";
		argv[n++] = def->ipv6;
	}
	for (size_t i = 0; def->forwards[i]; i++) {
		argv[n++] = "--forward";
		argv[n++] = def->forwards[i];
	}
	if (def->host_loopback)
		argv[n++] = "--host-loopback";
	argv[n] = NULL;
	r = mullion_process_start(u->core->event, argv, u->peer, label, &u->process);
	if (r < 0)
		return r;
	u->process->exited = nat_on_exit;
	u->process->said = nat_said;
	u->process->arg = u;
	return 0;
}

static int nat_open(struct mullion_cp_uplink *u, struct mullion_error *err)
{
	char program[PATH_MAX + 16];
	const int bytes = NAT_BUFFER;
	int pair[2];
	int r;

	u->state = MULLION_CP_UPLINK_STARTING;
	snprintf(program, sizeof(program), "%s/mullion-nat", u->core->programs);
	if (access(program, X_OK) < 0)
		return mullion_error_set(err, -ENOENT, "cannot start network", u->def->name,
					 "build or install Mullion completely",
					 "there is no program %s", program);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair) < 0)
		return mullion_error_set(err, -errno, "cannot start network", u->def->name, NULL,
					 "%s", strerror(errno));
	for (unsigned int i = 0; i < 2; i++)
		if (setsockopt(pair[i], SOL_SOCKET, SO_SNDBUFFORCE, &bytes, sizeof(bytes)) < 0)
			setsockopt(pair[i], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes));
	u->fd = pair[0];
	u->peer = pair[1];
	r = nat_spawn(u);
	return r < 0 ? mullion_error_set(err, r, "cannot start", program, NULL, "%s",
					 strerror(-r)) : 0;
}

static void nat_close(struct mullion_cp_uplink *u)
{
	if (u->process)
		mullion_process_abandon(u->process);
	u->process = NULL;
	if (u->peer >= 0)
		close(u->peer);
	u->peer = -1;
}

/* It has served for a while: what comes next is no repetition. */
static bool nat_check(struct mullion_cp_uplink *u)
{
	u->failures = 0;
	return true;
}

const struct mullion_uplink_kind mullion_uplink_nat = {
	.name = "nat",
	.abi = MULLION_UPLINK_PACKET,
	.flags = MULLION_NET_UPLINK_LARGE,
	.open = nat_open,
	.close = nat_close,
	.check = nat_check,
};
