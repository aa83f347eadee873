#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-or-later
#
# What the guest's bus says of its modes, and when it refuses one: data addresses
# that are not those of the pages, channels in memory that is not reserved.
# shellcheck source=tests/guest/lib.sh
. "$(dirname "$0")/lib.sh"

head -c 1M /dev/urandom >a.img
device=/sys/bus/visorbus/devices/vbus1:dev0/mullion
# sees ADDRESSING PLACEMENT OPTION...
sees() {
	local want="$1 $2"
	shift 2
	guest --name sees --disk a.img "$@" -- sh -c "
		cat $device/addressing $device/placement
		grep -c . $device/epoch" >out || { cat out; fail "$want: exit status $?"; }
	expect "addressing and placement" "$want 1" "$(tr '\n' ' ' <out | sed 's/ $//')"
}
sees window pci
sees guest-physical pci --addressing guest-physical
sees guest-physical ram --addressing guest-physical --window ram

# A guest that is not asked to wait for its devices, and tells what its kernel says.
refused() {	# WHAT MESSAGE APPEND OPTION...
	local what=$1 message=$2
	talk=(--append "loglevel=7 mullion.wait=0 $3")
	shift 3
	guest --name refused --disk a.img "$@" -- sh -c '
		for i in $(seq 300); do
			dmesg | grep -q "visor.*refused" && break
			sleep 0.1
		done
		dmesg | grep "visor.*refused"
		ls /sys/block | grep -c sd' >out || true
	cat out
	grep -q "$message" out || fail "$what: nothing says why"
	expect "disks: $what" 0 "$(tail -n 1 out)"
}
refused "bounce buffers" "guest-physical addresses, and data would go through bounce buffers" \
	swiotlb=force --addressing guest-physical
refused "memory of the kernel" "the kernel uses this memory" \
	visorbus.control=0x8000000:0x2a000 --addressing guest-physical --window ram
refused "nobody's memory" "the memory map does not reserve it" \
	visorbus.control=0xd0000000:0x2a000 --addressing guest-physical --window ram
