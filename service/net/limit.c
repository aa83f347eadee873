// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/limit.c - so much a second, with bursts
 */
#include "limit.h"

#define LIMIT_SECOND	1000000000ULL
/* Far from where sums overflow. */
#define LIMIT_MAX	(INT64_MAX / 4)

static uint64_t limit_clamp(uint64_t value)
{
	return value < LIMIT_MAX ? value : LIMIT_MAX;
}

static void limit_fill(struct mullion_limit *limit, uint64_t now)
{
	uint64_t room = limit->burst - (uint64_t)limit->tokens;
	unsigned __int128 flow;

	/* a clock that went backwards fills nothing */
	if (now <= limit->filled)
		return;
	flow = (unsigned __int128)(now - limit->filled) * limit->rate + limit->part;
	limit->filled = now;
	if (flow / LIMIT_SECOND >= room) {
		limit->tokens = (int64_t)limit->burst;
		limit->part = 0;
		return;
	}
	limit->tokens += (int64_t)(flow / LIMIT_SECOND);
	limit->part = (uint64_t)(flow % LIMIT_SECOND);
}

void mullion_limit_set(struct mullion_limit *limit, uint64_t rate, uint64_t burst,
		       uint64_t now)
{
	uint64_t old = limit->rate;

	rate = limit_clamp(rate);
	burst = limit_clamp(burst);
	if (!burst)
		burst = rate / 10 ? rate / 10 : 1;
	if (old)
		limit_fill(limit, now);
	limit->rate = rate;
	limit->burst = burst;
	if (!old) {
		limit->tokens = (int64_t)burst;
		limit->filled = now;
	} else if (limit->tokens > (int64_t)burst) {
		limit->tokens = (int64_t)burst;
	}
}

bool mullion_limit_take(struct mullion_limit *limit, uint64_t amount, uint64_t now)
{
	if (!limit->rate)
		return true;
	limit_fill(limit, now);
	if (limit->tokens <= 0)
		return false;
	limit->tokens -= (int64_t)limit_clamp(amount);
	return true;
}
