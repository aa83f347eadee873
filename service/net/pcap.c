// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/pcap.c - the mirror port: frames as a pcap stream
 *
 * DOC: Theory of Operation
 *
 * Records are made in a ring of 2 MiB, which is handed over once a turn and
 * whenever the reader has room; a frame for which the ring has none is dropped
 * and counted, whole.  So the stream stays readable, and a reader that is slow or
 * has stopped costs frames of the capture and nothing else.
 *
 * The format is the one with nanoseconds, in the byte order of this machine,
 * which readers tell from the first word.
 */
#include "pcap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "byte_ring.h"

#define PCAP_RING_BYTES		(2U << 20)
/* Larger than any frame. */
#define PCAP_SNAP_MAX		262144U
#define PCAP_NANOSECONDS	0xa1b23c4dU
#define PCAP_ETHERNET		1
#define PCAP_SECOND		1000000000U

struct pcap_file_header {
	uint32_t magic;
	uint16_t version_major;
	uint16_t version_minor;
	uint32_t zone;
	uint32_t accuracy;
	uint32_t snap;
	uint32_t link_type;
};

struct pcap_record_header {
	uint32_t seconds;
	uint32_t nanoseconds;
	uint32_t captured;
	uint32_t length;
};

struct mullion_pcap {
	int fd;
	uint32_t snap;
	uint64_t frames;
	uint64_t dropped;
	struct mullion_byte_ring ring;
};

static int pcap_check(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	struct stat st;

	if (flags < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!(flags & O_NONBLOCK) || (!S_ISFIFO(st.st_mode) && !S_ISSOCK(st.st_mode)))
		return -EINVAL;
	return 0;
}

int mullion_pcap_new(int fd, uint32_t snap, struct mullion_pcap **ret)
{
	struct pcap_file_header header = {
		.magic = PCAP_NANOSECONDS,
		.version_major = 2,
		.version_minor = 4,
		.link_type = PCAP_ETHERNET,
	};
	struct mullion_pcap *pcap = NULL;
	int error = pcap_check(fd);

	if (error < 0)
		goto fail;
	error = -ENOMEM;
	pcap = calloc(1, sizeof(*pcap));
	if (!pcap)
		goto fail;
	error = mullion_byte_ring_init(&pcap->ring, PCAP_RING_BYTES);
	if (error < 0)
		goto fail;
	pcap->fd = fd;
	pcap->snap = snap && snap < PCAP_SNAP_MAX ? snap : PCAP_SNAP_MAX;
	header.snap = pcap->snap;
	mullion_byte_ring_put(&pcap->ring, &header, sizeof(header));
	*ret = pcap;
	return 0;

fail:
	free(pcap);
	close(fd);
	return error;
}

void mullion_pcap_free(struct mullion_pcap *pcap)
{
	if (!pcap)
		return;
	close(pcap->fd);
	mullion_byte_ring_done(&pcap->ring);
	free(pcap);
}

void mullion_pcap_frame(struct mullion_pcap *pcap, const struct mullion_frame *frame,
			uint64_t now)
{
	uint32_t bytes = frame->packet.bytes;
	struct pcap_record_header header = {
		.seconds = (uint32_t)(now / PCAP_SECOND),
		.nanoseconds = (uint32_t)(now % PCAP_SECOND),
		.captured = bytes < pcap->snap ? bytes : pcap->snap,
		.length = bytes,
	};
	struct iovec iov[2];
	size_t count;

	if (mullion_byte_ring_free(&pcap->ring) < sizeof(header) + header.captured) {
		pcap->dropped++;
		return;
	}
	mullion_byte_ring_put(&pcap->ring, &header, sizeof(header));
	count = mullion_byte_ring_space(&pcap->ring, header.captured, iov);
	mullion_frame_copy_csum(frame, iov, count);
	pcap->ring.tail += header.captured;
	pcap->frames++;
}

int mullion_pcap_flush(struct mullion_pcap *pcap)
{
	return mullion_byte_ring_write(&pcap->ring, pcap->fd);
}

int mullion_pcap_fd(const struct mullion_pcap *pcap)
{
	return pcap->fd;
}

void mullion_pcap_counts(const struct mullion_pcap *pcap, uint64_t *frames,
			 uint64_t *dropped)
{
	*frames = pcap->frames;
	*dropped = pcap->dropped;
}
