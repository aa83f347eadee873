/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * cli/doctor.c - mullion doctor: what works on this machine, and what to do about the rest
 *
 * A check tries the thing itself wherever that is cheap (it runs a virtual CPU,
 * makes a restricted ring, seals a memfd): versions and settings only explain
 * why something does not work.  Nothing is changed and no daemon is started.
 */
#include "doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "client.h"
#include "command.h"
#include "report.h"
#include "table.h"

#define DOCTOR_OUTPUT_MAX 65536
#define DOCTOR_OUTPUT_SECONDS 20
#define DOCTOR_NO_PROGRAM 127

static const char *const doctor_words[] = { "ok", "warn", "fail" };

void mullion_doctor_say(struct mullion_doctor *doctor, enum mullion_finding finding,
			const char *check, const char *advice, const char *format, ...)
{
	char *text = NULL;
	va_list args;

	va_start(args, format);
	if (vasprintf(&text, format, args) < 0)
		text = NULL;
	va_end(args);
	if (text)
		mullion_report_clean(text);
	json_array_append_new(doctor->rows,
			      json_pack("{s:s, s:s, s:s, s:s?}", "check", check, "status",
					doctor_words[finding], "finding", text ? text : "no memory",
					"advice", advice));
	free(text);
	if (finding == MULLION_FINDING_FAIL)
		doctor->failed++;
}

int mullion_doctor_read(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t len;
	int ret = 0;

	if (fd < 0)
		return -errno;
	len = read(fd, text, size - 1);
	if (len < 0)
		ret = -errno;
	close(fd);
	if (ret)
		return ret;
	text[len] = '\0';
	text[strcspn(text, "\n")] = '\0';
	return 0;
}

int mullion_doctor_output(char *const argv[], const char *input, char **ret_text)
{
	char *text = malloc(DOCTOR_OUTPUT_MAX);
	int out[2], in[2] = { -1, -1 }, status;
	size_t len = 0;
	ssize_t got;
	pid_t child;

	if (!text)
		return -ENOMEM;
	if (pipe2(out, O_CLOEXEC)) {
		free(text);
		return -errno;
	}
	/* A pipe takes a short text without anybody reading it yet. */
	if (input && (pipe2(in, O_CLOEXEC) || write(in[1], input, strlen(input)) < 0))
		goto fail;
	child = fork();
	if (child < 0)
		goto fail;
	if (!child) {
		int null = open("/dev/null", O_RDWR);

		dup2(input ? in[0] : null, STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		dup2(input ? out[1] : null, STDERR_FILENO);
		alarm(DOCTOR_OUTPUT_SECONDS);
		execvp(argv[0], argv);
		_exit(DOCTOR_NO_PROGRAM);
	}
	close(out[1]);
	if (input) {
		close(in[0]);
		close(in[1]);
	}
	while (len < DOCTOR_OUTPUT_MAX - 1 &&
	       (got = read(out[0], text + len, DOCTOR_OUTPUT_MAX - 1 - len)) > 0)
		len += got;
	text[len] = '\0';
	close(out[0]);
	while (waitpid(child, &status, 0) < 0)
		;
	if (WIFEXITED(status) && WEXITSTATUS(status) == DOCTOR_NO_PROGRAM) {
		free(text);
		return -ENOENT;
	}
	*ret_text = text;
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
fail:
	close(out[0]);
	close(out[1]);
	if (in[0] >= 0) {
		close(in[0]);
		close(in[1]);
	}
	free(text);
	return -EIO;
}

/* One line per finding; long ones are not cut. */
static void doctor_print(json_t *rows)
{
	bool colours = mullion_report_colours();
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *status = json_string_value(json_object_get(row, "status"));
		const char *advice = json_string_value(json_object_get(row, "advice"));
		const char *on = "";

		if (colours)
			on = !strcmp(status, "ok") ? "\033[32m"
				: !strcmp(status, "warn") ? "\033[33m" : "\033[31m";
		printf("%s%-4s%s  %-9s  %s%s%s\n", on, status, colours ? "\033[m" : "",
		       json_string_value(json_object_get(row, "check")),
		       json_string_value(json_object_get(row, "finding")), advice ? "; " : "",
		       advice ? advice : "");
	}
}

int mullion_cmd_doctor(struct mullion_cli *cli)
{
	static void (*const checks[])(struct mullion_doctor *doctor) = {
		mullion_doctor_kvm,
		mullion_doctor_qemu,
		mullion_doctor_programs,
		mullion_doctor_folders,
		mullion_doctor_daemon,
		mullion_doctor_images,
		mullion_doctor_modules,
		mullion_doctor_headers,
		mullion_doctor_signing,
		mullion_doctor_io_uring,
		mullion_doctor_seccomp,
		mullion_doctor_landlock,
		mullion_doctor_memfd,
		mullion_doctor_pidfd,
		mullion_doctor_nat,
		mullion_doctor_tun,
		mullion_doctor_userns,
		mullion_doctor_memory,
		mullion_doctor_limits,
	};
	static const struct mullion_column columns[] = {
		{ "CHECK", "check", MULLION_FORMAT_TEXT },
		{ "STATUS", "status", MULLION_FORMAT_TEXT },
		{ "FINDING", "finding", MULLION_FORMAT_TEXT },
		{ "ADVICE", "advice", MULLION_FORMAT_TEXT },
	};
	struct mullion_doctor doctor = {
		.paths = mullion_client_paths(), .rows = json_array(),
	};

	if (!doctor.paths)
		return cli->failure;
	for (size_t i = 0; i < sizeof(checks) / sizeof(*checks); i++)
		checks[i](&doctor);
	if (cli->json)
		mullion_table_print("checks", columns, sizeof(columns) / sizeof(*columns),
				    doctor.rows, true, 0);
	else
		doctor_print(doctor.rows);
	json_decref(doctor.rows);
	return doctor.failed ? 1 : 0;
}
