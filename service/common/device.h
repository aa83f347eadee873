/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/device.h - what a device class sees of the common layer
 *
 * A service process is this layer plus one class.  The layer owns windows,
 * rings, epochs, doorbells, the state area and the sandbox; the class owns
 * what requests mean.
 *
 * There are two kinds of classes.  A request class gets requests, copied out,
 * checked and recorded in the state area, and answers each once; it never
 * touches shared memory except through the I/O vectors of a request.  A
 * message class, whose messages are not all questions and whose unanswered
 * ones a client sends again anyway, reads and writes the rings itself
 * (queue.h); nothing of them is recorded.
 *
 * One thread runs everything.  Callbacks must not block for long; what takes
 * long is started and completed later through mullion_request_complete().
 */
#ifndef MULLION_SERVICE_DEVICE_H
#define MULLION_SERVICE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

#include "../../abi/ext.h"
#include "../../abi/guid.h"
#include "../../abi/io.h"
#include "../../abi/service.h"
#include "../../abi/state.h"

struct mullion_device;

#define MULLION_REQUEST_CLASS_BYTES 192

/**
 * struct mullion_request - one request, copied out and checked
 * @device: where it came from
 * @record: its record in the state area
 * @cmdtype: CMD_SCSI_TYPE, CMD_SCSITASKMGMT_TYPE, ...
 * @queue: queue pair that it came through
 * @behind: requests that wait behind it and are taken in the same turn
 * @reissue: the client says that a predecessor may have taken it
 * @recorded_phase: with @reissue, the phase found in the state area:
 *	MULLION_REQUEST_FREE if unknown; DONE never reaches the class
 * @handle, @request_id, @epoch: identify it; echoed by the layer
 * @cdb, @data_dir, @id, @lun, @bufflen: of a SCSI request
 * @tasktype, @notify_handle, @notifyresult_handle: of a task management request
 * @iov, @iovcnt, @iov_bytes: its data, in mapped memory that the client can
 *	change at any moment; @iov_bytes >= @bufflen was checked
 * @entries: of its list, as the client says
 * @linuxstat, @scsistat, @addlstat, @residual, @sense, @result: the answer,
 *	zeroed before the class sees the request
 * @next: for lists of whoever owns the request at the moment
 * @class: the class's own, aligned for anything
 */
struct mullion_request {
	struct mullion_device *device;
	struct mullion_state_request *record;
	uint8_t cmdtype;
	uint8_t queue;
	uint8_t behind;
	bool reissue;
	uint8_t recorded_phase;
	uint32_t epoch;
	uint64_t handle;
	uint64_t request_id;
	uint8_t cdb[16];
	uint32_t data_dir;
	uint32_t id;
	uint32_t lun;
	uint32_t bufflen;
	uint32_t tasktype;
	uint64_t notify_handle;
	uint64_t notifyresult_handle;
	uint32_t iov_bytes;
	uint16_t iovcnt;
	uint16_t entries;
	uint32_t linuxstat;
	uint8_t scsistat;
	uint8_t addlstat;
	uint8_t result;
	uint32_t residual;
	uint8_t sense[MAX_SENSE_SIZE];
	struct mullion_request *next;
	_Alignas(16) unsigned char class[MULLION_REQUEST_CLASS_BYTES];
	struct iovec iov[MAX_PHYS_INFO];
};

/**
 * struct mullion_class - a device class
 * @name: "disk"; also the name of the service program without "mullion-"
 * @type: channel type GUID
 * @channel_version: version_id of its channels
 * @queue_pairs: in one channel, 1 to MULLION_QUEUE_PAIRS_MAX; a request class
 *	has 1
 * @queue_slots: slots per ring
 * @max_outstanding: requests that one device may have unanswered; for a
 *	message class what its messages say
 * @features: offered, MULLION_EXTF_*
 * @pool_share: bytes of pool that one device is guaranteed
 * @ram_read_only: of guests that give their RAM it only reads
 * @device_bytes: of the class's private part of a device, zeroed at start
 * @syscalls: seccomp: what the class needs beyond the layer's own list,
 *	system call numbers, ended by -1
 * @uring_opcodes: io_uring: opcodes that the class needs, ended by -1
 * @init: once, in the sandbox's parent state: allocate, no files to open.
 * @start: a DEVICE_CREATE(server): @config is the class part of the payload
 *	(private copy, checked by the class), @fds its STORE descriptors by
 *	index (-1: none; the class takes those that it uses), @fence_fds
 *	the STORE_FENCE ones.  With @adopt the channel exists and the class
 *	restores from its state objects.  May return -EINPROGRESS and call
 *	mullion_device_started() later (waiting for a fence).
 * @describe_channel: fill the class's fixed part of a fresh channel
 * @reconfigure: as start, for DEVICE_RECONFIGURE; 0 or negative errno
 * @configure: configuration of the service as a whole (MULLION_SERVICE_WIDE):
 *	before the first device and whenever it changes; 0 or negative errno.
 *	NULL: there is none
 * @request: a request class: a request; the class must complete it exactly once
 * @poll: a message class: take messages from the device's queues; returns how
 *	much was done, 0 for nothing.  Called in each turn while it serves
 * @epoch_begin: a new client epoch was confirmed; @fresh: new incarnation
 * @quiesce: start nothing new for this device, and let what runs complete;
 *	call mullion_device_quiesced() when nothing is left
 * @resume: the opposite of quiesce
 * @stop: forget the device; nothing is running
 * @turn_end: after each turn of the loop: submit what was batched
 *
 * One of @request and @poll is set, and all the others: a class with nothing to
 * do gives an empty function.
 */
struct mullion_class {
	const char *name;
	guid_t type;
	uint32_t channel_version;
	uint32_t queue_pairs;
	uint32_t queue_slots;
	uint32_t max_outstanding;
	uint64_t features;
	uint64_t pool_share;
	bool ram_read_only;
	size_t device_bytes;
	const int *syscalls;
	const int *uring_opcodes;

	int (*init)(void);
	int (*start)(struct mullion_device *device, const void *config,
		     size_t bytes, int *fds, int *fence_fds, size_t fd_count,
		     bool adopt);
	void (*describe_channel)(struct mullion_device *device,
				 struct visor_io_channel *fixed);
	int (*reconfigure)(struct mullion_device *device, const void *config,
			   size_t bytes, int *fds, int *fence_fds,
			   size_t fd_count);
	int (*configure)(const void *config, size_t bytes, int *fds,
			 size_t fd_count);
	void (*request)(struct mullion_request *request);
	unsigned int (*poll)(struct mullion_device *device);
	void (*epoch_begin)(struct mullion_device *device, bool fresh);
	void (*quiesce)(struct mullion_device *device);
	void (*resume)(struct mullion_device *device);
	void (*stop)(struct mullion_device *device);
	void (*turn_end)(void);
};

/**
 * mullion_device_private() - the class's private part of @device
 */
void *mullion_device_private(struct mullion_device *device);

/**
 * mullion_device_name() - "bus:dev" and UUID for log lines
 */
const char *mullion_device_name(const struct mullion_device *device);

/**
 * mullion_device_channel_state() - the device's record in the state area
 *
 * The class may use its class_state; counters are the layer's.
 */
struct mullion_state_channel *
mullion_device_channel_state(struct mullion_device *device);

/**
 * mullion_state_object_get() - the state object named @uuid, made if missing
 *
 * Return: the object, which keeps its data across services; NULL if all are
 * in use.
 */
struct mullion_state_object *mullion_state_object_get(const guid_t *uuid);

/**
 * mullion_device_polled() - its client rings nobody and is not rung
 */
bool mullion_device_polled(const struct mullion_device *device);

/**
 * mullion_device_plain() - its client knows nothing of Mullion's extension
 *
 * As Linux's own drivers, which never send a CDB of more than 12 bytes.
 */
bool mullion_device_plain(const struct mullion_device *device);

/**
 * mullion_request_effect() - the request is about to have an effect
 *
 * Marks its record EXECUTING.  To be called before the first effect of a
 * request that is not idempotent; others may call it too.
 */
void mullion_request_effect(struct mullion_request *request);

/**
 * mullion_request_complete() - answer a request
 *
 * Records the result, then writes the response; rings once per turn of the
 * loop.  The request must not be used afterwards.
 */
void mullion_request_complete(struct mullion_request *request);

/**
 * mullion_device_notify_disk() - tell the client that a disk came or went
 *
 * Sends a CMD_NOTIFYGUEST_TYPE message when the client takes them.
 */
void mullion_device_notify_disk(struct mullion_device *device, bool added,
				uint32_t id, uint32_t lun);

/**
 * mullion_device_started() - a start that was -EINPROGRESS ended
 * @error: 0 or negative errno
 */
void mullion_device_started(struct mullion_device *device, int error);

/**
 * mullion_device_quiesced() - the class has nothing running for @device
 */
void mullion_device_quiesced(struct mullion_device *device);

/**
 * mullion_service_main() - a service program is this call
 * @class: its class
 *
 * Parses the command line (--describe prints the class's type as JSON;
 * --help), builds the sandbox, serves until the command partition closes the
 * socket.  Return: the exit status.
 */
int mullion_service_main(int argc, char **argv,
			 const struct mullion_class *class);

#endif /* MULLION_SERVICE_DEVICE_H */
