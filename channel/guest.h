/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/guest.h - a plain process as a guest partition (user space)
 *
 * Single-threaded: all calls for one guest, its devices and its disks come
 * from one thread at a time.  Nothing happens behind the caller's back:
 * mullion_guest_turn() does all control work, and a driver's own poll function
 * does its I/O.
 */
#ifndef MULLION_CHANNEL_GUEST_H
#define MULLION_CHANNEL_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#include "attach.h"
#include "pool.h"
#include "window.h"

struct mullion_guest;
struct mullion_guest_device;

/**
 * struct mullion_guest_driver - what a function driver is told
 * @devtype, @drvname: for the client information of the bus channel
 * @pause: DEVICE_CHANGESTATE standby: start nothing more
 * @resume: DEVICE_CHANGESTATE running: attach again
 * @remove: DEVICE_DESTROY, or the end of the guest: end everything now; the
 *	device must not be used after the call
 * @event: look at your channel: vector 0 was rung, or the slow poll came; @slow
 *	if nothing rang: work found now was missed by a doorbell
 */
struct mullion_guest_driver {
	const char *devtype;
	const char *drvname;
	void (*pause)(void *arg);
	void (*resume)(void *arg);
	void (*remove)(void *arg);
	void (*event)(void *arg, bool slow);
};

/**
 * struct mullion_guest_device_info - what DEVICE_CREATE said
 * @channel: first byte of its channel, in shared memory
 * @channel_bytes: of it
 * @pool: first byte of its window's pool, in shared memory
 * @pool_bytes: of it
 * @recv_fd: doorbell that the service rings, of queue pair 0
 * @send_fd: doorbell that wakes the service, of queue pair 0
 * @paused: by the command partition
 */
struct mullion_guest_device_info {
	uint32_t bus_no;
	uint32_t dev_no;
	guid_t type;
	guid_t uuid;
	uint8_t *channel;
	uint64_t channel_bytes;
	uint8_t *pool;
	uint64_t pool_bytes;
	int recv_fd;
	int send_fd;
	bool paused;
};

/**
 * mullion_guest_connect() - become the process guest @name of a daemon
 * @ret: on success the guest; end it with mullion_guest_close()
 * @socket_path: API socket; NULL: the default place
 * @name: of a running guest of type "process"
 *
 * Return: 0; -ENOENT if there is no such guest; -EPROTO if the answer makes
 * no sense; errno of connect() and others.
 */
int mullion_guest_connect(struct mullion_guest **ret, const char *socket_path,
			  const char *name);

/**
 * mullion_guest_open_socket() - as mullion_guest_connect(), socket at hand
 * @socket: stream or seqpacket socket on which struct mullion_fd_messages
 *	come; the guest's on success
 */
int mullion_guest_open_socket(struct mullion_guest **ret, int socket);

/**
 * mullion_guest_open_fds() - without a socket, as tests do
 * @window: command window; stays the caller's
 * @recv_fd, @send_fd: its doorbells; the guest's on success
 */
int mullion_guest_open_fds(struct mullion_guest **ret, int window, int recv_fd,
			   int send_fd);

/**
 * mullion_guest_add_window() - hand over a bus window and its doorbells
 * @window: stays the caller's
 * @recv, @send: @count doorbells each; the guest's on success
 *
 * Return: 0; -EEXIST; as mullion_window_open().
 */
int mullion_guest_add_window(struct mullion_guest *guest, int window,
			     const int *recv, const int *send, uint32_t count);

/**
 * mullion_guest_close() - remove all devices, detach; NULL is harmless
 *
 * Waits at most some seconds for services to confirm.
 */
void mullion_guest_close(struct mullion_guest *guest);

/**
 * mullion_guest_fd() - readable when mullion_guest_turn() has something to do
 *
 * An epoll descriptor, for a caller with a loop of its own: it calls
 * mullion_guest_arm() before it sleeps, and mullion_guest_turn() when the
 * descriptor is readable and at least once a second.
 */
int mullion_guest_fd(struct mullion_guest *guest);

/**
 * mullion_guest_arm() - ask for a doorbell before sleeping
 *
 * Return: nonzero if there is work already: turn instead.
 */
int mullion_guest_arm(struct mullion_guest *guest);

/**
 * mullion_guest_turn() - do all control work that there is; never blocks
 *
 * Return: 0; -EPIPE when the command partition is gone; -EPROTO when it broke
 * the rules.  Devices that exist go on working after either, as long as their
 * services do: one that stops then is not replaced, and its devices are removed.
 */
int mullion_guest_turn(struct mullion_guest *guest);

/**
 * mullion_guest_wait() - sleep until there is control work, then do it
 * @milliseconds: at most; -1: until something happens
 *
 * Device doorbells end the sleep too.  Return: as mullion_guest_turn().
 */
int mullion_guest_wait(struct mullion_guest *guest, int milliseconds);

/**
 * mullion_guest_wait_ready() - until CHIPSET_READY was processed
 *
 * Return: 0; -ETIMEDOUT; as mullion_guest_turn().
 */
int mullion_guest_wait_ready(struct mullion_guest *guest, int milliseconds);

/**
 * mullion_guest_is_ready() - was CHIPSET_READY processed?
 */
bool mullion_guest_is_ready(const struct mullion_guest *guest);

/**
 * mullion_guest_device_find() - the n-th device of a type
 * @type: channel type
 * @index: from 0, in the order of their creation
 *
 * Return: the device, or NULL.
 */
struct mullion_guest_device *
mullion_guest_device_find(struct mullion_guest *guest, const guid_t *type,
			  unsigned int index);

/**
 * mullion_guest_device_info() - copy what is known of a device
 */
void mullion_guest_device_info(const struct mullion_guest_device *device,
			       struct mullion_guest_device_info *ret);

/**
 * mullion_guest_device_doorbell() - what wakes the service for a queue pair
 * @pair: from 0
 *
 * Return: the descriptor, which stays the guest's.
 */
int mullion_guest_device_doorbell(const struct mullion_guest_device *device,
				  unsigned int pair);

/**
 * mullion_guest_device_guest() - whose device it is
 */
struct mullion_guest *
mullion_guest_device_guest(struct mullion_guest_device *device);

/**
 * mullion_guest_device_pool() - the pool allocator of its bus
 */
struct mullion_pool *
mullion_guest_device_pool(struct mullion_guest_device *device);

/**
 * mullion_guest_device_claim() - a function driver takes the device
 *
 * Writes the client information of the bus channel.
 *
 * Return: 0, or -EBUSY if it has a driver.
 */
int mullion_guest_device_claim(struct mullion_guest_device *device,
			       const struct mullion_guest_driver *driver,
			       void *arg);

/**
 * mullion_guest_device_release() - the driver lets go
 */
void mullion_guest_device_release(struct mullion_guest_device *device);

#endif /* MULLION_CHANNEL_GUEST_H */
