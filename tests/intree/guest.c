// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/guest.c - clock, device list
 */
#include "guest.h"

#include <time.h>

struct device *guest_devices;
bool guest_ready;
pthread_mutex_t guest_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned int guest_hz = 250;

uint64_t guest_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

void guest_set_hz(unsigned int hz)
{
	guest_hz = hz;
}

void guest_sleep_ticks(unsigned int ticks)
{
	uint64_t ns = 1000000000ULL / guest_hz * ticks;
	struct timespec time = {
		.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000),
	};

	nanosleep(&time, NULL);
}

struct device *guest_device(const struct driver *driver, unsigned int index)
{
	struct device *device;

	pthread_mutex_lock(&guest_lock);
	for (device = guest_devices; device; device = device->next) {
		if (device->driver == driver && device->state != DEVICE_GONE && !index--)
			break;
	}
	pthread_mutex_unlock(&guest_lock);
	return device;
}

bool guest_wait(bool (*condition)(void *arg), void *arg)
{
	uint64_t end = guest_ms() + GUEST_WAIT * 1000;

	while (!condition(arg)) {
		if (guest_ms() > end)
			return false;
		guest_sleep_ticks(1);
	}
	return true;
}
