// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/main.c - a service process, from command line to loop
 *
 * DOC: Theory of Operation
 *
 * Started by mulliond with a SOCK_SEQPACKET socket as descriptor 3.  The order
 * is fixed by what each step takes away: loop, class and io_uring are made, the
 * watchdog's timer and the handlers of lost memory set, then the sandbox is
 * entered, before anybody's memory is mapped.  From there on the process is a
 * stand-by until the socket brings a command window, and a service until the
 * socket ends.
 *
 * To the loop all devices together are one source.  In a turn each device
 * follows its client's epoch, takes what its class takes, and does what it was
 * wanted quiet for; at the turn's end everything written is shown and every
 * client rung once that wants it.  Before a sleep each ring is armed: asked to
 * ring, then looked at again.
 *
 * Clients without doorbells are looked at after naps.  A nap is a 64th of the
 * time for which none of them had anything, and at least 0.2 ms, at most 50 ms:
 * who talks is answered at once, who was silent for a second waits for 16 ms at
 * most, and an idle service wakes up 20 times a second for all of them
 * together.  A device that is paused or faulted costs no nap.
 *
 * Once in 0.9 s, whatever happens: heartbeat, and an audit of what clients may
 * have overwritten.
 *
 * Failure behaviour: what cannot be made before the sandbox, a broken control
 * channel or a message of another version of mulliond ends the process with
 * status 1; mulliond starts a successor.  What a client does costs its channel.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../channel/guard.h"
#include "sandbox.h"
#include "service.h"
#include "uring.h"

#define MAIN_SOCKET		3
#define MAIN_SLOW_MS		900	/* heartbeat: at least once a second */
#define MAIN_URING_ENTRIES	1024
#define MAIN_NAP_SHARE		64
#define MAIN_NAP_LEAST_NS	200000ULL
#define MAIN_NAP_MOST_NS	50000000ULL

struct service service;

/* ---- the loop's view ---------------------------------------------------- */

static unsigned int main_poll_device(struct mullion_device *device, bool slow)
{
	unsigned int n = 0;

	if (device->started) {
		service_device_start_ended(device);
		return 1;
	}
	if (device->plain_adopt && !device->starting)
		service_plain_adopt(device);
	if (device->bus->ram && mullion_ram_lost(device->bus->ram) && !device->faulted)
		service_attach_fault(device, MULLION_FAULT_MEMORY,
				     "its memory is not what it was when it was mapped");
	service_attach_check(device);
	if (service.class->poll) {
		if (device->serving)
			n = service.class->poll(device);
	} else if (service_request_may_poll(device)) {
		n = service_request_poll(device);
	}
	if (n && !device->bus->send.count)
		service.polled_work = true;
	/* Nobody rang, but there was work: a doorbell was lost. */
	if (slow && n && device->bus->send.count)
		device->records.state->rescues += n;
	if (device->wanted.any)
		service_attach_settle(device);
	return n;
}

static unsigned int main_poll(void *arg, bool slow)
{
	struct mullion_device *device, *next;
	unsigned int n = 0;

	(void)arg;
	if (service.control) {
		int ret = mullion_control_client_poll(service.control, slow);

		if (ret < 0) {
			mullion_log(LOG_ERR, NULL, "control channel broken: its "
				    "rings hold what cannot be; ending");
			mullion_loop_stop(1);
			return 0;
		}
		n += (unsigned int)ret;
	}
	for (device = service.devices; device; device = next) {
		next = device->next;
		n += main_poll_device(device, slow);
	}
	return n;
}

/* Some room is not enough: a client that left it so would keep us awake. */
static int main_arm_room(struct mullion_queue *queue)
{
	return mullion_sq_producer_arm(&queue->rsp) < 0 ||
	       mullion_queue_room(queue) >= queue->blocked;
}

static int main_arm_messages(struct mullion_device *device)
{
	int work = 0;

	for (unsigned int i = 0; device->serving && i < service.class->queue_pairs; i++) {
		struct mullion_queue *queue = &device->queues[i];

		if (queue->blocked)
			work |= main_arm_room(queue);
		else
			work |= mullion_sq_consumer_arm(&queue->cmd) != 0;
	}
	return work;
}

static int main_arm_requests(struct mullion_device *device)
{
	struct mullion_queue *queue = &device->queues[0];
	int work = 0;

	/*
	 * Nothing can be taken: completions wake us, not the client.  Without
	 * records it is the client that has to read answers, and the slow poll
	 * sees that it has.
	 */
	if (device->serving && device->free_requests && device->records.free_count)
		work |= mullion_sq_consumer_arm(&queue->cmd) != 0;
	if (device->late && !device->faulted)
		work |= mullion_sq_producer_arm(&queue->rsp) != 0;
	return work;
}

static void main_woken(void *arg)
{
	(void)arg;
}

static void main_arm_nap(void)
{
	const struct mullion_device *device;
	uint64_t now, ns;

	for (device = service.devices; device; device = device->next) {
		if (!device->bus->send.count && !device->faulted && !device->paused)
			break;
	}
	if (!device)
		return;
	now = mullion_loop_now();
	if (service.polled_work)
		service.polled_last = now;
	service.polled_work = false;
	ns = (now - service.polled_last) / MAIN_NAP_SHARE;
	if (ns < MAIN_NAP_LEAST_NS)
		ns = MAIN_NAP_LEAST_NS;
	else if (ns > MAIN_NAP_MOST_NS)
		ns = MAIN_NAP_MOST_NS;
	mullion_loop_timer_start_ns(&service.nap, ns, main_woken, NULL);
}

static int main_arm(void *arg)
{
	struct mullion_device *device;
	int work = 0;

	(void)arg;
	if (service.control)
		work |= mullion_control_client_arm(service.control);
	for (device = service.devices; device; device = device->next) {
		if (device->started || device->plain_adopt)
			work = 1;
		if (device->wanted.any && device->quiesced && !device->outstanding)
			work = 1;
		work |= service.class->poll ? main_arm_messages(device) :
			main_arm_requests(device);
	}
	if (!work)
		main_arm_nap();
	return work;
}

static void main_disarm(void *arg)
{
	struct mullion_device *device;

	(void)arg;
	for (device = service.devices; device; device = device->next) {
		if (!device->serving)
			continue;
		for (unsigned int i = 0; i < service.class->queue_pairs; i++) {
			mullion_sq_consumer_disarm(&device->queues[i].cmd);
			mullion_sq_producer_disarm(&device->queues[i].rsp);
		}
	}
}

/* Without an attached client only control messages can come. */
static bool main_idle(void *arg)
{
	struct mullion_device *device;

	(void)arg;
	for (device = service.devices; device; device = device->next) {
		if (device->serving)
			return false;
	}
	return true;
}

static void main_ring(struct mullion_device *device, const struct mullion_queue *queue)
{
	/* Channels in guest RAM are polled. */
	if (!device->bus->send.count)
		return;
	device->records.state->rung++;
	if (mullion_doorbell_ring(device->bus->send.fds[queue->vector]) == -EINTR)
		service_attach_fault(device, MULLION_FAULT_DOORBELL,
				     "it made its doorbell block us");
}

/* What this turn left in the rings is shown, and the client rung where it wants. */
static void main_finish(struct mullion_device *device)
{
	bool rung = device->rung;

	for (unsigned int i = 0; i < service.class->queue_pairs; i++) {
		struct mullion_queue *queue = &device->queues[i];

		if (queue->cmd.tail != queue->cmd.released)
			mullion_queue_release(queue);
		if (queue->rsp.head != queue->rsp.published)
			mullion_queue_publish(queue);
		if (device->plain)
			service_plain_shown(device);
		if (!queue->rung && !rung)
			continue;
		queue->rung = false;
		rung = false;
		main_ring(device, queue);
	}
	/* Not rung of a fault for its doorbell: that would block again. */
	device->rung = false;
}

static void main_turn_end(void *arg)
{
	struct mullion_device *device;
	struct service_bus *bus;

	(void)arg;
	service.class->turn_end();
	mullion_uring_submit();
	for (device = service.devices; device; device = device->next) {
		main_finish(device);
		device->records.state->outstanding = device->outstanding;
	}
	for (bus = service.buses; bus; bus = bus->next) {
		if (!bus->ring_event)
			continue;
		bus->ring_event = false;
		if (bus->send.count)
			mullion_doorbell_ring(bus->send.fds[0]);
	}
}

static void main_bus_heartbeat(struct service_bus *bus, uint64_t heartbeat)
{
	struct mullion_window_info info = {
		.server_state = MULLION_SERVER_READY,
		.heartbeat = heartbeat,
	};
	struct mullion_device *device;

	for (device = service.devices; device; device = device->next) {
		if (device->bus == bus)
			info.generation = device->generation;
	}
	/* For the guest's information; nobody else reads it. */
	memcpy(bus->window.base + offsetof(struct mullion_window_header, info), &info,
	       offsetof(struct mullion_window_info, pad));
}

static void main_slow(void *arg)
{
	struct mullion_state_header *header = mullion_state_header();
	struct mullion_device *device;
	struct service_bus *bus;

	(void)arg;
	if (!header)
		return;
	header->heartbeat++;
	header->wakeups = mullion_loop_wakeups();
	for (bus = service.buses; bus; bus = bus->next) {
		if (bus->window.base)
			main_bus_heartbeat(bus, header->heartbeat);
	}
	for (device = service.devices; device; device = device->next)
		service_attach_audit(device);
}

void service_loop_start(void)
{
	service.source.poll = main_poll;
	service.source.arm = main_arm;
	service.source.idle = main_idle;
	service.source.disarm = main_disarm;
	service.source.turn_end = main_turn_end;
	mullion_loop_source_add(&service.source);
	mullion_loop_timer_start(&service.slow, MAIN_SLOW_MS, true, main_slow, NULL);
}

/* ---- start -------------------------------------------------------------- */

static int main_describe(const struct mullion_class *class)
{
	const __u8 *b = class->type.b;

	printf("{\"class\": \"%s\", \"type\": \"%02x%02x%02x%02x-%02x%02x-"
	       "%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x\", \"version\": %u, "
	       "\"channel_bytes\": %llu, \"pool_share\": %llu, "
	       "\"max_outstanding\": %u, \"queue_slots\": %u, "
	       "\"queue_pairs\": %u, \"guest_ram\": \"%s\"}\n", class->name,
	       b[3], b[2], b[1], b[0], b[5], b[4], b[7], b[6], b[8], b[9],
	       b[10], b[11], b[12], b[13], b[14], b[15], class->channel_version,
	       (unsigned long long)service_attach_channel_bytes(class),
	       (unsigned long long)class->pool_share, class->max_outstanding,
	       class->queue_slots, class->queue_pairs,
	       class->ram_read_only ? "read" : "read-write");
	return fflush(stdout) ? 1 : 0;
}

static void main_usage(FILE *out, const struct mullion_class *class)
{
	fprintf(out,
		"Usage: mullion-%s [--uid UID]\n"
		"       mullion-%s --describe | --version | --help\n"
		"A service partition of Mullion.  Started by mulliond, with a socket as\n"
		"descriptor %d.\n"
		"\n"
		"  --uid UID    user to become when started as root (default 65534)\n"
		"  --describe   print what this service offers, as JSON\n",
		class->name, class->name, MAIN_SOCKET);
}

static int main_sandbox(const struct mullion_class *class, uid_t uid)
{
	const int keep[] = { MAIN_SOCKET, mullion_loop_fd(), mullion_uring_fd() };
	const struct mullion_sandbox sandbox = {
		.uid = uid,
		.keep = keep,
		.keep_count = sizeof(keep) / sizeof(keep[0]),
		.syscalls = class->syscalls,
	};

	return mullion_sandbox_enter(&sandbox);
}

static int main_serve(const struct mullion_class *class, uid_t uid)
{
	const char *step;
	int ret;

	service.class = class;
	service.command_recv = -1;
	service.command_send = -1;
	signal(SIGPIPE, SIG_IGN);
	step = "event loop";
	ret = mullion_loop_init();
	if (ret < 0)
		goto fail;
	step = "class";
	ret = class->init();
	if (ret < 0)
		goto fail;
	if (class->uring_opcodes[0] >= 0) {
		ret = mullion_uring_init(MAIN_URING_ENTRIES, class->uring_opcodes);
		if (ret < 0)
			mullion_log(LOG_NOTICE, NULL, "no io_uring: %s; input and "
				    "output one at a time", strerror(-ret));
	}
	/* After this no timer can be set: the allow-list has no such call. */
	step = "signals";
	ret = mullion_doorbell_watchdog(MAIN_SLOW_MS);
	if (!ret)
		ret = mullion_guard_init();
	if (ret < 0)
		goto fail;
	ret = main_sandbox(class, uid);
	if (ret < 0)
		return 1;
	step = "socket";
	ret = service_socket_start(MAIN_SOCKET);
	if (ret < 0)
		goto fail;
	service_loop_start();
	return mullion_loop_run();

fail:
	mullion_log(LOG_ERR, NULL, "cannot start: %s: %s", step, strerror(-ret));
	return 1;
}

int mullion_service_main(int argc, char **argv, const struct mullion_class *class)
{
	static const struct option options[] = {
		{ "describe", no_argument, NULL, 'd' },
		{ "help", no_argument, NULL, 'h' },
		{ "uid", required_argument, NULL, 'u' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	unsigned long uid = 0;
	char *end;
	int option;

	mullion_log_init(class->name);
	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'd':
			return main_describe(class);
		case 'h':
			main_usage(stdout, class);
			return 0;
		case 'V':
			printf("mullion-%s %s\n", class->name, MULLION_VERSION);
			return 0;
		case 'u':
			errno = 0;
			uid = strtoul(optarg, &end, 10);
			if (errno || *end || end == optarg || uid >= UINT32_MAX) {
				fprintf(stderr, "mullion-%s: %s: not a user "
					"number\n", class->name, optarg);
				return 2;
			}
			break;
		default:
			main_usage(stderr, class);
			return 2;
		}
	}
	if (optind != argc) {
		main_usage(stderr, class);
		return 2;
	}
	if (fcntl(MAIN_SOCKET, F_GETFD) < 0) {
		fprintf(stderr, "mullion-%s: descriptor %d is not open: this program "
			"is started by mulliond\n", class->name, MAIN_SOCKET);
		return 2;
	}
	return main_serve(class, (uid_t)uid);
}
