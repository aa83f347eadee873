/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * service/common/ram.h - the RAM of a guest that trusts this service
 */
#ifndef MULLION_SERVICE_RAM_H
#define MULLION_SERVICE_RAM_H

#include "../../abi/service.h"
#include "address.h"

/**
 * mullion_ram_open() - map guest RAM
 * @ret: on success, to be given to mullion_ram_close()
 * @map: what is where; private copy, checked here
 * @fds: descriptors by fd_index; stay the caller's
 * @fd_count: of them
 *
 * Return: 0; -EINVAL for a map that cannot be; -ENOENT if a descriptor is
 * missing; -ERANGE if a file is shorter than its region; errno of mmap().
 */
int mullion_ram_open(struct mullion_ram **ret, const struct mullion_ram_map *map,
		     const int *fds, unsigned int fd_count);

/* Unmaps; NULL is nothing. */
void mullion_ram_close(struct mullion_ram *ram);

/* What messages may name. */
void mullion_ram_memory(const struct mullion_ram *ram, struct mullion_memory *memory);

/**
 * mullion_ram_channel() - find a channel
 *
 * Return: its first byte; NULL if it does not lie in a reserved range of RAM,
 * is not 8-byte aligned, or cannot be written.
 */
void *mullion_ram_channel(const struct mullion_ram *ram, uint64_t gpa, uint64_t bytes);

/**
 * mullion_ram_lost() - has memory been touched that is no longer there?
 *
 * It reads as zeros for us now, and is no longer the guest's.
 */
bool mullion_ram_lost(const struct mullion_ram *ram);

#endif /* MULLION_SERVICE_RAM_H */
