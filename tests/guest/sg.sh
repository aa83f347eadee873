#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: guest-physical
#
# sg3_utils against a disk: every command that a user would try by hand.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 32M a.img
truncate -s 16M b.img
# shellcheck disable=SC2016
guest --disk a.img,serial=SGTEST --disk b.img,lun=1 -- sh -c '
	failed=0
	try() {
		echo "--- $*"
		"$@" 2>&1 || { echo "FAILED ($?): $*"; failed=1; }
	}
	# must fail, with the sense key given
	refuse() {
		key=$1; shift
		echo "--- $* (must be refused: $key)"
		"$@" >/tmp/out 2>&1 && { echo "FAILED: accepted: $*"; failed=1; }
		cat /tmp/out
		grep -qi "$key" /tmp/out || { echo "FAILED: not $key: $*"; failed=1; }
	}
	try sg_inq /dev/sda
	for page in 0x00 0x80 0x83 0xb0 0xb1 0xb2; do
		try sg_inq -p $page /dev/sda
	done
	try sg_vpd -a /dev/sda
	refuse illegal sg_vpd --force -p 0xb9 /dev/sda
	try sg_turs -v /dev/sda
	try sg_requests /dev/sda
	try sg_readcap /dev/sda
	try sg_readcap --16 /dev/sda
	try sg_luns /dev/sda
	try sg_opcodes /dev/sda
	try sg_opcodes -m -n /dev/sda
	try sg_modes -a /dev/sda
	try sg_modes -6 -a /dev/sda
	try sg_sync /dev/sda
	try sg_sync --16 /dev/sda
	try sg_start --start /dev/sda
	try sg_prevent --allow /dev/sda
	try sg_verify --lba=0 --count=64 /dev/sda
	refuse "out of range" sg_verify --16 --lba=0x10000 --count=1 /dev/sda
	dd if=/dev/urandom of=/tmp/r bs=512 count=64 2>/dev/null
	try dd if=/tmp/r of=/dev/sda bs=32k oflag=direct
	try sg_get_lba_status --lba=0 /dev/sda
	try sg_unmap --force --lba=0 --num=8 /dev/sda
	try sg_write_same --lba=16 --num=8 --in=/tmp/r --xferlen=512 /dev/sda
	try sg_write_same --16 --unmap --lba=32 --num=8 /dev/sda
	echo 3 >/proc/sys/vm/drop_caches
	dd if=/dev/sda bs=512 count=64 iflag=direct of=/tmp/back 2>/dev/null
	# what should be there now
	dd if=/dev/zero of=/tmp/r.want bs=512 count=8 2>/dev/null
	dd if=/tmp/r bs=512 skip=8 count=8 2>/dev/null >>/tmp/r.want
	for i in 1 2 3 4 5 6 7 8; do dd if=/tmp/r bs=512 count=1 2>/dev/null; done >>/tmp/r.want
	dd if=/tmp/r bs=512 skip=24 count=8 2>/dev/null >>/tmp/r.want
	dd if=/dev/zero bs=512 count=8 2>/dev/null >>/tmp/r.want
	dd if=/tmp/r bs=512 skip=40 count=24 2>/dev/null >>/tmp/r.want
	cmp /tmp/back /tmp/r.want || { echo "FAILED: content after UNMAP and WRITE SAME"; failed=1; }

	# compare and write: first what is there, then something else
	dd if=/tmp/r bs=512 skip=50 count=1 of=/tmp/cw 2>/dev/null
	dd if=/dev/zero bs=512 count=1 2>/dev/null >>/tmp/cw
	try sg_compare_and_write --in=/tmp/cw --lba=50 --num=1 --xferlen=1024 /dev/sda
	refuse miscompare sg_compare_and_write --in=/tmp/cw --lba=50 --num=1 --xferlen=1024 /dev/sda

	# reservations
	try sg_persist --in --report-capabilities /dev/sda
	try sg_persist --out --register --param-sark=0xabc /dev/sda
	try sg_persist --in --read-keys /dev/sda
	try sg_persist --out --reserve --param-rk=0xabc --prout-type=1 /dev/sda
	try sg_persist --in --read-reservation /dev/sda
	try sg_persist --in --read-full-status /dev/sda
	try sg_persist --out --release --param-rk=0xabc --prout-type=1 /dev/sda
	refuse conflict sg_persist --out --reserve --param-rk=0xdef --prout-type=1 /dev/sda
	try sg_persist --out --clear --param-rk=0xabc /dev/sda
	# a reset is reported once
	for how in --device --target; do
		try sg_reset $how /dev/sda
		refuse "unit attention" sg_turs -v /dev/sda
		try sg_turs /dev/sda
	done
	exit $failed
' >out || {
	grep -a -A12 FAILED out
	fail "see above"
}
grep -c '^---' out | sed 's/$/ commands as they should be/'
grep -q SGTEST out || fail "the serial number is not shown"
