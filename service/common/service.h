/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/service.h - the objects of the common layer
 *
 * Private to service/common.  One service per process, one thread, so the
 * service itself is a global; buses and devices hang off it.
 */
#ifndef MULLION_SERVICE_SERVICE_H
#define MULLION_SERVICE_SERVICE_H

#include "../../channel/control_client.h"
#include "../../channel/doorbell.h"
#include "../../channel/fdmsg.h"
#include "../../channel/field.h"
#include "../../channel/signal_queue.h"
#include "../../channel/window.h"
#include "device.h"
#include "log.h"
#include "loop.h"
#include "queue.h"
#include "ram.h"
#include "state.h"

#define SERVICE_RECORD_NONE	0xffffU

/*
 * One bus: one window of one guest.  In guest-physical mode it has the guest's
 * RAM too, and may do without a window: then its channels lie there, and nobody
 * rings.
 */
struct service_bus {
	uint32_t bus_no;
	struct mullion_window window;	/* base NULL: none */
	struct mullion_ram *ram;	/* NULL: window mode */
	struct mullion_doorbells recv;
	struct mullion_doorbells send;
	struct mullion_memory memory;	/* its pool, or that RAM */
	unsigned int devices;
	bool ring_event;		/* vector 0 is to be rung at turn end */
	struct service_bus *next;
};

/* The records of a device's requests in the state area (record.c). */
struct service_records {
	struct mullion_state_channel *state;
	uint16_t free[MULLION_STATE_REQUESTS_MAX];
	unsigned int free_count;
	uint16_t *answered;		/* ring: records of published answers */
	unsigned int answered_size;
	unsigned int answered_first;
	unsigned int answered_count;
	bool reissues_ended;		/* in this epoch, no more will come */
	uint64_t answers;		/* of a plain client: put into the ring */
};

/* What a device is on its way to, when it has become quiet. */
struct service_wanted {
	bool any;			/* one of the following */
	bool epoch;			/* confirm the client's epoch */
	bool pause;			/* answer @pause_command, or a reset's */
	bool destroy;			/* answer @destroy_command, be gone */
	struct controlvm_message pause_command;
	struct controlvm_message destroy_command;
};

struct mullion_device {
	/* Hot: looked at in every turn. */
	bool serving;			/* requests are taken */
	bool rung;			/* by the first vector, at turn end */
	bool starting;			/* the class has not said that it started */
	bool quiescing;			/* the class was asked to */
	bool quiesced;			/* and has */
	bool started;			/* the class has just said so */
	bool paused;
	bool revoked;			/* the client of this epoch is no more */
	bool faulted;
	bool adopted;			/* its records are a predecessor's */
	bool rewind;			/* nothing was answered since its rings were emptied */
	bool slot_ext;
	bool plain;			/* the client has no extension (plain.c) */
	bool plain_adopt;		/* and its rings are to be adopted */
	uint64_t plain_adopted;		/* up to this request, that has been done */
	uint64_t epoch;			/* confirmed last */
	struct mullion_channel_ext *ext;
	struct mullion_queue queues[MULLION_QUEUE_PAIRS_MAX];
	struct mullion_request *free_requests;
	struct mullion_request *late;	/* answers that found no room, in order */
	struct mullion_request **late_end;
	unsigned int outstanding;
	struct service_records records;

	struct service_bus *bus;
	uint32_t dev_no;
	uint64_t generation;
	uint64_t incarnation;		/* of the confirmed epoch */
	uint64_t features;		/* accepted, of the confirmed epoch */
	uint64_t fault_epoch;		/* of the attach that was faulted */
	uint64_t fault_incarnation;
	uint32_t fault_reason;
	int start_error;
	guid_t uuid;
	uint8_t *channel;
	uint64_t channel_bytes;
	struct mullion_request *requests;
	struct controlvm_message start_command;
	struct service_wanted wanted;
	struct visor_io_channel fixed;	/* what the fixed part must hold */
	struct mullion_log_limit limit;
	char name[80];
	struct mullion_device *next;
	_Alignas(16) unsigned char class[];
};

/* A descriptor that waits for the control message that names its handle. */
struct service_fd {
	uint64_t handle;
	uint32_t index;
	uint16_t role;
	int fd;
	struct service_fd *next;
};

struct service {
	const struct mullion_class *class;
	int socket;
	struct mullion_window command;
	int command_recv;
	int command_send;
	struct mullion_control_client *control;
	struct service_fd *fds;
	unsigned int fd_count;
	struct service_bus *buses;
	struct mullion_device *devices;
	struct mullion_loop_source source;
	struct mullion_loop_timer slow;
	struct mullion_loop_timer nap;	/* until polled channels are looked at */
	bool polled_work;		/* in one of them, since the last nap */
	uint64_t polled_last;		/* when that was; nanoseconds */
};

extern struct service service;

static inline bool service_has_requests(void)
{
	return !service.class->poll;
}

/* main.c: devices become something that the loop polls */
void service_loop_start(void);

/* socket.c: descriptors from the command partition */

/* Watch the socket; what comes on it is acted on. */
int service_socket_start(int socket);
/*
 * Take all that has come.  Before every control message: its descriptors were
 * sent earlier, but the two ways are not ordered for their reader.
 */
void service_socket_drain(void);
/* The descriptor of (@handle, @role, @index), now the caller's, or -1. */
int service_fd_take(uint64_t handle, unsigned int role, uint32_t index);
/* Close what is left for @handle. */
void service_fd_drop(uint64_t handle);
/* Take all doorbells of @role into @set, which is initialised. */
int service_fd_doorbells(uint64_t handle, unsigned int role,
			 struct mullion_doorbells *set);

/* control.c: commands */

void service_control_command(void *arg, const struct controlvm_message *command,
			     const void *payload, size_t bytes);
struct service_bus *service_bus_find(uint32_t bus_no);
/* Where a channel of @bus is: in its window, or in guest RAM. */
int service_bus_channel(const struct service_bus *bus, uint64_t addr, uint64_t bytes,
			void **ret);

/* device.c: life of a device */

int service_device_create(const struct controlvm_message *command,
			  const struct mullion_server_config *config,
			  const void *class_part);
int service_device_reconfigure(struct mullion_device *device, uint64_t handle,
			       const void *class_part, size_t bytes);
int service_configure(uint64_t handle, const void *class_part, size_t bytes);
void service_device_destroy(struct mullion_device *device,
			    const struct controlvm_message *command);
void service_device_pause(struct mullion_device *device,
			  const struct controlvm_message *command);
/*
 * The machine was reset: as a pause that only a new epoch ends.  Returns whether
 * the answer comes later; else there is nothing to wait for.
 */
bool service_device_reset(struct mullion_device *device,
			  const struct controlvm_message *command);
void service_device_resume(struct mullion_device *device);
struct mullion_device *service_device_find(uint32_t bus_no, uint32_t dev_no);
/* The class's answer to a start that took its time; may free the device. */
void service_device_start_ended(struct mullion_device *device);
/* Quiet, and to be destroyed: frees the device. */
void service_device_end(struct mullion_device *device);

/* attach.c: the server's half of the handshake, quiet and faults */

/* Follow the client's epoch; cheap when nothing changed. */
void service_attach_check(struct mullion_device *device);
/*
 * If the device is quiet, do what that was wanted for; may free it.  Called
 * from the loop only, never from inside the class.
 */
void service_attach_settle(struct mullion_device *device);
/* Take nothing more and ask the class for quiet. */
void service_attach_quiesce(struct mullion_device *device);
/* Stop this channel for what its client did. */
void service_attach_fault(struct mullion_device *device, uint32_t reason,
			  const char *what);
/* Compare the constant parts of the channel with what they must be. */
void service_attach_audit(struct mullion_device *device);
/* Announce a channel that is made or adopted. */
void service_attach_announce(struct mullion_device *device);
/* All rings of the channel, made afresh, or seen where they are. */
void service_attach_make_queues(struct mullion_device *device, int event_index);
void service_attach_view_queues(struct mullion_device *device);
/* (Re)write header, fixed part and constant extension of the channel. */
void service_attach_write_channel(struct mullion_device *device);
uint64_t service_attach_channel_bytes(const struct mullion_class *class);
/* Bytes from the channel's start to the slots of @queue. */
uint64_t service_attach_slots_offset(const struct mullion_class *class,
				     unsigned int queue);

/* request.c: rings of a request class */

/* Is there anything that service_request_poll() could do? */
static inline bool service_request_may_poll(const struct mullion_device *device)
{
	return device->serving || (device->late && !device->faulted);
}

unsigned int service_request_poll(struct mullion_device *device);
/* Show answers to the client; notes whether it wants a doorbell. */
void service_request_publish(struct mullion_device *device);
int service_request_init(struct mullion_device *device);
void service_request_done(struct mullion_device *device);
/* Forget answers that never found room; their records say DONE. */
void service_request_drop_late(struct mullion_device *device);

/* What a predecessor left in @record is answered, or done again. */
void service_request_again(struct mullion_device *device,
			   struct mullion_state_request *record);

/* plain.c: clients without the extension */

/* The channel is announced: serve it, or (a successor) adopt its rings soon. */
void service_plain_begin(struct mullion_device *device);
/* From the loop, with plain_adopt set. */
void service_plain_adopt(struct mullion_device *device);
/* After an administrative pause. */
void service_plain_resume(struct mullion_device *device);
/* What was put into the ring was shown to the client. */
void service_plain_shown(struct mullion_device *device);
/* The part of a record that other clients send again. */
void service_plain_record(struct mullion_request *request);

/* record.c: the state area's view of requests */

int service_record_init(struct mullion_device *device, bool adopt);
void service_record_done(struct mullion_device *device);
/* A new epoch: nothing published is known to be seen. @fresh: forget all. */
void service_record_epoch(struct mullion_device *device, bool fresh);
/* NULL if there is none: take nothing more for now. */
struct mullion_state_request *service_record_get(struct mullion_device *device);
/* The record that a re-issued request left, or NULL. */
struct mullion_state_request *service_record_find(struct mullion_device *device,
						  uint64_t request_id);
/* The first request of this epoch that is no re-issue came. */
void service_record_reissues_end(struct mullion_device *device);
void service_record_put(struct mullion_device *device,
			struct mullion_state_request *record);
/* The answer of @record, or (NULL) some other message, went into the ring. */
void service_record_answered(struct mullion_device *device,
			     struct mullion_state_request *record);

#endif /* MULLION_SERVICE_SERVICE_H */
