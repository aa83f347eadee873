/* SPDX-License-Identifier: GPL-2.0 OR MIT */
/*
 * channel/window.h - map a window and find things in it (user space)
 *
 * A window is hostile memory: its header is copied once, the copy is checked
 * as a whole (abi/mullion.md, "Window header"), and only the copy is used.
 */
#ifndef MULLION_CHANNEL_WINDOW_H
#define MULLION_CHANNEL_WINDOW_H

#include <stdint.h>

#include "../abi/window.h"

/**
 * struct mullion_window - a mapped window
 * @base: first byte; NULL when not open
 * @size: bytes
 * @id, @kind, @vectors: from the header, checked
 * @partition, @service: UUIDs of the guest and of the service
 * @area_count: entries of @areas, checked
 * @areas: private copy of the area table
 */
struct mullion_window {
	uint8_t *base;
	uint64_t size;
	uint32_t id;
	uint32_t kind;
	uint32_t vectors;
	guid_t partition;
	guid_t service;
	uint32_t area_count;
	struct mullion_window_area areas[MULLION_WINDOW_AREAS_MAX];
};

/**
 * mullion_window_check() - is this window header one that we can use?
 * @window: filled on success, except @base
 * @header: private copy of the header
 * @size: bytes of the memory that it describes
 * @kind: MULLION_WINDOW_COMMAND or _BUS; 0 takes both
 *
 * Return: 0; -EPROTO if magic or layout version differ; -EINVAL for
 * everything else that the registry refuses.
 */
int mullion_window_check(struct mullion_window *window,
			 const struct mullion_window_header *header,
			 uint64_t size, uint32_t kind);

/**
 * mullion_window_open() - map a window's descriptor and check it
 * @window: filled on success
 * @fd: the window's memfd, which must be sealed against every change of its
 *	size; stays the caller's, who may close it afterwards
 * @kind: as mullion_window_check()
 *
 * Return: 0; -EPERM if a seal is missing; as mullion_window_check(); errno of
 * fstat() and mmap().
 */
int mullion_window_open(struct mullion_window *window, int fd, uint32_t kind);

/**
 * mullion_window_open_as() - the same, with the header from a better source
 * @header: what the command partition says that it wrote; NULL: what the
 *	window says
 *
 * For a server: its peer can write to the window's first page.
 */
int mullion_window_open_as(struct mullion_window *window, int fd,
			   const struct mullion_window_header *header,
			   uint32_t kind);

/**
 * mullion_window_close() - unmap; harmless on a window that is not open
 */
void mullion_window_close(struct mullion_window *window);

/**
 * mullion_window_area() - the first area of @type
 *
 * Return: the area in the private table, or NULL.
 */
const struct mullion_window_area *
mullion_window_area(const struct mullion_window *window, uint32_t type);

/**
 * mullion_window_resolve() - turn a channel_addr into a mapped range
 * @window: an open window
 * @type: the area that the range must lie in
 * @addr: (window id << 40) + offset from the window's start
 * @bytes: length of the range
 * @ret: on success its first byte
 *
 * Return: 0; -ENXIO if @addr names another window; -ENOENT if there is no
 * such area; -ERANGE if the range does not lie in it or is not 8-byte aligned.
 */
int mullion_window_resolve(const struct mullion_window *window, uint32_t type,
			   uint64_t addr, uint64_t bytes, void **ret);

#endif /* MULLION_CHANNEL_WINDOW_H */
