/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * image/guest-run.c - in a guest: run the command of `mullion run -- CMD`
 *
 * guest-run COMMAND-FILE
 *
 * COMMAND-FILE holds NUL-terminated arguments.  The command's standard
 * descriptors are pipes, as in a pipeline; what goes through them travels over
 * /dev/ttyS1, raw.  Over /dev/ttyS2 go lines; to the host:
 *
 *	ready		the command is about to start
 *	taken N		so many bytes of ttyS1 were read until now
 *	exit N		the command's exit status, or 128 + the signal that ended it
 *	error TEXT	it could not be run, and why
 *
 * and from the host:
 *
 *	end N		standard input ends after so many bytes
 *	poweroff	end the command
 *
 * A serial port without hardware flow control loses what its reader has no room
 * for, so the host sends only a few KiB beyond what was taken.
 *
 * Linked statically: the same file works in any guest.  The caller powers the
 * guest off.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define COMMAND_TTY	"/dev/ttyS1"
#define STATUS_TTY	"/dev/ttyS2"
#define TAKEN_EVERY	4096

/* Bytes on their way; a descriptor is -1 when it is closed. */
struct flow {
	int from, to;
	size_t start, end;
	char buffer[4096];
};

struct relay {
	struct flow in;		/* ttyS1 to the command */
	struct flow out;	/* the command to ttyS1 */
	int status_fd;
	int child;		/* pidfd */
	uint64_t taken;
	uint64_t told;		/* of @taken */
	uint64_t input_end;
	char line[64];
	size_t line_bytes;
};

static int guest_run_open(const char *path)
{
	struct termios raw;
	int fd = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);

	if (fd >= 0 && !tcgetattr(fd, &raw)) {
		cfmakeraw(&raw);
		/* The emulated port is late with the last bytes of a burst if slow. */
		cfsetspeed(&raw, B115200);
		raw.c_cflag |= CLOCAL;
		tcsetattr(fd, TCSANOW, &raw);
	}
	return fd;
}

__attribute__((format(printf, 2, 3)))
static void guest_run_say(int fd, const char *format, ...)
{
	char line[512];
	va_list args;
	int bytes, done = 0;

	va_start(args, format);
	bytes = vsnprintf(line, sizeof(line) - 1, format, args);
	va_end(args);
	if (bytes < 0)
		return;
	if ((size_t)bytes > sizeof(line) - 2)
		bytes = sizeof(line) - 2;
	line[bytes++] = '\n';
	while (done < bytes) {
		struct pollfd room = { .fd = fd, .events = POLLOUT };
		ssize_t n;

		poll(&room, 1, -1);
		n = write(fd, line + done, (size_t)(bytes - done));
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return;
		done += n > 0 ? (int)n : 0;
	}
}

/* Whole file in memory plus a NUL; argv points into it. */
static char **guest_run_arguments(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;
	char *text = NULL, *at;
	char **argv = NULL;
	size_t count = 0;

	if (fd < 0)
		return NULL;
	if (fstat(fd, &st))
		goto out;
	text = calloc(1, (size_t)st.st_size + 1);
	if (!text || read(fd, text, (size_t)st.st_size) != st.st_size)
		goto out;
	for (at = text; at < text + st.st_size; at += strlen(at) + 1)
		count++;
	if (!count) {
		errno = EINVAL;
		goto out;
	}
	argv = calloc(count + 1, sizeof(*argv));
	if (!argv)
		goto out;
	count = 0;
	for (at = text; at < text + st.st_size; at += strlen(at) + 1)
		argv[count++] = at;
out:
	close(fd);
	if (!argv)
		free(text);
	return argv;
}

static pid_t guest_run_start(char **argv, struct relay *relay)
{
	int in[2], out[2];
	pid_t child;

	if (pipe2(in, O_CLOEXEC) || pipe2(out, O_CLOEXEC))
		return -1;
	child = fork();
	if (!child) {
		signal(SIGPIPE, SIG_DFL);
		setsid();
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(out[1], STDERR_FILENO);
		execvp(argv[0], argv);
		dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
		_exit(errno == ENOENT ? 127 : 126);
	}
	close(in[0]);
	close(out[1]);
	fcntl(in[1], F_SETFL, O_NONBLOCK);
	fcntl(out[0], F_SETFL, O_NONBLOCK);
	relay->in.to = in[1];
	relay->out.from = out[0];
	return child;
}

static void flow_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

/* Return: bytes read, 0 at the end, -1 if there is nothing now. */
static ssize_t flow_read(struct flow *flow)
{
	ssize_t n = read(flow->from, flow->buffer, sizeof(flow->buffer));

	if (n < 0)
		return errno == EAGAIN || errno == EINTR ? -1 : 0;
	flow->start = 0;
	flow->end = (size_t)n;
	return n;
}

/* A reader that is gone swallows the rest. */
static void flow_write(struct flow *flow)
{
	ssize_t n = flow->to < 0 ? -1 : write(flow->to, flow->buffer + flow->start,
					      flow->end - flow->start);

	if (n >= 0) {
		flow->start += (size_t)n;
	} else if (flow->to < 0 || (errno != EAGAIN && errno != EINTR)) {
		flow_close(&flow->to);
		flow->start = flow->end;
	}
}

static void relay_line(struct relay *relay)
{
	unsigned long long bytes;

	relay->line[relay->line_bytes] = '\0';
	relay->line_bytes = 0;
	if (sscanf(relay->line, "end %llu", &bytes) == 1)
		relay->input_end = bytes;
	else if (!strcmp(relay->line, "poweroff"))
		syscall(SYS_pidfd_send_signal, relay->child, SIGTERM, NULL, 0);
}

static void relay_status(struct relay *relay)
{
	char data[64];
	ssize_t n = read(relay->status_fd, data, sizeof(data));

	for (ssize_t i = 0; i < n; i++) {
		if (data[i] == '\n')
			relay_line(relay);
		else if (relay->line_bytes < sizeof(relay->line) - 1)
			relay->line[relay->line_bytes++] = data[i];
	}
}

static void relay_input(struct relay *relay)
{
	ssize_t n;

	if (relay->in.start == relay->in.end) {
		n = flow_read(&relay->in);
		relay->taken += n > 0 ? (uint64_t)n : 0;
	}
	if (relay->in.start != relay->in.end)
		flow_write(&relay->in);
	if (relay->taken - relay->told >= TAKEN_EVERY) {
		guest_run_say(relay->status_fd, "taken %llu", (unsigned long long)relay->taken);
		relay->told = relay->taken;
	}
	if (relay->taken >= relay->input_end && relay->in.start == relay->in.end)
		flow_close(&relay->in.to);
}

/* Until the command has ended and all that it wrote has left. */
static void relay_run(struct relay *relay)
{
	bool ended = false;

	for (;;) {
		bool in = relay->in.start != relay->in.end;
		bool out = relay->out.start != relay->out.end;
		struct pollfd fds[] = {
			{ .fd = in ? relay->in.to : relay->in.from, .events = in ? POLLOUT : POLLIN },
			{ .fd = out ? relay->out.to : relay->out.from, .events = out ? POLLOUT : POLLIN },
			{ .fd = relay->status_fd, .events = POLLIN },
			{ .fd = ended ? -1 : relay->child, .events = POLLIN },
		};

		/* Whoever else holds the pipe does not keep an ended command alive. */
		if (poll(fds, 4, ended && !out ? 0 : -1) < 0)
			continue;
		if (ended && !out && !fds[1].revents)
			return;
		if (fds[2].revents)
			relay_status(relay);
		if (fds[0].revents || relay->taken >= relay->input_end)
			relay_input(relay);
		if (fds[1].revents && out)
			flow_write(&relay->out);
		else if (fds[1].revents && !flow_read(&relay->out))
			flow_close(&relay->out.from);
		if (fds[3].revents)
			ended = true;
	}
}

int main(int argc, char **argv)
{
	struct relay relay = { .input_end = UINT64_MAX };
	char **command;
	int tty, status = 0;
	pid_t child;

	signal(SIGPIPE, SIG_IGN);
	relay.status_fd = guest_run_open(STATUS_TTY);
	if (relay.status_fd < 0) {
		perror("guest-run: " STATUS_TTY);
		return 1;
	}
	if (argc != 2) {
		guest_run_say(relay.status_fd, "error usage: guest-run COMMAND-FILE");
		return 1;
	}
	command = guest_run_arguments(argv[1]);
	if (!command) {
		guest_run_say(relay.status_fd, "error %s: %s", argv[1], strerror(errno));
		return 1;
	}
	tty = guest_run_open(COMMAND_TTY);
	if (tty < 0) {
		guest_run_say(relay.status_fd, "error " COMMAND_TTY ": %s", strerror(errno));
		return 1;
	}
	relay.in.from = tty;
	relay.out.to = tty;
	guest_run_say(relay.status_fd, "ready");
	child = guest_run_start(command, &relay);
	if (child > 0)
		relay.child = (int)syscall(SYS_pidfd_open, child, 0);
	if (child < 0 || relay.child < 0) {
		guest_run_say(relay.status_fd, "error cannot start the command: %s",
			      strerror(errno));
		return 1;
	}
	relay_run(&relay);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR)
		;
	/* All that it printed has left before the host hears that it ended. */
	tcdrain(tty);
	guest_run_say(relay.status_fd, "exit %d",
		      WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
	tcdrain(relay.status_fd);
	return 0;
}
