// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/spin.c - how long to look before sleeping
 */
#include "spin.h"

#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SPIN_SCORE_MAX		8
#define SPIN_BACKOFF_MAX	8

uint64_t mullion_spin_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000ULL + (uint64_t)ts.tv_nsec;
}

void mullion_spin_init(struct mullion_spin *spin)
{
	const char *mode = getenv("MULLION_WAKE");
	cpu_set_t cpus;

	memset(spin, 0, sizeof(*spin));
	spin->score = 1;
	if (mode && !strcmp(mode, "poll"))
		spin->mode = MULLION_WAKE_POLL;
	else if (mode && !strcmp(mode, "sleep"))
		spin->mode = MULLION_WAKE_SLEEP;
	else if (!sched_getaffinity(0, sizeof(cpus), &cpus) &&
		 CPU_COUNT(&cpus) == 1)
		spin->mode = MULLION_WAKE_SLEEP;
	else
		spin->mode = MULLION_WAKE_ADAPTIVE;
}

uint64_t mullion_spin_budget(struct mullion_spin *spin)
{
	if (spin->mode == MULLION_WAKE_POLL)
		return UINT64_MAX;
	if (spin->mode == MULLION_WAKE_SLEEP)
		return 0;
	if (spin->score || !spin->skip)
		return MULLION_SPIN_NS;
	spin->skip--;
	return 0;
}

void mullion_spin_learn(struct mullion_spin *spin, bool found)
{
	if (found) {
		if (spin->score < SPIN_SCORE_MAX)
			spin->score++;
		spin->backoff = 0;
		return;
	}
	if (spin->score && --spin->score)
		return;
	if (spin->backoff < SPIN_BACKOFF_MAX)
		spin->backoff++;
	spin->skip = 1U << spin->backoff;
}
