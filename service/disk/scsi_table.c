// SPDX-License-Identifier: GPL-2.0-or-later
/*
 * service/disk/scsi_table.c - every command that the target supports
 *
 * The CDB usage maps are what REPORT SUPPORTED OPERATION CODES tells and what
 * is enforced: a bit that is set in a CDB and not here is refused.  Service
 * actions are not in the maps; the last byte is CONTROL, where NACA would be.
 */
#include "scsi.h"

#define LBA4	0xff, 0xff, 0xff, 0xff
#define LBA8	LBA4, LBA4

#define READS	(SC_MEDIUM | SC_PR_READ)
#define WRITES	(SC_MEDIUM | SC_WRITE | SC_PR_WRITE)
#define NONE	SC_NO_ACTION

/* Seconds: nominal, generous; most commands move at most 1 MiB. */
#define QUICK	10
#define MEDIUM	30
#define SLOW	60

const struct scsi_command scsi_commands[] = {
	{ 0x00, NONE, 6, QUICK, SC_MEDIUM, scsi_test_unit_ready,
	  { 0x00 } },
	{ 0x03, NONE, 6, QUICK, SC_NO_ATTENTION | SC_RES6_OK | SC_NO_LUN,
	  scsi_request_sense,
	  { 0x03, 0x01, 0, 0, 0xff } },
	{ 0x08, NONE, 6, MEDIUM, READS, scsi_read_6,
	  { 0x08, 0x1f, 0xff, 0xff, 0xff } },
	{ 0x0a, NONE, 6, MEDIUM, WRITES, scsi_write_6,
	  { 0x0a, 0x1f, 0xff, 0xff, 0xff } },
	{ 0x12, NONE, 6, QUICK, SC_NO_ATTENTION | SC_RES6_OK | SC_NO_LUN,
	  scsi_inquiry,
	  { 0x12, 0x01, 0xff, 0xff, 0xff } },
	{ 0x15, NONE, 6, MEDIUM, SC_PR_WRITE | SC_STATE, scsi_mode_select,
	  { 0x15, 0x10, 0, 0, 0xff } },
	{ 0x16, NONE, 6, QUICK, SC_STATE, scsi_reserve_6,
	  { 0x16 } },
	{ 0x17, NONE, 6, QUICK, SC_RES6_OK | SC_STATE, scsi_release_6,
	  { 0x17 } },
	{ 0x1a, NONE, 6, QUICK, SC_PR_READ, scsi_mode_sense,
	  { 0x1a, 0x08, 0xff, 0xff, 0xff } },
	{ 0x1b, NONE, 6, MEDIUM, SC_STATE, scsi_start_stop,
	  { 0x1b, 0x01, 0, 0, 0x05 } },
	{ 0x1e, NONE, 6, QUICK, 0, scsi_prevent_allow,
	  { 0x1e, 0, 0, 0, 0x01 } },
	{ 0x25, NONE, 10, QUICK, SC_MEDIUM, scsi_read_capacity_10,
	  { 0x25 } },
	{ 0x28, NONE, 10, MEDIUM, READS, scsi_read,
	  { 0x28, 0x1a, LBA4, 0, 0xff, 0xff } },
	{ 0x2a, NONE, 10, MEDIUM, WRITES, scsi_write,
	  { 0x2a, 0x1a, LBA4, 0, 0xff, 0xff } },
	{ 0x2e, NONE, 10, SLOW, WRITES, scsi_write_verify,
	  { 0x2e, 0x16, LBA4, 0, 0xff, 0xff } },
	{ 0x2f, NONE, 10, SLOW, READS, scsi_verify,
	  { 0x2f, 0x16, LBA4, 0, 0xff, 0xff } },
	{ 0x35, NONE, 10, SLOW, SC_MEDIUM | SC_PR_WRITE, scsi_synchronize_cache,
	  { 0x35, 0x06, LBA4, 0, 0xff, 0xff } },
	{ 0x41, NONE, 10, SLOW, WRITES, scsi_write_same,
	  { 0x41, 0x08, LBA4, 0, 0xff, 0xff } },
	{ 0x42, NONE, 10, SLOW, WRITES | SC_UNMAP, scsi_unmap,
	  { 0x42, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x55, NONE, 10, MEDIUM, SC_PR_WRITE | SC_STATE, scsi_mode_select,
	  { 0x55, 0x10, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x5a, NONE, 10, QUICK, SC_PR_READ, scsi_mode_sense,
	  { 0x5a, 0x18, 0xff, 0xff, 0, 0, 0, 0xff, 0xff } },
	{ 0x5e, 0x00, 10, QUICK, 0, scsi_pr_in,		/* READ KEYS */
	  { 0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x5e, 0x01, 10, QUICK, 0, scsi_pr_in,		/* READ RESERVATION */
	  { 0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x5e, 0x02, 10, QUICK, 0, scsi_pr_in,		/* REPORT CAPABILITIES */
	  { 0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x5e, 0x03, 10, QUICK, 0, scsi_pr_in,		/* READ FULL STATUS */
	  { 0x5e, 0, 0, 0, 0, 0, 0, 0xff, 0xff } },
	{ 0x5f, 0x00, 10, QUICK, SC_STATE, scsi_pr_out,	/* REGISTER */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x01, 10, QUICK, SC_STATE, scsi_pr_out,	/* RESERVE */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x02, 10, QUICK, SC_STATE, scsi_pr_out,	/* RELEASE */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x03, 10, QUICK, SC_STATE, scsi_pr_out,	/* CLEAR */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x04, 10, QUICK, SC_STATE, scsi_pr_out,	/* PREEMPT */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x05, 10, MEDIUM, SC_STATE, scsi_pr_out, /* PREEMPT AND ABORT */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x06, 10, QUICK, SC_STATE, scsi_pr_out,	/* REGISTER AND IGNORE */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x5f, 0x07, 10, QUICK, SC_STATE, scsi_pr_out,	/* REGISTER AND MOVE */
	  { 0x5f, 0, 0xff, 0, 0, LBA4 } },
	{ 0x88, NONE, 16, MEDIUM, READS, scsi_read,
	  { 0x88, 0x1a, LBA8, LBA4 } },
	{ 0x89, NONE, 16, MEDIUM, WRITES, scsi_compare_and_write,
	  { 0x89, 0x1a, LBA8, 0, 0, 0, 0xff } },
	{ 0x8a, NONE, 16, MEDIUM, WRITES, scsi_write,
	  { 0x8a, 0x1a, LBA8, LBA4 } },
	{ 0x8b, NONE, 16, MEDIUM, WRITES, scsi_orwrite,
	  { 0x8b, 0x1a, LBA8, LBA4 } },
	{ 0x8e, NONE, 16, SLOW, WRITES, scsi_write_verify,
	  { 0x8e, 0x16, LBA8, LBA4 } },
	{ 0x8f, NONE, 16, SLOW, READS, scsi_verify,
	  { 0x8f, 0x16, LBA8, LBA4 } },
	{ 0x91, NONE, 16, SLOW, SC_MEDIUM | SC_PR_WRITE, scsi_synchronize_cache,
	  { 0x91, 0x06, LBA8, LBA4 } },
	{ 0x93, NONE, 16, SLOW, WRITES, scsi_write_same,
	  { 0x93, 0x09, LBA8, LBA4 } },
	{ 0x9e, 0x10, 16, QUICK, SC_MEDIUM, scsi_read_capacity_16,
	  { 0x9e, 0, 0, 0, 0, 0, 0, 0, 0, 0, LBA4 } },
	{ 0x9e, 0x12, 16, MEDIUM, READS, scsi_get_lba_status,
	  { 0x9e, 0, LBA8, LBA4 } },
	{ 0xa0, NONE, 12, QUICK, SC_NO_ATTENTION | SC_RES6_OK | SC_NO_LUN,
	  scsi_report_luns,
	  { 0xa0, 0, 0xff, 0, 0, 0, LBA4 } },
	{ 0xa3, 0x0c, 12, QUICK, 0, scsi_report_opcodes,
	  { 0xa3, 0, 0x87, 0xff, 0xff, 0xff, LBA4 } },
	{ 0xa3, 0x0d, 12, QUICK, 0, scsi_report_tasks,
	  { 0xa3, 0, 0x80, 0, 0, 0, LBA4 } },
	{ 0xa8, NONE, 12, MEDIUM, READS, scsi_read,
	  { 0xa8, 0x1a, LBA4, LBA4 } },
	{ 0xaa, NONE, 12, MEDIUM, WRITES, scsi_write,
	  { 0xaa, 0x1a, LBA4, LBA4 } },
	{ 0xae, NONE, 12, SLOW, WRITES, scsi_write_verify,
	  { 0xae, 0x16, LBA4, LBA4 } },
	{ 0xaf, NONE, 12, SLOW, READS, scsi_verify,
	  { 0xaf, 0x16, LBA4, LBA4 } },
};

const unsigned int scsi_command_count =
	sizeof(scsi_commands) / sizeof(scsi_commands[0]);
