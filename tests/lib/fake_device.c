// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/lib/fake_device.c - the common layer's place taken by a test
 */
#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "../../service/common/loop.h"
#include "../../service/common/uring.h"
#include "../../service/disk/class.h"
#include "fake_device.h"

#define FAKE_DEVICES_MAX	16

struct mullion_device {
	unsigned int number;
	char name[32];
	bool started;
	int start_error;
	bool quiesced;
	_Alignas(16) unsigned char class[sizeof(struct disk_device)];
};

/* The last result of a device: what its record would hold as DONE. */
struct fake_done {
	struct fake_answer answer;
	uint64_t id;
};

struct fake_shared {
	struct fake_done done[FAKE_DEVICES_MAX];
	struct mullion_state_channel channels[FAKE_DEVICES_MAX];
	struct mullion_state_object objects[MULLION_STATE_OBJECTS_MAX];
};

static struct fake_shared *shared;
static struct mullion_loop_source source;
uint64_t fake_next_id = 1;
unsigned int fake_notified_added, fake_notified_removed;
bool fake_die_unanswered;

/* ---- what device.h promises -------------------------------------------- */

void *mullion_device_private(struct mullion_device *device)
{
	return device->class;
}

bool mullion_device_polled(const struct mullion_device *device)
{
	(void)device;
	return false;
}

bool mullion_device_plain(const struct mullion_device *device)
{
	(void)device;
	return false;
}

const char *mullion_device_name(const struct mullion_device *device)
{
	return device->name;
}

struct mullion_state_channel *
mullion_device_channel_state(struct mullion_device *device)
{
	return &shared->channels[device->number];
}

struct mullion_state_object *mullion_state_object_get(const guid_t *uuid)
{
	static const guid_t nobody;
	struct mullion_state_object *empty = NULL;
	unsigned int i;

	for (i = 0; i < MULLION_STATE_OBJECTS_MAX; i++) {
		struct mullion_state_object *object = &shared->objects[i];

		if (!memcmp(&object->uuid, uuid, sizeof(*uuid)))
			return object;
		if (!empty && !memcmp(&object->uuid, &nobody, sizeof(nobody)))
			empty = object;
	}
	if (empty)
		empty->uuid = *uuid;
	return empty;
}

void mullion_request_effect(struct mullion_request *request)
{
	request->record->phase = MULLION_REQUEST_EXECUTING;
}

void mullion_request_complete(struct mullion_request *request)
{
	struct fake_request *fake = (struct fake_request *)request;

	assert(!fake->answered);
	if (fake_die_unanswered)
		raise(SIGKILL);
	fake->answered = true;
	fake->answer.status = (uint8_t)request->linuxstat;
	fake->answer.host = (uint8_t)(request->linuxstat >> 16);
	fake->answer.result = request->result;
	fake->answer.moved = request->bufflen - request->residual;
	memcpy(fake->answer.sense, request->sense, sizeof(request->sense));
	if (fake->answer.status == 2 && (request->sense[0] & 0x7f) == 0x70) {
		fake->answer.key = request->sense[2] & 0xf;
		fake->answer.asc = (uint16_t)(request->sense[12] << 8 |
					      request->sense[13]);
	} else if (fake->answer.status == 2) {
		fake->answer.key = request->sense[1] & 0xf;
		fake->answer.asc = (uint16_t)(request->sense[2] << 8 |
					      request->sense[3]);
	}
	shared->done[request->device->number].answer = fake->answer;
	__atomic_store_n(&shared->done[request->device->number].id,
			 request->request_id, __ATOMIC_RELEASE);
	mullion_loop_stop(0);
}

void mullion_device_notify_disk(struct mullion_device *device, bool added,
				uint32_t id, uint32_t lun)
{
	(void)device;
	(void)id;
	(void)lun;
	if (added)
		fake_notified_added++;
	else
		fake_notified_removed++;
	mullion_loop_stop(0);
}

void mullion_device_started(struct mullion_device *device, int error)
{
	device->started = true;
	device->start_error = error;
	mullion_loop_stop(0);
}

void mullion_device_quiesced(struct mullion_device *device)
{
	device->quiesced = true;
	mullion_loop_stop(0);
}

int mullion_service_main(int argc, char **argv,
			 const struct mullion_class *class)
{
	(void)argc;
	(void)argv;
	(void)class;
	return 1;
}

/* ---- what a test calls ------------------------------------------------- */

static unsigned int fake_poll(void *arg, bool slow)
{
	(void)arg;
	(void)slow;
	return 0;
}

static int fake_arm(void *arg)
{
	(void)arg;
	return 0;
}

static void fake_turn_end(void *arg)
{
	(void)arg;
	disk_turn_end();
}

void fake_share(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert(shared != MAP_FAILED);
}

void fake_init(void)
{
	static const int opcodes[] = {
		IORING_OP_READ, IORING_OP_READV, IORING_OP_WRITEV, IORING_OP_FSYNC,
		IORING_OP_FALLOCATE, -1,
	};

	if (!shared)
		fake_share();
	if (source.poll)
		return;
	if (mullion_loop_init())
		abort();
	if (!getenv("MULLION_TEST_NO_URING") &&
	    mullion_uring_init(64, opcodes))
		fprintf(stderr, "no io_uring here: everything is inline\n");
	source.poll = fake_poll;
	source.arm = fake_arm;
	source.turn_end = fake_turn_end;
	mullion_loop_source_add(&source);
}

struct mullion_device *fake_device_new(unsigned int number)
{
	struct mullion_device *device = calloc(1, sizeof(*device));
	struct mullion_state_channel *channel = &shared->channels[number];

	assert(device && number < FAKE_DEVICES_MAX);
	device->number = number;
	snprintf(device->name, sizeof(device->name), "1:%u", number);
	channel->device.b[0] = 0xd0;
	channel->device.b[15] = (uint8_t)(number + 1);
	if (!channel->client_incarnation)
		channel->client_incarnation = 1000 + number;
	return device;
}

static struct mullion_disk_config *
fake_config(const struct mullion_disk_lun *luns, unsigned int count,
	    size_t *bytes)
{
	struct mullion_disk_config *config;

	*bytes = sizeof(*config) + count * sizeof(*luns);
	config = calloc(1, *bytes);
	assert(config);
	config->version = MULLION_DISK_CONFIG_VERSION;
	config->lun_count = count;
	config->lun_bytes = sizeof(*luns);
	memcpy(config->luns, luns, count * sizeof(*luns));
	return config;
}

int fake_device_start(struct mullion_device *device,
		      const struct mullion_disk_lun *luns, unsigned int count,
		      const int *fds, bool adopt)
{
	int copies[MULLION_DISK_LUNS_MAX], fences[MULLION_DISK_LUNS_MAX];
	struct mullion_disk_config *config;
	unsigned int i;
	size_t bytes;
	int error;

	for (i = 0; i < count; i++) {
		copies[i] = fds ? fds[i] : -1;
		fences[i] = -1;
	}
	config = fake_config(luns, count, &bytes);
	device->started = false;
	error = disk_start(device, config, bytes, copies, fences, count, adopt);
	free(config);
	if (error != -EINPROGRESS)
		return error;
	while (!device->started)
		mullion_loop_run();
	return device->start_error;
}

int fake_device_reconfigure(struct mullion_device *device,
			    const struct mullion_disk_lun *luns,
			    unsigned int count, const int *fds)
{
	int copies[MULLION_DISK_LUNS_MAX], fences[MULLION_DISK_LUNS_MAX];
	struct mullion_disk_config *config;
	unsigned int i;
	size_t bytes;
	int error;

	for (i = 0; i < count; i++) {
		copies[i] = fds ? fds[i] : -1;
		fences[i] = -1;
	}
	config = fake_config(luns, count, &bytes);
	error = disk_reconfigure(device, config, bytes, copies, fences, count);
	free(config);
	return error;
}

void fake_device_stop(struct mullion_device *device)
{
	device->quiesced = false;
	disk_quiesce(device);
	while (!device->quiesced)
		mullion_loop_run();
	disk_stop(device);
	free(device);
}

struct mullion_disk_lun fake_lun(unsigned int disk, uint32_t store,
				 uint64_t bytes)
{
	struct mullion_disk_lun lun = {
		.store = store,
		.cache = MULLION_CACHE_WRITEBACK,
		.block_size = 512,
		.bytes = bytes,
	};

	lun.uuid.b[0] = 0x5a;
	lun.uuid.b[15] = (uint8_t)disk;
	return lun;
}

static struct fake_request *fake_request(struct mullion_device *device,
					 uint32_t lun)
{
	struct fake_request *fake = aligned_alloc(16, (sizeof(*fake) + 15) & ~15UL);

	assert(fake);
	memset(fake, 0, sizeof(*fake));
	fake->request.device = device;
	fake->request.record = &fake->record;
	fake->request.request_id = fake_next_id++;
	fake->request.lun = lun;
	return fake;
}

static void fake_data(struct mullion_request *request, void *data,
		      uint32_t bytes, unsigned int pieces)
{
	uint32_t piece, done;
	unsigned int i;

	request->bufflen = bytes;
	request->iov_bytes = bytes;
	piece = pieces ? (bytes / pieces + 511) / 512 * 512 : 0;
	for (i = 0, done = 0; done < bytes && i < MAX_PHYS_INFO; i++) {
		uint32_t n = i + 1 < pieces && piece < bytes - done ? piece :
			     bytes - done;

		request->iov[i].iov_base = (uint8_t *)data + done;
		request->iov[i].iov_len = n;
		done += n;
		request->iovcnt = (uint16_t)(i + 1);
	}
}

struct fake_request *fake_send(struct mullion_device *device, uint32_t lun,
			       const uint8_t *cdb, unsigned int cdb_bytes,
			       uint32_t data_dir, void *data, uint32_t bytes,
			       unsigned int pieces)
{
	struct fake_request *fake = fake_request(device, lun);

	fake->request.cmdtype = CMD_SCSI_TYPE;
	fake->request.data_dir = data_dir;
	memcpy(fake->request.cdb, cdb, cdb_bytes);
	fake_data(&fake->request, data, bytes, pieces);
	disk_request(&fake->request);
	return fake;
}

struct fake_request *fake_send_again(struct mullion_device *device,
				     uint32_t lun, const uint8_t *cdb,
				     unsigned int cdb_bytes, uint32_t data_dir,
				     void *data, uint32_t bytes, uint64_t id)
{
	struct fake_request *fake = fake_request(device, lun);

	if (shared->done[device->number].id == id) {
		fake->answer = shared->done[device->number].answer;
		fake->answered = true;
		return fake;
	}
	fake->request.cmdtype = CMD_SCSI_TYPE;
	fake->request.data_dir = data_dir;
	fake->request.request_id = id;
	fake->request.reissue = true;
	fake->request.recorded_phase = MULLION_REQUEST_EXECUTING;
	memcpy(fake->request.cdb, cdb, cdb_bytes);
	fake_data(&fake->request, data, bytes, 1);
	disk_request(&fake->request);
	return fake;
}

struct fake_request *fake_send_task(struct mullion_device *device,
				    uint32_t type, uint32_t lun)
{
	struct fake_request *fake = fake_request(device, lun);

	fake->request.cmdtype = CMD_SCSITASKMGMT_TYPE;
	fake->request.tasktype = type;
	disk_request(&fake->request);
	return fake;
}

struct fake_answer fake_wait(struct fake_request *request)
{
	struct fake_answer answer;

	while (!request->answered)
		mullion_loop_run();
	answer = request->answer;
	free(request);
	return answer;
}

static void fake_stop(void *arg)
{
	(void)arg;
	mullion_loop_stop(0);
}

void fake_turn(void)
{
	struct mullion_loop_timer timer = { 0 };

	mullion_loop_timer_start(&timer, 20, false, fake_stop, NULL);
	mullion_loop_run();
	mullion_loop_timer_stop(&timer);
}

struct fake_answer fake_scsi(struct mullion_device *device, uint32_t lun,
			     const uint8_t *cdb, unsigned int cdb_bytes,
			     uint32_t data_dir, void *data, uint32_t bytes)
{
	return fake_wait(fake_send(device, lun, cdb, cdb_bytes, data_dir, data,
				   bytes, 1));
}
