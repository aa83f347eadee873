// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/core.c - what partitions, buses and services share
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "../abi/window.h"
#include "core.h"
#include "network.h"
#include "partition.h"
#include "process.h"
#include "service.h"
#include "store.h"

int mullion_core_new(struct mullion_core **ret, sd_event *event, const char *programs)
{
	struct mullion_core *core = calloc(1, sizeof(*core));
	int r;

	if (!core)
		return -ENOMEM;
	if (snprintf(core->programs, sizeof(core->programs), "%s", programs) >=
	    (int)sizeof(core->programs)) {
		free(core);
		return -ENAMETOOLONG;
	}
	r = mullion_events_new(&core->events);
	if (r < 0) {
		free(core);
		return r;
	}
	core->event = sd_event_ref(event);
	core->window_id_next = MULLION_WINDOW_ID_MIN;
	*ret = core;
	return 0;
}

void mullion_core_free(struct mullion_core *core)
{
	if (!core)
		return;
	while (core->partitions)
		mullion_partition_free(core->partitions);
	while (core->services)
		mullion_service_free(core->services);
	mullion_networks_free(core);
	mullion_service_class_free_all(core);
	mullion_cp_images_free(core);
	mullion_events_free(core->events);
	sd_event_unref(core->event);
	free(core);
}

uint32_t mullion_core_window_id(struct mullion_core *core)
{
	uint32_t id = core->window_id_next++;

	if (core->window_id_next > MULLION_WINDOW_ID_MAX)
		core->window_id_next = MULLION_WINDOW_ID_MIN;
	return id;
}
