// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/scsi-send.c - SCSI commands from a process guest, one a line
 *
 *	scsi-send GUEST LUN
 *
 * Each line of standard input is a CDB in hexadecimal digits and, after a space,
 * the data to send as hexadecimal digits or the number of bytes to receive as
 * "<N".  For each one line is printed: "good", "conflict" (reservation), "sense
 * KKAAQQ" or "status N", and after a space what was received.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "client.h"

#define SEND_BYTES 65536

/* Digits of @text up to a space; their number of bytes. */
static unsigned int send_hex(const char *text, uint8_t *to, unsigned int max)
{
	unsigned int n = 0;

	while (n < max && sscanf(text + 2 * n, "%2hhx", &to[n]) == 1 &&
	       text[2 * n + 1] > ' ')
		n++;
	return n;
}

static void send_answer(const struct mullion_disk_io *io, const uint8_t *data)
{
	uint32_t got = io->data_dir == UIS_DMA_FROM_DEVICE ?
		       io->bufflen - io->residual : 0;

	if (io->error || io->host)
		client_fail("error %d, host %u", io->error, io->host);
	if (io->status == 0x18)
		printf("conflict");
	else if (io->status == 2)
		printf("sense %06x", client_sense(io));
	else if (io->status)
		printf("status %u", io->status);
	else
		printf("good");
	if (got && !io->status)
		printf(" ");
	for (uint32_t i = 0; i < got && !io->status; i++)
		printf("%02x", data[i]);
	printf("\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static char line[4 * SEND_BYTES];
	struct client client;
	uint64_t offset;
	uint8_t *data;

	if (argc != 3)
		client_fail("usage: scsi-send GUEST LUN");
	client_open(&client, argv[1], (uint32_t)atoi(argv[2]), 120);
	data = client_alloc(&client, SEND_BYTES, &offset);
	while (fgets(line, sizeof(line), stdin)) {
		struct mullion_disk_io io = { 0 };
		char *more = strchr(line, ' ');
		unsigned int bytes = 0;
		int r;

		send_hex(line, io.cdb, sizeof(io.cdb));
		if (more && more[1] == '<') {
			bytes = (unsigned int)atoi(more + 2);
			client_data(&client, &io, UIS_DMA_FROM_DEVICE, offset,
				    bytes < SEND_BYTES ? bytes : SEND_BYTES);
		} else {
			if (more)
				bytes = send_hex(more + 1, data, SEND_BYTES);
			client_data(&client, &io, bytes ? UIS_DMA_TO_DEVICE :
				    UIS_DMA_NONE, offset, bytes);
		}
		r = mullion_disk_execute(client.disk, &io);
		if (r < 0)
			client_fail("%.32s: %s", line, strerror(-r));
		send_answer(&io, data);
	}
	client_close(&client);
	return 0;
}
