/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/event.h - what happened: a ring of events and those who listen
 *
 * Every event is also a log line.  The ring keeps the last 1024; a listener
 * that joins may ask for those first.
 */
#ifndef MULLION_COMMAND_EVENT_H
#define MULLION_COMMAND_EVENT_H

#include <stdint.h>
#include <jansson.h>

#define MULLION_EVENTS_MAX 1024

/**
 * struct mullion_event - one event
 * @seq: 1 for the first, without gaps
 * @usec: microseconds since 1970
 * @level: as for mullion_log()
 * @object: "guest NAME", "service NAME", ...
 * @kind: one word for programs: "service-died", "guest-online", ...
 * @message: one line for people
 */
struct mullion_event {
	uint64_t seq;
	uint64_t usec;
	int level;
	char object[96];
	char kind[32];
	char message[400];
};

struct mullion_events;
struct mullion_event_listener;

typedef void (*mullion_event_fn)(const struct mullion_event *event, void *arg);

int mullion_events_new(struct mullion_events **ret);
void mullion_events_free(struct mullion_events *events);

/**
 * mullion_event_emit() - tell everybody, and write the log line
 * @events: may be NULL: then only the log line
 * @level: as for mullion_log()
 */
void mullion_event_emit(struct mullion_events *events, int level,
			const char *object, const char *kind,
			const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/**
 * mullion_event_listen() - call @fn for each event from now on
 * @after: first those in the ring with a greater number; UINT64_MAX: none
 * @ret: the listener; end it with mullion_event_unlisten(), also from @fn
 *
 * Return: 0 or -ENOMEM.
 */
int mullion_event_listen(struct mullion_events *events, uint64_t after,
			 mullion_event_fn fn, void *arg,
			 struct mullion_event_listener **ret);
void mullion_event_unlisten(struct mullion_event_listener *listener);

/**
 * mullion_event_describe() - an event as the API shows it; new reference
 */
json_t *mullion_event_describe(const struct mullion_event *event);

#endif /* MULLION_COMMAND_EVENT_H */
