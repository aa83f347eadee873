/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/range.h - the range checks for numbers that a peer chose
 *
 * They compare by subtraction, so no value can wrap.
 */
#ifndef MULLION_CHANNEL_RANGE_H
#define MULLION_CHANNEL_RANGE_H

#include "../abi/types.h"

/**
 * mullion_range_ok() - do @len bytes at @off lie within @size bytes?
 * @off: offset, any value
 * @len: length in bytes, any value; 0 fits wherever @off does
 * @size: bytes of the area
 *
 * Context: any.
 * Return: nonzero if they do.
 */
static inline int mullion_range_ok(__u64 off, __u64 len, __u64 size)
{
	return len <= size && off <= size - len;
}

/**
 * mullion_ranges_overlap() - do two ranges share a byte?
 * @a: where one begins, any value
 * @a_len: its length in bytes, any value; an empty range shares nothing
 * @b: where the other begins
 * @b_len: its length
 *
 * Context: any.
 * Return: nonzero if they do.
 */
static inline int mullion_ranges_overlap(__u64 a, __u64 a_len, __u64 b, __u64 b_len)
{
	if (!a_len || !b_len)
		return 0;
	return a <= b ? b - a < a_len : a - b < b_len;
}

#endif /* MULLION_CHANNEL_RANGE_H */
