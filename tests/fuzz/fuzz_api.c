// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * tests/fuzz/fuzz_api.c - requests to the API, without sockets
 *
 * Input: "METHOD PATH[?KEY=VALUE[&...]]\n" and a body.  The daemon is real but
 * finds no programs, no QEMU and no images, so that nothing is started.  A
 * request must be answered, become a stream, or wait; never neither.
 */

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../command/core.h"
#include "../../command/guest.h"
#include "../../command/http.h"
#include "../../command/log.h"
#include "../../command/request.h"

#define FUZZ_BYTES_MAX	8192

static struct mullion_daemon fuzz_daemon = { .group = -1 };
static char *fuzz_queries;

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

void mullion_daemon_idle_check(struct mullion_daemon *daemon)
{
	(void)daemon;
}

static const char *fuzz_query(struct mullion_api_request *req, const char *name)
{
	static char value[256];
	size_t n = strlen(name);
	const char *p = fuzz_queries;

	(void)req;
	while (p) {
		if (!strncmp(p, name, n) && p[n] == '=') {
			snprintf(value, sizeof(value), "%.*s", (int)strcspn(p + n + 1, "&"),
				 p + n + 1);
			return value;
		}
		p = strchr(p, '&');
		p += p != NULL;
	}
	return NULL;
}

static void fuzz_wake(struct mullion_api_request *req)
{
	(void)req;
}

static const struct mullion_api_ops fuzz_ops = { .query = fuzz_query, .wake = fuzz_wake };

static void fuzz_cleanup(void)
{
	char path[PATH_MAX + 16];
	char **names;
	int i, n;

	n = mullion_definition_names(&fuzz_daemon.paths, &names);
	for (i = 0; i < n; i++) {
		mullion_definition_remove(&fuzz_daemon.paths, names[i], NULL);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	snprintf(path, sizeof(path), "%s/definitions", fuzz_daemon.paths.state);
	remove(path);
}

static void fuzz_exit(void)
{
	fuzz_cleanup();
	remove(fuzz_daemon.paths.state);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	setenv("MULLION_QEMU", "/nonexistent/qemu", 1);
	mullion_log_set_level(-1);
	strcpy(fuzz_daemon.paths.state, "/tmp/mullion-fuzz-XXXXXX");
	strcpy(fuzz_daemon.paths.images, "/nonexistent/images");
	if (!mkdtemp(fuzz_daemon.paths.state) || sd_event_default(&fuzz_daemon.event) < 0 ||
	    mullion_core_new(&fuzz_daemon.core, fuzz_daemon.event, "/nonexistent/programs"))
		return -1;
	atexit(fuzz_exit);
	return 0;
}

static void fuzz_request(struct mullion_api_request *req)
{
	char block[512];
	ssize_t n;
	int i;

	mullion_api_handle(req);
	if (req->state == MULLION_API_STREAMING)
		for (i = 0, n = 1; n > 0 && i < 100; i++)
			n = req->fill(req->fill_arg, block, sizeof(block));
	if (req->state == MULLION_API_ANSWERED && req->status != 500 && !req->text)
		abort();
	if (req->state == MULLION_API_OPEN && !req->gone)
		abort();
	mullion_api_forget(req);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
	struct mullion_api_request req = { .daemon = &fuzz_daemon, .ops = &fuzz_ops };
	char *text, *path, *body;

	if (bytes > FUZZ_BYTES_MAX)
		return 0;
	text = malloc(bytes + 1);
	if (!text)
		return 0;
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	body = memchr(text, '\n', bytes);
	path = strchr(text, ' ');
	if (!body || !path || path > body)
		goto out;
	*path++ = '\0';
	*body++ = '\0';
	fuzz_queries = strchr(path, '?');
	if (fuzz_queries)
		*fuzz_queries++ = '\0';
	req.method = text;
	req.path = path;
	req.upgrade = fuzz_query(NULL, "upgrade");
	req.body = body;
	req.body_bytes = bytes - (size_t)(body - text);
	fuzz_request(&req);
	mullion_cp_guests_free(&fuzz_daemon);
	fuzz_cleanup();
out:
	free(text);
	return 0;
}
