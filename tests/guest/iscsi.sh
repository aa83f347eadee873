#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
# time: 3600
#
# libiscsi's conformance tests, SCSI family, on a guest's disk.  Nothing may
# fail; what was skipped, because the disk does not claim it, is listed.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 64M a.img
guest --timeout 3000 --disk a.img -- \
	sh -c 'iscsi-test-cu --dataloss --test=SCSI /dev/sg0 2>&1' >out || true
cat out
grep -q 'Run Summary' out || fail "the tests did not run to their end"

# A test that skips counts as passed there; "suite: test: reason" for each.
awk '/^Suite: / { suite = $2 }
	/^  Test: / { test = $2 }
	/SKIPPED/ { sub(/.*SKIPPED\] */, ""); print suite " " test ": " $0 }' out | sort -u >skipped
echo "Skipped:"
cat skipped
count=$(awk '{ print $1 $2 }' skipped | sort -u | wc -l)
info "iscsi-test-cu: $(awk -v s="$count" '$1 == "tests" {
	print "passed " $4 - s ", failed " $5 ", skipped " s " (the disk claims no such command, or iSCSI only)" }' out)"
awk '$1 == "tests" && $5 != 0 { exit 1 }' out || fail "conformance tests failed"
