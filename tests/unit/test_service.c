// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/unit/test_service.c - services that die, hang, refuse and never start
 *
 * The service program is this very program under another name: it speaks the
 * protocol of abi/mullion.md and serves nothing.  What it does wrong is said
 * in MULLION_TEST_SERVICE.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "../../abi/disk.h"
#include "../../abi/service.h"
#include "../../abi/state.h"
#include "../../channel/control_client.h"
#include "../../channel/fdmsg.h"
#include "../../channel/window.h"
#include "../../command/bus.h"
#include "../../command/core.h"
#include "../../command/device_disk.h"
#include "../../command/partition.h"
#include "../../command/process.h"
#include "../../command/ram.h"
#include "../../command/service.h"
#include "../../command/log.h"

static int add_disk(struct mullion_partition *partition, const char *spec, const char *cwd,
		    struct mullion_error *err)
{
	return mullion_partition_add(partition, &mullion_disk_class, spec, cwd, err);
}

/* ---- the service ------------------------------------------------------- */

static struct {
	struct mullion_window window;
	struct mullion_state_area *state;
	struct mullion_control_client *control;
	int recv, send;
	int ram;
	unsigned int windows, doorbells, stores;
	const char *mode;
} sv;

static int service_create_device(const void *payload, size_t bytes)
{
	struct mullion_server_config config;
	struct mullion_disk_config disks;
	bool adopt;

	if (bytes < 72 + sizeof(config) + sizeof(disks))
		return -EINVAL;
	memcpy(&config, (const char *)payload + 72, sizeof(config));
	memcpy(&disks, (const char *)payload + config.class_offset, sizeof(disks));
	adopt = config.flags & MULLION_SERVER_ADOPT;
	if (config.generation != sv.state->header.generation ||
	    disks.lun_bytes != sizeof(struct mullion_disk_lun) || !sv.windows ||
	    sv.doorbells != 32)
		return -EINVAL;
	if (!strcmp(sv.mode, "refuse"))
		return -EBUSY;
	if (!strcmp(sv.mode, "crash-on-create"))
		abort();
	if (adopt != (config.generation > 1))
		return -EPROTO;
	return 0;
}

/* What a class that reads guest RAM, or writes it too, is given of it. */
static int service_create_bus(const void *payload, size_t bytes)
{
	bool read_only = !strcmp(sv.mode, "ram-read");
	struct mullion_server_config config;
	struct mullion_ram_map map;
	struct stat st;

	memcpy(&config, (const char *)payload + 72, sizeof(config));
	if (strncmp(sv.mode, "ram", 3))
		return config.flags & MULLION_SERVER_RAM ? -EPROTO : 0;
	if (!(config.flags & MULLION_SERVER_RAM) ||
	    config.class_bytes != sizeof(struct mullion_window_header) + sizeof(map) ||
	    bytes < config.class_offset + config.class_bytes || !sv.ram)
		return -EPROTO;
	memcpy(&map, (const char *)payload + config.class_offset +
	       sizeof(struct mullion_window_header), sizeof(map));
	if (map.region_count != 1 || map.regions[0].fd_index ||
	    (map.regions[0].flags & MULLION_RAM_READ_ONLY) != read_only ||
	    (fcntl(sv.ram, F_GETFL) & O_ACCMODE) != (read_only ? O_RDONLY : O_RDWR) ||
	    fstat(sv.ram, &st) || map.regions[0].bytes != (uint64_t)st.st_size)
		return -EINVAL;
	if (mmap(NULL, map.regions[0].bytes, PROT_READ | (read_only ? 0 : PROT_WRITE), MAP_SHARED,
		 sv.ram, 0) == MAP_FAILED)
		return -errno;
	return 0;
}

static bool service_take_fds(void);

static void service_command(void *arg, const struct controlvm_message *command,
			    const void *payload, size_t bytes)
{
	int error = 0;

	(void)arg;
	/* descriptors were sent before the message that names them */
	while (service_take_fds())
		;
	if (command->hdr.id == CONTROLVM_BUS_CREATE)
		error = service_create_bus(payload, bytes);
	if (command->hdr.id == CONTROLVM_DEVICE_CREATE)
		error = service_create_device(payload, bytes);
	mullion_control_client_respond(sv.control, command, error, NULL);
}

/* One message; false when there is none. */
static bool service_take_fds(void)
{
	struct mullion_fd_message message;
	int fds[MULLION_FD_BATCH];
	int r = mullion_fd_recv(3, &message, fds);

	if (r == -EAGAIN)
		return false;
	if (r != 1)
		exit(0);
	switch (message.role) {
	case MULLION_FD_COMMAND_WINDOW:
		if (mullion_window_open(&sv.window, fds[0], MULLION_WINDOW_COMMAND))
			exit(3);
		return true;
	case MULLION_FD_COMMAND_DOORBELLS:
		sv.recv = fds[0];
		sv.send = fds[1];
		return true;
	case MULLION_FD_STATE_AREA:
		sv.state = mmap(NULL, sizeof(*sv.state), PROT_READ | PROT_WRITE,
				MAP_SHARED, fds[0], 0);
		if (sv.state == MAP_FAILED || sv.state->header.magic != MULLION_STATE_MAGIC)
			exit(4);
		if (strcmp(sv.mode, "never-attach"))
			mullion_control_client_new(&sv.control,
				sv.window.base + sv.window.areas[0].offset,
				sv.window.areas[0].bytes, sv.send, service_command,
				NULL, NULL);
		return true;
	case MULLION_FD_RAM:
		sv.ram = fds[0];
		return true;
	case MULLION_FD_WINDOW:
		sv.windows++;
		break;
	case MULLION_FD_RECV_DOORBELLS:
	case MULLION_FD_SEND_DOORBELLS:
		sv.doorbells += message.count;
		break;
	default:
		sv.stores++;
		break;
	}
	for (unsigned int i = 0; i < message.count; i++)
		close(fds[i]);
	return true;
}

static int service_main(int argc, char **argv)
{
	sv.mode = getenv("MULLION_TEST_SERVICE");
	sv.recv = -1;
	if (!sv.mode)
		sv.mode = "";
	if (argc == 2 && !strcmp(argv[1], "--describe")) {
		printf("{\"class\": \"disk\", \"type\": \"414815ed-c58c-11da-95a9-00e08161165f\","
		       " \"channel_bytes\": 159744, \"pool_share\": 1048576,"
		       " \"guest_ram\": \"%s\"}\n",
		       strcmp(sv.mode, "ram-read") ? "read-write" : "read");
		return 0;
	}
	if (!strcmp(sv.mode, "exit")) {
		fputs("<3>service=disk why=\"cannot go on\"\n", stderr);
		return 5;
	}
	fcntl(3, F_SETFL, O_NONBLOCK);
	for (;;) {
		struct pollfd pfd[2] = {
			{ .fd = 3, .events = POLLIN },
			{ .fd = sv.recv, .events = POLLIN },
		};
		uint64_t count;

		poll(pfd, 2, 100);
		while (service_take_fds())
			;
		if (pfd[1].revents && read(sv.recv, &count, sizeof(count)) < 0)
			return 6;
		if (sv.state)
			sv.state->header.heartbeat++;
		if (sv.control)
			mullion_control_client_poll(sv.control, false);
	}
}

/* ---- the command partition --------------------------------------------- */

static struct {
	sd_event *event;
	struct mullion_core *core;
	struct mullion_partition *partition;
	char folder[64];
	bool ready, stopped;
	char why[512];
} t;

static void on_ready(void *arg, const struct mullion_error *err)
{
	(void)arg;
	t.ready = true;
	if (err)
		snprintf(t.why, sizeof(t.why), "%s", err->why);
}

static void on_stopped(void *arg)
{
	(void)arg;
	t.stopped = true;
}

static const struct mullion_partition_ops ops = {
	.ready = on_ready,
	.stopped = on_stopped,
};

static int setup(void **state)
{
	char self[4096], link[128];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	const guid_t uuid = { { 1 } };

	(void)state;
	memset(&t, 0, sizeof(t));
	unsetenv("MULLION_TEST_SERVICE");
	if (n < 0)
		return -1;
	self[n] = '\0';
	strcpy(t.folder, "/tmp/mullion-test-XXXXXX");
	if (!mkdtemp(t.folder) || chmod(t.folder, 0755))
		return -1;
	snprintf(link, sizeof(link), "%s/mullion-disk", t.folder);
	if (symlink(self, link) || sd_event_new(&t.event) < 0 ||
	    mullion_core_new(&t.core, t.event, t.folder))
		return -1;
	return mullion_partition_new(t.core, "vm", &uuid, &ops, NULL, &t.partition);
}

static int teardown(void **state)
{
	char path[128];

	(void)state;
	mullion_core_free(t.core);
	/* the abandoned are reaped from the loop */
	for (unsigned int i = 0; i < 20; i++)
		sd_event_run(t.event, 10000);
	sd_event_unref(t.event);
	snprintf(path, sizeof(path), "%s/mullion-disk", t.folder);
	unlink(path);
	snprintf(path, sizeof(path), "%s/image", t.folder);
	unlink(path);
	return rmdir(t.folder);
}

/* Turn the loop until @condition, for 30 s at most. */
#define wait_until(condition)						\
	do {								\
		unsigned int turns = 0;					\
		while (!(condition)) {					\
			assert_true(turns++ < 3000);			\
			assert_true(sd_event_run(t.event, 10000) >= 0);	\
		}							\
	} while (0)

static void start(const char *mode)
{
	struct mullion_error err = { .why = "" };

	if (mode)
		setenv("MULLION_TEST_SERVICE", mode, 1);
	assert_int_equal(add_disk(t.partition, "null:1M", "/", &err), 0);
	assert_int_equal(mullion_partition_start(t.partition, &err), 0);
	wait_until(t.ready);
}

static struct mullion_service *service(void)
{
	return t.partition->buses->service;
}

static void stop(void)
{
	mullion_partition_stop(t.partition);
	wait_until(t.stopped);
	assert_null(t.core->services);
}

/* The report of what its process can see is @sees, and guest RAM as @access says. */
static void assert_sees(const char *sees, const char *access)
{
	json_t *text, *ram;

	assert_int_equal(mullion_service_access(service(), &text, NULL), 0);
	assert_string_equal(json_string_value(json_object_get(text, "sees")), sees);
	ram = json_object_get(text, "guest_ram");
	assert_int_equal(json_array_size(ram), access ? 1 : 0);
	if (access) {
		ram = json_array_get(ram, 0);
		assert_string_equal(json_string_value(json_object_get(ram, "access")), access);
		assert_string_equal(json_string_value(json_object_get(ram, "guest")), "vm");
		assert_int_equal(json_integer_value(json_object_get(ram, "bytes")), 64 << 20);
	}
	json_decref(text);
}

static void test_serve(void **state)
{
	json_t *text;

	(void)state;
	start(NULL);
	assert_string_equal(t.why, "");
	assert_string_equal(mullion_service_state_text(service()), "serving");
	assert_int_equal(service()->generation, 1);
	/* a stand-by is there */
	wait_until(service()->class->standby);
	text = mullion_service_describe(t.core->services);
	assert_string_equal(json_string_value(json_object_get(text, "name")), "disk-vm");
	json_decref(text);
	text = mullion_devices_describe(t.core);
	assert_string_equal(json_string_value(json_object_get(json_array_get(text, 0),
							      "state")), "serving");
	json_decref(text);
	assert_int_equal(mullion_service_access(service(), &text, NULL), 0);
	assert_non_null(json_object_get(text, "descriptors"));
	assert_non_null(json_object_get(text, "seccomp"));
	json_decref(text);
	assert_sees("of its guests, their windows only", NULL);
	stop();
}

static void ram(const char *mode, const char *sees, const char *access)
{
	const struct mullion_cp_ram_wish wish = { .name = "vm", .bytes = 64 << 20, .nodes = 1 };
	struct mullion_cp_ram *made;

	assert_int_equal(mullion_cp_ram_new(&made, &wish, NULL), 0);
	mullion_partition_set_ram(t.partition, made);
	mullion_cp_ram_unref(made);
	start(mode);
	assert_string_equal(t.why, "");
	/* data lie in RAM: the window has next to no pool */
	assert_int_equal(t.partition->buses->window->size, 1 << 20);
	assert_sees(sees, access);
	assert_int_equal(kill(service()->process->pid, SIGKILL), 0);
	wait_until(service()->generation == 2 && service()->state == MULLION_SV_SERVING);
	assert_sees(sees, access);
	stop();
}

static void test_ram(void **state)
{
	(void)state;
	ram("ram", "all RAM of guest vm (read-write)", "read-write");
}

static void test_ram_read(void **state)
{
	(void)state;
	ram("ram-read", "all RAM of guest vm (read)", "read");
}

static void test_killed(void **state)
{
	(void)state;
	start(NULL);
	for (unsigned int i = 2; i < 20; i++) {
		assert_int_equal(kill(service()->process->pid, SIGKILL), 0);
		wait_until(service()->generation == i &&
			   service()->state == MULLION_SV_SERVING);
		assert_true(t.partition->buses->devices->server == MULLION_END_PRESENT);
	}
	assert_int_equal(service()->restarts, 18);
	stop();
}

static void test_hung(void **state)
{
	pid_t pid;

	(void)state;
	start(NULL);
	pid = service()->process->pid;
	assert_int_equal(kill(pid, SIGSTOP), 0);
	wait_until(service()->generation == 2 && service()->state == MULLION_SV_SERVING);
	assert_int_equal(kill(pid, 0), -1);
	stop();
}

static void test_restart(void **state)
{
	(void)state;
	start(NULL);
	assert_int_equal(mullion_service_restart(service(), NULL), 0);
	wait_until(service()->generation == 2 && service()->state == MULLION_SV_SERVING);
	assert_int_equal(service()->failures, 0);
	stop();
}

static void test_exits_at_start(void **state)
{
	(void)state;
	start("exit");
	assert_non_null(strstr(t.why, "exited with status 5"));
	assert_non_null(strstr(t.why, "cannot go on"));
	assert_true(service()->state == MULLION_SV_FAILED);
	stop();
}

static void test_refuses(void **state)
{
	(void)state;
	start("refuse");
	assert_non_null(strstr(t.why, "Device or resource busy"));
	stop();
}

static void test_crashes_on_create(void **state)
{
	(void)state;
	start("crash-on-create");
	assert_non_null(strstr(t.why, "was killed by signal 6"));
	stop();
}

static void test_gives_up(void **state)
{
	(void)state;
	start(NULL);
	setenv("MULLION_TEST_SERVICE", "crash-on-create", 1);
	mullion_service_class_rest(service()->class);
	assert_int_equal(kill(service()->process->pid, SIGKILL), 0);
	wait_until(service()->state == MULLION_SV_WAITING);
	wait_until(service()->failures >= 3);
	/* an administrator has mended it */
	unsetenv("MULLION_TEST_SERVICE");
	wait_until(service()->state == MULLION_SV_SERVING);
	stop();
}

static void test_no_program(void **state)
{
	struct mullion_error err = { .why = "" };
	char path[128];

	(void)state;
	snprintf(path, sizeof(path), "%s/mullion-disk", t.folder);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(add_disk(t.partition, "null:1M", "/", &err), 0);
	assert_int_equal(mullion_partition_start(t.partition, &err), -ENOENT);
	assert_non_null(strstr(err.why, "there is no program"));
	stop();
}

static void make_image(off_t bytes, char path[static 128])
{
	int fd;

	snprintf(path, 128, "%s/image", t.folder);
	fd = open(path, O_CREAT | O_RDWR | O_TRUNC | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, bytes), 0);
	close(fd);
}

static void test_images(void **state)
{
	struct mullion_error err = { .why = "" };
	struct mullion_partition *other;
	const guid_t uuid = { { 2 } };
	char path[128], spec[256];

	(void)state;
	assert_int_equal(add_disk(t.partition, "none.img", t.folder, &err),
			 -ENOENT);
	assert_int_equal(add_disk(t.partition, ".", t.folder, &err),
			 -EISDIR);
	assert_int_equal(add_disk(t.partition, "/dev/null", "/", &err),
			 -ENOTBLK);
	make_image(1000, path);
	assert_int_equal(add_disk(t.partition, path, "/", &err), -EINVAL);
	assert_non_null(strstr(err.why, "not a multiple of 512"));
	make_image(0, path);
	assert_int_equal(add_disk(t.partition, path, "/", &err), -EINVAL);
	make_image(1 << 20, path);
	assert_int_equal(add_disk(t.partition, path, "/", &err), 0);
	/* the same image again, under another name, by another guest */
	assert_int_equal(mullion_partition_new(t.core, "other", &uuid, &ops, NULL, &other), 0);
	snprintf(spec, sizeof(spec), "%s/./image", t.folder);
	assert_int_equal(add_disk(other, spec, "/", &err), -EBUSY);
	assert_non_null(strstr(err.why, "guest vm uses the image"));
	snprintf(spec, sizeof(spec), "%s,share=on", path);
	assert_int_equal(add_disk(other, spec, "/", &err), -EBUSY);
	mullion_partition_free(other);
	assert_int_equal(mullion_partition_start(t.partition, &err), 0);
	wait_until(t.ready);
	assert_string_equal(t.why, "");
	stop();
}

static void test_shared(void **state)
{
	struct mullion_error err = { .why = "" };
	struct mullion_partition *other;
	struct mullion_service *shared;
	const guid_t uuid = { { 2 } };
	char path[128], spec[256];

	(void)state;
	make_image(1 << 20, path);
	snprintf(spec, sizeof(spec), "%s,share=on", path);
	assert_int_equal(add_disk(t.partition, spec, "/", &err), 0);
	assert_int_equal(mullion_partition_start(t.partition, &err), 0);
	wait_until(t.ready);
	assert_string_equal(t.why, "");
	shared = service();
	assert_true(shared->shared);
	t.ready = false;
	assert_int_equal(mullion_partition_new(t.core, "other", &uuid, &ops, NULL, &other), 0);
	/* ordinary disks go to a service of the guest's own */
	assert_int_equal(add_disk(other, "null:1M", "/", &err), 0);
	assert_int_equal(add_disk(other, spec, "/", &err), 0);
	assert_int_equal(mullion_partition_start(other, &err), 0);
	wait_until(t.ready);
	assert_ptr_equal(other->buses->next->service, shared);
	assert_ptr_not_equal(other->buses->service, shared);
	/* the first guest goes, the service stays for the other one */
	mullion_partition_stop(t.partition);
	wait_until(t.stopped);
	assert_ptr_equal(other->buses->next->service, shared);
	wait_until(!shared->buses->service_next);
	t.stopped = false;
	mullion_partition_stop(other);
	wait_until(t.stopped && !t.core->services);
	mullion_partition_free(other);
}

static void test_hot_plug(void **state)
{
	struct mullion_error err = { .why = "" };
	struct mullion_cp_device *device;
	struct mullion_disk_device *disks;

	(void)state;
	start(NULL);
	device = t.partition->buses->devices;
	disks = device->own;
	assert_int_equal(add_disk(t.partition, "null:2M,serial=two", "/", &err), 0);
	assert_int_equal(add_disk(t.partition, "null:2M", "/",
					       &err), -EAGAIN);
	wait_until(!device->reconfiguring);
	assert_int_equal(disks->disk_count, 2);
	assert_int_equal(mullion_partition_remove(t.partition, "three", false, &err), -ENOENT);
	assert_int_equal(mullion_partition_remove(t.partition, "two", false, &err), 0);
	wait_until(!device->reconfiguring);
	assert_int_equal(disks->disk_count, 1);
	stop();
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_serve, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ram, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ram_read, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hung, setup, teardown),
		cmocka_unit_test_setup_teardown(test_restart, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exits_at_start, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refuses, setup, teardown),
		cmocka_unit_test_setup_teardown(test_crashes_on_create, setup, teardown),
		cmocka_unit_test_setup_teardown(test_gives_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_program, setup, teardown),
		cmocka_unit_test_setup_teardown(test_images, setup, teardown),
		cmocka_unit_test_setup_teardown(test_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(test_hot_plug, setup, teardown),
	};

	if (strstr(argv[0], "mullion-disk"))
		return service_main(argc, argv);
	mullion_log_set_level(LOG_ERR);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
