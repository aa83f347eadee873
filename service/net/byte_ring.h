/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/net/byte_ring.h - bytes that wait for a descriptor to take them
 */
#ifndef MULLION_NET_BYTE_RING_H
#define MULLION_NET_BYTE_RING_H

#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

/**
 * struct mullion_byte_ring - first in, first out
 * @data: memory of @size bytes, owned
 * @size: a power of two
 * @head: bytes ever taken out
 * @tail: bytes ever put in
 */
struct mullion_byte_ring {
	uint8_t *data;
	size_t size;
	uint64_t head;
	uint64_t tail;
};

/**
 * mullion_byte_ring_init() - an empty one
 * @size: bytes, a power of two
 *
 * Return: 0 or -ENOMEM.
 */
int mullion_byte_ring_init(struct mullion_byte_ring *ring, size_t size);

void mullion_byte_ring_done(struct mullion_byte_ring *ring);

static inline size_t mullion_byte_ring_used(const struct mullion_byte_ring *ring)
{
	return (size_t)(ring->tail - ring->head);
}

static inline size_t mullion_byte_ring_free(const struct mullion_byte_ring *ring)
{
	return ring->size - mullion_byte_ring_used(ring);
}

/**
 * mullion_byte_ring_space() - the next bytes to be written
 * @bytes: at most what is free
 * @iov: two entries
 *
 * They are in the ring once @ring->tail is moved over them.
 *
 * Return: entries of @iov used.
 */
size_t mullion_byte_ring_space(const struct mullion_byte_ring *ring, size_t bytes,
			       struct iovec *iov);

/**
 * mullion_byte_ring_data() - bytes that are in it
 * @offset: from the oldest
 * @bytes: @offset + @bytes is at most what is used
 * @iov: two entries
 *
 * Return: entries of @iov used.
 */
size_t mullion_byte_ring_data(const struct mullion_byte_ring *ring, size_t offset,
			      size_t bytes, struct iovec *iov);

/**
 * mullion_byte_ring_put() - copy bytes in, of which there must be room
 */
void mullion_byte_ring_put(struct mullion_byte_ring *ring, const void *data, size_t bytes);

/**
 * mullion_byte_ring_write() - hand bytes to a descriptor
 * @fd: non-blocking
 *
 * Return: 0: all of them; -EAGAIN: it takes no more now; another negative
 * errno: as writev().
 */
int mullion_byte_ring_write(struct mullion_byte_ring *ring, int fd);

#endif /* MULLION_NET_BYTE_RING_H */
