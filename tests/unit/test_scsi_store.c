// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_scsi_store.c - files with and without the page cache, NBD
 * servers, and what is said when they fail
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../lib/scsi_cdb.h"

#define IMAGE_BYTES	(4 << 20)

static unsigned int next_disk = 1;

static int temporary(int flags)
{
	char path[] = "/var/tmp/mullion-store-XXXXXX";
	int fd = mkstemp(path), again;

	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	again = open(path, O_RDWR | O_CLOEXEC | flags);
	unlink(path);
	close(fd);
	return again;
}

static void fill(uint8_t *data, size_t bytes, unsigned int seed)
{
	size_t i;

	for (i = 0; i < bytes; i++)
		data[i] = (uint8_t)(i * 31 + i / 509 + seed);
}

/* Write, read back, many at once, unaligned memory, flush, unmap. */
static void exercise(struct mullion_device *device)
{
	enum { N = 32, BLOCKS = 24 };
	static uint8_t out[N][BLOCKS * 512], in[N][BLOCKS * 512 + 512];
	static uint8_t zero[BLOCKS * 512];
	struct fake_request *requests[N];
	uint8_t list[24] = { 0, 22, 0, 16 }, cdb[16];
	unsigned int i;

	for (i = 0; i < N; i++) {
		fill(out[i], sizeof(out[i]), i);
		requests[i] = start_write(device, 0, i * BLOCKS, BLOCKS, out[i]);
	}
	for (i = 0; i < N; i++)
		assert_int_equal(fake_wait(requests[i]).status, 0);
	assert_int_equal(do_sync(device, 0).status, 0);
	for (i = 0; i < N; i++)
		requests[i] = start_read(device, 0, i * BLOCKS, BLOCKS,
					 in[i] + 3);
	for (i = 0; i < N; i++) {
		assert_int_equal(fake_wait(requests[i]).status, 0);
		assert_memory_equal(in[i] + 3, out[i], sizeof(out[i]));
	}
	/* stable write of unaligned memory */
	memmove(in[0] + 1, out[5], sizeof(out[5]));
	cdb_rw16(cdb, 0x8a, 0, BLOCKS);
	cdb[1] = 0x08;
	assert_int_equal(fake_wait(fake_send(device, 0, cdb, 16,
					     UIS_DMA_TO_DEVICE, in[0] + 1,
					     BLOCKS * 512, 4)).status, 0);
	assert_int_equal(do_read(device, 0, 0, BLOCKS, in[1]).status, 0);
	assert_memory_equal(in[1], out[5], sizeof(out[5]));
	put_be32(list + 16, 8 * BLOCKS);
	assert_int_equal(fake_scsi(device, 0,
				   CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 24), 10,
				   UIS_DMA_TO_DEVICE, list, 24).status, 0);
	assert_int_equal(do_read(device, 0, BLOCKS, BLOCKS, in[1]).status, 0);
	assert_memory_equal(in[1], zero, sizeof(zero));
}

static struct mullion_device *start(struct mullion_disk_lun lun, int fd)
{
	struct mullion_device *device = fake_device_new(0);

	assert_int_equal(fake_device_start(device, &lun, 1, &fd, false), 0);
	return device;
}

static void file_in_the_page_cache(void **state)
{
	struct mullion_device *device;

	(void)state;
	device = start(fake_lun(next_disk++, MULLION_STORE_FILE, 0), temporary(0));
	exercise(device);
	fake_device_stop(device);
}

static void file_written_through(void **state)
{
	struct mullion_disk_lun lun = fake_lun(next_disk++, MULLION_STORE_FILE, 0);
	struct mullion_device *device;

	(void)state;
	lun.cache = MULLION_CACHE_WRITETHROUGH;
	device = start(lun, temporary(0));
	exercise(device);
	fake_device_stop(device);
}

static void file_without_the_page_cache(void **state)
{
	struct mullion_disk_lun lun = fake_lun(next_disk++, MULLION_STORE_FILE, 0);
	struct mullion_device *device;
	int fd = temporary(O_DIRECT);

	(void)state;
	if (fd < 0)
		skip();
	lun.cache = MULLION_CACHE_NONE;
	device = start(lun, fd);
	exercise(device);
	fake_device_stop(device);
}

static void file_in_memory(void **state)
{
	struct mullion_device *device;
	char path[] = "/dev/shm/mullion-store-XXXXXX";
	int fd = mkstemp(path);

	(void)state;
	if (fd < 0)
		skip();
	unlink(path);
	assert_int_equal(ftruncate(fd, IMAGE_BYTES), 0);
	device = start(fake_lun(next_disk++, MULLION_STORE_FILE, 0), fd);
	exercise(device);
	fake_device_stop(device);
}

/* Cold pages are not waited for in line. */
static void cold_reads_go_through_the_ring(void **state)
{
	static uint8_t data[256 * 512];
	struct fake_request *request;
	struct mullion_device *device;
	int fd = temporary(0);

	(void)state;
	fill(data, sizeof(data), 1);
	assert_int_equal(pwrite(fd, data, sizeof(data), 0), sizeof(data));
	fsync(fd);
	device = start(fake_lun(next_disk++, MULLION_STORE_FILE, 0),
		       fcntl(fd, F_DUPFD_CLOEXEC, 3));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	memset(data, 0, sizeof(data));
	request = start_read(device, 0, 0, 256, data);
	assert_int_equal(fake_wait(request).status, 0);
	assert_int_equal(data[100], (uint8_t)(100 * 31 + 1));
	fake_device_stop(device);
	close(fd);
}

/*
 * The same of a file that cannot be locked against its readers, through memory
 * of the service's own: in many pieces, half of it in the page cache.
 */
static void cold_reads_of_a_read_only_file(void **state)
{
	static uint8_t data[256 * 512], back[256 * 512 + 1];
	struct mullion_disk_lun lun = fake_lun(next_disk++, MULLION_STORE_FILE, 0);
	struct mullion_device *device;
	struct fake_request *request;
	uint8_t cdb[16];
	int fd = temporary(0);

	(void)state;
	fill(data, sizeof(data), 7);
	assert_int_equal(pwrite(fd, data, sizeof(data), 0), sizeof(data));
	fsync(fd);
	lun.flags = MULLION_DISK_READ_ONLY;
	device = start(lun, fcntl(fd, F_DUPFD_CLOEXEC, 3));
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	assert_int_equal(pread(fd, back, 4096, 0), 4096);
	memset(back, 0, sizeof(back));
	cdb_rw16(cdb, 0x88, 0, 256);
	request = fake_send(device, 0, cdb, 16, UIS_DMA_FROM_DEVICE, back + 1,
			    sizeof(data), 9);
	assert_int_equal(fake_wait(request).status, 0);
	assert_memory_equal(back + 1, data, sizeof(data));
	fake_device_stop(device);
	close(fd);
}

static int start_error(struct mullion_disk_lun lun, int fd)
{
	struct mullion_device *device = fake_device_new(0);
	int error = fake_device_start(device, &lun, 1, &fd, false);

	if (!error)
		fake_device_stop(device);
	else
		free(device);
	return error;
}

static void what_cannot_be_a_disk(void **state)
{
	struct mullion_disk_lun lun = fake_lun(next_disk++, MULLION_STORE_FILE, 0);
	int fd = temporary(0), ends[2];

	(void)state;
	assert_int_equal(ftruncate(fd, 1000), 0);
	assert_int_equal(start_error(lun, fd), -EINVAL);
	assert_int_equal(start_error(lun, -1), -EBADF);
	assert_int_equal(start_error(lun, open("/dev/null", O_RDWR)), -EINVAL);
	assert_int_equal(pipe(ends), 0);
	assert_int_equal(start_error(lun, ends[1]), -EINVAL);
	close(ends[0]);
	fd = temporary(0);
	assert_int_equal(ftruncate(fd, 0), 0);
	assert_int_equal(start_error(lun, fd), -EINVAL);
	assert_int_equal(start_error(lun, open("/proc/self/exe", O_RDONLY)),
			 -EROFS);
	lun.store = 9;
	assert_int_equal(start_error(lun, -1), -EINVAL);
}

/* ---- NBD --------------------------------------------------------------- */

static pid_t server;

/* nbdkit on one end of a socket pair; the other end, or -1. */
static int nbd_server(const char *const *args)
{
	const char *argv[16] = { "nbdkit", "-s", "--exit-with-parent" };
	unsigned int n = 3;
	int ends[2];

	while (*args)
		argv[n++] = *args++;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends),
			 0);
	server = fork();
	if (!server) {
		dup2(ends[1], 0);
		dup2(ends[1], 1);
		execvp("nbdkit", (char *const *)argv);
		_exit(127);
	}
	close(ends[1]);
	return ends[0];
}

static void nbd_server_stop(void)
{
	kill(server, SIGKILL);
	waitpid(server, NULL, 0);
}

static bool nbd_available(void)
{
	return !system("nbdkit --version >/dev/null 2>&1");
}

static void nbd_works(void **state)
{
	const char *const args[] = { "memory", "4M", NULL };
	struct mullion_device *device;

	(void)state;
	if (!nbd_available())
		skip();
	device = start(fake_lun(next_disk++, MULLION_STORE_NBD, 0),
		       nbd_server(args));
	exercise(device);
	fake_device_stop(device);
	nbd_server_stop();
}

static void nbd_without_fua_and_zero_works(void **state)
{
	const char *const args[] = {
		"--filter=nozero", "--filter=fua", "memory", "4M",
		NULL
	};
	struct mullion_device *device;
	uint8_t data[512] = { 1 }, cdb[16];

	(void)state;
	if (!nbd_available())
		skip();
	device = start(fake_lun(next_disk++, MULLION_STORE_NBD, 0),
		       nbd_server(args));
	cdb_rw16(cdb, 0x8a, 3, 1);
	cdb[1] = 0x08;
	assert_int_equal(fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data,
				   512).status, 0);
	/* no zeroing at the server: WRITE SAME writes */
	cdb_rw16(cdb, 0x93, 0, 64);
	cdb[1] = 0x01;
	assert_int_equal(fake_scsi(device, 0, cdb, 16, UIS_DMA_NONE, NULL,
				   0).status, 0);
	assert_int_equal(do_read(device, 0, 3, 1, data).status, 0);
	assert_int_equal(data[0], 0);
	fake_device_stop(device);
	nbd_server_stop();
}

static void nbd_errors_become_sense_data(void **state)
{
	const char *const args[] = {
		"--filter=error", "memory", "4M", "error-pread=EIO",
		"error-pread-rate=100%", "error-pwrite=ENOSPC",
		"error-pwrite-rate=100%", NULL
	};
	struct mullion_device *device;
	struct fake_answer answer;
	uint8_t data[512] = { 0 };

	(void)state;
	if (!nbd_available())
		skip();
	device = start(fake_lun(next_disk++, MULLION_STORE_NBD, 0),
		       nbd_server(args));
	answer = do_read(device, 0, 9, 1, data);
	assert_int_equal(answer.status, 2);
	assert_int_equal(answer.key, 3);
	assert_int_equal(answer.asc, 0x1100);
	assert_int_equal(answer.sense[0], 0xf0);
	assert_int_equal(get_be32(answer.sense + 3), 9);
	answer = do_write(device, 0, 9, 1, data);
	assert_int_equal(answer.key, 7);
	assert_int_equal(answer.asc, 0x2707);
	fake_device_stop(device);
	nbd_server_stop();
}

static void nbd_server_lost(void **state)
{
	const char *const args[] = { "--filter=delay", "memory", "4M",
				     "rdelay=10", NULL };
	struct mullion_device *device;
	struct fake_request *request;
	struct fake_answer answer;
	uint8_t data[512];

	(void)state;
	if (!nbd_available())
		skip();
	device = start(fake_lun(next_disk++, MULLION_STORE_NBD, 0),
		       nbd_server(args));
	request = start_read(device, 0, 0, 1, data);
	assert_false(request->answered);
	nbd_server_stop();
	answer = fake_wait(request);
	assert_int_equal(answer.status, 2);
	answer = do_read(device, 0, 0, 1, data);
	assert_int_equal(answer.key, 0xb);
	assert_int_equal(answer.asc, 0x0800);
	fake_device_stop(device);
}

/* Removed with a command under way, which then is the disk's end. */
static void nbd_disk_removed_while_it_reads(void **state)
{
	const char *const args[] = { "--filter=delay", "memory", "4M",
				     "rdelay=200ms", NULL };
	struct mullion_disk_lun luns[2];
	struct mullion_device *device = fake_device_new(0);
	struct fake_request *request;
	uint8_t data[512];
	int fds[2];

	(void)state;
	if (!nbd_available())
		skip();
	luns[0] = fake_lun(next_disk++, MULLION_STORE_NULL, 1 << 20);
	luns[1] = fake_lun(next_disk++, MULLION_STORE_NBD, 0);
	luns[1].lun = 1;
	fds[0] = -1;
	fds[1] = nbd_server(args);
	assert_int_equal(fake_device_start(device, luns, 2, fds, false), 0);
	request = start_read(device, 1, 0, 1, data);
	assert_false(request->answered);
	assert_int_equal(fake_device_reconfigure(device, luns, 1, fds), 0);
	assert_int_equal(fake_wait(request).status, 0);
	fake_turn();
	fake_device_stop(device);
	nbd_server_stop();
}

static void nbd_server_that_is_none(void **state)
{
	struct mullion_disk_lun lun = fake_lun(next_disk++, MULLION_STORE_NBD, 0);
	int ends[2];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	close(ends[1]);
	assert_int_equal(start_error(lun, ends[0]), -ECONNREFUSED);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
	assert_int_equal(write(ends[1], "GET / HTTP/1.1\r\n\r\n------", 24), 24);
	assert_int_equal(start_error(lun, ends[0]), -ECONNREFUSED);
	close(ends[1]);
}

static int init(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	fake_init();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(file_in_the_page_cache),
		cmocka_unit_test(file_written_through),
		cmocka_unit_test(file_without_the_page_cache),
		cmocka_unit_test(file_in_memory),
		cmocka_unit_test(cold_reads_go_through_the_ring),
		cmocka_unit_test(cold_reads_of_a_read_only_file),
		cmocka_unit_test(what_cannot_be_a_disk),
		cmocka_unit_test(nbd_works),
		cmocka_unit_test(nbd_without_fua_and_zero_works),
		cmocka_unit_test(nbd_errors_become_sense_data),
		cmocka_unit_test(nbd_server_lost),
		cmocka_unit_test(nbd_disk_removed_while_it_reads),
		cmocka_unit_test(nbd_server_that_is_none),
	};

	return cmocka_run_group_tests(tests, init, NULL);
}
