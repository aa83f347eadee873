// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/scenario.c - what the guest's user space does, step by step
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hba.h"
#include "nic.h"

struct scenario {
	const char *name;
	const char *help;
	int (*run)(unsigned int value);
};

static struct hba *scenario_hba(void)
{
	struct device *device = guest_device(&hba_driver, 0);

	return device ? device->hba : NULL;
}

static struct nic *scenario_nic(unsigned int index)
{
	struct device *device = guest_device(&nic_driver, index);

	return device ? device->nic : NULL;
}

/* ---- waits ------------------------------------------------------------------------- */

static bool scenario_is_ready(void *arg)
{
	bool ready;

	(void)arg;
	pthread_mutex_lock(&guest_lock);
	ready = guest_ready;
	pthread_mutex_unlock(&guest_lock);
	return ready;
}

static int scenario_ready(unsigned int value)
{
	(void)value;
	return guest_wait(scenario_is_ready, NULL) ? 0 : -ETIMEDOUT;
}

/* All devices have been so often in standby and back, or are gone. */
struct scenario_state {
	bool paused;
	bool resumed;
	bool gone;
	unsigned int count;
};

static bool scenario_state_reached(void *arg)
{
	const struct scenario_state *state = arg;
	const struct device *device;
	bool reached = true;

	pthread_mutex_lock(&guest_lock);
	for (device = guest_devices; device; device = device->next) {
		if (state->gone)
			reached &= device->state == DEVICE_GONE;
		else if (device->state != DEVICE_GONE && device->driver)
			reached &= (!state->paused || device->pauses >= state->count) &&
				   (!state->resumed || device->resumes >= state->count);
	}
	reached &= guest_devices != NULL;
	pthread_mutex_unlock(&guest_lock);
	return reached;
}

static int scenario_wait_state(struct scenario_state state)
{
	return guest_wait(scenario_state_reached, &state) ? 0 : -ETIMEDOUT;
}

static int scenario_standby(unsigned int value)
{
	return scenario_wait_state((struct scenario_state){
		.paused = true, .count = value ? value : 1 });
}

static int scenario_running(unsigned int value)
{
	return scenario_wait_state((struct scenario_state){
		.resumed = true, .count = value ? value : 1 });
}

static int scenario_gone(unsigned int value)
{
	(void)value;
	return scenario_wait_state((struct scenario_state){ .gone = true });
}

static bool scenario_is_ended(void *arg)
{
	(void)arg;
	return bus_all_gone();
}

static int scenario_end(unsigned int value)
{
	(void)value;
	return guest_wait(scenario_is_ended, NULL) ? 0 : -ETIMEDOUT;
}

static int scenario_sleep(unsigned int value)
{
	uint64_t end = guest_ms() + value * 1000ULL;

	while (guest_ms() < end)
		guest_sleep_ticks(1);
	return 0;
}

/* ---- disks -------------------------------------------------------------------------- */

static int scenario_scan(unsigned int value)
{
	unsigned int units = 0;
	struct device *device;

	for (unsigned int i = 0; (device = guest_device(&hba_driver, i)); i++) {
		for (unsigned int j = 0; j < device->hba->lun_count; j++) {
			const struct hba_lun *lun = &device->hba->luns[j];

			event("%s unit %u:%u: %u blocks of %u%s", device->name, lun->id,
			      lun->lun, lun->blocks, lun->block_bytes,
			      lun->read_only ? ", read-only" : "");
			units++;
		}
	}
	return units >= value ? 0 : -ENODEV;
}

static int scenario_io(unsigned int value)
{
	struct device *device;
	int ret = -ENODEV;

	for (unsigned int i = 0; (device = guest_device(&hba_driver, i)); i++) {
		ret = hba_io(device->hba, value ? value : 100, 0);
		if (ret)
			break;
	}
	return ret;
}

static int scenario_io_start(unsigned int value)
{
	struct hba *hba = scenario_hba();

	(void)value;
	return hba ? hba_io_start(hba) : -ENODEV;
}

static int scenario_io_stop(unsigned int value)
{
	(void)value;
	return hba_io_stop();
}

static int scenario_tasks(unsigned int value)
{
	struct hba *hba = scenario_hba();

	(void)value;
	return hba ? hba_io_tasks(hba) : -ENODEV;
}

static int scenario_io_bad(unsigned int value)
{
	struct hba *hba = scenario_hba();

	(void)value;
	return hba ? hba_io_bad(hba) : -ENODEV;
}

static int scenario_io_lost(unsigned int value)
{
	struct hba *hba = scenario_hba();

	/* In MiB: where the file has become shorter. */
	return hba ? hba_io_truncated(hba, (uint64_t)value << 20) : -ENODEV;
}

/* ---- networks ---------------------------------------------------------------------- */

static int scenario_up(unsigned int value)
{
	struct nic *nic = scenario_nic(value);

	return nic ? nic_open(nic) : -ENODEV;
}

static int scenario_down(unsigned int value)
{
	struct nic *nic = scenario_nic(value);

	return nic ? nic_close(nic) : -ENODEV;
}

static int scenario_traffic(unsigned int value)
{
	struct nic *a = scenario_nic(0), *b = scenario_nic(1);

	return a && b ? nic_traffic(a, b, value ? value : 40) : -ENODEV;
}

static int scenario_filter(unsigned int value)
{
	struct nic *a = scenario_nic(0), *b = scenario_nic(1);

	(void)value;
	return a && b ? nic_filter(a, b) : -ENODEV;
}

static int scenario_cycle(unsigned int value)
{
	struct nic *a = scenario_nic(0), *b = scenario_nic(1);

	return a && b ? nic_cycle(a, b, value ? value : 6) : -ENODEV;
}

static int scenario_net_bad(unsigned int value)
{
	struct nic *a = scenario_nic(0), *b = scenario_nic(1);

	(void)value;
	return a && b ? nic_bad(a, b) : -ENODEV;
}

static int scenario_net_lost(unsigned int value)
{
	struct nic *nic = scenario_nic(0);

	/* In MiB: where the file has become shorter. */
	return nic ? nic_lost(nic, (uint64_t)value << 20) : -ENODEV;
}

static int scenario_net_start(unsigned int value)
{
	struct nic *a = scenario_nic(0), *b = scenario_nic(1);

	(void)value;
	return a && b ? nic_start(a, b) : -ENODEV;
}

static int scenario_net_stop(unsigned int value)
{
	(void)value;
	return nic_stop();
}

static int scenario_arp(unsigned int value)
{
	struct nic *nic = scenario_nic(0);

	/* The gateway of the built-in network. */
	return nic ? nic_arp(nic, value ? value : 0x0a000202) : -ENODEV;
}

static const struct scenario scenario_table[] = {
	{ "ready", "wait for CHIPSET_READY", scenario_ready },
	{ "standby", "[=N] wait until each device was paused N times", scenario_standby },
	{ "running", "[=N] wait until each device was resumed N times", scenario_running },
	{ "gone", "wait until every device is destroyed", scenario_gone },
	{ "end", "wait until every bus is destroyed", scenario_end },
	{ "sleep", "=SECONDS", scenario_sleep },
	{ "scan", "[=N] list the disks, at least N", scenario_scan },
	{ "io", "[=ROUNDS] verified reads and writes of each disk", scenario_io },
	{ "io-start", "the same in the background, first disk", scenario_io_start },
	{ "io-stop", "its end", scenario_io_stop },
	{ "tasks", "task management, idle and busy", scenario_tasks },
	{ "io-bad", "requests that cannot be", scenario_io_bad },
	{ "io-lost", "=MIB a read into memory that the file has lost", scenario_io_lost },
	{ "up", "[=N] open interface N", scenario_up },
	{ "down", "[=N] close interface N", scenario_down },
	{ "traffic", "[=ROUNDS] frames between the first two interfaces", scenario_traffic },
	{ "filter", "multicast, foreign unicast, promiscuous", scenario_filter },
	{ "cycle", "[=ROUNDS] close and open under traffic", scenario_cycle },
	{ "net-bad", "frames that cannot be", scenario_net_bad },
	{ "net-lost", "=MIB a frame from memory that the file has lost", scenario_net_lost },
	{ "net-start", "traffic, close and open in the background", scenario_net_start },
	{ "net-stop", "its end", scenario_net_stop },
	{ "arp", "[=ADDRESS] ask for an address", scenario_arp },
};

void scenario_help(void)
{
	for (unsigned int i = 0; i < sizeof(scenario_table) / sizeof(scenario_table[0]); i++)
		printf("  %-10s %s\n", scenario_table[i].name, scenario_table[i].help);
}

int scenario_run(const char *step)
{
	size_t length = strcspn(step, "=");
	unsigned int value = step[length] ? (unsigned int)strtoul(step + length + 1, NULL, 0) : 0;

	for (unsigned int i = 0; i < sizeof(scenario_table) / sizeof(scenario_table[0]); i++) {
		const struct scenario *scenario = &scenario_table[i];
		int ret;

		if (strlen(scenario->name) != length || strncmp(scenario->name, step, length))
			continue;
		event("begin %s", step);
		ret = scenario->run(value);
		if (ret)
			event("failed %s: %s", step, strerror(-ret));
		else
			event("done %s", step);
		return ret != 0;
	}
	fprintf(stderr, "intree-guest: there is no step %s; see --help\n", step);
	return 1;
}
