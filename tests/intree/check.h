/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * tests/intree/check.h - what a back-end must do, one row per rule
 *
 * A row is counted each time that the rule was put to the test, and is one line
 * of the report.  The number is that of the pitfall in the s-Par channel ABI,
 * section 13; 0: a rule from elsewhere in that text.
 */
#ifndef INTREE_CHECK_H
#define INTREE_CHECK_H

#include <stdbool.h>

#define CHECKS								\
	X(PLACE, 2, "channels lie in reserved memory above 1 MiB and do not overlap") \
	X(ADDRESS_REUSE, 3, "no channel address is announced twice")	\
	X(HEADER_FINAL, 4, "channel headers do not change once announced") \
	X(HEADER_SIZE, 5, "header.size covers queues, slots and fixed parts") \
	X(SIGNATURE, 6, "the signature is right in all 64 bits")	\
	X(HEADER_TYPE, 0, "type GUID and version of a channel are those of its device") \
	X(FIRST_SLOT, 8, "the first signal of a queue is in slot 1")	\
	X(SLOTS_PLACE, 9, "slots lie inside the channel, over no header") \
	X(SIGNAL_SIZE, 10, "signal size fits the channel type, max_slots is sane") \
	X(QUEUE_CLEAN, 11, "a fresh queue is zeroed but for its geometry") \
	X(SLOT_BEFORE_HEAD, 12, "a slot is complete when head shows it")	\
	X(INDEX_RANGE, 12, "indices stay below max_slots, the other side's are left alone") \
	X(ACK_DRAINED, 13, "ACK and REQUEST are drained")		\
	X(RESPONSE_EMPTY, 14, "RESPONSE stays empty")			\
	X(COMMAND_CLEAN, 15, "commands have no status and no failed flag") \
	X(HANDLE_UNIQUE, 16, "message handles tell commands apart")	\
	X(PAYLOAD, 18, "payloads have 72 to 131072 bytes and lie in reserved memory") \
	X(BUS_NAME, 19, "BUS_CONFIGURE has no name")			\
	X(CRASH_AREA, 20, "the crash message area can be used")		\
	X(DUMP_LAST, 21, "the vHBA created last is on the storage bus")	\
	X(SERVED_EARLY, 22, "a device is served before its DEVICE_CREATE") \
	X(SERVED_LATE, 24, "a device is served until its remove has ended") \
	X(STATES, 25, "CHANGESTATE comes with 0x73 or 0xF7, to bound devices") \
	X(PAIRED, 26, "no double pause, no double resume")		\
	X(COMMAND_KNOWN, 0, "every command is one that the guest knows")	\
	X(COMMAND_WORKS, 0, "every create and destroy succeeds")		\
	X(CHILDREN_FIRST, 31, "devices are destroyed before their bus")	\
	X(HBA_RESUME, 32, "a vHBA is resumed once, without a response, and not destroyed in standby") \
	X(HBA_WRITE_THROUGH, 33, "disks say WCE = 0 and are idle at destroy") \
	X(HBA_TASK_PROMPT, 34, "task management is answered")		\
	X(HBA_TASK_ORDER, 35, "covered commands are answered before the task management request") \
	X(HBA_TASK_ECHO, 36, "a task management answer echoes its handles") \
	X(HBA_ROOM, 37, "rings have room for commands and task management") \
	X(HBA_LIMITS, 38, "disks can be used with 12-byte CDBs, limits fit 16 bits") \
	X(HBA_BOUNDS, 39, "nothing is written beyond the data of a request") \
	X(HBA_ECHO, 40, "answers echo CDB, length and destination")	\
	X(HBA_HANDLE, 0, "every command is answered exactly once")	\
	X(HBA_RESULT, 0, "linuxstat is a SCSI result, with sense where it says so") \
	X(HBA_DATA, 0, "what is read is what was written")		\
	X(HBA_STALE, 42, "the response ring is empty when a vHBA starts")	\
	X(HBA_BAD, 0, "a request that cannot be is answered with an error, and costs nothing else") \
	X(FREED, 53, "memory that the guest has taken back is left alone") \
	X(NIC_ACK, 43, "each enable and disable is acknowledged once, with its context") \
	X(NIC_POSTS, 44, "buffers posted before the enable are used")	\
	X(NIC_ACK_LAST, 45, "nothing follows the acknowledgement of a disable") \
	X(NIC_CMD_ROOM, 46, "the command queue of a vNIC has room")	\
	X(NIC_PROMISC, 47, "promiscuous is switched on by 0x0100")	\
	X(NIC_FILTER, 48, "multicast is delivered, foreign unicast is not") \
	X(NIC_CONFIG, 49, "at least 6 receive buffers, an MTU that frames fit") \
	X(NIC_CHAIN, 50, "frames fill buffers of 4032 bytes, at most 5, first cookie in buf") \
	X(NIC_COOKIE, 51, "cookies come back bit-exact and once")	\
	X(NIC_UNIQUE, 0, "receives carry the number that the buffer was posted with") \
	X(NIC_DATA, 52, "frames arrive as they were sent")		\
	X(NIC_BAD, 0, "a frame that cannot be comes back as failed, and costs nothing else") \
	X(NIC_RINGS, 53, "both rings are empty when a vNIC is resumed")	\
	X(NIC_RESUME, 54, "the enable of a resume is acknowledged")	\
	X(NIC_LINK, 55, "connect status is exactly 1 or 0")		\
	X(INIT_PAUSE, 58, "at least 0.5 s between CHIPSET_INIT's answer and the first bus") \
	X(NOT_LOCKED, 59, "no command is sent to a device that is locked")

enum check {
#define X(id, pitfall, text) CHECK_##id,
	CHECKS
#undef X
	CHECK_COUNT
};

/**
 * check() - count one trial of a rule
 * @check: the rule
 * @ok: was it kept?
 * @format: if not, what was found; printed at once
 *
 * Return: @ok.
 */
bool check(enum check check, bool ok, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* One line for those who wait for it: "event: ...". */
void event(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* The report.  Return: the number of rules that were broken. */
unsigned int check_report(void);

#endif /* INTREE_CHECK_H */
