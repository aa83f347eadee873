/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/lib/fake_service.h - the other end of a process guest, run by a test
 *
 * A command window and a bus window with one device, a guest attached to both in
 * this process, and the service's end of the device's rings, on which the test
 * says what it likes.  Nothing runs by itself, but for one thing: a driver that
 * opens a device waits for the confirmation of its epoch, and gets it from the
 * doorbell that it rings.  For that the program is linked with
 * -Wl,--wrap=mullion_doorbell_ring.
 */
#ifndef MULLION_TESTS_FAKE_SERVICE_H
#define MULLION_TESTS_FAKE_SERVICE_H

#include "cp.h"

#define FAKE_CHANNEL_BYTES	(256ULL << 10)
#define FAKE_CHANNELS_BYTES	(512ULL << 10)
#define FAKE_WINDOW_BYTES	(4ULL << 20)
#define FAKE_SLOTS		32
#define FAKE_PAIRS_MAX		2

struct fake_service {
	guid_t type;
	uint32_t version;
	uint32_t pairs;
	uint64_t pool_share;
	uint32_t max_outstanding;
	uint64_t features;
	uint8_t class_part[sizeof(((struct visor_io_channel *)0)->vnic)];
	/* After a confirmation by the doorbell; may be NULL. */
	void (*confirmed)(struct fake_service *fake);

	struct cp_window command_window;
	struct cp_window bus_window;
	struct cp_control control;
	struct mullion_guest *guest;
	struct mullion_sq cmd[FAKE_PAIRS_MAX];	/* as consumer */
	struct mullion_sq rsp[FAKE_PAIRS_MAX];	/* as producer */
};

/* Windows afresh (made at the first call), a guest, bus and device announced. */
void fake_service_begin(struct fake_service *fake);
/* Turn the guest and answer it until its commands are done. */
void fake_service_turn(struct fake_service *fake);
void fake_service_end(struct fake_service *fake);

uint8_t *fake_service_channel(const struct fake_service *fake);
struct mullion_channel_ext *fake_service_ext(const struct fake_service *fake);
struct mullion_guest_device *fake_service_device(const struct fake_service *fake);

/* A control command to the guest, of which the first bytes are given. */
void fake_service_command(struct fake_service *fake, uint32_t id,
			  const union controlvm_packet *packet,
			  const void *header, size_t bytes);
/*
 * The service's part of an attach, without looking at anything: rings are
 * empty, the guest's epoch is confirmed.
 */
void fake_service_confirm(struct fake_service *fake);
/* Do that when the guest raises its epoch and rings, until further notice. */
void fake_service_confirm_rings(struct fake_service *fake, bool on);
/* The epoch that the guest raised last. */
uint64_t fake_service_epoch(const struct fake_service *fake);
/* Send a whole slot; false if there is no room. */
bool fake_service_send(struct fake_service *fake, unsigned int pair,
		       const struct mullion_io_slot *slot);
/* Take a slot; false if there is none. */
bool fake_service_take(struct fake_service *fake, unsigned int pair,
		       struct mullion_io_slot *slot);

#endif /* MULLION_TESTS_FAKE_SERVICE_H */
