// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/nat/main.c - mullion-nat: options, forwards, sandbox
 *
 * DOC: Theory of Operation
 *
 * Started by mulliond, with the other end of a network's uplink as descriptor 3.
 * In this order: options are read; every other descriptor is closed; the NAT is
 * made; forwards are bound, while the process may still bind ports below 1024
 * and can say which of them is taken; memory is limited; the sandbox is entered.
 * It keeps the network, which is what the NAT is for, and lets the folder of
 * resolv.conf be read, because name servers change.  Only then "ready" goes to
 * standard output, which mulliond waits for before it starts the network.
 *
 * Every option is checked here, so that nat.c gets only what can be.
 *
 * Limits: MAIN_FORWARDS_MAX forwards, MAIN_MEMORY bytes for all connections.
 *
 * Failure behaviour: one line that says what, which option or forward, why, and
 * what to do; status EX_USAGE for what the caller did, 1 for the rest.  When the
 * socket ends, the program does: status 0.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sysexits.h>
#include <unistd.h>

#include "../common/log.h"
#include "../common/sandbox.h"
#include "nat.h"

#define MAIN_SOCKET		3
#define MAIN_FORWARDS_MAX	200
/* Enough for all connections that there are descriptors for. */
#define MAIN_MEMORY		(1ULL << 30)
#define MAIN_RESOLV_CONF	"/etc/resolv.conf"

struct main_options {
	struct mullion_nat_config config;
	struct mullion_forward forwards[MAIN_FORWARDS_MAX];
	const char *texts[MAIN_FORWARDS_MAX];
	size_t forward_count;
	uid_t uid;
};

static void main_usage(FILE *out)
{
	fprintf(out,
		"Usage: mullion-nat [OPTION...]\n"
		"The NAT of a network: DHCP, DNS, IPv4, IPv6 and port forwards, by\n"
		"ordinary sockets.  Started by mulliond, with a socket as descriptor %d,\n"
		"SOCK_SEQPACKET, an Ethernet frame per message.  Prints \"ready\" when\n"
		"its forwards are bound and its sandbox is around it.\n"
		"\n"
		"  --ipv4 NET/BITS     the network, of %d to %d bits: the host is its\n"
		"                      number 2, the name server 3, guests begin at 15\n"
		"  --ipv6 PREFIX/64    the same for IPv6; neither given: both, with\n"
		"                      10.0.2.0/24 and fd00:6d75::/64\n"
		"  --mtu N             bytes of the largest IP packet to a guest (1500)\n"
		"  --forward tcp|udp:[HOSTADDR:]HOSTPORT:[GUESTADDR:]GUESTPORT\n"
		"                      HOSTADDR: the loopback address, if not given;\n"
		"                      GUESTADDR: the first guest's; IPv6 in brackets;\n"
		"                      may be repeated\n"
		"  --host-loopback     the host's number leads to its loopback address,\n"
		"                      so guests reach services that listen only there\n"
		"  --name NAME         of the network, for messages\n"
		"  --uid UID           user to become when started as root (65534)\n"
		"  --version, --help\n",
		MAIN_SOCKET, MULLION_NAT_PREFIX_MIN, MULLION_NAT_PREFIX_MAX);
}

static bool main_number(const char *text, unsigned long min, unsigned long max,
			unsigned int *value)
{
	unsigned long number;
	char *end;

	if (*text < '0' || *text > '9')
		return false;
	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || *end || number < min || number > max)
		return false;
	*value = (unsigned int)number;
	return true;
}

/* ADDRESS/BITS into an address, whose other bits must be zero. */
static bool main_network(const char *text, int family, void *address, size_t bytes,
			 unsigned int min, unsigned int max, unsigned int *bits)
{
	const char *slash = strchr(text, '/');
	char copy[INET6_ADDRSTRLEN];
	uint8_t *p = address;

	if (!slash || (size_t)(slash - text) >= sizeof(copy) ||
	    !main_number(slash + 1, min, max, bits))
		return false;
	memcpy(copy, text, (size_t)(slash - text));
	copy[slash - text] = '\0';
	if (inet_pton(family, copy, address) != 1)
		return false;
	for (unsigned int i = *bits; i < bytes * 8; i++) {
		if (p[i / 8] >> (7 - i % 8) & 1)
			return false;
	}
	return true;
}

static bool main_forward(struct main_options *options, const char *text)
{
	int ret;

	if (options->forward_count == MAIN_FORWARDS_MAX) {
		mullion_log(LOG_ERR, text, "more than %d forwards; leave some out",
			    MAIN_FORWARDS_MAX);
		return false;
	}
	ret = mullion_forward_parse(text, &options->forwards[options->forward_count]);
	if (ret == -EAFNOSUPPORT)
		mullion_log(LOG_ERR, text, "no forward from IPv4 to IPv6 or back; give "
			    "both addresses of one kind");
	else if (ret < 0)
		mullion_log(LOG_ERR, text, "not a forward; write tcp|udp:[HOSTADDR:]"
			    "HOSTPORT:[GUESTADDR:]GUESTPORT, IPv6 addresses in brackets");
	options->texts[options->forward_count++] = text;
	return ret == 0;
}

static bool main_option(struct main_options *options, int option, const char *text)
{
	struct mullion_nat_config *config = &options->config;
	unsigned int value;

	switch (option) {
	case '4':
		config->ip4 = main_network(text, AF_INET, &config->network,
					   sizeof(config->network), MULLION_NAT_PREFIX_MIN,
					   MULLION_NAT_PREFIX_MAX, &config->network_bits);
		if (!config->ip4)
			mullion_log(LOG_ERR, text, "not an IPv4 network of %d to %d bits; "
				    "write it like 10.0.2.0/24", MULLION_NAT_PREFIX_MIN,
				    MULLION_NAT_PREFIX_MAX);
		return config->ip4;
	case '6':
		config->ip6 = main_network(text, AF_INET6, &config->prefix,
					   sizeof(config->prefix), 64, 64, &value);
		if (!config->ip6)
			mullion_log(LOG_ERR, text, "not an IPv6 prefix of 64 bits; write it "
				    "like fd00:6d75::/64");
		return config->ip6;
	case 'm':
		if (main_number(text, MULLION_NAT_MTU_MIN, MULLION_NAT_MTU_MAX, &config->mtu))
			return true;
		mullion_log(LOG_ERR, text, "not an MTU; give a number of %d to %d",
			    MULLION_NAT_MTU_MIN, MULLION_NAT_MTU_MAX);
		return false;
	case 'f':
		return main_forward(options, text);
	case 'l':
		config->host_loopback = true;
		return true;
	case 'n':
		config->name = text;
		return true;
	case 'u':
		if (main_number(text, 1, 0xfffffffe, &value)) {
			options->uid = value;
			return true;
		}
		mullion_log(LOG_ERR, text, "not the number of a user");
		return false;
	default:
		main_usage(stderr);
		return false;
	}
}

/* Return: 0 to go on, else the exit status plus one. */
static int main_options(struct main_options *options, int argc, char **argv)
{
	static const struct option table[] = {
		{ "ipv4", required_argument, NULL, '4' },
		{ "ipv6", required_argument, NULL, '6' },
		{ "mtu", required_argument, NULL, 'm' },
		{ "forward", required_argument, NULL, 'f' },
		{ "host-loopback", no_argument, NULL, 'l' },
		{ "name", required_argument, NULL, 'n' },
		{ "uid", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct mullion_nat_config *config = &options->config;
	int option;

	while ((option = getopt_long(argc, argv, "", table, NULL)) >= 0) {
		switch (option) {
		case 'v':
			puts("mullion-nat " MULLION_VERSION);
			return 1;
		case 'h':
			main_usage(stdout);
			return 1;
		default:
			if (!main_option(options, option, optarg))
				return EX_USAGE + 1;
		}
	}
	if (optind < argc) {
		main_usage(stderr);
		return EX_USAGE + 1;
	}
	if (!config->ip4 && !config->ip6) {
		main_option(options, '4', "10.0.2.0/24");
		main_option(options, '6', "fd00:6d75::/64");
	}
	return 0;
}

/* Frames will be read until there is none. */
static int main_socket(void)
{
	int type, flags = fcntl(MAIN_SOCKET, F_GETFL);
	socklen_t bytes = sizeof(type);

	/* What is not closed now is kept: from here on all is our own. */
	if (syscall(SYS_close_range, MAIN_SOCKET + 1, ~0U, 0) < 0)
		return -errno;
	if (flags < 0 || getsockopt(MAIN_SOCKET, SOL_SOCKET, SO_TYPE, &type, &bytes) < 0 ||
	    type != SOCK_SEQPACKET)
		return -ENOTSOCK;
	return fcntl(MAIN_SOCKET, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static int main_bind(struct mullion_nat *nat, const struct main_options *options)
{
	for (size_t i = 0; i < options->forward_count; i++) {
		int ret = mullion_nat_forward(nat, &options->forwards[i]);

		if (!ret)
			continue;
		switch (ret) {
		case -EADDRINUSE:
			mullion_log(LOG_ERR, options->texts[i], "cannot forward: the port of "
				    "the host is taken; choose another, or end who listens "
				    "there (ss -lnp)");
			break;
		case -EACCES:
			mullion_log(LOG_ERR, options->texts[i], "cannot forward: this user may "
				    "not listen at that port; choose one of 1024 or more");
			break;
		case -EADDRNOTAVAIL:
			mullion_log(LOG_ERR, options->texts[i], "cannot forward: this host has "
				    "no such address; see ip address");
			break;
		case -EAFNOSUPPORT:
			mullion_log(LOG_ERR, options->texts[i], "cannot forward: the network "
				    "has no addresses of that kind; see --ipv4 and --ipv6");
			break;
		default:
			mullion_log(LOG_ERR, options->texts[i], "cannot forward: %s; correct "
				    "it or leave it out", strerror(-ret));
			break;
		}
		return ret;
	}
	return 0;
}

/*
 * The folder, too: those who keep the file put a new one in its place, where it
 * lies or where it is linked to.
 */
static int main_sandbox(uid_t uid)
{
	static const int none[] = { -1 };
	static const unsigned long ioctls[] = { FIONREAD, 0 };
	char *target = realpath(MAIN_RESOLV_CONF, NULL);
	char *slash = target ? strrchr(target, '/') : NULL;
	const char *readable[] = { NULL, NULL };
	const struct mullion_sandbox sandbox = {
		.uid = uid,
		.keep_all = true,
		.syscalls = none,
		.ioctls = ioctls,
		.network = true,
		.readable = readable,
	};
	int ret;

	if (slash && slash > target) {
		*slash = '\0';
		readable[0] = target;
	}
	ret = mullion_sandbox_enter(&sandbox);
	free(target);
	return ret;
}

static int main_start(struct mullion_nat *nat, const struct main_options *options)
{
	static const char ready[] = "ready\n";
	const struct rlimit memory = { MAIN_MEMORY, MAIN_MEMORY };

	if (main_bind(nat, options) < 0)
		return -1;
	if (setrlimit(RLIMIT_DATA, &memory) < 0) {
		mullion_log(LOG_ERR, options->config.name, "limit of memory: %s; not going "
			    "on without it", strerror(errno));
		return -1;
	}
	if (main_sandbox(options->uid) < 0)
		return -1;
	if (write(STDOUT_FILENO, ready, sizeof(ready) - 1) < 0) {
		mullion_log(LOG_ERR, options->config.name, "cannot say that it is ready: %s",
			    strerror(errno));
		return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	static struct main_options options = { .config.name = "nat", .config.mtu = 1500 };
	struct mullion_nat *nat;
	int ret;

	mullion_log_init("nat");
	ret = main_options(&options, argc, argv);
	if (ret)
		return ret - 1;
	signal(SIGPIPE, SIG_IGN);
	ret = main_socket();
	if (ret < 0) {
		mullion_log(LOG_ERR, options.config.name, "descriptor %d is no SOCK_SEQPACKET "
			    "socket; mulliond starts this program", MAIN_SOCKET);
		return EX_USAGE;
	}
	ret = mullion_nat_new(&options.config, MAIN_SOCKET, &nat);
	if (ret < 0) {
		mullion_log(LOG_ERR, options.config.name, "cannot begin: %s", strerror(-ret));
		return 1;
	}
	if (main_start(nat, &options) < 0) {
		mullion_nat_free(nat);
		return 1;
	}
	ret = mullion_nat_run(nat);
	if (ret < 0)
		mullion_log(LOG_ERR, options.config.name, "network stopped: %s",
			    strerror(-ret));
	mullion_nat_free(nat);
	return ret < 0;
}
