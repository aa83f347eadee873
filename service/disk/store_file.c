// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/store_file.c - blocks in a regular file or on a block device: I/O
 *
 * Theory of operation
 *
 * Data moves between the client's pool and the file with no copy of our own.
 * What cannot block for long is done inline, in the call that asks for it;
 * everything else goes through the ring and never holds up the queue:
 *
 *  - A read is tried with RWF_NOWAIT.  What the page cache does not have is
 *    read through the ring.  A memory file system does not know RWF_NOWAIT and
 *    does not block either: there the read is a plain one.
 *  - Of many reads that come together each would pay for entering the kernel
 *    alone: they go through the ring, which is entered once for all of a turn.
 *    What the page cache has is there when that call returns.
 *  - A buffered write of up to FILE_INLINE_WRITE bytes is done inline, because
 *    handing it to a kernel worker costs thirty times as much.  It may still
 *    be slow (a full journal, throttling of dirty pages).  Copying the largest
 *    takes about 0.1 ms, in which others of the queue wait.  One that takes very
 *    long, or two of a few that take long, send all writes through the ring
 *    for a while, twice as long each time it happens again.  A single one that
 *    takes long may just have lost its CPU to somebody else.
 *  - Flushes, stable writes, hole punching and all direct I/O go through the
 *    ring.
 *
 * A flush with nothing written since the last one succeeded, and none under
 * way, ends at once.  Writes count as done for this when they have ended.
 *
 * Direct I/O (cache=none, the descriptor was opened so) moves unaligned
 * vectors through a buffer of its own.  So do reads through the ring of a file
 * that is open for reading only: the lock on it is shared, so it does not tell a
 * successor when they have ended, and one that ends late must not land in
 * memory of a guest that uses it for something else by then.
 *
 * Where the kernel gives no ring everything is inline, and slow operations do
 * hold up the others.
 *
 * Failure behaviour: errors of the kernel are passed on, an end of file within
 * a read as -ENODATA; punching that the file system does not know is
 * -EOPNOTSUPP for ever after.  The kernel reports once that it could not write
 * pages back, and then forgets them; so after one such report every flush
 * fails, until the file is opened anew.
 */
#include <errno.h>
#include <fcntl.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <linux/falloc.h>

#include "store_file.h"

#define FILE_INLINE_WRITE	(1U << 20)
#define FILE_BATCH_READ		(64U << 10)	/* larger ones gain nothing */
#define FILE_SLOW_NS		1000000ULL	/* an inline write that is slow */
#define FILE_VERY_SLOW_NS	20000000ULL	/* and one that says it all */
#define FILE_BACKOFF_MAX_NS	1600000000ULL

/* To a tick: what is slow spans one, and a good clock would cost too much. */
static uint64_t file_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* @bytes have moved: let the vectors begin behind them. */
static void file_advance(struct store_io *io, uint64_t bytes)
{
	io->moved += bytes;
	while (io->iovcnt && bytes >= io->iov->iov_len) {
		bytes -= io->iov->iov_len;
		io->iov++;
		io->iovcnt--;
	}
	if (io->iovcnt) {
		io->iov->iov_base = (char *)io->iov->iov_base + bytes;
		io->iov->iov_len -= bytes;
	}
}

static void file_queue(struct store_file *file, struct store_io *io);

/* ---- direct I/O through a buffer --------------------------------------- */

static bool file_is_aligned(const struct store_file *file,
			    const struct store_io *io)
{
	uint64_t odd = 0;
	uint16_t i;

	for (i = 0; i < io->iovcnt; i++)
		odd |= (uintptr_t)io->iov[i].iov_base | io->iov[i].iov_len;
	return !(odd & (file->align - 1));
}

static void file_copy(struct store_io *io, uint8_t *buffer, bool to_vectors)
{
	uint16_t i;

	for (i = 0; i < io->iovcnt; i++) {
		if (to_vectors)
			memcpy(io->iov[i].iov_base, buffer, io->iov[i].iov_len);
		else
			memcpy(buffer, io->iov[i].iov_base, io->iov[i].iov_len);
		buffer += io->iov[i].iov_len;
	}
}

/* What a bounced operation had before: kept in front of its buffer. */
struct file_bounce {
	struct iovec *iov;
	uint16_t iovcnt;
	struct iovec vec;
	uint8_t *buffer;
};

static bool file_needs_bounce(const struct store_file *file,
			      const struct store_io *io)
{
	if (io->op == STORE_READ && file->read_only && file->slot >= 0)
		return true;
	return io->op <= STORE_WRITE && file->direct && !file_is_aligned(file, io);
}

static int file_bounce_begin(struct store_io *io)
{
	struct file_bounce *bounce = malloc(sizeof(*bounce));
	uint64_t bytes = io->bytes - io->moved;

	if (!bounce)
		return -ENOMEM;
	if (posix_memalign((void **)&bounce->buffer, FILE_UNKNOWN_ALIGN, bytes)) {
		free(bounce);
		return -ENOMEM;
	}
	if (io->op == STORE_WRITE)
		file_copy(io, bounce->buffer, false);
	bounce->iov = io->iov;
	bounce->iovcnt = io->iovcnt;
	bounce->vec.iov_base = bounce->buffer;
	bounce->vec.iov_len = bytes;
	io->iov = &bounce->vec;
	io->iovcnt = 1;
	io->scratch = bounce;
	return 0;
}

static void file_bounce_end(struct store_io *io, int error)
{
	struct file_bounce *bounce = io->scratch;

	io->scratch = NULL;
	io->iov = bounce->iov;
	io->iovcnt = bounce->iovcnt;
	if (!error && io->op == STORE_READ)
		file_copy(io, bounce->buffer, true);
	free(bounce->buffer);
	free(bounce);
}

/* ---- through the ring -------------------------------------------------- */

static int file_end(struct store_file *file, struct store_io *io, int error)
{
	switch (io->op) {
	case STORE_FLUSH:
		file->flushes--;
		if (error)
			file->dirty = true;
		file->lost |= error && !file->direct;
		break;
	case STORE_READ:
		break;
	default:
		file->dirty = true;
		/* it may be the report of what others wrote before */
		file->lost |= error == -EIO && io->flags & STORE_FUA &&
			      !file->direct;
	}
	if (io->scratch)
		file_bounce_end(io, error);
	return error;
}

static int file_fallocate_error(struct store_file *file, struct store_io *io,
				int error)
{
	switch (error) {
	case -EOPNOTSUPP:
	case -ENOSYS:
	case -ENODEV:
	case -EINVAL:
		if (io->op == STORE_ZERO)
			file->no_zero = true;
		return -EOPNOTSUPP;
	default:
		return error;
	}
}

/*
 * What a system call or the ring says about an operation.  Returns true if
 * there is more to do.
 */
static bool file_result(struct store_file *file, struct store_io *io,
			int64_t res, int *error)
{
	*error = 0;
	if (res == -EINTR || res == -EAGAIN)
		return true;
	switch (io->op) {
	case STORE_READ:
	case STORE_WRITE:
		if (res > 0)
			file_advance(io, (uint64_t)res);
		else if (!res)
			*error = io->op == STORE_READ ? -ENODATA : -ENOSPC;
		else
			*error = (int)res;
		return !*error && io->moved < io->bytes;
	case STORE_FLUSH:
		*error = (int)res;
		return false;
	default:
		*error = res ? file_fallocate_error(file, io, (int)res) : 0;
		return false;
	}
}

static void file_ring_done(struct mullion_uring_op *op, int res)
{
	struct store_io *io = (struct store_io *)(void *)
		((unsigned char *)op - offsetof(struct store_io, ring));
	struct store_file *file = io->owner;
	int error;

	if (file_result(file, io, res, &error)) {
		file_queue(file, io);
		return;
	}
	io->done(io, file_end(file, io, error));
}

static int file_fallocate_mode(const struct store_io *io)
{
	return FALLOC_FL_KEEP_SIZE | (io->op == STORE_UNMAP ?
				      FALLOC_FL_PUNCH_HOLE :
				      FALLOC_FL_ZERO_RANGE);
}

/* Hand the rest of an operation to the ring; false: it has no room. */
static bool file_ring(struct store_file *file, struct store_io *io)
{
	struct io_uring_sqe *sqe = mullion_uring_sqe();
	uint64_t offset = io->offset + io->moved;

	if (!sqe)
		return false;
	switch (io->op) {
	case STORE_READ:
		if (io->iovcnt == 1)
			io_uring_prep_read(sqe, file->slot, io->iov->iov_base,
					   (unsigned int)io->iov->iov_len, offset);
		else
			io_uring_prep_readv(sqe, file->slot, io->iov, io->iovcnt,
					    offset);
		break;
	case STORE_WRITE:
		io_uring_prep_writev2(sqe, file->slot, io->iov, io->iovcnt,
				      offset, io->flags & STORE_FUA ?
				      RWF_DSYNC : 0);
		break;
	case STORE_FLUSH:
		io_uring_prep_fsync(sqe, file->slot, IORING_FSYNC_DATASYNC);
		break;
	default:
		io_uring_prep_fallocate(sqe, file->slot,
					file_fallocate_mode(io),
					(off_t)io->offset, (off_t)io->bytes);
	}
	io->ring.done = file_ring_done;
	mullion_uring_queue(sqe, &io->ring);
	return true;
}

static void file_queue(struct store_file *file, struct store_io *io)
{
	if (!file->starved && file_ring(file, io))
		return;
	io->next = NULL;
	*file->starved_end = io;
	file->starved_end = &io->next;
}

void store_file_turn_end(struct store *store)
{
	struct store_file *file = file_of(store);
	struct store_io *io;

	while ((io = file->starved)) {
		struct store_io *next = io->next;

		if (!file_ring(file, io))
			return;
		file->starved = next;
		if (!next)
			file->starved_end = &file->starved;
	}
}

/* ---- inline ------------------------------------------------------------ */

static int64_t file_call(struct store_file *file, struct store_io *io,
			 int flags)
{
	off_t offset = (off_t)(io->offset + io->moved);
	int64_t res;

	switch (io->op) {
	case STORE_READ:
		res = preadv2(file->fd, io->iov, io->iovcnt, offset, flags);
		break;
	case STORE_WRITE:
		res = pwritev2(file->fd, io->iov, io->iovcnt, offset, flags);
		break;
	case STORE_FLUSH:
		res = fdatasync(file->fd);
		break;
	default:
		res = fallocate(file->fd, file_fallocate_mode(io),
				(off_t)io->offset, (off_t)io->bytes);
	}
	return res < 0 ? -errno : res;
}

/* Where there is no ring. */
static int file_blocking(struct store_file *file, struct store_io *io)
{
	int flags = io->op == STORE_WRITE && io->flags & STORE_FUA ?
		    RWF_DSYNC : 0;
	int error;

	while (file_result(file, io, file_call(file, io, flags), &error))
		;
	return file_end(file, io, error);
}

static int file_background(struct store_file *file, struct store_io *io)
{
	int error;

	if (file_needs_bounce(file, io)) {
		error = file_bounce_begin(io);
		if (error)
			return error;
	}
	if (file->slot < 0)
		return file_blocking(file, io);
	file_queue(file, io);
	return STORE_PENDING;
}

/* One of many reads: the ring is entered once for all of this turn. */
static bool file_is_batch(const struct store_file *file, const struct store_io *io)
{
	return file->nowait && !file->read_only && file->slot >= 0 &&
	       io->bytes <= FILE_BATCH_READ &&
	       (io->flags & STORE_BATCH || mullion_uring_queued());
}

static int file_read(struct store_file *file, struct store_io *io)
{
	int64_t res;
	int error;

	if (file->direct || io->flags & STORE_ASYNC ||
	    !(file->nowait || file->memory) || file_is_batch(file, io))
		return file_background(file, io);
	res = file_call(file, io, file->nowait ? RWF_NOWAIT : 0);
	if (res == (int64_t)io->bytes) {
		io->moved = io->bytes;
		return 0;
	}
	if (res == -EOPNOTSUPP) {
		file->nowait = false;
		return file_background(file, io);
	}
	if (!file_result(file, io, res, &error))
		return error;
	return file_background(file, io);
}

/* An inline write that began then took @ns: is it better to ask the ring? */
static void file_learn(struct store_file *file, uint64_t begun, uint64_t ns)
{
	bool again = file->since_slow < FILE_SLOW_WINDOW;

	file->since_slow = 0;
	if (file->slot < 0 || (!again && ns < FILE_VERY_SLOW_NS))
		return;
	if (begun - file->slow_until > file->backoff * 8)
		file->backoff = FILE_BACKOFF_NS;
	else if (file->backoff < FILE_BACKOFF_MAX_NS)
		file->backoff *= 2;
	file->slow_until = begun + ns + file->backoff;
	file->since_slow = FILE_SLOW_WINDOW;
}

static int file_write(struct store_file *file, struct store_io *io)
{
	uint64_t begun, took;
	int64_t res;
	int error;

	if (file->direct || io->flags & (STORE_FUA | STORE_ASYNC) ||
	    io->bytes > FILE_INLINE_WRITE)
		return file_background(file, io);
	begun = file_now();
	if (begun < file->slow_until)
		return file_background(file, io);
	res = file_call(file, io, 0);
	file->dirty = true;
	took = file_now() - begun;
	if (took > FILE_SLOW_NS)
		file_learn(file, begun, took);
	else
		file->since_slow++;
	if (res == (int64_t)io->bytes) {
		io->moved = io->bytes;
		return 0;
	}
	if (!file_result(file, io, res, &error))
		return error;
	return file_background(file, io);
}

int store_file_submit(struct store *store, struct store_io *io)
{
	struct store_file *file = file_of(store);

	io->scratch = NULL;
	io->owner = file;
	switch (io->op) {
	case STORE_READ:
		return file_read(file, io);
	case STORE_WRITE:
		return file_write(file, io);
	case STORE_FLUSH:
		if (file->lost)
			return -EIO;
		if (file->read_only || (!file->dirty && !file->flushes))
			return 0;
		file->dirty = false;
		file->flushes++;
		return file_background(file, io);
	default:
		if (io->op == STORE_ZERO && file->no_zero)
			return -EOPNOTSUPP;
		return file_background(file, io);
	}
}
