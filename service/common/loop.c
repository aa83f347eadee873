// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/common/loop.c - the one loop of a service process
 *
 * DOC: Theory of Operation
 *
 * Busy, the loop makes no system call but one look at epoll per millisecond:
 * rings and completions are memory that sources poll.  Idle, it goes on
 * polling for as long as that paid lately (channel/spin.h), then asks every
 * source to be woken (arm) and sleeps in epoll until a descriptor or the next
 * timer.  A source that finds work while arming keeps the loop awake: that
 * order, first ask and then look again, is what makes wake-ups safe.
 *
 * A descriptor is known to epoll with a counter beside it, so an event that
 * was already fetched for a descriptor that a callback has just dropped finds
 * a different counter and is ignored.
 *
 * Sleeps are as long as the next timer says, to the microsecond; where the
 * kernel cannot do that (before Linux 5.11) they are rounded up to milliseconds.
 */
#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../../channel/spin.h"

#define LOOP_EVENTS		64
#define LOOP_CLOCK_STRIDE	16
#define LOOP_EPOLL_NS		1000000ULL
#define LOOP_MS_NS		1000000ULL
#define LOOP_FOR_EVER		INT64_MAX

struct loop_fd {
	mullion_loop_fn fn;
	void *arg;
	uint32_t serial;
	bool used;
};

static struct {
	int epoll;
	struct loop_fd *fds;
	size_t fd_count;
	struct mullion_loop_timer *timers;
	struct mullion_loop_source *sources;
	struct mullion_spin spin;
	uint64_t wakeups;
	uint64_t last_epoll;
	bool coarse;		/* the kernel counts milliseconds */
	bool stopped;
	int value;
} loop;

uint64_t mullion_loop_now(void)
{
	return mullion_spin_now();
}

uint64_t mullion_loop_wakeups(void)
{
	return loop.wakeups;
}

int mullion_loop_init(void)
{
	memset(&loop, 0, sizeof(loop));
	loop.epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop.epoll < 0)
		return -errno;
	mullion_spin_init(&loop.spin);
	return 0;
}

int mullion_loop_fd(void)
{
	return loop.epoll;
}

static int loop_grow(int fd)
{
	size_t count = loop.fd_count ? loop.fd_count : 64;
	struct loop_fd *fds;

	while (count <= (size_t)fd)
		count *= 2;
	if (count == loop.fd_count)
		return 0;
	fds = realloc(loop.fds, count * sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	memset(fds + loop.fd_count, 0, (count - loop.fd_count) * sizeof(*fds));
	loop.fds = fds;
	loop.fd_count = count;
	return 0;
}

static int loop_ctl(int op, int fd, uint32_t events)
{
	struct epoll_event event = {
		.events = events,
		.data.u64 = (uint64_t)loop.fds[fd].serial << 32 | (uint32_t)fd,
	};

	return epoll_ctl(loop.epoll, op, fd, &event) < 0 ? -errno : 0;
}

int mullion_loop_add(int fd, uint32_t events, mullion_loop_fn fn, void *arg)
{
	struct loop_fd *slot;
	int ret;

	if (fd < 0)
		return -EBADF;
	ret = loop_grow(fd);
	if (ret < 0)
		return ret;
	slot = &loop.fds[fd];
	if (slot->used)
		return -EEXIST;
	slot->serial++;
	ret = loop_ctl(EPOLL_CTL_ADD, fd, events);
	if (ret < 0)
		return ret;
	slot->fn = fn;
	slot->arg = arg;
	slot->used = true;
	return 0;
}

static bool loop_knows(int fd)
{
	return fd >= 0 && (size_t)fd < loop.fd_count && loop.fds[fd].used;
}

int mullion_loop_mod(int fd, uint32_t events)
{
	return loop_knows(fd) ? loop_ctl(EPOLL_CTL_MOD, fd, events) : -ENOENT;
}

int mullion_loop_del(int fd)
{
	if (!loop_knows(fd))
		return -ENOENT;
	loop.fds[fd].used = false;
	return loop_ctl(EPOLL_CTL_DEL, fd, 0);
}

void mullion_loop_timer_stop(struct mullion_loop_timer *timer)
{
	struct mullion_loop_timer **link;

	if (!timer->active)
		return;
	for (link = &loop.timers; *link; link = &(*link)->next) {
		if (*link != timer)
			continue;
		*link = timer->next;
		break;
	}
	timer->active = false;
}

static void loop_timer_insert(struct mullion_loop_timer *timer)
{
	struct mullion_loop_timer **link = &loop.timers;

	while (*link && (*link)->due <= timer->due)
		link = &(*link)->next;
	timer->next = *link;
	*link = timer;
	timer->active = true;
}

void mullion_loop_timer_start(struct mullion_loop_timer *timer,
			      unsigned int milliseconds, bool periodic,
			      void (*fn)(void *arg), void *arg)
{
	mullion_loop_timer_stop(timer);
	timer->fn = fn;
	timer->arg = arg;
	timer->period = periodic ? milliseconds * LOOP_MS_NS : 0;
	timer->due = mullion_loop_now() + milliseconds * LOOP_MS_NS;
	loop_timer_insert(timer);
}

void mullion_loop_timer_start_ns(struct mullion_loop_timer *timer, uint64_t ns,
				 void (*fn)(void *arg), void *arg)
{
	mullion_loop_timer_stop(timer);
	timer->fn = fn;
	timer->arg = arg;
	timer->period = 0;
	timer->due = mullion_loop_now() + ns;
	loop_timer_insert(timer);
}

static void loop_run_timers(uint64_t now)
{
	while (loop.timers && loop.timers->due <= now) {
		struct mullion_loop_timer *timer = loop.timers;

		mullion_loop_timer_stop(timer);
		if (timer->period) {
			timer->due = now + timer->period;
			loop_timer_insert(timer);
		}
		timer->fn(timer->arg);
	}
}

void mullion_loop_source_add(struct mullion_loop_source *source)
{
	struct mullion_loop_source **link = &loop.sources;

	while (*link)
		link = &(*link)->next;
	source->next = NULL;
	*link = source;
}

void mullion_loop_source_del(struct mullion_loop_source *source)
{
	struct mullion_loop_source **link;

	for (link = &loop.sources; *link; link = &(*link)->next) {
		if (*link == source) {
			*link = source->next;
			return;
		}
	}
}

static int loop_milliseconds(int64_t ns)
{
	uint64_t ms = ((uint64_t)ns + LOOP_MS_NS - 1) / LOOP_MS_NS;

	if (ns == LOOP_FOR_EVER)
		return -1;
	return ms > INT_MAX ? INT_MAX : (int)ms;
}

static int loop_epoll_wait(struct epoll_event *events, int64_t ns)
{
	struct timespec time = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000),
	};
	int n;

	if (ns && ns != LOOP_FOR_EVER && !loop.coarse) {
		n = epoll_pwait2(loop.epoll, events, LOOP_EVENTS, &time, NULL);
		if (n >= 0 || (errno != ENOSYS && errno != EPERM))
			return n;
		loop.coarse = true;
	}
	return epoll_wait(loop.epoll, events, LOOP_EVENTS, loop_milliseconds(ns));
}

/* Return: number of descriptors that were ready, or -1 for a signal. */
static int loop_epoll(int64_t ns)
{
	struct epoll_event events[LOOP_EVENTS];
	int n;

	n = loop_epoll_wait(events, ns);
	for (int i = 0; i < n; i++) {
		uint32_t fd = (uint32_t)events[i].data.u64;
		struct loop_fd *slot = &loop.fds[fd];

		if (slot->used && slot->serial == events[i].data.u64 >> 32 &&
		    slot->fn)
			slot->fn(slot->arg, events[i].events);
	}
	return n;
}

static unsigned int loop_poll_sources(bool slow)
{
	struct mullion_loop_source *source;
	unsigned int work = 0;

	for (source = loop.sources; source; source = source->next)
		work += source->poll(source->arg, slow);
	for (source = loop.sources; source; source = source->next) {
		if (source->turn_end)
			source->turn_end(source->arg);
	}
	return work;
}

/* Return: nonzero if a source has work: do not sleep. */
static int loop_arm(void)
{
	struct mullion_loop_source *source;
	int work = 0;

	for (source = loop.sources; source; source = source->next)
		work |= source->arm(source->arg);
	return work;
}

static void loop_disarm(void)
{
	struct mullion_loop_source *source;

	for (source = loop.sources; source; source = source->next) {
		if (source->disarm)
			source->disarm(source->arg);
	}
}

static bool loop_idle(void)
{
	struct mullion_loop_source *source;

	for (source = loop.sources; source; source = source->next) {
		if (source->idle && source->idle(source->arg))
			return true;
	}
	return false;
}

static int64_t loop_timeout(uint64_t now)
{
	if (!loop.timers)
		return LOOP_FOR_EVER;
	return loop.timers->due <= now ? 0 : (int64_t)(loop.timers->due - now);
}

/* Return: true if only a timer ended the sleep, be it the watchdog's signal. */
static bool loop_sleep(void)
{
	int ready = 0;

	if (!loop_arm()) {
		ready = loop_epoll(loop_timeout(mullion_loop_now()));
		loop.wakeups += ready > 0;
		loop_disarm();
		loop.last_epoll = mullion_loop_now();
		loop_run_timers(loop.last_epoll);
		return ready <= 0;
	}
	loop_disarm();
	return false;
}

/* Now and then while busy or spinning: descriptors and timers. */
static void loop_glance(uint64_t now)
{
	if (now - loop.last_epoll < LOOP_EPOLL_NS)
		return;
	loop.last_epoll = now;
	loop_epoll(0);
	loop_run_timers(now);
}

int mullion_loop_run(void)
{
	uint64_t spin_start = 0, spin_budget = 0;
	unsigned int turns = 0;
	bool slow = false;

	loop.stopped = false;
	while (!loop.stopped) {
		unsigned int work = loop_poll_sources(slow);
		uint64_t now;

		if (loop.stopped)
			break;
		slow = false;
		if (work) {
			if (spin_start && loop.spin.mode == MULLION_WAKE_ADAPTIVE)
				mullion_spin_learn(&loop.spin, true);
			spin_start = 0;
			if (!(++turns % LOOP_CLOCK_STRIDE))
				loop_glance(mullion_loop_now());
			continue;
		}
		if (!spin_start) {
			spin_budget = loop_idle() ? 0 :
					mullion_spin_budget(&loop.spin);
			if (spin_budget)
				spin_start = mullion_loop_now();
		}
		if (spin_budget) {
			mullion_spin_relax();
			if (++turns % LOOP_CLOCK_STRIDE)
				continue;
			now = mullion_loop_now();
			loop_glance(now);
			if (now - spin_start < spin_budget)
				continue;
			mullion_spin_learn(&loop.spin, false);
		}
		spin_start = 0;
		slow = loop_sleep();
	}
	return loop.value;
}

void mullion_loop_stop(int value)
{
	loop.stopped = true;
	loop.value = value;
}
