/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/unit/test_cli_response.c - the command line's HTTP reader and its numbers
 *
 * Every response is read twice: in one piece and byte by byte.  Both must end
 * alike.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "../../cli/report.h"
#include "../../cli/response.h"

struct body {
	char text[256];
	size_t len;
	int refuse;
};

static int body_take(void *arg, const char *data, size_t len)
{
	struct body *body = arg;

	if (body->refuse)
		return body->refuse;
	assert_true(len <= sizeof(body->text) - body->len);
	memcpy(body->text + body->len, data, len);
	body->len += len;
	return 0;
}

struct vector {
	const char *text;
	int result;	/* of the last feed, then of finish if that is 0 */
	int status;
	const char *body;
	const char *rest;	/* what follows the response */
};

static const struct vector vectors[] = {
	{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", 1, 200, "hello", "" },
	{ "HTTP/1.1 200 OK\ncontent-length:5 \n\nhellomore", 1, 200, "hello", "more" },
	{ "HTTP/1.1 204 No Content\r\n\r\n", 1, 204, "", "" },
	{ "HTTP/1.0 200\r\n\r\nuntil the end", 0, 200, "until the end", "" },
	{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 No\r\nContent-Length: 2\r\n\r\n{}", 1, 404,
	  "{}", "" },
	{ "HTTP/1.1 101 Switch\r\nUpgrade: x\r\n\r\nraw\0bytes", 1, 101, "", "raw" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
	  "3\r\nabc\r\n0A;x=y\r\n0123456789\r\n0\r\nTrailer: x\r\n\r\n", 1, 200,
	  "abc0123456789", "" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab", -ECONNRESET, 200, "ab",
	  "" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", -ECONNRESET, 200, "hello", "" },
	{ "", -ECONNRESET, 0, "", "" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", -EPROTO, 200, "", "" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", -EPROTO, 200, "", "" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n", -EPROTO, 200, "", "" },
	{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", -EPROTO, 200, "",
	  "" },
	{ "HTTP/1.1 200 OK\r\nno colon\r\n\r\n", -EPROTO, 200, "", "" },
	{ "HTTP/1.1 99 No\r\n\r\n", -EPROTO, 0, "", "" },
	{ "HTTP/1.1 2000 No\r\n\r\n", -EPROTO, 0, "", "" },
	{ "HTTP/2.0 200 OK\r\n\r\n", -EPROTO, 0, "", "" },
	{ "SSH-2.0-x\r\n", -EPROTO, 0, "", "" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n", -EPROTO, 200, "", "" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", -EPROTO, 200, "a",
	  "" },
	{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n", -EPROTO,
	  200, "", "" },
};

static void check_vector(const struct vector *vector, size_t step)
{
	size_t len = strlen(vector->text), at = 0, used = 0;
	struct mullion_response response;
	struct body body = { .len = 0 };
	int ret = 0;

	mullion_response_init(&response, body_take, &body);
	while (at < len && !ret) {
		size_t piece = len - at < step ? len - at : step;

		ret = mullion_response_feed(&response, vector->text + at, piece, &used);
		assert_true(ret < 0 || used <= piece);
		at += ret < 0 ? 0 : used;
	}
	if (!ret)
		ret = mullion_response_finish(&response);
	assert_int_equal(ret, vector->result);
	assert_int_equal(response.status, vector->status);
	assert_int_equal(body.len, strlen(vector->body));
	assert_memory_equal(body.text, vector->body, body.len);
	if (ret == 1)
		assert_string_equal(vector->text + at, vector->rest);
}

static void test_vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(vectors) / sizeof(*vectors); i++) {
		check_vector(&vectors[i], SIZE_MAX);
		check_vector(&vectors[i], 1);
	}
}

static void test_long_head(void **state)
{
	struct mullion_response response;
	static const char start[] = "HTTP/1.1 200 OK\r\n";
	size_t used;
	int ret;

	(void)state;
	/* One endless line. */
	mullion_response_init(&response, NULL, NULL);
	ret = mullion_response_feed(&response, start, strlen(start), &used);
	for (int i = 0; i < 100000 && !ret; i++)
		ret = mullion_response_feed(&response, "x", 1, &used);
	assert_int_equal(ret, -E2BIG);
	assert_int_equal(mullion_response_feed(&response, "x", 1, &used), -E2BIG);

	/* Endless lines. */
	mullion_response_init(&response, NULL, NULL);
	ret = mullion_response_feed(&response, start, strlen(start), &used);
	for (int i = 0; i < 100000 && !ret; i++)
		ret = mullion_response_feed(&response, "a: b\r\n", 6, &used);
	assert_int_equal(ret, -E2BIG);
}

static void test_refused_body(void **state)
{
	static const char text[] = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
	struct mullion_response response;
	struct body body = { .refuse = -EPIPE };
	size_t used;

	(void)state;
	mullion_response_init(&response, body_take, &body);
	assert_int_equal(mullion_response_feed(&response, text, strlen(text), &used), -EPIPE);
}

static void test_requests(void **state)
{
	char *text = mullion_request_head("GET", "/x", NULL, NULL, 0);

	(void)state;
	assert_string_equal(text, "GET /x HTTP/1.1\r\nHost: mullion\r\nConnection: close\r\n\r\n");
	free(text);
	text = mullion_request_head("POST", "/x", "raw", "text/plain", 7);
	assert_string_equal(text, "POST /x HTTP/1.1\r\nHost: mullion\r\nContent-Type: text/plain\r\n"
			    "Content-Length: 7\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
	free(text);
	text = mullion_request_escape("a/b c\r\n?\xc3\xa4~");
	assert_string_equal(text, "a%2Fb%20c%0D%0A%3F%C3%A4~");
	free(text);
}

static void test_sizes(void **state)
{
	char text[MULLION_SIZE_TEXT];
	uint64_t value = 7;

	(void)state;
	assert_int_equal(mullion_report_parse_size("512M", &value), 0);
	assert_int_equal(value, 512 << 20);
	assert_int_equal(mullion_report_parse_size("2GiB", &value), 0);
	assert_int_equal(value, 2ULL << 30);
	assert_int_equal(mullion_report_parse_size("4096", &value), 0);
	assert_int_equal(value, 4096);
	assert_int_equal(mullion_report_parse_size("4096B", &value), 0);
	assert_int_equal(mullion_report_parse_size("1k", &value), 0);
	assert_int_equal(value, 1024);
	assert_int_equal(mullion_report_parse_size("", &value), -EINVAL);
	assert_int_equal(mullion_report_parse_size("-1", &value), -EINVAL);
	assert_int_equal(mullion_report_parse_size("M", &value), -EINVAL);
	assert_int_equal(mullion_report_parse_size("1X", &value), -EINVAL);
	assert_int_equal(mullion_report_parse_size("1Mx", &value), -EINVAL);
	assert_int_equal(mullion_report_parse_size("16777216T", &value), -ERANGE);
	assert_int_equal(mullion_report_parse_size("99999999999999999999", &value), -ERANGE);
	assert_int_equal(value, 1024);

	assert_string_equal(mullion_report_size(512 << 20, text), "512M");
	assert_string_equal(mullion_report_size(1536, text), "1.5K");
	assert_string_equal(mullion_report_size(0, text), "0B");
	assert_string_equal(mullion_report_size(UINT64_MAX, text), "15.9E");
	assert_string_equal(mullion_report_duration(59, text), "59s");
	assert_string_equal(mullion_report_duration(7500, text), "2h 05m");
}

static void test_clean(void **state)
{
	char text[] = "a\033[31mb\nc\302\233d\303\244\177";

	(void)state;
	mullion_report_clean(text);
	assert_string_equal(text, "a?[31mb c??d\303\244?");
}

/* In one piece and byte by byte the same comes out. */
static void test_filter(void **state)
{
	static const char in[] = "a\033[31mb\033]0;title\ac\033P1$r\033\\d\r\ne\tf\b\033(Bg"
				 "\033[\nh\302\233i\303\244\177\n";
	static const char out[] = "abcd\ne\tfg\nh\302?i\303\244\n";
	struct mullion_filter filter = { 0 };
	char text[sizeof(in)];
	size_t used = 0;

	(void)state;
	memcpy(text, in, sizeof(in));
	used = mullion_report_filter(&filter, text, sizeof(in) - 1);
	assert_int_equal(used, sizeof(out) - 1);
	assert_memory_equal(text, out, used);
	used = 0;
	memset(&filter, 0, sizeof(filter));
	for (size_t i = 0; i < sizeof(in) - 1; i++) {
		char c = in[i];

		if (mullion_report_filter(&filter, &c, 1))
			text[used++] = c;
	}
	assert_int_equal(used, sizeof(out) - 1);
	assert_memory_equal(text, out, used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_long_head),
		cmocka_unit_test(test_refused_body),
		cmocka_unit_test(test_requests),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_filter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
