/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor.h - the checks of mullion doctor
 */
#ifndef MULLION_CLI_DOCTOR_H
#define MULLION_CLI_DOCTOR_H

#include <jansson.h>

#include "../command/paths.h"

enum mullion_finding {
	MULLION_FINDING_OK,
	MULLION_FINDING_WARN,	/* works, but less well, or something optional does not */
	MULLION_FINDING_FAIL,	/* something needed does not work */
};

/**
 * struct mullion_doctor - the findings so far
 * @paths: where everything is
 * @rows: one object each: check, status, finding, advice
 * @failed: how many are MULLION_FINDING_FAIL
 */
struct mullion_doctor {
	const struct mullion_paths *paths;
	json_t *rows;
	int failed;
};

/**
 * mullion_doctor_say() - one finding
 * @check: its name, one word
 * @advice: what to do, NULL if there is nothing to do
 * @format: what was found, in plain words
 */
void mullion_doctor_say(struct mullion_doctor *doctor, enum mullion_finding finding,
			const char *check, const char *advice, const char *format, ...)
	__attribute__((format(printf, 5, 6)));

/* Reads a small text file, without the newline at the end.  Return: 0 or negative errno. */
int mullion_doctor_read(const char *path, char *text, size_t size);

/**
 * mullion_doctor_output() - run a program, take what it prints
 * @argv: found along PATH; ended after 20 seconds
 * @input: its standard input, NULL for none
 * @ret_text: what it printed, also on standard error if it has @input;
 *	allocated, at most 64 KiB; set whenever it ran
 *
 * Return: its exit status, 128 + the signal that ended it, or negative errno.
 */
int mullion_doctor_output(char *const argv[], const char *input, char **ret_text);

/* The checks; each says at least one thing. */
void mullion_doctor_kvm(struct mullion_doctor *doctor);
void mullion_doctor_qemu(struct mullion_doctor *doctor);
void mullion_doctor_programs(struct mullion_doctor *doctor);
void mullion_doctor_folders(struct mullion_doctor *doctor);
void mullion_doctor_daemon(struct mullion_doctor *doctor);
void mullion_doctor_images(struct mullion_doctor *doctor);
void mullion_doctor_modules(struct mullion_doctor *doctor);
void mullion_doctor_headers(struct mullion_doctor *doctor);
void mullion_doctor_signing(struct mullion_doctor *doctor);
void mullion_doctor_io_uring(struct mullion_doctor *doctor);
void mullion_doctor_landlock(struct mullion_doctor *doctor);
void mullion_doctor_seccomp(struct mullion_doctor *doctor);
void mullion_doctor_nat(struct mullion_doctor *doctor);
void mullion_doctor_tun(struct mullion_doctor *doctor);
void mullion_doctor_userns(struct mullion_doctor *doctor);
void mullion_doctor_memfd(struct mullion_doctor *doctor);
void mullion_doctor_pidfd(struct mullion_doctor *doctor);
void mullion_doctor_memory(struct mullion_doctor *doctor);
void mullion_doctor_limits(struct mullion_doctor *doctor);

#endif
