/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/hba.h - visorhba, and the SCSI layer as far as it matters
 */
#ifndef INTREE_HBA_H
#define INTREE_HBA_H

#include "guest.h"

#define HBA_PENDING	128	/* commands and task management together */
#define HBA_LUNS	64

struct hba_lun {
	uint32_t id;
	uint32_t lun;
	uint32_t blocks;
	uint32_t block_bytes;
	bool read_only;
};

/**
 * struct hba_command - a command and its answer
 * @data: its data, allocated by the caller
 * @raw: if set, this many entries of @raw_list instead: requests that cannot be
 * @linuxstat, @sense: the answer, once @done
 * @resets: times that it was finished with a reset by a standby and sent again
 */
struct hba_command {
	uint32_t id;
	uint32_t lun;
	uint8_t cdb[16];
	uint32_t direction;
	uint32_t bufflen;
	const struct ram_list *data;
	unsigned int raw;
	struct guest_phys_info raw_list[MAX_PHYS_INFO];

	bool done;
	bool reset;
	uint32_t linuxstat;
	uint8_t sense[MAX_SENSE_SIZE];
	bool task;
	uint32_t tasktype;
	uint64_t serial;		/* of its submission */
	uint64_t covered_until;		/* of a task: commands up to here */
};

struct hba {
	struct device *device;
	struct channel *channel;
	pthread_mutex_t lock;
	pthread_cond_t change;
	pthread_t thread;
	bool thread_runs;
	bool down;			/* in standby: commands wait */
	struct hba_command *pending[HBA_PENDING];
	unsigned int next_slot;
	uint64_t serial;
	struct vhba_config_max max;
	struct hba_lun luns[HBA_LUNS];
	unsigned int lun_count;
	uint32_t *seeds;		/* what was written, by block (hba_io.c) */
};

/* Sends it and returns; waits while the device is in standby or full. */
void hba_submit(struct hba *hba, struct hba_command *command);
/*
 * Waits for the answer; what was reset by a standby is sent again.  After
 * Linux's 30 s the error handling of 5.10 begins: 0, or -ETIMEDOUT when that has
 * come to its end.
 */
int hba_wait(struct hba *hba, struct hba_command *command);
/* Both, and again as the SCSI layer does for busy and unit attention. */
int hba_execute(struct hba *hba, struct hba_command *command);
/* TASK_MGMT_*; 0 or -ETIMEDOUT. */
int hba_task(struct hba *hba, uint32_t type, uint32_t id, uint32_t lun);
bool hba_good(const struct hba_command *command);
unsigned int hba_most_entries(const struct hba *hba);
uint32_t hba_most_bytes(const struct hba *hba);

/* hba_scan.c: fill @hba->luns as a scan and sd's probe would */
int hba_scan(struct hba *hba);

/* hba_io.c: work for a while */

/* Random verified reads and writes; @seconds 0: @rounds of them. */
int hba_io(struct hba *hba, unsigned int rounds, unsigned int seconds);
/* The same in the background, until hba_io_stop(). */
int hba_io_start(struct hba *hba);
int hba_io_stop(void);
/* Tasks, idle and over commands under way. */
int hba_io_tasks(struct hba *hba);
/* Requests that must be refused, and the disk afterwards. */
int hba_io_bad(struct hba *hba);
/* A read into memory that is gone from the file: any answer, or none. */
int hba_io_truncated(struct hba *hba, uint64_t gpa);

#endif /* INTREE_HBA_H */
