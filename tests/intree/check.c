// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/check.c - counts of kept and broken rules
 */
#include "check.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>

/* Broken in one way a thousand times, a rule is reported this often. */
#define CHECK_REPEATS 5

static const struct {
	unsigned int pitfall;
	const char *text;
} check_table[] = {
#define X(id, pitfall, text) { pitfall, text },
	CHECKS
#undef X
};

static struct {
	unsigned long kept;
	unsigned long broken;
} check_counts[CHECK_COUNT];

static pthread_mutex_t check_lock = PTHREAD_MUTEX_INITIALIZER;

static void check_label(enum check check, char *label, size_t bytes)
{
	if (check_table[check].pitfall)
		snprintf(label, bytes, "pitfall %u", check_table[check].pitfall);
	else
		snprintf(label, bytes, "rule");
}

bool check(enum check check, bool ok, const char *format, ...)
{
	char label[32];
	va_list args;

	pthread_mutex_lock(&check_lock);
	if (ok) {
		check_counts[check].kept++;
	} else if (check_counts[check].broken++ < CHECK_REPEATS) {
		check_label(check, label, sizeof(label));
		printf("violation: %s: ", label);
		va_start(args, format);
		vprintf(format, args);
		va_end(args);
		printf(" (%s)\n", check_table[check].text);
		fflush(stdout);
	}
	pthread_mutex_unlock(&check_lock);
	return ok;
}

void event(const char *format, ...)
{
	va_list args;

	pthread_mutex_lock(&check_lock);
	printf("event: ");
	va_start(args, format);
	vprintf(format, args);
	va_end(args);
	putchar('\n');
	fflush(stdout);
	pthread_mutex_unlock(&check_lock);
}

unsigned int check_report(void)
{
	unsigned int broken = 0;
	char label[32];

	pthread_mutex_lock(&check_lock);
	for (enum check i = 0; i < CHECK_COUNT; i++) {
		const char *word = "unseen";

		if (check_counts[i].broken)
			word = "FAIL";
		else if (check_counts[i].kept)
			word = "ok";
		broken += check_counts[i].broken != 0;
		check_label(i, label, sizeof(label));
		printf("%-6s %-10s %s (%lu kept, %lu broken)\n", word, label,
		       check_table[i].text, check_counts[i].kept, check_counts[i].broken);
	}
	fflush(stdout);
	pthread_mutex_unlock(&check_lock);
	return broken;
}
