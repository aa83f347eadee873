/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/range.h - the one range check for numbers that a peer chose
 *
 * Compares by subtraction, so no value of @off or @len can wrap.
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

#endif /* MULLION_CHANNEL_RANGE_H */
