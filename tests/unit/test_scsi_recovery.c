// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_scsi_recovery.c - services that are killed, and successors
 *
 * A child process is a service.  It is killed at a random moment with a
 * request under way; the next child adopts the disk with its own descriptor
 * and gets that request again, as a guest would send it.  Each request must
 * have had its effect exactly once, which counters show:
 *
 *  - COMPARE AND WRITE from n to n + 1, on a file with the write cache off;
 *  - PERSISTENT RESERVE OUT, REGISTER, with key n + 1 over key n.
 *
 * And what a service must not do: touch an image that another has locked, and
 * believe a flush after one that failed.
 *
 * Between requests nothing survives in a child that is not in the state
 * object or on the medium.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../../service/disk/persist.h"
#include "../lib/scsi_cdb.h"

#define GENERATIONS	40

/* What a guest remembers: request `id` is under way if it is not `done`. */
struct guest {
	uint64_t done;
	uint64_t id;
	uint32_t wrong;		/* line of the first wrong answer */
};

static struct guest *guest;
static char path[] = "/tmp/mullion-recovery-XXXXXX";

static void fail_at(uint32_t line)
{
	if (!guest->wrong)
		guest->wrong = line;
	_exit(1);
}

#define MUST(x) do { if (!(x)) fail_at(__LINE__); } while (0)

static struct mullion_device *service(bool adopt)
{
	struct mullion_disk_lun lun = fake_lun(1, MULLION_STORE_FILE, 0);
	struct mullion_device *device;
	int fd;

	/* every generation has an open file description of its own */
	fd = open(path, O_RDWR | O_CLOEXEC);
	MUST(fd >= 0);
	fake_init();
	lun.cache = MULLION_CACHE_WRITETHROUGH;
	device = fake_device_new(0);
	MUST(!fake_device_start(device, &lun, 1, &fd, adopt));
	return device;
}

static struct fake_answer caw(struct mullion_device *device, uint64_t n,
			      bool again)
{
	static uint8_t data[1024];
	uint8_t cdb[16] = { 0x89 };

	memset(data, 0, sizeof(data));
	put_be64(data, n);
	put_be64(data + 512, n + 1);
	cdb[9] = 77;
	cdb[13] = 1;
	if (again)
		return fake_wait(fake_send_again(device, 0, cdb, 16,
						 UIS_DMA_TO_DEVICE, data,
						 sizeof(data), guest->id));
	fake_next_id = guest->id;
	return fake_scsi(device, 0, cdb, 16, UIS_DMA_TO_DEVICE, data,
			 sizeof(data));
}

static struct fake_answer reregister(struct mullion_device *device, uint64_t n,
				     bool again)
{
	uint8_t cdb[16] = { 0x5f, 0, 0, 0, 0, 0, 0, 0, 24 };
	uint8_t list[24] = { 0 };

	put_be64(list, n);
	put_be64(list + 8, n + 1);
	if (again)
		return fake_wait(fake_send_again(device, 0, cdb, 10,
						 UIS_DMA_TO_DEVICE, list, 24,
						 guest->id));
	fake_next_id = guest->id;
	return fake_scsi(device, 0, cdb, 10, UIS_DMA_TO_DEVICE, list, 24);
}

typedef struct fake_answer (*request_fn)(struct mullion_device *device,
					 uint64_t n, bool again);

/* Every second generation dies between an effect and its record. */
static void serve(request_fn request, unsigned int generation)
{
	struct mullion_device *device = service(generation > 0);
	unsigned int left = generation % 7 + 1;

	if (guest->id != guest->done) {
		MUST(!request(device, guest->done, true).status);
		guest->done = guest->id;
	}
	for (;;) {
		guest->id = guest->done + 1;
		fake_die_unanswered = generation % 2 && !left--;
		MUST(!request(device, guest->done, false).status);
		guest->done = guest->id;
	}
}

static uint64_t random_us(uint64_t most)
{
	static uint64_t state = 88172645463325252ULL;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state % most;
}

static void run_generations(request_fn request)
{
	unsigned int i;
	uint64_t before;
	int status;
	pid_t child;

	for (i = 0; i < GENERATIONS; i++) {
		struct timespec pause = { 0 };

		before = guest->done;
		child = fork();
		assert_true(child >= 0);
		if (!child)
			serve(request, i);
		/* it must get somewhere; then it dies at any moment */
		while (__atomic_load_n(&guest->done, __ATOMIC_RELAXED) == before &&
		       !guest->wrong)
			sched_yield();
		pause.tv_nsec = (long)random_us(3000) * 1000;
		nanosleep(&pause, NULL);
		kill(child, SIGKILL);
		assert_int_equal(waitpid(child, &status, 0), child);
		if (guest->wrong)
			fail_msg("wrong answer, line %u", guest->wrong);
	}
}

/* In a child of its own, so that the parent never has a loop. */
static void check(void (*fn)(struct mullion_device *device))
{
	pid_t child = fork();
	int status;

	assert_true(child >= 0);
	if (!child) {
		fn(service(true));
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	if (guest->wrong)
		fail_msg("wrong, line %u", guest->wrong);
	assert_int_equal(status, 0);
}

static void check_block(struct mullion_device *device)
{
	uint64_t found;
	uint8_t data[512];

	if (guest->id != guest->done)
		MUST(!caw(device, guest->done, true).status);
	MUST(!do_read(device, 0, 77, 1, data).status);
	found = get_be64(data);
	MUST(found == guest->id);
}

static void check_key(struct mullion_device *device)
{
	uint8_t data[64];

	if (guest->id != guest->done)
		MUST(!reregister(device, guest->done, true).status);
	MUST(!fake_scsi(device, 0, CDB(0x5e, 0, 0, 0, 0, 0, 0, 0, 64), 10,
			UIS_DMA_FROM_DEVICE, data, 64).status);
	MUST(get_be32(data + 4) == 8);
	MUST(get_be64(data + 8) == guest->id);
	/* one generation for each registration: none was done twice */
	MUST(get_be32(data) == (uint32_t)guest->id);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	snprintf(path, sizeof(path), "/tmp/mullion-recovery-XXXXXX");
	fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	close(fd);
	guest = mmap(NULL, sizeof(*guest), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(guest != MAP_FAILED);
	fake_share();
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	unlink(path);
	munmap(guest, sizeof(*guest));
	return 0;
}

static void compare_and_write_happens_once(void **state)
{
	(void)state;
	run_generations(caw);
	check(check_block);
}

static void registration_happens_once(void **state)
{
	(void)state;
	run_generations(reregister);
	check(check_key);
}

/* Room beyond the end of the image, which opening it must not take away. */
static blkcnt_t image_blocks(int fd)
{
	struct stat st;

	assert_int_equal(fstat(fd, &st), 0);
	return st.st_blocks;
}

/*
 * A stranger that holds the lock: refused after a while, not waited for, and
 * nothing is tried on the image meanwhile.
 */
static void image_of_another_program_is_refused(void **state)
{
	struct flock lock = {
		.l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = 1LL << 62, .l_len = 1,
	};
	struct mullion_disk_lun lun = fake_lun(1, MULLION_STORE_FILE, 0);
	/* not every file system lets go of what lies beyond the end; this does */
	int fd = memfd_create("image", MFD_CLOEXEC), mine, status;
	blkcnt_t blocks;
	char name[64];
	pid_t child;

	(void)state;
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	assert_int_equal(ftruncate(fd, 1 << 20), 0);
	assert_int_equal(fcntl(fd, F_OFD_SETLK, &lock), 0);
	assert_int_equal(fallocate(fd, FALLOC_FL_KEEP_SIZE, 1 << 20, 4096), 0);
	blocks = image_blocks(fd);
	child = fork();
	if (!child) {
		mine = open(name, O_RDWR);
		fake_init();
		_exit(fake_device_start(fake_device_new(0), &lun, 1, &mine,
					false) == -EBUSY ? 0 : 1);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_int_equal(status, 0);
	assert_int_equal(image_blocks(fd), blocks);
	close(fd);
}

/* In place of libc's, and reached because the child has no ring. */
static int flush_error;

int fdatasync(int fd)
{
	int error = flush_error;

	if (!error)
		return fsync(fd);
	flush_error = 0;
	errno = error;
	return -1;
}

static int flush_and_flush_again(void)
{
	struct mullion_disk_lun lun = fake_lun(1, MULLION_STORE_FILE, 0);
	struct mullion_device *device;
	uint8_t data[512] = { 1 };
	int fd = open(path, O_RDWR | O_CLOEXEC);

	setenv("MULLION_TEST_NO_URING", "1", 1);
	fake_init();
	device = fake_device_new(0);
	MUST(!fake_device_start(device, &lun, 1, &fd, false));
	MUST(!do_write(device, 0, 0, 1, data).status);
	MUST(!do_sync(device, 0).status);
	MUST(!do_write(device, 0, 0, 1, data).status);
	flush_error = EIO;
	MUST(do_sync(device, 0).key == 3);
	/* the kernel has forgotten; the guest must not be told otherwise */
	MUST(do_sync(device, 0).key == 3);
	MUST(!do_write(device, 0, 0, 1, data).status);
	MUST(do_sync(device, 0).key == 3);
	fake_device_stop(device);
	fd = open(path, O_RDWR | O_CLOEXEC);
	device = fake_device_new(0);
	MUST(!fake_device_start(device, &lun, 1, &fd, false));
	MUST(!do_sync(device, 0).status);
	return 0;
}

static void a_failed_flush_is_not_forgotten(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child)
		_exit(flush_and_flush_again());
	assert_int_equal(waitpid(child, &status, 0), child);
	if (guest->wrong)
		fail_msg("wrong, line %u", guest->wrong);
	assert_int_equal(status, 0);
}

/* Writes of a nexus that is back must not cost another the answers it is owed. */
static void answers_are_kept_while_writes_run(void **state)
{
	static struct mullion_state_object object;
	static const uint8_t data[512];
	const guid_t away = { { 1 } }, back = { { 2 } };
	struct persist_body body;
	uint64_t i;
	int slot;

	(void)state;
	persist_load(&object, &body);
	for (i = 1; i <= 8; i++) {
		slot = persist_intent_begin(&object, &away, i, 5, i, 1, data, 512);
		assert_true(slot >= 0);
		persist_intent_phase(&object, slot, INTENT_APPLIED);
	}
	for (i = 8; i < PERSIST_JOURNAL_SLOTS; i++)
		assert_true(persist_intent_begin(&object, &back, i, 6, i, 1, data,
						 512) >= 0);
	assert_int_equal(persist_intent_begin(&object, &back, 99, 6, 1, 1, data,
					      512), -EAGAIN);
	for (i = 1; i <= 8; i++)
		assert_true(persist_intent_find(&object, &away, i, 5) >= 0);
	/* nothing runs, nothing is free: one has to go, the oldest */
	for (slot = 0; slot < PERSIST_JOURNAL_SLOTS; slot++)
		persist_intent_phase(&object, slot, INTENT_APPLIED);
	assert_true(persist_intent_begin(&object, &back, 99, 6, 1, 1, data, 512) >= 0);
	assert_int_equal(persist_intent_find(&object, &away, 1, 5), -ENOENT);
	assert_true(persist_intent_find(&object, &away, 2, 5) >= 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(compare_and_write_happens_once),
		TEST(registration_happens_once),
		TEST(image_of_another_program_is_refused),
		TEST(a_failed_flush_is_not_forgotten),
		cmocka_unit_test(answers_are_kept_while_writes_run),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
