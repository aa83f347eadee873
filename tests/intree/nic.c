// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/nic.c - visornic: open and close, pause and resume, transmit
 *
 * s-Par channel ABI, section 8.  Waits for acknowledgements that the driver
 * would wait for without end are bounded here, and their end is a violation.
 */
#include "nic.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- messages to the service ---------------------------------------------------- */

int nic_put(struct nic *nic, struct uiscmdrsp *signal)
{
	int ret;

	signal->cmdtype = CMD_NET_TYPE;
	ret = channel_insert(nic->channel, 0, signal, sizeof(*signal));
	check(CHECK_NIC_CMD_ROOM, !ret, "%s: no room for message %u", nic->device->name,
	      signal->net.type);
	return ret;
}

static int nic_enbdis(struct nic *nic, uint16_t enable)
{
	struct uiscmdrsp signal;

	/* The driver builds messages in memory that holds something else. */
	memset(&signal, 0x5a, sizeof(signal));
	signal.net.type = NET_RCV_ENBDIS;
	nic->context = 0xffff888000000000ULL | (uint64_t)ram_random(UINT32_MAX) << 4 | 8;
	nic->wanted = enable;
	signal.net.enbdis.context = nic->context;
	signal.net.enbdis.enable = enable;
	return nic_put(nic, &signal);
}

void nic_promiscuous(struct nic *nic, bool on)
{
	struct uiscmdrsp signal;

	memset(&signal, 0x5a, sizeof(signal));
	signal.net.type = NET_RCV_PROMISC;
	signal.net.enbdis.context = 0xffff888012345678ULL;
	signal.net.enbdis.enable = on ? 0x0100 : 0;
	pthread_mutex_lock(&nic->lock);
	nic->promiscuous = on;
	nic_put(nic, &signal);
	pthread_mutex_unlock(&nic->lock);
}

static void nic_fill_frags(struct net_pkt_xmt *xmt, const struct ram_list *list)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < list->count; i++) {
		uint64_t gpa = list->pieces[i].gpa;
		uint32_t left = list->pieces[i].bytes;

		/* Split at page borders, as the driver does. */
		while (left && n < MAX_PHYS_INFO) {
			uint32_t offset = (uint32_t)(gpa % RAM_PAGE);
			uint32_t bytes = left < RAM_PAGE - offset ? left : RAM_PAGE - offset;

			xmt->frags[n].pi_pfn = gpa / RAM_PAGE;
			xmt->frags[n].pi_off = (uint16_t)offset;
			xmt->frags[n++].pi_len = (uint16_t)bytes;
			gpa += bytes;
			left -= bytes;
		}
	}
	xmt->num_frags = n;
}

int nic_send(struct nic *nic, const void *frame, uint32_t bytes, unsigned int pieces)
{
	struct uiscmdrsp signal = { 0 };
	struct nic_xmit *xmit = NULL;
	int ret = -EBUSY;

	pthread_mutex_lock(&nic->lock);
	for (unsigned int i = 0; i < NIC_XMITS && !xmit; i++) {
		if (!nic->xmits[i].cookie)
			xmit = &nic->xmits[i];
	}
	if (!nic->open || !nic->enabled || !nic->link || !xmit ||
	    nic->xmit_count >= nic->xmit_most)
		goto unlock;
	ram_list_alloc(&xmit->data, bytes, pieces);
	ram_list_write(&xmit->data, frame);
	signal.net.type = NET_XMIT;
	signal.net.buf = nic->next_cookie++ * 256 + 0xffff888100000000ULL;
	signal.net.xmt.len = bytes;
	nic_fill_frags(&signal.net.xmt, &xmit->data);
	memcpy(signal.net.xmt.ethhdr, frame, sizeof(signal.net.xmt.ethhdr));
	signal.net.xmt.lincsum.hrawoff = 1;
	ret = nic_put(nic, &signal);
	if (ret) {
		ram_list_free(&xmit->data);
		goto unlock;
	}
	xmit->cookie = signal.net.buf;
	nic->xmit_count++;
	nic->sent++;
unlock:
	pthread_mutex_unlock(&nic->lock);
	return ret;
}

uint32_t nic_receive(struct nic *nic, void *frame)
{
	uint32_t bytes = 0;

	pthread_mutex_lock(&nic->lock);
	if (nic->frame_count) {
		const struct nic_frame *oldest = &nic->frames[nic->frame_first];

		bytes = oldest->bytes;
		memcpy(frame, oldest->data, bytes);
		nic->frame_first = (nic->frame_first + 1) % NIC_FRAMES;
		nic->frame_count--;
	}
	pthread_mutex_unlock(&nic->lock);
	return bytes;
}

/* ---- the timer --------------------------------------------------------------------- */

static void *nic_main(void *arg)
{
	struct nic *nic = arg;

	pthread_mutex_lock(&nic->lock);
	while (nic->polling) {
		if (nic->open)
			nic_drain(nic);
		pthread_mutex_unlock(&nic->lock);
		guest_sleep_ticks(1);
		pthread_mutex_lock(&nic->lock);
	}
	pthread_mutex_unlock(&nic->lock);
	return NULL;
}

static int nic_timer_start(struct nic *nic)
{
	nic->polling = true;
	return -pthread_create(&nic->thread, NULL, nic_main, nic);
}

static void nic_timer_stop(struct nic *nic)
{
	bool runs;

	pthread_mutex_lock(&nic->lock);
	runs = nic->polling;
	nic->polling = false;
	pthread_mutex_unlock(&nic->lock);
	if (runs)
		pthread_join(nic->thread, NULL);
}

/* ---- up and down ------------------------------------------------------------------- */

static bool nic_acknowledged(void *arg)
{
	struct nic *nic = arg;
	bool done;

	pthread_mutex_lock(&nic->lock);
	done = !nic->context;
	pthread_mutex_unlock(&nic->lock);
	return done;
}

static int nic_wait_ack(struct nic *nic, const char *what)
{
	if (!check(CHECK_NIC_ACK, guest_wait(nic_acknowledged, nic),
		   "%s: no acknowledgement of %s", nic->device->name, what))
		return -ETIMEDOUT;
	return 0;
}

/* With the lock. */
static void nic_begin(struct nic *nic)
{
	/* Only what was sent before the first open may be there. */
	nic->quiet = false;
	for (uint32_t i = 0; i < nic->buffer_count; i++)
		nic_post(nic);
	nic->open = true;
	nic_enbdis(nic, 1);
}

int nic_open(struct nic *nic)
{
	pthread_mutex_lock(&nic->lock);
	if (nic->open || nic->down) {
		pthread_mutex_unlock(&nic->lock);
		return 0;
	}
	nic_begin(nic);
	pthread_mutex_unlock(&nic->lock);
	return nic_wait_ack(nic, "an enable");
}

int nic_close(struct nic *nic)
{
	unsigned int pauses;
	int ret;

	pthread_mutex_lock(&nic->lock);
	pauses = nic->pauses;
	if (!nic->open) {
		pthread_mutex_unlock(&nic->lock);
		return 0;
	}
	nic->enabled = false;
	ret = nic_enbdis(nic, 0);
	pthread_mutex_unlock(&nic->lock);
	if (!ret)
		ret = nic_wait_ack(nic, "a disable");
	pthread_mutex_lock(&nic->lock);
	/* A standby came: that has taken everything back, and opens it again. */
	if (nic->pauses != pauses) {
		pthread_mutex_unlock(&nic->lock);
		return 0;
	}
	check(CHECK_NIC_ACK_LAST, ret || !nic->xmit_count,
	      "%s: %u frames sent were not done before the disable was acknowledged",
	      nic->device->name, nic->xmit_count);
	nic->open = false;
	nic->context = 0;
	nic_buffers_drop(nic);
	nic_xmits_drop(nic);
	pthread_mutex_unlock(&nic->lock);
	return ret;
}

static int nic_pause(struct device *device)
{
	struct nic *nic = device->nic;

	if (nic->down)
		return -EBUSY;
	nic_timer_stop(nic);
	pthread_mutex_lock(&nic->lock);
	nic->down = true;
	nic->pauses++;
	if (nic->open)
		nic_enbdis(nic, 0);
	nic->open = false;
	nic->enabled = false;
	nic->context = 0;
	nic_buffers_drop(nic);
	nic_xmits_drop(nic);
	pthread_mutex_unlock(&nic->lock);
	return 0;
}

static int nic_resume(struct device *device)
{
	struct nic *nic = device->nic;
	int ret;

	if (!nic->down)
		return 0;
	if (nic->resuming)
		return -EINVAL;
	check(CHECK_NIC_RINGS, channel_is_empty(nic->channel, 0) &&
	      channel_is_empty(nic->channel, 1), "%s: rings are not empty at resume",
	      device->name);
	channel_restart(nic->channel, CHANNEL_DEVICE_QUEUES, CHANNEL_DEVICE_PRODUCED);
	pthread_mutex_lock(&nic->lock);
	nic->down = false;
	nic->resuming = true;
	nic_begin(nic);
	ret = nic_timer_start(nic);
	pthread_mutex_unlock(&nic->lock);
	return ret;
}

/* ---- driver ----------------------------------------------------------------------- */

static bool nic_check_channel(struct nic *nic)
{
	const struct visor_io_channel *fixed = (void *)nic->channel->memory;
	const char *name = nic->device->name;
	bool ok = true;

	for (unsigned int i = 0; i < 2; i++)
		ok = ok && channel_check_queue(nic->channel, i, VISOR_IO_SIGNAL_BYTES,
					       VISOR_IO_SLOT_BYTES);
	if (!ok)
		return false;
	memcpy(nic->mac, fixed->vnic.macaddr, sizeof(nic->mac));
	nic->buffer_count = fixed->vnic.num_rcv_bufs;
	nic->mtu = fixed->vnic.mtu;
	check(CHECK_NIC_CONFIG, nic->buffer_count >= 6 && nic->mtu >= 68 && nic->mtu <= 16384 &&
	      !(nic->mac[0] & 1), "%s: %u buffers, MTU %u, MAC %02x:...", name,
	      nic->buffer_count, nic->mtu, nic->mac[0]);
	if (nic->buffer_count > NIC_BUFFERS)
		nic->buffer_count = NIC_BUFFERS;
	nic->xmit_most = nic->buffer_count / 3 - 2 > 3 ? nic->buffer_count / 3 - 2 : 3;
	check(CHECK_NIC_CMD_ROOM, channel_slots(nic->channel, 0) >
	      nic->buffer_count + nic->xmit_most + 4, "%s: %u slots for %u buffers", name,
	      channel_slots(nic->channel, 0), nic->buffer_count);
	return true;
}

static int nic_probe(struct device *device)
{
	struct nic *nic = calloc(1, sizeof(*nic));
	struct uiscmdrsp signal;
	uint64_t *features;

	if (!nic)
		return -ENOMEM;
	nic->device = device;
	nic->channel = &device->channel;
	nic->next_cookie = 1 + ram_random(1000);
	nic->unique = 0x100000000ULL | ram_random(UINT32_MAX);
	nic->link = true;
	nic->frames = calloc(NIC_FRAMES, sizeof(*nic->frames));
	pthread_mutex_init(&nic->lock, NULL);
	if (!nic->frames || !nic_check_channel(nic)) {
		free(nic->frames);
		free(nic);
		return -EINVAL;
	}
	while (!channel_remove(nic->channel, 1, &signal, sizeof(signal)))
		;
	features = (uint64_t *)(void *)(nic->channel->memory +
		offsetof(struct channel_header, features));
	*(volatile uint64_t *)features = *(volatile uint64_t *)features |
		VISOR_CHANNEL_IS_POLLING | VISOR_DRIVER_ENHANCED_RCVBUF_CHECKING;
	device->nic = nic;
	return nic_timer_start(nic);
}

static void nic_remove(struct device *device)
{
	struct nic *nic = device->nic;

	/* The answer to the DESTROY was sent before: is there still a server? */
	check(CHECK_SERVED_LATE, !nic->open || !nic_close(nic),
	      "%s: nobody serves it during its remove", device->name);
	nic_timer_stop(nic);
}

const struct driver nic_driver = {
	.type = VISOR_VNIC_CHANNEL_GUID,
	.version = VISOR_VNIC_CHANNEL_VERSION,
	.devtype = "ultravnic",
	.name = "visornic",
	.probe = nic_probe,
	.remove = nic_remove,
	.pause = nic_pause,
	.resume = nic_resume,
};
