// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/nic_traffic.c - frames between interfaces of one network
 *
 * A network may lose frames: what does not come is sent again a few times.  It
 * may not change them, and what it does with addresses is checked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nic.h"

#define TRAFFIC_TYPE	0x88b5		/* local experiments */
#define TRAFFIC_TRIES	20
#define TRAFFIC_TICKS	250		/* to wait for one frame */
#define TRAFFIC_LEAST	60

static const uint8_t traffic_broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
static const uint8_t traffic_multicast[6] = { 0x01, 0x00, 0x5e, 0x12, 0x34, 0x56 };
static const uint8_t traffic_nobody[6] = { 0x02, 0x99, 0x98, 0x97, 0x96, 0x95 };
static uint32_t traffic_number;

static uint32_t traffic_make(uint8_t *frame, const uint8_t *to, const uint8_t *from,
			     uint32_t bytes)
{
	uint32_t number = ++traffic_number;
	uint32_t word = number * 2654435761U;

	memcpy(frame, to, 6);
	memcpy(frame + 6, from, 6);
	frame[12] = TRAFFIC_TYPE >> 8;
	frame[13] = TRAFFIC_TYPE & 0xff;
	memcpy(frame + 14, &number, sizeof(number));
	for (uint32_t i = 18; i < bytes; i++) {
		word = word * 1664525 + 1013904223;
		frame[i] = (uint8_t)(word >> 24);
	}
	return number;
}

/* Waits for this very frame; what else comes is not of this test, or is late. */
static bool traffic_arrives(struct nic *nic, const uint8_t *frame, uint32_t bytes)
{
	static uint8_t got[NIC_FRAME_MOST];

	for (unsigned int i = 0; i < TRAFFIC_TICKS; i++) {
		uint32_t length;

		while ((length = nic_receive(nic, got))) {
			if (length < 18 || memcmp(got + 12, frame + 12, 6))
				continue;
			return check(CHECK_NIC_DATA, length == bytes &&
				     !memcmp(got, frame, bytes),
				     "%s: a frame of %u bytes came as one of %u",
				     nic->device->name, bytes, length);
		}
		guest_sleep_ticks(1);
	}
	return false;
}

static int traffic_send(struct nic *nic, const uint8_t *frame, uint32_t bytes,
			unsigned int pieces)
{
	for (unsigned int i = 0; i < GUEST_WAIT * 10; i++) {
		if (!nic_send(nic, frame, bytes, pieces))
			return 0;
		guest_sleep_ticks(10);
	}
	return -ETIMEDOUT;
}

static int traffic_one(struct nic *from, struct nic *to, const uint8_t *address,
		       uint32_t bytes, unsigned int pieces)
{
	static uint8_t frame[NIC_FRAME_MOST];

	for (unsigned int i = 0; i < TRAFFIC_TRIES; i++) {
		traffic_make(frame, address, from->mac, bytes);
		if (traffic_send(from, frame, bytes, pieces))
			break;
		if (traffic_arrives(to, frame, bytes))
			return 0;
	}
	check(CHECK_NIC_DATA, false, "a frame of %u bytes from %s never came to %s", bytes,
	      from->device->name, to->device->name);
	return -ETIMEDOUT;
}

/* Lengths that matter: least, odd, around a buffer, around two, the most. */
static uint32_t traffic_length(const struct nic *from, const struct nic *to, unsigned int round)
{
	static const uint32_t lengths[] = {
		60, 61, 64, 127, 1513, 1514, 4031, 4032, 4033, 8063, 8064, 8065, 9014, 16398,
	};
	uint32_t most = (from->mtu < to->mtu ? from->mtu : to->mtu) + ETH_HEADER_SIZE;
	unsigned int count = sizeof(lengths) / sizeof(lengths[0]);

	if (round < count && lengths[round] <= most)
		return lengths[round];
	if (round == count)
		return most;
	return TRAFFIC_LEAST + ram_random(most - TRAFFIC_LEAST + 1);
}

int nic_traffic(struct nic *from, struct nic *to, unsigned int rounds)
{
	int ret = nic_open(from);

	if (!ret)
		ret = nic_open(to);
	for (unsigned int i = 0; !ret && i < rounds; i++) {
		unsigned int pieces = 1 + ram_random(16);

		ret = traffic_one(from, to, to->mac, traffic_length(from, to, i), pieces);
		if (!ret)
			ret = traffic_one(to, from, from->mac, traffic_length(to, from, i), pieces);
	}
	return ret;
}

int nic_filter(struct nic *from, struct nic *to)
{
	static uint8_t frame[NIC_FRAME_MOST];
	int ret = nic_traffic(from, to, 1);

	/* The group's list was never told to anyone. */
	if (!ret)
		ret = traffic_one(from, to, traffic_multicast, 100, 1);
	check(CHECK_NIC_FILTER, !ret, "%s: multicast is not delivered", to->device->name);
	if (!ret)
		ret = traffic_one(from, to, traffic_broadcast, 100, 1);
	/* Seen by the receiver's filter if it comes, ahead of what follows it. */
	traffic_make(frame, traffic_nobody, from->mac, 100);
	if (!ret)
		ret = traffic_send(from, frame, 100, 1);
	if (!ret)
		ret = nic_traffic(from, to, 1);
	nic_promiscuous(to, true);
	if (!ret) {
		ret = traffic_one(from, to, traffic_nobody, 100, 1);
		check(CHECK_NIC_PROMISC, !ret, "%s: foreign frames do not come",
		      to->device->name);
	}
	nic_promiscuous(to, false);
	/* The filter is strict again: something must have passed since. */
	if (!ret)
		ret = nic_traffic(from, to, 1);
	return ret;
}

int nic_cycle(struct nic *from, struct nic *to, unsigned int rounds)
{
	static uint8_t frame[NIC_FRAME_MOST];
	int ret = 0;

	for (unsigned int i = 0; !ret && i < rounds; i++) {
		ret = nic_traffic(from, to, 2);
		/* Frames in flight both ways while it goes down. */
		for (unsigned int j = 0; !ret && j < 4; j++) {
			traffic_make(frame, to->mac, from->mac, 1514);
			nic_send(from, frame, 1514, 3);
			traffic_make(frame, from->mac, to->mac, 1514);
			nic_send(to, frame, 1514, 3);
		}
		ret = ret ? ret : nic_close(i % 2 ? from : to);
	}
	return ret ? ret : nic_traffic(from, to, 2);
}

int nic_arp(struct nic *nic, uint32_t address)
{
	static uint8_t got[NIC_FRAME_MOST];
	uint8_t frame[TRAFFIC_LEAST] = { 0 };
	uint8_t target[4] = {
		(uint8_t)(address >> 24), (uint8_t)(address >> 16), (uint8_t)(address >> 8),
		(uint8_t)address,
	};
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	uint32_t length;
	int ret = nic_open(nic);

	if (ret)
		return ret;
	memcpy(frame, traffic_broadcast, 6);
	memcpy(frame + 6, nic->mac, 6);
	frame[12] = 0x08;
	frame[13] = 0x06;
	memcpy(frame + 14, head, sizeof(head));
	memcpy(frame + 22, nic->mac, 6);
	memcpy(frame + 28, target, 4);
	frame[31] = (uint8_t)(target[3] + 13);
	memcpy(frame + 38, target, 4);
	for (unsigned int try = 0; try < TRAFFIC_TRIES; try++) {
		ret = traffic_send(nic, frame, sizeof(frame), 1);
		for (unsigned int i = 0; !ret && i < TRAFFIC_TICKS; i++) {
			while ((length = nic_receive(nic, got))) {
				if (length >= 42 && got[12] == 0x08 && got[13] == 0x06 &&
				    got[21] == 2 && !memcmp(got + 28, target, 4))
					return 0;
			}
			guest_sleep_ticks(1);
		}
	}
	check(CHECK_NIC_DATA, false, "%s: nobody answers ARP", nic->device->name);
	return -ETIMEDOUT;
}

/* ---- in the background --------------------------------------------------------------- */

static pthread_t traffic_thread;
static struct nic *traffic_ends[2];
static bool traffic_stopping;
static int traffic_result;

static void *traffic_main(void *arg)
{
	unsigned int round = 0;
	int ret = 0;

	(void)arg;
	while (!ret && !__atomic_load_n(&traffic_stopping, __ATOMIC_ACQUIRE)) {
		ret = nic_traffic(traffic_ends[0], traffic_ends[1], 4);
		if (!ret && ++round % 4 == 0)
			ret = nic_close(traffic_ends[round / 4 % 2]);
	}
	traffic_result = ret;
	return NULL;
}

int nic_start(struct nic *a, struct nic *b)
{
	traffic_ends[0] = a;
	traffic_ends[1] = b;
	return -pthread_create(&traffic_thread, NULL, traffic_main, NULL);
}

int nic_stop(void)
{
	__atomic_store_n(&traffic_stopping, true, __ATOMIC_RELEASE);
	pthread_join(traffic_thread, NULL);
	__atomic_store_n(&traffic_stopping, false, __ATOMIC_RELEASE);
	return traffic_result;
}
