// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_intree.c - mullion-disk serving a guest with the drivers of
 * Linux 5.10, which is played by intree-guest (tests/intree)
 *
 * Channels in guest RAM, no doorbells, no extension: traffic, requests that
 * cannot be, standby and running, kills of the service with a successor that
 * goes on in the rings as they are, RAM that becomes shorter.  The guest's
 * report says whether any rule of the channel ABI was broken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../abi/disk.h"
#include "../../channel/spin.h"
#include "../lib/cp.h"

#define MIB		(1ULL << 20)
#define RAM_BYTES	(48 * MIB)
#define RESERVED	(8 * MIB)
#define RESERVED_BYTES	(4 * MIB)
#define CONTROL_GPA	RESERVED
#define BUS_GPA		(RESERVED + MIB)
#define DEVICE_GPA	(RESERVED + MIB + 65536)
#define HIGH		0x100000000ULL
#define HIGH_OFFSET	(32 * MIB)
#define IMAGE_BYTES	(32 * MIB)
#define KILLS		8

static struct cp_world world;
static char image[] = "/var/tmp/mullion-intree-XXXXXX";
static pid_t player;
static FILE *events;
static const char *awaited;	/* "begin STEP", ...; NULL: it came */

static union {
	struct mullion_disk_config head;
	unsigned char bytes[sizeof(struct mullion_disk_config) + sizeof(struct mullion_disk_lun)];
} config;

static int image_open(void)
{
	int fd = open(image, O_RDWR | O_CLOEXEC);

	assert_true(fd >= 0);
	return fd;
}

/* 32 MiB from 0, in two regions that touch, 16 MiB from 4 GiB. */
static void make_ram(void)
{
	int fd = memfd_create("ram", MFD_CLOEXEC);

	assert_true(fd >= 0 && !ftruncate(fd, RAM_BYTES));
	world.ram_fd = fd;
	world.ram = (struct mullion_ram_map){
		.version = MULLION_RAM_MAP_VERSION,
		.region_count = 3,
		.reserved_count = 1,
		.regions = {
			{ .gpa = 0, .bytes = 16 * MIB },
			{ .gpa = 16 * MIB, .bytes = 16 * MIB, .offset = 16 * MIB },
			{ .gpa = HIGH, .bytes = RAM_BYTES - HIGH_OFFSET, .offset = HIGH_OFFSET },
		},
		.reserved = { { .gpa = RESERVED, .bytes = RESERVED_BYTES } },
	};
	world.bus_gpa = BUS_GPA;
	world.device_gpa = DEVICE_GPA;
}

/* The guest's control channel lies in its RAM, and nobody attaches to it. */
static void make_control(void)
{
	struct cp_window *window = &world.guest_window;

	/* cp_control wants the channel one page into its window. */
	window->base = mmap(NULL, RESERVED_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			    world.ram_fd, CONTROL_GPA - 4096);
	assert_true(window->base != MAP_FAILED);
	memset(window->base + 4096, 0xee, RESERVED_BYTES - 4096);
	window->size = RESERVED_BYTES;
	cp_control_init(&world.guest_control, window);
}

static void start(void)
{
	config.head.version = MULLION_DISK_CONFIG_VERSION;
	config.head.lun_count = 1;
	config.head.lun_bytes = sizeof(config.head.luns[0]);
	memset(&config.head.luns[0], 0, sizeof(config.head.luns[0]));
	config.head.luns[0].store = MULLION_STORE_FILE;
	config.head.luns[0].cache = MULLION_CACHE_WRITETHROUGH;
	config.head.luns[0].block_size = 512;
	config.head.luns[0].uuid.b[0] = 9;
	cp_world_init(&world, cp_program("../../mullion-disk"));
	world.class_part = &config;
	world.class_bytes = sizeof(config);
	world.store_fd = image_open();
	make_ram();
	make_control();
	cp_world_start(&world, false);
}

/* Steps, each a string, ended by NULL. */
static void play(const char *const *steps)
{
	char ram[64], control[32], reserved[64];
	const char *arguments[48] = {
		cp_program("../intree/intree-guest"), "--ram", ram, "--control-gpa", control,
		"--reserved", reserved, "--region", "0:0:0x1000000",
		"--region", "0x1000000:0x1000000:0x1000000",
		"--region", "0x100000000:0x2000000:0x1000000",
	};
	unsigned int n = 13;
	int pipes[2];

	snprintf(ram, sizeof(ram), "/proc/%d/fd/%d", getpid(), world.ram_fd);
	snprintf(control, sizeof(control), "%#llx", CONTROL_GPA);
	snprintf(reserved, sizeof(reserved), "%#llx:%#llx", RESERVED, RESERVED_BYTES);
	while (*steps)
		arguments[n++] = *steps++;
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	player = fork();
	assert_true(player >= 0);
	if (!player) {
		dup2(pipes[1], 1);
		execv(arguments[0], (char *const *)(uintptr_t)arguments);
		_exit(127);
	}
	close(pipes[1]);
	fcntl(pipes[0], F_SETFL, O_NONBLOCK);
	events = fdopen(pipes[0], "r");
}

/* Reads what the guest says, up to what is awaited; violations are shown.  True at its end. */
static bool listen_to_guest(void)
{
	char line[512];

	while (fgets(line, sizeof(line), events)) {
		if (!strncmp(line, "violation", 9) || !strncmp(line, "FAIL", 4) ||
		    !strncmp(line, "event: failed", 13))
			fputs(line, stderr);
		if (awaited && !strncmp(line, "event: ", 7) &&
		    !strncmp(line + 7, awaited, strlen(awaited))) {
			awaited = NULL;
			return false;
		}
	}
	if (feof(events))
		return true;
	clearerr(events);
	return false;
}

static void wait_for_event(const char *event)
{
	uint64_t end = mullion_spin_now() + 120000000000ULL;

	awaited = event;
	while (awaited) {
		assert_true(mullion_spin_now() < end);
		assert_false(listen_to_guest());
		cp_world_turn(&world);
		poll(NULL, 0, 1);
	}
}

static void finish(void)
{
	uint64_t end = mullion_spin_now() + 300000000000ULL;
	int status;

	while (!listen_to_guest()) {
		assert_true(mullion_spin_now() < end);
		cp_world_turn(&world);
		poll(NULL, 0, 1);
	}
	assert_int_equal(waitpid(player, &status, 0), player);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	fclose(events);
	close(world.store_fd);
	close(world.ram_fd);
	cp_world_done(&world);
}

static void send_to_service(uint32_t id, uint16_t state)
{
	union controlvm_packet packet = { 0 };

	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = state;
	assert_int_equal(cp_world_command(&world, &world.service_control, id,
					  CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER, &packet, NULL, 0,
					  ++world.service_control.handle), 0);
}

static void send_to_guest(uint32_t id, uint16_t state)
{
	union controlvm_packet packet = { 0 };

	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = state;
	assert_int_equal(cp_world_command(&world, &world.guest_control, id, 0, &packet, NULL, 0,
					  ++world.guest_control.handle), 0);
}

/* ---- tests -------------------------------------------------------------------- */

static void traffic(void **state)
{
	static const char *const steps[] = {
		"ready", "scan=1", "io=150", "tasks", "io-bad", "io=20", "gone", "end", NULL,
	};

	(void)state;
	start();
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin gone");
	send_to_guest(CONTROLVM_DEVICE_DESTROY, 0);
	/* The device may be in its remove until this is answered. */
	send_to_guest(CONTROLVM_DEVICE_CONFIGURE, 0);
	send_to_service(CONTROLVM_DEVICE_DESTROY, 0);
	send_to_guest(CONTROLVM_BUS_DESTROY, 0);
	finish();
}

/* The one cycle that a vHBA has, with commands under way. */
static void pauses(void **state)
{
	static const char *const steps[] = {
		"ready", "io-start", "sleep=1", "standby", "running", "sleep=1", "io-stop", "io=20",
		NULL,
	};
	union controlvm_packet packet = { 0 };

	(void)state;
	start();
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin standby");
	/* First the service, which then leaves guest memory alone. */
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
	send_to_guest(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
	wait_for_event("begin running");
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_RUNNING);
	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = VISOR_SEGMENT_RUNNING;
	cp_control_send_quietly(&world.guest_control, CONTROLVM_DEVICE_CHANGESTATE, &packet);
	finish();
}

static void successor(void)
{
	cp_world_kill(&world);
	/* A new description of the file: the predecessor's I/O holds the other. */
	close(world.store_fd);
	world.store_fd = image_open();
	cp_world_start(&world, true);
}

static void kills(void **state)
{
	static const char *const steps[] = {
		"ready", "io-start", "sleep=1", "sleep=1", "tasks", "io-stop", "io=50", NULL,
	};
	const struct mullion_state_channel *record;
	uint64_t replayed = 0;

	(void)state;
	start();
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin sleep");
	for (int i = 0; i < KILLS; i++) {
		uint64_t until = mullion_spin_now() + 100000000ULL + (uint64_t)i * 7000000;

		while (mullion_spin_now() < until) {
			cp_world_turn(&world);
			poll(NULL, 0, 1);
		}
		successor();
	}
	record = &world.state->channels[0];
	replayed = record->replayed + record->recalled;
	print_message("%llu requests adopted by %d successors\n", (unsigned long long)replayed,
		      KILLS);
	finish();
}

/* A successor of a service that was paused waits for the resume. */
static void killed_while_paused(void **state)
{
	static const char *const steps[] = {
		"ready", "io-start", "sleep=1", "standby", "running", "sleep=1", "io-stop", "io=20",
		NULL,
	};
	union controlvm_packet packet = { 0 };

	(void)state;
	start();
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin standby");
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
	send_to_guest(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
	wait_for_event("begin running");
	successor();
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_RUNNING);
	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = VISOR_SEGMENT_RUNNING;
	cp_control_send_quietly(&world.guest_control, CONTROLVM_DEVICE_CHANGESTATE, &packet);
	finish();
}

static void shrinks(void **state)
{
	static const char *const steps[] = { "ready", "sleep=1", "io-lost=4104", NULL };
	int status;

	(void)state;
	start();
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin sleep");
	assert_int_equal(ftruncate(world.ram_fd, HIGH_OFFSET + 4 * MIB), 0);
	while (!listen_to_guest()) {
		cp_world_turn(&world);
		poll(NULL, 0, 1);
	}
	/* The step may well fail: what counts is that nothing was broken. */
	assert_int_equal(waitpid(player, &status, 0), player);
	fclose(events);
	assert_true(WIFEXITED(status));
	/* The service lives, and answers its command partition. */
	assert_int_equal(waitpid(world.pid, NULL, WNOHANG), 0);
	send_to_service(CONTROLVM_DEVICE_DESTROY, 0);
	close(world.store_fd);
	close(world.ram_fd);
	cp_world_done(&world);
}

static int setup(void **state)
{
	int fd;

	(void)state;
	fd = mkstemp(image);
	if (fd < 0 || ftruncate(fd, IMAGE_BYTES) || fchmod(fd, 0666))
		return -1;
	close(fd);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	return unlink(image);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(traffic),
		cmocka_unit_test(pauses),
		cmocka_unit_test(kills),
		cmocka_unit_test(killed_while_paused),
		cmocka_unit_test(shrinks),
	};

	if (access(cp_program("../../mullion-disk"), X_OK)) {
		printf("mullion-disk is not built\n");
		return 77;
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
