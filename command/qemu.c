// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/qemu.c - a QEMU process: starting, monitor, end
 *
 * QEMU inherits one end of a socket pair for its monitor and for each serial
 * line, and a pipe as standard error.  Its end is seen on a pidfd; only then
 * is the rest of standard error read, so that the last words are known when
 * exited() is called.
 */

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host.h"
#include "lines.h"
#include "log.h"
#include "partition.h"
#include "qemu.h"
#include "qemu_args.h"
#include "qmp.h"
#include "spawn.h"

struct qemu_unplug;

struct mullion_qemu {
	sd_event_source *source;
	const struct mullion_qemu_handler *handler;
	void *arg;
	struct mullion_qmp *qmp;
	struct mullion_lines *errors;
	int pidfd;
	pid_t pid;
	bool q35;
	char name[MULLION_NAME_MAX + 8];
	struct qemu_unplug *unplugs;
	unsigned int plugged;	/* so many were; each names its chardev anew */
	unsigned int chardevs[MULLION_PARTITION_SLOTS_MAX];
};

static void qemu_unplug_deleted(struct mullion_qemu *q, const char *device);
static void qemu_unplug_forget(struct mullion_qemu *q);

static void qemu_ready(void *arg, const char *version)
{
	struct mullion_qemu *q = arg;

	q->handler->started(q->arg, version);
}

static void qemu_event(void *arg, const char *name, json_t *data, uint64_t usec)
{
	struct mullion_qemu *q = arg;
	const char *device = json_string_value(json_object_get(data, "device"));

	if (!strcmp(name, "DEVICE_DELETED") && device)
		qemu_unplug_deleted(q, device);
	else
		q->handler->event(q->arg, name, data, usec);
}

static void qemu_closed(void *arg, int error)
{
	struct mullion_qemu *q = arg;

	/* A QEMU that we cannot talk to any more is not left running. */
	if (error && error != -ECONNRESET) {
		mullion_log(LOG_WARNING, q->name, "QEMU's monitor: %s; ending QEMU",
			    strerror(-error));
		mullion_qemu_kill(q);
	}
}

static const struct mullion_qmp_handler qemu_qmp = {
	.ready = qemu_ready,
	.event = qemu_event,
	.closed = qemu_closed,
};

static void qemu_line(void *arg, const char *line)
{
	struct mullion_qemu *q = arg;

	q->handler->line(q->arg, line);
}

static int qemu_exited(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_qemu *q = arg;
	siginfo_t info = { 0 };

	(void)source;
	(void)revents;
	if (waitid(P_PIDFD, (id_t)fd, &info, WEXITED | WNOHANG) < 0 || !info.si_pid)
		return 0;
	q->source = sd_event_source_disable_unref(q->source);
	close(q->pidfd);
	q->pidfd = -1;
	mullion_lines_drain(q->errors);
	q->handler->exited(q->arg, info.si_code, info.si_status);
	return 0;
}

void mullion_qemu_kill(struct mullion_qemu *q)
{
	if (q->pidfd >= 0)
		syscall(SYS_pidfd_send_signal, q->pidfd, SIGKILL, NULL, 0);
}

pid_t mullion_qemu_pid(const struct mullion_qemu *q)
{
	return q->pid;
}

int mullion_qemu_powerdown(struct mullion_qemu *q)
{
	return mullion_qmp_execute(q->qmp, "system_powerdown", NULL, -1, NULL, NULL);
}

struct mullion_qemu *mullion_qemu_free(struct mullion_qemu *q)
{
	siginfo_t info;

	if (!q)
		return NULL;
	sd_event_source_disable_unref(q->source);
	mullion_qmp_free(q->qmp);
	qemu_unplug_forget(q);
	mullion_lines_free(q->errors);
	if (q->pidfd >= 0) {
		mullion_qemu_kill(q);
		waitid(P_PIDFD, (id_t)q->pidfd, &info, WEXITED);
		close(q->pidfd);
	}
	free(q);
	return NULL;
}

/* All descriptors of a start: ours are non-blocking, the child's are not. */
struct qemu_fds {
	int monitor[2];
	int serials[MULLION_QEMU_SERIALS][2];
	int errors[2];
};

static int qemu_pair(int pair[2])
{
	int flags;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		return -errno;
	flags = fcntl(pair[0], F_GETFL);
	return fcntl(pair[0], F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : 0;
}

static void qemu_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static void qemu_fds_close(struct qemu_fds *fds, bool ours)
{
	int i;

	qemu_close(&fds->monitor[1]);
	qemu_close(&fds->errors[1]);
	for (i = 0; i < MULLION_QEMU_SERIALS; i++)
		qemu_close(&fds->serials[i][1]);
	if (!ours)
		return;
	qemu_close(&fds->monitor[0]);
	qemu_close(&fds->errors[0]);
	for (i = 0; i < MULLION_QEMU_SERIALS; i++)
		qemu_close(&fds->serials[i][0]);
}

static int qemu_fds_open(struct qemu_fds *fds)
{
	int i, r;

	memset(fds, -1, sizeof(*fds));
	if (pipe2(fds->errors, O_CLOEXEC | O_NONBLOCK) < 0)
		return -errno;
	r = qemu_pair(fds->monitor);
	for (i = 0; !r && i < MULLION_QEMU_SERIALS; i++)
		r = qemu_pair(fds->serials[i]);
	return r;
}

static int qemu_spawn(struct mullion_qemu *q, const struct mullion_qemu_options *options,
		      const struct qemu_fds *fds, struct mullion_error *err)
{
	const char *name = options->definition->name;
	int keep[MULLION_QEMU_WINDOWS_MAX + MULLION_QEMU_SERIALS + MULLION_CP_RAM_NODES_MAX + 2];
	int serials[MULLION_QEMU_SERIALS];
	struct mullion_spawn spawn = { .socket = -1, .output = -1, .errors = fds->errors[1] };
	char path[PATH_MAX];
	size_t count = 0;
	unsigned int i;
	char **args;
	int r;

	if (mullion_host_qemu(path))
		return mullion_error_set(err, -ENXIO, "cannot start guest", name,
					 "install the package qemu-system-x86",
					 "there is no qemu-system-x86_64");
	keep[count++] = fds->monitor[1];
	for (i = 0; i < MULLION_QEMU_SERIALS; i++)
		keep[count++] = serials[i] = fds->serials[i][1];
	for (i = 0; i < options->window_count; i++)
		keep[count++] = options->windows[i].fd;
	for (i = 0; options->ram && i < options->ram->file_count; i++)
		keep[count++] = options->ram->fds[i];
	if (options->boot->initrd_fd >= 0)
		keep[count++] = options->boot->initrd_fd;
	args = mullion_qemu_args(path, options, fds->monitor[1], serials);
	spawn.path = path;
	spawn.argv = args;
	spawn.fds = keep;
	spawn.fd_count = count;
	r = args ? mullion_spawn(&spawn, &q->pid) : -ENOMEM;
	mullion_qemu_args_free(args);
	if (r < 0)
		return mullion_error_set(err, r == -ENOENT ? -ENXIO : r, "cannot start guest", name,
					 NULL, "%s: %s", path, strerror(-r));
	q->pidfd = r;
	return 0;
}

int mullion_qemu_start(sd_event *event, const struct mullion_qemu_options *options,
		       const struct mullion_qemu_handler *handler, void *arg,
		       struct mullion_qemu **ret, int ret_serials[static MULLION_QEMU_SERIALS],
		       struct mullion_error *err)
{
	struct mullion_qemu *q = calloc(1, sizeof(*q));
	struct qemu_fds fds;
	int fd, i, r;

	if (!q)
		return mullion_error_set(err, -ENOMEM, "cannot start guest",
					 options->definition->name, NULL, "out of memory");
	q->handler = handler;
	q->arg = arg;
	q->pidfd = -1;
	q->q35 = options->definition->q35;
	snprintf(q->name, sizeof(q->name), "guest %s", options->definition->name);
	r = qemu_fds_open(&fds);
	if (r)
		goto fail_errno;
	r = qemu_spawn(q, options, &fds, err);
	if (r)
		goto fail;
	qemu_fds_close(&fds, false);
	/* From here on the two readers own their descriptors. */
	fd = fds.monitor[0];
	fds.monitor[0] = -1;
	r = mullion_qmp_new(event, fd, &qemu_qmp, q, &q->qmp);
	if (r < 0)
		goto fail_errno;
	fd = fds.errors[0];
	fds.errors[0] = -1;
	r = mullion_lines_new(event, fd, qemu_line, q, &q->errors);
	if (r < 0)
		goto fail_errno;
	mullion_lines_limit(q->errors);
	r = sd_event_add_io(event, &q->source, q->pidfd, EPOLLIN, qemu_exited, q);
	if (r < 0)
		goto fail_errno;
	for (i = 0; i < MULLION_QEMU_SERIALS; i++)
		ret_serials[i] = fds.serials[i][0];
	*ret = q;
	return 0;
fail_errno:
	mullion_error_set(err, r, "cannot start guest", options->definition->name, NULL, "%s",
			  strerror(-r));
fail:
	qemu_fds_close(&fds, true);
	mullion_qemu_free(q);
	return r;
}

/*
 * One plug: getfd, chardev-add, device_add.  The three are sent at once; QEMU
 * does them in order.  The first failure is reported; those behind it fail too.
 */
struct qemu_plug {
	unsigned int index;
	unsigned int left;	/* answers to come */
	bool told;
	mullion_qemu_plugged *done;
	void *arg;
};

static void qemu_plug_tell(struct qemu_plug *plug, int error, const char *text)
{
	if (plug->told)
		return;
	plug->told = true;
	plug->done(plug->arg, plug->index, error, text);
}

static void qemu_plug_step(void *arg, int error, json_t *result)
{
	struct qemu_plug *plug = arg;

	plug->left--;
	if (error)
		qemu_plug_tell(plug, error, error == -EREMOTEIO ?
			       mullion_qmp_error_text(result) : "QEMU is gone");
	else if (!plug->left)
		qemu_plug_tell(plug, 0, "");
	if (!plug->left)
		free(plug);
}

static json_t *qemu_plug_chardev(const char *name)
{
	return json_pack("{s:s, s:{s:s, s:{s:{s:s, s:{s:s}}, s:b}}}", "id", name,
			 "backend", "type", "socket", "data", "addr", "type", "fd",
			 "data", "str", name, "server", 0);
}

int mullion_qemu_plug(struct mullion_qemu *q, unsigned int index,
		      const struct mullion_qemu_window *window, mullion_qemu_plugged *done,
		      void *arg)
{
	struct qemu_plug *plug = calloc(1, sizeof(*plug));
	char name[32], device[32], bus[32];
	struct {
		const char *command;
		json_t *arguments;
		int fd;
	} steps[3];
	size_t i;
	int r = 0;

	if (!plug)
		return -ENOMEM;
	plug->index = index;
	plug->done = done;
	plug->arg = arg;
	q->chardevs[index % MULLION_PARTITION_SLOTS_MAX] = ++q->plugged;
	snprintf(name, sizeof(name), "window%u.%u", index, q->plugged);
	snprintf(device, sizeof(device), "w%u", index);
	snprintf(bus, sizeof(bus), "port%u", index);
	steps[0].command = "getfd";
	steps[0].arguments = json_pack("{s:s}", "fdname", name);
	steps[0].fd = window->fd;
	steps[1].command = "chardev-add";
	steps[1].arguments = qemu_plug_chardev(name);
	steps[1].fd = -1;
	steps[2].command = "device_add";
	steps[2].arguments = json_pack("{s:s, s:s, s:s, s:I, s:s*}", "driver", "ivshmem-doorbell",
				       "id", device, "chardev", name, "vectors",
				       (json_int_t)window->vectors, "bus", q->q35 ? bus : NULL);
	steps[2].fd = -1;
	for (i = 0; i < 3; i++) {
		if (r) {
			json_decref(steps[i].arguments);
			continue;
		}
		r = mullion_qmp_execute(q->qmp, steps[i].command, steps[i].arguments, steps[i].fd,
					qemu_plug_step, plug);
		plug->left += !r;
	}
	if (!r)
		return 0;
	/* What was queued is answered to nobody. */
	plug->told = true;
	if (!plug->left)
		free(plug);
	return r;
}

/*
 * One unplug: device_del asks the guest, which may take its time; when it has let
 * go QEMU tells by an event, and the chardev goes.
 */
struct qemu_unplug {
	struct qemu_unplug *next;
	struct mullion_qemu *qemu;
	unsigned int index;
	bool asked;		/* device_del has no answer yet, which holds a pointer */
	bool done_told;
	mullion_qemu_plugged *done;
	void *arg;
};

static void qemu_unplug_free(struct qemu_unplug *unplug)
{
	struct qemu_unplug **link = &unplug->qemu->unplugs;

	while (*link != unplug)
		link = &(*link)->next;
	*link = unplug->next;
	free(unplug);
}

static void qemu_unplug_end(struct qemu_unplug *unplug, int error, const char *text)
{
	unplug->done_told = true;
	unplug->done(unplug->arg, unplug->index, error, text);
	if (!unplug->asked)
		qemu_unplug_free(unplug);
}

static void qemu_unplug_asked(void *arg, int error, json_t *result)
{
	struct qemu_unplug *unplug = arg;

	unplug->asked = false;
	if (unplug->done_told)
		qemu_unplug_free(unplug);
	else if (error)
		qemu_unplug_end(unplug, error, error == -EREMOTEIO ?
				mullion_qmp_error_text(result) : "QEMU is gone");
}

static void qemu_unplug_deleted(struct mullion_qemu *q, const char *device)
{
	struct qemu_unplug *unplug = q->unplugs;
	unsigned int index, serial;
	char name[32];

	if (sscanf(device, "w%u", &index) != 1)
		return;
	while (unplug && (unplug->index != index || unplug->done_told))
		unplug = unplug->next;
	if (!unplug)
		return;
	serial = q->chardevs[index % MULLION_PARTITION_SLOTS_MAX];
	if (serial)
		snprintf(name, sizeof(name), "window%u.%u", index, serial);
	else
		snprintf(name, sizeof(name), "window%u", index);
	/* one that is still busy keeps a closed connection, and its name is not used again */
	mullion_qmp_execute(q->qmp, "chardev-remove", json_pack("{s:s}", "id", name), -1, NULL,
			    NULL);
	qemu_unplug_end(unplug, 0, "");
}

static void qemu_unplug_forget(struct mullion_qemu *q)
{
	while (q->unplugs)
		qemu_unplug_free(q->unplugs);
}

int mullion_qemu_unplug(struct mullion_qemu *q, unsigned int index,
			mullion_qemu_plugged *done, void *arg)
{
	struct qemu_unplug *unplug = calloc(1, sizeof(*unplug));
	char device[32];
	int r;

	if (!unplug)
		return -ENOMEM;
	unplug->qemu = q;
	unplug->index = index;
	unplug->asked = true;
	unplug->done = done;
	unplug->arg = arg;
	unplug->next = q->unplugs;
	q->unplugs = unplug;
	snprintf(device, sizeof(device), "w%u", index);
	r = mullion_qmp_execute(q->qmp, "device_del", json_pack("{s:s}", "id", device), -1,
				qemu_unplug_asked, unplug);
	if (r < 0)
		qemu_unplug_free(unplug);
	return r;
}
