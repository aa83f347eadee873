// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/uplink.c - the network's way out: a descriptor
 *
 * DOC: Theory of Operation
 *
 * Out.  A TAP takes checksums and large TCP frames as they are, so a frame goes
 * to it directly from where it lies, behind a virtio header.  (UDP segments are
 * cut here: kernels before 6.2 do not know them.)  For sockets, frames are
 * collected in a ring of 2 MiB in the form that streams want, a length and the
 * frame, and handed over at the end of the turn: many in one system call.  What
 * the other side does not take waits in the ring; when that is full, frames are
 * dropped and counted.  So an uplink that is slow blocks nobody.
 *
 * In.  Frames come into private memory, in batches where the kernel can, and are
 * parsed and checked as those of guests are: what passes here is as well formed.
 * Segments of a TCP flow that come in one batch go on as one frame (merge.h).
 * Of a stream no more is read at once than two large frames, since its other side
 * decides how many small ones that is.
 *
 * An uplink that ends, or a stream that has lost its frame borders, is gone: the
 * state says so, and frames are dropped until mulliond sends another descriptor.
 * A TAP that is only down drops what it gets and stays.
 */
#include "uplink.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "byte_ring.h"
#include "merge.h"

#define UPLINK_RING_BYTES	(2U << 20)
#define UPLINK_MTU_MAX		65535
#define UPLINK_LENGTH_BYTES	4
#define UPLINK_OUT_BATCH	64
#define UPLINK_IN_BATCH		MULLION_MERGE_MAX
/* Of the largest frame, and whole cache lines. */
#define UPLINK_SLOT_BYTES	65600
#define UPLINK_IN_BYTES		(UPLINK_IN_BATCH * UPLINK_SLOT_BYTES)
/* Of a stream at once: how many frames that is, its other side decides. */
#define UPLINK_STREAM_BYTES	(2 * UPLINK_SLOT_BYTES)

/* What is before each frame of a TAP; virtio's header with num_buffers. */
struct uplink_tap_header {
	uint8_t flags;
	uint8_t gso_type;
	uint16_t hdr_len;
	uint16_t gso_size;
	uint16_t csum_start;
	uint16_t csum_offset;
	uint16_t num_buffers;
};

_Static_assert(sizeof(struct uplink_tap_header) == 12, "the header has 12 bytes");

struct mullion_uplink {
	uint32_t type;
	uint32_t mtu;
	uint32_t takes;		/* MULLION_NET_RX_* */
	int fd;
	bool up;
	struct mullion_net_uplink_counters *counters;
	struct mullion_byte_ring ring;	/* out: lengths and frames */
	uint8_t *in;
	size_t in_bytes;	/* STREAM: of a frame that is not complete */
	struct mullion_merge merge;
};

static void uplink_gone(struct mullion_uplink *uplink)
{
	uplink->up = false;
	uplink->counters->state = MULLION_UPLINK_STATE_GONE;
	uplink->ring.head = uplink->ring.tail;
}

static int uplink_check(uint32_t type, int fd, uint32_t mtu)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) || mtu < MULLION_NET_MTU_MIN || mtu > UPLINK_MTU_MAX ||
	    (type != MULLION_UPLINK_TAP && type != MULLION_UPLINK_PACKET &&
	     type != MULLION_UPLINK_STREAM))
		return -EINVAL;
	return 0;
}

int mullion_uplink_new(uint32_t type, int fd, uint32_t mtu, bool large,
		       struct mullion_net_uplink_counters *counters,
		       struct mullion_uplink **ret)
{
	struct mullion_uplink *uplink = NULL;
	int error = uplink_check(type, fd, mtu);

	if (error < 0)
		goto fail;
	error = -ENOMEM;
	uplink = calloc(1, sizeof(*uplink));
	if (!uplink)
		goto fail;
	uplink->in = malloc(UPLINK_IN_BYTES);
	if (!uplink->in)
		goto fail;
	error = mullion_byte_ring_init(&uplink->ring, UPLINK_RING_BYTES);
	if (error < 0)
		goto fail;
	uplink->type = type;
	uplink->mtu = mtu;
	uplink->fd = fd;
	uplink->counters = counters;
	uplink->up = true;
	if (type == MULLION_UPLINK_TAP)
		uplink->takes = MULLION_NET_RX_CSUM | MULLION_NET_RX_TSO4 |
				MULLION_NET_RX_TSO6;
	else if (large)
		uplink->takes = MULLION_NET_RX_TSO4 | MULLION_NET_RX_TSO6;
	counters->state = MULLION_UPLINK_STATE_UP;
	*ret = uplink;
	return 0;

fail:
	if (uplink)
		free(uplink->in);
	free(uplink);
	close(fd);
	return error;
}

void mullion_uplink_free(struct mullion_uplink *uplink)
{
	if (!uplink)
		return;
	uplink->counters->state = MULLION_UPLINK_STATE_NONE;
	close(uplink->fd);
	mullion_byte_ring_done(&uplink->ring);
	free(uplink->in);
	free(uplink);
}

int mullion_uplink_fd(const struct mullion_uplink *uplink)
{
	return uplink->fd;
}

bool mullion_uplink_is_up(const struct mullion_uplink *uplink)
{
	return uplink->up;
}

/* ---- out ----------------------------------------------------------------- */

static void uplink_count_out(struct mullion_uplink *uplink, uint32_t bytes)
{
	uplink->counters->out_frames++;
	uplink->counters->out_bytes += bytes;
}

/* One write, one frame; its kernel never takes a part. */
static void uplink_tap_write(struct mullion_uplink *uplink, const struct iovec *iov,
			     size_t count, uint32_t bytes)
{
	ssize_t n;

	do
		n = writev(uplink->fd, iov, (int)count);
	while (n < 0 && errno == EINTR);
	if (n >= 0) {
		uplink_count_out(uplink, bytes);
		return;
	}
	uplink->counters->out_dropped++;
	if (errno == EBADFD || errno == ENODEV)
		uplink_gone(uplink);
}

static void uplink_tap_frame(struct mullion_uplink *uplink,
			     const struct mullion_frame *frame)
{
	const struct mullion_offload *offload = &frame->offload;
	struct uplink_tap_header header = {
		.flags = offload->flags,
		.gso_type = mullion_offload_gso_type(frame),
		.hdr_len = offload->hdr_len,
		.gso_size = offload->gso_size,
		.csum_start = offload->csum_start,
		.csum_offset = offload->csum_offset,
	};
	struct iovec iov[MAX_PHYS_INFO + 3];
	size_t left = frame->packet.bytes - frame->packet.head_bytes;
	size_t count = 2;

	iov[0] = (struct iovec){ &header, sizeof(header) };
	iov[1] = (struct iovec){ (void *)frame->packet.head, frame->packet.head_bytes };
	for (size_t i = 0; i < frame->body_count && left; i++) {
		if (count == sizeof(iov) / sizeof(iov[0])) {
			uplink->counters->out_dropped++;
			return;
		}
		iov[count] = frame->body[i];
		if (iov[count].iov_len > left)
			iov[count].iov_len = left;
		left -= iov[count].iov_len;
		count++;
	}
	uplink_tap_write(uplink, iov, count, frame->packet.bytes);
}

static void uplink_tap_segments(struct mullion_uplink *uplink,
				const struct mullion_frame *frame)
{
	uint8_t buffer[MULLION_PACKET_HEAD_ROOM + UPLINK_MTU_MAX];
	struct uplink_tap_header header = { 0 };
	struct mullion_segments segments;

	for (mullion_segments_begin(&segments, frame); segments.bytes && uplink->up;) {
		struct iovec data = { buffer, segments.bytes };
		struct iovec iov[2] = { { &header, sizeof(header) }, data };

		mullion_segments_copy(&segments, &data, 1);
		uplink_tap_write(uplink, iov, 2, (uint32_t)data.iov_len);
	}
}

/* Messages as far as the socket takes them. */
static int uplink_send_messages(struct mullion_uplink *uplink)
{
	struct mullion_byte_ring *ring = &uplink->ring;

	while (mullion_byte_ring_used(ring)) {
		struct mmsghdr messages[UPLINK_OUT_BATCH];
		struct iovec iov[UPLINK_OUT_BATCH][2];
		size_t ends[UPLINK_OUT_BATCH];
		size_t at = 0;
		unsigned int count = 0;
		int sent;

		while (count < UPLINK_OUT_BATCH && at < mullion_byte_ring_used(ring)) {
			struct msghdr *message = &messages[count].msg_hdr;
			uint8_t length[UPLINK_LENGTH_BYTES];
			size_t bytes;

			for (size_t i = 0; i < sizeof(length); i++)
				length[i] = ring->data[(ring->head + at + i) & (ring->size - 1)];
			bytes = mullion_be32_get(length);
			*message = (struct msghdr){ .msg_iov = iov[count] };
			message->msg_iovlen = mullion_byte_ring_data(ring,
					at + sizeof(length), bytes, iov[count]);
			at += sizeof(length) + bytes;
			ends[count++] = at;
		}
		sent = sendmmsg(uplink->fd, messages, count, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && (errno == EMSGSIZE || errno == ENOBUFS || errno == ENOMEM)) {
			uplink->counters->out_dropped++;
			sent = 1;
		}
		if (sent < 0)
			return -errno;
		ring->head += ends[sent - 1];
	}
	return 0;
}

bool mullion_uplink_flush(struct mullion_uplink *uplink)
{
	int error = 0;

	if (!uplink->up)
		return false;
	if (uplink->type == MULLION_UPLINK_PACKET)
		error = uplink_send_messages(uplink);
	else if (uplink->type == MULLION_UPLINK_STREAM)
		error = mullion_byte_ring_write(&uplink->ring, uplink->fd);
	if (error < 0 && error != -EAGAIN)
		uplink_gone(uplink);
	return error == -EAGAIN;
}

/* Room for a frame of a socket; none: counted. */
static bool uplink_reserve(struct mullion_uplink *uplink, uint32_t bytes)
{
	struct mullion_byte_ring *ring = &uplink->ring;
	size_t wanted = UPLINK_LENGTH_BYTES + (size_t)bytes;
	uint8_t length[UPLINK_LENGTH_BYTES];

	if (mullion_byte_ring_free(ring) < wanted)
		mullion_uplink_flush(uplink);
	if (!uplink->up || mullion_byte_ring_free(ring) < wanted) {
		uplink->counters->out_dropped++;
		return false;
	}
	mullion_be32_put(length, bytes);
	mullion_byte_ring_put(ring, length, sizeof(length));
	return true;
}

static void uplink_socket_frame(struct mullion_uplink *uplink,
				const struct mullion_frame *frame)
{
	struct iovec iov[2];
	size_t count;

	if (!uplink_reserve(uplink, frame->packet.bytes))
		return;
	count = mullion_byte_ring_space(&uplink->ring, frame->packet.bytes, iov);
	mullion_frame_copy_csum(frame, iov, count);
	uplink->ring.tail += frame->packet.bytes;
	uplink_count_out(uplink, frame->packet.bytes);
}

static void uplink_socket_segments(struct mullion_uplink *uplink,
				   const struct mullion_frame *frame)
{
	struct mullion_segments segments;

	mullion_segments_begin(&segments, frame);
	while (segments.bytes) {
		uint32_t bytes = segments.bytes;
		struct iovec iov[2];
		size_t count;

		if (!uplink_reserve(uplink, bytes)) {
			mullion_segments_skip(&segments);
			continue;
		}
		count = mullion_byte_ring_space(&uplink->ring, bytes, iov);
		mullion_segments_copy(&segments, iov, count);
		uplink->ring.tail += bytes;
		uplink_count_out(uplink, bytes);
	}
}

uint32_t mullion_uplink_send(struct mullion_uplink *uplink, const struct mullion_frame *frame)
{
	bool cut = mullion_offload_work(&frame->offload, uplink->takes) ==
		   MULLION_OFFLOAD_SEGMENT;

	if (!uplink->up ||
	    mullion_offload_wire_bytes(frame) - frame->packet.l3 > uplink->mtu) {
		uplink->counters->out_dropped++;
		return 0;
	}
	if (uplink->type == MULLION_UPLINK_TAP) {
		if (cut)
			uplink_tap_segments(uplink, frame);
		else
			uplink_tap_frame(uplink, frame);
	} else if (cut) {
		uplink_socket_segments(uplink, frame);
	} else {
		uplink_socket_frame(uplink, frame);
	}
	return cut ? mullion_offload_segments(frame) : 1;
}

/* ---- in ------------------------------------------------------------------ */

static void uplink_malformed(struct mullion_uplink *uplink)
{
	uplink->counters->in_malformed++;
}

static void uplink_count_in(struct mullion_uplink *uplink, size_t bytes)
{
	uplink->counters->in_frames++;
	uplink->counters->in_bytes += bytes;
}

/* A frame as it came, with what is left to be done to it. */
static void uplink_take(struct mullion_uplink *uplink, const uint8_t *data, size_t bytes,
			const struct mullion_offload *offload, mullion_uplink_fn *fn,
			void *arg)
{
	struct mullion_frame frame = { .offload = *offload, .body_count = 1 };
	struct iovec body;

	if (bytes > MULLION_NET_FRAME_MAX ||
	    mullion_packet_parse(&frame.packet, data, bytes, bytes) < 0 ||
	    mullion_offload_check(&frame.offload, &frame.packet) < 0) {
		uplink_malformed(uplink);
		return;
	}
	body = (struct iovec){
		(void *)(data + frame.packet.head_bytes), bytes - frame.packet.head_bytes,
	};
	frame.body = &body;
	uplink_count_in(uplink, bytes);
	fn(arg, &frame);
}

static void uplink_end_batch(struct mullion_uplink *uplink, mullion_uplink_fn *fn, void *arg)
{
	const struct mullion_frame *frame = mullion_merge_take(&uplink->merge);

	if (frame)
		fn(arg, frame);
}

/* One of a batch, with nothing left to be done. */
static void uplink_take_whole(struct mullion_uplink *uplink, const uint8_t *data,
			      size_t bytes, mullion_uplink_fn *fn, void *arg)
{
	struct mullion_packet packet;

	if (bytes > MULLION_NET_FRAME_MAX ||
	    mullion_packet_parse(&packet, data, bytes, bytes) < 0) {
		uplink_malformed(uplink);
		return;
	}
	uplink_count_in(uplink, bytes);
	if (mullion_merge_add(&uplink->merge, &packet))
		return;
	uplink_end_batch(uplink, fn, arg);
	mullion_merge_add(&uplink->merge, &packet);
}

/* Return: frames taken in, 0 for no more. */
static uint32_t uplink_tap_receive(struct mullion_uplink *uplink, mullion_uplink_fn *fn,
				   void *arg)
{
	struct uplink_tap_header header;
	struct iovec iov[2] = {
		{ &header, sizeof(header) }, { uplink->in, UPLINK_SLOT_BYTES },
	};
	struct mullion_offload offload;
	ssize_t n = readv(uplink->fd, iov, 2);

	if (n < 0) {
		if (errno == EINTR)
			return 1;
		if (errno != EAGAIN)
			uplink_gone(uplink);
		return 0;
	}
	if ((size_t)n < sizeof(header)) {
		uplink_malformed(uplink);
		return 1;
	}
	offload = (struct mullion_offload){
		.flags = header.flags,
		.gso_type = header.gso_type,
		.hdr_len = header.hdr_len,
		.gso_size = header.gso_size,
		.csum_start = header.csum_start,
		.csum_offset = header.csum_offset,
	};
	uplink_take(uplink, uplink->in, (size_t)n - sizeof(header), &offload, fn, arg);
	return 1;
}

static uint32_t uplink_packet_receive(struct mullion_uplink *uplink, uint32_t budget,
				      mullion_uplink_fn *fn, void *arg)
{
	struct mmsghdr messages[UPLINK_IN_BATCH];
	struct iovec iov[UPLINK_IN_BATCH];
	int count;

	if (budget > UPLINK_IN_BATCH)
		budget = UPLINK_IN_BATCH;
	for (unsigned int i = 0; i < budget; i++) {
		iov[i] = (struct iovec){
			uplink->in + i * UPLINK_SLOT_BYTES, UPLINK_SLOT_BYTES,
		};
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &iov[i], .msg_iovlen = 1 };
	}
	count = recvmmsg(uplink->fd, messages, budget, MSG_DONTWAIT, NULL);
	if (count < 0) {
		if (errno == EINTR)
			return 1;
		if (errno != EAGAIN)
			uplink_gone(uplink);
		return 0;
	}
	for (int i = 0; i < count; i++) {
		/* nobody sends empty messages: it is the end */
		if (!messages[i].msg_len) {
			uplink_gone(uplink);
			break;
		}
		uplink_take_whole(uplink, iov[i].iov_base, messages[i].msg_len, fn, arg);
	}
	uplink_end_batch(uplink, fn, arg);
	return uplink->up ? (uint32_t)count : 0;
}

static uint32_t uplink_stream_receive(struct mullion_uplink *uplink, mullion_uplink_fn *fn,
				      void *arg)
{
	uint32_t frames = 0;
	size_t at = 0;
	ssize_t n;

	n = recv(uplink->fd, uplink->in + uplink->in_bytes,
		 UPLINK_STREAM_BYTES - uplink->in_bytes, MSG_DONTWAIT);
	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return errno == EINTR;
	if (n <= 0) {
		uplink_gone(uplink);
		return 0;
	}
	uplink->in_bytes += (size_t)n;
	while (uplink->in_bytes - at >= UPLINK_LENGTH_BYTES) {
		uint32_t bytes = mullion_be32_get(uplink->in + at);

		if (bytes > MULLION_NET_FRAME_MAX) {
			/* What comes now could be anything. */
			uplink_malformed(uplink);
			uplink_gone(uplink);
			break;
		}
		if (uplink->in_bytes - at - UPLINK_LENGTH_BYTES < bytes)
			break;
		at += UPLINK_LENGTH_BYTES;
		uplink_take_whole(uplink, uplink->in + at, bytes, fn, arg);
		at += bytes;
		frames++;
	}
	uplink_end_batch(uplink, fn, arg);
	uplink->in_bytes -= at;
	memmove(uplink->in, uplink->in + at, uplink->in_bytes);
	if (!uplink->up)
		return 0;
	return frames ? frames : 1;
}

bool mullion_uplink_receive(struct mullion_uplink *uplink, uint32_t budget,
			    mullion_uplink_fn *fn, void *arg)
{
	uint32_t done = 0;

	while (uplink->up && done < budget) {
		uint32_t n;

		if (uplink->type == MULLION_UPLINK_TAP)
			n = uplink_tap_receive(uplink, fn, arg);
		else if (uplink->type == MULLION_UPLINK_PACKET)
			n = uplink_packet_receive(uplink, budget - done, fn, arg);
		else
			n = uplink_stream_receive(uplink, fn, arg);
		if (!n)
			return false;
		done += n;
	}
	return uplink->up;
}
