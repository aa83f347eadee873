// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap/main.c - mullion-tap: the network card of a process guest as an interface
 *
 * DOC: Theory of Operation
 *
 * Becomes the process guest, opens its card, makes a TAP interface with its
 * address and MTU in a network namespace, gives everything away but what it
 * has open, and moves frames until SIGTERM or SIGINT.
 *
 * What changes at one side is carried to the other: link state and address from
 * the network to the interface, an address that was set on the interface to the
 * network, which may refuse it; then the interface gets the old one back.  A
 * service that is replaced is not seen: meanwhile nothing is read from the
 * interface, whose queue holds what is sent.
 *
 * Failure behaviour: without its card, its interface, or after nonsense of the
 * service there is nothing left to do: one line, status 1.
 */
#include <errno.h>
#include <getopt.h>
#include <linux/if_tun.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../abi/guid.h"
#include "../channel/doorbell.h"
#include "../channel/guest.h"
#include "../channel/spin.h"
#include "../service/common/log.h"
#include "../service/common/sandbox.h"
#include "pump.h"

#define TAP_WAIT_MS	20000
#define TAP_SLOW_NS	1000000000ULL
#define TAP_ADDRESSES_MAX 16
#define TAP_SPIN_STRIDE	8

static struct {
	const char *guest_name;
	const char *netns;
	const char *ifname;
	const char *addresses[TAP_ADDRESSES_MAX];
	unsigned int address_count;
	unsigned int number;
	bool up;
	bool promiscuous;
	bool no_offloads;
	bool verbose;

	struct mullion_guest *guest;
	struct mullion_net *nic;
	struct mullion_tap tap;
	struct mullion_pump pump;
	struct mullion_spin spin;
	int epoll;
	int stop;
	bool link;
	uint8_t mac[6];
	uint64_t slow_due;
} tap = { .ifname = "mullion%d", .epoll = -1, .stop = -1, .tap = { .fd = -1 } };

static int tap_fail(const char *what, const char *why, const char *todo)
{
	fprintf(stderr, "mullion-tap: guest %s: %s: %s; %s\n", tap.guest_name, what, why,
		todo);
	return -1;
}

/* ---- set-up ---------------------------------------------------------------- */

static int tap_open_nic(void)
{
	static const guid_t type = VISOR_VNIC_CHANNEL_GUID;
	struct mullion_guest_device *device;
	struct mullion_net_options options = { 0 };
	int ret;

	ret = mullion_guest_connect(&tap.guest, NULL, tap.guest_name);
	if (ret < 0)
		return tap_fail("cannot attach", strerror(-ret),
				"start it with \"mullion start\", and nobody else may be it");
	ret = mullion_guest_wait_ready(tap.guest, TAP_WAIT_MS);
	if (ret < 0)
		return tap_fail("not ready", strerror(-ret), "see \"mullion logs\"");
	device = mullion_guest_device_find(tap.guest, &type, tap.number);
	if (!device)
		return tap_fail("network card", "there is none of that number",
				"give it one with Net= in its definition");
	ret = mullion_net_open(&tap.nic, device, &options, TAP_WAIT_MS);
	if (ret < 0)
		return tap_fail("network card", strerror(-ret), "see \"mullion show\"");
	return 0;
}

static int tap_configure(void)
{
	struct mullion_net_info info;
	unsigned int i;
	int ret;

	mullion_net_info(tap.nic, &info);
	memcpy(tap.mac, info.mac, sizeof(tap.mac));
	ret = mullion_tap_offer(&tap.tap, info.offloads && !tap.no_offloads);
	if (ret < 0)
		return tap_fail(tap.tap.name, strerror(-ret), "its offloads cannot be set");
	mullion_net_set_offloads(tap.nic, tap.tap.offloads);
	mullion_net_set_promiscuous(tap.nic, tap.promiscuous);
	ret = mullion_tap_set_mac(&tap.tap, tap.mac);
	if (ret < 0)
		return tap_fail(tap.tap.name, strerror(-ret), "its address cannot be set");
	ret = mullion_tap_set_mtu(&tap.tap, info.mtu);
	if (ret < 0)
		return tap_fail(tap.tap.name, strerror(-ret), "its MTU cannot be set");
	tap.link = info.link;
	mullion_tap_set_link(&tap.tap, tap.link);
	for (i = 0; i < tap.address_count; i++) {
		ret = mullion_tap_add_address(&tap.tap, tap.addresses[i]);
		if (ret < 0)
			return tap_fail(tap.addresses[i], strerror(-ret),
					"give ADDRESS/PREFIX");
	}
	ret = tap.up ? mullion_tap_bring_up(&tap.tap) : 0;
	if (ret < 0)
		return tap_fail(tap.tap.name, strerror(-ret), "it cannot be brought up");
	return 0;
}

static int tap_open_interface(void)
{
	int ret;

	if (tap.netns) {
		ret = mullion_tap_enter(tap.netns);
		if (ret < 0)
			return tap_fail(tap.netns, strerror(-ret),
					"that network namespace must exist and be ours");
	}
	ret = mullion_tap_open(&tap.tap, tap.ifname);
	if (ret < 0)
		return tap_fail(tap.ifname, strerror(-ret),
				"making an interface needs CAP_NET_ADMIN in the namespace");
	return tap_configure();
}

static int tap_enter_sandbox(void)
{
	/* uname(): what the library says of itself on a bus that comes later */
	static const int syscalls[] = {
		SCMP_SYS(readv), SCMP_SYS(writev), SCMP_SYS(uname), -1,
	};
	static const unsigned long ioctls[] = {
		SIOCSIFHWADDR, SIOCGIFHWADDR, TUNSETCARRIER, 0,
	};
	const struct mullion_sandbox sandbox = {
		.keep_all = true,
		.syscalls = syscalls,
		.ioctls = ioctls,
	};

	mullion_log_init("mullion-tap");
	return mullion_sandbox_enter(&sandbox);
}

/* ---- running ---------------------------------------------------------------- */

static volatile sig_atomic_t tap_stopping;

static void tap_stop(int signal)
{
	(void)signal;
	tap_stopping = 1;
	mullion_doorbell_ring(tap.stop);
}

static int tap_watch(int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(tap.epoll, EPOLL_CTL_ADD, fd, &event);
}

static int tap_prepare(void)
{
	struct sigaction action = { .sa_handler = tap_stop };

	tap.stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	tap.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (tap.stop < 0 || tap.epoll < 0 || tap_watch(tap.stop, EPOLLIN) < 0 ||
	    tap_watch(tap.tap.fd, EPOLLIN | EPOLLET) < 0 ||
	    tap_watch(mullion_guest_fd(tap.guest), EPOLLIN) < 0 ||
	    sigaction(SIGTERM, &action, NULL) < 0 || sigaction(SIGINT, &action, NULL) < 0)
		return tap_fail("set-up", strerror(errno), "try again");
	tap.pump.nic = tap.nic;
	tap.pump.tap = &tap.tap;
	tap.pump.readable = true;
	mullion_spin_init(&tap.spin);
	return 0;
}

/* What the network says of the card. */
static void tap_follow_nic(void)
{
	unsigned int changes = mullion_net_changes(tap.nic);
	struct mullion_net_info info;

	if (!changes)
		return;
	mullion_net_info(tap.nic, &info);
	if (info.link != tap.link) {
		tap.link = info.link;
		mullion_tap_set_link(&tap.tap, tap.link);
	}
	if (changes & MULLION_NET_CHANGE_MAC) {
		memcpy(tap.mac, info.mac, sizeof(tap.mac));
		mullion_tap_set_mac(&tap.tap, tap.mac);
	}
}

/* What was set on the interface; nobody tells us. */
static void tap_follow_interface(void)
{
	uint8_t mac[6];

	if (mullion_tap_get_mac(&tap.tap, mac) < 0 || !memcmp(mac, tap.mac, sizeof(mac)))
		return;
	memcpy(tap.mac, mac, sizeof(mac));
	mullion_net_set_mac(tap.nic, mac);
}

/* Both directions once: what was moved, or why not. */
static int tap_turn(void)
{
	int out = mullion_pump_out(&tap.pump);
	int in = out < 0 ? out : mullion_pump_in(&tap.pump);

	tap_follow_nic();
	return in < 0 ? in : in + out;
}

static int tap_spin(uint64_t budget)
{
	uint64_t start = mullion_spin_now();

	for (unsigned int n = 1; ; n++) {
		int ret;

		/* Looking costs a system call; events would cost one as well. */
		tap.pump.readable = n % TAP_SPIN_STRIDE == 0;
		ret = tap_turn();
		if (ret || tap_stopping)
			return ret;
		mullion_spin_relax();
		if (n % TAP_SPIN_STRIDE == 0 && mullion_spin_now() - start >= budget)
			return 0;
	}
}

static void tap_sleep(void)
{
	struct epoll_event events[4];
	int n;

	if (!mullion_net_arm(tap.nic) && !mullion_guest_arm(tap.guest)) {
		n = epoll_wait(tap.epoll, events, 4, (int)(TAP_SLOW_NS / 1000000));
		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == tap.tap.fd)
				tap.pump.readable = true;
		}
	}
	mullion_net_disarm(tap.nic);
	mullion_guest_turn(tap.guest);
}

static void tap_slow(void)
{
	uint64_t now = mullion_spin_now();

	if (now < tap.slow_due)
		return;
	tap.slow_due = now + TAP_SLOW_NS;
	tap.pump.readable = true;
	tap_follow_interface();
}

static int tap_run(void)
{
	while (!tap_stopping) {
		uint64_t budget;
		int ret = tap_turn();

		if (!ret) {
			budget = mullion_spin_budget(&tap.spin);
			if (budget) {
				ret = tap_spin(budget);
				if (tap.spin.mode == MULLION_WAKE_ADAPTIVE)
					mullion_spin_learn(&tap.spin, ret > 0);
			}
		}
		if (ret == -EBADFD)
			return tap_fail(tap.tap.name, "the interface is gone",
					"start mullion-tap again");
		if (ret == -ENODEV)
			return tap_fail("network card", "it was removed",
					"start mullion-tap again when there is one");
		if (ret < 0)
			return tap_fail("network card", strerror(-ret),
					"its service broke the rules; see \"mullion logs\"");
		if (!ret)
			tap_sleep();
		tap_slow();
	}
	return 0;
}

static void tap_report(void)
{
	struct mullion_net_statistics s;

	if (!tap.nic || !tap.verbose)
		return;
	mullion_net_statistics(tap.nic, &s);
	printf("sent=%llu received=%llu dropped=%llu failed=%llu lost=%llu refused=%llu "
	       "services=%llu\n", (unsigned long long)s.tx_frames,
	       (unsigned long long)s.rx_frames, (unsigned long long)s.rx_dropped,
	       (unsigned long long)s.tx_failed, (unsigned long long)s.tx_lost,
	       (unsigned long long)tap.pump.out_refused,
	       (unsigned long long)s.generations + 1);
}

/* ---- command line ------------------------------------------------------------- */

static const char tap_usage[] =
	"Usage: mullion-tap GUEST [OPTION]...\n"
	"The network card of a process guest as an interface of a network namespace.\n"
	"\n"
	"      --device N         its N-th network card, from 0\n"
	"      --netns NAME|PATH  the namespace; default: the one that this runs in\n"
	"      --ifname NAME      name of the interface; a %d in it is a free number;\n"
	"                         default: mullion%d\n"
	"      --up [ADDRESS/PREFIX]  bring it up, with this address; repeatable\n"
	"      --promiscuous      take frames for any address, as a bridge needs it\n"
	"      --no-offloads      complete checksums, and no frames above the MTU\n"
	"  -v, --verbose          say at the end what was moved\n"
	"      --help, --version\n"
	"\n"
	"Runs until SIGTERM. A line on standard output says that the interface is there.\n";

enum {
	OPT_DEVICE = 256, OPT_NETNS, OPT_IFNAME, OPT_UP, OPT_PROMISCUOUS, OPT_NO_OFFLOADS,
	OPT_HELP, OPT_VERSION,
};

static int tap_bad(const char *what)
{
	fprintf(stderr, "mullion-tap: %s; see mullion-tap --help\n", what);
	return 2;
}

static int tap_number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (*text < '0' || *text > '9' || *end || n > 1000)
		return -EINVAL;
	tap.number = (unsigned int)n;
	return 0;
}

/* Its argument may be the next word. */
static int tap_address(int argc, char **argv)
{
	const char *text = optarg;

	tap.up = true;
	if (!text && optind < argc && strchr(argv[optind], '/'))
		text = argv[optind++];
	if (!text)
		return 0;
	if (tap.address_count == TAP_ADDRESSES_MAX)
		return -E2BIG;
	tap.addresses[tap.address_count++] = text;
	return 0;
}

/* Return: -1 to go on, or the exit status. */
static int tap_parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "device", required_argument, NULL, OPT_DEVICE },
		{ "netns", required_argument, NULL, OPT_NETNS },
		{ "ifname", required_argument, NULL, OPT_IFNAME },
		{ "up", optional_argument, NULL, OPT_UP },
		{ "promiscuous", no_argument, NULL, OPT_PROMISCUOUS },
		{ "no-offloads", no_argument, NULL, OPT_NO_OFFLOADS },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, OPT_HELP },
		{ "version", no_argument, NULL, OPT_VERSION },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "v", options, NULL)) >= 0) {
		switch (option) {
		case OPT_DEVICE:
			if (tap_number(optarg) < 0)
				return tap_bad("--device wants a number");
			break;
		case OPT_NETNS:
			tap.netns = optarg;
			break;
		case OPT_IFNAME:
			if (!*optarg || strlen(optarg) >= IFNAMSIZ)
				return tap_bad("that is no name of an interface");
			tap.ifname = optarg;
			break;
		case OPT_UP:
			if (tap_address(argc, argv) < 0)
				return tap_bad("so many addresses");
			break;
		case OPT_PROMISCUOUS:
			tap.promiscuous = true;
			break;
		case OPT_NO_OFFLOADS:
			tap.no_offloads = true;
			break;
		case 'v':
			tap.verbose = true;
			break;
		case OPT_HELP:
			fputs(tap_usage, stdout);
			return 0;
		case OPT_VERSION:
			printf("mullion-tap %s\n", MULLION_VERSION);
			return 0;
		default:
			return 2;
		}
	}
	if (argc - optind != 1)
		return tap_bad("one guest is wanted");
	tap.guest_name = argv[optind];
	return -1;
}

int main(int argc, char **argv)
{
	int status = tap_parse(argc, argv);

	if (status >= 0)
		return status;
	status = 1;
	if (tap_open_nic() < 0 || tap_open_interface() < 0 || tap_prepare() < 0 ||
	    tap_enter_sandbox() < 0)
		goto out;
	printf("guest %s: %s %02x:%02x:%02x:%02x:%02x:%02x\n", tap.guest_name, tap.tap.name,
	       tap.mac[0], tap.mac[1], tap.mac[2], tap.mac[3], tap.mac[4], tap.mac[5]);
	fflush(stdout);
	if (!tap_run())
		status = 0;
	tap_report();
out:
	mullion_net_close(tap.nic);
	mullion_guest_close(tap.guest);
	return status;
}
