/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/offload.h - frames whose checksum or segmentation was left to us
 *
 * A frame is a parsed head in private memory and a body, which may lie in a
 * window that its owner changes at any moment: it is only ever copied and
 * summed, nothing is decided from it.
 */
#ifndef MULLION_NET_OFFLOAD_H
#define MULLION_NET_OFFLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "packet.h"

/* Segments of one frame at most: what has less payload in each is refused. */
#define MULLION_OFFLOAD_GSO_SIZE_MIN	8
/* Of UDP: as many as kernels make of one frame.  Each may cost a system call. */
#define MULLION_OFFLOAD_DATAGRAMS_MAX	128

/**
 * struct mullion_offload - what is still to be done to a frame
 *
 * The members of struct mullion_net_entry (and of virtio's header) with these
 * names.
 */
struct mullion_offload {
	uint8_t flags;		/* MULLION_NET_NEEDS_CSUM, MULLION_NET_DATA_VALID */
	uint8_t gso_type;	/* MULLION_NET_GSO_*, without the ECN bit once checked */
	uint16_t hdr_len;	/* once checked: bytes of all headers of a GSO frame */
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
};

/**
 * struct mullion_frame - a frame on its way through the switch
 * @packet: its parsed head
 * @offload: checked
 * @body: what follows the head; not owned
 * @body_count: entries of @body; its lengths sum up to packet.bytes -
 *	packet.head_bytes at least
 */
struct mullion_frame {
	struct mullion_packet packet;
	struct mullion_offload offload;
	const struct iovec *body;
	size_t body_count;
};

/**
 * mullion_offload_check() - is that something that can be done to this frame?
 * @offload: as the peer sent it; made canonical: no ECN bit (CWR says it), no
 *	GSO for a frame that is one segment, hdr_len as parsed
 * @packet: the frame that it came with
 *
 * Return: 0; -EINVAL if the frame must be refused.
 */
int mullion_offload_check(struct mullion_offload *offload,
			  const struct mullion_packet *packet);

enum mullion_offload_work {
	MULLION_OFFLOAD_NONE,		/* mullion_frame_copy() */
	MULLION_OFFLOAD_CSUM,		/* mullion_frame_copy_csum() */
	MULLION_OFFLOAD_SEGMENT,	/* mullion_segments_begin() */
};

/**
 * mullion_offload_work() - what must be done to a frame for a receiver?
 * @offload: checked
 * @takes: MULLION_NET_RX_* bits of the receiver.  One that takes large frames
 *	but no incomplete checksums wants large frames with complete checksums,
 *	as the NAT does.
 */
enum mullion_offload_work mullion_offload_work(const struct mullion_offload *offload,
					       uint32_t takes);

/**
 * mullion_offload_segments() - how many frames it becomes: 1 if no GSO
 *
 * To be charged to the sender's budget.
 */
uint32_t mullion_offload_segments(const struct mullion_frame *frame);

/**
 * mullion_offload_wire_bytes() - bytes of the largest frame it becomes
 *
 * Compared with an MTU after packet.l3 is subtracted.
 */
uint32_t mullion_offload_wire_bytes(const struct mullion_frame *frame);

/**
 * mullion_offload_gso_type() - what a receiver of the frame as it is must be told
 *
 * Return: the GSO type with the ECN bit where CWR is set.
 */
uint8_t mullion_offload_gso_type(const struct mullion_frame *frame);

/**
 * mullion_frame_retag() - mullion_packet_retag(), with body and offload
 */
void mullion_frame_retag(struct mullion_frame *out, const struct mullion_frame *in,
			 uint16_t vlan, uint8_t *head);

/**
 * mullion_frame_copy() - the frame as it is
 * @iov: where to; lengths sum up to packet.bytes at least, or the rest of the
 *	frame is left out
 * @count: entries of @iov
 *
 * Return: bytes written.
 */
size_t mullion_frame_copy(const struct mullion_frame *frame, const struct iovec *iov,
			  size_t count);

/**
 * mullion_frame_copy_csum() - the frame with its checksum completed, if it
 * needs one; otherwise as mullion_frame_copy()
 *
 * The checksum is that of the whole frame even if @iov is too short for it.
 */
size_t mullion_frame_copy_csum(const struct mullion_frame *frame,
			       const struct iovec *iov, size_t count);

/**
 * struct mullion_segments - place in a GSO frame
 * @frame: it; not owned
 * @bytes: of the next segment, all headers included; 0: there is none
 *
 * The rest is offload.c's.
 */
struct mullion_segments {
	const struct mullion_frame *frame;
	uint32_t bytes;
	uint32_t done;		/* payload bytes cut off already */
	uint32_t total;		/* payload bytes */
	uint32_t number;	/* of the next segment */
	size_t body_index;	/* where the next segment's body begins */
	size_t body_offset;
};

/**
 * mullion_segments_begin() - cut a GSO frame
 * @frame: with a checked offload; stays as it is until the last segment
 */
void mullion_segments_begin(struct mullion_segments *segments,
			    const struct mullion_frame *frame);

/**
 * mullion_segments_copy() - write the next segment, all checksums complete
 * @iov: where to; lengths sum up to @segments->bytes at least
 *
 * Call while @segments->bytes is not 0.
 *
 * Return: bytes written.
 */
size_t mullion_segments_copy(struct mullion_segments *segments,
			     const struct iovec *iov, size_t count);

/**
 * mullion_segments_skip() - leave the next segment out: no room for it
 */
void mullion_segments_skip(struct mullion_segments *segments);

#endif /* MULLION_NET_OFFLOAD_H */
