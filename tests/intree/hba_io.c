// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/hba_io.c - traffic of a disk: verified, interrupted, malformed
 *
 * The disk's contents are known by block: a seed per block, 0 for "never
 * written here", from which each byte follows.  Commands of one round do not
 * overlap; all that a round wrote is what later ones must find.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "hba.h"

#define IO_AREA_BLOCKS	16384U		/* of the disk that is used */
#define IO_DEPTH	16U
#define IO_BLOCKS_MOST	512U

struct io_command {
	struct hba_command command;
	struct ram_list list;
	uint32_t block;
	uint32_t blocks;
	bool write;
	bool shared;		/* others write there meanwhile */
};

static uint32_t io_seed_next = 1;

static void io_fill(uint8_t *data, uint32_t seed, uint32_t block, uint32_t bytes)
{
	uint64_t word = (uint64_t)seed << 32 | block;

	for (uint32_t i = 0; i < bytes; i += sizeof(word)) {
		word = word * 6364136223846793005ULL + 1442695040888963407ULL;
		memcpy(data + i, &word, sizeof(word));
	}
}

/* What has been written; nothing is known at first. */
static int io_know(struct hba *hba)
{
	if (!hba->seeds)
		hba->seeds = calloc(IO_AREA_BLOCKS, sizeof(*hba->seeds));
	return hba->seeds ? 0 : -ENOMEM;
}

static void io_cdb(struct io_command *io, const struct hba_lun *lun)
{
	uint8_t *cdb = io->command.cdb;

	memset(cdb, 0, sizeof(io->command.cdb));
	cdb[0] = io->write ? 0x2a : 0x28;
	cdb[2] = (uint8_t)(io->block >> 24);
	cdb[3] = (uint8_t)(io->block >> 16);
	cdb[4] = (uint8_t)(io->block >> 8);
	cdb[5] = (uint8_t)io->block;
	cdb[7] = (uint8_t)(io->blocks >> 8);
	cdb[8] = (uint8_t)io->blocks;
	io->command.id = lun->id;
	io->command.lun = lun->lun;
	io->command.direction = io->write ? UIS_DMA_TO_DEVICE : UIS_DMA_FROM_DEVICE;
	io->command.bufflen = io->blocks * lun->block_bytes;
	io->command.data = &io->list;
}

static void io_prepare(struct hba *hba, const struct hba_lun *lun, struct io_command *io,
		       unsigned int entries, uint8_t *data)
{
	uint32_t bytes = io->blocks * lun->block_bytes;

	ram_list_alloc(&io->list, bytes, entries);
	io_cdb(io, lun);
	if (!io->write)
		return;
	for (uint32_t i = 0; i < io->blocks; i++) {
		hba->seeds[io->block + i] = io_seed_next++;
		io_fill(data + i * lun->block_bytes, hba->seeds[io->block + i], io->block + i,
			lun->block_bytes);
	}
	ram_list_write(&io->list, data);
}

static void io_verify(struct hba *hba, const struct hba_lun *lun, struct io_command *io,
		      uint8_t *data, uint8_t *expected)
{
	ram_list_read(&io->list, data);
	for (uint32_t i = 0; i < io->blocks; i++) {
		uint32_t seed = hba->seeds[io->block + i];

		if (!seed)
			continue;
		io_fill(expected, seed, io->block + i, lun->block_bytes);
		check(CHECK_HBA_DATA,
		      !memcmp(data + i * lun->block_bytes, expected, lun->block_bytes),
		      "%s: block %u has other bytes", hba->device->name, io->block + i);
	}
}

static int io_end(struct hba *hba, const struct hba_lun *lun, struct io_command *io,
		  uint8_t *data, uint8_t *expected)
{
	int ret = hba_wait(hba, &io->command);

	if (!ret && !hba_good(&io->command))
		ret = hba_execute(hba, &io->command);
	if (ret < 0)
		return ret;
	if (!check(CHECK_HBA_RESULT, hba_good(&io->command),
		   "%s: %s of %u blocks at %u in %u pieces: 0x%x, sense %02x %02x %02x",
		   hba->device->name, io->write ? "write" : "read", io->blocks, io->block,
		   io->list.count, io->command.linuxstat, io->command.sense[2],
		   io->command.sense[12], io->command.sense[13]))
		ret = -EIO;
	else if (!io->write && !io->shared)
		io_verify(hba, lun, io, data, expected);
	ram_list_free(&io->list);
	return ret;
}

/* One round: up to IO_DEPTH commands that do not overlap. */
static int io_round(struct hba *hba, const struct hba_lun *lun, struct io_command *ios,
		    uint8_t *data, uint8_t *expected)
{
	uint32_t area = lun->blocks < IO_AREA_BLOCKS ? lun->blocks : IO_AREA_BLOCKS;
	uint32_t most = hba_most_bytes(hba) / lun->block_bytes;
	unsigned int depth = 1 + ram_random(IO_DEPTH);
	uint32_t share = area / depth;
	int ret = 0;

	if (most > IO_BLOCKS_MOST)
		most = IO_BLOCKS_MOST;
	if (most > share)
		most = share;
	for (unsigned int i = 0; i < depth; i++) {
		struct io_command *io = &ios[i];
		unsigned int entries = ram_random(4) ?
			1 + ram_random(hba_most_entries(hba)) : hba_most_entries(hba);

		memset(io, 0, sizeof(*io));
		io->blocks = 1 + ram_random(most);
		io->block = i * share + ram_random(share - io->blocks + 1);
		io->write = !lun->read_only && ram_random(2);
		io_prepare(hba, lun, io, entries, data);
		hba_submit(hba, &io->command);
	}
	for (unsigned int i = 0; i < depth; i++) {
		int error = io_end(hba, lun, &ios[i], data, expected);

		ret = ret ? ret : error;
	}
	return ret;
}

static bool io_stopping;

static int io_run(struct hba *hba, unsigned int rounds, unsigned int seconds)
{
	struct io_command *ios = calloc(IO_DEPTH, sizeof(*ios));
	uint8_t *data = malloc(IO_BLOCKS_MOST * 4096);
	uint8_t *expected = malloc(4096);
	uint64_t end = guest_ms() + seconds * 1000ULL;
	int ret = 0;

	if (!ios || !data || !expected || io_know(hba) < 0 || !hba->lun_count)
		ret = -ENODEV;
	for (unsigned int i = 0; !ret; i++) {
		if (__atomic_load_n(&io_stopping, __ATOMIC_ACQUIRE))
			break;
		if (seconds ? guest_ms() >= end : i == rounds)
			break;
		ret = io_round(hba, &hba->luns[0], ios, data, expected);
	}
	free(ios);
	free(data);
	free(expected);
	return ret;
}

int hba_io(struct hba *hba, unsigned int rounds, unsigned int seconds)
{
	return io_run(hba, rounds, seconds);
}

/* ---- in the background --------------------------------------------------------- */

static pthread_t io_thread;
static int io_result;

static void *io_main(void *arg)
{
	io_result = io_run(arg, UINT32_MAX, 0);
	return NULL;
}

int hba_io_start(struct hba *hba)
{
	__atomic_store_n(&io_stopping, false, __ATOMIC_RELEASE);
	return -pthread_create(&io_thread, NULL, io_main, hba);
}

int hba_io_stop(void)
{
	__atomic_store_n(&io_stopping, true, __ATOMIC_RELEASE);
	pthread_join(io_thread, NULL);
	__atomic_store_n(&io_stopping, false, __ATOMIC_RELEASE);
	return io_result;
}

/* ---- tasks ------------------------------------------------------------------------ */

int hba_io_tasks(struct hba *hba)
{
	static const uint32_t tasks[] = { TASK_MGMT_ABORT_TASK, TASK_MGMT_LUN_RESET };
	const struct hba_lun *lun = &hba->luns[0];
	struct io_command *ios;
	uint8_t *data, *expected;
	int ret = 0;

	if (!hba->lun_count || io_know(hba) < 0)
		return -ENODEV;
	ios = calloc(IO_DEPTH, sizeof(*ios));
	data = malloc(IO_BLOCKS_MOST * 4096);
	expected = malloc(4096);
	for (unsigned int turn = 0; !ret && ios && data && expected && turn < 20; turn++) {
		uint32_t task = tasks[turn % 2];

		/* Every other pair finds the device idle. */
		for (unsigned int i = 0; turn % 4 < 2 && i < IO_DEPTH; i++) {
			memset(&ios[i], 0, sizeof(ios[i]));
			ios[i].blocks = 8;
			ios[i].block = i * 8;
			ios[i].shared = true;
			io_prepare(hba, lun, &ios[i], 8, data);
			hba_submit(hba, &ios[i].command);
		}
		ret = hba_task(hba, task, lun->id, lun->lun);
		/* Whatever was covered is sent again, as Linux does for bystanders. */
		for (unsigned int i = 0; !ret && turn % 4 < 2 && i < IO_DEPTH; i++)
			ret = io_end(hba, lun, &ios[i], data, expected);
	}
	free(ios);
	free(data);
	free(expected);
	return ret;
}

/* ---- requests that cannot be ------------------------------------------------------ */

static int io_refused(struct hba *hba, const char *what, struct hba_command *command)
{
	const struct hba_lun *lun = &hba->luns[0];
	int ret;

	command->id = lun->id;
	command->lun = lun->lun;
	command->cdb[0] = command->direction == UIS_DMA_TO_DEVICE ? 0x2a : 0x28;
	command->cdb[8] = 8;
	command->bufflen = 8 * lun->block_bytes;
	hba_submit(hba, command);
	ret = hba_wait(hba, command);
	if (ret < 0)
		return ret;
	check(CHECK_HBA_BAD, !hba_good(command), "%s: %s was taken", hba->device->name, what);
	return 0;
}

/* A list of one entry. */
static int io_refused_at(struct hba *hba, const char *what, uint64_t address, uint64_t length)
{
	struct hba_command command = { .direction = UIS_DMA_FROM_DEVICE, .raw = 1 };

	command.raw_list[0].address = address;
	command.raw_list[0].length = length;
	return io_refused(hba, what, &command);
}

int hba_io_bad(struct hba *hba)
{
	uint32_t bytes = 8 * hba->luns[0].block_bytes;
	struct hba_command command = { .direction = UIS_DMA_FROM_DEVICE, .raw = 65 };
	struct ram_piece piece;
	int ret;

	if (!hba->lun_count)
		return -ENODEV;
	ret = io_refused_at(hba, "an address beyond RAM", ram_end(), bytes);
	if (!ret)
		ret = io_refused_at(hba, "a range that ends beyond RAM", ram_end() - 512, bytes);
	if (!ret)
		ret = io_refused_at(hba, "an address that wraps", UINT64_MAX - 511, bytes);
	if (!ret)
		ret = io_refused_at(hba, "a length that wraps", 0x200000,
				    UINT64_MAX - 0x1fffff);
	if (!ret)
		ret = io_refused_at(hba, "the first address of all", UINT64_MAX, bytes);
	if (!ret)
		ret = io_refused_at(hba, "the reserved range", ram_reserved_address(), bytes);
	if (!ret)
		ret = io_refused_at(hba, "the device's own channel", hba->channel->gpa, bytes);
	if (!ret)
		ret = io_refused_at(hba, "a range that runs into the reserved one",
				    ram_reserved_address() - 512, bytes);
	if (!ret && !ram_at(0xc0000000, 1) && ram_end() > 0x100000000)
		ret = io_refused_at(hba, "the hole below 4 GiB", 0xc0000000, bytes);
	if (ret < 0)
		return ret;

	/* A list that says it is longer than lists can be. */
	for (unsigned int i = 0; i < MAX_PHYS_INFO; i++)
		command.raw_list[i] = (struct guest_phys_info){ 0x200000, 64 };
	ret = io_refused(hba, "a list of 65 entries", &command);
	/* One that is shorter than its data. */
	piece = ram_alloc(512, 3);
	if (!ret)
		ret = io_refused_at(hba, "a list shorter than its data", piece.gpa, 512);
	ram_free(&piece);
	if (!ret)
		ret = hba_io(hba, 20, 0);
	return ret;
}

int hba_io_truncated(struct hba *hba, uint64_t gpa)
{
	/* Unanswered, it stays in the table, as it would in the guest's. */
	static struct hba_command command = {
		.direction = UIS_DMA_FROM_DEVICE, .cdb = { 0x28, 0, 0, 0, 0, 0, 0, 0, 8 },
		.raw = 1,
	};
	const struct hba_lun *lun = &hba->luns[0];
	bool answered = false;

	command.id = lun->id;
	command.lun = lun->lun;
	command.bufflen = 8 * lun->block_bytes;
	command.raw_list[0].address = gpa;
	command.raw_list[0].length = command.bufflen;
	hba_submit(hba, &command);
	for (unsigned int i = 0; i < 1000 && !answered; i++) {
		guest_sleep_ticks(1);
		pthread_mutex_lock(&hba->lock);
		answered = command.done;
		pthread_mutex_unlock(&hba->lock);
	}
	check(CHECK_HBA_BAD, !answered || command.linuxstat,
	      "%s: a read into memory that does not exist succeeded", hba->device->name);
	event("read into lost memory %s", answered ? "refused" : "unanswered");
	return answered ? 0 : -ESHUTDOWN;
}
