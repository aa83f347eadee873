// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/cp.c - a command partition for tests
 */
#include "cp.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../../channel/doorbell.h"
#include "../../channel/fdmsg.h"
#include "../../channel/field.h"
#include "../../channel/spin.h"
#include "require.h"

#define CP_TIMEOUT_NS	60000000000ULL
#define CP_BUS_BYTES	(32ULL << 20)
#define CP_CHANNELS	(4ULL << 20)
#define CP_INIT_PAUSE_MS 600

static const guid_t cp_vhba = VISOR_VHBA_CHANNEL_GUID;

static int cp_memfd(const char *name, uint64_t size)
{
	int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);

	REQUIRE(fd >= 0 && !ftruncate(fd, (off_t)size));
	REQUIRE(!fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	return fd;
}

static void *cp_map(int fd, uint64_t size)
{
	void *base = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	REQUIRE(base != MAP_FAILED);
	return base;
}

void cp_window_make(struct cp_window *window, uint32_t kind, uint32_t id,
		    uint64_t size, uint64_t channels_bytes)
{
	struct mullion_window_header header = {
		.magic = MULLION_WINDOW_MAGIC,
		.layout_version = MULLION_WINDOW_LAYOUT_VERSION,
		.header_bytes = MULLION_WINDOW_HEADER_BYTES,
		.window_id = id,
		.kind = kind,
		.size = size,
		.vectors = CP_VECTORS,
		.area_bytes = sizeof(struct mullion_window_area),
	};

	if (kind == MULLION_WINDOW_COMMAND) {
		header.area_count = 1;
		header.areas[0].type = MULLION_AREA_CONTROL;
		header.areas[0].offset = 4096;
		header.areas[0].bytes = MULLION_CONTROL_AREA_BYTES;
	} else {
		header.area_count = 2;
		header.areas[0].type = MULLION_AREA_CHANNELS;
		header.areas[0].offset = CP_CHANNELS_OFFSET;
		header.areas[0].bytes = channels_bytes;
		header.areas[1].type = MULLION_AREA_POOL;
		header.areas[1].offset = CP_CHANNELS_OFFSET + channels_bytes;
		header.areas[1].bytes = size - header.areas[1].offset;
	}
	window->fd = cp_memfd("window", size);
	window->base = cp_map(window->fd, size);
	window->size = size;
	window->id = id;
	window->vectors = CP_VECTORS;
	window->header = header;
	memcpy(window->base, &header, sizeof(header));
	for (int peer = 0; peer < 2; peer++) {
		for (int i = 0; i < CP_VECTORS; i++) {
			window->doorbell[peer][i] =
				eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
			REQUIRE(window->doorbell[peer][i] >= 0);
		}
	}
}

void cp_window_done(struct cp_window *window)
{
	munmap(window->base, window->size);
	close(window->fd);
	for (int peer = 0; peer < 2; peer++) {
		for (int i = 0; i < CP_VECTORS; i++)
			close(window->doorbell[peer][i]);
	}
}

/* ---- control channel ---------------------------------------------------- */

static uint8_t *cp_channel(const struct cp_control *control)
{
	return control->window->base + 4096;
}

static void cp_control_rings(struct cp_control *control)
{
	for (unsigned int i = 0; i < CONTROLVM_QUEUES; i++) {
		uint64_t header = offsetof(struct visor_controlvm_channel,
					   request_queue) + i * 128;
		uint64_t slots = offsetof(struct visor_controlvm_channel,
					  request_msg) + i * 8192;

		mullion_sq_format((void *)(cp_channel(control) + header),
				  slots - header, CONTROLVM_MESSAGE_BYTES,
				  CONTROLVM_MESSAGE_SLOTS);
		REQUIRE(!mullion_sq_attach(&control->queue[i], cp_channel(control),
					   MULLION_CONTROL_CHANNEL_BYTES, header,
					   CONTROLVM_MESSAGE_BYTES, 1));
		mullion_sq_reset_shared(&control->queue[i]);
		mullion_sq_reset(&control->queue[i], 1);
	}
}

void cp_control_init(struct cp_control *control, struct cp_window *window)
{
	static const guid_t type = VISOR_CONTROLVM_CHANNEL_GUID;
	struct visor_controlvm_channel *channel;
	struct mullion_channel_ext ext = {
		.magic = MULLION_CHANNEL_EXT_MAGIC,
		.version = MULLION_CHANNEL_EXT_VERSION,
		.bytes = MULLION_CHANNEL_EXT_BYTES,
		.features_offered = MULLION_EXTF_EVENT_INDEX,
		.server_state = MULLION_CHANNEL_SERVING,
		.server_generation = 1,
	};

	memset(control, 0, sizeof(*control));
	control->window = window;
	memset(cp_channel(control), 0, MULLION_CONTROL_AREA_BYTES);
	channel = (void *)cp_channel(control);
	channel->header.signature = VISOR_CHANNEL_SIGNATURE;
	channel->header.header_size = sizeof(struct channel_header);
	channel->header.size = MULLION_CONTROL_CHANNEL_BYTES;
	channel->header.features = MULLION_CHF_EXT;
	channel->header.chtype = type;
	channel->header.ch_space_offset =
		offsetof(struct visor_controlvm_channel, request_queue);
	channel->header.version_id = VISOR_CONTROLVM_CHANNEL_VERSION;
	channel->saved_crash_message_count = CONTROLVM_CRASHMSG_MAX;
	channel->saved_crash_message_offset =
		offsetof(struct visor_controlvm_channel, saved_crash_msg);
	control->ext = (void *)(cp_channel(control) + MULLION_CHANNEL_EXT_OFFSET_CONTROL);
	memcpy(control->ext, &ext, sizeof(ext));
	cp_control_rings(control);
}

static void cp_control_ring(struct cp_control *control)
{
	mullion_doorbell_ring(control->window->doorbell[1][0]);
}

void cp_control_turn(struct cp_control *control)
{
	struct mullion_channel_ext *ext = control->ext;
	uint64_t epoch = mullion_load_acquire(mullion_ext_u64(ext, client_epoch));
	const void *slot = NULL;

	if (epoch != control->epoch) {
		cp_control_rings(control);
		control->epoch = epoch;
		mullion_store_release(mullion_ext_u64(ext, server_epoch), epoch);
		cp_control_ring(control);
	}
	while (!mullion_sq_consume(&control->queue[CONTROLVM_QUEUE_ACK], &slot))
		control->acks++;
	mullion_sq_release(&control->queue[CONTROLVM_QUEUE_ACK]);
	while (!mullion_sq_consume(&control->queue[CONTROLVM_QUEUE_REQUEST], &slot)) {
		memcpy(&control->answer, slot, sizeof(control->answer));
		control->answered = true;
	}
	mullion_sq_release(&control->queue[CONTROLVM_QUEUE_REQUEST]);
}

static void cp_control_send_handle(struct cp_control *control, uint32_t id,
				   uint32_t flags,
				   const union controlvm_packet *packet,
				   const void *payload, size_t bytes, uint64_t handle)
{
	struct controlvm_message message;
	void *slot = NULL;

	memset(&message, 0, sizeof(message));
	message.hdr.id = id;
	message.hdr.message_size = sizeof(message);
	message.hdr.flags = flags;
	message.hdr.message_handle = handle;
	if (packet)
		message.cmd = *packet;
	if (bytes) {
		REQUIRE(bytes <= MULLION_CONTROL_PAYLOAD_BYTES);
		message.hdr.payload_vm_offset = MULLION_CONTROL_PAYLOAD_OFFSET;
		message.hdr.payload_max_bytes = (uint32_t)bytes;
		message.hdr.payload_bytes = (uint32_t)bytes;
		memcpy(cp_channel(control) + MULLION_CONTROL_PAYLOAD_OFFSET, payload,
		       bytes);
	}
	control->answered = false;
	REQUIRE(!mullion_sq_produce(&control->queue[CONTROLVM_QUEUE_EVENT], &slot));
	memcpy(slot, &message, sizeof(message));
	if (mullion_sq_publish(&control->queue[CONTROLVM_QUEUE_EVENT]))
		cp_control_ring(control);
}

uint64_t cp_control_send(struct cp_control *control, uint32_t id, uint32_t flags,
			 const union controlvm_packet *packet,
			 const void *payload, size_t bytes)
{
	uint64_t handle = ++control->handle;

	cp_control_send_handle(control, id,
			       flags | CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED,
			       packet, payload, bytes, handle);
	return handle;
}

void cp_control_send_quietly(struct cp_control *control, uint32_t id,
			     const union controlvm_packet *packet)
{
	cp_control_send_handle(control, id, 0, packet, NULL, 0, ++control->handle);
}

/* ---- a world ------------------------------------------------------------ */

const char *cp_program(const char *name)
{
	static char path[PATH_MAX];
	ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
	char *slash;

	REQUIRE(n > 0);
	path[n] = '\0';
	slash = strrchr(path, '/');
	REQUIRE(slash && (size_t)(slash - path) + strlen(name) + 2 < sizeof(path));
	strcpy(slash + 1, name);
	return path;
}

/* channel_bytes as the program describes itself. */
static uint64_t cp_channel_bytes(const char *program)
{
	unsigned long long bytes = 0;
	char command[PATH_MAX + 32], text[1024];
	const char *at;
	FILE *out;

	snprintf(command, sizeof(command), "%s --describe", program);
	out = popen(command, "r");
	REQUIRE(out && fgets(text, sizeof(text), out));
	at = strstr(text, "\"channel_bytes\": ");
	REQUIRE(at && sscanf(at, "\"channel_bytes\": %llu", &bytes) == 1);
	pclose(out);
	return bytes;
}

void cp_world_init(struct cp_world *world, const char *program)
{
	struct mullion_state_header *header;

	memset(world, 0, sizeof(*world));
	world->program = strdup(program);
	REQUIRE(world->program);
	world->pid = -1;
	world->socket = -1;
	world->store_fd = -1;
	world->ram_fd = -1;
	world->wide_fd = -1;
	world->devices = 1;
	world->type = cp_vhba;
	memset(&world->uuid, 0x5a, sizeof(world->uuid));
	world->channel_bytes = cp_channel_bytes(program);
	cp_window_make(&world->service_window, MULLION_WINDOW_COMMAND,
		       CP_WINDOW_ID_SERVICE, 1 << 20, 0);
	cp_window_make(&world->guest_window, MULLION_WINDOW_COMMAND,
		       CP_WINDOW_ID_GUEST, 1 << 20, 0);
	cp_window_make(&world->bus_window, MULLION_WINDOW_BUS, CP_WINDOW_ID_BUS,
		       CP_BUS_BYTES, CP_CHANNELS);
	cp_control_init(&world->guest_control, &world->guest_window);
	world->state_fd = cp_memfd("state", sizeof(struct mullion_state_area));
	world->state = cp_map(world->state_fd, sizeof(struct mullion_state_area));
	header = &world->state->header;
	header->magic = MULLION_STATE_MAGIC;
	header->version = MULLION_STATE_VERSION;
	header->channels_max = MULLION_STATE_CHANNELS_MAX;
	header->bytes = sizeof(struct mullion_state_area);
	header->channel_bytes = sizeof(struct mullion_state_channel);
}

void cp_world_turn(struct cp_world *world)
{
	cp_control_turn(&world->service_control);
	cp_control_turn(&world->guest_control);
	if (world->guest)
		mullion_guest_turn(world->guest);
}

uint32_t cp_world_command(struct cp_world *world, struct cp_control *control,
			  uint32_t id, uint32_t flags,
			  const union controlvm_packet *packet,
			  const void *payload, size_t bytes, uint64_t handle)
{
	uint64_t end = mullion_spin_now() + CP_TIMEOUT_NS;

	cp_control_send_handle(control, id,
			       flags | CONTROLVM_MESSAGE_HEADER_FLAGS_RESPONSE_EXPECTED,
			       packet, payload, bytes, handle);
	while (!control->answered || control->answer.hdr.message_handle != handle) {
		REQUIRE(mullion_spin_now() < end);
		cp_world_turn(world);
		poll(NULL, 0, 1);
	}
	return control->answer.hdr.completion_status;
}

static void cp_spawn(struct cp_world *world)
{
	int pair[2];

	REQUIRE(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair));
	world->pid = fork();
	REQUIRE(world->pid >= 0);
	if (!world->pid) {
		if (pair[1] == 3)
			fcntl(3, F_SETFD, 0);
		else
			dup2(pair[1], 3);
		execl(world->program, world->program, (char *)NULL);
		_exit(127);
	}
	close(pair[1]);
	world->socket = pair[0];
}

#define CP_CLASS_MAX 65536

struct cp_payload {
	struct visor_controlvm_parameters_header header;
	struct mullion_server_config config;
	__u8 class_part[CP_CLASS_MAX];
} MULLION_PACKED;

/* Returns the bytes in use. */
static size_t cp_payload_make(const struct cp_world *world, bool adopt,
			      const void *class_part, size_t class_bytes,
			      struct cp_payload *payload)
{
	size_t bytes = offsetof(struct cp_payload, class_part) + class_bytes;

	REQUIRE(class_bytes <= CP_CLASS_MAX);
	memset(payload, 0, bytes);
	payload->header.total_length = (uint32_t)bytes;
	payload->header.header_length = sizeof(payload->header);
	payload->config.version = MULLION_SERVER_CONFIG_VERSION;
	payload->config.flags = adopt ? MULLION_SERVER_ADOPT : 0;
	payload->config.generation = world->generation;
	payload->config.class_offset = offsetof(struct cp_payload, class_part);
	payload->config.class_bytes = (uint32_t)class_bytes;
	if (class_bytes)
		memcpy(payload->class_part, class_part, class_bytes);
	return bytes;
}

static void cp_bus_packet(const struct cp_world *world, union controlvm_packet *packet)
{
	static const guid_t type = VISOR_VBUS_CHANNEL_GUID;

	memset(packet, 0, sizeof(*packet));
	packet->create_bus.bus_no = 1;
	packet->create_bus.dev_count = 1;
	packet->create_bus.channel_addr = world->ram_fd >= 0 ? world->bus_gpa :
		MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_CHANNELS_OFFSET);
	packet->create_bus.channel_bytes = CP_BUS_CHANNEL_BYTES;
	packet->create_bus.bus_data_type_guid = type;
}

static void cp_device_packet(const struct cp_world *world, unsigned int number,
			     union controlvm_packet *packet)
{
	memset(packet, 0, sizeof(*packet));
	packet->create_device.bus_no = 1;
	packet->create_device.dev_no = number;
	packet->create_device.channel_addr = number * world->channel_bytes +
		(world->ram_fd >= 0 ? world->device_gpa :
		 MULLION_WINDOW_ADDR(CP_WINDOW_ID_BUS, CP_DEVICE_OFFSET));
	packet->create_device.channel_bytes = world->channel_bytes;
	packet->create_device.data_type_guid = world->type;
	packet->create_device.dev_inst_guid = world->uuid;
	packet->create_device.dev_inst_guid.b[0] = (__u8)(world->uuid.b[0] + number);
	packet->create_device.intr.reserved1 = 1 + number;
	packet->create_device.intr.recv_irq_vector = 1 + number;
}

static void cp_wait_attached(struct cp_world *world, struct cp_control *control)
{
	uint64_t end = mullion_spin_now() + CP_TIMEOUT_NS;

	while (!control->epoch) {
		REQUIRE(mullion_spin_now() < end);
		cp_world_turn(world);
		poll(NULL, 0, 1);
	}
}

static struct cp_payload cp_payload;

static void cp_world_start_device(struct cp_world *world, bool adopt, unsigned int number)
{
	struct cp_control *control = &world->service_control;
	uint64_t handle = ++control->handle;
	const unsigned char *part = world->class_part;
	union controlvm_packet packet;
	size_t bytes;

	if (world->store_fd >= 0)
		REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_STORE, handle,
					 0, &world->store_fd, 1));
	cp_device_packet(world, number, &packet);
	if (part)
		part += number * world->class_bytes;
	bytes = cp_payload_make(world, adopt, part, world->class_bytes, &cp_payload);
	REQUIRE(!cp_world_command(world, control, CONTROLVM_DEVICE_CREATE,
				  CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER, &packet,
				  &cp_payload, bytes, handle));
}

static void cp_world_start_wide(struct cp_world *world)
{
	struct cp_control *control = &world->service_control;
	uint64_t handle = ++control->handle;
	union controlvm_packet packet;
	size_t bytes;

	if (!world->wide_part)
		return;
	if (world->wide_fd >= 0)
		REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_STORE, handle,
					 0, &world->wide_fd, 1));
	memset(&packet, 0, sizeof(packet));
	packet.reconfigure_device.bus_no = MULLION_SERVICE_WIDE;
	packet.reconfigure_device.dev_no = MULLION_SERVICE_WIDE;
	bytes = cp_payload_make(world, false, world->wide_part, world->wide_bytes,
				&cp_payload);
	REQUIRE(!cp_world_command(world, control, CONTROLVM_DEVICE_RECONFIGURE,
				  CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER, &packet,
				  &cp_payload, bytes, handle));
}

/* What precedes a BUS_CREATE.  Returns the bytes of its payload. */
static size_t cp_send_window(struct cp_world *world, bool adopt, uint64_t handle)
{
	struct cp_window *bus = &world->bus_window;

	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_WINDOW, handle, 0,
				 &bus->fd, 1));
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_RECV_DOORBELLS, handle,
				 0, bus->doorbell[0], CP_VECTORS));
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_SEND_DOORBELLS, handle,
				 0, bus->doorbell[1], CP_VECTORS));
	return cp_payload_make(world, adopt, &bus->header, sizeof(bus->header), &cp_payload);
}

static size_t cp_send_ram(struct cp_world *world, bool adopt, uint64_t handle)
{
	/* No window: a header of zeros. */
	static struct {
		struct mullion_window_header header;
		struct mullion_ram_map map;
	} MULLION_PACKED part;
	size_t bytes;

	part.map = world->ram;
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_RAM, handle, 0,
				 &world->ram_fd, 1));
	bytes = cp_payload_make(world, adopt, &part, sizeof(part), &cp_payload);
	cp_payload.config.flags |= MULLION_SERVER_RAM;
	return bytes;
}

void cp_world_start(struct cp_world *world, bool adopt)
{
	struct cp_control *control = &world->service_control;
	union controlvm_packet packet;
	size_t payload_bytes;
	int doorbells[2];
	uint64_t handle;

	world->generation++;
	world->state->header.generation = world->generation;
	cp_control_init(control, &world->service_window);
	cp_spawn(world);
	doorbells[0] = world->service_window.doorbell[1][0];
	doorbells[1] = world->service_window.doorbell[0][0];
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_STATE_AREA, 0, 0,
				 &world->state_fd, 1));
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_COMMAND_WINDOW, 0, 0,
				 &world->service_window.fd, 1));
	REQUIRE(!mullion_fd_send(world->socket, MULLION_FD_COMMAND_DOORBELLS, 0, 0,
				 doorbells, 2));
	cp_wait_attached(world, control);

	REQUIRE(!cp_world_command(world, control, CONTROLVM_CHIPSET_INIT, 0, NULL,
				  NULL, 0, ++control->handle));
	cp_world_start_wide(world);
	handle = ++control->handle;
	payload_bytes = world->ram_fd >= 0 ? cp_send_ram(world, adopt, handle) :
			cp_send_window(world, adopt, handle);
	cp_bus_packet(world, &packet);
	REQUIRE(!cp_world_command(world, control, CONTROLVM_BUS_CREATE,
				  CONTROLVM_MESSAGE_HEADER_FLAGS_SERVER, &packet,
				  &cp_payload, payload_bytes, handle));
	for (unsigned int i = 0; i < world->devices; i++)
		cp_world_start_device(world, adopt, i);
}

void cp_world_kill(struct cp_world *world)
{
	if (world->pid < 0)
		return;
	kill(world->pid, SIGKILL);
	waitpid(world->pid, NULL, 0);
	close(world->socket);
	world->pid = -1;
	world->socket = -1;
}

void cp_world_announce(struct cp_world *world)
{
	struct cp_control *control = &world->guest_control;
	union controlvm_packet packet;

	REQUIRE(!cp_world_command(world, control, CONTROLVM_CHIPSET_INIT, 0, NULL,
				  NULL, 0, ++control->handle));
	/* A guest without Mullion's drivers is not ready for a bus yet. */
	if (world->ram_fd >= 0)
		poll(NULL, 0, CP_INIT_PAUSE_MS);
	cp_bus_packet(world, &packet);
	REQUIRE(!cp_world_command(world, control, CONTROLVM_BUS_CREATE, 0, &packet,
				  NULL, 0, ++control->handle));
	for (unsigned int i = 0; i < world->devices; i++) {
		cp_device_packet(world, i, &packet);
		REQUIRE(!cp_world_command(world, control, CONTROLVM_DEVICE_CREATE, 0,
					  &packet, NULL, 0, ++control->handle));
	}
	REQUIRE(!cp_world_command(world, control, CONTROLVM_CHIPSET_READY, 0, NULL,
				  NULL, 0, ++control->handle));
}

void cp_world_guest(struct cp_world *world)
{
	struct cp_control *control = &world->guest_control;
	int recv[CP_VECTORS], send[CP_VECTORS];

	REQUIRE(!mullion_guest_open_fds(&world->guest, world->guest_window.fd,
					dup(world->guest_window.doorbell[1][0]),
					dup(world->guest_window.doorbell[0][0])));
	for (int i = 0; i < CP_VECTORS; i++) {
		recv[i] = dup(world->bus_window.doorbell[1][i]);
		send[i] = dup(world->bus_window.doorbell[0][i]);
	}
	REQUIRE(!mullion_guest_add_window(world->guest, world->bus_window.fd, recv,
					  send, CP_VECTORS));
	cp_wait_attached(world, control);
	cp_world_announce(world);
}

void cp_world_done(struct cp_world *world)
{
	mullion_guest_close(world->guest);
	cp_world_kill(world);
	cp_window_done(&world->service_window);
	cp_window_done(&world->guest_window);
	cp_window_done(&world->bus_window);
	munmap(world->state, sizeof(*world->state));
	close(world->state_fd);
	free(world->program);
}
