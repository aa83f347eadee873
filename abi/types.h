/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * abi/types.h - the few types that every wire format is built from
 *
 * All integers on the wire are little-endian and all structures are packed;
 * padding is spelled out.  The formats are those of x86-64 guests, so the
 * host's own integers are used as they are and a big-endian build is refused
 * here, once, rather than swapped in a thousand places.
 *
 * Nothing in abi/ holds a pointer, an enum or a bit-field.  Fields of packed
 * structures may be unaligned: read them by name, never through their address.
 */
#ifndef MULLION_ABI_TYPES_H
#define MULLION_ABI_TYPES_H

#ifdef __KERNEL__

#include <linux/types.h>
#include <linux/stddef.h>
#include <linux/uuid.h>
#include <linux/build_bug.h>

#define MULLION_PACKED __packed

#else

#include <stddef.h>
#include <linux/types.h>

#define MULLION_PACKED __attribute__((packed))

/**
 * typedef guid_t - 16 bytes, mixed-endian as Microsoft and EFI store them
 * @b: the bytes in storage order
 *
 * Source: s-Par channel ABI, "Terms and basic encodings".
 */
typedef struct {
	__u8 b[16];
} guid_t;

#define GUID_INIT(a, b, c, d0, d1, d2, d3, d4, d5, d6, d7)		\
	((guid_t){{ (a) & 0xff, ((a) >> 8) & 0xff, ((a) >> 16) & 0xff,	\
		    ((a) >> 24) & 0xff, (b) & 0xff, ((b) >> 8) & 0xff,	\
		    (c) & 0xff, ((c) >> 8) & 0xff,			\
		    (d0), (d1), (d2), (d3), (d4), (d5), (d6), (d7) }})

#endif /* __KERNEL__ */

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	       "the wire formats are used in place: little-endian hosts only");

/* Size and offset of a wire structure, checked wherever the header is used. */
#define MULLION_ABI_SIZE(type, bytes) \
	_Static_assert(sizeof(type) == (bytes), "size of " #type)
#define MULLION_ABI_OFFSET(type, field, bytes) \
	_Static_assert(offsetof(type, field) == (bytes), \
		       "offset of " #type "." #field)

#endif /* MULLION_ABI_TYPES_H */
