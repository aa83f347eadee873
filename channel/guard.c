// SPDX-License-Identifier: GPL-2.0 OR MIT
/*
 * channel/guard.c - mapped memory whose file may become shorter
 *
 * A file that somebody else made need not be sealed.  If it becomes shorter,
 * the next access to what is gone raises SIGBUS; a write to what was mapped
 * read-only raises SIGSEGV.  The handler puts memory of our own there, notes
 * that the mapping is lost, and the access goes on.  Whoever owns the mapping
 * looks at that note before he believes what he has read.
 *
 * One thread: the list is read by the handler, which interrupts only ourselves.
 * It changes by single pointer stores.
 */
#include <errno.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "guard.h"

#define GUARD_PAGE	4096U
#define GUARD_UNIT_MAX	(1ULL << 30)

static struct mullion_guard *volatile guard_list;

static void guard_fault(int number, siginfo_t *info, void *context)
{
	uint8_t *address = info->si_addr;
	struct mullion_guard *guard;

	(void)context;
	for (guard = guard_list; guard; guard = guard->next) {
		uint64_t offset = (uint64_t)(address - guard->base);

		if (address < guard->base || offset >= guard->bytes)
			continue;
		offset -= offset % guard->unit;
		if (mmap(guard->base + offset, guard->unit, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
			break;
		guard->lost = 1;
		return;
	}
	/* Not ours to explain: the access is repeated, and fatal. */
	signal(number, SIG_DFL);
}

int mullion_guard_init(void)
{
	struct sigaction action = { .sa_sigaction = guard_fault, .sa_flags = SA_SIGINFO };

	if (sigaction(SIGBUS, &action, NULL) < 0 || sigaction(SIGSEGV, &action, NULL) < 0)
		return -errno;
	return 0;
}

void mullion_guard_add(struct mullion_guard *guard)
{
	guard->next = guard_list;
	guard_list = guard;
}

void mullion_guard_remove(struct mullion_guard *guard)
{
	struct mullion_guard *other = guard_list;

	if (other == guard) {
		guard_list = guard->next;
		return;
	}
	while (other && other->next != guard)
		other = other->next;
	if (other)
		other->next = guard->next;
}

uint64_t mullion_guard_unit(int fd)
{
	struct stat st;
	uint64_t unit;

	if (fstat(fd, &st) < 0)
		return GUARD_PAGE;
	unit = (uint64_t)st.st_blksize;
	return unit < GUARD_PAGE || unit > GUARD_UNIT_MAX || (unit & (unit - 1)) ? GUARD_PAGE :
	       unit;
}
