/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/client.h - what all device drivers of a process guest share
 *
 * The client half of an I/O channel: its check, its share of the pool, the
 * attach handshake and what makes it begin anew, waiting.  A driver embeds a
 * struct mullion_client and gives it a class: what to do with rings.  Private
 * to the library; the drivers are disk.[ch] and net.[ch].
 */
#ifndef MULLION_CHANNEL_CLIENT_H
#define MULLION_CHANNEL_CLIENT_H

#include "attach.h"
#include "guest.h"
#include "signal_queue.h"
#include "spin.h"

struct mullion_client;

/**
 * struct mullion_client_class - a driver
 * @devtype, @drvname: for the client information of the bus channel
 * @type: of channel
 * @version: of channel
 * @features: wanted
 * @required: of these, without which there is nothing to be done
 * @begin: the service confirmed an epoch and emptied the rings: issue again
 *	what is unanswered, or forget it; 0 or negative errno, a fault
 * @reap: take what the rings hold, and count it in @progress of the client;
 *	negative errno: a fault
 * @push: put what waits into the rings and show it; true if something still
 *	waits for room
 * @fail: the end, @error: nothing unanswered will be answered
 */
struct mullion_client_class {
	const char *devtype;
	const char *drvname;
	guid_t type;
	uint32_t version;
	uint64_t features;
	uint64_t required;
	int (*begin)(struct mullion_client *client);
	int (*reap)(struct mullion_client *client);
	bool (*push)(struct mullion_client *client);
	void (*fail)(struct mullion_client *client, int error);
};

/**
 * struct mullion_client_pair - a queue pair
 * @cmd: to the service
 * @rsp: from it
 * @send_fd: its doorbell
 */
struct mullion_client_pair {
	struct mullion_sq cmd;
	struct mullion_sq rsp;
	int send_fd;
};

/**
 * struct mullion_client_counters - ever increasing
 */
struct mullion_client_counters {
	uint64_t stale;		/* messages of another epoch, dropped */
	uint64_t bogus;		/* messages that make no sense */
	uint64_t rung;
	uint64_t sleeps;
	uint64_t rescues;	/* messages that only the slow poll found */
	uint64_t generations;	/* changes of the service that were survived */
};

/**
 * struct mullion_client - a device's client half
 * @class: its driver
 * @pair: queue pairs
 * @pairs: of them in use
 * @attach: epoch and generation
 * @attached: rings may be used
 * @paused: by the command partition
 * @faulted: one side broke the rules: for good
 * @waiting: something waits for room in a ring
 * @slot_ext: agreed on struct mullion_slot_ext
 * @progress: things that reap() found; what waiting waits for
 * @guest: NULL: device gone
 * @device: NULL: device gone
 * @info: of the device
 * @share: of the pool
 */
struct mullion_client {
	const struct mullion_client_class *class;
	struct mullion_client_pair pair[MULLION_QUEUE_PAIRS_MAX];
	unsigned int pairs;
	struct mullion_attach attach;
	bool attached;
	bool paused;
	bool faulted;
	bool waiting;
	bool slot_ext;
	bool asleep;
	bool claimed;
	unsigned int polls;
	uint64_t progress;
	struct mullion_client_counters counters;

	struct mullion_guest *guest;
	struct mullion_guest_device *device;
	struct mullion_guest_device_info info;
	struct mullion_guest_driver driver;
	struct mullion_pool_share *share;
	struct mullion_spin spin;
};

/**
 * mullion_client_init() - check a device's channel and take a share of the pool
 * @client: zeroed
 * @pairs: queue pairs wanted; those that there are, at most, are used
 * @fixed: on success a private copy of the channel's fixed part
 *
 * After success undone by mullion_client_close().
 *
 * Return: 0; -EPROTO if the channel is not one that we know; -ENOSPC if the
 * pool cannot give the device its share; -ENOMEM.
 */
int mullion_client_init(struct mullion_client *client,
			const struct mullion_client_class *class,
			struct mullion_guest_device *device, unsigned int pairs,
			struct visor_io_channel *fixed);

/**
 * mullion_client_start() - take the device and attach
 * @milliseconds: to wait for the service's confirmation; -1: for ever
 *
 * Return: 0; -EBUSY; -ETIMEDOUT; -EPROTO; -ENODEV.
 */
int mullion_client_start(struct mullion_client *client, int milliseconds);

/**
 * mullion_client_close() - detach; harmless on a zeroed client
 *
 * Waits at most some seconds for the service's confirmation; without it the
 * pool areas stay taken.  Ends with fail(-ECANCELED).
 */
void mullion_client_close(struct mullion_client *client);

/**
 * mullion_client_fault() - the peer, or the caller, broke the rules
 */
void mullion_client_fault(struct mullion_client *client);

/**
 * mullion_client_alloc() - an area of the device's share, page-aligned
 * @offset: in the pool
 * @ret: where it is mapped
 *
 * Return: 0; -ENODEV; as mullion_pool_alloc().
 */
int mullion_client_alloc(struct mullion_client *client, size_t bytes,
			 uint64_t *offset, void **ret);

/**
 * mullion_client_push() - show the service what there is
 */
void mullion_client_push(struct mullion_client *client);

/**
 * mullion_client_poll() - take what there is; never blocks
 *
 * Follows generation changes and, now and then, does the guest's control work.
 *
 * Return: by how much @progress grew; -ENODEV; -EPROTO.
 */
int mullion_client_poll(struct mullion_client *client);

/**
 * mullion_client_wait() - until there is progress
 * @milliseconds: to wait at most; -1: for ever
 *
 * Pushes first.  Return: as mullion_client_poll(); 0 only after the time.
 */
int mullion_client_wait(struct mullion_client *client, int milliseconds);

/**
 * mullion_client_arm() - ask for doorbells before sleeping
 *
 * Return: nonzero if there is work already.
 */
int mullion_client_arm(struct mullion_client *client);

/**
 * mullion_client_disarm() - no more doorbells: awake
 */
void mullion_client_disarm(struct mullion_client *client);

/**
 * mullion_client_publish() - show the messages of a pair, ring if wanted
 */
void mullion_client_publish(struct mullion_client *client,
			    struct mullion_client_pair *pair);

/**
 * mullion_client_release() - give back what was read of a pair, ring if wanted
 */
void mullion_client_release(struct mullion_client *client,
			    struct mullion_client_pair *pair);

/*
 * Read a field of a slot once: what is checked must be what is used, so the
 * compiler may not go back to the shared bytes.
 */
static inline uint16_t mullion_client_read_u16(const void *from)
{
	uint16_t value;

	memcpy(&value, from, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return value;
}

static inline uint32_t mullion_client_read_u32(const void *from)
{
	uint32_t value;

	memcpy(&value, from, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return value;
}

static inline uint64_t mullion_client_read_u64(const void *from)
{
	uint64_t value;

	memcpy(&value, from, sizeof(value));
	__asm__ volatile("" : "+r"(value));
	return value;
}

/**
 * mullion_client_is_stale() - is a message of another epoch?
 */
static inline bool mullion_client_is_stale(const struct mullion_client *client,
					   const struct mullion_io_slot *slot)
{
	return client->slot_ext && mullion_client_read_u32(&slot->ext.epoch) !=
				   (uint32_t)client->attach.epoch;
}

#endif /* MULLION_CHANNEL_CLIENT_H */
