// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/nat-tap.c - mullion-nat behind a TAP of a network namespace
 *
 * nat-tap NAMESPACE INTERFACE PROGRAM [ARGUMENT...]: starts the program with a
 * socket as descriptor 3, opens the TAP in the namespace, and carries frames
 * between the two as the switch does: large TCP frames of the namespace go on as
 * they are, with complete checksums.  Ends by SIGTERM or with the program, and
 * then as it did, and prints the bytes of the largest frame that went to it.
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../service/net/uplink.h"

#define SOCKET		3
#define BUDGET		64

struct direction {
	struct mullion_uplink *to;
	uint32_t largest;
};

static volatile sig_atomic_t stopped;

static void stop(int signal)
{
	(void)signal;
	stopped = 1;
}

static pid_t start(char **argv, int *socket)
{
	int fds[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
		err(1, "socketpair");
	pid = fork();
	if (pid < 0)
		err(1, "fork");
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (fds[1] == SOCKET)
			fcntl(SOCKET, F_SETFD, 0);
		else if (dup2(fds[1], SOCKET) < 0)
			err(1, "dup2");
		execvp(argv[0], argv);
		err(1, "%s", argv[0]);
	}
	close(fds[1]);
	*socket = fds[0];
	return pid;
}

static int open_tap(const char *namespace, const char *name)
{
	struct ifreq ifr = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int bytes = 12, fd;
	char path[256];

	snprintf(path, sizeof(path), "/run/netns/%s", namespace);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || setns(fd, CLONE_NEWNET) < 0)
		err(1, "%s", path);
	close(fd);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		err(1, "/dev/net/tun");
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%s", name);
	if (ioctl(fd, TUNSETIFF, &ifr) < 0 || ioctl(fd, TUNSETVNETHDRSZ, &bytes) < 0 ||
	    ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN) < 0)
		err(1, "TAP %s", name);
	return fd;
}

static void carry(void *arg, const struct mullion_frame *frame)
{
	struct direction *direction = arg;

	if (frame->packet.bytes > direction->largest)
		direction->largest = frame->packet.bytes;
	mullion_uplink_send(direction->to, frame);
}

int main(int argc, char **argv)
{
	static struct mullion_net_uplink_counters counters[2];
	struct mullion_uplink *tap, *nat;
	struct direction in = { 0 }, out = { 0 };
	struct sigaction action = { .sa_handler = stop };
	int socket, status;
	pid_t pid;

	if (argc < 4)
		errx(1, "usage: nat-tap NAMESPACE INTERFACE PROGRAM [ARGUMENT...]");
	sigaction(SIGTERM, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
	pid = start(argv + 3, &socket);
	fcntl(socket, F_SETFL, O_NONBLOCK);
	/* sizes are the namespace's business */
	if (mullion_uplink_new(MULLION_UPLINK_TAP, open_tap(argv[1], argv[2]), 65535, false,
			       &counters[0], &tap) < 0 ||
	    mullion_uplink_new(MULLION_UPLINK_PACKET, socket, 65535, true, &counters[1],
			       &nat) < 0)
		errx(1, "uplinks");
	in.to = tap;
	out.to = nat;
	while (!stopped && mullion_uplink_is_up(tap) && mullion_uplink_is_up(nat)) {
		bool waits = mullion_uplink_flush(nat);
		struct pollfd fds[2] = {
			{ .fd = mullion_uplink_fd(tap), .events = POLLIN },
			{ .fd = mullion_uplink_fd(nat),
			  .events = waits ? POLLIN | POLLOUT : POLLIN },
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			err(1, "poll");
		mullion_uplink_receive(tap, BUDGET, carry, &out);
		mullion_uplink_receive(nat, BUDGET, carry, &in);
	}
	printf("%u\n", out.largest);
	mullion_uplink_free(nat);
	waitpid(pid, &status, 0);
	mullion_uplink_free(tap);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}
