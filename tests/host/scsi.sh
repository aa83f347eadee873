#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# sg3_utils and libiscsi's SCSI tests against the disk service's target, which
# is preloaded into them as an SG_IO device (tests/lib/sg_preload.c).  No guest.
set -u

top=$(cd "$(dirname "$0")/../.." && pwd)
preload=${MULLION_SG_PRELOAD:-$top/build/tests/unit/sg-preload.so}
for word in sg_inq iscsi-test-cu; do
	command -v "$word" >/dev/null || { echo "$word is missing"; exit 77; }
done
[ -e "$preload" ] || { echo "$preload is not built"; exit 77; }

folder=$(mktemp -d /var/tmp/mullion-scsi.XXXXXX)
trap 'rm -rf "$folder"' EXIT
export MULLION_SG_PATH=/dev/mullion-sg
failed=0

image() {
	rm -f "$folder/image"
	truncate -s 64M "$folder/image"
	export MULLION_SG_IMAGE=$folder/image
}

sg() {
	LD_PRELOAD=$preload "$@" >"$folder/out" 2>&1 && return
	echo "FAILED: $*"
	cat "$folder/out"
	failed=1
}

says() {	# TEXT: the last command printed it
	grep -q -- "$1" "$folder/out" && return
	echo "FAILED: no \"$1\" in:"
	cat "$folder/out"
	failed=1
}

image
d=$MULLION_SG_PATH
sg sg_inq "$d"; says 'MULLION'
for page in 0x00 0x80 0x83 0xb0 0xb1 0xb2; do
	sg sg_inq -p "$page" "$d"
done
sg sg_vpd -a "$d"; says 'LBPRZ): 1'
sg sg_turs "$d"
sg sg_readcap "$d"; says '131072'
sg sg_readcap --16 "$d"; says 'lbpme=1'
sg sg_luns "$d"; says '0000000000000000'
sg sg_opcodes "$d"; says 'Compare and write'
sg sg_opcodes --tmf "$d"; says 'Abort task'
sg sg_modes -a "$d"; says 'Caching'
sg sg_wr_mode -p 8 -c 08,12,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00,00 "$d"
sg sg_write_same --16 --lba=8 --num=64 "$d"
sg sg_unmap --force --lba=8 --num=64 "$d"
sg sg_get_lba_status --lba=8 "$d"
dd if=/dev/zero of="$folder/zero" bs=512 count=2 status=none
dd if=/dev/urandom of="$folder/other" bs=512 count=2 status=none
sg sg_compare_and_write --in="$folder/zero" --lba=8 --num=1 --xferlen=1024 "$d"
if LD_PRELOAD=$preload sg_compare_and_write --in="$folder/other" --lba=8 --num=1 \
	--xferlen=1024 "$d" >"$folder/out" 2>&1; then
	echo "FAILED: sg_compare_and_write of other data succeeded"
	failed=1
fi
says 'Miscompare'
sg sg_verify --16 --lba=0 --count=1024 "$d"
sg sg_sync --16 "$d"
sg sg_start --stop "$d"
sg sg_persist --out --register --param-sark=0x1 "$d"
sg sg_persist --in --report-capabilities "$d"; says 'Write Exclusive'
sg sg_persist --in --read-full-status "$d"

# One path, then two paths on a fresh disk: these tests read what others wrote,
# and expect no unit attention of the first path's mode changes on the second.
iscsi() {	# NAME ARG...
	local name=$1
	shift
	image
	LD_PRELOAD=$preload iscsi-test-cu -d -v "$@" >"$folder/out" 2>&1
	grep -E '^ *(suites|tests|asserts) ' "$folder/out" |
		sed "s/^/info: iscsi-test-cu $name:/"
	if ! grep -qE '^ *tests +[0-9]+ +[0-9]+ +[0-9]+ +0 ' "$folder/out"; then
		echo "FAILED: iscsi-test-cu $name"
		grep -B2 -A4 FAILED "$folder/out"
		failed=1
	fi
	grep -o '\[SKIPPED\].*' "$folder/out" | sort | uniq -c
}
iscsi "SCSI, one path" --test=SCSI "$d"
MULLION_SG_RO=1 iscsi "ReadOnly" --test=SCSI.ReadOnly "$d"
iscsi "MultipathIO" --test=SCSI.MultipathIO "$d" "$d-2"

exit "$failed"
