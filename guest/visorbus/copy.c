// SPDX-License-Identifier: GPL-2.0-only
/*
 * copy.c - the copy between pages and pool that suits the machine
 *
 * The kernel's memcpy() suits processors.  With the feature "erms" it is one
 * "rep movsb", which real ones do by the cache line and QEMU's emulation byte
 * by byte: 0.4 GB/s, where a plain loop over words does 5.  Every byte of a
 * disk or a network passes through here, so both are tried once, when the module
 * is loaded.
 */
#include <linux/export.h>
#include <linux/preempt.h>
#include <linux/slab.h>
#include <linux/timex.h>

#include "copy.h"

/*
 * Data is copied with the pages' own addresses, and messages are stored where
 * they lie, unaligned.
 */
#if defined(CONFIG_HIGHMEM) || !defined(CONFIG_X86_64)
#error "windows need x86-64"
#endif

#define COPY_TRIAL_BYTES	8192
#define COPY_TRIALS		32

DEFINE_STATIC_KEY_FALSE(visorbus_copy_by_words);
EXPORT_SYMBOL_GPL(visorbus_copy_by_words);

/**
 * visorbus_copy_words() - copy in a loop over words
 * @dst: destination
 * @src: source, no overlap
 * @bytes: any number
 */
void visorbus_copy_words(void *dst, const void *src, size_t bytes)
{
	size_t lines = bytes / 64;
	u64 a, b, c, d;

	if (lines)
		asm volatile("1:\n\t"
			     "movq (%[s]), %[a]\n\t"
			     "movq 8(%[s]), %[b]\n\t"
			     "movq 16(%[s]), %[c]\n\t"
			     "movq 24(%[s]), %[e]\n\t"
			     "movq %[a], (%[d])\n\t"
			     "movq %[b], 8(%[d])\n\t"
			     "movq %[c], 16(%[d])\n\t"
			     "movq %[e], 24(%[d])\n\t"
			     "movq 32(%[s]), %[a]\n\t"
			     "movq 40(%[s]), %[b]\n\t"
			     "movq 48(%[s]), %[c]\n\t"
			     "movq 56(%[s]), %[e]\n\t"
			     "movq %[a], 32(%[d])\n\t"
			     "movq %[b], 40(%[d])\n\t"
			     "movq %[c], 48(%[d])\n\t"
			     "movq %[e], 56(%[d])\n\t"
			     "add $64, %[s]\n\t"
			     "add $64, %[d]\n\t"
			     "dec %[n]\n\t"
			     "jnz 1b"
			     : [d] "+r" (dst), [s] "+r" (src), [n] "+r" (lines),
			       [a] "=&r" (a), [b] "=&r" (b), [c] "=&r" (c),
			       [e] "=&r" (d)
			     : : "memory", "cc");
	if (bytes % 64)
		memcpy(dst, src, bytes % 64);
}
EXPORT_SYMBOL_GPL(visorbus_copy_words);

/* The clock of the kernel may tick in milliseconds yet, the processor's does not. */
static void copy_time(void (*copy)(void *dst, const void *src, size_t bytes),
		      u8 *buffer, u64 *best)
{
	u64 start, end;

	preempt_disable();
	start = get_cycles();
	copy(buffer, buffer + COPY_TRIAL_BYTES, COPY_TRIAL_BYTES);
	end = get_cycles();
	preempt_enable();
	*best = min(*best, end - start);
}

static void copy_memcpy(void *dst, const void *src, size_t bytes)
{
	memcpy(dst, src, bytes);
}

/**
 * visorbus_copy_init() - choose
 *
 * Without memory for the trial memcpy() stays.
 */
void visorbus_copy_init(void)
{
	u8 *buffer = kzalloc(2 * COPY_TRIAL_BYTES, GFP_KERNEL);
	u64 standard = U64_MAX, words = U64_MAX;
	unsigned int i;

	if (!buffer)
		return;
	for (i = 0; i < COPY_TRIALS; i++) {
		copy_time(copy_memcpy, buffer, &standard);
		copy_time(visorbus_copy_words, buffer, &words);
	}
	kfree(buffer);
	/* A quarter faster, or it is noise. */
	if (words + words / 4 < standard)
		static_branch_enable(&visorbus_copy_by_words);
	pr_debug("visorbus: %u bytes copied in %llu cycles by memcpy, %llu by words\n",
		 COPY_TRIAL_BYTES, standard, words);
}
