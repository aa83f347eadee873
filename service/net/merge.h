/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/merge.h - segments of a TCP flow that came together, as one frame
 */
#ifndef MULLION_NET_MERGE_H
#define MULLION_NET_MERGE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "offload.h"

/* Segments of a frame at most. */
#define MULLION_MERGE_MAX	64

/**
 * struct mullion_merge - a frame under way; all zero to begin
 * @count: segments in it; 0: it is empty
 *
 * The rest is merge.c's.
 */
struct mullion_merge {
	uint32_t count;
	uint32_t next;		/* sequence number that goes on here */
	uint32_t payload;	/* bytes of data so far */
	uint16_t size;		/* data bytes of each segment but the last */
	bool closed;
	bool verified;		/* the first segment's checksums are right */
	struct mullion_packet packet;	/* the first segment */
	struct mullion_frame frame;
	struct iovec body[MULLION_MERGE_MAX];
	uint8_t head[MULLION_PACKET_HEAD_MAX];
};

/**
 * mullion_merge_add() - does the frame go on where this one ends?
 * @packet: parsed, with complete checksums; its body follows its head in memory,
 *	which is private, and stays there until the merged frame is done with
 *
 * Anything may be the first.  What has a wrong checksum stays alone, so that who
 * gets it sees that.
 *
 * Return: true: it is in; false: take the frame out first.
 */
bool mullion_merge_add(struct mullion_merge *merge, const struct mullion_packet *packet);

/**
 * mullion_merge_take() - the frame; @merge is empty afterwards
 *
 * Cut again, it is the segments that went in, but for the identification of
 * IPv4 packets, which counts on from the first.
 *
 * Return: the frame, checked, good until the next call; NULL if there is none.
 */
const struct mullion_frame *mullion_merge_take(struct mullion_merge *merge);

#endif /* MULLION_NET_MERGE_H */
