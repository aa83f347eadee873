/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * command/error.h - one failure as one clear line
 *
 * A function that an administrator's request can fail in takes a struct
 * mullion_error and fills it in: what went wrong, on which object, why, and
 * what to do.  The API sends the four texts, the command line prints them as
 * "WHAT OBJECT: WHY; DO".  The errno that is returned beside it is for the
 * program, the text is for the user.
 */
#ifndef MULLION_COMMAND_ERROR_H
#define MULLION_COMMAND_ERROR_H

struct mullion_error {
	char what[96];
	char object[160];
	char why[512];
	char action[256];
};

/**
 * mullion_error_set() - say what went wrong
 * @err: filled in; may be NULL
 * @code: the negative errno to return
 * @what: what failed ("cannot start guest")
 * @object: its name; may be NULL
 * @action: what to do about it; may be NULL
 * @why: printf format of the cause
 *
 * Texts are cut to their fields and stripped of control characters.  Return: @code.
 */
int mullion_error_set(struct mullion_error *err, int code, const char *what,
		      const char *object, const char *action, const char *why, ...)
	__attribute__((format(printf, 6, 7)));

#endif /* MULLION_COMMAND_ERROR_H */
