// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_channel_disk.c - a process guest and a sandboxed service
 * process, both ends of everything: attach, I/O, pause, kill and take-over
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../channel/disk.h"
#include "../../channel/doorbell.h"
#include "../../channel/spin.h"
#include "../lib/cp.h"

#define BLOCK		512
#define DEPTH		32
#define DISK_BYTES	(64 << 20)

static struct cp_world world;
static struct mullion_disk *disk;

struct job {
	struct mullion_disk_io io;
	uint64_t offset;
	uint8_t *data;
	unsigned int done;
};

static void job_done(struct mullion_disk_io *io)
{
	struct job *job = io->arg;

	job->done++;
}

static struct mullion_guest_device *find_device(void)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;

	return mullion_guest_device_find(world.guest, &type, 0);
}

static int setup(void **state)
{
	(void)state;
	cp_world_init(&world, cp_program("fixture-service"));
	world.store_fd = memfd_create("store", MFD_CLOEXEC);
	assert_int_equal(ftruncate(world.store_fd, DISK_BYTES), 0);
	cp_world_start(&world, false);
	cp_world_guest(&world);
	assert_non_null(find_device());
	assert_int_equal(mullion_disk_open(&disk, find_device(), 60000), 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	mullion_disk_close(disk);
	close(world.store_fd);
	cp_world_done(&world);
	return 0;
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

static void wait_outstanding(unsigned int limit)
{
	uint64_t end = mullion_spin_now() + 120000000000ULL;

	while (mullion_disk_outstanding(disk) > limit) {
		assert_true(mullion_spin_now() < end);
		assert_true(mullion_disk_wait(disk, 100) >= 0);
	}
}

static void test_capacity(void **state)
{
	uint64_t blocks;
	uint32_t bytes;

	(void)state;
	assert_int_equal(mullion_disk_capacity(disk, 0, 0, &blocks, &bytes), 0);
	assert_int_equal(blocks, DISK_BYTES / BLOCK);
	assert_int_equal(bytes, BLOCK);
}

static void test_read_write(void **state)
{
	struct job jobs[DEPTH];
	uint8_t back[4096];

	(void)state;
	jobs_init(jobs, DEPTH, 4096);
	for (unsigned int i = 0; i < DEPTH; i++) {
		memset(jobs[i].data, (int)(i + 1), 4096);
		mullion_disk_prep_write(&jobs[i].io, i * 8, 8, BLOCK, jobs[i].offset,
					false);
		assert_int_equal(mullion_disk_submit(disk, &jobs[i].io), 0);
	}
	mullion_disk_kick(disk);
	wait_outstanding(0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		assert_int_equal(jobs[i].done, 1);
		assert_int_equal(jobs[i].io.error, 0);
		assert_int_equal(jobs[i].io.status, 0);
		assert_int_equal(pread(world.store_fd, back, 4096, i * 4096), 4096);
		assert_memory_equal(back, jobs[i].data, 4096);
		memset(jobs[i].data, 0, 4096);
		mullion_disk_prep_read(&jobs[i].io, i * 8, 8, BLOCK, jobs[i].offset);
		assert_int_equal(mullion_disk_submit(disk, &jobs[i].io), 0);
	}
	wait_outstanding(0);
	for (unsigned int i = 0; i < DEPTH; i++) {
		assert_int_equal(jobs[i].done, 2);
		assert_int_equal(jobs[i].data[0], i + 1);
		assert_int_equal(jobs[i].data[4095], i + 1);
	}
	jobs_free(jobs, DEPTH);
}

static void test_sense(void **state)
{
	struct job job;

	(void)state;
	jobs_init(&job, 1, 4096);
	mullion_disk_prep_read(&job.io, DISK_BYTES / BLOCK, 8, BLOCK, job.offset);
	assert_int_equal(mullion_disk_execute(disk, &job.io), 0);
	assert_int_equal(job.io.status, 2);
	assert_int_equal(job.io.sense[2], 5);
	assert_int_equal(job.io.sense[12], 0x21);
	assert_int_equal(job.io.residual, 4096);
	jobs_free(&job, 1);
}

static void test_refused(void **state)
{
	struct mullion_disk_io io = { .done = job_done };
	struct mullion_guest_device_info info;

	(void)state;
	mullion_guest_device_info(find_device(), &info);
	mullion_disk_prep_read(&io, 0, 8, BLOCK, info.pool_bytes - 100);
	assert_int_equal(mullion_disk_submit(disk, &io), -EINVAL);
	mullion_disk_prep_read(&io, 0, 8, BLOCK, UINT64_MAX - 10);
	assert_int_equal(mullion_disk_submit(disk, &io), -EINVAL);
	mullion_disk_prep_read(&io, 0, 8, BLOCK, 0);
	io.bufflen = 8192;
	assert_int_equal(mullion_disk_submit(disk, &io), -EINVAL);
}

static void test_task(void **state)
{
	struct job job = { .io = { .done = job_done } };

	(void)state;
	job.io.arg = &job;
	assert_int_equal(mullion_disk_submit_task(disk, &job.io, TASK_MGMT_LUN_RESET), 0);
	wait_outstanding(0);
	assert_int_equal(job.done, 1);
	assert_int_equal(job.io.error, 0);
	assert_int_equal(job.io.result, TASK_MGMT_SUCCESS);
}

/* Many more than the rings hold, in each wake-up mode. */
static void run_many(enum mullion_wake mode, unsigned int count)
{
	struct mullion_disk_counters before, after;
	struct job jobs[DEPTH];

	mullion_disk_set_wake(disk, mode);
	mullion_disk_counters(disk, &before);
	jobs_init(jobs, DEPTH, 512);
	for (unsigned int i = 0; i < count; i++) {
		struct job *job = &jobs[i % DEPTH];

		while (job->done != i / DEPTH)
			assert_true(mullion_disk_wait(disk, 60000) > 0);
		mullion_disk_prep_read(&job->io, i % 1000, 1, BLOCK, job->offset);
		assert_int_equal(mullion_disk_submit(disk, &job->io), 0);
	}
	wait_outstanding(0);
	mullion_disk_counters(disk, &after);
	assert_int_equal(after.completed - before.completed, count);
	assert_int_equal(after.bogus, 0);
	assert_int_equal(after.stale, 0);
	jobs_free(jobs, DEPTH);
	mullion_disk_set_wake(disk, MULLION_WAKE_ADAPTIVE);
}

static void test_many_adaptive(void **state)
{
	(void)state;
	run_many(MULLION_WAKE_ADAPTIVE, 20000);
}

static void test_many_sleep(void **state)
{
	(void)state;
	run_many(MULLION_WAKE_SLEEP, 20000);
}

static void test_many_poll(void **state)
{
	(void)state;
	run_many(MULLION_WAKE_POLL, 20000);
}

/* Killed with writes in flight: all are answered once, and all are there. */
static void test_kill(void **state)
{
	struct mullion_disk_counters counters;
	struct job jobs[DEPTH];
	uint8_t back[4096];
	unsigned int rounds = 60, next = 0;

	(void)state;
	setenv("FIXTURE_DELAY", "3", 1);
	jobs_init(jobs, DEPTH, 4096);
	while (next < rounds * DEPTH || mullion_disk_outstanding(disk)) {
		for (unsigned int i = 0; i < DEPTH && next < rounds * DEPTH; i++) {
			struct job *job = &jobs[next % DEPTH];

			if (job->done != next / DEPTH)
				break;
			assert_int_equal(job->io.error, 0);
			memset(job->data, (int)(next % 251 + 1), 4096);
			mullion_disk_prep_write(&job->io, next * 8, 8, BLOCK,
						job->offset, false);
			assert_int_equal(mullion_disk_submit(disk, &job->io), 0);
			next++;
			if (next % (10 * DEPTH) == 5 * DEPTH) {
				mullion_disk_kick(disk);
				mullion_disk_poll(disk);
				cp_world_kill(&world);
				cp_world_start(&world, true);
			}
		}
		assert_true(mullion_disk_wait(disk, 60000) >= 0);
		cp_world_turn(&world);
	}
	unsetenv("FIXTURE_DELAY");
	for (unsigned int i = 0; i < rounds * DEPTH; i++) {
		assert_int_equal(pread(world.store_fd, back, 4096, (off_t)i * 4096), 4096);
		assert_int_equal(back[0], i % 251 + 1);
		assert_int_equal(back[4095], i % 251 + 1);
	}
	mullion_disk_counters(disk, &counters);
	assert_true(counters.generations >= 6);
	assert_true(counters.reissued > 0);
	assert_int_equal(counters.bogus, 0);
	jobs_free(jobs, DEPTH);
}

static uint32_t change_state(struct cp_control *control, uint16_t segment)
{
	union controlvm_packet packet;

	memset(&packet, 0, sizeof(packet));
	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = segment;
	return cp_world_command(&world, control, CONTROLVM_DEVICE_CHANGESTATE, 0,
				&packet, NULL, 0, ++control->handle);
}

static void test_pause(void **state)
{
	struct job job;

	(void)state;
	jobs_init(&job, 1, 4096);
	assert_int_equal(change_state(&world.guest_control, VISOR_SEGMENT_STANDBY), 0);
	assert_int_equal(change_state(&world.service_control, VISOR_SEGMENT_STANDBY), 0);
	mullion_disk_prep_read(&job.io, 0, 8, BLOCK, job.offset);
	assert_int_equal(mullion_disk_submit(disk, &job.io), 0);
	mullion_disk_kick(disk);
	assert_int_equal(mullion_disk_wait(disk, 50), 0);
	assert_int_equal(change_state(&world.service_control, VISOR_SEGMENT_RUNNING), 0);
	assert_int_equal(change_state(&world.guest_control, VISOR_SEGMENT_RUNNING), 0);
	wait_outstanding(0);
	assert_int_equal(job.done, 1);
	assert_int_equal(job.io.error, 0);
	jobs_free(&job, 1);
}

/* Nothing is served in the epoch of a client that is no more, a pause or not. */
static void test_reset(void **state)
{
	struct job job;

	(void)state;
	jobs_init(&job, 1, 4096);
	assert_int_equal(change_state(&world.service_control, MULLION_SEGMENT_RESET), 0);
	assert_int_equal(change_state(&world.service_control, MULLION_SEGMENT_RESET), 0);
	mullion_disk_prep_read(&job.io, 0, 8, BLOCK, job.offset);
	assert_int_equal(mullion_disk_submit(disk, &job.io), 0);
	mullion_disk_kick(disk);
	assert_int_equal(mullion_disk_wait(disk, 50), 0);
	assert_int_equal(change_state(&world.service_control, VISOR_SEGMENT_STANDBY), 0);
	assert_int_equal(change_state(&world.service_control, MULLION_SEGMENT_RESET), 0);
	assert_int_equal(change_state(&world.service_control, VISOR_SEGMENT_RUNNING), 0);
	assert_int_equal(mullion_disk_wait(disk, 50), 0);
	assert_int_equal(job.done, 0);
	/* What raises the epoch is served, whoever it is. */
	assert_int_equal(change_state(&world.guest_control, VISOR_SEGMENT_STANDBY), 0);
	assert_int_equal(change_state(&world.guest_control, VISOR_SEGMENT_RUNNING), 0);
	wait_outstanding(0);
	assert_int_equal(job.done, 1);
	assert_int_equal(job.io.error, 0);
	jobs_free(&job, 1);
}

/* Close and open again: a new incarnation on the same channel. */
static void test_reopen(void **state)
{
	(void)state;
	mullion_disk_close(disk);
	disk = NULL;
	assert_int_equal(mullion_disk_open(&disk, find_device(), 60000), 0);
	test_capacity(NULL);
}

/* A hundred answers more than the ring has room for. */
static void fill_answers(struct mullion_sq *requests, int send_fd, uint32_t epoch)
{
	volatile struct mullion_state_channel *state = &world.state->channels[0];
	uint64_t end = mullion_spin_now() + 120000000000ULL;
	uint64_t wanted = state->requests + 255 + 100;
	struct mullion_io_slot request;
	void *slot;

	memset(&request, 0, sizeof(request));
	request.rsp.cmdtype = CMD_SCSI_TYPE;
	request.rsp.scsi.data_dir = UIS_DMA_NONE;
	request.ext.epoch = epoch;
	for (unsigned int sent = 0; sent < 255 + 100; sent++) {
		while (mullion_sq_produce(requests, &slot))
			assert_true(mullion_spin_now() < end);
		request.ext.request_id = 1000000 + sent;
		memcpy(slot, &request, sizeof(request));
		mullion_sq_publish(requests);
		mullion_doorbell_ring(send_fd);
	}
	while (state->requests != wanted || state->outstanding) {
		assert_true(mullion_spin_now() < end);
		usleep(1000);
	}
}

static char service_process_state(void)
{
	char path[64], text[512], *end;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)world.pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	assert_true(n > 0);
	text[n] = '\0';
	end = strrchr(text, ')');
	assert_non_null(end);
	return end[2];
}

/* Answers that found no room, and then no ring: the service must still sleep. */
static void test_full_and_broken(void **state)
{
	uint64_t end = mullion_spin_now() + 120000000000ULL;
	struct mullion_guest_device_info info;
	struct signal_queue_header *rsp;
	struct mullion_channel_ext *ext;
	struct mullion_sq requests = { 0 };
	int ret = -1;

	(void)state;
	mullion_guest_device_info(find_device(), &info);
	ext = (void *)(info.channel + MULLION_CHANNEL_EXT_OFFSET_IO);
	rsp = (void *)(info.channel + MULLION_IO_CH_SPACE_OFFSET + sizeof(*rsp));
	assert_int_equal(mullion_sq_attach(&requests, info.channel,
					   info.channel_bytes,
					   MULLION_IO_CH_SPACE_OFFSET,
					   VISOR_IO_SLOT_BYTES, 0), 0);
	fill_answers(&requests, info.send_fd, (uint32_t)ext->server_epoch);
	rsp->tail = 0xffff;
	mullion_doorbell_ring(info.send_fd);
	while (((volatile struct mullion_channel_ext *)ext)->server_state !=
	       MULLION_CHANNEL_FAULTED) {
		assert_true(mullion_spin_now() < end);
		usleep(1000);
	}
	for (unsigned int asleep = 0; asleep < 20; asleep++) {
		assert_true(mullion_spin_now() < end);
		if (service_process_state() != 'S')
			asleep = 0;
		usleep(5000);
	}
	mullion_disk_close(disk);
	disk = NULL;
	while (ret) {
		assert_true(mullion_spin_now() < end);
		cp_world_turn(&world);
		ret = mullion_disk_open(&disk, find_device(), 100);
	}
	test_capacity(NULL);
}

/* Every byte of the device's channel is rubbish: only this channel stops. */
static void test_scribble(void **state)
{
	struct mullion_guest_device_info info;
	uint64_t end = mullion_spin_now() + 120000000000ULL;
	int ret = -1;

	(void)state;
	mullion_guest_device_info(find_device(), &info);
	memset(info.channel, 0xa5, info.channel_bytes);
	mullion_disk_close(disk);
	disk = NULL;
	while (ret) {
		assert_true(mullion_spin_now() < end);
		cp_world_turn(&world);
		ret = mullion_disk_open(&disk, find_device(), 100);
	}
	test_capacity(NULL);
}

static void test_destroy(void **state)
{
	union controlvm_packet packet;
	struct job job;
	int ret;

	(void)state;
	memset(&packet, 0, sizeof(packet));
	packet.destroy_device.bus_no = 1;
	jobs_init(&job, 1, 4096);
	assert_int_equal(cp_world_command(&world, &world.guest_control,
					  CONTROLVM_DEVICE_DESTROY, 0, &packet, NULL, 0,
					  ++world.guest_control.handle), 0);
	assert_null(find_device());
	mullion_disk_prep_read(&job.io, 0, 8, BLOCK, job.offset);
	ret = mullion_disk_submit(disk, &job.io);
	assert_int_equal(ret, -ENODEV);
	assert_int_equal(cp_world_command(&world, &world.service_control,
					  CONTROLVM_DEVICE_DESTROY, 0, &packet, NULL, 0,
					  ++world.service_control.handle), 0);
	packet.destroy_bus.bus_no = 1;
	assert_int_equal(cp_world_command(&world, &world.service_control,
					  CONTROLVM_BUS_DESTROY, 0, &packet, NULL, 0,
					  ++world.service_control.handle), 0);
}

static void test_service_counts(void **state)
{
	const struct mullion_state_channel *channel = &world.state->channels[0];

	(void)state;
	assert_memory_equal(&channel->device, &world.uuid, sizeof(guid_t));
	assert_int_equal(channel->status, MULLION_CHANNEL_SERVING);
	assert_int_equal(channel->stale, 0);
	assert_true(channel->requests > 0);
	assert_int_equal(channel->outstanding, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_capacity),
		cmocka_unit_test(test_read_write),
		cmocka_unit_test(test_sense),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_task),
		cmocka_unit_test(test_many_adaptive),
		cmocka_unit_test(test_many_sleep),
		cmocka_unit_test(test_many_poll),
		cmocka_unit_test(test_service_counts),
		cmocka_unit_test(test_pause),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_reopen),
		cmocka_unit_test(test_kill),
		cmocka_unit_test(test_full_and_broken),
		cmocka_unit_test(test_scribble),
		cmocka_unit_test(test_destroy),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
