/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tests/host/client.h - what the programs share that are process guests */
#ifndef MULLION_TESTS_CLIENT_H
#define MULLION_TESTS_CLIENT_H

#include <stdint.h>

#include "../../channel/disk.h"
#include "../../channel/guest.h"
#include "../../channel/net.h"

struct client {
	struct mullion_guest *guest;
	struct mullion_disk *disk;
	uint32_t lun;
	uint64_t blocks;
};

/* Say why and end with status 1. */
_Noreturn void client_fail(const char *format, ...)
	__attribute__((format(printf, 1, 2)));

/* Become guest @name, with all its devices announced. */
struct mullion_guest *client_guest(const char *name);

/* Open its first network card. */
struct mullion_net *client_net(struct mullion_guest *guest, const char *name,
			       const struct mullion_net_options *options);

/* Become guest @name and open its disk; the program may run for @seconds. */
void client_open(struct client *client, const char *name, uint32_t lun,
		 unsigned int seconds);
/* Open the disk of a guest that is one already. */
void client_open_disk(struct client *client, const char *name, uint32_t lun);
void client_close(struct client *client);

/* Pool memory, or the end. */
void *client_alloc(struct client *client, size_t bytes, uint64_t *offset);

/* A command with @bytes at @offset of the pool; @io->cdb is filled already. */
void client_data(struct client *client, struct mullion_disk_io *io,
		 uint32_t direction, uint64_t offset, uint32_t bytes);

/* Key << 16 | ASC << 8 | ASCQ of a CHECK CONDITION in fixed format, else 0. */
uint32_t client_sense(const struct mullion_disk_io *io);

/* End unless the command succeeded. */
void client_good(const struct mullion_disk_io *io, const char *what);

#define SENSE_NEXUS_LOSS 0x062907U	/* UNIT ATTENTION, 29h/07h */
#define SENSE_MISCOMPARE 0x0e1d00U

static inline void put_be(uint8_t *to, uint64_t value, unsigned int bytes)
{
	while (bytes--) {
		to[bytes] = (uint8_t)value;
		value >>= 8;
	}
}

#endif /* MULLION_TESTS_CLIENT_H */
