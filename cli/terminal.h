/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/terminal.h - this terminal as a guest's terminal
 */
#ifndef MULLION_CLI_TERMINAL_H
#define MULLION_CLI_TERMINAL_H

#include <stdbool.h>

#include "client.h"

enum mullion_terminal_end {
	MULLION_TERMINAL_CLOSED,	/* the daemon ended the stream */
	MULLION_TERMINAL_LEAVE,		/* the user asked to leave */
	MULLION_TERMINAL_KILL,		/* the user asked to kill the guest */
	MULLION_TERMINAL_SIGNAL,	/* a signal came */
	MULLION_TERMINAL_OUTPUT,	/* standard output does not take any more */
};

/**
 * struct mullion_terminal - a stream and what it is connected to
 * @stream: an upgraded connection
 * @log: another one, whose bytes go to standard error; or NULL
 * @signals: a signalfd; when it is readable, the stream ends
 * @raw: raw mode and the escape key, if standard input is a terminal
 * @help: what the keys after the escape key do
 */
struct mullion_terminal {
	struct mullion_connection *stream;
	struct mullion_connection *log;
	int signals;
	bool raw;
	const char *help;
};

/**
 * mullion_terminal_run() - standard input to the stream, stream to standard output
 *
 * Return: enum mullion_terminal_end, or negative errno.
 */
int mullion_terminal_run(struct mullion_terminal *terminal);

/**
 * mullion_terminal_signals() - block SIGINT, SIGTERM and SIGHUP, take them from here
 *
 * Return: a signalfd or negative errno.
 */
int mullion_terminal_signals(void);

/* The signal that is pending there, 0 if none is. */
int mullion_terminal_signal(int signals);

#endif
