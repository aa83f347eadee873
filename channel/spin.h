/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/spin.h - how long to look before sleeping (user space)
 *
 * A wake-up costs thousands of times more than a message, so a consumer looks
 * for a while before it sleeps.  Whether that pays is learnt: looking that
 * found something is repeated, looking that did not is given up, and tried
 * again ever more rarely.  So a peer on the same CPU, which can never answer
 * while we look, costs one budget in some hundred sleeps.
 */
#ifndef MULLION_CHANNEL_SPIN_H
#define MULLION_CHANNEL_SPIN_H

#include <stdbool.h>
#include <stdint.h>

#include "wake.h"

#define MULLION_SPIN_NS		50000ULL	/* most that one look takes */

/**
 * struct mullion_spin - what was learnt
 * @mode: how to wait
 * @score: recent successes, 0 to 8; above 0 every sleep is preceded by a look
 * @skip: sleeps until the next trial when @score is 0
 * @backoff: log2 of the sleeps between trials
 */
struct mullion_spin {
	enum mullion_wake mode;
	unsigned int score;
	unsigned int skip;
	unsigned int backoff;
};

/**
 * mullion_spin_init() - mode from MULLION_WAKE=poll|adaptive|sleep
 *
 * Without the variable: adaptive; sleep where the process has one CPU only.
 */
void mullion_spin_init(struct mullion_spin *spin);

/**
 * mullion_spin_budget() - nanoseconds to look before this sleep
 *
 * Return: 0: sleep now; UINT64_MAX: never sleep.
 */
uint64_t mullion_spin_budget(struct mullion_spin *spin);

/**
 * mullion_spin_learn() - what came of a look with a budget above 0
 */
void mullion_spin_learn(struct mullion_spin *spin, bool found);

/**
 * mullion_spin_now() - nanoseconds, CLOCK_MONOTONIC
 */
uint64_t mullion_spin_now(void);

static inline void mullion_spin_relax(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#else
	__asm__ volatile("" ::: "memory");
#endif
}

#endif /* MULLION_CHANNEL_SPIN_H */
