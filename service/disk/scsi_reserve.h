/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/disk/scsi_reserve.h - what PERSISTENT RESERVE IN and OUT share
 */
#ifndef MULLION_DISK_SCSI_RESERVE_H
#define MULLION_DISK_SCSI_RESERVE_H

#include "scsi.h"

/* Types of persistent reservations; 0 is none. */
#define PR_WRITE_EXCLUSIVE			1
#define PR_EXCLUSIVE_ACCESS			3
#define PR_WRITE_EXCLUSIVE_REGISTRANTS		5
#define PR_EXCLUSIVE_ACCESS_REGISTRANTS		6
#define PR_WRITE_EXCLUSIVE_ALL			7
#define PR_EXCLUSIVE_ACCESS_ALL			8

/* TransportID of a nexus: SRP's, whose 16 bytes hold the device's UUID. */
#define PR_TRANSPORT_ID_BYTES	24

static inline bool pr_is_all_registrants(uint8_t type)
{
	return type == PR_WRITE_EXCLUSIVE_ALL || type == PR_EXCLUSIVE_ACCESS_ALL;
}

static inline bool pr_is_for_registrants(uint8_t type)
{
	return type >= PR_WRITE_EXCLUSIVE_REGISTRANTS;
}

static inline bool pr_is_exclusive_access(uint8_t type)
{
	return type == PR_EXCLUSIVE_ACCESS ||
	       type == PR_EXCLUSIVE_ACCESS_REGISTRANTS ||
	       type == PR_EXCLUSIVE_ACCESS_ALL;
}

static inline bool pr_is_valid_type(uint8_t type)
{
	return type == PR_WRITE_EXCLUSIVE || type == PR_EXCLUSIVE_ACCESS ||
	       (type >= PR_WRITE_EXCLUSIVE_REGISTRANTS &&
		type <= PR_EXCLUSIVE_ACCESS_ALL);
}

/**
 * pr_is_holder() - does the nexus hold the reservation?
 */
static inline bool pr_is_holder(const struct persist_body *state,
				uint8_t nexus)
{
	if (!state->pr_type)
		return false;
	if (pr_is_all_registrants(state->pr_type))
		return state->nexus[nexus].registered;
	return state->pr_holder == nexus;
}

/**
 * pr_transport_id() - write the TransportID of a nexus
 */
void pr_transport_id(const struct persist_nexus *nexus, uint8_t *out);

#endif /* MULLION_DISK_SCSI_RESERVE_H */
