// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/guest.c - a plain process as a guest partition
 *
 * DOC: Theory of Operation
 *
 * Descriptors come from the command partition on a socket (or from a test, by
 * hand): the command window with two doorbells, then for each bus a window
 * with a set of doorbells in each direction.  A bus window is kept under its
 * id until BUS_CREATE names it in a channel_addr.
 *
 * All doorbells are watched edge-triggered by one epoll descriptor: a ring
 * wakes without ever being read, so a peer who empties or blocks an eventfd
 * changes nothing.  Device doorbells only end a sleep; the function driver
 * then looks at its rings.  Vector 0 of a window, and the slow poll once a
 * second, make every driver look at its channel's extension.
 *
 * Limits: one thread.  Failure behaviour: if the command partition goes away,
 * or breaks its channel, mullion_guest_turn() says so; devices go on.
 */
#include "guest.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "field.h"
#include "guest_internal.h"
#include "signal_queue.h"
#include "spin.h"

#define GUEST_SLOW_NS	1000000000ULL
#define GUEST_EVENTS	32
/* Slow turns without a heartbeat, which comes once a second: nobody serves. */
#define GUEST_STILL_TURNS 5

/* epoll data: what a descriptor is; windows carry their id above. */
#define GUEST_IS_SOCKET		1ULL
#define GUEST_IS_COMMAND	2ULL
#define GUEST_IS_DEVICE		3ULL
#define GUEST_IS_WINDOW		4ULL

struct guest_window *guest_window_find(struct mullion_guest *guest, uint32_t id)
{
	struct guest_window *window;

	for (window = guest->windows; window; window = window->next) {
		if (window->id == id)
			return window;
	}
	return NULL;
}

static struct guest_window *guest_window_get(struct mullion_guest *guest, uint32_t id)
{
	struct guest_window *window = guest_window_find(guest, id);

	if (window)
		return window;
	window = calloc(1, sizeof(*window));
	if (!window)
		return NULL;
	window->id = id;
	window->next = guest->windows;
	guest->windows = window;
	return window;
}

static void guest_window_free(struct guest_window *window)
{
	mullion_pool_free(window->pool);
	mullion_doorbells_done(&window->recv);
	mullion_doorbells_done(&window->send);
	mullion_window_close(&window->window);
	free(window);
}

static int guest_watch(struct mullion_guest *guest, int fd, uint32_t events,
		       uint64_t what)
{
	struct epoll_event event = { .events = events, .data.u64 = what };

	return epoll_ctl(guest->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

/* Once window and all receiving doorbells are there. */
static int guest_window_watch(struct mullion_guest *guest,
			      struct guest_window *window)
{
	if (window->watched || !window->window.base ||
	    !mullion_doorbells_complete(&window->recv))
		return 0;
	for (uint32_t i = 0; i < window->recv.count; i++) {
		uint64_t what = i ? GUEST_IS_DEVICE :
			GUEST_IS_WINDOW | (uint64_t)window->id << 8;
		int ret = guest_watch(guest, window->recv.fds[i],
				      EPOLLIN | EPOLLET, what);

		if (ret < 0)
			return ret;
	}
	window->watched = true;
	return 0;
}

static int guest_window_map(struct guest_window *window, int fd)
{
	const struct mullion_window_area *pool;
	int ret;

	if (window->window.base)
		return -EEXIST;
	ret = mullion_window_open(&window->window, fd, MULLION_WINDOW_BUS);
	if (ret < 0)
		return ret;
	if (window->window.id != window->id) {
		ret = -ENXIO;
		goto close;
	}
	pool = mullion_window_area(&window->window, MULLION_AREA_POOL);
	ret = mullion_pool_new(&window->pool, pool->bytes);
	if (ret < 0)
		goto close;
	ret = mullion_doorbells_init(&window->recv, window->window.vectors);
	if (ret < 0)
		goto close;
	ret = mullion_doorbells_init(&window->send, window->window.vectors);
	if (ret < 0)
		goto close;
	return 0;

close:
	mullion_doorbells_done(&window->recv);
	mullion_pool_free(window->pool);
	window->pool = NULL;
	mullion_window_close(&window->window);
	return ret;
}

static int guest_start_control(struct mullion_guest *guest)
{
	const struct mullion_window_area *area;
	int ret;

	if (guest->control || !guest->command.base || guest->command_recv < 0)
		return 0;
	area = mullion_window_area(&guest->command, MULLION_AREA_CONTROL);
	ret = guest_watch(guest, guest->command_recv, EPOLLIN | EPOLLET,
			  GUEST_IS_COMMAND);
	if (ret < 0)
		return ret;
	return mullion_control_client_new(&guest->control,
					  guest->command.base + area->offset,
					  area->bytes, guest->command_send,
					  guest_control_command,
					  guest_control_reset, guest);
}

/* Takes those descriptors that it keeps and sets them to -1. */
static int guest_message(struct mullion_guest *guest,
			 const struct mullion_fd_message *message, int *fds)
{
	struct guest_window *window;
	struct mullion_doorbells *set;
	int ret;

	switch (message->role) {
	case MULLION_FD_COMMAND_WINDOW:
		if (message->count != 1 || guest->command.base)
			return -EPROTO;
		ret = mullion_window_open(&guest->command, fds[0],
					  MULLION_WINDOW_COMMAND);
		return ret < 0 ? ret : guest_start_control(guest);
	case MULLION_FD_COMMAND_DOORBELLS:
		if (message->count != 2 || message->index ||
		    guest->command_recv >= 0)
			return -EPROTO;
		guest->command_recv = fds[0];
		guest->command_send = fds[1];
		fds[0] = -1;
		fds[1] = -1;
		return guest_start_control(guest);
	case MULLION_FD_WINDOW:
		if (message->count != 1 || message->handle > MULLION_WINDOW_ID_MAX)
			return -EPROTO;
		window = guest_window_get(guest, (uint32_t)message->handle);
		return window ? guest_window_map(window, fds[0]) : -ENOMEM;
	case MULLION_FD_RECV_DOORBELLS:
	case MULLION_FD_SEND_DOORBELLS:
		if (message->handle > MULLION_WINDOW_ID_MAX)
			return -EPROTO;
		window = guest_window_find(guest, (uint32_t)message->handle);
		if (!window)
			return -EPROTO;
		set = message->role == MULLION_FD_RECV_DOORBELLS ? &window->recv :
								   &window->send;
		ret = mullion_doorbells_put(set, message->index, fds,
					    message->count);
		if (ret < 0)
			return ret;
		for (unsigned int i = 0; i < message->count; i++)
			fds[i] = -1;
		return guest_window_watch(guest, window);
	default:
		return -EPROTO;
	}
}

void guest_receive(struct mullion_guest *guest)
{
	struct mullion_fd_message message;
	int fds[MULLION_FD_BATCH];
	int ret;

	while (guest->socket >= 0) {
		ret = mullion_fd_recv(guest->socket, &message, fds);
		if (ret == -EAGAIN)
			return;
		if (!ret)
			ret = -EPIPE;
		if (ret < 0)
			goto end;
		ret = guest_message(guest, &message, fds);
		for (unsigned int i = 0; i < message.count; i++) {
			if (fds[i] >= 0)
				close(fds[i]);
		}
		if (ret < 0)
			goto end;
	}
	return;

end:
	epoll_ctl(guest->epoll, EPOLL_CTL_DEL, guest->socket, NULL);
	close(guest->socket);
	guest->socket = -1;
	guest->orphan = true;
	guest->error = ret;
}

static int guest_new(struct mullion_guest **ret)
{
	struct mullion_guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return -ENOMEM;
	guest->socket = -1;
	guest->command_recv = -1;
	guest->command_send = -1;
	guest->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (guest->epoll < 0) {
		free(guest);
		return -errno;
	}
	guest->slow_due = mullion_spin_now() + GUEST_SLOW_NS;
	*ret = guest;
	return 0;
}

int mullion_guest_open_socket(struct mullion_guest **ret, int socket)
{
	struct mullion_guest *guest;
	int flags = fcntl(socket, F_GETFL);
	int error;

	if (flags < 0 || fcntl(socket, F_SETFL, flags | O_NONBLOCK) < 0)
		return -errno;
	error = guest_new(&guest);
	if (error < 0)
		return error;
	error = guest_watch(guest, socket, EPOLLIN, GUEST_IS_SOCKET);
	if (error < 0) {
		mullion_guest_close(guest);
		return error;
	}
	guest->socket = socket;
	*ret = guest;
	return 0;
}

int mullion_guest_open_fds(struct mullion_guest **ret, int window, int recv_fd,
			   int send_fd)
{
	struct mullion_guest *guest;
	int error;

	error = guest_new(&guest);
	if (error < 0)
		return error;
	error = mullion_window_open(&guest->command, window,
				    MULLION_WINDOW_COMMAND);
	if (error < 0)
		goto close;
	guest->command_recv = recv_fd;
	guest->command_send = send_fd;
	error = guest_start_control(guest);
	if (error < 0) {
		guest->command_recv = -1;
		guest->command_send = -1;
		goto close;
	}
	*ret = guest;
	return 0;

close:
	mullion_guest_close(guest);
	return error;
}

int mullion_guest_add_window(struct mullion_guest *guest, int window,
			     const int *recv, const int *send, uint32_t count)
{
	struct mullion_window probe = { 0 };
	struct guest_window *added;
	int ret;

	ret = mullion_window_open(&probe, window, MULLION_WINDOW_BUS);
	if (ret < 0)
		return ret;
	mullion_window_close(&probe);
	if (probe.vectors != count)
		return -EINVAL;
	added = guest_window_get(guest, probe.id);
	if (!added)
		return -ENOMEM;
	ret = guest_window_map(added, window);
	if (ret < 0)
		return ret;
	mullion_doorbells_put(&added->recv, 0, recv, count);
	mullion_doorbells_put(&added->send, 0, send, count);
	return guest_window_watch(guest, added);
}

void guest_device_remove(struct mullion_guest_device *device)
{
	struct mullion_guest_device **link = &device->bus->guest->devices;

	if (device->driver)
		device->driver->remove(device->driver_arg);
	device->driver = NULL;
	while (*link != device)
		link = &(*link)->next;
	*link = device->next;
	free(device);
}

void mullion_guest_close(struct mullion_guest *guest)
{
	if (!guest)
		return;
	while (guest->devices)
		guest_device_remove(guest->devices);
	while (guest->buses)
		guest_bus_free(guest->buses);
	mullion_control_client_free(guest->control);
	while (guest->windows) {
		struct guest_window *window = guest->windows;

		guest->windows = window->next;
		guest_window_free(window);
	}
	mullion_window_close(&guest->command);
	if (guest->command_recv >= 0)
		close(guest->command_recv);
	if (guest->command_send >= 0)
		close(guest->command_send);
	if (guest->socket >= 0)
		close(guest->socket);
	close(guest->epoll);
	free(guest);
}

int mullion_guest_fd(struct mullion_guest *guest)
{
	return guest->epoll;
}

int mullion_guest_arm(struct mullion_guest *guest)
{
	return guest->control ? mullion_control_client_arm(guest->control) : 0;
}

/* @window: NULL for all windows. */
static void guest_event(struct mullion_guest *guest,
			const struct guest_window *window, bool slow)
{
	struct mullion_guest_device *device, *next;

	for (device = guest->devices; device; device = next) {
		next = device->next;
		if (device->driver && (!window || device->bus->window == window))
			device->driver->event(device->driver_arg, slow);
	}
}

/* Of a service that dies there will be no successor: its devices are gone. */
static void guest_bury(struct mullion_guest *guest)
{
	struct guest_window *window;

	for (window = guest->windows; window; window = window->next) {
		struct mullion_guest_device *device, *next;
		uint64_t heartbeat;

		if (!window->window.base)
			continue;
		heartbeat = mullion_load_relaxed(
			MULLION_FIELD_POINTER(window->window.base,
					      struct mullion_window_header,
					      info.heartbeat, __u64));
		if (heartbeat != window->heartbeat) {
			window->heartbeat = heartbeat;
			window->still = 0;
			continue;
		}
		if (++window->still < GUEST_STILL_TURNS)
			continue;
		for (device = guest->devices; device; device = next) {
			next = device->next;
			if (device->bus->window == window)
				guest_device_remove(device);
		}
	}
}

static int guest_turn(struct mullion_guest *guest, int milliseconds)
{
	struct epoll_event events[GUEST_EVENTS];
	bool slow = false;
	uint64_t now;
	int n, ret;

	n = epoll_wait(guest->epoll, events, GUEST_EVENTS, milliseconds);
	for (int i = 0; i < n; i++) {
		uint64_t what = events[i].data.u64;

		if (what == GUEST_IS_SOCKET)
			guest_receive(guest);
		else if ((what & 0xff) == GUEST_IS_WINDOW)
			guest_event(guest, guest_window_find(guest,
						(uint32_t)(what >> 8)), false);
	}
	now = mullion_spin_now();
	if (now >= guest->slow_due) {
		guest->slow_due = now + GUEST_SLOW_NS;
		slow = true;
	}
	if (guest->control) {
		/* Only what no descriptor announced is a rescue. */
		ret = mullion_control_client_poll(guest->control, slow && n <= 0);
		if (ret < 0)
			guest->error = ret;
	}
	if (slow)
		guest_event(guest, NULL, n <= 0);
	if (slow && guest->orphan)
		guest_bury(guest);
	return guest->error;
}

int mullion_guest_turn(struct mullion_guest *guest)
{
	return guest_turn(guest, 0);
}

int mullion_guest_wait(struct mullion_guest *guest, int milliseconds)
{
	int limit = (int)(GUEST_SLOW_NS / 1000000);

	if (milliseconds < 0 || milliseconds > limit)
		milliseconds = limit;
	if (mullion_guest_arm(guest))
		milliseconds = 0;
	return guest_turn(guest, milliseconds);
}

int mullion_guest_wait_ready(struct mullion_guest *guest, int milliseconds)
{
	uint64_t end = mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	int ret;

	while (!guest->ready) {
		uint64_t now = mullion_spin_now();

		if (milliseconds >= 0 && now >= end)
			return -ETIMEDOUT;
		ret = mullion_guest_wait(guest, milliseconds < 0 ? -1 :
					 (int)((end - now) / 1000000) + 1);
		if (ret < 0)
			return ret;
	}
	return 0;
}

bool mullion_guest_is_ready(const struct mullion_guest *guest)
{
	return guest->ready;
}

struct mullion_guest_device *
mullion_guest_device_find(struct mullion_guest *guest, const guid_t *type,
			  unsigned int index)
{
	struct mullion_guest_device *device;

	for (device = guest->devices; device; device = device->next) {
		if (memcmp(&device->info.type, type, sizeof(*type)))
			continue;
		if (!index--)
			return device;
	}
	return NULL;
}

void mullion_guest_device_info(const struct mullion_guest_device *device,
			       struct mullion_guest_device_info *ret)
{
	*ret = device->info;
}

int mullion_guest_device_doorbell(const struct mullion_guest_device *device,
				  unsigned int pair)
{
	const struct mullion_doorbells *send = &device->bus->window->send;
	uint64_t vector = device->send_vector;

	/* One that has no doorbell of its own uses the window's, whatever the pair. */
	if (vector)
		vector += pair;
	return send->fds[guest_control_vector(vector, send->count)];
}

struct mullion_guest *
mullion_guest_device_guest(struct mullion_guest_device *device)
{
	return device->bus->guest;
}

struct mullion_pool *
mullion_guest_device_pool(struct mullion_guest_device *device)
{
	return device->bus->window->pool;
}

int mullion_guest_device_claim(struct mullion_guest_device *device,
			       const struct mullion_guest_driver *driver,
			       void *arg)
{
	if (device->driver)
		return -EBUSY;
	device->driver = driver;
	device->driver_arg = arg;
	guest_control_info(device->bus, offsetof(struct visor_vbus_channel, dev_info) +
			   (uint64_t)device->info.dev_no *
			   sizeof(struct visor_vbus_deviceinfo),
			   driver->devtype, driver->drvname);
	return 0;
}

void mullion_guest_device_release(struct mullion_guest_device *device)
{
	device->driver = NULL;
	device->driver_arg = NULL;
}
