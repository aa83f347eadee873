// SPDX-License-Identifier: GPL-2.0-or-later
/* tests/host/client.c - process guests, with a disk or a network card, for tests */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../abi/guid.h"
#include "client.h"

#define CLIENT_MS 60000

void client_fail(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "FAILED: ");
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fprintf(stderr, "\n");
	exit(1);
}

struct mullion_guest *client_guest(const char *name)
{
	struct mullion_guest *guest;
	int r;

	r = mullion_guest_connect(&guest, NULL, name);
	if (r < 0)
		client_fail("guest %s: cannot attach: %s", name, strerror(-r));
	r = mullion_guest_wait_ready(guest, CLIENT_MS);
	if (r < 0)
		client_fail("guest %s: not ready: %s", name, strerror(-r));
	return guest;
}

struct mullion_net *client_net(struct mullion_guest *guest, const char *name,
			       const struct mullion_net_options *options)
{
	static const guid_t type = VISOR_VNIC_CHANNEL_GUID;
	struct mullion_guest_device *device =
		mullion_guest_device_find(guest, &type, 0);
	struct mullion_net *nic;
	int r;

	if (!device)
		client_fail("guest %s: has no network card", name);
	r = mullion_net_open(&nic, device, options, CLIENT_MS);
	if (r < 0)
		client_fail("guest %s: network card: %s", name, strerror(-r));
	return nic;
}

void client_open_disk(struct client *client, const char *name, uint32_t lun)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct mullion_guest_device *device;
	uint32_t block_bytes;
	int r;

	client->lun = lun;
	device = mullion_guest_device_find(client->guest, &type, 0);
	if (!device)
		client_fail("guest %s: has no disk", name);
	r = mullion_disk_open(&client->disk, device, CLIENT_MS);
	if (r < 0)
		client_fail("guest %s: disk: %s", name, strerror(-r));
	r = mullion_disk_capacity(client->disk, 0, lun, &client->blocks,
				  &block_bytes);
	if (r < 0 || block_bytes != 512)
		client_fail("guest %s: no capacity of LUN %u: %s", name, lun,
			    strerror(-r));
}

void client_open(struct client *client, const char *name, uint32_t lun,
		 unsigned int seconds)
{
	alarm(seconds);
	client->guest = client_guest(name);
	client_open_disk(client, name, lun);
}

void client_close(struct client *client)
{
	mullion_disk_close(client->disk);
	mullion_guest_close(client->guest);
}

void *client_alloc(struct client *client, size_t bytes, uint64_t *offset)
{
	void *memory;
	int r = mullion_disk_alloc(client->disk, bytes, offset, &memory);

	if (r < 0)
		client_fail("%zu bytes of pool: %s", bytes, strerror(-r));
	return memory;
}

void client_data(struct client *client, struct mullion_disk_io *io,
		 uint32_t direction, uint64_t offset, uint32_t bytes)
{
	io->lun = client->lun;
	io->data_dir = direction;
	io->bufflen = bytes;
	io->segment_count = bytes ? 1 : 0;
	io->inline_segment.offset = offset;
	io->inline_segment.bytes = bytes;
	io->segments = &io->inline_segment;
}

uint32_t client_sense(const struct mullion_disk_io *io)
{
	if (io->error || io->status != 2)
		return 0;
	if ((io->sense[0] & 0x7e) == 0x72)
		return (uint32_t)(io->sense[1] & 15) << 16 |
		       (uint32_t)io->sense[2] << 8 | io->sense[3];
	return (uint32_t)(io->sense[2] & 15) << 16 |
	       (uint32_t)io->sense[12] << 8 | io->sense[13];
}

void client_good(const struct mullion_disk_io *io, const char *what)
{
	if (io->error || io->status || io->host)
		client_fail("%s: error %d, status %u, host %u, sense %06x", what,
			    io->error, io->status, io->host, client_sense(io));
}
