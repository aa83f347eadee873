/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/limit.h - so much a second, with bursts
 */
#ifndef MULLION_NET_LIMIT_H
#define MULLION_NET_LIMIT_H

#include <stdbool.h>
#include <stdint.h>

/**
 * struct mullion_limit - a bucket of tokens; all zero: unlimited
 * @rate: tokens a second that flow in; 0: unlimited
 * @burst: tokens that it holds
 * @tokens: what is in it, negative after something larger than what was there
 * @part: of a token that has flowed in, in 1/1000000000
 * @filled: nanoseconds, monotonic: up to when @tokens has been counted
 */
struct mullion_limit {
	uint64_t rate;
	uint64_t burst;
	int64_t tokens;
	uint64_t part;
	uint64_t filled;
};

/**
 * mullion_limit_set() - begin, full, or change; a change adds no tokens
 * @rate: tokens a second; 0: unlimited
 * @burst: tokens; 0: as much as flows in in a tenth of a second
 * @now: nanoseconds, monotonic
 */
void mullion_limit_set(struct mullion_limit *limit, uint64_t rate, uint64_t burst,
		       uint64_t now);

/**
 * mullion_limit_take() - may this pass?
 * @amount: tokens it costs
 *
 * Anything passes while there is a token at all, and what it costs beyond is
 * owed: so a frame larger than the burst is late, not lost for ever, and the
 * rate holds in the long run.
 */
bool mullion_limit_take(struct mullion_limit *limit, uint64_t amount, uint64_t now);

#endif /* MULLION_NET_LIMIT_H */
