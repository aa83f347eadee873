/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/loop.h - the one loop of a service process
 *
 * A turn: ready descriptors and timers, then every poll function, then every
 * turn-end function.  After a turn without work the loop spins for a while
 * (adaptively, MULLION_WAKE=poll|adaptive|sleep), asks every source whether it
 * may sleep, and sleeps.
 */
#ifndef MULLION_SERVICE_LOOP_H
#define MULLION_SERVICE_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

typedef void (*mullion_loop_fn)(void *arg, uint32_t events);

/**
 * struct mullion_loop_source - something that is polled rather than signalled
 * @poll: do work that is there; returns how much it found, 0 for none; @slow
 *	is set in the first turn after a sleep that only a timer ended
 * @arm: ask to be woken; returns nonzero if there is work already
 * @disarm: awake again, no wake-ups wanted; may be NULL
 * @turn_end: submit what was batched; may be NULL
 * @idle: true if nobody is there to be quick for: the loop sleeps at once;
 *	may be NULL
 * @arg: for all
 * @next: the loop's
 */
struct mullion_loop_source {
	unsigned int (*poll)(void *arg, bool slow);
	int (*arm)(void *arg);
	void (*disarm)(void *arg);
	void (*turn_end)(void *arg);
	bool (*idle)(void *arg);
	void *arg;
	struct mullion_loop_source *next;
};

/**
 * struct mullion_loop_timer - a timer; memory of the caller
 */
struct mullion_loop_timer {
	void (*fn)(void *arg);
	void *arg;
	uint64_t due;		/* nanoseconds, CLOCK_MONOTONIC */
	uint64_t period;	/* nanoseconds; 0: once */
	bool active;
	struct mullion_loop_timer *next;
};

/**
 * mullion_loop_init() - make the loop; once per process
 *
 * Return: 0 or negative errno.
 */
int mullion_loop_init(void);

/**
 * mullion_loop_fd() - the loop's own descriptor, for the sandbox to keep
 */
int mullion_loop_fd(void);

/**
 * mullion_loop_add() - watch a descriptor
 * @fd: stays the caller's
 * @events: EPOLLIN, EPOLLOUT, EPOLLET
 * @fn: called in a turn when it is ready; NULL: just wake up
 *
 * Return: 0, -EEXIST, -ENOMEM or errno of epoll_ctl().
 */
int mullion_loop_add(int fd, uint32_t events, mullion_loop_fn fn, void *arg);

/**
 * mullion_loop_mod() - change the events of a watched descriptor
 */
int mullion_loop_mod(int fd, uint32_t events);

/**
 * mullion_loop_del() - stop watching; before the descriptor is closed
 *
 * Allowed inside any callback.
 */
int mullion_loop_del(int fd);

/**
 * mullion_loop_timer_start() - call @fn after @milliseconds, or every
 *
 * A running timer is started again.
 */
void mullion_loop_timer_start(struct mullion_loop_timer *timer,
			      unsigned int milliseconds, bool periodic,
			      void (*fn)(void *arg), void *arg);

/**
 * mullion_loop_timer_start_ns() - call @fn once after @ns nanoseconds
 */
void mullion_loop_timer_start_ns(struct mullion_loop_timer *timer, uint64_t ns,
				 void (*fn)(void *arg), void *arg);

/**
 * mullion_loop_timer_stop() - harmless if it does not run
 */
void mullion_loop_timer_stop(struct mullion_loop_timer *timer);

/**
 * mullion_loop_source_add() - poll this from now on, in the order of adding
 */
void mullion_loop_source_add(struct mullion_loop_source *source);

/**
 * mullion_loop_source_del() - no more; not from inside its own callbacks
 */
void mullion_loop_source_del(struct mullion_loop_source *source);

/**
 * mullion_loop_now() - nanoseconds, CLOCK_MONOTONIC
 */
uint64_t mullion_loop_now(void);

/**
 * mullion_loop_wakeups() - sleeps that were ended by a descriptor
 */
uint64_t mullion_loop_wakeups(void);

/**
 * mullion_loop_run() - until mullion_loop_stop()
 *
 * Return: the value given to mullion_loop_stop().
 */
int mullion_loop_run(void);

/**
 * mullion_loop_stop() - end the loop after this turn
 */
void mullion_loop_stop(int value);

#endif /* MULLION_SERVICE_LOOP_H */
