// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/order.c - which commands may run beside each other
 *
 * Theory of operation
 *
 * A command that goes on in the background is on its disk's list of active
 * commands, with the range that it touches.  Most ranges are shared: SCSI
 * promises no order between reads and writes that are outstanding together.
 * COMPARE AND WRITE and its like are exclusive: they start only when nothing
 * active overlaps them, and what overlaps them and comes later waits.  The
 * lists are looked at only while an exclusive range is held or wanted
 * (GATE_ORDER); otherwise a command that ends at once is on no list at all.
 *
 * A waiting command starts in the order of arrival among those that overlap
 * it, so none starves.
 *
 * Task management and PREEMPT AND ABORT wait until commands that came before
 * them have been answered: a drain covers all with a lower serial number.
 *
 * Limits: the lists are searched one by one; they are as long as the queue
 * depths of the disk's devices.
 */
#include "scsi.h"

static void order_append(struct cmd_list *list, struct cmd *cmd)
{
	cmd->next = NULL;
	cmd->prev = list->last;
	if (list->last)
		list->last->next = cmd;
	else
		list->first = cmd;
	list->last = cmd;
}

static void order_remove(struct cmd_list *list, struct cmd *cmd)
{
	if (cmd->prev)
		cmd->prev->next = cmd->next;
	else
		list->first = cmd->next;
	if (cmd->next)
		cmd->next->prev = cmd->prev;
	else
		list->last = cmd->prev;
}

/* By serial number: a command that waits again keeps its turn. */
static void order_insert(struct cmd_list *list, struct cmd *cmd)
{
	struct cmd *after = list->last;

	while (after && after->serial > cmd->serial)
		after = after->prev;
	if (after == list->last) {
		order_append(list, cmd);
		return;
	}
	cmd->prev = after;
	cmd->next = after ? after->next : list->first;
	cmd->next->prev = cmd;
	if (after)
		after->next = cmd;
	else
		list->first = cmd;
}

static bool order_overlap(const struct cmd *a, const struct cmd *b)
{
	return a->lba < b->lba + b->span && b->lba < a->lba + a->span;
}

/* Must @cmd wait for @other, which came earlier or is running? */
static bool order_conflict(const struct cmd *cmd, const struct cmd *other)
{
	return (cmd->exclusive || other->exclusive) && order_overlap(cmd, other);
}

/* May @cmd start, given all active ones and those that wait before @end? */
static bool order_may_start(struct disk *disk, const struct cmd *cmd,
			    const struct cmd *end)
{
	const struct cmd *other;

	for (other = disk->active.first; other; other = other->next)
		if (order_conflict(cmd, other))
			return false;
	for (other = disk->waiting.first; other != end; other = other->next)
		if (order_conflict(cmd, other))
			return false;
	return true;
}

static void order_exclusive(struct disk *disk, int change)
{
	disk->exclusives += (unsigned int)change;
	if (disk->exclusives)
		disk->gate |= GATE_ORDER;
	else
		disk->gate &= ~GATE_ORDER;
}

bool order_enter(struct cmd *cmd)
{
	struct disk *disk = cmd->lun->disk;
	bool go;

	disk_command_begun(cmd->lun);
	cmd->serial = disk->serial++;
	go = (!cmd->exclusive && !disk->exclusives) ||
	     order_may_start(disk, cmd, NULL);
	if (cmd->exclusive)
		order_exclusive(disk, 1);
	cmd->place = go ? CMD_ACTIVE : CMD_WAITING;
	order_append(go ? &disk->active : &disk->waiting, cmd);
	return go;
}

void order_running(struct cmd *cmd)
{
	struct disk *disk = cmd->lun->disk;

	disk_command_begun(cmd->lun);
	cmd->serial = disk->serial++;
	cmd->place = CMD_ACTIVE;
	order_append(&disk->active, cmd);
}

void order_wait(struct cmd *cmd, void (*start)(struct cmd *cmd))
{
	struct disk *disk = cmd->lun->disk;

	order_remove(&disk->active, cmd);
	cmd->place = CMD_WAITING;
	cmd->start = start;
	disk->hold = true;
	order_insert(&disk->waiting, cmd);
}

/*
 * Start what may start now.  A command that ends within its start comes here
 * again, which only makes the loop go round once more.
 */
static void order_kick(struct disk *disk)
{
	struct cmd *cmd;

	if (disk->kicking) {
		disk->kick_again = true;
		return;
	}
	disk->kicking = true;
	do {
		disk->kick_again = false;
		for (cmd = disk->waiting.first; cmd; cmd = cmd->next) {
			if (cmd->exclusive && disk->hold)
				continue;
			if (order_may_start(disk, cmd, cmd))
				break;
		}
		if (!cmd)
			continue;
		order_remove(&disk->waiting, cmd);
		cmd->place = CMD_ACTIVE;
		order_append(&disk->active, cmd);
		disk->kick_again = true;
		cmd->start(cmd);
	} while (disk->kick_again);
	disk->kicking = false;
}

static bool order_covered(const struct cmd_list *list,
			  const struct drain *drain)
{
	const struct cmd *cmd;

	for (cmd = list->first; cmd; cmd = cmd->next)
		if (cmd->serial < drain->serial &&
		    drain->nexus_mask >> cmd->lun->nexus & 1)
			return true;
	return false;
}

static bool order_is_drained(const struct disk *disk,
			     const struct drain *drain)
{
	return !order_covered(&disk->active, drain) &&
	       !order_covered(&disk->waiting, drain);
}

void order_leave(struct cmd *cmd)
{
	struct disk *disk = cmd->lun->disk;

	order_remove(cmd->place == CMD_ACTIVE ? &disk->active : &disk->waiting,
		     cmd);
	cmd->place = CMD_FREE;
	if (cmd->exclusive) {
		order_exclusive(disk, -1);
		disk->hold = false;
	}
}

void order_settle(struct disk *disk)
{
	struct drain **link, *drain;

	if (disk->waiting.first)
		order_kick(disk);
	link = &disk->drains;
	while ((drain = *link)) {
		if (order_is_drained(disk, drain)) {
			*link = drain->next;
			drain->done(drain);
			/* anything may have changed */
			link = &disk->drains;
		} else {
			link = &drain->next;
		}
	}
}

void order_abort(struct disk *disk, uint64_t nexus_mask)
{
	struct cmd *cmd = disk->waiting.first;

	while (cmd) {
		if (nexus_mask >> cmd->lun->nexus & 1) {
			scsi_host(cmd, UIS_HOST_RESET, ADDL_RESET);
			/* the end of one may have started others */
			cmd = disk->waiting.first;
		} else {
			cmd = cmd->next;
		}
	}
}

bool order_drain(struct disk *disk, struct drain *drain, uint64_t nexus_mask)
{
	drain->serial = disk->serial;
	drain->nexus_mask = nexus_mask;
	if (order_is_drained(disk, drain))
		return true;
	drain->next = disk->drains;
	disk->drains = drain;
	return false;
}

void order_drain_cancel(struct disk *disk, struct drain *drain)
{
	struct drain **link;

	for (link = &disk->drains; *link; link = &(*link)->next) {
		if (*link == drain) {
			*link = drain->next;
			return;
		}
	}
}
