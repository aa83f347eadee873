#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# RAM that services see, as machine types and NUMA nodes lay it out: above
# and below the hole for PCI, in several files, in huge pages.  Every byte
# that a disk moves is where it belongs.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 64M /dev/urandom >a.img
truncate -s 64M b.img
sum=$(sha256sum <a.img)

# What the daemon says of the guest's RAM is what the firmware told the kernel:
# the last byte of each region that is not the one below the next file's.
layout() {	# NAME
	"$mullion" show "$1" --json | python3 -c '
import json, sys
ram = json.load(sys.stdin)["ram"]
ends = {}
for r in ram["regions"]:
    ends[r["gpa"]] = r["bytes"]
while True:
    for gpa in ends:
        if gpa + ends[gpa] in ends:
            ends[gpa] += ends.pop(gpa + ends[gpa])
            break
    else:
        break
for gpa in sorted(ends):
    print("%x-%x" % (gpa, gpa + ends[gpa] - 1))'
}

# laid_out MACHINE MEMORY REGIONS [OPTION...]
laid_out() {
	local machine=$1 size=$2 want=$3 runner status=0
	shift 3
	rm -f input
	mkfifo input
	exec 9<>input
	: >out
	"$mullion" run --name laid --addressing guest-physical --machine "$machine" --verbose \
		"${talk[@]}" --memory "$size" --kernel "$kernel" --initrd "$image/initrd.img" \
		--disk a.img --disk b.img,lun=1 "$@" -- sh -c '
		dd if=/dev/sda of=/dev/sdb bs=1M iflag=direct oflag=direct 2>/dev/null
		mkdir /t && mount -t tmpfs -o size=80m t /t && cat /dev/sda >/t/a && sha256sum </t/a
		echo 3 >/proc/sys/vm/drop_caches
		sha256sum </dev/sdb
		sed -n "s/ : System RAM//p" /proc/iomem | tail -n 1
		ls -d /sys/devices/system/node/node* | wc -l
		echo ready; read word' <input >out 2>"$console" &
	runner=$!
	wait_until 240 grep -q ready out || { tail -n 20 "$console"; cat out; fail "$machine $size: no end"; }
	expect "$machine $size${*:+ $*}: regions" "$want" "$(layout laid | xargs)"
	expect "$machine $size${*:+ $*}: content read" "$sum" "$(sed -n 1p out)"
	expect "$machine $size${*:+ $*}: content written" "$sum" "$(sed -n 2p out)"
	expect "$machine $size${*:+ $*}: end of memory" "$(sed 's/.*-//' <<<"$want")" \
		"$(sed -n '3s/.*-//p' out)"
	echo go >&9
	exec 9>&-
	wait $runner || status=$?
	console_check
	expect "$machine $size${*:+ $*}: exit status" 0 $status
	info "$machine $size${*:+ $*}: ${want// /, }"
}

laid_out pc 4G "0-bfffffff 100000000-13fffffff"
laid_out q35 3G "0-7fffffff 100000000-13fffffff" --numa 2 --cpus 2
expect "NUMA nodes" 2 "$(sed -n 4p out)"

# Huge pages, where the host may be asked for some.
pool=/sys/kernel/mm/hugepages/hugepages-2048kB
pages=$((768 / 2))
if [ -w $pool/nr_hugepages ]; then
	before=$(cat $pool/nr_hugepages)
	echo $((before + pages)) >$pool/nr_hugepages
	if [ "$(cat $pool/free_hugepages)" -ge $pages ]; then
		# the end of low memory is the firmware's
		status=0
		"$mullion" run --addressing guest-physical --hugepages 2M --memory 768M \
			--kernel "$kernel" --initrd "$image/initrd.img" --disk a.img -- sh -c '
			dd if=/dev/sda bs=1M iflag=direct 2>/dev/null | sha256sum' >out 2>err || status=$?
		cat err
		echo "$before" >$pool/nr_hugepages
		expect "exit status with huge pages" 0 $status
		expect "content in huge pages" "$sum" "$(cat out)"
		info "huge pages: used"
	else
		echo "$before" >$pool/nr_hugepages
		info "huge pages: the host has no room for them"
	fi
	status=0
	"$mullion" run --addressing guest-physical --hugepages 2M --memory 256G \
		--kernel "$kernel" --initrd "$image/initrd.img" -- true 2>err || status=$?
	expect "exit status without enough huge pages" 125 $status
	expect "lines about too few huge pages" 1 "$(wc -l <err)"
	grep -q "huge pages of 2M" err || fail "too few huge pages: $(cat err)"
fi
