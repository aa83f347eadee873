/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * bench/blkbench.h - one loop, several ways to a disk
 */
#ifndef MULLION_BENCH_BLKBENCH_H
#define MULLION_BENCH_BLKBENCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How the client waits: never sleeps, sleeps after a while, always sleeps. */
enum bench_wake { BENCH_POLL, BENCH_ADAPTIVE, BENCH_SLEEP };

struct bench_job {
	const char *target;	/* what to open: path, socket, guest's name */
	uint64_t size;		/* bytes of the disk that are used */
	uint32_t bs;		/* bytes per request */
	uint32_t qd;		/* requests in flight */
	bool write;
	enum bench_wake wake;
};

/**
 * struct bench_driver - a way to a disk
 * @open: connect and allocate @qd buffers of @bs bytes; 0 or negative errno
 * @buffer: the buffer of request @tag
 * @submit: queue request @tag at @offset; nothing is sent before @commit
 * @commit: send what was queued
 * @reap: wait for at least one completion, store up to @max tags; number or
 *	negative errno (a failed request counts as one)
 */
struct bench_driver {
	const char *name;
	int (*open)(const struct bench_job *job);
	void *(*buffer)(uint32_t tag);
	int (*submit)(uint32_t tag, uint64_t offset);
	int (*commit)(void);
	int (*reap)(uint32_t *tags, uint32_t max);
	void (*close)(void);
};

extern const struct bench_driver bench_uring;
extern const struct bench_driver bench_psync;
extern const struct bench_driver bench_nbd;
extern const struct bench_driver bench_mullion;
#ifdef HAVE_BLKIO
extern const struct bench_driver bench_blkio;
#endif

#endif /* MULLION_BENCH_BLKBENCH_H */
