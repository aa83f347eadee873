/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/store.h - images: checked once, opened anew for each generation
 */
#ifndef MULLION_COMMAND_STORE_H
#define MULLION_COMMAND_STORE_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <jansson.h>

#include "../abi/disk.h"
#include "error.h"
#include "spec.h"

struct mullion_core;
struct mullion_nbd;

/**
 * struct mullion_image - what is on the other side of a SPEC, by identity
 * @next: in mullion_core.images
 * @refs: disks that use it
 * @dev, @ino: identity of a file or block device (@rdev for the latter)
 * @name: identity of an NBD store; empty for a file
 * @shared: all its users said share=on
 * @writable: one of its users writes
 * @uuid: names the disk to the service
 * @core: where it is registered
 * @nbd: its connections, if it is an NBD store
 *
 * One of an NBD store stays registered until the server is done with it.
 */
struct mullion_image {
	struct mullion_image *next;
	unsigned int refs;
	dev_t dev;
	ino_t ino;
	dev_t rdev;
	char name[600];
	char owner[96];
	bool shared;
	bool writable;
	guid_t uuid;
	struct mullion_core *core;
	struct mullion_nbd *nbd;
};

/**
 * struct mullion_cp_disk - one logical unit of a device
 * @spec: what the user wrote
 * @lun: as assigned
 * @image: its image; NULL for a null store
 * @uuid: names the disk
 * @bytes: size when it was checked; 0: only the store knows
 * @path_fd: O_PATH descriptor: pins the identity, is no open file description
 *	that could hold a lock; -1 if not a file
 * @fresh: NBD connection of the check, for the first service; -1 if none
 */
struct mullion_cp_disk {
	struct mullion_spec spec;
	uint32_t lun;
	struct mullion_image *image;
	guid_t uuid;
	uint64_t bytes;
	int path_fd;
	int fresh;
};

/**
 * mullion_cp_disk_new() - parse, check, and register a disk
 * @owner: guest, for the message of a refusal
 *
 * Looks whether the image is there, readable, writable unless `ro`, not a
 * directory, a multiple of 512 bytes, and not used by another disk, unless
 * all say share=on.  An NBD server is connected once to see that it answers.
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_disk_new(struct mullion_core *core, const char *spec,
		     const char *cwd, const char *owner,
		     struct mullion_cp_disk **ret, struct mullion_error *err);
void mullion_cp_disk_free(struct mullion_cp_disk *disk);

/**
 * mullion_cp_images_free() - those that still wait for their servers, by force
 */
void mullion_cp_images_free(struct mullion_core *core);

/**
 * mullion_cp_disk_open() - descriptors for one generation of a service
 * @generation: of the service
 * @ret_fd: a new open file description, or a new connection; -1 for a null
 *	store; the caller sends it and closes it
 * @ret_fence: a socket that ends when nothing of dead generations is under way
 *	at an NBD server; -1 if there is nothing now; the caller sends it and
 *	closes it
 *
 * To be called only when all former generations are dead.  May wait up to 3 s
 * for an NBD server.  Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_disk_open(struct mullion_cp_disk *disk, uint64_t generation, int *ret_fd,
		      int *ret_fence, struct mullion_error *err);

/**
 * mullion_cp_disk_fill() - the disk as the service is told of it
 */
void mullion_cp_disk_fill(const struct mullion_cp_disk *disk,
		       struct mullion_disk_lun *lun);

/**
 * mullion_cp_disk_spec() - its SPEC, as the API shows it; new reference
 */
json_t *mullion_cp_disk_spec(const struct mullion_cp_disk *disk);

/**
 * mullion_cp_disk_describe() - schema Lun; new reference
 */
json_t *mullion_cp_disk_describe(const struct mullion_cp_disk *disk);

#endif /* MULLION_COMMAND_STORE_H */
