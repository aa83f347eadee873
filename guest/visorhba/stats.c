// SPDX-License-Identifier: GPL-2.0-only
/*
 * stats.c - counters in debugfs: visorhba/vbus<N>:dev<M>/info
 *
 * One "name value" a line.  The counters are read without locks and may lag.
 */
#include <linux/debugfs.h>
#include <linux/seq_file.h>

#include "visorhba.h"

static struct dentry *visorhba_debugfs;

static const char * const visorhba_state_names[] = {
	[VISORHBA_PAUSED] = "paused",
	[VISORHBA_RUNNING] = "running",
	[VISORHBA_FAILED] = "failed",
	[VISORHBA_FAULTED] = "faulted",
	[VISORHBA_GONE] = "gone",
};

static int info_show(struct seq_file *m, void *unused)
{
	struct visorhba *hba = m->private;
	unsigned int i, outstanding = 0;

	for (i = 0; i < hba->tags; i++)
		outstanding += !!READ_ONCE(hba->table[i].id);

	seq_printf(m, "state %s\n", visorhba_state_names[hba->state]);
	seq_printf(m, "addressing %s\n",
		   hba->physical ? "guest-physical" : "window");
	seq_printf(m, "tags %u\n", hba->tags);
	seq_printf(m, "max_io %u\n", hba->max_io);
	seq_printf(m, "pieces %u\n", hba->piece_count);
	seq_printf(m, "pieces_free %u\n", hba->pieces_free);
	seq_printf(m, "piece_shortages %llu\n", hba->piece_shortages);
	seq_printf(m, "outstanding %u\n", outstanding);
	seq_printf(m, "resumes %llu\n", hba->resumes);
	seq_printf(m, "reissued %llu\n", hba->reissued);
	seq_printf(m, "aborts %llu\n", hba->aborts);
	seq_printf(m, "resets %llu\n", hba->resets);
	seq_printf(m, "host_resets %llu\n", hba->host_resets);
	seq_printf(m, "tmf_timeouts %llu\n", hba->tmf_timeouts);
	for (i = 0; i < hba->queue_count; i++) {
		struct visorhba_queue *q = &hba->queues[i];

		seq_printf(m, "queue%u.commands %llu\n", i, q->commands);
		seq_printf(m, "queue%u.responses %llu\n", i, q->responses);
		seq_printf(m, "queue%u.bytes_read %llu\n", i, q->bytes_in);
		seq_printf(m, "queue%u.bytes_written %llu\n", i, q->bytes_out);
		seq_printf(m, "queue%u.rings %llu\n", i, q->rings);
		seq_printf(m, "queue%u.ring_full %llu\n", i, q->ring_full);
		seq_printf(m, "queue%u.interrupts %llu\n", i, q->interrupts);
		seq_printf(m, "queue%u.handed_over %llu\n", i, q->handed_over);
		seq_printf(m, "queue%u.notifies %llu\n", i, q->notifies);
		seq_printf(m, "queue%u.stale %llu\n", i, q->stale);
		seq_printf(m, "queue%u.invalid %llu\n", i, q->invalid);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(info);

/**
 * visorhba_stats_init() - the folder of all hosts
 */
void visorhba_stats_init(void)
{
	visorhba_debugfs = debugfs_create_dir("visorhba", NULL);
}

/**
 * visorhba_stats_done() - the end of it
 */
void visorhba_stats_done(void)
{
	debugfs_remove_recursive(visorhba_debugfs);
}

/**
 * visorhba_stats_add() - a host's folder
 * @hba: the host
 */
void visorhba_stats_add(struct visorhba *hba)
{
	hba->debugfs = debugfs_create_dir(dev_name(&hba->dev->device),
					  visorhba_debugfs);
	debugfs_create_file("info", 0400, hba->debugfs, hba, &info_fops);
}

/**
 * visorhba_stats_remove() - the end of it
 * @hba: the host
 */
void visorhba_stats_remove(struct visorhba *hba)
{
	debugfs_remove_recursive(hba->debugfs);
}
