// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/store_nbd.c - blocks at an NBD server, over a connected socket
 *
 * Theory of operation
 *
 * The command partition connects the socket and hands it over; libnbd speaks
 * the protocol on it, without blocking, driven by the loop.  An operation is
 * one NBD request per piece of contiguous memory.  libnbd's completion
 * callbacks must not call libnbd, so they only count; operations whose last
 * request has ended are finished when the call into libnbd has returned.
 *
 * Unmapping is WRITE_ZEROES with holes allowed, since TRIM promises nothing
 * about what is read afterwards.  Stable writes use FUA if the server has it,
 * else a flush behind them.
 *
 * A successor first reads the predecessor's connection to its end (fence.c):
 * the server closes it when no request of that connection is left.
 *
 * Limits: no TLS, no reconnection: a lost server makes every operation fail
 * with -ENOTCONN until a successor is given a new connection.  Servers that
 * want blocks larger than 512 bytes are refused.  Where the holes are is not
 * asked.
 *
 * Failure behaviour: the server's error is the operation's error; a handshake
 * that takes longer than NBD_HANDSHAKE_MS fails the opening.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>

#include <libnbd.h>

#include "../../abi/disk.h"
#include "../common/log.h"
#include "../common/loop.h"
#include "fence.h"
#include "store.h"

#define NBD_HANDSHAKE_MS	20000
#define NBD_PIECE_BYTES		(1ULL << 30)	/* of requests without data */
#define NBD_BLOCK_BYTES		512

struct store_nbd {
	struct store store;
	struct nbd_handle *nbd;
	const char *name;
	int fd;			/* before and while libnbd has it */
	int fence_fd;
	uint32_t events;	/* watched for */
	bool watched;
	bool read_only;
	bool ready;
	bool lost;
	bool can_flush;
	bool can_fua;
	bool finishing;		/* a done() is being called */
	bool closed;		/* by it */
	struct store_io *finished;
	struct store_io **finished_end;
	struct fence fence;
	struct mullion_loop_timer timer;
};

static struct store_nbd *nbd_of(struct store *store)
{
	return (struct store_nbd *)store;
}

static void nbd_event(void *arg, uint32_t events);

/* Watch for what libnbd waits for. */
static void nbd_watch(struct store_nbd *store)
{
	unsigned int direction = nbd_aio_get_direction(store->nbd);
	uint32_t events = 0;

	if (direction & LIBNBD_AIO_DIRECTION_READ)
		events |= EPOLLIN;
	if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		events |= EPOLLOUT;
	if (store->lost || (store->watched && events == store->events))
		return;
	if (store->watched)
		mullion_loop_mod(store->fd, events);
	else
		store->watched = !mullion_loop_add(store->fd, events, nbd_event,
						   store);
	store->events = events;
}

static void nbd_unwatch(struct store_nbd *store)
{
	if (store->watched)
		mullion_loop_del(store->fd);
	store->watched = false;
}

static int nbd_errno(void)
{
	int error = nbd_get_errno();

	return error ? -error : -EIO;
}

/* ---- requests ---------------------------------------------------------- */

static int nbd_piece_done(void *arg, int *error)
{
	struct store_io *io = arg;
	struct store_nbd *store = io->owner;

	if (*error && !io->result)
		io->result = -*error;
	if (!--io->count) {
		io->next = NULL;
		*store->finished_end = io;
		store->finished_end = &io->next;
	}
	return 1;	/* libnbd forgets the request */
}

static void nbd_piece(struct store_nbd *store, struct store_io *io,
		      void *memory, uint64_t bytes, uint64_t offset)
{
	nbd_completion_callback done = {
		.callback = nbd_piece_done,
		.user_data = io,
	};
	uint32_t fua = io->flags & STORE_FUA && store->can_fua ?
		       LIBNBD_CMD_FLAG_FUA : 0;
	int64_t cookie;

	io->count++;
	switch (io->op) {
	case STORE_READ:
		cookie = nbd_aio_pread(store->nbd, memory, bytes, offset, done, 0);
		break;
	case STORE_WRITE:
		cookie = nbd_aio_pwrite(store->nbd, memory, bytes, offset, done,
					fua);
		break;
	case STORE_FLUSH:
		cookie = nbd_aio_flush(store->nbd, done, 0);
		break;
	default:
		cookie = nbd_aio_zero(store->nbd, bytes, offset, done,
				      io->op == STORE_ZERO ?
				      LIBNBD_CMD_FLAG_NO_HOLE : 0);
	}
	if (cookie >= 0)
		return;
	io->count--;
	if (!io->result)
		io->result = store->lost ? -ENOTCONN : nbd_errno();
}

/* One request per piece of contiguous memory. */
static void nbd_pieces(struct store_nbd *store, struct store_io *io)
{
	uint64_t offset = io->offset;
	uint16_t i = 0;

	while (i < io->iovcnt && !io->result) {
		uint8_t *memory = io->iov[i].iov_base;
		uint64_t bytes = io->iov[i].iov_len;

		for (i++; i < io->iovcnt && io->iov[i].iov_base == memory + bytes; i++)
			bytes += io->iov[i].iov_len;
		nbd_piece(store, io, memory, bytes, offset);
		offset += bytes;
	}
}

static bool nbd_is_aligned(const struct store_io *io)
{
	uint16_t i;

	for (i = 0; i < io->iovcnt; i++)
		if (io->iov[i].iov_len % NBD_BLOCK_BYTES)
			return false;
	return true;
}

/* Pieces that are no whole blocks go through a buffer. */
static void nbd_bounce(struct store_nbd *store, struct store_io *io)
{
	/* zeroes: what a server leaves out of its answer must not be ours */
	uint8_t *buffer = calloc(1, io->bytes);
	size_t at = 0;
	uint16_t i;

	if (!buffer) {
		io->result = -ENOMEM;
		return;
	}
	io->scratch = buffer;
	for (i = 0; io->op == STORE_WRITE && i < io->iovcnt; i++) {
		memcpy(buffer + at, io->iov[i].iov_base, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	nbd_piece(store, io, buffer, io->bytes, io->offset);
}

static void nbd_bounce_end(struct store_io *io)
{
	uint8_t *buffer = io->scratch;
	size_t at = 0;
	uint16_t i;

	io->scratch = NULL;
	for (i = 0; !io->result && io->op == STORE_READ && i < io->iovcnt; i++) {
		memcpy(io->iov[i].iov_base, buffer + at, io->iov[i].iov_len);
		at += io->iov[i].iov_len;
	}
	free(buffer);
}

static void nbd_start(struct store_nbd *store, struct store_io *io)
{
	uint64_t done, bytes;

	switch (io->op) {
	case STORE_READ:
	case STORE_WRITE:
		if (nbd_is_aligned(io))
			nbd_pieces(store, io);
		else
			nbd_bounce(store, io);
		break;
	case STORE_FLUSH:
		nbd_piece(store, io, NULL, 0, 0);
		break;
	default:
		for (done = 0; done < io->bytes && !io->result; done += bytes) {
			bytes = io->bytes - done;
			if (bytes > NBD_PIECE_BYTES)
				bytes = NBD_PIECE_BYTES;
			nbd_piece(store, io, NULL, bytes, io->offset + done);
		}
	}
}

/* All requests have ended.  Returns STORE_PENDING if more had to follow. */
static int nbd_end(struct store_nbd *store, struct store_io *io)
{
	bool flush = io->op == STORE_WRITE && io->flags & STORE_FUA &&
		     !store->can_fua && store->can_flush;

	if (io->scratch)
		nbd_bounce_end(io);
	if (io->result)
		return io->result;
	if (!flush) {
		io->moved = io->bytes;
		return 0;
	}
	io->op = STORE_FLUSH;
	io->count = 1;
	nbd_start(store, io);
	return --io->count ? STORE_PENDING : io->result;
}

static void nbd_free(struct store_nbd *store);

/* The last command of a disk that was removed closes it: @store may be gone. */
static void nbd_finish(struct store_nbd *store)
{
	struct store_io *io;
	int error;

	store->finishing = true;
	while ((io = store->finished)) {
		store->finished = io->next;
		if (!store->finished)
			store->finished_end = &store->finished;
		error = nbd_end(store, io);
		if (error != STORE_PENDING)
			io->done(io, error);
	}
	store->finishing = false;
	if (store->closed)
		nbd_free(store);
}

static int nbd_submit(struct store *base, struct store_io *io)
{
	struct store_nbd *store = nbd_of(base);

	/* first: what was written may be lost with the server */
	if (store->lost)
		return -ENOTCONN;
	if (io->op == STORE_FLUSH && !store->can_flush)
		return 0;
	if (io->op >= STORE_UNMAP && !base->unmap)
		return -EOPNOTSUPP;
	io->owner = store;
	io->scratch = NULL;
	io->result = 0;
	/* one more than there are, so that none ends the operation in here */
	io->count = 1;
	nbd_start(store, io);
	if (--io->count)
		return STORE_PENDING;
	return nbd_end(store, io);
}

/* ---- the connection ---------------------------------------------------- */

static void nbd_lost(struct store_nbd *store)
{
	if (store->lost)
		return;
	nbd_unwatch(store);
	store->lost = true;
	mullion_log(LOG_ERR, store->name,
		    "lost its NBD server; every command fails until the service is restarted with a new connection");
}

static int nbd_negotiated(struct store_nbd *store)
{
	struct nbd_handle *nbd = store->nbd;
	int64_t minimum = nbd_get_block_size(nbd, LIBNBD_SIZE_MINIMUM);

	if (minimum > NBD_BLOCK_BYTES) {
		mullion_log(LOG_ERR, store->name,
			    "NBD server wants blocks of %d bytes; it must serve 512",
			    (int)minimum);
		return -EINVAL;
	}
	if (!store->read_only && nbd_is_read_only(nbd) > 0) {
		mullion_log(LOG_ERR, store->name,
			    "NBD export is read-only; add ,ro to the disk");
		return -EROFS;
	}
	store->can_flush = nbd_can_flush(nbd) > 0;
	store->can_fua = nbd_can_fua(nbd) > 0;
	store->store.unmap = !store->read_only && nbd_can_zero(nbd) > 0;
	store->store.unmap_granularity = 4096;
	if (!store->can_flush && !store->read_only)
		mullion_log(LOG_WARNING, store->name,
			    "NBD server cannot flush: writes are as safe as the server makes them");
	return 0;
}

/* The opening has ended; the store may be closed by whoever hears of it. */
static void nbd_opened(struct store_nbd *store, int error)
{
	mullion_loop_timer_stop(&store->timer);
	store->ready = true;
	store->store.opened(&store->store, store->store.arg, error);
}

static void nbd_handshake_late(void *arg)
{
	struct store_nbd *store = arg;

	mullion_log(LOG_ERR, store->name,
		    "NBD server did not finish the handshake in %d s",
		    NBD_HANDSHAKE_MS / 1000);
	nbd_opened(store, -ETIMEDOUT);
}

static void nbd_progress(struct store_nbd *store)
{
	struct nbd_handle *nbd = store->nbd;
	int error;

	if (store->ready) {
		if (nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd))
			nbd_lost(store);
		else
			nbd_watch(store);
		nbd_finish(store);
		return;
	}
	if (nbd_aio_is_dead(nbd) || nbd_aio_is_closed(nbd)) {
		const char *why = nbd_get_error();

		mullion_log(LOG_ERR, store->name, "NBD handshake failed: %s",
			    why ? why : "the server closed the connection");
		nbd_unwatch(store);
		nbd_opened(store, -ECONNREFUSED);
		return;
	}
	nbd_watch(store);
	if (nbd_aio_is_ready(nbd)) {
		error = nbd_negotiated(store);
		nbd_opened(store, error);
	}
}

static void nbd_event(void *arg, uint32_t events)
{
	struct store_nbd *store = arg;
	unsigned int direction = nbd_aio_get_direction(store->nbd);

	/* either changes the direction, so never both */
	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR) &&
	    direction & LIBNBD_AIO_DIRECTION_READ)
		nbd_aio_notify_read(store->nbd);
	else if (direction & LIBNBD_AIO_DIRECTION_WRITE)
		nbd_aio_notify_write(store->nbd);
	nbd_progress(store);
}

static void nbd_turn_end(struct store *base)
{
	struct store_nbd *store = nbd_of(base);

	if (!store->ready || store->lost)
		return;
	nbd_watch(store);
	nbd_finish(store);
}

static void nbd_at_once(void *arg)
{
	nbd_progress(arg);
}

static void nbd_refused(void *arg)
{
	nbd_opened(arg, -ECONNREFUSED);
}

/*
 * From here on the socket is libnbd's, success or not; so a failure at once is
 * reported like a later one.
 */
static void nbd_connect(struct store_nbd *store)
{
	if (nbd_aio_connect_socket(store->nbd, store->fd) < 0) {
		mullion_log(LOG_ERR, store->name, "NBD handshake failed: %s",
			    nbd_get_error());
		mullion_loop_timer_start(&store->timer, 0, false, nbd_refused,
					 store);
		return;
	}
	nbd_watch(store);
	/* a fast server leaves no event to wait for: the handshake is over */
	if (nbd_aio_is_connecting(store->nbd))
		mullion_loop_timer_start(&store->timer, NBD_HANDSHAKE_MS, false,
					 nbd_handshake_late, store);
	else
		mullion_loop_timer_start(&store->timer, 0, false, nbd_at_once,
					 store);
}

static void nbd_fenced(struct fence *fence, int error)
{
	struct store_nbd *store = (struct store_nbd *)(void *)
		((unsigned char *)fence - offsetof(struct store_nbd, fence));

	close(store->fence_fd);
	store->fence_fd = -1;
	if (error)
		nbd_opened(store, error);
	else
		nbd_connect(store);
}

static int64_t nbd_size(struct store *base)
{
	int64_t bytes = nbd_get_size(nbd_of(base)->nbd);

	return bytes < 0 ? nbd_errno() : bytes;
}

static int nbd_status(struct store *base, uint64_t offset, uint64_t bytes,
		      uint64_t *run, bool *mapped)
{
	(void)base;
	(void)offset;
	*run = bytes;
	*mapped = true;
	return 0;
}

static void nbd_free(struct store_nbd *store)
{
	fence_cancel(&store->fence);
	mullion_loop_timer_stop(&store->timer);
	nbd_unwatch(store);
	if (store->ready && !store->lost)
		nbd_aio_disconnect(store->nbd, 0);
	nbd_close(store->nbd);
	if (store->fence_fd >= 0)
		close(store->fence_fd);
	free(store);
}

static void nbd_close_store(struct store *base)
{
	struct store_nbd *store = nbd_of(base);

	if (store->finishing)
		store->closed = true;
	else
		nbd_free(store);
}

static const struct store_ops nbd_ops = {
	.submit = nbd_submit,
	.size = nbd_size,
	.status = nbd_status,
	.turn_end = nbd_turn_end,
	.close = nbd_close_store,
};

/**
 * store_nbd_open() - speak NBD on a connected socket
 */
int store_nbd_open(const struct store_request *request, struct store **out)
{
	struct store_nbd *store;
	int error;

	if (request->fd < 0) {
		mullion_log(LOG_ERR, request->name,
			    "was announced without a connection");
		return -EBADF;
	}
	store = calloc(1, sizeof(*store));
	if (!store)
		return -ENOMEM;
	store->store.ops = &nbd_ops;
	store->store.opened = request->opened;
	store->store.arg = request->arg;
	store->name = request->name;
	store->fd = request->fd;
	store->fence_fd = request->fence_fd;
	store->finished_end = &store->finished;
	store->read_only = request->config->flags & MULLION_DISK_READ_ONLY;
	store->nbd = nbd_create();
	if (!store->nbd) {
		error = nbd_errno();
		goto fail;
	}
	nbd_set_export_name(store->nbd, (const char *)request->config->export);
	/* reads go to memory that the guest had anyway */
	nbd_set_pread_initialize(store->nbd, false);
	error = 0;
	if (store->fence_fd >= 0)
		error = fence_drain(&store->fence, store->fence_fd,
				    request->name, nbd_fenced);
	if (error && error != -EINPROGRESS)
		goto fail_nbd;
	if (!error)
		nbd_connect(store);
	*out = &store->store;
	return -EINPROGRESS;

fail_nbd:
	nbd_close(store->nbd);
fail:
	free(store);
	return error;
}
