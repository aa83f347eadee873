/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/fuzz/fuzz_response.c - the command line's HTTP reader against any bytes
 *
 * The first byte says how large the pieces are in which the rest arrives.  Read
 * in pieces and at once, the response must come out alike.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "../../cli/response.h"

struct result {
	int ret;
	int status;
	size_t used;
	size_t body_len;
	uint64_t body_sum;
};

static int fuzz_take(void *arg, const char *data, size_t len)
{
	struct result *result = arg;

	for (size_t i = 0; i < len; i++)
		result->body_sum = result->body_sum * 31 + (unsigned char)data[i];
	result->body_len += len;
	return 0;
}

static struct result fuzz_read(const char *data, size_t size, size_t step)
{
	struct mullion_response response;
	struct result result = { 0 };

	mullion_response_init(&response, fuzz_take, &result);
	while (!result.ret && result.used < size) {
		size_t piece = size - result.used < step ? size - result.used : step;
		size_t used = 0;

		result.ret = mullion_response_feed(&response, data + result.used, piece, &used);
		if (used > piece)
			abort();
		if (result.ret >= 0)
			result.used += used;
	}
	if (result.ret < 0)
		result.used = 0;
	if (!result.ret)
		result.ret = mullion_response_finish(&response);
	result.status = response.status;
	return result;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct result pieces, whole;

	if (!size)
		return 0;
	pieces = fuzz_read((const char *)data + 1, size - 1, data[0] % 64 + 1);
	whole = fuzz_read((const char *)data + 1, size - 1, SIZE_MAX);
	if (pieces.ret != whole.ret || pieces.status != whole.status ||
	    pieces.used != whole.used || pieces.body_len != whole.body_len ||
	    pieces.body_sum != whole.body_sum)
		abort();
	return 0;
}
