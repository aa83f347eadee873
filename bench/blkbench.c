// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/blkbench.c - requests per second through one of several ways to a disk
 *
 * The loop keeps `qd` requests in flight for a fixed time and prints one line
 * of JSON: rate, median and 99th percentile of the latency, CPU time of this
 * process.  Every way goes through the same loop, so that ratios mean
 * something.  bench/run interleaves the ways and takes medians.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "blkbench.h"

#define QD_MAX 256
#define HIST_BITS 5
#define HIST_BUCKETS ((64 - HIST_BITS) << HIST_BITS)

static const struct bench_driver *const drivers[] = {
	&bench_uring, &bench_psync, &bench_nbd, &bench_mullion,
#ifdef HAVE_BLKIO
	&bench_blkio,
#endif
};

static uint64_t histogram[HIST_BUCKETS];

static uint64_t blkbench_now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Logarithmic buckets with 32 steps per power of two: 3 % resolution. */
static unsigned int blkbench_bucket(uint64_t ns)
{
	unsigned int exp;

	if (ns < (1u << HIST_BITS))
		return (unsigned int)ns;
	exp = 63 - (unsigned int)__builtin_clzll(ns);
	return ((exp - HIST_BITS + 1) << HIST_BITS) +
	       (unsigned int)((ns >> (exp - HIST_BITS)) & ((1u << HIST_BITS) - 1));
}

static uint64_t blkbench_value(unsigned int bucket)
{
	unsigned int exp = bucket >> HIST_BITS;
	uint64_t low = bucket & ((1u << HIST_BITS) - 1);

	return exp ? (low + (1u << HIST_BITS)) << (exp - 1) : low;
}

static uint64_t blkbench_percentile(uint64_t total, double p)
{
	uint64_t seen = 0;
	unsigned int i;

	for (i = 0; i < HIST_BUCKETS; i++) {
		seen += histogram[i];
		if ((double)seen >= p * (double)total)
			return blkbench_value(i);
	}
	return 0;
}

static uint64_t blkbench_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static int blkbench_loop(const struct bench_driver *drv,
			 const struct bench_job *job, bool random, double seconds,
			 uint64_t *ret_count, uint64_t *ret_ns)
{
	static uint64_t begun[QD_MAX];
	uint32_t tags[QD_MAX];
	uint64_t blocks = job->size / job->bs;
	uint64_t seed = 88172645463325252u, position = 0;
	uint64_t start, end, now, count = 0;
	uint32_t i, in_flight = 0;
	bool stop = false;
	int r;

	start = now = blkbench_now();
	end = start + (uint64_t)(seconds * 1e9);
	for (i = 0; i < job->qd; i++)
		tags[i] = i;
	r = (int)job->qd;
	for (;;) {
		for (i = 0; !stop && i < (uint32_t)r; i++) {
			uint64_t block = random ? blkbench_random(&seed) % blocks :
						  position++ % blocks;
			int e = drv->submit(tags[i], block * job->bs);

			if (e < 0)
				return e;
			begun[tags[i]] = now;
			in_flight++;
		}
		if (!in_flight)
			break;
		r = drv->commit();
		if (r < 0)
			return r;
		r = drv->reap(tags, QD_MAX);
		if (r < 0)
			return r;
		now = blkbench_now();
		for (i = 0; i < (uint32_t)r; i++)
			histogram[blkbench_bucket(now - begun[tags[i]])]++;
		in_flight -= (uint32_t)r;
		count += (uint64_t)r;
		stop = now >= end;
	}
	*ret_count = count;
	*ret_ns = now - start;
	return 0;
}

static void blkbench_usage(FILE *f)
{
	size_t i;

	fputs("usage: blkbench --driver D --target T --size BYTES [--bs BYTES] [--qd N]\n"
	      "                [--rw randread|randwrite|read|write] [--wake poll|adaptive|sleep]\n"
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
		{ "size", required_argument, NULL, 's' },
		{ "bs", required_argument, NULL, 'b' },
		{ "qd", required_argument, NULL, 'q' },
		{ "rw", required_argument, NULL, 'r' },
		{ "wake", required_argument, NULL, 'w' },
		{ "seconds", required_argument, NULL, 'S' },
		{ "help", no_argument, NULL, 'h' },
		{ NULL, 0, NULL, 0 }
	};
	struct bench_job job = { .bs = 4096, .qd = 1, .wake = BENCH_POLL };
	const struct bench_driver *drv = NULL;
	const char *rw = "randread", *wake = "poll";
	uint64_t count = 0, ns = 0;
	double seconds = 1.0;
	struct rusage ru;
	size_t i;
	int c, r;

	while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (c) {
		case 'd':
			for (i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++)
				if (!strcmp(drivers[i]->name, optarg))
					drv = drivers[i];
			break;
		case 't': job.target = optarg; break;
		case 's': job.size = strtoull(optarg, NULL, 0); break;
		case 'b': job.bs = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'q': job.qd = (uint32_t)strtoul(optarg, NULL, 0); break;
		case 'r': rw = optarg; break;
		case 'w': wake = optarg; break;
		case 'S': seconds = strtod(optarg, NULL); break;
		case 'h': blkbench_usage(stdout); return 0;
		default: blkbench_usage(stderr); return 2;
		}
	}
	job.write = strstr(rw, "write") != NULL;
	job.wake = !strcmp(wake, "sleep") ? BENCH_SLEEP :
		   !strcmp(wake, "adaptive") ? BENCH_ADAPTIVE : BENCH_POLL;
	if (!drv || !job.target || job.bs == 0 || job.size < job.bs ||
	    job.qd == 0 || job.qd > QD_MAX || seconds <= 0) {
		blkbench_usage(stderr);
		return 2;
	}
	r = drv->open(&job);
	if (r < 0) {
		fprintf(stderr, "blkbench: open %s %s: %s\n", drv->name, job.target,
			strerror(-r));
		return 1;
	}
	for (i = 0; i < job.qd; i++)
		memset(drv->buffer((uint32_t)i), 0x5a, job.bs);
	r = blkbench_loop(drv, &job, !strncmp(rw, "rand", 4), seconds, &count, &ns);
	drv->close();
	if (r < 0) {
		fprintf(stderr, "blkbench: %s %s: %s\n", drv->name, job.target,
			strerror(-r));
		return 1;
	}
	getrusage(RUSAGE_SELF, &ru);
	printf("{\"driver\":\"%s\",\"rw\":\"%s\",\"bs\":%u,\"qd\":%u,\"wake\":\"%s\","
	       "\"count\":%llu,\"iops\":%.0f,\"mbps\":%.1f,\"p50_us\":%.2f,\"p99_us\":%.2f,"
	       "\"voluntary_switches\":%ld}\n",
	       drv->name, rw, job.bs, job.qd, wake, (unsigned long long)count,
	       (double)count * 1e9 / (double)ns,
	       (double)count * job.bs * 1e3 / (double)ns,
	       (double)blkbench_percentile(count, 0.5) / 1e3,
	       (double)blkbench_percentile(count, 0.99) / 1e3, ru.ru_nvcsw);
	return 0;
}
