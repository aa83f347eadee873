/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/fake_device.h - the common layer's place taken by a test
 *
 * Everything that service/common/device.h offers to a class, without windows
 * and rings: requests are made here and answered into memory.  State channels
 * and objects lie in memory that is shared with children, so a child can be a
 * service that dies and the next one its successor.
 */
#ifndef MULLION_TESTS_FAKE_DEVICE_H
#define MULLION_TESTS_FAKE_DEVICE_H

#include "../../abi/disk.h"
#include "../../service/common/device.h"

struct fake_answer {
	uint8_t status;		/* SCSI status */
	uint8_t host;
	uint8_t key;
	uint16_t asc;		/* additional sense code and qualifier */
	uint8_t result;		/* of a task */
	uint32_t moved;
	uint8_t sense[MAX_SENSE_SIZE];
};

/**
 * struct fake_request - a request under way
 */
struct fake_request {
	struct mullion_request request;
	struct mullion_state_request record;
	struct fake_answer answer;
	bool answered;
};

/* State that children share; before they are forked. */
void fake_share(void);

/* Once per process: the loop, and fake_share() if that has not been. */
void fake_init(void);

/* A device of this number; its UUID is made from it. */
struct mullion_device *fake_device_new(unsigned int number);

/* Start it with @count units; -EINPROGRESS is waited for. */
int fake_device_start(struct mullion_device *device,
		      const struct mullion_disk_lun *luns, unsigned int count,
		      const int *fds, bool adopt);
int fake_device_reconfigure(struct mullion_device *device,
			    const struct mullion_disk_lun *luns,
			    unsigned int count, const int *fds);

/* Quiesce, wait, stop, free. */
void fake_device_stop(struct mullion_device *device);

/* A configuration entry for a disk of this number. */
struct mullion_disk_lun fake_lun(unsigned int disk, uint32_t store,
				 uint64_t bytes);

/* Send a command; the data is cut into @pieces vectors. */
struct fake_request *fake_send(struct mullion_device *device, uint32_t lun,
			       const uint8_t *cdb, unsigned int cdb_bytes,
			       uint32_t data_dir, void *data, uint32_t bytes,
			       unsigned int pieces);
/*
 * Send a command again, as request @id, with the phase that a dead service left
 * behind; if its result was recorded that is the answer.
 */
struct fake_request *fake_send_again(struct mullion_device *device,
				     uint32_t lun, const uint8_t *cdb,
				     unsigned int cdb_bytes, uint32_t data_dir,
				     void *data, uint32_t bytes, uint64_t id);
struct fake_request *fake_send_task(struct mullion_device *device,
				    uint32_t type, uint32_t lun);

/* Wait for the answer and free the request. */
struct fake_answer fake_wait(struct fake_request *request);

/* Let the loop turn until nothing happens for a moment. */
void fake_turn(void);

/* Both at once. */
struct fake_answer fake_scsi(struct mullion_device *device, uint32_t lun,
			     const uint8_t *cdb, unsigned int cdb_bytes,
			     uint32_t data_dir, void *data, uint32_t bytes);

/* Request id that the next fake_send() will have. */
extern uint64_t fake_next_id;

/* Die at the next answer, with its effect done and nothing recorded. */
extern bool fake_die_unanswered;

/* Disk notifications so far. */
extern unsigned int fake_notified_added, fake_notified_removed;

#endif /* MULLION_TESTS_FAKE_DEVICE_H */
