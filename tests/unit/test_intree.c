// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_intree.c - each service serving a guest with the drivers of
 * Linux 5.10, which is played by intree-guest (tests/intree)
 *
 * Channels in guest RAM, no doorbells, no extension: traffic, requests that
 * cannot be, standby and running, kills of the service with a successor, RAM that
 * becomes shorter.  What a class is is one row of a table (struct played), and
 * every test is run with every row; a service that has none fails.  The guest's
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
#include <glob.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../abi/disk.h"
#include "../../abi/net.h"
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

#define KILL_GAP_NS	100000000ULL
#define NICS		2

/**
 * struct played - a class of devices, as this guest has it
 * @program: its service
 * @type: of its channels
 * @devices: of them on the bus
 * @store: each gets the image
 * @configure: fills in the class part, and what the service as a whole gets
 * @work: steps with everything that the class can do
 * @begin, @end: steps that start and stop work in the background
 * @after: a step that needs a device in order
 * @ready_for_loss, @lost: steps before and after its RAM becomes shorter
 * @resumed_once: running comes once in a device's life, and is not answered
 * @adopts: a successor goes on in the rings as they are; else the guest is taken
 *	through standby and running
 */
struct played {
	const char *program;
	guid_t type;
	unsigned int devices;
	bool store;
	void (*configure)(void);
	const char *work[12];
	const char *begin;
	const char *end;
	const char *after;
	const char *ready_for_loss;
	const char *lost;
	bool resumed_once;
	bool adopts;
};

static struct cp_world world;
static const struct played *played;
static char image[] = "/var/tmp/mullion-intree-XXXXXX";
static pid_t player;
static FILE *events;
/* Interfaces that were resumed and have had their answer since. */
static unsigned int open_again;
static const char *awaited;	/* "begin STEP", ...; NULL: it came */

/* ---- classes ---------------------------------------------------------------------- */

static void disk_configure(void)
{
	static union {
		struct mullion_disk_config head;
		unsigned char bytes[sizeof(struct mullion_disk_config) +
				    sizeof(struct mullion_disk_lun)];
	} config;
	struct mullion_disk_lun *lun = &config.head.luns[0];

	config.head.version = MULLION_DISK_CONFIG_VERSION;
	config.head.lun_count = 1;
	config.head.lun_bytes = sizeof(*lun);
	memset(lun, 0, sizeof(*lun));
	lun->store = MULLION_STORE_FILE;
	lun->cache = MULLION_CACHE_WRITETHROUGH;
	lun->block_size = 512;
	lun->uuid.b[0] = 9;
	world.class_part = &config;
	world.class_bytes = sizeof(config);
}

static void net_configure(void)
{
	static struct mullion_net_port ports[NICS];
	static const struct mullion_net_config network = {
		.version = MULLION_NET_CONFIG_VERSION,
		.ageing = 300,
		.addresses_max = 64,
		.mirror_port_bus = MULLION_SERVICE_WIDE,
	};

	for (unsigned int i = 0; i < NICS; i++)
		ports[i] = (struct mullion_net_port){
			.version = MULLION_NET_CONFIG_VERSION,
			.flags = MULLION_NET_PORT_LINK_UP,
			.mac = { 2, 0, 0, 0, 0, (uint8_t)(i + 1) },
			.mtu = MULLION_NET_MTU_MAX,
		};
	world.class_part = ports;
	world.class_bytes = sizeof(ports[0]);
	world.wide_part = &network;
	world.wide_bytes = sizeof(network);
}

static struct played classes[] = {
	{
		.program = "../../mullion-disk",
		.type = VISOR_VHBA_CHANNEL_GUID,
		.devices = 1,
		.store = true,
		.configure = disk_configure,
		.work = { "scan=1", "io=150", "tasks", "io-bad", "io=20" },
		.begin = "io-start",
		.end = "io-stop",
		.after = "io=20",
		.ready_for_loss = "scan=1",
		.lost = "io-lost=4104",
		.resumed_once = true,
		.adopts = true,
	},
	{
		.program = "../../mullion-net",
		.type = VISOR_VNIC_CHANNEL_GUID,
		.devices = NICS,
		.configure = net_configure,
		.work = { "traffic=40", "filter", "net-bad", "cycle=6", "filter" },
		.begin = "net-start",
		.end = "net-stop",
		.after = "traffic=20",
		.ready_for_loss = "up=0",
		.lost = "net-lost=4104",
	},
};

/* ---- the world -------------------------------------------------------------------- */

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

static void start(const struct played *class)
{
	played = class;
	open_again = 0;
	cp_world_init(&world, cp_program(class->program));
	world.type = class->type;
	world.devices = class->devices;
	class->configure();
	if (class->store)
		world.store_fd = image_open();
	make_ram();
	make_control();
	cp_world_start(&world, false);
}

/* ---- the guest --------------------------------------------------------------------- */

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
		if (strstr(line, " open again"))
			open_again++;
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

static void done(void)
{
	if (world.store_fd >= 0)
		close(world.store_fd);
	close(world.ram_fd);
	cp_world_done(&world);
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
	done();
}

/* In-tree interfaces that are being resumed ignore a standby, and all after it. */
static void wait_until_open(void)
{
	uint64_t end = mullion_spin_now() + 120000000000ULL;

	while (!played->resumed_once && open_again < world.devices) {
		assert_true(mullion_spin_now() < end);
		assert_false(listen_to_guest());
		cp_world_turn(&world);
		poll(NULL, 0, 1);
	}
	open_again = 0;
}

static void send(struct cp_control *control, uint32_t id, uint32_t flags, unsigned int device,
		 uint16_t state)
{
	union controlvm_packet packet = { 0 };

	packet.device_change_state.bus_no = 1;
	packet.device_change_state.dev_no = device;
	packet.device_change_state.state = state;
	assert_int_equal(cp_world_command(&world, control, id, flags, &packet, NULL, 0,
					  ++control->handle), 0);
}

static void send_to_service(uint32_t id, uint16_t state)
{
	for (unsigned int i = 0; i < world.devices; i++)
		send(&world.service_control, id, CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER, i, state);
}

static void send_to_guest(uint32_t id, uint16_t state)
{
	for (unsigned int i = 0; i < world.devices; i++)
		send(&world.guest_control, id, 0, i, state);
}

static void guest_standby(void)
{
	send_to_guest(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
}

static void guest_running(void)
{
	union controlvm_packet packet = { 0 };

	if (!played->resumed_once) {
		send_to_guest(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_RUNNING);
		return;
	}
	packet.device_change_state.bus_no = 1;
	packet.device_change_state.state = VISOR_SEGMENT_RUNNING;
	cp_control_send_quietly(&world.guest_control, CONTROLVM_DEVICE_CHANGESTATE, &packet);
}

static void successor(void)
{
	cp_world_kill(&world);
	/* A new description of the file: the predecessor's I/O holds the other. */
	if (world.store_fd >= 0) {
		close(world.store_fd);
		world.store_fd = image_open();
	}
	/* Nobody writes to its memory now: it may take it back. */
	if (!played->adopts)
		guest_standby();
	cp_world_start(&world, true);
	if (!played->adopts)
		guest_running();
}

static void run_for(uint64_t ns)
{
	uint64_t until = mullion_spin_now() + ns;

	while (mullion_spin_now() < until) {
		cp_world_turn(&world);
		poll(NULL, 0, 1);
	}
}

/* ---- tests -------------------------------------------------------------------- */

static bool has_row(const char *path)
{
	for (size_t i = 0; i < sizeof(classes) / sizeof(classes[0]); i++) {
		if (!strcmp(strrchr(classes[i].program, '/'), strrchr(path, '/')))
			return true;
	}
	return false;
}

/* Whatever was built that says that it is a class. */
static void none_is_left_out(void **state)
{
	char command[4096], line[256];
	glob_t found;

	(void)state;
	assert_int_equal(glob(cp_program("../../mullion-*"), 0, NULL, &found), 0);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		FILE *out;

		if (strchr(strrchr(found.gl_pathv[i], '/'), '.'))
			continue;
		snprintf(command, sizeof(command), "%s --describe 2>/dev/null",
			 found.gl_pathv[i]);
		out = popen(command, "r");
		assert_non_null(out);
		if (fgets(line, sizeof(line), out) && strstr(line, "\"class\":") &&
		    !has_row(found.gl_pathv[i]))
			fail_msg("%s: guests without the extension?", found.gl_pathv[i]);
		pclose(out);
	}
	globfree(&found);
}

static void works(void **state)
{
	const struct played *class = *state;
	const char *steps[16] = { "ready" };
	unsigned int n = 1;

	for (unsigned int i = 0; class->work[i]; i++)
		steps[n++] = class->work[i];
	steps[n++] = "gone";
	steps[n] = "end";
	start(class);
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin gone");
	send_to_guest(CONTROLVM_DEVICE_DESTROY, 0);
	/* The device may be in its remove until this is answered. */
	send(&world.guest_control, CONTROLVM_DEVICE_CONFIGURE, 0, 0, 0);
	send_to_service(CONTROLVM_DEVICE_DESTROY, 0);
	send(&world.guest_control, CONTROLVM_BUS_DESTROY, 0, 0, 0);
	finish();
}

static const char *const *pause_steps(const struct played *class)
{
	static const char *steps[12];

	memcpy(steps, (const char *[]){
		"ready", class->begin, "sleep=1", "standby", "running", "sleep=1", class->end,
		class->after, NULL,
	}, 9 * sizeof(*steps));
	return steps;
}

/* With work under way.  The one cycle that a vHBA has; three of a vNIC. */
static void is_paused(void **state)
{
	const struct played *class = *state;

	start(class);
	play(pause_steps(class));
	cp_world_announce(&world);
	wait_for_event("begin standby");
	for (unsigned int i = 0; i < (class->resumed_once ? 1 : 3); i++) {
		/* First the service, which then leaves guest memory alone. */
		send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
		guest_standby();
		run_for(KILL_GAP_NS / 4 * i);
		/* And first again: it empties the rings. */
		send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_RUNNING);
		guest_running();
		wait_until_open();
		run_for(KILL_GAP_NS);
	}
	finish();
}

static void is_killed(void **state)
{
	const struct played *class = *state;
	const char *const steps[] = {
		"ready", class->begin, "sleep=1", "sleep=1",
		class->adopts ? "tasks" : "sleep=1", class->end, class->after, NULL,
	};
	const struct mullion_state_channel *record;

	start(class);
	play(steps);
	cp_world_announce(&world);
	wait_for_event("begin sleep");
	for (unsigned int i = 0; i < KILLS; i++) {
		run_for(KILL_GAP_NS + i * 7000000ULL);
		successor();
		wait_until_open();
	}
	record = &world.state->channels[0];
	if (class->adopts)
		print_message("%llu requests adopted by %d successors\n",
			      (unsigned long long)(record->replayed + record->recalled), KILLS);
	finish();
}

/* A successor of a service that was paused waits for the resume. */
static void is_killed_while_paused(void **state)
{
	const struct played *class = *state;

	start(class);
	play(pause_steps(class));
	cp_world_announce(&world);
	wait_for_event("begin standby");
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_STANDBY);
	guest_standby();
	wait_for_event("begin running");
	cp_world_kill(&world);
	if (class->store) {
		close(world.store_fd);
		world.store_fd = image_open();
	}
	cp_world_start(&world, true);
	send_to_service(CONTROLVM_DEVICE_CHANGESTATE, VISOR_SEGMENT_RUNNING);
	guest_running();
	finish();
}

static void loses_memory(void **state)
{
	const struct played *class = *state;
	const char *const steps[] = {
		"ready", class->ready_for_loss, "sleep=1", class->lost, NULL,
	};
	int status;

	start(class);
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
	done();
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

#define TESTS(class)							\
	{ "works: " #class, works, NULL, NULL, &classes[class] },	\
	{ "is paused: " #class, is_paused, NULL, NULL, &classes[class] },	\
	{ "is killed: " #class, is_killed, NULL, NULL, &classes[class] },	\
	{ "is killed while paused: " #class, is_killed_while_paused, NULL, NULL,	\
	  &classes[class] },						\
	{ "loses memory: " #class, loses_memory, NULL, NULL, &classes[class] }

enum { DISK, NET, CLASSES };

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(none_is_left_out),
		TESTS(DISK),
		TESTS(NET),
	};

	_Static_assert(CLASSES == sizeof(classes) / sizeof(classes[0]), "a row each");
	for (unsigned int i = 0; i < CLASSES; i++) {
		if (access(cp_program(classes[i].program), X_OK)) {
			printf("%s is not built\n", classes[i].program);
			return 77;
		}
	}
	return cmocka_run_group_tests(tests, setup, teardown);
}
