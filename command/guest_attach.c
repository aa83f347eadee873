// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * command/guest_attach.c - a guest that somebody else has started
 *
 * It has RAM in a file, and no more of it is known: neither when it begins nor,
 * unless the user names a process, when it ends.  Its channels lie in its RAM.
 * When it is stopped its devices are taken from it first, since drivers that
 * wait for a service that has gone may take the whole guest with them.
 */
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "guest_private.h"

static int attach_on_death(sd_event_source *source, int fd, uint32_t revents, void *arg)
{
	struct mullion_cp_guest *g = arg;

	(void)source;
	(void)fd;
	(void)revents;
	guest_event(g, LOG_INFO, "process-gone", "process %d has ended", (int)g->attach->pid);
	g->facts.shutdown = true;
	guest_end(g);
	return 0;
}

static int attach_watch(struct mullion_cp_guest *g, struct mullion_error *err)
{
	int r, fd = pidfd_open(g->attach->pid, 0);

	if (fd < 0)
		return mullion_error_set(err, -errno, "cannot attach to", g->definition->name,
					 NULL, "there is no process %d: %s",
					 (int)g->attach->pid, strerror(errno));
	r = sd_event_add_io(g->daemon->event, &g->process_source, fd, EPOLLIN, attach_on_death, g);
	if (r >= 0)
		r = sd_event_source_set_io_fd_own(g->process_source, 1);
	if (r < 0) {
		close(fd);
		return mullion_error_set(err, r, "cannot attach to", g->definition->name, NULL,
					 "%s", strerror(-r));
	}
	return 0;
}

static int attach_reserve(struct mullion_cp_guest *g, const struct mullion_ram_range *range,
			  struct mullion_error *err)
{
	unsigned long long gpa = range->gpa, bytes = range->bytes;
	int r = mullion_cp_ram_reserve(g->ram, gpa, bytes);

	switch (r) {
	case 0:
		return 0;
	case -EINVAL:
		return mullion_error_set(err, r, "cannot attach to", g->definition->name, NULL,
			"reserved range %#llx:%#llx is not of whole pages", gpa, bytes);
	case -ERANGE:
		return mullion_error_set(err, r, "cannot attach to", g->definition->name,
			"are the regions right?",
			"reserved range %#llx:%#llx is not all in its RAM", gpa, bytes);
	case -EEXIST:
		return mullion_error_set(err, r, "cannot attach to", g->definition->name, NULL,
			"reserved range %#llx:%#llx overlaps another", gpa, bytes);
	default:
		return mullion_error_set(err, r, "cannot attach to", g->definition->name, NULL,
			"cannot map reserved range %#llx:%#llx: %s", gpa, bytes, strerror(-r));
	}
}

/* RAM in a file that another guest has, too, would be written by both. */
static int attach_check_others(const struct mullion_cp_guest *g, struct mullion_error *err)
{
	for (const struct mullion_cp_guest *other = g->daemon->guests; other; other = other->next)
		if (other != g && other->ram && mullion_cp_ram_same(other->ram, g->ram))
			return mullion_error_set(err, -EBUSY, "cannot attach to",
				g->definition->name, "stop that one first",
				"%s is the RAM of guest %s already", g->attach->path,
				other->definition->name);
	return 0;
}

int guest_attach_ram(struct mullion_cp_guest *g, struct mullion_error *err)
{
	const struct mullion_attach *attach = g->attach;
	int r;

	r = mullion_cp_ram_adopt(&g->ram, g->definition->name, attach->path, attach->regions,
				 attach->region_count, err);
	if (!r)
		r = attach_check_others(g, err);
	for (unsigned int i = 0; !r && i < attach->reserved_count; i++)
		r = attach_reserve(g, &attach->reserved[i], err);
	if (!r && attach->pid)
		r = attach_watch(g, err);
	return r;
}

static void attach_given_back(void *arg)
{
	guest_end(arg);
}

void guest_attach_stop(struct mullion_cp_guest *g)
{
	if (g->ending || g->state == MULLION_GUEST_SHUTTING_DOWN)
		return;
	g->state = MULLION_GUEST_SHUTTING_DOWN;
	guest_event(g, LOG_INFO, "guest-stopping", "its devices are taken from it");
	mullion_partition_give_back(g->partition);
}

static void attach_lost(void *arg)
{
	struct mullion_cp_guest *g = arg;
	struct mullion_error err;

	if (g->ending)
		return;
	mullion_error_set(&err, -EFAULT, "lost guest", g->definition->name, NULL,
			  "the file of its RAM, %s, has become shorter", g->attach->path);
	guest_event(g, LOG_ERR, "ram-lost", "%s", err.why);
	guest_fail(g, &err);
}

const struct mullion_partition_ops guest_attached_partition_ops = {
	.ready = guest_run_ready,
	.attached = guest_run_attached,
	.online = guest_run_online,
	.detached = guest_run_detached,
	.stopped = guest_run_stopped,
	.given_back = attach_given_back,
	.lost = attach_lost,
};
