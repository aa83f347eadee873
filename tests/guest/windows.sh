#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
# also: 6.12
# also: guest-physical
#
# Windows on both machine types: several at once, mapped write-back; disks that
# come and go while the guest runs, in a window that is there and in one that
# is plugged.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

truncate -s 16M a.img
for name in b c d; do
	head -c 8M /dev/urandom >$name.img
done

plug() {	# MACHINE
	local runner status=0
	: >out
	# shellcheck disable=SC2016
	"$mullion" run --name plug --machine "$1" --verbose "${talk[@]}" --memory "$memory" \
		--kernel "$kernel" --initrd "$image/initrd.img" --disk a.img \
		--disk b.img,share=on -- sh -c '
		disks() { ls -d /sys/block/sd* 2>/dev/null | wc -l; }
		wait_for() {
			for i in $(seq 3000); do
				[ "$(disks)" = $1 ] && return 0
				sleep 0.1
			done
			echo "FAILED: $(disks) disks instead of $1"
			dmesg | tail -n 40
			exit 1
		}
		wait_for 2
		for f in /sys/bus/pci/devices/*; do
			[ "$(cat $f/device)" = 0x1110 ] || continue
			start=$(sed -n 3p $f/resource | cut -d" " -f1)
			printf "window at %s: " $start
			grep "mem $start" /sys/kernel/debug/x86/pat_memtype_list ||
				echo "no entry"
		done
		dmesg | grep -i "mapped uncached"
		echo "waiting for 3"
		wait_for 3
		echo "waiting for 4"
		wait_for 4
		for disk in /sys/block/sd*; do
			dd if=/dev/${disk##*/} bs=64k iflag=direct 2>/dev/null | sha256sum
		done
		echo "waiting for 2"
		wait_for 2
		echo "done"' >out 2>"$console" &
	runner=$!
	wait_until 120 grep -q 'waiting for 3' out || { cat out; fail "$1: did not start"; }
	"$mullion" device add plug c.img,serial=PLUG || fail "$1: device add"
	wait_until 90 grep -q 'waiting for 4' out || { cat out; fail "$1: the disk did not come"; }
	# shared: from a service of its own, through a window of its own
	"$mullion" device add plug d.img,share=on,serial=WINDOW || fail "$1: device add, shared"
	wait_until 90 grep -q 'waiting for 2' out || { cat out; fail "$1: the window did not come"; }
	"$mullion" device remove plug PLUG || fail "$1: device remove"
	"$mullion" device remove plug WINDOW || fail "$1: device remove, shared"
	wait $runner || status=$?
	cat out
	console_check
	expect "$1: exit status" 0 $status
	for name in b c d; do
		grep -q "$(sha256sum <$name.img)" out || fail "$1: content of $name.img"
	done
	expect "$1: windows at the start" 3 "$(grep -c '^window at' out)"
	expect "$1: windows mapped write-back" 3 "$(grep -c '^window at.*write-back$' out)"
	if grep -i 'uncached' out; then
		fail "$1: a window is mapped uncached"
	fi
}

plug pc
plug q35
