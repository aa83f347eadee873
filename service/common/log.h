/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/log.h - one event, one line on standard error
 *
 * "<6>service=disk object=2:0 message", the prefix being a syslog level as
 * journald and mulliond read it.  What a guest can trigger is rate-limited.
 */
#ifndef MULLION_SERVICE_LOG_H
#define MULLION_SERVICE_LOG_H

#include <stdbool.h>
#include <syslog.h>

/**
 * mullion_log_init() - name the service; LOG_DEBUG lines only with
 * MULLION_DEBUG=1 in the environment
 */
void mullion_log_init(const char *service);

/**
 * mullion_log() - write a line
 * @priority: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO or LOG_DEBUG
 * @object: what it is about, "bus:dev" for a device; NULL: the service
 *
 * A message says what failed, why, and what to do.  Never blocks for long: a
 * line that standard error does not take is lost.
 */
void mullion_log(int priority, const char *object, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * struct mullion_log_limit - at most 10 lines in 10 seconds
 */
struct mullion_log_limit {
	unsigned long window;
	unsigned int lines;
	unsigned int dropped;
};

/**
 * mullion_log_allowed() - may one more line of this kind be written?
 */
bool mullion_log_allowed(struct mullion_log_limit *limit);

#endif /* MULLION_SERVICE_LOG_H */
