/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/spec_text.h - what all SPECs have in common: pieces between commas,
 *	options, numbers
 */
#ifndef MULLION_COMMAND_SPEC_TEXT_H
#define MULLION_COMMAND_SPEC_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "error.h"

/**
 * mullion_spec_piece() - cut the next piece off
 * @rest: what is left; NULL behind the last piece
 * @piece: filled in; a doubled comma has become a single one
 *
 * Return: 0 or -ENAMETOOLONG.
 */
int mullion_spec_piece(const char **rest, char *piece, size_t bytes);

/**
 * mullion_spec_number() - a decimal number up to @highest
 *
 * Return: 0 or -EINVAL.
 */
int mullion_spec_number(const char *text, uint64_t highest, uint64_t *ret);

/**
 * mullion_spec_size() - a number, with K, M, G or T as powers of 1024
 *
 * Return: 0, -EINVAL, or -ERANGE when it is beyond INT64_MAX.
 */
int mullion_spec_size(const char *text, uint64_t *ret);

/**
 * mullion_spec_switch() - "on" or "off"
 * @value: NULL is refused
 *
 * Return: 0 or -EINVAL.
 */
int mullion_spec_switch(const char *value, bool *ret);

/**
 * struct mullion_spec_options - the options that a SPEC may have
 * @what: for messages: "cannot use disk"
 * @names, @count: in the order of the numbers that set() gets
 * @known: what to use instead of an unknown one, for people
 * @set: take one; @value is NULL without "="; returns NULL, or what to use instead
 */
struct mullion_spec_options {
	const char *what;
	const char *const *names;
	unsigned int count;
	const char *known;
	const char *(*set)(void *spec, unsigned int option, const char *value);
};

/**
 * mullion_spec_options() - read all pieces of @rest as options, each at most once
 * @rest: NULL: none
 * @text: the whole SPEC, for messages
 * @seen: bit mask of those that were given
 *
 * Return: 0, or -EINVAL or -ENAMETOOLONG with @err filled in.
 */
int mullion_spec_options(const struct mullion_spec_options *options, void *spec,
			 const char *rest, const char *text, unsigned int *seen,
			 struct mullion_error *err);

#endif /* MULLION_COMMAND_SPEC_TEXT_H */
