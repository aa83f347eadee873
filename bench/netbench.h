/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench/netbench.h - one loop, several ways from one network interface to another
 */
#ifndef MULLION_BENCH_NETBENCH_H
#define MULLION_BENCH_NETBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NETBENCH_BURST 36

/* How an end waits: never sleeps, sleeps after a while, always sleeps. */
enum netbench_wake { NETBENCH_POLL, NETBENCH_ADAPTIVE, NETBENCH_SLEEP };

struct netbench_job {
	const char *target[2];	/* what each end opens: guest's name, socket, interface */
	uint32_t bytes;		/* of a frame, at most NETBENCH_LARGEST */
	bool large;		/* a TCP segment to be cut, beyond any MTU */
	bool together;		/* both ends in one process */
	enum netbench_wake wake;
};

#define NETBENCH_LARGEST 65000

/**
 * struct netbench_frame - a frame in a buffer
 * @data: its bytes
 * @bytes: their number
 * @buffer: what the driver knows it by
 */
struct netbench_frame {
	uint8_t *data;
	uint32_t bytes;
	uint64_t buffer;
};

struct netbench_end;

/**
 * struct netbench_driver - a way between two ends
 * @together_only: both ends in one process
 * @prepare: before the two processes part; optional
 * @open: one end (0 sends, 1 receives, and is opened first); 0 or negative errno
 * @mac: its address; without it any does
 * @alloc: empty buffers of the job's size; number, 0 if there are none now
 * @send: queue frames; number taken, the rest stays the caller's
 * @flush: show them to the other side
 * @recv: frames that came, without waiting; number
 * @give_back: buffers of received frames, or allocated and not sent
 * @wait: until something happened, at most @milliseconds
 */
struct netbench_driver {
	const char *name;
	bool together_only;
	int (*prepare)(const struct netbench_job *job);
	int (*open)(struct netbench_end **ret, const struct netbench_job *job, int side);
	void (*mac)(struct netbench_end *end, uint8_t mac[6]);
	int (*alloc)(struct netbench_end *end, struct netbench_frame *frames, int count);
	int (*send)(struct netbench_end *end, struct netbench_frame *frames, int count);
	int (*flush)(struct netbench_end *end);
	int (*recv)(struct netbench_end *end, struct netbench_frame *frames, int count);
	void (*give_back)(struct netbench_end *end, struct netbench_frame *frames,
			  int count);
	int (*wait)(struct netbench_end *end, int milliseconds);
	void (*close)(struct netbench_end *end);
};

extern const struct netbench_driver netbench_memcpy;
extern const struct netbench_driver netbench_mullion;
extern const struct netbench_driver netbench_unix;
extern const struct netbench_driver netbench_packet;
#ifdef HAVE_DPDK
extern const struct netbench_driver netbench_dpdk;
#endif

#endif /* MULLION_BENCH_NETBENCH_H */
