// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * bench/net_memcpy.c - the limit: a frame is copied once, nothing else
 *
 * Between two areas as large as those of two guests, in this thread.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "netbench.h"

#define AREA (6u << 20)
#define QUEUE 512

/* The odd number of cache lines is what the others have between their buffers. */
static struct {
	uint8_t *area[2];
	uint32_t stride, buffers;
	uint32_t next[2];
	struct netbench_frame queue[QUEUE];
	uint32_t head, tail;
} copy;

static int memcpy_open(struct netbench_end **ret, const struct netbench_job *job, int side)
{
	copy.stride = ((job->bytes + 63) / 64 | 1) * 64;
	copy.buffers = AREA / copy.stride;
	copy.area[side] = malloc(AREA);
	if (!copy.area[side])
		return -ENOMEM;
	memset(copy.area[side], 0x5a, AREA);
	*ret = (struct netbench_end *)&copy.area[side];
	return 0;
}

static int memcpy_alloc(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	(void)end;
	for (i = 0; i < count; i++) {
		frames[i].data = copy.area[0] + (size_t)copy.next[0] * copy.stride;
		copy.next[0] = (copy.next[0] + 1) % copy.buffers;
	}
	return count;
}

static int memcpy_send(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	(void)end;
	for (i = 0; i < count && copy.head - copy.tail < QUEUE; i++)
		copy.queue[copy.head++ % QUEUE] = frames[i];
	return i;
}

static int memcpy_flush(struct netbench_end *end)
{
	(void)end;
	return 0;
}

static int memcpy_recv(struct netbench_end *end, struct netbench_frame *frames, int count)
{
	int i;

	(void)end;
	for (i = 0; i < count && copy.tail != copy.head; i++) {
		frames[i] = copy.queue[copy.tail++ % QUEUE];
		memcpy(copy.area[1] + (size_t)copy.next[1] * copy.stride, frames[i].data,
		       frames[i].bytes);
		frames[i].data = copy.area[1] + (size_t)copy.next[1] * copy.stride;
		copy.next[1] = (copy.next[1] + 1) % copy.buffers;
	}
	return i;
}

static void memcpy_give_back(struct netbench_end *end, struct netbench_frame *frames,
			     int count)
{
	(void)end;
	(void)frames;
	(void)count;
}

static int memcpy_wait(struct netbench_end *end, int milliseconds)
{
	(void)end;
	(void)milliseconds;
	return 0;
}

static void memcpy_close(struct netbench_end *end)
{
	free(*(uint8_t **)end);
}

const struct netbench_driver netbench_memcpy = {
	.name = "memcpy", .together_only = true, .open = memcpy_open, .alloc = memcpy_alloc,
	.send = memcpy_send, .flush = memcpy_flush, .recv = memcpy_recv,
	.give_back = memcpy_give_back, .wait = memcpy_wait, .close = memcpy_close,
};
