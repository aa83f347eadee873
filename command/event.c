// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/event.c - what happened: a ring of events and those who listen
 */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "event.h"
#include "log.h"
#include "text.h"

struct mullion_event_listener {
	struct mullion_event_listener *next;
	struct mullion_events *events;
	mullion_event_fn fn;
	void *arg;
	bool gone;
};

struct mullion_events {
	uint64_t seq;
	unsigned int emitting;
	struct mullion_event_listener *listeners;
	struct mullion_event ring[MULLION_EVENTS_MAX];
};

int mullion_events_new(struct mullion_events **ret)
{
	struct mullion_events *events = calloc(1, sizeof(*events));

	if (!events)
		return -ENOMEM;
	*ret = events;
	return 0;
}

/* Listeners that left while events went round are freed when none does. */
static void event_sweep(struct mullion_events *events, bool all)
{
	struct mullion_event_listener **link = &events->listeners;

	while (*link) {
		struct mullion_event_listener *l = *link;

		if (all || l->gone) {
			*link = l->next;
			free(l);
		} else {
			link = &l->next;
		}
	}
}

void mullion_events_free(struct mullion_events *events)
{
	if (!events)
		return;
	event_sweep(events, true);
	free(events);
}

static void event_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = '?';
}

void mullion_event_emit(struct mullion_events *events, int level,
			const char *object, const char *kind,
			const char *format, ...)
{
	struct mullion_event event = { .level = level };
	struct timespec now;
	va_list ap;

	va_start(ap, format);
	vsnprintf(event.message, sizeof(event.message), format, ap);
	va_end(ap);
	event_clean(event.message);
	mullion_log(level, object, "%s", event.message);
	if (!events)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	event.usec = (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
	event.seq = ++events->seq;
	snprintf(event.object, sizeof(event.object), "%s", object ? object : "");
	event_clean(event.object);
	snprintf(event.kind, sizeof(event.kind), "%s", kind);
	events->ring[event.seq % MULLION_EVENTS_MAX] = event;
	events->emitting++;
	for (struct mullion_event_listener *l = events->listeners; l; l = l->next)
		if (!l->gone)
			l->fn(&event, l->arg);
	if (!--events->emitting)
		event_sweep(events, false);
}

int mullion_event_listen(struct mullion_events *events, uint64_t after,
			 mullion_event_fn fn, void *arg,
			 struct mullion_event_listener **ret)
{
	struct mullion_event_listener *l = calloc(1, sizeof(*l));
	uint64_t first, last = events->seq;

	if (!l)
		return -ENOMEM;
	l->events = events;
	l->fn = fn;
	l->arg = arg;
	l->next = events->listeners;
	events->listeners = l;
	*ret = l;
	if (after >= last)
		return 0;
	first = last > MULLION_EVENTS_MAX ? last - MULLION_EVENTS_MAX + 1 : 1;
	if (first <= after)
		first = after + 1;
	events->emitting++;
	for (uint64_t seq = first; seq <= last && !l->gone; seq++) {
		struct mullion_event event = events->ring[seq % MULLION_EVENTS_MAX];

		fn(&event, arg);
	}
	if (!--events->emitting)
		event_sweep(events, false);
	return 0;
}

void mullion_event_unlisten(struct mullion_event_listener *listener)
{
	if (!listener)
		return;
	listener->gone = true;
	if (!listener->events->emitting)
		event_sweep(listener->events, false);
}

json_t *mullion_event_describe(const struct mullion_event *event)
{
	return json_pack("{s:I, s:f, s:i, s:o, s:s, s:o}",
			 "seq", (json_int_t)event->seq,
			 "time", (double)event->usec / 1e6,
			 "level", event->level,
			 "object", mullion_json_text(event->object,
						     strlen(event->object)),
			 "kind", event->kind,
			 "message", mullion_json_text(event->message,
						      strlen(event->message)));
}
