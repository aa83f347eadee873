// SPDX-License-Identifier: GPL-2.0-or-later
/* command/error.c - one failure as one clear line */

#include <stdarg.h>
#include <stdio.h>

#include "error.h"

static void error_clean(char *text)
{
	for (; *text; text++)
		if ((unsigned char)*text < ' ' || *text == 0x7f)
			*text = ' ';
}

static void error_copy(char *out, size_t size, const char *text)
{
	snprintf(out, size, "%s", text ? text : "");
	error_clean(out);
}

int mullion_error_set(struct mullion_error *err, int code, const char *what,
		      const char *object, const char *action, const char *why, ...)
{
	va_list ap;

	if (!err)
		return code;
	error_copy(err->what, sizeof(err->what), what);
	error_copy(err->object, sizeof(err->object), object);
	error_copy(err->action, sizeof(err->action), action);
	va_start(ap, why);
	vsnprintf(err->why, sizeof(err->why), why, ap);
	va_end(ap);
	error_clean(err->why);
	return code;
}
