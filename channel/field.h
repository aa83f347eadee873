/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/field.h - aligned pointers to fields of packed shared structures
 *
 * The wire structures are packed, so the compiler must assume that a field is
 * unaligned, and an atomic access to it would become a library call.  These
 * fields are aligned wherever the structure itself is; checked when compiled.
 */
#ifndef MULLION_CHANNEL_FIELD_H
#define MULLION_CHANNEL_FIELD_H

#include "../abi/types.h"

#define MULLION_FIELD_POINTER(base, type, field, word)			\
	((word *)(void *)((__u8 *)(base) + offsetof(type, field) +	\
		0 * sizeof(struct { _Static_assert(			\
			!(offsetof(type, field) % sizeof(word)) &&	\
			sizeof(((type *)0)->field) == sizeof(word),	\
			"field is aligned"); int dummy; })))

/* Fields of struct mullion_channel_ext, window info and channel headers. */
#define mullion_ext_u64(ext, field) \
	MULLION_FIELD_POINTER(ext, struct mullion_channel_ext, field, __u64)
#define mullion_ext_u32(ext, field) \
	MULLION_FIELD_POINTER(ext, struct mullion_channel_ext, field, __u32)

#endif /* MULLION_CHANNEL_FIELD_H */
