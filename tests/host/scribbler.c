// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/host/scribbler.c - a process guest that writes anything anywhere
 *
 *	scribbler GUEST SECONDS [SEED [messages]]
 *
 * One thread writes random words over all windows of the guest, command window
 * included, from time to time every byte of one.  The other goes on as a driver
 * of a kind, of a disk or of a network card: it attaches, sends requests whose
 * fields are random where it hurts most, raises epochs, rings all doorbells, and
 * lets the library look at what has become of its windows.  It ends after so many
 * seconds with status 0, whatever the service has done to its device; only a crash
 * is a failure.
 *
 * With "messages" nothing is scribbled and rings are kept in order, so that all of
 * the messages are taken: buffers posted twice and beyond the pool, frames that
 * cannot be, floods of control messages.
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

#define NET_ROOM	(2 * MULLION_NET_CHAIN_MAX)

static struct client client;
static struct mullion_net *nic;
static struct mullion_guest_device_info info;
static bool orderly;
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
		if (orderly)
			return NULL;
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
	ext->features_accepted = rand_r(state) % 8 ? (nic ? 0x67 : 15) : random_word(state);
	ext->client_state = MULLION_CLIENT_ATTACHING;
	ext->client_generation = ext->server_generation;
	__atomic_store_n(ext_word(offsetof(struct mullion_channel_ext, client_epoch)),
			 ext->server_epoch + 1, __ATOMIC_RELEASE);
}

/* Where the next message of a queue goes; its head is what is in the ring. */
static struct mullion_io_slot *next_slot(struct mullion_sq *q, unsigned int queue)
{
	void *memory = NULL;

	if (mullion_sq_attach(q, info.channel, info.channel_bytes,
			      MULLION_IO_CH_SPACE_OFFSET +
			      queue * sizeof(struct signal_queue_header),
			      VISOR_IO_SLOT_BYTES, 1) < 0)
		return NULL;
	q->head = q->shared->head;
	q->published = q->head;
	if (q->head >= q->max_slots || mullion_sq_produce(q, &memory) < 0)
		return NULL;
	return memory;
}

static uint32_t right_epoch(void)
{
	const struct mullion_channel_ext *ext = (void *)ext_word(0);

	return (uint32_t)ext->server_epoch;
}

/* A request with the right epoch, and head moved to show it. */
static void send_request(unsigned int *state)
{
	struct mullion_io_slot *slot;
	struct mullion_sq q;

	slot = next_slot(&q, 0);
	if (!slot)
		return;
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
	slot->ext.epoch = right_epoch();
	slot->ext.request_id = (uint64_t)rand_r(state) % 64;
	slot->ext.flags = (uint32_t)rand_r(state) % 2;
	mullion_sq_publish(&q);
}

/* ---- network cards ------------------------------------------------------------ */

/* Inside the pool, or at its end, or beyond. */
static void random_entry(struct mullion_net_entry *entry, unsigned int *state)
{
	memset(entry, 0, sizeof(*entry));
	entry->cookie = (uint64_t)rand_r(state) % 64;
	entry->address = random_word(state) % info.pool_bytes;
	entry->length = (uint32_t)random_word(state) % (rand_r(state) % 4 ? 2048 : 70000);
	switch (rand_r(state) % 8) {
	case 0:
		entry->address = info.pool_bytes - entry->length / 2;
		break;
	case 1:
		entry->address = random_word(state);
		break;
	case 2:
		entry->length = (uint32_t)random_word(state);
		break;
	case 3:
		entry->flags = (uint8_t)rand_r(state);
		entry->gso_type = (uint8_t)(rand_r(state) % 8);
		entry->hdr_len = (uint16_t)random_word(state);
		entry->gso_size = (uint16_t)random_word(state);
		entry->csum_start = (uint16_t)random_word(state);
		entry->csum_offset = (uint16_t)random_word(state);
		break;
	case 4:
		entry->cookie = random_word(state);
		break;
	default:
		entry->flags = rand_r(state) % 4 ? 0 : MULLION_NET_MORE;
		break;
	}
}

static void random_control(struct uiscmdrsp_net *net, unsigned int *state)
{
	static const uint32_t types[] = {
		NET_RCV_ENBDIS, NET_RCV_PROMISC, NET_MACADDR, MULLION_NET_OFFLOADS,
	};

	net->type = rand_r(state) % 8 ? types[rand_r(state) % 4] : (uint32_t)rand_r(state) % 24;
	net->enbdis.context = random_word(state);
	net->enbdis.enable = (uint16_t)random_word(state);
	/* Anybody's, a group's, or nobody's. */
	net->macaddr.macaddr[0] = rand_r(state) % 4 ? 2 : (uint8_t)rand_r(state);
}

static void send_net(unsigned int *state)
{
	unsigned int pair = (unsigned int)rand_r(state) % 4;
	struct mullion_net_batch *batch;
	struct mullion_io_slot *slot;
	struct mullion_sq q;
	unsigned int kind;

	slot = next_slot(&q, 2 * pair);
	if (!slot)
		return;
	batch = (void *)slot;
	memset(batch, 0, offsetof(struct mullion_net_batch, entries));
	batch->cmdtype = rand_r(state) % 32 ? CMD_NET_TYPE : (uint8_t)rand_r(state);
	kind = (unsigned int)rand_r(state) % 8;
	if (kind < 3) {
		random_control(&slot->rsp.net, state);
	} else {
		batch->type = kind < 5 ? MULLION_NET_POST : MULLION_NET_XMIT;
		batch->count = (uint16_t)(rand_r(state) % 16 ? (uint64_t)rand_r(state) % 37 :
							       random_word(state));
		for (int i = 0; i < MULLION_NET_BATCH_MAX; i++)
			random_entry(&batch->entries[i], state);
	}
	slot->ext.epoch = right_epoch();
	mullion_sq_publish(&q);
}

/* Messages were read, as far as the service can tell. */
static void skip_answers(void)
{
	for (unsigned int pair = 0; pair < 4; pair++) {
		struct signal_queue_header *header =
			(void *)(info.channel + MULLION_IO_CH_SPACE_OFFSET +
				 (2 * pair + 1) * sizeof(*header));

		__atomic_store_n(mullion_sq_u32(&(struct mullion_sq){ .shared = header },
						MULLION_SQ_TAIL),
				 header->head, __ATOMIC_RELEASE);
	}
}

static void look_at_nic(unsigned int *state)
{
	static struct mullion_net_piece pieces[NET_ROOM];
	int count;

	if (orderly) {
		if (rand_r(state) % 2)
			skip_answers();
		return;
	}
	count = mullion_net_recv(nic, pieces, NET_ROOM);
	if (count > 0 && rand_r(state) % 2)
		mullion_net_return(nic, pieces, (unsigned int)count);
	mullion_net_send_copy(nic, 0, &info, sizeof(info), NULL);
}

static void ring(int fd)
{
	uint64_t one = 1;

	if (fd >= 0 && write(fd, &one, sizeof(one)) < 0)
		return;
}

static void open_device(const char *name)
{
	static const guid_t disk = VISOR_VHBA_CHANNEL_GUID, net = VISOR_VNIC_CHANNEL_GUID;
	struct mullion_guest_device *device;

	client.guest = client_guest(name);
	device = mullion_guest_device_find(client.guest, &disk, 0);
	if (device) {
		client_open_disk(&client, name, 0);
	} else {
		device = mullion_guest_device_find(client.guest, &net, 0);
		nic = client_net(client.guest, name, NULL);
	}
	mullion_guest_device_info(device, &info);
}

static void round_of(unsigned int *state)
{
	for (int i = 0; i < 16; i++) {
		if (nic)
			send_net(state);
		else
			send_request(state);
	}
	ring(info.send_fd);
	if (rand_r(state) % (orderly ? 512 : 8) == 0)
		raise_epoch(state);
	if (rand_r(state) % 16 == 0)
		ring(client.guest->command_send);
	if (nic)
		look_at_nic(state);
	else
		mullion_disk_poll(client.disk);
	mullion_guest_turn(client.guest);
}

int main(int argc, char **argv)
{
	unsigned long rounds = 0;
	unsigned int state;
	pthread_t thread;
	uint64_t end;

	if (argc < 3)
		client_fail("usage: scribbler GUEST SECONDS [SEED [messages]]");
	seed = argc > 3 ? (unsigned int)atoi(argv[3]) : (unsigned int)time(NULL);
	orderly = argc > 4;
	printf("seed %u\n", seed);
	fflush(stdout);
	state = seed;
	alarm((unsigned int)atoi(argv[2]) + 60);
	open_device(argv[1]);
	end = now_ms() + (uint64_t)atoi(argv[2]) * 1000;
	if (pthread_create(&thread, NULL, scribbler, NULL))
		client_fail("no thread");
	for (; now_ms() < end; rounds++) {
		round_of(&state);
		usleep(50);
	}
	ending = true;
	pthread_join(thread, NULL);
	printf("%lu rounds\n", rounds);
	fflush(stdout);
	/* Not in order: detaching from what is left would wait. */
	_exit(0);
}
