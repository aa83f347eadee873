// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/counters.c - is COMPARE AND WRITE ever done twice, or lost?
 *
 *	counters GUEST LUN RECORD COUNT GENERATIONS SECONDS
 *	counters check FILE RECORD
 *
 * A process guest with COUNT counters, one in each block.  COMPARE AND WRITE
 * raises each by one, again and again, all at once.  GOOD counts; UNIT
 * ATTENTION 29h/07h says that nobody knows, and the block is read: it must hold
 * the old number or the new one.  MISCOMPARE is what a second execution would
 * get.  This goes on until the service has been replaced GENERATIONS times; the
 * sums are written to RECORD, which `check` compares with the image itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define COUNTERS_MAX	64
#define ROUNDS_AFTER	8

struct counter {
	struct mullion_disk_io io;
	uint64_t value;		/* known to be on the disk */
	uint64_t offset;
	uint8_t *memory;	/* expected and new block */
	unsigned int index;
	unsigned int rounds;
	bool reading;
	bool busy;
};

static struct client client;
static struct counter counters[COUNTERS_MAX];
static unsigned int count;
static uint64_t executed, unknown, unknown_done;
static bool ending;

/* A block that says its number everywhere: half an old one would show. */
static void fill(uint8_t *block, unsigned int index, uint64_t value)
{
	uint64_t words[64];

	for (unsigned int i = 0; i < 64; i++)
		words[i] = value ? value * 1000 + index : 0;
	memcpy(block, words, 512);
}

static bool holds(const uint8_t *block, unsigned int index, uint64_t value)
{
	uint8_t expected[512];

	fill(expected, index, value);
	return !memcmp(block, expected, 512);
}

static void counter_done(struct mullion_disk_io *io);

static void counter_submit(struct counter *counter)
{
	struct mullion_disk_io *io = &counter->io;
	int r;

	counter->busy = true;
	if (counter->reading) {
		mullion_disk_prep_read(io, counter->index, 1, 512, counter->offset);
		io->lun = client.lun;
	} else {
		fill(counter->memory, counter->index, counter->value);
		fill(counter->memory + 512, counter->index, counter->value + 1);
		memset(io->cdb, 0, sizeof(io->cdb));
		io->cdb[0] = 0x89;
		put_be(io->cdb + 2, counter->index, 8);
		io->cdb[13] = 1;
		client_data(&client, io, UIS_DMA_TO_DEVICE, counter->offset, 1024);
	}
	io->done = counter_done;
	io->arg = counter;
	r = mullion_disk_submit(client.disk, io);
	if (r < 0)
		client_fail("submit: %s", strerror(-r));
}

static void counter_read(struct counter *counter)
{
	client_good(&counter->io, "read");
	if (holds(counter->memory, counter->index, counter->value + 1)) {
		counter->value++;
		unknown_done++;
	} else if (!holds(counter->memory, counter->index, counter->value)) {
		client_fail("counter %u holds neither %" PRIu64 " nor the next",
			    counter->index, counter->value);
	}
	counter->reading = false;
}

static void counter_done(struct mullion_disk_io *io)
{
	struct counter *counter = io->arg;

	counter->busy = false;
	if (counter->reading) {
		counter_read(counter);
	} else if (client_sense(io) == SENSE_NEXUS_LOSS) {
		unknown++;
		counter->reading = true;
		counter_submit(counter);
		return;
	} else {
		if (client_sense(io) == SENSE_MISCOMPARE)
			client_fail("counter %u is not %" PRIu64 ": done twice?",
				    counter->index, counter->value);
		client_good(io, "COMPARE AND WRITE");
		counter->value++;
		counter->rounds++;
		executed++;
	}
	if (!ending)
		counter_submit(counter);
}

/* Kills may go on: only what follows the last one that was wanted counts. */
static bool survived(uint64_t wanted)
{
	struct mullion_disk_counters now;
	bool enough;

	mullion_disk_counters(client.disk, &now);
	enough = now.generations >= wanted;
	for (unsigned int i = 0; !enough && i < count; i++)
		counters[i].rounds = 0;
	return enough;
}

static bool settled(void)
{
	for (unsigned int i = 0; i < count; i++)
		if (counters[i].rounds < ROUNDS_AFTER)
			return false;
	return true;
}

static bool idle(void)
{
	for (unsigned int i = 0; i < count; i++)
		if (counters[i].busy)
			return false;
	return true;
}

static void turn(void)
{
	int r = mullion_disk_wait(client.disk, 1000);

	if (r < 0)
		client_fail("disk: %s", strerror(-r));
}

static void record(const char *path)
{
	struct mullion_disk_counters now;
	FILE *file = fopen(path, "w");

	if (!file)
		client_fail("%s: cannot be written", path);
	for (unsigned int i = 0; i < count; i++)
		fprintf(file, "%" PRIu64 "\n", counters[i].value);
	if (fclose(file))
		client_fail("%s: cannot be written", path);
	mullion_disk_counters(client.disk, &now);
	printf("%" PRIu64 " executed, %" PRIu64 " unknown (%" PRIu64 " of them done), "
	       "%" PRIu64 " services survived, %" PRIu64 " re-issued\n", executed,
	       unknown, unknown_done, now.generations, now.reissued);
}

static int check_file(const char *path, const char *record_path)
{
	FILE *image = fopen(path, "r"), *list = fopen(record_path, "r");
	unsigned int index = 0;
	uint8_t block[512];
	uint64_t value;

	if (!image || !list)
		client_fail("%s or %s cannot be read", path, record_path);
	while (fscanf(list, "%" SCNu64, &value) == 1) {
		if (fread(block, sizeof(block), 1, image) != 1)
			client_fail("%s is short", path);
		if (!holds(block, index, value))
			client_fail("%s: counter %u is not %" PRIu64, path, index, value);
		index++;
	}
	fclose(image);
	fclose(list);
	if (!index)
		client_fail("%s: nothing was recorded", record_path);
	printf("%s: %u counters are as counted\n", path, index);
	return 0;
}

int main(int argc, char **argv)
{
	uint64_t wanted;

	if (argc == 4 && !strcmp(argv[1], "check"))
		return check_file(argv[2], argv[3]);
	if (argc != 7)
		client_fail("usage: counters GUEST LUN RECORD COUNT GENERATIONS SECONDS");
	count = (unsigned int)atoi(argv[4]);
	wanted = (uint64_t)atoi(argv[5]);
	if (!count || count > COUNTERS_MAX)
		client_fail("bad number");
	client_open(&client, argv[1], (uint32_t)atoi(argv[2]), (unsigned int)atoi(argv[6]));
	for (unsigned int i = 0; i < count; i++) {
		counters[i].index = i;
		counters[i].memory = client_alloc(&client, 1024, &counters[i].offset);
		counter_submit(&counters[i]);
	}
	while (!survived(wanted) || !settled())
		turn();
	ending = true;
	while (!idle())
		turn();
	record(argv[3]);
	client_close(&client);
	return 0;
}
