// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/net-traffic.c - many process guests, each talking to each
 *
 *	net-traffic [OPTION...] GUEST...
 *
 * One process is all the guests.  From each to each goes a stream of numbered
 * frames with checksums, so many at a time as were not acknowledged; windows are
 * small enough that the receivers' buffers always suffice.  The receiver takes
 * them in order only.  Without --retry nothing is ever sent again: one frame lost
 * anywhere and the program does not end before its time limit, which is a failure.
 *
 *	--frames N	in each stream; default 1000
 *	--seconds N	instead: streams go on so long
 *	--size A[-B]	bytes of a frame; default 60-1514
 *	--window N	frames; default: what the buffers allow
 *	--pairs N	queue pairs of each card; default 1
 *	--retry MS	send again what was not acknowledged for so long
 *	--stop GUEST	this one opens its card and never looks at it again; all
 *			others send it as many frames as to anybody, unpaced
 *	--strangers	others of the network may send what they like, pieces of
 *			frames that they got included: what makes no sense is counted
 *	--limit N	seconds that it may take in all; default 120
 *
 * Prints the sums as NAME=NUMBER.  Fails if a frame came that is not what was
 * sent, or if without --retry one was lost.
 */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "client.h"

#define GUESTS_MAX	64
#define ETHERTYPE	0x88b5		/* for local experiments */
#define MAGIC		0x746c756dU
#define IDLE_MS		200
#define FRAME_LEAST	60
#define STOPPED_BURST	8

/* What follows the Ethernet header; the rest is filled from the number. */
struct message {
	uint32_t magic;
	uint16_t from;
	uint16_t to;
	uint32_t bytes;		/* of the frame */
	uint32_t number;	/* from 1; 0: only an acknowledgement, or a hello */
	uint32_t acked;		/* of the other direction: all up to this */
	uint32_t sum;		/* of everything, this being 0 */
} __attribute__((packed));

#define HEADER_BYTES	14
#define FRAME_HEAD	(HEADER_BYTES + sizeof(struct message))

/* Both ends of the stream from one guest to another. */
struct stream {
	uint32_t sent;
	uint32_t most;		/* ever sent: a retry goes back to @acked */
	uint32_t acked;
	uint32_t received;	/* in order, by the other one */
	uint32_t told;		/* of these, acknowledged */
	uint64_t moved;		/* when @acked grew, milliseconds */
};

struct node {
	const char *name;
	struct mullion_guest *guest;
	struct mullion_net *nic;
	uint8_t mac[6];
	bool stopped;
	unsigned int heard;	/* hellos of others */
	bool *heard_of;
};

static struct {
	uint32_t frames;
	uint32_t seconds;
	uint32_t least, most;
	uint32_t window;
	uint32_t pairs;
	uint32_t retry;
	const char *stop;
	bool strangers;
	uint32_t limit;
} opt = { .frames = 1000, .least = FRAME_LEAST, .most = 1514, .limit = 120 };

static struct node nodes[GUESTS_MAX];
static unsigned int node_count;
static struct stream streams[GUESTS_MAX][GUESTS_MAX];
static uint64_t frames_sent, frames_received, bytes_received, again, gaps, repeated, strange;
static int epoll;
static bool closing;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint32_t mix(uint32_t a, uint32_t b)
{
	uint64_t x = ((uint64_t)a << 32 | b) * 0x9e3779b97f4a7c15ULL;

	return (uint32_t)(x >> 29 ^ x >> 7);
}

static uint32_t sum(const uint8_t *data, uint32_t bytes)
{
	uint64_t state = 0xcbf29ce484222325ULL, word;
	uint32_t i = 0;

	for (; i + 8 <= bytes; i += 8) {
		memcpy(&word, data + i, 8);
		state = (state ^ word) * 0x100000001b3ULL;
		state ^= state >> 31;
	}
	for (; i < bytes; i++)
		state = (state ^ data[i]) * 0x100000001b3ULL;
	return (uint32_t)(state ^ state >> 32);
}

static void put_words(uint8_t *to, uint32_t bytes, uint32_t seed)
{
	for (uint32_t i = 0; i < bytes; i += 4) {
		uint32_t word = seed + i * 0x01000193U;

		memcpy(to + i, &word, bytes - i < 4 ? bytes - i : 4);
	}
}

/* ---- frames ------------------------------------------------------------------ */

static uint32_t frame_bytes(unsigned int from, unsigned int to, uint32_t number)
{
	uint32_t least = opt.least < FRAME_LEAST ? FRAME_LEAST : opt.least;

	if (!number)
		return FRAME_LEAST;
	return least + mix(from << 16 | to, number) % (opt.most - least + 1);
}

/* False if there is no room at the moment. */
static bool frame_send(unsigned int from, unsigned int to, uint32_t number)
{
	static const uint8_t everybody[6] = { 255, 255, 255, 255, 255, 255 };
	static uint8_t frame[MULLION_NET_FRAME_MAX];
	struct message message = {
		.magic = MAGIC,
		.from = (uint16_t)from,
		.to = (uint16_t)to,
		.number = number,
		.bytes = frame_bytes(from, to, number),
	};
	uint32_t body = message.bytes - (uint32_t)FRAME_HEAD;
	int r;

	memcpy(frame, to < node_count ? nodes[to].mac : everybody, 6);
	memcpy(frame + 6, nodes[from].mac, 6);
	frame[12] = ETHERTYPE >> 8;
	frame[13] = ETHERTYPE & 0xff;
	if (to < node_count)
		message.acked = streams[to][from].received;
	put_words(frame + FRAME_HEAD, body, mix(number, from));
	memcpy(frame + HEADER_BYTES, &message, sizeof(message));
	message.sum = sum(frame, message.bytes);
	memcpy(frame + HEADER_BYTES, &message, sizeof(message));
	r = mullion_net_send_copy(nodes[from].nic, from ^ to, frame, message.bytes, NULL);
	if (r == -EAGAIN)
		return false;
	if (r < 0)
		client_fail("guest %s cannot send: %s", nodes[from].name, strerror(-r));
	if (to < node_count)
		streams[to][from].told = message.acked;
	frames_sent++;
	return true;
}

static void frame_acked(unsigned int from, unsigned int to, uint32_t acked)
{
	struct stream *stream = &streams[from][to];

	if (acked - stream->acked - 1 >= stream->most - stream->acked)
		return;
	stream->acked = acked;
	/* What a retry was about to send again had arrived; the answer was lost. */
	if (stream->sent < acked)
		stream->sent = acked;
	stream->moved = now_ms();
}

static void frame_data(const struct message *message)
{
	struct stream *stream = &streams[message->from][message->to];

	if (message->number == stream->received + 1)
		stream->received++;
	else if (message->number <= stream->received)
		repeated++;
	else
		gaps++;
	/* One that came out of order is answered too, so that it is sent again. */
	if (message->number != stream->received)
		stream->told = stream->received - 1;
}

static void frame_received(unsigned int to, uint8_t *frame, uint32_t bytes)
{
	struct message message;
	uint32_t is;

	if (bytes < FRAME_HEAD || frame[12] != ETHERTYPE >> 8 ||
	    frame[13] != (ETHERTYPE & 0xff))
		return;		/* somebody else's */
	memcpy(&message, frame + HEADER_BYTES, sizeof(message));
	is = message.sum;
	message.sum = 0;
	memcpy(frame + HEADER_BYTES, &message, sizeof(message));
	if (message.magic != MAGIC || message.bytes > bytes ||
	    sum(frame, message.bytes) != is || message.from >= node_count) {
		if (!opt.strangers)
			client_fail("guest %s: a frame of %u bytes came that nobody sent",
				    nodes[to].name, bytes);
		strange++;
		return;
	}
	if (message.to == UINT16_MAX && !nodes[to].heard_of[message.from]) {
		nodes[to].heard_of[message.from] = true;
		nodes[to].heard++;
	}
	if (message.to != to)
		return;		/* flooded */
	frames_received++;
	bytes_received += bytes;
	if (message.number)
		frame_data(&message);
	frame_acked(to, message.from, message.acked);
}

/* ---- one round of one guest ---------------------------------------------------- */

static unsigned int node_receive(unsigned int self)
{
	static uint8_t frame[MULLION_NET_FRAME_MAX];
	struct mullion_net_piece pieces[2 * MULLION_NET_CHAIN_MAX];
	unsigned int count, i = 0;
	int r;

	r = mullion_net_recv(nodes[self].nic, pieces, 2 * MULLION_NET_CHAIN_MAX);
	if (r < 0)
		client_fail("guest %s cannot receive: %s", nodes[self].name, strerror(-r));
	count = (unsigned int)r;
	while (i < count) {
		uint32_t bytes = 0;
		bool more = true;

		for (; more; i++) {
			memcpy(frame + bytes, pieces[i].data, pieces[i].bytes);
			bytes += pieces[i].bytes;
			more = pieces[i].flags & MULLION_NET_MORE;
		}
		frame_received(self, frame, bytes);
	}
	mullion_net_return(nodes[self].nic, pieces, count);
	return count;
}

static bool stream_is_done(const struct stream *stream)
{
	if (opt.seconds)
		return closing && stream->acked == stream->most;
	return stream->acked == opt.frames;
}

static bool stream_may_send(const struct stream *stream)
{
	/* Again even after the end. */
	if (opt.seconds)
		return !closing || stream->sent < stream->most;
	return stream->sent < opt.frames;
}

static unsigned int node_send_stopped(unsigned int self, unsigned int peer)
{
	struct stream *stream = &streams[self][peer];
	unsigned int n = 0;

	while (n < STOPPED_BURST && stream_may_send(stream) &&
	       frame_send(self, peer, stream->sent + 1)) {
		stream->most = ++stream->sent;
		n++;
	}
	stream->acked = stream->sent;
	return n;
}

static unsigned int node_send(unsigned int self, unsigned int peer)
{
	struct stream *stream = &streams[self][peer];
	unsigned int n = 0;

	if (opt.retry && stream->sent != stream->acked &&
	    now_ms() - stream->moved >= opt.retry) {
		again += stream->sent - stream->acked;
		stream->sent = stream->acked;
		stream->moved = now_ms();
	}
	while (stream->sent - stream->acked < opt.window && stream_may_send(stream) &&
	       frame_send(self, peer, stream->sent + 1)) {
		if (stream->sent++ == stream->acked)
			stream->moved = now_ms();
		if (stream->most < stream->sent)
			stream->most = stream->sent;
		n++;
	}
	if (streams[peer][self].told != streams[peer][self].received &&
	    frame_send(self, peer, 0))
		n++;
	return n;
}

static unsigned int node_turn(unsigned int self)
{
	unsigned int n;

	if (nodes[self].stopped)
		return 0;
	n = node_receive(self);
	for (unsigned int peer = 0; peer < node_count; peer++) {
		if (peer == self)
			continue;
		n += nodes[peer].stopped ? node_send_stopped(self, peer) :
					   node_send(self, peer);
	}
	mullion_net_kick(nodes[self].nic);
	return n;
}

/* ---- all of them ------------------------------------------------------------------ */

static void all_sleep(void)
{
	struct epoll_event events[GUESTS_MAX];
	bool work = false;
	unsigned int i;

	for (i = 0; i < node_count; i++) {
		if (!nodes[i].stopped)
			work |= mullion_net_arm(nodes[i].nic) ||
				mullion_guest_arm(nodes[i].guest);
	}
	if (!work)
		epoll_wait(epoll, events, GUESTS_MAX, IDLE_MS);
	for (i = 0; i < node_count; i++) {
		if (nodes[i].stopped)
			continue;
		mullion_net_disarm(nodes[i].nic);
		mullion_guest_turn(nodes[i].guest);
	}
}

static void all_open(char **names)
{
	const struct mullion_net_options options = { .pairs = opt.pairs };
	struct epoll_event event = { .events = EPOLLIN };
	struct mullion_net_info info;

	epoll = epoll_create1(EPOLL_CLOEXEC);
	for (unsigned int i = 0; i < node_count; i++) {
		struct node *node = &nodes[i];

		node->name = names[i];
		node->stopped = opt.stop && !strcmp(opt.stop, names[i]);
		node->guest = client_guest(names[i]);
		node->nic = client_net(node->guest, names[i], &options);
		node->heard_of = calloc(node_count, sizeof(*node->heard_of));
		mullion_net_info(node->nic, &info);
		memcpy(node->mac, info.mac, sizeof(node->mac));
		if (epoll_ctl(epoll, EPOLL_CTL_ADD, mullion_guest_fd(node->guest),
			      &event) < 0 || !node->heard_of)
			client_fail("no epoll or memory");
		if (!opt.window) {
			uint32_t pieces = (opt.most + info.buffer_bytes - 1) /
					  info.buffer_bytes;

			/* Data and acknowledgements of all others at once. */
			opt.window = info.posted / 2 / (pieces * node_count);
			if (!opt.window)
				opt.window = 1;
		}
	}
}

/* The switch learns where each is before there is anything to flood. */
static void all_hello(void)
{
	unsigned int listening = 0, i, said;
	uint64_t due = 0;

	for (i = 0; i < node_count; i++)
		listening += !nodes[i].stopped;
	for (said = 0; said < node_count; said++) {
		unsigned int heard = 0;

		while (heard < listening - !nodes[said].stopped) {
			if (now_ms() >= due) {
				frame_send(said, UINT16_MAX, 0);
				mullion_net_kick(nodes[said].nic);
				due = now_ms() + IDLE_MS;
			}
			heard = 0;
			for (i = 0; i < node_count; i++) {
				if (!nodes[i].stopped)
					node_receive(i);
				heard += nodes[i].heard_of[said];
			}
		}
		due = 0;
	}
}

static bool all_done(void)
{
	for (unsigned int i = 0; i < node_count; i++) {
		for (unsigned int j = 0; j < node_count; j++) {
			if (i != j && !nodes[i].stopped && !nodes[j].stopped &&
			    !stream_is_done(&streams[i][j]))
				return false;
		}
		if (!nodes[i].stopped && mullion_net_outstanding(nodes[i].nic))
			return false;
	}
	return true;
}

static void all_run(void)
{
	uint64_t end = now_ms() + (uint64_t)opt.seconds * 1000;
	unsigned int i;

	for (i = 0; i < GUESTS_MAX * GUESTS_MAX; i++)
		streams[i / GUESTS_MAX][i % GUESTS_MAX].moved = now_ms();
	while (!all_done()) {
		unsigned int n = 0;

		for (i = 0; i < node_count; i++)
			n += node_turn(i);
		if (opt.seconds && !closing)
			closing = now_ms() >= end;
		if (!n)
			all_sleep();
	}
}

static void all_report(void)
{
	uint64_t dropped = 0, failed = 0, lost = 0, bogus = 0, malformed = 0, services = 0;
	struct mullion_net_statistics s;

	for (unsigned int i = 0; i < node_count; i++) {
		if (nodes[i].stopped)
			continue;
		mullion_net_statistics(nodes[i].nic, &s);
		dropped += s.rx_dropped;
		failed += s.tx_failed;
		lost += s.tx_lost;
		bogus += s.bogus;
		malformed += s.rx_malformed;
		services += s.generations;
	}
	printf("guests=%u\nwindow=%u\nsent=%" PRIu64 "\nreceived=%" PRIu64 "\nbytes=%" PRIu64
	       "\nagain=%" PRIu64 "\ngaps=%" PRIu64 "\nrepeated=%" PRIu64 "\ndropped=%" PRIu64
	       "\nfailed=%" PRIu64 "\nlost=%" PRIu64 "\nbogus=%" PRIu64 "\nmalformed=%" PRIu64
	       "\ngenerations=%" PRIu64 "\nstrange=%" PRIu64 "\n", node_count, opt.window, frames_sent,
	       frames_received, bytes_received, again, gaps, repeated, dropped, failed, lost,
	       bogus, malformed, services, strange);
	if (failed || bogus || malformed)
		client_fail("the service called frames malformed, or we its messages");
	if (!opt.retry && (gaps || repeated || dropped))
		client_fail("frames were lost or came twice");
}

static void all_close(void)
{
	for (unsigned int i = 0; i < node_count; i++) {
		mullion_net_close(nodes[i].nic);
		mullion_guest_close(nodes[i].guest);
		free(nodes[i].heard_of);
	}
}

static uint32_t number(const char *text)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);

	if (end == text || *end || n > UINT32_MAX)
		client_fail("%s is no number", text);
	return (uint32_t)n;
}

static void size(char *text)
{
	char *dash = strchr(text, '-');

	if (dash)
		*dash = '\0';
	opt.least = number(text);
	opt.most = dash ? number(dash + 1) : opt.least;
	if (opt.most < opt.least || opt.least < FRAME_LEAST ||
	    opt.most > MULLION_NET_FRAME_MAX)
		client_fail("frames of that size cannot be");
}

static int parse(int argc, char **argv)
{
	static const struct option options[] = {
		{ "frames", required_argument, NULL, 'f' },
		{ "seconds", required_argument, NULL, 's' },
		{ "size", required_argument, NULL, 'z' },
		{ "window", required_argument, NULL, 'w' },
		{ "pairs", required_argument, NULL, 'p' },
		{ "retry", required_argument, NULL, 'r' },
		{ "stop", required_argument, NULL, 'x' },
		{ "strangers", no_argument, NULL, 'n' },
		{ "limit", required_argument, NULL, 'l' },
		{ 0 },
	};
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'f':
			opt.frames = number(optarg);
			break;
		case 's':
			opt.seconds = number(optarg);
			break;
		case 'z':
			size(optarg);
			break;
		case 'w':
			opt.window = number(optarg);
			break;
		case 'p':
			opt.pairs = number(optarg);
			break;
		case 'r':
			opt.retry = number(optarg);
			break;
		case 'x':
			opt.stop = optarg;
			break;
		case 'n':
			opt.strangers = true;
			break;
		case 'l':
			opt.limit = number(optarg);
			break;
		default:
			exit(2);
		}
	}
	return optind;
}

int main(int argc, char **argv)
{
	int first = parse(argc, argv);

	node_count = (unsigned int)(argc - first);
	if (node_count < 2 || node_count > GUESTS_MAX)
		client_fail("2 to %d guests are wanted", GUESTS_MAX);
	alarm(opt.limit);
	all_open(argv + first);
	all_hello();
	all_run();
	all_report();
	fflush(stdout);
	all_close();
	return 0;
}
