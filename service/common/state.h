/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/state.h - the mapped state area (abi/state.h)
 *
 * Memory that only this service and the command partition can see, so it is
 * believed, but it was written by a predecessor that died at any instruction:
 * every index and size read from it is still checked.
 */
#ifndef MULLION_SERVICE_STATE_H
#define MULLION_SERVICE_STATE_H

#include <stdbool.h>
#include <stdint.h>

#include "../../abi/state.h"

/**
 * mullion_state_open() - map the area and check its header
 * @fd: its descriptor; stays the caller's
 *
 * Return: 0; -EPROTO if it is no state area of this version; errno.
 */
int mullion_state_open(int fd);

/**
 * mullion_state_header() - NULL before mullion_state_open()
 */
struct mullion_state_header *mullion_state_header(void);

/**
 * mullion_state_set() - say what the service is doing
 * @service_state: MULLION_SERVICE_*
 */
void mullion_state_set(uint32_t service_state);

/**
 * mullion_state_channel_get() - the record of a device, made if missing
 * @device: its UUID
 * @ret_found: set if it was there already
 *
 * Return: the record, or NULL if all are in use.
 */
struct mullion_state_channel *mullion_state_channel_get(const guid_t *device,
							bool *ret_found);

/**
 * mullion_state_channel_put() - the device is gone: clear its record
 */
void mullion_state_channel_put(struct mullion_state_channel *channel);

/**
 * mullion_state_list() - where the data of a request without re-issue are kept
 * @channel: its device's record
 * @index: of the request's record, below MULLION_STATE_PLAIN_MAX
 */
struct mullion_state_list *mullion_state_list(const struct mullion_state_channel *channel,
					      unsigned int index);

#endif /* MULLION_SERVICE_STATE_H */
