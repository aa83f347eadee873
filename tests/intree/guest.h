/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/guest.h - the pieces of the guest and how they meet
 *
 * As in the kernel: one thread executes control messages, strictly one after
 * another, and calls the drivers' functions; each driver has a thread of its
 * own that drains its responses; the scenario is user space.
 */
#ifndef INTREE_GUEST_H
#define INTREE_GUEST_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "../../abi/control.h"
#include "../../abi/guid.h"
#include "../../abi/io.h"
#include "channel.h"
#include "check.h"
#include "ram.h"

/* Most that anything may take before it is a violation, in seconds. */
#define GUEST_WAIT 60

struct hba;
struct nic;
struct device;

/* What a driver's resume says. */
#define DRIVER_SILENT 1		/* done, but nobody will ever be told */

struct driver {
	guid_t type;
	uint32_t version;
	const char *devtype;
	const char *name;
	int (*probe)(struct device *device);
	void (*remove)(struct device *device);
	int (*pause)(struct device *device);
	int (*resume)(struct device *device);
};

enum device_state { DEVICE_RUNNING, DEVICE_STANDBY, DEVICE_GONE };

struct device {
	uint32_t bus_no;
	uint32_t dev_no;
	char name[32];
	struct channel channel;
	const struct driver *driver;	/* NULL: none bound */
	struct hba *hba;
	struct nic *nic;
	bool pending;			/* a command that is never answered */
	bool changing;			/* a pause or resume that never ends */
	enum device_state state;
	unsigned int pauses;
	unsigned int resumes;
	struct device *next;
};

/* guest.c: clock and lists */

uint64_t guest_ms(void);
/* One timer interrupt long. */
void guest_sleep_ticks(unsigned int ticks);
void guest_set_hz(unsigned int hz);
/* The @index-th device of @driver that is not gone, or NULL. */
struct device *guest_device(const struct driver *driver, unsigned int index);
extern struct device *guest_devices;
extern bool guest_ready;		/* CHIPSET_READY was executed */
extern pthread_mutex_t guest_lock;	/* of the list and of what follows */
/* Wait up to GUEST_WAIT seconds for @condition. */
bool guest_wait(bool (*condition)(void *arg), void *arg);

/* control.c */

/*
 * Waits for the channel, validates it, starts the thread.  @again: memory is as a
 * former boot left it.  0 or -errno.
 */
int control_start(uint64_t gpa, bool again);
/* Ends the thread, with the command under way answered. */
void control_stop(void);

/* bus.c: commands that concern buses and devices; 0, -errno, BUS_SILENT */

#define BUS_SILENT 1
struct bus_crash {
	bool usable;
	uint8_t *slots;			/* two messages */
};
int bus_create(const struct controlvm_message *command, const struct bus_crash *crash);
int bus_configure(const struct controlvm_message *command, const uint8_t *payload,
		  uint32_t bytes);
int bus_destroy(const struct controlvm_message *command);
int bus_device_create(const struct controlvm_message *command,
		      const struct bus_crash *crash);
/* Answers before the driver is removed: @respond is called in between. */
int bus_device_destroy(const struct controlvm_message *command,
		       void (*respond)(const struct controlvm_message *command, int result,
				       const union controlvm_packet *packet));
int bus_device_changestate(const struct controlvm_message *command,
			   union controlvm_packet *packet);
void bus_check_all(void);
/* Have all buses been destroyed, of at least one? */
bool bus_all_gone(void);

/* hba.c, nic.c */
extern const struct driver hba_driver;
extern const struct driver nic_driver;

/* scenario.c: returns 0, or 1 if @step is none or could not be done */
int scenario_run(const char *step);
/* The list of steps, on standard output. */
void scenario_help(void);

#endif /* INTREE_GUEST_H */
