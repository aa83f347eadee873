/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/log.h - the daemon's own log lines
 *
 * One line per event: what, which object, why.  With systemd's journal behind
 * standard error a line starts with "<level>"; on a terminal it does not.
 */
#ifndef MULLION_COMMAND_LOG_H
#define MULLION_COMMAND_LOG_H

#include <syslog.h>

/**
 * mullion_log() - write one line to standard error
 * @level: LOG_ERR, LOG_WARNING, LOG_NOTICE, LOG_INFO or LOG_DEBUG
 * @object: what it is about ("guest web"); NULL: the daemon
 *
 * Control characters are replaced; the line is written by one write().
 */
void mullion_log(int level, const char *object, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/**
 * mullion_log_set_level() - what to leave out
 * @level: the least important level that is written; LOG_INFO at first
 */
void mullion_log_set_level(int level);

/* A log file that is larger becomes PATH.1: a guest must not fill the disk. */
#define MULLION_LOG_FILE_BYTES	(8L << 20)

/**
 * mullion_log_open() - open a log file for appending
 * @path: absolute; its folder exists
 *
 * A file of more than MULLION_LOG_FILE_BYTES is renamed to PATH.1 first.
 * Return: descriptor (close-on-exec, owned by the caller) or negative errno.
 */
int mullion_log_open(const char *path);

/**
 * mullion_log_to_file() - standard error goes to a log file from now on
 * @path: absolute; its folder exists
 *
 * The file is changed like any other when it has become too large.  Return: 0
 * or negative errno.
 */
int mullion_log_to_file(const char *path);

#endif /* MULLION_COMMAND_LOG_H */
