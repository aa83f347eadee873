/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/terminal.c - this terminal as a guest's terminal
 *
 * Three flows (standard input to the stream, stream to standard output, log
 * to standard error), each with one buffer: a flow reads only when its buffer
 * is empty, so a slow reader slows its writer down and nothing grows.  Nothing
 * blocks but poll(): sockets are read and written with MSG_DONTWAIT, and files
 * that are not ours to make non-blocking get no more than PIPE_BUF bytes after
 * poll() said that they take some.
 *
 * In raw mode all keys go to the guest except Ctrl-], which starts a command of
 * ours.  The terminal is put back on every way out, exit() included.
 */
#include "terminal.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#define TERMINAL_ESCAPE 0x1d	/* Ctrl-] */
#define TERMINAL_GO_ON 100	/* no enum mullion_terminal_end */

static struct termios terminal_saved;
static bool terminal_is_raw;

static void terminal_restore(void)
{
	/* Firmware and boot loaders like to turn off wrapping or the cursor. */
	static const char sane[] = "\033[m\033[?7h\033[?25h";

	if (!terminal_is_raw)
		return;
	terminal_is_raw = false;
	if (isatty(STDOUT_FILENO) && write(STDOUT_FILENO, sane, sizeof(sane) - 1) < 0)
		return;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &terminal_saved);
}

static int terminal_make_raw(void)
{
	static bool registered;
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, &terminal_saved))
		return -errno;
	raw = terminal_saved;
	cfmakeraw(&raw);
	if (!registered && atexit(terminal_restore))
		return -ENOMEM;
	registered = true;
	if (tcsetattr(STDIN_FILENO, TCSADRAIN, &raw))
		return -errno;
	terminal_is_raw = true;
	return 0;
}

int mullion_terminal_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	if (sigprocmask(SIG_BLOCK, &set, NULL))
		return -errno;
	fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return fd < 0 ? -errno : fd;
}

int mullion_terminal_signal(int signals)
{
	struct signalfd_siginfo info;

	return read(signals, &info, sizeof(info)) == sizeof(info) ? (int)info.ssi_signo : 0;
}

/**
 * struct terminal_flow - bytes on their way from one descriptor to another
 * @from, @to: descriptors
 * @socket_from, @socket_to: of which these are sockets
 * @ended: nothing more comes from @from
 * @start, @end: what is waiting in @buffer
 */
struct terminal_flow {
	int from, to;
	bool socket_from, socket_to;
	bool ended;
	size_t start, end;
	char buffer[16384];
};

static bool terminal_flow_done(const struct terminal_flow *flow)
{
	return flow->ended && flow->start == flow->end;
}

static void terminal_flow_poll(const struct terminal_flow *flow, struct pollfd *from,
			       struct pollfd *to)
{
	bool full = flow->start != flow->end;

	*from = (struct pollfd){ .fd = flow->ended || full ? -1 : flow->from, .events = POLLIN };
	*to = (struct pollfd){ .fd = full ? flow->to : -1, .events = POLLOUT };
}

static void terminal_flow_read(struct terminal_flow *flow)
{
	ssize_t got;

	if (flow->socket_from)
		got = recv(flow->from, flow->buffer, sizeof(flow->buffer), MSG_DONTWAIT);
	else
		got = read(flow->from, flow->buffer, sizeof(flow->buffer) / 2);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	flow->start = 0;
	flow->end = got > 0 ? got : 0;
	/* EIO of a terminal that hung up, ECONNRESET: nothing more comes either way. */
	flow->ended = got <= 0;
}

/* Return: 0, or negative errno when the other end takes nothing any more. */
static int terminal_flow_write(struct terminal_flow *flow)
{
	size_t len = flow->end - flow->start;
	ssize_t done;

	if (flow->socket_to)
		done = send(flow->to, flow->buffer + flow->start, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	else
		done = write(flow->to, flow->buffer + flow->start, len < PIPE_BUF ? len : PIPE_BUF);
	if (done < 0)
		return errno == EAGAIN || errno == EINTR ? 0 : -errno;
	flow->start += done;
	return 0;
}

/* Bytes that came behind the head of the answer. */
static void terminal_flow_prime(struct terminal_flow *flow, const struct mullion_connection *from)
{
	flow->end = from->to - from->from;
	memcpy(flow->buffer, from->buffer + from->from, flow->end);
}

/*
 * Takes our own commands out of what was typed; @pending remembers an escape
 * key that was the last byte.  Return: TERMINAL_GO_ON, or how to end.
 */
static int terminal_keys(struct terminal_flow *flow, bool *pending, const char *help)
{
	size_t to = flow->start;
	int end = TERMINAL_GO_ON;

	for (size_t from = flow->start; from < flow->end && end == TERMINAL_GO_ON; from++) {
		unsigned char c = flow->buffer[from];

		if (!*pending) {
			*pending = c == TERMINAL_ESCAPE;
			if (!*pending)
				flow->buffer[to++] = c;
			continue;
		}
		*pending = false;
		if (c == TERMINAL_ESCAPE)
			flow->buffer[to++] = c;
		else if (c == 'q' || c == 'd' || c == '.')
			end = MULLION_TERMINAL_LEAVE;
		else if (c == 'k')
			end = MULLION_TERMINAL_KILL;
		else
			fprintf(stderr, "\r\n[%s]\r\n", help);
	}
	flow->end = to;
	return end;
}

struct terminal_loop {
	struct mullion_terminal *terminal;
	struct terminal_flow in, out, log;
	bool raw;
	bool escaped;
	bool told_end;
};

/* One round.  Return: TERMINAL_GO_ON, or how to end. */
static int terminal_turn(struct terminal_loop *loop)
{
	struct terminal_flow *flows[] = { &loop->in, &loop->out, &loop->log };
	struct pollfd fds[7];
	int end;

	for (int i = 0; i < 3; i++)
		terminal_flow_poll(flows[i], &fds[2 * i], &fds[2 * i + 1]);
	fds[6] = (struct pollfd){ .fd = loop->terminal->signals, .events = POLLIN };
	if (poll(fds, 7, -1) < 0)
		return errno == EINTR ? TERMINAL_GO_ON : -errno;
	if (fds[6].revents)
		return MULLION_TERMINAL_SIGNAL;
	for (int i = 0; i < 3; i++) {
		int failed = 0;

		if (fds[2 * i].revents) {
			terminal_flow_read(flows[i]);
			if (i == 0 && loop->raw) {
				end = terminal_keys(&loop->in, &loop->escaped, loop->terminal->help);
				if (end != TERMINAL_GO_ON)
					return end;
			}
		}
		if (fds[2 * i + 1].revents)
			failed = terminal_flow_write(flows[i]);
		if (failed && i == 1)
			return MULLION_TERMINAL_OUTPUT;
		if (failed) {
			/* A guest or a log reader that is gone must not stop the output. */
			flows[i]->ended = true;
			flows[i]->start = flows[i]->end;
		}
	}
	if (terminal_flow_done(&loop->in) && !loop->told_end) {
		shutdown(loop->in.to, SHUT_WR);
		loop->told_end = true;
	}
	return terminal_flow_done(&loop->out) && terminal_flow_done(&loop->log)
		? MULLION_TERMINAL_CLOSED : TERMINAL_GO_ON;
}

int mullion_terminal_run(struct mullion_terminal *terminal)
{
	struct terminal_loop *loop = calloc(1, sizeof(*loop));
	int ret;

	if (!loop)
		return -ENOMEM;
	loop->terminal = terminal;
	loop->in.from = STDIN_FILENO;
	loop->in.to = loop->out.from = terminal->stream->fd;
	loop->in.socket_to = loop->out.socket_from = true;
	loop->out.to = STDOUT_FILENO;
	terminal_flow_prime(&loop->out, terminal->stream);
	loop->log.ended = !terminal->log;
	if (terminal->log) {
		loop->log.from = terminal->log->fd;
		loop->log.socket_from = true;
		loop->log.to = STDERR_FILENO;
		shutdown(terminal->log->fd, SHUT_WR);	/* nothing is typed there */
		terminal_flow_prime(&loop->log, terminal->log);
	}
	if (terminal->raw && isatty(STDIN_FILENO)) {
		fprintf(stderr, "[%s]\n", terminal->help);
		ret = terminal_make_raw();
		if (ret)
			goto out;
		loop->raw = true;
	}
	do {
		ret = terminal_turn(loop);
	} while (ret == TERMINAL_GO_ON);
	terminal_restore();
out:
	free(loop);
	return ret;
}
