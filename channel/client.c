// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/client.c - what all device drivers of a process guest share
 *
 * DOC: Theory of Operation
 *
 * The epoch is raised at open, at resume and at every change of the server's
 * generation (abi/mullion.md, "Attach").  When the service confirms, the rings
 * are taken afresh and the driver's begin() fills them; in between, its
 * reap() and push() move messages.
 *
 * mullion_client_poll() makes no system call but one in CLIENT_TURN_POLLS,
 * which does the guest's control work.  mullion_client_wait() spins as long as
 * that was worth it lately, asks for a doorbell and sleeps in the guest's epoll.
 *
 * Failure behaviour: a service that dies is waited for, as long as it takes;
 * a service that breaks the rules of the ring ends the device (-EPROTO).  If a
 * service does not confirm a detach in time its pool areas stay taken: it may
 * still write to them.
 */
#include "client.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#include "doorbell.h"

#define CLIENT_TURN_POLLS	1024
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
#define CLIENT_DETACH_MS	0
#else
#define CLIENT_DETACH_MS	5000
#endif
/* Empty looks between two glances at the clock. */
#define CLIENT_SPIN_STRIDE	16

static void client_raise(struct mullion_client *client)
{
	client->attached = false;
	mullion_attach_raise(&client->attach, client->class->features,
			     MULLION_CLIENT_ATTACHING);
	mullion_doorbell_ring(client->pair[0].send_fd);
}

static int client_take_queue(struct mullion_client *client, struct mullion_sq *q,
			     uint64_t header, int event_index)
{
	int ret = mullion_sq_attach(q, client->info.channel,
				    client->info.channel_bytes, header,
				    VISOR_IO_SLOT_BYTES, event_index);

	if (!ret)
		mullion_sq_reset(q, event_index);
	return ret;
}

/* The server has confirmed and emptied the rings. */
static int client_begin(struct mullion_client *client)
{
	int event_index = !!(client->attach.features & MULLION_EXTF_EVENT_INDEX);
	struct channel_header header;
	int ret;

	if (~client->attach.features & client->class->required)
		return -EPROTO;
	memcpy(&header, client->info.channel, sizeof(header));
	__asm__ volatile("" ::: "memory");
	if (header.ch_space_offset > client->info.channel_bytes)
		return -EPROTO;
	for (unsigned int i = 0; i < client->pairs; i++) {
		struct mullion_client_pair *pair = &client->pair[i];
		uint64_t at = header.ch_space_offset +
			      2 * i * sizeof(struct signal_queue_header);

		ret = client_take_queue(client, &pair->cmd, at, event_index);
		if (ret < 0)
			return ret;
		ret = client_take_queue(client, &pair->rsp,
					at + sizeof(struct signal_queue_header),
					event_index);
		if (ret < 0)
			return ret;
		mullion_sq_producer_disarm(&pair->cmd);
		mullion_sq_consumer_disarm(&pair->rsp);
	}
	client->slot_ext = client->attach.features & MULLION_EXTF_SLOT_EXT;
	client->attached = true;
	ret = client->class->begin(client);
	if (ret < 0)
		return ret;
	mullion_client_push(client);
	return 0;
}

void mullion_client_fault(struct mullion_client *client)
{
	client->faulted = true;
	client->attached = false;
	client->class->fail(client, -EPROTO);
}

/* Go on with the attach handshake, or begin it if the service changed. */
static void client_follow(struct mullion_client *client)
{
	int ret;

	if (client->faulted || client->paused || !client->guest)
		return;
	if (client->attached) {
		if (!mullion_attach_is_stale(&client->attach))
			return;
		client->counters.generations++;
		/* What the predecessor answered is not asked again. */
		if (client->class->reap(client) < 0) {
			mullion_client_fault(client);
			return;
		}
		client_raise(client);
	}
	ret = mullion_attach_poll(&client->attach);
	if (ret == -EAGAIN)
		return;
	if (ret == -ESTALE) {
		client_raise(client);
		return;
	}
	if (ret < 0 || client_begin(client) < 0)
		mullion_client_fault(client);
}

static void client_pause(void *arg)
{
	struct mullion_client *client = arg;

	client->paused = true;
}

static void client_resume(void *arg)
{
	struct mullion_client *client = arg;

	client->paused = false;
	if (client->faulted)
		return;
	if (client->attached && client->class->reap(client) < 0) {
		mullion_client_fault(client);
		return;
	}
	client_raise(client);
}

/*
 * Leave: true if the server confirmed, so that nothing of ours is in use any
 * more.  Not through the guest's loop, which may be what called us.
 */
static bool client_detach(struct mullion_client *client)
{
	uint64_t end = mullion_spin_now() + CLIENT_DETACH_MS * 1000000ULL;
	int ret = -EAGAIN;

	if (client->attached && !client->faulted)
		client->class->reap(client);
	client->attached = false;
	if (client->faulted)
		mullion_attach_fresh(&client->attach);
	while (ret == -EAGAIN || ret == -ESTALE) {
		if (mullion_spin_now() >= end)
			return false;
		if (ret == -ESTALE || !client->attach.detaching) {
			mullion_attach_raise(&client->attach, 0,
					     MULLION_CLIENT_DETACHED);
			mullion_doorbell_ring(client->pair[0].send_fd);
		}
		ret = mullion_attach_poll(&client->attach);
		if (ret == -EAGAIN)
			poll(NULL, 0, 1);
	}
	return !ret;
}

static void client_remove(void *arg)
{
	struct mullion_client *client = arg;

	if (client_detach(client))
		mullion_pool_share_free(client->share);
	client->share = NULL;
	client->guest = NULL;
	client->device = NULL;
	client->class->fail(client, -ENODEV);
}

static void client_event(void *arg, bool slow)
{
	struct mullion_client *client = arg;

	client_follow(client);
	for (unsigned int i = 0; slow && client->asleep && client->attached &&
				 i < client->pairs; i++) {
		if (mullion_sq_pending(&client->pair[i].rsp) > 0)
			client->counters.rescues++;
	}
	if (client->attached && !client->faulted &&
	    mullion_attach_is_faulted(&client->attach))
		mullion_client_fault(client);
}

static int client_read_channel(struct mullion_client *client,
			       struct visor_io_channel *fixed)
{
	if (client->info.channel_bytes < MULLION_IO_CH_SPACE_OFFSET)
		return -EPROTO;
	memcpy(fixed, client->info.channel, sizeof(*fixed));
	__asm__ volatile("" ::: "memory");
	if (fixed->channel_header.signature != VISOR_CHANNEL_SIGNATURE ||
	    memcmp(&fixed->channel_header.chtype, &client->class->type,
		   sizeof(guid_t)) ||
	    fixed->channel_header.version_id != client->class->version ||
	    !(fixed->channel_header.features & MULLION_CHF_EXT))
		return -EPROTO;
	return mullion_attach_init(&client->attach, client->info.channel +
				   MULLION_CHANNEL_EXT_OFFSET_IO);
}

int mullion_client_init(struct mullion_client *client,
			const struct mullion_client_class *class,
			struct mullion_guest_device *device, unsigned int pairs,
			struct visor_io_channel *fixed)
{
	struct visor_io_channel copy;
	int ret;

	mullion_spin_init(&client->spin);
	client->class = class;
	mullion_guest_device_info(device, &client->info);
	client->paused = client->info.paused;
	ret = client_read_channel(client, &copy);
	if (ret < 0)
		return ret;
	if (pairs > client->attach.constant.queue_pairs)
		pairs = client->attach.constant.queue_pairs;
	if (pairs > MULLION_QUEUE_PAIRS_MAX)
		pairs = MULLION_QUEUE_PAIRS_MAX;
	client->pairs = pairs ? pairs : 1;
	for (unsigned int i = 0; i < client->pairs; i++)
		client->pair[i].send_fd = mullion_guest_device_doorbell(device, i);
	ret = mullion_pool_share_new(mullion_guest_device_pool(device),
				     client->attach.constant.pool_share,
				     &client->share);
	if (ret < 0)
		return ret;
	client->device = device;
	client->guest = mullion_guest_device_guest(device);
	*fixed = copy;
	return 0;
}

int mullion_client_start(struct mullion_client *client, int milliseconds)
{
	uint64_t end = mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	int error;

	client->driver = (struct mullion_guest_driver){
		.devtype = client->class->devtype,
		.drvname = client->class->drvname,
		.pause = client_pause,
		.resume = client_resume,
		.remove = client_remove,
		.event = client_event,
	};
	error = mullion_guest_device_claim(client->device, &client->driver, client);
	if (error < 0)
		return error;
	client->claimed = true;
	client_raise(client);
	while (!client->attached) {
		uint64_t now = mullion_spin_now();

		client_follow(client);
		if (client->attached)
			break;
		error = client->guest ? client->faulted ? -EPROTO : 0 : -ENODEV;
		if (!error && milliseconds >= 0 && now >= end)
			error = -ETIMEDOUT;
		if (error < 0)
			return error;
		mullion_guest_wait(client->guest, milliseconds < 0 ? -1 :
				   (int)((end - now) / 1000000) + 1);
	}
	return 0;
}

void mullion_client_close(struct mullion_client *client)
{
	if (client->device) {
		if (!client->claimed || client_detach(client))
			mullion_pool_share_free(client->share);
		if (client->claimed)
			mullion_guest_device_release(client->device);
	}
	client->device = NULL;
	client->guest = NULL;
	client->share = NULL;
	if (client->class)
		client->class->fail(client, -ECANCELED);
}

int mullion_client_alloc(struct mullion_client *client, size_t bytes,
			 uint64_t *offset, void **ret)
{
	uint64_t at;
	int error;

	if (!client->share)
		return -ENODEV;
	error = mullion_pool_alloc(client->share, bytes, &at);
	if (error < 0)
		return error;
	*offset = at;
	*ret = client->info.pool + at;
	return 0;
}

void mullion_client_publish(struct mullion_client *client,
			    struct mullion_client_pair *pair)
{
	if (mullion_sq_publish(&pair->cmd)) {
		mullion_doorbell_ring(pair->send_fd);
		client->counters.rung++;
	}
}

void mullion_client_release(struct mullion_client *client,
			    struct mullion_client_pair *pair)
{
	if (mullion_sq_release(&pair->rsp)) {
		mullion_doorbell_ring(pair->send_fd);
		client->counters.rung++;
	}
}

void mullion_client_push(struct mullion_client *client)
{
	if (client->attached && !client->paused && !client->faulted)
		client->waiting = client->class->push(client);
}

int mullion_client_poll(struct mullion_client *client)
{
	/* Following a new service makes progress as well. */
	uint64_t before = client->progress;
	int ret = 0;

	if (client->guest && !(++client->polls % CLIENT_TURN_POLLS))
		mullion_guest_turn(client->guest);
	if (!client->guest)
		return -ENODEV;
	if (!client->attached || mullion_attach_is_stale(&client->attach))
		client_follow(client);
	if (client->attached)
		ret = client->class->reap(client);
	if (ret < 0 || (client->faulted && client->attached)) {
		mullion_client_fault(client);
		return -EPROTO;
	}
	if (client->faulted)
		return -EPROTO;
	if (client->waiting)
		mullion_client_push(client);
	return (int)(client->progress - before);
}

static int client_spin(struct mullion_client *client, uint64_t budget)
{
	uint64_t start = mullion_spin_now();
	unsigned int n = 0;

	for (;;) {
		int ret = mullion_client_poll(client);

		if (ret)
			return ret;
		mullion_spin_relax();
		if (++n % CLIENT_SPIN_STRIDE == 0 &&
		    mullion_spin_now() - start >= budget)
			return 0;
	}
}

int mullion_client_arm(struct mullion_client *client)
{
	mullion_client_push(client);
	for (unsigned int i = 0; client->attached && i < client->pairs; i++) {
		struct mullion_client_pair *pair = &client->pair[i];

		if (client->waiting && mullion_sq_producer_arm(&pair->cmd))
			return 1;
		if (mullion_sq_consumer_arm(&pair->rsp))
			return 1;
	}
	client->asleep = true;
	return 0;
}

void mullion_client_disarm(struct mullion_client *client)
{
	client->asleep = false;
	for (unsigned int i = 0; client->attached && i < client->pairs; i++) {
		mullion_sq_producer_disarm(&client->pair[i].cmd);
		mullion_sq_consumer_disarm(&client->pair[i].rsp);
	}
}

/* Sleep until a doorbell or @milliseconds; nothing that comes is missed. */
static void client_sleep(struct mullion_client *client, int milliseconds)
{
	if (!mullion_client_arm(client)) {
		client->counters.sleeps++;
		mullion_guest_wait(client->guest, milliseconds);
	}
	mullion_client_disarm(client);
}

int mullion_client_wait(struct mullion_client *client, int milliseconds)
{
	uint64_t end = mullion_spin_now() + (uint64_t)milliseconds * 1000000ULL;
	uint64_t before = client->progress;
	int ret;

	mullion_client_push(client);
	for (;;) {
		uint64_t budget, now;

		ret = mullion_client_poll(client);
		if (ret < 0)
			return ret;
		/* What came during the sleep, in the guest's turn, too. */
		if (client->progress != before)
			return (int)(client->progress - before);
		now = mullion_spin_now();
		if (milliseconds >= 0 && now >= end)
			return 0;
		budget = mullion_spin_budget(&client->spin);
		if (milliseconds >= 0 && budget > end - now)
			budget = end - now;
		if (budget) {
			ret = client_spin(client, budget);
			if (client->spin.mode == MULLION_WAKE_ADAPTIVE)
				mullion_spin_learn(&client->spin, ret != 0);
			if (ret)
				return ret;
			now = mullion_spin_now();
			if (milliseconds >= 0 && now >= end)
				return 0;
		}
		client_sleep(client, milliseconds < 0 ? -1 :
			     (int)((end - now) / 1000000) + 1);
	}
}
