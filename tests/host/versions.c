// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/versions.c - does an old write ever land over a newer one?
 *
 *	versions GUEST LUN RECORD BLOCKS BYTES GENERATIONS SECONDS [LBA]
 *	versions check FILE RECORD
 *
 * A process guest with BLOCKS blocks of BYTES.  Each block is written again and
 * again with rising version numbers, the next only after the last one was
 * acknowledged, all blocks at once; between two writes it is often read, and
 * must then hold the version that was acknowledged last.  This goes on until
 * the disk's service has been replaced GENERATIONS times, and then for a few
 * more writes to each block.  At the end every block is read, and the versions
 * are written to RECORD; `check` compares them with the image itself.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define BLOCKS_MAX	64
#define ROUNDS_AFTER	4	/* writes of each block after the last kill wanted */

struct block {
	struct mullion_disk_io io;
	uint64_t version;	/* acknowledged */
	uint64_t offset;	/* of its buffer in the pool */
	uint64_t *memory;
	unsigned int index;
	unsigned int rounds;	/* writes since the last kill that was wanted */
	bool writing;
	bool busy;
};

static struct client client;
static struct block blocks[BLOCKS_MAX];
static unsigned int block_count;
static uint32_t block_bytes;
static uint64_t first_lba;
static uint64_t writes, reads;
static bool ending;

static void fill(uint64_t *words, uint32_t bytes, unsigned int index, uint64_t version)
{
	for (uint32_t i = 0; i < bytes / 8; i += 2) {
		words[i] = version;
		words[i + 1] = version ? 0x4e4f4953524556ULL << 8 | index : 0;
	}
}

/* The words of a block must all be of one version, this one. */
static void check(const uint64_t *words, uint32_t bytes, unsigned int index,
		  uint64_t version, const char *where)
{
	uint64_t expected[2];

	fill(expected, sizeof(expected), index, version);
	for (uint32_t i = 0; i < bytes / 8; i += 2) {
		if (words[i] == expected[0] && words[i + 1] == expected[1])
			continue;
		client_fail("%s: block %u has version %" PRIu64 " at byte %u; "
			    "%" PRIu64 " was acknowledged", where, index, words[i],
			    i * 8, version);
	}
}

static void block_next(struct block *block);

static void block_done(struct mullion_disk_io *io)
{
	struct block *block = io->arg;

	block->busy = false;
	if (block->writing) {
		client_good(io, "write");
		block->version++;
		block->rounds++;
		writes++;
	} else {
		client_good(io, "read");
		check(block->memory, block_bytes, block->index, block->version, "read");
		reads++;
	}
	if (!ending)
		block_next(block);
}

static void block_submit(struct block *block, bool write)
{
	uint32_t n = block_bytes / 512;
	uint64_t lba = first_lba + (uint64_t)block->index * n;
	int r;

	block->writing = write;
	block->busy = true;
	if (write)
		mullion_disk_prep_write(&block->io, lba, n, 512, block->offset, false);
	else
		mullion_disk_prep_read(&block->io, lba, n, 512, block->offset);
	block->io.lun = client.lun;
	block->io.done = block_done;
	block->io.arg = block;
	r = mullion_disk_submit(client.disk, &block->io);
	if (r < 0)
		client_fail("submit: %s", strerror(-r));
}

static void block_next(struct block *block)
{
	bool write = !block->writing || rand() % 2;

	if (write)
		fill(block->memory, block_bytes, block->index, block->version + 1);
	else
		memset(block->memory, 0xee, block_bytes);
	block_submit(block, write);
}

static bool all(bool (*is)(const struct block *block))
{
	for (unsigned int i = 0; i < block_count; i++)
		if (!is(&blocks[i]))
			return false;
	return true;
}

static bool block_is_settled(const struct block *block)
{
	return block->rounds >= ROUNDS_AFTER;
}

static bool block_is_idle(const struct block *block)
{
	return !block->busy;
}

/* Kills may go on: only what follows the last one that was wanted counts. */
static bool survived(uint64_t wanted)
{
	struct mullion_disk_counters counters;
	bool enough;

	mullion_disk_counters(client.disk, &counters);
	enough = counters.generations >= wanted;
	for (unsigned int i = 0; !enough && i < block_count; i++)
		blocks[i].rounds = 0;
	return enough;
}

static void turn(void)
{
	int r = mullion_disk_wait(client.disk, 1000);

	if (r < 0)
		client_fail("disk: %s", strerror(-r));
}

static void run(uint64_t wanted)
{
	for (unsigned int i = 0; i < block_count; i++)
		block_next(&blocks[i]);
	while (!survived(wanted) || !all(block_is_settled))
		turn();
	ending = true;
	while (!all(block_is_idle))
		turn();
	for (unsigned int i = 0; i < block_count; i++)
		block_submit(&blocks[i], false);
	while (!all(block_is_idle))
		turn();
}

static void record(const char *path)
{
	struct mullion_disk_counters counters;
	FILE *file = fopen(path, "w");

	if (!file)
		client_fail("%s: cannot be written", path);
	fprintf(file, "%u %" PRIu64 "\n", block_bytes, first_lba);
	for (unsigned int i = 0; i < block_count; i++)
		fprintf(file, "%" PRIu64 "\n", blocks[i].version);
	if (fclose(file))
		client_fail("%s: cannot be written", path);
	mullion_disk_counters(client.disk, &counters);
	printf("%" PRIu64 " writes, %" PRIu64 " reads, %" PRIu64 " services survived, "
	       "%" PRIu64 " re-issued, %" PRIu64 " stale, %" PRIu64 " bogus answers\n",
	       writes, reads, counters.generations, counters.reissued, counters.stale,
	       counters.bogus);
	if (!counters.reissued && counters.generations)
		client_fail("nothing was ever re-issued");
	if (counters.bogus)
		client_fail("answers to what was not asked");
}

static int check_file(const char *path, const char *record_path)
{
	FILE *image = fopen(path, "r"), *list = fopen(record_path, "r");
	uint64_t *words, version;
	unsigned int index = 0;

	if (!image || !list ||
	    fscanf(list, "%u %" SCNu64, &block_bytes, &first_lba) != 2 ||
	    fseek(image, (long)first_lba * 512, SEEK_SET))
		client_fail("%s or %s cannot be read", path, record_path);
	words = malloc(block_bytes);
	while (words && fscanf(list, "%" SCNu64, &version) == 1) {
		if (fread(words, block_bytes, 1, image) != 1)
			client_fail("%s is short", path);
		check(words, block_bytes, index++, version, path);
	}
	free(words);
	fclose(image);
	fclose(list);
	if (!index)
		client_fail("%s: nothing was recorded", record_path);
	printf("%s: %u blocks hold what was acknowledged last\n", path, index);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 4 && !strcmp(argv[1], "check"))
		return check_file(argv[2], argv[3]);
	if (argc != 8 && argc != 9)
		client_fail("usage: versions GUEST LUN RECORD BLOCKS BYTES GENERATIONS SECONDS [LBA]");
	block_count = (unsigned int)atoi(argv[4]);
	block_bytes = (uint32_t)atoi(argv[5]);
	first_lba = argc == 9 ? (uint64_t)atoi(argv[8]) : 0;
	if (!block_count || block_count > BLOCKS_MAX || !block_bytes || block_bytes % 512)
		client_fail("bad number");
	client_open(&client, argv[1], (uint32_t)atoi(argv[2]), (unsigned int)atoi(argv[7]));
	for (unsigned int i = 0; i < block_count; i++) {
		blocks[i].index = i;
		blocks[i].memory = client_alloc(&client, block_bytes, &blocks[i].offset);
	}
	run((uint64_t)atoi(argv[6]));
	record(argv[3]);
	client_close(&client);
	return 0;
}
