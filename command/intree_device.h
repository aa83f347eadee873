/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/intree_device.h - what intree.c keeps of a device and of a partition
 */
#ifndef MULLION_COMMAND_INTREE_DEVICE_H
#define MULLION_COMMAND_INTREE_DEVICE_H

#include <stdbool.h>
#include <stdint.h>
#include <systemd/sd-event.h>

/* Where the guest's driver is. */
enum mullion_intree_state {
	MULLION_INTREE_RUNNING,
	MULLION_INTREE_PAUSING,		/* standby was sent */
	MULLION_INTREE_STANDBY,
	MULLION_INTREE_RESUMING,	/* running was sent; its first words are awaited */
};

/**
 * struct mullion_intree_device - of a device
 * @state: of the guest's driver
 * @waits: the service is told of it when the guest is in standby
 * @locked: the guest has refused a change and takes no other
 * @cycles: times in standby
 * @standby_at: when standby is to be sent; 0: not
 * @tries: times that it could not be sent, since an answer is still to be read
 */
struct mullion_intree_device {
	enum mullion_intree_state state;
	bool waits;
	bool locked;
	unsigned int cycles;
	uint64_t standby_at;
	unsigned int tries;
};

/**
 * struct mullion_intree - of a partition; times in microseconds, 0: not
 * @timer: for what follows
 * @announce_at: when the guest may be told of buses
 * @probe_at: when it is asked whether it is still the same, if it is quiet
 * @moved: what its devices have counted when that was set
 * @begun: it has answered its first CHIPSET_INIT
 * @renew: services are done with what the former boot had
 * @ready_sent: CHIPSET_READY was
 * @refused_told, @crash_told: events that come once in a boot
 */
struct mullion_intree {
	sd_event_source *timer;
	uint64_t announce_at;
	uint64_t probe_at;
	uint64_t moved;
	bool begun;
	bool renew;
	bool ready_sent;
	bool refused_told;
	bool crash_told;
};

#endif /* MULLION_COMMAND_INTREE_DEVICE_H */
