// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/scribbler.c - a process guest that writes anything anywhere
 *
 *	scribbler GUEST SECONDS [SEED]
 *
 * One thread writes random words over all windows of the guest, command window
 * included, from time to time every byte of one.  The other goes on as a driver
 * of a kind: it attaches, sends requests whose fields are random where it hurts
 * most, raises epochs, rings all doorbells, and lets the library look at what
 * has become of its windows.  It ends after so many seconds with status 0,
 * whatever the service has done to its disk; only a crash is a failure.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "../../abi/guid.h"
#include "../../channel/guest_internal.h"
#include "../../channel/signal_queue.h"
#include "client.h"

#define WORDS_PER_ROUND	64
#define HOT_BYTES	(64 << 10)	/* where headers, queues and slots begin */

static struct client client;
static struct mullion_guest_device_info info;
static atomic_bool ending;
static unsigned int seed;

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static uint64_t random_word(unsigned int *state)
{
	uint64_t word = (uint64_t)rand_r(state) << 32 ^ (uint64_t)rand_r(state) << 11 ^
			(uint64_t)rand_r(state);

	/* Small numbers, ones and single bits are what limits are about. */
	switch (rand_r(state) % 6) {
	case 0:
		return word & 0xff;
	case 1:
		return ~0ULL;
	case 2:
		return 1ULL << (word % 64);
	default:
		return word;
	}
}

static void scribble(uint8_t *base, uint64_t bytes, unsigned int *state)
{
	for (int i = 0; i < WORDS_PER_ROUND; i++) {
		uint64_t limit = rand_r(state) % 4 && bytes > HOT_BYTES ? HOT_BYTES : bytes;
		uint64_t word = random_word(state);
		uint64_t offset = (random_word(state) % limit) & ~3ULL;

		memcpy(base + offset, &word, 4);
	}
}

static void randomize(uint8_t *base, uint64_t bytes, unsigned int *state)
{
	for (uint64_t i = 0; i + 4 <= bytes && !ending; i += 4) {
		uint32_t word = (uint32_t)random_word(state);

		memcpy(base + i, &word, 4);
	}
}

static void *scribbler(void *arg)
{
	unsigned int state = seed + 1;
	struct guest_window *w;

	(void)arg;
	while (!ending) {
		for (w = client.guest->windows; w; w = w->next)
			if (w->window.base)
				scribble(w->window.base, w->window.size, &state);
		scribble(client.guest->command.base, client.guest->command.size, &state);
		if (rand_r(&state) % 4096 == 0)
			randomize(client.guest->command.base, client.guest->command.size,
				  &state);
		if (rand_r(&state) % 4096 == 0)
			randomize(info.channel, info.channel_bytes, &state);
		usleep(20);
	}
	return NULL;
}

static uint64_t *ext_word(size_t offset)
{
	return (uint64_t *)(void *)(info.channel + MULLION_CHANNEL_EXT_OFFSET_IO + offset);
}

/* A driver's raise, with a new incarnation so that no fault lasts. */
static void raise_epoch(unsigned int *state)
{
	struct mullion_channel_ext *ext = (void *)ext_word(0);

	ext->client_incarnation = random_word(state);
	ext->features_accepted = rand_r(state) % 8 ? 15 : random_word(state);
	ext->client_state = MULLION_CLIENT_ATTACHING;
	ext->client_generation = ext->server_generation;
	__atomic_store_n(ext_word(offsetof(struct mullion_channel_ext, client_epoch)),
			 ext->server_epoch + 1, __ATOMIC_RELEASE);
}

/* A request with the right epoch, and head moved to show it. */
static void send_request(unsigned int *state)
{
	const struct mullion_channel_ext *ext = (void *)ext_word(0);
	struct mullion_io_slot *slot;
	struct mullion_sq q;
	void *memory = NULL;

	if (mullion_sq_attach(&q, info.channel, info.channel_bytes,
			      MULLION_IO_CH_SPACE_OFFSET, VISOR_IO_SLOT_BYTES, 1) < 0)
		return;
	q.head = q.shared->head;
	q.published = q.head;
	if (q.head >= q.max_slots || mullion_sq_produce(&q, &memory) < 0)
		return;
	slot = memory;
	memset(&slot->rsp, 0, 256);
	slot->rsp.cmdtype = rand_r(state) % 8 ? CMD_SCSI_TYPE : (uint8_t)rand_r(state);
	for (int i = 0; i < 16; i++)
		slot->rsp.scsi.cmnd[i] = (uint8_t)(rand_r(state) % 3 ? 0 : rand_r(state));
	slot->rsp.scsi.cmnd[0] = (uint8_t)rand_r(state);
	slot->rsp.scsi.bufflen = (uint32_t)random_word(state) % (rand_r(state) % 2 ? 65536 : ~0U);
	slot->rsp.scsi.guest_phys_entries = (uint16_t)(rand_r(state) % 4);
	for (int i = 0; i < 4; i++) {
		slot->rsp.scsi.gpi_list[i].address = random_word(state) % info.pool_bytes;
		slot->rsp.scsi.gpi_list[i].length = random_word(state) % 65536;
	}
	slot->rsp.scsi.data_dir = (uint32_t)rand_r(state) % 5;
	slot->ext.epoch = (uint32_t)ext->server_epoch;
	slot->ext.request_id = (uint64_t)rand_r(state) % 64;
	slot->ext.flags = (uint32_t)rand_r(state) % 2;
	mullion_sq_publish(&q);
}

static void ring(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

int main(int argc, char **argv)
{
	static const guid_t type = VISOR_VHBA_CHANNEL_GUID;
	struct mullion_guest_device *device;
	unsigned int state;
	pthread_t thread;
	uint64_t end;
	unsigned long rounds = 0;

	if (argc < 3)
		client_fail("usage: scribbler GUEST SECONDS [SEED]");
	seed = argc > 3 ? (unsigned int)atoi(argv[3]) : (unsigned int)time(NULL);
	printf("seed %u\n", seed);
	fflush(stdout);
	state = seed;
	client_open(&client, argv[1], 0, (unsigned int)atoi(argv[2]) + 60);
	device = mullion_guest_device_find(client.guest, &type, 0);
	mullion_guest_device_info(device, &info);
	end = now_ms() + (uint64_t)atoi(argv[2]) * 1000;
	if (pthread_create(&thread, NULL, scribbler, NULL))
		client_fail("no thread");
	while (now_ms() < end) {
		for (int i = 0; i < 16; i++)
			send_request(&state);
		ring(info.send_fd);
		if (rand_r(&state) % 8 == 0)
			raise_epoch(&state);
		if (rand_r(&state) % 16 == 0)
			ring(client.guest->command_send);
		mullion_disk_poll(client.disk);
		mullion_guest_turn(client.guest);
		rounds++;
		usleep(50);
	}
	ending = true;
	pthread_join(thread, NULL);
	printf("%lu rounds\n", rounds);
	fflush(stdout);
	/* Not in order: detaching from what is left would wait. */
	_exit(0);
}
