/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/ram.h - the guest's physical memory, in a file
 *
 * Pages of guest RAM are handed out with a pattern in them.  What a caller says
 * is its data may change, every other byte may not, and neither may a page that
 * was given back: that is how writes at wrong places and times are seen.
 */
#ifndef INTREE_RAM_H
#define INTREE_RAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RAM_PAGE 4096U

struct ram_range {
	uint64_t start;
	uint64_t bytes;
};

/**
 * struct ram_piece - contiguous guest memory at any offset
 * @gpa: its first byte
 * @bytes: of it
 */
struct ram_piece {
	uint64_t gpa;
	uint32_t bytes;
};

/* A part of the file that is RAM at @gpa; to be called before ram_open(). */
void ram_add_region(uint64_t gpa, uint64_t offset, uint64_t bytes);
/* A range that the guest's memory map says is reserved. */
void ram_add_reserved(uint64_t start, uint64_t bytes);
/* Maps @path; without regions all of it is RAM from address 0.  0 or -errno. */
int ram_open(const char *path);

/* Any range of the file; NULL if it is not in one region. */
void *ram_at(uint64_t gpa, uint64_t bytes);
/* In one reserved range, and that in the file? */
bool ram_is_reserved(uint64_t gpa, uint64_t bytes);
/* End of the highest region. */
uint64_t ram_end(void);
/* An address of reserved memory, for requests that must be refused. */
uint64_t ram_reserved_address(void);

/* @offset of the first byte in its page, any.  Ends the test when there is none. */
struct ram_piece ram_alloc(uint32_t bytes, uint32_t offset);
void ram_free(const struct ram_piece *piece);

/**
 * struct ram_list - a scatter list
 */
struct ram_list {
	struct ram_piece pieces[64];
	unsigned int count;
	uint32_t bytes;
};

/* @bytes in @count pieces of random length at random, mostly odd, offsets. */
void ram_list_alloc(struct ram_list *list, uint32_t bytes, unsigned int count);
void ram_list_free(struct ram_list *list);
void ram_list_write(const struct ram_list *list, const void *data);
void ram_list_read(const struct ram_list *list, void *data);

/* A number below @limit. */
uint32_t ram_random(uint32_t limit);

#endif /* INTREE_RAM_H */
