// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/nic_bad.c - frames and buffers that cannot be
 *
 * Each must come back like any other, as failed, and cost nothing else.
 */
#include <errno.h>
#include <string.h>

#include "nic.h"

#define BAD_BYTES 1514

static bool bad_done(void *arg)
{
	struct nic *nic = arg;
	bool done;

	pthread_mutex_lock(&nic->lock);
	done = !nic->xmit_count;
	pthread_mutex_unlock(&nic->lock);
	return done;
}

/* With the lock; its cookie. */
static void bad_put(struct nic *nic, uint32_t bytes, uint32_t count,
		    const struct phys_info *frag)
{
	struct uiscmdrsp signal = { 0 };
	struct nic_xmit *xmit = &nic->xmits[0];

	signal.net.type = NET_XMIT;
	signal.net.xmt.len = bytes;
	signal.net.xmt.num_frags = count;
	for (unsigned int i = 0; i < MAX_PHYS_INFO; i++)
		signal.net.xmt.frags[i] = *frag;
	signal.net.buf = nic->next_cookie++ * 256 + 0xffff888100000000ULL;
	xmit->cookie = signal.net.buf;
	xmit->data.count = 0;
	nic->xmit_count++;
	nic_put(nic, &signal);
}

static int bad_send(struct nic *nic, uint32_t bytes, uint32_t count, uint64_t pfn,
		    uint16_t offset, uint16_t length)
{
	const struct phys_info frag = { pfn, offset, length };

	if (!guest_wait(bad_done, nic))
		return -ETIMEDOUT;
	pthread_mutex_lock(&nic->lock);
	bad_put(nic, bytes, count, &frag);
	pthread_mutex_unlock(&nic->lock);
	if (!check(CHECK_NIC_COOKIE, guest_wait(bad_done, nic),
		   "%s: a malformed frame was not returned", nic->device->name))
		return -ETIMEDOUT;
	check(CHECK_NIC_BAD, nic->xmit_failed, "%s: %u bytes in %u pieces of %u at page 0x%llx "
	      "were taken", nic->device->name, bytes, count, length, (unsigned long long)pfn);
	return 0;
}

/* A buffer that nobody can fill: were it used, its cookie would come back. */
static void bad_post(struct nic *nic, uint64_t pfn, uint16_t offset, uint16_t length)
{
	struct uiscmdrsp signal;

	memset(&signal, 0x5a, sizeof(signal));
	signal.net.type = NET_RCV_POST;
	signal.net.buf = 0xffff8880deadbeefULL;
	signal.net.rcvpost.frag = (struct phys_info){ pfn, offset, length };
	signal.net.rcvpost.unique_num = nic->unique;
	pthread_mutex_lock(&nic->lock);
	nic_put(nic, &signal);
	pthread_mutex_unlock(&nic->lock);
}

int nic_bad(struct nic *nic, struct nic *peer)
{
	uint64_t beyond = (ram_end() + RAM_PAGE - 1) / RAM_PAGE;
	uint64_t reserved = ram_reserved_address() / RAM_PAGE;
	uint64_t own = nic->channel->gpa / RAM_PAGE;
	const struct {
		uint32_t bytes, count;
		uint64_t pfn;
		uint16_t offset, length;
	} frames[] = {
		{ BAD_BYTES, 0, 0, 0, 0 },	/* more than 64 pieces: what the driver makes of it */
		{ BAD_BYTES, 65, 0x200, 0, 24 },
		{ BAD_BYTES, UINT32_MAX, 0x200, 0, 24 },
		{ BAD_BYTES, 1, beyond, 0, BAD_BYTES },
		{ BAD_BYTES, 1, beyond - 1, 4095, BAD_BYTES },
		{ BAD_BYTES, 1, UINT64_MAX, 0, BAD_BYTES },
		{ BAD_BYTES, 1, UINT64_MAX >> 12, 4000, BAD_BYTES },
		{ BAD_BYTES, 1, 1ULL << 52, 0, BAD_BYTES },
		{ BAD_BYTES, 1, reserved, 0, BAD_BYTES },
		{ BAD_BYTES, 1, reserved - 1, 4095, BAD_BYTES },
		{ BAD_BYTES, 1, own, 0, BAD_BYTES },
		{ BAD_BYTES, 2, 0x200, 0, 100 },	/* lengths that do not add up */
		{ 4, 1, 0x200, 0, 4 },
		{ 0, 1, 0x200, 0, 60 },
		{ 0xffffffff, 1, 0x200, 0, 0xffff },
	};
	int ret = nic_traffic(nic, peer, 1);

	for (unsigned int i = 0; !ret && i < sizeof(frames) / sizeof(frames[0]); i++)
		ret = bad_send(nic, frames[i].bytes, frames[i].count, frames[i].pfn,
			       frames[i].offset, frames[i].length);
	if (ret)
		return ret;
	bad_post(nic, beyond, 0, RCVPOST_BUF_SIZE);
	bad_post(nic, UINT64_MAX, 0, RCVPOST_BUF_SIZE);
	bad_post(nic, reserved, 0, RCVPOST_BUF_SIZE);
	bad_post(nic, own, 0, RCVPOST_BUF_SIZE);
	bad_post(nic, 0x200, 0, 100);
	return nic_traffic(nic, peer, 20);
}

int nic_lost(struct nic *nic, uint64_t gpa)
{
	const struct phys_info frag = { gpa / RAM_PAGE, 0, BAD_BYTES };
	bool answered = false;

	if (!guest_wait(bad_done, nic))
		return -ETIMEDOUT;
	pthread_mutex_lock(&nic->lock);
	bad_put(nic, BAD_BYTES, 1, &frag);
	pthread_mutex_unlock(&nic->lock);
	for (unsigned int i = 0; i < 1000 && !answered; i++) {
		guest_sleep_ticks(1);
		answered = bad_done(nic);
	}
	event("a frame from lost memory was %s", answered ? "answered" : "not answered");
	return answered ? 0 : -ESHUTDOWN;
}
