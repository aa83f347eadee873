// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/net/byte_ring.c - bytes that wait for a descriptor to take them
 */
#include "byte_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

int mullion_byte_ring_init(struct mullion_byte_ring *ring, size_t size)
{
	uint8_t *data = malloc(size);

	if (!data)
		return -ENOMEM;
	*ring = (struct mullion_byte_ring){ .data = data, .size = size };
	return 0;
}

void mullion_byte_ring_done(struct mullion_byte_ring *ring)
{
	free(ring->data);
	*ring = (struct mullion_byte_ring){ 0 };
}

static size_t byte_ring_areas(const struct mullion_byte_ring *ring, uint64_t at,
			      size_t bytes, struct iovec *iov)
{
	size_t offset = (size_t)(at & (ring->size - 1));
	size_t first = ring->size - offset;

	if (!bytes)
		return 0;
	if (first > bytes)
		first = bytes;
	iov[0] = (struct iovec){ .iov_base = ring->data + offset, .iov_len = first };
	if (first == bytes)
		return 1;
	iov[1] = (struct iovec){ .iov_base = ring->data, .iov_len = bytes - first };
	return 2;
}

size_t mullion_byte_ring_space(const struct mullion_byte_ring *ring, size_t bytes,
			       struct iovec *iov)
{
	return byte_ring_areas(ring, ring->tail, bytes, iov);
}

size_t mullion_byte_ring_data(const struct mullion_byte_ring *ring, size_t offset,
			      size_t bytes, struct iovec *iov)
{
	return byte_ring_areas(ring, ring->head + offset, bytes, iov);
}

void mullion_byte_ring_put(struct mullion_byte_ring *ring, const void *data, size_t bytes)
{
	const uint8_t *from = data;
	struct iovec iov[2];
	size_t count = mullion_byte_ring_space(ring, bytes, iov);

	for (size_t i = 0; i < count; i++) {
		memcpy(iov[i].iov_base, from, iov[i].iov_len);
		from += iov[i].iov_len;
	}
	ring->tail += bytes;
}

int mullion_byte_ring_write(struct mullion_byte_ring *ring, int fd)
{
	while (mullion_byte_ring_used(ring)) {
		struct iovec iov[2];
		size_t count = mullion_byte_ring_data(ring, 0, mullion_byte_ring_used(ring),
						      iov);
		ssize_t n = writev(fd, iov, (int)count);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -errno;
		ring->head += (uint64_t)n;
	}
	return 0;
}
