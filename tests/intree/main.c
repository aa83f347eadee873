// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/intree/main.c - a guest with the drivers of Linux 5.10, without Linux
 *
 * DOC: Theory of Operation
 *
 * Maps a RAM file, waits for a control channel in it, and does message by
 * message what visorbus, visorhba and visornic of 5.10 do, as the s-Par channel
 * ABI describes them: their sequences, their polling, their private copies,
 * their never giving an address back, their way of locking a device up.  What a
 * back-end may do to them is a table of rules (check.h); each is counted, and
 * the report is a line for each.
 *
 * It shares the layouts in abi/ with the rest of the project and nothing else.
 *
 * Exit status: 0 when every step was done and no rule broken; 1 otherwise; 2
 * when it could not begin.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "guest.h"


static int main_usage(FILE *out)
{
	fprintf(out, "usage: intree-guest --ram FILE --control-gpa A --reserved START:SIZE[,...]\n"
		"                    [--region GPA:OFFSET:SIZE]... [--hz N] [--again] STEP...\n"
		"Numbers are decimal or 0x-hex.  --again: a reset, RAM is as it was.  Steps:\n");
	scenario_help();
	return out == stdout ? 0 : 2;
}

static uint64_t main_number(char **text)
{
	return strtoull(*text, text, 0);
}

/* START:SIZE[,START:SIZE...] */
static int main_reserved(char *text)
{
	for (;;) {
		uint64_t start = main_number(&text), bytes;

		if (*text++ != ':')
			return -EINVAL;
		bytes = main_number(&text);
		ram_add_reserved(start, bytes);
		if (!*text)
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}

static int main_region(char *text)
{
	uint64_t gpa = main_number(&text), offset, bytes;

	if (*text++ != ':')
		return -EINVAL;
	offset = main_number(&text);
	if (*text++ != ':')
		return -EINVAL;
	bytes = main_number(&text);
	ram_add_region(gpa, offset, bytes);
	return *text ? -EINVAL : 0;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "ram", required_argument, NULL, 'r' },
		{ "control-gpa", required_argument, NULL, 'c' },
		{ "reserved", required_argument, NULL, 'R' },
		{ "again", no_argument, NULL, 'a' },
		{ "region", required_argument, NULL, 'g' },
		{ "hz", required_argument, NULL, 'z' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	const char *ram = NULL;
	bool reserved = false, again = false;
	uint64_t control = 0;
	unsigned int broken;
	int option, ret = 0;

	while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
		switch (option) {
		case 'r':
			ram = optarg;
			break;
		case 'c':
			control = strtoull(optarg, NULL, 0);
			break;
		case 'R':
			reserved = true;
			ret = ret ? ret : main_reserved(optarg);
			break;
		case 'g':
			ret = ret ? ret : main_region(optarg);
			break;
		case 'a':
			again = true;
			break;
		case 'z':
			guest_set_hz((unsigned int)strtoul(optarg, NULL, 0));
			break;
		case 'h':
			return main_usage(stdout);
		default:
			return main_usage(stderr);
		}
	}
	if (ret || !ram || !control || !reserved)
		return main_usage(stderr);
	ret = ram_open(ram);
	if (!ret)
		ret = control_start(control, again);
	if (ret) {
		fprintf(stderr, "intree-guest: %s: %s\n", ram, strerror(-ret));
		check_report();
		return 2;
	}
	for (; !ret && optind < argc; optind++)
		ret = scenario_run(argv[optind]);
	control_stop();
	bus_check_all();
	broken = check_report();
	/* The driver threads end with the process, as those of a guest do. */
	fflush(stdout);
	_Exit(ret || broken);
}
