// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_disk_service.c - mullion-disk itself, sandboxed, serving a
 * process guest: data, kills in the middle of writes, an NBD server
 *
 * After a kill the successor gets a new open file description of the image, as
 * mulliond would hand it, and has to wait for the fence.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../abi/disk.h"
#include "../../channel/disk.h"
#include "../../channel/spin.h"
#include "../lib/cp.h"

#define DEPTH		32
#define IMAGE_BYTES	(32 << 20)

static struct cp_world world;
static struct mullion_disk *disk;
static char image[] = "/var/tmp/mullion-service-XXXXXX";
static pid_t server;

static union {
	struct mullion_disk_config head;
	unsigned char bytes[sizeof(struct mullion_disk_config) + sizeof(struct mullion_disk_lun)];
} config;

struct job {
	struct mullion_disk_io io;
	uint64_t offset;
	uint8_t *data;
	unsigned int done;
};

static void job_done(struct mullion_disk_io *io)
{
	((struct job *)io->arg)->done++;
}

static void start(uint32_t store, uint32_t cache, int fd)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;

	config.head.version = MULLION_DISK_CONFIG_VERSION;
	config.head.lun_count = 1;
	config.head.lun_bytes = sizeof(config.head.luns[0]);
	memset(&config.head.luns[0], 0, sizeof(config.head.luns[0]));
	config.head.luns[0].store = store;
	config.head.luns[0].cache = cache;
	config.head.luns[0].block_size = 512;
	config.head.luns[0].bytes = store == MULLION_STORE_NULL ? IMAGE_BYTES : 0;
	config.head.luns[0].uuid.b[0] = 7;
	cp_world_init(&world, cp_program("../../mullion-disk"));
	world.class_part = &config;
	world.class_bytes = sizeof(config);
	world.store_fd = fd;
	cp_world_start(&world, false);
	cp_world_guest(&world);
	assert_int_equal(mullion_disk_open(&disk,
			mullion_guest_device_find(world.guest, &type, 0),
			60000), 0);
}

static void stop(void)
{
	mullion_disk_close(disk);
	if (world.store_fd >= 0)
		close(world.store_fd);
	cp_world_done(&world);
}

static int image_open(void)
{
	int fd = open(image, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

static void jobs_init(struct job *jobs, unsigned int n, size_t bytes)
{
	memset(jobs, 0, n * sizeof(*jobs));
	for (unsigned int i = 0; i < n; i++) {
		void *data;

		assert_int_equal(mullion_disk_alloc(disk, bytes, &jobs[i].offset,
						    &data), 0);
		jobs[i].data = data;
		jobs[i].io.done = job_done;
		jobs[i].io.arg = &jobs[i];
	}
}

static void jobs_free(struct job *jobs, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		mullion_disk_free(disk, jobs[i].offset);
}

static void run(struct job *job)
{
	unsigned int before = job->done;

	assert_int_equal(mullion_disk_submit(disk, &job->io), 0);
	while (job->done == before)
		assert_true(mullion_disk_wait(disk, 20000) >= 0);
	assert_int_equal(job->io.error, 0);
	assert_int_equal(job->io.host, 0);
}

/* Write every block of a range differently, read all back; flush. */
static void there_and_back(void)
{
	struct job jobs[DEPTH];
	unsigned int i, j;

	jobs_init(jobs, DEPTH, 16384);
	for (i = 0; i < DEPTH; i++) {
		for (j = 0; j < 16384; j++)
			jobs[i].data[j] = (uint8_t)(i * 3 + j / 512 + j);
		mullion_disk_prep_write(&jobs[i].io, i * 32, 32, 512,
					jobs[i].offset, i % 4 == 0);
		assert_int_equal(mullion_disk_submit(disk, &jobs[i].io), 0);
	}
	while (mullion_disk_outstanding(disk))
		assert_true(mullion_disk_wait(disk, 20000) >= 0);
	for (i = 0; i < DEPTH; i++) {
		assert_int_equal(jobs[i].io.error, 0);
		assert_int_equal(jobs[i].io.status, 0);
		memset(jobs[i].data, 0, 16384);
		mullion_disk_prep_read(&jobs[i].io, i * 32, 32, 512,
				       jobs[i].offset);
		run(&jobs[i]);
		assert_int_equal(jobs[i].io.status, 0);
		for (j = 0; j < 16384; j++)
			assert_int_equal(jobs[i].data[j],
					 (uint8_t)(i * 3 + j / 512 + j));
	}
	mullion_disk_prep_flush(&jobs[0].io);
	run(&jobs[0]);
	assert_int_equal(jobs[0].io.status, 0);
	mullion_disk_prep_unmap(&jobs[0].io, 0, 32, jobs[0].offset,
				jobs[0].data);
	run(&jobs[0]);
	assert_int_equal(jobs[0].io.status, 0);
	mullion_disk_prep_read(&jobs[0].io, 0, 1, 512, jobs[0].offset);
	run(&jobs[0]);
	assert_int_equal(jobs[0].data[0], 0);
	jobs_free(jobs, DEPTH);
}

static void file_is_served(void **state)
{
	(void)state;
	start(MULLION_STORE_FILE, MULLION_CACHE_WRITEBACK, image_open());
	there_and_back();
	stop();
}

static void file_is_served_directly(void **state)
{
	int fd = open(image, O_RDWR | O_CLOEXEC | O_DIRECT);

	(void)state;
	if (fd < 0)
		skip();
	start(MULLION_STORE_FILE, MULLION_CACHE_NONE, fd);
	there_and_back();
	stop();
}

/*
 * Each block carries the number of the last write to it that was answered, or
 * a later one; writes go round the image in several laps, so an old write that
 * lands late would be seen.
 */
static void kills_lose_and_reorder_nothing(void **state)
{
	enum { BLOCKS = 97, WRITES = 6000, KILL_EVERY = 700 };
	static uint64_t answered[BLOCKS];
	struct mullion_disk_counters counters;
	struct job jobs[DEPTH];
	uint64_t numbers[DEPTH] = { 0 }, next = 1;
	unsigned int kills = 0, running = 0, i;
	bool busy[BLOCKS] = { false };
	uint8_t back[512];

	(void)state;
	start(MULLION_STORE_FILE, MULLION_CACHE_WRITETHROUGH, image_open());
	jobs_init(jobs, DEPTH, 512);
	while (next <= WRITES || running) {
		for (i = 0; i < DEPTH; i++) {
			unsigned int block = next % BLOCKS;

			if (jobs[i].done) {
				assert_int_equal(jobs[i].io.error, 0);
				assert_int_equal(jobs[i].io.status, 0);
				answered[numbers[i] % BLOCKS] = numbers[i];
				busy[numbers[i] % BLOCKS] = false;
				jobs[i].done = 0;
				numbers[i] = 0;
				running--;
			}
			if (next > WRITES || numbers[i] || busy[block])
				continue;
			numbers[i] = next++;
			running++;
			busy[block] = true;
			memcpy(jobs[i].data, &numbers[i], 8);
			mullion_disk_prep_write(&jobs[i].io, block * 8, 1, 512,
						jobs[i].offset, false);
			assert_int_equal(mullion_disk_submit(disk, &jobs[i].io),
					 0);
			if (numbers[i] % KILL_EVERY)
				continue;
			mullion_disk_kick(disk);
			cp_world_kill(&world);
			close(world.store_fd);
			world.store_fd = image_open();
			cp_world_start(&world, true);
			kills++;
		}
		if (mullion_disk_outstanding(disk))
			assert_true(mullion_disk_wait(disk, 20000) >= 0);
		cp_world_turn(&world);
	}
	for (i = 0; i < BLOCKS; i++) {
		uint64_t found;

		assert_int_equal(pread(world.store_fd, back, 512, i * 4096), 512);
		memcpy(&found, back, 8);
		assert_int_equal(found, answered[i]);
	}
	mullion_disk_counters(disk, &counters);
	assert_int_equal(counters.generations, kills);
	assert_true(counters.reissued > 0);
	jobs_free(jobs, DEPTH);
	stop();
}

static void registrations_outlive_the_service(void **state)
{
	static const uint8_t out[16] = { 0x5f, 6, 0, 0, 0, 0, 0, 0, 24 };
	static const uint8_t in[16] = { 0x5e, 0, 0, 0, 0, 0, 0, 0, 64 };
	struct job job;

	(void)state;
	start(MULLION_STORE_FILE, MULLION_CACHE_WRITEBACK, image_open());
	jobs_init(&job, 1, 512);
	memset(job.data, 0, 24);
	job.data[15] = 0x42;
	/* the descriptor of data is as a write's; only CDB and sizes differ */
	mullion_disk_prep_write(&job.io, 0, 1, 512, job.offset, false);
	memcpy(job.io.cdb, out, 16);
	job.io.bufflen = 24;
	run(&job);
	assert_int_equal(job.io.status, 0);
	cp_world_kill(&world);
	close(world.store_fd);
	world.store_fd = image_open();
	cp_world_start(&world, true);
	memset(job.data, 0, 64);
	mullion_disk_prep_read(&job.io, 0, 1, 512, job.offset);
	memcpy(job.io.cdb, in, 16);
	job.io.bufflen = 64;
	run(&job);
	assert_int_equal(job.io.status, 0);
	assert_int_equal(job.data[3], 1);	/* generation of registrations */
	assert_int_equal(job.data[7], 8);
	assert_int_equal(job.data[15], 0x42);
	jobs_free(&job, 1);
	stop();
}

static int nbd_server(void)
{
	int ends[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
			 0);
	server = fork();
	if (!server) {
		dup2(ends[1], 0);
		dup2(ends[1], 1);
		execlp("nbdkit", "nbdkit", "-s", "memory", "32M", NULL);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

static void nbd_is_served(void **state)
{
	(void)state;
	if (system("nbdkit --version >/dev/null 2>&1"))
		skip();
	start(MULLION_STORE_NBD, MULLION_CACHE_WRITEBACK, nbd_server());
	there_and_back();
	stop();
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static int setup(void **state)
{
	int fd = mkstemp(image);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	/* the service may be another user than this test */
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(image);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_is_served),
		cmocka_unit_test(file_is_served_directly),
		cmocka_unit_test(registrations_outlive_the_service),
		cmocka_unit_test(kills_lose_and_reorder_nothing),
		cmocka_unit_test(nbd_is_served),
	};

	if (access(cp_program("../../mullion-disk"), X_OK)) {
		printf("mullion-disk is not built\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
