// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_console.c - serial lines: history, loss, waiting, the end
 *
 * Both ends of a line and of each client are sockets of this process; the loop
 * is run until nothing is left to do.
 */

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../command/console.h"
#include "../../command/log.h"

#define KEEP	4096

struct line {
	sd_event *event;
	struct mullion_console *console;
	int guest;
	int gone;
	uint64_t input_end;
};

static void line_gone(void *arg)
{
	((struct line *)arg)->gone++;
}

static void line_input_end(void *arg, uint64_t bytes)
{
	((struct line *)arg)->input_end = bytes;
}

static void line_new(struct line *line, bool lossless, bool paced)
{
	struct mullion_console_options options = {
		.keep = KEEP,
		.lossless = lossless,
		.paced = paced,
		.log_fd = -1,
		.gone = line_gone,
		.input_end = line_input_end,
		.arg = line,
	};
	int pair[2];

	memset(line, 0, sizeof(*line));
	assert_true(sd_event_new(&line->event) >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	line->guest = pair[1];
	assert_int_equal(mullion_console_new(line->event, pair[0], &options, &line->console), 0);
}

static void line_run(struct line *line)
{
	while (sd_event_run(line->event, 0) > 0)
		;
}

static void line_free(struct line *line)
{
	mullion_console_release(line->console);
	if (line->guest >= 0)
		close(line->guest);
	sd_event_unref(line->event);
}

static void stream_close(struct mullion_stream *stream)
{
	close(stream->fd);
	free(stream);
}

/* Return: the client's end. */
static int attach(struct line *line, bool history, bool owner)
{
	struct mullion_stream *stream = calloc(1, sizeof(*stream));
	int pair[2];
	int small = 1;

	assert_non_null(stream);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small));
	stream->fd = pair[0];
	stream->close = stream_close;
	assert_int_equal(mullion_console_attach(line->console, stream, history, owner), 0);
	return pair[1];
}

/* Everything that can be read now; *ret_end: the other side has closed. */
static size_t take(int fd, char *out, size_t size, bool *ret_end)
{
	size_t used = 0;
	ssize_t n = 1;

	while (used < size && (n = read(fd, out + used, size - used)) > 0)
		used += (size_t)n;
	if (ret_end)
		*ret_end = n == 0;
	return used;
}

static void say(int fd, const char *text)
{
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void expect(int fd, const char *text)
{
	char out[256];
	size_t n = take(fd, out, sizeof(out) - 1, NULL);

	out[n] = '\0';
	assert_string_equal(out, text);
}

static void test_history(void **state)
{
	struct line line;
	int one, two;

	(void)state;
	line_new(&line, false, false);
	say(line.guest, "early ");
	line_run(&line);
	one = attach(&line, true, false);
	two = attach(&line, false, false);
	assert_int_equal(mullion_console_clients(line.console), 2);
	say(line.guest, "late");
	line_run(&line);
	expect(one, "early late");
	expect(two, "late");
	say(one, "typed");
	line_run(&line);
	expect(line.guest, "typed");
	/* Not an owner: nobody minds. */
	close(one);
	line_run(&line);
	assert_int_equal(line.gone, 0);
	assert_int_equal(mullion_console_clients(line.console), 1);
	close(two);
	line_free(&line);
}

static void test_loss(void **state)
{
	char block[1000], out[64 * 1024];
	struct line line;
	size_t n;
	int slow, i;

	(void)state;
	line_new(&line, false, false);
	slow = attach(&line, true, false);
	/* Far more than socket and ring hold: the guest is never stopped. */
	for (i = 0; i < 200; i++) {
		memset(block, 'a' + i % 26, sizeof(block));
		assert_int_equal(write(line.guest, block, sizeof(block)), sizeof(block));
		line_run(&line);
	}
	say(line.guest, "END");
	line_run(&line);
	n = 0;
	for (i = 0; i < 100; i++) {
		n += take(slow, out + n, sizeof(out) - n, NULL);
		line_run(&line);
	}
	assert_in_range(n, KEEP, 200 * 1000 - 1);
	assert_memory_equal(out + n - 3, "END", 3);
	close(slow);
	line_free(&line);
}

static void test_lossless(void **state)
{
	static char in[512 * 1024], out[sizeof(in)];
	size_t written = 0, got = 0, i;
	struct line line;
	bool end = false;
	ssize_t n;
	int client;
	char last;

	(void)state;
	for (i = 0; i < sizeof(in); i++)
		in[i] = (char)(i * 7 + i / 251);
	line_new(&line, true, false);
	/* Without a client the guest's writes stop at some time. */
	while ((n = write(line.guest, in + written, sizeof(in) - written)) > 0) {
		written += (size_t)n;
		line_run(&line);
	}
	assert_int_equal(errno, EAGAIN);
	assert_true(written < sizeof(in));
	client = attach(&line, false, false);
	assert_true(mullion_console_busy(line.console));
	while (got < sizeof(in)) {
		line_run(&line);
		got += take(client, out + got, sizeof(out) - got, NULL);
		n = write(line.guest, in + written, sizeof(in) - written);
		written += n > 0 ? (size_t)n : 0;
		if (written == sizeof(in) && line.guest >= 0) {
			/* The guest ends while much is on its way. */
			close(line.guest);
			line.guest = -1;
			mullion_console_end(line.console);
			break;
		}
	}
	for (i = 0; i < 10000 && !end; i++) {
		line_run(&line);
		got += take(client, out + got, sizeof(out) - got, NULL);
		end = got == sizeof(out) && recv(client, &last, 1, MSG_DONTWAIT) == 0;
	}
	assert_true(end);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(mullion_console_clients(line.console), 0);
	close(client);
	line_free(&line);
}

static void test_late(void **state)
{
	struct line line;
	char out[64];
	bool end;
	int client;

	(void)state;
	line_new(&line, true, false);
	say(line.guest, "all of it");
	close(line.guest);
	line.guest = -1;
	mullion_console_end(line.console);
	client = attach(&line, false, true);
	line_run(&line);
	assert_int_equal(take(client, out, sizeof(out), &end), 9);
	assert_true(end);
	assert_int_equal(line.gone, 0);
	close(client);
	line_free(&line);
}

static void test_owner(void **state)
{
	struct line line;
	int client;

	(void)state;
	line_new(&line, false, false);
	client = attach(&line, true, true);
	/* The end of its input is not its end. */
	shutdown(client, SHUT_WR);
	line_run(&line);
	assert_int_equal(line.gone, 0);
	say(line.guest, "still here");
	line_run(&line);
	expect(client, "still here");
	close(client);
	line_run(&line);
	assert_int_equal(line.gone, 1);
	line_free(&line);
}

static void test_released(void **state)
{
	char block[KEEP], out[2 * KEEP];
	struct line line;
	bool end = false;
	size_t got = 0;
	int client, i;

	(void)state;
	line_new(&line, false, false);
	client = attach(&line, true, false);
	memset(block, 'x', sizeof(block));
	assert_int_equal(write(line.guest, block, sizeof(block)), sizeof(block));
	line_run(&line);
	/* Its owner forgets it; its client still gets everything. */
	line.console = mullion_console_release(line.console);
	assert_null(line.console);
	for (i = 0; i < 100 && !end; i++) {
		got += take(client, out + got, sizeof(out) - got, &end);
		line_run(&line);
	}
	assert_true(end);
	assert_int_equal(got, sizeof(block));
	close(client);
	line_free(&line);
}

static void test_paced(void **state)
{
	static char in[60000], out[sizeof(in)];
	struct line line;
	size_t sent = 0, got = 0;
	int client, i;

	(void)state;
	line_new(&line, true, true);
	client = attach(&line, false, false);
	memset(in, 'i', sizeof(in));
	sent = (size_t)write(client, in, sizeof(in));
	line_run(&line);
	/* Not before the guest is ready. */
	assert_int_equal(take(line.guest, out, sizeof(out), NULL), 0);
	mullion_console_allow(line.console, 0);
	line_run(&line);
	got = take(line.guest, out, sizeof(out), NULL);
	assert_int_equal(got, 16384);
	/* What it never was sent it cannot have taken. */
	mullion_console_allow(line.console, UINT64_MAX);
	shutdown(client, SHUT_WR);
	for (i = 0; i < 1000 && got < sent; i++) {
		line_run(&line);
		got += take(line.guest, out + got, sizeof(out) - got, NULL);
		mullion_console_allow(line.console, got);
	}
	assert_int_equal(got, sent);
	line_run(&line);
	assert_int_equal(line.input_end, sent);
	close(client);
	line_free(&line);
}

static int log_next;

static int log_full(void *arg)
{
	(void)arg;
	log_next++;
	return memfd_create("next", MFD_CLOEXEC);
}

/* A guest that prints without end does not fill the disk. */
static void test_log_is_bounded(void **state)
{
	static char block[32768];
	struct mullion_console_options options = {
		.keep = KEEP, .log_full = log_full,
	};
	struct line line = { 0 };
	struct stat st;
	int pair[2], log;

	(void)state;
	options.log_fd = memfd_create("log", MFD_CLOEXEC);
	log = dup(options.log_fd);
	log_next = 0;
	assert_true(sd_event_new(&line.event) >= 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair), 0);
	line.guest = pair[1];
	assert_int_equal(mullion_console_new(line.event, pair[0], &options, &line.console), 0);
	for (int i = 0; i < 300; i++) {
		assert_true(write(line.guest, block, sizeof(block)) > 0);
		line_run(&line);
	}
	assert_int_equal(log_next, 1);
	assert_int_equal(fstat(log, &st), 0);
	assert_in_range(st.st_size, MULLION_LOG_FILE_BYTES, MULLION_LOG_FILE_BYTES + 65536);
	close(log);
	line_free(&line);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_history),
		cmocka_unit_test(test_loss),
		cmocka_unit_test(test_lossless),
		cmocka_unit_test(test_late),
		cmocka_unit_test(test_owner),
		cmocka_unit_test(test_released),
		cmocka_unit_test(test_paced),
		cmocka_unit_test(test_log_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
