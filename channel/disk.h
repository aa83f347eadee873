/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/disk.h - a process guest's disk driver (user space)
 *
 * Asynchronous SCSI on a vHBA device.  Data lies in the window's pool and is
 * named by offsets: nothing is copied here.  Commands survive the death of the
 * service: what is unanswered is issued again, in order, to its successor.
 *
 *	mullion_disk_submit(disk, io) ... many times
 *	mullion_disk_kick(disk)		shows them all to the service
 *	mullion_disk_poll(disk)		calls done() of what is answered
 *	mullion_disk_wait(disk, ms)	the same, sleeping if need be
 */
#ifndef MULLION_CHANNEL_DISK_H
#define MULLION_CHANNEL_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "../abi/io.h"
#include "wake.h"

struct mullion_disk;
struct mullion_guest;
struct mullion_guest_device;

/**
 * struct mullion_disk_segment - a piece of data in the pool
 * @offset: from the pool's start
 * @bytes: length
 */
struct mullion_disk_segment {
	uint64_t offset;
	uint64_t bytes;
};

/**
 * struct mullion_disk_io - one command; memory of the caller
 * @cdb: SCSI command
 * @id, @lun: which logical unit
 * @data_dir: UIS_DMA_*
 * @bufflen: bytes to move; at most the sum of the segments
 * @segment_count: entries of @segments, at most MAX_PHYS_INFO
 * @segments: where the data is
 * @inline_segment: for callers with one piece: point @segments at it
 * @done: called once, from mullion_disk_poll() or _wait() or the disk's close
 * @arg: the caller's
 * @error: result: 0 if the service answered (see @status); -ENODEV if the
 *	device is gone; -ECANCELED if it was closed; -EPROTO if it is faulted
 * @status: SCSI status byte; 0 is good
 * @host: host byte, UIS_HOST_*
 * @result: of a task management function: TASK_MGMT_SUCCESS or _FAILED
 * @residual: bytes of @bufflen that were not moved
 * @sense: sense data, valid if @status is CHECK CONDITION
 *
 * The rest is the driver's.  Must stay valid and unchanged until done().
 */
struct mullion_disk_io {
	uint8_t cdb[16];
	uint32_t id;
	uint32_t lun;
	uint32_t data_dir;
	uint32_t bufflen;
	uint16_t segment_count;
	const struct mullion_disk_segment *segments;
	struct mullion_disk_segment inline_segment;
	void (*done)(struct mullion_disk_io *io);
	void *arg;

	int error;
	uint8_t status;
	uint8_t host;
	uint8_t result;
	uint32_t residual;
	uint8_t sense[MAX_SENSE_SIZE];

	uint64_t request_id;
	uint32_t tasktype;
	uint16_t slot;
	bool issued;		/* in the ring of this epoch */
	bool reissue;		/* was in the ring of an earlier one */
	struct mullion_disk_io *next;
	struct mullion_disk_io *prev;
};

/**
 * struct mullion_disk_limits - what the channel says
 */
struct mullion_disk_limits {
	uint32_t max_id;
	uint32_t max_lun;
	uint32_t max_io_bytes;
	uint32_t max_outstanding;
	uint32_t io_align;
	uint64_t pool_share;
};

/**
 * struct mullion_disk_counters - ever increasing
 */
struct mullion_disk_counters {
	uint64_t submitted;
	uint64_t completed;
	uint64_t reissued;
	uint64_t stale;		/* answers of another epoch, dropped */
	uint64_t bogus;		/* answers to nothing that was asked, dropped */
	uint64_t rung;
	uint64_t sleeps;
	uint64_t rescues;	/* answers that only the slow poll found */
	uint64_t generations;	/* changes of the service that were survived */
};

/**
 * mullion_disk_open() - take a vHBA device and attach to it
 * @ret: on success the disk; close it with mullion_disk_close()
 * @device: without a driver
 * @milliseconds: to wait for the service's confirmation; -1: for ever
 *
 * Return: 0; -EPROTO if the channel is not one that we know; -EBUSY;
 * -ETIMEDOUT; -ENOSPC if the pool cannot give the device its share; -ENOMEM.
 */
int mullion_disk_open(struct mullion_disk **ret,
		      struct mullion_guest_device *device, int milliseconds);

/**
 * mullion_disk_close() - detach; NULL is harmless
 *
 * Unanswered commands end with -ECANCELED.  Waits at most some seconds for
 * the service's confirmation; without it the pool areas stay taken.
 */
void mullion_disk_close(struct mullion_disk *disk);

/**
 * mullion_disk_limits() - the channel's limits
 */
void mullion_disk_limits(const struct mullion_disk *disk,
			 struct mullion_disk_limits *ret);

/**
 * mullion_disk_counters() - a copy of the counters
 */
void mullion_disk_counters(const struct mullion_disk *disk,
			   struct mullion_disk_counters *ret);

/**
 * mullion_disk_set_wake() - choose how mullion_disk_wait() waits
 */
void mullion_disk_set_wake(struct mullion_disk *disk, enum mullion_wake mode);

/**
 * mullion_disk_alloc() - a data buffer in the pool, page-aligned
 * @offset: for segments
 * @ret: where it is mapped
 *
 * Return: 0 or as mullion_pool_alloc().
 */
int mullion_disk_alloc(struct mullion_disk *disk, size_t bytes,
		       uint64_t *offset, void **ret);

/**
 * mullion_disk_free() - give a buffer back; no command may use it any more
 */
void mullion_disk_free(struct mullion_disk *disk, uint64_t offset);

/**
 * mullion_disk_submit() - queue a command
 *
 * While the device is paused or its service is away the command waits and is
 * sent later.
 *
 * Return: 0, and done() will be called; -EAGAIN if max_outstanding commands
 * are unanswered; -EINVAL if a segment or count is out of range; -ENODEV.
 */
int mullion_disk_submit(struct mullion_disk *disk, struct mullion_disk_io *io);

/**
 * mullion_disk_submit_task() - queue a task management function
 * @io: @id, @lun, @done and @arg are used
 * @tasktype: TASK_MGMT_*
 *
 * Return: as mullion_disk_submit().
 */
int mullion_disk_submit_task(struct mullion_disk *disk,
			     struct mullion_disk_io *io, uint32_t tasktype);

/**
 * mullion_disk_kick() - show the service what was submitted
 */
void mullion_disk_kick(struct mullion_disk *disk);

/**
 * mullion_disk_poll() - complete what is answered; never blocks
 *
 * Follows generation changes and, now and then, does the guest's control work.
 *
 * Return: number of commands completed, or -ENODEV if the device is gone.
 */
int mullion_disk_poll(struct mullion_disk *disk);

/**
 * mullion_disk_wait() - complete at least one command
 * @milliseconds: to wait at most; -1: for ever
 *
 * Kicks first.  Return: as mullion_disk_poll(); 0 only after the time.
 */
int mullion_disk_wait(struct mullion_disk *disk, int milliseconds);

/**
 * mullion_disk_execute() - submit one command and wait for it
 *
 * @io->done is replaced for the time.  Return: 0 with the result in @io;
 * negative errno of submission, or @io->error.
 */
int mullion_disk_execute(struct mullion_disk *disk, struct mullion_disk_io *io);

/**
 * mullion_disk_outstanding() - commands submitted and not completed
 */
unsigned int mullion_disk_outstanding(const struct mullion_disk *disk);

/* Fill a command: cdb, data_dir, bufflen and its one segment. */
void mullion_disk_prep_read(struct mullion_disk_io *io, uint64_t lba,
			    uint32_t blocks, uint32_t block_bytes,
			    uint64_t offset);
void mullion_disk_prep_write(struct mullion_disk_io *io, uint64_t lba,
			     uint32_t blocks, uint32_t block_bytes,
			     uint64_t offset, bool fua);
void mullion_disk_prep_flush(struct mullion_disk_io *io);

/**
 * mullion_disk_prep_unmap() - fill an UNMAP of one range
 * @offset: of 24 bytes of pool for the parameter list, which @list maps
 */
void mullion_disk_prep_unmap(struct mullion_disk_io *io, uint64_t lba,
			     uint32_t blocks, uint64_t offset, void *list);

/**
 * mullion_disk_capacity() - READ CAPACITY(16), waited for
 *
 * Return: 0; as mullion_disk_execute(); -EIO if the unit answered with a
 * status other than good, twice.
 */
int mullion_disk_capacity(struct mullion_disk *disk, uint32_t id, uint32_t lun,
			  uint64_t *blocks, uint32_t *block_bytes);

#endif /* MULLION_CHANNEL_DISK_H */
