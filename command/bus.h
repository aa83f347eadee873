/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/bus.h - a bus: one service partition as one guest sees it
 */
#ifndef MULLION_COMMAND_BUS_H
#define MULLION_COMMAND_BUS_H

#include <stdbool.h>
#include <stdint.h>
#include <jansson.h>

#include "../abi/service.h"
#include "../abi/types.h"
#include "device.h"
#include "error.h"

struct mullion_core;
struct mullion_cp_command;
struct mullion_cp_ram;
struct mullion_cp_window;
struct mullion_partition;
struct mullion_service;

/**
 * struct mullion_cp_bus - one bus
 * @next: in the partition; @service_next: in the service
 * @partition: NULL once the partition has left it
 * @service: NULL once the service has left it
 * @type: channel type of its devices
 * @slot: of the window in the partition
 * @number: as the guest knows it
 * @service_number: as the service knows it; unique in the daemon
 * @window: its window; NULL: its channels lie in guest RAM
 * @ram: of a guest that gives its RAM; NULL: data lie in the window
 * @addr: channel_addr of its channel
 * @plugged: the guest can see the window; @offered: it was asked to be plugged
 * @leaving: it is being taken from a guest that runs
 * @unannouncing: its devices that the guest has not given back yet
 * @kept: one of them it does not give back
 * @renewing: it is taken from the service, for a guest that begins anew
 * @renewable: and that is done
 * @idle_ticks, @idle_until: of a guest without the extension that has to be idle
 *	before it is told to give back a disk
 * @pending: commands to the service without an answer
 * @channels_next: offset in the window where the next channel goes
 * @server, @guest: what the ends have
 */
struct mullion_cp_bus {
	struct mullion_cp_bus *next;
	struct mullion_cp_bus *service_next;
	struct mullion_core *core;
	struct mullion_partition *partition;
	struct mullion_service *service;
	unsigned int slot;
	uint32_t number;
	uint32_t service_number;
	guid_t uuid;
	guid_t type;
	char name[96];
	char guest_name[96];
	struct mullion_cp_window *window;
	struct mullion_cp_ram *ram;
	uint64_t addr;
	bool plugged;
	bool offered;
	bool leaving;
	bool renewing;
	bool renewable;
	unsigned int idle_ticks;
	uint64_t idle_until;
	unsigned int unannouncing;
	bool kept;
	unsigned int pending;
	uint64_t channels_next;
	enum mullion_end server;
	enum mullion_end guest;
	struct mullion_cp_device *devices;
};

/**
 * mullion_cp_bus_new() - make the window, join partition and service
 * @devices: so many are going to be placed on it
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_bus_new(struct mullion_partition *partition,
		       struct mullion_service *service, unsigned int devices,
		       struct mullion_cp_bus **ret, struct mullion_error *err);

/**
 * mullion_cp_bus_free() - leave both, free devices, disks and window
 */
void mullion_cp_bus_free(struct mullion_cp_bus *bus);

/*
 * For bus_server.c and bus_guest.c:
 *
 * mullion_cp_bus_leave_partition() - the guest's partition knows it no more
 * mullion_cp_bus_is_formatted() - has any of its devices been served?
 */
void mullion_cp_bus_leave_partition(struct mullion_cp_bus *bus);
bool mullion_cp_bus_is_formatted(const struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_place() - give its channels in guest RAM their addresses
 *
 * Return: 0 or negative errno with @err filled in.
 */
int mullion_cp_bus_place(struct mullion_cp_bus *bus, struct mullion_error *err);

/**
 * mullion_cp_bus_renew() - the guest has begun anew: channels of the former boot
 *	are of no use
 *
 * Takes the bus from its service; mullion_intree_renewable() follows.
 */
void mullion_cp_bus_renew(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_unannounce() - tell the guest to give it back
 *
 * Part of mullion_cp_bus_remove(), for intree.c, which waits for the right moment.
 */
void mullion_cp_bus_unannounce(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_serve() - tell the service of bus and devices, windows first
 *
 * Return: 0, or negative errno when the service does not read its socket.
 */
int mullion_cp_bus_serve(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_withdraw() - the guest is gone: take the bus from a service
 *	that goes on; frees the bus when the service has answered or died
 */
void mullion_cp_bus_withdraw(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_remove() - take the bus from a guest that runs
 * @force: the guest is not waited for
 *
 * The guest is told first; when it has answered, ops->window_removed() is
 * called and the bus withdrawn.  A guest that is reset or detached has nothing
 * to give back.  Return: 0, or -EALREADY when that is under way.
 */
int mullion_cp_bus_remove(struct mullion_cp_bus *bus, bool force);

/**
 * mullion_cp_bus_guest_lost() - the guest's driver was reset or has detached
 */
void mullion_cp_bus_guest_lost(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_answered() - a command to the service was answered; goes on
 *	with a withdrawal, and may free the bus
 */
void mullion_cp_bus_answered(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_server_lost() - the service's process is dead
 */
void mullion_cp_bus_server_lost(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_announce() - tell the guest of the bus and its devices
 */
void mullion_cp_bus_announce(struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_client() - client information, as clean text
 * @entry: 0 chipset, 1 bus, 2 + dev_no a device
 * @type, @driver, @info: 17, 17 and 97 bytes
 */
void mullion_cp_bus_client(const struct mullion_cp_bus *bus, unsigned int entry,
			   char type[static 17], char driver[static 17],
			   char info[static 97]);

/**
 * mullion_cp_bus_describe() - schema Bus; new reference
 */
json_t *mullion_cp_bus_describe(const struct mullion_cp_bus *bus);

/**
 * mullion_cp_bus_send() - a command to the service that says all by its message
 * @command: its flags and payload are filled in
 *
 * Counted in @pending.  Return: 0 or negative errno.
 */
int mullion_cp_bus_send(struct mullion_cp_bus *bus, struct mullion_cp_command *command);

/**
 * mullion_cp_payload() - payload of a command to a server
 * @class_part, @class_bytes: copied
 * @flags: MULLION_SERVER_*
 * @ret_bytes: its length
 *
 * Return: the payload, to be freed; NULL when out of memory.
 */
void *mullion_cp_payload(const struct mullion_service *service, uint32_t flags,
			 const void *class_part, size_t class_bytes,
			 size_t *ret_bytes);

#endif /* MULLION_COMMAND_BUS_H */
