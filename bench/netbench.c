// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/netbench.c - frames per second and round trips between two network ends
 *
 * DOC: Theory of Operation
 *
 * One loop for all ways.  The rate: an end sends numbered frames as fast as it
 * may, with a window of frames that were not received yet, so that no way gains
 * by losing them; what counts is what arrived, after a moment of warming up.
 * The round trip: one frame goes there and another comes back.
 *
 * The ends are in two processes, the receiver a child, and both look at counters
 * in shared memory; or together in this thread.  Two CPUs are what every way gets:
 * where a third process is in the middle (Mullion's switch) and all poll, both
 * ends are together.
 *
 * Sender and receiver touch only a frame's head, in every way.
 *
 * Failure behaviour: every wait is bounded by LIMIT_MS; then the program says
 * what did not come, and fails.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "netbench.h"

#define LIMIT_MS 10000
#define WARM_NS 100000000ULL
#define STUCK_NS 20000000ULL
#define WINDOW_FRAMES 512u
#define WINDOW_BYTES (2u << 20)
#define HEAD_BYTES 62
#define NUMBER_AT 54
#define TRIPS_MAX (1u << 20)

static const struct netbench_driver *const drivers[] = {
	&netbench_memcpy, &netbench_mullion, &netbench_unix, &netbench_packet,
#ifdef HAVE_DPDK
	&netbench_dpdk,
#endif
};

/* Between the two processes, or the two ends in one. */
static struct {
	_Alignas(64) uint64_t frames;	/* received */
	uint64_t bytes;
	uint64_t next;			/* number after the highest one received */
	_Alignas(64) uint32_t ready, stop;
	uint8_t mac[6];
} *shared;

static const struct netbench_driver *drv;
static struct netbench_job job = { .bytes = 64, .wake = NETBENCH_POLL };
/* What each side's frames begin with. */
static uint8_t heads[2][HEAD_BYTES];
static uint64_t sent_next;

static uint64_t netbench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

#define GET(x) __atomic_load_n(&(x), __ATOMIC_ACQUIRE)
#define SET(x, v) __atomic_store_n(&(x), v, __ATOMIC_RELEASE)

/* A TCP segment, whose length and checksum only matter where it is cut. */
static void netbench_head(int side, const uint8_t to[6], const uint8_t from[6])
{
	static const uint8_t ip[] = {
		0x08, 0x00, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
		0x10, 0x00, 0x20, 0x00, 0, 0, 0, 1, 0, 0, 0, 1, 0x50, 0x10, 1, 0, 0, 0, 0, 0,
	};
	uint8_t *head = heads[side];
	uint32_t sum = 0, i;

	memcpy(head, to, 6);
	memcpy(head + 6, from, 6);
	memcpy(head + 12, ip, sizeof(ip));
	head[16] = (uint8_t)((job.bytes - 14) >> 8);
	head[17] = (uint8_t)(job.bytes - 14);
	for (i = 14; i < 34; i += 2)
		sum += (uint32_t)head[i] << 8 | head[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	head[24] = (uint8_t)(sum >> 8);
	head[25] = (uint8_t)sum;
}

/* Sends up to @count frames; number sent, or negative errno. */
static int netbench_send(struct netbench_end *end, int side, int count)
{
	struct netbench_frame frames[NETBENCH_BURST];
	int i, n, r;

	n = drv->alloc(end, frames, count);
	if (n <= 0)
		return n;
	for (i = 0; i < n; i++) {
		uint64_t number = sent_next + (uint64_t)i;

		memcpy(frames[i].data, heads[side], NUMBER_AT);
		memcpy(frames[i].data + NUMBER_AT, &number, sizeof(number));
		frames[i].bytes = job.bytes;
	}
	r = drv->send(end, frames, n);
	if (r < n)
		drv->give_back(end, frames + (r < 0 ? 0 : r), n - (r < 0 ? 0 : r));
	if (r < 0)
		return r;
	sent_next += (uint64_t)r;
	n = drv->flush(end);
	return n < 0 ? n : r;
}

/* Takes what came, to be answered; number of frames of ours, or negative errno. */
static int netbench_recv(struct netbench_end *end, int side)
{
	struct netbench_frame frames[NETBENCH_BURST];
	uint64_t number = 0, bytes = 0;
	int i, n, ours = 0;

	n = drv->recv(end, frames, NETBENCH_BURST);
	if (n <= 0)
		return n;
	for (i = 0; i < n; i++) {
		if (frames[i].bytes != job.bytes)
			continue;
		memcpy(&number, frames[i].data + NUMBER_AT, sizeof(number));
		bytes += frames[i].bytes;
		if (!ours++)
			memcpy(heads[side], frames[i].data + 6, 6);
	}
	drv->give_back(end, frames, n);
	if (ours) {
		SET(shared->frames, shared->frames + (uint64_t)ours);
		SET(shared->bytes, shared->bytes + bytes);
		SET(shared->next, number + 1);
	}
	return ours;
}

/* The other process: takes frames, or sends each back. */
static int netbench_child(bool echo)
{
	struct netbench_end *end;
	int r, owed;

	r = drv->open(&end, &job, 1);
	if (r < 0)
		return r;
	if (drv->mac)
		drv->mac(end, shared->mac);
	netbench_head(1, shared->mac, shared->mac);
	SET(shared->ready, 1);
	while (!GET(shared->stop)) {
		r = netbench_recv(end, 1);
		if (r < 0)
			break;
		if (!r) {
			r = drv->wait(end, 10);
			if (r < 0)
				break;
			continue;
		}
		for (owed = echo ? r : 0; owed > 0 && r >= 0; owed -= r)
			r = netbench_send(end, 1, 1);
	}
	drv->close(end);
	return r < 0 ? r : 0;
}

static bool netbench_child_died(pid_t child)
{
	return child > 0 && waitpid(child, NULL, WNOHANG) == child;
}

static int netbench_rate(struct netbench_end *a, struct netbench_end *b, pid_t child,
			 double seconds, double *fps, double *bps, uint64_t *lost)
{
	uint64_t start, begun = 0, moved, seen = 0, frames0 = 0, bytes0 = 0, sent0 = 0, now;
	uint32_t window = WINDOW_BYTES / job.bytes, turns = 0;
	uint64_t forgiven = 0;
	int r;

	if (window > WINDOW_FRAMES)
		window = WINDOW_FRAMES;
	start = moved = now = netbench_now();
	for (;;) {
		uint64_t next = GET(shared->next);
		bool idle = true;

		if (next < forgiven)
			next = forgiven;
		if (sent_next - next + NETBENCH_BURST <= window ||
		    (window < 2 * NETBENCH_BURST && sent_next - next < window)) {
			uint64_t room = window - (sent_next - next);

			r = netbench_send(a, 0, room < NETBENCH_BURST ?
						       (int)room : NETBENCH_BURST);
			if (r < 0)
				return r;
			idle = !r;
		}
		if (b) {
			r = netbench_recv(b, 1);
			if (r < 0)
				return r;
			if (idle && !r) {
				r = drv->wait(a, 0);
				if (r >= 0)
					r = drv->wait(b, 1);
				if (r < 0)
					return r;
			}
		}
		if (++turns & 31)
			continue;
		now = netbench_now();
		if (GET(shared->frames) != seen) {
			seen = GET(shared->frames);
			moved = now;
		} else if (now - moved > STUCK_NS) {
			/* The last ones were lost: nobody will tell. */
			forgiven = sent_next;
			if (now - moved > LIMIT_MS * 1000000ULL || netbench_child_died(child))
				return -ETIMEDOUT;
		}
		if (!begun) {
			if (now - start > WARM_NS && seen) {
				begun = now;
				frames0 = seen;
				bytes0 = GET(shared->bytes);
				sent0 = sent_next;
			}
		} else if (now - begun > (uint64_t)(seconds * 1e9)) {
			break;
		}
	}
	*fps = (double)(seen - frames0) * 1e9 / (double)(now - begun);
	*bps = (double)(GET(shared->bytes) - bytes0) * 1e9 / (double)(now - begun);
	*lost = sent_next - sent0 > seen - frames0 + window ?
			sent_next - sent0 - (seen - frames0) : 0;
	return 0;
}

/* Waits for the next frame of ours at this end, which is counted in @shared->frames. */
static int netbench_await(struct netbench_end *end, int side, uint64_t limit)
{
	int r;

	for (;;) {
		r = netbench_recv(end, side);
		if (r)
			return r;
		if (netbench_now() > limit)
			return 0;
		r = drv->wait(end, 100);
		if (r < 0)
			return r;
	}
}

static int netbench_compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static int netbench_trips(struct netbench_end *a, struct netbench_end *b, double seconds,
			  double *p50, double *p99)
{
	static double us[TRIPS_MAX];
	uint64_t start = netbench_now(), now, then;
	uint32_t n = 0, failures = 0;
	int r;

	do {
		then = netbench_now();
		r = netbench_send(a, 0, 1);
		if (r > 0 && b) {
			r = netbench_await(b, 1, then + 1000000000);
			if (r > 0)
				r = netbench_send(b, 1, 1);
		}
		if (r > 0)
			r = netbench_await(a, 0, then + 1000000000);
		now = netbench_now();
		if (r < 0)
			return r;
		/* A link that comes up loses the first ones. */
		if (!r && ++failures > 8)
			return -ETIMEDOUT;
		if (r && now - start > WARM_NS)
			us[n++] = (double)(now - then) / 1e3;
	} while (n < TRIPS_MAX && now - start < WARM_NS + (uint64_t)(seconds * 1e9));
	if (!n)
		return -ETIMEDOUT;
	qsort(us, n, sizeof(us[0]), netbench_compare);
	*p50 = us[n / 2];
	*p99 = us[(uint64_t)n * 99 / 100];
	return 0;
}

static pid_t netbench_fork(bool echo)
{
	pid_t parent = getpid(), child = fork();
	int r;

	if (child)
		return child;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	r = netbench_child(echo);
	if (r < 0)
		fprintf(stderr, "netbench: %s, receiver: %s\n", drv->name, strerror(-r));
	_exit(r < 0);
}

static int netbench_run(bool trips, double seconds)
{
	double fps = 0, bps = 0, p50 = 0, p99 = 0;
	struct netbench_end *a = NULL, *b = NULL;
	uint8_t mac[6] = { 2, 0, 0, 0, 0, 8 };
	uint64_t lost = 0, limit;
	pid_t child = -1;
	int r = 0;

	if (drv->prepare)
		r = drv->prepare(&job);
	if (r < 0)
		return r;
	if (job.together) {
		r = drv->open(&b, &job, 1);
		if (r < 0)
			return r;
		if (drv->mac)
			drv->mac(b, shared->mac);
		netbench_head(1, shared->mac, shared->mac);
	} else {
		child = netbench_fork(trips);
		if (child < 0)
			return -errno;
		limit = netbench_now() + LIMIT_MS * 1000000ULL;
		while (!GET(shared->ready)) {
			struct timespec ms = { 0, 1000000 };

			if (netbench_child_died(child))
				return -ECHILD;
			if (netbench_now() > limit) {
				r = -ETIMEDOUT;
				goto end_child;
			}
			nanosleep(&ms, NULL);
		}
	}
	r = drv->open(&a, &job, 0);
	if (r < 0)
		goto end_child;
	if (drv->mac)
		drv->mac(a, mac);
	netbench_head(0, shared->mac, mac);
	if (trips)
		r = netbench_trips(a, b, seconds, &p50, &p99);
	else
		r = netbench_rate(a, b, child, seconds, &fps, &bps, &lost);
	drv->close(a);
	if (b)
		drv->close(b);
	if (r >= 0)
		printf("{\"driver\":\"%s\",\"bytes\":%u,\"mpps\":%.4f,\"gbps\":%.4f,"
		       "\"lost\":%llu,\"p50_us\":%.2f,\"p99_us\":%.2f}\n",
		       drv->name, job.bytes, fps / 1e6, bps / 1e9, (unsigned long long)lost,
		       p50, p99);
	fflush(stdout);
end_child:
	if (child > 0) {
		SET(shared->stop, 1);
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	return r;
}

static void netbench_usage(FILE *f)
{
	size_t i;

	fputs("usage: netbench --driver D [--target A --peer B] [--test rate|trip]\n"
	      "                [--bytes 64-65000] [--wake poll|adaptive|sleep] [--together]\n"
	      "                [--seconds S]\n"
	      "drivers:", f);
	for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
		fprintf(f, " %s", drivers[i]->name);
	fputc('\n', f);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "driver", required_argument, NULL, 'd' },
		{ "target", required_argument, NULL, 't' },
		{ "peer", required_argument, NULL, 'p' },
		{ "test", required_argument, NULL, 'T' },
		{ "bytes", required_argument, NULL, 'b' },
		{ "wake", required_argument, NULL, 'w' },
		{ "together", no_argument, NULL, 'a' },
		{ "seconds", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	const char *test = "rate", *wake = "poll";
	double seconds = 1.0;
	size_t i;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
				if (!strcmp(drivers[i]->name, optarg))
					drv = drivers[i];
			break;
		case 't': job.target[0] = optarg; break;
		case 'p': job.target[1] = optarg; break;
		case 'T': test = optarg; break;
		case 'b': job.bytes = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'w': wake = optarg; break;
		case 'a': job.together = true; break;
		case 'S': seconds = strtod(optarg, NULL); break;
		case 'h': netbench_usage(stdout); return 0;
		default: netbench_usage(stderr); return 2;
		}
	}
	job.large = job.bytes > 1514;
	if (!job.together && drv && drv->together_only)
		job.together = true;
	job.wake = !strcmp(wake, "sleep") ? NETBENCH_SLEEP :
		   !strcmp(wake, "adaptive") ? NETBENCH_ADAPTIVE : NETBENCH_POLL;
	if (!drv || job.bytes < 64 || job.bytes > NETBENCH_LARGEST || seconds <= 0 ||
	    optind != argc) {
		netbench_usage(stderr);
		return 2;
	}
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED) {
		perror("netbench: shared memory");
		return 1;
	}
	memcpy(shared->mac, (const uint8_t[]){ 2, 0, 0, 0, 0, 9 }, 6);
	r = netbench_run(!strcmp(test, "trip"), seconds);
	if (r < 0) {
		fprintf(stderr, "netbench: %s, %s of %u bytes: %s\n", drv->name, test, job.bytes,
			strerror(-r));
		return 1;
	}
	return 0;
}
