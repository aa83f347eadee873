/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/pcap.h - the mirror port: frames as a pcap stream
 */
#ifndef MULLION_NET_PCAP_H
#define MULLION_NET_PCAP_H

#include <stdbool.h>
#include <stdint.h>

#include "offload.h"

struct mullion_pcap;

/**
 * mullion_pcap_new() - begin a stream
 * @fd: pipe or stream socket, non-blocking; a file could block and is refused.
 *	Owned from now on, also on failure
 * @snap: bytes of a frame that are kept; 0: all
 * @ret: the stream
 *
 * Return: 0; -EINVAL if @fd is neither, or blocks; -ENOMEM.
 */
int mullion_pcap_new(int fd, uint32_t snap, struct mullion_pcap **ret);

/**
 * mullion_pcap_free() - end it; what was not taken yet is lost; NULL is fine
 */
void mullion_pcap_free(struct mullion_pcap *pcap);

/**
 * mullion_pcap_frame() - write a frame, or drop it if the reader is slow
 * @frame: its checksum is completed in the copy; a GSO frame stays one
 * @now: nanoseconds since 1970
 */
void mullion_pcap_frame(struct mullion_pcap *pcap, const struct mullion_frame *frame,
			uint64_t now);

/**
 * mullion_pcap_flush() - hand over what waits; once a turn, and when @fd is
 * writable
 *
 * Return: 0; -EAGAIN: something is left, wait for EPOLLOUT; -EPIPE: the
 * reader is gone, free the stream.
 */
int mullion_pcap_flush(struct mullion_pcap *pcap);

int mullion_pcap_fd(const struct mullion_pcap *pcap);

/**
 * mullion_pcap_counts() - frames written and dropped since it began
 */
void mullion_pcap_counts(const struct mullion_pcap *pcap, uint64_t *frames,
			 uint64_t *dropped);

#endif /* MULLION_NET_PCAP_H */
