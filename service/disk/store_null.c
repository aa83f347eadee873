// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/store_null.c - a medium of zeroes that forgets what is written
 *
 * For benchmarks of everything above it: every operation ends at once.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "../../abi/disk.h"
#include "store.h"

struct store_null {
	struct store store;
	uint64_t bytes;
};

static int null_submit(struct store *store, struct store_io *io)
{
	uint16_t i;

	(void)store;
	if (io->op == STORE_READ)
		for (i = 0; i < io->iovcnt; i++)
			memset(io->iov[i].iov_base, 0, io->iov[i].iov_len);
	io->moved = io->bytes;
	return 0;
}

static int64_t null_size(struct store *store)
{
	return (int64_t)((struct store_null *)store)->bytes;
}

static int null_status(struct store *store, uint64_t offset, uint64_t bytes,
		       uint64_t *run, bool *mapped)
{
	(void)store;
	(void)offset;
	*run = bytes;
	*mapped = false;
	return 0;
}

static void null_close(struct store *store)
{
	free(store);
}

static const struct store_ops null_ops = {
	.submit = null_submit,
	.size = null_size,
	.status = null_status,
	.close = null_close,
};

int store_null_open(const struct store_request *request, struct store **out)
{
	struct store_null *null = calloc(1, sizeof(*null));

	if (!null)
		return -ENOMEM;
	null->store.ops = &null_ops;
	null->store.unmap = true;
	null->store.unmap_granularity = 512;
	null->bytes = request->config->bytes;
	*out = &null->store;
	return 0;
}
