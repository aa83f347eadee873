// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tap/pump.c - frames between a NIC and a TAP interface
 *
 * DOC: Theory of Operation
 *
 * The kernel's virtio_net_hdr and the entries of the NIC say the same with the
 * same numbers, so an offload goes through as it came.
 *
 * In: a frame is read straight into as many transmit buffers as the largest would
 * need; those that it did not fill are for the next one.  A frame for which the
 * ring has no room stays where it is (pump->whole) and goes first next time: it
 * is the interface's queue that fills then.  Out: the
 * pieces of a frame are written with one call, and returned whatever came of it.
 *
 * PUMP_BATCH frames are moved before the other direction has its turn.
 *
 * Failure behaviour: a frame that the switch or the kernel refuses is dropped and
 * counted (out_refused).  An interface that is down takes nothing and stays; a
 * descriptor that cannot be read any more is -EBADFD, and ends the program.
 */
#include "pump.h"

#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/uio.h>

/* Frames moved before the other direction has its turn. */
#define PUMP_BATCH	64

_Static_assert(sizeof(struct virtio_net_hdr) == MULLION_TAP_HEADER_BYTES,
	       "the header of the interface");

/* Enough for the largest frame? */
static bool pump_fill(struct mullion_pump *pump)
{
	struct mullion_net_info info;
	unsigned int want;

	mullion_net_info(pump->nic, &info);
	want = (MULLION_NET_FRAME_MAX + info.buffer_bytes - 1) / info.buffer_bytes;
	if (pump->pieces < want)
		pump->pieces += mullion_net_alloc(pump->nic, pump->piece + pump->pieces,
						  want - pump->pieces);
	return pump->pieces >= want;
}

static void pump_describe(struct mullion_net_piece *first,
			  const struct virtio_net_hdr *header)
{
	first->flags |= header->flags &
			(MULLION_NET_NEEDS_CSUM | MULLION_NET_DATA_VALID);
	first->gso_type = header->gso_type;
	first->hdr_len = header->hdr_len;
	first->gso_size = header->gso_size;
	first->csum_start = header->csum_start;
	first->csum_offset = header->csum_offset;
}

/* Read a frame into the first pieces: how many, 0 if there is none. */
static int pump_read(struct mullion_pump *pump)
{
	struct iovec iov[PUMP_PIECES + 1];
	struct virtio_net_hdr header;
	unsigned int used = 0;
	ssize_t n;

	iov[0].iov_base = &header;
	iov[0].iov_len = sizeof(header);
	for (unsigned int i = 0; i < pump->pieces; i++) {
		iov[i + 1].iov_base = pump->piece[i].data;
		iov[i + 1].iov_len = pump->piece[i].bytes;
	}
	n = readv(pump->tap->fd, iov, (int)pump->pieces + 1);
	if (n < 0)
		return errno == EAGAIN || errno == EINTR || errno == EIO ? 0 : -EBADFD;
	if (n <= (ssize_t)sizeof(header))
		return -EBADFD;
	n -= (ssize_t)sizeof(header);
	for (; n > 0; used++) {
		struct mullion_net_piece *piece = &pump->piece[used];

		if ((size_t)n < piece->bytes)
			piece->bytes = (uint32_t)n;
		n -= (ssize_t)piece->bytes;
		piece->flags = n > 0 ? MULLION_NET_MORE : 0;
	}
	pump_describe(pump->piece, &header);
	return (int)used;
}

int mullion_pump_in(struct mullion_pump *pump)
{
	int moved = 0, ret = 0;

	while (moved < PUMP_BATCH) {
		if (!pump->whole) {
			if (!pump->readable || !pump_fill(pump))
				break;
			ret = pump_read(pump);
			if (ret < 0)
				return ret;
			if (!ret) {
				pump->readable = false;
				break;
			}
			pump->whole = (unsigned int)ret;
		}
		ret = mullion_net_send(pump->nic, 0, pump->piece, pump->whole);
		if (!ret)
			break;
		/* One that makes no sense is the kernel's to explain. */
		if (ret == -EINVAL)
			mullion_net_return(pump->nic, pump->piece, pump->whole);
		else if (ret < 0)
			return ret;
		pump->pieces -= pump->whole;
		memmove(pump->piece, pump->piece + pump->whole,
			pump->pieces * sizeof(pump->piece[0]));
		pump->whole = 0;
		moved++;
	}
	if (moved)
		mullion_net_kick(pump->nic);
	return moved;
}

/* One frame: returns its pieces. */
static unsigned int pump_write(struct mullion_pump *pump,
			       const struct mullion_net_piece *pieces)
{
	struct virtio_net_hdr header = {
		.flags = pieces->flags &
			 (MULLION_NET_NEEDS_CSUM | MULLION_NET_DATA_VALID),
		.gso_type = pieces->gso_type,
		.hdr_len = pieces->hdr_len,
		.gso_size = pieces->gso_size,
		.csum_start = pieces->csum_start,
		.csum_offset = pieces->csum_offset,
	};
	struct iovec iov[MULLION_NET_CHAIN_MAX + 1];
	unsigned int count = 0;
	uint32_t bytes = 0;

	do {
		iov[count + 1].iov_base = pieces[count].data;
		iov[count + 1].iov_len = pieces[count].bytes;
		bytes += pieces[count].bytes;
	} while (pieces[count++].flags & MULLION_NET_MORE);
	/* A hint of another guest's that would have the frame refused. */
	if (header.hdr_len > bytes)
		header.hdr_len = (uint16_t)bytes;
	iov[0].iov_base = &header;
	iov[0].iov_len = sizeof(header);
	if (writev(pump->tap->fd, iov, (int)count + 1) < 0)
		pump->out_refused++;
	return count;
}

int mullion_pump_out(struct mullion_pump *pump)
{
	struct mullion_net_piece pieces[PUMP_BATCH + MULLION_NET_CHAIN_MAX];
	unsigned int done = 0;
	int count;

	count = mullion_net_recv(pump->nic, pieces, sizeof(pieces) / sizeof(pieces[0]));
	if (count <= 0)
		return count;
	while (done < (unsigned int)count)
		done += pump_write(pump, pieces + done);
	mullion_net_return(pump->nic, pieces, done);
	return count;
}
